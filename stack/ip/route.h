/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * route.h - the route table of an instance, and what is learned about paths
 *
 * Private to stack/ip; others use dst_lookup (ip.h).
 */
#ifndef S7_ROUTE_H
#define S7_ROUTE_H

#include "stack/ip/ip.h"

#define ROUTE_CACHE 64
#define PMTU_ENTRIES 256
#define PMTU_LIFE (600 * S7_SEC) /* RFC 1191 6.3: ten minutes */
#define PMTU_MIN 552		 /* a smaller report is not believed (Linux's min_pmtu) */
#define PMTU_MIN6 1280		 /* every IPv6 link carries that (RFC 8200 5) */

struct s7_pmtu {
	struct s7_ip dst;
	uint32_t mtu;
	s7_time until;
};

struct s7_route_cached {
	uint32_t dst; /* network order */
	uint32_t generation;
	const struct s7_route *route; /* NULL: none matches */
};

struct s7_route_cached6 {
	struct s7_ip dst;
	uint32_t generation;
	const struct s7_route *route;
};

struct s7_route_table {
	uint32_t generation; /* from 1 */
	uint32_t count, v4_count;
	struct {
		uint32_t net, mask; /* network order; of route[i], i < v4_count */
	} v4[ROUTES_MAX];
	struct s7_route route[ROUTES_MAX]; /* IPv4 rows, then IPv6 rows; each by prefix, metric */
	struct s7_route_cached cache[ROUTE_CACHE];
	struct s7_route_cached6 cache6[ROUTE_CACHE];
	struct s7_pmtu pmtu[PMTU_ENTRIES];
	/* token bucket of ICMP errors */
	s7_time icmp_refilled;
	uint32_t icmp_tokens;
};

/* The longest prefix that matches, lowest metric first; bound_iface: index + 1, 0 = any. NULL:
 * none. */
const struct s7_route *route_find(struct s7_inst *inst, const struct s7_ip *dst,
				  uint32_t bound_iface);

#define ROUTES_LEARNED 24

/*
 * These are what routers tell now, in place of what they told before; at most ROUTES_LEARNED. They
 * stay when route_set replaces the others.
 */
void route_learn(struct s7_inst *inst, const struct s7_route *routes, uint32_t count);

/* Path MTU known for dst, else `mtu`. */
uint32_t pmtu_get(const struct s7_inst *inst, const struct s7_ip *dst, uint32_t mtu);

/* What an IPv4 address is to us. */
enum ip4_class {
	IP4_OTHER,
	IP4_LOCAL,
	IP4_BROADCAST,
	IP4_MULTICAST,
	IP4_LOOPBACK,
	IP4_ANY
};
enum ip4_class ip4_classify(const struct s7_inst *inst, uint32_t be_addr);

/* Network mask of a prefix length 0..32, network order. */
static inline uint32_t ip4_mask(uint32_t prefix_len)
{
	return prefix_len ? htonl(0xffffffffu << (32 - prefix_len)) : 0;
}

/* The address of `iface` to talk to `to` with: same subnet, else the first; any when it has none.
 */
struct s7_ip iface_source(const struct s7_iface *iface, const struct s7_ip *to);

#endif
