/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * jit_x86.h - what the files of the x86-64 engine share: registers and the bytes of instructions
 *
 *   R0 rax   R1 rdi   R2 rsi   R3 rdx   R4 rcx   R5 r8     (spoilt by calls, their arguments)
 *   R6 rbx   R7 r13   R8 r14   R9 r15   R10 rbp            (saved if used)
 *   r9 data of the packet   r10d its head   r11 scratch   r12 the view, where R1 is not
 *   r10 the maps, in programs that neither load from the packet nor call helpers
 * Functions that the program calls have a frame as the program itself; r9, r10 and r12 are all's.
 */
#ifndef S7_JIT_X86_H
#define S7_JIT_X86_H

#include "stack/bpf/jit.h"

enum x86_reg {
	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15
};

/* of 0F 8x and 7x */
enum x86_cc {
	CC_B = 2, CC_AE = 3, CC_E = 4, CC_NE = 5, CC_BE = 6, CC_A = 7, CC_S = 8, CC_L = 12,
	CC_GE = 13, CC_LE = 14, CC_G = 15
};

/*
 * opcodes of "op r/m, r"; their form with a constant has the number in bits 3..5 of the ModRM byte
 */
enum x86_op {
	OP_ADD = 0x01, OP_OR = 0x09, OP_AND = 0x21, OP_SUB = 0x29, OP_XOR = 0x31, OP_CMP = 0x39,
	OP_TEST = 0x85, OP_MOV = 0x89
};

struct jit {
	const struct bpf_code *code;
	uint8_t *out;  /* NULL: only measuring */
	uint32_t room; /* bytes beyond it are counted, not written */
	uint32_t n;    /* bytes so far */
	uint32_t *at;  /* where each instruction begins: of the last pass, then of this */
	uint32_t end;  /* of the instructions in the last pass; the parts behind follow */
	uint32_t loads; /* LD_ABS and LD_IND so far */
	uint32_t loads_all;
	uint32_t func; /* next of code->funcs */
	uint8_t view;  /* register */
	uint8_t saved; /* bits: RBX R12..R15 in this order */
	uint16_t stack; /* bytes below rbp */
	bool frame, far_jumps;
	bool maps; /* in r10 */
};

/* A helper that is no call: a lookup in an array whose values are mapped. */
static inline bool jit_in_line(const struct bpf_insn *insn)
{
	return insn->imm == CALL_MAP_LOOKUP && insn->off;
}

static inline void emit(struct jit *j, uint32_t byte)
{
	if (j->out && j->n < j->room)
		j->out[j->n] = (uint8_t)byte;
	j->n++;
}

static inline void emit32(struct jit *j, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		emit(j, value >> (8 * i));
}

/* 0F xx are given as 0x0fxx. */
static inline void emit_op(struct jit *j, uint32_t op)
{
	if (op > 0xff)
		emit(j, op >> 8);
	emit(j, op);
}

/* force: also where it says nothing: byte registers beyond bl need one. */
static inline void emit_rex(struct jit *j, bool wide, uint32_t reg, uint32_t rm, bool force)
{
	uint32_t rex = 0x40u | (uint32_t)wide << 3 | reg >> 3 << 2 | rm >> 3;

	if (rex != 0x40 || force)
		emit(j, rex);
}

/* op rm, reg - both registers */
static inline void emit_rr(struct jit *j, bool wide, uint32_t op, uint32_t reg, uint32_t rm)
{
	emit_rex(j, wide, reg, rm, false);
	emit_op(j, op);
	emit(j, 0xc0u | (reg & 7) << 3 | (rm & 7));
}

/* ModRM (and SIB) of [base + disp] */
static inline void emit_mem(struct jit *j, uint32_t reg, uint32_t base, int32_t disp)
{
	bool short_disp = disp >= -128 && disp <= 127, none = !disp && (base & 7) != RBP;
	uint32_t mod = none ? 0x00 : short_disp ? 0x40 : 0x80;

	emit(j, mod | (reg & 7) << 3 | (base & 7));
	if ((base & 7) == RSP)
		emit(j, 0x24);
	if (none)
		return;
	if (short_disp)
		emit(j, (uint32_t)disp);
	else
		emit32(j, (uint32_t)disp);
}

