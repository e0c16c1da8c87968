// SPDX-License-Identifier: BSD-3-Clause
/*
 * packet_prog.c - programs on packet sockets, on lo: SO_ATTACH_BPF, and PACKET_FANOUT by program
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "test/diff/ebpf.h"

#define LO 1
#define TYPE_TEST 0x88b5
#define HEAD 14

static char buf[2048];

static int tap(int type)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(TYPE_TEST),
				  .sll_ifindex = LO };
	int fd = socket(AF_PACKET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		say("tap: %s", err_name(errno));
	nonblock(fd);
	return fd;
}

/* A frame whose first byte behind the header is the digit. */
static void send_digits(int fd, const char *digits)
{
	static unsigned char frame[64] = { [12] = TYPE_TEST >> 8, [13] = TYPE_TEST & 255 };

	for (; *digits; digits++) {
		frame[HEAD] = (unsigned char)*digits;
		if (send(fd, frame, 60, 0) != 60)
			say("send: %s", err_name(errno));
	}
	settle();
}

static void say_received(const char *name, int fd, uint32_t at)
{
	char digits[64] = "";
	long n, len = 0;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		strncat(digits, n > (long)at ? &buf[at] : "?", 1);
		len = n;
	}
	say("%s: %s, the last of %ld bytes", name, digits, len);
}

#define LD_AT(k) MOVX(6, 1), LD_BYTE(k), MOVX(7, 0)

CASE(packet_ebpf)
{
	int map = ebpf_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0), prog, raw = tap(SOCK_RAW);
	int dgram = tap(SOCK_DGRAM), from = tap(SOCK_RAW);

	/* drops '0', cuts the others to 20 and the digit; counts all */
	F(prog = EBPF_LOAD(SOCKET_FILTER, LD_AT(HEAD), ST(BPF_W, 10, -4, 0), MOVX(2, 10),
			   ADD(2, -4), LD_MAP(1, map), CALL(map_lookup_elem), JEQ(0, 0, 2),
			   MOV(1, 1), LOCK_ADD(BPF_DW, 0, 1, 0), MOV(0, 0), JEQ(7, '0', 2),
			   MOVX(0, 7), ADD(0, 20 - '0'), EXIT));
	T(set_int(raw, SOL_SOCKET, SO_ATTACH_BPF, prog));
	send_digits(from, "0102");
	say_received("raw", raw, HEAD);
	say("counted %ld", ebpf_count(map, 0));
	F(prog = EBPF_LOAD(SOCKET_FILTER, LD_AT(0), LDX(BPF_W, 0, 6, FIELD(len)), ADD(0, -40),
			   EXIT));
	T(set_int(dgram, SOL_SOCKET, SO_ATTACH_BPF, prog)); /* 46 bytes: 6 are left */
	send_digits(from, "7");
	say_received("dgram", dgram, 0);
	F(prog = EBPF_LOAD(SOCKET_FILTER, LDX(BPF_W, 0, 1, FIELD(protocol)),
			   JEQ(0, htons(TYPE_TEST), 2), MOV(0, 0), EXIT, MOV(0, 99), EXIT));
	T(set_int(raw, SOL_SOCKET, SO_ATTACH_BPF, prog));
	send_digits(from, "5");
	say_received("by protocol", raw, HEAD);
	T(set_int(raw, SOL_SOCKET, SO_DETACH_BPF, 0));
	T(set_int(raw, SOL_SOCKET, SO_ATTACH_BPF, from));
	T(set_int(raw, SOL_SOCKET, SO_LOCK_FILTER, 1));
	T(set_int(raw, SOL_SOCKET, SO_ATTACH_BPF, prog));
}

static int join(int fd, int type)
{
	return set_int(fd, SOL_PACKET, PACKET_FANOUT, 9 | type << 16);
}

static void say_group(const int *fd)
{
	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0)
			say_received((char[]){ (char)('a' + i), 0 }, fd[i], HEAD);
}

static void group_of(int *fd, int type)
{
	for (int i = 0; i < 3; i++) {
		fd[i] = tap(SOCK_RAW);
		T(join(fd[i], type));
	}
}

CASE(packet_fanout_cbpf)
{
	struct sock_filter by_digit[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
					  BPF_STMT(BPF_RET | BPF_A, 0) };
	struct sock_fprog prog = { 2, by_digit };
	int fd[3], from = tap(SOCK_RAW), alone = tap(SOCK_RAW);

	T(setsockopt(alone, SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog)));
	close(alone);
	group_of(fd, PACKET_FANOUT_CBPF);
	send_digits(from, "0123");
	say_group(fd);
	T(setsockopt(fd[1], SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog)));
	send_digits(from, "0123451");
	say_group(fd);
	say("who had the program leaves");
	close(fd[0]);
	fd[0] = -1;
	send_digits(from, "0123");
	say_group(fd);
	T(setsockopt(fd[1], SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog) - 1));
	prog.len = 0;
	T(setsockopt(fd[1], SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog)));
	T(set_int(fd[1], SOL_SOCKET, SO_LOCK_FILTER, 1));
	prog.len = 2;
	T(setsockopt(fd[1], SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog)));
}

CASE(packet_fanout_ebpf)
{
	int fd[3], from = tap(SOCK_RAW), prog, other;

	group_of(fd, PACKET_FANOUT_EBPF);
	F(prog = EBPF_LOAD(SOCKET_FILTER, LD_AT(0), ADD(0, -'0'), EXIT));
	F(other = EBPF_LOAD(SCHED_CLS, MOV(0, 0), EXIT));
	T(set_int(fd[2], SOL_PACKET, PACKET_FANOUT_DATA, prog));
	close(prog);
	send_digits(from, "0123451");
	say_group(fd);
	T(set_int(fd[2], SOL_PACKET, PACKET_FANOUT_DATA, other));
	T(set_int(fd[2], SOL_PACKET, PACKET_FANOUT_DATA, from));
	T(set_int(fd[2], SOL_PACKET, PACKET_FANOUT_DATA, -1));
	T(setsockopt(fd[2], SOL_PACKET, PACKET_FANOUT_DATA, "abcdefgh", 8));
}
