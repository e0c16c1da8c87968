// SPDX-License-Identifier: BSD-3-Clause
/*
 * filter.c - SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER: the sentences of socket(7)
 *
 * By what they do to datagrams and segments: dropped, cut, counted; replaced, detached, locked,
 * inherited. Every refusal with its errno. What random programs do is filters.sh's.
 */
#include <linux/filter.h>

#include "test/diff/diff.h"

#ifndef SO_DETACH_BPF
#define SO_DETACH_BPF SO_DETACH_FILTER
#endif

static char buf[4096];

#define PROG(...) ((struct sock_filter[]){ __VA_ARGS__ })
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)
#define RET_A BPF_STMT(BPF_RET | BPF_A, 0)
#define LD(size, k) BPF_STMT(BPF_LD | BPF_ABS | (size), (uint32_t)(k))
#define IS(k, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, no)
#define AD(what) LD(BPF_W, SKF_AD_OFF + SKF_AD_##what)

static int attach_n(int fd, struct sock_filter *insns, size_t n)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = insns };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

#define ATTACH(fd, ...) attach_n(fd, PROG(__VA_ARGS__), COUNT(PROG(__VA_ARGS__)))

static int detach(int fd)
{
	int value = 0;

	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &value, sizeof(value));
}

static void say_filter(const char *text, int fd)
{
	struct sock_filter back[64];
	socklen_t len = COUNT(back);
	int err = getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, back, &len);

	say("%s: %d %s, %u instructions", text, err, err ? err_name(errno) : "", len);
	for (socklen_t i = 0; !err && i < len; i++)
		say("  { %#x, %u, %u, %#x }", back[i].code, back[i].jt, back[i].jf, back[i].k);
}

static void receive(int fd)
{
	struct msghdr hdr = { 0 };
	struct iovec iov = { buf, sizeof(buf) };
	char control[128];
	long n;

	for (;;) {
		hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				       .msg_controllen = sizeof(control) };
		n = recvmsg(fd, &hdr, MSG_DONTWAIT);
		if (n < 0)
			break;
		say_bytes("recv", buf, n);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c))
			say("  level %d type %d: %u", c->cmsg_level, c->cmsg_type,
			    *(uint32_t *)(void *)CMSG_DATA(c));
	}
	say("then %s", err_name(errno));
}

static void send_three(int fd)
{
	send(fd, "a", 1, 0);
	send(fd, "bb", 2, 0);
	send(fd, "cccccccc", 8, 0);
	settle();
}

/* ---- datagrams ---- */

CASE(filter_udp_verdicts)
{
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	T(set_int(b, SOL_SOCKET, SO_RXQ_OVFL, 1));
	T(ATTACH(b, RET(0)));
	send_three(a);
	receive(b);
	T(ATTACH(b, RET(11))); /* replaces: three bytes behind the header */
	send_three(a);
	receive(b);
	T(ATTACH(b, RET(1))); /* the header is the least */
	send_three(a);
	receive(b);
	T(ATTACH(b, LD(BPF_B, 9), RET_A)); /* one byte has none there */
	send_three(a);
	receive(b);
	T(ATTACH(b, RET(0xffffffff)));
	send_three(a);
	receive(b);
	T(detach(b));
	send_three(a);
	receive(b);
}

CASE(filter_udp_sees_the_headers)
{
	uint16_t port;
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	port = port_of(b);
	T(ATTACH(b, LD(BPF_H, 2), IS(port, 1), RET(9), RET(0)));
	send_three(a);
	receive(b);
	T(ATTACH(b, LD(BPF_H, 4), RET_A)); /* its length is all of it */
	send_three(a);
	receive(b);
	T(ATTACH(b, LD(BPF_B, SKF_NET_OFF + 9), IS(17, 1), RET(9), RET(0)));
	send_three(a);
	receive(b);
	T(ATTACH(b, LD(BPF_W, SKF_NET_OFF + 16), IS(0x7f000001, 1), RET(10), RET(0)));
	send_three(a);
	receive(b);
	T(ATTACH(b, LD(BPF_H, SKF_LL_OFF + 12), IS(0x0800, 1), RET(9), RET(0)));
	send_three(a);
	receive(b);
	T(ATTACH(b, BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), RET_A));
	send_three(a);
	receive(b);
	T(ATTACH(b, BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, SKF_NET_OFF),
		 BPF_STMT(BPF_MISC | BPF_TXA, 0), IS(20, 1), RET(9), RET(0)));
	send_three(a);
	receive(b);
}

/* The verdict is 8 and the value, which is small in each of these. */
static void say_ancillary(int from, int fd, const char *name, uint32_t which)
{
	say("%s: %d", name,
	    ATTACH(fd, BPF_STMT(BPF_LD | BPF_IMM, 0), BPF_STMT(BPF_LDX | BPF_IMM, 5),
		   LD(BPF_W, SKF_AD_OFF + which), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
		   BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 8), RET_A));
	memset(buf, 'x', 300);
	send(from, buf, 300, 0);
	settle();
	say("  value %zd", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
}

