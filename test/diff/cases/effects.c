// SPDX-License-Identifier: BSD-3-Clause
/*
 * effects.c - options by what they do, not by what getsockopt shows
 *
 * The peek offset byte for byte, what stands beside a message, what an accepted connection has of
 * its listener, how fast a paced sender is. test/effects.txt says which test shows which option:
 * what needs a clock that stands still (timers) is in test/sim, what only the stack can have (busy
 * polling) or only the wire shows in test/unit.
 */
#include "test/diff/diff.h"

#include <sched.h>

#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

static char buf[1 << 16];

/* ---- SO_PEEK_OFF ---- */

static void peek(int fd, size_t len)
{
	char text[40];
	ssize_t n = recv(fd, buf, len, MSG_PEEK | MSG_DONTWAIT);

	snprintf(text, sizeof(text), "peek %zu", len);
	say_bytes(text, buf, n);
	say("  offset %d", get_int(fd, SOL_SOCKET, SO_PEEK_OFF));
}

static void take(int fd, size_t len)
{
	char text[40];
	ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

	snprintf(text, sizeof(text), "recv %zu", len);
	say_bytes(text, buf, n);
	say("  offset %d", get_int(fd, SOL_SOCKET, SO_PEEK_OFF));
}

/* The example of socket(7), and on. */
static void walk(int fd)
{
	T(set_int(fd, SOL_SOCKET, SO_PEEK_OFF, 4));
	peek(fd, 2);
	peek(fd, 2);
	take(fd, 2);
	peek(fd, 2);
	peek(fd, 10);
	peek(fd, 10);
	say_poll("something is there", fd, 0);
	take(fd, 3);
	peek(fd, 10);
	T(set_int(fd, SOL_SOCKET, SO_PEEK_OFF, -1));
	peek(fd, 3);
	peek(fd, 3);
	T(set_int(fd, SOL_SOCKET, SO_PEEK_OFF, 100));
	peek(fd, 3);
	take(fd, 100);
	peek(fd, 3);
	take(fd, 100);
}

CASE(effect_peek_off_stream)
{
	int c, s;

	tcp_pair(&c, &s);
	send(s, "aabbccddeeff", 12, 0);
	settle();
	walk(c);
	T(set_int(c, SOL_SOCKET, SO_PEEK_OFF, 2));
	shutdown(s, SHUT_WR);
	settle();
	peek(c, 3);
}

CASE(effect_peek_off_datagrams)
{
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	send(a, "aabbccddeeff", 12, 0);
	send(a, "gghh", 4, 0);
	send(a, "", 0, 0);
	send(a, "ii", 2, 0);
	settle();
	walk(b);
	take(b, 100);
}

/* A peek waits for what is beyond the offset. */
static void peek_waits(int from, int fd)
{
	pid_t pid;

	T(set_int(fd, SOL_SOCKET, SO_PEEK_OFF, 0));
	send(from, "first", 5, 0);
	settle();
	peek(fd, 10);
	pid = fork();
	if (!pid) {
		usleep(50000);
		send(from, "second", 6, 0);
		_exit(0);
	}
	say_bytes("waited", buf, recv(fd, buf, 10, MSG_PEEK));
	say("  offset %d", get_int(fd, SOL_SOCKET, SO_PEEK_OFF));
	waitpid(pid, NULL, 0);
	take(fd, 3);
	take(fd, 30);
}

CASE(effect_peek_off_waits)
{
	int a, b;

	tcp_pair(&a, &b);
	peek_waits(a, b);
	udp_pair(&a, &b);
	conn(a, port_of(b));
	peek_waits(a, b);
}

/* ---- beside a message ---- */

static void say_controls(const char *text, int fd, size_t len, int flags)
{
	char control[256];
	struct iovec iov = { buf, len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &hdr, flags | MSG_DONTWAIT);

	say_bytes(text, buf, n);
	if (n < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		int value = -1;

		memcpy(&value, CMSG_DATA(c), sizeof(value));
		say("  level %d type %d len %zu: %d", c->cmsg_level, c->cmsg_type, c->cmsg_len,
		    value);
	}
}

CASE(effect_inq)
{
	int c, s;

	tcp_pair(&c, &s);
	T(set_int(c, IPPROTO_TCP, TCP_INQ, 1));
	send(s, "0123456789", 10, 0);
	settle();
	say_controls("some", c, 3, 0);
	say_controls("looked at", c, 3, MSG_PEEK);
	say_controls("the rest", c, 20, 0);
	say_controls("none", c, 20, 0);
	send(s, "x", 1, 0);
	shutdown(s, SHUT_WR);
	settle();
	say_controls("last", c, 20, 0);
	say_controls("end", c, 20, 0);
	T(set_int(c, IPPROTO_TCP, TCP_INQ, 0));
	say_controls("off", c, 20, 0);
}

