/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sleep.c - descriptors to sleep on until a queue has received
 *
 * Idea: four kinds. A packet socket (af_packet, af_xdp, tap) is readable as long as frames wait:
 * nothing to arm. A device with rx interrupts signals an eventfd once per arming. net_vhost gives
 * an epoll set around the eventfds that its peer kicks, so that it stays the same descriptor when
 * peers come and go. A memif ring has an eventfd as soon as it has a peer (memif_ring.c). No lost
 * wakeup: after arming, the queue is polled once more; what came meanwhile goes to the stash in
 * frame memory, from which the next rx_burst (of any process) takes it.
 * Context: the instance's lock, except port_sleep_fd.
 * Callers: port.c, the stack through port_netdev_ops.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eth_vhost.h>
#include <rte_vhost.h>

#include "dpdk_port/internal.h"
#include "stack/base/sys.h"

#define AF_XDP_DOMAIN 44

static enum port_sleep fd_kind(int fd)
{
	char path[40], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	s7_sys3(SYS_readlink, path, target, sizeof(target) - 1);
	if (strstr(target, "[eventfd]"))
		return SLEEP_COUNTER;
	if (strstr(target, "[eventpoll]"))
		return SLEEP_EPOLL;
	return SLEEP_LEVEL;
}

/* libxdp makes its sockets itself: found by their domain, in the order of creation. */
static uint32_t xdp_sockets(int *ret_fds, uint32_t max)
{
	int domain, fd;
	uint32_t n = 0;
	unsigned int len;

	for (fd = 3; fd < 65536 && n < max; fd++) {
		len = sizeof(domain);
		if (s7_sys6(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, (long)&domain, (long)&len,
			    0) == 0 &&
		    domain == AF_XDP_DOMAIN)
			ret_fds[n++] = fd;
	}
	return n;
}

static void sockets_take(struct s7_port *port, const int *fds, uint32_t n)
{
	uint16_t q;

	for (q = 0; q < port->queues && q < n; q++) {
		redirect_note(fds[q]);
		port->sleep_fd[q] = fds[q];
		port->sleep[q] = SLEEP_LEVEL;
	}
}

void sleep_find(struct s7_port *port, bool intr)
{
	int fds[PORT_QUEUES_MAX];
	uint16_t q;
	int fd;

	for (q = 0; q < port->queues; q++) {
		port->sleep[q] = port->driver == CONF_DRV_MEMIF ? SLEEP_RING : SLEEP_NONE;
		port->sleep_fd[q] = -1;
		fd = intr ? rte_eth_dev_rx_intr_ctl_q_get_fd(port->id, q) : -1;
		if (fd < 0)
			continue;
		port->sleep_fd[q] = fd;
		port->sleep[q] = fd_kind(fd);
	}
	if (port->driver == CONF_DRV_AF_PACKET)
		sockets_take(port, fds, redirect_packet_sockets(fds, PORT_QUEUES_MAX));
	if (port->driver == CONF_DRV_AF_XDP)
		sockets_take(port, fds, xdp_sockets(fds, PORT_QUEUES_MAX));
	for (q = 0; q < port->queues; q++) {
		if (port->sleep[q] == SLEEP_NONE)
			return;
	}
	port->info.caps |= NETDEV_SLEEP;
}

int port_sleep_fd(void *dev, uint16_t queue)
{
	const struct s7_port *port = dev;

	if (port->sleep[queue] == SLEEP_RING)
		return memif_ring_fd(port, queue);
	return port->sleep_fd[queue];
}

/* What poll says of a descriptor beyond readiness. */
static bool fd_broken(int fd)
{
	struct pollfd state = { .fd = fd };
	const struct timespec now = { 0 };

	return s7_sys6(SYS_ppoll, (long)&state, 1, (long)&now, 0, 0, 0) > 0;
}

/*
 * A packet socket whose netdev went down or away has an error pending, which would end every sleep
 * at once. Reading it clears it; a descriptor that stays broken is not slept on any more (the queue
 * is polled now and then).
 */
static void level_check(struct s7_port *port, uint16_t queue)
{
	int fd = port->sleep_fd[queue], err = 0;
	socklen_t len = sizeof(err);

	if (s7_likely(fd < 0 || !fd_broken(fd)))
		return;
	s7_sys6(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, (long)&err, (long)&len, 0);
	port_say(CONF_LOG_WARN,
		 "interface %s: %s: frames come again when it is up; if it was removed, "
		 "restart the program",
		 port->vdev, strerrordesc_np(err ? err : ENODEV));
	if (fd_broken(fd)) {
		port->sleep[queue] = SLEEP_NONE;
		port->sleep_fd[queue] = -1;
	}
}

static void counter_drain(int fd)
{
	uint64_t count;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	const struct timespec now = { 0 };

	if (s7_sys6(SYS_ppoll, (long)&ready, 1, (long)&now, 0, 0, 0) > 0)
		s7_sys3(SYS_read, fd, &count, sizeof(count));
}

/* What makes net_vhost's epoll set readable is the eventfd that the peer kicks when it has sent. */
static void kick_drain(const struct s7_port *port, uint16_t queue)
{
	struct rte_vhost_vring vring;
	int vid = rte_eth_vhost_get_vid_from_port_id(port->id);

	if (vid >= 0 && !rte_vhost_get_vhost_vring(vid, queue * 2 + 1, &vring) && vring.kickfd >= 0)
		counter_drain(vring.kickfd);
}

int port_sleep_begin(void *dev, uint16_t queue)
{
	struct s7_port *port = dev;
	struct port_stash *stash = &port->queue[queue].stash;

	if (stash->count)
		return 1;
	if (port_is_ethdev(port))
		rte_eth_tx_done_cleanup(port->id, queue, 0); /* what was sent comes home now */
	if (port->sleep[queue] == SLEEP_LEVEL)
		level_check(port, queue);
	if (port->sleep[queue] == SLEEP_NONE || port->sleep[queue] == SLEEP_LEVEL)
		return 0;
	if (port->sleep[queue] == SLEEP_RING)
		memif_ring_signal(port, queue, true);
	else
		rte_eth_dev_rx_intr_enable(port->id, queue);
	stash->count = port->ops->rx_burst(port, queue, stash->pkt, PORT_BURST);
	if (!stash->count)
		return 0;
	port_sleep_end(port, queue);
	return 1;
}

void port_sleep_end(void *dev, uint16_t queue)
{
	struct s7_port *port = dev;
	int fd;

	switch (port->sleep[queue]) {
	case SLEEP_COUNTER:
		rte_eth_dev_rx_intr_disable(port->id, queue);
		counter_drain(port->sleep_fd[queue]);
		break;
	case SLEEP_EPOLL:
		rte_eth_dev_rx_intr_disable(port->id, queue);
		kick_drain(port, queue);
		break;
	case SLEEP_RING:
		memif_ring_signal(port, queue, false);
		fd = memif_ring_fd(port, queue);
		if (fd >= 0)
			counter_drain(fd);
		break;
	case SLEEP_LEVEL:
	case SLEEP_NONE:
		break;
	}
}
