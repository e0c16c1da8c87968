/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_mem.c - memory for rings: a part of the arena that programs may map
 *
 * The arena is one file, so a program maps a piece of it wherever it likes (shim/packet_mmap.c) and
 * every process of the family fills it at its own address. Pieces are taken first fit by a bitmap
 * of units; what is given back loses its pages, so it is zero when taken again, and whoever still
 * has it mapped reads zeros.
 * Bound: a PACKET_RINGS_SHARE-th of the arena's address space an instance.
 * Context: instance lock.
 */
#include <sys/mman.h>

#include "stack/base/sys.h"
#include "stack/packet/packet.h"

static bool unit_used(const struct s7_packet_inst *packet, uint32_t unit)
{
	return packet->ring_used[unit / 64] >> (unit % 64) & 1;
}

static void unit_mark(struct s7_packet_inst *packet, uint32_t first, uint32_t count, bool used)
{
	for (uint32_t unit = first; unit < first + count; unit++) {
		uint64_t bit = 1ull << (unit % 64), *word = &packet->ring_used[unit / 64];

		*word = used ? *word | bit : *word & ~bit;
	}
}

/* Its pages go; where they cannot (plain memory of a test) they are emptied. */
static void wipe(char *mem, uint64_t bytes)
{
	if (s7_sys3(SYS_madvise, mem, bytes, MADV_REMOVE) < 0)
		memset(mem, 0, bytes);
}

char *ring_mem_take(struct s7_inst *inst, uint32_t bytes)
{
	struct s7_packet_inst *packet = inst->packet;
	uint32_t units = bytes / PACKET_RING_UNIT, free = 0;
	char *mem;

	for (uint32_t unit = 0; unit < packet->ring_units; unit++) {
		free = unit_used(packet, unit) ? 0 : free + 1;
		if (free < units)
			continue;
		unit_mark(packet, unit + 1 - units, units, true);
		mem = packet->rings + (uint64_t)(unit + 1 - units) * PACKET_RING_UNIT;
		wipe(mem, bytes);
		return mem;
	}
	return NULL;
}

void ring_mem_give(struct s7_inst *inst, char *mem, uint32_t bytes)
{
	struct s7_packet_inst *packet = inst->packet;

	wipe(mem, bytes);
	unit_mark(packet, (uint32_t)((uint64_t)(mem - packet->rings) / PACKET_RING_UNIT),
		  bytes / PACKET_RING_UNIT, false);
}
