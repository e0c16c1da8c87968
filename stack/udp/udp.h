/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp.h - UDP sockets
 *
 * For stack/sock: udp_proto_ops (sk.h), udp_disconnect. For stack/run: udp_inst_init. The rest is
 * shared by udp_*.c.
 */
#ifndef S7_STACK_UDP_H
#define S7_STACK_UDP_H

#include "stack/core/sk.h"
#include "stack/ip/ip.h"
#include "stack/wire/udp.h"

struct s7_udp_inst {
	struct s7_slab slab;
	struct s7_list socks; /* every s7_udp_sock, by sk.owner_list */
	uint32_t parked; /* connected sockets whose tuple another one holds in the flow table */
};

/* What recvmsg reports of a queued datagram; lies in the packet's scratch. */
struct s7_udp_meta {
	struct s7_ip src, dst;
	s7_time at;
	uint16_t sport;
	uint8_t ttl, tos, iface;
	/*
	 * bytes from the IPv6 header to the transport's, which are kept in front; 0: they are not.
	 * IPv4: 1, options came with it (ip4_opts_kept)
	 */
	uint8_t head;
	uint16_t frag_max; /* IPv6: as struct s7_rx has it */
	uint16_t priority; /* of the sender, on lo */
	uint16_t gro; /* UDP_GRO: datagrams of this size were joined, 0: it is one */
	uint32_t mark;
};

/* The IPv6 header of a queued datagram, by the length of the transport header taken off it. */
static inline const uint8_t *udp_head6(const struct s7_pkt *pkt, uint32_t transport)
{
	const struct s7_udp_meta *meta = (const struct s7_udp_meta *)pkt->scratch;

	return pkt->data - transport - meta->head;
}

static_assert(sizeof(struct s7_udp_meta) <= sizeof(((struct s7_pkt *)0)->scratch),
	      "meta fits the packet's scratch");

struct s7_udp_sock {
	struct s7_sock sk;
	/* receive queue, by pkt->next; data at the payload */
	struct s7_pkt *rx_head, *rx_tail;
	uint32_t rx_count;
	uint32_t rx_truesize; /* charged against rcvbuf */
	/* way to the last destination */
	struct s7_dst dst;
	struct s7_ip dst_src; /* source that was asked for */
	uint32_t dst_iface;   /* device that was asked for: index + 1, 0 any */
	bool dst_valid, dst_broadcast;
	bool parked; /* see s7_udp_inst.parked */
	uint8_t opts_len; /* IPv4 options of the datagram that is being sent (udp_opts.c) */
	/* datagram under construction (MSG_MORE): header room and data so far */
	struct s7_pkt *cork;
	uint32_t cork_sum;
	uint16_t cork_segment; /* UDP_SEGMENT, of the option or the first call's message */
	uint32_t cork_wmem; /* what it counts against SO_SNDBUF */
	uint16_t cork_port;
	/* IPv6, of the datagram that is being sent or waits: headers, where they lead, flow */
	struct s7_hdrs6 *hdrs;
	struct s7_ip first, final;
	uint32_t flow; /* network order */
};

static inline struct s7_udp_sock *udp_sock(struct s7_sock *sk)
{
	return s7_container(sk, struct s7_udp_sock, sk);
}

static inline struct s7_udp_meta *udp_meta(struct s7_pkt *pkt)
{
	return (struct s7_udp_meta *)pkt->scratch;
}

/* What the socket had lost when this was queued (SO_RXQ_OVFL): no hash is needed any more then. */
static inline uint32_t *udp_drops_before(struct s7_pkt *pkt)
{
	return &pkt->hash;
}

/* Makes slab and list in the arena. 0, -ENOMEM. */
int udp_inst_init(struct s7_inst *inst);

/* connect(AF_UNSPEC): no peer; the local address and a port that bind() did not choose are given
 * up, as in Linux. */
void udp_disconnect(struct s7_sock *sk);

ssize_t udp_send(struct s7_sock *sk, struct s7_msg *msg); /* udp_out.c */
ssize_t udp_recv(struct s7_sock *sk, struct s7_msg *msg); /* udp_recv.c */
/*
 * What IP_MULTICAST_IF says of the way to a group: the device, where none is asked for, and the
 * source, where none is bound. A group is no source.
 */
void udp_group_way(const struct s7_sock *sk, const struct s7_ip *to, uint32_t *device,
		   struct s7_ip *src);
/* UDP_CORK is pulled: what waits goes out. 0, -errno. */
int udp_push(struct s7_udp_sock *us);
/* Is there a datagram where SO_PEEK_OFF stands? */
bool udp_peekable(struct s7_sock *sk);
void udp_cork_drop(struct s7_udp_sock *us);
/* Queues a datagram, data at its payload, meta filled; or drops it when rcvbuf is full. Consumes.
 */
void udp_enqueue(struct s7_udp_sock *us, struct s7_pkt *pkt);
void udp_purge(struct s7_udp_sock *us);

#endif
