/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * numa.c - the seven functions of libnuma that EAL and vhost call
 *
 * Idea: Debian's libnuma.a is not position independent, and the shared one costs every preloaded
 * program a walk through sysfs in its constructor. What EAL needs of it is the memory policy of one
 * thread, which is two system calls. Hidden inside libsock7.so, so a program that brings its own
 * libnuma keeps it.
 * Context: eal_start, one thread.
 * Callers: librte_eal (eal_memalloc.c), librte_vhost.
 */
#include <errno.h>
#include <linux/mempolicy.h>

#include "dpdk_port/numa.h"
#include "stack/base/sys.h"

#define NODES_MAX 1024
#define WORD_BITS (8 * sizeof(unsigned long))

static unsigned long node_bits[NODES_MAX / WORD_BITS];
static struct bitmask node_mask = { NODES_MAX, node_bits };

static long ret_errno(long ret)
{
	if (ret < 0) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

long get_mempolicy(int *mode, unsigned long *mask, unsigned long max, void *addr,
		   unsigned int flags)
{
	return ret_errno(s7_sys6(SYS_get_mempolicy, (long)mode, (long)mask, (long)max, (long)addr,
				 flags, 0));
}

long set_mempolicy(int mode, const unsigned long *mask, unsigned long max)
{
	return ret_errno(s7_sys3(SYS_set_mempolicy, mode, mask, max));
}

/* As libnuma: 0 if the kernel knows memory policies, else -1. */
int numa_available(void)
{
	return get_mempolicy(NULL, NULL, 0, NULL, 0) < 0 && errno == ENOSYS ? -1 : 0;
}

/* EAL keeps at most one mask at a time, so one is enough. */
struct bitmask *numa_allocate_nodemask(void)
{
	uint32_t i;

	for (i = 0; i < S7_ARRAY_LEN(node_bits); i++)
		node_bits[i] = 0;
	return &node_mask;
}

void numa_bitmask_free(struct bitmask *mask)
{
	(void)mask;
}

void numa_set_localalloc(void)
{
	set_mempolicy(MPOL_DEFAULT, NULL, 0);
}

void numa_set_preferred(int node)
{
	unsigned long bits[NODES_MAX / WORD_BITS] = { 0 };

	if (node < 0 || node >= NODES_MAX) {
		numa_set_localalloc();
		return;
	}
	bits[(unsigned int)node / WORD_BITS] |= 1ul << ((unsigned int)node % WORD_BITS);
	set_mempolicy(MPOL_PREFERRED, bits, NODES_MAX);
}
