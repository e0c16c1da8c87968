/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_poll.c - poll, ppoll, select, pselect over kernel descriptors and ours
 *
 * A set without a descriptor of ours goes to libc after one scan. A mixed set becomes one sleep:
 * `kfds` is the program's array with our descriptors masked out (negative numbers are skipped by
 * the kernel), our sockets get wait nodes. A dual socket, and an epoll set, stays in kfds too, and
 * both answers are or'ed. select is poll with Linux's translation of the three sets. The program's
 * arrays are copied in and the answers out, so that one that is no memory is EFAULT.
 * Context: any thread, no lock held. As Linux, none of these is restarted after a handler.
 * Defines: poll __poll_chk ppoll __ppoll_chk select pselect.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include "shim/io.h"
#include "shim/poll_int.h"
#include "shim/wait_int.h"
#include "stack/base/sys.h"
#include "stack/base/user.h"

int __poll_chk(struct pollfd *fds, nfds_t cnt, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t cnt, const struct timespec *timeout,
		const sigset_t *mask, size_t room);

/* ---- a set ---- */

static bool poll_is_ours(struct pollfd *fds, nfds_t cnt)
{
	uint32_t fd;

	for (nfds_t i = 0; s7_unlikely(s7_early_count) && fds && i < cnt; i++)
		if (user_get32(&fd, &fds[i].fd))
			early_adopt_waited((int)fd);
	if (!s7_fds.limit || !fds)
		return false;
	for (nfds_t i = 0; i < cnt; i++) {
		if (s7_unlikely(!user_get32(&fd, &fds[i].fd)))
			return false; /* EFAULT, or EINVAL, is libc's to tell */
		if (s7_unlikely(fd_get((int)fd) != NULL))
			return true;
	}
	return false;
}

int poll_set_init(struct poll_set *set, const struct pollfd *fds, uint32_t cnt)
{
	long map;

	set->fds = set->small;
	set->cnt = cnt;
	set->kernel = false;
	set->kfds = set->small_k;
	set->files = set->small_f;
	set->cookies = set->small_c;
	set->mapped = 0;
	if (cnt > POLL_SMALL) {
		set->mapped = cnt * (2 * sizeof(*set->kfds) + sizeof(*set->files) +
				     sizeof(*set->cookies));
		map = s7_sys6(SYS_mmap, 0, (long)set->mapped, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map < 0 && map > -4096)
			return -ENOMEM;
		set->files = (struct s7_file **)map;
		set->cookies = (uint64_t *)(set->files + cnt);
		set->kfds = (struct pollfd *)(set->cookies + cnt);
		set->fds = set->kfds + cnt;
	}
	if (!user_get(set->fds, fds, cnt * sizeof(*fds))) {
		poll_set_free(set);
		return -EFAULT;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		struct s7_file *file = fd_get_at(set->fds[i].fd, &set->cookies[i]);

		set->files[i] = file;
		set->kfds[i] = set->fds[i];
		if (file && file->kind == FILE_SOCK && !io_has_twin(file_sock(file)))
			set->kfds[i].fd = -1;
		else if (set->fds[i].fd >= 0)
			set->kernel = true;
	}
	return 0;
}

void poll_set_free(struct poll_set *set)
{
	if (set->mapped)
		s7_sys2(SYS_munmap, set->files, set->mapped);
}

/* Lock held. */
static uint32_t file_events(struct s7_file *file, uint64_t cookie, uint32_t inst)
{
	if (!file_is(file, cookie)) /* closed by another thread */
		return POLLNVAL;
	if (file->kind == FILE_EPOLL)
		return epoll_part_readable(file_epoll(file), inst) ? EPOLLIN | EPOLLRDNORM : 0;
	return file->kind == FILE_SOCK ? sock_ready_locked(file_sock(file)) : POLLNVAL;
}

static bool file_in(const struct s7_file *file, uint32_t inst)
{
	return file && (file->kind == FILE_EPOLL || file->inst == inst);
}

static bool file_queue(struct s7_file *file, struct s7_inst *inst, uint32_t events,
		       struct s7_waiter *self)
{
	struct s7_list *waitq = file->kind == FILE_EPOLL ?
					&file_epoll(file)->part[inst->index].waitq :
					&file_sock(file)->waitq;

	return wait_queue(self, inst, waitq, file, sock_interest(events), false);
}

/*
 * Drives one instance and or's what is true into revents. While nothing is, and `self` is given,
 * queues it. Returns false when a node was missing.
 */
