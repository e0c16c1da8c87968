// SPDX-License-Identifier: BSD-3-Clause
/*
 * s7diff.c - runs the cases of the differential test and has their vocabulary
 *
 * s7diff -l               names of all cases
 * s7diff CASE             runs one, transcript to standard output
 * s7diff -o DIR [CASE...] runs each (all) in a process of its own, transcript to DIR/CASE; a case
 *                         that dies or hangs says so in its last line
 * Plain libc: nothing here knows of sock7.
 */
#include "test/diff/diff.h"

#include <arpa/inet.h>
#include <stdarg.h>

#define CASE_SECONDS 30
#define PORTS_MAX 256
#define FASTEST_TRIES 10

static struct diff_case *cases;

void diff_add(struct diff_case *c)
{
	struct diff_case **at = &cases;

	while (*at && strcmp((*at)->name, c->name) < 0)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

/* ---- saying ---- */

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

const char *err_name(int err)
{
	const char *name = err ? strerrorname_np(err) : "0";

	return name ? name : "?";
}

long say_result(const char *text, long value)
{
	int err = errno;

	if (value == -1)
		say("%s = -1 %s", text, err_name(err));
	else
		say("%s = %ld", text, value);
	errno = err;
	return value;
}

int say_fd(const char *text, int fd)
{
	int err = errno;

	say("%s = %s", text, fd >= 0 ? "fd" : err_name(err));
	errno = err;
	return fd;
}

/* Ports are named in the order in which they are first seen; 0 and the well-known ones stay. */
static const char *port_name(uint16_t port)
{
	static uint16_t seen[PORTS_MAX];
	static int count;
	static char name[16];
	int i;

	if (port < 1024) {
		snprintf(name, sizeof(name), "%u", port);
		return name;
	}
	for (i = 0; i < count && seen[i] != port; i++)
		;
	if (i == count && count < PORTS_MAX)
		seen[count++] = port;
	snprintf(name, sizeof(name), "p%d", i + 1);
	return name;
}

void say_addr(const char *text, const void *addr, socklen_t len)
{
	const struct sockaddr_in *in = addr;
	const struct sockaddr_in6 *in6 = addr;
	char host[INET6_ADDRSTRLEN];

	if (len >= sizeof(*in) && in->sin_family == AF_INET)
		say("%s: len %u %s:%s", text, len,
		    inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host)),
		    port_name(ntohs(in->sin_port)));
	else if (len >= sizeof(*in6) && in6->sin6_family == AF_INET6)
		say("%s: len %u [%s]:%s scope %u", text, len,
		    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)),
		    port_name(ntohs(in6->sin6_port)), in6->sin6_scope_id);
	else
		say("%s: len %u family %d", text, len, len >= 2 ? in->sin_family : -1);
}

void say_bytes(const char *text, const void *data, long len)
{
	const unsigned char *at = data;

	if (len < 0) {
		say("%s: %s", text, err_name(errno));
		return;
	}
	printf("%s: %ld '", text, len);
	for (long i = 0; i < len && i < 64; i++)
		printf(at[i] >= 32 && at[i] < 127 ? "%c" : "\\%02x", at[i]);
	say("'");
}

void say_events(const char *text, uint32_t events)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ EPOLLIN, " IN" },	    { EPOLLPRI, " PRI" },	{ EPOLLOUT, " OUT" },
		{ EPOLLERR, " ERR" },	    { EPOLLHUP, " HUP" },	{ POLLNVAL, " NVAL" },
		{ EPOLLRDNORM, " RDNORM" }, { EPOLLRDBAND, " RDBAND" }, { EPOLLWRNORM, " WRNORM" },
		{ EPOLLWRBAND, " WRBAND" }, { EPOLLRDHUP, " RDHUP" },
	};

	printf("%s:", text);
	for (size_t i = 0; i < COUNT(names); i++) {
		if (events & names[i].bit)
			fputs(names[i].name, stdout);
		events &= ~names[i].bit;
	}
	if (events)
		printf(" +%x", events);
	say("%s", "");
}

void say_poll(const char *text, int fd, int ms)
{
	struct pollfd pfd = { .fd = fd,
			      .events = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND |
				      POLLWRNORM | POLLWRBAND | POLLRDHUP };
	int n = poll(&pfd, 1, ms);

	if (n <= 0)
		say("%s: poll %d", text, n);
	else
		say_events(text, (uint16_t)pfd.revents);
}

void say_names(const char *text, int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char line[128];

	memset(&addr, 0, sizeof(addr));
	snprintf(line, sizeof(line), "%s name", text);
	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		say("%s: %s", line, err_name(errno));
	else
		say_addr(line, &addr, len);
	len = sizeof(addr);
	snprintf(line, sizeof(line), "%s peer", text);
	if (getpeername(fd, (struct sockaddr *)&addr, &len))
		say("%s: %s", line, err_name(errno));
	else
		say_addr(line, &addr, len);
}

