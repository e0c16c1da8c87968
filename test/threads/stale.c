// SPDX-License-Identifier: BSD-3-Clause
/*
 * stale.c - descriptors are closed and given anew while other threads use them: a call acts on what
 * its number means, never on what took the memory of what it meant
 *
 * Each number stands for one kind of socket: one that is connected to itself and carries bytes of
 * its number only, written and read by whoever knows the number; or for an epoll set whose one item
 * has the number as its datum. Two threads put fresh ones in their places all the time, so that
 * memory of one number is soon another's; four use them, by every way of shim.h. A byte, a datum or
 * a mark of another number is a call that went to a stranger.
 */
#include "shim/fdtab.c"
#include "shim/io.c"
#include "shim/real.c"
#include "shim/wait.c"
#include "shim/wait_self.c"
#include "shim/wait_hold.c"
#include "shim/wait_role.c"
#include "shim/wait_sock.c"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "test/support/mini.h"

#define CHURNERS 2
#define USERS 4
#define SOCKS 6 /* numbers FIRST.. */
#define SETS 2	/* and behind them */
#define FIRST 900 /* none of these is open in the kernel */
#define ROUNDS 20000
#define PORT_LO 2000
#define PORTS 60000

struct s7_arena *s7_arena;
__thread uint32_t s7_sig_interrupts;
uint32_t s7_cancels;
static struct mini *bed;
static struct s7_proc *table;
static _Atomic uint32_t next_port;
static _Atomic long moved, harvested, held, stale;
static _Atomic bool stop;

#define must(good)                                                                                 \
	((good) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #good), abort()))

/* ---- what the files under test want of the rest of the shim ---- */

struct s7_proc *proc_self(void)
{
	return table;
}

int proc_bell_fd(void)
{
	return -1;
}

void proc_bell_ring(uint32_t slot)
{
	(void)slot;
}

void proc_bell_pass(void)
{
}

void keeper_need(void)
{
}
void keeper_wake(void)
{
}

void sig_run_deferred(void)
{
}

/* nothing here opens a connection */
int conn_connect(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len,
		 struct s7_msg *data)
{
	(void)sk, (void)fd, (void)addr, (void)len, (void)data;
	abort();
}

int conn_finish(struct s7_sock *sk, int fd)
{
	(void)sk, (void)fd;
	abort();
}

void fastopen_refresh(struct s7_sock *sk, int fd)
{
	(void)sk, (void)fd;
	abort();
}

int kernel_side_autobind(struct s7_sock *sk, int fd)
{
	(void)sk;
	(void)fd;
	return -EINVAL;
}

int optmem_allows(size_t control)
{
	(void)control;
	return 0;
}

int kernel_side_for_send(struct s7_sock *sk, int fd, const struct s7_ip *dst, uint16_t port,
			 uint32_t device)
{
	(void)sk;
	(void)fd;
	(void)dst;
	(void)port;
	(void)device;
	return -EINVAL;
}

void shim_log(enum s7_log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

s7_time host_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (s7_time)ts.tv_sec * S7_SEC + (s7_time)ts.tv_nsec;
}

/* Between looking up and acting others may do much. */
static void others_first(void)
{
	static __thread unsigned int turn;

	if (!(++turn % 4))
		sched_yield();
}

/* ---- who makes and closes ---- */

static struct s7_file *fresh_sock(uint8_t number)
{
	struct s7_ip ip = mini_addr("127.0.0.1");
	struct s7_sock *sk;
	uint16_t port;

	must(!sock_create(bed->inst, AF_INET, SOCK_DGRAM, 0, host_now(), &sk));
	do
		port = (uint16_t)(PORT_LO + atomic_fetch_add(&next_port, 1) % PORTS);
	while (sock_bind(sk, &ip, port, host_now()));
	must(!sock_connect(sk, &ip, port, host_now()));
	sk->mark = number;
	sk->rcvtimeo = 200 * S7_US;
	sk->file.side = SIDE_STACK;
	return &sk->file;
}

static struct s7_file *fresh_set(struct s7_sock *ready, int number)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.u64 = (uint64_t)number };
	struct s7_epoll *ep;

	must(!epoll_create_in(bed->inst, host_now(), &ep));
	must(!epoll_ctl_sock(epoll_held(ep), EPOLL_CTL_ADD, number, sock_held(ready), &event,
			     host_now()));
	return &ep->file;
}