static bool look_inst(struct poll_set *set, struct s7_inst *inst, struct s7_waiter *self,
		      s7_time now, uint32_t *ready)
{
	bool queued = true;

	inst_lock(inst, now);
	inst_drive(inst);
	for (uint32_t i = 0; i < set->cnt; i++) {
		struct s7_file *file = set->files[i];
		uint32_t want = (uint16_t)set->fds[i].events | POLLERR | POLLHUP | POLLNVAL;
		uint32_t found;

		if (!file_in(file, inst->index))
			continue;
		found = file_events(file, set->cookies[i], inst->index) & want;
		if (found) {
			*ready += set->fds[i].revents == 0;
			set->fds[i].revents |= (short)found;
		} else if (self && !*ready) {
			queued &= file_queue(file, inst, want, self);
		}
	}
	inst_unlock(inst);
	return queued;
}

/* All instances that have a socket of the set. */
static bool look(struct poll_set *set, struct s7_waiter *self, s7_time now, uint32_t *ready)
{
	uint32_t mask = 0;
	bool queued = true;

	*ready = 0;
	for (uint32_t i = 0; i < set->cnt; i++) {
		set->fds[i].revents = 0;
		if (set->files[i])
			mask |= set->files[i]->kind == FILE_EPOLL ? (1u << s7_arena->inst_count) - 1
								  : 1u << set->files[i]->inst;
	}
	for (; mask; mask &= mask - 1)
		queued &= look_inst(set, s7_arena->inst[__builtin_ctz(mask)], self, now, ready);
	return queued;
}

/* Adds what the kernel said to what we found; returns how many descriptors have something. */
static uint32_t merge(struct poll_set *set)
{
	uint32_t ready = 0;

	for (uint32_t i = 0; i < set->cnt; i++) {
		if (set->kfds[i].fd >= 0)
			set->fds[i].revents |= set->kfds[i].revents;
		ready += set->fds[i].revents != 0;
	}
	return ready;
}

/* Asks the kernel without waiting. */
static uint32_t kernel_look(struct poll_set *set, uint32_t ready)
{
	struct timespec zero = { 0, 0 };

	if (!set->kernel)
		return ready;
	if (s7_sys6(SYS_ppoll, (long)set->kfds, set->cnt, (long)&zero, 0, 0, 0) <= 0)
		return ready;
	return merge(set);
}

static uint32_t poll_spin(struct poll_set *set, struct s7_inst *inst, s7_time now, s7_time deadline)
{
	struct wait_spin spin;
	uint32_t ready = 0;

	wait_spin_begin(&spin, inst, now, deadline);
	while (!ready && wait_spin_turn(&spin, &now))
		look(set, NULL, now, &ready);
	wait_spin_end(&spin, ready);
	return ready;
}

/*
 * Where the kernel has a part in it is what a socket is now: another thread may have bound it
 * since, or given it to the kernel, whose descriptor it is then. (Closed, the kernel says so.)
 */
static void sides_again(struct poll_set *set)
{
	for (uint32_t i = 0; i < set->cnt; i++) {
		struct s7_file *file = set->files[i];
		bool twin;

		if (!file || file->kind != FILE_SOCK)
			continue;
		twin = !fd_get(set->fds[i].fd) || io_has_twin(file_sock(file));
		if (!fd_get(set->fds[i].fd))
			set->files[i] = NULL;
		set->kfds[i].fd = twin ? set->fds[i].fd : -1;
		set->kernel |= twin;
	}
}

/* One sleep; > 0 descriptors ready, 0 look again, -errno. */
static int poll_sleep(struct poll_set *set, struct s7_inst *inst, s7_time now, s7_time deadline,
		      const sigset_t *mask)
{
	struct s7_waiter *self = wait_self();
	uint32_t ready;
	bool queued;
	int n = 0;

	wait_arm(self);
	sides_again(set);
	queued = look(set, self, now, &ready) && self;
	if (!ready)
		n = wait_sleep(inst, self, set->kfds, set->cnt,
			       queued ? deadline : wait_nap(deadline, now), mask);
	else
		wait_disarm(self);
	/* while the nodes hold the files: one may have been closed, and have its event */
	if (n > 0 || (!n && !ready))
		look(set, NULL, host_now(), &ready);
	wait_unqueue(self);
	if (n > 0)
		return (int)merge(set);
	return n < 0 ? n : (int)kernel_look(set, ready) * (ready != 0);
}

int poll_set_wait(struct poll_set *set, s7_time deadline, const sigset_t *mask)
{
	struct s7_inst *inst = boot_inst();
	struct wait_call call;
	s7_time now = host_now();
	uint32_t ready;
	int n;

	wait_call_begin(&call);
	look(set, NULL, now, &ready);
	if (!ready && now < deadline)
		ready = poll_spin(set, inst, now, deadline);
	if (ready || now >= deadline)
		return (int)kernel_look(set, ready);
	for (;;) {
		n = poll_sleep(set, inst, now, deadline, mask);
		if (n)
			return n;
		if (wait_call_interrupted(&call, false))
			return -EINTR;
		now = host_now();
		if (now >= deadline) {
			look(set, NULL, now, &ready);
			return (int)kernel_look(set, ready);
		}
	}
}

