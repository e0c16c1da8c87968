/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sock.c - the socket calls that are not transfers: life, names, connections, readiness
 *
 * Each takes the instance lock, asks the protocol, sends what that staged, and gives the lock back.
 * A call that would say "not yet" drives the instance once before it says so, because the answer
 * may already lie in the port. Nothing blocks here. Context: no lock held on entry. Callers: shim/.
 */
#include "stack/sock/sock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "stack/core/ext.h"
#include "stack/base/user.h"
#include "stack/ip/ip4_opts.h"
#include "stack/raw/raw.h"
#include "stack/sock/epoll.h"
#include "stack/sock/sock_int.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"

#ifndef ENOIOCTLCMD
#define ENOIOCTLCMD 515
#endif

int sock_enter(struct s7_sock *sk, uint64_t cookie, s7_time now)
{
	struct s7_inst *inst = sk->inst;

	inst_lock(inst, now);
	/* closed by another thread between the table's answer and the lock */
	if (s7_unlikely(!file_is(&sk->file, cookie))) {
		inst_unlock(inst);
		return cookie ? -SOCK_STALE : -EBADF;
	}
	if (s7_unlikely(inst->now - atomic_load_explicit(&inst->last_drive, memory_order_relaxed) >
			SOCK_DRIVE_STALE))
		inst_drive(inst);
	inst->current = sk;
	return 0;
}

bool sock_drive_again(struct s7_sock *sk)
{
	bool some = inst_drive_again(sk->inst);

	sk->inst->current = sk;
	return some;
}

void sock_leave(struct s7_inst *inst)
{
	/* its own change is whole; who dies in the device's send takes no connection along */
	s7_in_order();
	inst->current = NULL;
	s7_in_order();
	inst_flush_call(inst);
	inst_unlock(inst);
}

/* The kernel socket was asked before: the protocol fits the type. */
static enum s7_proto proto_of(int type, int protocol)
{
	if (type == SOCK_STREAM)
		return PROTO_TCP;
	if (type == SOCK_RAW)
		return PROTO_RAW;
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? PROTO_PING : PROTO_UDP;
}

int sock_create(struct s7_inst *inst, int domain, int type, int protocol, s7_time now,
		struct s7_sock **ret_sk)
{
	struct s7_sock *sk;
	int err;

	inst_lock(inst, now);
	err = sk_create(inst, proto_of(type, protocol), domain, &sk);
	if (!err)
		sk->mtu_discover = IP_PMTUDISC_WANT;
	if (!err && type == SOCK_RAW)
		raw_set_number(sk, (uint8_t)protocol);
	inst_unlock(inst);
	if (err)
		return err;
	*ret_sk = sk;
	return 0;
}

void sock_release(struct s7_sock *sk, s7_time now)
{
	sock_release_once(sk, atomic_load(&sk->file.cookie), now);
}

void sock_release_once(struct s7_sock *sk, uint64_t cookie, s7_time now)
{
	struct s7_inst *inst = sk->inst;

	inst_lock(inst, now);
	if (s7_unlikely(atomic_load_explicit(&sk->file.cookie, memory_order_relaxed) != cookie ||
			sk->file.kind != FILE_SOCK)) {
		inst_unlock(inst);
		return;
	}
	inst->current = sk;
	epoll_forget_sock(sk);
	sk_ops(sk)->close(sk);
	sock_leave(inst);
}

/* ---- where a destination lies ---- */

static int route_lookup(struct s7_sock *sk, const struct s7_ip *ip, uint32_t device, s7_time now,
			struct s7_dst *ret_dst, bool *ret_shared)
{
	static const struct s7_ip any;
	const struct s7_ip *src = &any;
	struct s7_inst *inst = sk->inst;
	struct s7_ip to;
	int err;