CASE(filter_udp_ancillary)
{
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	say_ancillary(a, b, "protocol", SKF_AD_PROTOCOL);
	say_ancillary(a, b, "type", SKF_AD_PKTTYPE);
	say_ancillary(a, b, "interface", SKF_AD_IFINDEX);
	say_ancillary(a, b, "hardware", SKF_AD_HATYPE);
	say_ancillary(a, b, "mark", SKF_AD_MARK);
	set_int(a, SOL_SOCKET, SO_MARK, 33);
	say_ancillary(a, b, "mark", SKF_AD_MARK);
	say_ancillary(a, b, "queue", SKF_AD_QUEUE);
	say_ancillary(a, b, "vlan", SKF_AD_VLAN_TAG);
	say_ancillary(a, b, "vlan present", SKF_AD_VLAN_TAG_PRESENT);
	say_ancillary(a, b, "vlan protocol", SKF_AD_VLAN_TPID);
	say_ancillary(a, b, "payload", SKF_AD_PAY_OFFSET);
	say_ancillary(a, b, "xor", SKF_AD_ALU_XOR_X);
	say_ancillary(a, b, "attribute", SKF_AD_NLATTR);
	say_ancillary(a, b, "nested", SKF_AD_NLATTR_NEST);
}

CASE(filter_udp6)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int a = socket(AF_INET6, SOCK_DGRAM, 0), b = socket(AF_INET6, SOCK_DGRAM, 0);
	socklen_t len = sizeof(name);

	T(bind(b, (void *)&name, sizeof(name)));
	getsockname(b, (void *)&name, &len);
	T(connect(a, (void *)&name, sizeof(name)));
	T(ATTACH(b, AD(PROTOCOL), IS(0x86dd, 3), LD(BPF_B, SKF_NET_OFF + 6), IS(17, 1), RET(10),
		 RET(0)));
	send_three(a);
	receive(b);
	T(ATTACH(b, LD(BPF_H, SKF_LL_OFF + 12), IS(0x86dd, 1), RET(9), RET(0)));
	send_three(a);
	receive(b);
}

/* What waits already was let in. */
CASE(filter_judges_what_comes)
{
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	send(a, "before", 6, 0);
	settle();
	T(ATTACH(b, RET(0)));
	send(a, "after", 5, 0);
	settle();
	receive(b);
	/* what it sends itself is not looked at */
	conn(b, port_of(a));
	T(send(b, "out", 3, 0));
	settle();
	receive(a);
}

/* ---- refusals ---- */

static void refusals(int fd)
{
	static struct sock_filter many[4097];
	struct sock_fprog prog = { .len = 1, .filter = PROG(RET(0)) };
	int value = 1;

	T(detach(fd));
	T(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, NULL, 0));
	T(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &value, 2));
	T(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog) - 1));
	T(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog) + 1));
	T(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, NULL, sizeof(prog)));
	T(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, 0));
	T(attach_n(fd, NULL, 1));
	T(attach_n(fd, (void *)8, 1));
	T(attach_n(fd, PROG(RET(0)), 0));
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (struct sock_filter)RET(9);
	T(attach_n(fd, many, 4097));
	T(attach_n(fd, many, 4096));
	T(ATTACH(fd, BPF_STMT(BPF_LD | BPF_IMM, 1)));
	T(ATTACH(fd, BPF_STMT(BPF_JMP | BPF_JA, 5), RET(0)));
	T(ATTACH(fd, BPF_STMT(BPF_LD | BPF_MEM, 1), RET(0)));
	T(ATTACH(fd, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)));
	T(ATTACH(fd, LD(BPF_W, SKF_AD_OFF + 61), RET(0)));
	T(getsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &value, &(socklen_t){ 4 }));
	T(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, buf, &(socklen_t){ 2 }));
	T(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &(socklen_t){ 4096 }));
	T(detach(fd));
	say_filter("none", fd);
}

CASE(filter_refusals)
{
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	refusals(a);
	refusals(b);
	tcp_pair(&a, &b);
	refusals(a);
	refusals(b);
}

static void locked(int fd)
{
	say("lock %d", get_int(fd, SOL_SOCKET, SO_LOCK_FILTER));
	T(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 0));
	T(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 7));
	say("lock %d", get_int(fd, SOL_SOCKET, SO_LOCK_FILTER));
	T(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1));
	T(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 0));
	T(ATTACH(fd, RET(0)));
	T(ATTACH(fd, BPF_STMT(BPF_LD | BPF_IMM, 1)));
	T(attach_n(fd, NULL, 1));
	T(detach(fd));
	T(set_int(fd, SOL_SOCKET, SO_DETACH_BPF, 0));
	say_filter("still", fd);
}

