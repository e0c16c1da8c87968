/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip_frag.c - reassembly: every order, overlaps, bounds, giving up */
#include <criterion/criterion.h>
#include <stdio.h>

#include "stack/ip/frag.h"
#include "stack/wire/icmp.h"
#include "test/support/mini.h"

#define DATA 3000u

struct source {
	struct mini *m;
	struct s7_sock *sk;
	uint8_t data[DATA], datagram[DATA + 8];
};

static struct source source_new(void)
{
	struct source s = { .m = mini_new(IFACE_UP, false) };
	struct s7_ip any = ip_from_v4(0);

	for (uint32_t i = 0; i < DATA; i++)
		s.data[i] = (uint8_t)(i * 7 + i / 256);
	mini_udp(s.datagram, MINI_PEER, MINI_US, 5, 9, s.data, DATA);
	cr_assert_eq(sk_create(s.m->inst, PROTO_UDP, AF_INET, &s.sk), 0);
	cr_assert_eq(sk_bind(s.sk, &any, 9), 0);
	return s;
}

static uint32_t source_end(struct source *s)
{
	sk_ops(s->sk)->close(s->sk);
	return mini_free(s->m);
}

static void piece(struct source *s, uint16_t id, uint32_t off, uint32_t len)
{
	struct mini_ip ip = { .proto = IPPROTO_UDP, .id = id, .off = (uint16_t)off,
			      .mf = off + len < DATA + 8, .data = s->datagram + off, .len = len };
	uint8_t frame[2048];

	mini_in(s->m, frame, mini_frame_ip(frame, &ip));
}

static void expect_data(struct source *s)
{
	uint8_t buf[DATA + 10];
	struct iovec iov = { buf, sizeof(buf) };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = sizeof(buf) };

	cr_assert_eq(sk_ops(s->sk)->recv(s->sk, &msg), DATA);
	cr_assert_arr_eq(buf, s->data, DATA);
	cr_assert_eq(s->m->inst->frags->bufs, 0);
	cr_assert_eq(s->m->inst->frags->slab.used, 0);
}

Test(ip_frag, any_order)
{
	static const uint8_t orders[][4] = {
		{ 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 0, 3, 2 }, { 2, 3, 0, 1 }
	};
	static const uint32_t off[] = { 0, 8, 1000, 2000, DATA + 8 };
	struct source s = source_new();

	for (uint32_t i = 0; i < S7_ARRAY_LEN(orders); i++) {
		for (uint32_t j = 0; j < 4; j++) {
			uint32_t k = orders[i][j];

			piece(&s, (uint16_t)i, off[k], off[k + 1] - off[k]);
		}
		expect_data(&s);
	}
	cr_assert_eq(s.m->inst->stat[STAT_IP_REASM_OK], 4);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip_frag, repetition_is_harmless_overlap_is_not)
{
	struct source s = source_new();
	struct s7_inst *inst = s.m->inst;

	piece(&s, 1, 0, 1000);
	piece(&s, 1, 0, 1000);
	piece(&s, 1, 2000, DATA + 8 - 2000);
	piece(&s, 1, 2000, DATA + 8 - 2000);
	piece(&s, 1, 1000, 1000);
	expect_data(&s);
	cr_assert_eq(inst->drop[DROP_FRAG_OVERLAP], 2);

	piece(&s, 2, 0, 1000);
	piece(&s, 2, 992, 1008);
	cr_assert_eq(inst->frags->slab.used, 0);
	cr_assert_eq(inst->drop[DROP_FRAG_OVERLAP], 4);
	piece(&s, 3, 1000, 1000);
	piece(&s, 3, 0, 1008);
	cr_assert_eq(inst->frags->slab.used, 0);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip_frag, malformed)
{
	struct source s = source_new();
	struct mini_ip ip = {
		.proto = IPPROTO_UDP, .id = 1, .off = 65528, .data = s.datagram, .len = 100
	};
	struct s7_inst *inst = s.m->inst;
	uint8_t frame[2048];

	mini_in(s.m, frame, mini_frame_ip(frame, &ip)); /* beyond 65535 */
	piece(&s, 2, 0, 1001);				/* more to come, not a multiple of 8 */
	piece(&s, 2, 8, 0);
	cr_assert_eq(inst->drop[DROP_FRAG_BAD], 3);
	piece(&s, 3, 2000, DATA + 8 - 2000);
	ip = (struct mini_ip){
		.proto = IPPROTO_UDP, .id = 3, .off = 1000, .data = s.datagram, .len = 10
	};
	mini_in(s.m, frame, mini_frame_ip(frame, &ip)); /* a second end */
	cr_assert_eq(inst->frags->slab.used, 0);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip_frag, gives_up_and_says_so)
{
	struct source s = source_new();
	struct s7_inst *inst = s.m->inst;

	mini_know_peer(s.m);
	piece(&s, 1, 0, 1000);
	piece(&s, 2, 1000, 1000);
	mini_wait(s.m, FRAG_LIFE + S7_SEC);
	cr_assert_eq(inst->drop[DROP_FRAG_TIMEOUT], 2);
	cr_assert_eq(s.m->sent_count >= 1, 1);
	cr_assert_eq(inst->stat[STAT_ICMP_ERRORS_OUT], 1); /* only where fragment zero is there */
	cr_assert_eq(s.m->sent[0].data[34], ICMP_T_TIME);
	cr_assert_eq(s.m->sent[0].data[35], ICMP_C_TIME_REASS);
	cr_assert_eq(source_end(&s), 0);
}

Test(ip_frag, bounds)
{
	struct source s = source_new();
	struct s7_inst *inst = s.m->inst;
	uint8_t frame[2048];
	uint32_t i;

	for (i = 0; i < FRAG_BUFS_SOURCE + 100; i++)
		piece(&s, (uint16_t)(i / 2), i % 2 ? 8 : 1000, 8);
	cr_assert_leq(inst->frags->bufs, FRAG_BUFS_SOURCE);
	for (i = 0; i < 4000; i++) {
		char src[32];
		struct mini_ip ip = { .src = src,
				      .proto = IPPROTO_UDP,
				      .id = (uint16_t)i,
				      .mf = true,
				      .data = s.datagram,
				      .len = 8 };

		snprintf(src, sizeof(src), "10.0.%u.%u", 1 + i / 200, 1 + i % 200);
		mini_in(s.m, frame, mini_frame_ip(frame, &ip));
	}
	cr_assert_leq(inst->frags->bufs, inst->frags->bufs_max);
	cr_assert_leq(inst->frags->slab.used, FRAG_QUEUES);
	cr_assert_gt(inst->drop[DROP_FRAG_FULL], 3000);
	mini_wait(s.m, FRAG_LIFE + S7_SEC);
	cr_assert_eq(inst->frags->bufs, 0);
	cr_assert_eq(source_end(&s), 0);
}
