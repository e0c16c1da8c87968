// SPDX-License-Identifier: BSD-3-Clause
/*
 * pat_thread.c - many threads on the same and on different sockets
 */
#include "pat.h"

#define THREADS 8

static int shared_fd = -1;
static _Atomic long total;
static _Atomic bool stop;

static pthread_t start(void *(*run)(void *), void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, run, arg);
	return t;
}

static void *blocked_read(void *arg)
{
	char buf[16];
	ssize_t n = recv(*(int *)arg, buf, sizeof(buf), 0);

	printf("reader: %zd %s\n", n, n < 0 ? err_name(errno) : "");
	return NULL;
}

/*
 * close() of a descriptor in which another thread waits: as in Linux the wait goes on, data still
 * reaches it.
 */
static void close_under_reader(void)
{
	int lfd = server(), fd = accepted(lfd);
	pthread_t t = start(blocked_read, &fd);

	nap_ms(200);
	say("close", close(fd));
	peer("send 0 late");
	pthread_join(t, NULL);
	printf("peer: %s\n", peer("recv 0"));
}

static void shutdown_wakes(void)
{
	int lfd = server(), fd = accepted(lfd), ret;
	pthread_t t = start(blocked_read, &fd);

	nap_ms(200);
	ret = shutdown(fd, SHUT_RD);
	pthread_join(t, NULL);
	say("shutdown", ret);
	close(fd);
	fd = accepted(lfd);
	t = start(blocked_read, &fd);
	nap_ms(100);
	ret = shutdown(fd, SHUT_RDWR);
	pthread_join(t, NULL);
	say("shutdown both", ret);
	printf("peer: %s\n", peer("recv 1"));
}

static void *blocked_accept(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);

	printf("accept: %s\n", fd < 0 ? err_name(errno) : "got one");
	return NULL;
}

static void shutdown_listener(void)
{
	int lfd = server(), ret;
	pthread_t t = start(blocked_accept, &lfd);

	nap_ms(200);
	ret = shutdown(lfd, SHUT_RDWR);
	pthread_join(t, NULL);
	say("shutdown", ret);
	printf("conn: %s\n", peer("conn %d", PORT));
	say("close", close(lfd));
}

static void close_listener_under_accept(void)
{
	int lfd = server(), copy = lfd;
	char first[16];
	pthread_t t = start(blocked_accept, &copy);

	nap_ms(200);
	say("close", close(lfd));
	snprintf(first, sizeof(first), "%s", peer("conn %d", PORT));
	pthread_join(t, NULL);
	printf("conn: %s\n", first);
	printf("conn: %s\n", peer("conn %d", PORT));
}

static void *accept_loop(void *arg)
{
	char buf[100];

	(void)arg;
	for (;;) {
		int fd = accept(shared_fd, NULL, NULL);
		ssize_t n;

		if (fd < 0)
			return NULL;
		n = read(fd, buf, sizeof(buf));
		if (n > 0 && write(fd, buf, (size_t)n) == n)
			total++;
		close(fd);
	}
}

static void threads_accept(void)
{
	pthread_t t[THREADS];

	shared_fd = server();
	for (int i = 0; i < THREADS; i++)
		t[i] = start(accept_loop, NULL);
	for (int i = 0; i < 10; i++)
		printf("%s\n", peer("many %d 40", PORT));
	shutdown(shared_fd, SHUT_RDWR);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("total %ld\n", total);
}

static void *read_all(void *arg)
{
	char buf[2000];
	ssize_t n;

	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		total += n;
	return NULL;
}

static void *write_some(void *arg)
{
	char buf[1000] = { 0 };

	for (int i = 0; i < 500; i++)
		if (write(*(int *)arg, buf, sizeof(buf)) != sizeof(buf))
			printf("write: %s\n", err_name(errno));
	return NULL;
}

/* Four threads write one connection, four read the echo. */
static void threads_one_socket(void)
{
	int fd = client(PEER_ECHO);
	pthread_t w[4], r[4];

	for (int i = 0; i < 4; i++) {
		r[i] = start(read_all, &fd);
		w[i] = start(write_some, &fd);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(w[i], NULL);
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 4; i++)
		pthread_join(r[i], NULL);
	printf("total %ld\n", total);
}

static void *worker_oneshot(void *arg)
{
	int ep = *(int *)arg;
	struct epoll_event ev;
	char buf[64];

	while (!stop) {
		if (epoll_wait(ep, &ev, 1, 200) != 1)
			continue;
		ssize_t n = read(ev.data.fd, buf, sizeof(buf));

		if (n <= 0) {
			close(ev.data.fd);
			continue;
		}
		total++;
		if (write(ev.data.fd, buf, (size_t)n) != n)
			printf("write: %s\n", err_name(errno));
		ev.events = EPOLLIN | EPOLLONESHOT;
		epoll_ctl(ep, EPOLL_CTL_MOD, ev.data.fd, &ev);
	}
	return NULL;
}

