// SPDX-License-Identifier: BSD-3-Clause
/*
 * ebpf.c - SO_ATTACH_BPF: programs with maps and helpers, by what they do to datagrams and segments
 *
 * Maps are read by bpf(2) afterwards, so that what a program counts is seen to be in the kernel's.
 */
#include "test/diff/ebpf.h"

static char buf[4096];

static void send_three(int fd)
{
	send(fd, "a", 1, 0);
	send(fd, "bb", 2, 0);
	send(fd, "cccccccc", 8, 0);
	settle();
}

static void pair(int *a, int *b)
{
	udp_pair(a, b);
	conn(*a, port_of(*b));
}

/* *(value of key 0) += 1, whatever the map is; then R0 = keep. 11 instructions. */
#define COUNT_UP(map, keep) \
	ST(BPF_W, 10, -4, 0), MOVX(2, 10), ADD(2, -4), LD_MAP(1, map), CALL(map_lookup_elem), \
		JEQ(0, 0, 2), MOV(1, 1), LOCK_ADD(BPF_DW, 0, 1, 0), MOV(0, keep), EXIT

CASE(ebpf_udp_counts)
{
	struct bpf_map_info info = { 0 };
	union bpf_attr attr = { 0 };
	int a, b, prog, second, map = ebpf_map(BPF_MAP_TYPE_ARRAY, 4, 8, 2, 0);

	pair(&a, &b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, COUNT_UP(map, -1)));
	T(ebpf_attach(b, prog));
	send_three(a);
	ebpf_received(b);
	say("counted %ld", ebpf_count(map, 0));
	attr.info.bpf_fd = (uint32_t)map;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	T(ebpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr));
	say("flags %#x, %u entries", info.map_flags, info.max_entries);
	F(second = EBPF_LOAD(SOCKET_FILTER, COUNT_UP(map, 10)));
	T(ebpf_attach(b, dup(second))); /* two bytes behind the header */
	close(second);
	close(prog);
	send_three(a);
	ebpf_received(b);
	say("counted %ld", ebpf_count(map, 0));
	T(set_int(b, SOL_SOCKET, SO_DETACH_BPF, 0));
	send_three(a);
	ebpf_received(b);
	say("counted %ld", ebpf_count(map, 0));
	close(map);
}

/* Words of the context go into an array, one after the other. */
static void say_context(int a, int b, const char *name, int16_t offset, uint8_t size)
{
	int map = ebpf_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0), prog;

	prog = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), ST(BPF_W, 10, -4, 0), MOVX(2, 10), ADD(2, -4),
			 LD_MAP(1, map), CALL(map_lookup_elem), JEQ(0, 0, 2),
			 LDX(size, 1, 6, offset), STX(BPF_DW, 0, 1, 0), MOV(0, -1), EXIT);
	if (prog < 0 || ebpf_attach(b, prog))
		say("%s: %s", name, err_name(errno));
	send(a, "12345", 5, 0);
	settle();
	recv(b, buf, sizeof(buf), MSG_DONTWAIT);
	say("%s: %#lx", name, ebpf_count(map, 0));
	close(prog);
	close(map);
}

#define CONTEXT(name) say_context(a, b, #name, FIELD(name), BPF_W)

CASE(ebpf_context)
{
	int a, b;

	pair(&a, &b);
	set_int(a, SOL_SOCKET, SO_MARK, 0x4321);
	set_int(a, SOL_SOCKET, SO_PRIORITY, 5);
	CONTEXT(len);
	say_context(a, b, "a byte of len", FIELD(len), BPF_B);
	CONTEXT(pkt_type);
	CONTEXT(mark);
	say_context(a, b, "half of mark", FIELD(mark), BPF_H);
	CONTEXT(queue_mapping);
	CONTEXT(protocol);
	CONTEXT(vlan_present);
	CONTEXT(vlan_tci);
	CONTEXT(vlan_proto);
	CONTEXT(priority);
	CONTEXT(ingress_ifindex);
	CONTEXT(ifindex);
	CONTEXT(tc_index);
	CONTEXT(cb[0]);
	CONTEXT(cb[4]);
	CONTEXT(napi_id);
	CONTEXT(gso_segs);
	CONTEXT(gso_size);
}

