// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_opt_api.c - tcp(7)'s options as functions: Linux's ranges, Linux's answers
 *
 * Idea: a setter checks as the kernel does, stores, and lets the change act at once (TCP_NODELAY
 * pushes, TCP_QUICKACK answers, TCP_KEEPIDLE re-arms).
 * Context: instance lock. Called by: stack/sock/opt_tcp.c, tcp_proto.c.
 */
#include "stack/tcp/tcp_int.h"

static struct s7_tcb *tcb_of(const struct s7_sock *sk)
{
	return &((struct s7_tcp_sock *)(uintptr_t)sk)->tcb;
}

static void set_bit(struct s7_tcb *tcb, uint32_t bit, int on)
{
	tcb->bits = on ? tcb->bits | bit : tcb->bits & ~bit;
}

static void push(struct s7_sock *sk)
{
	if (tcb_of(sk)->state >= TCPS_ESTABLISHED)
		tcp_output(tcp_sk(sk));
}

int tcp_set_nodelay(struct s7_sock *sk, int on)
{
	uint32_t cork = tcb_of(sk)->bits & TCB_CORK;

	set_bit(tcb_of(sk), TCB_NODELAY, on);
	if (!on)
		return 0;
	/* also what TCP_CORK or MSG_MORE hold back; TCP_CORK goes on to hold what comes later */
	tcb_of(sk)->bits &= ~(uint32_t)TCB_CORK;
	tcb_of(sk)->at[TCPD_CORK] = 0;
	push(sk);
	tcb_of(sk)->bits |= cork;
	return 0;
}

int tcp_get_nodelay(const struct s7_sock *sk)
{
	return !!(tcb_of(sk)->bits & TCB_NODELAY);
}

int tcp_set_cork(struct s7_sock *sk, int on)
{
	tcp_later_now(tcp_sk(sk));
	set_bit(tcb_of(sk), TCB_CORK, on);
	if (!on) {
		tcb_of(sk)->at[TCPD_CORK] = 0;
		push(sk);
	}
	return 0;
}

int tcp_get_cork(const struct s7_sock *sk)
{
	return !!(tcb_of(sk)->bits & TCB_CORK);
}

/* 0: interactive until further notice. 1: ACK at once; an even value for now only. */
int tcp_set_quickack(struct s7_sock *sk, int value)
{
	struct s7_tcb *tcb = tcb_of(sk);

	set_bit(tcb, TCB_PINGPONG, !value);
	set_bit(tcb, TCB_QUICKACK, value);
	if (!value)
		return 0;
	if (tcb->quickacks < TCP_QUICKACKS)
		tcb->quickacks = TCP_QUICKACKS;
	if (!tcb->delack_at ||
	    (tcb->state != TCPS_ESTABLISHED && tcb->state != TCPS_CLOSE_WAIT))
		return 0;
	tcp_send_ack(tcp_sk(sk));
	if (!(value & 1)) /* this once */
		tcb->bits |= TCB_PINGPONG;
	return 0;
}

int tcp_get_quickack(const struct s7_sock *sk)
{
	return !(tcb_of(sk)->bits & TCB_PINGPONG);
}

int tcp_set_maxseg(struct s7_sock *sk, int bytes)
{
	struct s7_tcb *tcb = tcb_of(sk);

	if (bytes && (bytes < TCP_MSS_MIN || bytes > 32767))
		return -EINVAL;
	tcb->user_mss = (uint32_t)bytes; /* of the next connection, as in Linux */
	return 0;
}

int tcp_get_maxseg(const struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcb_of(sk);

	if (tcb->user_mss && (tcb->state == TCPS_CLOSED || tcb->state == TCPS_LISTEN))
		return (int)tcb->user_mss;
	return (int)tcb->mss;
}

int tcp_set_keepidle(struct s7_sock *sk, int seconds)
{
	struct s7_tcb *tcb = tcb_of(sk);
	s7_time due, now = sk->inst->now;

	if (seconds < 1 || seconds > 32767)
		return -EINVAL;
	tcb->keep_idle_s = (uint32_t)seconds;
	if (sk->bits & SKB_KEEPALIVE && tcb->state >= TCPS_ESTABLISHED) {
		due = tcb->last_rx + tcb->keep_idle_s * S7_SEC;
		tcp_deadline_set(tcp_sk(sk), TCPD_KEEP, s7_max(due, now));
	}
	return 0;
}

int tcp_get_keepidle(const struct s7_sock *sk)
{
	return (int)tcb_of(sk)->keep_idle_s;
}

int tcp_set_keepintvl(struct s7_sock *sk, int seconds)
{
	if (seconds < 1 || seconds > 32767)
		return -EINVAL;
	tcb_of(sk)->keep_intvl_s = (uint32_t)seconds;
	return 0;
}

int tcp_get_keepintvl(const struct s7_sock *sk)
{
	return (int)tcb_of(sk)->keep_intvl_s;
}

int tcp_set_keepcnt(struct s7_sock *sk, int count)
{
	if (count < 1 || count > 127)
		return -EINVAL;
	tcb_of(sk)->keep_cnt = (uint32_t)count;
	return 0;
}

int tcp_get_keepcnt(const struct s7_sock *sk)
{
	return (int)tcb_of(sk)->keep_cnt;
}

int tcp_set_user_timeout(struct s7_sock *sk, int ms)
{
	if (ms < 0)
		return -EINVAL;
	tcb_of(sk)->user_timeout_ms = (uint32_t)ms;
	return 0;
}

int tcp_get_user_timeout(const struct s7_sock *sk)
{
	return (int)tcb_of(sk)->user_timeout_ms;
}

int tcp_set_syncnt(struct s7_sock *sk, int count)
{
	if (count < 1 || count > 127)
		return -EINVAL;
	tcb_of(sk)->syn_retries = (uint8_t)count;
	return 0;
}

