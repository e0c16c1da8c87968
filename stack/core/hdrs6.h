/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hdrs6.h - the IPv6 extension headers that a program wants in its packets, and leased flow labels
 *
 * A set of headers is made once and never changed, so that a socket, its children and a datagram
 * under construction share it by counted references. Each header is as the program gave it; the
 * fields that depend on the packet (next header, the last address of a routing header) are filled
 * in when it is written (stack/ip/ip6_hdrs.c). Memory: slabs of the instance, of which a small set
 * touches one page. Bounds: HDRS6_SETS, LEASES6; then ENOBUFS, counted (EXT_FULL).
 * Context: instance lock.
 */
#ifndef S7_HDRS6_H
#define S7_HDRS6_H

#include "stack/core/sk.h"

/* In the order of the packet. */
enum s7_hdr6 { HDR6_HOP, HDR6_DST0, HDR6_ROUTE, HDR6_DST1, HDR6_COUNT };

#define HDR6_MAX 2048u /* bytes of a header: what its length field can say */
#define HDRS6_SETS 1024u
#define LEASES6 4096u
#define LEASES6_SOCK 32u /* of one socket, as Linux */

struct s7_hdrs6 {
	uint32_t refs;
	uint16_t len[HDR6_COUNT]; /* 0: none */
	uint8_t bytes[HDR6_COUNT * HDR6_MAX]; /* one behind the other */
};

/* A header's bytes wherever they are. */
struct s7_hdr6_at {
	const uint8_t *at;
	uint16_t len; /* 0: none */
};

/* Carves the slabs. 0, -ENOMEM. */
int hdrs6_inst_init(struct s7_inst *inst);
/*
 * A set with one reference. 0 with *ret_hdrs NULL when all are empty; -ENOBUFS; -EFAULT, a header
 * is no memory (of the program) any more.
 */
int hdrs6_make(struct s7_inst *inst, const struct s7_hdr6_at from[HDR6_COUNT],
	       struct s7_hdrs6 **ret_hdrs);
/* The same with one header changed; `old` stays. */
int hdrs6_change(struct s7_inst *inst, const struct s7_hdrs6 *old, enum s7_hdr6 which,
		 const struct s7_hdr6_at *to, struct s7_hdrs6 **ret_hdrs);
struct s7_hdrs6 *hdrs6_ref(struct s7_hdrs6 *hdrs);
void hdrs6_unref(struct s7_inst *inst, struct s7_hdrs6 *hdrs);

const uint8_t *hdrs6_at(const struct s7_hdrs6 *hdrs, enum s7_hdr6 which);

/* Bytes in front of a fragment header: RFC 3542 9 leaves out what has no routing header behind. */
static inline uint32_t hdrs6_before(const struct s7_hdrs6 *hdrs)
{
	uint32_t route = hdrs->len[HDR6_ROUTE];

	return hdrs->len[HDR6_HOP] + route + (route ? hdrs->len[HDR6_DST0] : 0u);
}

/* All that a packet with these carries. */
static inline uint32_t hdrs6_len(const struct s7_hdrs6 *hdrs)
{
	return hdrs ? hdrs6_before(hdrs) + hdrs->len[HDR6_DST1] : 0;
}

/* ... as Linux counts when it looks whether a datagram fits: the last of them twice. */
static inline uint32_t hdrs6_counted(const struct s7_hdrs6 *hdrs)
{
	return hdrs ? hdrs6_len(hdrs) + hdrs->len[HDR6_DST1] : 0;
}

/* Where a packet for `to` goes first: a routing header's next address, else `to`. */
struct s7_ip hdrs6_first(const struct s7_hdrs6 *hdrs, const struct s7_ip *to);

/* A flow label that a socket has leased of the kernel (IPV6_FLOWLABEL_MGR). */
struct s7_lease6 {
	struct s7_lease6 *next; /* the socket's */
	struct s7_hdrs6 *hdrs;	/* that go with it, or NULL */
	struct s7_ip dst;
	uint32_t label; /* network order */
	uint16_t linger_s;
	uint8_t share;
	s7_time expires;
};

/* The sockets's lease of a label (network order), or NULL. */
struct s7_lease6 *lease6_find(const struct s7_sock *sk, uint32_t label);
/* A new one, first of the socket's; it has sk->ext. NULL: none left. */
struct s7_lease6 *lease6_add(struct s7_sock *sk, uint32_t label);
void lease6_drop(struct s7_sock *sk, uint32_t label);
void lease6_drop_all(struct s7_sock *sk);

#endif
