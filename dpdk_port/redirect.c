/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redirect.c - the system calls that DPDK's archives make
 *
 * Idea: the build renames the calls of redirect.syms in private copies of DPDK's archives, so that
 * inside libsock7.so DPDK never meets the names that shim/ stands in front of, in whichever thread
 * it runs. Behind the new names stand raw system calls with three corrections: every new descriptor
 * is close-on-exec and moved to a high number (a program expects the low ones for itself); they are
 * listed for eal_descriptors(); and what EAL does to the whole process (syslog ident,
 * RLIMIT_NOFILE, stdout), to the file system, or to a kernel netdev (MTU, MAC, flags) is left
 * undone. The list is per process, guarded by a spin flag: EAL's interrupt thread and vhost's event
 * thread open and close.
 * Callers: the renamed DPDK archives; eal.c and port.c for the redirect_* functions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "dpdk_port/internal.h"
#include "dpdk_port/redirect.h"
#include "stack/base/sys.h"

#define REDIRECT_FDS_MAX 512
#define CALIBRATION_NS 2000000 /* EAL rounds the result to 10 MHz: 2 ms are exact enough */
#define HURRY_MS 2
#define NODES_MAX 32
#define NETDEV_SOCKETS_MAX PORT_QUEUES_MAX

static struct {
	atomic_flag lock;
	int base;
	bool boot;   /* rte_eal_init runs */
	bool opening; /* a port is being opened or closed */
	bool freeze;  /* over a kernel netdev */
	bool asked;  /* its first packet socket has been made */
	uint16_t queues;
	int fanout;  /* group of the port being opened, -1: none yet */
	uint32_t nodes, nodes_asked; /* NUMA nodes that exist; that we looked for */
	uint32_t count;
	int fd[REDIRECT_FDS_MAX];
	uint32_t packet_count;
	int packet_fd[NETDEV_SOCKETS_MAX];
} redirect = { .lock = ATOMIC_FLAG_INIT };

static void list_lock(void)
{
	while (atomic_flag_test_and_set_explicit(&redirect.lock, memory_order_acquire))
		s7_sys0(SYS_sched_yield);
}

static void list_unlock(void)
{
	atomic_flag_clear_explicit(&redirect.lock, memory_order_release);
}

static void list_add(int fd)
{
	list_lock();
	if (redirect.count < REDIRECT_FDS_MAX)
		redirect.fd[redirect.count++] = fd;
	list_unlock();
}

static void list_del(int fd)
{
	uint32_t i;

	list_lock();
	for (i = 0; i < redirect.count; i++) {
		if (redirect.fd[i] == fd) {
			redirect.fd[i] = redirect.fd[--redirect.count];
			break;
		}
	}
	list_unlock();
}

static long ret_errno(long ret)
{
	if (ret < 0) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

/* A new descriptor: up, close-on-exec, listed. Where no high number is free it stays where it is.
 */
static int fd_new(long fd)
{
	long high;

	if (fd < 0)
		return (int)ret_errno(fd);
	high = fd >= redirect.base ? -EBADF
				   : s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, redirect.base);
	if (high >= 0) {
		s7_sys1(SYS_close, fd);
		fd = high;
	} else {
		s7_sys3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	}
	list_add((int)fd);
	return (int)fd;
}

void redirect_boot(bool on)
{
	redirect.boot = on;
}

void redirect_port_begin(bool on_netdev, uint16_t queues)
{
	redirect.opening = true;
	redirect.freeze = on_netdev;
	redirect.asked = false;
	redirect.packet_count = 0;
	redirect.queues = queues;
	redirect.fanout = -1;
}

void redirect_port_end(void)
{
	redirect.opening = false;
	redirect.freeze = false;
}

void redirect_base(int base)
{
	redirect.base = base;
}

int redirect_keep(int fd)
{
	return fd_new(fd);
}

void redirect_note(int fd)
{
	s7_sys3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	list_del(fd);
	list_add(fd);
}

uint32_t redirect_list(int *fds, uint32_t max)
{
	uint32_t n, i;

	list_lock();
	n = redirect.count;
	for (i = 0; i < n && i < max; i++)
		fds[i] = redirect.fd[i];
	list_unlock();
	return n;
}

