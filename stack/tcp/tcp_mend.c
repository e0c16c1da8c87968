// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_mend.c - connections after the death of a thread inside the instance
 *
 * Idea: the socket that the dead one worked on is aborted (tcp_abort). Of all others three things
 * may be half done, since they are done while another socket is worked on, or none: a place in an
 * accept queue, a half-open entry on its way out, and a timer whose handler had not begun or was
 * through already. What a connection means to do stands in its deadlines, so the timers are armed
 * from those again. And over lo the other end may be gone without this one's
 * knowing. First all lists (tcp_mend_lists), then, with wheel and flow table whole, what
 * hangs on them (tcp_mend). What nobody refers to any more and nothing will end is told by
 * tcp_is_stuck.
 * Context: instance lock, taken from the dead. Called by: stack/run/repair.c, shim/sweep.c.
 */
#include "stack/tcp/tcp_int.h"

void tcp_mend_lists(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->accept_len = list_mend(&tcb->accept_queue);
	tcb->request_count = list_mend(&tcb->requests);
	if (tcb->tfo)
		tcb->tfo->pending = list_mend(&tcb->tfo->children);
}

static void mend_requests(struct s7_tcp_sock *ts)
{
	struct s7_inst *inst = ts->sk.inst;
	struct s7_list *pos, *tmp;

	list_for_each_safe(pos, tmp, &ts->tcb.requests)
	{
		struct s7_tcp_req *req = list_entry(pos, struct s7_tcp_req, list);
		const struct s7_flow *flow = &req->flow;

		if (flow_find(&inst->flows, flow->proto, &flow->local, flow->lport, &flow->remote,
			      flow->rport) != flow) {
			req->flow.linked = 0;
			req->syn = NULL; /* the child's, if there is one; else lost */
			tcp_req_free(inst, req);
		} else if (!timer_armed(&req->timer)) {
			timer_arm(&inst->wheel, &req->timer, inst->now + S7_SEC);
		}
	}
}

static void mend_timers(struct s7_tcp_sock *ts)
{
	struct s7_wheel *wheel = &ts->sk.inst->wheel;
	struct s7_tcb *tcb = &ts->tcb;
	s7_time next = S7_NEVER;

	for (uint32_t i = 0; i < TCPD_COUNT; i++)
		if (tcb->at[i])
			next = s7_min(next, tcb->at[i]);
	if (next != S7_NEVER && (!timer_armed(&tcb->timer) || tcb->timer.deadline > next))
		timer_arm(wheel, &tcb->timer, next);
	if (tcb->delack_at && !timer_armed(&tcb->delack_timer))
		timer_arm(wheel, &tcb->delack_timer, tcb->delack_at);
	/* it goes by a deadline or by a segment of its peer: one that has none is not waited for */
	if (next == S7_NEVER && tcb->bits & TCB_ORPHAN && list_empty(&tcb->later))
		tcp_deadline_set(ts, TCPD_FIN_WAIT_2, ts->sk.inst->now + S7_SEC);
}

/*
 * Over lo: the other end is in the same tables. It was there, it is gone, and this one does not
 * know: the packet that said so (a RST comes but once) was in the dead one's hand.
 */
static bool peer_is_gone(const struct s7_tcp_sock *ts)
{
	const struct s7_flow *flow = &ts->sk.flow;
	const struct s7_tcb *tcb = &ts->tcb;

	if (flow->iface != S7_IFACE_LO || !tcp_synchronized(tcb))
		return false;
	/* with a SYN cookie it is there only from its first segment on */
	if (!(tcb->bits & (TCB_CHILD | TCB_ACCEPTED)) && tcb->snd_una - tcb->iss <= 1 &&
	    !tcb->bytes_received)
		return false;
	return !flow_find(&ts->sk.inst->flows, flow->proto, &flow->remote, flow->rport,
			  &flow->local, flow->lport);
}

void tcp_mend(struct s7_tcp_sock *ts, bool is_current)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!list_linked(&ts->sk.owner_list)) {
		list_init(&ts->sk.owner_list);
		tcb->listener = NULL;
	}
	if (!list_linked(&tcb->later)) {
		list_init(&tcb->later);
		tcb->bits &= ~(uint32_t)TCB_LATER_OUT;
	}
	mend_requests(ts);
	if (!is_current && peer_is_gone(ts))
		tcp_done_error(ts, ECONNRESET);
	else if (tcb->state != TCPS_CLOSED && tcb->state != TCPS_LISTEN)
		mend_timers(ts);
}

bool tcp_is_queued(const struct s7_sock *sk)
{
	return tcp_tcb(sk)->bits & TCB_CHILD && tcp_tcb(sk)->listener &&
	       !list_empty(&sk->owner_list);
}

/* By state: whether an orphan may be in it for longer than a call takes. */
static const bool orphan_lasts[TCPS_COUNT] = {
	[TCPS_SYN_RCVD] = true, [TCPS_FIN_WAIT_1] = true, [TCPS_FIN_WAIT_2] = true,
	[TCPS_CLOSING] = true,	[TCPS_LAST_ACK] = true,
};

bool tcp_is_stuck(const struct s7_sock *sk)
{
	return !(tcp_tcb(sk)->bits & TCB_ORPHAN) || !orphan_lasts[tcp_tcb(sk)->state];
}
