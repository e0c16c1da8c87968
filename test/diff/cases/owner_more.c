// SPDX-License-Identifier: BSD-3-Clause
/*
 * owner_more.c - owners and signals at the edges: bad values, uids, forked processes, who has gone,
 * SIGPIPE by every call that writes
 */
#include <sys/sendfile.h>
#include <sys/syscall.h>

#include "test/diff/cases/ready.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

static volatile sig_atomic_t pipes, ios;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void on_io(int sig)
{
	(void)sig;
	ios++;
}

/* Who is asked, after a while. */
static int io_count(void)
{
	int64_t end = now_ms() + 40;
	int n;

	while (now_ms() < end)
		usleep(5000);
	n = ios;
	ios = 0;
	return n;
}

CASE(owner_sigpipe)
{
	struct iovec iov = { (char *)"x", 1 };
	struct mmsghdr mm = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	int c, s, file = fileno(tmpfile()), p[2];

	signal(SIGPIPE, on_pipe);
	tcp_pair(&c, &s);
	T(shutdown(c, SHUT_WR));
	T(write(file, "abc", 3));
	T(pipe(p));
	T(write(p[1], "abc", 3));
#define BROKEN(expr) \
	do { \
		pipes = 0; \
		T(expr); \
		say("%d", (int)pipes); \
	} while (0)
	BROKEN(send(c, "x", 1, 0));
	BROKEN(send(c, "", 0, 0));
	BROKEN(send(c, "x", 1, MSG_NOSIGNAL));
	BROKEN(sendto(c, "x", 1, 0, NULL, 0));
	BROKEN(sendmsg(c, &mm.msg_hdr, 0));
	BROKEN(sendmsg(c, &mm.msg_hdr, MSG_NOSIGNAL));
	BROKEN(sendmmsg(c, &mm, 1, 0));
	BROKEN(sendmmsg(c, &mm, 1, MSG_NOSIGNAL));
	BROKEN(write(c, "x", 1));
	BROKEN(writev(c, &iov, 1));
	BROKEN(pwritev2(c, &iov, 1, -1, 0));
	lseek(file, 0, SEEK_SET);
	BROKEN(sendfile(c, file, NULL, 3));
	BROKEN(splice(p[0], NULL, c, NULL, 3, 0));
	BROKEN(send(c, "x", 1, MSG_OOB));
}

CASE(owner_sigpipe_datagrams)
{
	int c = sock(SOCK_DGRAM);
	uint16_t port;

	signal(SIGPIPE, on_pipe);
	udp_bound(&port);
	T(conn(c, port));
	T(shutdown(c, SHUT_WR));
	T(send(c, "x", 1, 0));
	say("%d", (int)pipes);
}

/* Blocked, ignored or waited for: EPIPE all the same. */
CASE(owner_sigpipe_masked)
{
	struct timespec soon = { 0, 100000000 };
	sigset_t set, pending;
	siginfo_t info = { .si_signo = 0 };
	int c, s;

	tcp_pair(&c, &s);
	T(shutdown(c, SHUT_WR));
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	T(send(c, "x", 1, 0));
	sigpending(&pending);
	say("pending %d", sigismember(&pending, SIGPIPE));
	T(sigtimedwait(&set, &info, &soon));
	say("code %d pid mine %d", info.si_code, info.si_pid == getpid());
}

