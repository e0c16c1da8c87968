/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * internal.h - what the files of dpdk_port/ share; nobody else includes it
 */
#ifndef S7_PORT_INTERNAL_H
#define S7_PORT_INTERNAL_H

#include <signal.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dpdk_port/port.h"

#define PORT_QUEUES_MAX 16
#define PORT_BURST 64
#define PORT_ARGS_MAX 768

/* How a queue's sleep descriptor behaves. */
enum port_sleep {
	SLEEP_NONE,	/* polled */
	SLEEP_LEVEL,	/* readable as long as frames wait: a packet socket */
	SLEEP_COUNTER,	/* an eventfd that the device signals; armed and drained */
	SLEEP_EPOLL,	/* an epoll set around such eventfds (net_vhost) */
	SLEEP_RING,	/* an eventfd that the peer signals, while there is a peer (memif) */
};

/* Packets that sleep_begin() found. In frame memory: another process may take them. */
struct port_stash {
	uint32_t count;
	struct s7_pkt *pkt[PORT_BURST];
};

/*
 * What rx/tx write besides the driver's own state: in frame memory, per queue, under the instance's
 * lock.
 */
struct port_queue {
	/* too long for one buffer, no buffer to copy to, refused by the kernel */
	uint64_t tx_dropped;
	uint64_t rx_missed;  /* packet.c: the ring was full, or what came did not fit it */
	uint64_t rx_nobuf;   /* packet.c: no buffer to copy to */
	uint32_t rx_at;	     /* packet.c: the next frame of the ring */
	bool through_qdisc;  /* packet_tx.c: PACKET_QDISC_BYPASS is off */
	struct port_stash stash;
	bool rx_seek; /* recover.c: where the kernel is in the ring is not known yet */
} S7_ALIGNED(S7_CACHELINE);

/* A packet socket with its ring of received frames (packet.c): mapped before any fork. */
struct packet_ring {
	int fd;
	uint8_t *map;
	/* packet_tx.c's, in frame memory: callers' stacks may be small */
	struct packet_batch *batch;
	uint32_t frame_bytes;
	uint32_t count; /* a power of two */
};

struct s7_port {
	const struct s7_netdev_ops *ops;
	uint16_t id;	 /* of ethdev */
	uint16_t queues;
	enum conf_driver driver;
	bool copy_shared; /* net_ring gives the receiver the very buffer */
	bool ready;	  /* started */
	struct port_queue *queue;
	struct rte_mempool *pool[PORT_QUEUES_MAX];
	enum port_sleep sleep[PORT_QUEUES_MAX];
	int sleep_fd[PORT_QUEUES_MAX];
	struct s7_netdev_info info;
	int kernel_ifindex;
	struct packet_ring packet[PORT_QUEUES_MAX]; /* packet.c's */
	/*
	 * packet.c: bytes of Ethernet header that the stack has before a packet, and the line not
	 */
	uint8_t link_made;
	char vdev[RTE_DEV_NAME_MAX_LEN];	    /* empty: PCI; of packet.c: the netdev */
	char socket_path[CONF_TEXT_MAX]; /* a socket file that port_close removes */
};

/* The mbuf in front of a packet, and back: s7_pkt is the mbuf's private area. */
static inline struct rte_mbuf *pkt_mbuf(struct s7_pkt *pkt)
{
	return (struct rte_mbuf *)pkt - 1;
}

static inline struct s7_pkt *mbuf_pkt(struct rte_mbuf *m)
{
	return (struct s7_pkt *)(m + 1);
}

/* ---- redirect.c: the system calls of DPDK's archives (CMake renames them by redirect.syms) */
void redirect_boot(bool on);		     /* the TSC calibration's sleep is cut short while on */
/*
 * Around opening and closing a port. Over a kernel netdev, ioctls that would change it do nothing
 * meanwhile.
 */
void redirect_port_begin(bool on_netdev, uint16_t queues);
void redirect_port_end(void);
void redirect_base(int base); /* new descriptors are moved to this number and above */
int redirect_keep(int fd);    /* moves a descriptor that a library made; its new number */
void redirect_note(int fd);		     /* one that cannot move: close-on-exec, remembered */
uint32_t redirect_list(int *fds, uint32_t max);
/* Packet sockets of the port that is being opened, one a queue; how many. */
uint32_t redirect_packet_sockets(int *ret_fds, uint32_t max);

