/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait.c - threads that sleep
 *
 * One ppoll covers the program's kernel descriptors, the thread's bell, the process's bell and, for
 * the one watcher of an instance, the ports and the next timer.
 * Invariant: a sleeper's nodes are chained in its record, so that the reaper finds what a killed
 * process left; a node holds a reference of its file.
 * Context: own thread, no lock held on entry.
 * Callers: wait_sock.c, calls_poll.c, calls_epoll.c; signal.c by shim.h.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#include "shim/internal.h"
#include "shim/wait_int.h"

#define SMALL_FDS 96

/*
 * A signal handler slept in the midst of this thread's own sleep: it used up the rings and the
 * nodes of that, which must look again.
 */
static __thread bool slept_inside;
static __thread uintptr_t sleep_frame; /* of the call that armed last */

/* ---- queues ---- */

void wait_arm(struct s7_waiter *self)
{
	if (!self)
		return;
	if (atomic_load_explicit(&self->state, memory_order_relaxed) == WAITER_SLEEPING)
		slept_inside = true;
	sleep_frame = (uintptr_t)__builtin_frame_address(0);
	atomic_store_explicit(&self->rung, 0, memory_order_relaxed);
	atomic_store(&self->state, WAITER_SLEEPING);
}

void wait_disarm(struct s7_waiter *self)
{
	if (self)
		atomic_store_explicit(&self->state, WAITER_AWAKE, memory_order_release);
}

bool wait_queue(struct s7_waiter *self, struct s7_inst *inst, struct s7_list *waitq,
		struct s7_file *file, uint32_t events, bool exclusive)
{
	struct s7_wait *node = self ? slab_alloc(&inst->waits) : NULL;

	if (!node)
		return false;
	/* the last descriptor may have gone since the caller looked */
	if (!file_try_ref(file)) {
		slab_free(&inst->waits, node);
		return false;
	}
	list_init(&node->node);
	node->events = events;
	node->kind = WAIT_THREAD;
	node->exclusive = exclusive;
	node->inst = (uint8_t)inst->index;
	node->waiter = self;
	node->file = file;
	node->chain = self->nodes;
	/* in the record as long as it is in the queue: killed in between, the reaper finds it */
	s7_in_order();
	self->nodes = node;
	s7_in_order();
	wait_add(waitq, node);
	return true;
}

/*
 * A sleep whose frame is below (deeper than) the caller's is over; one above goes on behind a
 * handler. (With the handler on a stack of its own it may look otherwise: then the sleep looks
 * again.)
 */
void wait_abandoned(void)
{
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
	struct s7_waiter *self = wait_me;

	if (s7_likely(!self || (!self->nodes && !self->holds)))
		return;
	if (self->nodes && sleep_frame < frame) {
		wait_unqueue(self);
		slept_inside = true;
	}
	wait_hold_drop_below(self, frame);
}

void wait_handler_returned(void)
{
	if (!slept_inside)
		return;
	slept_inside = false;
	if (wait_me)
		wait_bell_write(wait_me);
}

#define DROP_BATCH 32

/* The event that rang a thread which will not come for it goes to the next one. Lock held. */
static void pass_on(struct s7_inst *inst, const struct s7_wait *node)
{
	struct s7_file *file = node->file;

	if (file->kind == FILE_SOCK)
		wait_wake(inst, &file_sock(file)->waitq, node->events);
	else if (file->kind == FILE_EPOLL)
		wait_wake(inst, &file_epoll(file)->part[inst->index].waitq, node->events);
}

void wait_drop_nodes(struct s7_waiter *waiter, bool was_rung)
{
	struct s7_file *file[DROP_BATCH];
	struct s7_wait *node = waiter->nodes;

	while (node) {
		struct s7_inst *inst = s7_arena->inst[node->inst];
		uint32_t n = 0;

		handlers_off();
		inst_lock(inst, 0);
		while (node && n < DROP_BATCH && node->inst == inst->index) {
			list_del(&node->node);
			s7_in_order();
			waiter->nodes = node->chain;
			s7_in_order();
			if (node->exclusive && was_rung)
				pass_on(inst, node);
			file[n++] = node->file;
			slab_free(&inst->waits, node);
			node = waiter->nodes;
		}
		inst_unlock(inst);
		for (uint32_t i = 0; i < n; i++)
			file_put(file[i]);
		handlers_on();
	}
}

