// SPDX-License-Identifier: BSD-3-Clause
/*
 * pat_exec.c - sockets that other programs go on with: exec in all its forms, posix_spawn
 *
 * The other program is this one, with "--ROLE NUMBER..." (descriptors), or /bin/cat.
 */
#include "pat.h"

#include <spawn.h>

#define SELF "/proc/self/exe"

extern char **environ;

static char words[8][16];

static char *word(int number)
{
	static int at;
	char *text = words[at++ % 8];

	snprintf(text, sizeof(words[0]), "%d", number);
	return text;
}

static void become(const char *role, int a, int b)
{
	execl(SELF, "pat_exec", role, word(a), word(b), (char *)NULL);
	say("execl", -1);
	_exit(1);
}

static pid_t cat_on(int fd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(fd, 0);
	dup2(fd, 1);
	execlp("cat", "cat", (char *)NULL);
	_exit(1);
}

static void on_cloexec(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* ---- roles ---- */

static void role_echo_line(int fd, int unused)
{
	char buf[256];
	ssize_t n;

	(void)unused;
	n = read(fd, buf, sizeof(buf));
	say("read", n);
	if (n > 0 && write(fd, buf, (size_t)n) != n)
		say("write", -1);
}

static void role_listener(int lfd, int closed)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	int fd, val;

	say("other", fcntl(closed, F_GETFD));
	say("getsockname", getsockname(lfd, (struct sockaddr *)&in, &len));
	printf("port %d\n", ntohs(in.sin_port));
	printf("nonblock %d\n", !!(fcntl(lfd, F_GETFL) & O_NONBLOCK));
	len = sizeof(val);
	getsockopt(lfd, SOL_SOCKET, SO_ACCEPTCONN, &val, &len);
	printf("listening %d\n", val);
	fcntl(lfd, F_SETFL, 0);
	for (int i = 0; i < 2; i++) {
		printf("%s\n", peer("conn %d", PORT));
		fd = accept(lfd, NULL, NULL);
		write_text(fd, "from the other program\n");
		close(fd);
		printf("%s\n", peer("recv %d", i));
	}
}

static void role_udp(int fd, int unused)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[64];
	ssize_t n;

	(void)unused;
	if (!fork()) {
		printf("%s\n", peer("udp %d datagram", PORT));
		exit(0);
	}
	n = say("recvfrom", recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len));
	say("sendto", sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len));
	wait(NULL);
}

static void role_dups(int low, int closed)
{
	write_text(low, fcntl(closed, F_GETFD) < 0 ? "closed\n" : "open\n");
	write_text(low, "by the first\n");
	write_text(low + 1, "by the second\n");
	close(low);
	write_text(low + 1, "still by the second\n");
	close(low + 1);
	nap_ms(300);
}

static void role_once_more(int fd, int left)
{
	printf("%d more\n", left);
	if (left)
		become("--once-more", fd, left - 1);
	dup2(fd, 0);
	dup2(fd, 1);
	close(fd);
	execl("/bin/cat", "cat", (char *)NULL);
}

static void role_forks(int fd, int unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++)
		if (!fork()) {
			nap_ms(20 * i);
			write_text(fd, "child\n");
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
}

