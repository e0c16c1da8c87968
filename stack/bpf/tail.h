/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tail.h - tail calls: a program that goes on to another one, found in a map (PROG_ARRAY)
 *
 * What stands in the map is the kernel's to say, and it is asked at each call: whoever updates the
 * map, in whatever process, is heard. Programs that were called are kept compiled in a table of the
 * instance (area->tails), by the kernel's number, for as long as a program with tail calls is
 * attached.
 * Context: instance lock.
 */
#ifndef S7_BPF_TAIL_H
#define S7_BPF_TAIL_H

#include "stack/bpf/bpf.h"

#define TAIL_CALLS_MOST 33u /* a run, as in Linux */
#define TAIL_DEPTH 8u	    /* of these from functions, each a run inside of a run */

struct s7_filter;

/*
 * The helper. From the main function: true: view->tail is to be run in the caller's place, which
 * ends. From a function (`inside`): true: it has run, view->tail_ret is what the function returns.
 * False: no such entry, or too many calls: the program goes on. view->failed: the entry cannot run
 * here, so there is no verdict.
 */
bool tail_call(struct bpf_view *view, void *ctx, uint32_t slot, uint32_t index, bool inside);

/* The program of that number, compiled here. NULL: it cannot run on the stack, or no memory. */
struct s7_filter *tail_ready(struct s7_inst *inst, uint32_t id);

/*
 * A filter with tail calls was made: what it may go on to is compiled, as far as maps say so now,
 * for processes that do not know those programs. What is missing is tried again when it is called.
 */
void tail_prepare(struct s7_inst *inst, const struct s7_filter *filter);

/* Is the map with that number among those that attached programs go on by? */
bool tail_is_watched(const struct s7_inst *inst, uint32_t map_id);

/* The last program with tail calls goes: no table is needed. */
void tail_drop_all(struct s7_inst *inst);

#endif
