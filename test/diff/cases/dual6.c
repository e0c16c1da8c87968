// SPDX-License-Identifier: BSD-3-Clause
/*
 * dual6.c - sockets of both families: the names on both sides, what is told about datagrams,
 * IPV6_ADDRFORM
 */
#include "test/diff/cases/name6.h"

static char buf[512];

/* ---- both families by one socket ---- */

static int listen6(const char *at, bool v6only, uint16_t *ret_port)
{
	int fd = sock6(SOCK_STREAM);
	union name name;
	socklen_t len = make_name(at, 0, &name);

	if (v6only)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	T(bind(fd, &name.sa, len));
	T(listen(fd, 8));
	*ret_port = port_of(fd);
	return fd;
}

static void dial(int listener, int domain, const char *to, uint16_t port)
{
	int c = socket(domain, SOCK_STREAM, 0), s;
	union name name, from;
	socklen_t len = make_name(to, port, &name);

	say("dial %s", to);
	if (T(connect(c, &name.sa, len))) {
		close(c);
		return;
	}
	say_names("client", c);
	len = sizeof(from);
	s = F(accept(listener, &from.sa, &len));
	say_addr("from", &from, len);
	say_names("server", s);
	T(get_int(s, IPPROTO_IPV6, IPV6_V6ONLY));
	T(get_int(s, SOL_SOCKET, SO_DOMAIN));
	T(send(c, "to", 2, 0));
	say_bytes("recv", buf, recv(s, buf, sizeof(buf), 0));
	T(send(s, "back", 4, 0));
	say_bytes("recv", buf, recv(c, buf, sizeof(buf), 0));
	close(s);
	close(c);
}

static void dial_all(int listener, uint16_t port)
{
	dial(listener, AF_INET, "v4 127.0.0.1", port);
	dial(listener, AF_INET6, "::1", port);
	dial(listener, AF_INET6, "::", port);
	dial(listener, AF_INET6, "::ffff:127.0.0.1", port);
}

CASE(names6_accept_dual)
{
	uint16_t port;
	int l = listen6("::", false, &port);

	dial_all(l, port);
}

CASE(names6_accept_v6only)
{
	uint16_t port;
	int l = listen6("::", true, &port);

	dial_all(l, port);
}

CASE(names6_accept_one)
{
	uint16_t port;
	int l = listen6("::1", false, &port);

	dial_all(l, port);
	close(l);
	l = listen6("::ffff:127.0.0.1", false, &port);
	dial_all(l, port);
}

CASE(names6_truncated)
{
	static const socklen_t lens[] = { 0, 1, 2, 4, 8, 16, 24, 27, 28, 100 };
	uint16_t port;
	int l = listen6("::", false, &port), c = sock6(SOCK_STREAM), s;
	union name name;
	socklen_t len = make_name("::1", port, &name);

	T(connect(c, &name.sa, len));
	s = F(accept(l, NULL, NULL));
	for (size_t i = 0; i < COUNT(lens); i++) {
		memset(&name, 0xee, sizeof(name));
		len = lens[i];
		T(getsockname(s, &name.sa, &len));
		say("%u", len);
		say("family %x, byte 27 %x, byte 28 %x", name.sa.sa_family, name.room[27] & 0xff,
		    name.room[28] & 0xff);
		len = lens[i];
		T(getpeername(c, &name.sa, &len));
		say("%u", len);
	}
}

/* ---- datagrams: what is told about them ---- */

static void say_controls(struct msghdr *hdr)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		struct in6_pktinfo info6;
		char text[64];
		int value = 0;

		if (c->cmsg_level == IPPROTO_IPV6 && (c->cmsg_type == IPV6_PKTINFO ||
						      c->cmsg_type == IPV6_2292PKTINFO)) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			inet_ntop(AF_INET6, &info6.ipi6_addr, text, sizeof(text));
			say("  control %d: %s by %u", c->cmsg_type, text, info6.ipi6_ifindex);
			continue;
		}
		memcpy(&value, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0) >= 4 ? 4 : 1);
		say("  control %d.%d: len %zu value %d", c->cmsg_level, c->cmsg_type,
		    c->cmsg_len - CMSG_LEN(0), value);
	}
}

static void take(int fd)
{
	struct iovec iov = { buf, sizeof(buf) };
	char control[512];
	union name from;
	struct msghdr hdr = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov,
			      .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };

	settle();
	say_bytes("recvmsg", buf, recvmsg(fd, &hdr, MSG_DONTWAIT));
	say_addr("from", &from, hdr.msg_namelen);
	say_controls(&hdr);
}

static const int told[][2] = {
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO },  { IPPROTO_IPV6, IPV6_RECVHOPLIMIT },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS },   { IPPROTO_IPV6, IPV6_2292PKTINFO },
	{ IPPROTO_IPV6, IPV6_2292HOPLIMIT }, { IPPROTO_IP, IP_PKTINFO },
	{ IPPROTO_IP, IP_RECVTTL },	     { IPPROTO_IP, IP_RECVTOS },
};

