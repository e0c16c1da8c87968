/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rr.c - ping-pong of `size` bytes over TCP or UDP, the round trip's time printed by the client
 *
 * Idea: how a side waits is one of three functions: a blocking call, a busy loop on a non-blocking
 * socket (--spin), epoll_wait (--epoll). Everything else is the same, so their differences are the
 * wait's. A TCP server echoes what comes; with --epoll it serves many connections, otherwise one
 * after the other. A UDP client sends again after 1 s without an answer and counts that as lost.
 */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_SIZE 65536
#define MAX_EVENTS 64
#define LOSS_MS 1000
#define MAX_LOST 10 /* in a row: the server is not there */
#define WARM_UP 1000 /* round trips that are not counted */

static const char usage[] =
	"usage: rr client tcp|udp ADDRESS PORT COUNT SIZE [--spin|--epoll]\n"
	"       rr server tcp|udp ADDRESS PORT [COUNT SIZE] [--spin|--epoll]\n"
	"  COUNT round trips of SIZE bytes; a server without them serves for ever\n";

enum wait_kind { WAIT_BLOCK, WAIT_SPIN, WAIT_EPOLL };

struct rr {
	bool stream;
	enum wait_kind wait;
	uint64_t count, done;
	size_t size;
	int epfd;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	char buf[MAX_SIZE];
};

