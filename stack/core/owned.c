/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * owned.c - which (protocol, address, port) sock7 owns on netdevs that it shares with the kernel
 *
 * Open addressing with counts: a listener, its connections and their TIME_WAIT entries hold the
 * same port together. The first holder tells the host (which tells the kernel's BPF map), the last
 * one takes it back. An instance with no shared interface keeps the counts all the same; only the
 * telling is the host's business. The wildcards of the families are two entries: who serves both
 * (a dual-stack socket) owns both.
 * Bound: three entries a socket (a binding of both families, a connection) and one a TIME_WAIT
 * entry; there is room for more than that: never full.
 * Context: instance lock.
 */
#include <errno.h>

#include "stack/core/sk.h"

struct s7_owned {
	struct s7_ip ip;
	uint32_t count;
	uint16_t port;
	uint8_t proto;
	uint8_t is; /* enum owned_is */
};

enum owned_is {
	OWNED_EMPTY,
	OWNED_GRAVE, /* skipped by lookups, reused by inserts */
	OWNED_LIVE,
};

struct s7_owned_table {
	uint32_t mask;
	uint32_t live;
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
		if (entry->is == OWNED_LIVE && entry->port == port && entry->proto == proto &&
		    ip_equal(&entry->ip, ip))
			return entry;
	}
	return NULL;
}

static void tell(struct s7_inst *inst, const struct s7_owned *entry, bool own)
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
	while (inst->owned->entry[at].is == OWNED_LIVE)
		at = (at + 1) & inst->owned->mask;
	entry = &inst->owned->entry[at];
	entry->ip = *ip;
	entry->port = port;
	entry->proto = proto;
	entry->count = 0;
	s7_in_order();
	entry->is = OWNED_LIVE;
	inst->owned->live++;
	return entry;
}

void sk_own_port(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	struct s7_owned *entry = owned_find(inst, proto, ip, port);

	if (!entry)
		entry = owned_insert(inst, proto, ip, port);
	if (!entry->count++)
		tell(inst, entry, true);
}

/* An empty slot behind graves makes them plain empty again. */
static void owned_bury(struct s7_owned_table *table, struct s7_owned *entry)
{
	uint32_t at = (uint32_t)(entry - table->entry);

	entry->is = OWNED_GRAVE;
	table->live--;
	if (table->entry[(at + 1) & table->mask].is != OWNED_EMPTY)
		return;
	while (table->entry[at].is == OWNED_GRAVE) {
		table->entry[at].is = OWNED_EMPTY;
		at = (at - 1) & table->mask;
	}
}

void sk_disown_port(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	struct s7_owned *entry = owned_find(inst, proto, ip, port);

	if (!entry || --entry->count)
		return;
	tell(inst, entry, false); /* while it is there: who dies in between is followed up */
	owned_bury(inst->owned, entry);
}

void sk_owned_recount(struct s7_inst *inst)
{
	struct s7_owned_table *table = inst->owned;

	table->live = 0;
	for (uint32_t i = 0; i <= table->mask; i++) {
		table->entry[i].count = 0;
		table->live += table->entry[i].is == OWNED_LIVE;
	}
}

void sk_owned_counted(struct s7_inst *inst)
{
	struct s7_owned_table *table = inst->owned;

	for (uint32_t i = 0; i <= table->mask; i++) {
		struct s7_owned *entry = &table->entry[i];

		if (entry->is != OWNED_LIVE || entry->count)
			continue;
		tell(inst, entry, false);
		owned_bury(table, entry);
	}
}

bool sk_port_owned(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	struct s7_ip any = ip_is_v4(ip) ? ip_from_v4(0) : (struct s7_ip){ .q = { 0, 0 } };

	return owned_find(inst, proto, ip, port) || owned_find(inst, proto, &any, port);
}
