// SPDX-License-Identifier: BSD-3-Clause
/*
 * efault.c - pointers that lead nowhere, into what may only be read, and half into memory
 */
#include "test/diff/diff.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#define PAGE 4096

static char buf[PAGE];

/* A page, and behind it one that is none. */
static char *edge(void)
{
	char *map =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(map + PAGE, PAGE, PROT_NONE);
	memset(map, 'e', PAGE);
	return map + PAGE;
}

static char *readonly(void)
{
	return mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* A file's page beyond its end: SIGBUS. */
static char *beyond(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(tmpfile()), 0);
}

static char *const wild[] = { NULL, (char *)1, (char *)4096, (char *)0x123456789000,
			      (char *)0xffff888000000000, (char *)-1 };

CASE(efault_stream_send)
{
	char *end = edge(), *bus = beyond();
	int c, s;

	tcp_pair(&c, &s);
	for (size_t i = 0; i < COUNT(wild); i++) {
		T(send(c, wild[i], 10, 0));
		T(write(c, wild[i], 10));
		T(send(c, wild[i], 0, 0));
	}
	T(send(c, end, 10, 0));
	T(send(c, end - 5, 10, 0));
	T(send(c, end - 5, 5, 0));
	T(send(c, bus, 100, 0));
	T(recv(s, buf, 100, MSG_DONTWAIT));
	T(send(c, "ok", 2, 0));
	settle();
	say_bytes("s", buf, recv(s, buf, 100, MSG_DONTWAIT));
}

CASE(efault_stream_recv)
{
	char *end = edge(), *ro = readonly(), *bus = beyond();
	int c, s;

	tcp_pair(&c, &s);
	for (size_t i = 0; i < COUNT(wild); i++)
		T(recv(s, wild[i], 10, MSG_DONTWAIT));
	T(send(c, "0123456789", 10, 0));
	settle();
	for (size_t i = 0; i < COUNT(wild); i++) {
		T(recv(s, wild[i], 10, 0));
		T(read(s, wild[i], 10));
		T(recv(s, wild[i], 10, MSG_PEEK));
		T(recv(s, wild[i], 0, 0));
	}
	T(recv(s, ro, 4, 0));
	T(recv(s, bus, 4, 0));
	T(recv(s, end, 4, 0));
	T(recv(s, end - 2, 4, 0));
	T(recv(s, end - 2, 2, 0));
	T(recv(s, wild[3], 2, MSG_TRUNC));
	say_bytes("rest", buf, recv(s, buf, 100, MSG_DONTWAIT));
	T(send(c, "!", 1, MSG_OOB));
	settle();
	T(recv(s, wild[3], 1, MSG_OOB));
	T(recv(s, buf, 1, MSG_OOB));
}

CASE(efault_vectors)
{
	char *end = edge();
	char abc[] = "abc", def[] = "def";
	struct iovec iov[3] = { { abc, 3 }, { end, 3 }, { def, 3 } };
	int c, s;

	tcp_pair(&c, &s);
	T(writev(c, iov, 3));
	T(writev(c, iov, 1));
	T(writev(c, (struct iovec *)end, 2));
	T(writev(c, (struct iovec *)end, 100));
	T(writev(c, (struct iovec *)end, 0));
	T(writev(c, (struct iovec *)end, -1));
	T(writev(c, NULL, 1));
	iov[1].iov_len = 0;
	T(writev(c, iov, 3));
	iov[1].iov_base = (void *)-1;
	T(writev(c, iov, 3));
	settle();
	T(recv(s, buf, 100, 0));
	T(send(c, "abcdef", 6, 0));
	settle();
	iov[0].iov_base = buf;
	iov[1] = (struct iovec){ end, 3 };
	iov[2].iov_base = buf + 3;
	T(readv(s, iov, 3));
	T(readv(s, iov, 1));
	T(readv(s, (struct iovec *)end, 1));
	T(readv(s, NULL, 1));
	say_bytes("rest", buf, recv(s, buf, 100, MSG_DONTWAIT));
}

