/* SPDX-License-Identifier: BSD-3-Clause */
/* mini6.c - see mini6.h */
#include "test/support/mini6.h"

#include <stdlib.h>

#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/udp.h"

struct s7_ip mini_addr6(const char *text)
{
	struct s7_ip ip;

	if (inet_pton(AF_INET6, text, ip.b) != 1)
		abort();
	return ip;
}

struct mini *mini6_new(uint32_t iface_flags, bool loopback_stack, uint8_t addr_flags)
{
	struct mini *m = mini_new(iface_flags, loopback_stack);
	struct s7_iface_addr addrs[] = {
		{ .ip = mini_addr(MINI_US), .prefix_len = 24 },
		{ .ip = mini_addr6(MINI_US6), .prefix_len = 64, .flags = addr_flags },
	};
	struct s7_route routes[] = {
		{ .to = mini_addr("10.0.0.0"), .prefix_len = IP_V4_BITS + 24, .iface = 1 },
		{ .to = mini_addr6("2001:db8::"), .prefix_len = 64, .iface = 1 },
		{ .to = mini_addr6("::"), .iface = 1, .via = mini_addr6("fe80::99") },
	};

	if (iface_set_addrs(m->inst, &m->inst->iface[1], addrs, S7_ARRAY_LEN(addrs)) ||
	    route_set(m->inst, routes, S7_ARRAY_LEN(routes)))
		abort();
	mini_wait(m, 2 * S7_SEC);
	m->sent_count = 0;
	return m;
}

uint32_t mini_frame_ip6(uint8_t *frame, const struct mini_ip6 *ip)
{
	struct s7_ip src = mini_addr6(ip->src ? ip->src : MINI_PEER6);
	struct s7_ip dst = mini_addr6(ip->dst ? ip->dst : MINI_US6);
	struct s7_ip6 h = { .payload = (uint16_t)ip->len,
			    .tclass = ip->tclass,
			    .next = ip->next,
			    .hops = ip->hops ? ip->hops : 64 };
	uint8_t group[6] = { 0x33, 0x33 };

	memcpy(h.src, src.b, 16);
	memcpy(h.dst, dst.b, 16);
	memcpy(group + 2, dst.b + 12, 4);
	eth_write(frame, ip_is_multicast(&dst) ? group : mini_mac_us, mini_mac_peer, ETH_TYPE_IP6);
	ip6_write(frame + ETH_LEN, &h);
	memcpy(frame + ETH_LEN + IP6_LEN, ip->data, ip->len);
	return ETH_LEN + IP6_LEN + ip->len;
}

void mini_in_ip6(struct mini *m, const struct mini_ip6 *ip)
{
	uint8_t frame[2048];

	mini_in(m, frame, mini_frame_ip6(frame, ip));
}

void mini_in_icmp6(struct mini *m, const struct mini_ip6 *ip)
{
	struct mini_ip6 full = *ip;
	struct s7_ip src = mini_addr6(ip->src ? ip->src : MINI_PEER6);
	struct s7_ip dst = mini_addr6(ip->dst ? ip->dst : MINI_US6);
	uint8_t body[2048];
	uint32_t sum;

	memcpy(body, ip->data, ip->len);
	if (ip->len >= 4) {
		put_raw16(body + 2, 0);
		sum = ip_pseudo_sum(&src, &dst, IPPROTO_ICMPV6, ip->len);
		put_raw16(body + 2, csum_fold(csum_partial(body, ip->len, sum)));
	}
	full.next = IPPROTO_ICMPV6;
	full.data = body;
	mini_in_ip6(m, &full);
}

uint32_t mini_udp6(uint8_t *p, const char *src, const char *dst, uint16_t sport, uint16_t dport,
		   const void *data, uint32_t len)
{
	struct s7_udp_hdr h = { sport, dport, (uint16_t)(UDP_LEN + len), 0 };
	struct s7_ip from = mini_addr6(src), to = mini_addr6(dst);

	udp_write(p, &h);
	memcpy(p + UDP_LEN, data, len);
	put_raw16(p + 6,
		  csum_fold(csum_partial(p, h.len, ip_pseudo_sum(&from, &to, IPPROTO_UDP, h.len))));
	return h.len;
}

void mini_in_udp6(struct mini *m, uint16_t sport, uint16_t dport, const void *data, uint32_t len)
{
	uint8_t datagram[2048];
	struct mini_ip6 ip = { .next = IPPROTO_UDP, .data = datagram };

	ip.len = mini_udp6(datagram, MINI_PEER6, MINI_US6, sport, dport, data, len);
	mini_in_ip6(m, &ip);
}

void mini_in_nd(struct mini *m, const char *src, const char *dst, const struct s7_nd *nd)
{
	uint8_t body[ND_LEN_MAX];
	struct mini_ip6 ip = { .src = src, .dst = dst, .hops = ND_HOPS, .data = body };

	ip.len = nd_write(body, nd);
	mini_in_icmp6(m, &ip);
}

void mini_know_peer6(struct mini *m)
{
	struct s7_ip peer = mini_addr6(MINI_PEER6), link = mini_addr6(MINI_PEER_LL);

	neigh_learn(m->inst, &m->inst->iface[1], &peer, mini_mac_peer);
	neigh_learn(m->inst, &m->inst->iface[1], &link, mini_mac_peer);
}

bool mini_sent6(const struct mini *m, uint32_t i, struct s7_ip6 *ret_h)
{
	const struct mini_frame *frame = &m->sent[i];

	return i < m->sent_count && frame->len >= ETH_LEN &&
	       eth_type(frame->data) == ETH_TYPE_IP6 &&
	       !ip6_parse(frame->data + ETH_LEN, frame->len - ETH_LEN, frame->len - ETH_LEN, ret_h);
}

const uint8_t *mini_sent_icmp6(const struct mini *m, uint32_t i, struct s7_icmp *ret_icmp)
{
	const uint8_t *body = m->sent[i].data + ETH_LEN + IP6_LEN;
	struct s7_ip src, dst;
	struct s7_ip6 h;
	uint32_t sum;

	if (!mini_sent6(m, i, &h) || h.next != IPPROTO_ICMPV6 ||
	    !icmp_parse(body, h.payload, ret_icmp))
		return NULL;
	memcpy(src.b, h.src, 16);
	memcpy(dst.b, h.dst, 16);
	sum = ip_pseudo_sum(&src, &dst, IPPROTO_ICMPV6, h.payload);
	return csum_fold(csum_partial(body, h.payload, sum)) ? NULL : body + ICMP_LEN;
}
