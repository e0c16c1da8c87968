/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip.h - the internet layer as transports and boot code use it
 *
 * In: eth_input -> ip4_input -> (reassembly) -> tcp_input / udp_input / icmp_input, the packet's
 * data at the transport header and `struct s7_rx` describing the rest. Out: a destination is looked
 * up once (dst_lookup), kept by the connection, and refreshed when the route generation changes;
 * ip_output prepends IP and link headers.
 * Context: instance lock.
 */
#ifndef S7_STACK_IP_H
#define S7_STACK_IP_H

#include "stack/core/inst.h"
#include "stack/core/metrics.h"

struct s7_sock;
struct s7_hdrs6; /* stack/core/hdrs6.h */
struct s7_ip4_opts; /* stack/wire/ip4_opts.h */

/* A received packet's outer facts, by value. */
struct s7_rx {
	struct s7_ip src, dst;
	uint8_t proto, tos, ttl;
	bool broadcast;	  /* link or IP level broadcast/multicast */
	uint32_t flow;	   /* IPv6: class and label */
	/* IPv6: bytes of the longest of the packets it came in; 0: it was whole */
	uint16_t frag_max;
	struct s7_iface *iface;
	const struct s7_ip4_opts *opts; /* of its IPv4 header, NULL: none */
};

/* An ICMP or ICMPv6 error as the transports hear of it. */
struct s7_icmp_error {
	int err;	/* errno */
	bool hard;	/* ends an attempt, or is told to connected sockets */
	bool v6;
	uint8_t type, code;
	uint32_t mtu;	/* too big: what fits; else 0 */
	uint32_t info;	/* as sock_extended_err.ee_info tells it */
	uint8_t orig_len; /* RFC 4884: length of the quote in bytes / 4 (v6: / 8), 0: not told */
	/* The message from the quoted packet's IP header on; NULL: nothing to show. */
	const struct s7_pkt *pkt;
	uint32_t quote;	   /* offset in pkt of the quoted IP header */
	uint32_t l4;	   /* ... and of the quoted transport header */
	const struct s7_rx *rx; /* who told it, and to whom; NULL: found out here */
};

/* Who carries packets to a destination. */
enum s7_route_owner { ROUTE_STACK, ROUTE_KERNEL, ROUTE_NONE };

struct s7_route {
	struct s7_ip to;
	uint8_t prefix_len; /* of 128: v4 prefixes count from IP_V4_BITS */
	uint8_t owner;	    /* enum s7_route_owner; NONE: unreachable, blackhole */
	uint8_t iface;
	uint8_t type;	    /* RTN_* */
	uint32_t metric;
	struct s7_ip via;    /* all zero: on link */
	struct s7_ip source; /* preferred, all zero: choose */
	bool learned;	     /* from a router's advertisement */
	bool over_lo;	     /* it leads to the kernel's lo */
	bool has_metrics;    /* any of these is set */
	struct s7_metrics metrics;
};

#define ROUTES_MAX 512

/*
 * Replaces all routes (boot, and when the kernel's change); raises the generation. Sorts itself.
 * Both families in one table: an IPv4 row is v4-mapped with a prefix of 96..128 (default:
 * ::ffff:0.0.0.0/96), an IPv6 row is anything else (default: ::/0). Rows for link-local prefixes
 * and ff00::/8 are given as the kernel has them, one an interface: a destination there is looked up
 * with its interface. 0, -ENOSPC, -EINVAL.
 */
int route_set(struct s7_inst *inst, const struct s7_route *routes, uint32_t count);

/*
 * Replaces the addresses of an interface, both families mixed, in the order of preference. Set
 * iface->flags (IFACE_SHARED) before. An IPv6 address without ADDR_KERNEL is ours alone: we answer
 * for it, and it is checked for duplicates when new (RFC 4862, one probe, used meanwhile). Without
 * any link-local address among those given, an interface of Ethernet kind gets the one made of its
 * MAC. Ways found earlier are looked up again. Returns how many did not fit.
 */
uint32_t iface_set_addrs(struct s7_inst *inst, struct s7_iface *iface,
			 const struct s7_iface_addr *addrs, uint32_t count);

