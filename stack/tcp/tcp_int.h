/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_int.h - what the files of stack/tcp share and nobody else sees
 *
 * Order of the declarations: the road of a segment in, then out, then time and death.
 */
#ifndef S7_TCP_INT_H
#define S7_TCP_INT_H

#include <errno.h>

#include "stack/base/seq.h"
#include "stack/core/ext.h"
#include "stack/ip/ip4_opts.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_loss.h"
#include "stack/wire/csum.h"
#include "stack/wire/tcp_hdr.h"

#define TCP_MSS_FALLBACK 536
#define TCP_MSS_MIN 88
#define TCP_MSS_LEAST 48 /* tcp_min_snd_mss goes no lower: all options and 8 bytes */
#define TCP_TS_LEN 12u /* timestamps in a segment */
#define TCP_TRUESIZE 2304u /* what a chunk counts against sndbuf: its buffer and descriptor */
#define TCP_RTO_INIT_US 1000000u
#define TCP_RTO_MAX_US 120000000u
#define TCP_RTO_MIN_US 200000u
#define TCP_RTO_MIN_MOST_US 200000u /* TCP_RTO_MIN_US and TCP_DELACK_MAX_US may only lower */
#define TCP_DELACK_MOST_US 200000u
#define TCP_THIN_PKTS 4	  /* fewer in flight: a thin stream */
#define TCP_THIN_RETRIES 6 /* of its timeouts that do not back off */
#define TCP_ORPHAN_RETRIES 8
#define TCP_LINGER2_MAX_S 120
#define TCP_CORK_NS (200 * S7_MS)
#define TCP_NO_PKT_NS (10 * S7_MS) /* pool empty: look again */
#define TCP_QUICKACKS 16
#define TCP_ANSWER_NS (40 * S7_MS) /* what leaves so soon behind data is an answer to it */
#define TCP_CHALLENGE_MS 500 /* a connection answers no oftener what is not in order */
#define TCP_CWND_MAX (1u << 30)
#define TCP_INIT_SEGS_MAX 4096 /* of a route's initcwnd */
#define TCP_WND_MAX (1u << 30)

/* pkt->tcp.flags */
enum tcp_chunk_flags {
	CHUNK_FIN = 1 << 0,
	CHUNK_PSH = 1 << 1,
	CHUNK_SACKED = 1 << 2,
	CHUNK_LOST = 1 << 3,
	CHUNK_RETRANS = 1 << 4,	     /* a retransmission is under way */
	CHUNK_EVER_RETRANS = 1 << 5, /* Karn: no RTT sample */
	CHUNK_STAMP = 1 << 6,	     /* somebody wants to know when: chunk->stamp */
	CHUNK_LOSS = CHUNK_LOST | CHUNK_RETRANS,
	CHUNK_MARKS = CHUNK_SACKED | CHUNK_LOSS,
	CHUNK_LAST = CHUNK_FIN | CHUNK_PSH,
};

/* A received segment by value. */
struct tcp_seg {
	struct tcp_hdr h;
	uint8_t ttl;  /* of its packet */
	uint8_t ecn;  /* the two bits of its IP header: enum tcp_ecn_bits */
	uint32_t len; /* payload bytes */
	struct tcp_opts opts;
};

/* Which options of SYNs net.ipv4.tcp_sack, tcp_timestamps and tcp_window_scaling let count. */
static inline uint8_t tcp_opts_allowed(const struct s7_inst *inst)
{
	const struct s7_tcp_params *params = &inst->params.tcp;

	return (uint8_t)((params->sack ? TCPO_SACK_OK : 0) |
			 (params->timestamps ? TCPO_TS : 0) |
			 (params->window_scaling ? TCPO_WSCALE : 0));
}

static inline uint32_t tcp_ms(const struct s7_inst *inst)
{
	return (uint32_t)(inst->now / S7_MS);
}

/* ---- chunks ---- */
static inline struct s7_pkt *chunk_next(const struct s7_pkt *chunk)
{
	return (struct s7_pkt *)(uintptr_t)chunk->tcp.owner[0];
}

