// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_sack.c - the scoreboard: which chunks arrived, which are lost (RFC 2018)
 *
 * Idea: marks on the chunks and four counters. A SACK block known from the last ACK is not walked
 * again, a grown one only where it grew, and a walk starts at the chunk where the last one ended
 * when it can. Who is lost is for tcp_rack.c to say.
 * Invariants: sacked, lost and retrans are the sums over the chunks so marked; SACKED excludes
 * the other two; before lost_hint every chunk is SACKED or LOST. A block outside [snd_una, snd_nxt]
 * is not believed, except as a report of a duplicate (RFC 2883).
 * Context: instance lock. Called by: tcp_ack.c, tcp_rack.c, tcp_recovery.c.
 */
#include "stack/tcp/tcp_int.h"

void tcp_reordering_seen(struct s7_tcp_sock *ts, uint32_t seq)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t distance = tcb->sq.high_sacked - seq;

	if (seq_geq(seq, tcb->sq.high_sacked))
		return;
	distance = (distance + tcb->mss - 1) / tcb->mss;
	if (distance > tcb->reordering)
		tcb->reordering =
			(uint32_t)s7_min(distance, ts->sk.inst->params.tcp.max_reordering);
	tcb->reord_seen++;
	stat_add(ts->sk.inst, STAT_TCP_REORDER, 1);
}

void tcp_chunk_arrived(struct s7_tcb *tcb, const struct s7_pkt *chunk, struct tcp_acking *ak)
{
	if (chunk->tcp.flags & CHUNK_EVER_RETRANS)
		return;
	if (tcb->sq.sacked && seq_lt(chunk->tcp.seq, tcb->sq.high_sacked) &&
	    (!ak->any_overtaken || seq_lt(chunk->tcp.seq, ak->overtaken))) {
		ak->any_overtaken = true;
		ak->overtaken = chunk->tcp.seq;
	}
	if (seq_leq(chunk_end(chunk), tcb->recover))
		ak->original = true;
}

static void mark_sacked(struct s7_tcb *tcb, struct s7_pkt *chunk, struct tcp_acking *ak,
			s7_time now)
{
	struct tcp_sendq *sq = &tcb->sq;
	uint32_t space = chunk_space(chunk);

	tcp_chunk_arrived(tcb, chunk, ak);
	tcp_rack_advance(tcb, now, chunk);
	if (!(chunk->tcp.flags & CHUNK_EVER_RETRANS))
		ak->sacked_at = chunk->tcp.sent_at;
	if (chunk->tcp.flags & CHUNK_LOST)
		sq->lost -= space;
	if (chunk->tcp.flags & CHUNK_RETRANS)
		sq->retrans -= space;
	chunk->tcp.flags &= (uint8_t)~CHUNK_LOSS;
	chunk->tcp.flags |= CHUNK_SACKED;
	if (!sq->sacked || seq_gt(chunk_end(chunk), sq->high_sacked))
		sq->high_sacked = chunk_end(chunk);
	sq->sacked += space;
	sq->sacked_count++;
	tcb->delivered++;
}

void tcp_mark_lost(struct s7_tcb *tcb, struct s7_pkt *chunk)
{
	if (chunk->tcp.flags & CHUNK_RETRANS)
		tcb->sq.retrans -= chunk_space(chunk);
	if (!(chunk->tcp.flags & CHUNK_LOST))
		tcb->sq.lost += chunk_space(chunk);
	chunk->tcp.flags &= (uint8_t)~CHUNK_RETRANS;
	chunk->tcp.flags |= CHUNK_LOST;
	if (tcb->sq.rtx_hint && seq_lt(chunk->tcp.seq, tcb->sq.rtx_hint->tcp.seq))
		tcb->sq.rtx_hint = chunk;
}

void tcp_chunk_unmark(struct s7_tcb *tcb, struct s7_pkt *chunk)
{
	struct tcp_sendq *sq = &tcb->sq;
	uint32_t space = chunk_space(chunk);

	if (chunk->tcp.flags & CHUNK_LOST)
		sq->lost -= space;
	if (chunk->tcp.flags & CHUNK_RETRANS)
		sq->retrans -= space;
	if (chunk->tcp.flags & CHUNK_SACKED) {
		sq->sacked -= space;
		sq->sacked_count--;
	}
	chunk->tcp.flags &= (uint8_t)~CHUNK_MARKS;
}

void tcp_hints_drop(struct s7_tcb *tcb, const struct s7_pkt *chunk)
{
	struct tcp_sendq *sq = &tcb->sq;

	if (sq->sack_hint == chunk)
		sq->sack_hint = NULL;
	if (sq->rtx_hint == chunk)
		sq->rtx_hint = NULL;
	if (sq->lost_hint == chunk)
		sq->lost_hint = NULL;
}

