/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel_side.c - which side serves a socket: the stack, the kernel socket behind it, or both
 *
 * Idea: the kernel is asked first. bind() binds the kernel socket, so conflicts, privileges and
 * port 0 are decided there; the name that it then shows is given to the stack's socket, and the
 * address tells the side:
 *    every address (0.0.0.0, ::)            both
 *    an address that both have              both
 *    an address that only the stack has     the stack (the kernel socket holds the port, FREEBIND;
 *                                           not for a link-local one of a link without a netdev,
 *                                           which no kernel socket can be bound to)
 *    an address of lo, loopback = stack     both: what other programs' stacks and kernel sockets
 *                                           send there comes by the kernel
 *    any other                              the kernel
 * With loopback = stack a peer at an own address may be the kernel's (another program, or a socket
 * that went to the kernel): who connects or sends to a port that nobody here has asks whether a
 * kernel socket has it, and goes there if so. Linux's and the stack's sockets so meet on one lo.
 * A raw socket hears from its first moment, so it is both sides' at once; docs/raw.md.
 * A socket that goes to the kernel leaves the descriptor tables of all processes at that moment, so
 * no wrapper needs to look at the side. `kernel_fallback = no`: nothing is dual and what would be
 * the kernel's is refused.
 * Context: no lock held. Called by: calls_conn.c, calls_io.c, early.c.
 */
#include <fcntl.h>

#include "shim/internal.h"
#include "stack/core/ext.h"

#define SOURCE_TRIES 64

static bool fallback(const struct s7_sock *sk)
{
	return sk->inst->params.kernel_fallback;
}

/* The kernel's and the stack's view of an own name. */
struct own_name {
	struct s7_ip ip;
	uint16_t port;
	uint32_t device; /* sock_device() */
};

/* IPv6 keeps it with the address, IPv4 with the interface. */
static bool kernel_has_too(const struct s7_iface *iface, const struct s7_ip *ip)
{
	uint32_t i;

	if (ip_is_v4(ip))
		return iface->flags & IFACE_SHARED;
	for (i = 0; i < iface->addr6_count; i++)
		if (ip_equal(&iface->addr6[i].ip, ip))
			return iface->addr6[i].flags & ADDR_KERNEL;
	return false;
}

static struct s7_iface *iface_with(struct s7_inst *inst, const struct s7_ip *ip, uint32_t device)
{
	struct s7_iface *iface;
	uint32_t i;

	if (!ip_is_link_local6(ip) || !device || device > inst->iface_count)
		return ip_local_iface(inst, ip);
	iface = &inst->iface[device - 1];
	for (i = 0; i < iface->addr6_count; i++)
		if (ip_equal(&iface->addr6[i].ip, ip))
			return iface;
	return NULL;
}

static enum s7_side side_of_local(struct s7_sock *sk, const struct s7_ip *ip, uint32_t device)
{
	struct s7_inst *inst = sk->inst;
	enum s7_side side = SIDE_KERNEL;
	struct s7_iface *iface;

	inst_lock(inst, host_now());
	iface = iface_with(inst, ip, device);
	if (iface && (iface->flags & IFACE_LO))
		side = !inst->params.loopback_stack ? SIDE_KERNEL :
		       !sock_is_raw(sk) && fallback(sk) ? SIDE_DUAL :
							  SIDE_STACK;
	else if (iface)
		side = kernel_has_too(iface, ip) && fallback(sk) ? SIDE_DUAL : SIDE_STACK;
	inst_unlock(inst);
	return side;
}

/* An interface that the kernel knows nothing of. */
static bool device_is_ours(const struct s7_inst *inst, uint32_t device)
{
	return device && device <= inst->iface_count &&
	       !(inst->iface[device - 1].flags & (IFACE_SHARED | IFACE_NETDEV | IFACE_LO));
}

static enum s7_side side_of(struct s7_sock *sk, const struct s7_ip *ip, uint32_t device)
{
	if (device == SOCK_DEVICE_KERNEL)
		return SIDE_KERNEL;
	if (sock_is_raw(sk) && device_is_ours(sk->inst, device))
		return SIDE_STACK;
	/* a group may come to either */
	if (ip_is_any(ip) || ip_is_multicast(ip))
		return fallback(sk) ? SIDE_DUAL : SIDE_STACK;
	return side_of_local(sk, ip, device);
}

