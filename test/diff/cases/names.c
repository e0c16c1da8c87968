// SPDX-License-Identifier: BSD-3-Clause
/*
 * names.c - addresses and descriptors: truncated names, who binds what, IPv4 over IPv6, dup, fork
 */
#include "test/diff/diff.h"

static char buf[256];

CASE(names_truncated)
{
	static const socklen_t lens[] = { 0, 1, 2, 4, 8, 16, 100 };
	struct sockaddr_storage addr;
	int c, s;

	tcp_pair(&c, &s);
	for (size_t i = 0; i < COUNT(lens); i++) {
		socklen_t len = lens[i];

		memset(&addr, 0xee, sizeof(addr));
		T(getsockname(c, (struct sockaddr *)&addr, &len));
		say("%u family %x", len, addr.ss_family);
		len = lens[i];
		T(getpeername(c, (struct sockaddr *)&addr, &len));
		say("%u", len);
	}
	{
		socklen_t len = (socklen_t)-1;

		T(getsockname(c, (struct sockaddr *)&addr, &len));
		T(getpeername(c, (struct sockaddr *)&addr, &len));
		len = 16;
		T(getsockname(c, NULL, &len));
		T(getsockname(c, (struct sockaddr *)&addr, NULL));
		T(getsockname(999, (struct sockaddr *)&addr, &len));
	}
}

