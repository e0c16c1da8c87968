// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_child.c - a half-open connection becomes a socket in the accept queue
 *
 * Idea: the child inherits from its listener what Linux lets it inherit (socket options, buffer
 * sizes, TCP settings), takes the numbers from the request and the request's place in the flow
 * table. What the program set nowhere is the interface's by which the SYN came. It has one
 * reference, which accept() hands out. A request of a cookie, or of a SYN that opens at once
 * (tcp_fastopen.c), lies on the caller's stack and is in no table.
 * Context: instance lock. Called by: tcp_req.c, tcp_cookie.c, tcp_fastopen.c.
 */
#include "stack/bpf/filter.h"
#include "stack/core/ext.h"
#include "stack/tcp/tcp_int.h"

#define INHERITED_BITS                                                                             \
	(SKB_REUSEADDR | SKB_REUSEPORT | SKB_KEEPALIVE | SKB_OOBINLINE | SKB_BROADCAST |           \
	 SKB_DONTROUTE | SKB_TIMESTAMP | SKB_TIMESTAMPNS | SKB_LINGER | SKB_V6ONLY |               \
	 SKB_RCVBUF_LOCK | SKB_SNDBUF_LOCK | SKB_FREEBIND | SKB_RECVTTL | SKB_RECVTOS |            \
	 SKB_RECVERR | SKB_RECVERR6 | SKB_DONTFRAG6 | SKB_DEBUG | SKB_NO_CHECK)

static void inherit_sock(struct s7_sock *child, const struct s7_sock *parent)
{
	child->bits = parent->bits & (INHERITED_BITS | SKB_BOUND_ADDR);
	child->bound_iface = parent->bound_iface;
	child->rcvbuf = parent->rcvbuf;
	child->sndbuf = parent->sndbuf;
	child->rcvlowat = parent->rcvlowat;
	child->linger_s = parent->linger_s;
	child->rcvtimeo = parent->rcvtimeo;
	child->sndtimeo = parent->sndtimeo;
	child->mark = parent->mark;
	child->more = parent->more & SKM_INHERITED;
	child->bound_ifindex = parent->bound_ifindex;
	child->busy_poll_us = parent->busy_poll_us;
	child->busy_budget = parent->busy_budget;
	child->txtime_clock = parent->txtime_clock;
	child->txtime_flags = parent->txtime_flags;
	child->txrehash = parent->txrehash;
	child->pacing_max = parent->pacing_max;
	child->peek_off = parent->peek_off; /* the priority starts at 0, as in Linux */
	child->tos = parent->tos;
	child->ttl = parent->ttl;
	child->mcast_ttl = parent->mcast_ttl;
	child->mtu_discover = parent->mtu_discover;
	child->ip6 = parent->ip6;
	child->uid = parent->uid;
	child->creator_pid = parent->creator_pid;
	child->file.side = SIDE_STACK;
	sk_ext_inherit(child, parent);
	filter_inherit(child, parent);
}

static void inherit_tcb(struct s7_tcb *child, const struct s7_tcb *parent)
{
	child->bits |= parent->bits & (TCB_NODELAY | TCB_CORK | TCB_CC_USER | TCB_THIN_TIMEOUTS);
	child->cc = parent->cc;
	child->keep_idle_s = parent->keep_idle_s;
	child->keep_intvl_s = parent->keep_intvl_s;
	child->keep_cnt = parent->keep_cnt;
	child->user_timeout_ms = parent->user_timeout_ms;
	child->user_mss = parent->user_mss;
	child->window_clamp = parent->window_clamp;
	child->notsent_lowat = parent->notsent_lowat;
	child->linger2_s = parent->linger2_s;
	child->syn_retries = parent->syn_retries;
	child->save_syn = parent->save_syn;
	child->rto_min_us = parent->rto_min_us;
	child->rto_max_us = parent->rto_max_us;
	child->delack_max_us = parent->delack_max_us;
	child->tx_delay_us = parent->tx_delay_us;
}

