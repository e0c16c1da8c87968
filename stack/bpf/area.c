/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * area.c - see area.h
 *
 * First fit from where the last search ended. Attaching is rare and its programs are small: a walk
 * over some words of bits.
 * Context: instance lock. Callers: filter.c, stack/run.
 */
#include "stack/bpf/area.h"

#include <errno.h>

#define AREA_LEAST (2u << 20)
#define AREA_MOST (64u << 20)
#define AREA_PER_SOCKET 4096u

int area_inst_init(struct s7_inst *inst)
{
	uint64_t bytes = (uint64_t)inst->params.max_sockets * AREA_PER_SOCKET;
	struct s7_filter_area *area = arena_take(inst->arena, sizeof(*area), S7_CACHELINE);

	bytes = s7_round_up(s7_max(AREA_LEAST, s7_min(bytes, AREA_MOST)), AREA_PAGE);
	if (!area)
		return -ENOMEM;
	area->blocks = (uint32_t)(bytes / AREA_BLOCK);
	area->taken = arena_take(inst->arena, (area->blocks + 63) / 64 * sizeof(uint64_t),
				 S7_CACHELINE);
	area->base = arena_take(inst->arena, bytes + AREA_PAGE, S7_CACHELINE);
	area->maps = arena_take(inst->arena, BPF_SLOTS * sizeof(*area->maps), S7_CACHELINE);
	if (!area->taken || !area->base || !area->maps)
		return -ENOMEM;
	/* a page of memory, wherever the arena begins (tests) */
	area->base = (char *)s7_round_up((uintptr_t)area->base, AREA_PAGE);
	inst->filters = area;
	return 0;
}

static bool is_taken(const struct s7_filter_area *area, uint32_t block)
{
	return area->taken[block / 64] >> (block % 64) & 1;
}

static void mark(struct s7_filter_area *area, uint32_t first, uint32_t count, bool taken)
{
	for (uint32_t block = first; block < first + count; block++) {
		uint64_t bit = 1ull << (block % 64), *word = &area->taken[block / 64];

		if (is_taken(area, block) != taken)
			area->used += taken ? 1 : UINT32_MAX;
		*word = taken ? *word | bit : *word & ~bit;
	}
}

static uint32_t blocks_of(uint32_t bytes)
{
	return (bytes + AREA_BLOCK - 1) / AREA_BLOCK;
}

/* The first of `count` free blocks in a row within [from, to), or `to`. */
static uint32_t find(const struct s7_filter_area *area, uint32_t from, uint32_t to, uint32_t count)
{
	uint32_t block, run = 0;

	for (block = from; block < to && run < count; block++)
		run = is_taken(area, block) ? 0 : run + 1;
	return run == count ? block - count : to;
}

void *area_alloc(struct s7_filter_area *area, uint32_t bytes)
{
	uint32_t count = blocks_of(bytes), first;

	first = find(area, area->next, area->blocks, count);
	if (first == area->blocks)
		first = find(area, 0, area->blocks, count);
	if (first == area->blocks)
		return NULL;
	mark(area, first, count, true);
	area->next = first + count < area->blocks ? first + count : 0;
	return area->base + (uint64_t)first * AREA_BLOCK;
}

static uint32_t block_at(const struct s7_filter_area *area, const void *at)
{
	return (uint32_t)(((const char *)at - area->base) / AREA_BLOCK);
}

void area_free(struct s7_filter_area *area, void *at, uint32_t bytes)
{
	uint32_t first = block_at(area, at);

	mark(area, first, blocks_of(bytes), false);
	area->next = first; /* the lowest pages stay warm */
}

void area_clear(struct s7_filter_area *area)
{
	memset(area->taken, 0, (area->blocks + 63) / 64 * sizeof(uint64_t));
	area->used = area->next = 0;
}

void area_keep(struct s7_filter_area *area, void *at, uint32_t bytes)
{
	mark(area, block_at(area, at), blocks_of(bytes), true);
}
