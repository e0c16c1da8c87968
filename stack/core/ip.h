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

#endif
