/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip6_frag.c - IPv6 fragments in every order, malformed, given up; and those that we send */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/ip/frag.h"
#include "stack/ip/icmp6.h"
#include "stack/wire/eth.h"
#include "stack/wire/udp.h"
#include "test/support/mini6.h"

#define DATA 3000u

struct source {
	struct mini *m;
	struct s7_sock *sk;
	uint8_t data[DATA], datagram[DATA + 8];
};

static struct source source_new(void)
{
	struct source s = { .m = mini6_new(IFACE_UP, false, 0) };
	struct s7_ip any = mini_addr6("::");

	for (uint32_t i = 0; i < DATA; i++)
		s.data[i] = (uint8_t)(i * 7 + i / 256);
	mini_udp6(s.datagram, MINI_PEER6, MINI_US6, 5, 9, s.data, DATA);
	mini_know_peer6(s.m);
	cr_assert_eq(sk_create(s.m->inst, PROTO_UDP, AF_INET6, &s.sk), 0);
	cr_assert_eq(sk_bind(s.sk, &any, 9), 0);
	return s;
}

static uint32_t source_end(struct source *s)
{
	sk_ops(s->sk)->close(s->sk);
	mini_wait(s->m, FRAG_LIFE + S7_SEC);
	return mini_free(s->m);
}

static void fragment(struct mini *m, const struct s7_ip6_frag *frag, const void *data, uint32_t len)
{
	uint8_t body[2000];
	struct mini_ip6 ip = { .next = IP6_EXT_FRAGMENT, .data = body, .len = IP6_FRAG_LEN + len };

	ip6_frag_write(body, frag);
	memcpy(body + IP6_FRAG_LEN, data, len);
	mini_in_ip6(m, &ip);
}

static void piece(struct source *s, uint32_t id, uint32_t off, uint32_t len)
{
	struct s7_ip6_frag frag = { .next = IPPROTO_UDP, .id = id, .off = (uint16_t)off,
				    .more = off + len < DATA + 8 };

	fragment(s->m, &frag, s->datagram + off, len);
}

static ssize_t take(struct source *s, uint8_t *buf, size_t len)
{
	struct iovec iov = { buf, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len };

	return sk_ops(s->sk)->recv(s->sk, &msg);
}

static void expect_data(struct source *s)
{
	uint8_t buf[DATA + 10];

	cr_assert_eq(take(s, buf, sizeof(buf)), DATA);
	cr_assert_arr_eq(buf, s->data, DATA);
	cr_assert_eq(s->m->inst->frags->bufs, 0);
	cr_assert_eq(s->m->inst->frags->slab.used, 0);
}

/* The one message that was sent: type and code as a number. */
static uint32_t told(struct mini *m, uint32_t *ret_info)
{
	struct s7_icmp icmp;

	cr_assert_eq(m->sent_count, 1);
	cr_assert_not_null(mini_sent_icmp6(m, 0, &icmp));
	m->sent_count = 0;
	*ret_info = icmp.info;
	return icmp.type * 256u + icmp.code;
}

