// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_recovery.c - loss recovery: when to back off, how much may be sent meanwhile
 *
 * Idea: OPEN - DISORDER (duplicate ACKs, SACKs) - RECOVERY (fast retransmit, RFC 6675 with SACK,
 * RFC 6582 without) or LOSS (timeout). pipe, the estimate of what is in the network, decides with
 * cwnd what leaves; limited transmit (RFC 3042) falls out of it, because a duplicate shrinks
 * pipe. In RECOVERY cwnd follows proportional rate reduction (RFC 6937). RECOVERY and LOSS end
 * when everything sent before they began is acknowledged.
 * Seams: RACK replaces tcp_sack_lost() as judge; ECN calls enter_recovery() without a loss.
 * Context: instance lock. Called by: tcp_ack.c, tcp_timer.c.
 */
#include "stack/tcp/tcp_int.h"

static void enter_recovery(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->prr_fs = (uint32_t)s7_max(tcb->snd_nxt - tcb->snd_una, 1);
	tcb->prr_delivered = tcb->prr_out = 0;
	tcb->recover = tcb->snd_nxt;
	tcb->ssthresh = tcp_cc(tcb)->ssthresh(tcb, ts->sk.inst->now);
	tcb->ca_state = TCPCA_RECOVERY;
	if (!tcb->sq.lost)
		tcp_mark_head_lost(tcb);
	stat_add(ts->sk.inst, STAT_TCP_FAST_RETRANS, 1);
	if (tcb->bits & TCB_SACK)
		stat_add(ts->sk.inst, STAT_TCP_SACK_RECOVERY, 1);
}

/* RFC 6937 with the slow start bound: send in proportion to what arrives. */
static void prr_update(struct s7_tcb *tcb, uint32_t delivered)
{
	uint32_t pipe = tcp_pipe(tcb);
	int64_t send;

	tcb->prr_delivered += delivered;
	if (pipe > tcb->ssthresh) {
		send = (int64_t)((uint64_t)tcb->prr_delivered * tcb->ssthresh / tcb->prr_fs) + 1 -
		       (int64_t)tcb->prr_out;
	} else {
		int64_t limit = (int64_t)tcb->prr_delivered - (int64_t)tcb->prr_out;

		if (limit < (int64_t)delivered)
			limit = delivered;
		limit += tcb->mss;
		send = (int64_t)tcb->ssthresh - pipe;
		if (send > limit)
			send = limit;
	}
	/* the first retransmission always leaves */
	if (!tcb->prr_out && send < (int64_t)tcb->mss)
		send = tcb->mss;
	if (send < 0)
		send = 0;
	tcb->cwnd = (uint32_t)s7_max(pipe + (uint64_t)send, tcb->mss);
}

static void leave_recovery(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->ca_state == TCPCA_RECOVERY)
		tcb->cwnd = (uint32_t)s7_max(tcb->ssthresh, 2 * tcb->mss);
	tcb->ca_state = TCPCA_OPEN;
	tcb->dupacks = 0;
}

static void disorder_ack(struct s7_tcp_sock *ts, uint32_t acked, uint32_t newly_sacked, bool dup)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (acked)
		tcb->dupacks = 0;
	tcb->dupacks += dup;
	tcb->ca_state = tcb->dupacks || tcb->sq.sacked ? TCPCA_DISORDER : TCPCA_OPEN;
	if (tcb->bits & TCB_SACK)
		tcp_sack_lost(tcb);
	if (tcb->sq.lost || tcb->dupacks >= tcp_loss_distance(tcb) / tcb->mss) {
		enter_recovery(ts);
		prr_update(tcb, acked + newly_sacked);
		return;
	}
	if (acked && tcb->bits & TCB_CWND_LIMITED)
		tcp_cc(tcb)->ack(tcb, acked, ts->sk.inst->now);
}

static void recovery_ack(struct s7_tcp_sock *ts, uint32_t acked, uint32_t newly_sacked, bool dup)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t delivered = acked + newly_sacked;

	if (tcb->bits & TCB_SACK) {
		tcp_sack_lost(tcb);
	} else if (dup) {
		tcb->dupacks++;
		delivered += tcb->mss;
	} else if (acked) { /* a partial ACK: the next hole is its end (RFC 6582) */
		tcb->dupacks -= (uint32_t)s7_min(tcb->dupacks, acked / tcb->mss);
	}
	if (acked)
		tcp_mark_head_lost(tcb);
	prr_update(tcb, delivered);
}

void tcp_recovery_on_ack(struct s7_tcp_sock *ts, uint32_t acked, uint32_t newly_sacked, bool dup)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->ca_state >= TCPCA_RECOVERY && seq_geq(tcb->snd_una, tcb->recover) && acked)
		leave_recovery(ts);
	switch (tcb->ca_state) {
	case TCPCA_OPEN:
	case TCPCA_DISORDER:
		disorder_ack(ts, acked, newly_sacked, dup);
		break;
	case TCPCA_RECOVERY:
		recovery_ack(ts, acked, newly_sacked, dup);
		break;
	case TCPCA_LOSS:
		if (tcb->bits & TCB_SACK)
			tcp_sack_lost(tcb);
		if (acked)
			tcp_cc(tcb)->ack(tcb, acked, ts->sk.inst->now);
		break;
	}
}

/* The retransmission timer ran out (RFC 5681 3.1, RFC 6298 5.4 ff). */
void tcp_enter_loss(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *head = tcb->sq.head;
	bool reneged = head && head->tcp.flags & CHUNK_SACKED;

	/* a second timeout for the same data does not lower ssthresh again */
	if (tcb->ca_state != TCPCA_LOSS || seq_geq(tcb->snd_una, tcb->recover)) {
		tcb->ssthresh = tcp_cc(tcb)->ssthresh(tcb, ts->sk.inst->now);
		tcb->recover = tcb->snd_nxt;
	}
	tcb->ca_state = TCPCA_LOSS;
	tcb->cwnd = tcb->mss;
	tcb->dupacks = 0;
	tcp_cc(tcb)->restart(tcb);
	tcp_mark_all_lost(tcb, reneged);
}
