/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filter.c - filters of sockets: from the program's memory to machine code, and a run
 *
 * Attaching copies, checks, translates and compiles under the lock, into memory that is given back
 * (scratch) and memory that stays (the filter, of the size it turned out to need). The new one is
 * whole before the socket points to it, and who runs one holds the same lock: a packet sees the old
 * or the new. Replaced and detached ones go at once, since nobody can be in them.
 * Bound: inst->filters; beyond it -ENOMEM, as from Linux's optmem_max.
 * Context: instance lock.
 */
#include "stack/bpf/filter.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "stack/base/user.h"
#include "stack/bpf/area.h"
#include "stack/bpf/cbpf.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/jit.h"
#include "stack/bpf/tail.h"

/* ---- making ---- */

/* What a program needs while it is made, in one piece of the area. */
struct scratch {
	struct sock_filter *classic;
	struct bpf_insn *insns;
	uint32_t *at;
	uint32_t bytes;
};

static uint32_t insns_most(uint32_t len)
{
	return CBPF_INSNS_EACH * len + CBPF_INSNS_EXTRA;
}

static int scratch_take(struct s7_filter_area *area, uint32_t len, struct scratch *ret_scratch)
{
	uint32_t insns = insns_most(len);
	uint32_t bytes = (uint32_t)(len * sizeof(struct sock_filter) +
				    insns * sizeof(struct bpf_insn) +
				    (insns + 1) * sizeof(uint32_t));
	char *at = area_alloc(area, bytes);

	if (!at)
		return -ENOMEM;
	ret_scratch->bytes = bytes;
	ret_scratch->classic = (void *)at;
	ret_scratch->insns = (void *)(at + len * sizeof(struct sock_filter));
	ret_scratch->at = (void *)(ret_scratch->insns + insns);
	return 0;
}

/* The translated program at its final place, and its machine code behind it. */
static struct s7_filter *filter_make(struct s7_inst *inst, const struct scratch *scratch,
				     const struct bpf_code *code, uint32_t len)
{
	bool native = inst->env->code[inst->index] && jit_possible();
	uint32_t head = (uint32_t)(sizeof(struct s7_filter) + len * sizeof(struct sock_filter));
	uint32_t insns = (uint32_t)(code->count * sizeof(struct bpf_insn));
	uint32_t room = native ? jit_compile(code, NULL, UINT32_MAX, scratch->at) : 0;
	struct s7_filter *filter = area_alloc(inst->filters, head + insns + room);

	if (!filter)
		return NULL;
	*filter = (struct s7_filter){ .bytes = head + insns + room, .len = len, .code = *code };
	memcpy(filter->classic, scratch->classic, len * sizeof(struct sock_filter));
	filter->code.insns = (void *)((char *)filter + head);
	memcpy((char *)filter + head, code->insns, insns);
	if (room && jit_compile(&filter->code, (uint8_t *)filter + head + insns, room, scratch->at))
		filter->native = head + insns;
	return filter;
}

static int filter_build(struct s7_inst *inst, const struct sock_filter *user, uint32_t len,
			struct scratch *scratch, struct s7_filter **ret_filter)
{
	struct bpf_code code;
	uint32_t uses;
	int err;

	if (!user_get(scratch->classic, user, len * sizeof(*user)))
		return -EFAULT;
	err = cbpf_check(scratch->classic, len);
	if (err)
		return err;
	cbpf_translate(scratch->classic, len, scratch->insns, scratch->at, &code);
	err = bpf_check(code.insns, code.count, &uses);
	if (err)
		return err;
	code.uses |= uses;
	*ret_filter = filter_make(inst, scratch, &code, len);
	return *ret_filter ? 0 : -ENOMEM;
}

int filter_load(struct s7_inst *inst, const struct sock_filter *user, uint32_t len,
		       struct s7_filter **ret_filter)
{
	struct scratch scratch;
	int err;

	if (!len || len > BPF_MAXINSNS)
		return -EINVAL;
	err = scratch_take(inst->filters, len, &scratch);
	if (err)
		return err;
	err = filter_build(inst, user, len, &scratch, ret_filter);
	area_free(inst->filters, scratch.classic, scratch.bytes);
	return err;
}

/* ---- owners ---- */

