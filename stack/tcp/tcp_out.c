// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_out.c - what a connection sends, and when
 *
 * Idea: tcp_output() first repairs (chunks marked lost, as far as cwnd allows), then sends new
 * chunks while cwnd, the peer's window, sender-side silly window avoidance and Nagle let it. A
 * segment is one or more whole chunks, linked by `frag` for the burst; with TSO up to tso_max
 * bytes of them. Each chunk gets a second reference before it goes to the device. A chunk that a
 * device still reads is never written to: its retransmission is a copy.
 * Every segment carries the ACK, so sending anything pays an ACK that was owed.
 * Invariants: snd_nxt only grows (a timeout marks chunks lost, it does not pull back); the rtx
 * deadline is set whenever data is in flight, the persist deadline when data waits, nothing is in
 * flight and the window forbids it.
 * Context: instance lock; packets are only staged. Called by: every file of stack/tcp that
 * changed a window or a queue.
 */
#include "stack/tcp/tcp_int.h"

#define GATHER_MAX 32 /* chunks in a segment without TSO (lo, jumbo frames) */

/* Fields common to all segments of a connection; the ACK it carries is paid. */
static void out_prepare(struct s7_tcp_sock *ts, struct tcp_out_seg *out, uint32_t seq,
			uint8_t flags)
{
	struct s7_tcb *tcb = &ts->tcb;

	out->flow = &ts->sk.flow;
	out->dst = &tcb->dst;
	out->seq = seq;
	out->ack = tcb->rcv_nxt;
	out->wnd = tcp_window_pick(ts);
	out->urg = 0;
	out->flags = flags;
	out->delay_us = tcb->tx_delay_us;
	out->may_fragment = tcp_may_fragment(&ts->sk, &tcb->dst);
	out->tos = sk_tos(&ts->sk, tcb->dst.is_v4);
	out->ttl = sk_ttl(&ts->sk, tcb->dst.is_v4, dst_hop_limit(&tcb->dst));
	out->hdrs = tcb->dst.is_v4 ? NULL : tcp_hdrs(&ts->sk);
	out->ip_opts = tcp_ip_opts(&ts->sk);
	if (s7_unlikely(tcb->bits & TCB_ECN_ECHO))
		out->flags |= TCPF_ECE;
	out->opts.bits = 0;
	out->opts.sack_count = 0;
	if (s7_likely(tcb->bits & TCB_TS)) {
		out->opts.bits = TCPO_TS;
		out->opts.ts_val = tcp_ms(ts->sk.inst) + tcb->ts_offset;
		out->opts.ts_ecr = tcb->ts_recent;
	}
	if (s7_unlikely(tcb->bits & TCB_URG_OUT)) {
		if (seq_leq(tcb->snd_up, tcb->snd_una)) {
			tcb->bits &= ~(uint32_t)TCB_URG_OUT;
		} else if (seq_gt(tcb->snd_up, seq)) {
			out->urg = (uint16_t)s7_min(tcb->snd_up - seq, 0xffff);
			out->flags |= TCPF_URG;
		}
	}
}

/* SACK blocks (RFC 2018), the duplicate first (RFC 2883). */
static void out_sacks(struct s7_tcp_sock *ts, struct tcp_out_seg *out)
{
	struct tcp_opts *opts = &out->opts;
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t max = tcb->bits & TCB_TS ? 3 : 4;

	if (!(tcb->bits & TCB_SACK))
		return;
	if (s7_unlikely(out->ip_opts != NULL) && out->ip_opts->len > TCP_IP_OPTS_LONG)
		max--;
	if (tcb->dsack.start != tcb->dsack.end) {
		opts->sack[opts->sack_count++] = tcb->dsack;
		tcb->dsack.start = tcb->dsack.end = 0;
		stat_add(ts->sk.inst, STAT_TCP_DSACK_OUT, 1);
	}
	for (uint32_t i = 0; i < tcb->sack_count && opts->sack_count < max; i++)
		opts->sack[opts->sack_count++] = tcb->sacks[i];
}

static void out_acked(struct s7_tcb *tcb)
{
	tcb->bits &= ~(uint32_t)TCB_ACK_NOW;
	tcb->delack_at = 0;
	tcb->small_segs = 0;
	if (tcb->quickacks)
		tcb->quickacks--;
	tcb->segs_out++;
}

