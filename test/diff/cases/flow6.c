// SPDX-License-Identifier: BSD-3-Clause
/*
 * flow6.c - IPv6 flow labels, and what recvmsg tells of the path MTU
 *
 * Labels that the stack makes up are not compared: a receiver says only those that were named.
 */
#include "test/diff/cases/name6.h"

#define FLOWINFO 11
#define LABEL_MGR 32
#define FLOWINFO_SEND 33

enum { LABEL_GET, LABEL_PUT, LABEL_RENEW };
enum { CREATE = 1, EXCL = 2, REFLECT = 4, REMOTE = 8 };
enum { SHARE_NONE, SHARE_EXCL, SHARE_PROCESS, SHARE_USER, SHARE_ANY = 255 };

struct request {
	struct in6_addr dst;
	uint32_t label;
	uint8_t action, share;
	uint16_t flags, expires, linger;
	uint32_t pad;
};

static int receiver(int type, uint16_t *ret_port)
{
	union name name;
	socklen_t len = make_name("::", 0, &name);
	struct timeval patience = { 3, 0 };
	int fd = sock6(type);

	bind(fd, &name.sa, len);
	set_int(fd, IPPROTO_IPV6, FLOWINFO, 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*ret_port = port_of(fd);
	return fd;
}

static void take(int fd)
{
	char buf[64], control[256];
	union name from;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr hdr = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov,
			      .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &hdr, 0);
	struct cmsghdr *c;
	uint32_t flow = 0;

	for (c = n >= 0 ? CMSG_FIRSTHDR(&hdr) : NULL; c; c = CMSG_NXTHDR(&hdr, c))
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == FLOWINFO)
			memcpy(&flow, CMSG_DATA(c), sizeof(flow));
	say("    arrived: %zd, flow %x, name's %x", n, ntohl(flow), ntohl(from.in6.sin6_flowinfo));
}

static socklen_t name_of(uint16_t port, uint32_t flow, union name *ret)
{
	socklen_t len = make_name("::1", port, ret);

	ret->in6.sin6_flowinfo = htonl(flow);
	return len;
}

static int send_asked(int fd, const union name *to, uint32_t flow, size_t len)
{
	char bytes[] = "abc";
	struct iovec iov = { bytes, 3 };
	union {
		struct cmsghdr align;
		char room[64];
	} control = { .room = "" };
	struct msghdr hdr = { .msg_name = (void *)(uintptr_t)to,
			      .msg_namelen = to ? sizeof(to->in6) : 0, .msg_iov = &iov,
			      .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(len) };

	control.align.cmsg_level = IPPROTO_IPV6;
	control.align.cmsg_type = FLOWINFO;
	control.align.cmsg_len = CMSG_LEN(len);
	flow = htonl(flow);
	memcpy(CMSG_DATA(&control.align), &flow, sizeof(flow));
	return (int)sendmsg(fd, &hdr, 0);
}

static void say_peer(int fd)
{
	union name name;
	socklen_t len = sizeof(name);

	memset(&name, 0, sizeof(name));
	say("    peer: %s, flow %x", tried(getpeername(fd, &name.sa, &len)),
	    ntohl(name.in6.sin6_flowinfo));
}

static const uint32_t flows[] = { 0x12345, 0x0bc00001, 0xfffff, 0xf0012345 };

CASE(flow6_datagrams)
{
	uint16_t port;
	int far = receiver(SOCK_DGRAM, &port), fd = sock6(SOCK_DGRAM);
	union name name;
	socklen_t len;

	T(set_int(fd, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0));
	for (int on = 0; on < 2; on++) {
		T(set_int(fd, IPPROTO_IPV6, FLOWINFO_SEND, on));
		for (size_t i = 0; i < COUNT(flows); i++) {
			len = name_of(port, flows[i], &name);
			say("%x: %s", flows[i], tried((int)sendto(fd, "x", 1, 0, &name.sa, len)));
			take(far);
			say("  asked: %s", tried(send_asked(fd, &name, 0x777, 4)));
			take(far);
		}
		T(connect(fd, &name.sa, len));
		say_peer(fd);
		T(send(fd, "x", 1, 0));
		take(far);
		T(send_asked(fd, NULL, 0x54321, 4));
		take(far);
		T(send_asked(fd, NULL, 0xf0000001, 4));
		T(send_asked(fd, NULL, 5, 3));
		T(send_asked(fd, NULL, 5, 8));
		T(set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x44));
		T(send(fd, "x", 1, 0));
	}
}

