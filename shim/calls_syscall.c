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
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/bpf.h"
#include "shim/internal.h"
#include "shim/poll_int.h"
#include "stack/base/user.h"

struct mask_arg {
	const sigset_t *mask;
	size_t size;
};

/*
 * The waiting calls by number tell the mask's length too, and ppoll and pselect6 write what is left
 * of the time. What is wrong with a mask is the kernel's to tell.
 */
static bool mask_is_wrong(const sigset_t *mask, size_t size)
{
	return mask && size != POLL_MASK_BYTES;
}

static int time_left(struct timespec *timeout, s7_time deadline, int ret)
{
	s7_time now = host_now(), left = now < deadline ? deadline - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(left / S7_SEC),
			       .tv_nsec = (long)(left % S7_SEC) };

	if (timeout && deadline != S7_NEVER)
		user_put(timeout, &ts, sizeof(ts));
	return ret;
}

static int sys_ppoll(struct pollfd *fds, nfds_t cnt, struct timespec *timeout, const sigset_t *mask,
		     size_t size)
{
	s7_time deadline;

	if (shim_idle() || mask_is_wrong(mask, size) ||
	    poll_deadline_ts(timeout, mask, &deadline))
		return (int)ret_errno(s7_sys6(SYS_ppoll, (long)fds, (long)cnt, (long)timeout,
					      (long)mask, (long)size, 0));
	return time_left(timeout, deadline, ppoll(fds, cnt, timeout, mask));
}

static int sys_pselect6(int cnt, fd_set *rd, fd_set *wr, fd_set *ex, struct timespec *timeout,
			const struct mask_arg *arg)
{
	struct mask_arg copy = { .mask = NULL };
	s7_time deadline;

	if (shim_idle() || (arg && !user_get(&copy, arg, sizeof(copy))) ||
	    mask_is_wrong(copy.mask, copy.size) ||
	    poll_deadline_ts(timeout, copy.mask, &deadline))
		return (int)ret_errno(s7_sys6(SYS_pselect6, cnt, (long)rd, (long)wr, (long)ex,
					      (long)timeout, (long)arg));
	return time_left(timeout, deadline, pselect(cnt, rd, wr, ex, timeout, copy.mask));
}

static int sys_epoll_pwait(int epfd, struct epoll_event *events, int max, int ms,
			   const sigset_t *mask, size_t size)
{
	if (mask_is_wrong(mask, size))
		return (int)ret_errno(s7_sys6(SYS_epoll_pwait, epfd, (long)events, max, ms,
					      (long)mask, (long)size));
	return epoll_pwait(epfd, events, max, ms, mask);
}

static int sys_epoll_pwait2(int epfd, struct epoll_event *events, int max,
			    const struct timespec *timeout, const sigset_t *mask, size_t size)
{
	if (mask_is_wrong(mask, size))
		return (int)ret_errno(s7_sys6(SYS_epoll_pwait2, epfd, (long)events, max,
					      (long)timeout, (long)mask, (long)size));
	return epoll_pwait2(epfd, events, max, timeout, mask);
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
	INT_BY(ppoll, sys_ppoll), INT_BY(pselect6, sys_pselect6),
	INT(epoll_create1), INT(epoll_ctl),
	INT_BY(epoll_pwait, sys_epoll_pwait),
	INT_BY(epoll_pwait2, sys_epoll_pwait2),
	INT_BY(exit_group, _exit), LONG(mmap), INT(munmap),
	LONG_BY(bpf, sys_bpf), INT(execve), INT(execveat), INT_BY(clone, clone_by_words),
	INT_BY(clone3, clone_by_struct), INT(prlimit64), INT(setrlimit), INT(getrlimit),
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
