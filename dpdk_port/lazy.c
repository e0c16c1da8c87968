/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lazy.c - libbpf and libxdp for net_af_xdp, opened only when an af_xdp port is
 *
 * Idea: Debian's static libbpf and libxdp are not position independent, and as shared dependencies
 * they would be loaded into every preloaded program. The build renames the calls of net_af_xdp
 * (lazy.def) to s7x_<name>; each of these is one jump through a slot that lazy_open() fills by
 * dlsym.
 * Invariant: no slot is called before lazy_open() succeeded, since only an af_xdp port leads there.
 * Built without LTO: the jumps are written in assembler and refer to the table by name.
 * Context: port_open, one thread.
 * Callers: port.c; librte_net_af_xdp.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#include "dpdk_port/internal.h"

enum lazy_lib { LAZY_BPF, LAZY_XDP, LAZY_LIB_COUNT };

enum lazy_index {
#define LAZY(lib, name) LAZY_##name,
#include "dpdk_port/lazy.def"
#undef LAZY
	LAZY_COUNT
};

static const char *const lib_names[LAZY_LIB_COUNT] = { "libbpf.so.1", "libxdp.so.1" };

static const struct {
	enum lazy_lib lib;
	const char *name;
} lazy_rows[LAZY_COUNT] = {
#define LAZY(lib, name) { LAZY_##lib, #name },
#include "dpdk_port/lazy.def"
#undef LAZY
};

void *s7x_slots[LAZY_COUNT] __attribute__((used, visibility("hidden")));

/* Each jump finds its slot by a counter that the assembler keeps, in the order of the list. */
#if defined(__x86_64__)
#define JUMP "jmp *s7x_slots+8*s7x_row(%rip)\n"
#elif defined(__aarch64__)
#define JUMP "adrp x16, s7x_slots+8*s7x_row\nldr x16, [x16, :lo12:s7x_slots+8*s7x_row]\nbr x16\n"
#endif

__asm__(".text\n.set s7x_row, 0\n");
#define LAZY(lib, name)                                                                     \
	__asm__(".globl s7x_" #name "\n.hidden s7x_" #name "\n.type s7x_" #name ", @function\n" \
		"s7x_" #name ":\n" JUMP ".size s7x_" #name ", .-s7x_" #name "\n"            \
		".set s7x_row, s7x_row+1\n");
#include "dpdk_port/lazy.def"
#undef LAZY

/*
 * Both libraries print their progress on the program's stderr unless they are given a printer, or
 * none.
 */
static void printing_off(void *lib, const char *setter)
{
	void *at = dlsym(lib, setter);
	void (*set)(void *) = NULL;

	memcpy(&set, &at, sizeof(set));
	if (set)
		set(NULL);
}

int lazy_open(char *ret_why, size_t why_len)
{
	void *lib[LAZY_LIB_COUNT];
	uint32_t i;

	for (i = 0; i < LAZY_LIB_COUNT; i++) {
		lib[i] = dlopen(lib_names[i], RTLD_NOW | RTLD_LOCAL);
		if (lib[i])
			continue;
		snprintf(ret_why, why_len, "driver af_xdp needs %s: apt install libbpf1 libxdp1",
			 lib_names[i]);
		return -ENOENT;
	}
	for (i = 0; i < LAZY_COUNT; i++) {
		s7x_slots[i] = dlsym(lib[lazy_rows[i].lib], lazy_rows[i].name);
		if (s7x_slots[i])
			continue;
		snprintf(ret_why, why_len, "driver af_xdp: %s has no %s (version 1.x is needed)",
			 lib_names[lazy_rows[i].lib], lazy_rows[i].name);
		return -ENOSYS;
	}
	printing_off(lib[LAZY_BPF], "libbpf_set_print");
	printing_off(lib[LAZY_XDP], "libxdp_set_print");
	return 0;
}
