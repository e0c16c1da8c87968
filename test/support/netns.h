/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netns.h - network namespaces of a test's own, without names, gone with the test's process
 */
#ifndef S7_TEST_NETNS_H
#define S7_TEST_NETNS_H

#include <stdbool.h>

/* Two namespaces joined by a veth pair: s7a (10.77.0.1/24, fd77::1/64) in a, s7b (.2, ::2) in b. */
struct netns_pair {
	int a, b; /* descriptors of the namespaces */
};

/* Moves the process into a new namespace with loopback up; its descriptor, or -errno. */
int netns_new(void);

/* Moves the calling thread. 0 or -errno. */
int netns_enter(int fd);

/* Runs a shell command in the current namespace; 0 if it succeeded. */
int netns_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Leaves the caller in a. 0, or -errno: -EPERM means "skip the test". */
int netns_pair_new(struct netns_pair *ret_pair);

#endif
