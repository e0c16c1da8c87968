/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_ebpf.c - eBPF programs as filters: what can run here and what cannot, maps, functions,
 * and what is left when they go. The maps are plain memory. Each runs on both engines. */
#include "stack/bpf/steer.h"
#include "test/support/mini_ebpf.h"

static const char *why_not(const struct ebpf_prog *prog)
{
	static struct bpf_insn insns[64];
	static uint32_t work[65];
	struct ebpf_code code = { .insns = insns, .work = work };

	return ebpf_translate(prog, &code);
}

/* ---- what cannot be had ---- */

Test(bpf, what_only_the_kernel_can_do_is_refused)
{
	struct ebpf_prog ring = PROG(MAP(1, 0), MOV(0, 0), EXIT);
	struct ebpf_prog fine = PROG(MOV(0, 0), EXIT);
	struct ebpf_prog bad[] = {
		PROG(CALL(perf_event_output), EXIT),
		PROG(CALL(ringbuf_output), EXIT),
		PROG(CALL(spin_lock), EXIT),
		PROG(CALL(loop), EXIT),
		PROG(I(BPF_JMP | BPF_CALL, 0, 0, 0, 9999), EXIT),
		PROG(I(BPF_JMP | BPF_CALL, 0, 0, 0, -1), EXIT),
		PROG(I(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, 77), EXIT),
		PROG(WIDE(1, BPF_PSEUDO_BTF_ID, 5, 0), EXIT),
		PROG(WIDE(1, BPF_PSEUDO_FUNC, 0, 0), EXIT),
		PROG(MAP(1, 2), EXIT),
		PROG(I(0xe5, 0, 0, 0, 0), EXIT), /* may_goto */
	};

	cr_expect_null(why_not(&fine));
	cr_expect_null(why_not(&ring));
	ring.maps[0].type = BPF_MAP_TYPE_RINGBUF;
	cr_expect_not_null(why_not(&ring));
	fine.type = BPF_PROG_TYPE_XDP;
	cr_expect_not_null(why_not(&fine));
	for (size_t i = 0; i < S7_ARRAY_LEN(bad); i++)
		cr_expect_not_null(why_not(&bad[i]), "program %zu", i);
}

Test(bpf, the_context_that_is_read_is_known)
{
	struct bpf_insn insns[8];
	uint32_t work[9];
	struct ebpf_code code = { .insns = insns, .work = work };
	struct ebpf_prog prog = PROG(LDX(BPF_W, 0, 1, LEN), LDX(BPF_B, 2, 6, 5),
				     LDX(BPF_DW, 3, 1, 168), LDX(BPF_W, 3, 10, -4), EXIT);

	cr_assert_null(ebpf_translate(&prog, &code));
	cr_expect_eq(code.fields, 1ull | 1ull << 1 | 3ull << 42);
}

/* ---- maps ---- */

/* values[1][key]++, by `key` in the first byte; what the lookup says is what is kept. */
#define COUNT_BY_BYTE(...) \
	MOVX(6, 1), LD_BYTE(8), STX(BPF_W, 10, 0, -4), MOVX(2, 10), ADD(2, -4), __VA_ARGS__, \
		CALL(map_lookup_elem), JEQ(0, 0, 4), MOV(1, 1), \
		I(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 8, BPF_ADD), MOV(0, 9), EXIT, MOV(0, 0), EXIT

static void count_three(struct mini *m, const struct ebpf_prog *prog)
{
	struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

	cr_assert_eq(filter_attach_ebpf(sk, prog), 0);
	cr_expect_eq(kept(m, sk, "\0a"), 1);
	cr_expect_eq(kept(m, sk, "\3b"), 1);
	cr_expect_eq(kept(m, sk, "\3c"), 1);
	cr_expect_eq(kept(m, sk, "\4d"), -1); /* no such key */
	cr_expect_eq(kept(m, sk, "\377d"), -1);
	cr_expect_eq(values[1][0][1], 1);
	cr_expect_eq(values[1][3][1], 2);
	done(sk);
}

