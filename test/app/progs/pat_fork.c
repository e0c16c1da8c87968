// SPDX-License-Identifier: BSD-3-Clause
/*
 * pat_fork.c - servers made of processes: a child a connection, prefork, daemon, passed descriptors
 */
#include "pat.h"

#include <dlfcn.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

#define PREFORK 4

static void answer(int fd, const char *text)
{
	char buf[256];

	if (read(fd, buf, sizeof(buf)) > 0 && write(fd, text, strlen(text)) < 0)
		printf("write: %s\n", err_name(errno));
}

/* Starts `run`, which ends by _exit, in a process of its own. */
typedef void (*starter)(void (*run)(int lfd, int fd), int lfd, int fd);

static void by_fork(void (*run)(int lfd, int fd), int lfd, int fd)
{
	if (fork() == 0)
		run(lfd, fd);
}

static void by_clone_number(void (*run)(int lfd, int fd), int lfd, int fd)
{
	if (syscall(SYS_clone, CLONE_NEWIPC | SIGCHLD, 0, 0, 0, 0) == 0)
		run(lfd, fd);
}

static void by_clone3(void (*run)(int lfd, int fd), int lfd, int fd)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (syscall(SYS_clone3, &args, sizeof(args)) == 0)
		run(lfd, fd);
}

static struct {
	void (*run)(int lfd, int fd);
	int lfd, fd;
} cloned;

static int cloned_main(void *arg)
{
	cloned.run(cloned.lfd, cloned.fd);
	return *(int *)arg;
}

static void by_clone(void (*run)(int lfd, int fd), int lfd, int fd)
{
	static char stack[256 << 10] __attribute__((aligned(16)));
	int ret = 0;

	cloned.run = run;
	cloned.lfd = lfd;
	cloned.fd = fd;
	say("clone", clone(cloned_main, stack + sizeof(stack), SIGCHLD, &ret) > 0);
}

static void answer_and_end(int lfd, int fd)
{
	close(lfd);
	answer(fd, "child\n");
	_exit(0);
}

static void child_each_by(starter start)
{
	int lfd = server(), fd;

	if (fork() == 0) { /* asks, so that the parent serves */
		printf("%s\n", peer("many %d 20", PORT));
		exit(0);
	}
	for (int i = 0; i < 20; i++) {
		fd = accept(lfd, NULL, NULL);
		start(answer_and_end, lfd, fd);
		close(fd);
	}
	for (int i = 0; i < 21; i++)
		wait(NULL);
	say("left", wait(NULL));
}

static void child_each(void) { child_each_by(by_fork); }
static void child_each_clone_number(void) { child_each_by(by_clone_number); }
static void child_each_clone3(void) { child_each_by(by_clone3); }
static void child_each_clone(void) { child_each_by(by_clone); }

/*
 * Each connection is taken by exactly one of the children; none hangs, none is left out for ever.
 */
static void prefork_n(int count, int each)
{
	int lfd = server(), status, good = 0;
	pid_t pid[PREFORK], asker;

	for (int i = 0; i < PREFORK; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		for (;;) {
			int fd = accept(lfd, NULL, NULL);

			if (fd < 0)
				_exit(1);
			answer(fd, "one\n");
			nap_ms(5);
			close(fd);
		}
	}
	asker = fork();
	if (asker == 0) {
		for (int i = 0; i < each; i++)
			printf("%s\n", peer("many %d %d", PORT, count));
		exit(0);
	}
	waitpid(asker, &status, 0);
	for (int i = 0; i < PREFORK; i++)
		good += waitpid(pid[i], &status, WNOHANG) == 0;
	printf("children alive: %d\n", good);
	for (int i = 0; i < PREFORK; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
	}
}

static void prefork(void)
{
	prefork_n(50, 2);
}

static void prefork_slow(void)
{
	prefork_n(1, 12);
}

