/* SPDX-License-Identifier: BSD-3-Clause */
/* ip_out.h - steps of the way out that both families share, inside stack/ip */
#ifndef S7_IP_OUT_H
#define S7_IP_OUT_H

#include "stack/ip/ip.h"

/* What differs between the fragments of a packet. */
struct ip_piece {
	uint32_t id;
	uint16_t off; /* bytes */
	bool more;
};

/* The packet begins at its IP header: onto the link. Consumes. */
int ip_transmit(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt);

/* ip6_out.c: prepends the IPv6 header (and a fragment header when the piece is one), transmits. */
int ip6_send(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
	     const struct s7_ip_tx *tx, const struct ip_piece *piece);

#endif
