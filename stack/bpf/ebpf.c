/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ebpf.c - eBPF programs as filters: made, and run
 *
 * Made: translated (ebpf_trans.c), its maps given slots, compiled, all in one piece of the area.
 * Run: maps of the program are made sure to be open in this process, which costs a comparison
 * each; the words of the context that it reads are filled; what it changed in copies of values is
 * written back. A program that goes on to another one (tail.h) has ended when that one runs.
 * Context: instance lock. Callers: filter.c, steer.c, pk_tap.c.
 */
#include "stack/bpf/ebpf.h"

#include <errno.h>
#include <netinet/in.h>

#include "stack/bpf/area.h"
#include "stack/bpf/filter.h"
#include "stack/bpf/jit.h"
#include "stack/bpf/tail.h"
#include "stack/core/sk.h"

#define LEN_ALONE 1ull /* of the words of struct __sk_buff */

static_assert((EBPF_MAPS_EACH & 7) == 0, "what lies behind is aligned");

/* ---- making ---- */

/* Where the parts of a filter lie, from its begin. */
struct layout {
	uint32_t maps, funcs, insns, native, bytes;
};

static void lay_out(const struct ebpf_prog *prog, const struct ebpf_code *code, uint32_t native,
		    struct layout *ret)
{
	ret->maps = sizeof(struct s7_filter);
	ret->funcs = ret->maps + prog->map_count * (uint32_t)sizeof(struct s7_filter_map);
	ret->insns = (uint32_t)s7_round_up(ret->funcs + code->func_count * sizeof(uint32_t), 8);
	ret->native = ret->insns + prog->count * (uint32_t)sizeof(struct bpf_insn);
	ret->bytes = ret->native + native;
}

/* Slots for all maps, in the code too. 0, -ENOMEM: none is held. */
static int take_slots(struct s7_inst *inst, const struct ebpf_prog *prog, struct ebpf_code *code,
		      uint32_t *slots)
{
	for (uint32_t i = 0; i < prog->map_count; i++) {
		if (!maps_take(inst, &prog->maps[i], &slots[i]))
			continue;
		while (i--)
			maps_give(inst, slots[i]);
		return -ENOMEM;
	}
	for (uint32_t pc = 0; pc < prog->count; pc++) {
		struct bpf_insn *insn = &code->insns[pc];

		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW)) {
			if (insn->src_reg)
				insn->imm = (int32_t)slots[insn->imm];
			pc++;
		} else if (insn->code == (BPF_JMP | BPF_CALL) && insn->off) {
			insn->off = (int16_t)(slots[insn->off - 1] + 1);
		}
	}
	return 0;
}

/* What a classic program would say it reads, of the words of the context that are read. */
static uint32_t meta_of(const struct ebpf_prog *prog, uint64_t fields)
{
	static const struct {
		uint32_t offset, uses;
	} meta[] = {
		{ offsetof(struct __sk_buff, pkt_type), BPF_AD(PKTTYPE) },
		{ offsetof(struct __sk_buff, mark), BPF_AD(MARK) },
		{ offsetof(struct __sk_buff, queue_mapping), BPF_AD(QUEUE) },
		{ offsetof(struct __sk_buff, protocol), BPF_AD(PROTOCOL) },
		{ offsetof(struct __sk_buff, vlan_present), BPF_AD(VLAN_TAG) },
		{ offsetof(struct __sk_buff, vlan_tci), BPF_AD(VLAN_TAG) },
		{ offsetof(struct __sk_buff, vlan_proto), BPF_AD(VLAN_TAG) },
		{ offsetof(struct __sk_buff, priority), BPF_AD(MARK) },
		{ offsetof(struct __sk_buff, ingress_ifindex), BPF_AD(IFINDEX) },
		{ offsetof(struct __sk_buff, ifindex), BPF_AD(IFINDEX) },
		{ offsetof(struct __sk_buff, hash), BPF_AD(RXHASH) },
	};
	uint32_t uses = 0;

	if (prog->type == BPF_PROG_TYPE_SK_REUSEPORT)
		return BPF_USES_META | BPF_AD(PROTOCOL);
	for (size_t i = 0; i < S7_ARRAY_LEN(meta); i++)
		if (fields >> meta[i].offset / 4 & 1)
			uses |= meta[i].uses | BPF_USES_META;
	return uses;
}