static inline void chunk_set_next(struct s7_pkt *chunk, struct s7_pkt *next)
{
	chunk->tcp.owner[0] = (uintptr_t)next;
}

/* Sequence space of a chunk. */
static inline uint32_t chunk_space(const struct s7_pkt *chunk)
{
	return chunk->tcp.len + (chunk->tcp.flags & CHUNK_FIN ? 1 : 0);
}

static inline uint32_t chunk_end(const struct s7_pkt *chunk)
{
	return chunk->tcp.seq + chunk_space(chunk);
}

/* Lets go of a chunk's reference; the device may still hold its own. */
void chunk_free(struct s7_inst *inst, struct s7_pkt *chunk);
/* A chunk that somebody wants to know of is acknowledged. */
void tcp_stamp_acked(struct s7_tcp_sock *ts, struct s7_pkt *chunk);
/* Cuts a chunk after `len` bytes; the rest becomes the next chunk. 0, -ENOBUFS. */
int chunk_split(struct s7_tcp_sock *ts, struct s7_pkt *chunk, uint32_t len);
void sendq_append(struct s7_tcp_sock *ts, struct s7_pkt *chunk);
void sendq_drop_empty(struct s7_tcp_sock *ts);
/* Frees everything; pointers become NULL, counters 0. */
void sendq_purge(struct s7_tcp_sock *ts);
/* Queues our FIN (on the unsent tail chunk or one of its own). 0, -ENOBUFS. */
int sendq_fin(struct s7_tcp_sock *ts);

/* Bytes in flight by RFC 6675; without SACK a duplicate ACK stands for one segment that left the
 * network. */
static inline uint32_t tcp_pipe(const struct s7_tcb *tcb)
{
	uint32_t pipe =
		tcb->snd_nxt - tcb->snd_una - tcb->sq.sacked - tcb->sq.lost + tcb->sq.retrans;

	if (s7_unlikely(tcb->dupacks && !(tcb->bits & TCB_SACK)))
		return pipe - (uint32_t)s7_min(pipe, (uint64_t)tcb->dupacks * tcb->mss);
	return pipe;
}

/* What the send queue counts. Of short segments twice their bytes, as SO_SNDBUF was doubled. */
static inline uint32_t tcp_wmem(const struct s7_tcb *tcb)
{
	return tcb->sq.count * (uint32_t)s7_min(s7_max(2 * tcb->mss, 512), TCP_TRUESIZE);
}

static inline bool tcp_sendable(const struct s7_sock *sk)
{
	return tcp_wmem(tcp_tcb(sk)) < sk->sndbuf;
}

static inline uint32_t tcp_unsent(const struct s7_tcb *tcb)
{
	return tcb->write_seq - tcb->snd_nxt;
}

/* TCP_NOTSENT_LOWAT, else the sysctl. */
static inline uint32_t tcp_lowat_of(const struct s7_sock *sk)
{
	uint32_t lowat = tcp_tcb(sk)->notsent_lowat;

	return s7_unlikely(lowat) ? lowat : sk->inst->params.tcp.notsent_lowat;
}

/* EPOLLOUT: a third of the buffer is free, and less than half of notsent_lowat is unsent. */
static inline bool tcp_writeable(const struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcp_tcb(sk);
	uint32_t used = tcp_wmem(tcb);

	return used < sk->sndbuf && sk->sndbuf - used >= used / 2 && !(tcb->bits & TCB_STARVED) &&
	       2ull * tcp_unsent(tcb) < tcp_lowat_of(sk);
}

/* ---- tcp_fsm.c ---- */
void tcp_set_state(struct s7_tcp_sock *ts, enum tcp_state state);
static inline bool tcp_synchronized(const struct s7_tcb *tcb)
{
	return tcb->state >= TCPS_ESTABLISHED;
}
/* Data may still arrive for the program. */
static inline bool tcp_may_receive(const struct s7_tcb *tcb)
{
	return tcb->state == TCPS_ESTABLISHED || tcb->state == TCPS_FIN_WAIT_1 ||
	       tcb->state == TCPS_FIN_WAIT_2;
}

