// SPDX-License-Identifier: BSD-3-Clause
/*
 * raw.c - raw sockets of both families: names, headers, who hears what, filters, errors
 *
 * Everything goes to 127.0.0.1 or ::1. Identifications and header checksums are said as whether
 * they are right.
 */
#include "test/diff/raw.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#define EXPERIMENT 253 /* protocols of RFC 3692 */
#define EXPERIMENT2 254

static unsigned char buf[4096];
static void *const wild = (void *)8;

static const struct sockaddr_in nowhere4 = { .sin_family = AF_INET };

/* ---- names ---- */

static void names_of(int domain)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = F(socket(domain, SOCK_RAW, EXPERIMENT));

	say_names("fresh", fd);
	T(raw_bind(fd, domain, 99));
	say_names("bound", fd);
	T(raw_connect(fd, domain, 0));
	say_names("connected, port 0", fd);
	T(raw_connect(fd, domain, 77));
	say_names("connected", fd);
	T(raw_bind(fd, domain, 0));
	T(send(fd, "abc", 3, 0));
	raw_say_all("heard", fd);
	T(connect(fd, &none, sizeof(none)));
	say_names("disconnected", fd);
	T(raw_sendto(fd, domain, "xyz", 3));
	raw_say_all("deaf", fd);
	T(raw_connect(fd, domain, 5));
	say_names("again", fd);
	T(send(fd, "abc", 3, 0));
	raw_say_all("still deaf", fd);
	T(listen(fd, 1));
	T(accept(fd, NULL, NULL));
}

CASE(raw_names4)
{
	names_of(AF_INET);
}

CASE(raw_names6)
{
	names_of(AF_INET6);
}

CASE(raw_kinds)
{
	static const int protocols[] = { 0, 1, 6, 17, 58, 255, 256, -1 };

	for (size_t i = 0; i < COUNT(protocols); i++) {
		say("protocol %d", protocols[i]);
		F(socket(AF_INET, SOCK_RAW, protocols[i]));
		F(socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK, protocols[i]));
	}
}


CASE(raw_as_nobody)
{
	int fd = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));

	T(setresuid(65534, 65534, 65534));
	F(socket(AF_INET, SOCK_RAW, EXPERIMENT));
	F(socket(AF_INET6, SOCK_RAW, EXPERIMENT));
	T(raw_sendto(fd, AF_INET, "mine still", 10));
	raw_say_all("heard", fd);
}

/* ---- what is sent ---- */

CASE(raw_send_errors4)
{
	static char big[66000];
	struct sockaddr_in to = loop_addr(0);
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in bcast = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_BROADCAST) };
	int icmp = F(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	int fd = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));

	T(send(fd, "abc", 3, 0));
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, 4));
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, 0));
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to6, sizeof(to6)));
	to.sin_family = AF_UNSPEC;
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	to = loop_addr(4711);
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, "abc", 3, MSG_OOB, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, big, 65515, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, big, 65516, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, big, 65535, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, big, 65536, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(icmp, "", 0, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(icmp, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(icmp, "xy", 2, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, wild, 9, 0, (struct sockaddr *)&to, sizeof(to)));
	T(connect(fd, (struct sockaddr *)&bcast, sizeof(bcast)));
	T(connect(fd, (struct sockaddr *)&to, 3));
	T(recv(fd, buf, sizeof(buf), MSG_OOB | MSG_DONTWAIT));
	T(shutdown(fd, SHUT_WR));
	T(sendto(fd, "abc", 3, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)));
	T(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	T(shutdown(fd, SHUT_RDWR));
	say_poll("shut", fd, 0);
	T(send(fd, "abc", 3, MSG_NOSIGNAL));
}

