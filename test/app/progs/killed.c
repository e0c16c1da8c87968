// SPDX-License-Identifier: BSD-3-Clause
/*
 * killed.c - workers that are killed at chosen instructions of the library's calls
 *
 * killed KILLS [SEED]: a parent with a listener and a UDP socket, WORKERS forked workers that are
 * clients and servers of each other over sock7's own lo (loopback = stack). The parent traces a
 * worker up to a call of it, steps k instructions into that call, k anywhere from its first to its
 * last, and kills it there with SIGKILL; then forks another. Between two kills all workers are
 * asked to stop at the end of their round: none may hang, and when the reaper is through nothing
 * may be left of the dead (S7_USAGE: a command that prints what is in use). Each trouble is a line
 * "not ok" that says where the instruction was; the seed repeats a run, as far as threads let it.
 * S7_CHECK_EVERY=n: after how many kills the rest is checked.
 */
#include "pat.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define WORKERS 4
#define UDP_PORT 7101
#define STEPS_MAX 60000
#define SETTLE_MS 30000 /* a machine may have much else to do */
#define LONGEST_MS 60000 /* of all kills: on such a machine there are fewer */

/* What parent and workers share. */
struct shared {
	_Atomic int pause;
	_Atomic long rounds[WORKERS];
	_Atomic int paused[WORKERS];
	_Atomic pid_t pid[WORKERS]; /* for whom the slot is: a dead one's mark does not count */
};

static struct shared *shared;

static int lfd, ufd;
static pid_t pids[WORKERS];
static unsigned int seed;
static long troubles, in_use[2]; /* sockets, packets free: as they should be */

/* ---- the workers ---- */

static void be_quick(int fd)
{
	struct timeval tv = { .tv_usec = 200000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static struct sockaddr_in lo_addr(int port)
{
	struct sockaddr_in in = addr_any(port);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

static void serve_one(int ep)
{
	struct epoll_event ev[4] = { 0 };
	char buf[4096];
	int fd, copy;
	ssize_t n;

	epoll_wait(ep, ev, 4, 20);
	fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	be_quick(fd);
	copy = dup(fd);
	n = recv(fd, buf, sizeof(buf), 0);
	if (n > 0)
		send(copy, buf, (size_t)n, MSG_NOSIGNAL);
	close(fd);
	close(copy);
}

static void ask_one(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct sockaddr_in in = lo_addr(PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ep = epoll_create1(EPOLL_CLOEXEC);
	char buf[4096] = { 0 };

	be_quick(fd);
	epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev);
	if (!connect(fd, (struct sockaddr *)&in, sizeof(in))) {
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		send(fd, buf, (size_t)(1 + rand_r(&seed) % 3000), MSG_NOSIGNAL);
		serve_one(ep);
		if (rand_r(&seed) % 2)
			epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev);
		if (rand_r(&seed) % 4)
			recv(fd, buf, sizeof(buf), 0);
	}
	close(fd);
	close(ep);
}

static void ask_datagram(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = lo_addr(UDP_PORT);
	socklen_t len = sizeof(in);
	char buf[200] = { 0 };

	if (sendto(fd, buf, sizeof(buf), 0, (struct sockaddr *)&in, sizeof(in)) > 0 &&
	    recvfrom(ufd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&in, &len) > 0)
		sendto(ufd, buf, sizeof(buf), 0, (struct sockaddr *)&in, len);
	recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	close(fd);
}

static void fork_one(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

/* A worker that crashes found what a killed one left: says where. */
static void crashed(int sig)
{
	void *frame[24];

	printf("not ok - worker %d: signal %d at\n", getpid(), sig);
	fflush(stdout);
	backtrace_symbols_fd(frame, backtrace(frame, 24), 1);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void work(int self)
{
	seed = seed * 31 + (unsigned int)getpid();
	for (;;) {
		ask_one();
		ask_datagram();
		if (rand_r(&seed) % 16 == 0)
			fork_one();
		shared->rounds[self]++;
		while (shared->pause) {
			shared->paused[self] = getpid();
			nap_ms(1);
		}
		shared->paused[self] = 0;
	}
}

static void worker_start(int i)
{
	pids[i] = fork();
	if (!pids[i])
		work(i);
}

/* ---- one kill ---- */

static const char *const calls[] = { "socket",	  "connect",	"accept4", "recv",
				     "send",	  "close",	"dup",	   "epoll_create1",
				     "epoll_ctl", "epoll_wait", "sendto",  "recvfrom",
				     "fork",	  "setsockopt" };
#define CALLS ((int)(sizeof(calls) / sizeof(*calls)))
static long length[CALLS]; /* instructions of a call when it was last measured */

static void debug_register(pid_t pid, int at, unsigned long value)
{
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + (size_t)at * 8, value);
}

static bool stopped(pid_t pid, int ms)
{
	int status;

	for (; ms > 0; ms--) {
		if (waitpid(pid, &status, WNOHANG | __WALL) == pid) {
			if (WIFSTOPPED(status) && (WSTOPSIG(status) == SIGTRAP || status >> 16))
				return true;
			if (!WIFSTOPPED(status))
				return false;
			ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status));
		}
		nap_ms(1);
	}
	return false;
}

/* Steps up to `most` instructions, or to the end of the call; returns how many. */
static long steps(pid_t pid, unsigned long frame, long most, unsigned long *ret_rip)
{
	struct user_regs_struct regs;
	int status;
	long n;

	for (n = 0; n < most; n++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid ||
		    !WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, pid, 0, &regs))
			return n;
		*ret_rip = regs.rip;
		if (regs.rsp > frame)
			break;
	}
	return n;
}

