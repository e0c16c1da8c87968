/* SPDX-License-Identifier: BSD-3-Clause */
/* bpfgen.c - see bpfgen.h */
#include "test/support/bpfgen.h"

uint32_t gen_number(struct bpfgen *gen)
{
	static const uint32_t edges[] = {
		0,	    1,		2,	   31,	   32,	    127,      128,
		255,	    0x7fff,	0x8000,	   0xffff, 0x10000, 1u << 31, (1u << 31) - 1,
		0xffffffff, 0xfffffffe, 0xffffff80
	};

	switch (gen_below(gen, 4)) {
	case 0:
		return edges[gen_below(gen, S7_ARRAY_LEN(edges))];
	case 1:
		return gen_next(gen);
	default:
		return gen_below(gen, 64);
	}
}

/* ---- classic ---- */

static uint32_t load_offset(struct bpfgen *gen)
{
	switch (gen_below(gen, 8)) {
	case 0:
		return (uint32_t)SKF_NET_OFF + gen_below(gen, 40);
	case 1:
		return (uint32_t)SKF_LL_OFF + gen_below(gen, 40);
	case 2:
		return gen_number(gen);
	default:
		return gen_below(gen, 48);
	}
}

static uint32_t ancillary(struct bpfgen *gen)
{
	uint32_t which = gen_below(gen, SKF_AD_MAX / 4) * 4;

	return (uint32_t)SKF_AD_OFF + (which == SKF_AD_RANDOM ? SKF_AD_CPU : which);
}

static const uint16_t sizes[] = { BPF_W, BPF_H, BPF_B };
static const uint16_t alu_ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND,
				    BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG };
static const uint16_t jump_ops[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };

static struct sock_filter random_load(struct bpfgen *gen)
{
	uint16_t size = sizes[gen_below(gen, 3)];

	switch (gen_below(gen, 8)) {
	case 0:
		return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ancillary(gen));
	case 1:
		return (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, gen_number(gen));
	case 2:
		return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0);
	case 3:
	case 4:
		return (struct sock_filter)BPF_STMT((uint16_t)(BPF_LD | size | BPF_IND),
						    load_offset(gen));
	default:
		return (struct sock_filter)BPF_STMT((uint16_t)(BPF_LD | size | BPF_ABS),
						    load_offset(gen));
	}
}

static struct sock_filter random_load_x(struct bpfgen *gen)
{
	switch (gen_below(gen, 4)) {
	case 0:
		return (struct sock_filter)BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0);
	case 1:
		return (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, load_offset(gen));
	default:
		return (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, gen_number(gen));
	}
}

static struct sock_filter random_alu(struct bpfgen *gen)
{
	uint16_t op = alu_ops[gen_below(gen, S7_ARRAY_LEN(alu_ops))];
	uint32_t k = gen_number(gen);

	if (op != BPF_NEG && gen_below(gen, 2))
		return (struct sock_filter)BPF_STMT((uint16_t)(BPF_ALU | op | BPF_X), 0);
	if (op == BPF_LSH || op == BPF_RSH)
		k &= 31;
	if ((op == BPF_DIV || op == BPF_MOD) && !k)
		k = 3;
	return (struct sock_filter)BPF_STMT((uint16_t)(BPF_ALU | op), k);
}

static struct sock_filter random_jump(struct bpfgen *gen, uint32_t behind)
{
	uint16_t op = jump_ops[gen_below(gen, S7_ARRAY_LEN(jump_ops))];
	uint16_t src = gen_below(gen, 4) ? BPF_K : BPF_X;
	uint32_t far = behind < 256 ? behind : 256;

	if (!gen_below(gen, 8))
		return (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, gen_below(gen, far));
	return (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | op | src), gen_number(gen),
					    (uint8_t)gen_below(gen, far < 8 ? far : 8),
					    (uint8_t)gen_below(gen, far));
}

static struct sock_filter random_insn(struct bpfgen *gen, uint32_t behind)
{
	uint32_t word = gen_below(gen, BPF_MEMWORDS);

	switch (gen_below(gen, 12)) {
	case 0:
		return (struct sock_filter)BPF_STMT(gen_below(gen, 2) ? BPF_ST : BPF_STX, word);
	case 1:
		return (struct sock_filter)BPF_STMT(
			(uint16_t)((gen_below(gen, 2) ? BPF_LD : BPF_LDX) | BPF_MEM), word);
	case 2:
		return (struct sock_filter)BPF_STMT(
			(uint16_t)(BPF_MISC | (gen_below(gen, 2) ? BPF_TAX : BPF_TXA)), 0);
	case 3:
	case 4:
		return random_load_x(gen);
	case 5:
	case 6:
	case 7:
		return random_alu(gen);
	case 8:
	case 9:
		if (behind)
			return random_jump(gen, behind);
		/* fall through */
	default:
		return random_load(gen);
	}
}

