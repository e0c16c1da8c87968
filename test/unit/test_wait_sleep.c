/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_wait_sleep.c - sleeping threads: who ends the sleep, what is left behind
 *
 * The shim is a shared object of its own, so the files under test are compiled in here, on a stack
 * in plain memory.
 */
#include "shim/real.c"
#include "shim/wait.c"
#include "shim/wait_self.c"
#include "shim/wait_hold.c"
#include "shim/wait_role.c"

/* what is polled without is counted */
static _Atomic uint32_t yields;

static long counted_sys0(long number)
{
	yields += number == SYS_sched_yield;
	return s7_sys0(number);
}

#pragma push_macro("s7_sys0")
#undef s7_sys0
#define s7_sys0 counted_sys0
#include "shim/wait_sock.c"
#pragma pop_macro("s7_sys0")

#include <criterion/criterion.h>
#include <time.h>
#include <unistd.h>

#include "test/support/mini.h"

struct s7_arena *s7_arena;
struct s7_fdtab s7_fds;
__thread uint32_t s7_sig_interrupts;
static int passed, kept;

bool fd_is_internal(int fd)
{
	(void)fd;
	return false;
}

int fd_make_internal(int fd)
{
	return fd;
}

void file_put(struct s7_file *file)
{
	if (atomic_fetch_sub(&file->refs, 1) == 1)
		sock_release(file_sock(file), host_now());
}

void sig_run_deferred(void)
{
}

static uint32_t keeper_woken;

void keeper_need(void)
{
	kept++;
}

void keeper_wake(void)
{
	keeper_woken++;
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
	passed++;
}

s7_time host_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (s7_time)ts.tv_sec * S7_SEC + (s7_time)ts.tv_nsec;
}

static struct s7_host_ops ringing;

static struct mini *bed_with(uint32_t iface_flags)
{
	struct mini *m = mini_new(iface_flags, true);

	ringing = *m->inst->env->host;
	ringing.ring = wait_ring;
	m->inst->env->host = &ringing;
	s7_arena = m->arena;
	cr_assert_eq(wait_init(m->arena), 0);
	return m;
}

static struct mini *bed(void)
{
	return bed_with(0);
}

static struct s7_sock *udp(struct mini *m, uint16_t port)
{
	struct s7_ip ip = mini_addr("127.0.0.1");
	struct s7_sock *sk;

	cr_assert_eq(sock_create(m->inst, AF_INET, SOCK_DGRAM, 0, host_now(), &sk), 0);
	cr_assert_eq(sock_bind(sk, &ip, port, host_now()), 0);
	return sk;
}

static void say(struct s7_sock *from, uint16_t port)
{
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct s7_msg msg;

	sock_msg_init(&msg, &iov, 1, 0);
	msg.name =
		(struct s7_msg_name){ .ip = mini_addr("127.0.0.1"), .port = port, .valid = true };
	cr_assert_eq(sock_send(from, &msg, host_now()), 1);
	inst_lock(from->inst, host_now());
	inst_drive(from->inst);
	inst_unlock(from->inst);
}

static void nap(unsigned int ms)
{
	usleep(ms * 1000);
}

Test(wait, deadline_is_kept)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9);
	s7_time start = host_now(), took;

	cr_expect_eq(wait_sock(sk, -1, EPOLLIN, start + 50 * S7_MS, true), -EAGAIN);
	took = host_now() - start;
	cr_expect(took >= 50 * S7_MS && took < 200 * S7_MS, "%lu", took);
	cr_expect_eq(atomic_load(&sk->file.refs), 1);
	cr_expect_eq(m->inst->waits.used, 0);
	cr_expect_eq(atomic_load(&m->inst->watcher), 0);
	cr_expect_eq(atomic_load(&m->inst->sleepers), 0);
	cr_expect_eq(kept, 1);
}

static void *wait_for_data(void *arg)
{
	return (void *)(intptr_t)wait_sock(arg, -1, EPOLLIN, host_now() + 2 * S7_SEC, true);
}

