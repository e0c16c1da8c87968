/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp.h - TCP: the connection's state, and what other layers call
 *
 * Four kinds of object hang in the flow table: a socket (FLOW_TCP, struct s7_tcp_sock), a
 * half-open connection of a listener (FLOW_TCP_REQ, struct s7_tcp_req) and a TIME_WAIT entry
 * (FLOW_TCP_TW, struct s7_tcp_tw). The design, its invariants and the table of RFC clauses are in
 * docs/tcp.md; internals are declared in tcp_int.h.
 * Context: instance lock held, for everything here.
 */
#ifndef S7_TCP_H
#define S7_TCP_H

#include "stack/core/sk.h"
#include "stack/ip/ip.h"
#include "stack/wire/ip4_opts.h"
#include "stack/wire/tcp_opts.h"

enum tcp_state {
	TCPS_CLOSED,
	TCPS_LISTEN,
	TCPS_SYN_SENT,
	TCPS_SYN_RCVD, /* simultaneous open only; passive opens wait as s7_tcp_req */
	TCPS_ESTABLISHED,
	TCPS_FIN_WAIT_1,
	TCPS_FIN_WAIT_2,
	TCPS_CLOSE_WAIT,
	TCPS_CLOSING,
	TCPS_LAST_ACK,
	TCPS_TIME_WAIT, /* never of a socket: s7_tcp_tw */
	TCPS_COUNT
};

/* tcb->bits */
enum tcp_bits {
	TCB_NODELAY = 1 << 0,
	TCB_CORK = 1 << 1,
	TCB_ORPHAN = 1 << 2,	    /* no descriptor left: free when closed */
	TCB_TS = 1 << 3,	    /* timestamps agreed */
	TCB_SACK = 1 << 4,	    /* SACK agreed */
	TCB_WSCALE = 1 << 5,	    /* window scaling agreed */
	TCB_FIN_QUEUED = 1 << 6,    /* our FIN is in the send queue */
	TCB_ACK_NOW = 1 << 7,	    /* an ACK must leave before this call ends */
	TCB_CWND_LIMITED = 1 << 8,  /* cwnd held output back in this window */
	TCB_OWNS_PORT = 1 << 9,	    /* counted by sk_own_port for the connection */
	TCB_DONE = 1 << 10,	    /* was connected once: reads give 0, not -ENOTCONN */
	TCB_NOSPACE = 1 << 11,	    /* somebody waits for room to send */
	TCB_STARVED = 1 << 21,	    /* ... and it is packets that lack: nothing can be written */
	TCB_ACCEPTED = 1 << 12,	    /* passive child, given out by accept */
	TCB_CHILD = 1 << 13,	    /* in the accept queue of tcb->listener */
	TCB_CONNECT_DONE = 1 << 14, /* the program has learned the outcome of connect */
	TCB_URG_OUT = 1 << 15,	    /* snd_up is ahead of snd_una */
	TCB_PINGPONG = 1 << 16,	    /* interactive: ACKs ride on answers */
	TCB_PMTU_LOWERED = 1 << 17,
	TCB_CC_USER = 1 << 18, /* congestion control chosen by the program */
	TCB_CONNECTING = 1 << 19, /* connect() was called, its outcome not told */
	TCB_ZEROCOPY = 1 << 23,	  /* sends with MSG_ZEROCOPY wait for their ACK: ext->zc_wait */
	TCB_QUICKACK = 1 << 24,	  /* TCP_QUICKACK: the program wants its ACKs at once */
	TCB_LATER_OUT = 1 << 25,  /* in inst->later.out */
	TCB_THIN_TIMEOUTS = 1 << 22, /* TCP_THIN_LINEAR_TIMEOUTS */
	TCB_ECN = 1u << 26,	  /* ECN agreed (until the answer to our SYN: asked for) */
	TCB_ECN_SEEN = 1u << 27,  /* the peer marks its packets ECT */
	TCB_ECN_ECHO = 1u << 28,  /* ECE on every ACK until CWR comes */
	TCB_ECN_CWR = 1u << 29,	  /* CWR on the next new data */
	TCB_FIN_IN = 1 << 20,	  /* the peer's FIN was taken: reads end before errors are told */
	/* what the program set, which outlives a connection */
	TCB_SETTINGS = TCB_NODELAY | TCB_CORK | TCB_CC_USER | TCB_THIN_TIMEOUTS,
};

