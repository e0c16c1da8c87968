/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rxtx.c - bursts: mbufs become packets and packets mbufs
 *
 * Idea: an s7_pkt lies behind its mbuf, so translation is a handful of stores and no allocation.
 * References are the mbuf's own counter: the driver's free takes one, and a buffer that the stack
 * still holds survives. In a chain every mbuf carries the number of buffers from it to the end
 * (pool.c says why). A packet that the device cannot take as it is (a chain without multi-segment
 * support, a held buffer over net_ring) is copied into one buffer; the original is released when
 * the copy has been taken.
 * Context: the lock of the instance that owns the queue; any process that inherited the port.
 * Callers: the stack through port_netdev_ops.
 */
#include <rte_net.h>

#include "dpdk_port/internal.h"

static inline void pkt_from_mbuf(struct rte_mbuf *m, struct s7_pkt *pkt)
{
	pkt->next = NULL;
	pkt->frag = NULL;
	pkt->data = (uint8_t *)m->buf_addr + m->data_off;
	pkt->len = m->data_len;
	pkt->total = m->data_len;
	pkt->nsegs = 1;
	pkt->flags = 0;
}

/* The buffers behind the head of a received packet. */
static void frags_from_mbuf(struct rte_mbuf *head)
{
	struct s7_pkt *pkt = mbuf_pkt(head);
	uint16_t left = head->nb_segs;
	struct rte_mbuf *m;

	for (m = head->next; m; m = m->next) {
		m->nb_segs = --left;
		pkt->frag = mbuf_pkt(m);
		pkt = pkt->frag;
		pkt_from_mbuf(m, pkt);
	}
}

uint16_t port_rx_raw(struct s7_port *port, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct rte_mbuf **m = (struct rte_mbuf **)pkts; /* translated in place */
	struct s7_pkt *pkt;
	uint16_t got, i;

	got = rte_eth_rx_burst(port->id, queue, m, n);
	for (i = 0; i < got; i++) {
		struct rte_mbuf *head = m[i];

		if (i + 2 < got)
			__builtin_prefetch((uint8_t *)m[i + 2]->buf_addr + RTE_PKTMBUF_HEADROOM);
		pkt = mbuf_pkt(head);
		pkt_from_mbuf(head, pkt);
		pkt->flags = offload_rx_flags(head->ol_flags);
		if (pkt->len && pkt->data[0] & 1)
			pkt->flags |= PKT_RX_BCAST;
		pkt->hash = head->ol_flags & RTE_MBUF_F_RX_RSS_HASH ? head->hash.rss : 0;
		pkt->tso_mss = head->ol_flags & RTE_MBUF_F_RX_LRO ? head->tso_segsz : 0;
		if (head->nb_segs > 1) {
			pkt->total = head->pkt_len;
			pkt->nsegs = head->nb_segs;
			frags_from_mbuf(head);
		}
		pkts[i] = pkt;
	}
	return got;
}

uint16_t port_rx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct s7_port *port = dev;
	struct port_stash *stash = &port->queue[queue].stash;
	uint16_t i;

	if (s7_unlikely(port->queue[queue].rx_seek))
		port_rx_seek(port, queue);
	if (s7_likely(!stash->count))
		return port_rx_raw(port, queue, pkts, n);
	n = (uint16_t)s7_min(n, stash->count);
	memcpy(pkts, stash->pkt, n * sizeof(pkts[0]));
	stash->count -= n;
	for (i = 0; i < stash->count; i++)
		stash->pkt[i] = stash->pkt[i + n];
	return n;
}

/* ---- transmission ---- */

static inline void mbuf_from_pkt(struct rte_mbuf *m, const struct s7_pkt *pkt)
{
	m->data_off = (uint16_t)(pkt->data - pkt->buf);
	m->data_len = (uint16_t)pkt->len;
}

static inline struct rte_mbuf *mbuf_prepare(struct s7_pkt *pkt)
{
	struct rte_mbuf *head = pkt_mbuf(pkt), *m = head;
	const bool was_chained = head->nb_segs != 1;
	struct s7_pkt *frag;
	uint16_t left;

	mbuf_from_pkt(head, pkt);
	head->pkt_len = pkt->len;
	head->nb_segs = 1;
	head->ol_flags = 0;
	if (s7_unlikely(pkt->frag || was_chained)) {
		head->pkt_len = pkt->total;
		head->nb_segs = left = pkt->nsegs;
		for (frag = pkt->frag; frag; frag = frag->frag) {
			m->next = pkt_mbuf(frag);
			m = m->next;
			mbuf_from_pkt(m, frag);
			m->nb_segs = --left;
			m->ol_flags = 0;
		}
		m->next = NULL;
	}
	if (pkt->flags & (PKT_TX_L3_CSUM | PKT_TX_L4_CSUM | PKT_TX_TSO)) {
		head->ol_flags = offload_tx_flags(pkt);
		head->tx_offload =
			rte_mbuf_tx_offload(pkt->l2_len, pkt->l3_len, pkt->l4_len,
					    pkt->flags & PKT_TX_TSO ? pkt->tso_mss : 0, 0, 0, 0);
	}
	return head;
}

static bool chain_is_shared(const struct s7_pkt *pkt)
{
	for (; pkt; pkt = pkt->frag) {
		if (pkt_is_shared(pkt))
			return true;
	}
	return false;
}

static bool needs_copy(const struct s7_port *port, const struct s7_pkt *pkt)
{
	if (s7_unlikely(port->copy_shared))
		return pkt->frag || chain_is_shared(pkt);
	return pkt->frag && !(port->info.caps & NETDEV_MULTI_SEG);
}

