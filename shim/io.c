/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io.c - blocking, partial transfers, time-outs and SIGPIPE around the stack's one attempt
 *
 * The fast road is one attempt and out; it holds nothing, and what it learns of the socket it
 * learns under the lock (msg.seen). Only a transfer that could not be done at once, or not wholly,
 * goes on to the waiting half, which holds a reference of the file: another thread may close the
 * descriptor meanwhile. So do messages that are more than bytes and a name.
 * As Linux: a stream's blocking send moves all bytes or tells how many; an error behind moved bytes
 * stays for the next call; a time-out after moved bytes tells the bytes; with a time-out no call is
 * restarted after a handler.
 * A dual datagram socket: the stack's queue first, then the kernel's, and the wait covers both.
 * Context: any thread, no lock held. Callers: calls_io.c, sendfile.c.
 */
#include "shim/io.h"

#include <limits.h>
#include <pthread.h>

#include "shim/packet.h"
#include "shim/wait_int.h"
#include "stack/base/sys.h"
#include "stack/base/user.h"
#include "stack/core/ext.h"

static s7_time deadline_of(s7_time timeout)
{
	return timeout ? host_now() + timeout : S7_NEVER;
}

static void raise_sigpipe(void)
{
	s7_sys3(SYS_tgkill, s7_sys0(SYS_getpid), s7_sys0(SYS_gettid), SIGPIPE);
}

/* Runs the waiting half of a transfer with the file held, also if the thread is cancelled in it. */
static ssize_t run_held(struct s7_sock_at at, ssize_t (*run)(void *op, ssize_t done), void *op,
			ssize_t done)
{
	struct wait_hold hold;
	ssize_t n;

	if (wait_hold_begin(&hold, &at.sk->file, at.cookie))
		return done ? done : -SOCK_STALE;
	pthread_cleanup_push(wait_hold_end, &hold);
	n = run(op, done);
	pthread_cleanup_pop(1);
	return n;
}

/* ---- receive ---- */

struct recv_op {
	struct s7_sock *sk;
	int fd, flags;
	struct msghdr *hdr;
	struct s7_msg msg;
	struct s7_msg_link link;
	bool by_kernel; /* hdr was filled by the kernel */
};

static ssize_t kernel_recv(struct recv_op *op)
{
	int saved = errno;
	ssize_t n = real.recvmsg(op->fd, op->hdr, (op->flags & INT_MAX) | MSG_DONTWAIT);

	if (n < 0) {
		n = -errno;
		errno = saved;
	}
	op->by_kernel = n >= 0;
	return n;
}

static inline ssize_t recv_once(struct recv_op *op)
{
	ssize_t n = sock_recv(op->sk, &op->msg, host_now());

	if (n == -EAGAIN && s7_unlikely(op->msg.seen.dual))
		n = kernel_recv(op);
	return n;
}

/* Is there more to come in this call after `done` bytes? */
static bool recv_wants_more(const struct recv_op *op, ssize_t done)
{
	return (op->flags & MSG_WAITALL) && op->msg.seen.stream &&
		!(op->flags & MSG_PEEK) && done > 0 && (uint64_t)done < op->msg.len;
}

/* Waits and tries again until the call is satisfied; `done` bytes came already. */
static ssize_t recv_wait(void *arg, ssize_t done)
{
	struct recv_op *op = arg;
	s7_time timeout = op->sk->rcvtimeo, deadline = deadline_of(timeout);
	uint32_t events = EPOLLIN | EPOLLRDHUP;
	ssize_t n;

	if (s7_unlikely(op->flags & MSG_PEEK && op->sk->peek_off > 0))
		events |= WAIT_PEEK;
	for (;;) {
		/* an error behind received bytes is the next call's */
		if (done && op->sk->err)
			return done;
		n = wait_sock(op->sk, op->fd, events, deadline, !timeout);
		if (n)
			return done ? done : n;
		if (s7_unlikely(op->sk->file.side == SIDE_KERNEL)) /* given away meanwhile */
			return done ? done : -SOCK_STALE;
		n = recv_once(op);
		if (n == -EAGAIN)
			continue;
		if (n <= 0)
			return done ? done : n;
		done += n;
		if (!recv_wants_more(op, done))
			return done;
	}
}

