/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wire_ip4_opts.c - IPv4 options: what is refused and where, recorded, answered */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "stack/wire/ip4_opts.h"

#define OWN 0x0100000au /* 10.0.0.1, 10.0.0.2, network order */
#define PEER 0x0200000au

static bool is_peer(const void *ctx, uint32_t be_addr)
{
	(void)ctx;
	return be_addr != OWN;
}

static const struct ip4_opts_host host = { .own = OWN, .time = 0x04030201, .is_peer = is_peer };
static const struct ip4_opts_host root = { .own = OWN, .time = 0x04030201, .is_peer = is_peer,
					   .privileged = true };

struct sample {
	uint8_t bytes[16];
	uint8_t len;
	int take, take_root;
	uint8_t wrong; /* received: where in the header */
};

static const struct sample samples[] = {
	{ { 1, 1, 1, 0 }, 4, 0, 0, 0 },
	{ { 0, 9, 9, 9 }, 4, 0, 0, 0 },
	{ { 1, 1, 1, 7 }, 4, -EINVAL, -EINVAL, 23 },
	{ { 7, 1, 0, 0 }, 4, -EINVAL, -EINVAL, 20 },
	{ { 7, 5, 4, 0 }, 4, -EINVAL, -EINVAL, 20 },
	{ { 1, 7, 2, 0 }, 4, -EINVAL, -EINVAL, 22 },
	{ { 7, 7, 3, 0, 0, 0, 0, 0 }, 8, -EINVAL, -EINVAL, 22 },
	{ { 7, 7, 6, 0, 0, 0, 0, 0 }, 8, -EINVAL, -EINVAL, 22 },
	{ { 7, 7, 8, 0, 0, 0, 0, 0 }, 8, 0, 0, 0 },
	{ { 7, 3, 4, 7, 3, 4, 0, 0 }, 8, -EINVAL, -EINVAL, 23 },
	{ { 68, 3, 5, 0 }, 4, -EINVAL, -EINVAL, 21 },
	{ { 68, 8, 4, 0, 0, 0, 0, 0 }, 8, -EINVAL, -EINVAL, 22 },
	{ { 68, 8, 5, 0, 0, 0, 0, 0 }, 8, 0, 0, 0 },
	{ { 68, 8, 5, 1, 0, 0, 0, 0 }, 8, -EINVAL, -EINVAL, 22 },
	{ { 68, 8, 5, 2, 0, 0, 0, 0 }, 8, -EINVAL, 0, 0 },
	{ { 68, 4, 5, 0xf0 }, 4, -EINVAL, -EINVAL, 23 },
	{ { 131, 3, 4, 0 }, 4, -EINVAL, -EINVAL, 0 },
	{ { 131, 3, 3, 0 }, 4, -EINVAL, -EINVAL, 22 },
	{ { 131, 7, 4, 10, 0, 0, 2, 137, 3, 4, 0, 0 }, 12, -EINVAL, -EINVAL, 27 },
	{ { 148, 4, 0, 0 }, 4, 0, 0, 0 },
	{ { 148, 3, 0, 0 }, 4, -EINVAL, -EINVAL, 21 },
	{ { 134, 10, 0, 0, 0, 1, 1, 4, 0, 1 }, 10, -EINVAL, -EINVAL, 22 },
	{ { 85, 4, 0, 0 }, 4, -EINVAL, 0, 0 },
};

/* A header with options in memory that ends where they do. */
static uint8_t *header(const uint8_t *bytes, uint32_t len)
{
	uint32_t padded = (len + 3) & ~3u;
	uint8_t *p = calloc(1, IP4_LEN + padded);

	memcpy(p + IP4_LEN, bytes, len);
	return p;
}

Test(wire_ip4_opts, what_is_refused_and_where)
{
	for (uint32_t i = 0; i < S7_ARRAY_LEN(samples); i++) {
		const struct sample *s = &samples[i];
		uint8_t *p = header(s->bytes, s->len);
		struct s7_ip4_opts opts;

		cr_assert_eq(ip4_opts_take(&opts, s->bytes, s->len, &host), s->take, "%u", i);
		cr_assert_eq(ip4_opts_take(&opts, s->bytes, s->len, &root), s->take_root, "%u", i);
		cr_assert_eq(ip4_opts_read(&opts, p, IP4_LEN + ((s->len + 3u) & ~3u), &host),
			     s->wrong, "case %u", i);
		free(p);
	}
}

