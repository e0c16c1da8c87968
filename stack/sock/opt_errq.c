/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_errq.c - who wants to hear of errors beyond SO_ERROR: the options of the error queue
 *
 * IP_RECVERR off empties the queue, as Linux. What they switch on lives in sk->ext.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/sock/ext_rows.h"
#include "stack/tcp/tcp.h"


EXT_BOOL(select_err, EXT_SELECT_ERR)
EXT_BOOL(rfc4884, EXT_RFC4884)
EXT_BOOL(rfc4884_6, EXT_RFC4884_6)

static void forget_errors(struct s7_sock *sk)
{
	if (sk->ext)
		errq_purge(sk->inst, &sk->ext->errq);
}

static int want_errors(struct s7_sock *sk, uint32_t bit, bool on)
{
	if (on && !sk_ext(sk))
		return -ENOBUFS;
	sk->bits = on ? sk->bits | bit : sk->bits & ~bit;
	if (!on)
		forget_errors(sk);
	return 0;
}

static int set_recverr(struct s7_sock *sk, const struct opt_value *value)
{
	return want_errors(sk, SKB_RECVERR, value->num);
}

static int set_recverr6(struct s7_sock *sk, const struct opt_value *value)
{
	return want_errors(sk, SKB_RECVERR6, value->num);
}

/* ---- time stamps ---- */

/* The number of the next datagram, or of the next byte to be acknowledged, becomes 0. */
static void number_from_here(struct s7_sock *sk, uint32_t tsflags)
{
	if (sk->proto != PROTO_TCP)
		sk->ext->ts_key = 0;
	else
		sk->ext->ts_key = tsflags & SOF_TIMESTAMPING_OPT_ID_TCP_ ? tcp_tcb(sk)->write_seq :
									  tcp_tcb(sk)->snd_una;
}

static int timestamping_valid(const struct s7_sock *sk, uint32_t tsflags)
{
	uint32_t had = sk->ext ? sk->ext->tsflags : 0;

	if (tsflags & ~SOF_TIMESTAMPING_MASK_)
		return -EINVAL;
	if (tsflags & SOF_TIMESTAMPING_OPT_ID_TCP_ && !(tsflags & SOF_TIMESTAMPING_OPT_ID))
		return -EINVAL;
	if (tsflags & ~had & SOF_TIMESTAMPING_OPT_ID && sk->proto == PROTO_TCP &&
	    (tcp_tcb(sk)->state == TCPS_CLOSED || tcp_tcb(sk)->state == TCPS_LISTEN))
		return -EINVAL; /* there is no byte to count from */
	if (tsflags & SOF_TIMESTAMPING_OPT_STATS && !(tsflags & SOF_TIMESTAMPING_OPT_TSONLY))
		return -EINVAL;
	if (tsflags & SOF_TIMESTAMPING_BIND_PHC) /* no interface here has a clock */
		return sk->bound_iface ? -EINVAL : -EOPNOTSUPP;
	return 0;
}

static int set_timestamping(struct s7_sock *sk, const struct opt_value *value)
{
	uint32_t tsflags;
	int err;

	if (value->len < sizeof(tsflags))
		return -EINVAL;
	memcpy(&tsflags, value->bytes, sizeof(tsflags));
	err = timestamping_valid(sk, tsflags);
	if (err || (!tsflags && !sk->ext))
		return err;
	if (!sk_ext(sk))
		return -ENOBUFS;
	if (tsflags & SOF_TIMESTAMPING_OPT_ID && !(sk->ext->tsflags & SOF_TIMESTAMPING_OPT_ID))
		number_from_here(sk, tsflags);
	sk->ext->tsflags = tsflags;
	return 0;
}

static int set_timestamping_old(struct s7_sock *sk, const struct opt_value *value)
{
	int err = set_timestamping(sk, value);

	return err ? err : sk_ext_bit(sk, EXT_STAMP_NEW, false);
}

