/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait_sock.c - a blocking call on one socket, and the spin before any sleep
 *
 * Spinning costs a core, sleeping costs microseconds, so a thread spins for spin_us of the
 * interfaces only while that pays: a running average of recent spins says whether the awaited thing
 * came in time. When it does not, one wait in sixteen still tries. Between turns the core is
 * offered to others: on a small machine the peer may need it.
 * Context: own thread, no lock held on entry. Callers: calls_io.c, calls_conn.c, sendfile.c; the
 * spin also calls_poll.c and calls_epoll.c.
 */
#include <poll.h>

#include "shim/io.h"
#include "shim/wait_int.h"
#include "stack/base/sys.h"

#define SCORE_FULL 1024u
#define SCORE_WORTH 128u
#define SCORE_SHIFT 3
#define RETRY_EVERY 16
#define TURNS_BEFORE_YIELD 4

static __thread struct {
	uint32_t score; /* of recent spins that paid, 0..SCORE_FULL */
	uint32_t skipped;
	bool begun;
} spins __attribute__((tls_model("initial-exec")));

void wait_spin_begin(struct wait_spin *spin, const struct s7_inst *inst, s7_time now,
		     s7_time deadline)
{
	uint32_t spin_us = 0;

	for (uint32_t i = 0; i < inst->iface_count; i++)
		spin_us = (uint32_t)s7_max(spin_us, inst->iface[i].spin_us);
	spin->turns = 0;
	spin->keep_core = false;
	spin->until = 0;
	if (!spins.begun) {
		spins.begun = true;
		spins.score = SCORE_FULL / 2;
	}
	if (!spin_us || (spins.score < SCORE_WORTH && ++spins.skipped % RETRY_EVERY))
		return;
	spin->until = s7_min(now + spin_us * S7_US, deadline);
}

bool wait_spin_turn(struct wait_spin *spin, s7_time *now)
{
	if (*now >= spin->until)
		return false;
	if (++spin->turns > TURNS_BEFORE_YIELD && !spin->keep_core)
		s7_sys0(SYS_sched_yield);
	*now = host_now();
	return true;
}

void wait_spin_end(const struct wait_spin *spin, bool found)
{
	if (!spin->turns)
		return;
	if (found)
		spins.score += (SCORE_FULL - spins.score) >> SCORE_SHIFT;
	else
		spins.score -= (spins.score + (1u << SCORE_SHIFT) - 1) >> SCORE_SHIFT;
}

/*
 * Drives and looks; queues this thread if there is nothing yet and it is about to sleep (`self`).
 */
enum look { LOOK_READY, LOOK_QUEUED, LOOK_NOTHING };

/* An entry of the error queue ends no wait for data or room: only what SO_ERROR holds does. */
static bool sock_call_ready(struct s7_sock *sk, uint32_t events)
{
	uint32_t ready = sock_ready_locked(sk);

	if (s7_unlikely(events & WAIT_PEEK) && !sock_peek_ready(sk))
		ready &= ~(uint32_t)EPOLLIN;
	return sk->err || (ready & ((events & ~EPOLLERR) | EPOLLHUP));
}

static enum look sock_look(struct s7_sock *sk, uint32_t events, struct s7_waiter *self, s7_time now)
{
	enum look look = LOOK_NOTHING;
	bool exclusive =
		(sk->bits & SKB_LISTENING) || (sk->type != SOCK_STREAM && !(events & EPOLLOUT));

	inst_lock(sk->inst, now);
	sk->inst->rx_budget = self ? 0 : sk->busy_budget;
	inst_drive(sk->inst);
	sk->inst->rx_budget = 0;
	if (sk->file.kind != FILE_SOCK || !atomic_load(&sk->file.refs) ||
	    sk->file.side == SIDE_KERNEL || sock_call_ready(sk, events))
		look = LOOK_READY;
	else if (self && wait_queue(self, sk->inst, &sk->waitq, &sk->file, events, exclusive))
		look = LOOK_QUEUED;
	inst_unlock(sk->inst);
	return look;
}

static bool sock_spin(struct s7_sock *sk, uint32_t events, s7_time deadline)
{
	struct wait_spin spin;
	s7_time now = host_now();
	bool found = false;

	wait_spin_begin(&spin, sk->inst, now, deadline);
	if (s7_unlikely(sk->busy_poll_us != 0)) { /* whether it pays or not: the program's wish */
		spin.until = s7_max(spin.until,
				    s7_min(now + sk->busy_poll_us * S7_US, deadline));
		spin.keep_core = sk->more & SKM_PREFER_BUSY_POLL;
	}
	while (!found && wait_spin_turn(&spin, &now))
		found = sock_look(sk, events, NULL, now) == LOOK_READY;
	wait_spin_end(&spin, found);
	return found;
}

int wait_sock(struct s7_sock *sk, int fd, uint32_t events, s7_time deadline, bool restartable)
{
	struct pollfd kernel = { .fd = fd,
				 .events = (short)(events & (POLLIN | POLLOUT | POLLPRI)) };
	struct s7_inst *inst = sk->inst;
	struct s7_waiter *self;
	struct wait_call call;

	wait_call_begin(&call);
	if (sock_spin(sk, events, deadline))
		return 0;
	self = wait_self();
	for (;;) {
		s7_time now = host_now();
		enum look look;
		int n;

		wait_arm(self);
		look = sock_look(sk, events, self, now);
		if (look == LOOK_READY || now >= deadline ||
		    wait_call_interrupted(&call, restartable)) {
			wait_disarm(self);
			wait_unqueue(self);
			return look == LOOK_READY ? 0 : now >= deadline ? -EAGAIN : -EINTR;
		}
		n = wait_sleep(inst, self, &kernel, io_has_twin(sk) && fd_get(fd) == &sk->file,
			       look == LOOK_QUEUED ? deadline : wait_nap(deadline, now), NULL);
		/* the node held the file; look again before it is let go */
		wait_unqueue(self);
		if (n > 0)
			return 0;
		if (n < 0 && n != -EINTR)
			return n;
		/* what came meanwhile may have rung nobody else: it goes before the interruption */
		if (n == -EINTR && !restartable)
			return sock_look(sk, events, NULL, host_now()) == LOOK_READY ? 0 : -EINTR;
	}
}
