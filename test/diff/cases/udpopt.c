// SPDX-License-Identifier: BSD-3-Clause
/*
 * udpopt.c - UDP_CORK, UDP_SEGMENT, UDP_GRO, and options of levels IP and IPV6 that few set: what
 * they do to datagrams, ports and addresses
 */
#include "test/diff/diff.h"

#include <arpa/inet.h>
#include <netinet/udp.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static char buf[70000], control[512];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)('a' + i % 23);
}

/* What comes, datagram by datagram, with what stands beside. */
static void drain(int fd)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	long n;

	settle();
	for (;;) {
		hdr.msg_control = control;
		hdr.msg_controllen = sizeof(control);
		n = recvmsg(fd, &hdr, MSG_DONTWAIT);
		if (n < 0) {
			say("recvmsg: %s", err_name(errno));
			return;
		}
		say("got %ld '%.4s' flags %x", n, n > 3 ? buf : "", (unsigned int)hdr.msg_flags);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
			say(" message %d:%d of %zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
			if (c->cmsg_type == IP_ORIGDSTADDR || c->cmsg_type == IPV6_ORIGDSTADDR)
				say_addr("  to", CMSG_DATA(c), (socklen_t)(c->cmsg_len - 16));
			else
				say_bytes("  bytes", CMSG_DATA(c), (long)(c->cmsg_len - 16));
		}
	}
}

static void pair(int *ret_a, int *ret_b)
{
	udp_pair(ret_a, ret_b);
	conn(*ret_a, port_of(*ret_b));
	T(set_int(*ret_b, SOL_SOCKET, SO_RCVBUF, 212992));
	fill();
}

static long send_flags(int fd, int level, int type, uint64_t value, size_t len, size_t bytes,
		       int flags)
{
	char room[CMSG_SPACE(16)] = { 0 };
	struct iovec iov = { buf, bytes };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			      .msg_controllen = CMSG_SPACE(len) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), &value, sizeof(value));
	return sendmsg(fd, &hdr, flags);
}

static long send_level(int fd, int level, int type, uint64_t value, size_t len, size_t bytes)
{
	return send_flags(fd, level, type, value, len, bytes, 0);
}

CASE(udp_cork)
{
	int a, b;

	pair(&a, &b);
	T(set_int(a, IPPROTO_UDP, UDP_CORK, 7));
	say("%d", get_int(a, IPPROTO_UDP, UDP_CORK));
	T(send(a, "one ", 4, 0));
	T(send(a, "two ", 4, 0));
	drain(b);
	T(send(a, "three", 5, MSG_MORE));
	T(set_int(a, IPPROTO_UDP, UDP_CORK, 0));
	drain(b);
	T(send(a, "more ", 5, MSG_MORE));
	T(set_int(a, IPPROTO_UDP, UDP_CORK, 0));
	drain(b);
	T(set_int(a, IPPROTO_UDP, UDP_CORK, 1));
	T(send(a, buf, 40000, 0));
	T(send(a, buf, 40000, 0));
	T(set_int(a, IPPROTO_UDP, UDP_CORK, 0));
	drain(b);
	T(setsockopt(a, IPPROTO_UDP, UDP_CORK, "\1", 1));
}

CASE(udp_segment)
{
	int a, b;

	pair(&a, &b);
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 1000));
	say("%d", get_int(a, IPPROTO_UDP, UDP_SEGMENT));
	T(send(a, buf, 999, 0));
	T(send(a, buf, 1000, 0));
	T(send(a, buf, 3500, 0));
	T(send(a, "", 0, 0));
	drain(b);
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 65536));
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, -1));
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 100));
	T(send(a, buf, 12800, 0));
	T(send(a, buf, 12801, 0));
	T(send(a, buf, 65508, 0));
	drain(b);
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 0));
	T(send(a, buf, 3500, 0));
	drain(b);
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 100));
	T(set_int(a, SOL_SOCKET, SO_NO_CHECK, 1));
	T(send(a, buf, 300, 0));
	drain(b);
}

