/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw_proto.c - the life of raw and ping sockets, and their rows in the table of protocols
 *
 * A raw socket hears from its first moment and is in no table but the list; its "port" is its
 * protocol. A ping socket hears once it has an identifier, its port, by which the port table finds
 * it. Neither owns a port on a shared netdev: the kernel goes on receiving ICMP.
 * Context: instance lock. Called through raw_proto_ops, ping_proto_ops by sk.c and stack/sock.
 */
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/ip/group.h"
#include "stack/raw/raw.h"

int raw_inst_init(struct s7_inst *inst)
{
	inst->raw = arena_take(inst->arena, sizeof(*inst->raw), S7_CACHELINE);
	if (!inst->raw)
		return -ENOMEM;
	list_init(&inst->raw->socks);
	return slab_init(&inst->raw->slab, inst->arena, sizeof(struct s7_raw_sock),
			 inst->params.max_sockets);
}

static struct s7_sock *raw_alloc(struct s7_inst *inst)
{
	return sk_alloc(inst, &inst->raw->slab);
}

static struct s7_ip any_of(const struct s7_sock *sk)
{
	return sk->domain == AF_INET ? ip_from_v4(0) : (struct s7_ip){ 0 };
}

static int raw_init(struct s7_sock *sk)
{
	sk->flow.kind = FLOW_RAW;
	sk->flow.local = sk->flow.remote = sk->bind.ip = any_of(sk);
	sk->bits |= SKB_REUSEADDR; /* from the beginning, as in Linux */
	list_add_tail(&sk->inst->raw->socks, &sk->owner_list);
	sk->inst->raw_count++;
	return 0;
}

static int ping_init(struct s7_sock *sk)
{
	uint8_t num = sk->domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	raw_sock(sk)->num = num;
	sk->protocol = sk->flow.proto = sk->bind.proto = num;
	return raw_init(sk);
}

static void raw_free(struct s7_sock *sk)
{
	sk->inst->raw_count--;
	slab_free(&sk->inst->raw->slab, raw_sock(sk));
}

void raw_set_number(struct s7_sock *sk, uint8_t num)
{
	struct s7_raw_sock *rs = raw_sock(sk);

	rs->num = num;
	sk->protocol = sk->flow.proto = sk->bind.proto = num;
	sk->flow.lport = num;
	sk->bits |= SKB_BOUND;
	if (num == IPPROTO_RAW)
		rs->bits |= RAW_HDRINCL;
	if (sk->domain != AF_INET6 || (num != IPPROTO_ICMPV6 && num != IPPROTO_MH))
		return;
	rs->bits |= RAW_CHECKSUM;
	rs->sum_at = num == IPPROTO_MH ? 4 : 2;
}

void raw_bind(struct s7_sock *sk, const struct s7_ip *ip)
{
	sk->flow.local = sk->bind.ip = *ip;
	if (ip_is_any(ip))
		sk->bits &= ~(uint32_t)SKB_BOUND_ADDR;
	else
		sk->bits |= SKB_BOUND_ADDR;
	raw_sock(sk)->dg.dst_valid = false;
}

static int raw_connect(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port)
{
	struct s7_udp_sock *us = &raw_sock(sk)->dg;
	struct s7_ip src = sk->bits & SKB_BOUND_ADDR ? sk->bind.ip : any_of(sk);
	struct s7_ip first = hdrs6_first(sk->ext ? sk->ext->hdrs6 : NULL, ip);
	uint32_t device = sk->bound_iface;
	struct s7_dst dst;
	int err;

	udp_group_way(sk, ip, &device, &src);
	if (ip_is_broadcast(sk->inst, &src))
		src = any_of(sk);
	err = dst_lookup(sk->inst, &first, &src, device, &dst);
	if (err)
		return err;
	if (dst.owner != ROUTE_STACK)
		return -ENETUNREACH;
	dst_prefer_source(sk->inst, &dst, sk->ext ? sk->ext->source_prefs : 0);
	if (ip_is_broadcast(sk->inst, &dst.dst) && !(sk->bits & SKB_BROADCAST))
		return -EACCES;
	sk->flow.remote = ip_equal(&first, ip) ? dst.dst : *ip;
	sk->flow.rport = port;
	sk->flow.iface = dst.iface;
	if (!(sk->bits & SKB_BOUND_ADDR))
		sk->flow.local = dst.src;
	us->dst_valid = false;
	sk->bits |= SKB_CONNECTED;
	return 0;
}