/* Threads share an epoll set; with ONESHOT no two serve one connection at a time. */
static void epoll_oneshot(void)
{
	int lfd = server(), ep = epoll_create1(0), fd;
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		t[i] = start(worker_oneshot, &ep);
	for (int i = 0; i < 10; i++) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };

		fd = accepted(lfd);
		ev.data.fd = fd;
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	}
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 10; i++)
			peer("send %d m%d", i, round);
		for (int i = 0; i < 10; i++)
			printf("%s ", peer("recv %d", i));
		printf("\n");
	}
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("total %ld\n", total);
}

static void *worker_exclusive(void *arg)
{
	int lfd = shared_fd, ep = epoll_create1(0), fd;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE };

	(void)arg;
	epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev);
	while (!stop) {
		if (epoll_wait(ep, &ev, 1, 200) != 1)
			continue;
		fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
		if (fd < 0)
			continue;
		fcntl(fd, F_SETFL, 0);
		char buf[64];
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n > 0 && write(fd, buf, (size_t)n) == n)
			total++;
		close(fd);
	}
	close(ep);
	return NULL;
}

static void epoll_exclusive(void)
{
	pthread_t t[THREADS];

	shared_fd = server();
	fcntl(shared_fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < THREADS; i++)
		t[i] = start(worker_exclusive, NULL);
	nap_ms(50);
	for (int i = 0; i < 10; i++)
		printf("%s\n", peer("many %d 20", PORT));
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("total %ld\n", total);
}

/* Adding to an epoll set another thread sleeps in wakes it. */
static void *wait_one(void *arg)
{
	struct epoll_event ev;

	say("epoll_wait", epoll_wait(*(int *)arg, &ev, 1, 4000));
	return NULL;
}