static ssize_t recv_more(struct recv_op *op, ssize_t n)
{
	if (op->msg.seen.nonblocking || (op->flags & (MSG_DONTWAIT | MSG_ERRQUEUE)))
		return n;
	return run_held((struct s7_sock_at){ op->sk, op->msg.cookie }, recv_wait, op,
			n > 0 ? n : 0);
}

static ssize_t recv_run(struct recv_op *op)
{
	ssize_t n = recv_once(op);

	if (s7_unlikely(n == -EAGAIN || recv_wants_more(op, n)))
		n = recv_more(op, n);
	return n;
}

int io_vec_in(struct msghdr *hdr, struct iovec fast[IO_FAST])
{
	size_t bytes = hdr->msg_iovlen * sizeof(*fast);

	if (s7_unlikely((int32_t)hdr->msg_namelen > (int32_t)sizeof(struct sockaddr_storage)))
		hdr->msg_namelen = sizeof(struct sockaddr_storage);
	if (s7_unlikely(hdr->msg_iovlen > IOV_MAX))
		return -EMSGSIZE;
	if (s7_unlikely(hdr->msg_iovlen > IO_FAST))
		return user_readable(hdr->msg_iov, bytes) ? 0 : -EFAULT;
	if (s7_unlikely(!user_get(fast, hdr->msg_iov, bytes)))
		return -EFAULT;
	hdr->msg_iov = fast;
	return 0;
}

/* No internet name: none at all, or that of a link. 0, -EFAULT. */
static int name_beside(const struct recv_op *op, struct msghdr *hdr)
{
	socklen_t room = hdr->msg_namelen;

	hdr->msg_namelen = 0;
	if (s7_likely(!op->link.told) || !hdr->msg_name)
		return 0;
	hdr->msg_namelen = sizeof(op->link.name);
	return user_put(hdr->msg_name, &op->link.name, s7_min(room, sizeof(op->link.name))) ?
		       0 :
		       -EFAULT;
}

/* Receives, and tells the name. */
static ssize_t recv_named(struct recv_op *op, struct msghdr *hdr)
{
	const struct s7_msg_name *name = &op->msg.name;
	ssize_t n = recv_run(op);
	int err = 0;

	if (n < 0 || op->by_kernel)
		return n;
	if (!name->valid)
		err = name_beside(op, hdr);
	else if (hdr->msg_name)
		err = sock_addr_write_as(op->sk->inst, op->msg.seen.domain, &name->ip, name->port,
					 name->iface + 1u, hdr->msg_name, &hdr->msg_namelen);
	return s7_unlikely(err) ? err : n;
}

/* ... and all the rest, for which the socket's settings are asked behind the lock. */
static ssize_t recv_told(void *arg, ssize_t done)
{
	struct recv_op *op = arg;
	struct s7_msg_more more;
	ssize_t n;

	(void)done;
	more.is_error = false;
	more.mark = more.priority = more.inq = 0;
	more.gro = more.frag_max = more.head_len = 0;
	more.path_mtu = 0;
	more.has_opts = false;
	if (op->sk->ext || op->sk->more || op->sk->ip6.bits & SK6_HEADERS)
		op->msg.more = &more;
	n = recv_named(op, op->hdr);
	if (n >= 0 && !op->by_kernel)
		sock_control_write(op->sk, &op->msg, op->hdr, (uint32_t)op->flags);
	op->msg.more = NULL;
	return n;
}

