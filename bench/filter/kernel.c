/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel.c - see kernel.h
 *
 * Registers: A is R0, X is R9 (a helper spoils R4), the context R6, data R7, its end R8.
 */
#include "bench/filter/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROOM 65536
#define EACH 8 /* instructions that one becomes at most */

struct out {
	struct bpf_insn insn[ROOM];
	uint32_t n;
	uint32_t at[ROOM / EACH];
};

static void put(struct out *out, uint32_t code, uint32_t dst, uint32_t src, int32_t off,
		int32_t imm)
{
	out->insn[out->n++] = (struct bpf_insn){ .code = (uint8_t)code, .dst_reg = dst & 15,
						 .src_reg = src & 15, .off = (int16_t)off,
						 .imm = imm };
}

static uint32_t renamed(uint32_t reg)
{
	return reg == BPF_REG_4 ? BPF_REG_9 : reg;
}

/* Out of the packet: the program ends with 0. */
static void load_abs(struct out *out, const struct bpf_insn *insn)
{
	uint32_t size = bpf_size_bytes(insn->code);

	put(out, BPF_ALU64 | BPF_MOV | BPF_X, 5, 7, 0, 0);
	put(out, BPF_ALU64 | BPF_ADD | BPF_K, 5, 0, 0, insn->imm + (int32_t)size);
	put(out, BPF_JMP | BPF_JLE | BPF_X, 5, 8, 2, 0);
	put(out, BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 0);
	put(out, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	put(out, BPF_LDX | BPF_MEM | BPF_SIZE(insn->code), 0, 7, insn->imm, 0);
	if (size > 1)
		put(out, BPF_ALU | BPF_END | BPF_TO_BE, 0, 0, 0, (int32_t)size * 8);
}

static void one(struct out *out, const struct bpf_insn *insn, uint32_t pc)
{
	uint32_t class = BPF_CLASS(insn->code);

	if (insn->code == (BPF_LDX | BPF_MEM | BPF_W) && insn->src_reg == BPF_REG_1) {
		if (insn->off != offsetof(struct bpf_view, cpu)) {
			fprintf(stderr, "a field that this bench does not know\n");
			exit(1);
		}
		put(out, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_smp_processor_id);
	} else if (class == BPF_LD && BPF_MODE(insn->code) == BPF_ABS) {
		load_abs(out, insn);
	} else if ((class == BPF_JMP || class == BPF_JMP32) && insn->code != (BPF_JMP | BPF_EXIT)) {
		put(out, insn->code, insn->dst_reg, renamed(insn->src_reg), 0, insn->imm);
		/* where to is known when all is placed: noted in the offset */
		out->insn[out->n - 1].off = (int16_t)(pc + 1 + (uint32_t)(int32_t)insn->off);
	} else {
		put(out, insn->code, renamed(insn->dst_reg), renamed(insn->src_reg), insn->off,
		    insn->imm);
	}
}

static bool was_jump(const struct bpf_insn *insn)
{
	return (BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32) &&
	       insn->code != (BPF_JMP | BPF_EXIT) && insn->code != (BPF_JMP | BPF_CALL);
}

static void translate(struct out *out, const struct bpf_code *code)
{
	put(out, BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0);
	put(out, BPF_LDX | BPF_MEM | BPF_W, 7, 1, offsetof(struct __sk_buff, data), 0);
	put(out, BPF_LDX | BPF_MEM | BPF_W, 8, 1, offsetof(struct __sk_buff, data_end), 0);
	put(out, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	for (uint32_t pc = 0; pc < code->count; pc++) {
		out->at[pc] = out->n;
		one(out, &code->insns[pc], pc);
	}
	for (uint32_t pc = 0; pc < code->count; pc++) {
		struct bpf_insn *insn = &out->insn[out->at[pc]];

		if (was_jump(&code->insns[pc]))
			insn->off = (int16_t)(out->at[insn->off] - out->at[pc] - 1);
	}
}

static long bpf_call(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int kernel_load(const struct bpf_code *code)
{
	static const char license[] = "BSD";
	static struct out out;
	static char log[65536];
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SCHED_CLS };
	long fd;

	memset(&out, 0, sizeof(out));
	translate(&out, code);
	attr.insns = (uintptr_t)out.insn;
	attr.insn_cnt = out.n;
	attr.license = (uintptr_t)license;
	fd = bpf_call(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		return (int)fd;
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	fd = bpf_call(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		fprintf(stderr, "%s\n", log);
	return fd < 0 ? -errno : (int)fd;
}

int kernel_load_ebpf(const struct bpf_insn *insns, uint32_t count)
{
	static const char license[] = "BSD";
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER };
	long fd;

	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = count;
	attr.license = (uintptr_t)license;
	fd = bpf_call(BPF_PROG_LOAD, &attr);
	return fd < 0 ? -errno : (int)fd;
}

int kernel_array(uint32_t entries)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY };
	long fd;

	attr.key_size = 4;
	attr.value_size = 8;
	attr.max_entries = entries;
	attr.map_flags = BPF_F_MMAPABLE;
	fd = bpf_call(BPF_MAP_CREATE, &attr);
	return fd < 0 ? -errno : (int)fd;
}

double kernel_time(int fd, const void *packet, uint32_t len, uint32_t repeat, uint32_t *ret_verdict)
{
	union bpf_attr attr = { .test = { .prog_fd = (uint32_t)fd, .repeat = repeat } };
	struct timespec from, to;
	double took;

	attr.test.data_in = (uintptr_t)packet;
	attr.test.data_size_in = len;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	if (bpf_call(BPF_PROG_TEST_RUN, &attr))
		return -1;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	*ret_verdict = attr.test.retval;
	took = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	return took / repeat;
}
