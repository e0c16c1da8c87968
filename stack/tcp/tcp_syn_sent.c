// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_syn_sent.c - an answer to our SYN (RFC 9293 3.10.7.3), and the beginning of data transfer
 *
 * Idea: what the two SYNs agreed on is put into the TCB once; tcp_established() is the one door
 * to data transfer, for active opens, simultaneous opens and passive ones (tcp_child.c).
 * Context: instance lock. Called by: tcp_rx.c, tcp_child.c.
 */
#include "stack/tcp/tcp_int.h"

#define ANSWER_WAIT (200 * S7_MS) /* for data that carries the last ACK of the handshake */
#define SYN_AGAIN (2 * S7_MS) /* after an ACK that does not answer the SYN, once */

void tcp_begin(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_sock *sk = &ts->sk;
	s7_time now = sk->inst->now;

	tcp_mss_sync(ts);
	tcb->cwnd = tcp_cwnd_init(ts);
	tcb->ca_state = TCPCA_OPEN;
	tcp_cc(tcb)->init(tcb);
	tcb->quickacks = TCP_QUICKACKS;
	tcb->rcv_mss = (uint32_t)s7_min(tcb->mss / 2, TCP_MSS_FALLBACK);
	tcb->retries = tcb->backoff = 0;
	tcb->stalled_at = 0;
	tcb->last_rx = tcb->last_tx = tcb->begun_at = now;
	tcb->space_at = now;
	tcb->space_seq = tcb->copied_seq;
	tcb->space_bytes = (uint32_t)s7_min(s7_min(sk->rcvbuf / 2, tcb->rcv_wnd), 10 * tcb->mss);
	tcb->at[TCPD_RTX] = 0;
	tcb->reordering = sk->inst->params.tcp.reordering;
	tcb->reo_steps = 1;
	tcb->usage_seq = tcb->dsack_round = tcb->snd_una;
	if (!(sk->bits & SKB_SNDBUF_LOCK)) {
		uint32_t want = 2 * TCP_TRUESIZE * tcp_init_segs(ts);

		want = (uint32_t)s7_min(want, tcp_iface(ts)->wmem[2]);
		sk->sndbuf = (uint32_t)s7_max(sk->sndbuf, want);
	}
	sk->bits |= SKB_CONNECTED;
	tcb->bits |= TCB_DONE;
}

void tcp_established(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_sock *sk = &ts->sk;

	tcp_begin(ts);
	tcp_set_state(ts, TCPS_ESTABLISHED);
	if (sk->bits & SKB_KEEPALIVE)
		tcp_keep_arm(ts);
	if (tcb->bits & TCB_FIN_QUEUED)
		tcp_set_state(ts, TCPS_FIN_WAIT_1);
	if (!(tcb->bits & TCB_CHILD))
		sk_event(sk, EPOLLOUT | EPOLLWRNORM);
}

/* The peer's SYN: its numbers and what it offered. */
static void take_syn(struct s7_tcp_sock *ts, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	const struct tcp_opts *o = &seg->opts;
	uint8_t agreed = o->bits & tcp_opts_allowed(ts->sk.inst);

	tcp_ecn_answered(tcb, seg->h.flags);
	tcb->irs = seg->h.seq;
	tcb->rcv_nxt = tcb->rcv_wup = tcb->copied_seq = seg->h.seq + 1;
	tcb->peer_mss = o->bits & TCPO_MSS ? o->mss : TCP_MSS_FALLBACK;
	tcb->bits &= ~(uint32_t)(TCB_TS | TCB_SACK | TCB_WSCALE);
	if (agreed & TCPO_WSCALE) {
		tcb->bits |= TCB_WSCALE;
		tcb->snd_wscale = o->wscale;
	} else {
		tcb->snd_wscale = tcb->rcv_wscale = 0;
	}
	if (agreed & TCPO_SACK_OK)
		tcb->bits |= TCB_SACK;
	if (agreed & TCPO_TS) {
		tcb->bits |= TCB_TS;
		tcb->ts_recent = o->ts_val;
		tcb->ts_recent_s = (uint32_t)(ts->sk.inst->now / S7_SEC);
	}
	tcb->snd_wnd = tcb->snd_max_wnd = seg->h.wnd; /* never scaled on a SYN */
	tcb->snd_wl1 = seg->h.seq;
}

