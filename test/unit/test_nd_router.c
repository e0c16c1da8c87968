/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nd_router.c - routers are asked and believed: default routers, prefixes, addresses, and when
 * all that ends
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/ip/ip6.h"
#include "stack/ip/router.h"
#include "stack/wire/eth.h"
#include "stack/wire/nd_ra.h"
#include "test/support/mini6.h"

#define ROUTER "fe80::77"
#define OTHER_ROUTER "fe80::88"
#define OUR_SLAAC "2001:db8:5::ff:fe00:1"
#define FAR "2001:db8:9::9"

static struct mini *start(void)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);

	cr_assert_eq(route_set(m->inst, NULL, 0), 0);
	m->sent_count = 0;
	router_start(m->inst, &m->inst->iface[1]);
	inst_flush(m->inst);
	return m;
}

/* How many solicitations went out since the last look. */
static uint32_t solicited(struct mini *m)
{
	uint32_t n = 0;
	struct s7_icmp icmp;
	struct s7_ip6 h;

	for (uint32_t i = 0; i < m->sent_count; i++) {
		if (!mini_sent_icmp6(m, i, &icmp) || icmp.type != ICMP6_T_ROUTER_SOLICIT)
			continue;
		cr_assert(mini_sent6(m, i, &h));
		cr_assert_eq(h.hops, ND_HOPS);
		cr_assert_eq(h.dst[0], 0xff);
		cr_assert_eq(h.dst[15], 2);
		n++;
	}
	m->sent_count = 0;
	return n;
}

struct advert {
	const char *src;
	uint16_t life_s;
	uint8_t preference; /* as on the wire */
	const char *prefix; /* NULL: none */
	uint8_t len, flags;
	uint32_t valid_s, preferred_s;
	uint32_t mtu;
};

static void advertise(struct mini *m, const struct advert *a)
{
	uint8_t p[RA_LEN + 8 + 8 + 32] = { ICMP6_T_ROUTER_ADVERT, [4] = 33 };
	struct mini_ip6 ip = { .src = a->src ? a->src : ROUTER, .dst = "ff02::1",
			       .hops = ND_HOPS, .data = p, .len = RA_LEN };
	struct s7_ip prefix;

	p[5] = (uint8_t)(a->preference << 3);
	put_be16(p + 6, a->life_s);
	memcpy(p + ip.len, (uint8_t[]){ 1, 1, 2, 0, 0, 0, 0, 0x77 }, 8);
	ip.len += 8;
	if (a->mtu) {
		memcpy(p + ip.len, (uint8_t[]){ 5, 1 }, 2);
		put_be32(p + ip.len + 4, a->mtu);
		ip.len += 8;
	}
	if (a->prefix) {
		prefix = mini_addr6(a->prefix);
		memcpy(p + ip.len, (uint8_t[]){ 3, 4, a->len, a->flags }, 4);
		put_be32(p + ip.len + 4, a->valid_s);
		put_be32(p + ip.len + 8, a->preferred_s);
		memcpy(p + ip.len + 16, prefix.b, 16);
		ip.len += 32;
	}
	mini_in_icmp6(m, &ip);
}

static const struct advert usual = { .life_s = 1800, .prefix = "2001:db8:5::", .len = 64,
				     .flags = 0xc0, .valid_s = 86400, .preferred_s = 14400,
				     .mtu = 1400 };

static const struct s7_iface_addr *address(struct mini *m, const char *text)
{
	struct s7_ip ip = mini_addr6(text);

	return ip6_addr_of(&m->inst->iface[1], &ip);
}

static int look(struct mini *m, const char *to, struct s7_dst *dst)
{
	struct s7_ip ip = mini_addr6(to);

	return dst_lookup(m->inst, &ip, NULL, 0, dst);
}

