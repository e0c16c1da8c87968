// SPDX-License-Identifier: BSD-3-Clause
/*
 * mcast.c - groups on lo: joining and leaving by each interface, source filters, who hears what
 */
#include "test/diff/diff.h"

#include <arpa/inet.h>

static char buf[2048], control[256];

static struct in_addr in4(const char *text)
{
	struct in_addr addr;

	inet_pton(AF_INET, text, &addr);
	return addr;
}

static struct sockaddr_in group_at(const char *group, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
				     .sin_addr = in4(group) };
}

static int mreq(int fd, int name, const char *group, const char *iface)
{
	struct ip_mreq req = { in4(group), in4(iface) };

	return setsockopt(fd, IPPROTO_IP, name, &req, sizeof(req));
}

static int mreqn(int fd, int name, const char *group, int ifindex)
{
	struct ip_mreqn req = { .imr_multiaddr = in4(group), .imr_ifindex = ifindex };

	return setsockopt(fd, IPPROTO_IP, name, &req, sizeof(req));
}

static int sreq(int fd, int name, const char *group, const char *source)
{
	struct ip_mreq_source req = { .imr_multiaddr = in4(group), .imr_sourceaddr = in4(source),
				      .imr_interface = in4("127.0.0.1") };

	return setsockopt(fd, IPPROTO_IP, name, &req, sizeof(req));
}

static int greq(int fd, int name, const char *group, uint32_t ifindex)
{
	struct group_req req = { .gr_interface = ifindex };
	struct sockaddr_in at = group_at(group, 0);

	memcpy(&req.gr_group, &at, sizeof(at));
	return setsockopt(fd, IPPROTO_IP, name, &req, sizeof(req));
}

static int gsreq(int fd, int name, const char *group, const char *source)
{
	struct group_source_req req = { .gsr_interface = 1 };
	struct sockaddr_in at = group_at(group, 0), from = group_at(source, 0);

	memcpy(&req.gsr_group, &at, sizeof(at));
	memcpy(&req.gsr_source, &from, sizeof(from));
	return setsockopt(fd, IPPROTO_IP, name, &req, sizeof(req));
}

/* Bound to every address at a port that others may have too. */
static int listener(uint16_t *port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(*port) };
	int fd = sock(SOCK_DGRAM);

	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	T(bind(fd, (struct sockaddr *)&any, sizeof(any)));
	*port = port_of(fd);
	return fd;
}

static int sender(const char *source)
{
	struct in_addr lo = in4("127.0.0.1");
	struct sockaddr_in at = group_at(source, 0);
	int fd = sock(SOCK_DGRAM);

	T(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	T(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo)));
	return fd;
}

static void give(int fd, const char *group, uint16_t port, const char *text)
{
	struct sockaddr_in at = group_at(group, port);

	say_result(text, sendto(fd, text, strlen(text), 0, (struct sockaddr *)&at, sizeof(at)));
	settle();
}

static void hear(const char *who, int fd)
{
	struct sockaddr_in from;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from,
			      .msg_namelen = sizeof(from), .msg_control = control,
			      .msg_controllen = sizeof(control) };
	long n = recvmsg(fd, &hdr, MSG_DONTWAIT);
	struct cmsghdr *c;

	say_bytes(who, buf, n);
	if (n < 0)
		return;
	say_addr(" from", &from, hdr.msg_namelen);
	for (c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c))
		say_bytes(" beside", CMSG_DATA(c), (long)(c->cmsg_len - CMSG_LEN(0)));
}

