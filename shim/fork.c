/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork.c - a child refers to the same open files, and may drive the same stack
 *
 * Order: a slot for the child with a reference for every file is made before the fork, so that a
 * process killed in between leaves something that can be reaped; the child enters the slot. From
 * the copy to the fork no other thread changes a descriptor of ours (fd_table_copy), so that the
 * child's table belongs to the descriptors it gets. What is private and wrong in the child is
 * renewed there: thread id, fd lock, doorbells, waiter record, keeper (none until the first need).
 * Locks in the arena that other threads of the parent hold stay theirs. Signals are blocked
 * meanwhile, so no handler sees a half-made child, and none is put off into it.
 * libc forks inside itself too (forkpty, daemon): our handlers of pthread_atfork, registered before
 * the program's, do the same there; and the child has entered before any handler of the program's
 * closes something in it. What is held over the fork is taken behind the program's own handlers,
 * which may wait for a thread that closes a socket. A fork that we wrap can fail for want of a
 * slot; in one that we only attend, the child has the kernel's sockets alone then.
 * vfork is fork: a wrapper cannot return into a frame that the child shares. Context: any thread
 * without stack locks.
 */
#include <sys/stat.h>

#include "shim/bpf.h"
#include "shim/epoll_late.h"
#include "shim/internal.h"

/* This thread's fork, from before to after. */
static __thread struct forking {
	struct s7_proc *slot; /* the child's, NULL: the stack does not run, or none was free */
	uint64_t ticket;      /* the slot is the child's as long as it has this */
	sigset_t old;
	bool wrapped; /* ours to attend to: not the handlers' */
	bool entered; /* in the child */
} now_forking;

/* With loopback = stack what parent and child make later shall meet: one stack, started now. */
static void start_before(void)
{
	if (s7_inside || boot_running() || !boot_in_sight())
		return;
	if (boot_conf() == BOOT_NOT_YET && boot_config()->loopback == CONF_LOOPBACK_STACK)
		boot_stack();
}

/*
 * After unshare(CLONE_NEWPID) or setns: thread ids, which locks and slots are held by, mean others
 * in the child.
 */
static bool pids_move(void)
{
	struct stat own, child;

	if (stat("/proc/self/ns/pid", &own) || stat("/proc/self/ns/pid_for_children", &child) ||
	    own.st_ino == child.st_ino)
		return false;
	shim_log(LOG_WARN, "a child in another pid namespace has no connections of the stack");
	return true;
}

/* A slot for the child. 0, -EAGAIN: all are in use. */
static int slot_for_child(void)
{
	now_forking.slot = NULL;
	now_forking.entered = false;
	if (!boot_running() || pids_move())
		return 0;
	now_forking.slot = proc_slot_take();
	if (now_forking.slot) {
		now_forking.ticket = now_forking.slot->ticket;
		return 0;
	}
	shim_log(LOG_ERROR, "fork: all %d process slots are in use", S7_PROCS_MAX);
	return -EAGAIN;
}

/* The last thing before the fork, behind all handlers of the program's, and the first after it. */
static void freeze(void)
{
	if (!now_forking.slot)
		return;
	signals_block(&now_forking.old);
	fd_table_copy(now_forking.slot);
}

static void thaw(void)
{
	if (!now_forking.slot)
		return;
	fd_table_thaw();
	signals_restore(&now_forking.old);
}

/* In the parent: whose the slot is now. */
static void slot_to_child(pid_t pid)
{
	struct s7_proc *slot = now_forking.slot;

	now_forking.slot = NULL;
	if (!slot)
		return;
	if (pid < 0) {
		fd_table_drop(slot);
		proc_slot_free(slot);
	} else {
		proc_slot_set_pid(slot, now_forking.ticket, (uint32_t)pid);
	}
}

/* The first thing that a child does. */
void fork_child_begins(void)
{
	struct s7_proc *slot = now_forking.slot;
	bool entered;

	if (now_forking.entered)
		return;
	now_forking.entered = true;
	now_forking.slot = NULL;
	lock_forget_self();
	bpf_forked();
	boot_forked();
	if (!boot_running())
		return; /* nothing of it to hand on but the descriptors remembered by early.c */
	s7_lock_depth = 0;
	entered = slot && proc_slot_enter(slot, now_forking.ticket);
	fd_forked(entered ? slot : NULL);
	proc_bell_forked();
	if (!entered)
		boot_stopped();
	wait_forked();
	epoll_late_forked();
	keeper_forked();
	packet_feed_forked();
	if (slot)
		signals_restore(&now_forking.old);
}

pid_t fork_process(void)
{
	struct forking outer = now_forking; /* a handler forks while its thread does */
	pid_t pid;

	start_before();
	if (slot_for_child()) {
		errno = EAGAIN;
		return -1;
	}
	now_forking.wrapped = true;
	pid = real.fork(); /* with on_prepare, and on_parent or on_child */
	now_forking.wrapped = false;
	if (!pid)
		return 0;
	slot_to_child(pid);
	now_forking = outer;
	return pid;
}

pid_t fork_process_by(pid_t (*how)(void *arg), void *arg)
{
	struct forking outer = now_forking; /* a handler forks while its thread does */
	pid_t pid;

	start_before();
	if (slot_for_child()) {
		errno = EAGAIN;
		return -1;
	}
	freeze();
	pid = how(arg);
	if (!pid) {
		fork_child_begins();
		return 0;
	}
	thaw();
	slot_to_child(pid);
	now_forking = outer;
	return pid;
}

/* ---- libc's fork, whoever calls it ---- */

static void on_prepare(void)
{
	if (!now_forking.wrapped)
		slot_for_child();
	freeze();
}

static void on_parent(void)
{
	thaw();
	if (!now_forking.wrapped)
		now_forking.slot = NULL; /* the child says its number itself */
}

static void on_child(void)
{
	fork_child_begins();
}

__attribute__((constructor)) static void attend_forks(void)
{
	pthread_atfork(on_prepare, on_parent, on_child);
}
