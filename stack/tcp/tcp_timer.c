// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_timer.c - what time does to a connection
 *
 * Idea: a connection has deadlines (tcb->at[]) and one wheel timer that is armed for the earliest
 * or earlier. Moving a deadline away - every ACK does - is a store; the timer then fires too
 * early once, finds nothing due and is armed anew. The delayed ACK has a timer of its own,
 * because it comes and goes at another pace.
 * Handlers return false when the socket is gone.
 * Context: instance lock, from wheel_run. Called by: stack/run/tables.c by index; setters by all
 * of stack/tcp.
 */
#include "stack/tcp/tcp_int.h"

void tcp_deadline_set(struct s7_tcp_sock *ts, enum tcp_deadline which, s7_time when)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->at[which] = when;
	if (!timer_armed(&tcb->timer) || tcb->timer.deadline > when)
		timer_arm(&ts->sk.inst->wheel, &tcb->timer, when);
}

void tcp_rtx_arm(struct s7_tcp_sock *ts)
{
	tcp_deadline_set(ts, TCPD_RTX, ts->sk.inst->now + (uint64_t)tcp_rto_us(&ts->tcb) * S7_US);
}

void tcp_delack_at(struct s7_tcp_sock *ts, s7_time when)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->delack_at = when;
	if (!timer_armed(&tcb->delack_timer))
		timer_arm(&ts->sk.inst->wheel, &tcb->delack_timer, tcb->delack_at);
}

void tcp_delack_arm(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	s7_time delay = tcp_iface(ts)->delack_ms * S7_MS;

	if (tcb->delack_max_us)
		delay = s7_min(delay, tcb->delack_max_us * S7_US);
	tcp_delack_at(ts, ts->sk.inst->now + delay);
}

void tcp_keep_arm(struct s7_tcp_sock *ts)
{
	ts->tcb.keep_sent = 0;
	tcp_deadline_set(ts, TCPD_KEEP, ts->sk.inst->now + ts->tcb.keep_idle_s * S7_SEC);
}

void tcp_timers_stop(struct s7_tcp_sock *ts)
{
	memset(ts->tcb.at, 0, sizeof(ts->tcb.at));
	ts->tcb.delack_at = 0;
	tcp_later_drop(ts);
	timer_cancel(&ts->sk.inst->wheel, &ts->tcb.timer);
	timer_cancel(&ts->sk.inst->wheel, &ts->tcb.delack_timer);
}

void tcp_delack_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_tcp_sock *ts = s7_container(timer, struct s7_tcp_sock, tcb.delack_timer);
	struct s7_inst *inst = ctx;

	if (!ts->tcb.delack_at)
		return;
	if (ts->tcb.delack_at > now) {
		timer_arm(&inst->wheel, timer, ts->tcb.delack_at);
		return;
	}
	/* it waited for nothing: the program does not answer at once, so do not wait the next time
	 */
	ts->tcb.bits &= ~(uint32_t)TCB_PINGPONG;
	stat_add(inst, STAT_TCP_DELAYED_ACKS, 1);
	tcp_send_ack(ts);
}

static bool give_up(struct s7_tcp_sock *ts)
{
	int err = ts->tcb.soft_err ? ts->tcb.soft_err : ETIMEDOUT;

	if (ts->tcb.state < TCPS_ESTABLISHED)
		stat_add(ts->sk.inst, STAT_TCP_ATTEMPT_FAILS, 1);
	tcp_done_error(ts, err);
	return false;
}

/* How long so many retransmissions take that begin with the smallest timeout: tcp_retries2 is a
 * time, told in retransmissions. */
static s7_time patience(const struct s7_tcb *tcb, uint32_t retries)
{
	uint64_t most = tcp_rto_max_us(tcb), us = 0, step = TCP_RTO_MIN_US;

	for (uint32_t i = 0; i <= s7_min(retries, 255); i++) {
		us += s7_min(step, most);
		step = s7_min(2 * step, most);
	}
	return us * S7_US;
}

/* Has the peer been silent for longer than anybody wants to wait? RFC 9293 3.8.3, RFC 5482. */
static bool is_hopeless(struct s7_tcp_sock *ts, bool probing)
{
	const struct s7_tcp_params *params = &ts->sk.inst->params.tcp;
	struct s7_tcb *tcb = &ts->tcb;
	s7_time now = ts->sk.inst->now;
	uint32_t most = params->retries2;

	if (!tcb->stalled_at)
		tcb->stalled_at = now;
	if (tcb->user_timeout_ms)
		return now - tcb->stalled_at >= tcb->user_timeout_ms * S7_MS;
	if (tcb->bits & TCB_ORPHAN)
		most = params->orphan_retries ? params->orphan_retries : TCP_ORPHAN_RETRIES;
	if (probing) /* answers begin the count anew */
		return tcb->retries >= most;
	return tcb->retries && now - tcb->stalled_at >= patience(tcb, most);
}

static bool rtx_syn(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	const struct s7_tcp_params *params = &ts->sk.inst->params.tcp;
	uint32_t most = tcb->syn_retries	 ? tcb->syn_retries :
			tcp_is_early_child(tcb) ? params->synack_retries + 1 :
						  params->syn_retries;
	uint32_t linear = tcb->state == TCPS_SYN_SENT ? params->syn_linear_timeouts : 0;

	if (tcb->retries >= most + linear ||
	    (tcb->user_timeout_ms && is_hopeless(ts, false)))
		return give_up(ts);
	tcb->retries++;
	if (tcb->retries > linear)
		tcb->backoff++;
	stat_add(ts->sk.inst, STAT_TCP_RETRANS_SEGS, 1);
	tcp_send_syn(ts);
	tcp_rtx_arm(ts);
	return true;
}

