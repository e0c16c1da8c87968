/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_ip_rare.c - options of levels IPPROTO_IP and IPPROTO_IPV6 that few sockets set: kept in
 * sk->ext
 *
 * IP_TRANSPARENT is a permission: a socket bound to a foreign
 * address is the kernel's, whose rules bring that traffic here; on the stack's side of
 * a wildcard it changes nothing, as in Linux.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/ip/ip4_opts.h"
#include "stack/sock/ext_rows.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3 */
#endif

EXT_BOOL(no_port, EXT_NO_PORT)
EXT_BOOL(origdst, EXT_ORIGDST)
EXT_BOOL(origdst6, EXT_ORIGDST6)
EXT_BOOL(passsec, EXT_PASSSEC)
EXT_BOOL(recvopts, EXT_RECVOPTS)
EXT_BOOL(retopts, EXT_RETOPTS)
EXT_BOOL(transparent, EXT_TRANSPARENT)
EXT_NUMBER(min_ttl, min_ttl)
EXT_NUMBER(min_hops, min_hops)

static int set_fragsize(struct s7_sock *sk, const struct opt_value *value)
{
	return sk->type == SOCK_STREAM ? -EINVAL : sk_ext_bit(sk, EXT_FRAGSIZE, value->num);
}

static int get_fragsize(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk_ext_has(sk, EXT_FRAGSIZE);
	return 0;
}

/* Options of the headers of what is sent. */
static int set_ip_options(struct s7_sock *sk, const struct opt_value *value)
{
	struct ip4_opts_host host = ip4_opts_host(sk->inst, 0);
	struct s7_ip4_opts opts;
	int err;

	host.privileged = sk->inst->env->host->may(HOST_NET_RAW);
	err = ip4_opts_take(&opts, value->bytes, value->len, &host);
	if (err || (!opts.len && !sk->ext))
		return err;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->opts = opts;
	return 0;
}

static int get_ip_options(struct s7_sock *sk, struct opt_value *ret)
{
	struct s7_ip4_opts opts = { .len = 0 };

	if (sk->ext)
		opts = sk->ext->opts;
	ip4_opts_undo(&opts);
	ret->len = opts.len;
	memcpy(ret->bytes, opts.bytes, opts.len);
	return 0;
}

static int set_port_range(struct s7_sock *sk, const struct opt_value *value)
{
	uint16_t lo = (uint16_t)value->num, hi = (uint16_t)((uint32_t)value->num >> 16);

	if (value->len != sizeof(uint32_t) || (lo && hi && lo > hi))
		return -EINVAL;
	if (!value->num && !sk->ext)
		return 0;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->port_lo = lo;
	sk->ext->port_hi = hi;
	return 0;
}

static int get_port_range(struct s7_sock *sk, struct opt_value *ret)
{
	if (sk->ext)
		ret->num = (int)((uint32_t)sk->ext->port_hi << 16 | sk->ext->port_lo);
	return 0;
}

/* The interface is told in network order. */
static int unicast_if(struct s7_sock *sk, const struct opt_value *value, uint8_t *ret_iface)
{
	int ifindex = (int)ntohl((uint32_t)value->num);
	uint32_t i;

	if (value->len != sizeof(int))
		return -EINVAL;
	*ret_iface = 0;
	if (!ifindex)
		return 0;
	for (i = 0; i < sk->inst->iface_count; i++)
		if (sk->inst->iface[i].ifindex == ifindex)
			break;
	if (i == sk->inst->iface_count)
		return OPT_ASK_KERNEL; /* a device of the kernel alone */
	if (sk->bound_iface && sk->bound_iface != i + 1)
		return -EINVAL;
	*ret_iface = (uint8_t)(i + 1);
	return 0;
}

static int set_unicast_if(struct s7_sock *sk, const struct opt_value *value)
{
	uint8_t iface;
	int err = unicast_if(sk, value, &iface);

	if (err || (!iface && !sk->ext))
		return err;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->unicast_if = iface;
	return 0;
}

static int set_unicast_if6(struct s7_sock *sk, const struct opt_value *value)
{
	uint8_t iface;
	int err = unicast_if(sk, value, &iface);

	if (err || (!iface && !sk->ext))
		return err;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->unicast_if6 = iface;
	return 0;
}

static int ifindex_be(const struct s7_sock *sk, uint8_t iface)
{
	return iface ? (int)htonl((uint32_t)sk->inst->iface[iface - 1].ifindex) : 0;
}

