/* SPDX-License-Identifier: BSD-3-Clause */
/* chain.h - work on packets of several buffers: sum, trim, pull up. Context: instance lock. */
#ifndef S7_CHAIN_H
#define S7_CHAIN_H

#include "stack/core/inst.h"

/* Adds the partial checksum of bytes [offset, offset + len) of the chain; the range lies inside. */
uint32_t chain_sum(const struct s7_pkt *pkt, uint32_t offset, uint32_t len, uint32_t sum);

/* Cuts the packet to its first `len` bytes (len <= total); buffers behind are freed. */
void chain_trim(struct s7_inst *inst, struct s7_pkt *pkt, uint32_t len);

/*
 * Makes the first `len` bytes contiguous in the head by moving bytes forward from the buffers
 * behind. False: the packet is shorter, or the head has no room or is shared.
 */
bool chain_pullup(struct s7_inst *inst, struct s7_pkt *pkt, uint32_t len);

/* Appends the buffers of `more` to the packet. */
void chain_append(struct s7_pkt *pkt, struct s7_pkt *more);

#endif
