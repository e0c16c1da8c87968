/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip6_ext.c - extension headers between the IPv6 header and the transport (RFC 8200 4)
 *
 * Idea: one turn a header, each pulled off the packet and added to l3_len, until a header that is
 * none of these. Hop-by-hop and destination options are walked for what an unknown option demands;
 * a routing header is skipped when it has no segments left, else refused (we are no router; type 0:
 * RFC 5095); a fragment header leads through reassembly, whatever it says of the whole packet
 * (RFC 6946: one fragment alone is processed alone). The first fragment must hold the whole chain
 * (RFC 7112).
 * Bounds: EXT_HEADERS headers, L3_LEN_MAX bytes with the IPv6 header (RFC 8504 5.3 allows such
 * limits), one fragment header. Context: instance lock. Called by: ip6_in.c.
 */
#include "stack/ip/ip6.h"

#include "stack/ip/chain.h"
#include "stack/ip/frag.h"
#include "stack/ip/icmp6.h"

#define EXT_HEADERS 8
#define ROUTING_RPL 3
#define ROUTING_SEGMENTS 4
#define L3_LEN_MAX 248u /* fits pkt->l3_len */

struct walk {
	struct s7_inst *inst;
	struct s7_pkt *pkt; /* NULL: it has gone */
	struct s7_rx *rx;
	uint32_t next_at; /* offset of the field that named the header at hand */
	bool fragment;	  /* a fragment header was there */
};

static void walk_drop(struct walk *w, enum s7_drop why)
{
	pkt_drop(w->inst, w->pkt, why);
	w->pkt = NULL;
}

/* Refuses the packet and says where: `at` counts from the header at hand. */
static void walk_refuse(struct walk *w, enum s7_drop why, uint8_t code, uint32_t at)
{
	icmp6_param(w->inst, w->pkt, w->rx, code, w->pkt->l3_len + at);
	walk_drop(w, why);
}

/* Makes `len` bytes of the header contiguous. False: not there, or too much; the packet is gone. */
static bool walk_need(struct walk *w, uint32_t len)
{
	if (w->pkt->l3_len + len > L3_LEN_MAX) {
		walk_drop(w, DROP_IP6_EXT_LONG);
		return false;
	}
	if (len > w->pkt->total || !chain_pullup(w->inst, w->pkt, len)) {
		walk_drop(w, DROP_IP6_EXT);
		return false;
	}
	return true;
}

/* The header of `len` bytes is done with; its first byte names the next one. */
static void walk_next(struct walk *w, uint32_t len)
{
	w->rx->proto = w->pkt->data[0];
	w->next_at = w->pkt->l3_len;
	w->pkt->l3_len = (uint8_t)(w->pkt->l3_len + len);
	pkt_pull(w->pkt, len);
}

static void ext_options(struct walk *w, uint32_t len)
{
	bool hop = w->rx->proto == IP6_EXT_HOPBYHOP;
	uint32_t at = 0;

	switch (ip6_options_walk(w->pkt->data, len, hop, &at)) {
	case IP6_OPTS_SKIP:
		walk_next(w, len);
		break;
	case IP6_OPTS_DISCARD_TELL_ONE:
		if (w->rx->broadcast) {
			walk_drop(w, DROP_IP6_OPTION);
			break;
		}
		/* fall through */
	case IP6_OPTS_DISCARD_TELL:
		walk_refuse(w, DROP_IP6_OPTION, ICMP6_C_OPTION, at);
		break;
	case IP6_OPTS_FIELD:
		walk_refuse(w, DROP_IP6_OPTION, ICMP6_C_HEADER, at);
		break;
	case IP6_OPTS_DISCARD:
		walk_drop(w, DROP_IP6_OPTION);
		break;
	case IP6_OPTS_BAD:
		walk_drop(w, DROP_IP6_EXT);
	}
}

/* Types 3 and 4 are for hosts that were told to take part (RFC 6554, RFC 8754). */
static void ext_routing(struct walk *w, uint32_t len)
{
	uint8_t type = w->pkt->data[2];

	if (type == ROUTING_RPL || type == ROUTING_SEGMENTS || w->rx->broadcast)
		walk_drop(w, DROP_IP6_ROUTING);
	else if (w->pkt->data[3]) /* segments left */
		walk_refuse(w, DROP_IP6_ROUTING, ICMP6_C_HEADER, 2);
	else
		walk_next(w, len);
}

/*
 * Is the chain complete up to the transport header in this first fragment? Data behind its header.
 */