ssize_t io_recv(struct s7_sock_at at, int fd, struct msghdr *hdr, int flags)
{
	struct recv_op op;
	ssize_t n;
	int err;

	cancel_point();
	/* not all of it by an initialiser: sock_msg_init sets the message */
	op.sk = at.sk;
	op.fd = fd;
	op.flags = flags;
	op.hdr = hdr;
	op.by_kernel = false;
	if ((int32_t)hdr->msg_namelen < 0 && hdr->msg_name)
		return -EINVAL;
	err = sock_msg_init(&op.msg, hdr->msg_iov, hdr->msg_iovlen, (uint32_t)flags);
	if (err)
		return err;
	op.msg.cookie = at.cookie;
	op.link.told = false;
	op.msg.link = &op.link;
	if (s7_unlikely(hdr->msg_control || at.sk->ext || at.sk->more))
		return run_held(at, recv_told, &op, 0);
	n = recv_named(&op, hdr);
	if (n >= 0 && !op.by_kernel)
		sock_control_write(at.sk, &op.msg, hdr, (uint32_t)flags);
	return n;
}

ssize_t io_recv_buf(struct s7_sock_at at, int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct recv_op op;
	int err;

	cancel_point();
	op.sk = at.sk;
	op.fd = fd;
	op.flags = flags;
	op.hdr = &hdr;
	err = sock_msg_init(&op.msg, &iov, 1, (uint32_t)flags);
	if (s7_unlikely(err))
		return err;
	op.msg.cookie = at.cookie;
	return recv_run(&op);
}

/* ---- send ---- */

struct send_op {
	struct s7_sock *sk;
	int fd, flags;
	bool held;
	const struct msghdr *hdr; /* io_send's */
	struct s7_msg msg;
	struct s7_msg_link *link; /* packet sockets: where to */
};

/* Goes on until all bytes are taken; `done` are already. */
static ssize_t send_wait(void *arg, ssize_t done)
{
	struct send_op *op = arg;
	s7_time timeout = op->sk->sndtimeo, deadline = deadline_of(timeout);
	ssize_t n;

	for (;;) {
		if (done && op->sk->err)
			return done;
		n = wait_sock(op->sk, op->fd, EPOLLOUT, deadline, !timeout);
		if (n)
			return done ? done : n;
		n = sock_send(op->sk, &op->msg, host_now());
		if (n == -EAGAIN)
			continue;
		if (n < 0)
			return done ? done : n;
		done += n;
		if (op->sk->type != SOCK_STREAM || (uint64_t)done >= op->msg.len)
			return done;
	}
}

static ssize_t send_more(struct send_op *op, ssize_t n)
{
	if (op->msg.seen.nonblocking || (op->flags & MSG_DONTWAIT))
		return n;
	return run_held((struct s7_sock_at){ op->sk, op->msg.cookie }, send_wait, op,
			n > 0 ? n : 0);
}

/* The connection first, as connect() waits for it; then what the SYN did not take. */
static ssize_t fast_wait(void *arg, ssize_t done)
{
	struct send_op *op = arg;
	int err = conn_finish(op->sk, op->fd);

	if (err == -EINPROGRESS && done)
		return done;
	if (err)
		return err;
	return (uint64_t)done < op->msg.len ? send_wait(op, done) : done;
}

static bool is_nonblocking(const struct send_op *op)
{
	return op->flags & MSG_DONTWAIT ||
	       atomic_load_explicit(&op->sk->file.status, memory_order_relaxed) & O_NONBLOCK;
}

/* The SYN is out, with the first bytes. */
static ssize_t fast_finish(struct send_op *op)
{
	struct s7_sock_at at = { op->sk, op->msg.cookie };
	ssize_t n = (ssize_t)op->msg.skip;

	op->msg.out_flags = 0;
	n = is_nonblocking(op) ? (n ? n : -EINPROGRESS) : run_held(at, fast_wait, op, n);
	if (op->flags & MSG_ZEROCOPY && n > 0)
		sock_zerocopy_sent(op->sk, op->msg.cookie, (uint64_t)n, host_now());
	return n;
}