static void take_numbers(struct s7_tcp_sock *ts, const struct s7_tcp_req *req,
			 const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->iss = req->iss;
	tcb->irs = req->irs;
	tcb->snd_una = tcb->snd_nxt = tcb->write_seq = req->iss + 1;
	tcb->snd_sml = tcb->snd_up = tcb->recover = tcb->snd_una;
	tcb->rcv_nxt = tcb->rcv_wup = tcb->copied_seq = req->irs + 1;
	tcb->rcv_wnd = req->rcv_wnd;
	tcb->snd_wscale = req->snd_wscale;
	tcb->rcv_wscale = req->rcv_wscale;
	tcb->snd_wnd = (uint32_t)seg->h.wnd;
	if (!(seg->h.flags & TCPF_SYN)) /* where it is never scaled */
		tcb->snd_wnd <<= tcb->snd_wscale;
	tcb->snd_max_wnd = (uint32_t)s7_max(tcb->snd_wnd, req->snd_wnd);
	tcb->snd_wl1 = seg->h.seq;
	tcb->peer_mss = req->mss;
	tcb->ts_offset = req->ts_offset;
	tcb->ts_recent = req->ts_recent;
	tcb->ts_recent_s = (uint32_t)(ts->sk.inst->now / S7_SEC);
	tcb->bits |= req->bits & TCPO_TS ? TCB_TS : 0;
	tcb->bits |= req->bits & TCPO_SACK_OK ? TCB_SACK : 0;
	tcb->bits |= req->ecn ? TCB_ECN : 0;
	tcb->bits |= req->bits & TCPO_WSCALE ? TCB_WSCALE : 0;
	tcb->dst = req->dst;
	tcb->saved_syn = req->syn;
	tcb->saved_syn_len = req->syn_len;
}

/*
 * What Linux keeps of the packet that completed the handshake, in the options of a multicast
 * sender; and the IPv4 options that answer the SYN's.
 */
static void take_packet_facts(struct s7_sock *sk, const struct s7_tcp_req *req,
			      const struct tcp_seg *seg)
{
	if (ip_is_v4(&sk->flow.remote))
		sk->mcast_ttl = seg->ttl;
	sk->ip6.mcast_hops = seg->ttl;
	if (s7_unlikely(req->ip_opts.len) && sk_ext(sk))
		sk->ext->opts = req->ip_opts;
}

struct s7_tcp_sock *tcp_child_make(struct s7_tcp_req *req, const struct tcp_seg *seg,
				   struct s7_tcp_tfo *tfo)
{
	struct s7_tcp_sock *listener = req->listener, *ts;
	struct s7_inst *inst = listener->sk.inst;
	struct s7_sock *sk;

	if (sk_create(inst, PROTO_TCP, listener->sk.domain, &sk))
		return NULL;
	ts = tcp_sk(sk);
	inherit_sock(sk, &listener->sk);
	inherit_tcb(&ts->tcb, &listener->tcb);
	take_numbers(ts, req, seg);
	sk->flow.local = req->flow.local;
	sk->flow.remote = req->flow.remote;
	sk->flow.lport = req->flow.lport;
	sk->flow.rport = req->flow.rport;
	sk->flow.iface = req->flow.iface;
	sk->flow.kind = FLOW_TCP;
	if (ip_needs_scope(&req->flow.remote))
		sk->bound_iface = req->flow.iface + 1u; /* the address means nothing elsewhere */
	tcp_take_iface(ts);
	take_packet_facts(sk, req, seg);
	if (req->flow.linked) {
		if (!req->retries)
			tcp_rtt_sample(ts, (inst->now - req->synack_at) / S7_US);
		flow_replace(&inst->flows, &req->flow, &sk->flow);
		req->syn = NULL; /* the child's now */
		tcp_req_free(inst, req);
	} else if (flow_insert(&inst->flows, &sk->flow)) {
		req->syn = NULL; /* goes with it */
		sk_free(sk);
		return NULL;
	}
	ts->tcb.bits |= TCB_CHILD;
	ts->tcb.tfo = tfo;
	tcp_own_port(ts);
	if (s7_unlikely(tfo != NULL)) {
		tcp_begin(ts);
		tcp_set_state(ts, TCPS_SYN_RCVD);
	} else {
		ts->tcb.delivered = 1; /* the SYN-ACK */
		tcp_established(ts);
	}
	ts->tcb.listener = listener;
	list_add_tail(&listener->tcb.accept_queue, &sk->owner_list);
	listener->tcb.accept_len++;
	stat_add(inst, STAT_TCP_PASSIVE_OPENS, 1);
	sk_event(&listener->sk, EPOLLIN | EPOLLRDNORM);
	return ts;
}