/* The filter of a translated program, in memory of `layout`. */
static struct s7_filter *put_down(struct s7_inst *inst, const struct ebpf_prog *prog,
				  const struct ebpf_code *from, const uint32_t *slots,
				  uint32_t native)
{
	struct s7_filter *filter;
	struct layout at;

	lay_out(prog, from, native, &at);
	filter = area_alloc(inst->filters, at.bytes);
	if (!filter)
		return NULL;
	*filter = (struct s7_filter){
		.bytes = at.bytes,
		.type = prog->type,
		.fields = from->fields,
		.map_count = (uint16_t)prog->map_count,
		.maps = (void *)((char *)filter + at.maps),
		.code = { .insns = (void *)((char *)filter + at.insns),
			  .count = prog->count,
			  .uses = from->uses | meta_of(prog, from->fields),
			  .funcs = (void *)((char *)filter + at.funcs),
			  .func_count = from->func_count,
			  .maps = inst->filters->maps },
	};
	for (uint32_t i = 0; i < prog->map_count; i++)
		filter->maps[i] = (struct s7_filter_map){ slots[i], prog->maps[i].id };
	memcpy((char *)filter + at.funcs, from->func, from->func_count * sizeof(uint32_t));
	memcpy((char *)filter + at.insns, from->insns, prog->count * sizeof(struct bpf_insn));
	if (native && jit_compile(&filter->code, (uint8_t *)filter + at.native, native, from->work))
		filter->native = at.native;
	filter->bare = filter->native && prog->type == BPF_PROG_TYPE_SOCKET_FILTER &&
		       !(from->uses & BPF_USES_HELP) && !(from->fields & ~LEN_ALONE);
	return filter;
}

static int build(struct s7_inst *inst, const struct ebpf_prog *prog, struct ebpf_code *code,
		 struct s7_filter **ret_filter)
{
	bool native = inst->env->code[inst->index] && jit_possible();
	struct bpf_code measure = { .insns = code->insns, .count = prog->count,
				    .funcs = code->func, .maps = inst->filters->maps };
	uint32_t slots[EBPF_MAPS_EACH], room = 0;

	if (ebpf_translate(prog, code))
		return -EINVAL;
	if (take_slots(inst, prog, code, slots))
		return -ENOMEM;
	measure.uses = code->uses;
	measure.func_count = code->func_count;
	if (native)
		room = jit_compile(&measure, NULL, UINT32_MAX, code->work);
	*ret_filter = put_down(inst, prog, code, slots, room);
	if (*ret_filter)
		return 0;
	for (uint32_t i = 0; i < prog->map_count; i++)
		maps_give(inst, slots[i]);
	return -ENOMEM;
}

int ebpf_make(struct s7_inst *inst, const struct ebpf_prog *prog, struct s7_filter **ret_filter)
{
	uint32_t insns = prog->count * (uint32_t)sizeof(struct bpf_insn);
	uint32_t bytes = insns + (prog->count + 1) * (uint32_t)sizeof(uint32_t);
	struct ebpf_code code;
	int err;

	if (!prog->count || prog->count > BPF_INSNS_MAX || prog->map_count > EBPF_MAPS_EACH)
		return -EINVAL;
	code.insns = area_alloc(inst->filters, bytes);
	if (!code.insns)
		return -ENOMEM;
	code.work = (void *)((char *)code.insns + insns);
	err = build(inst, prog, &code, ret_filter);
	area_free(inst->filters, code.insns, bytes);
	return err;
}

