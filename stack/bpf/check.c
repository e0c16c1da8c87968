/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.c - is every instruction one that the engines know?
 *
 * One row an opcode says what its fields may hold. What memory a program touches is not judged here
 * (bpf.h says who did).
 * Callers: filter.c, prog loading, tests, before an engine sees a program.
 */
#include "stack/bpf/bpf.h"

#include <errno.h>

#include "stack/bpf/maps.h"

/* What an opcode has beside its code; dst is a register in all but those without. */
enum shape {
	S_NONE,
	S_ALU_K,   /* dst imm */
	S_ALU_X,   /* dst src */
	S_SHIFT32, /* dst imm < 32 */
	S_SHIFT64, /* dst imm < 64 */
	S_NEG,	   /* dst */
	S_END,	   /* dst, imm 16 32 64 */
	S_LOAD,	   /* dst [src + off] */
	S_STORE,   /* [dst + off] src */
	S_STORE_K, /* [dst + off] imm */
	S_ATOMIC,
	S_WIDE,	   /* dst, 64 bits over two instructions */
	S_ABS, S_IND,
	S_JUMP_A, S_JUMP_A32, S_JUMP_K, S_JUMP_X,
	S_CALL, S_EXIT,
};

#define BOTH(op) \
	[BPF_ALU | op | BPF_K] = S_ALU_K, [BPF_ALU | op | BPF_X] = S_ALU_X, \
	[BPF_ALU64 | op | BPF_K] = S_ALU_K, [BPF_ALU64 | op | BPF_X] = S_ALU_X
#define SHIFTS(op) \
	[BPF_ALU | op | BPF_K] = S_SHIFT32, [BPF_ALU | op | BPF_X] = S_ALU_X, \
	[BPF_ALU64 | op | BPF_K] = S_SHIFT64, [BPF_ALU64 | op | BPF_X] = S_ALU_X
#define IFS(op) \
	[BPF_JMP | op | BPF_K] = S_JUMP_K, [BPF_JMP | op | BPF_X] = S_JUMP_X, \
	[BPF_JMP32 | op | BPF_K] = S_JUMP_K, [BPF_JMP32 | op | BPF_X] = S_JUMP_X
#define SIZES(size) \
	[BPF_LDX | BPF_MEM | size] = S_LOAD, [BPF_STX | BPF_MEM | size] = S_STORE, \
	[BPF_ST | BPF_MEM | size] = S_STORE_K

static const uint8_t shapes[256] = {
	BOTH(BPF_ADD), BOTH(BPF_SUB), BOTH(BPF_MUL), BOTH(BPF_DIV), BOTH(BPF_MOD), BOTH(BPF_OR),
	BOTH(BPF_AND), BOTH(BPF_XOR), BOTH(BPF_MOV), SHIFTS(BPF_LSH), SHIFTS(BPF_RSH),
	SHIFTS(BPF_ARSH),
	[BPF_ALU | BPF_NEG] = S_NEG, [BPF_ALU64 | BPF_NEG] = S_NEG,
	[BPF_ALU | BPF_END | BPF_TO_LE] = S_END, [BPF_ALU | BPF_END | BPF_TO_BE] = S_END,
	[BPF_ALU64 | BPF_END | BPF_TO_LE] = S_END, /* swaps whatever the host's order is */
	SIZES(BPF_B), SIZES(BPF_H), SIZES(BPF_W), SIZES(BPF_DW),
	[BPF_LDX | BPF_MEMSX | BPF_B] = S_LOAD, [BPF_LDX | BPF_MEMSX | BPF_H] = S_LOAD,
	[BPF_LDX | BPF_MEMSX | BPF_W] = S_LOAD,
	[BPF_STX | BPF_ATOMIC | BPF_W] = S_ATOMIC, [BPF_STX | BPF_ATOMIC | BPF_DW] = S_ATOMIC,
	[BPF_LD | BPF_IMM | BPF_DW] = S_WIDE,
	[BPF_LD | BPF_ABS | BPF_B] = S_ABS, [BPF_LD | BPF_ABS | BPF_H] = S_ABS,
	[BPF_LD | BPF_ABS | BPF_W] = S_ABS, [BPF_LD | BPF_IND | BPF_B] = S_IND,
	[BPF_LD | BPF_IND | BPF_H] = S_IND, [BPF_LD | BPF_IND | BPF_W] = S_IND,
	[BPF_JMP | BPF_JA] = S_JUMP_A, [BPF_JMP32 | BPF_JA] = S_JUMP_A32,
	IFS(BPF_JEQ), IFS(BPF_JNE), IFS(BPF_JGT), IFS(BPF_JGE), IFS(BPF_JLT), IFS(BPF_JLE),
	IFS(BPF_JSET), IFS(BPF_JSGT), IFS(BPF_JSGE), IFS(BPF_JSLT), IFS(BPF_JSLE),
	[BPF_JMP | BPF_CALL] = S_CALL, [BPF_JMP | BPF_EXIT] = S_EXIT,
};

static bool atomic_ok(const struct bpf_insn *insn)
{
	switch (insn->imm) {
	case BPF_ADD: case BPF_AND: case BPF_OR: case BPF_XOR:
	case BPF_ADD | BPF_FETCH: case BPF_AND | BPF_FETCH: case BPF_OR | BPF_FETCH:
	case BPF_XOR | BPF_FETCH: case BPF_XCHG: case BPF_CMPXCHG:
		return true;
	default:
		return false;
	}
}

