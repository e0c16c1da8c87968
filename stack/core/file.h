/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file.h - an open file description, and the processes whose descriptors refer to it
 *
 * `refs` counts descriptors in all processes plus the calls that hold it (sleeping ones and slow
 * ones). A process's table of descriptors
 * is in the arena, so that another process can give back what a killed one held. Changed under: the
 * table by its own process (fdtab lock of shim), or by the reaper once the process is dead; refs
 * atomically; the last reference takes the instance lock and frees.
 *
 * A quick call holds nothing: it remembers the file's cookie beside the pointer when it looks a
 * descriptor up, and compares it once it has the instance lock (file_is). Another thread may have
 * closed the file between the two and the memory be another's: then the cookie differs, and the
 * call looks the descriptor up again. So what a stale pointer may read without the lock never
 * changes its meaning: memory once a socket stays one, of the same instance (file_renew), and a
 * cookie is given once.
 */
#ifndef S7_FILE_H
#define S7_FILE_H

#include "stack/base/base.h"

#define S7_FDS_MAX (1u << 18)

enum s7_file_kind { FILE_NONE, FILE_SOCK, FILE_EPOLL };

/* Which side serves an open socket. */
enum s7_side {
	SIDE_OPEN,   /* not decided: no bind, connect or send yet that decides */
	SIDE_STACK,  /* ours alone; the kernel socket only holds the number */
	SIDE_DUAL,   /* ours, and the kernel socket of the same descriptor listens/receives too */
	SIDE_KERNEL, /* handed over; descriptors drop out of the tables when they are next used */
};

struct s7_file {
	_Atomic uint32_t refs;
	_Atomic uint8_t kind; /* enum s7_file_kind */
	_Atomic uint8_t side; /* enum s7_side */
	uint16_t inst;
	_Atomic uint32_t status; /* O_NONBLOCK, O_ASYNC */
	uint32_t counted; /* references that the sweep found (shim/sweep.c) */
	_Atomic uint64_t cookie; /* tells it from who had the memory before, and has it later */
};

/* Lock held: whether it is still the file that was looked up. cookie 0: the caller holds it. */
static inline bool file_is(const struct s7_file *file, uint64_t cookie)
{
	return atomic_load_explicit(&file->refs, memory_order_relaxed) &&
	       (!cookie || atomic_load_explicit(&file->cookie, memory_order_relaxed) == cookie);
}

enum s7_proc_state { PROC_FREE, PROC_STARTING, PROC_LIVE, PROC_REAPING };

struct s7_proc {
	_Atomic uint32_t state;
	uint32_t pid;	     /* 0 while a fork is under way */
	uint32_t parent_pid; /* who made the slot */
	uint32_t fd_high;    /* descriptors at and beyond were never ours */
	/* of the slot's present use: a fork may be slower than its child's end */
	uint64_t ticket;
	uint64_t start_time; /* of the process, from /proc/PID/stat: tells a reused pid */
	uint8_t bell_name[16]; /* abstract AF_UNIX name of the process doorbell */
	uint32_t bell_len;   /* 0: none yet */
	uint32_t left;	     /* it ended by exit, with nothing in hand */
	int32_t arena_fd;    /* the number of the arena's descriptor in it */
	/* exec is under way: until then it may have no arena yet (shim/carry.c); 0: it is not */
	_Atomic uint64_t carry_until;
	char comm[16];
	struct s7_file *fd[S7_FDS_MAX];
};

#endif