static ssize_t send_run(struct send_op *op)
{
	ssize_t n = sock_send(op->sk, &op->msg, host_now());

	if (s7_unlikely(op->msg.out_flags & MSG_FASTOPEN)) /* connect() had been put off */
		return fast_finish(op);
	if (s7_unlikely(n == -EAGAIN ||
			(n >= 0 && (uint64_t)n < op->msg.len && op->msg.seen.stream)))
		n = send_more(op, n);
	if (s7_unlikely(op->flags & MSG_ZEROCOPY) && n >= 0)
		sock_zerocopy_sent(op->sk, op->msg.cookie, (uint64_t)n, host_now());
	if (s7_unlikely(n == -EPIPE) && op->msg.seen.stream && !(op->flags & MSG_NOSIGNAL))
		raise_sigpipe();
	return n;
}

/* A raw IPv6 or ping socket's destination. The first's port is a protocol, 0 the socket's. */
static int raw_addr(const struct s7_sock *sk, const struct msghdr *hdr, sa_family_t family,
		    struct s7_ip *ret_ip, uint16_t *ret_port, uint32_t *ret_scope)
{
	struct sockaddr_in6 in6;
	const struct sockaddr *addr = hdr->msg_name;
	socklen_t least = sizeof(struct sockaddr_in);
	int err;

	if (sk->domain == AF_INET6)
		least = sk->proto == PROTO_RAW ? offsetof(struct sockaddr_in6, sin6_scope_id) :
						 sizeof(in6);
	if (hdr->msg_namelen < least)
		return -EINVAL;
	if (sk->proto == PROTO_RAW && family == AF_UNSPEC && hdr->msg_namelen >= sizeof(in6)) {
		if (!user_get(&in6, addr, sizeof(in6)))
			return -EFAULT;
		in6.sin6_family = AF_INET6;
		addr = (const struct sockaddr *)&in6;
	} else if (family != sk->domain) {
		return -EAFNOSUPPORT;
	}
	err = sock_addr_read(sk, addr, hdr->msg_namelen, ret_ip, ret_port, ret_scope);
	if (err || sk->domain == AF_INET)
		return err;
	if (sk->proto == PROTO_RAW && *ret_port &&
	    ((*ret_port != sk->protocol && sk->protocol != IPPROTO_RAW) || *ret_port > 255))
		return -EINVAL;
	if (ip_is_v4(ret_ip)) /* none of this family's packets goes there */
		return sk->proto == PROTO_RAW ? -ENETUNREACH : -EINVAL;
	return 0;
}

/* The kernel sends it: what conn_connect, kernel_side_for_send and sock_control_read say. */
#define SEND_BY_KERNEL 1
static_assert(CONTROL_KERNEL == SEND_BY_KERNEL, "one test for both");

/* MSG_FASTOPEN: connect() and send in one. Bytes, -errno, 0 with *ret_kernel: the kernel's. */
static ssize_t send_fast(struct send_op *op, bool *ret_kernel)
{
	const struct sockaddr *addr = op->hdr->msg_name;
	socklen_t len = op->hdr->msg_namelen;
	sa_family_t family;
	int err;

	*ret_kernel = false;
	op->msg.flags &= ~(uint32_t)MSG_FASTOPEN;
	fastopen_refresh(op->sk, -1);
	if (!(op->sk->inst->params.tcp_fastopen & FASTOPEN_CLIENT) ||
	    (addr && !sock_addr_family(addr, len, &family) && family == AF_UNSPEC))
		return -EOPNOTSUPP;
	if (sock_is_deferred(op->sk))
		return send_run(op);
	err = conn_connect(op->sk, op->fd, addr, len, &op->msg);
	*ret_kernel = err == SEND_BY_KERNEL;
	if (err == -EINPROGRESS)
		return fast_finish(op);
	if (err == -EALREADY && !is_nonblocking(op))
		err = conn_finish(op->sk, op->fd);
	if (err)
		return *ret_kernel ? 0 : err;
	return send_run(op);
}

