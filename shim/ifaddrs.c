/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ifaddrs.c - getifaddrs: the kernel's list and, behind it, the interfaces that only sock7 has
 *
 * libc's freeifaddrs frees one block, so the whole list is made anew in one. As there: first an
 * entry of AF_PACKET for each interface, then their addresses.
 * Context: any thread, no lock held. Defines: getifaddrs.
 */
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stdlib.h>

#include "shim/packet.h"
#include "stack/ip/ip.h"

#define LOWER_UP 0x10000u
#define FLAGS_OF_ALL \
	((unsigned int)(IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST) | LOWER_UP)

/* An entry and all that it points to. */
struct entry {
	struct ifaddrs ifa;
	char name[IF_NAMESIZE];
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_ll ll;
		char room[64]; /* a long hardware address */
	} addr, mask, broad;
	struct rtnl_link_stats stats;
};

struct list {
	struct entry *entries;
	uint32_t count, max;
};

/* Bytes of an address as its family has them. */
static size_t addr_len(const struct sockaddr *addr)
{
	switch (addr->sa_family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	case AF_PACKET:
		return s7_min(offsetof(struct sockaddr_ll, sll_addr) +
				      s7_max(((const struct sockaddr_ll *)addr)->sll_halen, 8),
			      sizeof(((struct entry *)0)->addr));
	default:
		return sizeof(struct sockaddr);
	}
}

static struct entry *list_new(struct list *list, const char *name, unsigned int flags)
{
	struct entry *e;

	if (list->count == list->max)
		return NULL;
	e = &list->entries[list->count++];
	strncpy(e->name, name, sizeof(e->name) - 1);
	e->ifa.ifa_name = e->name;
	e->ifa.ifa_flags = flags;
	return e;
}

static struct sockaddr *copy_addr(struct sockaddr *to, const struct sockaddr *from)
{
	if (!from)
		return NULL;
	memcpy(to, from, addr_len(from));
	return to;
}

static void list_kernel(struct list *list, const struct ifaddrs *from)
{
	for (; from; from = from->ifa_next) {
		struct entry *e = list_new(list, from->ifa_name, from->ifa_flags);

		if (!e)
			return;
		e->ifa.ifa_addr = copy_addr(&e->addr.any, from->ifa_addr);
		e->ifa.ifa_netmask = copy_addr(&e->mask.any, from->ifa_netmask);
		e->ifa.ifa_broadaddr = copy_addr(&e->broad.any, from->ifa_broadaddr);
		if (from->ifa_data && from->ifa_addr && from->ifa_addr->sa_family == AF_PACKET) {
			memcpy(&e->stats, from->ifa_data, sizeof(e->stats));
			e->ifa.ifa_data = &e->stats;
		}
	}
}

static void list_link(struct list *list, const struct s7_iface *iface)
{
	struct entry *e = list_new(list, iface->name, FLAGS_OF_ALL);
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_ifindex = iface->ifindex,
				  .sll_hatype = ARPHRD_ETHER,
				  .sll_halen = sizeof(iface->mac) };

	if (!e)
		return;
	memcpy(ll.sll_addr, iface->mac, sizeof(iface->mac));
	e->addr.ll = e->broad.ll = ll;
	memset(e->broad.ll.sll_addr, 0xff, sizeof(iface->mac));
	e->ifa.ifa_addr = &e->addr.any;
	e->ifa.ifa_broadaddr = &e->broad.any;
	e->stats.rx_packets = (uint32_t)iface->rx_pkts;
	e->stats.tx_packets = (uint32_t)iface->tx_pkts;
	e->stats.rx_bytes = (uint32_t)iface->rx_bytes;
	e->stats.tx_bytes = (uint32_t)iface->tx_bytes;
	e->stats.tx_dropped = (uint32_t)iface->tx_dropped;
	e->ifa.ifa_data = &e->stats;
}

