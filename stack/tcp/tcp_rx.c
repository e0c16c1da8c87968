// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_rx.c - a segment arrives at a connection (RFC 9293 3.10.7.3 and 3.10.7.4)
 *
 * Idea: one predicate picks the segments that established connections see all the time - in
 * order, nothing but ACK and PSH, nothing missing, fits the window - and they take the short
 * road: ACK, queue, decide when to answer. All others walk the RFC's steps in its order: sequence
 * and PAWS, RST, (security: not done), SYN, ACK, URG, data, FIN.
 * A step that returns false has consumed the packet, and the socket may be gone: touch neither.
 * What must be answered is noted (TCB_ACK_NOW) and leaves at the end, unless data carried it.
 * Context: instance lock. Called by: tcp_in.c, tcp_req.c, tcp_syn_sent.c.
 */
#include "stack/tcp/tcp_int.h"

#define PAWS_AGE_S (24 * 86400) /* RFC 7323 5.5: ts_recent is not believed any longer */

static bool drop(struct s7_tcp_sock *ts, struct s7_pkt *pkt, enum s7_drop why)
{
	pkt_drop(ts->sk.inst, pkt, why);
	if (ts->tcb.bits & TCB_ACK_NOW)
		tcp_send_ack(ts);
	return false;
}

static void challenge(struct s7_tcp_sock *ts)
{
	if (tcp_challenge_allowed(ts->sk.inst, &ts->tcb.challenge_ms))
		ts->tcb.bits |= TCB_ACK_NOW;
}

/* Data where none belongs is always answered; bare ACKs could make two hosts answer each other. */
static void unexpected(struct s7_tcp_sock *ts, const struct tcp_seg *seg)
{
	if (seg->len)
		ts->tcb.bits |= TCB_ACK_NOW;
	else
		challenge(ts);
}

static void ts_recent_take(struct s7_tcp_sock *ts, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!(tcb->bits & TCB_TS) || !(seg->opts.bits & TCPO_TS) ||
	    seq_gt(seg->h.seq, tcb->rcv_wup) || (int32_t)(seg->opts.ts_val - tcb->ts_recent) < 0)
		return;
	tcb->ts_recent = seg->opts.ts_val;
	tcb->ts_recent_s = (uint32_t)(ts->sk.inst->now / S7_SEC);
}

/* ---- when to answer (RFC 9293 3.8.6.3, RFC 5681 4.2) ---- */

static void ack_schedule(struct s7_tcp_sock *ts, uint32_t len)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (len > tcb->rcv_mss)
		tcb->rcv_mss = (uint32_t)s7_min(len, s7_max(tcb->mss, TCP_MSS_FALLBACK));
	else if (len < tcb->rcv_mss && tcb->small_segs < 2)
		tcb->small_segs++;
	if (tcb->rcv_nxt - tcb->rcv_wup > tcb->rcv_mss || tcb->oo_head)
		tcb->bits |= TCB_ACK_NOW;
	else if ((tcb->quickacks && !(tcb->bits & TCB_PINGPONG)) ||
		 (s7_unlikely(tcb->dst.metrics != NULL) && tcb->dst.metrics->quickack))
		tcp_ack_soon(ts);
	else if (!tcb->delack_at)
		tcp_delack_arm(ts);
}

static void wake_reader(struct s7_tcp_sock *ts)
{
	if (ts->tcb.rq_bytes >= ts->sk.rcvlowat || tcp_readable(&ts->sk))
		sk_event(&ts->sk, EPOLLIN | EPOLLRDNORM);
}

static void queue_in_order(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcp_window_rtt(ts, seg);
	rcvq_append(ts, pkt, seg->len);
	tcb->rcv_nxt += seg->len;
	tcb->bytes_received += seg->len;
}

/*
 * The pool is low and the program does not read: the peer sends again what is dropped here. What
 * lies beyond a hole goes first (RFC 2018 section 8 allows it).
 */
static bool must_refuse(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (s7_likely(tcb->rq_pkts < pkt_share(ts->sk.inst, PKT_SHARE_RECEIVE)))
		return false;
	tcp_reass_purge(ts);
	tcb->bits |= TCB_ACK_NOW;
	return true;
}

/* The end of every segment's road: new room may let data go, which carries the ACK. */
static void finish(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->sq.next || tcb->sq.lost)
		tcp_output(ts);
	if (tcb->bits & TCB_ACK_NOW)
		tcp_send_ack(ts);
}

/* ---- the short road ---- */