uint32_t redirect_packet_sockets(int *ret_fds, uint32_t max)
{
	uint32_t n = redirect.packet_count, i;

	for (i = 0; i < n && i < max; i++)
		ret_fds[i] = redirect.packet_fd[i];
	return i;
}

/* ---- calls that make descriptors ---- */

/*
 * net_af_packet opens a first packet socket only for its questions about the netdev, then one a
 * queue. Closing one waits for all CPUs (20 ms), so the first is a cheaper kind.
 */
int s7p_socket(int domain, int type, int protocol)
{
	bool packet = domain == AF_PACKET && redirect.opening;
	int fd;

	if (packet && !redirect.asked) {
		redirect.asked = true;
		return fd_new(s7_sys3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	}
	fd = fd_new(s7_sys3(SYS_socket, domain, type | SOCK_CLOEXEC, protocol));
	if (fd >= 0 && packet && redirect.packet_count < NETDEV_SOCKETS_MAX)
		redirect.packet_fd[redirect.packet_count++] = fd;
	return fd;
}

int s7p_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return fd_new(s7_sys4(SYS_accept4, fd, addr, len, SOCK_CLOEXEC));
}

int s7p_dup(int fd)
{
	return fd_new(s7_sys1(SYS_dup, fd));
}

int s7p_epoll_create(int size)
{
	(void)size;
	return fd_new(s7_sys1(SYS_epoll_create1, EPOLL_CLOEXEC));
}

int s7p_epoll_create1(int flags)
{
	return fd_new(s7_sys1(SYS_epoll_create1, flags | EPOLL_CLOEXEC));
}

int s7p_eventfd(unsigned int value, int flags)
{
	return fd_new(s7_sys2(SYS_eventfd2, value, flags | O_CLOEXEC));
}

int s7p_memfd_create(const char *name, unsigned int flags)
{
	return fd_new(s7_sys2(SYS_memfd_create, name, flags | 1u /* MFD_CLOEXEC */));
}

int s7p_timerfd_create(int clock, int flags)
{
	return fd_new(s7_sys2(SYS_timerfd_create, clock, flags | O_CLOEXEC));
}

int s7p_pipe(int fds[2])
{
	int raw[2];
	long err = s7_sys2(SYS_pipe2, raw, O_CLOEXEC);

	if (err < 0)
		return (int)ret_errno(err);
	fds[0] = fd_new(raw[0]);
	fds[1] = fd_new(raw[1]);
	return 0;
}

int s7p_openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, int) : 0;
	va_end(args);
	return fd_new(s7_sys4(SYS_openat, dir, path, flags | O_CLOEXEC, mode));
}

int s7p_open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, int) : 0;
	va_end(args);
	return fd_new(s7_sys4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode));
}

/* Descriptors that arrive in SCM_RIGHTS (vhost: guest memory, kick and call) are new ones, too. */
ssize_t s7p_recvmsg(int fd, struct msghdr *msg, int flags)
{
	long n = s7_sys3(SYS_recvmsg, fd, msg, flags | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg;
	size_t count, i;
	int moved;

	if (n < 0)
		return ret_errno(n);
	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			memcpy(&moved, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			moved = fd_new(moved);
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &moved, sizeof(int));
		}
	}
	return n;
}

int s7p_close(int fd)
{
	list_del(fd);
	return (int)ret_errno(s7_sys1(SYS_close, fd));
}

int s7p_fcntl(int fd, int cmd, ...)
{
	va_list args;
	long arg;

	va_start(args, cmd);
	arg = va_arg(args, long);
	va_end(args);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return fd_new(s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, arg));
	return (int)ret_errno(s7_sys3(SYS_fcntl, fd, cmd, arg));
}

/* ---- calls that would change what is not ours ---- */

int s7p_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (redirect.freeze &&
	    (request == SIOCSIFHWADDR || request == SIOCSIFMTU || request == SIOCSIFFLAGS))
		return 0;
	return (int)ret_errno(s7_sys3(SYS_ioctl, fd, request, arg));
}

/*
 * net_af_packet makes its fanout group's number from the pid, which collides with other namespaces
 * and devices. One queue needs no group; for more the kernel chooses the number.
 */
