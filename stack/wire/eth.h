/* SPDX-License-Identifier: BSD-3-Clause */
/* eth.h - Ethernet II headers <-> values. Pure; the caller has checked that ETH_LEN bytes are
 * there. */
#ifndef S7_ETH_H
#define S7_ETH_H

#include "stack/wire/bytes.h"

#define ETH_LEN 14u
#define ETH_MAC_LEN 6u

enum eth_type {
	ETH_TYPE_IP4 = 0x0800,
	ETH_TYPE_ARP = 0x0806,
	ETH_TYPE_VLAN = 0x8100,
	ETH_TYPE_IP6 = 0x86dd,
	ETH_TYPE_QINQ = 0x88a8,
};

static inline uint16_t eth_type(const uint8_t *frame)
{
	return get_be16(frame + 12);
}

static inline const uint8_t *eth_dst(const uint8_t *frame)
{
	return frame;
}

static inline const uint8_t *eth_src(const uint8_t *frame)
{
	return frame + ETH_MAC_LEN;
}

/* Broadcast included. */
static inline bool mac_is_group(const uint8_t *mac)
{
	return mac[0] & 1;
}

static inline bool mac_equal(const uint8_t *a, const uint8_t *b)
{
	return get_raw32(a) == get_raw32(b) && get_raw16(a + 4) == get_raw16(b + 4);
}

static inline bool mac_is_zero(const uint8_t *mac)
{
	return !(get_raw32(mac) | get_raw16(mac + 4));
}

static inline void eth_write(uint8_t *frame, const uint8_t *dst, const uint8_t *src, uint16_t type)
{
	memcpy(frame, dst, ETH_MAC_LEN);
	memcpy(frame + ETH_MAC_LEN, src, ETH_MAC_LEN);
	put_be16(frame + 12, type);
}

#endif
