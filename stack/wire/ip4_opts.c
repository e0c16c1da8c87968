/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip4_opts.c - IPv4 options: which are right, what is recorded in them, what answers them
 *
 * Idea: one walk for what a program gives and for what arrives; each option that has a meaning has
 * a row with its check, which tells the byte that is wrong. Addresses and times are put in before
 * a pointer that has moved already, so that writing needs the pointer and three bits alone.
 * Total: every turn of the walk consumes at least one byte and nothing reads or writes beyond the
 * option; what follows the end of the list becomes zero.
 * Context: none, pure. Called by: stack/ip/ip4_opts.c, stack/sock.
 */
#include "stack/wire/ip4_opts.h"

#include <errno.h>
#include <string.h>

enum option {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_RR = 7,
	OPT_TS = 68,
	OPT_LSRR = 131,
	OPT_CIPSO = 134,
	OPT_SSRR = 137,
	OPT_ALERT = 148,
	OPT_COPIED = 0x80, /* a bit: in every fragment */
};

enum ts_kind { TS_ONLY = 0, TS_AND_ADDR = 1, TS_PRESPEC = 3 };
#define TS_KIND 0x0f
#define TS_LOST_MAX 15

#define FINE 0xff /* no byte of the option is wrong */
#define ADDR 4	  /* bytes of an address, or of a time */
#define CIPSO_LEAST 8

struct walk {
	struct s7_ip4_opts *opts;
	uint8_t *base; /* of the options */
	bool received;
	const struct ip4_opts_host *host;
};

/* As the header counts: an option of it is never at 0. */
static uint8_t place(const struct walk *w, const uint8_t *p)
{
	return (uint8_t)(p - w->base + IP4_LEN);
}

/* ---- one option at p, p[1] its length; FINE, or which byte is wrong ---- */

static uint8_t source_route(struct walk *w, uint8_t *p)
{
	uint8_t len = p[1];

	if (len < 3)
		return 1;
	if (p[2] < 4)
		return 2;
	if (w->opts->srr)
		return 0;
	if (!w->received) {
		if (p[2] != 4 || len < 7 || (len - 3) % ADDR)
			return 1;
		memcpy(&w->opts->first, p + 3, ADDR);
		memmove(p + 3, p + 7, len - 7u);
	}
	w->opts->bits |= p[0] == OPT_SSRR ? IP4O_STRICT : 0;
	w->opts->srr = place(w, p);
	return FINE;
}

static uint8_t record_route(struct walk *w, uint8_t *p)
{
	if (w->opts->rr)
		return 0;
	if (p[1] < 3)
		return 1;
	if (p[2] < 4)
		return 2;
	if (p[2] <= p[1]) {
		if (p[2] + 3 > p[1])
			return 2;
		if (w->received)
			memcpy(p + p[2] - 1, &w->host->own, ADDR);
		p[2] = (uint8_t)(p[2] + ADDR);
		w->opts->bits |= IP4O_RR_ADDR;
	}
	w->opts->rr = place(w, p);
	return FINE;
}

static void record_time(const struct walk *w, uint8_t *p)
{
	if (w->received)
		memcpy(p, &w->host->time, ADDR);
}

/* There is room at the pointer. */
static uint8_t stamp(struct walk *w, uint8_t *p)
{
	uint8_t *at = p + p[2] - 1, kind = p[3] & TS_KIND;
	uint32_t addr;

	if (kind == TS_ONLY) {
		record_time(w, at);
		w->opts->bits |= IP4O_TS_TIME;
		p[2] = (uint8_t)(p[2] + ADDR);
		return FINE;
	}
	if (kind != TS_AND_ADDR && kind != TS_PRESPEC)
		return w->received || w->host->privileged ? FINE : 3;
	if (p[2] + 7 > p[1])
		return 2;
	memcpy(&addr, at, ADDR);
	if (kind == TS_PRESPEC && w->host->is_peer(w->host->ctx, addr))
		return FINE; /* not our turn */
	if (kind == TS_AND_ADDR) {
		if (w->received)
			memcpy(at, &w->host->own, ADDR);
		w->opts->bits |= IP4O_TS_ADDR;
	}
	record_time(w, at + ADDR);
	w->opts->bits |= IP4O_TS_TIME;
	p[2] = (uint8_t)(p[2] + 2 * ADDR);
	return FINE;
}

/* All slots are taken: it is counted how many hosts found it so. */
static uint8_t stamp_full(const struct walk *w, uint8_t *p)
{
	uint8_t lost = p[3] >> 4;

	if ((p[3] & TS_KIND) == TS_PRESPEC)
		return FINE;
	if (lost == TS_LOST_MAX)
		return 3;
	if (w->received)
		p[3] = (uint8_t)((p[3] & TS_KIND) | (lost + 1) << 4);
	return FINE;
}

static uint8_t timestamps(struct walk *w, uint8_t *p)
{
	uint8_t wrong;

	if (w->opts->ts)
		return 0;
	if (p[1] < 4)
		return 1;
	if (p[2] < 5)
		return 2;
	if (p[2] > p[1])
		wrong = stamp_full(w, p);
	else
		wrong = p[2] + 3 > p[1] ? 2 : stamp(w, p);
	if (wrong == FINE)
		w->opts->ts = place(w, p);
	return wrong;
}