static long send_with(int fd, int type, const void *data, size_t len)
{
	char control[64] = { 0 };
	struct iovec iov = { buf, 2 };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = CMSG_SPACE(len) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	return sendmsg(fd, &hdr, 0);
}

CASE(effect_mark)
{
	uint32_t mark = 77;
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	T(set_int(b, SOL_SOCKET, SO_RCVMARK, 1));
	send(a, "plain", 5, 0);
	T(set_int(a, SOL_SOCKET, SO_MARK, 42));
	send(a, "marked", 6, 0);
	T(send_with(a, SO_MARK, &mark, sizeof(mark)));
	T(send_with(a, SO_MARK, &mark, 3));
	settle();
	say_controls("first", b, 20, 0);
	say_controls("second", b, 20, 0);
	say_controls("third", b, 20, 0);
	T(set_int(b, SOL_SOCKET, SO_RCVMARK, 0));
	send(a, "plain", 5, 0);
	settle();
	say_controls("fourth", b, 20, 0);
	if (!setresuid(65534, 65534, 65534)) {
		T(send_with(a, SO_MARK, &mark, sizeof(mark)));
		T(set_int(a, SOL_SOCKET, SO_MARK, 1));
		say("%d", get_int(a, SOL_SOCKET, SO_MARK));
	}
}

CASE(effect_priority)
{
	static const int toses[] = {
		0, 0x02, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c, 0xb8, 0xff
	};
	int priority = 3, big = 9, a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	for (size_t i = 0; i < COUNT(toses); i++) {
		T(set_int(a, IPPROTO_IP, IP_TOS, toses[i]));
		say("%#x: priority %d", toses[i], get_int(a, SOL_SOCKET, SO_PRIORITY));
		T(set_int(a, SOL_SOCKET, SO_PRIORITY, 5));
		T(set_int(a, IPPROTO_IP, IP_TOS, toses[i])); /* no change: nor of the priority */
		say("priority %d", get_int(a, SOL_SOCKET, SO_PRIORITY));
	}
	T(send_with(a, SO_PRIORITY, &priority, sizeof(priority)));
	if (!setresuid(65534, 65534, 65534)) {
		T(set_int(a, SOL_SOCKET, SO_PRIORITY, 6));
		T(set_int(a, SOL_SOCKET, SO_PRIORITY, 7));
		T(send_with(a, SO_PRIORITY, &big, sizeof(big)));
	}
}

CASE(effect_txtime)
{
	struct {
		uint32_t clock, flags;
	} how = { CLOCK_MONOTONIC, 0 };
	uint64_t at = 1;
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	T(send_with(a, SCM_TXTIME, &at, sizeof(at)));
	T(setsockopt(a, SOL_SOCKET, SO_TXTIME, &how, sizeof(how)));
	T(send_with(a, SCM_TXTIME, &at, sizeof(at)));
	T(send_with(a, SCM_TXTIME, &at, 4));
	settle();
	say_controls("came", b, 20, 0);
}

/* ---- a listener and its children ---- */

CASE(effect_inherited)
{
	static const struct {
		int level, name, value;
	} opts[] = {
		{ SOL_SOCKET, SO_PRIORITY, 4 },	      { SOL_SOCKET, SO_MARK, 5 },
		{ SOL_SOCKET, SO_BUSY_POLL, 50 },     { SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 20 },
		{ SOL_SOCKET, SO_PEEK_OFF, 2 },	      { SOL_SOCKET, SO_NOFCS, 1 },
		{ SOL_SOCKET, SO_DONTROUTE, 1 },      { SOL_SOCKET, SO_NO_CHECK, 1 },
		{ IPPROTO_TCP, TCP_INQ, 1 },	      { IPPROTO_TCP, TCP_SAVE_SYN, 1 },
		{ IPPROTO_TCP, 45, 100000 },	      { IPPROTO_TCP, 44, 5000 },
		{ IPPROTO_TCP, 46, 50000 },	      { IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 9 }, { IPPROTO_TCP, TCP_FASTOPEN, 5 },
	};
	uint16_t port;
	int listener = tcp_listener(4, &port), c = sock(SOCK_STREAM), s;

	for (size_t i = 0; i < COUNT(opts); i++)
		T(set_int(listener, opts[i].level, opts[i].name, opts[i].value));
	conn(c, port);
	s = accept(listener, NULL, NULL);
	for (size_t i = 0; i < COUNT(opts); i++)
		say("level %d option %d: %d, %d", opts[i].level, opts[i].name,
		    get_int(listener, opts[i].level, opts[i].name),
		    get_int(s, opts[i].level, opts[i].name));
}

