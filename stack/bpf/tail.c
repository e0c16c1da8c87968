/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tail.c - see tail.h
 *
 * A call from the main function does not nest: the caller ends, and whoever started it runs the
 * next one (ebpf.c); so a chain of 33 needs the stack of one. From a function the target's result
 * is the function's, and its caller goes on: a run inside of the run, TAIL_DEPTH deep.
 * The table owns a reference to each of its programs. A program that runs by way of it is held
 * meanwhile, since it may be put out by the next one. Entries are written such that one whose `id`
 * is set is whole, so that a death inside leaves nothing to be mended but counts (filter_mend).
 * Context: instance lock. Callers: helpers.c, ebpf.c, filter.c, the host when a map changes.
 */
#include "stack/bpf/tail.h"

#include "stack/bpf/area.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/filter.h"

static struct s7_filter *find(const struct s7_filter_area *area, uint32_t id)
{
	for (uint32_t i = 0; i < AREA_TAILS; i++)
		if (area->tails[i].id == id)
			return area->tails[i].filter;
	return NULL;
}

static void entry_clear(struct s7_inst *inst, struct s7_tail *entry)
{
	struct s7_filter *filter = entry->filter;

	entry->id = 0;
	s7_in_order();
	entry->filter = NULL;
	filter_put(inst, filter);
}

static void entry_set(struct s7_inst *inst, struct s7_tail *entry, uint32_t id,
		      struct s7_filter *filter)
{
	entry_clear(inst, entry);
	filter->refs = 1;
	entry->filter = filter;
	s7_in_order();
	entry->id = id;
}

struct s7_filter *tail_ready(struct s7_inst *inst, uint32_t id)
{
	const struct s7_bpf_host *host = inst->env->host->bpf;
	struct s7_filter_area *area = inst->filters;
	struct s7_filter *filter = find(area, id);
	const struct ebpf_prog *prog;

	if (s7_likely(filter != NULL))
		return filter;
	if (host->prog_by_id(id, &prog))
		return NULL;
	if (ebpf_make(inst, prog, &filter))
		filter = NULL;
	else
		entry_set(inst, &area->tails[area->tail_next++ % AREA_TAILS], id, filter);
	host->prog_put(prog);
	return filter;
}

/* Beyond that many entries programs are compiled when they are called. */
#define PREPARE_MOST 1024u

static void prepare(struct s7_inst *inst, const struct s7_filter *filter)
{
	const struct s7_bpf_host *host = inst->env->host->bpf;

	for (uint32_t i = 0; i < filter->map_count; i++) {
		uint32_t slot = filter->maps[i].slot;
		const struct ebpf_map *shape = &inst->filters->maps[slot].shape;
		uint32_t entries = (uint32_t)s7_min(shape->entries, PREPARE_MOST);

		if (shape->type != BPF_MAP_TYPE_PROG_ARRAY)
			continue;
		for (uint32_t at = 0; at < entries; at++) {
			int64_t id = host->map_prog(inst, slot, at);

			if (id > 0)
				tail_ready(inst, (uint32_t)id);
		}
	}
}

void tail_prepare(struct s7_inst *inst, const struct s7_filter *filter)
{
	const struct s7_tail *tails = inst->filters->tails;

	if (!ebpf_maps_open(inst, filter))
		return;
	prepare(inst, filter);
	for (uint32_t i = 0; i < AREA_TAILS; i++)
		if (tails[i].id && ebpf_maps_open(inst, tails[i].filter))
			prepare(inst, tails[i].filter);
}

bool tail_call(struct bpf_view *view, void *ctx, uint32_t slot, uint32_t index, bool inside)
{
	struct s7_inst *inst = view->inst;
	struct s7_filter *filter;
	int64_t id;

	view->tail_ret = 0;
	if (index >= inst->filters->maps[slot].shape.entries || view->tails == TAIL_CALLS_MOST)
		return false;
	id = inst->env->host->bpf->map_prog(inst, slot, index);
	if (id <= 0)
		return false;
	view->tails++;
	filter = view->depth < TAIL_DEPTH ? tail_ready(inst, (uint32_t)id) : NULL;
	if (!filter) {
		view->failed = true;
		return true;
	}
	filter->refs++;
	if (!inside) {
		view->tail = filter;
		return true;
	}
	view->depth++;
	view->tail_ret = ebpf_run(view, filter, ctx);
	view->depth--;
	return true;
}

bool tail_is_watched(const struct s7_inst *inst, uint32_t map_id)
{
	const struct bpf_map_slot *maps = inst->filters->maps;

	for (uint32_t i = 0; inst->filters->tail_roots && i < BPF_SLOTS; i++)
		if (maps[i].refs && maps[i].shape.id == map_id)
			return maps[i].shape.type == BPF_MAP_TYPE_PROG_ARRAY;
	return false;
}

void tail_drop_all(struct s7_inst *inst)
{
	for (uint32_t i = 0; i < AREA_TAILS; i++)
		entry_clear(inst, &inst->filters->tails[i]);
}
