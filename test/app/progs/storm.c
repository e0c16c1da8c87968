// SPDX-License-Identifier: BSD-3-Clause
/*
 * storm.c - the same descriptor numbers opened, duplicated over, closed, written, read, polled and
 * watched by many threads at once, while others fork
 *
 * Each number stands for a kind of connection that carries bytes of its own number only: a datagram
 * socket connected to itself, or an end of a stream whose other end stands under the next number. A
 * byte or an event of another number is a call that acted on a stranger. What a call returns else
 * does not matter: numbers are closed under it all the time. At the end all is closed, and as many
 * descriptors are open as at the beginning.
 * usage: storm SECONDS
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAKERS 2
#define USERS 4
#define DGRAMS 4  /* numbers FIRST.. */
#define STREAMS 4 /* and behind them, two each */
#define FIRST 300
#define NUMBERS (DGRAMS + 2 * STREAMS)

static _Atomic bool stop;
static _Atomic long bytes, events, made, forked, strangers;
static int epfd;

static unsigned char kind_of(int k)
{
	return (unsigned char)(k < DGRAMS ? k : DGRAMS + (k - DGRAMS) / 2);
}

static void stranger(const char *what, int k, int got)
{
	if (!strangers++)
		printf("number %d: %s of %d\n", k, what, got);
}

/* Puts a descriptor in the place of a number. */
static void place(int fd, int k, unsigned int *seed)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = kind_of(k) };

	if (fd < 0)
		return;
	if (rand_r(seed) & 1)
		close(FIRST + k);
	if (dup2(fd, FIRST + k) == FIRST + k && (rand_r(seed) & 1))
		epoll_ctl(epfd, EPOLL_CTL_ADD, FIRST + k, &ev);
	close(fd);
	made++;
}

static void patience(int fd)
{
	struct timeval tv = { .tv_usec = 2000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static void make_dgram(int k, unsigned int *seed)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	patience(fd);
	bind(fd, (struct sockaddr *)&in, sizeof(in));
	getsockname(fd, (struct sockaddr *)&in, &len);
	connect(fd, (struct sockaddr *)&in, sizeof(in));
	place(fd, k, seed);
}

/* Both ends of a stream, under numbers k and k + 1. */
static void make_stream(int listener, int k, unsigned int *seed)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), end;
	struct linger reset = { 1, 0 };
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	getsockname(listener, (struct sockaddr *)&in, &len);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	/* without time-outs yet: what connects is what is accepted */
	if (connect(fd, (struct sockaddr *)&in, sizeof(in))) {
		close(fd);
		return;
	}
	patience(fd);
	end = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	patience(end);
	place(fd, k, seed);
	place(end, k + 1, seed);
}

static void *maker(void *arg)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	unsigned int seed = (unsigned int)(long)arg;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&in, sizeof(in)) || listen(listener, 8))
		return NULL;
	while (!stop) {
		int k = rand_r(&seed) % (DGRAMS + STREAMS);

		if (k < DGRAMS)
			make_dgram(k, &seed);
		else
			make_stream(listener, DGRAMS + 2 * (k - DGRAMS), &seed);
	}
	close(listener);
	return NULL;
}

static void check(const unsigned char *buf, ssize_t n, int k)
{
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != kind_of(k))
			stranger("byte", k, buf[i]);
	if (n > 0)
		bytes += n;
}

static void use_one(int k, unsigned int *seed)
{
	struct pollfd pfd = { .fd = FIRST + k, .events = POLLIN };
	unsigned char buf[64];
	int fd = FIRST + k, val;
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = kind_of(k) };
	socklen_t len = sizeof(val);

	memset(buf, kind_of(k), sizeof(buf));
	switch (rand_r(seed) % 10) {
	case 0 ... 2:
		send(fd, buf, 1 + rand_r(seed) % sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 3 ... 4:
		check(buf, recv(fd, buf, sizeof(buf), MSG_DONTWAIT), k);
		break;
	case 5:
		check(buf, read(fd, buf, sizeof(buf)), k); /* waits, for a while */
		break;
	case 6:
		poll(&pfd, 1, 0);
		break;
	case 7:
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &val, &len);
		ioctl(fd, FIONREAD, &val);
		break;
	case 8:
		epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &ev);
		break;
	default:
		epoll_ctl(epfd, EPOLL_CTL_DEL, fd, &ev);
	}
}

static void *user(void *arg)
{
	unsigned int seed = (unsigned int)(long)arg;

	while (!stop)
		use_one(rand_r(&seed) % NUMBERS, &seed);
	return NULL;
}

static void *watcher(void *arg)
{
	struct epoll_event ev[8];

	(void)arg;
	while (!stop) {
		int n = epoll_wait(epfd, ev, 8, 5);

		for (int i = 0; i < n; i++)
			if (ev[i].data.u32 >= DGRAMS + STREAMS)
				stranger("event", -1, (int)ev[i].data.u32);
		events += n > 0 ? n : 0;
	}
	return NULL;
}

/* A child has what its parent had: numbers that are whole, or not there. */
static void *forker(void *arg)
{
	unsigned int seed = 77;

	(void)arg;
	while (!stop) {
		pid_t pid = fork();

		if (!pid) {
			strangers = 0;
			for (int i = 0; i < 50; i++)
				use_one(rand_r(&seed) % NUMBERS, &seed);
			_exit(strangers ? 1 : 0);
		}
		if (pid > 0) {
			int status;

			waitpid(pid, &status, 0);
			if (status)
				stranger("a child's end", -1, status);
			forked++;
		}
		usleep(5000);
	}
	return NULL;
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void first_use(void)
{
	unsigned char byte;
	unsigned int seed = 1;

	epfd = epoll_create1(EPOLL_CLOEXEC);
	make_dgram(0, &seed);
	read(FIRST, &byte, 1); /* the stack starts, this thread gets what it needs to sleep */
	close(FIRST);
}

int main(int argc, char **argv)
{
	pthread_t t[MAKERS + USERS + 2];
	int n = 0, before, after;

	signal(SIGPIPE, SIG_IGN);
	first_use();
	before = open_descriptors();
	for (long i = 0; i < MAKERS; i++)
		pthread_create(&t[n++], NULL, maker, (void *)(i + 1));
	for (long i = 0; i < USERS; i++)
		pthread_create(&t[n++], NULL, user, (void *)(i + 100));
	pthread_create(&t[n++], NULL, watcher, NULL);
	pthread_create(&t[n++], NULL, forker, NULL);
	usleep(argc > 1 ? (useconds_t)atoi(argv[1]) * 1000000 : 3000000);
	stop = true;
	while (n)
		pthread_join(t[--n], NULL);
	for (int k = 0; k < NUMBERS; k++)
		close(FIRST + k);
	after = open_descriptors() - 8; /* a bell each of eight threads is kept for the next */
	printf("%ld connections, %ld bytes, %ld events, %ld forks, %ld strangers\n", made, bytes,
	       events, forked, strangers);
	if (after > before)
		printf("descriptors: %d before, %d after\n", before, after);
	return strangers || after > before || !bytes || !events || !forked;
}
