// SPDX-License-Identifier: BSD-3-Clause
/*
 * waiting.c - mixed sets, nested sets, many waiters
 */
#include "test/diff/waiting.h"

#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static char buf[256];

static int timer_in(int ms)
{
	struct itimerspec it = { { 0, 0 }, { ms / 1000, ms % 1000 * 1000000L } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	timerfd_settime(fd, 0, &it, NULL);
	return fd;
}

static int signals_of(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, 0);
}

enum { A_SOCKET, A_PIPE, A_EVENT, A_TIMER, A_SIGNAL, A_UDP, A_LISTENER, A_COUNT };

static int mixed[A_COUNT], far_c, far_pipe, far_udp, far_port;

static void mixed_make(void)
{
	uint16_t port, to;
	int pipes[2];

	tcp_pair(&far_c, &mixed[A_SOCKET]);
	if (pipe(pipes))
		return;
	mixed[A_PIPE] = pipes[0];
	far_pipe = pipes[1];
	mixed[A_EVENT] = eventfd(0, 0);
	mixed[A_TIMER] = timer_in(10000);
	mixed[A_SIGNAL] = signals_of(SIGUSR2);
	mixed[A_UDP] = udp_bound(&to);
	far_udp = to;
	mixed[A_LISTENER] = tcp_listener(4, &port);
	far_port = port;
}

static void mixed_fire(int which)
{
	struct itimerspec now = { { 0, 0 }, { 0, 1 } };
	struct sockaddr_in to = loop_addr((uint16_t)far_udp);
	uint64_t one = 1;

	switch (which) {
	case A_SOCKET: send(far_c, "x", 1, 0); break;
	case A_PIPE: write(far_pipe, "x", 1); break;
	case A_EVENT: write(mixed[A_EVENT], &one, 8); break;
	case A_TIMER: timerfd_settime(mixed[A_TIMER], 0, &now, NULL); break;
	case A_SIGNAL: kill(getpid(), SIGUSR2); break;
	case A_UDP: sendto(sock(SOCK_DGRAM), "x", 1, 0, (struct sockaddr *)&to, sizeof(to)); break;
	case A_LISTENER: conn(sock(SOCK_STREAM), (uint16_t)far_port); break;
	}
}

/* Each member alone wakes a sleeping poll, select and epoll_wait, and only it is told. */
CASE(waiting_mixed_poll)
{
	struct pollfd p[A_COUNT];
	struct later l;

	mixed_make();
	for (int i = 0; i < A_COUNT; i++) {
		for (int k = 0; k < A_COUNT; k++)
			p[k] = (struct pollfd){ .fd = mixed[k], .events = POLLIN };
		if (i)
			p[i - 1].fd = -1; /* it stays ready */
		for (int k = 0; k + 1 < i; k++)
			p[k].fd = -1;
		later(&l, 30, mixed_fire, i);
		T(poll(p, A_COUNT, 2000));
		later_end(&l);
		for (int k = 0; k < A_COUNT; k++)
			if (p[k].revents)
				say_events(k == i ? "  it" : "  another", (uint16_t)p[k].revents);
	}
}

CASE(waiting_mixed_select)
{
	struct timeval tv;
	struct later l;
	fd_set rd;

	mixed_make();
	for (int i = 0; i < A_COUNT; i++) {
		FD_ZERO(&rd);
		for (int k = i; k < A_COUNT; k++)
			FD_SET(mixed[k], &rd);
		tv = (struct timeval){ 2, 0 };
		later(&l, 30, mixed_fire, i);
		T(select(mixed[A_LISTENER] + 10, &rd, NULL, NULL, &tv));
		later_end(&l);
		say("it: %d", FD_ISSET(mixed[i], &rd));
	}
}

CASE(waiting_mixed_epoll)
{
	int ep = epoll_create1(0);
	struct epoll_event ev[4];
	struct later l;

	mixed_make();
	for (int i = 0; i < A_COUNT; i++)
		T(ep_add(ep, mixed[i], EPOLLIN));
	for (int i = 0; i < A_COUNT; i++) {
		later(&l, 30, mixed_fire, i);
		T(epoll_wait(ep, ev, 4, 2000));
		later_end(&l);
		say("it: %d", (int)ev[0].data.u32 == mixed[i]);
		T(epoll_ctl(ep, EPOLL_CTL_DEL, mixed[i], NULL));
	}
}

