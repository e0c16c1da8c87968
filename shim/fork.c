/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork.c - a child refers to the same open files, and may drive the same stack
 *
 * Order: a slot for the child with a reference for every file is made before the fork, so that a
 * process killed in between leaves something that can be reaped; the child enters the slot. What is
 * private and wrong in the child is renewed there: thread id, fd lock, doorbells, waiter record,
 * keeper (none until the first need). Locks in the arena that other threads of the parent hold stay
 * theirs. Signals are blocked meanwhile, so no handler sees a half-made child. vfork is fork: a
 * wrapper cannot return into a frame that the child shares. Context: any thread without stack
 * locks.
 */
#include "shim/internal.h"

static void child_enter(struct s7_proc *slot)
{
	lock_forget_self();
	s7_lock_depth = 0;
	fd_forked(slot);
	boot_forked();
	proc_bell_forked();
	proc_slot_enter(slot);
	wait_forked();
	keeper_forked();
}

/* The stack does not run: nothing of it to hand on but the descriptors remembered by early.c. */
static pid_t fork_plain(void)
{
	pid_t pid = real.fork();

	if (pid == 0) {
		lock_forget_self();
		boot_forked();
	}
	return pid;
}

/* With loopback = stack what parent and child make later shall meet: one stack, started now. */
static void start_before(void)
{
	if (s7_inside || boot_running() || !boot_in_sight())
		return;
	if (boot_conf() == BOOT_NOT_YET && boot_config()->loopback == CONF_LOOPBACK_STACK)
		boot_stack();
}

pid_t fork_process(void)
{
	struct s7_proc *slot;
	sigset_t old;
	pid_t pid;

	start_before();
	if (!boot_running())
		return fork_plain();
	slot = proc_slot_take();
	if (!slot) {
		shim_log(LOG_ERROR, "fork: all %d process slots are in use", S7_PROCS_MAX);
		errno = EAGAIN;
		return -1;
	}
	fd_table_copy(slot);
	signals_block(&old);
	pid = real.fork();
	if (pid == 0) {
		child_enter(slot);
	} else if (pid < 0) {
		fd_table_drop(slot);
		proc_slot_free(slot);
	} else if (atomic_load(&slot->state) == PROC_STARTING) {
		__atomic_store_n(&slot->pid, (uint32_t)pid, __ATOMIC_RELEASE);
	}
	signals_restore(&old);
	return pid;
}