static int fanout_join(int fd, int arg)
{
	socklen_t len = sizeof(arg);
	long err;

	if (redirect.queues <= 1)
		return 0;
	arg &= ~0xffff;
	if (redirect.fanout >= 0)
		arg |= redirect.fanout;
	else
		arg |= PACKET_FANOUT_FLAG_UNIQUEID << 16;
	err = s7_sys6(SYS_setsockopt, fd, SOL_PACKET, PACKET_FANOUT, (long)&arg, sizeof(arg), 0);
	if (!err && redirect.fanout < 0 &&
	    !s7_sys6(SYS_getsockopt, fd, SOL_PACKET, PACKET_FANOUT, (long)&arg, (long)&len, 0))
		redirect.fanout = arg & 0xffff;
	return (int)ret_errno(err);
}

int s7p_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	int arg;

	if (redirect.opening && level == SOL_PACKET && name == PACKET_FANOUT &&
	    len == sizeof(arg)) {
		memcpy(&arg, val, sizeof(arg));
		return fanout_join(fd, arg);
	}
	return (int)ret_errno(s7_sys6(SYS_setsockopt, fd, level, name, (long)val, len, 0));
}

/* A packet socket's ring cannot be swapped anyway; locking it would count against RLIMIT_MEMLOCK.
 */
void *s7p_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (redirect.opening)
		flags &= ~MAP_LOCKED;
	return mmap(addr, len, prot, flags, fd, off);
}

/* EAL raises RLIMIT_NOFILE for a memfd per page; with single-file segments it needs none of that.
 */
int s7p_setrlimit(int resource, const void *limit)
{
	(void)resource;
	(void)limit;
	return 0;
}

/* The program's syslog ident is the program's; our lines go to the log (logcap.c). */
void s7p_openlog(const char *ident, int option, int facility)
{
	(void)ident;
	(void)option;
	(void)facility;
}

void s7p_syslog(int priority, int flag, const char *format, ...)
{
	(void)priority;
	(void)flag;
	(void)format;
}

/*
 * stdout and stderr are the program's. What DPDK prints there is in its log as well, or is help for
 * a command line.
 */
int s7p_printf(int flag, const char *format, ...)
{
	(void)flag;
	(void)format;
	return 0;
}

int s7p_puts(const char *line)
{
	(void)line;
	return 0;
}

int s7p_putchar(int c)
{
	return c;
}

void s7p_perror(const char *text)
{
	(void)text;
}

int s7p_fprintf(FILE *stream, int flag, const char *format, ...)
{
	va_list args;
	int ret;

	(void)flag;
	if (stream == stderr || stream == stdout)
		return 0;
	va_start(args, format);
	ret = vfprintf(stream, format, args);
	va_end(args);
	return ret;
}

/*
 * EAL asks for each of its 128 lcores in which of 32 nodes it is, 5000 calls. Nodes that do not
 * exist are answered from memory.
 */
int s7p_access(const char *path, int mode)
{
	static const char prefix[] = "/sys/devices/system/node/node";
	char node[sizeof(prefix) + 8];
	size_t digits;
	uint32_t index;

	if (redirect.boot && !strncmp(path, prefix, sizeof(prefix) - 1)) {
		digits = strspn(path + sizeof(prefix) - 1, "0123456789");
		index = (uint32_t)strtoul(path + sizeof(prefix) - 1, NULL, 10) % NODES_MAX;
		if (!(redirect.nodes_asked & 1u << index) && digits < 8) {
			memcpy(node, path, sizeof(prefix) - 1 + digits);
			node[sizeof(prefix) - 1 + digits] = 0;
			redirect.nodes_asked |= 1u << index;
			if (!s7_sys3(SYS_faccessat, AT_FDCWD, node, F_OK))
				redirect.nodes |= 1u << index;
		}
		if (!(redirect.nodes & 1u << index)) {
			errno = ENOENT;
			return -1;
		}
	}
	return (int)ret_errno(s7_sys3(SYS_faccessat, AT_FDCWD, path, mode));
}

/*
 * EAL looks for its shared self along the whole library path, to load plugins; there are none in a
 * static DPDK.
 */
void *s7p_dlopen(const char *file, int mode)
{
	(void)file;
	(void)mode;
	return NULL;
}

/* EAL's runtime directory would stay empty. */
int s7p_mkdir(const char *path, unsigned int mode)
{
	(void)path;
	(void)mode;
	return 0;
}

