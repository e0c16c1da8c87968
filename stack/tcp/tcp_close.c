// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_close.c - the ways a connection ends
 *
 * Idea: tcp_done() is the one place where a connection stops existing: out of the tables, timers
 * off, queues emptied, CLOSED. If no descriptor is left (orphan) it frees the socket, else the
 * program finds it closed. What was received before may still be read.
 * close(): unread data or SO_LINGER 0 mean RST (RFC 9293 3.6.1, RFC 2525 2.17), else FIN; the
 * socket lives on as an orphan until the peer has acknowledged. A child that nobody accepted dies
 * with its listener.
 * Context: instance lock. Called by: tcp_proto.c, tcp_rx.c, tcp_timer.c, tcp_tw.c.
 */
#include "stack/core/ext.h"
#include "stack/tcp/tcp_int.h"

bool tcp_challenge_allowed(struct s7_inst *inst, uint32_t *last_ms)
{
	uint32_t now = tcp_ms(inst);

	if (*last_ms && now - *last_ms < TCP_CHALLENGE_MS) {
		inst->drop[DROP_TCP_CHALLENGE_RATE]++;
		return false;
	}
	*last_ms = now | 1;
	return true;
}

void tcp_own_port(struct s7_tcp_sock *ts)
{
	struct s7_inst *inst = ts->sk.inst;

	if (ts->tcb.bits & TCB_OWNS_PORT ||
	    !ip_kernel_has(inst, &inst->iface[ts->tcb.dst.iface], &ts->sk.flow.local))
		return;
	sk_own_port(inst, IPPROTO_TCP, &ts->sk.flow.local, ts->sk.flow.lport, false);
	ts->tcb.bits |= TCB_OWNS_PORT;
}

void tcp_disown_port(struct s7_tcp_sock *ts)
{
	if (!(ts->tcb.bits & TCB_OWNS_PORT))
		return;
	ts->tcb.bits &= ~(uint32_t)TCB_OWNS_PORT;
	sk_disown_port(ts->sk.inst, IPPROTO_TCP, &ts->sk.flow.local, ts->sk.flow.lport, false,
		       false);
}

void tcp_done(struct s7_tcp_sock *ts)
{
	struct s7_sock *sk = &ts->sk;

	if (tcp_synchronized(&ts->tcb) && !ts->tcb.window_clamp)
		ts->tcb.window_clamp = sk->rcvbuf / 2; /* what TCP_WINDOW_CLAMP goes on to show */
	tcp_timers_stop(ts);
	if (s7_unlikely(ts->tcb.tfo != NULL)) {
		tcp_fastopen_settled(ts, false);
		ts->tcb.tfo->deferred = false;
	}
	flow_remove(&sk->inst->flows, &sk->flow);
	tcp_disown_port(ts);
	if (s7_unlikely(ts->tcb.bits & TCB_ZEROCOPY))
		tcp_zerocopy_acked(ts, true);
	sendq_purge(ts);
	tcp_reass_purge(ts);
	tcp_set_state(ts, TCPS_CLOSED);
	ts->tcb.bits &= ~(uint32_t)(TCB_FIN_QUEUED | TCB_ACK_NOW);
	sk->bits &= ~(uint32_t)SKB_CONNECTED;
	sk->shut = SK_SHUT_RD | SK_SHUT_WR;
	if (ts->tcb.bits & TCB_ORPHAN) {
		rcvq_purge(ts);
		sk_free(sk);
		return;
	}
	if (!(sk->bits & SKB_BOUND_PORT))
		sk_unbind(sk); /* getsockname goes on telling the port, as Linux */
	sk_event(sk, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLRDHUP | EPOLLHUP);
}

void tcp_done_error(struct s7_tcp_sock *ts, int err)
{
	if (!(ts->tcb.bits & TCB_ORPHAN))
		sk_error(&ts->sk, err);
	tcp_done(ts);
}

/* Everything that waits at a listener is refused with RST. */
static void listener_stop(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	while (!list_empty(&tcb->requests))
		tcp_req_free(ts->sk.inst, list_first(&tcb->requests, struct s7_tcp_req, list));
	while (!list_empty(&tcb->accept_queue)) {
		struct s7_sock *child = list_first(&tcb->accept_queue, struct s7_sock, owner_list);

		list_del(&child->owner_list);
		tcb->accept_len--;
		tcp_sk(child)->tcb.listener = NULL;
		tcp_sk(child)->tcb.bits |= TCB_ORPHAN;
		if (tcp_tcb(child)->state != TCPS_CLOSED)
			tcp_send_rst(tcp_sk(child));
		tcp_done(tcp_sk(child));
	}
	if (s7_unlikely(tcb->tfo != NULL))
		tcp_fastopen_listener_gone(ts);
	sk_group_leave(&ts->sk);
	ts->sk.bind.listening = false;
	ts->sk.bits &= ~(uint32_t)SKB_LISTENING;
	tcp_done(ts);
}

/* States in which a RST is due when we let go (RFC 9293 3.10.5). */
static bool needs_rst(const struct s7_tcb *tcb)
{
	return tcb->state >= TCPS_SYN_RCVD && tcb->state != TCPS_CLOSING &&
		tcb->state != TCPS_LAST_ACK;
}

/*
 * The thread that worked on this socket died there. Its queues may be half changed: they are let go
 * unread, since a packet lost is better than one that is freed twice. A listener goes on.
 */
