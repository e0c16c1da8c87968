/* SPDX-License-Identifier: BSD-3-Clause */
/* mini6.h - IPv6 for an instance of mini.h: addresses, routes, packets of the peer */
#ifndef S7_MINI6_H
#define S7_MINI6_H

#include "stack/wire/icmp6.h"
#include "test/support/mini.h"

#define MINI_US6 "2001:db8::1"
#define MINI_PEER6 "2001:db8::2"
#define MINI_US_LL "fe80::ff:fe00:1" /* of mini_mac_us */
#define MINI_PEER_LL "fe80::ff:fe00:2"

struct s7_ip mini_addr6(const char *text);

/*
 * mini_new with MINI_US6/64 (flags for it: enum s7_addr_flags) beside 10.0.0.1, an on-link route
 * and a default one by fe80::99. What the duplicate check sent is forgotten, its time over.
 */
struct mini *mini6_new(uint32_t iface_flags, bool loopback_stack, uint8_t addr_flags);

/* An IPv6 packet to build. */
struct mini_ip6 {
	const char *src, *dst; /* NULL: peer, us */
	uint8_t next, hops, tclass; /* hops 0: 64 */
	const void *data;
	uint32_t len;
};

/* Ethernet frame from the peer's MAC to ours (a group's to the group's). Returns its length. */
uint32_t mini_frame_ip6(uint8_t *frame, const struct mini_ip6 *ip);
void mini_in_ip6(struct mini *m, const struct mini_ip6 *ip);
/* An ICMPv6 message; its checksum is filled in. */
void mini_in_icmp6(struct mini *m, const struct mini_ip6 *ip);
/* UDP header and payload with a right checksum. Returns the datagram's length. */
uint32_t mini_udp6(uint8_t *p, const char *src, const char *dst, uint16_t sport, uint16_t dport,
		   const void *data, uint32_t len);
void mini_in_udp6(struct mini *m, uint16_t sport, uint16_t dport, const void *data, uint32_t len);
/* Solicitation or advertisement of the peer's, hop limit 255. */
void mini_in_nd(struct mini *m, const char *src, const char *dst, const struct s7_nd *nd);
void mini_know_peer6(struct mini *m);

/* A frame that was sent, as an IPv6 packet. False: it is none. */
bool mini_sent6(const struct mini *m, uint32_t i, struct s7_ip6 *ret_h);
/*
 * ... with an ICMPv6 message whose checksum is right: what it says, and what follows. NULL: none.
 */
const uint8_t *mini_sent_icmp6(const struct mini *m, uint32_t i, struct s7_icmp *ret_icmp);

#endif