/* The answers, whatever became of the call, as Linux. */
static bool poll_set_out(const struct poll_set *set, struct pollfd *fds)
{
	for (uint32_t i = 0; i < set->cnt; i++)
		if (!user_put(&fds[i].revents, &set->fds[i].revents, sizeof(fds[i].revents)))
			return false;
	return true;
}

/* No limit of descriptors in use is below this. */
#define POLL_SURELY 256

static bool is_too_many(nfds_t cnt)
{
	struct rlimit limit = { .rlim_cur = S7_FDS_MAX };

	s7_sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	return cnt > limit.rlim_cur;
}

static int poll_mixed(struct pollfd *fds, nfds_t cnt, s7_time deadline, const sigset_t *mask)
{
	struct poll_set set;
	int n;

	cancel_point();
	if (s7_unlikely(cnt > POLL_SURELY && is_too_many(cnt)))
		return -EINVAL;
	n = poll_set_init(&set, fds, (uint32_t)cnt);
	if (n)
		return n;
	n = poll_set_wait(&set, deadline, mask);
	if (!poll_set_out(&set, fds))
		n = -EFAULT;
	poll_set_free(&set);
	return n;
}

/* ---- poll ---- */

S7_EXPORT int poll(struct pollfd *fds, nfds_t cnt, int timeout)
{
	if (!poll_is_ours(fds, cnt))
		return real.poll(fds, cnt, timeout);
	return (int)ret_errno(poll_mixed(fds, cnt, poll_deadline_ms(timeout), NULL));
}

S7_EXPORT int __poll_chk(struct pollfd *fds, nfds_t cnt, int timeout, size_t room)
{
	if (room / sizeof(*fds) < cnt || !poll_is_ours(fds, cnt))
		return real.__poll_chk(fds, cnt, timeout, room);
	return poll(fds, cnt, timeout);
}

S7_EXPORT int ppoll(struct pollfd *fds, nfds_t cnt, const struct timespec *timeout,
		    const sigset_t *mask)
{
	s7_time deadline;
	int err;

	if (!poll_is_ours(fds, cnt))
		return real.ppoll(fds, cnt, timeout, mask);
	err = poll_deadline_ts(timeout, mask, &deadline);
	if (err)
		return (int)ret_errno(err);
	return (int)ret_errno(poll_mixed(fds, cnt, deadline, mask));
}

S7_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t cnt, const struct timespec *timeout,
			  const sigset_t *mask, size_t room)
{
	if (room / sizeof(*fds) < cnt || !poll_is_ours(fds, cnt))
		return real.__ppoll_chk(fds, cnt, timeout, mask, room);
	return ppoll(fds, cnt, timeout, mask);
}

/* ---- select ---- */

#define SELECT_IN (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_OUT (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SELECT_EX POLLPRI

struct select_sets {
	fd_set *set[3]; /* the program's */
};

static const short select_want[3] = {
	POLLIN | POLLRDNORM | POLLRDBAND, POLLOUT | POLLWRNORM | POLLWRBAND, POLLPRI,
};
static const short select_says[3] = { SELECT_IN, SELECT_OUT, SELECT_EX };

/* The 64 bits of each set from descriptor `at` on. False: a set is no memory. */
static bool select_words(const struct select_sets *sets, int at, unsigned long ret_word[3])
{
	for (int k = 0; k < 3; k++) {
		const unsigned long *set = (const unsigned long *)sets->set[k];

		ret_word[k] = 0;
		if (set && !user_get(&ret_word[k], set + at / 64, sizeof(ret_word[k])))
			return false;
	}
	return true;
}

/* The kernel cuts the count to its table of descriptors; ours is the larger one. */
static int select_count(int cnt)
{
	return s7_fds.limit && cnt > (int)s7_fds.limit ? (int)s7_fds.limit : cnt;
}

static void select_adopt(const struct select_sets *sets, int cnt)
{
	unsigned long word[3];

	for (int fd = 0; fd < cnt; fd++) {
		if (fd % 64 == 0 && !select_words(sets, fd, word))
			return;
		if ((word[0] | word[1] | word[2]) >> fd % 64 & 1)
			early_adopt_waited(fd);
	}
}

