// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_req.c - half-open connections (SYN-RECEIVED of a passive open)
 *
 * Idea: until the third segment of the handshake a connection costs one small entry in the flow
 * table, with the SYN-ACK's timer. The full socket is made when an acceptable ACK comes and the
 * accept queue has room; if it has none the ACK is dropped and the entry waits, as Linux does.
 * TCP_DEFER_ACCEPT: bare ACKs are ignored until data comes or the time is over.
 * Bound: params.tcp_syn_backlog a listener; beyond, cookies (tcp_cookie.c).
 * Context: instance lock. Called by: tcp_in.c, tcp_tw.c, tcp_close.c (a listener goes).
 */
#include "stack/tcp/tcp_int.h"

/* By the largest window there may ever be. */
uint8_t tcp_pick_wscale(const struct s7_sock *sk, const struct s7_iface_tcp *tcp)
{
	uint64_t space = s7_max(tcp->rmem[2], sk->inst->params.rmem_max);
	uint32_t clamp = tcp_tcb(sk)->window_clamp;
	uint8_t scale = 0;

	if (sk->bits & SKB_RCVBUF_LOCK) /* as large as the program wants it */
		space = s7_min(space, sk->rcvbuf / 2);
	if (clamp)
		space = s7_min(space, clamp);
	for (; scale < 14 && space > 65535ull << scale; scale++)
		;
	return scale;
}

uint32_t tcp_window_clamp_of(const struct s7_tcb *tcb, const struct s7_dst *dst)
{
	if (s7_likely(tcb->window_clamp || !dst->metrics))
		return tcb->window_clamp;
	return dst->metrics->window;
}

uint32_t tcp_first_window(uint32_t space, uint32_t mss)
{
	if (space > mss)
		space -= space % mss;
	return (uint32_t)s7_min(space, 65535);
}

/* Of the child to be. */
static uint32_t initial_window(const struct s7_tcp_sock *listener, const struct s7_dst *dst,
			       const struct s7_iface_tcp *tcp, uint32_t mss)
{
	uint32_t space = tcp_rcvbuf_init(&listener->sk, tcp) / 2;
	uint32_t clamp = tcp_window_clamp_of(&listener->tcb, dst);

	if (clamp)
		space = (uint32_t)s7_min(space, clamp);
	return tcp_first_window(space, mss);
}

int tcp_req_fill(struct s7_tcp_sock *listener, const struct s7_rx *rx, const struct tcp_seg *seg,
		 struct s7_tcp_req *ret_req)
{
	struct s7_inst *inst = listener->sk.inst;
	struct s7_tcp_req *req = ret_req;
	const struct tcp_opts *o = &seg->opts;
	uint32_t bound = listener->sk.bound_iface;
	const struct s7_ip4_opts *opts;
	struct s7_ip to;
	uint32_t mss;
	int err;

	if (s7_unlikely(ip_needs_scope(&rx->src)))
		bound = rx->iface->index + 1u;
	if (tcp_answer_opts(inst, rx, &req->ip_opts, &opts))
		opts = NULL; /* answered without, as in Linux */
	to = ip_is_v4(&rx->src) ? ip4_opts_first(opts, &rx->src) :
				  hdrs6_first(tcp_hdrs(&listener->sk), &rx->src);
	err = dst_lookup(inst, &to, &rx->dst, bound, &req->dst);
	if (err || req->dst.owner != ROUTE_STACK)
		err = dst_lookup(inst, &to, &rx->dst, rx->iface->index + 1u, &req->dst);
	if (err || req->dst.owner != ROUTE_STACK || ip4_opts_strict_fails(opts, &req->dst))
		return err ? err : -EHOSTUNREACH;
	if (!opts)
		req->ip_opts.len = 0;
	req->flow.local = rx->dst;
	req->flow.remote = rx->src;
	req->flow.lport = seg->h.dst;
	req->flow.rport = seg->h.src;
	req->flow.proto = IPPROTO_TCP;
	req->flow.kind = FLOW_TCP_REQ;
	req->flow.iface = rx->iface->index;
	req->listener = listener;
	tcp_label(&listener->sk, &req->flow, &req->dst);
	if (s7_unlikely(listener->sk.ip6.bits & SK6_REFLECT) && !req->dst.is_v4)
		req->dst.label = rx->flow & 0xfffff;
	req->irs = seg->h.seq;
	req->ts_recent = o->ts_val;
	req->ts_offset = tcp_ts_offset(inst, &rx->dst, &rx->src);
	req->snd_wnd = seg->h.wnd;
	req->mss = o->bits & TCPO_MSS ? o->mss : TCP_MSS_FALLBACK;
	req->ecn = tcp_ecn_grants(inst, seg);
	req->bits = o->bits & tcp_opts_allowed(inst);
	req->snd_wscale = req->bits & TCPO_WSCALE ? o->wscale : 0;
	if (req->bits & TCPO_WSCALE)
		req->rcv_wscale = tcp_pick_wscale(&listener->sk, &rx->iface->tcp);
	mss = tcp_mss_announced(inst, &req->dst, listener->tcb.user_mss);
	mss -= req->bits & TCPO_TS ? TCP_TS_LEN : 0;
	req->rcv_wnd = initial_window(listener, &req->dst, &rx->iface->tcp, mss);
	req->tos = sk_tos(&listener->sk, req->dst.is_v4);
	req->made_at = req->synack_at = inst->now;
	return 0;
}

