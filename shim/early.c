/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * early.c - internet sockets made before the stack runs
 *
 * Idea: a socket is the kernel's until a call decides whose it is, so starting the stack can wait
 * for the first bind, connect, sendto or epoll_ctl that could be the stack's; a program that only
 * talks to 127.0.0.1 never starts it. Until then options live in the kernel socket; when the stack
 * starts, every remembered descriptor becomes a socket of the stack with the options that differ
 * from a fresh kernel socket's (no list of defaults to keep), and with its binding. A descriptor
 * that the kernel got for good (bound or connected to its addresses, or given an option that only
 * the kernel has) is forgotten. A thread that waits for datagrams starts the stack too: asleep in
 * the kernel it would never hear what another thread's bind or send brings to the stack's half.
 * Bound: descriptors below EARLY_MAX; a higher one starts the stack at once. A child forked before
 * the start decides for itself. Context: any thread; the bitmap is atomic, adoption runs under
 * boot.c's lock.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include "shim/packet.h"
#include "stack/base/user.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3 */
#endif
#define EARLY_MAX 4096
#define OPT_BYTES_MAX 32

uint32_t s7_early_count;
static uint64_t early[EARLY_MAX / 64];

static bool early_has(int fd)
{
	return (uint32_t)fd < EARLY_MAX && (early[fd / 64] >> (fd % 64) & 1);
}

void early_note(int fd)
{
	uint64_t bit = 1ull << (fd % 64);

	if ((uint32_t)fd >= EARLY_MAX) {
		boot_stack();
		return;
	}
	if (!(__atomic_fetch_or(&early[fd / 64], bit, __ATOMIC_ACQ_REL) & bit))
		__atomic_fetch_add(&s7_early_count, 1, __ATOMIC_RELAXED);
}

void early_forget(int fd)
{
	uint64_t bit = 1ull << (fd % 64);

	if (early_has(fd) && (__atomic_fetch_and(&early[fd / 64], ~bit, __ATOMIC_ACQ_REL) & bit))
		__atomic_fetch_sub(&s7_early_count, 1, __ATOMIC_RELAXED);
}

void early_forget_range(uint32_t first, uint32_t last)
{
	uint32_t fd;

	for (fd = first; fd <= last && fd < EARLY_MAX && s7_early_count; fd++)
		early_forget((int)fd);
}

void early_drop_all(void)
{
	early_forget_range(0, EARLY_MAX - 1);
}

/*
 * What carries over. `force`: the kernel has judged the value and shows twice of it; this is the
 * name that takes it as it is.
 */