/* Deadlines that share tcb->timer. */
enum tcp_deadline {
	TCPD_REO, /* RACK: what may only be reordered is lost now */
	TCPD_TLP, /* before TCPD_RTX: they may come due together */
	TCPD_RTX,
	TCPD_PERSIST,
	TCPD_KEEP,
	TCPD_CORK,
	TCPD_FIN_WAIT_2,
	TCPD_PACE, /* SO_MAX_PACING_RATE lets the next burst go */
	TCPD_COUNT
};

/* as Linux numbers them (tcpi_ca_state) */
enum tcp_recovery_state { TCPCA_OPEN, TCPCA_DISORDER, TCPCA_CWR, TCPCA_RECOVERY, TCPCA_LOSS };

/* tcb->rec */
enum tcp_rec_bits {
	REC_UNDO = 1 << 0,  /* undo_seq: a reduction that may prove to be wrong */
	REC_STAMP = 1 << 1, /* rtx_stamp */
	REC_FRTO = 1 << 2,  /* RFC 5682 judges the timeout */
	REC_FRTO_NEW = 1 << 3, /* the next output is of new data, nothing is repaired */
	REC_TLP = 1 << 4,   /* a tail loss probe is under way: tlp_end */
	REC_TLP_RTX = 1 << 5, /* ... and it was a retransmission */
	REC_RACK = 1 << 6,  /* something sent later than all before was delivered */
	REC_DSACK = 1 << 7, /* RACK's window grows */
	REC_RACK_RTX = 1 << 8, /* what rack_at tells of was a retransmission */
};

/* Nothing to do; data to send or under way; ... but the window, or SO_SNDBUF, is in the way. */
enum tcp_chrono { TCPC_IDLE, TCPC_BUSY, TCPC_WINDOW, TCPC_SNDBUF, TCP_CHRONOS };

/* Urgent byte (RFC 6093: as Linux, the octet before the urgent pointer). */
enum tcp_urg { TCPU_NONE, TCPU_EXPECTED, TCPU_VALID, TCPU_READ };

/* Chunks of the send queue, oldest first, linked by pkt->tcp.owner[0] (tcp_int.h). */
struct tcp_sendq {
	struct s7_pkt *head, *tail;
	struct s7_pkt *next;	  /* first chunk never sent, NULL: none */
	struct s7_pkt *sack_hint; /* sent chunk where the last SACK walk stopped, or NULL */
	struct s7_pkt *lost_hint; /* chunks before it were judged for loss */
	struct s7_pkt *rtx_hint;  /* chunks before it need no retransmission */
	uint32_t count;		  /* chunks held */
	uint32_t sacked, lost, retrans; /* sequence space so marked */
	uint32_t sacked_count;	  /* chunks SACKed */
	uint32_t high_sacked;	  /* end of the highest chunk SACKed, valid while sacked */
	struct tcp_sack seen[TCP_SACKS_MAX]; /* blocks of the last SACK: not walked again */
};

struct s7_tcb {
	/* both directions, every segment */
	uint8_t state;	/* enum tcp_state */
	uint8_t ca_state; /* enum tcp_recovery_state */
	uint8_t snd_wscale, rcv_wscale;
	uint32_t bits;	/* enum tcp_bits */
	uint32_t rcv_nxt, rcv_wup; /* rcv_wup: rcv_nxt when the last ACK left */
	uint32_t rcv_wnd;	   /* advertised, counted from rcv_wup */
	uint32_t snd_una, snd_nxt, write_seq;
	uint32_t snd_wnd, snd_wl1, snd_max_wnd;
	uint32_t mss;		   /* payload bytes of a full segment */
	uint32_t ts_recent, ts_offset;
	uint32_t ts_recent_s;	   /* seconds of inst->now when ts_recent was taken */
	uint32_t challenge_ms;	   /* tcp_challenge_allowed's */
	s7_time at[TCPD_COUNT];	   /* deadlines, 0: none */
	s7_time delack_at;
	s7_time last_rx, last_tx;

	/* received, not yet read */
	struct s7_pkt *rq_head, *rq_tail;
	uint32_t rq_bytes, rq_pkts;
	uint32_t rcv_mss;	   /* largest payload seen: what "full-sized" means in ACK policy */
	uint8_t quickacks;	   /* ACKs that may not be delayed */
	uint8_t small_segs;	   /* not acknowledged yet, short of a full one; 2: two or more */
	uint8_t urg_state;	   /* enum tcp_urg */
	uint8_t urg_byte;
	uint8_t sack_count;
	uint32_t rcv_up;	   /* sequence number of the urgent octet */
	uint32_t copied_seq;	   /* first byte not yet read by the program */

