/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addr.c - the addresses of an interface, as boot code and the keeper give them
 *
 * Idea: what is given is sorted by family into the interface's two arrays; what the stack knows
 * about an IPv6 address that stays (it is being checked, it is somebody else's) stays with it. An
 * interface that was given no link-local address makes one of its MAC (RFC 4291 appendix A,
 * modified EUI-64), because neighbour discovery needs one (RFC 4861 4.3). Not so above a kernel
 * netdev without any IPv6 address: there IPv6 is off, or the kernel still checks its own.
 * The groups by which neighbours ask for the addresses are joined before the addresses are checked
 * (RFC 4862 5.4.2).
 * Context: instance lock. Called by: boot, keeper, tests.
 */
#include "stack/ip/group.h"
#include "stack/ip/ip6.h"
#include "stack/ip/route.h"

#define EUI64_BITS 64
#define MAC_LOCAL 2 /* universal/local bit, inverted in the identifier */

static struct s7_iface_addr link_local_of(const struct s7_iface *iface)
{
	const uint8_t *mac = iface->mac;
	struct s7_iface_addr addr = { .prefix_len = EUI64_BITS, .flags = ADDR_AUTO };

	addr.ip = (struct s7_ip){ .b = { 0xfe, 0x80, [8] = mac[0] ^ MAC_LOCAL, mac[1], mac[2], 0xff,
					 0xfe, mac[3], mac[4], mac[5] } };
	return addr;
}

/*
 * What the stack found out about the address when it was there before; a new one is to be checked.
 */
static void addr_keep_state(const struct s7_iface *iface, struct s7_iface_addr *addr)
{
	uint32_t i;

	addr->flags &= ADDR_KERNEL | ADDR_DEPRECATED | ADDR_AUTO | ADDR_TEMPORARY | ADDR_HOME;
	addr->probed_at = 0;
	if (addr->flags & ADDR_KERNEL || iface->index == S7_IFACE_LO)
		return;
	for (i = 0; i < iface->addr6_count; i++) {
		const struct s7_iface_addr *old = &iface->addr6[i];

		if (!ip_equal(&old->ip, &addr->ip) || old->flags & ADDR_KERNEL)
			continue;
		addr->flags |= old->flags & (ADDR_TENTATIVE | ADDR_DUPLICATE);
		addr->probed_at = old->probed_at;
		return;
	}
	addr->flags |= ADDR_TENTATIVE;
}

struct addr_list {
	struct s7_iface_addr v4[IFACE_ADDRS_MAX], v6[IFACE_ADDRS6_MAX];
	uint32_t v4_count, v6_count, lost;
	bool link_local;
};

static void list_take(struct addr_list *list, const struct s7_iface *iface,
		      const struct s7_iface_addr *addr)
{
	if (ip_is_v4(&addr->ip)) {
		if (list->v4_count < IFACE_ADDRS_MAX)
			list->v4[list->v4_count++] = *addr;
		else
			list->lost++;
		return;
	}
	if (list->v6_count == IFACE_ADDRS6_MAX) {
		list->lost++;
		return;
	}
	list->link_local |= ip_is_link_local6(&addr->ip);
	list->v6[list->v6_count] = *addr;
	addr_keep_state(iface, &list->v6[list->v6_count++]);
}

/*
 * Neighbours ask by these groups (RFC 4861 7.2.1); the kernel's addresses are the kernel's. One
 * instance speaks for all.
 */
static void own_groups(struct s7_inst *inst, const struct s7_iface *iface,
		       const struct s7_iface_addr *addrs, uint32_t count, bool on)
{
	uint32_t i;

	if (inst->index || iface->flags & (IFACE_LO | IFACE_NO_ARP))
		return;
	for (i = 0; i < count; i++) {
		struct s7_ip group = nd_solicited_group(&addrs[i].ip);

		if (!(addrs[i].flags & ADDR_KERNEL))
			group_own(inst, iface->index, &group, on);
	}
}

void iface_set_mtu(struct s7_inst *inst, struct s7_iface *iface, uint32_t mtu)
{
	if (iface->mtu == mtu)
		return;
	iface->mtu = mtu;
	inst->routes->generation++;
}

uint32_t iface_set_addrs(struct s7_inst *inst, struct s7_iface *iface,
			 const struct s7_iface_addr *addrs, uint32_t count)
{
	struct addr_list list = { .lost = 0 };
	struct s7_iface_addr old[IFACE_ADDRS6_MAX];
	uint32_t old_count = iface->addr6_count, i;

	for (i = 0; i < count; i++)
		list_take(&list, iface, &addrs[i]);
	if (!list.link_local && !(iface->flags & (IFACE_LO | IFACE_NO_ARP)) &&
	    (list.v6_count || !(iface->flags & IFACE_NETDEV))) {
		struct s7_iface_addr own = link_local_of(iface);

		list_take(&list, iface, &own);
	}
	memcpy(iface->addr, list.v4, sizeof(list.v4));
	iface->addr_count = (uint8_t)list.v4_count;
	memcpy(old, iface->addr6, sizeof(old));
	memcpy(iface->addr6, list.v6, sizeof(list.v6));
	iface->addr6_count = list.v6_count;
	inst->routes->generation++;
	/* first the new ones: what stays is not told */
	own_groups(inst, iface, list.v6, list.v6_count, true);
	own_groups(inst, iface, old, old_count, false);
	nd_check_duplicates(inst, iface);
	return list.lost;
}