/* How Linux reads a datagram's destination, where that differs from connect(). 0, -errno. */
static int send_addr(const struct s7_sock *sk, const struct msghdr *hdr, struct s7_ip *ret_ip,
		     uint16_t *ret_port, uint32_t *ret_scope)
{
	const struct sockaddr *addr = hdr->msg_name;
	struct sockaddr_in any;
	sa_family_t family;
	int err;

	err = sock_addr_family(addr, hdr->msg_namelen, &family);
	if (err)
		return err;
	if (sock_is_raw(sk) && (sk->domain == AF_INET6 || sk->proto == PROTO_PING))
		return raw_addr(sk, hdr, family, ret_ip, ret_port, ret_scope);
	if (sk->domain == AF_INET && hdr->msg_namelen >= sizeof(any) && family == AF_UNSPEC) {
		if (!user_get(&any, addr, sizeof(any)))
			return -EFAULT;
		any.sin_family = AF_INET; /* taken for that */
		addr = (const struct sockaddr *)&any;
	}
	err = sock_addr_read(sk, addr, hdr->msg_namelen, ret_ip, ret_port, ret_scope);
	if (err == -EAFNOSUPPORT && sk->domain == AF_INET6)
		err = family == AF_INET ? -ENETUNREACH : -EINVAL;
	return err;
}

#define SEND_HELD 2 /* to be done again with the file held: the kernel's side has a say */

/* Destination and side of a datagram: 0, -errno, SEND_BY_KERNEL, SEND_HELD. */
static int send_name(struct send_op *op, const struct msghdr *hdr)
{
	struct s7_msg_name *name = &op->msg.name;
	const struct s7_sock *sk = op->sk;
	uint32_t scope, device;
	int err = 0;

	/* the port comes first, as in Linux */
	if (s7_unlikely(!(sk->bits & SKB_BOUND)) && sk->file.side == SIDE_OPEN)
		err = op->held ? kernel_side_autobind(op->sk, op->fd) : SEND_HELD;
	if (err)
		return err;
	err = send_addr(sk, hdr, &name->ip, &name->port, &scope);
	if (err)
		return err;
	if ((sk->bits & SKB_V6ONLY) && ip_is_v4(&name->ip))
		return -ENETUNREACH;
	name->flow = sock_addr_flow(sk, hdr->msg_name, hdr->msg_namelen);
	if (s7_unlikely(name->flow)) {
		if (!op->held)
			return SEND_HELD;
		if (!sock_flow_allowed(op->sk, name->flow))
			return -EINVAL;
	}
	if (!name->port && s7_likely(!sock_is_raw(sk)))
		return -EINVAL;
	if (s7_unlikely(ip_is_any(&name->ip)) && sock_other_family(sk, &name->ip))
		name->ip = ip_from_v4(htonl(INADDR_LOOPBACK));
	device = sock_device_out(sk, &name->ip, scope);
	if (device && device != SOCK_DEVICE_KERNEL)
		name->iface = (uint8_t)(device - 1);
	name->valid = true;
	if (sk->file.side == SIDE_STACK && device != SOCK_DEVICE_KERNEL &&
	    s7_likely(!sock_other_family(sk, &name->ip)))
		return 0;
	return op->held ? kernel_side_for_send(op->sk, op->fd, &name->ip, name->port, device) :
			  SEND_HELD;
}

/* The socket's connection is meant after all: an address of no family on an AF_INET6 socket. */
static bool names_nobody(const struct s7_sock *sk, const struct msghdr *hdr)
{
	sa_family_t family;

	return sk->domain == AF_INET6 && sk->proto == PROTO_UDP &&
	       !sock_addr_family(hdr->msg_name, hdr->msg_namelen, &family) && family == AF_UNSPEC;
}

