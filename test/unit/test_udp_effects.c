/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_udp_effects.c - options of datagram sockets, set as a program sets them, by what is on the
 * wire or who receives
 *
 * test/effects.txt says which option is shown where.
 */
#include <errno.h>
#include <net/if.h>

#include "stack/sock/sock.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"
#include "stack/wire/ip6.h"
#include "test/support/mini6.h"
#include "test/support/mini_udp.h"

#define PORT 5000
#define GROUP "239.1.2.3"
#define FAR "192.0.2.1" /* by the gateway */

static int set_bytes(struct s7_sock *sk, int level, int name, const void *val, socklen_t len)
{
	return sock_setsockopt(sk, level, name, val, len, sk->inst->now);
}

static void opt(struct s7_sock *sk, int level, int name, int value)
{
	cr_assert_eq(set_bytes(sk, level, name, &value, sizeof(value)), 0, "option %d of level %d",
		     name, level);
}

/* The header of the last frame sent. */
static struct s7_ip4 last_ip4(const struct mini *m)
{
	const struct mini_frame *frame = &m->sent[m->sent_count - 1];
	struct s7_ip4 h = { 0 };

	cr_assert_gt(m->sent_count, 0);
	cr_assert_eq(ip4_parse(frame->data + ETH_LEN, frame->len - ETH_LEN, frame->len - ETH_LEN,
			       &h), DROP_NONE);
	return h;
}

static uint16_t last_udp_sum(const struct mini *m)
{
	return get_raw16(m->sent[m->sent_count - 1].data + ETH_LEN + IP4_LEN + 6);
}

Test(effects, headers_of_datagrams)
{
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_sock *sk = open_at(m, "0.0.0.0", PORT, 0);

	mini_know_peer(m);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, 0), 1);
	cr_expect_eq(last_ip4(m).ttl, 64);
	cr_expect_neq(last_udp_sum(m), 0);
	opt(sk, IPPROTO_IP, IP_TOS, 0xb8);
	opt(sk, IPPROTO_IP, IP_TTL, 7);
	opt(sk, SOL_SOCKET, SO_NO_CHECK, 1);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, 0), 1);
	cr_expect_eq(last_ip4(m).tos, 0xb8);
	cr_expect_eq(last_ip4(m).ttl, 7);
	cr_expect_eq(last_udp_sum(m), 0);
	opt(sk, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, 0), 1);
	cr_expect_not(last_ip4(m).df);
	opt(sk, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, 0), 1);
	cr_expect(last_ip4(m).df);
	cr_expect_eq(give(sk, MINI_PEER, 9, (uint8_t[2000]){ 0 }, 2000, 0), -EMSGSIZE);
	done(sk);
	cr_expect_eq(mini_free(m), 0);
}

