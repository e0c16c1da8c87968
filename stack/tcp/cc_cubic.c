// SPDX-License-Identifier: BSD-3-Clause
/*
 * cc_cubic.c - CUBIC (RFC 9438)
 *
 * Idea: slow start ends before the queue is full when round trips grow (the delay half of HyStart,
 * with Linux's numbers): after eight samples of a round, their minimum is an eighth, at least 4 and
 * at most 16 ms, above the connection's. After a loss the window follows C * (t - K)^3 + W_max, t
 * since the loss, so growth depends on time and not on the round trip; where Reno would be faster,
 * Reno's estimate is taken (4.3). beta = 0.7, C = 0.4.
 * Arithmetic: windows in bytes, time in ms; the cube of ms is divided by 10^6 before it is
 * multiplied, which keeps 64 bits sufficient for 100 s and 64 KB segments.
 * Invariants: epoch 0 means that no growth has happened since the last loss. Called by: through
 * tcp_cc_table.
 */
#include "stack/tcp/tcp_int.h"

struct cubic {
	s7_time epoch;	    /* start of congestion avoidance; 0: not yet */
	uint32_t w_max;	    /* bytes, window before the last reduction (fast convergence applied) */
	uint32_t w_prior;   /* bytes, without fast convergence: when Reno's slope becomes 1 */
	uint32_t k_ms;	    /* when the cubic reaches w_max */
	uint32_t origin;    /* bytes at the plateau */
	uint32_t w_est;	    /* Reno-friendly estimate, bytes */
	uint32_t est_part;  /* thousandths of acked bytes not yet in w_est */
	uint32_t grow_part; /* fraction of cwnd growth, in units of 1/cwnd bytes, carried */
	/* HyStart */
	uint32_t round_end; /* sequence number that ends this round trip */
	uint32_t round_us, least_us; /* smallest sample of this round, of all; 0 none */
	uint8_t samples;    /* of this round */
	bool found;	    /* it ended slow start */
};

static_assert(sizeof(struct cubic) <= sizeof(((struct s7_tcb *)0)->cc_priv), "cc_priv");

#define CUBIC_T_MAX_MS 100000
#define HYSTART_LEAST_SEGS 16
#define HYSTART_SAMPLES 8
#define HYSTART_LEAST_US 4000
#define HYSTART_MOST_US 16000
#define GROW_UNKNOWN 20 /* where no peak is known, cwnd grows by a twentieth each round trip */

static struct cubic *cubic_of(struct s7_tcb *tcb)
{
	return (struct cubic *)tcb->cc_priv;
}

/* Also after a timeout: nothing of before is known any more. */
static void cubic_init(struct s7_tcb *tcb)
{
	struct cubic *cu = cubic_of(tcb);

	memset(cu, 0, sizeof(*cu));
	cu->w_prior = UINT32_MAX; /* no peak: the slow slope of Reno's estimate stays */
	cu->round_end = tcb->snd_nxt;
}

static void cubic_restart(struct s7_tcb *tcb)
{
	cubic_of(tcb)->epoch = 0;
}

/* Integer cube root, bit by bit from the top. */
static uint32_t cube_root(uint64_t x)
{
	uint64_t root = 0;

	for (int shift = 63; shift >= 0; shift -= 3) {
		uint64_t bit;

		root <<= 1;
		bit = 3 * root * (root + 1) + 1;
		if ((x >> shift) >= bit) {
			x -= bit << shift;
			root++;
		}
	}
	return (uint32_t)root;
}

static uint32_t cubic_ssthresh(struct s7_tcb *tcb, s7_time now)
{
	struct cubic *cu = cubic_of(tcb);

	(void)now;
	cu->epoch = 0;
	cu->w_prior = tcb->cwnd;
	/* 4.7 fast convergence: a flow that lost before reaching its last peak gives room to others
	 */
	cu->w_max = tcb->cwnd < cu->w_max ? (uint32_t)((uint64_t)tcb->cwnd * 17 / 20) : tcb->cwnd;
	return (uint32_t)s7_max((uint64_t)tcb->cwnd * 7 / 10, 2 * tcb->mss);
}

static void cubic_begin(struct s7_tcb *tcb, struct cubic *cu, s7_time now)
{
	cu->epoch = now;
	cu->w_est = tcb->cwnd;
	cu->est_part = 0;
	if (tcb->cwnd < cu->w_max) {
		/* K = cbrt((W_max - cwnd) / C), in ms: (segments * 10^9 * 2.5) under the root */
		cu->k_ms = cube_root((uint64_t)(cu->w_max - tcb->cwnd) * 2500000000ull / tcb->mss);
		cu->origin = cu->w_max;
	} else {
		cu->k_ms = 0;
		cu->origin = tcb->cwnd;
	}
}