/* ---- tcp_in.c ---- */
void tcp_listen_rx(struct s7_tcp_sock *listener, struct s7_pkt *pkt, const struct s7_rx *rx,
		   struct tcp_seg *seg);
/* The listener a segment to (dst, port) belongs to, or NULL; pkt's data is at the header. */
struct s7_tcp_sock *tcp_find_listener(struct s7_inst *inst, const struct s7_pkt *pkt,
				      const struct s7_rx *rx, const struct tcp_hdr *h);
/* No connection: RST, unless the kernel may own the port. Consumes pkt. */
void tcp_no_flow(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx,
		 const struct tcp_seg *seg);

/* ---- tcp_req.c, tcp_cookie.c, tcp_child.c ---- */
/* The request, or NULL: not to be had (counted). */
/* grant: a Fast Open cookie for the first SYN-ACK, or NULL. */
struct s7_tcp_req *tcp_req_make(struct s7_tcp_sock *listener, const struct s7_rx *rx,
				const struct tcp_seg *seg, uint32_t iss,
				const struct tcp_opts *grant);
void tcp_req_rx(struct s7_tcp_req *req, struct s7_pkt *pkt, const struct s7_rx *rx,
		struct tcp_seg *seg);
void tcp_req_free(struct s7_inst *inst, struct s7_tcp_req *req);
void tcp_req_icmp(struct s7_inst *inst, struct s7_tcp_req *req, uint32_t seq,
		  const struct s7_icmp_error *e);
int tcp_req_synack(struct s7_inst *inst, struct s7_tcp_req *req, uint32_t ts_val,
		   const struct tcp_opts *grant);
/* Fills all fields of a request from a SYN. 0 or -errno (no route back). */
int tcp_req_fill(struct s7_tcp_sock *listener, const struct s7_rx *rx, const struct tcp_seg *seg,
		 struct s7_tcp_req *ret_req);
/* What becomes of a SYN for whose connection the accept queue has room (tcp_syncookies). */
enum tcp_syn_way { SYN_KEEP, SYN_COOKIE, SYN_REFUSE };
enum tcp_syn_way tcp_syn_way(const struct s7_tcp_sock *listener);
void tcp_cookie_send(struct s7_tcp_sock *listener, const struct s7_rx *rx,
		     const struct tcp_seg *seg);
/* An ACK without flow on a listener: true when its cookie was right and pkt was consumed. */
bool tcp_cookie_rx(struct s7_tcp_sock *listener, struct s7_pkt *pkt, const struct s7_rx *rx,
		   struct tcp_seg *seg);
/*
 * A full socket in the listener's accept queue, or NULL: from a request whose ACK has come, or
 * (tfo, which becomes the child's) from a SYN.
 */
struct s7_tcp_sock *tcp_child_make(struct s7_tcp_req *req, const struct tcp_seg *seg,
				   struct s7_tcp_tfo *tfo);
/* For a connection that came by `iface`. */
static inline bool tcp_accept_full(const struct s7_tcp_sock *listener, uint32_t iface)
{
	const struct s7_tcb *tcb = &listener->tcb;

	return tcb->accept_len > tcb->backlog ||
	       tcb->accept_len > listener->sk.inst->iface[iface].tcp.backlog_max;
}
/* TCP_WINDOW_CLAMP of a connection by this way: the program's, else the route's; 0 none. */
uint32_t tcp_window_clamp_of(const struct s7_tcb *tcb, const struct s7_dst *dst);
/* What a SYN offers of `space`: whole segments, as Linux. */
uint32_t tcp_first_window(uint32_t space, uint32_t mss);
uint32_t tcp_isn(struct s7_inst *inst, const struct s7_flow *flow);
uint32_t tcp_ts_offset(struct s7_inst *inst, const struct s7_ip *local, const struct s7_ip *remote);
/* `len` is a multiple of 8. */
uint64_t tcp_keyed_hash(const uint64_t key[2], const void *data, uint32_t len);
uint64_t tcp_siphash24(const uint64_t key[2], const void *data, uint32_t len);
/* For a connection by the interface with `tcp`. */
uint8_t tcp_pick_wscale(const struct s7_sock *sk, const struct s7_iface_tcp *tcp);