CASE(efault_dgram)
{
	char *end = edge(), *ro = readonly();
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	int a, b;

	udp_pair(&a, &b);
	to = loop_addr(port_of(b));
	for (size_t i = 0; i < COUNT(wild); i++) {
		T(sendto(a, wild[i], 10, 0, (struct sockaddr *)&to, sizeof(to)));
		T(sendto(a, "x", 1, 0, (struct sockaddr *)wild[i], sizeof(to)));
	}
	T(sendto(a, end - 5, 10, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(a, "x", 1, 0, (struct sockaddr *)(end - 4), sizeof(to)));
	T(sendto(a, end, 10, MSG_MORE, (struct sockaddr *)&to, sizeof(to)));
	settle();
	while (recv(b, buf, 100, MSG_DONTWAIT) >= 0)
		say("one too many");
	for (int i = 0; i < 12; i++)
		T(sendto(a, "datagram", 8, 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	T(recv(b, end, 8, 0));
	T(recv(b, end - 4, 8, 0));
	T(recv(b, end - 4, 4, MSG_PEEK));
	T(recv(b, end, 8, MSG_PEEK));
	T(recv(b, ro, 8, 0));
	T(recvfrom(b, buf, 8, 0, (struct sockaddr *)end, &len));
	T(recvfrom(b, buf, 8, 0, (struct sockaddr *)&to, (socklen_t *)end));
	T(recvfrom(b, buf, 8, 0, (struct sockaddr *)&to, NULL));
	len = (socklen_t)-1;
	T(recvfrom(b, buf, 8, 0, (struct sockaddr *)&to, &len));
	T(recvfrom(b, buf, 8, 0, NULL, (socklen_t *)end));
	say_bytes("then", buf, recv(b, buf, 100, MSG_DONTWAIT));
	while (recv(b, buf, 100, MSG_DONTWAIT) >= 0)
		say("left");
}

CASE(efault_msg)
{
	char *end = edge(), *ro = readonly(), control[64];
	struct iovec iov = { buf, 8 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 }, *out;
	struct mmsghdr *many = (struct mmsghdr *)(void *)(end - sizeof(*many));
	struct sockaddr_in to;
	int a, b, on = 1;

	udp_pair(&a, &b);
	to = loop_addr(port_of(b));
	T(sendmsg(a, (struct msghdr *)end, 0));
	T(sendmsg(a, (struct msghdr *)(end - 20), 0));
	T(sendmsg(a, NULL, 0));
	msg.msg_name = end;
	msg.msg_namelen = sizeof(to);
	T(sendmsg(a, &msg, 0));
	msg.msg_name = &to;
	msg.msg_iov = (struct iovec *)end;
	T(sendmsg(a, &msg, 0));
	msg.msg_iov = &iov;
	msg.msg_control = end;
	msg.msg_controllen = 32;
	T(sendmsg(a, &msg, 0));
	msg.msg_control = NULL;
	msg.msg_controllen = 0;
	for (int i = 0; i < 8; i++)
		T(sendmsg(a, &msg, 0));
	settle();
	setsockopt(b, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	T(recvmsg(b, (struct msghdr *)end, 0));
	T(recvmsg(b, NULL, 0));
	msg.msg_name = end;
	T(recvmsg(b, &msg, 0));
	msg.msg_name = NULL;
	msg.msg_control = end;
	msg.msg_controllen = sizeof(control);
	T(recvmsg(b, &msg, 0));
	say("controllen %zu flags %x", msg.msg_controllen, msg.msg_flags);
	msg.msg_control = NULL;
	out = (struct msghdr *)(void *)(ro + 64);
	T(recvmsg(b, out, MSG_DONTWAIT));
	msg = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	memset(many, 0, sizeof(*many));
	many->msg_hdr = msg;
	T(recvmmsg(b, many, 4, MSG_DONTWAIT, NULL));
	T(recvmmsg(b, (struct mmsghdr *)end, 4, MSG_DONTWAIT, NULL));
	T(recvmmsg(b, many, 1, MSG_DONTWAIT, (struct timespec *)end));
	many->msg_hdr.msg_name = &to;
	many->msg_hdr.msg_namelen = sizeof(to);
	T(sendmmsg(a, many, 3, 0));
	T(sendmmsg(a, (struct mmsghdr *)end, 3, 0));
	settle();
	while (recv(b, buf, 100, MSG_DONTWAIT) >= 0)
		say("left");
}

CASE(efault_names)
{
	char *end = edge(), *ro = readonly();
	socklen_t len = 16, *rolen = (socklen_t *)(void *)ro;
	struct sockaddr_in name;
	uint16_t port;
	int c, s, l = tcp_listener(8, &port), d = sock(SOCK_STREAM), u = sock(SOCK_DGRAM);

	tcp_pair(&c, &s);
	for (size_t i = 0; i < COUNT(wild); i++) {
		T(connect(d, (struct sockaddr *)wild[i], 16));
		T(bind(d, (struct sockaddr *)wild[i], 16));
		T(connect(u, (struct sockaddr *)wild[i], 16));
		T(getsockname(s, (struct sockaddr *)wild[i], &len));
		T(getpeername(s, (struct sockaddr *)wild[i], &len));
		T(getsockname(s, (struct sockaddr *)&name, (socklen_t *)wild[i]));
	}
	T(connect(d, (struct sockaddr *)end, 16));
	T(connect(d, (struct sockaddr *)(end - 8), 16));
	T(bind(d, (struct sockaddr *)(end - 8), 16));
	T(connect(d, (struct sockaddr *)end, 0));
	T(connect(d, (struct sockaddr *)end, 1000));
	T(connect(d, (struct sockaddr *)end, (socklen_t)-1));
	T(getsockname(s, (struct sockaddr *)ro, &len));
	T(getsockname(s, (struct sockaddr *)&name, rolen));
	len = 4;
	T(getsockname(s, (struct sockaddr *)(end - 4), &len));
	len = (socklen_t)-1;
	T(getpeername(s, (struct sockaddr *)&name, &len));
	len = 16;
	T(conn(sock(SOCK_STREAM), port));
	T(accept(l, (struct sockaddr *)end, &len));
	T(conn(sock(SOCK_STREAM), port));
	T(accept(l, (struct sockaddr *)&name, (socklen_t *)end));
	nonblock(l);
	T(accept(l, (struct sockaddr *)end, &len));
}

CASE(efault_options)
{
	char *end = edge(), *ro = readonly();
	socklen_t len = sizeof(int), *badlen = (socklen_t *)(void *)end;
	static const int names[] = { SO_KEEPALIVE, SO_LINGER, SO_RCVTIMEO, SO_RCVBUF, SO_ERROR,
				     SO_TYPE };
	int c, s;

	tcp_pair(&c, &s);
	for (size_t i = 0; i < COUNT(names); i++) {
		T(setsockopt(s, SOL_SOCKET, names[i], end, 16));
		T(setsockopt(s, SOL_SOCKET, names[i], end - 2, 16));
		T(setsockopt(s, SOL_SOCKET, names[i], (void *)-1, 16));
		T(getsockopt(s, SOL_SOCKET, names[i], end, &len));
		T(getsockopt(s, SOL_SOCKET, names[i], ro, &len));
		T(getsockopt(s, SOL_SOCKET, names[i], buf, badlen));
		T(getsockopt(s, SOL_SOCKET, names[i], buf, NULL));
	}
	T(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, end, 4));
	T(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, end, 4));
	T(setsockopt(s, IPPROTO_IP, IP_TOS, end, 1));
	T(getsockopt(s, IPPROTO_IP, IP_TOS, end, &len));
	T(getsockopt(s, IPPROTO_TCP, TCP_INFO, end, &len));
	T(ioctl(s, FIONREAD, end));
	T(ioctl(s, FIONREAD, NULL));
	T(ioctl(s, FIONBIO, end));
	T(ioctl(s, FIOASYNC, end));
	T(ioctl(s, SIOCATMARK, ro));
}

CASE(efault_waiting)
{
	char *end = edge(), *ro = readonly();
	struct pollfd *p = (struct pollfd *)(void *)(end - sizeof(*p));
	struct epoll_event ev = { .events = EPOLLIN }, *two;
	struct timeval zero = { 0, 0 };
	struct timespec ts = { 0, 0 };
	int c, s, d, e, ep = epoll_create1(0);
	fd_set rd;

	tcp_pair(&c, &s);
	tcp_pair(&d, &e);
	*p = (struct pollfd){ .fd = s, .events = POLLOUT };
	T(poll(p, 1, 0));
	T(poll(p, 2, 0));
	T(poll((struct pollfd *)end, 1, 0));
	T(ppoll(p, 2, &ts, NULL));
	memset(&rd, 0, sizeof(rd));
	FD_SET(s, &rd);
	T(select(s + 1, &rd, (fd_set *)end, NULL, &zero));
	T(select(s + 1, (fd_set *)-1, &rd, NULL, &zero));
	T(select(s + 1, &rd, (fd_set *)(end - 8), NULL, &zero));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, s, (struct epoll_event *)end));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, s, (struct epoll_event *)(end - 4)));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, s, (void *)-1));
	ev.events = EPOLLOUT;
	T(epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
	T(epoll_ctl(ep, EPOLL_CTL_MOD, s, (struct epoll_event *)end));
	T(epoll_wait(ep, (struct epoll_event *)end, 4, 0));
	T(epoll_wait(ep, (struct epoll_event *)ro, 4, 0));
	two = (struct epoll_event *)(void *)(end - sizeof(*two));
	T(epoll_wait(ep, two, 4, 0));
	T(epoll_wait(ep, two, 1, 0));
	T(epoll_wait(ep, (void *)-1, 4, 0));
	T(epoll_wait(ep, (void *)-1, 0, 0));
	T(epoll_wait(ep, &ev, 0x7fffffff, 0));
	T(epoll_pwait2(ep, two, 1, (struct timespec *)end, NULL));
	T(epoll_wait(ep, (struct epoll_event *)end, 4, -1));
}