void say_so_error(int fd)
{
	say("SO_ERROR: %s", err_name(get_int(fd, SOL_SOCKET, SO_ERROR)));
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void say_ms(const char *text, int64_t ms, int low, int high)
{
	say("%s: %s", text, ms < low ? "too early" : ms > high ? "too late" : "in time");
}

void say_took(const char *text, int64_t from, int low, int high)
{
	say_ms(text, now_ms() - from, low, high);
}

void say_fastest(const char *text, void (*run)(void), int low, int high)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < FASTEST_TRIES && best > high; i++) {
		int64_t from = now_ms(), took;

		run();
		took = now_ms() - from;
		best = took < best ? took : best;
	}
	say_ms(text, best, low, high);
}

/* ---- starting points ---- */

struct sockaddr_in loop_addr(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

uint16_t port_of(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	getsockname(fd, (struct sockaddr *)&addr, &len);
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	say("starting point: %s: %s", what, err_name(errno));
	exit(3);
}

int sock(int type)
{
	int fd = socket(AF_INET, type, 0);

	must(fd >= 0, "socket");
	return fd;
}

int tcp_listener(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in any = loop_addr(0);
	int fd = sock(SOCK_STREAM);

	must(!bind(fd, (struct sockaddr *)&any, sizeof(any)), "bind");
	must(!listen(fd, backlog), "listen");
	*ret_port = port_of(fd);
	return fd;
}

void tcp_pair(int *ret_client, int *ret_server)
{
	uint16_t port;
	int listener = tcp_listener(4, &port);

	*ret_client = sock(SOCK_STREAM);
	must(!conn(*ret_client, port), "connect");
	*ret_server = accept(listener, NULL, NULL);
	must(*ret_server >= 0, "accept");
	close(listener);
}

int udp_bound(uint16_t *ret_port)
{
	struct sockaddr_in any = loop_addr(0);
	int fd = sock(SOCK_DGRAM);

	must(!bind(fd, (struct sockaddr *)&any, sizeof(any)), "bind");
	*ret_port = port_of(fd);
	return fd;
}

void udp_pair(int *ret_a, int *ret_b)
{
	uint16_t port;

	*ret_a = udp_bound(&port);
	*ret_b = udp_bound(&port);
}

int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &len) ? -errno : value;
}

void nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int conn(int fd, uint16_t port)
{
	struct sockaddr_in to = loop_addr(port);

	return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

void settle(void)
{
	usleep(25000);
}

/* For TCP too: what an earlier case left in TIME_WAIT is not dead yet. */
uint16_t dead_port(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	uint16_t port;
	int udp, tcp;
	bool both;

	do {
		udp = udp_bound(&port);
		tcp = sock(SOCK_STREAM);
		any.sin_port = htons(port);
		both = !bind(tcp, (struct sockaddr *)&any, sizeof(any));
		close(tcp);
		close(udp);
	} while (!both);
	return port;
}

/* ---- running ---- */

static int run_one(const char *name)
{
	for (struct diff_case *c = cases; c; c = c->next) {
		if (strcmp(c->name, name))
			continue;
		signal(SIGPIPE, SIG_IGN);
		if (c->run_named)
			c->run_named(name);
		else
			c->run();
		if (!c->run_named)
			say("end");
		return 0;
	}
	fprintf(stderr, "s7diff: no case '%s'\n", name);
	return 2;
}

static void run_apart(const char *self, const char *dir, const char *name)
{
	char path[512];
	FILE *out;
	pid_t pid;
	int status;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	pid = fork();
	if (!pid) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

		dup2(fd, 1);
		close(fd);
		alarm(CASE_SECONDS);
		execl(self, self, name, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	out = fopen(path, "a");
	if (out && WIFSIGNALED(status))
		fprintf(out, "died: SIG%s\n", sigabbrev_np(WTERMSIG(status)));
	else if (out && WEXITSTATUS(status))
		fprintf(out, "exit code %d\n", WEXITSTATUS(status));
	if (out)
		fclose(out);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "-l")) {
		for (struct diff_case *c = cases; c; c = c->next)
			puts(c->name);
		return 0;
	}
	if (argc == 2)
		return run_one(argv[1]);
	if (argc < 3 || strcmp(argv[1], "-o")) {
		fprintf(stderr, "usage: s7diff -l | CASE | -o DIR [CASE...]\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		run_apart("/proc/self/exe", argv[2], argv[i]);
	for (struct diff_case *c = cases; c && argc == 3; c = c->next)
		run_apart("/proc/self/exe", argv[2], c->name);
	return 0;
}
