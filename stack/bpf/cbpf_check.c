/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cbpf_check.c - is it a classic program that Linux would run?
 *
 * The rules are Linux's, so that its errno is ours: known opcodes only; jumps go forward and stay
 * inside; constants of division and shift are in range; a word of M[] is read only where every way
 * there has written it; an absolute load beyond SKF_AD_OFF names a known ancillary value; the last
 * instruction returns.
 * Invariant behind M[]: jumps go forward alone, so one walk sees all ways to an instruction before
 * the instruction itself.
 * Callers: filter.c, and tests.
 */
#include "stack/bpf/cbpf.h"

#include <errno.h>

/* What is wrong with the constant of an instruction. */
enum rule { NOT_THERE, ANY, NOT_ZERO, SHIFT, WORD, LOAD, JUMP, BRANCH };

#define ALU(op) [BPF_ALU | BPF_##op | BPF_K] = ANY, [BPF_ALU | BPF_##op | BPF_X] = ANY
#define ALU_K(op, rule) [BPF_ALU | BPF_##op | BPF_K] = rule, [BPF_ALU | BPF_##op | BPF_X] = ANY
#define IF(op) [BPF_JMP | BPF_##op | BPF_K] = BRANCH, [BPF_JMP | BPF_##op | BPF_X] = BRANCH

static const uint8_t rules[256] = {
	ALU(ADD), ALU(SUB), ALU(MUL), ALU(AND), ALU(OR), ALU(XOR),
	ALU_K(DIV, NOT_ZERO), ALU_K(MOD, NOT_ZERO), ALU_K(LSH, SHIFT), ALU_K(RSH, SHIFT),
	[BPF_ALU | BPF_NEG] = ANY,
	[BPF_LD | BPF_W | BPF_ABS] = LOAD, [BPF_LD | BPF_H | BPF_ABS] = LOAD,
	[BPF_LD | BPF_B | BPF_ABS] = LOAD,
	[BPF_LD | BPF_W | BPF_IND] = ANY, [BPF_LD | BPF_H | BPF_IND] = ANY,
	[BPF_LD | BPF_B | BPF_IND] = ANY,
	[BPF_LD | BPF_W | BPF_LEN] = ANY, [BPF_LDX | BPF_W | BPF_LEN] = ANY,
	[BPF_LD | BPF_IMM] = ANY, [BPF_LDX | BPF_IMM] = ANY,
	[BPF_LD | BPF_MEM] = WORD, [BPF_LDX | BPF_MEM] = WORD,
	[BPF_ST] = WORD, [BPF_STX] = WORD,
	[BPF_LDX | BPF_B | BPF_MSH] = ANY,
	[BPF_MISC | BPF_TAX] = ANY, [BPF_MISC | BPF_TXA] = ANY,
	[BPF_RET | BPF_K] = ANY, [BPF_RET | BPF_A] = ANY,
	[BPF_JMP | BPF_JA] = JUMP, IF(JEQ), IF(JGT), IF(JGE), IF(JSET),
};

static bool is_known_ancillary(uint32_t k)
{
	uint32_t which = k - (uint32_t)SKF_AD_OFF;

	return which < SKF_AD_MAX && which % 4 == 0;
}

static bool constant_ok(const struct sock_filter *insn, uint32_t behind)
{
	switch (rules[insn->code]) {
	case NOT_THERE:
		return false;
	case NOT_ZERO:
		return insn->k != 0;
	case SHIFT:
		return insn->k < 32;
	case WORD:
		return insn->k < BPF_MEMWORDS;
	case LOAD:
		return insn->k < (uint32_t)SKF_AD_OFF || is_known_ancillary(insn->k);
	case JUMP:
		return insn->k < behind;
	case BRANCH:
		return insn->jt < behind && insn->jf < behind;
	default:
		return true;
	}
}

static bool reads_word(uint16_t code)
{
	return code == (BPF_LD | BPF_MEM) || code == (BPF_LDX | BPF_MEM);
}

/* Bits of M[] that every jump to an instruction has written; all, where none goes. */
struct known {
	uint16_t at[BPF_MAXINSNS];
};

/* False: M[] is read before it is written. */
static bool words_step(const struct sock_filter *prog, uint32_t pc, struct known *known,
		       uint16_t *written)
{
	const struct sock_filter *insn = &prog[pc];

	*written &= known->at[pc];
	if (reads_word(insn->code))
		return *written >> insn->k & 1;
	if (insn->code == BPF_ST || insn->code == BPF_STX) {
		*written |= (uint16_t)(1u << insn->k);
	} else if (rules[insn->code] == JUMP) {
		known->at[pc + 1 + insn->k] &= *written;
		*written = UINT16_MAX;
	} else if (rules[insn->code] == BRANCH) {
		known->at[pc + 1 + insn->jt] &= *written;
		known->at[pc + 1 + insn->jf] &= *written;
		*written = UINT16_MAX;
	}
	return true;
}

static bool words_ok(const struct sock_filter *prog, uint32_t len)
{
	uint16_t written = 0;
	struct known known;

	memset(known.at, 0xff, len * sizeof(known.at[0]));
	for (uint32_t pc = 0; pc < len; pc++)
		if (!words_step(prog, pc, &known, &written))
			return false;
	return true;
}

int cbpf_check(const struct sock_filter *prog, uint32_t len)
{
	uint16_t last;

	if (!len || len > BPF_MAXINSNS)
		return -EINVAL;
	for (uint32_t pc = 0; pc < len; pc++)
		if (prog[pc].code >= S7_ARRAY_LEN(rules) || !constant_ok(&prog[pc], len - pc - 1))
			return -EINVAL;
	last = prog[len - 1].code;
	if (last != (BPF_RET | BPF_K) && last != (BPF_RET | BPF_A))
		return -EINVAL;
	return words_ok(prog, len) ? 0 : -EINVAL;
}
