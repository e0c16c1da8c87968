/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * proc.c - the processes that share the arena, and how they ring each other
 *
 * A slot (struct s7_proc) is FREE, STARTING (fork under way, holds references already), LIVE, or
 * REAPING. States change under arena->proc_lock; a slot's table is changed by its own process, or
 * by the one reaper that set REAPING. A process is gone when its pid is, when the pid's start time
 * is another's, or when it no longer has the arena's memfd at the number that its slot says: then
 * it became another program by exec, unless it carries sockets there (carry.c), for which it has
 * some seconds. The doorbell is an AF_UNIX datagram socket with an autobound
 * abstract name kept in the slot, so that siblings reach each other without inheriting anything;
 * one datagram is enough, a full queue is a ring already. Context: any thread without stack locks.
 * Called by: boot.c, fork.c, exit.c, keeper.c, wait.c.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim/internal.h"

#define ENTER_WITHIN (2 * S7_SEC)

static struct s7_proc *self;
static int bell = -1;
static int bell_for_child = -1; /* made in this network namespace for a child in another */
static struct s7_lock bell_lock;

struct s7_proc *proc_self(void)
{
	return self;
}

uint32_t proc_slot_id(const struct s7_proc *proc)
{
	return (uint32_t)(proc - s7_arena->proc);
}

int proc_init(struct s7_arena *arena)
{
	arena->proc = arena_take(arena, S7_PROCS_MAX * sizeof(struct s7_proc), 4096);
	return arena->proc ? 0 : -ENOMEM;
}

long proc_file_read(const char *path, char *buf, size_t room)
{
	long fd = s7_sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	long len;

	if (fd < 0)
		return fd;
	len = s7_sys3(SYS_read, fd, buf, room - 1);
	s7_sys1(SYS_close, fd);
	if (len >= 0)
		buf[len] = 0;
	return len;
}

/* The program is at its limit of descriptors, or may not look. */
#define START_UNKNOWN UINT64_MAX

/*
 * Start time in clock ticks since boot (field 22 of stat); 0 when the process is gone or a zombie.
 */
