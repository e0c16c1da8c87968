/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_udp.c - level IPPROTO_UDP, in the order of udp(7)
 *
 * UDP_ENCAP (IPsec, tunnels) has no row: the kernel socket is asked.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>
#include <netinet/udp.h>

#include "stack/sock/ext_rows.h"
#include "stack/udp/udp.h"

EXT_BOOL(gro, EXT_UDP_GRO)
EXT_BOOL(no_check6_tx, EXT_NO_CHECK6_TX)
EXT_BOOL(no_check6_rx, EXT_NO_CHECK6_RX)
EXT_NUMBER(segment, udp_segment)

/* Pulled: what was collected goes out. Its errors are nobody's, as in Linux. */
static int set_cork(struct s7_sock *sk, const struct opt_value *value)
{
	int err = sk_ext_bit(sk, EXT_UDP_CORK, value->num);

	if (!err && !value->num)
		udp_push(udp_sock(sk));
	return err;
}

static int get_cork(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk_ext_has(sk, EXT_UDP_CORK);
	return 0;
}

#define ROW(name_, ...)                                                                            \
	{ .level = IPPROTO_UDP, .name = name_, .type = OPT_INT, .access = OPT_RW, .on = ON_UDP,    \
	  __VA_ARGS__ }

static const struct s7_opt udp7_opts[] = {
	ROW(UDP_CORK, BOTH_WAYS(cork),
	    .text = "sends are collected in one datagram until it is pulled"),
	ROW(UDP_GRO, BOTH_WAYS(gro),
	    .text = "datagrams of one size that come together are read as one"),
	ROW(UDP_NO_CHECK6_TX, BOTH_WAYS(no_check6_tx),
	    .text = "datagrams over IPv6 leave without a checksum (RFC 6935)"),
	ROW(UDP_NO_CHECK6_RX, BOTH_WAYS(no_check6_rx),
	    .text = "... and are taken without one"),
	ROW(UDP_SEGMENT, BOTH_WAYS(segment), .min = 0, .max = UINT16_MAX,
	    .text = "a send is cut into datagrams of this size"),
};

const struct s7_opt_table udp7_table = { IPPROTO_UDP, udp7_opts, S7_ARRAY_LEN(udp7_opts) };
