/* SPDX-License-Identifier: BSD-3-Clause */
/* insns.h - eBPF instructions as tests write them */
#ifndef S7_TEST_INSNS_H
#define S7_TEST_INSNS_H

#include <linux/bpf.h>

#define I(c, d, s, o, i) \
	((struct bpf_insn){ \
		.code = (uint8_t)(c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define EXIT I(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MOV(d, k) I(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, k)
#define MOVX(d, s) I(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define LDX(size, d, s, o) I(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STX(size, d, s, o) I(BPF_STX | BPF_MEM | (size), d, s, o, 0)

#endif