static const struct early_opt {
	int level, name, force;
} early_opts[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 0 },
	{ SOL_SOCKET, SO_REUSEPORT, 0 },
	{ SOL_SOCKET, SO_KEEPALIVE, 0 },
	{ SOL_SOCKET, SO_BROADCAST, 0 },
	{ SOL_SOCKET, SO_DONTROUTE, 0 },
	{ SOL_SOCKET, SO_OOBINLINE, 0 },
	{ SOL_SOCKET, SO_LINGER, 0 },
	{ SOL_SOCKET, SO_RCVTIMEO, 0 },
	{ SOL_SOCKET, SO_SNDTIMEO, 0 },
	{ SOL_SOCKET, SO_RCVBUF, SO_RCVBUFFORCE },
	{ SOL_SOCKET, SO_SNDBUF, SO_SNDBUFFORCE },
	{ SOL_SOCKET, SO_RCVLOWAT, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPNS, 0 },
	{ SOL_SOCKET, SO_RXQ_OVFL, 0 },
	{ SOL_SOCKET, SO_SELECT_ERR_QUEUE, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPING, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, 0 },
	{ SOL_SOCKET, SO_ZEROCOPY, 0 },
	{ SOL_SOCKET, SO_BINDTODEVICE, 0 },
	{ SOL_SOCKET, SO_DEBUG, 0 },
	{ SOL_SOCKET, SO_NO_CHECK, 0 },
	{ IPPROTO_IP, IP_TOS, 0 },
	{ SOL_SOCKET, SO_PRIORITY, 0 }, /* after IP_TOS, which sets it */
	{ SOL_SOCKET, SO_MARK, 0 },
	{ SOL_SOCKET, SO_BUSY_POLL, 0 },
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL, 0 },
	{ SOL_SOCKET, SO_INCOMING_CPU, 0 },
	{ SOL_SOCKET, SO_PEEK_OFF, 0 },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, 0 },
	{ SOL_SOCKET, SO_TXTIME, 0 },
	{ IPPROTO_IP, IP_TTL, 0 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, 0 },
	{ IPPROTO_IP, IP_PKTINFO, 0 },
	{ IPPROTO_IP, IP_RECVTTL, 0 },
	{ IPPROTO_IP, IP_RECVTOS, 0 },
	{ IPPROTO_IP, IP_FREEBIND, 0 },
	{ IPPROTO_IP, IP_MULTICAST_TTL, 0 },
	{ IPPROTO_IP, IP_RECVERR, 0 },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0 },
	{ IPPROTO_IP, IP_LOCAL_PORT_RANGE, 0 },
	{ IPPROTO_IP, IP_MINTTL, 0 },
	{ IPPROTO_IP, IP_PASSSEC, 0 },
	{ IPPROTO_IP, IP_RECVORIGDSTADDR, 0 },
	{ IPPROTO_IP, IP_TRANSPARENT, 0 },
	{ IPPROTO_IP, IP_UNICAST_IF, 0 },
	{ IPPROTO_IP, IP_MULTICAST_ALL, 0 },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, 0 },
	{ IPPROTO_IP, IP_RECVERR_RFC4884, 0 },
	{ IPPROTO_IPV6, IPV6_V6ONLY, 0 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 0 },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 0 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0 },
	{ IPPROTO_IPV6, IPV6_TCLASS, 0 },
	{ IPPROTO_IPV6, IPV6_RECVERR, 0 },
	{ IPPROTO_IPV6, IPV6_MINHOPCOUNT, 0 },
	{ IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 0 },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, 0 },
	{ IPPROTO_IPV6, IPV6_UNICAST_IF, 0 },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 0 },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0 },
	{ IPPROTO_UDP, UDP_CORK, 0 },
	{ IPPROTO_UDP, UDP_GRO, 0 },
	{ IPPROTO_UDP, UDP_SEGMENT, 0 },
	{ IPPROTO_IPV6, IPV6_RECVERR_RFC4884, 0 },
	{ IPPROTO_IPV6, IPV6_2292PKTINFO, 0 },
	{ IPPROTO_IPV6, IPV6_2292HOPLIMIT, 0 },
	{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0 },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, 0 },
	{ IPPROTO_IPV6, IPV6_FREEBIND, 0 },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0 },
	{ SOL_PACKET, PACKET_AUXDATA, 0 },
	{ SOL_PACKET, PACKET_ORIGDEV, 0 },
	{ SOL_PACKET, PACKET_VERSION, 0 },
	{ SOL_PACKET, PACKET_RESERVE, 0 },
	{ SOL_PACKET, PACKET_LOSS, 0 },
	{ SOL_PACKET, PACKET_TIMESTAMP, 0 },
	{ SOL_PACKET, PACKET_QDISC_BYPASS, 0 },
	{ SOL_PACKET, PACKET_IGNORE_OUTGOING, 0 },
	{ IPPROTO_TCP, TCP_NODELAY, 0 },
	{ IPPROTO_TCP, TCP_CORK, 0 },
	{ IPPROTO_TCP, TCP_MAXSEG, 0 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, 0 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 0 },
	{ IPPROTO_TCP, TCP_KEEPCNT, 0 },
	{ IPPROTO_TCP, TCP_SYNCNT, 0 },
	{ IPPROTO_TCP, TCP_LINGER2, 0 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, 0 },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, 0 },
	{ IPPROTO_TCP, TCP_QUICKACK, 0 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 0 },
	{ IPPROTO_TCP, TCP_CONGESTION, 0 },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0 },
	{ IPPROTO_TCP, TCP_FASTOPEN, 0 },
	{ IPPROTO_TCP, TCP_INQ, 0 },
	{ IPPROTO_TCP, TCP_SAVE_SYN, 0 },
};

