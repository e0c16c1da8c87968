/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip6_hdrs.c - extension headers that a program sends, as they stand on the wire */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/ip/icmp6.h"
#include "stack/ip/ip6.h"
#include "stack/sock/sock.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "test/support/mini6.h"

#define HEAD (ETH_LEN + IP6_LEN)

static const uint8_t hop[8] = { 0, 0, 5, 2, 0, 0, 1, 0 };
static const uint8_t dest[16] = { 0, 1, 1, 0, 0x1e, 10 };

/* A routing header of segments by `via`, which has one left. */
static const uint8_t *route(uint8_t h[40], const char *via)
{
	struct s7_ip ip = mini_addr6(via);

	memset(h, 0, 40);
	memcpy(h, ((uint8_t[]){ 0, 4, 4, 1, 1, 0, 0, 0 }), 8);
	memcpy(h + 24, ip.b, 16);
	return h;
}

static void set(struct s7_sock *sk, int name, const void *data, socklen_t len)
{
	cr_assert_eq(sock_setsockopt(sk, IPPROTO_IPV6, name, data, len, sk->inst->now), 0);
}

static struct s7_sock *sock_of(struct mini *m, enum s7_proto proto)
{
	struct s7_ip us = mini_addr6(MINI_US6);
	struct s7_sock *sk;

	cr_assert_eq(sk_create(m->inst, proto, AF_INET6, &sk), 0);
	sk->type = proto == PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	cr_assert_eq(sk_bind(sk, &us, 9), 0);
	return sk;
}

static ssize_t send_to_peer(struct mini *m, struct s7_sock *sk, size_t len)
{
	static char bytes[9000];
	struct iovec iov = { bytes, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len,
			      .name = { .ip = mini_addr6(MINI_PEER6), .port = 5, .valid = true,
					.iface = 1 } };
	ssize_t n;

	m->sent_count = 0;
	n = sk_ops(sk)->send(sk, &msg);
	inst_flush(m->inst);
	return n;
}

static uint32_t end(struct mini *m, struct s7_sock *sk)
{
	struct s7_inst *inst = m->inst;

	sk_ops(sk)->close(sk);
	cr_assert_eq(inst->hdrs6.used, 0);
	return mini_free(m);
}

Test(ip6_hdrs, in_their_order_before_the_transport)
{
	static const uint8_t nexts[] = { IP6_EXT_DEST, IP6_EXT_ROUTING, IP6_EXT_DEST, IPPROTO_UDP };
	struct s7_ip peer = mini_addr6(MINI_PEER6), us = mini_addr6(MINI_US6);
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = sock_of(m, PROTO_UDP);
	uint8_t h[40], kind = IP6_EXT_HOPBYHOP;
	const uint8_t *p = m->sent[0].data;
	uint32_t at = HEAD, i, pseudo;

	mini_know_peer6(m);
	set(sk, IPV6_HOPOPTS, hop, sizeof(hop));
	set(sk, IPV6_RTHDRDSTOPTS, dest, sizeof(dest));
	set(sk, IPV6_DSTOPTS, dest, sizeof(dest));
	set(sk, IPV6_RTHDR, route(h, MINI_PEER6), sizeof(h));
	cr_assert_eq(send_to_peer(m, sk, 100), 100);
	cr_assert_eq(m->sent_count, 1);
	cr_assert_eq(m->sent[0].len, HEAD + 8 + 16 + 40 + 16 + 8 + 100);
	cr_assert_eq(p[ETH_LEN + IP6_NEXT_AT], kind);
	for (i = 0; i < S7_ARRAY_LEN(nexts); i++) {
		cr_assert_eq(p[at], nexts[i], "header %u names %u", i, p[at]);
		if (i == 2) /* the last destination */
			cr_assert_arr_eq(p + at + 8, peer.b, 16);
		at += p[at + 1] * 8u + 8;
	}
	pseudo = ip_pseudo_sum(&us, &peer, IPPROTO_UDP, 108);
	cr_assert_eq(csum_fold(csum_partial(p + at, 108, pseudo)), 0);
	cr_assert_eq(end(m, sk), 0);
}

