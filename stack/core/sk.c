/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sk.c - the part of a socket that all protocols share: life, binding, waiting, errors
 *
 * A socket is allocated by its protocol (its struct begins with s7_sock) and lives until both the
 * last descriptor is gone (close) and the protocol has finished with it; then sk_free. Ports bound
 * on shared netdevs are reported to the host, counted, so that the kernel is silent for exactly
 * them.
 * Context: instance lock.
 */
#include "stack/core/ext.h"

#include <errno.h>


static const uint8_t proto_number[PROTO_COUNT] = {
	[PROTO_TCP] = IPPROTO_TCP,
	[PROTO_UDP] = IPPROTO_UDP,
	/* raw and ping: as their init says; packet sockets have none */
};

static const uint16_t proto_type[PROTO_COUNT] = {
	[PROTO_TCP] = SOCK_STREAM,
	[PROTO_UDP] = SOCK_DGRAM,
	[PROTO_RAW] = SOCK_RAW,
	[PROTO_PING] = SOCK_DGRAM,
};

static void sk_buffers(struct s7_sock *sk)
{
	const struct s7_params *params = &sk->inst->params;

	if (sk->proto == PROTO_TCP) {
		sk->rcvbuf = params->tcp_rmem[1];
		sk->sndbuf = params->tcp_wmem[1];
	} else {
		sk->rcvbuf = params->rmem_default;
		sk->sndbuf = params->wmem_default;
	}
}

void file_renew(struct s7_inst *inst, struct s7_file *file, size_t steady, size_t size)
{
	uint64_t cookie = atomic_fetch_add_explicit(&inst->arena->next_cookie, 1,
						    memory_order_relaxed);

	atomic_store_explicit(&file->cookie, cookie, memory_order_relaxed);
	atomic_store_explicit(&file->status, 0, memory_order_relaxed);
	atomic_store_explicit(&file->side, SIDE_OPEN, memory_order_relaxed);
	file->counted = 0;
	if (file->inst != inst->index)
		file->inst = (uint16_t)inst->index;
	memset((char *)file + steady, 0, size - steady);
}

struct s7_sock *sk_alloc(struct s7_inst *inst, struct s7_slab *slab)
{
	struct s7_sock *sk = slab_alloc_raw(slab);

	if (!sk)
		return NULL;
	file_renew(inst, &sk->file, offsetof(struct s7_sock, inst) + sizeof(sk->inst), slab->size);
	if (sk->inst != inst)
		sk->inst = inst;
	return sk;
}

int sk_create(struct s7_inst *inst, enum s7_proto proto, int domain, struct s7_sock **ret_sk)
{
	struct s7_sock *sk = s7_protos[proto]->alloc(inst);
	int err;

	if (!sk)
		return -ENOBUFS;
	atomic_store_explicit(&sk->file.kind, FILE_SOCK, memory_order_relaxed);
	atomic_store_explicit(&sk->file.refs, 1, memory_order_release);
	sk->proto = proto;
	sk->domain = (uint16_t)domain;
	sk->type = proto_type[proto];
	sk->protocol = sk->flow.proto = sk->bind.proto = proto_number[proto];
	sk->rcvlowat = 1;
	sk->mcast_ttl = 1;
	sk->ip6.hops = sk->ip6.mcast_hops = -1;
	sk->ip6.mtu_discover = IPV6_PMTUDISC_WANT;
	sk->ip6.bits = SK6_AUTOFLOWLABEL;
	sk->peek_off = sk->rx_cpu = sk->bind.cpu = -1;
	sk->pacing_max = UINT64_MAX;
	sk->txrehash = 1;
	list_init(&sk->waitq);
	list_init(&sk->owner_list);
	list_init(&sk->all);
	sk_buffers(sk);
	inst->sock_count++;

	err = s7_protos[proto]->init(sk);
	if (err) {
		sk_free(sk);
		return err;
	}
	/* whole before it is seen: inst_repair walks this list */
	s7_in_order();
	list_add_tail(&inst->socks, &sk->all);
	*ret_sk = sk;
	return 0;
}

