/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wire_csum.c - the fast checksum against the definition, at every length and alignment up to
 * some blocks */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "stack/wire/csum.h"

/* RFC 1071, literally: big-endian words, 32-bit sum, folded. */
static uint16_t naive(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum += (uint64_t)p[i] << (i & 1 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint16_t as_wire(uint16_t field)
{
	uint8_t b[2];

	memcpy(b, &field, 2);
	return (uint16_t)(b[0] << 8 | b[1]);
}

static void fill(uint8_t *buf, size_t len, unsigned int seed)
{
	size_t i;

	srand(seed);
	for (i = 0; i < len; i++)
		buf[i] = seed == 0 ? 0xff : seed == 1 ? 0 : (uint8_t)rand();
}

Test(wire_csum, equals_the_definition)
{
	static uint8_t buf[700], copy[700];
	unsigned int seed, at;
	size_t len;

	for (seed = 0; seed < 5; seed++) {
		fill(buf, sizeof(buf), seed);
		for (at = 0; at < 9; at++) {
			for (len = 0; len < 330; len++) {
				uint16_t want = naive(buf + at, len);

				cr_assert_eq(as_wire(csum_fold(csum_partial(buf + at, len, 0))),
					     want);
				memset(copy, 0x5a, sizeof(copy));
				cr_assert_eq(
					as_wire(csum_fold(csum_copy(copy + 3, buf + at, len, 0))),
					want);
				cr_assert_arr_eq(copy + 3, buf + at, len);
				cr_assert_eq(copy[3 + len], 0x5a);
			}
		}
	}
}

Test(wire_csum, carries_survive_large_buffers)
{
	size_t len = 1 << 20;
	uint8_t *buf = malloc(len);

	memset(buf, 0xff, len);
	cr_assert_eq(csum_fold(csum_partial(buf, len, 0xffffffff)), 0);
	fill(buf, len, 9);
	cr_assert_eq(as_wire(csum_fold(csum_partial(buf, len, 0))), naive(buf, len));
	free(buf);
}

Test(wire_csum, pieces_add_up_at_odd_offsets)
{
	uint8_t buf[257];
	size_t cut;

	fill(buf, sizeof(buf), 7);
	for (cut = 0; cut <= sizeof(buf); cut++) {
		uint32_t a = csum_partial(buf, cut, 0);
		uint32_t b = csum_partial(buf + cut, sizeof(buf) - cut, 0);

		cr_assert_eq(as_wire(csum_fold(csum_add_at(a, b, cut))), naive(buf, sizeof(buf)));
	}
}

Test(wire_csum, header_of_twenty_bytes)
{
	uint8_t buf[20];
	unsigned int seed;

	for (seed = 0; seed < 50; seed++) {
		fill(buf, sizeof(buf), seed);
		cr_assert_eq(csum_fold(csum_20(buf)), csum_fold(csum_partial(buf, 20, 0)));
	}
}
