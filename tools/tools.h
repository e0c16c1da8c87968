/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tools.h - what the verbs of the sock7 command share
 */
#ifndef S7_TOOLS_H
#define S7_TOOLS_H

#include "stack/core/sk.h"

/* Exit codes of the command. */
enum tool_exit {
	TOOL_OK = 0,
	TOOL_NOT_OK = 1, /* check: something is missing; ss: no process found */
	TOOL_USAGE = 2,
	TOOL_FAILED = 3, /* could not do what was asked */
};

int run_main(int argc, char **argv);
int check_main(int argc, char **argv);
int ss_main(int argc, char **argv);

/* ---- ss_find.c ---- */
#define SS_ARENAS_MAX 64

/* An arena, and one process that has it open. */
struct ss_arena {
	uint64_t inode;
	uint32_t pid;
	int fd; /* in that process */
};

/* Arenas of all processes (pid 0) or of one. Returns how many. */
uint32_t ss_find(uint32_t pid, struct ss_arena *ret_arenas, uint32_t max);
/* Maps it read-only at its address. 0, -errno; ss_unmap before the next. */
int ss_map(const struct ss_arena *arena, const struct s7_arena **ret_arena);
void ss_unmap(const struct s7_arena *arena);

/* ---- ss_print.c ---- */
struct ss_format {
	bool json;
	bool counters;
	bool count_only; /* print nothing but how many */
	bool usage;	 /* print nothing but what is in use */
	uint32_t pid;	/* only this process's sockets, 0 all */
	uint32_t lines; /* objects printed so far */
};

void ss_print_head(const struct ss_format *format);
void ss_print_socks(const struct s7_arena *arena, struct ss_format *format);
void ss_print_usage(const struct s7_arena *arena, struct ss_format *format);
void ss_print_counters(const struct s7_arena *arena, struct ss_format *format);

#endif
