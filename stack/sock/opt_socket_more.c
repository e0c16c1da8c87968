/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_socket_more.c - level SOL_SOCKET: scheduling, busy polling, memory, and what is newer than
 * socket(7)
 *
 * Three sorts of rows. Some act (peek offset, pacing, busy polling, device by index). Some are
 * kept and shown because that is all that Linux does with them on an internet socket of a plain
 * interface (no FCS, WIFI status, rehash of the one path). The rest are OPT_BEHIND: the kernel
 * socket behind keeps and answers them, so that they are what the running kernel makes of them.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>
#include <limits.h>
#include <linux/sock_diag.h>
#include <linux/socket.h>

#include "stack/sock/sock_int.h"
#include "stack/tcp/tcp.h"

/* Linux 5.14 to 6.16; the headers of Debian 12 are older. */
#ifndef SO_RESERVE_MEM
#define SO_RESERVE_MEM 73
#endif
#ifndef SO_TXREHASH
#define SO_TXREHASH 74
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif
#ifndef SO_DEVMEM_DONTNEED
#define SO_DEVMEM_DONTNEED 80
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82
#define SO_PASSRIGHTS 83
#endif

#define FIRST_NAPI_ID 8193u /* above any number of CPUs, as the kernel's */

/* 1 asks for another route: the next packet looks it up anew. */
static int set_cnx_advice(struct s7_sock *sk, const struct opt_value *value)
{
	if (value->num == 1 && sk->proto == PROTO_TCP)
		tcp_forget_route(sk);
	return 0;
}

static int set_incoming_cpu(struct s7_sock *sk, const struct opt_value *value)
{
	sk->rx_cpu = value->num;
	sk->bind.cpu = value->num;
	return 0;
}

/* A queue of an interface is what a NAPI context is in Linux; lo has none. */
static int get_napi_id(struct s7_sock *sk, struct opt_value *ret)
{
	uint32_t iface = sk->flow.iface;

	ret->num = 0;
	if (iface != S7_IFACE_LO && sk->rx_cpu >= 0)
		ret->num = (int)(FIRST_NAPI_ID + sk->inst->index * S7_IFACES_MAX + iface);
	return 0;
}

static int get_meminfo(struct s7_sock *sk, struct opt_value *ret)
{
	uint32_t info[SK_MEMINFO_VARS] = {
		[SK_MEMINFO_RMEM_ALLOC] = sk_ops(sk)->inq(sk),
		[SK_MEMINFO_RCVBUF] = sk->rcvbuf,
		[SK_MEMINFO_WMEM_ALLOC] = sk_ops(sk)->outq(sk),
		[SK_MEMINFO_SNDBUF] = sk->sndbuf,
		[SK_MEMINFO_DROPS] = (uint32_t)sk->drops,
	};

	if (sk->bits & SKB_LISTENING) /* counts connections there, no bytes */
		info[SK_MEMINFO_RMEM_ALLOC] = info[SK_MEMINFO_WMEM_ALLOC] = 0;
	info[SK_MEMINFO_WMEM_QUEUED] = info[SK_MEMINFO_WMEM_ALLOC];
	memcpy(ret->bytes, info, sizeof(info));
	ret->len = sizeof(info);
	return 0;
}

/* An unsigned int, or eight bytes; all ones: no limit. */
static int set_pacing(struct s7_sock *sk, const struct opt_value *value)
{
	uint32_t rate;

	if (value->len < sizeof(rate))
		return -EINVAL;
	memcpy(&rate, value->bytes, sizeof(rate));
	sk->pacing_max = rate == UINT32_MAX ? UINT64_MAX : rate;
	if (value->len >= sizeof(sk->pacing_max))
		memcpy(&sk->pacing_max, value->bytes, sizeof(sk->pacing_max));
	if (sk->proto == PROTO_TCP)
		tcp_pacing_changed(sk);
	return 0;
}

