/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view.c - the snapshot of addresses and routes
 *
 * Idea: one dump of addresses (both families), one dump a family of routes; tables main and local,
 * all types, no cached clones, no dead next hops. A multipath route counts as its first living hop.
 * The result is sorted by prefix length (of the 128-bit form, so that the families do not mix),
 * longest first, then by metric: the first match is the kernel's choice, policy rules and ToS
 * aside.
 * Bound: KERN_ROUTES_MAX. Beyond it gatewayed routes that are not a default go first, because
 * without the local, the connected and the default ones nothing works; `truncated` says so.
 * A snapshot during which the tables changed is taken again, NL_TRIES times; then the last one
 * counts (the watch reports the change anyway).
 * Context: any thread, no lock. Called by: shim/ (boot, keeper).
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>

#include "kern/nl.h"

static int read_addr(const struct nlmsghdr *msg, void *arg)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(msg);
	struct kern_view *view = arg;
	struct kern_addr addr = { 0 };
	const struct nlattr *attr;
	uint32_t flags;
	bool found = false;

	if (msg->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(msg) < sizeof(*info))
		return 0;
	flags = info->ifa_flags;
	addr.ifindex = (int)info->ifa_index;
	addr.prefix_len = info->ifa_prefixlen;
	mnl_attr_for_each(attr, msg, sizeof(*info)) {
		uint16_t type = mnl_attr_get_type(attr);

		/* IFA_ADDRESS is the peer where IFA_LOCAL exists and differs. */
		if (type == IFA_LOCAL)
			found = nl_ip(attr, info->ifa_family, &addr.ip) || found;
		else if (type == IFA_ADDRESS && !found)
			found = nl_ip(attr, info->ifa_family, &addr.ip);
		else if (type == IFA_FLAGS && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			flags = mnl_attr_get_u32(attr);
	}
	/* Nobody may use an address whose duplicate detection runs (RFC 4862 5.4) or failed. */
	if (!found || flags & IFA_F_DADFAILED ||
	    (flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) == IFA_F_TENTATIVE)
		return 0;
	addr.deprecated = flags & IFA_F_DEPRECATED;
	addr.temporary = info->ifa_family == AF_INET6 && flags & IFA_F_TEMPORARY;
	addr.home = flags & IFA_F_HOMEADDRESS;
	if (view->addr_count == KERN_ADDRS_MAX) {
		view->truncated = true;
		return 0;
	}
	view->addr[view->addr_count++] = addr;
	return 0;
}

/* RTA_VIA: a next hop of the other family (RFC 5549). */
static void read_via(const struct nlattr *attr, struct kern_route *route)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	if (len == sizeof(*via) + 4 && via->rtvia_family == AF_INET) {
		uint32_t v4;

		memcpy(&v4, via->rtvia_addr, sizeof(v4));
		route->via = ip_from_v4(v4);
	} else if (len == sizeof(*via) + 16 && via->rtvia_family == AF_INET6) {
		memcpy(&route->via, via->rtvia_addr, sizeof(route->via));
	}
}

/* The first hop that lives. False if none does. */
static bool read_multipath(const struct nlattr *hops, uint8_t family, struct kern_route *route)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(hops);
	int left = mnl_attr_get_payload_len(hops);

	for (; RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		const struct nlattr *attr;
		size_t bytes = hop->rtnh_len - sizeof(*hop);

		if (hop->rtnh_flags & RTNH_F_DEAD)
			continue;
		route->ifindex = hop->rtnh_ifindex;
		mnl_attr_for_each_payload((const void *)RTNH_DATA(hop), bytes) {
			if (mnl_attr_get_type(attr) == RTA_GATEWAY)
				(void)nl_ip(attr, family, &route->via);
			else if (mnl_attr_get_type(attr) == RTA_VIA)
				read_via(attr, route);
		}
		return true;
	}
	return false;
}

struct route_walk {
	struct kern_view *view;
	/* What was asked for: a kernel without the family, or before 4.20, answers with more. */
	uint8_t family, table;
};

static bool is_spare(const struct kern_route *route)
{
	return route->type == RTN_UNICAST && route->prefix_len > 0 &&
	       (route->via.q[0] || route->via.q[1]);
}

/* Appends; a full view gives up a route that can be spared, or refuses. */
static void keep_route(struct kern_view *view, const struct kern_route *route)
{
	uint32_t at = view->route_count;

	if (at < KERN_ROUTES_MAX) {
		view->route[view->route_count++] = *route;
		return;
	}
	view->truncated = true;
	if (is_spare(route))
		return;
	while (at-- > 0) {
		if (!is_spare(&view->route[at]))
			continue;
		view->route[at] = *route;
		return;
	}
}

/* The number of a metric; what is none counts as 0. */
static uint32_t metric_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ? mnl_attr_get_u32(attr) : 0;
}

/*
 * RTA_METRICS: what the stack obeys. A minimal time-out counts only if it is locked, as in Linux
 * (ip route locks it).
 */
