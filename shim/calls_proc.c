/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_proc.c - fork, _Fork, vfork, daemon, _exit, setuid and kin
 *
 * exec and posix_spawn are calls_exec.c's. A program that gives root away before its first socket
 * (memcached -u) would take the privileges that the ports need with it: with a configuration the
 * stack starts right before that.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "shim/internal.h"

S7_EXPORT pid_t fork(void)
{
	return fork_process();
}

static pid_t bare(void *arg)
{
	(void)arg;
	return real._Fork();
}

S7_EXPORT pid_t _Fork(void)
{
	return fork_process_by(bare, NULL);
}

S7_EXPORT pid_t vfork(void)
{
	return fork_process();
}

/* libc's daemon() forks inside itself, out of our sight. */
S7_EXPORT int daemon(int nochdir, int noclose)
{
	pid_t pid = fork_process();
	int null, fd;

	if (pid < 0)
		return -1;
	if (pid > 0)
		_exit(0);
	if (setsid() < 0)
		return -1;
	if (!nochdir && chdir("/") < 0)
		return -1;
	if (noclose)
		return 0;
	null = open("/dev/null", O_RDWR);
	if (null < 0)
		return -1;
	for (fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	return 0;
}

/* `to`: the effective user after the call, (uid_t)-1 unchanged. */
static void before_uid(uid_t to)
{
	if (to == 0 || to == (uid_t)-1 || boot_running() || s7_inside || geteuid() != 0)
		return;
	if (boot_in_sight())
		boot_stack();
}

S7_EXPORT int setuid(uid_t uid)
{
	before_uid(uid);
	return real.setuid(uid);
}

S7_EXPORT int seteuid(uid_t uid)
{
	before_uid(uid);
	return real.seteuid(uid);
}

S7_EXPORT int setreuid(uid_t ruid, uid_t euid)
{
	before_uid(euid);
	return real.setreuid(ruid, euid);
}

S7_EXPORT int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	before_uid(euid);
	return real.setresuid(ruid, euid, suid);
}

S7_EXPORT void _exit(int status)
{
	exit_leave();
	real._exit(status);
	__builtin_unreachable();
}

S7_EXPORT void _Exit(int status)
{
	exit_leave();
	real._exit(status);
	__builtin_unreachable();
}
