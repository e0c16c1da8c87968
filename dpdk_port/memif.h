/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memif.h - the rings of a memif, and how net_memif finds them
 *
 * Ring, descriptor and flags are the memif protocol's, version 2: memory of both ends. The rest is
 * what net_memif and ethdev keep to themselves, as in the one release that this is built with.
 * The client's memory holds all buffers. In a ring from client to server (`to_server`) the producer
 * moves head and the consumer tail; in one from server to client the client's head says how many
 * empty buffers there are, and the server's tail how many of them it filled.
 */
#ifndef S7_PORT_MEMIF_H
#define S7_PORT_MEMIF_H

#include <stddef.h>

#include <rte_interrupts.h>
#include <rte_version.h>

#include "dpdk_port/internal.h"

static_assert(RTE_VER_YEAR == 22 && RTE_VER_MONTH == 11, "are these still its structs?");

#define RING_COOKIE 0x3e31f20u
#define RING_SILENT 1 /* the receiver wants no signal */
#define DESC_NEXT 1   /* the packet goes on in the next buffer */

struct memif_desc {
	uint16_t flags;
	uint16_t region;
	uint32_t length; /* of the packet; of an empty buffer for a server: its room */
	uint32_t offset; /* in the region */
	uint32_t metadata;
};

struct memif_ring {
	uint32_t cookie;
	uint16_t flags; /* written by the receiver alone */
	uint16_t head;
	uint8_t line0[56];
	uint16_t tail, line1[31];
	struct memif_desc desc[];
};

static_assert(offsetof(struct memif_ring, desc) == 128, "the protocol's layout");

struct memif_region {
	uint8_t *addr;
};

enum memif_direction { MEMIF_TO_SERVER, MEMIF_TO_CLIENT };

struct memif_queue {
	void *pool, *device;
	uint32_t direction; /* enum memif_direction */
	uint16_t region, port;
	uint32_t ring_at; /* in the region */
	uint16_t last_head, last_tail; /* where a receiver is, by direction */
	void *buffers;
	uint64_t packets, bytes;
	struct rte_intr_handle *intr;
	uint8_t log2_ring_size;
};

static_assert(offsetof(struct memif_queue, log2_ring_size) == 0x40, "net_memif's layout");

#define DEVICE_CONNECTED 2

struct memif_device {
	uint64_t id;
	uint32_t flags; /* DEVICE_... */
	uint8_t other[0xc6 - 12];
	uint16_t buffer_bytes; /* of each of a client's buffers */
};

static_assert(offsetof(struct memif_device, buffer_bytes) == 0xc6, "net_memif's layout");

#define MEMIF_REGIONS 256 /* of a process */
#define ETHDEV_BYTES 0x4080
#define ETHDEV_DATA 0x30
#define ETHDEV_DATA_PRIVATE 0x60
#define ETHDEV_PROCESS_PRIVATE 0x38
extern uint8_t rte_eth_devices[];

static inline void *memif_field(const void *base, size_t at)
{
	void *field;

	memcpy(&field, (const uint8_t *)base + at, sizeof(field));
	return field;
}

static inline const void *memif_ethdev(const struct s7_port *port)
{
	return rte_eth_devices + (size_t)port->id * ETHDEV_BYTES;
}

/* By number; NULL in a process that has none. */
static inline struct memif_region **memif_regions(const struct s7_port *port)
{
	return memif_field(memif_ethdev(port), ETHDEV_PROCESS_PRIVATE);
}

static inline const struct memif_device *memif_device(const struct s7_port *port)
{
	return memif_field(memif_field(memif_ethdev(port), ETHDEV_DATA), ETHDEV_DATA_PRIVATE);
}

#endif
