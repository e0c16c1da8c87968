/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf.h - eBPF programs of the process: what it loaded, and its maps (docs/filters.md)
 *
 * calls_bpf.c sees bpf(2) go by, bpf_prog.c remembers programs, bpf_map.c reads and writes maps for
 * programs that run on the stack.
 */
#ifndef S7_SHIM_BPF_H
#define S7_SHIM_BPF_H

#include <linux/bpf.h>

#include "shim/internal.h"
#include "stack/bpf/ebpf.h"

static inline long bpf_sys(int cmd, union bpf_attr *attr)
{
	return s7_sys3(SYS_bpf, cmd, attr, sizeof(*attr));
}

/*
 * bpf_prog.c: whether the kernel has none of that number; BPF_PROG_GET_FD_BY_ID or its like of
 * maps.
 */
bool bpf_is_gone(int fd_by_id, uint32_t id);

/* BPF_OBJ_GET_INFO_BY_FD of a map or a program. 0, -errno. */
int bpf_info_of(int fd, void *ret_info, uint32_t bytes);

/* ---- calls_bpf.c ---- */
long bpf_intercepted(long cmd, void *attr, long size); /* bpf(2); -errno */

/* ---- bpf_prog.c ---- */
/* The program was loaded as `attr` says: it is remembered if sockets could have it. */
void bpf_prog_note(int fd, const union bpf_attr *attr);
/* A descriptor of the map with this number that a remembered program has; -1: none. */
int bpf_prog_map_fd(uint32_t id);
/*
 * setsockopt names the program `val`. 0: it can run on the stack, or the kernel has something to
 * say first. -EINVAL: it cannot; `fd` as the log shall call the socket, -1: no line.
 */
int bpf_prog_judge(const void *val, socklen_t len, int fd);
int bpf_prog_judge_fd(int prog, int fd); /* the same of a descriptor of the program */
int bpf_prog_get(int fd, const struct ebpf_prog **ret_prog);
int bpf_prog_of_id(uint32_t id, const struct ebpf_prog **ret_prog);
void bpf_prog_put(const struct ebpf_prog *prog);
void bpf_forked(void);

static inline bool bpf_is_attach(int level, int name)
{
	return s7_unlikely(level == SOL_SOCKET &&
			   (name == SO_ATTACH_BPF || name == SO_ATTACH_REUSEPORT_EBPF));
}

/* ---- bpf_map.c ---- */
int bpf_map_boot(void); /* a step of the start */
extern const struct s7_bpf_host bpf_host;

#endif