static bool is_expected(const struct s7_tcb *tcb, const struct tcp_seg *seg)
{
	if ((seg->h.flags & (uint8_t)~TCPF_PSH) != TCPF_ACK || seg->h.seq != tcb->rcv_nxt ||
	    tcb->state != TCPS_ESTABLISHED || tcb->oo_head || seg->len > tcp_rcv_window(tcb))
		return false;
	if (tcb->bits & TCB_TS)
		return seg->opts.bits & TCPO_TS &&
			(int32_t)(seg->opts.ts_val - tcb->ts_recent) >= 0;
	return true;
}

static void rx_fast(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	stat_add(ts->sk.inst, STAT_TCP_HP_HITS, 1);
	ts_recent_take(ts, seg);
	if (!tcp_ack(ts, seg)) {
		drop(ts, pkt, DROP_TCP_BAD_ACK);
		return;
	}
	if (s7_unlikely(seg->len && must_refuse(ts))) {
		drop(ts, pkt, DROP_TCP_RCVBUF);
	} else if (seg->len) {
		if (s7_unlikely(tcb->bits & TCB_ECN))
			tcp_ecn_arrived(tcb, seg);
		tcp_pkt_trim(pkt, seg->h.hdr_len);
		queue_in_order(ts, pkt, seg);
		ack_schedule(ts, seg->len);
		wake_reader(ts);
	} else {
		pkt_free(ts->sk.inst, pkt);
	}
	if (tcb->sq.next || tcb->sq.lost || tcb->bits & TCB_ACK_NOW)
		finish(ts);
}

/* ---- the steps ---- */

/* First: sequence number, after PAWS (RFC 7323 5.3). */
static bool step_sequence(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t end =
		seg->h.seq + seg->len + !!(seg->h.flags & TCPF_FIN) + !!(seg->h.flags & TCPF_SYN);
	bool rst = seg->h.flags & TCPF_RST;

	if (tcb->bits & TCB_TS && seg->opts.bits & TCPO_TS &&
	    (int32_t)(seg->opts.ts_val - tcb->ts_recent) < 0 && !rst &&
	    ts->sk.inst->now / S7_SEC - tcb->ts_recent_s < PAWS_AGE_S) {
		tcp_dsack(ts, seg->h.seq, seg->h.seq + seg->len);
		unexpected(ts, seg);
		return drop(ts, pkt, DROP_TCP_PAWS);
	}
	if (s7_likely(!seq_lt(end, tcb->rcv_wup) &&
		      !seq_gt(seg->h.seq, tcb->rcv_nxt + tcp_rcv_window(tcb))))
		return true;
	if (rst)
		return drop(ts, pkt, DROP_TCP_RST);
	if (seq_lt(seg->h.seq, tcb->rcv_nxt))
		tcp_dsack(ts, seg->h.seq, seq_min(seg->h.seq + seg->len, tcb->rcv_nxt));
	unexpected(ts, seg);
	return drop(ts, pkt, DROP_TCP_WINDOW);
}

static int reset_error(const struct s7_tcb *tcb)
{
	if (tcb->state == TCPS_SYN_RCVD && !tcp_is_early_child(tcb))
		return ECONNREFUSED;
	return tcb->state == TCPS_CLOSE_WAIT ? EPIPE : ECONNRESET;
}

/* Second: RST, believed only at the exact place (RFC 5961 3.2). */
static bool step_rst(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	if (!(seg->h.flags & TCPF_RST))
		return true;
	if (seg->h.seq != ts->tcb.rcv_nxt) {
		challenge(ts);
		return drop(ts, pkt, DROP_TCP_RST);
	}
	pkt_free(ts->sk.inst, pkt);
	if (s7_unlikely(ts->tcb.tfo != NULL))
		tcp_fastopen_settled(ts, true);
	tcp_done_error(ts, reset_error(&ts->tcb));
	return false;
}

/* The client of an early child has not seen its SYN-ACK. */
static bool syn_again(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	if ((seg->h.flags & (TCPF_SYN | TCPF_ACK | TCPF_RST)) != TCPF_SYN ||
	    seg->h.seq != ts->tcb.irs)
		return false;
	tcp_send_syn(ts);
	drop(ts, pkt, DROP_TCP_OLD);
	return true;
}

/* Fourth: SYN (RFC 5961 4.2); in SYN-RECEIVED it is the peer's, seen again, or its SYN-ACK of a
 * simultaneous open. */
static bool step_syn(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!(seg->h.flags & TCPF_SYN))
		return true;
	if (tcb->state == TCPS_SYN_RCVD && seg->h.seq == tcb->irs) {
		if (!(seg->h.flags & TCPF_ACK)) {
			tcp_send_syn(ts);
			return drop(ts, pkt, DROP_TCP_OLD);
		}
		seg->h.flags &= (uint8_t)~TCPF_SYN;
		seg->h.seq++;
		tcb->bits |= TCB_ACK_NOW; /* as Linux answers what it had already */
		return true;
	}
	challenge(ts);
	return drop(ts, pkt, DROP_TCP_SYN_IN_WINDOW);
}

