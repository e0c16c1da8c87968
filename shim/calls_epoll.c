/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_epoll.c - epoll sets over kernel descriptors and ours
 *
 * Every set is a real one; beside it stands an s7_epoll for our sockets (stack/sock/epoll.h), made
 * with the set once the stack runs, else when the first of our sockets is added. Kernel descriptors
 * go to the real set alone, sockets of the stack to ours alone, dual sockets and inner sets to both
 * ("twins"): events of both sides for one user datum are merged. epoll_wait harvests ours first;
 * while the stack keeps it busy the real set is asked every KERNEL_LOOK only; a sleep covers the
 * real set's descriptor.
 * Context: any thread, no lock held. Not restarted after a handler.
 * Defines: epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2.
 */
#include <limits.h>
#include <pthread.h>

#include "shim/epoll_late.h"
#include "shim/io.h"
#include "shim/poll_int.h"
#include "shim/wait_int.h"
#include "stack/base/sys.h"
#include "stack/base/user.h"

#define KERNEL_LOOK (50 * S7_US)
#define EP_MAX ((int)(INT_MAX / sizeof(struct epoll_event)))

static inline struct s7_epoll_at fd_epoll_at(int fd)
{
	struct s7_epoll_at at = { .cookie = 0 };
	struct s7_file *file = fd_get_at(fd, &at.cookie);

	if (s7_likely(file && file->kind == FILE_EPOLL))
		at.ep = file_epoll(file);
	return at;
}

/* As fd_hold_sock: with a reference, until fd_unhold. */
static struct s7_epoll *fd_hold_epoll(int fd)
{
	struct s7_file *file = fd_hold(fd);

	if (!file || file->kind == FILE_EPOLL)
		return file ? file_epoll(file) : NULL;
	fd_unhold(file);
	return NULL;
}

/* ---- making sets ---- */

/*
 * Enters a set beside a real one. A full table leaves the descriptor to the kernel alone; adding a
 * socket then says so.
 */
static void epoll_enter(int epfd)
{
	struct s7_epoll *ep;

	if (!epoll_create_in(boot_inst(), host_now(), &ep))
		fd_install(epfd, &ep->file);
}

static int epoll_new(int epfd)
{
	if (epfd >= 0 && s7_fds.limit && !s7_inside)
		epoll_enter(epfd);
	return epfd;
}

S7_EXPORT int epoll_create(int size)
{
	return epoll_new(real.epoll_create(size));
}

S7_EXPORT int epoll_create1(int flags)
{
	return epoll_new(real.epoll_create1(flags));
}

/* ---- epoll_ctl ---- */

static int kernel_ctl(int epfd, int op, int fd, const struct epoll_event *event)
{
	return (int)s7_sys4(SYS_epoll_ctl, epfd, op, fd, event);
}

/* The set beside epfd, held; made now if epfd is a real set that has none yet. */
static int ctl_set(int epfd, int op, int fd, struct s7_epoll **ret_ep)
{
	int err;

	*ret_ep = fd_hold_epoll(epfd);
	if (*ret_ep)
		return 0;
	/*
	 * what is no epoll descriptor gets its errno here; a socket of ours is in no real set yet
	 */
	err = kernel_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
	if (err != -ENOENT)
		return err ? err : -EINVAL;
	if (op != EPOLL_CTL_ADD)
		return op == EPOLL_CTL_MOD || op == EPOLL_CTL_DEL ? -ENOENT : -EINVAL;
	epoll_enter(epfd);
	*ret_ep = fd_hold_epoll(epfd);
	if (!*ret_ep)
		return -ENOMEM;
	atomic_store(&(*ret_ep)->kernel_items, 1);
	epoll_late_kick(epfd);
	return 0;
}

/*
 * Notes where the real set is, for a socket whose side may yet change; tells whether the item is a
 * twin, and takes out of *mask what its half in the kernel is not asked.
 */
static bool item_note(struct s7_epoll *ep, int epfd, int fd, struct s7_sock *sk, bool make_twin,
		      uint32_t *mask)
{
	struct s7_epitem *item = NULL;
	bool twin = false;

	inst_lock(sk->inst, host_now());
	while ((item = epoll_next_item(&sk->waitq, item))) {
		if (item->ep != ep || item->fd != fd)
			continue;
		item->epfd = epfd;
		item->proc = sk->inst->env->proc;
		if (make_twin)
			epoll_set_twin(item);
		twin = item->twin;
		item->twin_in = twin && io_twin_in(sk, item->events);
		*mask &= item->twin_in ? ~EPOLL_ROOM : ~0u;
		break;
	}
	inst_unlock(sk->inst);
	return twin;
}

