/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frag.c - fragments wait here for each other
 *
 * Idea: a queue per (source, destination, id, IPv4: protocol), its fragments sorted by offset, none
 * overlapping, so the packet is whole when the bytes held equal the length that the last fragment
 * told. Nothing is copied: the buffers are chained; only a transport header that fell into two
 * fragments is pulled together. Overlap: an exact repetition is dropped alone; any other overlap,
 * or a second length, drops the queue (RFC 5722, RFC 8900 3.7). Bounds: FRAG_QUEUES packets,
 * FRAG_BUFS buffers (a quarter of the pool at most), FRAG_BUFS_SOURCE a source, FRAG_PIECES a
 * packet. When all is full the oldest packet goes. 30 s after the first fragment the rest is given
 * up, with ICMP time exceeded when fragment zero is there (RFC 1122 3.3.2). Context: instance lock.
 * Called by: ip4_in.c, ip6_ext.c, the timer wheel.
 */
#include "stack/ip/frag.h"

#include <errno.h>

#include "stack/ip/chain.h"
#include "stack/ip/icmp6.h"
#include "stack/wire/icmp.h"

#define TRANSPORT_HEADER 64 /* contiguous in the first buffer */

int frag_init(struct s7_inst *inst)
{
	const struct s7_pool_ops *ops = inst->env->pool[inst->index].ops;
	struct s7_frag_table *table = arena_take(inst->arena, sizeof(*table), S7_CACHELINE);

	if (!table)
		return -ENOMEM;
	inst->frags = table;
	list_init(&table->age);
	table->bufs_max = FRAG_BUFS;
	if (ops)
		table->bufs_max = (uint32_t)s7_min(
			FRAG_BUFS, ops->available(inst->env->pool[inst->index].pool) / 4);
	return slab_init(&table->slab, inst->arena, sizeof(struct s7_frag_queue), FRAG_QUEUES);
}

/* What a waiting fragment's packet remembers in its scratch space. */
struct held {
	uint32_t off;
	uint8_t next, tos, ttl;
};

static struct held *frag_held(struct s7_pkt *pkt)
{
	return (struct held *)pkt->scratch;
}

static uint32_t frag_off(const struct s7_pkt *pkt)
{
	return ((const struct held *)pkt->scratch)->off;
}

static uint64_t frag_hash(const struct s7_inst *inst, const struct s7_ip *src,
			  const struct s7_ip *dst, uint32_t low)
{
	uint64_t mixed = (src->q[1] ^ inst->secret[3]) * 0x9e3779b97f4a7c15ull;

	mixed = (mixed ^ mixed >> 29 ^ src->q[0] ^ dst->q[1]) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ mixed >> 32 ^ dst->q[0] ^ low) * 0x94d049bb133111ebull;
	return (mixed ^ mixed >> 31) * 0xbf58476d1ce4e5b9ull;
}

static_assert(FRAG_BUCKETS == 256 && FRAG_SOURCES == 256, "eight bits of frag_hash are taken");

static uint16_t *source_bufs(struct s7_inst *inst, const struct s7_ip *src)
{
	static const struct s7_ip nobody;

	return &inst->frags->source_bufs[frag_hash(inst, src, &nobody, 0) >> 56];
}

static struct s7_frag_queue **frag_bucket(struct s7_inst *inst, const struct s7_ip *src,
					  const struct s7_ip *dst, uint32_t id)
{
	return &inst->frags->bucket[frag_hash(inst, src, dst, id) >> 56];
}

uint32_t frag_next_id(struct s7_inst *inst, const struct s7_ip *src, const struct s7_ip *dst)
{
	uint64_t hash = frag_hash(inst, src, dst, 1);

	return (uint32_t)hash + inst->frags->next_id[hash >> 58]++;
}

static_assert(FRAG_IDS == 64, "frag_next_id takes six bits");

/* Takes the queue out of every table; its packets are the caller's. */
static struct s7_pkt *frag_unlink(struct s7_inst *inst, struct s7_frag_queue *queue)
{
	struct s7_frag_queue **link =
		frag_bucket(inst, &queue->src, &queue->dst, queue->id);
	uint16_t *source = source_bufs(inst, &queue->src);
	struct s7_pkt *head = queue->head;

	while (*link != queue)
		link = &(*link)->next;
	*link = queue->next;
	list_del(&queue->age);
	timer_cancel(&inst->wheel, &queue->timer);
	inst->frags->bufs -= queue->bufs;
	*source = (uint16_t)(*source - queue->bufs);
	slab_free(&inst->frags->slab, queue);
	return head;
}

