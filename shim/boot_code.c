/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot_code.c - the executable side of the memory that filters live in
 *
 * Each instance's area of programs is mapped a second time, from the arena's memfd, to be executed
 * and not written; forked children inherit the mapping, so an address in the private window is
 * right in all of them. Where that is not to be had (a policy against it), filters are interpreted.
 * Context: boot, one thread.
 */
#include <sys/mman.h>

#include "shim/internal.h"
#include "stack/bpf/area.h"
#include "stack/bpf/jit.h"

static const void *map_code(const struct s7_filter_area *area)
{
	off_t at = (off_t)(area->base - (const char *)s7_arena);
	void *code = mmap(NULL, area_bytes(area), PROT_READ | PROT_EXEC, MAP_SHARED,
			  s7_boot.arena_fd, at);

	return code == MAP_FAILED ? NULL : code;
}

int boot_code(void)
{
	for (uint32_t i = 0; i < s7_boot.inst_count && jit_possible(); i++) {
		s7_boot.env->code[i] = map_code(s7_arena->inst[i]->filters);
		if (!s7_boot.env->code[i])
			shim_log(LOG_INFO, "no executable memory for filters: interpreted");
	}
	return 0;
}

void boot_code_drop(void)
{
	for (uint32_t i = 0; s7_boot.env && i < s7_boot.inst_count; i++) {
		if (s7_boot.env->code[i])
			munmap((void *)(uintptr_t)s7_boot.env->code[i],
			       area_bytes(s7_arena->inst[i]->filters));
		s7_boot.env->code[i] = NULL;
	}
}