Test(ip6_frag, any_order)
{
	static const uint8_t orders[][4] = {
		{ 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 0, 3, 2 }, { 2, 3, 0, 1 }
	};
	static const uint32_t off[] = { 0, 8, 1000, 2000, DATA + 8 };
	struct source s = source_new();

	for (uint32_t i = 0; i < S7_ARRAY_LEN(orders); i++) {
		for (uint32_t j = 0; j < 4; j++) {
			uint32_t k = orders[i][j];

			piece(&s, i + 0x10000, off[k], off[k + 1] - off[k]);
		}
		expect_data(&s);
	}
	cr_assert_eq(s.m->inst->stat[STAT_IP_REASM_OK], 4);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, identifications_have_all_their_bits)
{
	struct source s = source_new();

	piece(&s, 0x00010001, 0, 2000 / 2);
	piece(&s, 0x00020001, 1000, 1000);
	piece(&s, 0x00010001, 2000, DATA + 8 - 2000);
	cr_assert_eq(s.m->inst->frags->slab.used, 2);
	piece(&s, 0x00010001, 1000, 1000);
	cr_assert_eq(s.m->inst->stat[STAT_UDP_IN], 1);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, an_atomic_fragment_is_a_packet)
{
	struct s7_ip6_frag alone = { .next = IPPROTO_UDP, .id = 7 };
	struct source s = source_new();
	uint8_t datagram[64], buf[64];
	uint32_t len = mini_udp6(datagram, MINI_PEER6, MINI_US6, 5, 9, "whole", 5);

	piece(&s, 7, 0, 1000); /* the same identification: another packet (RFC 6946) */
	fragment(s.m, &alone, datagram, len);
	cr_assert_eq(take(&s, buf, sizeof(buf)), 5);
	cr_assert_eq(s.m->inst->frags->slab.used, 1);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, overlap_refuses_the_packet)
{
	struct source s = source_new();
	struct s7_inst *inst = s.m->inst;

	piece(&s, 1, 0, 1000);
	piece(&s, 1, 0, 1000);
	piece(&s, 1, 1000, 1000);
	piece(&s, 1, 2000, DATA + 8 - 2000);
	expect_data(&s);
	cr_assert_eq(inst->drop[DROP_FRAG_OVERLAP], 1);
	piece(&s, 2, 0, 1000);
	piece(&s, 2, 992, 1008);
	cr_assert_eq(inst->frags->slab.used, 0);
	cr_assert_eq(inst->drop[DROP_FRAG_OVERLAP], 3);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, malformed)
{
	struct s7_ip6_frag last = { .next = IPPROTO_UDP, .id = 1, .off = 65528 };
	struct s7_ip6_frag twice = { .next = IP6_EXT_FRAGMENT, .id = 2 };
	struct source s = source_new();
	struct s7_inst *inst = s.m->inst;
	uint32_t info;

	piece(&s, 1, 0, 1001);
	cr_assert_eq(told(s.m, &info), ICMP6_T_PARAM * 256 + ICMP6_C_HEADER);
	cr_assert_eq(info, IP6_PAYLOAD_AT);
	fragment(s.m, &last, s.data, 100);
	cr_assert_eq(told(s.m, &info), ICMP6_T_PARAM * 256 + ICMP6_C_HEADER);
	cr_assert_eq(info, IP6_LEN + 2);
	cr_assert_eq(inst->drop[DROP_FRAG_BAD], 2);
	fragment(s.m, &twice, s.data, 8);
	cr_assert_eq(inst->drop[DROP_IP6_EXT], 1);
	cr_assert_eq(inst->frags->slab.used, 0);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, the_first_one_must_hold_all_headers)
{
	struct s7_ip6_frag first = { .next = IP6_EXT_DEST, .id = 1, .more = true };
	static const uint8_t dest[8] = { IP6_EXT_DEST, 0, 1, 4 };
	struct source s = source_new();
	uint32_t info;

	fragment(s.m, &first, dest, sizeof(dest));
	cr_assert_eq(told(s.m, &info), ICMP6_T_PARAM * 256 + ICMP6_C_INCOMPLETE);
	cr_assert_eq(info, IP6_LEN + IP6_FRAG_LEN);
	cr_assert_eq(s.m->inst->frags->slab.used, 0);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, options_behind_the_fragment_header)
{
	static const uint8_t dest[8] = { IPPROTO_UDP, 0, 1, 4 };
	struct s7_ip6_frag first = { .next = IP6_EXT_DEST, .id = 1, .more = true };
	struct s7_ip6_frag last = { .next = IPPROTO_TCP, .id = 1, .off = 1008 };
	struct source s = source_new();
	uint8_t head[1008];

	memcpy(head, dest, 8);
	memcpy(head + 8, s.datagram, 1000);
	fragment(s.m, &last, s.datagram + 1000, 1000);
	last.off = 2008;
	fragment(s.m, &first, head, sizeof(head));
	cr_assert_eq(s.m->inst->stat[STAT_UDP_IN], 0);
	cr_assert_eq(s.m->inst->stat[STAT_IP_REASM_OK], 1); /* as long as its last one says */
	cr_assert_eq(s.m->inst->drop[DROP_UDP_SHORT], 1);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, gives_up_and_says_so)
{
	struct source s = source_new();
	uint32_t info;

	piece(&s, 1, 0, 1000);
	piece(&s, 2, 1000, 1000);
	mini_wait(s.m, FRAG_LIFE + S7_SEC);
	cr_assert_eq(s.m->inst->drop[DROP_FRAG_TIMEOUT], 2);
	cr_assert_eq(told(s.m, &info), ICMP6_T_TIME * 256 + ICMP6_C_TIME_REASS);
	cr_assert_eq(source_end(&s), 0);
}