static int ctl_sock(struct s7_epoll *ep, int epfd, int op, int fd, struct s7_sock *sk,
		    const struct epoll_event *event)
{
	struct epoll_event half = { .events = 0 };
	uint32_t mask = ~0u;
	bool twin = false;
	int err;

	if (op == EPOLL_CTL_DEL && atomic_load_explicit(&ep->twin_items, memory_order_relaxed))
		twin = item_note(ep, epfd, fd, sk, false, &mask);
	err = epoll_ctl_sock(epoll_held(ep), op, fd, sock_held(sk), event, host_now());
	if (err)
		return err;
	if (op == EPOLL_CTL_ADD && sk->file.side != SIDE_STACK)
		twin = item_note(ep, epfd, fd, sk, io_has_twin(sk), &mask);
	else if (op == EPOLL_CTL_MOD && atomic_load_explicit(&ep->twin_items, memory_order_relaxed))
		twin = item_note(ep, epfd, fd, sk, false, &mask);
	if (!twin)
		return 0;
	atomic_store(&ep->kernel_items, 1);
	if (op != EPOLL_CTL_DEL) {
		half = *event;
		half.events &= mask;
	}
	err = kernel_ctl(epfd, op, fd, &half);
	if (err && op == EPOLL_CTL_ADD)
		epoll_ctl_sock(epoll_held(ep), EPOLL_CTL_DEL, fd, sock_held(sk), NULL, host_now());
	return err;
}

static int ctl_inner(struct s7_epoll *ep, int epfd, int op, int fd, struct s7_epoll *inner,
		     const struct epoll_event *event)
{
	int err = kernel_ctl(epfd, op, fd, event); /* finds loops and sets nested too deep */

	if (err)
		return err;
	atomic_store(&ep->kernel_items, 1);
	err = epoll_ctl_epoll(ep, op, fd, inner, event, host_now());
	if (err && op == EPOLL_CTL_ADD)
		kernel_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
	return err;
}

static int ctl_ours(int epfd, int op, int fd, struct s7_file *file, const struct epoll_event *event)
{
	struct s7_epoll *ep;
	int err;

	err = ctl_set(epfd, op, fd, &ep);
	if (err)
		return err;
	if (&ep->file == file)
		err = -EINVAL;
	else if (file->kind == FILE_EPOLL)
		err = ctl_inner(ep, epfd, op, fd, file_epoll(file), event);
	else
		err = ctl_sock(ep, epfd, op, fd, file_sock(file), event);
	fd_unhold(&ep->file);
	return err;
}

/*
 * A socket that is wholly the stack's, in a set without twins: the kernel has no part in it, and
 * one look under the lock tells whether both are still what was looked up. -SOCK_STALE: not so.
 */
static int ctl_quick(int epfd, int op, int fd, const struct epoll_event *event)
{
	struct s7_epoll_at ep = fd_epoll_at(epfd);
	struct s7_sock_at sk = fd_sock_at(fd);

	if (!ep.ep || !sk.sk || sk.sk->file.side != SIDE_STACK ||
	    atomic_load_explicit(&ep.ep->twin_items, memory_order_relaxed))
		return -SOCK_STALE;
	return epoll_ctl_sock(ep, op, fd, sk, event, host_now());
}

S7_EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	struct epoll_event copy;
	struct s7_file *file;
	struct s7_epoll *ep;
	int ret;

	if (op == EPOLL_CTL_ADD)
		fd_adopt(fd, NULL, 0);
	if (shim_idle())
		return real.epoll_ctl(epfd, op, fd, event);
	if (op != EPOLL_CTL_DEL && !user_get(&copy, event, sizeof(copy)))
		return (int)ret_errno(-EFAULT);
	ret = ctl_quick(epfd, op, fd, &copy);
	if (ret != -SOCK_STALE)
		return (int)ret_errno(ret);
	file = fd_hold(fd);
	/* an inner set without a set of ours beside the outer one: ours still counts */
	if (file) {
		ret = ctl_ours(epfd, op, fd, file, &copy);
		fd_unhold(file);
		return (int)ret_errno(ret);
	}
	ret = real.epoll_ctl(epfd, op, fd, event);
	ep = !ret && op == EPOLL_CTL_ADD ? fd_hold_epoll(epfd) : NULL;
	if (ep) {
		atomic_store(&ep->kernel_items, 1);
		fd_unhold(&ep->file);
	}
	return ret;
}

/* ---- epoll_wait ---- */

struct ep_call {
	struct s7_epoll *ep;
	uint64_t cookie; /* as it was looked up */
	int epfd, max;
	struct epoll_event *events;
	s7_time deadline;
	const sigset_t *mask;
};

/* Our event for this datum, of the first n, or -1. */
static int find_datum(const struct epoll_event *events, int n, uint64_t data)
{
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 == data)
			return i;
	return -1;
}

