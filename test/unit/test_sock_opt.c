/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_sock_opt.c - options: the same calls on a kernel socket and on the stack's, answer by answer
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "stack/sock/sock.h"
#include "test/support/mini.h"

static uint32_t sysctl_u32(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned int value = 0;

	if (f) {
		cr_assert_eq(fscanf(f, "%u", &value), 1);
		fclose(f);
	}
	return value;
}

struct twin {
	struct mini *m;
	struct s7_sock *sk;
	int fd;
};

static struct twin twin_new(int domain, int type)
{
	struct twin t = { .m = mini_new(0, true), .fd = socket(domain, type | SOCK_CLOEXEC, 0) };

	t.m->inst->params.rmem_max = sysctl_u32("/proc/sys/net/core/rmem_max");
	t.m->inst->params.wmem_max = sysctl_u32("/proc/sys/net/core/wmem_max");
	cr_assert_geq(t.fd, 0);
	cr_assert_eq(sock_create(t.m->inst, domain, type, 0, t.m->inst->now, &t.sk), 0);
	return t;
}

static void twin_end(struct twin *t)
{
	close(t->fd);
	atomic_store(&t->sk->file.refs, 0);
	sock_release(t->sk, t->m->inst->now);
	mini_free(t->m);
}

static int kernel_says(int ret)
{
	return ret < 0 ? -errno : ret;
}

static void same_set(struct twin *t, int level, int name, const void *val, socklen_t len)
{
	int want = kernel_says(setsockopt(t->fd, level, name, val, len));
	int got = sock_setsockopt(t->sk, level, name, val, len, t->m->inst->now);

	cr_expect_eq(got, want, "set level %d name %d len %u: %d, kernel %d", level, name, len, got,
		     want);
}

static void same_get(struct twin *t, int level, int name, socklen_t room)
{
	unsigned char a[256] = { 0 }, b[256] = { 0 };
	socklen_t alen = room, blen = room;
	int want = kernel_says(getsockopt(t->fd, level, name, a, &alen));
	int got = sock_getsockopt(t->sk, level, name, b, &blen, t->m->inst->now);

	cr_expect_eq(got, want, "get level %d name %d room %u: %d, kernel %d", level, name, room,
		     got, want);
	if (want || got)
		return;
	cr_expect_eq(blen, alen, "get level %d name %d: length %u, kernel %u", level, name, blen,
		     alen);
	cr_expect_arr_eq(b, a, sizeof(a), "get level %d name %d room %u: %d, kernel %d", level,
			 name, room, *(int *)b, *(int *)a);
}

struct try {
	int level, name, value;
};

/* Every value at every length of interest, and what can then be read with every room. */
static void try_all(struct twin *t, const struct try *tries, size_t n)
{
	static const socklen_t lens[] = { 4, 8, 3, 1, 0 };

	for (size_t i = 0; i < n; i++) {
		int value[2] = { tries[i].value, 0 };

		for (size_t k = 0; k < S7_ARRAY_LEN(lens); k++) {
			same_set(t, tries[i].level, tries[i].name, value, lens[k]);
			same_get(t, tries[i].level, tries[i].name, lens[k]);
		}
		same_get(t, tries[i].level, tries[i].name, 16);
	}
}

static const struct try common[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 7 },    { SOL_SOCKET, SO_REUSEADDR, 0 },
	{ SOL_SOCKET, SO_REUSEPORT, -1 },   { SOL_SOCKET, SO_KEEPALIVE, 2 },
	{ SOL_SOCKET, SO_BROADCAST, 3 },    { SOL_SOCKET, SO_OOBINLINE, 1 },
	{ SOL_SOCKET, SO_RCVBUF, 0 },	    { SOL_SOCKET, SO_RCVBUF, 1 },
	{ SOL_SOCKET, SO_RCVBUF, 5000 },    { SOL_SOCKET, SO_RCVBUF, 1 << 30 },
	{ SOL_SOCKET, SO_RCVBUF, -5 },	    { SOL_SOCKET, SO_SNDBUF, 0 },
	{ SOL_SOCKET, SO_SNDBUF, 100000 },  { SOL_SOCKET, SO_SNDBUF, -1 },
	{ SOL_SOCKET, SO_SNDLOWAT, 1 },	    { SOL_SOCKET, SO_TYPE, 1 },
	{ SOL_SOCKET, SO_ACCEPTCONN, 1 },   { SOL_SOCKET, SO_PROTOCOL, 1 },
	{ SOL_SOCKET, SO_DOMAIN, 1 },	    { SOL_SOCKET, SO_ERROR, 1 },
	{ SOL_SOCKET, SO_RCVLOWAT, 100 },   { SOL_SOCKET, SO_RCVLOWAT, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP, 1 },    { SOL_SOCKET, SO_TIMESTAMPNS, 5 },
	{ SOL_SOCKET, SO_TIMESTAMP, 1 },    { SOL_SOCKET, SO_RXQ_OVFL, 9 },
	{ IPPROTO_IP, IP_TOS, 0x10 },	    { IPPROTO_IP, IP_TOS, 0x13 },
	{ IPPROTO_IP, IP_TOS, 0x1ff },	    { IPPROTO_IP, IP_TTL, 7 },
	{ IPPROTO_IP, IP_TTL, 0 },	    { IPPROTO_IP, IP_TTL, 256 },
	{ IPPROTO_IP, IP_TTL, -1 },	    { IPPROTO_IP, IP_RECVTTL, 3 },
	{ IPPROTO_IP, IP_RECVTOS, 1 },	    { IPPROTO_IP, IP_PKTINFO, 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, 2 }, { IPPROTO_IP, IP_MTU_DISCOVER, 9 },
	{ IPPROTO_IP, IP_FREEBIND, 1 },	    { IPPROTO_IP, IP_MTU, 1 },
};

