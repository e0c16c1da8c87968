/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link.h - what a packet socket is told of a frame, and tells of one that it sends
 *
 * Beside a message (s7_msg.link), in the shape in which programs see it.
 */
#ifndef S7_LINK_H
#define S7_LINK_H

#include <linux/if_packet.h>

#include "stack/base/base.h"

struct s7_msg_link {
	struct sockaddr_ll name;    /* recv: where from; send: where to, if name_len */
	struct tpacket_auxdata aux; /* recv */
	uint32_t mark, priority;    /* recv: of a sender on this host */
	uint32_t drops;		    /* recv: lost before this frame, SO_RXQ_OVFL */
	uint32_t name_len;	    /* send: of the name as the program gave it, 0 none */
	bool told; /* recv: a frame of the stack, all of this is filled */
};

/* A frame that the kernel's half of a packet socket received (pk_feed.c). */
struct s7_packet_fed {
	const struct sockaddr_ll *name;
	const struct tpacket_auxdata *aux;
	const uint8_t *bytes;
	uint32_t len;  /* bytes that are there; aux->tp_len: that there were */
	uint64_t wall; /* CLOCK_REALTIME, ns */
};

#endif
