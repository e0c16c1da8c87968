// SPDX-License-Identifier: BSD-3-Clause
/* ebpf.c - see ebpf.h */
#include "test/diff/ebpf.h"

static const char license[] = "Dual BSD/GPL";
static char verifier[65536];

long ebpf_call(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int ebpf_map(uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags)
{
	union bpf_attr attr = { .map_type = type };

	attr.key_size = key;
	attr.value_size = value;
	attr.max_entries = entries;
	attr.map_flags = flags;
	return (int)ebpf_call(BPF_MAP_CREATE, &attr);
}

int ebpf_load_n(uint32_t type, const struct bpf_insn *insns, size_t n)
{
	union bpf_attr attr = { .prog_type = type };
	int fd;

	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uintptr_t)license;
	if (type == BPF_PROG_TYPE_SK_REUSEPORT)
		attr.expected_attach_type = BPF_SK_REUSEPORT_SELECT;
	fd = (int)ebpf_call(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		return fd;
	attr.log_buf = (uintptr_t)verifier;
	attr.log_size = sizeof(verifier);
	attr.log_level = 1;
	ebpf_call(BPF_PROG_LOAD, &attr);
	say("load: %s\n%s", err_name(errno), verifier);
	return fd;
}

static int element(int cmd, int map, const void *key, const void *value, uint64_t flags)
{
	union bpf_attr attr = { .map_fd = (uint32_t)map };

	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	attr.flags = flags;
	return (int)ebpf_call(cmd, &attr);
}

int ebpf_get(int map, const void *key, void *value)
{
	return element(BPF_MAP_LOOKUP_ELEM, map, key, value, 0);
}

int ebpf_put(int map, const void *key, const void *value, uint64_t flags)
{
	return element(BPF_MAP_UPDATE_ELEM, map, key, value, flags);
}

int ebpf_del(int map, const void *key)
{
	return element(BPF_MAP_DELETE_ELEM, map, key, NULL, 0);
}

long ebpf_count(int map, uint32_t key)
{
	long value;

	return ebpf_get(map, &key, &value) ? -1 : value;
}

int ebpf_attach(int fd, int prog)
{
	return set_int(fd, SOL_SOCKET, SO_ATTACH_BPF, prog);
}

void ebpf_received(int fd)
{
	static char buf[4096];
	long n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0)
		say_bytes("recv", buf, n);
	say("then %s", err_name(errno));
}
