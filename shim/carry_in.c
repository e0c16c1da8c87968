/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * carry_in.c - a program that exec started with sockets of the stack takes part in it
 *
 * Idea (docs/exec.md): before main, the descriptors that wait behind the number in the environment
 * are taken, arena and frame memory are mapped at the addresses that pointers in them expect, and
 * what a start would have made is filled in from the book in the arena. Then the process enters the
 * slot it had, or that its parent made for it, and lets go of what is not open any more: the
 * kernel has closed what was close-on-exec. EAL is not started.
 * Trust: the variable is only a hint. The kernel says who made the socket pair (a process of this
 * user, or root), the arena must be of this layout, the book of this version, and the slot must
 * have the ticket that was in the note and wait for this very process. Else nothing is attached.
 * What the forerunner's threads held goes the way of a dead process's: its waiters are reaped,
 * locks in the name of this thread's id become a dead owner's.
 * If an address is taken or the slot is gone by now, a line says so and the sockets are what the
 * kernel has of them: without connection.
 * Context: constructor, one thread; signals blocked.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/bpf.h"
#include "shim/carry.h"
#include "stack/run/tables.h"

struct arrival {
	struct carry_note note;
	struct ucred maker;
	int fds[CARRY_FDS_MAX];
	uint32_t count, used;
	const char *why;
};

/* ---- the note ---- */

static void take_fds(struct arrival *in, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		in->count = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(in->fds, CMSG_DATA(c), in->count * sizeof(int));
	}
}

static bool is_trusted(const struct ucred *maker)
{
	return maker->uid == 0 || maker->uid == geteuid() || maker->uid == getuid();
}

/* 0, or -errno: no descriptor of ours is there. */
static int note_read(long fd, struct arrival *in)
{
	union {
		char room[CMSG_SPACE(CARRY_FDS_MAX * sizeof(int))];
		struct cmsghdr head;
	} control;
	struct iovec iov = { &in->note, sizeof(in->note) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	socklen_t len = sizeof(in->maker);
	long got = s7_sys6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)&in->maker,
			   (long)&len, 0);

	if (got < 0)
		return (int)got;
	if (!is_trusted(&in->maker))
		return -EPERM;
	got = s7_sys3(SYS_recvmsg, fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return (int)got;
	take_fds(in, &msg);
	if (got != sizeof(in->note) || in->count != in->note.fd_count || !in->count)
		return -EBADMSG;
	return 0;
}

/* ---- mapping ---- */

/* Is it an arena of ours, of this build's structs? Looked at before it gets its address. */
static bool is_arena(int fd)
{
	const struct s7_arena *head;
	struct stat st;
	bool good;

	if (s7_sys2(SYS_fstat, fd, &st) || (uint64_t)st.st_size != ARENA_BYTES)
		return false;
	head = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED)
		return false;
	static_assert(sizeof(*head) <= 4096, "in the first page");
	good = head->magic == S7_ARENA_MAGIC && head->version == S7_ARENA_VERSION &&
		head->layout == inst_layout() && head->size == ARENA_BYTES && head->carry;
	munmap((void *)(uintptr_t)head, 4096);
	return good;
}

static int next_fd(int *fd, void *arg)
{
	struct arrival *in = arg;

	if (in->used == in->count)
		return -EBADMSG;
	*fd = in->fds[in->used++];
	return 0;
}

static int map_frames(struct arrival *in)
{
	const struct carry_book *book = carry_book();
	int err = 0;

	for (uint32_t i = 0; i < book->piece_count && !err; i++) {
		err = next_fd(&s7_boot.piece_fd[i], in);
		if (!err)
			err = frame_attach(&book->piece[i], s7_boot.piece_fd[i]);
	}
	return err;
}

static int attach_iface(struct arrival *in, uint32_t index)
{
	const struct boot_iface *from = &carry_book()->iface[index];
	struct boot_iface *iface = &s7_boot.iface[index];
	int fds[CARRY_FDS_MAX], err;

	*iface = *from;
	err = carry_iface(iface, fds, next_fd, in);
	return err ? err : port_attach(from->port, fds, &iface->port);
}

static int attach_ifaces(struct arrival *in)
{
	const struct carry_book *book = carry_book();
	int err = 0;

	for (uint32_t i = 0; i < book->iface_count && !err; i++)
		err = attach_iface(in, i);
	s7_boot.iface_count = book->iface_count;
	for (uint32_t at = 1; at < S7_IFACES_MAX && !err; at++) {
		if (!book->dev[at])
			continue;
		s7_boot.env->dev[at].dev = s7_boot.iface[book->dev[at] - 1].port;
		s7_boot.env->dev[at].ops = port_ops(s7_boot.iface[book->dev[at] - 1].port);
	}
	return err;
}

