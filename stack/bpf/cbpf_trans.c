/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cbpf_trans.c - classic programs in the instruction set of the machine
 *
 * A is R0, X is R4 (the register of shift counts on x86), the view stays in R1, M[] is on the
 * stack; R2 is for what one instruction needs to put aside. So a program that makes no call saves
 * no register at all. Jumps go forward, so `at` (where each instruction begins) is known one pass
 * before it is needed: the first pass counts, the second writes. Division by an X of 0 ends the
 * program with 0, as does a load beyond the packet.
 * Callers: filter.c, and tests.
 */
#include "stack/bpf/cbpf.h"

#define A BPF_REG_0
#define X BPF_REG_4
#define VIEW BPF_REG_1
#define ASIDE BPF_REG_2

/* Where the next instruction goes. NULL: only counting. */
struct out {
	struct bpf_insn *room;
	uint32_t n;
	uint32_t uses;
};

static void put(struct out *out, uint32_t code, uint32_t dst, uint32_t src, int32_t off,
		int32_t imm)
{
	if (out->room)
		out->room[out->n] = (struct bpf_insn){ .code = (uint8_t)code,
						       .dst_reg = (uint8_t)(dst & 15),
						       .src_reg = (uint8_t)(src & 15),
						       .off = (int16_t)off,
						       .imm = imm };
	out->n++;
}

static void move(struct out *out, uint32_t to, uint32_t from)
{
	put(out, BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}

static void set(struct out *out, uint32_t to, uint32_t value)
{
	put(out, BPF_ALU | BPF_MOV | BPF_K, to, 0, 0, (int32_t)value);
}

static void leave_with_0(struct out *out)
{
	set(out, A, 0);
	put(out, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* ---- ancillary values ---- */

#define FIELD(ad, member) [SKF_AD_##ad / 4] = offsetof(struct bpf_view, member)

static const uint8_t fields[SKF_AD_MAX / 4] = {
	FIELD(PROTOCOL, protocol), FIELD(PKTTYPE, pkt_type), FIELD(IFINDEX, ifindex),
	FIELD(MARK, mark), FIELD(QUEUE, queue), FIELD(HATYPE, hatype), FIELD(RXHASH, rxhash),
	FIELD(CPU, cpu), FIELD(VLAN_TAG, vlan_tag), FIELD(VLAN_TAG_PRESENT, vlan_present),
	FIELD(VLAN_TPID, vlan_tpid),
};

static void read_field(struct out *out, uint32_t to, size_t offset)
{
	put(out, BPF_LDX | BPF_MEM | BPF_W, to, VIEW, (int32_t)offset, 0);
}

/* A call spoils R1..R5: view and X wait in R6 and R7. */
static void call(struct out *out, enum bpf_call which)
{
	move(out, BPF_REG_6, VIEW);
	move(out, BPF_REG_7, X);
	if (which == CALL_NLATTR || which == CALL_NLATTR_NEST) {
		move(out, BPF_REG_2, A);
		move(out, BPF_REG_3, X);
	}
	put(out, BPF_JMP | BPF_CALL, 0, 0, 0, which);
	move(out, VIEW, BPF_REG_6);
	move(out, X, BPF_REG_7);
	out->uses |= BPF_USES_META;
}

static void ancillary(struct out *out, uint32_t which)
{
	switch (which) {
	case SKF_AD_ALU_XOR_X:
		put(out, BPF_ALU | BPF_XOR | BPF_X, A, X, 0, 0);
		break;
	case SKF_AD_PAY_OFFSET:
		call(out, CALL_PAY_OFFSET);
		break;
	case SKF_AD_NLATTR:
		call(out, CALL_NLATTR);
		break;
	case SKF_AD_NLATTR_NEST:
		call(out, CALL_NLATTR_NEST);
		break;
	case SKF_AD_RANDOM:
		call(out, CALL_RANDOM);
		break;
	default:
		read_field(out, A, fields[which / 4]);
		out->uses |= BPF_USES_META | (uint32_t)BPF_USES_AD << which / 4;
	}
}

/* ---- one instruction each ---- */

static void put_load(struct out *out, const struct sock_filter *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		if (insn->k >= (uint32_t)SKF_AD_OFF)
			ancillary(out, insn->k - (uint32_t)SKF_AD_OFF);
		else
			put(out, insn->code, 0, 0, 0, (int32_t)insn->k);
		break;
	case BPF_IND:
		put(out, insn->code, 0, X, 0, (int32_t)insn->k);
		break;
	case BPF_LEN:
		read_field(out, A, offsetof(struct bpf_view, len));
		break;
	case BPF_IMM:
		set(out, A, insn->k);
		break;
	default:
		put(out, BPF_LDX | BPF_MEM | BPF_W, A, BPF_REG_10,
		    (int32_t)insn->k * 4 - BPF_MEMWORDS * 4, 0);
	}
}

static void put_load_x(struct out *out, const struct sock_filter *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_MSH: /* four times the low half of a byte: the length of an IPv4 header */
		move(out, ASIDE, A);
		put(out, BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, (int32_t)insn->k);
		put(out, BPF_ALU | BPF_AND | BPF_K, A, 0, 0, 15);
		put(out, BPF_ALU | BPF_LSH | BPF_K, A, 0, 0, 2);
		put(out, BPF_ALU | BPF_MOV | BPF_X, X, A, 0, 0);
		move(out, A, ASIDE);
		break;
	case BPF_LEN:
		read_field(out, X, offsetof(struct bpf_view, len));
		break;
	case BPF_IMM:
		set(out, X, insn->k);
		break;
	default:
		put(out, BPF_LDX | BPF_MEM | BPF_W, X, BPF_REG_10,
		    (int32_t)insn->k * 4 - BPF_MEMWORDS * 4, 0);
	}
}

static void put_store(struct out *out, const struct sock_filter *insn)
{
	put(out, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10,
	    BPF_CLASS(insn->code) == BPF_ST ? A : X, (int32_t)insn->k * 4 - BPF_MEMWORDS * 4, 0);
}

static void put_alu(struct out *out, const struct sock_filter *insn)
{
	bool by_x = BPF_SRC(insn->code) == BPF_X && BPF_OP(insn->code) != BPF_NEG;
	uint32_t op = BPF_OP(insn->code);

	if (by_x && (op == BPF_DIV || op == BPF_MOD)) {
		put(out, BPF_JMP32 | BPF_JNE | BPF_K, X, 0, 2, 0);
		leave_with_0(out);
	}
	put(out, insn->code, A, by_x ? X : 0, 0, op == BPF_NEG ? 0 : (int32_t)insn->k);
}

/* The negation of a condition, 0: there is none. */
static uint32_t negation(uint32_t op)
{
	return op == BPF_JEQ ? BPF_JNE : op == BPF_JGT ? BPF_JLE : op == BPF_JGE ? BPF_JLT : 0;
}

static void jump_to(struct out *out, uint32_t code, const uint32_t *at, uint32_t target, uint32_t k)
{
	int32_t off = out->room ? (int32_t)(at[target] - out->n - 1) : 0;

	put(out, code, A, BPF_SRC(code) == BPF_X ? X : 0, off, (int32_t)k);
}

static void put_jump(struct out *out, const struct sock_filter *insn, const uint32_t *at,
		     uint32_t pc)
{
	uint32_t op = BPF_OP(insn->code), code = BPF_JMP32 | op | BPF_SRC(insn->code);
	uint32_t k = BPF_SRC(insn->code) == BPF_K ? insn->k : 0, not_op = negation(op);

	if (op == BPF_JA) {
		if (insn->k)
			jump_to(out, BPF_JMP | BPF_JA, at, pc + 1 + insn->k, 0);
	} else if (insn->jt == insn->jf) {
		if (insn->jt)
			jump_to(out, BPF_JMP | BPF_JA, at, pc + 1 + insn->jt, 0);
	} else if (!insn->jt && not_op) {
		jump_to(out, BPF_JMP32 | not_op | BPF_SRC(code), at, pc + 1 + insn->jf, k);
	} else {
		jump_to(out, code, at, pc + 1 + insn->jt, k);
		if (insn->jf)
			jump_to(out, BPF_JMP | BPF_JA, at, pc + 1 + insn->jf, 0);
	}
}

static void put_one(struct out *out, const struct sock_filter *insn, const uint32_t *at,
		    uint32_t pc)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		put_load(out, insn);
		break;
	case BPF_LDX:
		put_load_x(out, insn);
		break;
	case BPF_ST:
	case BPF_STX:
		put_store(out, insn);
		break;
	case BPF_ALU:
		put_alu(out, insn);
		break;
	case BPF_JMP:
		put_jump(out, insn, at, pc);
		break;
	case BPF_RET:
		if (BPF_RVAL(insn->code) == BPF_K)
			set(out, A, insn->k);
		put(out, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		break;
	default:
		put(out, BPF_ALU | BPF_MOV | BPF_X, BPF_MISCOP(insn->code) == BPF_TAX ? X : A,
		    BPF_MISCOP(insn->code) == BPF_TAX ? A : X, 0, 0);
	}
}

