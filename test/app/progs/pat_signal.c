// SPDX-License-Identifier: BSD-3-Clause
/*
 * pat_signal.c - signals, time-outs and what they do to calls that wait
 */
#include "pat.h"

#include <sys/select.h>
#include <sys/uio.h>

static volatile sig_atomic_t hits, bad;
static volatile int handler_fd = -1;

static void count_hit(int sig)
{
	(void)sig;
	hits++;
}

static void write_hit(int sig)
{
	(void)sig;
	hits++;
	if (handler_fd >= 0 && write(handler_fd, "tick\n", 5) != 5)
		bad++;
}

static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };

	hits = 0;
	sigaction(sig, &act, NULL);
}

/* One alarm in `ms`. */
static void alarm_ms(long ms, long every_ms)
{
	struct itimerval t = { .it_value = { ms / 1000, ms % 1000 * 1000 },
			       .it_interval = { every_ms / 1000, every_ms % 1000 * 1000 } };

	setitimer(ITIMER_REAL, &t, NULL);
}

static void eintr_with(int flags)
{
	static char big[1 << 20];
	int lfd = server(), fd = accepted(lfd), ep = epoll_create1(0), con, hole;
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct sockaddr_in in = addr_peer(PEER_FULL);
	struct timeval tv = { .tv_sec = 3 };
	fd_set set;
	char byte;

	handle(SIGALRM, count_hit, flags);
	alarm_ms(150, 0);
	say("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	say("epoll_wait", epoll_wait(ep, &ev, 1, 3000));
	alarm_ms(150, 0);
	say("poll", poll(&pfd, 1, 3000));
	alarm_ms(150, 0);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	say("select", select(fd + 1, &set, NULL, NULL, &tv));
	if (!(flags & SA_RESTART)) {
		alarm_ms(150, 0);
		say("recv", recv(fd, &byte, 1, 0));
		alarm_ms(150, 0);
		say("accept", accept(lfd, NULL, NULL));
		con = socket(AF_INET, SOCK_STREAM, 0);
		alarm_ms(150, 0);
		say("connect", connect(con, (struct sockaddr *)&in, sizeof(in)));
		fcntl(con, F_SETFL, O_NONBLOCK);
		say("connect again",
		    connect(con, (struct sockaddr *)&in, sizeof(in)) < 0 && errno == EALREADY);
		close(con);
	}
	/* with a time-out no restart, whatever the flags */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	alarm_ms(150, 0);
	say("recv with SO_RCVTIMEO", recv(fd, &byte, 1, 0));
	hole = client(PEER_HOLE);
	alarm_ms(400, 0);
	if (!(flags & SA_RESTART))
		printf("a long send tells what went: %d\n", send(hole, big, sizeof(big), 0) > 0 &&
			send(hole, big, 0, 0) == 0);
	printf("hits %d\n", (int)hits);
}

static void eintr(void)
{
	eintr_with(0);
}

static void restart(void)
{
	eintr_with(SA_RESTART);
}

/* SA_RESTART: the call goes on and gets what comes later. */
static void *later(void *arg)
{
	nap_ms(600);
	peer("%s", (const char *)arg);
	return NULL;
}

static void restart_goes_on(void)
{
	int lfd = server(), fd = accepted(lfd);
	char buf[16] = "";
	pthread_t t;
	sigset_t set;
	char conn[16];

	handle(SIGALRM, count_hit, SA_RESTART);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t, NULL, later, "send 0 late");
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	alarm_ms(50, 50);
	say("recv", recv(fd, buf, sizeof(buf), 0));
	pthread_join(t, NULL);
	snprintf(conn, sizeof(conn), "conn %d", PORT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t, NULL, later, conn);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	printf("accept: %d\n", accept(lfd, NULL, NULL) >= 0);
	alarm_ms(0, 0);
	pthread_join(t, NULL);
	printf("%s, hits %d\n", buf, hits > 5);
}

/* A handler that writes to the very connection that the program uses, at any instant. */
static void handler_writes(void)
{
	int fd = client(PEER_ECHO);
	long sent = 0, got = 0, n;
	char buf[1024], all[4096];

	memset(buf, 'a', sizeof(buf));
	handler_fd = client(PEER_HOLE);
	handle(SIGALRM, write_hit, SA_RESTART);
	alarm_ms(1, 1);
	for (int i = 0; i < 3000; i++) {
		n = write(fd, buf, sizeof(buf));
		if (n != sizeof(buf)) {
			say("write", n);
			break;
		}
		sent += n;
		for (long want = n; want > 0; want -= n) {
			n = read(fd, all, (size_t)(want < 4096 ? want : 4096));
			if (n <= 0) {
				say("read", n);
				break;
			}
			got += n;
		}
	}
	alarm_ms(0, 0);
	printf("sent %ld got %ld, handler ran %d, bad %d\n", sent, got, hits > 20, (int)bad);
}

