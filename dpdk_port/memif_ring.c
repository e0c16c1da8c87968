/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memif_ring.c - the eventfd of a memif ring, to sleep on
 *
 * Idea: every memif ring has an eventfd that its sender signals after each burst unless the
 * receiver asked not to be told (a flag in the ring's head, memory of both ends). net_memif sets
 * that flag and polls; here it is cleared for the length of a sleep, so that whoever sends - any
 * memif there is - wakes us. The descriptor is looked up each time: it changes when the peer comes
 * again, and there is none before it came.
 * No lost wakeup but one: a sender does not order its "here is more" before its look at the flag,
 * so it may miss a flag cleared in the same instant. The keeper's look bounds that to 20 ms.
 * Context: instance lock. Callers: sleep.c.
 */
#define ALLOW_EXPERIMENTAL_API

#include <stdatomic.h>

#include <rte_interrupts.h>
#include <rte_version.h>

#include "dpdk_port/internal.h"
#include "stack/base/user.h"

#define RING_COOKIE 0x3e31f20u
#define RING_SILENT 1 /* the receiver wants no signal */

/*
 * What net_memif and ethdev keep to themselves, as in the one release that this is built with. The
 * ring's head is the memif protocol's, version 2.
 */
static_assert(RTE_VER_YEAR == 22 && RTE_VER_MONTH == 11, "are these still its structs?");

#define ETHDEV_BYTES 0x4080
#define ETHDEV_PROCESS_PRIVATE 0x38
extern uint8_t rte_eth_devices[];

struct memif_rx {
	void *pool, *device;
	uint32_t direction;
	uint16_t region, port;
	uint32_t ring_at; /* in the region */
	uint16_t last_head, last_tail;
	void *buffers;
	uint64_t packets, bytes;
	struct rte_intr_handle *intr;
};

struct memif_region {
	uint8_t *addr;
};

struct memif_ring {
	uint32_t cookie;
	uint16_t flags; /* written by the receiver alone */
	uint16_t head;
};

/*
 * Where the ring is, and its head in *ret_head. NULL: no peer yet, or none any more. DPDK's thread
 * may unmap it at any instant when the peer leaves, hence the copy that survives a fault.
 */
static struct memif_ring *ring_of(const struct s7_port *port, const struct memif_rx *rx,
				  struct memif_ring *ret_head)
{
	struct memif_region **regions, *region;
	struct memif_ring *ring;

	memcpy(&regions, rte_eth_devices + (size_t)port->id * ETHDEV_BYTES + ETHDEV_PROCESS_PRIVATE,
	       sizeof(regions));
	region = regions ? __atomic_load_n(&regions[rx->region], __ATOMIC_RELAXED) : NULL;
	if (!region || !region->addr || !rx->intr)
		return NULL;
	ring = (struct memif_ring *)(region->addr + rx->ring_at);
	if (!user_get(ret_head, ring, sizeof(*ret_head)) || ret_head->cookie != RING_COOKIE)
		return NULL;
	return ring;
}

int memif_ring_fd(const struct s7_port *port, uint16_t queue)
{
	const struct memif_rx *rx = rte_eth_fp_ops[port->id].rxq.data[queue];
	struct memif_ring head;

	return rx && ring_of(port, rx, &head) ? rte_intr_fd_get(rx->intr) : -1;
}

void memif_ring_signal(const struct s7_port *port, uint16_t queue, bool on)
{
	const struct memif_rx *rx = rte_eth_fp_ops[port->id].rxq.data[queue];
	struct memif_ring head, *ring = rx ? ring_of(port, rx, &head) : NULL;
	uint16_t flags;

	if (!ring)
		return;
	flags = on ? head.flags & (uint16_t)~RING_SILENT : head.flags | RING_SILENT;
	if (user_put(&ring->flags, &flags, sizeof(flags)))
		atomic_thread_fence(memory_order_seq_cst); /* before the look at the ring */
}
