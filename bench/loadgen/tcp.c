/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp.c - connections: slots, ports, connecting, timers, the end
 *
 * Idea: there is one peer and one server port, so the ephemeral port alone names a connection, in
 * both roles. A client's slot lives for ever and is connected again and again, each time from the
 * next port in the cycle. TIME_WAIT on the server's side is passed by beginning above the last
 * sequence number the port used (RFC 9293 3.10.7.4, RFC 6191); on our side there is none.
 * Bound: --max-connecting handshakes at a time. Timers are looked at in a slow round over the
 * slots (16 ms for all), which is exact enough for retransmission after tens of milliseconds.
 * Context: the poll loop.   Called by: main.c, tcp_in.c and the modes.
 */
#include "tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lg.h"

#define TCP_PORTS 65536
#define TCP_ISN_STEP 65536
#define TCP_MAX_RETRIES 7
#define TCP_SCAN_PARTS 64
#define TCP_SCAN_US 250

static void init_window(struct lg_tcp *tcp, uint64_t window)
{
	tcp->wscale = 0;
	while ((window >> tcp->wscale) > 65535)
		tcp->wscale++;
	tcp->window = (uint16_t)(window >> tcp->wscale);
	tcp->syn_window = (uint16_t)RTE_MIN(window, 65535u);
}