void filter_put(struct s7_inst *inst, struct s7_filter *filter)
{
	if (!filter || --filter->refs)
		return;
	if (filter->tail_root && !--inst->filters->tail_roots)
		tail_drop_all(inst);
	for (uint32_t i = 0; i < filter->map_count; i++)
		maps_give(inst, filter->maps[i].slot);
	area_free(inst->filters, filter, filter->bytes);
}

static void filter_set(struct s7_sock *sk, struct s7_filter *filter)
{
	struct s7_filter *old = sk->filter;

	if (filter)
		filter->refs++;
	s7_in_order();
	sk->filter = filter;
	filter_put(sk->inst, old);
}

int filter_attach(struct s7_sock *sk, const struct sock_filter *user, uint32_t len)
{
	struct s7_filter *filter;
	int err;

	if (sk->more & SKM_LOCK_FILTER)
		return -EPERM;
	err = filter_load(sk->inst, user, len, &filter);
	if (!err)
		filter_set(sk, filter);
	return err;
}

int filter_attach_ebpf(struct s7_sock *sk, const struct ebpf_prog *prog)
{
	struct s7_filter *filter;
	int err;

	if (sk->more & SKM_LOCK_FILTER)
		return -EPERM;
	if (prog->type != BPF_PROG_TYPE_SOCKET_FILTER)
		return -EINVAL;
	err = ebpf_load(sk->inst, prog, &filter);
	if (!err)
		filter_set(sk, filter);
	return err;
}

int filter_detach(struct s7_sock *sk)
{
	if (sk->more & SKM_LOCK_FILTER)
		return -EPERM;
	if (!sk->filter)
		return -ENOENT;
	filter_set(sk, NULL);
	return 0;
}

void filter_inherit(struct s7_sock *child, const struct s7_sock *parent)
{
	if (s7_unlikely(parent->filter != NULL))
		filter_set(child, parent->filter);
}

void filter_drop(struct s7_sock *sk)
{
	filter_set(sk, NULL);
}

static void forget_refs(struct s7_filter *filter)
{
	if (filter)
		filter->refs = 0;
}

static void count_ref(struct s7_inst *inst, struct s7_filter *filter)
{
	if (!filter || filter->refs++)
		return;
	area_keep(inst->filters, filter, filter->bytes);
	inst->filters->tail_roots += filter->tail_root;
	for (uint32_t i = 0; i < filter->map_count; i++)
		inst->filters->maps[filter->maps[i].slot].refs++;
}

/* Programs that others go on to stay if there is such another. */
static void count_tails(struct s7_inst *inst)
{
	for (uint32_t i = 0; i < AREA_TAILS; i++) {
		struct s7_tail *tail = &inst->filters->tails[i];

		if (!tail->id || !inst->filters->tail_roots)
			*tail = (struct s7_tail){ 0 };
		if (tail->filter)
			tail->filter->refs = 0;
		count_ref(inst, tail->filter);
	}
}

void filter_mend(struct s7_inst *inst)
{
	struct s7_list *pos;

	area_clear(inst->filters);
	inst->filters->tail_roots = 0;
	for (uint32_t i = 0; i < BPF_SLOTS; i++)
		inst->filters->maps[i].refs = 0;
	for (uint32_t i = 0; i < inst->iface_count; i++)
		forget_refs(inst->iface[i].filter);
	list_for_each(pos, &inst->socks)
	{
		const struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		forget_refs(sk->filter);
		forget_refs(sk->bind.steer);
	}
	for (uint32_t i = 0; i < inst->iface_count; i++)
		count_ref(inst, inst->iface[i].filter);
	list_for_each(pos, &inst->socks)
	{
		const struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		count_ref(inst, sk->filter);
		count_ref(inst, sk->bind.steer);
	}
	count_tails(inst);
}

/* ---- running ---- */

/* Ancillary values, and calls, which want a state for random numbers. */
#define MORE_THAN_CPU ((~((uint32_t)BPF_USES_AD - 1) & ~BPF_AD(CPU)) | BPF_USES_CALL)

/* On lo there is no link header: also what we sent to a group comes back without. */
static bool has_no_link(const struct s7_pkt *pkt)
{
	return pkt->iface == S7_IFACE_LO || pkt->flags & PKT_RX_LOOPED;
}

static uint32_t type_of(const struct s7_pkt *pkt, const struct bpf_view *view)
{
	int64_t first;

	if (pkt->flags & PKT_RX_LOOPED)
		return PACKET_LOOPBACK;
	if (s7_likely(!(pkt->flags & PKT_RX_BCAST)))
		return PACKET_HOST;
	first = bpf_load(view, SKF_LL_OFF, 1);
	return first == 0xff ? PACKET_BROADCAST : PACKET_MULTICAST;
}

