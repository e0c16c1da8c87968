/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.h - EAL and the one DPDK port with one queue pair
 */
#ifndef LG_PORT_H
#define LG_PORT_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define PORT_BURST 64u
#define PORT_TX_QUEUE 512 /* frames held when the device takes no more */

struct lg_conf;

struct lg_port {
	uint16_t id;
	bool tx_csum, rx_csum; /* the device does L4 checksums */
	uint8_t mac[6];
	struct rte_mempool *pool;
	uint32_t tx_count;
	uint64_t tx_frames, tx_stalls;
	struct rte_mbuf *tx[PORT_TX_QUEUE];
};

/* Starts EAL for this process: in memory, no PCI, no telemetry. 0 or -errno, message printed. */
int port_eal_start(const struct lg_conf *conf);

/*
 * Creates the device of conf->dev and starts it. A memif client whose server does not listen yet,
 * a virtio_user without its vhost: tried again until conf->wait has passed. 0 or -errno, message
 * printed.
 */
int port_open(struct lg_port *port, const struct lg_conf *conf);
void port_close(struct lg_port *port);

/* Hands what is queued to the device; what it does not take stays queued. */
void port_flush(struct lg_port *port);

/* How many frames can still be queued. */
static inline uint32_t port_room(const struct lg_port *port)
{
	return PORT_TX_QUEUE - port->tx_count;
}

/* Queues a frame and owns it from then on. The caller has looked at port_room(). */
static inline void port_send(struct lg_port *port, struct rte_mbuf *m)
{
	port->tx[port->tx_count++] = m;
	port->tx_frames++;
	if (port->tx_count % PORT_BURST == 0)
		port_flush(port);
}

#endif
