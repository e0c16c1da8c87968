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
	uint32_t count; /* 0 with used: a grave, skipped by lookups, reused by inserts */
	uint16_t port;
	uint8_t proto;
	uint8_t used;
};

struct s7_owned_table {
	uint32_t mask;
	uint32_t used; /* entries and graves */
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

		if (!entry->used)
			return NULL;
		if (entry->count && entry->port == port && entry->proto == proto &&
		    ip_equal(&entry->ip, ip))
			return entry;
	}
	return NULL;
}

void sk_own_port(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	struct s7_owned *entry = owned_find(inst, proto, ip, port);
	uint32_t at;

	if (entry) {
		entry->count++;
		return;
	}
	assert(inst->owned->live <= inst->owned->mask);
	for (at = owned_slot(inst, proto, ip, port); inst->owned->entry[at].count;
	     at = (at + 1) & inst->owned->mask)
		;
	entry = &inst->owned->entry[at];
	entry->ip = *ip;
	entry->port = port;
	entry->proto = proto;
	entry->count = 1;
	entry->used = 1;
	inst->owned->live++;
	if (inst->env->host->own_port)
		inst->env->host->own_port(proto, ip, port, true);
}

/* An empty slot behind graves makes them plain empty again. */
static void owned_bury(struct s7_owned_table *table, struct s7_owned *entry)
{
	uint32_t at = (uint32_t)(entry - table->entry);

	entry->count = 0;
	table->live--;
	if (table->entry[(at + 1) & table->mask].used)
		return;
	while (table->entry[at].used && !table->entry[at].count) {
		table->entry[at].used = 0;
		at = (at - 1) & table->mask;
	}
}

void sk_disown_port(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	struct s7_owned *entry = owned_find(inst, proto, ip, port);

	if (!entry || --entry->count)
		return;
	owned_bury(inst->owned, entry);
	if (inst->env->host->own_port)
		inst->env->host->own_port(proto, ip, port, false);
}

bool sk_port_owned(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	struct s7_ip any = ip_is_v4(ip) ? ip_from_v4(0) : (struct s7_ip){ .q = { 0, 0 } };

	return owned_find(inst, proto, ip, port) || owned_find(inst, proto, &any, port);
}
