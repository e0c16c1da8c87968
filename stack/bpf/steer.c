/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steer.c - see steer.h
 *
 * Idea: a group is nothing but its members, numbered in the port table (ports.c); the program is
 * held by number 0, so joining, leaving and the death of any process need no object of their own.
 * The program sees the packet from its payload on, headers by SKF_NET_OFF, and returns a number.
 * Context: instance lock.
 */
#include "stack/bpf/steer.h"

#include <errno.h>

/* Linux: in no table by which packets are found. */
static bool is_unhashed(const struct s7_sock *sk)
{
	if (sk->flow.linked || sk->proto == PROTO_RAW)
		return false;
	return sk->proto == PROTO_TCP ? !sk->bind.listening : !(sk->bits & SKB_BOUND);
}

/* Who holds the program that counts for the socket. NULL: nobody could. */
static struct s7_bind *holder(struct s7_sock *sk)
{
	if (sk->bind.grouped)
		return port_member(&sk->inst->ports, &sk->bind, 0);
	return is_unhashed(sk) && sk->bits & SKB_REUSEPORT ? &sk->bind : NULL;
}

int steer_attach(struct s7_sock *sk, const struct sock_filter *user, uint32_t len)
{
	struct s7_bind *at = holder(sk);
	struct s7_filter *filter;
	int err;

	if (sk->more & SKM_LOCK_FILTER)
		return -EPERM;
	err = filter_load(sk->inst, user, len, &filter);
	if (err)
		return err;
	filter->refs = 1;
	if (!at) {
		filter_put(sk->inst, filter);
		return -EINVAL;
	}
	filter_put(sk->inst, at->steer);
	at->steer = filter;
	return 0;
}

int steer_detach(struct s7_sock *sk)
{
	struct s7_bind *at = holder(sk);

	if (!at || !at->steer)
		return sk->bind.grouped || sk->bits & SKB_REUSEPORT ? -ENOENT : -EINVAL;
	filter_put(sk->inst, at->steer);
	at->steer = NULL;
	return 0;
}

void steer_drop(struct s7_sock *sk)
{
	filter_put(sk->inst, sk->bind.steer);
	sk->bind.steer = NULL;
}

struct s7_bind *steer_pick(struct s7_inst *inst, struct s7_bind *bind, const struct s7_pkt *pkt,
			   uint32_t hdr)
{
	const struct s7_bind *first = port_member(&inst->ports, bind, 0);
	struct s7_bind *named;
	struct bpf_view view;

	if (s7_likely(!first || !first->steer))
		return bind;
	filter_view(&view, inst, pkt, first->steer->code.uses);
	view.data += hdr;
	view.head -= hdr;
	view.len -= hdr;
	view.net -= (int32_t)hdr;
	view.link -= (int32_t)hdr;
	view.back += hdr;
	named = port_member(&inst->ports, bind, filter_exec(inst, first->steer, &view));
	return named ? named : bind;
}
