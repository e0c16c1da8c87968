/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_rx.c - from the ring of a packet socket into packets
 *
 * Idea: a slot is ours while its status says TP_STATUS_USER: copy the frame, give the slot back, go
 * one further. A frame that did not fit its slot is marked TP_STATUS_COPY and is the next one in
 * the socket's queue: it is read from there by one recvmsg() into a chain. A marked slot takes its
 * frame out of the queue in any case, also without a buffer for it, so that both stay in step.
 * The virtio header before the frame says whose sums are unfinished and what is a large segment.
 * Context: the lock of the instance that owns the queue. Callers: the stack, by packet_netdev_ops.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "dpdk_port/internal.h"
#include "stack/base/sys.h"

#define CHAIN_MAX 34 /* buffers for 64 KB and the link header */
#define VLAN_ID 0xfff

static inline struct tpacket2_hdr *slot_at(const struct packet_ring *ring, uint32_t at)
{
	return (void *)(ring->map + (size_t)at * ring->frame_bytes);
}

/* A chain with room for `bytes`, lengths set; NULL: no buffers. */
static struct s7_pkt *chain_alloc(const struct s7_port *port, uint16_t queue, uint32_t bytes)
{
	struct s7_pkt *pkt[CHAIN_MAX];
	uint32_t n = bytes ? (bytes + S7_PKT_ROOM - 1) / S7_PKT_ROOM : 1, left = bytes, i;

	if (n > CHAIN_MAX || port_pool_ops.alloc(port->pool[queue], pkt, n))
		return NULL;
	for (i = 0; i < n; i++) {
		pkt_fresh(pkt[i]);
		pkt[i]->len = pkt[i]->total = (uint32_t)s7_min(left, S7_PKT_ROOM);
		pkt[i]->frag = i + 1 < n ? pkt[i + 1] : NULL;
		left -= pkt[i]->len;
	}
	pkt[0]->total = bytes;
	pkt[0]->nsegs = (uint16_t)n;
	return pkt[0];
}

/* Where a frame of the line begins in a chain for it, behind the header that it may lack. */
static void link_make(const struct s7_port *port, struct s7_pkt *pkt)
{
	struct ethhdr head = { .h_source = { 2, 0, 0, 0, 0, 2 }, .h_proto = htons(ETH_P_IP) };

	if (s7_likely(!port->link_made))
		return;
	if (pkt->len > ETH_HLEN && pkt->data[ETH_HLEN] >> 4 == 6)
		head.h_proto = htons(ETH_P_IPV6);
	memcpy(head.h_dest, port->info.mac, sizeof(head.h_dest));
	memcpy(pkt->data, &head, sizeof(head));
}

static void flags_from(struct s7_pkt *pkt, const struct virtio_net_hdr *vnet)
{
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		pkt->flags |= PKT_RX_L4_GOOD | PKT_RX_L4_PARTIAL;
	else if (vnet->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		pkt->flags |= PKT_RX_L4_GOOD;
	if (vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		pkt->tso_mss = vnet->gso_size;
	if (pkt->len && pkt->data[0] & 1)
		pkt->flags |= PKT_RX_BCAST;
}

/* The whole frame, of which a slot has the beginning. NULL: it was not to be had. */
static struct s7_pkt *long_frame(struct s7_port *port, uint16_t queue, uint32_t bytes)
{
	struct s7_pkt *pkt = chain_alloc(port, queue, bytes + port->link_made), *frag;
	uint32_t skip = port->link_made;
	struct virtio_net_hdr vnet;
	struct iovec iov[1 + CHAIN_MAX] = { { &vnet, sizeof(vnet) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 1 };
	long got;

	for (frag = pkt; frag; frag = frag->frag, skip = 0)
		iov[msg.msg_iovlen++] = (struct iovec){ frag->data + skip, frag->len - skip };
	got = s7_sys3(SYS_recvmsg, port->packet[queue].fd, &msg, MSG_DONTWAIT | MSG_TRUNC);
	if (!pkt) {
		port->queue[queue].rx_nobuf++;
		return NULL;
	}
	if (got != (long)(sizeof(vnet) + bytes)) {
		packet_release(pkt);
		port->queue[queue].rx_missed++;
		return NULL;
	}
	link_make(port, pkt);
	flags_from(pkt, &vnet);
	return pkt;
}

static struct s7_pkt *short_frame(struct s7_port *port, uint16_t queue,
				  const struct tpacket2_hdr *slot)
{
	const uint8_t *frame = (const uint8_t *)slot + slot->tp_mac;
	uint32_t skip = port->link_made;
	struct s7_pkt *pkt = chain_alloc(port, queue, slot->tp_snaplen + skip), *frag;

	if (s7_unlikely(!pkt)) {
		port->queue[queue].rx_nobuf++;
		return NULL;
	}
	for (frag = pkt; frag; frag = frag->frag, skip = 0) {
		memcpy(frag->data + skip, frame, frag->len - skip);
		frame += frag->len - skip;
	}
	link_make(port, pkt);
	flags_from(pkt, (const void *)((const uint8_t *)slot + slot->tp_mac -
				       sizeof(struct virtio_net_hdr)));
	return pkt;
}

/* Frames of a VLAN are not ours: its tag is not in the bytes any more. Priority tags are. */
static bool is_foreign(const struct tpacket2_hdr *slot, uint32_t status)
{
	const struct sockaddr_ll *from =
		(const void *)((const uint8_t *)slot + TPACKET_ALIGN(sizeof(*slot)));

	return from->sll_pkttype == PACKET_OUTGOING ||
	       (status & TP_STATUS_VLAN_VALID && slot->tp_vlan_tci & VLAN_ID);
}

/* NULL: nothing for the stack. */
static struct s7_pkt *frame_take(struct s7_port *port, uint16_t queue,
				 const struct tpacket2_hdr *slot, uint32_t status)
{
	struct s7_pkt *pkt = NULL;

	if (s7_unlikely(status & TP_STATUS_COPY)) {
		pkt = long_frame(port, queue, slot->tp_len);
	} else if (s7_unlikely(slot->tp_snaplen < slot->tp_len)) {
		port->queue[queue].rx_missed++; /* and the socket's queue was full */
		return NULL;
	}
	if (s7_unlikely(is_foreign(slot, status))) {
		packet_release(pkt);
		return NULL;
	}
	return status & TP_STATUS_COPY ? pkt : short_frame(port, queue, slot);
}

uint16_t packet_rx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct s7_port *port = dev;
	const struct packet_ring *ring = &port->packet[queue];
	struct port_queue *q = &port->queue[queue];
	uint16_t got = 0, seen;

	for (seen = 0; seen < n; seen++) {
		struct tpacket2_hdr *slot = slot_at(ring, q->rx_at);
		uint32_t status = __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);

		if (!(status & TP_STATUS_USER))
			break;
		pkts[got] = frame_take(port, queue, slot, status);
		got += pkts[got] != NULL;
		__atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		q->rx_at = (q->rx_at + 1) & (ring->count - 1);
	}
	return got;
}
