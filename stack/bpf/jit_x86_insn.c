/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * jit_x86_insn.c - every other instruction: memory, packet, jumps, calls
 *
 * A load of the packet is a comparison with the length of the head, a branch that is not taken, the
 * load and the swap of its bytes; what is not in the head is read behind the program (jit_stub_at).
 * Callers: jit_x86.c.
 */
#ifdef __x86_64__

#include "stack/bpf/jit_x86.h"
#include "stack/bpf/maps.h"

/* ---- memory ---- */

static void load(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg], src = jit_reg[insn->src_reg];
	bool sign = BPF_MODE(insn->code) == BPF_MEMSX;

	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		emit_rm(j, sign, sign ? 0x0fbe : 0x0fb6, dst, src, insn->off);
		break;
	case BPF_H:
		emit_rm(j, sign, sign ? 0x0fbf : 0x0fb7, dst, src, insn->off);
		break;
	case BPF_W:
		emit_rm(j, sign, sign ? 0x63 : 0x8b, dst, src, insn->off);
		break;
	default:
		emit_rm(j, true, 0x8b, dst, src, insn->off);
	}
}

static void store_reg(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg], src = jit_reg[insn->src_reg];
	uint32_t size = BPF_SIZE(insn->code);

	if (size == BPF_H)
		emit(j, 0x66);
	emit_rex(j, size == BPF_DW, src, dst, size == BPF_B);
	emit(j, size == BPF_B ? 0x88 : 0x89);
	emit_mem(j, src, dst, insn->off);
}

static void store_const(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg], size = BPF_SIZE(insn->code);

	if (size == BPF_H)
		emit(j, 0x66);
	emit_rex(j, size == BPF_DW, 0, dst, false);
	emit(j, size == BPF_B ? 0xc6 : 0xc7);
	emit_mem(j, 0, dst, insn->off);
	emit(j, (uint32_t)insn->imm);
	if (size == BPF_B)
		return;
	emit(j, (uint32_t)insn->imm >> 8);
	if (size == BPF_H)
		return;
	emit(j, (uint32_t)insn->imm >> 16);
	emit(j, (uint32_t)insn->imm >> 24);
}

static void emit_lock_rm(struct jit *j, bool wide, uint32_t op, uint32_t reg, uint32_t base,
			 int32_t off)
{
	emit(j, 0xf0);
	emit_rm(j, wide, op, reg, base, off);
}

static const uint8_t bit_ops[16] = {
	[BPF_AND >> 4] = OP_AND, [BPF_OR >> 4] = OP_OR, [BPF_XOR >> 4] = OP_XOR,
	[BPF_ADD >> 4] = OP_ADD,
};

/* AND, OR, XOR that tell what was there: x86 has them only as a loop around cmpxchg. */
static void fetch_loop(struct jit *j, bool wide, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg], src = jit_reg[insn->src_reg], again, from;

	emit_push(j, R9);
	emit_push(j, R10);
	emit_push(j, RDX);
	emit_mov(j, true, R9, src);
	emit_rm(j, true, 0x8d, R10, dst, insn->off); /* lea */
	emit_mov(j, true, R11, RAX);
	emit_rm(j, wide, 0x8b, RAX, R10, 0);
	again = j->n;
	emit_mov(j, wide, RDX, RAX);
	emit_rr(j, wide, bit_ops[(insn->imm & 0xf0) >> 4], R9, RDX);
	emit_lock_rm(j, wide, 0x0fb1, RDX, R10, 0);
	from = emit_jcc_later(j, CC_NE);
	if (j->out && from <= j->room)
		j->out[from - 1] = (uint8_t)(again - from);
	emit_rr(j, true, 0x87, RAX, R11); /* xchg: what was there is in r11 */
	emit_pop(j, RDX);
	emit_pop(j, R10);
	emit_pop(j, R9);
	emit_mov(j, wide, src, R11);
}

static void atomic(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg], src = jit_reg[insn->src_reg];
	bool wide = BPF_SIZE(insn->code) == BPF_DW;

	switch (insn->imm) {
	case BPF_XCHG:
		emit_rm(j, wide, 0x87, src, dst, insn->off);
		break;
	case BPF_CMPXCHG:
		emit_lock_rm(j, wide, 0x0fb1, src, dst, insn->off);
		if (!wide)
			emit_mov(j, false, RAX, RAX);
		break;
	case BPF_ADD | BPF_FETCH:
		emit_lock_rm(j, wide, 0x0fc1, src, dst, insn->off);
		break;
	default:
		if (insn->imm & BPF_FETCH)
			fetch_loop(j, wide, insn);
		else
			emit_lock_rm(j, wide, bit_ops[insn->imm >> 4], src, dst, insn->off);
	}
}

