/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpfgen.h - random filter programs, for tests that compare engines with each other and the kernel
 *
 * A generator draws from a stream of numbers (a seed, or a fuzzer's input), so that a program can
 * be made again.
 */
#ifndef S7_TEST_BPFGEN_H
#define S7_TEST_BPFGEN_H

#include "stack/bpf/bpf.h"

struct bpfgen {
	uint64_t state;
};

static inline uint32_t gen_next(struct bpfgen *gen)
{
	gen->state = gen->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(gen->state >> 32);
}

static inline uint32_t gen_below(struct bpfgen *gen, uint32_t n)
{
	return (uint32_t)((uint64_t)gen_next(gen) * n >> 32);
}

/* A number of the kind that finds mistakes. */
uint32_t gen_number(struct bpfgen *gen);

/*
 * A classic program of 1..most instructions. Most are such that Linux takes them; some have one
 * field broken. Random numbers (SKF_AD_RANDOM) are left out: nobody can compare them.
 */
uint32_t gen_classic(struct bpfgen *gen, struct sock_filter *prog, uint32_t most);

/*
 * Arithmetic and jumps over random registers, memory of the stack, a function that may be called;
 * R0 is a mix of all in the end. The kernel's verifier takes it. At most GEN_MACHINE_INSNS
 * instructions.
 */
#define GEN_MACHINE_INSNS 400
uint32_t gen_machine(struct bpfgen *gen, struct bpf_insn *prog);

#endif
