/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp.h - a small TCP for one peer: go-back-N on timeout, fast retransmission, no congestion
 * control
 *
 * The transmit stream of every connection is the same bytes over and over (the mode's *pattern*:
 * one request, one reply, a block of bulk data), so there is no send buffer: byte n of the stream
 * is pattern[n % length], also when it is sent again. A mode only says how far the stream may go
 * (tcp_queue()).
 */
#ifndef LG_TCP_H
#define LG_TCP_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

struct lg;

enum lg_tcp_state { TCP_CLOSED, TCP_WAITING, TCP_SYN_SENT, TCP_SYN_RCVD, TCP_OPEN };

/* What a mode keeps about a connection. */
struct lg_conn_app {
	uint64_t t0;	    /* when the batch in flight was sent */
	uint64_t body_left; /* of the reply that is being received */
	uint32_t in_flight; /* requests without a reply */
	uint16_t held;	    /* bytes of an incomplete head in the line buffer */
	uint8_t step;	    /* the parser's */
	bool last;	    /* close after the present reply */
	uint32_t left;	    /* RESP responder: strings of the command still to come */
};

struct lg_conn {
	uint8_t state; /* enum lg_tcp_state */
	bool dirty, need_ack, fin_wanted, peer_fin;
	uint8_t snd_wscale, retries, dup_acks;
	uint16_t lport, rport, mss;
	uint32_t iss, rcv_nxt, snd_wnd;
	/* Offsets in the transmit stream; FIN, when wanted, is the byte at `limit`. */
	uint64_t una, nxt, max, limit;
	uint64_t recover;  /* una must pass this before fast retransmission is over; 0: is not on */
	struct rte_mbuf *held; /* segments behind a hole */
	uint64_t timer_at; /* retransmission, or next try to connect; 0: off */
	struct lg_conn_app app;
} __attribute__((aligned(64)));

struct lg_tcp {
	struct lg_conn *conns;
	uint32_t count;
	uint32_t open, connecting, held_count;
	uint32_t *by_port;  /* ephemeral port -> connection + 1 */
	uint32_t *port_seq; /* sequence number to begin above when the port is used again */
	uint32_t *dirty, dirty_count;
	uint32_t *pending, pending_head, pending_count; /* ring: to be connected */
	uint32_t *unused, unused_count;			/* stack: for passive opens */
	uint16_t next_port;
	uint32_t scan; /* the timer scan's place */
	uint64_t scan_at;
	uint8_t wscale;
	uint16_t window, syn_window; /* what we advertise, scaled and not */
	uint64_t rto;		     /* ticks */
	uint8_t *pattern;	     /* pattern_len bytes, repeated for another PATTERN_TAIL */
	uint64_t pattern_len;
	uint8_t *lines; /* TCP_LINE bytes a connection, for heads in pieces */
};

#define TCP_LINE 4096
#define TCP_PATTERN_TAIL 65536

int tcp_init(struct lg *lg);

/* Makes `len` bytes the pattern of all streams. 0 or -ENOMEM. */
int tcp_pattern(struct lg *lg, const void *bytes, uint64_t len);

/* Puts every connection on the list of those to be connected. */
void tcp_start(struct lg *lg);
void tcp_input(struct lg *lg, const uint8_t *p, uint32_t len);

/* Connects who waits, sends what is due and may be sent; after each burst. */
void tcp_flush(struct lg *lg);
/* Looks at some of the timers. */
void tcp_timers(struct lg *lg);

/* Lets `bytes` more of the stream go out. */
void tcp_queue(struct lg *lg, struct lg_conn *c, uint64_t bytes);
/* FIN after what is queued. */
void tcp_close(struct lg *lg, struct lg_conn *c);
/* FIN on every connection; with `cut` after what has been sent, not after what is queued. */
void tcp_close_all(struct lg *lg, bool cut);
/* RST on every connection that is still there. */
void tcp_abort_all(struct lg *lg);
/* RST, and the connection is gone with `why`. */
void tcp_abort(struct lg *lg, struct lg_conn *c, int why);
/* Puts a closed connection on the list of those to be connected; after delay_ms when not 0. */
void tcp_reconnect(struct lg *lg, struct lg_conn *c, uint64_t delay_ms);

/* tcp_out.c, for tcp_in.c and tcp.c */
void tcp_mark(struct lg *lg, struct lg_conn *c);
void tcp_send_syn(struct lg *lg, struct lg_conn *c);
void tcp_send_ack(struct lg *lg, struct lg_conn *c);
void tcp_send_rst(struct lg *lg, uint16_t lport, uint16_t rport, uint32_t seq, uint32_t ack,
		  uint8_t flags);
void tcp_resend_first(struct lg *lg, struct lg_conn *c);
/* false: the port takes no more for now, come again. */
bool tcp_output(struct lg *lg, struct lg_conn *c);
/* tcp_reass.c: keeps a segment behind a hole, if there is room for it */
void tcp_hold(struct lg *lg, struct lg_conn *c, uint32_t seq, const uint8_t *data, uint32_t len,
	      bool fin);
/* The next kept segment that begins at rcv_nxt or before, for the caller to free; or NULL. */
struct rte_mbuf *tcp_take_held(struct lg *lg, struct lg_conn *c, uint32_t *ret_seq, bool *ret_fin);
void tcp_drop_held(struct lg *lg, struct lg_conn *c);
/* tcp.c, for tcp_in.c */
void tcp_gone(struct lg *lg, struct lg_conn *c, int why);
struct lg_conn *tcp_passive(struct lg *lg, uint16_t rport);

static inline uint32_t tcp_seq(const struct lg_conn *c, uint64_t offset)
{
	return c->iss + 1 + (uint32_t)offset;
}

static inline uint64_t tcp_end(const struct lg_conn *c)
{
	return c->limit + c->fin_wanted;
}

#endif
