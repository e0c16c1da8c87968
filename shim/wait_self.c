/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_self.c - the records of threads that may sleep, and ringing them
 *
 * A thread gets a waiter record (arena) and a doorbell (eventfd) at its first sleep. The record
 * keeps its bell open for as long as the process lives and is handed from thread to thread, so that
 * a late ring never writes to a descriptor that means something else by now.
 * Invariant: only a record in state SLEEPING is rung.
 * Context: own thread, no lock held on entry; records are given out under arena->proc_lock.
 * Callers: wait.c and all that sleep; keeper.c, fork.c, proc.c, signal.c by shim.h.
 */
#include <pthread.h>
#include <sys/eventfd.h>

#include "shim/internal.h"
#include "shim/wait_int.h"

#define WAITERS_MAX 16384

static struct s7_slab *waiters;	       /* in the arena; the pointer is inherited by fork */
/* records of ended threads of this process, by `nodes`; proc_lock */
static struct s7_waiter *own_free;
static uint32_t own_slot = WAITER_NO_PROC;    /* whose records own_free and wait_me are */
static pthread_key_t waiter_key;

__thread struct s7_waiter *wait_me;
__thread uint32_t wait_handlers;

/* ---- records ---- */

static uint32_t this_slot(void)
{
	return s7_arena->inst[0]->env->proc;
}

/* The thread ends: its record waits for the next thread, bell and all. */
static void waiter_give(void *arg)
{
	struct s7_waiter *waiter = arg;

	wait_me = NULL;
	if (waiter->proc != own_slot)
		return;
	wait_unqueue(waiter);
	wait_hold_drop_all(waiter);
	lock_take(&s7_arena->proc_lock);
	atomic_store(&waiter->state, WAITER_FREE);
	waiter->nodes = (struct s7_wait *)(void *)own_free;
	own_free = waiter;
	lock_give(&s7_arena->proc_lock);
}

struct s7_slab *wait_records(void)
{
	return waiters;
}

int wait_attach(struct s7_slab *records)
{
	waiters = records;
	return -pthread_key_create(&waiter_key, waiter_give);
}

int wait_init(struct s7_arena *arena)
{
	int err;

	waiters = arena_take(arena, sizeof(*waiters), S7_CACHELINE);
	if (!waiters)
		return -ENOMEM;
	err = slab_init(waiters, arena,
			(uint32_t)s7_round_up(sizeof(struct s7_waiter), S7_CACHELINE), WAITERS_MAX);
	return err ? err : wait_attach(waiters);
}

static struct s7_waiter *waiter_take_locked(void)
{
	struct s7_waiter *waiter = own_free;

	if (waiter) {
		own_free = (struct s7_waiter *)(void *)waiter->nodes;
		waiter->nodes = NULL;
		return waiter;
	}
	waiter = slab_alloc(waiters);
	if (waiter) {
		waiter->proc = own_slot;
		waiter->bell = -1;
	}
	return waiter;
}

static int bell_make(void)
{
	long fd = s7_sys2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -1 : fd_make_internal((int)fd);
}

static struct s7_waiter *waiter_begin(void)
{
	struct s7_waiter *waiter;

	lock_take(&s7_arena->proc_lock);
	if (own_slot == WAITER_NO_PROC)
		own_slot = this_slot();
	waiter = waiter_take_locked();
	lock_give(&s7_arena->proc_lock);
	if (!waiter)
		return NULL;
	if (waiter->bell < 0)
		waiter->bell = bell_make();
	waiter->tid = lock_self();
	waiter->pad = 0;
	atomic_store(&waiter->rung, 0);
	atomic_store(&waiter->state, WAITER_AWAKE);
	wait_me = waiter;
	pthread_setspecific(waiter_key, waiter);
	keeper_need();
	return waiter;
}

/* A thread that is cancelled on the way loses neither its record nor the bell. */
struct s7_waiter *wait_self(void)
{
	struct s7_waiter *waiter = wait_me;

	if (s7_likely(waiter))
		return waiter;
	handlers_off();
	waiter = waiter_begin();
	handlers_on();
	return waiter;
}

/*
 * The parent's records stay the parent's; their bells, which fork copied, are closed here. A number
 * that the parent got after the fork is not marked internal in this process.
 */
void wait_forked(void)
{
	if (!waiters)
		return;
	for (uint32_t id = 1; id <= waiters->high; id++) {
		const struct s7_waiter *waiter = slab_at(waiters, id);

		if (waiter->proc == own_slot && waiter->bell >= 0 && fd_is_internal(waiter->bell))
			s7_sys1(SYS_close, waiter->bell);
	}
	if (wait_me)
		pthread_setspecific(waiter_key, NULL);
	wait_me = NULL;
	own_free = NULL;
	own_slot = WAITER_NO_PROC;
}

/* Whom the dead process was about to ring, but did not. */
static void ring_forgotten(void)
{
	for (uint32_t id = 1; waiters && id <= waiters->high; id++) {
		struct s7_waiter *waiter = slab_at(waiters, id);

		if (waiter->proc != WAITER_NO_PROC && atomic_load(&waiter->rung))
			wait_ring(waiter);
	}
}

void wait_reap_process(uint32_t slot)
{
	for (uint32_t id = 1; waiters && id <= waiters->high; id++) {
		struct s7_waiter *waiter = slab_at(waiters, id);

		if (waiter->proc != slot)
			continue;
		for (uint32_t i = 0; i < s7_arena->inst_count; i++) {
			uint32_t watcher = id;

			atomic_compare_exchange_strong(&s7_arena->inst[i]->watcher, &watcher, 0);
		}
		if (atomic_load(&waiter->state) != WAITER_FREE)
			wait_drop_nodes(waiter, atomic_load(&waiter->rung));
		wait_hold_drop_all(waiter);
		if (waiter->asleep_on)
			atomic_fetch_sub(&s7_arena->inst[waiter->asleep_on - 1]->sleepers, 1);
		lock_take(&s7_arena->proc_lock);
		waiter->proc = WAITER_NO_PROC;
		slab_free(waiters, waiter);
		lock_give(&s7_arena->proc_lock);
	}
	ring_forgotten();
}

struct s7_waiter *wait_by_id(uint32_t id)
{
	return id <= waiters->high ? slab_at(waiters, id) : NULL;
}

uint32_t wait_id(const struct s7_waiter *waiter)
{
	return slab_id(waiters, waiter);
}

/* ---- ringing ---- */

void wait_bell_write(const struct s7_waiter *waiter)
{
	static const uint64_t one = 1;

	s7_sys3(SYS_write, waiter->bell, &one, sizeof(one));
}

void wait_ring(struct s7_waiter *waiter)
{
	if (atomic_load(&waiter->state) != WAITER_SLEEPING)
		return;
	if (waiter->proc == this_slot())
		wait_bell_write(waiter);
	else
		proc_bell_ring(waiter->proc);
}

void wait_ring_process(uint32_t slot)
{
	for (uint32_t id = 1; id <= waiters->high; id++) {
		const struct s7_waiter *waiter = slab_at(waiters, id);

		if (waiter->proc == slot && waiter->bell >= 0 && atomic_load(&waiter->rung) &&
		    atomic_load(&waiter->state) == WAITER_SLEEPING)
			wait_bell_write(waiter);
	}
}

void wait_interrupted(void)
{
	struct s7_waiter *self = wait_me;

	wait_handlers++;
	if (self && atomic_load(&self->state) == WAITER_SLEEPING)
		wait_bell_write(self);
}
