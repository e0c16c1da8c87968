/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll_late.h - epoll sets that become ours while threads sleep in them (epoll_late.c)
 */
#ifndef S7_EPOLL_LATE_H
#define S7_EPOLL_LATE_H

#include <sys/epoll.h>

#include "shim/internal.h"

/* Around a wait in the kernel, in a set that is not ours (yet). */
void epoll_late_begin(int epfd);
void epoll_late_end(int epfd);

/* The set was entered just now: who sleeps in the kernel's wakes and looks again. */
void epoll_late_kick(int epfd);

/*
 * Takes the kick out of n events that the kernel told; the new number, 0 if there was nothing else.
 * n < 0 is returned as it is.
 */
int epoll_late_filter(int epfd, struct epoll_event *events, int n);

/* In a forked child: the others' sleep was not inherited. */
void epoll_late_forked(void);

#endif