/* What is always the same in the headers of a SYN. */
static void say_syn(int s, uint16_t port)
{
	unsigned char syn[256];
	socklen_t len = sizeof(syn), small = 10;
	int at;

	T(getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, syn, &small));
	T(getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len));
	at = len > 60 && !syn[0] ? 14 : 0;
	if (len)
		say("  %d IP %02x TTL %d protocol %d to %d, own port %d, flags %02x", at, syn[at],
		    syn[at + 8], syn[at + 9], syn[at + 19],
		    syn[at + 22] == port >> 8 && syn[at + 23] == (port & 255), syn[at + 33]);
	len = sizeof(syn);
	T(getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len));
	say("  again: %u", len);
}

CASE(effect_saved_syn)
{
	for (int how = 0; how < 3; how++) {
		uint16_t port;
		int listener = tcp_listener(4, &port), c = sock(SOCK_STREAM), s;

		T(set_int(listener, IPPROTO_TCP, TCP_SAVE_SYN, how));
		conn(c, port);
		s = accept(listener, NULL, NULL);
		say_syn(s, port);
		close(c);
		close(s);
		close(listener);
	}
}

/* ---- pacing, CPU ---- */

#define PACED_BYTES 2000000

CASE(effect_pacing)
{
	size_t sent = 0, got = 0;
	int64_t from;
	int c, s;

	tcp_pair(&c, &s);
	nonblock(c);
	nonblock(s);
	T(set_int(c, SOL_SOCKET, SO_MAX_PACING_RATE, 4000000));
	from = now_ms();
	/* Linux lets the first ten segments go; of lo they have 32 kB, or twice that */
	while (got < PACED_BYTES && now_ms() - from < 5000) {
		struct pollfd pfd = { s, POLLIN, 0 };
		ssize_t n;

		if (sent < PACED_BYTES) {
			n = send(c, buf, PACED_BYTES - sent < 20000 ? PACED_BYTES - sent : 20000,
				 0);
			sent += n > 0 ? (size_t)n : 0;
		}
		poll(&pfd, 1, 1);
		n = recv(s, buf, sizeof(buf), 0);
		got += n > 0 ? (size_t)n : 0;
	}
	say("%zu bytes", got);
	say_took("2 MB at 4 MB/s", from, 250, 4500);
}

CASE(effect_incoming_cpu)
{
	cpu_set_t one;
	int c, s;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	T(sched_setaffinity(0, sizeof(one), &one));
	tcp_pair(&c, &s);
	send(s, "x", 1, 0);
	settle();
	say("%d %d", get_int(c, SOL_SOCKET, SO_INCOMING_CPU),
	    get_int(s, SOL_SOCKET, SO_INCOMING_CPU));
	T(set_int(c, SOL_SOCKET, SO_INCOMING_CPU, 1));
	say("%d", get_int(c, SOL_SOCKET, SO_INCOMING_CPU));
}

/* Linux has no effect for it here, but a program may set it, and the socket goes on. */
CASE(effect_none)
{
	static const struct {
		int level, name;
	} opts[] = {
		{ SOL_SOCKET, SO_BSDCOMPAT },	{ SOL_SOCKET, SO_NOFCS },
		{ SOL_SOCKET, SO_WIFI_STATUS }, { SOL_SOCKET, 53 /* CNX_ADVICE */ },
		{ SOL_SOCKET, SO_DEBUG },	{ SOL_SOCKET, 73 /* RESERVE_MEM */ },
		{ SOL_SOCKET, 74 /* TXREHASH */ }, { IPPROTO_IP, IP_CHECKSUM },
		{ IPPROTO_IP, IP_PASSSEC },	{ IPPROTO_TCP, TCP_THIN_DUPACK },
	};
	int c, s;

	tcp_pair(&c, &s);
	for (size_t i = 0; i < COUNT(opts); i++) {
		T(set_int(c, opts[i].level, opts[i].name, 1));
		say("%d", get_int(c, opts[i].level, opts[i].name));
		T(send(c, "x", 1, 0));
		settle();
		say_bytes("goes on", buf, recv(s, buf, 10, MSG_DONTWAIT));
	}
}