void tcp_send_ack(struct s7_tcp_sock *ts)
{
	struct tcp_out_seg out;

	if (tcp_dst_refresh(ts))
		return;
	out_prepare(ts, &out, ts->tcb.snd_nxt, TCPF_ACK);
	out_sacks(ts, &out);
	out_acked(&ts->tcb);
	if (tcp_seg_send_bare(ts->sk.inst, &out) == -ENOBUFS)
		tcp_delack_arm(ts); /* try again soon */
}

void tcp_send_probe(struct s7_tcp_sock *ts)
{
	struct tcp_out_seg out;

	if (tcp_dst_refresh(ts))
		return;
	out_prepare(ts, &out, ts->tcb.snd_una - 1, TCPF_ACK);
	out_acked(&ts->tcb);
	tcp_seg_send_bare(ts->sk.inst, &out);
}

void tcp_send_rst(struct s7_tcp_sock *ts)
{
	struct tcp_out_seg out;

	if (tcp_dst_refresh(ts))
		return;
	out_prepare(ts, &out, ts->tcb.snd_nxt, TCPF_RST | TCPF_ACK);
	stat_add(ts->sk.inst, STAT_TCP_OUT_RSTS, 1);
	tcp_seg_send_bare(ts->sk.inst, &out);
}

/* SYN, or SYN-ACK of a simultaneous or a fast open; the window of a SYN is never scaled. */
static void syn_prepare(struct s7_tcp_sock *ts, struct tcp_out_seg *out)
{
	struct s7_tcb *tcb = &ts->tcb;
	bool ack = tcb->state == TCPS_SYN_RCVD;

	out_prepare(ts, out, tcb->iss, (uint8_t)(TCPF_SYN | (ack ? TCPF_ACK : 0)));
	out->flags |= tcp_ecn_syn_flags(ts);
	out->opts.mss = tcp_mss_announced(ts->sk.inst, &tcb->dst, tcb->user_mss);
	tcb->rcv_wnd = tcp_first_window(tcp_window_free(ts), out->opts.mss);
	out->wnd = (uint16_t)tcb->rcv_wnd;
	out->ack = ack ? tcb->rcv_nxt : 0;
	out->opts.wscale = tcb->rcv_wscale;
	out->opts.bits = TCPO_MSS;
	if (ack) {
		out->opts.bits |= tcb->bits & TCB_SACK ? TCPO_SACK_OK : 0;
		out->opts.bits |= tcb->bits & TCB_WSCALE ? TCPO_WSCALE : 0;
		out->opts.bits |= tcb->bits & TCB_TS ? TCPO_TS : 0;
	} else {
		out->opts.bits |= tcp_opts_allowed(ts->sk.inst);
	}
	out->opts.ts_val = tcp_ms(ts->sk.inst) + tcb->ts_offset;
	out->opts.ts_ecr = ack ? tcb->ts_recent : 0;
	if (!ack && !tcb->retries)
		tcb->rtx_stamp = out->opts.ts_val; /* what an answer echoes is not older */
	if (s7_unlikely(tcb->tfo != NULL) &&
	    (!out->ip_opts || out->ip_opts->len <= TCP_IP_OPTS_LONG))
		tcp_fastopen_option(ts, &out->opts);
	out_acked(tcb);
	tcb->last_tx = ts->sk.inst->now;
}

void tcp_send_syn(struct s7_tcp_sock *ts)
{
	struct tcp_out_seg out;

	if (tcp_dst_refresh(ts))
		return;
	syn_prepare(ts, &out);
	tcp_seg_send_bare(ts->sk.inst, &out);
}

/* Makes the chunk's packet describe its payload again, alone. */
static void chunk_ready(struct s7_pkt *chunk)
{
	chunk->data = chunk->buf + chunk->tcp.payload_off;
	chunk->len = chunk->total = chunk->tcp.len;
	chunk->frag = NULL;
	chunk->nsegs = 1;
	chunk->flags = 0;
	chunk->tso_mss = 0;
}

