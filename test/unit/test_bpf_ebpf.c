/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_ebpf.c - eBPF programs as filters: what can run here and what cannot, maps, functions,
 * and what is left when they go. The maps are plain memory. Each runs on both engines. */
#include <errno.h>

#include "stack/bpf/area.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/steer.h"
#include "test/support/engines.h"
#include "test/support/mini_udp.h"

#define I(c, d, s, o, i) \
	((struct bpf_insn){ \
		.code = (uint8_t)(c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define EXIT I(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MOV(d, k) I(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, k)
#define MOVX(d, s) I(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD(d, k) I(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, k)
#define LDX(size, d, s, o) I(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STX(size, d, s, o) I(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define CALL(f) I(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##f)
#define LOCAL(o) I(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, o)
#define JEQ(d, k, o) I(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, k)
#define LD_BYTE(k) I(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, k)
#define WIDE(d, kind, k, at) I(BPF_LD | BPF_IMM | BPF_DW, d, kind, 0, k), I(0, 0, 0, 0, at)
#define MAP(d, n) WIDE(d, BPF_PSEUDO_MAP_FD, n, 0)
#define LEN ((int16_t)offsetof(struct __sk_buff, len))

/* ---- a host whose maps are memory ---- */

#define VALUES 4

static uint64_t values[2][VALUES][2]; /* stride 16 */
static struct bpf_map_here here[BPF_SLOTS];
static bool refuse;
static uint32_t opened, closed, ended;

static bool map_open(struct s7_inst *inst, uint32_t slot)
{
	const struct ebpf_map *shape = &inst->filters->maps[slot].shape;

	if (refuse)
		return false;
	opened++;
	here[slot].id = shape->id;
	here[slot].mem = (char *)values[shape->id - 1];
	return true;
}

static void map_close(struct s7_inst *inst, uint32_t slot)
{
	(void)inst;
	closed++;
	here[slot].id = 0;
}

static void *map_lookup(struct s7_inst *inst, uint32_t slot, const void *key)
{
	uint32_t index = *(const uint32_t *)key;

	(void)inst;
	return index < VALUES ? here[slot].mem + index * 16 : NULL;
}

static void run_end(struct s7_inst *inst)
{
	(void)inst;
	ended++;
}

static const struct s7_bpf_host bpf_host_ops = {
	.map_open = map_open, .map_close = map_close, .map_lookup = map_lookup, .run_end = run_end,
};

static struct mini *open_mini(bool native)
{
	static struct s7_host_ops host;
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_filter_area *area = m->inst->filters;

	host = *m->inst->env->host;
	host.bpf = &bpf_host_ops;
	m->env.host = &host;
	m->env.maps[0] = here;
	memset(here, 0, sizeof(here));
	memset(values, 0, sizeof(values));
	opened = closed = ended = 0;
	if (native)
		m->env.code[0] = engines_map_code(area->base, area_bytes(area));
	mini_know_peer(m);
	return m;
}

static void close_mini(struct mini *m)
{
	cr_expect_eq(m->inst->filters->used, 0);
	for (uint32_t i = 0; i < BPF_SLOTS; i++)
		cr_expect_eq(m->inst->filters->maps[i].refs, 0);
	cr_assert_eq(mini_free(m), 0);
}

#define ON_BOTH(m) \
	for (struct mini *m = open_mini(false), *next_ = NULL; m; \
	     close_mini(m), m = next_ ? NULL : (next_ = open_mini(true)))

static struct ebpf_prog prog_of(const struct bpf_insn *insns, uint32_t count)
{
	struct ebpf_prog prog = { .type = BPF_PROG_TYPE_SOCKET_FILTER, .count = count,
				  .insns = insns, .map_count = 2 };

	for (uint32_t i = 0; i < 2; i++)
		prog.maps[i] = (struct ebpf_map){ .id = i + 1, .type = BPF_MAP_TYPE_ARRAY,
						  .key_bytes = 4, .value_bytes = 12,
						  .entries = VALUES, .direct = true };
	return prog;
}

#define INSNS(...) ((struct bpf_insn[]){ __VA_ARGS__ })
#define PROG(...) prog_of(INSNS(__VA_ARGS__), (uint32_t)S7_ARRAY_LEN(INSNS(__VA_ARGS__)))

/* One datagram of two bytes: how many of them are kept; -1: none came. */
static int kept(struct mini *m, struct s7_sock *sk, const char *data)
{
	ssize_t n;
	char buf[8];

	mini_in_udp(m, 7, 53, data, 2);
	n = take(sk, buf, sizeof(buf));
	return n == -EAGAIN ? -1 : (int)n;
}

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
		PROG(CALL(tail_call), EXIT),
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
