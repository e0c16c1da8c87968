// SPDX-License-Identifier: BSD-3-Clause
/*
 * death.c - a thread dies behind every instruction of a call: what is left is made whole
 *
 * Each scene prepares an instance, then does one thing (connect, accept, close...) with the trap
 * flag set. Behind every instruction that changed something a fork of this process is where the
 * world goes on without the thread: the lock is taken from it and the instance repaired, what it
 * referred to is given back as the keeper would (shim/sweep.c), the survivors' listener must serve
 * a new connection, and in the end nothing may be left but at most one object of a kind, that was
 * in the dead one's hand. With S7_DEATH=SCENE:STEP one death alone, in this process, for a
 * debugger.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "stack/sock/epoll.h"
#include "stack/sock/sock.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"
#include "test/support/mini.h"

#define PORT 80
#define SETTLE (20 * S7_SEC)
#define HELD_MAX 8
#define WATCH_MAX 64
#define LOST_MAX 256 /* packets: a burst out of the pool, or into it */
#define TRAP_FLAG 0x100
#if defined(__SANITIZE_ADDRESS__)
#define STRIDE 47 /* a fork costs ten times as much, and the code has four times the instructions */
#else
#define STRIDE 1
#endif

static struct mini *m;
static struct s7_sock *listener, *client, *server;
static struct s7_sock *held[HELD_MAX]; /* the survivors' */
static struct s7_epoll *held_set;

/* ---- what a scene is made of ---- */

static void must(bool right, const char *what)
{
	if (right)
		return;
	printf("  %s\n", what);
	fflush(stdout);
	_exit(1);
}

static void hold(struct s7_sock *sk)
{
	for (int i = 0; i < HELD_MAX; i++) {
		if (!held[i]) {
			held[i] = sk;
			return;
		}
	}
}

static bool is_held(const struct s7_sock *sk)
{
	for (int i = 0; i < HELD_MAX; i++)
		if (held[i] == sk)
			return true;
	return false;
}

static void let_go(struct s7_sock *sk)
{
	for (int i = 0; i < HELD_MAX; i++)
		if (held[i] == sk)
			held[i] = NULL;
	atomic_store(&sk->file.refs, 0);
	sock_release(sk, m->inst->now);
}

static struct s7_sock *stream(void)
{
	struct s7_sock *sk;

	must(!sock_create(m->inst, AF_INET, SOCK_STREAM, 0, m->inst->now, &sk), "a socket");
	sk->file.side = SIDE_STACK;
	return sk;
}

static struct s7_sock *called(void)
{
	struct s7_ip lo = mini_addr("127.0.0.1");
	struct s7_sock *sk = stream();
	int err = sock_connect(sk, &lo, PORT, m->inst->now);

	must(err == -EINPROGRESS, "connect begins");
	return sk;
}

static void pair(void)
{
	client = called();
	must(!sock_accept(listener, m->inst->now, &server), "accept");
}

static ssize_t say(struct s7_sock *sk, const char *text)
{
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct s7_msg msg;

	sock_msg_init(&msg, &iov, 1, MSG_NOSIGNAL);
	return sock_send(sk, &msg, m->inst->now);
}

static ssize_t hear(struct s7_sock *sk, char *buf, size_t room)
{
	struct iovec iov = { buf, room };
	struct s7_msg msg;

	sock_msg_init(&msg, &iov, 1, 0);
	return sock_recv(sk, &msg, m->inst->now);
}

static void bind_to(struct s7_sock *sk, uint16_t port)
{
	struct s7_ip lo = mini_addr("127.0.0.1");

	must(!sock_bind(sk, &lo, port, m->inst->now), "bind");
}

/* ---- the scenes: what is there before, and what the dead one was doing ---- */

static struct s7_sock *own_listener;
static struct s7_epoll *set;

static void begin_kept_pair(void)
{
	pair();
	hold(client);
}

static void begin_calling(void)
{
	client = called();
	hold(client);
}

static void begin_close_wait_of(struct s7_sock *sk)
{
	let_go(sk);
	mini_wait(m, 100 * S7_MS);
}

static void begin_close_wait(void)
{
	pair();
	begin_close_wait_of(client);
}

