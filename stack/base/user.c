/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * user.c - the copy that may fault, and its table
 *
 * 64 bytes a turn in four registers, then 16, 8, 4 and 1; much at once with the string instruction:
 * as fast as libc's memcpy. All loads of a turn come before its stores; nothing is written beyond
 * len.
 * Context: any. Called by: the copy loops of core/msg.c, and whoever reads arguments of calls.
 */
#include "stack/base/user.h"

#define USER_PAGE 4096
#define STRING_WORTH 768 /* from here on the string instruction is faster */

#ifdef __x86_64__

struct extable_row {
	int32_t insn, fixup; /* relative to the fields themselves */
};

/* Made by the linker; absent where nothing of it was linked. */
extern const struct extable_row __start_s7_extable[] __attribute__((weak));
extern const struct extable_row __stop_s7_extable[] __attribute__((weak));

uintptr_t user_fault_fix(uintptr_t ip)
{
	for (const struct extable_row *row = __start_s7_extable; row < __stop_s7_extable; row++)
		if ((uintptr_t)&row->insn + (uintptr_t)(intptr_t)row->insn == ip)
			return (uintptr_t)&row->fixup + (uintptr_t)(intptr_t)row->fixup;
	return 0;
}

typedef uint64_t v2u64 __attribute__((vector_size(16)));

static inline bool copy64(char *dst, const char *src)
{
	v2u64 a, b, c, d;

	__asm__ volatile goto("1: movdqu (%4), %0\n"
		     "2: movdqu 16(%4), %1\n"
		     "3: movdqu 32(%4), %2\n"
		     "4: movdqu 48(%4), %3\n"
		     "5: movdqu %0, (%5)\n"
		     "6: movdqu %1, 16(%5)\n"
		     "7: movdqu %2, 32(%5)\n"
		     "8: movdqu %3, 48(%5)\n"
		     USER_ROW(1, fault) USER_ROW(2, fault) USER_ROW(3, fault) USER_ROW(4, fault)
		     USER_ROW(5, fault) USER_ROW(6, fault) USER_ROW(7, fault) USER_ROW(8, fault)
		     : "=&x"(a), "=&x"(b), "=&x"(c), "=&x"(d)
		     : "r"(src), "r"(dst)
		     : "memory"
		     : fault);
	return true;
fault:
	return false;
}

static inline bool copy16(char *dst, const char *src)
{
	v2u64 a;

	__asm__ volatile goto("1: movdqu (%1), %0\n"
		     "2: movdqu %0, (%2)\n"
		     USER_ROW(1, fault) USER_ROW(2, fault)
		     : "=&x"(a)
		     : "r"(src), "r"(dst)
		     : "memory"
		     : fault);
	return true;
fault:
	return false;
}

static inline bool copy8(char *dst, const char *src)
{
	uint64_t a;

	__asm__ volatile goto("1: movq (%1), %0\n"
		     "2: movq %0, (%2)\n"
		     USER_ROW(1, fault) USER_ROW(2, fault)
		     : "=&r"(a)
		     : "r"(src), "r"(dst)
		     : "memory"
		     : fault);
	return true;
fault:
	return false;
}

static inline bool copy4(char *dst, const char *src)
{
	uint32_t a;

	__asm__ volatile goto("1: movl (%1), %0\n"
		     "2: movl %0, (%2)\n"
		     USER_ROW(1, fault) USER_ROW(2, fault)
		     : "=&r"(a)
		     : "r"(src), "r"(dst)
		     : "memory"
		     : fault);
	return true;
fault:
	return false;
}

static inline bool copy1(char *dst, const char *src)
{
	uint32_t a;

	__asm__ volatile goto("1: movzbl (%1), %0\n"
		     "2: movb %b0, (%2)\n"
		     USER_ROW(1, fault) USER_ROW(2, fault)
		     : "=&q"(a)
		     : "r"(src), "r"(dst)
		     : "memory"
		     : fault);
	return true;
fault:
	return false;
}

static inline bool copy_string(char *dst, const char *src, size_t len)
{
	__asm__ volatile goto("1: rep movsb\n" USER_ROW(1, fault)
			      : "+D"(dst), "+S"(src), "+c"(len)
			      : /* none */
			      : "memory"
			      : fault);
	return true;
fault:
	return false;
}

bool user_copy(void *to, const void *from, size_t len)
{
	const char *src = from;
	char *dst = to;

	if (len >= STRING_WORTH)
		return copy_string(dst, src, len);
	for (; len >= 64; src += 64, dst += 64, len -= 64)
		if (s7_unlikely(!copy64(dst, src)))
			return false;
	for (; len >= 16; src += 16, dst += 16, len -= 16)
		if (s7_unlikely(!copy16(dst, src)))
			return false;
	if (len & 8) {
		if (s7_unlikely(!copy8(dst, src)))
			return false;
		src += 8;
		dst += 8;
	}
	if (len & 4) {
		if (s7_unlikely(!copy4(dst, src)))
			return false;
		src += 4;
		dst += 4;
	}
	for (len &= 3; len; src++, dst++, len--)
		if (s7_unlikely(!copy1(dst, src)))
			return false;
	return true;
}

#else

uintptr_t user_fault_fix(uintptr_t ip)
{
	(void)ip;
	return 0;
}

bool user_copy(void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
	return true;
}

#endif

bool user_readable(const void *user, size_t len)
{
	const char *at = user;
	size_t step;
	char byte;

	for (; len; at += step, len -= step) {
		if (!user_get(&byte, at, 1))
			return false;
		step = (size_t)s7_min(len, USER_PAGE - ((uintptr_t)at & (USER_PAGE - 1)));
	}
	return true;
}
