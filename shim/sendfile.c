/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sendfile.c - sendfile and splice with a socket of the stack at one end
 *
 * sendfile: pieces of the file are read at their offset into a buffer of the thread and sent; the
 * offset moves by what the socket took, so what was read in vain is read again. A piece is no
 * larger than the socket's room, so that a non-blocking caller does not pay for bytes that do not
 * fit. splice: a pipe cannot be unread, so bytes leave their source only after the other end has
 * them: to a pipe by peeking at the socket, from a pipe by tee into a pipe of our own.
 * SPLICE_F_NONBLOCK is for the pipe; whether the socket waits is its own O_NONBLOCK's, as in
 * Linux. tee has pipes at both ends: never ours.
 * Context: any thread, no lock held. Defines: sendfile sendfile64 splice tee.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "shim/io.h"
#include "shim/wait_int.h"
#include "stack/base/sys.h"
#include "stack/base/user.h"

#define BOUNCE_BYTES (128u << 10)
#define PIECE_MIN (8u << 10)
#define MAX_RW_COUNT 0x7ffff000ull
#define RWF_NOWAIT_FLAG 8
#define SPLICE_KNOWN (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* ---- the thread's buffer ---- */

static __thread char *bounce_buf __attribute__((tls_model("initial-exec")));
static pthread_key_t bounce_key;
static pthread_once_t bounce_once = PTHREAD_ONCE_INIT;

static void bounce_free(void *buf)
{
	bounce_buf = NULL;
	s7_sys2(SYS_munmap, buf, BOUNCE_BYTES);
}

static void bounce_init(void)
{
	pthread_key_create(&bounce_key, bounce_free);
}

static char *bounce(void)
{
	long map;

	if (s7_likely(bounce_buf))
		return bounce_buf;
	pthread_once(&bounce_once, bounce_init);
	map = s7_sys6(SYS_mmap, 0, BOUNCE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map < 0 && map > -4096)
		return NULL;
	bounce_buf = (char *)map;
	pthread_setspecific(bounce_key, bounce_buf);
	return bounce_buf;
}

/* ---- sendfile ---- */

static size_t piece_size(struct s7_sock *sk, size_t left)
{
	uint32_t queued, room;

	inst_lock(sk->inst, host_now());
	queued = sk_ops(sk)->outq(sk);
	room = sk->sndbuf > queued ? sk->sndbuf - queued : 0;
	inst_unlock(sk->inst);
	return s7_min(left, s7_min(s7_max(room, PIECE_MIN), BOUNCE_BYTES));
}

/* Is there more of the file behind a piece? Only then may the piece wait for it (MSG_MORE). */
static bool file_goes_on(int in, off64_t pos)
{
	struct stat st;

	return s7_sys2(SYS_fstat, in, &st) < 0 || !S_ISREG(st.st_mode) || pos < st.st_size;
}

/* Sends [*pos, *pos + len) of the file; moves *pos by what was taken. Bytes or -errno. */
static ssize_t send_range(struct s7_sock_at at, int out, int in, off64_t *pos, size_t len)
{
	char *buf = bounce();
	size_t done = 0;

	if (!buf)
		return -ENOMEM;
	while (done < len) {
		size_t piece = piece_size(at.sk, len - done);
		long got = s7_sys4(SYS_pread64, in, buf, piece, *pos);
		bool more = (size_t)got == piece && piece < len - done;
		ssize_t sent;

		if (got <= 0)
			return done ? (ssize_t)done : got;
		more = more && file_goes_on(in, *pos + got);
		sent = io_send_buf(at, out, buf, (size_t)got, more ? MSG_MORE : 0);
		if (sent < 0)
			return done ? (ssize_t)done : sent;
		done += (size_t)sent;
		*pos += sent;
		if (sent < got)
			break;
	}
	return (ssize_t)done;
}

