/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip6_hdrs.c - extension headers of a program's choice in packets that are sent (RFC 8200 4.1)
 *
 * Idea: the packet stays as its transport built it; a buffer with the headers goes in front of it,
 * chained, or with the packet copied behind them for a device that takes no chains. Destination
 * options for the last destination come first, being part of what is fragmented; the others are
 * repeated in every fragment. A routing header carries the last destination, the IPv6 header the
 * first one (RFC 6275 6.4, RFC 8754 4.1). Checksums are finished here: no device finds them behind
 * such headers.
 * Bound: HDR6_COUNT * HDR6_MAX bytes of headers; the path MTU counts them.
 * Context: instance lock. Called by: ip_out.c, ip6_out.c.
 */
#include <errno.h>

#include "stack/core/charge.h"
#include "stack/core/hdrs6.h"
#include "stack/ip/chain.h"
#include "stack/ip/ip_out.h"
#include "stack/wire/ip6.h"

#define ROUTING_SEGMENTS 4
#define ADDRS_AT 8u

/* The last destination takes its place; `h` is a copy of the program's header. */
static void route_fill(uint8_t *h, uint32_t len, const struct s7_ip *final)
{
	if (h[2] == ROUTING_SEGMENTS) {
		memcpy(h + ADDRS_AT, final->b, IP6_ADDR_LEN);
		return;
	}
	memmove(h + ADDRS_AT, h + ADDRS_AT + IP6_ADDR_LEN, len - ADDRS_AT - IP6_ADDR_LEN);
	memcpy(h + len - IP6_ADDR_LEN, final->b, IP6_ADDR_LEN);
}

/* The chain's last buffer gets `len` bytes more, in further ones when it is full. */
static bool append(struct s7_inst *inst, struct s7_pkt *head, const uint8_t *from, uint32_t len)
{
	struct s7_pkt *tail = head;
	uint32_t here;

	while (tail->frag)
		tail = tail->frag;
	for (; len; from += here, len -= here) {
		if (!pkt_tailroom(tail)) {
			tail->frag = pkt_alloc(inst);
			if (!tail->frag)
				return false;
			tail = tail->frag;
			head->nsegs++;
		}
		here = (uint32_t)s7_min(len, pkt_tailroom(tail));
		memcpy(tail->data + tail->len, from, here);
		tail->len += here;
		head->total += here;
	}
	return true;
}

/* What the new head knows of the packet behind it. */
static void take_marks(struct s7_pkt *head, const struct s7_pkt *pkt)
{
	head->flags = pkt->flags;
	head->hash = pkt->hash;
	head->tso_mss = pkt->tso_mss;
	head->iface = pkt->iface;
	head->stamp = pkt->stamp;
	charge_share(head, pkt->flags, &pkt->charge);
}

/* For a device that wants one buffer. Consumes. */
static struct s7_pkt *flatten(struct s7_inst *inst, struct s7_pkt *head)
{
	struct s7_pkt *flat = pkt_copy(inst, head, 0, head->total);

	if (flat)
		take_marks(flat, head);
	if (flat && head->flags & PKT_TX_STAMP_CHUNKS) {
		flat->tcp.flags = head->frag->tcp.flags;
		flat->stamp = head->frag->stamp;
	}
	pkt_free(inst, head);
	return flat;
}

/* Puts a finished head in front of the packet. Consumes both; NULL: no packets. */
static struct s7_pkt *join(struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *head,
			   struct s7_pkt *pkt)
{
	take_marks(head, pkt);
	if (head->flags & PKT_TX_STAMP_CHUNKS)
		head->tcp.flags = 0; /* it is no chunk that was stamped */
	chain_append(head, pkt);
	if (inst->iface[dst->iface].caps & NETDEV_MULTI_SEG)
		return head;
	return flatten(inst, head);
}

struct s7_pkt *ip6_push_options(struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt,
				const struct s7_hdrs6 *hdrs, uint8_t *next)
{
	struct s7_pkt *head = pkt_alloc(inst);

	if (!head || !append(inst, head, hdrs6_at(hdrs, HDR6_DST1), hdrs->len[HDR6_DST1])) {
		pkt_free(inst, head);
		pkt_drop(inst, pkt, DROP_NO_PKT);
		return NULL;
	}
	head->data[0] = *next;
	*next = IP6_EXT_DEST;
	return join(inst, dst, head, pkt);
}

struct s7_pkt *ip6_push_headers(struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt,
				const struct s7_ip_tx *tx, uint8_t *next)
{
	static const struct {
		enum s7_hdr6 which;
		uint8_t kind;
	} order[] = { { HDR6_HOP, IP6_EXT_HOPBYHOP }, { HDR6_DST0, IP6_EXT_DEST },
		      { HDR6_ROUTE, IP6_EXT_ROUTING } };
	const struct s7_hdrs6 *hdrs = tx->hdrs;
	struct s7_pkt *head = pkt_alloc(inst);
	uint8_t copy[HDR6_MAX], kind = *next;
	uint32_t i = S7_ARRAY_LEN(order);
	bool good = head != NULL;
	uint8_t nexts[S7_ARRAY_LEN(order)];

	while (i-- > 0) { /* from behind: each names what follows it */
		nexts[i] = kind;
		if (hdrs->len[order[i].which] && (i != 1 || hdrs->len[HDR6_ROUTE]))
			kind = order[i].kind;
	}
	for (i = 0; good && i < S7_ARRAY_LEN(order); i++) {
		uint32_t len = hdrs->len[order[i].which];

		if (!len || (i == 1 && !hdrs->len[HDR6_ROUTE]))
			continue;
		memcpy(copy, hdrs6_at(hdrs, order[i].which), len);
		copy[0] = nexts[i];
		if (order[i].which == HDR6_ROUTE)
			route_fill(copy, len, tx->final);
		good = append(inst, head, copy, len);
	}
	if (!good) {
		pkt_free(inst, head);
		pkt_drop(inst, pkt, DROP_NO_PKT);
		return NULL;
	}
	*next = kind;
	return join(inst, dst, head, pkt);
}
