// SPDX-License-Identifier: BSD-3-Clause
/*
 * flags.c - every bit of the flags of send and recv, on every kind of socket
 *
 * Bits that have no meaning are part of it: Linux ignores them, but for the one that sendmsg and
 * recvmsg refuse.
 */
#include "test/diff/cases/ready.h"

static const char echo4[] = "\x08\0\0\0\0\0\0\1hello", echo6[] = "\x80\0\0\0\0\0\0\1hello";

static int domain;
static const char *text;
static size_t text_len;

static void drain(int fd)
{
	char buf[512];

	for (int i = 0; i < 20 && recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0; i++)
		;
}

static void drain_errors(int fd)
{
	char buf[512];

	for (int i = 0; i < 20 && recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_ERRQUEUE) >= 0; i++)
		;
	get_int(fd, SOL_SOCKET, SO_ERROR);
}

static void say_call(const char *name, long got)
{
	if (got < 0)
		printf(" %s %s", name, err_name(errno));
	else
		printf(" %s %ld", name, got);
}

/* What came of it on the other side. */
static void say_came(int peer)
{
	char buf[512];
	long got = 0, n = 0, one;

	while ((one = recv(peer, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		got += one;
		n++;
	}
	printf(" came %ld", got);
}

static void send_bit(int fd, int peer, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)text, text_len };
	struct mmsghdr mm = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	say_call("send", send(fd, text, text_len, flags));
	say_call("sendmsg", sendmsg(fd, &mm.msg_hdr, flags));
	say_call("sendmmsg", sendmmsg(fd, &mm, 1, flags));
	/* what a flag held back */
	say_call("plain", send(fd, text, text_len, MSG_NOSIGNAL));
	if (peer >= 0) {
		usleep(5000);
		say_came(peer);
	}
	drain(fd);
	drain_errors(fd);
}

static void each_send(int fd, int peer)
{
	nonblock(fd);
	for (int bit = 0; bit < 32; bit++) {
		int flags = (int)(1u << bit);

		printf("send %08x:", (unsigned)flags);
		send_bit(fd, peer, flags | (flags == MSG_NOSIGNAL ? 0 : MSG_NOSIGNAL));
		say("%s", "");
	}
}

static void recv_bit(int fd, int peer, int flags)
{
	char buf[512] = "";
	struct iovec iov = { buf, 6 };
	struct mmsghdr mm = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	for (int i = 0; i < 3 && peer >= 0; i++)
		send(peer, text, text_len, MSG_NOSIGNAL);
	usleep(5000);
	say_call("recv", recv(fd, buf, 6, flags));
	say_call("recvmsg", recvmsg(fd, &mm.msg_hdr, flags));
	printf(" flags %x", (unsigned)mm.msg_hdr.msg_flags);
	mm.msg_hdr.msg_flags = 0;
	say_call("recvmmsg", recvmmsg(fd, &mm, 1, flags, NULL));
	printf(" flags %x", (unsigned)mm.msg_hdr.msg_flags);
	drain(fd);
}

static void each_recv(int fd, int peer)
{
	nonblock(fd);
	for (int bit = 0; bit < 32; bit++) {
		printf("recv %08x:", 1u << bit);
		recv_bit(fd, peer, (int)(1u << bit));
		say("%s", "");
	}
}

static void both(int fd, int peer)
{
	each_send(fd, peer);
	each_recv(fd, peer);
}

static void begin(int family)
{
	domain = family;
	text = "0123456789";
	text_len = 10;
	signal(SIGPIPE, SIG_IGN);
}

static void stream(int family)
{
	int c, s;

	begin(family);
	ready_pair(domain, &c, &s);
	set_int(c, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(s, IPPROTO_TCP, TCP_NODELAY, 1);
	both(c, s);
}

CASE(flags_tcp) { stream(AF_INET); }
CASE(flags_tcp6) { stream(AF_INET6); }

CASE(flags_tcp_ended)
{
	int c, s;

	begin(AF_INET);
	ready_pair(domain, &c, &s);
	shutdown(c, SHUT_RDWR);
	settle();
	both(c, s);
}

CASE(flags_tcp_fresh)
{
	begin(AF_INET);
	both(sock(SOCK_STREAM), -1);
}

CASE(flags_tcp_listener)
{
	uint16_t port;

	begin(AF_INET);
	both(tcp_listener(2, &port), -1);
}

static void dgram(int family)
{
	int a = ready_bound(family, SOCK_DGRAM), b = ready_bound(family, SOCK_DGRAM);

	begin(family);
	ready_connect(a, port_of(b));
	ready_connect(b, port_of(a));
	both(a, b);
}

CASE(flags_udp) { dgram(AF_INET); }
CASE(flags_udp6) { dgram(AF_INET6); }

CASE(flags_udp_fresh)
{
	begin(AF_INET);
	both(sock(SOCK_DGRAM), -1);
}

static void raw(int family)
{
	int a = socket(family, SOCK_RAW, 253), b = socket(family, SOCK_RAW, 253);

	begin(family);
	ready_connect(a, 0);
	ready_connect(b, 0);
	both(a, b);
}

CASE(flags_raw) { raw(AF_INET); }
CASE(flags_raw6) { raw(AF_INET6); }

static void ping(int family)
{
	int a = socket(family, SOCK_DGRAM, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	begin(family);
	text = family == AF_INET ? echo4 : echo6;
	text_len = 13;
	ready_connect(a, 0);
	each_send(a, -1);
	each_recv(a, a);
}

CASE(flags_ping) { ping(AF_INET); }
CASE(flags_ping6) { ping(AF_INET6); }
