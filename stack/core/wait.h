/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait.h - who waits for what: threads and epoll sets on the wait queue of a socket
 *
 * A waiter is a thread that may sleep; its record is in the arena so that any process can ring it.
 * A wait node ties a waiter, or an epoll item, to one object's wait queue. sk_event() walks the
 * queue, marks waiters, and inst_unlock() rings the marked ones after the lock is released.
 *
 * No lost wakeup: the sleeper queues its nodes and checks readiness under the instance lock, stores
 * SLEEPING, unlocks, and sleeps on its doorbell, which counts. The waker, under the lock, sets
 * `rung` and later rings.
 */
#ifndef S7_WAIT_H
#define S7_WAIT_H

#include "stack/base/list.h"

enum s7_waiter_state { WAITER_FREE, WAITER_AWAKE, WAITER_SLEEPING };

struct s7_file;

#define WAITER_HOLDS 4
#define WAITER_NO_PROC UINT32_MAX

/* A reference of a blocking call, and where the call's frame is (a deeper frame is lower). */
struct s7_hold {
	struct s7_file *file;
	uintptr_t frame;
};

struct s7_waiter {
	_Atomic uint32_t state;
	_Atomic uint32_t rung;	/* set by wakers, cleared by the thread before it looks again */
	uint32_t proc;		/* slot of its process */
	uint32_t tid;
	int bell;		/* eventfd, valid in that process */
	uint32_t pad;
	uint32_t asleep_on;	/* index + 1 of the instance whose `sleepers` counts it, 0 none */
	struct s7_wait *nodes;	/* its queued nodes, by chain; so that a dead process's are found */
	struct s7_hold hold[WAITER_HOLDS]; /* what its blocking calls hold, outermost first */
	uint32_t holds;
	_Atomic s7_time absent_until; /* when it leaves the ports, it wakes another: shim/wait.c */
};

enum s7_wait_kind { WAIT_THREAD, WAIT_EPOLL, WAIT_ASYNC };

struct s7_wait {
	struct s7_list node; /* on sk->waitq or ep->waitq */
	uint32_t events;     /* EPOLL* bits of interest; ERR and HUP always count */
	uint8_t kind;	     /* enum s7_wait_kind */
	uint8_t exclusive;   /* wake at most one of the exclusive nodes; they stand at the tail */
	uint8_t inst;	     /* WAIT_THREAD: whose slab and lock */
	struct s7_waiter *waiter; /* WAIT_THREAD */
	struct s7_wait *chain;	  /* WAIT_THREAD: next node of the same waiter */
	struct s7_file *file;	  /* WAIT_THREAD: kept alive by the sleeping call */
};

#endif