static void store(struct jit *j, const struct bpf_insn *insn)
{
	if (BPF_CLASS(insn->code) == BPF_ST)
		store_const(j, insn);
	else if (BPF_MODE(insn->code) == BPF_ATOMIC)
		atomic(j, insn);
	else
		store_reg(j, insn);
}

static int32_t here_at(uint32_t slot)
{
	return (int32_t)(slot * sizeof(struct bpf_map_here) + offsetof(struct bpf_map_here, mem));
}

/* The register that has the maps: r10, or `free` from now on. */
static uint32_t maps_reg(struct jit *j, uint32_t free)
{
	if (j->maps)
		return R10;
	emit_rm(j, true, 0x8b, free, j->view, offsetof(struct bpf_view, maps));
	return free;
}

/* The address of a value of slot imm, insn[1].imm bytes into it. */
static void map_value(struct jit *j, uint32_t dst, const struct bpf_insn *insn)
{
	emit_rm(j, true, 0x8b, dst, maps_reg(j, dst), here_at((uint32_t)insn->imm));
	if (insn[1].imm)
		emit_ri(j, true, OP_ADD, dst, insn[1].imm);
}

static void wide_const(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg];

	if (insn->src_reg == BPF_PSEUDO_MAP_VALUE) {
		map_value(j, dst, insn);
		return;
	}
	if (!insn[1].imm) {
		emit_rex(j, false, 0, dst, false);
		emit(j, 0xb8u | (dst & 7));
		emit32(j, (uint32_t)insn->imm);
		return;
	}
	emit_rex(j, true, 0, dst, false);
	emit(j, 0xb8u | (dst & 7));
	emit32(j, (uint32_t)insn[0].imm);
	emit32(j, (uint32_t)insn[1].imm);
}

/* ---- the packet ---- */

/* eax = [r9 + r11] or [r9 + disp], in host order */
static void read_packet(struct jit *j, uint32_t size, bool indexed, int32_t disp)
{
	uint32_t op = size == 4 ? 0x8b : size == 2 ? 0x0fb7 : 0x0fb6;

	if (indexed) {
		emit(j, 0x43); /* r9 and r11 are the upper eight */
		emit_op(j, op);
		emit(j, 0x04);
		emit(j, 0x19);
	} else {
		emit_rm(j, false, op, RAX, R9, disp);
	}
	if (size == 4) {
		emit(j, 0x0f); /* bswap eax */
		emit(j, 0xc8);
	} else if (size == 2) {
		emit(j, 0x66); /* rol ax, 8 */
		emit(j, 0xc1);
		emit(j, 0xc0);
		emit(j, 8);
	}
}

static void load_abs(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t size = bpf_size_bytes(insn->code), stub = jit_stub_at(j, j->loads++);

	if (insn->imm < 0 || insn->imm > INT32_MAX - 4) {
		emit_jmp_far(j, stub);
		return;
	}
	emit_ri(j, false, OP_CMP, R10, insn->imm + (int32_t)size);
	emit_jcc_far(j, CC_B, stub);
	read_packet(j, size, false, insn->imm);
}

static void load_ind(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t size = bpf_size_bytes(insn->code), stub = jit_stub_at(j, j->loads++);

	emit_rm(j, false, 0x8d, R11, jit_reg[insn->src_reg], insn->imm); /* lea r11d */
	emit_rm(j, true, 0x8d, RAX, R11, (int32_t)size);
	emit_rr(j, true, OP_CMP, R10, RAX);
	emit_jcc_far(j, CC_A, stub);
	read_packet(j, size, true, 0);
}

/* ---- jumps ---- */

static const uint8_t conditions[16] = {
	[BPF_JEQ >> 4] = CC_E, [BPF_JNE >> 4] = CC_NE, [BPF_JGT >> 4] = CC_A,
	[BPF_JGE >> 4] = CC_AE, [BPF_JLT >> 4] = CC_B, [BPF_JLE >> 4] = CC_BE,
	[BPF_JSET >> 4] = CC_NE, [BPF_JSGT >> 4] = CC_G, [BPF_JSGE >> 4] = CC_GE,
	[BPF_JSLT >> 4] = CC_L, [BPF_JSLE >> 4] = CC_LE,
};

