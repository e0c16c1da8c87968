/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tcp_units.c - the parts of TCP that need no peer: header, options, RTT, congestion control,
 * states
 */
#include <criterion/criterion.h>
#include <signal.h>

#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

Test(tcp_hdr, round_trip)
{
	struct tcp_hdr h = { .src = 80, .dst = 40000, .seq = 0xfffffff0, .ack = 7, .hdr_len = 32,
			     .flags = TCPF_ACK | TCPF_PSH, .wnd = 501, .csum = 0x1234, .urg = 9 };
	uint8_t bytes[60] = { 0 };
	struct tcp_hdr got;

	tcp_hdr_write(bytes, &h);
	cr_assert_eq(tcp_hdr_read(bytes, sizeof(bytes), &got), 0);
	cr_assert_eq(memcmp(&h, &got, sizeof(h)), 0);
	cr_assert_eq(tcp_hdr_read(bytes, 31, &got), -EINVAL); /* cut inside the options */
	cr_assert_eq(tcp_hdr_read(bytes, 19, &got), -EINVAL);
	bytes[12] = 4 << 4; /* data offset below the minimum */
	cr_assert_eq(tcp_hdr_read(bytes, sizeof(bytes), &got), -EINVAL);
}

Test(tcp_opts, syn_round_trip)
{
	struct tcp_opts o = { .bits = TCPO_MSS | TCPO_WSCALE | TCPO_SACK_OK | TCPO_TS, .mss = 1460,
			      .wscale = 7, .ts_val = 1, .ts_ecr = 2 }, got;
	uint8_t bytes[TCP_OPTS_MAX];
	uint32_t len = tcp_opts_write(bytes, &o);

	cr_assert_eq(len, tcp_opts_len(&o));
	cr_assert_eq(len % 4, 0);
	cr_assert_eq(tcp_opts_read(bytes, len, true, &got), 0);
	cr_assert_eq(got.bits, o.bits);
	cr_assert_eq(got.mss, 1460);
	cr_assert_eq(got.wscale, 7);
	/* on other segments MSS, scale and SACK-permitted mean nothing */
	cr_assert_eq(tcp_opts_read(bytes, len, false, &got), 0);
	cr_assert_eq(got.bits, TCPO_TS);
}

Test(tcp_opts, sacks_and_timestamps_fit)
{
	struct tcp_opts o = { .bits = TCPO_TS,
			      .sack_count = 3,
			      .sack = { { 1, 2 }, { 3, 4 }, { 5, 6 } } };
	uint8_t bytes[TCP_OPTS_MAX];
	struct tcp_opts got;

	cr_assert_eq(tcp_opts_write(bytes, &o), 40);
	cr_assert_eq(tcp_opts_read(bytes, 40, false, &got), 0);
	cr_assert_eq(got.sack_count, 3);
	cr_assert_eq(got.sack[2].end, 6);
}

Test(tcp_opts, malformed)
{
	static const struct {
		uint8_t bytes[8];
		uint32_t len;
		int want;
	} cases[] = {
		{ { 2 }, 1, -EINVAL },				/* kind without length */
		{ { 2, 0 }, 2, -EINVAL },			/* length 0 */
		{ { 2, 1 }, 2, -EINVAL },			/* length 1 */
		{ { 2, 4, 5 }, 3, -EINVAL },			/* beyond the end */
		{ { 2, 3, 5 }, 3, -EINVAL },			/* MSS of three bytes */
		{ { 3, 2 }, 2, -EINVAL },			/* scale without value */
		{ { 5, 6, 1, 2, 3, 4 }, 6, -EINVAL },		/* half a SACK block */
		{ { 1, 1, 1, 0 }, 4, 0 },			/* padding */
		{ { 0, 255, 255 }, 3, 0 },			/* rubbish behind the end */
		{ { 99, 4, 1, 2 }, 4, 0 },			/* unknown: skipped */
		{ { 2, 4, 0, 0 }, 4, 0 },			/* MSS 0: ignored */
	};
	struct tcp_opts o;

	for (size_t i = 0; i < S7_ARRAY_LEN(cases); i++)
		cr_assert_eq(
			tcp_opts_read(cases[i].bytes, cases[i].len, cases[i].bytes[0] != 5, &o),
			cases[i].want, "case %zu", i);
	cr_assert_eq(o.bits, 0);
}

Test(tcp_opts, scale_is_bounded)
{
	uint8_t bytes[4] = { 1, 3, 3, 200 };
	struct tcp_opts o;

	cr_assert_eq(tcp_opts_read(bytes, 4, true, &o), 0);
	cr_assert_eq(o.wscale, 14);
}

static struct sim *one_host(struct s7_tcp_sock **ret_ts)
{
	struct sim_setup setup = { .delay_ns = 0 };
	struct sim *sim = sim_new(&setup);

	*ret_ts = tcp_sk(sim_socket(&sim->host[0]));
	return sim;
}

