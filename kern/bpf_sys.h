/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_sys.h - the few commands of bpf(2) that the silencer needs
 *
 * Private to kern/ and its tests. Descriptors are close-on-exec (the kernel makes them so). All
 * return >= 0 or -errno and leave errno alone.
 */
#ifndef S7_BPF_SYS_H
#define S7_BPF_SYS_H

#include <linux/bpf.h>

#include "stack/base/base.h"

struct bpf_map_shape {
	const char *name; /* at most 15 characters */
	enum bpf_map_type type;
	uint32_t key_bytes, value_bytes, entries, flags;
};

int bpf_map_make(const struct bpf_map_shape *shape);
int bpf_map_put(int map_fd, const void *key, const void *value);
int bpf_map_take(int map_fd, const void *key);
int bpf_map_read(int map_fd, const void *key, void *ret_value);

/* A SCHED_CLS program; `log` (may be NULL) takes the verifier's words. */
int bpf_prog_make(const char *name, const struct bpf_insn *insns, uint32_t count, char *log,
		  uint32_t log_bytes);

/* Attached to TCX ingress until the last descriptor of the link is closed. */
int bpf_tcx_attach(int prog_fd, int ifindex);

int bpf_map_by_id(uint32_t id);
int bpf_prog_by_id(uint32_t id);
/* struct bpf_map_info or bpf_prog_info. */
int bpf_info(int fd, void *ret_info, uint32_t bytes);

#endif
