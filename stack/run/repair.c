/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair.c - the owner of an instance's lock died in the middle of something
 *
 * Idea: what it may have had in hand (staged packets, the packet freed last, an object just
 * allocated) is lost rather than used twice. Every list is whole in its forward direction at any
 * instant (list.h, flow.c, ports.c order their stores), so the way back, the counts and the marks
 * are made anew from that; timers are dealt out anew. A socket enters inst->socks whole. The socket
 * that it was changing says in its abort what is kept. Whom it had marked to be rung is rung by the
 * unlock to come.
 * Bound: a walk over all sockets, flows, timers and epoll items, once a death inside.
 * Context: instance lock, taken from the dead. Called by: inst_lock.
 */
#include <errno.h>

#include "stack/bpf/filter.h"
#include "stack/core/ext.h"
#include "stack/ip/frag.h"
#include "stack/ip/group.h"
#include "stack/packet/packet.h"
#include "stack/raw/raw.h"
#include "stack/sock/epoll.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"

static void devices_recover(struct s7_inst *inst)
{
	inst->batch.left = 0;
	inst->batch.since = 0;
	inst->lo_head = NULL;
	inst->lo_tail = &inst->lo_head;
	inst->lo_count = 0;
	if (inst->pkt_cached)
		inst->pkt_cached--;
	for (uint32_t i = 0; i < inst->iface_count; i++) {
		const struct s7_netdev_ops *ops = inst->env->dev[i].ops;

		inst->iface[i].staged = 0;
		if (ops && ops->recover)
			ops->recover(inst->env->dev[i].dev, inst->iface[i].queue);
	}
}

static void sockets_mend(struct s7_inst *inst)
{
	struct s7_list *pos;

	inst->sock_count = list_mend(&inst->socks);
	list_for_each(pos, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);
		struct s7_tcb *tcb = &s7_container(sk, struct s7_tcp_sock, sk)->tcb;

		list_mend(&sk->waitq);
		if (sk->proto != PROTO_TCP)
			continue;
		tcb->accept_len = list_mend(&tcb->accept_queue);
		tcb->request_count = list_mend(&tcb->requests);
		if (tcb->tfo)
			tcb->tfo->pending = list_mend(&tcb->tfo->children);
	}
	list_mend(&inst->udp->socks);
	inst->raw_count = list_mend(&inst->raw->socks);
	inst->later.out_count = list_mend(&inst->later.out);
	list_mend(&inst->later.acks);
	list_mend(&inst->frags->age);
}

/* What lives by its timer alone has one, also if its handler died before it was through. */
static void flow_seen(void *ctx, struct s7_flow *flow)
{
	struct s7_inst *inst = ctx;
	struct s7_timer *timer = NULL;

	if (flow->kind == FLOW_TCP_TW)
		timer = &s7_container(flow, struct s7_tcp_tw, flow)->timer;
	else if (flow->kind == FLOW_TCP_REQ)
		timer = &s7_container(flow, struct s7_tcp_req, flow)->timer;
	if (timer && timer->kind != TIMER_NONE && !timer_armed(timer))
		timer_arm(&inst->wheel, timer, inst->now + S7_SEC);
}

static void slabs_mend(struct s7_inst *inst)
{
	struct s7_slab *const slabs[] = {
		&inst->waits,	   &inst->exts,	     &inst->owners,    &inst->tcp->socks,
		&inst->tcp->reqs, &inst->tcp->tws, &inst->tcp->tfos, &inst->udp->slab,
		&inst->frags->slab, &inst->raw->slab,
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
	epoll_mend(inst);
	slabs_mend(inst);
	group_mend(inst);
	filter_mend(inst);
	packet_mend(inst);
	list_mend(&inst->tx_waiting);
	sk_tx_room(inst);
	if (sk && sk->ext) /* lost rather than walked */
		memset(&sk->ext->errq, 0, sizeof(sk->ext->errq));
	if (sk)
		sk_ops(sk)->abort(sk, ECONNABORTED);
	inst_log(inst, LOG_WARN, "a thread died inside instance %u%s", inst->index,
		 sk ? ": the connection that it served is aborted" : "");
}
