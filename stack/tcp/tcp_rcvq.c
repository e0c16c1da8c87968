// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_rcvq.c - bytes in order, waiting for the program
 *
 * Idea: packets are queued as they came (linked by `next`), their data at the payload; recv
 * copies out once. Trimming works on chains without moving bytes. When many small packets pile up
 * they are copied into the room behind the tail's bytes, so that a slow reader of small messages
 * does not empty the packet pool.
 * Invariants: rq_bytes is the sum of the totals; the head's first byte is copied_seq.
 * Context: instance lock. Called by: tcp_rx.c, tcp_reass.c, tcp_recv.c, tcp_close.c.
 */
#include "stack/tcp/tcp_int.h"

#define COALESCE_FROM 4	  /* packets queued before small ones are merged */
#define COALESCE_MAX 1024 /* bytes of a packet that is merged */

bool tcp_pool_low(struct s7_inst *inst, uint32_t part)
{
	return pkt_share(inst, part) != UINT32_MAX;
}

void tcp_pkt_trim(struct s7_pkt *pkt, uint32_t n)
{
	struct s7_pkt *part = pkt;
	uint32_t here;

	pkt->total -= n;
	for (; n; part = part->frag) {
		here = (uint32_t)s7_min(n, part->len);
		part->data += here;
		part->len -= here;
		n -= here;
	}
}

void tcp_pkt_cut(struct s7_pkt *pkt, uint32_t total)
{
	struct s7_pkt *part;

	pkt->total = total;
	for (part = pkt; part; part = part->frag) {
		part->len = (uint32_t)s7_min(part->len, total);
		total -= part->len;
	}
}

static bool rcvq_coalesce(struct s7_tcp_sock *ts, struct s7_pkt *pkt, uint32_t len)
{
	struct s7_pkt *tail = ts->tcb.rq_tail;

	if (tail->frag || len > COALESCE_MAX || pkt_tailroom(tail) < len || pkt_is_shared(tail))
		return false;
	pkt_read(pkt, 0, tail->data + tail->len, len);
	tail->len += len;
	tail->total += len;
	tail->tcp.sent_at = ts->sk.inst->now;
	pkt_free(ts->sk.inst, pkt);
	return true;
}

void rcvq_append(struct s7_tcp_sock *ts, struct s7_pkt *pkt, uint32_t len)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->rq_bytes += len;
	if (s7_unlikely(tcb->rq_pkts >= COALESCE_FROM) && rcvq_coalesce(ts, pkt, len))
		return;
	pkt->next = NULL;
	pkt->tcp.sent_at = ts->sk.inst->now; /* here: when it came */
	if (tcb->rq_head)
		tcb->rq_tail->next = pkt;
	else
		tcb->rq_head = pkt;
	tcb->rq_tail = pkt;
	tcb->rq_pkts++;
}

void rcvq_purge(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *pkt = tcb->rq_head, *next;

	for (; pkt; pkt = next) {
		next = pkt->next;
		pkt_free(ts->sk.inst, pkt);
	}
	tcb->rq_head = tcb->rq_tail = NULL;
	tcb->rq_bytes = tcb->rq_pkts = 0;
}
