/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_ecn.h - explicit congestion notification (RFC 3168), for the files of stack/tcp
 */
#ifndef S7_TCP_ECN_H
#define S7_TCP_ECN_H

#include "stack/tcp/tcp.h"
#include "stack/wire/tcp_hdr.h"

struct tcp_seg;
struct tcp_out_seg;

/* RFC 3168 5: of the IP header */
enum tcp_ecn_bits { ECN_NOT_ECT, ECN_ECT1, ECN_ECT0, ECN_CE, ECN_BITS = 3 };

#define TCPF_ECN_SETUP (TCPF_ECE | TCPF_CWR)

/* Does the answer to this SYN agree to ECN? */
bool tcp_ecn_grants(const struct s7_inst *inst, const struct tcp_seg *syn);
/* The flags of our SYN, or of the SYN-ACK in its place. */
uint8_t tcp_ecn_syn_flags(struct s7_tcp_sock *ts);
/* The peer's SYN or SYN-ACK: is ECN agreed? */
void tcp_ecn_answered(struct s7_tcb *tcb, uint8_t flags);
/* Data on a connection with ECN (TCB_ECN). */
void tcp_ecn_arrived(struct s7_tcb *tcb, const struct tcp_seg *seg);
/* New data leaves on one: ECT(0), and CWR where cwnd was lowered. */
void tcp_ecn_mark(struct s7_tcb *tcb, struct tcp_out_seg *out);

#endif
