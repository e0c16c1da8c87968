/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * router.c - default routers, prefixes and addresses that routers tell, on links that are ours
 * alone
 *
 * Idea: as Linux does by default (accept_ra, autoconf, EUI-64). Solicitations go out from the
 * beginning, after 4 s and twice as long each time (RFC 7559), until one answers. What an
 * advertisement says is noted with its end; of the notes the learned routes are made anew whenever
 * one changes (route_learn), and addresses come and go in the interface's list (ADDR_LEARNED). MTU
 * and hop limit that are told become metrics of the learned routes. Lifetimes of addresses are
 * shortened no further than two hours (RFC 4862 5.5.3 e). One timer for whatever ends next.
 * Invariant: the learned routes follow from the notes alone, so a death between is mended by
 * making them again.
 * Bound: ROUTERS_MAX, ROUTER_PREFIXES, ROUTER_ADDRS; what comes beyond is not taken.
 * Context: instance lock. Called by: nd.c, boot (router_start), the wheel.
 */
#include "stack/ip/router.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "stack/ip/arp.h"
#include "stack/ip/ip6.h"
#include "stack/ip/route.h"
#include "stack/wire/eth.h"
#include "stack/wire/nd_ra.h"

#define ASK_FIRST_S 4
#define ASK_MOST_S 3600
#define TWO_HOURS (7200 * S7_SEC)
#define EUI64_BITS 64
#define METRIC_LEARNED 2048u /* the configuration's come first */
#define MTU_LEAST 1280

static const struct s7_ip all_routers = { .b = { 0xff, 2, [15] = 2 } };

int router_init(struct s7_inst *inst)
{
	inst->routers = arena_take(inst->arena, sizeof(*inst->routers), S7_CACHELINE);
	if (!inst->routers)
		return -ENOMEM;
	timer_init(&inst->routers->timer, TIMER_ROUTER);
	return 0;
}

static s7_time end_of(const struct s7_inst *inst, uint32_t life_s)
{
	return life_s == RA_FOREVER ? S7_NEVER : inst->now + life_s * S7_SEC;
}

/* ---- routes and timer, of what is noted ---- */

static struct s7_route route_by(const struct s7_router_table *table, uint8_t iface)
{
	struct s7_route route = { .owner = ROUTE_STACK, .iface = iface, .type = RTN_UNICAST,
				  .metric = METRIC_LEARNED };

	route.metrics.mtu = table->iface[iface].mtu;
	route.metrics.hop_limit = table->iface[iface].hops;
	route.has_metrics = route.metrics.mtu || route.metrics.hop_limit;
	return route;
}

static void routes_make(struct s7_inst *inst)
{
	const struct s7_router_table *table = inst->routers;
	struct s7_route routes[ROUTERS_MAX + ROUTER_PREFIXES];
	uint32_t count = 0, i;

	for (i = 0; i < ROUTERS_MAX; i++) {
		if (!table->router[i].until)
			continue;
		routes[count] = route_by(table, table->router[i].iface);
		routes[count].via = table->router[i].ip;
		routes[count++].metric += table->router[i].preference;
	}
	for (i = 0; i < ROUTER_PREFIXES; i++) {
		if (!table->prefix[i].until)
			continue;
		routes[count] = route_by(table, table->prefix[i].iface);
		routes[count].to = table->prefix[i].prefix;
		routes[count++].prefix_len = table->prefix[i].len;
	}
	route_learn(inst, routes, count);
}

static void sooner(s7_time *next, s7_time at)
{
	if (at && at < *next)
		*next = at;
}

static void timer_set(struct s7_inst *inst)
{
	struct s7_router_table *table = inst->routers;
	s7_time next = S7_NEVER;
	uint32_t i;

	for (i = 0; i < S7_IFACES_MAX; i++)
		if (table->iface[i].on && !table->iface[i].heard)
			sooner(&next, table->iface[i].ask_at);
	for (i = 0; i < ROUTERS_MAX; i++)
		sooner(&next, table->router[i].until);
	for (i = 0; i < ROUTER_PREFIXES; i++)
		sooner(&next, table->prefix[i].until);
	for (i = 0; i < ROUTER_ADDRS; i++) {
		sooner(&next, table->addr[i].until);
		if (table->addr[i].until)
			sooner(&next, table->addr[i].preferred_until);
	}
	if (next != S7_NEVER)
		timer_arm(&inst->wheel, &table->timer, next);
	else
		timer_cancel(&inst->wheel, &table->timer);
}

