/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_ip6_icmp.c - ICMPv6: echo, errors in and what they mean to sockets, errors out and their
 * bounds
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/ip/icmp6.h"
#include "stack/ip/route.h"
#include "stack/wire/eth.h"
#include "stack/wire/udp.h"
#include "test/support/mini6.h"

Test(ip6_icmp, echo)
{
	static const char *const to[] = { MINI_US6, MINI_US_LL, "ff02::1" };
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	uint8_t body[600] = { ICMP6_T_ECHO, 0, 0, 0, 1, 2, 3, 4 };
	struct mini_ip6 ip = { .data = body, .len = sizeof(body), .src = MINI_PEER_LL };
	struct s7_ip ll = mini_addr6(MINI_US_LL), us = mini_addr6(MINI_US6);
	struct s7_icmp icmp;
	struct s7_ip6 h;

	mini_know_peer6(m);
	for (uint32_t i = 0; i < S7_ARRAY_LEN(to); i++) {
		const uint8_t *data;

		ip.dst = to[i];
		mini_in_icmp6(m, &ip);
		data = mini_sent_icmp6(m, i, &icmp);
		cr_assert_not_null(data, "%s", to[i]);
		cr_assert_eq(icmp.type, ICMP6_T_ECHO_REPLY);
		cr_assert_eq(icmp.info, 0x01020304);
		cr_assert_arr_eq(data, body + 8, sizeof(body) - 8);
		cr_assert(mini_sent6(m, i, &h));
		/* to a group the answer comes from an address that fits the asker's scope */
		cr_assert_arr_eq(h.src, i ? ll.b : us.b, 16);
	}
	body[9] ^= 1;
	ip.next = IPPROTO_ICMPV6;
	mini_in_ip6(m, &ip); /* without its checksum */
	cr_assert_eq(m->inst->drop[DROP_ICMP_CHECKSUM], 1);
	cr_assert_eq(mini_free(m), 0);
}

static struct s7_sock *connected(struct mini *m)
{
	struct s7_ip local = mini_addr6(MINI_US6), peer = mini_addr6(MINI_PEER6);
	struct s7_sock *sk;

	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET6, &sk), 0);
	cr_assert_eq(sk_bind(sk, &local, 9), 0);
	cr_assert_eq(sk_ops(sk)->connect(sk, &peer, 5), 0);
	return sk;
}

/* An error about a datagram of the connected socket, with `ext` destination options before UDP. */
static void error_in(struct mini *m, uint8_t type, uint8_t code, uint32_t info, bool ext)
{
	struct s7_icmp icmp = { type, code, info };
	struct s7_ip us = mini_addr6(MINI_US6), peer = mini_addr6(MINI_PEER6);
	struct s7_ip6 h = { .payload = 1400, .hops = 1,
			    .next = ext ? IP6_EXT_DEST : IPPROTO_UDP };
	struct s7_udp_hdr u = { 9, 5, 1400, 0 };
	uint8_t body[ICMP_LEN + IP6_LEN + 8 + UDP_LEN] = { 0 };
	uint32_t at = ICMP_LEN + IP6_LEN;
	struct mini_ip6 ip = { .data = body, .src = "2001:db8::ffff" };

	memcpy(h.src, us.b, 16);
	memcpy(h.dst, peer.b, 16);
	icmp_write(body, &icmp);
	ip6_write(body + ICMP_LEN, &h);
	if (ext) {
		memcpy(body + at, (uint8_t[8]){ IPPROTO_UDP, 0, 1, 4 }, 8);
		at += 8;
	}
	udp_write(body + at, &u);
	ip.len = at + UDP_LEN;
	mini_in_icmp6(m, &ip);
}

