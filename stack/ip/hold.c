/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hold.c - packets that leave later (TCP_TX_DELAY)
 *
 * Idea: what Linux leaves to a device with the queueing discipline fq is done here, behind the IP
 * header and before the link, so that it holds for every kind of device and lo. A list sorted by
 * time of what waits, looked through from its end, because what is held last mostly leaves last;
 * one timer for the first. An entry has its own copy of the way: the connection may be gone by
 * then. A held packet is like one that a device still reads: its buffers are shared, so TCP copies
 * what it has to send again meanwhile.
 * Bound: HOLD_MAX packets; what comes beyond is dropped with a name, and TCP sends it again.
 * Who dies here loses the packet in hand. Context: instance lock. Called by: ip_out.c, ip6_out.c,
 * the wheel.
 */
#include "stack/ip/hold.h"

#include <errno.h>

#include "stack/ip/ip_out.h"

struct held {
	struct s7_list node;
	s7_time due;
	struct s7_pkt *pkt;
	struct s7_dst dst;
};

int hold_init(struct s7_inst *inst)
{
	struct s7_hold_table *table = arena_take(inst->arena, sizeof(*table), S7_CACHELINE);

	if (!table)
		return -ENOMEM;
	inst->holds = table;
	list_init(&table->list);
	timer_init(&table->timer, TIMER_HOLD);
	return slab_init(&table->slab, inst->arena, sizeof(struct held), HOLD_MAX);
}

static void hold_arm(struct s7_inst *inst)
{
	struct s7_hold_table *table = inst->holds;

	if (!list_empty(&table->list))
		timer_arm(&inst->wheel, &table->timer,
			  list_first(&table->list, struct held, node)->due);
}

int hold_packet(struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt,
		uint32_t delay_us)
{
	struct s7_hold_table *table = inst->holds;
	struct held *held = slab_alloc(&table->slab);
	struct s7_list *before = table->list.prev;

	if (!held) {
		pkt_drop(inst, pkt, DROP_IP_HELD_FULL);
		return -ENOBUFS;
	}
	held->due = inst->now + delay_us * S7_US;
	held->pkt = pkt;
	held->dst = *dst;
	while (before != &table->list && list_entry(before, struct held, node)->due > held->due)
		before = before->prev;
	list_add(before, &held->node);
	hold_arm(inst);
	return 0;
}

void hold_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_inst *inst = ctx;
	struct s7_hold_table *table = inst->holds;

	(void)timer;
	while (!list_empty(&table->list)) {
		struct held *held = list_first(&table->list, struct held, node);
		struct s7_pkt *pkt = held->pkt;
		struct s7_dst dst = held->dst;

		if (held->due > now)
			break;
		list_del(&held->node);
		slab_free(&table->slab, held);
		ip_transmit(inst, &dst, pkt); /* its errors are nobody's by now */
	}
	hold_arm(inst);
}

void hold_mend(struct s7_inst *inst)
{
	list_mend(&inst->holds->list);
	slab_mend(&inst->holds->slab);
	hold_arm(inst);
}
