/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.c - brings a port up and takes it down
 *
 * Idea: a fixed ladder: what can be said before DPDK is asked (port_check.c), the device (found or
 * created, waiting for the other end of a socket), configuration, queues, start, what came out of
 * it. The handle is private memory that fork copies; all that changes while the port runs is in
 * frame memory (struct port_queue). A kernel netdev below is used as it is: its MTU, MAC and flags
 * are never written (redirect.c holds DPDK's ioctls back).
 * Context: boot, one thread, before any fork.
 * Callers: shim/boot.c, bench/, test/port/.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_eth_vhost.h>
#include <rte_malloc.h>

#include "dpdk_port/internal.h"
#include "dpdk_port/port_check.h"
#include "stack/base/sys.h"

#define WAIT_MS 10000
#define WAIT_STEP_US 20000
#define LINK_WAIT_MS 2000
#define LEAVE_MS 5 /* more than the longest nap of a peer on sock7 */
#define TSO_PAYLOAD 64000 /* with headers below the 65535 of an IP packet */
#define SEGS_MAX 40

static void pause_us(long us)
{
	const struct timespec wait = { 0, us * 1000 };

	s7_sys2(SYS_nanosleep, &wait, NULL);
}

static const char *device_of(const struct conf_iface *iface)
{
	return iface->device[0] ? iface->device : iface->name;
}

/* One line from what DPDK logged, the error and what might help. */
static int fail(const struct conf_iface *iface, const char *step, int err, char *ret_why,
		size_t why_len)
{
	const char *log = logcap_last();

	snprintf(ret_why, why_len, "interface %s (%s %s): %s: %s%s%s%s", iface->name,
		 conf_driver_name(iface->driver), device_of(iface), step, strerror(-err),
		 log[0] ? " (" : "", log, log[0] ? ")" : "");
	return err;
}

/*
 * Creates the virtual device. The other end of a socket may start later than we do: wait for its
 * file, then try until it answers.
 */
static int vdev_create(struct s7_port *port, const struct conf_iface *iface, const char *args)
{
	const struct port_driver *driver = port_driver(iface->driver);
	uint32_t waited_ms = 0, n;
	int err;

	for (n = 0; n < RTE_MAX_ETHPORTS; n++) {
		snprintf(port->vdev, sizeof(port->vdev), "%s%u", driver->pmd, n);
		if (rte_eth_dev_get_port_by_name(port->vdev, &port->id))
			break;
	}
	for (;;) {
		err = iface->driver == CONF_DRV_VIRTIO_USER && access(device_of(iface), F_OK)
			? -ENOENT
			: rte_vdev_init(port->vdev, args);
		if (!err)
			break;
		if (iface->driver != CONF_DRV_VIRTIO_USER || waited_ms >= WAIT_MS)
			return err < 0 ? err : -EIO;
		if (!waited_ms)
			port_say(CONF_LOG_WARN,
				 "interface %s: waiting up to 10 s for a vhost server on %s",
				 iface->name, device_of(iface));
		logcap_reset();
		pause_us(WAIT_STEP_US);
		waited_ms += WAIT_STEP_US / 1000;
	}
	return rte_eth_dev_get_port_by_name(port->vdev, &port->id);
}

static int device_find(struct s7_port *port, const struct conf_iface *iface, char *ret_why,
		       size_t why_len)
{
	char args[PORT_ARGS_MAX];
	int err;

	if (iface->driver == CONF_DRV_PCI) {
		err = rte_eth_dev_get_port_by_name(device_of(iface), &port->id);
		if (!err)
			return 0;
		snprintf(ret_why, why_len,
			 "interface %s: no driver took PCI device %s: bind it (dpdk-devbind.py -b "
			 "vfio-pci %s); supported: "
			 "ixgbe i40e ice iavf e1000 igc virtio vmxnet3 ena",
			 iface->name, device_of(iface), device_of(iface));
		return err;
	}
	err = port_devargs(iface, args, sizeof(args));
	if (err) {
		snprintf(ret_why, why_len, "interface %s: devargs too long", iface->name);
		return err;
	}
	err = vdev_create(port, iface, args);
	return err ? fail(iface, "create", err, ret_why, why_len) : 0;
}

static void conf_fill(const struct s7_port *port, const struct conf_iface *iface,
		      const struct rte_eth_dev_info *dev, bool intr, struct rte_eth_conf *ret_conf)
{
	const uint64_t hash = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

	memset(ret_conf, 0, sizeof(*ret_conf));
	offload_choose(iface, dev, ret_conf);
	if (port->queues > 1 && dev->flow_type_rss_offloads & hash) {
		ret_conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		ret_conf->rx_adv_conf.rss_conf.rss_hf = dev->flow_type_rss_offloads & hash;
		ret_conf->rxmode.offloads |= dev->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
	}
	if (iface->mtu && !port_driver(iface->driver)->on_netdev)
		ret_conf->rxmode.mtu = iface->mtu;
	ret_conf->intr_conf.rxq = intr;
}

static int queues_setup(struct s7_port *port, const struct conf_iface *iface,
			const struct rte_eth_dev_info *dev, const struct rte_eth_conf *conf)
{
	uint16_t rx = (uint16_t)(iface->rx_ring ? iface->rx_ring : 1024);
	uint16_t tx = (uint16_t)(iface->tx_ring ? iface->tx_ring : 1024);
	struct rte_eth_rxconf rxconf = dev->default_rxconf;
	struct rte_eth_txconf txconf = dev->default_txconf;
	uint16_t q;
	int err;

	err = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);
	if (err)
		return err;
	rxconf.offloads = conf->rxmode.offloads;
	txconf.offloads = conf->txmode.offloads;
	for (q = 0; q < port->queues; q++) {
		err = rte_eth_rx_queue_setup(port->id, q, rx, SOCKET_ID_ANY, &rxconf,
					     port->pool[q]);
		if (!err)
			err = rte_eth_tx_queue_setup(port->id, q, tx, SOCKET_ID_ANY, &txconf);
		if (err)
			return err;
	}
	return 0;
}

