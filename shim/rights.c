/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rights.c - a socket of the stack is passed over a UNIX socket (SCM_RIGHTS)
 *
 * The kernel passes the kernel socket behind it, which carries nothing: whoever gets it has a dead
 * descriptor. That must not happen in silence: a line says so, the first time in a process.
 * Context: any thread, no lock held. Called by: calls_io.c, for what goes to the kernel with
 * control messages.
 */
#include "shim/internal.h"
#include "stack/base/user.h"

#define RIGHTS_MAX 253 /* SCM_MAX_FD */

static _Atomic bool told;

/* The first socket of the stack among the descriptors of one control message, or -1. */
static int first_of(const char *at, size_t bytes)
{
	int fd;

	for (size_t i = 0; i < RIGHTS_MAX && (i + 1) * sizeof(fd) <= bytes; i++)
		if (user_get(&fd, at + i * sizeof(fd), sizeof(fd)) && fd_is_sock(fd))
			return fd;
	return -1;
}

void rights_note(const struct msghdr *hdr)
{
	const char *at = hdr->msg_control;
	size_t left = hdr->msg_controllen;
	struct cmsghdr head;
	int fd = -1;

	if (!s7_fds.limit || atomic_load_explicit(&told, memory_order_relaxed))
		return;
	while (fd < 0 && left >= sizeof(head) && user_get(&head, at, sizeof(head)) &&
	       head.cmsg_len >= sizeof(head) && head.cmsg_len <= left) {
		if (head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS)
			fd = first_of(at + CMSG_LEN(0), head.cmsg_len - CMSG_LEN(0));
		at += s7_min(CMSG_ALIGN(head.cmsg_len), left);
		left -= s7_min(CMSG_ALIGN(head.cmsg_len), left);
	}
	if (fd < 0 || atomic_exchange(&told, true))
		return;
	shim_log(LOG_WARN, "descriptor %d, a socket of the stack, is passed to another process "
			   "(SCM_RIGHTS): it arrives without its connection", fd);
}
