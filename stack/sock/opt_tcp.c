/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_tcp.c - level IPPROTO_TCP, in the order of tcp(7)
 *
 * The values and their ranges are TCP's (stack/tcp/tcp_opt_api.c); here they only get their names.
 * Fast Open, MD5 signatures, ULP and their like have no row: the kernel socket is asked.
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
TCP_INT(defer_accept)
TCP_INT(keepcnt)
TCP_INT(keepidle)
TCP_INT(keepintvl)
TCP_INT(linger2)
TCP_INT(maxseg)
TCP_INT(nodelay)
TCP_INT(notsent_lowat)
TCP_INT(quickack)
TCP_INT(syncnt)
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
	ret->len = tcp_get_info(sk, ret->bytes, (uint32_t)s7_min(ret->len, OPT_BYTES_MAX));
	return 0;
}

#define ROW(name_, type_, access_, ...) \
	{ .level = IPPROTO_TCP, .name = name_, .type = type_, .access = access_, \
	  .on = ON_TCP, __VA_ARGS__ }
#define INT_ROW(name_, what, text_) \
	ROW(name_, OPT_INT, OPT_RW, .set = set_##what, .get = get_##what, .text = text_)

static const struct s7_opt tcp7_opts[] = {
	ROW(TCP_CONGESTION, OPT_BYTES, OPT_RW, .set = set_congestion, .get = get_congestion,
	    .text = "name of the congestion control"),
	INT_ROW(TCP_CORK, cork, "no partial segments until it is pulled, 200 ms at most"),
	INT_ROW(TCP_DEFER_ACCEPT, defer_accept, "seconds to wait for data before accept sees it"),
	ROW(TCP_INFO, OPT_BYTES, OPT_RD, .get = get_info, .text = "struct tcp_info"),
	INT_ROW(TCP_KEEPCNT, keepcnt, "probes before the connection is given up"),
	INT_ROW(TCP_KEEPIDLE, keepidle, "idle seconds before the first probe"),
	INT_ROW(TCP_KEEPINTVL, keepintvl, "seconds between probes"),
	INT_ROW(TCP_LINGER2, linger2, "seconds of an orphan in FIN_WAIT_2"),
	INT_ROW(TCP_MAXSEG, maxseg, "largest segment"),
	INT_ROW(TCP_NODELAY, nodelay, "no Nagle"),
	INT_ROW(TCP_NOTSENT_LOWAT, notsent_lowat,
		"unsent bytes under which the socket is writable"),
	INT_ROW(TCP_QUICKACK, quickack, "acknowledge at once"),
	INT_ROW(TCP_SYNCNT, syncnt, "SYN retransmissions"),
	INT_ROW(TCP_USER_TIMEOUT, user_timeout, "ms that data may stay unacknowledged"),
	INT_ROW(TCP_WINDOW_CLAMP, window_clamp, "largest window advertised"),
};

const struct s7_opt_table tcp7_table = { IPPROTO_TCP, tcp7_opts, S7_ARRAY_LEN(tcp7_opts) };
