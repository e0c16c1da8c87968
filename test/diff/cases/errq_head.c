// SPDX-License-Identifier: BSD-3-Clause
/*
 * errq_head.c - what the headers of an ICMP message had, beside its entry in the error queue; and
 * the size of fragments beside datagrams
 */
#include <net/if.h>
#include <netinet/icmp6.h>

#include "test/diff/cases/name6.h"

#define MTU 1500

static char buf[8000], control[512];

static void say_control(struct msghdr *hdr)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		say(" message %d:%d", c->cmsg_level, c->cmsg_type);
		say_bytes("  bytes", CMSG_DATA(c), (long)(c->cmsg_len - CMSG_LEN(0)));
	}
}

static void take(int fd, int flags)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };

	memset(control, 0, sizeof(control));
	if (T(recvmsg(fd, &hdr, flags)) < 0)
		return;
	say(" flags %x", (unsigned int)hdr.msg_flags);
	say_control(&hdr);
}

/* The answer to a datagram that recorded its route records on. */
CASE(errq_head_options)
{
	static const uint8_t record[] = { 7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct sockaddr_in to = loop_addr(dead_port());
	int fd = sock(SOCK_DGRAM);

	set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
	T(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, record, sizeof(record)));
	for (int wants = 0; wants < 4; wants++) {
		set_int(fd, IPPROTO_IP, IP_RECVOPTS, wants & 1);
		set_int(fd, IPPROTO_IP, IP_RETOPTS, wants >> 1);
		say("wants %d", wants);
		T(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
		settle();
		take(fd, MSG_ERRQUEUE);
	}
	close(fd);
}

/* An error from a raw socket that has headers of its own, about a datagram of fd's. */
static void send_error6(uint16_t from_port, uint16_t to_port)
{
	static const uint8_t hop[8] = { 0, 0, 5, 2, 0, 0, 1, 0 }; /* router alert */
	static const uint8_t dst[8] = { 0, 0, 1, 4 };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int raw = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	uint8_t msg[8 + 40 + 8 + 4] = { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN };

	T(setsockopt(raw, IPPROTO_IPV6, IPV6_HOPOPTS, hop, sizeof(hop)));
	T(setsockopt(raw, IPPROTO_IPV6, IPV6_DSTOPTS, dst, sizeof(dst)));
	msg[8] = 0x60;
	msg[8 + 5] = 12;
	msg[8 + 6] = IPPROTO_UDP;
	msg[8 + 7] = 64;
	memcpy(msg + 8 + 8, &to.sin6_addr, 16);
	memcpy(msg + 8 + 24, &to.sin6_addr, 16);
	memcpy(msg + 48, &(uint16_t){ htons(from_port) }, 2);
	memcpy(msg + 50, &(uint16_t){ htons(to_port) }, 2);
	msg[53] = 12;
	memcpy(msg + 56, "lost", 4);
	T(sendto(raw, msg, sizeof(msg), 0, (struct sockaddr *)&to, sizeof(to)));
	close(raw);
}

CASE(errq_head_headers6)
{
	static const int told[] = { IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, IPV6_2292HOPOPTS,
				    IPV6_RECVHOPLIMIT };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = sock6(SOCK_DGRAM), peer = sock6(SOCK_DGRAM);

	T(bind(peer, (struct sockaddr *)&to, sizeof(to)));
	T(bind(fd, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_port = htons(port_of(peer));
	T(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	T(set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1));
	send_error6(port_of(fd), port_of(peer));
	settle();
	take(fd, MSG_ERRQUEUE);
	for (size_t i = 0; i < COUNT(told); i++)
		set_int(fd, IPPROTO_IPV6, told[i], 1);
	send_error6(port_of(fd), port_of(peer));
	settle();
	take(fd, MSG_ERRQUEUE);
	close(fd);
	close(peer);
}

static void set_mtu(int fd, int mtu)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_mtu = mtu };

	T(ioctl(fd, SIOCSIFMTU, &ifr));
}

CASE(fragsize_datagrams)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	struct sockaddr_in to;
	uint16_t port;
	int b = udp_bound(&port), a = sock(SOCK_DGRAM), old = 65536, s = sock(SOCK_STREAM);

	if (!ioctl(a, SIOCGIFMTU, &ifr))
		old = ifr.ifr_mtu;
	set_mtu(a, MTU);
	to = loop_addr(port);
	set_int(a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	T(setsockopt(s, IPPROTO_IP, IP_RECVFRAGSIZE, &(int){ 1 }, 4));
	say("stream %d", get_int(s, IPPROTO_IP, IP_RECVFRAGSIZE));
	for (int on = 0; on < 2; on++) {
		T(setsockopt(b, IPPROTO_IP, IP_RECVFRAGSIZE, &on, 4));
		say("%d", get_int(b, IPPROTO_IP, IP_RECVFRAGSIZE));
		T(sendto(a, buf, 100, 0, (struct sockaddr *)&to, sizeof(to)));
		T(sendto(a, buf, 4000, 0, (struct sockaddr *)&to, sizeof(to)));
		T(sendto(a, buf, MTU - 27, 0, (struct sockaddr *)&to, sizeof(to)));
		settle();
		for (int i = 0; i < 3; i++)
			take(b, MSG_DONTWAIT);
	}
	set_mtu(a, old);
}
