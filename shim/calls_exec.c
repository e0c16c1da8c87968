/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_exec.c - execve and kin, posix_spawn: sockets of the stack go with their descriptors
 *
 * Idea: each makes ready what goes (carry.c), calls libc's with the environment that says where it
 * is, and undoes that when the call comes back. A process without sockets of ours that would be
 * inherited calls libc's at once. posix_spawn's child runs in libc, in our memory: it gets a slot
 * and a copy of the table as a fork's does, on which its file actions are followed, under the
 * table's lock until libc returns, which is when the child has executed.
 * libc's own uses (system, popen) are not seen: what they start has no sockets of the stack.
 * Context: any thread; what shares its parent's memory (CLONE_VM) passes through.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "shim/carry.h"

/* This process's slot, unless it has none or another process runs in its memory. */
static struct s7_proc *own_slot(void)
{
	struct s7_proc *self = proc_self();

	if (s7_likely(!boot_running() || !self) || s7_inside)
		return NULL;
	return self->pid == (uint32_t)s7_sys0(SYS_getpid) ? self : NULL;
}

/* ... if something goes; NULL: nothing does. */
static struct s7_proc *leaving(void)
{
	struct s7_proc *self = own_slot();

	return self && carry_wanted(self) ? self : NULL;
}

static bool leave(const char *path, char *const env[], struct carrying *c)
{
	struct s7_proc *self = leaving();

	return s7_unlikely(self) && carry_begin(self, path, env, c);
}

static int stay(struct carrying *c)
{
	carry_failed(c);
	return -1;
}

S7_EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
	struct carrying c;

	if (!leave(path, env, &c))
		return real.execve(path, argv, env);
	real.execve(path, argv, c.env);
	return stay(&c);
}

S7_EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

S7_EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
	char path[TARGET_PATH_MAX];
	struct carrying c;

	if (!leaving() || !target_find(file, path) || !leave(path, env, &c))
		return real.execvpe(file, argv, env);
	real.execvpe(file, argv, c.env);
	return stay(&c);
}

S7_EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

S7_EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
	struct carrying c;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!leave(path, env, &c))
		return real.fexecve(fd, argv, env);
	real.fexecve(fd, argv, c.env);
	return stay(&c);
}

/* Whether it can be had by its path, from here or by the directory's number. */
static const char *path_at(int dir, const char *path, int flags, char ret_path[TARGET_PATH_MAX])
{
	if (!path || path[0] == '/' || (dir == AT_FDCWD && path[0]))
		return path;
	if (!path[0] && !(flags & AT_EMPTY_PATH))
		return path;
	snprintf(ret_path, TARGET_PATH_MAX, "/proc/self/fd/%d%s%.4000s", dir, path[0] ? "/" : "",
		 path);
	return ret_path;
}

S7_EXPORT int execveat(int dir, const char *path, char *const argv[], char *const env[], int flags)
{
	char at[TARGET_PATH_MAX];
	struct carrying c;

	if (!leaving() || !leave(path_at(dir, path, flags, at), env, &c))
		return real.execveat(dir, path, argv, env, flags);
	real.execveat(dir, path, argv, c.env, flags);
	return stay(&c);
}

/* ---- with the arguments one by one ---- */

static size_t count_args(va_list args)
{
	size_t count = 1;

	while (va_arg(args, char *))
		count++;
	return count;
}

/* `room` pointers: all, and the NULL behind them. */
static void take_args(char **argv, const char *first, size_t room, va_list *args)
{
	argv[0] = (char *)(uintptr_t)first;
	for (size_t i = 1; i < room; i++)
		argv[i] = va_arg(*args, char *);
}

#define ARGV_OF(argv, first)                                                                       \
	va_start(args, first);                                                                     \
	room = count_args(args) + 1;                                                               \
	va_end(args);                                                                              \
	argv = __builtin_alloca(room * sizeof(char *));                                            \
	va_start(args, first);                                                                     \
	take_args(argv, first, room, &args)

S7_EXPORT int execl(const char *path, const char *arg, ...)
{
	va_list args;
	char **argv;
	size_t room;

	ARGV_OF(argv, arg);
	va_end(args);
	return execve(path, argv, environ);
}

S7_EXPORT int execlp(const char *file, const char *arg, ...)
{
	va_list args;
	char **argv;
	size_t room;

	ARGV_OF(argv, arg);
	va_end(args);
	return execvpe(file, argv, environ);
}

S7_EXPORT int execle(const char *path, const char *arg, ...)
{
	va_list args;
	char *const *env;
	char **argv;
	size_t room;

	ARGV_OF(argv, arg);
	env = va_arg(args, char *const *);
	va_end(args);
	return execve(path, argv, env);
}

/* ---- posix_spawn ---- */

struct spawn {
	pid_t *pid;
	const char *path;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
	char *const *argv, *const *env;
	bool search; /* along PATH */
};

static int spawn_by_libc(const struct spawn *s, pid_t *pid, char *const env[])
{
	return (s->search ? real.posix_spawnp : real.posix_spawn)(pid, s->path, s->actions,
								  s->attr, s->argv, env);
}

/* The slot is the child's, with its table as it will be; the table's lock is held. */
static int spawn_into(const struct spawn *s, struct s7_proc *slot, const char *path)
{
	uint64_t ticket = slot->ticket;
	struct carrying c;
	pid_t child = 0;
	bool goes;
	int err;

	spawn_plan_follow(slot, s->actions);
	goes = carry_begin(slot, path, s->env, &c);
	err = spawn_by_libc(s, &child, goes ? c.env : s->env);
	if (goes)
		carry_end(&c);
	fd_table_thaw();
	if (err || !goes) {
		fd_table_drop(slot);
		proc_slot_free(slot);
	} else {
		proc_slot_set_pid(slot, ticket, (uint32_t)child);
	}
	if (!err && s->pid)
		*s->pid = child;
	return err;
}

static int spawn(const struct spawn *s)
{
	char path[TARGET_PATH_MAX];
	struct s7_proc *slot;
	int keep = errno, err;

	if (!own_slot() || !(leaving() || spawn_plan_wants(s->actions)) ||
	    (s->search && !target_find(s->path, path)))
		return spawn_by_libc(s, s->pid, s->env);
	slot = proc_slot_take();
	if (!slot)
		return spawn_by_libc(s, s->pid, s->env);
	fd_table_copy(slot);
	err = spawn_into(s, slot, s->search ? path : s->path);
	errno = keep;
	return err;
}

S7_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	const struct spawn s = { pid, path, actions, attr, argv, env, false };

	return spawn(&s);
}

S7_EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	const struct spawn s = { pid, file, actions, attr, argv, env, true };

	return spawn(&s);
}
