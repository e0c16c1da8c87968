/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_sys.c - the few commands of bpf(2) that the silencer needs
 *
 * Idea: raw system calls rather than libbpf. Debian's static libbpf and libelf are not position
 * independent, so libbpf would be a shared object, with libelf and zlib, in every preloaded
 * program; it calls libc names that shim/ stands in front of; and own/disown run at every bind and
 * connect. Each attribute is zeroed as a whole, which is what lets an old kernel accept a younger
 * union. Context: any thread, no lock. Called by: silencer.c, silencer_tc.c.
 */
#include <errno.h>

#include "kern/bpf_sys.h"
#include "stack/base/sys.h"

#define LOAD_TRIES 5
#define TCX_INGRESS 46 /* BPF_TCX_INGRESS, younger than the oldest headers we build with */

/* The program uses bpf_fib_lookup, which the kernel gives to GPL-compatible programs only. */
static const char license[] = "Dual BSD/GPL";

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)s7_sys3(SYS_bpf, cmd, attr, sizeof(*attr));
}

static uint64_t address(const void *ptr)
{
	return (uintptr_t)ptr;
}

int bpf_map_make(const struct bpf_map_shape *shape)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = shape->type;
	attr.key_size = shape->key_bytes;
	attr.value_size = shape->value_bytes;
	attr.max_entries = shape->entries;
	attr.map_flags = shape->flags;
	strncpy(attr.map_name, shape->name, sizeof(attr.map_name) - 1);
	return bpf(BPF_MAP_CREATE, &attr);
}

static int map_access(enum bpf_cmd cmd, int map_fd, const void *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map_fd;
	attr.key = address(key);
	attr.value = address(value);
	return bpf(cmd, &attr);
}

int bpf_map_put(int map_fd, const void *key, const void *value)
{
	return map_access(BPF_MAP_UPDATE_ELEM, map_fd, key, value);
}

int bpf_map_take(int map_fd, const void *key)
{
	return map_access(BPF_MAP_DELETE_ELEM, map_fd, key, NULL);
}

int bpf_map_read(int map_fd, const void *key, void *ret_value)
{
	return map_access(BPF_MAP_LOOKUP_ELEM, map_fd, key, ret_value);
}

int bpf_prog_make(const char *name, const struct bpf_insn *insns, uint32_t count, char *log,
		  uint32_t log_bytes)
{
	union bpf_attr attr;
	int fd = -EAGAIN;

	/* A signal makes the verifier give up with EAGAIN. */
	for (int i = 0; fd == -EAGAIN && i < LOAD_TRIES; i++) {
		memset(&attr, 0, sizeof(attr));
		attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
		attr.insns = address(insns);
		attr.insn_cnt = count;
		attr.license = address(license);
		attr.log_buf = address(log);
		attr.log_size = log ? log_bytes : 0;
		attr.log_level = log ? 1 : 0;
		strncpy(attr.prog_name, name, sizeof(attr.prog_name) - 1);
		fd = bpf(BPF_PROG_LOAD, &attr);
	}
	return fd;
}

int bpf_tcx_attach(int prog_fd, int ifindex)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog_fd;
	attr.link_create.target_ifindex = (uint32_t)ifindex;
	attr.link_create.attach_type = TCX_INGRESS;
	return bpf(BPF_LINK_CREATE, &attr);
}

static int by_id(enum bpf_cmd cmd, uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_id = id; /* of one union with prog_id */
	return bpf(cmd, &attr);
}

int bpf_map_by_id(uint32_t id)
{
	return by_id(BPF_MAP_GET_FD_BY_ID, id);
}

int bpf_prog_by_id(uint32_t id)
{
	return by_id(BPF_PROG_GET_FD_BY_ID, id);
}

int bpf_info(int fd, void *ret_info, uint32_t bytes)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info = address(ret_info);
	attr.info.info_len = bytes;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}
