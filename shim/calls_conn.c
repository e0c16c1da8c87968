/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_conn.c - the calls that make, name and connect sockets
 *
 * Each wrapper is a lookup and one call with the socket held; foreign descriptors go to libc. What
 * a call decides about the kernel socket behind is in kernel_side.c. Blocking (accept, connect)
 * waits in wait_sock() without any lock. Context: any thread of the program, signal handlers
 * included where POSIX allows.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

#include "shim/internal.h"
#include "shim/packet.h"
#include "shim/wait_int.h"

__thread uint32_t s7_inside;

static s7_time deadline_of(s7_time timeout)
{
	return timeout ? host_now() + timeout : S7_NEVER;
}

static bool is_nonblocking(const struct s7_sock *sk)
{
	return atomic_load_explicit(&sk->file.status, memory_order_relaxed) & O_NONBLOCK;
}

/* ---- socket ---- */

static bool is_stack_kind(int domain, int type, int protocol)
{
	int base = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (domain != AF_INET && domain != AF_INET6)
		return false;
	if (base == SOCK_STREAM)
		return protocol == 0 || protocol == IPPROTO_TCP;
	if (base == SOCK_RAW)
		return true;
	return base == SOCK_DGRAM &&
	       (protocol == 0 || protocol == IPPROTO_UDP ||
		protocol == (domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6));
}

static int socket_enter(int fd, int domain, int type, int protocol)
{
	int base = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), err;
	struct s7_sock *sk;

	err = sock_create(boot_inst(), domain, base, protocol, host_now(), &sk);
	if (err) {
		real.close(fd);
		return err;
	}
	if (type & SOCK_NONBLOCK)
		atomic_store(&sk->file.status, O_NONBLOCK);
	if (base == SOCK_RAW)
		kernel_side_raw(sk, -1);
	fd_install(fd, &sk->file);
	return fd;
}

S7_EXPORT int socket(int domain, int type, int protocol)
{
	int fd = real.socket(domain, type, protocol);

	if (fd < 0 || s7_inside)
		return fd;
	if (domain == AF_PACKET)
		return (int)ret_errno(packet_socket(fd, type, protocol));
	if (!is_stack_kind(domain, type, protocol))
		return fd;
	switch (boot_conf()) {
	case BOOT_RUNNING:
		params_look_again();
		return (int)ret_errno(socket_enter(fd, domain, type, protocol));
	case BOOT_NOT_YET:
		early_note(fd);
		if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_RAW)
			boot_stack(); /* it hears from now on: that cannot wait */
		return fd;
	case BOOT_KERNEL:
		break;
	}
	return fd;
}

S7_EXPORT int socketpair(int domain, int type, int protocol, int sv[2])
{
	return real.socketpair(domain, type, protocol, sv);
}

S7_EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct s7_sock *sk;
	int ret;

	fd_adopt(fd, addr, len);
	sk = fd_hold_sock(fd);
	if (!sk) {
		ret = real.bind(fd, addr, len);
		if (!ret && s7_unlikely(s7_early_count))
			early_forget(fd); /* an address of the kernel's */
		return ret;
	}
	ret = is_packet(sk) ? packet_bind_sock(sk, fd, addr, len) :
			      kernel_side_bind(sk, fd, addr, len);
	fd_unhold(&sk->file);
	return (int)ret_errno(ret);
}

static int listen_stack(struct s7_sock *sk, int fd, int backlog)
{
	bool again = sk->bits & SKB_LISTENING;
	int err = 0;

	if (sk->proto != PROTO_TCP)
		return -EOPNOTSUPP;
	if (sk->bits & SKB_CONNECTED)
		return -EINVAL;
	if (!(sk->bits & SKB_BOUND))
		err = kernel_side_autobind(sk, fd);
	if (err)
		return err;
	if (sk->file.side == SIDE_KERNEL)
		return (int)s7_sys2(SYS_listen, fd, backlog);
	err = kernel_side_listen(sk, fd, backlog);
	if (err)
		return err;
	fastopen_refresh(sk, -1);
	fd_placeholder_make(sk->domain); /* what fails here is told by accept */
	err = sock_listen(sk, backlog, host_now());
	if (!err && sk->inst->params.tcp_fastopen & FASTOPEN_SERVER)
		fastopen_refresh(sk, fd);
	if (sk->file.side != SIDE_DUAL)
		return err;
	if (!err)
		epoll_side_changed(sk, fd); /* only now the kernel's half has something to tell */
	else if (!again)
		s7_sys2(SYS_shutdown, fd, SHUT_RD); /* neither half listens */
	return err;
}

