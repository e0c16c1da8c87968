/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * jit_x86_alu.c - arithmetic of the machine as x86-64 instructions
 *
 * 32-bit operations of x86 clear the upper half, as the machine's do. Shifts by a register want the
 * count in cl (R4 is rcx, so classic programs have it there), divisions want rax and rdx.
 * Division by 0 gives 0, modulo 0 the dividend; the signed forms treat -1 apart, since x86 traps
 * at the least number divided by it.
 * Callers: jit_x86_insn.c.
 */
#ifdef __x86_64__

#include "stack/bpf/jit_x86.h"

const uint8_t jit_reg[BPF_REG_10 + 1] = {
	RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP
};

/* What an operation of two registers is on x86; 0: something else. */
static const uint8_t simple_ops[16] = {
	[BPF_ADD >> 4] = OP_ADD, [BPF_SUB >> 4] = OP_SUB, [BPF_OR >> 4] = OP_OR,
	[BPF_AND >> 4] = OP_AND, [BPF_XOR >> 4] = OP_XOR,
};

static void mov_const(struct jit *j, bool wide, uint32_t to, int32_t imm)
{
	if (!imm) {
		emit_rr(j, false, OP_XOR, to, to);
	} else if (!wide || imm > 0) {
		emit_rex(j, false, 0, to, false);
		emit(j, 0xb8u | (to & 7));
		emit32(j, (uint32_t)imm);
	} else {
		emit_rex(j, true, 0, to, false);
		emit(j, 0xc7);
		emit(j, 0xc0u | (to & 7));
		emit32(j, (uint32_t)imm);
	}
}

/* MOV, with off: the sign of that many bits extended */
static void mov_reg(struct jit *j, bool wide, uint32_t to, uint32_t from, int32_t off)
{
	switch (off) {
	case 8:
		emit_rex(j, wide, to, from, true);
		emit_op(j, 0x0fbe);
		emit(j, 0xc0u | (to & 7) << 3 | (from & 7));
		break;
	case 16:
		emit_rr(j, wide, 0x0fbf, to, from);
		break;
	case 32:
		emit_rr(j, true, 0x63, to, from);
		break;
	default:
		if (to != from || !wide)
			emit_mov(j, wide, to, from);
	}
}

static void multiply(struct jit *j, bool wide, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg];

	if (BPF_SRC(insn->code) == BPF_X) {
		emit_rr(j, wide, 0x0faf, dst, jit_reg[insn->src_reg]);
		return;
	}
	emit_rr(j, wide, 0x69, dst, dst);
	emit32(j, (uint32_t)insn->imm);
}

/* ---- shifts ---- */

static uint32_t shift_number(uint32_t op)
{
	return op == BPF_LSH ? 4 : op == BPF_RSH ? 5 : 7;
}

static void shift(struct jit *j, bool wide, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg], src = jit_reg[insn->src_reg];
	uint32_t number = shift_number(BPF_OP(insn->code));

	if (BPF_SRC(insn->code) == BPF_K) {
		emit_rr(j, wide, 0xc1, number, dst);
		emit(j, (uint32_t)insn->imm);
	} else if (src == RCX) {
		emit_rr(j, wide, 0xd3, number, dst);
	} else if (dst == RCX) {
		emit_mov(j, true, R11, RCX);
		emit_mov(j, true, RCX, src);
		emit_rr(j, wide, 0xd3, number, R11);
		emit_mov(j, true, RCX, R11);
	} else {
		emit_mov(j, true, R11, RCX);
		emit_mov(j, true, RCX, src);
		emit_rr(j, wide, 0xd3, number, dst);
		emit_mov(j, true, RCX, R11);
	}
}

/* ---- division ---- */

/* The number and shift by which `(n * number) >> shift` is n / d, for every n of 32 bits. */
struct reciprocal {
	uint32_t number, shift;
};

/*
 * False: the number would have 33 bits (7 is the least such divisor), or the shift be the whole
 * product.
 */
static bool reciprocal_of(uint32_t d, struct reciprocal *ret)
{
	uint32_t bits = 32 - (uint32_t)__builtin_clz(d - 1);

	/* the least shift that does: m = ceil(2^shift / d), off by less than 2^(shift - 32) */
	for (uint32_t shift = 32; shift <= s7_min(32 + bits, 63u); shift++) {
		uint64_t power = 1ull << shift, m = power / d + 1;

		if (m > UINT32_MAX)
			return false;
		if (m * d - power > power >> 32)
			continue;
		*ret = (struct reciprocal){ (uint32_t)m, shift };
		return true;
	}
	return false;
}

/*
 * By a constant, without a sign, in 32 bits: `cpu % workers` is what programs divide for, and a
 * division is as long as all the rest of such a program. True: done.
 */
static bool divide_by_const(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg], d = (uint32_t)insn->imm;
	bool modulo = BPF_OP(insn->code) == BPF_MOD;
	struct reciprocal by;

	if (d < 2)
		return false;
	if (!(d & (d - 1)) && modulo) {
		emit_ri(j, false, OP_AND, dst, (int32_t)(d - 1));
		return true;
	}
	if (!(d & (d - 1))) {
		emit_rr(j, false, 0xc1, 5, dst); /* shr */
		emit(j, (uint32_t)__builtin_ctz(d));
		return true;
	}
	if (!reciprocal_of(d, &by))
		return false;
	emit_mov(j, false, dst, dst);
	mov_const(j, false, R11, (int32_t)by.number);
	emit_rr(j, true, 0x0faf, R11, dst);
	emit_rr(j, true, 0xc1, 5, R11);
	emit(j, by.shift);
	if (!modulo) {
		emit_mov(j, false, dst, R11);
		return true;
	}
	emit_rr(j, false, 0x69, R11, R11);
	emit32(j, d);
	emit_rr(j, false, OP_SUB, R11, dst);
	return true;
}

