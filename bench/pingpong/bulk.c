/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bulk.c - one-way TCP throughput over a number of streams
 *
 * Idea: one thread, epoll, non-blocking sockets. The first byte from the client says what it
 * wants: 'r' to receive, anything else is already data. A server that is given --tx or --rx does
 * that whatever the client says. The time of a run goes from its first byte to the end of its last
 * stream, or SECONDS. A server without SECONDS and STREAMS serves run after run, and prints a line
 * after each.
 */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUF_BYTES 262144
#define MAX_EVENTS 64
#define ROUND 16 /* calls on a stream before the next has its turn */

static const char usage[] =
	"usage: bulk client ADDRESS PORT SECONDS STREAMS [--tx|--rx]\n"
	"       bulk server ADDRESS PORT [SECONDS STREAMS] [--tx|--rx]\n"
	"  --tx: this end transmits (a client's default), --rx: it receives;\n"
	"  a server that is given neither does what each client asks for\n";

enum direction { DIR_ASK, DIR_TX, DIR_RX };

struct stream {
	int fd;
	enum direction dir;
};

struct bulk {
	bool server;
	enum direction dir;
	uint64_t run_ns, begin_ns, bytes; /* run_ns 0: no limit */
	long streams, open, seen;	  /* streams 0: no limit */
	int epfd;
	double cpu;
	struct stream *listener; /* NULL for a client */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	char *buf;
};

static uint32_t events_of(enum direction dir)
{
	return dir == DIR_TX ? EPOLLOUT : EPOLLIN;
}

static struct stream *add_stream(struct bulk *b, int fd, enum direction dir)
{
	struct epoll_event event = { .events = events_of(dir) };
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		die("calloc");
	s->fd = fd;
	s->dir = dir;
	event.data.ptr = s;
	set_nonblocking(fd);
	if (epoll_ctl(b->epfd, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
	return s;
}

static void open_streams(struct bulk *b)
{
	const char ask = 'r';
	long i;
	int fd;

	if (b->server) {
		fd = open_server(SOCK_STREAM, &b->addr, b->addr_len);
		b->listener = add_stream(b, fd, DIR_RX);
		return;
	}
	for (i = 0; i < b->streams; i++) {
		fd = open_client(SOCK_STREAM, &b->addr, b->addr_len);
		if (b->dir == DIR_RX && send(fd, &ask, 1, MSG_NOSIGNAL) != 1)
			die("send");
		add_stream(b, fd, b->dir);
		b->open++;
		b->seen++;
	}
}

static void accept_streams(struct bulk *b)
{
	int fd;

	while (b->streams == 0 || b->seen < b->streams) {
		fd = accept(b->listener->fd, NULL, NULL);
		if (fd < 0)
			return;
		add_stream(b, fd, b->dir);
		b->open++;
		b->seen++;
	}
}

static void report(struct bulk *b)
{
	static const char *const names[] = { "tx or rx", "tx", "rx" };
	double secs = (double)(now_ns() - b->begin_ns) / 1e9, cpu = cpu_seconds() - b->cpu;

	printf("%s %ld streams, %.2f s: %.3f Gbit/s, cpu %.3f s (%.2f ns/KB)\n", names[b->dir],
	       b->seen, secs, (double)b->bytes * 8e-9 / secs, cpu,
	       b->bytes ? cpu * 1e9 / ((double)b->bytes / 1024) : 0.0);
	fflush(stdout);
}

static void end_stream(struct bulk *b, struct stream *s)
{
	close(s->fd);
	free(s);
	b->open--;
	if (b->open || b->streams || !b->begin_ns)
		return;
	report(b); /* a server for ever: the next run begins at zero */
	b->begin_ns = 0;
	b->bytes = 0;
	b->seen = 0;
}

static void count(struct bulk *b, size_t bytes)
{
	if (!b->begin_ns) {
		b->begin_ns = now_ns();
		b->cpu = cpu_seconds();
	}
	b->bytes += bytes;
}

/* The client's first byte has come. */
static void choose(struct bulk *b, struct stream *s, char first)
{
	struct epoll_event event = { .data.ptr = s };

	s->dir = first == 'r' ? DIR_TX : DIR_RX;
	event.events = events_of(s->dir);
	if (epoll_ctl(b->epfd, EPOLL_CTL_MOD, s->fd, &event))
		die("epoll_ctl");
}

/* Moves what can be moved now; closes a stream at its end. */
static void move(struct bulk *b, struct stream *s)
{
	int round = ROUND;
	ssize_t n;

	while (round--) {
		n = s->dir == DIR_TX ? send(s->fd, b->buf, BUF_BYTES, MSG_NOSIGNAL) :
				       recv(s->fd, b->buf, BUF_BYTES, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			end_stream(b, s);
			return;
		}
		count(b, (size_t)n);
		if (s->dir == DIR_ASK) {
			choose(b, s, b->buf[0]);
			memset(b->buf, 'b', (size_t)n);
		}
	}
}

static bool finished(const struct bulk *b)
{
	if (b->streams == 0)
		return false;
	if (b->seen == b->streams && b->open == 0)
		return true;
	return b->run_ns && b->begin_ns && now_ns() - b->begin_ns >= b->run_ns;
}

static void transfer(struct bulk *b)
{
	struct epoll_event events[MAX_EVENTS];
	int i, n;

	while (!finished(b)) {
		n = epoll_wait(b->epfd, events, MAX_EVENTS, 100);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (i = 0; i < n; i++) {
			if (events[i].data.ptr == b->listener)
				accept_streams(b);
			else
				move(b, events[i].data.ptr);
		}
	}
}

static void take_arguments(struct bulk *b, int argc, char **argv)
{
	static const char *const flags[] = { "--tx", "--rx", NULL };
	int at = 4;

	if (argc < 4 || (strcmp(argv[1], "server") && strcmp(argv[1], "client"))) {
		fputs(usage, stderr);
		exit(2);
	}
	b->server = !strcmp(argv[1], "server");
	b->addr_len = parse_address(argv[2], argv[3], &b->addr);
	if (argc >= 6 && argv[4][0] != '-') {
		b->run_ns = (uint64_t)parse_number(argv[4], 1, 86400, "seconds") * 1000000000;
		b->streams = parse_number(argv[5], 1, 10000, "streams");
		at = 6;
	}
	only_flags(argc, argv, at, flags, usage);
	if (argc > at + 1 || (!b->server && b->streams == 0)) {
		fputs(usage, stderr);
		exit(2);
	}
	b->dir = b->server ? DIR_ASK : DIR_TX;
	if (argc > at)
		b->dir = strcmp(argv[at], "--tx") ? DIR_RX : DIR_TX;
}

int main(int argc, char **argv)
{
	struct bulk b = { 0 };

	take_arguments(&b, argc, argv);
	b.buf = malloc(BUF_BYTES);
	b.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (!b.buf || b.epfd < 0)
		die("epoll_create1");
	memset(b.buf, 'b', BUF_BYTES);
	open_streams(&b);
	transfer(&b);
	if (!b.begin_ns) {
		fprintf(stderr, "bulk: not a byte came\n");
		return 1;
	}
	report(&b);
	return 0;
}
