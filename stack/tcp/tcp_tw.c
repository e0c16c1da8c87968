// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_tw.c - TIME_WAIT, in an entry of its own (RFC 9293 3.6.1, RFC 6191)
 *
 * Idea: what must outlive the connection - its tuple, its last numbers, a timer - is a small
 * object that takes the socket's place in the flow table. It answers stray segments with an ACK,
 * and gives way to a new SYN whose timestamp or sequence number proves it younger; the new
 * connection's ISN starts above the old numbers.
 * Bound: params.max_time_wait; beyond, the connection is forgotten at once and counted
 * (TCP_TW_OVERFLOW).
 * Context: instance lock. Called by: tcp_rx.c, tcp_in.c, the wheel.
 */
#include "stack/tcp/tcp_int.h"

#define ISN_ABOVE_OLD (65535 + 2)

static void tw_arm(struct s7_inst *inst, struct s7_tcp_tw *tw)
{
	timer_arm(&inst->wheel, &tw->timer, inst->now + inst->params.tcp_time_wait_ms * S7_MS);
}

static void tw_free(struct s7_inst *inst, struct s7_tcp_tw *tw)
{
	timer_cancel(&inst->wheel, &tw->timer);
	flow_remove(&inst->flows, &tw->flow);
	if (tw->owns_port)
		sk_disown_port(inst, IPPROTO_TCP, &tw->flow.local, tw->flow.lport, false,
			       false);
	slab_free(&inst->tcp->tws, tw);
}

void tcp_time_wait(struct s7_tcp_sock *ts)
{
	struct s7_inst *inst = ts->sk.inst;
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_tcp_tw *tw = slab_alloc(&inst->tcp->tws);

	if (!tw) {
		stat_add(inst, STAT_TCP_TW_OVERFLOW, 1);
		tcp_done(ts);
		return;
	}
	tw->flow.local = ts->sk.flow.local;
	tw->flow.remote = ts->sk.flow.remote;
	tw->flow.lport = ts->sk.flow.lport;
	tw->flow.rport = ts->sk.flow.rport;
	tw->flow.proto = IPPROTO_TCP;
	tw->flow.kind = FLOW_TCP_TW;
	tw->flow.iface = ts->sk.flow.iface;
	tw->snd_nxt = tcb->snd_nxt;
	tw->rcv_nxt = tcb->rcv_nxt;
	tw->rcv_wnd = tcp_rcv_window(tcb);
	tw->rcv_wscale = tcb->rcv_wscale;
	tw->ts = tcb->bits & TCB_TS;
	tw->ts_recent = tcb->ts_recent;
	tw->ts_recent_s = tcb->ts_recent_s;
	tw->ts_offset = tcb->ts_offset;
	tw->challenge_ms = 0;
	tw->bound_iface = ts->sk.bound_iface;
	tw->share = ts->sk.bits & (SKB_REUSEADDR | SKB_REUSEPORT);
	tw->tos = sk_tos(&ts->sk, tcb->dst.is_v4);
	tw->ttl = sk_ttl(&ts->sk, tcb->dst.is_v4, dst_hop_limit(&tcb->dst));
	tw->tx_delay_us = tcb->tx_delay_us;
	tw->owns_port = tcb->bits & TCB_OWNS_PORT; /* the count moves over */
	tcb->bits &= ~(uint32_t)TCB_OWNS_PORT;
	timer_init(&tw->timer, TIMER_TIME_WAIT);
	flow_replace(&inst->flows, &ts->sk.flow, &tw->flow);
	tw_arm(inst, tw);
	tcp_done(ts);
}

void tcp_tw_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	(void)now;
	tw_free(ctx, s7_container(timer, struct s7_tcp_tw, timer));
}

