/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * numa.h - libnuma's names as DPDK's archives expect them (numa.c)
 */
#ifndef S7_NUMA_H
#define S7_NUMA_H

#include "stack/base/base.h"

struct bitmask {
	unsigned long size;
	unsigned long *maskp;
};

long get_mempolicy(int *mode, unsigned long *mask, unsigned long max, void *addr,
		   unsigned int flags);
long set_mempolicy(int mode, const unsigned long *mask, unsigned long max);
int numa_available(void);
struct bitmask *numa_allocate_nodemask(void);
void numa_bitmask_free(struct bitmask *mask);
void numa_set_localalloc(void);
void numa_set_preferred(int node);

#endif