	struct tcp_sendq sq;
	uint32_t snd_sml;	   /* end of the last segment that was not full (Minshall) */
	uint32_t snd_up;
	uint32_t iss, irs;

	/* congestion control; windows in bytes */
	uint32_t cwnd, ssthresh, cwnd_peak;
	uint32_t recover;	   /* snd_nxt when recovery began */
	uint32_t dupacks;
	uint32_t prr_delivered, prr_out;
	uint32_t reordering;	   /* segments by which others were seen to overtake, Linux's 3 */
	uint32_t reord_seen;	   /* how often */
	uint32_t max_out;	   /* most that was in flight in this window of data */
	uint32_t usage_seq;	   /* ... which ends there */
	uint32_t delivered, delivered_ce; /* chunks that arrived; with ECE */

	/* RACK-TLP (RFC 8985): of what was delivered, the chunk sent last */
	s7_time rack_at, rack_rtt;
	uint32_t rack_end;
	uint32_t tlp_end;	   /* snd_nxt when the probe left */
	uint32_t dsack_round;	   /* RACK's window grows once until this is acknowledged */
	uint32_t dsacks;	   /* segments that the peer had twice */
	uint8_t reo_steps;	   /* the window in quarters of min_rtt */
	uint8_t reo_persist;	   /* recoveries for which it stays so */
	uint16_t rec;		   /* enum tcp_rec_bits */
	/* undo (RFC 5682, RFC 4015, RFC 3708) */
	uint32_t undo_seq;	   /* snd_una when the reduction began */
	int32_t undo_rtx;	   /* retransmissions not yet told duplicates; -1: none so far */
	uint32_t prior_cwnd, prior_ssthresh; /* 0: stays reduced */
	uint32_t rtx_stamp;	   /* timestamp of the first retransmission */
	uint32_t cc;		   /* index of tcp_cc_table */
	uint64_t cc_priv[8];

	/* RTT (RFC 6298), microseconds */
	uint32_t srtt8_us, rttvar4_us, rto_us, min_rtt_us;
	uint32_t backoff;	   /* doublings of rto in force */
	uint32_t retries;	   /* RTOs, SYN retries, probes without answer */
	s7_time stalled_at;	   /* first unanswered retransmission or probe; 0 none */

	struct s7_timer timer, delack_timer;
	struct s7_list later;	   /* in one of inst->later's lists, or self-linked */

	/* out of order */
	struct s7_pkt *oo_head, *oo_tail;
	uint32_t oo_bytes, oo_pkts;
	struct tcp_sack sacks[TCP_SACKS_MAX]; /* what we hold beyond rcv_nxt, latest first */
	struct tcp_sack dsack;		      /* empty when start == end */

	/* receive buffer autotuning */
	s7_time rcv_rtt_at, space_at;
	uint32_t rcv_rtt_seq, rcv_rtt_us;
	uint32_t space_seq, space_bytes;

	/* settings */
	uint32_t keep_idle_s, keep_intvl_s, keep_cnt, keep_sent;
	uint32_t user_timeout_ms;
	uint32_t user_mss;	   /* TCP_MAXSEG, 0: none */
	uint32_t peer_mss;	   /* as announced */
	uint32_t window_clamp;
	uint32_t notsent_lowat;
	int32_t linger2_s;	   /* 0: default, < 0: none */
	uint8_t syn_retries;
	uint16_t defer_accept_s;
	uint8_t soft_err_count;
	bool writer; /* a blocking send waits for the handshake: its data carries the ACK */
	int32_t soft_err;
	uint32_t total_retrans;
	uint64_t bytes_retrans;
	uint64_t bytes_sent, bytes_acked, bytes_received, segs_in, segs_out;

	struct s7_dst dst;

	/* listener */
	struct s7_list accept_queue; /* children, by sk.owner_list */
	struct s7_list requests;     /* half-open, by req->list */
	uint32_t accept_len, backlog;
	uint32_t request_count;
	s7_time cookies_at;	     /* last time a cookie was sent */
	struct s7_tcp_sock *listener; /* of a child in the accept queue */

	/* what the connection spends its time on (tcp_info.c) */
	s7_time begun_at;	   /* the handshake was complete */
	uint8_t chrono;		   /* enum tcp_chrono, since chrono_at */
	s7_time chrono_at, chrono_ns[TCP_CHRONOS - 1];
	uint32_t data_segs_in, data_segs_out;

