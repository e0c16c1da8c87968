/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_io.c - the calls that move bytes
 *
 * A wrapper is a lookup, a call into io.c and one return. Foreign descriptors go to libc. The
 * positioned calls and lseek need nothing of ours: the descriptor is a real socket, and the
 * kernel's ESPIPE is the right answer. Fortified variants check their room first, as libc's do.
 * Context: any thread of the program, signal handlers included where POSIX allows.
 * Defines: read __read_chk readv write writev pread pread64 pwrite pwrite64 preadv preadv64 pwritev
 * pwritev64 preadv2 preadv64v2 pwritev2 pwritev64v2 lseek lseek64 send sendto
 * sendmsg sendmmsg recv __recv_chk recvfrom __recvfrom_chk
 * recvmsg recvmmsg.
 */
#include "shim/io.h"

#include <limits.h>

/* libc's fortified names, declared by its headers only when they are in use */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr,
		       socklen_t *alen);

/* ---- read and write ---- */

S7_EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	struct s7_sock *sk = fd_sock(fd);

	if (!sk)
		return real.read(fd, buf, len);
	if (!len)
		return 0;
	return ret_errno(io_recv_buf(sk, fd, buf, len, 0));
}

S7_EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room || !fd_sock(fd))
		return real.__read_chk(fd, buf, len, room);
	return read(fd, buf, len);
}

S7_EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	struct s7_sock *sk = fd_sock(fd);

	if (!sk)
		return real.write(fd, buf, len);
	return ret_errno(io_send_buf(sk, fd, buf, len, 0));
}

static bool iov_is_empty(const struct iovec *iov, int cnt)
{
	for (int i = 0; i < cnt; i++)
		if (iov[i].iov_len)
			return false;
	return true;
}

S7_EXPORT ssize_t readv(int fd, const struct iovec *iov, int cnt)
{
	struct msghdr hdr = { .msg_iov = (struct iovec *)(uintptr_t)iov,
			      .msg_iovlen = (size_t)cnt };
	struct s7_sock *sk = fd_sock(fd);

	if (!sk)
		return real.readv(fd, iov, cnt);
	if (cnt < 0 || cnt > IOV_MAX)
		return ret_errno(-EINVAL);
	if (cnt && !user_ok(iov, sizeof(*iov)))
		return ret_errno(-EFAULT);
	if (iov_is_empty(iov, cnt))
		return 0;
	return ret_errno(io_recv(sk, fd, &hdr, 0));
}

S7_EXPORT ssize_t writev(int fd, const struct iovec *iov, int cnt)
{
	struct msghdr hdr = { .msg_iov = (struct iovec *)(uintptr_t)iov,
			      .msg_iovlen = (size_t)cnt };
	struct s7_sock *sk = fd_sock(fd);

	if (!sk)
		return real.writev(fd, iov, cnt);
	if (cnt < 0 || cnt > IOV_MAX)
		return ret_errno(-EINVAL);
	if (cnt && !user_ok(iov, sizeof(*iov)))
		return ret_errno(-EFAULT);
	return ret_errno(io_send(sk, fd, &hdr, 0));
}

/* ---- send ---- */

S7_EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct s7_sock *sk = fd_sock(fd);

	if (!sk)
		return real.send(fd, buf, len, flags);
	return ret_errno(io_send_buf(sk, fd, buf, len, flags));
}

static struct s7_sock *send_sock(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct s7_file *file = addr ? fd_get_adopt(fd, addr, len) : fd_get(fd);

	return file && file->kind == FILE_SOCK ? file_sock(file) : NULL;
}

S7_EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags,
			 const struct sockaddr *addr, socklen_t alen)
{
	struct s7_sock *sk = send_sock(fd, addr, alen);
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = (void *)(uintptr_t)addr,
			      .msg_namelen = alen };

	if (!sk)
		return real.sendto(fd, buf, len, flags, addr, alen);
	if (s7_unlikely(addr && !alen) && sk->type == SOCK_DGRAM)
		return ret_errno(-EINVAL); /* sendmsg takes that for no address */
	return ret_errno(io_send(sk, fd, &hdr, flags));
}

