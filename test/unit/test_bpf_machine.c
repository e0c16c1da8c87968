/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_machine.c - the machine's own instruction set: both engines against each other, against
 * what is known, and what the check keeps out */
#include <criterion/criterion.h>
#include <errno.h>

#include "test/support/bpfgen.h"
#include "test/support/engines.h"
#include "test/support/insns.h"

#define WIDE(d, k) \
	I(BPF_LD | BPF_IMM | BPF_DW, d, 0, 0, (int32_t)(uint32_t)(k)), \
	I(0, 0, 0, 0, (int32_t)((uint64_t)(k) >> 32))

static struct bpf_code checked(const struct bpf_insn *insns, uint32_t count)
{
	struct bpf_code code = { .insns = insns, .count = count };

	cr_assert_eq(bpf_check(insns, count, &code.uses), 0);
	code.uses |= BPF_OWN_CTX;
	return code;
}

static uint64_t run(const struct bpf_insn *insns, uint32_t count, void *ctx)
{
	struct bpf_code code = checked(insns, count);
	struct bpf_view view = engines_view("packet", 6);
	bool same = true;
	uint64_t ret = engines_run(&code, &view, ctx, &same);

	cr_assert(same);
	return ret;
}

#define RUN(...) \
	run((struct bpf_insn[]){ __VA_ARGS__ }, \
	    (uint32_t)S7_ARRAY_LEN(((struct bpf_insn[]){ __VA_ARGS__ })), NULL)

/* The compiler multiplies where it can: every edge of quotients and of 32 bits. */
Test(bpf, division_by_constants)
{
	static const uint32_t some[] = { 1,	     2,		 3,	     5,		6,
					 7,	     9,		 10,	     11,	12,
					 25,	     60,	 64,	     100,	641,
					 1000,	     65535,	 65536,	     65537,	0x7fffffff,
					 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff };

	for (size_t i = 0; i < S7_ARRAY_LEN(some) + 200; i++) {
		uint32_t d = i < S7_ARRAY_LEN(some) ? some[i] : (uint32_t)(i * 2654435761u) | 1;

		for (size_t k = 0; k < 24; k++) {
			uint64_t n = (uint64_t)d * (k / 3 ? UINT32_MAX / d >> (k / 3 - 1) : 0) +
				     k % 3 - 1;
			uint32_t low = (uint32_t)n;

			cr_assert_eq(RUN(WIDE(BPF_REG_0, n), I(BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0,
							       (int32_t)d), EXIT), low / d);
			cr_assert_eq(RUN(WIDE(BPF_REG_3, n), I(BPF_ALU | BPF_MOD | BPF_K, 3, 0, 0,
							       (int32_t)d),
					 MOVX(BPF_REG_0, BPF_REG_3), EXIT), low % d);
		}
	}
}

Test(bpf, random_programs_give_the_same_on_both_engines)
{
	struct bpf_insn prog[GEN_MACHINE_INSNS];
	struct bpf_view view = engines_view("", 0);
	struct bpfgen gen = { 7 };

	for (int i = 0; i < 20000; i++) {
		uint64_t seed = gen.state;
		struct bpf_code code;
		bool same = true;

		cr_assert_eq(engines_ebpf(prog, gen_machine(&gen, prog), &code), 0);
		engines_run(&code, &view, NULL, &same);
		cr_assert(same, "program %d, state %#llx", i, (unsigned long long)seed);
	}
}

Test(bpf, random_classic_programs_give_the_same_on_both_engines)
{
	struct sock_filter prog[300];
	struct bpfgen gen = { 9 };
	uint32_t taken = 0;
	uint8_t data[64];

	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	for (int i = 0; i < 20000; i++) {
		uint32_t len = gen_classic(&gen, prog, 1 + (uint32_t)i % 300);
		struct s7_pkt rest = { .data = data + 24, .len = 40 };
		struct bpf_view view = engines_view(data + 8, 16);
		struct bpf_code code;
		bool same = true;

		view.net = -6;
		view.back = 8;
		view.link = -20;
		if (i & 1) {
			view.chain = &rest;
			view.len = 56;
		}
		if (engines_classic(prog, len, &code))
			continue;
		taken++;
		engines_run(&code, &view, &view, &same);
		cr_assert(same, "program %d", i);
	}
	cr_expect_gt(taken, 8000);
}

