/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool.c - packet buffers: a stack of free mbufs without atomics, filled lazily
 *
 * Idea: an rte_mempool whose operations are ours, so that drivers and the stack take from the same
 * array. All of it happens under the lock of the instance that owns the pool; the array lies in
 * EAL's shared memory and has no part per core or process, so a forked child goes on where its
 * parent stopped. Last in, first out keeps the working set in the cache. Buffers are carved (mbuf
 * and s7_pkt written for the first time) only when the array runs dry: creating a pool touches none
 * of its memory, and what is never needed is never paid for.
 * Invariants: a buffer in the array has refcnt 1, nb_segs 1, next NULL. nb_segs != 1 exactly if
 * next != NULL, for every buffer (rxtx.c keeps it up in the middle of chains too), so giving one
 * back needs no second cache line.
 * Callers: drivers through rte_mempool; the stack through s7_pool_ops.
 */
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "dpdk_port/internal.h"

#define LIFO_NAME "s7_lifo"
#define CHUNKS_MAX 64
#define PKT_AREA 128 /* private area of an mbuf: the s7_pkt */

static_assert(sizeof(struct s7_pkt) <= PKT_AREA, "s7_pkt fits the private area");
static_assert(PKT_AREA % RTE_MBUF_PRIV_ALIGN == 0, "mbuf wants it aligned");
static_assert(S7_PKT_HEADROOM == RTE_PKTMBUF_HEADROOM, "drivers write at RTE_PKTMBUF_HEADROOM");
static_assert(sizeof(struct rte_mbuf) == 128, "pkt_mbuf() steps over it");

/* A run of memory whose buffers have not been carved yet. */
struct lifo_chunk {
	uint8_t *base;
	uint32_t left;
};

struct lifo {
	struct rte_mempool *mp;
	uint32_t depth;	   /* free buffers in slot[] */
	uint32_t uncarved; /* in the chunks */
	uint32_t chunk;	   /* the one being carved */
	uint32_t chunk_count;
	struct lifo_chunk chunks[CHUNKS_MAX];
	struct rte_mbuf *slot[];
};

static inline struct lifo *pool_lifo(const void *pool)
{
	return ((const struct rte_mempool *)pool)->pool_data;
}

static void buffer_carve(struct rte_mempool *mp, struct rte_mbuf *m)
{
	struct s7_pkt *pkt = mbuf_pkt(m);

	rte_pktmbuf_init(mp, NULL, m, 0);
	memset(pkt, 0, sizeof(*pkt));
	pkt->buf = m->buf_addr;
	pkt->buf_len = m->buf_len;
	pkt->refs = (uint16_t *)(void *)&m->refcnt;
}

/* Brings up to n uncarved buffers into the array. */
static void lifo_carve(struct lifo *lifo, uint32_t n)
{
	struct rte_mempool *mp = lifo->mp;
	size_t step = mp->header_size + mp->elt_size + mp->trailer_size;
	struct rte_mempool_objhdr *header;
	struct lifo_chunk *chunk;
	struct rte_mbuf *m;

	n = (uint32_t)s7_min(n, lifo->uncarved);
	lifo->uncarved -= n;
	while (n--) {
		chunk = &lifo->chunks[lifo->chunk];
		while (!chunk->left)
			chunk = &lifo->chunks[++lifo->chunk];
		m = (struct rte_mbuf *)(chunk->base + mp->header_size);
		header = (struct rte_mempool_objhdr *)((uint8_t *)m - sizeof(*header));
		header->mp = mp;
		header->iova = (rte_iova_t)(uintptr_t)m;
		buffer_carve(mp, m);
		chunk->base += step;
		chunk->left--;
		lifo->slot[lifo->depth++] = m;
	}
}

/* ---- rte_mempool's side ---- */

