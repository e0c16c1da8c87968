/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_opt.c - options, names, shutdown, ioctl and fcntl of sockets of the stack
 *
 * setsockopt: while the kernel socket behind is the program's own (side open or dual) it is asked
 * first, so that privileges, ranges and errno are the kernel's, and it stays in step. An option
 * that only the kernel has decides an open socket: it is handed over. A socket that the stack
 * already serves gets ENOPROTOOPT and a line in the log. An accepted connection has no kernel
 * socket of its own: the stack judges alone, and where a privilege is asked a fresh kernel socket
 * tells. fcntl: descriptor flags are the real descriptor's; status flags are the file's, kept in
 * step with the kernel's where it has one of its own (a listening dual socket's stays
 * non-blocking, see kernel_side.c).
 * Context: any thread, no lock held.
 * Defines: setsockopt getsockopt getsockname getpeername shutdown ioctl fcntl fcntl64.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "shim/bpf.h"
#include "shim/internal.h"
#include "shim/io.h"
#include "shim/packet.h"
#include "stack/base/sys.h"
#include "stack/base/user.h"

#define STATUS_FLAGS ((uint32_t)(O_NONBLOCK | O_ASYNC | O_APPEND | O_NOATIME))
#define ASIDE_FD 700
#define STACK_NO_IOCTL (-515) /* ENOIOCTLCMD */

/* The program's own kernel socket stands behind: not the placeholder of accepted connections. */
static bool has_own_kernel(const struct s7_sock *sk)
{
	return sk->file.side == SIDE_OPEN || sk->file.side == SIDE_DUAL || sock_is_raw(sk);
}

/* ---- setsockopt ---- */

static long kernel_set(int fd, int level, int name, const void *val, socklen_t len)
{
	return s7_sys6(SYS_setsockopt, fd, level, name, (long)val, len, 0);
}

/* Would the kernel let this process? Asks a socket that is thrown away. */
static int kernel_allows(const struct s7_sock *sk, int level, int name, const void *val,
			 socklen_t len)
{
	long fd = s7_sys3(SYS_socket, sk->domain, sk->type | SOCK_CLOEXEC, sk->protocol), err;
	long high;
	static const int one = 1;

	if (fd < 0)
		return 0; /* no descriptor to ask with: the stack's own judgement stands */
	/* out of the way: a value may be the number of a descriptor, and mean one of the program */
	high = s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, ASIDE_FD);
	if (high >= 0) {
		s7_sys1(SYS_close, fd);
		fd = high;
	}
	if (sk->more & SKM_LOCK_FILTER)
		kernel_set((int)fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one));
	if (level == SOL_SOCKET && /* the rest is the stack's */
	    (name == SO_ATTACH_REUSEPORT_CBPF || name == SO_ATTACH_REUSEPORT_EBPF))
		kernel_set((int)fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	err = kernel_set((int)fd, level, name, val, len);
	s7_sys1(SYS_close, fd);
	return (int)err;
}

/*
 * Nothing has happened on it yet that the kernel would not know of: it is fresh, or bound to a name
 * that the kernel has too.
 */
static bool may_hand_over(struct s7_sock *sk)
{
	const uint32_t busy = SKB_CONNECTED | SKB_LISTENING;
	enum s7_side side = sk->file.side;

	if (side == SIDE_OPEN)
		return true;
	if (sock_is_used(sk))
		return false; /* its peers are on the stack's side */
	if (!(sk->bits & SKB_BOUND) || sk->bits & busy || sock_was_accepted(sk) ||
	    sk_ops(sk)->inq(sk))
		return false;
	return side == SIDE_DUAL || (side == SIDE_STACK && ip_is_loopback(&sk->bind.ip));
}

/* The kernel has taken an option that the stack has not. */
static int only_kernel(struct s7_sock *sk, int fd, int level, int name, const void *val,
		       socklen_t len)
{
	int err;

	if (sk->inst->params.kernel_fallback && may_hand_over(sk)) {
		if (!has_own_kernel(sk)) {
			err = (int)kernel_set(fd, level, name, val, len);
			if (err)
				return err;
		}
		shim_log(LOG_INFO,
			 "descriptor %d goes to the kernel: only it has option %d of level %d", fd,
			 name, level);
		kernel_side_hand_over(sk, fd);
		return 0;
	}
	if (!has_own_kernel(sk)) {
		err = kernel_allows(sk, level, name, val, len);
		if (err)
			return err; /* nobody would have it */
	}
	shim_log(LOG_WARN, "descriptor %d: option %d of level %d is not to be had on the stack", fd,
		 name, level);
	return -ENOPROTOOPT;
}

