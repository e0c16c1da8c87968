/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip4_opts.h - the options of an IPv4 header (RFC 791 3.1): a value, how it is read, written and
 * answered
 *
 * The rules, and the order of the refusals, are Linux's. Context: none, pure.
 */
#ifndef S7_IP4_OPTS_H
#define S7_IP4_OPTS_H

#include "stack/wire/ip4.h"

#define IP4_OPTS_MAX 40

enum ip4_opts_bits {
	IP4O_RR_ADDR = 1 << 0, /* who passes it on records its address before RR's pointer */
	IP4O_TS_ADDR = 1 << 1, /* ... before that of the time stamps */
	IP4O_TS_TIME = 1 << 2, /* ... and the time */
	IP4O_STRICT = 1 << 3,  /* the source route names every hop */
	IP4O_ALERT = 1 << 4,   /* router alert (RFC 2113) */
};

/*
 * `rr`, `ts`, `srr` and `cipso` tell where in the header an option begins, 0: there is none. The
 * pointers in `bytes` have moved on already, past what the bits promise. A source route that a
 * program gave lacks its first hop, which is `first`; its last slot is free for the destination.
 */
struct s7_ip4_opts {
	uint8_t len; /* of bytes, a multiple of 4 */
	uint8_t bits; /* enum ip4_opts_bits */
	uint8_t rr, ts, srr, cipso;
	uint32_t first; /* network order; with a source route that shall be sent */
	uint8_t bytes[IP4_OPTS_MAX];
};

/* Who reads or writes them. */
struct ip4_opts_host {
	uint32_t own;  /* the address to be recorded, network order */
	uint32_t time; /* ms since midnight UT */
	/* A unicast address that is not this host's? */
	bool (*is_peer)(const void *ctx, uint32_t be_addr);
	const void *ctx;
	bool privileged; /* a program that may send any option (CAP_NET_RAW) */
};

/* What a program wants to send. 0, -EINVAL. */
int ip4_opts_take(struct s7_ip4_opts *ret_opts, const void *bytes, uint32_t len,
		  const struct ip4_opts_host *host);

/*
 * Options that came in, behind a header of IP4_LEN bytes at p: records address and time there as
 * asked for, and copies. 0, or where in the header the byte is that is wrong (RFC 792's pointer).
 */
uint8_t ip4_opts_read(struct s7_ip4_opts *ret_opts, uint8_t *p, uint32_t hdr_len,
		      const struct ip4_opts_host *host);

/*
 * The options of an answer to a packet from `src` that had `opts`: routes are recorded on, source
 * routes turned round (RFC 1122 3.2.1.8). 0, -EINVAL: it cannot be answered.
 */
int ip4_opts_echo(struct s7_ip4_opts *ret_opts, const struct s7_ip4_opts *opts, uint32_t src,
		  const struct ip4_opts_host *host);

/* As a program gave them, or would. */
void ip4_opts_undo(struct s7_ip4_opts *opts);

/* Writes them behind a header, for a packet that finally goes to `to`. */
void ip4_opts_write(uint8_t *p, const struct s7_ip4_opts *opts, uint32_t to,
		    const struct ip4_opts_host *host);

/* What only the first fragment has becomes padding. */
void ip4_opts_fragment(uint8_t *p, uint32_t len);

#endif
