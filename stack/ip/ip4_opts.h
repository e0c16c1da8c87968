/* SPDX-License-Identifier: BSD-3-Clause */
/* ip4_opts.h - IPv4 options of this host's packets. Context: instance lock. */
#ifndef S7_STACK_IP4_OPTS_H
#define S7_STACK_IP4_OPTS_H

#include "stack/ip/ip.h"
#include "stack/wire/ip4_opts.h"

/* This host, recording `own` (network order). */
struct ip4_opts_host ip4_opts_host(const struct s7_inst *inst, uint32_t own);

/*
 * Looks at the options of a packet whose data begins at its IP header and records in them. False:
 * it may not go on, and is gone; its sender was told where Linux tells. rx is filled but for opts.
 */
bool ip4_opts_in(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx,
		 struct s7_ip4_opts *ret_opts);

/* Of an answer to rx, 0 bytes: none. -EINVAL: it is not to be answered. */
int ip4_opts_answer(const struct s7_inst *inst, const struct s7_rx *rx,
		    struct s7_ip4_opts *ret_opts);

/* As a program that received `opts` from src would send them back. 0, -EINVAL. */
int ip4_opts_turn(const struct s7_inst *inst, const struct s7_ip4_opts *opts,
		  const struct s7_ip *src, struct s7_ip4_opts *ret_opts);

/* Puts them before the data of a packet, where the header's end will be; returns their length. */
uint32_t ip4_opts_push(const struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt,
		       const struct s7_ip_tx *tx, bool first_fragment);

/*
 * A waiting packet keeps its options at the start of its buffer, where headers were. False: there
 * is no room.
 */
bool ip4_opts_keep(struct s7_pkt *pkt, const struct s7_ip4_opts *opts);
static inline const struct s7_ip4_opts *ip4_opts_kept(const struct s7_pkt *pkt)
{
	return (const struct s7_ip4_opts *)(const void *)pkt->buf;
}

/* Where a packet to `to` goes first: there, or where a source route leads. */
static inline struct s7_ip ip4_opts_first(const struct s7_ip4_opts *opts, const struct s7_ip *to)
{
	return opts && opts->srr && ip_is_v4(to) ? ip_from_v4(opts->first) : *to;
}

/* Every hop must be named, but dst leads there by way of a gateway. */
static inline bool ip4_opts_strict_fails(const struct s7_ip4_opts *opts, const struct s7_dst *dst)
{
	return opts && opts->bits & IP4O_STRICT && !ip_equal(&dst->hop, &dst->dst);
}

#endif
