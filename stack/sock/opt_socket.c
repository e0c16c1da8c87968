/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_socket.c - level SOL_SOCKET, in the order of socket(7)
 *
 * Numbers come out as Linux's: buffer sizes are doubled and have its minima, time-outs refuse
 * microseconds out of range with EDOM. What is missing here (filters are opt_filter.c's) the
 * kernel socket is asked for.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>

#include "stack/sock/sock_int.h"
#include "stack/tcp/tcp.h"

#define SOCK_MIN_RCVBUF 2304
#define SOCK_MIN_SNDBUF 4608

static int get_acceptconn(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = !!(sk->bits & SKB_LISTENING);
	return 0;
}

/* Who is bound to a device already needs a privilege to change that. */
static bool device_is_fixed(const struct s7_sock *sk)
{
	return sk->bound_ifindex && !sk->inst->env->host->may(HOST_NET_RAW);
}

static int set_device(struct s7_sock *sk, const struct opt_value *value)
{
	char name[IFNAMSIZ] = { 0 };
	uint32_t i, bound = 0;

	memcpy(name, value->bytes, s7_min(value->len, IFNAMSIZ - 1));
	if (name[0]) {
		for (i = 0; i < sk->inst->iface_count; i++)
			if (!strcmp(sk->inst->iface[i].name, name))
				break;
		if (i == sk->inst->iface_count)
			/* a device of the kernel alone: then so is the socket */
			return OPT_ASK_KERNEL;
		bound = i + 1;
	}
	if (device_is_fixed(sk))
		return -EPERM;
	sk->bound_iface = bound;
	sk->bind.iface = bound;
	if (sk->bind.linked)
		port_moved(&sk->inst->ports);
	sk->bound_ifindex = bound ? (uint32_t)sk->inst->iface[bound - 1].ifindex : 0;
	return 0;
}

/* An index that no interface of the stack has, whatever the kernel has under it: no packet fits. */
#define NO_IFACE (S7_IFACES_MAX + 1)

static int set_ifindex(struct s7_sock *sk, const struct opt_value *value)
{
	uint32_t i;

	if (device_is_fixed(sk))
		return -EPERM;
	if (value->num < 0)
		return -EINVAL;
	for (i = 0; i < sk->inst->iface_count; i++)
		if (sk->inst->iface[i].ifindex == value->num)
			break;
	if (i == sk->inst->iface_count && value->num && sk->file.side == SIDE_OPEN)
		return OPT_ASK_KERNEL;
	sk->bound_iface = !value->num ? 0 : i < sk->inst->iface_count ? i + 1 : NO_IFACE;
	sk->bind.iface = sk->bound_iface;
	if (sk->bind.linked)
		port_moved(&sk->inst->ports);
	sk->bound_ifindex = (uint32_t)value->num;
	return 0;
}

static int get_device(struct s7_sock *sk, struct opt_value *ret)
{
	const char *name;

	if (!sk->bound_iface) {
		ret->len = 0;
		return 0;
	}
	if (sk->bound_iface == NO_IFACE)
		return -ENODEV;
	if (ret->len < IFNAMSIZ)
		return -EINVAL;
	name = sk->inst->iface[sk->bound_iface - 1].name;
	ret->len = (socklen_t)strlen(name) + 1;
	memcpy(ret->bytes, name, ret->len);
	return 0;
}

static int get_cookie(struct s7_sock *sk, struct opt_value *ret)
{
	uint64_t cookie = atomic_load(&sk->file.cookie);

	if (ret->len < sizeof(cookie))
		return -EINVAL;
	memcpy(ret->bytes, &cookie, sizeof(cookie));
	ret->len = sizeof(cookie);
	return 0;
}

static int get_peername(struct s7_sock *sk, struct opt_value *ret)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (!sk->flow.rport) /* also of a connection that ended */
		return -ENOTCONN;
	sock_addr_write(sk, &sk->flow.remote, sk->flow.rport, sk->bound_iface,
			(struct sockaddr *)&addr, &len);
	if (ret->len > len)
		return -EINVAL;
	memcpy(ret->bytes, &addr, ret->len);
	return 0;
}

static int get_domain(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->domain;
	return 0;
}

static int take_error(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = -sk_take_error(sk);
	if (!ret->num && sk->proto == PROTO_TCP)
		ret->num = tcp_take_soft_error(sk);
	return 0;
}

static int set_keepalive(struct s7_sock *sk, const struct opt_value *value)
{
	sk->bits = value->num ? sk->bits | SKB_KEEPALIVE : sk->bits & ~(uint32_t)SKB_KEEPALIVE;
	if (sk->proto == PROTO_TCP)
		tcp_keepalive_changed(sk);
	return 0;
}

