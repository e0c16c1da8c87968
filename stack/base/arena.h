/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arena.h - shared memory at a fixed address, and slabs of equal objects carved from it
 *
 * The arena is sparse: its size is address space, a page costs memory when first touched.
 * arena_take is for boot only and never gives back. A slab hands out objects of one size, so memory
 * once a socket stays a socket: a stale pointer finds the right type. Ids are 1-based; 0 is no
 * object.
 * Context: arena_take at boot, one thread; a slab under its owner's lock.
 */
#ifndef S7_ARENA_H
#define S7_ARENA_H

#include "stack/base/base.h"
#include "stack/base/lock.h"

#define S7_ARENA_BASE 0x5e7000000000ull
#define S7_ENV_BASE (S7_ARENA_BASE - 0x10000ull) /* the private window, see architecture.md */
#define S7_ARENA_MAGIC 0x376b636f73ull		 /* "sock7" */
#define S7_ARENA_VERSION 1
#define S7_INSTS_MAX 16
#define S7_PROCS_MAX 128
#define S7_SLABS_MAX (S7_INSTS_MAX * 16)

struct s7_inst;
struct s7_proc;
struct s7_slab;

struct s7_arena {
	uint64_t magic;
	uint32_t version;
	uint32_t inst_count;
	uint64_t layout; /* inst_layout(): whether another program image means the same structs */
	uint64_t size; /* bytes of address space */
	uint64_t used; /* bytes given by arena_take */
	struct s7_lock proc_lock; /* the process table; last in the lock order */
	_Atomic uint32_t keeper; /* thread id of the active background thread, or of the last */
	/* 1: it looks again only after a while, unless woken (futex) */
	_Atomic uint32_t keeper_naps;
	_Atomic uint64_t next_cookie;
	_Atomic uint32_t deaths; /* processes that ended without a farewell */
	struct s7_inst *inst[S7_INSTS_MAX];
	struct s7_proc *proc; /* [S7_PROCS_MAX] */
	void *carry;  /* what a program needs that goes on here after exec: shim/carry.h */
	void *rights; /* connections under way between processes: shim/rights.c */
	/* every slab, so that what is in use can be told: sock7 ss --usage */
	struct s7_slab *slab[S7_SLABS_MAX];
	uint32_t slab_count;
};

/* Writes the header over zeroed memory of `size` bytes at `base`. */
struct s7_arena *arena_format(void *base, uint64_t size);

/* Zeroed memory aligned to `align` (a power of two), or NULL when the arena is full. */
void *arena_take(struct s7_arena *arena, uint64_t bytes, uint64_t align);

struct s7_slab {
	char *base;
	uint32_t size;	/* bytes of an object, multiple of 64 when larger than 64 */
	uint32_t max;	/* objects */
	uint32_t high;	/* objects ever used: beyond is untouched memory */
	uint32_t used;	/* objects in use */
	uint32_t peak;
	bool is_cache;	/* objects stay until there is want of them: no use to be told */
	/* id of the first free object, 0 = none; where the links are: arena.c */
	uint32_t free;
};

int slab_init(struct s7_slab *slab, struct s7_arena *arena, uint32_t size, uint32_t max);

/* Zeroed object, or NULL when all are in use. */
void *slab_alloc(struct s7_slab *slab);
/* As slab_alloc, but the content is undefined. For hot paths that set every field. */
void *slab_alloc_raw(struct s7_slab *slab);
void slab_free(struct s7_slab *slab, void *object);
/* Who changed the slab died in the middle: counts anew. The object in its hand is lost. */
void slab_mend(struct s7_slab *slab);

static inline uint32_t slab_id(const struct s7_slab *slab, const void *object)
{
	return object ? (uint32_t)(((const char *)object - slab->base) / slab->size) + 1 : 0;
}

static inline void *slab_at(const struct s7_slab *slab, uint32_t id)
{
	return id ? slab->base + (uint64_t)(id - 1) * slab->size : NULL;
}

#endif
