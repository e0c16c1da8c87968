// SPDX-License-Identifier: BSD-3-Clause
/*
 * libc.c - what libc does with sockets by itself: stdio, popen, posix_spawn, system calls by number
 */
#include "test/diff/diff.h"

#include <spawn.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <syslog.h>

extern char **environ;

static char buf[256];

static void say_read(const char *text, int fd)
{
	settle();
	say_bytes(text, buf, recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
}

CASE(libc_stdio_write)
{
	int c, s;
	FILE *f;

	tcp_pair(&c, &s);
	f = fdopen(s, "w");
	T(fprintf(f, "hello %d\n", 42));
	say_read("buffered", c);
	T(fflush(f));
	say_read("flushed", c);
	setlinebuf(f);
	fputs("line\nhalf", f);
	say_read("a line", c);
	T(fclose(f));
	say_read("closed", c);
	say_read("end", c);
	T(send(s, "x", 1, 0));
}

CASE(libc_stdio_read)
{
	char *line = NULL;
	size_t room = 0;
	int c, s;
	FILE *f;

	tcp_pair(&c, &s);
	f = fdopen(s, "r");
	send(c, "first\nsecond\nthird", 18, 0);
	settle();
	T(getline(&line, &room, f));
	say("%s", line);
	T(getline(&line, &room, f));
	say("%s", line);
	shutdown(c, SHUT_WR);
	T(getline(&line, &room, f));
	say("%s", line);
	T(getline(&line, &room, f));
	say("eof %d error %d fileno %d", feof(f), ferror(f), fileno(f) == s);
	T(fclose(f));
	settle();
	T(send(c, "x", 1, MSG_NOSIGNAL));
	settle();
	T(send(c, "x", 1, MSG_NOSIGNAL));
}

CASE(libc_stdio_both)
{
	int c, s;
	FILE *f, *g;

	tcp_pair(&c, &s);
	f = fdopen(s, "r+");
	g = fdopen(dup(s), "w");
	setvbuf(f, NULL, _IONBF, 0);
	send(c, "ask\n", 4, 0);
	say("%s", fgets(buf, sizeof(buf), f));
	fputs("answer\n", g);
	T(fclose(g));
	say_read("answered", c);
	T(fputc('!', f));
	say_read("unbuffered", c);
	nonblock(s);
	T(fgetc(f));
	say("eof %d error %d", feof(f), ferror(f));
	clearerr(f);
	T(fseek(f, 0, SEEK_SET));
	T(ftell(f));
	T(fclose(f));
	say_read("closed", c);
}

CASE(libc_dprintf)
{
	int c, s;

	tcp_pair(&c, &s);
	T(dprintf(s, "%s-%d", "printed", 7));
	say_read("it", c);
}

/* inetd's way: standard output is a socket. */
CASE(libc_stdout)
{
	int c, s, keep = dup(1);

	tcp_pair(&c, &s);
	fflush(stdout);
	dup2(s, 1);
	printf("to the socket\n");
	fflush(stdout);
	puts("again");
	fflush(stdout);
	dup2(keep, 1);
	say_read("it", c);
	dup2(s, 0);
	send(c, "typed\n", 6, 0);
	settle();
	say("%s", fgets(buf, sizeof(buf), stdin));
}

CASE(libc_popen)
{
	int c, s;
	FILE *f;

	tcp_pair(&c, &s);
	f = popen("echo child", "r");
	say("%s", fgets(buf, sizeof(buf), f));
	T(pclose(f));
	T(system("exit 3") >> 8);
	T(send(s, "still", 5, 0));
	say_read("ours", c);
	close(s);
	say_read("closed", c);
}

/* The child closes a descriptor of its own: the parent's stays. */
CASE(libc_spawn)
{
	posix_spawn_file_actions_t actions;
	char sh[] = "sh", dash_c[] = "-c", text[] = "exit 5", *argv[] = { sh, dash_c, text, NULL };
	int c, s, status;
	pid_t pid;

	tcp_pair(&c, &s);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, s);
	T(posix_spawnp(&pid, "sh", &actions, NULL, argv, environ));
	waitpid(pid, &status, 0);
	say("status %d", WEXITSTATUS(status));
	T(send(s, "still", 5, 0));
	say_read("ours", c);
}

/* Sockets do not pass through exec; close-on-exec closes, the others are open descriptors. */
CASE(libc_exec)
{
	int c, s;
	char command[64];

	tcp_pair(&c, &s);
	fcntl(s, F_SETFD, FD_CLOEXEC);
	snprintf(command, sizeof(command), "[ -e /proc/self/fd/%d ]; exit $?", s);
	T(system(command) >> 8);
	snprintf(command, sizeof(command), "[ -S /proc/self/fd/%d ]; exit $?", c);
	T(system(command) >> 8);
	T(send(s, "still", 5, 0));
	say_read("ours", c);
}

CASE(libc_syscall)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	struct pollfd p = { .events = POLLIN | POLLOUT };
	struct timespec zero = { 0, 0 };
	struct epoll_event ev = { .events = EPOLLIN };
	char vec[] = "vec";
	struct iovec iov = { vec, 3 };
	int l, c, s, ep, d;

	l = (int)F(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
	to = loop_addr(0);
	T(syscall(SYS_bind, l, &to, sizeof(to)));
	T(syscall(SYS_listen, l, 4));
	T(syscall(SYS_getsockname, l, &to, &len));
	c = (int)F(syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	T(syscall(SYS_connect, c, &to, sizeof(to)));
	s = (int)F(syscall(SYS_accept4, l, NULL, NULL, SOCK_NONBLOCK));
	T(syscall(SYS_read, s, buf, 10));
	T(syscall(SYS_write, c, "abc", 3));
	T(syscall(SYS_writev, c, &iov, 1));
	T(syscall(SYS_sendto, c, "def", 3, 0, NULL, 0));
	settle();
	p.fd = s;
	T(syscall(SYS_poll, &p, 1, 0));
	T(syscall(SYS_ppoll, &p, 1, &zero, NULL, 8));
	say_events("  ", (uint16_t)p.revents);
	ep = (int)F(syscall(SYS_epoll_create1, 0));
	T(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, s, &ev));
	T(syscall(SYS_epoll_wait, ep, &ev, 1, 0));
	T(syscall(SYS_recvfrom, s, buf, 4, 0, NULL, NULL));
	T(syscall(SYS_read, s, buf, 10));
	d = (int)F(syscall(SYS_fcntl, s, F_DUPFD, 100));
	T(syscall(SYS_close, s));
	T(syscall(SYS_write, c, "x", 1));
	settle();
	T(syscall(SYS_read, d, buf, 10));
	T(syscall(SYS_shutdown, d, SHUT_WR));
	T(syscall(SYS_recvfrom, c, buf, 10, 0, NULL, NULL));
	T(syscall(SYS_read, 9999, buf, 10));
	T(syscall(99999));
	T(syscall(SYS_getpid) == getpid());
}
