/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cancel.c - pthread_cancel: never while the thread has one of our locks
 *
 * Idea: deferred cancellation happens in cancel_point() and in libc's calls that we sleep in, where
 * no lock is held. Asynchronous cancellation is a signal of libc's own (SIGCANCEL) that unwinds
 * where it arrives. So its handler is replaced by one that, inside (s7_lock_depth), only notes it;
 * who leaves the last lock (sig_run_deferred) sends it again, and libc decides what it means then.
 * libc sets its handler with the first cancellation of all: to have it before that, a thread that
 * does nothing is cancelled first.
 * Context: any thread. Defines: pthread_cancel.
 */
#include <unistd.h>

#include "shim/internal.h"

#define SIGCANCEL 32

/* As rt_sigaction has it. */
struct kernel_action {
	void (*handler)(int sig, siginfo_t *info, void *context);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

uint32_t s7_cancels;
static pthread_once_t guarded = PTHREAD_ONCE_INIT;
static void (*libc_handler)(int sig, siginfo_t *info, void *context);
static __thread bool put_off __attribute__((tls_model("initial-exec")));

static void on_cancel(int sig, siginfo_t *info, void *context)
{
	if (s7_lock_depth) {
		put_off = true;
		s7_lock_pending = 1;
		return;
	}
	libc_handler(sig, info, context);
}

void cancel_again(void)
{
	if (s7_likely(!put_off))
		return;
	put_off = false;
	s7_sys3(SYS_tgkill, s7_sys0(SYS_getpid), s7_sys0(SYS_gettid), SIGCANCEL);
}

static bool take_over(void)
{
	struct kernel_action act = { .flags = 0 };

	if (s7_sys4(SYS_rt_sigaction, SIGCANCEL, NULL, &act, sizeof(act.mask)) || !act.handler)
		return false;
	libc_handler = act.handler;
	act.handler = on_cancel;
	s7_sys4(SYS_rt_sigaction, SIGCANCEL, &act, NULL, sizeof(act.mask));
	return true;
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void guard(void)
{
	sigset_t all, old;
	pthread_t thread;
	int err;

	if (take_over())
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, idle, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return;
	real.pthread_cancel(thread);
	pthread_join(thread, NULL);
	take_over();
}

/* From now on calls look whether they are to end here (cancel_point). */
S7_EXPORT int pthread_cancel(pthread_t thread)
{
	if (s7_fds.limit)
		pthread_once(&guarded, guard);
	__atomic_store_n(&s7_cancels, 1, __ATOMIC_RELEASE);
	return real.pthread_cancel(thread);
}
