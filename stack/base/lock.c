/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.c - the slow ways of a lock: waiting, waking, and the death of an owner
 *
 * Invariant: whoever reads word == 0 and swaps in its id owns the lock; with LOCK_WAITERS set the
 * giver wakes one sleeper, and a sleeper that got the lock keeps the bit set because others may
 * sleep too. A dead owner's id stays in the word; the waiter that swaps it for its own id is told
 * LOCK_OWNER_DIED. A reused thread id can make a dead owner look alive only until that thread ends.
 * Context: any thread of any process that maps the lock; no lock needed.
 */
#include "stack/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/uio.h>
#include <time.h>

#include "stack/base/sys.h"

#define LOCK_SPINS 200
#define LOCK_CHECK_NS (20 * S7_MS)

__thread uint32_t s7_lock_tid;
__thread uint32_t s7_lock_depth;
__thread uint32_t s7_lock_pending;

uint32_t lock_self_slow(void)
{
	s7_lock_tid = (uint32_t)s7_sys0(SYS_gettid);
	return s7_lock_tid;
}

void lock_forget_self(void)
{
	s7_lock_tid = 0;
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

/* Writes "/proc/<tid>/stat" without stdio. */
static void stat_path(uint32_t tid, char path[32])
{
	static const char head[] = "/proc/", tail[] = "/stat";
	char digits[12];
	size_t n = 0, at = sizeof(head) - 1;

	memcpy(path, head, at);
	do {
		digits[n++] = (char)('0' + tid % 10);
		tid /= 10;
	} while (tid);
	while (n)
		path[at++] = digits[--n];
	memcpy(path + at, tail, sizeof(tail));
}

/*
 * The kernel's flags of the thread, six fields behind its state: 0x4 exits, 0x400 ended by a signal
 * (it may be writing its core for seconds, but runs no more of its own).
 */
#define GONE 0x404u

static uint32_t stat_flags(const char *at)
{
	uint32_t flags = 0;

	for (int field = 0; field < 6; field++) {
		while (*at && *at != ' ')
			at++;
		while (*at == ' ')
			at++;
	}
	while (*at >= '0' && *at <= '9')
		flags = flags * 10 + (uint32_t)(*at++ - '0');
	return flags;
}

/* The kernel's own answer: a thread that is dead, also a zombie, has none. What may not be asked
 * lives. */
static bool has_memory(uint32_t tid)
{
	char byte, seen;
	struct iovec to = { &seen, 1 }, from = { &byte, 1 };

	if (s7_sys2(SYS_kill, tid, 0) == -ESRCH)
		return false;
	return s7_sys6(SYS_process_vm_readv, tid, (long)&to, 1, (long)&from, 1, 0) != -ESRCH;
}

bool lock_thread_alive(uint32_t tid)
{
	char path[32], text[256];
	long fd, len, at;

	stat_path(tid, path);
	fd = s7_sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0) /* no /proc, or no descriptor left to read it by */
		return has_memory(tid);
	len = s7_sys3(SYS_read, fd, text, sizeof(text) - 1);
	s7_sys1(SYS_close, fd);
	if (len <= 0)
		return false;

	/* "tid (name) S ...": the state follows the last parenthesis */
	for (at = len - 1; at > 0 && text[at] != ')'; at--)
		;
	if (at + 2 >= len)
		return true;
	text[len] = 0;
	return text[at + 2] != 'Z' && text[at + 2] != 'X' && !(stat_flags(text + at + 2) & GONE);
}

/* Tries to get the word as it is now; `keep` is or'ed in. */
static bool take_from(struct s7_lock *lock, uint32_t seen, uint32_t keep)
{
	return atomic_compare_exchange_strong_explicit(&lock->word, &seen, lock_self() | keep,
						       memory_order_acquire, memory_order_relaxed);
}

enum lock_result lock_take_slow(struct s7_lock *lock)
{
	struct timespec check = { .tv_nsec = LOCK_CHECK_NS };
	uint32_t word, keep = 0;
	int spin;

	for (spin = 0; spin < LOCK_SPINS; spin++) {
		word = atomic_load_explicit(&lock->word, memory_order_relaxed);
		if (word == 0 && take_from(lock, 0, 0))
			return LOCK_OK;
		cpu_relax();
	}

	for (;;) {
		word = atomic_load_explicit(&lock->word, memory_order_relaxed);
		if ((word & ~LOCK_WAITERS) == 0) {
			if (take_from(lock, word, keep | (word & LOCK_WAITERS)))
				return LOCK_OK;
			continue;
		}
		if (!(word & LOCK_WAITERS) &&
		    !atomic_compare_exchange_strong(&lock->word, &word, word | LOCK_WAITERS))
			continue;
		word |= LOCK_WAITERS;
		keep = LOCK_WAITERS;
		if (s7_sys4(SYS_futex, &lock->word, FUTEX_WAIT, word, &check) != -ETIMEDOUT)
			continue;
		if (lock_thread_alive(word & ~LOCK_WAITERS))
			continue;
		if (take_from(lock, word, LOCK_WAITERS)) {
			lock->deaths++;
			return LOCK_OWNER_DIED;
		}
	}
}

#define NO_THREAD 0x7fffffffu /* above every id that the kernel gives */

void lock_orphan(struct s7_lock *lock)
{
	uint32_t word = atomic_load(&lock->word);

	while ((word & ~LOCK_WAITERS) == lock_self() &&
	       !atomic_compare_exchange_weak(&lock->word, &word, NO_THREAD | LOCK_WAITERS))
		;
}

void lock_give_slow(struct s7_lock *lock)
{
	atomic_store_explicit(&lock->word, 0, memory_order_release);
	s7_sys3(SYS_futex, &lock->word, FUTEX_WAKE, 1);
}
