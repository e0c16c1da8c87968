/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp6.h - ICMPv6 messages (RFC 4443) and neighbour discovery (RFC 4861) <-> values */
#ifndef S7_WIRE_ICMP6_H
#define S7_WIRE_ICMP6_H

#include "stack/wire/icmp.h"
#include "stack/wire/ip6.h"

enum icmp6_type {
	ICMP6_T_UNREACH = 1,
	ICMP6_T_TOO_BIG = 2,
	ICMP6_T_TIME = 3,
	ICMP6_T_PARAM = 4,
	ICMP6_T_ECHO = 128, /* below are errors */
	ICMP6_T_ECHO_REPLY = 129,
	ICMP6_T_MLD_QUERY = 130,
	ICMP6_T_ROUTER_SOLICIT = 133,
	ICMP6_T_ROUTER_ADVERT = 134,
	ICMP6_T_NEIGH_SOLICIT = 135,
	ICMP6_T_NEIGH_ADVERT = 136,
	ICMP6_T_REDIRECT = 137,
	ICMP6_T_EXT_REPLY = 161, /* RFC 8335 */
};

enum icmp6_unreach_code {
	ICMP6_C_NO_ROUTE = 0,
	ICMP6_C_PROHIBITED = 1,
	ICMP6_C_BEYOND_SCOPE = 2,
	ICMP6_C_ADDRESS = 3,
	ICMP6_C_PORT = 4,
	ICMP6_C_POLICY = 5,
	ICMP6_C_REJECT = 6,
	ICMP6_C_COUNT
};

#define ICMP6_C_TIME_REASS 1
enum icmp6_param_code {
	ICMP6_C_HEADER = 0,    /* erroneous header field */
	ICMP6_C_NEXT = 1,      /* unrecognized next header */
	ICMP6_C_OPTION = 2,    /* unrecognized option */
	ICMP6_C_INCOMPLETE = 3 /* first fragment without the whole chain (RFC 7112) */
};

/*
 * What an error quotes of the packet that caused it; ports and sequence number only if has_ports.
 */
struct s7_icmp6_quote {
	struct s7_ip6 ip;
	uint8_t proto; /* behind the extension headers */
	uint32_t l4;   /* offset of what is there */
	bool has_ports;
	uint16_t sport, dport;
	uint32_t seq; /* TCP */
};

/* Reads the quoted packet at p (behind ICMP_LEN bytes). */
bool icmp6_quote_parse(const uint8_t *p, uint32_t len, struct s7_icmp6_quote *ret_quote);

/* Is it a message that must not be answered by another error (RFC 4443 2.4 e)? Redirects count. */
static inline bool icmp6_type_is_error(uint8_t type)
{
	return type < ICMP6_T_ECHO || type == ICMP6_T_REDIRECT;
}

/* ---- neighbour discovery ---- */

#define ND_LEN 24u     /* solicitation or advertisement without options */
#define ND_LEN_MAX 32u /* ... with the option that nd_write can write */
#define ND_HOPS 255u   /* nobody but a neighbour can send that (RFC 4861 6.1, 7.1) */

enum nd_flags { ND_SOLICITED = 1 << 0, ND_OVERRIDE = 1 << 1, ND_ROUTER = 1 << 2 };

/* A neighbour solicitation or advertisement. */
struct s7_nd {
	uint8_t type;  /* ICMP6_T_NEIGH_* */
	uint8_t flags; /* enum nd_flags, of an advertisement */
	uint8_t target[IP6_ADDR_LEN];
	bool has_link;
	uint8_t link[6]; /* of the source (solicitation) or the target */
};

/*
 * Reads an ICMPv6 message of these types. Options of other kinds are skipped; false: too short,
 * code not 0, an option of length 0 or beyond the end.
 */
bool nd_parse(const uint8_t *p, uint32_t len, struct s7_nd *ret_nd);
/* Writes the message, checksum 0. Returns its length. */
uint32_t nd_write(uint8_t *p, const struct s7_nd *nd);

#endif