static uint64_t start_time(uint32_t pid)
{
	char path[32], text[512], *at;
	int field;
	long len;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	len = proc_file_read(path, text, sizeof(text));
	if (len <= 0)
		return !len || len == -ENOENT || len == -ESRCH ? 0 : START_UNKNOWN;
	at = strrchr(text, ')');
	if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
		return 0;
	for (field = 2; field < 22 && at; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

bool proc_any_stopped(void)
{
	char path[32], text[512], *at;

	for (uint32_t i = 0; i < S7_PROCS_MAX; i++) {
		const struct s7_proc *proc = &s7_arena->proc[i];

		if (atomic_load(&proc->state) == PROC_FREE || !proc->pid)
			continue;
		snprintf(path, sizeof(path), "/proc/%u/stat", proc->pid);
		if (proc_file_read(path, text, sizeof(text)) <= 0)
			continue;
		at = strrchr(text, ')');
		if (at && at[1] == ' ' && (at[2] == 'T' || at[2] == 't'))
			return true;
	}
	return false;
}

/* Whether that process still has the arena open under its number. Unreadable: believe so. */
static bool has_arena(uint32_t pid, int fd)
{
	static const char want[] = "/memfd:sock7";
	char path[48], link[64] = "";
	long len;

	snprintf(path, sizeof(path), "/proc/%u/fd/%d", pid, fd);
	len = s7_sys4(SYS_readlinkat, AT_FDCWD, path, link, sizeof(link) - 1);
	if (len == -ENOENT)
		return false;
	return len < 0 || !strncmp(link, want, sizeof(want) - 1);
}

/*
 * /proc does not show it, but the kernel knows it (another user's under hidepid, no /proc in a
 * chroot): it is taken for alive. A zombie shows.
 */
static bool is_hidden(uint32_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	return s7_sys3(SYS_faccessat, AT_FDCWD, path, F_OK) < 0 &&
	       s7_sys2(SYS_kill, pid, 0) != -ESRCH;
}

/* Who lived in a slot when it was looked at: by the time of the verdict it may be another's. */
struct tenant {
	uint32_t state, pid, parent_pid;
	int32_t arena_fd;
	uint64_t start_time, carry_until;
};

static struct tenant tenant_of(const struct s7_proc *proc)
{
	return (struct tenant){ .state = atomic_load(&proc->state),
				.pid = proc->pid,
				.parent_pid = proc->parent_pid,
				.arena_fd = proc->arena_fd,
				.carry_until = atomic_load(&proc->carry_until),
				.start_time = proc->start_time };
}

/*
 * The parent of a fork died, the child has not entered yet: it will, in a moment, unless the fork
 * never happened.
 */
static bool may_enter(const struct tenant *tenant, uint32_t slot)
{
	static s7_time since[S7_PROCS_MAX];
	static uint32_t parent[S7_PROCS_MAX];

	if (parent[slot] != tenant->parent_pid) {
		parent[slot] = tenant->parent_pid;
		since[slot] = host_now();
	}
	return host_now() < since[slot] + ENTER_WITHIN;
}

static bool alive(const struct tenant *tenant, uint32_t slot)
{
	uint32_t pid = tenant->pid ? tenant->pid : tenant->parent_pid;
	uint64_t started = start_time(pid);

	if (started == START_UNKNOWN)
		return lock_thread_alive(pid);
	if (!started)
		return is_hidden(pid) || (!tenant->pid && may_enter(tenant, slot));
	if (!tenant->pid)
		return true; /* fork under way in a living parent */
	if (tenant->start_time && started != tenant->start_time)
		return false;
	return has_arena(pid, tenant->arena_fd) || host_now() < tenant->carry_until;
}

/* Makes this thread the slot's one reaper, if it is still the dead one's. */
static bool reap_begin(struct s7_proc *proc, const struct tenant *dead)
{
	struct tenant now;
	bool mine;

	lock_take(&s7_arena->proc_lock);
	now = tenant_of(proc);
	mine = now.state == dead->state && now.pid == dead->pid &&
	       now.parent_pid == dead->parent_pid && now.start_time == dead->start_time;
	if (mine) {
		proc->parent_pid = lock_self(); /* the reaper, from here on */
		s7_in_order();
		atomic_store(&proc->state, PROC_REAPING);
	}
	host_unlock(&s7_arena->proc_lock);
	return mine;
}

static void reap_one(struct s7_proc *proc)
{
	uint32_t pid = proc->pid, slot = proc_slot_id(proc), files;

	files = fd_table_drop(proc);
	wait_reap_process(slot);
	if (!proc->left)
		atomic_fetch_add(&s7_arena->deaths, 1);
	shim_log(LOG_INFO, "process %u is gone; gave back %u descriptors", pid, files);
	proc_slot_free(proc);
}

uint32_t proc_reap(void)
{
	uint32_t i, living = 0;

	for (i = 0; i < S7_PROCS_MAX; i++) {
		struct s7_proc *proc = &s7_arena->proc[i];
		struct tenant tenant = tenant_of(proc);

		if (proc == self || tenant.state == PROC_FREE)
			continue;
		if (tenant.state == PROC_REAPING && lock_thread_alive(tenant.parent_pid))
			continue;
		if (tenant.state != PROC_REAPING && alive(&tenant, i)) {
			living++;
			continue;
		}
		if (reap_begin(proc, &tenant))
			reap_one(proc);
	}
	return living;
}

static struct s7_proc *slot_find(void)
{
	struct s7_proc *proc = NULL;
	uint32_t i;

	lock_take(&s7_arena->proc_lock);
	for (i = 0; i < S7_PROCS_MAX && !proc; i++) {
		if (atomic_load(&s7_arena->proc[i].state) != PROC_FREE)
			continue;
		proc = &s7_arena->proc[i];
		proc->pid = 0;
		proc->parent_pid = (uint32_t)s7_sys0(SYS_getpid);
		proc->fd_high = 0;
		proc->start_time = 0;
		proc->bell_len = 0;
		proc->left = 0;
		proc->arena_fd = s7_boot.arena_fd;
		atomic_store(&proc->carry_until, 0);
		proc->ticket = atomic_fetch_add(&s7_arena->next_cookie, 1);
		atomic_store(&proc->state, PROC_STARTING);
	}
	host_unlock(&s7_arena->proc_lock);
	return proc;
}

struct s7_proc *proc_slot_take(void)
{
	struct s7_proc *proc = slot_find();

	if (proc)
		return proc;
	proc_reap();
	return slot_find();
}

void proc_slot_free(struct s7_proc *proc)
{
	lock_take(&s7_arena->proc_lock);
	proc->pid = 0;
	proc->bell_len = 0;
	atomic_store(&proc->state, PROC_FREE);
	host_unlock(&s7_arena->proc_lock);
}

void proc_slot_set_pid(struct s7_proc *proc, uint64_t ticket, uint32_t pid)
{
	lock_take(&s7_arena->proc_lock);
	if (proc->ticket == ticket && atomic_load(&proc->state) == PROC_STARTING)
		__atomic_store_n(&proc->pid, pid, __ATOMIC_RELEASE);
	host_unlock(&s7_arena->proc_lock);
}

bool proc_slot_enter(struct s7_proc *proc, uint64_t ticket)
{
	uint32_t pid = (uint32_t)s7_sys0(SYS_getpid), state;
	uint64_t started = start_time(pid);
	bool mine;

	lock_take(&s7_arena->proc_lock);
	state = atomic_load(&proc->state);
	mine = proc->ticket == ticket &&
		(state == PROC_STARTING || (state == PROC_LIVE && proc->pid == pid));
	if (mine) {
		proc->arena_fd = s7_boot.arena_fd;
		proc->bell_len = 0;
		proc->left = 0;
		/* unknown: the number alone tells it */
		proc->start_time = started == START_UNKNOWN ? 0 : started;
		s7_in_order();
		proc->pid = pid;
		s7_in_order();
		atomic_store(&proc->state, PROC_LIVE);
		atomic_store(&proc->carry_until, 0);
	}
	host_unlock(&s7_arena->proc_lock);
	if (!mine)
		return false;
	self = proc;
	if (proc_file_read("/proc/self/comm", proc->comm, sizeof(proc->comm)) > 0)
		proc->comm[strcspn(proc->comm, "\n")] = 0;
	s7_boot.env->proc = proc_slot_id(proc);
	return true;
}

void proc_forget_self(void)
{
	proc_bell_forked();
	self = NULL;
}

/* ---- the doorbell ---- */

static int bell_socket(void)
{
	const struct sockaddr_un name = { .sun_family = AF_UNIX };
	long fd = s7_sys3(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && s7_sys3(SYS_bind, fd, &name, sizeof(sa_family_t)) < 0) {
		s7_sys1(SYS_close, fd);
		return -1;
	}
	return fd < 0 ? -1 : fd_make_internal((int)fd);
}

static void bell_close(int *fd)
{
	if (*fd < 0)
		return;
	fd_unmark_internal(*fd);
	s7_sys1(SYS_close, *fd);
	*fd = -1;
}

static int bell_open(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = bell_for_child >= 0 ? bell_for_child : bell_socket();
	socklen_t len = sizeof(name);

	bell_for_child = -1;
	if (fd < 0)
		return -1;
	if (s7_sys3(SYS_getsockname, fd, &name, &len) < 0 ||
	    len - offsetof(struct sockaddr_un, sun_path) > sizeof(self->bell_name)) {
		bell_close(&fd);
		return -1;
	}
	len -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
	memcpy(self->bell_name, name.sun_path, len);
	__atomic_store_n(&self->bell_len, len, __ATOMIC_RELEASE);
	return fd;
}

void proc_bell_before_fork(void)
{
	if (self)
		bell_for_child = bell_socket();
}

void proc_bell_after_fork(void)
{
	bell_close(&bell_for_child);
}

int proc_bell_fd(void)
{
	int fd = __atomic_load_n(&bell, __ATOMIC_ACQUIRE);

	if (s7_likely(fd >= 0) || !self)
		return fd;
	lock_take(&bell_lock);
	if (bell < 0)
		__atomic_store_n(&bell, bell_open(), __ATOMIC_RELEASE);
	host_unlock(&bell_lock);
	return bell;
}

void proc_bell_ring(uint32_t slot)
{
	const struct s7_proc *to = &s7_arena->proc[slot];
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	uint32_t len;
	int fd;

	if (slot >= S7_PROCS_MAX)
		return; /* the waiter was reaped while it was about to be rung */
	len = __atomic_load_n(&to->bell_len, __ATOMIC_ACQUIRE);
	fd = proc_bell_fd();
	if (!len || len > sizeof(to->bell_name) || fd < 0)
		return;
	memcpy(name.sun_path, to->bell_name, len);
	s7_sys6(SYS_sendto, fd, (long)"", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (long)&name,
		(long)(offsetof(struct sockaddr_un, sun_path) + len));
}

void proc_bell_pass(void)
{
	char byte;

	while (s7_sys6(SYS_recvfrom, bell, (long)&byte, 1, MSG_DONTWAIT, 0, 0) >= 0)
		;
	wait_ring_process(proc_slot_id(self));
}

void proc_bell_forked(void)
{
	memset(&bell_lock, 0, sizeof(bell_lock));
	bell_close(&bell);
}