static int get_unicast_if(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = ifindex_be(sk, sk->ext ? sk->ext->unicast_if : 0);
	return 0;
}

static int get_unicast_if6(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = ifindex_be(sk, sk->ext ? sk->ext->unicast_if6 : 0);
	return 0;
}

#define ROW4(name_, type_, ...)                                                                    \
	{ .level = IPPROTO_IP, .name = name_, .type = type_, .access = OPT_RW, .on = ON_ANY,       \
	  __VA_ARGS__ }
#define ROW6(name_, type_, ...)                                                                    \
	{ .level = IPPROTO_IPV6, .name = name_, .type = type_, .access = OPT_RW,                   \
	  .on = ON_ANY | ON_V6, __VA_ARGS__ }

static const struct s7_opt ip_opts[] = {
	ROW4(IP_BIND_ADDRESS_NO_PORT, OPT_IP_ZERO, BOTH_WAYS(no_port),
	     .text = "bind to an address leaves the port to connect"),
	ROW4(IP_LOCAL_PORT_RANGE, OPT_INT, BOTH_WAYS(port_range),
	     .text = "which ports are chosen for it"),
	ROW4(IP_MINTTL, OPT_IP_INT, BOTH_WAYS(min_ttl), .min = 0, .max = 255,
	     .text = "segments that came farther are dropped; TCP alone, as in Linux"),
	{ .level = IPPROTO_IP,
	  .name = IP_OPTIONS,
	  .type = OPT_BYTES,
	  .access = OPT_RW | OPT_ASK,
	  .on = ON_ANY,
	  BOTH_WAYS(ip_options),
	  .text = "header options of every packet; of an accepted connection what answers its "
		  "SYN's" },
	ROW4(IP_PASSSEC, OPT_IP_ZERO, BOTH_WAYS(passsec),
	     .text = "security labels: without a security module Linux has none to tell either"),
	ROW4(IP_RECVFRAGSIZE, OPT_IP_ZERO, BOTH_WAYS(fragsize),
	     .text = "the largest fragment that a datagram came in, beside it"),
	ROW4(IP_RECVORIGDSTADDR, OPT_IP_ZERO, BOTH_WAYS(origdst),
	     .text = "destination and port beside each datagram"),
	ROW4(IP_RECVOPTS, OPT_IP_ZERO, BOTH_WAYS(recvopts),
	     .text = "header options beside each datagram"),
	ROW4(IP_RETOPTS, OPT_IP_ZERO, BOTH_WAYS(retopts),
	     .text = "... turned round, fit to be sent back"),
	{ .level = IPPROTO_IP,
	  .name = IP_TRANSPARENT,
	  .type = OPT_IP_INT,
	  .access = OPT_RW | OPT_ASK,
	  .on = ON_ANY,
	  BOTH_WAYS(transparent),
	  .text = "may bind to foreign addresses, where the kernel serves; needs CAP_NET_ADMIN" },
	ROW4(IP_UNICAST_IF, OPT_INT, BOTH_WAYS(unicast_if),
	     .text = "interface by which datagrams leave"),
};

static const struct s7_opt ipv6_opts[] = {
	ROW6(IPV6_MINHOPCOUNT, OPT_INT, BOTH_WAYS(min_hops), .min = 0, .max = 255,
	     .text = "segments that came farther are dropped; TCP alone, as in Linux"),
	ROW6(IPV6_RECVORIGDSTADDR, OPT_BOOL, BOTH_WAYS(origdst6),
	     .text = "destination and port beside each datagram"),
	{ .level = IPPROTO_IPV6, .name = IPV6_TRANSPARENT, .type = OPT_BOOL,
	  .access = OPT_RW | OPT_ASK, .on = ON_ANY | ON_V6, BOTH_WAYS(transparent),
	  .text = "may bind to foreign addresses, where the kernel serves; needs CAP_NET_ADMIN" },
	ROW6(IPV6_UNICAST_IF, OPT_INT, BOTH_WAYS(unicast_if6),
	     .text = "interface by which datagrams leave"),
};

const struct s7_opt_table ip_rare_table = { IPPROTO_IP, ip_opts, S7_ARRAY_LEN(ip_opts) };
const struct s7_opt_table ipv6_rare_table = { IPPROTO_IPV6, ipv6_opts, S7_ARRAY_LEN(ipv6_opts) };
