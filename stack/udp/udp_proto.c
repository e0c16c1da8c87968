/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_proto.c - the life of a UDP socket, and its row in the table of protocols
 *
 * A bound socket is in the port table. A connected one leaves it for the flow table (FLOW_UDP), so
 * that only its peer's datagrams find it; others go to whoever else is bound to the port, as in
 * Linux. Two sockets may connect the same tuple (SO_REUSEPORT, SO_REUSEADDR): the second is parked
 * and steps in when the first goes. Without those the first is closed already: it is parked. The
 * owned port (shared netdevs) stays counted all the time: sk_bind took it, sk_unbind gives it back.
 * Context: instance lock. Called through udp_proto_ops by sk.c and stack/sock.
 */
#include "stack/udp/udp.h"

#include <errno.h>

#include "stack/core/charge.h"
#include "stack/core/ext.h"
#include "stack/ip/errq_icmp.h"
#include "stack/ip/group.h"

int udp_inst_init(struct s7_inst *inst)
{
	inst->udp = arena_take(inst->arena, sizeof(*inst->udp), S7_CACHELINE);
	if (!inst->udp)
		return -ENOMEM;
	list_init(&inst->udp->socks);
	return slab_init(&inst->udp->slab, inst->arena, sizeof(struct s7_udp_sock),
			 inst->params.max_sockets);
}

static struct s7_sock *udp_alloc(struct s7_inst *inst)
{
	return sk_alloc(inst, &inst->udp->slab);
}

static int udp_init(struct s7_sock *sk)
{
	sk->flow.kind = FLOW_UDP;
	sk->flow.local = sk->flow.remote =
		sk->domain == AF_INET ? ip_from_v4(0) : (struct s7_ip){ 0 };
	sk->bind.proto = sk->flow.proto = IPPROTO_UDP;
	list_add_tail(&sk->inst->udp->socks, &sk->owner_list);
	return 0;
}

static void udp_free(struct s7_sock *sk)
{
	slab_free(&sk->inst->udp->slab, udp_sock(sk));
}

/* Another connected socket of the same tuple takes the place in the flow table. */
static void udp_unpark(struct s7_inst *inst, const struct s7_flow *gone)
{
	struct s7_list *pos;

	list_for_each(pos, &inst->udp->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, owner_list);

		if (!udp_sock(sk)->parked || sk->flow.lport != gone->lport ||
		    sk->flow.rport != gone->rport || !ip_equal(&sk->flow.local, &gone->local) ||
		    !ip_equal(&sk->flow.remote, &gone->remote))
			continue;
		if (flow_insert(&inst->flows, &sk->flow) == 0) {
			udp_sock(sk)->parked = false;
			inst->udp->parked--;
		}
		return;
	}
}

static void udp_leave_flow(struct s7_sock *sk)
{
	struct s7_udp_inst *udp = sk->inst->udp;
	struct s7_udp_sock *us = udp_sock(sk);

	if (us->parked) {
		us->parked = false;
		udp->parked--;
	} else if (sk->flow.linked) {
		flow_remove(&sk->inst->flows, &sk->flow);
		if (udp->parked)
			udp_unpark(sk->inst, &sk->flow);
	}
}

static void udp_park(struct s7_sock *sk)
{
	udp_sock(sk)->parked = true;
	sk->inst->udp->parked++;
}

/*
 * The tuple is another's that does not share its port: one that is closed, and kept only by a call
 * that still waits on it. The kernel has given its port away since.
 */
static bool udp_displace(struct s7_sock *sk)
{
	const struct s7_flow *f = &sk->flow;
	struct s7_flow_table *flows = &sk->inst->flows;
	struct s7_flow *old = flow_find(flows, f->proto, &f->local, f->lport, &f->remote, f->rport);
	struct s7_sock *other;

	if (!old || old->kind != FLOW_UDP)
		return false;
	other = s7_container(old, struct s7_sock, flow);
	if (sk->bits & other->bits & (SKB_REUSEADDR | SKB_REUSEPORT))
		return false;
	flow_remove(flows, old);
	udp_park(other);
	return flow_insert(flows, &sk->flow) == 0;
}

static void udp_enter_flow(struct s7_sock *sk)
{
	sk_group_leave(sk);
	port_remove(&sk->inst->ports, &sk->bind);
	if (flow_insert(&sk->inst->flows, &sk->flow) && !udp_displace(sk))
		udp_park(sk);
}

