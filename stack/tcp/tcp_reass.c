// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_reass.c - segments beyond rcv_nxt, held until the hole before them fills; and what SACK
 * says of them
 *
 * Idea: a list sorted by start, doubly linked (next, tcp.owner[1]) and searched from its tail,
 * where new segments nearly always belong. A new segment is trimmed against its neighbours, so a
 * byte is held once. The SACK blocks (RFC 2018: the latest first) are kept beside the list and
 * updated by each arrival, never computed by walking it. A duplicate is reported once (DSACK, RFC
 * 2883).
 * Bound: bytes by the window that was advertised, packets by PKTS_MAX(rcvbuf): over it the newest
 * goes (DROP_TCP_REASS_FULL).
 * Context: instance lock. Called by: tcp_rx.c.
 */
#include "stack/tcp/tcp_int.h"

#define BYTES_PER_PKT_MIN 256 /* of the receive buffer, for each packet held */

static struct s7_pkt *oo_prev(const struct s7_pkt *pkt)
{
	return (struct s7_pkt *)(uintptr_t)pkt->tcp.owner[1];
}

static void oo_set_prev(struct s7_pkt *pkt, struct s7_pkt *prev)
{
	pkt->tcp.owner[1] = (uintptr_t)prev;
}

static uint32_t oo_end(const struct s7_pkt *pkt)
{
	return pkt->tcp.seq + pkt->tcp.len;
}

static void oo_unlink(struct s7_tcb *tcb, struct s7_pkt *pkt)
{
	struct s7_pkt *prev = oo_prev(pkt), *next = pkt->next;

	if (prev)
		prev->next = next;
	else
		tcb->oo_head = next;
	if (next)
		oo_set_prev(next, prev);
	else
		tcb->oo_tail = prev;
	tcb->oo_bytes -= pkt->tcp.len;
	tcb->oo_pkts--;
}

static void oo_link_after(struct s7_tcb *tcb, struct s7_pkt *prev, struct s7_pkt *pkt)
{
	struct s7_pkt *next = prev ? prev->next : tcb->oo_head;

	pkt->next = next;
	oo_set_prev(pkt, prev);
	if (prev)
		prev->next = pkt;
	else
		tcb->oo_head = pkt;
	if (next)
		oo_set_prev(next, pkt);
	else
		tcb->oo_tail = pkt;
	tcb->oo_bytes += pkt->tcp.len;
	tcb->oo_pkts++;
}

void tcp_dsack(struct s7_tcp_sock *ts, uint32_t start, uint32_t end)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->bits & TCB_SACK && seq_lt(start, end) && ts->sk.inst->params.tcp.dsack) {
		tcb->dsack.start = start;
		tcb->dsack.end = end;
	}
}

/* What is held already and came again, piece by piece: the first piece grows. */
static void dsack_extend(struct s7_tcp_sock *ts, uint32_t start, uint32_t end)
{
	struct tcp_sack *told = &ts->tcb.dsack;

	if (told->start == told->end) {
		tcp_dsack(ts, start, end);
	} else if (seq_leq(start, told->end) && seq_leq(told->start, end)) {
		told->start = seq_min(told->start, start);
		told->end = seq_max(told->end, end);
	}
}

/* Puts [start, end) first among the blocks, merged with those it touches. */
static void sack_add(struct s7_tcb *tcb, uint32_t start, uint32_t end)
{
	struct tcp_sack out[TCP_SACKS_MAX];
	uint32_t n = 1;

	for (uint32_t i = 0; i < tcb->sack_count; i++) {
		struct tcp_sack *old = &tcb->sacks[i];

		if (seq_leq(old->start, end) && seq_leq(start, old->end)) {
			start = seq_min(start, old->start);
			end = seq_max(end, old->end);
		} else if (n < TCP_SACKS_MAX) {
			out[n++] = *old;
		}
	}
	out[0] = (struct tcp_sack){ start, end };
	memcpy(tcb->sacks, out, n * sizeof(out[0]));
	tcb->sack_count = (uint8_t)n;
}

/* Blocks that rcv_nxt has passed are said by the ACK itself. */
static void sack_trim(struct s7_tcb *tcb)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < tcb->sack_count; i++)
		if (seq_gt(tcb->sacks[i].start, tcb->rcv_nxt))
			tcb->sacks[n++] = tcb->sacks[i];
	tcb->sack_count = tcb->oo_head ? (uint8_t)n : 0;
}

