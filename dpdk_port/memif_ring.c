/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memif_ring.c - the eventfd of a memif ring, to sleep on
 *
 * Idea: every memif ring has an eventfd that its sender signals after each burst unless the
 * receiver asked not to be told (a flag in the ring's head, memory of both ends). net_memif sets
 * that flag and polls; here it is cleared for the length of a sleep, so that whoever sends - any
 * memif there is - wakes us. The descriptor is looked up each time: it changes when the peer comes
 * again, and there is none before it came.
 * No lost wakeup where the sender is memif_rxtx.c; net_memif does not order its "here is more"
 * before its look at the flag, so it may miss a flag cleared in the same instant. The keeper's look
 * bounds that to 20 ms.
 * Context: instance lock. Callers: sleep.c.
 */
#define ALLOW_EXPERIMENTAL_API

#include <stdatomic.h>

#include "dpdk_port/memif.h"
#include "stack/base/user.h"

/*
 * Where the ring is, and its head in *ret_head. NULL: no peer yet, or none any more. DPDK's thread
 * may unmap it at any instant when the peer leaves, hence the copy that survives a fault.
 */
static struct memif_ring *ring_of(const struct s7_port *port, const struct memif_queue *rx,
				  struct memif_ring *ret_head)
{
	struct memif_region **regions = memif_regions(port), *region;
	struct memif_ring *ring;

	region = regions ? __atomic_load_n(&regions[rx->region], __ATOMIC_RELAXED) : NULL;
	if (!region || !region->addr || !rx->intr)
		return NULL;
	ring = (struct memif_ring *)(region->addr + rx->ring_at);
	if (!user_get(ret_head, ring, offsetof(struct memif_ring, line0)) ||
	    ret_head->cookie != RING_COOKIE)
		return NULL;
	return ring;
}

int memif_ring_fd(const struct s7_port *port, uint16_t queue)
{
	const struct memif_queue *rx = rte_eth_fp_ops[port->id].rxq.data[queue];
	struct memif_ring head;

	return rx && ring_of(port, rx, &head) ? rte_intr_fd_get(rx->intr) : -1;
}

void memif_ring_signal(const struct s7_port *port, uint16_t queue, bool on)
{
	const struct memif_queue *rx = rte_eth_fp_ops[port->id].rxq.data[queue];
	struct memif_ring head, *ring = rx ? ring_of(port, rx, &head) : NULL;
	uint16_t flags;

	if (!ring)
		return;
	flags = on ? head.flags & (uint16_t)~RING_SILENT : head.flags | RING_SILENT;
	if (user_put(&ring->flags, &flags, sizeof(flags)))
		atomic_thread_fence(memory_order_seq_cst); /* before the look at the ring */
}
