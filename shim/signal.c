/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * signal.c - a program's signal handler never runs while its thread holds one of our locks
 *
 * Idea: handlers are registered with the kernel as `deliver`, which keeps the program's own action
 * in a table. When the interrupted thread is inside (s7_lock_depth), the signal is written down
 * and, by way of the mask that the kernel restores when deliver returns, all further ones stay
 * pending in the kernel, queued as ever; whoever leaves the last lock (s7_host_ops.deferred) runs
 * the handler with the right mask and gives the old mask back. So one place a thread is enough. A
 * handler put off runs on the ordinary stack, not on SA_ONSTACK's. sig_interrupts counts handlers
 * without SA_RESTART: a sleeping call compares it to choose between EINTR and going on. The program
 * sees its own actions: sigaction's old value is translated back. Faults (FPE, ILL, TRAP, SYS,
 * ABRT) are not ours: they must act at the very instruction; SEGV and BUS are fault.c's. Context:
 * any thread; deliver() at any instruction. An action has two places and an index, so deliver never
 * sees half of one.
 */
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "shim/internal.h"

#define SIGNALS 65
#define KERNEL_MASK sizeof(uint64_t) /* bytes of a signal mask as the kernel has it */
/* All but the two that libc uses between its threads: setuid() waits until every thread has
 * answered. */
#define ALL_SIGNALS (~(3ull << 31))

s7_sighandler bsd_signal(int sig, s7_sighandler handler);

__thread uint32_t s7_sig_interrupts;

struct s7_action {
	struct sigaction act[2];
	_Atomic uint32_t current;
};

/* A signal put off: its number (0 none), its story, and the mask from before. */
struct s7_deferred {
	int sig;
	siginfo_t info;
	uint64_t mask;
};

static struct s7_action program[SIGNALS]; /* as the program gave them */
static __thread struct s7_deferred deferred;

static void deliver(int sig, siginfo_t *info, void *context);

const struct sigaction *sig_action(int sig)
{
	return &program[sig].act[atomic_load(&program[sig].current)];
}

void sig_action_set(int sig, const struct sigaction *act)
{
	uint32_t other = !atomic_load(&program[sig].current);

	program[sig].act[other] = *act;
	atomic_store(&program[sig].current, other);
}

void signals_block(sigset_t *ret_old)
{
	uint64_t all = ALL_SIGNALS;

	sigemptyset(ret_old);
	s7_sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, ret_old, KERNEL_MASK);
}

void signals_restore(const sigset_t *old)
{
	s7_sys4(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, KERNEL_MASK);
}

void signals_fault(void)
{
	uint64_t faults = 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1);

	s7_sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &faults, NULL, KERNEL_MASK);
}

static bool is_fault(int sig)
{
	switch (sig) {
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGSYS:
	case SIGABRT:
		return true;
	default:
		return false;
	}
}

static void run_handler(const struct sigaction *act, int sig, siginfo_t *info, void *context)
{
	if (!(act->sa_flags & SA_RESTART))
		s7_sig_interrupts++;
	wait_interrupted();
	if (act->sa_flags & SA_SIGINFO)
		act->sa_sigaction(sig, info, context);
	else
		act->sa_handler(sig);
	wait_handler_returned();
}

/* What sigio.c dressed up for another thread or process, as the kernel would have told it. */
static void sigio_translate(siginfo_t *info)
{
	if (info->si_code != SI_SIGIO || (info->si_errno & ~0xffff) != SIGIO_DRESSED)
		return;
	info->si_code = info->si_errno & 0xffff;
	info->si_errno = 0;
}

static void defer(int sig, const siginfo_t *info, void *context)
{
	uint64_t all = ALL_SIGNALS;

	deferred.sig = sig;
	deferred.info = *info;
	sigio_translate(&deferred.info);
	memcpy(&deferred.mask, &((ucontext_t *)context)->uc_sigmask, KERNEL_MASK);
	memcpy(&((ucontext_t *)context)->uc_sigmask, &all, KERNEL_MASK);
	s7_lock_pending = 1;
}

