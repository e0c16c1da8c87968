/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nd_neigh.c - neighbour discovery: asking, answering, what must not be believed, duplicates
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/ip/arp.h"
#include "stack/ip/icmp6.h"
#include "stack/wire/eth.h"
#include "test/support/mini6.h"

#define GROUP_PEER "ff02::1:ff00:2"
#define GROUP_US "ff02::1:ff00:1"

static int send_to(struct mini *m, const char *ip, uint32_t bound)
{
	struct s7_ip_tx tx = { .proto = 253, .ttl = 9 };
	struct s7_ip dst = mini_addr6(ip);
	struct s7_pkt *pkt;
	struct s7_dst way;
	int err = dst_lookup(m->inst, &dst, NULL, bound, &way);

	if (err)
		return err;
	pkt = pkt_alloc(m->inst);
	pkt->len = pkt->total = 4;
	memset(pkt->data, 'x', 4);
	err = ip_output(m->inst, &way, pkt, &tx);
	inst_flush(m->inst);
	return err;
}

static struct s7_neigh *peer(struct mini *m)
{
	struct s7_ip ip = mini_addr6(MINI_PEER6);

	return neigh_find(m->inst, &m->inst->iface[1], &ip);
}

/* A frame that was sent, as a message of discovery with hop limit 255. */
static struct s7_nd sent_nd(const struct mini *m, uint32_t i, uint8_t type)
{
	struct s7_icmp icmp;
	struct s7_ip6 h;
	struct s7_nd nd;

	cr_assert_not_null(mini_sent_icmp6(m, i, &icmp), "frame %u", i);
	cr_assert(mini_sent6(m, i, &h));
	cr_assert_eq(h.hops, ND_HOPS);
	cr_assert(nd_parse(m->sent[i].data + ETH_LEN + IP6_LEN, h.payload, &nd));
	cr_assert_eq(nd.type, type);
	return nd;
}

static void expect_addr(const uint8_t *bytes, const char *text)
{
	struct s7_ip ip = mini_addr6(text);

	cr_assert_arr_eq(bytes, ip.b, 16, "%s", text);
}

static struct s7_nd advert(const char *target, uint8_t flags, uint8_t last_of_mac)
{
	struct s7_nd nd = { .type = ICMP6_T_NEIGH_ADVERT, .flags = flags, .has_link = true,
			    .link = { 2, 0, 0, 0, 0, last_of_mac } };
	struct s7_ip ip = mini_addr6(target);

	memcpy(nd.target, ip.b, 16);
	return nd;
}

static struct s7_nd solicit(const char *target)
{
	struct s7_nd nd = advert(target, 0, 2);

	nd.type = ICMP6_T_NEIGH_SOLICIT;
	return nd;
}

