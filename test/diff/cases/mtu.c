// SPDX-License-Identifier: BSD-3-Clause
/*
 * mtu.c - a program that changes lo's MTU: what it sends next is cut, refused and told accordingly;
 * and what routes say of their paths
 */
#include <net/if.h>

#include "test/diff/cases/name6.h"

#define MTU 1500

static char buf[4000];

static void set_mtu(int fd, int mtu)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_mtu = mtu };

	T(ioctl(fd, SIOCSIFMTU, &ifr));
	ifr.ifr_mtu = 0;
	T(ioctl(fd, SIOCGIFMTU, &ifr));
	say("  mtu %d", ifr.ifr_mtu);
}

/* What fits into a packet that must not be cut, and one byte more. */
static void send_both(int fd, int headers)
{
	for (int len = MTU - headers; len <= MTU - headers + 1; len++) {
		say_result("send", send(fd, buf, (size_t)len, 0));
		settle();
		say_result("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	}
}

static void to_self(int fd)
{
	union name name;
	socklen_t len = sizeof(name);

	getsockname(fd, &name.sa, &len);
	T(connect(fd, &name.sa, len));
}

CASE(mtu_of_lo_datagrams)
{
	uint16_t port;
	int fd = udp_bound(&port), old = 65536;
	struct ifreq ifr = { .ifr_name = "lo" };

	if (!ioctl(fd, SIOCGIFMTU, &ifr))
		old = ifr.ifr_mtu;
	set_mtu(fd, MTU);
	set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	to_self(fd);
	say("IP_MTU %d", get_int(fd, IPPROTO_IP, IP_MTU));
	send_both(fd, 28);
	say("one that may be cut");
	set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	send_both(fd, 28);
	set_mtu(fd, old);
	say("IP_MTU %d", get_int(fd, IPPROTO_IP, IP_MTU));
	close(fd);
}

CASE(mtu_of_lo_datagrams6)
{
	struct sockaddr_in6 lo = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = sock6(SOCK_DGRAM), old = 65536;

	if (!ioctl(fd, SIOCGIFMTU, &ifr))
		old = ifr.ifr_mtu;
	T(bind(fd, (struct sockaddr *)&lo, sizeof(lo)));
	set_mtu(fd, MTU);
	set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
	to_self(fd);
	say("IPV6_MTU %d", get_int(fd, IPPROTO_IPV6, IPV6_MTU));
	send_both(fd, 48);
	set_mtu(fd, old);
	close(fd);
}

CASE(mtu_of_lo_stream)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int a, b, old = 65536, probe = sock(SOCK_STREAM);

	if (!ioctl(probe, SIOCGIFMTU, &ifr))
		old = ifr.ifr_mtu;
	set_mtu(probe, MTU);
	tcp_pair(&a, &b);
	say("IP_MTU %d", get_int(a, IPPROTO_IP, IP_MTU));
	say("TCP_MAXSEG %d and %d", get_int(a, IPPROTO_TCP, TCP_MAXSEG),
	    get_int(b, IPPROTO_TCP, TCP_MAXSEG));
	T(send(a, buf, sizeof(buf), 0));
	say_result("recv", recv(b, buf, sizeof(buf), MSG_WAITALL));
	set_mtu(probe, old);
}

/* ---- what a route says of its path ---- */

#define FAR "127.0.0.3"
#define FAR6 "fd00:7::3"

static struct sockaddr_in far_addr(uint16_t port)
{
	struct sockaddr_in a = loop_addr(port);

	inet_pton(AF_INET, FAR, &a.sin_addr);
	return a;
}

static void route(const char *what)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "ip route replace local " FAR " dev lo table local %s", what);
	say("route %s: %d", what, system(cmd));
}

/* Connected to FAR; has the kernel's routes looked at. */
static int far_udp(int *ret_b)
{
	struct sockaddr_in to = far_addr(0);
	socklen_t len = sizeof(to);
	int a = sock(SOCK_DGRAM), b = sock(SOCK_DGRAM);

	T(bind(b, (struct sockaddr *)&to, len));
	getsockname(b, (struct sockaddr *)&to, &len);
	T(connect(a, (struct sockaddr *)&to, len));
	say("IP_MTU %d", get_int(a, IPPROTO_IP, IP_MTU));
	*ret_b = b;
	return a;
}

