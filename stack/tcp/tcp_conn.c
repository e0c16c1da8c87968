// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_conn.c - connect, listen, accept; and what ICMP says about a connection
 *
 * Idea: connect() answers like Linux's state machine above TCP: -EINPROGRESS, then -EALREADY
 * while the SYN is out, once 0 (or the error), then -EISCONN. The shim does the waiting. listen()
 * on a bound socket enters it in the port table's listening set; a second listen() only changes
 * the backlog. A full accept queue is `> backlog`.
 * Context: instance lock. Called by: tcp_proto.c, tcp_in.c.
 */
#include "stack/core/ext.h"
#include "stack/ip/errq_icmp.h"
#include "stack/tcp/tcp_int.h"

void tcp_tcb_init(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	timer_init(&tcb->timer, TIMER_TCP);
	timer_init(&tcb->delack_timer, TIMER_TCP_DELACK);
	list_init(&tcb->later);
	list_init(&tcb->accept_queue);
	list_init(&tcb->requests);
	tcb->state = TCPS_CLOSED;
	tcb->cc = ts->sk.inst->params.tcp_cc < TCP_CC_COUNT ? ts->sk.inst->params.tcp_cc : 0;
	tcb->mss = tcb->peer_mss = TCP_MSS_FALLBACK;
	tcb->rto_us = TCP_RTO_INIT_US;
	tcb->rto_max_us = ts->sk.inst->params.tcp.rto_max_ms * 1000;
	tcb->ssthresh = TCP_CWND_MAX;
	tcb->keep_idle_s = ts->sk.inst->params.tcp.keepalive_time_s;
	tcb->keep_intvl_s = ts->sk.inst->params.tcp.keepalive_intvl_s;
	tcb->keep_cnt = ts->sk.inst->params.tcp.keepalive_probes;
	ts->sk.flow.kind = FLOW_TCP;
}

uint32_t tcp_rcvbuf_init(const struct s7_sock *sk, const struct s7_iface_tcp *tcp)
{
	uint64_t low = 2ull * sk->rcvlowat;

	if (sk->bits & SKB_RCVBUF_LOCK)
		return sk->rcvbuf;
	return (uint32_t)s7_max(tcp->rmem[tcp_pressed(sk->inst) ? 0 : 1],
				s7_min(low, tcp->rmem[2]));
}

void tcp_take_iface(struct s7_tcp_sock *ts)
{
	const struct s7_iface_tcp *tcp = tcp_iface(ts);
	const struct s7_metrics *metrics = ts->tcb.dst.metrics;
	struct s7_sock *sk = &ts->sk;

	sk->rcvbuf = tcp_rcvbuf_init(sk, tcp);
	if (!(sk->bits & SKB_SNDBUF_LOCK))
		sk->sndbuf = tcp->wmem[tcp_pressed(sk->inst) ? 0 : 1];
	ts->tcb.window_clamp = tcp_window_clamp_of(&ts->tcb, &ts->tcb.dst);
	if (s7_unlikely(metrics != NULL) && metrics->cc)
		ts->tcb.cc = metrics->cc - 1u; /* also against the program's wish */
	else if (!(ts->tcb.bits & TCB_CC_USER))
		ts->tcb.cc = tcp->cc;
}

int tcp_connect_state(struct s7_sock *sk)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;
	int err;

	/* a connection that ended counts until somebody disconnects */
	if (tcb->state == TCPS_LISTEN || tcb->bits & TCB_CONNECT_DONE)
		return -EISCONN;
	if (!(tcb->bits & TCB_CONNECTING))
		return 1;
	if (s7_unlikely(tcp_is_deferred(sk)))
		return -EISCONN; /* as it was told */
	if (tcb->state == TCPS_SYN_SENT || tcb->state == TCPS_SYN_RCVD)
		return -EALREADY;
	if (tcb->state == TCPS_CLOSED) { /* the attempt failed meanwhile */
		err = sk_take_error(sk);
		tcp_disconnect(sk);
		return err ? err : -ECONNABORTED;
	}
	tcb->bits &= ~(uint32_t)TCB_CONNECTING;
	tcb->bits |= TCB_CONNECT_DONE;
	return 0;
}

