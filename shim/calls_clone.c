/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_clone.c - clone, by name and by number, where it makes a process of its own
 *
 * Idea: without CLONE_VM it is a fork with other flags, and the child takes part as a child of fork
 * does. With CLONE_VM (threads, children that only exec) nothing is copied: libc's business.
 * By number the child returns from the call like the parent, so there must be no stack for it; by
 * name it begins in a function of ours, which goes on to the program's.
 * A pid namespace of the child's own: its thread ids, which locks and slots are held by, would be
 * those of other threads outside. A process with sockets of the stack is refused that, as in a
 * container that may not do it (EPERM; vsftpd and others try again without).
 * Context: any thread without stack locks. Defines: clone; called by calls_syscall.c.
 */
#include <linux/sched.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "shim/internal.h"
#include "stack/base/user.h"

/* Shares memory, or gives the child another thread's place: no process that we could follow. */
#define NOT_A_FORK (CLONE_VM | CLONE_SETTLS)

static bool is_fork(uint64_t flags)
{
	return !(flags & NOT_A_FORK) && !s7_inside;
}

static bool may(uint64_t flags)
{
	if (!(flags & CLONE_NEWPID) || !boot_running() || !fd_any())
		return true;
	shim_log(LOG_WARN, "clone(CLONE_NEWPID) refused: the sockets of this process would not "
			   "work in another pid namespace");
	errno = EPERM;
	return false;
}

/* As fork_process_by. */
static pid_t fork_with(uint64_t flags, pid_t (*how)(void *arg), void *arg)
{
	pid_t pid;

	if (!may(flags))
		return -1;
	if (flags & CLONE_NEWNET)
		proc_bell_before_fork();
	pid = fork_process_by(how, arg);
	if (pid && flags & CLONE_NEWNET)
		proc_bell_after_fork();
	return pid;
}

/* ---- by number ---- */

struct numbered {
	long number;
	const long *word;
};

static pid_t by_number(void *arg)
{
	const struct numbered *n = arg;

	return (pid_t)real.syscall(n->number, n->word[0], n->word[1], n->word[2], n->word[3],
				   n->word[4], n->word[5]);
}

static pid_t clone_by_number(long number, const long word[6], uint64_t flags)
{
	struct numbered n = { number, word };

	return fork_with(flags, by_number, &n);
}

#ifdef __s390x__
#error "clone(2) has its stack first there"
#endif

pid_t clone_by_words(long flags, long stack, long a, long b, long c)
{
	const long word[6] = { flags, stack, a, b, c };

	if (stack || !is_fork((uint64_t)flags))
		return (pid_t)real.syscall(SYS_clone, flags, stack, a, b, c, 0);
	return clone_by_number(SYS_clone, word, (uint64_t)flags);
}

pid_t clone_by_struct(const struct clone_args *args, size_t size)
{
	const long word[6] = { (long)(uintptr_t)args, (long)size };

	if (size < CLONE_ARGS_SIZE_VER0 || !user_readable(args, CLONE_ARGS_SIZE_VER0) ||
	    args->stack || !is_fork(args->flags))
		return (pid_t)real.syscall(SYS_clone3, word[0], word[1], 0, 0, 0, 0);
	return clone_by_number(SYS_clone3, word, args->flags);
}

/* ---- by name ---- */

struct named {
	int (*fn)(void *arg);
	void *stack, *arg, *ptid, *tls, *ctid;
	int flags;
};

static int begin(void *arg)
{
	struct named own = *(const struct named *)arg;

	fork_child_begins();
	return own.fn(own.arg);
}

static pid_t by_name(void *arg)
{
	struct named *n = arg;

	return real.clone(begin, n->stack, n->flags, n, n->ptid, n->tls, n->ctid);
}

S7_EXPORT int clone(int (*fn)(void *arg), void *stack, int flags, void *arg, ...)
{
	struct named n = { .fn = fn, .stack = stack, .arg = arg, .flags = flags };
	va_list more;

	va_start(more, arg);
	n.ptid = va_arg(more, void *);
	n.tls = va_arg(more, void *);
	n.ctid = va_arg(more, void *);
	va_end(more);
	if (!fn || !stack || !is_fork((uint32_t)flags))
		return real.clone(fn, stack, flags, arg, n.ptid, n.tls, n.ctid);
	return fork_with((uint32_t)flags, by_name, &n);
}
