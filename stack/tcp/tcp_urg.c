// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_urg.c - urgent data on arrival (RFC 9293 3.8.5, RFC 6093)
 *
 * Idea: like Linux one octet is urgent, the one before the urgent pointer. It is copied aside
 * when it arrives and stays in the stream too; recv() steps over it unless SO_OOBINLINE. A new
 * urgent pointer replaces an old one.
 * States: NONE -> EXPECTED (announced) -> VALID (here) -> READ (taken by MSG_OOB) -> NONE (the
 * stream passed it).
 * Context: instance lock. Called by: tcp_rx.c.
 */
#include "stack/tcp/tcp_int.h"

static void urg_announce(struct s7_tcp_sock *ts, uint32_t at)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (seq_gt(tcb->copied_seq, at) || seq_lt(at, tcb->rcv_nxt))
		return;
	if (tcb->urg_state != TCPU_NONE && !seq_gt(at, tcb->rcv_up))
		return;
	owner_urgent(&ts->sk);
	tcb->urg_state = TCPU_EXPECTED;
	tcb->rcv_up = at;
}

void tcp_urg_rx(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t behind = seg->h.urg && !ts->sk.inst->params.tcp.stdurg, offset;

	if (seg->h.flags & TCPF_URG)
		urg_announce(ts, seg->h.seq + seg->h.urg - behind);
	if (tcb->urg_state != TCPU_EXPECTED)
		return;
	offset = tcb->rcv_up - seg->h.seq;
	if (offset >= seg->len)
		return;
	pkt_read(pkt, seg->h.hdr_len + offset, &tcb->urg_byte, 1);
	tcb->urg_state = TCPU_VALID;
	sk_event(&ts->sk, EPOLLPRI);
}