CASE(flow6_stream)
{
	uint16_t port;
	int listener = receiver(SOCK_STREAM, &port), fd = sock6(SOCK_STREAM), child;
	struct request req = { .action = LABEL_GET, .flags = REMOTE };
	socklen_t len, got = sizeof(req);
	union name name;
	char byte;

	T(set_int(listener, IPPROTO_IPV6, FLOWINFO_SEND, 1));
	T(listen(listener, 1));
	T(set_int(fd, IPPROTO_IPV6, FLOWINFO_SEND, 1));
	len = name_of(port, 0x0ff12345, &name);
	T(connect(fd, &name.sa, len));
	child = F(accept(listener, NULL, NULL));
	say_peer(fd);
	say_peer(child);
	T(getsockopt(child, IPPROTO_IPV6, LABEL_MGR, &req, &got));
	say("remote: %x", ntohl(req.label));
	T(send(fd, "x", 1, 0));
	T(recv(child, &byte, 1, 0));
	memset(&req, 0, sizeof(req));
	T(getsockopt(child, IPPROTO_IPV6, LABEL_MGR, &req, &got));
}

/* IPV6_FL_F_REFLECT: the child answers with the label that it hears. */
CASE(flow6_reflect)
{
	struct request req = { .action = LABEL_GET, .flags = REFLECT };
	uint16_t port;
	int listener = receiver(SOCK_STREAM, &port), fd = sock6(SOCK_STREAM), child, udp;
	socklen_t len, got = sizeof(req);
	union name name;
	char byte;

	udp = sock6(SOCK_DGRAM);
	T(setsockopt(udp, IPPROTO_IPV6, LABEL_MGR, &req, sizeof(req)));
	say("reflect: %s", tried(setsockopt(listener, IPPROTO_IPV6, LABEL_MGR, &req, sizeof(req))));
	T(listen(listener, 1));
	T(set_int(fd, IPPROTO_IPV6, FLOWINFO_SEND, 1));
	len = name_of(port, 0x4321, &name);
	T(connect(fd, &name.sa, len));
	child = F(accept(listener, NULL, NULL));
	T(send(fd, "x", 1, 0));
	T(recv(child, &byte, 1, 0));
	req.flags = 0;
	say("get: %s", tried(getsockopt(child, IPPROTO_IPV6, LABEL_MGR, &req, &got)));
	say("label %x", ntohl(req.label));
	req = (struct request){ .action = LABEL_PUT, .flags = REFLECT };
	say("put: %s", tried(setsockopt(child, IPPROTO_IPV6, LABEL_MGR, &req, sizeof(req))));
	say("put: %s", tried(setsockopt(child, IPPROTO_IPV6, LABEL_MGR, &req, sizeof(req))));
}

static void label(int fd, const char *text, int action, uint32_t value, int share, int flags)
{
	struct request req = { .label = htonl(value), .action = (uint8_t)action,
			       .share = (uint8_t)share, .flags = (uint16_t)flags,
			       .dst = IN6ADDR_LOOPBACK_INIT, .expires = 60, .linger = 30 };
	int ret = setsockopt(fd, IPPROTO_IPV6, LABEL_MGR, &req, sizeof(req));

	say("%s %x by %d, %d: %s%s", text, value, share, flags, tried(ret),
	    !ret && !value && req.label ? ", one was chosen" : "");
}

static void shown(int fd)
{
	struct request req = { .action = LABEL_GET };
	socklen_t len = sizeof(req);
	int ret = getsockopt(fd, IPPROTO_IPV6, LABEL_MGR, &req, &len);

	say("  shown: %s, %x by %d, linger %d", tried(ret), ntohl(req.label), req.share,
	    req.linger);
}

static void use(int fd, uint16_t port, uint32_t flow)
{
	union name name;
	socklen_t len = name_of(port, flow, &name);

	say("  %x used: %s", flow, tried((int)sendto(fd, "x", 1, 0, &name.sa, len)));
}

