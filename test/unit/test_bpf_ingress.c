/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_bpf_ingress.c - the firewall of an interface: who gets past it, in which order, what it sees
 */
#include <errno.h>

#include "stack/bpf/area.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/ingress.h"
#include "stack/packet/packet.h"
#include "stack/sock/sock.h"
#include "stack/wire/eth.h"
#include "test/support/engines.h"
#include "test/support/mini_udp.h"

#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)
#define LD(size, k) BPF_STMT(BPF_LD | BPF_ABS | (size), (uint32_t)(k))
#define WAITING 80

/* A device from which frames come. */
static struct {
	struct s7_pkt *pkt[WAITING];
	uint32_t from, count;
	struct s7_netdev_ops ops;
} line;

static uint16_t line_rx(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	uint16_t i;

	(void)dev;
	(void)queue;
	for (i = 0; i < n && line.from < line.count; i++)
		pkts[i] = line.pkt[line.from++];
	return i;
}

static struct mini *open_line(bool native)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_filter_area *area = m->inst->filters;

	if (native)
		m->env.code[0] = engines_map_code(area->base, area_bytes(area));
	mini_know_peer(m);
	line.from = line.count = 0;
	line.ops = *m->env.dev[1].ops;
	line.ops.rx_burst = line_rx;
	m->env.dev[1].ops = &line.ops;
	return m;
}

static void close_line(struct mini *m)
{
	cr_assert_eq(ingress_set(m->inst, &m->inst->iface[1], NULL, 0), 0);
	cr_expect_eq(m->inst->filters->used, 0);
	cr_assert_eq(mini_free(m), 0);
}

#define ON_BOTH(m) \
	for (struct mini *m = open_line(false), *next_ = NULL; m; \
	     close_line(m), m = next_ ? NULL : (next_ = open_line(true)))

#define FIREWALL(m, ...) \
	cr_assert_eq(ingress_set((m)->inst, &(m)->inst->iface[1], \
				 (struct sock_filter[]){ __VA_ARGS__ }, \
				 S7_ARRAY_LEN(((struct sock_filter[]){ __VA_ARGS__ }))), 0)

static void put(struct mini *m, const void *bytes, uint32_t len)
{
	struct s7_pkt *pkt = pkt_alloc(m->inst);

	memcpy(pkt->data, bytes, len);
	pkt->len = pkt->total = len;
	line.pkt[line.count++] = pkt;
}

static void put_udp(struct mini *m, uint16_t sport, const char *text)
{
	uint8_t dgram[64], frame[128];
	uint32_t len = mini_udp(dgram, MINI_PEER, MINI_US, sport, 53, text, 1);

	put(m, frame, mini_frame_ip(frame, &(struct mini_ip){ .proto = 17, .data = dgram,
							      .len = len }));
}

Test(bpf, a_firewall_keeps_order_and_counts_what_it_drops)
{
	char buf[4];

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

		/* odd source ports come in: the byte is the low one of the port */
		FIREWALL(m, LD(BPF_B, 14 + 20 + 1), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1),
			 BPF_STMT(BPF_RET | BPF_A, 0));
		for (uint16_t i = 0; i < 70; i++)
			put_udp(m, i, (char[]){ (char)i, 0 });
		inst_drive(m->inst);
		inst_drive(m->inst);
		for (char i = 1; i < 70; i += 2)
			cr_assert(take(sk, buf, sizeof(buf)) == 1 && buf[0] == i);
		cr_expect_eq(take(sk, buf, sizeof(buf)), -EAGAIN);
		cr_expect_eq(m->inst->drop[DROP_IFACE_FILTER], 35);
		cr_expect_eq(m->inst->iface[1].filtered, 35);
		cr_expect_eq(m->inst->iface[1].rx_pkts, 70);
		cr_expect_eq(sk->drops, 0);
		done(sk);
	}
}

Test(bpf, nothing_sees_what_a_firewall_drops)
{
	uint8_t short_frame[10] = { 0 };
	struct s7_sock *sk;

	ON_BOTH(m) {
		cr_assert_eq(sock_packet_create(m->inst, SOCK_RAW, ETH_P_ALL, 0, &sk), 0);
		FIREWALL(m, LD(BPF_H, 12), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
			 RET(1), RET(0));
		put_udp(m, 7, "a");
		put(m, short_frame, sizeof(short_frame)); /* a load beyond its end */
		inst_drive(m->inst);
		cr_expect_eq(packet_sock(sk)->rx_count, 0);
		cr_expect_eq(m->inst->drop[DROP_IFACE_FILTER], 2);
		cr_expect_eq(m->inst->drop[DROP_ETH_SHORT], 0);
		mini_in_arp(m, 2, MINI_PEER, MINI_US);
		cr_expect_eq(packet_sock(sk)->rx_count, 1);
		sock_release(sk, 0);
	}
}

