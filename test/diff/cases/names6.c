// SPDX-License-Identifier: BSD-3-Clause
/*
 * names6.c - IPv6 addresses: who may bind beside whom, what bind, connect and sendto refuse
 */
#include "test/diff/cases/name6.h"

/*
 * Both names of a socket, of the ports only whether there is one: a port that was given back may
 * come again.
 */
static void say_hosts(const char *text, int fd)
{
	int (*const of[])(int, struct sockaddr *, socklen_t *) = { getsockname, getpeername };

	for (size_t i = 0; i < COUNT(of); i++) {
		union name name;
		socklen_t len = sizeof(name);

		if (of[i](fd, &name.sa, &len)) {
			say("%s %s: %s", text, i ? "peer" : "name", err_name(errno));
			continue;
		}
		if (name.in.sin_port)
			name.in.sin_port = htons(1); /* the same place in both families */
		say_addr(i ? "    peer" : "    name", &name, len);
	}
}

/* ---- conflicts ---- */

/* "v4 ..." an AF_INET socket, "only ..." with IPV6_V6ONLY, anything else AF_INET6. */
static int conflict_sock(const char *who, int type, int flags, uint16_t port, union name *ret,
			 socklen_t *ret_len)
{
	bool v4 = !strncmp(who, "v4 ", 3), only = !strncmp(who, "only ", 5);
	int fd = socket(v4 ? AF_INET : AF_INET6, type, 0);

	set_int(fd, SOL_SOCKET, SO_REUSEADDR, flags & 1);
	set_int(fd, SOL_SOCKET, SO_REUSEPORT, flags >> 1);
	if (only)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	*ret_len = make_name(only ? who + 5 : who, port, ret);
	return fd;
}

struct outcome {
	const char *bound, *heard, *b_bound, *b_heard;
};

static struct outcome conflict_once(int type, const char *first, const char *second, int flags1,
				    int flags2, bool listens)
{
	struct outcome out = { .heard = "-", .b_heard = "-" };
	union name name;
	socklen_t len;
	int a, b;

	a = conflict_sock(first, type, flags1, 0, &name, &len);
	out.bound = tried(bind(a, &name.sa, len));
	if (listens)
		out.heard = tried(listen(a, 1));
	b = conflict_sock(second, type, flags2, port_of(a), &name, &len);
	out.b_bound = tried(bind(b, &name.sa, len));
	if (type == SOCK_STREAM)
		out.b_heard = tried(listen(b, 1));
	close(a);
	close(b);
	return out;
}

/* Somebody else may have the port at the second address: only what is so with every port counts. */
static void conflict(int type, const char *first, const char *second, int flags1, int flags2,
		     bool listens)
{
	struct outcome out;

	for (int i = 0; i < 3; i++) {
		out = conflict_once(type, first, second, flags1, flags2, listens);
		if (strcmp(out.b_bound, "EADDRINUSE"))
			break;
	}
	say("%s (%d): %s %s, %s (%d): %s %s", first, flags1, out.bound, out.heard, second, flags2,
	    out.b_bound, out.b_heard);
}

static const char *const binders[] = { "v4 0.0.0.0", "v4 127.0.0.1",	 "::",
				       "only ::",    "::1",		 "only ::1",
				       "::ffff:0.0.0.0", "::ffff:127.0.0.1" };

static void conflicts(int type, bool listens)
{
	static const int flags[][2] = { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 3, 3 }, { 1, 0 },
					{ 0, 1 }, { 2, 0 }, { 0, 2 }, { 2, 3 }, { 1, 2 } };

	for (size_t i = 0; i < COUNT(binders); i++)
		for (size_t j = 0; j < COUNT(binders); j++)
			for (size_t f = 0; f < COUNT(flags); f++)
				conflict(type, binders[i], binders[j], flags[f][0], flags[f][1],
					 listens);
}

CASE(names6_conflicts_tcp)
{
	conflicts(SOCK_STREAM, false);
}

CASE(names6_conflicts_tcp_listening)
{
	conflicts(SOCK_STREAM, true);
}

CASE(names6_conflicts_udp)
{
	conflicts(SOCK_DGRAM, false);
}

/* ---- what bind refuses ---- */

