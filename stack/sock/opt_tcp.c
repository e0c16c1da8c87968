/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_tcp.c - level IPPROTO_TCP, in the order of tcp(7)
 *
 * The values and their ranges are TCP's (stack/tcp/tcp_opt_api.c); here they only get their names.
 * MD5 signatures, ULP and their like have no row: the kernel socket is asked.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>
#define tcp_ca_state linux_tcp_ca_state /* a tag of stack/tcp too */
#include <netinet/tcp.h>
#undef tcp_ca_state

#include "stack/sock/sock_int.h"
#include "stack/tcp/tcp.h"

#define CC_NAME_MAX 16 /* TCP_CA_NAME_MAX */

/* An adapter each way for the integers. */
#define TCP_INT(what)                                                                              \
	static int set_##what(struct s7_sock *sk, const struct opt_value *value)                   \
	{                                                                                          \
		return tcp_set_##what(sk, value->num);                                             \
	}                                                                                          \
	static int get_##what(struct s7_sock *sk, struct opt_value *ret)                           \
	{                                                                                          \
		ret->num = tcp_get_##what(sk);                                                     \
		return 0;                                                                          \
	}

TCP_INT(cork)
TCP_INT(delack_max)
TCP_INT(defer_accept)
TCP_INT(fastopen)
TCP_INT(fastopen_connect)
TCP_INT(keepcnt)
TCP_INT(keepidle)
TCP_INT(keepintvl)
TCP_INT(linger2)
TCP_INT(maxseg)
TCP_INT(nodelay)
TCP_INT(notsent_lowat)
TCP_INT(quickack)
TCP_INT(rto_max)
TCP_INT(rto_min)
TCP_INT(tx_delay)
TCP_INT(save_syn)
TCP_INT(syncnt)
TCP_INT(thin_timeouts)
TCP_INT(user_timeout)
TCP_INT(window_clamp)

static int set_congestion(struct s7_sock *sk, const struct opt_value *value)
{
	const char *name = (const char *)value->bytes;

	if (value->len < 1)
		return -EINVAL;
	return tcp_set_congestion(sk, name, strnlen(name, s7_min(value->len, CC_NAME_MAX - 1)));
}

static int get_congestion(struct s7_sock *sk, struct opt_value *ret)
{
	const char *name = tcp_get_congestion(sk);

	memset(ret->bytes, 0, CC_NAME_MAX);
	memcpy(ret->bytes, name, strnlen(name, CC_NAME_MAX - 1));
	ret->len = CC_NAME_MAX;
	return 0;
}

static int get_info(struct s7_sock *sk, struct opt_value *ret)
{
	uint32_t room = (uint32_t)s7_min(ret->len, OPT_BYTES_MAX);
	uint32_t full = sk->inst->params.tcp_info_len;

	ret->len = tcp_get_info(sk, ret->bytes, room);
	/* fields that a newer kernel has: 0 here */
	ret->len = (socklen_t)s7_max(ret->len, s7_min(full, room));
	return 0;
}

static int get_saved_syn(struct s7_sock *sk, struct opt_value *ret)
{
	uint32_t len = (uint32_t)s7_min(ret->len, OPT_BYTES_MAX);
	int err = tcp_take_saved_syn(sk, ret->bytes, &len);

	ret->len = len;
	return err;
}

/* None of the congestion controls here tells about itself. */
static int get_cc_info(struct s7_sock *sk, struct opt_value *ret)
{
	(void)sk;
	ret->len = 0;
	return 0;
}

/* Only TCP_REPAIR allows it. */
static int refuse(struct s7_sock *sk, const struct opt_value *value)
{
	(void)sk;
	(void)value;
	return -EPERM;
}

static int get_timestamp(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = tcp_get_timestamp(sk);
	return 0;
}

/* Linux has had no effect for it since 4.14: taken, and read as 0. */
static int set_thin_dupack(struct s7_sock *sk, const struct opt_value *value)
{
	(void)sk;
	return value->num < 0 || value->num > 1 ? -EINVAL : 0;
}

