// SPDX-License-Identifier: BSD-3-Clause
/*
 * owner.c - SIGIO and SIGURG: who is told, by which signal, with which story
 */
#include "test/diff/diff.h"

#include <pthread.h>
#include <sys/syscall.h>

#define STORIES 32

static char buf[64];
static siginfo_t told[STORIES];
static volatile sig_atomic_t told_count;
static int watched = -1;

static void on_io(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (told_count < STORIES) {
		told[told_count] = *info;
		told[told_count].si_signo = sig;
		told_count++;
	}
}

static void hear(int sig)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(sig, &sa, NULL);
}

static const char *code_name(int code)
{
	switch (code) {
	case POLL_IN: return "IN";
	case POLL_OUT: return "OUT";
	case POLL_ERR: return "ERR";
	case POLL_PRI: return "PRI";
	case POLL_HUP: return "HUP";
	case SI_KERNEL: return "KERNEL";
	case SI_SIGIO: return "SIGIO";
	case SI_USER: return "USER";
	default: return "?";
	}
}

static void say_story(const siginfo_t *info)
{
	int sig = info->si_signo;

	say("  %s code %s band %lx %s", sig >= SIGRTMIN ? "RT" : strsignal(sig),
	    code_name(info->si_code), (unsigned long)info->si_band,
	    info->si_fd == watched ? "of the fd" : info->si_fd ? "of another fd" : "of none");
}

/* What came within a while, and forgets it. */
static void say_told(const char *text)
{
	int64_t end = now_ms() + 60;

	while (now_ms() < end)
		usleep(5000);
	say("%s: %d", text, (int)told_count);
	for (int i = 0; i < told_count; i++)
		say_story(&told[i]);
	told_count = 0;
}

