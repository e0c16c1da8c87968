/* SPDX-License-Identifier: BSD-3-Clause */
/* udp.h - UDP headers (RFC 768) <-> values */
#ifndef S7_WIRE_UDP_H
#define S7_WIRE_UDP_H

#include "stack/wire/bytes.h"

#define UDP_LEN 8u

struct s7_udp_hdr {
	uint16_t sport, dport;
	uint16_t len; /* header and data */
	uint16_t sum; /* as on the wire; 0: none computed */
};

/* `whole`: bytes of the datagram in all buffers, len of them at p. False: short, or a length that
 * is not there. */
static inline bool udp_parse(const uint8_t *p, uint32_t len, uint32_t whole,
			     struct s7_udp_hdr *ret_h)
{
	if (s7_unlikely(len < UDP_LEN))
		return false;
	ret_h->sport = get_be16(p);
	ret_h->dport = get_be16(p + 2);
	ret_h->len = get_be16(p + 4);
	ret_h->sum = get_raw16(p + 6);
	return ret_h->len >= UDP_LEN && ret_h->len <= whole;
}

static inline void udp_write(uint8_t *p, const struct s7_udp_hdr *h)
{
	put_be16(p, h->sport);
	put_be16(p + 2, h->dport);
	put_be16(p + 4, h->len);
	put_raw16(p + 6, h->sum);
}

#endif