static void deliver(int sig, siginfo_t *info, void *context)
{
	struct sigaction act;
	int keep = errno;

	if (s7_lock_depth) {
		defer(sig, info, context);
		return;
	}
	act = *sig_action(sig);
	sigio_translate(info);
	run_handler(&act, sig, info, context);
	errno = keep;
}

/* All signals are blocked here since defer(). What comes while the handler runs and takes locks is
 * put off in its turn. */
void sig_run_deferred(void)
{
	struct s7_deferred one = deferred;
	struct sigaction act;
	ucontext_t context;
	uint64_t mask = one.mask;
	int keep = errno;

	s7_lock_pending = 0;
	if (!one.sig) {
		cancel_again();
		return;
	}
	deferred.sig = 0;
	act = *sig_action(one.sig);
	memset(&context, 0, sizeof(context));
	memcpy(&context.uc_sigmask, &one.mask, KERNEL_MASK);
	mask |= *(uint64_t *)&act.sa_mask;
	if (!(act.sa_flags & SA_NODEFER))
		mask |= 1ull << (one.sig - 1);
	s7_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, KERNEL_MASK);
	run_handler(&act, one.sig, &one.info, &context);
	s7_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &context.uc_sigmask, NULL, KERNEL_MASK);
	errno = keep;
	cancel_again();
}

/* What the kernel has is ours: show the program what it gave. */
static void translate_old(const struct sigaction *before, struct sigaction *old)
{
	if (!(old->sa_flags & SA_SIGINFO) || old->sa_sigaction != deliver)
		return;
	old->sa_sigaction = before->sa_sigaction;
	old->sa_flags = (old->sa_flags & ~SA_SIGINFO) | (before->sa_flags & SA_SIGINFO);
}

static bool is_handler(const struct sigaction *act)
{
	return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

S7_EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before, ours;
	int ret;

	if (fault_owns(sig))
		return fault_sigaction(sig, act, old);
	if (sig <= 0 || sig >= SIGNALS || is_fault(sig) || sig == SIGKILL || sig == SIGSTOP)
		return real.sigaction(sig, act, old);
	before = *sig_action(sig);
	if (act && is_handler(act)) {
		ours = *act;
		ours.sa_sigaction = deliver;
		ours.sa_flags |= SA_SIGINFO;
		sig_action_set(sig, act);
		ret = real.sigaction(sig, &ours, old);
		if (ret)
			sig_action_set(sig, &before);
	} else {
		ret = real.sigaction(sig, act, old);
	}
	if (!ret && old)
		translate_old(&before, old);
	return ret;
}

static s7_sighandler set_handler(int sig, s7_sighandler handler, int flags)
{
	struct sigaction act = { .sa_flags = flags }, old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	act.sa_handler = handler;
	sigemptyset(&act.sa_mask);
	if (!(flags & SA_NODEFER))
		sigaddset(&act.sa_mask, sig);
	return sigaction(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

S7_EXPORT s7_sighandler signal(int sig, s7_sighandler handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

S7_EXPORT s7_sighandler bsd_signal(int sig, s7_sighandler handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

S7_EXPORT s7_sighandler ssignal(int sig, s7_sighandler handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

S7_EXPORT s7_sighandler sysv_signal(int sig, s7_sighandler handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}

S7_EXPORT s7_sighandler __sysv_signal(int sig, s7_sighandler handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}

/* ---- who takes signals by a call sees what a handler would ---- */

S7_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	int sig = real.sigtimedwait(set, info, timeout);

	if (sig > 0 && info)
		sigio_translate(info);
	return sig;
}

S7_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	int sig = real.sigwaitinfo(set, info);

	if (sig > 0 && info)
		sigio_translate(info);
	return sig;
}

S7_EXPORT int siginterrupt(int sig, int interrupt)
{
	struct sigaction act;

	if (sigaction(sig, NULL, &act))
		return -1;
	if (interrupt)
		act.sa_flags &= ~SA_RESTART;
	else
		act.sa_flags |= SA_RESTART;
	return sigaction(sig, &act, NULL);
}
