/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recover.c - a packet ring after a process was killed in the middle of a burst
 *
 * Idea: net_af_packet notes how far it got in its rings at the end of a burst only. Killed before
 * that, it would go on at a place where the kernel is not any more, and nothing would move again.
 * The kernel goes through each ring frame by frame, so its place can be found, at most one burst
 * ahead of the driver's:
 * - rx: the next frame that the kernel fills is at its place. If none waits, port_rx_burst looks
 *   again (`rx_seek`) until one does.
 * - tx: all free frames of one burst are marked as requests that are longer than a frame. The
 *   kernel (PACKET_LOSS is set by the driver) throws them away from its place on to the end of the
 *   marks; the driver's place is there then, and the marks before the kernel's place are wiped.
 *   Frames that the dead burst had filled in between are sent.
 * Other drivers go on where their indices say.
 * Bound: buffers that the dead burst had in hand are lost, at most PORT_BURST.
 * Context: instance lock, right after its owner died. Callers: the stack through port_netdev_ops;
 * rxtx.c.
 */
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rte_version.h>

#include "dpdk_port/internal.h"
#include "stack/base/sys.h"

#define KICKS 64
#define TOO_LONG 0x7fffffffu

/*
 * The beginning of net_af_packet's queues, private to it: as in the one release that this is built
 * with.
 */
static_assert(RTE_VER_YEAR == 22 && RTE_VER_MONTH == 11, "are these still its structs?");

struct packet_rx {
	int fd;
	struct iovec *frame;
	uint8_t *map;
	unsigned int count, at;
};

struct packet_tx {
	int fd;
	unsigned int data_bytes;
	struct iovec *frame;
	uint8_t *map;
	unsigned int count, at;
};

static volatile struct tpacket2_hdr *frame_at(const struct iovec *frame, unsigned int count,
					      unsigned int at)
{
	return frame[at % count].iov_base;
}

static bool rx_find(struct packet_rx *rx)
{
	unsigned int i, count = rx->count;

	for (i = 0; i <= PORT_BURST; i++) {
		if (!(frame_at(rx->frame, count, rx->at + i)->tp_status & TP_STATUS_USER))
			continue;
		rx->at = (rx->at + i) % count;
		return true;
	}
	return false;
}

static void tx_kick(const struct packet_tx *tx, unsigned int last)
{
	int i;

	for (i = 0; i < KICKS; i++) {
		if (frame_at(tx->frame, tx->count, last)->tp_status != TP_STATUS_SEND_REQUEST)
			return;
		s7_sys6(SYS_sendto, tx->fd, 0, 0, MSG_DONTWAIT, 0, 0);
	}
}

static void tx_find(struct packet_tx *tx)
{
	volatile struct tpacket2_hdr *frame;
	unsigned int i;

	for (i = 0; i <= PORT_BURST; i++) {
		frame = frame_at(tx->frame, tx->count, tx->at + i);
		if (frame->tp_status != TP_STATUS_AVAILABLE)
			continue;
		frame->tp_len = TOO_LONG;
		frame->tp_status = TP_STATUS_SEND_REQUEST;
	}
	tx_kick(tx, tx->at + PORT_BURST);
	for (i = 0; i <= PORT_BURST; i++) {
		frame = frame_at(tx->frame, tx->count, tx->at + i);
		if (frame->tp_status == TP_STATUS_SEND_REQUEST)
			frame->tp_status = TP_STATUS_AVAILABLE;
	}
	tx->at = (tx->at + PORT_BURST + 1) % tx->count;
}

static bool is_packet_ring(const struct s7_port *port)
{
	return port->driver == CONF_DRV_AF_PACKET;
}

void port_rx_seek(struct s7_port *port, uint16_t queue)
{
	if (rx_find(rte_eth_fp_ops[port->id].rxq.data[queue]))
		port->queue[queue].rx_seek = false;
}

void port_recover(void *dev, uint16_t queue)
{
	struct s7_port *port = dev;

	port->queue[queue].stash.count = 0;
	if (!is_packet_ring(port))
		return;
	port->queue[queue].rx_seek = true;
	port_rx_seek(port, queue);
	tx_find(rte_eth_fp_ops[port->id].txq.data[queue]);
}