static void break_one(struct bpfgen *gen, struct sock_filter *prog, uint32_t len)
{
	struct sock_filter *insn = &prog[gen_below(gen, len)];

	switch (gen_below(gen, 4)) {
	case 0:
		insn->code = (uint16_t)gen_below(gen, gen_below(gen, 8) ? 256 : 65536);
		break;
	case 1:
		insn->k = gen_number(gen);
		break;
	case 2:
		insn->jt = (uint8_t)gen_below(gen, 256);
		break;
	default:
		insn->jf = (uint8_t)gen_below(gen, 256);
	}
}

uint32_t gen_classic(struct bpfgen *gen, struct sock_filter *prog, uint32_t most)
{
	uint32_t len = 1 + gen_below(gen, most), pc = 0;

	/* words of M[] that later reads find written */
	if (len > 2 * BPF_MEMWORDS && gen_below(gen, 2))
		for (; pc < BPF_MEMWORDS; pc++)
			prog[pc] = (struct sock_filter)BPF_STMT(BPF_ST, pc);
	for (; pc < len - 1; pc++)
		prog[pc] = gen_below(gen, 24) ?
				   random_insn(gen, len - pc - 1) :
				   (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	prog[pc] = gen_below(gen, 4) ?
			   (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0) :
			   (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, gen_number(gen));
	if (!gen_below(gen, 4))
		break_one(gen, prog, len);
	return len;
}

/* ---- the machine's own ---- */

#define REGS 10
#define SLOTS 8 /* words of the stack */

static struct bpf_insn insn_of(uint32_t code, uint32_t dst, uint32_t src, int32_t off, uint32_t imm)
{
	return (struct bpf_insn){ .code = (uint8_t)code, .dst_reg = dst & 15, .src_reg = src & 15,
				  .off = (int16_t)off, .imm = (int32_t)imm };
}

static struct bpf_insn machine_alu(struct bpfgen *gen)
{
	static const uint8_t ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_OR,
				       BPF_XOR, BPF_LSH, BPF_RSH, BPF_ARSH, BPF_MOV, BPF_NEG,
				       BPF_END };
	static const uint8_t ends[] = { 16, 32, 64 };
	uint32_t op = ops[gen_below(gen, S7_ARRAY_LEN(ops))], dst = gen_below(gen, REGS);
	uint32_t class = gen_below(gen, 2) ? BPF_ALU : BPF_ALU64, imm = gen_number(gen);
	int32_t off = 0;

	if (op == BPF_NEG)
		return insn_of(class | op, dst, 0, 0, 0);
	if (op == BPF_END && gen_below(gen, 2))
		return insn_of(BPF_ALU64 | op | BPF_TO_LE, dst, 0, 0, ends[gen_below(gen, 3)]);
	if (op == BPF_END)
		return insn_of(BPF_ALU | op | (gen_below(gen, 2) ? BPF_TO_BE : BPF_TO_LE), dst, 0,
			       0, ends[gen_below(gen, 3)]);
	if (op == BPF_MOV && gen_below(gen, 2)) /* with sign */
		return insn_of(class | op | BPF_X, dst, gen_below(gen, REGS),
			       8 << gen_below(gen, class == BPF_ALU ? 2 : 3), 0);
	if (op == BPF_DIV || op == BPF_MOD)
		off = (int32_t)gen_below(gen, 2); /* signed */
	if (gen_below(gen, 2))
		return insn_of(class | op | BPF_X, dst, gen_below(gen, REGS), off, 0);
	if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
		imm &= class == BPF_ALU ? 31 : 63;
	if ((op == BPF_DIV || op == BPF_MOD) && !imm)
		imm = 7;
	return insn_of(class | op | BPF_K, dst, 0, off, imm);
}

/* An access of the eight words that begin at the stack's top, aligned to its size. */
static struct bpf_insn machine_memory(struct bpfgen *gen)
{
	static const uint8_t sizes[] = { BPF_W, BPF_H, BPF_B, BPF_DW };
	static const uint8_t atomics[] = { BPF_ADD, BPF_AND, BPF_OR, BPF_XOR, BPF_ADD | BPF_FETCH,
					   BPF_AND | BPF_FETCH, BPF_OR | BPF_FETCH,
					   BPF_XOR | BPF_FETCH, BPF_XCHG, BPF_CMPXCHG };
	uint32_t size = sizes[gen_below(gen, 4)], bytes = bpf_size_bytes((uint8_t)size);
	uint32_t reg = gen_below(gen, REGS);
	int32_t off = -(int32_t)(bytes * (1 + gen_below(gen, SLOTS * 8 / bytes)));

	switch (gen_below(gen, 5)) {
	case 0:
		return insn_of(BPF_LDX | BPF_MEM | size, reg, 10, off, 0);
	case 1:
		return insn_of(BPF_LDX | (size == BPF_DW ? BPF_MEM : BPF_MEMSX) | size, reg, 10,
			       off, 0);
	case 2:
		return insn_of(BPF_STX | BPF_MEM | size, 10, reg, off, 0);
	case 3:
		return insn_of(BPF_ST | BPF_MEM | size, 10, 0, off, gen_number(gen));
	default:
		if (bytes < 4)
			return insn_of(BPF_STX | BPF_MEM | size, 10, reg, off, 0);
		return insn_of(BPF_STX | BPF_ATOMIC | size, 10, reg, off,
			       atomics[gen_below(gen, S7_ARRAY_LEN(atomics))]);
	}
}