/*
 * Asks the routers of the link, and believes them from now on: default routers, prefixes, addresses
 * (RFC 4861, RFC 4862). For interfaces that are ours alone. Idempotent.
 */
void router_start(struct s7_inst *inst, struct s7_iface *iface);

/* Another MTU from now on; ways found earlier are looked up again. */
void iface_set_mtu(struct s7_inst *inst, struct s7_iface *iface, uint32_t mtu);

struct s7_neigh;

/* A resolved way to a destination, kept by a connection. */
struct s7_dst {
	struct s7_ip src, dst, hop;
	uint8_t owner; /* enum s7_route_owner */
	uint8_t iface;
	uint8_t is_v4;
	uint8_t link_len;      /* bytes of link header, 0 on lo */
	uint8_t src_chosen;    /* the source was nobody's wish, nor the route's */
	uint8_t no_loop;       /* to a group: our own sockets shall not hear it */
	uint32_t generation;   /* of the route table when looked up */
	uint32_t mtu;	       /* L3 bytes, path MTU applied */
	/* of the route, NULL: it has none; means something until the dst is stale */
	const struct s7_metrics *metrics;
	struct s7_neigh *neigh;
	uint32_t neigh_generation;
	uint32_t label; /* flow label of IPv6 packets: the caller's, 0 none */
};

/*
 * Finds the way to `dst`. src any: chosen (RFC 6724 light). bound_iface: index + 1 or 0. Local
 * addresses: with loopback = stack, or an address that only sock7 has, the way is lo; else the
 * kernel owns it. 0, -ENETUNREACH, -EHOSTUNREACH, -EACCES (broadcast without permission is the
 * caller's).
 */
int dst_lookup(struct s7_inst *inst, const struct s7_ip *dst, const struct s7_ip *src,
	       uint32_t bound_iface, struct s7_dst *ret_dst);
/*
 * IPV6_ADDR_PREFERENCES: chooses the source anew by enum s7_source_prefs, where dst_lookup chose
 * it.
 */
void dst_prefer_source(struct s7_inst *inst, struct s7_dst *dst, uint8_t prefs);
/* True when the dst must be looked up again. */
bool dst_stale(const struct s7_inst *inst, const struct s7_dst *dst);

/* TTL or hop limit that the route gives to packets whose sender chose none; 0: it does not. */
static inline uint8_t dst_hop_limit(const struct s7_dst *dst)
{
	return s7_likely(!dst->metrics) ? 0 : dst->metrics->hop_limit;
}

/* Is the route's MTU final? Then routers' reports do not count, and IPv4 packets may be cut. */
static inline bool dst_mtu_locked(const struct s7_dst *dst)
{
	return s7_unlikely(dst->metrics != NULL) && dst->metrics->mtu_locked;
}

/* A label of 20 bits for the packets between two ports on this way (RFC 6437); never 0. */
uint32_t dst_flow_label(const struct s7_inst *inst, const struct s7_dst *dst, uint16_t lport,
			uint16_t rport);

/* Fields of the IP header that a transport chooses. */
struct s7_ip_tx {
	uint8_t proto, tos, ttl;
	bool dont_fragment;
	/* IPv6: extension headers to be sent, or NULL; those with a routing header lead to final */
	const struct s7_hdrs6 *hdrs;
	const struct s7_ip *final;
	const struct s7_ip4_opts *opts; /* of an IPv4 header, NULL: none */
	uint32_t final4; /* where their source route ends, network order */
	uint32_t delay_us; /* it leaves so much later (hold.h) */
};

/*
 * Sends a packet whose data begins at the transport header (checksum done or requested by
 * PKT_TX_L4_CSUM). Fragments if larger than the path MTU and allowed. Resolves the neighbour,
 * holding the packet meanwhile. Consumes one reference in every case. 0, -EMSGSIZE, -ENETUNREACH,
 * -ENOBUFS.
 */
int ip_output(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt,
	      const struct s7_ip_tx *tx);

/*
 * Sends a packet that begins at its IP header as it is, not fragmented. Consumes. 0, -ENETUNREACH,
 * -ENOBUFS.
 */
int ip_output_whole(struct s7_inst *inst, struct s7_dst *dst, struct s7_pkt *pkt);

