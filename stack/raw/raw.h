/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw.h - RAW and ping sockets
 *
 * For stack/sock: raw_proto_ops, ping_proto_ops (sk.h), the functions for option rows,
 * disconnecting. For stack/run: raw_inst_init. stack/ip calls raw_input, ping_input, raw_icmp
 * (ip.h). The rest is shared by raw_*.c.
 */
#ifndef S7_STACK_RAW_H
#define S7_STACK_RAW_H

#include "stack/udp/udp.h"

struct s7_raw_inst {
	struct s7_slab slab;
	struct s7_list socks; /* every raw and ping socket, by sk.owner_list */
};

enum raw_bits {
	RAW_HDRINCL = 1 << 0,  /* the program writes the IP header: IP_HDRINCL, IPV6_HDRINCL */
	RAW_CHECKSUM = 1 << 1, /* IPV6_CHECKSUM: the stack sums, at sum_at */
	RAW_DEAF = 1 << 2,     /* was disconnected: Linux gives it no packet any more */
	RAW_USED = 1 << 3,     /* the stack has sent for it, or given it something */
};

/* Types of ICMP messages that are kept from the socket; ICMP_FILTER is the first word. */
#define RAW_FILTER_WORDS 8

struct s7_raw_sock {
	struct s7_udp_sock dg; /* queue, way out and construction are a datagram socket's */
	uint8_t num;	       /* the protocol; ping: IPPROTO_ICMP, IPPROTO_ICMPV6 */
	uint8_t bits;	       /* enum raw_bits */
	int32_t sum_at;
	uint32_t filter[RAW_FILTER_WORDS];
};

static inline struct s7_raw_sock *raw_sock(struct s7_sock *sk)
{
	return s7_container(udp_sock(sk), struct s7_raw_sock, dg);
}

/* Makes slab and list in the arena. 0, -ENOMEM. */
int raw_inst_init(struct s7_inst *inst);

/* A fresh raw socket is told its protocol, as socket(2) named it. */
void raw_set_number(struct s7_sock *sk, uint8_t num);

/* bind(2): any number of times until it is connected. Addresses were judged by the kernel. */
void raw_bind(struct s7_sock *sk, const struct s7_ip *ip);

/* connect(AF_UNSPEC): no peer and no address; the socket hears nothing any more, as in Linux. */
void raw_disconnect(struct s7_sock *sk);

ssize_t raw_send(struct s7_sock *sk, struct s7_msg *msg);  /* raw_out.c */
ssize_t ping_send(struct s7_sock *sk, struct s7_msg *msg); /* ping.c */
ssize_t raw_recv(struct s7_sock *sk, struct s7_msg *msg);  /* raw_in.c */
ssize_t ping_recv(struct s7_sock *sk, struct s7_msg *msg); /* ping.c */

/* What the socket's filter leaves of the packet: 0 nothing (counted), else so many bytes. */
uint32_t raw_filter(const struct s7_sock *sk, const struct s7_pkt *view);
/* Queues a copy that begins where the program's view does; counts a drop when there is no room. */
void raw_enqueue(struct s7_raw_sock *rs, struct s7_pkt *copy, const struct s7_rx *rx);
/*
 * Does the kernel receive this packet too? Then a socket that both sides serve hears it there. Data
 * at the transport header.
 */
bool raw_kernel_hears(struct s7_inst *inst, const struct s7_pkt *pkt, const struct s7_rx *rx);
/* ping.c: does the error quote a request of this ping socket? Then it is told. */
bool ping_icmp(struct s7_sock *sk, const struct s7_flow *quoted, uint32_t word,
	       const struct s7_icmp_error *e);
/* An ICMP error for this socket, with the payload of its entry from offset `from` of e->pkt on. */
void raw_error(struct s7_sock *sk, const struct s7_icmp_error *e, bool hard, uint32_t from);

/* ---- on the way out, for both kinds (raw_out.c) ---- */

/* A packet under construction. */
struct raw_build {
	struct s7_inst *inst;
	struct s7_pkt *head, *tail;
	uint32_t room; /* bytes of a buffer: one fragment */
	struct s7_ip_tx tx; /* its IPv4 options */
};

/* dg->dst leads where the message shall go: 0, -errno. */
int raw_destination(struct s7_raw_sock *rs, const struct s7_msg *msg);
/* Appends what is left of the message. 0, -ENOBUFS, -EFAULT. */
int raw_append(struct raw_build *b, struct s7_msg *msg);
/* What is refused before a byte is copied; `total`: bytes behind the IP header. */
int raw_may_send(struct s7_raw_sock *rs, const struct s7_msg *msg, uint32_t mtu, uint64_t total);
/* Out with it, behind a fresh IP header. Consumes. */
int raw_transmit(struct s7_raw_sock *rs, struct raw_build *b, const struct s7_msg *msg,
		 uint8_t proto, uint32_t mtu);

#endif
