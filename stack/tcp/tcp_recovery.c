// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_recovery.c - loss recovery: when to back off, how much may be sent meanwhile
 *
 * Idea: Linux's five states. OPEN - DISORDER (duplicate ACKs, SACKs, something sent again) - CWR
 * (the network says by ECN that it is full) - RECOVERY (something is lost) or LOSS (timeout).
 * What is lost is said by tcp_rack.c, without SACK by three duplicates (RFC 6582). pipe, the
 * estimate of what is in the network, decides with cwnd what leaves; limited transmit (RFC 3042)
 * falls out of it, because a duplicate shrinks pipe. In CWR and RECOVERY cwnd follows proportional
 * rate reduction (RFC 6937). The states end when what was sent before they began is acknowledged,
 * or when it shows that they were for nothing (tcp_undo.c). After a timeout F-RTO (RFC 5682) sends
 * new data before it believes that everything is lost.
 * Context: instance lock. Called by: tcp_ack.c, tcp_timer.c, tcp_rack.c.
 */
#include "stack/tcp/tcp_int.h"

bool tcp_any_rtx(const struct s7_tcb *tcb)
{
	return tcb->sq.retrans || (tcb->sq.head && tcb->sq.head->tcp.flags & CHUNK_EVER_RETRANS);
}

void tcp_keep_open(struct s7_tcb *tcb)
{
	bool order = !tcb->sq.sacked && !tcb->sq.lost && !tcb->dupacks && !tcp_any_rtx(tcb);
	uint8_t state = order ? TCPCA_OPEN : TCPCA_DISORDER;

	if (tcb->ca_state == state)
		return;
	tcb->ca_state = state;
	tcb->recover = tcb->snd_nxt;
}

static bool in_reduction(const struct s7_tcb *tcb)
{
	return tcb->ca_state == TCPCA_CWR || tcb->ca_state == TCPCA_RECOVERY;
}

/* What slow start may reach, as it would be believed after an undo. */
static uint32_t current_ssthresh(const struct s7_tcb *tcb)
{
	if (in_reduction(tcb))
		return tcb->ssthresh;
	return (uint32_t)s7_max(tcb->ssthresh, tcb->cwnd / 4 * 3);
}

static void reduction_begin(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->recover = tcb->snd_nxt;
	tcp_rec_clear(tcb, REC_TLP | REC_TLP_RTX);
	tcb->prior_cwnd = tcb->cwnd;
	tcb->prr_delivered = tcb->prr_out = 0;
	tcb->ssthresh = tcp_cc(tcb)->ssthresh(tcb, ts->sk.inst->now);
	if (tcb->bits & TCB_ECN)
		tcb->bits |= TCB_ECN_CWR;
}

static void reduction_end(struct s7_tcb *tcb)
{
	if (tcb->ssthresh < TCP_CWND_MAX &&
	    (tcb->ca_state == TCPCA_CWR || tcb->rec & REC_UNDO))
		tcb->cwnd = (uint32_t)s7_max(tcb->ssthresh, tcb->mss);
}

void tcp_cwr_at_once(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	reduction_begin(ts);
	tcb->ca_state = TCPCA_CWR;
	reduction_end(tcb);
	tcp_keep_open(tcb);
}

/* RFC 6937: send in proportion to what arrives; below ssthresh as much, and one more when holes
 * fill. */
static void prr_update(struct s7_tcb *tcb, uint32_t delivered, bool growing)
{
	uint32_t pipe = tcp_pipe(tcb);
	int64_t send;

	if (!delivered)
		return;
	tcb->prr_delivered += delivered;
	if (pipe > tcb->ssthresh) {
		send = (int64_t)((uint64_t)tcb->prr_delivered * tcb->ssthresh /
				 s7_max(tcb->prior_cwnd, 1)) +
		       (int64_t)tcb->mss - 1 - (int64_t)tcb->prr_out;
	} else {
		send = (int64_t)tcb->prr_delivered - (int64_t)tcb->prr_out;
		if (send < (int64_t)delivered)
			send = delivered;
		if (growing)
			send += tcb->mss;
		if (send > (int64_t)tcb->ssthresh - pipe)
			send = (int64_t)tcb->ssthresh - pipe;
	}
	/* the first retransmission always leaves */
	if (!tcb->prr_out && send < (int64_t)tcb->mss)
		send = tcb->mss;
	if (send < 0)
		send = 0;
	tcb->cwnd = (uint32_t)s7_max(pipe + (uint64_t)send, tcb->mss);
}

