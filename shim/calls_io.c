/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_io.c - the calls that move bytes
 *
 * A wrapper is a lookup, a call into io.c and one return; when the socket was closed in between
 * (-SOCK_STALE) it looks again. Foreign descriptors go to libc. The
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

#include "shim/internal.h"
#include "stack/base/user.h"

/* libc's fortified names, declared by its headers only when they are in use */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr,
		       socklen_t *alen);

/* MSG_CMSG_COMPAT, the kernel's own: calls with a msghdr refuse it before they look at anything. */
#define CMSG_COMPAT INT_MIN

static struct s7_sock_at recv_sock(int fd)
{
	struct s7_sock_at at = fd_sock_at(fd);

	if (!at.sk && s7_unlikely(s7_early_count) && early_adopt_waited(fd))
		at = fd_sock_at(fd);
	return at;
}

/* ---- read and write ---- */

/* A length that leads out of the program's memory is EFAULT whatever is there: read and write. */
static inline bool flat_beyond(const void *buf, size_t len)
{
	return s7_unlikely(len > INT_MAX) && (len >> 47 || user_beyond(buf, len));
}

S7_EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	struct s7_sock_at at;
	ssize_t n = 0;

	do {
		at = recv_sock(fd);
		if (!at.sk)
			return real.read(fd, buf, len);
		if (flat_beyond(buf, len))
			return ret_errno(-EFAULT);
		if (len)
			n = io_recv_buf(at, fd, buf, len, 0);
	} while (s7_unlikely(n == -SOCK_STALE));
	return ret_errno(n);
}

S7_EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room || !fd_is_sock(fd))
		return real.__read_chk(fd, buf, len, room);
	return read(fd, buf, len);
}

S7_EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	struct s7_sock_at at;
	ssize_t n;

	do {
		at = fd_sock_at(fd);
		if (!at.sk)
			return real.write(fd, buf, len);
		if (flat_beyond(buf, len))
			return ret_errno(-EFAULT);
		n = io_send_buf(at, fd, buf, len, 0);
	} while (s7_unlikely(n == -SOCK_STALE));
	return ret_errno(n);
}

static bool iov_is_empty(const struct msghdr *hdr)
{
	for (size_t i = 0; i < hdr->msg_iovlen; i++)
		if (hdr->msg_iov[i].iov_len)
			return false;
	return true;
}

/* What readv and writev share before they differ. 0, -errno. */
static int iov_in(struct msghdr *hdr, int cnt, struct iovec fast[IO_FAST])
{
	return cnt < 0 || cnt > IOV_MAX ? -EINVAL : io_vec_in(hdr, fast);
}

S7_EXPORT ssize_t readv(int fd, const struct iovec *iov, int cnt)
{
	struct msghdr hdr = { .msg_iov = (struct iovec *)(uintptr_t)iov,
			      .msg_iovlen = (size_t)cnt };
	struct s7_sock_at at = recv_sock(fd);
	struct iovec fast[IO_FAST];
	ssize_t n;
	int err;

	if (!at.sk)
		return real.readv(fd, iov, cnt);
	err = iov_in(&hdr, cnt, fast);
	if (s7_unlikely(err))
		return ret_errno(err);
	if (iov_is_empty(&hdr))
		return 0;
	while (s7_unlikely((n = io_recv(at, fd, &hdr, 0)) == -SOCK_STALE)) {
		at = recv_sock(fd);
		if (!at.sk)
			return real.readv(fd, iov, cnt);
	}
	return ret_errno(n);
}

S7_EXPORT ssize_t writev(int fd, const struct iovec *iov, int cnt)
{
	struct msghdr hdr = { .msg_iov = (struct iovec *)(uintptr_t)iov,
			      .msg_iovlen = (size_t)cnt };
	struct s7_sock_at at = fd_sock_at(fd);
	struct iovec fast[IO_FAST];
	ssize_t n;
	int err;

	if (!at.sk)
		return real.writev(fd, iov, cnt);
	err = iov_in(&hdr, cnt, fast);
	if (s7_unlikely(err))
		return ret_errno(err);
	while (s7_unlikely((n = io_send(at, fd, &hdr, 0)) == -SOCK_STALE)) {
		at = fd_sock_at(fd);
		if (!at.sk)
			return real.writev(fd, iov, cnt);
	}
	return ret_errno(n);
}