/* The peer's close is a RST, which is not sent again. */
static void begin_reset(void)
{
	pair();
	must(say(client, "unread") == 6, "talk");
	begin_close_wait_of(client);
}

static void begin_with_data(void)
{
	char buf[8];

	begin_kept_pair();
	must(say(client, "hello") == 5 && say(server, "you") == 3, "talk");
	must(hear(client, buf, 2) == 2, "listen");
}

static void begin_own_listener(void)
{
	own_listener = listener;
	client = called();
	hold(client);
	hold(called());
	listener = stream();
	bind_to(listener, PORT + 1);
	must(!sock_listen(listener, 8, m->inst->now), "listen");
	hold(listener);
	for (int i = 0; i < HELD_MAX; i++)
		if (held[i] == own_listener)
			held[i] = NULL;
}

static void begin_lost_fin(void)
{
	pair();
	hold(server);
	let_go(client);
	m->inst->lo_head = NULL;
	m->inst->lo_tail = &m->inst->lo_head;
	m->inst->lo_count = 0;
}

static void begin_set(void)
{
	begin_kept_pair();
	must(!epoll_create_in(m->inst, m->inst->now, &held_set), "a set");
}

static void do_connect(void)
{
	called();
}

static void do_accept(void)
{
	struct s7_sock *sk;

	sock_accept(listener, m->inst->now, &sk);
}

static void do_close_server(void)
{
	let_go(server);
}

static void do_talk(void)
{
	char buf[64];

	say(server, "answer");
	hear(server, buf, 3);
	hear(server, buf, sizeof(buf));
	sock_shutdown(server, SHUT_WR, m->inst->now);
}

static void do_close_listener(void)
{
	let_go(own_listener);
}

static void do_listen(void)
{
	struct s7_sock *sk = stream();

	bind_to(sk, PORT + 2);
	sock_listen(sk, 8, m->inst->now);
	let_go(sk);
}

static void drive_for(s7_time ns)
{
	inst_lock(m->inst, m->inst->now);
	mini_wait(m, ns);
	inst_unlock(m->inst);
}

static void do_time(void)
{
	drive_for(900 * S7_MS);
}

static void do_time_wait(void)
{
	drive_for(61 * S7_SEC);
}

static void begin_time_wait(void)
{
	pair();
	let_go(client);
	let_go(server);
}

static void do_datagrams(void)
{
	struct s7_ip lo = mini_addr("127.0.0.1");
	struct s7_sock *sk;
	char buf[8];

	if (sock_create(m->inst, AF_INET, SOCK_DGRAM, 0, m->inst->now, &sk))
		return;
	bind_to(sk, 53);
	sock_connect(sk, &lo, 53, m->inst->now);
	say(sk, "a");
	hear(sk, buf, sizeof(buf));
	say(sk, "b");
	let_go(sk);
}

static void do_epoll(void)
{
	struct epoll_event ev[4] = { { .events = EPOLLIN | EPOLLOUT } };

	if (epoll_create_in(m->inst, m->inst->now, &set))
		return;
	epoll_ctl_sock(epoll_held(set), EPOLL_CTL_ADD, 3, sock_held(client), ev, m->inst->now);
	epoll_ctl_sock(epoll_held(set), EPOLL_CTL_ADD, 4, sock_held(server), ev, m->inst->now);
	epoll_harvest(epoll_held(set), ev, 4, true, m->inst->now);
	epoll_ctl_sock(epoll_held(set), EPOLL_CTL_DEL, 4, sock_held(server), ev, m->inst->now);
	atomic_store(&set->file.refs, 0);
	epoll_release(set, m->inst->now);
}

static void do_epoll_shared(void)
{
	struct epoll_event ev[4] = { { .events = EPOLLIN | EPOLLOUT } };

	epoll_ctl_sock(epoll_held(held_set), EPOLL_CTL_ADD, 4, sock_held(server), ev,
		       m->inst->now);
	epoll_harvest(epoll_held(held_set), ev, 4, true, m->inst->now);
	let_go(server);
}

