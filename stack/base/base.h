/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * base.h - the words every layer shares: time, containers, branch hints, sizes
 *
 * Leaf of the tree: includes nothing of sock7.
 */
#ifndef S7_BASE_H
#define S7_BASE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Nanoseconds of CLOCK_MONOTONIC. Always an argument below shim/: stack/ never reads a clock. */
typedef uint64_t s7_time;

#define S7_NEVER UINT64_MAX
#define S7_US 1000ull
#define S7_MS 1000000ull
#define S7_SEC 1000000000ull

#define s7_likely(x) __builtin_expect(!!(x), 1)
#define s7_unlikely(x) __builtin_expect(!!(x), 0)
/* Data that only an assert looks at. */
#define S7_ASSERTED __attribute__((unused))
#define s7_container(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define S7_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define S7_CACHELINE 64
#define S7_ALIGNED(n) __attribute__((aligned(n)))
#define S7_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define S7_NOINLINE __attribute__((noinline))
#define S7_UNUSED __attribute__((unused))
#define S7_EXPORT __attribute__((visibility("default")))

/*
 * The compiler does not move stores across: whoever is killed here has made those before, and none
 * of those behind. No instruction.
 */
static inline void s7_in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

static inline uint64_t s7_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t s7_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t s7_round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

#endif