	inst_lock(inst, now);
	to = s7_unlikely(sk->ext != NULL) ? ip4_opts_first(&sk->ext->opts, ip) : *ip;
	if ((sk->bits & SKB_BOUND || sk_ext_has(sk, EXT_ADDR_ONLY)) && !ip_is_any(&sk->bind.ip) &&
	    !sock_other_family(sk, ip))
		src = &sk->bind.ip;
	err = dst_lookup(inst, &to, src, device, ret_dst);
	*ret_shared = !err && ret_dst->owner == ROUTE_STACK &&
		      ip_kernel_has(inst, &inst->iface[ret_dst->iface], &ret_dst->src);
	inst_unlock(inst);
	return err;
}

int sock_route_owner(struct s7_sock *sk, const struct s7_ip *ip, uint32_t device, s7_time now)
{
	struct s7_dst dst;
	bool shared;
	int err;

	if (device == SOCK_DEVICE_KERNEL)
		return ROUTE_KERNEL;
	err = route_lookup(sk, ip, device, now, &dst, &shared);
	if (!err && dst.owner == ROUTE_STACK && sock_other_family(sk, ip))
		return -EAFNOSUPPORT;
	return err ? err : dst.owner;
}

int sock_route_source(struct s7_sock *sk, const struct s7_ip *ip, s7_time now,
		      struct s7_ip *ret_src, bool *ret_shared)
{
	struct s7_dst dst;
	bool shared;
	int err;

	err = route_lookup(sk, ip, sk->bound_iface, now, &dst, &shared);
	if (err)
		return err;
	*ret_src = dst.src;
	*ret_shared = shared;
	return 0;
}

void sock_set_device(struct s7_sock *sk, uint32_t device, s7_time now)
{
	inst_lock(sk->inst, now);
	sk->bound_iface = device;
	sk->bound_ifindex = device ? (uint32_t)sk->inst->iface[device - 1].ifindex : 0;
	inst_unlock(sk->inst);
}

uint16_t sock_number(const struct s7_sock *sk)
{
	bool ended = sk->proto == PROTO_TCP && tcp_tcb(sk)->state == TCPS_CLOSED;

	return ended && !(sk->bits & SKB_BOUND) ? 0 : sk->flow.lport;
}

/* ---- binding and connections ---- */

int sock_bind(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, s7_time now)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	if (sk->proto == PROTO_RAW)
		raw_bind(sk, ip);
	else
		err = sk_bind(sk, ip, port);
	sock_leave(sk->inst);
	return err;
}

/*
 * SO_REUSEADDR or SO_REUSEPORT on both sides allows it; TIME_WAIT remembers what its socket had.
 */
static bool flow_holds(const struct s7_sock *sk, struct s7_flow *flow, const struct s7_ip *ip,
		       uint16_t port)
{
	const struct s7_sock *other = s7_container(flow, struct s7_sock, flow);

	if (flow->proto != IPPROTO_TCP || flow->lport != port ||
	    (!ip_is_any(ip) && !ip_equal(ip, &flow->local)))
		return false;
	if (flow->kind == FLOW_TCP_TW)
		return !(sk->bits & s7_container(flow, struct s7_tcp_tw, flow)->share);
	if (flow->kind != FLOW_TCP || other == sk || other->bind.linked)
		return false; /* the port table judges: its own binding, or its listener's */
	return !(sk->bits & other->bits & (SKB_REUSEADDR | SKB_REUSEPORT));
}

bool sock_port_held(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, s7_time now)
{
	const struct s7_flow_table *flows = &sk->inst->flows;
	bool held = false;

	if (sk->proto != PROTO_TCP || !flows->count)
		return false;
	inst_lock(sk->inst, now);
	for (uint32_t i = 0; i <= flows->mask && !held; i++)
		for (struct s7_flow *flow = flows->bucket[i]; flow && !held; flow = flow->next)
			held = flow_holds(sk, flow, ip, port);
	inst_unlock(sk->inst);
	return held;
}

bool sock_nobody_at(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, s7_time now)
{
	uint8_t proto = sk->proto == PROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	bool nobody;

	inst_lock(sk->inst, now);
	nobody = ip_is_local(sk->inst, ip) && !port_in_use(&sk->inst->ports, proto, port);
	inst_unlock(sk->inst);
	return nobody;
}

