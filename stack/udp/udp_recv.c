/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_recv.c - the receive queue of a UDP socket
 *
 * A datagram is charged against SO_RCVBUF with what Linux would have spent on it (its truesize), so
 * that the same option values let the same number of datagrams wait. The test comes before the
 * charge: a socket takes a datagram as long as it is not over its limit yet. Order of answers as in
 * Linux: pending error, datagram, end of a shut-down socket, EAGAIN. Context: instance lock; user
 * memory is the calling thread's.
 */
#include <errno.h>
#include <fcntl.h>

#include "stack/udp/udp.h"

#define TRUESIZE_STRUCT 256 /* struct sk_buff */
#define TRUESIZE_EXTRA 384  /* headers, headroom, shared info */
#define TRUESIZE_MIN 512    /* smallest slab of data */

/* Linux rounds the data area up to its allocator's sizes: powers of two. */
static uint32_t udp_truesize(const struct s7_pkt *pkt)
{
	uint32_t need = pkt->total + TRUESIZE_EXTRA, size = TRUESIZE_MIN;

	while (size < need)
		size *= 2;
	return size + TRUESIZE_STRUCT;
}

void udp_enqueue(struct s7_udp_sock *us, struct s7_pkt *pkt)
{
	struct s7_sock *sk = &us->sk;

	if (us->rx_truesize > sk->rcvbuf ||
	    s7_unlikely(us->rx_count >= pkt_share(sk->inst, PKT_SHARE_RECEIVE))) {
		sk->drops++;
		pkt_drop(sk->inst, pkt, DROP_UDP_RCVBUF);
		return;
	}
	us->rx_truesize += udp_truesize(pkt);
	us->rx_count++;
	pkt->next = NULL;
	if (us->rx_head)
		us->rx_tail->next = pkt;
	else
		us->rx_head = pkt;
	us->rx_tail = pkt;
	sk->last_rx = sk->inst->now;
	stat_add(sk->inst, STAT_UDP_IN, 1);
	sk_event(sk, EPOLLIN | EPOLLRDNORM);
}

static void udp_dequeue(struct s7_udp_sock *us)
{
	struct s7_pkt *pkt = us->rx_head;

	us->rx_head = pkt->next;
	us->rx_truesize -= udp_truesize(pkt);
	us->rx_count--;
	pkt->next = NULL;
	pkt_free(us->sk.inst, pkt);
}

void udp_purge(struct s7_udp_sock *us)
{
	while (us->rx_head)
		udp_dequeue(us);
}

static void udp_report(struct s7_pkt *pkt, struct s7_msg *msg)
{
	const struct s7_udp_meta *meta = udp_meta(pkt);

	msg->name.ip = meta->src;
	msg->name.port = meta->sport;
	msg->name.iface = meta->iface;
	msg->name.valid = true;
	msg->local = meta->dst;
	msg->ttl = meta->ttl;
	msg->tos = meta->tos;
	msg->rx_time = meta->at;
}

static void udp_copy_out(const struct s7_pkt *pkt, struct s7_msg *msg, uint32_t len)
{
	for (; len; pkt = pkt->frag) {
		uint32_t here = (uint32_t)s7_min(len, pkt->len);

		msg_copy_out(msg, pkt->data, here);
		len -= here;
	}
}

/* Only who would wait is told that reading was shut down, as Linux. */
static ssize_t udp_nothing(const struct s7_sock *sk, const struct s7_msg *msg)
{
	bool waits = !(msg->flags & MSG_DONTWAIT) && !(atomic_load(&sk->file.status) & O_NONBLOCK);

	return waits && sk->shut & SK_SHUT_RD ? 0 : -EAGAIN;
}

ssize_t udp_recv(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_udp_sock *us = udp_sock(sk);
	struct s7_pkt *pkt = us->rx_head;
	uint32_t len, whole;

	if (msg->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	if (sk->err)
		return sk_take_error(sk);
	if (!pkt)
		return udp_nothing(sk, msg);

	whole = pkt->total;
	len = (uint32_t)s7_min(msg->len, whole);
	udp_copy_out(pkt, msg, len);
	udp_report(pkt, msg);
	if (len < whole)
		msg->out_flags |= MSG_TRUNC;
	if (!(msg->flags & MSG_PEEK))
		udp_dequeue(us);
	return msg->flags & MSG_TRUNC ? (ssize_t)whole : (ssize_t)len;
}
