/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip6.c - IPv6 extension headers as values
 *
 * Total: every turn of a walk consumes at least one byte (options) or eight (headers) and nothing
 * reads past the length given. Options are not acted upon; an unknown one says by its two highest
 * bits what is to be done about it (RFC 8200 4.2). Padding is looked at as Linux does (RFC 4942
 * 2.1.9.5). Context: none, pure. Called by:
 * stack/ip/ip6_ext.c, wire/icmp6.c.
 */
#include "stack/wire/ip6.h"

#define CHAIN_MAX 8 /* headers that ip6_upper_find follows */

#define OPT_PAD1 0
#define OPT_PADN 1
#define OPT_ROUTER_ALERT 5 /* RFC 2711 */
#define OPT_CALIPSO 7	   /* RFC 5570 */
#define OPT_IOAM 0x31	   /* RFC 9486 */
#define OPT_JUMBO 0xc2
#define PAD_MAX 7     /* of one gap: more aligns nothing (RFC 4942 2.1.9.5) */
#define OPTIONS_MAX 8 /* beside padding, in one header: net.ipv6.max_dst_opts_number */

void ip6_frag_read(const uint8_t *p, struct s7_ip6_frag *ret_frag)
{
	uint16_t word = get_be16(p + 2);

	ret_frag->next = p[0];
	ret_frag->more = word & 1;
	ret_frag->off = word & 0xfff8;
	ret_frag->id = get_be32(p + 4);
}

void ip6_frag_write(uint8_t *p, const struct s7_ip6_frag *frag)
{
	p[0] = frag->next;
	p[1] = 0;
	put_be16(p + 2, (uint16_t)(frag->off | frag->more));
	put_be32(p + 4, frag->id);
}

/* PadN (1) has the bits of a skipped one. */
static enum ip6_options option_action(uint8_t type)
{
	static const enum ip6_options action[4] = { IP6_OPTS_SKIP, IP6_OPTS_DISCARD,
						    IP6_OPTS_DISCARD_TELL,
						    IP6_OPTS_DISCARD_TELL_ONE };

	return action[type >> 6];
}

/* What a hop-by-hop option at p, offset `at`, asks for; some are known. */
static enum ip6_options hop_action(const uint8_t *p, uint32_t at, uint32_t *ret_at)
{
	switch (p[0]) {
	case OPT_ROUTER_ALERT:
		return p[1] == 2 ? IP6_OPTS_SKIP : IP6_OPTS_DISCARD;
	case OPT_CALIPSO: /* a security label of a domain that is not ours */
		return IP6_OPTS_DISCARD;
	case OPT_IOAM:
		return at % 4 ? IP6_OPTS_DISCARD : IP6_OPTS_SKIP;
	case OPT_JUMBO: /* no packet here has no length of its own (RFC 2675 3) */
		if (p[1] != 4 || at % 4 != 2)
			return IP6_OPTS_DISCARD;
		*ret_at = get_be32(p + 2) <= IP6_PAYLOAD_MAX ? at + 2 : at;
		return IP6_OPTS_FIELD;
	default:
		return option_action(p[0]);
	}
}

static bool is_zero(const uint8_t *p, uint32_t len)
{
	while (len && !*p) {
		p++;
		len--;
	}
	return !len;
}

/* Bytes of the option at p, 0: it does not fit `left`, or is padding with something in it. */
static uint32_t option_len(const uint8_t *p, uint32_t left)
{
	if (p[0] == OPT_PAD1)
		return 1;
	if (left < 2 || p[1] > left - 2)
		return 0;
	if (p[0] == OPT_PADN && !is_zero(p + 2, p[1]))
		return 0;
	return 2u + p[1];
}

enum ip6_options ip6_options_walk(const uint8_t *p, uint32_t len, bool hop, uint32_t *ret_at)
{
	enum ip6_options what = IP6_OPTS_SKIP;
	uint32_t at, here, pad = 0, known = 0;

	for (at = 2; at < len && what == IP6_OPTS_SKIP; at += here) {
		*ret_at = at;
		here = option_len(p + at, len - at);
		if (!here)
			return IP6_OPTS_BAD;
		if (p[at] == OPT_PAD1 || p[at] == OPT_PADN) {
			pad += here;
			if (pad > PAD_MAX)
				return IP6_OPTS_BAD;
			continue;
		}
		pad = 0;
		if (++known > OPTIONS_MAX)
			return IP6_OPTS_BAD;
		what = hop ? hop_action(p + at, at, ret_at) : option_action(p[at]);
	}
	return what;
}

bool ip6_upper_find(const uint8_t *p, uint32_t len, uint8_t next, struct s7_ip6_upper *ret_upper)
{
	struct s7_ip6_upper upper = { .proto = next };
	struct s7_ip6_frag frag;
	uint32_t i, here;

	for (i = 0; i < CHAIN_MAX; i++) {
		const uint8_t *h = p + upper.at;
		uint32_t left = len - upper.at;

		switch (upper.proto) {
		case IP6_EXT_HOPBYHOP:
		case IP6_EXT_ROUTING:
		case IP6_EXT_DEST:
			here = left < 2 ? UINT32_MAX : h[1] * 8u + 8;
			break;
		case IP6_EXT_FRAGMENT:
			here = IP6_FRAG_LEN;
			break;
		default:
			*ret_upper = upper;
			return true;
		}
		if (here > left)
			return false;
		if (upper.proto == IP6_EXT_FRAGMENT) {
			ip6_frag_read(h, &frag);
			upper.frag_off = frag.off;
			upper.more = frag.more;
			/* behind a later fragment's header is no header */
			if (frag.off)
				i = CHAIN_MAX - 1;
		}
		upper.proto = h[0];
		upper.at += here;
	}
	*ret_upper = upper;
	return upper.frag_off != 0;
}