int ebpf_load(struct s7_inst *inst, const struct ebpf_prog *prog, struct s7_filter **ret_filter)
{
	int err = ebpf_make(inst, prog, ret_filter);

	if (err)
		return err;
	for (uint32_t i = 0; i < (*ret_filter)->map_count; i++)
		(*ret_filter)->tail_root |= prog->maps[i].type == BPF_MAP_TYPE_PROG_ARRAY;
	if ((*ret_filter)->tail_root) {
		inst->filters->tail_roots++;
		tail_prepare(inst, *ret_filter);
	}
	return 0;
}

/* ---- running ---- */

struct room {
	union {
		struct __sk_buff skb;
		struct sk_reuseport_md md;
	};
	struct bpf_sock sk;
};

static uint32_t be16_of(uint32_t value)
{
	return htons((uint16_t)value);
}

/* IPv4 as a program wants it: in network order, 0 for an IPv6 address. */
static uint32_t v4_of(const struct s7_ip *ip)
{
	uint32_t addr = 0;

	if (ip_is_v4(ip))
		memcpy(&addr, ip->b + 12, sizeof(addr));
	return addr;
}

static struct bpf_sock *fill_sock(const struct s7_sock *sk, struct bpf_sock *to)
{
	*to = (struct bpf_sock){
		.bound_dev_if = sk->bound_ifindex,
		.family = sk->domain,
		.type = sk->type,
		.protocol = sk->protocol,
		.mark = sk->mark,
		.priority = sk->priority,
		.src_port = sk->flow.lport,
		.dst_port = htons(sk->flow.rport),
		.rx_queue_mapping = -1,
		.state = sk->bits & SKB_CONNECTED ? BPF_TCP_ESTABLISHED :
			 sk->bits & SKB_LISTENING ? BPF_TCP_LISTEN : BPF_TCP_CLOSE,
	};
	to->src_ip4 = v4_of(&sk->flow.local);
	to->dst_ip4 = v4_of(&sk->flow.remote);
	if (sk->domain == AF_INET6) {
		memcpy(to->src_ip6, sk->flow.local.b, sizeof(to->src_ip6));
		memcpy(to->dst_ip6, sk->flow.remote.b, sizeof(to->dst_ip6));
	}
	return to;
}

/* Few programs read any of these. */
static S7_NOINLINE void fill_rest(const struct bpf_view *view, uint64_t fields, struct room *room)
{
	room->skb.queue_mapping = view->queue;
	room->skb.protocol = be16_of(view->protocol);
	room->skb.vlan_present = view->vlan_present;
	room->skb.vlan_tci = view->vlan_tag;
	room->skb.vlan_proto = be16_of(view->vlan_tpid);
	room->skb.priority = view->priority;
	room->skb.ingress_ifindex = room->skb.ifindex = view->ifindex;
	room->skb.tc_index = 0;
	memset(room->skb.cb, 0, sizeof(room->skb.cb));
	room->skb.hash = view->rxhash;
	room->skb.napi_id = 0;
	room->skb.gso_segs = room->skb.gso_size = 0;
	room->skb.tstamp_type = 0;
	room->skb.sk = NULL;
	if (fields >> offsetof(struct __sk_buff, sk) / 4 & 1 && view->sk)
		room->skb.sk = fill_sock(view->sk, &room->sk);
}

#define WORDS_NEAR 0x7 /* len, pkt_type, mark */

static void fill_skb(const struct bpf_view *view, uint64_t fields, struct room *room)
{
	room->skb.len = view->len;
	if (s7_likely(!(fields & ~1ull)))
		return;
	room->skb.pkt_type = view->pkt_type;
	room->skb.mark = view->mark;
	if (fields & ~(uint64_t)WORDS_NEAR)
		fill_rest(view, fields, room);
}