Test(nd_neigh, packets_wait_for_the_answer)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_nd nd, yes = advert(MINI_PEER6, ND_SOLICITED | ND_OVERRIDE, 2);
	struct s7_ip6 h;

	for (int i = 0; i < 3; i++)
		cr_assert_eq(send_to(m, MINI_PEER6, 0), 0);
	cr_assert_eq(m->sent_count, 1);
	nd = sent_nd(m, 0, ICMP6_T_NEIGH_SOLICIT);
	expect_addr(nd.target, MINI_PEER6);
	cr_assert(nd.has_link);
	cr_assert_arr_eq(nd.link, mini_mac_us, 6);
	cr_assert_arr_eq(m->sent[0].data, ((uint8_t[]){ 0x33, 0x33, 0xff, 0, 0, 2 }), 6);
	cr_assert(mini_sent6(m, 0, &h));
	expect_addr(h.src, MINI_US6);
	expect_addr(h.dst, GROUP_PEER);
	mini_in_nd(m, NULL, NULL, &yes);
	cr_assert_eq(peer(m)->state, NEIGH_S_REACHABLE);
	cr_assert_eq(m->sent_count, 4);
	cr_assert_arr_eq(m->sent[3].data, mini_mac_peer, 6);
	cr_assert_eq(m->sent[3].len, ETH_LEN + IP6_LEN + 4);
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_neigh, a_silent_neighbour_fails_and_senders_hear)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_ip ip = mini_addr6(MINI_PEER6), us = mini_addr6(MINI_US6);
	struct s7_sock *sk;

	cr_assert_eq(sk_create(m->inst, PROTO_TCP, AF_INET6, &sk), 0);
	cr_assert_eq(sk_bind(sk, &us, 1000), 0);
	cr_assert_eq(sk_ops(sk)->connect(sk, &ip, 80), -EINPROGRESS);
	inst_flush(m->inst);
	mini_wait(m, 4 * S7_SEC);
	cr_assert_eq(m->inst->stat[STAT_ND_SOLICITS_OUT], 3 + 2); /* and two for duplicates */
	cr_assert_eq(peer(m)->state, NEIGH_S_FAILED);
	cr_assert_eq(sk->err, EHOSTUNREACH);
	sk_ops(sk)->close(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_neigh, a_used_stale_neighbour_is_probed_by_unicast)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_nd yes = advert(MINI_PEER6, ND_SOLICITED, 2);
	struct s7_ip6 h;
	uint32_t n;

	mini_know_peer6(m);
	send_to(m, MINI_PEER6, 0);
	cr_assert_eq(peer(m)->state, NEIGH_S_PROBE);
	n = m->sent_count;
	mini_wait(m, NEIGH_DELAY + 2 * WHEEL_TICK_NS);
	sent_nd(m, n, ICMP6_T_NEIGH_SOLICIT);
	cr_assert_arr_eq(m->sent[n].data, mini_mac_peer, 6);
	cr_assert(mini_sent6(m, n, &h));
	expect_addr(h.dst, MINI_PEER6);
	yes.has_link = false; /* an answer to a unicast question need not tell it */
	mini_in_nd(m, NULL, NULL, &yes);
	cr_assert_eq(peer(m)->state, NEIGH_S_REACHABLE);
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_neigh, what_advertisements_change)
{
	static const struct {
		uint8_t flags, mac;
		enum neigh_state state;
		uint8_t known;
	} rows[] = {
		{ 0, 7, NEIGH_S_STALE, 2 }, /* another, without override: doubt */
		{ ND_SOLICITED, 7, NEIGH_S_STALE, 2 },
		{ ND_SOLICITED | ND_OVERRIDE, 2, NEIGH_S_REACHABLE, 2 },
		{ ND_OVERRIDE, 7, NEIGH_S_STALE, 7 }, /* nobody asked: it may lie */
		{ ND_SOLICITED | ND_OVERRIDE, 2, NEIGH_S_REACHABLE, 2 },
		{ ND_OVERRIDE, 2, NEIGH_S_REACHABLE, 2 },
	};
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_nd nd = advert(MINI_PEER6, ND_SOLICITED, 2);

	mini_in_nd(m, NULL, NULL, &nd); /* about nobody that we asked for */
	cr_assert_null(peer(m));
	send_to(m, MINI_PEER6, 0);
	nd.has_link = false;
	mini_in_nd(m, NULL, NULL, &nd);
	cr_assert_eq(peer(m)->state, NEIGH_S_INCOMPLETE);
	nd.has_link = true;
	mini_in_nd(m, NULL, NULL, &nd);
	for (uint32_t i = 0; i < S7_ARRAY_LEN(rows); i++) {
		nd = advert(MINI_PEER6, rows[i].flags, rows[i].mac);
		mini_in_nd(m, NULL, NULL, &nd);
		cr_assert_eq(peer(m)->state, rows[i].state, "row %u", i);
		cr_assert_eq(peer(m)->mac[5], rows[i].known, "row %u", i);
	}
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_neigh, who_answers)
{
	struct mini *own = mini6_new(IFACE_UP, false, 0);
	struct mini *shared = mini6_new(IFACE_UP | IFACE_SHARED, false, ADDR_KERNEL);
	struct s7_nd ask = solicit(MINI_US6), nd;
	struct s7_ip6 h;

	mini_in_nd(own, NULL, GROUP_US, &ask);
	cr_assert_eq(own->sent_count, 1);
	nd = sent_nd(own, 0, ICMP6_T_NEIGH_ADVERT);
	expect_addr(nd.target, MINI_US6);
	cr_assert_eq(nd.flags, ND_SOLICITED | ND_OVERRIDE);
	cr_assert(nd.has_link);
	cr_assert_arr_eq(nd.link, mini_mac_us, 6);
	cr_assert_arr_eq(own->sent[0].data, mini_mac_peer, 6);
	cr_assert_eq(peer(own)->state, NEIGH_S_PROBE); /* learnt from the question, used at once */

	ask.has_link = false; /* who looks for duplicates is answered before everybody */
	mini_in_nd(own, "::", GROUP_US, &ask);
	nd = sent_nd(own, 1, ICMP6_T_NEIGH_ADVERT);
	cr_assert_eq(nd.flags, ND_OVERRIDE);
	cr_assert(mini_sent6(own, 1, &h));
	expect_addr(h.dst, "ff02::1");

	ask = solicit(MINI_US_LL);
	mini_in_nd(own, MINI_PEER_LL, MINI_US_LL, &ask);
	expect_addr(sent_nd(own, 2, ICMP6_T_NEIGH_ADVERT).target, MINI_US_LL);

	ask = solicit("2001:db8::77");
	mini_in_nd(own, NULL, GROUP_US, &ask);
	cr_assert_eq(own->sent_count, 3);
	ask = solicit(MINI_US6);
	mini_in_nd(shared, NULL, GROUP_US, &ask);
	cr_assert_eq(shared->sent_count, 0);
	cr_assert_eq(peer(shared)->state, NEIGH_S_STALE);
	cr_assert_eq(mini_free(own) + mini_free(shared), 0);
}

