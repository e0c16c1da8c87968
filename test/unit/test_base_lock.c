/* SPDX-License-Identifier: BSD-3-Clause */
/* Mutual exclusion between threads, and the death of an owner in another process. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack/base/arena.h"
#include "stack/base/lock.h"

#define ROUNDS 20000

static struct s7_lock shared_lock;
static uint64_t guarded; /* plain: tsan sees a race if the lock is none */

static void *count_up(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		lock_take(&shared_lock);
		guarded++;
		lock_give(&shared_lock);
	}
	return arg;
}

Test(lock, excludes_threads)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, count_up, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(guarded, 4 * ROUNDS);
	cr_assert_eq(atomic_load(&shared_lock.word), 0);
	cr_assert_eq(s7_lock_depth, 0);
}

Test(lock, try_fails_while_held)
{
	struct s7_lock lock = { 0 };

	cr_assert(lock_try(&lock));
	cr_assert(lock_is_mine(&lock));
	cr_assert_eq(s7_lock_depth, 1);
	lock_give(&lock);
	cr_assert_eq(s7_lock_depth, 0);
}

/* A program at its limit of descriptors must not wait for a dead owner for ever. */
Test(lock, zombie_is_dead_without_descriptors)
{
	struct rlimit had, none;
	bool self, zombie;
	siginfo_t info;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	getrlimit(RLIMIT_NOFILE, &had);
	none = had;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	zombie = lock_thread_alive((uint32_t)pid);
	self = lock_thread_alive((uint32_t)getpid());
	setrlimit(RLIMIT_NOFILE, &had);
	waitpid(pid, NULL, 0);
	cr_assert(!zombie);
	cr_assert(self);
}

Test(lock, killed_owner_is_noticed, .timeout = 20)
{
	struct s7_lock *lock =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		lock_forget_self();
		lock_take(lock);
		cr_assert_eq(write(ready[1], "x", 1), 1);
		pause();
		_exit(0);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	cr_assert_not(lock_try(lock));
	kill(pid, SIGKILL);
	/* not yet reaped: a zombie counts as dead */
	cr_assert_eq(lock_take(lock), LOCK_OWNER_DIED);
	cr_assert(lock_is_mine(lock));
	cr_assert_eq(lock->deaths, 1);
	lock_give(lock);
	cr_assert_eq(lock_take(lock), LOCK_OK);
	lock_give(lock);
	waitpid(pid, NULL, 0);
}

/* exec gave this thread's number to another program: what it held is a dead owner's. */
Test(lock, orphaned_by_exec, .timeout = 20)
{
	struct s7_lock held = { .word = 0 }, unheld = { .word = 0 };

	lock_take(&held);
	lock_orphan(&held);
	cr_assert_not(lock_is_mine(&held));
	lock_orphan(&unheld);
	cr_assert_eq(lock_take(&unheld), LOCK_OK);
	cr_assert_eq(lock_take(&held), LOCK_OWNER_DIED);
	cr_assert(lock_is_mine(&held));
	lock_give(&held);
	lock_give(&unheld);
}

Test(arena, slabs_give_back)
{
	struct s7_arena *arena = arena_format(calloc(1, 1 << 20), 1 << 20);
	struct s7_slab slab;
	void *objects[100];

	cr_assert_eq(slab_init(&slab, arena, 100, 100), 0);
	for (int i = 0; i < 100; i++) {
		objects[i] = slab_alloc(&slab);
		cr_assert_not_null(objects[i]);
		cr_assert_eq(slab_at(&slab, slab_id(&slab, objects[i])), objects[i]);
		memset(objects[i], 0xa5, 100);
	}
	cr_assert_null(slab_alloc(&slab));
	slab_free(&slab, objects[42]);
	slab_free(&slab, NULL);
	cr_assert_eq(slab_alloc(&slab), objects[42]);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(((char *)objects[42])[i], 0, "slab_alloc zeroes");
	for (int i = 0; i < 100; i++)
		slab_free(&slab, objects[i]);
	cr_assert_eq(slab.used, 0);
	cr_assert_eq(slab.peak, 100);
	cr_assert_null(arena_take(arena, 2 << 20, 8));
	free(arena);
}
