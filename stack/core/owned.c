/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * owned.c - which (protocol, address, port) sock7 owns on netdevs that it shares with the kernel
 *
 * Open addressing with counts: a listener, its connections and their TIME_WAIT entries hold the
 * same port together. The first holder tells the host (which tells the kernel's BPF map), the last
 * one takes it back. An instance with no shared interface keeps the counts all the same; only the
 * telling is the host's business. The wildcards of the families are two entries: who serves both
 * (a dual-stack socket) owns both.
 * When a listener leaves and its connections stay, or when it was passed to another program, only
 * the rest is owned: who is new there is the kernel's (a listener of the kernel's may be there).
 * Bound: three entries a socket (a binding of both families, a connection) and one a TIME_WAIT
 * entry; there is room for more than that: never full.
 * Context: instance lock.
 */
#include <errno.h>

#include "stack/core/sk.h"

struct s7_owned {
	struct s7_ip ip;
	uint32_t count;
	uint32_t bound; /* holders among them that are bound sockets, not connections */
	uint16_t port;
	uint8_t proto;
	uint8_t is; /* enum owned_is */
};

enum owned_is {
	OWNED_EMPTY,
	OWNED_GRAVE, /* skipped by lookups, reused by inserts */
	OWNED_LIVE,
	OWNED_REST, /* live, but for who is new */
};

struct s7_owned_table {
	uint32_t mask;
	uint32_t live;
	uint32_t rest; /* of them */
	struct s7_owned entry[];
};

int sk_inst_init(struct s7_inst *inst)
{
	uint32_t size = 1024;

	/* whoever holds a port is one of these, or a half-open connection of one of these */
	while (size < 4 * (uint64_t)inst->params.max_sockets + inst->params.max_time_wait)
		size *= 2;
	inst->owned = arena_take(inst->arena, sizeof(*inst->owned) + size * sizeof(struct s7_owned),
				 S7_CACHELINE);
	if (!inst->owned)
		return -ENOMEM;
	inst->owned->mask = size - 1;
	return 0;
}

static uint32_t owned_slot(const struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip,
			   uint16_t port)
{
	static const struct s7_ip nobody;

	return flow_hash(&inst->flows, proto, ip, port, &nobody, 0) & inst->owned->mask;
}

static struct s7_owned *owned_find(const struct s7_inst *inst, uint8_t proto,
				   const struct s7_ip *ip, uint16_t port)
{
	struct s7_owned_table *table = inst->owned;
	uint32_t at = owned_slot(inst, proto, ip, port);

	for (uint32_t i = 0; i <= table->mask; i++, at = (at + 1) & table->mask) {
		struct s7_owned *entry = &table->entry[at];

		if (entry->is == OWNED_EMPTY)
			return NULL;
		if (entry->is >= OWNED_LIVE && entry->port == port && entry->proto == proto &&
		    ip_equal(&entry->ip, ip))
			return entry;
	}
	return NULL;
}

static void tell(struct s7_inst *inst, const struct s7_owned *entry, enum s7_own own)
{
	if (inst->env->host->own_port)
		inst->env->host->own_port(entry->proto, &entry->ip, entry->port, own);
}

static struct s7_owned *owned_insert(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip,
				     uint16_t port)
{
	uint32_t at = owned_slot(inst, proto, ip, port);
	struct s7_owned *entry;

	assert(inst->owned->live <= inst->owned->mask);
	while (inst->owned->entry[at].is >= OWNED_LIVE)
		at = (at + 1) & inst->owned->mask;
	entry = &inst->owned->entry[at];
	entry->ip = *ip;
	entry->port = port;
	entry->proto = proto;
	entry->count = entry->bound = 0;
	s7_in_order();
	entry->is = OWNED_LIVE;
	inst->owned->live++;
	return entry;
}

static void owned_set(struct s7_inst *inst, struct s7_owned *entry, enum owned_is is)
{
	if (entry->is == is)
		return;
	tell(inst, entry, is == OWNED_REST ? OWN_REST : OWN_ALL_AGAIN);
	entry->is = is;
	inst->owned->rest += is == OWNED_REST ? 1 : -1u;
}

static struct s7_ip any_like(const struct s7_ip *ip)
{
	return ip_is_v4(ip) ? ip_from_v4(0) : (struct s7_ip){ .q = { 0, 0 } };
}

