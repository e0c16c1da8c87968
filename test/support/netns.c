/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netns.c - network namespaces of a test's own
 *
 * Idea: unshare() in the test's process (criterion gives each test one), descriptors instead of
 * names: whatever ends the process ends the namespaces and what is in them. MACs are fixed and
 * neighbours are permanent, so that a test's first frame is not an ARP request.
 * Context: single-threaded test process, root.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/support/netns.h"

int netns_run(const char *format, ...)
{
	char command[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (len < 0 || len >= (int)sizeof(command))
		return -1;
	return system(command);
}

int netns_new(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (netns_run("ip link set lo up") != 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

int netns_enter(int fd)
{
	return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

/* Addresses one end; the caller is in its namespace. */
static int set_up_end(const char *dev, int self, int peer)
{
	return netns_run(
		"sysctl -qw net.ipv6.conf.%s.accept_dad=0; ethtool -K %s tx off tso off gso off "
		">/dev/null 2>&1;"
		" ip link set %s up && ip addr add 10.77.0.%d/24 dev %s && "
		"ip -6 addr add fd77::%d/64 dev %s nodad && "
		"ip neigh add 10.77.0.%d lladdr 02:77:00:00:00:0%d dev %s nud permanent && "
		"ip neigh add fd77::%d lladdr 02:77:00:00:00:0%d dev %s nud permanent",
		dev, dev, dev, self, dev, self, dev, peer, peer, dev, peer, peer, dev);
}

int netns_pair_new(struct netns_pair *ret_pair)
{
	struct netns_pair pair;
	int err;

	pair.b = netns_new();
	if (pair.b < 0)
		return pair.b;
	pair.a = netns_new();
	if (pair.a < 0)
		return pair.a;
	if (netns_run("ip link add s7a address 02:77:00:00:00:01 type veth peer name s7b "
		      "address 02:77:00:00:00:02 netns /proc/%d/fd/%d", getpid(), pair.b) != 0)
		return -EIO;
	err = netns_enter(pair.b);
	if (err || set_up_end("s7b", 2, 1) != 0)
		return err ? err : -EIO;
	err = netns_enter(pair.a);
	if (err || set_up_end("s7a", 1, 2) != 0)
		return err ? err : -EIO;
	*ret_pair = pair;
	return 0;
}