static void async(int fd, int owner, int sig)
{
	watched = fd;
	T(fcntl(fd, F_SETOWN, owner));
	T(fcntl(fd, F_SETSIG, sig));
	T(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
}

static void owner_calls(int fd)
{
	struct f_owner_ex ex = { .type = 77, .pid = 77 };
	int pid = 0;

	T(fcntl(fd, F_GETOWN));
	T(fcntl(fd, F_GETSIG));
	T(fcntl(fd, F_GETOWN_EX, &ex));
	say("type %d pid %d", ex.type, ex.pid);
	T(fcntl(fd, F_SETOWN, getpid()));
	say("me: %d", fcntl(fd, F_GETOWN) == getpid());
	T(fcntl(fd, F_SETOWN, -getpgrp()));
	say("my group: %d", fcntl(fd, F_GETOWN) == -getpgrp());
	T(fcntl(fd, F_GETOWN_EX, &ex));
	say("type %d mine %d", ex.type, ex.pid == getpgrp());
	T(fcntl(fd, F_SETOWN, 4000000));
	T(fcntl(fd, F_SETOWN, (int)0x80000000));
	say("still: %d", fcntl(fd, F_GETOWN) == -getpgrp());
	ex = (struct f_owner_ex){ .type = F_OWNER_TID, .pid = (int)syscall(SYS_gettid) };
	T(fcntl(fd, F_SETOWN_EX, &ex));
	ex.type = 9;
	T(fcntl(fd, F_SETOWN_EX, &ex));
	T(fcntl(fd, F_GETOWN_EX, &ex));
	say("type %d mine %d", ex.type, ex.pid == getpid());
	T(fcntl(fd, F_SETSIG, SIGRTMIN + 3));
	T(fcntl(fd, F_GETSIG) - SIGRTMIN);
	T(fcntl(fd, F_SETSIG, 65));
	T(fcntl(fd, F_SETSIG, -1));
	T(fcntl(fd, F_SETSIG, 0));
	T(ioctl(fd, FIOGETOWN, &pid));
	say("mine %d", pid == getpid());
	pid = -getpgrp();
	T(ioctl(fd, FIOSETOWN, &pid));
	T(ioctl(fd, SIOCGPGRP, &pid));
	say("my group %d", pid == -getpgrp());
	pid = getpid();
	T(ioctl(fd, SIOCSPGRP, &pid));
	say("me: %d", fcntl(fd, F_GETOWN) == getpid());
	pid = 4000000;
	T(ioctl(fd, SIOCSPGRP, &pid));
	T(ioctl(fd, SIOCSPGRP, NULL));
	T(ioctl(fd, FIOGETOWN, NULL));
	T(fcntl(fd, F_SETOWN_EX, NULL));
	T(fcntl(fd, F_GETOWN_EX, NULL));
	T(fcntl(fd, F_SETOWN, 0));
	T(fcntl(fd, F_GETOWN));
}

CASE(owner_calls_fresh)
{
	owner_calls(sock(SOCK_STREAM));
	owner_calls(sock(SOCK_DGRAM));
}

CASE(owner_calls_connected)
{
	int c, s;

	tcp_pair(&c, &s);
	say("client");
	owner_calls(c);
	say("accepted");
	owner_calls(s);
	say("other accepted sockets have none");
	tcp_pair(&c, &s);
	T(fcntl(s, F_GETOWN));
}

CASE(owner_dead)
{
	int c, s, status;
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	tcp_pair(&c, &s);
	T(fcntl(s, F_SETOWN, pid));
	T(fcntl(c, F_SETOWN, pid));
	say("%d %d", fcntl(s, F_GETOWN) == pid, fcntl(c, F_GETOWN) == pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	T(fcntl(s, F_GETOWN));
	T(fcntl(c, F_GETOWN));
}

static void tcp_life(int owner, int sig)
{
	int c, s;

	tcp_pair(&c, &s);
	async(s, owner, sig);
	say_told("nothing yet");
	send(c, "abc", 3, 0);
	say_told("data");
	send(c, "def", 3, 0);
	say_told("more data, unread");
	T(recv(s, buf, 64, 0));
	say_told("read");
	T(send(s, "x", 1, 0));
	say_told("wrote");
	shutdown(c, SHUT_WR);
	say_told("peer's FIN");
	shutdown(s, SHUT_WR);
	say_told("own FIN");
	close(s);
	close(c);
	tcp_pair(&c, &s);
	async(s, owner, sig);
	shutdown(s, SHUT_WR);
	settle();
	close(c);
	say_told("FIN after own");
	close(s);
}

CASE(owner_tcp_plain)
{
	hear(SIGIO);
	tcp_life(getpid(), 0);
}

CASE(owner_tcp_rt)
{
	hear(SIGRTMIN + 1);
	tcp_life(getpid(), SIGRTMIN + 1);
}

CASE(owner_tcp_usr1)
{
	hear(SIGUSR1);
	tcp_life(getpid(), SIGUSR1);
}

CASE(owner_tcp_sigio_told)
{
	hear(SIGIO);
	tcp_life(getpid(), SIGIO);
}

CASE(owner_tcp_chld)
{
	hear(SIGCHLD);
	tcp_life(getpid(), SIGCHLD);
}

CASE(owner_thread)
{
	struct f_owner_ex ex = { .type = F_OWNER_TID, .pid = (int)syscall(SYS_gettid) };
	int c, s;

	hear(SIGRTMIN);
	tcp_pair(&c, &s);
	watched = s;
	T(fcntl(s, F_SETSIG, SIGRTMIN));
	T(fcntl(s, F_SETOWN_EX, &ex));
	T(fcntl(s, F_SETFL, O_ASYNC));
	send(c, "x", 1, 0);
	say_told("data");
}

static void *other_thread(void *arg)
{
	int c = *(int *)arg;

	usleep(50000);
	send(c, "x", 1, 0);
	return NULL;
}

CASE(owner_by_other_thread)
{
	struct f_owner_ex ex = { .type = F_OWNER_TID, .pid = (int)syscall(SYS_gettid) };
	pthread_t thread;
	int c, s;

	hear(SIGRTMIN);
	tcp_pair(&c, &s);
	watched = s;
	T(fcntl(s, F_SETSIG, SIGRTMIN));
	T(fcntl(s, F_SETOWN_EX, &ex));
	T(fcntl(s, F_SETFL, O_ASYNC));
	pthread_create(&thread, NULL, other_thread, &c);
	pthread_join(thread, NULL);
	say_told("data");
}

CASE(owner_by_other_process)
{
	int c, s, status;
	pid_t pid;

	hear(SIGRTMIN);
	hear(SIGIO);
	tcp_pair(&c, &s);
	async(s, getpid(), SIGRTMIN);
	pid = fork();
	if (!pid) {
		send(c, "x", 1, 0);
		settle();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say_told("data");
	T(fcntl(s, F_SETSIG, 0));
	pid = fork();
	if (!pid) {
		send(c, "x", 1, 0);
		settle();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say_told("plain");
}

CASE(owner_waited_for)
{
	struct timespec some = { 0, 300000000 };
	siginfo_t info;
	sigset_t set;
	int c, s;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	tcp_pair(&c, &s);
	async(s, getpid(), SIGRTMIN);
	if (!fork()) {
		send(c, "x", 1, 0);
		settle();
		_exit(0);
	}
	wait(NULL);
	T(sigtimedwait(&set, &info, &some) == SIGRTMIN);
	info.si_signo = SIGRTMIN;
	say_story(&info);
	send(c, "y", 1, 0);
	T(sigwaitinfo(&set, &info) == SIGRTMIN);
	info.si_signo = SIGRTMIN;
	say_story(&info);
}

CASE(owner_listener)
{
	uint16_t port;
	int l = tcp_listener(4, &port), d;

	hear(SIGRTMIN);
	async(l, getpid(), SIGRTMIN);
	d = sock(SOCK_STREAM);
	T(conn(d, port));
	say_told("connection");
	F(accept(l, NULL, NULL));
	say_told("accepted");
	T(conn(sock(SOCK_STREAM), port));
	say_told("another");
	close(l);
	say_told("closed");
}

CASE(owner_connect)
{
	uint16_t port;
	int l = tcp_listener(4, &port), d = sock(SOCK_STREAM);

	hear(SIGRTMIN);
	nonblock(d);
	async(d, getpid(), SIGRTMIN);
	T(conn(d, port));
	say_told("connecting");
	send(d, "x", 1, 0);
	say_told("sent");
	close(l);
	d = sock(SOCK_STREAM);
	nonblock(d);
	async(d, getpid(), SIGRTMIN);
	T(conn(d, dead_port()));
	say_told("refused");
}

CASE(owner_reset)
{
	struct linger now = { 1, 0 };
	int c, s;

	hear(SIGRTMIN);
	tcp_pair(&c, &s);
	async(s, getpid(), SIGRTMIN);
	setsockopt(c, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c);
	say_told("reset");
	say_so_error(s);
}

CASE(owner_space)
{
	static char bulk[1 << 16];
	int c, s, some = 0;
	long n;

	hear(SIGRTMIN);
	tcp_pair(&c, &s);
	set_int(s, SOL_SOCKET, SO_SNDBUF, 8192);
	nonblock(s);
	async(s, getpid(), SIGRTMIN);
	for (int i = 0; i < 20; i++) {
		while (send(s, bulk, sizeof(bulk), 0) > 0)
			;
		usleep(10000);
	}
	told_count = 0;
	while (send(s, bulk, sizeof(bulk), 0) > 0)
		;
	nonblock(c);
	for (int i = 0; i < 50; i++) {
		while ((n = recv(c, bulk, sizeof(bulk), 0)) > 0)
			;
		usleep(2000);
	}
	for (int i = 0; i < told_count; i++)
		some += told[i].si_code == POLL_OUT;
	say("room: %d, all of them that: %d", some > 0, some == told_count);
}

CASE(owner_udp)
{
	int a, b, d = sock(SOCK_DGRAM);
	struct sockaddr_in to;

	hear(SIGRTMIN);
	udp_pair(&a, &b);
	async(b, getpid(), SIGRTMIN);
	to = loop_addr(port_of(b));
	T(sendto(a, "one", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	say_told("a datagram");
	T(sendto(a, "two", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	say_told("another, unread");
	T(recv(b, buf, 64, 0));
	T(sendto(b, "out", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	say_told("to itself");
	T(conn(d, dead_port()));
	async(d, getpid(), SIGRTMIN);
	T(send(d, "x", 1, 0));
	say_told("port unreachable");
	T(fcntl(d, F_SETFL, 0));
	T(send(d, "x", 1, 0));
	T(send(d, "x", 1, 0));
	say_told("not any more");
}

CASE(owner_fioasync)
{
	int c, s, on = 1, off = 0, pid = getpid();

	hear(SIGIO);
	tcp_pair(&c, &s);
	watched = 0;
	T(ioctl(s, FIOSETOWN, &pid));
	T(ioctl(s, FIOASYNC, &on));
	say("O_ASYNC %d", !!(fcntl(s, F_GETFL) & O_ASYNC));
	send(c, "x", 1, 0);
	say_told("on");
	T(ioctl(s, FIOASYNC, &off));
	say("O_ASYNC %d", !!(fcntl(s, F_GETFL) & O_ASYNC));
	send(c, "x", 1, 0);
	say_told("off");
	T(ioctl(s, FIOASYNC, NULL));
}

CASE(owner_nobody)
{
	int c, s;

	hear(SIGIO);
	tcp_pair(&c, &s);
	T(fcntl(s, F_SETFL, O_ASYNC));
	send(c, "x", 1, 0);
	say_told("nobody");
	T(fcntl(s, F_SETOWN, getpid()));
	send(c, "x", 1, 0);
	say_told("me");
}

CASE(owner_dup)
{
	int c, s, d;

	hear(SIGRTMIN);
	tcp_pair(&c, &s);
	d = dup(s);
	T(fcntl(d, F_SETOWN, getpid()));
	T(fcntl(d, F_SETSIG, SIGRTMIN));
	T(fcntl(d, F_SETFL, O_ASYNC));
	say("same file: %d", fcntl(s, F_GETSIG) == SIGRTMIN);
	watched = d;
	send(c, "x", 1, 0);
	say_told("by the duplicate");
	close(d);
	send(c, "x", 1, 0);
	say_told("that is closed");
}

CASE(owner_urgent)
{
	int c, s, on = 1;

	hear(SIGURG);
	hear(SIGIO);
	hear(SIGRTMIN);
	tcp_pair(&c, &s);
	send(c, "a", 1, MSG_OOB);
	say_told("without owner");
	T(recv(s, buf, 1, MSG_OOB));
	T(fcntl(s, F_SETOWN, getpid()));
	send(c, "b", 1, MSG_OOB);
	say_told("owner");
	T(fcntl(s, F_SETFL, O_ASYNC));
	send(c, "c", 1, MSG_OOB);
	say_told("and O_ASYNC");
	T(fcntl(s, F_SETSIG, SIGRTMIN));
	watched = s;
	send(c, "d", 1, MSG_OOB);
	say_told("and F_SETSIG");
	setsockopt(s, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	send(c, "e", 1, MSG_OOB);
	say_told("inline");
}

CASE(owner_group)
{
	int c, s, fds[2];
	char byte = 0;
	pid_t pid;

	hear(SIGIO);
	T(setpgid(0, 0));
	T(pipe(fds));
	tcp_pair(&c, &s);
	pid = fork();
	if (!pid) {
		byte = 'r';
		write(fds[1], &byte, 1);
		for (int i = 0; i < 100 && !told_count; i++)
			usleep(5000);
		byte = told_count ? 'y' : 'n';
		write(fds[1], &byte, 1);
		_exit(0);
	}
	read(fds[0], &byte, 1);
	T(fcntl(s, F_SETOWN, -getpgrp()));
	T(fcntl(s, F_SETFL, O_ASYNC));
	send(c, "x", 1, 0);
	usleep(60000);
	say("told: %d", told_count > 0);
	while (read(fds[0], &byte, 1) != 1)
		;
	say("child: %c", byte);
	waitpid(pid, NULL, 0);
}

/* A user may not be told by the socket of another. */
CASE(owner_not_permitted)
{
	int c, s, status;
	pid_t pid;

	hear(SIGIO);
	tcp_pair(&c, &s);
	pid = fork();
	if (!pid) {
		setuid(65534);
		say_result("another's owner", fcntl(s, F_SETOWN, getppid()));
		say_result("async", fcntl(s, F_SETFL, O_ASYNC));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	send(c, "x", 1, 0);
	say_told("not told");
	T(fcntl(s, F_SETOWN, getpid()));
	send(c, "x", 1, 0);
	say_told("told");
}
