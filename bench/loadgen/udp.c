/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp.c - datagrams, and mode udp-rr on them
 *
 * Idea: every client slot has a port of its own and one datagram on the way; its first bytes (at
 * most four) are a serial number, so that an answer that comes after we gave it up is not taken
 * for the next one's. A datagram without an answer is counted as sent again after --rto, with a
 * new serial.
 * Context: the poll loop.   Called by: net.c, main.c.
 */
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lg.h"

#define UDP_HLEN 8u
#define UDP_SERIAL 4u

void udp_input(struct lg *lg, const uint8_t *p, uint32_t len)
{
	struct lg_dgram dgram;
	uint32_t ulen;

	if (len < UDP_HLEN)
		goto malformed;
	ulen = load16(p + 4);
	if (ulen < UDP_HLEN || ulen > len)
		goto malformed;
	dgram.rport = load16(p);
	dgram.lport = load16(p + 2);
	dgram.len = ulen - UDP_HLEN;
	dgram.data = p + UDP_HLEN;
	if (lg->app->datagram)
		lg->app->datagram(lg, &dgram);
	return;
malformed:
	lg->stats.ctr[CTR_MALFORMED]++;
}

/* A datagram of len bytes with its header; the caller fills in the rest. */
static struct rte_mbuf *udp_frame(struct lg *lg, uint16_t lport, uint16_t rport, uint32_t len,
				  uint8_t **ret_l4)
{
	struct rte_mbuf *m = net_frame(lg, IPPROTO_UDP, UDP_HLEN + len, ret_l4);

	if (!m)
		return NULL;
	store16(*ret_l4, lport);
	store16(*ret_l4 + 2, rport);
	store16(*ret_l4 + 4, (uint16_t)(UDP_HLEN + len));
	return m;
}

/* false: no room in the port. */
static bool slot_send(struct lg *lg, uint32_t i)
{
	struct lg_udp_slot *slot = &lg->udp.slots[i];
	uint32_t size = (uint32_t)lg->conf.size;
	struct rte_mbuf *m;
	uint8_t *l4;

	m = udp_frame(lg, (uint16_t)(lg->conf.port_lo + i), (uint16_t)lg->conf.port, size, &l4);
	if (!m)
		return false;
	slot->serial++;
	memset(l4 + UDP_HLEN, 0x55, size);
	memcpy(l4 + UDP_HLEN, &slot->serial, RTE_MIN(size, UDP_SERIAL));
	net_send(lg, m, IPPROTO_UDP, l4, UDP_HLEN + size, 6);
	slot->waiting = true;
	slot->t0 = lg->now;
	slot->resend_at = lg->now + lg->tcp.rto;
	return true;
}

static int client_init(struct lg *lg)
{
	if (lg->conf.conns > lg->conf.port_hi - lg->conf.port_lo + 1)
		return -EINVAL;
	lg->udp.count = (uint32_t)lg->conf.conns;
	lg->udp.slots = calloc(lg->udp.count, sizeof(*lg->udp.slots));
	return lg->udp.slots ? 0 : -ENOMEM;
}

static void client_start(struct lg *lg)
{
	uint32_t i;

	for (i = 0; i < lg->udp.count; i++)
		if (!slot_send(lg, i))
			lg->udp.slots[i].resend_at = lg->now + 1;
}

static void client_datagram(struct lg *lg, const struct lg_dgram *dgram)
{
	uint32_t i = dgram->lport - (uint32_t)lg->conf.port_lo;
	struct lg_udp_slot *slot;

	if (dgram->lport < lg->conf.port_lo || i >= lg->udp.count || dgram->rport != lg->conf.port)
		return;
	slot = &lg->udp.slots[i];
	if (dgram->len != lg->conf.size) {
		lg->stats.ctr[CTR_BAD_REPLY]++;
		return;
	}
	if (!slot->waiting || memcmp(dgram->data, &slot->serial, RTE_MIN(dgram->len, UDP_SERIAL)))
		return; /* a late one */
	lg->stats.ctr[CTR_REQUESTS]++;
	lg->stats.ctr[CTR_BYTES_RX] += dgram->len;
	lg->stats.ctr[CTR_BYTES_TX] += dgram->len;
	hist_add(&lg->stats.latency, lg->now - slot->t0);
	slot->waiting = false;
	if (!lg->stopping && !slot_send(lg, i))
		slot->resend_at = lg->now + 1;
}

static void client_tick(struct lg *lg)
{
	struct lg_udp_slot *slot;
	uint32_t i;

	for (i = 0; i < lg->udp.count && !lg->stopping; i++) {
		slot = &lg->udp.slots[i];
		if (lg->now < slot->resend_at || !slot->resend_at)
			continue;
		lg->stats.ctr[CTR_RETRANSMITS] += slot->waiting;
		if (!slot_send(lg, i))
			break;
	}
}

const struct lg_app udp_client = {
	.init = client_init,
	.start = client_start,
	.datagram = client_datagram,
	.tick = client_tick,
};

static int server_init(struct lg *lg)
{
	(void)lg;
	return 0;
}

static void server_datagram(struct lg *lg, const struct lg_dgram *dgram)
{
	struct rte_mbuf *m;
	uint8_t *l4;

	if (dgram->lport != lg->conf.port || UDP_HLEN + dgram->len + 20 > lg->conf.mtu)
		return;
	m = udp_frame(lg, dgram->lport, dgram->rport, dgram->len, &l4);
	if (!m)
		return;
	memcpy(l4 + UDP_HLEN, dgram->data, dgram->len);
	net_send(lg, m, IPPROTO_UDP, l4, UDP_HLEN + dgram->len, 6);
	lg->stats.ctr[CTR_REQUESTS]++;
	lg->stats.ctr[CTR_BYTES_RX] += dgram->len;
	lg->stats.ctr[CTR_BYTES_TX] += dgram->len;
}

const struct lg_app udp_server = { .init = server_init, .datagram = server_datagram };
