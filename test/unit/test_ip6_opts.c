/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip6_opts.c - what a socket's IPv6 settings do to packets: traffic class, hop limits */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/ip/icmp6.h"
#include "stack/tcp/tcp.h"
#include "stack/wire/eth.h"
#include "test/support/mini6.h"

static struct s7_sock *sock_of(struct mini *m, enum s7_proto proto, uint16_t port)
{
	struct s7_ip us = mini_addr6(MINI_US6);
	struct s7_sock *sk;

	cr_assert_eq(sk_create(m->inst, proto, AF_INET6, &sk), 0);
	cr_assert_eq(sk_bind(sk, &us, port), 0);
	return sk;
}

static struct s7_ip6 datagram_to(struct mini *m, struct s7_sock *sk, const char *to)
{
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = 1,
			      .name = { .ip = mini_addr6(to), .port = 5, .valid = true,
					.iface = 1 } };
	struct s7_ip6 h;

	m->sent_count = 0;
	cr_assert_eq(sk_ops(sk)->send(sk, &msg), 1);
	inst_flush(m->inst);
	cr_assert_eq(m->sent_count, 1);
	cr_assert(mini_sent6(m, 0, &h));
	return h;
}

Test(ip6_opts, datagrams)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = sock_of(m, PROTO_UDP, 9);
	struct s7_ip6 h;

	mini_know_peer6(m);
	sk->ttl = 3; /* IP_TTL and IP_TOS are of IPv4 */
	sk->tos = 0xff;
	h = datagram_to(m, sk, MINI_PEER6);
	cr_assert(h.hops == 64 && h.tclass == 0);
	h = datagram_to(m, sk, "ff02::1");
	cr_assert(h.hops == 1 && h.tclass == 0);
	cr_assert_arr_eq(m->sent[0].data, ((uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }), 6);
	sk->ip6.hops = 9;
	sk->ip6.mcast_hops = 5;
	sk->ip6.tclass = 0xb8;
	h = datagram_to(m, sk, MINI_PEER6);
	cr_assert(h.hops == 9 && h.tclass == 0xb8);
	h = datagram_to(m, sk, "ff02::1");
	cr_assert(h.hops == 5 && h.tclass == 0xb8);
	sk_ops(sk)->close(sk);
	inst_drive(m->inst); /* what was sent to the group came back by lo */
	cr_assert_eq(mini_free(m), 0);
}

Test(ip6_opts, connections)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *sk = sock_of(m, PROTO_TCP, 1000);
	struct s7_ip peer = mini_addr6(MINI_PEER6);
	struct s7_ip6 h;

	mini_know_peer6(m);
	sk->ip6.hops = 9;
	sk->ip6.tclass = 0xb8;
	cr_assert_eq(sk_ops(sk)->connect(sk, &peer, 80), -EINPROGRESS);
	inst_flush(m->inst);
	cr_assert(mini_sent6(m, 0, &h));
	cr_assert(h.hops == 9 && h.tclass == 0xb8);
	/* MSS: the MTU less 60 */
	cr_assert_eq(get_be16(m->sent[0].data + ETH_LEN + IP6_LEN + 20 + 2), 1440);
	sk_ops(sk)->close(sk);
	cr_assert_eq(mini_free(m), 0);
}
