/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_ipv6.c - level IPPROTO_IPV6, in the order of ipv6(7)
 *
 * What counts towards IPv6 peers, and what recvmsg tells of their packets; the IPv4 peers of an
 * AF_INET6 socket have level IPPROTO_IP. Extension headers and flows are in opt_ipv6_hdr.c.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/ip/ip.h"
#include "stack/sock/sock_int.h"
#include "stack/tcp/tcp.h"

#define ECN_MASK 3
#define MTU_LEAST 1280 /* RFC 8200 5 */

static bool is_established(const struct s7_sock *sk)
{
	if (sk->proto == PROTO_TCP)
		return tcp_tcb(sk)->state == TCPS_ESTABLISHED;
	return sk->bits & SKB_CONNECTED;
}

/* An AF_INET6 socket that talks to an IPv4 peer becomes one of AF_INET. */
static int set_addrform(struct s7_sock *sk, const struct opt_value *value)
{
	if (value->num != AF_INET)
		return -EINVAL;
	if (!is_established(sk))
		return -ENOTCONN;
	if ((sk->bits & SKB_V6ONLY) || !ip_is_v4(&sk->flow.remote))
		return -EADDRNOTAVAIL;
	sk->domain = AF_INET;
	return 0;
}

static int get_addrform(struct s7_sock *sk, struct opt_value *ret)
{
	if (!is_established(sk))
		return -ENOTCONN;
	ret->num = sk->domain;
	return 0;
}

/* 0: the path's again */
static int set_mtu(struct s7_sock *sk, const struct opt_value *value)
{
	if (value->num && value->num < MTU_LEAST)
		return -EINVAL;
	sk->ip6.frag_size = (uint32_t)value->num;
	return 0;
}

static int get_mtu(struct s7_sock *sk, struct opt_value *ret)
{
	struct s7_dst dst;

	/* a connection that ended still has its route */
	if (!(sk->bits & SKB_CONNECTED) && !sk->flow.rport)
		return -ENOTCONN;
	if (dst_lookup(sk->inst, &sk->flow.remote, &sk->flow.local, sk->bound_iface, &dst))
		return -ENOTCONN;
	ret->num = (int)(dst.is_v4 ? s7_min(dst.mtu, UINT16_MAX) : dst.mtu);
	return 0;
}

/* The path MTU in the form of RFC 3542 11.4; the address is left zero, as by Linux. */
static int get_path_mtu(struct s7_sock *sk, struct opt_value *ret)
{
	struct ip6_mtuinfo info = { .ip6m_mtu = 0 };
	struct opt_value mtu;
	int err;

	if (ret->len < sizeof(info)) /* a negative length is a great one, as to Linux */
		return -EINVAL;
	err = get_mtu(sk, &mtu);
	if (err)
		return err;
	info.ip6m_mtu = (uint32_t)mtu.num;
	ret->len = sizeof(info);
	memcpy(ret->bytes, &info, sizeof(info));
	return 0;
}

static int set_mtu_discover(struct s7_sock *sk, const struct opt_value *value)
{
	sk->ip6.mtu_discover = (uint8_t)value->num;
	return 0;
}

static int get_mtu_discover(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->ip6.mtu_discover;
	return 0;
}

/*
 * The interface of the datagrams that do not name one; cannot be read. The address beside it is
 * kept by Linux and never used. By an interface that is none of ours nothing can be reached from
 * here, as by one that does not exist.
 */
static int set_pktinfo(struct s7_sock *sk, const struct opt_value *value)
{
	struct in6_pktinfo info;
	uint32_t device = 0;

	if (value->len < sizeof(info))
		return -EINVAL;
	memcpy(&info, value->bytes, sizeof(info));
	if (info.ipi6_ifindex) {
		device = sock_device_of(sk->inst, info.ipi6_ifindex);
		if (device == SOCK_DEVICE_KERNEL && sk->file.side == SIDE_OPEN)
			return OPT_ASK_KERNEL;
		if (device == SOCK_DEVICE_KERNEL)
			device = S7_IFACES_MAX + 1; /* none of the stack's: no datagram leaves */
	}
	if (sk->bound_iface && sk->bound_iface != device)
		return -EINVAL;
	sk->ip6.src_iface = device;
	return 0;
}

/* A stream's ECN bits are TCP's own. */
static int set_tclass(struct s7_sock *sk, const struct opt_value *value)
{
	uint8_t tclass = value->num == -1 ? 0 : (uint8_t)value->num;

	if (sk->type == SOCK_STREAM)
		tclass = (uint8_t)((tclass & ~ECN_MASK) | (sk->ip6.tclass & ECN_MASK));
	sk->ip6.tclass = tclass;
	return 0;
}

static int get_tclass(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->ip6.tclass;
	return 0;
}