Test(sock_opt, common_on_a_stream)
{
	struct twin t = twin_new(AF_INET, SOCK_STREAM);

	try_all(&t, common, S7_ARRAY_LEN(common));
	twin_end(&t);
}

Test(sock_opt, common_on_a_datagram)
{
	static const struct try more[] = {
		{ SOL_SOCKET, SO_DONTROUTE, 1 },      { SOL_SOCKET, SO_NO_CHECK, 1 },
		{ IPPROTO_IP, IP_MULTICAST_TTL, -1 }, { IPPROTO_IP, IP_MULTICAST_TTL, 255 },
		{ IPPROTO_IP, IP_MULTICAST_TTL, 256 },
	};
	struct twin t = twin_new(AF_INET, SOCK_DGRAM);

	try_all(&t, common, S7_ARRAY_LEN(common));
	try_all(&t, more, S7_ARRAY_LEN(more));
	twin_end(&t);
}

Test(sock_opt, tcp)
{
	static const struct try tries[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 5 },      { IPPROTO_TCP, TCP_NODELAY, 0 },
		{ IPPROTO_TCP, TCP_CORK, 1 },	      { IPPROTO_TCP, TCP_CORK, 0 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 10 },    { IPPROTO_TCP, TCP_KEEPIDLE, 0 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 32768 }, { IPPROTO_TCP, TCP_KEEPINTVL, 3 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 5 },      { IPPROTO_TCP, TCP_KEEPCNT, 128 },
		{ IPPROTO_TCP, TCP_SYNCNT, 3 },	      { IPPROTO_TCP, TCP_SYNCNT, 256 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 900 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, -1 },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096 }, { IPPROTO_TCP, TCP_LINGER2, 5 },
		{ IPPROTO_TCP, TCP_LINGER2, -1 },     { IPPROTO_TCP, TCP_MAXSEG, 1000 },
		{ IPPROTO_TCP, TCP_MAXSEG, 1 },
	};
	struct twin t = twin_new(AF_INET, SOCK_STREAM);

	try_all(&t, tries, S7_ARRAY_LEN(tries));
	same_set(&t, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	same_get(&t, IPPROTO_TCP, TCP_CONGESTION, 16);
	same_get(&t, IPPROTO_TCP, TCP_CONGESTION, 3);
	same_set(&t, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8);
	same_set(&t, IPPROTO_TCP, TCP_CONGESTION, "", 0);
	twin_end(&t);
}

Test(sock_opt, ipv6)
{
	static const struct try tries[] = {
		{ IPPROTO_IPV6, IPV6_V6ONLY, 3 },	{ IPPROTO_IPV6, IPV6_V6ONLY, 0 },
		{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5 }, { IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1 },
		{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256 }, { IPPROTO_IPV6, IPV6_TCLASS, 32 },
		{ IPPROTO_IPV6, IPV6_TCLASS, -2 },	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
		{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1 }, { IPPROTO_IPV6, IPV6_RECVTCLASS, 1 },
		{ IPPROTO_IPV6, IPV6_2292PKTINFO, 2 },	{ IPPROTO_IPV6, IPV6_2292HOPLIMIT, 2 },
		{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0 }, { IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 9 },
		{ IPPROTO_IPV6, IPV6_DONTFRAG, 1 },	{ IPPROTO_IPV6, IPV6_FREEBIND, 1 },
		{ IPPROTO_IPV6, IPV6_MTU, 1279 },	{ IPPROTO_IPV6, IPV6_MTU, 1280 },
		{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, 6 }, { IPPROTO_IPV6, IPV6_MTU_DISCOVER, 5 },
		{ IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET }, { IPPROTO_IPV6, IPV6_ADDRFORM, 7 },
		{ IPPROTO_IPV6, IPV6_PKTINFO, 0 },	{ IPPROTO_IPV6, IPV6_TCLASS, 255 },
	};
	static const int types[] = { SOCK_DGRAM, SOCK_STREAM };
	struct in6_pktinfo info = { .ipi6_ifindex = 1 };

	for (size_t i = 0; i < S7_ARRAY_LEN(types); i++) {
		struct twin t = twin_new(AF_INET6, types[i]);

		try_all(&t, tries, S7_ARRAY_LEN(tries));
		for (size_t k = 0; k < S7_ARRAY_LEN(tries); k++)
			same_set(&t, tries[k].level, tries[k].name, NULL, sizeof(int));
		same_set(&t, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
		same_set(&t, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info) - 1);
		same_get(&t, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(info));
		twin_end(&t);
	}
}