void tcp_send_syn_data(struct s7_tcp_sock *ts, struct s7_pkt *chunk)
{
	struct tcp_out_seg out;

	if (tcp_dst_refresh(ts))
		return;
	syn_prepare(ts, &out);
	chunk_ready(chunk);
	pkt_hold(chunk);
	chunk->tcp.sent_at = ts->sk.inst->now;
	ts->tcb.bytes_sent += chunk->tcp.len;
	tcp_seg_send(ts->sk.inst, &out, chunk, chunk->tcp.sum, chunk->tcp.has_sum);
}

#define PKT_STAMPED (PKT_TX_STAMP | PKT_TX_STAMP_CHUNKS)

int tcp_retransmit_probe(struct s7_tcp_sock *ts, struct s7_pkt *chunk)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *pkt = chunk;
	struct tcp_out_seg out;
	uint8_t flags = TCPF_ACK;
	int err = tcp_dst_refresh(ts);

	if (err)
		return err;
	if (chunk->tcp.len > tcb->mss && chunk_split(ts, chunk, tcb->mss))
		return -ENOBUFS;
	if (pkt_is_shared(chunk)) {
		pkt = pkt_alloc(ts->sk.inst);
		if (!pkt)
			return -ENOBUFS;
		memcpy(pkt->data, chunk->buf + chunk->tcp.payload_off, chunk->tcp.len);
		pkt->len = pkt->total = chunk->tcp.len;
	} else {
		chunk_ready(chunk);
		pkt_hold(chunk);
		if (s7_unlikely(chunk->tcp.flags & CHUNK_STAMP))
			chunk->flags = PKT_STAMPED;
	}
	flags |= chunk->tcp.flags & CHUNK_FIN ? TCPF_FIN : 0;
	flags |= chunk->tcp.flags & CHUNK_PSH ? TCPF_PSH : 0;
	out_prepare(ts, &out, chunk->tcp.seq, flags);
	out_acked(tcb);
	chunk->tcp.flags |= CHUNK_EVER_RETRANS;
	chunk->tcp.retrans++;
	chunk->tcp.sent_at = ts->sk.inst->now;
	tcb->total_retrans++;
	tcb->bytes_retrans += chunk->tcp.len;
	tcb->data_segs_out += chunk->tcp.len > 0;
	stat_add(ts->sk.inst, STAT_TCP_RETRANS_SEGS, 1);
	tcp_seg_send(ts->sk.inst, &out, pkt, chunk->tcp.sum, chunk->tcp.has_sum);
	return 0;
}

int tcp_retransmit_chunk(struct s7_tcp_sock *ts, struct s7_pkt *chunk)
{
	struct s7_tcb *tcb = &ts->tcb;
	int err = tcp_retransmit_probe(ts, chunk);

	if (err)
		return err;
	if (!(chunk->tcp.flags & CHUNK_RETRANS))
		tcb->sq.retrans += chunk_space(chunk);
	chunk->tcp.flags |= CHUNK_RETRANS;
	tcb->prr_out += chunk_space(chunk);
	if (!(tcb->rec & REC_STAMP)) {
		tcb->rec |= REC_STAMP;
		tcb->rtx_stamp = tcp_ms(ts->sk.inst) + tcb->ts_offset;
	}
	tcb->undo_rtx = tcb->undo_rtx < 0 ? 1 : tcb->undo_rtx + 1;
	return 0;
}

/* Chunks marked lost and not yet under way again, oldest first. */
static void output_lost(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_pkt *chunk = tcb->sq.rtx_hint ? tcb->sq.rtx_hint : tcb->sq.head;

	for (; chunk && chunk != tcb->sq.next; chunk = chunk_next(chunk)) {
		tcb->sq.rtx_hint = chunk;
		if ((chunk->tcp.flags & (CHUNK_LOST | CHUNK_RETRANS | CHUNK_SACKED)) != CHUNK_LOST)
			continue;
		if (tcp_pipe(tcb) && tcp_pipe(tcb) + chunk->tcp.len > tcb->cwnd)
			return;
		if (tcp_is_paced(ts) && tcp_pace_holds(ts))
			return;
		if (tcp_retransmit_chunk(ts, chunk))
			return;
		if (tcp_is_paced(ts))
			tcp_pace_sent(ts, chunk->tcp.len);
		if (!tcb->at[TCPD_RTX])
			tcp_rtx_arm(ts);
	}
}

