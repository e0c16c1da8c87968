/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bulk.c - one-way TCP throughput over a number of streams
 *
 * Idea: one thread, epoll, non-blocking sockets. --tx transmits, --rx receives; the two ends are
 * started with opposite ones (a client transmits and a server receives if nothing is said). The
 * time runs from the first byte (the receiver) or the last connection (the transmitter) for
 * SECONDS, or until all streams are closed.
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

static const char usage[] = "usage: bulk server|client ADDRESS PORT SECONDS STREAMS [--tx|--rx]\n";

struct bulk {
	bool server, tx;
	uint64_t run_ns, begin_ns, bytes;
	long streams, open;
	int epfd;
	double cpu;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	char *buf;
};

static void add_stream(struct bulk *b, int fd)
{
	struct epoll_event event = { .events = b->tx ? EPOLLOUT : EPOLLIN, .data.fd = fd };

	set_nonblocking(fd);
	if (epoll_ctl(b->epfd, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
	b->open++;
}

static void open_streams(struct bulk *b)
{
	int fd, lfd = b->server ? open_server(SOCK_STREAM, &b->addr, b->addr_len) : -1;
	long i;

	for (i = 0; i < b->streams; i++) {
		fd = b->server ? accept(lfd, NULL, NULL) :
				 open_client(SOCK_STREAM, &b->addr, b->addr_len);
		if (fd < 0)
			die("accept");
		add_stream(b, fd);
	}
	if (lfd >= 0)
		close(lfd);
}

static void begin(struct bulk *b)
{
	b->begin_ns = now_ns();
	b->cpu = cpu_seconds();
}

/* Moves what can be moved now; closes a stream at its end. */
static void move(struct bulk *b, int fd)
{
	int round = ROUND;
	ssize_t n;

	while (round--) {
		n = b->tx ? send(fd, b->buf, BUF_BYTES, MSG_NOSIGNAL) :
			    recv(fd, b->buf, BUF_BYTES, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close(fd);
			b->open--;
			return;
		}
		if (!b->begin_ns)
			begin(b);
		b->bytes += (uint64_t)n;
	}
}

static void transfer(struct bulk *b)
{
	struct epoll_event events[MAX_EVENTS];
	int i, n;

	while (b->open && (!b->begin_ns || now_ns() - b->begin_ns < b->run_ns)) {
		n = epoll_wait(b->epfd, events, MAX_EVENTS, 100);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (i = 0; i < n; i++)
			move(b, events[i].data.fd);
	}
}

int main(int argc, char **argv)
{
	static const char *const flags[] = { "--tx", "--rx", NULL };
	struct bulk b = { 0 };
	double secs, cpu;

	if (argc < 6 || argc > 7 || (strcmp(argv[1], "server") && strcmp(argv[1], "client"))) {
		fputs(usage, stderr);
		return 2;
	}
	only_flags(argc, argv, 6, flags, usage);
	b.server = !strcmp(argv[1], "server");
	b.tx = b.server ? has_flag(argc, argv, 6, "--tx") : !has_flag(argc, argv, 6, "--rx");
	b.addr_len = parse_address(argv[2], argv[3], &b.addr);
	b.run_ns = (uint64_t)parse_number(argv[4], 1, 86400, "seconds") * 1000000000;
	b.streams = parse_number(argv[5], 1, 10000, "streams");
	b.buf = malloc(BUF_BYTES);
	b.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (!b.buf || b.epfd < 0)
		die("epoll_create1");
	memset(b.buf, 'b', BUF_BYTES);
	open_streams(&b);
	if (b.tx)
		begin(&b);
	transfer(&b);
	if (!b.begin_ns) {
		fprintf(stderr, "bulk: not a byte came\n");
		return 1;
	}
	secs = (double)(now_ns() - b.begin_ns) / 1e9;
	cpu = cpu_seconds() - b.cpu;
	printf("%s %ld streams, %.2f s: %.3f Gbit/s, cpu %.3f s (%.2f ns/KB)\n", b.tx ? "tx" : "rx",
	       b.streams, secs, (double)b.bytes * 8e-9 / secs, cpu,
	       b.bytes ? cpu * 1e9 / ((double)b.bytes / 1024) : 0.0);
	return 0;
}
