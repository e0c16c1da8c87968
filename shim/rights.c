/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rights.c - a socket of the stack is passed over a UNIX socket (SCM_RIGHTS)
 *
 * The kernel passes the kernel socket behind it. A socket to which nothing has happened that the
 * kernel would not know of (fresh, bound, or listening with nobody in the queue, on both sides)
 * goes to the kernel wholly, so that whoever gets it and who keeps it have the same one: workers of
 * a cluster, socket activation. What is connected on the stack cannot: the receiver has a dead
 * descriptor, and a line says so, the first time in a process.
 * Context: any thread, no lock held. Called by: calls_io.c, for what goes to the kernel with
 * control messages.
 */
#include "shim/internal.h"
#include "shim/packet.h"
#include "stack/base/user.h"

#define RIGHTS_MAX 253 /* SCM_MAX_FD */

static _Atomic bool told;

static bool may_leave(struct s7_sock *sk)
{
	bool listening = sk->bits & SKB_LISTENING, idle;

	if (!sk->inst->params.kernel_fallback || is_packet(sk) || sock_is_raw(sk))
		return false;
	if (sk->file.side == SIDE_OPEN)
		return true;
	if (sk->file.side != SIDE_DUAL || sock_is_used(sk) || sk->bits & SKB_CONNECTED)
		return false;
	inst_lock(sk->inst, host_now());
	idle = !(sk_ops(sk)->poll(sk) & EPOLLIN) && (listening || !sk_ops(sk)->inq(sk));
	inst_unlock(sk->inst);
	return idle;
}

static void pass(int fd)
{
	struct s7_sock *sk = fd_hold_sock(fd);

	if (!sk)
		return;
	if (may_leave(sk)) {
		shim_log(LOG_INFO, "descriptor %d goes to the kernel: it is passed to a process "
				   "(SCM_RIGHTS)", fd);
		kernel_side_hand_over(sk, fd);
	} else if (!atomic_exchange(&told, true)) {
		shim_log(LOG_WARN, "descriptor %d, a socket of the stack, is passed to another "
				   "process (SCM_RIGHTS): it arrives without its connection", fd);
	}
	fd_unhold(&sk->file);
}

/* The descriptors of one control message. */
static void pass_all(const char *at, size_t bytes)
{
	int fd;

	for (size_t i = 0; i < RIGHTS_MAX && (i + 1) * sizeof(fd) <= bytes; i++)
		if (user_get(&fd, at + i * sizeof(fd), sizeof(fd)))
			pass(fd);
}

void rights_pass(const struct msghdr *hdr)
{
	const char *at = hdr->msg_control;
	size_t left = hdr->msg_controllen;
	struct cmsghdr head;

	if (!s7_fds.limit)
		return;
	while (left >= sizeof(head) && user_get(&head, at, sizeof(head)) &&
	       head.cmsg_len >= sizeof(head) && head.cmsg_len <= left) {
		if (head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS)
			pass_all(at + CMSG_LEN(0), head.cmsg_len - CMSG_LEN(0));
		at += s7_min(CMSG_ALIGN(head.cmsg_len), left);
		left -= s7_min(CMSG_ALIGN(head.cmsg_len), left);
	}
}
