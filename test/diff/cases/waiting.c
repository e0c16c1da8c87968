// SPDX-License-Identifier: BSD-3-Clause
/*
 * waiting.c - mixed sets, nested sets, many waiters, descriptors that go while they are waited for,
 * interruption and cancellation
 */
#include "test/diff/diff.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static char buf[256];

static int ep_add(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u32 = (uint32_t)fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

/* How many events, and of which sort; order does not count. */
static void say_set(const char *text, int ep, int ms)
{
	struct epoll_event ev[16];
	uint32_t seen = 0;
	int n = epoll_wait(ep, ev, 16, ms);

	for (int i = 0; i < n; i++)
		seen |= ev[i].events;
	say("%s: %d", text, n);
	say_events("  ", seen);
}

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

struct later {
	void (*act)(int arg);
	int arg, ms;
	pthread_t thread;
};

static void *later_run(void *arg)
{
	struct later *l = arg;

	usleep((unsigned)l->ms * 1000);
	l->act(l->arg);
	return NULL;
}

static void later(struct later *l, int ms, void (*act)(int), int arg)
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

static void later_end(struct later *l)
{
	pthread_join(l->thread, NULL);
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

/* ---- what is closed or shut down while somebody waits ---- */

static int victim;

static void act_close(int fd)
{
	close(fd);
}

static void act_shut(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

static void act_shut_rd(int fd)
{
	shutdown(fd, SHUT_RD);
}

static void act_send(int fd)
{
	send(fd, "late", 4, MSG_NOSIGNAL);
}

static void timeout_of(int fd, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

CASE(waiting_recv_closed)
{
	struct later l, m;
	int c, s;

	tcp_pair(&c, &s);
	timeout_of(s, 2000);
	later(&l, 30, act_close, s);
	later(&m, 80, act_send, c);
	T(recv(s, buf, 10, 0)); /* the open file lives as long as the call */
	later_end(&l);
	later_end(&m);
	T(recv(s, buf, 10, 0));
	settle();
	say_poll("peer", c, 200);
}

CASE(waiting_recv_shut)
{
	struct later l;
	int c, s, u;

	tcp_pair(&c, &s);
	timeout_of(s, 2000);
	later(&l, 30, act_shut, s);
	T(recv(s, buf, 10, 0));
	later_end(&l);
	tcp_pair(&c, &s);
	timeout_of(s, 2000);
	later(&l, 30, act_shut_rd, s);
	T(recv(s, buf, 10, 0));
	later_end(&l);
	udp_pair(&c, &u);
	timeout_of(u, 500);
	conn(u, port_of(c));
	later(&l, 30, act_shut_rd, u);
	T(recv(u, buf, 10, 0));
	later_end(&l);
}

CASE(waiting_accept_closed)
{
	uint16_t port;
	int l = tcp_listener(2, &port);
	struct later k;

	timeout_of(l, 300);
	later(&k, 30, act_close, l);
	F(accept(l, NULL, NULL));
	later_end(&k);
	l = tcp_listener(2, &port);
	timeout_of(l, 2000);
	later(&k, 30, act_shut_rd, l);
	F(accept(l, NULL, NULL));
	later_end(&k);
}

CASE(waiting_poll_closed)
{
	struct pollfd p[2];
	struct later l, m;
	int c, s, pipes[2];

	tcp_pair(&c, &s);
	T(pipe(pipes));
	p[0] = (struct pollfd){ .fd = s, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	later(&l, 30, act_close, s);
	T(poll(p, 2, 200)); /* a close wakes nobody */
	later_end(&l);
	T(poll(p, 2, 0));
	say_events("  ", (uint16_t)p[0].revents);
	tcp_pair(&c, &s);
	p[0].fd = s;
	later(&l, 30, act_shut, s);
	T(poll(p, 2, 2000));
	say_events("  ", (uint16_t)p[0].revents);
	later_end(&l);
	close(s);
	tcp_pair(&c, &s);
	p[0].fd = s;
	later(&l, 20, act_close, s);
	later(&m, 60, act_send, c);
	T(poll(p, 2, 300));
	later_end(&l);
	later_end(&m);
}

CASE(waiting_epoll_closed)
{
	int c, s, d, ep = epoll_create1(0);
	struct later l, m;

	tcp_pair(&c, &s);
	ep_add(ep, s, EPOLLIN);
	later(&l, 30, act_close, s);
	later(&m, 60, act_send, c);
	say_set("closed: forgotten", ep, 200);
	later_end(&l);
	later_end(&m);
	tcp_pair(&c, &s);
	d = dup(s);
	ep_add(ep, s, EPOLLIN);
	close(s);
	send(c, "x", 1, 0);
	settle();
	say_set("a duplicate keeps it", ep, 200);
	T(epoll_ctl(ep, EPOLL_CTL_DEL, s, NULL));
	T(epoll_ctl(ep, EPOLL_CTL_DEL, d, NULL));
	recv(d, buf, 10, 0);
	close(d);
	say_set("gone with the last", ep, 0);
	victim = epoll_create1(0);
	tcp_pair(&c, &s);
	ep_add(victim, s, EPOLLIN);
	later(&l, 30, act_close, victim);
	later(&m, 80, act_send, c);
	say_set("the set itself closed", victim, 500);
	later_end(&l);
	later_end(&m);
}

CASE(waiting_epoll_dup)
{
	int c, s, d, ep = epoll_create1(0), ep2;
	struct epoll_event ev;

	tcp_pair(&c, &s);
	d = dup(s);
	T(ep_add(ep, s, EPOLLIN));
	T(ep_add(ep, d, EPOLLIN | EPOLLET));
	T(ep_add(ep, s, EPOLLIN));
	ep2 = dup(ep);
	T(ep_add(ep2, d, EPOLLIN));
	send(c, "x", 1, 0);
	settle();
	say_set("both", ep, 200);
	say_set("level only", ep2, 0);
	T(dup2(mixed[0], s));
	s = dup(d);
	T(epoll_ctl(ep2, EPOLL_CTL_DEL, d, NULL));
	say_set("the first is left", ep, 0);
	close(ep);
	T(epoll_wait(ep2, &ev, 1, 0));
}

CASE(waiting_epoll_fork)
{
	int c, s, ep = epoll_create1(0);
	struct epoll_event ev;

	tcp_pair(&c, &s);
	ep_add(ep, s, EPOLLIN);
	fflush(stdout);
	if (!fork()) {
		int n = epoll_wait(ep, &ev, 1, 1000);

		_exit(n == 1 && ev.data.u32 == (uint32_t)s ? 7 : 1);
	}
	usleep(30000);
	send(c, "x", 1, 0);
	wait(&c);
	say("child %d", WEXITSTATUS(c));
	close(s);
	say_set("parent: closed here", ep, 0);
}

/* ---- time ---- */

CASE(waiting_timeouts)
{
	struct timespec ns = { 0, 1 }, zero = { 0, 0 }, twenty = { 0, 20000000 };
	int c, s, ep = epoll_create1(0);
	struct pollfd p = { .events = POLLIN };
	struct epoll_event ev;
	struct later l;
	int64_t from;

	tcp_pair(&c, &s);
	p.fd = s;
	ep_add(ep, s, EPOLLIN);
	T(ppoll(&p, 1, &ns, NULL));
	T(ppoll(&p, 1, &zero, NULL));
	T(epoll_pwait2(ep, &ev, 1, &ns, NULL));
	T(epoll_pwait2(ep, &ev, 1, &zero, NULL));
	from = now_ms();
	T(epoll_pwait2(ep, &ev, 1, &twenty, NULL));
	say_took("20 ms", from, 19, 500);
	from = now_ms();
	T(epoll_wait(ep, &ev, 1, 15));
	say_took("15 ms", from, 14, 500);
	twenty.tv_nsec = 1000000000;
	T(epoll_pwait2(ep, &ev, 1, &twenty, NULL));
	T(ppoll(&p, 1, &twenty, NULL));
	later(&l, 30, act_send, c);
	T(poll(&p, 1, -5));
	later_end(&l);
	recv(s, buf, 10, 0);
	later(&l, 30, act_send, c);
	T(epoll_wait(ep, &ev, 1, -5));
	later_end(&l);
	recv(s, buf, 10, 0);
	later(&l, 30, act_send, c);
	T(epoll_pwait2(ep, &ev, 1, NULL, NULL));
	later_end(&l);
	recv(s, buf, 10, 0);
	later(&l, 30, act_send, c);
	T(ppoll(&p, 1, NULL, NULL));
	later_end(&l);
}

/* ---- select's edges ---- */

CASE(waiting_select_bits)
{
	struct timeval zero = { 0, 0 };
	unsigned long rd[64], wr[64];
	int c, s, high, n = 0;

	tcp_pair(&c, &s);
	memset(rd, 0xff, sizeof(rd));
	memset(wr, 0, sizeof(wr));
	wr[s / 64] = 1ul << (s % 64);
	for (int fd = 0; fd <= s; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			rd[0] &= ~(1ul << fd);
	rd[0] &= ~7ul;
	T(select(s + 1, (fd_set *)rd, (fd_set *)wr, NULL, &zero));
	say("beyond in the word: %lx", rd[0] >> (s + 1));
	say("next word: %lx", rd[1]);
	high = fcntl(s, F_DUPFD, 1500);
	send(c, "x", 1, 0);
	settle();
	memset(rd, 0, sizeof(rd));
	rd[high / 64] |= 1ul << (high % 64);
	T(select(high + 1, (fd_set *)rd, NULL, NULL, &zero));
	say("beyond FD_SETSIZE: %d", !!(rd[high / 64] >> (high % 64) & 1));
	memset(rd, 0, sizeof(rd));
	rd[high / 64] |= 1ul << (high % 64);
	rd[0] |= 1ul << s;
	T(select(s + 1, (fd_set *)rd, NULL, NULL, &zero));
	say("not asked: %d", !!(rd[high / 64] >> (high % 64) & 1));
	for (int i = 0; i < 64; i++)
		n += __builtin_popcountl(rd[i]);
	say("bits %d", n);
	rd[0] |= 1ul << 40;
	T(select(41, (fd_set *)rd, NULL, NULL, &zero));
	T(select(0, (fd_set *)rd, NULL, NULL, &zero));
}

CASE(waiting_poll_limit)
{
	static struct pollfd p[600];
	struct rlimit lim, low;
	int c, s;

	tcp_pair(&c, &s);
	for (int i = 0; i < 600; i++)
		p[i] = (struct pollfd){ .fd = s, .events = POLLOUT };
	T(poll(p, 600, 0));
	getrlimit(RLIMIT_NOFILE, &lim);
	low = lim;
	low.rlim_cur = 500;
	setrlimit(RLIMIT_NOFILE, &low);
	T(poll(p, 600, 0));
	T(poll(p, 500, 0));
	setrlimit(RLIMIT_NOFILE, &lim);
}

/* ---- handlers: signal(7)'s table ---- */

static volatile sig_atomic_t ran;

static void on_usr1(int sig)
{
	(void)sig;
	ran++;
}

static pthread_t main_thread;

static void act_signal(int arg)
{
	(void)arg;
	pthread_kill(main_thread, SIGUSR1);
}

/* The call is interrupted after 30 ms, and served after 120. */
#define INTERRUPTED(peer, call)                      \
	do {                                         \
		struct later l_, m_;                 \
		later(&l_, 30, act_signal, 0);       \
		later(&m_, 120, act_send, peer);     \
		T(call);                             \
		later_end(&l_);                      \
		later_end(&m_);                      \
		recv(s, buf, sizeof(buf), MSG_DONTWAIT); \
	} while (0)

static void restarts(int flags, int timeout_ms)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = flags };
	struct iovec iov = { buf, 10 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr many = { .msg_hdr = msg };
	int c, s, u, v;

	main_thread = pthread_self();
	sigaction(SIGUSR1, &sa, NULL);
	tcp_pair(&c, &s);
	udp_pair(&u, &v);
	conn(u, port_of(v));
	if (timeout_ms) {
		timeout_of(s, timeout_ms);
		timeout_of(v, timeout_ms);
	}
	INTERRUPTED(c, recv(s, buf, 10, 0));
	INTERRUPTED(c, read(s, buf, 10));
	INTERRUPTED(c, readv(s, &iov, 1));
	INTERRUPTED(c, recvfrom(s, buf, 10, 0, NULL, NULL));
	INTERRUPTED(c, recvmsg(s, &msg, 0));
	INTERRUPTED(c, recv(s, buf, 4, MSG_WAITALL));
	INTERRUPTED(c, recv(s, buf, 1, MSG_PEEK));
	INTERRUPTED(u, recv(v, buf, 10, 0));
	recv(v, buf, 10, MSG_DONTWAIT);
	INTERRUPTED(u, recvmmsg(v, &many, 1, 0, NULL));
	say("ran %d", (int)ran);
}

CASE(waiting_restart) { restarts(SA_RESTART, 0); }
CASE(waiting_no_restart) { restarts(0, 0); }
CASE(waiting_restart_timed) { restarts(SA_RESTART, 2000); }

CASE(waiting_restart_accept_connect)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	struct later l, m;
	uint16_t port;
	int listener = tcp_listener(4, &port);

	main_thread = pthread_self();
	sigaction(SIGUSR1, &sa, NULL);
	far_port = port;
	later(&l, 30, act_signal, 0);
	later(&m, 100, mixed_fire, A_LISTENER);
	F(accept(listener, NULL, NULL));
	later_end(&l);
	later_end(&m);
	sa.sa_flags = 0;
	sigaction(SIGUSR1, &sa, NULL);
	later(&l, 30, act_signal, 0);
	later(&m, 100, mixed_fire, A_LISTENER);
	F(accept(listener, NULL, NULL));
	later_end(&l);
	later_end(&m);
	say("ran %d", (int)ran);
}

CASE(waiting_interrupted_send)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	static char bulk[1 << 20];
	struct later l;
	int c, s;
	long n;

	main_thread = pthread_self();
	sigaction(SIGUSR1, &sa, NULL);
	tcp_pair(&c, &s);
	set_int(c, SOL_SOCKET, SO_SNDBUF, 16384);
	set_int(s, SOL_SOCKET, SO_RCVBUF, 16384);
	later(&l, 60, act_signal, 0);
	n = send(c, bulk, sizeof(bulk), 0);
	later_end(&l);
	say("partial %d", n > 0 && n < (long)sizeof(bulk));
	later(&l, 60, act_signal, 0);
	T(send(c, bulk, sizeof(bulk), 0));
	later_end(&l);
}

/* ---- cancellation ---- */

struct cancelled {
	int fd, ep;
	int which;
	int cleaned;
};

static void on_cancel(void *arg)
{
	((struct cancelled *)arg)->cleaned = 1;
}

static void *cancel_me(void *arg)
{
	struct cancelled *c = arg;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct epoll_event ev;
	char byte[8];
	fd_set rd;

	pthread_cleanup_push(on_cancel, c);
	switch (c->which) {
	case 0: recv(c->fd, byte, 1, 0); break;
	case 1: read(c->fd, byte, 1); break;
	case 2: poll(&p, 1, -1); break;
	case 3: epoll_wait(c->ep, &ev, 1, -1); break;
	case 4:
		FD_ZERO(&rd);
		FD_SET(c->fd, &rd);
		select(c->fd + 1, &rd, NULL, NULL, NULL);
		break;
	case 5: accept(c->ep, NULL, NULL); break;
	case 6: recv(c->fd, byte, 4, MSG_WAITALL); break;
	}
	pthread_cleanup_pop(0);
	return NULL;
}

CASE(waiting_cancelled)
{
	static const char *const names[] = { "recv", "read", "poll", "epoll_wait", "select",
					     "accept", "MSG_WAITALL" };
	struct cancelled c = { .ep = epoll_create1(0) };
	uint16_t port;
	int far, l = tcp_listener(2, &port);
	pthread_t t;
	void *how;

	tcp_pair(&far, &c.fd);
	ep_add(c.ep, c.fd, EPOLLIN);
	for (c.which = 0; c.which < (int)COUNT(names); c.which++) {
		int ep = c.ep;

		if (c.which == 5)
			c.ep = l;
		c.cleaned = 0;
		pthread_create(&t, NULL, cancel_me, &c);
		usleep(40000);
		pthread_cancel(t);
		pthread_join(t, &how);
		c.ep = ep;
		say("%s: cancelled %d cleaned %d", names[c.which], how == PTHREAD_CANCELED,
		    c.cleaned);
		/* no lock was left behind, and nothing was taken */
		send(far, "x", 1, 0);
		settle();
		T(recv(c.fd, buf, 10, 0));
		say_set("  nothing left", c.ep, 0);
	}
	T(conn(sock(SOCK_STREAM), port));
	F(accept(l, NULL, NULL));
}

/* A call that has what it wants is a cancellation point all the same. */
static void *pending_cancel(void *arg)
{
	int fd = *(int *)arg;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	usleep(30000);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	recv(fd, buf, 1, 0);
	return NULL;
}

CASE(waiting_cancel_pending)
{
	pthread_t t;
	void *how;
	int c, s;

	tcp_pair(&c, &s);
	send(c, "x", 1, 0);
	settle();
	pthread_create(&t, NULL, pending_cancel, &s);
	usleep(5000);
	pthread_cancel(t);
	pthread_join(t, &how);
	say("cancelled %d", how == PTHREAD_CANCELED);
	T(recv(s, buf, 1, MSG_DONTWAIT));
}