static int lifo_alloc(struct rte_mempool *mp)
{
	struct lifo *lifo;

	lifo = rte_zmalloc_socket(LIFO_NAME, sizeof(*lifo) + sizeof(lifo->slot[0]) * mp->size,
				  S7_CACHELINE, mp->socket_id);
	if (!lifo)
		return -ENOMEM;
	lifo->mp = mp;
	mp->pool_data = lifo;
	return 0;
}

static void lifo_free(struct rte_mempool *mp)
{
	rte_free(mp->pool_data);
}

static int lifo_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct lifo *lifo = mp->pool_data;

	if (s7_unlikely(lifo->depth + n > mp->size))
		return -ENOBUFS;
	memcpy(&lifo->slot[lifo->depth], objs, n * sizeof(objs[0]));
	lifo->depth += n;
	return 0;
}

static int lifo_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct lifo *lifo = mp->pool_data;
	unsigned int i;

	if (s7_unlikely(lifo->depth < n)) {
		lifo_carve(lifo, n - lifo->depth);
		if (lifo->depth < n)
			return -ENOBUFS;
	}
	for (i = 0; i < n; i++)
		objs[i] = lifo->slot[--lifo->depth];
	return 0;
}

static unsigned int lifo_count(const struct rte_mempool *mp)
{
	struct lifo *lifo = mp->pool_data;

	return lifo->depth + lifo->uncarved;
}

/*
 * With plain pages the default would give each buffer pages of its own, as a device with physical
 * addresses needs.
 */
static ssize_t lifo_mem_size(const struct rte_mempool *mp, uint32_t n, uint32_t page_shift,
			     size_t *ret_chunk, size_t *ret_align)
{
	size_t step = mp->header_size + mp->elt_size + mp->trailer_size;

	if (rte_eal_iova_mode() != RTE_IOVA_VA)
		return rte_mempool_op_calc_mem_size_default(mp, n, page_shift, ret_chunk,
							    ret_align);
	*ret_chunk = step;
	*ret_align = S7_CACHELINE;
	return (ssize_t)(step * n);
}

/*
 * Memory for at most `max` buffers has been found. With virtual addresses on the bus it is only
 * noted; with physical ones buffers must not cross pages, which rte_mempool's own placing knows.
 */
static int lifo_populate(struct rte_mempool *mp, unsigned int max, void *at, rte_iova_t iova,
			 size_t len, rte_mempool_populate_obj_cb_t *obj_cb, void *obj_arg)
{
	struct lifo *lifo = mp->pool_data;
	size_t step = mp->header_size + mp->elt_size + mp->trailer_size;
	uint32_t n = (uint32_t)s7_min(max, len / step);

	if (rte_eal_iova_mode() != RTE_IOVA_VA || lifo->chunk_count == CHUNKS_MAX ||
	    (uintptr_t)at % S7_CACHELINE)
		return rte_mempool_op_populate_helper(mp, 0, max, at, iova, len, obj_cb, obj_arg);
	lifo->chunks[lifo->chunk_count++] = (struct lifo_chunk){ at, n };
	lifo->uncarved += n;
	mp->populated_size += n;
	return (int)n;
}

static const struct rte_mempool_ops lifo_ops = {
	.name = LIFO_NAME,
	.alloc = lifo_alloc,
	.free = lifo_free,
	.enqueue = lifo_enqueue,
	.dequeue = lifo_dequeue,
	.get_count = lifo_count,
	.calc_mem_size = lifo_mem_size,
	.populate = lifo_populate,
};

/* ---- the stack's side ---- */

static int pool_alloc(void *pool, struct s7_pkt **pkts, uint32_t n)
{
	struct lifo *lifo = pool_lifo(pool);
	uint32_t i;

	if (s7_unlikely(lifo->depth < n)) {
		lifo_carve(lifo, n - lifo->depth);
		if (lifo->depth < n)
			return -ENOBUFS;
	}
	for (i = 0; i < n; i++)
		pkts[i] = mbuf_pkt(lifo->slot[--lifo->depth]);
	return 0;
}

