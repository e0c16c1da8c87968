/* SPDX-License-Identifier: BSD-3-Clause */
/* test_raw_sock.c - raw and ping sockets on one instance: who hears, headers, errors, sides */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/bpf/filter.h"
#include "stack/core/ext.h"
#include "stack/raw/raw.h"
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip4.h"
#include "test/support/mini6.h"
#include "test/support/mini_udp.h"

#define PROTO 253

static struct s7_sock *raw_at(struct mini *m, int domain, uint8_t num)
{
	struct s7_sock *sk;

	cr_assert_eq(sk_create(m->inst, PROTO_RAW, domain, &sk), 0);
	raw_set_number(sk, num);
	sk->mtu_discover = IP_PMTUDISC_WANT;
	return sk;
}

static void in_proto(struct mini *m, uint8_t proto, const void *data, uint32_t len)
{
	uint8_t frame[2048];
	struct mini_ip ip = { .proto = proto, .data = data, .len = len };

	mini_in(m, frame, mini_frame_ip(frame, &ip));
}

Test(raw, each_that_fits_gets_the_packet_with_its_header)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *a = raw_at(m, AF_INET, PROTO), *b = raw_at(m, AF_INET, PROTO);
	struct s7_sock *other = raw_at(m, AF_INET, PROTO + 1), *six = raw_at(m, AF_INET6, PROTO);
	struct s7_ip peer = mini_addr(MINI_PEER);
	struct s7_msg msg;
	uint8_t buf[64];

	mini_know_peer(m);
	in_proto(m, PROTO, "data", 4);
	cr_assert_eq(recv_flags(a, buf, sizeof(buf), 0, &msg), 24);
	cr_assert(ip_equal(&msg.name.ip, &peer) && msg.name.port == 0 && msg.ttl == 64);
	cr_assert(!memcmp(buf + 20, "data", 4) && buf[9] == PROTO && get_be16(buf + 2) == 24);
	cr_assert_eq(csum_fold(csum_20(buf)), 0);
	cr_assert_eq(take(b, buf, sizeof(buf)), 24);
	cr_assert_eq(take(other, buf, sizeof(buf)), -EAGAIN);
	cr_assert_eq(take(six, buf, sizeof(buf)), -EAGAIN);
	cr_assert_eq(m->sent_count, 0); /* no protocol unreachable */
	done(a);
	done(b);
	in_proto(m, PROTO, "datadata", 8);
	cr_assert_eq(m->sent_count, 1);
	cr_assert(m->sent[0].data[34] == ICMP_T_UNREACH && m->sent[0].data[35] == ICMP_C_PROTO);
	done(other);
	done(six);
	cr_assert_eq(m->inst->raw_count, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(raw, what_the_stack_handles_is_heard_too)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *udp = open_at(m, "0.0.0.0", 53, 0), *raw = raw_at(m, AF_INET, IPPROTO_UDP);
	struct s7_sock *icmp = raw_at(m, AF_INET, IPPROTO_ICMP);
	uint8_t echo[8] = { ICMP_T_ECHO }, buf[64];

	mini_know_peer(m);
	mini_in_udp(m, 7, 53, "hello", 5);
	cr_assert_eq(take(udp, buf, sizeof(buf)), 5);
	cr_assert_eq(take(raw, buf, sizeof(buf)), 33);
	put_raw16(echo + 2, csum_fold(csum_partial(echo, 8, 0)));
	in_proto(m, IPPROTO_ICMP, echo, 8);
	cr_assert_eq(take(icmp, buf, sizeof(buf)), 28);
	cr_assert_eq(m->sent[m->sent_count - 1].data[34], ICMP_T_ECHO_REPLY);
	raw_sock(icmp)->filter[0] = 1u << ICMP_T_ECHO;
	in_proto(m, IPPROTO_ICMP, echo, 8);
	cr_assert_eq(take(icmp, buf, sizeof(buf)), -EAGAIN);
	done(udp);
	done(raw);
	done(icmp);
	cr_assert_eq(mini_free(m), 0);
}

