/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_reass.c - segments behind a hole, kept until the hole is filled
 *
 * Idea: a copy of the segment in a packet buffer of its own, chained through the buffer's headroom
 * and sorted by sequence number. Entries may overlap; what is old is cut off when an entry is
 * taken out.
 * Bound: TCP_HELD_MAX segments in all, and nothing outside the window; what does not fit is
 * dropped, the peer sends it again.
 * Context: the poll loop.   Called by: tcp_in.c, tcp.c.
 */
#include <string.h>

#include "lg.h"

#define TCP_HELD_MAX 8192

struct held {
	struct rte_mbuf *next;
	uint32_t seq;
	bool fin;
};
static_assert(sizeof(struct held) <= RTE_PKTMBUF_HEADROOM, "lies in the headroom");

static struct held *held_of(struct rte_mbuf *m)
{
	return m->buf_addr;
}

void tcp_hold(struct lg *lg, struct lg_conn *c, uint32_t seq, const uint8_t *data, uint32_t len,
	      bool fin)
{
	struct rte_mbuf **at = &c->held, *m;

	if (seq + len - c->rcv_nxt > lg->conf.window || lg->tcp.held_count >= TCP_HELD_MAX)
		return;
	while (*at && (int32_t)(held_of(*at)->seq - seq) < 0)
		at = &held_of(*at)->next;
	if (*at && held_of(*at)->seq == seq && (*at)->data_len >= len)
		return;
	m = rte_pktmbuf_alloc(lg->port.pool);
	if (!m || len > rte_pktmbuf_tailroom(m)) {
		rte_pktmbuf_free(m);
		lg->stats.ctr[CTR_NO_BUFFER]++;
		return;
	}
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), data, len);
	*held_of(m) = (struct held){ .next = *at, .seq = seq, .fin = fin };
	*at = m;
	lg->tcp.held_count++;
}

struct rte_mbuf *tcp_take_held(struct lg *lg, struct lg_conn *c, uint32_t *ret_seq, bool *ret_fin)
{
	struct rte_mbuf *m = c->held;

	if (!m || (int32_t)(held_of(m)->seq - c->rcv_nxt) > 0)
		return NULL;
	c->held = held_of(m)->next;
	lg->tcp.held_count--;
	*ret_seq = held_of(m)->seq;
	*ret_fin = held_of(m)->fin;
	return m;
}

void tcp_drop_held(struct lg *lg, struct lg_conn *c)
{
	struct rte_mbuf *m;

	while ((m = c->held)) {
		c->held = held_of(m)->next;
		lg->tcp.held_count--;
		rte_pktmbuf_free(m);
	}
}
