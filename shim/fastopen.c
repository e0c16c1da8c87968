/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fastopen.c - what the kernel says of TCP Fast Open
 *
 * Idea: net.ipv4.tcp_fastopen can change at any time, so it is read whenever a program does
 * something that depends on it. The keys of cookies are those of the kernel socket behind (its own
 * by TCP_FASTOPEN_KEY), else the network namespace's: both sides of a dual listener, and the kernel
 * beside it, know the same cookies. Who may not read these has the stack's own; a thread that
 * cannot see /proc keeps what was read before.
 * Context: any thread, no lock held. Called by: calls_opt.c, calls_conn.c, io.c.
 */
#include <netinet/tcp.h>

#include "kern/kern.h"
#include "shim/internal.h"
#include "stack/base/sys.h"

/* Bytes, 0 none. */
static uint32_t read_keys(int fd, uint8_t keys[KERN_FASTOPEN_KEYS])
{
	socklen_t len = KERN_FASTOPEN_KEYS;
	int err;

	if (!s7_sys6(SYS_getsockopt, fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, (long)keys, (long)&len,
		     0) && len)
		return len;
	err = kern_fastopen_keys(keys);
	return err > 0 ? (uint32_t)err : 0;
}

void fastopen_refresh(struct s7_sock *sk, int fd)
{
	uint32_t sysctl = sk->inst->params.tcp_fastopen;
	uint8_t keys[KERN_FASTOPEN_KEYS];
	uint32_t len;

	if (sk->proto != PROTO_TCP)
		return;
	kern_sysctl_u32("ipv4/tcp_fastopen", &sysctl);
	len = fd >= 0 && sysctl & FASTOPEN_SERVER ? read_keys(fd, keys) : 0;
	sock_fastopen(sk, sysctl, keys, len, host_now());
}
