/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - the sock7 command: one table of verbs
 */
#include <stdio.h>
#include <string.h>

#include "tools/tools.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} verbs[] = {
	{ "run", run_main,
	  "run [-c FILE | -i IFACE[:DRIVER],...] [--] COMMAND [ARG...]   a program on sock7" },
	{ "check", check_main, "check [-c FILE | -i IFACE[:DRIVER],...]   is this machine ready?" },
	{ "ss", ss_main,
	  "ss [-p PID] [-s] [--json | --count]   sockets (and counters) of running programs" },
};

static int usage(FILE *out)
{
	size_t i;

	fprintf(out, "usage:\n");
	for (i = 0; i < S7_ARRAY_LEN(verbs); i++)
		fprintf(out, "  sock7 %s\n", verbs[i].text);
	return TOOL_USAGE;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
		usage(stdout);
		return TOOL_OK;
	}
	for (i = 0; i < S7_ARRAY_LEN(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	fprintf(stderr, "sock7: no verb \"%s\"\n", argv[1]);
	return usage(stderr);
}
