/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * area.h - where an instance keeps its programs: a piece of the arena that is mapped twice
 *
 * Programs are of any size, so no slab holds them: the area is cut into blocks, a bit each says
 * whether it is taken. Pages are written through the arena's mapping and executed through another
 * one of the same memory (env->code), so that no page is ever both. What a block holds says its
 * owner, not the area: after a death inside, the bits are made anew from the owners.
 * Context: instance lock.
 */
#ifndef S7_BPF_AREA_H
#define S7_BPF_AREA_H

#include "stack/bpf/maps.h"
#include "stack/core/inst.h"

#define AREA_BLOCK 256u
#define AREA_PAGE 4096u

struct s7_filter;

/* A program that others go on to (tail.h). */
struct s7_tail {
	uint32_t id; /* the kernel's number; 0: none */
	struct s7_filter *filter;
};

#define AREA_TAILS 64u

struct s7_filter_area {
	char *base; /* page-aligned */
	uint64_t *taken; /* a bit a block */
	uint32_t blocks;
	uint32_t used;
	uint32_t next; /* where the search begins */
	struct bpf_map_slot *maps; /* [BPF_SLOTS]: maps.h */
	struct s7_tail tails[AREA_TAILS];
	uint32_t tail_next;  /* goes next when all are taken */
	uint32_t tail_roots; /* programs with tail calls that are attached */
	/* bpf_trace_printk: lines, since when */
	uint32_t printed;
	s7_time print_since;
};

/* Carves it: AREA_LEAST..AREA_MOST bytes of address space by the number of sockets. 0, -ENOMEM. */
int area_inst_init(struct s7_inst *inst);
static inline uint64_t area_bytes(const struct s7_filter_area *area)
{
	return (uint64_t)area->blocks * AREA_BLOCK;
}

/* Memory with undefined content, aligned to AREA_BLOCK. NULL: no room. */
void *area_alloc(struct s7_filter_area *area, uint32_t bytes);
void area_free(struct s7_filter_area *area, void *at, uint32_t bytes);
/* All is free again; area_keep() says what is not. */
void area_clear(struct s7_filter_area *area);
void area_keep(struct s7_filter_area *area, void *at, uint32_t bytes);

/* Where code at `at` is run in this process, NULL: nowhere. */
static inline const void *area_native(const struct s7_inst *inst, const struct s7_filter_area *area,
				      const void *at)
{
	const char *code = inst->env->code[inst->index];

	return code ? code + ((const char *)at - area->base) : NULL;
}

#endif
