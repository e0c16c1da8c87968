// SPDX-License-Identifier: BSD-3-Clause
/*
 * suites.c - what other projects' suites of socket tests found
 */
#include "test/diff/diff.h"

#include <arpa/inet.h>
#include <sys/syscall.h>

static char buf[1024];

/* Bad pointers before the process has any socket: nobody stands by to mend the fault. */
CASE(suites_before_sockets)
{
	int ep = epoll_create1(0), pipes[2];

	if (pipe(pipes))
		return;
	T(epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], NULL));
	T(epoll_ctl(ep, EPOLL_CTL_MOD, pipes[0], (void *)-1));
	T(sendmsg(pipes[1], NULL, 0));
	T(sendmsg(999, (void *)-1, 0));
	T(sendmmsg(pipes[1], NULL, 2, 0));
	T(ioctl(pipes[0], SIOCGIFCONF, NULL));
}

CASE(suites_lengths)
{
	struct sockaddr_in name = loop_addr(9);
	struct iovec iov = { buf, 10 };
	struct msghdr hdr = { .msg_name = &name, .msg_namelen = 200, .msg_iov = &iov,
			      .msg_iovlen = 1 };
	int c, s, u = sock(SOCK_DGRAM);
	socklen_t len = 0;

	tcp_pair(&c, &s);
	T(getsockname(c, NULL, &len));
	say("%u", len);
	T(getpeername(c, NULL, &len));
	len = 0;
	T(getpeername(c, NULL, &len));
	send(s, "hoser", 5, 0);
	settle();
	T(recv(c, buf, (size_t)-1, MSG_PEEK));
	T(recvfrom(c, buf, (size_t)-1, MSG_PEEK, NULL, NULL));
	T(read(c, buf, (size_t)-1));
	hdr.msg_name = NULL;
	hdr.msg_namelen = (socklen_t)-1;
	T(recvmsg(c, &hdr, MSG_PEEK));
	T(send(u, buf, (size_t)-1, 0));
	T(sendto(u, buf, (size_t)-1, 0, (void *)&name, sizeof(name)));
	T(write(u, buf, (size_t)-1));
}

/* A stream leaves the name unread, but it must be one; nor is control of no length none. */
CASE(suites_names)
{
	struct sockaddr_storage name = { 0 };
	struct iovec iov = { buf, 10 };
	struct msghdr hdr = { .msg_name = &name, .msg_namelen = 200, .msg_iov = &iov,
			      .msg_iovlen = 1 };
	int c, s, u = sock(SOCK_DGRAM);

	tcp_pair(&c, &s);
	T(sendto(c, buf, 10, 0, (void *)-1, 16));
	T(sendto(c, buf, 10, 0, (void *)&name, (socklen_t)-1));
	T(sendto(c, buf, 10, 0, (void *)&name, 129));
	T(sendto(c, buf, 10, 0, (void *)&name, 3));
	T(sendmsg(c, &hdr, 0));
	hdr.msg_name = (void *)-1;
	T(sendmsg(c, &hdr, 0));
	hdr.msg_name = &name;
	*(struct sockaddr_in *)&name = loop_addr(9);
	T(sendmsg(u, &hdr, 0));
	T(sendto(u, buf, 10, 0, (void *)&name, 129));
	hdr.msg_namelen = 16;
	hdr.msg_controllen = 64;
	T(sendmsg(u, &hdr, 0));
	T(sendmsg(c, &hdr, 0));
	hdr.msg_control = (void *)-1;
	hdr.msg_controllen = 1;
	T(sendmsg(c, &hdr, 0));
}

