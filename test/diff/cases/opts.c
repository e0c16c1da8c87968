// SPDX-License-Identifier: BSD-3-Clause
/*
 * opts.c - options: values around every limit, lengths from 0 to 8, in several states
 *
 * Each option on a socket of its own: set, then what get shows. Options whose value is a
 * measurement or a name of the kernel's are left out (opts_special has some of them).
 */
#include "test/diff/diff.h"

#include <linux/filter.h>

static const int values[] = { -1,   0,	   1,	  2,	 5,	  64,	   127,	      255,	256,
			      1000, 32767, 65535, 65536, 1 << 20, 1 << 30, INT32_MAX, INT32_MIN };

struct range {
	int level, first, last;
};

static int peer_fd;

static int make(int kind)
{
	uint16_t port;
	int fd;

	peer_fd = -1;
	switch (kind) {
	case 0:
		return sock(SOCK_STREAM);
	case 1:
		return tcp_listener(2, &port);
	case 2:
		tcp_pair(&fd, &peer_fd);
		return fd;
	case 3:
		return sock(SOCK_DGRAM);
	case 4:
		return udp_bound(&port);
	}
	fd = sock(SOCK_DGRAM);
	peer_fd = udp_bound(&port);
	conn(fd, port);
	return fd;
}

static void gone(int fd)
{
	close(fd);
	if (peer_fd >= 0)
		close(peer_fd);
}

static void show(int fd, int level, int name, socklen_t len)
{
	unsigned char buf[64];
	socklen_t got = len;

	memset(buf, 0xee, sizeof(buf));
	errno = 0;
	if (getsockopt(fd, level, name, buf, &got)) {
		say("  get %d: %s len %d", (int)len, err_name(errno), (int)got);
		return;
	}
	printf("  get %d: len %d ", (int)len, (int)got);
	for (socklen_t i = 0; i < 12; i++)
		printf("%02x", buf[i]);
	say("%s", "");
}

/* What changes by itself, or is a number of this host, or is opts_special's. */
static bool skipped(int level, int name)
{
	static const struct range skip[] = {
		{ SOL_SOCKET, SO_RCVBUF, SO_RCVBUF },
		{ SOL_SOCKET, SO_SNDBUF, SO_SNDBUF },
		{ SOL_SOCKET, SO_PEERCRED, SO_PEERCRED },
		{ SOL_SOCKET, SO_RCVTIMEO, SO_SNDTIMEO },
		{ SOL_SOCKET, SO_LINGER, SO_LINGER },
		{ SOL_SOCKET, SO_ATTACH_FILTER, SO_DETACH_FILTER },
		{ SOL_SOCKET, SO_RCVBUFFORCE, SO_RCVBUFFORCE },
		{ SOL_SOCKET, SO_SNDBUFFORCE, SO_SNDBUFFORCE },
		{ SOL_SOCKET, SO_INCOMING_CPU, SO_ATTACH_REUSEPORT_EBPF },
		{ SOL_SOCKET, SO_MEMINFO, SO_COOKIE },
		{ SOL_SOCKET, SO_BINDTODEVICE, SO_BINDTODEVICE },
		{ IPPROTO_TCP, TCP_MAXSEG, TCP_MAXSEG },
		{ IPPROTO_TCP, TCP_INFO, TCP_INFO },
		{ IPPROTO_TCP, TCP_CONGESTION, TCP_MD5SIG },
		{ SOL_SOCKET, SO_PEERNAME, SO_PEERNAME },
		{ IPPROTO_TCP, TCP_TIMESTAMP, TCP_TIMESTAMP },
	};

	for (size_t i = 0; i < COUNT(skip); i++)
		if (skip[i].level == level && name >= skip[i].first && name <= skip[i].last)
			return true;
	return false;
}

static void try_option(int kind, int level, int name)
{
	static const socklen_t lens[] = { 0, 1, 2, 3, 4, 8, (socklen_t)-1 };
	unsigned char bytes[8] = { 1, 0, 0, 0, 0, 0, 0, 0 };
	int fd = make(kind);

	say("level %d option %d", level, name);
	for (size_t i = 0; i < COUNT(lens); i++)
		show(fd, level, name, lens[i]);
	for (size_t i = 0; i < COUNT(lens); i++) {
		errno = 0;
		say("  set len %d: %d", (int)lens[i], setsockopt(fd, level, name, bytes, lens[i]));
		say("  %s", err_name(errno));
	}
	gone(fd);
	for (size_t i = 0; i < COUNT(values); i++) {
		fd = make(kind);
		errno = 0;
		set_int(fd, level, name, values[i]);
		say("  set %d: %s", values[i], err_name(errno));
		show(fd, level, name, 4);
		gone(fd);
	}
}