int tcp_get_syncnt(const struct s7_sock *sk)
{
	return tcb_of(sk)->syn_retries ? tcb_of(sk)->syn_retries :
					  (int)sk->inst->params.tcp.syn_retries;
}

int tcp_set_linger2(struct s7_sock *sk, int seconds)
{
	struct s7_tcb *tcb = tcb_of(sk);

	if (seconds < 0)
		tcb->linger2_s = -1;
	else
		tcb->linger2_s = (int32_t)s7_min(seconds, TCP_LINGER2_MAX_S);
	return 0;
}

int tcp_get_linger2(const struct s7_sock *sk)
{
	int32_t s = tcb_of(sk)->linger2_s;

	return s ? s : (int)sk->inst->params.tcp.fin_timeout_s;
}

/* The kernel counts SYN-ACK retransmissions: 1, 3, 7, 15 ... seconds; what is read back is what
 * that comes to. */
int tcp_set_defer_accept(struct s7_sock *sk, int seconds)
{
	uint32_t period = 1, step = 1, count = 1;

	if (seconds <= 0) {
		tcb_of(sk)->defer_accept_s = 0;
		return 0;
	}
	/* told in retransmissions of the SYN-ACK, at most 255, as Linux does */
	for (; period < (uint32_t)seconds && count < 255; count++) {
		step = (uint32_t)s7_min(step * 2, TCP_RTO_MAX_US / 1000000);
		period += step;
	}
	tcb_of(sk)->defer_accept_s = (uint16_t)period;
	return 0;
}

int tcp_get_defer_accept(const struct s7_sock *sk)
{
	return tcb_of(sk)->defer_accept_s;
}

int tcp_set_window_clamp(struct s7_sock *sk, int bytes)
{
	struct s7_tcb *tcb = tcb_of(sk);

	if (!bytes) {
		if (tcb->state != TCPS_CLOSED)
			return -EINVAL;
		tcb->window_clamp = 0;
		return 0;
	}
	tcb->window_clamp = (uint32_t)s7_max(bytes < 0 ? 0 : bytes, 2304 / 2);
	return 0;
}

int tcp_get_window_clamp(const struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcb_of(sk);

	if (!tcb->window_clamp && tcp_synchronized(tcb))
		return (int)(sk->rcvbuf / 2); /* what the buffer allows */
	return (int)tcb->window_clamp;
}

int tcp_set_notsent_lowat(struct s7_sock *sk, int bytes)
{
	tcb_of(sk)->notsent_lowat = (uint32_t)bytes;
	if (tcb_of(sk)->bits & TCB_NOSPACE)
		tcp_space_check(tcp_sk(sk));
	return 0;
}

int tcp_get_notsent_lowat(const struct s7_sock *sk)
{
	return (int)tcb_of(sk)->notsent_lowat;
}

int tcp_set_congestion(struct s7_sock *sk, const char *name, size_t len)
{
	struct s7_tcb *tcb = tcb_of(sk);
	int index = tcp_cc_index(name, len);

	if (s7_unlikely(tcb->dst.metrics != NULL) && tcb->dst.metrics->cc_locked &&
	    tcb->state != TCPS_CLOSED)
		return -EPERM;
	if (index < 0)
		return index;
	tcb->bits |= TCB_CC_USER;
	if (tcb->cc != (uint32_t)index) {
		tcb->cc = (uint32_t)index;
		tcp_cc(tcb)->init(tcb);
	}
	return 0;
}

const char *tcp_get_congestion(const struct s7_sock *sk)
{
	return tcp_cc(tcb_of(sk))->name;
}

uint32_t tcp_inq_hint(const struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcb_of(sk);
	bool urgent = tcb->urg_state == TCPU_VALID && !(sk->bits & SKB_OOBINLINE) &&
		      seq_gt(tcb->rcv_up + 1, tcb->copied_seq);

	if (!tcb->rq_bytes) /* the peer has said that it will send no more */
		return tcp_synchronized(tcb) ? !tcp_may_receive(tcb) : !!(tcb->bits & TCB_FIN_IN);
	return tcb->rq_bytes - urgent;
}

int tcp_at_mark(const struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcb_of(sk);

	return tcb->urg_state != TCPU_NONE && tcb->rcv_up == tcb->copied_seq;
}

uint32_t tcp_outq_unsent(const struct s7_sock *sk)
{
	return tcp_synchronized(tcb_of(sk)) ? tcb_of(sk)->write_seq - tcb_of(sk)->snd_nxt : 0;
}

void tcp_keepalive_changed(struct s7_sock *sk)
{
	struct s7_tcb *tcb = tcb_of(sk);

	if (!(sk->bits & SKB_KEEPALIVE))
		tcb->at[TCPD_KEEP] = 0;
	else if (tcb->state >= TCPS_ESTABLISHED && !tcb->at[TCPD_KEEP])
		tcp_keep_arm(tcp_sk(sk));
}

void tcp_rcvlowat_changed(struct s7_sock *sk)
{
	uint64_t want = 2ull * sk->rcvlowat;

	if (!(sk->bits & SKB_RCVBUF_LOCK) && want > sk->rcvbuf)
		sk->rcvbuf = (uint32_t)s7_max(sk->rcvbuf,
					      s7_min(want, tcp_iface(tcp_sk(sk))->rmem[2]));
	if (tcp_readable(sk))
		sk_event(sk, EPOLLIN | EPOLLRDNORM);
}

void tcp_accept_stats(const struct s7_sock *sk, uint32_t *ret_len, uint32_t *ret_max)
{
	*ret_len = tcb_of(sk)->accept_len;
	*ret_max = tcb_of(sk)->backlog;
}
