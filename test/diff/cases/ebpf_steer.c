// SPDX-License-Identifier: BSD-3-Clause
/*
 * ebpf_steer.c - SO_ATTACH_REUSEPORT_EBPF: a number of the group, or a socket of a map
 *
 * SOCKET_FILTER programs return a number; SK_REUSEPORT programs name a socket of a
 * BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, let the hash choose, or let nobody have it.
 */
#include "test/diff/ebpf.h"

#define MOST 8
#define MD(name) ((int16_t)offsetof(struct sk_reuseport_md, name))

static int steer(int fd, int prog)
{
	return set_int(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, prog);
}

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

/* A datagram for each digit; who of the group (a b c...) got which. */
static void who_gets(const char *digits, int from, const int *fd, int n)
{
	char buf[16], name[2] = "";

	for (const char *d = digits; *d; d++)
		if (send(from, d, 1, 0) < 0)
			say("  send %c: %s", *d, err_name(errno));
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

/* The first byte of the payload, less '0'. */
#define BY_DIGIT MOVX(6, 1), LD_BYTE(0), ADD(0, -'0'), EXIT

CASE(ebpf_steer_udp)
{
	uint16_t port = 0;
	int fd[MOST], from, n, prog;

	for (n = 0; n < 3; n++)
		fd[n] = member(SOCK_DGRAM, &port);
	from = sock(SOCK_DGRAM);
	conn(from, port);
	F(prog = EBPF_LOAD(SOCKET_FILTER, BY_DIGIT));
	T(steer(fd[1], prog));
	who_gets("0120", from, fd, n);
	say("nobody has that number");
	somebody_gets(from, fd, n, 10);
	close(fd[0]);
	fd[0] = -1;
	who_gets("0101", from, fd, n);
	say("by length, by another member");
	F(prog = EBPF_LOAD(SOCKET_FILTER, LDX(BPF_W, 0, 1, FIELD(len)), ADD(0, -1), EXIT));
	T(steer(fd[2], prog));
	who_gets("55", from, fd, n);
	T(set_int(fd[1], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	T(set_int(fd[1], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
	T(steer(from, prog));
	T(steer(fd[1], from));
	T(set_int(fd[1], SOL_SOCKET, SO_LOCK_FILTER, 1));
	T(steer(fd[1], prog));
}

/*
 * Selects entry (byte behind the transport header) - '0' of the map; `none` is what it returns
 * when there is no such entry, and 'x' lets nobody have it.
 */
static int selector(int map, int header, int none)
{
	return EBPF_LOAD(SK_REUSEPORT, MOVX(6, 1), LDX(BPF_DW, 2, 6, MD(data)),
			 LDX(BPF_DW, 3, 6, MD(data_end)), MOVX(4, 2), ADD(4, header + 1),
			 I(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 14, 0),
			 LDX(BPF_B, 7, 2, (int16_t)header), JEQ(7, 'x', 14), ADD(7, -'0'),
			 STX(BPF_W, 10, 7, -4), MOVX(1, 6), LD_MAP(2, map), MOVX(3, 10), ADD(3, -4),
			 MOV(4, 0), CALL(sk_select_reuseport), JNE(0, 0, 2), MOV(0, SK_PASS), EXIT,
			 MOV(0, none), EXIT, MOV(0, SK_DROP), EXIT);
}

static int put(int map, uint32_t at, int fd)
{
	uint64_t value = (uint64_t)fd;

	return ebpf_put(map, &at, &value, BPF_ANY);
}

CASE(ebpf_steer_array_udp)
{
	int map = ebpf_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8, 8, 0);
	int other = ebpf_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8, 8, 0);
	uint16_t port = 0, alone = 0;
	int fd[MOST], from, n, prog, plain;
	uint64_t value;

	for (n = 0; n < 3; n++)
		fd[n] = member(SOCK_DGRAM, &port);
	from = sock(SOCK_DGRAM);
	conn(from, port);
	F(prog = selector(map, 8, SK_PASS));
	T(steer(fd[0], prog));
	say("an empty map: the hash");
	somebody_gets(from, fd, n, 10);
	T(put(map, 5, fd[0]));
	T(put(map, 1, fd[1]));
	T(put(map, 0, fd[2]));
	who_gets("501510", from, fd, n);
	say("no such entry: the hash");
	somebody_gets(from, fd, n, 10);
	say("moved, replaced, removed");
	T(put(map, 2, fd[0])); /* it is in one */
	T(put(map, 1, fd[2]));
	who_gets("11", from, fd, n);
	T(ebpf_del(map, &(uint32_t){ 5 }));
	T(put(map, 1, fd[0]));
	who_gets("1101", from, fd, n);
	T(put(map, 7, fd[1]));
	who_gets("1707", from, fd, n);
	T(ebpf_del(map, &(uint32_t){ 1 }));
	T(ebpf_del(map, &(uint32_t){ 1 }));
	somebody_gets(from, fd, n, 10);
	say("refused");
	T(put(map, 8, fd[1]));
	T(put(map, 1, 999));
	T(put(other, 1, fd[0]));
	value = (uint64_t)fd[1];
	T(ebpf_put(map, &(uint32_t){ 7 }, &value, BPF_NOEXIST));
	T(ebpf_put(map, &(uint32_t){ 4 }, &value, BPF_EXIST));
	T(ebpf_put(map, &(uint32_t){ 4 }, &value, 7));
	plain = udp_bound(&alone);
	T(put(map, 4, plain));
	say("nobody has it");
	who_gets("7x", from, fd, n);
	say("the error that the sender hears: %s", err_name(get_int(from, SOL_SOCKET, SO_ERROR)));
	F(prog = selector(map, 8, SK_DROP));
	T(steer(fd[1], prog));
	who_gets("17", from, fd, n); /* that is nobody's */
	get_int(from, SOL_SOCKET, SO_ERROR);
	close(fd[0]);
	fd[0] = -1;
	say("who closes leaves the map");
	who_gets("07", from, fd, n);
}

CASE(ebpf_steer_array_tcp)
{
	int map = ebpf_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8, 8, 0), l[3], prog, wrong = 0;
	uint16_t port = 0;

	for (int i = 0; i < 3; i++)
		l[i] = member(SOCK_STREAM, &port);
	T(put(map, 0, l[0]));
	for (int i = 0; i < 3; i++)
		T(listen(l[i], 50));
	for (int i = 0; i < 3; i++)
		T(put(map, (uint32_t)(2 - i), l[i]));
	/* by the client's port, modulo three */
	F(prog = EBPF_LOAD(SK_REUSEPORT, MOVX(6, 1), MOV(2, 0), MOVX(3, 10), ADD(3, -8),
			   MOV(4, 2), CALL(skb_load_bytes), LDX(BPF_H, 7, 10, -8),
			   I(BPF_ALU | BPF_END | BPF_TO_BE, 7, 0, 0, 16),
			   I(BPF_ALU64 | BPF_MOD | BPF_K, 7, 0, 0, 3), STX(BPF_W, 10, 7, -4),
			   MOVX(1, 6), LD_MAP(2, map), MOVX(3, 10), ADD(3, -4), MOV(4, 0),
			   CALL(sk_select_reuseport), MOV(0, SK_PASS), EXIT));
	T(steer(l[1], prog));
	for (int i = 0; i < 12; i++) {
		int c = sock(SOCK_STREAM), s;

		if (conn(c, port))
			say("connect: %s", err_name(errno));
		s = accept(l[2 - port_of(c) % 3], NULL, NULL);
		wrong += s < 0;
		close(s);
		close(c);
	}
	say("%d at another listener", wrong);
	F(prog = EBPF_LOAD(SK_REUSEPORT, MOV(0, SK_DROP), EXIT));
	T(steer(l[1], prog));
	T(conn(sock(SOCK_STREAM), port));
}

/* What it is told of the packet: each word is kept in a map. */
static void say_md(int from, int fd, const char *name, int16_t offset)
{
	int map = ebpf_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0), prog;
	char byte;

	prog = EBPF_LOAD(SK_REUSEPORT, MOVX(6, 1), ST(BPF_W, 10, -4, 0), MOVX(2, 10), ADD(2, -4),
			 LD_MAP(1, map), CALL(map_lookup_elem), JEQ(0, 0, 2),
			 LDX(BPF_W, 1, 6, offset), STX(BPF_DW, 0, 1, 0), MOV(0, SK_PASS), EXIT);
	if (prog < 0 || steer(fd, prog))
		say("%s: %s", name, err_name(errno));
	send(from, "1", 1, 0);
	settle();
	recv(fd, &byte, 1, MSG_DONTWAIT);
	say("%s: %#lx", name, ebpf_count(map, 0));
	close(prog);
	close(map);
}

CASE(ebpf_steer_context)
{
	uint16_t port = 0;
	int fd = member(SOCK_DGRAM, &port), from = sock(SOCK_DGRAM);

	conn(from, port);
	say_md(from, fd, "len", MD(len));
	say_md(from, fd, "eth_protocol", MD(eth_protocol));
	say_md(from, fd, "ip_protocol", MD(ip_protocol));
	say_md(from, fd, "bind_inany", MD(bind_inany));
}

/* Four processes, each with a socket of its own in the map, and the program changed meanwhile. */
CASE(ebpf_steer_processes)
{
	int map = ebpf_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8, 4, 0), prog, seen[2], from;
	int got = 0, wrong = 0, fd[4];
	uint16_t port = 0;
	char buf[16];

	T(pipe(seen));
	for (int i = 0; i < 4; i++)
		fd[i] = member(SOCK_DGRAM, &port);
	F(prog = selector(map, 8, SK_PASS));
	T(steer(fd[0], prog));
	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		if (put(map, (uint32_t)i, fd[i]) || write(seen[1], "r", 1) != 1)
			_exit(1);
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
	for (int i = 0; i < 4; i++)
		if (read(seen[0], buf, 1) != 1)
			say("a process did not start");
	from = sock(SOCK_DGRAM);
	conn(from, port);
	for (int i = 0; i < 200; i++) {
		send(from, (char[]){ (char)('0' + i % 4) }, 1, 0);
		if (i % 10 == 0) {
			steer(fd[i % 4], prog);
			usleep(1000);
		}
	}
	for (; got < 200; got++) {
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
