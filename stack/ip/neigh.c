/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neigh.c - the neighbour table
 *
 * Idea: both families share it; they differ in how they ask (a row of neigh_langs). One entry a
 * (interface, address), found by hash, kept in a slab. State is changed by neigh_set() alone, which
 * checks the table of legal transitions. Packets for an unresolved neighbour wait in an array of
 * pointers (a retransmission queue may own their `next`); over 64 the oldest goes
 * (DROP_NEIGH_QUEUE_FULL). Ageing costs no timer: REACHABLE is compared with the clock when a
 * packet uses it. A full table recycles the next entry behind the hand that is not waiting for an
 * answer. Failure: what waited is dropped and its senders in this process are told EHOSTUNREACH as
 * if by ICMP (RFC 1122 2.3.2.2). Context: instance lock. Called by: dst.c, ip_out.c, arp.c, the
 * timer wheel.
 */
#include "stack/ip/arp.h"

#include <errno.h>

#include "stack/core/charge.h"
#include "stack/ip/icmp.h"
#include "stack/ip/ip6.h"
#include "stack/wire/eth.h"

#define BIT(state) (1u << (state))

/* To which states each may go. */
static const uint8_t neigh_legal[NEIGH_S_COUNT] S7_ASSERTED = {
	[NEIGH_S_NONE] = BIT(NEIGH_S_INCOMPLETE) | BIT(NEIGH_S_STALE) | BIT(NEIGH_S_REACHABLE),
	[NEIGH_S_INCOMPLETE] = BIT(NEIGH_S_REACHABLE) | BIT(NEIGH_S_STALE) | BIT(NEIGH_S_FAILED),
	[NEIGH_S_REACHABLE] = BIT(NEIGH_S_STALE) | BIT(NEIGH_S_PROBE) | BIT(NEIGH_S_REACHABLE),
	[NEIGH_S_STALE] = BIT(NEIGH_S_PROBE) | BIT(NEIGH_S_REACHABLE) | BIT(NEIGH_S_STALE),
	[NEIGH_S_PROBE] = BIT(NEIGH_S_REACHABLE) | BIT(NEIGH_S_STALE) | BIT(NEIGH_S_FAILED),
	[NEIGH_S_FAILED] = BIT(NEIGH_S_INCOMPLETE) | BIT(NEIGH_S_STALE) | BIT(NEIGH_S_REACHABLE),
};

static const struct {
	uint16_t ether_type;
	void (*ask)(struct s7_inst *inst, const struct s7_neigh *neigh, bool unicast);
	void (*tell)(struct s7_inst *inst, const struct s7_pkt *pkt, int err);
} neigh_langs[NEIGH_LANG_COUNT] = {
	[NEIGH_ARP] = { ETH_TYPE_IP4, arp_ask, icmp_tell_sender },
	[NEIGH_ND] = { ETH_TYPE_IP6, nd_ask, icmp6_tell_sender },
};

static void neigh_set(struct s7_neigh *neigh, enum neigh_state state)
{
	assert(neigh_legal[neigh->state] & BIT(state));
	neigh->state = (uint8_t)state;
	neigh->tries = 0;
}

int neigh_init(struct s7_inst *inst)
{
	int err;

	inst->neigh = arena_take(inst->arena, sizeof(*inst->neigh), S7_CACHELINE);
	if (!inst->neigh)
		return -ENOMEM;
	err = slab_init(&inst->neigh->slab, inst->arena, sizeof(struct s7_neigh), NEIGH_MAX);
	inst->neigh->slab.is_cache = true;
	timer_init(&inst->neigh->duplicates, TIMER_ND);
	return err;
}

static struct s7_neigh **neigh_bucket(struct s7_inst *inst, uint8_t iface, const struct s7_ip *ip)
{
	uint64_t mixed = (ip->q[1] ^ inst->secret[2] ^ iface) * 0x9e3779b97f4a7c15ull;

	return &inst->neigh->bucket[(mixed ^ ip->q[0]) >> 54];
}

static_assert(NEIGH_BUCKETS == 1024, "neigh_bucket takes ten bits");

struct s7_neigh *neigh_find(struct s7_inst *inst, const struct s7_iface *iface,
			    const struct s7_ip *ip)
{
	struct s7_neigh *neigh;

	for (neigh = *neigh_bucket(inst, iface->index, ip); neigh; neigh = neigh->next)
		if (neigh->iface == iface->index && ip_equal(&neigh->ip, ip))
			return neigh;
	return NULL;
}

static void neigh_flush(struct s7_inst *inst, struct s7_neigh *neigh, enum s7_drop why)
{
	uint32_t i;

	for (i = 0; i < neigh->queued; i++) {
		charge_end(neigh->queue[i]);
		pkt_drop(inst, neigh->queue[i], why);
	}
	neigh->queued = 0;
}

