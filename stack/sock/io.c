/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io.c - one attempt of a transfer
 *
 * sock_send and sock_recv are the hot road: lock, protocol, flush, unlock. A receive that finds
 * nothing, and a send that finds no room, drive the instance once and try again before they say
 * -EAGAIN.
 * The control messages beside it are control.c's.
 * Context: no lock held on entry; user memory of the calling thread. Callers: shim/calls_io.c,
 * shim/sendfile.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "stack/core/ext.h"
#include "stack/sock/sock_int.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"

#define MAX_RW_COUNT 0x7ffff000ull

/*
 * All that is not given: one by one, since for so few bytes the processor's own way to fill memory
 * takes longer to begin than all of these.
 */
static inline void msg_reset(struct s7_msg *msg)
{
	static const struct s7_ip none;

	msg->skip = msg->cookie = 0;
	msg->seen = (struct s7_msg_seen){ .stream = false };
	msg->name.ip = none;
	msg->name.flow = 0;
	msg->name.port = 0;
	msg->name.iface = 0;
	msg->name.valid = false;
	msg->out_flags = 0;
	msg->bad = false;
	msg->local = none;
	msg->ttl = msg->tos = 0;
	msg->rx_time = 0;
	msg->more = NULL;
	msg->link = NULL;
}

int sock_msg_init(struct s7_msg *msg, const struct iovec *iov, size_t iovcnt, uint32_t flags)
{
	uint64_t len = 0;

	if (s7_unlikely(iovcnt > IOV_MAX))
		return -EMSGSIZE;
	for (size_t i = 0; i < iovcnt; i++) {
		if (s7_unlikely(iov[i].iov_len > SSIZE_MAX))
			return -EINVAL;
		len += iov[i].iov_len;
		if (s7_unlikely(user_beyond(iov[i].iov_base, iovcnt == 1 ? 0 : iov[i].iov_len)))
			return -EFAULT;
	}
	msg->iov = iov;
	msg->iovcnt = (uint32_t)iovcnt;
	msg->flags = flags;
	msg->len = s7_min(len, MAX_RW_COUNT);
	msg_reset(msg);
	return 0;
}

/* For a caller that may wait, and holds nothing yet. Lock held. */
static S7_NOINLINE void see(const struct s7_sock *sk, struct s7_msg *msg)
{
	msg->seen.domain = sk->domain;
	msg->seen.stream = sk->type == SOCK_STREAM;
	msg->seen.dual = sk->type != SOCK_STREAM && sk->file.side == SIDE_DUAL &&
			 !(sk->bits & SKB_FED);
	msg->seen.nonblocking = atomic_load_explicit(&sk->file.status, memory_order_relaxed) &
				O_NONBLOCK;
}

ssize_t sock_send(struct s7_sock *sk, struct s7_msg *msg, s7_time now)
{
	ssize_t n = sock_enter(sk, msg->cookie, now);

	if (s7_unlikely(n))
		return n;
	n = sk_ops(sk)->send(sk, msg);
	if (s7_unlikely(n == -EAGAIN) && sock_drive_again(sk))
		n = sk_ops(sk)->send(sk, msg);
	if (s7_unlikely((uint64_t)n != msg->len))
		see(sk, msg);
	sock_leave(sk->inst);
	return n;
}

void sock_zerocopy_sent(struct s7_sock *sk, uint64_t cookie, uint64_t n, s7_time now)
{
	if (sock_enter(sk, cookie, now))
		return;
	if (!sk_ext_has(sk, EXT_ZEROCOPY))
		n = 0;
	else if (sk->proto != PROTO_TCP)
		errq_zerocopy(sk);
	else if (n)
		tcp_zerocopy_sent(sk);
	sock_leave(sk->inst);
}

/* From the error queue: never waits. */
static ssize_t recv_error(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_msg_more none, *more = msg->more ? msg->more : &none;
	ssize_t n = errq_recv(sk, msg, more);

	if (n == -EAGAIN && sock_drive_again(sk))
		n = errq_recv(sk, msg, more);
	if (n < 0)
		return n;
	more->is_error = true;
	msg->name.valid = more->entry.flags & ERRQ_NAME;
	msg->name.ip = more->entry.name;
	msg->name.port = more->entry.port;
	msg->rx_time = more->entry.at;
	return n;
}

bool sock_peek_ready(struct s7_sock *sk)
{
	if (sk_ops(sk)->poll(sk) & (EPOLLRDHUP | EPOLLHUP))
		return true;
	if (sk->proto == PROTO_PACKET) /* SO_PEEK_OFF is not to be had on it */
		return sk_ops(sk)->poll(sk) & EPOLLIN;
	return sk->proto == PROTO_TCP ? tcp_tcb(sk)->rq_bytes > (uint32_t)sk->peek_off :
					udp_peekable(sk);
}

ssize_t sock_recv(struct s7_sock *sk, struct s7_msg *msg, s7_time now)
{
	ssize_t n = sock_enter(sk, msg->cookie, now);

	if (s7_unlikely(n))
		return n;
	msg->seen.domain = sk->domain;
	if (s7_unlikely(msg->flags & MSG_ERRQUEUE)) {
		n = recv_error(sk, msg);
	} else {
		n = sk_ops(sk)->recv(sk, msg);
		if (n == -EAGAIN && sock_drive_again(sk))
			n = sk_ops(sk)->recv(sk, msg);
	}
	if (s7_unlikely(n == -EAGAIN || msg->flags & MSG_WAITALL))
		see(sk, msg);
	sock_leave(sk->inst);
	return n;
}
