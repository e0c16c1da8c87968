/* SPDX-License-Identifier: BSD-3-Clause */
/* bytes.h - integers of network order at any alignment, read into and written from host-order
 * values */
#ifndef S7_BYTES_H
#define S7_BYTES_H

#include <endian.h>

#include "stack/base/base.h"

static inline uint16_t get_be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline void put_be16(uint8_t *p, uint16_t value)
{
	uint16_t v = htobe16(value);

	memcpy(p, &v, sizeof(v));
}

static inline void put_be32(uint8_t *p, uint32_t value)
{
	uint32_t v = htobe32(value);

	memcpy(p, &v, sizeof(v));
}

/* As they lie in memory: addresses and checksums, which are held in network order. */
static inline uint32_t get_raw32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint16_t get_raw16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void put_raw32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put_raw16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

#endif