void wait_unqueue(struct s7_waiter *self)
{
	if (self && self->nodes)
		wait_drop_nodes(self, false);
}

/* ---- the sleep ---- */

/* One sleep: what is polled and what must be undone. */
struct sleep {
	struct s7_inst *inst;
	struct s7_waiter *self;
	uint32_t watched; /* instances this thread watches, by index */
	uint32_t armed;	  /* ... whose ports were told (sleep_begin) */
	s7_time until;
	s7_time now;
	struct pollfd *fds;
	uint32_t count, room, ports_at; /* ports_at: the first port's in fds */
	int bell_at, proc_at; /* in fds, -1: not there */
	struct pollfd small[SMALL_FDS];
};

static void sleep_add(struct sleep *s, int fd)
{
	s->fds[s->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* Adds the ports of an instance that this thread watches. Lock held. */
static void sleep_ports(struct sleep *s, struct s7_inst *inst)
{
	bool must_poll = false;

	s->armed |= 1u << inst->index;
	for (uint32_t i = 1; i < inst->iface_count; i++) {
		const struct s7_netdev_ops *ops = inst->env->dev[i].ops;
		void *dev = inst->env->dev[i].dev;
		uint16_t queue = inst->iface[i].queue;
		int fd = ops->sleep_fd ? ops->sleep_fd(dev, queue) : -1;

		if (fd < 0) {
			must_poll = true;
			continue;
		}
		if (s->count < s->room)
			sleep_add(s, fd);
		if (ops->sleep_begin && ops->sleep_begin(dev, queue) == 1)
			s->until = s->now;
	}
	s->until = s7_min(s->until, inst_next_timer(inst));
	if (must_poll)
		s->until = s7_min(s->until, s->now + wait_role_nap(inst));
}

static void sleep_watch(struct sleep *s)
{
	for (uint32_t i = 0; i < s7_arena->inst_count; i++) {
		struct s7_inst *inst = s7_arena->inst[i];

		if (!s->self || !wait_role_take(inst, s->self))
			continue;
		s->watched |= 1u << i;
		inst_lock(inst, s->now);
		inst_idle(inst);
		sleep_ports(s, inst);
		inst_unlock(inst);
	}
}

/*
 * Disarms the ports and lays the role down. The caller drives its own instance next; others' are
 * driven here.
 */
static void sleep_leave(struct sleep *s)
{
	while (s->watched) {
		uint32_t k = (uint32_t)__builtin_ctz(s->watched), mine = wait_id(s->self);
		struct s7_inst *inst = s7_arena->inst[k];

		s->watched &= s->watched - 1;
		inst_lock(inst, 0);
		for (uint32_t i = 1; (s->armed & 1u << k) && i < inst->iface_count; i++) {
			const struct s7_netdev_ops *ops = inst->env->dev[i].ops;

			if (ops->sleep_end)
				ops->sleep_end(inst->env->dev[i].dev, inst->iface[i].queue);
		}
		if (inst != s->inst)
			inst_drive(inst);
		inst_unlock(inst);
		if (!atomic_compare_exchange_strong(&inst->watcher, &mine, 0))
			continue;
		atomic_store(&inst->last_watcher, mine);
		if (s7_unlikely(atomic_load(&s->self->absent_until) > s->now))
			wait_role_hand_on(inst, s->self);
	}
	atomic_fetch_sub(&s->inst->sleepers, 1);
	if (s->self)
		s->self->asleep_on = 0;
	wait_disarm(s->self);
}

static void sleep_unmap(struct sleep *s)
{
	if (s->fds != s->small)
		s7_sys2(SYS_munmap, s->fds, s->room * sizeof(*s->fds));
}

/* The thread was cancelled in its sleep. */
static void sleep_cancelled(void *arg)
{
	struct sleep *s = arg;

	sleep_leave(s);
	sleep_unmap(s);
	wait_unqueue(s->self);
}

static const struct timespec *sleep_timeout(const struct sleep *s, struct timespec *ts)
{
	s7_time left = s->until > s->now ? s->until - s->now : 0;

	if (s->until == S7_NEVER)
		return NULL;
	ts->tv_sec = (time_t)(left / S7_SEC);
	ts->tv_nsec = (long)(left % S7_SEC);
	return ts;
}

/*
 * A sandbox that lowered RLIMIT_NOFILE below what is polled here (vsftpd: to none) has EINVAL from
 * ppoll, but its blocking calls go on to work: they look every millisecond.
 */
static int poll_or_nap(struct sleep *s, const struct timespec *timeout, const sigset_t *mask)
{
	static const struct timespec nap = { .tv_nsec = S7_MS };
	int n = real.ppoll(s->fds, s->count, timeout, mask);

	if (s7_likely(n >= 0 || errno != EINVAL))
		return n;
	return real.ppoll(NULL, 0, timeout && s->until < s->now + S7_MS ? timeout : &nap, mask);
}

static int sleep_poll(struct sleep *s, const struct timespec *timeout, const sigset_t *mask)
{
	int n, saved = errno;

	pthread_cleanup_push(sleep_cancelled, s);
	n = poll_or_nap(s, timeout, mask);
	if (n < 0)
		n = -errno;
	pthread_cleanup_pop(0);
	errno = saved;
	return n;
}

/* Room for the program's descriptors, the bells, and every port. */
static int sleep_room(struct sleep *s, const struct pollfd *kfds, uint32_t nkfds)
{
	uint32_t need = nkfds + 2 + S7_INSTS_MAX * S7_IFACES_MAX;
	long map;

	s->fds = s->small;
	s->room = SMALL_FDS;
	if (nkfds + 2 + s7_arena->inst_count * S7_IFACES_MAX > SMALL_FDS) {
		map = s7_sys6(SYS_mmap, 0, (long)(need * sizeof(*s->fds)), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map < 0 && map > -4096)
			return -ENOMEM;
		s->fds = (struct pollfd *)map;
		s->room = need;
	}
	if (nkfds)
		memcpy(s->fds, kfds, nkfds * sizeof(*kfds));
	s->count = nkfds;
	return 0;
}

static void sleep_bells(struct sleep *s)
{
	int bell = proc_bell_fd();

	s->bell_at = s->proc_at = -1;
	if (s->self && s->self->bell >= 0) {
		s->bell_at = (int)s->count;
		sleep_add(s, s->self->bell);
	} else {
		s->until = wait_nap(s->until, s->now);
	}
	if (bell >= 0) {
		s->proc_at = (int)s->count;
		sleep_add(s, bell);
	}
}

/* Empties the bells and copies the answers; returns how many of kfds have one. */
static int sleep_result(struct sleep *s, struct pollfd *kfds, uint32_t nkfds, int n)
{
	uint64_t rings;
	int ready = 0;

	for (uint32_t i = 0; i < nkfds; i++) {
		kfds[i].revents = n > 0 ? s->fds[i].revents : 0;
		ready += kfds[i].revents != 0;
	}
	if (n <= 0)
		return n;
	if (s->bell_at >= 0 && s->fds[s->bell_at].revents)
		s7_sys3(SYS_read, s->self->bell, &rings, sizeof(rings));
	if (s->proc_at >= 0 && s->fds[s->proc_at].revents)
		proc_bell_pass();
	return ready;
}

static bool came_by_port(const struct sleep *s)
{
	for (uint32_t i = s->ports_at; i < s->count; i++)
		if (s->fds[i].revents)
			return true;
	return false;
}

int wait_sleep(struct s7_inst *inst, struct s7_waiter *self, struct pollfd *kfds, uint32_t nkfds,
	       s7_time deadline, const sigset_t *mask)
{
	struct timespec ts;
	struct sleep s;
	int n;

	s.inst = inst;
	s.self = self;
	s.watched = s.armed = 0;
	s.until = deadline;
	s.now = host_now();
	n = sleep_room(&s, kfds, nkfds);
	if (n < 0) {
		wait_disarm(self);
		return n;
	}
	atomic_fetch_add(&inst->sleepers, 1);
	if (self)
		self->asleep_on = inst->index + 1;
	sleep_bells(&s);
	s.ports_at = s.count;
	sleep_watch(&s);
	if (self && !(s.watched & 1u << inst->index))
		atomic_store_explicit(&inst->standby, wait_id(self), memory_order_relaxed);
	/* rung meanwhile: the bell holds it; look again at once */
	if (self && atomic_load(&self->rung))
		s.until = s.now;
	stat_add_shared(inst, STAT_SLEEPS, 1);
	n = sleep_poll(&s, sleep_timeout(&s, &ts), mask);
	sleep_leave(&s);
	if (s7_unlikely(keeper_naps()) && n > 0 && came_by_port(&s))
		keeper_wake();
	n = sleep_result(&s, kfds, nkfds, n);
	sleep_unmap(&s);
	return n;
}
