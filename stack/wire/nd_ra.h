/* SPDX-License-Identifier: BSD-3-Clause */
/* nd_ra.h - router solicitations and advertisements (RFC 4861 4.1, 4.2) <-> values */
#ifndef S7_WIRE_ND_RA_H
#define S7_WIRE_ND_RA_H

#include "stack/wire/icmp6.h"

#define RA_LEN 16u
#define RS_LEN_MAX 16u
#define RA_PREFIXES 8 /* of one message; further ones are not looked at */
#define RA_FOREVER 0xffffffffu

struct s7_ra_prefix {
	uint8_t prefix[IP6_ADDR_LEN];
	uint8_t len;
	bool on_link, autonomous;
	uint32_t valid_s, preferred_s; /* RA_FOREVER: no end */
};

struct s7_ra {
	uint8_t hops;	    /* 0: not said */
	uint8_t preference; /* of the router (RFC 4191 2.1): 0 high, 1 medium, 2 low */
	uint16_t life_s;    /* as a default router, 0: it is none */
	uint32_t mtu;	    /* 0: not said */
	bool has_link;
	uint8_t link[6];
	uint32_t prefix_count;
	struct s7_ra_prefix prefix[RA_PREFIXES];
};

/* An ICMPv6 message of that type. False: too short, code not 0, an option that cannot be. */
bool ra_parse(const uint8_t *p, uint32_t len, struct s7_ra *ret_ra);

/* A solicitation, checksum 0; link: the source's link address, or NULL. Returns its length. */
uint32_t rs_write(uint8_t *p, const uint8_t *link);

#endif