/* Signals at random from another process while connections are made and closed. */
static void storm(void)
{
	int lfd = server(), done = 0, fd, n = 0;
	char buf[100];
	pid_t asker, stormer, self = getpid();

	handle(SIGUSR1, count_hit, 0);
	asker = fork();
	if (!asker) {
		int good = 0;

		for (int i = 0; i < 15; i++)
			good += !strcmp(peer("many %d 20", PORT), "20 answered");
		printf("rounds %d\n", good);
		exit(0);
	}
	stormer = fork();
	while (!stormer) {
		kill(self, SIGUSR1);
		nap_ms(0);
		usleep(200);
	}
	while (done < 300 && n < 1000000) {
		fd = accept(lfd, NULL, NULL);
		n++;
		if (fd < 0 && errno == EINTR)
			continue;
		if (fd < 0) {
			say("accept", fd);
			break;
		}
		while ((n = (int)read(fd, buf, sizeof(buf))) < 0 && errno == EINTR)
			;
		while (write(fd, buf, (size_t)n) < 0 && errno == EINTR)
			;
		close(fd);
		done++;
	}
	kill(stormer, SIGKILL);
	waitpid(stormer, NULL, 0);
	while (waitpid(asker, NULL, 0) < 0 && errno == EINTR)
		;
	printf("served %d, signals %d\n", done, hits > 50);
}

static void sigpipe(void)
{
	int lfd = server(), fd = accepted(lfd), status;
	pid_t pid;

	peer("rst 0");
	nap_ms(100);
	handle(SIGPIPE, count_hit, SA_RESTART);
	say("first write", write(fd, "x", 1));
	say("second write", write(fd, "x", 1));
	say("send MSG_NOSIGNAL", send(fd, "x", 1, MSG_NOSIGNAL));
	printf("hits %d\n", (int)hits);
	signal(SIGPIPE, SIG_IGN);
	say("ignored", write(fd, "x", 1));
	signal(SIGPIPE, SIG_DFL);
	pid = fork();
	if (!pid) {
		if (write(fd, "x", 1))
			_exit(1);
		_exit(2);
	}
	waitpid(pid, &status, 0);
	printf("default: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	fd = accepted(lfd);
	shutdown(fd, SHUT_WR);
	handle(SIGPIPE, count_hit, 0);
	say("after shutdown", write(fd, "x", 1));
	printf("hits %d, peer %s\n", (int)hits, peer("recv 1"));
}

static void timeouts(void)
{
	struct timeval tv = { .tv_usec = 300000 };
	static char big[1 << 22];
	int lfd = server(), fd = accepted(lfd), hole = client(PEER_HOLE), con;
	struct sockaddr_in in = addr_peer(PEER_FULL);
	long start = now_ms();
	char buf[10];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	say("recv", recv(fd, buf, 1, 0));
	say_time("time", start, 250, 3000);
	peer("send 0 abc");
	start = now_ms();
	say("MSG_WAITALL gives what came", recv(fd, buf, 10, MSG_WAITALL));
	say_time("time", start, 250, 3000);
	setsockopt(lfd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	start = now_ms();
	say("accept", accept(lfd, NULL, NULL));
	say_time("time", start, 250, 3000);
	setsockopt(hole, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	printf("a part goes: %d\n", send(hole, big, sizeof(big), 0) < (long)sizeof(big));
	while (send(hole, big, sizeof(big), 0) > 0)
		;
	printf("then %s\n", err_name(errno));
	con = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(con, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	start = now_ms();
	say("connect", connect(con, (struct sockaddr *)&in, sizeof(in)));
	say_time("time", start, 250, 3000);
}

static void many_fds(void)
{
	static char room[65536 / 8];
	fd_set *set = (fd_set *)(void *)room;
	int lfd = server(), fd = accepted(lfd), high;
	struct timeval tv = { .tv_sec = 2 };

	high = fcntl(fd, F_DUPFD, 1500);
	printf("high %d\n", high >= 1500);
	close(fd);
	peer("send 0 go");
	((unsigned long *)room)[high / 64] |= 1ul << (high % 64);
	say("select beyond 1024", select(high + 1, set, NULL, NULL, &tv));
	printf("set %d\n", !!(((unsigned long *)room)[high / 64] & 1ul << (high % 64)));
	say("read", read(high, room, sizeof(room)));
}

/* ppoll's mask: a blocked signal comes exactly in the wait. */
static void ppoll_mask(void)
{
	int lfd = server();
	struct pollfd pfd = { .fd = lfd, .events = POLLIN };
	struct timespec ts = { .tv_sec = 2 };
	sigset_t block, none;
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	handle(SIGUSR1, count_hit, SA_RESTART);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	printf("hits %d\n", (int)hits);
	say("ppoll", ppoll(&pfd, 1, &ts, &none));
	printf("hits %d\n", (int)hits);
	epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev);
	raise(SIGUSR1);
	say("epoll_pwait", epoll_pwait(ep, &ev, 1, 2000, &none));
	printf("hits %d\n", (int)hits);
	raise(SIGUSR1);
	say("pselect", pselect(0, NULL, NULL, NULL, &ts, &none));
	printf("hits %d\n", (int)hits);
}

/* A handler that leaves by siglongjmp, out of a waiting call, again and again. */
#include <setjmp.h>
static sigjmp_buf jump;

static void jump_hit(int sig)
{
	(void)sig;
	hits++;
	siglongjmp(jump, 1);
}

static void longjmp_out(void)
{
	int lfd = server(), fd = accepted(lfd);
	char buf[8];

	handle(SIGALRM, jump_hit, 0);
	for (volatile int i = 0; i < 20; i++) {
		if (sigsetjmp(jump, 1))
			continue;
		alarm_ms(20, 0);
		say("recv", recv(fd, buf, sizeof(buf), 0));
	}
	printf("hits %d\n", (int)hits);
	alarm_ms(0, 0);
	peer("later 300 send 0 go");
	say("recv", recv(fd, buf, sizeof(buf), 0));
	say("close", close(fd));
	printf("%s\n", peer("recv 0"));
}

static void tick_us(long us)
{
	struct itimerval t = { .it_value = { 0, us }, .it_interval = { 0, us } };

	setitimer(ITIMER_REAL, &t, NULL);
}

/* Calls of every kind on a socket, none of which waits for long. */
static void calls_on(int fd, int ep, unsigned int turn)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	char buf[64] = "";
	int val = 1;

	switch (turn % 10) {
	case 0:
		send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 1:
		recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		break;
	case 2:
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &val, sizeof(val));
		break;
	case 3:
		getsockname(fd, (struct sockaddr *)&in, &len);
		break;
	case 4:
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		break;
	case 5:
		epoll_wait(ep, &ev, 1, 1);
		break;
	case 6:
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev);
		break;
	case 7:
		poll(&pfd, 1, 1);
		break;
	case 8:
		read(fd, buf, sizeof(buf)); /* SO_RCVTIMEO bounds it */
		break;
	default:
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL));
	}
}