/* As __udp_disconnect: what bind() did not lock is given up, and with it the place in the table. */
void raw_disconnect(struct s7_sock *sk)
{
	struct s7_raw_sock *rs = raw_sock(sk);

	rs->dg.dst_valid = false;
	sk->bits &= ~(uint32_t)SKB_CONNECTED;
	sk->flow.remote = any_of(sk);
	sk->flow.rport = 0;
	if (sk->proto == PROTO_RAW) {
		sk->flow.local = sk->bind.ip = any_of(sk);
		sk->flow.lport = 0;
		sk->bits &= ~(uint32_t)SKB_BOUND_ADDR;
		rs->bits |= RAW_DEAF;
		return;
	}
	sk->flow.local = sk->bits & SKB_BOUND_ADDR ? sk->bind.ip : any_of(sk);
	if (sk->bits & SKB_BOUND_PORT)
		return;
	sk_unbind(sk);
	sk->flow.lport = 0;
}

static void raw_close(struct s7_sock *sk)
{
	struct s7_raw_sock *rs = raw_sock(sk);

	group_leave_all(sk);
	udp_cork_drop(&rs->dg);
	udp_purge(&rs->dg);
	sk_free(sk);
}

static uint32_t raw_outq(struct s7_sock *sk)
{
	return sk->wmem + raw_sock(sk)->dg.cork_wmem;
}

static const char *raw_state_name(const struct s7_sock *sk)
{
	return sk->bits & SKB_CONNECTED ? "ESTAB" : "UNCONN";
}

static uint32_t raw_poll(struct s7_sock *sk)
{
	return udp_proto_ops.poll(sk);
}

static int raw_shutdown(struct s7_sock *sk, int how)
{
	return udp_proto_ops.shutdown(sk, how);
}

static int raw_listen(struct s7_sock *sk, int backlog)
{
	(void)sk;
	(void)backlog;
	return -EOPNOTSUPP;
}

static int raw_accept(struct s7_sock *sk, struct s7_sock **ret_child)
{
	(void)sk;
	(void)ret_child;
	return -EOPNOTSUPP;
}

static void raw_abort(struct s7_sock *sk, int err)
{
	udp_proto_ops.abort(sk, err);
}

static uint32_t raw_inq(struct s7_sock *sk)
{
	return udp_proto_ops.inq(sk);
}

static uint32_t raw_rmem(const struct s7_sock *sk)
{
	return udp_proto_ops.rmem(sk);
}

static void raw_opt_changed(struct s7_sock *sk, int level, int name)
{
	udp_proto_ops.opt_changed(sk, level, name);
}

#define SHARED_OPS                                                                                 \
	.alloc = raw_alloc, .connect = raw_connect, .listen = raw_listen, .accept = raw_accept,    \
	 .poll = raw_poll, .shutdown = raw_shutdown, .close = raw_close,          \
	.abort = raw_abort, .free = raw_free, .inq = raw_inq, .outq = raw_outq, .rmem = raw_rmem,  \
	.state_name = raw_state_name, .opt_changed = raw_opt_changed

const struct s7_proto_ops raw_proto_ops = {
	.name = "raw", .init = raw_init, .send = raw_send, .recv = raw_recv, SHARED_OPS,
};

const struct s7_proto_ops ping_proto_ops = {
	.name = "ping", .init = ping_init, .send = ping_send, .recv = ping_recv, SHARED_OPS,
};