static int get_pacing(struct s7_sock *sk, struct opt_value *ret)
{
	uint32_t rate = (uint32_t)s7_min(sk->pacing_max, UINT32_MAX);
	bool wide = ret->len >= sizeof(sk->pacing_max);

	ret->len = wide ? sizeof(sk->pacing_max) : sizeof(rate);
	memcpy(ret->bytes, wide ? (void *)&sk->pacing_max : &rate, ret->len);
	return 0;
}

/* Clock and flags were judged by the kernel (OPT_ASK). */
static int set_txtime(struct s7_sock *sk, const struct opt_value *value)
{
	if (value->len != 2 * sizeof(uint32_t))
		return -EINVAL;
	memcpy(&sk->txtime_clock, value->bytes, sizeof(uint32_t));
	memcpy(&sk->txtime_flags, value->bytes + sizeof(uint32_t), sizeof(uint32_t));
	sk->more |= SKM_TXTIME;
	return 0;
}

static int get_txtime(struct s7_sock *sk, struct opt_value *ret)
{
	memcpy(ret->bytes, &sk->txtime_clock, sizeof(uint32_t));
	memcpy(ret->bytes + sizeof(uint32_t), &sk->txtime_flags, sizeof(uint32_t));
	ret->len = 2 * sizeof(uint32_t);
	return 0;
}

/* Which buffers the program, not autotuning, has the say about. */
static int set_buf_lock(struct s7_sock *sk, const struct opt_value *value)
{
	sk->bits &= ~(uint32_t)(SKB_SNDBUF_LOCK | SKB_RCVBUF_LOCK);
	sk->bits |= value->num & SOCK_SNDBUF_LOCK ? SKB_SNDBUF_LOCK : 0;
	sk->bits |= value->num & SOCK_RCVBUF_LOCK ? SKB_RCVBUF_LOCK : 0;
	return 0;
}

static int get_buf_lock(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = (sk->bits & SKB_SNDBUF_LOCK ? SOCK_SNDBUF_LOCK : 0) |
		   (sk->bits & SKB_RCVBUF_LOCK ? SOCK_RCVBUF_LOCK : 0);
	return 0;
}

/* -1 and 255: the default of the system, which is on. */
static int set_txrehash(struct s7_sock *sk, const struct opt_value *value)
{
	sk->txrehash = value->num ? 1 : 0;
	return 0;
}

#define ROW_ON(on_, name_, type_, access_, ...) \
	{ .level = SOL_SOCKET, .name = name_, .type = type_, .access = access_, .on = on_, \
	  __VA_ARGS__ }
#define ROW(name_, type_, access_, ...) ROW_ON(ON_ANY, name_, type_, access_, __VA_ARGS__)
#define MORE(bit_) .bit = bit_, .bits_at = offsetof(struct s7_sock, more)
#define BEHIND(name_, text_) ROW(name_, OPT_BYTES, OPT_RW | OPT_BEHIND, .text = text_)