Test(bpf, values_of_a_mapped_array_are_changed_in_place)
{
	struct ebpf_prog prog = PROG(COUNT_BY_BYTE(MAP(1, 1)));

	ON_BOTH(m) {
		count_three(m, &prog);
		cr_expect_eq(opened, 2);
		cr_expect_eq(closed, 2);
		cr_expect_eq(ended, 0);
	}
}

/* The map comes by way of a jump: the engines do not know which it is, and call. */
Test(bpf, a_map_may_be_chosen_at_run_time)
{
	struct ebpf_prog prog = PROG(COUNT_BY_BYTE(MAP(1, 1), JEQ(0, 77, 0), MOVX(7, 1),
						   MOVX(1, 7)));

	ON_BOTH(m)
		count_three(m, &prog);
}

Test(bpf, a_map_that_is_not_mapped_is_asked_for_and_the_run_ended)
{
	struct ebpf_prog prog = PROG(COUNT_BY_BYTE(MAP(1, 1)));

	prog.maps[0].direct = prog.maps[1].direct = false;
	ON_BOTH(m) {
		count_three(m, &prog);
		cr_expect_eq(ended, 5);
	}
}

Test(bpf, global_variables_are_where_the_map_is)
{
	struct ebpf_prog prog = PROG(WIDE(1, BPF_PSEUDO_MAP_VALUE, 1, 8), LDX(BPF_DW, 0, 1, 0),
				     ADD(0, 9), WIDE(2, BPF_PSEUDO_MAP_VALUE, 0, 0), MOV(3, 5),
				     STX(BPF_W, 2, 3, 4), EXIT);

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

		cr_assert_eq(filter_attach_ebpf(sk, &prog), 0);
		cr_expect_eq(kept(m, sk, "ab"), 1);
		values[1][0][1] = 1;
		cr_expect_eq(kept(m, sk, "ab"), 2);
		cr_expect_eq(values[0][0][0], 5ull << 32);
		done(sk);
	}
}

/* Nothing is let through by a program that could not be run. */
Test(bpf, a_map_out_of_reach_drops_until_it_can_be_had)
{
	struct ebpf_prog prog = PROG(COUNT_BY_BYTE(MAP(1, 1)));

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

		refuse = true;
		cr_assert_eq(filter_attach_ebpf(sk, &prog), 0);
		cr_expect_eq(kept(m, sk, "\0a"), -1);
		refuse = false;
		cr_expect_eq(kept(m, sk, "\0a"), 1);
		done(sk);
	}
}

/* ---- functions ---- */

Test(bpf, functions_have_registers_and_a_stack_of_their_own)
{
	/* f(x) = x ? f2(x) + R6 : 0, all of them with the same names for different things */
	struct ebpf_prog prog = PROG(LDX(BPF_W, 6, 1, LEN), MOVX(1, 6), STX(BPF_DW, 10, 6, -8),
				     LOCAL(3), LDX(BPF_DW, 1, 10, -8),
				     I(BPF_ALU64 | BPF_SUB | BPF_X, 0, 1, 0, 0), EXIT,
				     MOVX(6, 1), STX(BPF_DW, 10, 6, -8), ADD(1, -1), LOCAL(3),
				     I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 6, 0, 0),
				     LDX(BPF_DW, 6, 10, -8), EXIT,
				     MOV(6, 1000), STX(BPF_DW, 10, 6, -8), MOVX(0, 1), EXIT);

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

		/* 10 + 9 - 10: the header and a byte */
		cr_assert_eq(filter_attach_ebpf(sk, &prog), 0);
		cr_expect_eq(sk->filter->code.func_count, 2);
		cr_expect_eq(kept(m, sk, "ab"), 1);
		done(sk);
	}
}

/* A load beyond the packet ends the function with 0, as in the kernel, not the program. */
Test(bpf, a_load_in_a_function_ends_the_function)
{
	struct ebpf_prog prog = PROG(MOVX(6, 1), LOCAL(2), ADD(0, 9), EXIT,
				     LD_BYTE(500), MOV(0, 7), EXIT);

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

		cr_assert_eq(filter_attach_ebpf(sk, &prog), 0);
		cr_expect_eq(kept(m, sk, "ab"), 1);
		done(sk);
	}
}

/* ---- life ---- */