int tcp_req_synack(struct s7_inst *inst, struct s7_tcp_req *req, uint32_t ts_val,
		   const struct tcp_opts *grant)
{
	struct tcp_out_seg out = {
		.flow = &req->flow,
		.dst = &req->dst,
		.seq = req->iss,
		.ack = req->irs + 1,
		.wnd = (uint16_t)req->rcv_wnd,
		.flags = (uint8_t)(TCPF_SYN | TCPF_ACK | (req->ecn ? TCPF_ECE : 0)),
		.delay_us = req->listener->tcb.tx_delay_us,
		.may_fragment = tcp_may_fragment(&req->listener->sk, &req->dst),
		.tos = req->tos,
		.ttl = sk_ttl(&req->listener->sk, req->dst.is_v4, dst_hop_limit(&req->dst)),
		.hdrs = req->dst.is_v4 ? NULL : tcp_hdrs(&req->listener->sk),
		.ip_opts = req->ip_opts.len ? &req->ip_opts : NULL,
	};

	out.opts.mss = tcp_mss_announced(inst, &req->dst, req->listener->tcb.user_mss);
	out.opts.bits = (uint8_t)(req->bits | TCPO_MSS);
	out.opts.wscale = req->rcv_wscale;
	out.opts.ts_val = ts_val;
	out.opts.ts_ecr = req->ts_recent;
	if (s7_unlikely(grant != NULL) && req->ip_opts.len <= TCP_IP_OPTS_LONG) {
		out.opts.bits |= grant->bits;
		out.opts.cookie = grant->cookie;
	}
	return tcp_seg_send_bare(inst, &out);
}

static void req_send(struct s7_inst *inst, struct s7_tcp_req *req, const struct tcp_opts *grant)
{
	uint32_t bound = req->listener->sk.bound_iface;
	struct s7_ip to;

	if (!bound && ip_needs_scope(&req->flow.remote))
		bound = req->flow.iface + 1u;
	if (dst_stale(inst, &req->dst)) {
		to = req->ip_opts.len ? ip4_opts_first(&req->ip_opts, &req->flow.remote) :
					hdrs6_first(tcp_hdrs(&req->listener->sk),
						    &req->flow.remote);
		dst_lookup(inst, &to, &req->flow.local, bound, &req->dst);
		tcp_label(&req->listener->sk, &req->flow, &req->dst);
	}
	tcp_req_synack(inst, req, tcp_ms(inst) + req->ts_offset, grant);
}

static void req_arm(struct s7_inst *inst, struct s7_tcp_req *req)
{
	uint64_t us = s7_min((uint64_t)TCP_RTO_INIT_US << req->retries,
			     tcp_rto_max_us(&req->listener->tcb));

	timer_arm(&inst->wheel, &req->timer, inst->now + us * S7_US);
}

struct s7_tcp_req *tcp_req_make(struct s7_tcp_sock *listener, const struct s7_rx *rx,
				const struct tcp_seg *seg, uint32_t iss,
				const struct tcp_opts *grant)
{
	struct s7_inst *inst = listener->sk.inst;
	struct s7_tcp_req *req = slab_alloc(&inst->tcp->reqs);

	if (!req) {
		inst->drop[DROP_TCP_SYN_FULL]++;
		return NULL;
	}
	list_init(&req->list);
	timer_init(&req->timer, TIMER_TCP_REQ);
	if (tcp_req_fill(listener, rx, seg, req) || flow_insert(&inst->flows, &req->flow)) {
		slab_free(&inst->tcp->reqs, req);
		inst->drop[DROP_IP_NO_ROUTE]++;
		return NULL;
	}
	req->iss = iss ? iss : tcp_isn(inst, &req->flow);
	list_add_tail(&listener->tcb.requests, &req->list);
	listener->tcb.request_count++;
	req_send(inst, req, grant);
	req_arm(inst, req);
	return req;
}

void tcp_req_free(struct s7_inst *inst, struct s7_tcp_req *req)
{
	timer_cancel(&inst->wheel, &req->timer);
	flow_remove(&inst->flows, &req->flow);
	if (s7_likely(!list_empty(&req->list))) { /* else its maker died before it was counted */
		list_del(&req->list);
		req->listener->tcb.request_count--;
	}
	pkt_free(inst, req->syn);
	slab_free(&inst->tcp->reqs, req);
}

/* The SYN-ACK again; an entry that is only waiting for accept or for data is not reminded until its
 * time is over. */