/* ---- logcap.c: EAL's log lines, of which the last one explains an error ---- */
int logcap_open(const struct conf *conf);
void logcap_reset(void);
const char *logcap_last(void); /* the first error line since the reset, or "" */
void port_say(enum conf_log level, const char *fmt, ...) S7_PRINTF(2, 3);

/* ---- eal.c ---- */
bool eal_has_hugepages(void);
void eal_signals_block(sigset_t *ret_old);
void eal_signals_restore(const sigset_t *old);

/* ---- pool.c ---- */
extern const struct s7_pool_ops port_pool_ops;

/* ---- lazy.c: libbpf and libxdp, opened when the first af_xdp port is ---- */
int lazy_open(char *ret_why, size_t why_len);

/* ---- devstr.c ---- */
struct port_driver {
	const char *pmd;	 /* name of the vdev: pmd and a number; NULL: PCI */
	bool on_netdev;		 /* a kernel netdev lies below */
	bool kernel_sees;	 /* ... which receives every frame as well */
	bool has_socket;	 /* device is the path of a unix socket */
	bool wants_intr;	 /* try rx interrupts */
	int (*args)(const struct conf_iface *iface, char *ret_args, size_t len);
};
const struct port_driver *port_driver(enum conf_driver driver);
/*
 * The driver's own key=value list with devargs merged in: a key given there wins. 0 or
 * -ENAMETOOLONG.
 */
int port_devargs(const struct conf_iface *iface, char *ret_args, size_t len);
/* The value of a key in a key=value list, or NULL; ret_len its length. */
const char *devargs_find(const char *list, const char *key, size_t *ret_len);

/* ---- offload.c ---- */
void offload_choose(const struct conf_iface *iface, const struct rte_eth_dev_info *dev,
		    struct rte_eth_conf *ret_conf);
uint32_t offload_caps(const struct s7_port *port, const struct rte_eth_conf *conf);
uint64_t offload_tx_flags(const struct s7_pkt *pkt);
uint16_t offload_rx_flags(uint64_t ol_flags);

/* ---- packet.c: a kernel netdev by a packet socket of our own, without a driver of DPDK's ---- */
bool packet_is_ours(const struct conf_iface *iface);
int packet_open(struct s7_port *port, const struct conf_iface *iface, char *ret_why,
		size_t why_len);
void packet_close(struct s7_port *port);
/* The same port in another program image: its table, its mapping of the ring. 0, -errno. */
int packet_attach(struct s7_port *port, const int *fds);
struct packet_batch *packet_batch_new(void);
uint16_t packet_rx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n);
uint16_t packet_tx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n);

/* ---- rxtx.c, sleep.c ---- */
extern const struct s7_netdev_ops port_netdev_ops;
extern const struct s7_netdev_ops memif_netdev_ops;
/* A driver of DPDK's stands behind it, if not in every packet's way. */
static inline bool port_is_ethdev(const struct s7_port *port)
{
	return port->ops == &port_netdev_ops || port->ops == &memif_netdev_ops;
}
/* Drops one reference of every buffer of the packet, as a driver would. */
void packet_release(struct s7_pkt *pkt);
/* port.c */
void port_rx_mode(void *dev, enum s7_netdev_rx_mode mode, bool on);
/* recover.c */
void port_recover(void *dev, uint16_t queue);
void port_rx_seek(struct s7_port *port, uint16_t queue);

/* memif_ring.c: the descriptor that tells of received packets, -1 without a peer; shall the peer
 * signal it? */
int memif_ring_fd(const struct s7_port *port, uint16_t queue);
void memif_ring_signal(const struct s7_port *port, uint16_t queue, bool on);

/* memif_rxtx.c: the bursts of a memif that is not zero-copy */
uint16_t memif_rx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n);
uint16_t memif_tx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n);

uint16_t port_rx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n);
uint16_t port_tx_burst(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n);
uint16_t port_rx_raw(struct s7_port *port, uint16_t queue, struct s7_pkt **pkts, uint16_t n);
void sleep_find(struct s7_port *port, bool intr);
int port_sleep_fd(void *dev, uint16_t queue);
int port_sleep_begin(void *dev, uint16_t queue);
void port_sleep_end(void *dev, uint16_t queue);

#endif
