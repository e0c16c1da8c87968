/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * group.c - memberships of sockets, and what the interfaces want because of them
 *
 * A socket's memberships hang from sk->ext; each is also in the list of its group on its
 * interface, so a packet is looked up once for the interface (group_wanted) and once for
 * each socket that it may go to (group_hears). Source filters as RFC 3376 3.2 and 4.2.12: an
 * interface wants a source if any member does. errno values and limits are Linux's.
 * Bound: igmp_max_memberships a socket, igmp_max_msf sources (IPv6: 64), a membership and a group
 * for each socket of the instance; beyond ENOBUFS, GROUP_FULL counts.
 * The solicited-node groups of our own addresses stand here too, so that they are reported.
 * Context: instance lock. Called by: opt_mcast.c, udp, ip4_in.c, ip6_in.c, ip_out.c, addr.c.
 */
#include "stack/ip/group.h"

#include <errno.h>

#define MAX_MEMBERSHIPS 20u
#define MAX_SOURCES4 10u

int group_init(struct s7_inst *inst)
{
	uint32_t max = inst->params.max_sockets;
	int err;

	inst->groups = arena_take(inst->arena, sizeof(*inst->groups), S7_CACHELINE);
	if (!inst->groups)
		return -ENOMEM;
	err = slab_init(&inst->groups->groups, inst->arena, sizeof(struct s7_group), max);
	if (err)
		return err;
	return slab_init(&inst->groups->members, inst->arena, sizeof(struct s7_group_member), max);
}

uint32_t group_device(struct s7_inst *inst, uint32_t ifindex, const struct s7_ip *address,
		      const struct s7_ip *group)
{
	static const struct s7_ip any;
	const struct s7_iface *iface = NULL;
	struct s7_dst dst;

	if (ifindex) {
		for (uint32_t i = 0; i < inst->iface_count && !iface; i++)
			if ((uint32_t)inst->iface[i].ifindex == ifindex)
				iface = &inst->iface[i];
	} else if (!ip_is_any(address)) {
		iface = ip_local_iface(inst, address);
	} else if (!dst_lookup(inst, group, &any, 0, &dst) && dst.owner == ROUTE_STACK) {
		iface = &inst->iface[dst.iface];
	}
	if (!iface || (iface->index == S7_IFACE_LO && !inst->params.loopback_stack))
		return GROUP_DEVICE_KERNEL;
	return iface->index + 1u;
}

static struct s7_group **group_bucket(const struct s7_inst *inst, uint8_t iface,
				      const struct s7_ip *ip)
{
	uint64_t mixed = (ip->q[0] ^ ip->q[1] ^ iface) * 0x9e3779b97f4a7c15ull;

	return &inst->groups->bucket[mixed >> 56];
}

static_assert(GROUP_BUCKETS == 256, "group_bucket takes eight bits");

static struct s7_group *group_find(const struct s7_inst *inst, uint8_t iface,
				   const struct s7_ip *ip)
{
	struct s7_group *group = *group_bucket(inst, iface, ip);

	while (group && (group->iface != iface || !ip_equal(&group->ip, ip)))
		group = group->next;
	return group;
}

static struct s7_group *group_get(struct s7_inst *inst, uint8_t iface, const struct s7_ip *ip)
{
	struct s7_group *group = group_find(inst, iface, ip), **bucket;

	if (group)
		return group;
	group = slab_alloc(&inst->groups->groups);
	if (!group)
		return NULL;
	group->ip = *ip;
	group->iface = iface;
	list_init(&group->members);
	timer_init(&group->timer, TIMER_GROUP);
	bucket = group_bucket(inst, iface, ip);
	group->next = *bucket;
	*bucket = group;
	return group;
}

void group_free(struct s7_inst *inst, struct s7_group *group)
{
	struct s7_group **link = group_bucket(inst, group->iface, &group->ip);

	while (*link != group)
		link = &(*link)->next;
	*link = group->next;
	timer_cancel(&inst->wheel, &group->timer);
	slab_free(&inst->groups->groups, group);
}

void group_own(struct s7_inst *inst, uint8_t iface, const struct s7_ip *ip, bool on)
{
	struct s7_group *group = on ? group_get(inst, iface, ip) : group_find(inst, iface, ip);

	if (!group) {
		if (on)
			stat_add(inst, STAT_GROUP_FULL, 1);
		return;
	}
	group->own = (uint8_t)(on ? group->own + 1 : group->own - !!group->own);
	if (group->own == (on ? 1 : 0))
		group_changed(inst, group);
}