Test(tcp_rtt, converges_and_is_bounded)
{
	struct s7_tcp_sock *ts;
	struct sim *sim = one_host(&ts);

	cr_assert_eq(tcp_rto_us(&ts->tcb), 1000000);
	for (int i = 0; i < 100; i++)
		tcp_rtt_sample(ts, 50000);
	cr_assert_eq(ts->tcb.srtt8_us >> 3, 50000);
	cr_assert(ts->tcb.rto_us >= 250000 && ts->tcb.rto_us < 260000, "%u", ts->tcb.rto_us);
	ts->tcb.backoff = 40;
	cr_assert_eq(tcp_rto_us(&ts->tcb), TCP_RTO_MAX_US);
	sim_free(sim);
}

/* ACKs of a full window each round trip, for `ms`. */
static void grow(struct s7_tcb *tcb, s7_time *now, uint32_t ms, uint32_t rtt_ms)
{
	for (uint32_t t = 0; t < ms; t += rtt_ms) {
		uint32_t window = tcb->cwnd;

		for (uint32_t acked = 0; acked < window; acked += 2 * tcb->mss)
			tcp_cc(tcb)->ack(tcb, 2 * tcb->mss, *now);
		*now += rtt_ms * S7_MS;
	}
}

Test(tcp_cc, slow_start_doubles)
{
	for (uint32_t cc = 0; cc < TCP_CC_COUNT; cc++) {
		struct s7_tcp_sock *ts;
		struct sim *sim = one_host(&ts);
		s7_time now = S7_SEC;

		ts->tcb.cc = cc;
		ts->tcb.mss = 1460;
		ts->tcb.cwnd = 14600;
		tcp_cc(&ts->tcb)->init(&ts->tcb);
		grow(&ts->tcb, &now, 10, 10);
		cr_assert_eq(ts->tcb.cwnd, 29200);
		sim_free(sim);
	}
}

Test(tcp_cc, newreno_adds_one_segment)
{
	struct s7_tcp_sock *ts;
	struct sim *sim = one_host(&ts);
	struct s7_tcb *tcb = &ts->tcb;
	s7_time now = S7_SEC;

	tcb->cc = 1;
	tcb->mss = 1000;
	tcb->cwnd = 100000;
	tcb->ssthresh = tcb->cwnd = tcp_cc(tcb)->ssthresh(tcb, now);
	cr_assert_eq(tcb->cwnd, 50000);
	grow(tcb, &now, 100, 10);
	cr_assert(tcb->cwnd >= 59000 && tcb->cwnd <= 61000, "%u", tcb->cwnd);
	sim_free(sim);
}

/* RFC 9438: back to W_max after K = cbrt(W_max * 0.3 / 0.4) seconds, flat around it, then beyond.
 */
Test(tcp_cc, cubic_follows_its_curve)
{
	struct s7_tcp_sock *ts;
	struct sim *sim = one_host(&ts);
	struct s7_tcb *tcb = &ts->tcb;
	s7_time now = S7_SEC;

	tcb->mss = 1000;
	tcb->cwnd = 1000000; /* 1000 segments: K = 9.09 s */
	tcb->srtt8_us = 100000 * 8;
	tcb->ssthresh = tcb->cwnd = tcp_cc(tcb)->ssthresh(tcb, now);
	cr_assert_eq(tcb->cwnd, 700000);
	grow(tcb, &now, 3000, 100);
	cr_assert(tcb->cwnd > 880000 && tcb->cwnd < 960000, "3 s: %u", tcb->cwnd);
	grow(tcb, &now, 6000, 100);
	cr_assert(tcb->cwnd > 980000 && tcb->cwnd < 1020000, "9 s: %u", tcb->cwnd);
	grow(tcb, &now, 9000, 100);
	cr_assert_gt(tcb->cwnd, 1200000);
	sim_free(sim);
}

Test(tcp_cc, names)
{
	cr_assert_eq(tcp_cc_index("cubic", 5), 0);
	cr_assert_eq(tcp_cc_index("reno\0xxx", 16), 1);
	cr_assert_eq(tcp_cc_index("cubi", 4), -ENOENT);
	cr_assert_eq(tcp_cc_index("cubicle", 7), -ENOENT);
}

#ifndef NDEBUG
Test(tcp_fsm, illegal_transition_is_caught, .signal = SIGABRT)
{
	struct s7_tcp_sock *ts;

	one_host(&ts);
	tcp_set_state(ts, TCPS_FIN_WAIT_2);
}
#endif

Test(tcp_hash, numbers_differ_and_the_clock_moves_them)
{
	struct s7_tcp_sock *ts;
	struct sim *sim = one_host(&ts);
	struct s7_inst *inst = sim->host[0].inst;
	struct s7_flow flow = {
		.local = sim->host[0].ip, .remote = sim->host[1].ip, .lport = 1, .rport = 2
	};
	uint32_t first = tcp_isn(inst, &flow), other;

	flow.lport = 3;
	other = tcp_isn(inst, &flow);
	cr_assert_neq(first, other);
	flow.lport = 1;
	inst->now += S7_MS;
	cr_assert_eq(tcp_isn(inst, &flow) - first, S7_MS / 64);
	sim_free(sim);
}
