/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * jit_x86.c - a program as x86-64 machine code: entry, exit, the slow way of loads, passes
 *
 * Layout: entry, the instructions, the way out, a stub for each load of the packet, one thunk a
 * size that saves what a C function may spoil and calls bpf_calls.load. A program that keeps
 * nothing across calls has no entry but the two loads of data and head, and leaves by `ret`.
 * Passes: jumps are first taken to be long; each pass measures with the places of the last one,
 * until nothing shrinks any more; one more writes. Should it not settle, all jumps are long.
 * Pure. Callers: filter.c, prog loading, tests, bench.
 */
#include "stack/bpf/jit_x86.h"

#ifdef __x86_64__

#define PASSES 12
#define STUB_BYTES 25
#define STACK_CLASSIC (BPF_MEMWORDS * 4)

bool jit_possible(void)
{
	return true;
}

static const uint8_t saved_regs[] = { RBX, R12, R13, R14, R15 };

/* ---- what the program needs ---- */

static uint32_t saved_bit(uint32_t bpf_reg)
{
	static const uint8_t bits[BPF_REG_10 + 1] = { [BPF_REG_6] = 1, [BPF_REG_7] = 4,
						      [BPF_REG_8] = 8, [BPF_REG_9] = 16 };

	return bits[bpf_reg];
}

/* M[] and nothing else: [R10 - 64 .. R10) by constant offsets. */
static bool is_shallow(const struct bpf_insn *insn)
{
	bool read = BPF_CLASS(insn->code) == BPF_LDX && insn->src_reg == BPF_REG_10;
	bool write = (BPF_CLASS(insn->code) == BPF_STX || BPF_CLASS(insn->code) == BPF_ST) &&
		     insn->dst_reg == BPF_REG_10 && insn->src_reg != BPF_REG_10;

	if (insn->dst_reg != BPF_REG_10 && insn->src_reg != BPF_REG_10)
		return true;
	return (read || write) && insn->off >= -STACK_CLASSIC;
}

static void survey(struct jit *j)
{
	const struct bpf_code *code = j->code;

	j->maps = code->uses & BPF_OWN_CTX && !(code->uses & BPF_USES_PACKET);
	if (code->uses & BPF_USES_STACK)
		j->stack = STACK_CLASSIC;
	for (uint32_t pc = 0; pc < code->count; pc++) {
		const struct bpf_insn *insn = &code->insns[pc];
		uint32_t mode = BPF_MODE(insn->code);

		j->saved |= (uint8_t)(saved_bit(insn->dst_reg) | saved_bit(insn->src_reg));
		if (!is_shallow(insn))
			j->stack = BPF_STACK_BYTES;
		if (BPF_CLASS(insn->code) == BPF_LD && (mode == BPF_ABS || mode == BPF_IND))
			j->loads_all++;
		if (insn->code == (BPF_JMP | BPF_CALL) && !insn->src_reg && !jit_in_line(insn))
			j->maps = false;
		pc += insn->code == (BPF_LD | BPF_IMM | BPF_DW);
	}
	j->view = RDI;
	if (code->uses & (BPF_WRITES_R1 | BPF_OWN_CTX)) {
		j->view = R12;
		j->saved |= j->maps ? 0 : 2;
	}
	j->frame = j->stack || j->saved || code->func_count;
}

/* ---- entry and exit ---- */

static bool is_uneven(const struct jit *j)
{
	return __builtin_popcount(j->saved) & 1;
}

void jit_packet_regs(struct jit *j)
{
	if (!(j->code->uses & BPF_USES_PACKET))
		return;
	emit_rm(j, true, 0x8b, R9, j->view, offsetof(struct bpf_view, data));
	emit_rm(j, false, 0x8b, R10, j->view, offsetof(struct bpf_view, head));
}

static void frame(struct jit *j)
{
	if (!j->frame)
		return;
	emit_push(j, RBP);
	emit_mov(j, true, RBP, RSP);
	if (j->stack || is_uneven(j))
		emit_ri(j, true, OP_SUB, RSP, j->stack + (is_uneven(j) ? 8 : 0));
	for (uint32_t i = 0; i < S7_ARRAY_LEN(saved_regs); i++)
		if (j->saved >> i & 1)
			emit_push(j, saved_regs[i]);
}

static void enter(struct jit *j)
{
	frame(j);
	if (j->view == R12 && !j->maps)
		emit_mov(j, true, R12, RDI);
	if (j->view == R12)
		emit_mov(j, true, RDI, RSI);
	if (j->maps) /* and no use for the view */
		emit_mov(j, true, R10, RDX);
	jit_packet_regs(j);
}

static void leave(struct jit *j)
{
	for (uint32_t i = S7_ARRAY_LEN(saved_regs); j->frame && i--;)
		if (j->saved >> i & 1)
			emit_pop(j, saved_regs[i]);
	if (j->frame)
		emit(j, 0xc9);
	emit(j, 0xc3);
}

void jit_exit(struct jit *j, bool is_last)
{
	if (!j->frame)
		emit(j, 0xc3);
	else if (j->code->func_count)
		leave(j);
	else if (!is_last)
		emit_jmp(j, j->end);
}

/* ---- behind the instructions ---- */

/* "0 and out", in front of the stubs: xor eax, eax; jmp */
#define ZERO_BYTES 7

