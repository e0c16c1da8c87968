/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet.c - a kernel netdev, shared with the kernel, by a packet socket of our own
 *
 * Idea: driver = af_packet. DPDK's net_af_packet knows neither large frames nor checksums that the
 * sender left to the device, so on a veth it loses what a kernel peer sends and cuts every segment
 * itself. Here the socket speaks virtio_net_hdr (PACKET_VNET_HDR): we send segments of up to 64 KB
 * with unfinished checksums and the kernel, or whoever takes the frame, cuts or finishes what has
 * to be; large frames and unfinished sums of others arrive as they are.
 *
 * Received frames lie in a ring of slots (TPACKET_V2) that the kernel fills: no call a frame. What
 * is longer than a slot is in the ring with its beginning and in the socket's queue as a whole
 * (PACKET_COPY_THRESH), in the same order: packet_rx.c. We send by sendmmsg() from the packets'
 * own buffers (packet_tx.c), and the kernel copies: a slot of a send ring would belong to the
 * receiver until its program has read it, and one slow reader would hold all of them up.
 *
 * A link of bare IP packets (tun, wireguard, ppp, ipip...) has no header and no addresses: the
 * stack gets an Ethernet header that we make, and what it writes there does not leave
 * (port->link_made).
 *
 * Invariants: the mapping and the descriptors are made before any fork and never change (a program
 * that was started by exec maps the ring anew: packet_attach); where we are in the ring is in frame
 * memory (port_queue.rx_at) and moves slot by slot, so a process that dies in a burst loses that
 * frame and no place (packet_recover).
 * Overload: the kernel drops what finds the ring full, and counts it (rx_missed).
 * Context: open and close: boot, no other thread; bursts: the lock of the queue's instance.
 * Callers: port.c, the stack through packet_netdev_ops.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <rte_malloc.h>

#include "dpdk_port/internal.h"
#include "dpdk_port/port_check.h"
#include "dpdk_port/redirect.h"
#include "stack/base/sys.h"

#define FRAMES 2048	   /* of 2 KB; the kernel zeroes them at open, 2 ms a MB */
#define RING_BYTES (4 << 20) /* with longer slots there are fewer */
#define FRAMES_MIN 256
#define BLOCK_BYTES 65536
#define SLOT_MIN 2048
#define SLOT_MAX 16384
#define SLOT_HEAD 96 /* before the frame: struct tpacket2_hdr, address, virtio header, padding */
#define LINK_BYTES 18 /* ethernet's header and a VLAN tag */
#define QUEUE_BYTES (16 << 20) /* long frames that wait, and frames on their way out */
#define TSO_PAYLOAD 64000
#define SEGS_MAX 40
#define ARPHRD_IP6GRE_ 823 /* not in libc's header */

bool packet_is_ours(const struct conf_iface *iface)
{
	return iface->driver == CONF_DRV_AF_PACKET && !iface->devargs[0];
}

static int set_int(int fd, int level, int name, int value)
{
	return (int)s7_sys6(SYS_setsockopt, fd, level, name, (long)&value, sizeof(value), 0);
}

static uint32_t power_of_two(uint32_t least)
{
	uint32_t n = 1;

	while (n < least)
		n *= 2;
	return n;
}

static void ring_size(struct packet_ring *ring, const struct conf_iface *iface, uint32_t mtu)
{
	uint32_t slot = power_of_two(mtu + LINK_BYTES + SLOT_HEAD);

	ring->frame_bytes = (uint32_t)s7_min(s7_max(slot, SLOT_MIN), SLOT_MAX);
	ring->count = iface->rx_ring ? iface->rx_ring
				     : (uint32_t)s7_min(RING_BYTES / ring->frame_bytes, FRAMES);
	ring->count = power_of_two((uint32_t)s7_max(ring->count, FRAMES_MIN));
}

/* The options of a packet socket that must be there before its ring is. */
static int socket_options(int fd)
{
	static const struct {
		int name, value;
		bool optional;
	} options[] = {
		{ .name = PACKET_VERSION, .value = TPACKET_V2 },
		{ .name = PACKET_VNET_HDR, .value = 1 },
		{ .name = PACKET_COPY_THRESH, .value = 1 },
		/* since Linux 4.20 */
		{ .name = PACKET_IGNORE_OUTGOING, .value = 1, .optional = true },
	};
	uint32_t i;
	int err;

	for (i = 0; i < S7_ARRAY_LEN(options); i++) {
		err = set_int(fd, SOL_PACKET, options[i].name, options[i].value);
		if (err && !options[i].optional)
			return err;
	}
	if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES))
		set_int(fd, SOL_SOCKET, SO_RCVBUF, QUEUE_BYTES);
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, QUEUE_BYTES))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, QUEUE_BYTES);
	return 0;
}

