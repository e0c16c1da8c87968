// SPDX-License-Identifier: BSD-3-Clause
/*
 * cancel.c - pthread_cancel in every call that may wait, deferred and asynchronous
 *
 * Behind each of them the socket must go on to work (no lock is left behind), and no descriptor
 * number may be lost.
 */
#include <pthread.h>

#include "test/diff/cases/ready.h"

static int near, far, listener, set, full;
static char block[1 << 16];

static void call_recv(void) { recv(near, block, 1, 0); }
static void call_recv_all(void) { recv(near, block, 4, MSG_WAITALL); }
static void call_recvfrom(void) { recvfrom(near, block, 1, 0, NULL, NULL); }
static void call_read(void) { T(read(near, block, 1)); }
static void call_accept(void) { accept(listener, NULL, NULL); }
static void call_accept4(void) { accept4(listener, NULL, NULL, SOCK_CLOEXEC); }
static void call_send(void) { send(full, block, sizeof(block), 0); }
static void call_sendto(void) { sendto(full, block, sizeof(block), 0, NULL, 0); }
static void call_write(void) { T(write(full, block, sizeof(block))); }

static struct iovec iov = { block, 1 }, much = { block, sizeof(block) };

static void call_readv(void) { T(readv(near, &iov, 1)); }
static void call_writev(void) { T(writev(full, &much, 1)); }

static void call_recvmsg(void)
{
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	recvmsg(near, &msg, 0);
}

static void call_sendmsg(void)
{
	struct msghdr msg = { .msg_iov = &much, .msg_iovlen = 1 };

	sendmsg(full, &msg, 0);
}

static void call_recvmmsg(void)
{
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	recvmmsg(near, &msg, 1, 0, NULL);
}

static void call_sendmmsg(void)
{
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &much, .msg_iovlen = 1 } };

	sendmmsg(full, &msg, 1, 0);
}

static void call_poll(void)
{
	struct pollfd p = { .fd = near, .events = POLLIN };

	poll(&p, 1, -1);
}

static void call_ppoll(void)
{
	struct pollfd p = { .fd = near, .events = POLLIN };

	ppoll(&p, 1, NULL, NULL);
}

static void call_select(void)
{
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(near, &rd);
	select(near + 1, &rd, NULL, NULL, NULL);
}

static void call_pselect(void)
{
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(near, &rd);
	pselect(near + 1, &rd, NULL, NULL, NULL, NULL);
}

static void call_epoll_wait(void)
{
	struct epoll_event ev;

	epoll_wait(set, &ev, 1, -1);
}

static void call_epoll_pwait(void)
{
	struct epoll_event ev;

	epoll_pwait(set, &ev, 1, -1, NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} calls[] = {
	{ "recv", call_recv },	       { "MSG_WAITALL", call_recv_all },
	{ "recvfrom", call_recvfrom }, { "recvmsg", call_recvmsg },
	{ "recvmmsg", call_recvmmsg }, { "read", call_read },
	{ "readv", call_readv },       { "accept", call_accept },
	{ "accept4", call_accept4 },   { "send", call_send },
	{ "sendto", call_sendto },     { "sendmsg", call_sendmsg },
	{ "sendmmsg", call_sendmmsg }, { "write", call_write },
	{ "writev", call_writev },     { "poll", call_poll },
	{ "ppoll", call_ppoll },       { "select", call_select },
	{ "pselect", call_pselect },   { "epoll_wait", call_epoll_wait },
	{ "epoll_pwait", call_epoll_pwait },
};

struct victim {
	void (*run)(void);
	int type;
	volatile int cleaned, ready;
};

static void on_cancel(void *arg)
{
	((struct victim *)arg)->cleaned = 1;
}

static void *live(void *arg)
{
	struct victim *v = arg;

	pthread_cleanup_push(on_cancel, v);
	pthread_setcanceltype(v->type, NULL);
	v->ready = 1;
	v->run();
	pthread_cleanup_pop(0);
	return NULL;
}

static bool cancel_in(void (*run)(void), int type, int after_us)
{
	struct victim v = { .run = run, .type = type };
	pthread_t t;
	void *how;

	pthread_create(&t, NULL, live, &v);
	while (!v.ready)
		usleep(100);
	usleep((unsigned)after_us);
	pthread_cancel(t);
	pthread_join(t, &how);
	return how == PTHREAD_CANCELED && v.cleaned;
}

static int lowest(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void begin(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	uint16_t port;
	int deaf;

	tcp_pair(&far, &near);
	tcp_pair(&full, &deaf);
	listener = tcp_listener(4, &port);
	set = epoll_create1(0);
	epoll_ctl(set, EPOLL_CTL_ADD, near, &ev);
	nonblock(full);
	/* what is acknowledged meanwhile makes room once more */
	for (int i = 0; i < 4; i++) {
		while (send(full, block, sizeof(block), 0) > 0 || send(full, block, 1, 0) > 0)
			;
		settle();
	}
	fcntl(full, F_SETFL, 0);
}

static void still_works(int low)
{
	char byte = 0;

	T(send(far, "x", 1, 0));
	T(recv(near, &byte, 1, 0));
	T(recv(near, &byte, 1, MSG_DONTWAIT));
	nonblock(listener);
	F(accept(listener, NULL, NULL));
	fcntl(listener, F_SETFL, 0);
	T(lowest() - low);
}

static void each(int type)
{
	int low;

	begin();
	low = lowest();
	for (size_t i = 0; i < COUNT(calls); i++) {
		say("%s: cancelled %d", calls[i].name, cancel_in(calls[i].run, type, 20000));
		still_works(low);
	}
}

CASE(cancel_deferred) { each(PTHREAD_CANCEL_DEFERRED); }
CASE(cancel_asynchronous) { each(PTHREAD_CANCEL_ASYNCHRONOUS); }

/* Small transfers without end: the cancellation comes at any instruction of them. */
static void busy(void)
{
	char byte;

	for (;;) {
		send(far, "x", 1, 0);
		recv(near, &byte, 1, MSG_DONTWAIT);
		poll(&(struct pollfd){ .fd = near, .events = POLLIN }, 1, 0);
	}
}

CASE(cancel_asynchronous_busy)
{
	int n = 0, low, round;
	char byte;

	begin();
	low = lowest();
	for (round = 0; round < 150; round++)
		n += cancel_in(busy, PTHREAD_CANCEL_ASYNCHRONOUS, 200 + round * 7);
	say("cancelled %d", n);
	/* what was on its way may come late */
	while (poll(&(struct pollfd){ .fd = near, .events = POLLIN }, 1, 100) == 1 &&
	       recv(near, &byte, 1, MSG_DONTWAIT) == 1)
		;
	still_works(low);
}

/* connect to one who does not answer, and a close that lingers for who does not read. */
static int slow = -1;

static void call_connect(void)
{
	uint16_t port;
	int l = tcp_listener(0, &port);

	for (int i = 0; i < 3; i++) {
		slow = sock(SOCK_STREAM);
		conn(slow, port);
	}
	close(l);
}

static void call_close(void)
{
	struct linger linger = { 1, 2 };

	setsockopt(full, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(full);
}

CASE(cancel_connect)
{
	say("cancelled %d", cancel_in(call_connect, PTHREAD_CANCEL_DEFERRED, 60000));
	say_so_error(slow);
	T(close(slow));
}

CASE(cancel_lingering_close)
{
	char byte;

	begin();
	cancel_in(call_close, PTHREAD_CANCEL_DEFERRED, 30000);
	T(send(far, "x", 1, 0));
	T(recv(near, &byte, 1, 0));
	T(fcntl(full, F_GETFD));
}
