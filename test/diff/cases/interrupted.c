// SPDX-License-Identifier: BSD-3-Clause
/*
 * interrupted.c - descriptors that go while they are waited for, time-outs, handlers, cancellation
 */
#include "test/diff/waiting.h"

#include <sys/resource.h>

static char buf[256];

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

static void act_connect(int port)
{
	conn(sock(SOCK_STREAM), (uint16_t)port);
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
	close(s);
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
	later(&l, 30, act_signal, 0);
	later(&m, 100, act_connect, port);
	F(accept(listener, NULL, NULL));
	later_end(&l);
	later_end(&m);
	sa.sa_flags = 0;
	sigaction(SIGUSR1, &sa, NULL);
	later(&l, 30, act_signal, 0);
	later(&m, 100, act_connect, port);
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
static _Atomic int cancel_ready, cancel_sent;

static void *pending_cancel(void *arg)
{
	int fd = *(int *)arg;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	cancel_ready = 1;
	while (!cancel_sent)
		usleep(1000);
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
	cancel_ready = cancel_sent = 0;
	pthread_create(&t, NULL, pending_cancel, &s);
	while (!cancel_ready)
		usleep(1000);
	pthread_cancel(t);
	cancel_sent = 1;
	pthread_join(t, &how);
	say("cancelled %d", how == PTHREAD_CANCELED);
	T(recv(s, buf, 1, MSG_DONTWAIT));
}
