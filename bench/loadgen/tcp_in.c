/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_in.c - received segments
 *
 * Idea: RFC 9293 3.10.7 in its order, less what a load generator can do without: there is no
 * urgent data, no simultaneous open, and everything received is consumed at once, so the window
 * never closes. Three duplicate acknowledgements send the first hole again; partial ones the next
 * (RFC 6582).
 * Context: the poll loop; a mode's callback may have ended the connection, so its state is looked
 * at after each.
 * Called by: net.c.
 */
#include <errno.h>
#include <string.h>

#include "lg.h"

#define TCP_DUP_ACKS 3

struct segment {
	uint16_t sport, dport, window;
	uint32_t seq, ack, len;
	uint8_t flags;
	const uint8_t *opts, *data;
	uint32_t opts_len;
};

static bool parse(const uint8_t *p, uint32_t len, struct segment *ret_seg)
{
	uint32_t hlen;

	if (len < 20)
		return false;
	hlen = (p[12] >> 4) * 4u;
	if (hlen < 20 || hlen > len)
		return false;
	ret_seg->sport = load16(p);
	ret_seg->dport = load16(p + 2);
	ret_seg->seq = load32(p + 4);
	ret_seg->ack = load32(p + 8);
	ret_seg->flags = p[13];
	ret_seg->window = load16(p + 14);
	ret_seg->opts = p + 20;
	ret_seg->opts_len = hlen - 20;
	ret_seg->data = p + hlen;
	ret_seg->len = len - hlen;
	return true;
}

/* The SYN's MSS and window scale. Without the latter neither side scales (RFC 7323 2.2). */
static void take_options(struct lg *lg, struct lg_conn *c, const struct segment *seg)
{
	uint32_t i = 0, left, len;
	const uint8_t *p = seg->opts;

	c->snd_wscale = 0;
	while (i < seg->opts_len && p[i] != 0) {
		left = seg->opts_len - i;
		if (p[i] == 1) {
			i++;
			continue;
		}
		if (left < 2 || p[i + 1] < 2 || p[i + 1] > left)
			break;
		len = p[i + 1];
		if (p[i] == 2 && len == 4)
			c->mss = load16(p + i + 2);
		else if (p[i] == 3 && len == 3)
			c->snd_wscale = p[i + 2] > 14 ? 14 : p[i + 2];
		i += len;
	}
	if (c->mss < 64 || c->mss > lg->conf.mtu - 40)
		c->mss = (uint16_t)(c->mss < 64 ? 64 : lg->conf.mtu - 40);
}

/* Nobody has this port: RST unless it is one (RFC 9293 3.10.7.1). */
static void refuse(struct lg *lg, const struct segment *seg)
{
	uint32_t len = seg->len + !!(seg->flags & TCP_SYN) + !!(seg->flags & TCP_FIN);

	if (seg->flags & TCP_RST)
		return;
	if (seg->flags & TCP_ACK)
		tcp_send_rst(lg, seg->dport, seg->sport, seg->ack, 0, TCP_RST);
	else
		tcp_send_rst(lg, seg->dport, seg->sport, 0, seg->seq + len, TCP_RST | TCP_ACK);
}

static void opened(struct lg *lg, struct lg_conn *c, const struct segment *seg)
{
	c->state = TCP_OPEN;
	c->timer_at = 0;
	c->retries = 0;
	c->snd_wnd = seg->flags & TCP_SYN ? seg->window : (uint32_t)seg->window << c->snd_wscale;
	lg->tcp.connecting--;
	lg->tcp.open++;
	lg->stats.ctr[CTR_CONNECTS]++;
	lg->app->open(lg, c);
}

