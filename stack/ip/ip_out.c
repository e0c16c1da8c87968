/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip_out.c - IPv4 header, fragmentation of both families, and the way onto the link
 *
 * ip_output() prepends the header to a packet that begins at its transport header and hands it to
 * lo, to a neighbour, or to the group's link address. The header checksum is left to the device
 * only for packets it cuts itself (TSO); on lo nobody looks at it. A packet above the path MTU is
 * fragmented (RFC 791 3.2) unless the transport forbids it: without copying when its buffers
 * already are one fragment each (UDP builds them so), else piece by piece into fresh ones.
 * Fragments carry a finished transport checksum; options of the header stand in each of them, those
 * that only the first one has as padding (ip4_opts.c). Context: instance lock; every path consumes
 * one reference. Called by: tcp, udp, raw, icmp.
 */
#include "stack/ip/ip_out.h"

#include <errno.h>

#include "stack/core/charge.h"
#include "stack/core/hdrs6.h"
#include "stack/ip/arp.h"
#include "stack/ip/chain.h"
#include "stack/ip/group.h"
#include "stack/ip/frag.h"
#include "stack/ip/hold.h"
#include "stack/ip/ip4_opts.h"
#include "stack/ip/ip6.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"
#include "stack/wire/ip6.h"

#define UDP_SUM_AT 6
#define TCP_SUM_AT 16

uint32_t ip_pseudo_sum(const struct s7_ip *src, const struct s7_ip *dst, uint8_t proto,
		       uint32_t len)
{
	uint32_t sum = htonl(len + proto);

	if (s7_likely(ip_is_v4(src) && ip_is_v4(dst)))
		return csum_add(csum_add(ip_v4(src), ip_v4(dst)), sum);
	return csum_partial(src->b, 16, csum_partial(dst->b, 16, sum));
}

/* Broadcast, or the group's address (RFC 1112 6.4, RFC 2464 7). */
static void group_mac(const struct s7_dst *dst, uint8_t mac[6])
{
	uint32_t host = ntohl(ip_v4(&dst->dst));

	if (!dst->is_v4) {
		ip6_group_mac(&dst->dst, mac);
		return;
	}
	if (!ip_is_multicast(&dst->dst)) {
		memset(mac, 0xff, 6);
		return;
	}
	put_be16(mac, 0x0100);
	put_be32(mac + 2, 0x5e000000 | (host & 0x7fffff));
}

/* Is what we send there for our own sockets too? */
static bool loops_back(const struct s7_inst *inst, const struct s7_dst *dst)
{
	const struct s7_ip *to = &dst->dst;

	if (!ip_is_multicast(to))
		return true;
	if (dst->no_loop)
		return false;
	return (dst->is_v4 && ip_v4(to) == htonl(INADDR_ALLHOSTS_GROUP)) ||
	       group_wanted(inst, dst->iface, to, NULL);
}

/* ... it comes back by way of lo, as if received by the interface it left by. */
static void loop_back(struct s7_inst *inst, const struct s7_dst *dst, const struct s7_pkt *pkt)
{
	struct s7_pkt *copy;

	if (!loops_back(inst, dst))
		return;
	copy = pkt_copy(inst, pkt, 0, pkt->total);
	if (!copy) {
		inst->drop[DROP_NO_PKT]++;
		return;
	}
	copy->flags = PKT_RX_LOOPED;
	copy->iface = dst->iface;
	iface_stage(inst, &inst->iface[S7_IFACE_LO], copy);
}

