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

/* The device will not see the whole packet: the checksum it was asked for is computed here. */
void ip_finish_csum(struct s7_pkt *pkt, uint8_t proto);

/*
 * ip6_hdrs.c: the headers that tx->hdrs asks for, in front of what begins with header or transport
 * *next, which afterwards names the first of them: destination options for the last destination
 * (HDR6_DST1), and the others. Consume; NULL: no packets.
 */
struct s7_pkt *ip6_push_options(struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt,
				const struct s7_hdrs6 *hdrs, uint8_t *next);
struct s7_pkt *ip6_push_headers(struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt,
				const struct s7_ip_tx *tx, uint8_t *next);

#endif