/*
 * What Linux has no effect for on internet sockets: the kernel socket behind keeps it. The one of
 * accepted connections is everybody's, so one that agrees comes in its place.
 */
static int set_behind(struct s7_sock *sk, int fd, int level, int name, const void *val,
		      socklen_t len)
{
	int err;

	if (sk->file.side == SIDE_STACK && sock_was_accepted(sk)) {
		err = kernel_allows(sk, level, name, val, len);
		if (err)
			return err;
		kernel_side_own(sk, fd);
	}
	return (int)kernel_set(fd, level, name, val, len);
}

/*
 * Multicast: the kernel socket behind joins too, so that on a shared netdev the NIC and the switch
 * pass the group's frames, and so that groups on the kernel's own interfaces are received. An
 * interface that the kernel does not know is the stack's alone.
 */
static int set_group(struct s7_sock *sk, int fd, int level, int name, const void *val,
		     socklen_t len)
{
	long kernel = kernel_set(fd, level, name, val, len);
	struct sock_mc_way before;
	int err;

	if (kernel < 0 && kernel != -ENODEV && kernel != -EADDRNOTAVAIL)
		return (int)kernel;
	before = sock_mc_way(sk);
	err = sock_setsockopt(sk, level, name, val, len, host_now());
	if (err == OPT_ASK_KERNEL) {
		if (kernel < 0)
			sock_mc_way_back(sk, &before, host_now());
		return (int)kernel;
	}
	return err == -EADDRNOTAVAIL ? (int)kernel : err;
}

static bool is_device_option(int level, int name)
{
	return level == SOL_SOCKET && (name == SO_BINDTODEVICE || name == SO_BINDTOIFINDEX);
}

/* Raw sockets: an interface that the kernel does not know, or that is no more the only one. */
static int set_device(struct s7_sock *sk, int fd, int name, const void *val, socklen_t len)
{
	int err = (int)kernel_set(fd, SOL_SOCKET, name, val, len);

	if (err && err != -ENODEV)
		return err;
	if (sock_setsockopt(sk, SOL_SOCKET, name, val, len, host_now()) == OPT_ASK_KERNEL)
		return err ? err : only_kernel(sk, fd, SOL_SOCKET, name, val, len);
	kernel_side_raw(sk, fd);
	return 0;
}

/*
 * An option for the kernel's half. A device that the kernel has never heard of has a number all the
 * same: bound by that, the half hears nothing, and its port is in the way of no other device's.
 */
static int kernel_half_set(int fd, int level, int name, const void *val, socklen_t len)
{
	int err = (int)kernel_set(fd, level, name, val, len), index;
	char device[IFNAMSIZ] = "";

	if (s7_likely(err != -ENODEV) || level != SOL_SOCKET || name != SO_BINDTODEVICE ||
	    !user_get(device, val, s7_min(len, sizeof(device) - 1)) ||
	    !ifname_by_name(device, &index))
		return err;
	return kernel_set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index)) ? err : 0;
}

