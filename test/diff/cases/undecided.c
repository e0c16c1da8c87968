// SPDX-License-Identifier: BSD-3-Clause
/*
 * undecided.c - a thread waits on a datagram socket that is neither bound nor connected; another
 * one binds it, sends by it or connects it, and what comes then must reach the waiter
 */
#include <pthread.h>

#include "test/diff/diff.h"

static int fd, other;
static char buf[16];

static struct iovec iov = { buf, sizeof(buf) };

static long wait_recv(void) { return recv(fd, buf, sizeof(buf), 0); }
static long wait_read(void) { return read(fd, buf, sizeof(buf)); }
static long wait_recvfrom(void) { return recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL); }

static long wait_recvmsg(void)
{
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return recvmsg(fd, &msg, 0);
}

static long wait_recvmmsg(void)
{
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	return recvmmsg(fd, &msg, 1, 0, NULL);
}

static long wait_poll(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 3000);
}

static long wait_select(void)
{
	struct timeval long_time = { 3, 0 };
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	return select(fd + 1, &rd, NULL, NULL, &long_time);
}

static long wait_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int set = epoll_create1(0);
	long n;

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);
	n = epoll_wait(set, &ev, 1, 3000);
	close(set);
	return n;
}

static const struct {
	const char *name;
	long (*run)(void);
} waits[] = {
	{ "recv", wait_recv },	     { "read", wait_read },	  { "recvfrom", wait_recvfrom },
	{ "recvmsg", wait_recvmsg }, { "recvmmsg", wait_recvmmsg }, { "poll", wait_poll },
	{ "select", wait_select },   { "epoll_wait", wait_epoll },
};

static void decide_bind(void)
{
	struct sockaddr_in at = loop_addr(0);

	bind(fd, (struct sockaddr *)&at, sizeof(at));
}

static void decide_bind_any(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };

	bind(fd, (struct sockaddr *)&at, sizeof(at));
}

static void decide_send(void)
{
	struct sockaddr_in to = loop_addr(port_of(other));

	sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to));
}

static void decide_connect(void)
{
	conn(fd, port_of(other));
}

static void *waiter(void *arg)
{
	size_t which = (size_t)arg;

	return (void *)waits[which].run();
}

/* The first of them in a process that has no other socket: nothing is the stack's yet. */
static void each(void (*decide)(void))
{
	for (size_t i = 0; i < COUNT(waits); i++) {
		struct sockaddr_in to;
		uint16_t port;
		pthread_t t;
		void *got;

		fd = sock(SOCK_DGRAM);
		pthread_create(&t, NULL, waiter, (void *)i);
		usleep(40000);
		other = decide == decide_bind || decide == decide_bind_any ? sock(SOCK_DGRAM) :
									    udp_bound(&port);
		decide();
		to = loop_addr(port_of(fd));
		sendto(other, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to));
		pthread_join(t, &got);
		say("%s: %ld", waits[i].name, (long)got);
		close(fd);
		close(other);
	}
}

CASE(undecided_bind) { each(decide_bind); }
CASE(undecided_bind_any) { each(decide_bind_any); }
CASE(undecided_send) { each(decide_send); }
CASE(undecided_connect) { each(decide_connect); }
