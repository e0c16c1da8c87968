// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_opt_more.c - the options that few programs set: saved SYNs, pacing, bounds of the timers
 *
 * A saved SYN (TCP_SAVE_SYN) is the packet itself, held by the half-open connection and then by
 * the child until it is read once or the connection is freed; its data begins at the IP header.
 * Pacing (SO_MAX_PACING_RATE): after a burst of n bytes the next one may leave n / rate later. The
 * wheel ticks in milliseconds, so what was missed between two ticks is caught up, but no more.
 * Context: instance lock. Called by: stack/sock/opt_tcp.c, opt_socket_more.c, tcp_out.c, tcp_in.c,
 * tcp_req.c, tcp_child.c.
 */
#include "stack/tcp/tcp_int.h"

#define PACE_CATCH_UP (2 * WHEEL_TICK_NS)
#define MAC_LEN 14

/* ---- pacing ---- */

void tcp_pacing_changed(struct s7_sock *sk)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);

	ts->tcb.pace_at = 0;
	if (tcp_synchronized(&ts->tcb) && ts->tcb.sq.next)
		tcp_output(ts);
}

bool tcp_pace_holds(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->pace_at <= ts->sk.inst->now)
		return false;
	tcp_deadline_set(ts, TCPD_PACE, tcb->pace_at);
	return true;
}

void tcp_pace_sent(struct s7_tcp_sock *ts, uint32_t bytes)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint64_t rate = ts->sk.pacing_max ? ts->sk.pacing_max : 1;
	s7_time now = ts->sk.inst->now;

	tcb->pace_at = s7_max(tcb->pace_at, now - s7_min(now, PACE_CATCH_UP));
	tcb->pace_at += (s7_time)bytes * S7_SEC / rate;
}

uint32_t tcp_pace_burst(const struct s7_tcp_sock *ts, uint32_t limit)
{
	uint32_t mss = ts->tcb.mss;
	uint64_t tick = ts->sk.pacing_max / (S7_SEC / WHEEL_TICK_NS);

	return (uint32_t)s7_max(s7_min(limit, tick) / mss * mss, mss);
}

/* ---- the saved SYN ---- */

int tcp_set_save_syn(struct s7_sock *sk, int how)
{
	tcp_sk(sk)->tcb.save_syn = (uint8_t)how;
	return 0;
}

int tcp_get_save_syn(const struct s7_sock *sk)
{
	return tcp_tcb(sk)->save_syn;
}

void tcp_syn_keep(struct s7_tcp_req *req, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	/* a header that was put together from pieces has no IP header in front */
	if (!pkt->l3_len || pkt_headroom(pkt) < pkt->l3_len)
		return;
	pkt_hold(pkt);
	pkt_push(pkt, pkt->l3_len);
	req->syn = pkt;
	req->syn_len = (uint16_t)(pkt->l3_len + seg->h.hdr_len);
}

/* Frames of lo have no link header; Linux shows an empty one there. */
static void mac_header(const struct s7_sock *sk, const struct s7_pkt *pkt, uint8_t *mac)
{
	bool is_v4 = pkt->data[0] >> 4 == 4;

	if (pkt->iface != S7_IFACE_LO && pkt_headroom(pkt) >= MAC_LEN) {
		memcpy(mac, pkt->data - MAC_LEN, MAC_LEN);
		return;
	}
	(void)sk;
	memset(mac, 0, MAC_LEN - 2);
	mac[MAC_LEN - 2] = is_v4 ? 0x08 : 0x86;
	mac[MAC_LEN - 1] = is_v4 ? 0x00 : 0xdd;
}

int tcp_take_saved_syn(struct s7_sock *sk, void *buf, uint32_t *len)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;
	uint32_t mac = tcb->save_syn == 2 ? MAC_LEN : 0, room = *len;

	*len = 0;
	if (!tcb->saved_syn)
		return 0;
	*len = mac + tcb->saved_syn_len;
	if (room < *len)
		return -EINVAL;
	if (mac)
		mac_header(sk, tcb->saved_syn, buf);
	pkt_read(tcb->saved_syn, 0, (uint8_t *)buf + mac, tcb->saved_syn_len);
	tcp_syn_forget(sk);
	return 0;
}

void tcp_syn_forget(struct s7_sock *sk)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;

	if (!tcb->saved_syn)
		return;
	pkt_free(sk->inst, tcb->saved_syn);
	tcb->saved_syn = NULL;
}