/* The whole packet in one fresh buffer, or NULL: no buffer, or too long for one. */
static struct rte_mbuf *packet_copy(struct rte_mempool *mp, const struct s7_pkt *pkt)
{
	const struct s7_pkt *frag;
	struct rte_mbuf *m;
	struct s7_pkt *copy;

	if (pkt->total > S7_PKT_ROOM)
		return NULL;
	m = rte_pktmbuf_alloc(mp);
	if (!m)
		return NULL;
	copy = mbuf_pkt(m);
	pkt_from_mbuf(m, copy);
	copy->flags = pkt->flags;
	copy->tso_mss = pkt->tso_mss;
	copy->l2_len = pkt->l2_len;
	copy->l3_len = pkt->l3_len;
	copy->l4_len = pkt->l4_len;
	for (frag = pkt; frag; frag = frag->frag) {
		memcpy(copy->data + copy->len, frag->data, frag->len);
		copy->len += frag->len;
	}
	copy->total = copy->len;
	return mbuf_prepare(copy);
}

void packet_release(struct s7_pkt *pkt)
{
	struct s7_pkt *frag;

	for (; pkt; pkt = frag) {
		frag = pkt->frag;
		rte_pktmbuf_free_seg(pkt_mbuf(pkt));
	}
}

/*
 * Mbufs for n packets; copies are marked in *ret_copied. A packet that can be sent in no way is
 * released, counted, and left out: m[i] NULL.
 */
static void burst_prepare(struct s7_port *port, uint16_t queue, struct s7_pkt **pkts,
			  struct rte_mbuf **m, uint16_t n, uint64_t *ret_copied)
{
	uint64_t copied = 0;
	uint16_t i;

	for (i = 0; i < n; i++) {
		if (s7_likely(!needs_copy(port, pkts[i]))) {
			m[i] = mbuf_prepare(pkts[i]);
			continue;
		}
		m[i] = packet_copy(port->pool[queue], pkts[i]);
		if (m[i])
			copied |= 1ull << i;
	}
	*ret_copied = copied;
}

/* Sums that the driver wants in place before the burst. Only for packets with offload flags. */
static void burst_offload(struct s7_port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		if (m[i]->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK)
			rte_eth_tx_prepare(port->id, queue, &m[i], 1);
	}
}

/* Sends a run of packets, none of which is NULL; returns how many were taken. */
static uint16_t run_send(struct s7_port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	if (port->info.caps & (NETDEV_TX_L4_CSUM | NETDEV_TX_L3_CSUM))
		burst_offload(port, queue, m, n);
	return n ? rte_eth_tx_burst(port->id, queue, m, n) : 0;
}

static uint16_t chunk_send(struct s7_port *port, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct rte_mbuf *m[PORT_BURST];
	uint64_t copied;
	uint16_t sent = 0, run, took, i;

	burst_prepare(port, queue, pkts, m, n, &copied);
	if (s7_likely(!copied && !port->copy_shared && (port->info.caps & NETDEV_MULTI_SEG)))
		return run_send(port, queue, m, n);

	while (sent < n) {
		for (run = sent; run < n && m[run]; run++)
			;
		took = run_send(port, queue, m + sent, run - sent);
		for (i = sent; i < sent + took; i++) {
			if (copied & 1ull << i)
				packet_release(pkts[i]);
		}
		sent += took;
		if (sent < run || sent == n)
			break;
		port->queue[queue].tx_dropped++;
		packet_release(pkts[sent++]);
	}
	for (i = sent; i < n; i++) {
		if (copied & 1ull << i)
			rte_pktmbuf_free(m[i]);
	}
	return sent;
}

uint16_t port_tx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct s7_port *port = dev;
	uint16_t sent = 0, took, ask;

	while (sent < n) {
		ask = (uint16_t)s7_min((uint64_t)(n - sent), PORT_BURST);
		took = chunk_send(port, queue, pkts + sent, ask);
		sent += took;
		if (took < ask)
			break;
	}
	return sent;
}

static int port_link(void *dev)
{
	struct s7_port *port = dev;
	struct rte_eth_link link = { 0 };

	return !rte_eth_link_get_nowait(port->id, &link) && link.link_status == RTE_ETH_LINK_UP;
}

static void port_stats(void *dev, struct s7_netdev_stats *ret_stats)
{
	struct s7_port *port = dev;
	struct rte_eth_stats stats = { 0 };
	uint16_t q;

	rte_eth_stats_get(port->id, &stats);
	ret_stats->rx_missed = stats.imissed;
	ret_stats->rx_errors = stats.ierrors;
	ret_stats->rx_nombuf = stats.rx_nombuf;
	ret_stats->tx_errors = stats.oerrors;
	for (q = 0; q < port->queues; q++)
		ret_stats->tx_errors += port->queue[q].tx_dropped;
}

const struct s7_netdev_ops port_netdev_ops = {
	.name = "dpdk",
	.rx_burst = port_rx_burst,
	.tx_burst = port_tx_burst,
	.sleep_fd = port_sleep_fd,
	.sleep_begin = port_sleep_begin,
	.sleep_end = port_sleep_end,
	.link = port_link,
	.stats = port_stats,
	.recover = port_recover,
	.rx_mode = port_rx_mode,
};

const struct s7_netdev_ops memif_netdev_ops = {
	.name = "memif",
	.rx_burst = memif_rx_burst,
	.tx_burst = memif_tx_burst,
	.sleep_fd = port_sleep_fd,
	.sleep_begin = port_sleep_begin,
	.sleep_end = port_sleep_end,
	.link = port_link,
	.stats = port_stats,
	.recover = port_recover,
	.rx_mode = port_rx_mode,
};
