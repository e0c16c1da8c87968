/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steer.c - see steer.h
 *
 * Idea: a group is nothing but its members, numbered in the port table (ports.c); the program is
 * held by number 0, so joining, leaving and the death of any process need no object of their own.
 * A SOCKET_FILTER, classic or not, sees the packet from its payload on, headers by SKF_NET_OFF, and
 * returns a number. An SK_REUSEPORT sees it from the transport header on and names a member by its
 * place in a map of sockets (REUSEPORT_SOCKARRAY). A socket is in one such map at most, so it knows
 * itself where (bind.array): there is no table to keep, and nothing to undo when it goes.
 * Context: instance lock.
 */
#include "stack/bpf/steer.h"

#include <errno.h>

#include "stack/bpf/ebpf.h"

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

/* Takes the filter, also when it is not to be had. */
static int set_program(struct s7_sock *sk, struct s7_filter *filter)
{
	struct s7_bind *at = holder(sk);

	filter->refs = 1;
	if (!at) {
		filter_put(sk->inst, filter);
		return -EINVAL;
	}
	filter_put(sk->inst, at->steer);
	at->steer = filter;
	return 0;
}

int steer_attach(struct s7_sock *sk, const struct sock_filter *user, uint32_t len)
{
	struct s7_filter *filter;
	int err;

	if (sk->more & SKM_LOCK_FILTER)
		return -EPERM;
	err = filter_load(sk->inst, user, len, &filter);
	return err ? err : set_program(sk, filter);
}

int steer_attach_ebpf(struct s7_sock *sk, const struct ebpf_prog *prog)
{
	struct s7_filter *filter;
	int err;

	if (sk->more & SKM_LOCK_FILTER)
		return -EPERM;
	err = ebpf_load(sk->inst, prog, &filter);
	return err ? err : set_program(sk, filter);
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

/* ---- maps of sockets ---- */

bool steer_array_clear(struct s7_inst *inst, uint32_t array, uint32_t at)
{
	struct s7_list *pos;
	bool found = false;

	list_for_each(pos, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		if (sk->bind.array != array || sk->bind.array_at != at)
			continue;
		sk->bind.array = 0;
		found = true;
	}
	return found;
}

int steer_array_set(struct s7_sock *sk, uint32_t array, uint32_t at)
{
	if (!sk->bind.grouped)
		return -EINVAL;
	steer_array_clear(sk->inst, array, at);
	sk->bind.array_at = at;
	s7_in_order();
	sk->bind.array = array;
	return 0;
}

/* ---- the choice ---- */

/* An SK_REUSEPORT: who was selected, nobody, or, if none was, whom the hash chose. */
static struct s7_bind *pick_selected(struct s7_inst *inst, const struct s7_filter *filter,
				     struct bpf_view *view, struct s7_bind *bind)
{
	uint32_t ret = (uint32_t)ebpf_exec(inst, filter, view);

	if (view->failed)
		return bind;
	if (ret != SK_PASS)
		return NULL;
	return view->selected ? view->selected : bind;
}

struct s7_bind *steer_pick(struct s7_inst *inst, struct s7_bind *bind, const struct s7_pkt *pkt,
			   uint32_t hdr, uint32_t hash)
{
	const struct s7_bind *first = port_member(&inst->ports, bind, 0);
	struct s7_bind *named;
	struct bpf_view view;

	if (s7_likely(!first || !first->steer))
		return bind;
	filter_view(&view, inst, pkt, first->steer->code.uses | BPF_USES_PACKET);
	view.sk = s7_container(bind, struct s7_sock, bind);
	view.flow_hash = hash;
	if (first->steer->type == BPF_PROG_TYPE_SK_REUSEPORT)
		return pick_selected(inst, first->steer, &view, bind);
	view.data += hdr;
	view.head -= hdr;
	view.len -= hdr;
	view.net -= (int32_t)hdr;
	view.link -= (int32_t)hdr;
	view.back += hdr;
	named = port_member(&inst->ports, bind, filter_exec(inst, first->steer, &view));
	return named ? named : bind;
}
