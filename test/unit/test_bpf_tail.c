/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_tail.c - programs that go on to other programs, on both engines: whose result counts,
 * what they share, how many there may be, who is kept and for how long. */
#include "test/support/mini_ebpf.h"

/* R6 = the context; goes on to the program at place `at` of map 1. */
#define GO_ON(at) MOVX(1, 6), MAP(2, 1), MOV(3, at), CALL(tail_call)

#define KEEP(n) MOV(0, 8 + (n)), EXIT /* the UDP header and n bytes */
#define CB ((int16_t)offsetof(struct __sk_buff, cb[0]))

static struct ebpf_prog tail_of(const struct bpf_insn *insns, uint32_t count)
{
	struct ebpf_prog prog = prog_of(insns, count);

	prog.maps[1] = (struct ebpf_map){ .id = 2, .type = BPF_MAP_TYPE_PROG_ARRAY, .key_bytes = 4,
					  .value_bytes = 4, .entries = 100 };
	return prog;
}

#define TAIL(...) tail_of(INSNS(__VA_ARGS__), (uint32_t)S7_ARRAY_LEN(INSNS(__VA_ARGS__)))

static struct s7_sock *attached(struct mini *m, const struct ebpf_prog *prog)
{
	struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

	memset(places, 0, sizeof(places));
	memset(progs, 0, sizeof(progs));
	cr_assert_eq(filter_attach_ebpf(sk, prog), 0);
	return sk;
}

static void stand(uint32_t place, uint32_t id, const struct ebpf_prog *prog)
{
	progs[id] = prog;
	places[place] = id;
}

Test(bpf, the_last_program_says_what_is_kept)
{
	struct ebpf_prog first = TAIL(MOVX(6, 1), GO_ON(3), KEEP(1)), second = PROG(KEEP(2));

	ON_BOTH(m) {
		struct s7_sock *sk = attached(m, &first);

		cr_expect_eq(kept(m, sk, "ab"), 1); /* nobody there: it goes on itself */
		stand(3, 7, &second);
		cr_expect_eq(kept(m, sk, "ab"), 2);
		places[3] = 0;
		cr_expect_eq(kept(m, sk, "ab"), 1);
		done(sk);
		cr_expect_eq(taken, given);
	}
}

Test(bpf, a_place_beyond_the_map_is_none)
{
	struct ebpf_prog first = TAIL(MOVX(6, 1), GO_ON(100), KEEP(1)), second = PROG(KEEP(2));

	ON_BOTH(m) {
		struct s7_sock *sk = attached(m, &first);

		stand(100, 7, &second);
		cr_expect_eq(kept(m, sk, "ab"), 1);
		done(sk);
	}
}

/* cb[] goes along, the stack does not, and fields that the first did not read are there. */
Test(bpf, a_program_hands_words_of_the_context_on)
{
	struct ebpf_prog first = TAIL(MOVX(6, 1), MOV(2, 5), STX(BPF_W, 6, 2, CB), GO_ON(0),
				      KEEP(1));
	struct ebpf_prog second = PROG(LDX(BPF_W, 0, 1, CB), LDX(BPF_W, 2, 1, LEN),
				       I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 2, 0, 0), ADD(0, -5),
				       EXIT);

	ON_BOTH(m) {
		struct s7_sock *sk = attached(m, &first);

		stand(0, 7, &second);
		cr_expect_eq(kept(m, sk, "ab"), 2);
		done(sk);
	}
}

/* Each adds 1 to values[0][0] and goes on to itself: 33 times, as in Linux. */
Test(bpf, a_circle_ends_after_33_calls)
{
	struct ebpf_prog circle = TAIL(MOVX(6, 1), WIDE(1, BPF_PSEUDO_MAP_VALUE, 0, 0), MOV(2, 1),
				       I(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 2, 0, BPF_ADD),
				       GO_ON(0), KEEP(1));

	ON_BOTH(m) {
		struct s7_sock *sk = attached(m, &circle);

		stand(0, 7, &circle);
		cr_expect_eq(kept(m, sk, "ab"), 1);
		cr_expect_eq(values[0][0][0], 34);
		cr_expect_eq(m->inst->filters->tails[0].filter->refs, 1);
		done(sk);
	}
}

