/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_tx.c - packets out by a packet socket, a call a burst
 *
 * Idea: a virtio header says what the kernel is to finish (checksum) or to cut (large segment), and
 * the buffers go out as they are, gathered by sendmmsg(). The kernel has copied them when it
 * returns, so each packet is released at once.
 * Errors: no room (EAGAIN, ENOBUFS): the rest stays with the caller (but see bypass_end). Anything
 * else concerns the packet in front: it is dropped and counted.
 * Context: the lock of the instance that owns the queue. Callers: the stack, by packet_netdev_ops.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rte_ip.h>
#include <rte_malloc.h>

#include "dpdk_port/internal.h"
#include "stack/base/sys.h"

#define PIECES_MAX 320 /* in one call */
#define TCP_SUM_AT 16
#define UDP_SUM_AT 6
#define IP_SUM_AT 10

/* What one call sends. */
struct packet_batch {
	uint16_t count;
	uint32_t pieces;
	struct mmsghdr msg[PORT_BURST];
	struct virtio_net_hdr vnet[PORT_BURST];
	struct iovec iov[PIECES_MAX];
	struct sockaddr_ll to[2]; /* IPv4, IPv6: of links without headers */
};

struct packet_batch *packet_batch_new(void)
{
	return rte_zmalloc("s7_packet", sizeof(struct packet_batch), S7_CACHELINE);
}

static void vnet_write(struct virtio_net_hdr *vnet, const struct s7_pkt *pkt, uint32_t skip)
{
	*vnet = (struct virtio_net_hdr){ 0 };
	if (!(pkt->flags & (PKT_TX_L4_CSUM | PKT_TX_TSO)))
		return;
	vnet->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet->csum_start = (uint16_t)(pkt->l2_len + pkt->l3_len - skip);
	vnet->csum_offset = pkt->flags & PKT_L4_UDP ? UDP_SUM_AT : TCP_SUM_AT;
	if (!(pkt->flags & PKT_TX_TSO))
		return;
	vnet->gso_type = pkt->flags & PKT_L3_V6 ? VIRTIO_NET_HDR_GSO_TCPV6
						: VIRTIO_NET_HDR_GSO_TCPV4;
	vnet->hdr_len = (uint16_t)(pkt->l2_len + pkt->l3_len + pkt->l4_len - skip);
	vnet->gso_size = pkt->tso_mss;
}

/* The one sum that a virtio header cannot ask for. */
static void ip_sum_finish(const struct s7_pkt *pkt)
{
	uint8_t *ip = pkt->data + pkt->l2_len;
	uint16_t sum;

	if (!(pkt->flags & PKT_TX_L3_CSUM) || pkt->flags & PKT_L3_V6)
		return;
	memset(ip + IP_SUM_AT, 0, sizeof(sum));
	sum = (uint16_t)~rte_raw_cksum(ip, pkt->l3_len);
	memcpy(ip + IP_SUM_AT, &sum, sizeof(sum));
}

/* On a link without headers the kernel takes the protocol from the name. */
static void name_write(const struct s7_port *port, struct packet_batch *batch,
		       const struct s7_pkt *pkt, struct msghdr *msg)
{
	const struct ethhdr *head = (const void *)pkt->data;
	struct sockaddr_ll *to = &batch->to[head->h_proto == htons(ETH_P_IPV6)];

	to->sll_family = AF_PACKET;
	to->sll_protocol = head->h_proto;
	to->sll_ifindex = port->kernel_ifindex;
	msg->msg_name = to;
	msg->msg_namelen = sizeof(*to);
}

static bool batch_add(const struct s7_port *port, struct packet_batch *batch,
		      const struct s7_pkt *pkt)
{
	struct msghdr *msg = &batch->msg[batch->count].msg_hdr;
	uint32_t skip = port->link_made;
	const struct s7_pkt *frag;

	if (batch->pieces + 1 + pkt->nsegs > PIECES_MAX)
		return false;
	ip_sum_finish(pkt);
	vnet_write(&batch->vnet[batch->count], pkt, skip);
	*msg = (struct msghdr){ .msg_iov = &batch->iov[batch->pieces], .msg_iovlen = 1 };
	batch->iov[batch->pieces++] = (struct iovec){ &batch->vnet[batch->count],
						      sizeof(batch->vnet[0]) };
	if (s7_unlikely(skip))
		name_write(port, batch, pkt, msg);
	for (frag = pkt; frag; frag = frag->frag, skip = 0) {
		batch->iov[batch->pieces++] = (struct iovec){ frag->data + skip, frag->len - skip };
		msg->msg_iovlen++;
	}
	batch->count++;
	return true;
}

/* How many the kernel took, or -errno of the first. */
static long batch_send(const struct packet_batch *batch, int fd)
{
	long err;

	if (batch->count > 1)
		return s7_sys4(SYS_sendmmsg, fd, batch->msg, batch->count, MSG_DONTWAIT);
	err = s7_sys3(SYS_sendmsg, fd, &batch->msg[0].msg_hdr, MSG_DONTWAIT);
	return err < 0 ? err : 1;
}

static bool is_full(long err)
{
	return err == -EAGAIN || err == -ENOBUFS || err == -ENOMEM;
}

/*
 * Past the queueing discipline the kernel drops a large segment that the device cannot cut itself
 * (a tun, or ethtool -K ... tso off), and would do so for ever. Through it the kernel cuts it.
 */
static bool bypass_end(struct s7_port *port, uint16_t queue, const struct s7_pkt *pkt, long err)
{
	struct port_queue *q = &port->queue[queue];
	int off = 0;

	if (err != -ENOBUFS || !(pkt->flags & PKT_TX_TSO) || q->through_qdisc)
		return false;
	q->through_qdisc = true;
	return !s7_sys6(SYS_setsockopt, port->packet[queue].fd, SOL_PACKET, PACKET_QDISC_BYPASS,
			(long)&off, sizeof(off), 0);
}

uint16_t packet_tx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct s7_port *port = dev;
	struct packet_batch *batch = port->packet[queue].batch;
	uint16_t sent = 0, i;
	long took;

	while (sent < n) {
		batch->count = 0;
		batch->pieces = 0;
		for (i = sent; i < n && batch->count < PORT_BURST; i++) {
			if (!batch_add(port, batch, pkts[i]))
				break;
		}
		took = batch->count ? batch_send(batch, port->packet[queue].fd) : -EMSGSIZE;
		if (is_full(took) && bypass_end(port, queue, pkts[sent], took))
			continue;
		if (is_full(took))
			break;
		if (took < 0) {
			port->queue[queue].tx_dropped++;
			took = 1;
		}
		for (; took; took--)
			packet_release(pkts[sent++]);
	}
	return sent;
}