/* Events k of the kernel behind n of ours: one entry a datum, oneshot on both sides. */
static int merge_twins(const struct ep_call *call, int n, int k, s7_time now)
{
	struct epoll_event *events = call->events;
	int out = n;

	for (int i = n; i < n + k; i++) {
		int at = find_datum(events, n, events[i].data.u64);

		if (!epoll_twin_fired(call->ep, events[i].data.u64, now) && at < 0)
			continue;
		if (at >= 0)
			events[at].events |= events[i].events;
		else
			events[out++] = events[i];
	}
	return out;
}

/* Asks the real set for what fits behind n of ours; the new total. */
static int kernel_events(const struct ep_call *call, int n, s7_time now)
{
	bool full;
	long k;

	if (n < 0 || n == call->max ||
	    !atomic_load_explicit(&call->ep->kernel_items, memory_order_relaxed))
		return n;
	atomic_store_explicit(&call->ep->kernel_looked, now, memory_order_relaxed);
	k = s7_sys6(SYS_epoll_pwait, call->epfd, (long)(call->events + n), call->max - n, 0, 0, 0);
	if (k <= 0)
		return !n && k == -EFAULT ? -EFAULT : n;
	full = k == call->max - n;
	k = epoll_late_filter(call->epfd, call->events + n, (int)k);
	if (s7_likely(!atomic_load_explicit(&call->ep->twin_items, memory_order_relaxed)))
		return n + (int)k;
	k = merge_twins(call, n, (int)k, now);
	/* nothing of it was for the program, and there may be more */
	return k == n && full && k < call->max ? kernel_events(call, n, now) : (int)k;
}

static bool kernel_due(const struct ep_call *call, s7_time now)
{
	return atomic_load_explicit(&call->ep->kernel_items, memory_order_relaxed) &&
		now - atomic_load_explicit(&call->ep->kernel_looked, memory_order_relaxed) >
		KERNEL_LOOK;
}

static int harvest(const struct ep_call *call, s7_time now)
{
	struct s7_epoll_at at = { call->ep, call->cookie };

	return epoll_harvest(at, call->events, call->max, true, now);
}

static int ep_spin(const struct ep_call *call, s7_time now)
{
	struct wait_spin spin;
	int n = 0;

	wait_spin_begin(&spin, call->ep->inst, now, call->deadline);
	while (!n && wait_spin_turn(&spin, &now)) {
		n = harvest(call, now);
		if (kernel_due(call, now))
			n = kernel_events(call, n, now);
	}
	wait_spin_end(&spin, n);
	return n;
}

/*
 * Looks at every part and queues this thread there while there is nothing. *queued: an event will
 * ring.
 */
static int ep_queue(const struct ep_call *call, struct s7_waiter *self, s7_time now, bool *queued)
{
	struct s7_epoll *ep = call->ep;
	int n = 0;

	*queued = self;
	for (uint32_t i = 0; !n && i < s7_arena->inst_count; i++) {
		struct s7_inst *inst = s7_arena->inst[i];

		inst_lock(inst, now);
		inst_drive(inst);
		n = epoll_harvest_locked(ep, inst, call->events, call->max);
		if (!n && !wait_queue(self, inst, &ep->part[i].waitq, &ep->file, EPOLLIN, true))
			*queued = false;
		inst_unlock(inst);
	}
	return n;
}

/* One sleep. > 0 events, 0 nothing yet, -errno. */
static int ep_sleep(const struct ep_call *call, s7_time now)
{
	/* closed by another thread, or another file's by now: not asked any more */
	struct pollfd kfd = { .fd = fd_get(call->epfd) == &call->ep->file ? call->epfd : -1,
			      .events = POLLIN };
	struct s7_waiter *self = wait_self();
	bool queued;
	int n, slept;

	wait_arm(self);
	n = ep_queue(call, self, now, &queued);
	if (n) {
		wait_disarm(self);
		wait_unqueue(self);
		return kernel_due(call, now) ? kernel_events(call, n, now) : n;
	}
	slept = wait_sleep(call->ep->inst, self, &kfd, 1,
			   queued ? call->deadline : wait_nap(call->deadline, now), call->mask);
	now = host_now();
	n = harvest(call, now);
	wait_unqueue(self);
	if (slept > 0) {
		/* whoever put something there: it must be asked, or this would turn without end */
		atomic_store_explicit(&call->ep->kernel_items, 1, memory_order_relaxed);
		n = kernel_events(call, n, now);
	}
	return !n && slept < 0 ? slept : n;
}

static int ep_turns(const struct ep_call *call, s7_time now)
{
	struct wait_call wait;
	int n;

	wait_call_begin(&wait);
	n = ep_spin(call, now);
	while (!n) {
		if (wait_call_interrupted(&wait, false))
			return -EINTR;
		now = host_now();
		if (now >= call->deadline)
			return kernel_events(call, harvest(call, now), now);
		n = ep_sleep(call, now);
	}
	return n;
}

