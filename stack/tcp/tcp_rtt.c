// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_rtt.c - round trip time and retransmission timeout (RFC 6298)
 *
 * Idea: Jacobson's estimator in microseconds, srtt scaled by 8 and rttvar by 4. Samples come from
 * chunks that were sent once (Karn), else from the echoed timestamp. Like Linux the minimum (200
 * ms by default) bounds the variance part, so RTO = srtt + max(4 * rttvar, minimum).
 * Context: instance lock. Called by: tcp_ack.c, tcp_syn_sent.c, tcp_child.c.
 */
#include "stack/tcp/tcp_int.h"

uint32_t tcp_rto_min_us(const struct s7_tcp_sock *ts)
{
	const struct s7_metrics *metrics = ts->tcb.dst.metrics;

	if (s7_unlikely(metrics != NULL) && metrics->rto_min_us)
		return metrics->rto_min_us;
	return ts->tcb.rto_min_us ? ts->tcb.rto_min_us : ts->sk.inst->params.tcp_min_rto_ms * 1000;
}

void tcp_rtt_sample(struct s7_tcp_sock *ts, uint64_t us)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t floor = tcp_rto_min_us(ts);
	uint32_t rtt = (uint32_t)s7_min(us ? us : 1, TCP_RTO_MAX_US);
	int32_t delta;

	if (!tcb->srtt8_us) {
		tcb->srtt8_us = rtt << 3;
		tcb->rttvar4_us = rtt << 1;
		tcb->min_rtt_us = rtt;
	} else {
		delta = (int32_t)rtt - (int32_t)(tcb->srtt8_us >> 3);
		tcb->srtt8_us = (uint32_t)((int32_t)tcb->srtt8_us + delta);
		if (delta < 0)
			delta = -delta;
		delta -= (int32_t)(tcb->rttvar4_us >> 2);
		tcb->rttvar4_us = (uint32_t)((int32_t)tcb->rttvar4_us + delta);
		if (rtt < tcb->min_rtt_us)
			tcb->min_rtt_us = rtt;
	}
	if (tcb->state >= TCPS_ESTABLISHED && tcp_cc(tcb)->rtt)
		tcp_cc(tcb)->rtt(tcb, rtt, ts->sk.inst->now);
	tcb->backoff = 0; /* RFC 6298 5.7: the timer is believed again */
	tcb->rto_us = (tcb->srtt8_us >> 3) + (uint32_t)s7_max(tcb->rttvar4_us, floor);
}

uint32_t tcp_rto_us(const struct s7_tcb *tcb)
{
	uint64_t rto = (uint64_t)tcb->rto_us << s7_min(tcb->backoff, 20);

	return (uint32_t)s7_min(rto, tcp_rto_max_us(tcb));
}
