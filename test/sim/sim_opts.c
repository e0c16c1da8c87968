/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_opts.c - options of TCP by what they do, under a clock that only the test moves
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "test/support/sim.h"

#define RATE 1000000u /* bytes a second */
#define BYTES 500000u

/* A paced sender takes its time, and no less than the rate says but for a tick and a burst. */
Test(opts, pacing)
{
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = S7_MS, .seed = 1 });
	struct sim_pair pair = sim_pair(sim);
	s7_time took;

	pair.a->pacing_max = RATE;
	took = sim_transfer(sim, &pair, BYTES, 0, 20 * S7_SEC);
	cr_expect_geq(took, 450 * S7_MS);
	cr_expect_leq(took, 2 * S7_SEC);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_expect_eq(sim_end(sim), 0);
}

/* A saved SYN that nobody reads goes with its connection; one that is read goes then. */
Test(opts, saved_syn)
{
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = S7_MS, .seed = 1 });
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4), *c[2], *s[2];
	uint8_t syn[256];
	uint32_t len = sizeof(syn);

	cr_assert_eq(tcp_set_save_syn(listener, 1), 0);
	for (int i = 0; i < 2; i++) {
		c[i] = sim_connect(&sim->host[0], &sim->host[1], 80);
		sim_run(sim, 10 * S7_MS);
		s[i] = sim_accept(listener);
		cr_assert(s[i]);
	}
	cr_expect_eq(tcp_take_saved_syn(s[0], syn, &len), 0);
	cr_assert_geq(len, 40);
	cr_assert(syn[0] == 0x45 || syn[0] >> 4 == 6);
	cr_expect(syn[(syn[0] == 0x45 ? 20 : 40) + 13] & TCPF_SYN);
	len = sizeof(syn);
	cr_expect_eq(tcp_take_saved_syn(s[0], syn, &len), 0);
	cr_expect_eq(len, 0);
	for (int i = 0; i < 2; i++) {
		sim_close(c[i]);
		sim_close(s[i]);
	}
	sim_close(listener);
	cr_expect_eq(sim_end(sim), 0);
}

static enum sim_verdict drop_data(struct sim *sim, const struct sim_seg *seg)
{
	s7_time *times = sim->hook_arg;
	int i;

	if (!seg->len || seg->from)
		return SIM_PASS;
	for (i = 0; i < 4 && times[i]; i++)
		;
	if (i == 4)
		return SIM_PASS;
	times[i] = sim->now;
	return SIM_DROP;
}

/* The time between the first transmission and the second, and the second and the third. */
static void timeouts(bool (*set)(struct s7_sock *sk), s7_time ret_gap[2])
{
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = S7_MS, .seed = 1 });
	struct sim_pair pair = sim_pair(sim);
	s7_time times[4] = { 0 };

	cr_assert(set(pair.a));
	cr_assert_gt(sim_transfer(sim, &pair, 1000, 1000, S7_SEC), 0);
	sim->hook_arg = times;
	sim->hook = drop_data;
	cr_assert_eq(sim_send(pair.a, "x", 1, 0), 1);
	sim_run(sim, 5 * S7_SEC);
	cr_assert(times[3]);
	ret_gap[0] = times[2] - times[1]; /* between the probe and the first timeout */
	ret_gap[1] = times[3] - times[2];
	sim_free(sim);
}

static bool set_nothing(struct s7_sock *sk)
{
	return sk != NULL;
}

static bool set_rto_min(struct s7_sock *sk)
{
	return !tcp_set_rto_min(sk, 20000);
}

Test(opts, rto_min)
{
	s7_time plain[2], soon[2];

	timeouts(set_nothing, plain);
	timeouts(set_rto_min, soon);
	cr_expect_geq(plain[0], 200 * S7_MS);
	cr_expect_leq(soon[0], 60 * S7_MS);
	cr_expect_geq(soon[0], 20 * S7_MS);
	cr_expect_geq(plain[1], 2 * plain[0] - 10 * S7_MS);
}

#define DELAY_US 30000u

/* When host 0's segments were seen on the wire. */
struct passed {
	s7_time first_data;
	uint32_t next_seq, disorders, segs;
};

static enum sim_verdict note(struct sim *sim, const struct sim_seg *seg)
{
	struct passed *passed = sim->hook_arg;

	if (seg->from || !seg->len)
		return SIM_PASS;
	if (!passed->segs++)
		passed->first_data = sim->now;
	else if (seg->h.seq != passed->next_seq)
		passed->disorders++;
	passed->next_seq = seg->h.seq + seg->len;
	return SIM_PASS;
}

/* What is sent leaves late, in order and once; what is received does not wait. */
Test(opts, tx_delay)
{
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = S7_MS, .seed = 1 });
	struct passed passed = { .segs = 0 };
	struct sim_pair pair = sim_pair(sim);
	s7_time at = sim->now;

	cr_assert_eq(tcp_set_tx_delay(pair.a, -1), -EINVAL);
	cr_assert_eq(tcp_set_tx_delay(pair.a, 1 << 28), -EINVAL);
	cr_assert_eq(tcp_set_tx_delay(pair.a, DELAY_US), 0);
	cr_expect_eq(tcp_get_tx_delay(pair.a), DELAY_US);
	sim->hook = note;
	sim->hook_arg = &passed;
	cr_assert_gt(sim_transfer(sim, &pair, 100000, 1000, 10 * S7_SEC), 0);
	cr_expect_geq(passed.first_data - at, DELAY_US * S7_US);
	cr_expect_eq(passed.disorders, 0);
	cr_expect_eq(tcp_tcb(pair.a)->total_retrans, 0);
	cr_expect_geq(tcp_tcb(pair.a)->srtt8_us >> 3, DELAY_US);
	cr_assert_eq(tcp_set_tx_delay(pair.a, 0), 0);
	cr_expect_lt(tcp_tcb(pair.a)->srtt8_us >> 3, DELAY_US);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_expect_eq(sim_end(sim), 0);
}

/* Its RST still leaves, and nothing refers to it. */
Test(opts, tx_delay_of_a_connection_that_is_gone)
{
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = S7_MS, .seed = 1 });
	struct sim_pair pair = sim_pair(sim);

	cr_assert_eq(tcp_set_tx_delay(pair.a, DELAY_US), 0);
	cr_assert_eq(sim_send(pair.a, "late", 4, 0), 4);
	pair.a->bits |= SKB_LINGER;
	pair.a->linger_s = 0;
	sim_close(pair.a);
	sim_run(sim, DELAY_US * S7_US / 2);
	cr_expect_eq(sim_state(pair.b), TCPS_ESTABLISHED);
	sim_run(sim, DELAY_US * S7_US);
	cr_expect_eq(sim_state(pair.b), TCPS_CLOSED);
	sim_close(pair.b);
	cr_expect_eq(sim_end(sim), 0);
}
