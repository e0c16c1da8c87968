/* SPDX-License-Identifier: BSD-3-Clause */
/* frag.h - reassembly of fragments of either family (RFC 815 in effect, RFC 5722 for overlaps) */
#ifndef S7_FRAG_H
#define S7_FRAG_H

#include "stack/ip/ip.h"

#define FRAG_QUEUES 256	    /* packets in reassembly */
#define FRAG_BUCKETS 256
#define FRAG_BUFS 2048	    /* buffers held by all of them; less with a small pool */
#define FRAG_BUFS_SOURCE \
	512 /* buffers held for one source address (addresses that hash alike share) */
#define FRAG_PIECES 256	    /* fragments of one packet */
#define FRAG_SOURCES 256
#define FRAG_IDS 64
#define FRAG_LIFE (30 * S7_SEC)

struct s7_frag_queue {
	struct s7_list age;	    /* table->age, oldest first */
	struct s7_frag_queue *next; /* in the bucket */
	struct s7_ip src, dst;
	uint32_t id;
	uint8_t proto, iface; /* proto: IPv4, a part of the key; IPv6: 0 */
	uint16_t pieces, bufs;
	uint16_t longest; /* packet that brought one, with its headers */
	bool broadcast;
	uint32_t bytes; /* held */
	uint32_t end;	/* length of the whole, 0: last fragment not seen */
	struct s7_pkt *head, *tail; /* by offset, linked by `next` */
	struct s7_timer timer;
};

struct s7_frag_table {
	struct s7_slab slab;
	struct s7_list age;
	uint32_t bufs, bufs_max;
	uint16_t source_bufs[FRAG_SOURCES];
	uint32_t next_id[FRAG_IDS]; /* of IPv6 fragments that we send, by destination (RFC 7739) */
	struct s7_frag_queue *bucket[FRAG_BUCKETS];
};

int frag_init(struct s7_inst *inst);

/* What a fragment says of itself. */
struct s7_frag {
	uint32_t id, off; /* off in bytes */
	uint8_t proto;	  /* of the key, see above */
	uint8_t next;	  /* IPv6: what follows; counts in the first fragment (RFC 8200 4.5) */
	bool more;
};

/*
 * Takes a fragment of rx->src to rx->dst (data behind its headers, l3_len telling how long those
 * were; its length was checked against the family's greatest packet). Returns the whole packet, its
 * first buffer holding the transport header, rx->proto, tos and ttl the first fragment's; or NULL
 * while something is missing. Consumes.
 */
struct s7_pkt *frag_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_frag *frag,
			  struct s7_rx *rx);

/* The identification of the next fragmented packet from src to dst. */
uint32_t frag_next_id(struct s7_inst *inst, const struct s7_ip *src, const struct s7_ip *dst);

#endif