Test(nd_neigh, what_is_not_believed)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_nd ask = solicit(MINI_US6), yes = advert(MINI_PEER6, ND_SOLICITED, 2);
	uint8_t body[ND_LEN_MAX], router[16] = { ICMP6_T_ROUTER_ADVERT };
	struct mini_ip6 ip = { .data = body, .hops = 254, .dst = GROUP_US };
	uint32_t bad = 0;

	ip.len = nd_write(body, &ask);
	mini_in_icmp6(m, &ip); /* it came by a router */
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	ip.hops = ND_HOPS;
	body[ND_LEN + 1] = 0; /* an option without end */
	mini_in_icmp6(m, &ip);
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	body[ND_LEN + 1] = 2; /* beyond the end */
	mini_in_icmp6(m, &ip);
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	body[ND_LEN + 1] = 1;
	body[1] = 1; /* a code */
	mini_in_icmp6(m, &ip);
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	ip.len = ND_LEN - 1;
	mini_in_icmp6(m, &ip);
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	mini_in_nd(m, "::", GROUP_US, &ask); /* no address, but a link address */
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	ask.link[0] = 1;
	mini_in_nd(m, NULL, GROUP_US, &ask); /* a group's link address */
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	ask = solicit("::ffff:10.0.0.1");
	mini_in_nd(m, NULL, GROUP_US, &ask);
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	mini_in_nd(m, NULL, "ff02::1", &yes); /* an answer to us, told to all */
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	yes = advert(MINI_US6, ND_OVERRIDE, 2); /* our address at theirs */
	mini_in_nd(m, NULL, "ff02::1", &yes);
	cr_assert_eq(m->inst->drop[DROP_ND_BAD], ++bad);
	ip = (struct mini_ip6){ .data = router, .len = 16, .hops = ND_HOPS, .dst = "ff02::1" };
	mini_in_icmp6(m, &ip);
	cr_assert_eq(m->inst->drop[DROP_ND_IGNORED], 1);
	cr_assert_eq(m->sent_count, 0);
	cr_assert_null(peer(m));
	cr_assert_eq(mini_free(m), 0);
}

/* An interface with no address of IPv6 but what is set here. */
static struct mini *fresh(const char *ip, uint32_t flags)
{
	struct mini *m = mini_new(IFACE_UP | flags, false);
	struct s7_iface_addr addr = { .ip = mini_addr6(ip), .prefix_len = 64 };
	uint64_t reports;

	cr_assert_eq(iface_set_addrs(m->inst, &m->inst->iface[1], &addr, 1), 0);
	inst_flush(m->inst);
	/* the groups were joined first (RFC 4862 5.4.2): MLDv2, a report each, hop by hop */
	reports = m->inst->stat[STAT_MLD_REPORTS_OUT];
	cr_assert_eq(reports, m->sent_count - m->inst->stat[STAT_ND_SOLICITS_OUT]);
	for (uint64_t i = 0; i < reports; i++)
		cr_assert_eq(m->sent[i].data[ETH_LEN + IP6_NEXT_AT], IP6_EXT_HOPBYHOP);
	m->sent_count -= (uint32_t)reports;
	memmove(m->sent, m->sent + reports, m->sent_count * sizeof(*m->sent));
	return m;
}