/* op reg, [base + disp], or the other way round, as op says */
static inline void emit_rm(struct jit *j, bool wide, uint32_t op, uint32_t reg, uint32_t base,
			   int32_t disp)
{
	emit_rex(j, wide, reg, base, false);
	emit_op(j, op);
	emit_mem(j, reg, base, disp);
}

/* op rm, constant (sign-extended), for the ops of enum x86_op but MOV and TEST */
static inline void emit_ri(struct jit *j, bool wide, enum x86_op op, uint32_t rm, int32_t imm)
{
	bool byte = imm >= -128 && imm <= 127;

	emit_rex(j, wide, 0, rm, false);
	emit(j, byte ? 0x83 : 0x81);
	emit(j, 0xc0u | (op & 0x38) | (rm & 7));
	if (byte)
		emit(j, (uint32_t)imm);
	else
		emit32(j, (uint32_t)imm);
}

static inline void emit_mov(struct jit *j, bool wide, uint32_t to, uint32_t from)
{
	emit_rr(j, wide, OP_MOV, from, to);
}

static inline void emit_push(struct jit *j, uint32_t reg)
{
	emit_rex(j, false, 0, reg, false);
	emit(j, 0x50u | (reg & 7));
}

static inline void emit_pop(struct jit *j, uint32_t reg)
{
	emit_rex(j, false, 0, reg, false);
	emit(j, 0x58u | (reg & 7));
}

/* Jumps to a place of this pass's or the last one's numbering. */
static inline void emit_jmp_far(struct jit *j, uint32_t to)
{
	emit(j, 0xe9);
	emit32(j, to - (j->n + 4));
}

static inline void emit_jcc_far(struct jit *j, enum x86_cc cc, uint32_t to)
{
	emit(j, 0x0f);
	emit(j, 0x80u | cc);
	emit32(j, to - (j->n + 4));
}

static inline bool is_near(const struct jit *j, uint32_t to)
{
	int32_t rel = (int32_t)(to - (j->n + 2));

	return !j->far_jumps && rel >= -128 && rel <= 127;
}

static inline void emit_jmp(struct jit *j, uint32_t to)
{
	if (!is_near(j, to)) {
		emit_jmp_far(j, to);
		return;
	}
	emit(j, 0xeb);
	emit(j, to - (j->n + 1));
}

static inline void emit_jcc(struct jit *j, enum x86_cc cc, uint32_t to)
{
	if (!is_near(j, to)) {
		emit_jcc_far(j, cc, to);
		return;
	}
	emit(j, 0x70u | cc);
	emit(j, to - (j->n + 1));
}

/* A short jump to a place not yet known; land_here() fills it in. */
static inline uint32_t emit_jcc_later(struct jit *j, enum x86_cc cc)
{
	emit(j, 0x70u | cc);
	emit(j, 0);
	return j->n;
}

static inline uint32_t emit_jmp_later(struct jit *j)
{
	emit(j, 0xeb);
	emit(j, 0);
	return j->n;
}

static inline void land_here(struct jit *j, uint32_t from)
{
	if (j->out && from <= j->room)
		j->out[from - 1] = (uint8_t)(j->n - from);
}

/* ---- jit_x86.c: the parts around the instructions ---- */

/* Bytes of the entry of a function that the program calls. */
uint32_t jit_entry_bytes(const struct jit *j);
/* Leaves the program, or the function, with R0. */
void jit_exit(struct jit *j, bool is_last);
/* Where the slow way of the n-th load begins, and where a load beyond the packet ends. */
uint32_t jit_stub_at(const struct jit *j, uint32_t n);
/* data and head into their registers */
void jit_packet_regs(struct jit *j);

/* ---- jit_x86_alu.c, jit_x86_insn.c ---- */

extern const uint8_t jit_reg[BPF_REG_10 + 1];

void jit_alu(struct jit *j, const struct bpf_insn *insn);
/* Any other. Returns how many instructions it was (a wide constant: 2). */
uint32_t jit_insn(struct jit *j, uint32_t pc);

#endif