void kernel_side_status(const struct s7_sock *sk, int fd)
{
	long flags = s7_sys3(SYS_fcntl, fd, F_GETFL, 0);

	if (flags >= 0 && ((uint32_t)flags ^ atomic_load(&sk->file.status)) & O_NONBLOCK)
		s7_sys3(SYS_fcntl, fd, F_SETFL, flags ^ O_NONBLOCK);
}

void kernel_side_hand_over(struct s7_sock *sk, int fd)
{
	struct s7_file *file = &sk->file;

	file_ref(file);
	file->side = SIDE_KERNEL;
	epoll_side_changed(sk, fd);
	fd_forget_file(file);
	side_rouse(sk); /* who waits on it goes on in the kernel */
	kernel_side_status(sk, fd);
	file_put(file);
}

static int name_read(struct s7_sock *sk, const struct sockaddr *addr, socklen_t len,
		     struct own_name *ret_name)
{
	uint32_t scope;
	int err;

	err = sock_addr_read(sk, addr, len, &ret_name->ip, &ret_name->port, &scope);
	if (!err)
		ret_name->device = sock_device(sk, &ret_name->ip, scope);
	return err;
}

static int kernel_name(struct s7_sock *sk, int fd, struct own_name *ret_name)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	long err;

	err = s7_sys3(SYS_getsockname, fd, &name, &len);
	if (err < 0)
		return (int)err;
	return name_read(sk, (struct sockaddr *)&name, len, ret_name);
}

/* Puts a kernel socket that knows nothing yet in the place of the one under fd. */
static void fresh_kernel_socket(const struct s7_sock *sk, int fd)
{
	int addr = !!(sk->bits & SKB_REUSEADDR), port = !!(sk->bits & SKB_REUSEPORT);
	int v6only = !!(sk->bits & SKB_V6ONLY);
	long own = s7_sys3(SYS_socket, sk->domain, sk->type | SOCK_CLOEXEC, sk->protocol);
	long flags = s7_sys3(SYS_fcntl, fd, F_GETFD, 0);

	if (own < 0)
		return;
	s7_sys6(SYS_setsockopt, own, SOL_SOCKET, SO_REUSEADDR, (long)&addr, sizeof(addr), 0);
	s7_sys6(SYS_setsockopt, own, SOL_SOCKET, SO_REUSEPORT, (long)&port, sizeof(port), 0);
	if (v6only)
		s7_sys6(SYS_setsockopt, own, IPPROTO_IPV6, IPV6_V6ONLY, (long)&v6only,
			sizeof(v6only), 0);
	s7_sys3(SYS_dup3, own, fd, flags > 0 && (flags & FD_CLOEXEC) ? O_CLOEXEC : 0);
	s7_sys1(SYS_close, own);
}

void kernel_side_own(const struct s7_sock *sk, int fd)
{
	fresh_kernel_socket(sk, fd);
}

void kernel_side_new_family(struct s7_sock *sk, int fd)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(sk->flow.lport) };

	fresh_kernel_socket(sk, fd);
	if (sk->proto == PROTO_UDP) /* a datagram socket's holds the port */
		s7_sys3(SYS_bind, fd, &name, sizeof(name));
}

/* The stack's socket gets the name that the kernel agreed to. */
static int take_name(struct s7_sock *sk, const struct own_name *name, bool chosen)
{
	if (ip_needs_scope(&name->ip) && name->device != sk->bound_iface)
		sock_set_device(sk, name->device, host_now());
	if (chosen && sock_port_held(sk, &name->ip, name->port, host_now()))
		return -EADDRINUSE;
	return sock_bind(sk, &name->ip, name->port, host_now());
}

/*
 * IP_BIND_ADDRESS_NO_PORT: the kernel took the address and no port. That, and the side, is decided
 * when the socket connects or sends.
 */
static int bound_without_port(struct s7_sock *sk, const struct own_name *name)
{
	int err;

	inst_lock(sk->inst, host_now());
	err = sk_ext_bit(sk, EXT_ADDR_ONLY, true);
	if (!err) {
		sk->bind.ip = sk->flow.local = name->ip;
		sk->flow.lport = 0; /* of a connection that failed */
		if (!ip_is_any(&name->ip))
			sk->bits |= SKB_BOUND_ADDR;
	}
	inst_unlock(sk->inst);
	return err;
}

