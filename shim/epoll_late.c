/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll_late.c - sets that become ours while threads sleep in them
 *
 * Idea: a set that was made before the stack ran is the kernel's alone, and so is a wait in it.
 * When the first of our sockets is added, those sleepers would never hear of it. They are counted
 * by descriptor while they sleep in the kernel; a set that is entered with sleepers gets the kick:
 * an eventfd that is always readable. Each sleeper wakes with it, sees that the set is ours now and
 * waits anew, the right way; the last one takes the kick out again.
 * Bound: a sleeper that left by longjmp stays counted; the kick is taken out after KICK_LONG
 * whoever is still counted.
 * Context: any thread, no lock held. State is the process's own. Callers: calls_epoll.c, fork.c.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "shim/epoll_late.h"
#include "stack/base/sys.h"

#define KICK_LONG S7_SEC

static _Atomic(_Atomic uint16_t *) sleepers; /* by descriptor; mapped with the first one */
static _Atomic int kick_fd = -1;
static _Atomic uint64_t kick_until;

static _Atomic uint16_t *sleepers_of(int epfd, bool make)
{
	_Atomic uint16_t *all = atomic_load_explicit(&sleepers, memory_order_acquire), *none = NULL;
	long map;

	if ((uint32_t)epfd >= S7_FDS_MAX)
		return NULL;
	if (s7_likely(all))
		return &all[epfd];
	if (!make)
		return NULL;
	map = s7_sys6(SYS_mmap, 0, S7_FDS_MAX * sizeof(*all), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map < 0 && map > -4096)
		return NULL;
	if (!atomic_compare_exchange_strong(&sleepers, &none, (_Atomic uint16_t *)map))
		s7_sys2(SYS_munmap, map, S7_FDS_MAX * sizeof(*all));
	return &atomic_load(&sleepers)[epfd];
}

void epoll_late_begin(int epfd)
{
	_Atomic uint16_t *count = sleepers_of(epfd, true);

	if (count)
		atomic_fetch_add(count, 1);
}

void epoll_late_end(int epfd)
{
	_Atomic uint16_t *count = sleepers_of(epfd, false);

	if (count)
		atomic_fetch_sub(count, 1);
}

/* One serves every set. Two threads that make it at once: one of them closes its own again. */
static int kick_get(void)
{
	int fd = atomic_load(&kick_fd), none = -1;

	if (fd >= 0)
		return fd;
	fd = (int)s7_sys2(SYS_eventfd2, 1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return fd;
	fd = fd_make_internal(fd);
	if (!atomic_compare_exchange_strong(&kick_fd, &none, fd)) {
		fd_unmark_internal(fd);
		s7_sys1(SYS_close, fd);
	}
	return atomic_load(&kick_fd);
}

void epoll_late_kick(int epfd)
{
	const _Atomic uint16_t *count = sleepers_of(epfd, false);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = (void *)&kick_fd };
	int fd;

	if (!count || !atomic_load(count))
		return;
	fd = kick_get();
	atomic_store(&kick_until, host_now() + KICK_LONG);
	if (fd < 0 || s7_sys4(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, fd, &event) < 0)
		shim_log(LOG_WARN, "threads that wait in epoll set %d may miss a socket", epfd);
}

static void kick_done(int epfd)
{
	const _Atomic uint16_t *count = sleepers_of(epfd, false);

	if (!count || !atomic_load(count) || host_now() > atomic_load(&kick_until))
		s7_sys4(SYS_epoll_ctl, epfd, EPOLL_CTL_DEL, atomic_load(&kick_fd), NULL);
}

int epoll_late_filter(int epfd, struct epoll_event *events, int n)
{
	int out = 0;

	if (s7_likely(atomic_load_explicit(&kick_fd, memory_order_relaxed) < 0))
		return n;
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == (void *)&kick_fd)
			kick_done(epfd);
		else
			events[out++] = events[i];
	}
	return n < 0 ? n : out;
}

void epoll_late_forked(void)
{
	_Atomic uint16_t *all = atomic_load(&sleepers);

	if (all)
		s7_sys3(SYS_madvise, all, S7_FDS_MAX * sizeof(*all), MADV_DONTNEED);
}