/* The routes are others: the next datagram finds out on either side. */
static void far_again(int from, int to)
{
	get_int(from, IPPROTO_IP, IP_MTU);
	say_result("send", send(from, buf, 1, 0));
	say_result("recv", recv(to, buf, sizeof(buf), 0));
	say("IP_MTU %d", get_int(from, IPPROTO_IP, IP_MTU));
}

static void unroute(void)
{
	T(system("ip route del local " FAR " dev lo table local"));
}

static void say_ttl(int from, int to)
{
	union { struct cmsghdr head; char room[64]; } control;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	set_int(to, IPPROTO_IP, IP_RECVTTL, 1);
	T(send(from, "x", 1, 0));
	say_result("recvmsg", recvmsg(to, &msg, 0));
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_type == IP_TTL)
			say("ttl %d", *(int *)CMSG_DATA(c));
	say("IP_TTL %d", get_int(from, IPPROTO_IP, IP_TTL));
}

CASE(mtu_of_route)
{
	int a, b;

	route("mtu 1500");
	a = far_udp(&b);
	set_int(a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	for (int len = MTU - 28; len <= MTU - 27; len++) {
		say_result("send", send(a, buf, (size_t)len, 0));
		settle();
		say_result("recv", recv(b, buf, sizeof(buf), MSG_DONTWAIT));
	}
	set_int(a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_INTERFACE);
	T(send(a, buf, 3000, 0));
	say_ttl(a, b);
	route("mtu lock 1300 hoplimit 9");
	far_again(a, b);
	say_ttl(a, b);
	set_int(a, IPPROTO_IP, IP_TTL, 33);
	say_ttl(a, b);
	unroute();
	far_again(a, b);
}

CASE(mtu_of_route6)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	int fd = sock6(SOCK_DGRAM);

	inet_pton(AF_INET6, FAR6, &to.sin6_addr);
	T(system("ip addr add " FAR6 "/128 dev lo"));
	T(system("ip -6 route del local " FAR6 " table local dev lo"));
	T(system("ip -6 route add local " FAR6 " table local dev lo metric 0 mtu 1500 "
		 "hoplimit 7"));
	say("IPV6_MTU unconnected %d", get_int(fd, IPPROTO_IPV6, IPV6_MTU));
	T(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	say("IPV6_MTU %d", get_int(fd, IPPROTO_IPV6, IPV6_MTU));
	say("hops %d", get_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
	set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
	T(send(fd, buf, MTU - 47, 0));
	T(system("ip addr del " FAR6 "/128 dev lo"));
	close(fd);
}

static void far_stream(bool clamped)
{
	struct sockaddr_in to = far_addr(0);
	struct tcp_info info;
	socklen_t len = sizeof(to), info_len = sizeof(info);
	int listener = sock(SOCK_STREAM), a = sock(SOCK_STREAM), b;
	char cc[16] = "";

	T(bind(listener, (struct sockaddr *)&to, len));
	T(listen(listener, 1));
	getsockname(listener, (struct sockaddr *)&to, &len);
	T(connect(a, (struct sockaddr *)&to, len));
	b = F(accept(listener, NULL, NULL));
	say("IP_MTU %d", get_int(a, IPPROTO_IP, IP_MTU));
	say("TCP_MAXSEG %d and %d", get_int(a, IPPROTO_TCP, TCP_MAXSEG),
	    get_int(b, IPPROTO_TCP, TCP_MAXSEG));
	if (clamped)
		say("TCP_WINDOW_CLAMP %d", get_int(a, IPPROTO_TCP, TCP_WINDOW_CLAMP));
	T(getsockopt(a, IPPROTO_TCP, TCP_INFO, &info, &info_len));
	say("pmtu %u advmss %u cwnd %u", info.tcpi_pmtu, info.tcpi_advmss, info.tcpi_snd_cwnd);
	len = sizeof(cc);
	T(getsockopt(a, IPPROTO_TCP, TCP_CONGESTION, cc, &len));
	say("%s", cc);
	T(setsockopt(a, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	T(send(a, buf, sizeof(buf), 0));
	say_result("recv", recv(b, buf, sizeof(buf), MSG_WAITALL));
	close(a);
	close(b);
	close(listener);
}

CASE(mtu_of_route_stream)
{
	int a, b;

	route("mtu 1400 advmss 700 window 20000 initcwnd 4");
	a = far_udp(&b);
	far_stream(true);
	route("advmss 900 congctl lock cubic");
	far_again(a, b);
	far_stream(false);
	unroute();
	far_again(a, b);
}
