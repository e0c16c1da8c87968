/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exit.c - a process leaves: its references go back, closing connections are helped to their end
 *
 * Runs once, from the library's destructor (exit, return from main) or from _exit. Other threads
 * may still run: they find their descriptors foreign. Who sleeps in a call keeps that call's
 * reference; its connection gets its FIN here if this is the last process, else from the reaper
 * when this process is gone. Closing connections are driven until their data and FIN are
 * acknowledged, at most exit_linger_ms, and datagrams until their neighbour is known, unless a
 * keeper of another process does it. The last process closes the ports, with every instance lock
 * held and never given back, so that no thread touches them any more. A process that dies by a
 * signal does none of this: the reaper of another does, or the kernel.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "shim/internal.h"
#include "stack/ip/arp.h"
#include "stack/tcp/tcp.h"

#define EXIT_LOOK (1 * S7_MS)
#define NEIGH_WITHIN (200 * S7_MS) /* a neighbour that is there answers */

static _Atomic int left;

/* States in which we still owe the peer data or a FIN, or its acknowledgement is out. */
static const bool owes[TCPS_COUNT] = {
	[TCPS_SYN_RCVD] = true,	  [TCPS_ESTABLISHED] = true, [TCPS_FIN_WAIT_1] = true,
	[TCPS_CLOSE_WAIT] = true, [TCPS_CLOSING] = true,     [TCPS_LAST_ACK] = true,
};

/* Whether a connection that nobody refers to any more still has something to tell its peer. */
static bool is_closing(const struct s7_sock *sk)
{
	return sk->proto == PROTO_TCP && (tcp_tcb(sk)->bits & TCB_ORPHAN) &&
		owes[tcp_tcb(sk)->state];
}

/* ... and, for a while, datagrams that wait for their neighbour's address. */
static uint32_t owed_count(struct s7_inst *inst, bool datagrams)
{
	struct s7_list *pos;
	uint32_t count;

	inst_lock(inst, host_now());
	inst_drive(inst);
	count = datagrams ? neigh_waiting(inst) : 0;
	list_for_each(pos, &inst->socks)
		count += is_closing(list_entry(pos, struct s7_sock, all));
	inst_unlock(inst);
	return count;
}

static void drive_to_the_end(void)
{
	s7_time begun = host_now(), end = begun + s7_boot.conf.exit_linger_ms * S7_MS;
	uint32_t i, count;
	bool datagrams;

	for (;;) {
		datagrams = host_now() < begun + NEIGH_WITHIN;
		count = 0;
		for (i = 0; i < s7_arena->inst_count; i++)
			count += owed_count(s7_arena->inst[i], datagrams);
		if (!count || host_now() >= end)
			break;
		ports_sleep(~0u, -1, EXIT_LOOK);
	}
	if (count)
		shim_log(LOG_INFO, "exit: %u connections still had data after exit_linger_ms",
			 count);
}

/* Last process: connections held by calls that sleep in other threads say goodbye too. */
static void finish_held(struct s7_inst *inst)
{
	struct s7_list *pos, *tmp;

	inst_lock(inst, host_now());
	list_for_each_safe(pos, tmp, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		if (atomic_load(&sk->file.refs) && (sk->bits & SKB_CONNECTED))
			sk_ops(sk)->shutdown(sk, SHUT_WR);
	}
	inst_flush(inst);
	inst_unlock(inst);
}

static void stop_for_good(void)
{
	uint32_t i;

	for (i = 0; i < s7_arena->inst_count; i++) {
		if (lock_is_mine(&s7_arena->inst[i]->lock))
			continue;
		inst_lock(s7_arena->inst[i], host_now());
	}
	boot_ports_close();
}

/*
 * Whether no other thread of the program can have anything in hand: /proc/self/task has a directory
 * for each, which are two links more than it has itself.
 */
bool proc_is_alone(void)
{
	struct stat task;
	long err = s7_sys4(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &task, 0);

	return !err && task.st_nlink <= 2 + 1u + keeper_runs();
}

static void leave(struct s7_proc *self)
{
	uint32_t others, i;

	fd_table_drop(self);
	others = proc_reap();
	if (!others)
		for (i = 0; i < s7_arena->inst_count; i++)
			finish_held(s7_arena->inst[i]);
	if (!others || !keeper_elsewhere())
		drive_to_the_end();
	if (others) { /* the slot is freed by their reaper, with what sleeping calls held */
		self->left = proc_is_alone();
		return;
	}
	boot_stopped();
	stop_for_good();
}

void exit_leave(void)
{
	struct s7_proc *self = proc_self();
	sigset_t old;

	if (!boot_running() || !self || self->pid != (uint32_t)s7_sys0(SYS_getpid))
		return;
	if (s7_lock_depth || atomic_exchange(&left, 1))
		return;
	signals_block(&old);
	s7_inside++;
	leave(self);
	s7_inside--;
	signals_restore(&old);
}

__attribute__((destructor)) static void exit_destruct(void)
{
	exit_leave();
}
