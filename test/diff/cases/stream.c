// SPDX-License-Identifier: BSD-3-Clause
/*
 * stream.c - bytes of a TCP connection: flags, partial transfers, time-outs, urgent data, ends
 */
#include "test/diff/diff.h"

#include <pthread.h>
#include <sys/sendfile.h>

static char buf[256];

CASE(stream_peek_trunc)
{
	int c, s;

	tcp_pair(&c, &s);
	T(send(s, "hello world", 11, 0));
	settle();
	say_bytes("peek", buf, recv(c, buf, 3, MSG_PEEK));
	say_bytes("peek all", buf, recv(c, buf, sizeof(buf), MSG_PEEK));
	T(recv(c, buf, 5, MSG_PEEK | MSG_TRUNC));
	T(recv(c, NULL, 2, MSG_TRUNC));
	say_bytes("rest", buf, recv(c, buf, sizeof(buf), 0));
	say_bytes("none", buf, recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	say_bytes("peek none", buf, recv(c, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK));
	say_bytes("both", buf, recv(c, buf, sizeof(buf), MSG_DONTWAIT | MSG_WAITALL));
	say_bytes("errqueue", buf, recv(c, buf, sizeof(buf), MSG_ERRQUEUE));
}

struct later {
	int fd, ms;
	const char *bytes;
	int flags;
};

static void *send_later(void *arg)
{
	struct later *l = arg;

	for (const char *at = l->bytes; *at; at++) {
		usleep(l->ms * 1000);
		send(l->fd, at, 1, l->flags);
	}
	return NULL;
}

CASE(stream_waitall)
{
	struct timeval wait = { 0, 150000 };
	struct later l = { .ms = 30, .bytes = "abcd" };
	pthread_t t;
	int c, s;
	int64_t from;

	tcp_pair(&c, &s);
	l.fd = s;
	pthread_create(&t, NULL, send_later, &l);
	say_bytes("all four", buf, recv(c, buf, 4, MSG_WAITALL));
	pthread_join(t, NULL);
	T(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)));
	send(s, "xy", 2, 0);
	from = now_ms();
	say_bytes("two of four", buf, recv(c, buf, 4, MSG_WAITALL));
	say_took("time", from, 140, 1500);
	from = now_ms();
	T(recv(c, buf, 4, 0));
	say_took("time", from, 140, 1500);
	send(s, "z", 1, 0);
	shutdown(s, SHUT_WR);
	say_bytes("one and the end", buf, recv(c, buf, 4, MSG_WAITALL));
	T(recv(c, buf, 4, MSG_WAITALL));
}

/* The receiver acknowledges a new connection's first segments at once: Nagle holds nothing. */
static void small_writes_first(void)
{
	int c, s;

	tcp_pair(&c, &s);
	for (int round = 0; round < 3; round++) {
		send(c, "a", 1, 0);
		recv(s, buf, sizeof(buf), 0);
		usleep(10000);
		send(c, "b", 1, 0);
		recv(s, buf, sizeof(buf), 0);
	}
	close(c);
	close(s);
}

/* Request and answer, then two small writes in a row: now Linux delays the acknowledgement. */
static void small_writes_after(bool nodelay)
{
	int c, s;

	tcp_pair(&c, &s);
	for (int round = 0; round < 3; round++) {
		send(c, "q", 1, 0);
		recv(s, buf, sizeof(buf), 0);
		send(s, "r", 1, 0);
		recv(c, buf, sizeof(buf), 0);
	}
	set_int(c, IPPROTO_TCP, TCP_NODELAY, nodelay);
	send(c, "1", 1, 0);
	send(c, "2", 1, 0);
	for (int got = 0; got < 2;)
		got += (int)recv(s, buf, sizeof(buf), 0);
	close(c);
	close(s);
}

static void small_writes_held(void)
{
	small_writes_after(false);
}

static void small_writes_nodelay(void)
{
	small_writes_after(true);
}

CASE(stream_small_writes)
{
	say_fastest("first writes", small_writes_first, 29, 60);
	say_fastest("interactive, held", small_writes_held, 30, 60);
	say_fastest("nodelay", small_writes_nodelay, 0, 20);
}

