/* SPDX-License-Identifier: BSD-3-Clause */
/* ip_in.h - steps of the receive path inside stack/ip */
#ifndef S7_IP_IN_H
#define S7_IP_IN_H

#include "stack/ip/ip.h"
#include "stack/wire/ip4.h"
#include "stack/wire/ip6.h"

/* A packet at its IPv4 header, on its way up; consumes. */
void ip4_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt);
/* The same at its IPv6 header. */
void ip6_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt);

#endif