/* ---- bounds of the timers ---- */

static uint32_t ticks_up(const struct s7_sock *sk, uint32_t us, uint32_t tick_us)
{
	(void)sk;
	return (us + tick_us - 1) / tick_us * tick_us;
}

/* From two ticks of the kernel's clock up to `max_us`; rounded up to a tick. */
static int set_ticks(const struct s7_sock *sk, int us, uint32_t max_us, uint32_t *ret_us)
{
	uint32_t tick_us = sk->inst->params.tick_us ? sk->inst->params.tick_us : 4000, rounded;

	if (us < 0 || (uint32_t)us > max_us)
		return -EINVAL;
	rounded = ticks_up(sk, (uint32_t)us, tick_us);
	if (rounded < 2 * tick_us)
		return -EINVAL;
	*ret_us = rounded;
	return 0;
}

int tcp_set_rto_min(struct s7_sock *sk, int us)
{
	return set_ticks(sk, us, TCP_RTO_MIN_MOST_US, &tcp_sk(sk)->tcb.rto_min_us);
}

int tcp_get_rto_min(const struct s7_sock *sk)
{
	uint32_t us = tcp_tcb(sk)->rto_min_us;

	return (int)(us ? us : sk->inst->params.tcp_min_rto_ms * 1000);
}

int tcp_set_delack_max(struct s7_sock *sk, int us)
{
	return set_ticks(sk, us, TCP_DELACK_MOST_US, &tcp_sk(sk)->tcb.delack_max_us);
}

int tcp_get_delack_max(const struct s7_sock *sk)
{
	uint32_t us = tcp_tcb(sk)->delack_max_us;

	return (int)(us ? us : TCP_DELACK_MOST_US);
}

int tcp_set_rto_max(struct s7_sock *sk, int ms)
{
	uint32_t tick_us = sk->inst->params.tick_us ? sk->inst->params.tick_us : 4000;

	if (ms < 1000 || ms > (int)(TCP_RTO_MAX_US / 1000))
		return -EINVAL;
	tcp_sk(sk)->tcb.rto_max_us = ticks_up(sk, (uint32_t)ms * 1000, tick_us);
	return 0;
}

int tcp_get_rto_max(const struct s7_sock *sk)
{
	return (int)(tcp_rto_max_us(tcp_tcb(sk)) / 1000);
}

int tcp_set_thin_timeouts(struct s7_sock *sk, int on)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;

	tcb->bits = on ? tcb->bits | TCB_THIN_TIMEOUTS : tcb->bits & ~(uint32_t)TCB_THIN_TIMEOUTS;
	return 0;
}

int tcp_get_thin_timeouts(const struct s7_sock *sk)
{
	return !!(tcp_tcb(sk)->bits & TCB_THIN_TIMEOUTS);
}

/* ---- packets that leave later ---- */

#define TX_DELAY_LIMIT (1 << 28) /* Linux's: a round trip time is kept in eighths of a us */

/*
 * What is measured from now on contains the delay: the estimate takes it in at once, as in Linux.
 */
int tcp_set_tx_delay(struct s7_sock *sk, int us)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;
	int64_t srtt8 = (int64_t)tcb->srtt8_us + ((int64_t)us - tcb->tx_delay_us) * 8;

	if (us < 0 || us >= TX_DELAY_LIMIT)
		return -EINVAL;
	if (tcb->state == TCPS_ESTABLISHED && tcb->srtt8_us && srtt8 > 0) {
		tcb->rto_us += (uint32_t)(srtt8 / 8) - (tcb->srtt8_us >> 3);
		tcb->srtt8_us = (uint32_t)s7_min(srtt8, INT32_MAX);
	}
	tcb->tx_delay_us = (uint32_t)us;
	return 0;
}

int tcp_get_tx_delay(const struct s7_sock *sk)
{
	return (int)tcp_tcb(sk)->tx_delay_us;
}

/* ---- clock and routes ---- */

int tcp_get_timestamp(const struct s7_sock *sk)
{
	return (int)(tcp_ms(sk->inst) + tcp_tcb(sk)->ts_offset);
}

void tcp_forget_route(struct s7_sock *sk)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;

	if (tcp_synchronized(tcb))
		tcb->dst.generation--; /* stale: the next segment asks again */
}
