/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_ip6_in.c - IPv6 packets in: what is taken, what is refused by which name, what is answered
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/ip/icmp6.h"
#include "stack/wire/eth.h"
#include "stack/wire/udp.h"
#include "test/support/mini6.h"

static struct s7_sock *udp6(struct mini *m, const char *ip, uint16_t port)
{
	struct s7_ip local = mini_addr6(ip);
	struct s7_sock *sk;

	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET6, &sk), 0);
	cr_assert_eq(sk_bind(sk, &local, port), 0);
	return sk;
}

static ssize_t take(struct s7_sock *sk, struct s7_msg *msg, void *buf, size_t len)
{
	struct iovec *iov = &(struct iovec){ buf, len };

	*msg = (struct s7_msg){ .iov = iov, .iovcnt = 1, .len = len };
	return sk_ops(sk)->recv(sk, msg);
}

static uint64_t dropped(const struct mini *m, enum s7_drop why)
{
	return m->inst->drop[why];
}

Test(ip6_in, a_datagram_and_what_is_told_of_it)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = udp6(m, "::", 9);
	struct s7_ip peer = mini_addr6(MINI_PEER6), us = mini_addr6(MINI_US6);
	uint8_t datagram[64], buf[64];
	struct mini_ip6 ip = { .next = IPPROTO_UDP, .hops = 7, .tclass = 0xb9, .data = datagram };
	struct s7_msg msg;

	ip.len = mini_udp6(datagram, MINI_PEER6, MINI_US6, 5, 9, "hello", 5);
	mini_in_ip6(m, &ip);
	cr_assert_eq(take(sk, &msg, buf, sizeof(buf)), 5);
	cr_assert_arr_eq(buf, "hello", 5);
	cr_assert(ip_equal(&msg.name.ip, &peer) && msg.name.port == 5 && msg.name.iface == 1);
	cr_assert(ip_equal(&msg.local, &us));
	cr_assert_eq(msg.ttl, 7);
	cr_assert_eq(msg.tos, 0xb9);
	sk_ops(sk)->close(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_in, dual_stack_and_v6_only)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = udp6(m, "::", 9), *only;
	struct s7_ip any = mini_addr6("::"), peer4 = mini_addr(MINI_PEER);
	struct s7_msg msg;
	uint8_t buf[64];

	mini_in_udp(m, 5, 9, "four", 4);
	cr_assert_eq(take(sk, &msg, buf, sizeof(buf)), 4);
	cr_assert(ip_equal(&msg.name.ip, &peer4));
	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET6, &only), 0);
	only->bits |= SKB_V6ONLY;
	cr_assert_eq(sk_bind(only, &any, 10), 0);
	mini_in_udp(m, 5, 10, "four", 4);
	cr_assert_eq(dropped(m, DROP_UDP_NO_PORT), 1);
	mini_in_udp6(m, 5, 10, "six", 3);
	cr_assert_eq(take(only, &msg, buf, sizeof(buf)), 3);
	cr_assert_eq(take(sk, &msg, buf, sizeof(buf)), -EAGAIN);
	sk_ops(sk)->close(sk);
	sk_ops(only)->close(only);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_in, checksum_is_not_optional)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = udp6(m, MINI_US6, 9);
	uint8_t datagram[64];
	struct mini_ip6 ip = { .next = IPPROTO_UDP, .data = datagram };

	ip.len = mini_udp6(datagram, MINI_PEER6, MINI_US6, 5, 9, "hello", 5);
	datagram[9] ^= 1;
	mini_in_ip6(m, &ip);
	datagram[6] = datagram[7] = 0;
	mini_in_ip6(m, &ip);
	cr_assert_eq(dropped(m, DROP_UDP_CHECKSUM), 2);
	cr_assert_eq(m->sent_count, 0);
	sk_ops(sk)->close(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_in, padding_is_cut_and_lies_about_length_are_refused)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = udp6(m, "::", 9);
	uint8_t datagram[64] = { 0 }, frame[256], buf[64];
	struct mini_ip6 ip = { .next = IPPROTO_UDP, .data = datagram };
	struct s7_msg msg;
	uint32_t len;

	ip.len = mini_udp6(datagram, MINI_PEER6, MINI_US6, 5, 9, "hello", 5);
	len = mini_frame_ip6(frame, &ip);
	memset(frame + len, 0xee, 20);
	mini_in(m, frame, len + 20);
	cr_assert_eq(take(sk, &msg, buf, sizeof(buf)), 5);
	for (uint32_t short_len = ETH_LEN; short_len < len; short_len++)
		mini_in(m, frame, short_len);
	cr_assert_eq(dropped(m, DROP_IP_SHORT), IP6_LEN);
	cr_assert_eq(dropped(m, DROP_IP_TRUNCATED), ip.len);
	frame[ETH_LEN] = 0x50;
	mini_in(m, frame, len);
	cr_assert_eq(dropped(m, DROP_IP_VERSION), 1);
	sk_ops(sk)->close(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_in, addresses_that_no_packet_may_have)
{
	static const char *const bad_src[] = { "ff02::1", "::1", MINI_US6, "::ffff:10.0.0.2",
					       "::ffff:127.0.0.1", "::" };
	static const char *const bad_dst[] = { "::ffff:10.0.0.1", "::1", "2001:db8::77",
					       "ff02::2", "ff02::1:ff00:9999", "::" };
	struct mini *m = mini6_new(IFACE_UP, true, 0);
	struct mini_ip6 ip = { .next = IPPROTO_UDP, .data = "12345678", .len = 8 };

	for (uint32_t i = 0; i < S7_ARRAY_LEN(bad_src); i++) {
		ip.src = bad_src[i];
		mini_in_ip6(m, &ip);
		cr_assert_eq(dropped(m, DROP_IP_SOURCE), i + 1, "%s", bad_src[i]);
	}
	ip.src = NULL;
	for (uint32_t i = 0; i < S7_ARRAY_LEN(bad_dst); i++) {
		ip.dst = bad_dst[i];
		mini_in_ip6(m, &ip);
		cr_assert_eq(dropped(m, DROP_IP_NOT_MINE) + dropped(m, DROP_IP_GROUP), i + 1, "%s",
			     bad_dst[i]);
	}
	cr_assert_eq(dropped(m, DROP_IP_GROUP), 2);
	cr_assert_eq(m->sent_count, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_in, groups_and_link_local)
{
	static const char *const groups[] = { "ff02::1", "ff01::1" };
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = udp6(m, "::", 9), *v4;
	struct s7_ip any4 = ip_from_v4(0);
	uint8_t datagram[64], buf[8];
	struct mini_ip6 ip = { .next = IPPROTO_UDP, .data = datagram };
	struct s7_msg msg;

	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET, &v4), 0);
	v4->bits |= SKB_REUSEADDR;
	sk->bits |= SKB_REUSEADDR;
	sk->bind.reuseaddr = true;
	cr_assert_eq(sk_bind(v4, &any4, 9), 0);
	for (uint32_t i = 0; i < S7_ARRAY_LEN(groups); i++) {
		ip.dst = groups[i];
		ip.len = mini_udp6(datagram, MINI_PEER6, ip.dst, 5, 9, "g", 1);
		mini_in_ip6(m, &ip);
		cr_assert_eq(take(sk, &msg, buf, sizeof(buf)), 1, "%s", groups[i]);
		/* not for who speaks IPv4 only */
		cr_assert_eq(take(v4, &msg, buf, sizeof(buf)), -EAGAIN);
	}
	ip.dst = MINI_US_LL;
	ip.src = MINI_PEER_LL;
	ip.len = mini_udp6(datagram, MINI_PEER_LL, MINI_US_LL, 5, 9, "l", 1);
	mini_in_ip6(m, &ip);
	cr_assert_eq(take(sk, &msg, buf, sizeof(buf)), 1);
	cr_assert_eq(msg.name.iface, 1);
	sk_ops(sk)->close(sk);
	sk_ops(v4)->close(v4);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_in, nobody_there_is_said)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct mini_ip6 ip = { .next = 253, .data = "1234567890", .len = 10 };
	struct s7_icmp icmp;
	const uint8_t *quote;

	mini_know_peer6(m);
	mini_in_ip6(m, &ip);
	cr_assert_eq(m->sent_count, 1);
	quote = mini_sent_icmp6(m, 0, &icmp);
	cr_assert_not_null(quote);
	cr_assert(icmp.type == ICMP6_T_PARAM && icmp.code == ICMP6_C_NEXT);
	cr_assert_eq(icmp.info, IP6_NEXT_AT);
	cr_assert_eq(quote[IP6_NEXT_AT], 253);
	mini_in_udp6(m, 5, 9, "x", 1);
	quote = mini_sent_icmp6(m, 1, &icmp);
	cr_assert_not_null(quote);
	cr_assert(icmp.type == ICMP6_T_UNREACH && icmp.code == ICMP6_C_PORT);
	cr_assert_eq(m->sent[1].len, ETH_LEN + IP6_LEN + ICMP_LEN + IP6_LEN + UDP_LEN + 1);
	ip.next = IP6_EXT_NONE;
	mini_in_ip6(m, &ip);
	cr_assert_eq(m->sent_count, 2);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_in, the_kernel_answers_for_its_addresses)
{
	/* the interface is shared, or the address alone is */
	struct mini *all = mini6_new(IFACE_UP | IFACE_SHARED, false, 0);
	struct mini *one = mini6_new(IFACE_UP, false, ADDR_KERNEL);
	struct mini *both[] = { all, one };
	struct mini_ip6 ip = { .next = 253, .data = "1234567890", .len = 10 };
	struct mini_ip6 echo = { .data = "\x80\0\0\0\0\1\0\1", .len = 8 };

	for (int i = 0; i < 2; i++) {
		mini_know_peer6(both[i]);
		mini_in_ip6(both[i], &ip);
		mini_in_udp6(both[i], 5, 9, "x", 1);
		mini_in_icmp6(both[i], &echo);
		cr_assert_eq(both[i]->sent_count, 0);
		cr_assert_eq(dropped(both[i], DROP_UDP_KERNEL), 1);
	}
	/* the link-local address is of our own making: its owner answers */
	echo.dst = MINI_US_LL;
	mini_in_icmp6(one, &echo);
	cr_assert_eq(one->sent_count, 1);
	cr_assert_eq(mini_free(all) + mini_free(one), 0);
}