static struct s7_group_member *member_of(const struct s7_sock *sk, const struct s7_ip *ip,
					 uint32_t device)
{
	struct s7_group_member *member = sk->ext ? sk->ext->groups : NULL;

	while (member && (member->group->iface + 1u != device ||
			  !ip_equal(&member->group->ip, ip)))
		member = member->next;
	return member;
}

static uint32_t source_limit(const struct s7_sock *sk, bool v4)
{
	uint32_t limit = sk->inst->params.igmp_max_msf;

	if (!v4)
		return GROUP_SOURCES_MAX;
	return (uint32_t)s7_min(limit ? limit : MAX_SOURCES4, GROUP_SOURCES_MAX);
}

static bool too_many(const struct s7_sock *sk)
{
	const struct s7_group_member *member = sk->ext ? sk->ext->groups : NULL;
	uint32_t limit = sk->inst->params.igmp_max_memberships, count = 0;

	for (; member; member = member->next)
		count += ip_is_v4(&member->group->ip);
	return count >= (limit ? limit : MAX_MEMBERSHIPS);
}

int group_join(struct s7_sock *sk, const struct group_call *call)
{
	struct s7_inst *inst = sk->inst;
	struct s7_group_member *member;

	if (!ip_is_multicast(&call->group))
		return -EINVAL;
	if (member_of(sk, &call->group, call->device))
		return -EADDRINUSE;
	if (ip_is_v4(&call->group) && too_many(sk))
		return -ENOBUFS;
	member = sk_ext(sk) ? slab_alloc(&inst->groups->members) : NULL;
	if (member)
		member->group = group_get(inst, (uint8_t)(call->device - 1), &call->group);
	if (!member || !member->group) {
		slab_free(&inst->groups->members, member);
		stat_add(inst, STAT_GROUP_FULL, 1);
		return -ENOBUFS;
	}
	member->address = call->address;
	member->exclude = call->exclude;
	list_add_tail(&member->group->members, &member->peer);
	member->next = sk->ext->groups;
	sk->ext->groups = member;
	group_changed(inst, member->group);
	return 0;
}

static void member_drop(struct s7_sock *sk, struct s7_group_member *member)
{
	struct s7_group_member **link = &sk->ext->groups;
	struct s7_group *group = member->group;

	while (*link != member)
		link = &(*link)->next;
	*link = member->next;
	list_del(&member->peer);
	slab_free(&sk->inst->groups->members, member);
	group_changed(sk->inst, group);
}

int group_leave(struct s7_sock *sk, const struct group_call *call, bool any_device)
{
	struct s7_group_member *member = member_of(sk, &call->group, call->device);

	if (any_device) {
		for (member = sk->ext ? sk->ext->groups : NULL; member; member = member->next)
			if (ip_equal(&member->group->ip, &call->group) &&
			    (ip_is_any(&call->address) ||
			     ip_equal(&call->address, &member->address)))
				break;
	}
	if (!member)
		return -EADDRNOTAVAIL;
	member_drop(sk, member);
	return 0;
}

void group_leave_all(struct s7_sock *sk)
{
	while (sk->ext && sk->ext->groups)
		member_drop(sk, sk->ext->groups);
}

static uint32_t source_at(const struct s7_group_member *member, const struct s7_ip *source)
{
	uint32_t i = 0;

	while (i < member->source_count && !ip_equal(&member->source[i], source))
		i++;
	return i;
}

/* The last source of those that are wanted alone: none is left. */
static int source_remove(struct s7_sock *sk, struct s7_group_member *member,
			 const struct s7_ip *source)
{
	uint32_t at = source_at(member, source);

	if (at == member->source_count)
		return -EADDRNOTAVAIL;
	if (member->source_count == 1 && !member->exclude) {
		member_drop(sk, member);
		return 0;
	}
	member->source[at] = member->source[--member->source_count];
	group_changed(sk->inst, member->group);
	return 0;
}