void router_mend(struct s7_inst *inst)
{
	routes_make(inst);
	timer_set(inst);
}

/* ---- asking ---- */

static const struct s7_iface_addr *link_local(const struct s7_iface *iface)
{
	for (uint32_t i = 0; i < iface->addr6_count; i++)
		if (ip_is_link_local6(&iface->addr6[i].ip) &&
		    !(iface->addr6[i].flags & ADDR_DUPLICATE))
			return &iface->addr6[i];
	return NULL;
}

/* RFC 4861 4.1, RFC 4429 3.2: of an address being checked nobody shall learn the link address. */
static void solicit(struct s7_inst *inst, struct s7_iface *iface)
{
	const struct s7_iface_addr *own = link_local(iface);
	struct s7_pkt *pkt = own ? pkt_alloc(inst) : NULL;

	if (!pkt)
		return;
	pkt->len = pkt->total =
		rs_write(pkt->data, own->flags & ADDR_TENTATIVE ? NULL : iface->mac);
	nd_send_message(inst, iface, pkt, &own->ip, &all_routers);
}

static void ask(struct s7_inst *inst, uint32_t index)
{
	struct s7_router_iface *state = &inst->routers->iface[index];

	if (!state->on || state->heard || state->ask_at > inst->now)
		return;
	state->wait_s = state->wait_s ? (uint32_t)s7_min(2 * state->wait_s, ASK_MOST_S) :
					ASK_FIRST_S;
	state->ask_at = inst->now + state->wait_s * S7_SEC;
	solicit(inst, &inst->iface[index]);
}

void router_start(struct s7_inst *inst, struct s7_iface *iface)
{
	struct s7_router_iface *state = &inst->routers->iface[iface->index];

	if (state->on || iface->flags & (IFACE_LO | IFACE_NO_ARP | IFACE_SHARED))
		return;
	*state = (struct s7_router_iface){ .on = true, .ask_at = inst->now };
	ask(inst, iface->index);
	timer_set(inst);
}

/* ---- what ends ---- */

static void addr_end(struct s7_inst *inst, struct s7_router_addr *addr)
{
	struct s7_iface *iface = &inst->iface[addr->iface];

	if (addr->until <= inst->now) {
		addr->until = 0;
		iface_unlearn_addr(inst, iface, &addr->ip);
	} else {
		iface_age_addr(inst, iface, &addr->ip, addr->preferred_until <= inst->now);
		if (addr->preferred_until <= inst->now)
			addr->preferred_until = S7_NEVER; /* said once */
	}
}

void router_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_inst *inst = ctx;
	struct s7_router_table *table = inst->routers;
	bool changed = false;
	uint32_t i;

	(void)timer;
	for (i = 0; i < inst->iface_count; i++)
		ask(inst, i);
	for (i = 0; i < ROUTERS_MAX; i++) {
		if (table->router[i].until && table->router[i].until <= now) {
			table->router[i].until = 0;
			changed = true;
		}
	}
	for (i = 0; i < ROUTER_PREFIXES; i++) {
		if (table->prefix[i].until && table->prefix[i].until <= now) {
			table->prefix[i].until = 0;
			changed = true;
		}
	}
	for (i = 0; i < ROUTER_ADDRS; i++)
		if (table->addr[i].until &&
		    s7_min(table->addr[i].until, table->addr[i].preferred_until) <= now)
			addr_end(inst, &table->addr[i]);
	if (changed)
		routes_make(inst);
	timer_set(inst);
}

/* ---- what is told ---- */

static void take_router(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_ra *ra)
{
	struct s7_router *at = NULL, *router;

	for (router = inst->routers->router; router < inst->routers->router + ROUTERS_MAX;
	     router++) {
		if (router->until && router->iface == rx->iface->index &&
		    ip_equal(&router->ip, &rx->src)) {
			at = router;
			break;
		}
		if (!router->until && !at)
			at = router;
	}
	if (!at || (!ra->life_s && !at->until))
		return;
	at->ip = rx->src;
	at->iface = rx->iface->index;
	at->preference = ra->preference;
	at->until = ra->life_s ? inst->now + ra->life_s * S7_SEC : 0;
}

