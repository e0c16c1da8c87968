/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp6.c - ICMPv6 messages as values: what an error quotes, neighbour solicitations and
 * advertisements
 *
 * Total: any input returns; every turn over options consumes eight bytes at least. A quote is cut
 * off by its sender, so its payload length is not compared with what is there. Context: none, pure.
 * Called by: stack/ip/icmp6.c, stack/ip/nd.c.
 */
#include "stack/wire/icmp6.h"

enum nd_option { OPT_SOURCE_LINK = 1, OPT_TARGET_LINK = 2 };

bool icmp6_quote_parse(const uint8_t *p, uint32_t len, struct s7_icmp6_quote *ret_quote)
{
	struct s7_ip6_upper upper;
	const uint8_t *l4;

	if (ip6_parse(p, len, IP6_LEN + IP6_PAYLOAD_MAX, &ret_quote->ip) != DROP_NONE)
		return false;
	if (!ip6_upper_find(p + IP6_LEN, len - IP6_LEN, ret_quote->ip.next, &upper))
		return false;
	l4 = p + IP6_LEN + upper.at;
	ret_quote->proto = upper.proto;
	ret_quote->l4 = IP6_LEN + upper.at;
	ret_quote->has_ports = len - IP6_LEN - upper.at >= 8 && !upper.frag_off;
	ret_quote->sport = ret_quote->has_ports ? get_be16(l4) : 0;
	ret_quote->dport = ret_quote->has_ports ? get_be16(l4 + 2) : 0;
	ret_quote->seq = ret_quote->has_ports ? get_be32(l4 + 4) : 0;
	return true;
}

static void nd_option(struct s7_nd *nd, const uint8_t *p, uint32_t len)
{
	uint8_t link = nd->type == ICMP6_T_NEIGH_SOLICIT ? OPT_SOURCE_LINK : OPT_TARGET_LINK;

	if (p[0] == link && len == 8) {
		nd->has_link = true;
		memcpy(nd->link, p + 2, sizeof(nd->link));
	}
}

bool nd_parse(const uint8_t *p, uint32_t len, struct s7_nd *ret_nd)
{
	uint32_t at, here;

	if (len < ND_LEN || p[1])
		return false;
	ret_nd->type = p[0];
	/* R, S, O are the three highest bits (RFC 4861 4.4) */
	ret_nd->flags = (uint8_t)((p[4] & 0x80 ? ND_ROUTER : 0) | (p[4] & 0x40 ? ND_SOLICITED : 0) |
				  (p[4] & 0x20 ? ND_OVERRIDE : 0));
	memcpy(ret_nd->target, p + 8, IP6_ADDR_LEN);
	ret_nd->has_link = false;
	for (at = ND_LEN; at < len; at += here) {
		if (len - at < 8)
			return false;
		here = p[at + 1] * 8u;
		if (!here || here > len - at)
			return false;
		nd_option(ret_nd, p + at, here);
	}
	return true;
}

uint32_t nd_write(uint8_t *p, const struct s7_nd *nd)
{
	bool ask = nd->type == ICMP6_T_NEIGH_SOLICIT;
	uint32_t len = ND_LEN;

	memset(p, 0, ND_LEN);
	p[0] = nd->type;
	p[4] = (uint8_t)((nd->flags & ND_ROUTER ? 0x80 : 0) |
			 (nd->flags & ND_SOLICITED ? 0x40 : 0) |
			 (nd->flags & ND_OVERRIDE ? 0x20 : 0));
	memcpy(p + 8, nd->target, IP6_ADDR_LEN);
	if (nd->has_link) {
		p[len] = ask ? OPT_SOURCE_LINK : OPT_TARGET_LINK;
		p[len + 1] = 1;
		memcpy(p + len + 2, nd->link, sizeof(nd->link));
		len += 8;
	}
	return len;
}
