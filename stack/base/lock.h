/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.h - a lock in shared memory that survives the death of its owner
 *
 * Idea: one word holds the owner's thread id and a waiters bit. Uncontended take and give are one
 * atomic each. A waiter spins shortly, then sleeps in futex for at most 20 ms at a time and asks
 * whether the owner still lives (gone or zombie); a dead owner's word is taken over by compare and
 * swap, so exactly one waiter becomes the owner and learns LOCK_OWNER_DIED. Not recursive.
 */
#ifndef S7_LOCK_H
#define S7_LOCK_H

#include "stack/base/base.h"

#define LOCK_WAITERS 0x80000000u

enum lock_result { LOCK_OK, LOCK_OWNER_DIED };

struct s7_lock {
	_Atomic uint32_t word;
	uint32_t deaths; /* how often an owner died in it */
};

/* This thread's id, cached per thread. lock_forget_self() in a forked child renews it. */
uint32_t lock_self_slow(void);
void lock_forget_self(void);
extern __thread uint32_t s7_lock_tid __attribute__((tls_model("initial-exec")));

/*
 * How many locks this thread holds or is about to take, and whether a signal handler was put off
 * because of it: a handler must not run while its thread is inside (it may call read() and
 * deadlock). shim/signal.c looks at the first, sets the second; whoever leaves the last lock runs
 * what was put off (s7_host_ops.deferred).
 */
extern __thread uint32_t s7_lock_depth __attribute__((tls_model("initial-exec")));
extern __thread uint32_t s7_lock_pending __attribute__((tls_model("initial-exec")));

static inline uint32_t lock_self(void)
{
	return s7_likely(s7_lock_tid) ? s7_lock_tid : lock_self_slow();
}

enum lock_result lock_take_slow(struct s7_lock *lock);
void lock_give_slow(struct s7_lock *lock);

/*
 * After exec: what this thread's id holds was another program's, which will not give it back. It
 * becomes a dead owner's.
 */
void lock_orphan(struct s7_lock *lock);

/* Whether the thread with this id still runs (in this pid namespace). Reads /proc; slow. */
bool lock_thread_alive(uint32_t tid);

static inline bool lock_cas_(struct s7_lock *lock)
{
	uint32_t none = 0;

	return atomic_compare_exchange_strong_explicit(&lock->word, &none, lock_self(),
						       memory_order_acquire, memory_order_relaxed);
}

static inline void lock_depth_add_(int32_t n)
{
	s7_lock_depth += (uint32_t)n;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline bool lock_try(struct s7_lock *lock)
{
	lock_depth_add_(1);
	if (s7_likely(lock_cas_(lock)))
		return true;
	lock_depth_add_(-1);
	return false;
}

static inline enum lock_result lock_take(struct s7_lock *lock)
{
	lock_depth_add_(1);
	if (s7_likely(lock_cas_(lock)))
		return LOCK_OK;
	return lock_take_slow(lock);
}

static inline void lock_give(struct s7_lock *lock)
{
	uint32_t self = lock_self();

	if (s7_unlikely(!atomic_compare_exchange_strong_explicit(
		    &lock->word, &self, 0, memory_order_release, memory_order_relaxed)))
		lock_give_slow(lock);
	lock_depth_add_(-1);
}

static inline bool lock_is_mine(const struct s7_lock *lock)
{
	return (atomic_load_explicit(&lock->word, memory_order_relaxed) & ~LOCK_WAITERS) ==
		lock_self();
}

#endif