static int get_zero(struct s7_sock *sk, struct opt_value *ret)
{
	(void)sk;
	ret->num = 0;
	return 0;
}

/* Turning repair off, which it is, is all that there is of it here. */
static int set_repair(struct s7_sock *sk, const struct opt_value *value)
{
	if (tcp_tcb(sk)->state == TCPS_LISTEN || !sk->inst->env->host->may(HOST_NET_ADMIN))
		return -EPERM;
	if (value->num < -1 || value->num > 1)
		return -EINVAL;
	return value->num == 1 ? OPT_ASK_KERNEL : 0;
}

static int set_queue_seq(struct s7_sock *sk, const struct opt_value *value)
{
	(void)value;
	return tcp_tcb(sk)->state != TCPS_CLOSED ? -EPERM : -EINVAL;
}

static int get_refused(struct s7_sock *sk, struct opt_value *ret)
{
	(void)sk;
	(void)ret;
	return -EINVAL;
}

static int set_no_cookie(struct s7_sock *sk, const struct opt_value *value)
{
	if (tcp_tcb(sk)->state != TCPS_LISTEN && tcp_tcb(sk)->state != TCPS_CLOSED)
		return -EINVAL;
	sk->more = value->num ? sk->more | SKM_TFO_NO_COOKIE :
				sk->more & ~(uint32_t)SKM_TFO_NO_COOKIE;
	return 0;
}

/* TCP-AO is nowhere: only who asks for it is looked at. */
static int get_ao_repair(struct s7_sock *sk, struct opt_value *ret)
{
	(void)ret;
	if (tcp_tcb(sk)->state == TCPS_LISTEN || !sk->inst->env->host->may(HOST_NET_ADMIN))
		return -EPERM;
	return -ENOPROTOOPT;
}

static int set_ao_repair(struct s7_sock *sk, const struct opt_value *value)
{
	(void)value;
	return get_ao_repair(sk, NULL);
}

#define ROW(name_, type_, access_, ...) \
	{ .level = IPPROTO_TCP, .name = name_, .type = type_, .access = access_, \
	  .on = ON_TCP, __VA_ARGS__ }