/* Frees entries that [seq, end) covers wholly; returns the end to which the new segment may reach.
 */
static uint32_t oo_clear_after(struct s7_tcp_sock *ts, struct s7_pkt *prev, uint32_t end)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *next = prev ? prev->next : tcb->oo_head, *after;

	for (; next && seq_lt(next->tcp.seq, end); next = after) {
		after = next->next;
		dsack_extend(ts, next->tcp.seq, seq_min(oo_end(next), end));
		if (seq_gt(oo_end(next), end))
			return next->tcp.seq;
		if (next->tcp.flags & CHUNK_FIN && oo_end(next) == end)
			return next->tcp.seq;
		oo_unlink(tcb, next);
		pkt_free(ts->sk.inst, next);
	}
	return end;
}

void tcp_reass_add(struct s7_tcp_sock *ts, struct s7_pkt *pkt, uint32_t seq, uint32_t len, bool fin)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *prev = tcb->oo_tail;
	uint32_t end = seq + len, limit;

	if (tcb->oo_pkts > ts->sk.rcvbuf / BYTES_PER_PKT_MIN ||
	    tcb->oo_pkts >= pkt_share(ts->sk.inst, PKT_SHARE_RECEIVE)) {
		pkt_drop(ts->sk.inst, pkt, DROP_TCP_REASS_FULL);
		return;
	}
	while (prev && seq_gt(prev->tcp.seq, seq))
		prev = oo_prev(prev);
	if (prev && seq_gt(oo_end(prev), seq)) {
		tcp_dsack(ts, seq, seq_min(oo_end(prev), end));
		if (seq_leq(end, oo_end(prev)) && !(fin && end == oo_end(prev))) {
			sack_add(tcb, prev->tcp.seq, oo_end(prev));
			pkt_drop(ts->sk.inst, pkt, DROP_TCP_OLD);
			return;
		}
		tcp_pkt_trim(pkt, oo_end(prev) - seq);
		seq = oo_end(prev);
	}
	limit = oo_clear_after(ts, prev, end);
	if (limit != end) {
		fin = false;
		end = limit;
		tcp_pkt_cut(pkt, end - seq);
	}
	sack_add(tcb, seq, end + fin);
	if (seq == end && !fin) {
		pkt_drop(ts->sk.inst, pkt, DROP_TCP_OLD);
		return;
	}
	pkt->tcp.seq = seq;
	pkt->tcp.len = end - seq;
	pkt->tcp.flags = fin ? CHUNK_FIN : 0;
	oo_link_after(tcb, prev, pkt);
	stat_add(ts->sk.inst, STAT_TCP_OFO, 1);
}

bool tcp_reass_drain(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	bool fin = false;

	while (tcb->oo_head && seq_leq(tcb->oo_head->tcp.seq, tcb->rcv_nxt) && !fin) {
		struct s7_pkt *pkt = tcb->oo_head;
		uint32_t old = tcb->rcv_nxt - pkt->tcp.seq;

		oo_unlink(tcb, pkt);
		fin = pkt->tcp.flags & CHUNK_FIN && old <= pkt->tcp.len;
		if (old >= pkt->tcp.len) {
			dsack_extend(ts, pkt->tcp.seq, oo_end(pkt));
			pkt_free(ts->sk.inst, pkt);
			continue;
		}
		if (old)
			tcp_pkt_trim(pkt, old);
		tcb->rcv_nxt += pkt->total;
		tcb->bytes_received += pkt->total;
		rcvq_append(ts, pkt, pkt->total);
	}
	if (fin)
		tcp_reass_purge(ts); /* nothing comes after a FIN */
	sack_trim(tcb);
	return fin;
}

void tcp_reass_purge(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *pkt = tcb->oo_head, *next;

	for (; pkt; pkt = next) {
		next = pkt->next;
		pkt_free(ts->sk.inst, pkt);
	}
	tcb->oo_head = tcb->oo_tail = NULL;
	tcb->oo_bytes = tcb->oo_pkts = 0;
	tcb->sack_count = 0;
}
