/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ports.c - bound ports: who may bind beside whom, and who gets a packet
 *
 * Conflicts follow Linux (inet_csk_bind_conflict, udp): two binds of one port conflict when their
 * devices and addresses overlap, unless both allow it: SO_REUSEPORT on both and the same user, or
 * SO_REUSEADDR on both and, for TCP, neither listens. An IPv6 wildcard overlaps every IPv4 address
 * unless it is v6only.
 * A lookup scores the candidates: device, then exact address, then wildcard of the family, then the
 * dual-stack wildcard; among SO_REUSEPORT equals the hash chooses.
 * Context: instance lock. Callers: stack/core/sk.c, tcp, udp.
 */
#include <errno.h>

#include "stack/core/flow.h"

static uint32_t bucket_of(uint8_t proto, uint16_t port)
{
	return (port ^ (uint32_t)proto << 7) & (PORT_BUCKETS - 1);
}

int port_table_init(struct s7_port_table *table, struct s7_arena *arena)
{
	table->bucket = arena_take(arena, PORT_BUCKETS * sizeof(*table->bucket), S7_CACHELINE);
	table->count = 0;
	table->cpu = -1; /* not known yet: nobody's */
	return table->bucket ? 0 : -ENOMEM;
}

static bool is_v6_any(const struct s7_ip *ip)
{
	return ip_is_any(ip) && !ip_is_v4(ip);
}

/* Could one packet match both? */
static bool overlaps(const struct s7_bind *a, const struct s7_bind *b)
{
	if (a->iface && b->iface && a->iface != b->iface)
		return false;
	if (ip_equal(&a->ip, &b->ip))
		return true;
	if (is_v6_any(&a->ip))
		return !(a->v6only && ip_is_v4(&b->ip));
	if (is_v6_any(&b->ip))
		return !(b->v6only && ip_is_v4(&a->ip));
	if (ip_is_v4(&a->ip) != ip_is_v4(&b->ip))
		return false;
	return ip_is_any(&a->ip) || ip_is_any(&b->ip);
}

static bool may_share(const struct s7_bind *a, const struct s7_bind *b)
{
	if (a->reuseport && b->reuseport && a->uid == b->uid)
		return true;
	if (!a->reuseaddr || !b->reuseaddr)
		return false;
	return a->proto != IPPROTO_TCP || (!a->listening && !b->listening);
}

int port_insert(struct s7_port_table *table, struct s7_bind *bind)
{
	struct s7_bind **bucket = &table->bucket[bucket_of(bind->proto, bind->port)];
	struct s7_bind *other;

	assert(!bind->linked);
	for (other = *bucket; other; other = other->next)
		if (other->port == bind->port && other->proto == bind->proto &&
		    overlaps(other, bind) && !may_share(other, bind))
			return -EADDRINUSE;
	bind->next = *bucket;
	s7_in_order();
	*bucket = bind;
	bind->linked = 1;
	table->count++;
	return 0;
}

bool port_is_shared(const struct s7_port_table *table, const struct s7_bind *bind)
{
	const struct s7_bind *other;

	for (other = table->bucket[bucket_of(bind->proto, bind->port)]; other; other = other->next)
		if (other != bind && other->port == bind->port && other->proto == bind->proto &&
		    overlaps(other, bind) &&
		    !(other->reuseaddr && bind->reuseaddr && !other->listening))
			return true;
	return false;
}

/* ---- groups ---- */

static bool same_group(const struct s7_bind *a, const struct s7_bind *b)
{
	return a != b && b->grouped && a->port == b->port && a->proto == b->proto &&
	       a->iface == b->iface && a->v6only == b->v6only && ip_equal(&a->ip, &b->ip);
}

void port_join(struct s7_port_table *table, struct s7_bind *bind)
{
	const struct s7_bind *other;

	if (!bind->reuseport || bind->grouped)
		return;
	bind->slot = 0;
	for (other = table->bucket[bucket_of(bind->proto, bind->port)]; other; other = other->next)
		bind->slot += same_group(bind, other);
	bind->grouped = true;
}

void port_leave(struct s7_port_table *table, struct s7_bind *bind)
{
	struct s7_bind *other, *last = NULL;

	if (!bind->grouped)
		return;
	bind->grouped = false;
	for (other = table->bucket[bucket_of(bind->proto, bind->port)]; other; other = other->next)
		if (same_group(bind, other) && (!last || other->slot > last->slot))
			last = other;
	if (!last)
		return;
	if (last->slot > bind->slot)
		last->slot = bind->slot;
	if (!bind->slot) {
		last->steer = bind->steer;
		bind->steer = NULL;
	}
}