static void watch(struct rr *rr, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(rr->epfd, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

/* Makes a socket fit for the chosen way to wait. */
static void prepare(struct rr *rr, int fd)
{
	if (rr->wait != WAIT_BLOCK)
		set_nonblocking(fd);
	if (rr->wait == WAIT_EPOLL)
		watch(rr, fd);
}

/* After an EAGAIN: true when it is worth trying again, false when LOSS_MS have passed. */
static bool wait_more(struct rr *rr, uint64_t since)
{
	struct epoll_event event;
	int n;

	switch (rr->wait) {
	case WAIT_BLOCK:
		return false; /* SO_RCVTIMEO has passed */
	case WAIT_SPIN:
		return now_ns() - since < LOSS_MS * 1000000ull;
	case WAIT_EPOLL:
		n = epoll_wait(rr->epfd, &event, 1, LOSS_MS);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		return n != 0;
	}
	return false;
}

static bool send_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = send(fd, buf, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static void request(const struct rr *rr, int fd)
{
	/* a UDP socket reports the server's absence here; the loss counter tells of it */
	if (!send_all(fd, rr->buf, rr->size) && (rr->stream || errno != ECONNREFUSED))
		die("send");
}

/* One message of rr->size bytes: 1, or 0 when it did not come in time. */
static int receive(struct rr *rr, int fd)
{
	uint64_t since = rr->wait == WAIT_SPIN ? now_ns() : 0;
	size_t have = 0;
	ssize_t n;

	while (have < rr->size) {
		n = recv(fd, rr->buf + have, rr->size - have, 0);
		if (n > 0) {
			have += (size_t)n;
			if (!rr->stream)
				return 1;
			continue;
		}
		if (n == 0 && rr->stream) {
			fprintf(stderr, "rr: the server closed the connection\n");
			exit(1);
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
			die("recv");
		if (n < 0 && errno == EAGAIN && !wait_more(rr, since) && !rr->stream)
			return 0;
	}
	return 1;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const struct rr *rr, uint64_t *ns, uint64_t lost, double cpu)
{
	qsort(ns, rr->count, sizeof(*ns), by_value);
	printf("%s %zu bytes, %llu round trips: min %.2f  median %.2f  p99 %.2f us; lost %llu, "
	       "cpu %.3f s\n",
	       rr->stream ? "tcp" : "udp", rr->size, (unsigned long long)rr->count,
	       (double)ns[0] / 1e3, (double)ns[rr->count / 2] / 1e3,
	       (double)ns[rr->count - 1 - rr->count / 100] / 1e3, (unsigned long long)lost, cpu);
}

static int run_client(struct rr *rr)
{
	const struct timeval timeout = { .tv_sec = LOSS_MS / 1000 };
	uint64_t warm = rr->count > 10 * WARM_UP ? WARM_UP : rr->count / 10;
	uint64_t *ns = calloc(rr->count, sizeof(*ns)), lost = 0, row, start, i;
	double cpu = 0;
	int fd;

	if (!ns)
		die("calloc");
	fd = open_client(rr->stream ? SOCK_STREAM : SOCK_DGRAM, &rr->addr, rr->addr_len);
	if (rr->stream)
		set_nodelay(fd);
	if (rr->wait == WAIT_BLOCK && !rr->stream &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		die("SO_RCVTIMEO");
	prepare(rr, fd);
	memset(rr->buf, 'r', rr->size);
	for (i = 0; i < rr->count + warm; i++) {
		if (i == warm)
			cpu = cpu_seconds();
		start = now_ns();
		request(rr, fd);
		for (row = 1; !receive(rr, fd); row++) {
			lost++;
			if (row == MAX_LOST) {
				fprintf(stderr, "rr: no answer\n");
				return 1;
			}
			start = now_ns();
			request(rr, fd);
		}
		if (i >= warm)
			ns[i - warm] = now_ns() - start;
	}
	report(rr, ns, lost, cpu_seconds() - cpu);
	free(ns);
	return 0;
}

/* Messages are counted by their bytes; true while the server shall go on. */
static bool counted(struct rr *rr, size_t bytes)
{
	rr->done += bytes;
	return rr->count == 0 || rr->done < rr->count * rr->size;
}

/* What can be read now, sent back: 1 go on, 0 nothing there or closed (*ret_closed), -1 enough. */
static int echo(struct rr *rr, int fd, bool *ret_closed)
{
	ssize_t n = recv(fd, rr->buf, sizeof(rr->buf), 0);

	*ret_closed = false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0 || !send_all(fd, rr->buf, (size_t)n)) {
		*ret_closed = true;
		return 0;
	}
	return counted(rr, (size_t)n) ? 1 : -1;
}

static int echo_datagram(struct rr *rr, int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, rr->buf, sizeof(rr->buf), 0, (struct sockaddr *)&from, &len);

	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
		die("recvfrom");
	if (n < 0)
		return 0;
	if (sendto(fd, rr->buf, (size_t)n, 0, (struct sockaddr *)&from, len) < 0 && errno != EAGAIN)
		die("sendto");
	return counted(rr, (size_t)n) ? 1 : -1;
}

static int serve_datagrams(struct rr *rr, int fd)
{
	struct epoll_event event;

	prepare(rr, fd);
	while (echo_datagram(rr, fd) >= 0)
		if (rr->wait == WAIT_EPOLL && epoll_wait(rr->epfd, &event, 1, -1) < 0 &&
		    errno != EINTR)
			die("epoll_wait");
	return 0;
}

static int serve_one_by_one(struct rr *rr, int lfd)
{
	bool closed = false;
	int fd, go = 1;

	while (go >= 0) {
		fd = accept(lfd, NULL, NULL);
		if (fd < 0)
			die("accept");
		set_nodelay(fd);
		prepare(rr, fd);
		do
			go = echo(rr, fd, &closed);
		while (go >= 0 && !closed);
		close(fd);
	}
	return 0;
}

static int serve_events(struct rr *rr, int lfd)
{
	struct epoll_event events[MAX_EVENTS];
	bool closed;
	int i, n, fd;

	set_nonblocking(lfd);
	watch(rr, lfd);
	for (;;) {
		n = epoll_wait(rr->epfd, events, MAX_EVENTS, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (i = 0; i < n; i++) {
			if (events[i].data.fd == lfd) {
				fd = accept(lfd, NULL, NULL);
				if (fd < 0)
					continue;
				set_nodelay(fd);
				prepare(rr, fd);
				continue;
			}
			if (echo(rr, events[i].data.fd, &closed) < 0)
				return 0;
			if (closed)
				close(events[i].data.fd);
		}
	}
}

static int run_server(struct rr *rr)
{
	int fd = open_server(rr->stream ? SOCK_STREAM : SOCK_DGRAM, &rr->addr, rr->addr_len);

	if (!rr->stream)
		return serve_datagrams(rr, fd);
	return rr->wait == WAIT_EPOLL ? serve_events(rr, fd) : serve_one_by_one(rr, fd);
}

static void take_arguments(struct rr *rr, int argc, char **argv, bool server)
{
	static const char *const flags[] = { "--spin", "--epoll", NULL };
	int at = 5;

	rr->stream = !strcmp(argv[2], "tcp");
	rr->addr_len = parse_address(argv[3], argv[4], &rr->addr);
	rr->size = 1;
	if (argc >= 7 && argv[5][0] != '-') {
		rr->count = (uint64_t)parse_number(argv[5], server ? 0 : 1, 1000000000, "count");
		rr->size = (size_t)parse_number(argv[6], 1, rr->stream ? MAX_SIZE : 65507, "size");
		at = 7;
	}
	only_flags(argc, argv, at, flags, usage);
	if (argc > at + 1 || (!server && rr->count == 0)) {
		fputs(usage, stderr);
		exit(2);
	}
	if (argc > at)
		rr->wait = strcmp(argv[at], "--spin") ? WAIT_EPOLL : WAIT_SPIN;
}

int main(int argc, char **argv)
{
	bool server;
	struct rr *rr;

	if (argc < 5 || (strcmp(argv[1], "server") && strcmp(argv[1], "client")) ||
	    (strcmp(argv[2], "tcp") && strcmp(argv[2], "udp"))) {
		fputs(usage, stderr);
		return 2;
	}
	server = !strcmp(argv[1], "server");
	rr = calloc(1, sizeof(*rr));
	if (!rr)
		die("calloc");
	take_arguments(rr, argc, argv, server);
	rr->epfd = rr->wait == WAIT_EPOLL ? epoll_create1(EPOLL_CLOEXEC) : -1;
	if (rr->wait == WAIT_EPOLL && rr->epfd < 0)
		die("epoll_create1");
	return server ? run_server(rr) : run_client(rr);
}
