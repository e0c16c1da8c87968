/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.h - EAL and ports, as the boot code of shim/ (and bench/, test/) uses them
 *
 * The only door to DPDK: headers of rte_eal / rte_ethdev are included under dpdk_port/ alone. All
 * of it is boot time, one thread, before any fork; what runs later is behind netdev.h.
 */
#ifndef S7_PORT_H
#define S7_PORT_H

#include "conf/conf.h"
#include "stack/core/netdev.h"

struct s7_port; /* process-private handle, valid in children by fork */

/*
 * Starts EAL once: in-memory, no telemetry, no pinning, signals blocked in its threads, TSC
 * calibration short-cut, its descriptors moved high and close-on-exec. Hugepages as configured.
 * frame_bytes is what the packet pools may use. 0 or -errno, with one line in ret_why that says
 * what to do.
 */
int eal_start(const struct conf *conf, uint64_t frame_bytes, char *ret_why, size_t why_len);

/*
 * The packet pool of one instance: LIFO without atomics (the instance lock covers it), s7_pkt in
 * each buffer's private area, S7_PKT_ROOM payload. *ret_ops is a table of this process image.
 */
int pool_create(uint32_t index, uint32_t pkts, const struct s7_pool_ops **ret_ops, void **ret_pool,
		char *ret_why, size_t why_len);

/* Frame memory that one packet of a pool takes, for dividing frame_bytes. */
uint32_t pool_pkt_bytes(void);

/*
 * Brings a port up (device string from driver/device/devargs, queues, rings, offloads, MTU, MAC),
 * rx of queue k fed from pools[k]. A memif client whose server is not there yet, a virtio_user
 * without its vhost: waits up to 10 s, saying so once in the log.
 */
int port_open(const struct conf_iface *iface, void *const *pools, struct s7_port **ret_port,
	      char *ret_why, size_t why_len);

/*
 * Whether the kernel netdev that the interface is to lie on is there and up; 0 also for what needs
 * none. -ENODEV, -ENETDOWN (it may come yet), or what else is wrong, with one line.
 */
int port_netdev_check(const struct conf_iface *iface, char *ret_why, size_t why_len);

/* What the port can do, and its table of functions; `dev` of the table is the s7_port. */
void port_info(const struct s7_port *port, struct s7_netdev_info *ret_info);
const struct s7_netdev_ops *port_ops(const struct s7_port *port);

/* Index of the kernel netdev below the port (af_packet, af_xdp, tap), 0 if none. */
int port_kernel_ifindex(const struct s7_port *port);

/* Last process at its end: stops ports, removes what they left (sockets, XDP program). */
void port_close(struct s7_port *port);

/*
 * Descriptors that EAL and the ports opened since boot, so that the shim can protect them from
 * close() and close_range(): fills fds, returns how many there are.
 */
uint32_t eal_descriptors(int *fds, uint32_t max);

/*
 * ---- attach.c: for a program that exec started with sockets of the stack (docs/exec.md) ----
 *
 * A run of EAL's memory: where it is in every process, and in which descriptor of the process that
 * asked.
 */
struct frame_piece {
	void *base;
	uint64_t bytes, offset;
	int fd;
};

/* How many pieces there are, or -errno: memory without descriptors, more than max. */
int frame_pieces(struct frame_piece *ret_pieces, uint32_t max);
/* Maps one where it was; fd is this process's. 0, -EEXIST (something else is there), -errno. */
int frame_attach(const struct frame_piece *piece, int fd);
/* The operations of a pool in attached memory, in this image. 0, -ENOTSUP. */
int pool_attach(const void *pool);
const struct s7_pool_ops *pool_ops(void);

/* The descriptors that port_attach needs, how many, or -ENOTSUP: it cannot be attached. */
int port_fds(const struct s7_port *port, int *ret_fds, uint32_t max);
/* A copy of the handle, which another image takes for port_attach: room of port_bytes(). */
size_t port_bytes(void);
void port_copy(void *to, const struct s7_port *port);
/* A handle of this process, with its own descriptors in the order of port_fds. 0, -errno. */
int port_attach(const struct s7_port *image, const int *fds, struct s7_port **ret_port);

#endif
