/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engines.h - a filter program on both engines, and packets for it
 *
 * Machine code is written through one mapping of a memfd and run through another, as in the
 * product.
 */
#ifndef S7_TEST_ENGINES_H
#define S7_TEST_ENGINES_H

#include "stack/bpf/cbpf.h"
#include "stack/bpf/jit.h"

/*
 * Runs it on both engines, R1 = ctx; `same` is cleared, and a line says so, when they differ.
 * Returns what the interpreter gave.
 */
uint64_t engines_run(const struct bpf_code *code, struct bpf_view *view, void *ctx, bool *same);

/* For memory that the program changes: one engine at a time. */
uint64_t engines_native(const struct bpf_code *code, struct bpf_view *view, void *ctx);

/* Checks and translates; the code lies in memory that the next call overwrites. 0, -EINVAL. */
int engines_classic(const struct sock_filter *prog, uint32_t len, struct bpf_code *ret_code);

/* The same for a program of the machine's own, with functions. R1 is the caller's. */
int engines_ebpf(const struct bpf_insn *prog, uint32_t len, struct bpf_code *ret_code);

/* A view of `len` bytes in one piece, without headers in front. */
struct bpf_view engines_view(const void *data, uint32_t len);

/* An executable mapping of memory at `base`, which becomes a shared one; for env->code. */
const void *engines_map_code(void *base, uint64_t bytes);

#endif
