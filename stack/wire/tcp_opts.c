// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_opts.c - TCP options between bytes and values (RFC 9293 3.2, RFC 7323, RFC 2018,
 * RFC 7413)
 *
 * Idea: the one layout that nearly every segment has (NOP NOP timestamps, 12 bytes) is recognised
 * by one comparison; everything else goes through a loop in which every turn consumes at least
 * one byte.
 * Invariants: nothing is read past `len`; a wrong length of a known option refuses the segment,
 * because a peer that cannot count cannot be believed; window scales above 14 are 14 (RFC 7323
 * 2.3).
 * Context: any. Called by: tcp_in.c, tcp_out.c, fuzz_tcp_opts.c.
 */
#include "stack/wire/tcp_opts.h"

#include <arpa/inet.h>
#include <errno.h>

#include "stack/wire/tcp_hdr.h"

enum {
	OPT_END,
	OPT_NOP,
	OPT_MSS,
	OPT_WSCALE,
	OPT_SACK_OK,
	OPT_SACK,
	OPT_TS = 8,
	OPT_FASTOPEN = 34,
	OPT_EXPERIMENT = 254,
};

#define FASTOPEN_MAGIC_HIGH 0xf9 /* the experiment's number, RFC 6994 */
#define FASTOPEN_MAGIC_LOW 0x89

#define WSCALE_MAX 14

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return ntohl(v);
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
	uint32_t v = htonl(value);

	memcpy(p, &v, 4);
	return p + 4;
}

static uint8_t *put4(uint8_t *p, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	p[0] = a;
	p[1] = b;
	p[2] = c;
	p[3] = d;
	return p + 4;
}

static int read_sacks(const uint8_t *p, uint32_t len, struct tcp_opts *opts)
{
	if (len < 8 || len % 8 || len > 8 * TCP_SACKS_MAX)
		return -EINVAL;
	opts->sack_count = (uint8_t)(len / 8);
	for (uint32_t i = 0; i < opts->sack_count; i++) {
		opts->sack[i].start = get32(p + 8 * i);
		opts->sack[i].end = get32(p + 8 * i + 4);
	}
	return 0;
}

/* RFC 7413 4.1.1; an odd or impossible length is as no option. */
static void read_cookie(const uint8_t *p, uint32_t len, uint8_t bits, struct tcp_opts *opts)
{
	if (len & 1 || len > TCPO_COOKIE_MAX || (len && len < TCPO_COOKIE_MIN))
		return;
	opts->cookie.len = (uint8_t)len;
	memcpy(opts->cookie.bytes, p, len);
	opts->bits |= bits;
}

/* One option of `len` bytes of content. */
static int read_one(uint8_t kind, const uint8_t *p, uint32_t len, bool syn, struct tcp_opts *opts)
{
	switch (kind) {
	case OPT_MSS:
		if (len != 2)
			return -EINVAL;
		if (!syn || !(p[0] | p[1]))
			return 0;
		opts->mss = (uint16_t)(p[0] << 8 | p[1]);
		opts->bits |= TCPO_MSS;
		return 0;
	case OPT_WSCALE:
		if (len != 1)
			return -EINVAL;
		opts->wscale = p[0] > WSCALE_MAX ? WSCALE_MAX : p[0];
		opts->bits |= syn ? TCPO_WSCALE : 0;
		return 0;
	case OPT_SACK_OK:
		if (len != 0)
			return -EINVAL;
		opts->bits |= syn ? TCPO_SACK_OK : 0;
		return 0;
	case OPT_SACK:
		return syn ? 0 : read_sacks(p, len, opts);
	case OPT_TS:
		if (len != 8)
			return -EINVAL;
		opts->ts_val = get32(p);
		opts->ts_ecr = get32(p + 4);
		opts->bits |= TCPO_TS;
		return 0;
	case OPT_FASTOPEN:
		if (syn)
			read_cookie(p, len, TCPO_FASTOPEN, opts);
		return 0;
	case OPT_EXPERIMENT:
		if (syn && len >= 2 && p[0] == FASTOPEN_MAGIC_HIGH && p[1] == FASTOPEN_MAGIC_LOW)
			read_cookie(p + 2, len - 2, TCPO_FASTOPEN | TCPO_FASTOPEN_EXP, opts);
		return 0;
	default:
		return 0;
	}
}

