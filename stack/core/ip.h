/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip.h - an internet address of either family in 16 bytes
 *
 * IPv4 is held v4-mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2). Bytes are in network order. The
 * unspecified address of IPv4 is ::ffff:0.0.0.0; "any family" is all zero (::).
 */
#ifndef S7_IP_H
#define S7_IP_H

#include <arpa/inet.h>
#include <netinet/in.h>

#include "stack/base/base.h"

struct s7_ip {
	union {
		uint8_t b[16];
		uint32_t w[4]; /* network order */
		uint64_t q[2];
	};
};

static inline struct s7_ip ip_from_v4(uint32_t be_addr)
{
	struct s7_ip ip = { .w = { 0, 0, htonl(0xffff), be_addr } };

	return ip;
}

static inline bool ip_is_v4(const struct s7_ip *ip)
{
	return ip->q[0] == 0 && ip->w[2] == htonl(0xffff);
}

/* Network order. Only for ip_is_v4() addresses. */
static inline uint32_t ip_v4(const struct s7_ip *ip)
{
	return ip->w[3];
}

static inline bool ip_equal(const struct s7_ip *a, const struct s7_ip *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

/* 0.0.0.0 or :: */
static inline bool ip_is_any(const struct s7_ip *ip)
{
	return ip->q[0] == 0 && ip->w[3] == 0 && (ip->w[2] == 0 || ip->w[2] == htonl(0xffff));
}

static inline bool ip_is_loopback(const struct s7_ip *ip)
{
	if (ip_is_v4(ip))
		return ip->b[12] == 127;
	return ip->q[0] == 0 && ip->w[2] == 0 && ip->w[3] == htonl(1);
}

static inline bool ip_is_multicast(const struct s7_ip *ip)
{
	return ip_is_v4(ip) ? (ip->b[12] & 0xf0) == 0xe0 : ip->b[0] == 0xff;
}

/* fe80::/10: means something only together with an interface. */
static inline bool ip_is_link_local6(const struct s7_ip *ip)
{
	return (ip->w[0] & htonl(0xffc00000)) == htonl(0xfe800000);
}

/*
 * Does the address need a scope id (RFC 4007): link-local, or a group of link or interface scope?
 */
static inline bool ip_needs_scope(const struct s7_ip *ip)
{
	return ip_is_link_local6(ip) ||
	       (ip->b[0] == 0xff && ((ip->b[1] & 15) == 1 || (ip->b[1] & 15) == 2));
}

/* IPv4 prefixes of a route count from here: they are v4-mapped. */
#define IP_V4_BITS 96u

/* Bits that two addresses have in common from the left: 0..128. */
static inline uint32_t ip_common_bits(const struct s7_ip *a, const struct s7_ip *b)
{
	uint32_t i;

	for (i = 0; i < 4; i++)
		if (a->w[i] != b->w[i])
			return i * 32 + (uint32_t)__builtin_clz(ntohl(a->w[i] ^ b->w[i]));
	return 128;
}

#endif