CASE(stream_cork)
{
	int c, s;

	tcp_pair(&c, &s);
	T(set_int(c, IPPROTO_TCP, TCP_CORK, 1));
	T(send(c, "part", 4, 0));
	settle();
	say_bytes("corked", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(send(c, " two", 4, 0));
	T(set_int(c, IPPROTO_TCP, TCP_CORK, 0));
	settle();
	say_bytes("uncorked", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(send(c, "more", 4, MSG_MORE));
	settle();
	say_bytes("more", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(send(c, "!", 1, 0));
	settle();
	say_bytes("pushed", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(send(c, "late", 4, MSG_MORE));
	usleep(300000);
	say_bytes("after 200 ms", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
}

CASE(stream_urgent)
{
	int c, s, n = 0;

	tcp_pair(&c, &s);
	T(send(s, "abc", 3, 0));
	T(send(s, "dU", 2, MSG_OOB));
	T(send(s, "ef", 2, 0));
	settle();
	say_poll("urgent", c, 0);
	T(ioctl(c, FIONREAD, &n));
	say("%d", n);
	T(ioctl(c, 0x8905, &n));
	say("at mark %d", n);
	say_bytes("to the mark", buf, recv(c, buf, sizeof(buf), 0));
	T(ioctl(c, 0x8905, &n));
	say("at mark %d", n);
	say_bytes("peek oob", buf, recv(c, buf, 5, MSG_OOB | MSG_PEEK));
	say_bytes("oob", buf, recv(c, buf, 5, MSG_OOB));
	T(recv(c, buf, 5, MSG_OOB));
	say_poll("after", c, 0);
	say_bytes("rest", buf, recv(c, buf, sizeof(buf), 0));
	T(set_int(c, SOL_SOCKET, SO_OOBINLINE, 1));
	T(send(s, "xY", 2, MSG_OOB));
	settle();
	say_bytes("inline 1", buf, recv(c, buf, sizeof(buf), 0));
	T(ioctl(c, 0x8905, &n));
	say("at mark %d", n);
	say_bytes("inline 2", buf, recv(c, buf, sizeof(buf), 0));
	T(recv(c, buf, 1, MSG_OOB));
}

static void ended(const char *text, int fd)
{
	say("-- %s", text);
	say_poll("events", fd, 0);
	T(send(fd, "x", 1, MSG_NOSIGNAL));
	settle();
	say_poll("after send", fd, 0);
	say_bytes("recv", buf, recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	say_bytes("recv", buf, recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	T(send(fd, "x", 1, MSG_NOSIGNAL));
	T(send(fd, "x", 1, MSG_NOSIGNAL));
	settle(); /* Nagle holds the second until the first is acknowledged */
	say_poll("end", fd, 0);
	say_so_error(fd);
	say_names("end", fd);
}

CASE(stream_ends)
{
	struct linger now = { 1, 0 };
	int c, s;

	tcp_pair(&c, &s);
	close(s);
	settle();
	ended("peer closed", c);
	close(c);

	tcp_pair(&c, &s);
	send(c, "unread", 6, 0);
	settle();
	close(s);
	settle();
	ended("peer closed with unread data", c);
	close(c);

	tcp_pair(&c, &s);
	send(s, "data", 4, 0);
	setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	settle();
	close(s);
	settle();
	ended("peer reset behind data", c);
	close(c);

	tcp_pair(&c, &s);
	shutdown(s, SHUT_RD);
	settle();
	ended("peer shut its reading", c);
	say_bytes("it reads", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	close(c);
	close(s);

	tcp_pair(&c, &s);
	shutdown(s, SHUT_WR);
	settle();
	ended("half closed", c);
	say_bytes("it reads", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	close(c);
	settle();
	ended("both closed", s);
	close(s);

	tcp_pair(&c, &s);
	send(s, "x", 1, 0);
	shutdown(c, SHUT_RDWR);
	settle();
	ended("own shutdown", c);
	ended("its peer", s);
}

CASE(stream_sigpipe)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int c, s;

		signal(SIGPIPE, SIG_DFL);
		tcp_pair(&c, &s);
		shutdown(c, SHUT_WR);
		T(send(c, "x", 1, MSG_NOSIGNAL));
		T(set_int(c, SOL_SOCKET, SO_LINGER, 0));
		T(write(c, "x", 1));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say("signal %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

CASE(stream_sndtimeo)
{
	static char big[1 << 16];
	struct timeval wait = { 0, 100000 };
	int c, s;
	long n;
	int64_t from;

	tcp_pair(&c, &s);
	T(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)));
	for (n = 1; n > 0;) {
		from = now_ms();
		n = send(c, big, sizeof(big), 0);
	}
	say_result("full", n);
	say_took("waited", from, 90, 1500);
	say_poll("full", c, 0);
}

CASE(stream_rcvlowat)
{
	int c, s;

	tcp_pair(&c, &s);
	T(set_int(c, SOL_SOCKET, SO_RCVLOWAT, 5));
	send(s, "abc", 3, 0);
	settle();
	say_poll("3 of 5", c, 0);
	send(s, "de", 2, 0);
	settle();
	say_poll("5 of 5", c, 0);
	say_bytes("recv", buf, recv(c, buf, 2, 0));
	say_poll("3 of 5", c, 0);
	say_bytes("less than lowat", buf, recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	send(s, "x", 1, 0);
	settle();
	say_bytes("nonblocking", buf, recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	shutdown(s, SHUT_WR);
	settle();
	say_poll("end", c, 0);
}

CASE(stream_vectors)
{
	struct iovec v[4] = {
		{ (void *)"ab", 2 }, { NULL, 0 }, { (void *)"cde", 3 }, { (void *)"", 0 }
	};
	char x[2] = "", y[8] = "";
	struct iovec w[3] = { { x, 2 }, { NULL, 0 }, { y, 8 } };
	struct msghdr hdr = { .msg_iov = w, .msg_iovlen = 3 };
	int c, s;

	tcp_pair(&c, &s);
	T(writev(c, v, 4));
	settle();
	T(readv(s, w, 3));
	say_bytes("x", x, 2);
	say_bytes("y", y, 8);
	T(writev(c, v, 0));
	T(writev(c, v, -1));
	T(writev(c, v, 1025));
	T(readv(s, w, 0));
	T(readv(s, w, -1));
	T(readv(s, w, 1025));
	v[0].iov_len = (size_t)-1;
	T(writev(c, v, 4));
	v[0].iov_len = 2;
	T(writev(c, v, 4));
	settle();
	T(recvmsg(s, &hdr, 0));
	say("flags %x namelen %u controllen %zu", hdr.msg_flags, hdr.msg_namelen,
	    hdr.msg_controllen);
	hdr.msg_iovlen = 1025;
	T(recvmsg(s, &hdr, MSG_DONTWAIT));
	T(sendmsg(s, &hdr, MSG_DONTWAIT));
	hdr.msg_iovlen = 0;
	T(sendmsg(s, &hdr, MSG_DONTWAIT));
	T(recvmsg(s, &hdr, MSG_DONTWAIT));
	T(preadv2(s, w, 3, -1, RWF_NOWAIT));
	T(pwritev2(c, v, 4, -1, 0));
	settle();
	T(preadv2(s, w, 3, -1, 0));
	T(preadv2(s, w, 3, 5, 0));
	T(pwritev2(c, v, 4, 5, 0));
	T(preadv2(s, w, 3, -1, 0x4000));
}

CASE(stream_positions)
{
	struct iovec v = { buf, 1 };
	int c, s;

	tcp_pair(&c, &s);
	T(pread(c, buf, 1, 0));
	T(pwrite(c, buf, 1, 0));
	T(preadv(c, &v, 1, 0));
	T(pwritev(c, &v, 1, 0));
	T(pread(c, buf, 1, -1));
	T(lseek(c, 0, SEEK_CUR));
	T(lseek(c, 0, SEEK_SET));
	T(ftruncate(c, 0));
	T(fsync(c));
}

CASE(stream_sendfile)
{
	FILE *f = tmpfile();
	int in = fileno(f), c, s, p[2];
	off_t off = 2;

	T(write(in, "0123456789", 10));
	tcp_pair(&c, &s);
	T(sendfile(c, in, &off, 4));
	say("offset %ld at %ld", (long)off, (long)lseek(in, 0, SEEK_CUR));
	settle();
	say_bytes("got", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	lseek(in, 1, SEEK_SET);
	T(sendfile(c, in, NULL, 100));
	say("at %ld", (long)lseek(in, 0, SEEK_CUR));
	settle();
	say_bytes("got", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	off = 10;
	T(sendfile(c, in, &off, 5));
	off = -1;
	T(sendfile(c, in, &off, 5));
	T(sendfile(c, in, NULL, 0));
	T(pipe(p));
	T(write(p[1], "pipe", 4));
	T(sendfile(c, p[0], NULL, 4));
	off = 0;
	T(sendfile(c, p[0], &off, 4));
	T(sendfile(c, p[0], &off, 0));
	T(sendfile(c, p[0], NULL, 0));
	T(splice(p[0], NULL, c, NULL, 10, 0));
	settle();
	say_bytes("got", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(send(c, "back", 4, 0));
	settle();
	T(splice(s, NULL, p[1], NULL, 10, 0));
	say_bytes("pipe", buf, read(p[0], buf, sizeof(buf)));
	nonblock(s); /* the socket's own flag counts, SPLICE_F_NONBLOCK is about the pipe */
	T(splice(s, NULL, p[1], NULL, 10, SPLICE_F_NONBLOCK));
	T(splice(s, NULL, p[1], NULL, 10, 0));
	off = 0;
	T(splice(s, &off, p[1], NULL, 10, SPLICE_F_NONBLOCK));
	T(splice(s, NULL, p[1], &off, 10, SPLICE_F_NONBLOCK));
	T(splice(s, (off_t *)1, p[1], &off, 10, SPLICE_F_NONBLOCK));
	T(splice(s, (off_t *)1, p[1], NULL, 10, SPLICE_F_NONBLOCK));
	T(splice(p[0], &off, c, NULL, 10, SPLICE_F_NONBLOCK));
	T(splice(p[0], NULL, c, &off, 10, SPLICE_F_NONBLOCK));
	T(splice(p[0], NULL, c, (off_t *)1, 10, SPLICE_F_NONBLOCK));
	T(splice(s, NULL, c, NULL, 10, SPLICE_F_NONBLOCK));
	T(splice(s, &off, c, &off, 10, SPLICE_F_NONBLOCK));
	T(sendfile(s, c, NULL, 10));
	T(sendfile(-1, in, NULL, 10));
	T(sendfile(c, -1, NULL, 10));
}

/* Files that end with a read of it, or just after: the last bytes do not wait for more. */
CASE(stream_sendfile_ends)
{
	static const off_t sizes[] = { 8192, 8193, 131072, 131073, 200000 };

	for (size_t i = 0; i < COUNT(sizes); i++) {
		int in = fileno(tmpfile()), c, s;
		off_t off = 0;
		long all = 0, n;

		T(ftruncate(in, sizes[i]));
		tcp_pair(&c, &s);
		nonblock(c);
		while (all < sizes[i]) {
			n = sendfile(c, in, &off, 1 << 30);
			if (n < 0 && errno != EAGAIN)
				say("%s", err_name(errno));
			settle();
			while ((n = recv(s, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
				all += n;
		}
		say("%ld of %ld, offset %ld", all, (long)sizes[i], (long)off);
		T(sendfile(c, in, &off, 1 << 30));
		close(c);
		close(s);
		close(in);
	}
}

CASE(stream_empty_reads)
{
	int c, s;

	tcp_pair(&c, &s);
	T(read(c, buf, 0));
	T(recv(c, buf, 0, MSG_DONTWAIT));
	T(write(c, buf, 0));
	T(send(c, buf, 0, 0));
	T(send(c, (void *)1, 5, 0));
	T(send(c, (void *)-1, 5, 0));
	T(recv(c, (void *)1, 5, MSG_DONTWAIT));
	send(s, "x", 1, 0);
	settle();
	T(recv(c, (void *)1, 5, MSG_DONTWAIT));
	say_bytes("still there", buf, recv(c, buf, sizeof(buf), MSG_DONTWAIT));
}

CASE(stream_outq)
{
	int c, s, n = -1;

	tcp_pair(&c, &s);
	send(c, "hello", 5, 0);
	settle();
	usleep(50000);
	T(ioctl(c, TIOCOUTQ, &n));
	say("%d", n);
	T(ioctl(s, FIONREAD, &n));
	say("%d", n);
	T(recv(s, buf, 2, 0));
	T(ioctl(s, FIONREAD, &n));
	say("%d", n);
	T(ioctl(s, FIONREAD, NULL));
	n = 1;
	T(ioctl(s, FIONBIO, &n));
	T(fcntl(s, F_GETFL));
	T(recv(s, buf, sizeof(buf), 0));
	T(recv(s, buf, sizeof(buf), 0));
	n = 0;
	T(ioctl(s, FIONBIO, &n));
	T(fcntl(s, F_GETFL));
	T(fcntl(s, F_SETFL, O_NONBLOCK | O_APPEND));
	T(fcntl(s, F_GETFL));
	T(fcntl(s, F_GETFD));
	T(fcntl(s, F_SETFD, FD_CLOEXEC));
	T(fcntl(s, F_GETFD));
	T(ioctl(s, FIONCLEX));
	T(fcntl(s, F_GETFD));
}
