/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_shim_signal.c - handlers wait for the lock's release; the program sees its own actions;
 * every name is found
 *
 * The shim is a shared object of its own, so the files under test are compiled in here.
 */
#include "shim/real.c"
#include "shim/fault.c"
#include "shim/signal.c"

#include <criterion/criterion.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* siginterrupt is what we test */

static int interrupted, ran, ran_signo, ran_value;
static sigset_t ran_mask;

void cancel_again(void)
{
}

void wait_interrupted(void)
{
	interrupted++;
}

void wait_handler_returned(void)
{
}

static void note(int sig)
{
	ran++;
	ran_signo = sig;
	pthread_sigmask(SIG_BLOCK, NULL, &ran_mask);
}

static void note_info(int sig, siginfo_t *info, void *context)
{
	note(sig);
	ran_value = info->si_value.sival_int;
	(void)context;
}

static void act(int sig, s7_sighandler handler, int flags)
{
	struct sigaction action = { .sa_flags = flags };

	action.sa_handler = handler;
	cr_assert_eq(sigaction(sig, &action, NULL), 0);
}

static bool is_blocked(int sig)
{
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	return sigismember(&mask, sig);
}

Test(shim_signal, handler_runs_at_once_without_a_lock)
{
	act(SIGUSR1, note, SA_RESTART);
	raise(SIGUSR1);
	cr_assert_eq(ran, 1);
	cr_assert_eq(ran_signo, SIGUSR1);
	cr_assert_eq(interrupted, 1);
	cr_assert_eq(s7_sig_interrupts, 0);
}

Test(shim_signal, handler_without_restart_is_counted)
{
	act(SIGUSR1, note, 0);
	raise(SIGUSR1);
	cr_assert_eq(s7_sig_interrupts, 1);
}

Test(shim_signal, handler_waits_for_the_lock)
{
	act(SIGUSR1, note, 0);
	s7_lock_depth = 1;
	raise(SIGUSR1);
	cr_assert_eq(ran, 0);
	cr_assert_eq(s7_lock_pending, 1);
	cr_assert(is_blocked(SIGUSR2), "further signals stay in the kernel meanwhile");
	s7_lock_depth = 0;
	sig_run_deferred();
	cr_assert_eq(ran, 1);
	cr_assert(sigismember(&ran_mask, SIGUSR1), "its own signal is blocked in the handler");
	cr_assert(!sigismember(&ran_mask, SIGUSR2));
	cr_assert_eq(s7_lock_pending, 0);
	cr_assert(!is_blocked(SIGUSR1));
	cr_assert(!is_blocked(SIGUSR2));
}

Test(shim_signal, second_signal_stays_in_the_kernel_until_the_first_has_run)
{
	act(SIGUSR1, note, 0);
	act(SIGUSR2, note, 0);
	s7_lock_depth = 1;
	raise(SIGUSR1);
	raise(SIGUSR2);
	cr_assert_eq(ran, 0);
	s7_lock_depth = 0;
	sig_run_deferred();
	cr_assert_eq(ran, 2);
}

Test(shim_signal, queued_value_survives_the_wait)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	action.sa_sigaction = note_info;
	sigaction(SIGRTMIN, &action, NULL);
	s7_lock_depth = 1;
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 77 });
	s7_lock_depth = 0;
	sig_run_deferred();
	cr_assert_eq(ran_value, 77);
}

Test(shim_signal, libc_own_signals_are_never_blocked)
{
	uint64_t mask;
	sigset_t old;

	signals_block(&old);
	s7_sys4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
	cr_assert_eq(mask >> 31 & 3, 0);
	cr_assert_neq(mask & 1ull << (SIGTERM - 1), 0);
	signals_restore(&old);
	cr_assert(!is_blocked(SIGTERM));
}

Test(shim_signal, program_sees_its_own_action)
{
	struct sigaction old;

	act(SIGUSR1, note, SA_RESTART);
	cr_assert_eq(sigaction(SIGUSR1, NULL, &old), 0);
	cr_assert_eq(old.sa_handler, note);
	cr_assert_eq(old.sa_flags & SA_SIGINFO, 0);
	cr_assert_neq(old.sa_flags & SA_RESTART, 0);
	cr_assert_eq(signal(SIGUSR1, SIG_IGN), note);
	cr_assert_eq(signal(SIGUSR1, SIG_DFL), SIG_IGN);
}

Test(shim_signal, reset_hand_goes_back_to_default)
{
	struct sigaction old;

	act(SIGUSR1, note, (int)SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	cr_assert_eq(ran, 1);
	cr_assert_eq(old.sa_handler, SIG_DFL);
}

Test(shim_signal, faults_are_not_ours)
{
	struct sigaction raw;

	act(SIGSEGV, note, 0);
	real.sigaction(SIGSEGV, NULL, &raw);
	cr_assert_eq(raw.sa_handler, note);
}

Test(shim_signal, siginterrupt_changes_restart)
{
	struct sigaction old;

	signal(SIGUSR1, note);
	siginterrupt(SIGUSR1, 1);
	sigaction(SIGUSR1, NULL, &old);
	cr_assert_eq(old.sa_flags & SA_RESTART, 0);
	raise(SIGUSR1);
	cr_assert_eq(s7_sig_interrupts, 1);
}

Test(shim_real, every_name_but_old_ones_is_found)
{
	void **slot = (void **)&real;
	unsigned int i;

	real_resolve();
	for (i = 0; i < real_count; i++)
		if (strcmp(real_names[i], "bsd_signal"))
			cr_assert_neq(slot[i], (void *)real_absent, "%s", real_names[i]);
}
