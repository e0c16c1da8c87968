/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dst.c - which way to a destination, and which addresses are ours
 *
 * The order of decisions (brief form of RFC 1122 3.3.1 with the kernel as second carrier):
 *   1. one of our own addresses, 127/8     -> lo if sock7 carries it, else the kernel
 *   2. longest prefix (dst bound to a device: routes of that device, else on link)
 *   3. nothing matches                     -> the kernel if it may (kernel_fallback), else
 * ENETUNREACH. IPv6: a link-local destination has no route but the interface it is named with.
 * Source: what the caller bound, else the route's preferred source, else an address of
 * the interface in the hop's subnet. A dst stays valid until the route generation changes (routes,
 * path MTUs) or its neighbour entry is recycled. Context: instance lock. Called by: tcp, udp, icmp,
 * sock.
 */
#include <errno.h>
#include <linux/rtnetlink.h>

#include "stack/ip/arp.h"
#include "stack/ip/ip6.h"
#include "stack/ip/route.h"
#include "stack/wire/eth.h"

enum ip4_class ip4_classify(const struct s7_inst *inst, uint32_t be)
{
	uint32_t host = ntohl(be), i, j;

	for (i = 0; i < inst->iface_count; i++) {
		const struct s7_iface *iface = &inst->iface[i];

		for (j = 0; j < iface->addr_count; j++) {
			const struct s7_iface_addr *addr = &iface->addr[j];
			uint32_t diff;

			if (!ip_is_v4(&addr->ip))
				continue;
			diff = be ^ ip_v4(&addr->ip);
			if (!diff || (i == S7_IFACE_LO && !(diff & ip4_mask(addr->prefix_len))))
				return host >> 24 == 127 ? IP4_LOOPBACK : IP4_LOCAL;
			if (addr->prefix_len < 31 &&
			    !(diff & ip4_mask(addr->prefix_len)) &&
			    (be | ip4_mask(addr->prefix_len)) == 0xffffffff)
				return IP4_BROADCAST;
		}
	}
	/* 0/8 and 240/4 are addresses as others are, in Linux */
	if (s7_likely(host >> 28 < 14))
		return host >> 24 == 127 ? IP4_LOOPBACK : host == 0 ? IP4_ANY : IP4_OTHER;
	if (host >> 28 == 14)
		return IP4_MULTICAST;
	return host == 0xffffffff ? IP4_BROADCAST : IP4_OTHER;
}

bool ip_is_broadcast(const struct s7_inst *inst, const struct s7_ip *ip)
{
	return ip_is_v4(ip) && ip4_classify(inst, ip_v4(ip)) == IP4_BROADCAST;
}

/* Every address of lo's networks is this host's. */
static bool lo_covers(const struct s7_iface *lo, const struct s7_ip *ip)
{
	for (uint32_t j = 0; j < lo->addr_count; j++)
		if (!((ip_v4(&lo->addr[j].ip) ^ ip_v4(ip)) & ip4_mask(lo->addr[j].prefix_len)))
			return true;
	return false;
}

struct s7_iface *ip_local_iface(struct s7_inst *inst, const struct s7_ip *ip)
{
	uint32_t i, j;

	if (!ip_is_v4(ip))
		return ip6_local_iface(inst, ip);
	for (i = 0; i < inst->iface_count; i++)
		for (j = 0; j < inst->iface[i].addr_count; j++)
			if (ip_equal(&inst->iface[i].addr[j].ip, ip))
				return &inst->iface[i];
	if (inst->params.loopback_stack && lo_covers(&inst->iface[S7_IFACE_LO], ip))
		return &inst->iface[S7_IFACE_LO];
	return NULL;
}

bool ip_is_local(const struct s7_inst *inst, const struct s7_ip *ip)
{
	const struct s7_iface *iface = ip_local_iface((struct s7_inst *)inst, ip);

	return iface && (iface->index != S7_IFACE_LO || inst->params.loopback_stack);
}

/* Does the kernel have the address too? */
static bool local_is_shared(const struct s7_inst *inst, const struct s7_ip *ip)
{
	uint32_t i, j;

	if (!ip_is_v4(ip))
		return ip6_kernel_has(inst, ip);
	for (i = 1; i < inst->iface_count; i++)
		for (j = 0; j < inst->iface[i].addr_count; j++)
			if ((inst->iface[i].flags & IFACE_SHARED) &&
			    ip_equal(&inst->iface[i].addr[j].ip, ip))
				return true;
	return false;
}

struct s7_ip iface_source(const struct s7_iface *iface, const struct s7_ip *to)
{
	struct s7_ip first = ip_from_v4(0);
	uint32_t j;

	for (j = iface->addr_count; j-- > 0;) {
		const struct s7_iface_addr *addr = &iface->addr[j];

		if (!ip_is_v4(&addr->ip))
			continue;
		first = addr->ip;
		if (!((ip_v4(&addr->ip) ^ ip_v4(to)) & ip4_mask(addr->prefix_len)))
			return addr->ip;
	}
	return first;
}

