/* SPDX-License-Identifier: BSD-3-Clause */
/* mini_udp.h - UDP sockets on a mini instance, for criterion tests */
#ifndef S7_MINI_UDP_H
#define S7_MINI_UDP_H

#include <criterion/criterion.h>

#include "stack/core/ext.h"
#include "stack/udp/udp.h"
#include "test/support/mini.h"

static inline struct s7_sock *open_at(struct mini *m, const char *ip, uint16_t port, uint32_t bits)
{
	struct s7_ip local = mini_addr(ip);
	struct s7_sock *sk;

	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET, &sk), 0);
	sk->bits |= bits;
	if (port)
		cr_assert_eq(sk_bind(sk, &local, port), 0);
	sk->bits |= SKB_BOUND_PORT | (local.w[3] ? SKB_BOUND_ADDR : 0);
	return sk;
}

static inline void done(struct s7_sock *sk)
{
	sk_ops(sk)->close(sk);
}

static inline ssize_t recv_flags(struct s7_sock *sk, void *buf, size_t len, uint32_t flags,
			  struct s7_msg *msg)
{
	struct iovec iov = { buf, len };

	*msg = (struct s7_msg){ .iov = &iov, .iovcnt = 1, .len = len, .flags = flags };
	return sk_ops(sk)->recv(sk, msg);
}

static inline ssize_t take(struct s7_sock *sk, void *buf, size_t len)
{
	struct s7_msg msg;

	return recv_flags(sk, buf, len, 0, &msg);
}

static inline ssize_t give(struct s7_sock *sk, const char *to, uint16_t port, const void *data,
			   size_t len, uint32_t flags)
{
	struct iovec iov = { (void *)data, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len, .flags = flags };
	ssize_t n;

	if (to) {
		msg.name.ip = mini_addr(to);
		msg.name.port = port;
		msg.name.valid = true;
	}
	n = sk_ops(sk)->send(sk, &msg);
	inst_flush(sk->inst);
	return n;
}

static inline int join(struct s7_sock *sk, const char *ip, uint16_t port)
{
	struct s7_ip to = mini_addr(ip);

	return sk_ops(sk)->connect(sk, &to, port);
}

static inline void want_errors(struct s7_sock *sk)
{
	cr_assert(sk_ext(sk));
	sk->bits |= SKB_RECVERR;
}

#endif
