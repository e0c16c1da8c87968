// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_recv.c - bytes from the receive queue to the program
 *
 * Idea: copy out of the queued packets, free each when it is empty, then let the window follow.
 * Urgent data as Linux: a read stops in front of the mark, the next one steps over the urgent
 * octet (or delivers it with SO_OOBINLINE).
 * MSG_PEEK copies and changes nothing; MSG_TRUNC drops instead of copying. MSG_WAITALL is the
 * shim's loop. Order of answers when there is no data, Linux's: end of stream, error, shutdown,
 * not connected, -EAGAIN.
 * Context: instance lock. Called by: tcp_proto.c.
 */
#include "stack/core/errq.h"
#include "stack/tcp/tcp_int.h"

static void copy_out(struct s7_msg *msg, const struct s7_pkt *pkt, uint32_t offset, uint32_t len)
{
	for (; len; pkt = pkt->frag) {
		uint32_t here;

		if (offset >= pkt->len) {
			offset -= pkt->len;
			continue;
		}
		here = (uint32_t)s7_min(len, pkt->len - offset);
		msg_copy_out(msg, pkt->data + offset, here);
		len -= here;
		offset = 0;
	}
}

/* Takes n bytes off the front of the queue; n <= total of the head. */
static void consume(struct s7_tcp_sock *ts, uint32_t n)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *head = tcb->rq_head;

	tcb->copied_seq += n;
	tcb->rq_bytes -= n;
	if (n == head->total) {
		tcb->rq_head = head->next;
		if (!tcb->rq_head)
			tcb->rq_tail = NULL;
		tcb->rq_pkts--;
		pkt_free(ts->sk.inst, head);
	} else {
		tcp_pkt_trim(head, n);
	}
	if (s7_unlikely(tcb->urg_state != TCPU_NONE && seq_gt(tcb->copied_seq, tcb->rcv_up)))
		tcb->urg_state = TCPU_NONE;
}

/* How many of `want` bytes at `seq` may be taken before the urgent mark; *ret_skip: the next one is
 * the mark itself. */
static uint32_t before_mark(const struct s7_tcp_sock *ts, uint32_t seq, uint32_t want,
			    bool *ret_skip)
{
	const struct s7_tcb *tcb = &ts->tcb;
	uint32_t ahead = tcb->rcv_up - seq;

	*ret_skip = false;
	if (s7_likely(tcb->urg_state == TCPU_NONE) || ahead >= want)
		return want;
	if (ahead)
		return ahead;
	*ret_skip = !(ts->sk.bits & SKB_OOBINLINE);
	return want;
}

static bool at_mark(const struct s7_tcb *tcb, uint32_t seq)
{
	return tcb->urg_state != TCPU_NONE && tcb->rcv_up == seq;
}

static void deliver(struct s7_msg *msg, const struct s7_pkt *pkt, uint32_t offset, uint32_t len)
{
	if (msg->flags & MSG_TRUNC)
		msg->skip += len;
	else
		copy_out(msg, pkt, offset, len);
}

static ssize_t take_bytes(struct s7_tcp_sock *ts, struct s7_msg *msg)
{
	struct s7_tcb *tcb = &ts->tcb;
	ssize_t done = 0;

	while (msg->skip < msg->len && tcb->rq_head) {
		uint32_t want = (uint32_t)s7_min(msg->len - msg->skip, tcb->rq_head->total);
		uint32_t len;
		bool skip;

		if (at_mark(tcb, tcb->copied_seq) && done)
			break;
		len = before_mark(ts, tcb->copied_seq, want, &skip);
		if (skip) {
			consume(ts, 1);
			continue;
		}
		deliver(msg, tcb->rq_head, 0, len);
		if (s7_unlikely(msg->bad))
			return done ? done : -EFAULT;
		msg->rx_time = tcb->rq_head->tcp.sent_at;
		consume(ts, len);
		done += len;
	}
	return done;
}