/* Bytes that one packet to the device may carry: a segment, or many with TSO. */
static uint32_t burst_limit(const struct s7_tcp_sock *ts, uint32_t *ret_chunks)
{
	const struct s7_tcb *tcb = &ts->tcb;
	const struct s7_iface *iface = &ts->sk.inst->iface[tcb->dst.iface];
	uint32_t max;

	*ret_chunks = GATHER_MAX;
	if (!(iface->caps & NETDEV_TSO) || iface->tso_max < 2 * tcb->mss ||
	    tcb->bits & (TCB_URG_OUT | TCB_ECN_CWR) || s7_unlikely(tcp_hdrs_len(&ts->sk)))
		return tcb->mss;
	max = (uint32_t)s7_min(iface->tso_max, 65535 - 128);
	*ret_chunks = iface->tso_segs_max ? iface->tso_segs_max : GATHER_MAX;
	return max / tcb->mss * tcb->mss;
}

/* What Nagle, MSG_MORE and TCP_CORK hold back (RFC 9293 3.7.4, with Minshall's rule). */
static bool nagle_holds(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (tcb->bits & TCB_CORK) {
		if (!tcb->at[TCPD_CORK])
			tcp_deadline_set(ts, TCPD_CORK, ts->sk.inst->now + TCP_CORK_NS);
		return true;
	}
	if (tcb->bits & (TCB_NODELAY | TCB_URG_OUT) || tcb->snd_una == tcb->snd_nxt)
		return false;
	return seq_gt(tcb->snd_sml, tcb->snd_una);
}

/* Links whole chunks from sq.next on, at most limit bytes; returns their bytes, the last one and
 * their sum. */
struct burst {
	struct s7_pkt *first, *last;
	uint32_t bytes; /* payload */
	uint32_t sum;
	bool has_sum, fin, psh, stamp;
};

static void burst_gather(struct s7_tcb *tcb, uint32_t limit, uint32_t chunks, struct burst *b)
{
	struct s7_pkt *chunk = tcb->sq.next;

	b->first = chunk;
	b->bytes = 0;
	do {
		b->bytes += chunk->tcp.len;
		b->last = chunk;
		__builtin_prefetch(chunk->refs);
		chunk = chunk_next(chunk);
		pkt_fetch(chunk);
	} while (chunk && --chunks && b->bytes + chunk->tcp.len <= limit);
}

/* Prepares the gathered chunks as one packet with a reference each for the device. */
static void burst_link(struct s7_tcp_sock *ts, struct burst *b)
{
	struct s7_pkt *chunk = b->first, **link = NULL;
	uint32_t at = 0, n = 0;
	s7_time now = ts->sk.inst->now;

	b->sum = 0;
	b->has_sum = true;
	b->fin = b->psh = b->stamp = false;
	for (;; chunk = chunk_next(chunk)) {
		b->fin |= !!(chunk->tcp.flags & CHUNK_FIN);
		b->psh |= !!(chunk->tcp.flags & CHUNK_PSH);
		b->stamp |= !!(chunk->tcp.flags & CHUNK_STAMP);
		chunk->tcp.sent_at = now;
		if (!link || chunk->tcp.len) {
			chunk_ready(chunk);
			pkt_hold(chunk);
			n++;
			if (link)
				*link = chunk;
			link = &chunk->frag;
			b->has_sum &= chunk->tcp.has_sum;
			b->sum = csum_add_at(b->sum, chunk->tcp.sum, at);
			at += chunk->tcp.len;
		}
		if (chunk == b->last)
			break;
	}
	b->first->total = b->bytes;
	b->first->nsegs = (uint16_t)n;
}

