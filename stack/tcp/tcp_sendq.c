// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_sendq.c - the send queue: chunks from snd_una to write_seq
 *
 * Idea: a chunk is one buffer that the program's bytes were copied into once; it stays here until
 * acknowledged. Its place in the sequence space is in pkt->tcp, its bytes at buf + payload_off;
 * data and len of the packet belong to whoever transmits it and are set anew at each
 * transmission. The queue is linked by tcp.owner[0], because `next` may be needed by a neighbour
 * queue and `frag` by a burst while the chunk is here.
 * Invariants: chunks are contiguous in sequence; head.seq <= snd_una (a partial ACK trims it to
 * equality); sq.next is the chunk at snd_nxt; every hint is NULL or a chunk that was sent; only
 * the unsent tail is ever appended to.
 * Context: instance lock. Called by: tcp_send.c, tcp_out.c, tcp_ack.c, tcp_close.c.
 */
#include "stack/core/errq.h"
#include "stack/tcp/tcp_int.h"

void chunk_free(struct s7_inst *inst, struct s7_pkt *chunk)
{
	if (pkt_is_shared(chunk)) {
		(*chunk->refs)--; /* the burst still needs chunk->frag */
		return;
	}
	chunk->frag = NULL;
	pkt_free(inst, chunk);
}

void tcp_stamp_acked(struct s7_tcp_sock *ts, struct s7_pkt *chunk)
{
	struct s7_pkt payload = *chunk;

	payload.data = chunk->buf + chunk->tcp.payload_off;
	payload.len = payload.total = chunk->tcp.len;
	payload.frag = NULL;
	stamp_acked(ts->sk.inst, &chunk->stamp, &payload);
}

void sendq_append(struct s7_tcp_sock *ts, struct s7_pkt *chunk)
{
	struct tcp_sendq *sq = &ts->tcb.sq;

	chunk_set_next(chunk, NULL);
	if (sq->tail)
		chunk_set_next(sq->tail, chunk);
	else
		sq->head = chunk;
	sq->tail = chunk;
	if (!sq->next)
		sq->next = chunk;
	sq->count++;
}

/* The unsent tail if nothing was put into it: what was to be sent turned out to be no memory. */
void sendq_drop_empty(struct s7_tcp_sock *ts)
{
	struct tcp_sendq *sq = &ts->tcb.sq;
	struct s7_pkt *last = sq->tail, *before = NULL;

	if (!last || last->tcp.len || last->tcp.flags & CHUNK_FIN)
		return;
	if (sq->head != last)
		for (before = sq->head; chunk_next(before) != last; before = chunk_next(before))
			;
	if (before)
		chunk_set_next(before, NULL);
	else
		sq->head = NULL;
	sq->tail = before;
	if (sq->next == last)
		sq->next = NULL;
	sq->count--;
	chunk_free(ts->sk.inst, last);
}

int chunk_split(struct s7_tcp_sock *ts, struct s7_pkt *chunk, uint32_t len)
{
	struct tcp_sendq *sq = &ts->tcb.sq;
	struct s7_pkt *rest = pkt_alloc(ts->sk.inst);
	uint32_t tail = chunk->tcp.len - len;

	if (!rest) {
		ts->sk.inst->drop[DROP_NO_PKT]++;
		return -ENOBUFS;
	}
	rest->tcp = chunk->tcp;
	rest->tcp.payload_off = S7_PKT_HEADROOM;
	memcpy(rest->buf + S7_PKT_HEADROOM, chunk->buf + chunk->tcp.payload_off + len, tail);
	rest->tcp.seq += len;
	rest->tcp.len = tail;
	rest->tcp.has_sum = 0;
	chunk->tcp.len = len;
	chunk->tcp.has_sum = 0;
	rest->stamp = chunk->stamp; /* of the last byte */
	chunk->tcp.flags &= (uint8_t) ~(CHUNK_LAST | CHUNK_STAMP);
	chunk_set_next(chunk, rest); /* rest kept the old next in owner[0] */
	if (sq->tail == chunk)
		sq->tail = rest;
	sq->count++;
	return 0;
}

void sendq_purge(struct s7_tcp_sock *ts)
{
	struct tcp_sendq *sq = &ts->tcb.sq;
	struct s7_pkt *chunk = sq->head, *next;

	for (; chunk; chunk = next) {
		next = chunk_next(chunk);
		chunk_free(ts->sk.inst, chunk);
	}
	memset(sq, 0, sizeof(*sq));
	tcp_chrono_set(ts, TCPC_IDLE);
}

int sendq_fin(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *chunk = tcb->sq.tail;

	if (tcb->bits & TCB_FIN_QUEUED)
		return 0;
	if (!tcb->sq.next) { /* nothing unsent: a chunk of its own */
		chunk = pkt_alloc(ts->sk.inst);
		if (!chunk)
			return -ENOBUFS;
		memset(&chunk->tcp, 0, sizeof(chunk->tcp));
		chunk->tcp.payload_off = S7_PKT_HEADROOM;
		chunk->tcp.seq = tcb->write_seq;
		sendq_append(ts, chunk);
	}
	chunk->tcp.flags |= chunk->tcp.len ? CHUNK_FIN | CHUNK_PSH : CHUNK_FIN;
	tcb->write_seq++;
	tcb->bits |= TCB_FIN_QUEUED;
	return 0;
}