static uint8_t router_alert(struct walk *w, uint8_t *p)
{
	if (p[1] < 4)
		return 1;
	w->opts->bits |= !p[2] && !p[3] ? IP4O_ALERT : 0;
	return FINE;
}

/*
 * A label (FIPS 188) of a domain that nobody here knows: what Linux says until one is configured.
 */
static uint8_t cipso(struct walk *w, uint8_t *p)
{
	if ((!w->received && !w->host->privileged) || w->opts->cipso)
		return 0;
	w->opts->cipso = place(w, p);
	return p[1] < CIPSO_LEAST ? 1 : 2;
}

/* ---- all of them ---- */

static uint8_t one_option(struct walk *w, uint8_t *p)
{
	static const struct {
		uint8_t type;
		uint8_t (*check)(struct walk *w, uint8_t *p);
	} known[] = {
		{ OPT_RR, record_route },   { OPT_TS, timestamps },	 { OPT_LSRR, source_route },
		{ OPT_SSRR, source_route }, { OPT_ALERT, router_alert }, { OPT_CIPSO, cipso },
	};

	for (size_t i = 0; i < S7_ARRAY_LEN(known); i++)
		if (known[i].type == p[0])
			return known[i].check(w, p);
	return w->received || w->host->privileged ? FINE : 0;
}

