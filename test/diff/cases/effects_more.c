// SPDX-License-Identifier: BSD-3-Clause
/*
 * effects_more.c - options by what they do: time-outs, drop counts, receive times, foreign
 * addresses, groups, IPv6; and those that never succeed
 */
#include <arpa/inet.h>

#include "test/diff/diff.h"

#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82
#endif
#define SO_RCVTIMEO_NEW_ 66
#define SO_SNDTIMEO_NEW_ 67
#define IP_MULTICAST_ALL6 29

static char buf[1 << 16];

/* ---- time-outs ---- */

static void set_time(int fd, int name, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	T(setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)));
}

CASE(effect_times)
{
	static const int receive[] = { SO_RCVTIMEO, SO_RCVTIMEO_NEW_ };
	static const int transmit[] = { SO_SNDTIMEO, SO_SNDTIMEO_NEW_ };
	int64_t from;
	int a, b;

	for (size_t i = 0; i < 2; i++) {
		udp_pair(&a, &b);
		set_time(a, receive[i], 100);
		from = now_ms();
		T(recv(a, buf, 10, 0));
		say_took("datagram", from, 95, 2000);
		tcp_pair(&a, &b);
		set_time(a, receive[i], 100);
		set_time(a, transmit[i], 150);
		from = now_ms();
		T(recv(a, buf, 10, 0));
		say_took("stream", from, 95, 2000);
		while (send(a, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
		from = now_ms();
		T(send(a, buf, 1000, 0));
		say_took("full", from, 140, 2000);
	}
}

/* ---- what the receiver is told ---- */

static bool told(struct msghdr *hdr, int level, int type, void *ret, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level != level || c->cmsg_type != type)
			continue;
		memcpy(ret, CMSG_DATA(c), len < c->cmsg_len - CMSG_LEN(0) ?
						  len : c->cmsg_len - CMSG_LEN(0));
		return true;
	}
	return false;
}

static ssize_t take(int fd, struct msghdr *hdr)
{
	static char control[512];
	static struct iovec iov = { buf, sizeof(buf) };

	*hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				.msg_controllen = sizeof(control) };
	return recvmsg(fd, hdr, MSG_DONTWAIT);
}

CASE(effect_drops)
{
	uint32_t drops = 0, sum = 0;
	struct msghdr hdr;
	int a, b, got = 0;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	T(set_int(b, SOL_SOCKET, SO_RXQ_OVFL, 1));
	T(set_int(b, SOL_SOCKET, SO_RCVBUF, 4000));
	for (int i = 0; i < 200; i++)
		send(a, buf, 100, 0);
	settle();
	for (; take(b, &hdr) > 0; got++)
		sum += told(&hdr, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof(drops));
	say("some %d, not all %d, told of before any was lost: %u", got > 2, got < 150, sum);
	send(a, buf, 100, 0);
	settle();
	take(b, &hdr);
	say("now told %d: what is missing %d",
	    told(&hdr, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof(drops)),
	    (int)drops == 200 - got);
}

/* The time is between now and now, in the form that was asked for. */
CASE(effect_receive_times)
{
	static const struct {
		int name, value, type;
		long unit;
	} how[] = {
		{ SO_TIMESTAMP, 1, SO_TIMESTAMP, 1000 },
		{ SO_TIMESTAMPNS, 1, SO_TIMESTAMPNS, 1 },
		{ 63, 1, 63, 1000 }, /* SO_TIMESTAMP_NEW */
		{ 64, 1, 64, 1 },
		{ SO_TIMESTAMPING, 8 | 16, SO_TIMESTAMPING, 1 },
		{ 65, 8 | 16, 65, 1 },
	};
	int warm = socket(AF_INET, SOCK_DGRAM, 0);

	/*
	 * the kernel stamps what arrives a moment after the first socket asks; before, what is read
	 */
	set_int(warm, SOL_SOCKET, SO_TIMESTAMP, 1);
	for (int i = 0; i < 5; i++)
		settle();
	for (size_t i = 0; i < COUNT(how); i++) {
		struct timespec before, after;
		int64_t stamp[2] = { 0, 0 }, ns;
		struct msghdr hdr;
		int a, b;

		udp_pair(&a, &b);
		conn(a, port_of(b));
		T(set_int(b, SOL_SOCKET, how[i].name, how[i].value));
		clock_gettime(CLOCK_REALTIME, &before);
		T(send(a, "x", 1, 0));
		settle();
		clock_gettime(CLOCK_REALTIME, &after);
		T(take(b, &hdr));
		say("told %d", told(&hdr, SOL_SOCKET, how[i].type, stamp, sizeof(stamp)));
		ns = stamp[0] * 1000000000 + stamp[1] * how[i].unit;
		say("in between %d",
		    ns >= before.tv_sec * 1000000000 + before.tv_nsec - 1000 &&
			    ns <= after.tv_sec * 1000000000 + after.tv_nsec);
		close(a);
		close(b);
	}
	close(warm);
}

