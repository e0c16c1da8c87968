/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip6_out.c - the IPv6 header, and the fragment header where a packet is one
 *
 * There is no checksum of the header and no identification unless a packet is fragmented, so this
 * is all that is the family's own; which packets are fragmented, and the way onto the link, is
 * ip_out.c's. The flow label is a keyed hash of the flow (RFC 6437 3): it tells routers what
 * belongs together and nobody where a connection stands in our tables. Context: instance lock.
 * Called by: ip_out.c.
 */
#include <errno.h>

#include "stack/core/hdrs6.h"
#include "stack/ip/hold.h"
#include "stack/ip/ip_out.h"
#include "stack/wire/ip6.h"

uint32_t dst_flow_label(const struct s7_inst *inst, const struct s7_dst *dst, uint16_t lport,
			uint16_t rport)
{
	uint64_t ports = (uint64_t)lport << 16 | rport;
	uint64_t mixed = (dst->dst.q[1] ^ dst->src.q[0] ^ inst->secret[0]) * 0x9e3779b97f4a7c15ull;

	mixed = (mixed ^ mixed >> 32 ^ dst->dst.q[0] ^ inst->secret[1]) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ mixed >> 29 ^ dst->src.q[1] ^ ports) * 0x94d049bb133111ebull;
	mixed = (mixed ^ mixed >> 32) * 0xbf58476d1ce4e5b9ull >> 44;
	return mixed ? (uint32_t)mixed : 1;
}

int ip6_send(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
	     const struct s7_ip_tx *tx, const struct ip_piece *piece)
{
	struct s7_ip6 h = {
		.label = dst->label, .tclass = tx->tos, .next = tx->proto, .hops = tx->ttl
	};
	struct s7_ip6_frag frag = {
		.next = tx->proto, .more = piece->more, .off = piece->off, .id = piece->id
	};

	uint8_t l3_len = IP6_LEN;

	if (s7_unlikely(piece->more || piece->off)) {
		ip6_frag_write(pkt_push(pkt, IP6_FRAG_LEN), &frag);
		h.next = IP6_EXT_FRAGMENT;
		l3_len = IP6_LEN + IP6_FRAG_LEN;
	}
	if (s7_unlikely(tx->hdrs != NULL) && hdrs6_before(tx->hdrs)) {
		pkt = ip6_push_headers(inst, dst, pkt, tx, &h.next);
		if (!pkt)
			return -ENOBUFS;
	}
	pkt->l3_len = l3_len;
	h.payload = (uint16_t)pkt->total;
	memcpy(h.src, dst->src.b, IP6_ADDR_LEN);
	memcpy(h.dst, dst->dst.b, IP6_ADDR_LEN);
	ip6_write(pkt_push(pkt, IP6_LEN), &h);
	pkt->l2_len = dst->link_len;
	pkt->flags |= PKT_L3_V6;
	return s7_likely(!tx->delay_us) ? ip_transmit(inst, dst, pkt) :
					  hold_packet(inst, dst, pkt, tx->delay_us);
}