Test(nd_neigh, new_addresses_are_checked_once)
{
	struct mini *m = fresh(MINI_US6, 0);
	struct s7_iface *iface = &m->inst->iface[1];
	struct s7_ip link = mini_addr6(MINI_US_LL);
	struct s7_iface_addr addr = iface->addr6[0];
	struct s7_iface_addr other = { .ip = mini_addr6("2001:db8::4:5"), .prefix_len = 64 };
	uint8_t echo[128];
	uint64_t reports;
	struct s7_ip6 h;
	struct s7_nd nd;

	cr_assert_eq(iface->addr6_count, 2);
	cr_assert(ip_equal(&iface->addr6[1].ip, &link));
	cr_assert_eq(m->sent_count, 2);
	nd = sent_nd(m, 0, ICMP6_T_NEIGH_SOLICIT);
	expect_addr(nd.target, MINI_US6);
	cr_assert_not(nd.has_link);
	cr_assert(mini_sent6(m, 0, &h));
	expect_addr(h.src, "::");
	expect_addr(h.dst, GROUP_US);
	/* in use meanwhile, and an echo of our own question is no rival */
	memcpy(echo, m->sent[0].data, m->sent[0].len);
	mini_in(m, echo, m->sent[0].len);
	cr_assert_eq(m->inst->drop[DROP_ETH_OWN_FRAME], 1);
	cr_assert_eq(iface->addr6[0].flags, ADDR_TENTATIVE);
	cr_assert_not_null(ip_local_iface(m->inst, &addr.ip));
	mini_wait(m, S7_SEC + 2 * WHEEL_TICK_NS);
	cr_assert_eq(iface->addr6[0].flags, 0);
	cr_assert_eq(iface->addr6[1].flags, ADDR_AUTO);
	cr_assert_eq(iface_set_addrs(m->inst, iface, &addr, 1), 0);
	inst_flush(m->inst);
	cr_assert_eq(m->inst->stat[STAT_ND_SOLICITS_OUT], 2, "what stays is not asked about again");
	reports = m->inst->stat[STAT_MLD_REPORTS_OUT];
	cr_assert_eq(iface_set_addrs(m->inst, iface, &addr, 1), 0);
	cr_assert_eq(m->inst->stat[STAT_MLD_REPORTS_OUT], reports);
	cr_assert_eq(iface->addr6[0].flags, 0);
	cr_assert_eq(iface_set_addrs(m->inst, iface, &other, 1), 0);
	cr_assert_eq(m->inst->stat[STAT_MLD_REPORTS_OUT], reports + 1,
		     "a new group; one stays in use");
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_neigh, somebody_elses_address_is_given_up)
{
	struct s7_nd rival[2] = { advert(MINI_US6, ND_OVERRIDE, 9), solicit(MINI_US6) };
	struct s7_ip us = mini_addr6(MINI_US6);

	rival[1].has_link = false;
	for (int i = 0; i < 2; i++) {
		struct mini *m = fresh(MINI_US6, 0);
		struct s7_dst way;

		if (i) /* it asks the same question at the same time */
			mini_in_nd(m, "::", GROUP_US, &rival[i]);
		else
			mini_in_nd(m, MINI_PEER_LL, "ff02::1", &rival[i]);
		cr_assert_eq(m->inst->iface[1].addr6[0].flags, ADDR_DUPLICATE);
		cr_assert_eq(m->inst->stat[STAT_ND_DUPLICATES], 1);
		cr_assert_null(ip_local_iface(m->inst, &us));
		m->sent_count = 0;
		rival[1].has_link = true;
		mini_in_nd(m, MINI_PEER_LL, GROUP_US, &rival[1]);
		rival[1].has_link = false;
		cr_assert_eq(m->sent_count, 0);
		cr_assert_eq(dst_lookup(m->inst, &us, NULL, 0, &way), -ENETUNREACH);
		cr_assert_eq(mini_free(m), 0);
	}
}

Test(nd_neigh, a_tentative_address_overrides_nothing)
{
	struct mini *m = fresh(MINI_US6, 0);
	struct s7_nd ask = solicit(MINI_US6);

	m->sent_count = 0;
	mini_in_nd(m, MINI_PEER_LL, GROUP_US, &ask);
	cr_assert_eq(sent_nd(m, 0, ICMP6_T_NEIGH_ADVERT).flags, ND_SOLICITED);
	send_to(m, MINI_PEER6, 2);
	cr_assert_not(sent_nd(m, 1, ICMP6_T_NEIGH_SOLICIT).has_link);
	cr_assert_eq(mini_free(m), 0);
}

Test(nd_neigh, adopted_addresses_are_the_kernels_to_check)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_SHARED, false);
	struct s7_iface_addr addrs[IFACE_ADDRS6_MAX + 2];

	for (uint32_t i = 0; i < S7_ARRAY_LEN(addrs); i++) {
		addrs[i] = (struct s7_iface_addr){ .ip = mini_addr6("fe80::100"),
						   .prefix_len = 64, .flags = ADDR_KERNEL };
		addrs[i].ip.b[15] = (uint8_t)i;
	}
	cr_assert_eq(iface_set_addrs(m->inst, &m->inst->iface[1], addrs, S7_ARRAY_LEN(addrs)), 2);
	inst_flush(m->inst);
	cr_assert_eq(m->inst->iface[1].addr6_count, IFACE_ADDRS6_MAX);
	cr_assert_eq(m->inst->iface[1].addr6[3].flags, ADDR_KERNEL);
	cr_assert_eq(m->sent_count, 0);
	cr_assert_eq(mini_free(m), 0);
}
