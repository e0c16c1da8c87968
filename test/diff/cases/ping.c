// SPDX-License-Identifier: BSD-3-Clause
/* ping.c - ping sockets of both families: who may, identifiers, echo, errors of use */
#include "test/diff/raw.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>

#define PROTO(domain) ((domain) == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6)
#define REQUEST(domain) ((domain) == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST)

static unsigned char buf[4096];

static int ping(int domain)
{
	return socket(domain, SOCK_DGRAM, PROTO(domain));
}

static ssize_t echo_with(int fd, int domain, uint8_t type, uint8_t code, size_t len)
{
	struct icmphdr h = { .type = type, .code = code, .checksum = 0x4711,
			     .un.echo = { .id = htons(4711), .sequence = htons(3) } };
	char message[32] = "........payload of a request";

	memcpy(message, &h, sizeof(h));
	return raw_sendto(fd, domain, message, len);
}

static ssize_t echo(int fd, int domain)
{
	return echo_with(fd, domain, REQUEST(domain), 0, 15);
}

/* What came is a reply with the socket's identifier and a right checksum. */
static void say_replies(int fd, int domain)
{
	struct sockaddr_storage from;
	socklen_t alen = sizeof(from);
	ssize_t len;

	settle();
	while ((len = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from,
			       &alen)) >= 0) {
		say("%ld bytes, type %d code %d sequence %d, identifier %s, sum %s", (long)len,
		    buf[0], buf[1], buf[6] << 8 | buf[7],
		    (buf[4] << 8 | buf[5]) == port_of(fd) ? "ours" : "not ours",
		    domain == AF_INET6 ? "untold" : raw_sum(buf, (size_t)len) ? "wrong" : "right");
		say_bytes("payload", buf + 8, len - 8);
		say_addr("from", &from, alen);
		alen = sizeof(from);
	}
	say("%s", err_name(errno));
}

/* The kernel gives identifiers in turn, and those below 1024 would be told as they are. */
static void past_low_identifiers(int domain)
{
	struct sockaddr_storage any = { .ss_family = (sa_family_t)domain };
	bool low = true;

	for (int i = 0; low && i < 1100; i++) {
		int fd = ping(domain);

		low = fd >= 0 && !bind(fd, (void *)&any, domain == AF_INET ? 16 : 28) &&
		      port_of(fd) < 1024;
		close(fd);
	}
}

static void echo_of(int domain)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd, n = -1;

	past_low_identifiers(domain);
	fd = F(ping(domain));

	say_names("fresh", fd);
	T(echo(fd, domain));
	say_names("sent", fd);
	say_replies(fd, domain);
	T(echo_with(fd, domain, 0, 0, 8));
	T(echo_with(fd, domain, REQUEST(domain), 1, 8));
	T(echo_with(fd, domain, REQUEST(domain), 0, 7));
	T(echo_with(fd, domain, REQUEST(domain), 0, 8));
	say_replies(fd, domain);
	T(raw_connect(fd, domain, 0));
	T(raw_connect(fd, domain, 9));
	say_names("connected", fd);
	T(send(fd, "\x08\0\0\0\0\0\0\1x", 9, 0));
	T(send(fd, "\x80\0\0\0\0\0\0\1x", 9, 0));
	say_replies(fd, domain);
	T(echo(fd, domain));
	settle();
	say_poll("readable", fd, 0);
	T(ioctl(fd, FIONREAD, &n));
	T(ioctl(fd, TIOCOUTQ, &n));
	T(recv(fd, buf, 2, MSG_PEEK | MSG_TRUNC));
	T(recv(fd, buf, 2, MSG_OOB));
	T(recv(fd, buf, 2, MSG_TRUNC));
	T(connect(fd, &none, sizeof(none)));
	say_names("disconnected", fd);
	T(send(fd, "\x08\0\0\0\0\0\0\1x", 9, 0));
	T(echo(fd, domain));
	say_replies(fd, domain);
	T(shutdown(fd, SHUT_RDWR));
	T(listen(fd, 1));
}

