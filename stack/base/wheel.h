/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wheel.h - hierarchical timer wheel, 1 ms ticks, one per instance
 *
 * A timer never fires early and at most one tick late after the drive that passes its deadline.
 * Arming and cancelling are O(1). Handlers are chosen by index (kind), because the arena holds no
 * function pointers; the instance passes its table to wheel_run. Context: instance lock.
 */
#ifndef S7_WHEEL_H
#define S7_WHEEL_H

#include "stack/base/list.h"

#define WHEEL_TICK_NS S7_MS
#define WHEEL_BITS 8
#define WHEEL_SLOTS (1 << WHEEL_BITS)
#define WHEEL_LEVELS 4

/* Who handles a timer: index into the instance's table (stack/core/inst.h). */
enum s7_timer_kind {
	TIMER_NONE,
	TIMER_TCP,	 /* tcb->timer: the earliest of rtx, persist, keepalive, fin-wait... */
	TIMER_TCP_DELACK,
	TIMER_TCP_REQ,	 /* half-open connection: SYN-ACK again */
	TIMER_TIME_WAIT,
	TIMER_NEIGH,
	TIMER_FRAG,
	TIMER_ND,	 /* end of duplicate address detection */
	TIMER_GROUP,	 /* reports of multicast groups */
	TIMER_PACKET,	 /* a block of a ring is given to the program */
	TIMER_ROUTER,	 /* what routers told ends */
	TIMER_HOLD,	 /* packets that leave later */
	TIMER_HOST,	 /* free for tests */
	TIMER_KIND_COUNT
};

struct s7_timer {
	struct s7_list node;
	s7_time deadline; /* 0: not armed */
	uint32_t kind;
	uint32_t arg;	  /* free for the owner */
};

struct s7_wheel {
	uint64_t tick; /* all ticks up to and including this one have run */
	uint32_t armed;
	uint32_t level_count[WHEEL_LEVELS];
	uint64_t bitmap[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* slots that may hold timers */
	struct s7_list slot[WHEEL_LEVELS][WHEEL_SLOTS];
	struct s7_timer *hand; /* being moved: whoever dies there leaves it to wheel_mend */
};

typedef void (*s7_timer_fn)(void *ctx, struct s7_timer *timer, s7_time now);

void wheel_init(struct s7_wheel *wheel, s7_time now);
void timer_init(struct s7_timer *timer, enum s7_timer_kind kind);
/* Arms or re-arms for `deadline` (absolute). */
void timer_arm(struct s7_wheel *wheel, struct s7_timer *timer, s7_time deadline);
void timer_cancel(struct s7_wheel *wheel, struct s7_timer *timer);

static inline bool timer_armed(const struct s7_timer *timer)
{
	return timer->deadline != 0;
}

/* Runs what is due. A handler may arm and cancel any timer, its own included. */
void wheel_run(struct s7_wheel *wheel, s7_time now, const s7_timer_fn *handlers, void *ctx);

/*
 * When wheel_run should next be called at the latest: never later than the first deadline; S7_NEVER
 * if none.
 */
s7_time wheel_next(const struct s7_wheel *wheel);

/* Whoever changed the wheel or ran it died in the middle: every armed timer is dealt out anew. */
void wheel_mend(struct s7_wheel *wheel);

static inline bool wheel_due(const struct s7_wheel *wheel, s7_time now)
{
	return wheel->armed && now / WHEEL_TICK_NS > wheel->tick;
}

#endif