/* Header bytes of a packet, and what one that is fragmented gives to each fragment. */
static inline uint32_t ip_header_len(bool is_v4)
{
	return is_v4 ? 20 : 40;
}

static inline uint32_t ip_frag_room(bool is_v4, uint32_t mtu)
{
	uint32_t headers = is_v4 ? 20 : 40 + 8;

	return mtu > headers ? (mtu - headers) & ~7u : 0;
}

/* Bytes that IP and link headers need before the transport header. */
static inline uint32_t ip_headroom(const struct s7_dst *dst)
{
	return ip_header_len(dst->is_v4) + 14;
}

/* Sum of the pseudo header (not folded), for a transport of `len` bytes. */
uint32_t ip_pseudo_sum(const struct s7_ip *src, const struct s7_ip *dst, uint8_t proto,
		       uint32_t len);

/* Takes the tag of VLAN 0, which tells a priority alone, off a frame. False: it has no such tag. */
bool eth_untag(struct s7_pkt *pkt);
/* Frames from a device. */
void eth_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt **pkts, uint32_t count);
/* A packet that starts at its IP header (lo). */
void ip_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt);

/* Does the kernel have our address `local` too, as far as traffic over `iface` is concerned? */
bool ip_kernel_has(const struct s7_inst *inst, const struct s7_iface *iface,
		   const struct s7_ip *local);
/* ... so that what sock7 does not own of a packet is the kernel's to answer? */
static inline bool ip_kernel_answers(const struct s7_inst *inst, const struct s7_rx *rx)
{
	return ip_kernel_has(inst, rx->iface, &rx->dst);
}

/* Is it an address of one of this instance's interfaces (127/8 and ::1 with loopback = stack)? */
bool ip_is_local(const struct s7_inst *inst, const struct s7_ip *ip);
/* The interface that has the address, or NULL. */
struct s7_iface *ip_local_iface(struct s7_inst *inst, const struct s7_ip *ip);
bool ip_is_broadcast(const struct s7_inst *inst, const struct s7_ip *ip);

/*
 * Sends an ICMP error about a received packet whose data begins at its IP header; rate limited.
 * Does not consume.
 */
void icmp_error(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_pkt *orig_ip,
		uint8_t type, uint8_t code, uint32_t info);

/* The same for a port that nobody has; of either family. */
void icmp_refuse_port(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_pkt *orig_ip);

/* Learned path MTU (ICMP needed-fragmentation), remembered per destination for 10 minutes. */
void ip_pmtu_learn(struct s7_inst *inst, const struct s7_ip *dst, uint32_t mtu);

/* Puts a neighbour that the kernel already knows; later ARP keeps it. */
void neigh_learn(struct s7_inst *inst, struct s7_iface *iface, const struct s7_ip *ip,
		 const uint8_t mac[6]);

/* Called by inst_create; sizes from params. */
int ip_inst_init(struct s7_inst *inst);

/* Timer handlers for the instance's table. */
void neigh_timer(void *inst, struct s7_timer *timer, s7_time now);
void frag_timer(void *inst, struct s7_timer *timer, s7_time now);
void nd_timer(void *inst, struct s7_timer *timer, s7_time now);

/* Transports, entered from ip4_input with data at the transport header; they consume the packet. */
void tcp_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);
void udp_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);
/*
 * Raw sockets hear every packet beside its transport: data at the transport header, which stays the
 * caller's. True: one of them wants such packets. Called only while inst->raw_count is not 0.
 */
bool raw_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);
/* An echo reply, checksum good, at least 8 bytes; consumes. */
void ping_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);
/*
 * An ICMP error quotes a packet like this, `word` being bytes 4..7 behind its IP header. Consumes
 * nothing. True: somebody heard.
 */
bool raw_icmp(struct s7_inst *inst, const struct s7_flow *quoted, uint32_t word,
	      const struct s7_icmp_error *e);
/*
 * An ICMP error quotes this flow of ours: local/remote as in our table. They consume nothing.
 */
void tcp_icmp(struct s7_inst *inst, const struct s7_flow *quoted, uint32_t seq,
	      const struct s7_icmp_error *e);
void udp_icmp(struct s7_inst *inst, const struct s7_flow *quoted, const struct s7_icmp_error *e);

#endif