/* A handler leaves by siglongjmp, out of any call at any instruction: nothing is held for ever. */
static void longjmp_storm(void)
{
	int fd = client(PEER_HOLE), own = accepted(server()), ep = epoll_create1(0);
	struct timeval tv = { .tv_usec = 1000 };
	volatile unsigned int turn = 0;
	long until = now_ms() + 1500;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	handle(SIGALRM, jump_hit, 0);
	sigsetjmp(jump, 1);
	tick_us(170);
	while (now_ms() < until) {
		turn++;
		calls_on(turn & 16 ? fd : own, ep, turn);
	}
	tick_us(0);
	printf("jumps %d\n", hits > 100);
	say("close", close(fd) + close(own));
	printf("the peer sees: %s\n", peer("drain 0"));
}

/* A handler replaces and closes the very descriptor that its thread works on. */
static int replace_fd, replace_by[2];

static void replace_hit(int sig)
{
	(void)sig;
	hits++;
	if (hits % 3)
		dup2(replace_by[hits & 1], replace_fd);
	else
		close(replace_fd);
	send(replace_by[hits & 1], "h", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void handler_replaces(void)
{
	int ep = epoll_create1(0);
	struct timeval tv = { .tv_usec = 1000 };
	long until = now_ms() + 1500;
	unsigned int turn = 0;
	char byte;

	for (int i = 0; i < 2; i++) {
		replace_by[i] = client(PEER_HOLE);
		setsockopt(replace_by[i], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	}
	replace_fd = dup(replace_by[0]);
	handle(SIGALRM, replace_hit, SA_RESTART);
	tick_us(170);
	while (now_ms() < until)
		calls_on(replace_fd, ep, turn++);
	tick_us(0);
	printf("hits %d\n", hits > 100);
	close(replace_fd);
	say("closed", recv(replace_fd, &byte, 1, MSG_DONTWAIT));
	for (int i = 0; i < 2; i++) {
		printf("alive %d\n",
		       send(replace_by[i], "x", 1, MSG_DONTWAIT) == 1 || errno == EAGAIN);
		say("closed", close(replace_by[i]));
	}
}

static const struct scenario table[] = {
	{ "eintr", eintr },
	{ "restart", restart },
	{ "restart_goes_on", restart_goes_on },
	{ "handler_writes", handler_writes },
	{ "storm", storm },
	{ "sigpipe", sigpipe },
	{ "timeouts", timeouts },
	{ "many_fds", many_fds },
	{ "ppoll_mask", ppoll_mask },
	{ "longjmp_out", longjmp_out },
	{ "longjmp_storm", longjmp_storm },
	{ "handler_replaces", handler_replaces },
};

int main(int argc, char **argv)
{
	return run_scenarios(table, sizeof(table) / sizeof(*table), argc, argv);
}
