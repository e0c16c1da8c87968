/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_int.h - what the blocking calls (wait_sock.c, calls_poll.c, calls_epoll.c) want of wait*.c
 *
 * The pattern of every sleep:
 *	wait_arm(self)			marks SLEEPING before the first look
 *	lock; look; wait_queue(...); unlock
 *	wait_sleep(...)			marks AWAKE again
 *	wait_unqueue(self)
 * With self NULL (no record left) nothing is queued and sleeps are short naps.
 */
#ifndef S7_WAIT_INT_H
#define S7_WAIT_INT_H

#include "shim/shim.h"

/* ---- wait_self.c ---- */
/* This thread's record; NULL before its first sleep. */
extern __thread struct s7_waiter *wait_me __attribute__((tls_model("initial-exec")));
void wait_bell_write(const struct s7_waiter *waiter);

/* ---- wait.c ---- */
/* Takes a record's nodes out of their queues; `was_rung`: their event goes to the next sleeper. */
void wait_drop_nodes(struct s7_waiter *waiter, bool was_rung);

/* Handlers of the program that ran in this thread, with or without SA_RESTART. */
extern __thread uint32_t wait_handlers __attribute__((tls_model("initial-exec")));

/* The moment a call began to wait, to tell whether a handler ran since. */
struct wait_call {
	uint32_t handlers, interrupts;
};

static inline void wait_call_begin(struct wait_call *call)
{
	call->handlers = wait_handlers;
	call->interrupts = s7_sig_interrupts;
}

static inline bool wait_call_interrupted(const struct wait_call *call, bool restartable)
{
	return call->interrupts != s7_sig_interrupts ||
	       (!restartable && call->handlers != wait_handlers);
}

void wait_arm(struct s7_waiter *self);
void wait_disarm(struct s7_waiter *self);

/*
 * Queues this thread on a wait queue of `inst`, whose lock is held; the file stays alive until
 * wait_unqueue. False: no node left, then the caller naps instead (wait_nap).
 */
bool wait_queue(struct s7_waiter *self, struct s7_inst *inst, struct s7_list *waitq,
		struct s7_file *file, uint32_t events, bool exclusive);
/* Takes all nodes of this thread back. Takes the locks. */
void wait_unqueue(struct s7_waiter *self);

/* A waiter's record by its id, NULL for none; and back. */
struct s7_waiter *wait_by_id(uint32_t id);
uint32_t wait_id(const struct s7_waiter *waiter);

/* ---- wait_role.c ---- */
/* Takes the role of watcher where nobody, or only the keeper, has it. */
bool wait_role_take(struct s7_inst *inst, const struct s7_waiter *self);
/* The watcher left: wakes one that sleeps without the ports. */
void wait_role_hand_on(struct s7_inst *inst, const struct s7_waiter *self);
/* How long the watcher may leave a port alone that has no sleep descriptor. */
s7_time wait_role_nap(const struct s7_inst *inst);

/*
 * Keeps the file that was looked up alive through a blocking call, whatever becomes of its
 * descriptor. -SOCK_STALE: it is gone already. The end is also a cleanup handler for cancellation.
 */
struct wait_hold {
	struct s7_waiter *self; /* in whose record it is written down; NULL: nowhere */
	struct s7_file *file;	/* ... but here */
};
int wait_hold_begin(struct wait_hold *hold, struct s7_file *file, uint64_t cookie);
void wait_hold_end(void *hold);
/* Of calls whose frame is not above this one: they are over. */
void wait_hold_drop_below(struct s7_waiter *self, uintptr_t frame);
/* The thread has ended, or its process is dead. */
void wait_hold_drop_all(struct s7_waiter *waiter);

/* Deadline of a sleep that no event would end. */
static inline s7_time wait_nap(s7_time deadline, s7_time now)
{
	return s7_min(deadline, now + S7_MS);
}

/* ---- spinning before the sleep ---- */
struct wait_spin {
	s7_time until; /* 0: do not spin */
	bool keep_core; /* SO_PREFER_BUSY_POLL: no yield between turns */
	uint32_t turns;
};

/*
 * Decides how long this wait may spin: spin_us of the interfaces, unless spinning did not pay
 * lately.
 */
void wait_spin_begin(struct wait_spin *spin, const struct s7_inst *inst, s7_time now,
		     s7_time deadline);
/* Another turn? Yields the core between turns. *now is renewed. */
bool wait_spin_turn(struct wait_spin *spin, s7_time *now);
/* What became of it: remembered for the next time. */
void wait_spin_end(const struct wait_spin *spin, bool found);

#endif
