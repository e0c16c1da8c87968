/* SPDX-License-Identifier: BSD-3-Clause */
/* seq.h - comparison of 32-bit sequence numbers modulo 2^32 (RFC 9293 3.4) */
#ifndef S7_SEQ_H
#define S7_SEQ_H

#include "stack/base/base.h"

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_leq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline bool seq_geq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

/* lo <= seq < hi */
static inline bool seq_between(uint32_t seq, uint32_t lo, uint32_t hi)
{
	return seq - lo < hi - lo;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_gt(a, b) ? a : b;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? a : b;
}

#endif
