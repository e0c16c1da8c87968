/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.c - EAL, one vdev, one queue pair, a transmit queue in front of it
 *
 * Idea: the device is hot-plugged after EAL is up (rte_vdev_init), so that a peer which does not
 * exist yet is a reason to try again and not to fail. Transmission never drops: what the device
 * refuses stays in a short queue, and the senders above look at port_room() before they build a
 * frame (backpressure).
 * Context: the main thread, which is the only EAL worker.   Called by: main.c, net.c, tcp_out.c,
 * udp.c.
 */
#include "port.h"

#include <errno.h>
#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lg.h"

#define PORT_RX_DESC 1024
#define PORT_TX_DESC 1024
#define PORT_MBUFS 16383
#define PORT_MEM_MB 256
#define PORT_RETRY_MS 50

int port_eal_start(const struct lg_conf *conf)
{
	char lcores[64], mem[16];
	const char *argv[16];
	sigset_t all, before;
	int argc = 0, err;

	if (conf->core >= 0)
		snprintf(lcores, sizeof(lcores), "0@%d", (int)conf->core);
	else
		snprintf(lcores, sizeof(lcores), "0@(0-%ld)", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	snprintf(mem, sizeof(mem), "%d", PORT_MEM_MB);
	argv[argc++] = "loadgen";
	/* without hugepages nothing could outlive the process, and EAL refuses both together */
	argv[argc++] = conf->huge ? "--in-memory" : "--no-shconf";
	argv[argc++] = "--no-telemetry";
	argv[argc++] = "--no-pci";
	argv[argc++] = "--log-level=4";
	argv[argc++] = "--lcores";
	argv[argc++] = lcores;
	argv[argc++] = "-m";
	argv[argc++] = mem;
	argv[argc++] = conf->huge ? "--single-file-segments" : "--no-huge";
	argv[argc] = NULL;

	sigfillset(&all); /* EAL's threads must not take our signals */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = rte_eal_init(argc, (char **)argv); /* permutes, writes nothing */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err >= 0)
		return 0;
	fprintf(stderr, "loadgen: EAL does not start: %s%s\n", rte_strerror(rte_errno),
		conf->huge ? " (are hugepages reserved? leave --huge out otherwise)" : "");
	return -rte_errno;
}

/* net_vhost leaves its socket file behind and then fails on it: a file nobody listens on goes. */
static void unlink_stale_vhost(const char *dev)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *iface = strstr(dev, "iface=");
	struct stat st;
	int fd;

	if (strncmp(dev, "net_vhost", 9) || !iface)
		return;
	iface += 6;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.*s", (int)strcspn(iface, ","), iface);
	if (stat(sun.sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) && errno == ECONNREFUSED)
		unlink(sun.sun_path);
	close(fd);
}

static int port_plug(struct lg_port *port, const char *dev)
{
	char name[RTE_DEV_NAME_MAX_LEN];
	const char *args = strchr(dev, ',');
	size_t len = args ? (size_t)(args - dev) : strlen(dev);
	int err;

	if (len == 0 || len >= sizeof(name))
		return -EINVAL;
	memcpy(name, dev, len);
	name[len] = '\0';
	err = rte_vdev_init(name, args ? args + 1 : "");
	if (err)
		return err;
	err = rte_eth_dev_get_port_by_name(name, &port->id);
	if (err)
		rte_vdev_uninit(name);
	return err;
}

static int port_configure(struct lg_port *port, const struct lg_conf *conf)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf eth = { 0 };
	uint16_t nrx = PORT_RX_DESC, ntx = PORT_TX_DESC;
	const uint64_t tx_csum = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t rx_csum = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	int err;

	err = rte_eth_dev_info_get(port->id, &info);
	if (err)
		return err;
	port->tx_csum = (info.tx_offload_capa & tx_csum) == tx_csum;
	port->rx_csum = (info.rx_offload_capa & rx_csum) == rx_csum;
	eth.txmode.offloads = port->tx_csum ? tx_csum : 0;
	eth.rxmode.offloads = port->rx_csum ? rx_csum : 0;
	if (conf->mtu > RTE_ETHER_MTU)
		eth.rxmode.mtu = (uint32_t)conf->mtu;
	err = rte_eth_dev_configure(port->id, 1, 1, &eth);
	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &nrx, &ntx);
	if (!err)
		err = rte_eth_rx_queue_setup(port->id, 0, nrx, SOCKET_ID_ANY, NULL, port->pool);
	if (!err)
		err = rte_eth_tx_queue_setup(port->id, 0, ntx, SOCKET_ID_ANY, NULL);
	return err;
}

