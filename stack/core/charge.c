/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * charge.c - SO_SNDBUF of datagrams: what waits is charged, what has left is given back
 *
 * Invariant: sk->wmem is the sum of charge.bytes of the packets of this socket that wait in a
 * neighbour's queue or in an interface's stage. Events: below half of SO_SNDBUF each packet that
 * goes is an edge of writability; who was told that there is no room (sk->wmem_full) is told in
 * full, by SIGIO too.
 * Context: instance lock. Called by: udp, raw, ip/neigh.c, ip/ip_out.c, run/drive.c.
 */
#include "stack/core/charge.h"

#define TRUESIZE_STRUCT 256 /* struct sk_buff */
#define TRUESIZE_EXTRA 351  /* headroom, shared info */
#define TRUESIZE_SMALL 576  /* Linux's cache of small heads; beyond it powers of two */

uint32_t charge_truesize(uint32_t len)
{
	uint32_t need = len + TRUESIZE_EXTRA, size = 1024;

	if (need <= TRUESIZE_SMALL)
		return TRUESIZE_SMALL + TRUESIZE_STRUCT;
	while (size < need)
		size *= 2;
	return size + TRUESIZE_STRUCT;
}

static struct s7_sock *owner_of(const struct s7_pkt_charge *charge)
{
	struct s7_sock *sk = charge->sk;

	if (sk->file.kind != FILE_SOCK || (sk->file.cookie & CHARGE_COOKIE) != charge->cookie ||
	    !atomic_load_explicit(&sk->file.refs, memory_order_relaxed))
		return NULL;
	return sk;
}

void charge_begin(struct s7_pkt *pkt)
{
	struct s7_sock *sk;

	if (!(pkt->flags & PKT_TX_OWNED) || pkt->charge.bytes)
		return;
	sk = owner_of(&pkt->charge);
	if (!sk)
		return;
	pkt->charge.bytes = charge_truesize(pkt->total);
	sk->wmem += pkt->charge.bytes;
}

void charge_back(const struct s7_pkt_charge *charge)
{
	struct s7_sock *sk = charge->bytes ? owner_of(charge) : NULL;

	if (!sk)
		return;
	sk->wmem -= (uint32_t)s7_min(charge->bytes, sk->wmem);
	if (2 * (uint64_t)sk->wmem <= sk->sndbuf)
		charge_told(sk);
}

void charge_end(struct s7_pkt *pkt)
{
	struct s7_pkt_charge charge;

	if (!charge_waits(pkt))
		return;
	charge = pkt->charge;
	pkt->charge.bytes = 0;
	charge_back(&charge);
}

bool charge_is_full(struct s7_sock *sk)
{
	if (s7_likely(sk->wmem < sk->sndbuf))
		return false;
	sk->wmem_full = true;
	return true;
}

bool charge_writable(struct s7_sock *sk, uint32_t corked)
{
	if (s7_likely(sk->wmem + corked < sk->sndbuf / 2))
		return true;
	sk->wmem_full = true;
	return false;
}

void charge_mend(struct s7_inst *inst)
{
	struct s7_list *pos;

	list_for_each(pos, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		sk->wmem = 0;
		if (sk->wmem_full)
			charge_told(sk);
	}
}
