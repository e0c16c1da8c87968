/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memif_rxtx.c - bursts over the rings of a memif that copies
 *
 * Idea: net_memif makes the connection; packets pass it by. Between ring and packet lies one copy
 * and nothing else: no mbuf is made up or taken apart, buffers come and go by the burst, and giving
 * one back needs no atomic, which would wait until the copy is in the other core's memory. What
 * comes next in the ring is fetched while a packet is copied. A packet of several buffers, or
 * longer than one of them, is net_memif's to move (rxtx.c): both keep their place in the same
 * fields, so they take turns within a burst. When a peer leaves, DPDK's thread unmaps its memory at
 * any instant, also in the middle of a burst. So everything in it is touched by what survives that
 * (user.h); a burst ends there.
 * No lost wakeup: what was sent is told before the look at the receiver's flag, and a receiver sets
 * the flag before its look at the ring (memif_ring.c).
 * Context: instance lock; any process that inherited the port. Killed in the middle: the ring has
 * not moved, or all of the burst was sent; buffers in hand are lost, at most PORT_BURST.
 * Callers: the stack through memif_netdev_ops.
 */
#define ALLOW_EXPERIMENTAL_API

#include <stdatomic.h>

#include "dpdk_port/memif.h"
#include "stack/base/sys.h"
#include "stack/base/user.h"

#define AHEAD 3 /* so many packets before its turn a buffer is fetched */

/* A ring in this process. */
struct view {
	struct memif_region **regions;
	struct memif_ring *ring;
	uint16_t mask;
	bool to_server;
	uint16_t buffer_bytes;
};

/* False: no peer. */
static bool view_of(const struct s7_port *port, const struct memif_queue *mq, struct view *ret_view)
{
	const struct memif_device *device = memif_device(port);
	struct memif_region **regions = memif_regions(port), *region;

	if (s7_unlikely(!regions || !(device->flags & DEVICE_CONNECTED)))
		return false;
	region = __atomic_load_n(&regions[mq->region], __ATOMIC_RELAXED);
	if (s7_unlikely(!region || !region->addr))
		return false;
	ret_view->regions = regions;
	ret_view->ring = (struct memif_ring *)(void *)(region->addr + mq->ring_at);
	ret_view->mask = (uint16_t)((1u << mq->log2_ring_size) - 1);
	ret_view->to_server = mq->direction == MEMIF_TO_SERVER;
	ret_view->buffer_bytes = device->buffer_bytes;
	return true;
}

/* Flags and head are one word. */
static inline bool ring_get(const struct memif_ring *ring, uint16_t *ret_flags, uint16_t *ret_head)
{
	uint32_t word;

	if (s7_unlikely(!user_get32(&word, &ring->flags)))
		return false;
	memcpy(ret_flags, &word, sizeof(*ret_flags));
	memcpy(ret_head, (uint8_t *)&word + sizeof(*ret_flags), sizeof(*ret_head));
	return true;
}

/* Where the sender and the receiver of full buffers are. */
static bool ring_span(const struct view *view, uint16_t *ret_head, uint16_t *ret_tail)
{
	uint16_t flags;
	uint32_t word;

	if (s7_unlikely(!ring_get(view->ring, &flags, ret_head) ||
			!user_get32(&word, &view->ring->tail)))
		return false;
	memcpy(ret_tail, &word, sizeof(*ret_tail));
	atomic_thread_fence(memory_order_acquire);
	return true;
}

/* What was written before is seen by who sees this. */
static inline bool ring_put(uint16_t *field, uint16_t value)
{
	atomic_thread_fence(memory_order_release);
	return user_put16(field, value);
}

static inline struct memif_desc *desc_at(const struct view *view, uint16_t at)
{
	return &view->ring->desc[at & view->mask];
}

static inline bool desc_get(const struct view *view, uint16_t at, struct memif_desc *ret_desc)
{
	const struct memif_desc *desc = desc_at(view, at);
	uint64_t half[2];

	if (s7_unlikely(!user_get64(&half[0], desc) || !user_get64(&half[1], &desc->offset)))
		return false;
	memcpy(ret_desc, half, sizeof(*ret_desc));
	return ret_desc->region < MEMIF_REGIONS && view->regions[ret_desc->region];
}