static void list_addr4(struct list *list, const struct s7_iface *iface,
		       const struct s7_iface_addr *addr)
{
	struct entry *e = list_new(list, iface->name, FLAGS_OF_ALL);
	uint32_t mask = addr->prefix_len ? htonl(~0u << (32 - addr->prefix_len)) : 0;

	if (!e)
		return;
	e->addr.in.sin_family = e->mask.in.sin_family = e->broad.in.sin_family = AF_INET;
	e->addr.in.sin_addr.s_addr = ip_v4(&addr->ip);
	e->mask.in.sin_addr.s_addr = mask;
	e->broad.in.sin_addr.s_addr = ip_v4(&addr->ip) | ~mask;
	e->ifa.ifa_addr = &e->addr.any;
	e->ifa.ifa_netmask = &e->mask.any;
	if (addr->prefix_len < 31)
		e->ifa.ifa_broadaddr = &e->broad.any;
}

static void list_addr6(struct list *list, const struct s7_iface *iface,
		       const struct s7_iface_addr *addr)
{
	struct entry *e = list_new(list, iface->name, FLAGS_OF_ALL);

	if (!e)
		return;
	e->addr.in6.sin6_family = e->mask.in6.sin6_family = AF_INET6;
	memcpy(&e->addr.in6.sin6_addr, addr->ip.b, 16);
	if (ip_is_link_local6(&addr->ip))
		e->addr.in6.sin6_scope_id = (uint32_t)iface->ifindex;
	for (uint32_t bit = 0; bit < addr->prefix_len && bit < 128; bit++)
		e->mask.in6.sin6_addr.s6_addr[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	e->ifa.ifa_addr = &e->addr.any;
	e->ifa.ifa_netmask = &e->mask.any;
}

static bool is_own(const struct s7_iface *iface)
{
	return iface->ifindex >= IFINDEX_OWN && ifname_by_index(iface->ifindex);
}

static void list_own(struct list *list)
{
	struct s7_inst *inst = boot_inst();

	inst_lock(inst, host_now());
	for (uint32_t i = 1; i < inst->iface_count; i++)
		if (is_own(&inst->iface[i]))
			list_link(list, &inst->iface[i]);
	for (uint32_t i = 1; i < inst->iface_count; i++) {
		const struct s7_iface *iface = &inst->iface[i];

		for (uint32_t a = 0; is_own(iface) && a < iface->addr_count; a++)
			list_addr4(list, iface, &iface->addr[a]);
		for (uint32_t a = 0; is_own(iface) && a < iface->addr6_count; a++)
			list_addr6(list, iface, &iface->addr6[a]);
	}
	inst_unlock(inst);
}

static bool any_own(void)
{
	if (s7_inside || boot_conf() == BOOT_KERNEL)
		return false;
	for (uint32_t i = 0; i < boot_config()->iface_count; i++)
		if (ifname_by_index((int)(IFINDEX_OWN + i)))
			return boot_running() || !boot_stack();
	return false;
}

static uint32_t length_of(const struct ifaddrs *ifa)
{
	uint32_t n = 0;

	for (; ifa; ifa = ifa->ifa_next)
		n++;
	return n;
}

S7_EXPORT int getifaddrs(struct ifaddrs **ret_list)
{
	struct list list = { 0 };
	int ret = real.getifaddrs(ret_list);

	if (ret || !any_own())
		return ret;
	list.max = length_of(*ret_list) +
		   CONF_IFACES_MAX * (1 + IFACE_ADDRS_MAX + IFACE_ADDRS6_MAX);
	list.entries = calloc(list.max, sizeof(*list.entries));
	if (!list.entries)
		return 0; /* the kernel's at least */
	list_kernel(&list, *ret_list);
	list_own(&list);
	freeifaddrs(*ret_list);
	for (uint32_t i = 0; i + 1 < list.count; i++)
		list.entries[i].ifa.ifa_next = &list.entries[i + 1].ifa;
	*ret_list = &list.entries[0].ifa;
	return 0;
}
