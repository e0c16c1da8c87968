/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_ipv6.c - level IPPROTO_IPV6, in the order of ipv6(7)
 *
 * What an AF_INET6 socket needs to be a server. Multicast, extension headers and the error queue
 * have no row: the kernel socket is asked.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/sock/sock_int.h"

/* The wildcard's meaning cannot change under a bound port. */
static int set_v6only(struct s7_sock *sk, const struct opt_value *value)
{
	if (sk->bits & SKB_BOUND)
		return -EINVAL;
	sk->bits = value->num ? sk->bits | SKB_V6ONLY : sk->bits & ~(uint32_t)SKB_V6ONLY;
	return 0;
}

static int set_hops(struct s7_sock *sk, const struct opt_value *value)
{
	sk->ip6.hops = (int16_t)value->num;
	return 0;
}

static int get_hops(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->ip6.hops < 0 ? SK_DEFAULT_TTL : sk->ip6.hops;
	return 0;
}

static int set_tclass(struct s7_sock *sk, const struct opt_value *value)
{
	sk->ip6.tclass = value->num == -1 ? 0 : (uint8_t)value->num;
	return 0;
}

static int get_tclass(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->ip6.tclass;
	return 0;
}

#define ROW(name_, type_, ...)                                                                     \
	{ .level = IPPROTO_IPV6, .name = name_, .type = type_, .access = OPT_RW,                   \
	  .on = ON_ANY | ON_V6, __VA_ARGS__ }

static const struct s7_opt ipv6_7_opts[] = {
	ROW(IPV6_RECVHOPLIMIT, OPT_BOOL, .bit = SKB_RECVTTL,
	    .text = "hop limit beside each datagram"),
	ROW(IPV6_RECVPKTINFO, OPT_BOOL, .bit = SKB_PKTINFO6,
	    .text = "destination and interface beside each datagram"),
	ROW(IPV6_RECVTCLASS, OPT_BOOL, .bit = SKB_RECVTOS,
	    .text = "traffic class beside each datagram"),
	ROW(IPV6_TCLASS, OPT_INT, .set = set_tclass, .get = get_tclass, .min = -1, .max = 255,
	    .text = "traffic class, -1: default"),
	ROW(IPV6_UNICAST_HOPS, OPT_INT, .set = set_hops, .get = get_hops, .min = -1, .max = 255,
	    .text = "hop limit, -1: default"),
	ROW(IPV6_V6ONLY, OPT_BOOL, .set = set_v6only, .bit = SKB_V6ONLY,
	    .text = "no IPv4 by this socket"),
};

const struct s7_opt_table ipv6_7_table = { IPPROTO_IPV6, ipv6_7_opts, S7_ARRAY_LEN(ipv6_7_opts) };
