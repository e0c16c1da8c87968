/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel.h - a classic program as the kernel's compiler runs it
 *
 * The kernel has no call that times a classic filter. So the program is written as the kernel
 * itself would translate it (a check of the length and a load for each absolute load, a helper for
 * each indirect one) and timed by BPF_PROG_TEST_RUN with `repeat`.
 */
#ifndef BENCH_FILTER_KERNEL_H
#define BENCH_FILTER_KERNEL_H

#include "stack/bpf/bpf.h"

/* `code`: the program in our machine's form. Returns a descriptor, or -errno. */
int kernel_load(const struct bpf_code *code);

/* A SOCKET_FILTER of eBPF as it is. A descriptor, or -errno. */
int kernel_load_ebpf(const struct bpf_insn *insns, uint32_t count);
/* An array of 64-bit values that can be mapped. */
int kernel_array(uint32_t entries);

/* Nanoseconds a run, and what it returns. */
double kernel_time(int fd, const void *packet, uint32_t len, uint32_t repeat,
		   uint32_t *ret_verdict);

#endif