static int fill_in(struct arrival *in)
{
	const struct carry_book *book = carry_book();
	int err;

	s7_boot.conf = book->conf;
	s7_boot.inst_count = book->inst_count;
	for (uint32_t i = 0; i < book->inst_count; i++) {
		s7_boot.pool[i] = book->pool[i];
		s7_boot.env->pool[i].pool = book->pool[i];
		s7_boot.env->pool[i].ops = pool_ops();
	}
	err = book->inst_count ? pool_attach(book->pool[0]) : -EBADMSG;
	if (!err)
		err = attach_ifaces(in);
	if (!err && book->neighbour >= 0)
		err = next_fd(neighbours_fd(), in);
	if (!err && book->neighbour >= 0)
		err = neighbours_attach(book->neighbour);
	if (!err)
		err = wait_attach(book->waiters);
	if (err)
		return err;
	keeper_attach(book->turn);
	boot_code();
	return bpf_map_boot();
}

/* Everything but the slot. 0, or -errno with in->why. */
static int map_all(struct arrival *in)
{
	struct image_id image;
	int err;

	in->why = "the arena";
	err = next_fd(&s7_boot.arena_fd, in);
	if (err || !is_arena(s7_boot.arena_fd))
		return err ? err : -EPROTO;
	err = boot_map_arena();
	if (err)
		return err;
	image_id(&image);
	in->why = "the arena is another build's";
	if (carry_book()->bytes != sizeof(struct carry_book) || !carry_book()->whole ||
	    memcmp(&carry_book()->image, &image, sizeof(image)))
		return -EPROTO;
	in->why = "the private window";
	err = boot_map_env();
	if (err)
		return err;
	in->why = "the frame memory";
	err = map_frames(in);
	if (err)
		return err;
	in->why = "the ports";
	return fill_in(in);
}

/* ---- entering ---- */

static bool may_enter(const struct s7_proc *slot, const struct arrival *in)
{
	if (atomic_load(&slot->state) == PROC_STARTING)
		return slot->parent_pid == (uint32_t)in->maker.pid; /* posix_spawn */
	return slot->pid == (uint32_t)getpid() && (uint32_t)in->maker.pid == slot->pid;
}

static int enter(const struct arrival *in)
{
	struct s7_proc *slot;
	uint32_t i;

	if (in->note.slot >= S7_PROCS_MAX)
		return -EBADMSG;
	slot = &s7_arena->proc[in->note.slot];
	lock_orphan(&s7_arena->proc_lock);
	if (!may_enter(slot, in) || !proc_slot_enter(slot, in->note.ticket))
		return -ESTALE;
	for (i = 0; i < s7_arena->inst_count; i++)
		lock_orphan(&s7_arena->inst[i]->lock);
	if (!in->note.alone)
		atomic_fetch_add(&s7_arena->deaths, 1); /* the sweep looks what it had in hand */
	return 0;
}

static void go_on(const struct arrival *in)
{
	uint32_t count;

	log_setup(&s7_boot.conf);
	fault_install();
	libc_hook_all();
	wait_reap_process(in->note.slot);
	count = fd_table_carried(proc_self());
	boot_attached();
	shim_log(LOG_INFO, "process %d goes on with %u descriptors of the stack", getpid(), count);
}

static void give_up(struct arrival *in, int err)
{
	shim_log(LOG_WARN, "inherited sockets are without connection: %s: %s", in->why,
		 strerrordesc_np(-err));
	for (uint32_t i = 0; i < s7_boot.iface_count; i++)
		s7_boot.iface[i].silenced = false;
	s7_boot.iface_count = 0;
	proc_forget_self();
	if (s7_boot.arena_fd >= 0)
		in->fds[0] = -1; /* boot_unmap closes it */
	boot_unmap();
	for (uint32_t i = 0; i < in->count; i++) {
		if (in->fds[i] < 0)
			continue;
		fd_unmark_internal(in->fds[i]);
		s7_sys1(SYS_close, in->fds[i]);
	}
}

static void arrive(long fd)
{
	struct arrival in = { .why = "the note" };
	uint64_t before;
	int err = note_read(fd, &in);

	if (err == -EAGAIN || err == -EBADF || err == -ENOTSOCK || err == -EPERM)
		return; /* not ours, or another took it already */
	s7_sys1(SYS_close, fd);
	if (err) {
		give_up(&in, err);
		return;
	}
	for (uint32_t i = 0; i < in.count; i++)
		in.fds[i] = fd_make_internal(in.fds[i]);
	before = limit_mapped();
	err = map_all(&in);
	s7_boot.mapped = limit_mapped() - before;
	if (!err) {
		in.why = "another took its place";
		err = enter(&in);
	}
	if (err)
		give_up(&in, err);
	else
		go_on(&in);
}

__attribute__((constructor)) static void carried_in(void)
{
	const char *text = getenv(CARRY_VARIABLE);
	sigset_t old;
	char *end;
	long fd;

	if (s7_likely(!text))
		return;
	fd = strtol(text, &end, 10);
	unsetenv(CARRY_VARIABLE);
	if (*end || fd < 0 || fd > INT32_MAX)
		return;
	real_resolve();
	signals_block(&old);
	s7_inside++;
	arrive(fd);
	s7_inside--;
	signals_restore(&old);
	if (boot_running() && !keeper_elsewhere())
		keeper_settle();
}