static const struct scene {
	const char *name;
	void (*begin)(void);
	void (*act)(void);
} scenes[] = {
	{ "connect", NULL, do_connect },
	{ "accept", begin_calling, do_accept },
	{ "close", begin_kept_pair, do_close_server },
	{ "close behind the peer's", begin_close_wait, do_close_server },
	{ "close with data unread", begin_with_data, do_close_server },
	{ "reset of an orphan", begin_reset, do_close_server },
	{ "send, receive, shutdown", begin_with_data, do_talk },
	{ "close of a listener", begin_own_listener, do_close_listener },
	{ "bind and listen", NULL, do_listen },
	{ "retransmission", begin_lost_fin, do_time },
	{ "end of TIME_WAIT", begin_time_wait, do_time_wait },
	{ "datagrams", NULL, do_datagrams },
	{ "epoll", begin_kept_pair, do_epoll },
	{ "a shared epoll set", begin_set, do_epoll_shared },
};

/* ---- afterwards ---- */

/* What the keeper finds in the end (shim/sweep.c), and does. */
static bool sweep_one(void)
{
	struct s7_list *pos;
	struct s7_epoll *ep;
	uint32_t id = 0;

	list_for_each(pos, &m->inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);
		uint32_t refs = atomic_load(&sk->file.refs);

		if (is_held(sk) || (sk->proto == PROTO_TCP && tcp_is_queued(sk)))
			continue;
		if (!refs && sk->proto == PROTO_TCP && !tcp_is_stuck(sk))
			continue;
		let_go(sk);
		return true;
	}
	while ((ep = epoll_next_set(m->inst, &id))) {
		if (ep == held_set)
			continue;
		atomic_store(&ep->file.refs, 0);
		epoll_release(ep, m->inst->now);
		return true;
	}
	return false;
}

static void sweep(void)
{
	for (int i = 0; sweep_one(); i++)
		must(i < 1000, "what is given back goes");
}

/* The listener serves: what waits there, and a new connection, both ways. */
static void serves(void)
{
	uint16_t port = listener->bind.port;
	struct s7_ip lo = mini_addr("127.0.0.1");
	struct s7_sock *a = stream(), *b = NULL, *any;
	char buf[8];

	hold(a);
	must(sock_connect(a, &lo, port, m->inst->now) == -EINPROGRESS, "a new connection begins");
	mini_wait(m, 5 * S7_SEC);
	while (!sock_accept(listener, m->inst->now, &any)) {
		if (any->flow.rport == a->flow.lport) {
			b = any;
			hold(b);
		} else {
			let_go(any);
		}
	}
	must(b, "a new connection is accepted");
	must(say(a, "ask") == 3 && hear(b, buf, sizeof(buf)) == 3, "it carries data");
	must(say(b, "answer") == 6 && hear(a, buf, sizeof(buf)) == 6, "both ways");
	must(hear(a, buf, sizeof(buf)) == -EAGAIN, "and no more");
	let_go(a);
	let_go(b);
}

static void lock_from_the_dead(void)
{
	bool inside = atomic_load(&m->inst->lock.word) != 0;

	s7_lock_depth = 0;
	atomic_store(&m->inst->lock.word, 0);
	inst_lock(m->inst, m->inst->now);
	if (inside)
		inst_repair(m->inst);
	inst_unlock(m->inst);
}

static void nothing_left(void)
{
	struct s7_tcb *tcb = &((struct s7_tcp_sock *)listener)->tcb;
	uint32_t count = 0, sets = 0, id = 0;

	for (int i = 0; i < HELD_MAX; i++)
		count += held[i] != NULL;
	while (epoll_next_set(m->inst, &id))
		sets++;
	must(sets == !!held_set, "epoll sets left");
	must(list_mend(&m->inst->socks) == count, "sockets left");
	must(m->inst->sock_count == count, "the count of sockets");
	must(!tcb->accept_len && !tcb->request_count, "the listener's counts");
	must(list_empty(&tcb->accept_queue) && list_empty(&tcb->requests), "its queues");
	must(m->inst->tcp->socks.used <= count + 1, "memory of connections");
	mini_wait(m, 70 * S7_SEC);
	must(!m->inst->flows.count, "flows left");
	must(m->inst->tcp->reqs.used <= 1 && m->inst->tcp->tws.used <= 1, "half-open or TIME_WAIT");
	must(bed_missing(&m->bed, m->inst) <= LOST_MAX, "packets lost");
}

