// SPDX-License-Identifier: BSD-3-Clause
/*
 * fastopen.c - TCP Fast Open: MSG_FASTOPEN, TCP_FASTOPEN_CONNECT, listeners with and without it
 *
 * Whether data went in the SYN is asked of TCP_INFO, which both ends have. A cookie is known from
 * the second connection on; the namespace's key is random, so what it is is not compared.
 * net.ipv4.tcp_fastopen is the namespace's, and put back at the end of each case.
 */
#include "test/diff/diff.h"

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif

#define SYSCTL "/proc/sys/net/ipv4/tcp_fastopen"

static char buf[1 << 18];
static char sysctl_was[16];

static void sysctl_back(void)
{
	int fd = open(SYSCTL, O_WRONLY);

	if (write(fd, sysctl_was, strlen(sysctl_was)) < 0)
		say("sysctl: %s", err_name(errno));
	close(fd);
}

static void sysctl_set(const char *value)
{
	int fd = open(SYSCTL, O_RDWR);
	ssize_t n;

	if (!sysctl_was[0]) {
		n = pread(fd, sysctl_was, sizeof(sysctl_was) - 1, 0);
		if (n > 0)
			atexit(sysctl_back);
		/* the kernel remembers cookies beyond a program's life */
		if (system("LD_PRELOAD= ip tcp_metrics flush all >/dev/null 2>&1"))
			say("nothing forgets cookies");
	}
	T(write(fd, value, strlen(value)));
	close(fd);
}

static int fast_listener(int qlen, uint16_t *ret_port)
{
	int fd = tcp_listener(8, ret_port);

	T(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, qlen));
	return fd;
}

static long fast(int fd, uint16_t port, const char *text, int flags)
{
	struct sockaddr_in to = loop_addr(port);

	return sendto(fd, text, strlen(text), MSG_FASTOPEN | flags, (struct sockaddr *)&to,
		      sizeof(to));
}

/* Were bytes of the SYN taken, and if not: why. */
static void say_syn_data(const char *text, int fd)
{
	unsigned char info[256] = { 0 };
	socklen_t len = sizeof(info);

	/* tcpi_options, and the two bits behind app_limited */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len))
		say("%s: %s", text, err_name(errno));
	else
		say("%s: SYN data %s, failure %d", text, info[5] & 32 ? "taken" : "none",
		    info[7] >> 1 & 3);
}