/* Local address and port, and the place in the flow table. */
static int connect_flow(struct s7_tcp_sock *ts, const struct s7_ip *ip, uint16_t port)
{
	struct s7_sock *sk = &ts->sk;
	const struct s7_ip4_opts *opts = sk->ext && sk->ext->opts.len ? &sk->ext->opts : NULL;
	struct s7_ip to = ip_is_v4(ip) ? ip4_opts_first(opts, ip) :
					 hdrs6_first(tcp_hdrs(sk), ip);
	struct s7_inst *inst = sk->inst;
	bool by_source_route = !ip_equal(&to, ip);
	int err;

	if (by_source_route && ip_is_v4(ip) && ip_is_any(ip))
		return -EINVAL;
	err = dst_lookup(inst, &to, &sk->flow.local, sk->bound_iface, &ts->tcb.dst);
	if (err)
		return err;
	dst_prefer_source(inst, &ts->tcb.dst, sk->ext ? sk->ext->source_prefs : 0);
	if (ip_is_v4(ip) && s7_unlikely(ip4_opts_strict_fails(opts, &ts->tcb.dst)))
		return -ENETUNREACH;
	if (ts->tcb.dst.owner != ROUTE_STACK)
		return -ENETUNREACH;
	if (sk->bits & SKB_DONTROUTE && !ip_equal(&ts->tcb.dst.hop, &ts->tcb.dst.dst))
		return -ENETUNREACH;
	sk->flow.local = ts->tcb.dst.src;
	sk->flow.remote = by_source_route ? *ip : ts->tcb.dst.dst;
	sk->flow.rport = port;
	sk->flow.iface = ts->tcb.dst.iface;
	sk->flow.kind = FLOW_TCP;
	if (!(sk->bits & SKB_BOUND)) /* what stands there is a former port */
		sk->flow.lport =
			sk_pick_port(sk, &sk->flow.local, &sk->flow.remote, port);
	if (!sk->flow.lport)
		return -EADDRNOTAVAIL;
	tcp_label(sk, &sk->flow, &ts->tcb.dst);
	err = flow_insert(&inst->flows, &sk->flow);
	return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
}

static void forget_peer(struct s7_sock *sk)
{
	memset(&sk->flow.remote, 0, sizeof(sk->flow.remote));
	sk->flow.rport = 0;
	sk->flow.iface = S7_IFACE_LO;
	if (!(sk->bits & SKB_BOUND))
		sk->flow.lport = 0;
	if (!(sk->bits & SKB_BOUND_ADDR))
		sk->flow.local = sk->bits & SKB_BOUND ? sk->bind.ip : ip_from_v4(0);
}

int tcp_connect(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	struct s7_tcb *tcb = &ts->tcb;
	int err = tcp_connect_state(sk);

	if (err != 1)
		return err;
	if (ip_is_multicast(ip) || ip_is_broadcast(sk->inst, ip))
		return -ENETUNREACH;
	err = connect_flow(ts, ip, port);
	if (err) {
		forget_peer(sk);
		return err;
	}
	sk->err = 0;
	tcb->bits &= TCB_SETTINGS | TCB_ACCEPTED | TCB_PINGPONG;
	tcb->bits |= TCB_CONNECTING;
	tcb->writer = false;
	tcp_take_iface(ts);
	tcp_own_port(ts);
	tcb->iss = tcp_isn(sk->inst, &sk->flow);
	tcb->ts_offset = tcp_ts_offset(sk->inst, &sk->flow.local, &sk->flow.remote);
	tcb->snd_una = tcb->iss;
	tcb->snd_nxt = tcb->write_seq = tcb->recover = tcb->iss + 1;
	tcb->snd_sml = tcb->snd_up = tcb->snd_una;
	tcb->rcv_nxt = tcb->rcv_wup = tcb->copied_seq = tcb->rcv_wnd = 0;
	tcb->snd_max_wnd = tcb->snd_wnd = 0;
	tcb->ts_recent = 0;
	tcb->rcv_wscale = sk->inst->params.tcp.window_scaling ?
				  tcp_pick_wscale(sk, tcp_iface(ts)) : 0;
	tcb->retries = tcb->backoff = 0;
	tcb->stalled_at = 0;
	tcb->ssthresh = TCP_CWND_MAX;
	tcp_set_state(ts, TCPS_SYN_SENT);
	stat_add(sk->inst, STAT_TCP_ACTIVE_OPENS, 1);
	if (s7_unlikely(tcb->tfo != NULL) && tcp_fastopen_defers(ts))
		return 0;
	tcp_send_syn(ts);
	tcp_rtx_arm(ts);
	return -EINPROGRESS;
}

/* At an address of one interface that interface's; each connection's is judged when it comes. */
static uint32_t backlog_max(const struct s7_sock *sk)
{
	const struct s7_iface *iface;

	if (sk->bound_iface && sk->bound_iface <= sk->inst->iface_count)
		return sk->inst->iface[sk->bound_iface - 1].tcp.backlog_max;
	iface = ip_is_any(&sk->bind.ip) ? NULL : ip_local_iface(sk->inst, &sk->bind.ip);
	return iface ? iface->tcp.backlog_max : sk->inst->params.backlog_max;
}