static int set_linger(struct s7_sock *sk, const struct opt_value *value)
{
	if (!value->linger.l_onoff) {
		sk->bits &= ~(uint32_t)SKB_LINGER;
		return 0;
	}
	sk->bits |= SKB_LINGER;
	sk->linger_s = value->linger.l_linger; /* negative: without end */
	return 0;
}

static int get_linger(struct s7_sock *sk, struct opt_value *ret)
{
	ret->linger.l_onoff = !!(sk->bits & SKB_LINGER);
	ret->linger.l_linger = sk->linger_s;
	/* Linux: as many seconds as the longest time has ticks, cut to an int */
	if (sk->linger_s < 0)
		ret->linger.l_linger =
			(int)((uint64_t)INT64_MAX / (1000000 / sock_tick_us(sk)));
	return 0;
}

static int get_protocol(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->protocol;
	return 0;
}

/* `value` as Linux keeps it: doubled for its own overhead, never under the minimum. */
static uint32_t buffer_bytes(uint32_t value, uint32_t min)
{
	return (uint32_t)s7_max(s7_min(value, INT_MAX / 2) * 2, min);
}

static int apply_rcvbuf(struct s7_sock *sk, const struct opt_value *value)
{
	sk->rcvbuf = buffer_bytes((uint32_t)s7_min((uint32_t)value->num, sk->inst->params.rmem_max),
				  SOCK_MIN_RCVBUF);
	sk->bits |= SKB_RCVBUF_LOCK;
	return 0;
}

static int force_rcvbuf(struct s7_sock *sk, const struct opt_value *value)
{
	sk->rcvbuf = buffer_bytes(value->num < 0 ? 0 : (uint32_t)value->num, SOCK_MIN_RCVBUF);
	sk->bits |= SKB_RCVBUF_LOCK;
	return 0;
}

static int apply_sndbuf(struct s7_sock *sk, const struct opt_value *value)
{
	sk->sndbuf = buffer_bytes((uint32_t)s7_min((uint32_t)value->num, sk->inst->params.wmem_max),
				  SOCK_MIN_SNDBUF);
	sk->bits |= SKB_SNDBUF_LOCK;
	/* room may have come */
	sk_event(sk, sk_ops(sk)->poll(sk) & EPOLLOUT);
	return 0;
}

static int force_sndbuf(struct s7_sock *sk, const struct opt_value *value)
{
	sk->sndbuf = buffer_bytes(value->num < 0 ? 0 : (uint32_t)value->num, SOCK_MIN_SNDBUF);
	sk->bits |= SKB_SNDBUF_LOCK;
	sk_event(sk, sk_ops(sk)->poll(sk) & EPOLLOUT);
	return 0;
}

static int set_rcvlowat(struct s7_sock *sk, const struct opt_value *value)
{
	uint32_t low = value->num < 0 ? INT_MAX : (uint32_t)value->num, room = sk->rcvbuf;

	if (sk->proto == PROTO_TCP && !(sk->bits & SKB_RCVBUF_LOCK))
		room = tcp_iface(tcp_sk(sk))->rmem[2];
	if (sk->proto == PROTO_TCP)
		low = (uint32_t)s7_min(low, room / 2);
	sk->rcvlowat = low ? low : 1;
	if (sk->proto == PROTO_TCP)
		tcp_rcvlowat_changed(sk);
	sk_event(sk, sk_ops(sk)->poll(sk) & EPOLLIN);
	return 0;
}

static int get_sndlowat(struct s7_sock *sk, struct opt_value *ret)
{
	(void)sk;
	ret->num = 1;
	return 0;
}

/*
 * 0: no limit. A negative number of seconds is a time-out that is over at once, as in Linux, where
 * time is counted in ticks: what is between two of them becomes the later.
 */
static int timeo_read(const struct s7_sock *sk, const struct timeval *tv, s7_time *ret_timeo)
{
	uint32_t tick_us = sock_tick_us(sk);

	if (tv->tv_usec < 0 || tv->tv_usec >= 1000000)
		return -EDOM;
	if (tv->tv_sec < 0)
		*ret_timeo = 1;
	else if ((uint64_t)tv->tv_sec >= S7_NEVER / S7_SEC / 2)
		*ret_timeo = 0;
	else
		*ret_timeo = (s7_time)tv->tv_sec * S7_SEC +
			     ((s7_time)tv->tv_usec + tick_us - 1) / tick_us * tick_us * S7_US;
	return 0;
}

static int set_rcvtimeo(struct s7_sock *sk, const struct opt_value *value)
{
	return timeo_read(sk, &value->time, &sk->rcvtimeo);
}

static int set_sndtimeo(struct s7_sock *sk, const struct opt_value *value)
{
	return timeo_read(sk, &value->time, &sk->sndtimeo);
}

