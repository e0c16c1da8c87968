/* SPDX-License-Identifier: BSD-3-Clause */
/* mini.c - see mini.h */
#include "test/support/mini.h"

#include <stdlib.h>

#include "stack/ip/chain.h"
#include "stack/packet/packet.h"
#include "stack/wire/arp.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"
#include "stack/wire/udp.h"

const uint8_t mini_mac_us[6] = { 2, 0, 0, 0, 0, 1 };
const uint8_t mini_mac_peer[6] = { 2, 0, 0, 0, 0, 2 };

static uint16_t dev_rx(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	(void)dev;
	(void)queue;
	(void)pkts;
	(void)n;
	return 0;
}

static uint16_t dev_tx(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct mini *m = dev;

	(void)queue;
	for (uint16_t i = 0; i < n; i++) {
		if (m->sent_count < MINI_SENT) {
			struct mini_frame *frame = &m->sent[m->sent_count++];

			frame->len = pkts[i]->total;
			frame->flags = pkts[i]->flags;
			assert(frame->len <= sizeof(frame->data));
			pkt_read(pkts[i], 0, frame->data, frame->len);
		}
		pkt_free(m->inst, pkts[i]);
	}
	return n;
}

static const struct s7_netdev_ops dev_ops = { .name = "mini",
					      .rx_burst = dev_rx,
					      .tx_burst = dev_tx };

static void add_iface(struct mini *m, uint32_t flags)
{
	struct s7_route routes[] = {
		{ .to = mini_addr("10.0.0.0"), .prefix_len = 96 + 24, .iface = 1 },
		{ .to = mini_addr("0.0.0.0"),
		  .prefix_len = 96,
		  .iface = 1,
		  .via = mini_addr("10.0.0.254") },
	};
	struct s7_iface iface = { .name = "m0", .flags = (uint16_t)flags, .mtu = 1500, .ifindex = 2,
				  .caps = NETDEV_MULTI_SEG };
	uint32_t index;

	memcpy(iface.mac, mini_mac_us, 6);
	iface.addr[0].ip = mini_addr(MINI_US);
	iface.addr[0].prefix_len = 24;
	iface.addr_count = 1;
	if (inst_add_iface(m->inst, &iface, &index) || route_set(m->inst, routes, 2))
		abort();
	m->env.dev[index].ops = &dev_ops;
	m->env.dev[index].dev = m;
}

struct mini *mini_new(uint32_t iface_flags, bool loopback_stack)
{
	struct mini *m = calloc(1, sizeof(*m));
	struct s7_inst_setup setup = { .env = &m->env, .params = bed_params, .now = S7_SEC };

	bed_make(&m->bed, MINI_PKTS, &m->env);
	m->arena = m->bed.arena;
	setup.params.loopback_stack = loopback_stack;
	if (inst_create(m->arena, &setup, &m->inst))
		abort();
	if (iface_flags & IFACE_UP)
		add_iface(m, iface_flags);
	return m;
}

uint32_t mini_free(struct mini *m)
{
	uint32_t missing;

	mini_wait(m, 5 * S7_SEC); /* neighbours that do not answer let go of what waits for them */
	missing = bed_missing(&m->bed, m->inst);
	bed_free(&m->bed);
	free(m);
	return missing;
}

void mini_in(struct mini *m, const void *frame, uint32_t len)
{
	struct s7_pkt *pkt = pkt_alloc(m->inst);

	if (!pkt)
		return;
	assert(len <= S7_PKT_ROOM);
	/* at the end of the buffer: the sanitizer's red zone is right behind the frame */
	pkt->data = pkt->buf + pkt->buf_len - len;
	memcpy(pkt->data, frame, len);
	pkt->len = pkt->total = len;
	if (m->inst->taps)
		packet_tap_rx(m->inst, &m->inst->iface[1], &pkt, 1);
	eth_input(m->inst, &m->inst->iface[1], &pkt, 1);
	inst_drive(m->inst);
}

void mini_wait(struct mini *m, s7_time ns)
{
	s7_time end = m->inst->now + ns;

	while (m->inst->now < end) {
		s7_time next = s7_max(inst_next_timer(m->inst), m->inst->now + WHEEL_TICK_NS);

		m->inst->now = s7_min(next, end);
		inst_drive(m->inst);
	}
}

uint32_t mini_frame_ip(uint8_t *frame, const struct mini_ip *ip)
{
	struct s7_ip4 h = {
		.src = inet_addr(ip->src ? ip->src : MINI_PEER),
		.dst = inet_addr(ip->dst ? ip->dst : MINI_US),
		.total = (uint16_t)(IP4_LEN + ip->len),
		.id = ip->id,
		.frag_off = ip->off,
		.mf = ip->mf,
		.ttl = 64,
		.proto = ip->proto,
	};

	eth_write(frame, mini_mac_us, mini_mac_peer, ETH_TYPE_IP4);
	ip4_write(frame + ETH_LEN, &h);
	put_raw16(frame + ETH_LEN + 10, csum_fold(csum_20(frame + ETH_LEN)));
	memcpy(frame + ETH_LEN + IP4_LEN, ip->data, ip->len);
	return ETH_LEN + IP4_LEN + ip->len;
}

uint32_t mini_udp(uint8_t *p, const char *src, const char *dst, uint16_t sport, uint16_t dport,
		  const void *data, uint32_t len)
{
	struct s7_udp_hdr h = { sport, dport, (uint16_t)(UDP_LEN + len), 0 };
	struct s7_ip from = mini_addr(src), to = mini_addr(dst);

	udp_write(p, &h);
	memcpy(p + UDP_LEN, data, len);
	put_raw16(p + 6,
		  csum_fold(csum_partial(p, h.len, ip_pseudo_sum(&from, &to, IPPROTO_UDP, h.len))));
	return h.len;
}

void mini_in_udp(struct mini *m, uint16_t sport, uint16_t dport, const void *data, uint32_t len)
{
	uint8_t datagram[2048], frame[2048];
	struct mini_ip ip = { .proto = IPPROTO_UDP, .data = datagram };

	ip.len = mini_udp(datagram, MINI_PEER, MINI_US, sport, dport, data, len);
	mini_in(m, frame, mini_frame_ip(frame, &ip));
}

void mini_in_arp(struct mini *m, uint16_t op, const char *sender_ip, const char *target_ip)
{
	mini_in_arp_from(m, op, mini_mac_peer, sender_ip, target_ip);
}

void mini_in_arp_from(struct mini *m, uint16_t op, const uint8_t *mac, const char *sender_ip,
		      const char *target_ip)
{
	struct s7_arp arp = { .op = op,
			      .sender_ip = inet_addr(sender_ip),
			      .target_ip = inet_addr(target_ip) };
	uint8_t frame[60] = { 0 };

	memcpy(arp.sender_mac, mac, 6);
	memcpy(arp.target_mac, mini_mac_us, 6);
	eth_write(frame, mini_mac_us, mac, ETH_TYPE_ARP);
	arp_write(frame + ETH_LEN, &arp);
	mini_in(m, frame, sizeof(frame));
}

void mini_know_peer(struct mini *m)
{
	struct s7_ip peer = mini_addr(MINI_PEER);

	neigh_learn(m->inst, &m->inst->iface[1], &peer, mini_mac_peer);
}