static const char *const addresses[] = {
	"::",		    "::1",		 "::ffff:127.0.0.1", "::ffff:0.0.0.0",
	"::ffff:10.9.8.7",  "::ffff:224.0.0.1",	 "::ffff:255.255.255.255", "::127.0.0.1",
	"::2",		    "2001:db8::1",	 "fe80::1",	     "fe80::1%1",
	"fe80::1%77",	    "::1%1",		 "::1%77",	     "ff02::1",
	"ff02::1%1",	    "ff02::1%77",	 "ff05::1",	     "ff01::1",
	"fec0::1",	    "v4 127.0.0.1",	 "v4 0.0.0.0",	     "v4 10.9.8.7",
};

static void bind_all(int type, int level, int option)
{
	for (size_t i = 0; i < COUNT(addresses); i++) {
		int fd = sock6(type);
		union name name;
		socklen_t len = make_name(addresses[i], 0, &name);

		if (option)
			set_int(fd, level, option, 1);
		say("%s: %s", addresses[i], tried(bind(fd, &name.sa, len)));
		say_hosts("  bound", fd);
		/* as any program does it: a buffer for every family */
		close(fd);
		fd = sock6(type);
		if (option)
			set_int(fd, level, option, 1);
		say("  long: %s", tried(bind(fd, &name.sa, sizeof(name))));
		close(fd);
	}
}

CASE(names6_bind_tcp)
{
	bind_all(SOCK_STREAM, 0, 0);
}

CASE(names6_bind_udp)
{
	bind_all(SOCK_DGRAM, 0, 0);
}

CASE(names6_bind_v6only)
{
	bind_all(SOCK_STREAM, IPPROTO_IPV6, IPV6_V6ONLY);
	bind_all(SOCK_DGRAM, IPPROTO_IPV6, IPV6_V6ONLY);
}

CASE(names6_bind_freebind)
{
	bind_all(SOCK_STREAM, IPPROTO_IPV6, IPV6_FREEBIND);
	bind_all(SOCK_DGRAM, IPPROTO_IP, IP_FREEBIND);
}

CASE(names6_bind_lengths)
{
	static const sa_family_t families[] = { AF_INET6, AF_INET, AF_UNSPEC, AF_UNIX, 77 };
	union name name;

	for (size_t f = 0; f < COUNT(families); f++) {
		for (socklen_t len = 0; len <= sizeof(name); len += len < 32 ? 2 : 16) {
			int tcp = sock6(SOCK_STREAM), udp = sock6(SOCK_DGRAM);
			int v4 = sock(SOCK_STREAM);

			make_name("::1", 0, &name);
			name.sa.sa_family = families[f];
			say("family %d length %u: tcp %s", families[f], len,
			    tried(bind(tcp, &name.sa, len)));
			say("  udp %s", tried(bind(udp, &name.sa, len)));
			say("  v4 %s", tried(bind(v4, &name.sa, len)));
			close(tcp);
			close(udp);
			close(v4);
		}
	}
}

CASE(names6_bind_twice)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	union name name;
	socklen_t len;

	for (size_t t = 0; t < COUNT(types); t++) {
		int fd = sock6(types[t]);

		len = make_name("::1", 0, &name);
		T(bind(fd, &name.sa, len));
		T(bind(fd, &name.sa, len));
		T(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
		T(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY));
		len = make_name("2001:db8::1", 0, &name);
		T(bind(fd, &name.sa, len));
		T(bind(fd, &name.sa, 20));
		close(fd);
	}
}

/* ---- what connect and sendto refuse ---- */

static void connect_name(int fd, const char *to, uint16_t port)
{
	union name name;
	socklen_t len = make_name(to, port, &name);

	say("  to %s: %s", to, tried(connect(fd, &name.sa, len)));
	say_hosts("   ", fd);
}