static void timeo_write(s7_time timeo, struct timeval *tv)
{
	tv->tv_sec = (time_t)(timeo / S7_SEC);
	tv->tv_usec = (suseconds_t)(timeo % S7_SEC / S7_US);
}

static int get_rcvtimeo(struct s7_sock *sk, struct opt_value *ret)
{
	timeo_write(sk->rcvtimeo, &ret->time);
	return 0;
}

static int get_sndtimeo(struct s7_sock *sk, struct opt_value *ret)
{
	timeo_write(sk->sndtimeo, &ret->time);
	return 0;
}

/* The entry in the port table has its own copy: later binds are judged by it. */
static int set_reuseaddr(struct s7_sock *sk, const struct opt_value *value)
{
	sk->bits = value->num ? sk->bits | SKB_REUSEADDR : sk->bits & ~(uint32_t)SKB_REUSEADDR;
	sk->bind.reuseaddr = value->num;
	port_changed(&sk->inst->ports, &sk->bind);
	return 0;
}

static int set_reuseport(struct s7_sock *sk, const struct opt_value *value)
{
	sk->bits = value->num ? sk->bits | SKB_REUSEPORT : sk->bits & ~(uint32_t)SKB_REUSEPORT;
	sk->bind.reuseport = value->num;
	port_changed(&sk->inst->ports, &sk->bind);
	return 0;
}

/* SO_TIMESTAMP and SO_TIMESTAMPNS exclude each other: the later wins, 0 on either ends both. */
static int set_stamp(struct s7_sock *sk, uint32_t bit, bool is_new, bool on)
{
	sk->bits &= ~(uint32_t)(SKB_TIMESTAMP | SKB_TIMESTAMPNS);
	if (!on)
		return 0;
	sk->bits |= bit;
	sk->more |= SKM_STAMP_ASKED;
	sk->more = is_new ? sk->more | SKM_STAMP_NEW : sk->more & ~(uint32_t)SKM_STAMP_NEW;
	return 0;
}

#define STAMP(what, bit_, is_new)                                                                  \
	static int set_##what(struct s7_sock *sk, const struct opt_value *value)                   \
	{                                                                                          \
		return set_stamp(sk, bit_, is_new, value->num);                                    \
	}                                                                                          \
	static int get_##what(struct s7_sock *sk, struct opt_value *ret)                           \
	{                                                                                          \
		ret->num = sk->bits & (bit_) && !!(sk->more & SKM_STAMP_NEW) == (is_new);          \
		return 0;                                                                          \
	}

STAMP(timestamp, SKB_TIMESTAMP, false)
STAMP(timestampns, SKB_TIMESTAMPNS, false)
STAMP(timestamp_new, SKB_TIMESTAMP, true)
STAMP(timestampns_new, SKB_TIMESTAMPNS, true)

static int get_type(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->type;
	return 0;
}

#define ROW(name_, type_, access_, ...) \
	{ .level = SOL_SOCKET, .name = name_, .type = type_, .access = access_, \
	  .on = ON_ANY, __VA_ARGS__ }

