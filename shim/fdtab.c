/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdtab.c - this process's descriptors: which file stands behind a number
 *
 * The table is in the arena (struct s7_proc), so that others can give back what a killed process
 * held. Lookup (fd_get) takes no lock. Changes are atomic exchanges of one pointer; what must see
 * pointer and reference together (dup, fork's copy, close) holds `fd_lock`, private to the process.
 * An entry owns one reference of its file. close: the entry goes first, then the kernel's
 * descriptor, then the reference, so that a thread that gets the same number again never finds the
 * old file, and a reader in between finds a plain kernel socket. Internal descriptors (ports,
 * doorbells, arena, log) stand in a bitmap; programs may not close or replace them. Context: any
 * thread, no stack lock held (the last reference takes the instance lock).
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "shim/internal.h"

#define INTERNAL_BASE 1100u /* beyond select's 1024, if the limit allows */
#define INTERNAL_ROOM 192u  /* else so far below the limit */

struct s7_fdtab s7_fds;

static struct s7_lock fd_lock;
static uint64_t internal[S7_FDS_MAX / 64];
static int placeholder[2] = { -1, -1 }; /* AF_INET, AF_INET6 */

/* ---- internal descriptors ---- */

bool fd_is_internal(int fd)
{
	return (uint32_t)fd < S7_FDS_MAX && (internal[fd / 64] >> (fd % 64) & 1);
}

void fd_mark_internal(int fd)
{
	if ((uint32_t)fd < S7_FDS_MAX)
		__atomic_fetch_or(&internal[fd / 64], 1ull << (fd % 64), __ATOMIC_RELAXED);
}

void fd_unmark_internal(int fd)
{
	if ((uint32_t)fd < S7_FDS_MAX)
		__atomic_fetch_and(&internal[fd / 64], ~(1ull << (fd % 64)), __ATOMIC_RELAXED);
}

int fd_make_internal(int fd)
{
	struct rlimit limit = { .rlim_cur = 1024 };
	uint64_t base = INTERNAL_BASE;
	long high;

	s7_sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	if (limit.rlim_cur < INTERNAL_BASE + INTERNAL_ROOM)
		base = limit.rlim_cur > 2 * INTERNAL_ROOM ? limit.rlim_cur - INTERNAL_ROOM :
							     limit.rlim_cur / 2;
	high = s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, base);
	if (high >= 0) {
		s7_sys1(SYS_close, fd);
		fd = (int)high;
	}
	fd_mark_internal(fd);
	return fd;
}

/* ---- files ---- */

void file_put(struct s7_file *file)
{
	if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (file->kind == FILE_SOCK)
		sock_release(file_sock(file), host_now());
	else if (file->kind == FILE_EPOLL)
		epoll_release(file_epoll(file), host_now());
}

static struct s7_file *slot_exchange(struct s7_proc *proc, uint32_t fd, struct s7_file *file)
{
	return __atomic_exchange_n(&proc->fd[fd], file, __ATOMIC_ACQ_REL);
}

static void high_raise(struct s7_proc *proc, uint32_t fd)
{
	uint32_t high = __atomic_load_n(&proc->fd_high, __ATOMIC_RELAXED);

	while (high <= fd && !__atomic_compare_exchange_n(&proc->fd_high, &high, fd + 1, false,
							  __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static struct s7_file *install_locked(int fd, struct s7_file *file)
{
	struct s7_proc *proc = proc_self();

	high_raise(proc, (uint32_t)fd);
	return slot_exchange(proc, (uint32_t)fd, file);
}

void fd_install(int fd, struct s7_file *file)
{
	struct s7_file *old = NULL;

	if ((uint32_t)fd >= s7_fds.limit) {
		shim_log(LOG_WARN, "descriptor %d is beyond the table of %u: the kernel's", fd,
			 s7_fds.limit);
		file_put(file);
		return;
	}
	lock_take(&fd_lock);
	old = install_locked(fd, file);
	host_unlock(&fd_lock);
	if (old)
		file_put(old); /* its descriptor was closed behind our back */
}

struct s7_file *fd_take(int fd)
{
	struct s7_file *file;

	if (!fd_get(fd))
		return NULL;
	lock_take(&fd_lock);
	file = slot_exchange(proc_self(), (uint32_t)fd, NULL);
	host_unlock(&fd_lock);
	return file;
}

int fd_dup_install(int from_fd, int to_fd)
{
	struct s7_file *file, *old = NULL;

	if (!fd_get(from_fd) && !fd_get(to_fd))
		return 0;
	if ((uint32_t)to_fd >= s7_fds.limit)
		return -EMFILE;
	lock_take(&fd_lock);
	file = fd_get(from_fd);
	if (file)
		file_ref(file);
	old = install_locked(to_fd, file);
	host_unlock(&fd_lock);
	if (old)
		file_put(old);
	return 0;
}

int fd_placeholder_dup(int domain, int flags)
{
	int *from = &placeholder[domain == AF_INET6];
	long fd;

	if (s7_unlikely(*from < 0)) {
		fd = s7_sys3(SYS_socket, domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return (int)fd;
		fd = fd_make_internal((int)fd);
		lock_take(&fd_lock);
		if (*from < 0)
			*from = (int)fd;
		host_unlock(&fd_lock);
		if (*from != fd) {
			fd_unmark_internal((int)fd);
			s7_sys1(SYS_close, fd);
		}
	}
	return (int)s7_sys3(SYS_fcntl, *from, flags & SOCK_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
}

/* ---- whole tables ---- */

void fd_table_start(struct s7_proc *proc)
{
	s7_fds.fd = proc->fd;
	__atomic_store_n(&s7_fds.limit, S7_FDS_MAX, __ATOMIC_RELEASE);
}

void fd_table_copy(struct s7_proc *to)
{
	struct s7_proc *from = proc_self();
	uint32_t fd, high;

	lock_take(&fd_lock);
	high = from->fd_high;
	/* before the entries: killed in between, what is entered is given back */
	to->fd_high = high;
	for (fd = 0; fd < high; fd++) {
		struct s7_file *file = from->fd[fd];

		if (file)
			file_ref(file);
		to->fd[fd] = file;
	}
	host_unlock(&fd_lock);
}

uint32_t fd_table_drop(struct s7_proc *proc)
{
	uint32_t fd, high = proc->fd_high, count = 0;

	for (fd = 0; fd < high; fd++) {
		struct s7_file *file = slot_exchange(proc, fd, NULL);

		if (file) {
			file_put(file);
			count++;
		}
	}
	proc->fd_high = 0;
	return count;
}

static void forget_in(struct s7_proc *proc, struct s7_file *file)
{
	uint32_t fd, high = proc->fd_high;
	struct s7_file *seen;

	for (fd = 0; fd < high; fd++) {
		seen = file;
		if (__atomic_compare_exchange_n(&proc->fd[fd], &seen, NULL, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			file_put(file);
	}
}

void fd_forget_file(struct s7_file *file)
{
	uint32_t i;

	for (i = 0; i < S7_PROCS_MAX; i++)
		if (atomic_load(&s7_arena->proc[i].state) != PROC_FREE)
			forget_in(&s7_arena->proc[i], file);
}

void fd_forked(struct s7_proc *proc)
{
	memset(&fd_lock, 0, sizeof(fd_lock));
	s7_fds.fd = proc->fd;
}
