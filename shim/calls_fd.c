/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_fd.c - the calls that end and duplicate descriptors
 *
 * Entry and kernel descriptor change together (fdtab.c); what is decided here is who may: internal
 * descriptors are not the program's. The last close of a connection with SO_LINGER waits first,
 * with the file held, without any lock. Context: any thread of the program, signal handlers
 * included where POSIX allows. Defines: close dup dup2 dup3 close_range closefrom.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>

#include "shim/internal.h"
#include "shim/wait_int.h"

#define LINGER_LOOK (10 * S7_MS) /* how often a lingering close looks whether all is acknowledged */

/* ---- close ---- */

/* SO_LINGER: the last close waits until what was sent is acknowledged, or the time is over. */
static void linger(struct s7_sock *sk)
{
	s7_time end = sk->linger_s < 0 ? S7_NEVER : host_now() + (s7_time)sk->linger_s * S7_SEC;
	uint32_t left = sk_ops(sk)->inq(sk);

	if (left) /* unread: it is reset at once */
		return;
	sock_shutdown(sk, SHUT_WR, host_now());
	for (;;) {
		s7_time now = host_now();
		int err;

		inst_lock(sk->inst, now);
		inst_drive(sk->inst);
		left = sk->err ? 0 : sk_ops(sk)->outq(sk);
		inst_unlock(sk->inst);
		if (!left || now >= end)
			return;
		err = wait_sock(sk, -1, 0, s7_min(end, now + LINGER_LOOK), false);
		if (err != -EAGAIN)
			return;
	}
}

static bool wants_linger(const struct s7_sock *sk)
{
	return (sk->bits & SKB_LINGER) && (sk->bits & SKB_CONNECTED) && sk->linger_s &&
	       sk->proto == PROTO_TCP;
}

/* References of a file whose only descriptor this call holds: the table's and ours. */
#define REFS_LAST 2

/*
 * The number is free from the start, as in Linux: others may get it meanwhile, and a thread that is
 * cancelled here has closed it.
 */
static int linger_held(struct s7_sock_at at, int fd)
{
	struct wait_hold hold;
	bool last;
	int err;

	if (wait_hold_begin(&hold, &at.sk->file, at.cookie))
		return fd_close(fd);
	pthread_cleanup_push(wait_hold_end, &hold);
	last = wants_linger(at.sk) && atomic_load(&at.sk->file.refs) == REFS_LAST;
	err = fd_close(fd);
	if (last)
		linger(at.sk);
	pthread_cleanup_pop(1);
	return err;
}

/* Whether the caller may not touch this descriptor: it is one of the library's own. */
static bool is_protected(int fd)
{
	return s7_unlikely(fd_is_internal(fd)) && !s7_inside;
}

S7_EXPORT int close(int fd)
{
	struct s7_sock_at at;

	if (!fd_get(fd)) {
		if (is_protected(fd))
			return (int)ret_errno(-EBADF);
		if (s7_unlikely(s7_early_count))
			early_forget(fd);
		return real.close(fd);
	}
	cancel_point();
	at = fd_sock_at(fd);
	wait_abandoned();
	if (s7_unlikely(at.sk && wants_linger(at.sk)))
		return (int)ret_errno(linger_held(at, fd));
	return (int)ret_errno(fd_close(fd));
}

/* ---- dup ---- */

S7_EXPORT int dup(int fd)
{
	int to;

	fd_adopt(fd, NULL, 0);
	if (!fd_get(fd))
		return real.dup(fd);
	to = fd_dup(fd, F_DUPFD, 0);
	return (int)ret_errno(to == -EINVAL ? -EMFILE : to); /* a limit of none */
}

/* dup2 and dup3: what stood under `to` goes only if the kernel agrees. */
static int dup_over(int fd, int to, int flags)
{
	if (is_protected(to))
		return -EBADF;
	fd_adopt(fd, NULL, 0);
	wait_abandoned();
	if (s7_unlikely(s7_early_count))
		early_forget(to);
	return fd_dup_over(fd, to, flags);
}

S7_EXPORT int dup2(int fd, int to)
{
	if (fd == to || (!s7_fds.limit && !s7_early_count && !fd_is_internal(to)))
		return real.dup2(fd, to);
	return (int)ret_errno(dup_over(fd, to, 0));
}

S7_EXPORT int dup3(int fd, int to, int flags)
{
	if (fd == to || (!s7_fds.limit && !s7_early_count && !fd_is_internal(to)))
		return real.dup3(fd, to, flags);
	return (int)ret_errno(dup_over(fd, to, flags));
}

/* ---- ranges ---- */

/* Closes [first, last] in which nothing is internal. */
static int close_piece(uint32_t first, uint32_t last, int flags)
{
	struct s7_proc *proc = proc_self();
	uint32_t fd, high = proc ? proc->fd_high : 0;

	if (s7_early_count)
		early_forget_range(first, last);
	for (fd = first; fd <= last && fd < high; fd++)
		if (fd_get((int)fd))
			close((int)fd);
	return real.close_range(first, last, flags);
}

static int close_between(uint32_t first, uint32_t last, int flags)
{
	uint32_t fd, start = first;
	int ret;

	for (fd = first; fd <= last && fd < S7_FDS_MAX; fd++) {
		if (!fd_is_internal((int)fd))
			continue;
		if (fd > start) {
			ret = close_piece(start, fd - 1, flags);
			if (ret)
				return ret;
		}
		start = fd + 1;
	}
	return start <= last ? close_piece(start, last, flags) : 0;
}

S7_EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	if (first > last || flags & (int)CLOSE_RANGE_CLOEXEC || !(s7_fds.limit || s7_early_count))
		return real.close_range(first, last, flags);
	return close_between(first, last, flags);
}

S7_EXPORT void closefrom(int low)
{
	close_range(low < 0 ? 0 : (unsigned int)low, ~0u, 0);
}