int tcp_listen(struct s7_sock *sk, int backlog)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	uint32_t max = backlog_max(sk);

	if (ts->tcb.bits & (TCB_CONNECTING | TCB_CONNECT_DONE) ||
	    (ts->tcb.state != TCPS_CLOSED && ts->tcb.state != TCPS_LISTEN))
		return -EINVAL;
	ts->tcb.backlog = (uint32_t)backlog > max ? max : (uint32_t)backlog;
	if (ts->tcb.state == TCPS_LISTEN)
		return 0;
	if (!sk->bind.linked)
		return -EINVAL; /* the caller binds first, the kernel chose the port */
	/* as Linux: with a program for a group of its own it does not join another */
	if (s7_unlikely(sk->bind.steer != NULL) && port_is_shared(&sk->inst->ports, &sk->bind))
		return -EADDRINUSE;
	if ((sk->inst->params.tcp_fastopen & (FASTOPEN_SERVER | FASTOPEN_LISTENERS)) ==
		    (FASTOPEN_SERVER | FASTOPEN_LISTENERS) &&
	    !ts->tcb.fastopen_qlen)
		tcp_set_fastopen(sk, (int)ts->tcb.backlog); /* without room: as if it were off */
	sk->shut = 0;
	sk->bind.listening = true;
	port_changed(&sk->inst->ports, &sk->bind);
	sk_group_join(sk);
	sk->bits |= SKB_LISTENING | SKB_LISTENED;
	tcp_set_state(ts, TCPS_LISTEN);
	return 0;
}

int tcp_accept(struct s7_sock *sk, struct s7_sock **ret_child)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;
	struct s7_sock *child;

	if (tcb->state != TCPS_LISTEN)
		return -EINVAL;
	if (list_empty(&tcb->accept_queue))
		return -EAGAIN;
	child = list_first(&tcb->accept_queue, struct s7_sock, owner_list);
	list_del(&child->owner_list);
	tcb->accept_len--;
	tcp_sk(child)->tcb.listener = NULL;
	tcp_sk(child)->tcb.bits &= ~(uint32_t)TCB_CHILD;
	tcp_sk(child)->tcb.bits |= TCB_ACCEPTED | TCB_CONNECT_DONE;
	*ret_child = child;
	return 0;
}

/* RFC 1191, RFC 5927: segments in flight are too big for the path; they are cut and sent again. */
static void pmtu_lower(struct s7_tcp_sock *ts, uint32_t mtu)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *head = tcb->sq.head;

	tcp_dst_refresh(ts);
	if (!mtu || mtu < 68 + TCP_MSS_MIN - 48 || mtu > tcb->dst.mtu)
		return;
	if (dst_mtu_locked(&tcb->dst))
		return;
	if (mtu < tcb->dst.mtu) { /* the route does not know of it: remember here */
		tcb->dst.mtu = mtu;
		tcb->bits |= TCB_PMTU_LOWERED;
	}
	if (tcb->state == TCPS_SYN_SENT && tcb->tfo && tcb->tfo->data && !tcb->retries) {
		tcb->retries = 1; /* at once, without what was too big */
		tcp_send_syn(ts);
		tcp_rtx_arm(ts);
	}
	if (!tcp_synchronized(tcb))
		return;
	tcp_mss_sync(ts);
	if (!head || head == tcb->sq.next || head->tcp.len <= tcb->mss)
		return;
	/* not a sign of congestion: everything again, cwnd as it is */
	tcp_mark_all_lost(tcb);
	tcp_rec_clear(tcb, REC_UNDO | REC_FRTO);
	tcb->recover = tcb->snd_nxt;
	if (tcb->ca_state < TCPCA_RECOVERY) {
		tcb->ca_state = TCPCA_LOSS;
		tcb->ssthresh = (uint32_t)s7_max(tcb->cwnd, 2 * tcb->mss);
	}
	tcp_output(ts);
}

int tcp_take_soft_error(struct s7_sock *sk)
{
	int err = tcp_tcb(sk)->soft_err;

	tcp_sk(sk)->tcb.soft_err = 0;
	return err;
}

void tcp_icmp_sk(struct s7_sock *sk, const struct s7_icmp_error *e)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	int err = e->err;

	if (err == EMSGSIZE || e->mtu) {
		pmtu_lower(ts, e->mtu);
		return;
	}
	/*
	 * RFC 5461: Linux lets any error end the attempt; a fast open is one until it is accepted
	 */
	if (ts->tcb.state == TCPS_SYN_SENT ||
	    (ts->tcb.state == TCPS_SYN_RCVD && !(ts->tcb.bits & TCB_ACCEPTED))) {
		if (sk_ext(sk)) /* queued whether asked for or not, as Linux: traceroute by TCP */
			errq_icmp(sk, e, e->l4);
		stat_add(sk->inst, STAT_TCP_ATTEMPT_FAILS, 1);
		tcp_done_error(ts, err);
		return;
	}
	if (errq_wanted(sk, e->v6))
		sk_error(sk, err);
	else /* told when the retransmissions end in vain (RFC 9293 3.9.2.2) */
		ts->tcb.soft_err = err;
}
