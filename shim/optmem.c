/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * optmem.c - net.core.optmem_max for the control messages of a send
 *
 * Linux keeps few bytes of them on its stack and charges what is longer against the socket, up to
 * optmem_max (filters and memberships, which count too, are charged by the kernel socket behind).
 * The number may change at any time; it is read again when OPTMEM_FRESH is over, and always for
 * long ones, so that an ordinary send does not read a file.
 * Context: any thread, no lock held. Called by: io.c.
 */
#include "shim/internal.h"

#define ON_STACK 36	    /* struct cmsghdr and 20 bytes */
#define LONG 4096	    /* no host has less for its sockets, but for a test */
#define OPTMEM_FRESH (20 * S7_MS)
#define OPTMEM_DEFAULT 131072

static uint32_t optmem_max(bool fresh)
{
	static _Atomic s7_time read_at;
	static _Atomic uint32_t value;
	s7_time now = host_now();
	uint32_t most = atomic_load_explicit(&value, memory_order_relaxed);

	if (most && !fresh &&
	    now - atomic_load_explicit(&read_at, memory_order_relaxed) < OPTMEM_FRESH)
		return most;
	if (kern_sysctl_u32("core/optmem_max", &most))
		most = OPTMEM_DEFAULT; /* the network namespace shows none */
	atomic_store_explicit(&value, most, memory_order_relaxed);
	atomic_store_explicit(&read_at, now, memory_order_relaxed);
	return most;
}

int optmem_allows(size_t control)
{
	if (s7_likely(control <= ON_STACK))
		return 0;
	return control < optmem_max(control > LONG) ? 0 : -ENOBUFS;
}
