/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow.c - connections by their 4-tuple
 *
 * Chained hash over entries that live inside what they identify. The hash is keyed by the
 * instance's secret (two rounds of multiply-xor over the tuple), so that nobody outside can fill
 * one bucket.
 * Twice as many buckets as flows: a lookup reads the bucket and, as a rule, one entry.
 * Context: instance lock. Callers: tcp, udp.
 */
#include "stack/core/flow.h"

#include <errno.h>

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t flow_hash(const struct s7_flow_table *table, uint8_t proto, const struct s7_ip *local,
		   uint16_t lport, const struct s7_ip *remote, uint16_t rport)
{
	uint64_t ports = (uint64_t)proto << 32 | (uint32_t)lport << 16 | rport;
	uint64_t hash;

	hash = mix(remote->q[1] ^ table->key[0], ports ^ table->key[1]);
	hash = mix(hash ^ local->q[1], table->key[0] ^ 0x9e3779b97f4a7c15ull);
	if (s7_unlikely(remote->q[0] | local->q[0]))
		hash = mix(hash ^ remote->q[0], local->q[0] ^ table->key[1]);
	return (uint32_t)(hash ^ hash >> 32);
}

int flow_table_init(struct s7_flow_table *table, struct s7_arena *arena, uint32_t flows,
		    const uint64_t key[2])
{
	uint32_t buckets = 256;

	while (buckets < flows * 2 && buckets < 1u << 28)
		buckets *= 2;
	table->bucket = arena_take(arena, (uint64_t)buckets * sizeof(*table->bucket), S7_CACHELINE);
	if (!table->bucket)
		return -ENOMEM;
	table->mask = buckets - 1;
	table->count = 0;
	table->key[0] = key[0] | 1;
	table->key[1] = key[1] | 1;
	return 0;
}

static struct s7_flow *find_hashed(const struct s7_flow_table *table, uint32_t hash, uint8_t proto,
				   const struct s7_ip *local, uint16_t lport,
				   const struct s7_ip *remote, uint16_t rport)
{
	struct s7_flow *flow;

	for (flow = table->bucket[hash & table->mask]; flow; flow = flow->next)
		if (flow->hash == hash && flow->lport == lport && flow->rport == rport &&
		    flow->proto == proto && ip_equal(&flow->remote, remote) &&
		    ip_equal(&flow->local, local))
			return flow;
	return NULL;
}

struct s7_flow *flow_find(const struct s7_flow_table *table, uint8_t proto,
			  const struct s7_ip *local, uint16_t lport, const struct s7_ip *remote,
			  uint16_t rport)
{
	uint32_t hash = flow_hash(table, proto, local, lport, remote, rport);

	return find_hashed(table, hash, proto, local, lport, remote, rport);
}

/* What a segment in order touches of a connection, in lines from its entry on. */
static const uint8_t hot_lines[] = { 0, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16, 17, 18 };

void flow_fetch(const struct s7_flow_table *table, uint32_t hash)
{
	const uint8_t *entry = (const uint8_t *)table->bucket[hash & table->mask];

	if (!entry)
		return;
	for (uint32_t i = 0; i < S7_ARRAY_LEN(hot_lines); i++)
		__builtin_prefetch(entry + hot_lines[i] * S7_CACHELINE);
}

int flow_insert(struct s7_flow_table *table, struct s7_flow *flow)
{
	struct s7_flow **bucket;

	assert(!flow->linked);
	flow->hash = flow_hash(table, flow->proto, &flow->local, flow->lport, &flow->remote,
			       flow->rport);
	if (find_hashed(table, flow->hash, flow->proto, &flow->local, flow->lport, &flow->remote,
			flow->rport))
		return -EADDRINUSE;
	bucket = &table->bucket[flow->hash & table->mask];
	flow->next = *bucket;
	s7_in_order();
	*bucket = flow;
	flow->linked = 1;
	table->count++;
	return 0;
}

/*
 * The pointer that leads to the flow in its bucket. NULL: who took it out died before it said so.
 */
static struct s7_flow **flow_link(struct s7_flow_table *table, struct s7_flow *flow)
{
	struct s7_flow **link = &table->bucket[flow->hash & table->mask];

	while (*link && *link != flow)
		link = &(*link)->next;
	return *link ? link : NULL;
}

void flow_replace(struct s7_flow_table *table, struct s7_flow *flow, struct s7_flow *with)
{
	struct s7_flow **link = flow_link(table, flow);

	with->local = flow->local;
	with->remote = flow->remote;
	with->lport = flow->lport;
	with->rport = flow->rport;
	with->proto = flow->proto;
	with->iface = flow->iface;
	with->hash = flow->hash;
	with->next = flow->next;
	with->linked = 1;
	s7_in_order();
	if (link)
		*link = with;
	flow->linked = 0;
	flow->next = NULL;
}

void flow_remove(struct s7_flow_table *table, struct s7_flow *flow)
{
	struct s7_flow **link;

	if (!flow->linked)
		return;
	link = flow_link(table, flow);
	if (s7_likely(link)) {
		*link = flow->next;
		table->count--;
	}
	s7_in_order();
	flow->linked = 0;
	flow->next = NULL;
}

void flow_mend(struct s7_flow_table *table, void (*seen)(void *ctx, struct s7_flow *flow),
	       void *ctx)
{
	table->count = 0;
	for (uint32_t i = 0; i <= table->mask; i++) {
		for (struct s7_flow *flow = table->bucket[i]; flow; flow = flow->next) {
			flow->linked = 1;
			table->count++;
			seen(ctx, flow);
		}
	}
}