static bool carries_over(int level, int name)
{
	size_t i;

	if (sock_option_is_behind(NULL, level, name))
		return true; /* it stays in the kernel socket, which goes on standing behind */
	for (i = 0; i < S7_ARRAY_LEN(early_opts); i++)
		if (early_opts[i].level == level &&
		    (early_opts[i].name == name || (name && early_opts[i].force == name)))
			return true;
	return false;
}

/*
 * The stack has it, but the kernel socket cannot be asked for what was set, or it is too rare to
 * ask always: the stack must hear it now.
 */
static bool is_heard_now(int level, int name)
{
	return sock_option_text(level, name) != NULL;
}

static int kernel_int(int fd, int name)
{
	int val = -1;
	socklen_t len = sizeof(val);

	if (s7_sys6(SYS_getsockopt, fd, SOL_SOCKET, name, (long)&val, (long)&len, 0) < 0)
		return -1;
	return val;
}

/* SO_BINDTODEVICE to an interface of sock7 alone, of which the kernel has never heard. */
static bool names_own_device(int level, int name, const void *val, socklen_t len)
{
	char device[IFNAMSIZ] = "";
	int index;

	if (level != SOL_SOCKET || name != SO_BINDTODEVICE ||
	    !user_get(device, val, s7_min(len, sizeof(device) - 1)))
		return false;
	return device[0] && ifname_by_name(device, &index);
}

int early_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	bool kernels = early_has(fd) && !carries_over(level, name);
	int err;

	if (early_has(fd) && names_own_device(level, name, val, len) && early_adopt(fd, NULL, 0))
		return setsockopt(fd, level, name, val, len);
	if (kernels && (is_heard_now(level, name) || kernel_int(fd, SO_DOMAIN) == AF_PACKET) &&
	    early_adopt(fd, NULL, 0))
		return setsockopt(fd, level, name, val, len);

	if (kernels && !boot_config()->kernel_fallback) {
		shim_log(LOG_WARN,
			 "descriptor %d: option %d of level %d is not to be had on the stack", fd,
			 name, level);
		return (int)ret_errno(-ENOPROTOOPT);
	}
	err = real.setsockopt(fd, level, name, val, len);
	if (!err && kernels) {
		shim_log(LOG_INFO,
			 "descriptor %d stays with the kernel: only it has option %d of level %d",
			 fd, name, level);
		early_forget(fd);
	}
	return err;
}

/* 0, or OPT_ASK_KERNEL: with this value the kernel has to serve the socket. */
static int import_one(struct s7_sock *sk, int fd, int fresh, const struct early_opt *opt)
{
	char have[OPT_BYTES_MAX] = "", deflt[OPT_BYTES_MAX] = "";
	socklen_t len = sizeof(have), deflt_len = sizeof(deflt);
	int err;

	if (s7_sys6(SYS_getsockopt, fd, opt->level, opt->name, (long)have, (long)&len, 0) < 0)
		return 0;
	if (s7_sys6(SYS_getsockopt, fresh, opt->level, opt->name, (long)deflt, (long)&deflt_len,
		    0) < 0)
		return 0;
	if (len == deflt_len && !memcmp(have, deflt, sizeof(have)))
		return 0;
	if (opt->force)
		*(int *)have /= 2;
	err = sock_setsockopt(sk, opt->level, opt->force ? opt->force : opt->name, have, len,
			      host_now());
	if (err < 0)
		shim_log(LOG_INFO, "option %d of level %d did not carry over to descriptor %d: %s",
			 opt->name, opt->level, fd, strerrordesc_np(-err));
	return err == OPT_ASK_KERNEL ? err : 0;
}