/* As Linux: one buffer of any length is a long one; vectors refuse it. */
static inline size_t flat_len(size_t len)
{
	return s7_min(len, (size_t)SSIZE_MAX);
}

/* ---- send ---- */

S7_EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct s7_sock_at at;
	ssize_t n;

	do {
		at = fd_sock_at(fd);
		if (!at.sk)
			return real.send(fd, buf, len, flags);
		n = io_send_buf(at, fd, buf, flat_len(len), flags);
	} while (s7_unlikely(n == -SOCK_STALE));
	return ret_errno(n);
}

static struct s7_sock_at send_sock(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (addr)
		fd_adopt(fd, addr, len);
	return fd_sock_at(fd);
}

S7_EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags,
			 const struct sockaddr *addr, socklen_t alen)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = flat_len(len) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = (void *)(uintptr_t)addr,
			      .msg_namelen = alen };
	struct s7_sock_at at;
	ssize_t n;

	do {
		at = send_sock(fd, addr, alen);
		if (!at.sk)
			return real.sendto(fd, buf, len, flags, addr, alen);
		if (s7_unlikely(addr && !alen) && at.sk->type == SOCK_DGRAM)
			return ret_errno(-EINVAL); /* sendmsg takes that for no address */
		if (s7_unlikely(addr && alen > sizeof(struct sockaddr_storage)))
			return ret_errno(-EINVAL); /* sendmsg takes what there is room for */
		n = io_send(at, fd, &hdr, flags);
	} while (s7_unlikely(n == -SOCK_STALE));
	return ret_errno(n);
}

S7_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct iovec fast[IO_FAST];
	struct s7_sock_at at;
	struct msghdr hdr;
	ssize_t n;

	do {
		if (s7_unlikely(shim_idle() || flags & CMSG_COMPAT ||
				!user_get(&hdr, msg, sizeof(hdr))))
			return real.sendmsg(fd, msg, flags);
		at = send_sock(fd, hdr.msg_name, hdr.msg_namelen);
		if (!at.sk) {
			if (s7_unlikely(hdr.msg_controllen))
				return rights_sendmsg(fd, msg, &hdr, flags);
			return real.sendmsg(fd, msg, flags);
		}
		n = io_vec_in(&hdr, fast);
		n = s7_unlikely(n) ? n : io_send(at, fd, &hdr, flags);
	} while (s7_unlikely(n == -SOCK_STALE));
	return ret_errno(n);
}

/* One of many. The one before may have given the socket to the kernel. */
static ssize_t send_one(int fd, struct mmsghdr *to, int flags)
{
	struct iovec fast[IO_FAST];
	struct s7_sock_at at;
	struct msghdr hdr;
	unsigned int len;
	ssize_t n;

	do {
		at = fd_sock_at(fd);
		if (!at.sk) {
			n = real.sendmsg(fd, &to->msg_hdr, flags);
			n = n < 0 ? -errno : n;
		} else if (!user_get(&hdr, &to->msg_hdr, sizeof(hdr))) {
			return -EFAULT;
		} else {
			n = io_vec_in(&hdr, fast);
			n = n ? n : io_send(at, fd, &hdr, flags);
		}
	} while (s7_unlikely(n == -SOCK_STALE));
	len = (unsigned int)n;
	if (n >= 0 && !user_put(&to->msg_len, &len, sizeof(len)))
		return -EFAULT;
	return n;
}