/* Does the program begin with something that gives A a value whatever it was? */
static bool sets_a(const struct sock_filter *insn)
{
	if (BPF_CLASS(insn->code) == BPF_LD)
		return BPF_MODE(insn->code) != BPF_ABS || insn->k < (uint32_t)SKF_AD_OFF;
	return insn->code == (BPF_RET | BPF_K);
}

static bool may_read_x(const struct sock_filter *insn)
{
	uint32_t class = BPF_CLASS(insn->code);

	if (class == BPF_LD)
		return BPF_MODE(insn->code) == BPF_IND ||
		       (BPF_MODE(insn->code) == BPF_ABS && insn->k >= (uint32_t)SKF_AD_OFF);
	if (class == BPF_ALU || class == BPF_JMP)
		return BPF_SRC(insn->code) == BPF_X;
	return class == BPF_STX || insn->code == (BPF_MISC | BPF_TXA);
}

/* A and X begin as 0. */
static void put_begin(struct out *out, const struct sock_filter *prog, uint32_t len)
{
	if (!sets_a(&prog[0]))
		set(out, A, 0);
	for (uint32_t pc = 0; pc < len; pc++) {
		if (may_read_x(&prog[pc])) {
			set(out, X, 0);
			break;
		}
	}
}

void cbpf_translate(const struct sock_filter *prog, uint32_t len, struct bpf_insn *room,
		    uint32_t *at, struct bpf_code *ret_code)
{
	struct out out = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		out.room = pass ? room : NULL;
		out.n = 0;
		put_begin(&out, prog, len);
		for (uint32_t pc = 0; pc < len; pc++) {
			at[pc] = out.n;
			put_one(&out, &prog[pc], at, pc);
		}
	}
	assert(out.n <= CBPF_INSNS_EACH * len + CBPF_INSNS_EXTRA);
	*ret_code = (struct bpf_code){ .insns = room, .count = out.n, .uses = out.uses };
}
