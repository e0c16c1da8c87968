/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tables.h - how lower layers reach higher ones: by index into these constant tables
 *
 * The arena holds indexes, never function pointers, so that any process image may use it.
 */
#ifndef S7_TABLES_H
#define S7_TABLES_H

#include "stack/core/inst.h"

extern const s7_timer_fn inst_timers[TIMER_KIND_COUNT];

/*
 * A stamp of the structs in the arena. Two builds of different layout are told apart by it before
 * one reads what the other wrote (`sock7 ss` of another version).
 */
uint64_t inst_layout(void);

/* What inst_create runs, in order: each layer makes its tables in the arena. */
typedef int (*s7_inst_step)(struct s7_inst *inst);
extern const s7_inst_step inst_steps[];
extern const uint32_t inst_step_count;

#endif