	/* tcp_opt_more.c; 0: the default */
	s7_time pace_at;	   /* nothing new leaves before */
	struct s7_pkt *saved_syn;
	uint16_t saved_syn_len;
	uint8_t save_syn;	   /* 1 network and TCP header, 2 the link header too */
	uint32_t rto_min_us, rto_max_us, delack_max_us;
	uint32_t tx_delay_us;
	uint32_t fastopen_qlen;
	struct s7_tcp_tfo *tfo; /* Fast Open, NULL: none of it */
};

/* Fast Open (RFC 7413), for the few that use it: tcp_fastopen.c, tcp_fastopen_out.c */
struct s7_tcp_tfo {
	/* who connects */
	bool wanted;	 /* TCP_FASTOPEN_CONNECT */
	bool once;	 /* MSG_FASTOPEN: for the connect() under way */
	bool deferred;	 /* SYN_SENT, but the SYN waits for the first bytes */
	bool data;	 /* bytes were in the SYN */
	uint8_t failure; /* tcpi_fastopen_client_fail */
	/* both */
	bool taken; /* bytes of the SYN were taken */
	uint8_t option; /* of the next SYN or SYN-ACK: TCPO_FASTOPEN..., 0 none */
	struct tcp_cookie cookie; /* with it */
	/* a listener */
	uint8_t keys; /* how many of key[]; the first makes cookies, all are good */
	uint64_t key[2][2];
	uint32_t pending; /* children whose SYN-ACK is not acknowledged */
	uint32_t resets;  /* of them, lately reset */
	s7_time reset_at;
	struct s7_list children; /* the pending ones, by `list` */
	/* a child that was made of a SYN */
	bool child;
	struct s7_list list;
	struct s7_tcp_sock *listener; /* while it is pending there */
	s7_time synack_at;
};

#define TCP_TFO_PEERS 1024
#define TCP_TFO_WAYS 4

/* In vain: the option, the experimental one too. */
enum tcp_tfo_tried { TFO_TRIED_NONE, TFO_TRIED, TFO_TRIED_BOTH };

/* What a client knows of a server. */
struct s7_tcp_tfo_peer {
	struct s7_ip local, remote;
	struct tcp_cookie cookie; /* len 0: none was given */
	uint8_t option;		  /* ... with TCPO_FASTOPEN, and TCPO_FASTOPEN_EXP */
	uint8_t tried;		  /* enum tcp_tfo_tried */
	uint16_t mss;		  /* 0: this is nobody's */
	s7_time used_at;
};

struct s7_tcp_sock {
	struct s7_sock sk;
	struct s7_tcb tcb;
};

/* A half-open connection: what the SYN said and what we answered. */
struct s7_tcp_req {
	struct s7_flow flow;
	struct s7_timer timer;
	struct s7_list list; /* listener's tcb.requests */
	struct s7_tcp_sock *listener;
	struct s7_dst dst;
	uint32_t irs, iss;
	uint32_t ts_recent, ts_offset;
	uint32_t rcv_wnd, snd_wnd;
	uint16_t mss; /* of the peer */
	uint8_t bits; /* enum tcp_opt_bits agreed */
	bool ecn;
	uint8_t snd_wscale, rcv_wscale;
	uint8_t retries;
	struct s7_pkt *syn; /* TCP_SAVE_SYN: data at the IP header; NULL none */
	uint16_t syn_len;   /* its headers */
	bool acked; /* the handshake is complete, the accept queue was full or data is awaited */
	uint8_t tos;
	s7_time made_at, synack_at;
	struct s7_ip4_opts ip_opts; /* of its packets: they answer those of the SYN; len 0: none */
};

/* TIME_WAIT: enough to answer and to judge a new SYN. */
struct s7_tcp_tw {
	struct s7_flow flow;
	struct s7_timer timer;
	uint32_t snd_nxt, rcv_nxt, rcv_wnd;
	uint32_t ts_recent, ts_offset;
	uint32_t ts_recent_s;
	uint32_t bound_iface;
	uint32_t challenge_ms; /* tcp_challenge_allowed's */
	uint32_t share; /* SKB_REUSEADDR, SKB_REUSEPORT as its socket had them */
	uint8_t rcv_wscale;
	uint8_t tos, ttl;
	uint32_t tx_delay_us;
	bool ts, owns_port;
};

/* TCP of one instance. */
struct s7_tcp_inst {
	struct s7_slab socks, reqs, tws, tfos;
	struct s7_tcp_tfo_peer *tfo_peers; /* TCP_TFO_PEERS of them, sets of TCP_TFO_WAYS */
	uint64_t key[2][2]; /* ISN and cookies; timestamps */
};

