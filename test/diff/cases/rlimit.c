// SPDX-License-Identifier: BSD-3-Clause
/*
 * rlimit.c - RLIMIT_AS of a program whose sockets are there already: about its own memory
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/diff/diff.h"

#define MB (1ul << 20)

static void say_limit(void)
{
	struct rlimit limit = { 1, 1 };

	T(getrlimit(RLIMIT_AS, &limit));
	say("%lu %lu", limit.rlim_cur / MB, limit.rlim_max / MB);
}

static void try_map(size_t mb)
{
	void *at = mmap(NULL, mb * MB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	say("%zu MB: %s", mb, at == MAP_FAILED ? err_name(errno) : "mapped");
	if (at != MAP_FAILED)
		munmap(at, mb * MB);
}

CASE(limit_of_address_space)
{
	struct rlimit limit = { 1000 * MB, 2000 * MB }, old = { 1, 1 };
	int c, s;

	tcp_pair(&c, &s);
	T(setrlimit(RLIMIT_AS, &limit));
	say_limit();
	try_map(1);
	try_map(100);
	try_map(1500);
	limit.rlim_cur = 2000 * MB;
	T(prlimit(0, RLIMIT_AS, &limit, &old));
	say("before %lu %lu", old.rlim_cur / MB, old.rlim_max / MB);
	try_map(1500);
	try_map(2500);
	if (fork() == 0) {
		say_limit();
		try_map(1);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	limit.rlim_cur = 2500 * MB;
	T(setrlimit(RLIMIT_AS, &limit));
	T(setrlimit(RLIMIT_AS, (void *)8));
	T(getrlimit(RLIMIT_AS, (void *)8));
	T((int)syscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, &old));
	say("by number %lu %lu", old.rlim_cur / MB, old.rlim_max / MB);
	T(send(c, "x", 1, 0));
}