static ssize_t give(struct source *s, uint32_t len)
{
	struct iovec iov = { s->data, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len,
			      .name = { .ip = mini_addr6(MINI_PEER6), .port = 5, .valid = true } };
	ssize_t n = sk_ops(s->sk)->send(s->sk, &msg);

	inst_flush(s->m->inst);
	return n;
}

/* Puts what was sent together again; returns the bytes behind the fragment headers. */
static uint32_t collect(const struct mini *m, uint8_t *whole, uint32_t room)
{
	struct s7_ip6_frag frag;
	uint32_t end = 0, id = 0;
	struct s7_ip6 h;

	for (uint32_t i = 0; i < m->sent_count; i++) {
		const uint8_t *p = m->sent[i].data + ETH_LEN + IP6_LEN;

		cr_assert(mini_sent6(m, i, &h));
		cr_assert_eq(h.next, IP6_EXT_FRAGMENT);
		cr_assert_leq(h.payload + IP6_LEN, 1500);
		ip6_frag_read(p, &frag);
		cr_assert_eq(frag.next, IPPROTO_UDP);
		cr_assert(!i || frag.id == id);
		id = frag.id;
		cr_assert_eq(frag.off, end);
		end += h.payload - IP6_FRAG_LEN;
		cr_assert_leq(end, room);
		memcpy(whole + frag.off, p + IP6_FRAG_LEN, h.payload - IP6_FRAG_LEN);
		cr_assert_eq(frag.more, i + 1 < m->sent_count);
	}
	return end;
}

