/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_route.c - what a route says of its path (stack/core/metrics.h), by what TCP then does
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/ip/ip.h"
#include "test/support/sim.h"

#define ADVMSS 700
#define WINDOW 3000
#define CWND 3

/* What went by on the wire. */
struct seen {
	uint32_t syn_mss[2]; /* announced by host 0, 1 */
	uint32_t longest;    /* of host 0 */
	uint32_t first_flight; /* bytes of host 0 before host 1 answered any */
	uint32_t widest;     /* window that host 0 told */
	bool answered;
};

static enum sim_verdict watch(struct sim *sim, const struct sim_seg *seg)
{
	struct seen *seen = sim->hook_arg;

	if (seg->h.flags & TCPF_SYN)
		seen->syn_mss[seg->from] = seg->opts.mss;
	else if (!seg->from)
		seen->widest = (uint32_t)s7_max(seen->widest, seg->h.wnd);
	if (!seg->from && seg->len) {
		seen->longest = (uint32_t)s7_max(seen->longest, seg->len);
		seen->first_flight += seen->answered ? 0 : seg->len;
	}
	if (seg->from && seen->first_flight)
		seen->answered = true;
	return SIM_PASS;
}

/* Host 0's only route. */
static void give_metrics(struct sim *sim, const struct s7_metrics *metrics)
{
	struct s7_route route = { .to = sim_addr(sim, 0), .iface = 1, .has_metrics = true,
				  .prefix_len = sim->setup.v6 ? 64 : IP_V4_BITS + 24,
				  .metrics = *metrics };

	route.to.b[15] = 0;
	cr_assert_eq(route_set(sim->host[0].inst, &route, 1), 0);
}

Test(route, advmss_window_initcwnd)
{
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = 5 * S7_MS, .seed = 1 });
	struct s7_metrics metrics = { .advmss = ADVMSS, .window = WINDOW, .init_cwnd = CWND };
	struct seen seen = { .longest = 0 };
	struct sim_pair pair;

	give_metrics(sim, &metrics);
	sim->hook = watch;
	sim->hook_arg = &seen;
	pair = sim_pair(sim);
	cr_expect_eq(seen.syn_mss[0], ADVMSS);
	cr_expect_gt(seen.syn_mss[1], 1400);
	cr_assert_gt(sim_transfer(sim, &pair, 100000, 100000, 60 * S7_SEC), 0);
	cr_expect_gt(seen.longest, ADVMSS, "what is sent is the path's");
	cr_expect_eq(seen.first_flight, CWND * seen.longest);
	cr_expect_leq(seen.widest << tcp_tcb(pair.a)->rcv_wscale, WINDOW + 1024);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_expect_eq(sim_end(sim), 0);
}

Test(route, mtu_bounds_segments_and_a_locked_one_stays)
{
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = S7_MS, .seed = 1 });
	struct s7_metrics metrics = { .mtu = 1400, .mtu_locked = true };
	struct s7_ip peer = sim_addr(sim, 1);
	struct seen seen = { .longest = 0 };
	struct sim_pair pair;
	struct s7_dst dst;

	give_metrics(sim, &metrics);
	sim->hook = watch;
	sim->hook_arg = &seen;
	pair = sim_pair(sim);
	ip_pmtu_learn(sim->host[0].inst, &peer, 1300);
	cr_assert_gt(sim_transfer(sim, &pair, 100000, 1000, 10 * S7_SEC), 0);
	cr_expect_eq(seen.longest, 1400 - (sim->setup.v6 ? 40 : 20) - 32);
	metrics.mtu_locked = false;
	give_metrics(sim, &metrics);
	ip_pmtu_learn(sim->host[0].inst, &peer, 1300);
	cr_assert_eq(dst_lookup(sim->host[0].inst, &peer, NULL, 0, &dst), 0);
	cr_expect_eq(dst.mtu, 1300);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_expect_eq(sim_end(sim), 0);
}

Test(route, rto_min_quickack_and_congestion_control)
{
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = S7_MS, .seed = 1 });
	struct s7_metrics metrics = { .rto_min_us = 20000, .quickack = true, .cc_locked = true,
				      .cc = (uint8_t)(tcp_cc_index("reno", 4) + 1) };
	struct sim_pair pair;

	give_metrics(sim, &metrics);
	pair = sim_pair(sim);
	cr_assert_gt(sim_transfer(sim, &pair, 20000, 20000, 10 * S7_SEC), 0);
	cr_expect_leq(tcp_tcb(pair.a)->rto_us, 100000);
	cr_expect_str_eq(tcp_get_congestion(pair.a), "reno");
	cr_expect_eq(tcp_set_congestion(pair.a, "cubic", 5), -EPERM);
	cr_expect_geq(tcp_tcb(pair.b)->rto_us, 200000, "the other end has no such route");
	((struct s7_tcb *)tcp_tcb(pair.a))->quickacks = 0;
	cr_assert_eq(sim_send(pair.b, "x", 1, 0), 1);
	sim_run(sim, 5 * S7_MS);
	cr_expect_eq(tcp_tcb(pair.b)->snd_una, tcp_tcb(pair.b)->snd_nxt, "not delayed");
	sim_close(pair.a);
	sim_close(pair.b);
	cr_expect_eq(sim_end(sim), 0);
}
