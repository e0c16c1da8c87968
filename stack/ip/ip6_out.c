/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip6_out.c - the IPv6 header, and the fragment header where a packet is one
 *
 * There is no checksum of the header and no identification unless a packet is fragmented, so this
 * is all that is the family's own; which packets are fragmented, and the way onto the link, is
 * ip_out.c's. The flow label is 0 (RFC 6437 allows it). Context: instance lock. Called by:
 * ip_out.c.
 */
#include "stack/ip/ip_out.h"

#include "stack/wire/ip6.h"

int ip6_send(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
	     const struct s7_ip_tx *tx, const struct ip_piece *piece)
{
	struct s7_ip6 h = { .tclass = tx->tos, .next = tx->proto, .hops = tx->ttl };
	struct s7_ip6_frag frag = {
		.next = tx->proto, .more = piece->more, .off = piece->off, .id = piece->id
	};

	pkt->l3_len = IP6_LEN;
	if (s7_unlikely(piece->more || piece->off)) {
		ip6_frag_write(pkt_push(pkt, IP6_FRAG_LEN), &frag);
		h.next = IP6_EXT_FRAGMENT;
		pkt->l3_len = IP6_LEN + IP6_FRAG_LEN;
	}
	h.payload = (uint16_t)pkt->total;
	memcpy(h.src, dst->src.b, IP6_ADDR_LEN);
	memcpy(h.dst, dst->dst.b, IP6_ADDR_LEN);
	ip6_write(pkt_push(pkt, IP6_LEN), &h);
	pkt->l2_len = dst->link_len;
	pkt->flags |= PKT_L3_V6;
	return ip_transmit(inst, dst, pkt);
}