static void role_epoll(int ep, int fd)
{
	struct epoll_event ev;
	char buf[64];

	say("epoll_wait", epoll_wait(ep, &ev, 1, 0));
	write_text(fd, "ready\n");
	if (say("epoll_wait", epoll_wait(ep, &ev, 1, 5000)) == 1)
		printf("%s\n", ev.data.fd == fd ? "its data" : "other data");
	say("read", read(fd, buf, sizeof(buf)));
	say("again", epoll_wait(ep, &ev, 1, 0));
	say("del", epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
}

static void role_sleep(int fd, int unused)
{
	char buf[64];

	(void)unused;
	write_text(fd, "here\n");
	if (read(fd, buf, sizeof(buf)) >= 0)
		nap_ms(60000);
}

static const struct {
	const char *name;
	void (*run)(int a, int b);
} roles[] = {
	{ "--echo-line", role_echo_line }, { "--listener", role_listener }, { "--udp", role_udp },
	{ "--dups", role_dups },	   { "--once-more", role_once_more },
	{ "--forks", role_forks },	   { "--epoll", role_epoll }, { "--sleep", role_sleep },
};

/* ---- scenarios ---- */

static void inetd(void)
{
	int lfd = server(), fd;
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		fd = accepted(lfd);
		pid = cat_on(fd);
		close(fd);
		peer("send %d hello %d", i, i);
		printf("%s\n", peer("recv %d", i));
		peer("flood %d 500000", i);
		peer("fin %d", i);
		printf("%s\n", peer("drain %d", i));
		wait_for("cat", pid);
	}
}

static void listener(void)
{
	int lfd = server(), other = listen_on(PORT + 1, SOCK_STREAM, 1);

	fcntl(lfd, F_SETFL, O_NONBLOCK);
	on_cloexec(other);
	become("--listener", lfd, other);
}

static void udp(void)
{
	become("--udp", listen_on(PORT, SOCK_DGRAM, 0), -1);
}

static void dups(void)
{
	int lfd = server(), fd = accepted(lfd), gone = accepted(lfd);

	on_cloexec(lfd);
	on_cloexec(fd);
	on_cloexec(gone);
	dup2(fd, 40);
	fcntl(fd, F_DUPFD, 41);
	if (fork()) {
		close(40);
		close(41);
		close(fd);
		close(gone);
		printf("%s\n", peer("recv 1"));
		for (int i = 0; i < 5; i++)
			printf("%s\n", peer("recv 0"));
		wait(NULL);
		return;
	}
	become("--dups", 40, fd);
}

static void fails(void)
{
	char *const argv[] = { "nothing", NULL };
	int fd = accepted(server()), dir = open("/", O_DIRECTORY);

	say("execv", execv("/nonexistent/program", argv));
	say("execvp", execvp("no-such-program-anywhere", argv));
	say("execve", execve("/tmp", argv, environ));
	say("fexecve", fexecve(dir, argv, environ));
	write_text(fd, "still here\n");
	printf("%s\n", peer("recv 0"));
	close(fd);
	printf("%s\n", peer("recv 0"));
}

static void spawned(void)
{
	char *const argv[] = { "cat", NULL };
	posix_spawn_file_actions_t actions;
	int lfd = server(), fd = accepted(lfd), err;
	pid_t pid = 0;

	on_cloexec(lfd);
	on_cloexec(fd);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 0);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	err = posix_spawn(&pid, "/nonexistent", &actions, NULL, argv, environ);
	printf("posix_spawn: %s\n", err_name(err));
	err = posix_spawnp(&pid, "cat", &actions, NULL, argv, environ);
	printf("posix_spawnp: %s\n", err_name(err));
	close(fd);
	peer("send 0 spawned");
	printf("%s\n", peer("recv 0"));
	peer("fin 0");
	printf("%s\n", peer("recv 0"));
	wait_for("cat", pid);
}

static void vforked(void)
{
	int fd = accepted(server());
	pid_t pid = vfork();

	if (!pid) {
		dup2(fd, 0);
		dup2(fd, 1);
		execl("/bin/cat", "cat", (char *)NULL);
		_exit(1);
	}
	close(fd);
	peer("send 0 after vfork");
	printf("%s\n", peer("recv 0"));
	peer("fin 0");
	printf("%s\n", peer("recv 0"));
	wait_for("cat", pid);
}

/* Alone, from program to program, the last with an environment that names nobody. */
static void chain(void)
{
	int lfd = server(), fd = accepted(lfd);
	pid_t pid = fork();

	if (!pid) {
		char *const argv[] = { "pat_exec", "--once-more", word(fd), "3", NULL };
		char *const env[] = { "PATH=/bin:/usr/bin", NULL };

		execve(SELF, argv, env);
		_exit(1);
	}
	close(fd);
	peer("send 0 four programs later");
	printf("%s\n", peer("recv 0"));
	peer("fin 0");
	printf("%s\n", peer("recv 0"));
	wait_for("last", pid);
}

