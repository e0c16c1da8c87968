/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pat.h - what the pattern programs share: a scenario table, the far side's commands, errno by name
 *
 * A program is a table of scenarios; `prog` lists their names, `prog NAME` runs one. What it prints
 * must be the same on kernel sockets and on sock7, so nothing is printed that may differ between
 * two runs on the kernel.
 */
#ifndef S7_TEST_PAT_H
#define S7_TEST_PAT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct scenario {
	const char *name;
	void (*run)(void);
};

#define PORT 7100
#define PEER_ECHO 7001
#define PEER_HOLE 7002
#define PEER_FULL 7003
#define PEER_POUR 7004

static FILE *peer_file;

/* One command to the far side; its answer, without the line's end. */
static inline const char *peer(const char *fmt, ...)
{
	static __thread char answer[512];
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	va_list args;

	if (!peer_file) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		snprintf(un.sun_path, sizeof(un.sun_path), "%s", getenv("S7_PEER"));
		if (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
			printf("no peer: %m\n");
			exit(2);
		}
		peer_file = fdopen(fd, "r+");
		setvbuf(peer_file, NULL, _IOLBF, 4096);
	}
	va_start(args, fmt);
	vfprintf(peer_file, fmt, args);
	va_end(args);
	fputc('\n', peer_file);
	fflush(peer_file);
	if (!fgets(answer, sizeof(answer), peer_file))
		return "peer gone";
	answer[strcspn(answer, "\n")] = 0;
	return answer;
}

static inline const char *err_name(int err)
{
	return err ? strerrorname_np(err) : "0";
}

/* "text: value" or "text: -1 EWHATEVER" */
static inline long say(const char *text, long ret)
{
	int err = errno;

	if (ret < 0)
		printf("%s: %ld %s\n", text, ret, err_name(err));
	else
		printf("%s: %ld\n", text, ret);
	fflush(stdout);
	return ret;
}

static inline struct sockaddr_in addr_any(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
}

static inline int listen_on(int port, int type, int backlog)
{
	struct sockaddr_in in = addr_any(port);
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) ||
	    ((type & 15) == SOCK_STREAM && listen(fd, backlog))) {
		printf("listen: %s\n", err_name(errno));
		exit(2);
	}
	return fd;
}

static inline int server(void)
{
	return listen_on(PORT, SOCK_STREAM, 128);
}

static inline struct sockaddr_in addr_peer(int port)
{
	struct sockaddr_in in = addr_any(port);

	inet_pton(AF_INET, getenv("S7_PEER_IP"), &in.sin_addr);
	return in;
}

static inline int client(int port)
{
	struct sockaddr_in in = addr_peer(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)))
		say("connect", -1);
	return fd;
}

/* A connection that the far side opened: its id there is 0, 1, ... in order. */
static inline int accepted(int lfd)
{
	int fd;

	peer("conn %d", PORT);
	fd = accept(lfd, NULL, NULL);
	if (fd < 0)
		say("accept", fd);
	return fd;
}

/* A child that has run; how it ended. */
static inline void wait_for(const char *text, pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s: signal %d\n", text, WTERMSIG(status));
	else
		printf("%s: %d\n", text, WEXITSTATUS(status));
}

static inline void write_text(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		say("write", -1);
}

static inline void nap_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static inline long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Says "after N ms" only as early, in time or late. */
static inline void say_time(const char *text, long since, long low, long high)
{
	long ms = now_ms() - since;

	printf("%s: %s\n", text, ms < low ? "early" : ms > high ? "late" : "in time");
}

static inline int run_scenarios(const struct scenario *table, size_t count, int argc, char **argv)
{
	for (size_t i = 0; i < count; i++) {
		if (argc < 2) {
			puts(table[i].name);
		} else if (!strcmp(argv[1], table[i].name)) {
			setvbuf(stdout, NULL, _IOLBF, 0);
			table[i].run();
			fflush(stdout);
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}

#endif