static int set_hops(struct s7_sock *sk, const struct opt_value *value)
{
	sk->ip6.hops = (int16_t)value->num;
	return 0;
}

static int get_hops(struct s7_sock *sk, struct opt_value *ret)
{
	struct s7_dst dst;
	uint8_t of_way = 0;

	if (sk->ip6.hops < 0 && sk->bits & SKB_CONNECTED && !ip_is_v4(&sk->flow.remote) &&
	    !dst_lookup(sk->inst, &sk->flow.remote, &sk->flow.local, sk->bound_iface, &dst))
		of_way = dst_hop_limit(&dst);
	ret->num = sk_ttl(sk, false, of_way);
	return 0;
}

/* The wildcard's meaning cannot change under a bound port. */
static int set_v6only(struct s7_sock *sk, const struct opt_value *value)
{
	if (sock_number(sk))
		return -EINVAL;
	sk->bits = value->num ? sk->bits | SKB_V6ONLY : sk->bits & ~(uint32_t)SKB_V6ONLY;
	return 0;
}

#define ROW(name_, type_, ...)                                                                     \
	{ .level = IPPROTO_IPV6, .name = name_, .type = type_, .access = OPT_RW,                   \
	  .on = ON_ANY | ON_V6, __VA_ARGS__ }
#define BIT6(bit_) .bit = bit_, .bits_at = offsetof(struct s7_sock, ip6.bits)

static const struct s7_opt ipv6_7_opts[] = {
	ROW(IPV6_2292HOPLIMIT, OPT_BOOL, BIT6(SK6_2292HOPLIMIT),
	    .text = "hop limit beside each datagram, as RFC 2292 has it"),
	ROW(IPV6_2292PKTINFO, OPT_BOOL, BIT6(SK6_2292PKTINFO),
	    .text = "destination and interface beside each datagram, as RFC 2292 has it"),
	ROW(IPV6_ADDRFORM, OPT_INT, .set = set_addrform, .get = get_addrform,
	    .text = "AF_INET makes the socket of an IPv4 connection one of that family"),
	ROW(IPV6_AUTOFLOWLABEL, OPT_BOOL_ZERO, BIT6(SK6_AUTOFLOWLABEL),
	    .text = "flow labels made of the flow's hash"),
	ROW(IPV6_DONTFRAG, OPT_BOOL_ZERO, .bit = SKB_DONTFRAG6,
	    .text = "a datagram beyond the path MTU is refused, not cut"),
	ROW(IPV6_FREEBIND, OPT_BOOL, .bit = SKB_FREEBIND,
	    .text = "bind to an address that is not there"),
	ROW(IPV6_MTU, OPT_INT, .set = set_mtu, .get = get_mtu,
	    .text = "get: path MTU of the connection; set: the size of fragments"),
	ROW(IPV6_MTU_DISCOVER, OPT_INT, .set = set_mtu_discover, .get = get_mtu_discover,
	    .min = 0, .max = 5, .text = "don't-fragment policy"),
	{ .level = IPPROTO_IPV6, .name = IPV6_PATHMTU, .type = OPT_BYTES, .access = OPT_RD,
	  .on = ON_ANY | ON_V6, .get = get_path_mtu,
	  .text = "path MTU of the connection as RFC 3542 has it" },
	{ .level = IPPROTO_IPV6, .name = IPV6_PKTINFO, .type = OPT_BYTES, .access = OPT_WR,
	  .on = ON_ANY | ON_V6, .set = set_pktinfo,
	  .text = "the interface by which datagrams leave" },
	ROW(IPV6_RECVHOPLIMIT, OPT_BOOL, BIT6(SK6_RECVHOPLIMIT),
	    .text = "hop limit beside each datagram"),
	ROW(IPV6_RECVPKTINFO, OPT_BOOL, BIT6(SK6_RECVPKTINFO),
	    .text = "destination and interface beside each datagram"),
	ROW(IPV6_RECVTCLASS, OPT_BOOL, BIT6(SK6_RECVTCLASS),
	    .text = "traffic class beside each datagram"),
	ROW(IPV6_TCLASS, OPT_INT, .set = set_tclass, .get = get_tclass, .min = -1, .max = 255,
	    .text = "traffic class, -1: default"),
	ROW(IPV6_UNICAST_HOPS, OPT_INT, .set = set_hops, .get = get_hops, .min = -1, .max = 255,
	    .text = "hop limit, -1: default"),
	ROW(IPV6_V6ONLY, OPT_BOOL, .set = set_v6only, .bit = SKB_V6ONLY,
	    .text = "no IPv4 by this socket"),
};

const struct s7_opt_table ipv6_7_table = { IPPROTO_IPV6, ipv6_7_opts, S7_ARRAY_LEN(ipv6_7_opts) };