Test(wire_ip4_opts, any_bytes_end)
{
	uint8_t bytes[IP4_OPTS_MAX];
	struct s7_ip4_opts opts, back;

	srandom(4711);
	for (uint32_t i = 0; i < 200000; i++) {
		static const uint8_t starts[] = { 7, 68, 131, 137, 134, 148, 1, 0 };
		uint32_t len = 4 + 4 * (uint32_t)(random() % 10);
		uint8_t *p;

		for (uint32_t at = 0; at < len; at++)
			bytes[at] = (uint8_t)(random() % 41);
		bytes[0] = starts[random() % 8];
		p = header(bytes, len);
		if (!ip4_opts_read(&opts, p, IP4_LEN + len, &host) &&
		    !ip4_opts_echo(&back, &opts, PEER, &host)) {
			uint8_t out[IP4_LEN + IP4_OPTS_MAX];

			cr_assert(back.len <= len && back.len % 4 == 0);
			ip4_opts_write(out, &back, PEER, &host);
			ip4_opts_fragment(out + IP4_LEN, back.len);
			ip4_opts_undo(&back);
		}
		if (!ip4_opts_take(&opts, bytes, len, &root)) {
			ip4_opts_undo(&opts);
			cr_assert_eq(opts.len, len);
		}
		free(p);
	}
}

Test(wire_ip4_opts, a_route_is_recorded_on_all_ways)
{
	static const uint8_t asked[] = { 7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t p[IP4_LEN + 16] = { 0 };
	struct s7_ip4_opts opts, back;
	struct ip4_opts_host there = host;

	cr_assert_eq(ip4_opts_take(&opts, asked, sizeof(asked), &host), 0);
	ip4_opts_write(p, &opts, PEER, &host);
	cr_assert(p[22] == 8 && !memcmp(p + 23, &host.own, 4));
	there.own = PEER;
	cr_assert_eq(ip4_opts_read(&opts, p, sizeof(p), &there), 0);
	cr_assert(p[22] == 12 && !memcmp(p + 27, &there.own, 4));
	cr_assert_eq(ip4_opts_echo(&back, &opts, OWN, &there), 0);
	ip4_opts_write(p, &back, OWN, &there);
	cr_assert(p[22] == 16 && !memcmp(p + 31, &there.own, 4));
	ip4_opts_undo(&back);
	cr_assert(back.bytes[2] == 12 && !back.bytes[11]);
	/* it is full: nobody adds anything */
	cr_assert_eq(ip4_opts_read(&opts, p, sizeof(p), &host), 0);
	cr_assert(p[22] == 16 && !(opts.bits & IP4O_RR_ADDR));
	cr_assert_eq(ip4_opts_echo(&back, &opts, PEER, &host), 0);
	cr_assert_eq(back.bits, 0);
}

Test(wire_ip4_opts, times)
{
	static const uint8_t both[] = { 68, 20, 5, 1 }, given[] = { 68, 12, 5, 3, 10, 0, 0, 1 };
	uint8_t bytes[20] = { 0 }, p[IP4_LEN + 20] = { 0 };
	struct s7_ip4_opts opts, back;

	memcpy(bytes, both, sizeof(both));
	cr_assert_eq(ip4_opts_take(&opts, bytes, 20, &host), 0);
	ip4_opts_write(p, &opts, PEER, &host);
	cr_assert(p[22] == 13 && !memcmp(p + 24, &host.own, 4) && !memcmp(p + 28, &host.time, 4));
	cr_assert_eq(ip4_opts_read(&opts, p, sizeof(p), &host), 0);
	cr_assert(p[22] == 21 && !memcmp(p + 36, &host.time, 4));
	cr_assert_eq(ip4_opts_echo(&back, &opts, PEER, &host), 0); /* no room left: as it is */
	cr_assert(!back.bits && back.bytes[2] == 21);
	ip4_opts_undo(&opts);
	cr_assert(opts.bytes[2] == 13);

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, given, sizeof(given));
	cr_assert_eq(ip4_opts_take(&opts, bytes, 12, &host), 0);
	cr_assert(opts.bits == IP4O_TS_TIME && opts.bytes[2] == 13);
	ip4_opts_undo(&opts);
	cr_assert_arr_eq(opts.bytes, bytes, 12);
	bytes[7] = 9; /* somebody else's turn */
	cr_assert_eq(ip4_opts_take(&opts, bytes, 12, &host), 0);
	cr_assert(!opts.bits && opts.bytes[2] == 5);

	bytes[2] = 13; /* full: who found no room is counted, but not here, where turns are given */
	memset(p, 0, sizeof(p));
	memcpy(p + IP4_LEN, bytes, 12);
	p[23] = 0x20;
	cr_assert_eq(ip4_opts_read(&opts, p, IP4_LEN + 12, &host), 0);
	cr_assert_eq(p[23], 0x30);
}