CASE(mcast_deliver)
{
	uint16_t port = 0;
	int a = listener(&port), b = listener(&port), c = sender("127.0.0.1");

	give(c, "239.1.2.3", port, "nobody joined");
	hear("a", a);
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	T(set_int(a, IPPROTO_IP, IP_PKTINFO, 1));
	T(set_int(a, IPPROTO_IP, IP_RECVTTL, 1));
	give(c, "239.1.2.3", port, "one member");
	hear("a", a);
	hear("b hears all", b);
	T(set_int(b, IPPROTO_IP, IP_MULTICAST_ALL, 0));
	T(set_int(c, IPPROTO_IP, IP_MULTICAST_TTL, 5));
	give(c, "239.1.2.3", port, "b is no member");
	hear("a", a);
	hear("b", b);
	T(mreqn(b, IP_ADD_MEMBERSHIP, "239.1.2.3", 1));
	give(c, "239.1.2.3", port, "both");
	hear("a", a);
	hear("b", b);
	give(c, "239.1.2.4", port, "another group");
	hear("a", a);
	hear("b", b);
	T(mreq(a, IP_DROP_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	give(c, "239.1.2.3", port, "b alone");
	hear("a hears all", a);
	hear("b", b);
	close(b);
	give(c, "239.1.2.3", port, "nobody");
	hear("a", a);
	T(set_int(c, IPPROTO_IP, IP_MULTICAST_TTL, 0));
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	give(c, "239.1.2.3", port, "within the host");
	hear("a", a);
}

CASE(mcast_bound_to_group)
{
	struct sockaddr_in at = group_at("239.1.2.3", dead_port());
	uint16_t port = ntohs(at.sin_port);
	int a = sock(SOCK_DGRAM), c = sender("127.0.0.1");

	T(bind(a, (struct sockaddr *)&at, sizeof(at)));
	say_names("bound", a);
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.4", "127.0.0.1"));
	give(c, "239.1.2.3", port, "mine");
	hear("a", a);
	give(c, "239.1.2.4", port, "not of this name");
	hear("a", a);
	give(c, "127.0.0.1", port, "unicast");
	hear("a", a);
}

CASE(mcast_sources)
{
	uint16_t port = 0;
	int a = listener(&port), c = sender("127.0.0.1"), d = sender("127.0.0.9");

	T(set_int(a, IPPROTO_IP, IP_MULTICAST_ALL, 0));
	T(sreq(a, IP_BLOCK_SOURCE, "239.1.2.3", "127.0.0.9"));
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	T(sreq(a, IP_BLOCK_SOURCE, "239.1.2.3", "127.0.0.9"));
	T(sreq(a, IP_BLOCK_SOURCE, "239.1.2.3", "127.0.0.9"));
	T(sreq(a, IP_ADD_SOURCE_MEMBERSHIP, "239.1.2.3", "127.0.0.9"));
	give(c, "239.1.2.3", port, "from 1");
	give(d, "239.1.2.3", port, "from 9");
	hear("a", a);
	hear("a", a);
	T(sreq(a, IP_UNBLOCK_SOURCE, "239.1.2.3", "127.0.0.8"));
	T(sreq(a, IP_UNBLOCK_SOURCE, "239.1.2.3", "127.0.0.9"));
	give(d, "239.1.2.3", port, "from 9 again");
	hear("a", a);
	T(mreq(a, IP_DROP_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	T(sreq(a, IP_ADD_SOURCE_MEMBERSHIP, "232.1.2.3", "127.0.0.9"));
	T(sreq(a, IP_ADD_SOURCE_MEMBERSHIP, "232.1.2.3", "127.0.0.9"));
	give(c, "232.1.2.3", port, "from 1");
	give(d, "232.1.2.3", port, "from 9");
	hear("a", a);
	hear("a", a);
	T(sreq(a, IP_DROP_SOURCE_MEMBERSHIP, "232.1.2.3", "127.0.0.1"));
	T(sreq(a, IP_DROP_SOURCE_MEMBERSHIP, "232.1.2.3", "127.0.0.9"));
	T(sreq(a, IP_DROP_SOURCE_MEMBERSHIP, "232.1.2.3", "127.0.0.9"));
	give(d, "232.1.2.3", port, "from 9, left");
	hear("a", a);
}

CASE(mcast_rfc3678)
{
	uint16_t port = 0;
	int a = listener(&port), c = sender("127.0.0.1"), d = sender("127.0.0.9");

	T(set_int(a, IPPROTO_IP, IP_MULTICAST_ALL, 0));
	T(greq(a, MCAST_JOIN_GROUP, "239.1.2.3", 1));
	T(greq(a, MCAST_JOIN_GROUP, "239.1.2.3", 1));
	T(greq(a, MCAST_JOIN_GROUP, "10.0.0.1", 1));
	T(greq(a, MCAST_JOIN_GROUP, "239.1.2.3", 99));
	T(greq(a, MCAST_LEAVE_GROUP, "239.1.2.9", 1));
	T(gsreq(a, MCAST_BLOCK_SOURCE, "239.1.2.3", "127.0.0.1"));
	give(c, "239.1.2.3", port, "from 1");
	give(d, "239.1.2.3", port, "from 9");
	hear("a", a);
	hear("a", a);
	T(gsreq(a, MCAST_UNBLOCK_SOURCE, "239.1.2.3", "127.0.0.1"));
	T(greq(a, MCAST_LEAVE_GROUP, "239.1.2.3", 1));
	T(gsreq(a, MCAST_JOIN_SOURCE_GROUP, "232.9.9.9", "127.0.0.1"));
	give(c, "232.9.9.9", port, "from 1");
	give(d, "232.9.9.9", port, "from 9");
	hear("a", a);
	hear("a", a);
	T(gsreq(a, MCAST_LEAVE_SOURCE_GROUP, "232.9.9.9", "127.0.0.1"));
	give(c, "232.9.9.9", port, "from 1");
	hear("a", a);
}

static int filter(int fd, uint32_t mode, uint32_t n, socklen_t len)
{
	char room[256] = { 0 };
	struct ip_msfilter *f = (void *)room;

	f->imsf_multiaddr = in4("239.1.2.3");
	f->imsf_interface = in4("127.0.0.1");
	f->imsf_fmode = mode;
	f->imsf_numsrc = n;
	for (uint32_t i = 0; i < n && i < 20; i++)
		f->imsf_slist[i].s_addr = htonl(0x7f000009 + i);
	return setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, len ? len : IP_MSFILTER_SIZE(n));
}

static void say_filter(int fd)
{
	char room[128] = { 0 };
	struct ip_msfilter *f = (void *)room;
	socklen_t len = IP_MSFILTER_SIZE(4);

	f->imsf_multiaddr = in4("239.1.2.3");
	f->imsf_interface = in4("127.0.0.1");
	f->imsf_numsrc = 4;
	T(getsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, &len));
	say("mode %u sources %u len %u", f->imsf_fmode, f->imsf_numsrc, len);
}

CASE(mcast_msfilter)
{
	uint16_t port = 0;
	int a = listener(&port), c = sender("127.0.0.1"), d = sender("127.0.0.9");

	T(filter(a, MCAST_INCLUDE, 1, 0));
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	say_filter(a);
	T(filter(a, MCAST_INCLUDE, 2, 0));
	say_filter(a);
	give(c, "239.1.2.3", port, "from 1");
	give(d, "239.1.2.3", port, "from 9");
	hear("a", a);
	hear("a", a);
	T(filter(a, MCAST_EXCLUDE, 1, 0));
	give(c, "239.1.2.3", port, "from 1");
	give(d, "239.1.2.3", port, "from 9");
	hear("a", a);
	hear("a", a);
	T(filter(a, 7, 1, 0));
	T(filter(a, MCAST_EXCLUDE, 11, 0));
	T(filter(a, MCAST_EXCLUDE, 3, 20));
	T(filter(a, MCAST_EXCLUDE, 0, 3));
	T(filter(a, MCAST_INCLUDE, 0, 0));
	T(mreq(a, IP_DROP_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
}

CASE(mcast_errors)
{
	struct in_addr other = in4("10.9.8.7"), out;
	uint16_t port = 0;
	char group[32];
	socklen_t len;
	int a = listener(&port), s = sock(SOCK_STREAM);

	T(mreq(a, IP_ADD_MEMBERSHIP, "10.0.0.1", "127.0.0.1"));
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "10.9.8.7"));
	T(mreqn(a, IP_ADD_MEMBERSHIP, "239.1.2.3", 77));
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "0.0.0.0"));
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	T(mreqn(a, IP_ADD_MEMBERSHIP, "239.1.2.3", 1));
	T(mreq(a, IP_DROP_MEMBERSHIP, "239.1.2.9", "127.0.0.1"));
	T(mreqn(a, IP_DROP_MEMBERSHIP, "239.1.2.3", 1));
	T(mreqn(a, IP_DROP_MEMBERSHIP, "239.1.2.3", 1));
	T(mreq(a, IP_DROP_MEMBERSHIP, "239.1.2.3", "0.0.0.0"));
	T(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &other, 4));
	T(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, NULL, 8));
	T(mreq(s, IP_ADD_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	T(setsockopt(a, IPPROTO_IP, IP_MULTICAST_IF, &other, sizeof(other)));
	T(setsockopt(a, IPPROTO_IP, IP_MULTICAST_IF, &other, 3));
	T(mreqn(a, IP_MULTICAST_IF, "0.0.0.0", 1));
	len = sizeof(out);
	out = other;
	T(getsockopt(a, IPPROTO_IP, IP_MULTICAST_IF, &out, &len));
	say("%u %s", len, inet_ntop(AF_INET, &out, group, sizeof(group)));
	out = in4("127.0.0.1");
	T(setsockopt(a, IPPROTO_IP, IP_MULTICAST_IF, &out, 4));
	len = sizeof(out);
	T(getsockopt(a, IPPROTO_IP, IP_MULTICAST_IF, &out, &len));
	say("%u %s", len, inet_ntop(AF_INET, &out, group, sizeof(group)));
	T(set_int(a, IPPROTO_IP, IP_MULTICAST_LOOP, 0));
	say("%d", get_int(a, IPPROTO_IP, IP_MULTICAST_LOOP));
	T(set_int(a, IPPROTO_IP, IP_MULTICAST_ALL, 2));
	say("%d", get_int(a, IPPROTO_IP, IP_MULTICAST_ALL));
	for (int i = 0; i < 22; i++) {
		snprintf(group, sizeof(group), "239.7.7.%d", i);
		T(mreq(a, IP_ADD_MEMBERSHIP, group, "127.0.0.1"));
	}
	T(getsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &out, &len));
	give(a, "239.1.2.3", 9, "away by lo");
	T(mreqn(a, IP_MULTICAST_IF, "0.0.0.0", 0));
	give(a, "239.1.2.3", 9, "no way");
}