Test(raw, fragments_come_as_one_packet_with_a_whole_header)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *raw = raw_at(m, AF_INET, PROTO);
	uint8_t frame[2048], buf[64];
	struct mini_ip one = { .proto = PROTO, .id = 5, .mf = true, .data = "12345678", .len = 8 };
	struct mini_ip two = { .proto = PROTO, .id = 5, .off = 8, .data = "9abc", .len = 4 };

	mini_in(m, frame, mini_frame_ip(frame, &one));
	mini_in(m, frame, mini_frame_ip(frame, &two));
	cr_assert_eq(take(raw, buf, sizeof(buf)), 32);
	cr_assert(!memcmp(buf + 20, "123456789abc", 12));
	cr_assert_eq(get_be16(buf + 2), 32);
	cr_assert_eq(get_be16(buf + 6), 0);
	cr_assert_eq(csum_fold(csum_20(buf)), 0);
	done(raw);
	cr_assert_eq(mini_free(m), 0);
}

Test(raw, addresses_and_devices_choose)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *here = raw_at(m, AF_INET, PROTO), *there = raw_at(m, AF_INET, PROTO);
	struct s7_sock *peer = raw_at(m, AF_INET, PROTO), *lo = raw_at(m, AF_INET, PROTO);
	struct s7_ip us = mini_addr(MINI_US), other = mini_addr("10.0.0.77");
	uint8_t buf[64];

	mini_know_peer(m);
	raw_bind(here, &us);
	raw_bind(there, &other);
	cr_assert_eq(join(peer, MINI_PEER, 0), 0);
	lo->bound_iface = 1;
	in_proto(m, PROTO, "data", 4);
	cr_assert_eq(take(here, buf, sizeof(buf)), 24);
	cr_assert_eq(take(there, buf, sizeof(buf)), -EAGAIN);
	cr_assert_eq(take(peer, buf, sizeof(buf)), 24);
	cr_assert_eq(take(lo, buf, sizeof(buf)), -EAGAIN);
	raw_disconnect(peer);
	in_proto(m, PROTO, "data", 4);
	cr_assert_eq(take(peer, buf, sizeof(buf)), -EAGAIN); /* deaf, as in Linux */
	done(here);
	done(there);
	done(peer);
	done(lo);
	cr_assert_eq(mini_free(m), 0);
}

/* A shared netdev: the kernel hears what the silencer leaves it. */
Test(raw, no_packet_comes_twice_beside_a_kernel)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_SHARED, false);
	struct s7_sock *dual = raw_at(m, AF_INET, IPPROTO_UDP), *ours = raw_at(m, AF_INET, PROTO);
	struct s7_sock *both = raw_at(m, AF_INET, PROTO), *udp = open_at(m, "0.0.0.0", 53, 0);
	uint8_t buf[64];

	dual->file.side = both->file.side = SIDE_DUAL;
	ours->file.side = SIDE_STACK;
	in_proto(m, PROTO, "data", 4);
	cr_assert_eq(take(ours, buf, sizeof(buf)), 24);
	cr_assert_eq(take(both, buf, sizeof(buf)), -EAGAIN); /* its kernel half has it */
	mini_in_udp(m, 7, 54, "hello", 5);
	cr_assert_eq(take(dual, buf, sizeof(buf)), -EAGAIN);
	mini_in_udp(m, 7, 53, "hello", 5); /* a port of ours: kept from the kernel */
	cr_assert_eq(take(dual, buf, sizeof(buf)), 33);
	done(dual);
	done(ours);
	done(both);
	done(udp);
	cr_assert_eq(mini_free(m), 0);
}

Test(raw, rcvbuf_bounds_the_queue)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *raw = raw_at(m, AF_INET, PROTO);
	uint8_t buf[64];
	int got = 0;

	raw->rcvbuf = 832 * 9 + 1; /* not full yet: takes one more */
	for (int i = 0; i < 20; i++)
		in_proto(m, PROTO, "x", 1);
	cr_assert_eq(raw->drops, 10);
	cr_assert_eq(m->inst->drop[DROP_RAW_RCVBUF], 10);
	while (take(raw, buf, sizeof(buf)) > 0)
		got++;
	cr_assert_eq(got, 10);
	done(raw);
	cr_assert_eq(mini_free(m), 0);
}

