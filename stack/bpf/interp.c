/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interp.c - the engine for machines without ours
 *
 * A loop over instructions, one function a class. Results of 32-bit operations are extended with
 * zeros; division by 0 gives 0, modulo 0 leaves the dividend, shifts count modulo the width.
 * Context: of the run. Memory is the program's own affair (bpf.h).
 */
#include "stack/bpf/bpf.h"

#include <endian.h>

#include "stack/bpf/maps.h"

#define INLINE static inline __attribute__((always_inline))

/* What a function that was called gives back when it returns. */
struct frame {
	const struct bpf_insn *call;
	uint64_t kept[5]; /* R6..R10 */
};

struct machine {
	uint64_t reg[BPF_REG_10 + 1];
	struct bpf_view *view;
	uint32_t depth;
	struct frame *frame; /* [BPF_DEPTH] */
};

/* ---- arithmetic ---- */

INLINE uint64_t sign_extend(uint64_t value, int32_t bits)
{
	return (uint64_t)((int64_t)(value << (64 - bits)) >> (64 - bits));
}

/* off 1: signed. The least number by -1 is itself. */
static uint64_t divide(uint64_t a, uint64_t b, bool is_signed, bool modulo, bool wide)
{
	int64_t sa = wide ? (int64_t)a : (int32_t)a, sb = wide ? (int64_t)b : (int32_t)b;

	if (!b)
		return modulo ? a : 0;
	if (!is_signed)
		return modulo ? a % b : a / b;
	if (sb == -1)
		return modulo ? 0 : 0 - (uint64_t)sa;
	return modulo ? (uint64_t)(sa % sb) : (uint64_t)(sa / sb);
}

static uint64_t swap_bytes(uint64_t value, const struct bpf_insn *insn)
{
	bool swap = BPF_CLASS(insn->code) == BPF_ALU64 || BPF_SRC(insn->code) == BPF_TO_BE;

	switch (insn->imm) {
	case 16:
		return swap ? __builtin_bswap16((uint16_t)value) : (uint16_t)value;
	case 32:
		return swap ? __builtin_bswap32((uint32_t)value) : (uint32_t)value;
	default:
		return swap ? __builtin_bswap64(value) : value;
	}
}

INLINE uint64_t arith(const struct bpf_insn *insn, uint64_t a, uint64_t b, bool wide)
{
	uint32_t shift = (uint32_t)b & (wide ? 63 : 31);

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return divide(a, b, insn->off, false, wide);
	case BPF_MOD:
		return divide(a, b, insn->off, true, wide);
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << shift;
	case BPF_RSH:
		return a >> shift;
	case BPF_ARSH:
		return wide ? (uint64_t)((int64_t)a >> shift) : (uint64_t)((int32_t)a >> shift);
	case BPF_NEG:
		return 0 - a;
	case BPF_END:
		return swap_bytes(a, insn);
	default: /* BPF_MOV */
		return insn->off ? sign_extend(b, insn->off) : b;
	}
}

INLINE void alu(struct machine *m, const struct bpf_insn *insn)
{
	uint64_t *dst = &m->reg[insn->dst_reg];
	bool by_x = BPF_SRC(insn->code) == BPF_X;
	uint64_t b = by_x ? m->reg[insn->src_reg] : (uint64_t)(int64_t)insn->imm;

	if (BPF_CLASS(insn->code) == BPF_ALU64)
		*dst = arith(insn, *dst, b, true);
	else if (BPF_OP(insn->code) == BPF_END)
		*dst = swap_bytes(*dst, insn);
	else
		*dst = (uint32_t)arith(insn, (uint32_t)*dst, (uint32_t)b, false);
}

/* ---- jumps ---- */

INLINE bool holds(uint32_t op, uint64_t a, uint64_t b, int64_t sa, int64_t sb)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return a & b;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JSLT:
		return sa < sb;
	default: /* BPF_JSLE */
		return sa <= sb;
	}
}

INLINE bool jumps(const struct machine *m, const struct bpf_insn *insn)
{
	uint64_t a = m->reg[insn->dst_reg];
	uint64_t b = BPF_SRC(insn->code) == BPF_X ? m->reg[insn->src_reg] :
						    (uint64_t)(int64_t)insn->imm;

	if (BPF_CLASS(insn->code) == BPF_JMP32)
		return holds(BPF_OP(insn->code), (uint32_t)a, (uint32_t)b, (int32_t)a, (int32_t)b);
	return holds(BPF_OP(insn->code), a, b, (int64_t)a, (int64_t)b);
}