void tcp_enter_recovery(struct s7_tcp_sock *ts, bool ece, uint32_t newly_lost)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->prior_ssthresh = 0;
	tcp_undo_init(tcb);
	if (!in_reduction(tcb)) {
		if (!ece)
			tcb->prior_ssthresh = current_ssthresh(tcb);
		reduction_begin(ts);
	}
	tcb->ca_state = TCPCA_RECOVERY;
	tcb->at[TCPD_TLP] = 0;
	stat_add(ts->sk.inst, STAT_TCP_FAST_RETRANS, 1);
	if (tcb->bits & TCB_SACK)
		stat_add(ts->sk.inst, STAT_TCP_SACK_RECOVERY, 1);
	if (newly_lost) /* by time, not by an ACK: it counts as one segment that arrived */
		prr_update(tcb, tcb->mss, false);
}

static void enter_cwr(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->prior_ssthresh = 0;
	if (tcb->ca_state >= TCPCA_CWR)
		return;
	tcp_rec_clear(tcb, REC_UNDO);
	reduction_begin(ts);
	tcb->ca_state = TCPCA_CWR;
	stat_add(ts->sk.inst, STAT_TCP_ECN_CWR, 1);
}

static void try_to_open(struct s7_tcp_sock *ts, const struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!tcp_any_rtx(tcb))
		tcp_rec_clear(tcb, REC_STAMP);
	if (ak->ece)
		enter_cwr(ts);
	if (tcb->ca_state != TCPCA_CWR)
		tcp_keep_open(tcb);
}

static void find_lost(struct s7_tcp_sock *ts, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->bits & TCB_SACK)
		tcp_rack_judge(ts, ak);
	else if (tcb->ca_state < TCPCA_RECOVERY ? tcb->dupacks >= tcb->reordering :
		 tcb->ca_state == TCPCA_RECOVERY && ak->acked)
		tcp_mark_head_lost(tcb);
}

/* Duplicates of a peer without SACK: each says that a segment left the network. */
static void count_dups(struct s7_tcb *tcb, const struct tcp_acking *ak)
{
	if (tcb->bits & TCB_SACK)
		return;
	if (ak->acked)
		tcb->dupacks = 0;
	tcb->dupacks += ak->dup;
}

/* The state ends with what was sent before it began. true: nothing else is to be done. */
static bool leave(struct s7_tcp_sock *ts, const struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->ca_state == TCPCA_CWR && tcb->snd_una != tcb->recover) {
		reduction_end(tcb); /* CWR itself has arrived */
		tcb->ca_state = TCPCA_OPEN;
	} else if (tcb->ca_state == TCPCA_RECOVERY) {
		tcb->dupacks = 0;
		if (tcp_undo_recovery(ts, ak))
			return true;
		reduction_end(tcb);
	}
	return false;
}

/* RFC 5682 3.1, with SACK or without. true: nothing else is to be done. */
static bool loss_frto(struct s7_tcp_sock *ts, const struct tcp_acking *ak, bool recovered)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (ak->original && tcp_undo_loss(ts, ak, true)) /* step 3b */
		return true;
	if (seq_gt(tcb->snd_nxt, tcb->recover)) {
		if (ak->sacked || ak->dup)
			tcp_rec_clear(tcb, REC_FRTO); /* step 3a: the loss was real */
	} else if (ak->acked && !recovered) {
		tcb->recover = tcb->snd_nxt;
		if (tcb->sq.next && tcb->snd_wnd > tcb->snd_nxt - tcb->snd_una) {
			tcb->rec |= REC_FRTO_NEW; /* step 2b */
			return true;
		}
		tcp_rec_clear(tcb, REC_FRTO);
	}
	return false;
}

static void loss_ack(struct s7_tcp_sock *ts, const struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	bool recovered = seq_geq(tcb->snd_una, tcb->recover);

	if (ak->acked && tcp_undo_loss(ts, ak, false))
		return;
	if (tcb->rec & REC_FRTO && loss_frto(ts, ak, recovered))
		return;
	if (recovered) {
		tcp_undo_recovery(ts, ak);
		return;
	}
	if (ak->acked || seq_gt(tcb->snd_nxt, tcb->recover))
		count_dups(tcb, ak);
}

