/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll_int.h - a set of descriptors to wait for, and time-outs as programs give them
 */
#ifndef S7_POLL_INT_H
#define S7_POLL_INT_H

#include <poll.h>

#include "shim/shim.h"
#include "stack/base/user.h"

#define POLL_SMALL 64

struct poll_set {
	struct pollfd *fds;    /* as the program gave them; answers */
	struct pollfd *kfds;   /* what the kernel is asked, same order; ours have fd -1 */
	struct s7_file **files; /* ours, same order; NULL: the kernel's */
	uint64_t *cookies;	/* ... as looked up */
	uint32_t cnt;
	bool kernel; /* kfds has something to ask */
	size_t mapped;
	struct pollfd small[POLL_SMALL];
	struct pollfd small_k[POLL_SMALL];
	struct s7_file *small_f[POLL_SMALL];
	uint64_t small_c[POLL_SMALL];
};

/* 0, -ENOMEM, -EFAULT. */
int poll_set_init(struct poll_set *set, const struct pollfd *fds, uint32_t cnt);
void poll_set_free(struct poll_set *set);
/* Number of descriptors with revents, 0 at the deadline, -errno. */
int poll_set_wait(struct poll_set *set, s7_time deadline, const sigset_t *mask);

/* ---- time-outs ---- */

/* Now plus so long; what overflows is never. */
static inline s7_time poll_deadline(s7_time sec, s7_time ns)
{
	return sec >= S7_NEVER / S7_SEC / 4 ? S7_NEVER : host_now() + sec * S7_SEC + ns;
}

/* poll's and epoll_wait's: milliseconds, negative is never. 0 needs no clock. */
static inline s7_time poll_deadline_ms(int ms)
{
	if (ms <= 0)
		return ms < 0 ? S7_NEVER : 0;
	return host_now() + (s7_time)ms * S7_MS;
}

/* The kernel's, of 64 signals. */
#define POLL_MASK_BYTES 8

/* A mask is looked at before anything is waited for. */
static inline bool poll_mask_there(const sigset_t *mask)
{
	return s7_likely(!mask) || user_readable(mask, POLL_MASK_BYTES);
}

/* ppoll's: NULL is never. 0, -EINVAL, -EFAULT. */
static inline int poll_deadline_ts(const struct timespec *timeout, const sigset_t *mask,
				   s7_time *ret_deadline)
{
	s7_time deadline = S7_NEVER;
	struct timespec ts;

	if (timeout) {
		if (!user_get(&ts, timeout, sizeof(ts)))
			return -EFAULT;
		if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000)
			return -EINVAL;
		deadline = poll_deadline((s7_time)ts.tv_sec, (s7_time)ts.tv_nsec);
	}
	if (!poll_mask_there(mask))
		return -EFAULT;
	*ret_deadline = deadline;
	return 0;
}

#endif
