// SPDX-License-Identifier: BSD-3-Clause
/*
 * events.c - poll, select and epoll: which events, when, for how long, with which masks
 */
#include "test/diff/diff.h"

#include <pthread.h>

static char buf[256];

static int ep_add(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u32 = (uint32_t)fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int ep_mod(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u32 = (uint32_t)fd };

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}

static void say_epoll(const char *text, int ep, int ms)
{
	struct epoll_event ev[8];
	int n = epoll_wait(ep, ev, 8, ms);

	say("%s: %d", text, n);
	for (int i = 0; i < n; i++)
		say_events("  ", ev[i].events);
}

CASE(events_epoll_level)
{
	int c, s, ep = epoll_create1(0);

	tcp_pair(&c, &s);
	T(ep_add(ep, c, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI));
	say_epoll("writable", ep, 0);
	T(ep_mod(ep, c, EPOLLIN | EPOLLRDHUP));
	say_epoll("nothing", ep, 0);
	send(s, "ab", 2, 0);
	settle();
	say_epoll("readable", ep, 100);
	say_epoll("still", ep, 0);
	recv(c, buf, 1, 0);
	say_epoll("one left", ep, 0);
	recv(c, buf, 1, 0);
	say_epoll("none", ep, 0);
	shutdown(s, SHUT_WR);
	settle();
	say_epoll("half closed", ep, 100);
	T(ep_mod(ep, c, 0));
	say_epoll("nothing wanted", ep, 0);
	close(s);
	shutdown(c, SHUT_WR);
	settle();
	say_epoll("hup all the same", ep, 0);
	T(epoll_ctl(ep, EPOLL_CTL_DEL, c, NULL));
	say_epoll("gone", ep, 0);
}

CASE(events_epoll_edge)
{
	int c, s, ep = epoll_create1(0);

	tcp_pair(&c, &s);
	T(ep_add(ep, c, EPOLLIN | EPOLLOUT | EPOLLET));
	say_epoll("first", ep, 0);
	say_epoll("again", ep, 0);
	send(s, "a", 1, 0);
	settle();
	say_epoll("data", ep, 100);
	say_epoll("again", ep, 0);
	send(s, "b", 1, 0);
	settle();
	say_epoll("more data", ep, 100);
	recv(c, buf, 1, 0);
	say_epoll("after read", ep, 0);
	T(ep_mod(ep, c, EPOLLIN | EPOLLET));
	say_epoll("mod arms", ep, 0);
	say_epoll("once", ep, 0);
	close(s);
	settle();
	say_epoll("close", ep, 100);
	say_epoll("once", ep, 0);
}

CASE(events_epoll_oneshot)
{
	int c, s, ep = epoll_create1(0);

	tcp_pair(&c, &s);
	T(ep_add(ep, c, EPOLLIN | EPOLLONESHOT));
	send(s, "a", 1, 0);
	settle();
	say_epoll("once", ep, 100);
	say_epoll("disarmed", ep, 0);
	send(s, "b", 1, 0);
	settle();
	say_epoll("still", ep, 0);
	T(ep_mod(ep, c, EPOLLIN | EPOLLONESHOT));
	say_epoll("armed", ep, 0);
	T(ep_mod(ep, c, EPOLLOUT | EPOLLONESHOT));
	say_epoll("out", ep, 0);
}