/* ---- tcp_rx.c, tcp_syn_sent.c: consume pkt ---- */
void tcp_rx(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg);
void tcp_rx_syn_sent(struct s7_tcp_sock *ts, struct s7_pkt *pkt, struct tcp_seg *seg);
/* Windows, buffers, congestion control: data may flow. The state is the caller's. */
void tcp_begin(struct s7_tcp_sock *ts);
/* tcp_begin, and enters ESTABLISHED. */
void tcp_established(struct s7_tcp_sock *ts);
void tcp_urg_rx(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct tcp_seg *seg);

/* ---- tcp_ack.c: what an acceptable ACK does. false: the segment is to be dropped ---- */
bool tcp_ack(struct s7_tcp_sock *ts, const struct tcp_seg *seg);
/* The part of it for what is newly acknowledged: queue, RTT, timers. */
void tcp_ack_advance(struct s7_tcp_sock *ts, const struct tcp_seg *seg, struct tcp_acking *ak);
/* EPOLLOUT if room came about. */
void tcp_space_check(struct s7_tcp_sock *ts);

/* ---- tcp_reass.c, tcp_rcvq.c ---- */
/* Takes a segment beyond rcv_nxt. Consumes pkt. */
void tcp_reass_add(struct s7_tcp_sock *ts, struct s7_pkt *pkt, uint32_t seq, uint32_t len,
		   bool fin);
/* Moves what has become contiguous to the receive queue. */
bool tcp_reass_drain(struct s7_tcp_sock *ts); /* true: a FIN has its turn */
void tcp_reass_purge(struct s7_tcp_sock *ts);
void tcp_dsack(struct s7_tcp_sock *ts, uint32_t start, uint32_t end);
/* Is less than 1/part of the packet pool free? Buffers do not grow then, and what is not needed
 * goes. */
bool tcp_pool_low(struct s7_inst *inst, uint32_t part);
/* Memory is so short that buffers, unless the program fixed them, go back to tcp_rmem[0] and
 * tcp_wmem[0], and new connections begin there. */
static inline bool tcp_pressed(struct s7_inst *inst)
{
	return tcp_pool_low(inst, 8);
}
void rcvq_append(struct s7_tcp_sock *ts, struct s7_pkt *pkt, uint32_t len);
void rcvq_purge(struct s7_tcp_sock *ts);
/* Drops bytes at the front / beyond `total` of a chain. */
void tcp_pkt_trim(struct s7_pkt *pkt, uint32_t n);
void tcp_pkt_cut(struct s7_pkt *pkt, uint32_t total);

/* ---- tcp_out.c ---- */
/* Sends what windows and Nagle allow; lost chunks first. push: PSH ends the burst, Nagle judged
 * now. */
void tcp_output(struct s7_tcp_sock *ts);
void tcp_send_ack(struct s7_tcp_sock *ts);
/* Sends one chunk again. 0 or -errno. */
int tcp_retransmit_chunk(struct s7_tcp_sock *ts, struct s7_pkt *chunk);
/* ... that is not taken for lost: a tail loss probe. */
int tcp_retransmit_probe(struct s7_tcp_sock *ts, struct s7_pkt *chunk);
/* One segment of new data, whatever cwnd and Nagle say. */
void tcp_output_one(struct s7_tcp_sock *ts);
/* Window probe or keepalive: an old sequence number, no data. */
void tcp_send_probe(struct s7_tcp_sock *ts);
/* Forces out up to the window, or one byte beyond nothing: the persist timer. */
void tcp_output_persist(struct s7_tcp_sock *ts);
void tcp_send_syn(struct s7_tcp_sock *ts);
/* A SYN with the bytes of a chunk. */
void tcp_send_syn_data(struct s7_tcp_sock *ts, struct s7_pkt *chunk);
/* RST of a connection we give up. */
void tcp_send_rst(struct s7_tcp_sock *ts);

