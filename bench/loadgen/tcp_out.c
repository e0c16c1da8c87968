/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_out.c - segments: SYN, data from the pattern, acknowledgements, RST
 *
 * Idea: whoever changes a connection marks it; tcp_flush() walks the marked ones once a burst, so
 * everything a burst brought is answered by the same segments (data carries the acknowledgement; a
 * lone ACK goes at once when there is no data). Only the peer's window and the port's queue hold
 * data back.
 * Invariant: una <= nxt <= max <= limit + FIN.
 * Context: the poll loop.   Called by: tcp.c, tcp_in.c.
 */
#include <netinet/in.h>
#include <string.h>

#include "lg.h"

#define TCP_HLEN 20
#define TCP_SYN_HLEN 28 /* MSS, NOP, window scale */
#define TCP_ROUND 64	/* segments a connection may send before the next has its turn */

void tcp_mark(struct lg *lg, struct lg_conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	lg->tcp.dirty[lg->tcp.dirty_count++] = (uint32_t)(c - lg->tcp.conns);
}

static void put_header(uint8_t *p, const struct lg_conn *c, uint32_t seq, uint8_t flags,
		       uint32_t hlen, uint16_t window)
{
	store16(p, c->lport);
	store16(p + 2, c->rport);
	store32(p + 4, seq);
	store32(p + 8, flags & TCP_ACK ? c->rcv_nxt : 0);
	p[12] = (uint8_t)(hlen << 2);
	p[13] = flags;
	store16(p + 14, window);
	store32(p + 16, 0);
}

void tcp_send_syn(struct lg *lg, struct lg_conn *c)
{
	uint8_t flags = c->state == TCP_SYN_RCVD ? TCP_SYN | TCP_ACK : TCP_SYN;
	struct rte_mbuf *m;
	uint8_t *p;

	m = net_frame(lg, IPPROTO_TCP, TCP_SYN_HLEN, &p);
	if (!m)
		return; /* the timer tries again */
	put_header(p, c, c->iss, flags, TCP_SYN_HLEN, lg->tcp.syn_window);
	p[20] = 2;
	p[21] = 4;
	store16(p + 22, (uint16_t)(lg->conf.mtu - 40));
	p[24] = 1;
	p[25] = 3;
	p[26] = 3;
	p[27] = lg->tcp.wscale;
	net_send(lg, m, IPPROTO_TCP, p, TCP_SYN_HLEN, 16);
}

void tcp_send_ack(struct lg *lg, struct lg_conn *c)
{
	struct rte_mbuf *m;
	uint8_t *p;

	m = net_frame(lg, IPPROTO_TCP, TCP_HLEN, &p);
	if (!m)
		return;
	put_header(p, c, tcp_seq(c, c->nxt), TCP_ACK, TCP_HLEN, lg->tcp.window);
	net_send(lg, m, IPPROTO_TCP, p, TCP_HLEN, 16);
	c->need_ack = false;
}

void tcp_send_rst(struct lg *lg, uint16_t lport, uint16_t rport, uint32_t seq, uint32_t ack,
		  uint8_t flags)
{
	struct lg_conn c = { .lport = lport, .rport = rport, .rcv_nxt = ack };
	struct rte_mbuf *m;
	uint8_t *p;

	m = net_frame(lg, IPPROTO_TCP, TCP_HLEN, &p);
	if (!m)
		return;
	put_header(p, &c, seq, flags, TCP_HLEN, 0);
	net_send(lg, m, IPPROTO_TCP, p, TCP_HLEN, 16);
}

/* One segment with `len` bytes of the stream from `at`, with FIN when that is where it stands. */
static bool send_segment(struct lg *lg, struct lg_conn *c, uint64_t at, uint32_t len, bool fin)
{
	uint8_t flags = TCP_ACK | (fin ? TCP_FIN : 0);
	struct rte_mbuf *m;
	uint8_t *p;

	m = net_frame(lg, IPPROTO_TCP, TCP_HLEN + len, &p);
	if (!m)
		return false;
	if (len && at + len == c->limit)
		flags |= TCP_PSH;
	put_header(p, c, tcp_seq(c, at), flags, TCP_HLEN, lg->tcp.window);
	if (len)
		memcpy(p + TCP_HLEN, lg->tcp.pattern + at % lg->tcp.pattern_len, len);
	net_send(lg, m, IPPROTO_TCP, p, TCP_HLEN + len, 16);
	c->need_ack = false;
	lg->stats.ctr[CTR_RETRANSMITS] += at < c->max;
	if (!c->timer_at)
		c->timer_at = lg->now + lg->tcp.rto;
	return true;
}

void tcp_resend_first(struct lg *lg, struct lg_conn *c)
{
	uint64_t len = RTE_MIN((uint64_t)c->mss, c->limit - RTE_MIN(c->limit, c->una));

	if (c->snd_wnd == 0)
		len = RTE_MIN(len, 1u);
	else if (c->max > c->una)
		len = RTE_MIN(len, c->max - c->una);
	if (!send_segment(lg, c, c->una, (uint32_t)len,
			  c->fin_wanted && c->una + len == c->limit && c->max > c->limit))
		return;
	c->max = RTE_MAX(c->max, c->una + len);
	c->nxt = RTE_MAX(c->nxt, c->una + len);
}

bool tcp_output(struct lg *lg, struct lg_conn *c)
{
	uint64_t right = c->una + c->snd_wnd, len;
	uint32_t round = TCP_ROUND;
	bool fin;

	while (c->nxt < tcp_end(c)) {
		len = c->limit > c->nxt ? c->limit - c->nxt : 0;
		len = RTE_MIN(len, right > c->nxt ? right - c->nxt : 0);
		len = RTE_MIN(len, c->mss);
		fin = c->fin_wanted && c->nxt + len == c->limit;
		if (len == 0 && !fin)
			break;
		if (round-- == 0 || !send_segment(lg, c, c->nxt, (uint32_t)len, fin))
			return false;
		c->nxt += len + fin;
		c->max = RTE_MAX(c->max, c->nxt);
	}
	if (c->nxt < tcp_end(c) && c->nxt == c->una && !c->timer_at)
		c->timer_at = lg->now + lg->tcp.rto; /* closed window: probe */
	if (c->need_ack)
		tcp_send_ack(lg, c);
	return !c->need_ack;
}