Test(bpf, division_never_traps)
{
	cr_expect_eq(RUN(WIDE(0, 1ull << 63), MOV(1, -1),
			 I(BPF_ALU64 | BPF_DIV | BPF_X, 0, 1, 1, 0), EXIT), 1ull << 63);
	cr_expect_eq(RUN(WIDE(0, 1ull << 63), MOV(1, -1),
			 I(BPF_ALU64 | BPF_MOD | BPF_X, 0, 1, 1, 0), EXIT), 0);
	cr_expect_eq(RUN(WIDE(0, 1ull << 31), MOV(1, -1),
			 I(BPF_ALU | BPF_DIV | BPF_X, 0, 1, 1, 0), EXIT), 1ull << 31);
	cr_expect_eq(RUN(MOV(0, -7), I(BPF_ALU64 | BPF_DIV | BPF_K, 0, 0, 1, 2), EXIT),
		     (uint64_t)-3);
	cr_expect_eq(RUN(MOV(0, -7), I(BPF_ALU64 | BPF_MOD | BPF_K, 0, 0, 1, 4), EXIT),
		     (uint64_t)-3);
	cr_expect_eq(RUN(MOV(0, -7), MOV(3, 0), I(BPF_ALU64 | BPF_DIV | BPF_X, 0, 3, 0, 0), EXIT),
		     0);
	cr_expect_eq(RUN(MOV(0, -7), MOV(3, 0), I(BPF_ALU | BPF_MOD | BPF_X, 0, 3, 0, 0), EXIT),
		     (uint32_t)-7);
	/* the registers that x86 divides with are the program's too */
	cr_expect_eq(RUN(MOV(0, 100), MOV(3, 7), I(BPF_ALU64 | BPF_DIV | BPF_X, 3, 3, 0, 0),
			 I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 3, 0, 0), EXIT), 101);
	cr_expect_eq(RUN(MOV(0, 100), MOV(4, 7), MOV(3, 50),
			 I(BPF_ALU64 | BPF_MOD | BPF_X, 4, 3, 0, 0),
			 I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 3, 0, 0),
			 I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 4, 0, 0), EXIT), 157);
}

Test(bpf, signs_are_extended)
{
	cr_expect_eq(RUN(MOV(1, 0x80), I(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 8, 0), EXIT),
		     (uint64_t)-128);
	cr_expect_eq(RUN(MOV(2, 0x80), I(BPF_ALU | BPF_MOV | BPF_X, 0, 2, 8, 0), EXIT),
		     (uint32_t)-128);
	cr_expect_eq(RUN(MOV(9, 0x8001), I(BPF_ALU64 | BPF_MOV | BPF_X, 0, 9, 16, 0), EXIT),
		     (uint64_t)-32767);
	cr_expect_eq(RUN(WIDE(6, 0x80000000u), I(BPF_ALU64 | BPF_MOV | BPF_X, 0, 6, 32, 0), EXIT),
		     (uint64_t)INT32_MIN);
	cr_expect_eq(RUN(WIDE(0, 0x1122334455667788ull), I(BPF_ALU64 | BPF_END, 0, 0, 0, 64), EXIT),
		     0x8877665544332211ull);
	cr_expect_eq(RUN(WIDE(0, 0x1122334455667788ull), I(BPF_ALU64 | BPF_END, 0, 0, 0, 16), EXIT),
		     0x8877);
}