static void burst_send(struct s7_tcp_sock *ts, struct burst *b)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t seq = tcb->snd_nxt, segs = 1;
	struct tcp_out_seg out;

	burst_link(ts, b);
	tcb->sq.next = chunk_next(b->last);
	tcb->snd_nxt = chunk_end(b->last);
	if (b->bytes < tcb->mss)
		tcb->snd_sml = tcb->snd_nxt;
	out_prepare(ts, &out, seq, TCPF_ACK);
	if (s7_unlikely(tcb->bits & TCB_ECN) && b->bytes)
		tcp_ecn_mark(tcb, &out);
	out.flags |= b->fin ? TCPF_FIN : 0;
	/* never of a FIN alone, as Linux */
	out.flags |= b->psh || (b->bytes && !tcb->sq.next) ? TCPF_PSH : 0;
	if (s7_unlikely(b->stamp))
		b->first->flags |= PKT_STAMPED;
	if (b->bytes > tcb->mss) {
		b->first->flags |= PKT_TX_TSO;
		b->first->tso_mss = (uint16_t)tcb->mss;
		segs = (b->bytes + tcb->mss - 1) / tcb->mss;
	}
	/* an answer to what just came: interactive */
	if (tcb->delack_at || (tcb->bytes_received &&
			       ts->sk.inst->now - ts->sk.last_rx < TCP_ANSWER_NS))
		tcb->bits |= TCB_PINGPONG;
	out_acked(tcb);
	tcb->bytes_sent += b->bytes;
	tcb->prr_out += tcb->snd_nxt - seq;
	tcb->last_tx = ts->sk.inst->now;
	tcb->data_segs_out += b->bytes ? segs : 0;
	if (segs > 1) {
		stat_add(ts->sk.inst, STAT_TCP_OUT_SEGS, segs - 1);
		tcb->segs_out += segs - 1;
	}
	if (!tcb->at[TCPD_RTX])
		tcp_rtx_arm(ts);
	tcp_tlp_arm(ts);
	tcb->at[TCPD_PERSIST] = 0;
	tcp_seg_send(ts->sk.inst, &out, b->first, b->sum, b->has_sum);
}

/* What holds new data back. */
enum held { HELD_NOT, HELD_CWND, HELD_WINDOW };

/* Sends the next segment. false: something forbids it (*ret_held). force: the persist or
 * cork timer ran out. */
static bool output_next(struct s7_tcp_sock *ts, bool force, enum held *ret_held)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t avail = tcb->write_seq - tcb->snd_nxt;
	uint32_t full = (uint32_t)s7_min(avail, tcb->mss);
	uint32_t flight = tcb->snd_nxt - tcb->snd_una, pipe = tcp_pipe(tcb);
	uint32_t room = tcb->snd_wnd > flight ? tcb->snd_wnd - flight : 0;
	uint32_t quota = tcb->cwnd > pipe ? tcb->cwnd - pipe : 0;
	uint32_t chunks, limit = burst_limit(ts, &chunks);
	struct burst b;

	if (quota < full && pipe) {
		*ret_held = HELD_CWND;
		return false;
	}
	quota = (uint32_t)s7_max(quota,
				 full); /* with nothing in flight one segment may always go */
	if (room < full && (!room || (!force && room < tcb->snd_max_wnd / 2))) {
		*ret_held = HELD_WINDOW;
		return false;
	}
	if (limit > quota && quota >= tcb->mss)
		limit = quota / tcb->mss * tcb->mss;
	limit = (uint32_t)s7_min(limit, s7_min(room, quota));
	if (tcp_is_paced(ts)) {
		if (tcp_pace_holds(ts))
			return false;
		limit = (uint32_t)s7_min(limit, tcp_pace_burst(ts, limit));
	}
	burst_gather(tcb, limit, chunks, &b);
	if (b.bytes > limit) {
		if (chunk_split(ts, b.first, limit))
			return false;
		b.bytes = b.first->tcp.len;
	}
	if (b.bytes < tcb->mss && !chunk_next(b.last) && !(b.last->tcp.flags & CHUNK_FIN) &&
	    !force && nagle_holds(ts))
		return false;
	burst_send(ts, &b);
	if (tcp_is_paced(ts))
		tcp_pace_sent(ts, b.bytes);
	return true;
}

/* After a pause the network is no longer known: cwnd falls back, by half for each RTO of silence
 * (RFC 2861). */
