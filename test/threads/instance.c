// SPDX-License-Identifier: BSD-3-Clause
/*
 * instance.c - four threads on one instance in plain memory: lock, wake list, doorbells,
 * descriptors
 *
 * For the thread sanitizer, whose eyes are its memory accesses and C11 atomics: each thread sends
 * datagrams to its neighbour and to a socket that all share, sleeps for its own (shim/wait*.c), and
 * installs, duplicates and takes descriptors in one table (shim/fdtab.c), some of them the others'.
 * In the end every reference, wait node and packet is back.
 */
#include "shim/fdtab.c"
#include "shim/real.c"
#include "shim/wait.c"
#include "shim/wait_self.c"
#include "shim/wait_hold.c"
#include "shim/wait_role.c"
#include "shim/wait_sock.c"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "test/support/mini.h"

#define THREADS 4
#define ROUNDS 3000
#define SHARED_PORT 100
#define FDS 64
#define FIRST 900 /* numbers that are free */
#define SHARED_FD (FIRST + FDS)

struct s7_arena *s7_arena;
__thread uint32_t s7_sig_interrupts;
static struct mini *bed;
static struct s7_proc *table;
static _Atomic long received;
static pthread_barrier_t all_there;
static int null_fd;

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

/* ---- the threads ---- */

static struct s7_sock *udp(uint16_t port)
{
	struct s7_ip ip = mini_addr("127.0.0.1");
	struct s7_sock *sk;

	must(!sock_create(bed->inst, AF_INET, SOCK_DGRAM, 0, host_now(), &sk));
	must(!sock_bind(sk, &ip, port, host_now()));
	return sk;
}

static void say(struct s7_sock *from, uint16_t port)
{
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct s7_msg msg;

	sock_msg_init(&msg, &iov, 1, 0);
	msg.name = (struct s7_msg_name){ .ip = mini_addr("127.0.0.1"), .port = port,
					 .valid = true };
	must(sock_send(from, &msg, host_now()) == 1);
}

static bool hear(struct s7_sock *sk)
{
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };
	struct s7_msg msg;

	sock_msg_init(&msg, &iov, 1, 0);
	return sock_recv(sk, &msg, host_now()) == 1;
}

static void use_descriptors(struct s7_sock *mine, unsigned int *seed)
{
	int fd = FIRST + rand_r(seed) % FDS, to = FIRST + rand_r(seed) % FDS;

	s7_sys3(SYS_dup3, null_fd, fd, 0);
	file_ref(&mine->file);
	fd_install(fd, &mine->file);
	fd_dup_over(fd, to, 0);
	fd_close(FIRST + rand_r(seed) % FDS);
}

static void *run(void *arg)
{
	struct s7_sock *shared = fd_sock_at(SHARED_FD).sk;
	uint16_t port = (uint16_t)(SHARED_PORT + 1 + (intptr_t)arg);
	uint16_t next = (uint16_t)(SHARED_PORT + 1 + ((intptr_t)arg + 1) % THREADS);
	unsigned int seed = port;
	struct s7_sock *mine = udp(port);
	struct wait_hold hold;

	pthread_barrier_wait(&all_there);
	for (int i = 0; i < ROUNDS; i++) {
		say(mine, SHARED_PORT);
		say(mine, next);
		must(!wait_hold_begin(&hold, &shared->file, 0));
		wait_sock(shared, -1, EPOLLIN, host_now() + 5 * S7_MS, true);
		wait_hold_end(&hold);
		received += hear(shared);
		must(!wait_sock(mine, -1, EPOLLIN, host_now() + 2 * S7_SEC, true));
		must(hear(mine));
		use_descriptors(mine, &seed);
	}
	pthread_barrier_wait(&all_there);
	file_put(&mine->file);
	return NULL;
}

int main(void)
{
	static struct s7_host_ops host;
	pthread_t thread[THREADS];
	struct s7_sock *shared;

	bed = mini_new(0, true);
	host = *bed->inst->env->host;
	host.ring = wait_ring;
	bed->inst->env->host = &host;
	s7_arena = bed->arena;
	table = calloc(1, sizeof(*table));
	must(!wait_init(bed->arena));
	fd_table_start(table);
	shared = udp(SHARED_PORT);
	fd_install(SHARED_FD, &shared->file);
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_barrier_init(&all_there, NULL, THREADS);
	for (intptr_t i = 0; i < THREADS; i++)
		must(!pthread_create(&thread[i], NULL, run, (void *)i));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	while (hear(shared))
		received++;
	must(received == THREADS * ROUNDS);
	must(fd_dup_over(SHARED_FD, S7_FDS_MAX, 0) == -EBADF);
	must(atomic_load(&shared->file.refs) == 1);
	fd_table_drop(table);
	must(list_empty(&bed->inst->socks));
	must(!bed->inst->waits.used);
	must(!atomic_load(&bed->inst->sleepers));
	must(!atomic_load(&bed->inst->watcher));
	must(!mini_free(bed));
	puts("ok");
	return 0;
}
