/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ebpf_trans.c - a program as it was loaded, in the form that our engines take
 *
 * Almost the same: the number of a helper becomes one of ours, maps stay indices until a program
 * gets its slots. What cannot run outside of the kernel (its functions and variables, its rings,
 * locks, timers) is found here, with the instruction, before anything is attached. Instructions
 * that the verifier never reached are judged too.
 * Which words of the context may be read is told by the offsets of all loads that are not the
 * stack's: more than are the context's, never less, since its pointer is never moved. A lookup
 * whose map is an array that can be mapped, seen in the straight line before the call, says so:
 * engines then need no call.
 * Tail calls are left to the engines (tail.h).
 * Pure. Callers: ebpf.c, the host's records, tests.
 */
#include "stack/bpf/ebpf.h"

#define CTX_WORDS 48u /* struct __sk_buff, the longer of the two */
#define CTX_ALL ((1ull << CTX_WORDS) - 1)
#define LOOK_BACK 12u

static_assert(sizeof(struct __sk_buff) >= CTX_WORDS * 4, "the context of this header is shorter");

/* By the kernel's number; what is not here is 0, which is no call of eBPF programs. */
static const uint8_t helpers[] = {
	[BPF_FUNC_map_lookup_elem] = CALL_MAP_LOOKUP,
	[BPF_FUNC_map_update_elem] = CALL_MAP_UPDATE,
	[BPF_FUNC_map_delete_elem] = CALL_MAP_DELETE,
	[BPF_FUNC_map_push_elem] = CALL_MAP_PUSH,
	[BPF_FUNC_map_pop_elem] = CALL_MAP_POP,
	[BPF_FUNC_map_peek_elem] = CALL_MAP_PEEK,
	[BPF_FUNC_ktime_get_ns] = CALL_KTIME,
	[BPF_FUNC_ktime_get_boot_ns] = CALL_KTIME_BOOT,
	[BPF_FUNC_ktime_get_coarse_ns] = CALL_KTIME_COARSE,
	[BPF_FUNC_get_prandom_u32] = CALL_PRANDOM,
	[BPF_FUNC_get_smp_processor_id] = CALL_CPU,
	[BPF_FUNC_get_numa_node_id] = CALL_NUMA_NODE,
	[BPF_FUNC_trace_printk] = CALL_PRINTK,
	[BPF_FUNC_skb_load_bytes] = CALL_LOAD_BYTES,
	[BPF_FUNC_skb_load_bytes_relative] = CALL_LOAD_BYTES_RELATIVE,
	[BPF_FUNC_get_socket_cookie] = CALL_SOCKET_COOKIE,
	[BPF_FUNC_get_socket_uid] = CALL_SOCKET_UID,
	[BPF_FUNC_sk_select_reuseport] = CALL_SELECT_REUSEPORT,
	[BPF_FUNC_strncmp] = CALL_STRNCMP,
	[BPF_FUNC_tail_call] = CALL_TAIL,
};

/* Why a helper is not to be had, where there is more to say than that. */
static const char *why_not(uint32_t helper)
{
	switch (helper) {
	case BPF_FUNC_perf_event_output:
	case BPF_FUNC_ringbuf_output:
	case BPF_FUNC_ringbuf_reserve:
		return "only the kernel can write into a ring of its own";
	case BPF_FUNC_spin_lock:
		return "a lock in a map is the kernel's";
	default:
		return "a helper that the stack has not";
	}
}

static bool map_is_known(const struct ebpf_map *map)
{
	switch (map->type) {
	case BPF_MAP_TYPE_HASH: case BPF_MAP_TYPE_ARRAY: case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_ARRAY: case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH: case BPF_MAP_TYPE_LPM_TRIE:
	case BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: case BPF_MAP_TYPE_QUEUE: case BPF_MAP_TYPE_STACK:
	case BPF_MAP_TYPE_PROG_ARRAY:
		return true;
	default:
		return false;
	}
}

