// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_zerocopy.c - when a send with MSG_ZEROCOPY is complete
 *
 * Idea: bytes are copied, so the program could have its buffer back at once; but Linux says so when
 * the peer has acknowledged them, and programs take completions for that. A send is remembered by
 * the end of its bytes; one number for each, told in order.
 * Bound: ZC_WAITS sends; more of them share the last one's place and complete with it.
 * Context: instance lock. Called by: stack/sock/io.c, tcp_ack.c, tcp_close.c.
 */
#include "stack/core/errq.h"
#include "stack/core/ext.h"
#include "stack/tcp/tcp_int.h"

void tcp_zerocopy_sent(struct s7_sock *sk)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;
	struct s7_sk_ext *ext = sk->ext;
	struct s7_zc_wait *last;

	if (tcb->snd_una == tcb->write_seq || !tcb->sq.head) {
		errq_zerocopy(sk);
		return;
	}
	if (ext->zc_waits < ZC_WAITS)
		ext->zc_waits++;
	last = &ext->zc_wait[ext->zc_waits - 1];
	last->seq = tcb->write_seq;
	last->next = ++ext->zc_next;
	tcb->bits |= TCB_ZEROCOPY;
}

void tcp_zerocopy_acked(struct s7_tcp_sock *ts, bool all)
{
	struct s7_sk_ext *ext = ts->sk.ext;
	uint32_t done = 0;

	while (done < ext->zc_waits &&
	       (all || seq_leq(ext->zc_wait[done].seq, ts->tcb.snd_una)))
		done++;
	if (!done)
		return;
	errq_zerocopy_done(&ts->sk, ext->zc_wait[done - 1].next);
	ext->zc_waits -= done;
	memmove(ext->zc_wait, ext->zc_wait + done, ext->zc_waits * sizeof(ext->zc_wait[0]));
	if (!ext->zc_waits)
		ts->tcb.bits &= ~(uint32_t)TCB_ZEROCOPY;
}