/* ---- tcp_send.c ---- */
/* Not all is taken, and the call goes on to wait. */
bool tcp_send_waits(const struct s7_sock *sk, const struct s7_msg *msg);
/* An empty chunk at write_seq, not in the queue yet. NULL: no packets (counted). */
struct s7_pkt *tcp_chunk_new(struct s7_tcp_sock *ts);
/* Copies the next `len` bytes of the message behind the chunk's; msg->bad: none. */
void tcp_chunk_fill(struct s7_tcp_sock *ts, struct s7_pkt *chunk, struct s7_msg *msg, uint32_t len);

/* ---- tcp_fastopen.c: servers, options ---- */
/* The socket's, made when it has none. NULL: none left. */
struct s7_tcp_tfo *tcp_tfo(struct s7_tcp_sock *ts);
void tcp_tfo_free(struct s7_tcp_sock *ts);
/* A child made of a SYN whose SYN-ACK is not acknowledged yet. */
static inline bool tcp_is_early_child(const struct s7_tcb *tcb)
{
	return tcb->state == TCPS_SYN_RCVD && tcb->tfo && tcb->tfo->child;
}
/*
 * A SYN to a listener with TCP_FASTOPEN. true: it became a child, and pkt is consumed. Else grant
 * is what the SYN-ACK shall carry.
 */
bool tcp_fastopen_rx(struct s7_tcp_sock *listener, struct s7_pkt *pkt, const struct s7_rx *rx,
		     struct tcp_seg *seg, struct tcp_opts *ret_grant);
/* An early child's SYN-ACK is acknowledged. false: by a number that cannot be. */
bool tcp_fastopen_acked(struct s7_tcp_sock *ts, const struct tcp_seg *seg);
/* Its listener need not count it any more. */
void tcp_fastopen_settled(struct s7_tcp_sock *ts, bool by_reset);
void tcp_fastopen_listener_gone(struct s7_tcp_sock *ts);
/* The option of a SYN or SYN-ACK, if there is one and room for it. */
void tcp_fastopen_option(const struct s7_tcp_sock *ts, struct tcp_opts *opts);

/* ---- tcp_fastopen_out.c: clients ---- */
int tcp_fastopen_inst_init(struct s7_inst *inst);
/* connect() has come to the SYN: its option is decided. true: it waits for the first bytes. */
bool tcp_fastopen_defers(struct s7_tcp_sock *ts);
/* They are here: the SYN leaves with them. Bytes, or -EINPROGRESS: none went. */
ssize_t tcp_fastopen_go(struct s7_tcp_sock *ts, struct s7_msg *msg);
/* The SYN-ACK came; the connection is ESTABLISHED with snd_una behind the SYN. */
void tcp_fastopen_answered(struct s7_tcp_sock *ts, const struct tcp_seg *seg, bool first_try);

/* ---- tcp_zerocopy.c ---- */
/* snd_una moved; or (all) nobody will acknowledge anything any more. */
void tcp_zerocopy_acked(struct s7_tcp_sock *ts, bool all);

/* ---- tcp_later.c ---- */
/* tcp_output, now or, while the batch is open and less than a segment waits, with the flush. */
void tcp_output_soon(struct s7_tcp_sock *ts);
/* What was left for later is sent now: the next step must not change how it looks on the wire. */
void tcp_later_now(struct s7_tcp_sock *ts);
/* An ACK is due, and leaves with the answer or with the next drive. */
void tcp_ack_soon(struct s7_tcp_sock *ts);
void tcp_later_drop(struct s7_tcp_sock *ts);

/* ---- tcp_info.c ---- */
void tcp_chrono_set(struct s7_tcp_sock *ts, enum tcp_chrono what);
static inline void tcp_chrono_start(struct s7_tcp_sock *ts, enum tcp_chrono what)
{
	if (s7_unlikely(what > ts->tcb.chrono))
		tcp_chrono_set(ts, what);
}
/* `what` is over: what is left of it. */
static inline void tcp_chrono_stop(struct s7_tcp_sock *ts, enum tcp_chrono what)
{
	if (s7_unlikely(!ts->tcb.sq.head))
		tcp_chrono_set(ts, TCPC_IDLE);
	else if (s7_unlikely(what == ts->tcb.chrono))
		tcp_chrono_set(ts, TCPC_BUSY);
}