static void neigh_unlink(struct s7_inst *inst, struct s7_neigh *neigh)
{
	struct s7_neigh **link = neigh_bucket(inst, neigh->iface, &neigh->ip);

	while (*link != neigh)
		link = &(*link)->next;
	*link = neigh->next;
	timer_cancel(&inst->wheel, &neigh->timer);
	neigh_flush(inst, neigh, DROP_NEIGH_FAILED);
}

/* An entry that nobody waits for, taken out of its bucket; NULL: all wait. */
static struct s7_neigh *neigh_victim(struct s7_inst *inst)
{
	struct s7_neigh_table *table = inst->neigh;
	uint32_t i;

	for (i = 0; i < NEIGH_MAX; i++) {
		struct s7_neigh *neigh = slab_at(&table->slab, table->hand % NEIGH_MAX + 1);

		table->hand++;
		if (neigh->state == NEIGH_S_INCOMPLETE || neigh->state == NEIGH_S_PROBE)
			continue;
		neigh_unlink(inst, neigh);
		return neigh;
	}
	return NULL;
}

struct s7_neigh *neigh_get(struct s7_inst *inst, const struct s7_iface *iface,
			   const struct s7_ip *ip)
{
	struct s7_neigh *neigh = neigh_find(inst, iface, ip), **bucket;
	uint32_t generation;

	if (neigh)
		return neigh;
	neigh = slab_alloc_raw(&inst->neigh->slab);
	if (neigh) {
		generation = 1;
	} else {
		neigh = neigh_victim(inst);
		if (!neigh) {
			inst->drop[DROP_ARP_FULL]++;
			return NULL;
		}
		generation = neigh->generation + 1;
	}
	memset(neigh, 0, offsetof(struct s7_neigh, queue));
	neigh->generation = generation;
	neigh->iface = iface->index;
	neigh->ip = *ip;
	neigh->lang = ip_is_v4(ip) ? NEIGH_ARP : NEIGH_ND;
	neigh->ether_type = neigh_langs[neigh->lang].ether_type;
	timer_init(&neigh->timer, TIMER_NEIGH);
	bucket = neigh_bucket(inst, iface->index, ip);
	neigh->next = *bucket;
	*bucket = neigh;
	return neigh;
}

void eth_output(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt,
		const uint8_t *mac, uint16_t type)
{
	eth_write(pkt_push(pkt, ETH_LEN), mac, iface->mac, type);
	iface_stage(inst, iface, pkt);
}

static void neigh_ask(struct s7_inst *inst, struct s7_neigh *neigh)
{
	neigh->tries++;
	neigh_langs[neigh->lang].ask(inst, neigh, neigh->state == NEIGH_S_PROBE);
	timer_arm(&inst->wheel, &neigh->timer, inst->now + NEIGH_RETRY);
}

static void neigh_enqueue(struct s7_inst *inst, struct s7_neigh *neigh, struct s7_pkt *pkt)
{
	if (neigh->queued == NEIGH_QUEUE) {
		charge_end(neigh->queue[0]);
		pkt_drop(inst, neigh->queue[0], DROP_NEIGH_QUEUE_FULL);
		memmove(neigh->queue, neigh->queue + 1, (NEIGH_QUEUE - 1) * sizeof(*neigh->queue));
		neigh->queued--;
	}
	neigh->queue[neigh->queued++] = pkt;
	charge_begin(pkt);
	if (neigh->state == NEIGH_S_INCOMPLETE)
		return;
	neigh_set(neigh, NEIGH_S_INCOMPLETE);
	neigh_ask(inst, neigh);
}

void neigh_output(struct s7_inst *inst, struct s7_neigh *neigh, struct s7_pkt *pkt)
{
	struct s7_iface *iface = &inst->iface[neigh->iface];

	switch ((enum neigh_state)neigh->state) {
	case NEIGH_S_REACHABLE:
		if (s7_likely(inst->now - neigh->confirmed < NEIGH_REACHABLE))
			break;
		/* fall through */
	case NEIGH_S_STALE:
		neigh_set(neigh, NEIGH_S_PROBE);
		timer_arm(&inst->wheel, &neigh->timer, inst->now + NEIGH_DELAY);
		break;
	case NEIGH_S_PROBE:
		break;
	default:
		if (iface->flags & IFACE_NO_ARP) {
			/* as Linux; where there is no link header, nobody sees it */
			eth_output(inst, iface, pkt, iface->mac, neigh->ether_type);
			return;
		}
		neigh_enqueue(inst, neigh, pkt);
		return;
	}
	eth_output(inst, iface, pkt, neigh->mac, neigh->ether_type);
}

