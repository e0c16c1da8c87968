/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_fanout.c - PACKET_FANOUT: sockets that share the frames of an interface
 *
 * A group has an id, the protocol and interface of its first member, and a way to choose: by the
 * hash of the flow (both directions the same), in turn, by CPU, by queue, at random, the first with
 * room, or a program (CBPF, EBPF). The frame is offered to the group once (seen), and the group's
 * choice gets it. Putting fragments together first (DEFRAG) is refused.
 * The program is held by the first member (bind.steer, which packet sockets have no other use for),
 * so that it is given back and counted as those of other groups are (stack/bpf).
 * Bound: PACKET_GROUPS groups of PACKET_GROUP_MOST sockets.
 * Context: instance lock. Called by: opt_packet.c, pk_tap.c.
 */
#include <errno.h>

#include "stack/bpf/filter.h"
#include "stack/packet/packet.h"
#include "stack/wire/eth.h"

#define FLAG_IGNORE_OUTGOING 0x4000 /* PACKET_FANOUT_FLAG_IGNORE_OUTGOING, Linux 6.2 */
#define FLAGS_KNOWN                                                                               \
	(PACKET_FANOUT_FLAG_ROLLOVER | PACKET_FANOUT_FLAG_UNIQUEID | FLAG_IGNORE_OUTGOING)
#define MOST_DEFAULT 256
#define MOST_EVER 65536
#define IDS 65536u

static struct s7_packet_group *group_of(struct s7_packet_inst *packet, uint16_t id)
{
	for (uint32_t i = 0; i < PACKET_GROUPS; i++)
		if (packet->group[i].count && packet->group[i].id == id)
			return &packet->group[i];
	return NULL;
}

static struct s7_packet_group *group_new(struct s7_packet_inst *packet)
{
	for (uint32_t i = 0; i < PACKET_GROUPS; i++)
		if (!packet->group[i].count)
			return &packet->group[i];
	return NULL;
}

static int check(const struct s7_packet_sock *ps, const struct fanout_args *args, uint8_t type,
		 uint16_t flags)
{
	if (type > PACKET_FANOUT_EBPF ||
	    (type == PACKET_FANOUT_ROLLOVER && flags & PACKET_FANOUT_FLAG_ROLLOVER))
		return -EINVAL;
	if (ps->group)
		return -EALREADY;
	if (flags & PACKET_FANOUT_FLAG_UNIQUEID && args->id)
		return -EINVAL;
	return 0;
}

static bool same_way(const struct s7_packet_group *group, const struct s7_packet_sock *ps,
		     uint8_t type)
{
	return group->type == type && group->proto == ps->proto && group->iface == ps->iface;
}

/* An id that no group has. False: there is none. */
static bool unique_id(struct s7_packet_inst *packet, uint16_t *ret_id)
{
	for (uint32_t id = 0; id < IDS; id++)
		if (!group_of(packet, (uint16_t)id)) {
			*ret_id = (uint16_t)id;
			return true;
		}
	return false;
}

int packet_fanout_join(struct s7_packet_sock *ps, const struct fanout_args *args)
{
	struct s7_packet_inst *packet = ps->sk.inst->packet;
	uint16_t flags = args->type_flags & 0xff00, id = args->id;
	uint8_t type = (uint8_t)args->type_flags;
	struct s7_packet_group *group;
	int err = check(ps, args, type, flags);

	if (err)
		return err;
	if (flags & PACKET_FANOUT_FLAG_UNIQUEID && !unique_id(packet, &id))
		return -ENOMEM;
	flags &= (uint16_t)~PACKET_FANOUT_FLAG_UNIQUEID;
	group = group_of(packet, id);
	if (group && (group->flags != flags ||
		      (args->max_num_members && args->max_num_members != group->most)))
		return -EINVAL;
	if (!group && args->max_num_members > MOST_EVER)
		return -EINVAL;
	if (!(ps->bits & PB_RUNNING) || (group && !same_way(group, ps, type)))
		return -EINVAL;
	if (flags & ~FLAGS_KNOWN)
		return -EOPNOTSUPP;
	if (!group) {
		group = group_new(packet);
		if (!group)
			return -ENOMEM;
		*group = (struct s7_packet_group){
			.id = id, .type = type, .flags = flags, .proto = ps->proto,
			.iface = ps->iface,
			.most = args->max_num_members ? args->max_num_members : MOST_DEFAULT,
		};
	}
	if (group->count >= s7_min(group->most, PACKET_GROUP_MOST))
		return -ENOSPC;
	if (flags & FLAG_IGNORE_OUTGOING)
		ps->bits |= PB_IGNORE_OUTGOING;
	group->sock[group->count] = ps;
	s7_in_order();
	group->count++;
	ps->group = group;
	return 0;
}

