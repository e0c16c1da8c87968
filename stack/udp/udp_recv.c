/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_recv.c - the receive queue of a UDP socket
 *
 * A datagram is charged against SO_RCVBUF with what Linux would have spent on it (its truesize), so
 * that the same option values let the same number of datagrams wait. An empty queue takes any
 * datagram. Order of answers as in
 * Linux: pending error, datagram, end of a shut-down socket, EAGAIN. Context: instance lock; user
 * memory is the calling thread's.
 */
#include <errno.h>
#include <fcntl.h>

#include "stack/core/charge.h"
#include "stack/core/ext.h"
#include "stack/ip/chain.h"
#include "stack/ip/ip4_opts.h"
#include "stack/udp/udp_way.h"

#define GRO_MAX 64	    /* datagrams that are joined */

/* The headers that Linux keeps in front of what the socket is given. */
static uint32_t headers_before(const struct s7_sock *sk)
{
	uint32_t ip = sk->domain == AF_INET ? 20 : 40;

	if (s7_likely(sk->proto == PROTO_UDP))
		return ip + UDP_LEN;
	return sk->type == SOCK_RAW && sk->domain == AF_INET ? 0 : ip;
}

static uint32_t udp_truesize(const struct s7_udp_sock *us, const struct s7_pkt *pkt)
{
	return charge_truesize(pkt->total + headers_before(&us->sk));
}

/* May pkt be joined to what the tail of the queue is? As GRO: the same flow, in one turn. */
static bool gro_fits(struct s7_udp_sock *us, struct s7_pkt *pkt)
{
	struct s7_pkt *tail = us->rx_head ? us->rx_tail : NULL;
	const struct s7_udp_meta *a, *b = udp_meta(pkt);
	uint32_t size;

	if (!tail || !pkt->total)
		return false;
	a = udp_meta(tail);
	size = a->gro ? a->gro : tail->total;
	return a->at == b->at && a->head == b->head && !(a->head && ip_is_v4(&a->src)) &&
		a->sport == b->sport && a->ttl == b->ttl && a->tos == b->tos &&
		a->iface == b->iface && ip_equal(&a->src, &b->src) && ip_equal(&a->dst, &b->dst) &&
		size && pkt->total <= size && tail->total % size == 0 &&
		tail->total / size < GRO_MAX && tail->total + pkt->total <= UINT16_MAX - 64;
}

/* UDP_GRO: datagrams of one size become one that is read at once. False: not this one. */
static bool udp_gro(struct s7_udp_sock *us, struct s7_pkt *pkt)
{
	struct s7_pkt *tail = us->rx_tail;

	if (!sk_ext_has(&us->sk, EXT_UDP_GRO) || us->rx_truesize > us->sk.rcvbuf ||
	    !gro_fits(us, pkt))
		return false;
	if (!udp_meta(tail)->gro)
		udp_meta(tail)->gro = (uint16_t)tail->total;
	us->rx_truesize -= udp_truesize(us, tail);
	chain_append(tail, pkt);
	us->rx_truesize += udp_truesize(us, tail);
	stat_add(us->sk.inst, STAT_UDP_IN, 1);
	return true;
}

bool udp_has_share(const struct s7_udp_sock *us)
{
	return s7_likely(us->rx_count < pkt_share(us->sk.inst, PKT_SHARE_RECEIVE));
}

/* The first of a queue always; the others as long as they fit. */
static bool udp_has_room(const struct s7_udp_sock *us, const struct s7_pkt *pkt)
{
	return (!us->rx_truesize || us->rx_truesize + udp_truesize(us, pkt) <= us->sk.rcvbuf) &&
	       udp_has_share(us);
}

void udp_queue(struct s7_udp_sock *us, struct s7_pkt *pkt)
{
	struct s7_sock *sk = &us->sk;

	us->rx_truesize += udp_truesize(us, pkt);
	us->rx_count++;
	*udp_drops_before(pkt) = (uint32_t)sk->drops;
	pkt->next = NULL;
	if (us->rx_head)
		us->rx_tail->next = pkt;
	else
		us->rx_head = pkt;
	us->rx_tail = pkt;
	sk->rx_cpu = sk->inst->rx_cpu;
	sk_event(sk, EPOLLIN | EPOLLRDNORM);
}

