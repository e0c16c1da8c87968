/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdtab.c - this process's descriptors: which file stands behind a number
 *
 * The table is in the arena (struct s7_proc), so that others can give back what a killed process
 * held. Lookup (fd_get) takes no lock. Changes are atomic exchanges of one pointer; `fd_lock`,
 * private to the process, makes one step of the change and of what the kernel does with the
 * descriptor (close, dup), so that two threads that change one number leave what one after the
 * other would have, and fork copies a table that belongs to the descriptors that the child gets.
 * An entry owns one reference of its file. close: the entry goes first, then the reference, then
 * the kernel's descriptor, so that a thread that gets the same number again never finds the old
 * file, who gets the same port again finds it free here too, and a reader in between finds a plain
 * kernel socket. dup2 over a number: the kernel
 * first, so that a reader in between still finds the old file, never nothing.
 * Whoever looks a file up and holds nothing must know how it may be gone: shim.h, fd_sock_at.
 * Internal descriptors (ports, doorbells, arena, log) stand in a bitmap; programs may not close or
 * replace them. Context: any thread, no stack lock held (the last reference takes the instance
 * lock, under fd_lock in a close).
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "shim/internal.h"

#define INTERNAL_BASE 1100u /* beyond select's 1024, if the limit allows */
#define INTERNAL_ROOM 192u  /* else so far below the limit */

struct s7_fdtab s7_fds;

static struct s7_lock fd_lock;
static uint32_t fd_again; /* how often its owner took it once more */
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

long fd_high_base(void)
{
	struct rlimit limit = { .rlim_cur = 1024 };

	s7_sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	if (limit.rlim_cur >= INTERNAL_BASE + INTERNAL_ROOM)
		return INTERNAL_BASE;
	return (long)(limit.rlim_cur > 2 * INTERNAL_ROOM ? limit.rlim_cur - INTERNAL_ROOM :
							   limit.rlim_cur / 2);
}

int fd_make_internal(int fd)
{
	long high = s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, fd_high_base());

	if (high >= 0) {
		s7_sys1(SYS_close, fd);
		fd = (int)high;
	}
	fd_mark_internal(fd);
	return fd;
}

/* ---- the table's lock ---- */

/*
 * Not recursive, but one thread may come again: a handler of pthread_atfork that closes
 * descriptors, while its thread forks.
 */
static void table_lock(void)
{
	if (s7_unlikely(lock_is_mine(&fd_lock)))
		fd_again++;
	else
		lock_take(&fd_lock);
}

static void table_unlock(void)
{
	if (s7_unlikely(fd_again))
		fd_again--;
	else
		host_unlock(&fd_lock);
}

/* ---- files ---- */

void file_put(struct s7_file *file)
{
	uint64_t cookie = atomic_load_explicit(&file->cookie, memory_order_relaxed);

	if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1)
		return;
	handlers_off();
	if (file->kind == FILE_SOCK)
		sock_release_once(file_sock(file), cookie, host_now());
	else if (file->kind == FILE_EPOLL)
		epoll_release(file_epoll(file), host_now());
	handlers_on();
}

struct s7_file *fd_hold(int fd)
{
	struct s7_file *file = fd_get(fd);

	if (!file)
		return NULL;
	handlers_off();
	for (; file; file = fd_get(fd)) {
		if (!file_try_ref(file))
			continue;
		if (s7_likely(file == fd_get(fd)))
			return file;
		file_put(file); /* another's: the memory went on before the reference was had */
	}
	handlers_on();
	return NULL;
}

struct s7_sock *fd_hold_sock(int fd)
{
	struct s7_file *file = fd_hold(fd);

	if (!file || file->kind == FILE_SOCK)
		return file ? file_sock(file) : NULL;
	fd_unhold(file);
	return NULL;
}

void fd_unhold(struct s7_file *file)
{
	file_put(file);
	handlers_on();
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

	if (file)
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
	table_lock();
	old = install_locked(fd, file);
	table_unlock();
	if (old)
		file_put(old); /* its descriptor was closed behind our back */
}