/* The caller binds as a rule; a port of the stack's own choice serves who does not. */
static int udp_autobind(struct s7_sock *sk, const struct s7_ip *remote, uint16_t rport)
{
	struct s7_ip any = sk->flow.local;
	uint16_t port;

	if (sk->bits & SKB_BOUND)
		return 0;
	port = sk_pick_port(sk, &any, remote, rport);
	return port ? sk_bind(sk, &any, port) : -EAGAIN;
}

static struct s7_ip udp_bound_ip(const struct s7_sock *sk)
{
	if (sk->bits & SKB_BOUND_ADDR)
		return sk->bind.ip;
	return sk->domain == AF_INET ? ip_from_v4(0) : (struct s7_ip){ 0 };
}

static int udp_connect(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port)
{
	struct s7_udp_sock *us = udp_sock(sk);
	struct s7_ip bound = udp_bound_ip(sk);
	uint32_t device = sk->bound_iface;
	struct s7_ip first = hdrs6_first(sk->ext ? sk->ext->hdrs6 : NULL, ip);
	struct s7_dst dst;
	bool broadcast;
	int err;

	udp_group_way(sk, ip, &device, &bound);
	err = dst_lookup(sk->inst, &first, &bound, device, &dst);
	if (err)
		return err;
	if (dst.owner != ROUTE_STACK)
		return -ENETUNREACH;
	dst_prefer_source(sk->inst, &dst, sk->ext ? sk->ext->source_prefs : 0);
	broadcast = ip_is_broadcast(sk->inst, &dst.dst);
	if (broadcast && !(sk->bits & SKB_BROADCAST))
		return -EACCES;
	err = udp_autobind(sk, &dst.dst, port);
	if (err)
		return err;

	udp_leave_flow(sk);
	sk->flow.local = us->dst_src = dst.src;
	sk->flow.remote = ip_equal(&first, ip) ? dst.dst : *ip;
	sk->flow.rport = port;
	sk->flow.iface = dst.iface;
	us->dst = dst;
	us->dst_iface = device;
	us->dst_valid = true;
	us->dst_broadcast = broadcast;
	sk->bits |= SKB_CONNECTED;
	udp_enter_flow(sk);
	return 0;
}

void udp_disconnect(struct s7_sock *sk)
{
	bool was_connected;

	udp_sock(sk)->dst_valid = false;
	if (!(sk->bits & (SKB_CONNECTED | SKB_BOUND)))
		return;
	was_connected = sk->bits & SKB_CONNECTED;
	udp_leave_flow(sk);
	sk->bits &= ~(uint32_t)SKB_CONNECTED;
	sk->flow.local = udp_bound_ip(sk);
	sk->flow.remote = sk->domain == AF_INET ? ip_from_v4(0) : (struct s7_ip){ 0 };
	sk->flow.rport = 0;
	if (!(sk->bits & SKB_BOUND_PORT)) {
		sk_unbind(sk);
		sk->flow.lport = 0;
		return;
	}
	/* it shared the port before and nobody's rights have changed since; a newcomer without
	 * SO_REUSE* keeps it out */
	if (was_connected && port_insert(&sk->inst->ports, &sk->bind))
		sk->err = EADDRINUSE;
	else if (was_connected)
		sk_group_join(sk);
}

