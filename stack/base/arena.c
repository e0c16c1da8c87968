/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arena.c - carving shared memory at boot, and slabs
 *
 * The memory comes zeroed and sparse from the caller (memfd in the product, calloc-like in tests).
 * A slab's free list is last-in first-out, so a connection a request reuses warm lines; `high`
 * keeps untouched pages untouched.
 */
#include "stack/base/arena.h"

#include <errno.h>

struct s7_arena *arena_format(void *base, uint64_t size)
{
	struct s7_arena *arena = base;

	arena->version = S7_ARENA_VERSION;
	arena->size = size;
	arena->used = s7_round_up(sizeof(*arena), S7_CACHELINE);
	atomic_store(&arena->next_cookie, 1);
	arena->magic = S7_ARENA_MAGIC;
	return arena;
}

void *arena_take(struct s7_arena *arena, uint64_t bytes, uint64_t align)
{
	uint64_t start = s7_round_up(arena->used, align);

	if (start > arena->size || bytes > arena->size - start)
		return NULL;
	arena->used = start + bytes;
	return (char *)arena + start;
}

/*
 * Where a free object keeps the id of the next one. Not at its beginning: a reader that lost a race
 * with the last reference still finds the count of references there, and finds 0 (file_try_ref).
 */
#define LINK_AT 12

static void *link_of(const struct s7_slab *slab, void *object)
{
	return (char *)object + (slab->size > LINK_AT ? LINK_AT : 0);
}

int slab_init(struct s7_slab *slab, struct s7_arena *arena, uint32_t size, uint32_t max)
{
	memset(slab, 0, sizeof(*slab));
	slab->size = (uint32_t)s7_round_up(size, size > S7_CACHELINE ? S7_CACHELINE : 8);
	slab->max = max;
	slab->base = arena_take(arena, (uint64_t)slab->size * max, S7_CACHELINE);
	if (!slab->base)
		return -ENOMEM;
	if (arena->slab_count < S7_SLABS_MAX)
		arena->slab[arena->slab_count++] = slab;
	return 0;
}

void *slab_alloc_raw(struct s7_slab *slab)
{
	void *object;

	if (s7_likely(slab->free)) {
		object = slab_at(slab, slab->free);
		memcpy(&slab->free, link_of(slab, object), sizeof(slab->free));
	} else {
		if (slab->high == slab->max)
			return NULL;
		object = slab_at(slab, ++slab->high);
	}
	if (++slab->used > slab->peak)
		slab->peak = slab->used;
	return object;
}

void *slab_alloc(struct s7_slab *slab)
{
	void *object = slab_alloc_raw(slab);

	if (object)
		memset(object, 0, slab->size);
	return object;
}

void slab_free(struct s7_slab *slab, void *object)
{
	if (!object)
		return;
	memcpy(link_of(slab, object), &slab->free, sizeof(slab->free));
	slab->free = slab_id(slab, object);
	slab->used--;
}

void slab_mend(struct s7_slab *slab)
{
	uint32_t id = slab->free, unused = 0;

	while (id && id <= slab->high && unused < slab->high) {
		memcpy(&id, link_of(slab, slab_at(slab, id)), sizeof(id));
		unused++;
	}
	slab->used = slab->high - unused;
}
