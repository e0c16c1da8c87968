// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_undo.c - a reduction that proves to be wrong is taken back
 *
 * Idea: when recovery or a timeout begins, cwnd and ssthresh of before are kept (REC_UNDO). It was
 * for nothing when an ACK answers the first sending of what was sent again - its timestamp is
 * older than the first retransmission (RFC 4015, Eifel) - or when the peer says of every
 * retransmission that it was a duplicate (RFC 3708, DSACK), or when F-RTO finds data arriving
 * that was never sent again (RFC 5682). Then cwnd is what it was; after a timeout what was
 * marked lost is in flight again.
 * Congestion that was told by ECN is never taken back (prior_ssthresh = 0).
 * Context: instance lock. Called by: tcp_recovery.c.
 */
#include "stack/tcp/tcp_int.h"

void tcp_undo_init(struct s7_tcb *tcb)
{
	tcb->rec |= REC_UNDO;
	tcb->undo_seq = tcb->snd_una;
	tcb->undo_rtx = (int32_t)((tcb->sq.retrans + tcb->mss - 1) / tcb->mss);
	if (tcb->rec & REC_TLP && tcb->rec & REC_TLP_RTX)
		tcb->undo_rtx++;
	if (!tcb->undo_rtx)
		tcb->undo_rtx = -1;
}

/* Does the ACK answer what was sent before the first retransmission? */
static bool answers_original(const struct s7_tcb *tcb, const struct tcp_acking *ak)
{
	if (!(tcb->rec & REC_STAMP))
		return true; /* nothing was sent again */
	return tcb->bits & TCB_TS && ak->ecr && (int32_t)(ak->ecr - tcb->rtx_stamp) < 0;
}

static bool may_undo(const struct s7_tcb *tcb, const struct tcp_acking *ak)
{
	return tcb->rec & REC_UNDO && (!tcb->undo_rtx || answers_original(tcb, ak));
}

static void undo(struct s7_tcb *tcb, bool unmark)
{
	struct tcp_sendq *sq = &tcb->sq;

	if (unmark) {
		for (struct s7_pkt *chunk = sq->head; sq->lost && chunk && chunk != sq->next;
		     chunk = chunk_next(chunk)) {
			if (!(chunk->tcp.flags & CHUNK_LOST))
				continue;
			chunk->tcp.flags &= (uint8_t)~CHUNK_LOST;
			sq->lost -= chunk_space(chunk);
		}
		sq->lost_hint = sq->rtx_hint = NULL;
	}
	if (tcb->prior_ssthresh) {
		tcb->cwnd = (uint32_t)s7_max(tcb->cwnd, tcb->prior_cwnd);
		if (tcb->prior_ssthresh > tcb->ssthresh) {
			tcb->ssthresh = tcb->prior_ssthresh;
			tcb->bits &= ~(uint32_t)TCB_ECN_CWR;
		}
	}
	tcp_rec_clear(tcb, REC_UNDO);
	tcb->rec |= REC_RACK; /* what is left is judged anew */
}

/*
 * Without SACK the state is held until something above `recover` is acknowledged, so that late
 * duplicates do not begin another recovery (RFC 6582 section 4).
 */
static bool held(struct s7_tcb *tcb)
{
	if (tcb->bits & TCB_SACK || tcb->snd_una != tcb->recover)
		return false;
	if (!tcp_any_rtx(tcb))
		tcp_rec_clear(tcb, REC_STAMP);
	return true;
}

bool tcp_undo_recovery(struct s7_tcp_sock *ts, const struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (may_undo(tcb, ak)) {
		stat_add(ts->sk.inst,
			 tcb->ca_state == TCPCA_LOSS ? STAT_TCP_LOSS_UNDO : STAT_TCP_FULL_UNDO, 1);
		undo(tcb, false);
	} else if (tcb->reo_persist) {
		tcb->reo_persist--;
	}
	if (held(tcb))
		return true;
	tcb->ca_state = TCPCA_OPEN;
	tcb->dupacks = 0;
	return false;
}

bool tcp_undo_dsack(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!(tcb->rec & REC_UNDO) || tcb->undo_rtx)
		return false;
	tcb->reo_persist = (uint8_t)s7_min(16, tcb->reo_persist + 1);
	undo(tcb, false);
	stat_add(ts->sk.inst, STAT_TCP_DSACK_UNDO, 1);
	return true;
}

bool tcp_undo_loss(struct s7_tcp_sock *ts, const struct tcp_acking *ak, bool by_frto)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!by_frto && !may_undo(tcb, ak))
		return false;
	undo(tcb, true);
	stat_add(ts->sk.inst, STAT_TCP_LOSS_UNDO, 1);
	if (by_frto)
		stat_add(ts->sk.inst, STAT_TCP_SPURIOUS_RTO, 1);
	tcb->retries = 0;
	if (held(tcb))
		return true;
	if (by_frto || tcb->bits & TCB_SACK) {
		tcb->ca_state = TCPCA_OPEN;
		tcb->dupacks = 0;
	}
	return true;
}

bool tcp_undo_partial(struct s7_tcp_sock *ts, const struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!(tcb->rec & REC_UNDO) || !answers_original(tcb, ak))
		return false;
	/* the hole was filled by what was late, not by what was sent again */
	tcp_reordering_seen(ts, ak->una);
	if (tcb->sq.retrans)
		return true;
	if (!tcp_any_rtx(tcb))
		tcp_rec_clear(tcb, REC_STAMP);
	undo(tcb, true);
	stat_add(ts->sk.inst, STAT_TCP_PARTIAL_UNDO, 1);
	tcp_keep_open(tcb);
	return false;
}
