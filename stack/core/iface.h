/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iface.h - an interface as one instance sees it: addresses, MTU, capabilities, staging for tx
 *
 * Each instance has its own copy (one cache line owner); boot fills all copies alike, the keeper
 * updates them under each instance's lock when the kernel's addresses change. iface[0] is always
 * `lo`.
 *
 * IPv4 and IPv6 addresses stand in arrays of their own, so that a packet of one family never walks
 * those of the other. They are changed by iface_set_addrs (stack/ip/ip.h) alone.
 */
#ifndef S7_IFACE_H
#define S7_IFACE_H

#include "stack/core/ip.h"
#include "stack/core/netdev.h"

#define S7_IFACES_MAX 9	 /* lo and conf's eight */
#define S7_IFACE_LO 0
#define IFACE_ADDRS_MAX 8   /* of IPv4 */
#define IFACE_ADDRS6_MAX 16 /* of IPv6, link-local ones included */
#define IFACE_STAGE 256
#define IFACE_LO_MTU 65536

enum s7_iface_flags {
	IFACE_UP = 1 << 0,
	IFACE_LO = 1 << 1,
	/* the kernel has the same addresses: never answer for unowned ports */
	IFACE_SHARED = 1 << 2,
	IFACE_TRUST_CSUM = 1 << 3, /* rx_checksum = trust */
	IFACE_NO_ARP = 1 << 4,
	/* a kernel netdev below: its sender may leave checksums unfinished */
	IFACE_NETDEV = 1 << 5,
	IFACE_SUM_PARTIAL = IFACE_SHARED | IFACE_NETDEV,
	/* packet sockets on it are served here: the kernel does not see its frames */
	IFACE_TAPPED = 1 << 6,
	IFACE_TEMPORARY = 1 << 7, /* temporary addresses are preferred (net.ipv6 use_tempaddr 2) */
};

enum s7_addr_flags {
	/* the kernel has this address too and answers for it (neighbour discovery, echo, ports
	 * nobody owns) */
	ADDR_KERNEL = 1 << 0,
	ADDR_DEPRECATED = 1 << 1, /* no source address of choice (RFC 4862 5.5.4) */
	ADDR_TEMPORARY = 1 << 5, /* RFC 8981 */
	ADDR_HOME = 1 << 6,	 /* RFC 6275 */
	/* set by the stack, never by the caller of iface_set_addrs: */
	ADDR_TENTATIVE = 1 << 2, /* being checked for duplicates; in use all the same (RFC 4429) */
	ADDR_DUPLICATE = 1 << 3, /* somebody else has it: not ours */
	ADDR_LEARNED = 1 << 7,	 /* made of a prefix that a router told (router.h) */
	ADDR_AUTO = 1 << 4,	 /* the link-local address made of the MAC */
};

struct s7_iface_addr {
	struct s7_ip ip;
	uint8_t prefix_len; /* of the family */
	uint8_t flags;	    /* enum s7_addr_flags; IPv4: 0, IFACE_SHARED speaks for all */
	s7_time probed_at;  /* the stack's: when duplicates were looked for, 0 never */
};

/* What TCP takes from the interface that carries a connection, in place of struct s7_params. */
struct s7_iface_tcp {
	uint32_t cc;	    /* index into the table of congestion controls */
	uint32_t init_cwnd; /* segments; inst_add_iface: 0 means that all of this is params' */
	uint32_t delack_ms;
	uint32_t rmem[3], wmem[3]; /* min default max */
	uint32_t backlog_max;
};

struct s7_filter;

struct s7_iface {
	char name[16];
	uint8_t index;	/* in inst->iface[] */
	uint8_t mac[6];
	uint8_t addr_count;
	uint16_t queue; /* this instance's queue of the device */
	uint16_t flags; /* enum s7_iface_flags */
	uint32_t caps;	/* enum s7_netdev_caps */
	uint32_t mtu;
	uint32_t tso_max;
	uint32_t tso_segs_max;
	uint32_t spin_us;
	struct s7_iface_tcp tcp;
	int ifindex; /* what the program sees: the kernel's, or one that the kernel does not use */
	struct s7_iface_addr addr[IFACE_ADDRS_MAX]; /* IPv4 */
	uint32_t staged;
	uint32_t charged; /* of them, that count against their sockets (charge.h) */
	struct s7_pkt *stage[IFACE_STAGE]; /* tx packets until the next flush */
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes, tx_dropped;
	struct s7_filter *filter; /* the firewall (stack/bpf/ingress.h); NULL: all comes in */
	uint64_t filtered;	  /* frames that it dropped */
	uint32_t addr6_count;
	struct s7_iface_addr addr6[IFACE_ADDRS6_MAX];
};

#endif