/* Marks the chunks that lie wholly in [start, end). */
static void mark_range(struct s7_tcp_sock *ts, uint32_t start, uint32_t end, struct tcp_acking *ak)
{
	struct tcp_sendq *sq = &ts->tcb.sq;
	struct s7_pkt *chunk = sq->head, *last = NULL;
	uint32_t before = sq->sacked;

	if (sq->sack_hint && seq_leq(sq->sack_hint->tcp.seq, start))
		chunk = sq->sack_hint;
	for (; chunk && chunk != sq->next && seq_lt(chunk->tcp.seq, end);
	     chunk = chunk_next(chunk)) {
		last = chunk;
		if (seq_lt(chunk->tcp.seq, start) || seq_gt(chunk_end(chunk), end))
			continue;
		if (!(chunk->tcp.flags & CHUNK_SACKED))
			mark_sacked(&ts->tcb, chunk, ak, ts->sk.inst->now);
	}
	if (last)
		sq->sack_hint = last;
	ak->sacked += sq->sacked - before;
}

/* What of a block is new against the last ACK's blocks: moves *start forward; false: nothing. */
static bool block_is_new(const struct tcp_sendq *sq, const struct tcp_sack *block, uint32_t *start)
{
	for (uint32_t i = 0; i < TCP_SACKS_MAX; i++) {
		const struct tcp_sack *old = &sq->seen[i];

		if (old->start == old->end || old->start != block->start)
			continue;
		if (seq_leq(block->end, old->end))
			return false;
		*start = old->end;
	}
	return true;
}

/* RFC 2883: the first block reports a duplicate when it lies below the ACK or in the second. */
static bool is_dsack(const struct tcp_seg *seg)
{
	const struct tcp_sack *sack = seg->opts.sack;

	if (seq_lt(sack[0].start, seg->h.ack))
		return true;
	return seg->opts.sack_count > 1 && seq_leq(sack[1].start, sack[0].start) &&
	       seq_geq(sack[1].end, sack[0].end);
}

void tcp_sack_mark(struct s7_tcp_sock *ts, const struct tcp_seg *seg, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct tcp_sendq *sq = &tcb->sq;
	struct tcp_sack sack[TCP_SACKS_MAX];
	uint32_t i, k, n = seg->opts.sack_count;

	if (is_dsack(seg))
		tcp_dsack_in(ts, &seg->opts.sack[0], ak);
	for (i = 0; i < n; i++) { /* by start: what arrived first is not taken for overtaken */
		for (k = i; k && seq_gt(sack[k - 1].start, seg->opts.sack[i].start); k--)
			sack[k] = sack[k - 1];
		sack[k] = seg->opts.sack[i];
	}
	for (i = 0; i < n; i++) {
		uint32_t start = sack[i].start;

		if (seq_lt(sack[i].start, sack[i].end) && !seq_lt(start, tcb->snd_una) &&
		    !seq_gt(sack[i].end, tcb->snd_nxt) && block_is_new(sq, &sack[i], &start))
			mark_range(ts, start, sack[i].end, ak);
	}
	memset(sq->seen, 0, sizeof(sq->seen));
	memcpy(sq->seen, seg->opts.sack, n * sizeof(sq->seen[0]));
}

void tcp_mark_head_lost(struct s7_tcb *tcb)
{
	struct s7_pkt *head = tcb->sq.head;

	if (head && head != tcb->sq.next && !(head->tcp.flags & (CHUNK_SACKED | CHUNK_LOST)))
		tcp_mark_lost(tcb, head);
}

static void forget_sacks(struct s7_tcb *tcb)
{
	struct tcp_sendq *sq = &tcb->sq;

	for (struct s7_pkt *chunk = sq->head; chunk && chunk != sq->next; chunk = chunk_next(chunk))
		chunk->tcp.flags &= (uint8_t)~CHUNK_SACKED;
	sq->sacked = sq->sacked_count = 0;
	memset(sq->seen, 0, sizeof(sq->seen));
	sq->sack_hint = NULL;
}

/*
 * RFC 6675 5.1: a peer may renege, then what it SACKed is lost too. RFC 8985 7.3: what was sent
 * less than a round trip ago is not.
 */
void tcp_mark_timeout(struct s7_tcp_sock *ts, bool forget)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct tcp_sendq *sq = &tcb->sq;
	struct s7_pkt *chunk;

	if (forget)
		forget_sacks(tcb);
	sq->rtx_hint = sq->lost_hint = NULL;
	for (chunk = sq->head; chunk && chunk != sq->next; chunk = chunk_next(chunk)) {
		if (chunk->tcp.flags & CHUNK_SACKED)
			continue;
		if (!forget && chunk != sq->head && tcb->bits & TCB_SACK &&
		    tcp_rack_left(tcb, chunk, 0, ts->sk.inst->now))
			continue;
		tcp_mark_lost(tcb, chunk);
	}
}

void tcp_mark_all_lost(struct s7_tcb *tcb)
{
	struct tcp_sendq *sq = &tcb->sq;

	sq->rtx_hint = sq->lost_hint = NULL;
	for (struct s7_pkt *chunk = sq->head; chunk && chunk != sq->next; chunk = chunk_next(chunk))
		if (!(chunk->tcp.flags & CHUNK_SACKED))
			tcp_mark_lost(tcb, chunk);
}