void sk_free(struct s7_sock *sk)
{
	struct s7_inst *inst = sk->inst;

	sk_unbind(sk);
	flow_remove(&inst->flows, &sk->flow);
	if (!list_empty(&sk->waitq))
		wait_wake(inst, &sk->waitq, EPOLLHUP);
	owner_drop(sk);
	while (!list_empty(&sk->waitq))
		list_del(sk->waitq.next);
	list_del(&sk->owner_list);
	list_del(&sk->all);
	inst->sock_count--;
	if (inst->current == sk)
		inst->current = NULL;
	atomic_store_explicit(&sk->file.kind, FILE_NONE, memory_order_relaxed);
	sk_ext_free(sk);
	if (s7_unlikely(sk->filter != NULL))
		s7_filter_drop(sk);
	if (s7_unlikely(sk->bind.steer != NULL))
		s7_steer_drop(sk);
	sk_ops(sk)->free(sk);
}

/* A dual-stack wildcard is two: packets of either family are ours. */
static bool owns_both(const struct s7_sock *sk)
{
	return ip_is_any(&sk->bind.ip) && !ip_is_v4(&sk->bind.ip) && !sk->bind.v6only;
}

void sk_own_bound(struct s7_sock *sk)
{
	struct s7_ip any4 = ip_from_v4(0);

	sk_own_port(sk->inst, sk->bind.proto, &sk->bind.ip, sk->bind.port, true);
	if (owns_both(sk))
		sk_own_port(sk->inst, sk->bind.proto, &any4, sk->bind.port, true);
}

void sk_share_bound(struct s7_sock *sk)
{
	struct s7_ip any4 = ip_from_v4(0);

	sk_own_rest(sk->inst, sk->bind.proto, &sk->bind.ip, sk->bind.port);
	if (owns_both(sk))
		sk_own_rest(sk->inst, sk->bind.proto, &any4, sk->bind.port);
}

static void disown_bound(struct s7_sock *sk)
{
	bool listened = sk->bits & SKB_LISTENED;
	struct s7_ip any4 = ip_from_v4(0);

	sk_disown_port(sk->inst, sk->bind.proto, &sk->bind.ip, sk->bind.port, true, listened);
	if (owns_both(sk))
		sk_disown_port(sk->inst, sk->bind.proto, &any4, sk->bind.port, true, listened);
}

/* To other programs on sock7. */
void sk_group_tell(struct s7_sock *sk)
{
	if (sk->inst->env->host->group)
		sk->inst->env->host->group(&sk->bind, port_members(&sk->inst->ports, &sk->bind));
}

void sk_group_join(struct s7_sock *sk)
{
	if (s7_likely(!sk->bind.reuseport))
		return;
	port_join(&sk->inst->ports, &sk->bind);
	if (sk->bind.slot && sk->bind.steer)
		s7_steer_drop(sk);
	sk_group_tell(sk);
}

void sk_group_leave(struct s7_sock *sk)
{
	if (s7_likely(!sk->bind.grouped))
		return;
	port_leave(&sk->inst->ports, &sk->bind);
	sk_group_tell(sk);
}

int sk_bind(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port)
{
	int err;

	if (sk->bind.linked || !port)
		return -EINVAL;
	sk->bind.ip = *ip;
	sk->bind.port = port;
	sk->bind.v6only = sk->bits & SKB_V6ONLY;
	sk->bind.reuseaddr = sk->bits & SKB_REUSEADDR;
	sk->bind.reuseport = sk->bits & SKB_REUSEPORT;
	sk->bind.iface = sk->bound_iface;
	sk->bind.uid = sk->uid;
	err = port_insert(&sk->inst->ports, &sk->bind);
	if (err)
		return err;
	sk->flow.local = *ip;
	sk->flow.lport = port;
	sk->bits |= SKB_BOUND;
	if (s7_unlikely(sk->ext != NULL))
		sk->ext->bits &= ~(uint32_t)EXT_ADDR_ONLY;
	if (s7_likely(sk->proto != PROTO_PING)) { /* an identifier: the kernel hears ICMP too */
		sk->bits |= SKB_OWNS_PORT;
		sk_own_bound(sk);
	}
	if (sk->proto == PROTO_UDP)
		sk_group_join(sk);
	return 0;
}

void sk_unbind(struct s7_sock *sk)
{
	sk_group_leave(sk);
	port_remove(&sk->inst->ports, &sk->bind);
	if (sk->bits & SKB_OWNS_PORT)
		disown_bound(sk);
	sk->bits &= ~(uint32_t)(SKB_BOUND | SKB_OWNS_PORT | SKB_LISTENED);
}