/* 0, or where in the header the wrong byte is. */
static uint8_t walk_options(struct walk *w, uint32_t len)
{
	uint8_t *p = w->base, *end = p + len, wrong;

	while (p < end) {
		if (*p == OPT_END) {
			memset(p, OPT_END, (size_t)(end - p));
			return 0;
		}
		if (*p == OPT_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return place(w, p);
		wrong = one_option(w, p);
		if (wrong != FINE)
			return (uint8_t)(place(w, p) + wrong);
		p += p[1];
	}
	return 0;
}

int ip4_opts_take(struct s7_ip4_opts *ret_opts, const void *bytes, uint32_t len,
		  const struct ip4_opts_host *host)
{
	struct s7_ip4_opts opts = { .len = (uint8_t)((len + 3) & ~3u) };
	struct walk w = { .opts = &opts, .base = opts.bytes, .host = host };

	if (len > IP4_OPTS_MAX)
		return -EINVAL;
	memcpy(opts.bytes, bytes, len);
	if (walk_options(&w, opts.len))
		return -EINVAL;
	*ret_opts = opts;
	return 0;
}

uint8_t ip4_opts_read(struct s7_ip4_opts *ret_opts, uint8_t *p, uint32_t hdr_len,
		      const struct ip4_opts_host *host)
{
	struct walk w = { .opts = ret_opts, .base = p + IP4_LEN, .received = true, .host = host };
	uint8_t wrong;

	memset(ret_opts, 0, sizeof(*ret_opts));
	ret_opts->len = (uint8_t)(hdr_len - IP4_LEN);
	wrong = walk_options(&w, ret_opts->len);
	memcpy(ret_opts->bytes, p + IP4_LEN, ret_opts->len);
	return wrong;
}

/* ---- answering ---- */

/* at: offset in the header (never 0: the option is there) */
static const uint8_t *option_at(const struct s7_ip4_opts *opts, uint8_t at)
{
	return opts->bytes + (at - IP4_LEN);
}

/* A copy at the end of what is there so far. */
static uint8_t *append(struct s7_ip4_opts *opts, const uint8_t *option, uint8_t *ret_at)
{
	uint8_t *p = opts->bytes + opts->len;

	memcpy(p, option, option[1]);
	*ret_at = (uint8_t)(IP4_LEN + opts->len);
	opts->len = (uint8_t)(opts->len + option[1]);
	return p;
}

static int echo_route(struct s7_ip4_opts *ret, const struct s7_ip4_opts *opts)
{
	uint8_t *p = append(ret, option_at(opts, opts->rr), &ret->rr);

	if (!(opts->bits & IP4O_RR_ADDR) || p[2] > p[1])
		return 0;
	if (p[2] + 3 > p[1])
		return -EINVAL;
	p[2] = (uint8_t)(p[2] + ADDR);
	ret->bits |= IP4O_RR_ADDR;
	return 0;
}

/* Whose address comes next, when the addresses were given? */
static bool next_is_ours(const uint8_t *p, uint32_t pointer, const struct ip4_opts_host *host)
{
	uint32_t addr;

	if (pointer + 7 > p[1])
		return false;
	memcpy(&addr, p + pointer - 1, ADDR);
	return !host->is_peer(host->ctx, addr);
}

static int echo_times(struct s7_ip4_opts *ret, const struct s7_ip4_opts *opts,
		      const struct ip4_opts_host *host)
{
	uint8_t *p = append(ret, option_at(opts, opts->ts), &ret->ts);
	uint32_t pointer = p[2];

	if (pointer > p[1])
		return 0;
	if (opts->bits & IP4O_TS_ADDR) {
		if (pointer + 3 > p[1])
			return -EINVAL;
		ret->bits |= IP4O_TS_ADDR;
		pointer += ADDR;
	}
	if (opts->bits & IP4O_TS_TIME) {
		if (pointer + 3 > p[1])
			return -EINVAL;
		if ((p[3] & TS_KIND) != TS_PRESPEC) {
			ret->bits |= IP4O_TS_TIME;
			pointer += ADDR;
		} else if (next_is_ours(p, pointer, host)) {
			ret->bits |= IP4O_TS_TIME;
			pointer += 2 * ADDR;
		}
	}
	p[2] = (uint8_t)pointer;
	return 0;
}

/* The hops that were taken, the last one first; the sender itself is none (RFC 1122). */
static void echo_source_route(struct s7_ip4_opts *ret, const struct s7_ip4_opts *opts, uint32_t src)
{
	const uint8_t *from = option_at(opts, opts->srr);
	uint32_t taken = s7_min(from[2] - 1u, from[1]), hops = taken > 3 ? (taken - 3) / ADDR : 0;
	uint8_t *p = ret->bytes + ret->len;

	if (!hops)
		return;
	memcpy(&ret->first, from + 3 + (hops - 1) * ADDR, ADDR);
	for (uint32_t i = 0; i + 1 < hops; i++)
		memcpy(p + 3 + i * ADDR, from + 3 + (hops - 2 - i) * ADDR, ADDR);
	if (!memcmp(&src, from + 3, ADDR))
		hops--;
	if (!hops)
		return;
	p[0] = from[0];
	p[1] = (uint8_t)(3 + hops * ADDR);
	p[2] = 4;
	ret->srr = (uint8_t)(IP4_LEN + ret->len);
	ret->len = (uint8_t)(ret->len + p[1]);
	ret->bits |= opts->bits & IP4O_STRICT;
}

int ip4_opts_echo(struct s7_ip4_opts *ret_opts, const struct s7_ip4_opts *opts, uint32_t src,
		  const struct ip4_opts_host *host)
{
	int err = 0;

	memset(ret_opts, 0, sizeof(*ret_opts));
	if (opts->rr)
		err = echo_route(ret_opts, opts);
	if (!err && opts->ts)
		err = echo_times(ret_opts, opts, host);
	if (err)
		return err;
	if (opts->srr)
		echo_source_route(ret_opts, opts, src);
	if (opts->cipso)
		append(ret_opts, option_at(opts, opts->cipso), &ret_opts->cipso);
	ret_opts->len = (uint8_t)((ret_opts->len + 3) & ~3);
	return 0;
}

/* ---- as a program sees them ---- */

static void undo_slot(uint8_t *p)
{
	p[2] = (uint8_t)(p[2] - ADDR);
	memset(p + p[2] - 1, 0, ADDR);
}

void ip4_opts_undo(struct s7_ip4_opts *opts)
{
	uint8_t *p;

	if (opts->srr) {
		p = opts->bytes + (opts->srr - IP4_LEN);
		memmove(p + 7, p + 3, p[1] - 7u);
		memcpy(p + 3, &opts->first, ADDR);
	}
	if (opts->bits & IP4O_RR_ADDR)
		undo_slot(opts->bytes + (opts->rr - IP4_LEN));
	if (opts->bits & IP4O_TS_TIME) {
		p = opts->bytes + (opts->ts - IP4_LEN);
		undo_slot(p);
		if ((p[3] & TS_KIND) == TS_PRESPEC)
			p[2] = (uint8_t)(p[2] - ADDR);
	}
	if (opts->bits & IP4O_TS_ADDR)
		undo_slot(opts->bytes + (opts->ts - IP4_LEN));
}

/* ---- on the wire ---- */

void ip4_opts_write(uint8_t *p, const struct s7_ip4_opts *opts, uint32_t to,
		    const struct ip4_opts_host *host)
{
	uint8_t *rr = p + opts->rr, *ts = p + opts->ts, *srr = p + opts->srr;

	memcpy(p + IP4_LEN, opts->bytes, opts->len);
	if (opts->srr)
		memcpy(srr + srr[1] - ADDR, &to, ADDR);
	if (opts->bits & IP4O_RR_ADDR)
		memcpy(rr + rr[2] - 1 - ADDR, &host->own, ADDR);
	if (opts->bits & IP4O_TS_ADDR)
		memcpy(ts + ts[2] - 1 - 2 * ADDR, &host->own, ADDR);
	if (opts->bits & IP4O_TS_TIME)
		memcpy(ts + ts[2] - 1 - ADDR, &host->time, ADDR);
}

void ip4_opts_fragment(uint8_t *p, uint32_t len)
{
	uint8_t *end = p + len;

	while (p < end && *p != OPT_END) {
		uint32_t here = 1;

		if (*p != OPT_NOP) {
			if (end - p < 2 || p[1] < 2 || p[1] > end - p)
				return;
			here = p[1];
			if (!(*p & OPT_COPIED))
				memset(p, OPT_NOP, here);
		}
		p += here;
	}
}