static void say_where(const char *what, int call, long step, unsigned long rip)
{
	Dl_info info = { 0 };

	dladdr((void *)dlsym(RTLD_DEFAULT, calls[call]), &info);
	printf("%s: %s at instruction %ld of %ld, %s+0x%lx\n", what, calls[call], step,
	       length[call], info.dli_fname, rip - (unsigned long)info.dli_fbase);
}

/* Traces the worker up to a call and kills it some way into it. False: it never made that call. */
static bool kill_in(pid_t pid, int call, long *ret_step, unsigned long *ret_rip)
{
	struct user_regs_struct regs = { 0 };
	bool there;
	long most;

	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
	    !stopped(pid, 1000))
		return false;
	debug_register(pid, 0, (unsigned long)dlsym(RTLD_DEFAULT, calls[call]));
	debug_register(pid, 7, 1);
	ptrace(PTRACE_CONT, pid, 0, 0);
	there = stopped(pid, 500);
	if (there) {
		debug_register(pid, 7, 0);
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		/* the length grows with each longer one: waits and drives make calls differ */
		most = length[call] ? rand_r(&seed) % (length[call] + length[call] / 4 + 2)
				    : STEPS_MAX;
		*ret_step = steps(pid, regs.rsp, most, ret_rip);
		if (*ret_step > length[call])
			length[call] = *ret_step;
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) == pid)
		;
	return there;
}

/* ---- what is left ---- */

static bool usage(long ret[2])
{
	FILE *p = popen(getenv("S7_USAGE"), "r");
	int got = p ? fscanf(p, "%ld %ld", &ret[0], &ret[1]) : 0;

	return p && !pclose(p) && got == 2;
}

/* A worker that ends by itself: of what the killed one left. */
static void any_died(void)
{
	int status;

	for (int i = 0; i < WORKERS; i++) {
		if (waitpid(pids[i], &status, WNOHANG) != pids[i])
			continue;
		printf("not ok - worker %d died: signal %d, code %d\n", pids[i],
		       WIFSIGNALED(status) ? WTERMSIG(status) : 0, WEXITSTATUS(status));
		exit(1);
	}
}

static bool all_paused(void)
{
	any_died();
	for (int i = 0; i < WORKERS; i++)
		if (shared->paused[i] != pids[i])
			return false;
	return true;
}

/* What nobody took: connections whose server died. */
static void drain(void)
{
	char buf[200];
	int fd;

	while ((fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	while (recv(ufd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void hold_all(void)
{
	long start = now_ms();

	shared->pause = 1;
	while (!all_paused() && now_ms() - start < SETTLE_MS)
		nap_ms(1);
	if (all_paused())
		return;
	troubles++;
	for (int i = 0; i < WORKERS; i++)
		if (shared->paused[i] != pids[i])
			printf("not ok - worker %d hangs\n", pids[i]);
	if (getenv("S7_SHOW"))
		system(getenv("S7_SHOW"));
	exit(1);
}

/* All rest: what is in use falls back to what it was. Packets may be lost: a burst a kill. */
static bool back(void)
{
	long start = now_ms(), now[2] = { 0, 0 };

	do {
		drain();
		nap_ms(20);
		if (usage(now) && now[0] <= in_use[0])
			break;
	} while (now_ms() - start < SETTLE_MS);
	if (now[1] < in_use[1])
		printf("# packets free: %ld less\n", in_use[1] - now[1]);
	in_use[1] = now[1];
	if (now[0] <= in_use[0])
		return true;
	printf("not ok - sockets left: %ld\n", now[0] - in_use[0]);
	if (getenv("S7_SHOW"))
		system(getenv("S7_SHOW"));
	in_use[0] = now[0];
	return false;
}

static void check(int call, long step, unsigned long rip)
{
	hold_all();
	if (!back()) {
		troubles++;
		say_where("# the last kill", call, step, rip);
	}
	shared->pause = 0;
}

/* Fewer than that say nothing. */
static int least_kills(int kills)
{
	return kills < 10 ? kills : 10;
}

int main(int argc, char **argv)
{
	int kills = argc > 1 ? atoi(argv[1]) : 200, done = 0, call, every = 10;
	long start = now_ms();

	seed = argc > 2 ? (unsigned int)atoi(argv[2]) : (unsigned int)now_ms();
	every = getenv("S7_CHECK_EVERY") ? atoi(getenv("S7_CHECK_EVERY")) : 10;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# seed %u\n", seed);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	lfd = listen_on(PORT, SOCK_STREAM | SOCK_NONBLOCK, 64);
	ufd = listen_on(UDP_PORT, SOCK_DGRAM, 0);
	nap_ms(100);
	if (!usage(in_use))
		return 2;
	signal(SIGSEGV, crashed);
	signal(SIGBUS, crashed);
	signal(SIGABRT, crashed);
	for (int i = 0; i < WORKERS; i++)
		worker_start(i);
	for (int turn = 0; done < kills && turn < kills * 3 && now_ms() - start < LONGEST_MS;
	     turn++) {
		int victim = rand_r(&seed) % WORKERS;
		unsigned long rip = 0;
		long step = 0;

		call = rand_r(&seed) % CALLS;
		nap_ms(rand_r(&seed) % 20);
		done += kill_in(pids[victim], call, &step, &rip);
		worker_start(victim);
		if (getenv("S7_VERBOSE"))
			say_where("# killed", call, step, rip);
		if (turn % every == every - 1)
			check(call, step, rip);
	}
	check(0, 0, 0);
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	if (done < least_kills(kills))
		printf("not ok - only %d kills of %d\n", done, kills);
	printf("%s - %d kills, %ld troubles\n", troubles ? "not ok" : "ok", done, troubles);
	return troubles > 0 || done < least_kills(kills);
}