/* One event a call, all ready: each is told before any is told twice. */
CASE(waiting_maxevents_one)
{
	int ep = epoll_create1(0), told[A_COUNT] = { 0 };
	struct epoll_event ev;

	mixed_make();
	for (int i = 0; i < A_COUNT; i++) {
		ep_add(ep, mixed[i], EPOLLIN | EPOLLET);
		mixed_fire(i);
	}
	settle();
	for (int i = 0; i < A_COUNT; i++) {
		if (epoll_wait(ep, &ev, 1, 200) != 1)
			say("nothing");
		for (int k = 0; k < A_COUNT; k++)
			told[k] += (int)ev.data.u32 == mixed[k];
	}
	for (int k = 0; k < A_COUNT; k++)
		say("%d: %d", k, told[k]);
	T(epoll_wait(ep, &ev, 1, 0));
}

CASE(waiting_nested_both_ways)
{
	int inner = epoll_create1(0), outer = epoll_create1(0), top = epoll_create1(0);
	struct pollfd p = { .fd = top, .events = POLLIN };
	struct later l;
	fd_set rd;

	mixed_make();
	T(ep_add(inner, mixed[A_SOCKET], EPOLLIN));
	T(ep_add(inner, mixed[A_PIPE], EPOLLIN));
	T(ep_add(outer, inner, EPOLLIN));
	T(ep_add(outer, mixed[A_EVENT], EPOLLIN));
	T(ep_add(top, outer, EPOLLIN));
	T(ep_add(top, mixed[A_UDP], EPOLLIN));
	say_set("nothing", top, 0);
	later(&l, 30, mixed_fire, A_SOCKET);
	say_set("socket in the innermost", top, 2000);
	later_end(&l);
	T(poll(&p, 1, 0));
	say_set("outer", outer, 0);
	say_set("inner", inner, 0);
	T(recv(mixed[A_SOCKET], buf, 10, 0));
	say_set("read", top, 0);
	later(&l, 30, mixed_fire, A_PIPE);
	T(poll(&p, 1, 2000));
	later_end(&l);
	T(read(mixed[A_PIPE], buf, 10));
	T(poll(&p, 1, 0));
	later(&l, 30, mixed_fire, A_UDP);
	FD_ZERO(&rd);
	FD_SET(top, &rd);
	T(select(top + 1, &rd, NULL, NULL, NULL));
	later_end(&l);
	T(recv(mixed[A_UDP], buf, 10, 0));
	T(epoll_ctl(outer, EPOLL_CTL_DEL, inner, NULL));
	mixed_fire(A_SOCKET);
	settle();
	say_set("taken out", top, 0);
}

CASE(waiting_nested_edge)
{
	int inner = epoll_create1(0), outer = epoll_create1(0), c, s;

	tcp_pair(&c, &s);
	ep_add(inner, s, EPOLLIN);
	ep_add(outer, inner, EPOLLIN | EPOLLET);
	say_set("nothing", outer, 0);
	send(c, "a", 1, 0);
	settle();
	say_set("first", outer, 200);
	say_set("again", outer, 0);
	recv(s, buf, 1, 0);
	say_set("read", outer, 0);
	send(c, "b", 1, 0);
	settle();
	say_set("second", outer, 200);
	ep_add(outer, s, EPOLLIN);
	say_set("with the socket itself", outer, 0);
}

/* ---- several threads on one set ---- */

static int shared_ep;
static pthread_barrier_t ready;

static void *one_waiter(void *arg)
{
	struct epoll_event ev;

	(void)arg;
	pthread_barrier_wait(&ready);
	return (void *)(intptr_t)epoll_wait(shared_ep, &ev, 1, 400);
}

static void many_waiters(uint32_t events)
{
	int c, s, woken = 0;
	pthread_t t[4];
	void *got;

	tcp_pair(&c, &s);
	shared_ep = epoll_create1(0);
	ep_add(shared_ep, s, events);
	pthread_barrier_init(&ready, NULL, 5);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, one_waiter, NULL);
	pthread_barrier_wait(&ready);
	usleep(60000);
	send(c, "x", 1, 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &got);
		woken += (int)(intptr_t)got;
	}
	say("woken: %d", woken);
}

CASE(waiting_threads_level) { many_waiters(EPOLLIN); }
CASE(waiting_threads_edge) { many_waiters(EPOLLIN | EPOLLET); }
CASE(waiting_threads_oneshot) { many_waiters(EPOLLIN | EPOLLONESHOT); }

static void *one_reader(void *arg)
{
	char byte;

	pthread_barrier_wait(&ready);
	return (void *)(intptr_t)recv(*(int *)arg, &byte, 1, 0);
}

/* Each blocked reader gets its byte. */
CASE(waiting_threads_recv)
{
	pthread_t t[4];
	void *got;
	int c, s;

	tcp_pair(&c, &s);
	pthread_barrier_init(&ready, NULL, 5);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, one_reader, &s);
	pthread_barrier_wait(&ready);
	usleep(30000);
	for (int i = 0; i < 4; i++) {
		send(c, "x", 1, 0);
		usleep(10000);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &got);
		say("%ld", (long)(intptr_t)got);
	}
}

