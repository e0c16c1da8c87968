// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_send.c - bytes from the program into the send queue
 *
 * Idea: one copy, from user memory straight to where the device will read it, summed on the way
 * when the device does not compute checksums. Small writes fill up the unsent tail chunk; a chunk
 * holds at most one segment's payload (or a buffer's room when a segment is larger). sndbuf
 * counts buffers like Linux counts truesize.
 * MSG_MORE is a cork for this call. A partial transfer returns what went; the wait is the shim's.
 * Context: instance lock. Called by: tcp_proto.c.
 */
#include <fcntl.h>

#include "stack/core/ext.h"
#include "stack/tcp/tcp_int.h"

/* Why nothing may be sent in this state: 0 it may, or -errno. */
static int send_state(struct s7_sock *sk)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;

	if (sk->err)
		return sk_take_error(sk);
	if (sk->shut & SK_SHUT_WR)
		return -EPIPE;
	if (tcb->state == TCPS_ESTABLISHED || tcb->state == TCPS_CLOSE_WAIT)
		return 0;
	if (tcb->state == TCPS_SYN_SENT || tcb->state == TCPS_SYN_RCVD)
		return tcp_is_early_child(tcb) ? 0 : -EAGAIN;
	return -EPIPE;
}

static uint32_t chunk_max(const struct s7_tcb *tcb)
{
	return (uint32_t)s7_min(tcb->mss, S7_PKT_ROOM);
}

/* No packet to be had: looks again soon, as no ACK may come that would say when. */
static struct s7_pkt *no_packet(struct s7_tcp_sock *ts)
{
	ts->tcb.bits |= TCB_STARVED;
	if (!ts->tcb.at[TCPD_CORK])
		tcp_deadline_set(ts, TCPD_CORK, ts->sk.inst->now + TCP_NO_PKT_NS);
	return NULL;
}

struct s7_pkt *tcp_chunk_new(struct s7_tcp_sock *ts)
{
	struct s7_pkt *chunk = pkt_alloc(ts->sk.inst);

	if (!chunk) {
		ts->sk.inst->drop[DROP_NO_PKT]++;
		return NULL;
	}
	memset(&chunk->tcp, 0, sizeof(chunk->tcp));
	chunk->tcp.seq = ts->tcb.write_seq;
	chunk->tcp.payload_off = S7_PKT_HEADROOM;
	chunk->tcp.has_sum = 1;
	return chunk;
}

/* TCP_NOTSENT_LOWAT: no more is taken while so much waits to be sent for the first time. */
static bool has_room_unsent(struct s7_tcp_sock *ts)
{
	uint32_t lowat = tcp_lowat_of(&ts->sk);

	if (s7_likely(tcp_unsent(&ts->tcb) < lowat))
		return true;
	tcp_output(ts);
	return tcp_unsent(&ts->tcb) < lowat;
}

/*
 * The unsent tail if it has room, else a fresh chunk. NULL: sndbuf is full, or no packets. `share`:
 * so many chunks this socket may hold.
 */
static struct s7_pkt *tail_chunk(struct s7_tcp_sock *ts, uint32_t share)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *chunk = tcb->sq.tail;

	if (tcb->sq.next && chunk->tcp.len < chunk_max(tcb))
		return chunk;
	if (!tcp_sendable(&ts->sk) || !has_room_unsent(ts))
		return NULL;
	if (tcb->sq.count >= share)
		return no_packet(ts);
	chunk = tcp_chunk_new(ts);
	if (!chunk)
		return no_packet(ts);
	sendq_append(ts, chunk);
	tcp_chrono_start(ts, TCPC_BUSY);
	return chunk;
}

void tcp_chunk_fill(struct s7_tcp_sock *ts, struct s7_pkt *chunk, struct s7_msg *msg, uint32_t len)
{
	uint8_t *at = chunk->buf + chunk->tcp.payload_off + chunk->tcp.len;
	uint32_t sum;

	if (ts->sk.inst->iface[ts->tcb.dst.iface].caps & NETDEV_TX_L4_CSUM) {
		msg_copy_in(msg, at, len);
		chunk->tcp.has_sum = 0;
	} else {
		sum = msg_copy_in_sum(msg, at, len);
		if (s7_likely(!msg->bad))
			chunk->tcp.sum =
				csum_fold16(csum_add_at(chunk->tcp.sum, sum, chunk->tcp.len));
	}
	if (s7_unlikely(msg->bad))
		return; /* the chunk is as long as it was; what was written behind it is nobody's */
	chunk->tcp.len += len;
	ts->tcb.write_seq += len;
}

