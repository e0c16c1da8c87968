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

#endif
