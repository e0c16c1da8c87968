/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waiting.h - what the cases about waiting share: sets, and something done by another thread later
 */
#ifndef S7_TEST_DIFF_WAITING_H
#define S7_TEST_DIFF_WAITING_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "test/diff/diff.h"

static inline int ep_add(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u32 = (uint32_t)fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

/* How many events, and of which sort; order does not count. */
static inline void say_set(const char *text, int ep, int ms)
{
	struct epoll_event ev[16];
	uint32_t seen = 0;
	int n = epoll_wait(ep, ev, 16, ms);

	for (int i = 0; i < n; i++)
		seen |= ev[i].events;
	say("%s: %d", text, n);
	say_events("  ", seen);
}

/*
 * On a machine that has other things to do, time alone puts nothing in order: one that is due later
 * acts later, and not before the thread that began it sleeps in its call (STAT_FD, /proc's view of
 * it: opened beforehand, since a descriptor taken meanwhile would show in the transcript).
 */
#define LATER_FD 900
#define LATER_PATIENCE_MS 5000

struct later {
	void (*act)(int arg);
	int arg, ms, stat_fd;
	long due_ms;
	_Atomic int acted;
	struct later *_Atomic before; /* begun earlier, not ended yet */
	pthread_t thread;
};

static struct later *_Atomic later_last;

static inline long later_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline bool later_asleep(const struct later *l)
{
	char text[256] = "";
	const char *at;

	if (pread(l->stat_fd, text, sizeof(text) - 1, 0) <= 0)
		return true;
	at = strrchr(text, ')');
	return !at || at[1] != ' ' || at[2] == 'S';
}

/* Is another one to act first? */
static inline bool later_waits(const struct later *l)
{
	for (struct later *other = l->before; other; other = other->before)
		if (!other->acted && other->due_ms <= l->due_ms)
			return true;
	return false;
}

static inline void *later_run(void *arg)
{
	struct later *l = arg;
	int left = LATER_PATIENCE_MS;

	usleep((unsigned)l->ms * 1000);
	while ((later_waits(l) || !later_asleep(l)) && left--)
		usleep(1000);
	l->act(l->arg);
	l->acted = 1;
	return NULL;
}

static inline int later_stat(void)
{
	char path[64];
	int fd, high;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", syscall(SYS_gettid));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LATER_FD);
	if (fd >= 0)
		close(fd);
	return high;
}

static inline void later(struct later *l, int ms, void (*act)(int), int arg)
{
	sigset_t all, old;

	l->act = act;
	l->arg = arg;
	l->ms = ms;
	l->due_ms = later_now_ms() + ms;
	l->acted = 0;
	l->stat_fd = later_stat();
	l->before = later_last;
	later_last = l;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_create(&l->thread, NULL, later_run, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static inline void later_end(struct later *l)
{
	struct later *_Atomic *at = &later_last;

	pthread_join(l->thread, NULL);
	while (*at && *at != l)
		at = &(*at)->before;
	if (*at)
		*at = l->before;
	if (l->stat_fd >= 0)
		close(l->stat_fd);
}

#endif
