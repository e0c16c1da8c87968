/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip6_addr.c - what an IPv6 address is to us, and which of ours to talk with
 *
 * An address found to be somebody else's (duplicate) is as if it were not there. A link-local
 * address belongs to its interface alone, others to the host (weak host model, as for IPv4).
 * Source selection is RFC 6724 5 with rules 1 (same address: the caller's case of an own
 * destination), 2 (scope), 3 (deprecated), 4 (home addresses), 5 (outgoing interface: only when it
 * has nothing fitting are the others looked at), 7 (temporary addresses: if the socket or the
 * interface prefers them, RFC 5014) and 8 (longest prefix); there is no policy table.
 * Context: instance lock. Called by: dst.c, ip6_in.c, nd.c, icmp6.c.
 */
#include "stack/core/ext.h"
#include "stack/ip/ip6.h"

#define SCOPE_LINK 2
#define SCOPE_SITE 5
#define SCOPE_GLOBAL 14

const struct s7_iface_addr *ip6_addr_of(const struct s7_iface *iface, const struct s7_ip *ip)
{
	uint32_t i;

	for (i = 0; i < iface->addr6_count; i++)
		if (ip_equal(&iface->addr6[i].ip, ip))
			return iface->addr6[i].flags & ADDR_DUPLICATE ? NULL : &iface->addr6[i];
	return NULL;
}

struct s7_iface *ip6_local_iface(struct s7_inst *inst, const struct s7_ip *ip)
{
	uint32_t i;

	for (i = 0; i < inst->iface_count; i++)
		if (ip6_addr_of(&inst->iface[i], ip))
			return &inst->iface[i];
	return NULL;
}

bool ip6_kernel_has(const struct s7_inst *inst, const struct s7_ip *ip)
{
	uint32_t i;

	for (i = 1; i < inst->iface_count; i++) {
		const struct s7_iface *iface = &inst->iface[i];
		const struct s7_iface_addr *addr = ip6_addr_of(iface, ip);

		if (addr && (addr->flags & ADDR_KERNEL || iface->flags & IFACE_SHARED))
			return true;
	}
	return false;
}

bool ip_kernel_has(const struct s7_inst *inst, const struct s7_iface *iface,
		   const struct s7_ip *local)
{
	if (iface->flags & IFACE_SHARED)
		return true;
	return !ip_is_v4(local) && ip6_kernel_has(inst, local);
}

static uint32_t scope_of(const struct s7_ip *ip)
{
	if (ip->b[0] == 0xff)
		return ip->b[1] & 15;
	if (ip_is_link_local6(ip) || ip_is_loopback(ip))
		return SCOPE_LINK;
	return (ip->w[0] & htonl(0xffc00000)) == htonl(0xfec00000) ? SCOPE_SITE : SCOPE_GLOBAL;
}

/* What a source is for: the destination, and who prefers what. */
struct wish {
	const struct s7_ip *to;
	bool temporary, home;
};

static struct wish wish_of(const struct s7_iface *iface, const struct s7_ip *to, uint8_t prefs)
{
	struct wish w = { .to = to, .home = !(prefs & SOURCE_COA) };

	w.temporary = prefs & (SOURCE_TMP | SOURCE_PUBLIC) ? prefs & SOURCE_TMP :
							     iface->flags & IFACE_TEMPORARY;
	return w;
}

/* Is `a` a better source than `b`? */
static bool source_beats(const struct s7_iface_addr *a, const struct s7_iface_addr *b,
			 const struct wish *w)
{
	const struct s7_ip *to = w->to;
	uint32_t scope_a = scope_of(&a->ip), scope_b = scope_of(&b->ip), scope = scope_of(to);
	uint32_t differ = a->flags ^ b->flags;

	if (scope_a != scope_b)
		return scope_a < scope_b ? scope_a >= scope : scope_b < scope;
	if (differ & ADDR_DEPRECATED)
		return b->flags & ADDR_DEPRECATED;
	if (differ & ADDR_HOME)
		return !(a->flags & ADDR_HOME) != w->home;
	if (differ & ADDR_TEMPORARY)
		return !(a->flags & ADDR_TEMPORARY) != w->temporary;
	return s7_min(ip_common_bits(&a->ip, to), a->prefix_len) >
	       s7_min(ip_common_bits(&b->ip, to), b->prefix_len);
}

static const struct s7_iface_addr *best_source(const struct s7_iface *iface,
					       const struct s7_ip *to, uint8_t prefs)
{
	const struct wish w = wish_of(iface, to, prefs);
	const struct s7_iface_addr *best = NULL;
	uint32_t i;

	for (i = 0; i < iface->addr6_count; i++) {
		const struct s7_iface_addr *addr = &iface->addr6[i];

		if (!(addr->flags & ADDR_DUPLICATE) && (!best || source_beats(addr, best, &w)))
			best = addr;
	}
	return best;
}

struct s7_ip ip6_source_by(const struct s7_inst *inst, const struct s7_iface *iface,
			   const struct s7_ip *to, uint8_t prefs)
{
	const struct s7_iface_addr *best = best_source(iface, to, prefs);
	uint32_t i;

	/* another interface's address is better than one of too small a scope, but never a
	 * link-local one */
	for (i = 1; i < inst->iface_count && (!best || scope_of(&best->ip) < scope_of(to)); i++) {
		const struct s7_iface_addr *other = best_source(&inst->iface[i], to, prefs);

		if (other && !ip_is_link_local6(&other->ip))
			best = other;
	}
	return best ? best->ip : (struct s7_ip){ .q = { 0, 0 } };
}

struct s7_ip ip6_source(const struct s7_inst *inst, const struct s7_iface *iface,
			const struct s7_ip *to)
{
	return ip6_source_by(inst, iface, to, 0);
}
