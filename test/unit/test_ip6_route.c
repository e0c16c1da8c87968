/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip6_route.c - ways to IPv6 destinations: prefixes, scopes, sources, who carries */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/rtnetlink.h>

#include "stack/ip/arp.h"
#include "stack/ip/route.h"
#include "stack/tcp/tcp.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/tcp_hdr.h"
#include "test/support/mini6.h"

static int look(struct mini *m, const char *to, uint32_t bound, struct s7_dst *dst)
{
	struct s7_ip ip = mini_addr6(to);

	memset(dst, 0xaa, sizeof(*dst));
	return dst_lookup(m->inst, &ip, NULL, bound, dst);
}

static bool is(const struct s7_ip *ip, const char *text)
{
	struct s7_ip other = mini_addr6(text);

	return ip_equal(ip, &other);
}

Test(ip6_route, longest_prefix_beside_ipv4)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_route routes[] = {
		{ .to = mini_addr6("::"), .iface = 1, .via = mini_addr6("fe80::99") },
		{ .to = mini_addr("0.0.0.0"), .prefix_len = 96, .iface = 1,
		  .via = mini_addr("10.0.0.254") },
		{ .to = mini_addr6("2001:db8::"), .prefix_len = 64, .iface = 1 },
		{ .to = mini_addr6("2001:db8:1::"), .prefix_len = 48, .iface = 1, .metric = 9,
		  .via = mini_addr6("2001:db8::9") },
		{ .to = mini_addr6("2001:db8:1::"), .prefix_len = 48, .iface = 1, .metric = 3,
		  .via = mini_addr6("2001:db8::3") },
		{ .to = mini_addr6("2001:db8:1:1::"), .prefix_len = 63, .owner = ROUTE_KERNEL },
		{ .to = mini_addr6("2001:db8:1:1::5"), .prefix_len = 128, .owner = ROUTE_NONE,
		  .type = RTN_PROHIBIT },
	};
	struct s7_ip v4 = mini_addr("8.8.8.8"), gw4 = mini_addr("10.0.0.254");
	struct s7_dst dst;

	cr_assert_eq(route_set(m->inst, routes, S7_ARRAY_LEN(routes)), 0);
	for (int twice = 0; twice < 2; twice++) { /* the second time from the cache */
		cr_assert_eq(look(m, "2001:db8:1:2::1", 0, &dst), 0);
		cr_assert(is(&dst.hop, "2001:db8::3") && dst.owner == ROUTE_STACK && !dst.is_v4);
		cr_assert(is(&dst.src, MINI_US6));
		cr_assert_eq(dst.mtu, 1500);
		cr_assert_eq(dst.neigh->lang, NEIGH_ND);
		cr_assert_eq(look(m, "2001:db8:1:0:ffff::", 0, &dst), 0);
		cr_assert_eq(dst.owner, ROUTE_KERNEL);
		cr_assert_eq(look(m, "2001:db8:1:1::5", 0, &dst), -EACCES);
		cr_assert_eq(look(m, "2001:db8::77", 0, &dst), 0);
		cr_assert(is(&dst.hop, "2001:db8::77"));
		cr_assert_eq(look(m, "2600::1", 0, &dst), 0);
		cr_assert(is(&dst.hop, "fe80::99"));
		cr_assert_eq(dst_lookup(m->inst, &v4, NULL, 0, &dst), 0);
		cr_assert(ip_equal(&dst.hop, &gw4) && dst.is_v4);
	}
	cr_assert_eq(route_set(m->inst, routes, 1), 0);
	cr_assert(dst_stale(m->inst, &dst));
	cr_assert_eq(dst_lookup(m->inst, &v4, NULL, 0, &dst), -ENETUNREACH,
		     "::/0 is no way to IPv4");
	m->inst->params.kernel_fallback = true;
	cr_assert_eq(dst_lookup(m->inst, &v4, NULL, 0, &dst), 0);
	cr_assert_eq(dst.owner, ROUTE_KERNEL);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_route, scoped_addresses_want_an_interface)
{
	struct mini *m = mini6_new(IFACE_UP, true, 0);
	struct s7_dst dst;

	cr_assert_eq(look(m, "fe80::99", 0, &dst), 0); /* the routes decide */
	cr_assert_eq(dst.iface, 1);
	cr_assert_eq(look(m, "fe80::99", 2, &dst), 0);
	cr_assert(is(&dst.hop, "fe80::99") && dst.iface == 1);
	cr_assert(is(&dst.src, MINI_US_LL));
	cr_assert_eq(look(m, MINI_US_LL, 2, &dst), 0);
	cr_assert_eq(dst.iface, S7_IFACE_LO);
	cr_assert_eq(look(m, MINI_US_LL, 0, &dst), 0);
	cr_assert_eq(dst.iface, S7_IFACE_LO);
	cr_assert_eq(look(m, "ff02::1", 2, &dst), 0);
	cr_assert(dst.iface == 1 && !dst.neigh && is(&dst.src, MINI_US_LL));
	cr_assert_eq(look(m, "fe80::99", 9, &dst), -ENETUNREACH);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_route, own_addresses)
{
	static const struct {
		bool loopback;
		uint8_t flags;
		const char *to, *src;
		enum s7_route_owner owner;
	} rows[] = {
		{ false, 0, MINI_US6, MINI_US6, ROUTE_STACK },
		{ false, ADDR_KERNEL, MINI_US6, "::", ROUTE_KERNEL },
		{ false, 0, "::1", "::", ROUTE_KERNEL },
		{ true, ADDR_KERNEL, MINI_US6, MINI_US6, ROUTE_STACK },
		{ true, 0, "::1", "::1", ROUTE_STACK },
		{ true, 0, "::", "::1", ROUTE_STACK },
	};

	for (uint32_t i = 0; i < S7_ARRAY_LEN(rows); i++) {
		struct mini *m = mini6_new(IFACE_UP, rows[i].loopback, rows[i].flags);
		struct s7_dst dst;

		cr_assert_eq(look(m, rows[i].to, 0, &dst), 0);
		cr_assert_eq(dst.owner, rows[i].owner, "row %u", i);
		if (dst.owner == ROUTE_STACK)
			cr_assert(dst.iface == S7_IFACE_LO && is(&dst.src, rows[i].src));
		cr_assert_eq(mini_free(m), 0);
	}
}

