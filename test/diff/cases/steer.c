// SPDX-License-Identifier: BSD-3-Clause
/*
 * steer.c - SO_ATTACH_REUSEPORT_CBPF: the sentences of socket(7)
 *
 * Numbers of a group are the order of bind(), of listen() with TCP; a bad number is plain hashing;
 * who comes later is steered too; the last takes the place of who leaves; any member may replace
 * the program at any time.
 */
#include <linux/filter.h>

#include "test/diff/diff.h"

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif
#define MOST 8

#define PROG(...) ((struct sock_filter[]){ __VA_ARGS__ })
#define RET_A BPF_STMT(BPF_RET | BPF_A, 0)
#define LD(size, k) BPF_STMT(BPF_LD | BPF_ABS | (size), (uint32_t)(k))

static int steer_n(int fd, struct sock_filter *insns, size_t n)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = insns };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog));
}

#define STEER(fd, ...) steer_n(fd, PROG(__VA_ARGS__), COUNT(PROG(__VA_ARGS__)))

/* The first byte of the payload, less '0'. */
#define BY_DIGIT LD(BPF_B, 0), BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, '0'), RET_A

static int member(int type, uint16_t *port)
{
	struct sockaddr_in name = loop_addr(*port);
	int fd = sock(type);

	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (bind(fd, (void *)&name, sizeof(name)))
		say("bind: %s", err_name(errno));
	*port = port_of(fd);
	nonblock(fd);
	return fd;
}

/* A datagram for each digit; who of the group (names: a b c...) got which. */
static void who_gets(const char *digits, int from, const int *fd, int n)
{
	char buf[16], name[2] = "";

	for (const char *d = digits; *d; d++)
		send(from, d, 1, 0);
	settle();
	for (int i = 0; i < n; i++) {
		char got[64] = "";

		if (fd[i] < 0)
			continue;
		while (recv(fd[i], buf, sizeof(buf), MSG_DONTWAIT) > 0) {
			name[0] = buf[0];
			strcat(got, name);
		}
		say("  %c: %s", 'a' + i, got);
	}
}

/* All that were sent arrive, by whomever. */
static void somebody_gets(int from, const int *fd, int n, int count)
{
	char buf[16];
	int got = 0;

	for (int i = 0; i < count; i++)
		send(from, "9", 1, 0);
	settle();
	for (int i = 0; i < n; i++)
		while (fd[i] >= 0 && recv(fd[i], buf, sizeof(buf), MSG_DONTWAIT) > 0)
			got++;
	say("  %d of %d", got, count);
}