int s7p_nanosleep(const struct timespec *want, struct timespec *left)
{
	const struct timespec brief = { 0, CALIBRATION_NS };

	if (redirect.boot && (want->tv_sec || want->tv_nsec > CALIBRATION_NS))
		want = &brief;
	return (int)ret_errno(s7_sys2(SYS_nanosleep, want, left));
}

/* ---- the rest goes straight through ---- */

#define PASS(result, name, nr, params, ...)                              \
	result s7p_##name params                                         \
	{                                                                \
		return (result)ret_errno(s7_sys6(nr, __VA_ARGS__));      \
	}

PASS(int, bind, SYS_bind, (int fd, const struct sockaddr *addr, socklen_t len), fd, (long)addr, len,
     0, 0, 0)
PASS(int, connect, SYS_connect, (int fd, const struct sockaddr *addr, socklen_t len), fd,
     (long)addr, len, 0, 0, 0)
PASS(int, listen, SYS_listen, (int fd, int backlog), fd, backlog, 0, 0, 0, 0)
PASS(int, getsockopt, SYS_getsockopt, (int fd, int level, int name, void *val, socklen_t *len),
     fd, level, name, (long)val, (long)len, 0)
PASS(int, epoll_ctl, SYS_epoll_ctl, (int epfd, int op, int fd, struct epoll_event *event),
     epfd, op, fd, (long)event, 0, 0)
PASS(int, epoll_wait, SYS_epoll_pwait, (int epfd, struct epoll_event *events, int max, int timeout),
     epfd, (long)events, max, timeout, 0, 0)
PASS(ssize_t, read, SYS_read, (int fd, void *buf, size_t len), fd, (long)buf, (long)len, 0, 0, 0)
PASS(ssize_t, write, SYS_write, (int fd, const void *buf, size_t len), fd, (long)buf, (long)len, 0,
     0, 0)
PASS(ssize_t, readv, SYS_readv, (int fd, const struct iovec *iov, int cnt), fd, (long)iov, cnt, 0,
     0, 0)
PASS(ssize_t, writev, SYS_writev, (int fd, const struct iovec *iov, int cnt), fd, (long)iov, cnt, 0,
     0, 0)
PASS(ssize_t, pread, SYS_pread64, (int fd, void *buf, size_t len, off_t at), fd, (long)buf,
     (long)len, at, 0, 0)
PASS(ssize_t, pwrite, SYS_pwrite64, (int fd, const void *buf, size_t len, off_t at),
     fd, (long)buf, (long)len, at, 0, 0)
PASS(ssize_t, recv, SYS_recvfrom, (int fd, void *buf, size_t len, int flags), fd, (long)buf,
     (long)len, flags, 0, 0)
PASS(ssize_t, recvfrom, SYS_recvfrom,
     (int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *alen),
     fd, (long)buf, (long)len, flags, (long)addr, (long)alen)
PASS(ssize_t, send, SYS_sendto, (int fd, const void *buf, size_t len, int flags),
     fd, (long)buf, (long)len, flags, 0, 0)
PASS(ssize_t, sendto, SYS_sendto,
     (int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr, socklen_t alen),
     fd, (long)buf, (long)len, flags, (long)addr, alen)
PASS(ssize_t, sendmsg, SYS_sendmsg, (int fd, const struct msghdr *msg, int flags), fd, (long)msg,
     flags, 0, 0, 0)

/*
 * vhost's thread looks for new listeners once a second: while a port is being opened it looks
 * sooner, or each virtio_user would wait that second.
 */
int s7p_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	struct timespec wait;

	if (redirect.opening && timeout > HURRY_MS)
		timeout = HURRY_MS;
	wait = (struct timespec){ timeout / 1000, timeout % 1000 * 1000000l };
	return (int)ret_errno(
		s7_sys6(SYS_ppoll, (long)fds, (long)count, timeout < 0 ? 0 : (long)&wait, 0, 0, 0));
}

/*
 * Fortified: the compiler knew the room; a call beyond it would be DPDK's bug, and fails as the
 * kernel says.
 */
int s7p_poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	(void)room;
	return s7p_poll(fds, count, timeout);
}

ssize_t s7p_read_chk(int fd, void *buf, size_t len, size_t room)
{
	return s7p_read(fd, buf, s7_min(len, room));
}