/* ---- memory ---- */

static void *address(uint64_t base, int16_t off)
{
	return (void *)(uintptr_t)(base + (uint64_t)(int64_t)off);
}

static uint64_t mem_read(const void *at, uint8_t code)
{
	bool sign = BPF_MODE(code) == BPF_MEMSX;
	uint64_t value;
	uint32_t word;
	uint16_t half;

	switch (BPF_SIZE(code)) {
	case BPF_B:
		return sign ? (uint64_t) * (const int8_t *)at : *(const uint8_t *)at;
	case BPF_H:
		memcpy(&half, at, sizeof(half));
		return sign ? (uint64_t)(int16_t)half : half;
	case BPF_W:
		memcpy(&word, at, sizeof(word));
		return sign ? (uint64_t)(int32_t)word : word;
	default:
		memcpy(&value, at, sizeof(value));
		return value;
	}
}

static void mem_write(void *at, uint64_t value, uint8_t code)
{
	memcpy(at, &value, bpf_size_bytes(code));
}

/*
 * What was there before; `value` and, for CMPXCHG, `expected` are cut to the width by the caller.
 */
#define ATOMIC(type) \
	static uint64_t atomic_##type(type *at, int32_t op, type value, type expected) \
	{ \
		switch (op & ~BPF_FETCH) { \
		case BPF_ADD: \
			return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST); \
		case BPF_AND: \
			return __atomic_fetch_and(at, value, __ATOMIC_SEQ_CST); \
		case BPF_OR: \
			return __atomic_fetch_or(at, value, __ATOMIC_SEQ_CST); \
		case BPF_XOR: \
			return __atomic_fetch_xor(at, value, __ATOMIC_SEQ_CST); \
		case BPF_XCHG & ~BPF_FETCH: \
			return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST); \
		default: \
			__atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, \
						    __ATOMIC_SEQ_CST); \
			return expected; \
		} \
	}

ATOMIC(uint32_t)
ATOMIC(uint64_t)

static void atomic(struct machine *m, const struct bpf_insn *insn)
{
	void *at = address(m->reg[insn->dst_reg], insn->off);
	uint64_t *src = &m->reg[insn->src_reg], before;

	if (BPF_SIZE(insn->code) == BPF_DW)
		before = atomic_uint64_t(at, insn->imm, *src, m->reg[BPF_REG_0]);
	else
		before =
			atomic_uint32_t(at, insn->imm, (uint32_t)*src, (uint32_t)m->reg[BPF_REG_0]);
	if (insn->imm == BPF_CMPXCHG)
		m->reg[BPF_REG_0] = before;
	else if (insn->imm & BPF_FETCH)
		*src = before;
}

static void store(struct machine *m, const struct bpf_insn *insn)
{
	void *at = address(m->reg[insn->dst_reg], insn->off);

	if (BPF_CLASS(insn->code) == BPF_ST)
		mem_write(at, (uint64_t)(int64_t)insn->imm, insn->code);
	else if (BPF_MODE(insn->code) == BPF_ATOMIC)
		atomic(m, insn);
	else
		mem_write(at, m->reg[insn->src_reg], insn->code);
}

/* ---- the packet ---- */

/* `size` bytes in network order */
INLINE uint64_t in_order(const uint8_t *at, uint32_t size)
{
	uint32_t word;
	uint16_t half;

	switch (size) {
	case 4:
		memcpy(&word, at, sizeof(word));
		return __builtin_bswap32(word);
	case 2:
		memcpy(&half, at, sizeof(half));
		return __builtin_bswap16(half);
	default:
		return *at;
	}
}

INLINE bool load_packet(struct machine *m, const struct bpf_insn *insn)
{
	const struct bpf_view *view = m->view;
	uint32_t at = (uint32_t)insn->imm, size = bpf_size_bytes(insn->code);
	int64_t value;

	if (BPF_MODE(insn->code) == BPF_IND)
		at += (uint32_t)m->reg[insn->src_reg];
	if (s7_likely((uint64_t)at + size <= view->head)) {
		m->reg[BPF_REG_0] = in_order(view->data + at, size);
		return true;
	}
	value = bpf_load(view, (int32_t)at, size);
	m->reg[BPF_REG_0] = value < 0 ? 0 : (uint64_t)value;
	return value >= 0;
}

static void call(struct machine *m, const struct bpf_insn *insn)
{
	m->reg[BPF_REG_0] = m->view->calls->helper[insn->imm](m->reg[1], m->reg[2], m->reg[3],
							      m->reg[4], m->reg[5], m->view);
}