/*
 * What the stack has not: a socket that it serves already says so, a fresh one goes to the kernel.
 */
static bool is_kernel_only(int level, int name)
{
	static const struct range only[] = {
		{ SOL_SOCKET, SO_DONTROUTE, SO_DONTROUTE },
		{ SOL_SOCKET, SO_NO_CHECK, SO_PRIORITY },
		{ SOL_SOCKET, SO_BSDCOMPAT, SO_BSDCOMPAT },
		{ SOL_SOCKET, 36, 37 },
		{ SOL_SOCKET, 41, 47 },
		{ IPPROTO_IP, IP_OPTIONS, IP_OPTIONS },
		{ IPPROTO_IP, IP_RECVOPTS, IP_RETOPTS },
		{ IPPROTO_IP, IP_RECVERR, IP_RECVERR },
		{ IPPROTO_IP, IP_PASSSEC, IP_TRANSPARENT },
		{ IPPROTO_IP, 20, 21 },
		{ IPPROTO_IP, 23, 24 },
		{ IPPROTO_TCP, 16, 17 },
		{ IPPROTO_TCP, 19, 23 },
		{ IPPROTO_TCP, 27, 27 },
	};

	for (size_t i = 0; i < COUNT(only); i++)
		if (only[i].level == level && name >= only[i].first && name <= only[i].last)
			return true;
	return false;
}

static bool is_served(int kind)
{
	return kind != 0 && kind != 3;
}

static void try_level(int kind, int level, int first, int last)
{
	for (int name = first; name <= last; name++)
		if (!skipped(level, name) && !(is_served(kind) && is_kernel_only(level, name)))
			try_option(kind, level, name);
}

#define OPTS(id, kind) \
	CASE(opts_socket_##id) { try_level(kind, SOL_SOCKET, 0, 48); } \
	CASE(opts_ip_##id) { try_level(kind, IPPROTO_IP, 1, 24); } \
	CASE(opts_tcp_##id) { try_level(kind, IPPROTO_TCP, 1, 27); }

OPTS(tcp_fresh, 0)
OPTS(tcp_listening, 1)
OPTS(tcp_connected, 2)
OPTS(udp_fresh, 3)
OPTS(udp_bound, 4)
OPTS(udp_connected, 5)

static void buffers(int type)
{
	for (size_t i = 0; i < COUNT(values); i++) {
		int fd = sock(type);

		say("%d: %s %s", values[i],
		    err_name(set_int(fd, SOL_SOCKET, SO_RCVBUF, values[i]) ? errno : 0),
		    err_name(set_int(fd, SOL_SOCKET, SO_SNDBUF, values[i]) ? errno : 0));
		say("  %d %d", get_int(fd, SOL_SOCKET, SO_RCVBUF),
		    get_int(fd, SOL_SOCKET, SO_SNDBUF));
		say("  force %d %d", set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, values[i]),
		    set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, values[i]));
		say("  %d %d", get_int(fd, SOL_SOCKET, SO_RCVBUF),
		    get_int(fd, SOL_SOCKET, SO_SNDBUF));
		close(fd);
	}
}

CASE(opts_buffers_tcp)
{
	buffers(SOCK_STREAM);
}

CASE(opts_buffers_udp)
{
	int fd = sock(SOCK_DGRAM);

	say("default %d %d", get_int(fd, SOL_SOCKET, SO_RCVBUF),
	    get_int(fd, SOL_SOCKET, SO_SNDBUF));
	buffers(SOCK_DGRAM);
}

CASE(opts_times)
{
	static const struct timeval times[] = { { 0, 0 },      { 0, 1 },	 { 1, 500000 },
						{ 0, 999999 }, { 0, 1000000 },	 { 0, -1 },
						{ -1, 0 },     { INT64_MAX, 0 }, { 100000, 4000 } };

	for (size_t i = 0; i < COUNT(times); i++) {
		struct timeval got = { 7, 7 };
		socklen_t len = sizeof(got);
		int fd = sock(SOCK_STREAM);

		T(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &times[i], sizeof(times[i])));
		T(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len));
		say("%ld %ld %u", got.tv_sec, got.tv_usec, len);
		T(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &times[i], sizeof(times[i])));
		T(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &got, &len));
		say("%ld %ld %u", got.tv_sec, got.tv_usec, len);
		T(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &times[i], 8));
		len = 4;
		T(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len));
		say("%u", len);
		close(fd);
	}
}

