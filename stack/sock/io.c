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
#include <limits.h>

#include "stack/core/ext.h"
#include "stack/sock/sock_int.h"

#define MAX_RW_COUNT 0x7ffff000ull

int sock_msg_init(struct s7_msg *msg, const struct iovec *iov, size_t iovcnt, uint32_t flags)
{
	uint64_t len = 0;
	bool bad = false;

	if (s7_unlikely(iovcnt > IOV_MAX))
		return -EMSGSIZE;
	for (size_t i = 0; i < iovcnt; i++) {
		if (s7_unlikely(iov[i].iov_len > SSIZE_MAX))
			return -EINVAL;
		if (s7_unlikely(!user_ok(iov[i].iov_base, iov[i].iov_len) && iov[i].iov_len))
			bad = true;
		len += iov[i].iov_len;
	}
	memset(msg, 0, sizeof(*msg));
	msg->bad = bad;
	msg->iov = iov;
	msg->iovcnt = (uint32_t)iovcnt;
	msg->flags = flags;
	msg->len = s7_min(len, MAX_RW_COUNT);
	return 0;
}

/* Where the bytes would come from is no memory: other errors come first, as in Linux. */
static ssize_t send_bad(struct s7_sock *sk, const struct s7_msg *msg)
{
	struct s7_msg none = { .flags = msg->flags };
	ssize_t n;

	if (sk->proto == PROTO_UDP && !msg->name.valid && !(sk->bits & SKB_CONNECTED))
		return -EDESTADDRREQ;
	if (sk->proto == PROTO_UDP && sk->err)
		return sk_take_error(sk);
	if (sk->proto == PROTO_UDP)
		return sk->shut & SK_SHUT_WR ? -EPIPE : -EFAULT;
	n = sk_ops(sk)->send(sk, &none);
	return n ? n : -EFAULT;
}

/* ... and where they would go to: a stream keeps them, a datagram is gone, as in Linux. */
static ssize_t recv_bad(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_msg none = { .flags = msg->flags };
	uint32_t there = sk_ops(sk)->inq(sk);
	ssize_t n;

	/* no byte to move, or none to copy */
	if (!there || (sk->proto == PROTO_TCP && msg->flags & MSG_TRUNC && !(msg->flags & MSG_OOB)))
		return sk_ops(sk)->recv(sk, msg);
	if (sk->proto == PROTO_TCP)
		return -EFAULT;
	n = sk_ops(sk)->recv(sk, &none);
	return n < 0 ? n : -EFAULT;
}

ssize_t sock_send(struct s7_sock *sk, struct s7_msg *msg, s7_time now)
{
	ssize_t n = sock_enter(sk, now);

	if (s7_unlikely(n))
		return n;
	n = s7_unlikely(msg->bad) ? send_bad(sk, msg) : sk_ops(sk)->send(sk, msg);
	if (s7_unlikely(n == -EAGAIN && !msg->bad) && inst_drive_again(sk->inst))
		n = sk_ops(sk)->send(sk, msg);
	sock_leave(sk->inst);
	return n;
}

void sock_zerocopy_sent(struct s7_sock *sk, uint64_t n, s7_time now)
{
	if (!sk_ext_has(sk, EXT_ZEROCOPY) || (!n && sk->proto == PROTO_TCP) || sock_enter(sk, now))
		return;
	errq_zerocopy(sk);
	sock_leave(sk->inst);
}

/* From the error queue: never waits. */
static ssize_t recv_error(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_msg_more none, *more = msg->more ? msg->more : &none;
	ssize_t n = errq_recv(sk, msg, &more->entry);

	if (n == -EAGAIN && inst_drive(sk->inst))
		n = errq_recv(sk, msg, &more->entry);
	if (n < 0)
		return n;
	more->is_error = true;
	msg->name.valid = more->entry.flags & ERRQ_NAME;
	msg->name.ip = more->entry.name;
	msg->name.port = more->entry.port;
	msg->rx_time = more->entry.at;
	return n;
}

ssize_t sock_recv(struct s7_sock *sk, struct s7_msg *msg, s7_time now)
{
	ssize_t n = sock_enter(sk, now);

	if (s7_unlikely(n))
		return n;
	if (s7_unlikely(msg->flags & MSG_ERRQUEUE)) {
		n = recv_error(sk, msg);
	} else if (s7_unlikely(msg->bad)) {
		n = recv_bad(sk, msg);
	} else {
		n = sk_ops(sk)->recv(sk, msg);
		if (n == -EAGAIN && inst_drive_again(sk->inst))
			n = sk_ops(sk)->recv(sk, msg);
	}
	sock_leave(sk->inst);
	return n;
}