static void values(int fd)
{
	static const int types[] = { F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP, 3, -1 };
	static const int pids[] = { 0, 1, -1, -7, 4000000 };
	struct f_owner_ex ex;
	uint32_t uids[2] = { 7, 7 };
	int sig;

	for (size_t i = 0; i < COUNT(types); i++)
		for (size_t k = 0; k < COUNT(pids); k++) {
			ex = (struct f_owner_ex){ .type = types[i], .pid = pids[k] };
			say("set %d %d: %s", types[i], pids[k],
			    fcntl(fd, F_SETOWN_EX, &ex) ? err_name(errno) : "0");
			ex = (struct f_owner_ex){ .type = 9, .pid = 9 };
			T(fcntl(fd, F_GETOWN_EX, &ex));
			say("got %d %d, F_GETOWN %d", ex.type, ex.pid, fcntl(fd, F_GETOWN));
		}
	for (sig = -1; sig < 67; sig += sig < 2 || sig > 61 ? 1 : 7)
		say("signal %d: %s %d", sig, fcntl(fd, F_SETSIG, sig) ? err_name(errno) : "0",
		    fcntl(fd, F_GETSIG));
	T(fcntl(fd, F_SETOWN, getpid()));
	T(fcntl(fd, F_GETOWNER_UIDS, uids));
	say("%u %u", uids[0], uids[1]);
	T(fcntl(fd, F_GETOWNER_UIDS, NULL));
}

CASE(owner_values)
{
	int c, s;

	values(sock(SOCK_STREAM));
	tcp_pair(&c, &s);
	values(c);
	values(s);
	values(ready_bound(AF_INET6, SOCK_DGRAM));
}

/* The flag and the owner are the description's: a child changes them for its parent. */
CASE(owner_after_fork)
{
	int a, b, status;
	pid_t pid;

	signal(SIGIO, on_io);
	udp_pair(&a, &b);
	conn(b, port_of(a));
	T(fcntl(a, F_SETOWN, getpid()));
	T(fcntl(a, F_SETFL, O_ASYNC));
	pid = fork();
	if (!pid) {
		send(b, "x", 1, 0);
		_exit(io_count());
	}
	say("parent %d", io_count());
	waitpid(pid, &status, 0);
	say("child %d", WEXITSTATUS(status));
	pid = fork();
	if (!pid) {
		fcntl(a, F_SETOWN, getpid());
		send(b, "x", 1, 0);
		_exit(io_count());
	}
	waitpid(pid, &status, 0);
	say("parent %d child %d", io_count(), WEXITSTATUS(status));
	/* the owner is gone */
	send(b, "x", 1, 0);
	say("nobody %d, F_GETOWN %d", io_count(), fcntl(a, F_GETOWN));
	pid = fork();
	if (!pid) {
		fcntl(a, F_SETOWN, getppid());
		fcntl(a, F_SETFL, 0);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say("flags %x", fcntl(a, F_GETFL));
	send(b, "x", 1, 0);
	say("off %d", io_count());
}

/* Given by another thread's number: it alone hears. SIGIO and SIGURG go by different ways. */
CASE(owner_urgent_to_nobody)
{
	int c, s;

	signal(SIGURG, on_io);
	tcp_pair(&c, &s);
	T(send(s, "!", 1, MSG_OOB));
	say("no owner: %d", io_count());
	T(fcntl(c, F_SETOWN, getpid()));
	T(send(s, "!", 1, MSG_OOB));
	say("owner, not O_ASYNC: %d", io_count());
	T(fcntl(c, F_SETOWN, 0));
	T(send(s, "!", 1, MSG_OOB));
	say("none again: %d", io_count());
}

CASE(owner_accepted_has_none)
{
	uint16_t port;
	int l = tcp_listener(4, &port), c = sock(SOCK_STREAM), s;

	signal(SIGIO, on_io);
	T(fcntl(l, F_SETOWN, getpid()));
	T(fcntl(l, F_SETSIG, SIGUSR1));
	T(fcntl(l, F_SETFL, O_ASYNC | O_NONBLOCK));
	signal(SIGUSR1, on_io);
	T(conn(c, port));
	say("listener %d", io_count());
	s = F(accept(l, NULL, NULL));
	say("flags %x owner %d signal %d", fcntl(s, F_GETFL), fcntl(s, F_GETOWN),
	    fcntl(s, F_GETSIG));
	T(send(c, "x", 1, 0));
	say("accepted %d", io_count());
}
