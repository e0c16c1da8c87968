// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_info.c - TCP_INFO, and what a connection spends its time on
 *
 * Idea: the fields are computed when somebody asks; only sums are kept. Time is one clock that runs
 * for one purpose at a time, the most interesting one: idle, busy, held back by the peer's window,
 * held back by SO_SNDBUF (as Linux' ss shows them). A field that this TCP does not know is 0.
 * Context: instance lock. Called by: stack/sock/opt_tcp.c; the clock by tcp_send.c, tcp_out.c,
 * tcp_ack.c, tcp_sendq.c.
 */
#include <linux/tcp.h>

#include "stack/tcp/tcp_int.h"

void tcp_chrono_set(struct s7_tcp_sock *ts, enum tcp_chrono what)
{
	struct s7_tcb *tcb = &ts->tcb;
	s7_time now = ts->sk.inst->now;

	if (tcb->chrono != TCPC_IDLE)
		tcb->chrono_ns[tcb->chrono - 1] += now - tcb->chrono_at;
	tcb->chrono = (uint8_t)what;
	tcb->chrono_at = now;
}

static uint32_t rcv_space(const struct s7_sock *sk)
{
	uint32_t clamp = tcp_tcb(sk)->window_clamp, space = sk->rcvbuf / 2;

	return clamp ? (uint32_t)s7_min(space, clamp) : space;
}

/* As much as cwnd may leave in a round trip, with the factors by which Linux lets it grow. */
static uint64_t pacing_rate(const struct s7_tcp_sock *ts)
{
	const struct s7_tcb *tcb = &ts->tcb;
	uint64_t cwnd = s7_max(tcb->cwnd, tcb->snd_nxt - tcb->snd_una);
	uint64_t percent = tcb->cwnd < tcb->ssthresh / 2 ? 200 : 120;
	uint64_t rate;

	if (!tcb->srtt8_us)
		return UINT64_MAX;
	rate = cwnd * (S7_SEC / S7_US) / 100 * percent * 8 / tcb->srtt8_us;
	return s7_min(rate, ts->sk.pacing_max);
}

static void info_times(const struct s7_tcb *tcb, s7_time now, struct tcp_info *info)
{
	uint64_t us[TCP_CHRONOS] = { 0 };

	for (int i = TCPC_BUSY; i < TCP_CHRONOS; i++) {
		us[i] = tcb->chrono_ns[i - 1] + (tcb->chrono == i ? now - tcb->chrono_at : 0);
		us[i] /= S7_US;
		info->tcpi_busy_time += us[i];
	}
	info->tcpi_rwnd_limited = us[TCPC_WINDOW];
	info->tcpi_sndbuf_limited = us[TCPC_SNDBUF];
}

static void info_path(const struct s7_inst *inst, const struct s7_tcb *tcb, struct tcp_info *info)
{
	info->tcpi_ca_state = tcb->ca_state;
	info->tcpi_rto = tcp_rto_us(tcb);
	info->tcpi_snd_mss = tcb->mss;
	info->tcpi_rcv_mss = tcb->rcv_mss;
	info->tcpi_unacked = (tcb->snd_nxt - tcb->snd_una + tcb->mss - 1) / tcb->mss;
	info->tcpi_sacked = tcp_sacked_segs(tcb);
	info->tcpi_lost = (tcb->sq.lost + tcb->mss - 1) / tcb->mss;
	info->tcpi_retrans = (tcb->sq.retrans + tcb->mss - 1) / tcb->mss;
	info->tcpi_pmtu = tcb->dst.is_v4 ? (uint32_t)s7_min(tcb->dst.mtu, UINT16_MAX) :
					   tcb->dst.mtu;
	info->tcpi_rtt = tcb->srtt8_us >> 3;
	info->tcpi_rttvar = tcb->rttvar4_us >> 2;
	info->tcpi_min_rtt = tcb->min_rtt_us;
	info->tcpi_snd_ssthresh =
		tcb->ssthresh >= TCP_CWND_MAX ? 0x7fffffff : tcb->ssthresh / tcb->mss;
	info->tcpi_snd_cwnd = tcb->cwnd / tcb->mss;
	/* whose SYN was answered with timestamps takes them off, as in Linux */
	info->tcpi_advmss = tcp_mss_announced(inst, &tcb->dst, tcb->user_mss);
	if (tcb->bits & TCB_TS && !(tcb->bits & TCB_ACCEPTED))
		info->tcpi_advmss -= 12;
	info->tcpi_reordering = tcb->reordering;
	info->tcpi_reord_seen = tcb->reord_seen;
	info->tcpi_dsack_dups = tcb->dsacks;
	info->tcpi_delivered = tcb->delivered;
	info->tcpi_delivered_ce = tcb->delivered_ce;
	info->tcpi_bytes_retrans = tcb->bytes_retrans;
	info->tcpi_rcv_rtt = tcb->rcv_rtt_us;
	info->tcpi_rcv_space = tcb->space_bytes;
	info->tcpi_snd_wnd = tcb->snd_wnd;
	info->tcpi_rcv_ooopack = tcb->oo_pkts;
}

uint32_t tcp_get_info(const struct s7_sock *sk, void *buf, uint32_t len)
{
	const struct s7_tcp_sock *ts = s7_container(sk, const struct s7_tcp_sock, sk);
	const struct s7_tcb *tcb = &ts->tcb;
	s7_time now = sk->inst->now;
	struct tcp_info info;

	memset(&info, 0, sizeof(info));
	len = (uint32_t)s7_min(len, sizeof(info));
	info.tcpi_state = tcp_state_linux(sk);
	if (tcb->at[TCPD_PERSIST])
		info.tcpi_probes = (uint8_t)tcb->retries;
	else
		info.tcpi_retransmits = (uint8_t)tcb->retries;
	info.tcpi_probes += (uint8_t)tcb->keep_sent;
	info.tcpi_backoff = (uint8_t)tcb->backoff;
	info.tcpi_options = (tcb->bits & TCB_TS ? TCPI_OPT_TIMESTAMPS : 0) |
			    (tcb->bits & TCB_SACK ? TCPI_OPT_SACK : 0) |
			    (tcb->bits & TCB_WSCALE ? TCPI_OPT_WSCALE : 0) |
			    (tcb->bits & TCB_ECN ? TCPI_OPT_ECN : 0) |
			    (tcb->bits & TCB_ECN_SEEN ? TCPI_OPT_ECN_SEEN : 0);
	if (tcb->tfo && tcb->tfo->taken)
		info.tcpi_options |= TCPI_OPT_SYN_DATA;
	if (tcb->tfo)
		info.tcpi_fastopen_client_fail = tcb->tfo->failure & 3;
	info.tcpi_snd_wscale = tcb->snd_wscale & 15;
	info.tcpi_rcv_wscale = tcb->rcv_wscale & 15;
	if (tcb->state == TCPS_LISTEN) {
		info.tcpi_unacked = tcb->accept_len;
		info.tcpi_sacked = tcb->backlog;
		memcpy(buf, &info, len);
		return len;
	}
	info_path(sk->inst, tcb, &info);
	info_times(tcb, now, &info);
	info.tcpi_rcv_ssthresh = rcv_space(sk);
	info.tcpi_ato = tcb->bytes_received ? tcp_iface(ts)->delack_ms * 1000 : 0;
	info.tcpi_pacing_rate = pacing_rate(ts);
	info.tcpi_max_pacing_rate = sk->pacing_max;
	info.tcpi_data_segs_in = tcb->data_segs_in;
	info.tcpi_data_segs_out = tcb->data_segs_out;
	info.tcpi_total_retrans = tcb->total_retrans;
	info.tcpi_bytes_acked = tcb->bytes_acked;
	info.tcpi_bytes_received = tcb->bytes_received;
	info.tcpi_bytes_sent = tcb->bytes_sent;
	info.tcpi_segs_in = (uint32_t)tcb->segs_in;
	info.tcpi_segs_out = (uint32_t)tcb->segs_out;
	info.tcpi_notsent_bytes = tcb->write_seq - tcb->snd_nxt;
	if (tcb->last_tx)
		info.tcpi_last_data_sent = (uint32_t)((now - tcb->last_tx) / S7_MS);
	if (tcb->last_rx)
		info.tcpi_last_ack_recv = (uint32_t)((now - tcb->last_rx) / S7_MS);
	if (tcp_synchronized(tcb)) /* the handshake counts */
		info.tcpi_last_data_recv =
			(uint32_t)((now - s7_max(sk->last_rx, tcb->begun_at)) / S7_MS);
	memcpy(buf, &info, len);
	return len;
}