static int set_option(struct s7_sock *sk, int fd, int level, int name, const void *val,
		      socklen_t len)
{
	bool own = has_own_kernel(sk);
	int err = 0;

	if (s7_unlikely(sock_is_raw(sk)) && is_device_option(level, name))
		return set_device(sk, fd, name, val, len);

	if (bpf_is_attach(level, name) && bpf_prog_judge(val, len, -1)) {
		err = kernel_allows(sk, level, name, val, len);
		return err ? err : bpf_prog_judge(val, len, fd);
	}
	if (level == IPPROTO_TCP && name == TCP_FASTOPEN_CONNECT)
		fastopen_refresh(sk, fd); /* whether clients may */
	if (sock_option_is_behind(sk, level, name)) {
		err = set_behind(sk, fd, level, name, val, len);
		if (!err && level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY)
			fastopen_refresh(sk, fd);
		return err;
	}
	if (s7_unlikely(sock_option_is_lease(sk, level, name))) {
		err = set_behind(sk, fd, level, name, val, len);
		return err ? err : sock_setsockopt(sk, level, name, val, len, host_now());
	}
	if (sock_option_is_group(sk, level, name))
		return set_group(sk, fd, level, name, val, len);
	if (own)
		err = kernel_half_set(fd, level, name, val, len);
	else if (sock_option_needs_kernel(sk, level, name))
		err = kernel_allows(sk, level, name, val, len);
	if (err < 0)
		return err;
	err = sock_setsockopt(sk, level, name, val, len, host_now());
	if (!err && level == IPPROTO_TCP && name == TCP_FASTOPEN)
		fastopen_refresh(sk, fd); /* its keys */
	if (!err && level == IPPROTO_IPV6 && name == IPV6_ADDRFORM)
		kernel_side_new_family(sk, fd);
	return err == OPT_ASK_KERNEL ? only_kernel(sk, fd, level, name, val, len) : err;
}

S7_EXPORT int setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct s7_sock *sk = fd_hold_sock(fd);
	int err;

	if (!sk)
		return early_setsockopt(fd, level, name, val, len);
	err = is_packet(sk) ? packet_setsockopt(sk, fd, level, name, val, len) :
			      set_option(sk, fd, level, name, val, len);
	fd_unhold(&sk->file);
	return (int)ret_errno(err);
}

/* What only the stack knows of a raw socket that it serves. */
static bool is_live(int level, int name)
{
	static const struct {
		int level, name;
	} live[] = {
		{ SOL_SOCKET, SO_ERROR },	 { SOL_SOCKET, SO_MEMINFO },
		{ SOL_SOCKET, SO_INCOMING_CPU }, { SOL_SOCKET, SO_PEERNAME },
		{ SOL_SOCKET, SO_BINDTODEVICE }, { SOL_SOCKET, SO_BINDTOIFINDEX },
		{ IPPROTO_IP, IP_MTU },		 { IPPROTO_IPV6, IPV6_MTU },
		{ IPPROTO_IPV6, IPV6_PATHMTU },
	};

	for (size_t i = 0; i < S7_ARRAY_LEN(live); i++)
		if (live[i].level == level && live[i].name == name)
			return true;
	return false;
}

/*
 * The kernel's half of a raw socket was given every option too: it answers, with the lengths and
 * errors of its protocol, but for what happens on the stack alone.
 */
static int get_raw(struct s7_sock *sk, int fd, int level, int name, void *val, socklen_t *len)
{
	uint32_t room = 0, pending = 0;
	long err;

	user_get32(&room, len);
	err = s7_sys6(SYS_getsockopt, fd, level, name, (long)val, (long)len, 0);
	if (!is_live(level, name) || err == -EFAULT || err == -EINVAL || err == -ENOPROTOOPT)
		return (int)err;
	if (!err && name == SO_ERROR && level == SOL_SOCKET && user_get32(&pending, val) && pending)
		return 0;
	user_put(len, &room, sizeof(room));
	return sock_getsockopt(sk, level, name, val, len, host_now());
}

/* What a program set by netlink a moment ago shall be seen: the keeper might come too late. */
static bool is_mtu(int level, int name)
{
	return (level == IPPROTO_IP && name == IP_MTU) ||
	       (level == IPPROTO_IPV6 && (name == IPV6_MTU || name == IPV6_PATHMTU));
}

S7_EXPORT int getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct s7_sock *sk = fd_hold_sock(fd);
	int err;

	if (!sk)
		return real.getsockopt(fd, level, name, val, len);
	if (s7_unlikely(is_mtu(level, name)))
		keeper_look_at_kernel();
	if (is_packet(sk))
		err = packet_getsockopt(sk, fd, level, name, val, len);
	else if (s7_unlikely(sock_is_raw(sk)))
		err = get_raw(sk, fd, level, name, val, len);
	else
		err = sock_getsockopt(sk, level, name, val, len, host_now());
	fd_unhold(&sk->file);
	if (err == OPT_ASK_KERNEL)
		return real.getsockopt(fd, level, name, val, len);
	return (int)ret_errno(err);
}

/* ---- names ---- */

#define NAME_KERNEL 1 /* the kernel shall tell it */