static void fill_md(const struct bpf_view *view, struct room *room)
{
	room->md = (struct sk_reuseport_md){
		.data = (void *)(uintptr_t)view->data,
		.data_end = (void *)(uintptr_t)(view->data + view->head),
		.len = view->len,
		.eth_protocol = be16_of(view->protocol),
		.ip_protocol = view->sk->proto == PROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP,
		.bind_inany = ip_is_any(&view->sk->bind.ip),
		.hash = view->flow_hash,
	};
	room->md.sk = fill_sock(view->sk, &room->sk);
}

static S7_NOINLINE bool open_maps(struct s7_inst *inst, const struct s7_filter *filter)
{
	const struct bpf_map_here *here = inst->env->maps[inst->index];

	for (uint32_t i = 0; i < filter->map_count; i++)
		if (here[filter->maps[i].slot].id != filter->maps[i].id &&
		    !inst->env->host->bpf->map_open(inst, filter->maps[i].slot))
			return false;
	return true;
}

static inline bool maps_are_open(const struct bpf_map_here *here, const struct s7_filter *filter)
{
	for (uint32_t i = 0; i < filter->map_count; i++)
		if (s7_unlikely(here[filter->maps[i].slot].id != filter->maps[i].id))
			return false;
	return true;
}

bool ebpf_maps_open(struct s7_inst *inst, const struct s7_filter *filter)
{
	return maps_are_open(inst->env->maps[inst->index], filter) || open_maps(inst, filter);
}

static uint64_t run_native(const char *code, const struct s7_filter *filter, struct bpf_view *view,
			   void *ctx)
{
	return ((bpf_native)(uintptr_t)(code + filter->native))(view, ctx, view->maps);
}

static uint64_t run_one(struct bpf_view *view, const struct s7_filter *filter, void *ctx)
{
	struct s7_inst *inst = view->inst;
	const char *code = area_native(inst, inst->filters, filter);

	if (s7_unlikely(!ebpf_maps_open(inst, filter))) {
		view->failed = true;
		return 0;
	}
	if (s7_likely(filter->native && code))
		return run_native(code, filter, view, ctx);
	return bpf_interp(&filter->code, view, ctx);
}

uint64_t ebpf_run(struct bpf_view *view, struct s7_filter *held, void *ctx)
{
	uint64_t ret = 0;

	while (held) {
		struct s7_filter *done = held;

		view->tail = NULL;
		ret = run_one(view, held, ctx);
		held = view->tail;
		filter_put(view->inst, done);
	}
	return ret;
}

/* With all that a program may ask for. */
static S7_NOINLINE uint64_t exec_whole(struct s7_inst *inst, const struct s7_filter *filter,
				       struct bpf_view *view)
{
	struct room room;
	uint64_t ret;

	view->inst = inst;
	view->calls = &bpf_calls;
	view->maps = inst->env->maps[inst->index];
	view->copied = view->failed = false;
	view->selected = NULL;
	view->tail = NULL;
	view->tails = view->depth = 0;
	if (filter->type == BPF_PROG_TYPE_SK_REUSEPORT)
		fill_md(view, &room);
	else if (filter->fields)
		fill_skb(view, filter->fields, &room);
	ret = run_one(view, filter, &room);
	if (s7_unlikely(view->tail != NULL))
		ret = ebpf_run(view, view->tail, &room);
	if (s7_unlikely(view->copied))
		inst->env->host->bpf->run_end(inst);
	return s7_unlikely(view->failed) ? 0 : ret;
}

/*
 * Programs that look at maps, at the packet in line and at its length alone: their context is that
 * length. What is not stored is not waited for: a `lock` in the program waits for all stores before
 * it. Nothing is done behind the program, so that it is jumped to.
 */
uint64_t ebpf_exec(struct s7_inst *inst, const struct s7_filter *filter, struct bpf_view *view)
{
	const struct bpf_map_here *here = inst->env->maps[inst->index];
	const char *code = area_native(inst, inst->filters, filter);

	if (s7_unlikely(!filter->bare || !code || !maps_are_open(here, filter)))
		return exec_whole(inst, filter, view);
	view->maps = here;
	return run_native(code, filter, view, &view->len);
}
