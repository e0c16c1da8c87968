/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * user.h - memory of the program that may not be there
 *
 * Idea: each instruction that touches such memory is noted, with the place where to go on should it
 * fault, in a table (section s7_extable, as in kernels). The host's handler of SIGSEGV and SIGBUS
 * asks user_fault_fix() and moves the program counter there; so a bad pointer becomes EFAULT, also
 * under a lock, and a good one costs nothing. Without such a handler (unit tests) a fault is a
 * fault. On machines other than x86-64 there is no table: plain copies.
 * Context: any thread, any lock.
 */
#ifndef S7_USER_H
#define S7_USER_H

#include "stack/base/base.h"

/* Copies len bytes of which either side may be the program's. False: some of it is no memory. */
bool user_copy(void *dst, const void *src, size_t len);

/* Whether all of it can be read: a byte of each page is. */
bool user_readable(const void *user, size_t len);

/* Where a thread that faulted at this instruction goes on, 0: it was not ours to touch. */
uintptr_t user_fault_fix(uintptr_t ip);

static inline bool user_get(void *dst, const void *user, size_t len)
{
	return user_copy(dst, user, len);
}

static inline bool user_put(void *user, const void *src, size_t len)
{
	return user_copy(user, src, len);
}

#ifdef __x86_64__

/* One row of the table: the instruction at local label `insn` goes on at C label `fixup`. */
#define USER_ROW(insn, fixup) \
	".pushsection s7_extable,\"a\"\n" \
	".long " #insn "b - ., %l[" #fixup "] - .\n" \
	".popsection\n"

/* A row of struct epoll_event: packed, twelve bytes. */
static inline bool user_put_event(void *user, uint32_t events, uint64_t data)
{
	__asm__ volatile goto("1: movl %0, (%2)\n"
			      "2: movq %1, 4(%2)\n" USER_ROW(1, fault) USER_ROW(2, fault)
			      : /* none */
			      : "r"(events), "r"(data), "r"(user)
			      : "memory"
			      : fault);
	return true;
fault:
	return false;
}

static inline bool user_get32(uint32_t *ret, const void *user)
{
	uint32_t value;

	__asm__ volatile goto("1: movl (%1), %0\n" USER_ROW(1, fault)
			      : "=r"(value)
			      : "r"(user)
			      : "memory"
			      : fault);
	*ret = value;
	return true;
fault:
	return false;
}

static inline bool user_get64(uint64_t *ret, const void *user)
{
	uint64_t value;

	__asm__ volatile goto("1: movq (%1), %0\n" USER_ROW(1, fault)
			      : "=r"(value)
			      : "r"(user)
			      : "memory"
			      : fault);
	*ret = value;
	return true;
fault:
	return false;
}

static inline bool user_put64(void *user, uint64_t value)
{
	__asm__ volatile goto("1: movq %0, (%1)\n" USER_ROW(1, fault)
			      : /* none */
			      : "r"(value), "r"(user)
			      : "memory"
			      : fault);
	return true;
fault:
	return false;
}

static inline bool user_put16(void *user, uint16_t value)
{
	__asm__ volatile goto("1: movw %0, (%1)\n" USER_ROW(1, fault)
			      : /* none */
			      : "r"(value), "r"(user)
			      : "memory"
			      : fault);
	return true;
fault:
	return false;
}

#else

static inline bool user_put_event(void *user, uint32_t events, uint64_t data)
{
	memcpy(user, &events, sizeof(events));
	memcpy((char *)user + sizeof(events), &data, sizeof(data));
	return true;
}

static inline bool user_get32(uint32_t *ret, const void *user)
{
	memcpy(ret, user, sizeof(*ret));
	return true;
}

static inline bool user_get64(uint64_t *ret, const void *user)
{
	memcpy(ret, user, sizeof(*ret));
	return true;
}

static inline bool user_put64(void *user, uint64_t value)
{
	memcpy(user, &value, sizeof(value));
	return true;
}

static inline bool user_put16(void *user, uint16_t value)
{
	memcpy(user, &value, sizeof(value));
	return true;
}

#endif
#endif
