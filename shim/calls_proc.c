/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_proc.c - fork, vfork, daemon, _exit
 *
 * exec and posix_spawn need no wrapper: libc's spawn shares no frame with us, and a process that became another program is
 * noticed by the reaper, because the arena's descriptor is close-on-exec. Its kernel sockets stay open as ever.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "shim/internal.h"

S7_EXPORT pid_t fork(void)
{
	return fork_process();
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
