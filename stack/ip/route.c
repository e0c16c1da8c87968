/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * route.c - longest prefix match, and path MTUs
 *
 * Idea: connections keep their dst, so a lookup happens at connect and for a datagram to a new
 * address; a table sorted by (family, prefix length down, metric up) is searched linearly, IPv4
 * over 8-byte (net, mask) pairs, so the first match is the best, and a small direct-mapped cache a
 * family answers repeated questions in front of it. route_set replaces everything and raises the
 * generation, which makes every dst and every cache entry stale. Path MTUs are direct-mapped by
 * address: two destinations that meet in one slot push each other out, which costs one more ICMP
 * message and nothing else.
 * Context: instance lock. Called by: dst.c, boot and keeper (route_set), icmp.c (ip_pmtu_learn).
 */
#include "stack/ip/route.h"

#include <errno.h>

/* A prefix of IPv4 addresses? ::/0 and the like are not, although they cover ::ffff:0:0/96. */
static bool route_is_v4(const struct s7_route *route)
{
	return ip_is_v4(&route->to) && route->prefix_len >= IP_V4_BITS;
}

static int route_order(const struct s7_route *a, const struct s7_route *b)
{
	if (route_is_v4(a) != route_is_v4(b))
		return route_is_v4(a) ? -1 : 1;
	if (a->prefix_len != b->prefix_len)
		return a->prefix_len > b->prefix_len ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return 0;
}

/* Insertion sort: stable, so that equals keep the caller's order. */
static void routes_add(struct s7_route_table *table, const struct s7_route *routes, uint32_t count,
		       bool learned)
{
	uint32_t i, j;

	for (i = 0; i < count && table->count < ROUTES_MAX; i++) {
		for (j = table->count; j && route_order(&routes[i], &table->route[j - 1]) < 0; j--)
			table->route[j] = table->route[j - 1];
		table->route[j] = routes[i];
		table->route[j].learned = learned;
		table->count++;
	}
}

static void routes_index(struct s7_route_table *table)
{
	uint32_t i;

	for (i = 0; i < table->count && route_is_v4(&table->route[i]); i++) {
		const struct s7_route *route = &table->route[i];

		table->v4[i].mask = ip4_mask(route->prefix_len - IP_V4_BITS);
		table->v4[i].net = ip_v4(&route->to) & table->v4[i].mask;
	}
	table->v4_count = i;
	table->generation++;
}

int route_set(struct s7_inst *inst, const struct s7_route *routes, uint32_t count)
{
	struct s7_route_table *table = inst->routes;
	struct s7_route learned[ROUTES_LEARNED];
	uint32_t i, kept = 0;

	if (count > ROUTES_MAX)
		return -ENOSPC;
	for (i = 0; i < count; i++)
		if (routes[i].prefix_len > 128 || routes[i].iface >= S7_IFACES_MAX)
			return -EINVAL;
	for (i = 0; i < table->count && kept < ROUTES_LEARNED; i++)
		if (table->route[i].learned)
			learned[kept++] = table->route[i];
	table->count = 0;
	routes_add(table, routes, count, false);
	routes_add(table, learned, kept, true);
	routes_index(table);
	return 0;
}

void route_learn(struct s7_inst *inst, const struct s7_route *routes, uint32_t count)
{
	struct s7_route_table *table = inst->routes;
	uint32_t i, kept = 0;

	for (i = 0; i < table->count; i++)
		if (!table->route[i].learned)
			table->route[kept++] = table->route[i];
	table->count = kept;
	routes_add(table, routes, (uint32_t)s7_min(count, ROUTES_LEARNED), true);
	routes_index(table);
}

static const struct s7_route *find_v4(const struct s7_route_table *table, uint32_t dst,
				      uint32_t bound_iface)
{
	uint32_t i;

	for (i = 0; i < table->v4_count; i++) {
		if ((dst & table->v4[i].mask) != table->v4[i].net)
			continue;
		if (!bound_iface || table->route[i].iface + 1u == bound_iface)
			return &table->route[i];
	}
	return NULL;
}

static const struct s7_route *find_v6(const struct s7_route_table *table, const struct s7_ip *dst,
				      uint32_t bound_iface)
{
	uint32_t i;

	for (i = table->v4_count; i < table->count; i++) {
		const struct s7_route *route = &table->route[i];

		if (ip_common_bits(dst, &route->to) < route->prefix_len)
			continue;
		if (!bound_iface || route->iface + 1u == bound_iface)
			return route;
	}
	return NULL;
}

static const struct s7_route *route_find6(struct s7_route_table *table, const struct s7_ip *dst)
{
	uint64_t mixed = (dst->q[0] ^ dst->q[1] * 31) * 0x9e3779b97f4a7c15ull;
	struct s7_route_cached6 *cached = &table->cache6[mixed >> 58];

	if (cached->generation != table->generation || !ip_equal(&cached->dst, dst)) {
		cached->route = find_v6(table, dst, 0);
		cached->dst = *dst;
		cached->generation = table->generation;
	}
	return cached->route;
}

const struct s7_route *route_find(struct s7_inst *inst, const struct s7_ip *dst,
				  uint32_t bound_iface)
{
	struct s7_route_table *table = inst->routes;
	struct s7_route_cached *cached;
	uint32_t be = ip_v4(dst);

	if (s7_unlikely(!ip_is_v4(dst)))
		return bound_iface ? find_v6(table, dst, bound_iface) : route_find6(table, dst);
	if (bound_iface)
		return find_v4(table, be, bound_iface);
	cached = &table->cache[(be * 0x9e3779b1u) >> 26];
	if (cached->dst != be || cached->generation != table->generation) {
		cached->route = find_v4(table, be, 0);
		cached->dst = be;
		cached->generation = table->generation;
	}
	return cached->route;
}

static struct s7_pmtu *pmtu_slot(const struct s7_inst *inst, const struct s7_ip *dst)
{
	uint64_t mixed = (dst->q[0] ^ dst->q[1] ^ inst->secret[1]) * 0x9e3779b97f4a7c15ull;

	return &inst->routes->pmtu[mixed >> 56];
}

static_assert(PMTU_ENTRIES == 256, "pmtu_slot takes eight bits");
static_assert(ROUTE_CACHE == 64, "route_find and route_find6 take six bits");

uint32_t pmtu_get(const struct s7_inst *inst, const struct s7_ip *dst, uint32_t mtu)
{
	const struct s7_pmtu *entry = pmtu_slot(inst, dst);

	if (s7_likely(entry->until <= inst->now || !ip_equal(&entry->dst, dst)))
		return mtu;
	return (uint32_t)s7_min(mtu, entry->mtu);
}

void ip_pmtu_learn(struct s7_inst *inst, const struct s7_ip *dst, uint32_t mtu)
{
	struct s7_pmtu *entry = pmtu_slot(inst, dst);
	const struct s7_route *route = route_find(inst, dst, 0);

	if (route && route->metrics.mtu_locked)
		return;
	mtu = (uint32_t)s7_max(mtu, ip_is_v4(dst) ? PMTU_MIN : PMTU_MIN6);
	if (entry->until > inst->now && ip_equal(&entry->dst, dst) && entry->mtu <= mtu)
		return;
	entry->dst = *dst;
	entry->mtu = mtu;
	entry->until = inst->now + PMTU_LIFE;
	inst->routes->generation++;
}