static void frag_drop(struct s7_inst *inst, struct s7_frag_queue *queue, enum s7_drop why)
{
	struct s7_pkt *pkt, *next;

	for (pkt = frag_unlink(inst, queue); pkt; pkt = next) {
		next = pkt->next;
		pkt_drop(inst, pkt, why);
	}
}

static struct s7_frag_queue *frag_find(struct s7_inst *inst, const struct s7_frag *frag,
				       const struct s7_rx *rx)
{
	struct s7_frag_queue *queue;

	for (queue = *frag_bucket(inst, &rx->src, &rx->dst, frag->id); queue; queue = queue->next)
		if (queue->id == frag->id && queue->proto == frag->proto &&
		    ip_equal(&queue->src, &rx->src) && ip_equal(&queue->dst, &rx->dst))
			return queue;
	return NULL;
}

static struct s7_frag_queue *frag_create(struct s7_inst *inst, const struct s7_frag *frag,
					 const struct s7_rx *rx)
{
	struct s7_frag_table *table = inst->frags;
	struct s7_frag_queue *queue = slab_alloc(&table->slab), **bucket;

	if (!queue) {
		frag_drop(inst, list_first(&table->age, struct s7_frag_queue, age), DROP_FRAG_FULL);
		queue = slab_alloc(&table->slab);
	}
	queue->src = rx->src;
	queue->dst = rx->dst;
	queue->id = frag->id;
	queue->proto = frag->proto;
	queue->iface = rx->iface->index;
	queue->broadcast = rx->broadcast;
	bucket = frag_bucket(inst, &rx->src, &rx->dst, frag->id);
	queue->next = *bucket;
	*bucket = queue;
	list_add_tail(&table->age, &queue->age);
	timer_init(&queue->timer, TIMER_FRAG);
	timer_arm(&inst->wheel, &queue->timer, inst->now + FRAG_LIFE);
	return queue;
}

/* Room for `bufs` more buffers, made by dropping the oldest packets. False: not for this source. */
static bool frag_make_room(struct s7_inst *inst, const struct s7_ip *src, uint32_t bufs)
{
	struct s7_frag_table *table = inst->frags;

	if (*source_bufs(inst, src) + bufs > FRAG_BUFS_SOURCE)
		return false;
	while (table->bufs + bufs > table->bufs_max) {
		if (list_empty(&table->age))
			return false;
		frag_drop(inst, list_first(&table->age, struct s7_frag_queue, age), DROP_FRAG_FULL);
	}
	return true;
}

enum place { PLACE_OK, PLACE_REPEATED, PLACE_OVERLAP };

/* Where a fragment goes: behind *ret_prev (NULL: first). */
static enum place frag_place(const struct s7_frag_queue *queue, uint32_t off, uint32_t len,
			     struct s7_pkt **ret_prev)
{
	struct s7_pkt *prev = NULL, *next = queue->head;

	if (queue->tail && frag_off(queue->tail) + queue->tail->total <= off) {
		*ret_prev = queue->tail; /* in order: the usual case */
		return PLACE_OK;
	}
	for (; next && frag_off(next) < off; next = next->next)
		prev = next;
	if (next && frag_off(next) == off && next->total == len)
		return PLACE_REPEATED;
	if (prev && frag_off(prev) + prev->total > off)
		return PLACE_OVERLAP;
	if (next && off + len > frag_off(next))
		return PLACE_OVERLAP;
	*ret_prev = prev;
	return PLACE_OK;
}

/* Does the fragment agree with the packet's length as known so far? Notes the length that the last
 * one tells. */
static bool frag_length(struct s7_frag_queue *queue, bool more, uint32_t end)
{
	if (more)
		return !queue->end || end <= queue->end;
	if (queue->end && queue->end != end)
		return false;
	if (queue->tail && frag_off(queue->tail) + queue->tail->total > end)
		return false;
	queue->end = end;
	return true;
}

static void frag_link(struct s7_inst *inst, struct s7_frag_queue *queue, struct s7_pkt *pkt,
		      struct s7_pkt *prev)
{
	struct s7_pkt **link = prev ? &prev->next : &queue->head;
	uint16_t *source = source_bufs(inst, &queue->src);

	pkt->next = *link;
	*link = pkt;
	if (queue->tail == prev)
		queue->tail = pkt;
	queue->bytes += pkt->total;
	queue->pieces++;
	queue->bufs = (uint16_t)(queue->bufs + pkt->nsegs);
	*source = (uint16_t)(*source + pkt->nsegs);
	inst->frags->bufs += pkt->nsegs;
}

