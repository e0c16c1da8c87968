/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * jit.h - machine code of a program
 *
 * The code is position independent and holds no address: what it calls it finds in the view. So it
 * may be written at one place and run at another, in any process. Pure.
 */
#ifndef S7_JIT_H
#define S7_JIT_H

#include "stack/bpf/bpf.h"

/* maps: view->maps, for programs that have any. */
typedef uint64_t (*bpf_native)(struct bpf_view *view, void *ctx, const struct bpf_map_here *maps);

/* Is there an engine for this machine? */
bool jit_possible(void);

/* Bytes that the code of a program of `count` instructions surely fits in. */
#define JIT_ROOM(count) ((uint32_t)(count) * 96u + 512u)

/*
 * Writes the machine code of a checked program. `at` has count + 1 words to work with. Returns its
 * length; 0: not to be had (no engine, or it does not fit).
 */
uint32_t jit_compile(const struct bpf_code *code, uint8_t *out, uint32_t room, uint32_t *at);

#endif