/* MOV with an offset extends a sign, DIV and MOD with one are signed (Linux 6.6). */
static bool alu_off_ok(const struct bpf_insn *insn)
{
	uint32_t op = BPF_OP(insn->code);

	if (!insn->off)
		return true;
	if (op == BPF_MOV && BPF_SRC(insn->code) == BPF_X)
		return insn->off == 8 || insn->off == 16 ||
		       (insn->off == 32 && BPF_CLASS(insn->code) == BPF_ALU64);
	return (op == BPF_DIV || op == BPF_MOD) && insn->off == 1;
}

static bool wide_ok(const struct bpf_insn *insn, uint32_t behind)
{
	bool of_map = insn->src_reg == BPF_PSEUDO_MAP_FD || insn->src_reg == BPF_PSEUDO_MAP_VALUE;

	return behind && (!insn->src_reg || (of_map && (uint32_t)insn->imm < BPF_SLOTS)) &&
	       !insn->off && !insn[1].code && !insn[1].dst_reg && !insn[1].src_reg && !insn[1].off;
}

static bool fields_ok(const struct bpf_insn *insn, uint32_t behind)
{
	switch (shapes[insn->code]) {
	case S_NONE:
		return false;
	case S_ALU_K:
		return alu_off_ok(insn) &&
			(insn->imm ||
			 (BPF_OP(insn->code) != BPF_DIV && BPF_OP(insn->code) != BPF_MOD));
	case S_ALU_X:
		return alu_off_ok(insn);
	case S_SHIFT32:
		return (uint32_t)insn->imm < 32;
	case S_SHIFT64:
		return (uint32_t)insn->imm < 64;
	case S_END:
		return insn->imm == 16 || insn->imm == 32 || insn->imm == 64;
	case S_ATOMIC:
		return atomic_ok(insn);
	case S_WIDE:
		return wide_ok(insn, behind);
	case S_CALL:
		return insn->src_reg == BPF_PSEUDO_CALL ||
		       (!insn->src_reg && (uint32_t)insn->imm < CALL_COUNT);
	default:
		return true;
	}
}

static bool writes_dst(uint8_t shape)
{
	return shape <= S_LOAD || shape == S_WIDE;
}

static bool registers_ok(const struct bpf_insn *insn)
{
	uint8_t shape = shapes[insn->code];

	if (insn->dst_reg > BPF_REG_10 || insn->src_reg > BPF_REG_10)
		return false;
	if (shape == S_ATOMIC && insn->imm & BPF_FETCH && insn->src_reg == BPF_REG_10)
		return false;
	return !writes_dst(shape) || insn->dst_reg != BPF_REG_10;
}

/* Where else than to the next instruction it leads; its own number: nowhere. */
static int64_t target_of(const struct bpf_insn *insn, uint32_t pc)
{
	uint8_t shape = shapes[insn->code];

	if (shape == S_JUMP_A32 || (shape == S_CALL && insn->src_reg == BPF_PSEUDO_CALL))
		return (int64_t)pc + 1 + insn->imm;
	if (shape >= S_JUMP_A && shape <= S_JUMP_X)
		return (int64_t)pc + 1 + insn->off;
	return pc;
}

/* The second half of a wide constant is no instruction: its code is 0, which no other has. */
static bool is_insn(const struct bpf_insn *insn)
{
	return insn->code != 0;
}

static uint32_t uses_of(const struct bpf_insn *insn)
{
	uint8_t shape = shapes[insn->code];
	uint32_t uses = 0;

	if (shape == S_ABS || shape == S_IND)
		uses |= BPF_USES_PACKET;
	if (shape == S_CALL)
		uses |= BPF_USES_CALL;
	if (insn->dst_reg == BPF_REG_10 || insn->src_reg == BPF_REG_10)
		uses |= BPF_USES_STACK;
	if (shape == S_CALL || (writes_dst(shape) && insn->dst_reg == BPF_REG_1) ||
	    (shape == S_ATOMIC && insn->imm & BPF_FETCH && insn->src_reg == BPF_REG_1))
		uses |= BPF_WRITES_R1;
	return uses;
}

static bool ends(const struct bpf_insn *insn)
{
	uint8_t shape = shapes[insn->code];

	return shape == S_EXIT || shape == S_JUMP_A || shape == S_JUMP_A32;
}

int bpf_check(const struct bpf_insn *insns, uint32_t count, uint32_t *ret_uses)
{
	uint32_t uses = 0, last = 0;

	if (!count || count > BPF_INSNS_MAX)
		return -EINVAL;
	for (uint32_t pc = 0; pc < count; pc++) {
		const struct bpf_insn *insn = &insns[pc];
		int64_t target;

		if (!fields_ok(insn, count - pc - 1) || !registers_ok(insn))
			return -EINVAL;
		target = target_of(insn, pc);
		if (target < 0 || target >= count || !is_insn(&insns[target]))
			return -EINVAL;
		uses |= uses_of(insn);
		last = pc;
		pc += shapes[insn->code] == S_WIDE;
	}
	if (!ends(&insns[last]))
		return -EINVAL;
	*ret_uses = uses;
	return 0;
}