CASE(efault_sendfile)
{
	char *end = edge();
	FILE *file = tmpfile();
	int c, s;

	tcp_pair(&c, &s);
	fputs("content", file);
	fflush(file);
	T(sendfile(c, fileno(file), (off_t *)end, 7));
	T(sendfile(c, fileno(file), (off_t *)(end - 4), 7));
	T(splice(fileno(file), NULL, c, (off64_t *)end, 7, 0));
	settle();
	T(recv(s, buf, 100, MSG_DONTWAIT));
}

/* ---- the program's own faults stay its own ---- */

static sigjmp_buf back;
static volatile int how;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	how = info->si_code;
	siglongjmp(back, sig);
}

static void fault_once(const char *text, volatile char *at)
{
	int sig = sigsetjmp(back, 1);

	if (!sig) {
		*at = 1;
		say("%s: no fault", text);
	} else {
		say("%s: %s code %d", text, sig == SIGSEGV ? "SEGV" : "BUS", how);
	}
}

CASE(efault_own_handler)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old;
	char *end = edge(), *bus = beyond();
	int c, s;

	T(sigaction(SIGSEGV, &sa, NULL));
	T(sigaction(SIGBUS, &sa, NULL));
	tcp_pair(&c, &s);
	fault_once("own", end);
	T(send(c, end, 10, 0));
	fault_once("bus", bus);
	T(send(c, bus, 10, 0));
	T(sigaction(SIGSEGV, NULL, &old));
	say("mine %d flags %x", old.sa_sigaction == on_fault, old.sa_flags);
	sa.sa_flags |= (int)SA_RESETHAND;
	T(sigaction(SIGSEGV, &sa, NULL));
	T(send(c, end, 10, 0));
	fault_once("once", end);
	T(send(c, end, 10, 0));
	T(sigaction(SIGSEGV, NULL, &old));
	say("default %d", old.sa_handler == SIG_DFL);
	if (!fork()) {
		*(volatile char *)end = 1;
		_exit(0);
	}
	wait(&c);
	say("signal %d", WTERMSIG(c));
}

static void dies(const char *text, void (*handler)(int), bool sent)
{
	int status;
	char *end = edge();

	signal(SIGSEGV, handler);
	if (!fork()) {
		if (sent)
			raise(SIGSEGV);
		else
			*(volatile char *)end = 1;
		_exit(7);
	}
	wait(&status);
	say("%s: signal %d exit %d", text, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

CASE(efault_deaths)
{
	int c, s;

	tcp_pair(&c, &s);
	dies("default, fault", SIG_DFL, false);
	dies("default, sent", SIG_DFL, true);
	dies("ignored, fault", SIG_IGN, false);
	dies("ignored, sent", SIG_IGN, true);
	T(send(c, (void *)4096, 10, 0));
}
