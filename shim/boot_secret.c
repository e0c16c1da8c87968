/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot_secret.c - random bytes: fresh ones, and those that all programs of this machine share until
 * it boots
 *
 * Idea: the peers of this host remember its last connections for a minute (TIME_WAIT) and take a
 * new SYN of the same ports for a new connection only if its timestamp or sequence number is above
 * the old ones. Both are a clock plus a keyed hash, so a key of each process's own would let them
 * fall back whenever a program starts again. The key therefore stays in a file of /run that only
 * root may read; where that cannot be had, a process makes one of its own.
 * Invariant: the file's bytes never change once they are whole. Killed while writing: the next one
 * writes it anew.
 * Context: the one thread that boots the stack. Called by: boot.c (s7_host_ops).
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "shim/internal.h"

#define SECRET_FILE "/run/sock7.key"

void secret_random(void *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		memset(buf, (int)host_now(), len); /* no getrandom before Linux 3.17 */
}

/* Whoever else may read or write it could tell the numbers of our connections. */
static bool is_ours_alone(long fd)
{
	struct stat st;

	return !fstat((int)fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
		!(st.st_mode & 077);
}

static bool read_or_write(long fd, void *buf, size_t len)
{
	bool had;

	if (!is_ours_alone(fd) || s7_sys2(SYS_flock, fd, LOCK_EX))
		return false;
	had = s7_sys4(SYS_pread64, fd, buf, len, 0) == (long)len;
	if (!had)
		secret_random(buf, len);
	return had || s7_sys4(SYS_pwrite64, fd, buf, len, 0) == (long)len;
}

void secret_lasting(void *buf, size_t len)
{
	long fd = s7_sys4(SYS_openat, AT_FDCWD, SECRET_FILE,
			  O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || !read_or_write(fd, buf, len))
		secret_random(buf, len);
	if (fd >= 0)
		s7_sys1(SYS_close, fd);
}
