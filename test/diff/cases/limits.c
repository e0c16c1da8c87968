// SPDX-License-Identifier: BSD-3-Clause
/*
 * limits.c - a program that has no descriptor left
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "test/diff/diff.h"

/* Takes every number below the limit; returns the last one got. */
static int fill(void)
{
	struct rlimit few = { 64, 64 };
	int fd, last = -1;

	setrlimit(RLIMIT_NOFILE, &few);
	while ((fd = dup(0)) >= 0)
		last = fd;
	say("filled: %s", err_name(errno));
	return last;
}

/*
 * One number is given up, a connection accepted and closed: how event loops shed what they cannot
 * serve. Here nothing was accepted before.
 */
CASE(limits_accept_last_number)
{
	uint16_t port;
	int l = tcp_listener(8, &port), a = sock(SOCK_STREAM), b = sock(SOCK_STREAM), last, fd;

	last = fill();
	T(conn(a, port));
	T(conn(b, port));
	F(accept(l, NULL, NULL));
	close(last);
	fd = F(accept(l, NULL, NULL));
	F(accept(l, NULL, NULL));
	close(fd);
	fd = F(accept4(l, NULL, NULL, SOCK_CLOEXEC));
	T(send(fd, "x", 1, 0));
	say_poll("b", b, 1000);
	close(fd);
	nonblock(l);
	F(accept(l, NULL, NULL));
}

/* With nobody waiting it is not waited for either. */
CASE(limits_accept_does_not_wait)
{
	uint16_t port;
	int l = tcp_listener(8, &port);

	fill();
	F(accept(l, NULL, NULL));
	F(accept4(l, NULL, NULL, SOCK_CLOEXEC));
}

/* A blocked call sleeps without a number of its own. */
CASE(limits_wait)
{
	struct timeval soon = { 0, 50000 };
	struct sockaddr_in to;
	uint16_t port;
	int s = udp_bound(&port), c = sock(SOCK_DGRAM);
	char byte;

	to = loop_addr(port);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	fill();
	T(recv(s, &byte, 1, 0));
	T(sendto(c, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	T(recv(s, &byte, 1, 0));
	say_poll("s", s, 20);
	F(socket(AF_INET, SOCK_STREAM, 0));
	F(socket(AF_INET6, SOCK_DGRAM, 0));
	F(epoll_create1(0));
	F(dup(s));
	F(fcntl(s, F_DUPFD, 0));
}

/* Nor is it EAGAIN: Linux looks for a number first. */
CASE(limits_accept_nonblocking)
{
	uint16_t port;
	int l = tcp_listener(8, &port), last;

	nonblock(l);
	last = fill();
	F(accept(l, NULL, NULL));
	F(accept4(l, NULL, NULL, SOCK_NONBLOCK));
	close(last);
	F(accept(l, NULL, NULL));
	F(dup(0));
	F(accept(l, NULL, NULL));
}

/* A sandbox that allows no descriptor at all: what is open works, also where it has to wait. */
CASE(limits_none)
{
	struct timeval soon = { 0, 20000 };
	struct rlimit none = { 0, 0 };
	char byte = 0;
	int c, s;

	tcp_pair(&c, &s);
	if (fork() == 0) {
		for (int i = 0; i < 3; i++) {
			usleep(30000);
			send(s, "x", 1, 0);
		}
		_exit(0);
	}
	T(setrlimit(RLIMIT_NOFILE, &none));
	T(recv(c, &byte, 1, MSG_PEEK));
	T(recv(c, &byte, 1, 0));
	T(read(c, &byte, 1));
	T(recv(c, &byte, 1, 0));
	wait(NULL);
	setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	T(recv(c, &byte, 1, 0));
	F(dup(c));
}
