// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_ecn.c - explicit congestion notification (RFC 3168)
 *
 * Idea: the SYN asks with ECE and CWR (net.ipv4.tcp_ecn = 1), the SYN-ACK grants with ECE (1 or
 * 2, the default). From then on new data is ECT(0); retransmissions, SYNs and bare ACKs are not
 * (6.1.4, 6.1.5). What arrives marked CE makes every ACK carry ECE until the peer's CWR comes. ECE
 * on an ACK is for tcp_recovery.c: one reduction a round trip, after which the next new data
 * carries CWR.
 * A SYN that is sent again does not ask any more (6.1.1.1, net.ipv4.tcp_ecn_fallback), for there
 * are paths that swallow it.
 * Values of tcp_ecn above 2 ask Linux for accurate ECN, which falls back to this: 3 and 4 ask, 5
 * grants.
 * Context: instance lock. Called by: tcp_req.c, tcp_syn_sent.c, tcp_rx.c, tcp_out.c.
 */
#include "stack/tcp/tcp_int.h"

#define ECN_QUICKACKS 2

bool tcp_ecn_grants(const struct s7_inst *inst, const struct tcp_seg *syn)
{
	return (syn->h.flags & TCPF_ECN_SETUP) == TCPF_ECN_SETUP && inst->params.tcp.ecn &&
	       syn->ecn == ECN_NOT_ECT;
}

static bool asks(const struct s7_tcp_params *params)
{
	return params->ecn == 1 || params->ecn == 3 || params->ecn == 4;
}

uint8_t tcp_ecn_syn_flags(struct s7_tcp_sock *ts)
{
	const struct s7_tcp_params *params = &ts->sk.inst->params.tcp;
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->state == TCPS_SYN_RCVD)
		return tcb->bits & TCB_ECN ? TCPF_ECE : 0;
	if (!asks(params) || (tcb->retries && params->ecn_fallback))
		return 0;
	tcb->bits |= TCB_ECN;
	return TCPF_ECN_SETUP;
}

void tcp_ecn_answered(struct s7_tcb *tcb, uint8_t flags)
{
	uint8_t want = flags & TCPF_ACK ? TCPF_ECE : TCPF_ECN_SETUP; /* or both sides asked */

	if ((flags & TCPF_ECN_SETUP) != want)
		tcb->bits &= ~(uint32_t)TCB_ECN;
}

/* The peer's window may be a single segment now: it waits for each ACK. */
static void answer_soon(struct s7_tcb *tcb)
{
	tcb->quickacks = (uint8_t)s7_max(tcb->quickacks, ECN_QUICKACKS);
	tcb->bits &= ~(uint32_t)TCB_PINGPONG;
}

void tcp_ecn_arrived(struct s7_tcb *tcb, const struct tcp_seg *seg)
{
	if (seg->h.flags & TCPF_CWR) {
		tcb->bits &= ~(uint32_t)TCB_ECN_ECHO;
		tcb->bits |= TCB_ACK_NOW;
	}
	if (seg->ecn == ECN_CE) {
		if (!(tcb->bits & TCB_ECN_ECHO))
			answer_soon(tcb);
		tcb->bits |= TCB_ECN_ECHO | TCB_ECN_SEEN;
	} else if (seg->ecn != ECN_NOT_ECT) {
		tcb->bits |= TCB_ECN_SEEN;
	} else if (tcb->bits & TCB_ECN_SEEN) {
		answer_soon(tcb); /* a retransmission, by the look of it */
	}
}

void tcp_ecn_mark(struct s7_tcb *tcb, struct tcp_out_seg *out)
{
	out->tos = (uint8_t)((out->tos & ~ECN_BITS) | ECN_ECT0);
	if (tcb->bits & TCB_ECN_CWR) {
		tcb->bits &= ~(uint32_t)TCB_ECN_CWR;
		out->flags |= TCPF_CWR;
	}
}