S7_EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int cnt, int flags)
{
	unsigned int i, max = cnt < IOV_MAX ? cnt : IOV_MAX;
	struct msghdr first;
	ssize_t n = 0;

	if (shim_idle() || !cnt || flags & CMSG_COMPAT ||
	    !user_get(&first, &msgs->msg_hdr, sizeof(first)) ||
	    !send_sock(fd, first.msg_name, first.msg_namelen).sk)
		return real.sendmmsg(fd, msgs, cnt, flags);
	for (i = 0; i < max; i++) {
		n = send_one(fd, &msgs[i], flags);
		if (n < 0)
			break;
	}
	return i ? (int)i : (int)ret_errno(n);
}

/* ---- receive ---- */

S7_EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	struct s7_sock_at at;
	ssize_t n;

	do {
		at = recv_sock(fd);
		if (!at.sk)
			return real.recv(fd, buf, len, flags);
		n = io_recv_buf(at, fd, buf, flat_len(len), flags);
	} while (s7_unlikely(n == -SOCK_STALE));
	return ret_errno(n);
}

S7_EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room || !fd_is_sock(fd))
		return real.__recv_chk(fd, buf, len, room, flags);
	return recv(fd, buf, len, flags);
}

/* The name goes to the program after the data, as in Linux: if it cannot, the data is lost. */
static int name_out(const struct sockaddr_storage *name, socklen_t len, struct sockaddr *addr,
		    socklen_t *user_len)
{
	uint32_t room;

	if (!user_get32(&room, user_len))
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
	if (!user_put(addr, name, s7_min(s7_min(room, len), sizeof(*name))) ||
	    !user_put(user_len, &len, sizeof(len)))
		return -EFAULT;
	return 0;
}

S7_EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
			   socklen_t *alen)
{
	struct iovec iov = { .iov_base = buf, .iov_len = flat_len(len) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct sockaddr_storage name;
	struct s7_sock_at at;
	ssize_t n;
	int err;

	if (addr) {
		hdr.msg_name = &name;
		hdr.msg_namelen = sizeof(name);
	}
	do {
		at = recv_sock(fd);
		if (!at.sk)
			return real.recvfrom(fd, buf, len, flags, addr, alen);
		n = io_recv(at, fd, &hdr, flags);
	} while (s7_unlikely(n == -SOCK_STALE));
	if (n >= 0 && addr) {
		err = name_out(&name, hdr.msg_namelen, addr, alen);
		n = err ? err : n;
	}
	return ret_errno(n);
}

S7_EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
				 struct sockaddr *addr, socklen_t *alen)
{
	if (len > room || !fd_is_sock(fd))
		return real.__recvfrom_chk(fd, buf, len, room, flags, addr, alen);
	return recvfrom(fd, buf, len, flags, addr, alen);
}

static ssize_t recv_msg(struct s7_sock_at at, int fd, struct msghdr *user, int flags)
{
	struct iovec fast[IO_FAST];
	struct msghdr hdr;
	void *name;
	ssize_t n;
	int err;

	if (s7_unlikely(!user_get(&hdr, user, sizeof(hdr))))
		return -EFAULT;
	name = hdr.msg_name;
	err = io_vec_in(&hdr, fast);
	if (s7_unlikely(err))
		return err;
	n = io_recv(at, fd, &hdr, flags);
	if (n < 0)
		return n;
	if ((name && !user_put(&user->msg_namelen, &hdr.msg_namelen, sizeof(hdr.msg_namelen))) ||
	    !user_put(&user->msg_flags, &hdr.msg_flags, sizeof(hdr.msg_flags)) ||
	    !user_put(&user->msg_controllen, &hdr.msg_controllen, sizeof(hdr.msg_controllen)))
		return -EFAULT;
	return n;
}

/* From the kernel: it may have passed descriptors with it. */
static ssize_t kernel_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = real.recvmsg(fd, msg, flags);

	if (s7_unlikely(n >= 0 && msg->msg_controllen) && s7_fds.limit)
		rights_received(msg);
	return n;
}

S7_EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct s7_sock_at at;
	ssize_t n;

	do {
		at = recv_sock(fd);
		if (!at.sk || s7_unlikely(flags & CMSG_COMPAT))
			return kernel_recvmsg(fd, msg, flags);
		n = recv_msg(at, fd, msg, flags);
	} while (s7_unlikely(n == -SOCK_STALE));
	return ret_errno(n);
}