/* Each fragment repeats what stands in front of its header, and none what stands behind. */
Test(ip6_hdrs, fragments_repeat_the_first_ones)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = sock_of(m, PROTO_UDP);
	uint32_t i, at, covered = 0;

	mini_know_peer6(m);
	set(sk, IPV6_HOPOPTS, hop, sizeof(hop));
	set(sk, IPV6_DSTOPTS, dest, sizeof(dest));
	cr_assert_eq(send_to_peer(m, sk, 4000), 4000);
	cr_assert_eq(m->sent_count, 3);
	for (i = 0; i < m->sent_count; i++) {
		const uint8_t *p = m->sent[i].data;
		struct s7_ip6_frag frag;

		cr_assert_leq(m->sent[i].len, ETH_LEN + 1500);
		cr_assert_eq(p[ETH_LEN + IP6_NEXT_AT], IP6_EXT_HOPBYHOP);
		cr_assert_eq(p[HEAD], IP6_EXT_FRAGMENT);
		cr_assert_arr_eq(p + HEAD + 1, hop + 1, 7);
		ip6_frag_read(p + HEAD + 8, &frag);
		cr_assert_eq(frag.next, IP6_EXT_DEST);
		cr_assert_eq(frag.off, covered);
		at = HEAD + 8 + IP6_FRAG_LEN;
		covered += m->sent[i].len - at;
		cr_assert_eq(get_be16(p + ETH_LEN + IP6_PAYLOAD_AT),
			     m->sent[i].len - HEAD);
		cr_assert_eq(frag.more, i + 1 < m->sent_count);
	}
	cr_assert_eq(covered, 4000 + 8 + 16);
	cr_assert_eq(end(m, sk), 0);
}

/* ... and come back as one, with the headers that are asked for. */
Test(ip6_hdrs, what_came_in_fragments_is_told_whole)
{
	struct mini *m = mini6_new(IFACE_UP, true, 0);
	struct s7_ip us = mini_addr6(MINI_US6);
	struct s7_sock *sk = sock_of(m, PROTO_UDP);
	static char bytes[5000];
	struct s7_msg_more more = { .is_error = false };
	struct iovec iov = { bytes, sizeof(bytes) };
	struct s7_msg out = { .iov = &iov, .iovcnt = 1, .len = 4000,
			      .name = { .ip = us, .port = 9, .valid = true } };
	struct s7_msg in = { .iov = &iov, .iovcnt = 1, .len = sizeof(bytes), .more = &more };

	set(sk, IPV6_HOPOPTS, hop, sizeof(hop));
	set(sk, IPV6_DSTOPTS, dest, sizeof(dest));
	set(sk, IPV6_RECVHOPOPTS, &(int){ 1 }, sizeof(int));
	set(sk, IPV6_MTU, &(int){ 1280 }, sizeof(int));
	cr_assert_eq(sk_ops(sk)->send(sk, &out), 4000);
	inst_drive(m->inst);
	cr_assert_eq(sk_ops(sk)->recv(sk, &in), 4000);
	cr_assert_eq(more.frag_max, 1280);
	cr_assert_eq(more.head_len, IP6_LEN + 8 + 16);
	cr_assert_eq(more.head[IP6_NEXT_AT], IP6_EXT_HOPBYHOP);
	cr_assert_eq(more.head[IP6_LEN], IP6_EXT_DEST);
	cr_assert_eq(more.head[IP6_LEN + 8], IPPROTO_UDP);
	cr_assert_eq(get_be16(more.head + IP6_PAYLOAD_AT), 4000 + 8 + 8 + 16);
	cr_assert_eq(end(m, sk), 0);
}

/* A set is shared by all whose headers it is, and goes with the last of them. */
Test(ip6_hdrs, sets_are_counted_and_bounded)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = sock_of(m, PROTO_UDP), *other;
	uint32_t max = m->inst->hdrs6.max;

	set(sk, IPV6_HOPOPTS, hop, sizeof(hop));
	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET6, &other), 0);
	sk_ext_inherit(other, sk);
	cr_assert_eq(m->inst->hdrs6.used, 1);
	set(sk, IPV6_HOPOPTS, dest, sizeof(dest));
	cr_assert_eq(m->inst->hdrs6.used, 2);
	sk_ops(other)->close(other);
	cr_assert_eq(m->inst->hdrs6.used, 1);
	/* one is free: the change needs it for a moment */
	m->inst->hdrs6.max = m->inst->hdrs6.high;
	set(sk, IPV6_HOPOPTS, hop, sizeof(hop));
	m->inst->hdrs6.max = max;
	set(sk, IPV6_HOPOPTS, NULL, 0);
	cr_assert_eq(m->inst->hdrs6.used, 0);
	cr_assert_eq(end(m, sk), 0);
}