CASE(ping_echo4)
{
	echo_of(AF_INET);
}

CASE(ping_echo6)
{
	echo_of(AF_INET6);
}

static void idents(int domain)
{
	int a = F(ping(domain)), b = F(ping(domain)), c = F(ping(domain));

	T(raw_bind(a, domain, 777));
	say_names("bound", a);
	T(raw_bind(a, domain, 778));
	T(raw_bind(b, domain, 777));
	T(set_int(a, SOL_SOCKET, SO_REUSEADDR, 1));
	T(set_int(b, SOL_SOCKET, SO_REUSEADDR, 1));
	T(raw_bind(b, domain, 777));
	T(raw_bind(c, domain, 0));
	T(echo(a, domain));
	T(echo(c, domain));
	say_replies(a, domain);
	say_replies(c, domain);
	close(a);
	close(b);
	a = F(ping(domain));
	T(raw_bind(a, domain, 777));
	T(echo(a, domain));
	say_replies(a, domain);
}

CASE(ping_identifiers4)
{
	idents(AF_INET);
}

CASE(ping_identifiers6)
{
	idents(AF_INET6);
}

CASE(ping_addresses)
{
	struct sockaddr_in to = loop_addr(0), far = loop_addr(0);
	struct sockaddr_in6 to6 = raw_loop6(0);
	struct icmphdr h = { .type = ICMP_ECHO };
	int fd = F(ping(AF_INET)), six = F(ping(AF_INET6));

	T(send(fd, &h, 8, 0));
	T(sendto(fd, &h, 8, 0, (struct sockaddr *)&to, 4));
	to.sin_family = AF_UNSPEC;
	T(sendto(fd, &h, 8, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, &h, 8, 0, (struct sockaddr *)&to6, sizeof(to6)));
	T(sendto(fd, &h, 8, MSG_OOB, (struct sockaddr *)&far, sizeof(far)));
	T(sendto(fd, (void *)8, 8, 0, (struct sockaddr *)&far, sizeof(far)));
	far.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	T(bind(fd, (struct sockaddr *)&far, 3));
	far.sin_addr.s_addr = htonl(0x01010101);
	T(bind(fd, (struct sockaddr *)&far, sizeof(far)));
	h.type = ICMP6_ECHO_REQUEST;
	T(sendto(six, &h, 8, 0, (struct sockaddr *)&far, sizeof(far)));
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &to6.sin6_addr);
	T(sendto(six, &h, 8, 0, (struct sockaddr *)&to6, sizeof(to6)));
	T(bind(six, (struct sockaddr *)&to6, sizeof(to6)));
}

CASE(ping_control)
{
	int fd = F(ping(AF_INET)), six = F(ping(AF_INET6));

	T(set_int(fd, IPPROTO_IP, IP_RECVTTL, 1));
	T(set_int(fd, IPPROTO_IP, IP_PKTINFO, 1));
	T(set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1));
	T(set_int(six, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	T(set_int(six, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	T(set_int(fd, IPPROTO_IP, IP_TOS, 8));
	T(set_int(fd, IPPROTO_IP, IP_RECVTOS, 1));
	T(echo(fd, AF_INET));
	T(echo(six, AF_INET6));
	settle();
	raw_say_control("IPv4", fd, 0);
	raw_say_control("IPv6", six, 0);
}

/* net.ipv4.ping_group_range of this namespace */
static void range(const char *text)
{
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);

	say("range %s: %ld", text, (long)write(fd, text, strlen(text)));
	close(fd);
}

CASE(zz_ping_permission)
{
	close(ping(AF_INET));
	range("1 0");
	F(ping(AF_INET));
	F(ping(AF_INET6));
	range("0 0");
	F(ping(AF_INET));
	T(setresgid(65534, 65534, 65534));
	T(setresuid(65534, 65534, 65534));
	F(ping(AF_INET));
	F(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6));
	F(socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP));
}
