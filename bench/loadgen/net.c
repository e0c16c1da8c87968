/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net.c - Ethernet, ARP, IPv4 and ICMP echo towards one peer
 *
 * Idea: there is one peer, so the Ethernet and IPv4 headers of every frame we send are one
 * template whose length and checksum alone change. Everything that is received is checked
 * (lengths, header checksum, transport checksum unless the device or --trust-csum vouches for it)
 * and dropped into a named counter.
 * Invariant: nothing reads beyond the frame's length; a frame in several buffers is copied flat
 * first.
 * Context: the poll loop.   Called by: main.c; calls tcp_input() and udp_input().
 */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "lg.h"

#define ETH_ARP 0x0806
#define ETH_IP4 0x0800
#define ARP_LEN 28
#define ARP_REQUEST 1
#define ARP_REPLY 2
#define ARP_RETRY_MS 50
#define ICMP_ECHO 8

static const uint8_t net_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t net_nobody[6];

uint64_t net_sum(const void *data, uint32_t len, uint64_t sum)
{
	const uint8_t *p = data;
	uint64_t a = 0, b = 0;
	uint32_t w[8];
	uint16_t half;

	for (; len >= 32; len -= 32, p += 32) {
		memcpy(w, p, 32);
		a += (uint64_t)w[0] + w[1] + w[2] + w[3];
		b += (uint64_t)w[4] + w[5] + w[6] + w[7];
	}
	for (; len >= 4; len -= 4, p += 4) {
		memcpy(w, p, 4);
		a += w[0];
	}
	if (len >= 2) {
		memcpy(&half, p, 2);
		a += half;
		p += 2;
		len -= 2;
	}
	if (len)
		a += *p; /* little endian: the odd byte is the low half */
	return sum + a + b;
}

static void build_template(struct lg_net *net, const uint8_t *mac)
{
	uint8_t *ip = net->hdr + NET_ETH_LEN;

	memset(net->hdr, 0, sizeof(net->hdr));
	memcpy(net->hdr, net->peer_mac, 6);
	memcpy(net->hdr + 6, mac, 6);
	store16(net->hdr + 12, ETH_IP4);
	ip[0] = 0x45;
	store16(ip + 6, IP_DF);
	ip[8] = 64;
	memcpy(ip + 12, &net->ip_be, 4);
	memcpy(ip + 16, &net->peer_be, 4);
	net->hdr_sum = net_fold(net_sum(ip, 20, 0));
	net->pseudo_sum = net_fold(net_sum(ip + 12, 8, 0));
}

int net_init(struct lg *lg)
{
	struct lg_net *net = &lg->net;

	net->ip_be = lg->conf.ip_be;
	net->peer_be = lg->conf.peer_be;
	net->hop_be = lg->conf.gw_be ? lg->conf.gw_be : lg->conf.peer_be;
	net->loss_state = 0x9e3779b9;
	net->scratch = malloc(NET_SCRATCH);
	return net->scratch ? 0 : -ENOMEM;
}

static void arp_send(struct lg *lg, uint16_t op, const uint8_t *to_mac, uint32_t to_ip)
{
	struct rte_mbuf *m;
	uint8_t *p;

	if (port_room(&lg->port) == 0)
		return;
	m = rte_pktmbuf_alloc(lg->port.pool);
	if (!m)
		return;
	p = (uint8_t *)rte_pktmbuf_append(m, 60);
	memset(p, 0, 60);
	memcpy(p, op == ARP_REQUEST ? net_broadcast : to_mac, 6);
	memcpy(p + 6, lg->port.mac, 6);
	store16(p + 12, ETH_ARP);
	p += NET_ETH_LEN;
	store16(p, 1);
	store16(p + 2, ETH_IP4);
	p[4] = 6;
	p[5] = 4;
	store16(p + 6, op);
	memcpy(p + 8, lg->port.mac, 6);
	memcpy(p + 14, &lg->net.ip_be, 4);
	memcpy(p + 18, to_mac, 6);
	memcpy(p + 24, &to_ip, 4);
	port_send(&lg->port, m);
}

