/* SPDX-License-Identifier: BSD-3-Clause */
/* ip6.h - IPv6 inside stack/ip; what transports use of it is in ip.h */
#ifndef S7_STACK_IP6_H
#define S7_STACK_IP6_H

#include "stack/ip/ip.h"

/* ---- ip6_addr.c ---- */

/* The address of the interface that equals ip and is ours, or NULL. */
const struct s7_iface_addr *ip6_addr_of(const struct s7_iface *iface, const struct s7_ip *ip);
/* The interface that has the address (::1: lo), or NULL. */
struct s7_iface *ip6_local_iface(struct s7_inst *inst, const struct s7_ip *ip);
/* Does the kernel have this address of ours too? */
bool ip6_kernel_has(const struct s7_inst *inst, const struct s7_ip *ip);
/* The address to talk to `to` with, over `iface`. All zero: none. */
struct s7_ip ip6_source(const struct s7_inst *inst, const struct s7_iface *iface,
			const struct s7_ip *to);

/* ... with preferences: enum s7_source_prefs. */
struct s7_ip ip6_source_by(const struct s7_inst *inst, const struct s7_iface *iface,
			   const struct s7_ip *to, uint8_t prefs);

/* ---- addr.c: addresses that routers told ---- */

/* The last 64 bits of the interface's addresses (RFC 4291 appendix A). */
void addr_identifier(const struct s7_iface *iface, uint8_t ret_bytes[8]);
/* It is checked for duplicates. False: the interface has it, or no room. */
bool iface_learn_addr(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip);
void iface_unlearn_addr(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip);
/* Is it a source of choice still (RFC 4862 5.5.4)? */
void iface_age_addr(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip, bool old);

/* ---- ip6_ext.c ---- */

/*
 * Extension headers, rx->proto being the first one; data at it. Returns the packet at its transport
 * header (rx->proto: which), or NULL: it waits for fragments or was dropped. *next_at: offset from
 * the IPv6 header of the field that named rx->proto.
 */
struct s7_pkt *ip6_ext_input(struct s7_inst *inst, struct s7_pkt *pkt, struct s7_rx *rx,
			     uint32_t *next_at);

/* ---- nd.c ---- */

struct s7_neigh;

/* A message of types 133..137, checksum good; data at the ICMPv6 header. Consumes. */
void nd_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);
/* Who has neigh->ip? To its solicited-node group, or to the known address when `unicast`. */
void nd_ask(struct s7_inst *inst, const struct s7_neigh *neigh, bool unicast);
/* The packet is an ICMPv6 message without checksum: to the group, with hop limit 255. Consumes. */
void nd_send_message(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt,
		     const struct s7_ip *src, const struct s7_ip *group);
/* Probes what is tentative among the interface's addresses. */
void nd_check_duplicates(struct s7_inst *inst, struct s7_iface *iface);
/* The group by which the neighbours of an address are asked (RFC 4291 2.7.1). */
struct s7_ip nd_solicited_group(const struct s7_ip *ip);

/* 33:33 and the last four bytes of the group (RFC 2464 7). */
static inline void ip6_group_mac(const struct s7_ip *group, uint8_t mac[6])
{
	mac[0] = mac[1] = 0x33;
	memcpy(mac + 2, &group->w[3], 4);
}

#endif
