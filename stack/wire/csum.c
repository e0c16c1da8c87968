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

#include "stack/base/user.h"

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

#ifdef __x86_64__

/* BLOCK bytes from memory that may not be there. */
static inline bool load_user(v2u64 v[4], const uint8_t *p)
{
	v2u64 a, b, c, d;

	__asm__ volatile goto("1: movdqu (%4), %0\n"
		     "2: movdqu 16(%4), %1\n"
		     "3: movdqu 32(%4), %2\n"
		     "4: movdqu 48(%4), %3\n"
		     USER_ROW(1, fault) USER_ROW(2, fault) USER_ROW(3, fault) USER_ROW(4, fault)
		     : "=&x"(a), "=&x"(b), "=&x"(c), "=&x"(d)
		     : "r"(p)
		     : "memory"
		     : fault);
	v[0] = a;
	v[1] = b;
	v[2] = c;
	v[3] = d;
	return true;
fault:
	return false;
}

#else

static inline bool load_user(v2u64 v[4], const uint8_t *p)
{
	memcpy(v, p, BLOCK);
	return true;
}

#endif

bool csum_copy_user(void *dst, const void *src, size_t len, uint32_t *ret_sum)
{
	const uint8_t *p = src;
	uint8_t *q = dst;
	v2u64 a = { 0, 0 }, b = { 0, 0 }, v[4];

	for (; len >= BLOCK; p += BLOCK, q += BLOCK, len -= BLOCK) {
		if (s7_unlikely(!load_user(v, p)))
			return false;
		memcpy(q, v, BLOCK);
		a += halves(v[0]) + halves(v[1]);
		b += halves(v[2]) + halves(v[3]);
	}
	a += b;
	if (s7_unlikely(!user_copy(q, p, len)))
		return false;
	*ret_sum = fold64(sum_tail(q, len, (uint64_t)*ret_sum + fold64(a[0]) + fold64(a[1])));
	return true;
}

uint32_t csum_copy(void *dst, const void *src, size_t len, uint32_t sum)
{
	csum_copy_user(dst, src, len, &sum); /* what is no memory is the caller's fault here */
	return sum;
}