Test(wait, an_event_ends_the_sleep)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9), *tx = udp(m, 10);
	s7_time start = host_now();
	pthread_t thread;
	void *ret;

	pthread_create(&thread, NULL, wait_for_data, sk);
	nap(30);
	cr_expect_eq(atomic_load(&m->inst->sleepers), 1);
	cr_expect_eq(atomic_load(&sk->file.refs), 2, "the sleeping call holds the file");
	say(tx, 9);
	pthread_join(thread, &ret);
	cr_expect_eq((intptr_t)ret, 0);
	cr_expect_lt(host_now() - start, 500 * S7_MS);
	cr_expect_eq(atomic_load(&sk->file.refs), 1);
	cr_expect_eq(m->inst->waits.used, 0);
}

Test(wait, kernel_descriptors_share_the_sleep)
{
	struct mini *m = bed();
	struct pollfd kfd[2] = { { .fd = -1, .events = POLLIN }, { .events = POLLIN } };
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	kfd[1].fd = ends[0];
	wait_arm(wait_self());
	cr_expect_eq(wait_sleep(m->inst, wait_self(), kfd, 2, host_now() + 10 * S7_MS, NULL), 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	wait_arm(wait_self());
	cr_expect_eq(wait_sleep(m->inst, wait_self(), kfd, 2, S7_NEVER, NULL), 1);
	cr_expect_eq(kfd[0].revents, 0);
	cr_expect_eq(kfd[1].revents, POLLIN);
}

Test(wait, many_kernel_descriptors)
{
	struct pollfd kfd[500];
	struct mini *m = bed();
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	for (int i = 0; i < 500; i++)
		kfd[i] = (struct pollfd){ .fd = ends[i == 499 ? 1 : 0],
					  .events = i == 499 ? POLLOUT : POLLIN };
	wait_arm(wait_self());
	cr_expect_eq(wait_sleep(m->inst, wait_self(), kfd, 500, S7_NEVER, NULL), 1);
	cr_expect_eq(kfd[499].revents, POLLOUT);
}

Test(wait, a_ring_before_the_sleep_is_not_lost)
{
	struct mini *m = bed();
	struct s7_waiter *self = wait_self();

	wait_arm(self);
	inst_lock(m->inst, host_now());
	inst_wake(m->inst, self);
	inst_unlock(m->inst);
	cr_expect_eq(wait_sleep(m->inst, self, NULL, 0, S7_NEVER, NULL), 0);
	cr_expect_eq(atomic_load(&self->state), WAITER_AWAKE);
}

Test(wait, a_handler_before_the_sleep_ends_it)
{
	struct mini *m = bed();
	struct s7_waiter *self = wait_self();
	struct wait_call call;

	wait_call_begin(&call);
	wait_arm(self);
	wait_interrupted();
	cr_expect_eq(wait_sleep(m->inst, self, NULL, 0, S7_NEVER, NULL), 0);
	cr_expect(wait_call_interrupted(&call, false));
	cr_expect_not(wait_call_interrupted(&call, true));
	s7_sig_interrupts++;
	cr_expect(wait_call_interrupted(&call, true));
}

static void *self_of_thread(void *arg)
{
	(void)arg;
	return wait_self();
}

Test(wait, an_ended_threads_record_serves_the_next)
{
	void *first, *second;
	struct mini *m = bed();
	pthread_t thread;

	(void)m;
	pthread_create(&thread, NULL, self_of_thread, NULL);
	pthread_join(thread, &first);
	pthread_create(&thread, NULL, self_of_thread, NULL);
	pthread_join(thread, &second);
	cr_expect_eq(first, second);
	cr_expect_geq(((struct s7_waiter *)second)->bell, 0);
}

Test(wait, a_cancelled_thread_leaves_nothing)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9);
	pthread_t thread;
	void *ret;

	pthread_create(&thread, NULL, wait_for_data, sk);
	nap(30);
	cr_expect_eq(atomic_load(&sk->file.refs), 2);
	pthread_cancel(thread);
	pthread_join(thread, &ret);
	cr_expect_eq(ret, PTHREAD_CANCELED);
	cr_expect_eq(atomic_load(&sk->file.refs), 1);
	cr_expect_eq(m->inst->waits.used, 0);
	cr_expect_eq(atomic_load(&m->inst->sleepers), 0);
	cr_expect_eq(atomic_load(&m->inst->watcher), 0);
}