static uint32_t leave_bytes(const struct jit *j)
{
	struct jit count = { .code = j->code, .saved = j->saved, .frame = j->frame };

	leave(&count);
	return count.n;
}

uint32_t jit_entry_bytes(const struct jit *j)
{
	struct jit count = { .saved = j->saved, .frame = j->frame, .stack = j->stack };

	frame(&count);
	return count.n;
}

static uint32_t zero_at(const struct jit *j)
{
	return j->end + leave_bytes(j);
}

uint32_t jit_stub_at(const struct jit *j, uint32_t n)
{
	return zero_at(j) + ZERO_BYTES + n * STUB_BYTES;
}

#define THUNK_REGS { RDI, RSI, RDX, RCX, R8, R9, R10 }

/* r11d: offset; rax: what bpf_calls.load says. All other registers stay. */
static void thunk(struct jit *j, uint32_t size)
{
	static const uint8_t keep[] = THUNK_REGS;

	for (uint32_t i = 0; i < S7_ARRAY_LEN(keep); i++)
		emit_push(j, keep[i]);
	emit_push(j, RBP);
	emit_mov(j, true, RBP, RSP);
	emit_ri(j, true, OP_AND, RSP, -16);
	if (j->view != RDI)
		emit_mov(j, true, RDI, j->view);
	emit_mov(j, false, RSI, R11);
	emit(j, 0xb8u | RDX);
	emit32(j, size);
	emit_rm(j, true, 0x8b, RAX, RDI, offsetof(struct bpf_view, calls));
	emit_rm(j, false, 0xff, 2, RAX, offsetof(struct bpf_calls, load));
	emit_mov(j, true, RSP, RBP);
	emit_pop(j, RBP);
	for (uint32_t i = S7_ARRAY_LEN(keep); i--;)
		emit_pop(j, keep[i]);
	emit(j, 0xc3);
}

static uint32_t thunk_bytes(const struct jit *j)
{
	struct jit count = { .view = j->view };

	thunk(&count, 4);
	return count.n;
}

static uint32_t thunk_at(const struct jit *j, uint32_t size)
{
	return jit_stub_at(j, j->loads_all) + thunk_bytes(j) * (size == 4 ? 0 : size);
}

/* The slow way of a load: back to the instruction behind it, or out. */
static void stub(struct jit *j, uint32_t pc)
{
	const struct bpf_insn *insn = &j->code->insns[pc];

	if (BPF_MODE(insn->code) == BPF_ABS) {
		emit(j, 0x41); /* mov r11d, imm */
		emit(j, 0xbb);
		emit32(j, (uint32_t)insn->imm);
	} else {
		for (int i = 0; i < 6; i++)
			emit(j, 0x90);
	}
	emit(j, 0xe8);
	emit32(j, thunk_at(j, bpf_size_bytes(insn->code)) - (j->n + 4));
	emit_rr(j, true, OP_TEST, RAX, RAX);
	emit_jcc_far(j, CC_S, zero_at(j));
	emit_jmp_far(j, j->at[pc + 1]);
}

static void behind(struct jit *j)
{
	leave(j);
	if (!j->loads_all)
		return;
	emit_rr(j, false, OP_XOR, RAX, RAX);
	emit_jmp_far(j, j->end);
	for (uint32_t pc = 0; pc < j->code->count; pc++) {
		const struct bpf_insn *insn = &j->code->insns[pc];

		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW))
			pc++;
		else if (BPF_CLASS(insn->code) == BPF_LD)
			stub(j, pc);
	}
	thunk(j, 4);
	thunk(j, 1);
	thunk(j, 2);
}

/* ---- passes ---- */

/* True: every place is where the last pass said. */
static bool pass(struct jit *j)
{
	uint32_t count = j->code->count, end;
	bool same = true;

	j->n = 0;
	j->loads = 0;
	j->func = 0;
	enter(j);
	for (uint32_t pc = 0; pc < count;) {
		uint32_t start, next;

		if (j->func < j->code->func_count && j->code->funcs[j->func] == pc) {
			frame(j); /* jumps lead behind it, calls to it */
			j->func++;
		}
		start = j->n;
		next = pc + jit_insn(j, pc);
		same &= j->at[pc] == start;
		j->at[pc] = start;
		pc = next;
	}
	end = j->n;
	same &= j->end == end;
	j->end = j->at[count] = end;
	return same;
}

uint32_t jit_compile(const struct bpf_code *code, uint8_t *out, uint32_t room, uint32_t *at)
{
	struct jit j = { .code = code, .room = room, .at = at };
	bool settled = false;

	survey(&j);
	for (uint32_t pc = 0; pc <= code->count; pc++)
		at[pc] = pc * 160;
	j.end = code->count * 160;
	for (int i = 0; i < PASSES && !settled; i++)
		settled = pass(&j);
	if (!settled) {
		j.far_jumps = true;
		settled = pass(&j) || pass(&j);
	}
	j.out = out;
	if (!settled || !pass(&j))
		return 0;
	behind(&j);
	return j.n <= room ? j.n : 0;
}

#else

bool jit_possible(void)
{
	return false;
}

uint32_t jit_compile(const struct bpf_code *code, uint8_t *out, uint32_t room, uint32_t *at)
{
	(void)code, (void)out, (void)room, (void)at;
	return 0;
}

#endif
