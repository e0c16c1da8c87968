/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * helpers.h - what eBPF programs may call, by our numbers (enum bpf_call)
 *
 * Context: of the run. Callers: the table of load.c.
 */
#ifndef S7_BPF_HELPERS_H
#define S7_BPF_HELPERS_H

#include "stack/bpf/bpf.h"

#define BPF_HELPER(name) \
	uint64_t name(S7_UNUSED uint64_t a, S7_UNUSED uint64_t b, S7_UNUSED uint64_t c, \
		      S7_UNUSED uint64_t d, S7_UNUSED uint64_t e, S7_UNUSED struct bpf_view *view)

BPF_HELPER(help_map_lookup);
BPF_HELPER(help_map_update);
BPF_HELPER(help_map_delete);
BPF_HELPER(help_map_push);
BPF_HELPER(help_map_pop);
BPF_HELPER(help_map_peek);
BPF_HELPER(help_ktime);
BPF_HELPER(help_ktime_boot);
BPF_HELPER(help_ktime_coarse);
BPF_HELPER(help_prandom);
BPF_HELPER(help_cpu);
BPF_HELPER(help_numa_node);
BPF_HELPER(help_printk);
BPF_HELPER(help_load_bytes);
BPF_HELPER(help_load_bytes_relative);
BPF_HELPER(help_socket_cookie);
BPF_HELPER(help_socket_uid);
BPF_HELPER(help_select_reuseport);
BPF_HELPER(help_strncmp);
BPF_HELPER(help_tail);
BPF_HELPER(help_tail_inside);

#endif