Test(wire_ip4_opts, source_routes_leave_by_their_first_hop_and_come_back_turned_round)
{
	static const uint8_t via[] = { 131, 11, 4, 10, 0, 0, 5, 10, 0, 0, 6 };
	/* as it arrives: sender 10.0.0.2 and two routers stand in it, all hops are taken */
	uint8_t p[IP4_LEN + 16] = { [20] = 137, 15, 16, 10, 0, 0, 2, 10, 0, 0, 6, 10, 0, 0, 5 };
	struct s7_ip4_opts opts, back;
	uint8_t out[IP4_LEN + 12] = { 0 };
	uint32_t to = PEER;

	cr_assert_eq(ip4_opts_take(&opts, via, sizeof(via), &host), 0);
	cr_assert(opts.first == htonl(0x0a000005) && !(opts.bits & IP4O_STRICT));
	ip4_opts_write(out, &opts, to, &host);
	cr_assert(out[22] == 4 && !memcmp(out + 23, "\x0a\0\0\6", 4) && !memcmp(out + 27, &to, 4));
	ip4_opts_undo(&opts);
	cr_assert_arr_eq(opts.bytes, via, sizeof(via));

	cr_assert_eq(ip4_opts_read(&opts, p, sizeof(p), &host), 0);
	cr_assert_eq(ip4_opts_echo(&back, &opts, PEER, &host), 0);
	cr_assert(back.bits & IP4O_STRICT && back.first == htonl(0x0a000005));
	cr_assert(back.srr == IP4_LEN && back.len == 12 && back.bytes[1] == 11);
	cr_assert(!memcmp(back.bytes + 3, "\x0a\0\0\6", 4));
	/* from somebody who is no hop of it, all three are */
	cr_assert_eq(ip4_opts_echo(&back, &opts, htonl(0x0a000009), &host), 0);
	cr_assert_eq(back.bytes[1], 15);
}

Test(wire_ip4_opts, an_option_at_the_end_of_the_longest_header)
{
	uint8_t p[IP4_LEN + IP4_OPTS_MAX] = { 0 }, *option = p + sizeof(p) - 8;
	struct s7_ip4_opts opts, back;

	memset(p + IP4_LEN, 1, IP4_OPTS_MAX);
	memcpy(option, "\x07\x07\x04\x0a\0\0\x09", 7);
	cr_assert_eq(ip4_opts_read(&opts, p, sizeof(p), &host), 0);
	cr_assert_eq(opts.rr, sizeof(p) - 8);
	cr_assert_eq(ip4_opts_echo(&back, &opts, PEER, &host), 0);
	cr_assert(back.rr == IP4_LEN && back.bytes[0] == 7 && back.bytes[1] == 7);
}

Test(wire_ip4_opts, fragments_have_what_is_to_be_copied)
{
	uint8_t p[16] = { 7, 3, 4, 148, 4, 0, 0, 68, 4, 5, 0, 0, 9, 9, 9, 9 };

	ip4_opts_fragment(p, sizeof(p));
	cr_assert_arr_eq(p, "\1\1\1\x94\4\0\0\1\1\1\1\0\x09\x09\x09\x09", sizeof(p));
}