S7_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct s7_sock *sk;

	if (s7_unlikely(!user_ok(msg, sizeof(*msg))))
		return real.sendmsg(fd, msg, flags);
	sk = send_sock(fd, msg->msg_name, msg->msg_namelen);
	if (!sk)
		return real.sendmsg(fd, msg, flags);
	return ret_errno(io_send(sk, fd, msg, flags));
}

S7_EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int cnt, int flags)
{
	unsigned int i, max = cnt < IOV_MAX ? cnt : IOV_MAX;
	struct s7_sock *sk;
	ssize_t n = 0;

	if (!cnt || !user_ok(msgs, sizeof(*msgs)))
		return real.sendmmsg(fd, msgs, cnt, flags);
	if (!send_sock(fd, msgs[0].msg_hdr.msg_name, msgs[0].msg_hdr.msg_namelen))
		return real.sendmmsg(fd, msgs, cnt, flags);
	for (i = 0; i < max; i++) {
		/* the first may have given the socket to the kernel */
		sk = fd_sock(fd);
		n = sk ? io_send(sk, fd, &msgs[i].msg_hdr, flags) :
			 real.sendmsg(fd, &msgs[i].msg_hdr, flags);
		if (!sk && n < 0)
			n = -errno;
		if (n < 0)
			break;
		msgs[i].msg_len = (unsigned int)n;
	}
	return i ? (int)i : (int)ret_errno(n);
}

/* ---- receive ---- */

S7_EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	struct s7_sock *sk = fd_sock(fd);

	if (!sk)
		return real.recv(fd, buf, len, flags);
	return ret_errno(io_recv_buf(sk, fd, buf, len, flags));
}

S7_EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room || !fd_sock(fd))
		return real.__recv_chk(fd, buf, len, room, flags);
	return recv(fd, buf, len, flags);
}

S7_EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
			   socklen_t *alen)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct s7_sock *sk = fd_sock(fd);
	ssize_t n;

	if (!sk)
		return real.recvfrom(fd, buf, len, flags, addr, alen);
	if (addr && !user_ok(alen, sizeof(*alen)))
		return ret_errno(-EFAULT);
	if (addr) {
		hdr.msg_name = addr;
		hdr.msg_namelen = *alen;
	}
	n = io_recv(sk, fd, &hdr, flags);
	if (n >= 0 && addr)
		*alen = hdr.msg_namelen;
	return ret_errno(n);
}

S7_EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
				 struct sockaddr *addr, socklen_t *alen)
{
	if (len > room || !fd_sock(fd))
		return real.__recvfrom_chk(fd, buf, len, room, flags, addr, alen);
	return recvfrom(fd, buf, len, flags, addr, alen);
}

S7_EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct s7_sock *sk = fd_sock(fd);

	if (!sk || !user_ok(msg, sizeof(*msg)))
		return real.recvmsg(fd, msg, flags);
	return ret_errno(io_recv(sk, fd, msg, flags));
}

/*
 * As Linux: the time-out is looked at after each datagram; what ends the call after the first stays
 * for the next one.
 */
static int recv_many(struct s7_sock *sk, int fd, struct mmsghdr *msgs, unsigned int cnt, int flags,
		     s7_time deadline)
{
	unsigned int i;
	ssize_t n = 0;

	for (i = 0; i < cnt; i++) {
		n = io_recv(sk, fd, &msgs[i].msg_hdr, flags & ~MSG_WAITFORONE);
		if (n < 0)
			break;
		msgs[i].msg_len = (unsigned int)n;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != S7_NEVER && host_now() >= deadline) {
			i++;
			break;
		}
	}
	if (!i)
		return (int)n;
	if (n < 0 && n != -EAGAIN && n != -EINTR) {
		inst_lock(sk->inst, host_now());
		sk->err = (int)-n;
		inst_unlock(sk->inst);
	}
	return (int)i;
}

S7_EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int cnt, int flags,
		       struct timespec *timeout)
{
	struct s7_sock *sk = fd_sock(fd);
	s7_time start, deadline = S7_NEVER;
	int ret;