CASE(effect_rcvpriority)
{
	uint32_t priority = 99;
	struct msghdr hdr;
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	T(set_int(b, SOL_SOCKET, SO_RCVPRIORITY, 1));
	T(set_int(a, SOL_SOCKET, SO_PRIORITY, 5));
	T(send(a, "x", 1, 0));
	settle();
	T(take(b, &hdr));
	say("%d: %u", told(&hdr, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)), priority);
	T(set_int(b, SOL_SOCKET, SO_RCVPRIORITY, 0));
	T(send(a, "x", 1, 0));
	settle();
	T(take(b, &hdr));
	say("%d", told(&hdr, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)));
}

/* ---- addresses that are not here ---- */

CASE(effect_foreign_address)
{
	static const struct {
		int level, name;
	} how[] = { { IPPROTO_IP, IP_FREEBIND },
		    { IPPROTO_IP, IP_TRANSPARENT },
		    { IPPROTO_IPV6, 78 /* IPV6_FREEBIND */ },
		    { IPPROTO_IPV6, IPV6_TRANSPARENT } };

	for (size_t i = 0; i < COUNT(how); i++)
		for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
			struct sockaddr_in in = { .sin_family = AF_INET,
						  .sin_addr.s_addr = inet_addr("192.0.2.7") };
			struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
			bool v4 = how[i].level == IPPROTO_IP;
			int fd = socket(v4 ? AF_INET : AF_INET6, type, 0);
			struct sockaddr *at = v4 ? (struct sockaddr *)&in :
						   (struct sockaddr *)&in6;
			socklen_t len = v4 ? sizeof(in) : sizeof(in6);

			inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr);
			T(bind(fd, at, len));
			T(set_int(fd, how[i].level, how[i].name, 1));
			T(bind(fd, at, len));
			say_names("foreign", fd);
			close(fd);
		}
}

/* ---- groups ---- */

static void group_heard(const char *text, int from, int fd, const void *to, socklen_t len)
{
	say("%s: sent %d", text, (int)sendto(from, "x", 1, 0, to, len));
	settle();
	say_bytes(text, buf, recv(fd, buf, 10, MSG_DONTWAIT));
}

CASE(effect_group_loop)
{
	struct ip_mreqn join = { .imr_ifindex = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	int a, b;

	udp_pair(&a, &b);
	close(b);
	b = sock(SOCK_DGRAM);
	T(bind(b, (struct sockaddr *)&to, sizeof(to)));
	inet_pton(AF_INET, "239.7.7.7", &join.imr_multiaddr);
	to.sin_addr = join.imr_multiaddr;
	to.sin_port = htons(port_of(b));
	T(setsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)));
	T(setsockopt(a, IPPROTO_IP, IP_MULTICAST_IF, &join, sizeof(join)));
	group_heard("loops", a, b, &to, sizeof(to));
	T(set_int(a, IPPROTO_IP, IP_MULTICAST_LOOP, 0));
	group_heard("by lo all the same", a, b, &to, sizeof(to));
	T(set_int(a, IPPROTO_IP, IP_MULTICAST_LOOP, 1));
	group_heard("loops again", a, b, &to, sizeof(to));
	T(setsockopt(b, IPPROTO_IP, IP_DROP_MEMBERSHIP, &join, sizeof(join)));
	T(set_int(b, IPPROTO_IP, IP_MULTICAST_ALL, 0));
	group_heard("left", a, b, &to, sizeof(to));
}