/* cb[] is the program's to write, R0 what is behind the header. */
CASE(ebpf_context_write)
{
	int a, b, prog;

	pair(&a, &b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOV(0, 11), STX(BPF_W, 1, 0, FIELD(cb[2])), MOV(0, 0),
			   LDX(BPF_W, 0, 1, FIELD(cb[2])), EXIT));
	T(ebpf_attach(b, prog));
	send_three(a);
	ebpf_received(b);
	/* the socket's own port */
	F(prog = EBPF_LOAD(SOCKET_FILTER, LDX(BPF_DW, 2, 1, FIELD(sk)), MOV(0, 0), JEQ(2, 0, 4),
			   LDX(BPF_W, 0, 2, (int16_t)offsetof(struct bpf_sock, src_port)),
			   JEQ(0, port_of(b), 1), JA(1), MOV(0, 10), EXIT));
	T(ebpf_attach(b, prog));
	send_three(a);
	ebpf_received(b);
}

CASE(ebpf_packet_bytes)
{
	int a, b, prog;

	pair(&a, &b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), LD_BYTE(8), AND(0, 15), ADD(0, 8), EXIT));
	T(ebpf_attach(b, prog)); /* 'a' keeps one byte, 'b' two, 'c' three */
	send_three(a);
	ebpf_received(b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), LD_BYTE(9), MOV(0, -1), EXIT));
	T(ebpf_attach(b, prog)); /* "a" has no second byte */
	send_three(a);
	ebpf_received(b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOVX(6, 1), LD_BYTE(SKF_NET_OFF + 9), JEQ(0, 17, 2),
			   MOV(0, 0), EXIT, MOV(0, 9), EXIT));
	T(ebpf_attach(b, prog));
	send_three(a);
	ebpf_received(b);
	/* 8 payload bytes by the helper: who has fewer gets -EFAULT, which is a long datagram */
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOV(2, 8), MOVX(3, 10), ADD(3, -8), MOV(4, 8),
			   CALL(skb_load_bytes), JNE(0, 0, 2), LDX(BPF_B, 0, 10, -8),
			   AND(0, 15), ADD(0, 8), EXIT));
	T(ebpf_attach(b, prog));
	send_three(a);
	ebpf_received(b);
	/* the destination address */
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOV(2, 16), MOVX(3, 10), ADD(3, -8), MOV(4, 4),
			   MOV(5, BPF_HDR_START_NET), CALL(skb_load_bytes_relative),
			   JNE(0, 0, 4), LDX(BPF_B, 0, 10, -8), JEQ(0, 127, 1), JA(1), MOV(0, 9),
			   EXIT));
	T(ebpf_attach(b, prog));
	send_three(a);
	ebpf_received(b);
}

/* R0 of the last call goes into R9, and out as what is kept. */
#define KEY_IS_FIRST_BYTE \
	MOVX(6, 1), LD_BYTE(8), STX(BPF_W, 10, 0, -4), MOVX(2, 10), ADD(2, -4)

static void count_by_byte(uint32_t type, const char *name)
{
	int a, b, prog, map = ebpf_map(type, 4, 8, 16, 0);

	pair(&a, &b);
	say("%s", name);
	prog = EBPF_LOAD(SOCKET_FILTER, KEY_IS_FIRST_BYTE, LD_MAP(1, map), CALL(map_lookup_elem),
			 JEQ(0, 0, 4), MOV(1, 1), LOCK_ADD(BPF_DW, 0, 1, 0), MOV(0, -1), EXIT,
			 ST(BPF_DW, 10, -16, 100), MOVX(2, 10), ADD(2, -4), MOVX(3, 10),
			 ADD(3, -16), MOV(4, BPF_NOEXIST), LD_MAP(1, map), CALL(map_update_elem),
			 MOV(0, -1), EXIT);
	T(ebpf_attach(b, prog));
	for (int i = 0; i < 4; i++)
		send_three(a);
	say("a %ld, b %ld, c %ld, d %ld", ebpf_count(map, 'a'), ebpf_count(map, 'b'),
	    ebpf_count(map, 'c'), ebpf_count(map, 'd'));
	/* deleted by the program, which says whether it was there */
	prog = EBPF_LOAD(SOCKET_FILTER, KEY_IS_FIRST_BYTE, LD_MAP(1, map), CALL(map_delete_elem),
			 JEQ(0, 0, 1), MOV(0, -1), EXIT);
	T(ebpf_attach(b, prog));
	ebpf_received(b);
	send_three(a);
	ebpf_received(b);
	send_three(a);
	ebpf_received(b);
	say("a %ld, b %ld, c %ld", ebpf_count(map, 'a'), ebpf_count(map, 'b'),
	    ebpf_count(map, 'c'));
	close(a);
	close(b);
}