/* Any address at all, for an interface without one (RFC 1122 3.3.4.3: better than none). */
static struct s7_ip any_source(const struct s7_inst *inst, const struct s7_ip *to)
{
	struct s7_ip src = ip_from_v4(0);
	uint32_t i;

	for (i = 1; i < inst->iface_count && ip_is_any(&src); i++)
		src = iface_source(&inst->iface[i], to);
	return src;
}

/* What a destination is; the families have their own ways to tell. */
enum dst_kind { DST_UNICAST, DST_LOCAL, DST_MULTICAST, DST_BROADCAST };

static int dst_to_kernel(struct s7_dst *dst)
{
	dst->owner = ROUTE_KERNEL;
	return 0;
}

/* What the route says of the path; an interface's MTU bounds it. */
static uint32_t dst_take_metrics(struct s7_dst *dst, const struct s7_route *route, uint32_t mtu)
{
	if (s7_likely(!route || !route->has_metrics))
		return mtu;
	dst->metrics = &route->metrics;
	return dst->metrics->mtu ? (uint32_t)s7_min(mtu, dst->metrics->mtu) : mtu;
}

static int dst_to_lo(struct s7_inst *inst, struct s7_dst *dst)
{
	const struct s7_route *route;

	if (!inst->params.loopback_stack &&
	    (ip_is_loopback(&dst->dst) || local_is_shared(inst, &dst->dst)))
		return dst_to_kernel(dst);
	dst->owner = ROUTE_STACK;
	dst->iface = S7_IFACE_LO;
	dst->hop = dst->dst;
	route = route_find(inst, &dst->dst, 0);
	if (route && route->type != RTN_LOCAL && !route->over_lo)
		route = NULL;
	dst->mtu = dst_take_metrics(dst, route, inst->iface[S7_IFACE_LO].mtu);
	if (!ip_is_any(&dst->src))
		return 0;
	dst->src = dst->dst;
	if (route && dst->is_v4)
		dst->src = ip_is_any(&route->source) ? dst->dst : route->source;
	else if (dst->is_v4 && ip_is_loopback(&dst->dst))
		dst->src = ip_from_v4(htonl(INADDR_LOOPBACK));
	return 0;
}

static struct s7_ip dst_source(struct s7_inst *inst, const struct s7_iface *iface,
			       const struct s7_dst *dst)
{
	struct s7_ip src;

	if (!dst->is_v4)
		return ip6_source(inst, iface, &dst->dst);
	src = iface_source(iface, &dst->hop);
	return ip_is_any(&src) ? any_source(inst, &dst->hop) : src;
}

/* The interface and the hop are known: source, MTU, neighbour. */
static int dst_finish(struct s7_inst *inst, struct s7_dst *dst, const struct s7_route *route,
		      enum dst_kind kind)
{
	struct s7_iface *iface = &inst->iface[dst->iface];

	if (!(iface->flags & IFACE_UP))
		return -ENETUNREACH;
	dst->owner = ROUTE_STACK;
	if (ip_is_any(&dst->src)) {
		dst->src = dst_source(inst, iface, dst);
		dst->src_chosen = true;
	}
	if (ip_is_any(&dst->src) && kind != DST_BROADCAST)
		return dst->is_v4 ? -ENETUNREACH : -EADDRNOTAVAIL;
	dst->mtu = pmtu_get(inst, &dst->dst, dst_take_metrics(dst, route, iface->mtu));
	if (iface->index == S7_IFACE_LO)
		return 0;
	dst->link_len = ETH_LEN;
	if (kind != DST_UNICAST)
		return 0;
	dst->neigh = neigh_get(inst, iface, &dst->hop);
	if (!dst->neigh)
		return -ENOBUFS;
	dst->neigh_generation = dst->neigh->generation;
	return 0;
}

/* No route: a bound device or a limited broadcast needs none. No group of IPv6 is beyond lo. */
static int dst_without_route(struct s7_inst *inst, struct s7_dst *dst, uint32_t bound_iface,
			     enum dst_kind kind)
{
	dst->hop = dst->dst;
	if (kind == DST_MULTICAST && !dst->is_v4 && bound_iface == S7_IFACE_LO + 1)
		return -ENETUNREACH;
	if (bound_iface && bound_iface <= inst->iface_count) {
		dst->iface = (uint8_t)(bound_iface - 1);
		return dst_finish(inst, dst, NULL, kind);
	}
	if (inst->params.kernel_fallback)
		return dst_to_kernel(dst);
	if (kind != DST_UNICAST && inst->iface_count > 1) {
		dst->iface = 1;
		return dst_finish(inst, dst, NULL, kind);
	}
	return -ENETUNREACH;
}

static int route_refusal(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return -EINVAL;
	case RTN_PROHIBIT:
		return -EACCES;
	case RTN_THROW:
		return -ENETUNREACH;
	default:
		return -EHOSTUNREACH;
	}
}

