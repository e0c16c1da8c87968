/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp.c - ICMP messages as values, and the packet that an error quotes
 *
 * Total: any input returns. A quote is cut off (RFC 792: header and 64 bits of data), so its total
 * length is taken as the sender wrote it and not compared with what is there. Context: none, pure.
 * Called by: stack/ip/icmp.c.
 */
#include "stack/wire/icmp.h"

bool icmp_parse(const uint8_t *p, uint32_t len, struct s7_icmp *ret_icmp)
{
	if (len < ICMP_LEN)
		return false;
	ret_icmp->type = p[0];
	ret_icmp->code = p[1];
	ret_icmp->info = get_be32(p + 4);
	return true;
}

void icmp_write(uint8_t *p, const struct s7_icmp *icmp)
{
	p[0] = icmp->type;
	p[1] = icmp->code;
	put_raw16(p + 2, 0);
	put_be32(p + 4, icmp->info);
}

bool icmp_type_is_error(uint8_t type)
{
	/* echo, timestamp, information, address mask and router discovery are the queries */
	static const uint32_t queries = 1u << 0 | 1u << 8 | 1u << 9 | 1u << 10 | 0x3fu << 13;

	return type > 18 || !(queries >> type & 1);
}

bool icmp_quote_parse(const uint8_t *p, uint32_t len, struct s7_icmp_quote *ret_quote)
{
	const uint8_t *l4;

	if (ip4_parse(p, len, IP4_TOTAL_MAX, &ret_quote->ip) != DROP_NONE)
		return false;
	l4 = p + ret_quote->ip.hdr_len;
	ret_quote->has_ports = len - ret_quote->ip.hdr_len >= 8 && !ret_quote->ip.frag_off;
	ret_quote->sport = ret_quote->has_ports ? get_be16(l4) : 0;
	ret_quote->dport = ret_quote->has_ports ? get_be16(l4 + 2) : 0;
	ret_quote->seq = ret_quote->has_ports ? get_be32(l4 + 4) : 0;
	return true;
}

uint32_t icmp_mtu_plateau(uint32_t total)
{
	static const uint16_t plateau[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296 };
	uint32_t i;

	for (i = 0; i < S7_ARRAY_LEN(plateau); i++)
		if (plateau[i] < total)
			return plateau[i];
	return 68;
}