void tcp_req_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_tcp_req *req = s7_container(timer, struct s7_tcp_req, timer);
	struct s7_inst *inst = ctx;
	uint64_t defer = req->listener->tcb.defer_accept_s * S7_SEC;
	uint32_t retries = req->listener->tcb.syn_retries ? req->listener->tcb.syn_retries
							  : inst->params.tcp.synack_retries;

	if (req->retries >= retries && now - req->made_at > defer) {
		stat_add(inst, STAT_TCP_ATTEMPT_FAILS, 1);
		tcp_req_free(inst, req);
		return;
	}
	if (!req->acked || now - req->made_at >= defer) {
		stat_add(inst, STAT_TCP_RETRANS_SEGS, 1);
		req_send(inst, req, NULL);
	}
	req->retries++;
	req_arm(inst, req);
}

/* As Linux: what says that the peer cannot be reached ends the attempt. */
void tcp_req_icmp(struct s7_inst *inst, struct s7_tcp_req *req, uint32_t seq,
		  const struct s7_icmp_error *e)
{
	bool ends = e->v6 ? e->hard :
			    e->err == ENETUNREACH || e->err == EHOSTUNREACH || e->err == EPROTO;

	if (seq != req->iss) {
		inst->drop[DROP_ICMP_NO_FLOW]++;
		return;
	}
	stat_add(inst, STAT_ICMP_ERRORS_IN, 1);
	if (!ends || e->mtu || e->err == EMSGSIZE)
		return;
	stat_add(inst, STAT_TCP_ATTEMPT_FAILS, 1);
	tcp_req_free(inst, req);
}

/* Sequence and timestamp are those of this handshake. */
static bool req_in_window(struct s7_inst *inst, struct s7_tcp_req *req, const struct tcp_seg *seg)
{
	uint32_t rcv_nxt = req->irs + 1;

	(void)inst;
	if (req->bits & TCPO_TS && seg->opts.bits & TCPO_TS &&
	    (int32_t)(seg->opts.ts_val - req->ts_recent) < 0)
		return false;
	return seg->h.seq - rcv_nxt <= req->rcv_wnd;
}

/* Is the ACK to be ignored for now? TCP_DEFER_ACCEPT. */
static bool req_must_wait(struct s7_inst *inst, struct s7_tcp_req *req, const struct tcp_seg *seg)
{
	struct s7_tcb *listener = &req->listener->tcb;

	if (listener->defer_accept_s && !seg->len && !(seg->h.flags & TCPF_FIN) &&
	    inst->now - req->made_at < listener->defer_accept_s * S7_SEC) {
		req->acked = true;
		return true;
	}
	return false;
}

/* The handshake is complete and there is no room: the peer will say so again, or is refused. */
static void overflow(struct s7_tcp_req *req, struct s7_pkt *pkt, const struct s7_rx *rx,
		     const struct tcp_seg *seg, enum s7_drop why)
{
	struct s7_inst *inst = req->listener->sk.inst;

	if (inst->params.tcp.abort_on_overflow) {
		tcp_reply_rst(inst, rx, seg);
		tcp_req_free(inst, req);
		stat_add(inst, STAT_TCP_ATTEMPT_FAILS, 1);
	} else {
		req->acked = true;
	}
	pkt_drop(inst, pkt, why);
}

void tcp_req_rx(struct s7_tcp_req *req, struct s7_pkt *pkt, const struct s7_rx *rx,
		struct tcp_seg *seg)
{
	struct s7_inst *inst = req->listener->sk.inst;
	struct s7_tcp_sock *child;

	if (seg->h.flags & TCPF_SYN && !(seg->h.flags & TCPF_ACK) && seg->h.seq == req->irs) {
		req_send(inst, req, NULL);
		pkt_drop(inst, pkt, DROP_TCP_OLD);
		return;
	}
	if (!req_in_window(inst, req, seg)) {
		if (!(seg->h.flags & TCPF_RST))
			req_send(inst, req, NULL);
		pkt_drop(inst, pkt, DROP_TCP_WINDOW);
		return;
	}
	if (seg->h.flags & TCPF_RST) {
		if (seg->h.seq == req->irs + 1)
			tcp_req_free(inst, req);
		pkt_drop(inst, pkt, DROP_TCP_RST);
		return;
	}
	if (!(seg->h.flags & TCPF_ACK) || seg->h.flags & TCPF_SYN) {
		pkt_drop(inst, pkt, DROP_TCP_FLAGS);
		return;
	}
	if (seg->h.ack != req->iss + 1) {
		tcp_reply_rst(inst, rx, seg);
		pkt_drop(inst, pkt, DROP_TCP_BAD_ACK);
		return;
	}
	if (req_must_wait(inst, req, seg)) {
		pkt_free(inst, pkt);
		return;
	}
	if (tcp_accept_full(req->listener, req->flow.iface)) {
		overflow(req, pkt, rx, seg, DROP_TCP_LISTEN_OVERFLOW);
		return;
	}
	child = tcp_child_make(req, seg, NULL);
	if (!child) {
		overflow(req, pkt, rx, seg, DROP_TCP_NO_MEMORY);
		return;
	}
	inst->current = &child->sk;
	tcp_heard_first(child, pkt, rx);
	tcp_rx(child, pkt, seg);
	inst->current = NULL;
}