CASE(udp_segment_cmsg)
{
	int a, b;

	pair(&a, &b);
	T(send_level(a, IPPROTO_UDP, UDP_SEGMENT, 500, 2, 1200));
	T(send_level(a, IPPROTO_UDP, UDP_SEGMENT, 500, 4, 1200));
	T(send_level(a, IPPROTO_UDP, UDP_GRO, 500, 2, 1200));
	drain(b);
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 700));
	T(send_level(a, IPPROTO_UDP, UDP_SEGMENT, 0, 2, 1200));
	drain(b);
	T(send_level(a, IPPROTO_UDP, UDP_SEGMENT, 600, 2, 1200));
	drain(b);
}

CASE(udp_segment_corked)
{
	int a, b;

	pair(&a, &b);
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 1000));
	T(send(a, buf, 1500, MSG_MORE));
	T(send(a, buf, 1000, 0));
	drain(b);
	T(set_int(a, IPPROTO_UDP, UDP_CORK, 1));
	T(send(a, buf, 1500, 0));
	T(set_int(a, IPPROTO_UDP, UDP_CORK, 0));
	drain(b);
}

/* The message of the call that begins the datagram counts, on a socket without any option. */
CASE(udp_segment_corked_message)
{
	int a, b;

	pair(&a, &b);
	T(send_flags(a, IPPROTO_UDP, UDP_SEGMENT, 500, 2, 100, MSG_MORE));
	T(send_flags(a, IPPROTO_UDP, UDP_SEGMENT, 600, 2, 1400, 0));
	drain(b);
	T(send_flags(a, IPPROTO_UDP, UDP_SEGMENT, 500, 2, 100, MSG_MORE));
	T(send(a, buf, 700, 0));
	drain(b);
	T(send(a, buf, 700, MSG_MORE));
	T(send_flags(a, IPPROTO_UDP, UDP_SEGMENT, 500, 2, 700, 0));
	drain(b);
}

CASE(udp_gro)
{
	int a, b;

	pair(&a, &b);
	T(set_int(b, IPPROTO_UDP, UDP_GRO, 5));
	say("%d", get_int(b, IPPROTO_UDP, UDP_GRO));
	T(set_int(b, IPPROTO_IP, IP_PKTINFO, 1));
	T(send(a, buf, 300, 0));
	drain(b);
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 1000));
	T(send(a, buf, 3500, 0));
	T(send(a, buf, 2000, 0));
	T(send(a, buf, 500, 0));
	drain(b);
	T(send(a, buf, 3500, 0));
	settle();
	T(ioctl(b, FIONREAD, &(int){ 0 }));
	T(recv(b, buf, 100, MSG_PEEK | MSG_TRUNC));
	T(set_int(b, IPPROTO_UDP, UDP_GRO, 0));
	T(recv(b, buf, sizeof(buf), 0));
	T(send(a, buf, 3500, 0));
	drain(b);
}

CASE(udp_level_options)
{
	static const int names[] = { UDP_CORK, UDP_SEGMENT, UDP_GRO, UDP_NO_CHECK6_TX,
				     UDP_NO_CHECK6_RX };
	int a = sock(SOCK_DGRAM), s = sock(SOCK_STREAM), value;
	socklen_t len;

	for (size_t i = 0; i < COUNT(names); i++) {
		say("option %d", names[i]);
		T(setsockopt(a, IPPROTO_UDP, names[i], &(int){ 1 }, 2));
		T(setsockopt(a, IPPROTO_UDP, names[i], &(int){ 1 }, 0));
		T(setsockopt(a, IPPROTO_UDP, names[i], NULL, 4));
		T(setsockopt(a, IPPROTO_UDP, names[i], &(int[2]){ 1 }, 8));
		for (socklen_t room = 0; room < 9; room += 2) {
			value = 0;
			len = room;
			T(getsockopt(a, IPPROTO_UDP, names[i], &value, &len));
			say("%u %d", len, value);
		}
		T(setsockopt(s, IPPROTO_UDP, names[i], &(int){ 1 }, 4));
	}
}