Test(sock_opt, times)
{
	static const struct timeval tvs[] = { { 1, 0 },	 { 0, 500000 }, { 1, 1000000 },
					      { 0, -1 }, { 0, 0 },	{ 3600, 0 } };
	struct twin t = twin_new(AF_INET, SOCK_STREAM);

	for (size_t i = 0; i < S7_ARRAY_LEN(tvs); i++) {
		same_set(&t, SOL_SOCKET, SO_RCVTIMEO, &tvs[i], sizeof(tvs[i]));
		same_get(&t, SOL_SOCKET, SO_RCVTIMEO, sizeof(tvs[i]));
		same_set(&t, SOL_SOCKET, SO_SNDTIMEO, &tvs[i], sizeof(tvs[i]));
		same_get(&t, SOL_SOCKET, SO_SNDTIMEO, sizeof(tvs[i]) + 8);
	}
	same_set(&t, SOL_SOCKET, SO_RCVTIMEO, &tvs[0], 8);
	same_set(&t, SOL_SOCKET, SO_RCVTIMEO, &tvs[0], 3);
	same_get(&t, SOL_SOCKET, SO_RCVTIMEO, 8);
	twin_end(&t);
}

Test(sock_opt, linger)
{
	struct linger on = { 1, 30 }, off = { 0, 9 }, odd = { 5, 0 };
	struct twin t = twin_new(AF_INET, SOCK_STREAM);

	same_set(&t, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
	same_get(&t, SOL_SOCKET, SO_LINGER, sizeof(on));
	same_set(&t, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	same_get(&t, SOL_SOCKET, SO_LINGER, sizeof(off));
	same_set(&t, SOL_SOCKET, SO_LINGER, &odd, sizeof(odd));
	same_get(&t, SOL_SOCKET, SO_LINGER, 4);
	same_set(&t, SOL_SOCKET, SO_LINGER, &on, 4);
	twin_end(&t);
}

Test(sock_opt, device)
{
	struct twin t = twin_new(AF_INET, SOCK_STREAM);

	same_get(&t, SOL_SOCKET, SO_BINDTODEVICE, 16);
	same_set(&t, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2);
	same_get(&t, SOL_SOCKET, SO_BINDTODEVICE, 16);
	same_get(&t, SOL_SOCKET, SO_BINDTODEVICE, 4);
	same_set(&t, SOL_SOCKET, SO_BINDTODEVICE, "", 0);
	same_get(&t, SOL_SOCKET, SO_BINDTODEVICE, 16);
	cr_expect_eq(
		sock_setsockopt(t.sk, SOL_SOCKET, SO_BINDTODEVICE, "other0", 7, t.m->inst->now),
		OPT_ASK_KERNEL, "a device of the kernel alone makes a socket of the kernel");
	twin_end(&t);
}

Test(sock_opt, error_is_taken_once)
{
	struct twin t = twin_new(AF_INET, SOCK_STREAM);
	socklen_t len = sizeof(int);
	int err = 0;

	t.sk->err = ECONNRESET;
	cr_expect_eq(sock_getsockopt(t.sk, SOL_SOCKET, SO_ERROR, &err, &len, t.m->inst->now), 0);
	cr_expect_eq(err, ECONNRESET);
	cr_expect_eq(sock_getsockopt(t.sk, SOL_SOCKET, SO_ERROR, &err, &len, t.m->inst->now), 0);
	cr_expect_eq(err, 0);
	twin_end(&t);
}

Test(sock_opt, what_is_not_here_is_the_kernels)
{
	struct twin t = twin_new(AF_INET, SOCK_DGRAM);
	int one = 1;
	socklen_t len = sizeof(one);

	cr_expect_eq(sock_setsockopt(t.sk, SOL_SOCKET, 9999, &one, len, 0),
		     OPT_ASK_KERNEL);
	cr_expect_eq(sock_setsockopt(t.sk, IPPROTO_TCP, TCP_NODELAY, &one, len, 0), OPT_ASK_KERNEL);
	cr_expect_eq(sock_setsockopt(t.sk, IPPROTO_IPV6, IPV6_V6ONLY, &one, len, 0),
		     OPT_ASK_KERNEL);
	cr_expect_eq(sock_getsockopt(t.sk, 999, 1, &one, &len, 0), OPT_ASK_KERNEL);
	cr_expect(sock_option_needs_kernel(t.sk, SOL_SOCKET, SO_RCVBUFFORCE));
	cr_expect_not(sock_option_needs_kernel(t.sk, SOL_SOCKET, SO_RCVBUF));
	twin_end(&t);
}