CASE(effect_group_v6)
{
	struct ipv6_mreq join = { .ipv6mr_interface = 1 };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
	int a = socket(AF_INET6, SOCK_DGRAM, 0), b = socket(AF_INET6, SOCK_DGRAM, 0), c;

	inet_pton(AF_INET6, "ff02::7777", &join.ipv6mr_multiaddr);
	T(bind(b, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_port = htons(port_of(b));
	to.sin6_addr = join.ipv6mr_multiaddr;
	T(setsockopt(b, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &join, sizeof(join)));
	T(set_int(a, IPPROTO_IPV6, IPV6_MULTICAST_IF, 1));
	group_heard("by IPV6_MULTICAST_IF", a, b, &to, sizeof(to));
	T(set_int(a, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0));
	group_heard("not looped", a, b, &to, sizeof(to));
	T(set_int(a, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1));
	group_heard("looped again", a, b, &to, sizeof(to));
	/* another socket, no member: it hears with IPV6_MULTICAST_ALL alone */
	c = socket(AF_INET6, SOCK_DGRAM, 0);
	T(set_int(b, SOL_SOCKET, SO_REUSEADDR, 1));
	T(set_int(c, SOL_SOCKET, SO_REUSEADDR, 1));
	to.sin6_addr = in6addr_any;
	T(bind(c, (struct sockaddr *)&to, sizeof(to)));
	to.sin6_addr = join.ipv6mr_multiaddr;
	T(set_int(c, IPPROTO_IPV6, IP_MULTICAST_ALL6, 1));
	group_heard("all", a, c, &to, sizeof(to));
	T(set_int(c, IPPROTO_IPV6, IP_MULTICAST_ALL6, 0));
	group_heard("members only", a, c, &to, sizeof(to));
	T(recv(b, buf, 10, MSG_DONTWAIT));
	T(recv(b, buf, 10, MSG_DONTWAIT));
	T(setsockopt(b, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &join, sizeof(join)));
	T(set_int(b, IPPROTO_IPV6, IP_MULTICAST_ALL6, 0));
	group_heard("left", a, b, &to, sizeof(to));
}

/* ---- IPv6 ---- */

static void pair6(int *ret_a, int *ret_b)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	*ret_a = socket(AF_INET6, SOCK_DGRAM, 0);
	*ret_b = socket(AF_INET6, SOCK_DGRAM, 0);
	T(bind(*ret_b, (struct sockaddr *)&at, sizeof(at)));
	at.sin6_port = htons(port_of(*ret_b));
	T(connect(*ret_a, (struct sockaddr *)&at, sizeof(at)));
}

/* IPV6_PKTINFO and IPV6_UNICAST_IF choose the interface; there is one, and one that is not. */
CASE(effect_interface_v6)
{
	struct in6_pktinfo info = { .ipi6_ifindex = 1 };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct ipv6_mreq join = { .ipv6mr_interface = 1 };
	int a = socket(AF_INET6, SOCK_DGRAM, 0), b = socket(AF_INET6, SOCK_DGRAM, 0);

	T(bind(b, (struct sockaddr *)&(struct sockaddr_in6){ .sin6_family = AF_INET6 },
	       sizeof(to)));
	inet_pton(AF_INET6, "ff02::7778", &join.ipv6mr_multiaddr);
	T(setsockopt(b, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &join, sizeof(join)));
	to.sin6_addr = join.ipv6mr_multiaddr;
	to.sin6_port = htons(port_of(b));
	T(setsockopt(a, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info)));
	group_heard("by IPV6_PKTINFO", a, b, &to, sizeof(to));
	info.ipi6_ifindex = 0;
	T(setsockopt(a, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info)));
	to.sin6_addr = in6addr_loopback;
	T(set_int(a, IPPROTO_IPV6, IPV6_UNICAST_IF, (int)htonl(1)));
	group_heard("by IPV6_UNICAST_IF", a, b, &to, sizeof(to));
	T(set_int(a, IPPROTO_IPV6, IPV6_UNICAST_IF, (int)htonl(4711)));
}

CASE(effect_origdst_v6)
{
	struct sockaddr_in6 dst = { .sin6_family = 0 };
	struct msghdr hdr;
	int a, b;

	pair6(&a, &b);
	T(set_int(b, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1));
	T(send(a, "x", 1, 0));
	settle();
	T(take(b, &hdr));
	say("told %d", told(&hdr, IPPROTO_IPV6, IPV6_ORIGDSTADDR, &dst, sizeof(dst)));
	say_addr("destination", &dst, sizeof(dst));
	T(set_int(b, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 0));
	T(send(a, "x", 1, 0));
	settle();
	T(take(b, &hdr));
	say("told %d", told(&hdr, IPPROTO_IPV6, IPV6_ORIGDSTADDR, &dst, sizeof(dst)));
}

CASE(effect_minhops)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int listener = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET6, SOCK_STREAM, 0), s;

	T(bind(listener, (struct sockaddr *)&at, sizeof(at)));
	T(listen(listener, 4));
	at.sin6_port = htons(port_of(listener));
	T(connect(c, (struct sockaddr *)&at, sizeof(at)));
	s = F(accept(listener, NULL, NULL));
	T(set_int(s, IPPROTO_IPV6, IPV6_MINHOPCOUNT, 64));
	T(send(c, "near", 4, 0));
	settle();
	say_bytes("came", buf, recv(s, buf, 10, MSG_DONTWAIT));
	T(set_int(s, IPPROTO_IPV6, IPV6_MINHOPCOUNT, 65));
	T(send(c, "far", 3, 0));
	settle();
	T(recv(s, buf, 10, MSG_DONTWAIT));
	T(set_int(s, IPPROTO_IPV6, IPV6_MINHOPCOUNT, 0));
	usleep(600000); /* it is sent again */
	say_bytes("came later", buf, recv(s, buf, 10, MSG_DONTWAIT));
}

/* ---- what never succeeds without a privilege that nobody has here, or at all ---- */

CASE(effect_never)
{
	static const int names[] = { TCP_QUEUE_SEQ, TCP_TIMESTAMP, 42 /* TCP_AO_REPAIR */ };
	int c, s;

	tcp_pair(&c, &s);
	for (size_t i = 0; i < COUNT(names); i++)
		for (int value = -1; value < 3; value++)
			T(set_int(c, IPPROTO_TCP, names[i], value));
	T(set_int(c, IPPROTO_TCP, TCP_REPAIR, 0));
	T(set_int(c, IPPROTO_TCP, TCP_REPAIR, 2));
	if (!setresuid(65534, 65534, 65534))
		T(set_int(c, IPPROTO_TCP, TCP_REPAIR, 1));
	T(send(c, "x", 1, 0));
	settle();
	say_bytes("goes on", buf, recv(s, buf, 10, MSG_DONTWAIT));
}
