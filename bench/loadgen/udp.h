/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp.h - datagrams to and from the peer
 */
#ifndef LG_UDP_H
#define LG_UDP_H

#include <stdbool.h>
#include <stdint.h>

struct lg;

struct lg_dgram {
	uint16_t lport, rport;
	uint32_t len;
	const uint8_t *data;
};

/* One client port of mode udp-rr: a datagram is out, or nothing is. */
struct lg_udp_slot {
	uint64_t t0, resend_at;
	uint32_t serial;
	bool waiting;
};

struct lg_udp {
	struct lg_udp_slot *slots; /* slot i has port port_lo + i */
	uint32_t count;
};

void udp_input(struct lg *lg, const uint8_t *p, uint32_t len);

#endif
