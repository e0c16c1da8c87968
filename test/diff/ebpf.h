/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ebpf.h - eBPF programs of the cases: instructions, maps and programs by bpf(2)
 */
#ifndef S7_TEST_DIFF_EBPF_H
#define S7_TEST_DIFF_EBPF_H

#include <linux/bpf.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "test/diff/diff.h"

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68/* SO_ATTACH_BPF */
int ebpf_attach(int fd, int prog);
/* Every datagram that is there, and why there is no other. */
void ebpf_received(int fd);

#endif

#define I(op, d, s, o, k) \
	((struct bpf_insn){ .code = (op), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (k) })
#define MOV(d, k) I(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, k)
#define MOVX(d, s) I(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD(d, k) I(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, k)
#define AND(d, k) I(BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, k)
#define LDX(size, d, s, o) I(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STX(size, d, s, o) I(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define ST(size, d, o, k) I(BPF_ST | BPF_MEM | (size), d, 0, o, k)
#define LOCK_ADD(size, d, s, o) I(BPF_STX | BPF_ATOMIC | (size), d, s, o, BPF_ADD)
#define JEQ(d, k, o) I(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, k)
#define JNE(d, k, o) I(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, k)
#define JA(o) I(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define CALL(f) I(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##f)
#define CALL_LOCAL(o) I(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, o)
#define EXIT I(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LD_MAP(d, fd) I(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP_FD, 0, fd), I(0, 0, 0, 0, 0)
#define LD_VALUE(d, fd, at) \
	I(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP_VALUE, 0, fd), I(0, 0, 0, 0, at)
/* R0 = bytes of the packet; R6 holds the context */
#define LD_BYTE(k) I(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, k)
#define FIELD(name) ((int16_t)offsetof(struct __sk_buff, name))

long ebpf_call(int cmd, union bpf_attr *attr);
int ebpf_map(uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags);
/* A descriptor; says what the verifier says when it does not like it. */
int ebpf_load_n(uint32_t type, const struct bpf_insn *insns, size_t n);
#define EBPF_INSNS(...) ((struct bpf_insn[]){ __VA_ARGS__ })
#define EBPF_LOAD(type, ...) \
	ebpf_load_n(BPF_PROG_TYPE_##type, EBPF_INSNS(__VA_ARGS__), COUNT(EBPF_INSNS(__VA_ARGS__)))

int ebpf_get(int map, const void *key, void *value);
int ebpf_put(int map, const void *key, const void *value, uint64_t flags);
int ebpf_del(int map, const void *key);
/* The value of 64 bits at a key of 32, or -1. */
long ebpf_count(int map, uint32_t key);
/* SO_ATTACH_BPF */
int ebpf_attach(int fd, int prog);
/* Every datagram that is there, and why there is no other. */
void ebpf_received(int fd);

#endif