S7_EXPORT int listen(int fd, int backlog)
{
	struct s7_sock *sk;
	int ret;

	fd_adopt(fd, NULL, 0);
	sk = fd_hold_sock(fd);
	if (!sk)
		return real.listen(fd, backlog);
	ret = listen_stack(sk, fd, backlog);
	fd_unhold(&sk->file);
	return (int)ret_errno(ret);
}

/* ---- connect ---- */

/* The state alone decides; a failed attempt leaves a fresh socket. 1: go on. */
static int connect_outcome(struct s7_sock *sk, int fd)
{
	int err = sock_connect_state(sk, host_now());

	if (err < 0 && err != -EISCONN && err != -EALREADY)
		kernel_side_again(sk, fd);
	return err;
}

int conn_finish(struct s7_sock *sk, int fd)
{
	s7_time timeout = sk->sndtimeo;
	int err;

	err = wait_sock(sk, fd, EPOLLOUT, deadline_of(timeout), !timeout);
	if (err == -EAGAIN)
		return -EINPROGRESS;
	return err ? err : connect_outcome(sk, fd);
}

/* The peer as the program named it. */
struct peer_name {
	const struct sockaddr *addr;
	socklen_t len;
	struct s7_msg *data; /* for the SYN, or NULL */
};

/* The destination is the stack's. */
static int connect_stack(struct s7_sock *sk, int fd, const struct s7_ip *ip, uint16_t port,
			 const struct peer_name *name)
{
	int err = kernel_side_source(sk, fd, ip, port);

	if (!err && s7_unlikely(name->data != NULL))
		err = sock_connect_data(sk, ip, port, name->data, host_now());
	else if (!err)
		err = sock_connect(sk, ip, port, host_now());
	if (!err && sock_is_raw(sk))
		return kernel_side_connect_raw(sk, fd, name->addr, name->len);
	if ((!err || err == -EINPROGRESS) && sk->file.side != SIDE_STACK) {
		sk->file.side = SIDE_STACK;
		epoll_side_changed(sk, fd);
	}
	keeper_need();
	if (err != -EINPROGRESS || name->data || is_nonblocking(sk))
		return err;
	return conn_finish(sk, fd);
}

/*
 * The destination is the kernel's. A datagram socket goes there when the kernel has agreed:
 * until then what it received stays.
 * 1: the socket is the kernel's now and the kernel shall connect it.
 */
static int connect_kernel(struct s7_sock *sk, int fd, const struct s7_ip *ip,
			  const struct sockaddr *addr, socklen_t len)
{
	bool broadcast = ip_v4(ip) == INADDR_BROADCAST && ip_is_v4(ip);
	long err;

	if (sk->proto == PROTO_TCP && (broadcast || ip_is_multicast(ip)))
		return -ENETUNREACH;
	if (broadcast && (sk->bits & SKB_CONNECTED) && !(sk->bits & SKB_BROADCAST))
		return -EACCES;
	if (sk->proto != PROTO_TCP) {
		err = s7_sys3(SYS_connect, fd, addr, len);
		if (err < 0)
			return (int)err;
	}
	kernel_side_hand_over(sk, fd);
	return sk->proto == PROTO_TCP;
}

/*
 * What Linux says about a destination before it looks for a route; 0 means its own host (BSD), a
 * link-local address needs an interface.
 */
static int connect_check(const struct s7_sock *sk, struct s7_ip *ip, uint32_t scope,
			 uint32_t *ret_device)
{
	bool v4 = ip_is_v4(ip);

	if (v4 && (sk->bits & SKB_V6ONLY || (sock_is_raw(sk) && sk->domain == AF_INET6)))
		return -ENETUNREACH;
	if (ip_is_any(ip))
		*ip = v4 || sock_other_family(sk, ip) ?
			      ip_from_v4(htonl(INADDR_LOOPBACK)) :
			      (struct s7_ip){ .w = { 0, 0, 0, htonl(1) } };
	*ret_device = sock_device_out(sk, ip, scope);
	if (v4 || !ip_needs_scope(ip))
		return 0;
	if (sk->proto == PROTO_TCP && ip_is_multicast(ip))
		return -ENETUNREACH;
	if (!scope && !sk->bound_iface && !(ip_is_multicast(ip) && *ret_device))
		return -EINVAL;
	return sk->bound_iface && sk->bound_iface != *ret_device ? -EINVAL : 0;
}

static int connect_disconnect(struct s7_sock *sk, int fd, const struct sockaddr *addr,
			      socklen_t len)
{
	int err;

	if (!sock_was_accepted(sk))
		s7_sys3(SYS_connect, fd, addr, len);
	err = sock_disconnect(sk, host_now());
	kernel_side_again(sk, fd);
	return err;
}

