// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_base_user.c - copies to and from memory that may not be there
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "stack/base/user.h"
#include "stack/wire/csum.h"

#define PAGE 4096
#define LONGEST 2000

static uint8_t from[PAGE], to[PAGE];

static void fill(void)
{
	for (int i = 0; i < PAGE; i++)
		from[i] = (uint8_t)(i * 7 + 3);
	memset(to, 0xee, sizeof(to));
}

Test(base_user, copies_exactly_so_many_bytes)
{
	for (size_t len = 0; len < LONGEST; len++) {
		fill();
		cr_assert(user_copy(to + 1, from + 3, len));
		cr_assert(!memcmp(to + 1, from + 3, len), "%zu", len);
		cr_assert(to[0] == 0xee && to[len + 1] == 0xee, "%zu", len);
	}
}

#ifdef __x86_64__

static int faults;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	uintptr_t fix = user_fault_fix((uintptr_t)at->uc_mcontext.gregs[REG_RIP]);

	(void)info;
	if (!fix) {
		signal(sig, SIG_DFL);
		return;
	}
	faults++;
	at->uc_mcontext.gregs[REG_RIP] = (greg_t)fix;
}

/* The first byte of a page that is none, behind one that is. */
static char *edge(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	char *map =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(map, MAP_FAILED);
	mprotect(map + PAGE, PAGE, PROT_NONE);
	sigaction(SIGSEGV, &sa, NULL);
	return map + PAGE;
}

Test(base_user, a_fault_at_any_byte_of_any_length_is_told)
{
	char *end = edge();

	for (size_t len = 1; len < LONGEST; len += len < 200 ? 1 : 37) {
		for (size_t have = 0; have < len; have += have < 80 ? 1 : 53) {
			uint32_t sum = 0;

			cr_assert(!user_copy(end - have, from, len), "%zu of %zu", have, len);
			cr_assert(!user_copy(to, end - have, len), "%zu of %zu", have, len);
			cr_assert(!csum_copy_user(to, end - have, len, &sum));
			cr_assert(!user_readable(end - have, len));
		}
		cr_assert(user_copy(end - len, from, len));
		cr_assert(user_readable(end - len, len));
	}
	cr_expect_gt(faults, 1000);
}

Test(base_user, what_lies_before_the_fault_is_written)
{
	char *end = edge();

	fill();
	cr_assert(!user_copy(end - 64, from, 128));
	cr_expect(!memcmp(end - 64, from, 64));
}

Test(base_user, small_ones)
{
	char *end = edge(), *event = end - 12;
	uint64_t data, wide = 0, words[2] = { 0 };
	uint32_t value = 0;

	cr_assert(user_put_event(event, 5, 0x1122334455667788));
	memcpy(&data, event + 4, 8);
	cr_expect_eq(data, 0x1122334455667788);
	cr_assert(!user_put_event(event + 4, 5, 0));
	cr_assert(!user_put_event(end, 5, 0));
	cr_assert(user_get32(&value, event));
	cr_expect_eq(value, 5);
	cr_assert(!user_get32(&value, end - 2));
	cr_assert(user_put64(words, 0x1122334455667788) && words[0] == 0x1122334455667788);
	cr_assert(user_put16(&words[1], 0xabcd) && (words[1] & 0xffff) == 0xabcd);
	cr_assert(user_get64(&wide, words) && wide == words[0]);
	cr_assert(!user_get64(&wide, end - 4) && wide == words[0]);
	cr_assert(!user_put64(end - 4, 1) && !user_put16(end - 1, 1));
	cr_assert(!user_copy(to, (void *)0xffff888000000000, 8));
	cr_assert(!user_copy(to, (void *)0x1234567800000000, 8), "not canonical");
}

#endif
