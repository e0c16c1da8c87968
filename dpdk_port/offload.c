/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * offload.c - what a device takes off the stack's hands, and the flags of both languages
 *
 * Idea: rows pair an ethdev capability with ours, for asking at open and for reporting what was
 * granted. The two translations of packet flags are pure functions, called per packet by rxtx.c.
 * Callers: port.c, rxtx.c.
 */
#include "dpdk_port/internal.h"

#define TX_L4 (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define RX_L4 (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)

struct offload_row {
	uint64_t tx, rx; /* all bits needed */
	uint32_t cap;
};

static const struct offload_row offload_rows[] = {
	{ .tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, .cap = NETDEV_TX_L3_CSUM },
	{ .tx = TX_L4, .cap = NETDEV_TX_L4_CSUM },
	{ .tx = RTE_ETH_TX_OFFLOAD_MULTI_SEGS, .cap = NETDEV_MULTI_SEG },
	{ .tx = RTE_ETH_TX_OFFLOAD_TCP_TSO, .cap = NETDEV_TSO },
	{ .rx = RX_L4, .cap = NETDEV_RX_CSUM },
	{ .rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM },
	{ .rx = RTE_ETH_RX_OFFLOAD_TCP_LRO, .cap = NETDEV_LRO },
	{ .rx = RTE_ETH_RX_OFFLOAD_SCATTER },
};

/* The vhost library computes and cuts whatever it is asked to, but the driver does not list it. */
static const struct offload_row vhost_rows[] = {
	{ .tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, .cap = NETDEV_TX_L3_CSUM },
	{ .tx = TX_L4, .cap = NETDEV_TX_L4_CSUM | NETDEV_RX_CSUM },
	{ .tx = RTE_ETH_TX_OFFLOAD_TCP_TSO, .cap = NETDEV_TSO | NETDEV_LRO },
};

/*
 * Whether large segments may be left to the device. tap's driver holds a whole frame of segment
 * size against the MTU without the link header, and sends nothing when segments are full.
 */
static bool wants_tso(const struct conf_iface *iface)
{
	return iface->tso != CONF_TSO_OFF && iface->driver != CONF_DRV_TAP;
}

void offload_choose(const struct conf_iface *iface, const struct rte_eth_dev_info *dev,
		    struct rte_eth_conf *ret_conf)
{
	uint32_t i;

	for (i = 0; i < S7_ARRAY_LEN(offload_rows); i++) {
		const struct offload_row *row = &offload_rows[i];

		if (!wants_tso(iface) && (row->cap & (NETDEV_TSO | NETDEV_LRO)))
			continue;
		if ((dev->tx_offload_capa & row->tx) == row->tx &&
		    (dev->rx_offload_capa & row->rx) == row->rx) {
			ret_conf->txmode.offloads |= row->tx;
			ret_conf->rxmode.offloads |= row->rx;
		}
	}
}

uint32_t offload_caps(const struct s7_port *port, const struct rte_eth_conf *conf)
{
	uint32_t caps = 0, i;

	for (i = 0; i < S7_ARRAY_LEN(offload_rows); i++) {
		const struct offload_row *row = &offload_rows[i];

		if ((conf->txmode.offloads & row->tx) == row->tx &&
		    (conf->rxmode.offloads & row->rx) == row->rx)
			caps |= row->cap;
	}
	for (i = 0; port->driver == CONF_DRV_VHOST && i < S7_ARRAY_LEN(vhost_rows); i++)
		caps |= vhost_rows[i].cap;
	return caps;
}

uint64_t offload_tx_flags(const struct s7_pkt *pkt)
{
	uint64_t flags = pkt->flags & PKT_L3_V6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;

	if ((pkt->flags & (PKT_TX_L3_CSUM | PKT_L3_V6)) == PKT_TX_L3_CSUM)
		flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (pkt->flags & PKT_TX_TSO)
		flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
	else if (pkt->flags & PKT_TX_L4_CSUM)
		flags |=
			pkt->flags & PKT_L4_UDP ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;
	return flags;
}

/* NONE: the field is unfinished but the bytes are vouched for (virtio's DATA_VALID / NEEDS_CSUM).
 */
uint16_t offload_rx_flags(uint64_t ol_flags)
{
	uint64_t l3 = ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t l4 = ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint16_t flags = 0;

	if (l3 == RTE_MBUF_F_RX_IP_CKSUM_BAD)
		flags |= PKT_RX_L3_BAD;
	else if (l3)
		flags |= PKT_RX_L3_GOOD;
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		flags |= PKT_RX_L4_BAD;
	else if (l4)
		flags |= PKT_RX_L4_GOOD;
	return flags;
}