/* A memif client cannot start before its server's socket exists. */
static int start_patiently(struct s7_port *port, const struct conf_iface *iface)
{
	const bool client = iface->driver == CONF_DRV_MEMIF && !memif_is_server(iface);
	uint32_t waited_ms = 0;
	int err;

	for (;;) {
		err = rte_eth_dev_start(port->id);
		if (!err || !client || waited_ms >= WAIT_MS)
			return err;
		if (!waited_ms)
			port_say(CONF_LOG_WARN,
				 "interface %s: waiting up to 10 s for a memif server on %s",
				 iface->name, device_of(iface));
		logcap_reset();
		pause_us(WAIT_STEP_US);
		waited_ms += WAIT_STEP_US / 1000;
	}
}

/*
 * The memif handshake is done by EAL's interrupt thread, which a forked child does not have: have
 * it done before anybody can fork. A server's peer may come whenever it likes.
 */
static void link_wait(struct s7_port *port, const struct conf_iface *iface)
{
	uint32_t waited_ms = 0;

	if (iface->driver != CONF_DRV_MEMIF || memif_is_server(iface))
		return;
	while (!port_netdev_ops.link(port) && waited_ms++ < LINK_WAIT_MS)
		pause_us(1000);
}

static int port_start(struct s7_port *port, const struct conf_iface *iface,
		      const struct rte_eth_dev_info *dev, bool intr)
{
	struct rte_eth_conf conf;
	int err;

	conf_fill(port, iface, dev, intr, &conf);
	err = rte_eth_dev_configure(port->id, port->queues, port->queues, &conf);
	if (err)
		return err;
	if (iface->has_mac && iface->driver == CONF_DRV_PCI) {
		struct rte_ether_addr mac;

		memcpy(mac.addr_bytes, iface->mac, sizeof(iface->mac));
		err = rte_eth_dev_default_mac_addr_set(port->id, &mac);
	}
	if (!err)
		err = queues_setup(port, iface, dev, &conf);
	if (!err)
		err = start_patiently(port, iface);
	if (err)
		return err;
	port->ready = true;
	port->info.caps = offload_caps(port, &conf);
	link_wait(port, iface);
	return 0;
}

static void info_fill(struct s7_port *port, const struct conf_iface *iface,
		      const struct rte_eth_dev_info *dev)
{
	struct s7_netdev_info *info = &port->info;
	struct rte_ether_addr mac;
	uint16_t mtu = 0;

	rte_eth_dev_get_mtu(port->id, &mtu);
	info->mtu = mtu_of_port(iface, mtu);
	info->queues = port->queues;
	info->tso_max = info->caps & NETDEV_TSO ? TSO_PAYLOAD : 0;
	info->tso_segs_max = (uint16_t)(dev->tx_desc_lim.nb_seg_max
						? s7_min(dev->tx_desc_lim.nb_seg_max, SEGS_MAX)
						: SEGS_MAX);
	if (!(info->caps & NETDEV_MULTI_SEG))
		info->tso_segs_max = 1;
	if (port_driver(iface->driver)->kernel_sees)
		info->caps |= NETDEV_SHARED;
	if (!rte_eth_macaddr_get(port->id, &mac))
		memcpy(info->mac, mac.addr_bytes, sizeof(info->mac));
	if (iface->has_mac)
		memcpy(info->mac, iface->mac, sizeof(info->mac));
	else if (iface->driver == CONF_DRV_TAP)
		info->mac[5] ^= 1; /* the kernel's end has the port's own */
}