static struct bpf_insn machine_jump(struct bpfgen *gen, uint32_t behind)
{
	static const uint8_t ops[] = { BPF_JEQ, BPF_JNE, BPF_JGT, BPF_JGE, BPF_JLT, BPF_JLE,
				       BPF_JSET, BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE };
	uint32_t op = ops[gen_below(gen, S7_ARRAY_LEN(ops))], dst = gen_below(gen, REGS);
	uint32_t class = gen_below(gen, 2) ? BPF_JMP : BPF_JMP32;
	int32_t off = (int32_t)gen_below(gen, behind < 6 ? behind : 6);

	if (gen_below(gen, 2))
		return insn_of(class | op | BPF_X, dst, gen_below(gen, REGS), off, 0);
	return insn_of(class | op | BPF_K, dst, 0, off, gen_number(gen));
}

/* What the program calls: registers and a stack of its own. */
static uint32_t machine_function(struct bpfgen *gen, struct bpf_insn *prog)
{
	uint32_t n = 0;

	prog[n++] = insn_of(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, gen_number(gen));
	for (uint32_t reg = 6; reg < REGS; reg++)
		prog[n++] = insn_of(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, gen_number(gen));
	for (uint32_t slot = 1; slot <= SLOTS; slot++)
		prog[n++] = insn_of(BPF_STX | BPF_MEM | BPF_DW, 10, gen_below(gen, REGS),
				    -8 * (int32_t)slot, 0);
	for (uint32_t i = 0; i < 24; i++)
		prog[n++] = gen_below(gen, 3) ? machine_alu(gen) : machine_memory(gen);
	prog[n++] = insn_of(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return n;
}

/* Sets registers from `first` on, each to a number of up to 64 bits. */
static uint32_t machine_constants(struct bpfgen *gen, struct bpf_insn *prog, uint32_t first,
				  uint32_t last)
{
	uint32_t n = 0;

	for (uint32_t reg = first; reg <= last; reg++) {
		bool wide = gen_below(gen, 2);

		prog[n++] = insn_of(BPF_LD | BPF_IMM | BPF_DW, reg, 0, 0, gen_number(gen));
		prog[n++] = insn_of(0, 0, 0, 0, wide ? gen_number(gen) : 0);
	}
	return n;
}

/* Every register counts, its upper half too, and so does the stack. */
static uint32_t machine_mix(struct bpf_insn *prog)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < REGS + SLOTS; i++) {
		uint32_t reg = i < REGS ? i : 1;

		if (i >= REGS)
			prog[n++] = insn_of(BPF_LDX | BPF_MEM | BPF_DW, 1, 10,
					    -8 * (int32_t)(i - REGS + 1), 0);
		prog[n++] = insn_of(BPF_ALU64 | BPF_MUL | BPF_K, 0, 0, 0, 31);
		prog[n++] = insn_of(BPF_ALU64 | BPF_XOR | BPF_X, 0, reg, 0, 0);
	}
	prog[n++] = insn_of(BPF_ALU64 | BPF_MOV | BPF_X, 1, 0, 0, 0);
	prog[n++] = insn_of(BPF_ALU64 | BPF_RSH | BPF_K, 1, 0, 0, 32);
	prog[n++] = insn_of(BPF_ALU | BPF_XOR | BPF_X, 0, 1, 0, 0);
	prog[n++] = insn_of(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return n;
}

static uint32_t machine_body(struct bpfgen *gen, struct bpf_insn *prog, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t kind = gen_below(gen, 10);

		prog[i] = kind < 5 ? machine_alu(gen) :
			  kind < 8 ? machine_memory(gen) : machine_jump(gen, count - i);
	}
	return count;
}

uint32_t gen_machine(struct bpfgen *gen, struct bpf_insn *prog)
{
	uint32_t n, call = 0;

	n = machine_constants(gen, prog, 0, REGS - 1);
	for (uint32_t slot = 1; slot <= SLOTS; slot++)
		prog[n++] = insn_of(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8 * (int32_t)slot,
				    gen_number(gen));
	n += machine_body(gen, prog + n, 8 + gen_below(gen, 60));
	if (gen_below(gen, 2)) {
		call = n;
		prog[n++] = insn_of(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 0);
		n += machine_constants(gen, prog + n, 1, 5); /* it may have used them */
		n += machine_body(gen, prog + n, 8 + gen_below(gen, 40));
	}
	n += machine_mix(prog + n);
	if (!call)
		return n;
	prog[call].imm = (int32_t)(n - call - 1);
	return n + machine_function(gen, prog + n);
}