/* The segment, headers and all, fits the path. */
Test(ip6_hdrs, segments_carry_them)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = sock_of(m, PROTO_TCP);
	struct s7_ip peer = mini_addr6(MINI_PEER6), us = mini_addr6(MINI_US6);
	uint32_t pseudo, at = HEAD + 8 + 16;
	const uint8_t *p = m->sent[0].data;

	mini_know_peer6(m);
	set(sk, IPV6_HOPOPTS, hop, sizeof(hop));
	set(sk, IPV6_DSTOPTS, dest, sizeof(dest));
	cr_assert_eq(sk_ops(sk)->connect(sk, &peer, 80), -EINPROGRESS);
	inst_flush(m->inst);
	cr_assert_eq(m->sent_count, 1);
	cr_assert_eq(p[ETH_LEN + IP6_NEXT_AT], IP6_EXT_HOPBYHOP);
	cr_assert_eq(p[HEAD], IP6_EXT_DEST);
	cr_assert_eq(p[HEAD + 8], IPPROTO_TCP);
	pseudo = ip_pseudo_sum(&us, &peer, IPPROTO_TCP, m->sent[0].len - at);
	cr_assert_eq(csum_fold(csum_partial(p + at, m->sent[0].len - at, pseudo)), 0);
	cr_assert_eq(get_be16(p + at + 22), 1440); /* what may be sent to us is not less */
	cr_assert_eq(end(m, sk), 0);
}

/* ---- source addresses (RFC 5014) ---- */

#define PUBLIC "2001:db8::11"
#define TEMPORARY "2001:db8::12"
#define CARE_OF "2001:db8::13"

static bool from_is(struct mini *m, struct s7_sock *sk, const char *text)
{
	struct s7_ip ip = mini_addr6(text);
	struct s7_ip6 h;

	cr_assert_eq(send_to_peer(m, sk, 1), 1);
	return m->sent_count == 1 && mini_sent6(m, 0, &h) && !memcmp(h.src, ip.b, 16);
}

static void prefer(struct s7_sock *sk, int value)
{
	set(sk, IPV6_ADDR_PREFERENCES, &value, sizeof(value));
	((struct s7_udp_sock *)sk)->dst_valid = false;
}

Test(ip6_hdrs, source_preferences)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_iface *iface = &m->inst->iface[1];
	struct s7_iface_addr addrs[] = {
		{ .ip = mini_addr6(PUBLIC), .prefix_len = 64, .flags = ADDR_KERNEL },
		{ .ip = mini_addr6(TEMPORARY), .prefix_len = 64,
		  .flags = ADDR_KERNEL | ADDR_TEMPORARY },
		{ .ip = mini_addr6(CARE_OF), .prefix_len = 64, .flags = ADDR_KERNEL | ADDR_HOME },
	};
	struct s7_sock *sk;

	iface_set_addrs(m->inst, iface, addrs, 2);
	mini_know_peer6(m);
	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET6, &sk), 0);
	cr_assert(from_is(m, sk, PUBLIC));
	prefer(sk, SOURCE_TMP);
	cr_assert(from_is(m, sk, TEMPORARY));
	prefer(sk, SOURCE_PUBLIC);
	cr_assert(from_is(m, sk, PUBLIC));
	prefer(sk, 0);
	iface->flags |= IFACE_TEMPORARY;
	iface_set_addrs(m->inst, iface, addrs, 2);
	mini_know_peer6(m);
	cr_assert(from_is(m, sk, TEMPORARY));
	iface_set_addrs(m->inst, iface, addrs, 3);
	mini_know_peer6(m);
	cr_assert(from_is(m, sk, CARE_OF));
	prefer(sk, SOURCE_COA | SOURCE_PUBLIC);
	cr_assert(from_is(m, sk, PUBLIC));
	cr_assert_eq(end(m, sk), 0);
}