static void passive_open(struct lg *lg, const struct segment *seg)
{
	struct lg_conn *c;

	if (seg->dport != lg->conf.port ||
	    (seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) {
		refuse(lg, seg);
		return;
	}
	c = tcp_passive(lg, seg->sport);
	if (!c)
		return; /* the peer asks again */
	take_options(lg, c, seg);
	c->rcv_nxt = seg->seq + 1;
	tcp_send_syn(lg, c);
}

/* RFC 9293 3.10.7.3 */
static void syn_sent_input(struct lg *lg, struct lg_conn *c, const struct segment *seg)
{
	bool ack_ok = (seg->flags & TCP_ACK) && seg->ack == c->iss + 1;

	if ((seg->flags & TCP_ACK) && !ack_ok) {
		if (!(seg->flags & TCP_RST))
			tcp_send_rst(lg, c->lport, c->rport, seg->ack, 0, TCP_RST);
		return;
	}
	if (!ack_ok)
		return;
	if (seg->flags & TCP_RST) {
		lg->stats.ctr[CTR_REFUSED]++;
		tcp_gone(lg, c, -ECONNREFUSED);
		return;
	}
	if (!(seg->flags & TCP_SYN))
		return;
	take_options(lg, c, seg);
	c->rcv_nxt = seg->seq + 1;
	c->need_ack = true;
	tcp_mark(lg, c);
	opened(lg, c, seg);
}

/* false: the segment acknowledges what was never sent. */
static bool take_ack(struct lg *lg, struct lg_conn *c, const struct segment *seg)
{
	uint32_t delta = seg->ack - tcp_seq(c, c->una);
	uint32_t wnd = (uint32_t)seg->window << c->snd_wscale;
	uint64_t before = RTE_MIN(c->una, c->limit);

	if (delta > 0x80000000u)
		return true; /* old */
	if (delta > c->max - c->una)
		return false;
	if (delta) {
		c->una += delta;
		c->nxt = RTE_MAX(c->nxt, c->una);
		lg->stats.ctr[CTR_BYTES_TX] += RTE_MIN(c->una, c->limit) - before;
		c->retries = 0;
		c->dup_acks = 0;
		c->timer_at = c->una < c->max ? lg->now + lg->tcp.rto : 0;
		if (c->recover && c->una < c->recover)
			tcp_resend_first(lg, c);
		else
			c->recover = 0;
	} else if (seg->len == 0 && wnd == c->snd_wnd && c->una < c->max && !c->recover &&
		   !(seg->flags & TCP_FIN) && ++c->dup_acks == TCP_DUP_ACKS) {
		c->recover = c->max;
		tcp_resend_first(lg, c);
	}
	if (!wnd || !c->snd_wnd)
		c->retries = 0; /* it lives, however long it keeps its window closed */
	c->snd_wnd = wnd;
	if (c->nxt < tcp_end(c))
		tcp_mark(lg, c);
	return true;
}

/* Bytes and FIN from seq on, which is not beyond rcv_nxt; what is old of them is cut off. */
static void deliver(struct lg *lg, struct lg_conn *c, uint32_t seq, const uint8_t *data,
		    uint32_t len, bool fin)
{
	uint32_t old = c->rcv_nxt - seq;

	if (old >= len + fin || c->peer_fin)
		return;
	c->rcv_nxt += len + fin - old;
	c->peer_fin = fin;
	if (len > old) {
		lg->stats.ctr[CTR_BYTES_RX] += len - old;
		lg->app->data(lg, c, data + old, len - old);
	}
	if (fin && c->state == TCP_OPEN)
		lg->app->fin(lg, c);
}

static void take_data(struct lg *lg, struct lg_conn *c, const struct segment *seg)
{
	bool fin = seg->flags & TCP_FIN;
	uint32_t old = c->rcv_nxt - seg->seq, seq;
	struct rte_mbuf *m;

	if (seg->len + fin == 0) {
		if (old != 0 && old < 0x80000000u)
			c->need_ack = true; /* a keepalive, or a probe */
		return;
	}
	c->need_ack = true;
	if (old > 0x80000000u) {
		lg->stats.ctr[CTR_OUT_OF_ORDER]++;
		tcp_hold(lg, c, seg->seq, seg->data, seg->len, fin);
		tcp_send_ack(lg, c); /* each counts as a duplicate */
		return;
	}
	deliver(lg, c, seg->seq, seg->data, seg->len, fin);
	while (c->held && c->state == TCP_OPEN && (m = tcp_take_held(lg, c, &seq, &fin))) {
		deliver(lg, c, seq, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, fin);
		rte_pktmbuf_free(m);
	}
}

/* RFC 9293 3.10.7.4 */
static void open_input(struct lg *lg, struct lg_conn *c, const struct segment *seg)
{
	if (seg->flags & TCP_RST) {
		if (seg->seq - c->rcv_nxt >= lg->conf.window)
			return;
		if (!(c->peer_fin && c->fin_wanted) && !lg->stopping)
			lg->stats.ctr[CTR_RESETS]++;
		tcp_gone(lg, c, -ECONNRESET);
		return;
	}
	if (seg->flags & TCP_SYN) {
		tcp_send_ack(lg, c);
		return;
	}
	if (!(seg->flags & TCP_ACK))
		return;
	if (!take_ack(lg, c, seg)) {
		tcp_send_ack(lg, c);
		return;
	}
	take_data(lg, c, seg);
	if (c->need_ack && c->state == TCP_OPEN)
		tcp_mark(lg, c);
	if (c->state != TCP_OPEN || !c->peer_fin || !c->fin_wanted || c->una != tcp_end(c))
		return;
	if (c->need_ack)
		tcp_send_ack(lg, c);
	tcp_gone(lg, c, 0);
}

static void syn_rcvd_input(struct lg *lg, struct lg_conn *c, const struct segment *seg)
{
	if (seg->flags & TCP_RST) {
		if (seg->seq == c->rcv_nxt)
			tcp_gone(lg, c, -ECONNREFUSED);
		return;
	}
	if (seg->flags & TCP_SYN) {
		if (seg->seq + 1 == c->rcv_nxt)
			tcp_send_syn(lg, c);
		else /* we answered an older attempt; the next SYN finds the port free */
			tcp_gone(lg, c, -ECONNRESET);
		return;
	}
	if (!(seg->flags & TCP_ACK))
		return;
	if (seg->ack != c->iss + 1) {
		refuse(lg, seg);
		return;
	}
	opened(lg, c, seg);
	if (c->state == TCP_OPEN)
		open_input(lg, c, seg);
}

void tcp_input(struct lg *lg, const uint8_t *p, uint32_t len)
{
	struct segment seg;
	struct lg_conn *c;
	uint32_t slot;

	if (!parse(p, len, &seg)) {
		lg->stats.ctr[CTR_MALFORMED]++;
		return;
	}
	slot = lg->tcp.by_port[lg->conf.respond ? seg.sport : seg.dport];
	c = slot ? &lg->tcp.conns[slot - 1] : NULL;
	if (!c || c->lport != seg.dport || c->rport != seg.sport) {
		if (lg->conf.respond)
			passive_open(lg, &seg);
		else
			refuse(lg, &seg);
		return;
	}
	if (c->state == TCP_OPEN)
		open_input(lg, c, &seg);
	else if (c->state == TCP_SYN_SENT)
		syn_sent_input(lg, c, &seg);
	else
		syn_rcvd_input(lg, c, &seg);
}