CASE(mcast_connected)
{
	uint16_t port = 0;
	struct sockaddr_in to;
	int a = listener(&port), c = sender("127.0.0.1");

	to = group_at("239.1.2.3", port);
	T(mreq(a, IP_ADD_MEMBERSHIP, "239.1.2.3", "127.0.0.1"));
	T(connect(c, (struct sockaddr *)&to, sizeof(to)));
	say_names("connected", c);
	T(send(c, "hello", 5, 0));
	settle();
	hear("a", a);
}

CASE(mcast_v6)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	struct ipv6_mreq req = { .ipv6mr_interface = 1 };
	int a = socket(AF_INET6, SOCK_DGRAM, 0), c = socket(AF_INET6, SOCK_DGRAM, 0);

	T(bind(a, (struct sockaddr *)&at, sizeof(at)));
	at.sin6_port = htons(port_of(a));
	inet_pton(AF_INET6, "ff05::1234", &at.sin6_addr);
	req.ipv6mr_multiaddr = at.sin6_addr;
	T(set_int(c, IPPROTO_IPV6, IPV6_MULTICAST_IF, 1));
	say("%d", get_int(c, IPPROTO_IPV6, IPV6_MULTICAST_IF));
	T(set_int(c, IPPROTO_IPV6, IPV6_MULTICAST_IF, 99));
	T(set_int(c, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 7));
	say("%d", get_int(c, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
	T(set_int(c, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 256));
	T(set_int(c, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 2));
	T(set_int(a, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	T(sendto(c, "nobody", 6, 0, (struct sockaddr *)&at, sizeof(at)));
	settle();
	say_bytes("a", buf, recv(a, buf, sizeof(buf), MSG_DONTWAIT));
	T(setsockopt(a, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &req, sizeof(req)));
	T(setsockopt(a, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &req, sizeof(req)));
	T(setsockopt(a, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &req, 4));
	T(sendto(c, "member", 6, 0, (struct sockaddr *)&at, sizeof(at)));
	settle();
	say_bytes("a", buf, recv(a, buf, sizeof(buf), MSG_DONTWAIT));
	T(setsockopt(a, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &req, sizeof(req)));
	T(setsockopt(a, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &req, sizeof(req)));
	req.ipv6mr_interface = 99;
	T(setsockopt(a, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &req, sizeof(req)));
	req.ipv6mr_interface = 1;
	inet_pton(AF_INET6, "::1", &req.ipv6mr_multiaddr);
	T(setsockopt(a, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &req, sizeof(req)));
}