/* accept, read, and what both ends know. */
static void served(int listener, int c)
{
	int s = F(accept(listener, NULL, NULL));
	ssize_t n;

	settle();
	n = recv(s, buf, sizeof(buf), MSG_DONTWAIT);
	say_bytes("server has", buf, n);
	say_syn_data("client", c);
	say_syn_data("server", s);
	T(send(s, "answer", 6, 0));
	settle();
	say_bytes("client has", buf, recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	close(s);
	close(c);
}

CASE(fastopen_sendto)
{
	uint16_t port;
	int listener, c;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	for (int i = 0; i < 3; i++) {
		c = sock(SOCK_STREAM);
		T(fast(c, port, "request", 0));
		say_names("client", c);
		T(conn(c, port));
		served(listener, c);
	}
}

CASE(fastopen_nonblocking)
{
	uint16_t port;
	int listener, c;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	for (int i = 0; i < 3; i++) {
		c = sock(SOCK_STREAM);
		T(fast(c, port, "request", MSG_DONTWAIT));
		settle();
		say_poll("connected", c, 0);
		T(fast(c, port, "again", MSG_DONTWAIT));
		T(conn(c, port));
		T(conn(c, port));
		served(listener, c);
	}
}

CASE(fastopen_connect)
{
	uint16_t port;
	int listener, c;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	for (int i = 0; i < 3; i++) {
		c = sock(SOCK_STREAM);
		T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
		say("%d", get_int(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
		T(conn(c, port));
		say_names("client", c);
		say_poll("client", c, 0);
		say_so_error(c);
		T(recv(c, buf, 10, MSG_DONTWAIT));
		T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
		say("queued %d", get_int(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
		T(write(c, "request", 7));
		say_names("client", c);
		T(conn(c, port));
		served(listener, c);
	}
}

CASE(fastopen_connect_nonblocking)
{
	uint16_t port;
	int listener, c;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	for (int i = 0; i < 3; i++) {
		c = sock(SOCK_STREAM);
		nonblock(c);
		T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
		T(conn(c, port));
		settle();
		say_poll("client", c, 0);
		T(conn(c, port));
		T(send(c, "request", 7, 0));
		settle();
		say_poll("client", c, 0);
		T(conn(c, port));
		T(conn(c, port));
		served(listener, c);
	}
}

/* What ends before a byte was sent. */
CASE(fastopen_connect_unused)
{
	uint16_t port;
	int listener, c;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	c = sock(SOCK_STREAM);
	T(fast(c, port, "x", 0));
	served(listener, c);
	for (int how = 0; how < 4; how++) {
		c = sock(SOCK_STREAM);
		T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
		T(conn(c, port));
		if (how < 3) {
			T(shutdown(c, how));
			say_poll("shut", c, 0);
			T(send(c, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
		} else {
			struct sockaddr none = { .sa_family = AF_UNSPEC };

			T(connect(c, &none, sizeof(none)));
			T(conn(c, port));
			T(send(c, "request", 7, 0));
			served(listener, c);
			break;
		}
		close(c);
	}
	settle();
	nonblock(listener);
	T(accept(listener, NULL, NULL));
}

CASE(fastopen_no_cookie)
{
	uint16_t port;
	int listener, c;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	T(set_int(listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	for (int i = 0; i < 2; i++) {
		c = sock(SOCK_STREAM);
		T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
		say("%d", get_int(c, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE));
		T(fast(c, port, "request", 0));
		T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0));
		served(listener, c);
	}
	T(set_int(listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0));
	c = sock(SOCK_STREAM); /* none is sent, and one is wanted now */
	T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	T(fast(c, port, "request", 0));
	served(listener, c);
}

/* By the sysctl alone: 4 and 0x200 need no cookie, 0x400 is for all listeners. */
CASE(fastopen_sysctl)
{
	static const char *const values[] = { "0", "1", "2", "3", "519", "1027" };

	for (size_t i = 0; i < COUNT(values); i++) {
		uint16_t port;
		int listener, c;

		sysctl_set(values[i]);
		listener = tcp_listener(8, &port);
		if (strtol(values[i], NULL, 10) < 1024)
			T(set_int(listener, IPPROTO_TCP, TCP_FASTOPEN, 5));
		say("%s: queue %d", values[i], get_int(listener, IPPROTO_TCP, TCP_FASTOPEN));
		for (int turn = 0; turn < 2; turn++) {
			c = sock(SOCK_STREAM);
			T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
			close(c);
			c = sock(SOCK_STREAM);
			if (T(fast(c, port, "request", 0)) == 7)
				served(listener, c);
			close(c);
		}
		close(listener);
	}
}

/* A key of one's own, two of them, and one that is not known any more. */
CASE(fastopen_keys)
{
	static const char keys[] = "0123456789abcdefFEDCBA9876543210";
	unsigned char got[64];
	uint16_t port;
	int listener, c;
	socklen_t len;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	for (int turn = 0; turn < 4; turn++) {
		switch (turn) {
		case 0:
			T(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 16));
			break;
		case 2: /* the old one is the second */
			memcpy(buf, keys + 16, 16);
			memcpy(buf + 16, keys, 16);
			T(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, buf, 32));
			break;
		case 3:
			T(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, "................",
				     16));
			break;
		}
		len = sizeof(got);
		T(getsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len));
		say_bytes("key", got, len);
		c = sock(SOCK_STREAM);
		T(fast(c, port, "request", 0));
		served(listener, c);
	}
}

CASE(fastopen_refused)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in to;
	uint16_t port, dead = dead_port();
	int listener, c, s, u;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	c = sock(SOCK_STREAM);
	T(sendto(c, "x", 1, MSG_FASTOPEN, &none, sizeof(none)));
	T(sendto(c, "x", 1, MSG_FASTOPEN, NULL, 0));
	T(send(c, "x", 1, MSG_FASTOPEN));
	to = loop_addr(port);
	T(sendto(c, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, 7));
	T(sendto(c, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, 1));
	T(sendto(c, "x", 1, MSG_FASTOPEN, (void *)8, sizeof(to)));
	T(sendto(c, (void *)8, 1, MSG_FASTOPEN, (void *)8, sizeof(to)));
	T(fast(c, dead, "x", 0));
	say_so_error(c);
	T(fast(c, dead, "x", MSG_DONTWAIT));
	settle();
	say_poll("refused", c, 0);
	say_so_error(c);
	close(c);
	tcp_pair(&c, &s);
	T(fast(c, port, "x", 0));
	T(send(s, "x", 1, MSG_FASTOPEN));
	T(send(listener, "x", 1, MSG_FASTOPEN));
	T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
	T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN, 1));
	T(set_int(c, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	u = udp_bound(&port);
	T(fast(u, port, "datagram", 0));
	settle();
	say_bytes("it came", buf, recv(u, buf, 20, MSG_DONTWAIT));
}

/* Empty, and more than a SYN holds. */
CASE(fastopen_sizes)
{
	uint16_t port;
	int listener, c, s;
	size_t got = 0;
	ssize_t n;
	pid_t pid;

	sysctl_set("3");
	listener = fast_listener(5, &port);
	for (int i = 0; i < 3; i++) {
		c = sock(SOCK_STREAM);
		T(fast(c, port, "", i == 2 ? MSG_DONTWAIT : 0));
		settle();
		s = F(accept(listener, NULL, NULL));
		T(recv(s, buf, 10, MSG_DONTWAIT));
		say_syn_data("client", c);
		T(send(c, "x", 1, 0));
		settle();
		say_bytes("later", buf, recv(s, buf, 10, MSG_DONTWAIT));
		close(c);
		close(s);
	}
	pid = fork();
	if (!pid) {
		struct sockaddr_in to = loop_addr(port);

		c = socket(AF_INET, SOCK_STREAM, 0);
		memset(buf, 'y', sizeof(buf));
		n = sendto(c, buf, sizeof(buf), MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to));
		_exit(n == sizeof(buf) ? 0 : 1);
	}
	s = F(accept(listener, NULL, NULL));
	while ((n = recv(s, buf, sizeof(buf), 0)) > 0)
		got += (size_t)n;
	say("%zu bytes, last %c", got, buf[0]);
	waitpid(pid, &listener, 0);
	say("sender: %d", WEXITSTATUS(listener));
}

/* IPv6, and a v4-mapped peer. */
CASE(fastopen_v6)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 }, to = any;
	int listener = socket(AF_INET6, SOCK_STREAM, 0), c;

	sysctl_set("3");
	T(bind(listener, (struct sockaddr *)&any, sizeof(any)));
	T(listen(listener, 8));
	T(set_int(listener, IPPROTO_TCP, TCP_FASTOPEN, 5));
	to.sin6_port = htons(port_of(listener));
	for (int i = 0; i < 4; i++) {
		to.sin6_addr = in6addr_loopback;
		if (i & 1) {
			memset(&to.sin6_addr, 0, 16);
			to.sin6_addr.s6_addr16[5] = 0xffff;
			to.sin6_addr.s6_addr32[3] = htonl(INADDR_LOOPBACK);
		}
		c = socket(AF_INET6, SOCK_STREAM, 0);
		T(sendto(c, "request", 7, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)));
		served(listener, c);
	}
}