int conn_connect(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len,
		 struct s7_msg *data)
{
	sa_family_t family = sk->domain;
	uint32_t scope, device, flow;
	struct s7_ip ip;
	uint16_t port;
	int owner, err;

	cancel_point();
	if (is_packet(sk))
		return -EOPNOTSUPP;
	err = data && !addr ? 0 : sock_addr_family(addr, len, &family);
	if (err)
		return err;
	if (family == AF_UNSPEC)
		return connect_disconnect(sk, fd, addr, len);
	err = connect_outcome(sk, fd);
	if (err == -EALREADY && !data && !is_nonblocking(sk))
		return conn_finish(sk, fd);
	if (err != 1)
		return err;
	/* a datagram socket has a port before anybody looks at the address */
	err = sk->proto != PROTO_TCP && !(sk->bits & SKB_BOUND) ? kernel_side_autobind(sk, fd) : 0;
	if (!err)
		err = sock_addr_read(sk, addr, len, &ip, &port, &scope);
	if (!err)
		err = connect_check(sk, &ip, scope, &device);
	if (err)
		return err;
	flow = sock_addr_flow(sk, addr, len);
	if (s7_unlikely(flow) && !sock_flow_allowed(sk, flow))
		return -EINVAL;
	owner = kernel_side_owner(sk, &ip, port, device);
	if (owner == ROUTE_STACK) {
		err = sock_set_flow(sk, flow, host_now());
		if (err)
			return err;
		if (ip_needs_scope(&ip) && device != sk->bound_iface)
			sock_set_device(sk, device, host_now());
		return connect_stack(sk, fd, &ip, port, &(struct peer_name){ addr, len, data });
	}
	if (owner < 0)
		return owner;
	if (owner == ROUTE_NONE || !sk->inst->params.kernel_fallback)
		return -ENETUNREACH;
	return connect_kernel(sk, fd, &ip, addr, len);
}

static int connect_held(struct s7_sock_at at, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct wait_hold hold;
	int ret;

	ret = wait_hold_begin(&hold, &at.sk->file, at.cookie);
	if (ret)
		return ret;
	pthread_cleanup_push(wait_hold_end, &hold);
	ret = conn_connect(at.sk, fd, addr, len, NULL);
	pthread_cleanup_pop(1);
	return ret;
}

static int connect_foreign(int fd, const struct sockaddr *addr, socklen_t len)
{
	int ret = real.connect(fd, addr, len);

	if (s7_unlikely(s7_early_count) && (!ret || errno == EINPROGRESS || errno == EINTR))
		early_forget(fd);
	return ret;
}

S7_EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct s7_sock_at at;
	int ret;

	fd_adopt(fd, addr, len);
	do {
		at = fd_sock_at(fd);
		if (!at.sk)
			return connect_foreign(fd, addr, len);
		ret = connect_held(at, fd, addr, len);
	} while (s7_unlikely(ret == -SOCK_STALE));
	return ret == 1 ? real.connect(fd, addr, len) : (int)ret_errno(ret);
}

/* ---- accept ---- */

static bool accept_ready(struct s7_sock *sk)
{
	uint32_t events;

	inst_lock(sk->inst, host_now());
	events = sock_ready_locked(sk);
	if (!events && inst_drive(sk->inst))
		events = sock_ready_locked(sk);
	inst_unlock(sk->inst);
	return events & (EPOLLIN | EPOLLERR | EPOLLHUP);
}

/* The peer's name, also when the connection is over already, as Linux. */
static int accept_name(struct s7_sock *child, struct sockaddr *addr, socklen_t *len)
{
	int err = sock_getname(child, true, addr, len);

	if (err != -ENOTCONN)
		return err;
	return sock_addr_write(child, &child->flow.remote, child->flow.rport, child->bound_iface,
			       addr, len);
}

/* A connection of the stack under a new descriptor, made first: without one the connection stays
 * queued, as in Linux. */
static int accept_stack(struct s7_sock *sk, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct s7_sock *child;
	int fd, err;

	if (!accept_ready(sk))
		return -EAGAIN;
	fd = fd_placeholder_dup(sk->domain, flags);
	if (fd < 0)
		return fd;
	/* no table entry: a bare placeholder would be of no use */
	if ((uint32_t)fd >= s7_fds.limit) {
		s7_sys1(SYS_close, fd);
		return -EMFILE;
	}
	err = sock_accept(sk, host_now(), &child);
	if (err) {
		s7_sys1(SYS_close, fd);
		return err;
	}
	if (flags & SOCK_NONBLOCK)
		atomic_store(&child->file.status, O_NONBLOCK);
	child->file.side = SIDE_STACK;
	if (addr)
		err = accept_name(child, addr, len);
	if (err) {
		s7_sys1(SYS_close, fd);
		file_put(&child->file);
		return err;
	}
	fd_install(fd, &child->file);
	return fd;
}

