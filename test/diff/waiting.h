/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waiting.h - what the cases about waiting share: sets, and something done by another thread later
 */
#ifndef S7_TEST_DIFF_WAITING_H
#define S7_TEST_DIFF_WAITING_H

#include <pthread.h>

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

struct later {
	void (*act)(int arg);
	int arg, ms;
	pthread_t thread;
};

static inline void *later_run(void *arg)
{
	struct later *l = arg;

	usleep((unsigned)l->ms * 1000);
	l->act(l->arg);
	return NULL;
}

static inline void later(struct later *l, int ms, void (*act)(int), int arg)
{
	sigset_t all, old;

	l->act = act;
	l->arg = arg;
	l->ms = ms;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_create(&l->thread, NULL, later_run, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static inline void later_end(struct later *l)
{
	pthread_join(l->thread, NULL);
}

#endif
