/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libc_hook.c - the sockets that libc uses by itself: stdio, the resolver, syslog
 *
 * Idea: libc's own calls do not go by the names that we stand in front of, but they end in the same
 * functions. So the first instruction of those becomes a jump to our wrapper, and what it was
 * stands in a trampoline by which `real` reaches libc from then on. Only entries that begin as
 * known are touched (an instruction or two of at least five bytes, moved as they are or with their
 * one relative address put right); the jump is one aligned store, so a thread that runs there
 * meanwhile sees the old or the new. What is not as known, or protected, is left alone: a line in
 * the log.
 * Another preloaded library between us and libc: its functions are left alone too. socket() goes
 * first, in the constructor, if a configuration is in sight; the others when it is found, before
 * any descriptor of ours exists. posix_spawn's child closes descriptors with its parent's memory:
 * that close is the kernel's alone.
 * Context: constructor, and boot.c's lock. Called by: boot.c.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include "shim/internal.h"

#ifdef __x86_64__

#define PAGE 4096ul
#define SLOT 64 /* bytes for a function: a jump to ours, a trampoline to libc's */
#define TRAMPOLINE 16
#define JUMP_BYTES 5
#define FAR_BYTES 14
#define NEAR_STEP (16ul << 20)
#define NEAR_TRIES 100
#define NEAREST (64ul << 20)

static int (*real_close_nocancel)(int fd);

/* A child that shares our memory, but not our descriptors. */
static bool is_borrowed(int fd)
{
	const struct s7_proc *self = proc_self();

	return fd_get(fd) && self && self->pid != (uint32_t)s7_sys0(SYS_getpid);
}

static int own_close(int fd)
{
	if (s7_unlikely(is_borrowed(fd)))
		return (int)ret_errno(s7_sys1(SYS_close, fd));
	return close(fd);
}

/* For the compiler these have different types. */
#define HOOK(function) { #function, (void **)(void *)&real.function, (void *)function }

static const struct hook {
	const char *name;
	void **real;
	void *ours;
} hooks[] = {
	HOOK(socket), /* first: alone in the constructor */
	{ "close", (void **)(void *)&real.close, (void *)own_close },
	{ "__close_nocancel", (void **)(void *)&real_close_nocancel, (void *)own_close },
	HOOK(read),
	HOOK(readv),
	HOOK(write),
	HOOK(writev),
	HOOK(bind),
	HOOK(connect),
	HOOK(getsockname),
	HOOK(getpeername),
	HOOK(setsockopt),
	HOOK(getsockopt),
	HOOK(ioctl),
	HOOK(poll),
	HOOK(send),
	HOOK(sendto),
	HOOK(sendmsg),
	HOOK(sendmmsg),
	HOOK(recv),
	HOOK(recvfrom),
	HOOK(recvmsg),
};

static_assert(S7_ARRAY_LEN(hooks) * SLOT <= PAGE, "a slot each");

static uint8_t *slots;
static uint64_t hooked; /* a bit a row */

/* How functions of libc begin. Bytes of 0x100 may be any. */
struct opening {
	uint8_t len;	  /* of the instructions that move */
	uint8_t relative; /* where their 32-bit relative address is, 0: none */
	bool several;	  /* more than one instruction: not while other threads run */
	uint16_t bytes[9];
};

#define ANY 0x100

static const struct opening openings[] = {
	/* cmpb $0, __libc_single_threaded(%rip) */
	{ 7, 2, false, { 0x80, 0x3d, ANY, ANY, ANY, ANY, 0x00 } },
	/* mov $NR, %eax */
	{ 5, 0, false, { 0xb8, ANY, ANY, 0x00, 0x00 } },
	/* mov %rcx, %r10; mov $NR, %eax */
	{ 8, 0, true, { 0x49, 0x89, 0xca, 0xb8, ANY, ANY, 0x00, 0x00 } },
	/* push %rbx; sub $N, %rsp */
	{ 5, 0, true, { 0x53, 0x48, 0x83, 0xec, ANY } },
	/* sub $N, %rsp; mov %rdx, N(%rsp) */
	{ 9, 0, true, { 0x48, 0x83, 0xec, ANY, 0x48, 0x89, 0x54, 0x24, ANY } },
};

static const struct opening *opening_of(const uint8_t *entry)
{
	for (size_t i = 0; i < S7_ARRAY_LEN(openings); i++) {
		const struct opening *o = &openings[i];
		uint8_t k = 0;

		while (k < o->len && (o->bytes[k] == ANY || o->bytes[k] == entry[k]))
			k++;
		if (k == o->len)
			return o->several && !__libc_single_threaded ? NULL : o;
	}
	return NULL;
}