void net_resolve(struct lg *lg)
{
	if (lg->net.peer_known || lg->now < lg->net.arp_next)
		return;
	lg->net.arp_next = lg->now + lg_ms(lg, ARP_RETRY_MS);
	arp_send(lg, ARP_REQUEST, net_nobody, lg->net.hop_be);
}

/* RFC 826: learn the sender when it is our next hop, answer when we are the target. */
static void arp_input(struct lg *lg, const uint8_t *p, uint32_t len)
{
	uint32_t sender, target;

	if (len < ARP_LEN || load16(p) != 1 || load16(p + 2) != ETH_IP4 || p[4] != 6 || p[5] != 4)
		return;
	memcpy(&sender, p + 14, 4);
	memcpy(&target, p + 24, 4);
	if (sender == lg->net.hop_be &&
	    (!lg->net.peer_known || memcmp(lg->net.peer_mac, p + 8, 6))) {
		memcpy(lg->net.peer_mac, p + 8, 6);
		lg->net.peer_known = true;
		build_template(&lg->net, lg->port.mac);
	}
	if (target == lg->net.ip_be && load16(p + 6) == ARP_REQUEST)
		arp_send(lg, ARP_REPLY, p + 8, sender);
}

struct rte_mbuf *net_frame(struct lg *lg, uint8_t proto, uint32_t l4_len, uint8_t **ret_l4)
{
	struct rte_mbuf *m;
	uint8_t *p, *ip;
	uint16_t sum;

	if (port_room(&lg->port) == 0)
		return NULL;
	m = rte_pktmbuf_alloc(lg->port.pool);
	if (!m) {
		lg->stats.ctr[CTR_NO_BUFFER]++;
		return NULL;
	}
	p = rte_pktmbuf_mtod(m, uint8_t *);
	m->data_len = (uint16_t)(NET_HDR_LEN + l4_len);
	m->pkt_len = m->data_len;
	memcpy(p, lg->net.hdr, NET_HDR_LEN);
	ip = p + NET_ETH_LEN;
	store16(ip + 2, (uint16_t)(20 + l4_len));
	ip[9] = proto;
	sum = net_fold((uint64_t)lg->net.hdr_sum + htons((uint16_t)(20 + l4_len)) + htons(proto));
	sum = (uint16_t)~sum;
	memcpy(ip + 10, &sum, 2);
	*ret_l4 = p + NET_HDR_LEN;
	return m;
}

void net_send(struct lg *lg, struct rte_mbuf *m, uint8_t proto, uint8_t *l4, uint32_t l4_len,
	      uint32_t sum_off)
{
	uint64_t pseudo = (uint64_t)lg->net.pseudo_sum + htons(proto) + htons((uint16_t)l4_len);
	uint16_t sum = 0;

	if (lg->port.tx_csum && proto != IPPROTO_ICMP) {
		m->l2_len = NET_ETH_LEN;
		m->l3_len = NET_HDR_LEN - NET_ETH_LEN;
		m->ol_flags |= RTE_MBUF_F_TX_IPV4;
		m->ol_flags |= proto == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM :
						      RTE_MBUF_F_TX_UDP_CKSUM;
		sum = net_fold(pseudo);
	} else {
		memcpy(l4 + sum_off, &sum, 2);
		sum = (uint16_t)~net_fold(net_sum(l4, l4_len, proto == IPPROTO_ICMP ? 0 : pseudo));
		if (sum == 0 && proto == IPPROTO_UDP)
			sum = 0xffff;
	}
	memcpy(l4 + sum_off, &sum, 2);
	port_send(&lg->port, m);
}