/* ---- tcp_seg_out.c: making segments ---- */
struct tcp_out_seg {
	const struct s7_flow *flow;
	struct s7_dst *dst;
	uint32_t seq, ack;
	uint16_t wnd; /* as on the wire */
	uint16_t urg;
	uint8_t flags;
	uint8_t tos, ttl;
	bool may_fragment; /* IPv4 without DF */
	uint32_t delay_us; /* TCP_TX_DELAY */
	const struct s7_hdrs6 *hdrs; /* IPv6 extension headers, or NULL */
	const struct s7_ip4_opts *ip_opts; /* of an IPv4 header, or NULL */
	struct tcp_opts opts;
};
/* So many bytes of IP options leave no room in front of a packet for the longest TCP header. */
#define TCP_IP_OPTS_LONG 32
/* ---- tcp_ip6.c ---- */

/* IPv6 extension headers of the socket's segments, or NULL. */
static inline const struct s7_hdrs6 *tcp_hdrs(const struct s7_sock *sk)
{
	return s7_unlikely(sk->ext != NULL) ? sk->ext->hdrs6 : NULL;
}

/* ... their bytes in a segment of the connection. */
static inline uint32_t tcp_hdrs_len(const struct s7_sock *sk)
{
	return s7_unlikely(sk->ext != NULL) && !ip_is_v4(&sk->flow.remote) ?
		       hdrs6_len(sk->ext->hdrs6) : 0;
}

/* The child's connection begins with this segment. */
void tcp_heard_first(struct s7_tcp_sock *child, const struct s7_pkt *pkt, const struct s7_rx *rx);
/* tcp_rx for a socket that wants to know what segments come with (SK6_STREAM). */
void tcp_rx_heard(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct s7_rx *rx,
		  struct tcp_seg *seg);

/* ---- tcp_seg_out.c ---- */

/* Headers in front of a packet whose data is the payload (chain), checksum, ip_output. Consumes a
 * reference of each buffer. */
int tcp_seg_send(struct s7_inst *inst, const struct tcp_out_seg *out, struct s7_pkt *pkt,
		 uint32_t payload_sum, bool has_sum);
/* A segment without payload. */
int tcp_seg_send_bare(struct s7_inst *inst, const struct tcp_out_seg *out);
/* RST or ACK in answer to a segment, without a connection. */
void tcp_reply_rst(struct s7_inst *inst, const struct s7_rx *rx, const struct tcp_seg *seg);
/* The dst of a connection, looked up again when stale. 0 or -errno. */
int tcp_dst_refresh(struct s7_tcp_sock *ts);
/* The IPv4 options of the connection's packets, NULL: none. */
static inline const struct s7_ip4_opts *tcp_ip_opts(const struct s7_sock *sk)
{
	if (s7_likely(!sk->ext) || !sk->ext->opts.len || !ip_is_v4(&sk->flow.remote))
		return NULL;
	return &sk->ext->opts;
}
/* ... that answer a packet; *opts holds them. -EINVAL: it is not to be answered. */
int tcp_answer_opts(const struct s7_inst *inst, const struct s7_rx *rx, struct s7_ip4_opts *opts,
		    const struct s7_ip4_opts **ret_opts);