/* ---- one instruction ---- */

static bool is_jump(const struct bpf_insn *insn)
{
	uint32_t class = BPF_CLASS(insn->code);

	return (class == BPF_JMP || class == BPF_JMP32) && BPF_OP(insn->code) != BPF_CALL &&
	       BPF_OP(insn->code) != BPF_EXIT;
}

static bool is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

/* Marks where jumps lead, so that a straight line can be told. */
static void mark_targets(const struct ebpf_prog *prog, uint32_t *work)
{
	memset(work, 0, (prog->count + 1) * sizeof(*work));
	for (uint32_t pc = 0; pc < prog->count; pc++) {
		const struct bpf_insn *insn = &prog->insns[pc];
		bool by_imm = insn->code == (BPF_JMP32 | BPF_JA);
		int64_t to = (int64_t)pc + 1 + (by_imm ? insn->imm : insn->off);

		if (is_jump(insn) && to >= 0 && to < prog->count)
			work[to] = 1;
		pc += is_wide(insn);
	}
}

static bool writes_r1(const struct bpf_insn *insn)
{
	uint32_t class = BPF_CLASS(insn->code);

	return insn->dst_reg == BPF_REG_1 && class != BPF_ST && class != BPF_STX;
}

/* The wide constant that R1 holds at a call, or NULL: not known. */
static const struct bpf_insn *map_of_call(const struct ebpf_code *code, uint32_t pc)
{
	for (uint32_t back = 1; back <= s7_min(pc, LOOK_BACK) && !code->work[pc - back + 1];
	     back++) {
		const struct bpf_insn *insn = &code->insns[pc - back];

		if (is_jump(insn) || BPF_CLASS(insn->code) == BPF_JMP)
			return NULL;
		if (BPF_CLASS(insn->code) == BPF_STX && BPF_MODE(insn->code) == BPF_ATOMIC)
			return NULL;
		if (!insn->code) /* the second half of one */
			continue;
		if (writes_r1(insn))
			return is_wide(insn) && insn->src_reg == BPF_PSEUDO_MAP_FD ? insn : NULL;
	}
	return NULL;
}

static const char *take_helper(const struct ebpf_prog *prog, struct ebpf_code *code, uint32_t pc)
{
	struct bpf_insn *insn = &code->insns[pc];
	uint32_t helper = (uint32_t)insn->imm;
	const struct bpf_insn *map;

	if (helper >= S7_ARRAY_LEN(helpers) || !helpers[helper])
		return why_not(helper);
	insn->imm = helpers[helper];
	map = insn->imm == CALL_MAP_LOOKUP ? map_of_call(code, pc) : NULL;
	if (map && prog->maps[map->imm].direct)
		insn->off = (int16_t)(map->imm + 1);
	else
		code->uses |= BPF_USES_HELP;
	return NULL;
}

/* A function begins there: into the ordered list. */
static const char *take_function(struct ebpf_code *code, uint32_t at)
{
	uint32_t i = code->func_count;

	for (uint32_t k = 0; k < code->func_count; k++)
		if (code->func[k] == at)
			return NULL;
	if (i == EBPF_FUNCS)
		return "too many functions";
	for (; i && code->func[i - 1] > at; i--)
		code->func[i] = code->func[i - 1];
	code->func[i] = at;
	code->func_count++;
	return NULL;
}

static const char *take_call(const struct ebpf_prog *prog, struct ebpf_code *code, uint32_t pc)
{
	const struct bpf_insn *insn = &code->insns[pc];

	switch (insn->src_reg) {
	case 0:
		return take_helper(prog, code, pc);
	case BPF_PSEUDO_CALL:
		return take_function(code, pc + 1 + (uint32_t)insn->imm);
	default:
		return "a function of the kernel";
	}
}