static void take_on_link(struct s7_inst *inst, uint8_t iface, const struct s7_ra_prefix *told)
{
	struct s7_router_prefix *at = NULL, *prefix = inst->routers->prefix;
	struct s7_ip ip;
	uint32_t i;

	memcpy(ip.b, told->prefix, sizeof(ip.b));
	for (i = 0; i < ROUTER_PREFIXES; i++, prefix++) {
		if (prefix->until && prefix->iface == iface && prefix->len == told->len &&
		    ip_common_bits(&prefix->prefix, &ip) >= told->len) {
			at = prefix;
			break;
		}
		if (!prefix->until && !at)
			at = prefix;
	}
	if (!at || (!told->valid_s && !at->until))
		return;
	at->prefix = ip;
	at->len = told->len;
	at->iface = iface;
	at->until = told->valid_s ? end_of(inst, told->valid_s) : 0;
}

/* RFC 4862 5.5.3 e: a forged message shall not end an address at once. */
static s7_time new_end(const struct s7_inst *inst, s7_time old, uint32_t valid_s)
{
	s7_time end = end_of(inst, valid_s);

	if (end > inst->now + TWO_HOURS || end > old)
		return end;
	return old <= inst->now + TWO_HOURS ? old : inst->now + TWO_HOURS;
}

static void addr_begin(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip,
		       const struct s7_ra_prefix *told)
{
	struct s7_router_addr *addr = inst->routers->addr;
	char text[INET6_ADDRSTRLEN] = "";
	uint32_t i;

	for (i = 0; i < ROUTER_ADDRS && addr[i].until; i++)
		;
	if (!told->valid_s || i == ROUTER_ADDRS || !iface_learn_addr(inst, iface, ip))
		return;
	addr[i] = (struct s7_router_addr){ .ip = *ip, .iface = iface->index,
					   .preferred_until = end_of(inst, told->preferred_s),
					   .until = end_of(inst, told->valid_s) };
	if (!told->preferred_s)
		addr_end(inst, &addr[i]);
	inet_ntop(AF_INET6, ip->b, text, sizeof(text));
	inst_log(inst, LOG_INFO, "%s: address %s, by a router's advertisement", iface->name, text);
}

static void take_address(struct s7_inst *inst, struct s7_iface *iface,
			 const struct s7_ra_prefix *told)
{
	struct s7_router_addr *addr = inst->routers->addr;
	struct s7_ip ip;
	uint32_t i;

	if (told->len != EUI64_BITS || told->preferred_s > told->valid_s)
		return;
	memcpy(ip.b, told->prefix, 8);
	addr_identifier(iface, ip.b + 8);
	for (i = 0; i < ROUTER_ADDRS; i++)
		if (addr[i].until && addr[i].iface == iface->index && ip_equal(&addr[i].ip, &ip))
			break;
	if (i == ROUTER_ADDRS) {
		addr_begin(inst, iface, &ip, told);
		return;
	}
	addr[i].until = new_end(inst, addr[i].until, told->valid_s);
	addr[i].preferred_until = end_of(inst, told->preferred_s);
	addr_end(inst, &addr[i]);
}

static void take_prefix(struct s7_inst *inst, struct s7_iface *iface,
			const struct s7_ra_prefix *told)
{
	struct s7_ip ip;

	memcpy(ip.b, told->prefix, sizeof(ip.b));
	if (ip_is_link_local6(&ip) || ip_is_multicast(&ip))
		return;
	if (told->on_link)
		take_on_link(inst, iface->index, told);
	if (told->autonomous)
		take_address(inst, iface, told);
}

enum s7_drop router_advertised(struct s7_inst *inst, const struct s7_rx *rx, const uint8_t *p,
			       uint32_t len)
{
	struct s7_router_iface *state = &inst->routers->iface[rx->iface->index];
	struct s7_neigh *neigh;
	struct s7_ra ra;

	if (!state->on)
		return DROP_ND_IGNORED;
	if (!ip_is_link_local6(&rx->src) || !ra_parse(p, len, &ra))
		return DROP_ND_BAD;
	state->heard = true;
	state->hops = ra.hops ? ra.hops : state->hops;
	if (ra.mtu >= MTU_LEAST && ra.mtu <= rx->iface->mtu)
		state->mtu = ra.mtu;
	if (ra.has_link && !mac_is_group(ra.link) && !mac_is_zero(ra.link)) {
		neigh = neigh_get(inst, rx->iface, &rx->src);
		if (neigh)
			neigh_update(inst, neigh, ra.link, false);
	}
	take_router(inst, rx, &ra);
	for (uint32_t i = 0; i < ra.prefix_count; i++)
		take_prefix(inst, rx->iface, &ra.prefix[i]);
	routes_make(inst);
	timer_set(inst);
	return DROP_NONE;
}