/* The flow label of the way to an IPv6 peer, as the socket wants it. */
void tcp_label(const struct s7_sock *sk, const struct s7_flow *flow, struct s7_dst *dst);
uint32_t tcp_mss_of_dst(const struct s7_inst *inst, const struct s7_dst *dst);
/* The MSS to announce: the route's, else that of the path, bounded by TCP_MAXSEG's (0: none). */
uint16_t tcp_mss_announced(const struct s7_inst *inst, const struct s7_dst *dst, uint32_t user);
/* Does IP_MTU_DISCOVER, or the route, let routers cut the socket's packets? */
static inline bool tcp_may_fragment(const struct s7_sock *sk, const struct s7_dst *dst)
{
	return sk->mtu_discover != IP_PMTUDISC_DO &&
	       (sk->mtu_discover != IP_PMTUDISC_WANT || dst_mtu_locked(dst));
}
/* Recomputes tcb->mss from dst.mtu, the peer's MSS and TCP_MAXSEG. */
void tcp_mss_sync(struct s7_tcp_sock *ts);

/* ---- tcp_window.c ---- */
/* The window to advertise now (16 bits, scaled); never moves the right edge back. */
uint16_t tcp_window_pick(struct s7_tcp_sock *ts);
uint32_t tcp_window_free(const struct s7_tcp_sock *ts);
/* After the program read: ACK when the window opened enough; autotuning. */
void tcp_window_after_read(struct s7_tcp_sock *ts);
/* Received data (len) is about to be queued: autotuning's clock. */
void tcp_window_rtt(struct s7_tcp_sock *ts, const struct tcp_seg *seg);
/* Bytes from rcv_nxt that the peer may send. */
static inline uint32_t tcp_rcv_window(const struct s7_tcb *tcb)
{
	uint32_t used = tcb->rcv_nxt - tcb->rcv_wup;

	return used >= tcb->rcv_wnd ? 0 : tcb->rcv_wnd - used;
}

/* ---- tcp_opt_more.c ---- */
/* Must new data wait for its turn? Then the deadline is set. */
bool tcp_pace_holds(struct s7_tcp_sock *ts);
void tcp_pace_sent(struct s7_tcp_sock *ts, uint32_t bytes);
/* `limit` cut to what one tick may carry, whole segments. */
uint32_t tcp_pace_burst(const struct s7_tcp_sock *ts, uint32_t limit);
static inline bool tcp_is_paced(const struct s7_tcp_sock *ts)
{
	return s7_unlikely(ts->sk.pacing_max != UINT64_MAX);
}
/* Keeps the SYN for TCP_SAVED_SYN; pkt's data is at the TCP header. */
void tcp_syn_keep(struct s7_tcp_req *req, struct s7_pkt *pkt, const struct tcp_seg *seg);
void tcp_syn_forget(struct s7_sock *sk);

/* ---- tcp_rtt.c ---- */
void tcp_rtt_sample(struct s7_tcp_sock *ts, uint64_t us);
uint32_t tcp_rto_us(const struct s7_tcb *tcb);
/* The least, as the program, the route or the configuration has it. */
uint32_t tcp_rto_min_us(const struct s7_tcp_sock *ts);
static inline uint32_t tcp_rto_max_us(const struct s7_tcb *tcb)
{
	return tcb->rto_max_us ? tcb->rto_max_us : TCP_RTO_MAX_US;
}

/* ---- tcp_timer.c ---- */
/* How long an orphan waits in FIN-WAIT-2: three and a half timeouts at least, as Linux. */
static inline s7_time tcp_fin_timeout(const struct s7_tcp_sock *ts)
{
	uint64_t s = ts->tcb.linger2_s ? (uint64_t)ts->tcb.linger2_s :
					 ts->sk.inst->params.tcp.fin_timeout_s;

	return s7_max(s * S7_SEC, tcp_rto_us(&ts->tcb) * 7ull / 2 * S7_US);
}
void tcp_deadline_set(struct s7_tcp_sock *ts, enum tcp_deadline which, s7_time when);
static inline void tcp_deadline_clear(struct s7_tcb *tcb, enum tcp_deadline which)
{
	tcb->at[which] = 0;
}
void tcp_rtx_arm(struct s7_tcp_sock *ts);
void tcp_delack_arm(struct s7_tcp_sock *ts);
void tcp_delack_at(struct s7_tcp_sock *ts, s7_time when);
void tcp_timers_stop(struct s7_tcp_sock *ts);
void tcp_keep_arm(struct s7_tcp_sock *ts);

