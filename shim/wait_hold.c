/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_hold.c - what a blocking call keeps alive while it waits
 *
 * Idea: another thread may close the descriptor of a call that waits; the call goes on, as in
 * Linux, so it holds a reference. The reference is written down in the thread's waiter record
 * (arena), because the call may not come back: its process is killed (the reaper gives it back),
 * its thread is cancelled (a cleanup handler does), or a signal handler leaves by longjmp (the
 * thread's next blocking call does: a frame that is not above its own is gone).
 * Bound: WAITER_HOLDS calls inside each other by handlers; a deeper one's reference is written down
 * nowhere, and lost if it does not come back.
 * Context: own thread, no lock held; hold_drop_all also the reaper's. Callers: io.c, calls_conn.c,
 * wait.c.
 */
#include "shim/wait_int.h"

static void drop_last(struct s7_waiter *self)
{
	struct s7_file *file = self->hold[self->holds - 1].file;

	self->holds--;
	atomic_signal_fence(memory_order_seq_cst);
	file_put(file);
}

void wait_hold_drop_below(struct s7_waiter *self, uintptr_t frame)
{
	while (self && self->holds && self->hold[self->holds - 1].frame <= frame)
		drop_last(self);
}

/* Handlers are put off between having the reference and having it written down. */
static int take(struct wait_hold *hold, struct s7_waiter *self, struct s7_file *file,
		uint64_t cookie)
{
	if (!file_try_ref(file))
		return -SOCK_STALE;
	if (s7_unlikely(!file_is(file, cookie))) {
		file_put(file);
		return -SOCK_STALE;
	}
	if (!self || self->holds == WAITER_HOLDS) {
		hold->file = file;
		return 0;
	}
	self->hold[self->holds] = (struct s7_hold){ .file = file, .frame = (uintptr_t)hold };
	atomic_signal_fence(memory_order_seq_cst);
	self->holds++;
	hold->self = self;
	return 0;
}

int wait_hold_begin(struct wait_hold *hold, struct s7_file *file, uint64_t cookie)
{
	struct s7_waiter *self = wait_self();
	int err;

	hold->self = NULL;
	hold->file = NULL;
	wait_hold_drop_below(self, (uintptr_t)hold);
	handlers_off();
	err = take(hold, self, file, cookie);
	handlers_on();
	return err;
}

/* In a child that a handler forked the record is the parent's, and what it holds too. */
void wait_hold_end(void *arg)
{
	struct wait_hold *hold = arg;
	struct s7_waiter *self = hold->self;

	if (hold->file)
		file_put(hold->file);
	if (!self || self != wait_self())
		return;
	wait_hold_drop_below(self, (uintptr_t)hold);
}

void wait_hold_drop_all(struct s7_waiter *waiter)
{
	while (waiter->holds)
		drop_last(waiter);
}

void wait_count_holds(void)
{
	const struct s7_slab *waiters = wait_records();

	for (uint32_t id = 1; id <= waiters->high; id++) {
		const struct s7_waiter *waiter = slab_at(waiters, id);

		if (waiter->proc == WAITER_NO_PROC)
			continue;
		for (uint32_t i = 0; i < waiter->holds && i < WAITER_HOLDS; i++)
			waiter->hold[i].file->counted++;
	}
}