/* TCP_THIN_LINEAR_TIMEOUTS: a stream with little in flight is not made to wait ever longer. */
static bool is_thin(const struct s7_tcp_sock *ts)
{
	const struct s7_tcb *tcb = &ts->tcb;

	if (!(tcb->bits & TCB_THIN_TIMEOUTS) && !ts->sk.inst->params.tcp.thin_linear)
		return false;
	return tcb->retries <= TCP_THIN_RETRIES &&
	       tcb->ssthresh < TCP_CWND_MAX &&
	       tcb->snd_nxt - tcb->snd_una < TCP_THIN_PKTS * tcb->mss;
}

static bool on_rtx(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->state < TCPS_ESTABLISHED)
		return rtx_syn(ts);
	if (tcb->snd_una == tcb->snd_nxt)
		return true;
	if (is_hopeless(ts, false))
		return give_up(ts);
	stat_add(ts->sk.inst, STAT_TCP_TIMEOUTS, 1);
	tcp_enter_loss(ts);
	tcb->retries++;
	if (is_thin(ts))
		tcb->backoff = 0;
	else
		tcb->backoff++;
	tcp_rtx_arm(ts);
	if (tcb->user_timeout_ms) /* not later than it ends */
		tcb->at[TCPD_RTX] = s7_min(tcb->at[TCPD_RTX],
					   tcb->stalled_at + tcb->user_timeout_ms * S7_MS);
	tcp_output(ts);
	return true;
}

/* RFC 9293 3.8.6.1: data waits, nothing is in flight, the window is closed or too small. */
static bool on_persist(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!tcb->sq.next || tcb->snd_una != tcb->snd_nxt)
		return true;
	if (is_hopeless(ts, true))
		return give_up(ts);
	if (tcb->snd_wnd) {
		tcp_output_persist(ts);
		if (tcb->snd_una != tcb->snd_nxt)
			return true;
	}
	stat_add(ts->sk.inst, STAT_TCP_PROBES, 1);
	tcb->retries++;
	tcb->backoff++;
	tcp_send_probe(ts);
	tcp_deadline_set(ts, TCPD_PERSIST, ts->sk.inst->now + (uint64_t)tcp_rto_us(tcb) * S7_US);
	return true;
}

/* RFC 9293 3.8.4, with Linux's meaning of TCP_USER_TIMEOUT. */
static bool on_keep(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	s7_time now = ts->sk.inst->now;
	s7_time due = tcb->last_rx + tcb->keep_idle_s * S7_SEC;
	uint64_t idle = now - tcb->last_rx;
	bool over;

	if (!(ts->sk.bits & SKB_KEEPALIVE) || tcb->state < TCPS_ESTABLISHED)
		return true;
	if (tcb->sq.head || now < due) {
		tcp_deadline_set(ts, TCPD_KEEP, s7_max(due, now + S7_SEC));
		return true;
	}
	over = tcb->user_timeout_ms ? tcb->keep_sent && idle >= tcb->user_timeout_ms * S7_MS :
				      tcb->keep_sent >= tcb->keep_cnt;
	if (over) {
		tcp_send_rst(ts);
		return give_up(ts);
	}
	stat_add(ts->sk.inst, STAT_TCP_KEEPALIVES, 1);
	tcp_send_probe(ts);
	tcb->keep_sent++;
	tcp_deadline_set(ts, TCPD_KEEP, now + tcb->keep_intvl_s * S7_SEC);
	return true;
}

static bool on_cork(struct s7_tcp_sock *ts)
{
	tcp_output_persist(ts);
	tcp_space_check(ts);
	return true;
}

static bool on_pace(struct s7_tcp_sock *ts)
{
	tcp_output(ts);
	tcp_space_check(ts);
	return true;
}

static bool on_fin_wait_2(struct s7_tcp_sock *ts)
{
	tcp_done(ts);
	return false;
}

static bool (*const deadline_handlers[TCPD_COUNT])(struct s7_tcp_sock *ts) = {
	[TCPD_REO] = tcp_on_reo,
	[TCPD_TLP] = tcp_on_tlp,
	[TCPD_RTX] = on_rtx,
	[TCPD_PERSIST] = on_persist,
	[TCPD_KEEP] = on_keep,
	[TCPD_CORK] = on_cork,
	[TCPD_FIN_WAIT_2] = on_fin_wait_2,
	[TCPD_PACE] = on_pace,
};

void tcp_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_tcp_sock *ts = s7_container(timer, struct s7_tcp_sock, tcb.timer);
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_inst *inst = ctx;
	s7_time next = S7_NEVER;

	inst->current = &ts->sk;
	for (uint32_t i = 0; i < TCPD_COUNT; i++) {
		if (!tcb->at[i] || tcb->at[i] > now)
			continue;
		tcb->at[i] = 0;
		if (!deadline_handlers[i](ts)) {
			inst->current = NULL;
			return;
		}
	}
	inst->current = NULL;
	if (tcb->state == TCPS_CLOSED)
		return;
	for (uint32_t i = 0; i < TCPD_COUNT; i++)
		if (tcb->at[i] && tcb->at[i] < next)
			next = tcb->at[i];
	if (next != S7_NEVER)
		timer_arm(&inst->wheel, timer, next);
}