static bool select_is_ours(const struct select_sets *sets, int cnt)
{
	unsigned long word[3];

	if (s7_unlikely(s7_early_count))
		select_adopt(sets, cnt < FD_SETSIZE ? cnt : FD_SETSIZE);
	if (!s7_fds.limit)
		return false;
	cnt = select_count(cnt);
	for (int at = 0; at < cnt; at += 64) {
		unsigned long bits;

		if (!select_words(sets, at, word))
			return false; /* EFAULT is libc's to tell */
		for (bits = word[0] | word[1] | word[2]; bits; bits &= bits - 1) {
			int fd = at + __builtin_ctzl(bits);

			if (fd < cnt && fd_get(fd))
				return true;
		}
	}
	return false;
}

/*
 * Writes the answers as Linux: every word up to that of the last descriptor, also what lies beyond
 * it in the word. The number of bits set, -EBADF, -EFAULT.
 */
static int select_result(const struct select_sets *sets, const struct pollfd *fds, uint32_t n,
			 int cnt)
{
	uint32_t i = 0;
	int bits = 0;

	for (; i < n; i++)
		if (fds[i].revents & POLLNVAL)
			return -EBADF;
	i = 0;
	for (int at = 0; at < cnt; at += 64) {
		unsigned long word[3] = { 0, 0, 0 };

		for (; i < n && fds[i].fd < at + 64; i++)
			for (int k = 0; k < 3; k++)
				if (fds[i].events & select_want[k] &&
				    fds[i].revents & select_says[k])
					word[k] |= 1ul << (fds[i].fd - at);
		for (int k = 0; k < 3; k++) {
			bits += __builtin_popcountl(word[k]);
			if (sets->set[k] && !user_put((unsigned long *)sets->set[k] + at / 64,
						      &word[k], sizeof(word[k])))
				return -EFAULT;
		}
	}
	return bits;
}

static int select_run(const struct select_sets *sets, struct pollfd *fds, int cnt, s7_time deadline,
		      const sigset_t *mask)
{
	unsigned long word[3];
	uint32_t n = 0;
	int ret;

	for (int at = 0; at < cnt; at += 64) {
		if (!select_words(sets, at, word))
			return -EFAULT;
		for (int fd = at; fd < cnt && fd < at + 64; fd++) {
			short events = 0;

			for (int k = 0; k < 3; k++)
				events |= word[k] >> (fd - at) & 1 ? select_want[k] : 0;
			if (events)
				fds[n++] = (struct pollfd){ .fd = fd, .events = events };
		}
	}
	ret = poll_mixed(fds, n, deadline, mask);
	return ret < 0 ? ret : select_result(sets, fds, n, cnt);
}

static int select_mixed(const struct select_sets *sets, int cnt, s7_time deadline,
			const sigset_t *mask)
{
	size_t bytes = (size_t)cnt * sizeof(struct pollfd);
	struct pollfd small[POLL_SMALL];
	long map;
	int ret;

	if (cnt <= POLL_SMALL)
		return select_run(sets, small, cnt, deadline, mask);
	map = s7_sys6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (map < 0 && map > -4096)
		return -ENOMEM;
	ret = select_run(sets, (struct pollfd *)map, cnt, deadline, mask);
	s7_sys2(SYS_munmap, map, bytes);
	return ret;
}

S7_EXPORT int select(int cnt, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout)
{
	struct select_sets sets = { { rd, wr, ex } };
	s7_time deadline = S7_NEVER, now;
	struct timeval tv;
	int ret;

	if (cnt <= 0 || !select_is_ours(&sets, cnt))
		return real.select(cnt, rd, wr, ex, timeout);
	if (timeout) {
		if (!user_get(&tv, timeout, sizeof(tv)))
			return (int)ret_errno(-EFAULT);
		if (tv.tv_sec < 0 || tv.tv_usec < 0)
			return (int)ret_errno(-EINVAL);
		deadline = poll_deadline((s7_time)tv.tv_sec + (s7_time)tv.tv_usec / 1000000,
					 (s7_time)tv.tv_usec % 1000000 * S7_US);
	}
	ret = select_mixed(&sets, select_count(cnt), deadline, NULL);
	if (timeout) {
		now = host_now();
		deadline = now < deadline ? deadline - now : 0;
		tv.tv_sec = (time_t)(deadline / S7_SEC);
		tv.tv_usec = (suseconds_t)(deadline % S7_SEC / S7_US);
		user_put(timeout, &tv, sizeof(tv)); /* no error if it cannot be written */
	}
	return (int)ret_errno(ret);
}

S7_EXPORT int pselect(int cnt, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
		      const sigset_t *mask)
{
	struct select_sets sets = { { rd, wr, ex } };
	s7_time deadline;
	int err;

	if (cnt <= 0 || !select_is_ours(&sets, cnt))
		return real.pselect(cnt, rd, wr, ex, timeout, mask);
	err = poll_deadline_ts(timeout, mask, &deadline);
	if (err)
		return (int)ret_errno(err);
	return (int)ret_errno(select_mixed(&sets, select_count(cnt), deadline, mask));
}