/* Who asks for it sends without a checksum over IPv6, and who asks for that takes it. */
CASE(udp_no_check6)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int a = socket(AF_INET6, SOCK_DGRAM, 0), b = socket(AF_INET6, SOCK_DGRAM, 0);
	int raw = socket(AF_INET6, SOCK_RAW, IPPROTO_UDP), s = sock(SOCK_STREAM);
	uint8_t packet[64];
	ssize_t n;

	T(bind(b, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_port = htons(port_of(b));
	T(connect(a, (struct sockaddr *)&to, sizeof(to)));
	T(setsockopt(s, IPPROTO_UDP, UDP_NO_CHECK6_TX, &(int){ 1 }, 4));
	for (int way = 0; way < 4; way++) {
		say("sender %d, receiver %d", way & 1, way >> 1);
		T(set_int(a, IPPROTO_UDP, UDP_NO_CHECK6_TX, way & 1));
		T(set_int(b, IPPROTO_UDP, UDP_NO_CHECK6_RX, way >> 1));
		say("%d %d", get_int(a, IPPROTO_UDP, UDP_NO_CHECK6_TX),
		    get_int(b, IPPROTO_UDP, UDP_NO_CHECK6_RX));
		T(send(a, "unsummed", 8, 0));
		settle();
		T(recv(b, buf, sizeof(buf), MSG_DONTWAIT));
		n = recv(raw, packet, sizeof(packet), MSG_DONTWAIT);
		say("raw %zd, %s", n, n > 8 && (packet[6] | packet[7]) ? "a sum" : "no sum");
	}
	T(set_int(a, IPPROTO_UDP, UDP_SEGMENT, 4));
	T(send(a, "unsummed", 8, 0));
	close(raw);
}

CASE(ip_origdstaddr)
{
	int a, b;

	pair(&a, &b);
	T(set_int(b, IPPROTO_IP, IP_RECVORIGDSTADDR, 1));
	say("%d", get_int(b, IPPROTO_IP, IP_RECVORIGDSTADDR));
	T(set_int(b, IPPROTO_IP, IP_RECVTTL, 1));
	T(set_int(b, IPPROTO_IP, IP_RECVTOS, 1));
	T(send(a, "hello", 5, 0));
	T(send_level(a, IPPROTO_IP, IP_TOS, 0x20, 4, 4));
	T(set_int(a, IPPROTO_IP, IP_TOS, 0x40));
	T(send_level(a, IPPROTO_IP, IP_TOS, 0, 1, 4));
	T(send_level(a, IPPROTO_IP, IP_TOS, 256, 4, 4));
	T(send_level(a, IPPROTO_IP, IP_TTL, 9, 4, 4));
	T(send_level(a, IPPROTO_IP, IP_TTL, 0, 4, 4));
	T(send_level(a, IPPROTO_IP, IP_TTL, 9, 1, 4));
	drain(b);
}

CASE(control_unknown)
{
	int a, b, c, d;

	pair(&a, &b);
	T(send_level(a, SOL_SOCKET, 99, 1, 4, 4));
	T(send_level(a, IPPROTO_IP, 99, 1, 4, 4));
	T(send_level(a, IPPROTO_IPV6, 99, 1, 4, 4));
	T(send_level(a, IPPROTO_UDP, 99, 1, 4, 4));
	T(send_level(a, IPPROTO_TCP, 99, 1, 4, 4));
	T(send_level(a, 999, 1, 1, 4, 4));
	T(send_level(a, SOL_SOCKET, SO_TIMESTAMP, 1, 4, 4));
	T(send_level(a, IPPROTO_IP, IP_RECVERR, 1, 4, 4));
	drain(b);
	tcp_pair(&c, &d);
	T(send_level(c, SOL_SOCKET, 99, 1, 4, 4));
	T(send_level(c, IPPROTO_IP, 99, 1, 4, 4));
	T(send_level(c, 999, 1, 1, 4, 4));
}

CASE(ip_no_port)
{
	struct sockaddr_in any = loop_addr(0);
	uint16_t port;
	int listener = tcp_listener(4, &port), s = sock(SOCK_STREAM), a = sock(SOCK_DGRAM), b;

	any.sin_addr.s_addr = htonl(0x7f000005);
	T(set_int(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	say("%d", get_int(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT));
	T(bind(s, (struct sockaddr *)&any, sizeof(any)));
	say_names("bound", s);
	T(conn(s, port));
	say_names("connected", s);
	b = accept(listener, NULL, NULL);
	say_names("accepted", b);
	T(send(s, "x", 1, 0));
	T(recv(b, buf, 4, 0));
	T(set_int(a, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	T(bind(a, (struct sockaddr *)&any, sizeof(any)));
	say_names("bound", a);
	b = udp_bound(&port);
	T(conn(a, port));
	say_names("connected", a);
	T(send(a, "yy", 2, 0));
	T(recv(b, buf, 4, 0));
	close(s);
	s = sock(SOCK_STREAM);
	any.sin_addr.s_addr = htonl(0x7f000006);
	T(set_int(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	T(bind(s, (struct sockaddr *)&any, sizeof(any)));
	any.sin_addr.s_addr = htonl(0x7f000007);
	T(bind(s, (struct sockaddr *)&any, sizeof(any)));
	T(listen(s, 1));
	say_names("listening", s);
	T(bind(s, (struct sockaddr *)&any, sizeof(any)));
}

CASE(ip_port_range)
{
	uint32_t range = 40000u << 16 | 39990u, wrong = 10u << 16 | 20u;
	uint16_t port;
	int listener = tcp_listener(4, &port), a = sock(SOCK_DGRAM), s = sock(SOCK_STREAM);
	struct sockaddr_in any = loop_addr(0);

	T(setsockopt(a, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &wrong, 4));
	T(setsockopt(a, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, 3));
	T(setsockopt(a, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, 8));
	T(setsockopt(a, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, 4));
	say("%x", (unsigned int)get_int(a, IPPROTO_IP, IP_LOCAL_PORT_RANGE));
	T(bind(a, (struct sockaddr *)&any, sizeof(any)));
	say("inside: %d", port_of(a) >= 39990 && port_of(a) <= 40000);
	T(setsockopt(s, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, 4));
	T(conn(s, port));
	say("inside: %d", port_of(s) >= 39990 && port_of(s) <= 40000);
	close(listener);
}

CASE(ip_minttl)
{
	uint16_t port;
	int listener = tcp_listener(4, &port), s = sock(SOCK_STREAM), far = sock(SOCK_STREAM), b;

	T(set_int(listener, IPPROTO_IP, IP_MINTTL, 256));
	T(set_int(listener, IPPROTO_IP, IP_MINTTL, -1));
	T(set_int(listener, IPPROTO_IP, IP_MINTTL, 64));
	say("%d", get_int(listener, IPPROTO_IP, IP_MINTTL));
	T(conn(s, port));
	b = F(accept(listener, NULL, NULL));
	say("%d", get_int(b, IPPROTO_IP, IP_MINTTL));
	T(set_int(far, IPPROTO_IP, IP_TTL, 63));
	nonblock(far);
	T(conn(far, port));
	settle();
	say_poll("nobody answers", far, 0);
	T(set_int(s, IPPROTO_IP, IP_TTL, 30));
	T(send(s, "lost", 4, 0));
	settle();
	T(recv(b, buf, 4, MSG_DONTWAIT));
	T(set_int(b, IPPROTO_IP, IP_MINTTL, 0));
	T(recv(b, buf, 4, 0));
}

CASE(ip_rare_options)
{
	static const int names[] = { IP_BIND_ADDRESS_NO_PORT, IP_MINTTL, IP_PASSSEC,
				     IP_RECVORIGDSTADDR, IP_TRANSPARENT, IP_UNICAST_IF,
				     IP_NODEFRAG };
	static const int values[] = { 0, 1, 2, -1, 300, 0x01000000, 0x63000000 };
	int a = sock(SOCK_DGRAM), c, d;

	tcp_pair(&c, &d);
	for (size_t i = 0; i < COUNT(names); i++) {
		say("option %d", names[i]);
		for (size_t k = 0; k < COUNT(values); k++) {
			T(set_int(a, IPPROTO_IP, names[i], values[k]));
			say("%d", get_int(a, IPPROTO_IP, names[i]));
			T(set_int(c, IPPROTO_IP, names[i], values[k]));
			say("%d", get_int(c, IPPROTO_IP, names[i]));
		}
		T(setsockopt(a, IPPROTO_IP, names[i], "\1", 1));
		T(setsockopt(a, IPPROTO_IP, names[i], "\1", 0));
		T(setsockopt(c, IPPROTO_IP, names[i], "\1", 1));
		T(setsockopt(c, IPPROTO_IP, names[i], "\1", 0));
	}
}

CASE(ip_unicast_if)
{
	int a, b;

	pair(&a, &b);
	T(set_int(a, IPPROTO_IP, IP_UNICAST_IF, (int)htonl(1)));
	T(send(a, "by lo", 5, 0));
	drain(b);
	T(set_int(a, IPPROTO_IP, IP_UNICAST_IF, 0));
	T(send(a, "by any", 6, 0));
	drain(b);
}
