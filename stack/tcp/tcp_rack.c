// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_rack.c - which chunks are lost, judged by time (RFC 8985), and tail loss probes
 *
 * Idea: of all that was delivered the chunk sent last is remembered (rack_at, rack_end). What was
 * sent before it and did not arrive within its round trip and a window for reordering is lost,
 * whether it was sent once or again. The window is 0 where no reordering was ever seen and enough
 * segments overtook, else a quarter of the smallest round trip; duplicates that the peer reports
 * (DSACK) widen it by a quarter each, for 16 recoveries. What may still arrive is looked at again
 * when the time is over (TCPD_REO).
 * New data leaves in sequence, so "sent before" ends at the first chunk sent once and later; walks
 * begin at lost_hint, before which everything has arrived or is lost. Retransmissions are out of
 * order: they are looked at from the head, at most until RTX_LATER of them were sent too lately.
 * The probe (TCPD_TLP): two round trips of silence, in OPEN or CWR only, one segment leaves, new
 * data or the last again, so that an ACK tells what is missing without a timeout. One probe at a
 * time (REC_TLP until tlp_end is acknowledged).
 * Context: instance lock. Called by: tcp_ack.c, tcp_recovery.c, tcp_timer.c, tcp_out.c.
 */
#include "stack/tcp/tcp_int.h"

#define RTX_LATER 64	    /* retransmissions seen that are too young to be judged */
#define REO_PERSIST 16	    /* recoveries that keep a grown window */
#define TICK_US 4000	    /* of Linux's clock where the kernel did not tell */

static bool sent_after(s7_time a, uint32_t a_end, s7_time b, uint32_t b_end)
{
	return a > b || (a == b && seq_gt(a_end, b_end));
}

/*
 * Was something sent later delivered? Everything of one drive of the instance has one time: then
 * the sequence tells, but not between new data and what was sent again, where either may be first.
 */
static bool rack_passed(const struct s7_tcb *tcb, const struct s7_pkt *chunk)
{
	if (chunk->tcp.flags & CHUNK_EVER_RETRANS && !(tcb->rec & REC_RACK_RTX) &&
	    chunk->tcp.sent_at == tcb->rack_at)
		return false;
	return sent_after(tcb->rack_at, tcb->rack_end, chunk->tcp.sent_at, chunk_end(chunk));
}

void tcp_rack_advance(struct s7_tcb *tcb, s7_time now, const struct s7_pkt *chunk)
{
	s7_time rtt = now - chunk->tcp.sent_at;

	/* so soon after it was sent again it is the first sending that arrived */
	if (s7_unlikely(chunk->tcp.flags & CHUNK_EVER_RETRANS) && rtt < tcb->min_rtt_us * S7_US)
		return;
	tcb->rec |= REC_RACK;
	tcb->rack_rtt = rtt;
	if (sent_after(chunk->tcp.sent_at, chunk_end(chunk), tcb->rack_at, tcb->rack_end)) {
		tcb->rack_at = chunk->tcp.sent_at;
		tcb->rack_end = chunk_end(chunk);
		tcp_rec_clear(tcb, REC_RACK_RTX);
		if (s7_unlikely(chunk->tcp.flags & CHUNK_EVER_RETRANS))
			tcb->rec |= REC_RACK_RTX;
	}
}

static s7_time reo_window(const struct s7_tcp_sock *ts)
{
	const struct s7_tcb *tcb = &ts->tcb;
	uint64_t us;

	if (!tcb->reord_seen) {
		if (tcb->ca_state >= TCPCA_RECOVERY)
			return 0;
		if (tcp_sacked_segs(tcb) >= tcb->reordering &&
		    !(ts->sk.inst->params.tcp.recovery & 4))
			return 0;
	}
	us = (uint64_t)(tcb->min_rtt_us >> 2) * tcb->reo_steps;
	return s7_min(us, tcb->srtt8_us >> 3) * S7_US;
}

s7_time tcp_rack_left(const struct s7_tcb *tcb, const struct s7_pkt *chunk, s7_time window,
		      s7_time now)
{
	s7_time due = chunk->tcp.sent_at + tcb->rack_rtt + window;

	return due > now ? due - now : 0;
}

