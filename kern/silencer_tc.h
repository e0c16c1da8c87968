/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * silencer_tc.h - the silencer on kernels without TCX; and what tests need of silencer.c
 *
 * Private to kern/ and its tests.
 */
#ifndef S7_SILENCER_TC_H
#define S7_SILENCER_TC_H

#include "kern/kern.h"

#define SILENCER_PROG_NAME "sock7_silence" /* BPF_OBJ_NAME_LEN allows 15 characters */
#define SILENCER_BEAT_NAME "sock7_beat"
#define SILENCER_TC_PRIORITY 7
#define SILENCER_DEAD_NS (10 * S7_SEC) /* a filter without a heartbeat for so long has no owner */

enum silencer_way { SILENCER_TCX, SILENCER_CLSACT };

/* silencer_open() by one way only. */
int silencer_open_by(enum silencer_way way, int ifindex, struct kern_silencer *ret_s, char *ret_why,
		     size_t why_len);

/* The filter on the netdev's clsact qdisc, which is made if needed. 0 or -errno. */
int silencer_tc_attach(int ifindex, int prog_fd, uint32_t *ret_handle);
int silencer_tc_detach(int ifindex, uint32_t handle);

/*
 * Removes sock7's filters whose heartbeat is older than SILENCER_DEAD_NS. Returns how many, or
 * -errno.
 */
int silencer_tc_reap(int ifindex, s7_time now);

#endif
