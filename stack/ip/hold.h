/* SPDX-License-Identifier: BSD-3-Clause */
/* hold.h - packets that leave later (TCP_TX_DELAY). Context: instance lock. */
#ifndef S7_HOLD_H
#define S7_HOLD_H

#include "stack/ip/ip.h"

#define HOLD_MAX 4096 /* packets that wait in an instance */

struct s7_hold_table {
	struct s7_slab slab;
	struct s7_list list; /* by time, then in the order of their coming */
	struct s7_timer timer; /* of the first */
};

int hold_init(struct s7_inst *inst);

/*
 * The packet begins at its IP header and is complete: onto the link after delay_us, by the way that
 * dst is now. Consumes. 0; -ENOBUFS: too many wait (DROP_IP_HELD_FULL).
 */
int hold_packet(struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt,
		uint32_t delay_us);

/* A thread died here: the list is whole in the way forward, the timer is armed anew. */
void hold_mend(struct s7_inst *inst);

void hold_timer(void *inst, struct s7_timer *timer, s7_time now);

#endif