CASE(filter_lock)
{
	int a, b;

	udp_pair(&a, &b);
	locked(b);
	T(ATTACH(a, RET(9)));
	locked(a);
	tcp_pair(&a, &b);
	T(ATTACH(b, RET(999)));
	locked(b);
	locked(a);
}

CASE(filter_by_anybody)
{
	int a, b, c, d;

	udp_pair(&a, &b);
	tcp_pair(&c, &d);
	if (setresuid(65534, 65534, 65534))
		return;
	T(ATTACH(b, RET(9)));
	T(ATTACH(c, RET(999)));
	T(ATTACH(d, RET(999)));
	T(set_int(b, SOL_SOCKET, SO_LOCK_FILTER, 1));
	T(set_int(d, SOL_SOCKET, SO_LOCK_FILTER, 1));
	T(detach(b));
	T(detach(c));
}

/* ---- streams ---- */

/* The peer sends again what was dropped. */
CASE(filter_tcp_drops)
{
	int c, s;

	tcp_pair(&c, &s);
	T(ATTACH(s, RET(0)));
	send(c, "hello", 5, 0);
	say_poll("dropped", s, 100);
	T(detach(s));
	say_poll("sent again", s, 3000);
	say_bytes("recv", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
}

/* Header and three bytes of each segment. */
CASE(filter_tcp_cuts)
{
	int c, s;

	tcp_pair(&c, &s);
	T(ATTACH(s, LD(BPF_B, 12), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2),
		 BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x3c), BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 3),
		 RET_A));
	send(c, "abcdefghij", 10, 0);
	say_poll("some", s, 1000);
	say_bytes("recv", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(ATTACH(s, RET(1)));
	T(detach(s));
	settle();
	say_poll("the rest", s, 5000);
	for (int got = 3; got < 10; usleep(1000)) {
		ssize_t n = recv(s, buf + got, (size_t)(10 - got), 0);

		if (n <= 0)
			break;
		got += (int)n;
	}
	say_bytes("the rest", buf + 3, 7);
}

CASE(filter_tcp_listener)
{
	uint16_t port;
	int l = tcp_listener(5, &port), c = sock(SOCK_STREAM), s;

	T(ATTACH(l, RET(0)));
	nonblock(c);
	T(conn(c, port));
	say_poll("no answer", c, 200);
	T(detach(l));
	say_poll("the SYN comes again", c, 4000);
	s = F(accept(l, NULL, NULL));
	say_filter("accepted", s);
}

CASE(filter_tcp_inherited)
{
	uint16_t port;
	int l = tcp_listener(5, &port), c, s, t;

	T(ATTACH(l, LD(BPF_B, 13), IS(2, 1), RET(0xffff), RET(0xffffff)));
	T(set_int(l, SOL_SOCKET, SO_LOCK_FILTER, 0));
	c = sock(SOCK_STREAM);
	T(conn(c, port));
	settle();
	T(ATTACH(l, RET(0x7fff))); /* is not that of who came before */
	T(set_int(l, SOL_SOCKET, SO_LOCK_FILTER, 1));
	s = F(accept(l, NULL, NULL));
	say_filter("first", s);
	say("lock %d", get_int(s, SOL_SOCKET, SO_LOCK_FILTER));
	T(detach(s));
	say_filter("first", s);
	say_filter("listener", l);
	c = sock(SOCK_STREAM);
	T(conn(c, port));
	t = F(accept(l, NULL, NULL));
	say_filter("second", t);
	say("lock %d", get_int(t, SOL_SOCKET, SO_LOCK_FILTER));
	T(detach(t));
	T(ATTACH(t, RET(0)));
	send(c, "through", 7, 0);
	settle();
	say_bytes("recv", buf, recv(t, buf, sizeof(buf), MSG_DONTWAIT));
}

/* A filter that drops what answers: nothing is heard of the connection. */
CASE(filter_tcp_connecting)
{
	uint16_t port;
	int l = tcp_listener(5, &port), c = sock(SOCK_STREAM);

	nonblock(c);
	T(ATTACH(c, RET(0)));
	T(conn(c, port));
	say_poll("no answer", c, 200);
	T(detach(c));
	say_poll("the answer comes again", c, 4000);
	say_so_error(c);
	F(accept(l, NULL, NULL));
}

CASE(filter_survives_fork)
{
	int a, b, status;
	pid_t pid;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	pid = fork();
	if (!pid) {
		attach_n(b, PROG(LD(BPF_B, 8), IS('b', 1), RET(9), RET(0)), 4);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say_filter("the child's", b);
	send_three(a);
	receive(b);
	T(detach(b));
	send_three(a);
	receive(b);
}