/* Retransmissions that are lost again. Returns the longest time that one may still take. */
static s7_time judge_rtx(struct s7_tcp_sock *ts, s7_time window, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t unseen = tcb->sq.retrans, later = 0;
	s7_time left, most = 0;

	for (struct s7_pkt *chunk = tcb->sq.head;
	     unseen && chunk && chunk != tcb->sq.next && later < RTX_LATER;
	     chunk = chunk_next(chunk)) {
		if (!(chunk->tcp.flags & CHUNK_RETRANS))
			continue;
		unseen -= chunk_space(chunk);
		if (!rack_passed(tcb, chunk)) {
			later++;
			continue;
		}
		left = tcp_rack_left(tcb, chunk, window, ts->sk.inst->now);
		if (left) {
			most = s7_max(most, left);
			continue;
		}
		tcp_mark_lost(tcb, chunk);
		ak->rtx_lost = true;
		stat_add(ts->sk.inst, STAT_TCP_LOST_RETRANS, 1);
	}
	return most;
}

static s7_time judge(struct s7_tcp_sock *ts, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct tcp_sendq *sq = &tcb->sq;
	s7_time window = reo_window(ts), left, most = 0;
	struct s7_pkt *chunk = sq->lost_hint ? sq->lost_hint : sq->head;
	bool settled = true;

	if (sq->retrans)
		most = judge_rtx(ts, window, ak);
	for (; chunk && chunk != sq->next; chunk = chunk_next(chunk)) {
		if (settled)
			sq->lost_hint = chunk;
		if (chunk->tcp.flags & CHUNK_MARKS)
			continue;
		if (!rack_passed(tcb, chunk)) {
			if (chunk->tcp.flags & CHUNK_EVER_RETRANS)
				continue; /* a probe: others behind it were sent before */
			break;
		}
		left = tcp_rack_left(tcb, chunk, window, ts->sk.inst->now);
		if (left) {
			most = s7_max(most, left);
			settled = false;
		} else {
			tcp_mark_lost(tcb, chunk);
		}
	}
	return most;
}

/* As Linux, whose time-outs are whole ticks, and never shorter than two. */
static s7_time tick(const struct s7_tcp_sock *ts)
{
	uint32_t us = ts->sk.inst->params.tick_us;

	return (us ? us : TICK_US) * S7_US;
}

void tcp_rack_judge(struct s7_tcp_sock *ts, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	s7_time left;

	if (!(tcb->rec & REC_RACK) || tcb->snd_una == tcb->snd_nxt)
		return;
	tcp_rec_clear(tcb, REC_RACK);
	left = judge(ts, ak);
	if (left)
		tcp_deadline_set(ts, TCPD_REO, ts->sk.inst->now + left + 2 * tick(ts));
	else
		tcb->at[TCPD_REO] = 0;
}

bool tcp_on_reo(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct tcp_acking ak = { .acked = 0 };
	uint32_t pipe = tcp_pipe(tcb), lost = tcb->sq.lost;
	s7_time left;

	if (tcb->snd_una == tcb->snd_nxt)
		return true;
	left = judge(ts, &ak);
	if (left)
		tcp_deadline_set(ts, TCPD_REO, ts->sk.inst->now + left + 2 * tick(ts));
	if (tcp_pipe(tcb) != pipe) {
		if (tcb->ca_state != TCPCA_RECOVERY)
			tcp_enter_recovery(ts, false, tcb->sq.lost - lost);
		tcp_output(ts);
	}
	return true;
}

/* ---- duplicates that the peer reports ---- */

void tcp_dsack_in(struct s7_tcp_sock *ts, const struct tcp_sack *block, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t len = block->end - block->start, segs = 1;

	if (!seq_lt(block->start, block->end) || len > tcb->snd_max_wnd)
		return;
	if (len > tcb->mss)
		segs = (len + tcb->mss - 1) / tcb->mss;
	else if (tcb->rec & REC_TLP && tcb->tlp_end == block->end)
		ak->dsack_tlp = true;
	stat_add(ts->sk.inst, STAT_TCP_DSACK_IN, 1);
	tcb->dsacks += segs;
	if (tcb->dsacks > tcb->total_retrans)
		return; /* the network repeats, not we */
	if (tcb->reord_seen && !ak->dsack_tlp)
		tcb->rec |= REC_DSACK;
	ak->dsack = true;
	if (tcb->rec & REC_UNDO && tcb->undo_rtx > 0 && seq_gt(block->end, tcb->undo_seq))
		tcb->undo_rtx = segs < (uint32_t)tcb->undo_rtx ? tcb->undo_rtx - (int32_t)segs : 0;
}