static void aftermath(void)
{
	struct epoll_event ev[8];

	lock_from_the_dead();
	sweep();
	mini_wait(m, 3 * S7_SEC);
	sweep();
	if (held_set)
		epoll_harvest(epoll_held(held_set), ev, 8, true, m->inst->now);
	serves();
	for (int i = 0; i < HELD_MAX; i++)
		if (held[i] && held[i] != listener)
			let_go(held[i]);
	if (held_set) {
		must(!held_set->part[0].item_count, "items left");
		atomic_store(&held_set->file.refs, 0);
		epoll_release(held_set, m->inst->now);
		held_set = NULL;
	}
	mini_wait(m, SETTLE);
	nothing_left();
}

/* ---- one step after the other ---- */

static struct {
	const char *at;
	char *copy;
	size_t len;
} watched[WATCH_MAX];
static int watched_count;
static volatile long step, deaths, only = -1;
static volatile sig_atomic_t over, failed;
static const struct scene *scene;

static void watch(const void *at, size_t len)
{
	if (watched_count == WATCH_MAX)
		abort();
	watched[watched_count].at = at;
	watched[watched_count].copy = calloc(1, len);
	watched[watched_count++].len = len;
}

static void watch_all(void)
{
	struct s7_inst *inst = m->inst;

	watch(inst, sizeof(*inst));
	watch(inst->flows.bucket, (inst->flows.mask + 1) * sizeof(void *));
	watch(&inst->ports.bucket[PORT], 64 * sizeof(void *));
	for (uint32_t i = 0; i < m->arena->slab_count; i++) {
		const struct s7_slab *slab = m->arena->slab[i];
		size_t room = s7_min(slab->max, slab->high + 4) * (size_t)slab->size;

		watch(slab, sizeof(*slab));
		watch(slab->base, room);
	}
}

static bool changed(void)
{
	bool some = false;

	for (int i = 0; i < watched_count; i++) {
		if (!memcmp(watched[i].at, watched[i].copy, watched[i].len))
			continue;
		memcpy(watched[i].copy, watched[i].at, watched[i].len);
		some = true;
	}
	return some;
}

static void die_here(unsigned long rip)
{
	int status;
	pid_t pid;

	deaths++;
	fflush(stdout);
	pid = only >= 0 ? 0 : fork();
	if (!pid) {
		aftermath();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	failed++;
	printf("not ok - %s: dead behind step %ld, %#lx%s\n", scene->name, step, rip,
	       WIFSIGNALED(status) ? ", crashed" : "");
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	if (over) {
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	step++;
	if (only >= 0 ? step == only : changed() && deaths % STRIDE == 0)
		die_here((unsigned long)uc->uc_mcontext.gregs[REG_RIP]);
	else if (only < 0 && STRIDE > 1)
		deaths++;
}

static void scene_run(const struct scene *now, long step_only)
{
	scene = now;
	only = step_only;
	m = mini_new(0, true);
	memset(held, 0, sizeof(held));
	held_set = NULL;
	listener = stream();
	bind_to(listener, PORT);
	must(!sock_listen(listener, 8, m->inst->now), "listen");
	hold(listener);
	if (now->begin)
		now->begin();
	watched_count = 0;
	watch_all();
	changed();
	step = deaths = over = 0;
	__asm__ volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; add $128, %%rsp" :::
			 "memory", "cc");
	now->act();
	over = 1;
	printf("# %s: %ld instructions, %ld deaths\n", now->name, step, deaths);
}

int main(void)
{
	struct sigaction act = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	const char *one = getenv("S7_DEATH");
	size_t i;

	sigaction(SIGTRAP, &act, NULL);
	if (one) {
		i = (size_t)atoi(one);
		scene_run(&scenes[i], strchr(one, ':') ? atol(strchr(one, ':') + 1) : -1);
		return failed > 0;
	}
	for (i = 0; i < S7_ARRAY_LEN(scenes); i++) {
		fflush(stdout);
		if (!fork()) {
			scene_run(&scenes[i], -1);
			fflush(stdout);
			_exit(failed > 0);
		}
	}
	for (i = 0; i < S7_ARRAY_LEN(scenes); i++) {
		int status;

		if (wait(&status) < 0 || status)
			failed = 1;
	}
	return failed > 0;
}