Test(raw, header_of_the_program_is_filled_in)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *raw = raw_at(m, AF_INET, IPPROTO_RAW);
	uint8_t p[1600] = { 0x45, 8, 1, 1 };
	const uint8_t *ip = m->sent[0].data + 14;

	mini_know_peer(m);
	p[8] = 9;
	p[9] = PROTO;
	put_raw32(p + 16, inet_addr(MINI_PEER));
	cr_assert_eq(give(raw, MINI_PEER, 0, p, 28, 0), 28);
	cr_assert(get_be16(ip + 2) == 28 && get_raw16(ip + 4) && get_raw32(ip + 12));
	cr_assert_eq(get_raw32(ip + 12), inet_addr(MINI_US));
	cr_assert_eq(csum_fold(csum_20(ip)), 0);
	cr_assert(ip[1] == 8 && ip[8] == 9);
	cr_assert_eq(give(raw, MINI_PEER, 0, p, 19, 0), -EINVAL);
	cr_assert_eq(give(raw, MINI_PEER, 0, p, 1501, 0), -EMSGSIZE);
	p[0] = 0x4f;
	cr_assert_eq(give(raw, MINI_PEER, 0, p, 28, 0), -EINVAL);
	cr_assert_eq(m->sent_count, 1);
	done(raw);
	cr_assert_eq(mini_free(m), 0);
}

Test(raw, a_long_message_is_cut)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *raw = raw_at(m, AF_INET, PROTO);
	uint8_t p[3000] = { 0 };

	mini_know_peer(m);
	raw->mtu_discover = IP_PMTUDISC_DONT;
	cr_assert_eq(give(raw, MINI_PEER, 0, p, 3000, 0), 3000);
	cr_assert_eq(m->sent_count, 3);
	cr_assert_eq(give(raw, MINI_PEER, 0, p, 10, MSG_MORE), 10);
	cr_assert_eq(m->sent_count, 3);
	cr_assert_eq(give(raw, MINI_PEER, 0, p, 10, 0), 10);
	cr_assert_eq(m->sent[3].len, 14 + 20 + 20);
	raw->mtu_discover = IP_PMTUDISC_DO;
	cr_assert_eq(give(raw, MINI_PEER, 0, p, 3000, 0), -EMSGSIZE);
	done(raw);
	cr_assert_eq(mini_free(m), 0);
}

Test(raw, checksum_of_ipv6)
{
	struct mini *m = mini6_new(IFACE_UP, false, 0);
	struct s7_sock *raw = raw_at(m, AF_INET6, IPPROTO_ICMPV6);
	struct iovec iov = { (uint8_t[8]){ ICMP6_T_ECHO }, 8 };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = 8 };
	struct s7_icmp icmp;
	uint8_t bad[8] = { ICMP6_T_ECHO_REPLY, 0, 1, 2 }, buf[64];
	struct mini_ip6 ip = { .next = IPPROTO_ICMPV6, .data = bad, .len = 8 };

	mini_know_peer6(m);
	msg.name.ip = mini_addr6(MINI_PEER6);
	msg.name.valid = true;
	cr_assert_eq(sk_ops(raw)->send(raw, &msg), 8);
	inst_flush(m->inst);
	cr_assert(mini_sent_icmp6(m, m->sent_count - 1, &icmp));
	mini_in_ip6(m, &ip); /* wrong */
	cr_assert_eq(take(raw, buf, sizeof(buf)), -EAGAIN);
	cr_assert_eq(m->inst->drop[DROP_RAW_CHECKSUM], 1);
	mini_in_icmp6(m, &ip);
	cr_assert_eq(take(raw, buf, sizeof(buf)), 8);
	msg.len = iov.iov_len = 3;
	msg.skip = 0;
	cr_assert_eq(sk_ops(raw)->send(raw, &msg), -EINVAL); /* no room for the sum */
	done(raw);
	cr_assert_eq(mini_free(m), 0);
}

/* Offset 0 is the IP header over IPv4; the verdict cuts. */
Test(raw, filters_see_the_ip_header)
{
	struct sock_filter prog[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROTO, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + 20),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'd', 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 22),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *raw = raw_at(m, AF_INET, PROTO);
	uint8_t buf[64];

	cr_assert_eq(filter_attach(raw, prog, S7_ARRAY_LEN(prog)), 0);
	in_proto(m, PROTO, "data", 4);
	in_proto(m, PROTO, "other", 5);
	cr_assert_eq(take(raw, buf, sizeof(buf)), 22);
	cr_assert(!memcmp(buf + 20, "da", 2) && get_be16(buf + 2) == 24);
	cr_assert_eq(take(raw, buf, sizeof(buf)), -EAGAIN);
	cr_assert_eq(m->inst->drop[DROP_RAW_FILTER], 1);
	cr_assert_eq(m->sent_count, 0);
	done(raw);
	cr_assert_eq(mini_free(m), 0);
}