static int bound_to(struct s7_sock *sk, int fd, const struct own_name *name, bool chosen)
{
	enum s7_side side = side_of(sk, &name->ip, name->device);
	int err;

	if (side == SIDE_KERNEL) {
		if (!fallback(sk))
			return -EADDRNOTAVAIL;
		kernel_side_hand_over(sk, fd);
		return 0;
	}
	if (!name->port)
		return bound_without_port(sk, name);
	err = take_name(sk, name, chosen);
	if (err) {
		fresh_kernel_socket(sk, fd); /* the kernel had agreed: its socket is bound */
		return err;
	}

	inst_lock(sk->inst, host_now());
	if (chosen)
		sk->bits |= SKB_BOUND_PORT;
	if (!ip_is_any(&name->ip)) {
		sk->bits |= SKB_BOUND_ADDR;
		if (!ip_is_v4(&name->ip))
			sk->bits |= SKB_V6ONLY; /* as Linux: nothing else can come of it */
	}
	sk->file.side = side;
	inst_unlock(sk->inst);
	keeper_need();
	if (side == SIDE_DUAL || sk->proto == PROTO_RAW)
		epoll_side_changed(sk, fd);
	return 0;
}

void kernel_side_raw(struct s7_sock *sk, int fd)
{
	enum s7_side side = side_of(sk, &sk->bind.ip, sk->bound_iface);

	if (side == sk->file.side || side == SIDE_KERNEL)
		return;
	sk->file.side = side;
	keeper_need();
	if (fd >= 0)
		epoll_side_changed(sk, fd);
}

int kernel_side_connect_raw(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len)
{
	long err = s7_sys3(SYS_connect, fd, addr, len);

	if (err && sk->file.side == SIDE_DUAL) { /* it would hear others than the peer */
		sk->file.side = SIDE_STACK;
		epoll_side_changed(sk, fd);
	}
	keeper_need();
	return 0;
}

int kernel_side_bound(struct s7_sock *sk, int fd, bool chosen)
{
	struct own_name name;
	int err;

	err = kernel_name(sk, fd, &name);
	return err ? err : bound_to(sk, fd, &name, chosen);
}

/* Lets the kernel socket bind to an address that only the stack has. */
static int set_freebind(const struct s7_sock *sk, int fd)
{
	long err = 0, err4;
	int on = 1;

	if (sk->domain == AF_INET6)
		err = s7_sys6(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_FREEBIND, (long)&on,
			      sizeof(on), 0);
	err4 = s7_sys6(SYS_setsockopt, fd, IPPROTO_IP, IP_FREEBIND, (long)&on, sizeof(on), 0);
	return (int)(sk->domain == AF_INET6 && sk->proto == PROTO_RAW ? err : err4);
}

static bool stack_has(struct s7_sock *sk, const struct sockaddr *addr, socklen_t len)
{
	struct own_name name;

	return !name_read(sk, addr, len, &name) &&
	       side_of(sk, &name.ip, name.device) != SIDE_KERNEL;
}

/* A link-local address on a link that the kernel does not know, but the stack does. */
static bool beyond_kernel(struct s7_sock *sk, const struct sockaddr *addr, socklen_t len,
			  struct own_name *ret_name)
{
	return !name_read(sk, addr, len, ret_name) && ip_is_link_local6(&ret_name->ip) &&
	       ret_name->device && ret_name->device != SOCK_DEVICE_KERNEL;
}

/* Ports that not everybody may have: a kernel socket that is thrown away is asked. */
static int may_have_port(const struct s7_sock *sk, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	long fd = s7_sys3(SYS_socket, AF_INET6, sk->type | SOCK_CLOEXEC, sk->protocol), err;

	if (fd < 0)
		return 0; /* nobody to ask: the port table judges */
	err = s7_sys3(SYS_bind, fd, &any, sizeof(any));
	s7_sys1(SYS_close, fd);
	return err == -EACCES ? -EACCES : 0;
}

/* bind(2) without the kernel: the port table alone judges. */
static int bind_beyond(struct s7_sock *sk, int fd, struct own_name *name)
{
	static const struct s7_ip nobody;
	bool chosen = name->port;
	int err;

	if (side_of(sk, &name->ip, name->device) != SIDE_STACK)
		return -EADDRNOTAVAIL;
	err = chosen ? may_have_port(sk, name->port) : 0;
	if (err)
		return err;
	if (!chosen) {
		inst_lock(sk->inst, host_now());
		name->port = sk_pick_port(sk, &name->ip, &nobody, 0);
		inst_unlock(sk->inst);
		if (!name->port)
			return -EADDRINUSE;
	}
	return bound_to(sk, fd, name, chosen);
}

