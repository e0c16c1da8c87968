/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot_adopt.c - addresses and routes, from the kernel and the configuration, into every instance
 *
 * The route table that the stack gets answers one question for any destination: whose is it, and
 * which way. In it are
 *    - prefixes, routes and gateways of the configured interfaces      -> the stack
 *    - the kernel's routes over a netdev whose addresses are adopted   -> the stack
 *    - all other routes of the kernel (other netdevs, loopback)        -> the kernel, or nobody
 * With loopback = stack lo is a netdev that is adopted, too: its MTU, and addresses beside 127/8.
 * With equal prefixes the configuration wins over the kernel. Both families alike; an IPv6 address
 * that the kernel has too is marked, because the kernel answers for it. Repeated by the keeper when
 * the kernel says that something changed; the tables are replaced under each instance's lock.
 * Context: boot or keeper thread, one at a time (static scratch space); no lock held on entry.
 */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#include "shim/internal.h"
#include "stack/ip/ip.h"
#include "stack/tcp/tcp.h"

#define METRIC_KERNEL 1024u /* added to the kernel's own, so that the configuration comes first */
#define LO_IFINDEX 1
#define ADDRS_MAX (IFACE_ADDRS_MAX + IFACE_ADDRS6_MAX)

static struct kern_view view;
static struct s7_route routes[ROUTES_MAX];
static uint32_t route_count;
static bool truncated;

static void route_add(const struct s7_route *route)
{
	if (route_count < ROUTES_MAX)
		routes[route_count++] = *route;
	else
		truncated = true;
}

static struct s7_ip ip_of(const uint8_t bytes[16])
{
	struct s7_ip ip;

	memcpy(ip.b, bytes, sizeof(ip.b));
	return ip;
}

/* Of 128 bits: IPv4 is v4-mapped. */
static uint8_t bits_of(const struct s7_ip *ip, uint32_t len)
{
	return (uint8_t)(ip_is_v4(ip) ? IP_V4_BITS + len : len);
}

/* The network of an address: host bits cleared; `bits` of 128. */
static struct s7_ip network_of(const struct s7_ip *ip, uint32_t bits)
{
	struct s7_ip net = *ip;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		uint32_t here = bits > i * 32 ? (uint32_t)s7_min(bits - i * 32, 32) : 0;

		net.w[i] &= here ? htonl(~0u << (32 - here)) : 0;
	}
	return net;
}

static bool is_set(const struct s7_ip *ip)
{
	return ip->q[0] || ip->q[1];
}

/* ---- addresses ---- */

static bool kernel_has(const struct s7_ip *ip)
{
	uint32_t i;

	for (i = 0; i < view.addr_count; i++)
		if (ip_equal(&view.addr[i].ip, ip))
			return true;
	return false;
}

static void addr_put(struct s7_iface_addr *addr, const struct s7_ip *ip, uint8_t len, bool old)
{
	addr->ip = *ip;
	addr->prefix_len = len;
	addr->flags = old ? ADDR_DEPRECATED : 0;
	if (!ip_is_v4(ip) && kernel_has(ip))
		addr->flags |= ADDR_KERNEL;
}

static uint32_t addrs_from_kernel(int ifindex, struct s7_iface_addr addrs[ADDRS_MAX])
{
	uint32_t i, count = 0;

	for (i = 0; i < view.addr_count && count < ADDRS_MAX; i++) {
		const struct kern_addr *addr = &view.addr[i];

		if (addr->ifindex != ifindex)
			continue;
		addr_put(&addrs[count], &addr->ip, addr->prefix_len, addr->deprecated);
		addrs[count].flags |= (uint8_t)((addr->temporary ? ADDR_TEMPORARY : 0) |
						(addr->home ? ADDR_HOME : 0));
		count++;
	}
	return count;
}

static uint32_t addrs_from_conf(const struct conf_iface *conf,
				struct s7_iface_addr addrs[ADDRS_MAX])
{
	struct s7_ip ip;
	uint32_t i;

	for (i = 0; i < conf->address_count && i < ADDRS_MAX; i++) {
		ip = ip_of(conf->address[i].ip);
		addr_put(&addrs[i], &ip, conf->address[i].len, false);
	}
	return i;
}

static bool any_shared(const struct s7_iface_addr *addrs, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (kernel_has(&addrs[i].ip))
			return true;
	return false;
}

/* ---- MTUs ---- */

static void mtu_set(uint32_t index, uint32_t mtu)
{
	for (uint32_t k = 0; k < s7_boot.inst_count; k++) {
		struct s7_inst *inst = s7_arena->inst[k];

		inst_lock(inst, host_now());
		iface_set_mtu(inst, &inst->iface[index], mtu);
		inst_unlock(inst);
	}
}