CASE(steer_udp)
{
	uint16_t port = 0;
	int fd[MOST], from, n;

	for (n = 0; n < 4; n++)
		fd[n] = member(SOCK_DGRAM, &port);
	from = sock(SOCK_DGRAM);
	conn(from, port);
	T(STEER(fd[2], BY_DIGIT));
	who_gets("0123321", from, fd, n);
	say("nobody has that number");
	somebody_gets(from, fd, n, 20);
	say("a new one is the last");
	fd[n++] = member(SOCK_DGRAM, &port);
	who_gets("401", from, fd, n);
	say("the last takes the place of who leaves");
	close(fd[1]);
	fd[1] = -1;
	who_gets("0123", from, fd, n);
	say("so does it for the first");
	close(fd[0]);
	fd[0] = -1;
	who_gets("012", from, fd, n);
	say("another program, by another member");
	T(STEER(fd[3], LD(BPF_B, 0), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1), RET_A));
	who_gets("0123", from, fd, n);
	say("a load beyond the datagram is a 0");
	T(STEER(fd[4], LD(BPF_W, 0), BPF_STMT(BPF_RET | BPF_K, 1)));
	who_gets("0123", from, fd, n);
	say("headers");
	T(STEER(fd[4], LD(BPF_B, SKF_NET_OFF + 9), BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 15), RET_A));
	who_gets("0123", from, fd, n);
	T(STEER(fd[4], LD(BPF_H, SKF_NET_OFF + 24), BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 8), RET_A));
	who_gets("0123", from, fd, n);
	T(set_int(fd[2], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	somebody_gets(from, fd, n, 20);
	T(set_int(fd[2], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
}

/* A program that was there before bind() is its group's if it is the first. */
CASE(steer_before_bind)
{
	struct sockaddr_in name = loop_addr(0);
	uint16_t port;
	int fd[MOST], from;

	fd[0] = sock(SOCK_DGRAM);
	T(STEER(fd[0], BY_DIGIT));
	T(set_int(fd[0], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	T(set_int(fd[0], SOL_SOCKET, SO_REUSEPORT, 1));
	T(set_int(fd[0], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	T(STEER(fd[0], BPF_STMT(BPF_RET | BPF_K, 1)));
	T(bind(fd[0], (void *)&name, sizeof(name)));
	port = port_of(fd[0]);
	fd[1] = sock(SOCK_DGRAM);
	set_int(fd[1], SOL_SOCKET, SO_REUSEPORT, 1);
	T(STEER(fd[1], BPF_STMT(BPF_RET | BPF_K, 0)));
	name = loop_addr(port);
	T(bind(fd[1], (void *)&name, sizeof(name)));
	from = sock(SOCK_DGRAM);
	conn(from, port);
	who_gets("0123", from, fd, 2);
	close(fd[0]);
	fd[0] = -1;
	who_gets("0123", from, fd, 2);
	T(set_int(fd[1], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
}

CASE(steer_refusals)
{
	struct sock_fprog prog = { .len = 1, .filter = PROG(BPF_STMT(BPF_RET | BPF_K, 0)) };
	int value = 0, plain, a, b;
	uint16_t port = 0;

	plain = udp_bound(&port);
	T(STEER(plain, BY_DIGIT));
	T(set_int(plain, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	T(set_int(plain, SOL_SOCKET, SO_REUSEPORT, 1)); /* too late */
	T(STEER(plain, BY_DIGIT));
	T(set_int(plain, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	port = 0;
	a = member(SOCK_DGRAM, &port);
	T(STEER(a, LD(BPF_B, 0)));
	T(steer_n(a, NULL, 1));
	T(steer_n(a, NULL, 0));
	T(setsockopt(a, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog) - 1));
	T(setsockopt(a, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, NULL, sizeof(prog)));
	T(getsockopt(a, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &value, &(socklen_t){ 4 }));
	T(getsockopt(a, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &value, &(socklen_t){ 4 }));
	T(set_int(a, SOL_SOCKET, SO_LOCK_FILTER, 1));
	T(STEER(a, BY_DIGIT));
	tcp_pair(&a, &b);
	T(STEER(a, BY_DIGIT));
	T(STEER(b, BY_DIGIT));
}

/* The three lowest bits of the client's port, of which there are always enough. */
CASE(steer_tcp)
{
	int l[3], order[] = { 2, 0, 1 }, wrong = 0, total = 0;
	uint16_t port = 0;

	for (int i = 0; i < 3; i++)
		l[i] = member(SOCK_STREAM, &port);
	for (int i = 0; i < 3; i++)
		T(listen(l[order[i]], 50));
	T(STEER(l[1], LD(BPF_H, SKF_NET_OFF + 20), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET_A));
	for (int i = 0; i < 24; i++) {
		int c = sock(SOCK_STREAM), s;

		if (conn(c, port))
			say("connect: %s", err_name(errno));
		s = accept(l[order[port_of(c) % 3]], NULL, NULL);
		wrong += s < 0;
		total++;
		close(s);
		close(c);
	}
	say("%d connections, %d at another listener", total, wrong);
	close(l[2]); /* the first that listened: the last takes its place */
	for (int i = 0; i < 24; i++) {
		int c = sock(SOCK_STREAM), s, at = port_of(c) % 3;

		if (conn(c, port))
			say("connect: %s", err_name(errno));
		at = port_of(c) % 3;
		if (at < 2) {
			s = accept(l[at == 0 ? 1 : 0], NULL, NULL);
			wrong += s < 0;
			close(s);
		}
		close(c);
	}
	say("%d at another listener", wrong);
}

/* Four processes, each with a socket of its own, and one who changes the program meanwhile. */
CASE(steer_processes)
{
	uint16_t port = 0;
	int fd[4], from, seen[2], got = 0, wrong = 0;
	char buf[16];

	T(pipe(seen));
	for (int i = 0; i < 4; i++)
		fd[i] = member(SOCK_DGRAM, &port);
	T(STEER(fd[0], BY_DIGIT));
	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		for (int64_t end = now_ms() + 10000; now_ms() < end;) {
			struct pollfd p = { fd[i], POLLIN, 0 };
			ssize_t n;

			poll(&p, 1, 1000);
			n = recv(fd[i], buf, sizeof(buf), MSG_DONTWAIT);
			if (n == 4)
				break;
			if (n == 1 && write(seen[1], (char[]){ buf[0] == '0' + i }, 1) != 1)
				break;
		}
		_exit(0);
	}
	from = sock(SOCK_DGRAM);
	conn(from, port);
	for (int i = 0; i < 400; i++) {
		send(from, (char[]){ (char)('0' + i % 4) }, 1, 0);
		if (i % 10 == 0) {
			steer_n(fd[i % 4], PROG(BY_DIGIT), 3);
			usleep(1000);
		}
	}
	for (; got < 400; got++) {
		struct pollfd p = { seen[0], POLLIN, 0 };
		char right;

		if (poll(&p, 1, 3000) <= 0 || read(seen[0], &right, 1) != 1)
			break;
		wrong += !right;
	}
	say("%d arrived, %d elsewhere", got, wrong);
	for (int i = 0; i < 4; i++)
		send(from, (char[4]){ (char)('0' + i), 'e', 'n', 'd' }, 4, 0);
	while (wait(NULL) > 0)
		;
}

/* Who brings a program along does not share its port any more. */
CASE(steer_before_listen)
{
	uint16_t port = 0, alone = 0;
	int a = member(SOCK_STREAM, &port), b = member(SOCK_STREAM, &port);
	int c = member(SOCK_STREAM, &alone);

	T(STEER(b, BPF_STMT(BPF_RET | BPF_K, 0)));
	T(listen(b, 5));
	T(listen(a, 5));
	T(listen(b, 5));
	T(set_int(b, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	T(set_int(a, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	T(STEER(c, BPF_STMT(BPF_RET | BPF_K, 0)));
	T(listen(c, 5));
	T(set_int(c, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
}