#define INT_ROW(name_, what, text_) \
	ROW(name_, OPT_INT, OPT_RW, .set = set_##what, .get = get_##what, .text = text_)

/* Linux 6.15; the headers of Debian 12 are older. */
#ifndef TCP_RTO_MAX_MS
#define TCP_AO_REPAIR 42
#define TCP_IS_MPTCP 43
#define TCP_RTO_MAX_MS 44
#define TCP_RTO_MIN_US 45
#define TCP_DELACK_MAX_US 46
#endif

static const struct s7_opt tcp7_opts[] = {
	ROW(TCP_AO_REPAIR, OPT_INT, OPT_RW, .set = set_ao_repair, .get = get_ao_repair,
	    .text = "no TCP-AO: the kernel's errno"),
	ROW(TCP_CC_INFO, OPT_BYTES, OPT_RD, .get = get_cc_info,
	    .text = "empty: no congestion control here tells about itself"),
	ROW(TCP_CONGESTION, OPT_BYTES, OPT_RW | OPT_ASK, .set = set_congestion,
	    .get = get_congestion, .text = "name of the congestion control"),
	INT_ROW(TCP_CORK, cork, "no partial segments until it is pulled, 200 ms at most"),
	INT_ROW(TCP_DEFER_ACCEPT, defer_accept, "seconds to wait for data before accept sees it"),
	ROW(TCP_DELACK_MAX_US, OPT_INT, OPT_RW | OPT_ASK, .set = set_delack_max,
	    .get = get_delack_max, .text = "an ACK is delayed no longer"),
	INT_ROW(TCP_FASTOPEN, fastopen,
		"listener: connections that a SYN with data may open before its SYN-ACK is seen"),
	INT_ROW(TCP_FASTOPEN_CONNECT, fastopen_connect,
		"connect leaves the SYN to the first send, which goes in it"),
	ROW(TCP_FASTOPEN_KEY, OPT_BYTES, OPT_RW | OPT_BEHIND,
	    .text = "kept by the kernel socket; the stack's cookies are made with it"),
	ROW(TCP_FASTOPEN_NO_COOKIE, OPT_INT, OPT_RW, .set = set_no_cookie, .min = 0, .max = 1,
	    .bit = SKM_TFO_NO_COOKIE, .bits_at = offsetof(struct s7_sock, more),
	    .text = "Fast Open without cookies, either end"),
	ROW(TCP_INFO, OPT_BYTES, OPT_RD, .get = get_info, .text = "struct tcp_info"),
	ROW(TCP_INQ, OPT_INT, OPT_RW, .min = 0, .max = 1, .bit = SKM_INQ,
	    .bits_at = offsetof(struct s7_sock, more),
	    .text = "bytes that still wait, beside each read"),
	ROW(TCP_IS_MPTCP, OPT_INT, OPT_RD | OPT_ASK, .get = get_zero, .text = "0"),
	INT_ROW(TCP_KEEPCNT, keepcnt, "probes before the connection is given up"),
	INT_ROW(TCP_KEEPIDLE, keepidle, "idle seconds before the first probe"),
	INT_ROW(TCP_KEEPINTVL, keepintvl, "seconds between probes"),
	INT_ROW(TCP_LINGER2, linger2, "seconds of an orphan in FIN_WAIT_2"),
	INT_ROW(TCP_MAXSEG, maxseg, "largest segment"),
	INT_ROW(TCP_NODELAY, nodelay, "no Nagle"),
	INT_ROW(TCP_NOTSENT_LOWAT, notsent_lowat,
		"unsent bytes under which the socket is writable"),
	INT_ROW(TCP_QUICKACK, quickack, "acknowledge at once"),
	ROW(TCP_QUEUE_SEQ, OPT_INT, OPT_RW, .set = set_queue_seq, .get = get_refused,
	    .text = "only with TCP_REPAIR"),
	ROW(TCP_REPAIR, OPT_INT, OPT_RW, .set = set_repair, .get = get_zero,
	    .text = "off; the kernel gets a socket that wants it"),
	ROW(TCP_RTO_MAX_MS, OPT_INT, OPT_RW | OPT_ASK, .set = set_rto_max, .get = get_rto_max,
	    .text = "longest time between retransmissions"),
	ROW(TCP_RTO_MIN_US, OPT_INT, OPT_RW | OPT_ASK, .set = set_rto_min, .get = get_rto_min,
	    .text = "shortest time before a retransmission"),
	ROW(TCP_SAVE_SYN, OPT_INT, OPT_RW, .set = set_save_syn, .get = get_save_syn, .min = 0,
	    .max = 2, .text = "listener: keep the headers of each SYN, 2: the link header too"),
	ROW(TCP_SAVED_SYN, OPT_BYTES, OPT_RD, .get = get_saved_syn,
	    .text = "headers of the SYN, once"),
	INT_ROW(TCP_SYNCNT, syncnt, "SYN retransmissions"),
	ROW(TCP_THIN_DUPACK, OPT_INT, OPT_RW, .set = set_thin_dupack, .get = get_zero,
	    .text = "without effect in Linux"),
	ROW(TCP_THIN_LINEAR_TIMEOUTS, OPT_INT, OPT_RW, .set = set_thin_timeouts,
	    .get = get_thin_timeouts, .min = 0, .max = 1,
	    .text = "with little in flight the retransmission timer does not back off"),
	ROW(TCP_TIMESTAMP, OPT_INT, OPT_RW, .set = refuse, .get = get_timestamp,
	    .text = "clock of the timestamps; set: only with TCP_REPAIR"),
	INT_ROW(TCP_TX_DELAY, tx_delay, "us that every packet is held back before the device"),
	INT_ROW(TCP_USER_TIMEOUT, user_timeout, "ms that data may stay unacknowledged"),
	INT_ROW(TCP_WINDOW_CLAMP, window_clamp, "largest window advertised"),
};

const struct s7_opt_table tcp7_table = { IPPROTO_TCP, tcp7_opts, S7_ARRAY_LEN(tcp7_opts) };
