/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ss.c - sock7 ss: options, and one arena after the other
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tools.h"

static int options(int argc, char **argv, struct ss_format *format)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' },
					       { "pid", required_argument, NULL, 'p' },
					       { "count", no_argument, NULL, 'n' },
					       { "stats", no_argument, NULL, 's' },
					       { "usage", no_argument, NULL, 'u' },
					       { NULL, 0, NULL, 0 } };
	int opt;

	while ((opt = getopt_long(argc, argv, "p:s", longs, NULL)) != -1) {
		switch (opt) {
		case 'p':
			format->pid = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			format->counters = true;
			break;
		case 'u':
			format->usage = true;
			break;
		case 'n':
			format->count_only = true;
			break;
		case 'j':
			format->json = true;
			break;
		default:
			return TOOL_USAGE;
		}
	}
	return optind < argc ? TOOL_USAGE : 0;
}

int ss_main(int argc, char **argv)
{
	struct ss_arena arenas[SS_ARENAS_MAX];
	struct ss_format format = { 0 };
	const struct s7_arena *arena;
	uint32_t i, count;
	int err = options(argc, argv, &format);

	if (err) {
		fprintf(stderr, "usage: sock7 ss [-p PID] [-s] [--json | --count | --usage]\n");
		return err;
	}
	count = ss_find(format.pid, arenas, SS_ARENAS_MAX);
	if (!count) {
		fprintf(stderr,
			"sock7 ss: no running program on sock7%s (or no right to look: try as "
			"root)\n",
			format.pid ? " under that pid" : "");
		return TOOL_NOT_OK;
	}
	if (!format.usage)
		ss_print_head(&format);
	for (i = 0; i < count; i++) {
		err = ss_map(&arenas[i], &arena);
		if (err) {
			fprintf(stderr, "sock7 ss: process %u: %s\n", arenas[i].pid,
				err == -EPROTO ? "of another version of sock7" : strerror(-err));
			continue;
		}
		if (format.usage)
			ss_print_usage(arena, &format);
		else
			ss_print_socks(arena, &format);
		if (format.counters && !format.count_only && !format.usage)
			ss_print_counters(arena, &format);
		ss_unmap(arena);
	}
	if (format.count_only)
		printf("%u\n", format.lines);
	else if (format.json)
		printf("%s]\n", format.lines ? "\n" : "");
	return err ? TOOL_FAILED : TOOL_OK;
}