CASE(ebpf_hashes)
{
	count_by_byte(BPF_MAP_TYPE_HASH, "hash");
	count_by_byte(BPF_MAP_TYPE_LRU_HASH, "lru");
}

static long sum_of_cpus(int map)
{
	static long values[4096];
	uint32_t key = 0;
	long sum = 0;

	memset(values, 0, sizeof(values));
	if (ebpf_get(map, &key, values))
		return -1;
	for (size_t i = 0; i < COUNT(values); i++)
		sum += values[i];
	return sum;
}

CASE(ebpf_percpu)
{
	static const uint32_t types[] = { BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH };
	static long zero[4096];
	uint32_t key = 0;
	int a, b, prog;

	for (size_t i = 0; i < COUNT(types); i++) {
		int map = ebpf_map(types[i], 4, 8, 4, 0);

		ebpf_put(map, &key, zero, 0);
		pair(&a, &b);
		F(prog = EBPF_LOAD(SOCKET_FILTER, COUNT_UP(map, -1)));
		T(ebpf_attach(b, prog));
		send_three(a);
		send_three(a);
		say("counted %ld", sum_of_cpus(map));
	}
}

/* One value is looked up twice, changed through both pointers, and set in between. */
CASE(ebpf_same_value)
{
	static const uint32_t types[] = { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH };
	uint32_t key = 0;
	long value = 1000;
	int a, b, prog;

	for (size_t i = 0; i < COUNT(types); i++) {
		int map = ebpf_map(types[i], 4, 8, 4, 0);

		ebpf_put(map, &key, &value, 0);
		pair(&a, &b);
		F(prog = EBPF_LOAD(SOCKET_FILTER, ST(BPF_W, 10, -4, 0), MOVX(2, 10), ADD(2, -4),
				   LD_MAP(1, map), CALL(map_lookup_elem), JNE(0, 0, 1), EXIT,
				   MOVX(7, 0), MOV(1, 1), LOCK_ADD(BPF_DW, 7, 1, 0), MOVX(2, 10),
				   ADD(2, -4), LD_MAP(1, map), CALL(map_lookup_elem),
				   JNE(0, 0, 1), EXIT, LDX(BPF_DW, 1, 0, 0), ADD(1, 10),
				   STX(BPF_DW, 0, 1, 0), LDX(BPF_DW, 8, 7, 0),
				   STX(BPF_DW, 10, 8, -16), I(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 8,
				   -16, BPF_ADD | BPF_FETCH), MOVX(2, 10), ADD(2, -4), MOVX(3, 10),
				   ADD(3, -16), MOV(4, 0), LD_MAP(1, map), CALL(map_update_elem),
				   MOV(0, -1), EXIT));
		T(ebpf_attach(b, prog));
		send_three(a);
		say("%ld", ebpf_count(map, 0));
	}
}

/* What libbpf makes of global variables. */
CASE(ebpf_globals)
{
	int a, b, prog, map = ebpf_map(BPF_MAP_TYPE_ARRAY, 4, 16, 1, BPF_F_MMAPABLE);
	uint32_t key = 0;
	long value[2] = { 9, 0 };

	ebpf_put(map, &key, value, 0);
	pair(&a, &b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, LD_VALUE(1, map, 8), MOV(2, 2),
			   LOCK_ADD(BPF_DW, 1, 2, 0), LD_VALUE(1, map, 0), LDX(BPF_DW, 0, 1, 0),
			   EXIT));
	T(ebpf_attach(b, prog));
	send_three(a);
	ebpf_received(b);
	value[0] = 10;
	ebpf_get(map, &key, value);
	say("%ld, %ld", value[0], value[1]);
	value[0] = 10;
	ebpf_put(map, &key, value, 0);
	send_three(a);
	ebpf_received(b);
}

/* A function is called, and calls another; R6..R9 are each one's own. */
CASE(ebpf_functions)
{
	int a, b, prog;

	pair(&a, &b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, LDX(BPF_W, 6, 1, FIELD(len)), MOV(7, 3), MOVX(1, 6),
			   MOVX(2, 7), CALL_LOCAL(3), I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 7, 0, 0),
			   ADD(0, -3), EXIT,
			   /* f(len, x) = g(len) - 1 + x - x */
			   MOVX(6, 2), STX(BPF_DW, 10, 6, -8), CALL_LOCAL(5), ADD(0, -1),
			   I(BPF_ALU64 | BPF_ADD | BPF_X, 0, 6, 0, 0), LDX(BPF_DW, 1, 10, -8),
			   I(BPF_ALU64 | BPF_SUB | BPF_X, 0, 1, 0, 0), EXIT,
			   /* g(len) = len, by way of its stack */
			   MOV(6, 77), STX(BPF_DW, 10, 6, -8), STX(BPF_DW, 10, 1, -8),
			   LDX(BPF_DW, 0, 10, -8), EXIT));
	T(ebpf_attach(b, prog)); /* all but the last byte */
	send_three(a);
	ebpf_received(b);
}