/* ---- tcp_tw.c ---- */
/* Leaves a TIME_WAIT entry in the place of the socket, which becomes CLOSED (and is freed if it is
 * an orphan). */
void tcp_time_wait(struct s7_tcp_sock *ts);
void tcp_tw_rx(struct s7_inst *inst, struct s7_tcp_tw *tw, struct s7_pkt *pkt,
	       const struct s7_rx *rx, struct tcp_seg *seg);

/* ---- tcp_close.c ---- */
/* The connection is over: tables, timers, queues; state CLOSED; frees an orphan. Do not touch `ts`
 * afterwards. */
void tcp_done(struct s7_tcp_sock *ts);
/* Over by error: stores err and wakes. */
void tcp_done_error(struct s7_tcp_sock *ts, int err);
void tcp_close(struct s7_sock *sk);
void tcp_abort(struct s7_sock *sk, int err);
int tcp_shutdown(struct s7_sock *sk, int how);
void tcp_own_port(struct s7_tcp_sock *ts);
void tcp_disown_port(struct s7_tcp_sock *ts);
/*
 * May a challenge ACK (RFC 5961) leave? The limit is each connection's own, *last_ms its memory (0:
 * none yet): a limit shared by all would tell one peer what the others do (RFC 5961 section 7 as
 * amended by CVE-2016-5696), and let it silence their answers.
 */
bool tcp_challenge_allowed(struct s7_inst *inst, uint32_t *last_ms);

/* ---- tcp_conn.c, tcp_send.c, tcp_recv.c, tcp_proto.c ---- */
int tcp_connect(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port);
int tcp_listen(struct s7_sock *sk, int backlog);
int tcp_accept(struct s7_sock *sk, struct s7_sock **ret_child);
ssize_t tcp_send(struct s7_sock *sk, struct s7_msg *msg);
ssize_t tcp_recv(struct s7_sock *sk, struct s7_msg *msg);
uint32_t tcp_poll(struct s7_sock *sk);
bool tcp_readable(const struct s7_sock *sk);
/* What the program left open becomes the interface's (flow.iface is known now). */
void tcp_take_iface(struct s7_tcp_sock *ts);
/* The receive buffer a connection begins with. */
uint32_t tcp_rcvbuf_init(const struct s7_sock *sk, const struct s7_iface_tcp *tcp);
/* Zeroed settings to their defaults; a fresh TCB. */
void tcp_tcb_init(struct s7_tcp_sock *ts);
void tcp_icmp_sk(struct s7_sock *sk, const struct s7_icmp_error *e);

/* ---- cc.c ---- */
struct tcp_cc_ops {
	const char *name;
	void (*init)(struct s7_tcb *tcb);
	/* A loss began: the new ssthresh in bytes. */
	uint32_t (*ssthresh)(struct s7_tcb *tcb, s7_time now);
	/* `acked` bytes arrived while no loss is being repaired; grows cwnd. */
	void (*ack)(struct s7_tcb *tcb, uint32_t acked, s7_time now);
	/* After a long pause; after a timeout it is init. */
	void (*restart)(struct s7_tcb *tcb);
	/* A round trip was measured; NULL: it does not matter. */
	void (*rtt)(struct s7_tcb *tcb, uint32_t us, s7_time now);
};
#define TCP_CC_COUNT 2
extern const struct tcp_cc_ops *const tcp_cc_table[TCP_CC_COUNT];
extern const struct tcp_cc_ops tcp_cc_cubic, tcp_cc_newreno;
static inline const struct tcp_cc_ops *tcp_cc(const struct s7_tcb *tcb)
{
	return tcp_cc_table[tcb->cc];
}
/* Slow start by appropriate byte counting (RFC 3465, L = 2); returns what is left of `acked`. */
uint32_t tcp_cc_slow_start(struct s7_tcb *tcb, uint32_t acked);
uint32_t tcp_cwnd_init(const struct s7_tcp_sock *ts);
/* ... in segments. */
uint32_t tcp_init_segs(const struct s7_tcp_sock *ts);

#endif