static void icmp_input(struct lg *lg, const uint8_t *p, uint32_t len)
{
	struct rte_mbuf *m;
	uint8_t *l4;

	if (len < 8 || net_fold(net_sum(p, len, 0)) != 0xffff) {
		lg->stats.ctr[CTR_BAD_CSUM]++;
		return;
	}
	if (p[0] == 3)
		lg->stats.ctr[CTR_UNREACHABLE]++;
	if (p[0] != ICMP_ECHO || !lg->net.peer_known || NET_HDR_LEN + len > lg->conf.mtu)
		return;
	m = net_frame(lg, IPPROTO_ICMP, len, &l4);
	if (!m)
		return;
	memcpy(l4, p, len);
	l4[0] = 0;
	net_send(lg, m, IPPROTO_ICMP, l4, len, 2);
}

/* Is the transport checksum fine, by the device's word or our own sum? */
static bool l4_sum_ok(const struct lg *lg, uint64_t ol_flags, const uint8_t *ip, const uint8_t *l4,
		      uint32_t len)
{
	uint64_t seen = ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (lg->conf.trust_csum)
		return true;
	if (lg->port.rx_csum && seen != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN)
		return seen != RTE_MBUF_F_RX_L4_CKSUM_BAD;
	if (ip[9] == IPPROTO_UDP && len >= 8 && l4[6] == 0 && l4[7] == 0)
		return true; /* sender did not compute one */
	return net_fold(net_sum(l4, len, net_sum(ip + 12, 8, 0)) + htons(ip[9]) +
			htons((uint16_t)len)) == 0xffff;
}

static void ip_input(struct lg *lg, const uint8_t *ip, uint32_t len, uint64_t ol_flags)
{
	uint32_t hlen, total, src, dst;

	if (len < 20 || (ip[0] >> 4) != 4)
		goto malformed;
	hlen = (ip[0] & 15) * 4u;
	total = load16(ip + 2);
	if (hlen < 20 || total < hlen)
		goto malformed;
	if (total > len) {
		lg->stats.ctr[CTR_TRUNCATED]++;
		return;
	}
	memcpy(&src, ip + 12, 4);
	memcpy(&dst, ip + 16, 4);
	if (dst != lg->net.ip_be || src != lg->net.peer_be)
		return;
	if ((load16(ip + 6) & (IP_MF | IP_OFFMASK)) ||
	    net_fold(net_sum(ip, hlen, 0)) != 0xffff)
		goto malformed;
	if (ip[9] == IPPROTO_ICMP) {
		icmp_input(lg, ip + hlen, total - hlen);
		return;
	}
	if (!l4_sum_ok(lg, ol_flags, ip, ip + hlen, total - hlen)) {
		lg->stats.ctr[CTR_BAD_CSUM]++;
		return;
	}
	if (ip[9] == IPPROTO_TCP)
		tcp_input(lg, ip + hlen, total - hlen);
	else if (ip[9] == IPPROTO_UDP)
		udp_input(lg, ip + hlen, total - hlen);
	return;
malformed:
	lg->stats.ctr[CTR_MALFORMED]++;
}

/* --loss: a xorshift decides who dies; the same sequence in every run. */
static bool lose(struct lg *lg)
{
	uint32_t x = lg->net.loss_state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	lg->net.loss_state = x;
	return x % 1000 < lg->conf.loss_permille;
}

void net_input(struct lg *lg, struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t len = m->data_len;

	if (m->nb_segs > 1) {
		len = (uint32_t)RTE_MIN(m->pkt_len, (uint32_t)NET_SCRATCH);
		p = rte_pktmbuf_read(m, 0, len, lg->net.scratch);
	}
	if (!p || len < NET_ETH_LEN)
		return;
	lg->stats.ctr[CTR_RX_FRAMES]++;
	if (lg->conf.loss_permille && lose(lg)) {
		lg->stats.ctr[CTR_LOST]++;
		return;
	}
	if (load16(p + 12) == ETH_IP4)
		ip_input(lg, p + NET_ETH_LEN, len - NET_ETH_LEN, m->ol_flags);
	else if (load16(p + 12) == ETH_ARP)
		arp_input(lg, p + NET_ETH_LEN, len - NET_ETH_LEN);
}
