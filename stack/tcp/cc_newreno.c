// SPDX-License-Identifier: BSD-3-Clause
/*
 * cc_newreno.c - half on loss, one segment a round trip (RFC 5681, byte counting by RFC 3465)
 *
 * Called by: through tcp_cc_table.
 */
#include "stack/tcp/tcp_int.h"

struct newreno {
	uint32_t acked; /* bytes since the last growth */
};

static_assert(sizeof(struct newreno) <= sizeof(((struct s7_tcb *)0)->cc_priv), "cc_priv");

static struct newreno *newreno_of(struct s7_tcb *tcb)
{
	return (struct newreno *)tcb->cc_priv;
}

static void newreno_init(struct s7_tcb *tcb)
{
	newreno_of(tcb)->acked = 0;
}

static uint32_t newreno_ssthresh(struct s7_tcb *tcb, s7_time now)
{
	(void)now;
	newreno_of(tcb)->acked = 0;
	return (uint32_t)s7_max(tcb->cwnd / 2, 2 * tcb->mss);
}

static void newreno_ack(struct s7_tcb *tcb, uint32_t acked, s7_time now)
{
	struct newreno *nr = newreno_of(tcb);

	(void)now;
	if (tcb->cwnd < tcb->ssthresh) {
		acked = tcp_cc_slow_start(tcb, acked);
		if (!acked)
			return;
	}
	nr->acked += acked;
	if (nr->acked < tcb->cwnd)
		return;
	nr->acked -= tcb->cwnd;
	tcb->cwnd = (uint32_t)s7_min(tcb->cwnd + tcb->mss, TCP_CWND_MAX);
}

const struct tcp_cc_ops tcp_cc_newreno = {
	.name = "reno",
	.init = newreno_init,
	.ssthresh = newreno_ssthresh,
	.ack = newreno_ack,
	.restart = newreno_init,
};