static inline struct s7_tcp_sock *tcp_sk(struct s7_sock *sk)
{
	return s7_container(sk, struct s7_tcp_sock, sk);
}

/* The socket's IPv6 extension headers are others now. */
void tcp_headers_changed(struct s7_sock *sk);

static inline const struct s7_tcb *tcp_tcb(const struct s7_sock *sk)
{
	return &((const struct s7_tcp_sock *)sk)->tcb;
}

/* The settings of the interface that carries the connection; lo's, which are params', until that is
 * known. */
static inline const struct s7_iface_tcp *tcp_iface(const struct s7_tcp_sock *ts)
{
	return &ts->sk.inst->iface[ts->sk.flow.iface].tcp;
}

/* Called by inst_create: slabs by params.max_sockets and max_time_wait. 0, -ENOMEM. */
int tcp_inst_init(struct s7_inst *inst);

/* Timer handlers for the instance's table. */
void tcp_timer(void *inst, struct s7_timer *timer, s7_time now);	/* TIMER_TCP */
void tcp_delack_timer(void *inst, struct s7_timer *timer, s7_time now); /* TIMER_TCP_DELACK */
void tcp_req_timer(void *inst, struct s7_timer *timer, s7_time now);	/* TIMER_TCP_REQ */
void tcp_tw_timer(void *inst, struct s7_timer *timer, s7_time now);	/* TIMER_TIME_WAIT */

/* What waited in inst->later: data and FINs are sent; ACKs that did not ride on an answer
 * leave when they are old enough (or all). */
void tcp_later_run(struct s7_inst *inst);
void tcp_later_acks(struct s7_inst *inst, bool all);
s7_time tcp_later_next(const struct s7_inst *inst);

/*
 * After a death inside the instance, tcp_mend.c: every socket's lists, then, with wheel and flow
 * table whole, its place in them.
 */
void tcp_mend_lists(struct s7_tcp_sock *ts);
void tcp_mend(struct s7_tcp_sock *ts, bool is_current); /* which is aborted later */
/* Is it in its listener's queue, which refers to it? */
bool tcp_is_queued(const struct s7_sock *sk);
/* Nobody refers to it any more: is nothing under way that will end it? */
bool tcp_is_stuck(const struct s7_sock *sk);

/* "ESTABLISHED"... of an enum tcp_state. */
const char *tcp_state_text(enum tcp_state state);
/* The number that Linux gives the state (TCP_INFO, sock_diag). */
uint8_t tcp_state_linux(const struct s7_sock *sk);

/* ---- options, for stack/sock/opt_tcp.c. Setters: 0 or -errno with Linux's ranges. tcp_opt_api.c
 * ---- */
int tcp_set_nodelay(struct s7_sock *sk, int on);
int tcp_get_nodelay(const struct s7_sock *sk);
int tcp_set_cork(struct s7_sock *sk, int on);
int tcp_get_cork(const struct s7_sock *sk);
int tcp_set_quickack(struct s7_sock *sk, int value);
int tcp_get_quickack(const struct s7_sock *sk);
int tcp_set_maxseg(struct s7_sock *sk, int bytes);
int tcp_get_maxseg(const struct s7_sock *sk);
int tcp_set_keepidle(struct s7_sock *sk, int seconds);
int tcp_get_keepidle(const struct s7_sock *sk);
int tcp_set_keepintvl(struct s7_sock *sk, int seconds);
int tcp_get_keepintvl(const struct s7_sock *sk);
int tcp_set_keepcnt(struct s7_sock *sk, int count);
int tcp_get_keepcnt(const struct s7_sock *sk);
int tcp_set_user_timeout(struct s7_sock *sk, int ms);
int tcp_get_user_timeout(const struct s7_sock *sk);
int tcp_set_syncnt(struct s7_sock *sk, int count);
int tcp_get_syncnt(const struct s7_sock *sk);
int tcp_set_linger2(struct s7_sock *sk, int seconds);
int tcp_get_linger2(const struct s7_sock *sk);
int tcp_set_defer_accept(struct s7_sock *sk, int seconds);
int tcp_get_defer_accept(const struct s7_sock *sk);
int tcp_set_window_clamp(struct s7_sock *sk, int bytes);
int tcp_get_window_clamp(const struct s7_sock *sk);
/* A call with MSG_ZEROCOPY is over; the socket has sk->ext. */
void tcp_zerocopy_sent(struct s7_sock *sk);
/* What ICMP said and nothing came of it, an errno or 0; asking forgets it. */
int tcp_take_soft_error(struct s7_sock *sk);
int tcp_set_notsent_lowat(struct s7_sock *sk, int bytes);
int tcp_get_notsent_lowat(const struct s7_sock *sk);
/* name need not end in 0. -ENOENT: no such congestion control here. */
int tcp_set_save_syn(struct s7_sock *sk, int how);
int tcp_get_save_syn(const struct s7_sock *sk);
/* Writes the headers of the saved SYN and forgets them; 0 bytes: none. -EINVAL: *len is too small,
 * it becomes what is needed. */
