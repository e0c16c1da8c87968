/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nd_ra.c - router advertisements as values, router solicitations as bytes
 *
 * Total: any input returns; every turn over options consumes eight bytes at least. Options of other
 * kinds are skipped (RFC 4861 6.1.2). Context: none, pure. Called by: stack/ip/router.c.
 */
#include "stack/wire/nd_ra.h"

enum ra_option { OPT_SOURCE_LINK = 1, OPT_PREFIX = 3, OPT_MTU = 5 };

#define PREFIX_ON_LINK 0x80
#define PREFIX_AUTONOMOUS 0x40

static void take_prefix(struct s7_ra *ra, const uint8_t *p)
{
	struct s7_ra_prefix *prefix;

	if (ra->prefix_count == RA_PREFIXES || p[2] > 128)
		return;
	prefix = &ra->prefix[ra->prefix_count++];
	prefix->len = p[2];
	prefix->on_link = p[3] & PREFIX_ON_LINK;
	prefix->autonomous = p[3] & PREFIX_AUTONOMOUS;
	prefix->valid_s = get_be32(p + 4);
	prefix->preferred_s = get_be32(p + 8);
	memcpy(prefix->prefix, p + 16, IP6_ADDR_LEN);
}

static void take_option(struct s7_ra *ra, const uint8_t *p, uint32_t len)
{
	if (p[0] == OPT_SOURCE_LINK && len == 8) {
		ra->has_link = true;
		memcpy(ra->link, p + 2, sizeof(ra->link));
	} else if (p[0] == OPT_MTU && len == 8) {
		ra->mtu = get_be32(p + 4);
	} else if (p[0] == OPT_PREFIX && len == 32) {
		take_prefix(ra, p);
	}
}

bool ra_parse(const uint8_t *p, uint32_t len, struct s7_ra *ret_ra)
{
	static const uint8_t preferences[4] = { 1, 0, 1, 2 }; /* 10 is reserved: medium */
	uint32_t at, here;

	if (len < RA_LEN || p[1])
		return false;
	memset(ret_ra, 0, sizeof(*ret_ra));
	ret_ra->hops = p[4];
	ret_ra->preference = preferences[p[5] >> 3 & 3];
	ret_ra->life_s = get_be16(p + 6);
	for (at = RA_LEN; at < len; at += here) {
		if (len - at < 8)
			return false;
		here = p[at + 1] * 8u;
		if (!here || here > len - at)
			return false;
		take_option(ret_ra, p + at, here);
	}
	return true;
}

uint32_t rs_write(uint8_t *p, const uint8_t *link)
{
	memset(p, 0, 8);
	p[0] = ICMP6_T_ROUTER_SOLICIT;
	if (!link)
		return 8;
	p[8] = OPT_SOURCE_LINK;
	p[9] = 1;
	memcpy(p + 10, link, 6);
	return RS_LEN_MAX;
}
