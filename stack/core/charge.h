/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * charge.h - SO_SNDBUF of datagrams: what a socket has sent and no device has taken yet
 *
 * A datagram that leaves at once costs nothing: it is marked with its socket (PKT_TX_OWNED) and no
 * more. Only where it has to wait, for a neighbour's address or for a device that is full, it is
 * charged against sk->wmem, and given back when a device takes it or it is dropped. So sk->wmem is
 * Linux's sk_wmem_alloc as far as a program can see it: a send beyond SO_SNDBUF waits, poll tells
 * room below half of it, SIOCOUTQ tells how much.
 * A packet may outlive its socket: a cookie tells.
 * Context: instance lock.
 */
#ifndef S7_CHARGE_H
#define S7_CHARGE_H

#include "stack/core/sk.h"

#define CHARGE_COOKIE 0xffffffu

/* What Linux spends on a packet of `len` bytes, headers included, in one buffer. */
uint32_t charge_truesize(uint32_t len);

/* The packet is this socket's. On lo nothing waits: Linux lets go of the sender there, too. */
static inline void charge_own(struct s7_sock *sk, struct s7_pkt *pkt)
{
	pkt->charge.sk = sk;
	pkt->charge.bytes = 0;
	pkt->charge.cookie = sk->file.cookie & CHARGE_COOKIE;
	pkt->flags |= PKT_TX_OWNED;
}

/* ... and so is this piece of it, which goes its own way. */
static inline void charge_share(struct s7_pkt *piece, uint32_t flags,
				const struct s7_pkt_charge *charge)
{
	if (!(flags & PKT_TX_OWNED))
		return;
	piece->charge = *charge;
	piece->flags |= PKT_TX_OWNED;
}

static inline bool charge_waits(const struct s7_pkt *pkt)
{
	return pkt->flags & PKT_TX_OWNED && pkt->charge.bytes;
}

/* It has to wait: charged from now on. Does nothing for a packet of nobody, or charged already. */
void charge_begin(struct s7_pkt *pkt);
/* It waits no longer: gone out, or about to be dropped. */
void charge_end(struct s7_pkt *pkt);
/* The same when the packet itself is the device's already. */
void charge_back(const struct s7_pkt_charge *charge);

/*
 * May not one more datagram begin to wait? The socket is told (EPOLLOUT) when it may again. Raw and
 * ping sockets too.
 */
bool charge_is_full(struct s7_sock *sk);
/* EPOLLOUT as Linux's sock_writeable; corked: what is under construction. */
bool charge_writable(struct s7_sock *sk, uint32_t corked);

/* There is room: an edge, and for who was told otherwise all that goes with it. */
static inline void charge_told(struct s7_sock *sk)
{
	sk_event(sk, sk->wmem_full ? EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND : EPOLLOUT);
	sk->wmem_full = false;
}

/* A datagram went out whole: who watches for edges of writability sees one, as in Linux. */
static inline void charge_sent(struct s7_sock *sk)
{
	if (!list_empty(&sk->waitq) && !sk->wmem)
		charge_told(sk);
}

/* A thread died with the lock: nothing is charged any more. */
void charge_mend(struct s7_inst *inst);

#endif
