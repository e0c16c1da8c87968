/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_syscall.c - syscall(): the numbers that have a wrapper are sent to it
 *
 * Idea: a table by number. A wrapper takes what the system call takes, in the same order, so it is
 * called as any function of six words; what differs has an adapter. Raw system calls, which no name
 * leads to, are not seen.
 * Context: any thread. Defines: syscall.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/bpf.h"
#include "shim/internal.h"

struct mask_arg {
	const sigset_t *mask;
	size_t size;
};

static int sys_pselect6(int cnt, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
			const struct mask_arg *arg)
{
	return pselect(cnt, rd, wr, ex, timeout, arg ? arg->mask : NULL);
}

/* The position is in two words there. */
static ssize_t sys_preadv2(int fd, const struct iovec *iov, int cnt, off_t low, off_t high,
			   int flags)
{
	(void)high;
	return preadv2(fd, iov, cnt, low, flags);
}

static ssize_t sys_pwritev2(int fd, const struct iovec *iov, int cnt, off_t low, off_t high,
			    int flags)
{
	(void)high;
	return pwritev2(fd, iov, cnt, low, flags);
}

static long sys_bpf(long cmd, void *attr, long size)
{
	return ret_errno(bpf_intercepted((int)cmd, attr, (uint32_t)size));
}

enum result { RESULT_INT = 1, RESULT_LONG };

typedef long (*six_words)(long a, long b, long c, long d, long e, long f);

#define INT(name) [SYS_##name] = { (void *)name, RESULT_INT }
#define LONG(name) [SYS_##name] = { (void *)name, RESULT_LONG }
#define INT_BY(name, function) [SYS_##name] = { (void *)(function), RESULT_INT }
#define LONG_BY(name, function) [SYS_##name] = { (void *)(function), RESULT_LONG }

static const struct {
	void *function;
	enum result result;
} by_number[] = {
	INT(socket), INT(bind), INT(listen), INT(connect), INT(accept4), INT(close), INT(dup),
	INT(dup3), INT(close_range), INT(shutdown), INT(getsockname), INT(getpeername),
	INT(setsockopt), INT(getsockopt), INT(ioctl), INT(fcntl),
	LONG(read), LONG(readv), LONG(write), LONG(writev), LONG(sendto), LONG(sendmsg),
	INT(sendmmsg), LONG(recvfrom), LONG(recvmsg), INT(recvmmsg), LONG(splice),
	LONG_BY(sendfile, sendfile64), LONG_BY(preadv2, sys_preadv2),
	LONG_BY(pwritev2, sys_pwritev2),
	INT(ppoll), INT_BY(pselect6, sys_pselect6), INT(epoll_create1), INT(epoll_ctl),
	INT(epoll_pwait), INT(epoll_pwait2),
	INT_BY(exit_group, _exit), LONG(mmap), INT(munmap),
	LONG_BY(bpf, sys_bpf), INT(execve), INT(execveat),
#ifdef __x86_64__
	INT(accept), INT(dup2), INT(poll), INT(select), INT(epoll_create), INT(epoll_wait),
	INT_BY(fork, fork_process), INT_BY(vfork, fork_process),
#endif
};

static long by_wrapper(long number, const long word[6])
{
	six_words call = (six_words)by_number[number].function;
	long ret = call(word[0], word[1], word[2], word[3], word[4], word[5]);

	return by_number[number].result == RESULT_INT ? (int)ret : ret;
}

S7_EXPORT long syscall(long number, ...)
{
	long word[6];
	va_list args;

	va_start(args, number);
	for (size_t i = 0; i < S7_ARRAY_LEN(word); i++)
		word[i] = va_arg(args, long);
	va_end(args);
	if ((unsigned long)number < S7_ARRAY_LEN(by_number) && by_number[number].function)
		return by_wrapper(number, word);
	return real.syscall(number, word[0], word[1], word[2], word[3], word[4], word[5]);
}
