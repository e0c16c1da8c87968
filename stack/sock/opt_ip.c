/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_ip.c - level IPPROTO_IP, in the order of ip(7)
 *
 * The rows that a socket of either family has: an AF_INET6 socket obeys them for IPv4 peers.
 * Multicast membership, error queue and what few sockets set are in tables of their own.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/ip/ip.h"
#include "stack/sock/sock_int.h"

/* Linux 6.4; the headers of Debian 12 are older. */
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif

#define DEFAULT_TTL 64
#define ECN_MASK 3

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

static int get_ip_protocol(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sock_number(sk);
	return 0;
}

static int set_mtu_discover(struct s7_sock *sk, const struct opt_value *value)
{
	sk->mtu_discover = (uint8_t)value->num;
	return 0;
}

static int get_mtu_discover(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->mtu_discover;
	return 0;
}

/* The priority that Linux gives to a type of service (its bits 1 to 4). */
static uint32_t tos_priority(uint8_t tos)
{
	/* best effort, bulk, interactive, both */
	static const uint8_t priority[4] = { 0, 2, 6, 4 };

	return priority[tos >> 3 & 3];
}

/* A stream's ECN bits are TCP's own. */
static int set_tos(struct s7_sock *sk, const struct opt_value *value)
{
	uint8_t tos = (uint8_t)value->num;

	if (sk->type == SOCK_STREAM)
		tos = (uint8_t)((tos & ~ECN_MASK) | (sk->tos & ECN_MASK));
	if (tos != sk->tos)
		sk->priority = tos_priority(tos);
	sk->tos = tos;
	return 0;
}

static int get_tos(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->tos;
	return 0;
}

static int set_ttl(struct s7_sock *sk, const struct opt_value *value)
{
	if (value->num != -1 && (value->num < 1 || value->num > 255))
		return -EINVAL;
	sk->ttl = value->num == -1 ? 0 : (uint8_t)value->num;
	return 0;
}

static int get_ttl(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->ttl ? sk->ttl : DEFAULT_TTL;
	return 0;
}

static int set_mcast_ttl(struct s7_sock *sk, const struct opt_value *value)
{
	if (value->num < -1 || value->num > 255)
		return -EINVAL;
	sk->mcast_ttl = value->num == -1 ? 1 : (uint8_t)value->num;
	return 0;
}

static int get_mcast_ttl(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->mcast_ttl;
	return 0;
}

#define ROW(name_, type_, access_, ...) \
	{ .level = IPPROTO_IP, .name = name_, .type = type_, .access = access_, \
	  .on = ON_ANY, __VA_ARGS__ }
#define BOOL_ROW(name_, bit_, text_) ROW(name_, OPT_IP_ZERO, OPT_RW, .bit = bit_, .text = text_)

static const struct s7_opt ip7_opts[] = {
	ROW(IP_CHECKSUM, OPT_IP_ZERO, OPT_RW, .bit = SKM_IP_CHECKSUM,
	    .bits_at = offsetof(struct s7_sock, more),
	    .text = "as in Linux for packets whose device gives no whole sum: nothing is told"),
	ROW(IP_FREEBIND, OPT_IP_INT, OPT_RW, .bit = SKB_FREEBIND,
	    .text = "bind to an address that is not there"),
	ROW(IP_MTU, OPT_IP_INT, OPT_RD, .get = get_mtu, .text = "path MTU of the connection"),
	ROW(IP_MTU_DISCOVER, OPT_IP_ZERO, OPT_RW, .set = set_mtu_discover, .get = get_mtu_discover,
	    .min = 0, .max = 5, .text = "don't-fragment policy"),
	{ .level = IPPROTO_IP,
	  .name = IP_MULTICAST_TTL,
	  .type = OPT_IP_INT,
	  .access = OPT_RW | OPT_ASK,
	  .on = ON_ANY,
	  .set = set_mcast_ttl,
	  .get = get_mcast_ttl,
	  .text = "TTL of multicast datagrams; a connection shows what its peer's packets had" },
	ROW(IP_PROTOCOL, OPT_IP_INT, OPT_RD, .get = get_ip_protocol,
	    .text = "what Linux keeps of a socket's number: the local port"),
	BOOL_ROW(IP_PKTINFO, SKB_PKTINFO, "destination and interface beside each datagram"),
	BOOL_ROW(IP_RECVTOS, SKB_RECVTOS, "TOS beside each datagram"),
	BOOL_ROW(IP_RECVTTL, SKB_RECVTTL, "TTL beside each datagram"),
	ROW(IP_TOS, OPT_IP_ZERO, OPT_RW, .set = set_tos, .get = get_tos,
	    .text = "type of service byte"),
	ROW(IP_TTL, OPT_IP_INT, OPT_RW, .set = set_ttl, .get = get_ttl,
	    .text = "time to live, -1: default"),
};

const struct s7_opt_table ip7_table = { IPPROTO_IP, ip7_opts, S7_ARRAY_LEN(ip7_opts) };
