/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip6.c - IPv6 extension headers as values
 *
 * Total: every turn of a walk consumes at least one byte (options) or eight (headers) and nothing
 * reads past the length given. Options are not acted upon; an unknown one says by its two highest
 * bits what is to be done about it (RFC 8200 4.2). Context: none, pure. Called by:
 * stack/ip/ip6_ext.c, wire/icmp6.c.
 */
#include "stack/wire/ip6.h"

#define CHAIN_MAX 8 /* headers that ip6_upper_find follows */

#define OPT_PAD1 0

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

enum ip6_options ip6_options_walk(const uint8_t *p, uint32_t len, uint32_t *ret_at)
{
	enum ip6_options what = IP6_OPTS_SKIP;
	uint32_t at = 2;

	while (at < len && what == IP6_OPTS_SKIP) {
		*ret_at = at;
		if (p[at] == OPT_PAD1) {
			at++;
			continue;
		}
		if (len - at < 2 || p[at + 1] > len - at - 2)
			return IP6_OPTS_BAD;
		what = option_action(p[at]);
		at += 2u + p[at + 1];
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
