// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_ack.c - the fifth step of RFC 9293 3.10.7.4: what an acknowledgement does
 *
 * Idea: free what is acknowledged at the head of the send queue, take one RTT sample, follow the
 * window, let recovery or congestion control judge, move the timers. An ACK that moves nothing
 * costs a few comparisons. Each chunk is touched once when it is acknowledged; nothing walks the
 * queue unless SACK says so.
 * Context: instance lock; sends nothing itself (the caller runs tcp_output). Called by: tcp_rx.c.
 */
#include "stack/ip/arp.h"
#include "stack/tcp/tcp_int.h"

/* Cuts what is acknowledged off the front of a chunk that is covered in part. */
static void chunk_trim(struct s7_tcb *tcb, struct s7_pkt *chunk, uint32_t n)
{
	uint8_t marks = chunk->tcp.flags & CHUNK_MARKS;

	tcp_chunk_unmark(tcb, chunk);
	chunk->tcp.seq += n;
	chunk->tcp.len -= n;
	chunk->tcp.payload_off += (uint16_t)n;
	chunk->tcp.has_sum = 0;
	chunk->tcp.flags |= marks;
	if (marks & CHUNK_LOST)
		tcb->sq.lost += chunk_space(chunk);
	if (marks & CHUNK_RETRANS)
		tcb->sq.retrans += chunk_space(chunk);
	if (marks & CHUNK_SACKED) {
		tcb->sq.sacked += chunk_space(chunk);
		tcb->sq.sacked_count++;
	}
}

/* An acknowledged chunk where something is, or was, not in order. */
static S7_NOINLINE void chunk_acked(struct s7_tcp_sock *ts, struct s7_pkt *chunk,
				    struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!(chunk->tcp.flags & CHUNK_SACKED)) {
		tcp_chunk_arrived(tcb, chunk, ak);
		tcp_rack_advance(tcb, ts->sk.inst->now, chunk);
	} else {
		tcb->delivered--; /* it was counted when it was SACKed */
		ak->known += chunk_space(chunk);
	}
	tcp_chunk_unmark(tcb, chunk);
	tcp_hints_drop(tcb, chunk);
}

/* Takes everything before snd_una out of the queue. */
static void sendq_ack(struct s7_tcp_sock *ts, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct tcp_sendq *sq = &tcb->sq;
	bool marked = tcb->ca_state != TCPCA_OPEN || sq->sacked || sq->lost || sq->sack_hint ||
		      sq->rtx_hint || sq->lost_hint;
	struct s7_pkt *chunk = sq->head;

	while (chunk && seq_leq(chunk_end(chunk), tcb->snd_una)) {
		struct s7_pkt *next = chunk_next(chunk);

		pkt_fetch(next); /* also of the one that the next ACK is for */
		if (s7_unlikely(chunk->tcp.flags & CHUNK_EVER_RETRANS))
			ak->rtx_at = chunk->tcp.sent_at;
		else if (!(chunk->tcp.flags & CHUNK_SACKED))
			ak->sent_at = chunk->tcp.sent_at;
		tcb->delivered++;
		if (s7_unlikely(marked))
			chunk_acked(ts, chunk, ak);
		else if (!next || seq_gt(chunk_end(next), tcb->snd_una))
			tcp_rack_advance(tcb, ts->sk.inst->now, chunk); /* the last sent */
		sq->head = next;
		sq->count--;
		if (s7_unlikely(chunk->tcp.flags & CHUNK_STAMP))
			tcp_stamp_acked(ts, chunk);
		chunk_free(ts->sk.inst, chunk);
		chunk = next;
	}
	if (!chunk)
		sq->tail = NULL;
	else if (s7_unlikely(seq_lt(chunk->tcp.seq, tcb->snd_una)))
		chunk_trim(tcb, chunk, tcb->snd_una - chunk->tcp.seq);
}

/*
 * A chunk sent more than once says which sending was answered only by the timestamp, and that is
 * too old when the receiver had the data and its ACK was lost. The last sending is the better guess
 * if the answer could have been so fast.
 */