static const char *take_wide(const struct ebpf_prog *prog, struct ebpf_code *code,
			     const struct bpf_insn *insn)
{
	const struct ebpf_map *map;

	if (!insn->src_reg)
		return NULL;
	if (insn->src_reg != BPF_PSEUDO_MAP_FD && insn->src_reg != BPF_PSEUDO_MAP_VALUE)
		return "a variable or a function by address";
	if ((uint32_t)insn->imm >= prog->map_count)
		return "a map that is not there";
	map = &prog->maps[insn->imm];
	if (map->type == BPF_MAP_TYPE_RINGBUF || map->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return why_not(BPF_FUNC_ringbuf_output);
	if (!map_is_known(map))
		return "a map of this type";
	if (insn->src_reg == BPF_PSEUDO_MAP_VALUE && !map->direct)
		return "a global variable in a map that cannot be mapped";
	code->uses |= insn->src_reg == BPF_PSEUDO_MAP_VALUE ? BPF_USES_MAPS : 0;
	return NULL;
}

/* Words of the context that the instruction reads if it reads the context. */
static uint64_t fields_of(const struct bpf_insn *insn)
{
	uint32_t class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);
	uint32_t reg = class == BPF_LDX ? insn->src_reg : insn->dst_reg;
	uint64_t fields = 0;
	int32_t last = insn->off + (int32_t)bpf_size_bytes(insn->code) - 1;

	if (class != BPF_LDX && class != BPF_ST && class != BPF_STX)
		return 0;
	if ((mode != BPF_MEM && mode != BPF_MEMSX) || reg == BPF_REG_10 || insn->off < 0)
		return 0;
	for (int32_t at = insn->off; at <= last && at < (int32_t)CTX_WORDS * 4; at++)
		fields |= 1ull << at / 4;
	return fields;
}

static const char *take_one(const struct ebpf_prog *prog, struct ebpf_code *code, uint32_t pc)
{
	const struct bpf_insn *insn = &code->insns[pc];

	if (is_wide(insn))
		return take_wide(prog, code, insn);
	if (insn->code == (BPF_JMP | BPF_CALL))
		return take_call(prog, code, pc);
	code->fields |= fields_of(insn);
	return NULL;
}

/*
 * Where the program may go on to another one, that one reads what it likes: all of the context is
 * filled. A call from a function is another than one from the main function.
 */
static void settle_tails(const struct ebpf_prog *prog, struct ebpf_code *code)
{
	uint32_t functions = code->func_count ? code->func[0] : prog->count;

	for (uint32_t pc = 0; pc < prog->count; pc++) {
		struct bpf_insn *insn = &code->insns[pc];

		if (is_wide(insn)) {
			pc++;
		} else if (insn->code == (BPF_JMP | BPF_CALL) && !insn->src_reg &&
			   insn->imm == CALL_TAIL) {
			if (pc >= functions)
				insn->imm = CALL_TAIL_INSIDE;
			code->fields = CTX_ALL;
			code->tails = true;
		}
	}
}

const char *ebpf_translate(const struct ebpf_prog *prog, struct ebpf_code *code)
{
	const char *why;
	uint32_t uses;

	if (prog->type != BPF_PROG_TYPE_SOCKET_FILTER && prog->type != BPF_PROG_TYPE_SK_REUSEPORT)
		return "a program of this type";
	code->uses = BPF_OWN_CTX;
	code->fields = 0;
	code->func_count = 0;
	code->where = 0;
	code->tails = false;
	memcpy(code->insns, prog->insns, prog->count * sizeof(*prog->insns));
	mark_targets(prog, code->work);
	for (uint32_t pc = 0; pc < prog->count; pc++) {
		code->where = pc;
		why = take_one(prog, code, pc);
		if (why)
			return why;
		pc += is_wide(&code->insns[pc]);
	}
	if (bpf_check(code->insns, prog->count, &uses))
		return "an instruction that the stack has not";
	settle_tails(prog, code);
	/* its random numbers are drawn where they are asked for */
	code->uses |= uses & ~(uint32_t)BPF_USES_CALL;
	return NULL;
}
