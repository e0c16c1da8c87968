/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * diff.h - what a case of the differential test says, and the sockets it starts from
 *
 * A case is a function that prints a transcript: what it did and what it got. It runs once on the
 * kernel and once on sock7, in a process of its own, and both transcripts must be equal; so it
 * prints no descriptor numbers, no ports (pN: the Nth port seen) and no times, only whether a bound
 * was kept.
 */
#ifndef S7_TEST_DIFF_H
#define S7_TEST_DIFF_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct diff_case {
	const char *name;
	void (*run)(void);
	struct diff_case *next;
	/* instead of run: a generated group, told its name; its file holds many transcripts */
	void (*run_named)(const char *name);
};

void diff_add(struct diff_case *c);

#define CASE(id) \
	static void case_##id(void); \
	static struct diff_case entry_##id = { #id, case_##id, NULL, NULL }; \
	__attribute__((constructor)) static void add_##id(void) { diff_add(&entry_##id); } \
	static void case_##id(void)

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- saying ---- */

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *err_name(int err);
/* Says "TEXT = VALUE" or "TEXT = -1 ERRNO"; returns the value. */
long say_result(const char *text, long value);
/* As say_result, but any descriptor is "fd". */
int say_fd(const char *text, int fd);
/* The expression, and what it gives. */
#define T(expr) (errno = 0, say_result(#expr, (long)(expr)))
#define F(expr) (errno = 0, say_fd(#expr, (int)(expr)))

void say_addr(const char *text, const void *addr, socklen_t len);
void say_bytes(const char *text, const void *data, long len);
void say_events(const char *text, uint32_t events);
/* poll(2) for everything, waiting at most ms. */
void say_poll(const char *text, int fd, int ms);
void say_names(const char *text, int fd);
void say_so_error(int fd);

int64_t now_ms(void);
/*
 * Says whether from..now lies in [low, high] ms. For waits: high is later than a busy machine makes
 * them, a second or more.
 */
void say_took(const char *text, int64_t from, int low, int high);
/*
 * Says whether the fastest of some runs took [low, high] ms. Other work on the machine delays a
 * run, but makes none faster: one in time is enough.
 */
void say_fastest(const char *text, void (*run)(void), int low, int high);

/* ---- starting points ---- */

struct sockaddr_in loop_addr(uint16_t port); /* 127.0.0.1; host order */
uint16_t port_of(int fd);
int sock(int type); /* AF_INET */
int tcp_listener(int backlog, uint16_t *ret_port);
void tcp_pair(int *ret_client, int *ret_server);
void udp_pair(int *ret_a, int *ret_b); /* both bound, neither connected */
int udp_bound(uint16_t *ret_port);
int set_int(int fd, int level, int name, int value);
int get_int(int fd, int level, int name);
void nonblock(int fd);
int conn(int fd, uint16_t port); /* connect to 127.0.0.1:port */
/* Long enough for what is under way to arrive. */
void settle(void);
/* A port that nobody has. */
uint16_t dead_port(void);

#endif
