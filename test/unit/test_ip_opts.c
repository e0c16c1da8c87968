/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip_opts.c - IPv4 options in frames: of sockets, of fragments, of answers, malformed */
#include <errno.h>

#include "stack/ip/ip4_opts.h"
#include "stack/sock/sock.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/icmp.h"
#include "test/support/mini_udp.h"

#define PORT 5000
#define FAR "192.0.2.1" /* by the gateway */

static const uint8_t route_and_alert[] = { 7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0 };

static void options(struct s7_sock *sk, const void *val, socklen_t len)
{
	cr_assert_eq(sock_setsockopt(sk, IPPROTO_IP, IP_OPTIONS, val, len, sk->inst->now), 0);
}

static const uint8_t *sent_ip(const struct mini *m, uint32_t i)
{
	const uint8_t *p = m->sent[i].data + ETH_LEN;

	cr_assert_lt(i, m->sent_count);
	cr_assert_eq(csum_fold(csum_partial(p, (p[0] & 15) * 4u, 0)), 0);
	return p;
}

static struct s7_sock *open_plain(struct mini *m)
{
	struct s7_sock *sk = open_at(m, "0.0.0.0", PORT, 0);

	sk->mtu_discover = IP_PMTUDISC_DONT;
	return sk;
}

Test(ip_opts, socket_options_on_the_wire)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_plain(m);
	uint8_t recorded[] = { 7, 7, 8, 10, 0, 0, 1, 148, 4, 0, 0, 0 };
	const uint8_t *p;

	mini_know_peer(m);
	options(sk, route_and_alert, sizeof(route_and_alert));
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	p = sent_ip(m, 0);
	cr_assert(p[0] == 0x48 && get_be16(p + 2) == 32 + 13);
	cr_assert_arr_eq(p + IP4_LEN, recorded, sizeof(recorded));
	cr_assert(get_be16(p + 34) == 9 && !memcmp(p + 40, "hello", 5));
	options(sk, NULL, 0);
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert_eq(sent_ip(m, 1)[0], 0x45);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_opts, fragments_have_what_is_copied)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_plain(m);
	static const uint8_t data[4000];
	uint32_t off = 0;

	mini_know_peer(m);
	options(sk, route_and_alert, sizeof(route_and_alert));
	cr_assert_eq(give(sk, MINI_PEER, 9, data, sizeof(data), 0), sizeof(data));
	cr_assert_eq(m->sent_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const uint8_t *p = sent_ip(m, i);

		cr_assert(p[0] == 0x48 && get_be16(p + 2) <= 1500);
		cr_assert_eq((get_be16(p + 6) & IP4_OFF_MASK) * 8u, off);
		cr_assert_eq(p[IP4_LEN], i ? 1 : 7);
		cr_assert(p[IP4_LEN + 6] == 1 || !i);
		cr_assert_eq(p[IP4_LEN + 7], 148);
		off += get_be16(p + 2) - 32u;
	}
	cr_assert_eq(off, sizeof(data) + 8);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_opts, a_source_route_goes_to_its_first_hop)
{
	static const uint8_t via[] = { 131, 7, 4, 10, 0, 0, 2 },
			     strict[] = { 137, 7, 4, 192, 0, 2, 9 };
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_plain(m);
	uint32_t far = inet_addr(FAR), peer = inet_addr(MINI_PEER);
	const uint8_t *p;

	mini_know_peer(m);
	options(sk, via, sizeof(via));
	cr_assert_eq(give(sk, FAR, 9, "hello", 5, 0), 5);
	p = sent_ip(m, 0);
	cr_assert(!memcmp(m->sent[0].data, mini_mac_peer, 6));
	cr_assert(!memcmp(p + 16, &peer, 4) && !memcmp(p + IP4_LEN + 3, &far, 4));
	cr_assert_eq(p[IP4_LEN + 2], 4);
	options(sk, strict, sizeof(strict));
	cr_assert_eq(give(sk, FAR, 9, "hello", 5, 0), -ENETUNREACH); /* no neighbour */
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

/* Puts options into a frame; returns its length. */
static uint32_t with_options(uint8_t *frame, uint32_t len, const uint8_t *opts, uint32_t opts_len)
{
	uint8_t *p = frame + ETH_LEN;

	memmove(p + IP4_LEN + opts_len, p + IP4_LEN, len - ETH_LEN - IP4_LEN);
	if (opts_len)
		memcpy(p + IP4_LEN, opts, opts_len);
	p[0] = (uint8_t)(0x45 + opts_len / 4);
	put_be16(p + 2, (uint16_t)(get_be16(p + 2) + opts_len));
	put_raw16(p + 10, 0);
	put_raw16(p + 10, csum_fold(csum_partial(p, IP4_LEN + opts_len, 0)));
	return len + opts_len;
}

static void in_with(struct mini *m, const struct mini_ip *ip, const uint8_t *opts,
		    uint32_t opts_len)
{
	uint8_t frame[2048];

	mini_in(m, frame, with_options(frame, mini_frame_ip(frame, ip), opts, opts_len));
}

Test(ip_opts, datagrams_tell_what_came_with_them)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_plain(m);
	uint8_t datagram[64], recorded[] = { 7, 7, 8, 10, 0, 0, 1, 148, 4, 0, 0, 0 }, buf[64];
	struct mini_ip ip = { .proto = IPPROTO_UDP, .data = datagram };
	struct s7_msg_more more = { .is_error = false };
	struct iovec iov = { buf, sizeof(buf) };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = sizeof(buf), .more = &more };

	ip.len = mini_udp(datagram, MINI_PEER, MINI_US, 1, PORT, "sixteen and more", 16);
	in_with(m, &ip, route_and_alert, sizeof(route_and_alert));
	cr_assert_eq(sk_ops(sk)->recv(sk, &msg), 16);
	cr_assert(more.has_opts && more.ip_opts.len == sizeof(recorded));
	cr_assert_arr_eq(more.ip_opts.bytes, recorded, sizeof(recorded));

	/* in two fragments, the second, which has none, last and first to come */
	for (uint32_t turn = 0; turn < 2; turn++) {
		struct mini_ip first = { .proto = IPPROTO_UDP, .data = datagram, .len = 16,
					 .mf = true, .id = (uint16_t)(turn + 7) };
		struct mini_ip last = { .proto = IPPROTO_UDP, .data = datagram + 16, .len = 8,
					.off = 16, .id = (uint16_t)(turn + 7) };

		if (turn)
			in_with(m, &last, NULL, 0);
		in_with(m, &first, route_and_alert, sizeof(route_and_alert));
		if (!turn)
			in_with(m, &last, NULL, 0);
		msg.skip = 0;
		more.has_opts = false;
		cr_assert_eq(sk_ops(sk)->recv(sk, &msg), 16, "turn %u", turn);
		cr_assert(more.has_opts && !memcmp(more.ip_opts.bytes, recorded, sizeof(recorded)));
	}
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_opts, echo_replies_record_on)
{
	static const uint8_t asked[] = { 7, 15, 8, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t answered[] = { 7, 15, 16, 10, 0, 0, 2, 10, 0, 0, 1, 10, 0, 0, 1, 0 };
	struct mini *m = mini_new(IFACE_UP, false);
	uint8_t ping[16] = { ICMP_T_ECHO };
	struct mini_ip ip = { .proto = IPPROTO_ICMP, .data = ping, .len = sizeof(ping) };

	put_raw16(ping + 2, csum_fold(csum_partial(ping, sizeof(ping), 0)));
	mini_know_peer(m);
	in_with(m, &ip, asked, sizeof(asked));
	cr_assert_eq(m->sent_count, 1);
	cr_assert_arr_eq(sent_ip(m, 0) + IP4_LEN, answered, sizeof(answered));
	cr_assert_eq(sent_ip(m, 0)[36], ICMP_T_ECHO_REPLY);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_opts, what_is_malformed_is_answered_what_is_routed_is_not)
{
	static const uint8_t bad[] = { 7, 7, 2, 0, 0, 0, 0, 0 };
	static const uint8_t routed[] = { 131, 7, 8, 10, 0, 0, 1, 0 };
	struct mini *m = mini_new(IFACE_UP, false);
	struct mini *shared = mini_new(IFACE_UP | IFACE_SHARED, false);
	uint8_t datagram[64];
	struct mini_ip ip = { .proto = IPPROTO_UDP, .data = datagram };
	const uint8_t *p;

	ip.len = mini_udp(datagram, MINI_PEER, MINI_US, 1, PORT, "hello", 5);
	mini_know_peer(m);
	in_with(m, &ip, bad, sizeof(bad));
	cr_assert_eq(m->inst->drop[DROP_IP_OPTIONS], 1);
	cr_assert_eq(m->sent_count, 1);
	p = sent_ip(m, 0) + IP4_LEN;
	cr_assert(p[0] == ICMP_T_PARAM && p[1] == 0 && p[4] == 22);
	in_with(m, &ip, routed, sizeof(routed));
	cr_assert_eq(m->inst->drop[DROP_IP_SOURCE_ROUTE], 1);
	cr_assert_eq(m->sent_count, 1);
	in_with(shared, &ip, bad, sizeof(bad)); /* the kernel says it */
	cr_assert_eq(shared->inst->drop[DROP_IP_OPTIONS], 1);
	cr_assert_eq(shared->sent_count, 0);
	cr_assert_eq(mini_free(m) + mini_free(shared), 0);
}
