/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maps.c - the slots of an instance's maps, see maps.h
 *
 * A slot belongs to the programs that are attached; who dies inside the lock leaves at most a
 * reference too many, and filter_mend counts them anew.
 * Context: instance lock. Callers: ebpf.c, filter.c.
 */
#include "stack/bpf/maps.h"

#include <errno.h>

#include "stack/bpf/area.h"
#include "stack/bpf/ebpf.h"

int maps_take(struct s7_inst *inst, const struct ebpf_map *shape, uint32_t *ret_slot)
{
	struct bpf_map_slot *maps = inst->filters->maps;
	uint32_t free = BPF_SLOTS;

	for (uint32_t i = 0; i < BPF_SLOTS; i++) {
		if (maps[i].refs && maps[i].shape.id == shape->id) {
			maps[i].refs++;
			*ret_slot = i;
			return 0;
		}
		if (!maps[i].refs && free == BPF_SLOTS)
			free = i;
	}
	if (free == BPF_SLOTS)
		return -ENOMEM;
	maps[free].shape = *shape;
	s7_in_order();
	maps[free].refs = 1;
	*ret_slot = free;
	return 0;
}

void maps_give(struct s7_inst *inst, uint32_t slot)
{
	struct bpf_map_slot *map = &inst->filters->maps[slot];

	if (--map->refs)
		return;
	if (inst->env->host->bpf)
		inst->env->host->bpf->map_close(inst, slot);
}