bool fd_any(void)
{
	const struct s7_proc *proc = proc_self();

	for (uint32_t fd = 0; fd < proc->fd_high; fd++)
		if (__atomic_load_n(&proc->fd[fd], __ATOMIC_RELAXED))
			return true;
	return false;
}

int fd_close(int fd)
{
	struct s7_file *file;
	long ret;

	table_lock();
	file = slot_exchange(proc_self(), (uint32_t)fd, NULL);
	if (file)
		file_put(file);
	ret = s7_sys1(SYS_close, fd);
	table_unlock();
	return (int)ret;
}

/* `to` has become the kernel's duplicate of fd. Returns what stood there. */
static struct s7_file *dup_locked(int fd, int to)
{
	struct s7_file *file = fd_get(fd);

	/*
	 * the process that hands a socket over to the kernel takes its entries out without this
	 * lock
	 */
	while (file && !file_try_ref(file))
		file = fd_get(fd);
	if (!file && !fd_get(to))
		return NULL;
	return install_locked(to, file);
}

int fd_dup(int fd, int cmd, long low)
{
	struct s7_file *old = NULL;
	long to;

	table_lock();
	to = s7_sys3(SYS_fcntl, fd, cmd, low);
	if (to >= (long)s7_fds.limit && fd_get(fd)) {
		s7_sys1(SYS_close, to);
		to = -EMFILE;
	}
	if (to >= 0)
		old = dup_locked(fd, (int)to);
	table_unlock();
	if (old)
		file_put(old);
	return (int)to;
}

int fd_dup_over(int fd, int to, int flags)
{
	struct s7_file *old = NULL;
	long ret;

	if (fd_get(fd) && (uint32_t)to >= s7_fds.limit)
		return -EBADF;
	table_lock();
	ret = s7_sys3(SYS_dup3, fd, to, flags);
	if (ret >= 0)
		old = dup_locked(fd, to);
	table_unlock();
	if (old)
		file_put(old);
	return (int)ret;
}

int fd_placeholder_make(int domain)
{
	int *to = &placeholder[domain == AF_INET6];
	long fd;

	if (s7_likely(*to >= 0))
		return 0;
	fd = s7_sys3(SYS_socket, domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	fd = fd_make_internal((int)fd);
	table_lock();
	if (*to < 0)
		*to = (int)fd;
	table_unlock();
	if (*to != fd) {
		fd_unmark_internal((int)fd);
		s7_sys1(SYS_close, fd);
	}
	return 0;
}

int fd_placeholder_dup(int domain, int flags)
{
	int cmd = flags & SOCK_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD;
	int err = fd_placeholder_make(domain);

	return err ? err : (int)s7_sys3(SYS_fcntl, placeholder[domain == AF_INET6], cmd, 0);
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

	table_lock();
	high = from->fd_high;
	/* before the entries: killed in between, what is entered is given back */
	to->fd_high = high;
	for (fd = 0; fd < high; fd++) {
		struct s7_file *file = fd_get((int)fd);

		while (file && !file_try_ref(file)) /* handed over just now, see dup_locked */
			file = fd_get((int)fd);
		to->fd[fd] = file;
	}
}

void fd_table_thaw(void)
{
	table_unlock();
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

static bool is_still(uint32_t fd, const struct s7_file *file)
{
	struct stat st;

	if (s7_sys2(SYS_fstat, fd, &st) < 0)
		return false;
	return file->kind != FILE_SOCK || S_ISSOCK(st.st_mode);
}

uint32_t fd_table_carried(struct s7_proc *proc)
{
	uint32_t fd, count = 0;

	for (fd = 0; fd < proc->fd_high; fd++) {
		if (!proc->fd[fd])
			continue;
		if (is_still(fd, proc->fd[fd]))
			count++;
		else
			file_put(slot_exchange(proc, fd, NULL));
	}
	return count;
}

void fd_table_put(struct s7_proc *proc, uint32_t fd, struct s7_file *file)
{
	struct s7_file *old;

	if (fd >= S7_FDS_MAX || (file && !file_try_ref(file)))
		return;
	if (file)
		high_raise(proc, fd);
	old = slot_exchange(proc, fd, file);
	if (old)
		file_put(old);
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
	fd_again = 0;
	if (proc)
		s7_fds.fd = proc->fd;
}
