/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errq_icmp.h - an ICMP error into the error queue of the socket that it is about
 *
 * Context: instance lock. For the transports.
 */
#ifndef S7_ERRQ_ICMP_H
#define S7_ERRQ_ICMP_H

#include "stack/core/errq.h"
#include "stack/ip/ip.h"

/* Queues the error; the payload is what the message has from offset `from` of e->pkt on. */
void errq_icmp(struct s7_sock *sk, const struct s7_icmp_error *e, uint32_t from);

#endif