static void recovery_ack(struct s7_tcp_sock *ts, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!ak->acked) {
		count_dups(tcb, ak);
	} else {
		if (tcp_undo_partial(ts, ak))
			return;
		/* a partial ACK: the next hole is its end (RFC 6582) */
		tcb->dupacks -= (uint32_t)s7_min(tcb->dupacks, ak->acked / tcb->mss);
	}
	if (tcp_undo_dsack(ts))
		try_to_open(ts, ak);
	find_lost(ts, ak);
	if (tcb->ca_state != TCPCA_RECOVERY && tcb->sq.lost)
		tcp_enter_recovery(ts, ak->ece, 0);
}

static void alert(struct s7_tcp_sock *ts, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (ak->ece)
		tcb->prior_ssthresh = 0;
	if (tcb->ca_state == TCPCA_OPEN)
		tcp_rec_clear(tcb, REC_STAMP);
	else if (seq_geq(tcb->snd_una, tcb->recover) && leave(ts, ak))
		return;
	if (tcb->ca_state == TCPCA_RECOVERY) {
		recovery_ack(ts, ak);
		return;
	}
	if (tcb->ca_state == TCPCA_LOSS) {
		loss_ack(ts, ak);
		find_lost(ts, ak);
		if (tcb->ca_state != TCPCA_OPEN && !ak->rtx_lost)
			return;
	} else {
		count_dups(tcb, ak);
		if (tcb->ca_state <= TCPCA_DISORDER)
			tcp_undo_dsack(ts);
		find_lost(ts, ak);
	}
	if (tcb->sq.lost)
		tcp_enter_recovery(ts, ak->ece, 0);
	else
		try_to_open(ts, ak);
}

void tcp_recovery_on_ack(struct s7_tcp_sock *ts, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t lost = tcb->sq.lost, delivered = ak->acked - ak->known + ak->sacked;
	/* where segments overtake each other, SACKs let it grow too */
	bool forward = ak->acked || (ak->sacked &&
				     tcb->reordering > ts->sk.inst->params.tcp.reordering);

	alert(ts, ak);
	if (s7_unlikely(ak->old))
		return;
	if (tcb->bits & TCB_SACK)
		tcp_rack_widen(ts);
	else if (ak->dup)
		delivered += tcb->mss;
	if (in_reduction(tcb))
		prr_update(tcb, delivered, ak->acked && tcb->sq.lost <= lost);
	else if (forward && (tcb->ca_state == TCPCA_LOSS || tcp_cwnd_limited(tcb)))
		tcp_cc(tcb)->ack(tcb, delivered, ts->sk.inst->now);
}

/* The retransmission timer ran out (RFC 5681 3.1, RFC 6298 5.4 ff). */
void tcp_enter_loss(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	const struct s7_tcp_params *params = &ts->sk.inst->params.tcp;
	struct s7_pkt *head = tcb->sq.head;
	bool reneged = head && head->tcp.flags & CHUNK_SACKED;
	bool fresh = tcb->ca_state < TCPCA_RECOVERY;

	if (!reneged && tcb->ca_state <= TCPCA_DISORDER &&
	    tcp_sacked_segs(tcb) >= params->reordering)
		tcb->reordering = (uint32_t)s7_min(tcb->reordering, params->reordering);
	tcb->dupacks = 0;
	tcp_mark_timeout(ts, reneged);
	/* a second timeout for the same data does not lower ssthresh again */
	if (tcb->ca_state <= TCPCA_DISORDER || seq_geq(tcb->snd_una, tcb->recover) ||
	    (tcb->ca_state == TCPCA_LOSS && !tcb->retries)) {
		tcb->prior_ssthresh = current_ssthresh(tcb);
		tcb->prior_cwnd = tcb->cwnd;
		tcb->ssthresh = tcp_cc(tcb)->ssthresh(tcb, ts->sk.inst->now);
		tcp_cc(tcb)->init(tcb);
		tcp_undo_init(tcb);
	}
	tcb->cwnd = tcp_pipe(tcb) + tcb->mss;
	tcb->ca_state = TCPCA_LOSS;
	tcb->recover = tcb->snd_nxt;
	tcp_rec_clear(tcb, REC_TLP | REC_TLP_RTX | REC_FRTO | REC_FRTO_NEW);
	tcb->at[TCPD_TLP] = tcb->at[TCPD_REO] = 0;
	if (tcb->bits & TCB_ECN)
		tcb->bits |= TCB_ECN_CWR;
	/* only the first loss, or the same again: a recovery under way has its own evidence */
	if (params->frto && (fresh || tcb->retries))
		tcb->rec |= REC_FRTO;
}