static ssize_t sendfile_ours(struct s7_sock_at sock, int out, int in, off64_t *off, size_t len)
{
	off64_t pos, at;
	ssize_t n;

	if (off && !user_get(&pos, off, sizeof(pos)))
		return -EFAULT;
	if (fd_get(in))
		return -EINVAL; /* from a socket: Linux wants something to seek in */
	if (off && pos < 0)
		return -EINVAL;
	if (!off || !len) { /* else reading tells whether it can seek */
		at = s7_sys3(SYS_lseek, in, 0, SEEK_CUR);
		if (at < 0)
			return at == -ESPIPE && !off ? -EINVAL : at;
		pos = off ? pos : at;
	}
	n = send_range(sock, out, in, &pos, (size_t)s7_min(len, MAX_RW_COUNT));
	if (n < 0)
		return n;
	if (off)
		return user_put(off, &pos, sizeof(pos)) ? n : -EFAULT;
	if (n)
		s7_sys3(SYS_lseek, in, pos, SEEK_SET);
	return n;
}

/* ---- splice ---- */

static bool is_pipe(int fd)
{
	struct stat st;

	return s7_sys2(SYS_fstat, fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static bool no_wait(int fd, unsigned int flags)
{
	long status = s7_sys3(SYS_fcntl, fd, F_GETFL, 0);

	return (flags & SPLICE_F_NONBLOCK) || (status >= 0 && (status & O_NONBLOCK));
}

/* Until the pipe can move something: 0, -EAGAIN when the caller does not wait, -EINTR. */
static int pipe_ready(int fd, short events, bool nowait)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int n = real.poll(&pfd, 1, nowait ? 0 : -1);

	if (n < 0)
		return -errno;
	return n ? 0 : -EAGAIN;
}

/* By way of a pipe of our own: what does not fit is left in that. */
static long pipe_move(int fd, const char *buf, size_t len)
{
	int own[2];
	long n;

	n = s7_sys2(SYS_pipe2, own, O_CLOEXEC | O_NONBLOCK);
	if (n < 0)
		return n;
	n = s7_sys3(SYS_write, own[1], buf, len);
	if (n > 0)
		n = s7_sys6(SYS_splice, own[0], 0, fd, 0, n, SPLICE_F_NONBLOCK);
	s7_sys1(SYS_close, own[0]);
	s7_sys1(SYS_close, own[1]);
	return n;
}

/* As much as the pipe takes without waiting; one that was spliced before takes no such write. */
static long pipe_write(int fd, char *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	long n = s7_sys6(SYS_pwritev2, fd, (long)&iov, 1, -1, -1, RWF_NOWAIT_FLAG);

	return n == -EOPNOTSUPP ? pipe_move(fd, buf, len) : n;
}

static ssize_t splice_to_pipe(struct s7_sock *sk, int in, int pipe, char *buf, size_t len,
			      unsigned int flags)
{
	ssize_t n, wrote;
	int err;

	err = pipe_ready(pipe, POLLOUT, no_wait(pipe, flags));
	if (err)
		return err;
	n = io_recv_buf(sock_held(sk), in, buf, len, MSG_PEEK);
	if (n <= 0)
		return n;
	wrote = pipe_write(pipe, buf, (size_t)n);
	if (wrote <= 0)
		return wrote;
	return io_recv_buf(sock_held(sk), in, buf, (size_t)wrote, MSG_DONTWAIT);
}

/* Copies what lies in front of the pipe into buf, leaving it there. */
static ssize_t pipe_peek(int pipe, char *buf, size_t len, unsigned int flags)
{
	int own[2];
	long n;

	n = s7_sys2(SYS_pipe2, own, O_CLOEXEC | O_NONBLOCK);
	if (n < 0)
		return n;
	n = s7_sys4(SYS_tee, pipe, own[1], len, flags & SPLICE_F_NONBLOCK);
	if (n > 0)
		n = s7_sys3(SYS_read, own[0], buf, n);
	s7_sys1(SYS_close, own[0]);
	s7_sys1(SYS_close, own[1]);
	return n;
}

static ssize_t splice_from_pipe(struct s7_sock *sk, int out, int pipe, char *buf, size_t len,
				unsigned int flags)
{
	int more = flags & SPLICE_F_MORE ? MSG_MORE : 0;
	ssize_t n = pipe_ready(pipe, POLLIN, no_wait(pipe, flags));

	if (n)
		return n;
	n = pipe_peek(pipe, buf, len, flags);
	if (n <= 0)
		return n;
	n = io_send_buf(sock_held(sk), out, buf, (size_t)n, more);
	return n <= 0 ? n : s7_sys3(SYS_read, pipe, buf, n);
}

static ssize_t splice_move(bool from, struct s7_sock *sk, int in, int out, size_t len,
			   unsigned int flags)
{
	char *buf = bounce();

	if (!buf)
		return -ENOMEM;
	len = s7_min(len, BOUNCE_BYTES);
	return from ? splice_to_pipe(sk, in, out, buf, len, flags) :
		      splice_from_pipe(sk, out, in, buf, len, flags);
}

/* The socket is what is read from (`from`) or what is written to; it is held meanwhile. */
static ssize_t splice_held(struct s7_sock_at at, bool from, int in, int out, size_t len,
			   unsigned int flags)
{
	struct wait_hold hold;
	ssize_t n;

	n = wait_hold_begin(&hold, &at.sk->file, at.cookie);
	if (n)
		return n;
	pthread_cleanup_push(wait_hold_end, &hold);
	n = splice_move(from, at.sk, in, out, len, flags);
	pthread_cleanup_pop(1);
	return n;
}

static ssize_t splice_ours(int in, off64_t *in_off, int out, off64_t *out_off, size_t len,
			   unsigned int flags)
{
	bool from = fd_is_sock(in), to = fd_is_sock(out);
	struct s7_sock_at at = fd_sock_at(from ? in : out);
	bool pipe = !(from && to) && is_pipe(from ? out : in);

	/* with a position or without a pipe nothing is moved: the kernel has the errno */
	if (!len || flags & ~SPLICE_KNOWN || in_off || out_off || !pipe)
		return s7_sys6(SYS_splice, in, (long)in_off, out, (long)out_off, (long)len, flags);
	return at.sk ? splice_held(at, from, in, out, len, flags) : -SOCK_STALE;
}

S7_EXPORT ssize_t splice(int in, off64_t *in_off, int out, off64_t *out_off, size_t len,
			 unsigned int flags)
{
	ssize_t n;

	do {
		if (!fd_is_sock(in) && !fd_is_sock(out))
			return real.splice(in, in_off, out, out_off, len, flags);
		n = splice_ours(in, in_off, out, out_off, len, flags);
	} while (s7_unlikely(n == -SOCK_STALE));
	return ret_errno(n);
}

S7_EXPORT ssize_t sendfile64(int out, int in, off64_t *off, size_t len)
{
	struct s7_sock_at at = fd_sock_at(out);
	ssize_t n;

	while (at.sk) {
		n = sendfile_ours(at, out, in, off, len);
		if (s7_likely(n != -SOCK_STALE))
			return ret_errno(n);
		at = fd_sock_at(out);
	}
	/*
	 * into a pipe it is a splice; into anything else the kernel's refusal holds for our sockets
	 * too
	 */
	while (!off && fd_is_sock(in) && is_pipe(out)) {
		n = splice_ours(in, NULL, out, NULL, len, 0);
		if (s7_likely(n != -SOCK_STALE))
			return ret_errno(n);
	}
	return real.sendfile64(out, in, off, len);
}

S7_EXPORT ssize_t sendfile(int out, int in, off_t *off, size_t len)
{
	if (!fd_is_sock(out) && !fd_is_sock(in))
		return real.sendfile(out, in, off, len);
	static_assert(sizeof(off_t) == sizeof(off64_t), "one kind of offset");
	return sendfile64(out, in, (off64_t *)off, len);
}

S7_EXPORT ssize_t tee(int in, int out, size_t len, unsigned int flags)
{
	return real.tee(in, out, len, flags);
}