static void restart_after_idle(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint64_t idle_us = (ts->sk.inst->now - tcb->last_tx) / S7_US;
	uint32_t floor = (uint32_t)s7_min(tcp_cwnd_init(ts), tcb->cwnd);

	if (s7_likely(idle_us <= tcb->rto_us) ||
	    !ts->sk.inst->params.tcp.slow_start_after_idle)
		return;
	tcb->ssthresh = (uint32_t)s7_max(tcb->ssthresh, tcb->cwnd / 4 * 3);
	for (; idle_us > tcb->rto_us && tcb->cwnd > floor; idle_us -= tcb->rto_us)
		tcb->cwnd /= 2;
	tcb->cwnd = (uint32_t)s7_max(tcb->cwnd, floor);
	tcb->last_tx = ts->sk.inst->now;
	tcp_cc(tcb)->restart(tcb);
}

/*
 * Whether cwnd is what holds the connection back, over a window of data (RFC 7661's idea as Linux
 * has it): only then may it grow.
 */
static void note_usage(struct s7_tcb *tcb, bool limited)
{
	uint32_t out = tcb->snd_nxt - tcb->snd_una;

	if (seq_lt(tcb->snd_una, tcb->usage_seq) && !limited &&
	    (tcb->bits & TCB_CWND_LIMITED || out <= tcb->max_out))
		return;
	tcb->bits = limited ? tcb->bits | TCB_CWND_LIMITED :
			      tcb->bits & ~(uint32_t)TCB_CWND_LIMITED;
	tcb->max_out = out;
	tcb->usage_seq = tcb->snd_nxt;
}

void tcp_output_one(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	enum held held = HELD_NOT;
	uint32_t cwnd;

	if (tcp_dst_refresh(ts) || !tcb->sq.next)
		return;
	cwnd = tcb->cwnd;
	tcb->cwnd = tcp_pipe(tcb) + tcb->mss;
	output_next(ts, true, &held);
	tcb->cwnd = cwnd;
}

/* F-RTO: new data first. false: none could go, so the timeout is taken at its word. */
static bool output_frto(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	enum held held = HELD_NOT;

	tcp_rec_clear(tcb, REC_FRTO_NEW);
	while (tcb->sq.next && output_next(ts, true, &held))
		;
	if (seq_gt(tcb->snd_nxt, tcb->recover))
		return true;
	tcp_rec_clear(tcb, REC_FRTO);
	return false;
}

static void output(struct s7_tcp_sock *ts, bool force)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t before = tcb->snd_nxt;
	enum held held = HELD_NOT;
	bool limited;

	if (tcp_dst_refresh(ts) ||
	    (s7_unlikely(tcb->state < TCPS_ESTABLISHED) && !tcp_is_early_child(tcb)))
		return;
	if (s7_unlikely(tcb->rec & REC_FRTO_NEW) && output_frto(ts))
		return;
	if (s7_unlikely(tcb->sq.lost))
		output_lost(ts);
	if (!tcb->sq.next)
		return;
	if (tcb->snd_una == tcb->snd_nxt)
		restart_after_idle(ts);
	while (tcb->sq.next && output_next(ts, force, &held))
		;
	limited = held == HELD_CWND || tcp_pipe(tcb) + tcb->mss > tcb->cwnd;
	if (tcb->snd_nxt != before || limited)
		note_usage(tcb, limited);
	if (s7_unlikely(held == HELD_WINDOW))
		tcp_chrono_start(ts, TCPC_WINDOW);
	else
		tcp_chrono_stop(ts, TCPC_WINDOW);
	if (s7_unlikely(tcb->bits & TCB_NOSPACE) && !tcb->sq.next && !limited)
		tcp_chrono_start(ts, TCPC_SNDBUF); /* it could be more */
	if (tcb->sq.next && tcb->snd_una == tcb->snd_nxt && !tcb->at[TCPD_PERSIST] &&
	    !tcb->at[TCPD_CORK] && !tcb->at[TCPD_PACE])
		tcp_deadline_set(ts, TCPD_PERSIST,
				 ts->sk.inst->now + (uint64_t)tcp_rto_us(tcb) * S7_US);
}

void tcp_output(struct s7_tcp_sock *ts)
{
	output(ts, false);
}

void tcp_output_persist(struct s7_tcp_sock *ts)
{
	output(ts, true);
}