uint32_t port_members(const struct s7_port_table *table, const struct s7_bind *bind)
{
	const struct s7_bind *other;
	uint32_t count = bind->grouped;

	for (other = table->bucket[bucket_of(bind->proto, bind->port)]; other; other = other->next)
		count += same_group(bind, other);
	return count;
}

struct s7_bind *port_member(const struct s7_port_table *table, const struct s7_bind *bind,
			    uint32_t slot)
{
	struct s7_bind *other;

	for (other = table->bucket[bucket_of(bind->proto, bind->port)]; other; other = other->next)
		if (other->slot == slot && (other == bind || same_group(bind, other)))
			return other;
	return NULL;
}

struct s7_bind *port_member_of_array(const struct s7_port_table *table, const struct s7_bind *bind,
				     uint32_t array, uint32_t at)
{
	struct s7_bind *other;

	for (other = table->bucket[bucket_of(bind->proto, bind->port)]; other; other = other->next)
		if (other->array == array && other->array_at == at && other->grouped &&
		    (other == bind || same_group(bind, other)))
			return other;
	return NULL;
}

void port_remove(struct s7_port_table *table, struct s7_bind *bind)
{
	struct s7_bind **link = &table->bucket[bucket_of(bind->proto, bind->port)];

	if (!bind->linked)
		return;
	port_leave(table, bind);
	while (*link && *link != bind)
		link = &(*link)->next;
	if (s7_likely(*link)) { /* else who took it out died before it said so */
		*link = bind->next;
		table->count--;
	}
	s7_in_order();
	bind->linked = 0;
	bind->next = NULL;
}

void port_mend(struct s7_port_table *table)
{
	table->count = 0;
	for (uint32_t i = 0; i < PORT_BUCKETS; i++) {
		for (struct s7_bind *bind = table->bucket[i]; bind; bind = bind->next) {
			bind->linked = 1;
			table->count++;
		}
	}
}

/* 0: no match; higher is better. */
static uint32_t score(const struct s7_bind *bind, const struct s7_ip *ip, uint32_t iface)
{
	uint32_t points = 1;

	if (bind->proto == IPPROTO_TCP && !bind->listening)
		return 0;
	if (bind->iface) {
		if (bind->iface != iface + 1)
			return 0;
		points += 8;
	}
	if (ip_equal(&bind->ip, ip))
		return points + 4;
	if (!ip_is_any(&bind->ip))
		return 0;
	if (ip_is_v4(&bind->ip))
		return ip_is_v4(ip) ? points + 2 : 0;
	if (bind->v6only && ip_is_v4(ip))
		return 0;
	return points;
}

struct s7_bind *port_find(const struct s7_port_table *table, uint8_t proto, const struct s7_ip *ip,
			  uint16_t port, uint32_t iface, uint32_t hash)
{
	struct s7_bind *bind, *best = NULL;
	uint32_t best_score = 0, equals = 0, points, pick;

	for (bind = table->bucket[bucket_of(proto, port)]; bind; bind = bind->next) {
		if (bind->port != port || bind->proto != proto)
			continue;
		points = score(bind, ip, iface);
		if (points > best_score) {
			best_score = points;
			best = bind;
			equals = 1;
		} else if (points && points == best_score && bind->reuseport && best->reuseport) {
			equals++;
		}
	}
	if (equals <= 1)
		return best;

	/* who said so with SO_INCOMING_CPU goes before the hash */
	for (bind = best; bind; bind = bind->next)
		if (s7_unlikely(bind->cpu == table->cpu) && bind->port == port &&
		    bind->proto == proto && bind->reuseport &&
		    score(bind, ip, iface) == best_score)
			return bind;
	pick = (uint32_t)((uint64_t)hash * equals >> 32);
	for (bind = best; bind; bind = bind->next)
		if (bind->port == port && bind->proto == proto && bind->reuseport &&
		    score(bind, ip, iface) == best_score && pick-- == 0)
			return bind;
	return best;
}

bool port_in_use(const struct s7_port_table *table, uint8_t proto, uint16_t port)
{
	const struct s7_bind *bind;

	for (bind = table->bucket[bucket_of(proto, port)]; bind; bind = bind->next)
		if (bind->port == port && bind->proto == proto)
			return true;
	return false;
}