/* dst by r11, which is neither 0 nor, if signed, -1 */
static void divide_plain(struct jit *j, bool wide, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg];
	bool modulo = BPF_OP(insn->code) == BPF_MOD;

	if (dst != RAX)
		emit_push(j, RAX);
	if (dst != RDX)
		emit_push(j, RDX);
	if (dst != RAX)
		emit_mov(j, true, RAX, dst);
	if (insn->off) {
		emit_rex(j, wide, 0, 0, false);
		emit(j, 0x99); /* cdq, cqo */
	} else {
		emit_rr(j, false, OP_XOR, RDX, RDX);
	}
	emit_rr(j, wide, 0xf7, insn->off ? 7 : 6, R11);
	emit_mov(j, wide, R11, modulo ? RDX : RAX);
	if (dst != RDX)
		emit_pop(j, RDX);
	if (dst != RAX)
		emit_pop(j, RAX);
	emit_mov(j, wide, dst, R11);
}

static void divide_by_0(struct jit *j, bool wide, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg];

	if (BPF_OP(insn->code) == BPF_DIV)
		emit_rr(j, false, OP_XOR, dst, dst);
	else if (!wide)
		emit_mov(j, false, dst, dst);
}

static void divide_by_minus_1(struct jit *j, bool wide, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg];

	if (BPF_OP(insn->code) == BPF_MOD)
		emit_rr(j, false, OP_XOR, dst, dst);
	else
		emit_rr(j, wide, 0xf7, 3, dst);
}

static void divide(struct jit *j, bool wide, const struct bpf_insn *insn)
{
	bool by_x = BPF_SRC(insn->code) == BPF_X;
	uint32_t done[2] = { 0, 0 }, next;

	if (!by_x && !wide && !insn->off && divide_by_const(j, insn))
		return;
	if (by_x)
		emit_mov(j, wide, R11, jit_reg[insn->src_reg]);
	else
		mov_const(j, wide, R11, insn->imm);
	if (by_x) {
		emit_rr(j, wide, OP_TEST, R11, R11);
		next = emit_jcc_later(j, CC_NE);
		divide_by_0(j, wide, insn);
		done[0] = emit_jmp_later(j);
		land_here(j, next);
	}
	if (insn->off) {
		emit_ri(j, wide, OP_CMP, R11, -1);
		next = emit_jcc_later(j, CC_NE);
		divide_by_minus_1(j, wide, insn);
		done[1] = emit_jmp_later(j);
		land_here(j, next);
	}
	divide_plain(j, wide, insn);
	for (int i = 0; i < 2; i++)
		if (done[i])
			land_here(j, done[i]);
}

/* ---- byte order ---- */

static void swap(struct jit *j, uint32_t dst, uint32_t bits)
{
	if (bits == 16) {
		emit(j, 0x66); /* rol r16, 8 */
		emit_rr(j, false, 0xc1, 0, dst);
		emit(j, 8);
		emit_rr(j, false, 0x0fb7, dst, dst);
		return;
	}
	emit_rex(j, bits == 64, 0, dst, false);
	emit(j, 0x0f);
	emit(j, 0xc8u | (dst & 7));
}

static void byte_order(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg];

	if (BPF_CLASS(insn->code) == BPF_ALU64 || BPF_SRC(insn->code) == BPF_TO_BE)
		swap(j, dst, (uint32_t)insn->imm);
	else if (insn->imm == 16)
		emit_rr(j, false, 0x0fb7, dst, dst);
	else if (insn->imm == 32)
		emit_mov(j, false, dst, dst);
}

void jit_alu(struct jit *j, const struct bpf_insn *insn)
{
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64, by_x = BPF_SRC(insn->code) == BPF_X;
	uint32_t dst = jit_reg[insn->dst_reg], src = jit_reg[insn->src_reg];

	switch (BPF_OP(insn->code)) {
	case BPF_MOV:
		if (by_x)
			mov_reg(j, wide, dst, src, insn->off);
		else
			mov_const(j, wide, dst, insn->imm);
		break;
	case BPF_MUL:
		multiply(j, wide, insn);
		break;
	case BPF_DIV:
	case BPF_MOD:
		divide(j, wide, insn);
		break;
	case BPF_LSH:
	case BPF_RSH:
	case BPF_ARSH:
		shift(j, wide, insn);
		break;
	case BPF_NEG:
		emit_rr(j, wide, 0xf7, 3, dst);
		break;
	case BPF_END:
		byte_order(j, insn);
		break;
	default:
		if (by_x)
			emit_rr(j, wide, simple_ops[BPF_OP(insn->code) >> 4], src, dst);
		else
			emit_ri(j, wide, simple_ops[BPF_OP(insn->code) >> 4], dst, insn->imm);
	}
}

#endif