/* A router says that the packet lived too long. */
static void in_time_exceeded(struct mini *m, uint8_t proto, const uint8_t l4[8])
{
	uint8_t p[ICMP_LEN + IP4_LEN + 8] = { ICMP_T_TIME };
	struct s7_ip4 h = { .src = inet_addr(MINI_US), .dst = inet_addr("10.9.9.9"), .ttl = 1,
			    .total = 28, .proto = proto };

	ip4_write(p + ICMP_LEN, &h);
	memcpy(p + ICMP_LEN + IP4_LEN, l4, 8);
	put_raw16(p + 2, csum_fold(csum_partial(p, sizeof(p), 0)));
	in_proto(m, IPPROTO_ICMP, p, sizeof(p));
}

Test(raw, errors_reach_who_wants_them)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *quiet = raw_at(m, AF_INET, PROTO), *eager = raw_at(m, AF_INET, PROTO);
	struct s7_msg_more more;
	struct iovec iov;
	uint8_t buf[64];
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = sizeof(buf) };

	iov = (struct iovec){ buf, sizeof(buf) };
	want_errors(eager);
	in_time_exceeded(m, PROTO, (const uint8_t *)"quoted!!");
	cr_assert_eq(quiet->err, 0);
	cr_assert_eq(eager->err, EHOSTUNREACH);
	cr_assert_eq(errq_recv(eager, &msg, &more), 8);
	cr_assert(!memcmp(buf, "quoted!!", 8) && more.entry.port == 0);
	cr_assert_eq(more.entry.ee.ee_type, ICMP_T_TIME);
	cr_assert_eq(more.entry.ee.ee_origin, SO_EE_ORIGIN_ICMP);
	done(quiet);
	done(eager);
	cr_assert_eq(mini_free(m), 0);
}

Test(raw, ping_sockets_echo_by_their_identifier)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_ip any = ip_from_v4(0);
	struct s7_msg_more more;
	uint8_t h[12] = { ICMP_T_ECHO, 0, 9, 9, 9, 9, 0, 7, 'd', 'a', 't', 'a' }, buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = sizeof(buf) };
	struct s7_sock *sk;
	uint8_t *out = m->sent[0].data + 34;

	mini_know_peer(m);
	cr_assert_eq(sk_create(m->inst, PROTO_PING, AF_INET, &sk), 0);
	cr_assert_eq(sk_bind(sk, &any, 0x1234), 0);
	cr_assert_not(sk_port_owned(m->inst, IPPROTO_ICMP, &any, 0x1234));
	cr_assert_eq(give(sk, MINI_PEER, 0, h, 12, 0), 12);
	cr_assert_eq(get_be16(out + 4), 0x1234);
	cr_assert_eq(get_be16(out + 6), 7);
	cr_assert_eq(csum_fold(csum_partial(out, 12, 0)), 0);
	want_errors(sk);
	in_time_exceeded(m, IPPROTO_ICMP, out);
	cr_assert_eq(errq_recv(sk, &msg, &more), 8);
	out[0] = ICMP_T_ECHO_REPLY;
	put_raw16(out + 2, 0);
	put_raw16(out + 2, csum_fold(csum_partial(out, 12, 0)));
	in_proto(m, IPPROTO_ICMP, out, 12);
	cr_assert_eq(take(sk, buf, sizeof(buf)), 12);
	cr_assert(!memcmp(buf + 8, "data", 4) && buf[0] == ICMP_T_ECHO_REPLY);
	h[0] = ICMP_T_ECHO_REPLY;
	cr_assert_eq(give(sk, MINI_PEER, 0, h, 12, 0), -EINVAL);
	h[0] = ICMP_T_ECHO;
	cr_assert_eq(give(sk, MINI_PEER, 0, h, 7, 0), -EINVAL);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}
