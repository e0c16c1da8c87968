/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet.h - AF_PACKET sockets: frames as they pass an interface (docs/packet.md)
 *
 * A socket that runs (has a protocol) is in inst->packet->taps, and inst->taps counts them: without
 * any, a frame pays one branch. Every frame that passes is offered to each in packet_offer(), the
 * one place where a filter has its say. Context: instance lock.
 */
#ifndef S7_PACKET_H
#define S7_PACKET_H

#include <linux/if_ether.h>
#include <net/if_arp.h>

#include "stack/core/link.h"
#include "stack/core/sk.h"

#define PACKET_SOCKS_MAX 1024
#define PACKET_MEMBERS 32
#define PACKET_GROUPS 64
#define PACKET_GROUP_MOST 256 /* sockets in a fanout group */
#define PACKET_RING_UNIT 4096u
#define PACKET_RINGS_SHARE 64 /* the rings' part of the arena's address space */

/* A frame on its way past the tap. The link header is in `head`, the rest in the packet. */
struct s7_frame {
	const struct s7_pkt *pkt;
	const struct s7_iface *iface;	/* NULL: a frame of the kernel's half */
	const struct sockaddr_ll *name; /* of such a frame */
	uint64_t wall;			/* likewise: CLOCK_REALTIME, ns; 0: now */
	uint32_t body; /* what follows the link header begins here in pkt */
	uint32_t len;  /* ETH_HLEN and the rest */
	uint32_t status; /* TP_STATUS_* */
	uint16_t proto;	 /* sll_protocol, host order */
	uint16_t vlan_tci, vlan_tpid;
	uint16_t link; /* bytes of the link header, for SOCK_RAW */
	uint32_t mark, priority; /* of who sends it here */
	uint8_t type;  /* sll_pkttype */
	uint8_t head[ETH_HLEN];
};

/* What is noted of a frame that waits in a socket's queue; lies in the packet's scratch. */
struct s7_packet_meta {
	s7_time at;
	uint32_t len;	/* before a filter cut it */
	uint32_t drops; /* of the socket, when it came */
	uint32_t status;
	uint32_t mark, priority;
	uint16_t proto, net;
	uint16_t vlan_tci, vlan_tpid;
	uint8_t type, addr[ETH_ALEN];
};

static_assert(sizeof(struct s7_packet_meta) <= sizeof(((struct s7_pkt *)0)->scratch),
	      "meta fits the packet's scratch");

/* Frames in memory that the program has mapped. */
struct s7_packet_ring {
	char *mem; /* in inst->packet->rings; NULL: none */
	uint32_t bytes;
	uint32_t block_size, block_nr, frame_size, frame_nr, per_block;
	uint32_t head; /* V1, V2: the frame that is next; V3: the block that is open */
	/* TPACKET_V3 */
	uint32_t priv, features;
	uint32_t next, prev; /* offsets in the block: free, last frame */
	uint64_t seq;
	s7_time tov;
	bool frozen; /* the program has not given the next block back */
};

/* PACKET_ADD_MEMBERSHIP */
struct s7_packet_member {
	uint32_t count; /* 0: free */
	uint8_t iface;
	uint8_t alen;
	uint16_t type;
	uint8_t addr[8];
};

struct s7_packet_group;

enum s7_packet_bits {
	PB_RUNNING = 1 << 0, /* in inst->packet->taps */
	PB_IGNORE_OUTGOING = 1 << 1,
	PB_BYPASS = 1 << 2, /* PACKET_QDISC_BYPASS: nobody here sees what it sends */
	PB_LOSS = 1 << 3,
	PB_NOWHERE = 1 << 4, /* bound to an interface of the kernel alone */
	PB_AUXDATA = 1 << 5,
	PB_TX_HAS_OFF = 1 << 6,
};

struct s7_packet_sock {
	struct s7_sock sk;
	struct s7_list tap; /* inst->packet->taps */
	uint32_t bits;	    /* enum s7_packet_bits */
	uint32_t iface;	    /* bound to: index + 1, 0 all */
	uint16_t proto;	    /* host order; 0: nothing is received */
	uint8_t version;    /* TPACKET_V1.. */
	uint32_t reserve, copy_thresh;
	uint32_t packets, drops, freezes; /* PACKET_STATISTICS */
	uint32_t mapped; /* of the ring, into programs */
	struct s7_pkt *rx_head, *rx_tail;
	uint32_t rx_count, rx_truesize;
	struct s7_packet_ring rx, tx;
	struct s7_timer timer; /* an open block that is not empty is closed in time */
	struct s7_packet_group *group;
	uint32_t rollover_at;
	uint64_t rolled, rolled_huge, roll_failed;
	struct s7_packet_member member[PACKET_MEMBERS];
};

/* PACKET_FANOUT */
struct s7_packet_group {
	uint32_t count, most; /* count 0: free */
	uint16_t id, proto;
	uint16_t flags; /* PACKET_FANOUT_FLAG_* */
	uint8_t type;
	uint32_t iface;
	uint32_t turn;	/* LB */
	uint64_t seen;	/* number of the frame that was given to a member */
	struct s7_packet_sock *sock[PACKET_GROUP_MOST];
};

struct s7_packet_inst {
	struct s7_list taps;
	struct s7_slab slab;
	uint64_t frames; /* offered so far: tells a group that it had this one */
	struct s7_packet_sock *sender; /* of the frame that is being staged */
	struct s7_packet_group group[PACKET_GROUPS];
	uint32_t promisc[S7_IFACES_MAX], allmulti[S7_IFACES_MAX];
	char *rings;
	uint32_t ring_units;
	uint64_t *ring_used; /* a bit a unit */
};

