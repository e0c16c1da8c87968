/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip6_ext.c - extension headers: skipped, refused, complained of, bounded */
#include <criterion/criterion.h>

#include "stack/ip/icmp6.h"
#include "stack/wire/eth.h"
#include "test/support/mini6.h"

struct chain {
	uint8_t data[2000];
	uint32_t len;
};

static void add(struct chain *c, const void *bytes, uint32_t len)
{
	memcpy(c->data + c->len, bytes, len);
	c->len += len;
}

/* A header of 8 bytes with `next` and six bytes of content. */
static void add8(struct chain *c, uint8_t next, const char *content)
{
	uint8_t h[8] = { next, 0 };

	memcpy(h + 2, content, 6);
	add(c, h, 8);
}

static void add_udp(struct chain *c)
{
	c->len += mini_udp6(c->data + c->len, MINI_PEER6, MINI_US6, 5, 9, "hi", 2);
}

static void feed(struct mini *m, uint8_t next, const struct chain *c)
{
	struct mini_ip6 ip = { .next = next, .data = c->data, .len = c->len };

	mini_in_ip6(m, &ip);
}

static struct mini *with_socket(struct s7_sock **ret_sk)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_ip any = mini_addr6("::");

	mini_know_peer6(m);
	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET6, ret_sk), 0);
	cr_assert_eq(sk_bind(*ret_sk, &any, 9), 0);
	return m;
}

static uint32_t end(struct mini *m, struct s7_sock *sk)
{
	sk_ops(sk)->close(sk);
	return mini_free(m);
}

#define PADN "\1\4\0\0\0"

Test(ip6_ext, options_and_routing_are_skipped)
{
	struct s7_sock *sk;
	struct mini *m = with_socket(&sk);
	struct chain c = { .len = 0 };

	add8(&c, IP6_EXT_DEST, "\0\0\5\2\0\0");	   /* hop by hop: padding, router alert */
	add8(&c, IP6_EXT_ROUTING, PADN);	   /* destination options */
	add8(&c, IP6_EXT_DEST, "\0\0\0\0\0");	   /* routing, no segments left */
	add8(&c, IPPROTO_UDP, "\x1e\4\1\2\3\4");   /* an experiment that may be skipped */
	add_udp(&c);
	feed(m, IP6_EXT_HOPBYHOP, &c);
	cr_assert_eq(m->inst->stat[STAT_UDP_IN], 1);
	cr_assert_eq(m->sent_count, 0);
	cr_assert_eq(end(m, sk), 0);
}

/* The message that one packet brought about: its type and code as a number, 0 none; *ret_info. */
static uint32_t answer(struct mini *m, uint32_t *ret_info)
{
	struct s7_icmp icmp;

	*ret_info = 0;
	if (!m->sent_count)
		return 0;
	cr_assert_eq(m->sent_count, 1);
	cr_assert_not_null(mini_sent_icmp6(m, 0, &icmp));
	m->sent_count = 0;
	*ret_info = icmp.info;
	return icmp.type * 256u + icmp.code;
}

Test(ip6_ext, unknown_options_say_what_is_to_be_done)
{
	static const struct {
		uint8_t option;
		bool group;
		uint32_t answer;
	} rows[] = {
		{ 0x5e, false, 0 },
		{ 0x9e, false, ICMP6_T_PARAM * 256 + ICMP6_C_OPTION },
		{ 0x9e, true, ICMP6_T_PARAM * 256 + ICMP6_C_OPTION },
		{ 0xde, false, ICMP6_T_PARAM * 256 + ICMP6_C_OPTION },
		{ 0xde, true, 0 },
		{ 0xc2, false, ICMP6_T_PARAM * 256 + ICMP6_C_OPTION }, /* jumbo payload */
	};
	struct s7_sock *sk;
	struct mini *m = with_socket(&sk);
	uint32_t info;

	for (uint32_t i = 0; i < S7_ARRAY_LEN(rows); i++) {
		char content[6] = { 0, 0, (char)rows[i].option, 2 };
		struct chain c = { .len = 0 };
		struct mini_ip6 ip = { .next = IP6_EXT_DEST, .data = c.data,
				       .dst = rows[i].group ? "ff02::1" : NULL };

		add8(&c, IPPROTO_UDP, content);
		add_udp(&c);
		ip.len = c.len;
		mini_in_ip6(m, &ip);
		cr_assert_eq(answer(m, &info), rows[i].answer, "row %u", i);
		cr_assert_eq(info, rows[i].answer ? IP6_LEN + 4 : 0);
		cr_assert_eq(m->inst->drop[DROP_IP6_OPTION], i + 1);
	}
	cr_assert_eq(m->inst->stat[STAT_UDP_IN], 0);
	cr_assert_eq(end(m, sk), 0);
}

