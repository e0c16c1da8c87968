/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hugepages.c - may this start use hugepages?
 *
 * Idea: decide before EAL tries, from what the kernel says is free, from a page that is really
 * mapped (a cgroup may forbid what sysfs offers), and from the address space that EAL would
 * reserve. `auto` takes them only where they pay (the kernel zeroes them at start, which costs a
 * program that forks or starts often more than copying drivers gain) and falls back to plain pages;
 * `yes`, or an interface that needs hugepages, turns a lack into one line with the command that
 * helps.
 * Context: boot.
 * Callers: eal.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "dpdk_port/hugepages.h"
#include "stack/base/base.h"
#include "stack/base/sys.h"

#define HUGE_BYTES (2ull << 20)
#define HUGE_DIR "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define EAL_RESERVES (160ull << 30) /* address space, with hugepages */
#define MEMFD_HUGE 0x5u		    /* MFD_CLOEXEC | MFD_HUGETLB */

static uint64_t sysfs_number(const char *path)
{
	char text[32] = "";
	long fd = s7_sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	s7_sys3(SYS_read, fd, text, sizeof(text) - 1);
	s7_sys1(SYS_close, fd);
	return strtoull(text, NULL, 10);
}

static uint64_t pages_free(void)
{
	uint64_t free_pages = sysfs_number(HUGE_DIR "free_hugepages");
	uint64_t promised = sysfs_number(HUGE_DIR "resv_hugepages");

	return free_pages > promised ? free_pages - promised : 0;
}

/* One page, mapped as EAL will; not touched, since a cgroup's limit is charged when it is mapped.
 */
static int page_try(void)
{
	long fd = s7_sys2(SYS_memfd_create, "s7-probe", MEMFD_HUGE);
	void *at;

	if (fd < 0)
		return (int)fd;
	at = mmap(NULL, HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
	s7_sys1(SYS_close, fd);
	if (at == MAP_FAILED)
		return -errno;
	munmap(at, HUGE_BYTES);
	return 0;
}

static bool address_space_is_short(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY &&
		limit.rlim_cur < EAL_RESERVES;
}

/* 0: they can be used. Else -errno, with what is missing in ret_why. */
static int pages_missing(const struct hugepages_ask *ask, char *ret_why, size_t why_len)
{
	uint64_t want = (ask->bytes + HUGE_BYTES - 1) / HUGE_BYTES + 1;
	uint64_t have = pages_free();
	int err;

	if (have < want) {
		snprintf(ret_why, why_len,
			 "%" PRIu64 " free hugepages of 2 MB are needed, %" PRIu64
			 " are there: echo %" PRIu64 " > " HUGE_DIR "nr_hugepages",
			 want, have, sysfs_number(HUGE_DIR "nr_hugepages") + want - have);
		return -ENOMEM;
	}
	if (address_space_is_short()) {
		snprintf(ret_why, why_len,
			 "hugepages need 160 GB of address space: ulimit -v unlimited");
		return -ENOMEM;
	}
	err = page_try();
	if (err)
		snprintf(ret_why, why_len,
			 "hugepages are free but cannot be mapped (%s): see the cgroup's hugetlb "
			 "limit",
			 strerror(-err));
	return err;
}

int hugepages_decide(const struct hugepages_ask *ask, bool *ret_use, char *ret_why, size_t why_len)
{
	char missing[256];
	int err;

	if (ask->mode == CONF_HUGEPAGES_NO) {
		if (ask->required) {
			snprintf(ret_why, why_len,
				 "interface %s needs hugepages, but hugepages = no", ask->who);
			return -EINVAL;
		}
		*ret_use = false;
		return 0;
	}
	if (ask->mode == CONF_HUGEPAGES_AUTO && !ask->required && !ask->pays) {
		*ret_use = false;
		return 0;
	}
	err = pages_missing(ask, missing, sizeof(missing));
	if (err && (ask->required || ask->mode == CONF_HUGEPAGES_YES)) {
		snprintf(ret_why, why_len, "%s%s%s", ask->required ? "interface " : "",
			 ask->required ? ask->who : "", ask->required ? ": " : "");
		snprintf(ret_why + strlen(ret_why), why_len - strlen(ret_why), "%s", missing);
		return err;
	}
	*ret_use = !err;
	return 0;
}
