/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * silencer_prog.h - the silencer's BPF program and the layouts it shares with user space
 *
 * Private to kern/ and its tests.
 */
#ifndef S7_SILENCER_PROG_H
#define S7_SILENCER_PROG_H

#include <linux/bpf.h>

#include "stack/core/ip.h"

#define SILENCER_INSNS_MAX 512
#define SILENCER_STALE_NS (2 * S7_SEC) /* clsact: an older heartbeat lets everything pass */

/* Fits a __s32 immediate. */
static_assert(SILENCER_STALE_NS <= INT32_MAX, "the program compares with a 32-bit immediate");

/* Key of the map of owned endpoints, network order; the value is a byte, enum silencer_share. */
enum silencer_share {
	SILENCER_ALL = 1,
	/* TCP: all but who is new, and what the kernel has a connection for */
	SILENCER_REST = 2,
};

struct silencer_key {
	uint8_t ip[16]; /* IPv4 v4-mapped; any: ::ffff:0.0.0.0 or :: */
	uint16_t port;
	uint8_t proto;
	uint8_t pad;
};

static_assert(sizeof(struct silencer_key) == 20, "the program builds this key on its stack");

struct silencer_prog {
	uint32_t count;
	struct bpf_insn insn[SILENCER_INSNS_MAX];
};

/*
 * Writes the program. drops_fd is a per-CPU array of one u64; beat_fd an array of one u64
 * (CLOCK_MONOTONIC of the last heartbeat), or -1 for a program that needs none; bare: frames begin
 * at the IP header. 0, or -E2BIG (a mistake of ours).
 */
int silencer_prog_build(int map_fd, int drops_fd, int beat_fd, bool bare,
			struct silencer_prog *ret_prog);

#endif
