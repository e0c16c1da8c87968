// SPDX-License-Identifier: BSD-3-Clause
/*
 * ebpf_tail.c - programs that go on to others by a map of programs (PROG_ARRAY): datagrams say
 * which one had the last word, arrays who was there
 */
#include "test/diff/ebpf.h"

static const uint32_t places[] = { 0, 1, 2, 3 };

static void send_two(int fd, int to)
{
	send(fd, "a", 1, 0);
	send(fd, "bcdefgh", 7, 0);
	settle();
	ebpf_received(to);
}

static void pair(int *a, int *b)
{
	udp_pair(a, b);
	conn(*a, port_of(*b));
}

/* R6 has the context. */
#define GO_ON(map, at) MOVX(1, 6), LD_MAP(2, map), MOV(3, at), CALL(tail_call)
#define KEEP(n) MOV(0, 8 + (n)), EXIT
#define COUNT_UP(map) \
	ST(BPF_W, 10, -4, 0), MOVX(2, 10), ADD(2, -4), LD_MAP(1, map), CALL(map_lookup_elem), \
		JEQ(0, 0, 2), MOV(1, 1), LOCK_ADD(BPF_DW, 0, 1, 0)

static int programs(void)
{
	return ebpf_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0);
}

CASE(ebpf_tail_calls)
{
	int a, b, first, second, third, map = programs();

	pair(&a, &b);
	F(first = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), ST(BPF_W, 6, FIELD(cb[1]), 3), GO_ON(map, 2),
			    KEEP(1)));
	/* what the first left in cb[], and of the length */
	F(second = EBPF_LOAD(SOCKET_FILTER, LDX(BPF_W, 0, 1, FIELD(cb[1])), LDX(BPF_W, 2, 1,
			     FIELD(len)), I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 2, 0, 0), ADD(0, -6),
			     EXIT));
	F(third = EBPF_LOAD(SOCKET_FILTER, KEEP(2)));
	T(ebpf_attach(b, first));
	send_two(a, b);
	T(ebpf_put(map, &places[2], &second, 0));
	send_two(a, b);
	T(ebpf_put(map, &places[2], &third, 0));
	close(third);
	close(second);
	send_two(a, b);
	T(ebpf_put(map, &places[2], &first, BPF_NOEXIST));
	T(ebpf_put(map, &(uint32_t){ 9 }, &first, 0));
	T(ebpf_put(map, &places[1], &b, 0));
	T(ebpf_del(map, &places[2]));
	T(ebpf_del(map, &places[2]));
	send_two(a, b);
	T(set_int(b, SOL_SOCKET, SO_DETACH_BPF, 0));
	send_two(a, b);
}

CASE(ebpf_tail_chain)
{
	int a, b, prog, map = programs(), count = ebpf_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);
	int hash = ebpf_map(BPF_MAP_TYPE_HASH, 4, 8, 1, 0);

	pair(&a, &b);
	ebpf_put(hash, &places[0], &(long){ 0 }, 0);
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), COUNT_UP(count), COUNT_UP(hash),
			   GO_ON(map, 1), KEEP(1)));
	T(ebpf_put(map, &places[1], &prog, 0));
	T(ebpf_attach(b, prog));
	send_two(a, b);
	say("ran %ld times, %ld", ebpf_count(count, 0), ebpf_count(hash, 0));
	/* two that call each other */
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), COUNT_UP(count), GO_ON(map, 3), KEEP(2)));
	T(ebpf_put(map, &places[1], &prog, 0));
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), GO_ON(map, 1), KEEP(3)));
	T(ebpf_put(map, &places[3], &prog, 0));
	T(ebpf_attach(b, prog));
	send_two(a, b);
	say("ran %ld times", ebpf_count(count, 0));
}

/* The map is filled by another process, after a fork, with a program of its own. */
CASE(ebpf_tail_processes)
{
	int a, b, first, second, map = programs();

	pair(&a, &b);
	F(first = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), GO_ON(map, 0), KEEP(1)));
	T(ebpf_attach(b, first));
	send_two(a, b);
	if (!fork()) {
		second = EBPF_LOAD(SOCKET_FILTER, KEEP(3));
		say("put %d", ebpf_put(map, &places[0], &second, 0));
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	send_two(a, b);
}

CASE(ebpf_tail_reuseport)
{
	int c = sock(SOCK_DGRAM), s[2], first, second, map = programs();
	struct sockaddr_in name = loop_addr(0);
	uint16_t port = 0;

	for (int i = 0; i < 2; i++) {
		s[i] = sock(SOCK_DGRAM);
		set_int(s[i], SOL_SOCKET, SO_REUSEPORT, 1);
		name.sin_port = htons(port);
		T(bind(s[i], (void *)&name, sizeof(name)));
		port = port_of(s[i]);
	}
	conn(c, port);
	F(first = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), GO_ON(map, 0), MOV(0, 0), EXIT));
	F(second = EBPF_LOAD(SOCKET_FILTER, MOV(0, 1), EXIT));
	T(set_int(s[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, first));
	send(c, "none", 4, 0);
	T(ebpf_put(map, &places[0], &second, 0));
	send(c, "second", 6, 0);
	settle();
	ebpf_received(s[0]);
	ebpf_received(s[1]);
}