/* Flags, region and length. */
static inline bool desc_put(const struct view *view, uint16_t at, const struct memif_desc *value)
{
	uint64_t half;

	memcpy(&half, value, sizeof(half));
	return user_put64(desc_at(view, at), half);
}

static inline uint8_t *desc_buffer(const struct view *view, const struct memif_desc *desc)
{
	return view->regions[desc->region]->addr + desc->offset;
}

/* ---- reception ---- */

static inline bool desc_is_plain(const struct memif_desc *desc)
{
	return !(desc->flags & DESC_NEXT) && desc->length <= S7_PKT_ROOM;
}

/* Addresses and headers that are about to be read. */
static inline void desc_fetch(const struct view *view, uint16_t at, const struct s7_pkt *pkt)
{
	const uint8_t *buffer;
	struct memif_desc desc;

	if (s7_unlikely(!desc_get(view, at, &desc)))
		return;
	buffer = desc_buffer(view, &desc);
	__builtin_prefetch(buffer);
	__builtin_prefetch(buffer + S7_CACHELINE);
	pkt_fetch(pkt);
}

static bool desc_receive(const struct view *view, const struct memif_desc *desc,
			 struct s7_pkt *pkt)
{
	uint32_t len = desc->length;

	pkt_fresh(pkt);
	pkt->len = pkt->total = len;
	if (!user_copy(pkt->data, desc_buffer(view, desc), len))
		return false;
	if (len && pkt->data[0] & 1)
		pkt->flags = PKT_RX_BCAST;
	return true;
}

/* A client's buffers that were read, or never used, are empty for the server. */
static void rx_refill(const struct view *view, const struct memif_queue *mq, uint16_t head)
{
	uint16_t n = (uint16_t)(view->mask + 1 - head + mq->last_tail);
	struct memif_desc desc;

	if (!n)
		return;
	for (; n; n--, head++) {
		if (s7_unlikely(!desc_get(view, head, &desc)))
			return;
		desc.length = view->buffer_bytes;
		desc_put(view, head, &desc);
	}
	ring_put(&view->ring->head, head);
}

static uint16_t buffers_take(void *pool, struct s7_pkt **pkts, uint16_t n)
{
	while (n && port_pool_ops.alloc(pool, pkts, n))
		n /= 2;
	return n;
}

/* Plain packets up to the first that is not, which *ret_other tells of. */
static uint16_t rx_run(const struct view *view, uint16_t at, struct s7_pkt **pkts, uint16_t n,
		       bool *ret_other)
{
	struct memif_desc desc;
	uint16_t i;

	for (i = 0; i < n && i < AHEAD; i++)
		desc_fetch(view, (uint16_t)(at + i), pkts[i]);
	for (i = 0; i < n; i++, at++) {
		if (i + AHEAD < n)
			desc_fetch(view, (uint16_t)(at + AHEAD), pkts[i + AHEAD]);
		if (s7_unlikely(!desc_get(view, at, &desc)))
			break;
		*ret_other = !desc_is_plain(&desc);
		if (s7_unlikely(*ret_other || !desc_receive(view, &desc, pkts[i])))
			break;
	}
	return i;
}

static uint16_t rx_plain(struct s7_port *port, uint16_t queue, struct s7_pkt **pkts, uint16_t n,
			 bool *ret_other)
{
	struct memif_queue *mq = rte_eth_fp_ops[port->id].rxq.data[queue];
	uint16_t head, tail, *last, got, took;
	struct view view;

	if (s7_unlikely(!view_of(port, mq, &view) || !ring_span(&view, &head, &tail)))
		return 0;
	last = view.to_server ? &mq->last_head : &mq->last_tail;
	took = (uint16_t)((view.to_server ? head : tail) - *last);
	took = buffers_take(port->pool[queue], pkts, (uint16_t)s7_min(n, took));
	got = rx_run(&view, *last, pkts, took, ret_other);
	if (s7_unlikely(got < took))
		port_pool_ops.free(port->pool[queue], pkts + got, took - got);
	for (uint16_t i = 0; i < got; i++)
		mq->bytes += pkts[i]->total;
	mq->packets += got;
	*last = (uint16_t)(*last + got);
	if (!view.to_server)
		rx_refill(&view, mq, head);
	else if (got)
		ring_put(&view.ring->tail, *last);
	return got;
}

