/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ready.h - a socket watched in every way at once (ready.c), for the cases that walk it through its
 * states
 */
#ifndef S7_TEST_DIFF_READY_H
#define S7_TEST_DIFF_READY_H

#include "test/diff/diff.h"

struct watch {
	int fd;
	int level, edge, once; /* epoll sets; the socket stays in each of them */
};

/* Three epoll sets, and SIGIO as a real-time signal with its story. */
void watch_begin(struct watch *w, int fd);
/*
 * After a while, in one line: poll, select's three sets, the level, edge and oneshot set (which is
 * armed again), and which different signals came since the last time.
 */
void watch_say(struct watch *w, const char *text);
/* What came until now counts no more: edges and signals. */
void watch_forget(struct watch *w);
void watch_end(struct watch *w);

/* ---- starting points of either family ---- */

/* Bound to the loopback address and a port of the kernel's choice. */
int ready_bound(int domain, int type);
/* Connects to the loopback address of fd's family. */
int ready_connect(int fd, uint16_t port);
/* A connection: what connected, and what was accepted. */
void ready_pair(int domain, int *ret_client, int *ret_server);
/* close() answers with RST. */
void ready_reset(int fd);

#endif
