/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * csum.h - the Internet checksum (RFC 1071)
 *
 * A partial sum is 32 bits, congruent modulo 65535 to the sum of the 16-bit words as they lie in
 * memory (no byte swapping: RFC 1071 2.B), so a folded sum is stored to the wire as it is, with
 * put/memcpy and never htons. A piece is summed as if it began at an even offset; csum_add_at()
 * places one that does not.
 */
#ifndef S7_CSUM_H
#define S7_CSUM_H

#include "stack/base/base.h"

/* Adds `len` bytes at any alignment to `sum`. */
uint32_t csum_partial(const void *buf, size_t len, uint32_t sum);

/* As csum_partial, copying the bytes to `dst` on the way. The ranges do not overlap. */
uint32_t csum_copy(void *dst, const void *src, size_t len, uint32_t sum);
/* As csum_copy from memory of the program's (stack/base/user.h): false when it is none. */
bool csum_copy_user(void *dst, const void *src, size_t len, uint32_t *sum);

/* Sum of two partial sums, end-around carry. */
static inline uint32_t csum_add(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	return sum + (sum < b);
}

/* Adds the sum of a piece that lies `offset` bytes after the start of what `sum` covers. */
static inline uint32_t csum_add_at(uint32_t sum, uint32_t piece, size_t offset)
{
	return csum_add(sum, offset & 1 ? piece << 8 | piece >> 24 : piece);
}

/* 16 bits congruent to the sum, not complemented: what a TX offload wants, and 0xffff (or 0) over
 * good data. */
static inline uint16_t csum_fold16(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The checksum field: complement of the folded sum. 0 when summed over data that holds a right
 * checksum. */
static inline uint16_t csum_fold(uint32_t sum)
{
	return (uint16_t)~csum_fold16(sum);
}

/* An IPv4 header without options, inlined for the fast path. */
static inline uint32_t csum_20(const void *buf)
{
	uint64_t a, b, sum;
	uint32_t c;

	memcpy(&a, buf, 8);
	memcpy(&b, (const char *)buf + 8, 8);
	memcpy(&c, (const char *)buf + 16, 4);
	sum = (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32) + c;
	return csum_add((uint32_t)sum, (uint32_t)(sum >> 32));
}

#endif
