/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair.c - the owner of an instance's lock died in the middle of something
 *
 * Idea: what it may have had in hand (packets staged for a device, the packet freed last, an object
 * just allocated) is lost rather than used twice. Every list is whole in its forward direction at
 * any instant (list.h, flow.c, ports.c order their stores), so the way back, the counts and the
 * marks are made anew from that; timers are dealt out anew, and the ports kept from the kernel are
 * counted anew. A socket enters inst->socks whole. The socket that it was changing says in its
 * abort what is kept. Whom it had marked to be rung is rung by the unlock to come.
 * Bound: a walk over all sockets, flows, timers and epoll items, once a death inside.
 * Context: instance lock, taken from the dead. Called by: inst_lock.
 */
#include <errno.h>

#include "stack/bpf/filter.h"
#include "stack/core/charge.h"
#include "stack/core/ext.h"
#include "stack/ip/frag.h"
#include "stack/ip/group.h"
#include "stack/ip/hold.h"
#include "stack/ip/router.h"
#include "stack/packet/packet.h"
#include "stack/raw/raw.h"
#include "stack/sock/epoll.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"

/* What was sent on lo is whole, and nobody else's: one that is worked on is out of the queue. */
static void lo_mend(struct s7_inst *inst)
{
	struct s7_pkt **tail = &inst->lo_head;

	for (inst->lo_count = 0; *tail; tail = &(*tail)->next)
		inst->lo_count++;
	inst->lo_tail = tail;
}

static void devices_recover(struct s7_inst *inst)
{
	inst->batch.left = 0;
	inst->batch.since = 0;
	lo_mend(inst);
	if (inst->pkt_cached)
		inst->pkt_cached--;
	for (uint32_t i = 0; i < inst->iface_count; i++) {
		const struct s7_netdev_ops *ops = inst->env->dev[i].ops;

		inst->iface[i].staged = inst->iface[i].charged = 0;
		if (ops && ops->recover)
			ops->recover(inst->env->dev[i].dev, inst->iface[i].queue);
	}
}

/* A socket that its maker did not bring as far as inst->socks is nobody's: its memory is lost. */
static uint32_t proto_list_mend(struct s7_list *socks)
{
	struct s7_list *pos, *tmp;

	list_mend(socks);
	list_for_each_safe(pos, tmp, socks)
		if (!list_linked(&list_entry(pos, struct s7_sock, owner_list)->all))
			list_del(pos);
	return list_mend(socks);
}

static void sockets_mend(struct s7_inst *inst)
{
	struct s7_list *pos;

	inst->sock_count = list_mend(&inst->socks);
	list_for_each(pos, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		list_mend(&sk->waitq);
		if (sk->proto == PROTO_TCP)
			tcp_mend_lists(tcp_sk(sk));
	}
	proto_list_mend(&inst->udp->socks);
	inst->raw_count = proto_list_mend(&inst->raw->socks);
	list_mend(&inst->later.out);
	list_mend(&inst->later.acks);
	list_mend(&inst->frags->age);
}

/* With all else whole: who sleeps in one may be woken. */
static void tcp_socks_mend(struct s7_inst *inst, const struct s7_sock *current)
{
	struct s7_list *pos, *tmp;

	list_for_each_safe(pos, tmp, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		if (sk->proto == PROTO_TCP)
			tcp_mend(tcp_sk(sk), sk == current);
	}
	inst->later.out_count = list_mend(&inst->later.out);
}

/* One that did not come as far as its listener's list goes without having been counted. */
static struct s7_timer *req_seen(struct s7_tcp_req *req)
{
	if (!list_linked(&req->list))
		list_init(&req->list);
	return &req->timer;
}

/* What lives by its timer alone has one, also if its handler died before it was through. */
static void flow_seen(void *ctx, struct s7_flow *flow)
{
	struct s7_inst *inst = ctx;
	struct s7_timer *timer = NULL;

	if (flow->kind == FLOW_TCP_TW)
		timer = &s7_container(flow, struct s7_tcp_tw, flow)->timer;
	else if (flow->kind == FLOW_TCP_REQ)
		timer = req_seen(s7_container(flow, struct s7_tcp_req, flow));
	if (timer && timer->kind != TIMER_NONE && !timer_armed(timer))
		timer_arm(&inst->wheel, timer, inst->now + S7_SEC);
}

static void owned_seen(void *ctx, struct s7_flow *flow)
{
	const struct s7_tcp_tw *tw = s7_container(flow, struct s7_tcp_tw, flow);

	if (flow->kind == FLOW_TCP_TW && tw->owns_port)
		sk_own_port(ctx, IPPROTO_TCP, &flow->local, flow->lport, false);
}

/* Which ports are kept from the kernel is what sockets and TIME_WAIT entries say. */
static void owned_mend(struct s7_inst *inst)
{
	struct s7_list *pos;

	sk_owned_recount(inst);
	if (inst->env->host->group)
		inst->env->host->group(NULL, 0);
	list_for_each(pos, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		if (sk->bits & SKB_OWNS_PORT)
			sk_own_bound(sk);
		if (sk->bind.grouped)
			sk_group_tell(sk);
		if (sk->proto == PROTO_TCP && tcp_tcb(sk)->bits & TCB_OWNS_PORT)
			sk_own_port(inst, IPPROTO_TCP, &sk->flow.local, sk->flow.lport,
				    false);
	}
	flow_mend(&inst->flows, owned_seen, inst);
	sk_owned_counted(inst);
}

static void slabs_mend(struct s7_inst *inst)
{
	struct s7_slab *const slabs[] = {
		&inst->waits,	   &inst->exts,	     &inst->owners,    &inst->tcp->socks,
		&inst->tcp->reqs, &inst->tcp->tws, &inst->tcp->tfos, &inst->udp->slab,
		&inst->frags->slab, &inst->raw->slab,  &inst->hdrs6,
		&inst->leases6,
	};

	for (size_t i = 0; i < S7_ARRAY_LEN(slabs); i++)
		slab_mend(slabs[i]);
}

void inst_repair(struct s7_inst *inst)
{
	struct s7_sock *sk = inst->current;

	inst->stat[STAT_OWNER_DIED]++;
	inst->current = NULL;
	devices_recover(inst);
	sockets_mend(inst);
	wheel_mend(&inst->wheel);
	flow_mend(&inst->flows, flow_seen, inst);
	port_mend(&inst->ports);
	owned_mend(inst);
	epoll_mend(inst);
	slabs_mend(inst);
	group_mend(inst);
	hold_mend(inst);
	router_mend(inst);
	filter_mend(inst);
	packet_mend(inst);
	charge_mend(inst);
	list_mend(&inst->tx_waiting);
	sk_tx_room(inst);
	tcp_socks_mend(inst, sk);
	if (sk && sk->ext) /* lost rather than walked */
		memset(&sk->ext->errq, 0, sizeof(sk->ext->errq));
	if (sk)
		sk_ops(sk)->abort(sk, ECONNABORTED);
	inst_log(inst, LOG_WARN, "a thread died inside instance %u%s", inst->index,
		 sk ? ": the connection that it served is aborted" : "");
}