static int set_timestamping_new(struct s7_sock *sk, const struct opt_value *value)
{
	int err = set_timestamping(sk, value);

	return err ? err : sk_ext_bit(sk, EXT_STAMP_NEW, true);
}

static int get_timestamping_old(struct s7_sock *sk, struct opt_value *ret)
{
	uint32_t both[2] = { sk->ext ? sk->ext->tsflags : 0, 0 }; /* struct so_timestamping */

	memcpy(ret->bytes, both, sizeof(both));
	ret->len = sizeof(both);
	return 0;
}

static int get_timestamping_new(struct s7_sock *sk, struct opt_value *ret)
{
	get_timestamping_old(sk, ret);
	if (!sk_ext_has(sk, EXT_STAMP_NEW))
		memset(ret->bytes, 0, ret->len);
	return 0;
}

static int set_zerocopy(struct s7_sock *sk, const struct opt_value *value)
{
	return sk_ext_bit(sk, EXT_ZEROCOPY, value->num);
}

static int get_zerocopy(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk_ext_has(sk, EXT_ZEROCOPY);
	return 0;
}

static const struct s7_opt socket_opts[] = {
	{ .level = SOL_SOCKET, .name = SO_SELECT_ERR_QUEUE, .type = OPT_BOOL, .access = OPT_RW,
	  .on = ON_ANY, BOTH_WAYS(select_err), .text = "POLLPRI with POLLERR, datagrams only" },
	{ .level = SOL_SOCKET, .name = SO_TIMESTAMPING, .type = OPT_BYTES, .access = OPT_RW,
	  .on = ON_ANY, BOTH_WAYS(timestamping_old),
	  .text = "times of reception and, by the error queue, of sending; in software" },
	{ .level = SOL_SOCKET, .name = SO_TIMESTAMPING_NEW, .type = OPT_BYTES, .access = OPT_RW,
	  .on = ON_ANY, BOTH_WAYS(timestamping_new), .text = "the same with 64-bit times" },
	{ .level = SOL_SOCKET, .name = SO_ZEROCOPY, .type = OPT_INT, .access = OPT_RW,
	  .on = ON_ANY, BOTH_WAYS(zerocopy), .min = 0, .max = 1,
	  .text = "completions of MSG_ZEROCOPY, which say that the bytes were copied" },
};

static const struct s7_opt ip_opts[] = {
	{ .level = IPPROTO_IP, .name = IP_RECVERR, .type = OPT_IP_ZERO, .access = OPT_RW,
	  .on = ON_ANY, .set = set_recverr, .bit = SKB_RECVERR,
	  .text = "errors are queued, with the packet that they are about" },
	{ .level = IPPROTO_IP, .name = IP_RECVERR_RFC4884, .type = OPT_IP_ZERO, .access = OPT_RW,
	  .on = ON_ANY, BOTH_WAYS(rfc4884), .min = 0, .max = 1,
	  .text = "where a message's extensions begin" },
};

static const struct s7_opt ipv6_opts[] = {
	{ .level = IPPROTO_IPV6, .name = IPV6_RECVERR, .type = OPT_BOOL, .access = OPT_RW,
	  .on = ON_ANY | ON_V6, .set = set_recverr6, .bit = SKB_RECVERR6,
	  .text = "errors are queued, with the packet that they are about" },
	{ .level = IPPROTO_IPV6, .name = IPV6_RECVERR_RFC4884, .type = OPT_INT, .access = OPT_RW,
	  .on = ON_ANY | ON_V6, BOTH_WAYS(rfc4884_6), .min = 0, .max = 1,
	  .text = "where a message's extensions begin" },
};

const struct s7_opt_table errq_socket_table = { SOL_SOCKET, socket_opts,
						S7_ARRAY_LEN(socket_opts) };
const struct s7_opt_table errq_ip_table = { IPPROTO_IP, ip_opts, S7_ARRAY_LEN(ip_opts) };
const struct s7_opt_table errq_ipv6_table = { IPPROTO_IPV6, ipv6_opts, S7_ARRAY_LEN(ipv6_opts) };