Test(wait, a_dead_process_gives_all_back)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9);
	struct s7_waiter *dead = wait_self();
	uint32_t used;

	/* as if this thread had been killed in its sleep */
	wait_arm(dead);
	inst_lock(m->inst, host_now());
	cr_assert(wait_queue(dead, m->inst, &sk->waitq, &sk->file, EPOLLIN, false));
	inst_unlock(m->inst);
	atomic_store(&m->inst->watcher, slab_id(waiters, dead));
	atomic_fetch_add(&m->inst->sleepers, 1);
	dead->asleep_on = 1;
	used = waiters->used;
	wait_reap_process(this_slot());
	cr_expect_eq(waiters->used, used - 1);
	cr_expect_eq(atomic_load(&sk->file.refs), 1);
	cr_expect(list_empty(&sk->waitq));
	cr_expect_eq(atomic_load(&m->inst->watcher), 0);
	cr_expect_eq(atomic_load(&m->inst->sleepers), 0);
	wait_forked(); /* the record is nobody's */
}

Test(wait, nothing_is_queued_on_what_is_gone)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9);

	atomic_store(&sk->file.refs, 0); /* its closer waits for the lock */
	inst_lock(m->inst, host_now());
	cr_assert_not(wait_queue(wait_self(), m->inst, &sk->waitq, &sk->file, EPOLLIN, false));
	cr_assert(list_empty(&sk->waitq));
	cr_assert_eq(m->inst->waits.used, 0);
	cr_assert_eq(atomic_load(&sk->file.refs), 0);
	inst_unlock(m->inst);
}

static void *watch_till_woken(void *arg)
{
	struct mini *m = arg;
	struct s7_waiter *self = wait_self();

	wait_arm(self);
	return (void *)(intptr_t)wait_sleep(m->inst, self, NULL, 0, S7_NEVER, NULL);
}

/* The watcher leaves while another thread sleeps; how often the role was handed on. */
static uint64_t leave_ports(struct mini *m, bool was_absent)
{
	struct s7_sock *sk = udp(m, 9), *tx = udp(m, 10);
	pthread_t watcher, sleeper;
	struct s7_waiter *first;

	pthread_create(&watcher, NULL, watch_till_woken, m);
	while (!atomic_load(&m->inst->watcher))
		nap(1);
	first = slab_at(waiters, atomic_load(&m->inst->watcher));
	pthread_create(&sleeper, NULL, wait_for_data, sk);
	while (!atomic_load(&m->inst->standby))
		nap(1);
	if (was_absent) {
		atomic_store(&m->inst->last_watcher, slab_id(waiters, first));
		wait_was_absent(m->inst, host_now());
	}
	wait_bell_write(first);
	pthread_join(watcher, NULL);
	for (int i = 0; was_absent && i < 5000 && !atomic_load(&m->inst->watcher); i++)
		nap(1);
	cr_expect_eq(atomic_load(&m->inst->watcher) != 0, was_absent);
	cr_expect_neq(atomic_load(&m->inst->watcher), slab_id(waiters, first));
	say(tx, 9);
	pthread_join(sleeper, NULL);
	return m->inst->stat[STAT_WATCH_HANDED_ON];
}

Test(wait, who_stayed_away_hands_the_ports_on)
{
	cr_expect_eq(leave_ports(bed(), true), 1);
}

Test(wait, an_event_loop_wakes_nobody_when_it_leaves)
{
	cr_expect_eq(leave_ports(bed(), false), 0);
}

static int port_pipe[2];

static int piped(void *dev, uint16_t queue)
{
	(void)dev;
	(void)queue;
	return port_pipe[0];
}

static void sleep_once(struct mini *m, s7_time until)
{
	struct s7_waiter *self = wait_self();

	wait_arm(self);
	wait_sleep(m->inst, self, NULL, 0, until, NULL);
}

