// SPDX-License-Identifier: BSD-3-Clause
/*
 * control6.c - what sendmsg on an AF_INET6 socket may ask for one datagram, and what of it arrives
 */
#include "test/diff/cases/name6.h"

static char buf[70000];

static int receiver(uint16_t *ret_port)
{
	static const int told[][2] = {
		{ IPPROTO_IPV6, IPV6_RECVPKTINFO }, { IPPROTO_IPV6, IPV6_RECVHOPLIMIT },
		{ IPPROTO_IPV6, IPV6_RECVTCLASS },  { IPPROTO_IP, IP_RECVTTL },
		{ IPPROTO_IP, IP_RECVTOS },
	};
	int fd = sock6(SOCK_DGRAM);
	union name name;
	socklen_t len = make_name("::", 0, &name);

	bind(fd, &name.sa, len);
	for (size_t i = 0; i < COUNT(told); i++)
		set_int(fd, told[i][0], told[i][1], 1);
	*ret_port = port_of(fd);
	return fd;
}

static void take(int fd)
{
	struct iovec iov = { buf, sizeof(buf) };
	char control[512];
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct cmsghdr *c;
	ssize_t n;

	if (poll(&pfd, 1, 50) <= 0)
		return;
	n = recvmsg(fd, &hdr, MSG_DONTWAIT);
	say("    arrived: %zd", n);
	for (c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		int value = 0;

		if (c->cmsg_type == IPV6_PKTINFO)
			continue;
		memcpy(&value, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0) >= 4 ? 4 : 1);
		say("      %d.%d: %d", c->cmsg_level, c->cmsg_type, value);
	}
}

struct control {
	int level, type;
	socklen_t len;
	const void *data;
};

static ssize_t send_with(int fd, const union name *to, socklen_t len, const struct control *ask,
			 size_t bytes)
{
	struct iovec iov = { buf, bytes };
	union {
		struct cmsghdr align;
		char room[256];
	} control = { .room = "" };
	struct msghdr hdr = { .msg_name = (void *)(uintptr_t)to, .msg_namelen = len,
			      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(ask->len) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

	c->cmsg_level = ask->level;
	c->cmsg_type = ask->type;
	c->cmsg_len = CMSG_LEN(ask->len);
	memcpy(CMSG_DATA(c), ask->data, ask->len);
	return sendmsg(fd, &hdr, 0);
}

/* To an address of either family, and (NULL) to where the socket is connected. */
static const char *const targets[] = { "::1", "::ffff:127.0.0.1", "v4 127.0.0.1", NULL };

static void to_all(const struct control *ask)
{
	uint16_t port;
	int far = receiver(&port);

	for (size_t i = 0; i < COUNT(targets); i++) {
		int fd = sock6(SOCK_DGRAM);
		union name name;
		socklen_t len = make_name(targets[i] ? targets[i] : "::1", port, &name);

		set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x44);
		set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33);
		if (!targets[i])
			connect(fd, &name.sa, len);
		say("  to %s: %s", targets[i] ? targets[i] : "the peer",
		    tried((int)send_with(fd, targets[i] ? &name : NULL, targets[i] ? len : 0, ask,
					 9)));
		take(far);
		close(fd);
	}
	close(far);
}

static void ints(int level, int type, const char *text)
{
	static const int values[] = { 0, 1, 7, 64, 255, 256, -1, -2 };
	static const socklen_t lens[] = { 0, 1, 3, 8 };
	struct control ask = { level, type, sizeof(int), NULL };
	int room[2] = { 5, 0 };

	for (size_t i = 0; i < COUNT(values); i++) {
		ask.data = &values[i];
		say("%s %d", text, values[i]);
		to_all(&ask);
	}
	ask.data = room;
	for (size_t i = 0; i < COUNT(lens); i++) {
		ask.len = lens[i];
		say("%s in %u bytes", text, lens[i]);
		to_all(&ask);
	}
}

CASE(control6_hoplimit)
{
	ints(IPPROTO_IPV6, IPV6_HOPLIMIT, "hop limit");
}

CASE(control6_2292hoplimit)
{
	ints(IPPROTO_IPV6, IPV6_2292HOPLIMIT, "hop limit of RFC 2292");
}

CASE(control6_tclass)
{
	ints(IPPROTO_IPV6, IPV6_TCLASS, "traffic class");
}

CASE(control6_dontfrag)
{
	ints(IPPROTO_IPV6, IPV6_DONTFRAG, "don't fragment");
}

CASE(control6_ttl_tos)
{
	ints(IPPROTO_IP, IP_TTL, "TTL");
	ints(IPPROTO_IP, IP_TOS, "TOS");
}

CASE(control6_unknown)
{
	ints(IPPROTO_IPV6, 99, "level IPV6, unknown");
	ints(IPPROTO_IP, 99, "level IP, unknown");
	ints(IPPROTO_TCP, 1, "level TCP");
	ints(SOL_SOCKET, 99, "level SOCKET, unknown");
}

CASE(control6_pktinfo)
{
	static const char *const sources[] = { "::", "::1", "::2", "fe80::1", "::ffff:127.0.0.1",
					       "::ffff:127.0.0.9", "::ffff:10.9.8.7", "ff02::1" };
	static const int types[] = { IPV6_PKTINFO, IPV6_2292PKTINFO };
	static const unsigned int indexes[] = { 0, 1, 77 };
	struct in6_pktinfo info;
	struct control ask = { IPPROTO_IPV6, 0, sizeof(info), &info };

	for (size_t t = 0; t < COUNT(types); t++) {
		for (size_t i = 0; i < COUNT(sources); i++) {
			for (size_t k = 0; k < COUNT(indexes); k++) {
				inet_pton(AF_INET6, sources[i], &info.ipi6_addr);
				info.ipi6_ifindex = indexes[k];
				ask.type = types[t];
				say("%d: from %s by %u", types[t], sources[i], indexes[k]);
				to_all(&ask);
			}
		}
	}
	ask.len = 8;
	say("short");
	to_all(&ask);
}

/* IPV6_DONTFRAG, IPV6_MTU_DISCOVER: how much is too much. lo's MTU is 65536. */
CASE(control6_too_long)
{
	static const size_t sizes[] = { 1000,  65000, 65487, 65488, 65507,
					65508, 65527, 65528, 66000 };
	uint16_t port;
	int far = receiver(&port), fd = sock6(SOCK_DGRAM);
	union name six, four;
	socklen_t len6 = make_name("::1", port, &six);
	socklen_t len4 = make_name("::ffff:127.0.0.1", port, &four);

	for (int round = 0; round < 4; round++) {
		if (round == 1)
			T(set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1));
		if (round == 2)
			T(set_int(fd, IPPROTO_IPV6, IPV6_MTU, 1280));
		if (round == 3)
			T(set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 0));
		for (size_t i = 0; i < COUNT(sizes); i++) {
			say("%zu: %s", sizes[i],
			    tried((int)sendto(fd, buf, sizes[i], 0, &six.sa, len6)));
			take(far);
			say("  mapped: %s",
			    tried((int)sendto(fd, buf, sizes[i], 0, &four.sa, len4)));
			take(far);
		}
	}
}