Test(ip6_in, a_weak_host_and_its_loopback)
{
	struct mini *m = mini6_new(IFACE_UP, true, 0);
	struct s7_sock *sk = udp6(m, "::", 9), *from = udp6(m, "::", 10);
	static const char *const own[] = { "::1", MINI_US6, "::" };
	struct s7_msg msg;
	uint8_t buf[8];

	for (uint32_t i = 0; i < S7_ARRAY_LEN(own); i++) {
		struct iovec iov = { (char[]){ "x" }, 1 };
		struct s7_ip dst = mini_addr6(own[i]), loop = mini_addr6("::1");

		msg = (struct s7_msg){ .iov = &iov, .iovcnt = 1, .len = 1,
				       .name = { .ip = dst, .port = 9, .valid = true } };
		cr_assert_eq(sk_ops(from)->send(from, &msg), 1, "%s", own[i]);
		inst_drive(m->inst);
		cr_assert_eq(take(sk, &msg, buf, sizeof(buf)), 1);
		cr_assert(ip_equal(&msg.name.ip, ip_is_any(&dst) ? &loop : &dst));
	}
	cr_assert_eq(m->sent_count, 0);
	sk_ops(sk)->close(sk);
	sk_ops(from)->close(from);
	cr_assert_eq(mini_free(m), 0);
}
