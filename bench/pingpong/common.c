/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * common.c - arguments, addresses, clocks; ordinary libc only, so that it runs preloaded as well
 * Called by: rr.c, bulk.c.
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_TRIES 200
#define CONNECT_PAUSE_US 50000

void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

long parse_number(const char *text, long min, long max, const char *name)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < min || value > max) {
		fprintf(stderr, "%s: %s is not within %ld..%ld\n", name, text, min, max);
		exit(2);
	}
	return value;
}

socklen_t parse_address(const char *text, const char *port, struct sockaddr_storage *ret_addr)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret_addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_addr;
	uint16_t port_be = htons((uint16_t)parse_number(port, 1, 65535, "port"));

	memset(ret_addr, 0, sizeof(*ret_addr));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port_be;
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = port_be;
		return sizeof(*in6);
	}
	fprintf(stderr, "%s: not a numeric address\n", text);
	exit(2);
}

void only_flags(int argc, char **argv, int from, const char *const *known, const char *usage)
{
	const char *const *k;
	int i;

	for (i = from; i < argc; i++) {
		for (k = known; *k && strcmp(*k, argv[i]); k++)
			;
		if (!*k) {
			fprintf(stderr, "%s: unknown\n%s", argv[i], usage);
			exit(2);
		}
	}
}

int open_server(int type, const struct sockaddr_storage *addr, socklen_t len)
{
	int one = 1, fd = socket(addr->ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		die("SO_REUSEADDR");
	if (bind(fd, (const struct sockaddr *)addr, len))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 512))
		die("listen");
	return fd;
}

int open_client(int type, const struct sockaddr_storage *addr, socklen_t len)
{
	int fd, i;

	for (i = 0; i < CONNECT_TRIES; i++) {
		fd = socket(addr->ss_family, type | SOCK_CLOEXEC, 0);
		if (fd < 0)
			die("socket");
		if (!connect(fd, (const struct sockaddr *)addr, len))
			return fd;
		if (errno != ECONNREFUSED)
			break;
		close(fd);
		usleep(CONNECT_PAUSE_US);
		errno = ECONNREFUSED;
	}
	die("connect");
}

void set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		die("O_NONBLOCK");
}

void set_nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("TCP_NODELAY");
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

double cpu_seconds(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}