Test(nd_router, asks_until_one_answers)
{
	struct mini *m = start();

	cr_expect_eq(solicited(m), 1);
	mini_wait(m, 5 * S7_SEC);
	cr_expect_eq(solicited(m), 1);
	mini_wait(m, 5 * S7_SEC);
	cr_expect_eq(solicited(m), 0, "after 8 s");
	mini_wait(m, 4 * S7_SEC);
	cr_expect_eq(solicited(m), 1);
	advertise(m, &(struct advert){ .life_s = 0 });
	mini_wait(m, 100 * S7_SEC);
	cr_expect_eq(solicited(m), 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_router, router_prefix_and_address)
{
	struct mini *m = start();
	struct s7_ip router = mini_addr6(ROUTER), own = mini_addr6(OUR_SLAAC);
	struct s7_dst dst;

	cr_expect_lt(look(m, FAR, &dst), 0);
	advertise(m, &usual);
	cr_assert_not_null(address(m, OUR_SLAAC));
	cr_assert_eq(look(m, FAR, &dst), 0);
	cr_expect(ip_equal(&dst.hop, &router));
	cr_expect_eq(dst.mtu, 1400);
	cr_expect_eq(dst_hop_limit(&dst), 33);
	cr_assert_eq(look(m, "2001:db8:5::1234", &dst), 0);
	cr_expect(ip_equal(&dst.hop, &dst.dst), "on link");
	cr_expect(ip_equal(&dst.src, &own));
	/* what boot and keeper replace are the others */
	cr_assert_eq(route_set(m->inst, NULL, 0), 0);
	iface_set_addrs(m->inst, &m->inst->iface[1], NULL, 0);
	cr_expect_not_null(address(m, OUR_SLAAC));
	cr_expect_eq(look(m, FAR, &dst), 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_router, all_of_it_ends)
{
	struct mini *m = start();
	struct advert a = usual;
	struct s7_dst dst;

	a.life_s = 100;
	a.preferred_s = 50;
	a.valid_s = 200;
	advertise(m, &a);
	mini_wait(m, 60 * S7_SEC);
	cr_assert_not_null(address(m, OUR_SLAAC));
	cr_expect(address(m, OUR_SLAAC)->flags & ADDR_DEPRECATED);
	cr_expect_eq(look(m, FAR, &dst), 0);
	a.life_s = 0;
	a.preferred_s = 100;
	advertise(m, &a);
	cr_expect_not(address(m, OUR_SLAAC)->flags & ADDR_DEPRECATED);
	cr_expect_lt(look(m, FAR, &dst), 0, "no default router any more");
	cr_expect_eq(look(m, "2001:db8:5::1234", &dst), 0);
	mini_wait(m, 210 * S7_SEC);
	cr_expect_null(address(m, OUR_SLAAC));
	cr_expect_lt(look(m, "2001:db8:5::1234", &dst), 0);
	cr_assert_eq(mini_free(m), 0);
}

/* RFC 4191: the preferred one; its end leaves the other. */
Test(nd_router, the_preferred_router)
{
	struct mini *m = start();
	struct s7_ip high = mini_addr6(OTHER_ROUTER), medium = mini_addr6(ROUTER);
	struct advert a = usual;
	struct s7_dst dst;

	advertise(m, &a);
	a.src = OTHER_ROUTER;
	a.preference = 1;
	a.life_s = 30;
	advertise(m, &a);
	cr_assert_eq(look(m, FAR, &dst), 0);
	cr_expect(ip_equal(&dst.hop, &high));
	mini_wait(m, 40 * S7_SEC);
	cr_assert_eq(look(m, FAR, &dst), 0);
	cr_expect(ip_equal(&dst.hop, &medium));
	cr_assert_eq(mini_free(m), 0);
}

/* RFC 4862 5.5.3 e */
Test(nd_router, a_lifetime_is_not_cut_below_two_hours)
{
	struct mini *m = start();
	struct advert a = usual;

	advertise(m, &a);
	a.valid_s = a.preferred_s = 10;
	advertise(m, &a);
	mini_wait(m, 7100 * S7_SEC);
	cr_expect_not_null(address(m, OUR_SLAAC));
	mini_wait(m, 200 * S7_SEC);
	cr_expect_null(address(m, OUR_SLAAC));
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_router, what_is_not_believed)
{
	static const struct advert wrong[] = {
		{ .src = MINI_PEER6, .life_s = 1800, .prefix = "2001:db8:5::", .len = 64,
		  .flags = 0xc0, .valid_s = 100, .preferred_s = 100 },
		{ .prefix = "2001:db8:5::", .len = 48, .flags = 0x40, .valid_s = 100,
		  .preferred_s = 100 },
		{ .prefix = "2001:db8:5::", .len = 64, .flags = 0x40, .valid_s = 99,
		  .preferred_s = 100 },
		{ .prefix = "2001:db8:5::", .len = 64, .flags = 0x40 },
		{ .prefix = "fe80::", .len = 64, .flags = 0xc0, .valid_s = 100,
		  .preferred_s = 100 },
		{ .mtu = 1279 }, { .mtu = 1501 },
	};
	uint8_t looped[RA_LEN + 8] = { ICMP6_T_ROUTER_ADVERT, [6] = 1, [RA_LEN] = 1 };
	struct mini_ip6 ip = { .src = ROUTER, .dst = "ff02::1", .hops = ND_HOPS, .data = looped,
			       .len = sizeof(looped) };
	struct mini *m = start();
	struct s7_dst dst;
	uint32_t count = m->inst->iface[1].addr6_count;

	for (uint32_t i = 0; i < S7_ARRAY_LEN(wrong); i++) {
		advertise(m, &wrong[i]);
		cr_expect_eq(m->inst->iface[1].addr6_count, count, "%u", i);
		cr_expect_lt(look(m, FAR, &dst), 0, "%u", i);
		cr_expect_eq(m->inst->routers->iface[1].mtu, 0, "%u", i);
	}
	mini_in_icmp6(m, &ip);
	cr_expect_lt(look(m, FAR, &dst), 0, "an option without length");
	cr_expect_eq(m->inst->drop[DROP_ND_BAD], 2);
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_router, a_learned_address_may_be_somebody_s)
{
	struct s7_nd nd = { .type = ICMP6_T_NEIGH_ADVERT, .has_link = true,
			    .link = { 2, [5] = 9 } };
	struct mini *m = start();
	struct s7_ip own = mini_addr6(OUR_SLAAC);

	advertise(m, &usual);
	memcpy(nd.target, own.b, sizeof(nd.target));
	mini_in_nd(m, MINI_PEER_LL, "ff02::1", &nd);
	cr_expect_null(address(m, OUR_SLAAC));
	advertise(m, &usual);
	cr_expect_null(address(m, OUR_SLAAC), "it stays somebody's");
	cr_assert_eq(mini_free(m), 0);
}