void packet_fanout_leave(struct s7_packet_sock *ps)
{
	struct s7_packet_group *group = ps->group;
	uint32_t i;

	if (!group)
		return;
	ps->group = NULL;
	for (i = 0; i < group->count && group->sock[i] != ps; i++)
		;
	if (i == group->count)
		return;
	/* the last takes its place, as in Linux */
	group->sock[i] = group->sock[group->count - 1];
	s7_in_order();
	group->count--;
	if (!ps->sk.bind.steer)
		return;
	if (group->count)
		group->sock[0]->sk.bind.steer = ps->sk.bind.steer;
	else
		filter_put(ps->sk.inst, ps->sk.bind.steer);
	s7_in_order();
	ps->sk.bind.steer = NULL;
}

/* ---- by a program ---- */

bool packet_fanout_by_program(const struct s7_packet_sock *ps, uint8_t type)
{
	return ps->group && ps->group->type == type;
}

void packet_fanout_program(struct s7_packet_sock *ps, struct s7_filter *filter)
{
	struct s7_bind *holder = &ps->group->sock[0]->sk.bind;

	filter->refs = 1;
	filter_put(ps->sk.inst, holder->steer);
	s7_in_order();
	holder->steer = filter;
}

/* Data is at the network header, of what is sent at the link header, as in Linux. */
static uint32_t by_program(const struct s7_packet_group *group, const struct s7_frame *frame)
{
	const struct s7_filter *filter = group->sock[0]->sk.bind.steer;
	uint32_t from = frame->type == PACKET_OUTGOING ? 0 : ETH_LEN;

	return filter ? packet_run(group->sock[0], filter, frame, from) % group->count : 0;
}

/* ---- the choice ---- */

static bool has_room(const struct s7_packet_sock *ps)
{
	if (ps->rx.mem)
		return packet_ring_has_room(ps);
	return ps->rx_truesize < ps->sk.rcvbuf - ps->sk.rcvbuf / 4;
}

/* The same for both directions: addresses and ports are summed up, not strung together. */
static uint32_t frame_hash(const struct s7_frame *frame)
{
	uint32_t words[12] = { 0 }, sum = frame->proto, n = 0, at = ETH_HLEN, addrs, l4;
	uint8_t proto;

	if (frame->len < ETH_HLEN + 40u)
		return sum;
	if (frame->proto == ETH_TYPE_IP4) {
		addrs = at + 12;
		n = 2;
		frame_read(frame, at, words, 4);
		l4 = at + (((const uint8_t *)words)[0] & 15) * 4u;
		frame_read(frame, at + 9, &proto, 1);
	} else if (frame->proto == ETH_TYPE_IP6) {
		addrs = at + 8;
		n = 8;
		l4 = at + 40;
		frame_read(frame, at + 6, &proto, 1);
	} else {
		return sum;
	}
	frame_read(frame, addrs, words, n * 4);
	for (uint32_t i = 0; i < n; i++)
		sum += words[i] * 0x9e3779b1u;
	sum += proto;
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP) && frame->len >= l4 + 4) {
		frame_read(frame, l4, words, 4);
		sum += (words[0] & 0xffff) * 0x85ebca6bu + (words[0] >> 16) * 0x85ebca6bu;
	}
	sum ^= sum >> 15;
	sum *= 0x2c1b3c6du;
	return sum ^ sum >> 12;
}

/* The first with room, from where the last one was; try_self: `first` if it has any. */
static uint32_t roll_over(struct s7_packet_group *group, uint32_t first, bool try_self)
{
	struct s7_packet_sock *ps = group->sock[first];
	uint32_t begin, i;

	if (try_self && has_room(ps))
		return first;
	begin = i = (uint32_t)s7_min(ps->rollover_at, group->count - 1);
	do {
		if ((!try_self || i != first) && has_room(group->sock[i])) {
			ps->rollover_at = i;
			ps->rolled += try_self;
			return i;
		}
		i = i + 1 == group->count ? 0 : i + 1;
	} while (i != begin);
	ps->roll_failed++;
	return first;
}

struct s7_packet_sock *packet_fanout_pick(struct s7_packet_group *group,
					  const struct s7_frame *frame)
{
	struct s7_inst *inst = group->sock[0]->sk.inst;
	uint32_t index = 0, count = group->count;

	switch (group->type) {
	case PACKET_FANOUT_HASH:
		index = (uint32_t)(((uint64_t)frame_hash(frame) * count) >> 32);
		break;
	case PACKET_FANOUT_LB:
		index = ++group->turn % count;
		break;
	case PACKET_FANOUT_CPU:
		index = (uint32_t)inst->rx_cpu % count;
		break;
	case PACKET_FANOUT_RND:
		index = (uint32_t)(inst_random(inst) % count);
		break;
	case PACKET_FANOUT_QM:
		index = frame->iface->queue % count;
		break;
	case PACKET_FANOUT_CBPF:
	case PACKET_FANOUT_EBPF:
		index = by_program(group, frame);
		break;
	case PACKET_FANOUT_ROLLOVER:
		return group->sock[roll_over(group, 0, false)];
	}
	if (group->flags & PACKET_FANOUT_FLAG_ROLLOVER)
		index = roll_over(group, index, true);
	return group->sock[index];
}