static const struct s7_opt socket7_more_opts[] = {
	BEHIND(SO_BSDCOMPAT, "without effect in Linux"),
	ROW(SO_BUSY_POLL, OPT_INT, OPT_RW | OPT_ASK, OPT_FIELD(busy_poll_us), .min = 0,
	    .max = INT_MAX, .text = "microseconds that a blocking call polls before it sleeps"),
	ROW(SO_BUSY_POLL_BUDGET, OPT_INT, OPT_WR | OPT_ASK, OPT_FIELD(busy_budget), .min = 0,
	    .max = UINT16_MAX, .text = "packets that one turn of that polling takes at most"),
	ROW(SO_PREFER_BUSY_POLL, OPT_BOOL, OPT_RW | OPT_ASK, MORE(SKM_PREFER_BUSY_POLL),
	    .text = "that polling does not yield the core between its turns"),
	ROW(SO_CNX_ADVICE, OPT_INT, OPT_WR, .set = set_cnx_advice,
	    .text = "1: the route is looked up again"),
	ROW(SO_INCOMING_CPU, OPT_INT, OPT_RW, .set = set_incoming_cpu, OPT_FIELD(rx_cpu),
	    .text = "CPU of the last packet; set: this member of a SO_REUSEPORT group is for it"),
	ROW(SO_INCOMING_NAPI_ID, OPT_INT, OPT_RD, .get = get_napi_id,
	    .text = "number of the queue and interface of the last packet, 0 on lo"),
	ROW(SO_MARK, OPT_INT, OPT_RW | OPT_ASK, OPT_FIELD(mark),
	    .text = "kept, inherited, seen by SO_RCVMARK on lo; needs CAP_NET_ADMIN"),
	ROW(SO_MAX_PACING_RATE, OPT_BYTES, OPT_RW, .set = set_pacing, .get = get_pacing,
	    .text = "bytes a second that TCP sends at most; UDP needs a qdisc for that in Linux"),
	ROW(SO_MEMINFO, OPT_BYTES, OPT_RD, .get = get_meminfo,
	    .text = "buffer sizes and their use"),
	ROW(SO_NOFCS, OPT_BOOL, OPT_RW, MORE(SKM_NOFCS),
	    .text = "without effect on internet sockets in Linux"),
	BEHIND(SO_PASSCRED, "as the kernel answers on internet sockets"),
	BEHIND(SO_PASSSEC, "as the kernel answers on internet sockets"),
	BEHIND(SO_PASSPIDFD, "as the kernel answers on internet sockets"),
	BEHIND(SO_PASSRIGHTS, "as the kernel answers on internet sockets"),
	ROW(SO_PEEK_OFF, OPT_INT, OPT_RW | OPT_ASK, OPT_FIELD(peek_off),
	    .text = "where MSG_PEEK begins; moves with it"),
	BEHIND(SO_PEERCRED, "as the kernel answers on internet sockets"),
	BEHIND(SO_PEERGROUPS, "as the kernel answers on internet sockets"),
	BEHIND(SO_PEERPIDFD, "as the kernel answers on internet sockets"),
	BEHIND(SO_PEERSEC, "as the kernel answers on internet sockets"),
	ROW(SO_PRIORITY, OPT_INT, OPT_RW | OPT_ASK, OPT_FIELD(priority),
	    .text = "0..6, more with CAP_NET_ADMIN; follows IP_TOS; seen by SO_RCVPRIORITY on lo"),
	ROW(SO_RESERVE_MEM, OPT_INT, OPT_RW | OPT_ASK, OPT_FIELD(reserve_mem),
	    .text = "where the kernel allows it: the stack's packets are always reserved"),
	ROW(SO_RCVMARK, OPT_BOOL, OPT_RW, MORE(SKM_RCVMARK),
	    .text = "mark beside each datagram: the sender's on lo, else 0"),
	ROW(SO_RCVPRIORITY, OPT_BOOL, OPT_RW | OPT_ASK, MORE(SKM_RCVPRIORITY),
	    .text = "priority beside each datagram: the sender's on lo, else 0"),
	ROW(SO_TXTIME, OPT_BYTES, OPT_RW | OPT_ASK, .set = set_txtime, .get = get_txtime,
	    .text = "SCM_TXTIME is taken; as on Linux it is the link that has no clock to obey it"),
	ROW(SO_WIFI_STATUS, OPT_BOOL, OPT_RW, MORE(SKM_WIFI_STATUS),
	    .text = "without effect on links that are not wireless"),
	ROW(SO_BUF_LOCK, OPT_INT, OPT_RW, .set = set_buf_lock, .get = get_buf_lock, .min = 0,
	    .max = SOCK_BUF_LOCK_MASK, .text = "whether buffers keep their size"),
	ROW_ON(ON_TCP, SO_TXREHASH, OPT_INT, OPT_RW | OPT_ASK, .set = set_txrehash,
	       OPT_FIELD(txrehash), .min = -1, .max = 1,
	       .text = "kept: there is one path to choose from"),
	BEHIND(SO_NETNS_COOKIE, "number of the network namespace"),
	BEHIND(SO_DEVMEM_DONTNEED, "there is no device memory to give back"),
};

const struct s7_opt_table socket7_more_table = { SOL_SOCKET, socket7_more_opts,
						 S7_ARRAY_LEN(socket7_more_opts) };
