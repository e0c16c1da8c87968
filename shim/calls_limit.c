/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_limit.c - RLIMIT_AS: a program's limit of its address space is about its own memory
 *
 * Idea: the stack reserves much more address space than it uses. A program that limits its own
 * after that (vsftpd's sessions: 200 MB) would be over the limit at once, and every mmap would
 * fail. So what was mapped when the stack started is added to a limit that the program sets, and
 * taken off where it asks. A limit from before the start is not touched: the start fits in or is
 * not made (dpdk_port/hugepages.c).
 * Bound: a program that exec starts sees the limit with what was added.
 * Context: any thread. Defines: setrlimit getrlimit prlimit and their names with 64.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shim/internal.h"
#include "stack/base/user.h"

#define LATER (128ull << 20) /* threads of ours, and the heap that libc gives each */

/* What the program set, and what that became: current, maximum. Inherited by fork. */
static struct limit_pair {
	rlim_t asked, made;
} last[2];

uint64_t limit_mapped(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file) {
		if (fscanf(file, "%lu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool is_ours(pid_t pid, int resource)
{
	return resource == RLIMIT_AS && !s7_inside && (!pid || pid == getpid());
}

static rlim_t made_of(struct limit_pair *pair, rlim_t asked, rlim_t added, rlim_t most)
{
	pair->asked = asked;
	pair->made = asked > RLIM_INFINITY - added ? RLIM_INFINITY : asked + added;
	if (asked <= most)
		pair->made = s7_min(pair->made, most);
	return pair->made;
}

/* As the kernel knows it -> as the program does. */
static void hide(struct rlimit *limit)
{
	if (limit->rlim_cur == last[0].made && last[0].made)
		limit->rlim_cur = last[0].asked;
	if (limit->rlim_max == last[1].made && last[1].made)
		limit->rlim_max = last[1].asked;
}

static long change(pid_t pid, const struct rlimit *new, struct rlimit *ret_old)
{
	struct limit_pair before[2] = { last[0], last[1] };
	struct rlimit old, made;
	rlim_t added;
	long err = s7_sys4(SYS_prlimit64, pid, RLIMIT_AS, NULL, &old);

	if (err)
		return err;
	if (new) {
		if (!user_readable(new, sizeof(*new)))
			return -EFAULT;
		if (new->rlim_cur > new->rlim_max)
			return -EINVAL;
		added = boot_running() ? s7_boot.mapped + LATER : 0;
		/* an unprivileged process cannot go beyond the maximum that it has */
		made.rlim_cur = made_of(&before[0], new->rlim_cur, added, old.rlim_max);
		made.rlim_max = made_of(&before[1], new->rlim_max, added, old.rlim_max);
		err = s7_sys4(SYS_prlimit64, pid, RLIMIT_AS, &made, NULL);
		if (err)
			return err;
	}
	if (ret_old && !user_readable(ret_old, sizeof(*ret_old)))
		return -EFAULT;
	hide(&old);
	if (ret_old)
		*ret_old = old;
	last[0] = before[0];
	last[1] = before[1];
	return 0;
}

S7_EXPORT int prlimit(pid_t pid, __rlimit_resource_t resource, const struct rlimit *new,
		      struct rlimit *old)
{
	if (!is_ours(pid, (int)resource))
		return real.prlimit(pid, (int)resource, new, old);
	return (int)ret_errno(change(pid, new, old));
}

S7_EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	return is_ours(0, (int)resource) ? (int)ret_errno(change(0, limit, NULL)) :
					   real.setrlimit((int)resource, limit);
}

S7_EXPORT int getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
	return is_ours(0, (int)resource) ? (int)ret_errno(change(0, NULL, limit)) :
					   real.getrlimit((int)resource, limit);
}

static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one layout");

S7_EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *new,
			struct rlimit64 *old)
{
	return prlimit(pid, resource, (const struct rlimit *)new, (struct rlimit *)old);
}

S7_EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
	return setrlimit(resource, (const struct rlimit *)limit);
}

S7_EXPORT int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit)
{
	return getrlimit(resource, (struct rlimit *)limit);
}
