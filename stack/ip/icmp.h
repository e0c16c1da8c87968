/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp.h - ICMP inside stack/ip, and what ICMPv6 shares; icmp_error() is in ip.h */
#ifndef S7_STACK_ICMP_H
#define S7_STACK_ICMP_H

#include "stack/ip/ip.h"

/* Data at the ICMP header; consumes. */
void icmp_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);

/*
 * A packet of our own, data at its IP header, could not be delivered: the transport that sent it
 * learns `err` (soft) as if an ICMP error had come. Does not consume.
 */
void icmp_tell_sender(struct s7_inst *inst, const struct s7_pkt *pkt, int err);
void icmp6_tell_sender(struct s7_inst *inst, const struct s7_pkt *pkt, int err); /* IPv6 */

/* What an error means to a program. */
struct icmp_errno {
	int err;
	bool hard;
};

/* One token of the instance's budget for errors; false: none left. */
bool icmp_allowed(struct s7_inst *inst);

/*
 * The error reaches the transport that owns the flow, local/remote as in our table; TCP checks the
 * sequence number and counts. False: nobody.
 */
bool icmp_dispatch(struct s7_inst *inst, const struct s7_flow *quoted, uint32_t seq,
		   const struct s7_icmp_error *e);

#endif
