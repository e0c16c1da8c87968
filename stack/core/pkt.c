/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pkt.c - packets of an instance: a small stock in front of the pool, chains, copies
 *
 * The stock (inst->pkt_cache) is filled and emptied half at a time, so that most allocations cost
 * no indirect call. A buffer in the stock has exactly one reference. A buffer that a device still
 * holds is only let go of.
 * Context: instance lock.
 */
#include "stack/core/inst.h"

#define CACHE_HALF (INST_PKT_CACHE / 2)
#define ALLOC_AHEAD 2 /* buffers that were long away are fetched before their turn */
/* of what is kept for single packets, this part is for those that nobody keeps */
#define SHARE_LAST 8

static inline void *inst_pool(const struct s7_inst *inst)
{
	return inst->env->pool[inst->index].pool;
}

static inline const struct s7_pool_ops *inst_pool_ops(const struct s7_inst *inst)
{
	return inst->env->pool[inst->index].ops;
}

struct s7_pkt *pkt_alloc_slow(struct s7_inst *inst)
{
	struct s7_pkt *pkt;
	uint32_t n = CACHE_HALF;

	while (n && inst_pool_ops(inst)->alloc(inst_pool(inst), inst->pkt_cache, n))
		n /= 4;
	if (!n)
		return NULL;
	inst->pkt_cached = n - 1;
	pkt = inst->pkt_cache[n - 1];
	pkt_fresh(pkt);
	return pkt;
}

struct s7_pkt *pkt_alloc(struct s7_inst *inst)
{
	struct s7_pkt *pkt;

	if (s7_unlikely(!inst->pkt_cached))
		return pkt_alloc_slow(inst);
	pkt = inst->pkt_cache[--inst->pkt_cached];
	if (s7_likely(inst->pkt_cached >= ALLOC_AHEAD))
		pkt_fetch(inst->pkt_cache[inst->pkt_cached - ALLOC_AHEAD]);
	pkt_fresh(pkt);
	return pkt;
}

uint32_t pkt_share(struct s7_inst *inst, uint32_t part)
{
	uint32_t free = inst->pkt_cached + inst_pool_ops(inst)->available(inst_pool(inst)), kept;

	if (s7_unlikely(free > inst->pkts_most))
		inst->pkts_most = free;
	if (s7_likely((uint64_t)free * part >= 2ull * inst->pkts_most))
		return UINT32_MAX; /* what follows, without its division */
	kept = inst->pkts_most / part;
	if (s7_likely(free >= 2 * kept))
		return UINT32_MAX;
	/* were every socket to take its share at once, a third would be left */
	if (free > kept)
		return 1 + (free - kept) / (inst->sock_count + 1);
	return free >= kept / SHARE_LAST;
}

/* The stock is full: half of it goes back to the pool. */
void pkt_free_slow(struct s7_inst *inst, struct s7_pkt *pkt)
{
	/* first: who dies in between shall lose them, not have them in both places */
	inst->pkt_cached = CACHE_HALF;
	atomic_signal_fence(memory_order_seq_cst);
	inst_pool_ops(inst)->free(inst_pool(inst), inst->pkt_cache + CACHE_HALF, CACHE_HALF);
	inst->pkt_cache[inst->pkt_cached++] = pkt;
}

void pkt_free(struct s7_inst *inst, struct s7_pkt *pkt)
{
	struct s7_pkt *frag;

	for (; pkt; pkt = frag) {
		frag = pkt->frag;
		pkt->frag = NULL;
		if (s7_unlikely(pkt_is_shared(pkt)))
			inst_pool_ops(inst)->unref(inst_pool(inst), pkt);
		else if (s7_likely(inst->pkt_cached < INST_PKT_CACHE))
			inst->pkt_cache[inst->pkt_cached++] = pkt;
		else
			pkt_free_slow(inst, pkt);
	}
}

void pkt_drop(struct s7_inst *inst, struct s7_pkt *pkt, enum s7_drop why)
{
	inst->drop[why]++;
	pkt_free(inst, pkt);
}

void pkt_read(const struct s7_pkt *pkt, uint32_t offset, void *dst, uint32_t len)
{
	char *out = dst;

	while (len) {
		uint32_t here;

		while (offset >= pkt->len) {
			offset -= pkt->len;
			pkt = pkt->frag;
		}
		here = (uint32_t)s7_min(pkt->len - offset, len);
		memcpy(out, pkt->data + offset, here);
		out += here;
		len -= here;
		offset = 0;
		pkt = pkt->frag;
	}
}

struct s7_pkt *pkt_copy(struct s7_inst *inst, const struct s7_pkt *pkt, uint32_t offset,
			uint32_t len)
{
	struct s7_pkt *head = NULL, **tail = &head;
	uint32_t left = len, here;

	do {
		struct s7_pkt *part = pkt_alloc(inst);

		if (!part) {
			pkt_free(inst, head);
			return NULL;
		}
		here = (uint32_t)s7_min(left, part->buf_len - S7_PKT_HEADROOM);
		pkt_read(pkt, offset, part->data, here);
		part->len = here;
		offset += here;
		left -= here;
		*tail = part;
		tail = &part->frag;
		if (part != head)
			head->nsegs++;
	} while (left);

	head->total = len;
	head->flags = pkt->flags & (uint16_t)~PKT_TX_OWNED;
	head->tso_mss = pkt->tso_mss;
	head->iface = pkt->iface;
	head->l2_len = pkt->l2_len;
	head->l3_len = pkt->l3_len;
	head->l4_len = pkt->l4_len;
	return head;
}

struct s7_pkt *pkt_copy_behind(struct s7_inst *inst, const struct s7_pkt *pkt, uint32_t head,
			       uint32_t len)
{
	struct s7_pkt view = *pkt, *copy;

	pkt_push(&view, head);
	copy = pkt_copy(inst, &view, 0, head + len);
	if (copy)
		pkt_pull(copy, head);
	return copy;
}

struct s7_pkt *pkt_copy_whole(struct s7_inst *inst, const struct s7_pkt *pkt)
{
	struct s7_pkt *copy = pkt_copy(inst, pkt, 0, pkt->total);
	uint32_t before;

	if (!copy)
		return NULL;
	before = (uint32_t)s7_min(pkt_headroom(pkt), pkt_headroom(copy));
	memcpy(copy->data - before, pkt->data - before, before);
	copy->hash = pkt->hash;
	return copy;
}