/* Copies as much as fits. Returns bytes, or -EAGAIN / -ENOBUFS when none. */
static ssize_t queue_bytes(struct s7_tcp_sock *ts, struct s7_msg *msg)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t share = pkt_share(ts->sk.inst, PKT_SHARE_SEND);
	uint64_t left = msg->len - msg->skip;
	ssize_t done = 0;

	while (left) {
		struct s7_pkt *chunk;
		uint32_t len;

		chunk = tail_chunk(ts, share);
		if (!chunk) {
			tcb->bits |= TCB_NOSPACE;
			break;
		}
		len = (uint32_t)s7_min(left, chunk_max(tcb) - chunk->tcp.len);
		tcp_chunk_fill(ts, chunk, msg, len);
		if (s7_unlikely(msg->bad)) {
			sendq_drop_empty(ts);
			return done ? done : -EFAULT;
		}
		left -= len;
		done += len;
	}
	return done ? done : -EAGAIN;
}

bool tcp_send_waits(const struct s7_sock *sk, const struct s7_msg *msg)
{
	return msg->skip < msg->len && !(msg->flags & MSG_DONTWAIT) &&
	       !(atomic_load_explicit(&sk->file.status, memory_order_relaxed) & O_NONBLOCK);
}

/*
 * The last byte of the call is what a time stamp tells of; a call that goes on waiting for room is
 * not at its last byte.
 */
static void send_stamp(struct s7_tcp_sock *ts, const struct s7_msg *msg)
{
	struct s7_pkt *chunk = ts->tcb.sq.tail;
	uint32_t tsflags = msg_tsflags(&ts->sk, msg);

	if (!(tsflags & STAMP_TX) || !chunk || tcp_send_waits(&ts->sk, msg) || !sk_ext(&ts->sk))
		return;
	if (stamp_fill(&ts->sk, &chunk->stamp, tsflags, ts->tcb.write_seq - 1))
		chunk->tcp.flags |= CHUNK_STAMP;
}

ssize_t tcp_send(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);
	struct s7_tcb *tcb = &ts->tcb;
	bool cork = tcb->bits & TCB_CORK;
	ssize_t done;
	int err;

	err = send_state(sk);
	if (s7_unlikely(err)) {
		if (err == -EAGAIN && tcp_is_deferred(sk))
			return tcp_fastopen_go(ts, msg);
		if (err == -EAGAIN) {
			tcb->bits |= TCB_NOSPACE;
			tcb->writer = tcp_send_waits(sk, msg);
		}
		return err;
	}
	if (s7_unlikely(msg->skip == msg->len))
		return 0;
	if (cork || msg->flags & (MSG_MORE | MSG_OOB))
		tcp_later_now(ts);
	done = queue_bytes(ts, msg);
	if (s7_unlikely(done < 0)) {
		/* even so something may wait for the window only */
		tcp_output(ts);
		return done;
	}
	if (msg->flags & MSG_OOB && msg->skip == msg->len) {
		tcb->snd_up = tcb->write_seq;
		tcb->bits |= TCB_URG_OUT;
	}
	if (s7_unlikely(sk->ext || msg->ask))
		send_stamp(ts, msg);
	if (msg->flags & (MSG_MORE | MSG_OOB)) {
		if (msg->flags & MSG_MORE)
			tcb->bits |= TCB_CORK;
		tcp_output(ts);
		if (!cork)
			tcb->bits &= ~(uint32_t)TCB_CORK;
	} else {
		tcp_output_soon(ts);
	}
	if ((tcb->bits & (TCB_NOSPACE | TCB_STARVED)) == TCB_NOSPACE)
		tcp_space_check(ts); /* autotuning may have made room at once */
	return done;
}
