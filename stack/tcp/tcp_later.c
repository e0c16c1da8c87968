// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_later.c - output that waits for more of it
 *
 * Idea: an event loop answers in several calls (header, body, close), and an ACK that leaves at
 * once is a packet that the answer would have carried. So while a thread works off the events of
 * one epoll_wait, less than a segment waits in inst->later.out for the flush that ends the batch;
 * and the ACKs of a fresh connection (quick ACKs) wait in inst->later.acks for at most ACK_SOON,
 * and not beyond the moment when nobody has anything to do and the instance goes to sleep. What the
 * batch's rules bound (drive.c) bounds the output: the next drive, BATCH_LONG, a full burst.
 * Invariants: a TCB is in one list at most; being there is a promise to look, not a state: whoever
 * sends earlier leaves the entry, which then finds nothing to do. A dead connection is in none.
 * The way on the wire is as without it where a program can tell: MSG_MORE, TCP_CORK, urgent data
 * and RST send first what waits (tcp_later_now).
 * Context: instance lock. Called by: tcp_send, tcp_rx, tcp_close; drive.c.
 */
#include "stack/tcp/tcp_int.h"

#define ACK_SOON (200 * S7_US) /* accept, read, answer: rounds of a busy loop */

static bool is_later(const struct s7_tcb *tcb)
{
	return !list_empty(&tcb->later);
}

void tcp_later_drop(struct s7_tcp_sock *ts)
{
	struct s7_later *later = &ts->sk.inst->later;

	if (!is_later(&ts->tcb))
		return;
	list_del(&ts->tcb.later);
	if (ts->tcb.bits & TCB_LATER_OUT && later->out_count)
		later->out_count--;
	ts->tcb.bits &= ~(uint32_t)TCB_LATER_OUT;
}

void tcp_output_soon(struct s7_tcp_sock *ts)
{
	struct s7_inst *inst = ts->sk.inst;
	struct s7_tcb *tcb = &ts->tcb;

	if (!inst_batch_open(inst) || tcb->write_seq - tcb->snd_nxt >= tcb->mss) {
		tcp_output(ts);
		return;
	}
	if (tcb->bits & TCB_LATER_OUT)
		return;
	tcp_later_drop(ts);
	list_add_tail(&inst->later.out, &tcb->later);
	tcb->bits |= TCB_LATER_OUT;
	inst->later.out_count++;
}

void tcp_later_now(struct s7_tcp_sock *ts)
{
	if (s7_likely(!(ts->tcb.bits & TCB_LATER_OUT)))
		return;
	tcp_later_drop(ts);
	tcp_output(ts);
}

void tcp_ack_soon(struct s7_tcp_sock *ts)
{
	struct s7_inst *inst = ts->sk.inst;
	struct s7_tcb *tcb = &ts->tcb;

	if (!inst->params.tx_batch || tcb->bits & TCB_QUICKACK) {
		tcb->bits |= TCB_ACK_NOW;
		return;
	}
	if (!tcb->delack_at)
		tcp_delack_arm(ts);
	if (!is_later(tcb))
		list_add_tail(&inst->later.acks, &tcb->later);
}

void tcp_later_run(struct s7_inst *inst)
{
	struct s7_list *out = &inst->later.out;

	while (!list_empty(out)) {
		struct s7_tcp_sock *ts = list_first(out, struct s7_tcp_sock, tcb.later);

		inst->current = &ts->sk;
		tcp_later_drop(ts);
		tcp_output(ts);
		inst->current = NULL;
	}
	inst->later.out_count = 0;
}

/* When the first of them leaves at the latest. */
s7_time tcp_later_next(const struct s7_inst *inst)
{
	const struct s7_tcp_sock *ts;

	if (list_empty(&inst->later.acks))
		return S7_NEVER;
	ts = list_first(&inst->later.acks, struct s7_tcp_sock, tcb.later);
	if (!ts->tcb.delack_at)
		return inst->now;
	return ts->tcb.delack_at - tcp_iface(ts)->delack_ms * S7_MS + ACK_SOON;
}

void tcp_later_acks(struct s7_inst *inst, bool all)
{
	struct s7_list *acks = &inst->later.acks;

	while (!list_empty(acks) && (all || tcp_later_next(inst) <= inst->now)) {
		struct s7_tcp_sock *ts = list_first(acks, struct s7_tcp_sock, tcb.later);

		inst->current = &ts->sk;
		tcp_later_drop(ts);
		if (ts->tcb.delack_at)
			tcp_send_ack(ts);
		inst->current = NULL;
	}
}
