/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp.c - the 28 bytes of RFC 826 for Ethernet and IPv4
 *
 * Total: any input returns. Hardware type 1, protocol 0x0800, lengths 6 and 4, request or reply;
 * nothing else is ARP to us. Context: none, pure. Called by: stack/ip/arp.c.
 */
#include "stack/wire/arp.h"

static const uint8_t arp_prefix[6] = { 0, 1, 8, 0, ETH_MAC_LEN, 4 };

bool arp_parse(const uint8_t *p, uint32_t len, struct s7_arp *ret_arp)
{
	uint16_t op;

	if (len < ARP_LEN || memcmp(p, arp_prefix, sizeof(arp_prefix)) != 0)
		return false;
	op = get_be16(p + 6);
	if (op != ARP_REQUEST && op != ARP_REPLY)
		return false;
	ret_arp->op = op;
	memcpy(ret_arp->sender_mac, p + 8, ETH_MAC_LEN);
	ret_arp->sender_ip = get_raw32(p + 14);
	memcpy(ret_arp->target_mac, p + 18, ETH_MAC_LEN);
	ret_arp->target_ip = get_raw32(p + 24);
	return true;
}

void arp_write(uint8_t *p, const struct s7_arp *arp)
{
	memcpy(p, arp_prefix, sizeof(arp_prefix));
	put_be16(p + 6, arp->op);
	memcpy(p + 8, arp->sender_mac, ETH_MAC_LEN);
	put_raw32(p + 14, arp->sender_ip);
	memcpy(p + 18, arp->target_mac, ETH_MAC_LEN);
	put_raw32(p + 24, arp->target_ip);
}
