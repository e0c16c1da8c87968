/* SPDX-License-Identifier: BSD-3-Clause */
/* test_route_lookup.c - longest prefix, own addresses, the kernel as second carrier, sources, path
 * MTU */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/rtnetlink.h>

#include "stack/ip/route.h"
#include "test/support/mini.h"

static int look(struct mini *m, const char *to, struct s7_dst *dst)
{
	struct s7_ip ip = mini_addr(to);

	memset(dst, 0xaa, sizeof(*dst));
	return dst_lookup(m->inst, &ip, NULL, 0, dst);
}

Test(route, longest_prefix_then_lowest_metric)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_route routes[] = {
		{ .to = mini_addr("0.0.0.0"),
		  .prefix_len = 96,
		  .iface = 1,
		  .via = mini_addr("10.0.0.9") },
		{ .to = mini_addr("10.0.0.0"), .prefix_len = 120, .iface = 1 },
		{ .to = mini_addr("20.0.0.0"),
		  .prefix_len = 104,
		  .iface = 1,
		  .metric = 5,
		  .via = mini_addr("10.0.0.5") },
		{ .to = mini_addr("20.0.0.0"),
		  .prefix_len = 104,
		  .iface = 1,
		  .metric = 1,
		  .via = mini_addr("10.0.0.6") },
		{ .to = mini_addr("20.1.0.0"), .prefix_len = 112, .owner = ROUTE_KERNEL },
		{ .to = mini_addr("20.1.1.1"),
		  .prefix_len = 128,
		  .owner = ROUTE_NONE,
		  .type = RTN_PROHIBIT },
		{ .to = mini_addr("20.1.1.2"),
		  .prefix_len = 128,
		  .owner = ROUTE_NONE,
		  .type = RTN_UNREACHABLE },
	};
	struct s7_ip hop;
	struct s7_dst dst;

	cr_assert_eq(route_set(m->inst, routes, S7_ARRAY_LEN(routes)), 0);
	for (int twice = 0; twice < 2; twice++) {
		cr_assert_eq(look(m, "20.0.0.1", &dst), 0);
		hop = mini_addr("10.0.0.6");
		cr_assert(ip_equal(&dst.hop, &hop) && dst.owner == ROUTE_STACK);
		cr_assert_eq(look(m, "20.1.0.1", &dst), 0);
		cr_assert_eq(dst.owner, ROUTE_KERNEL);
		cr_assert_eq(look(m, "20.1.1.1", &dst), -EACCES);
		cr_assert_eq(look(m, "20.1.1.2", &dst), -EHOSTUNREACH);
		cr_assert_eq(look(m, "8.8.8.8", &dst), 0);
		hop = mini_addr("10.0.0.9");
		cr_assert(ip_equal(&dst.hop, &hop));
		cr_assert_eq(look(m, "10.0.0.77", &dst), 0);
		cr_assert(ip_equal(&dst.hop, &dst.dst));
	}
	cr_assert_not(dst_stale(m->inst, &dst));
	cr_assert_eq(route_set(m->inst, routes, 0), 0);
	cr_assert(dst_stale(m->inst, &dst));
	cr_assert_eq(look(m, "20.0.0.1", &dst), -ENETUNREACH);
	m->inst->params.kernel_fallback = true;
	cr_assert_eq(look(m, "20.0.0.1", &dst), 0);
	cr_assert_eq(dst.owner, ROUTE_KERNEL);
	cr_assert_eq(mini_free(m), 0);
}

Test(route, own_addresses)
{
	static const struct {
		bool loopback, shared;
		const char *to, *src;
		enum s7_route_owner owner;
	} cases[] = {
		{ false, false, "127.0.0.1", NULL, ROUTE_KERNEL },
		{ true, false, "127.0.0.2", "127.0.0.1", ROUTE_STACK },
		{ false, false, MINI_US, MINI_US, ROUTE_STACK },
		{ false, true, MINI_US, NULL, ROUTE_KERNEL },
		{ true, true, MINI_US, MINI_US, ROUTE_STACK },
		{ true, false, "0.0.0.0", "127.0.0.1", ROUTE_STACK },
	};

	for (uint32_t i = 0; i < S7_ARRAY_LEN(cases); i++) {
		struct mini *m = mini_new(IFACE_UP | (cases[i].shared ? IFACE_SHARED : 0),
					  cases[i].loopback);
		struct s7_dst dst;

		cr_assert_eq(look(m, cases[i].to, &dst), 0);
		cr_assert_eq(dst.owner, cases[i].owner, "case %u", i);
		if (cases[i].src) {
			struct s7_ip src = mini_addr(cases[i].src);

			cr_assert(ip_equal(&dst.src, &src), "case %u", i);
			cr_assert(dst.iface == S7_IFACE_LO && dst.link_len == 0 &&
				  dst.mtu == IFACE_LO_MTU);
		}
		cr_assert_eq(mini_free(m), 0);
	}
}

Test(route, path_mtu_is_learned_and_forgotten)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_ip far = mini_addr("9.9.9.9");
	struct s7_dst dst;

	cr_assert_eq(look(m, "9.9.9.9", &dst), 0);
	cr_assert_eq(dst.mtu, 1500);
	ip_pmtu_learn(m->inst, &far, 1400);
	cr_assert(dst_stale(m->inst, &dst));
	ip_pmtu_learn(m->inst, &far, 1450); /* a larger one is no news */
	cr_assert_eq(look(m, "9.9.9.9", &dst), 0);
	cr_assert_eq(dst.mtu, 1400);
	cr_assert_eq(look(m, "9.9.9.8", &dst), 0);
	cr_assert_eq(dst.mtu, 1500);
	ip_pmtu_learn(m->inst, &far, 100);
	cr_assert_eq(look(m, "9.9.9.9", &dst), 0);
	cr_assert_eq(dst.mtu, PMTU_MIN);
	m->inst->now += PMTU_LIFE + 1;
	cr_assert_eq(look(m, "9.9.9.9", &dst), 0);
	cr_assert_eq(dst.mtu, 1500);
	cr_assert_eq(mini_free(m), 0);
}

Test(route, classes)
{
	struct mini *m = mini_new(IFACE_UP, false);

	cr_assert_eq(ip4_classify(m->inst, inet_addr(MINI_US)), IP4_LOCAL);
	cr_assert_eq(ip4_classify(m->inst, inet_addr("10.0.0.255")), IP4_BROADCAST);
	cr_assert_eq(ip4_classify(m->inst, inet_addr("10.0.1.255")), IP4_OTHER);
	cr_assert_eq(ip4_classify(m->inst, 0xffffffff), IP4_BROADCAST);
	cr_assert_eq(ip4_classify(m->inst, inet_addr("224.0.0.1")), IP4_MULTICAST);
	cr_assert_eq(ip4_classify(m->inst, inet_addr("240.0.0.1")), IP4_OTHER);
	cr_assert_eq(ip4_classify(m->inst, inet_addr("127.255.255.255")), IP4_LOOPBACK);
	cr_assert_eq(ip4_classify(m->inst, 0), IP4_ANY);
	cr_assert_eq(mini_free(m), 0);
}