static void *churn(void *arg)
{
	struct s7_sock *ready = file_sock(fresh_sock(0xff));
	unsigned int seed = (unsigned int)(intptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		int k = rand_r(&seed) % (SOCKS + SETS), fd = FIRST + k;
		struct s7_file *file = k < SOCKS ? fresh_sock((uint8_t)k) : fresh_set(ready, k);

		if (rand_r(&seed) & 1)
			fd_close(fd); /* the number is free for a moment */
		fd_install(fd, file);
		others_first();
	}
	atomic_store(&stop, true);
	file_put(&ready->file);
	return NULL;
}

/* ---- who uses ---- */

static ssize_t send_number(int fd, uint8_t number)
{
	struct s7_sock_at at = fd_sock_at(fd);

	others_first();
	return at.sk ? io_send_buf(at, fd, &number, 1, MSG_DONTWAIT) : -EBADF;
}

static ssize_t take_number(int fd, uint8_t number, int flags)
{
	struct s7_sock_at at = fd_sock_at(fd);
	uint8_t got = number;
	ssize_t n;

	others_first();
	n = at.sk ? io_recv_buf(at, fd, &got, 1, flags) : -EBADF;
	must(n != 1 || got == number);
	return n;
}

static ssize_t harvest(int fd, int number)
{
	struct s7_epoll_at at = { .cookie = 0 };
	struct s7_file *file = fd_get_at(fd, &at.cookie);
	struct epoll_event event;
	int n;

	if (!file || file->kind != FILE_EPOLL)
		return -EBADF;
	at.ep = file_epoll(file);
	others_first();
	n = epoll_harvest(at, &event, 1, true, host_now());
	must(n != 1 || event.data.u64 == (uint64_t)number);
	return n;
}

static void hold(int fd, uint8_t number)
{
	struct s7_sock *sk = fd_hold_sock(fd);

	if (!sk)
		return;
	must(sk->mark == number);
	must(sock_shutdown(sk, 7, host_now()) == -EINVAL);
	must(sk->mark == number);
	held++;
	fd_unhold(&sk->file);
}

static void *use(void *arg)
{
	unsigned int seed = (unsigned int)(intptr_t)arg;

	while (!atomic_load(&stop)) {
		int k = rand_r(&seed) % SOCKS, set = SOCKS + rand_r(&seed) % SETS;
		ssize_t n[4] = { send_number(FIRST + k, (uint8_t)k),
				 take_number(FIRST + k, (uint8_t)k, MSG_DONTWAIT),
				 harvest(FIRST + set, set), 0 };

		if (!(rand_r(&seed) % 256)) /* waits for it */
			n[3] = take_number(FIRST + k, (uint8_t)k, 0);
		hold(FIRST + k, (uint8_t)k);
		moved += n[1] == 1;
		harvested += n[2] == 1;
		for (int i = 0; i < 4; i++)
			stale += n[i] == -SOCK_STALE;
	}
	return NULL;
}

int main(void)
{
	static struct s7_host_ops host;
	pthread_t churner[CHURNERS], user[USERS];

	bed = mini_new(0, true);
	host = *bed->inst->env->host;
	host.ring = wait_ring;
	bed->inst->env->host = &host;
	s7_arena = bed->arena;
	table = calloc(1, sizeof(*table));
	must(!wait_init(bed->arena));
	fd_table_start(table);
	for (intptr_t i = 0; i < USERS; i++)
		must(!pthread_create(&user[i], NULL, use, (void *)(i + 1)));
	for (intptr_t i = 0; i < CHURNERS; i++)
		must(!pthread_create(&churner[i], NULL, churn, (void *)(i + 100)));
	for (int i = 0; i < USERS; i++)
		pthread_join(user[i], NULL);
	for (int i = 0; i < CHURNERS; i++)
		pthread_join(churner[i], NULL);
	fd_table_drop(table);
	must(list_empty(&bed->inst->socks));
	must(!bed->inst->waits.used);
	must(!mini_free(bed));
	printf("ok: %ld bytes moved, %ld events, %ld holds, %ld stale lookups noticed\n", moved,
	       harvested, held, stale);
	must(moved && harvested && held);
	return 0;
}