/* The kernel's half of a listener that waits (it may, once it was passed on) is asked before. */
static bool would_wait(const struct s7_sock *sk, int fd)
{
	struct pollfd half = { .fd = fd, .events = POLLIN };
	struct timespec now = { 0 };

	return !is_nonblocking(sk) &&
		s7_sys6(SYS_ppoll, (long)&half, 1, (long)&now, 0, 0, 0) != 1;
}

static int accept_once(struct s7_sock *sk, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int ret;

	handlers_off();
	ret = accept_stack(sk, addr, len, flags);
	handlers_on();

	if (ret != -EAGAIN || sk->file.side != SIDE_DUAL || !(sk->bits & SKB_LISTENING) ||
	    fd_get(fd) != &sk->file || would_wait(sk, fd))
		return ret;
	return (int)s7_sys4(SYS_accept4, fd, addr, len, flags);
}

/* Linux takes the number before it looks for a connection: without one it does not wait. */
static int accept_room(struct s7_sock *sk)
{
	int fd = fd_placeholder_dup(sk->domain, SOCK_CLOEXEC);

	if (fd >= 0)
		s7_sys1(SYS_close, fd);
	return fd < 0 ? fd : 0;
}

#define ROOM_SEEN (S7_SEC / 4)

/*
 * The same for a listener that is asked again and again: where there was plenty of room a moment
 * ago it is not looked for. -EAGAIN, or what accept_room says.
 */
static int accept_room_seen(struct s7_sock *sk, s7_time now)
{
	static _Atomic s7_time plenty_until;
	struct rlimit limit = { .rlim_cur = 0 };
	int fd;

	if (now < atomic_load_explicit(&plenty_until, memory_order_relaxed))
		return -EAGAIN;
	fd = fd_placeholder_dup(sk->domain, SOCK_CLOEXEC);
	if (fd < 0)
		return fd;
	s7_sys1(SYS_close, fd);
	s7_sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	if ((rlim_t)fd < limit.rlim_cur / 2)
		atomic_store_explicit(&plenty_until, now + ROOM_SEEN, memory_order_relaxed);
	return -EAGAIN;
}

/*
 * Closed meanwhile, the listener is there as long as this call waits; its kernel half is not asked
 * any more.
 */
static int accept_wait(struct s7_sock *sk, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	s7_time deadline = deadline_of(sk->rcvtimeo);
	int ret;

	do {
		ret = wait_sock(sk, fd, EPOLLIN, deadline, deadline == S7_NEVER);
		if (!ret && !(sk->bits & SKB_LISTENING))
			ret = -EINVAL;
		if (!ret)
			ret = accept_once(sk, fd, addr, len, flags);
	} while (ret == -EAGAIN && host_now() < deadline);
	return ret;
}

static int accept_sock(struct s7_sock *sk, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int ret;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (sk->proto != PROTO_TCP)
		return -EOPNOTSUPP;
	if (!(sk->bits & SKB_LISTENING))
		return -EINVAL;
	ret = accept_once(sk, fd, addr, len, flags);
	if (ret != -EAGAIN)
		return ret;
	if (is_nonblocking(sk))
		return accept_room_seen(sk, host_now());
	ret = accept_room(sk);
	return ret ? ret : accept_wait(sk, fd, addr, len, flags);
}

static int accept_held(struct s7_sock_at at, int fd, struct sockaddr *addr, socklen_t *len,
		       int flags)
{
	struct wait_hold hold;
	int ret;

	cancel_point();
	ret = wait_hold_begin(&hold, &at.sk->file, at.cookie);
	if (ret)
		return ret;
	pthread_cleanup_push(wait_hold_end, &hold);
	ret = accept_sock(at.sk, fd, addr, len, flags);
	pthread_cleanup_pop(1);
	return ret;
}

S7_EXPORT int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct s7_sock_at at;
	int ret;

	do {
		at = fd_sock_at(fd);
		if (!at.sk)
			return real.accept4(fd, addr, len, flags);
		ret = accept_held(at, fd, addr, len, flags);
	} while (s7_unlikely(ret == -SOCK_STALE));
	return (int)ret_errno(ret);
}

S7_EXPORT int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	if (!fd_is_sock(fd))
		return real.accept(fd, addr, len);
	return accept4(fd, addr, len, 0);
}