Test(ip6_route, families_do_not_mix)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_ip v4 = mini_addr(MINI_PEER), v6 = mini_addr6(MINI_PEER6);
	struct s7_ip us4 = mini_addr(MINI_US), us6 = mini_addr6(MINI_US6);
	struct s7_dst dst;

	cr_assert_eq(dst_lookup(m->inst, &v4, &us6, 0, &dst), -EAFNOSUPPORT);
	cr_assert_eq(dst_lookup(m->inst, &v6, &us4, 0, &dst), -EAFNOSUPPORT);
	cr_assert_eq(dst_lookup(m->inst, &v6, &us6, 0, &dst), 0);
	cr_assert_eq(mini_free(m), 0);
}

/* RFC 6724 10.1, as far as the rules are kept. */
Test(ip6_route, source_selection)
{
	static const struct {
		const char *addr[3];
		uint8_t flags[3];
		const char *to, *src;
	} rows[] = {
		{ { "2001:db8:1::1", "fe80::1" }, { 0 }, "2001:db8:1::2", "2001:db8:1::1" },
		{ { "fe80::1", "2001:db8:1::1" }, { 0 }, "2600::2", "2001:db8:1::1" },
		{ { "2001:db8:1::1", "fe80::1" }, { 0 }, "fe80::2", "fe80::1" },
		{ { "2001:db8:1::1", "fe80::1" }, { 0 }, "ff02::1", "fe80::1" },
		{ { "2001:db8:1::1", "fe80::1" }, { 0 }, "ff05::1", "2001:db8:1::1" },
		{ { "2001:db8:1::1", "2001:db8:3::1" }, { 0 }, "2001:db8:3::2", "2001:db8:3::1" },
		{ { "2001:db8:3::2", "2001:db8:1::1" }, { ADDR_DEPRECATED }, "2001:db8:3::5",
		  "2001:db8:1::1" },
		{ { "fe80::1", "2001:db8:1::1" }, { 0, ADDR_DEPRECATED }, "2600::2",
		  "2001:db8:1::1" },
		{ { "fe80::1" }, { 0 }, "2600::2", "fe80::1" },
	};
	struct mini *m = mini6_new(IFACE_UP, false, 0);

	for (uint32_t i = 0; i < S7_ARRAY_LEN(rows); i++) {
		struct s7_iface_addr addrs[3];
		struct s7_dst dst;
		uint32_t n;

		for (n = 0; n < 3 && rows[i].addr[n]; n++)
			addrs[n] = (struct s7_iface_addr){
				.ip = mini_addr6(rows[i].addr[n]), .prefix_len = 64,
				.flags = rows[i].flags[n] | ADDR_KERNEL };
		iface_set_addrs(m->inst, &m->inst->iface[1], addrs, n);
		cr_assert_eq(look(m, rows[i].to, 2, &dst), 0);
		cr_assert(is(&dst.src, rows[i].src), "row %u", i);
	}
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_route, addresses_that_change_make_ways_stale)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_dst dst;

	cr_assert_eq(look(m, MINI_PEER6, 0, &dst), 0);
	cr_assert_not(dst_stale(m->inst, &dst));
	iface_set_addrs(m->inst, &m->inst->iface[1], NULL, 0);
	cr_assert(dst_stale(m->inst, &dst));
	cr_assert_eq(m->inst->iface[1].addr6_count, 1); /* what the MAC makes */
	cr_assert_eq(mini_free(m), 0);
}

static const uint8_t mac_second[6] = { 2, 0, 0, 0, 0, 0x11 };

