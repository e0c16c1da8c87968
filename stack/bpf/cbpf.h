/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cbpf.h - classic BPF: what Linux accepts, and its translation
 *
 * Pure and total: any array of struct sock_filter may be asked about.
 */
#ifndef S7_CBPF_H
#define S7_CBPF_H

#include "stack/bpf/bpf.h"

/* Instructions that one classic instruction becomes at most, and what comes in front of all. */
#define CBPF_INSNS_EACH 7
#define CBPF_INSNS_EXTRA 2

/* Would Linux attach it? 0, -EINVAL. */
int cbpf_check(const struct sock_filter *prog, uint32_t len);

/*
 * Translates a checked program. `room` has place for CBPF_INSNS_EACH * len + CBPF_INSNS_EXTRA,
 * `at` for len words. ret_code->insns is room.
 */
void cbpf_translate(const struct sock_filter *prog, uint32_t len, struct bpf_insn *room,
		    uint32_t *at, struct bpf_code *ret_code);

#endif