static int dst_by_route(struct s7_inst *inst, struct s7_dst *dst, const struct s7_route *route,
			enum dst_kind kind)
{
	if (route->owner == ROUTE_KERNEL)
		return dst_to_kernel(dst);
	if (route->owner == ROUTE_NONE || route->iface >= inst->iface_count)
		return route_refusal(route->type);
	dst->iface = route->iface;
	dst->hop = !ip_is_any(&route->via) && kind == DST_UNICAST ? route->via : dst->dst;
	if (ip_is_any(&dst->src) && !ip_is_any(&route->source))
		dst->src = route->source;
	return dst_finish(inst, dst, route, kind);
}

static enum dst_kind dst_kind4(const struct s7_inst *inst, const struct s7_dst *dst)
{
	switch (ip4_classify(inst, ip_v4(&dst->dst))) {
	case IP4_LOCAL:
	case IP4_LOOPBACK:
		return DST_LOCAL;
	case IP4_BROADCAST:
		return DST_BROADCAST;
	case IP4_MULTICAST:
		return DST_MULTICAST;
	default:
		return DST_UNICAST;
	}
}

/* A link-local address of ours is so only on its own interface, if one is named. */
static enum dst_kind dst_kind6(struct s7_inst *inst, const struct s7_dst *dst, uint32_t bound_iface)
{
	const struct s7_iface *iface;

	if (ip_is_multicast(&dst->dst))
		return DST_MULTICAST;
	if (ip_is_link_local6(&dst->dst) && bound_iface) {
		if (bound_iface > inst->iface_count)
			return DST_UNICAST;
		iface = &inst->iface[bound_iface - 1];
		return ip6_addr_of(iface, &dst->dst) ? DST_LOCAL : DST_UNICAST;
	}
	return ip6_local_iface(inst, &dst->dst) ? DST_LOCAL : DST_UNICAST;
}

/*
 * An address that names its link needs no route but the link (RFC 4007 6); lo is none. Where the
 * link is not named, the first that has such a network is meant, as in Linux.
 */
static int dst_scoped(struct s7_inst *inst, struct s7_dst *dst, uint32_t bound_iface,
		      enum dst_kind kind)
{
	const struct s7_route *route = NULL;

	if (bound_iface == S7_IFACE_LO + 1)
		return -ENETUNREACH;
	if (!bound_iface && kind != DST_MULTICAST)
		route = route_find(inst, &dst->dst, 0);
	return route ? dst_by_route(inst, dst, route, kind) :
		       dst_without_route(inst, dst, bound_iface, kind);
}

/* Of one family; a source of the other one cannot be meant. 0, -EAFNOSUPPORT. */
static int dst_begin(const struct s7_inst *inst, struct s7_dst *dst, const struct s7_ip *to,
		     const struct s7_ip *src)
{
	memset(dst, 0, sizeof(*dst));
	dst->dst = *to;
	dst->is_v4 = ip_is_v4(to);
	if (ip_is_any(to))
		dst->dst = dst->is_v4 ? ip_from_v4(htonl(INADDR_LOOPBACK)) :
					(struct s7_ip){ .b = { [15] = 1 } };
	if (dst->is_v4)
		dst->src = ip_from_v4(0);
	if (src && !ip_is_any(src))
		dst->src = *src;
	dst->generation = inst->routes->generation;
	return ip_is_v4(&dst->src) == dst->is_v4 ? 0 : -EAFNOSUPPORT;
}

int dst_lookup(struct s7_inst *inst, const struct s7_ip *to, const struct s7_ip *src,
	       uint32_t bound_iface, struct s7_dst *ret_dst)
{
	const struct s7_route *route;
	enum dst_kind kind;
	struct s7_dst dst;
	int err;

	err = dst_begin(inst, &dst, to, src);
	if (err)
		return err;
	kind = dst.is_v4 ? dst_kind4(inst, &dst) : dst_kind6(inst, &dst, bound_iface);
	if (kind == DST_LOCAL) {
		err = dst_to_lo(inst, &dst);
	} else if (!dst.is_v4 && ip_needs_scope(&dst.dst)) {
		err = dst_scoped(inst, &dst, bound_iface, kind);
	} else {
		route = route_find(inst, &dst.dst, bound_iface);
		err = route ? dst_by_route(inst, &dst, route, kind) :
			      dst_without_route(inst, &dst, bound_iface, kind);
	}
	if (!err)
		*ret_dst = dst;
	return err;
}

void dst_prefer_source(struct s7_inst *inst, struct s7_dst *dst, uint8_t prefs)
{
	struct s7_ip src;

	if (s7_likely(!prefs) || !dst->src_chosen || dst->is_v4)
		return;
	src = ip6_source_by(inst, &inst->iface[dst->iface], &dst->dst, prefs);
	if (!ip_is_any(&src))
		dst->src = src;
}

bool dst_stale(const struct s7_inst *inst, const struct s7_dst *dst)
{
	return dst->generation != inst->routes->generation ||
	       (dst->neigh && dst->neigh->generation != dst->neigh_generation);
}