/* BPF_LD: false: the packet ends before; the program does then. */
INLINE bool load(struct machine *m, const struct bpf_insn **insn)
{
	if (BPF_MODE((*insn)->code) != BPF_IMM)
		return load_packet(m, *insn);
	if (s7_unlikely((*insn)->src_reg == BPF_PSEUDO_MAP_VALUE))
		m->reg[(*insn)->dst_reg] = (uintptr_t)m->view->maps[(*insn)->imm].mem +
					   (uint32_t)(*insn)[1].imm;
	else
		m->reg[(*insn)->dst_reg] =
			(uint32_t)(*insn)[0].imm | (uint64_t)(*insn)[1].imm << 32;
	(*insn)++;
	return true;
}

/* The verifier bounds the depth; a program that it never saw ends. */
static const struct bpf_insn *enter(struct machine *m, const struct bpf_insn *insn)
{
	struct frame *frame = &m->frame[m->depth];

	if (m->depth + 1 == BPF_DEPTH)
		return NULL;
	frame->call = insn;
	memcpy(frame->kept, &m->reg[BPF_REG_6], sizeof(frame->kept));
	m->depth++;
	m->reg[BPF_REG_10] -= BPF_STACK_BYTES;
	return insn + insn->imm;
}

/* The instruction behind which it goes on, NULL: the program is at its end. */
INLINE const struct bpf_insn *leave(struct machine *m)
{
	const struct frame *frame;

	if (s7_likely(!m->depth))
		return NULL;
	frame = &m->frame[--m->depth];
	memcpy(&m->reg[BPF_REG_6], frame->kept, sizeof(frame->kept));
	return frame->call;
}

static bool is_tail(const struct bpf_insn *insn)
{
	return insn->imm == CALL_TAIL || insn->imm == CALL_TAIL_INSIDE;
}

/* Another program has run or will, in the place of this function. */
static const struct bpf_insn *go_on(struct machine *m)
{
	m->reg[BPF_REG_0] = m->view->tail_ret;
	return leave(m);
}

INLINE const struct bpf_insn *jump(struct machine *m, const struct bpf_insn *insn)
{
	if (BPF_OP(insn->code) == BPF_JA)
		return insn + (BPF_CLASS(insn->code) == BPF_JMP32 ? insn->imm : insn->off);
	if (insn->code == (BPF_JMP | BPF_EXIT))
		return leave(m);
	if (insn->code == (BPF_JMP | BPF_CALL)) {
		if (insn->src_reg == BPF_PSEUDO_CALL)
			return enter(m, insn);
		call(m, insn);
		return s7_unlikely(is_tail(insn)) && m->reg[BPF_REG_0] ? go_on(m) : insn;
	}
	return jumps(m, insn) ? insn + insn->off : insn;
}

static uint64_t run(struct machine *m, const struct bpf_insn *insn)
{
	for (; insn; insn++) {
		switch (BPF_CLASS(insn->code)) {
		case BPF_ALU:
		case BPF_ALU64:
			alu(m, insn);
			break;
		case BPF_LD:
			if (s7_likely(load(m, &insn)))
				break;
			insn = leave(m);
			if (!insn)
				return 0;
			break;
		case BPF_LDX:
			m->reg[insn->dst_reg] = mem_read(
				address(m->reg[insn->src_reg], insn->off), insn->code);
			break;
		case BPF_ST:
		case BPF_STX:
			store(m, insn);
			break;
		default:
			insn = jump(m, insn);
			if (!insn)
				return m->reg[BPF_REG_0];
		}
	}
	return 0;
}

static uint64_t run_functions(struct machine *m, const struct bpf_insn *insn)
{
	uint64_t stack[BPF_DEPTH * BPF_STACK_BYTES / 8];
	struct frame frame[BPF_DEPTH];

	m->frame = frame;
	m->reg[BPF_REG_10] = (uintptr_t)(stack + S7_ARRAY_LEN(stack));
	return run(m, insn);
}

uint64_t bpf_interp(const struct bpf_code *code, struct bpf_view *view, void *ctx)
{
	uint64_t stack[BPF_STACK_BYTES / 8];
	struct machine m = { .view = view };

	m.reg[BPF_REG_1] = (uintptr_t)ctx;
	if (code->func_count)
		return run_functions(&m, code->insns);
	m.reg[BPF_REG_10] = (uintptr_t)(stack + S7_ARRAY_LEN(stack));
	return run(&m, code->insns);
}