static ssize_t peek_bytes(struct s7_tcp_sock *ts, struct s7_msg *msg)
{
	struct s7_tcb *tcb = &ts->tcb;
	const struct s7_pkt *pkt = tcb->rq_head;
	uint32_t seq = tcb->copied_seq, offset = 0;
	ssize_t done = 0;

	if (s7_unlikely(ts->sk.peek_off > 0)) {
		offset = (uint32_t)ts->sk.peek_off;
		seq += offset;
		for (; pkt && offset >= pkt->total; pkt = pkt->next)
			offset -= pkt->total;
	}

	while (msg->skip < msg->len && pkt) {
		uint32_t want = (uint32_t)s7_min(msg->len - msg->skip, pkt->total - offset), len;
		bool skip;

		if (at_mark(tcb, seq) && done)
			break;
		len = before_mark(ts, seq, want, &skip);
		if (skip) {
			len = 1;
		} else {
			deliver(msg, pkt, offset, len);
			if (s7_unlikely(msg->bad))
				return done ? done : -EFAULT;
			msg->rx_time = pkt->tcp.sent_at;
			done += len;
		}
		seq += len;
		offset += len;
		if (offset == pkt->total) {
			pkt = pkt->next;
			offset = 0;
		}
	}
	return done;
}

/* MSG_OOB: the octet kept aside. */
static ssize_t recv_urgent(struct s7_tcp_sock *ts, struct s7_msg *msg)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (ts->sk.bits & SKB_OOBINLINE || tcb->urg_state == TCPU_NONE ||
	    tcb->urg_state == TCPU_READ)
		return -EINVAL;
	if (tcb->state == TCPS_CLOSED && !(tcb->bits & TCB_DONE))
		return -ENOTCONN;
	if (tcb->urg_state == TCPU_VALID) {
		if (!(msg->flags & MSG_PEEK))
			tcb->urg_state = TCPU_READ;
		msg->out_flags |= MSG_OOB;
		if (!msg->len) {
			msg->out_flags |= MSG_TRUNC;
			return 0;
		}
		if (msg->flags & MSG_TRUNC)
			msg->skip++;
		else
			msg_copy_out(msg, &tcb->urg_byte, 1);
		return msg->bad ? -EFAULT : 1;
	}
	if (tcb->state == TCPS_CLOSED || ts->sk.shut & SK_SHUT_RD)
		return 0;
	return -EAGAIN;
}

static ssize_t nothing_to_read(struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcp_tcb(sk);

	if (tcb->bits & TCB_FIN_IN)
		return 0;
	if (sk->err)
		return sk_take_error(sk);
	if (sk->shut & SK_SHUT_RD)
		return 0;
	if (tcb->state == TCPS_CLOSED)
		return tcb->bits & TCB_DONE ? 0 : -ENOTCONN;
	return -EAGAIN;
}

/*
 * A sender of small segments may wait for our ACK before the next one (Nagle), and the program has
 * read all that there was: it is due, unless an answer will carry it. As Linux's tcp_cleanup_rbuf.
 */
static void ack_what_is_read(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!tcb->small_segs || (tcb->small_segs == 1 && tcb->bits & TCB_PINGPONG))
		return;
	tcp_ack_soon(ts);
	if (tcb->bits & TCB_ACK_NOW)
		tcp_send_ack(ts);
}

ssize_t tcp_recv(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	ssize_t done;

	if (s7_unlikely(ts->tcb.state == TCPS_LISTEN))
		return -ENOTCONN;
	if (s7_unlikely(msg->flags & MSG_OOB))
		return recv_urgent(ts, msg);
	if (s7_unlikely(msg->skip == msg->len && !msg->len))
		return ts->tcb.rq_bytes ? 0 : nothing_to_read(sk);
	if (s7_unlikely(msg->flags & MSG_PEEK))
		done = peek_bytes(ts, msg);
	else
		done = take_bytes(ts, msg);
	if (s7_unlikely(sk->more & SKM_INQ && msg->more))
		msg->more->inq = tcp_inq_hint(sk);
	if (!done)
		return nothing_to_read(sk);
	if (done < 0)
		return done;
	sk_peek_moved(sk, (int32_t)done, msg->flags & MSG_PEEK);
	if (!(msg->flags & MSG_PEEK)) {
		tcp_window_after_read(ts);
		if (ts->tcb.delack_at && !ts->tcb.rq_bytes)
			ack_what_is_read(ts);
	}
	return done;
}