CASE(names6_udp_told)
{
	int a = sock6(SOCK_DGRAM), v4 = sock(SOCK_DGRAM), v6 = sock6(SOCK_DGRAM);
	union name name;
	socklen_t len = make_name("::", 0, &name);
	uint16_t port;

	T(bind(a, &name.sa, len));
	port = port_of(a);
	for (size_t i = 0; i <= COUNT(told); i++) {
		if (i < COUNT(told))
			T(set_int(a, told[i][0], told[i][1], 1));
		else
			for (size_t k = 0; k < COUNT(told); k++)
				set_int(a, told[k][0], told[k][1], 1);
		len = make_name("v4 127.0.0.1", port, &name);
		T(sendto(v4, "four", 4, 0, &name.sa, len));
		take(a);
		len = make_name("::1", port, &name);
		T(sendto(v6, "six", 3, 0, &name.sa, len));
		take(a);
		len = make_name("::ffff:127.0.0.1", port, &name);
		T(sendto(v6, "mapped", 6, 0, &name.sa, len));
		take(a);
		for (size_t k = 0; k < COUNT(told); k++)
			set_int(a, told[k][0], told[k][1], 0);
	}
}

/* Hop limit and traffic class of what is sent, as the receiver sees them. */
CASE(names6_udp_settings)
{
	int a = sock6(SOCK_DGRAM), b = sock6(SOCK_DGRAM);
	union name six, four;
	socklen_t len = make_name("::", 0, &six), len4;

	T(bind(a, &six.sa, len));
	len = make_name("::1", port_of(a), &six);
	len4 = make_name("::ffff:127.0.0.1", port_of(a), &four);
	for (size_t k = 0; k < COUNT(told); k++)
		set_int(a, told[k][0], told[k][1], 1);
	for (int step = 0; step < 5; step++) {
		if (step == 1)
			T(set_int(b, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9));
		if (step == 2)
			T(set_int(b, IPPROTO_IPV6, IPV6_TCLASS, 0x2c));
		if (step == 3)
			T(set_int(b, IPPROTO_IP, IP_TTL, 11));
		if (step == 4)
			T(set_int(b, IPPROTO_IP, IP_TOS, 0x18));
		T(sendto(b, "six", 3, 0, &six.sa, len));
		take(a);
		T(sendto(b, "four", 4, 0, &four.sa, len4));
		take(a);
	}
}

CASE(names6_udp_connected)
{
	static const char *const peers[] = { "::1", "::ffff:127.0.0.1", "v4 127.0.0.1" };
	int fd = sock6(SOCK_DGRAM), far = sock6(SOCK_DGRAM);
	union name name;
	socklen_t len = make_name("::", 0, &name);

	T(bind(far, &name.sa, len));
	for (size_t i = 0; i < COUNT(peers); i++) {
		len = make_name(peers[i], port_of(far), &name);
		say("connect %s", peers[i]);
		T(connect(fd, &name.sa, len));
		say_names("now", fd);
		T(send(fd, "hello", 5, 0));
		take(far);
		T(get_int(fd, IPPROTO_IPV6, IPV6_MTU));
		name.sa.sa_family = AF_UNSPEC;
		T(connect(fd, &name.sa, sizeof(name.in6)));
		say_names("after", fd);
	}
}

/* ---- IPV6_ADDRFORM ---- */

CASE(names6_addrform_tcp)
{
	uint16_t port;
	int l = listen6("::", false, &port), c = sock6(SOCK_STREAM), s;
	union name name;
	socklen_t len = make_name("::ffff:127.0.0.1", port, &name);

	T(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET));
	T(connect(c, &name.sa, len));
	s = F(accept(l, NULL, NULL));
	T(get_int(c, IPPROTO_IPV6, IPV6_ADDRFORM));
	T(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET6));
	T(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET));
	say_names("client", c);
	T(get_int(c, SOL_SOCKET, SO_DOMAIN));
	T(set_int(s, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET));
	say_names("server", s);
	T(send(c, "hi", 2, 0));
	say_bytes("recv", buf, recv(s, buf, sizeof(buf), 0));
	close(s);
	close(c);
	c = sock6(SOCK_STREAM);
	len = make_name("::1", port, &name);
	T(connect(c, &name.sa, len));
	T(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET));
}

CASE(names6_addrform_udp)
{
	int fd = sock6(SOCK_DGRAM);
	union name name;
	socklen_t len = make_name("::ffff:127.0.0.1", dead_port(), &name);

	T(set_int(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET));
	T(connect(fd, &name.sa, len));
	T(set_int(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET));
	say_names("now", fd);
	T(get_int(fd, SOL_SOCKET, SO_DOMAIN));
}