/* A child that blocks in accept is killed; its siblings get every connection. */
static void prefork_killed(void)
{
	int lfd = server(), status;
	pid_t pid[PREFORK];

	for (int i = 0; i < PREFORK; i++) {
		pid[i] = fork();
		while (!pid[i]) {
			int fd = accept(lfd, NULL, NULL);

			answer(fd, "one\n");
			close(fd);
		}
	}
	for (int i = 0; i < PREFORK - 1; i++) {
		nap_ms(100);
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
		printf("%s\n", peer("many %d 4", PORT));
	}
	kill(pid[PREFORK - 1], SIGKILL);
	waitpid(pid[PREFORK - 1], &status, 0);
}

static void parent_exits(void)
{
	int lfd = server(), fds[2], fd;
	char byte;

	if (pipe(fds) || !fork()) {
		if (fork())
			_exit(0); /* the middle one */
		setsid();
		nap_ms(200);
		fd = accept(lfd, NULL, NULL);
		answer(fd, "grandchild\n");
		close(fd);
		if (write(fds[1], "x", 1) != 1)
			_exit(1);
		_exit(0);
	}
	wait(NULL);
	close(lfd);
	close(fds[1]);
	printf("%s\n", peer("many %d 1", PORT));
	say("told", read(fds[0], &byte, 1));
}

static void daemonised(void)
{
	int lfd = server(), fd, fds[2], status;
	char byte;
	pid_t pid;

	if (pipe(fds))
		return;
	pid = fork();
	if (!pid) {
		if (daemon(1, 1))
			_exit(1);
		fd = accept(lfd, NULL, NULL);
		answer(fd, "daemon\n");
		close(fd);
		_exit(0);
	}
	close(lfd);
	close(fds[1]);
	waitpid(pid, &status, 0);
	printf("status %d\n", status);
	printf("%s\n", peer("many %d 1", PORT));
	say("pipe closed", read(fds[0], &byte, 1));
}

/* One child is busy with its connection: the next connection goes to one that waits, at once. */
static void prefork_busy(void)
{
	int lfd = server(), status;
	pid_t pid[PREFORK];
	long start;

	for (int i = 0; i < PREFORK; i++) {
		pid[i] = fork();
		while (!pid[i]) {
			int fd = accept(lfd, NULL, NULL);

			answer(fd, "one\n");
			nap_ms(1500);
			close(fd);
		}
	}
	for (int i = 0; i < 2; i++) {
		nap_ms(200);
		start = now_ms();
		printf("%s\n", peer("many %d %d", PORT, PREFORK));
		say_time("in parallel", start, 1400, 2600);
	}
	for (int i = 0; i < PREFORK; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
	}
}

/* Killed inside a blocking read, and inside a blocking write: the peer sees the end. */
static void killed_in_call(void)
{
	static char big[1 << 22];
	int lfd = server(), fd = accepted(lfd), status;
	pid_t pid = fork();

	if (!pid) {
		printf("never: %zd\n", read(fd, big, sizeof(big)));
		_exit(1);
	}
	close(fd);
	nap_ms(200);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("in read: %s\n", peer("recv 0"));
	fd = accepted(lfd);
	pid = fork();
	if (!pid) {
		memset(big, 'w', sizeof(big));
		while (write(fd, big, sizeof(big)) > 0)
			;
		_exit(1);
	}
	close(fd);
	nap_ms(300);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("in write: %s\n", peer("drain 1"));
	pid = fork();
	if (!pid) {
		accept(lfd, NULL, NULL);
		_exit(1);
	}
	close(lfd);
	nap_ms(200);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	nap_ms(1500);
	printf("in accept: %s\n", peer("conn %d", PORT));
}

/* The connection as standard input and output, without exec: stdio and plain calls. */
static void as_stdio(void)
{
	int lfd = server(), fd = accepted(lfd), status;
	pid_t pid = fork();

	if (!pid) {
		char line[64];

		dup2(fd, 0);
		dup2(fd, 1);
		close(fd);
		close(lfd);
		if (read(0, line, sizeof(line)) > 0 && write(1, "read and write\n", 15) == 15)
			_exit(0);
		_exit(1);
	}
	close(fd);
	peer("send 0 go");
	printf("%s\n", peer("recv 0"));
	waitpid(pid, &status, 0);
	printf("status %d, then %s\n", status, peer("recv 0"));
}

