/* SPDX-License-Identifier: BSD-3-Clause */
/* ip6.h - IPv6 headers and extension headers (RFC 8200) <-> values */
#ifndef S7_WIRE_IP6_H
#define S7_WIRE_IP6_H

#include "stack/base/stat.h"
#include "stack/wire/bytes.h"

#define IP6_LEN 40u
#define IP6_ADDR_LEN 16u
#define IP6_PAYLOAD_MAX 65535u
#define IP6_FRAG_LEN 8u
#define IP6_NEXT_AT 6u	  /* offset of the Next Header field */
#define IP6_PAYLOAD_AT 4u /* of the Payload Length field */

/* Next Header values that are extension headers (RFC 8200 4). */
enum ip6_ext {
	IP6_EXT_HOPBYHOP = 0,
	IP6_EXT_ROUTING = 43,
	IP6_EXT_FRAGMENT = 44,
	IP6_EXT_NONE = 59,
	IP6_EXT_DEST = 60,
};

struct s7_ip6 {
	uint8_t src[IP6_ADDR_LEN], dst[IP6_ADDR_LEN];
	uint32_t label;	  /* 20 bits; written, not read: nobody here looks at it */
	uint16_t payload; /* bytes behind the header */
	uint8_t tclass, next, hops;
};

/*
 * Reads the header at p, of which `len` bytes are there; `whole` is what the packet has in all its
 * buffers. DROP_NONE, or why it is none.
 */
static inline enum s7_drop ip6_parse(const uint8_t *p, uint32_t len, uint32_t whole,
				     struct s7_ip6 *ret_h)
{
	if (s7_unlikely(len < IP6_LEN))
		return DROP_IP_SHORT;
	if (s7_unlikely(p[0] >> 4 != 6))
		return DROP_IP_VERSION;
	ret_h->payload = get_be16(p + IP6_PAYLOAD_AT);
	if (s7_unlikely(ret_h->payload + IP6_LEN > whole))
		return DROP_IP_TRUNCATED;
	ret_h->tclass = (uint8_t)(get_be16(p) >> 4);
	ret_h->next = p[IP6_NEXT_AT];
	ret_h->hops = p[7];
	memcpy(ret_h->src, p + 8, IP6_ADDR_LEN);
	memcpy(ret_h->dst, p + 24, IP6_ADDR_LEN);
	return DROP_NONE;
}

/* Writes a header of IP6_LEN bytes. */
static inline void ip6_write(uint8_t *p, const struct s7_ip6 *h)
{
	put_be32(p, 0x60000000u | (uint32_t)h->tclass << 20 | h->label);
	put_be16(p + IP6_PAYLOAD_AT, h->payload);
	p[IP6_NEXT_AT] = h->next;
	p[7] = h->hops;
	memcpy(p + 8, h->src, IP6_ADDR_LEN);
	memcpy(p + 24, h->dst, IP6_ADDR_LEN);
}

/* The fragment header (RFC 8200 4.5). */
struct s7_ip6_frag {
	uint8_t next;
	bool more;
	uint16_t off; /* bytes */
	uint32_t id;
};

/* IP6_FRAG_LEN bytes are there. */
void ip6_frag_read(const uint8_t *p, struct s7_ip6_frag *ret_frag);
void ip6_frag_write(uint8_t *p, const struct s7_ip6_frag *frag);

/* What the options of a hop-by-hop or destination options header ask for (RFC 8200 4.2). */
enum ip6_options {
	IP6_OPTS_SKIP,		   /* nothing that we do not know, or that may be skipped */
	IP6_OPTS_DISCARD,	   /* silently */
	IP6_OPTS_DISCARD_TELL,	   /* and send a parameter problem, code 2 */
	IP6_OPTS_DISCARD_TELL_ONE, /* ... unless the destination is a group */
	IP6_OPTS_FIELD,		   /* a value that is wrong: a parameter problem, code 0 */
	IP6_OPTS_BAD, /* an absurd length, padding with something in it, or too much of either */
};

/*
 * Walks the options of the header at p, `len` bytes in all (2 bytes of header included); `hop`: it
 * is the hop-by-hop one, right behind the IPv6 header. *ret_at: offset of what decided.
 */
enum ip6_options ip6_options_walk(const uint8_t *p, uint32_t len, bool hop, uint32_t *ret_at);

/* Where a chain of extension headers led to. */
struct s7_ip6_upper {
	uint8_t proto;
	uint32_t at;	   /* offset from the start of the chain */
	uint16_t frag_off; /* of a fragment header on the way */
	bool more;
};

/*
 * Skips extension headers from `next` on. False: the chain is cut off before its end, or longer
 * than a packet that anybody means.
 */
bool ip6_upper_find(const uint8_t *p, uint32_t len, uint8_t next, struct s7_ip6_upper *ret_upper);

#endif