Test(ip6_ext, what_is_refused_with_a_reason)
{
	struct s7_sock *sk;
	struct mini *m = with_socket(&sk);
	struct chain c = { .len = 0 };
	uint32_t info;

	add8(&c, IPPROTO_UDP, "\0\1\0\0\0"); /* routing type 0, a segment left (RFC 5095) */
	add_udp(&c);
	feed(m, IP6_EXT_ROUTING, &c);
	cr_assert_eq(answer(m, &info), ICMP6_T_PARAM * 256 + ICMP6_C_HEADER);
	cr_assert_eq(info, IP6_LEN + 2);
	cr_assert_eq(m->inst->drop[DROP_IP6_ROUTING], 1);

	c.len = 0; /* hop by hop anywhere but first is a header that nobody knows */
	add8(&c, IP6_EXT_HOPBYHOP, PADN);
	add8(&c, IPPROTO_UDP, PADN);
	add_udp(&c);
	feed(m, IP6_EXT_DEST, &c);
	cr_assert_eq(answer(m, &info), ICMP6_T_PARAM * 256 + ICMP6_C_NEXT);
	cr_assert_eq(info, IP6_LEN);

	c.len = 0;
	add8(&c, 253, PADN);
	add_udp(&c);
	feed(m, IP6_EXT_DEST, &c);
	cr_assert_eq(answer(m, &info), ICMP6_T_PARAM * 256 + ICMP6_C_NEXT);
	cr_assert_eq(info, IP6_LEN);
	cr_assert_eq(m->inst->drop[DROP_IP_PROTO], 2);
	cr_assert_eq(end(m, sk), 0);
}

Test(ip6_ext, cut_off_and_endless_chains)
{
	struct s7_sock *sk;
	struct mini *m = with_socket(&sk);
	struct chain c = { .len = 0 };
	uint32_t len;

	add8(&c, IPPROTO_UDP, PADN);
	c.data[1] = 3; /* 32 bytes, of which 8 are there */
	feed(m, IP6_EXT_DEST, &c);
	for (len = 0; len < 8; len++) {
		c.len = len;
		feed(m, IP6_EXT_DEST, &c);
	}
	c.len = 0;
	add8(&c, IPPROTO_UDP, "\x1e\x40\0\0\0"); /* an option beyond its header */
	feed(m, IP6_EXT_DEST, &c);
	cr_assert_eq(m->inst->drop[DROP_IP6_EXT], 10);

	c.len = 0;
	for (int i = 0; i < 20; i++)
		add8(&c, IP6_EXT_DEST, PADN);
	feed(m, IP6_EXT_DEST, &c);
	c.len = 0;
	memset(c.data, 0, sizeof(c.data));
	c.data[0] = IPPROTO_UDP;
	c.data[1] = 31; /* 256 bytes of padding */
	c.len = 300;
	feed(m, IP6_EXT_DEST, &c);
	cr_assert_eq(m->inst->drop[DROP_IP6_EXT_LONG], 2);
	cr_assert_eq(m->inst->stat[STAT_UDP_IN], 0);
	cr_assert_eq(end(m, sk), 0);
}