/* SYN-RECEIVED: an acceptable ACK completes a simultaneous or a fast open. */
static bool syn_rcvd_ack(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	bool early = tcp_is_early_child(tcb);

	/* bytes that were in our SYN count as in flight (both sides sent a SYN) */
	if (early ? !tcp_fastopen_acked(ts, seg) :
		    seq_leq(seg->h.ack, tcb->iss) || seq_gt(seg->h.ack, tcb->snd_nxt)) {
		struct s7_rx rx = { .src = ts->sk.flow.remote,
				    .dst = ts->sk.flow.local,
				    .iface = &ts->sk.inst->iface[tcb->dst.iface] };

		tcp_reply_rst(ts->sk.inst, &rx, seg);
		return drop(ts, pkt, DROP_TCP_BAD_ACK);
	}
	if (early)
		return true;
	tcb->snd_una = tcb->iss + 1;
	tcb->snd_wnd = tcb->snd_max_wnd = (uint32_t)seg->h.wnd << tcb->snd_wscale;
	tcb->snd_wl1 = seg->h.seq;
	tcp_established(ts);
	if (tcb->snd_nxt != tcb->snd_una)
		tcp_rtx_arm(ts);
	return true;
}

/* Our FIN is acknowledged: the state moves on. */
static bool fin_acked(struct s7_tcp_sock *ts, struct s7_pkt *pkt)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_inst *inst = ts->sk.inst;

	switch (tcb->state) {
	case TCPS_FIN_WAIT_1:
		tcp_set_state(ts, TCPS_FIN_WAIT_2);
		tcp_space_check(ts);
		if (!(tcb->bits & TCB_ORPHAN))
			return true;
		if (tcb->linger2_s < 0) {
			pkt_free(inst, pkt);
			tcp_send_rst(ts);
			tcp_done(ts);
			return false;
		}
		tcp_deadline_set(ts, TCPD_FIN_WAIT_2, inst->now + tcp_fin_timeout(ts));
		return true;
	case TCPS_CLOSING:
		pkt_free(inst, pkt);
		tcp_time_wait(ts);
		return false;
	case TCPS_LAST_ACK:
		pkt_free(inst, pkt);
		tcp_done(ts);
		return false;
	default:
		return true;
	}
}

/* Fifth: ACK. */
static bool step_ack(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!(seg->h.flags & TCPF_ACK))
		return drop(ts, pkt, DROP_TCP_FLAGS);
	if (tcb->state == TCPS_SYN_RCVD && !syn_rcvd_ack(ts, pkt, seg))
		return false;
	if (!tcp_ack(ts, seg))
		return drop(ts, pkt, DROP_TCP_BAD_ACK);
	if (tcb->bits & TCB_FIN_QUEUED && tcb->snd_una == tcb->write_seq)
		return fin_acked(ts, pkt);
	return true;
}

/* A FIN has its turn (eighth). */
static bool fin_take(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->rcv_nxt++;
	ts->sk.shut |= SK_SHUT_RD;
	tcb->bits |= TCB_DONE | TCB_FIN_IN;
	switch (tcb->state) {
	case TCPS_ESTABLISHED:
		tcp_set_state(ts, TCPS_CLOSE_WAIT);
		tcb->bits |= TCB_PINGPONG; /* the program's FIN will likely carry the ACK */
		if (tcb->rcv_nxt - tcb->irs == 2)
			tcb->bits |= TCB_ACK_NOW; /* no data ever came: as Linux */
		if (!(tcb->bits & TCB_ACK_NOW))
			tcp_delack_arm(ts);
		break;
	case TCPS_FIN_WAIT_1:
		tcp_set_state(ts, TCPS_CLOSING);
		tcb->bits |= TCB_ACK_NOW;
		break;
	case TCPS_FIN_WAIT_2:
		tcp_send_ack(ts);
		sk_event(&ts->sk, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLHUP);
		tcp_time_wait(ts);
		return false;
	default:
		break;
	}
	sk_event(&ts->sk, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP |
				  (ts->sk.shut & SK_SHUT_WR ? EPOLLHUP : 0));
	return true;
}

