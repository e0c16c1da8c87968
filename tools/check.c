/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.c - sock7 check: is this machine ready for this configuration?
 *
 * A line a finding, "ok" or "not ok ... : what to do". Exit code 0 when all is ok, 1 otherwise.
 * Nothing is changed on the machine.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/check.h"
#include "tools/tools.h"

void check_ok(struct check *check, const char *fmt, ...)
{
	va_list args;

	(void)check;
	va_start(args, fmt);
	printf("ok      ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

void check_not_ok(struct check *check, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("not ok  ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	check->failed++;
}

static int options(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "c:i:")) != -1) {
		switch (opt) {
		case 'c':
			setenv("SOCK7_CONF", optarg, 1);
			unsetenv("SOCK7_INTERFACE");
			break;
		case 'i':
			setenv("SOCK7_INTERFACE", optarg, 1);
			unsetenv("SOCK7_CONF");
			break;
		default:
			return TOOL_USAGE;
		}
	}
	return optind < argc ? TOOL_USAGE : 0;
}

int check_main(int argc, char **argv)
{
	struct check check = { 0 };
	unsigned int i;

	if (options(argc, argv)) {
		fprintf(stderr, "usage: sock7 check [-c FILE | -i IFACE[:DRIVER],...]\n");
		return TOOL_USAGE;
	}
	for (i = 0; i < check_step_count; i++)
		check_steps[i](&check);
	return check.failed ? TOOL_NOT_OK : TOOL_OK;
}