	if (!sk || !user_ok(msgs, sizeof(*msgs)))
		return real.recvmmsg(fd, msgs, cnt, flags, timeout);
	if (timeout &&
	    (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000))
		return (int)ret_errno(-EINVAL);
	start = host_now();
	if (timeout)
		deadline = start + (s7_time)timeout->tv_sec * S7_SEC + (s7_time)timeout->tv_nsec;
	ret = recv_many(sk, fd, msgs, cnt < IOV_MAX ? cnt : IOV_MAX, flags, deadline);
	if (timeout && ret >= 0) {
		s7_time now = host_now(), left = now < deadline ? deadline - now : 0;

		timeout->tv_sec = (time_t)(left / S7_SEC);
		timeout->tv_nsec = (long)(left % S7_SEC);
	}
	return (int)ret_errno(ret);
}

/* ---- the second generation: position -1 means none, RWF_NOWAIT is MSG_DONTWAIT ---- */

#define RWF_KNOWN (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND)

static ssize_t readv2(int fd, const struct iovec *iov, int cnt, int flags)
{
	if (flags & ~RWF_KNOWN)
		return ret_errno(-EOPNOTSUPP);
	if (!(flags & RWF_NOWAIT) || cnt <= 0 || cnt > IOV_MAX)
		return readv(fd, iov, cnt);
	return recvmsg(fd,
		       &(struct msghdr){ .msg_iov = (struct iovec *)(uintptr_t)iov,
					 .msg_iovlen = (size_t)cnt },
		       MSG_DONTWAIT);
}

static ssize_t writev2(int fd, const struct iovec *iov, int cnt, int flags)
{
	if (flags & ~RWF_KNOWN)
		return ret_errno(-EOPNOTSUPP);
	if (!(flags & RWF_NOWAIT) || cnt <= 0 || cnt > IOV_MAX)
		return writev(fd, iov, cnt);
	return sendmsg(fd,
		       &(struct msghdr){ .msg_iov = (struct iovec *)(uintptr_t)iov,
					 .msg_iovlen = (size_t)cnt },
		       MSG_DONTWAIT);
}

S7_EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int cnt, off_t off, int flags)
{
	if (off != -1 || !fd_sock(fd))
		return real.preadv2(fd, iov, cnt, off, flags);
	return readv2(fd, iov, cnt, flags);
}

S7_EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int cnt, off64_t off, int flags)
{
	return preadv2(fd, iov, cnt, off, flags);
}

S7_EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int cnt, off_t off, int flags)
{
	if (off != -1 || !fd_sock(fd))
		return real.pwritev2(fd, iov, cnt, off, flags);
	return writev2(fd, iov, cnt, flags);
}

S7_EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int cnt, off64_t off, int flags)
{
	return pwritev2(fd, iov, cnt, off, flags);
}

/* ---- no positions in a stream: the kernel says so of its socket ---- */

S7_EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	return real.pread(fd, buf, len, off);
}

S7_EXPORT ssize_t pread64(int fd, void *buf, size_t len, off64_t off)
{
	return real.pread64(fd, buf, len, off);
}

S7_EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return real.pwrite(fd, buf, len, off);
}

S7_EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t off)
{
	return real.pwrite64(fd, buf, len, off);
}

S7_EXPORT ssize_t preadv(int fd, const struct iovec *iov, int cnt, off_t off)
{
	return real.preadv(fd, iov, cnt, off);
}

S7_EXPORT ssize_t preadv64(int fd, const struct iovec *iov, int cnt, off64_t off)
{
	return real.preadv64(fd, iov, cnt, off);
}

S7_EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int cnt, off_t off)
{
	return real.pwritev(fd, iov, cnt, off);
}

S7_EXPORT ssize_t pwritev64(int fd, const struct iovec *iov, int cnt, off64_t off)
{
	return real.pwritev64(fd, iov, cnt, off);
}

S7_EXPORT off_t lseek(int fd, off_t off, int whence)
{
	return real.lseek(fd, off, whence);
}

S7_EXPORT off64_t lseek64(int fd, off64_t off, int whence)
{
	return real.lseek64(fd, off, whence);
}
