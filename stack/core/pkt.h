/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pkt.h - a packet buffer as the stack sees it
 *
 * Idea: an s7_pkt describes one buffer of frame memory. The port keeps it in the private area
 * behind its own descriptor (struct rte_mbuf), so that both are found from each other by a constant
 * offset; a simulated link keeps it in plain memory. The stack reads and writes only s7_pkt.
 *
 * Ownership: an s7_pkt has `*refs` references. pkt_alloc() gives one; tx consumes one; a sender
 * that keeps a segment for retransmission takes a second one first (pkt_hold). While a device
 * still reads the buffer (*refs > 1) nobody may write to it: copy instead (pkt_is_shared).
 * All of it under the instance lock, so the counter is plain.
 *
 * Chains: `next` links packets in exactly one queue (socket queue, retransmission queue,
 * staging); `frag` links further buffers of the same packet (LRO, jumbo, reassembly, TSO). Only the
 * head's `total` is the length of the chain; freeing the head frees the chain.
 */
#ifndef S7_PKT_H
#define S7_PKT_H

#include "stack/base/base.h"

/* room before data of a fresh packet: eth + ip6 + tcp options fit */
#define S7_PKT_HEADROOM 128
#define S7_PKT_ROOM 2048	/* payload room behind the headroom, every pool */

enum s7_pkt_flags {
	PKT_RX_L3_GOOD = 1 << 0,    /* port verified the IPv4 header checksum */
	PKT_RX_L4_GOOD = 1 << 1,    /* port verified the L4 checksum, or the sender is this host */
	/* L4 checksum holds only the pseudo-header sum (local sender) */
	PKT_RX_L4_PARTIAL = 1 << 2,
	PKT_RX_L3_BAD = 1 << 3,
	PKT_RX_L4_BAD = 1 << 4,
	PKT_RX_BCAST = 1 << 5,	    /* link-level broadcast or multicast */
	/* what we sent to a group, by `iface`, comes back by way of lo */
	PKT_RX_LOOPED = 1 << 6,
	PKT_TX_OWNED = 1 << 7,	    /* a datagram: `charge` says whose (charge.h) */
	PKT_TX_L3_CSUM = 1 << 8,    /* ask the port for the IPv4 header checksum */
	/* ask the port for the L4 checksum; the field holds the pseudo sum */
	PKT_TX_L4_CSUM = 1 << 9,
	/* ask the port to cut into tso_mss pieces; needs both of the above */
	PKT_TX_TSO = 1 << 10,
	PKT_L4_UDP = 1 << 11,	    /* L4 of this tx packet is UDP (else TCP) */
	PKT_L3_V6 = 1 << 12,
	PKT_TX_STAMP = 1 << 13,	    /* the sender wants to know when: `stamp` says who */
	/* ... and it stands in each buffer of the chain whose tcp.flags say so */
	PKT_TX_STAMP_CHUNKS = 1 << 14,
	/* on lo: a packet socket sent it, and it begins with a link header */
	PKT_LINK_HEAD = 1 << 15,
};

/* What TCP notes on a segment it holds (send queue: seq of the first payload byte). Host order. */
struct s7_pkt_tcp {
	uint32_t seq;
	uint32_t len;	      /* payload bytes in the chunk */
	uint16_t sum;	      /* partial one's complement sum of the payload, valid if has_sum */
	uint8_t has_sum;
	uint8_t flags;	      /* owner: stack/tcp (SACKed, lost, retransmitted, FIN, PSH ...) */
	uint16_t payload_off; /* payload starts at buf + payload_off */
	uint16_t retrans;
	s7_time sent_at;
	uint64_t owner[2];    /* free for stack/tcp (delivery rate samples) */
};

struct s7_sock;

/* SO_TIMESTAMPING: who wants to know of this packet, and by which number (errq.h). */
struct s7_pkt_stamp {
	struct s7_sock *sk;  /* may be gone: `cookie` tells */
	uint32_t key;
	uint32_t flags : 8;   /* enum s7_stamp_flags */
	uint32_t cookie : 24; /* of the socket, cut */
};

/* Whose SO_SNDBUF it counts against while it waits (charge.h). */
struct s7_pkt_charge {
	struct s7_sock *sk;  /* may be gone: `cookie` tells */
	uint32_t bytes;	     /* what it is charged with, 0: it does not wait */
	uint32_t cookie;     /* of the socket, cut */
};

struct s7_pkt {
	struct s7_pkt *next;
	struct s7_pkt *frag;
	uint8_t *data;	 /* first valid byte */
	uint8_t *buf;	 /* start of the buffer's room */
	uint16_t *refs;	 /* the device descriptor's reference count */
	uint32_t len;	 /* valid bytes in this buffer */
	uint32_t total;	 /* head of a chain: bytes in the chain */
	uint16_t flags;	 /* enum s7_pkt_flags */
	uint16_t buf_len;
	uint16_t tso_mss;
	uint8_t l2_len;	 /* tx offload: header lengths, of the head */
	uint8_t l3_len;
	uint8_t l4_len;
	uint8_t iface;	 /* index of the interface it came in by */
	uint16_t nsegs;	 /* buffers in the chain, of the head */
	uint32_t hash;	 /* rx: flow hash of the device, 0 = none */
	union {
		struct s7_pkt_tcp tcp;
		uint64_t scratch[7];
		struct s7_pkt_charge charge;
		struct {
			uint64_t before_stamp_[5];
			struct s7_pkt_stamp stamp;
		};
	};
};

static_assert(sizeof(struct s7_pkt_tcp) <= 5 * sizeof(uint64_t), "the stamp lies behind it");
static_assert(sizeof(struct s7_pkt) <= 128, "s7_pkt grew beyond two cache lines");

/* What a pool gave becomes a packet without a byte in it. */
static inline void pkt_fresh(struct s7_pkt *pkt)
{
	pkt->next = NULL;
	pkt->frag = NULL;
	pkt->data = pkt->buf + S7_PKT_HEADROOM;
	pkt->len = 0;
	pkt->total = 0;
	pkt->flags = 0;
	pkt->tso_mss = 0;
	pkt->nsegs = 1;
	pkt->hash = 0;
}

/* It is about to be touched: both lines of it come into the cache meanwhile. NULL is legal. */
static inline void pkt_fetch(const struct s7_pkt *pkt)
{
	if (!pkt)
		return;
	__builtin_prefetch(pkt);
	__builtin_prefetch(&pkt->tcp);
}

static inline bool pkt_is_shared(const struct s7_pkt *pkt)
{
	return *pkt->refs > 1;
}

static inline void pkt_hold(struct s7_pkt *pkt)
{
	(*pkt->refs)++;
}

static inline uint32_t pkt_headroom(const struct s7_pkt *pkt)
{
	return (uint32_t)(pkt->data - pkt->buf);
}

static inline uint32_t pkt_tailroom(const struct s7_pkt *pkt)
{
	return (uint32_t)(pkt->buf + pkt->buf_len - pkt->data) - pkt->len;
}

/* Prepend n bytes for a header. The caller knows that the headroom holds them. */
static inline uint8_t *pkt_push(struct s7_pkt *pkt, uint32_t n)
{
	pkt->data -= n;
	pkt->len += n;
	pkt->total += n;
	return pkt->data;
}

/* Drop n bytes at the front; n <= len. */
static inline void pkt_pull(struct s7_pkt *pkt, uint32_t n)
{
	pkt->data += n;
	pkt->len -= n;
	pkt->total -= n;
}

#endif