Test(bpf, slots_are_shared_and_counted_anew_after_a_death)
{
	struct ebpf_prog prog = PROG(COUNT_BY_BYTE(MAP(1, 1)));

	ON_BOTH(m) {
		struct s7_sock *a = open_at(m, MINI_US, 53, 0), *b = open_at(m, MINI_US, 54, 0);
		uint32_t slot;

		cr_assert_eq(filter_attach_ebpf(a, &prog), 0);
		cr_assert_eq(filter_attach_ebpf(b, &prog), 0);
		slot = a->filter->maps[1].slot;
		cr_expect_eq(slot, b->filter->maps[1].slot);
		cr_expect_eq(m->inst->filters->maps[slot].refs, 2);
		m->inst->filters->maps[slot].refs = 9;
		m->inst->filters->maps[77].refs = 1; /* the dead one's */
		filter_mend(m->inst);
		cr_expect_eq(m->inst->filters->maps[slot].refs, 2);
		cr_expect_eq(m->inst->filters->maps[77].refs, 0);
		done(a);
		cr_expect_eq(kept(m, b, "\0a"), -1); /* it is of another port */
		cr_expect_eq(m->inst->filters->maps[slot].refs, 1);
		done(b);
	}
}

Test(bpf, more_maps_than_slots_are_refused_whole)
{
	struct ebpf_prog prog = PROG(COUNT_BY_BYTE(MAP(1, 1)));

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);
		struct bpf_map_slot *maps = m->inst->filters->maps;

		for (uint32_t i = 1; i < BPF_SLOTS; i++)
			maps[i] = (struct bpf_map_slot){ .refs = 1, .shape.id = 1000 + i };
		cr_expect_eq(filter_attach_ebpf(sk, &prog), -ENOMEM);
		cr_expect_eq(maps[0].refs, 0);
		for (uint32_t i = 1; i < BPF_SLOTS; i++)
			maps[i].refs = 0;
		done(sk);
	}
}

/* ---- maps of sockets ---- */

Test(bpf, a_socket_of_a_map_is_selected)
{
	/* data[8] - '0' is the entry; none: the hash; 'x': nobody */
	struct ebpf_prog prog = PROG(MOVX(6, 1), LDX(BPF_DW, 2, 1, 0), LDX(BPF_B, 7, 2, 8),
				     JEQ(7, 'x', 10), ADD(7, -'0'), STX(BPF_W, 10, 7, -4),
				     MAP(2, 0), MOVX(3, 10), ADD(3, -4), MOV(4, 0),
				     CALL(sk_select_reuseport), MOV(0, SK_PASS), EXIT,
				     MOV(0, SK_DROP), EXIT);

	prog.type = BPF_PROG_TYPE_SK_REUSEPORT;
	prog.maps[0].type = BPF_MAP_TYPE_REUSEPORT_SOCKARRAY;
	prog.maps[0].direct = false;
	ON_BOTH(m) {
		struct s7_sock *sk[2], *alone = open_at(m, MINI_US, 54, 0);

		for (int i = 0; i < 2; i++)
			sk[i] = open_at(m, MINI_US, 53, SKB_REUSEPORT);
		cr_expect_eq(filter_attach_ebpf(sk[0], &prog), -EINVAL);
		cr_assert_eq(steer_attach_ebpf(sk[0], &prog), 0);
		cr_expect_eq(steer_array_set(alone, 1, 0), -EINVAL);
		cr_assert_eq(steer_array_set(sk[0], 1, 5), 0);
		cr_assert_eq(steer_array_set(sk[1], 1, 2), 0);
		cr_expect_eq(kept(m, sk[0], "5."), 2);
		cr_expect_eq(kept(m, sk[1], "2."), 2);
		cr_expect_eq(kept(m, sk[0], "2."), -1);
		cr_expect_eq(kept(m, sk[1], "x."), 2); /* the one that was not for the other */
		cr_expect_eq(kept(m, sk[0], "x."), -1);
		cr_assert_eq(steer_array_set(sk[0], 1, 2), 0); /* replaces */
		cr_expect_eq(kept(m, sk[0], "2."), 2);
		cr_expect(steer_array_clear(m->inst, 1, 2));
		cr_expect_not(steer_array_clear(m->inst, 1, 2));
		done(sk[0]);
		done(sk[1]);
		done(alone);
	}
}