/* The stack's socket was bound and is no more; its kernel socket may still be. */
static bool fd_keeps_port(const struct s7_sock *sk)
{
	return sk->proto == PROTO_TCP && !(sk->bits & SKB_BOUND) && sk->flow.lport;
}

/* bind(2) on the kernel socket, with IP_FREEBIND when the kernel lacks the address and the stack
 * has it. */
static int kernel_bind(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len)
{
	long err = s7_sys3(SYS_bind, fd, addr, len);

	if (err == -EINVAL && fd_keeps_port(sk)) {
		/* the only way to make the kernel let go of a port that it chose */
		s7_sys2(SYS_listen, fd, 0);
		s7_sys2(SYS_shutdown, fd, SHUT_RD);
		err = s7_sys3(SYS_bind, fd, addr, len);
	}
	if (err != -EADDRNOTAVAIL || !stack_has(sk, addr, len))
		return (int)err;
	err = set_freebind(sk, fd);
	if (!err)
		err = s7_sys3(SYS_bind, fd, addr, len);
	return (int)err;
}

/* The program named the port: it stays over a disconnect. The same place in both families. */
static bool port_chosen(const struct sockaddr *addr)
{
	return ((const struct sockaddr_in *)addr)->sin_port != 0;
}

/* What IPv6 says before it looks whether the socket is bound already; IPv4 looks last. */
static bool comes_first(const struct s7_sock *sk, int err)
{
	if (sk->domain == AF_INET6)
		return err == -EAFNOSUPPORT || err == -EACCES || err == -EFAULT;
	return err && err != -EADDRINUSE;
}

/* A bound socket cannot be bound, but what is wrong with the address comes first. */
static int bind_refused(struct s7_sock *sk, const struct sockaddr *addr, socklen_t len)
{
	long fd = s7_sys3(SYS_socket, sk->domain, sk->type | SOCK_CLOEXEC, sk->protocol), err;

	if (fd < 0)
		return -EINVAL;
	err = kernel_bind(sk, (int)fd, addr, len);
	s7_sys1(SYS_close, fd);
	return comes_first(sk, (int)err) ? (int)err : -EINVAL;
}

int kernel_side_bind(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct own_name name;
	int err;

	if (sk->proto == PROTO_RAW && sk->bits & SKB_CONNECTED)
		return -EINVAL;
	if ((sk->proto != PROTO_RAW && sk->bits & (SKB_BOUND | SKB_CONNECTED)) ||
	    (sk->file.side != SIDE_OPEN && sock_was_accepted(sk)))
		return bind_refused(sk, addr, len);
	for (int try = 0; try < SOURCE_TRIES; try++) {
		err = kernel_bind(sk, fd, addr, len);
		if (err == -ENODEV && beyond_kernel(sk, addr, len, &name))
			return bind_beyond(sk, fd, &name);
		if (err)
			return err;
		err = kernel_side_bound(sk, fd, port_chosen(addr));
		/*
		 * A port that is free in the kernel alone: its socket is closed, but a call still
		 * waits on it.
		 */
		if (err != -EADDRINUSE || port_chosen(addr))
			return err;
	}
	return -EADDRINUSE;
}

static void kernel_no_port(int fd, int on)
{
	s7_sys6(SYS_setsockopt, fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, (long)&on, sizeof(on), 0);
}

int kernel_side_autobind(struct s7_sock *sk, int fd)
{
	struct sockaddr_storage any = { .ss_family = sk->domain };
	socklen_t len = sk->domain == AF_INET6 ? sizeof(struct sockaddr_in6) :
						 sizeof(struct sockaddr_in);
	bool no_port = sk_ext_has(sk, EXT_NO_PORT);
	int err;

	if (sk_ext_has(sk, EXT_ADDR_ONLY)) {
		len = sizeof(any);
		sock_addr_write(sk, &sk->bind.ip, 0, sk->bound_iface, (struct sockaddr *)&any,
				&len);
	}
	/* now the port is wanted */
	if (no_port)
		kernel_no_port(fd, 0);
	err = kernel_side_bind(sk, fd, (struct sockaddr *)&any, len);
	if (no_port && fd_get(fd) == &sk->file)
		kernel_no_port(fd, 1);
	return err;
}

void kernel_side_again(struct s7_sock *sk, int fd)
{
	enum s7_side side = SIDE_OPEN;

	if (sk->bits & SKB_BOUND)
		side = side_of(sk, &sk->bind.ip, sk->bound_iface);

	if (side == SIDE_OPEN && sk->file.side != SIDE_OPEN && sock_was_accepted(sk))
		fresh_kernel_socket(sk, fd); /* the placeholder is everybody's */
	sk->file.side = side == SIDE_KERNEL ? SIDE_STACK : side;
}