static bool ack_is_ours(const struct s7_tcb *tcb, const struct tcp_seg *seg)
{
	return seq_gt(seg->h.ack, tcb->iss) && seq_leq(seg->h.ack, tcb->snd_nxt);
}

/* It echoes nothing, or a time stamp since our first SYN (RFC 7323 5.2, as Linux). */
static bool stamp_is_ours(const struct s7_tcp_sock *ts, const struct tcp_seg *seg)
{
	const struct s7_inst *inst = ts->sk.inst;
	uint32_t now = tcp_ms(inst) + ts->tcb.ts_offset, echo = seg->opts.ts_ecr;

	if (!(seg->opts.bits & tcp_opts_allowed(inst) & TCPO_TS) || !echo)
		return true;
	return echo - ts->tcb.rtx_stamp <= now - ts->tcb.rtx_stamp;
}

/*
 * Will data carry the last ACK of the handshake? A call waits to send some, or the program said so
 * (TCP_DEFER_ACCEPT, TCP_QUICKACK off), as Linux.
 */
static bool data_follows(struct s7_tcb *tcb)
{
	bool writer = tcb->writer;

	tcb->writer = false;
	return writer || tcb->defer_accept_s || tcb->bits & TCB_PINGPONG;
}

/* The handshake of an active open is complete. */
static void open_done(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	bool first_try = !tcb->retries;

	tcb->snd_una = tcb->iss + 1;
	take_syn(ts, seg);
	if (first_try)
		tcp_rtt_sample(ts, (ts->sk.inst->now - tcb->last_tx) / S7_US);
	tcp_established(ts);
	if (s7_unlikely(tcb->tfo != NULL))
		tcp_fastopen_answered(ts, seg, first_try);
	tcb->delivered = 1; /* the SYN with what it carried, as Linux counts */
	if (seg->len ||
	    seg->h.flags & TCPF_FIN) { /* data on the SYN-ACK: walk on as if it came behind it */
		seg->h.flags &= (uint8_t)~TCPF_SYN;
		seg->h.seq++;
		tcb->bits |= TCB_ACK_NOW;
		tcp_rx(ts, pkt, seg);
		return;
	}
	pkt_free(ts->sk.inst, pkt);
	if (tcb->sq.next)
		tcp_output(ts); /* data or FIN that waited carries the ACK */
	if (!(tcb->bits & TCB_FIN_QUEUED) && tcb->snd_una != tcb->snd_nxt)
		return;
	if (data_follows(tcb))
		tcp_delack_at(ts, ts->sk.inst->now + ANSWER_WAIT);
	else
		tcp_send_ack(ts);
}

void tcp_rx_syn_sent(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_inst *inst = ts->sk.inst;
	bool ack = seg->h.flags & TCPF_ACK;
	bool good = ack && ack_is_ours(tcb, seg);

	if (ack && (!good || !stamp_is_ours(ts, seg))) {
		struct s7_rx rx = { .src = ts->sk.flow.remote,
				    .dst = ts->sk.flow.local,
				    .iface = &inst->iface[tcb->dst.iface] };

		/*
		 * The RST ends what the peer keeps of an older connection; the SYN follows at once.
		 */
		if (!good && !tcb->retries)
			tcp_deadline_set(ts, TCPD_RTX, inst->now + SYN_AGAIN);
		tcp_reply_rst(inst, &rx, seg);
		pkt_drop(inst, pkt, DROP_TCP_BAD_ACK);
		return;
	}
	if (seg->h.flags & TCPF_RST) {
		if (!ack) {
			pkt_drop(inst, pkt, DROP_TCP_RST);
			return;
		}
		pkt_free(inst, pkt);
		stat_add(inst, STAT_TCP_ATTEMPT_FAILS, 1);
		tcp_done_error(ts, ECONNREFUSED);
		return;
	}
	if (!(seg->h.flags & TCPF_SYN)) {
		pkt_drop(inst, pkt, DROP_TCP_FLAGS);
		return;
	}
	if (ack) {
		open_done(ts, pkt, seg);
		return;
	}
	/* both sides sent a SYN (RFC 9293 3.5, figure 7) */
	take_syn(ts, seg);
	tcp_set_state(ts, TCPS_SYN_RCVD);
	tcb->retries = tcb->backoff = 0;
	tcp_send_syn(ts);
	tcp_rtx_arm(ts);
	pkt_free(inst, pkt);
}
