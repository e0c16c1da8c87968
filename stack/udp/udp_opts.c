/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_opts.c - the IPv4 options and the TTL of a datagram (UDP, raw, ping)
 *
 * Which they are: what is under construction keeps those that it began with, IP_RETOPTS beside a
 * send counts for that one, else the socket's (IP_OPTIONS). Each send tells its length once, in
 * us->opts_len, by which packets are shorter; the options themselves are found again when the
 * header is written, so that nothing of the calling thread's is kept in the socket.
 * Context: instance lock. Called by: udp_out.c, stack/raw.
 */
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/ip/ip4_opts.h"
#include "stack/udp/udp_way.h"

const struct s7_ip4_opts *udp_opts_of(const struct s7_udp_sock *us, const struct s7_msg *msg)
{
	const struct s7_sk_ext *ext = us->sk.ext;
	const struct s7_ip4_opts *opts = ext ? &ext->opts : NULL;

	if (us->cork)
		opts = ext ? &ext->cork_opts : NULL;
	else if (msg->ask && msg->ask->has & ASK_IP_OPTS)
		opts = &msg->ask->ip_opts;
	return opts && opts->len ? opts : NULL;
}

int udp_opts_begin(struct s7_udp_sock *us, const struct s7_msg *msg, struct s7_ip *to)
{
	const struct s7_ip4_opts *opts;

	us->opts_len = 0;
	if (s7_likely(!us->sk.ext && !msg->ask) || !ip_is_v4(to))
		return 0;
	opts = udp_opts_of(us, msg);
	if (!opts)
		return 0;
	if (opts->srr && ip_is_any(to))
		return -EINVAL;
	us->opts_len = opts->len;
	*to = ip4_opts_first(opts, to);
	return 0;
}

bool udp_opts_allow(const struct s7_udp_sock *us, const struct s7_msg *msg)
{
	return s7_likely(!us->opts_len) || !ip4_opts_strict_fails(udp_opts_of(us, msg), &us->dst);
}

void udp_opts_tx(const struct s7_udp_sock *us, const struct s7_msg *msg, struct s7_ip_tx *tx)
{
	if (s7_likely(!us->opts_len))
		return;
	tx->opts = udp_opts_of(us, msg);
	if (us->cork)
		tx->final4 = us->sk.ext->cork_final;
	else
		tx->final4 = ip_v4(msg->name.valid ? &msg->name.ip : &us->sk.flow.remote);
}

int udp_opts_park(struct s7_udp_sock *us, const struct s7_ip_tx *tx)
{
	if (s7_likely(!tx->opts)) {
		if (us->sk.ext)
			us->sk.ext->cork_opts.len = 0;
		return 0;
	}
	if (!sk_ext(&us->sk))
		return -ENOBUFS;
	if (tx->opts != &us->sk.ext->cork_opts)
		us->sk.ext->cork_opts = *tx->opts;
	us->sk.ext->cork_final = tx->final4;
	return 0;
}

uint8_t udp_ttl(const struct s7_sock *sk, const struct s7_dst *dst)
{
	if (!ip_is_multicast(&dst->dst))
		return sk_ttl(sk, dst->is_v4, dst_hop_limit(dst));
	if (dst->is_v4)
		return sk->mcast_ttl;
	return sk->ip6.mcast_hops < 0 ? 1 : (uint8_t)sk->ip6.mcast_hops;
}
