/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault.c - a bad pointer given to a call is EFAULT, not the program's death
 *
 * Idea: when the stack starts, SIGSEGV and SIGBUS become ours. A fault at an instruction that may
 * touch the program's memory (stack/base/user.h) goes on at the place written down for it; every
 * other one is the program's: its own handler is called as the kernel would have (mask, stack and
 * flags are those that it asked for), and where it has none the signal is given back to the kernel,
 * which ends the process at the same instruction. sigaction() shows the program its own actions.
 * What stays different: a thread that blocks SIGSEGV dies of a bad pointer.
 * Context: any thread, at any instruction, with any lock.
 */
#include <signal.h>
#include <ucontext.h>

#include "shim/internal.h"
#include "stack/base/user.h"

static const uint8_t fault_signals[] = { SIGSEGV, SIGBUS };

static bool installed;

static bool has_handler(const struct sigaction *act)
{
	return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

/* Moves the thread on if it was touching the program's memory for it. */
static bool repaired(const siginfo_t *info, void *context)
{
#ifdef __x86_64__
	ucontext_t *at = context;
	uintptr_t fix;

	if (info->si_code <= 0)
		return false; /* sent by somebody */
	fix = user_fault_fix((uintptr_t)at->uc_mcontext.gregs[REG_RIP]);
	if (!fix)
		return false;
	at->uc_mcontext.gregs[REG_RIP] = (greg_t)fix;
	return true;
#else
	(void)info;
	(void)context;
	return false;
#endif
}

/*
 * The kernel's own action. A fault comes again at the same instruction; a signal that was sent is
 * sent again, and arrives when this handler is over.
 */
static void give_back(int sig, siginfo_t *info)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	real.sigaction(sig, &dfl, NULL);
	if (info->si_code <= 0)
		s7_sys4(SYS_rt_tgsigqueueinfo, s7_sys0(SYS_getpid), s7_sys0(SYS_gettid), sig, info);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	static const struct sigaction dfl = { .sa_handler = SIG_DFL };
	int keep = errno;
	struct sigaction act;

	if (repaired(info, context))
		return;
	act = *sig_action(sig);
	if (act.sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	if (!has_handler(&act)) {
		give_back(sig, info);
		return;
	}
	if (act.sa_flags & (int)SA_RESETHAND)
		sig_action_set(sig, &dfl);
	errno = keep;
	if (act.sa_flags & SA_SIGINFO)
		act.sa_sigaction(sig, info, context);
	else
		act.sa_handler(sig);
}

/* Stands in front of the program's action. */
static int put_before(int sig, const struct sigaction *act)
{
	struct sigaction ours = { .sa_flags = SA_ONSTACK | SA_RESTART };

	if (has_handler(act))
		ours = *act;
	ours.sa_sigaction = on_fault;
	ours.sa_flags = (ours.sa_flags & ~(int)SA_RESETHAND) | SA_SIGINFO;
	return real.sigaction(sig, &ours, NULL);
}

void fault_install(void)
{
	for (size_t i = 0; i < S7_ARRAY_LEN(fault_signals); i++) {
		struct sigaction act;

		if (real.sigaction(fault_signals[i], NULL, &act))
			continue;
		sig_action_set(fault_signals[i], &act);
		put_before(fault_signals[i], &act);
	}
	installed = true;
}

bool fault_owns(int sig)
{
	return installed && (sig == SIGSEGV || sig == SIGBUS);
}

int fault_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before = *sig_action(sig);

	if (act) {
		sig_action_set(sig, act);
		if (put_before(sig, act)) {
			sig_action_set(sig, &before);
			return -1;
		}
	}
	if (old)
		*old = before;
	return 0;
}
