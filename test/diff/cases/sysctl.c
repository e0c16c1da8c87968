// SPDX-License-Identifier: BSD-3-Clause
/*
 * sysctl.c - /proc/sys/net/core: what a program is given by default, what it may have at most, also
 * when the host changes it while the program runs
 */
#include <linux/filter.h>

#include "test/diff/cases/ready.h"

static int number(const char *name)
{
	char path[128];
	int value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/core/%s", name);
	file = fopen(path, "r");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static bool set_number(const char *name, int value)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/core/%s", name);
	file = fopen(path, "w");
	if (!file)
		return false;
	fprintf(file, "%d\n", value);
	if (fclose(file))
		return false;
	settle(); /* long enough for who has asked a moment ago */
	return true;
}

static void buffers(int fd)
{
	int rmem = number("rmem_max"), wmem = number("wmem_max");

	say("default: receive %d send %d",
	    get_int(fd, SOL_SOCKET, SO_RCVBUF) == number("rmem_default"),
	    get_int(fd, SOL_SOCKET, SO_SNDBUF) == number("wmem_default"));
	T(set_int(fd, SOL_SOCKET, SO_RCVBUF, rmem + 1000));
	T(set_int(fd, SOL_SOCKET, SO_SNDBUF, wmem + 1000));
	say("most: receive %d send %d", get_int(fd, SOL_SOCKET, SO_RCVBUF) == 2 * rmem,
	    get_int(fd, SOL_SOCKET, SO_SNDBUF) == 2 * wmem);
	T(set_int(fd, SOL_SOCKET, SO_RCVBUF, 1));
	T(set_int(fd, SOL_SOCKET, SO_SNDBUF, 1));
	say("least: receive %d send %d", get_int(fd, SOL_SOCKET, SO_RCVBUF),
	    get_int(fd, SOL_SOCKET, SO_SNDBUF));
}

CASE(sysctl_buffers)
{
	int c, s;

	buffers(sock(SOCK_DGRAM));
	buffers(ready_bound(AF_INET, SOCK_DGRAM));
	buffers(ready_bound(AF_INET6, SOCK_DGRAM));
	buffers(socket(AF_INET, SOCK_RAW, 253));
	tcp_pair(&c, &s);
	buffers(s);
}

/* Control messages of a send: many of them, `len` bytes in all. */
static void send_control(int fd, size_t len)
{
	static char control[200000];
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = len };
	struct cmsghdr *c;
	int tos = 0;
	long got;

	memset(control, 0, sizeof(control));
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if ((size_t)((char *)c - control) + CMSG_SPACE(sizeof(tos)) > len)
			break;
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_TOS;
		c->cmsg_len = CMSG_LEN(sizeof(tos));
		memcpy(CMSG_DATA(c), &tos, sizeof(tos));
	}
	got = sendmsg(fd, &msg, 0);
	say("%zu bytes: %s", len, got < 0 ? err_name(errno) : "sent");
}

static void control_lengths(int fd)
{
	static const size_t lens[] = { 24, 48, 480, 1968, 1992, 2016, 4080, 131040, 131064, 131088,
				       199992 };

	for (size_t i = 0; i < COUNT(lens); i++)
		send_control(fd, lens[i]);
}

static void attach(int fd, unsigned short len)
{
	static struct sock_filter code[1000];
	struct sock_fprog prog = { .len = len, .filter = code };

	for (int i = 0; i < len - 1; i++)
		code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 1);
	code[len - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 100);
	say("filter of %d: %s", len,
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? err_name(errno) :
										  "0");
}

static void memberships(int fd)
{
	struct ip_mreqn group = { .imr_ifindex = 1 };
	int n = 0;

	while (n < 12) {
		group.imr_multiaddr.s_addr = htonl(0xe8010101 + (uint32_t)n);
		if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
			break;
		n++;
	}
	say("memberships %d: %s", n, n < 12 ? err_name(errno) : "0");
}

static void limited(void)
{
	int a = ready_bound(AF_INET, SOCK_DGRAM), c, s;

	ready_connect(a, port_of(a));
	control_lengths(a);
	attach(a, 10);
	attach(a, 200);
	attach(a, 900);
	tcp_pair(&c, &s);
	control_lengths(s);
	attach(s, 10);
	attach(s, 900);
	memberships(sock(SOCK_DGRAM));
	memberships(ready_bound(AF_INET, SOCK_DGRAM));
	close(a);
	close(c);
	close(s);
}

CASE(sysctl_optmem)
{
	int had = number("optmem_max");

	limited();
	say("changed: %d", set_number("optmem_max", 2000));
	limited();
	say("changed: %d", set_number("optmem_max", 300));
	limited();
	say("back: %d", set_number("optmem_max", had));
	limited();
}
