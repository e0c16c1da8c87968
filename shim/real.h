/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * real.h - libc's own functions, by the names of intercept.def
 *
 * `real.close(fd)` is libc's close. Usable at any time: until the constructor has run, a pointer
 * leads to a stub that resolves the whole table first. The inside of libsock7 calls these or
 * stack/base/sys.h, never the bare names.
 */
#ifndef S7_REAL_H
#define S7_REAL_H

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct ifaddrs;
struct if_nameindex;

typedef void (*s7_sighandler)(int sig);

struct s7_real {
#define CALL(result, name, params, args) result(*name) params;
#include "shim/intercept.def"
#undef CALL
};

extern struct s7_real real;

/* Fills the table. Idempotent; no lock, any thread. */
void real_resolve(void);
/* False: a call through the table would resolve it first. */
int real_is_resolved(void);

/* Names of the table in its order, and how many: for the test and for messages. */
extern const char *const real_names[];
extern const unsigned int real_count;

#endif