static void epoll_add_wakes(void)
{
	int lfd = server(), fd = accepted(lfd), ep = epoll_create1(0), ret;
	struct epoll_event ev = { .events = EPOLLOUT };
	pthread_t t = start(wait_one, &ep);

	nap_ms(200);
	ret = epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	pthread_join(t, NULL);
	say("add", ret);
	ev.events = EPOLLIN;
	say("mod", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	t = start(wait_one, &ep);
	nap_ms(100);
	peer("send 0 x");
	pthread_join(t, NULL);
	say("close takes it out", close(fd) + epoll_wait(ep, &ev, 1, 100));
}

/*
 * Descriptors are closed, reused and read by others all the time: nothing may crash, hang or mix
 * up.
 */
static int churn_fd[16];

static void *churn_user(void *arg)
{
	unsigned int seed = (unsigned int)(long)arg;
	char buf[256];

	while (!stop) {
		int fd = __atomic_load_n(&churn_fd[rand_r(&seed) % 16], __ATOMIC_RELAXED);
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (fd <= 2)
			continue;
		switch (rand_r(&seed) % 5) {
		case 0:
			recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
			break;
		case 1:
			send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		case 2:
			poll(&pfd, 1, 1);
			break;
		case 3: {
			int val;
			socklen_t len = sizeof(val);

			getsockopt(fd, SOL_SOCKET, SO_ERROR, &val, &len);
			break;
		}
		default:
			shutdown(fd, SHUT_WR);
		}
		total++;
	}
	return NULL;
}

static void *churn_blocked(void *arg)
{
	unsigned int seed = (unsigned int)(long)arg;
	char buf[256];

	while (!stop) {
		int fd = __atomic_load_n(&churn_fd[rand_r(&seed) % 16], __ATOMIC_RELAXED);

		if (fd > 2)
			recv(fd, buf, sizeof(buf), 0);
	}
	return NULL;
}

/*
 * Others may already know the number, from the descriptor that had it before: so the time-out is
 * there before the connection (else a reader waits for ever, on the kernel too), and the connection
 * may fail (one of them shut it down in mid-handshake).
 */
static int churn_client(void)
{
	struct sockaddr_in in = addr_peer(PEER_ECHO);
	struct timeval tv = { .tv_usec = 20000 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	connect(fd, (struct sockaddr *)&in, sizeof(in));
	return fd;
}

static void *churn_owner(void *arg)
{
	long base = (long)arg * 4;

	for (int i = 0; i < 400; i++) {
		int fd = churn_client(), at = (int)(base + i % 4);

		fd = __atomic_exchange_n(&churn_fd[at], fd, __ATOMIC_RELAXED);
		if (fd > 2)
			close(fd);
	}
	return NULL;
}

static void churn(void)
{
	pthread_t owner[4], user[4], blocked[2];

	for (long i = 0; i < 4; i++)
		owner[i] = start(churn_owner, (void *)i);
	for (long i = 0; i < 4; i++)
		user[i] = start(churn_user, (void *)(i + 1));
	for (long i = 0; i < 2; i++)
		blocked[i] = start(churn_blocked, (void *)(i + 100));
	for (int i = 0; i < 4; i++)
		pthread_join(owner[i], NULL);
	stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(user[i], NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(blocked[i], NULL);
	for (int i = 0; i < 16; i++)
		close(churn_fd[i]);
	printf("used %d\n", total > 1000);
}

/* Threads fork while others accept and close: a child gets what was there, nobody hangs. */
static void *forker(void *arg)
{
	(void)arg;
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
		total += pid > 0;
	}
	return NULL;
}

static void fork_in_threads(void)
{
	pthread_t t[2], acc;

	shared_fd = server();
	acc = start(accept_loop, NULL);
	for (int i = 0; i < 2; i++)
		t[i] = start(forker, NULL);
	for (int i = 0; i < 10; i++)
		printf("%s\n", peer("many %d 10", PORT));
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	shutdown(shared_fd, SHUT_RDWR);
	pthread_join(acc, NULL);
	printf("total %ld\n", total);
}

static void *cancelled_reader(void *arg)
{
	char buf[8];

	recv(*(int *)arg, buf, sizeof(buf), 0);
	return NULL;
}

static void cancel(void)
{
	int lfd = server(), fd = accepted(lfd);
	pthread_t t = start(cancelled_reader, &fd);
	void *ret;
	char buf[8];

	nap_ms(100);
	pthread_cancel(t);
	pthread_join(t, &ret);
	printf("cancelled %d\n", ret == PTHREAD_CANCELED);
	peer("send 0 go");
	say("another reads", recv(fd, buf, sizeof(buf), 0));
	say("close", close(fd));
	printf("%s\n", peer("recv 0"));
}

/* The process exits while its threads wait in every kind of call. */
static void exit_with_waiters(void)
{
	int lfd = server(), fd = accepted(lfd), ep = epoll_create1(0), status;
	pid_t pid = fork();

	if (!pid) {
		start(blocked_read, &fd);
		start(blocked_accept, &lfd);
		start(wait_one, &ep);
		nap_ms(100);
		exit(7);
	}
	waitpid(pid, &status, 0);
	printf("status %d\n", WEXITSTATUS(status));
	start(blocked_read, &fd);
	start(blocked_accept, &lfd);
	nap_ms(100);
}

static int late_set;

static void *late_waiter(void *arg)
{
	struct epoll_event event;
	char buf[16];

	(void)arg;
	for (;;) {
		int n = epoll_wait(late_set, &event, 1, -1);

		if (n != 1)
			return (void *)1;
		if (event.data.fd < 0)
			return NULL;
		if (recv(event.data.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			total++;
	}
}

/* Threads sleep in a set that has no socket yet, in a program that has none; then it gets one. */
static void epoll_before_sockets(void)
{
	struct epoll_event stopped = { .events = EPOLLIN, .data.fd = -1 },
			   event = { .events = EPOLLIN };
	pthread_t t[4];
	long failed = 0;
	void *ret;
	int go[2];

	say("pipe", pipe(go));
	late_set = epoll_create1(0);
	say("add pipe", epoll_ctl(late_set, EPOLL_CTL_ADD, go[0], &stopped));
	for (int i = 0; i < 4; i++)
		t[i] = start(late_waiter, NULL);
	nap_ms(200);
	event.data.fd = accepted(server());
	say("add socket", epoll_ctl(late_set, EPOLL_CTL_ADD, event.data.fd, &event));
	for (int i = 1; i <= 5; i++) {
		peer("send 0 x");
		for (int k = 0; k < 500 && total < i; k++)
			nap_ms(10);
	}
	printf("heard %ld\n", (long)total);
	say("stop", (int)write(go[1], "x", 1));
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		failed += (long)ret;
	}
	printf("failed %ld\n", failed);
}

static const struct scenario table[] = {
	{ "epoll_before_sockets", epoll_before_sockets },
	{ "close_under_reader", close_under_reader },
	{ "shutdown_wakes", shutdown_wakes },
	{ "shutdown_listener", shutdown_listener },
	{ "close_listener_under_accept", close_listener_under_accept },
	{ "threads_accept", threads_accept },
	{ "threads_one_socket", threads_one_socket },
	{ "epoll_oneshot", epoll_oneshot },
	{ "epoll_exclusive", epoll_exclusive },
	{ "epoll_add_wakes", epoll_add_wakes },
	{ "churn", churn },
	{ "fork_in_threads", fork_in_threads },
	{ "cancel", cancel },
	{ "exit_with_waiters", exit_with_waiters },
};

int main(int argc, char **argv)
{
	return run_scenarios(table, sizeof(table) / sizeof(*table), argc, argv);
}