static const struct s7_opt socket7_opts[] = {
	ROW(SO_ACCEPTCONN, OPT_BOOL, OPT_RD, .get = get_acceptconn, .text = "1 on a listener"),
	ROW(SO_BINDTODEVICE, OPT_BYTES, OPT_RW, .set = set_device, .get = get_device,
	    .text = "only packets of this interface; empty removes"),
	ROW(SO_BINDTOIFINDEX, OPT_INT, OPT_RW, .set = set_ifindex, OPT_FIELD(bound_ifindex),
	    .text = "SO_BINDTODEVICE by index; 0 removes"),
	ROW(SO_BROADCAST, OPT_BOOL, OPT_RW, .bit = SKB_BROADCAST,
	    .text = "without it a broadcast destination is EACCES"),
	ROW(SO_PEERNAME, OPT_BYTES, OPT_RD, .get = get_peername, .text = "as getpeername"),
	ROW(SO_COOKIE, OPT_BYTES, OPT_RD, .get = get_cookie,
	    .text = "number of the socket, never reused"),
	ROW(SO_DEBUG, OPT_BOOL, OPT_RW | OPT_ASK, .bit = SKB_DEBUG, .text = "needs CAP_NET_ADMIN"),
	ROW(SO_DOMAIN, OPT_INT, OPT_RD, .get = get_domain, .text = "AF_INET or AF_INET6"),
	ROW(SO_DONTROUTE, OPT_BOOL, OPT_RW, .bit = SKB_DONTROUTE,
	    .text = "directly connected hosts only"),
	ROW(SO_ERROR, OPT_INT, OPT_RD, .get = take_error,
	    .text = "pending error; reading clears it"),
	ROW(SO_KEEPALIVE, OPT_BOOL, OPT_RW, .set = set_keepalive, .bit = SKB_KEEPALIVE,
	    .text = "probes on an idle connection"),
	ROW(SO_LINGER, OPT_LINGER, OPT_RW, .set = set_linger, .get = get_linger,
	    .text = "close waits for the data or the time; zero time resets"),
	ROW(SO_NO_CHECK, OPT_BOOL, OPT_RW, .bit = SKB_NO_CHECK,
	    .text = "datagrams leave without checksum; TCP does not look at it, as in Linux"),
	ROW(SO_OOBINLINE, OPT_BOOL, OPT_RW, .bit = SKB_OOBINLINE, .text = "urgent data in line"),
	ROW(SO_PROTOCOL, OPT_INT, OPT_RD, .get = get_protocol,
	    .text = "IPPROTO_TCP, IPPROTO_UDP, or what a raw socket was made for"),
	ROW(SO_RCVBUF, OPT_INT, OPT_RW, .set = apply_rcvbuf, OPT_FIELD(rcvbuf),
	    .text = "doubled, between the kernel's minimum and 2 * rmem_max"),
	ROW(SO_RCVBUFFORCE, OPT_INT, OPT_WR | OPT_ASK, .set = force_rcvbuf,
	    .text = "SO_RCVBUF beyond rmem_max; needs CAP_NET_ADMIN"),
	ROW(SO_RCVLOWAT, OPT_INT, OPT_RW, .set = set_rcvlowat, OPT_FIELD(rcvlowat),
	    .text = "bytes before a read returns and poll tells"),
	ROW(SO_SNDLOWAT, OPT_INT, OPT_RD, .get = get_sndlowat, .text = "1, cannot be changed"),
	ROW(SO_RCVTIMEO, OPT_TIMEVAL, OPT_RW, .set = set_rcvtimeo, .get = get_rcvtimeo,
	    .text = "a blocking receive ends with EAGAIN"),
	ROW(SO_SNDTIMEO, OPT_TIMEVAL, OPT_RW, .set = set_sndtimeo, .get = get_sndtimeo,
	    .text = "a blocking send ends with EAGAIN, a connect with EINPROGRESS"),
	ROW(66 /* SO_RCVTIMEO_NEW */, OPT_TIMEVAL, OPT_RW, .set = set_rcvtimeo, .get = get_rcvtimeo,
	    .text = "SO_RCVTIMEO"),
	ROW(67 /* SO_SNDTIMEO_NEW */, OPT_TIMEVAL, OPT_RW, .set = set_sndtimeo, .get = get_sndtimeo,
	    .text = "SO_SNDTIMEO"),
	ROW(SO_REUSEADDR, OPT_BOOL, OPT_RW, .set = set_reuseaddr, .bit = SKB_REUSEADDR,
	    .text = "bind to an address in use by no listener"),
	ROW(SO_REUSEPORT, OPT_BOOL, OPT_RW, .set = set_reuseport, .bit = SKB_REUSEPORT,
	    .text = "sockets of one user share an address"),
	ROW(SO_RXQ_OVFL, OPT_BOOL, OPT_RW, .bit = SKB_RXQ_OVFL,
	    .text = "count of drops beside each datagram"),
	ROW(SO_SNDBUF, OPT_INT, OPT_RW, .set = apply_sndbuf, OPT_FIELD(sndbuf),
	    .text = "doubled, between the kernel's minimum and 2 * wmem_max"),
	ROW(SO_SNDBUFFORCE, OPT_INT, OPT_WR | OPT_ASK, .set = force_sndbuf,
	    .text = "SO_SNDBUF beyond wmem_max; needs CAP_NET_ADMIN"),
	ROW(SO_TIMESTAMP, OPT_BOOL, OPT_RW, .set = set_timestamp, .get = get_timestamp,
	    .text = "time of reception, microseconds"),
	ROW(SO_TIMESTAMP_NEW, OPT_BOOL, OPT_RW, .set = set_timestamp_new, .get = get_timestamp_new,
	    .text = "SO_TIMESTAMP, 64 bits everywhere"),
	ROW(SO_TIMESTAMPNS_NEW, OPT_BOOL, OPT_RW, .set = set_timestampns_new,
	    .get = get_timestampns_new, .text = "SO_TIMESTAMPNS, 64 bits everywhere"),
	ROW(SO_TIMESTAMPNS, OPT_BOOL, OPT_RW, .set = set_timestampns, .get = get_timestampns,
	    .text = "time of reception, nanoseconds"),
	ROW(SO_TYPE, OPT_INT, OPT_RD, .get = get_type,
	    .text = "SOCK_STREAM, SOCK_DGRAM or SOCK_RAW"),
};

const struct s7_opt_table socket7_table = { SOL_SOCKET, socket7_opts, S7_ARRAY_LEN(socket7_opts) };