/* Leases are the network namespace's, kept by the kernel: who has one alone is respected. */
CASE(flow6_leases)
{
	uint16_t port;
	int far = receiver(SOCK_DGRAM, &port), fd = sock6(SOCK_DGRAM), other = sock6(SOCK_DGRAM);
	union name name;
	socklen_t len;

	T(set_int(fd, IPPROTO_IPV6, FLOWINFO_SEND, 1));
	T(set_int(other, IPPROTO_IPV6, FLOWINFO_SEND, 1));
	use(fd, port, 0x11111);
	take(far);
	label(fd, "get", LABEL_GET, 0x11111, SHARE_ANY, 0);
	label(fd, "get", LABEL_GET, 0x11111, SHARE_ANY, CREATE);
	label(fd, "get", LABEL_GET, 0x11111, SHARE_ANY, CREATE | EXCL);
	label(other, "other gets", LABEL_GET, 0x11111, SHARE_ANY, 0);
	label(other, "other gets", LABEL_GET, 0x11111, SHARE_EXCL, CREATE);
	label(fd, "get", LABEL_GET, 0x22222, SHARE_EXCL, CREATE);
	label(fd, "get", LABEL_GET, 0x33333, 7, CREATE);
	label(fd, "get", LABEL_GET, 0, SHARE_ANY, CREATE);
	label(other, "other gets", LABEL_GET, 0x22222, SHARE_EXCL, CREATE);
	use(fd, port, 0x22222);
	take(far);
	use(other, port, 0x22222);
	use(other, port, 0x11111);
	take(far);
	use(other, port, 0x55555);
	say("asked: %s", (name_of(port, 0, &name), tried(send_asked(other, &name, 0x22222, 4))));
	len = name_of(port, 0x22222, &name);
	T(connect(other, &name.sa, len));
	T(connect(fd, &name.sa, len));
	shown(fd);
	shown(other);
	label(fd, "renew", LABEL_RENEW, 0x22222, SHARE_EXCL, 0);
	label(other, "renew", LABEL_RENEW, 0x44444, SHARE_ANY, 0);
	label(fd, "put", LABEL_PUT, 0x22222, 0, 0);
	label(fd, "put", LABEL_PUT, 0x22222, 0, 0);
	shown(fd);
	label(fd, "beyond", LABEL_GET, 0x1fffff, SHARE_ANY, CREATE);
	label(fd, "action", 5, 1, SHARE_ANY, CREATE);
}

/* ---- IPV6_RECVPATHMTU ---- */

CASE(path_mtu6_told)
{
	uint16_t port;
	int far = receiver(SOCK_DGRAM, &port), fd = sock6(SOCK_DGRAM);
	static char buf[70000];
	union name name, from;
	socklen_t len = make_name("::1", port, &name);

	(void)far;
	T(set_int(fd, IPPROTO_IPV6, IPV6_MTU, 1400));
	for (int round = 0; round < 4; round++) {
		char control[256];
		struct iovec iov = { buf, 100 };
		struct msghdr hdr = { .msg_name = &from, .msg_namelen = sizeof(from),
				      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				      .msg_controllen = sizeof(control) };
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		struct cmsghdr *c;
		ssize_t n;

		T(set_int(fd, IPPROTO_IPV6, IPV6_RECVPATHMTU, round != 1));
		T(set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, round != 2));
		T(sendto(fd, buf, 1352, 0, &name.sa, len));
		T(sendto(fd, buf, 1353, 0, &name.sa, len));
		T(sendto(fd, buf, 66000, 0, &name.sa, len));
		T(poll(&pfd, 1, 0));
		n = recvmsg(fd, &hdr, MSG_DONTWAIT);
		say("recvmsg: %zd %s, flags %x, name of %u", n, n < 0 ? err_name(errno) : "",
		    hdr.msg_flags, hdr.msg_namelen);
		for (c = n >= 0 ? CMSG_FIRSTHDR(&hdr) : NULL; c; c = CMSG_NXTHDR(&hdr, c)) {
			struct ip6_mtuinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			say("  %d.%d of %zu: %u", c->cmsg_level, c->cmsg_type,
			    c->cmsg_len - CMSG_LEN(0), info.ip6m_mtu);
			say_addr("  to", &info.ip6m_addr, sizeof(info.ip6m_addr));
		}
		if (n >= 0)
			say_addr("  from", &from, hdr.msg_namelen);
		T(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	}
}