/* The MAC: the command line's, else the device's, else one made from our address. */
static int port_mac(struct lg_port *port, const struct lg_conf *conf)
{
	struct rte_ether_addr mac;
	int err;

	err = rte_eth_macaddr_get(port->id, &mac);
	if (err)
		return err;
	memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	if (conf->have_mac) {
		memcpy(port->mac, conf->mac, sizeof(port->mac));
	} else if (!rte_is_valid_assigned_ether_addr(&mac)) {
		port->mac[0] = 0x02;
		port->mac[1] = 0x10;
		memcpy(port->mac + 2, &conf->ip_be, 4);
	}
	return 0;
}

static int port_try(struct lg_port *port, const struct lg_conf *conf, bool *plugged)
{
	int err = 0;

	if (!*plugged) {
		err = port_plug(port, conf->dev);
		if (err)
			return err;
		*plugged = true;
		err = port_configure(port, conf);
		if (err)
			return err;
	}
	return rte_eth_dev_start(port->id);
}

int port_open(struct lg_port *port, const struct lg_conf *conf)
{
	uint32_t room = RTE_PKTMBUF_HEADROOM + 18 +
			(uint32_t)(conf->mtu > 2048 - 18 ? conf->mtu : 2048 - 18);
	bool plugged = false;
	uint64_t waited = 0;
	int err;

	port->pool = rte_pktmbuf_pool_create("loadgen", PORT_MBUFS, 256, 0, (uint16_t)room,
					     SOCKET_ID_ANY);
	if (!port->pool) {
		fprintf(stderr, "loadgen: no packet pool: %s\n", rte_strerror(rte_errno));
		return -rte_errno;
	}
	unlink_stale_vhost(conf->dev);
	for (;;) {
		err = port_try(port, conf, &plugged);
		if (!err || waited >= conf->wait)
			break;
		if (waited == 0)
			fprintf(stderr, "loadgen: %s: %s; trying for %.1f s\n", conf->dev,
				rte_strerror(-err), (double)conf->wait / 1000);
		rte_log_set_global_level(RTE_LOG_CRIT); /* the drivers' complaints: once */
		usleep(PORT_RETRY_MS * 1000);
		waited += PORT_RETRY_MS;
	}
	rte_log_set_global_level(RTE_LOG_ERR);
	if (!err)
		err = port_mac(port, conf);
	if (err)
		fprintf(stderr, "loadgen: port %s does not come up: %s\n", conf->dev,
			rte_strerror(-err));
	else
		rte_eth_promiscuous_enable(port->id); /* for --mac; who cannot does not filter */
	return err;
}

void port_close(struct lg_port *port)
{
	uint32_t i;

	for (i = 0; i < port->tx_count; i++)
		rte_pktmbuf_free(port->tx[i]);
	port->tx_count = 0;
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	rte_eal_cleanup();
}

void port_flush(struct lg_port *port)
{
	uint32_t done = 0;
	uint16_t n;

	while (done < port->tx_count) {
		n = rte_eth_tx_burst(port->id, 0, port->tx + done,
				     (uint16_t)RTE_MIN(port->tx_count - done, PORT_BURST));
		if (n == 0)
			break;
		done += n;
	}
	if (done == port->tx_count) {
		port->tx_count = 0;
		return;
	}
	port->tx_stalls++;
	if (done == 0)
		return;
	memmove(port->tx, port->tx + done, (port->tx_count - done) * sizeof(port->tx[0]));
	port->tx_count -= done;
}
