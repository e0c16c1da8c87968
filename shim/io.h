/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io.h - transfers on a socket of the stack with all that a program expects of them: blocking,
 * time-outs, SIGPIPE
 *
 * Return bytes or -errno, -SOCK_STALE when nothing was done. What they may block for, and which
 * descriptor the kernel side of a dual socket has, is decided here; sock_send and sock_recv below
 * never block.
 */
#ifndef S7_IO_H
#define S7_IO_H

#include <fcntl.h>

#include "shim/shim.h"

/*
 * The vectors of a header that was copied from the program: a few are copied too, many are looked
 * at where they are. 0, -EMSGSIZE, -EFAULT.
 */
#define IO_FAST 8
int io_vec_in(struct msghdr *hdr, struct iovec fast[IO_FAST]);

ssize_t io_recv(struct s7_sock_at at, int fd, struct msghdr *hdr, int flags);
ssize_t io_send(struct s7_sock_at at, int fd, const struct msghdr *hdr, int flags);

/* One flat buffer; no address, no control messages. */
ssize_t io_recv_buf(struct s7_sock_at at, int fd, void *buf, size_t len, int flags);
ssize_t io_send_buf(struct s7_sock_at at, int fd, const void *buf, size_t len, int flags);

/* A dual socket whose kernel half can have something: no stream, or a listener. */
static inline bool io_has_twin(const struct s7_sock *sk)
{
	return sk->file.side == SIDE_DUAL && !(sk->bits & SKB_FED) &&
	       (sk->type != SOCK_STREAM || (sk->bits & SKB_LISTENING));
}

/*
 * Is its half in the kernel asked in epoll sets for what comes alone? (EPOLLEXCLUSIVE could not be
 * changed later.)
 */
static inline bool io_twin_in(const struct s7_sock *sk, uint32_t events)
{
	return sk->file.side == SIDE_DUAL && sk->type != SOCK_STREAM && !(events & EPOLLEXCLUSIVE);
}

#endif