CASE(names_accept)
{
	struct sockaddr_storage addr;
	socklen_t len;
	uint16_t port;
	int l = tcp_listener(8, &port), fd;

	for (int i = 0; i < 5; i++)
		conn(sock(SOCK_STREAM), port);
	settle();
	len = sizeof(addr);
	fd = F(accept4(l, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
	say_addr("from", &addr, len);
	T(fcntl(fd, F_GETFL));
	T(fcntl(fd, F_GETFD));
	len = 4;
	fd = F(accept(l, (struct sockaddr *)&addr, &len));
	say("%u", len);
	T(fcntl(fd, F_GETFL));
	T(fcntl(fd, F_GETFD));
	len = (socklen_t)-1;
	F(accept(l, (struct sockaddr *)&addr, &len));
	F(accept(l, (struct sockaddr *)&addr, NULL));
	T(accept4(l, NULL, NULL, 1));
	nonblock(l);
	fd = F(accept(l, NULL, NULL));
	T(fd >= 0 ? fcntl(fd, F_GETFL) : 0);
	fd = F(accept(l, NULL, NULL));
	fd = F(accept(l, NULL, NULL));
}

/*
 * Second socket binds while the first one is there: the flags of both, listening or not, addresses.
 */
static void conflict(int type, int flags1, int flags2, bool listens, uint32_t ip1, uint32_t ip2)
{
	struct sockaddr_in at = loop_addr(0);
	int a = sock(type), b = sock(type);

	set_int(a, SOL_SOCKET, SO_REUSEADDR, flags1 & 1);
	set_int(a, SOL_SOCKET, SO_REUSEPORT, flags1 >> 1);
	set_int(b, SOL_SOCKET, SO_REUSEADDR, flags2 & 1);
	set_int(b, SOL_SOCKET, SO_REUSEPORT, flags2 >> 1);
	at.sin_addr.s_addr = htonl(ip1);
	T(bind(a, (struct sockaddr *)&at, sizeof(at)));
	if (listens)
		T(listen(a, 1));
	at.sin_port = htons(port_of(a));
	at.sin_addr.s_addr = htonl(ip2);
	say("%d %d %d %x %x", flags1, flags2, listens, ip1 & 0xff, ip2 & 0xff);
	T(bind(b, (struct sockaddr *)&at, sizeof(at)));
	if (type == SOCK_STREAM)
		T(listen(b, 1));
	close(a);
	close(b);
}

static void conflicts(int type)
{
	static const uint32_t ips[][2] = { { 0x7f000001, 0x7f000001 }, { 0x7f000001, 0x7f000002 },
					   { 0x7f000001, 0 }, { 0, 0x7f000001 }, { 0, 0 } };

	for (size_t i = 0; i < COUNT(ips); i++)
		for (int f1 = 0; f1 < 4; f1++)
			for (int f2 = 0; f2 < 4; f2++)
				for (int l = 0; l <= (type == SOCK_STREAM); l++)
					conflict(type, f1, f2, l, ips[i][0], ips[i][1]);
}

CASE(names_conflicts_tcp)
{
	conflicts(SOCK_STREAM);
}

CASE(names_conflicts_udp)
{
	conflicts(SOCK_DGRAM);
}

CASE(names_reuse_after_close)
{
	struct sockaddr_in at = loop_addr(0);
	uint16_t port;
	int l = tcp_listener(2, &port), c = sock(SOCK_STREAM), s;

	conn(c, port);
	s = accept(l, NULL, NULL);
	close(l);
	at.sin_port = htons(port);
	l = sock(SOCK_STREAM);
	T(bind(l, (struct sockaddr *)&at, sizeof(at)));
	close(s);
	settle();
	T(bind(l, (struct sockaddr *)&at, sizeof(at)));
	close(c);
	settle();
	T(bind(l, (struct sockaddr *)&at, sizeof(at)));
}

CASE(names_reuse_allowed)
{
	struct sockaddr_in at = loop_addr(dead_port());
	int l = sock(SOCK_STREAM), c = sock(SOCK_STREAM), s;

	T(set_int(l, SOL_SOCKET, SO_REUSEADDR, 1));
	T(bind(l, (struct sockaddr *)&at, sizeof(at)));
	T(listen(l, 1));
	T(connect(c, (struct sockaddr *)&at, sizeof(at)));
	s = F(accept(l, NULL, NULL));
	close(l);
	for (int round = 0; round < 3; round++) {
		l = sock(SOCK_STREAM);
		T(set_int(l, SOL_SOCKET, SO_REUSEADDR, 1));
		T(bind(l, (struct sockaddr *)&at, sizeof(at)));
		T(listen(l, 1));
		close(l);
		close(round ? c : s);
		settle();
	}
}

CASE(names_mapped)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int l = F(socket(AF_INET6, SOCK_STREAM, 0)), c = sock(SOCK_STREAM), s, d;
	uint16_t port;

	T(get_int(l, IPPROTO_IPV6, IPV6_V6ONLY));
	T(bind(l, (struct sockaddr *)&at, sizeof(at)));
	T(listen(l, 4));
	say_names("listener", l);
	port = port_of(l);
	T(conn(c, port));
	s = F(accept(l, (struct sockaddr *)&addr, &len));
	say_addr("from", &addr, len);
	say_names("accepted", s);
	T(send(c, "hi", 2, 0));
	say_bytes("recv", buf, recv(s, buf, sizeof(buf), 0));
	d = F(socket(AF_INET6, SOCK_STREAM, 0));
	at.sin6_addr.s6_addr[10] = at.sin6_addr.s6_addr[11] = 0xff;
	at.sin6_addr.s6_addr[12] = 127;
	at.sin6_addr.s6_addr[15] = 1;
	at.sin6_port = htons(port);
	T(connect(d, (struct sockaddr *)&at, sizeof(at)));
	say_names("mapped", d);
	F(accept(l, NULL, NULL));
	close(d);
	d = F(socket(AF_INET6, SOCK_STREAM, 0));
	T(set_int(d, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	T(connect(d, (struct sockaddr *)&at, sizeof(at)));
	at.sin6_port = 0;
	T(bind(d, (struct sockaddr *)&at, sizeof(at)));
	T(bind(d, (struct sockaddr *)&at, 20));
}

CASE(names_mapped_udp)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int a = F(socket(AF_INET6, SOCK_DGRAM, 0)), b;
	struct sockaddr_in to;
	uint16_t port;

	T(bind(a, (struct sockaddr *)&at, sizeof(at)));
	b = udp_bound(&port);
	to = loop_addr(port_of(a));
	T(sendto(b, "four", 4, 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	say_bytes("recv", buf,
		  recvfrom(a, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&addr, &len));
	say_addr("from", &addr, len);
	T(sendto(a, "back", 4, 0, (struct sockaddr *)&addr, len));
	settle();
	say_bytes("recv", buf, recv(b, buf, sizeof(buf), MSG_DONTWAIT));
	T(connect(a, (struct sockaddr *)&addr, len));
	say_names("connected", a);
}

CASE(names_dup)
{
	int c, s, d, e;

	tcp_pair(&c, &s);
	d = F(dup(c));
	e = F(fcntl(c, F_DUPFD_CLOEXEC, 100));
	T(fcntl(e, F_GETFD));
	T(dup2(c, 50));
	T(dup2(c, c));
	T(dup3(c, c, 0));
	T(dup3(c, 51, 1));
	T(dup2(999, 50));
	nonblock(d);
	T(fcntl(50, F_GETFL));
	T(send(50, "one", 3, 0));
	say_bytes("recv", buf, recv(s, buf, sizeof(buf), 0));
	T(close(c));
	T(close(d));
	T(close(e));
	T(recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(close(50));
	settle();
	T(recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(close(c));
	T(send(c, "x", 1, 0));
}

CASE(names_fork)
{
	int c, s, status;
	pid_t pid;

	tcp_pair(&c, &s);
	pid = fork();
	if (!pid) {
		close(s);
		say_bytes("child", buf, recv(c, buf, sizeof(buf), 0));
		send(c, "from the child", 14, 0);
		fcntl(c, F_SETFL, O_NONBLOCK);
		_exit(7);
	}
	send(s, "to the child", 12, 0);
	waitpid(pid, &status, 0);
	say("%d", WEXITSTATUS(status));
	say_bytes("parent", buf, recv(s, buf, sizeof(buf), 0));
	T(fcntl(c, F_GETFL));
	T(recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	close(c);
	settle();
	T(recv(s, buf, sizeof(buf), MSG_DONTWAIT));
}

CASE(names_fresh)
{
	F(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	F(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
	F(socket(AF_INET, 77, 0));
	F(socket(AF_INET, SOCK_STREAM | 0x100000, 0));
	F(socket(999, SOCK_STREAM, 0));
	T(fcntl(F(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), F_GETFL));
	T(fcntl(F(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), F_GETFD));
	T(bind(999, NULL, 0));
	T(listen(0, 1));
	T(accept(999, NULL, NULL));
	T(close(-1));
	T(shutdown(999, 0));
}

/*
 * The server closes first: what is left in TIME_WAIT remembers whether its port was to be shared.
 */
static void time_wait_bind(bool before, bool after, bool port)
{
	int name = port ? SO_REUSEPORT : SO_REUSEADDR, l = sock(SOCK_STREAM), c, s;
	struct sockaddr_in at = loop_addr(0);

	set_int(l, SOL_SOCKET, name, before);
	bind(l, (struct sockaddr *)&at, sizeof(at));
	listen(l, 4);
	at = loop_addr(port_of(l));
	c = sock(SOCK_STREAM);
	connect(c, (struct sockaddr *)&at, sizeof(at));
	s = accept(l, NULL, NULL);
	close(s);
	settle();
	close(c);
	close(l);
	settle();
	l = sock(SOCK_STREAM);
	set_int(l, SOL_SOCKET, name, after);
	say("%s %d, then %d", port ? "reuseport" : "reuseaddr", before, after);
	T(bind(l, (struct sockaddr *)&at, sizeof(at)));
	close(l);
}

CASE(names_time_wait_remembers)
{
	for (int k = 0; k < 8; k++)
		time_wait_bind(k & 1, k & 2, k & 4);
}
