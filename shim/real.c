/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * real.c - finds libc's functions behind our names
 *
 * Idea: the table starts full of stubs, one a name, that resolve everything and call on, so a
 * wrapper works even when another library's constructor runs before ours. Resolving writes the same
 * values whoever does it, so it needs no lock. A name that this libc lacks gets a stub that fails
 * with ENOSYS. No allocation of our own. Called by: the constructor, and any wrapper that runs
 * before it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "shim/real.h"
#include "stack/base/base.h"

#define CALL(result, name, params, args)                                                           \
	static result first_##name params                                                          \
	{                                                                                          \
		real_resolve();                                                                    \
		return real.name args;                                                             \
	}
#include "shim/intercept.def"
#undef CALL

struct s7_real real = {
#define CALL(result, name, params, args) .name = first_##name,
#include "shim/intercept.def"
#undef CALL
};

const char *const real_names[] = {
#define CALL(result, name, params, args) #name,
#include "shim/intercept.def"
#undef CALL
};
const unsigned int real_count = S7_ARRAY_LEN(real_names);

/* A call that this libc does not have. Every result type of the table fits a long. */
static long real_absent(void)
{
	errno = ENOSYS;
	return -1;
}

static_assert(sizeof(struct s7_real) == sizeof(real_names), "one pointer a name");

static bool resolved;

int real_is_resolved(void)
{
	return __atomic_load_n(&resolved, __ATOMIC_ACQUIRE);
}

void real_resolve(void)
{
	void **slot = (void **)&real;
	void *found;
	unsigned int i;

	if (__atomic_load_n(&resolved, __ATOMIC_ACQUIRE))
		return; /* libc_hook.c may have put its own in since */
	for (i = 0; i < real_count; i++) {
		found = dlsym(RTLD_NEXT, real_names[i]);
		__atomic_store_n(&slot[i], found ? found : (void *)real_absent, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&resolved, true, __ATOMIC_RELEASE);
}

__attribute__((constructor)) static void real_construct(void)
{
	real_resolve();
}
