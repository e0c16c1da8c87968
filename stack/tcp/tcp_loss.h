/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_loss.h - what an ACK tells, what is lost, what is done about it: the part of tcp_int.h that
 * tcp_sack.c, tcp_rack.c, tcp_recovery.c and tcp_undo.c share
 */
#ifndef S7_TCP_LOSS_H
#define S7_TCP_LOSS_H

#include "stack/tcp/tcp.h"

struct tcp_seg;

/* What one ACK says, gathered while it is taken in. */
struct tcp_acking {
	uint32_t una;	 /* snd_una before */
	uint32_t acked;	 /* bytes newly acknowledged */
	uint32_t sacked; /* ... newly SACKed */
	uint32_t known;	 /* of `acked`: SACKed before */
	uint32_t delivered; /* tcb->delivered before */
	uint32_t ecr;	 /* the timestamp that it echoes, 0: none */
	uint32_t overtaken; /* the first chunk that arrives after later ones (if any_overtaken) */
	s7_time sent_at; /* of the last chunk acknowledged that was sent once; 0: none */
	s7_time rtx_at;	 /* last sending of something acknowledged that was sent again */
	s7_time sacked_at; /* as sent_at, of what is newly SACKed */
	bool dup;	 /* a duplicate ACK: something arrived, not what was expected */
	bool bare;	 /* neither data nor a new window */
	bool ece;
	bool old;	 /* others have overtaken it: SACKs count, cwnd stays */
	bool original;	 /* arrived: data of before the timeout that was never sent again */
	bool any_overtaken;
	bool dsack, dsack_tlp; /* the peer had something twice; it was the probe */
	bool rtx_lost;	 /* a retransmission is lost */
};

/* ---- tcp_sack.c ---- */
/* Marks what the SACK blocks cover. */
void tcp_sack_mark(struct s7_tcp_sock *ts, const struct tcp_seg *seg, struct tcp_acking *ak);
/* It was sent (again) and is lost. */
void tcp_mark_lost(struct s7_tcb *tcb, struct s7_pkt *chunk);
void tcp_mark_head_lost(struct s7_tcb *tcb);
/* After a timeout: all that was not sent just now. forget: what was SACKed, too. */
void tcp_mark_timeout(struct s7_tcp_sock *ts, bool forget);
void tcp_mark_all_lost(struct s7_tcb *tcb);
/* A chunk that arrived was sent once and has its marks yet: what does that say? */
void tcp_chunk_arrived(struct s7_tcb *tcb, const struct s7_pkt *chunk, struct tcp_acking *ak);
/* The chunk at `seq` arrives after later ones did. */
void tcp_reordering_seen(struct s7_tcp_sock *ts, uint32_t seq);
/* Takes a chunk's marks out of the counters (it is acknowledged). */
void tcp_chunk_unmark(struct s7_tcb *tcb, struct s7_pkt *chunk);
/* Before a chunk leaves the queue: no hint may point at it. */
void tcp_hints_drop(struct s7_tcb *tcb, const struct s7_pkt *chunk);
/* Segments SACKed, as Linux counts them. */
static inline uint32_t tcp_sacked_segs(const struct s7_tcb *tcb)
{
	if (tcb->mss > S7_PKT_ROOM) /* of several chunks each */
		return (tcb->sq.sacked + tcb->mss - 1) / tcb->mss;
	return tcb->sq.sacked_count;
}

/* ---- tcp_rack.c ---- */
/* The chunk has arrived. */
void tcp_rack_advance(struct s7_tcb *tcb, s7_time now, const struct s7_pkt *chunk);
/* How long it may still take to be acknowledged; 0: it is lost. */
s7_time tcp_rack_left(const struct s7_tcb *tcb, const struct s7_pkt *chunk, s7_time window,
		      s7_time now);
/* Marks what is lost by now, and asks for another look where something may still come. */
void tcp_rack_judge(struct s7_tcp_sock *ts, struct tcp_acking *ak);
/* After an ACK: the window grows with duplicates. */
void tcp_rack_widen(struct s7_tcp_sock *ts);
void tcp_dsack_in(struct s7_tcp_sock *ts, const struct tcp_sack *block, struct tcp_acking *ak);
/* The probe's time is set, or cleared where none is due. */
void tcp_tlp_arm(struct s7_tcp_sock *ts);
/* A probe is under way (REC_TLP): what does the ACK say of it? */
void tcp_tlp_ack(struct s7_tcp_sock *ts, const struct tcp_acking *ak);
/* Deadlines. */
bool tcp_on_reo(struct s7_tcp_sock *ts);
bool tcp_on_tlp(struct s7_tcp_sock *ts);

static inline void tcp_rec_clear(struct s7_tcb *tcb, uint32_t bits)
{
	tcb->rec &= (uint16_t)~bits;
}

/* ---- tcp_recovery.c ---- */
/* An ACK that is not just what was expected. */
void tcp_recovery_on_ack(struct s7_tcp_sock *ts, struct tcp_acking *ak);
void tcp_enter_recovery(struct s7_tcp_sock *ts, bool ece, uint32_t newly_lost);
void tcp_enter_loss(struct s7_tcp_sock *ts);
/* One reduction, in force at once. */
void tcp_cwr_at_once(struct s7_tcp_sock *ts);
/* OPEN or DISORDER, whichever it is. */
void tcp_keep_open(struct s7_tcb *tcb);
/* Is something that was sent again not acknowledged yet? */
bool tcp_any_rtx(const struct s7_tcb *tcb);
/* Does cwnd hold this connection back, so that it may grow? */
static inline bool tcp_cwnd_limited(const struct s7_tcb *tcb)
{
	if (tcb->bits & TCB_CWND_LIMITED)
		return true;
	return tcb->cwnd < tcb->ssthresh && tcb->cwnd < 2 * tcb->max_out;
}

/* ---- tcp_undo.c ---- */
/* A reduction begins: what is needed to take it back. */
void tcp_undo_init(struct s7_tcb *tcb);
/* RECOVERY or LOSS ends. true: it is held until more is acknowledged. */
bool tcp_undo_recovery(struct s7_tcp_sock *ts, const struct tcp_acking *ak);
/* true: it was for nothing. */
bool tcp_undo_dsack(struct s7_tcp_sock *ts);
bool tcp_undo_loss(struct s7_tcp_sock *ts, const struct tcp_acking *ak, bool by_frto);
/* A partial ACK. true: it was luck, nothing is to be done. */
bool tcp_undo_partial(struct s7_tcp_sock *ts, const struct tcp_acking *ak);

#endif