/* The socket is bound to `from` (NULL: not at all). */
static void connect_all(int type, const char *from, bool v6only, uint16_t port)
{
	say("from %s%s", from ? from : "nowhere", v6only ? ", v6only" : "");
	for (size_t i = 0; i < COUNT(addresses); i++) {
		int fd = sock6(type);
		union name name;
		socklen_t len;

		if (!strncmp(addresses[i], "fec0", 4) || !strncmp(addresses[i], "::127", 5) ||
		    !strncmp(addresses[i], "::ffff:2", 8))
			continue;
		if (v6only)
			set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		if (from) {
			len = make_name(from, 0, &name);
			bind(fd, &name.sa, len);
		}
		nonblock(fd);
		connect_name(fd, addresses[i], port);
		close(fd);
	}
}

static const char *const froms[] = { NULL, "::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0" };

CASE(names6_connect_udp)
{
	uint16_t port = dead_port();

	for (size_t i = 0; i < COUNT(froms); i++)
		connect_all(SOCK_DGRAM, froms[i], false, port);
	connect_all(SOCK_DGRAM, NULL, true, port);
	connect_all(SOCK_DGRAM, NULL, false, 0);
}

CASE(names6_connect_tcp)
{
	union name name;
	int l = sock6(SOCK_STREAM);
	socklen_t len = make_name("::", 0, &name);

	bind(l, &name.sa, len);
	listen(l, 100);
	for (size_t i = 0; i < COUNT(froms); i++)
		connect_all(SOCK_STREAM, froms[i], false, port_of(l));
	connect_all(SOCK_STREAM, NULL, true, port_of(l));
}

CASE(names6_connect_lengths)
{
	static const sa_family_t families[] = { AF_INET6, AF_INET, AF_UNIX, 77 };
	uint16_t port = dead_port();
	union name name;

	for (size_t f = 0; f < COUNT(families); f++) {
		for (socklen_t len = 0; len <= 32; len += 2) {
			int tcp = sock6(SOCK_STREAM), udp = sock6(SOCK_DGRAM);

			make_name("::1", port, &name);
			name.sa.sa_family = families[f];
			nonblock(tcp);
			say("family %d length %u: tcp %s", families[f], len,
			    len > 23 && families[f] == AF_INET6 ?
				    "-" :
				    tried(connect(tcp, &name.sa, len)));
			say("  udp %s", tried(connect(udp, &name.sa, len)));
			close(tcp);
			close(udp);
		}
	}
}

static void sendto_all(int fd, uint16_t port)
{
	for (size_t i = 0; i < COUNT(addresses); i++) {
		union name name;
		socklen_t len = make_name(addresses[i], port, &name);

		if (!strncmp(addresses[i], "ff", 2) || !strncmp(addresses[i], "fec0", 4) ||
		    !strncmp(addresses[i], "::127", 5) || !strncmp(addresses[i], "::ffff:2", 8))
			continue;
		say("  to %s: %s", addresses[i], tried((int)sendto(fd, "x", 1, 0, &name.sa, len)));
		settle();
		say("  then: %s", err_name(get_int(fd, SOL_SOCKET, SO_ERROR)));
	}
}

CASE(names6_sendto)
{
	uint16_t port = dead_port();

	for (size_t i = 0; i < COUNT(froms); i++) {
		int fd = sock6(SOCK_DGRAM);
		union name name;
		socklen_t len;

		say("from %s", froms[i] ? froms[i] : "nowhere");
		if (froms[i]) {
			len = make_name(froms[i], 0, &name);
			bind(fd, &name.sa, len);
		}
		sendto_all(fd, port);
		close(fd);
	}
}

CASE(names6_sendto_v6only)
{
	int fd = sock6(SOCK_DGRAM);

	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	sendto_all(fd, dead_port());
	sendto_all(fd, 0);
}

CASE(names6_sendto_lengths)
{
	static const sa_family_t families[] = { AF_INET6, AF_INET, AF_UNSPEC, AF_UNIX, 77 };
	uint16_t port = dead_port();
	int fd = sock6(SOCK_DGRAM);
	union name name;

	for (size_t f = 0; f < COUNT(families); f++) {
		for (socklen_t len = 0; len <= 32; len += 2) {
			make_name("::1", port, &name);
			name.sa.sa_family = families[f];
			say("family %d length %u: %s", families[f], len,
			    tried((int)sendto(fd, "x", 1, 0, &name.sa, len)));
			settle();
			get_int(fd, SOL_SOCKET, SO_ERROR);
		}
	}
}
