/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_check.c - the invariants of a TCB that docs/tcp.md states, checked by walking everything;
 * aborts when one is broken
 */
#include <stdio.h>
#include <stdlib.h>

#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void check_sendq(const struct s7_tcb *tcb)
{
	const struct tcp_sendq *sq = &tcb->sq;
	uint32_t count = 0, sacked = 0, lost = 0, retrans = 0, marked = 0, seq = tcb->snd_una;
	bool sent = true, before_hint = sq->lost_hint != NULL;
	const struct s7_pkt *chunk, *last = NULL;

	for (chunk = sq->head; chunk; chunk = chunk_next(chunk)) {
		if (chunk == sq->next) {
			sent = false;
			CHECK(chunk->tcp.seq == tcb->snd_nxt);
		}
		if (chunk == sq->lost_hint)
			before_hint = false;
		CHECK(chunk->tcp.seq == seq);
		seq = chunk_end(chunk);
		count++;
		if (!sent)
			CHECK(!(chunk->tcp.flags & (CHUNK_SACKED | CHUNK_LOST | CHUNK_RETRANS)));
		if (chunk->tcp.flags & CHUNK_SACKED) {
			CHECK(!(chunk->tcp.flags & (CHUNK_LOST | CHUNK_RETRANS)));
			sacked += chunk_space(chunk);
			marked++;
		}
		lost += chunk->tcp.flags & CHUNK_LOST ? chunk_space(chunk) : 0;
		retrans += chunk->tcp.flags & CHUNK_RETRANS ? chunk_space(chunk) : 0;
		CHECK(*chunk->refs >= 1);
		last = chunk;
	}
	CHECK(last == sq->tail && count == sq->count && !before_hint);
	CHECK(sacked == sq->sacked && lost == sq->lost && retrans == sq->retrans);
	CHECK(marked == sq->sacked_count);
	if (sq->head) {
		CHECK(seq == tcb->write_seq);
		CHECK(sq->next || tcb->snd_nxt == tcb->write_seq);
	}
	CHECK(tcb->snd_nxt - tcb->snd_una <= tcb->write_seq - tcb->snd_una);
}

static void check_rcvq(const struct s7_tcb *tcb)
{
	uint32_t bytes = 0, pkts = 0, end = tcb->rcv_nxt;
	const struct s7_pkt *pkt, *part, *last = NULL;

	for (pkt = tcb->rq_head; pkt; last = pkt, pkt = pkt->next) {
		uint32_t len = 0;

		for (part = pkt; part; part = part->frag)
			len += part->len;
		CHECK(len == pkt->total && len > 0);
		bytes += len;
		pkts++;
	}
	CHECK(last == tcb->rq_tail && bytes == tcb->rq_bytes && pkts == tcb->rq_pkts);
	CHECK(tcb->rcv_nxt - tcb->copied_seq - bytes <= 1); /* a FIN */
	bytes = pkts = 0;
	for (last = NULL, pkt = tcb->oo_head; pkt; last = pkt, pkt = pkt->next) {
		CHECK((const void *)(uintptr_t)pkt->tcp.owner[1] == last);
		CHECK(last ? seq_geq(pkt->tcp.seq, end) : seq_gt(pkt->tcp.seq, end));
		CHECK(pkt->total == pkt->tcp.len);
		end = pkt->tcp.seq + pkt->tcp.len;
		bytes += pkt->tcp.len;
		pkts++;
	}
	CHECK(last == tcb->oo_tail && bytes == tcb->oo_bytes && pkts == tcb->oo_pkts);
	for (uint32_t i = 0; i < tcb->sack_count; i++)
		CHECK(seq_lt(tcb->sacks[i].start, tcb->sacks[i].end) &&
		      seq_gt(tcb->sacks[i].start, tcb->rcv_nxt));
}

void sim_check(const struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcp_tcb(sk);

	if (tcb->state == TCPS_LISTEN)
		return;
	if (tcb->state >= TCPS_ESTABLISHED) {
		check_sendq(tcb);
		check_rcvq(tcb);
		CHECK(tcb->mss > 0 && tcb->cwnd >= tcb->mss / 2);
		/* nothing can stall for ever: something in flight or waiting has a deadline */
		if (tcb->snd_nxt != tcb->snd_una)
			CHECK(tcb->at[TCPD_RTX]);
		else if (tcb->sq.next)
			CHECK(tcb->at[TCPD_PERSIST] || tcb->at[TCPD_CORK] || tcb->bits & TCB_CORK);
	} else if (tcb->state == TCPS_CLOSED) {
		CHECK(!tcb->sq.head && !tcb->oo_head && !sk->flow.linked &&
		      !timer_armed(&tcb->timer) && !timer_armed(&tcb->delack_timer));
	} else {
		CHECK(tcb->at[TCPD_RTX] || tcp_is_deferred(sk));
	}
	for (uint32_t i = 0; i < TCPD_COUNT; i++)
		if (tcb->at[i])
			CHECK(timer_armed(&tcb->timer) && tcb->timer.deadline <= tcb->at[i]);
	if (tcb->delack_at)
		CHECK(timer_armed(&tcb->delack_timer));
}

void sim_check_all(struct sim_host *host)
{
	struct s7_list *pos;

	list_for_each(pos, &host->inst->socks)
		sim_check(list_entry(pos, struct s7_sock, all));
}