void udp_enqueue(struct s7_udp_sock *us, struct s7_pkt *pkt)
{
	struct s7_sock *sk = &us->sk;

	if (s7_unlikely(sk->ext != NULL) && udp_gro(us, pkt))
		return;

	if (s7_unlikely(!udp_has_room(us, pkt))) {
		sk->drops++;
		pkt_drop(sk->inst, pkt, DROP_UDP_RCVBUF);
		return;
	}
	stat_add(sk->inst, STAT_UDP_IN, 1);
	udp_queue(us, pkt);
}

static void udp_dequeue(struct s7_udp_sock *us)
{
	struct s7_pkt *pkt = us->rx_head;

	us->rx_head = pkt->next;
	us->rx_truesize -= udp_truesize(us, pkt);
	us->rx_count--;
	pkt->next = NULL;
	pkt_free(us->sk.inst, pkt);
}

void udp_purge(struct s7_udp_sock *us)
{
	while (us->rx_head)
		udp_dequeue(us);
}

/* SK6_HEADERS: the program will be told of the IPv6 headers. */
static void report_head6(const struct s7_sock *sk, const struct s7_pkt *pkt, struct s7_msg *msg)
{
	const struct s7_udp_meta *meta = (const struct s7_udp_meta *)pkt->scratch;

	msg->more->head_len = meta->head;
	memcpy(msg->more->head, udp_head6(pkt, sk->proto == PROTO_UDP ? UDP_LEN : 0), meta->head);
}

static void udp_report(const struct s7_sock *sk, struct s7_pkt *pkt, struct s7_msg *msg)
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
	msg->drops = *udp_drops_before(pkt);
	if (s7_unlikely(msg->more != NULL)) {
		msg->more->mark = meta->mark;
		msg->more->priority = meta->priority;
		msg->more->gro = meta->gro;
		msg->more->frag_max = meta->frag_max;
		if (sk->ip6.bits & SK6_HEADERS && !ip_is_v4(&meta->src))
			report_head6(sk, pkt, msg);
		msg->more->has_opts = ip_is_v4(&meta->src) && meta->head;
		if (s7_unlikely(msg->more->has_opts))
			msg->more->ip_opts = *ip4_opts_kept(pkt);
	}
}

static void udp_copy_out(const struct s7_pkt *pkt, struct s7_msg *msg, uint32_t skip, uint32_t len)
{
	for (; skip && skip >= pkt->len; pkt = pkt->frag)
		skip -= pkt->len;
	for (; len; pkt = pkt->frag) {
		uint32_t here = (uint32_t)s7_min(len, pkt->len - skip);

		msg_copy_out(msg, pkt->data + skip, here);
		len -= here;
		skip = 0;
	}
}

/* SO_PEEK_OFF counts through the queue: the datagram where a peek begins, and where in it. */
static struct s7_pkt *udp_peek_at(struct s7_udp_sock *us, uint32_t *ret_skip)
{
	uint32_t skip = (uint32_t)us->sk.peek_off;
	struct s7_pkt *pkt = us->rx_head;

	for (; pkt && skip >= pkt->total; pkt = pkt->next)
		skip -= pkt->total;
	*ret_skip = skip;
	return pkt;
}

bool udp_peekable(struct s7_sock *sk)
{
	uint32_t skip;

	return udp_peek_at(udp_sock(sk), &skip) != NULL;
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
	bool peek = msg->flags & MSG_PEEK;
	uint32_t len, whole, skip = 0;
	struct s7_pkt *pkt;

	if (msg->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	if (s7_unlikely(sk->ext != NULL) && udp_told_mtu(sk, msg))
		return 0;
	if (sk->err)
		return sk_take_error(sk);
	pkt = s7_unlikely(peek && sk->peek_off > 0) ? udp_peek_at(us, &skip) : us->rx_head;
	if (!pkt)
		return udp_nothing(sk, msg);

	whole = pkt->total;
	len = (uint32_t)s7_min(msg->len, whole - skip);
	udp_copy_out(pkt, msg, skip, len);
	udp_report(sk, pkt, msg);
	sk_stamp_read(sk, udp_meta(pkt)->at);
	if (len < whole - skip)
		msg->out_flags |= MSG_TRUNC;
	sk_peek_moved(sk, (int32_t)(msg->flags & MSG_TRUNC && !peek ? whole : len), peek);
	if (!peek)
		udp_dequeue(us);
	if (s7_unlikely(msg->bad))
		return -EFAULT; /* the datagram is gone all the same, as Linux */
	return msg->flags & MSG_TRUNC ? (ssize_t)whole : (ssize_t)len;
}
