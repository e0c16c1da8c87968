/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * csum.c - the Internet checksum, and the copy that computes it
 *
 * Idea: the sum of 16-bit words modulo 65535 equals the sum of 32-bit words modulo 65535, so 64
 * bytes a turn are split into 32-bit halves that are added up in 64-bit lanes: no carry can be lost
 * before 2^32 turns. Written with vector types that any compiler lowers to its SIMD (SSE2, NEON);
 * loads and stores through memcpy, so any alignment is legal. The tail goes through 8-, 4-, 2- and
 * 1-byte steps; a last odd byte counts as if a zero followed, in memory order on either endianness.
 * Context: none, pure. Called by: ip, icmp, udp, tcp, the copy loops of sk.c.
 */
#include "stack/wire/csum.h"

typedef uint64_t v2u64 __attribute__((vector_size(16)));

#define BLOCK 64

static inline v2u64 load(const uint8_t *p)
{
	v2u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline v2u64 halves(v2u64 v)
{
	return (v & 0xffffffffull) + (v >> 32);
}

static inline uint32_t fold64(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return csum_add((uint32_t)sum, (uint32_t)(sum >> 32));
}

/* Fewer than BLOCK bytes. */
static inline uint64_t sum_tail(const uint8_t *p, size_t len, uint64_t sum)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v8, p, 8);
		sum += (v8 & 0xffffffff) + (v8 >> 32);
	}
	if (len & 4) {
		memcpy(&v4, p, 4);
		sum += v4;
		p += 4;
	}
	if (len & 2) {
		memcpy(&v2, p, 2);
		sum += v2;
		p += 2;
	}
	if (len & 1) {
		v2 = 0;
		memcpy(&v2, p, 1);
		sum += v2;
	}
	return sum;
}

uint32_t csum_partial(const void *buf, size_t len, uint32_t sum)
{
	const uint8_t *p = buf;
	v2u64 a = { 0, 0 }, b = { 0, 0 };

	for (; len >= BLOCK; p += BLOCK, len -= BLOCK) {
		a += halves(load(p)) + halves(load(p + 16));
		b += halves(load(p + 32)) + halves(load(p + 48));
	}
	a += b;
	return fold64(sum_tail(p, len, (uint64_t)sum + fold64(a[0]) + fold64(a[1])));
}

uint32_t csum_copy(void *dst, const void *src, size_t len, uint32_t sum)
{
	const uint8_t *p = src;
	uint8_t *q = dst;
	v2u64 a = { 0, 0 }, b = { 0, 0 }, v[4];

	for (; len >= BLOCK; p += BLOCK, q += BLOCK, len -= BLOCK) {
		memcpy(v, p, BLOCK);
		memcpy(q, v, BLOCK);
		a += halves(v[0]) + halves(v[1]);
		b += halves(v[2]) + halves(v[3]);
	}
	a += b;
	sum = fold64((uint64_t)sum + fold64(a[0]) + fold64(a[1]));
	if (!len)
		return sum;
	memcpy(q, p, len);
	return fold64(sum_tail(q, len, sum));
}