static void ack_rtt(struct s7_tcp_sock *ts, const struct tcp_seg *seg, const struct tcp_acking *ak)
{
	s7_time sent_at = ak->sent_at, rtx_at = ak->rtx_at;
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_inst *inst = ts->sk.inst;
	uint64_t us;

	if (s7_likely(sent_at && !rtx_at)) {
		tcp_rtt_sample(ts, (inst->now - sent_at) / S7_US);
		return;
	}
	if (!(tcb->bits & TCB_TS) || !(seg->opts.bits & TCPO_TS) || !seg->opts.ts_ecr)
		return;
	us = (uint64_t)(tcp_ms(inst) + tcb->ts_offset - seg->opts.ts_ecr) * 1000;
	if (rtx_at && (inst->now - rtx_at) / S7_US >= s7_max(tcb->min_rtt_us, 1))
		us = s7_min(us, (inst->now - rtx_at) / S7_US);
	tcp_rtt_sample(ts, us);
}

/*
 * 3.10.7.4: SND.WND from a segment that is not older than the last one used. That it closes is
 * believed among segments of one number too, as by Linux.
 */
static bool ack_window(struct s7_tcp_sock *ts, const struct tcp_seg *seg, bool moved)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t wnd = (uint32_t)seg->h.wnd << tcb->snd_wscale;
	bool changed = wnd != tcb->snd_wnd;

	if (!moved && !seq_gt(seg->h.seq, tcb->snd_wl1) &&
	    !(seg->h.seq == tcb->snd_wl1 && (wnd > tcb->snd_wnd || !wnd)))
		return false;
	tcb->snd_wl1 = seg->h.seq;
	tcb->snd_wnd = wnd;
	if (s7_unlikely(wnd > tcb->snd_max_wnd)) {
		tcb->snd_max_wnd = wnd;
		tcp_mss_sync(ts);
	}
	if (changed && wnd && tcb->at[TCPD_PERSIST]) {
		tcb->at[TCPD_PERSIST] = 0;
		tcb->backoff = tcb->retries = 0;
		tcb->stalled_at = 0;
	}
	return changed;
}

void tcp_space_check(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_sock *sk = &ts->sk;
	uint64_t want;

	tcb->bits &= ~(uint32_t)TCB_STARVED; /* something went, or time: worth another look */
	if (!(tcb->bits & TCB_NOSPACE))
		return;
	if (!(sk->bits & SKB_SNDBUF_LOCK) && !tcp_pool_low(sk->inst, 4)) {
		want = 2ull * TCP_TRUESIZE *
			s7_max(tcb->cwnd / s7_min(tcb->mss, S7_PKT_ROOM) + 1, 10);
		want = s7_min(want, tcp_iface(ts)->wmem[2]);
		sk->sndbuf = (uint32_t)s7_max(sk->sndbuf, want);
	} else if (!(sk->bits & SKB_SNDBUF_LOCK) && tcp_pressed(sk->inst)) {
		sk->sndbuf = (uint32_t)s7_max(sk->sndbuf / 2, tcp_iface(ts)->wmem[0]);
	}
	if (!tcp_writeable(sk))
		return;
	tcb->bits &= ~(uint32_t)TCB_NOSPACE;
	tcp_chrono_stop(ts, TCPC_SNDBUF);
	sk_event(sk, EPOLLOUT | EPOLLWRNORM);
}

/*
 * RFC 4861 7.3.1: what we sent has arrived, so the neighbour lives and needs no probe. Once a
 * second is enough.
 */
static void confirm_neighbour(struct s7_tcp_sock *ts)
{
	struct s7_dst *dst = &ts->tcb.dst;
	struct s7_inst *inst = ts->sk.inst;

	if (s7_likely(!dst->neigh || inst->now - dst->neigh->confirmed < S7_SEC))
		return;
	if (dst->neigh->generation == dst->neigh_generation)
		neigh_confirm(inst, dst->neigh);
}

void tcp_ack_advance(struct s7_tcp_sock *ts, const struct tcp_seg *seg, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	tcb->snd_una = seg->h.ack;
	tcb->bytes_acked += ak->acked;
	sendq_ack(ts, ak);
	ack_rtt(ts, seg, ak);
	confirm_neighbour(ts);
	if (s7_unlikely(tcb->bits & TCB_ZEROCOPY))
		tcp_zerocopy_acked(ts, false);
	tcb->retries = 0;
	tcb->stalled_at = 0;
	tcb->soft_err = 0;
	if (tcb->snd_una == tcb->snd_nxt) {
		tcb->at[TCPD_RTX] = tcb->at[TCPD_TLP] = tcb->at[TCPD_REO] = 0;
		if (!tcb->sq.head)
			tcp_chrono_set(ts, TCPC_IDLE);
	} else {
		tcp_rtx_arm(ts);
		tcp_tlp_arm(ts);
	}
}