CASE(ebpf_tcp)
{
	int listener, c, s, prog, map = ebpf_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);
	uint16_t port;

	listener = tcp_listener(5, &port);
	F(prog = EBPF_LOAD(SOCKET_FILTER, COUNT_UP(map, -1)));
	T(ebpf_attach(listener, prog));
	c = sock(SOCK_STREAM);
	T(conn(c, port));
	s = accept(listener, NULL, NULL);
	say("the handshake was seen: %d", ebpf_count(map, 0) >= 2);
	T(set_int(listener, SOL_SOCKET, SO_DETACH_BPF, 0));
	send(c, "through it", 10, 0);
	settle();
	say_bytes("recv", buf, recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	say("the accepted one has it: %d", ebpf_count(map, 0) >= 3);
	T(set_int(s, SOL_SOCKET, SO_LOCK_FILTER, 1));
	T(ebpf_attach(s, prog));
	T(set_int(s, SOL_SOCKET, SO_DETACH_BPF, 0));
	close(c);
	close(s);
}

CASE(ebpf_refusals)
{
	struct sock_filter back[8];
	socklen_t len = COUNT(back);
	int a, b, prog, other;

	pair(&a, &b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, MOV(0, 9), EXIT));
	F(other = EBPF_LOAD(SCHED_CLS, MOV(0, 0), EXIT));
	T(ebpf_attach(b, other));
	T(ebpf_attach(b, b));
	T(ebpf_attach(b, 999));
	T(ebpf_attach(b, -1));
	T(setsockopt(b, SOL_SOCKET, SO_ATTACH_BPF, &prog, 3));
	T(setsockopt(b, SOL_SOCKET, SO_ATTACH_BPF, NULL, 4));
	T(getsockopt(b, SOL_SOCKET, SO_ATTACH_BPF, &other, &(socklen_t){ 4 }));
	T(set_int(b, SOL_SOCKET, SO_DETACH_BPF, 0));
	T(ebpf_attach(b, prog));
	T(getsockopt(b, SOL_SOCKET, SO_GET_FILTER, back, &len));
	T(set_int(b, SOL_SOCKET, SO_LOCK_FILTER, 1));
	T(ebpf_attach(b, prog));
	T(set_int(b, SOL_SOCKET, SO_DETACH_BPF, 0));
	send_three(a);
	ebpf_received(b);
}

/* A descriptor of the program by its number, when the loader's own is closed. */
CASE(ebpf_by_number)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = { 0 };
	int a, b, prog, again, map = ebpf_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);

	pair(&a, &b);
	F(prog = EBPF_LOAD(SOCKET_FILTER, COUNT_UP(map, 9)));
	attr.info.bpf_fd = (uint32_t)prog;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	T(ebpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr));
	memset(&attr, 0, sizeof(attr));
	attr.prog_id = info.id;
	F(again = (int)ebpf_call(BPF_PROG_GET_FD_BY_ID, &attr));
	close(prog);
	T(ebpf_attach(b, again));
	close(again);
	send_three(a);
	ebpf_received(b);
	say("counted %ld", ebpf_count(map, 0));
}

/* The map is made, and counted up, by processes that know nothing of each other's descriptors. */
CASE(ebpf_processes)
{
	int a, b, prog, map, go[2];
	char byte;

	pair(&a, &b);
	T(pipe(go));
	map = ebpf_map(BPF_MAP_TYPE_HASH, 4, 8, 4, 0);
	if (!fork()) { /* forked before the program is there: it receives */
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		settle();
		ebpf_received(b);
		_exit(0);
	}
	ebpf_put(map, &(uint32_t){ 0 }, &(long){ 0 }, 0);
	F(prog = EBPF_LOAD(SOCKET_FILTER, COUNT_UP(map, 9)));
	T(ebpf_attach(b, prog));
	close(prog);
	send_three(a);
	if (write(go[1], "g", 1) != 1)
		say("no pipe");
	while (wait(NULL) > 0)
		;
	send_three(a);
	say("counted %ld", ebpf_count(map, 0));
}