/* Everything is there: one chain, in the order of the offsets. */
static struct s7_pkt *frag_join(struct s7_inst *inst, struct s7_frag_queue *queue, struct s7_rx *rx)
{
	uint16_t longest = queue->longest;
	struct s7_pkt *head = frag_unlink(inst, queue), *last = head, *pkt, *next;

	for (pkt = head->next; pkt; pkt = next) {
		next = pkt->next;
		pkt->next = NULL;
		while (last->frag)
			last = last->frag;
		last->frag = pkt;
		head->total += pkt->total;
		head->nsegs = (uint16_t)(head->nsegs + pkt->nsegs);
	}
	head->next = NULL;
	head->flags &= PKT_RX_BCAST; /* a device's verdict was about a fragment */
	rx->proto = frag_held(head)->next;
	rx->tos = frag_held(head)->tos;
	rx->ttl = frag_held(head)->ttl;
	rx->frag_max = longest;
	if (!chain_pullup(inst, head, (uint32_t)s7_min(head->total, TRANSPORT_HEADER))) {
		pkt_drop(inst, head, DROP_FRAG_BAD);
		return NULL;
	}
	stat_add(inst, STAT_IP_REASM_OK, 1);
	return head;
}

/* Sorts a valid fragment into its queue. */
static struct s7_pkt *frag_add(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_frag *frag,
			       struct s7_rx *rx)
{
	struct s7_frag_queue *queue = frag_find(inst, frag, rx);
	struct s7_pkt *prev = NULL;
	enum place place;

	if (!queue)
		queue = frag_create(inst, frag, rx);
	place = frag_place(queue, frag->off, pkt->total, &prev);
	if (place == PLACE_REPEATED) {
		pkt_drop(inst, pkt, DROP_FRAG_OVERLAP);
		return NULL;
	}
	if (place == PLACE_OVERLAP || queue->pieces == FRAG_PIECES ||
	    !frag_length(queue, frag->more, frag->off + pkt->total)) {
		enum s7_drop why = place == PLACE_OVERLAP ? DROP_FRAG_OVERLAP : DROP_FRAG_BAD;

		frag_drop(inst, queue, why);
		pkt_drop(inst, pkt, why);
		return NULL;
	}
	queue->broadcast |= rx->broadcast;
	queue->longest = (uint16_t)s7_max(queue->longest, pkt->total + pkt->l3_len);
	frag_link(inst, queue, pkt, prev);
	return queue->end == queue->bytes ? frag_join(inst, queue, rx) : NULL;
}

struct s7_pkt *frag_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_frag *frag,
			  struct s7_rx *rx)
{
	struct held *held = frag_held(pkt);
	uint32_t len = pkt->total;

	if (!len || (frag->more && len % 8)) {
		pkt_drop(inst, pkt, DROP_FRAG_BAD);
		return NULL;
	}
	if (!frag_make_room(inst, &rx->src, pkt->nsegs)) {
		pkt_drop(inst, pkt, DROP_FRAG_FULL);
		return NULL;
	}
	held->off = frag->off;
	held->next = frag->next;
	held->tos = rx->tos;
	held->ttl = rx->ttl;
	return frag_add(inst, pkt, frag, rx);
}

/* Tells the sender, quoting fragment zero (RFC 792: without it nothing may be sent). */
static void frag_tell(struct s7_inst *inst, struct s7_frag_queue *queue)
{
	struct s7_iface *iface = &inst->iface[queue->iface];
	struct s7_rx rx = { .src = queue->src, .dst = queue->dst, .proto = queue->proto,
			    .broadcast = queue->broadcast, .iface = iface };
	struct s7_pkt *first = queue->head;

	if (!first || frag_off(first) != 0 || ip_kernel_answers(inst, &rx))
		return;
	pkt_push(first, first->l3_len);
	if (ip_is_v4(&rx.src))
		icmp_error(inst, &rx, first, ICMP_T_TIME, ICMP_C_TIME_REASS, 0);
	else
		icmp6_error(inst, &rx, first, ICMP6_T_TIME, ICMP6_C_TIME_REASS, 0);
}

void frag_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_frag_queue *queue = s7_container(timer, struct s7_frag_queue, timer);

	(void)now;
	frag_tell(ctx, queue);
	frag_drop(ctx, queue, DROP_FRAG_TIMEOUT);
}