void neigh_confirm(struct s7_inst *inst, struct s7_neigh *neigh)
{
	if (neigh->state != NEIGH_S_REACHABLE && neigh->state != NEIGH_S_STALE &&
	    neigh->state != NEIGH_S_PROBE)
		return;
	neigh->confirmed = inst->now;
	if (neigh->state == NEIGH_S_REACHABLE)
		return;
	neigh_set(neigh, NEIGH_S_REACHABLE);
	timer_cancel(&inst->wheel, &neigh->timer);
}

/* What waited goes out. The queue is emptied first: staging may come back here. */
static void neigh_release(struct s7_inst *inst, struct s7_neigh *neigh)
{
	struct s7_pkt *queue[NEIGH_QUEUE];
	uint32_t i, n = neigh->queued;

	memcpy(queue, neigh->queue, n * sizeof(*queue));
	neigh->queued = 0;
	for (i = 0; i < n; i++)
		eth_output(inst, &inst->iface[neigh->iface], queue[i], neigh->mac,
			   neigh->ether_type);
}

/* First come, first kept, for a second. What TCP confirms in the meantime does not prolong it. */
bool neigh_locked(const struct s7_inst *inst, const struct s7_neigh *neigh)
{
	return neigh->state != NEIGH_S_NONE && neigh->state != NEIGH_S_INCOMPLETE &&
	       neigh->state != NEIGH_S_FAILED && inst->now - neigh->changed < NEIGH_LOCK;
}

void neigh_update(struct s7_inst *inst, struct s7_neigh *neigh, const uint8_t *mac, bool solicited)
{
	bool asked = neigh->state == NEIGH_S_INCOMPLETE || neigh->state == NEIGH_S_PROBE;
	bool same = mac_equal(neigh->mac, mac);

	memcpy(neigh->mac, mac, sizeof(neigh->mac));
	if (solicited && asked) {
		neigh->confirmed = inst->now;
		neigh_set(neigh, NEIGH_S_REACHABLE);
	} else if (!same || neigh->state == NEIGH_S_NONE || neigh->state == NEIGH_S_INCOMPLETE ||
		   neigh->state == NEIGH_S_FAILED) {
		neigh_set(neigh, NEIGH_S_STALE);
	} else {
		return;
	}
	neigh->changed = inst->now;
	timer_cancel(&inst->wheel, &neigh->timer);
	neigh_release(inst, neigh);
}

void neigh_advertised(struct s7_inst *inst, struct s7_neigh *neigh, const uint8_t *mac,
		      bool solicited, bool override)
{
	bool fresh = neigh->state == NEIGH_S_INCOMPLETE;
	bool same = !fresh && (!mac || mac_equal(neigh->mac, mac));

	if (neigh->state == NEIGH_S_NONE || neigh->state == NEIGH_S_FAILED || (fresh && !mac))
		return; /* nobody asked, or it does not say where it is */
	if (!fresh && !same && !override) {
		/* somebody else claims the address: what we know is to be proven again */
		if (neigh->state == NEIGH_S_REACHABLE)
			neigh_set(neigh, NEIGH_S_STALE);
		return;
	}
	if (!same)
		memcpy(neigh->mac, mac, sizeof(neigh->mac));
	if (solicited) {
		neigh->confirmed = inst->now;
		neigh_set(neigh, NEIGH_S_REACHABLE);
	} else if (!same) {
		neigh_set(neigh, NEIGH_S_STALE);
	} else {
		return;
	}
	neigh->changed = inst->now;
	timer_cancel(&inst->wheel, &neigh->timer);
	neigh_release(inst, neigh);
}

uint32_t neigh_waiting(const struct s7_inst *inst)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < NEIGH_BUCKETS; i++)
		for (const struct s7_neigh *at = inst->neigh->bucket[i]; at; at = at->next)
			count += at->queued;
	return count;
}

void neigh_learn(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip,
		 const uint8_t mac[6])
{
	struct s7_neigh *neigh;

	if (mac_is_group(mac) || mac_is_zero(mac))
		return;
	neigh = neigh_get(inst, iface, ip);
	if (neigh)
		neigh_update(inst, neigh, mac, false);
}

static void neigh_fail(struct s7_inst *inst, struct s7_neigh *neigh)
{
	struct s7_pkt *queue[NEIGH_QUEUE];
	uint32_t i, n = neigh->queued;

	memcpy(queue, neigh->queue, n * sizeof(*queue));
	neigh->queued = 0;
	neigh_set(neigh, NEIGH_S_FAILED);
	for (i = 0; i < n; i++) {
		neigh_langs[neigh->lang].tell(inst, queue[i], EHOSTUNREACH);
		charge_end(queue[i]);
		pkt_drop(inst, queue[i], DROP_NEIGH_FAILED);
	}
}

void neigh_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_neigh *neigh = s7_container(timer, struct s7_neigh, timer);
	struct s7_inst *inst = ctx;

	(void)now;
	if (neigh->tries < NEIGH_TRIES)
		neigh_ask(inst, neigh);
	else
		neigh_fail(inst, neigh);
}
