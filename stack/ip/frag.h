/* SPDX-License-Identifier: BSD-3-Clause */
/* frag.h - reassembly of IPv4 fragments (RFC 815 in effect, RFC 5722's rule for overlaps) */
#ifndef S7_FRAG_H
#define S7_FRAG_H

#include "stack/ip/ip.h"
#include "stack/wire/ip4.h"

#define FRAG_QUEUES 256	    /* packets in reassembly */
#define FRAG_BUCKETS 256
#define FRAG_BUFS 2048	    /* buffers held by all of them; less with a small pool */
#define FRAG_BUFS_SOURCE \
	512 /* buffers held for one source address (addresses that hash alike share) */
#define FRAG_PIECES 256	    /* fragments of one packet */
#define FRAG_SOURCES 256
#define FRAG_LIFE (30 * S7_SEC)

struct s7_frag_queue {
	struct s7_list age;	    /* table->age, oldest first */
	struct s7_frag_queue *next; /* in the bucket */
	uint32_t src, dst;	    /* network order */
	uint16_t id;
	uint8_t proto, iface;
	uint16_t pieces, bufs;
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
	struct s7_frag_queue *bucket[FRAG_BUCKETS];
};

int frag_init(struct s7_inst *inst);

/*
 * Takes a fragment (data behind its IP header, l3_len telling how long that was). Returns the whole
 * packet, its first buffer holding the transport header, or NULL while something is missing.
 * Consumes.
 */
struct s7_pkt *frag_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_ip4 *h,
			  struct s7_rx *rx);

#endif