Test(ip6_frag, a_long_datagram_leaves_in_pieces)
{
	struct source s = source_new();
	uint8_t whole[4096];
	struct s7_udp_hdr h;

	cr_assert_eq(give(&s, DATA), DATA);
	cr_assert_eq(s.m->sent_count, 3);
	cr_assert_eq(collect(s.m, whole, sizeof(whole)), DATA + UDP_LEN);
	cr_assert(udp_parse(whole, DATA + UDP_LEN, DATA + UDP_LEN, &h));
	cr_assert_arr_eq(whole + UDP_LEN, s.data, DATA);
	/* the pieces go back in: the checksum of the whole was right */
	for (uint32_t i = 0; i < 3; i++) {
		struct s7_ip6_frag frag;
		const uint8_t *p = s.m->sent[i].data + ETH_LEN + IP6_LEN;
		uint8_t back[2000];
		uint32_t len = s.m->sent[i].len - ETH_LEN - IP6_LEN - IP6_FRAG_LEN;

		ip6_frag_read(p, &frag);
		memcpy(back, p + IP6_FRAG_LEN, len);
		if (!i) { /* ports turned: the sum stays */
			put_be16(back, 5);
			put_be16(back + 2, 9);
		}
		fragment(s.m, &frag, back, len);
	}
	expect_data(&s);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, who_may_not_fragment_is_told)
{
	struct source s = source_new();
	struct s7_ip peer = mini_addr6(MINI_PEER6);

	s.sk->ip6.mtu_discover = IPV6_PMTUDISC_DO;
	cr_assert_eq(give(&s, 1500 - IP6_LEN - UDP_LEN), 1500 - IP6_LEN - UDP_LEN);
	cr_assert_eq(give(&s, 1500 - IP6_LEN - UDP_LEN + 1), -EMSGSIZE);
	s.sk->ip6.mtu_discover = IPV6_PMTUDISC_WANT;
	s.sk->bits |= SKB_DONTFRAG6;
	cr_assert_eq(give(&s, DATA), -EMSGSIZE);
	s.sk->bits &= ~(uint32_t)SKB_DONTFRAG6;
	cr_assert_eq(s.m->sent_count, 1);
	ip_pmtu_learn(s.m->inst, &peer, 1300);
	cr_assert_eq(give(&s, 1400), 1400);
	cr_assert_eq(s.m->sent_count, 3);
	cr_assert_leq(s.m->sent[1].len, ETH_LEN + 1300);
	ip_pmtu_learn(s.m->inst, &peer, 600); /* nobody may say less than 1280 */
	cr_assert_eq(give(&s, 1280 - IP6_LEN - UDP_LEN), 1280 - IP6_LEN - UDP_LEN);
	cr_assert_eq(s.m->sent_count, 4);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, the_program_says_how_long_a_packet_may_be)
{
	struct source s = source_new();

	s.sk->ip6.frag_size = 1280;
	cr_assert_eq(give(&s, 1280 - IP6_LEN - UDP_LEN), 1280 - IP6_LEN - UDP_LEN);
	cr_assert_eq(s.m->sent_count, 1);
	cr_assert_eq(give(&s, 1280), 1280);
	cr_assert_eq(s.m->sent_count, 3);
	cr_assert_leq(s.m->sent[1].len, ETH_LEN + 1280);
	s.sk->ip6.frag_size = 9000; /* never more than the path takes */
	cr_assert_eq(give(&s, 1500), 1500);
	cr_assert_eq(s.m->sent_count, 5);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, flow_labels)
{
	struct source s = source_new();
	uint32_t label[3];

	for (uint32_t i = 0; i < 3; i++) {
		if (i == 2)
			s.sk->ip6.bits &= ~(uint32_t)SK6_AUTOFLOWLABEL;
		cr_assert_eq(give(&s, 10), 10);
		label[i] = get_be32(s.m->sent[i].data + ETH_LEN);
		cr_assert_eq(label[i] >> 20, 0x600);
	}
	cr_assert_eq(label[0], label[1], "a flow keeps its label");
	cr_assert_neq(label[0], 0x60000000);
	cr_assert_eq(label[2], 0x60000000);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip6_frag, flow_labels_of_connections)
{
	struct source s = source_new();
	struct s7_ip peer = mini_addr6(MINI_PEER6), us = mini_addr6(MINI_US6);
	struct s7_sock *sk;

	cr_assert_eq(sk_create(s.m->inst, PROTO_TCP, AF_INET6, &sk), 0);
	cr_assert_eq(sk_bind(sk, &us, 1000), 0);
	cr_assert_eq(sk_ops(sk)->connect(sk, &peer, 80), -EINPROGRESS);
	inst_flush(s.m->inst);
	cr_assert_neq(get_be32(s.m->sent[0].data + ETH_LEN), 0x60000000);
	sk->ip6.bits &= ~(uint32_t)SK6_AUTOFLOWLABEL;
	sk_ops(sk)->opt_changed(sk, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL);
	mini_wait(s.m, 2 * S7_SEC);
	cr_assert_geq(s.m->sent_count, 2); /* the SYN again */
	cr_assert_eq(get_be32(s.m->sent[1].data + ETH_LEN), 0x60000000);
	sk_ops(sk)->close(sk);
	cr_assert_eq(source_end(&s), 0);
}