/* Begins where a clock stands that is faster than any earlier run of ours went (RFC 9293 3.4.1). */
static void init_sequences(struct lg_tcp *tcp)
{
	struct timespec ts;
	uint32_t i, isn;

	clock_gettime(CLOCK_REALTIME, &ts);
	isn = (uint32_t)(((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec) >> 8);
	for (i = 0; i < TCP_PORTS; i++)
		tcp->port_seq[i] = isn;
}

int tcp_init(struct lg *lg)
{
	struct lg_tcp *tcp = &lg->tcp;
	uint32_t i;

	tcp->count = (uint32_t)lg->conf.conns;
	tcp->conns = aligned_alloc(64, tcp->count * sizeof(*tcp->conns));
	tcp->by_port = calloc(TCP_PORTS, sizeof(*tcp->by_port));
	tcp->port_seq = calloc(TCP_PORTS, sizeof(*tcp->port_seq));
	tcp->dirty = calloc(tcp->count, sizeof(*tcp->dirty));
	tcp->pending = calloc(tcp->count, sizeof(*tcp->pending));
	tcp->unused = calloc(tcp->count, sizeof(*tcp->unused));
	tcp->lines = calloc(tcp->count, TCP_LINE);
	if (!tcp->conns || !tcp->by_port || !tcp->port_seq || !tcp->dirty || !tcp->pending ||
	    !tcp->unused || !tcp->lines)
		return -ENOMEM;
	memset(tcp->conns, 0, tcp->count * sizeof(*tcp->conns));
	for (i = 0; i < tcp->count; i++)
		tcp->unused[i] = tcp->count - 1 - i;
	tcp->unused_count = lg->conf.respond ? tcp->count : 0;
	init_window(tcp, lg->conf.window);
	init_sequences(tcp);
	tcp->rto = lg_ms(lg, lg->conf.rto_ms);
	tcp->next_port = (uint16_t)(lg->conf.port_lo +
				    (lg->now >> 10) % (lg->conf.port_hi - lg->conf.port_lo + 1));
	return 0;
}

int tcp_pattern(struct lg *lg, const void *bytes, uint64_t len)
{
	struct lg_tcp *tcp = &lg->tcp;
	uint64_t at, n;

	tcp->pattern = malloc(len + TCP_PATTERN_TAIL);
	if (!tcp->pattern || len == 0)
		return -ENOMEM;
	for (at = 0; at < len + TCP_PATTERN_TAIL; at += n) {
		n = RTE_MIN(len, len + TCP_PATTERN_TAIL - at);
		memcpy(tcp->pattern + at, bytes, n);
	}
	tcp->pattern_len = len;
	return 0;
}

static void conn_reset(struct lg *lg, struct lg_conn *c)
{
	uint32_t *isn = &lg->tcp.port_seq[lg->conf.respond ? c->rport : c->lport];
	bool dirty = c->dirty; /* it may still stand in the list */
	uint16_t lport = c->lport, rport = c->rport;

	*isn += TCP_ISN_STEP;
	memset(c, 0, sizeof(*c));
	c->dirty = dirty;
	c->lport = lport;
	c->rport = rport;
	c->iss = *isn;
	c->mss = 536;
}

/* The next port of the cycle that is not in use; 0 when all are. */
static uint16_t take_port(struct lg *lg)
{
	uint32_t range = (uint32_t)(lg->conf.port_hi - lg->conf.port_lo + 1);
	uint16_t port;

	while (range--) {
		port = lg->tcp.next_port;
		lg->tcp.next_port = port == lg->conf.port_hi ? (uint16_t)lg->conf.port_lo :
							       (uint16_t)(port + 1);
		if (!lg->tcp.by_port[port])
			return port;
	}
	return 0;
}

static void conn_connect(struct lg *lg, struct lg_conn *c)
{
	uint16_t port = take_port(lg);

	if (!port) {
		tcp_reconnect(lg, c, 100);
		return;
	}
	c->lport = port;
	c->rport = (uint16_t)lg->conf.port;
	conn_reset(lg, c);
	c->state = TCP_SYN_SENT;
	c->app.t0 = lg->now;
	c->timer_at = lg->now + lg->tcp.rto;
	lg->tcp.by_port[port] = (uint32_t)(c - lg->tcp.conns) + 1;
	lg->tcp.connecting++;
	tcp_send_syn(lg, c);
}

void tcp_reconnect(struct lg *lg, struct lg_conn *c, uint64_t delay_ms)
{
	struct lg_tcp *tcp = &lg->tcp;

	if (lg->stopping)
		return;
	c->state = TCP_WAITING;
	if (delay_ms) {
		c->timer_at = lg->now + lg_ms(lg, delay_ms);
		return;
	}
	c->timer_at = 0;
	tcp->pending[(tcp->pending_head + tcp->pending_count++) % tcp->count] =
		(uint32_t)(c - tcp->conns);
}

void tcp_start(struct lg *lg)
{
	uint32_t i;

	for (i = 0; i < lg->tcp.count; i++)
		tcp_reconnect(lg, &lg->tcp.conns[i], 0);
}

struct lg_conn *tcp_passive(struct lg *lg, uint16_t rport)
{
	struct lg_tcp *tcp = &lg->tcp;
	struct lg_conn *c;

	if (!tcp->unused_count || lg->stopping)
		return NULL;
	c = &tcp->conns[tcp->unused[--tcp->unused_count]];
	c->lport = (uint16_t)lg->conf.port;
	c->rport = rport;
	conn_reset(lg, c);
	c->state = TCP_SYN_RCVD;
	c->timer_at = lg->now + tcp->rto;
	tcp->by_port[rport] = (uint32_t)(c - tcp->conns) + 1;
	tcp->connecting++;
	return c;
}

void tcp_gone(struct lg *lg, struct lg_conn *c, int why)
{
	struct lg_tcp *tcp = &lg->tcp;
	uint16_t port = lg->conf.respond ? c->rport : c->lport;

	if (c->state == TCP_OPEN)
		tcp->open--;
	else
		tcp->connecting--;
	tcp_drop_held(lg, c);
	tcp->by_port[port] = 0;
	tcp->port_seq[port] = tcp_seq(c, c->max);
	c->state = TCP_CLOSED;
	c->timer_at = 0;
	if (lg->conf.respond)
		tcp->unused[tcp->unused_count++] = (uint32_t)(c - tcp->conns);
	lg->app->gone(lg, c, why);
}

void tcp_abort(struct lg *lg, struct lg_conn *c, int why)
{
	tcp_send_rst(lg, c->lport, c->rport, tcp_seq(c, c->nxt), c->rcv_nxt, TCP_RST | TCP_ACK);
	tcp_gone(lg, c, why);
}

void tcp_queue(struct lg *lg, struct lg_conn *c, uint64_t bytes)
{
	c->limit += bytes;
	tcp_mark(lg, c);
}

void tcp_close(struct lg *lg, struct lg_conn *c)
{
	c->fin_wanted = true;
	tcp_mark(lg, c);
}

void tcp_close_all(struct lg *lg, bool cut)
{
	struct lg_conn *c;

	for (c = lg->tcp.conns; c < lg->tcp.conns + lg->tcp.count; c++) {
		if (c->state != TCP_OPEN || c->fin_wanted)
			continue;
		if (cut)
			c->limit = RTE_MIN(c->limit, c->max);
		tcp_close(lg, c);
	}
}

void tcp_abort_all(struct lg *lg)
{
	struct lg_conn *c;

	for (c = lg->tcp.conns; c < lg->tcp.conns + lg->tcp.count; c++) {
		if (c->state < TCP_SYN_SENT)
			continue;
		tcp_abort(lg, c, -ECONNABORTED);
		port_flush(&lg->port);
	}
}

void tcp_flush(struct lg *lg)
{
	struct lg_tcp *tcp = &lg->tcp;
	uint32_t i, n, kept = 0;
	struct lg_conn *c;

	while (tcp->pending_count && !lg->stopping && port_room(&lg->port) > PORT_BURST &&
	       tcp->connecting < lg->conf.max_connecting) {
		i = tcp->pending[tcp->pending_head];
		tcp->pending_head = (tcp->pending_head + 1) % tcp->count;
		tcp->pending_count--;
		conn_connect(lg, &tcp->conns[i]);
	}
	n = tcp->dirty_count;
	for (i = 0; i < n; i++) {
		c = &tcp->conns[tcp->dirty[i]];
		if (c->state == TCP_OPEN && !tcp_output(lg, c)) {
			tcp->dirty[kept++] = tcp->dirty[i];
			continue;
		}
		c->dirty = false;
	}
	tcp->dirty_count = kept;
}

static void conn_timeout(struct lg *lg, struct lg_conn *c)
{
	if (c->state == TCP_WAITING) {
		tcp_reconnect(lg, c, 0);
		return;
	}
	if (c->retries++ >= TCP_MAX_RETRIES) {
		lg->stats.ctr[CTR_TIMEOUTS]++;
		tcp_abort(lg, c, -ETIMEDOUT);
		return;
	}
	c->timer_at = lg->now + (lg->tcp.rto << c->retries);
	if (c->state == TCP_OPEN) {
		c->nxt = c->una; /* go back: everything again from the first hole */
		c->recover = 0;
		if (c->snd_wnd)
			tcp_mark(lg, c);
		else
			tcp_resend_first(lg, c); /* probes the closed window */
	} else {
		lg->stats.ctr[CTR_RETRANSMITS]++;
		tcp_send_syn(lg, c);
	}
}

void tcp_timers(struct lg *lg)
{
	struct lg_tcp *tcp = &lg->tcp;
	uint32_t n = tcp->count / TCP_SCAN_PARTS + 1;
	struct lg_conn *c;

	if (lg->now < tcp->scan_at)
		return;
	tcp->scan_at = lg->now + lg->hz / 1000000 * TCP_SCAN_US;
	while (n--) {
		c = &tcp->conns[tcp->scan];
		tcp->scan = tcp->scan + 1 == tcp->count ? 0 : tcp->scan + 1;
		if (c->timer_at && lg->now >= c->timer_at && c->state != TCP_CLOSED)
			conn_timeout(lg, c);
	}
}
