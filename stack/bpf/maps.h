/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maps.h - the maps of eBPF programs: the kernel's, as an instance and a process know them
 *
 * A map that an attached program refers to has a slot in the instance, which says its shape and
 * counts the programs; instructions hold the number of the slot. Each process keeps beside it, in
 * memory of its own, how it gets at the map (env->maps): a descriptor, and where its values are
 * mapped. `id` is the kernel's and given once, so that a slot and what a process has for it are
 * told to belong together.
 * Context: instance lock.
 */
#ifndef S7_BPF_MAPS_H
#define S7_BPF_MAPS_H

#include "stack/base/base.h"

#define BPF_SLOTS 256u	    /* maps of an instance */
#define EBPF_MAPS_EACH 32u  /* of a program */

/* A map, as whoever loaded the program found it. */
struct ebpf_map {
	uint32_t id, type, key_bytes, value_bytes, entries, flags;
	bool direct; /* an array whose values can be mapped */
	/* a descriptor of it in this process: how another one may come by it */
	uint32_t pid;
	int32_t fd;
};

struct bpf_map_slot {
	uint32_t refs; /* programs */
	struct ebpf_map shape;
};

/* In a process's own memory. Filled by the host when a program that wants the map first runs. */
struct bpf_map_here {
	uint32_t id; /* 0: not open */
	int32_t fd;
	char *mem; /* direct: values, bpf_map_stride() apart */
	uint64_t mem_bytes;
	void *copies; /* the host's: values that the run in hand looks at */
};

struct s7_inst;

/* Of an array, as the kernel has them. */
static inline uint32_t bpf_map_stride(const struct ebpf_map *shape)
{
	return (shape->value_bytes + 7) & ~7u;
}

/* A slot for the map, a reference taken. 0, -ENOMEM: all are in use. */
int maps_take(struct s7_inst *inst, const struct ebpf_map *shape, uint32_t *ret_slot);
/* Gives the reference back; with the last one this process closes the map. */
void maps_give(struct s7_inst *inst, uint32_t slot);

#endif