static bool is_v6(const struct bpf_view *view)
{
	return view->back >= (uint32_t)-view->net && view->data[view->net] >> 4 == 6;
}

/* What few programs ask for: kept out of the way of all others, registers included. */
static S7_NOINLINE void fill_meta(struct bpf_view *view, const struct s7_inst *inst,
				  const struct s7_pkt *pkt, uint32_t uses)
{
	const struct s7_iface *iface = &inst->iface[pkt->iface];
	bool lo = has_no_link(pkt);

	if (uses & BPF_AD(PROTOCOL))
		view->protocol = is_v6(view) ? ETH_P_IPV6 : ETH_P_IP;
	if (uses & BPF_AD(PKTTYPE))
		view->pkt_type = type_of(pkt, view);
	if (uses & (BPF_AD(IFINDEX) | BPF_AD(HATYPE))) {
		view->ifindex = (uint32_t)iface->ifindex;
		view->hatype = iface->flags & IFACE_LO ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	}
	if (uses & (BPF_AD(MARK) | BPF_AD(QUEUE) | BPF_AD(RXHASH))) {
		view->mark = lo ? pkt->hash : 0;
		view->queue = lo ? 0 : inst->index + 1;
		view->rxhash = lo ? 0 : pkt->hash;
		view->priority = lo ? pkt->tso_mss : 0;
	}
	if (uses & (BPF_AD(VLAN_TAG) | BPF_AD(VLAN_TAG_PRESENT) | BPF_AD(VLAN_TPID)))
		view->vlan_tag = view->vlan_present = view->vlan_tpid = 0;
	if (uses & BPF_USES_CALL)
		view->random = inst_random((struct s7_inst *)(uintptr_t)inst) | 1;
}

/* What the bytes are found by. */
#define WANTS_BYTES (BPF_USES_PACKET | BPF_USES_HELP | MORE_THAN_CPU)

static inline void view_fill(struct bpf_view *view, const struct s7_inst *inst,
			     const struct s7_pkt *pkt, uint32_t uses)
{
	uint32_t before = pkt->l3_len + (has_no_link(pkt) ? 0u : BPF_LINK_LEN);

	view->len = pkt->total;
	if (s7_likely(uses & WANTS_BYTES)) {
		view->data = pkt->data;
		view->head = pkt->len;
		view->calls = &bpf_calls;
		view->chain = pkt->frag;
		view->net = -(int32_t)pkt->l3_len;
		view->link = view->net - BPF_LINK_LEN;
		view->back = (uint32_t)s7_min(before, pkt_headroom(pkt));
	}
	if (s7_unlikely(uses & BPF_USES_META)) {
		view->cpu = (uint32_t)inst->rx_cpu;
		if (uses & MORE_THAN_CPU)
			fill_meta(view, inst, pkt, uses);
	}
}

void filter_view(struct bpf_view *view, const struct s7_inst *inst, const struct s7_pkt *pkt,
		 uint32_t uses)
{
	view_fill(view, inst, pkt, uses);
}

static inline uint32_t exec(struct s7_inst *inst, const struct s7_filter *filter,
			    struct bpf_view *view)
{
	const char *native = area_native(inst, inst->filters, filter);

	if (s7_unlikely(filter->type))
		return (uint32_t)ebpf_exec(inst, filter, view);
	if (s7_likely(filter->native && native))
		return (uint32_t)((bpf_native)(uintptr_t)(native + filter->native))(view, view,
										    NULL);
	return (uint32_t)bpf_interp(&filter->code, view, view);
}

uint32_t filter_exec(struct s7_inst *inst, const struct s7_filter *filter, struct bpf_view *view)
{
	return exec(inst, filter, view);
}

uint32_t filter_run(const struct s7_sock *sk, const struct s7_pkt *pkt, uint32_t least)
{
	const struct s7_filter *filter = sk->filter;
	struct bpf_view view;
	uint32_t keep;

	view_fill(&view, sk->inst, pkt, filter->code.uses);
	view.sk = sk;
	keep = exec(sk->inst, filter, &view);
	return keep ? (uint32_t)s7_min(s7_max(keep, least), pkt->total) : 0;
}
