/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netdev.h - what the stack wants of a device, and nothing more
 *
 * Implemented by dpdk_port/ (real ports), by stack/core/lo.c (the loopback interface) and by
 * test/support (simulated links). `dev` is private to the implementation and to one process. All
 * calls of one queue are made under the lock of the instance that owns the queue, by any process
 * that inherited the port: an implementation keeps no state outside shared memory that rx/tx depend
 * on.
 */
#ifndef S7_NETDEV_H
#define S7_NETDEV_H

#include "stack/base/base.h"
#include "stack/core/pkt.h"

enum s7_netdev_caps {
	NETDEV_TX_L3_CSUM = 1 << 0,
	NETDEV_TX_L4_CSUM = 1 << 1, /* TCP and UDP over IPv4 and IPv6 */
	NETDEV_RX_CSUM = 1 << 2,    /* rx flags say good/bad */
	NETDEV_TSO = 1 << 3,
	NETDEV_LRO = 1 << 4,
	/* tx takes chains; else the port linearises, up to S7_PKT_ROOM */
	NETDEV_MULTI_SEG = 1 << 5,
	/* a kernel netdev lies below and the kernel sees the same frames */
	NETDEV_SHARED = 1 << 6,
	NETDEV_SLEEP = 1 << 7,	    /* sleep_fd works */
	NETDEV_NO_ARP = 1 << 8,	    /* stations there have no addresses to be asked for */
};

struct s7_netdev_info {
	uint32_t caps;
	uint32_t mtu;	     /* L3 bytes */
	uint32_t tso_max;    /* bytes of L4 payload in one TSO packet, 0 without TSO */
	uint16_t queues;     /* rx/tx queue pairs configured */
	uint16_t tso_segs_max; /* buffers in one chain */
	uint8_t mac[6];
};

struct s7_netdev_stats {
	uint64_t rx_missed, rx_errors, rx_nombuf, tx_errors;
};

/* What a device passes beyond its own address and broadcasts. */
enum s7_netdev_rx_mode { NETDEV_PROMISC, NETDEV_ALL_GROUPS };

struct s7_netdev_ops {
	const char *name;

	/* Fills pkts with at most n received packets (one reference each, chain intact). */
	uint16_t (*rx_burst)(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n);

	/*
	 * Sends; returns how many it took from the front of pkts. Of each taken packet (and
	 * of each buffer of its chain) one reference is consumed, now or when the device is done.
	 */
	uint16_t (*tx_burst)(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n);

	/*
	 * A descriptor that becomes readable when the queue has received, or -1. It may be
	 * level triggered (socket) or an event counter (interrupt); `sleep_end` drains the latter.
	 */
	int (*sleep_fd)(void *dev, uint16_t queue);

	/*
	 * Before sleeping on sleep_fd: arm the interrupt. Returns 1 when packets already wait (do
	 * not sleep), 0 when armed. After sleeping: sleep_end disarms.
	 */
	int (*sleep_begin)(void *dev, uint16_t queue);
	void (*sleep_end)(void *dev, uint16_t queue);

	/* 1 link up, 0 down. Slow path, without lock. */
	int (*link)(void *dev);

	void (*stats)(void *dev, struct s7_netdev_stats *ret_stats);

	/*
	 * The thread that held the lock died, perhaps within a burst: find out where the device is.
	 * May be NULL. What the burst had in hand is lost.
	 */
	void (*recover)(void *dev, uint16_t queue);

	/*
	 * Passes frames that are addressed to others too, or no more. NULL: it passes all that
	 * there are on the link. Slow path.
	 */
	void (*rx_mode)(void *dev, enum s7_netdev_rx_mode mode, bool on);
};

/* Where packets come from. One pool an instance; called under that instance's lock. */
struct s7_pool_ops {
	/*
	 * All n or none: 0 or -ENOBUFS. One reference each; what else is in them is old
	 * (pkt_fresh).
	 */
	int (*alloc)(void *pool, struct s7_pkt **pkts, uint32_t n);

	/*
	 * Gives n buffers back (single buffers, not chains), each with exactly one reference left.
	 */
	void (*free)(void *pool, struct s7_pkt **pkts, uint32_t n);

	/* Drops one reference of a buffer that a device still holds. */
	void (*unref)(void *pool, struct s7_pkt *pkt);

	uint32_t (*available)(void *pool);
};

#endif