static int import_options(struct s7_sock *sk, int fd)
{
	long fresh = s7_sys3(SYS_socket, sk->domain, sk->type | SOCK_CLOEXEC, sk->protocol);
	size_t i;
	int err = 0;

	if (fresh < 0)
		return 0;
	for (i = 0; i < S7_ARRAY_LEN(early_opts) && !err; i++)
		err = import_one(sk, fd, (int)fresh, &early_opts[i]);
	s7_sys1(SYS_close, fresh);
	return err;
}

static bool is_bound(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (s7_sys3(SYS_getsockname, fd, &name, &len) < 0)
		return false;
	return ((struct sockaddr_in *)&name)->sin_port != 0; /* sin6_port is at the same place */
}

static bool is_connected(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	return s7_sys3(SYS_getpeername, fd, &name, &len) >= 0;
}

static void import_packet(struct s7_sock *sk, int fd)
{
	import_options(sk, fd); /* the kernel's half keeps what the stack's does not have */
}

static void adopt(int fd)
{
	int domain = kernel_int(fd, SO_DOMAIN), type = kernel_int(fd, SO_TYPE);
	struct s7_sock *sk;
	long flags;

	if (domain == AF_PACKET)
		packet_adopt(fd, type, import_packet);
	if ((domain != AF_INET && domain != AF_INET6) ||
	    (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_RAW))
		return;
	if (kernel_int(fd, SO_ACCEPTCONN) != 0 || is_connected(fd))
		return;
	if (sock_create(boot_inst(), domain, type, kernel_int(fd, SO_PROTOCOL), host_now(), &sk))
		return;
	if (import_options(sk, fd)) {
		file_put(&sk->file); /* the descriptor stays the kernel's */
		return;
	}
	flags = s7_sys3(SYS_fcntl, fd, F_GETFL, 0);
	atomic_store(&sk->file.status, (uint32_t)flags & (O_NONBLOCK | O_ASYNC));
	owner_import(sk, fd);
	fd_install(fd, &sk->file);
	if (is_bound(fd) && kernel_side_bound(sk, fd, true))
		kernel_side_hand_over(sk, fd);
}

void early_adopt_all(void)
{
	int fd;

	for (fd = 0; fd < EARLY_MAX && s7_early_count; fd++) {
		if (!early_has(fd))
			continue;
		early_forget(fd);
		adopt(fd);
	}
}

/* Addresses that are the kernel's whatever the stack's routes will be. */
static bool kernels_for_sure(const struct sockaddr *addr, socklen_t len)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	struct s7_ip ip;

	if (addr->sa_family == AF_PACKET)
		return packet_is_kernels(addr, len);
	if (addr->sa_family == AF_INET && len >= sizeof(*in)) {
		ip = ip_from_v4(in->sin_addr.s_addr);
	} else if (addr->sa_family == AF_INET6 &&
		   len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		memcpy(ip.b, &in6->sin6_addr, sizeof(ip.b));
	} else {
		return true; /* the kernel has the errno for it */
	}
	return ip_is_loopback(&ip) && boot_config()->loopback == CONF_LOOPBACK_KERNEL;
}

struct s7_file *early_adopt(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (s7_inside || !early_has(fd))
		return NULL;
	if (addr && (!user_readable(addr, len) || kernels_for_sure(addr, len)))
		return NULL;
	if (boot_stack())
		return NULL;
	return fd_get(fd);
}

bool early_adopt_waited(int fd)
{
	return early_has(fd) && kernel_int(fd, SO_TYPE) != SOCK_STREAM && early_adopt(fd, NULL, 0);
}