int tcp_take_saved_syn(struct s7_sock *sk, void *buf, uint32_t *len);
/* TCP_TX_DELAY: what is sent from now on leaves so many us later. 0, -EINVAL. */
int tcp_set_tx_delay(struct s7_sock *sk, int us);
int tcp_get_tx_delay(const struct s7_sock *sk);
int tcp_set_rto_min(struct s7_sock *sk, int us);
int tcp_get_rto_min(const struct s7_sock *sk);
int tcp_set_rto_max(struct s7_sock *sk, int ms);
int tcp_get_rto_max(const struct s7_sock *sk);
int tcp_set_delack_max(struct s7_sock *sk, int us);
int tcp_get_delack_max(const struct s7_sock *sk);
int tcp_set_thin_timeouts(struct s7_sock *sk, int on);
int tcp_get_thin_timeouts(const struct s7_sock *sk);
int tcp_get_timestamp(const struct s7_sock *sk);
int tcp_set_fastopen(struct s7_sock *sk, int qlen);
int tcp_get_fastopen(const struct s7_sock *sk);
int tcp_set_fastopen_connect(struct s7_sock *sk, int on);
int tcp_get_fastopen_connect(const struct s7_sock *sk);
/* A listener's keys as TCP_FASTOPEN_KEY shows them: 16 or 32 bytes, else its own stays. */
void tcp_set_fastopen_keys(struct s7_sock *sk, const void *keys, uint32_t len);
/* connect() was told 0, and the SYN waits for the first bytes. */
bool tcp_is_deferred(const struct s7_sock *sk);
/*
 * connect() with MSG_FASTOPEN: what of msg left in the SYN is in msg->skip. -EINPROGRESS, or what
 * connect says.
 */
int tcp_connect_data(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port,
		     struct s7_msg *msg);
/* SO_MAX_PACING_RATE changed. */
void tcp_pacing_changed(struct s7_sock *sk);
/* SO_CNX_ADVICE: the next segment looks its route up anew. */
void tcp_forget_route(struct s7_sock *sk);
/* TCP_INQ: bytes that wait to be read; 1 when the end of the stream is all that waits. */
uint32_t tcp_inq_hint(const struct s7_sock *sk);
int tcp_set_congestion(struct s7_sock *sk, const char *name, size_t len);
const char *tcp_get_congestion(const struct s7_sock *sk);
/* Fills at most `len` bytes of a struct tcp_info (linux/tcp.h); returns how many. */
uint32_t tcp_get_info(const struct s7_sock *sk, void *buf, uint32_t len);
/* SIOCATMARK: 1 when the next byte to read is the urgent one. -EINVAL on a listener. */
int tcp_at_mark(const struct s7_sock *sk);
/* SIOCOUTQNSD: bytes never sent. */
uint32_t tcp_outq_unsent(const struct s7_sock *sk);
/* SO_KEEPALIVE changed. */
void tcp_keepalive_changed(struct s7_sock *sk);
/* SO_RCVLOWAT grew: makes the buffer large enough, as Linux. */
void tcp_rcvlowat_changed(struct s7_sock *sk);
/* connect(AF_UNSPEC): breaks the connection (RST where one is due) and makes the socket fresh
 * again. 0. */
int tcp_disconnect(struct s7_sock *sk);
/*
 * What connect() says for the state alone: -EISCONN, -EALREADY, the outcome of an attempt that
 * ended (0, told once, or its error: then the socket is fresh again). 1: a new attempt may begin.
 */
int tcp_connect_state(struct s7_sock *sk);
/* Index of a congestion control for params.tcp_cc, or -ENOENT. */
int tcp_cc_index(const char *name, size_t len);
/* Accept queue length and limit, as LISTEN sockets show them in rx/tx queue. */
void tcp_accept_stats(const struct s7_sock *sk, uint32_t *ret_len, uint32_t *ret_max);

#endif