static int pending_error(struct s7_sock_at at)
{
	int err = -SOCK_STALE;

	inst_lock(at.sk->inst, host_now());
	if (file_is(&at.sk->file, at.cookie))
		err = sk_take_error(at.sk);
	inst_unlock(at.sk->inst);
	return err;
}

/* What ended a call after its first datagram is the next call's. */
static void leave_error(struct s7_sock_at at, ssize_t n)
{
	if (n >= 0 || n == -EAGAIN || n == -EINTR || n == -SOCK_STALE)
		return;
	inst_lock(at.sk->inst, host_now());
	if (file_is(&at.sk->file, at.cookie))
		at.sk->err = (int)-n;
	inst_unlock(at.sk->inst);
}

/*
 * As Linux: an error that waits is told first; the time-out is looked at after each datagram; what
 * ends the call after the first stays for the next one.
 */
static int recv_many(struct s7_sock_at at, int fd, struct mmsghdr *msgs, unsigned int cnt,
		     int flags, s7_time deadline)
{
	unsigned int i, len;
	ssize_t n = 0;

	if (s7_unlikely(at.sk->err) && !(flags & MSG_ERRQUEUE))
		n = pending_error(at);
	if (n)
		return (int)n;
	for (i = 0; i < cnt; i++) {
		n = recv_msg(at, fd, &msgs[i].msg_hdr, flags & ~MSG_WAITFORONE);
		len = (unsigned int)n;
		if (n >= 0 && !user_put(&msgs[i].msg_len, &len, sizeof(len)))
			n = -EFAULT;
		if (n < 0)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != S7_NEVER && host_now() >= deadline) {
			i++;
			break;
		}
	}
	if (!i)
		return (int)n;
	leave_error(at, n);
	return (int)i;
}

S7_EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int cnt, int flags,
		       struct timespec *timeout)
{
	struct s7_sock_at at = recv_sock(fd);
	s7_time deadline = S7_NEVER;
	struct timespec ts;
	int ret;

	if (!at.sk || s7_unlikely(flags & CMSG_COMPAT)) {
		ret = real.recvmmsg(fd, msgs, cnt, flags, timeout);
		for (int i = 0; i < ret && s7_unlikely(s7_fds.limit); i++)
			if (msgs[i].msg_hdr.msg_controllen)
				rights_received(&msgs[i].msg_hdr);
		return ret;
	}
	if (timeout) {
		if (!user_get(&ts, timeout, sizeof(ts)))
			return (int)ret_errno(-EFAULT);
		if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000)
			return (int)ret_errno(-EINVAL);
		deadline = host_now() + (s7_time)ts.tv_sec * S7_SEC + (s7_time)ts.tv_nsec;
	}
	cnt = cnt < IOV_MAX ? cnt : IOV_MAX;
	while ((ret = recv_many(at, fd, msgs, cnt, flags, deadline)) == -SOCK_STALE) {
		at = recv_sock(fd);
		if (!at.sk)
			return real.recvmmsg(fd, msgs, cnt, flags, timeout);
	}
	if (timeout && ret >= 0) {
		s7_time now = host_now(), left = now < deadline ? deadline - now : 0;

		ts.tv_sec = (time_t)(left / S7_SEC);
		ts.tv_nsec = (long)(left % S7_SEC);
		if (!user_put(timeout, &ts, sizeof(ts)))
			ret = -EFAULT;
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
	if (off != -1 || !fd_is_sock(fd))
		return real.preadv2(fd, iov, cnt, off, flags);
	return readv2(fd, iov, cnt, flags);
}

S7_EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int cnt, off64_t off, int flags)
{
	return preadv2(fd, iov, cnt, off, flags);
}

S7_EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int cnt, off_t off, int flags)
{
	if (off != -1 || !fd_is_sock(fd))
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
