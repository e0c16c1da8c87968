/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bed.h - what an instance in plain memory lies on: an arena, a pool, a host that answers nothing
 *
 * Every buffer of the pool is a malloc of its own, so that a sanitizer sees each byte read past it;
 * a buffer that is freed twice, or while somebody else refers to it, aborts. mini.h (one instance)
 * and sim.h (two hosts and a link) are built on it.
 */
#ifndef S7_TEST_BED_H
#define S7_TEST_BED_H

#include "stack/core/sk.h"

struct test_bed {
	struct s7_arena *arena;
	struct s7_pkt *pkts, **free;
	uint16_t *refs;
	uint8_t **bufs;
	uint32_t count, free_count;
};

/* A host whose random numbers are the same every time: a failure is repeatable. */
extern const struct s7_host_ops bed_host;
/* Linux's sizes and times, few of everything. */
extern const struct s7_params bed_params;

/* Makes arena and pool and enters both, and bed_host, into env. */
void bed_make(struct test_bed *bed, uint32_t pkts, struct s7_env *env);
void bed_free(struct test_bed *bed);
/* Buffers that are neither in the pool nor in the instance's cache. */
uint32_t bed_missing(const struct test_bed *bed, const struct s7_inst *inst);

#endif
