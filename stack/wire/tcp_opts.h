/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_opts.h - TCP options between bytes and values: MSS, window scale, SACK, timestamps, Fast Open
 *
 * Pure and total. An option of unknown kind is skipped, a malformed one refuses the segment.
 */
#ifndef S7_WIRE_TCP_OPTS_H
#define S7_WIRE_TCP_OPTS_H

#include "stack/base/base.h"

#define TCP_SACKS_MAX 4
#define TCPO_COOKIE_MIN 4 /* RFC 7413 4.1.1 */
#define TCPO_COOKIE_MAX 16

enum tcp_opt_bits {
	TCPO_MSS = 1 << 0,
	TCPO_WSCALE = 1 << 1,
	TCPO_SACK_OK = 1 << 2,
	TCPO_TS = 1 << 3,
	TCPO_FASTOPEN = 1 << 4,	    /* a cookie, or the wish for one */
	TCPO_FASTOPEN_EXP = 1 << 5, /* ... as the experimental option (kind 254) */
};

/* Of Fast Open; len 0: asked for. */
struct tcp_cookie {
	uint8_t len;
	uint8_t bytes[TCPO_COOKIE_MAX];
};

struct tcp_sack {
	uint32_t start, end; /* [start, end) */
};

/* Fields are valid only when their bit (or sack_count) says so. */
struct tcp_opts {
	uint8_t bits; /* enum tcp_opt_bits */
	uint8_t wscale;
	uint8_t sack_count;
	uint16_t mss;
	uint32_t ts_val, ts_ecr;
	struct tcp_sack sack[TCP_SACKS_MAX];
	struct tcp_cookie cookie; /* with TCPO_FASTOPEN */
};

/*
 * Reads `len` bytes of options. `syn`: MSS, window scale, SACK-permitted and cookies count only on
 * a SYN. 0 or -EINVAL.
 */
int tcp_opts_read(const uint8_t *bytes, uint32_t len, bool syn, struct tcp_opts *ret_opts);

/* Writes options padded to a multiple of four; returns their length. What a SYN or an ACK carries
 * is at most TCP_OPTS_MAX. */
uint32_t tcp_opts_write(uint8_t *bytes, const struct tcp_opts *opts);

/* What tcp_opts_write will need. */
uint32_t tcp_opts_len(const struct tcp_opts *opts);

#endif