CASE(raw_send_errors6)
{
	struct sockaddr_in6 to = raw_loop6(0);
	struct sockaddr_in to4 = loop_addr(0);
	int icmp = F(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
	int fd = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT));
	int any = F(socket(AF_INET6, SOCK_RAW, IPPROTO_RAW));

	T(send(fd, "abc", 3, 0));
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, 4));
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to4, sizeof(to4)));
	to.sin6_port = htons(EXPERIMENT2);
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_port = htons(EXPERIMENT);
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_port = htons(256);
	T(sendto(any, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_port = 0;
	T(sendto(any, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	T(set_int(any, IPPROTO_IPV6, 36 /* IPV6_HDRINCL */, 0));
	to.sin6_port = htons(EXPERIMENT);
	T(sendto(any, "by any", 6, 0, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_port = 0;
	to.sin6_family = AF_UNSPEC;
	T(sendto(fd, "no family", 9, 0, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_family = AF_INET6;
	T(sendto(icmp, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(icmp, "xyz", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, "abc", 3, MSG_OOB, (struct sockaddr *)&to, sizeof(to)));
	memset(&to.sin6_addr, 0, sizeof(to.sin6_addr));
	T(sendto(fd, "unspecified", 11, 0, (struct sockaddr *)&to, sizeof(to)));
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
	T(sendto(fd, "mapped", 6, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("heard", fd);
}

/* What Linux fills in. */
CASE(raw_hdrincl)
{
	struct sockaddr_in to = loop_addr(0);
	struct {
		struct iphdr ip;
		char data[44];
	} p = { .ip = { .version = 4, .ihl = 5, .ttl = 9, .tos = 8, .protocol = EXPERIMENT,
			.tot_len = 1, .check = 0x1234, .daddr = htonl(INADDR_LOOPBACK) },
		.data = "payload" };
	int out = F(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
	int in = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));

	say("%d", get_int(out, IPPROTO_IP, IP_HDRINCL));
	T(sendto(out, &p, 27, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("filled in", in);
	p.ip.frag_off = htons(IP_DF);
	p.ip.saddr = htonl(INADDR_LOOPBACK + 7);
	T(sendto(out, &p, 27, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("own source, not to be cut", in);
	p.ip.id = htons(77);
	T(sendto(out, &p, 20, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("header alone", in);
	p.ip.ihl = 6;
	memset(p.data, 1, 4);
	T(sendto(out, &p, 28, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("options", in);
	T(sendto(out, &p, 19, 0, (struct sockaddr *)&to, sizeof(to)));
	p.ip.ihl = 15;
	T(sendto(out, &p, 40, 0, (struct sockaddr *)&to, sizeof(to)));
	p.ip.ihl = 4;
	T(sendto(out, &p, 40, 0, (struct sockaddr *)&to, sizeof(to)));
	p.ip.ihl = 5;
	p.ip.protocol = EXPERIMENT2;
	T(set_int(in, IPPROTO_IP, IP_HDRINCL, 1));
	T(sendto(in, &p, 40, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("not of that protocol", in);
	T(set_int(in, IPPROTO_IP, IP_HDRINCL, 0));
	T(sendto(in, "plain", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("plain", in);
	T(sendto(out, &p, 0, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(out, wild, 30, 0, (struct sockaddr *)&to, sizeof(to)));
}

CASE(raw_hdrincl6)
{
	struct sockaddr_in6 to = raw_loop6(0);
	struct {
		struct ip6_hdr ip;
		char data[16];
	} p = { .ip = { .ip6_nxt = EXPERIMENT, .ip6_hlim = 3, .ip6_plen = htons(7) },
		.data = "payload" };
	int out = F(socket(AF_INET6, SOCK_RAW, IPPROTO_RAW));
	int in = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT));

	p.ip.ip6_vfc = 0x60;
	p.ip.ip6_src.s6_addr[15] = p.ip.ip6_dst.s6_addr[15] = 1;
	T(sendto(out, &p, 47, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("as it is", in);
	T(sendto(out, &p, 39, 0, (struct sockaddr *)&to, sizeof(to)));
	p.ip.ip6_plen = htons(70);
	T(sendto(out, &p, 47, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("a wrong length", in);
}

CASE(raw_more)
{
	struct sockaddr_in to = loop_addr(0);
	int fd = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));

	T(sendto(fd, "one ", 4, MSG_MORE, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("not yet", fd);
	T(sendto(fd, "two ", 4, MSG_MORE, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, "three", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("together", fd);
	T(sendto(fd, "", 0, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("empty", fd);
}

/* ---- who hears ---- */

CASE(raw_demux)
{
	struct sockaddr_in other = loop_addr(0), to = loop_addr(0);
	int all = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));
	int here = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));
	int there = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));
	int peer = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));
	int dev = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));
	int v6 = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT));
	int else_ = F(socket(AF_INET, SOCK_RAW, EXPERIMENT2));

	other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	T(bind(here, (struct sockaddr *)&to, sizeof(to)));
	T(bind(there, (struct sockaddr *)&other, sizeof(other)));
	T(connect(peer, (struct sockaddr *)&other, sizeof(other)));
	T(setsockopt(dev, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	T(sendto(all, "to one", 6, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(there, "from the other", 14, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(all, "to the other", 12, 0, (struct sockaddr *)&other, sizeof(other)));
	raw_say_all("all", all);
	raw_say_all("here", here);
	raw_say_all("there", there);
	raw_say_all("peer", peer);
	raw_say_all("device", dev);
	raw_say_all("IPv6", v6);
	raw_say_all("another protocol", else_);
}

CASE(raw_hears_udp_and_icmp)
{
	uint16_t port;
	struct sockaddr_in to;
	int udp = udp_bound(&port), raw = F(socket(AF_INET, SOCK_RAW, IPPROTO_UDP));
	int icmp = F(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)), from = sock(SOCK_DGRAM);

	to = loop_addr(port);
	T(sendto(from, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	say_bytes("the socket", buf, recv(udp, buf, sizeof(buf), MSG_DONTWAIT));
	say("beside it %ld", (long)recv(raw, buf, sizeof(buf), MSG_DONTWAIT));
	to = loop_addr(dead_port());
	T(sendto(from, "lost", 4, 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	say("raw %ld", (long)recv(raw, buf, sizeof(buf), MSG_DONTWAIT));
	say("unreachable %ld", (long)recv(icmp, buf, sizeof(buf), MSG_DONTWAIT));
	say("type %d code %d, quotes %d", buf[20], buf[21], buf[28 + 9]);
	close(udp);
}

CASE(raw_protocol_unreachable)
{
	struct sockaddr_in to = loop_addr(0);
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 9, .protocol = EXPERIMENT2,
			    .daddr = htonl(INADDR_LOOPBACK) };
	int icmp = F(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	int out = F(socket(AF_INET, SOCK_RAW, IPPROTO_RAW)), in;
	char packet[40] = "";

	memcpy(packet, &ip, sizeof(ip));
	T(sendto(out, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	T(recv(icmp, buf, sizeof(buf), MSG_DONTWAIT));
	say("type %d code %d", buf[20], buf[21]);
	in = F(socket(AF_INET, SOCK_RAW, EXPERIMENT2));
	T(sendto(out, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	T(recv(in, buf, sizeof(buf), MSG_DONTWAIT));
	T(recv(icmp, buf, sizeof(buf), MSG_DONTWAIT));
	close(in);
	T(sendto(out, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	T(recv(icmp, buf, sizeof(buf), MSG_DONTWAIT));
}

/* ---- receiving ---- */

CASE(raw_flags)
{
	int fd = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT)), n = -1;
	struct iovec iov = { buf, 3 };
	struct sockaddr_in6 from;
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from,
			      .msg_namelen = sizeof(from) };

	T(raw_sendto(fd, AF_INET6, "abcdef", 6));
	T(raw_sendto(fd, AF_INET6, "ghijkl", 6));
	settle();
	say_poll("readable", fd, 0);
	T(ioctl(fd, FIONREAD, &n));
	say("%d", n);
	say_bytes("peek", buf, recv(fd, buf, 2, MSG_PEEK));
	T(recv(fd, buf, 2, MSG_TRUNC | MSG_PEEK));
	T(recvmsg(fd, &hdr, 0));
	say("flags %x", hdr.msg_flags);
	say_addr("from", &from, hdr.msg_namelen);
	T(recv(fd, buf, 2, MSG_TRUNC));
	T(recv(fd, buf, 2, MSG_DONTWAIT));
	T(ioctl(fd, FIONREAD, &n));
	say("%d", n);
	say_poll("empty", fd, 0);
	T(set_int(fd, SOL_SOCKET, SO_PEEK_OFF, 1));
}

CASE(raw_rcvbuf)
{
	int fd = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT)), got = 0;

	set_int(fd, SOL_SOCKET, SO_RCVBUF, 4096);
	T(set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1));
	for (int i = 0; i < 40; i++)
		raw_sendto(fd, AF_INET6, "abcdef", 6);
	settle();
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		got++;
	say("%d", got);
	T(raw_sendto(fd, AF_INET6, "last", 4));
	settle();
	raw_say_control("drops", fd, 0);
}

CASE(raw_control4)
{
	int fd = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));

	T(set_int(fd, IPPROTO_IP, IP_PKTINFO, 1));
	T(set_int(fd, IPPROTO_IP, IP_RECVTTL, 1));
	T(set_int(fd, IPPROTO_IP, IP_RECVTOS, 1));
	T(set_int(fd, IPPROTO_IP, IP_TTL, 33));
	T(set_int(fd, IPPROTO_IP, IP_TOS, 16));
	T(raw_sendto(fd, AF_INET, "x", 1));
	settle();
	raw_say_control("told", fd, 0);
}

CASE(raw_control6)
{
	int fd = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT));

	T(set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	T(set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	T(set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
	T(set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33));
	T(set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, 16));
	T(raw_sendto(fd, AF_INET6, "x", 1));
	settle();
	raw_say_control("told", fd, 0);
}

CASE(raw_multicast4)
{
	struct ip_mreqn req = { .imr_ifindex = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));
	int off = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));

	inet_pton(AF_INET, "239.9.9.9", &req.imr_multiaddr);
	req.imr_address.s_addr = htonl(INADDR_LOOPBACK); /* lo has no source of choice */
	to.sin_addr = req.imr_multiaddr;
	T(set_int(off, IPPROTO_IP, IP_MULTICAST_ALL, 0));
	T(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)));
	T(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &req, sizeof(req)));
	T(set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, 7));
	T(sendto(fd, "group", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("member", fd);
	raw_say_all("none", off);
	T(setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &req, sizeof(req)));
	T(sendto(fd, "gone", 4, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("left", fd);
}

/* ---- errors ---- */

/* A datagram made by hand to a port that nobody has. */
static void refused(int fd, int domain)
{
	uint16_t udp[6] = { htons(9999), htons(dead_port()), htons(12), 0, 0x6968, 0x2121 };

	T(raw_sendto(fd, domain, udp, 12));
	settle();
	say_poll("refused", fd, 0);
}

CASE(raw_errors4)
{
	int fd = F(socket(AF_INET, SOCK_RAW, IPPROTO_UDP));

	refused(fd, AF_INET);
	raw_drain(fd);
	T(raw_connect(fd, AF_INET, 0));
	refused(fd, AF_INET);
	say_so_error(fd);
	raw_drain(fd);
	T(set_int(fd, IPPROTO_IP, IP_RECVERR, 1));
	refused(fd, AF_INET);
	raw_say_control("queued", fd, MSG_ERRQUEUE);
	T(recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0);
	raw_drain(fd);
	T(set_int(fd, IPPROTO_IP, IP_HDRINCL, 1));
	T(recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_ERRQUEUE));
}

CASE(raw_errors6)
{
	int fd = F(socket(AF_INET6, SOCK_RAW, IPPROTO_UDP));

	T(set_int(fd, IPPROTO_IPV6, IPV6_CHECKSUM, 6));
	refused(fd, AF_INET6);
	raw_drain(fd);
	T(raw_connect(fd, AF_INET6, 0));
	refused(fd, AF_INET6);
	say_so_error(fd);
	raw_drain(fd);
	T(set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1));
	refused(fd, AF_INET6);
	raw_say_control("queued", fd, MSG_ERRQUEUE);
}

CASE(raw_sigio)
{
	int fd = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT)), sig;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	T(fcntl(fd, F_SETOWN, getpid()));
	T(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
	T(raw_sendto(fd, AF_INET6, "x", 1));
	T(sigwait(&set, &sig));
	say("%d", sig == SIGIO);
	T(recv(fd, buf, sizeof(buf), 0));
	T(recv(fd, buf, sizeof(buf), 0));
}

CASE(raw_options_elsewhere)
{
	int udp = sock(SOCK_DGRAM), raw6 = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT)), on = 1;
	socklen_t len = sizeof(on);

	T(set_int(udp, IPPROTO_IP, IP_HDRINCL, 1));
	T(set_int(udp, IPPROTO_IP, 22 /* IP_NODEFRAG */, 1));
	T(set_int(raw6, IPPROTO_IP, IP_HDRINCL, 1));
	T(getsockopt(raw6, IPPROTO_IP, IP_TTL, &on, &len));
	T(set_int(raw6, IPPROTO_RAW, 1 /* ICMP_FILTER */, 1));
	T(sendto(udp, "", 0, 0, (const struct sockaddr *)&nowhere4, sizeof(nowhere4)));
}