static void tw_ack(struct s7_inst *inst, struct s7_tcp_tw *tw, const struct s7_rx *rx)
{
	struct s7_ip4_opts opts;
	struct s7_ip to;
	struct s7_dst dst;
	struct tcp_out_seg out = {
		.flow = &tw->flow,
		.dst = &dst,
		.seq = tw->snd_nxt,
		.ack = tw->rcv_nxt,
		.wnd = (uint16_t)s7_min(tw->rcv_wnd >> tw->rcv_wscale, 65535),
		.flags = TCPF_ACK,
		.tos = tw->tos,
		.ttl = tw->ttl,
		.delay_us = tw->tx_delay_us,
	};

	if (tcp_answer_opts(inst, rx, &opts, &out.ip_opts))
		return;
	to = ip4_opts_first(out.ip_opts, &tw->flow.remote);
	if (dst_lookup(inst, &to, &tw->flow.local, tw->bound_iface, &dst))
		return;
	if (tw->ts) {
		out.opts.bits = TCPO_TS;
		out.opts.ts_val = tcp_ms(inst) + tw->ts_offset;
		out.opts.ts_ecr = tw->ts_recent;
	}
	tcp_seg_send_bare(inst, &out);
}

/* RFC 6191: is the SYN certainly of a new connection? */
static bool syn_is_newer(const struct s7_tcp_tw *tw, const struct tcp_seg *seg)
{
	if (seq_gt(seg->h.seq, tw->rcv_nxt))
		return true;
	return tw->ts && seg->opts.bits & TCPO_TS &&
		(int32_t)(seg->opts.ts_val - tw->ts_recent) > 0;
}

static void tw_reopen(struct s7_inst *inst, struct s7_tcp_tw *tw, struct s7_tcp_sock *listener,
		      const struct s7_rx *rx, const struct tcp_seg *seg)
{
	uint32_t iss = tw->snd_nxt + ISN_ABOVE_OLD;
	enum tcp_syn_way way = tcp_syn_way(listener);

	stat_add(inst, STAT_TCP_TW_REUSED, 1);
	tw_free(inst, tw);
	if (tcp_accept_full(listener, rx->iface->index))
		inst->drop[DROP_TCP_LISTEN_OVERFLOW]++;
	else if (way == SYN_COOKIE)
		tcp_cookie_send(listener, rx, seg);
	else if (way == SYN_REFUSE)
		inst->drop[DROP_TCP_SYN_FULL]++;
	else
		tcp_req_make(listener, rx, seg, iss ? iss : 1, NULL);
}

void tcp_tw_rx(struct s7_inst *inst, struct s7_tcp_tw *tw, struct s7_pkt *pkt,
	       const struct s7_rx *rx, struct tcp_seg *seg)
{
	uint32_t end = seg->h.seq + seg->len + !!(seg->h.flags & (TCPF_SYN | TCPF_FIN));
	bool old_ts = tw->ts && seg->opts.bits & TCPO_TS &&
		(int32_t)(seg->opts.ts_val - tw->ts_recent) < 0;
	struct s7_tcp_sock *listener;

	if (seg->h.flags & TCPF_RST) {
		/* only at the exact place, and never by an old duplicate (RFC 5961) */
		if (seg->h.seq == tw->rcv_nxt && !old_ts && !inst->params.tcp.rfc1337)
			tw_free(inst, tw);
		pkt_drop(inst, pkt, DROP_TCP_RST);
		return;
	}
	if ((seg->h.flags & (TCPF_SYN | TCPF_ACK)) == TCPF_SYN && !old_ts &&
	    syn_is_newer(tw, seg)) {
		listener = tcp_find_listener(inst, pkt, rx, &seg->h);
		if (listener) {
			tw_reopen(inst, tw, listener, rx, seg);
			pkt_free(inst, pkt);
			return;
		}
	}
	if (seg->h.flags & TCPF_FIN)
		tw_arm(inst, tw);
	if ((end != tw->rcv_nxt || seg->len || seg->h.flags & (TCPF_SYN | TCPF_FIN) ||
	     seg->h.seq != tw->rcv_nxt) && tcp_challenge_allowed(inst, &tw->challenge_ms))
		tw_ack(inst, tw, rx);
	pkt_drop(inst, pkt, DROP_TCP_TIME_WAIT);
}