static bool first_has_chain(struct walk *w, const struct s7_ip6_frag *frag)
{
	uint32_t here = (uint32_t)s7_min(w->pkt->total, L3_LEN_MAX);
	struct s7_ip6_upper upper;

	if (w->pkt->len < here)
		chain_pullup(w->inst, w->pkt, here);
	return ip6_upper_find(w->pkt->data, w->pkt->len, frag->next, &upper) &&
	       (upper.proto == IP6_EXT_NONE || w->pkt->total > upper.at);
}

/* The headers of a whole packet: the first fragment's without the one that made it a fragment. */
static void whole_again(struct walk *w)
{
	struct s7_pkt *pkt = w->pkt;
	uint8_t *head = pkt->data - pkt->l3_len, *field = head + IP6_NEXT_AT;
	uint32_t at = IP6_LEN;

	while (*field != IP6_EXT_FRAGMENT) { /* the walk that led here has seen them */
		field = head + at;
		at += field[1] * 8u + 8;
	}
	*field = w->rx->proto;
	memmove(head + IP6_FRAG_LEN, head, at);
	put_be16(head + IP6_FRAG_LEN + IP6_PAYLOAD_AT,
		 (uint16_t)(pkt->total + pkt->l3_len - IP6_FRAG_LEN - IP6_LEN));
	pkt->l3_len = (uint8_t)(pkt->l3_len - IP6_FRAG_LEN);
	w->next_at = (uint32_t)(field - head);
}

static void ext_fragment(struct walk *w)
{
	struct s7_ip6_frag h;
	struct s7_frag frag;

	if (w->fragment) {
		walk_refuse(w, DROP_IP6_EXT, ICMP6_C_HEADER, 0);
		return;
	}
	w->fragment = true;
	ip6_frag_read(w->pkt->data, &h);
	walk_next(w, IP6_FRAG_LEN);
	if (!h.off && !h.more) {
		w->rx->frag_max = (uint16_t)(w->pkt->total + w->pkt->l3_len);
		return;
	}
	if (h.more && w->pkt->total % 8) {
		icmp6_param(w->inst, w->pkt, w->rx, ICMP6_C_HEADER, IP6_PAYLOAD_AT);
		walk_drop(w, DROP_FRAG_BAD);
		return;
	}
	/* RFC 8200 4.5: the whole must fit a payload length, headers before this one included */
	if (h.off + w->pkt->total + w->pkt->l3_len - IP6_FRAG_LEN - IP6_LEN > IP6_PAYLOAD_MAX) {
		icmp6_param(w->inst, w->pkt, w->rx, ICMP6_C_HEADER,
			    w->pkt->l3_len - IP6_FRAG_LEN + 2);
		walk_drop(w, DROP_FRAG_BAD);
		return;
	}
	if (!h.off && !first_has_chain(w, &h)) {
		walk_refuse(w, DROP_IP6_EXT, ICMP6_C_INCOMPLETE, 0);
		return;
	}
	frag = (struct s7_frag){ .id = h.id, .off = h.off, .more = h.more, .next = h.next };
	w->pkt = frag_input(w->inst, w->pkt, &frag, w->rx);
	if (w->pkt)
		whole_again(w);
}

/* One header; afterwards rx->proto is the next one, or the packet has gone. */
static void ext_one(struct walk *w)
{
	uint32_t len;

	/* sockets that want just this header; the first one is looked at before */
	if (s7_unlikely(w->inst->raw_count != 0) && w->rx->proto != IP6_EXT_HOPBYHOP)
		raw_input(w->inst, w->pkt, w->rx);
	if (!walk_need(w, 8))
		return;
	if (w->rx->proto == IP6_EXT_FRAGMENT) {
		ext_fragment(w);
		return;
	}
	len = w->pkt->data[1] * 8u + 8;
	if (!walk_need(w, len))
		return;
	if (w->rx->proto == IP6_EXT_ROUTING)
		ext_routing(w, len);
	else
		ext_options(w, len);
}

struct s7_pkt *ip6_ext_input(struct s7_inst *inst, struct s7_pkt *pkt, struct s7_rx *rx,
			     uint32_t *next_at)
{
	struct walk w = { .inst = inst, .pkt = pkt, .rx = rx, .next_at = *next_at };
	uint32_t i;

	for (i = 0; i < EXT_HEADERS && w.pkt; i++) {
		switch (rx->proto) {
		case IP6_EXT_HOPBYHOP:
			/* only right behind the IPv6 header: elsewhere nobody knows it */
			if (i)
				goto done;
			/* fall through */
		case IP6_EXT_ROUTING:
		case IP6_EXT_FRAGMENT:
		case IP6_EXT_DEST:
			ext_one(&w);
			continue;
		}
		break;
	}
done:
	if (w.pkt && i == EXT_HEADERS)
		walk_drop(&w, DROP_IP6_EXT_LONG);
	*next_at = w.next_at;
	return w.pkt;
}
