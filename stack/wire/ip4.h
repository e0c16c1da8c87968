/* SPDX-License-Identifier: BSD-3-Clause */
/* ip4.h - IPv4 headers (RFC 791) <-> values */
#ifndef S7_IP4_H
#define S7_IP4_H

#include "stack/base/stat.h"
#include "stack/wire/bytes.h"

#define IP4_LEN 20u
#define IP4_LEN_MAX 60u
#define IP4_TOTAL_MAX 65535u
#define IP4_DF 0x4000u
#define IP4_MF 0x2000u
#define IP4_OFF_MASK 0x1fffu

struct s7_ip4 {
	uint32_t src, dst; /* network order */
	uint16_t total;	   /* header and data */
	uint16_t id;
	uint16_t frag_off; /* bytes */
	uint8_t hdr_len;   /* bytes, options included */
	uint8_t tos, ttl, proto;
	bool df, mf;
};

static inline bool ip4_is_fragment(const struct s7_ip4 *h)
{
	return h->mf || h->frag_off;
}

/*
 * Reads the header at p, of which `len` bytes are there; `whole` is what the packet has in all its
 * buffers. DROP_NONE, or why it is none. The checksum is the caller's.
 */
static inline enum s7_drop ip4_parse(const uint8_t *p, uint32_t len, uint32_t whole,
				     struct s7_ip4 *ret_h)
{
	uint16_t off;

	if (s7_unlikely(len < IP4_LEN))
		return DROP_IP_SHORT;
	if (s7_unlikely(p[0] >> 4 != 4))
		return DROP_IP_VERSION;
	ret_h->hdr_len = (uint8_t)((p[0] & 15) * 4);
	ret_h->total = get_be16(p + 2);
	if (s7_unlikely(ret_h->hdr_len < IP4_LEN || ret_h->hdr_len > len ||
			ret_h->total < ret_h->hdr_len))
		return DROP_IP_SHORT;
	if (s7_unlikely(ret_h->total > whole))
		return DROP_IP_TRUNCATED;
	ret_h->tos = p[1];
	ret_h->id = get_be16(p + 4);
	off = get_be16(p + 6);
	ret_h->df = off & IP4_DF;
	ret_h->mf = off & IP4_MF;
	ret_h->frag_off = (uint16_t)((off & IP4_OFF_MASK) * 8);
	ret_h->ttl = p[8];
	ret_h->proto = p[9];
	ret_h->src = get_raw32(p + 12);
	ret_h->dst = get_raw32(p + 16);
	return DROP_NONE;
}

/* Writes a header of IP4_LEN bytes, checksum field 0. */
static inline void ip4_write(uint8_t *p, const struct s7_ip4 *h)
{
	p[0] = 0x45;
	p[1] = h->tos;
	put_be16(p + 2, h->total);
	put_be16(p + 4, h->id);
	put_be16(p + 6, (uint16_t)((h->df ? IP4_DF : 0) | (h->mf ? IP4_MF : 0) | h->frag_off / 8));
	p[8] = h->ttl;
	p[9] = h->proto;
	put_raw16(p + 10, 0);
	put_raw32(p + 12, h->src);
	put_raw32(p + 16, h->dst);
}

#endif
