/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_role.c - the watcher: which sleeping thread has the ports in its sleep
 *
 * At most one thread an instance has the role, by compare and swap of its waiter's id; it lays it
 * down when it leaves its sleep. Who returns to its program and stays there leaves the ports to the
 * keeper, which comes within some milliseconds, and is told to hand the role on next time.
 * Context: own thread, no lock needed. Callers: wait.c, keeper.c.
 */
#include "shim/wait_int.h"

#define NAP_MIN (20 * S7_US)
#define NAP_MAX (4 * S7_MS)
#define NAP_LONG (8 * S7_MS) /* after NAPS_LONG naps: nothing came for a second */
#define NAPS_LONG 250
#define ABSENT_PENANCE S7_SEC

/* How long the ports without a descriptor may be left alone: this thread's view. */
static __thread struct {
	uint64_t seen; /* packets counted at the last nap */
	s7_time nap;
	uint32_t naps; /* of NAP_MAX in a row */
} quiet;

/* Takes the role of watcher where nobody, or only the keeper, has it. */
bool wait_role_take(struct s7_inst *inst, const struct s7_waiter *self)
{
	uint32_t mine = wait_id(self), holder = 0;

	if (atomic_compare_exchange_strong(&inst->watcher, &holder, mine))
		return true;
	/* mine already: a signal handler left the last sleep by longjmp */
	if (holder == mine)
		return true;
	return holder == WATCHER_KEEPER &&
	       atomic_compare_exchange_strong(&inst->watcher, &holder, mine);
}

/*
 * How long a port without a descriptor may be left alone: about a quarter of the time that nothing
 * came, so that a late packet is late by no more than that.
 */
s7_time wait_role_nap(const struct s7_inst *inst)
{
	uint64_t seen = inst->stat[STAT_RX_PKTS];

	if (seen != quiet.seen || !quiet.nap) {
		quiet.nap = NAP_MIN;
		quiet.naps = 0;
	} else {
		quiet.nap = s7_min(quiet.nap + quiet.nap / 4, NAP_MAX);
		quiet.naps += quiet.nap == NAP_MAX;
	}
	quiet.seen = seen;
	return quiet.naps < NAPS_LONG ? quiet.nap : NAP_LONG;
}

/*
 * A watcher that returned to its program and stayed away, so that the keeper had to take its place:
 * for the next second it hands the role on when it leaves. Threads that come back soon (event
 * loops) never do: it would cost two wakeups an event.
 */
void wait_was_absent(struct s7_inst *inst, s7_time now)
{
	uint32_t id = atomic_exchange(&inst->last_watcher, 0);
	struct s7_waiter *waiter = wait_by_id(id);

	if (waiter)
		atomic_store(&waiter->absent_until, now + ABSENT_PENANCE);
}

/* One that sleeps without the ports wakes up, finds nothing for itself and takes the role. */
void wait_role_hand_on(struct s7_inst *inst, const struct s7_waiter *self)
{
	uint32_t id = atomic_load(&inst->standby);
	struct s7_waiter *next = wait_by_id(id);

	if (!next || next == self || next->asleep_on != inst->index + 1 ||
	    atomic_load(&next->state) != WAITER_SLEEPING)
		return;
	atomic_store(&next->rung, 1);
	stat_add_shared(inst, STAT_WATCH_HANDED_ON, 1);
	wait_ring(next);
}
