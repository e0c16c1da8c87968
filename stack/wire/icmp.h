/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp.h - ICMP messages (RFC 792, 1191) <-> values */
#ifndef S7_ICMP_H
#define S7_ICMP_H

#include "stack/wire/ip4.h"

#define ICMP_LEN 8u

enum icmp_type {
	ICMP_T_ECHO_REPLY = 0,
	ICMP_T_UNREACH = 3,
	ICMP_T_QUENCH = 4,
	ICMP_T_REDIRECT = 5,
	ICMP_T_ECHO = 8,
	ICMP_T_TIME = 11,
	ICMP_T_PARAM = 12,
	ICMP_T_EXT_REPLY = 43, /* RFC 8335 */
};

enum icmp_unreach_code {
	ICMP_C_NET = 0,
	ICMP_C_HOST = 1,
	ICMP_C_PROTO = 2,
	ICMP_C_PORT = 3,
	ICMP_C_NEEDFRAG = 4,
	ICMP_C_COUNT = 16,
};

#define ICMP_C_TIME_REASS 1 /* time exceeded: in reassembly */

struct s7_icmp {
	uint8_t type, code;
	uint32_t info; /* bytes 4..7, host order: id and sequence, or unused and MTU */
};

/* What an error quotes of the packet that caused it. Ports and sequence number only if has_ports.
 */
struct s7_icmp_quote {
	struct s7_ip4 ip;
	bool has_ports;
	uint16_t sport, dport;
	uint32_t seq; /* TCP */
};

bool icmp_parse(const uint8_t *p, uint32_t len, struct s7_icmp *ret_icmp);
/* Writes ICMP_LEN bytes, checksum field 0. */
void icmp_write(uint8_t *p, const struct s7_icmp *icmp);

/* Is it a message that must not be answered by another error (RFC 1122 3.2.2)? Unknown types count.
 */
bool icmp_type_is_error(uint8_t type);

/* Reads the quoted packet at p (behind ICMP_LEN bytes). Needs the IP header and, for ports, 8 bytes
 * of its data. */
bool icmp_quote_parse(const uint8_t *p, uint32_t len, struct s7_icmp_quote *ret_quote);

/* The MTU to assume when a router reports none: the next plateau below `total` (RFC 1191 7.1). */
uint32_t icmp_mtu_plateau(uint32_t total);

#endif