/* As udp_poll of Linux: room in the device, and for half of SO_SNDBUF more. */
static uint32_t udp_poll(struct s7_sock *sk)
{
	uint32_t events = sk_error_events(sk);

	if (s7_likely(!sk_ext_has(sk, EXT_TX_WAIT)) &&
	    charge_writable(sk, udp_sock(sk)->cork_wmem))
		events |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	if (sk->shut & SK_SHUT_RD)
		events |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (sk->shut == (SK_SHUT_RD | SK_SHUT_WR))
		events |= EPOLLHUP;
	if (udp_sock(sk)->rx_head)
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

/* Linux marks the shutdown even when it reports that there is no peer. */
static int udp_shutdown(struct s7_sock *sk, int how)
{
	static const uint8_t bits[] = {
		[SHUT_RD] = SK_SHUT_RD,
		[SHUT_WR] = SK_SHUT_WR,
		[SHUT_RDWR] = SK_SHUT_RD | SK_SHUT_WR,
	};

	if (how < 0 || how >= (int)S7_ARRAY_LEN(bits))
		return -EINVAL;
	sk->shut |= bits[how];
	sk_event(sk, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	return sk->bits & SKB_CONNECTED ? 0 : -ENOTCONN;
}

static void udp_close(struct s7_sock *sk)
{
	group_leave_all(sk);
	udp_cork_drop(udp_sock(sk));
	udp_purge(udp_sock(sk));
	udp_leave_flow(sk);
	sk_free(sk);
}

/*
 * The thread that worked on it died there: what was queued is lost, the socket goes on for others.
 */
static void udp_abort(struct s7_sock *sk, int err)
{
	struct s7_udp_sock *us = udp_sock(sk);

	(void)err;
	us->cork = NULL;
	us->cork_wmem = 0;
	us->hdrs = NULL;
	us->rx_head = us->rx_tail = NULL;
	us->rx_count = us->rx_truesize = 0;
}

static uint32_t udp_inq(struct s7_sock *sk)
{
	const struct s7_pkt *pkt = udp_sock(sk)->rx_head;

	return pkt ? pkt->total : 0;
}

static uint32_t udp_rmem(const struct s7_sock *sk)
{
	return ((const struct s7_udp_sock *)sk)->rx_truesize;
}

static uint32_t udp_outq(struct s7_sock *sk)
{
	return sk->wmem + udp_sock(sk)->cork_wmem;
}

static void udp_icmp_sock(struct s7_sock *sk, const struct s7_icmp_error *e)
{
	uint8_t policy = e->v6 ? sk->ip6.mtu_discover : sk->mtu_discover;
	bool wanted = errq_wanted(sk, e->v6), hard = e->hard;

	if (e->mtu && (e->v6 ? policy >= IPV6_PMTUDISC_INTERFACE : policy == IP_PMTUDISC_DONT))
		return;
	if (e->mtu)
		hard = policy != IP_PMTUDISC_DONT;
	if (!wanted && !(hard && sk->bits & SKB_CONNECTED))
		return;
	if (wanted)
		errq_icmp(sk, e, e->l4 + UDP_LEN);
	sk_error(sk, e->err);
}

/* RFC 1122 4.1.3.3, with Linux's choice of who hears: connected sockets of hard errors, all with
 * IP_RECVERR. */
void udp_icmp(struct s7_inst *inst, const struct s7_flow *quoted, const struct s7_icmp_error *e)
{
	struct s7_flow *flow = flow_find(&inst->flows, IPPROTO_UDP, &quoted->local, quoted->lport,
					 &quoted->remote, quoted->rport);
	struct s7_bind *bind;

	if (flow) {
		udp_icmp_sock(s7_container(flow, struct s7_sock, flow), e);
		return;
	}
	bind = port_find(&inst->ports, IPPROTO_UDP, &quoted->local, quoted->lport, 0, 0);
	if (bind)
		udp_icmp_sock(s7_container(bind, struct s7_sock, bind), e);
}

static const char *udp_state_name(const struct s7_sock *sk)
{
	return sk->bits & SKB_CONNECTED ? "ESTAB" : "UNCONN";
}

/* Whatever changed, the next send looks again (device, IP_MTU_DISCOVER, buffers). */
static void udp_opt_changed(struct s7_sock *sk, int level, int name)
{
	(void)level;
	(void)name;
	udp_sock(sk)->dst_valid = false;
}

static int udp_listen(struct s7_sock *sk, int backlog)
{
	(void)sk;
	(void)backlog;
	return -EOPNOTSUPP;
}

static int udp_accept(struct s7_sock *sk, struct s7_sock **ret_child)
{
	(void)sk;
	(void)ret_child;
	return -EOPNOTSUPP;
}

const struct s7_proto_ops udp_proto_ops = {
	.name = "udp",
	.alloc = udp_alloc,
	.init = udp_init,
	.connect = udp_connect,
	.listen = udp_listen,
	.accept = udp_accept,
	.send = udp_send,
	.recv = udp_recv,
	.poll = udp_poll,
	.shutdown = udp_shutdown,
	.close = udp_close,
	.abort = udp_abort,
	.free = udp_free,
	.inq = udp_inq,
	.outq = udp_outq,
	.rmem = udp_rmem,
	.state_name = udp_state_name,
	.opt_changed = udp_opt_changed,
};