/* To a group or to everybody on the link. A TTL of 0 means: no farther than this host. */
static void transmit_group(struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt)
{
	struct s7_iface *iface = &inst->iface[dst->iface];
	uint8_t mac[6];

	loop_back(inst, dst, pkt);
	if (!pkt->data[dst->is_v4 ? 8 : 7]) {
		pkt_free(inst, pkt);
		return;
	}
	group_mac(dst, mac);
	eth_output(inst, iface, pkt, mac, dst->is_v4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
}

int ip_transmit(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt)
{
	struct s7_iface *iface = &inst->iface[dst->iface];

	if (s7_unlikely(!(iface->flags & IFACE_UP))) {
		pkt_drop(inst, pkt, DROP_TX_IFACE_DOWN);
		return -ENETUNREACH;
	}
	if (!dst->link_len) {
		iface_stage(inst, iface, pkt);
		return 0;
	}
	if (s7_unlikely(!dst->neigh)) {
		transmit_group(inst, dst, pkt);
		return 0;
	}
	if (s7_unlikely(dst->neigh->generation != dst->neigh_generation)) {
		dst->neigh = neigh_get(inst, iface, &dst->hop);
		if (!dst->neigh) {
			pkt_drop(inst, pkt, DROP_ARP_FULL);
			return -ENOBUFS;
		}
		dst->neigh_generation = dst->neigh->generation;
	}
	neigh_output(inst, dst->neigh, pkt);
	return 0;
}

static int ip_send(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
		   const struct s7_ip_tx *tx, const struct ip_piece *piece)
{
	uint32_t hdr_len = IP4_LEN;
	struct s7_ip4 h = {
		.src = ip_v4(&dst->src),
		.dst = ip_v4(&dst->dst),
		.id = (uint16_t)piece->id,
		.frag_off = piece->off,
		.tos = tx->tos,
		.ttl = tx->ttl,
		.proto = tx->proto,
		.df = tx->dont_fragment,
		.mf = piece->more,
	};
	uint8_t *p;

	if (s7_unlikely(tx->opts != NULL))
		hdr_len += ip4_opts_push(inst, dst, pkt, tx, !piece->off);
	p = pkt_push(pkt, IP4_LEN);
	h.total = (uint16_t)pkt->total;
	ip4_write(p, &h);
	p[0] = (uint8_t)(0x40 | hdr_len / 4);
	pkt->l2_len = dst->link_len;
	pkt->l3_len = (uint8_t)hdr_len;
	if (s7_unlikely(pkt->flags & PKT_TX_TSO))
		pkt->flags |= PKT_TX_L3_CSUM;
	else if (dst->link_len)
		put_raw16(p + 10, csum_fold(s7_likely(hdr_len == IP4_LEN) ?
						    csum_20(p) : csum_partial(p, hdr_len, 0)));
	return s7_likely(!tx->delay_us) ? ip_transmit(inst, dst, pkt) :
					  hold_packet(inst, dst, pkt, tx->delay_us);
}

int ip_output_whole(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt)
{
	if (dst->owner != ROUTE_STACK) {
		pkt_drop(inst, pkt, DROP_IP_NO_ROUTE);
		return -ENETUNREACH;
	}
	pkt->l2_len = dst->link_len;
	pkt->l3_len = (uint8_t)ip_header_len(dst->is_v4);
	if (!dst->is_v4)
		pkt->flags |= PKT_L3_V6;
	return ip_transmit(inst, dst, pkt);
}

void ip_finish_csum(struct s7_pkt *pkt, uint8_t proto)
{
	uint32_t at = proto == IPPROTO_UDP ? UDP_SUM_AT : TCP_SUM_AT;
	uint16_t sum;

	if (!(pkt->flags & PKT_TX_L4_CSUM) || pkt->len < at + 2)
		return;
	sum = csum_fold(chain_sum(pkt, 0, pkt->total, 0));
	put_raw16(pkt->data + at, sum || proto != IPPROTO_UDP ? sum : 0xffff);
	pkt->flags &= (uint16_t)~PKT_TX_L4_CSUM;
}

/* Is every buffer one fragment of at most `room` bytes that may be sent as it is? */
static bool is_precut(const struct s7_pkt *pkt, uint32_t room)
{
	for (; pkt; pkt = pkt->frag) {
		if (pkt->len > room || (pkt->frag && pkt->len != room) || pkt_is_shared(pkt) ||
		    pkt_headroom(pkt) < IP4_LEN_MAX + IP6_FRAG_LEN + ETH_LEN)
			return false;
	}
	return true;
}

static int send_piece(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
		      const struct s7_ip_tx *tx, const struct ip_piece *piece)
{
	stat_add(inst, STAT_IP_FRAGS_OUT, 1);
	return dst->is_v4 ? ip_send(inst, dst, pkt, tx, piece) :
			    ip6_send(inst, dst, pkt, tx, piece);
}

static int send_precut(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
		       const struct s7_ip_tx *tx, struct ip_piece *piece)
{
	const struct s7_pkt_charge charge = pkt->charge;
	const uint32_t flags = pkt->flags;
	struct s7_pkt *rest;
	uint32_t len;
	int err;

	for (; pkt; pkt = rest) {
		rest = pkt->frag;
		len = pkt->total = pkt->len;
		pkt->frag = NULL;
		pkt->nsegs = 1;
		pkt->flags &= PKT_TX_STAMP; /* of the first alone */
		charge_share(pkt, flags, &charge);
		piece->more = rest != NULL;
		err = send_piece(inst, dst, pkt, tx, piece);
		if (err) {
			pkt_free(inst, rest);
			return err;
		}
		piece->off = (uint16_t)(piece->off + len);
	}
	return 0;
}

static int send_cut(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
		    const struct s7_ip_tx *tx, struct ip_piece *piece, uint32_t room)
{
	uint32_t off, len;
	int err = 0;

	for (off = 0; off < pkt->total && !err; off += len) {
		struct s7_pkt *part;

		len = (uint32_t)s7_min(room, pkt->total - off);
		part = pkt_copy(inst, pkt, off, len);
		if (!part) {
			inst->drop[DROP_NO_PKT]++;
			err = -ENOBUFS;
			break;
		}
		part->flags = off ? 0 : pkt->flags & PKT_TX_STAMP;
		part->stamp = pkt->stamp;
		charge_share(part, pkt->flags, &pkt->charge);
		piece->off = (uint16_t)off;
		piece->more = off + len < pkt->total;
		err = send_piece(inst, dst, part, tx, piece);
	}
	pkt_free(inst, pkt);
	return err;
}

static uint32_t opts_len(const struct s7_ip_tx *tx)
{
	return s7_likely(!tx->opts) ? 0 : tx->opts->len;
}

static int ip_fragment(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
		       const struct s7_ip_tx *tx)
{
	uint32_t before = tx->hdrs ? hdrs6_before(tx->hdrs) : opts_len(tx);
	uint32_t room = ip_frag_room(dst->is_v4, dst->mtu - s7_min(before, dst->mtu));
	uint32_t most = dst->is_v4 ? IP4_TOTAL_MAX - IP4_LEN - opts_len(tx) : IP6_PAYLOAD_MAX;
	struct ip_piece piece = { .off = 0 };

	if (tx->dont_fragment || pkt->total > most || !room) {
		pkt_drop(inst, pkt, DROP_IP_TOO_BIG);
		return -EMSGSIZE;
	}
	piece.id = dst->is_v4 ? inst->ip_id++ : frag_next_id(inst, &dst->src, &dst->dst);
	ip_finish_csum(pkt, tx->proto);
	if (is_precut(pkt, room))
		return send_precut(inst, dst, pkt, tx, &piece);
	return send_cut(inst, dst, pkt, tx, &piece, room);
}

/* With extension headers of the sender's choice. */
static int ip6_output_hdrs(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
			   const struct s7_ip_tx *tx)
{
	static const struct ip_piece whole;
	struct s7_ip_tx with = *tx;

	ip_finish_csum(pkt, tx->proto);
	if (tx->hdrs->len[HDR6_DST1]) {
		pkt = ip6_push_options(inst, dst, pkt, tx->hdrs, &with.proto);
		if (!pkt)
			return -ENOBUFS;
	}
	if (pkt->total + IP6_LEN + hdrs6_before(tx->hdrs) > dst->mtu)
		return ip_fragment(inst, dst, pkt, &with);
	return ip6_send(inst, dst, pkt, &with, &whole);
}

static int ip6_output(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
		      const struct s7_ip_tx *tx)
{
	static const struct ip_piece whole;

	if (dst->owner != ROUTE_STACK) {
		pkt_drop(inst, pkt, DROP_IP_NO_ROUTE);
		return -ENETUNREACH;
	}
	if (s7_unlikely(tx->hdrs != NULL))
		return ip6_output_hdrs(inst, dst, pkt, tx);
	if (s7_unlikely(pkt->total + IP6_LEN > dst->mtu && !(pkt->flags & PKT_TX_TSO)))
		return ip_fragment(inst, dst, pkt, tx);
	return ip6_send(inst, dst, pkt, tx, &whole);
}

int ip_output(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
	      const struct s7_ip_tx *tx)
{
	struct ip_piece whole = { 0, 0, false };

	if (dst->owner != ROUTE_STACK || !dst->is_v4)
		return ip6_output(inst, dst, pkt, tx);
	if (s7_unlikely(pkt->total + IP4_LEN + opts_len(tx) > dst->mtu &&
			!(pkt->flags & PKT_TX_TSO)))
		return ip_fragment(inst, dst, pkt, tx);
	whole.id = inst->ip_id;
	/* the device numbers the pieces it cuts from here on */
	inst->ip_id = (uint16_t)(inst->ip_id + (pkt->flags & PKT_TX_TSO && pkt->tso_mss ?
							pkt->total / pkt->tso_mss + 1 : 1));
	return ip_send(inst, dst, pkt, tx, &whole);
}