/* jmp *0(%rip), and the address. */
static void put_far_jump(uint8_t *at, const void *to)
{
	static const uint8_t jump[6] = { 0xff, 0x25, 0, 0, 0, 0 };

	memcpy(at, jump, sizeof(jump));
	memcpy(at + sizeof(jump), &to, sizeof(to));
}

static bool fits(intptr_t distance)
{
	return distance == (int32_t)distance;
}

static bool put_trampoline(uint8_t *at, const uint8_t *entry, const struct opening *o)
{
	int32_t rel;

	memcpy(at, entry, o->len);
	if (o->relative) {
		memcpy(&rel, entry + o->relative, sizeof(rel));
		if (!fits((intptr_t)entry + rel - (intptr_t)at))
			return false;
		rel = (int32_t)((intptr_t)entry + rel - (intptr_t)at);
		memcpy(at + o->relative, &rel, sizeof(rel));
	}
	put_far_jump(at + o->len, entry + o->len);
	return true;
}

/* A page from which, and to which, libc is a near jump. */
static uint8_t *near_page(const uint8_t *libc)
{
	uintptr_t at = (uintptr_t)libc & ~(NEAR_STEP - 1);

	for (uintptr_t i = 0; i < NEAR_TRIES; i++) {
		uintptr_t away = NEAREST + i / 2 * NEAR_STEP;
		long map = s7_sys6(SYS_mmap, (long)(i & 1 ? at + away : at - away), PAGE,
				   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
				   MAP_FIXED_NOREPLACE, -1, 0);

		if (map > 0 || map < -4095)
			return (uint8_t *)map;
	}
	return NULL;
}

static bool protect(uint8_t *entry, int prot)
{
	uintptr_t page = (uintptr_t)entry & ~(PAGE - 1);

	return s7_sys3(SYS_mprotect, page, PAGE, prot) == 0;
}

/* The entry becomes a jump to the slot: eight aligned bytes at once. */
static bool divert(uint8_t *entry, const uint8_t *slot)
{
	int32_t rel = (int32_t)(slot - (entry + JUMP_BYTES));
	uint64_t word;

	if (((uintptr_t)entry & 7) || !fits(slot - (entry + JUMP_BYTES)))
		return false;
	memcpy(&word, entry, sizeof(word));
	((uint8_t *)&word)[0] = 0xe9;
	memcpy((uint8_t *)&word + 1, &rel, sizeof(rel));
	if (!protect(entry, PROT_READ | PROT_WRITE | PROT_EXEC))
		return false;
	__atomic_store_n((uint64_t *)(void *)entry, word, __ATOMIC_SEQ_CST);
	protect(entry, PROT_READ | PROT_EXEC);
	return true;
}

static bool hook_one(const struct hook *hook, uint8_t *entry, uint8_t *slot)
{
	const struct opening *o = opening_of(entry);
	void *before = *hook->real;

	if (!o || (before && before != entry))
		return false;
	if (s7_sys3(SYS_mprotect, slots, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    !put_trampoline(slot + TRAMPOLINE, entry, o))
		return false;
	put_far_jump(slot, hook->ours);
	__atomic_store_n(hook->real, (void *)(slot + TRAMPOLINE), __ATOMIC_SEQ_CST);
	if (divert(entry, slot))
		return true;
	__atomic_store_n(hook->real, before, __ATOMIC_SEQ_CST);
	return false;
}

static uint8_t *entry_of(void *libc, const char *name)
{
	void *entry = dlvsym(libc, name, name[0] == '_' ? "GLIBC_PRIVATE" : "GLIBC_2.2.5");

	return entry ? entry : dlsym(libc, name);
}

static void hook_rows(size_t count)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	for (size_t i = 0; libc && i < count; i++) {
		uint8_t *entry = entry_of(libc, hooks[i].name);

		if (!entry || hooked >> i & 1)
			continue;
		if (!slots)
			slots = near_page(entry);
		if (slots && hook_one(&hooks[i], entry, slots + i * SLOT))
			hooked |= 1ull << i;
	}
	if (slots)
		s7_sys3(SYS_mprotect, slots, PAGE, PROT_READ | PROT_EXEC);
	if (libc)
		dlclose(libc);
}

void libc_hook_all(void)
{
	hook_rows(S7_ARRAY_LEN(hooks));
	for (size_t i = 0; i < S7_ARRAY_LEN(hooks); i++)
		if (!(hooked >> i & 1))
			shim_log(LOG_INFO, "libc's own use of %s stays with the kernel",
				 hooks[i].name);
}

/* Nothing is done in programs that will not use the stack. */
__attribute__((constructor)) static void hook_socket(void)
{
	if (!boot_in_sight())
		return;
	real_resolve();
	hook_rows(1);
}

#else

void libc_hook_all(void)
{
	shim_log(LOG_INFO, "libc's own sockets stay with the kernel on this machine");
}

#endif