/* Trims a segment to the window; false: nothing new is left of it. */
static bool data_trim(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t old = tcb->rcv_nxt - seg->h.seq, window = tcp_rcv_window(tcb), ahead;
	bool fin = seg->h.flags & TCPF_FIN;

	if (seq_lt(seg->h.seq, tcb->rcv_nxt)) {
		tcp_dsack(ts, seg->h.seq, seg->h.seq + (uint32_t)s7_min(old, seg->len));
		tcb->bits |= TCB_ACK_NOW;
		if (old > seg->len || (old == seg->len && !fin))
			return false;
		tcp_pkt_trim(pkt, old);
		seg->len -= old;
		seg->h.seq = tcb->rcv_nxt;
	}
	ahead = seg->h.seq - tcb->rcv_nxt;
	if (seg->len && (ahead >= window || seg->len > window - ahead)) {
		seg->h.flags &= (uint8_t)~TCPF_FIN;
		tcb->bits |= TCB_ACK_NOW;
		if (ahead >= window)
			return false;
		seg->len = window - ahead;
		tcp_pkt_cut(pkt, seg->len);
	}
	return true;
}

/* Seventh and eighth: data and FIN. */
static void step_data(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	bool fin, readable = seg->len > 0;

	if (s7_unlikely(tcb->bits & TCB_ECN) && seg->len)
		tcp_ecn_arrived(tcb, seg);
	tcp_pkt_trim(pkt, seg->h.hdr_len);
	if (!data_trim(ts, pkt, seg)) {
		pkt_drop(ts->sk.inst, pkt, DROP_TCP_OLD);
		finish(ts); /* its ACK may have made room all the same */
		return;
	}
	fin = seg->h.flags & TCPF_FIN;
	if (seg->h.seq != tcb->rcv_nxt) {
		tcp_reass_add(ts, pkt, seg->h.seq, seg->len, fin);
		tcb->bits |= TCB_ACK_NOW;
		finish(ts);
		return;
	}
	if (seg->len && must_refuse(ts)) {
		pkt_drop(ts->sk.inst, pkt, DROP_TCP_RCVBUF);
		finish(ts);
		return;
	}
	if (seg->len) {
		queue_in_order(ts, pkt, seg);
		ack_schedule(ts, seg->len);
	} else {
		pkt_free(ts->sk.inst, pkt);
	}
	if (tcb->oo_head) {
		tcb->bits |= TCB_ACK_NOW;
		if (fin)
			tcp_reass_purge(ts);
		else
			fin = tcp_reass_drain(ts);
	}
	if (readable)
		wake_reader(ts);
	if (fin && !fin_take(ts))
		return;
	finish(ts);
}

/* Data for a program that closed, or shut both ways: it will never read it (RFC 9293 3.6.1, as
 * Linux: RST). */
static bool step_after_close(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	bool orphan = tcb->bits & TCB_ORPHAN, shut = tcb->state >= TCPS_FIN_WAIT_1 &&
						     ts->sk.shut & SK_SHUT_RD;

	if ((!orphan && !shut) || !seg->len || !tcp_may_receive(tcb) ||
	    seq_leq(seg->h.seq + seg->len, tcb->rcv_nxt))
		return true;
	pkt_drop(ts->sk.inst, pkt, DROP_TCP_AFTER_CLOSE);
	tcp_send_rst(ts);
	tcp_done_error(ts, ECONNRESET);
	return false;
}

static void rx_steps(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (s7_unlikely(tcp_is_early_child(tcb)) && syn_again(ts, pkt, seg))
		return;
	if (!step_sequence(ts, pkt, seg) || !step_rst(ts, pkt, seg) || !step_syn(ts, pkt, seg))
		return;
	if (!step_ack(ts, pkt, seg))
		return;
	ts_recent_take(ts, seg);
	if (!step_after_close(ts, pkt, seg))
		return;
	if (!tcp_may_receive(tcb)) { /* after the peer's FIN there is no data */
		pkt_free(ts->sk.inst, pkt);
		finish(ts);
		return;
	}
	if (seg->h.flags & TCPF_URG || tcb->urg_state == TCPU_EXPECTED)
		tcp_urg_rx(ts, pkt, seg);
	if (seg->len || seg->h.flags & TCPF_FIN) {
		step_data(ts, pkt, seg);
		return;
	}
	pkt_free(ts->sk.inst, pkt);
	finish(ts);
}

void tcp_rx(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->segs_in++;
	tcb->last_rx = ts->sk.inst->now;
	ts->sk.rx_cpu = ts->sk.inst->rx_cpu;
	tcb->keep_sent = 0;
	if (seg->len) {
		ts->sk.last_rx = ts->sk.inst->now;
		tcb->data_segs_in++;
	}
	if (s7_likely(is_expected(tcb, seg) && tcb->urg_state != TCPU_EXPECTED))
		rx_fast(ts, pkt, seg);
	else if (tcb->state == TCPS_SYN_SENT)
		tcp_rx_syn_sent(ts, pkt, seg);
	else
		rx_steps(ts, pkt, seg);
}