static uint16_t pick_between(struct s7_inst *inst, uint8_t proto, uint32_t lo, uint32_t span,
			     const struct s7_ip *local, const struct s7_ip *remote, uint16_t rport)
{
	uint32_t at = (uint32_t)(inst_random(inst) % span);
	uint32_t step, tries = (uint32_t)s7_min(span, 8192);

	/* every second port first, as Linux does for connect: the others are left to bind() */
	for (step = 0; step < tries; step++) {
		uint16_t port = (uint16_t)(lo + at);

		at = (at + 2) % span;
		if (step == tries / 2)
			at ^= 1;
		if (at >= span)
			at = 0;
		if (port_in_use(&inst->ports, proto, port))
			continue;
		if (!flow_find(&inst->flows, proto, local, port, remote, rport))
			return port;
	}
	return 0;
}

/* IP_LOCAL_PORT_RANGE: what of it lies in the host's range counts. */
static void port_range(const struct s7_sock *sk, uint32_t *ret_lo, uint32_t *ret_hi)
{
	uint32_t lo = sk->inst->params.port_lo, hi = sk->inst->params.port_hi;

	*ret_lo = lo;
	*ret_hi = hi;
	if (s7_likely(!sk->ext))
		return;
	if (lo <= sk->ext->port_lo && sk->ext->port_lo <= hi)
		*ret_lo = sk->ext->port_lo;
	if (lo <= sk->ext->port_hi && sk->ext->port_hi <= hi)
		*ret_hi = sk->ext->port_hi;
}

uint16_t sk_pick_port(struct s7_sock *sk, const struct s7_ip *local, const struct s7_ip *remote,
		      uint16_t rport)
{
	struct s7_inst *inst = sk->inst;
	uint8_t proto = sk->bind.proto;
	uint32_t lo, hi;

	port_range(sk, &lo, &hi);
	return pick_between(inst, proto, lo, hi - lo + 1, local, remote, rport);
}

void wait_add(struct s7_list *waitq, struct s7_wait *node)
{
	if (node->exclusive)
		list_add_tail(waitq, &node->node);
	else
		list_add(waitq, &node->node);
}

/* What is true for every waiter, also for those of whom otherwise one is enough. */
#define WAKE_ALL ((uint32_t)(EPOLLERR | EPOLLHUP | EPOLLRDHUP))

void wait_wake(struct s7_inst *inst, struct s7_list *waitq, uint32_t events)
{
	bool exclusive_done = false, woke;
	struct s7_list *pos, *tmp;

	list_for_each_safe(pos, tmp, waitq)
	{
		struct s7_wait *node = list_entry(pos, struct s7_wait, node);

		if (!(events & (node->events | EPOLLERR | EPOLLHUP)))
			continue;
		if (node->exclusive && exclusive_done)
			continue;
		if (node->kind == WAIT_THREAD) {
			/* one that was rung before has its own event to go to */
			woke = !atomic_load_explicit(&node->waiter->rung, memory_order_relaxed);
			inst_wake(inst, node->waiter);
		} else if (s7_likely(node->kind == WAIT_EPOLL)) {
			woke = s7_wait_epoll(inst, node, events);
		} else {
			owner_event(inst, s7_container(node, struct s7_owner, wait), events);
			continue;
		}
		if (node->exclusive && woke && !(events & WAKE_ALL))
			exclusive_done = true;
	}
}

void wait_rouse(struct s7_inst *inst, struct s7_list *waitq)
{
	struct s7_list *pos;

	list_for_each(pos, waitq)
	{
		struct s7_wait *node = list_entry(pos, struct s7_wait, node);

		if (node->kind == WAIT_THREAD)
			inst_wake(inst, node->waiter);
	}
}

void sk_event(struct s7_sock *sk, uint32_t events)
{
	if (!list_empty(&sk->waitq))
		wait_wake(sk->inst, &sk->waitq, events);
}

void sk_error(struct s7_sock *sk, int err)
{
	sk->err = err;
	sk_event(sk, EPOLLERR | EPOLLIN | EPOLLOUT);
}

int sk_take_error(struct s7_sock *sk)
{
	int err = sk->err;

	sk->err = 0;
	return -err;
}