/* From a function: the function ends with what the other one says, its caller goes on. */
Test(bpf, a_function_may_end_in_another_program)
{
	struct ebpf_prog first = TAIL(MOVX(6, 1), MOV(7, 1), LOCAL(3),
				      I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 7, 0, 0), EXIT, MOV(0, 99),
				      MOVX(6, 1), GO_ON(0), MOV(0, 7), EXIT);
	struct ebpf_prog second = PROG(MOV(6, 55), MOV(7, 66), MOV(0, 9), EXIT);

	ON_BOTH(m) {
		struct s7_sock *sk = attached(m, &first);

		cr_assert_eq(sk->filter->code.func_count, 1);
		cr_expect_eq(kept(m, sk, "ab"), 0); /* 7 + 1 is the header alone */
		stand(0, 7, &second);
		cr_expect_eq(kept(m, sk, "ab"), 2);
		done(sk);
	}
}

/* In functions each call is a run inside of a run: no more than that of the stack. */
Test(bpf, a_circle_of_functions_has_no_verdict)
{
	struct ebpf_prog circle = TAIL(MOVX(6, 1), LOCAL(1), EXIT, MOVX(6, 1), GO_ON(0), KEEP(1));

	ON_BOTH(m) {
		struct s7_sock *sk = attached(m, &circle);

		stand(0, 7, &circle);
		cr_expect_eq(kept(m, sk, "ab"), -1);
		cr_expect_eq(m->inst->filters->tails[0].filter->refs, 1);
		done(sk);
	}
}

/* Nothing is let through by way of a program that is not known. */
Test(bpf, a_program_out_of_reach_drops)
{
	struct ebpf_prog first = TAIL(MOVX(6, 1), GO_ON(0), KEEP(1));

	ON_BOTH(m) {
		struct s7_sock *sk = attached(m, &first);

		places[0] = 9;
		cr_expect_eq(kept(m, sk, "ab"), -1);
		done(sk);
	}
}

/* More programs than the table has room for, the attached one among them. */
Test(bpf, the_table_of_programs_turns_over)
{
	struct ebpf_prog next = TAIL(MOVX(6, 1), LD_BYTE(8), MOVX(3, 0), MOVX(1, 6), MAP(2, 1),
				     CALL(tail_call), KEEP(1));
	struct ebpf_prog last = PROG(KEEP(2));

	ON_BOTH(m) {
		struct s7_sock *sk = attached(m, &next);

		for (uint32_t i = 0; i < 100; i++)
			stand(i, i + 1, &last);
		for (uint32_t i = 0; i < 200; i++)
			cr_expect_eq(kept(m, sk, (char[]){ (char)(i % 100), 'a' }), 2);
		cr_expect_gt(taken, AREA_TAILS);
		done(sk);
	}
}

/* What stands in the map is compiled with the attached one, and stays while that does. */
Test(bpf, programs_are_ready_before_they_are_called)
{
	struct ebpf_prog first = TAIL(MOVX(6, 1), GO_ON(0), KEEP(1)), second = PROG(KEEP(2));

	ON_BOTH(m) {
		struct s7_sock *a = attached(m, &first), *b = open_at(m, MINI_US, 54, 0);

		stand(0, 7, &second);
		cr_assert_eq(filter_attach_ebpf(b, &first), 0);
		cr_expect_eq(m->inst->filters->tails[0].id, 7);
		cr_expect_eq(m->inst->filters->tail_roots, 2);
		cr_expect(tail_is_watched(m->inst, 2));
		cr_expect_not(tail_is_watched(m->inst, 1));
		progs[7] = NULL; /* as in a process that was forked before */
		cr_expect_eq(kept(m, a, "ab"), 2);
		done(a);
		cr_expect_eq(m->inst->filters->tails[0].id, 7);
		done(b);
		cr_expect_eq(m->inst->filters->tails[0].id, 0);
		cr_expect_not(tail_is_watched(m->inst, 2));
	}
}

Test(bpf, what_a_dead_process_held_of_the_table_is_counted_anew)
{
	struct ebpf_prog first = TAIL(MOVX(6, 1), GO_ON(0), KEEP(1)), second = PROG(KEEP(2));

	ON_BOTH(m) {
		struct s7_filter_area *area = m->inst->filters;
		struct s7_sock *sk = attached(m, &first);

		stand(0, 7, &second);
		cr_expect_eq(kept(m, sk, "ab"), 2);
		area->tails[0].filter->refs = 5;
		area->tail_roots = 4;
		area->tails[9].id = 0; /* half made */
		area->tails[9].filter = area->tails[0].filter;
		filter_mend(m->inst);
		cr_expect_eq(area->tails[0].filter->refs, 1);
		cr_expect_null(area->tails[9].filter);
		cr_expect_eq(area->tail_roots, 1);
		cr_expect_eq(kept(m, sk, "ab"), 2);
		done(sk);
	}
}