S7_EXPORT int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct s7_sock *sk = fd_hold_sock(fd);
	int err = NAME_KERNEL;

	/* unbound: the kernel's answer is the same */
	if (sk && is_packet(sk) && sk->file.side == SIDE_STACK)
		err = packet_getname(sk, addr, len);
	else if (sk && !is_packet(sk) && (sk->file.side != SIDE_OPEN || sk->flow.lport))
		err = sock_getname(sk, false, addr, len);
	if (sk)
		fd_unhold(&sk->file);
	return err == NAME_KERNEL ? real.getsockname(fd, addr, len) : (int)ret_errno(err);
}

S7_EXPORT int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct s7_sock *sk = fd_hold_sock(fd);
	int err = NAME_KERNEL;

	if (sk && sk->file.side != SIDE_OPEN && !is_packet(sk))
		err = sock_getname(sk, true, addr, len);
	if (sk)
		fd_unhold(&sk->file);
	return err == NAME_KERNEL ? real.getpeername(fd, addr, len) : (int)ret_errno(err);
}

S7_EXPORT int shutdown(int fd, int how)
{
	struct s7_sock *sk = fd_hold_sock(fd);
	bool twin;
	int err;

	if (!sk)
		return real.shutdown(fd, how);
	twin = io_has_twin(sk); /* a listener is none afterwards */
	err = is_packet(sk) ? -EOPNOTSUPP : sock_shutdown(sk, how, host_now());
	/* a listener or a receiver stops on the kernel's side too */
	if ((!err || (err == -ENOTCONN && sock_is_raw(sk))) && twin)
		s7_sys2(SYS_shutdown, fd, how);
	fd_unhold(&sk->file);
	return (int)ret_errno(err);
}

/* ---- status flags ---- */

/*
 * The kernel socket's own bits, where it is the program's and not a listener that must not block.
 */
static int kernel_status(struct s7_sock *sk, int fd, uint32_t status)
{
	bool listening = sk->file.side == SIDE_DUAL && (sk->bits & SKB_LISTENING);
	long flags, err;

	if (!has_own_kernel(sk))
		return 0;
	flags = s7_sys3(SYS_fcntl, fd, F_GETFL, 0);
	if (flags < 0)
		return (int)flags;
	flags = (flags & ~(long)STATUS_FLAGS) | (long)status;
	if (listening)
		flags |= O_NONBLOCK;
	err = s7_sys3(SYS_fcntl, fd, F_SETFL, flags);
	return (int)err;
}

static int status_change(struct s7_sock *sk, int fd, uint32_t clear, uint32_t set)
{
	uint32_t old = atomic_load(&sk->file.status);
	uint32_t status = ((old & ~clear) | set) & STATUS_FLAGS;
	int err;

	err = kernel_status(sk, fd, status);
	if (err >= 0 && ((status ^ old) & O_ASYNC))
		err = owner_async(sk, fd, status & O_ASYNC);
	if (err < 0)
		return err;
	atomic_store(&sk->file.status, status);
	return 0;
}

/* ---- ioctl ---- */

static int ioctl_flag(struct s7_sock *sk, int fd, uint32_t flag, const void *arg)
{
	int on;

	if (!user_get(&on, arg, sizeof(on)))
		return -EFAULT;
	return status_change(sk, fd, flag, on ? flag : 0);
}

/*
 * What a socket of datagrams was given lies on the kernel's side, or it is a ping socket: those
 * have no queues to ask for.
 */
static bool kernel_knows(struct s7_sock *sk, unsigned long request)
{
	bool in = request == SIOCINQ, out = request == SIOCOUTQ;

	if (sk->proto == PROTO_PING && (in || out))
		return true;
	if (sk->type == SOCK_STREAM || sk->file.side != SIDE_DUAL)
		return false;
	return (in && !sk_ops(sk)->inq(sk)) || (out && !sk_ops(sk)->outq(sk));
}

/* The kernel's half may have given the program the only packet that there was. */
static bool kernel_has_stamp(const struct s7_sock *sk, unsigned long request, int err)
{
	return err == -ENOENT && sk->type != SOCK_STREAM && sk->file.side == SIDE_DUAL &&
	       sock_asks_stamp(request);
}

