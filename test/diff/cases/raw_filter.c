// SPDX-License-Identifier: BSD-3-Clause
/*
 * raw_filter.c - what a raw socket does not hear: ICMP types, wrong checksums, socket filters
 */
#include "test/diff/raw.h"

#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>

#define EXPERIMENT 253 /* protocols of RFC 3692 */

CASE(raw_icmp_filter)
{
	struct icmp_filter filter = { ~(1u << ICMP_ECHOREPLY) };
	struct icmphdr echo = { .type = ICMP_ECHO, .un.echo = { .id = htons(7), .sequence = 1 } };
	struct sockaddr_in to = loop_addr(0);
	int all = F(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	int fd = F(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)), other;
	socklen_t len = sizeof(filter);

	T(setsockopt(fd, IPPROTO_RAW, ICMP_FILTER, &filter, sizeof(filter)));
	memset(&filter, 0, sizeof(filter));
	T(getsockopt(fd, IPPROTO_RAW, ICMP_FILTER, &filter, &len));
	say("%x len %u", filter.data, len);
	echo.checksum = raw_sum(&echo, sizeof(echo));
	T(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("all", all);
	raw_say_all("filtered", fd);
	echo.checksum ^= 1; /* nobody answers, and all the same */
	T(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("wrong sum", all);
	raw_say_all("filtered", fd);
	other = F(socket(AF_INET, SOCK_RAW, EXPERIMENT));
	T(setsockopt(other, IPPROTO_RAW, ICMP_FILTER, &filter, sizeof(filter)));
	T(getsockopt(other, IPPROTO_RAW, ICMP_FILTER, &filter, &len));
	T(sendto(all, "xyz", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("short, without filter", all);
	raw_say_all("short, with", fd);
}

CASE(raw_icmp6_filter)
{
	struct icmp6_hdr echo = { .icmp6_type = ICMP6_ECHO_REQUEST, .icmp6_id = htons(7) };
	struct sockaddr_in6 to = raw_loop6(0);
	struct icmp6_filter filter;
	int all = F(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
	int fd = F(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
	socklen_t len = sizeof(filter);

	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	T(setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)));
	memset(&filter, 0, sizeof(filter));
	T(getsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, &len));
	say_bytes("filter", &filter, len);
	T(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("all", all);
	raw_say_all("filtered", fd);
	T(sendto(all, "ab", 2, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("short", all);
	raw_say_all("short, filtered", fd);
}

CASE(raw_checksum6)
{
	struct sockaddr_in6 to = raw_loop6(0);
	int out = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT));
	int icmp = F(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));

	say("%d", get_int(out, IPPROTO_IPV6, IPV6_CHECKSUM));
	say("%d", get_int(icmp, IPPROTO_IPV6, IPV6_CHECKSUM));
	T(set_int(icmp, IPPROTO_IPV6, IPV6_CHECKSUM, 4));
	T(set_int(out, IPPROTO_IPV6, IPV6_CHECKSUM, 3));
	T(set_int(out, IPPROTO_IPV6, IPV6_CHECKSUM, 4));
	T(sendto(out, "datadatadata", 12, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("summed", out);
	T(sendto(out, "odd data!", 9, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("odd", out);
	T(sendto(out, "short", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(out, "enough", 6, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("enough", out);
	T(set_int(out, IPPROTO_IPV6, IPV6_CHECKSUM, -1));
	T(sendto(out, "datadatadata", 12, 0, (struct sockaddr *)&to, sizeof(to)));
	raw_say_all("not summed", out);
}

/* Offset 0 is the IP header for IPv4, the payload for IPv6. */
CASE(raw_socket_filter)
{
	struct sock_filter prog4[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'd', 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 22),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_filter prog6[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'd', 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, EXPERIMENT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 2),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog f4 = { COUNT(prog4), prog4 }, f6 = { COUNT(prog6), prog6 };
	int four = F(socket(AF_INET, SOCK_RAW, EXPERIMENT)), n = 0;
	int six = F(socket(AF_INET6, SOCK_RAW, EXPERIMENT));
	socklen_t len = 0;

	T(setsockopt(four, SOL_SOCKET, SO_ATTACH_FILTER, &f4, sizeof(f4)));
	T(setsockopt(six, SOL_SOCKET, SO_ATTACH_FILTER, &f6, sizeof(f6)));
	T(getsockopt(six, SOL_SOCKET, SO_ATTACH_FILTER, NULL, &len));
	say("%u", len);
	T(set_int(four, SOL_SOCKET, SO_RXQ_OVFL, 1));
	T(raw_sendto(four, AF_INET, "other", 5));
	T(raw_sendto(four, AF_INET, "data", 4));
	T(raw_sendto(six, AF_INET6, "other", 5));
	T(raw_sendto(six, AF_INET6, "data", 4));
	settle();
	raw_say_control("told", four, MSG_PEEK);
	raw_say_all("IPv4", four);
	raw_say_all("IPv6", six);
	T(setsockopt(four, SOL_SOCKET, SO_DETACH_FILTER, &n, sizeof(n)));
	T(raw_sendto(four, AF_INET, "other", 5));
	raw_say_all("detached", four);
}
