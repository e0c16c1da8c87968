/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp6.h - ICMPv6 inside stack/ip */
#ifndef S7_STACK_ICMP6_H
#define S7_STACK_ICMP6_H

#include "stack/ip/ip.h"
#include "stack/wire/icmp6.h"

/* Data at the ICMPv6 header; consumes. */
void icmp6_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);

/*
 * Sends an ICMPv6 error about a received packet whose data begins at its IPv6 header, if there may
 * be one (RFC 4443 2.4 e, rate). Does not consume.
 */
void icmp6_error(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_pkt *orig_ip,
		 uint8_t type, uint8_t code, uint32_t info);

/*
 * A parameter problem at `pointer` bytes from the IPv6 header of a packet whose data is pkt->l3_len
 * bytes behind it; nothing when the kernel answers for the destination. Does not consume.
 */
void icmp6_param(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx, uint8_t code,
		 uint32_t pointer);

/* The checksum of a message from src to dst, whose field is zero, and the way out. Consumes. */
void icmp6_send(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_ip *from,
		const struct s7_ip *to, uint32_t iface, uint8_t tclass);

#endif