/* One value of the view a row: the frame comes in if it is that. */
Test(bpf, what_a_firewall_is_told)
{
	static const struct {
		int32_t at;
		uint32_t is;
	} rows[] = {
		{ SKF_AD_OFF + SKF_AD_PROTOCOL, ETH_P_IP },
		{ SKF_AD_OFF + SKF_AD_PKTTYPE, 0 },
		{ SKF_AD_OFF + SKF_AD_IFINDEX, 2 },
		{ SKF_AD_OFF + SKF_AD_HATYPE, ARPHRD_ETHER },
		{ SKF_AD_OFF + SKF_AD_MARK, 0 },
		{ SKF_AD_OFF + SKF_AD_QUEUE, 1 },
		{ SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT, 0 },
		{ SKF_NET_OFF, 0x45000000 + 20 + 8 + 1 },
		{ SKF_LL_OFF, 0x02000000 },
	};

	ON_BOTH(m) {
		for (size_t i = 0; i < S7_ARRAY_LEN(rows); i++) {
			FIREWALL(m, LD(BPF_W, rows[i].at),
				 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rows[i].is, 0, 1), RET(1),
				 RET(0));
			put_udp(m, 7, "a");
			inst_drive(m->inst);
			cr_expect_eq(m->inst->drop[DROP_IFACE_FILTER], 0, "row %zu", i);
		}
	}
}

Test(bpf, a_frame_in_pieces_is_judged_as_one)
{
	ON_BOTH(m) {
		struct s7_pkt *head = pkt_alloc(m->inst), *rest = pkt_alloc(m->inst);
		uint32_t before = m->inst->drop[DROP_IFACE_FILTER];

		memset(head->data, 0, 20);
		memset(rest->data, 0x5a, 20);
		head->len = rest->len = 20;
		head->total = 40;
		head->frag = rest;
		head->nsegs = 2;
		FIREWALL(m, LD(BPF_W, 18), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x5a5a, 0, 1),
			 RET(1), RET(0));
		line.pkt[line.count++] = head;
		inst_drive(m->inst);
		cr_expect_eq(m->inst->drop[DROP_IFACE_FILTER], before);
	}
}

Test(bpf, an_ebpf_program_as_firewall)
{
	/* keeps frames of up to 60 bytes that are for us */
	static const struct bpf_insn insns[] = {
		{ BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct __sk_buff, len), 0 },
		{ BPF_LDX | BPF_MEM | BPF_W, 3, 1, offsetof(struct __sk_buff, pkt_type), 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0 },
		{ BPF_JMP | BPF_JGT | BPF_K, 2, 0, 2, 60 },
		{ BPF_JMP | BPF_JNE | BPF_K, 3, 0, 1, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	struct ebpf_prog prog = { .type = BPF_PROG_TYPE_SOCKET_FILTER,
				  .count = S7_ARRAY_LEN(insns), .insns = insns };

	ON_BOTH(m) {
		struct s7_iface *iface = &m->inst->iface[1];
		uint8_t frame[61] = { 0 };
		uint32_t used;

		memcpy(frame, iface->mac, sizeof(iface->mac));
		cr_assert_eq(ingress_set_ebpf(m->inst, iface, &prog), 0);
		used = m->inst->filters->used;
		inst_repair(m->inst);
		cr_expect_eq(m->inst->filters->used, used);
		put(m, frame, 60);
		put(m, frame, 61);
		frame[5] ^= 1; /* another host's */
		put(m, frame, 60);
		inst_drive(m->inst);
		cr_expect_eq(m->inst->drop[DROP_IFACE_FILTER], 2);
		prog.type = BPF_PROG_TYPE_SK_REUSEPORT;
		cr_expect_eq(ingress_set_ebpf(m->inst, iface, &prog), -EINVAL);
		prog.type = BPF_PROG_TYPE_SOCKET_FILTER;
	}
}

Test(bpf, a_firewall_survives_who_died_and_can_be_replaced)
{
	ON_BOTH(m) {
		uint32_t used;

		FIREWALL(m, RET(0));
		used = m->inst->filters->used;
		cr_assert(used);
		m->inst->filters->used = 7; /* died between two stores */
		inst_repair(m->inst);
		cr_expect_eq(m->inst->filters->used, used);
		put_udp(m, 7, "a");
		inst_drive(m->inst);
		cr_expect_eq(m->inst->drop[DROP_IFACE_FILTER], 1);
		FIREWALL(m, RET(1));
		put_udp(m, 7, "a");
		inst_drive(m->inst);
		cr_expect_eq(m->inst->drop[DROP_IFACE_FILTER], 1);
		cr_expect_eq(ingress_set(m->inst, &m->inst->iface[1],
					 &(struct sock_filter){ 0xff, 0, 0, 0 }, 1), -EINVAL);
		cr_expect_eq(m->inst->filters->used, used); /* the old one stays */
	}
}