static int ring_mmap(struct packet_ring *ring)
{
	long map = s7_sys6(SYS_mmap, 0, (long)ring->count * ring->frame_bytes,
			   PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);

	if (map < 0 && map > -4096)
		return (int)map;
	ring->map = (uint8_t *)map;
	return 0;
}

static int ring_map(struct packet_ring *ring)
{
	struct tpacket_req req = {
		.tp_block_size = BLOCK_BYTES,
		.tp_block_nr = ring->count / (BLOCK_BYTES / ring->frame_bytes),
		.tp_frame_size = ring->frame_bytes,
		.tp_frame_nr = ring->count,
	};
	int err;

	err = (int)s7_sys6(SYS_setsockopt, ring->fd, SOL_PACKET, PACKET_RX_RING, (long)&req,
			   sizeof(req), 0);
	return err ? err : ring_mmap(ring);
}

/* The sockets of several queues share the frames by flow; the first one's group number is kept. */
static int fanout_join(struct s7_port *port, uint16_t queue, int *group)
{
	int arg = PACKET_FANOUT_HASH << 16;
	socklen_t len = sizeof(arg);
	int fd = port->packet[queue].fd, err;

	if (port->queues < 2)
		return 0;
	arg |= *group < 0 ? PACKET_FANOUT_FLAG_UNIQUEID << 16 : *group;
	err = set_int(fd, SOL_PACKET, PACKET_FANOUT, arg);
	if (!err && *group < 0) {
		err = (int)s7_sys6(SYS_getsockopt, fd, SOL_PACKET, PACKET_FANOUT, (long)&arg,
				   (long)&len, 0);
		*group = arg & 0xffff;
	}
	return err;
}

static int queue_open(struct s7_port *port, uint16_t queue, const struct conf_iface *iface,
		      int *group)
{
	struct packet_ring *ring = &port->packet[queue];
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = port->kernel_ifindex };
	long fd = s7_sys3(SYS_socket, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return (int)fd;
	ring->fd = redirect_keep((int)fd);
	ring->batch = packet_batch_new();
	ring_size(ring, iface, port->info.mtu);
	err = ring->batch ? socket_options(ring->fd) : -ENOMEM;
	if (!err)
		err = ring_map(ring);
	if (!err)
		err = (int)s7_sys3(SYS_bind, ring->fd, &addr, sizeof(addr));
	if (!err)
		err = fanout_join(port, queue, group);
	port->sleep[queue] = SLEEP_LEVEL;
	port->sleep_fd[queue] = ring->fd;
	return err;
}

/*
 * Links of bare IP packets: tun, wireguard, ppp, tunnels. A GRE device without a peer of its own
 * wants the outer header from who sends.
 */
static bool is_bare(uint16_t type, bool one_peer)
{
	static const struct {
		uint16_t type;
		bool one_peer;
	} bare[] = {
		{ ARPHRD_NONE, false },	   { ARPHRD_RAWIP, false }, { ARPHRD_PPP, false },
		{ ARPHRD_TUNNEL, false },  { ARPHRD_TUNNEL6, false }, { ARPHRD_SIT, false },
		{ ARPHRD_IPGRE, true },	   { ARPHRD_IP6GRE_, true },
	};

	for (size_t i = 0; i < S7_ARRAY_LEN(bare); i++)
		if (bare[i].type == type)
			return one_peer || !bare[i].one_peer;
	return false;
}

/* What kind of link it is, and its address; one of bare packets gets one that nobody else sees. */
static int netdev_link(struct s7_port *port, int fd)
{
	static const uint8_t made_up[6] = { 2, 0, 0, 0, 0, 1 };
	struct ifreq ifr = { 0 };
	short flags;
	long err;

	memcpy(ifr.ifr_name, port->vdev, IFNAMSIZ - 1);
	err = s7_sys3(SYS_ioctl, fd, SIOCGIFFLAGS, &ifr);
	flags = ifr.ifr_flags;
	if (!err)
		err = s7_sys3(SYS_ioctl, fd, SIOCGIFHWADDR, &ifr);
	if (err)
		return (int)err;
	if (flags & IFF_NOARP)
		port->info.caps |= NETDEV_NO_ARP;
	if (is_bare(ifr.ifr_hwaddr.sa_family, flags & IFF_POINTOPOINT)) {
		port->link_made = ETH_HLEN;
		port->info.caps |= NETDEV_NO_ARP;
		memcpy(port->info.mac, made_up, sizeof(made_up));
		return 0;
	}
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
	    ifr.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return -EPFNOSUPPORT;
	memcpy(port->info.mac, ifr.ifr_hwaddr.sa_data, sizeof(port->info.mac));
	return 0;
}