int group_source(struct s7_sock *sk, const struct group_call *call, const struct s7_ip *source,
		 bool add)
{
	struct s7_group_member *member;

	if (!ip_is_multicast(&call->group))
		return -EINVAL;
	member = member_of(sk, &call->group, call->device);
	if (!member || (member->source_count && member->exclude != call->exclude))
		return -EINVAL;
	member->exclude = call->exclude;
	if (!add)
		return source_remove(sk, member, source);
	if (member->source_count >= source_limit(sk, ip_is_v4(&call->group)))
		return -ENOBUFS;
	if (source_at(member, source) < member->source_count)
		return -EADDRNOTAVAIL;
	member->source[member->source_count++] = *source;
	group_changed(sk->inst, member->group);
	return 0;
}

int group_filter(struct s7_sock *sk, const struct group_call *call, const struct s7_ip *sources,
		 uint32_t count)
{
	struct s7_group_member *member;

	if (!ip_is_multicast(&call->group))
		return -EINVAL;
	if (count > source_limit(sk, ip_is_v4(&call->group)))
		return -ENOBUFS;
	if (!call->exclude && !count)
		return group_leave(sk, call, false);
	member = member_of(sk, &call->group, call->device);
	if (!member)
		return -EINVAL;
	member->exclude = call->exclude;
	member->source_count = (uint8_t)count;
	memcpy(member->source, sources, count * sizeof(*sources));
	group_changed(sk->inst, member->group);
	return 0;
}

static bool member_wants(const struct s7_group_member *member, const struct s7_ip *source)
{
	bool listed = source_at(member, source) < member->source_count;

	return listed != member->exclude;
}

bool group_wanted(const struct s7_inst *inst, uint8_t iface, const struct s7_ip *ip,
		  const struct s7_ip *source)
{
	const struct s7_group *group = group_find(inst, iface, ip);
	const struct s7_list *pos;

	if (!group || list_empty(&group->members))
		return false;
	if (!source)
		return true;
	list_for_each(pos, &group->members)
		if (member_wants(list_entry(pos, struct s7_group_member, peer), source))
			return true;
	return false;
}

bool group_hears(const struct s7_sock *sk, uint8_t iface, const struct s7_ip *ip,
		 const struct s7_ip *source)
{
	const struct s7_group_member *member;

	bool off = ip_is_v4(ip) && sk->domain != AF_INET; /* IP_MULTICAST_ALL, unless asked for */

	if (s7_likely(!sk->ext))
		return !off;
	member = member_of(sk, ip, iface + 1u);
	if (!member)
		return !(sk->ext->bits & (ip_is_v4(ip) ? EXT_MC_NOT_ALL : EXT_MC_NOT_ALL6)) != off;
	return member_wants(member, source);
}

/* Is a source left out by every member that takes all but a few? */
static bool excluded_by_all(const struct s7_group *group, const struct s7_ip *source)
{
	const struct s7_list *pos;

	list_for_each(pos, &group->members)
		if (member_wants(list_entry(pos, struct s7_group_member, peer), source))
			return false;
	return true;
}

static bool already(const struct s7_ip *sources, uint32_t count, const struct s7_ip *source)
{
	while (count--)
		if (ip_equal(&sources[count], source))
			return true;
	return false;
}

uint32_t group_state(const struct s7_group *group, bool *ret_exclude,
		     struct s7_ip sources[GROUP_SOURCES_MAX])
{
	const struct s7_list *pos;
	bool exclude = group->own;
	uint32_t count = 0;

	list_for_each(pos, &group->members)
		exclude |= list_entry(pos, struct s7_group_member, peer)->exclude;
	list_for_each(pos, &group->members)
	{
		const struct s7_group_member *member =
			list_entry(pos, struct s7_group_member, peer);

		for (uint32_t i = 0; member->exclude == exclude && i < member->source_count; i++) {
			const struct s7_ip *source = &member->source[i];

			if (count < GROUP_SOURCES_MAX && !already(sources, count, source) &&
			    (!exclude || (!group->own && excluded_by_all(group, source))))
				sources[count++] = *source;
		}
	}
	*ret_exclude = exclude;
	return count;
}

void group_mend(struct s7_inst *inst)
{
	struct s7_group_table *table = inst->groups;

	for (uint32_t i = 0; i < GROUP_BUCKETS; i++) {
		for (struct s7_group *group = table->bucket[i]; group; group = group->next) {
			list_mend(&group->members);
			if (!group_in_use(group) && !timer_armed(&group->timer))
				timer_arm(&inst->wheel, &group->timer, inst->now + S7_SEC);
		}
	}
	slab_mend(&table->groups);
	slab_mend(&table->members);
}