/* Another thread may close the set meanwhile: the call goes on, as in Linux. */
static int ep_block(const struct ep_call *call, s7_time now)
{
	struct wait_hold hold;
	int n;

	n = wait_hold_begin(&hold, &call->ep->file, call->cookie);
	if (n)
		return n;
	pthread_cleanup_push(wait_hold_end, &hold);
	n = ep_turns(call, now);
	pthread_cleanup_pop(1);
	return n;
}

static int ep_wait(const struct ep_call *call)
{
	s7_time now;
	int n;

	cancel_point();
	if (call->max <= 0 || call->max > EP_MAX)
		return -EINVAL;
	if (s7_unlikely(user_beyond(call->events, (uint64_t)call->max * sizeof(*call->events))))
		return -EFAULT;
	now = host_now();
	n = harvest(call, now);
	if (n || now >= call->deadline)
		return !n || kernel_due(call, now) ? kernel_events(call, n, now) : n;
	return ep_block(call, now);
}

/* Looks the set up, again if it was closed in between. False: it is none of ours. */
static bool ep_find(struct ep_call *call)
{
	struct s7_epoll_at at = fd_epoll_at(call->epfd);

	call->ep = at.ep;
	call->cookie = at.cookie;
	return at.ep;
}

/* ---- a set that is the kernel's ---- */

enum foreign_by { BY_WAIT, BY_PWAIT, BY_PWAIT2 };

struct foreign {
	enum foreign_by by;
	int ms;
	const struct timespec *ts;
};

static int foreign_call(const struct ep_call *call, const struct foreign *how)
{
	switch (how->by) {
	case BY_WAIT:
		return real.epoll_wait(call->epfd, call->events, call->max, how->ms);
	case BY_PWAIT:
		return real.epoll_pwait(call->epfd, call->events, call->max, how->ms, call->mask);
	default:
		return real.epoll_pwait2(call->epfd, call->events, call->max, how->ts, call->mask);
	}
}

static void foreign_end(void *arg)
{
	epoll_late_end(*(int *)arg);
}

/* Events, 0 or -1 with errno; -SOCK_STALE: the set became ours while we slept in it, look again. */
static int foreign_wait(const struct ep_call *call, const struct foreign *how)
{
	int epfd = call->epfd, n;

	epoll_late_begin(epfd);
	pthread_cleanup_push(foreign_end, &epfd);
	n = foreign_call(call, how);
	pthread_cleanup_pop(1);
	if (n <= 0)
		return n;
	n = epoll_late_filter(epfd, call->events, n);
	return n ? n : -SOCK_STALE;
}

/* The rest of a wait, by the one call that every kernel has; up to a millisecond long. */
static void foreign_rest(const struct ep_call *call, struct foreign *how)
{
	s7_time now = host_now();

	how->by = how->by == BY_PWAIT2 ? BY_PWAIT : how->by;
	how->ms = call->deadline == S7_NEVER ? -1
		: call->deadline <= now	     ? 0
					     : (int)((call->deadline - now + S7_MS - 1) / S7_MS);
}

/* Deadline set. Ours or the kernel's, whatever the set is now. */
static int ep_either(struct ep_call *call, struct foreign *how)
{
	int n;

	for (;;) {
		if (ep_find(call)) {
			n = poll_mask_there(call->mask) ? ep_wait(call) : -EFAULT;
			if (s7_likely(n != -SOCK_STALE))
				return (int)ret_errno(n);
		} else {
			n = foreign_wait(call, how);
			if (s7_likely(n != -SOCK_STALE))
				return n;
			foreign_rest(call, how);
		}
	}
}

S7_EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
			  const sigset_t *mask)
{
	struct ep_call call = { .epfd = epfd, .max = max, .events = events, .mask = mask };
	struct foreign how = { .by = BY_PWAIT, .ms = timeout };

	call.deadline = poll_deadline_ms(timeout);
	return ep_either(&call, &how);
}

S7_EXPORT int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	struct ep_call call = { .epfd = epfd, .max = max, .events = events };
	struct foreign how = { .by = BY_WAIT, .ms = timeout };

	call.deadline = poll_deadline_ms(timeout);
	return ep_either(&call, &how);
}

S7_EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int max,
			   const struct timespec *timeout, const sigset_t *mask)
{
	struct ep_call call = { .epfd = epfd, .max = max, .events = events, .mask = mask };
	struct foreign how = { .by = BY_PWAIT2, .ts = timeout };
	int err;

	err = poll_deadline_ts(timeout, NULL, &call.deadline);
	return err ? (int)ret_errno(err) : ep_either(&call, &how);
}