/*
 * Reserves (ip, *port) in the kernel, so that no kernel socket uses it while the stack does. A
 * kernel socket that an earlier connection bound keeps its port: *port becomes that.
 */
static int kernel_reserve(struct s7_sock *sk, int fd, const struct s7_ip *ip, uint16_t *port)
{
	struct sockaddr_storage name = { 0 };
	socklen_t len = sizeof(name);
	struct own_name had;
	long err;

	sock_addr_write(sk, ip, *port, sk->bound_iface, (struct sockaddr *)&name, &len);
	err = s7_sys3(SYS_bind, fd, &name, len);
	if (err != -EINVAL)
		return (int)err;
	err = kernel_name(sk, fd, &had);
	if (!err)
		*port = had.port;
	return (int)err;
}

int kernel_side_source(struct s7_sock *sk, int fd, const struct s7_ip *dst, uint16_t dport)
{
	struct s7_ip src;
	uint16_t port;
	bool shared;
	int try, err;

	if (sk->bits & SKB_BOUND)
		return 0;
	if (sk->proto != PROTO_TCP)
		return kernel_side_autobind(sk, fd);
	err = sock_route_source(sk, dst, host_now(), &src, &shared);
	if (err)
		return err;
	for (try = 0; try < SOURCE_TRIES; try++) {
		inst_lock(sk->inst, host_now());
		port = sk_pick_port(sk, &src, dst, dport);
		inst_unlock(sk->inst);
		if (!port)
			return -EADDRNOTAVAIL;
		err = shared ? kernel_reserve(sk, fd, &src, &port) : 0;
		if (!err)
			err = sock_bind(sk, &src, port, host_now());
		if (err != -EADDRINUSE)
			return err;
	}
	return -EADDRNOTAVAIL;
}

/* Would a kernel socket get this datagram, also one that is connected to the sender? */
static bool kernel_hears(const struct s7_sock *sk, const struct s7_ip *dst, uint16_t port)
{
	struct kern_sender from = { sk->flow.local, sk->flow.lport };

	if (ip_is_any(&from.ip)) /* on lo a host speaks to itself */
		from.ip = *dst;
	return kern_port_served(IPPROTO_UDP, dst, port, from.port ? &from : NULL) > 0;
}

int kernel_side_owner(struct s7_sock *sk, const struct s7_ip *dst, uint16_t port, uint32_t device)
{
	int owner = sock_route_owner(sk, dst, device, host_now());

	if (owner != ROUTE_STACK || !sk->inst->params.loopback_stack || !fallback(sk) ||
	    sock_is_raw(sk) || !sock_nobody_at(sk, dst, port, host_now()))
		return owner;
	if (sk->proto == PROTO_TCP)
		return kern_port_served(IPPROTO_TCP, dst, port, NULL) > 0 ? ROUTE_KERNEL :
									    ROUTE_STACK;
	/* what the kernel finds may stand behind a connected socket of the stack */
	if (!kernel_hears(sk, dst, port) || sock_peer_at(sk, port, host_now()))
		return ROUTE_STACK;
	return ROUTE_KERNEL;
}

int kernel_side_for_send(struct s7_sock *sk, int fd, const struct s7_ip *dst, uint16_t port,
			 uint32_t device)
{
	int owner = kernel_side_owner(sk, dst, port, device), err;

	if (owner < 0)
		return owner;
	if (owner == ROUTE_NONE || (owner == ROUTE_KERNEL && !fallback(sk)))
		return -ENETUNREACH;
	if (!(sk->bits & SKB_BOUND)) {
		err = kernel_side_autobind(sk, fd);
		if (err)
			return err;
	}
	return owner == ROUTE_KERNEL || sk->file.side == SIDE_KERNEL;
}

int kernel_side_listen(struct s7_sock *sk, int fd, int backlog)
{
	long flags, err;

	if (sk->file.side != SIDE_DUAL)
		return 0;
	/* accept looks at both queues: the kernel's must never block */
	flags = s7_sys3(SYS_fcntl, fd, F_GETFL, 0);
	if (flags >= 0 && !(flags & O_NONBLOCK))
		s7_sys3(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
	err = s7_sys2(SYS_listen, fd, backlog);
	return (int)err;
}