bool sock_peer_at(struct s7_sock *sk, uint16_t port, s7_time now)
{
	const struct s7_flow_table *flows = &sk->inst->flows;
	const struct s7_flow *flow;
	bool found = false;

	inst_lock(sk->inst, now);
	for (uint32_t i = 0; flows->count && i <= flows->mask && !found; i++)
		for (flow = flows->bucket[i]; flow && !found; flow = flow->next)
			found = flow->kind == FLOW_UDP && flow->lport == port;
	inst_unlock(sk->inst);
	return found;
}

int sock_connect_state(struct s7_sock *sk, s7_time now)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	err = sk->proto == PROTO_TCP ? tcp_connect_state(sk) : 1;
	sock_leave(sk->inst);
	return err;
}

bool sock_was_accepted(const struct s7_sock *sk)
{
	return sk->proto == PROTO_TCP && (tcp_tcb(sk)->bits & TCB_ACCEPTED);
}

int sock_connect(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, s7_time now)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	err = sk_ops(sk)->connect(sk, ip, port);
	sock_leave(sk->inst);
	return err;
}

int sock_connect_data(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port,
		      struct s7_msg *msg, s7_time now)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	err = tcp_connect_data(sk, ip, port, msg);
	sock_leave(sk->inst);
	return err;
}

bool sock_is_deferred(const struct s7_sock *sk)
{
	return tcp_is_deferred(sk);
}

void sock_fastopen(struct s7_sock *sk, uint32_t sysctl, const void *keys, uint32_t len,
		   s7_time now)
{
	if (sock_enter(sk, 0, now))
		return;
	sk->inst->params.tcp_fastopen = sysctl;
	tcp_set_fastopen_keys(sk, keys, len);
	sock_leave(sk->inst);
}

int sock_disconnect(struct s7_sock *sk, s7_time now)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	if (sk->proto == PROTO_TCP)
		err = tcp_disconnect(sk);
	else if (sk->proto == PROTO_UDP)
		udp_disconnect(sk);
	else
		raw_disconnect(sk);
	sock_leave(sk->inst);
	return err;
}

int sock_listen(struct s7_sock *sk, int backlog, s7_time now)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	err = sk_ops(sk)->listen ? sk_ops(sk)->listen(sk, backlog) : -EOPNOTSUPP;
	sock_leave(sk->inst);
	return err;
}

int sock_accept(struct s7_sock *sk, s7_time now, struct s7_sock **ret_child)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	if (!sk_ops(sk)->accept) {
		err = -EOPNOTSUPP;
	} else {
		err = sk_ops(sk)->accept(sk, ret_child);
		if (err == -EAGAIN && sock_drive_again(sk))
			err = sk_ops(sk)->accept(sk, ret_child);
	}
	sock_leave(sk->inst);
	return err;
}

int sock_shutdown(struct s7_sock *sk, int how, s7_time now)
{
	int err;

	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	err = sock_enter(sk, 0, now);
	if (err)
		return err;
	err = sk_ops(sk)->shutdown(sk, how);
	sock_leave(sk->inst);
	return err;
}

/* ---- readiness, names, ioctl ---- */

uint32_t sock_poll(struct s7_sock *sk, s7_time now)
{
	uint32_t events;

	if (sock_enter(sk, 0, now))
		return EPOLLERR | EPOLLHUP;
	events = sock_ready_locked(sk);
	sock_leave(sk->inst);
	return events;
}