static int ioctl_sock(struct s7_sock *sk, int fd, unsigned long request, void *arg)
{
	int err;

	if (request == FIONBIO)
		return ioctl_flag(sk, fd, O_NONBLOCK, arg);
	if (request == FIOASYNC)
		return ioctl_flag(sk, fd, O_ASYNC, arg);
	err = owner_ioctl(sk, fd, request, arg);
	if (err != OWNER_NOT_ASKED)
		return err;
	if (kernel_knows(sk, request))
		return STACK_NO_IOCTL;
	err = sock_ioctl(sk, request, arg, host_now());
	return kernel_has_stamp(sk, request, err) ? STACK_NO_IOCTL : err;
}

/* Interfaces that only sock7 has are what the kernel does not know. */
static int ioctl_kernel(int fd, unsigned long request, void *arg)
{
	int saved = errno, room = 0, ret, err;

	if (s7_unlikely(request == SIOCGIFCONF) && fault_owns(SIGSEGV) &&
	    user_readable(arg, sizeof(struct ifconf)))
		room = ((const struct ifconf *)arg)->ifc_len;
	ret = real.ioctl(fd, request, arg);
	if (s7_unlikely(request == SIOCGIFCONF) && !ret)
		ifname_conf(arg, room);
	if (s7_unlikely(request == SIOCSIFMTU) && !ret && boot_running())
		boot_adopt_mtu(); /* who sets it need not wait for the keeper */
	if (s7_likely(ret >= 0 || errno != ENODEV))
		return ret;
	err = ifname_ioctl(request, arg);
	if (err == IFNAME_NOT_OURS)
		return (int)ret_errno(-ENODEV);
	errno = saved;
	return (int)ret_errno(err);
}

S7_EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct s7_sock *sk = fd_hold_sock(fd);
	va_list args;
	void *arg;
	int err;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!sk)
		return ioctl_kernel(fd, request, arg);
	err = ioctl_sock(sk, fd, request, arg);
	fd_unhold(&sk->file);
	/* interfaces, owners, close-on-exec: the kernel's socket answers */
	if (err == STACK_NO_IOCTL)
		return ioctl_kernel(fd, request, arg);
	return (int)ret_errno(err);
}

/* ---- fcntl ---- */

static int fcntl_getfl(struct s7_sock *sk, int fd)
{
	long flags = s7_sys3(SYS_fcntl, fd, F_GETFL, 0);

	if (flags < 0)
		return (int)flags;
	return (int)((flags & ~(long)STATUS_FLAGS) | (long)atomic_load(&sk->file.status));
}

/* 0 and the value, -errno, OWNER_NOT_ASKED: the kernel's to do. */
static int fcntl_sock(struct s7_sock *sk, int fd, int cmd, void *arg, int *ret_value)
{
	*ret_value = 0;
	if (cmd == F_SETFL && (uintptr_t)arg & O_DIRECT)
		return -EINVAL; /* before anything is changed */
	if (cmd == F_SETFL)
		return status_change(sk, fd, STATUS_FLAGS, (uint32_t)(uintptr_t)arg & STATUS_FLAGS);
	if (cmd != F_GETFL)
		return owner_fcntl(sk, fd, cmd, arg, ret_value);
	*ret_value = fcntl_getfl(sk, fd);
	return *ret_value < 0 ? *ret_value : 0;
}

static int fcntl_any(int fd, int cmd, void *arg)
{
	bool is_dup = cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
	struct s7_sock *sk;
	int err, value;

	if (is_dup)
		fd_adopt(fd, NULL, 0);
	if (is_dup && fd_get(fd))
		return (int)ret_errno(fd_dup(fd, cmd, (long)arg));
	sk = is_dup ? NULL : fd_hold_sock(fd);
	if (!sk)
		return real.fcntl(fd, cmd, arg);
	err = fcntl_sock(sk, fd, cmd, arg, &value);
	fd_unhold(&sk->file);
	if (err == OWNER_NOT_ASKED)
		return real.fcntl(fd, cmd, arg);
	return err ? (int)ret_errno(err) : value;
}

S7_EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	return fcntl_any(fd, cmd, arg);
}

S7_EXPORT int fcntl64(int fd, int cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	return fcntl_any(fd, cmd, arg);
}
