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
 * Large groups: who is like the newest entry conflicts with nobody with whom that one did not
 * (`newest`), and the one that joined last has its group's highest number (`joined`); so the list
 * is not walked for each member that comes, nor for one that leaves while those beside it in the
 * list are those that came before it. Both are forgotten when something else came between.
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
	table->newest = table->joined = NULL;
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

/* Of one place, and as ready to share it. */
static bool is_alike(const struct s7_bind *a, const struct s7_bind *b)
{
	return a->reuseport && b->reuseport && a->port == b->port && a->proto == b->proto &&
	       a->uid == b->uid && a->reuseaddr == b->reuseaddr && a->iface == b->iface &&
	       a->v6only == b->v6only && ip_equal(&a->ip, &b->ip);
}

static bool has_conflict(const struct s7_port_table *table, const struct s7_bind *bind)
{
	const struct s7_bind *other;

	if (table->newest && is_alike(table->newest, bind))
		return false;
	for (other = table->bucket[bucket_of(bind->proto, bind->port)]; other; other = other->next)
		if (other->port == bind->port && other->proto == bind->proto &&
		    overlaps(other, bind) && !may_share(other, bind))
			return true;
	return false;
}

int port_insert(struct s7_port_table *table, struct s7_bind *bind)
{
	struct s7_bind **bucket = &table->bucket[bucket_of(bind->proto, bind->port)];

	assert(!bind->linked);
	if (has_conflict(table, bind))
		return -EADDRINUSE;
	bind->next = *bucket;
	bind->link = bucket;
	s7_in_order();
	*bucket = bind;
	if (bind->next)
		bind->next->link = &bind->next;
	bind->linked = 1;
	table->newest = bind->reuseport ? bind : NULL;
	table->count++;
	return 0;
}

void port_changed(struct s7_port_table *table, const struct s7_bind *bind)
{
	if (bind->linked && table->newest && !is_alike(table->newest, bind))
		table->newest = NULL;
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

void port_moved(struct s7_port_table *table)
{
	table->newest = table->joined = NULL;
}

/* ---- groups ---- */

static bool same_group(const struct s7_bind *a, const struct s7_bind *b)
{
	return a != b && b->grouped && a->port == b->port && a->proto == b->proto &&
	       a->iface == b->iface && a->v6only == b->v6only && ip_equal(&a->ip, &b->ip);
}

/* Who has the highest number in the group of `bind`, but for itself; NULL: it is alone. */
static struct s7_bind *last_of_group(const struct s7_port_table *table, const struct s7_bind *bind)
{
	struct s7_bind *other, *last = NULL;

	if (table->joined && same_group(bind, table->joined))
		return table->joined;
	for (other = table->bucket[bucket_of(bind->proto, bind->port)]; other; other = other->next)
		if (same_group(bind, other) && (!last || other->slot > last->slot))
			last = other;
	return last;
}

void port_join(struct s7_port_table *table, struct s7_bind *bind)
{
	const struct s7_bind *last;

	if (!bind->reuseport || bind->grouped)
		return;
	last = last_of_group(table, bind);
	bind->slot = last ? last->slot + 1 : 0;
	bind->grouped = true;
	table->joined = bind;
}

static bool has_number(const struct s7_bind *bind, const struct s7_bind *other, uint32_t number)
{
	return other && same_group(bind, other) && other->slot == number;
}

/* The member with this number, if it stands beside `bind` in the list; else NULL. */
static struct s7_bind *neighbour(const struct s7_port_table *table, const struct s7_bind *bind,
				 uint32_t number)
{
	struct s7_bind *front = NULL;

	if (bind->link != &table->bucket[bucket_of(bind->proto, bind->port)])
		front = s7_container(bind->link, struct s7_bind, next);
	if (has_number(bind, front, number))
		return front;
	return has_number(bind, bind->next, number) ? bind->next : NULL;
}

/*
 * `last` moves into the hole that number `hole` left behind. Who has the highest number then, if
 * that is seen at once.
 */
static struct s7_bind *fill_hole(const struct s7_port_table *table, struct s7_bind *last,
				 uint32_t hole)
{
	uint32_t number = last->slot;

	if (number < hole)
		return last;
	last->slot = hole;
	return number == hole + 1 ? last : neighbour(table, last, number - 1);
}

void port_leave(struct s7_port_table *table, struct s7_bind *bind)
{
	struct s7_bind *last;

	if (!bind->grouped)
		return;
	if (table->joined == bind) /* the last itself */
		table->joined = neighbour(table, bind, bind->slot - 1);
	bind->grouped = false;
	last = last_of_group(table, bind);
	if (!last)
		return;
	table->joined = fill_hole(table, last, bind->slot);
	if (!bind->slot) {
		last->steer = bind->steer;
		bind->steer = NULL;
	}
}

uint32_t port_members(const struct s7_port_table *table, const struct s7_bind *bind)
{
	const struct s7_bind *last;
	uint32_t others;

	if (table->joined == bind)
		return bind->slot + 1;
	last = last_of_group(table, bind);
	others = last ? last->slot + 1 : 0;
	return bind->grouped ? s7_max(others, bind->slot + 1) : others;
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
	struct s7_bind *next = bind->next;

	if (!bind->linked)
		return;
	port_leave(table, bind);
	if (table->newest == bind)
		table->newest = next && is_alike(next, bind) ? next : NULL;
	if (s7_likely(*bind->link == bind)) { /* else who took it out died before it said so */
		*bind->link = next;
		if (next)
			next->link = bind->link;
		table->count--;
	}
	s7_in_order();
	bind->linked = 0;
	bind->next = NULL;
}

void port_mend(struct s7_port_table *table)
{
	struct s7_bind **link;

	table->count = 0;
	table->newest = table->joined = NULL;
	for (uint32_t i = 0; i < PORT_BUCKETS; i++) {
		for (link = &table->bucket[i]; *link; link = &(*link)->next) {
			(*link)->link = link;
			(*link)->linked = 1;
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