int sock_getname(struct s7_sock *sk, bool peer, struct sockaddr *addr, socklen_t *len)
{
	struct s7_ip any4 = ip_from_v4(0);
	struct s7_inst *inst = sk->inst;
	uint32_t device, flow;
	struct s7_ip ip;
	uint16_t port;

	if (peer && !(sk->bits & SKB_CONNECTED))
		return -ENOTCONN;
	inst_lock(inst, 0);
	ip = peer ? sk->flow.remote : sk->flow.local;
	port = peer ? sk->flow.rport : sk->flow.lport;
	device = sk->bound_iface;
	if (peer && (!(sk->bits & SKB_CONNECTED) || !port)) {
		inst_unlock(inst);
		return -ENOTCONN;
	}
	/* bound to :: and nothing else known: the program's own wildcard */
	if (!peer && ip_is_any(&ip) && sk->domain == AF_INET6 && !ip_equal(&sk->bind.ip, &any4))
		ip = (struct s7_ip){ .q = { 0, 0 } };
	flow = peer && sk->ip6.bits & SK6_SENDFLOW && sk->ext ? sk->ext->flow_sent : 0;
	inst_unlock(inst);
	return sock_addr_write_flow(sk, &ip, port, device, flow, addr, len);
}

struct ioctl_row {
	unsigned long request;
	int (*get)(struct s7_sock *sk);
};

static int get_inq(struct s7_sock *sk)
{
	return (int)sk_ops(sk)->inq(sk);
}

static int get_outq(struct s7_sock *sk)
{
	return (int)sk_ops(sk)->outq(sk);
}

static int get_atmark(struct s7_sock *sk)
{
	return sk->proto == PROTO_TCP ? tcp_at_mark(sk) : -ENOIOCTLCMD;
}

static int get_outq_unsent(struct s7_sock *sk)
{
	return sk->proto == PROTO_TCP ? (int)tcp_outq_unsent(sk) : -ENOIOCTLCMD;
}

static const struct ioctl_row sock_ioctls[] = {
	{ SIOCINQ, get_inq },	      /* FIONREAD */
	{ SIOCOUTQ, get_outq },	      /* TIOCOUTQ */
	{ SIOCATMARK, get_atmark },
	{ SIOCOUTQNSD, get_outq_unsent },
};

bool sock_is_used(struct s7_sock *sk)
{
	return sock_is_raw(sk) && raw_sock(sk)->bits & RAW_USED;
}

/*
 * SIOCGSTAMP, SIOCGSTAMPNS: when the last packet that the program was given had arrived. What was
 * read before the first question has no time, which is now then. Streams never tell one.
 */
static int get_stamp(struct s7_sock *sk, bool nano, void *arg)
{
	int64_t wall;

	sk->more |= SKM_STAMP_ASKED;
	if (!sk->last_rx || sk->type == SOCK_STREAM)
		return -ENOENT;
	if (sk->last_rx == SK_STAMP_UNKNOWN)
		sk->last_rx = sk->inst->now + (s7_time)sk->inst->env->host->realtime_offset();
	wall = (int64_t)sk->last_rx;
	if (nano) {
		struct timespec ts = { wall / 1000000000, wall % 1000000000 };

		return user_put(arg, &ts, sizeof(ts)) ? 0 : -EFAULT;
	} else {
		struct timeval tv = { wall / 1000000000, wall % 1000000000 / 1000 };

		return user_put(arg, &tv, sizeof(tv)) ? 0 : -EFAULT;
	}
}

static int ioctl_locked(struct s7_sock *sk, unsigned long request, void *arg)
{
	if (sock_asks_stamp(request))
		return get_stamp(sk, request != SIOCGSTAMP_OLD && request != SIOCGSTAMP_NEW, arg);
	for (size_t i = 0; i < S7_ARRAY_LEN(sock_ioctls); i++) {
		int value;

		if (sock_ioctls[i].request != request)
			continue;
		if ((request == SIOCINQ || request == SIOCOUTQ || request == SIOCOUTQNSD) &&
		    (sk->bits & SKB_LISTENING))
			return -EINVAL;
		value = sock_ioctls[i].get(sk);
		if (value < 0)
			return value;
		return user_put(arg, &value, sizeof(value)) ? 0 : -EFAULT;
	}
	return -ENOIOCTLCMD;
}

int sock_ioctl(struct s7_sock *sk, unsigned long request, void *arg, s7_time now)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	err = ioctl_locked(sk, request, arg);
	sock_leave(sk->inst);
	return err;
}