void tcp_abort(struct s7_sock *sk, int err)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->state == TCPS_LISTEN) {
		tcp_mend_lists(ts);
		return;
	}
	memset(&tcb->sq, 0, sizeof(tcb->sq));
	if (tcb->bits & TCB_ZEROCOPY)
		sk->ext->zc_waits = 0;
	tcb->bits &= ~(uint32_t)TCB_ZEROCOPY;
	tcb->rq_head = tcb->rq_tail = tcb->oo_head = tcb->oo_tail = NULL;
	tcb->rq_bytes = tcb->rq_pkts = tcb->oo_bytes = tcb->oo_pkts = 0;
	if (tcb->state == TCPS_CLOSED)
		return;
	/* in any state: whether our FIN left is not known, and the peer may wait for it for ever */
	if (tcb->state >= TCPS_SYN_RCVD)
		tcp_send_rst(ts);
	tcp_done_error(ts, err);
}

static void reset_now(struct s7_tcp_sock *ts)
{
	tcp_later_now(ts);
	if (needs_rst(&ts->tcb))
		tcp_send_rst(ts);
	tcp_done(ts);
}

/* Sends our FIN behind what is queued and moves the state. false: the socket is gone. */
static bool send_fin(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (sendq_fin(ts)) { /* no buffer for a FIN: the peer must learn it somehow */
		reset_now(ts);
		return false;
	}
	if (tcb->state == TCPS_ESTABLISHED)
		tcp_set_state(ts, TCPS_FIN_WAIT_1);
	else if (tcb->state == TCPS_CLOSE_WAIT)
		tcp_set_state(ts, TCPS_LAST_ACK);
	tcb->bits &= ~(uint32_t)TCB_CORK;
	tcb->at[TCPD_CORK] = 0;
	tcp_output_soon(ts);
	return true;
}

static void close_fin_wait_2(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->linger2_s < 0) {
		reset_now(ts);
		return;
	}
	tcp_deadline_set(ts, TCPD_FIN_WAIT_2, ts->sk.inst->now + tcp_fin_timeout(ts));
}

void tcp_close(struct s7_sock *sk)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	struct s7_tcb *tcb = &ts->tcb;
	bool unread = tcb->rq_bytes > 0;

	sk->shut = SK_SHUT_RD | SK_SHUT_WR;
	tcb->bits |= TCB_ORPHAN;
	if (tcb->state == TCPS_LISTEN) {
		listener_stop(ts);
		return;
	}
	rcvq_purge(ts);
	if (tcb->state == TCPS_CLOSED || tcb->state == TCPS_SYN_SENT) {
		tcp_done(ts);
		return;
	}
	if (unread || (sk->bits & SKB_LINGER && !sk->linger_s)) {
		reset_now(ts);
		return;
	}
	if (tcb->state == TCPS_ESTABLISHED || tcb->state == TCPS_CLOSE_WAIT ||
	    tcb->state == TCPS_SYN_RCVD)
		send_fin(ts);
	else if (tcb->state == TCPS_FIN_WAIT_2)
		close_fin_wait_2(ts);
}

int tcp_shutdown(struct s7_sock *sk, int how)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->state == TCPS_CLOSED) {
		/* marked all the same, as Linux: reads end, writes break */
		sk->shut |= (uint8_t)(how + 1);
		sk_event(sk, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
		return -ENOTCONN;
	}
	if (tcb->state == TCPS_LISTEN || tcb->state == TCPS_SYN_SENT) {
		if (tcb->state == TCPS_SYN_SENT || how != SHUT_WR)
			return tcp_disconnect(sk);
		return 0;
	}
	if (how != SHUT_WR)
		sk->shut |= SK_SHUT_RD;
	if (how != SHUT_RD && !(sk->shut & SK_SHUT_WR)) {
		sk->shut |= SK_SHUT_WR;
		if (tcb->state == TCPS_ESTABLISHED || tcb->state == TCPS_CLOSE_WAIT ||
		    tcb->state == TCPS_SYN_RCVD)
			if (!send_fin(ts))
				return 0;
	}
	sk_event(sk, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLRDHUP |
			     (sk->shut == (SK_SHUT_RD | SK_SHUT_WR) ? EPOLLHUP : 0));
	return 0;
}

int tcp_disconnect(struct s7_sock *sk)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->state == TCPS_LISTEN) {
		listener_stop(ts);
	} else {
		if (needs_rst(tcb) || tcb->state == TCPS_SYN_SENT)
			sk->err = ECONNRESET;
		reset_now(ts);
	}
	rcvq_purge(ts);
	if (!(sk->bits & SKB_BOUND_PORT))
		sk_unbind(sk);
	if (!(sk->bits & SKB_BOUND_ADDR)) /* an accepted one has its listener's */
		sk->flow.local = sk->domain == AF_INET ? ip_from_v4(0) :
							 (struct s7_ip){ .q = { 0, 0 } };
	memset(&sk->flow.remote, 0, sizeof(sk->flow.remote));
	sk->flow.rport = 0;
	sk->flow.iface = S7_IFACE_LO; /* not known: tcp_iface */
	sk->shut = 0;
	tcb->bits &= TCB_SETTINGS | TCB_NOSPACE | TCB_ACCEPTED;
	tcb->urg_state = TCPU_NONE;
	tcb->soft_err = 0;
	tcb->window_clamp = 0;
	tcb->retries = tcb->backoff = 0;
	tcb->srtt8_us = tcb->rttvar4_us = 0;
	tcb->rto_us = TCP_RTO_INIT_US;
	sk_event(sk, EPOLLERR); /* Linux reports an error then, whether there is one or not */
	return 0;
}
