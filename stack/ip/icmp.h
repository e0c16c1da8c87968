/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp.h - ICMP inside stack/ip; icmp_error() is in ip.h */
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

#endif