/* W_cubic at t ms after the epoch, bytes. */
static uint32_t cubic_at(const struct s7_tcb *tcb, const struct cubic *cu, uint64_t t_ms)
{
	int64_t d = (int64_t)s7_min(t_ms, CUBIC_T_MAX_MS) - (int64_t)cu->k_ms;
	int64_t bytes;

	if (d < -CUBIC_T_MAX_MS)
		d = -CUBIC_T_MAX_MS;
	bytes = (int64_t)cu->origin + d * d * d / 100000 * (int64_t)tcb->mss * 4 / 100000;
	if (bytes < (int64_t)tcb->mss)
		return tcb->mss;
	return (uint32_t)s7_min((uint64_t)bytes, TCP_CWND_MAX);
}

/* 4.3: what Reno with the same beta would have reached; alpha = 9/17 until the old peak, then 1. */
static void cubic_friendly(struct s7_tcb *tcb, struct cubic *cu, uint32_t acked)
{
	uint64_t permille = cu->w_est < cu->w_prior ? 529 : 1000;
	uint64_t grow = (uint64_t)acked * tcb->mss * permille / tcb->cwnd + cu->est_part;

	cu->w_est = (uint32_t)s7_min(cu->w_est + grow / 1000, TCP_CWND_MAX);
	cu->est_part = (uint32_t)(grow % 1000);
}

static void cubic_ack(struct s7_tcb *tcb, uint32_t acked, s7_time now)
{
	struct cubic *cu = cubic_of(tcb);
	uint64_t t_ms, grow;
	uint32_t target;

	if (tcb->cwnd < tcb->ssthresh) {
		acked = tcp_cc_slow_start(tcb, acked);
		if (!acked)
			return;
	}
	if (!cu->epoch)
		cubic_begin(tcb, cu, now);
	cubic_friendly(tcb, cu, acked);
	t_ms = (now - cu->epoch) / S7_MS;
	if (cubic_at(tcb, cu, t_ms) < cu->w_est) {
		tcb->cwnd = (uint32_t)s7_max(tcb->cwnd, cu->w_est);
		return;
	}
	target = cubic_at(tcb, cu, t_ms + tcb->srtt8_us / 8000);
	if (!cu->w_max)
		target = (uint32_t)s7_max(target, tcb->cwnd + tcb->cwnd / GROW_UNKNOWN);
	target = (uint32_t)s7_min(target, (uint64_t)tcb->cwnd * 3 / 2);
	if (target <= tcb->cwnd)
		return;
	grow = (uint64_t)(target - tcb->cwnd) * acked + cu->grow_part;
	cu->grow_part = (uint32_t)(grow % tcb->cwnd);
	tcb->cwnd = (uint32_t)s7_min(tcb->cwnd + grow / tcb->cwnd, TCP_CWND_MAX);
}

static void hystart(struct s7_tcb *tcb, struct cubic *cu, uint32_t us)
{
	uint32_t more = (uint32_t)s7_min(s7_max(cu->least_us / 8, HYSTART_LEAST_US),
					 HYSTART_MOST_US);

	if (seq_gt(tcb->snd_una, cu->round_end)) {
		cu->round_end = tcb->snd_nxt;
		cu->round_us = 0;
		cu->samples = 0;
	}
	if (tcb->cwnd < HYSTART_LEAST_SEGS * tcb->mss)
		return;
	if (!cu->round_us || us < cu->round_us)
		cu->round_us = us;
	if (cu->samples < HYSTART_SAMPLES) {
		cu->samples++;
	} else if (cu->round_us > cu->least_us + more) {
		cu->found = true;
		tcb->ssthresh = tcb->cwnd;
	}
}

static void cubic_rtt(struct s7_tcb *tcb, uint32_t us, s7_time now)
{
	struct cubic *cu = cubic_of(tcb);

	if (cu->epoch && now - cu->epoch < S7_SEC) /* what follows a loss says little */
		return;
	if (!cu->least_us || us < cu->least_us)
		cu->least_us = us;
	if (!cu->found && tcb->cwnd < tcb->ssthresh)
		hystart(tcb, cu, us);
}

const struct tcp_cc_ops tcp_cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.ssthresh = cubic_ssthresh,
	.ack = cubic_ack,
	.restart = cubic_restart,
	.rtt = cubic_rtt,
};