/* Linux takes the name in before a stream leaves it unread. */
static int stream_name(const struct msghdr *hdr)
{
	if ((int32_t)hdr->msg_namelen < 0)
		return -EINVAL;
	return user_readable(hdr->msg_name, hdr->msg_namelen) ? 0 : -EFAULT;
}

/* A datagram's destination, where one is named: as send_name. */
static int send_to(struct send_op *op, const struct msghdr *hdr)
{
	if (is_packet(op->sk)) {
		op->msg.link = op->link;
		return sock_packet_way(op->sk, hdr, op->link);
	}
	if (!hdr->msg_name || !hdr->msg_namelen)
		return 0;
	if (op->sk->type == SOCK_STREAM)
		return stream_name(hdr);
	if (s7_unlikely(names_nobody(op->sk, hdr)))
		return 0;
	return send_name(op, hdr);
}

/* The whole of io_send, with the file held. */
static ssize_t send_held(void *arg, ssize_t done)
{
	struct send_op *op = arg;
	const struct msghdr *hdr = op->hdr;
	struct s7_msg_ask ask;
	bool by_kernel;
	int err;

	(void)done;
	err = optmem_allows(hdr->msg_controllen);
	if (!err)
		err = send_to(op, hdr);
	if (!err && hdr->msg_controllen) {
		ask.has = 0;
		op->msg.ask = &ask;
		err = sock_control_read(op->sk, hdr, &op->msg);
		if (!ask.has)
			op->msg.ask = NULL;
	}
	if (s7_unlikely(op->flags & MSG_FASTOPEN) && !err && op->sk->type == SOCK_STREAM) {
		ssize_t n = send_fast(op, &by_kernel);

		if (!by_kernel)
			return n;
		err = SEND_BY_KERNEL;
	}
	if (s7_unlikely(err == SEND_BY_KERNEL)) {
		ssize_t n = real.sendmsg(op->fd, hdr, op->flags & INT_MAX);

		return n < 0 ? -errno : n;
	}
	return err ? err : send_run(op);
}

ssize_t io_send(struct s7_sock_at at, int fd, const struct msghdr *hdr, int flags)
{
	struct s7_msg_link link;
	struct send_op op;
	int err;

	cancel_point();
	op.sk = at.sk;
	op.fd = fd;
	op.flags = flags;
	op.held = false;
	op.hdr = hdr;
	op.link = &link;
	err = sock_msg_init(&op.msg, hdr->msg_iov, hdr->msg_iovlen, (uint32_t)flags);
	if (err)
		return err;
	op.msg.cookie = at.cookie;
	if (s7_likely(!hdr->msg_controllen && !(flags & MSG_FASTOPEN))) {
		if (s7_likely(!send_to(&op, hdr)))
			return send_run(&op);
		op.msg.name = (struct s7_msg_name){ .valid = false };
	}
	op.held = true;
	return run_held(at, send_held, &op, 0);
}

static ssize_t send_kernel(int fd, const void *buf, size_t len, int flags)
{
	ssize_t n = real.send(fd, buf, len, flags);

	return n < 0 ? -errno : n;
}

ssize_t io_send_buf(struct s7_sock_at at, int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct send_op op;
	ssize_t n;
	int err;

	if (s7_unlikely(flags & MSG_FASTOPEN))
		return io_send(at, fd, &hdr, flags);
	cancel_point();
	op.sk = at.sk;
	op.fd = fd;
	op.flags = flags;
	err = sock_msg_init(&op.msg, &iov, 1, (uint32_t)flags);
	if (s7_unlikely(err))
		return err;
	op.msg.cookie = at.cookie;
	n = send_run(&op);
	/* a packet socket that is bound to no interface of the stack */
	return s7_unlikely(n == -ENXIO) && is_packet(at.sk) ? send_kernel(fd, buf, len, flags) : n;
}