Test(bpf, memory_of_every_width)
{
	static const uint8_t widths[] = { BPF_B, BPF_H, BPF_W, BPF_DW };
	static const uint64_t masks[] = { 0xff, 0xffff, 0xffffffff, UINT64_MAX };
	const uint64_t value = 0x8182838485868788ull;

	for (int i = 0; i < 4; i++) {
		uint32_t w = widths[i];
		uint64_t sign = masks[i] ^ masks[i] >> 1, low = value & masks[i];

		for (int reg = 1; reg < 10; reg++) {
			cr_expect_eq(RUN(WIDE(reg, value), STX(w, 10, reg, -8), MOV(0, 0),
					 LDX(w, 0, 10, -8), EXIT), low);
			cr_expect_eq(RUN(MOVX(reg, 10),
					 I(BPF_ALU64 | BPF_ADD | BPF_K, reg, 0, 0, -500),
					 I(BPF_ST | BPF_MEM | w, reg, 0, 300, -2),
					 LDX(w, 0, reg, 300), EXIT),
				     (uint64_t)-2 & masks[i]);
		}
		if (w != BPF_DW)
			cr_expect_eq(RUN(WIDE(1, value), STX(BPF_DW, 10, 1, -8),
					 I(BPF_LDX | BPF_MEMSX | w, 0, 10, -8, 0), EXIT),
				     (low ^ sign) - sign);
	}
}

/* Both engines on memory of their own: what the operation leaves, and what it tells. */
static void atomic(int32_t op, uint32_t width, uint64_t want_cell, uint64_t want_src)
{
	for (int engine = 0; engine < 2; engine++) {
		uint64_t cell = 0xf0f0f0f0f0f0f0f0ull;
		struct bpf_view view = engines_view("", 0);
		struct bpf_insn prog[] = {
			WIDE(0, 0xf0f0f0f0f0f0f0f0ull), MOVX(2, 1), MOV(3, 0x3c),
			I(BPF_STX | BPF_ATOMIC | width, 2, 3, 0, op),
			I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 3, 0, 0), EXIT,
		};
		struct bpf_code code = checked(prog, (uint32_t)S7_ARRAY_LEN(prog));
		uint64_t ret = engine ? engines_native(&code, &view, &cell) :
					bpf_interp(&code, &view, &cell);

		cr_expect_eq(cell, want_cell, "%#x on engine %d leaves %#lx", op, engine, cell);
		cr_expect_eq(ret, want_src, "%#x on engine %d tells %#lx", op, engine, ret);
	}
}

Test(bpf, atomic_operations)
{
	const uint64_t old = 0xf0f0f0f0f0f0f0f0ull, high = old & ~0xffffffffull;
	const uint32_t low = (uint32_t)old;

	atomic(BPF_ADD, BPF_DW, old + 0x3c, old + 0x3c);
	atomic(BPF_AND, BPF_DW, 0x30, old + 0x3c);
	atomic(BPF_OR | BPF_FETCH, BPF_DW, old | 0x3c, old + old);
	atomic(BPF_XOR | BPF_FETCH, BPF_DW, old ^ 0x3c, old + old);
	atomic(BPF_AND | BPF_FETCH, BPF_W, high | 0x30, old + low);
	atomic(BPF_ADD | BPF_FETCH, BPF_W, high | (uint32_t)(low + 0x3c), old + low);
	atomic(BPF_XCHG, BPF_W, high | 0x3c, old + low);
	atomic(BPF_XCHG, BPF_DW, 0x3c, old + old);
	atomic(BPF_CMPXCHG, BPF_DW, 0x3c, old + 0x3c);
	atomic(BPF_CMPXCHG, BPF_W, high | 0x3c, (uint64_t)low + 0x3c);
}

Test(bpf, calls_reach_helpers_with_all_saved_registers)
{
	cr_expect_eq(RUN(MOV(6, 6), MOV(7, 7), MOV(8, 8), MOV(9, 9),
			 I(BPF_JMP | BPF_CALL, 0, 0, 0, 0), MOV(0, 0),
			 I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 6, 0, 0),
			 I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 7, 0, 0),
			 I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 8, 0, 0),
			 I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 9, 0, 0),
			 I(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, 5), EXIT),
		     't');
}