void boot_adopt_mtu(void)
{
	uint32_t i, mtu;

	if (s7_boot.conf.loopback == CONF_LOOPBACK_STACK && !kern_mtu_get(LO_IFINDEX, &mtu))
		mtu_set(S7_IFACE_LO, (uint32_t)s7_min(mtu, IFACE_LO_MTU));
	for (i = 0; i < s7_boot.iface_count; i++) {
		const struct boot_iface *boot = &s7_boot.iface[i];

		/* what the port was opened with bounds what its buffers hold */
		if (boot->adopt && !s7_boot.conf.iface[i].mtu &&
		    !kern_mtu_get(boot->ifindex, &mtu))
			mtu_set(i + 1, (uint32_t)s7_min(mtu, boot->info.mtu));
	}
}

/* ---- addresses of interfaces ---- */

/*
 * lo has 127.0.0.1 and ::1 also where the kernel's is down, and what else the kernel gave to its.
 */
static void lo_update(void)
{
	struct s7_iface_addr addrs[ADDRS_MAX];
	uint32_t k, i, count = 0;

	if (s7_boot.conf.loopback != CONF_LOOPBACK_STACK)
		return;
	addr_put(&addrs[count++], &(struct s7_ip){ .b = { [15] = 1 } }, 128, false);
	for (i = 0; i < view.addr_count && count < ADDRS_MAX - 1; i++) {
		const struct kern_addr *addr = &view.addr[i];

		if (addr->ifindex == LO_IFINDEX && !ip_is_loopback(&addr->ip))
			addr_put(&addrs[count++], &addr->ip, addr->prefix_len, addr->deprecated);
	}
	/* the last one that fits is the source that is chosen */
	addrs[count] = (struct s7_iface_addr){ .ip = ip_from_v4(htonl(INADDR_LOOPBACK)),
					       .prefix_len = 8 };
	count++;
	for (k = 0; k < s7_boot.inst_count; k++) {
		struct s7_inst *inst = s7_arena->inst[k];

		inst_lock(inst, host_now());
		iface_set_addrs(inst, &inst->iface[S7_IFACE_LO], addrs, count);
		inst_unlock(inst);
	}
}

/* use_tempaddr: 2 means that they are chosen; -1, which is no number here, that there are none. */
static bool prefers_temporary(int ifindex)
{
	char netdev[IF_NAMESIZE], name[64];
	uint32_t value = 0;

	if (!real.if_indextoname((unsigned int)ifindex, netdev))
		return false;
	snprintf(name, sizeof(name), "ipv6/conf/%s/use_tempaddr", netdev);
	return !kern_sysctl_u32(name, &value) && value >= 2;
}

static void iface_update(uint32_t index)
{
	struct s7_iface_addr addrs[ADDRS_MAX];
	const struct boot_iface *boot = &s7_boot.iface[index];
	uint32_t k, count, lost = 0;
	bool shared, temporary;

	count = boot->adopt ? addrs_from_kernel(boot->ifindex, addrs) :
			      addrs_from_conf(&s7_boot.conf.iface[index], addrs);
	shared = boot->info.caps & NETDEV_SHARED && any_shared(addrs, count);
	temporary = boot->adopt && prefers_temporary(boot->ifindex);
	for (k = 0; k < s7_boot.inst_count; k++) {
		struct s7_inst *inst = s7_arena->inst[k];
		struct s7_iface *iface = &inst->iface[index + 1];

		inst_lock(inst, host_now());
		if (shared)
			iface->flags |= IFACE_SHARED;
		else
			iface->flags &= (uint16_t)~IFACE_SHARED;
		iface->flags = (uint16_t)((iface->flags & ~IFACE_TEMPORARY) |
					  (temporary ? IFACE_TEMPORARY : 0));
		lost = iface_set_addrs(inst, iface, addrs, count);
		if (s7_boot.conf.iface[index].accept_ra && !boot->adopt && !boot->ifindex)
			router_start(inst, iface);
		inst_unlock(inst);
	}
	if (lost)
		shim_log(LOG_WARN,
			 "interface %s: %u addresses more than the %d of IPv4 and %d of IPv6 that "
			 "fit: the kernel serves them",
			 s7_boot.conf.iface[index].name, lost, IFACE_ADDRS_MAX, IFACE_ADDRS6_MAX);
}

/* ---- routes ---- */