static void parent_gone(void)
{
	int fd = accepted(server()), fds[2];
	char byte;

	if (pipe(fds))
		return;
	if (!fork()) {
		if (fork())
			_exit(0);
		close(fds[0]);
		nap_ms(50);
		dup2(fd, 0);
		dup2(fd, 1);
		close(fd);
		execl("/bin/sh", "sh", "-c", "sleep 0.3; read line; echo got $line", (char *)NULL);
	}
	wait(NULL);
	close(fd);
	close(fds[1]);
	peer("send 0 to an orphan");
	printf("%s\n", peer("recv 0"));
	printf("%s\n", peer("recv 0"));
	say("told", read(fds[0], &byte, 1));
}

static void killed(void)
{
	int lfd = server(), fd = accepted(lfd);
	pid_t pid = fork();

	if (!pid)
		become("--sleep", fd, -1);
	close(fd);
	printf("%s\n", peer("recv 0"));
	kill(pid, SIGKILL);
	wait_for("killed", pid);
	printf("%s\n", peer("recv 0"));
	fd = accepted(lfd);
	write_text(fd, "the parent goes on\n");
	printf("%s\n", peer("recv 1"));
}

static void *sleeps(void *arg)
{
	char byte;

	return (void *)(read(*(int *)arg, &byte, 1) + 1);
}

static void *execs(void *arg)
{
	become("--echo-line", *(int *)arg, -1);
	return NULL;
}

/* Another thread than the first one execs, while two sleep in calls of the stack. */
static void threads(void)
{
	int lfd = server(), fd = accepted(lfd), other = accepted(lfd);
	pthread_t thread;
	pid_t pid = fork();

	if (!pid) {
		on_cloexec(other);
		pthread_create(&thread, NULL, sleeps, &other);
		pthread_create(&thread, NULL, sleeps, &fd);
		nap_ms(50);
		pthread_create(&thread, NULL, execs, &fd);
		sleeps(&other);
		_exit(3);
	}
	close(other);
	close(fd);
	printf("%s\n", peer("recv 1"));
	peer("send 0 to the new program");
	printf("%s\n", peer("recv 0"));
	printf("%s\n", peer("recv 0"));
	wait_for("program", pid);
}

static void forks(void)
{
	int fd = accepted(server());
	pid_t pid = fork();

	if (!pid)
		become("--forks", fd, -1);
	close(fd);
	for (int i = 0; i < 4; i++)
		printf("%s\n", peer("recv 0"));
	wait_for("program", pid);
}

static void epoll_set(void)
{
	int lfd = server(), fd = accepted(lfd), ep = epoll_create(1);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	pid_t pid;

	say("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	pid = fork();
	if (!pid)
		become("--epoll", ep, fd);
	printf("%s\n", peer("recv 0"));
	peer("send 0 for the set");
	wait_for("program", pid);
}

static const struct scenario table[] = {
	{ "inetd", inetd },
	{ "listener", listener },
	{ "udp", udp },
	{ "dups", dups },
	{ "fails", fails },
	{ "spawned", spawned },
	{ "vforked", vforked },
	{ "chain", chain },
	{ "parent_gone", parent_gone },
	{ "killed", killed },
	{ "threads", threads },
	{ "forks", forks },
	{ "epoll_set", epoll_set },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 4 && i < sizeof(roles) / sizeof(*roles); i++) {
		if (strcmp(argv[1], roles[i].name))
			continue;
		setvbuf(stdout, NULL, _IOLBF, 0);
		roles[i].run(atoi(argv[2]), atoi(argv[3]));
		return 0;
	}
	return run_scenarios(table, sizeof(table) / sizeof(*table), argc, argv);
}