/* Another link beside m0, with a link-local network of its own. */
static void second_link(struct mini *m)
{
	struct s7_iface iface = { .name = "m1", .flags = IFACE_UP, .mtu = 1500, .ifindex = 3 };
	struct s7_route routes[] = {
		{ .to = mini_addr6("fe80::"), .prefix_len = 64, .iface = 1 },
		{ .to = mini_addr6("fe80::"), .prefix_len = 64, .iface = 2 },
	};
	uint32_t at;

	memcpy(iface.mac, mac_second, 6);
	cr_assert_eq(inst_add_iface(m->inst, &iface, &at), 0);
	m->env.dev[at] = m->env.dev[1];
	cr_assert_eq(iface_set_addrs(m->inst, &m->inst->iface[at], NULL, 0), 0);
	cr_assert_eq(route_set(m->inst, routes, 2), 0);
	mini_wait(m, 2 * S7_SEC);
	m->sent_count = 0;
}

/* A segment of MINI_PEER_LL to `to` by the second link. */
static void segment_in(struct mini *m, const char *to, struct tcp_hdr h)
{
	struct s7_ip src = mini_addr6(MINI_PEER_LL), dst = mini_addr6(to);
	uint8_t seg[TCP_HDR_LEN], frame[256];
	struct mini_ip6 ip = { .src = MINI_PEER_LL, .dst = to, .next = IPPROTO_TCP, .data = seg,
			       .len = sizeof(seg) };
	struct s7_pkt *pkt = pkt_alloc(m->inst);
	uint32_t sum = ip_pseudo_sum(&src, &dst, IPPROTO_TCP, sizeof(seg));

	h.hdr_len = TCP_HDR_LEN;
	tcp_hdr_write(seg, &h);
	put_raw16(seg + TCP_HDR_CSUM_AT, csum_fold(csum_partial(seg, sizeof(seg), sum)));
	pkt->len = pkt->total = mini_frame_ip6(frame, &ip);
	memcpy(frame, mac_second, 6);
	memcpy(pkt->data, frame, pkt->len);
	eth_input(m->inst, &m->inst->iface[2], &pkt, 1);
	inst_drive(m->inst);
}

Test(ip6_route, a_connection_between_link_local_addresses_stays_on_its_link)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_ip any = mini_addr6("::"), peer = mini_addr6(MINI_PEER_LL);
	struct tcp_hdr h = { .src = 5, .dst = 80, .seq = 100, .flags = TCPF_SYN, .wnd = 1000 };
	struct s7_sock *sk, *child;

	second_link(m);
	neigh_learn(m->inst, &m->inst->iface[2], &peer, mini_mac_peer);
	cr_assert_eq(sk_create(m->inst, PROTO_TCP, AF_INET6, &sk), 0);
	cr_assert_eq(sk_bind(sk, &any, 80), 0);
	cr_assert_eq(sk_ops(sk)->listen(sk, 4), 0);
	segment_in(m, "fe80::ff:fe00:11", h);
	cr_assert_eq(m->sent_count, 1);
	cr_assert_arr_eq(m->sent[0].data + 6, mac_second, 6);
	h.ack = get_be32(m->sent[0].data + ETH_LEN + IP6_LEN + 4) + 1;
	h.seq = 101;
	h.flags = TCPF_ACK;
	segment_in(m, "fe80::ff:fe00:11", h);
	cr_assert_eq(sk_ops(sk)->accept(sk, &child), 0);
	cr_assert_eq(child->bound_iface, 3); /* as in Linux: it says nothing elsewhere */
	cr_assert_eq(tcp_sk(child)->tcb.dst.iface, 2);
	/* an address of the other link is not ours here */
	h.flags = TCPF_SYN;
	segment_in(m, MINI_US_LL, h);
	cr_assert_eq(m->inst->drop[DROP_IP_NOT_MINE], 1);
	sk_ops(child)->abort(child, ECONNRESET);
	sk_ops(child)->close(child);
	sk_ops(sk)->close(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_route, own_link_local_addresses_keep_their_interface)
{
	struct mini *m = mini6_new(IFACE_UP, true, 0);
	struct s7_ip any = mini_addr6("::"), us = mini_addr6(MINI_US_LL);
	struct s7_sock *sk, *from, *child;

	cr_assert_eq(sk_create(m->inst, PROTO_TCP, AF_INET6, &sk), 0);
	sk->bound_iface = 2;
	cr_assert_eq(sk_bind(sk, &us, 80), 0);
	cr_assert_eq(sk_ops(sk)->listen(sk, 4), 0);
	cr_assert_eq(sk_create(m->inst, PROTO_TCP, AF_INET6, &from), 0);
	from->bound_iface = 2;
	cr_assert_eq(sk_bind(from, &any, 1000), 0);
	cr_assert_eq(sk_ops(from)->connect(from, &us, 80), -EINPROGRESS);
	inst_drive(m->inst);
	inst_drive(m->inst);
	cr_assert_eq(sk_ops(sk)->accept(sk, &child), 0);
	cr_assert_eq(child->bound_iface, 2);
	cr_assert_eq(child->flow.iface, 1);
	cr_assert_eq(tcp_sk(child)->tcb.dst.iface, S7_IFACE_LO);
	cr_assert_eq(m->sent_count, 0);
	sk_ops(from)->close(from);
	sk_ops(child)->close(child);
	sk_ops(sk)->close(sk);
	mini_wait(m, 130 * S7_SEC);
	cr_assert_eq(mini_free(m), 0);
}