Test(wait, packets_after_a_quiet_time_wake_the_keeper)
{
	struct mini *m = bed_with(IFACE_UP);
	struct s7_netdev_ops ops = *m->inst->env->dev[1].ops;

	ops.sleep_fd = piped;
	ops.sleep_begin = NULL;
	ops.sleep_end = NULL;
	m->inst->env->dev[1].ops = &ops;
	cr_assert_eq(pipe(port_pipe), 0);
	atomic_store(&s7_arena->keeper_naps, 1);
	sleep_once(m, host_now() + 5 * S7_MS);
	cr_expect_eq(keeper_woken, 0);
	cr_assert_eq(write(port_pipe[1], "x", 1), 1);
	sleep_once(m, S7_NEVER);
	cr_expect_eq(keeper_woken, 1);
	atomic_store(&s7_arena->keeper_naps, 0);
	sleep_once(m, S7_NEVER);
	cr_expect_eq(keeper_woken, 1);
}

/* ---- SO_BUSY_POLL and kin ---- */

static void opt(struct s7_sock *sk, int name, int value)
{
	cr_assert_eq(sock_setsockopt(sk, SOL_SOCKET, name, &value, sizeof(value), host_now()), 0);
}

/* A thread waits for data that comes 30 ms after it began to look; how often anybody slept. */
static uint64_t sleeps_until_data(struct mini *m, struct s7_sock *sk)
{
	struct s7_sock *tx = udp(m, 10);
	uint64_t before = m->inst->stat[STAT_SLEEPS];
	pthread_t thread;
	void *ret;

	yields = 0;
	m->inst->stat[STAT_DRIVES] = 0;
	pthread_create(&thread, NULL, wait_for_data, sk);
	while (!*(volatile uint64_t *)&m->inst->stat[STAT_DRIVES])
		nap(1);
	nap(30);
	say(tx, 9);
	pthread_join(thread, &ret);
	cr_expect_eq((intptr_t)ret, 0);
	return m->inst->stat[STAT_SLEEPS] - before;
}

Test(wait, polls_before_it_sleeps)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9);

	opt(sk, SO_BUSY_POLL, 1900000); /* nearly as long as it waits */
	cr_expect_eq(sleeps_until_data(m, sk), 0);
}

Test(wait, without_busy_poll_it_sleeps)
{
	struct mini *m = bed();

	cr_expect_geq(sleeps_until_data(m, udp(m, 9)), 1);
}

Test(wait, busy_polling_yields)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9);

	opt(sk, SO_BUSY_POLL, 1900000);
	sleeps_until_data(m, sk);
	cr_expect_gt(yields, 0);
}

Test(wait, keeps_the_core)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9);

	opt(sk, SO_BUSY_POLL, 1900000);
	opt(sk, SO_PREFER_BUSY_POLL, 1);
	sleeps_until_data(m, sk);
	cr_expect_eq(yields, 0);
}

/* One turn takes no more packets than SO_BUSY_POLL_BUDGET. */
Test(wait, budget_of_a_turn)
{
	struct mini *m = bed();
	struct s7_sock *sk = udp(m, 9), *tx = udp(m, 10);

	opt(sk, SO_BUSY_POLL_BUDGET, 3);
	inst_lock(m->inst, host_now());
	for (int i = 0; i < 10; i++) {
		struct iovec iov = { (char[]){ "x" }, 1 };
		struct s7_msg msg;

		sock_msg_init(&msg, &iov, 1, 0);
		msg.name = (struct s7_msg_name){ .ip = mini_addr("127.0.0.1"), .port = 11,
						 .valid = true };
		cr_assert_eq(sk_ops(tx)->send(tx, &msg), 1);
	}
	inst_unlock(m->inst);
	cr_assert_eq(m->inst->lo_count, 10);
	cr_expect_eq(sock_look(sk, EPOLLIN, NULL, host_now()), LOOK_NOTHING);
	cr_expect_eq(m->inst->iface[S7_IFACE_LO].rx_pkts, 3);
}