/* The parent closes; the child's copy holds the connection open. Both ways. */
static void close_one_copy(void)
{
	int lfd = server(), fd = accepted(lfd), status;
	pid_t pid = fork();

	if (!pid) {
		nap_ms(200);
		answer(fd, "from the child\n");
		_exit(0);
	}
	close(fd);
	peer("send 0 go");
	printf("%s\n", peer("recv 0"));
	waitpid(pid, &status, 0);
	printf("%s\n", peer("recv 0"));
	fd = accepted(lfd);
	pid = fork();
	if (!pid) {
		close(fd);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	peer("send 1 go");
	answer(fd, "from the parent\n");
	printf("%s\n", peer("recv 1"));
	close(fd);
	printf("%s\n", peer("recv 1"));
}

/* Two processes read one connection: every byte comes exactly once. */
static void two_readers(void)
{
	int lfd = server(), fd = accepted(lfd), fds[2];
	long total = 0, part, n;
	char buf[4096];

	if (pipe(fds))
		return;
	for (int i = 0; i < 2; i++) {
		if (fork())
			continue;
		for (part = 0; (n = read(fd, buf, sizeof(buf))) > 0; part += n)
			;
		if (write(fds[1], &part, sizeof(part)) < 0)
			_exit(1);
		_exit(0);
	}
	close(fd);
	peer("flood 0 3000000");
	nap_ms(500);
	peer("fin 0");
	for (int i = 0; i < 2; i++)
		total += read(fds[0], &part, sizeof(part)) == sizeof(part) ? part : 0;
	printf("together %ld\n", total);
	while (wait(NULL) > 0)
		;
}

static void system_with_connections(void)
{
	int lfd = server(), fd = accepted(lfd);
	char buf[64];
	FILE *p;

	printf("system: %d\n", system("exit 3"));
	p = popen("echo from a pipe", "r");
	printf("popen: %s", p && fgets(buf, sizeof(buf), p) ? buf : "nothing\n");
	printf("pclose: %d\n", pclose(p));
	peer("send 0 go");
	answer(fd, "still here\n");
	printf("%s\n", peer("recv 0"));
	close(fd);
	printf("%s\n", peer("recv 0"));
}

/* O_NONBLOCK belongs to the open file: a child's fcntl is the parent's. */
static void shared_flags(void)
{
	int lfd = server(), fd = accepted(lfd), status;
	char byte;
	pid_t pid = fork();

	if (!pid) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("nonblock %d, cloexec %d\n", !!(fcntl(fd, F_GETFL) & O_NONBLOCK),
	       fcntl(fd, F_GETFD));
	say("read", read(fd, &byte, 1));
}

/* A killed process's connections end for the peer; those of the others go on. */
static void killed_child(void)
{
	int lfd = server(), kept = accepted(lfd), status, fd = -1;
	pid_t pid;

	peer("conn %d", PORT);
	pid = fork();
	if (!pid) {
		fd = accept(lfd, NULL, NULL);
		if (write(fd, "here\n", 5) == 5)
			pause();
		_exit(1);
	}
	printf("%s\n", peer("recv 1"));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("killed one: %s\n", peer("recv 1"));
	peer("send 0 go");
	answer(kept, "alive\n");
	printf("the other: %s\n", peer("recv 0"));
}

/*
 * A parent without a descriptor left cannot look into /proc, and does not take its child for dead.
 */
static void full_parent(void)
{
	int lfd = server(), fd = accepted(lfd), status;
	struct rlimit limit = { .rlim_max = 64, .rlim_cur = 64 };
	pid_t pid = fork();

	if (!pid) {
		nap_ms(2500);
		answer(fd, "alive\n");
		_exit(0);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	peer("send 0 go");
	printf("child: %s\n", peer("recv 0"));
	waitpid(pid, &status, 0);
	printf("ended with %d\n", status);
}

static int handler_fd = -1, spare_fd = -1;

static void close_spare(void)
{
	close(spare_fd);
	spare_fd = -1;
}

static void close_in_child(void)
{
	close(handler_fd);
}

/* Handlers of pthread_atfork close sockets, on both sides of a fork that libc does by itself. */
static void libc_forks(void)
{
	pid_t (*libc_fork)(void) = (pid_t(*)(void))dlsym(dlopen("libc.so.6", RTLD_LAZY), "fork");
	int lfd = server(), other = accepted(lfd), status;
	pid_t pid;

	handler_fd = accepted(lfd);
	spare_fd = accepted(lfd);
	pthread_atfork(close_spare, NULL, close_in_child);
	pid = libc_fork();
	if (!pid) {
		say("closed in the child", write(handler_fd, "x", 1));
		close(lfd);
		answer(other, "child\n");
		_exit(0);
	}
	peer("send 0 go");
	printf("child: %s\n", peer("recv 0"));
	waitpid(pid, &status, 0);
	peer("send 1 go");
	answer(handler_fd, "parent\n");
	printf("parent: %s\n", peer("recv 1"));
	printf("closed before: %s\n", peer("recv 2"));
	peer("conn %d", PORT);
	peer("send 3 go");
	answer(accept(lfd, NULL, NULL), "still listening\n");
	printf("%s\n", peer("recv 3"));
	pid = fork();
	if (!pid) {
		say("closed in the child", write(handler_fd, "x", 1));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	peer("send 1 go");
	answer(handler_fd, "parent\n");
	printf("parent: %s\n", peer("recv 1"));
}

/* An epoll set made before the fork is one set for both. */
static void epoll_across_fork(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int lfd = server(), ep = epoll_create1(0), status, fd;
	pid_t pid;

	ev.data.fd = lfd;
	say("add", epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	pid = fork();
	if (!pid) {
		memset(&ev, 0, sizeof(ev));
		say("child waits", epoll_wait(ep, &ev, 1, 3000));
		fd = accept(ev.data.fd, NULL, NULL);
		answer(fd, "child by epoll\n");
		_exit(0);
	}
	nap_ms(100);
	printf("%s\n", peer("many %d 1", PORT));
	waitpid(pid, &status, 0);
	say("parent", epoll_wait(ep, &ev, 1, 100));
}

static void udp_workers(void)
{
	int fd = listen_on(PORT, SOCK_DGRAM, 0);
	pid_t pid[3];

	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		while (!pid[i]) {
			struct sockaddr_in from;
			socklen_t len = sizeof(from);
			char buf[100];
			ssize_t n =
				recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		}
	}
	for (int i = 0; i < 20; i++)
		printf("%s ", peer("udp %d d%d", PORT, i));
	printf("\n");
	for (int i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
}

static const struct scenario table[] = {
	{ "child_each", child_each },
	{ "child_each_clone", child_each_clone },
	{ "child_each_clone_number", child_each_clone_number },
	{ "child_each_clone3", child_each_clone3 },
	{ "prefork", prefork },
	{ "prefork_slow", prefork_slow },
	{ "prefork_killed", prefork_killed },
	{ "prefork_busy", prefork_busy },
	{ "killed_in_call", killed_in_call },
	{ "parent_exits", parent_exits },
	{ "daemonised", daemonised },
	{ "as_stdio", as_stdio },
	{ "close_one_copy", close_one_copy },
	{ "two_readers", two_readers },
	{ "system_with_connections", system_with_connections },
	{ "shared_flags", shared_flags },
	{ "killed_child", killed_child },
	{ "full_parent", full_parent },
	{ "libc_forks", libc_forks },
	{ "epoll_across_fork", epoll_across_fork },
	{ "udp_workers", udp_workers },
};

int main(int argc, char **argv)
{
	return run_scenarios(table, sizeof(table) / sizeof(*table), argc, argv);
}