static void read_metrics(const struct nlattr *nested, struct kern_route *route)
{
	struct s7_metrics *m = &route->metrics;
	uint32_t value[RTAX_MAX + 1] = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nested) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == RTAX_CC_ALGO && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(route->cc, sizeof(route->cc), "%s", mnl_attr_get_str(attr));
		else if (type <= RTAX_MAX)
			value[type] = metric_u32(attr);
	}
	m->mtu = value[RTAX_MTU];
	m->mtu_locked = value[RTAX_LOCK] & 1u << RTAX_MTU;
	m->advmss = value[RTAX_ADVMSS];
	m->window = value[RTAX_WINDOW];
	m->init_cwnd = value[RTAX_INITCWND];
	m->hop_limit = (uint8_t)s7_min(value[RTAX_HOPLIMIT], UINT8_MAX);
	m->quickack = value[RTAX_QUICKACK];
	m->cc_locked = value[RTAX_LOCK] & 1u << RTAX_CC_ALGO;
	if (value[RTAX_LOCK] & 1u << RTAX_RTO_MIN)
		m->rto_min_us = (uint32_t)s7_min(value[RTAX_RTO_MIN] * 1000ull, UINT32_MAX);
	route->has_metrics = m->mtu || m->mtu_locked || m->advmss || m->window || m->init_cwnd ||
			     m->hop_limit || m->quickack || m->rto_min_us || route->cc[0];
}

/* One attribute of a route; 0, or -ENOENT: no hop lives. */
static int read_route_attr(const struct nlattr *attr, uint8_t family, uint32_t *table,
			   struct kern_route *route)
{
	bool is_u32 = mnl_attr_get_payload_len(attr) == sizeof(uint32_t);

	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		(void)nl_ip(attr, family, &route->to);
		break;
	case RTA_GATEWAY:
		(void)nl_ip(attr, family, &route->via);
		break;
	case RTA_PREFSRC:
		(void)nl_ip(attr, family, &route->source);
		break;
	case RTA_VIA:
		read_via(attr, route);
		break;
	case RTA_OIF:
		route->ifindex = is_u32 ? (int)mnl_attr_get_u32(attr) : 0;
		break;
	case RTA_PRIORITY:
		route->metric = is_u32 ? mnl_attr_get_u32(attr) : 0;
		break;
	case RTA_TABLE:
		*table = is_u32 ? mnl_attr_get_u32(attr) : 0;
		break;
	case RTA_METRICS:
		read_metrics(attr, route);
		break;
	case RTA_MULTIPATH:
		return read_multipath(attr, family, route) ? 0 : -ENOENT;
	}
	return 0;
}

static int read_route(const struct nlmsghdr *msg, void *arg)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(msg);
	struct route_walk *walk = arg;
	struct kern_route route = { 0 };
	const struct nlattr *attr;
	uint32_t table;

	if (msg->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(msg) < sizeof(*info))
		return 0;
	if (info->rtm_family != walk->family || info->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD))
		return 0;
	table = info->rtm_table;
	route.type = info->rtm_type;
	route.prefix_len = info->rtm_dst_len;
	if (walk->family == AF_INET)
		route.to = ip_from_v4(0);
	mnl_attr_for_each(attr, msg, sizeof(*info)) {
		if (read_route_attr(attr, walk->family, &table, &route))
			return 0;
	}
	if (table == walk->table)
		keep_route(walk->view, &route);
	return 0;
}

static int dump_routes(struct nl *nl, uint8_t family, uint8_t table, struct kern_view *view)
{
	struct route_walk walk = { .view = view, .family = family, .table = table };
	union nl_request req;
	struct rtmsg *info;
	int err;

	info = nl_begin(&req, RTM_GETROUTE, NLM_F_DUMP, sizeof(*info));
	info->rtm_family = family;
	info->rtm_table = table;
	err = nl_ask(nl, &req, read_route, &walk);
	return err == -ENOENT ? 0 : err; /* the table does not exist yet */
}

static int by_preference(const void *left, const void *right)
{
	const struct kern_route *a = left, *b = right;
	uint32_t len_a = a->prefix_len + (ip_is_v4(&a->to) ? 96u : 0u);
	uint32_t len_b = b->prefix_len + (ip_is_v4(&b->to) ? 96u : 0u);

	if (len_a != len_b)
		return len_a > len_b ? -1 : 1;
	/* Table local is asked before table main. */
	if ((a->type == RTN_LOCAL) != (b->type == RTN_LOCAL))
		return a->type == RTN_LOCAL ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return memcmp(&a->to, &b->to, sizeof(a->to));
}

int view_read(struct nl *nl, struct kern_view *ret_view)
{
	static const struct { uint8_t family, table; } dumps[] = {
		{ AF_INET, RT_TABLE_LOCAL }, { AF_INET, RT_TABLE_MAIN },
		{ AF_INET6, RT_TABLE_LOCAL }, { AF_INET6, RT_TABLE_MAIN },
	};
	union nl_request req;
	bool holes;
	int err;

	ret_view->addr_count = ret_view->route_count = 0;
	ret_view->truncated = false;
	nl_begin(&req, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
	err = nl_ask(nl, &req, read_addr, ret_view);
	if (err && err != -EAGAIN)
		return err;
	holes = err == -EAGAIN;
	for (size_t i = 0; i < S7_ARRAY_LEN(dumps); i++) {
		err = dump_routes(nl, dumps[i].family, dumps[i].table, ret_view);
		if (err && err != -EAGAIN)
			return err;
		holes |= err == -EAGAIN;
	}
	qsort(ret_view->route, ret_view->route_count, sizeof(ret_view->route[0]), by_preference);
	return holes ? -EAGAIN : 0;
}

int kern_view_get(struct kern_view *ret_view)
{
	struct nl nl;
	int err;

	err = nl_open(&nl, NL_BUF_BYTES);
	if (err)
		return err;
	for (int i = 0; i < NL_TRIES; i++) {
		err = view_read(&nl, ret_view);
		if (err != -EAGAIN)
			break;
	}
	nl_close(&nl);
	return err == -EAGAIN ? 0 : err;
}
