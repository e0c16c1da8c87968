// SPDX-License-Identifier: BSD-3-Clause
/*
 * cc.c - congestion controls by index, and what they share
 *
 * Idea: the arena holds no function pointers, so a connection keeps an index into this table. A
 * control only answers two questions, how far to back off and how to grow; when to do either is
 * recovery's (tcp_recovery.c), so RACK or pacing come in without touching it. Windows are in
 * bytes. Slow start counts bytes acknowledged, all of them (RFC 9406 4.2, as Linux).
 * Context: instance lock. Called by: tcp_ack.c, tcp_recovery.c, tcp_out.c, tcp_opt_api.c.
 */
#include "stack/tcp/tcp_int.h"

const struct tcp_cc_ops *const tcp_cc_table[TCP_CC_COUNT] = {
	&tcp_cc_cubic,
	&tcp_cc_newreno,
};

int tcp_cc_index(const char *name, size_t len)
{
	for (int i = 0; i < TCP_CC_COUNT; i++) {
		const char *have = tcp_cc_table[i]->name;

		if (strnlen(name, len) == strlen(have) && !memcmp(name, have, strlen(have)))
			return i;
	}
	return -ENOENT;
}

uint32_t tcp_cc_slow_start(struct s7_tcb *tcb, uint32_t acked)
{
	uint32_t grow = acked;
	uint32_t room = tcb->ssthresh > tcb->cwnd ? tcb->ssthresh - tcb->cwnd : 0;

	if (grow <= room) {
		tcb->cwnd = (uint32_t)s7_min(tcb->cwnd + grow, TCP_CWND_MAX);
		return 0;
	}
	tcb->cwnd += room;
	return grow - room;
}

uint32_t tcp_init_segs(const struct s7_tcp_sock *ts)
{
	const struct s7_metrics *metrics = ts->tcb.dst.metrics;

	if (s7_unlikely(metrics != NULL) && metrics->init_cwnd)
		return (uint32_t)s7_min(metrics->init_cwnd, TCP_INIT_SEGS_MAX);
	return tcp_iface(ts)->init_cwnd;
}

/* RFC 6928, by the configured number of segments. */
uint32_t tcp_cwnd_init(const struct s7_tcp_sock *ts)
{
	return tcp_init_segs(ts) * ts->tcb.mss;
}