static void pool_free(void *pool, struct s7_pkt **pkts, uint32_t n)
{
	struct lifo *lifo = pool_lifo(pool);
	struct rte_mbuf *m;
	uint32_t i;

	for (i = 0; i < n; i++) {
		m = pkt_mbuf(pkts[i]);
		if (m->nb_segs != 1) {
			m->nb_segs = 1;
			m->next = NULL;
		}
		assert(m->refcnt == 1 && lifo->depth < lifo->mp->size);
		lifo->slot[lifo->depth++] = m;
	}
}

static void pool_unref(void *pool, struct s7_pkt *pkt)
{
	(void)pool;
	(*pkt->refs)--;
}

static uint32_t pool_available(void *pool)
{
	return lifo_count(pool);
}

const struct s7_pool_ops port_pool_ops = {
	.alloc = pool_alloc,
	.free = pool_free,
	.unref = pool_unref,
	.available = pool_available,
};

/* With buffers that rte_mempool placed itself (physical addresses): carve them now. */
static void pool_carve_placed(struct lifo *lifo)
{
	uint32_t i;

	for (i = 0; i < lifo->depth; i++)
		buffer_carve(lifo->mp, lifo->slot[i]);
}

static int pool_fill(struct rte_mempool *mp)
{
	struct rte_pktmbuf_pool_private priv = {
		.mbuf_data_room_size = S7_PKT_HEADROOM + S7_PKT_ROOM,
		.mbuf_priv_size = PKT_AREA,
	};
	int err;

	err = rte_mempool_set_ops_byname(mp, LIFO_NAME, NULL);
	if (err)
		return err;
	rte_pktmbuf_pool_init(mp, &priv);
	err = rte_mempool_populate_default(mp);
	if (err < 0)
		return err;
	pool_carve_placed(mp->pool_data);
	return 0;
}

/*
 * Before those of DPDK's own: a pool in memory that another program image made knows its operations
 * by their number.
 */
__attribute__((constructor(101))) static void ops_register(void)
{
	rte_mempool_register_ops(&lifo_ops);
}

static bool ops_are_ours(int32_t index)
{
	return index >= 0 && (uint32_t)index < rte_mempool_ops_table.num_ops &&
	       !strcmp(rte_mempool_ops_table.ops[index].name, LIFO_NAME);
}

const struct s7_pool_ops *pool_ops(void)
{
	return &port_pool_ops;
}

int pool_attach(const void *pool)
{
	return ops_are_ours(((const struct rte_mempool *)pool)->ops_index) ? 0 : -ENOTSUP;
}

uint32_t pool_pkt_bytes(void)
{
	struct rte_mempool_objsz size;

	return rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + PKT_AREA + S7_PKT_HEADROOM +
						 S7_PKT_ROOM,
					 RTE_MEMPOOL_F_NO_SPREAD, &size) +
		(uint32_t)sizeof(struct rte_mbuf *);
}

int pool_create(uint32_t index, uint32_t pkts, const struct s7_pool_ops **ret_ops, void **ret_pool,
		char *ret_why, size_t why_len)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *mp;
	int err;

	logcap_reset();
	snprintf(name, sizeof(name), "s7_pool%u", index);
	mp = rte_mempool_create_empty(
		name, pkts, sizeof(struct rte_mbuf) + PKT_AREA + S7_PKT_HEADROOM + S7_PKT_ROOM, 0,
		sizeof(struct rte_pktmbuf_pool_private), SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_SPREAD);
	if (!mp) {
		err = rte_errno ? -rte_errno : -ENOMEM;
		goto fail;
	}
	err = pool_fill(mp);
	if (err) {
		rte_mempool_free(mp);
		goto fail;
	}
	*ret_ops = &port_pool_ops;
	*ret_pool = mp;
	return 0;
fail:
	snprintf(ret_why, why_len, "no room for a pool of %u packets (%u MB): raise memory (%s)",
		 pkts, (uint32_t)((uint64_t)pkts * pool_pkt_bytes() >> 20), rte_strerror(-err));
	return err;
}
