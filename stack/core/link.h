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
	uint32_t drops;		    /* recv: lost before this frame, SO_RXQ_OVFL */
	uint32_t name_len;	    /* send: of the name as the program gave it, 0 none */
	bool told; /* recv: a frame of the stack, all of this is filled */
};

#endif
