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

void addr_identifier(const struct s7_iface *iface, uint8_t ret_bytes[8])
{
	const uint8_t *mac = iface->mac;

	memcpy(ret_bytes, (uint8_t[]){ mac[0] ^ MAC_LOCAL, mac[1], mac[2], 0xff, 0xfe, mac[3],
				       mac[4], mac[5] }, 8);
}

static struct s7_iface_addr link_local_of(const struct s7_iface *iface)
{
	struct s7_iface_addr addr = { .prefix_len = EUI64_BITS, .flags = ADDR_AUTO };

	addr.ip = (struct s7_ip){ .b = { 0xfe, 0x80 } };
	addr_identifier(iface, addr.ip.b + 8);
	return addr;
}

/*
 * What the stack found out about the address when it was there before; a new one is to be checked.
 */
static void addr_keep_state(const struct s7_iface *iface, struct s7_iface_addr *addr)
{
	uint32_t i;

	addr->flags &= ADDR_KERNEL | ADDR_DEPRECATED | ADDR_AUTO | ADDR_TEMPORARY | ADDR_HOME |
		       ADDR_LEARNED;
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

static bool list_has(const struct addr_list *list, const struct s7_ip *ip)
{
	for (uint32_t i = 0; i < list->v6_count; i++)
		if (ip_equal(&list->v6[i].ip, ip))
			return true;
	return false;
}

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
	for (i = 0; i < old_count; i++)
		if (iface->addr6[i].flags & ADDR_LEARNED && !list_has(&list, &iface->addr6[i].ip))
			list_take(&list, iface, &iface->addr6[i]);
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

/* ---- what routers told ---- */

static struct s7_iface_addr *learned(struct s7_iface *iface, const struct s7_ip *ip)
{
	for (uint32_t i = 0; i < iface->addr6_count; i++)
		if (ip_equal(&iface->addr6[i].ip, ip))
			return iface->addr6[i].flags & ADDR_LEARNED ? &iface->addr6[i] : NULL;
	return NULL;
}

bool iface_learn_addr(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip)
{
	struct s7_iface_addr addr = { .ip = *ip, .prefix_len = EUI64_BITS,
				      .flags = ADDR_LEARNED | ADDR_TENTATIVE };
	uint32_t i;

	for (i = 0; i < iface->addr6_count; i++)
		if (ip_equal(&iface->addr6[i].ip, ip))
			return false;
	if (i == IFACE_ADDRS6_MAX)
		return false;
	iface->addr6[i] = addr;
	s7_in_order();
	iface->addr6_count = i + 1;
	inst->routes->generation++;
	own_groups(inst, iface, &addr, 1, true);
	nd_check_duplicates(inst, iface);
	return true;
}

void iface_unlearn_addr(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip)
{
	struct s7_iface_addr *addr = learned(iface, ip), gone;

	if (!addr)
		return;
	gone = *addr;
	*addr = iface->addr6[iface->addr6_count - 1];
	s7_in_order();
	iface->addr6_count--;
	inst->routes->generation++;
	own_groups(inst, iface, &gone, 1, false);
}

void iface_age_addr(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip, bool old)
{
	struct s7_iface_addr *addr = learned(iface, ip);

	if (!addr || !!(addr->flags & ADDR_DEPRECATED) == old)
		return;
	addr->flags ^= ADDR_DEPRECATED;
	inst->routes->generation++;
}