CASE(suites_splice)
{
	int c, s, pipes[2];
	off64_t at = 0;

	tcp_pair(&c, &s);
	if (pipe(pipes) || write(pipes[1], "data", 4) != 4)
		return;
	send(s, "more", 4, 0);
	settle();
	T(splice(c, &at, pipes[1], NULL, 1, 0));
	T(splice(pipes[0], NULL, c, &at, 1, 0));
	T(splice(c, NULL, pipes[1], &at, 1, 0));
	T(splice(pipes[0], &at, c, NULL, 1, 0));
	T(splice(pipes[0], NULL, c, NULL, 1, ~0u));
	T(splice(c, NULL, pipes[1], NULL, 1, 16));
	T(splice(c, NULL, 999, NULL, 1, 0));
	T(splice(c, NULL, pipes[1], NULL, 0, 16));
	T(splice(c, NULL, s, NULL, 1, 0));
	T(splice(c, NULL, pipes[1], NULL, 4, 0));
	T(splice(pipes[0], NULL, c, NULL, 8, 0));
	settle();
	say_bytes("s", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
}

CASE(suites_mcast_if)
{
	struct in_addr good = { htonl(INADDR_LOOPBACK) }, bad = { htonl(0x01020304) };
	socklen_t len = sizeof(bad);
	int u = sock(SOCK_DGRAM), six = socket(AF_INET6, SOCK_DGRAM, 0);

	T(setsockopt(u, IPPROTO_IP, IP_MULTICAST_IF, &good, sizeof(good)));
	T(setsockopt(u, IPPROTO_IP, IP_MULTICAST_IF, &bad, sizeof(bad)));
	T(getsockopt(u, IPPROTO_IP, IP_MULTICAST_IF, &bad, &len));
	say("%x", ntohl(bad.s_addr));
	T(set_int(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, 1));
	T(set_int(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, 999));
	say("%d", get_int(six, IPPROTO_IPV6, IPV6_MULTICAST_IF));
}

/* No group is reached by lo in IPv6; IPV6_MULTICAST_IF says where a link's own is. */
CASE(suites_mcast_lo6)
{
	static const char *const groups[] = { "ff01::1", "ff02::1", "ff05::1234", "ff0e::5" };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9) };

	for (size_t i = 0; i < COUNT(groups); i++) {
		int s = socket(AF_INET6, SOCK_DGRAM, 0);

		inet_pton(AF_INET6, groups[i], &to.sin6_addr);
		T(sendto(s, "hi", 2, 0, (void *)&to, sizeof(to)));
		T(set_int(s, IPPROTO_IPV6, IPV6_MULTICAST_IF, 1));
		T(sendto(s, "hi", 2, 0, (void *)&to, sizeof(to)));
		T(connect(s, (void *)&to, sizeof(to)));
		T(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
		T(sendto(s, "hi", 2, 0, (void *)&to, sizeof(to)));
		close(s);
	}
}

/* The port of a connection that failed is gone with the next address without a port. */
CASE(suites_bind_no_port)
{
	struct sockaddr_in to = loop_addr(dead_port()), name = loop_addr(0);
	int s = sock(SOCK_STREAM);

	T(set_int(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	T(bind(s, (void *)&name, sizeof(name)));
	T(connect(s, (void *)&to, sizeof(to)));
	say("port %s", port_of(s) ? "yes" : "no");
	T(bind(s, (void *)&name, sizeof(name)));
	say("port %s", port_of(s) ? "yes" : "no");
}

/* A wait looks at its mask and its time first, also when something is ready. */
CASE(suites_masks)
{
	struct timespec none = { 0, 0 }, bad = { 0, -1 }, while_ready = { 50, 0 };
	struct { void *mask; size_t size; } arg = { (void *)-1, 8 };
	struct epoll_event ev = { .events = EPOLLIN };
	int a, b, ep = epoll_create1(0);
	struct pollfd pfd = { .events = POLLIN };
	sigset_t set;
	fd_set rd;

	sigemptyset(&set);
	udp_pair(&a, &b);
	pfd.fd = a;
	FD_ZERO(&rd);
	FD_SET(a, &rd);
	conn(b, port_of(a));
	send(b, "x", 1, 0);
	settle();
	T(epoll_ctl(ep, EPOLL_CTL_ADD, a, &ev));
	T(epoll_pwait(ep, &ev, 1, 0, (void *)-1));
	T(epoll_pwait2(ep, &ev, 1, &none, (void *)-1));
	T(syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &set, 3));
	T(syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &set, 8));
	T(syscall(SYS_epoll_pwait2, ep, &ev, 1, &none, &set, 16));
	T(syscall(SYS_ppoll, &pfd, 1, &none, (void *)-1, 8));
	T(syscall(SYS_ppoll, &pfd, 1, &none, &set, 3));
	T(syscall(SYS_ppoll, &pfd, 1, &bad, &set, 3));
	T(syscall(SYS_ppoll, &pfd, 1, (void *)-1, NULL, 0));
	T(syscall(SYS_ppoll, &pfd, 1, &while_ready, &set, 8));
	say("%s", while_ready.tv_sec == 49 ? "some of it is left" : "all or nothing");
	T(syscall(SYS_pselect6, a + 1, &rd, NULL, NULL, &none, &arg));
	T(syscall(SYS_pselect6, a + 1, &rd, NULL, NULL, &none, (void *)-1));
	arg.size = 3;
	T(syscall(SYS_pselect6, a + 1, &rd, NULL, NULL, &none, &arg));
	arg.mask = NULL;
	T(syscall(SYS_pselect6, a + 1, &rd, NULL, NULL, &none, &arg));
	T(syscall(SYS_pselect6, a + 1, &rd, NULL, NULL, &bad, &arg));
	T(syscall(SYS_select, a + 1, &rd, NULL, NULL, (void *)-1));
}