Test(bpf, loops_and_long_jumps)
{
	static struct bpf_insn far[400];

	cr_expect_eq(RUN(MOV(0, 0), MOV(1, 10), I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 1, 0, 0),
			 I(BPF_ALU64 | BPF_SUB | BPF_K, 1, 0, 0, 1),
			 I(BPF_JMP | BPF_JNE | BPF_K, 1, 0, -3, 0), EXIT), 55);
	far[0] = MOV(0, 1);
	far[1] = I(BPF_JMP32 | BPF_JA, 0, 0, 0, 397);
	for (int i = 2; i < 399; i++)
		far[i] = I(BPF_ALU64 | BPF_ADD | BPF_K, 0, 0, 0, 1);
	far[399] = EXIT;
	cr_expect_eq(run(far, 400, NULL), 1);
	far[1] = I(BPF_JMP | BPF_JSET | BPF_K, 0, 0, 397, 1);
	cr_expect_eq(run(far, 400, NULL), 1);
	far[1] = I(BPF_JMP | BPF_JSET | BPF_K, 0, 0, 397, 2);
	cr_expect_eq(run(far, 400, NULL), 398);
}

#define REFUSED(...) \
	({ \
		struct bpf_insn prog_[] = { __VA_ARGS__ }; \
		uint32_t uses_; \
		bpf_check(prog_, (uint32_t)S7_ARRAY_LEN(prog_), &uses_) == -EINVAL; \
	})

Test(bpf, what_an_engine_does_not_know_is_refused)
{
	uint32_t uses;

	cr_expect_eq(bpf_check(NULL, 0, &uses), -EINVAL);
	cr_expect(REFUSED(MOV(0, 0)));				     /* runs out of its end */
	cr_expect(REFUSED(MOV(10, 0), EXIT));			     /* the frame is fixed */
	cr_expect(REFUSED(MOV(11, 0), EXIT));
	cr_expect(REFUSED(MOVX(0, 11), EXIT));
	cr_expect(REFUSED(I(BPF_JMP | BPF_JA, 0, 0, 1, 0), EXIT));
	cr_expect(REFUSED(I(BPF_JMP | BPF_JA, 0, 0, -2, 0), EXIT));
	cr_expect(REFUSED(I(BPF_JMP | BPF_JEQ, 0, 0, 7, 0), EXIT));
	cr_expect(REFUSED(WIDE(0, 1)));
	cr_expect(REFUSED(I(BPF_JMP | BPF_JA, 0, 0, 1, 0), WIDE(0, 1), EXIT)); /* into its middle */
	cr_expect(REFUSED(EXIT, I(BPF_LD | BPF_IMM | BPF_DW, 0, 0, 0, 0)));
	cr_expect(REFUSED(I(BPF_JMP | BPF_CALL, 0, 0, 0, CALL_COUNT), EXIT));
	cr_expect(REFUSED(I(BPF_JMP | BPF_CALL, 0, 2, 0, 0), EXIT));
	cr_expect(REFUSED(I(BPF_JMP | BPF_CALL, 0, 1, 0, 1), EXIT)); /* beyond the end */
	cr_expect(REFUSED(I(BPF_JMP | BPF_CALL, 0, 1, 0, -2), EXIT));
	cr_expect(REFUSED(I(BPF_ALU | BPF_LSH, 0, 0, 0, 32), EXIT));
	cr_expect(REFUSED(I(BPF_ALU64 | BPF_LSH, 0, 0, 0, 64), EXIT));
	cr_expect(REFUSED(I(BPF_ALU | BPF_DIV, 0, 0, 0, 0), EXIT));
	cr_expect(REFUSED(I(BPF_ALU | BPF_END, 0, 0, 0, 8), EXIT));
	cr_expect(REFUSED(I(BPF_ALU | BPF_MOV | BPF_X, 0, 1, 7, 0), EXIT));
	cr_expect(REFUSED(I(BPF_STX | BPF_ATOMIC | BPF_W, 1, 2, 0, 0x77), EXIT));
	cr_expect(REFUSED(I(BPF_STX | BPF_ATOMIC | BPF_W, 1, 10, 0, BPF_XCHG), EXIT));
	cr_expect(REFUSED(I(0xff, 0, 0, 0, 0), EXIT));
}