static int port_bring_up(struct s7_port *port, const struct conf_iface *iface, char *ret_why,
			 size_t why_len)
{
	bool intr = port_driver(iface->driver)->wants_intr;
	struct rte_eth_dev_info dev;
	int err;

	err = device_find(port, iface, ret_why, why_len);
	if (err)
		return err;
	err = rte_eth_dev_info_get(port->id, &dev);
	if (err)
		return fail(iface, "ask the device", err, ret_why, why_len);
	if (port->queues > s7_min(dev.max_rx_queues, dev.max_tx_queues)) {
		snprintf(ret_why, why_len, "interface %s: queues = %u, the device has %lu",
			 iface->name, port->queues,
			 (unsigned long)s7_min(dev.max_rx_queues, dev.max_tx_queues));
		return -EINVAL;
	}
	err = port_start(port, iface, &dev, intr);
	if (err && intr) {
		logcap_reset();
		intr = false;
		err = port_start(port, iface, &dev, intr);
	}
	if (err)
		return fail(iface, "start", err, ret_why, why_len);
	if (iface->driver == CONF_DRV_PCI)
		rte_eth_allmulticast_enable(port->id);
	info_fill(port, iface, &dev);
	sleep_find(port, intr);
	return 0;
}

int port_open(const struct conf_iface *iface, void *const *pools, struct s7_port **ret_port,
	      char *ret_why, size_t why_len)
{
	struct s7_port *port;
	sigset_t signals;
	uint16_t q;
	int err;

	err = port_check(iface, ret_why, why_len);
	if (err)
		return err;
	port = calloc(1, sizeof(*port));
	if (!port)
		goto no_memory;
	port->ops = iface->driver == CONF_DRV_MEMIF && !memif_is_zero_copy(iface)
			? &memif_netdev_ops
			: &port_netdev_ops;
	port->driver = iface->driver;
	port->queues = (uint16_t)s7_max(iface->queues, 1);
	port->copy_shared = iface->driver == CONF_DRV_RING;
	port->queue = rte_zmalloc("s7_port", port->queues * sizeof(port->queue[0]), S7_CACHELINE);
	if (!port->queue)
		goto no_memory;
	for (q = 0; q < port->queues; q++)
		port->pool[q] = pools[q];
	if (port_driver(iface->driver)->on_netdev)
		port->kernel_ifindex = (int)if_nametoindex(device_of(iface));

	logcap_reset();
	eal_signals_block(&signals);
	redirect_port_begin(port_driver(iface->driver)->on_netdev, port->queues);
	err = packet_is_ours(iface) ? packet_open(port, iface, ret_why, why_len)
				    : port_bring_up(port, iface, ret_why, why_len);
	redirect_port_end();
	eal_signals_restore(&signals);
	if (err) {
		port_close(port);
		return err;
	}
	if (iface->driver == CONF_DRV_TAP)
		port->kernel_ifindex = (int)if_nametoindex(device_of(iface));
	if (iface->driver == CONF_DRV_VHOST || memif_is_server(iface))
		snprintf(port->socket_path, sizeof(port->socket_path), "%s", device_of(iface));
	*ret_port = port;
	return 0;
no_memory:
	free(port);
	snprintf(ret_why, why_len, "interface %s: no memory: raise memory", iface->name);
	return -ENOMEM;
}

void port_info(const struct s7_port *port, struct s7_netdev_info *ret_info)
{
	*ret_info = port->info;
}

const struct s7_netdev_ops *port_ops(const struct s7_port *port)
{
	return port->ops;
}

/* Links in memory pass every frame as it is. */
void port_rx_mode(void *dev, enum s7_netdev_rx_mode mode, bool on)
{
	const struct s7_port *port = dev;

	if (port->driver != CONF_DRV_PCI && port->driver != CONF_DRV_AF_XDP)
		return;
	if (mode == NETDEV_PROMISC && on)
		rte_eth_promiscuous_enable(port->id);
	else if (mode == NETDEV_PROMISC)
		rte_eth_promiscuous_disable(port->id);
	else if (on) /* a NIC of ours has it from the start, and keeps it */
		rte_eth_allmulticast_enable(port->id);
	else if (port->driver != CONF_DRV_PCI)
		rte_eth_allmulticast_disable(port->id);
}

int port_kernel_ifindex(const struct s7_port *port)
{
	return port->kernel_ifindex;
}

/*
 * What we sent last (a FIN's acknowledgement, a RST) lies in rings that vanish with us: a peer
 * that polls at its leisure gets a moment to take it.
 */
static void let_peer_take(void)
{
	const struct timespec moment = { .tv_nsec = LEAVE_MS * 1000000L };

	s7_sys2(SYS_nanosleep, &moment, 0);
}

static void ethdev_close(struct s7_port *port)
{
	if (port->ready)
		rte_eth_dev_stop(port->id);
	if (port->vdev[0])
		rte_vdev_uninit(port->vdev);
	else if (port->ready)
		rte_eth_dev_close(port->id);
}

void port_close(struct s7_port *port)
{
	sigset_t signals;

	if (!port)
		return;
	eal_signals_block(&signals);
	if (port->ready && port_driver(port->driver)->has_socket)
		let_peer_take();
	redirect_port_begin(port_driver(port->driver)->on_netdev, port->queues);
	if (!port_is_ethdev(port))
		packet_close(port);
	else
		ethdev_close(port);
	redirect_port_end();
	if (port->socket_path[0] == '/')
		s7_sys1(SYS_unlink, port->socket_path);
	eal_signals_restore(&signals);
	rte_free(port->queue);
	free(port);
}
