// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_window.c - the window we advertise, and the size of the receive buffer behind it
 *
 * Idea: like Linux half of SO_RCVBUF is for payload. The right edge rcv_wup + rcv_wnd never moves
 * back (RFC 9293 3.8.6); it moves forward only by a useful step (receiver-side silly window
 * avoidance, 3.8.6.2.2). The buffer grows while the program reads as fast as data comes: each
 * round trip it becomes four times what was read in the last one, up to the interface's rmem[2],
 * unless the program fixed SO_RCVBUF. While packets are short it halves down to rmem[0] instead.
 * Context: instance lock. Called by: tcp_out.c, tcp_recv.c, tcp_rx.c.
 */
#include "stack/tcp/tcp_int.h"

/* No more than the field can say: else each read would seem to double the window. */
static uint32_t window_most(const struct s7_tcb *tcb)
{
	uint64_t most = 65535ull << tcb->rcv_wscale;

	return (uint32_t)(tcb->window_clamp ? s7_min(most, tcb->window_clamp) : most);
}

static uint32_t window_limit(const struct s7_tcp_sock *ts)
{
	return (uint32_t)s7_min(ts->sk.rcvbuf / 2, window_most(&ts->tcb));
}

uint32_t tcp_window_free(const struct s7_tcp_sock *ts)
{
	const struct s7_tcb *tcb = &ts->tcb;
	uint32_t space = ts->sk.rcvbuf / 2;
	uint32_t free = space > tcb->rq_bytes ? space - tcb->rq_bytes : 0;

	if (free < s7_min(window_limit(ts) / 2, tcb->mss))
		return 0;
	return (uint32_t)s7_min(free, window_most(tcb));
}

uint16_t tcp_window_pick(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t unit = 1u << tcb->rcv_wscale;
	uint32_t have = (uint32_t)s7_round_up(tcp_rcv_window(tcb), unit);
	uint32_t want = tcp_window_free(ts);
	uint32_t field = (uint32_t)s7_min(s7_max(have, want) >> tcb->rcv_wscale, 65535);

	tcb->rcv_wnd = field << tcb->rcv_wscale;
	tcb->rcv_wup = tcb->rcv_nxt;
	return (uint16_t)field;
}

void tcp_window_rtt(struct s7_tcp_sock *ts, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	s7_time now = ts->sk.inst->now;
	uint32_t us;

	if (tcb->rcv_rtt_at && seq_lt(seg->h.seq + seg->len, tcb->rcv_rtt_seq))
		return;
	if (tcb->rcv_rtt_at) {
		us = (uint32_t)s7_min((now - tcb->rcv_rtt_at) / S7_US + 1, 1000000);
		if (!tcb->rcv_rtt_us || us < tcb->rcv_rtt_us)
			tcb->rcv_rtt_us = us;
		else
			tcb->rcv_rtt_us += (us - tcb->rcv_rtt_us) / 8;
	}
	tcb->rcv_rtt_at = now;
	tcb->rcv_rtt_seq = tcb->rcv_nxt + (uint32_t)s7_max(tcp_rcv_window(tcb), 1);
}

static void window_autotune(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_sock *sk = &ts->sk;
	uint32_t rtt = tcb->rcv_rtt_us, copied, max = tcp_iface(ts)->rmem[2];
	uint64_t want;

	if (tcb->srtt8_us && (!rtt || tcb->srtt8_us >> 3 < rtt))
		rtt = tcb->srtt8_us >> 3;
	if (!rtt || sk->inst->now - tcb->space_at < (uint64_t)rtt * S7_US)
		return;
	copied = tcb->copied_seq - tcb->space_seq;
	if (s7_unlikely(tcp_pressed(sk->inst)) && !(sk->bits & SKB_RCVBUF_LOCK)) {
		sk->rcvbuf = (uint32_t)s7_max(sk->rcvbuf / 2, tcp_iface(ts)->rmem[0]);
		tcb->space_bytes = 0; /* it may grow again later */
	}
	if (copied >= tcb->space_bytes) {
		tcb->space_bytes = copied;
		want = 2 * (2ull * copied + 16ull * tcb->mss);
		if (!(sk->bits & SKB_RCVBUF_LOCK) && want > sk->rcvbuf &&
		    sk->inst->params.tcp.moderate_rcvbuf && !tcp_pool_low(sk->inst, 4))
			sk->rcvbuf = (uint32_t)s7_max(sk->rcvbuf, s7_min(want, max));
	}
	tcb->space_at = sk->inst->now;
	tcb->space_seq = tcb->copied_seq;
}

void tcp_window_after_read(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t have, want;

	window_autotune(ts);
	if (!tcp_may_receive(tcb))
		return;
	have = tcp_rcv_window(tcb);
	if (2 * (uint64_t)have > window_limit(ts))
		return;
	if (tcb->rcv_wup == tcb->irs + 1) /* a SYN's window is small since it is not scaled */
		return;
	want = tcp_window_free(ts);
	if (want && want >= 2 * (uint64_t)have)
		tcp_send_ack(ts);
}