CASE(events_epoll_errors)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int c, s, ep = epoll_create1(0), other = epoll_create1(0), file = fileno(tmpfile());

	tcp_pair(&c, &s);
	T(ep_add(ep, c, EPOLLIN));
	T(ep_add(ep, c, EPOLLIN));
	T(ep_mod(ep, s, EPOLLIN));
	T(epoll_ctl(ep, EPOLL_CTL_DEL, s, NULL));
	T(ep_add(ep, ep, EPOLLIN));
	T(ep_add(ep, -1, EPOLLIN));
	T(ep_add(c, s, EPOLLIN));
	T(ep_add(-1, s, EPOLLIN));
	T(ep_add(ep, file, EPOLLIN));
	T(epoll_ctl(ep, 77, c, &ev));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, s, NULL));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, s, (void *)1));
	T(epoll_wait(ep, &ev, 0, 0));
	T(epoll_wait(ep, &ev, -1, 0));
	T(epoll_wait(c, &ev, 1, 0));
	T(epoll_wait(-1, &ev, 1, 0));
	T(epoll_wait(ep, NULL, 1, 0));
	T(ep_add(ep, s, EPOLLIN | EPOLLEXCLUSIVE));
	T(ep_mod(ep, s, EPOLLIN));
	T(epoll_ctl(ep, EPOLL_CTL_DEL, s, NULL));
	T(ep_add(ep, s, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
	T(ep_add(ep, other, EPOLLIN | EPOLLEXCLUSIVE));
	T(ep_add(ep, other, EPOLLIN));
	T(ep_add(other, ep, EPOLLIN));
	T(ep_mod(ep, c, EPOLLIN | EPOLLEXCLUSIVE));
}

CASE(events_epoll_nested)
{
	int c, s, in = epoll_create1(0), out = epoll_create1(0);

	tcp_pair(&c, &s);
	T(ep_add(in, c, EPOLLIN));
	T(ep_add(out, in, EPOLLIN));
	say_epoll("nothing", out, 0);
	say_poll("poll", in, 0);
	send(s, "x", 1, 0);
	settle();
	say_epoll("outer", out, 100);
	say_poll("poll", in, 0);
	say_epoll("inner", in, 0);
	recv(c, buf, 1, 0);
	say_epoll("outer", out, 0);
	say_poll("poll", in, 0);
}

CASE(events_epoll_dup_close)
{
	int c, s, d, ep = epoll_create1(0);

	tcp_pair(&c, &s);
	T(ep_add(ep, c, EPOLLIN));
	d = F(dup(c));
	T(ep_add(ep, d, EPOLLIN));
	send(s, "x", 1, 0);
	settle();
	say_epoll("both", ep, 100);
	close(c);
	say_epoll("the closed one still reports", ep, 0);
	close(d);
	say_epoll("none", ep, 0);
}

CASE(events_epoll_connect)
{
	uint16_t port;
	int ep = epoll_create1(0), l = tcp_listener(4, &port), c = sock(SOCK_STREAM),
	    d = sock(SOCK_STREAM);

	nonblock(c);
	nonblock(d);
	T(ep_add(ep, c, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	say_epoll("fresh", ep, 0);
	T(conn(c, port));
	say_epoll("connected", ep, 500);
	say_so_error(c);
	T(conn(c, port));
	T(epoll_ctl(ep, EPOLL_CTL_DEL, c, NULL));
	T(ep_add(ep, l, EPOLLIN));
	say_epoll("listener", ep, 500);
	F(accept(l, NULL, NULL));
	say_epoll("listener", ep, 0);
	T(ep_add(ep, d, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
	T(conn(d, dead_port()));
	settle();
	say_epoll("refused", ep, 500);
	say_so_error(d);
	say_epoll("after SO_ERROR", ep, 0);
	say_poll("after SO_ERROR", d, 0);
}

CASE(events_select)
{
	struct timeval zero = { 0, 0 }, some = { 0, 50000 };
	fd_set rd, wr, ex;
	int c, s;
	int64_t from;

	tcp_pair(&c, &s);
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_ZERO(&ex);
	FD_SET(c, &rd);
	FD_SET(c, &wr);
	FD_SET(c, &ex);
	T(select(c + 1, &rd, &wr, &ex, &zero));
	say("%d %d %d", FD_ISSET(c, &rd), FD_ISSET(c, &wr), FD_ISSET(c, &ex));
	send(s, "ab", 2, MSG_OOB);
	settle();
	FD_SET(c, &rd);
	FD_SET(c, &ex);
	T(select(c + 1, &rd, &wr, &ex, &zero));
	say("%d %d %d", FD_ISSET(c, &rd), FD_ISSET(c, &wr), FD_ISSET(c, &ex));
	recv(c, buf, sizeof(buf), 0);
	recv(c, buf, 1, MSG_OOB);
	FD_ZERO(&wr);
	FD_SET(c, &rd);
	FD_ZERO(&ex);
	from = now_ms();
	T(select(c + 1, &rd, NULL, NULL, &some));
	say_took("time-out", from, 45, 1500);
	say("left %ld %ld set %d", some.tv_sec, some.tv_usec, FD_ISSET(c, &rd));
	T(select(-1, &rd, NULL, NULL, &zero));
	zero.tv_usec = -1;
	FD_SET(c, &rd);
	T(select(c + 1, &rd, NULL, NULL, &zero));
	zero.tv_usec = 0;
	close(s);
	settle();
	FD_SET(c, &rd);
	FD_SET(c, &ex);
	T(select(c + 1, &rd, NULL, &ex, &zero));
	say("%d %d", FD_ISSET(c, &rd), FD_ISSET(c, &ex));
	close(c);
	FD_SET(c, &rd);
	T(select(c + 1, &rd, NULL, NULL, &zero));
}

CASE(events_poll)
{
	struct pollfd p[4];
	struct timespec bad = { 0, -1 }, some = { 0, 30000000 };
	int c, s, pipes[2];
	int64_t from;

	tcp_pair(&c, &s);
	T(pipe(pipes));
	p[0] = (struct pollfd){ .fd = c, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = -1, .events = POLLIN, .revents = 77 };
	p[2] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	p[3] = (struct pollfd){ .fd = 999, .events = POLLIN };
	T(poll(p, 4, 0));
	for (int i = 0; i < 4; i++)
		say_events("  ", (uint16_t)p[i].revents);
	T(poll(p, 3, 0));
	T(write(pipes[1], "x", 1));
	send(s, "x", 1, 0);
	settle();
	T(poll(p, 3, 100));
	for (int i = 0; i < 3; i++)
		say_events("  ", (uint16_t)p[i].revents);
	recv(c, buf, 1, 0);
	from = now_ms();
	T(poll(p, 1, 40));
	say_took("time-out", from, 38, 1500);
	T(ppoll(p, 1, &bad, NULL));
	from = now_ms();
	T(ppoll(p, 1, &some, NULL));
	say_took("time-out", from, 29, 1500);
	T(poll(NULL, 0, 0));
	T(poll(NULL, 1, 0));
	p[0].events = 0;
	close(s);
	shutdown(c, SHUT_WR);
	settle();
	T(poll(p, 1, 0));
	say_events("hup unasked", (uint16_t)p[0].revents);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void alarm_in(int ms)
{
	struct itimerval it = { { 0, 0 }, { 0, ms * 1000 } };

	setitimer(ITIMER_REAL, &it, NULL);
}

/* What each blocking call makes of a handler. */
static void interrupted(int flags)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	struct epoll_event ev;
	struct pollfd p = { .events = POLLIN };
	struct timeval wait = { 0, 300000 };
	uint16_t port;
	int c, s, ep = epoll_create1(0), l = tcp_listener(2, &port);
	fd_set rd;

	sigaction(SIGALRM, &sa, NULL);
	tcp_pair(&c, &s);
	ep_add(ep, c, EPOLLIN);
	p.fd = c;
	alarm_in(30);
	T(poll(&p, 1, 2000));
	alarm_in(30);
	T(epoll_wait(ep, &ev, 1, 2000));
	alarm_in(30);
	FD_ZERO(&rd);
	FD_SET(c, &rd);
	T(select(c + 1, &rd, NULL, NULL, NULL));
	setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	alarm_in(30);
	T(recv(c, buf, 1, 0));
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	alarm_in(30);
	T(accept(l, NULL, NULL));
	say("handlers ran %d", (int)alarms);
}

CASE(events_eintr)
{
	interrupted(0);
	interrupted(SA_RESTART);
}

CASE(events_masks)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct timespec some = { 0, 200000000 };
	struct pollfd p = { .events = POLLIN };
	struct epoll_event ev;
	sigset_t block, none;
	int c, s, ep = epoll_create1(0);
	fd_set rd;

	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	tcp_pair(&c, &s);
	ep_add(ep, c, EPOLLIN);
	p.fd = c;
	raise(SIGUSR1);
	T(ppoll(&p, 1, &some, &none));
	say("%d", (int)alarms);
	raise(SIGUSR1);
	T(epoll_pwait(ep, &ev, 1, 200, &none));
	raise(SIGUSR1);
	FD_ZERO(&rd);
	FD_SET(c, &rd);
	T(pselect(c + 1, &rd, NULL, NULL, &some, &none));
	say("%d", (int)alarms);
	raise(SIGUSR1);
	T(ppoll(&p, 1, &some, NULL));
	say("%d", (int)alarms);
	send(s, "x", 1, 0);
	settle();
	T(ppoll(&p, 1, &some, &none));
	say("%d", (int)alarms);
}

static void *wait_one(void *arg)
{
	struct epoll_event ev;

	return (void *)(intptr_t)epoll_wait(*(int *)arg, &ev, 1, 300);
}

CASE(events_epoll_exclusive)
{
	int c, s, ep[3], n = 0;
	pthread_t t[3];

	tcp_pair(&c, &s);
	for (int i = 0; i < 3; i++) {
		ep[i] = epoll_create1(0);
		ep_add(ep[i], c, EPOLLIN | EPOLLEXCLUSIVE);
		pthread_create(&t[i], NULL, wait_one, &ep[i]);
	}
	usleep(50000);
	send(s, "x", 1, 0);
	for (int i = 0; i < 3; i++) {
		void *got;

		pthread_join(t[i], &got);
		n += (int)(intptr_t)got;
	}
	say("somebody: %d", n >= 1);
}
