/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mini_ebpf.h - eBPF programs on a mini instance: how they are written, a host whose maps are plain
 * memory and whose programs are a table
 */
#ifndef S7_TEST_MINI_EBPF_H
#define S7_TEST_MINI_EBPF_H

#include <errno.h>

#include "stack/bpf/area.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/filter.h"
#include "stack/bpf/tail.h"
#include "test/support/insns.h"
#include "test/support/mini_both.h"

#define ADD(d, k) I(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, k)
#define CALL(f) I(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##f)
#define LOCAL(o) I(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, o)
#define JEQ(d, k, o) I(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, k)
#define LD_BYTE(k) I(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, k)
#define WIDE(d, kind, k, at) I(BPF_LD | BPF_IMM | BPF_DW, d, kind, 0, k), I(0, 0, 0, 0, at)
#define MAP(d, n) WIDE(d, BPF_PSEUDO_MAP_FD, n, 0)
#define LEN ((int16_t)offsetof(struct __sk_buff, len))

/* ---- a host whose maps are memory ---- */

#define VALUES 4

static uint64_t values[2][VALUES][2]; /* stride 16 */
static struct bpf_map_here here[BPF_SLOTS];
static bool refuse;
static uint32_t opened, closed, ended;

static bool map_open(struct s7_inst *inst, uint32_t slot)
{
	const struct ebpf_map *shape = &inst->filters->maps[slot].shape;

	if (refuse)
		return false;
	opened++;
	here[slot].id = shape->id;
	here[slot].mem = (char *)values[shape->id - 1];
	return true;
}

static void map_close(struct s7_inst *inst, uint32_t slot)
{
	(void)inst;
	closed++;
	here[slot].id = 0;
}

static void *map_lookup(struct s7_inst *inst, uint32_t slot, const void *key)
{
	uint32_t index = *(const uint32_t *)key;

	(void)inst;
	return index < VALUES ? here[slot].mem + index * 16 : NULL;
}

static void run_end(struct s7_inst *inst)
{
	(void)inst;
	ended++;
}

/* Programs by number, and what the map of programs has at its places. */
#define PROGS 128

static const struct ebpf_prog *progs[PROGS];
static uint32_t places[PROGS];
static uint32_t taken, given;

static int prog_by_id(uint32_t id, const struct ebpf_prog **ret_prog)
{
	if (id >= PROGS || !progs[id])
		return -EINVAL;
	*ret_prog = progs[id];
	taken++;
	return 0;
}

static void prog_put(const struct ebpf_prog *prog)
{
	(void)prog;
	given++;
}

static int64_t map_prog(struct s7_inst *inst, uint32_t slot, uint32_t index)
{
	(void)inst;
	cr_assert_eq(inst->filters->maps[slot].shape.type, BPF_MAP_TYPE_PROG_ARRAY);
	return index < PROGS && places[index] ? (int64_t)places[index] : -ENOENT;
}

static const struct s7_bpf_host bpf_host_ops = {
	.map_open = map_open, .map_close = map_close, .map_lookup = map_lookup, .run_end = run_end,
	.map_prog = map_prog, .prog_by_id = prog_by_id, .prog_put = prog_put,
};

static struct mini *open_mini(bool native)
{
	static struct s7_host_ops host;
	struct mini *m = both_new(native);

	host = *m->inst->env->host;
	host.bpf = &bpf_host_ops;
	m->env.host = &host;
	m->env.maps[0] = here;
	memset(here, 0, sizeof(here));
	memset(values, 0, sizeof(values));
	opened = closed = ended = taken = given = 0;
	return m;
}

static void close_mini(struct mini *m)
{
	cr_expect_eq(m->inst->filters->used, 0);
	for (uint32_t i = 0; i < BPF_SLOTS; i++)
		cr_expect_eq(m->inst->filters->maps[i].refs, 0);
	cr_assert_eq(mini_free(m), 0);
}
static struct ebpf_prog prog_of(const struct bpf_insn *insns, uint32_t count)
{
	struct ebpf_prog prog = { .type = BPF_PROG_TYPE_SOCKET_FILTER, .count = count,
				  .insns = insns, .map_count = 2 };

	for (uint32_t i = 0; i < 2; i++)
		prog.maps[i] = (struct ebpf_map){ .id = i + 1, .type = BPF_MAP_TYPE_ARRAY,
						  .key_bytes = 4, .value_bytes = 12,
						  .entries = VALUES, .direct = true };
	return prog;
}

#define INSNS(...) ((struct bpf_insn[]){ __VA_ARGS__ })
#define PROG(...) prog_of(INSNS(__VA_ARGS__), (uint32_t)S7_ARRAY_LEN(INSNS(__VA_ARGS__)))

/* One datagram of two bytes: how many of them are kept; -1: none came. */
static int kept(struct mini *m, struct s7_sock *sk, const char *data)
{
	ssize_t n;
	char buf[8];

	mini_in_udp(m, 7, 53, data, 2);
	n = take(sk, buf, sizeof(buf));
	return n == -EAGAIN ? -1 : (int)n;
}

#endif
