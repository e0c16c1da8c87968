// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_sack.c - the scoreboard: which chunks arrived, which are lost (RFC 2018, RFC 6675)
 *
 * Idea: marks on the chunks and four counters. A SACK block known from the last ACK is not walked
 * again, a grown one only where it grew, and a walk starts at the chunk where the last one ended
 * when it can.
 * Loss is judged from a pointer that only moves forward: a chunk is lost when three segments'
 * worth of bytes above it have arrived; the sacked bytes below the pointer are kept, so "above"
 * is one subtraction.
 * Invariants: sacked, lost and retrans are the sums over the chunks so marked; SACKED excludes
 * the other two; RETRANS only on LOST chunks. A block outside [snd_una, snd_nxt] is not believed.
 * Context: instance lock. Called by: tcp_ack.c, tcp_recovery.c.
 */
#include "stack/tcp/tcp_int.h"

#define RTX_LOST_LOOK 16 /* chunks at the head whose retransmission is checked for loss */

void tcp_reordering_seen(struct s7_tcb *tcb, const struct s7_pkt *chunk)
{
	uint32_t distance = tcb->sq.high_sacked - chunk->tcp.seq;

	if (!tcb->sq.sacked || chunk->tcp.flags & CHUNK_EVER_RETRANS ||
	    seq_geq(chunk->tcp.seq, tcb->sq.high_sacked))
		return;
	distance = (uint32_t)s7_min(distance, TCP_REORDERING_MAX * tcb->mss);
	tcb->reordering = (uint32_t)s7_max(tcb->reordering, distance);
}

static void mark_sacked(struct s7_tcb *tcb, struct s7_pkt *chunk)
{
	struct tcp_sendq *sq = &tcb->sq;
	uint32_t space = chunk_space(chunk);

	tcp_reordering_seen(tcb, chunk);
	if (chunk->tcp.flags & CHUNK_LOST)
		sq->lost -= space;
	if (chunk->tcp.flags & CHUNK_RETRANS)
		sq->retrans -= space;
	chunk->tcp.flags &= (uint8_t)~CHUNK_LOSS;
	chunk->tcp.flags |= CHUNK_SACKED;
	if (!sq->sacked || seq_gt(chunk_end(chunk), sq->high_sacked))
		sq->high_sacked = chunk_end(chunk);
	sq->sacked += space;
	if (sq->lost_hint && seq_lt(chunk->tcp.seq, sq->lost_hint->tcp.seq))
		sq->sacked_below += space;
}

static void mark_lost(struct s7_tcb *tcb, struct s7_pkt *chunk)
{
	chunk->tcp.flags |= CHUNK_LOST;
	tcb->sq.lost += chunk_space(chunk);
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
		if (sq->lost_hint && seq_lt(chunk->tcp.seq, sq->lost_hint->tcp.seq))
			sq->sacked_below -= space;
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
	if (sq->lost_hint == chunk) {
		sq->lost_hint = NULL;
		sq->sacked_below = 0; /* it was the head: nothing is below */
	}
}

/* Marks the chunks that lie wholly in [start, end). */
static uint32_t mark_range(struct s7_tcb *tcb, uint32_t start, uint32_t end)
{
	struct tcp_sendq *sq = &tcb->sq;
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
			mark_sacked(tcb, chunk);
	}
	if (last)
		sq->sack_hint = last;
	return sq->sacked - before;
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

uint32_t tcp_sack_mark(struct s7_tcb *tcb, const struct tcp_seg *seg)
{
	struct tcp_sendq *sq = &tcb->sq;
	uint32_t newly = 0;

	for (uint32_t i = 0; i < seg->opts.sack_count; i++) {
		struct tcp_sack block = seg->opts.sack[i];
		uint32_t start = block.start;

		/* a first block at or below the ACK is a DSACK: a duplicate arrived, nothing to
		 * mark */
		if (!seq_lt(block.start, block.end) || seq_lt(block.start, tcb->snd_una) ||
		    seq_gt(block.end, tcb->snd_nxt))
			continue;
		if (block_is_new(sq, &block, &start))
			newly += mark_range(tcb, start, block.end);
	}
	memset(sq->seen, 0, sizeof(sq->seen));
	memcpy(sq->seen, seg->opts.sack, seg->opts.sack_count * sizeof(sq->seen[0]));
	return newly;
}

/* A retransmission is lost when data sent after it has arrived: it may be sent again without
 * waiting for the RTO. */
static void rtx_lost(struct s7_tcb *tcb)
{
	struct s7_pkt *chunk = tcb->sq.head;

	for (uint32_t i = 0; chunk && chunk != tcb->sq.next && i < RTX_LOST_LOOK;
	     i++, chunk = chunk_next(chunk)) {
		if (!(chunk->tcp.flags & CHUNK_RETRANS) ||
		    seq_lt(tcb->sq.high_sacked,
			   (uint32_t)chunk->tcp.owner[1] + tcp_loss_distance(tcb)))
			continue;
		chunk->tcp.flags &= (uint8_t)~CHUNK_RETRANS;
		tcb->sq.retrans -= chunk_space(chunk);
		tcb->sq.rtx_hint = NULL;
	}
}

void tcp_sack_lost(struct s7_tcb *tcb)
{
	struct tcp_sendq *sq = &tcb->sq;
	struct s7_pkt *chunk = sq->lost_hint ? sq->lost_hint : sq->head;

	if (!sq->sacked)
		return;
	for (; chunk && chunk != sq->next; chunk = chunk_next(chunk)) {
		uint32_t own = chunk->tcp.flags & CHUNK_SACKED ? chunk_space(chunk) : 0;

		sq->lost_hint = chunk;
		if (sq->sacked - sq->sacked_below - own < tcp_loss_distance(tcb))
			break;
		sq->sacked_below += own;
		if (!(chunk->tcp.flags & (CHUNK_SACKED | CHUNK_LOST)))
			mark_lost(tcb, chunk);
	}
	if (sq->retrans)
		rtx_lost(tcb);
}

void tcp_mark_head_lost(struct s7_tcb *tcb)
{
	struct s7_pkt *head = tcb->sq.head;

	if (head && head != tcb->sq.next && !(head->tcp.flags & (CHUNK_SACKED | CHUNK_LOST)))
		mark_lost(tcb, head);
}

/* After a timeout everything in flight that was not SACKed is taken for lost (RFC 6675 5.1); a peer
 * may renege. */
void tcp_mark_all_lost(struct s7_tcb *tcb, bool forget_sacks)
{
	struct tcp_sendq *sq = &tcb->sq;
	struct s7_pkt *chunk;

	if (forget_sacks) {
		sq->sacked = sq->sacked_below = 0;
		memset(sq->seen, 0, sizeof(sq->seen));
		sq->sack_hint = NULL;
	}
	sq->rtx_hint = sq->lost_hint = NULL;
	sq->sacked_below = 0;
	sq->retrans = 0;
	for (chunk = sq->head; chunk && chunk != sq->next; chunk = chunk_next(chunk)) {
		chunk->tcp.flags &= (uint8_t)~CHUNK_RETRANS;
		if (forget_sacks)
			chunk->tcp.flags &= (uint8_t)~CHUNK_SACKED;
		if (!(chunk->tcp.flags & (CHUNK_SACKED | CHUNK_LOST)))
			mark_lost(tcb, chunk);
	}
}