uint16_t memif_rx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct s7_port *port = dev;
	bool other = false;
	uint16_t got;

	if (s7_unlikely(port->queue[queue].stash.count))
		return port_rx_burst(dev, queue, pkts, n);
	got = rx_plain(port, queue, pkts, n, &other);
	if (s7_unlikely(other && !got))
		return port_rx_raw(port, queue, pkts, n);
	return got;
}

/* ---- transmission ---- */

/* A packet and its pieces behind each other. They fit. */
static bool desc_send(const struct view *view, uint16_t at, struct memif_desc *desc,
		      const struct s7_pkt *pkt)
{
	uint8_t *to = desc_buffer(view, desc);

	desc->length = pkt->total;
	desc->flags = 0;
	for (; pkt; to += pkt->len, pkt = pkt->frag)
		if (s7_unlikely(!user_copy(to, pkt->data, pkt->len)))
			return false;
	return desc_put(view, at, desc);
}

static uint16_t tx_run(const struct view *view, uint16_t at, struct s7_pkt **pkts, uint16_t n,
		       bool *ret_other)
{
	struct memif_desc desc;
	uint16_t i;

	for (i = 0; i < n; i++, at++) {
		if (s7_unlikely(!desc_get(view, at, &desc)))
			break;
		*ret_other = pkts[i]->total >
			(view->to_server ? view->buffer_bytes : desc.length);
		if (s7_unlikely(*ret_other || !desc_send(view, at, &desc, pkts[i])))
			break;
	}
	return i;
}

/* The device's references: buffers go to the pool where nobody else has one. */
static void sent_release(void *pool, struct s7_pkt *pkt)
{
	struct s7_pkt *frag;

	for (; pkt; pkt = frag) {
		frag = pkt->frag;
		if (pkt_is_shared(pkt))
			port_pool_ops.unref(pool, pkt);
		else
			port_pool_ops.free(pool, &pkt, 1);
	}
}

static void tx_tell(const struct view *view, const struct memif_queue *mq, uint16_t at)
{
	static const uint64_t one = 1;
	uint16_t flags, head;

	if (!ring_put(view->to_server ? &view->ring->head : &view->ring->tail, at))
		return;
	atomic_thread_fence(memory_order_seq_cst); /* see "no lost wakeup" */
	if (ring_get(view->ring, &flags, &head) && !(flags & RING_SILENT))
		s7_sys3(SYS_write, rte_intr_fd_get(mq->intr), &one, sizeof(one));
}

/* As rx_plain. */
static uint16_t tx_plain(struct s7_port *port, uint16_t queue, struct s7_pkt **pkts, uint16_t n,
			 bool *ret_other)
{
	struct memif_queue *mq = rte_eth_fp_ops[port->id].txq.data[queue];
	uint16_t head, tail, at, room, sent;
	struct view view;

	*ret_other = false;
	if (s7_unlikely(!view_of(port, mq, &view) || !ring_span(&view, &head, &tail)))
		return 0;
	at = view.to_server ? head : tail;
	room = (uint16_t)(view.to_server ? view.mask + 1 - head + tail : head - tail);
	sent = tx_run(&view, at, pkts, (uint16_t)s7_min(n, room), ret_other);
	if (!sent)
		return 0;
	tx_tell(&view, mq, (uint16_t)(at + sent));
	mq->packets += sent;
	for (uint16_t i = 0; i < sent; i++) {
		mq->bytes += pkts[i]->total;
		sent_release(port->pool[queue], pkts[i]);
	}
	return sent;
}

uint16_t memif_tx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	uint16_t sent = 0;
	bool other = true;

	while (other && sent < n) {
		sent += tx_plain(dev, queue, pkts + sent, n - sent, &other);
		if (s7_unlikely(other)) {
			if (!port_tx_burst(dev, queue, pkts + sent, 1))
				break;
			sent++;
		}
	}
	return sent;
}