CASE(opts_linger)
{
	static const struct linger lingers[] = { { 0, 0 }, { 1, 0 },  { 1, 5 },
						 { 0, 5 }, { 1, -1 }, { 7, INT32_MAX } };

	for (size_t i = 0; i < COUNT(lingers); i++) {
		struct linger got = { 9, 9 };
		socklen_t len = sizeof(got);
		int fd = sock(i & 1 ? SOCK_STREAM : SOCK_DGRAM);

		T(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lingers[i], sizeof(lingers[i])));
		T(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lingers[i], 4));
		T(getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &len));
		say("%d %d len %u", got.l_onoff, got.l_linger, len);
		len = 4;
		T(getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &len));
		say("%u", len);
		close(fd);
	}
}

CASE(opts_congestion)
{
	static const char *const names[] = { "reno", "cubic", "nonesuch", "",
					     "cubiccubiccubiccubic" };
	char got[32];
	socklen_t len;

	for (size_t i = 0; i < COUNT(names); i++) {
		int fd = sock(SOCK_STREAM);

		T(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, names[i], strlen(names[i])));
		memset(got, 0, sizeof(got));
		len = 16;
		T(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, got, &len));
		say("%s %u", i < 2 ? got : "", len);
		len = 3;
		T(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, got, &len));
		say("%u", len);
		close(fd);
	}
}

CASE(opts_maxseg)
{
	for (size_t i = 0; i < COUNT(values); i++) {
		int fd = sock(SOCK_STREAM);

		say("%d: %s", values[i],
		    err_name(set_int(fd, IPPROTO_TCP, TCP_MAXSEG, values[i]) ? errno : 0));
		say("  %d", get_int(fd, IPPROTO_TCP, TCP_MAXSEG));
		close(fd);
	}
}

CASE(opts_device)
{
	char name[32] = "";
	socklen_t len = sizeof(name);
	int fd = sock(SOCK_DGRAM);

	T(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	say("%u", len);
	T(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nonesuch", 9));
	T(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	len = sizeof(name);
	T(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	say("%u %s", len, name);
	len = 2;
	T(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	T(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	len = sizeof(name);
	T(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	say("%u", len);
}

CASE(opts_levels)
{
	int fd = sock(SOCK_STREAM), v = 1;
	socklen_t len = sizeof(v);

	T(setsockopt(fd, 9999, 1, &v, sizeof(v)));
	T(getsockopt(fd, 9999, 1, &v, &len));
	T(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &v, sizeof(v)));
	T(getsockopt(fd, IPPROTO_UDP, UDP_CORK, &v, &len));
	T(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, sizeof(v)));
	T(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, &len));
	T(setsockopt(fd, SOL_SOCKET, 999, &v, sizeof(v)));
	T(getsockopt(fd, SOL_SOCKET, 999, &v, &len));
	T(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, NULL));
	T(getsockopt(-1, SOL_SOCKET, SO_TYPE, &v, &len));
	close(fd);
	fd = sock(SOCK_DGRAM);
	T(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)));
	T(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, &len));
	for (int name = 0; name < 6; name++)
		T(getsockopt(fd, IPPROTO_UDP, name, &v, &len));
	T(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &v, sizeof(v)));
	say("%d", get_int(fd, IPPROTO_UDP, UDP_CORK));
}

/* Justified: success without effect is worse than no. */
CASE(opts_kernel_only)
{
	for (int name = 1; name < 48; name++)
		if (is_kernel_only(SOL_SOCKET, name) && !skipped(SOL_SOCKET, name))
			try_option(2, SOL_SOCKET, name);
	for (int name = 1; name < 25; name++)
		if (is_kernel_only(IPPROTO_IP, name))
			try_option(2, IPPROTO_IP, name);
	for (int name = 1; name < 28; name++)
		if (is_kernel_only(IPPROTO_TCP, name) && !skipped(IPPROTO_TCP, name))
			try_option(2, IPPROTO_TCP, name);
}