int tcp_opts_read(const uint8_t *bytes, uint32_t len, bool syn, struct tcp_opts *ret_opts)
{
	uint32_t at = 0;

	ret_opts->bits = 0;
	ret_opts->sack_count = 0;
	if (len == 12 && get32(bytes) == 0x0101080a) {
		ret_opts->ts_val = get32(bytes + 4);
		ret_opts->ts_ecr = get32(bytes + 8);
		ret_opts->bits = TCPO_TS;
		return 0;
	}
	while (at < len) {
		uint8_t kind = bytes[at];
		uint32_t size;

		if (kind == OPT_END)
			return 0;
		if (kind == OPT_NOP) {
			at++;
			continue;
		}
		if (len - at < 2)
			return -EINVAL;
		size = bytes[at + 1];
		if (size < 2 || size > len - at)
			return -EINVAL;
		if (read_one(kind, bytes + at + 2, size - 2, syn, ret_opts))
			return -EINVAL;
		at += size;
	}
	return 0;
}

/* Padded. */
static uint32_t cookie_len(const struct tcp_opts *opts)
{
	return (2u + (opts->bits & TCPO_FASTOPEN_EXP ? 2 : 0) + opts->cookie.len + 3) & ~3u;
}

static uint8_t *write_cookie(uint8_t *p, const struct tcp_opts *opts)
{
	uint8_t *end = p + cookie_len(opts);
	bool experiment = opts->bits & TCPO_FASTOPEN_EXP;

	*p++ = experiment ? OPT_EXPERIMENT : OPT_FASTOPEN;
	*p++ = (uint8_t)((experiment ? 4 : 2) + opts->cookie.len);
	if (experiment) {
		*p++ = FASTOPEN_MAGIC_HIGH;
		*p++ = FASTOPEN_MAGIC_LOW;
	}
	memcpy(p, opts->cookie.bytes, opts->cookie.len);
	for (p += opts->cookie.len; p < end; p++)
		*p = OPT_NOP;
	return end;
}

/* SACK-permitted and timestamps share their padding, so that the longest cookie fits too. */
#define SACK_AND_TS (TCPO_SACK_OK | TCPO_TS)

uint32_t tcp_opts_len(const struct tcp_opts *opts)
{
	uint32_t len = 0;

	len += opts->bits & TCPO_MSS ? 4 : 0;
	len += opts->bits & TCPO_WSCALE ? 4 : 0;
	len += opts->bits & TCPO_TS ? 12 : 0;
	len += (opts->bits & SACK_AND_TS) == TCPO_SACK_OK ? 4 : 0;
	len += opts->bits & TCPO_FASTOPEN ? cookie_len(opts) : 0;
	len += opts->sack_count ? 4 + 8u * opts->sack_count : 0;
	return len;
}

uint32_t tcp_opts_write(uint8_t *bytes, const struct tcp_opts *opts)
{
	uint8_t *p = bytes;

	if (opts->bits & TCPO_MSS)
		p = put4(p, OPT_MSS, 4, (uint8_t)(opts->mss >> 8), (uint8_t)opts->mss);
	if ((opts->bits & SACK_AND_TS) == TCPO_SACK_OK)
		p = put4(p, OPT_NOP, OPT_NOP, OPT_SACK_OK, 2);
	if (opts->bits & TCPO_TS) {
		if (opts->bits & TCPO_SACK_OK)
			p = put4(p, OPT_SACK_OK, 2, OPT_TS, 10);
		else
			p = put4(p, OPT_NOP, OPT_NOP, OPT_TS, 10);
		p = put32(p, opts->ts_val);
		p = put32(p, opts->ts_ecr);
	}
	if (opts->bits & TCPO_WSCALE)
		p = put4(p, OPT_NOP, OPT_WSCALE, 3, opts->wscale);
	if (opts->bits & TCPO_FASTOPEN)
		p = write_cookie(p, opts);
	if (opts->sack_count) {
		p = put4(p, OPT_NOP, OPT_NOP, OPT_SACK, (uint8_t)(2 + 8 * opts->sack_count));
		for (uint32_t i = 0; i < opts->sack_count; i++) {
			p = put32(p, opts->sack[i].start);
			p = put32(p, opts->sack[i].end);
		}
	}
	return (uint32_t)(p - bytes);
}