/* What connections hold at an address of this host, unless a socket is bound to just that. */
static void connections_set(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip,
			    uint16_t port, enum owned_is is)
{
	struct s7_owned *entry = owned_find(inst, proto, ip, port);

	if (entry && !entry->bound)
		owned_set(inst, entry, is);
}

/* The wildcard's listener came or went: its connections are at each address of the family. */
static void wildcard_set(struct s7_inst *inst, uint8_t proto, const struct s7_ip *any,
			 uint16_t port, enum owned_is is)
{
	for (uint32_t i = 0; i < inst->iface_count; i++) {
		const struct s7_iface *iface = &inst->iface[i];
		uint32_t count = ip_is_v4(any) ? iface->addr_count : iface->addr6_count;
		const struct s7_iface_addr *addr = ip_is_v4(any) ? iface->addr : iface->addr6;

		for (uint32_t k = 0; k < count; k++)
			connections_set(inst, proto, &addr[k].ip, port, is);
	}
}

void sk_own_port(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port,
		 bool bound)
{
	struct s7_owned *entry = owned_find(inst, proto, ip, port);
	struct s7_ip any = any_like(ip);

	if (!entry)
		entry = owned_insert(inst, proto, ip, port);
	if (!entry->count++)
		tell(inst, entry, OWN_ALL);
	if (s7_likely(!inst->owned->rest)) {
		entry->bound += bound;
		return;
	}
	if (bound && !entry->bound++) {
		owned_set(inst, entry, OWNED_LIVE);
		if (ip_is_any(ip))
			wildcard_set(inst, proto, ip, port, OWNED_LIVE);
	} else if (!bound && sk_port_rest(inst, proto, &any, port)) {
		connections_set(inst, proto, ip, port, OWNED_REST);
	}
}

void sk_own_rest(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	struct s7_owned *entry = owned_find(inst, proto, ip, port);

	if (entry)
		owned_set(inst, entry, OWNED_REST);
	if (ip_is_any(ip))
		wildcard_set(inst, proto, ip, port, OWNED_REST);
}

/* An empty slot behind graves makes them plain empty again. */
static void owned_bury(struct s7_owned_table *table, struct s7_owned *entry)
{
	uint32_t at = (uint32_t)(entry - table->entry);

	table->rest -= entry->is == OWNED_REST;
	entry->is = OWNED_GRAVE;
	table->live--;
	if (table->entry[(at + 1) & table->mask].is != OWNED_EMPTY)
		return;
	while (table->entry[at].is == OWNED_GRAVE) {
		table->entry[at].is = OWNED_EMPTY;
		at = (at - 1) & table->mask;
	}
}

void sk_disown_port(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port,
		    bool bound, bool listened)
{
	struct s7_owned *entry = owned_find(inst, proto, ip, port);

	if (!entry)
		return;
	if (bound && entry->bound)
		entry->bound--;
	if (s7_unlikely(listened) && !entry->bound)
		sk_own_rest(inst, proto, ip, port);
	if (--entry->count)
		return;
	tell(inst, entry, OWN_NOT); /* while it is there: who dies in between is followed up */
	owned_bury(inst->owned, entry);
}

void sk_owned_recount(struct s7_inst *inst)
{
	struct s7_owned_table *table = inst->owned;

	table->live = table->rest = 0;
	for (uint32_t i = 0; i <= table->mask; i++) {
		table->entry[i].count = table->entry[i].bound = 0;
		table->live += table->entry[i].is >= OWNED_LIVE;
		table->rest += table->entry[i].is == OWNED_REST;
	}
}

void sk_owned_counted(struct s7_inst *inst)
{
	struct s7_owned_table *table = inst->owned;

	for (uint32_t i = 0; i <= table->mask; i++) {
		struct s7_owned *entry = &table->entry[i];

		if (entry->is < OWNED_LIVE || entry->count)
			continue;
		tell(inst, entry, OWN_NOT);
		owned_bury(table, entry);
	}
}

static bool owned_as(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port,
		     enum owned_is is)
{
	struct s7_ip any = any_like(ip);
	const struct s7_owned *entry = owned_find(inst, proto, ip, port);

	if (!entry)
		entry = owned_find(inst, proto, &any, port);
	return entry && entry->is == is;
}

bool sk_port_owned(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	return owned_as(inst, proto, ip, port, OWNED_LIVE);
}

bool sk_port_rest(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	return s7_unlikely(inst->owned->rest) && owned_as(inst, proto, ip, port, OWNED_REST);
}