Test(ip6_icmp, errors_mean_what_they_mean_in_linux)
{
	static const struct {
		uint8_t type, code;
		int connected, recverr; /* SO_ERROR of a connected socket, without and with */
	} rows[] = {
		{ ICMP6_T_UNREACH, 0, 0, ENETUNREACH },	  { ICMP6_T_UNREACH, 1, EACCES, EACCES },
		{ ICMP6_T_UNREACH, 2, 0, EHOSTUNREACH },  { ICMP6_T_UNREACH, 3, 0, EHOSTUNREACH },
		{ ICMP6_T_UNREACH, 4, ECONNREFUSED, ECONNREFUSED },
		{ ICMP6_T_UNREACH, 5, EACCES, EACCES },	  { ICMP6_T_UNREACH, 6, EACCES, EACCES },
		{ ICMP6_T_UNREACH, 77, EPROTO, EPROTO },  { ICMP6_T_TIME, 0, 0, EHOSTUNREACH },
		{ ICMP6_T_PARAM, 1, EPROTO, EPROTO },
		{ ICMP6_T_TOO_BIG, 0, EMSGSIZE, EMSGSIZE },
	};
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = connected(m);

	cr_assert_not_null(sk_ext(sk));
	for (uint32_t i = 0; i < S7_ARRAY_LEN(rows); i++) {
		for (int ext = 0; ext < 2; ext++) {
			sk->err = 0;
			error_in(m, rows[i].type, rows[i].code, 1300, ext);
			cr_assert_eq(sk->err, rows[i].connected, "row %u: %d", i, sk->err);
		}
		sk->bits |= SKB_RECVERR6;
		error_in(m, rows[i].type, rows[i].code, 1300, true);
		cr_assert_eq(sk->err, rows[i].recverr, "row %u: %d", i, sk->err);
		cr_assert_eq(errq_entry(sk->ext->errq.head)->port, 5);
		errq_purge(m->inst, &sk->ext->errq);
		sk->bits &= ~(uint32_t)SKB_RECVERR6;
	}
	cr_assert_eq(m->inst->stat[STAT_ICMP_ERRORS_IN], 3 * S7_ARRAY_LEN(rows));
	sk_ops(sk)->close(sk);
	error_in(m, ICMP6_T_UNREACH, 4, 0, false);
	cr_assert_eq(m->inst->drop[DROP_ICMP_NO_FLOW], 1);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_icmp, too_big_is_the_path_mtu)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_ip peer = mini_addr6(MINI_PEER6);
	struct s7_sock *sk = connected(m);

	error_in(m, ICMP6_T_TOO_BIG, 0, 1400, false);
	cr_assert_eq(pmtu_get(m->inst, &peer, 1500), 1400);
	error_in(m, ICMP6_T_TOO_BIG, 0, 70, false);
	cr_assert_eq(pmtu_get(m->inst, &peer, 1500), 1280);
	mini_wait(m, PMTU_LIFE + S7_SEC);
	cr_assert_eq(pmtu_get(m->inst, &peer, 1500), 1500);
	sk_ops(sk)->close(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_icmp, of_what_no_error_is_sent)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_icmp first = { .type = ICMP6_T_UNREACH };
	uint8_t body[8 + ICMP_LEN] = { IPPROTO_ICMPV6, 0, 1, 4 };
	struct mini_ip6 ip = { .data = body, .len = sizeof(body), .next = 253 };

	mini_know_peer6(m);
	ip.dst = "ff02::1"; /* to a group */
	mini_in_ip6(m, &ip);
	ip.dst = NULL;
	ip.src = "::";
	mini_in_ip6(m, &ip);
	ip.src = NULL;
	/*
	 * about an error, also behind extension headers: an unknown option would be complained of
	 */
	icmp_write(body + 8, &first);
	body[2] = 0x9e;
	ip.next = IP6_EXT_DEST;
	mini_in_ip6(m, &ip);
	cr_assert_eq(m->sent_count, 0);
	body[8] = ICMP6_T_ECHO;
	mini_in_ip6(m, &ip);
	cr_assert_eq(m->sent_count, 1);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_icmp, errors_are_rated)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);

	mini_know_peer6(m);
	for (int i = 0; i < 200; i++)
		mini_in_udp6(m, 5, 9, "x", 1);
	cr_assert_eq(m->sent_count, 50);
	cr_assert_eq(m->inst->drop[DROP_ICMP_RATE], 150);
	cr_assert_eq(mini_free(m), 0);
}