extern const struct s7_proto_ops packet_proto_ops;

static inline struct s7_packet_sock *packet_sock(struct s7_sock *sk)
{
	return s7_container(sk, struct s7_packet_sock, sk);
}

static inline struct s7_packet_meta *packet_meta(struct s7_pkt *pkt)
{
	return (struct s7_packet_meta *)pkt->scratch;
}

int packet_inst_init(struct s7_inst *inst);
/* A thread died inside: what may be half made is made whole. */
void packet_mend(struct s7_inst *inst);

/*
 * Receives from now on frames of `proto` (host order, ETH_P_ALL all, 0 none) of an interface
 * (index + 1, 0 all of the stack's); nowhere: of none, the kernel's half does. 0, -EINVAL (in a
 * fanout group).
 */
int packet_bind(struct s7_packet_sock *ps, uint32_t iface, uint16_t proto, bool nowhere);

/* ---- the tap: pk_tap.c; called when inst->taps is not 0 ---- */
void packet_tap_rx(struct s7_inst *inst, const struct s7_iface *iface, struct s7_pkt **pkts,
		   uint32_t count);
/* What comes out of lo, before the stack looks at it. */
void packet_tap_lo(struct s7_inst *inst, const struct s7_pkt *pkt);
void packet_tap_tx(struct s7_inst *inst, const struct s7_iface *iface, const struct s7_pkt *pkt);

/* Bytes of a frame as a program sees it; the range lies inside. */
void frame_read(const struct s7_frame *frame, uint32_t offset, void *dst, uint32_t len);
void frame_name(const struct s7_frame *frame, struct sockaddr_ll *ret_name);

/* ---- queue: pk_queue.c ---- */
/* Queues a copy of `snap` bytes from `from` on, or counts a drop. */
void packet_enqueue(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from,
		    uint32_t snap);
/* The copy beside a ring's frame that was cut (PACKET_COPY_THRESH). Not counted. */
bool packet_enqueue_copy(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from);
ssize_t packet_recv(struct s7_sock *sk, struct s7_msg *msg);
void packet_purge(struct s7_packet_sock *ps);

/* ---- sending: pk_send.c ---- */
ssize_t packet_send(struct s7_sock *sk, struct s7_msg *msg);

/* ---- rings: pk_ring.c, pk_block.c (TPACKET_V3), pk_mem.c ---- */
int packet_set_ring(struct s7_packet_sock *ps, bool tx, const struct tpacket_req3 *req);
void packet_drop_rings(struct s7_packet_sock *ps);
void packet_ring_put(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from,
		     uint32_t snap);
/* A frame that the kernel's half received; its filter had its say there. pk_feed.c */
void packet_feed(struct s7_packet_sock *ps, const struct s7_packet_fed *fed);
bool packet_ring_readable(const struct s7_packet_sock *ps);
bool packet_ring_has_room(const struct s7_packet_sock *ps);
static inline char *ring_frame(const struct s7_packet_ring *ring, uint32_t index)
{
	return ring->mem + (uint64_t)(index / ring->per_block) * ring->block_size +
	       (uint64_t)(index % ring->per_block) * ring->frame_size;
}
/* Bytes of the frame header and the address behind it. */
uint32_t packet_hdrlen(uint8_t version);

void block_open(struct s7_packet_sock *ps);
/* Room for len bytes in the open block or the next. NULL: the program holds them all. */
struct tpacket3_hdr *block_room(struct s7_packet_sock *ps, uint32_t len);
uint32_t block_max_frame(const struct s7_packet_ring *ring);
bool block_readable(const struct s7_packet_ring *ring);
bool block_fits(const struct tpacket_req3 *req, uint32_t least);
void packet_timer(void *ctx, struct s7_timer *timer, s7_time now);

/* Zeroed memory of the arena that programs may map, a multiple of PACKET_RING_UNIT. Or NULL. */
char *ring_mem_take(struct s7_inst *inst, uint32_t bytes);
void ring_mem_give(struct s7_inst *inst, char *mem, uint32_t bytes);

/* ---- pk_tap.c ---- */
/* What a filter returns for the frame from `from` on; ps: whose it is. */
uint32_t packet_run(struct s7_packet_sock *ps, const struct s7_filter *filter,
		    const struct s7_frame *frame, uint32_t from);

/* ---- fanout: pk_fanout.c ---- */
int packet_fanout_join(struct s7_packet_sock *ps, const struct fanout_args *args);
void packet_fanout_leave(struct s7_packet_sock *ps);
/* Does a program of this type (CBPF, EBPF) choose in the socket's group? */
bool packet_fanout_by_program(const struct s7_packet_sock *ps, uint8_t type);
/* ... this one from now on: a filter without a reference. */
void packet_fanout_program(struct s7_packet_sock *ps, struct s7_filter *filter);
/* Which of its members gets the frame. */
struct s7_packet_sock *packet_fanout_pick(struct s7_packet_group *group,
					  const struct s7_frame *frame);

/* ---- memberships: pk_member.c ---- */
int packet_member_add(struct s7_packet_sock *ps, uint32_t iface, const struct packet_mreq *mreq);
int packet_member_drop(struct s7_packet_sock *ps, uint32_t iface, const struct packet_mreq *mreq);
void packet_member_drop_all(struct s7_packet_sock *ps);

#endif