static int packet_link(void *dev)
{
	const struct s7_port *port = dev;
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, port->vdev, IFNAMSIZ - 1);
	return !s7_sys3(SYS_ioctl, port->packet[0].fd, SIOCGIFFLAGS, &ifr) &&
	       (ifr.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

/* The kernel's counters begin anew with each look; ours keep the sum. */
static void packet_stats(void *dev, struct s7_netdev_stats *ret_stats)
{
	struct s7_port *port = dev;
	uint16_t q;

	memset(ret_stats, 0, sizeof(*ret_stats));
	for (q = 0; q < port->queues; q++) {
		struct port_queue *queue = &port->queue[q];
		struct tpacket_stats seen = { 0 };
		socklen_t len = sizeof(seen);

		if (!s7_sys6(SYS_getsockopt, port->packet[q].fd, SOL_PACKET, PACKET_STATISTICS,
			     (long)&seen, (long)&len, 0))
			__atomic_fetch_add(&queue->rx_missed, seen.tp_drops, __ATOMIC_RELAXED);
		ret_stats->rx_missed += queue->rx_missed;
		ret_stats->rx_nombuf += queue->rx_nobuf;
		ret_stats->tx_errors += queue->tx_dropped;
	}
}

/* A frame was given back and its place not yet left: the one behind it waits. */
static void packet_recover(void *dev, uint16_t queue)
{
	struct s7_port *port = dev;
	const struct packet_ring *ring = &port->packet[queue];
	uint32_t at = port->queue[queue].rx_at, next = (at + 1) & (ring->count - 1);
	const struct tpacket2_hdr *here = (void *)(ring->map + (size_t)at * ring->frame_bytes);
	const struct tpacket2_hdr *behind = (void *)(ring->map + (size_t)next * ring->frame_bytes);

	port->queue[queue].stash.count = 0;
	if (!(__atomic_load_n(&here->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) &&
	    __atomic_load_n(&behind->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)
		port->queue[queue].rx_at = next;
}

static const struct s7_netdev_ops packet_netdev_ops = {
	.name = "af_packet",
	.rx_burst = packet_rx_burst,
	.tx_burst = packet_tx_burst,
	.sleep_fd = port_sleep_fd,
	.sleep_begin = port_sleep_begin,
	.sleep_end = port_sleep_end,
	.link = packet_link,
	.stats = packet_stats,
	.recover = packet_recover,
};

int packet_open(struct s7_port *port, const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	const char *name = iface->device[0] ? iface->device : iface->name;
	int group = -1, err = 0;
	uint16_t q;

	port->ops = &packet_netdev_ops;
	memcpy(port->vdev, name, strnlen(name, IFNAMSIZ - 1)); /* measured by port_check() */
	port->info.mtu = mtu_of_port(iface, 0);
	port->info.queues = port->queues;
	port->info.caps = NETDEV_TX_L4_CSUM | NETDEV_RX_CSUM | NETDEV_MULTI_SEG | NETDEV_SHARED |
			  NETDEV_SLEEP;
	port->info.tso_segs_max = SEGS_MAX;
	if (iface->tso != CONF_TSO_OFF) {
		port->info.caps |= NETDEV_TSO | NETDEV_LRO;
		port->info.tso_max = TSO_PAYLOAD;
	}
	for (q = 0; q < port->queues; q++)
		port->packet[q].fd = -1;
	for (q = 0; q < port->queues && !err; q++)
		err = queue_open(port, q, iface, &group);
	if (!err)
		err = netdev_link(port, port->packet[0].fd);
	if (err)
		snprintf(ret_why, why_len, "interface %s (af_packet %s): packet socket: %s%s",
			 iface->name, name, strerrordesc_np(-err),
			 err == -ENOMEM	      ? ": make rx_ring smaller" :
			 err == -EPFNOSUPPORT ? ": its frames are neither Ethernet's nor bare IP "
						"packets" : "");
	return err;
}

int packet_attach(struct s7_port *port, const int *fds)
{
	int err = 0;

	port->ops = &packet_netdev_ops;
	for (uint16_t q = 0; q < port->queues && !err; q++) {
		port->packet[q].fd = fds[q];
		port->sleep[q] = SLEEP_LEVEL;
		port->sleep_fd[q] = fds[q];
		err = ring_mmap(&port->packet[q]);
	}
	return err;
}

void packet_close(struct s7_port *port)
{
	uint16_t q;

	for (q = 0; q < port->queues; q++) {
		struct packet_ring *ring = &port->packet[q];

		if (ring->map)
			s7_sys2(SYS_munmap, ring->map, (size_t)ring->count * ring->frame_bytes);
		if (ring->fd >= 0)
			s7p_close(ring->fd);
		rte_free(ring->batch);
	}
}