static void routes_from_conf(uint32_t index)
{
	const struct conf_iface *conf = &s7_boot.conf.iface[index];
	struct s7_route route = { .owner = ROUTE_STACK,
				  .iface = (uint8_t)(index + 1),
				  .type = RTN_UNICAST };
	uint32_t i;

	for (i = 0; i < conf->address_count; i++) {
		route.source = ip_of(conf->address[i].ip);
		route.prefix_len = bits_of(&route.source, conf->address[i].len);
		route.to = network_of(&route.source, route.prefix_len);
		route_add(&route);
	}
	memset(&route.source, 0, sizeof(route.source));
	for (i = 0; i < conf->route_count; i++) {
		route.to = ip_of(conf->route[i].to.ip);
		route.prefix_len = bits_of(&route.to, conf->route[i].to.len);
		route.via = ip_of(conf->route[i].via);
		route_add(&route);
	}
	for (i = 0; i < S7_ARRAY_LEN(conf->gateway); i++) {
		route.via = ip_of(conf->gateway[i]);
		if (!is_set(&route.via))
			continue;
		route.to = ip_is_v4(&route.via) ? ip_from_v4(0) : (struct s7_ip){ .q = { 0, 0 } };
		route.prefix_len = bits_of(&route.to, 0);
		route_add(&route);
	}
}

/* Which interface of ours adopts this netdev: its index in the configuration, or -1. */
static int adopter(int ifindex)
{
	uint32_t i;

	for (i = 0; i < s7_boot.iface_count; i++)
		if (s7_boot.iface[i].adopt && s7_boot.iface[i].ifindex == ifindex)
			return (int)i;
	return -1;
}

/* The table local is asked before the table main, whatever they say. */
static uint32_t kernel_metric(const struct kern_route *from)
{
	if (from->type == RTN_LOCAL)
		return METRIC_KERNEL;
	return (uint32_t)s7_min((uint64_t)from->metric + METRIC_KERNEL, UINT32_MAX);
}

static void route_from_kernel(const struct kern_route *from)
{
	int mine = adopter(from->ifindex);
	struct s7_route route = {
		.to = from->to,
		.prefix_len = bits_of(&from->to, from->prefix_len),
		.owner = ROUTE_KERNEL,
		.type = from->type,
		.metric = kernel_metric(from),
		.via = from->via,
		.source = from->source,
		.has_metrics = from->has_metrics,
		.metrics = from->metrics,
		.over_lo = from->ifindex == LO_IFINDEX,
	};
	int cc = from->cc[0] ? tcp_cc_index(from->cc, sizeof(from->cc)) : -ENOENT;

	if (cc >= 0)
		route.metrics.cc = (uint8_t)(cc + 1);
	else
		route.metrics.cc_locked = false;

	switch (from->type) {
	case RTN_UNICAST:
		break;
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
	case RTN_THROW:
		route.owner = ROUTE_NONE;
		mine = -1;
		break;
	default: /* local, broadcast, anycast, multicast: on our netdevs the stack knows them from
		    the addresses; what a local one says of its path is looked up (dst_to_lo) */
		if (mine >= 0 && (from->type != RTN_LOCAL || !from->has_metrics))
			return;
		mine = -1;
	}
	if (mine >= 0) {
		route.owner = ROUTE_STACK;
		route.iface = (uint8_t)(mine + 1);
	}
	route_add(&route);
}

static void learn_neighbour(struct s7_inst *inst, const struct s7_route *route)
{
	struct s7_iface *iface = &inst->iface[route->iface];
	uint8_t mac[6];

	if (route->owner != ROUTE_STACK || !is_set(&route->via) ||
	    !s7_boot.iface[route->iface - 1].ifindex)
		return;
	if (kern_neigh_get(s7_boot.iface[route->iface - 1].ifindex, &route->via, mac))
		return;
	inst_lock(inst, host_now());
	neigh_learn(inst, iface, &route->via, mac);
	inst_unlock(inst);
}

static int routes_install(void)
{
	uint32_t k, i;
	int err = 0;

	for (k = 0; k < s7_boot.inst_count && !err; k++) {
		struct s7_inst *inst = s7_arena->inst[k];

		inst_lock(inst, host_now());
		err = route_set(inst, routes, route_count);
		inst_unlock(inst);
		for (i = 0; i < route_count; i++)
			learn_neighbour(inst, &routes[i]);
	}
	return err;
}

int boot_adopt(void)
{
	uint32_t i;
	int err;

	err = kern_view_get(&view);
	if (err) {
		snprintf(s7_boot.why, sizeof(s7_boot.why), "the kernel's routes: %s",
			 strerrordesc_np(-err));
		return err;
	}
	route_count = 0;
	truncated = view.truncated;
	boot_adopt_mtu();
	lo_update();
	for (i = 0; i < s7_boot.iface_count; i++) {
		iface_update(i);
		routes_from_conf(i);
	}
	for (i = 0; i < view.route_count; i++)
		route_from_kernel(&view.route[i]);
	err = routes_install();
	if (err)
		snprintf(s7_boot.why, sizeof(s7_boot.why), "route table: %s",
			 strerrordesc_np(-err));
	if (truncated)
		shim_log(LOG_WARN, "more routes than the table's %d: the rest is left out",
			 ROUTES_MAX);
	return err;
}