/* ACKs that cannot be: of what was never sent, or older than any window (RFC 5961 5.2). */
static bool ack_is_bad(struct s7_tcp_sock *ts, uint32_t ack)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (seq_gt(ack, tcb->snd_nxt) ||
	    seq_lt(ack, tcb->snd_una - (uint32_t)s7_max(tcb->snd_max_wnd, tcb->mss))) {
		if (tcp_challenge_allowed(ts->sk.inst, &tcb->challenge_ms))
			tcb->bits |= TCB_ACK_NOW;
		return true;
	}
	return false;
}

/* What is not just the next bytes: SACKs, duplicates, a loss under way, ECE. */
static S7_NOINLINE void ack_dubious(struct s7_tcp_sock *ts, struct tcp_acking *ak)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (ak->any_overtaken && (tcb->ca_state != TCPCA_LOSS || tcb->rec & REC_UNDO))
		tcp_reordering_seen(ts, ak->overtaken);
	if (!ak->acked && ak->sacked_at) {
		tcp_rtt_sample(ts, (ts->sk.inst->now - ak->sacked_at) / S7_US);
		/* not by data sent after the head was: the timeout would move on for ever */
		if (ak->sacked_at < tcb->sq.head->tcp.sent_at)
			tcp_rtx_arm(ts);
	}
	if (ak->ece)
		tcb->delivered_ce += tcb->delivered - ak->delivered;
	tcp_recovery_on_ack(ts, ak);
	if (ak->acked || (tcb->ca_state != TCPCA_OPEN && tcb->ca_state != TCPCA_CWR))
		tcp_tlp_arm(ts); /* or none, as the state is now */
}

/* An ACK that others have overtaken: what it SACKs has arrived all the same. */
static S7_NOINLINE void ack_old(struct s7_tcp_sock *ts, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct tcp_acking ak = { .una = tcb->snd_una, .delivered = tcb->delivered, .old = true };

	if (tcb->snd_una == tcb->snd_nxt)
		return;
	tcp_sack_mark(ts, seg, &ak);
	if (!ak.sacked && !ak.dsack)
		return;
	ak.dup = ak.sacked;
	ack_dubious(ts, &ak);
}

bool tcp_ack(struct s7_tcp_sock *ts, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct tcp_acking ak = { .una = tcb->snd_una, .acked = seg->h.ack - tcb->snd_una,
				 .delivered = tcb->delivered };
	uint32_t flight = tcb->snd_nxt - tcb->snd_una;
	bool wnd_changed;

	if (s7_unlikely(ak.acked > flight)) {
		if (ack_is_bad(ts, seg->h.ack))
			return false;
		if (s7_unlikely(seg->opts.sack_count) && tcb->bits & TCB_SACK)
			ack_old(ts, seg);
		return true;
	}
	if (seg->opts.bits & TCPO_TS)
		ak.ecr = seg->opts.ts_ecr;
	ak.ece = s7_unlikely(seg->h.flags & TCPF_ECE) && tcb->bits & TCB_ECN;
	if (ak.acked)
		tcp_ack_advance(ts, seg, &ak);
	wnd_changed = ack_window(ts, seg, ak.acked);
	if (tcb->at[TCPD_PERSIST])
		tcb->retries = 0; /* the peer lives, however small its window */
	if (seg->opts.sack_count && tcb->bits & TCB_SACK)
		tcp_sack_mark(ts, seg, &ak);
	ak.bare = !seg->len && !wnd_changed;
	if (tcb->bits & TCB_SACK)
		ak.dup = ak.sacked && !ak.acked;
	else
		ak.dup = !ak.acked && flight && ak.bare && !(seg->h.flags & (TCPF_SYN | TCPF_FIN));
	if (s7_unlikely(tcb->ca_state != TCPCA_OPEN || ak.dup || ak.sacked || ak.dsack || ak.ece))
		ack_dubious(ts, &ak);
	else if (ak.acked && tcp_cwnd_limited(tcb))
		tcp_cc(tcb)->ack(tcb, ak.acked, ts->sk.inst->now);
	if (s7_unlikely(tcb->rec & REC_TLP))
		tcp_tlp_ack(ts, &ak);
	if (ak.acked && tcb->bits & TCB_NOSPACE)
		tcp_space_check(ts);
	return true;
}