static void compare(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t dst = jit_reg[insn->dst_reg], src = jit_reg[insn->src_reg];
	bool wide = BPF_CLASS(insn->code) == BPF_JMP, test = BPF_OP(insn->code) == BPF_JSET;

	if (BPF_SRC(insn->code) == BPF_X) {
		emit_rr(j, wide, test ? OP_TEST : OP_CMP, src, dst);
	} else if (test) {
		emit_rex(j, wide, 0, dst, false);
		emit(j, 0xf7);
		emit(j, 0xc0u | (dst & 7));
		emit32(j, (uint32_t)insn->imm);
	} else if (!insn->imm && (BPF_OP(insn->code) == BPF_JEQ || BPF_OP(insn->code) == BPF_JNE)) {
		emit_rr(j, wide, OP_TEST, dst, dst);
	} else {
		emit_ri(j, wide, OP_CMP, dst, insn->imm);
	}
}

/* A lookup in an array that is mapped: the key is behind R2. */
static void array_at(struct jit *j, uint32_t slot)
{
	const struct ebpf_map *shape = &j->code->maps[slot].shape;
	uint32_t stride = bpf_map_stride(shape), maps, none, done;

	emit_rm(j, false, 0x8b, RAX, RSI, 0);
	emit_ri(j, false, OP_CMP, RAX, (int32_t)shape->entries);
	none = emit_jcc_later(j, CC_AE);
	maps = maps_reg(j, R11);
	if (!(stride & (stride - 1))) {
		emit_rr(j, true, 0xc1, 4, RAX); /* shl */
		emit(j, (uint32_t)__builtin_ctz(stride));
	} else {
		emit_rr(j, true, 0x69, RAX, RAX); /* imul */
		emit32(j, stride);
	}
	emit_rm(j, true, 0x03, RAX, maps, here_at(slot));
	done = emit_jmp_later(j);
	land_here(j, none);
	emit_rr(j, false, OP_XOR, RAX, RAX);
	land_here(j, done);
}

static void call_function(struct jit *j, uint32_t pc)
{
	emit(j, 0xe8);
	emit32(j, j->at[pc + 1u + (uint32_t)j->code->insns[pc].imm] - jit_entry_bytes(j) -
			  (j->n + 4));
	jit_packet_regs(j);
}

/* Another program has run or will, in the place of this function: it ends. */
static void tail(struct jit *j)
{
	uint32_t on;

	emit_rr(j, false, OP_TEST, RAX, RAX);
	on = emit_jcc_later(j, CC_E);
	emit_rm(j, true, 0x8b, RAX, j->view, offsetof(struct bpf_view, tail_ret));
	jit_exit(j, false);
	land_here(j, on);
}

static void call(struct jit *j, const struct bpf_insn *insn)
{
	int32_t at = (int32_t)(offsetof(struct bpf_calls, helper) +
			       (uint32_t)insn->imm * sizeof(bpf_helper));

	emit_mov(j, true, R9, j->view);
	emit_rm(j, true, 0x8b, R11, j->view, offsetof(struct bpf_view, calls));
	emit_rm(j, false, 0xff, 2, R11, at);
	if (insn->imm == CALL_TAIL || insn->imm == CALL_TAIL_INSIDE)
		tail(j);
	jit_packet_regs(j);
}

static void jump(struct jit *j, const struct bpf_insn *insn, uint32_t pc)
{
	switch (BPF_OP(insn->code)) {
	case BPF_EXIT:
		jit_exit(j, pc + 1 == j->code->count);
		break;
	case BPF_CALL:
		if (insn->src_reg == BPF_PSEUDO_CALL)
			call_function(j, pc);
		else if (jit_in_line(insn))
			array_at(j, (uint32_t)insn->off - 1);
		else
			call(j, insn);
		break;
	case BPF_JA:
		pc += 1u + (uint32_t)(BPF_CLASS(insn->code) == BPF_JMP32 ? insn->imm : insn->off);
		emit_jmp(j, j->at[pc]);
		break;
	default:
		compare(j, insn);
		emit_jcc(j, conditions[BPF_OP(insn->code) >> 4],
			 j->at[pc + 1u + (uint32_t)(int32_t)insn->off]);
	}
}

uint32_t jit_insn(struct jit *j, uint32_t pc)
{
	const struct bpf_insn *insn = &j->code->insns[pc];

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		jit_alu(j, insn);
		break;
	case BPF_LD:
		if (BPF_MODE(insn->code) == BPF_IMM) {
			wide_const(j, insn);
			return 2;
		}
		if (BPF_MODE(insn->code) == BPF_ABS)
			load_abs(j, insn);
		else
			load_ind(j, insn);
		break;
	case BPF_LDX:
		load(j, insn);
		break;
	case BPF_ST:
	case BPF_STX:
		store(j, insn);
		break;
	default:
		jump(j, insn, pc);
	}
	return 1;
}

#endif