Test(effects, groups)
{
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_sock *sk = open_at(m, "0.0.0.0", PORT, 0);
	struct ip_mreqn by = { .imr_ifindex = m->inst->iface[1].ifindex };
	uint32_t before;

	cr_assert_eq(set_bytes(sk, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	cr_assert_eq(give(sk, GROUP, 9, "x", 1, 0), 1);
	cr_expect_eq(last_ip4(m).ttl, 1);
	opt(sk, IPPROTO_IP, IP_MULTICAST_TTL, 9);
	cr_assert_eq(give(sk, GROUP, 9, "x", 1, 0), 1);
	cr_expect_eq(last_ip4(m).ttl, 9);
	opt(sk, IPPROTO_IP, IP_MULTICAST_TTL, 0);
	before = m->sent_count;
	cr_assert_eq(give(sk, GROUP, 9, "x", 1, 0), 1);
	cr_expect_eq(m->sent_count, before);
	done(sk);
	cr_expect_eq(mini_free(m), 0);
}

Test(effects, destinations)
{
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_sock *sk = open_at(m, "0.0.0.0", PORT, 0);

	mini_know_peer(m);
	cr_expect_eq(give(sk, "10.0.0.255", 9, "x", 1, 0), -EACCES);
	opt(sk, SOL_SOCKET, SO_BROADCAST, 1);
	cr_expect_eq(give(sk, "10.0.0.255", 9, "x", 1, 0), 1);
	cr_expect_eq(give(sk, FAR, 9, "x", 1, 0), 1);
	opt(sk, SOL_SOCKET, SO_DONTROUTE, 1);
	cr_expect_eq(give(sk, FAR, 9, "x", 1, 0), -ENETUNREACH);
	cr_expect_eq(give(sk, MINI_PEER, 9, "x", 1, 0), 1);
	opt(sk, SOL_SOCKET, SO_DONTROUTE, 0);
	cr_expect_eq(give(sk, FAR, 9, "x", 1, 0), 1);
	done(sk);
	mini_wait(m, 10 * S7_SEC); /* the gateway does not answer */
	cr_expect_eq(mini_free(m), 0);
}

static bool hears(struct mini *m, struct s7_sock *sk)
{
	char buf[8];

	mini_in_udp(m, 9, PORT, "x", 1);
	return take(sk, buf, sizeof(buf)) == 1;
}

/* Only what comes by its interface is a bound socket's. */
Test(effects, devices)
{
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_sock *sk = open_at(m, "0.0.0.0", PORT, 0);
	const struct s7_iface *m0 = &m->inst->iface[1], *lo = &m->inst->iface[0];

	mini_know_peer(m);
	cr_expect(hears(m, sk));
	cr_assert_eq(set_bytes(sk, SOL_SOCKET, SO_BINDTODEVICE, lo->name,
			       (socklen_t)strlen(lo->name)), 0);
	cr_expect_not(hears(m, sk));
	cr_assert_eq(set_bytes(sk, SOL_SOCKET, SO_BINDTODEVICE, m0->name, IFNAMSIZ), 0);
	cr_expect(hears(m, sk));
	cr_assert_eq(set_bytes(sk, SOL_SOCKET, SO_BINDTODEVICE, "", 0), 0);
	opt(sk, SOL_SOCKET, 62 /* SO_BINDTOIFINDEX */, lo->ifindex);
	cr_expect_not(hears(m, sk));
	opt(sk, SOL_SOCKET, 62, m0->ifindex);
	cr_expect(hears(m, sk));
	opt(sk, SOL_SOCKET, 62, 0);
	cr_expect(hears(m, sk));
	done(sk);
	cr_expect_eq(mini_free(m), 0);
}

/* Datagrams that wait before one is lost. */
static int queue_of(struct mini *m, struct s7_sock *sk)
{
	char buf[8];
	int count = 0;

	for (int i = 0; i < 2000; i++)
		mini_in_udp(m, 9, PORT, "x", 1);
	while (take(sk, buf, sizeof(buf)) == 1)
		count++;
	return count;
}

Test(effects, rcvbuf)
{
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_sock *sk = open_at(m, "0.0.0.0", PORT, 0);
	int small, large;

	mini_know_peer(m);
	m->inst->params.rmem_max = 50000;
	opt(sk, SOL_SOCKET, SO_RCVBUF, 10000);
	small = queue_of(m, sk);
	opt(sk, SOL_SOCKET, SO_RCVBUF, 1000000); /* cut to rmem_max */
	large = queue_of(m, sk);
	cr_expect_gt(small, 5);
	cr_expect_lt(small, 40);
	cr_expect_gt(large, 4 * small);
	cr_expect_lt(large, 6 * small);
	opt(sk, SOL_SOCKET, SO_RCVBUFFORCE, 300000);
	cr_expect_gt(queue_of(m, sk), 4 * large);
	done(sk);
	cr_expect_eq(mini_free(m), 0);
}

/* SO_INCOMING_CPU: of a group the member for the CPU that polled gets the datagrams. */
Test(effects, incoming_cpu)
{
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_sock *sk[3];

	mini_know_peer(m);
	for (int i = 0; i < 3; i++) {
		sk[i] = open_at(m, "0.0.0.0", 0, SKB_REUSEPORT);
		opt(sk[i], SOL_SOCKET, SO_INCOMING_CPU, i);
		cr_assert_eq(sk_bind(sk[i], &(struct s7_ip){ .w = { 0, 0, htonl(0xffff), 0 } },
				     PORT), 0);
	}
	for (int cpu = 0; cpu < 3; cpu++) {
		m->inst->ports.cpu = cpu; /* as a drive finds it out */
		for (uint16_t port = 10; port < 20; port++) {
			char buf[8];

			mini_in_udp(m, port, PORT, "x", 1);
			cr_expect_eq(take(sk[cpu], buf, sizeof(buf)), 1, "cpu %d", cpu);
		}
	}
	for (int i = 0; i < 3; i++)
		done(sk[i]);
	cr_expect_eq(mini_free(m), 0);
}

/* ---- IPv6 ---- */

static struct s7_sock *open6(struct mini *m)
{
	struct s7_ip any = { .q = { 0, 0 } };
	struct s7_sock *sk;

	cr_assert_eq(sock_create(m->inst, AF_INET6, SOCK_DGRAM, 0, m->inst->now, &sk), 0);
	cr_assert_eq(sock_bind(sk, &any, PORT, m->inst->now), 0);
	return sk;
}

static ssize_t give6(struct s7_sock *sk, const char *to, size_t len)
{
	static uint8_t data[8000];
	struct iovec iov = { data, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len };
	ssize_t n;

	msg.name = (struct s7_msg_name){ .ip = mini_addr6(to), .port = 9, .valid = true };
	if (ip_is_multicast(&msg.name.ip))
		msg.name.iface = 1;
	n = sock_send(sk, &msg, sk->inst->now);
	inst_flush(sk->inst);
	return n;
}

static struct s7_ip6 last_ip6(const struct mini *m)
{
	struct s7_ip6 h = { .hops = 0 };

	cr_assert_gt(m->sent_count, 0);
	cr_assert(mini_sent6(m, m->sent_count - 1, &h));
	return h;
}

/* The first word of the header: version, class, label. */
static uint32_t last_flow6(const struct mini *m)
{
	return get_be32(m->sent[m->sent_count - 1].data + ETH_LEN);
}

Test(effects, headers_of_datagrams_v6)
{
	struct mini *m = mini6_new(IFACE_UP, true, 0);
	struct s7_sock *sk = open6(m);

	mini_know_peer6(m);
	opt(sk, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0);
	cr_assert_eq(give6(sk, MINI_PEER6, 1), 1);
	cr_expect_eq(last_ip6(m).hops, 64);
	cr_expect_eq(last_flow6(m), 0x60000000);
	opt(sk, IPPROTO_IPV6, IPV6_TCLASS, 0xb8);
	opt(sk, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7);
	opt(sk, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 9);
	cr_assert_eq(give6(sk, MINI_PEER6, 1), 1);
	cr_expect_eq(last_ip6(m).hops, 7);
	cr_expect_eq(last_flow6(m), 0x6b800000);
	cr_assert_eq(give6(sk, "ff02::77", 1), 1);
	cr_expect_eq(last_ip6(m).hops, 9);
	opt(sk, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 1);
	cr_assert_eq(give6(sk, MINI_PEER6, 1), 1);
	cr_expect_neq(last_flow6(m) & 0xfffff, 0);
	done(sk);
	cr_expect_eq(mini_free(m), 0);
}

Test(effects, sizes_v6)
{
	struct mini *m = mini6_new(IFACE_UP, true, 0);
	struct s7_sock *sk = open6(m);
	uint32_t before;

	mini_know_peer6(m);
	cr_expect_eq(give6(sk, MINI_PEER6, 3000), 3000);
	before = m->sent_count;
	opt(sk, IPPROTO_IPV6, IPV6_MTU, 1280);
	cr_expect_eq(give6(sk, MINI_PEER6, 1400), 1400);
	cr_expect_eq(m->sent_count, before + 2);
	opt(sk, IPPROTO_IPV6, IPV6_MTU, 0);
	opt(sk, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
	cr_expect_eq(give6(sk, MINI_PEER6, 3000), -EMSGSIZE);
	opt(sk, IPPROTO_IPV6, IPV6_DONTFRAG, 0);
	opt(sk, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
	cr_expect_eq(give6(sk, MINI_PEER6, 3000), -EMSGSIZE);
	opt(sk, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT);
	cr_expect_eq(give6(sk, MINI_PEER6, 3000), 3000);
	done(sk);
	cr_expect_eq(mini_free(m), 0);
}