void tcp_rack_widen(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (ts->sk.inst->params.tcp.recovery & 2)
		return;
	if (tcb->rec & REC_DSACK && seq_lt(tcb->snd_una, tcb->dsack_round))
		tcp_rec_clear(tcb, REC_DSACK); /* of the round that was answered already */
	if (tcb->rec & REC_DSACK) {
		tcp_rec_clear(tcb, REC_DSACK);
		tcb->reo_steps = (uint8_t)s7_min(tcb->reo_steps + 1, 255);
		tcb->reo_persist = REO_PERSIST;
		tcb->dsack_round = tcb->snd_nxt;
	} else if (!tcb->reo_persist) {
		tcb->reo_steps = 1;
	}
}

/* ---- tail loss probes ---- */

void tcp_tlp_arm(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t flight = tcb->snd_nxt - tcb->snd_una;
	s7_time when = S7_SEC;

	if (!(tcb->bits & TCB_SACK) || tcb->state < TCPS_ESTABLISHED || !flight ||
	    (tcb->ca_state != TCPCA_OPEN && tcb->ca_state != TCPCA_CWR) ||
	    ts->sk.inst->params.tcp.early_retrans - 3 > 1) {
		tcb->at[TCPD_TLP] = 0;
		return;
	}
	if (s7_likely(tcb->srtt8_us)) {
		bool one = chunk_next(tcb->sq.head) == tcb->sq.next ||
			   (tcb->mss > S7_PKT_ROOM && flight <= tcb->mss);

		/* an ACK of a single segment may be delayed */
		when = (tcb->srtt8_us >> 2) * S7_US +
		       (one ? (uint64_t)tcp_rto_min_us(ts) * S7_US : 2 * tick(ts));
	}
	when += ts->sk.inst->now;
	tcp_deadline_set(ts, TCPD_TLP, s7_min(when, tcb->at[TCPD_RTX]));
}

static struct s7_pkt *last_sent(const struct tcp_sendq *sq)
{
	struct s7_pkt *chunk = sq->lost_hint ? sq->lost_hint : sq->head;

	if (!sq->next)
		return sq->tail;
	while (chunk && chunk_next(chunk) != sq->next)
		chunk = chunk_next(chunk);
	return chunk;
}

bool tcp_on_tlp(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t flight = tcb->snd_nxt - tcb->snd_una, before = tcb->snd_nxt;
	struct s7_pkt *last;

	if (!flight || tcb->rec & REC_TLP ||
	    (tcb->ca_state != TCPCA_OPEN && tcb->ca_state != TCPCA_CWR))
		return true;
	if (tcb->sq.next && flight + tcb->sq.next->tcp.len <= tcb->snd_wnd) {
		tcp_output_one(ts);
		if (tcb->snd_nxt == before)
			return true;
	} else {
		last = last_sent(&tcb->sq);
		if (!last || tcp_retransmit_probe(ts, last))
			return true;
		tcb->rec |= REC_TLP_RTX;
	}
	tcb->rec |= REC_TLP;
	tcb->tlp_end = tcb->snd_nxt;
	stat_add(ts->sk.inst, STAT_TCP_TLP, 1);
	tcp_rtx_arm(ts);
	return true;
}

void tcp_tlp_ack(struct s7_tcp_sock *ts, const struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t ack = tcb->snd_una;

	if (seq_lt(ack, tcb->tlp_end))
		return;
	if (!(tcb->rec & REC_TLP_RTX) || ak->dsack_tlp) {
		tcp_rec_clear(tcb, REC_TLP | REC_TLP_RTX); /* nothing was lost */
	} else if (seq_gt(ack, tcb->tlp_end)) {
		/* the probe filled a hole: that was a loss, and cwnd answers for it */
		stat_add(ts->sk.inst, STAT_TCP_TLP_RECOVERY, 1);
		tcp_cwr_at_once(ts);
	} else if (!ak->acked && !ak->sacked && ak->bare) {
		tcp_rec_clear(tcb, REC_TLP | REC_TLP_RTX);
	}
}
