/* SPDX-License-Identifier: BSD-3-Clause */
/* arp.h - ARP for IPv4 over Ethernet (RFC 826) <-> values */
#ifndef S7_WIRE_ARP_H
#define S7_WIRE_ARP_H

#include "stack/wire/eth.h"

#define ARP_LEN 28u

enum arp_op { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct s7_arp {
	uint16_t op; /* enum arp_op */
	uint8_t sender_mac[ETH_MAC_LEN], target_mac[ETH_MAC_LEN];
	uint32_t sender_ip, target_ip; /* network order */
};

/* Padding behind is legal. False: too short, other hardware or protocol, other operation. */
bool arp_parse(const uint8_t *p, uint32_t len, struct s7_arp *ret_arp);

/* Writes ARP_LEN bytes. */
void arp_write(uint8_t *p, const struct s7_arp *arp);

#endif
