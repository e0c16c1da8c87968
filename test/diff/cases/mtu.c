// SPDX-License-Identifier: BSD-3-Clause
/*
 * mtu.c - a program that changes lo's MTU: what it sends next is cut, refused and told accordingly
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
