/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run.c - sock7 run: sets the environment and becomes the program
 *
 * libsock7.so is $SOCK7_LIB, or lies beside this command, above it (build tree), in ../lib or
 * ../lib/<triplet>. Exit codes follow env(1): 126 found but not runnable, 127 not found, 2 wrong
 * use.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tools.h"

#define LIB "libsock7.so"

static bool library_find(char path[PATH_MAX])
{
	static const char *const beside[] = { "", "../", "../lib/", "../lib/x86_64-linux-gnu/",
					      "../lib/aarch64-linux-gnu/", "../lib64/" };
	const char *given = getenv("SOCK7_LIB");
	char self[PATH_MAX], try[PATH_MAX + 64];
	ssize_t len;
	size_t i;

	if (given)
		return realpath(given, path) != NULL;
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return false;
	self[len] = 0;
	*(strrchr(self, '/') + 1) = 0;
	for (i = 0; i < S7_ARRAY_LEN(beside); i++) {
		snprintf(try, sizeof(try), "%s%s" LIB, self, beside[i]);
		if (realpath(try, path) && !access(path, R_OK))
			return true;
	}
	return false;
}

static int preload_set(const char *path)
{
	const char *had = getenv("LD_PRELOAD");
	char *value;

	if (!had || !had[0])
		return setenv("LD_PRELOAD", path, 1);
	if (asprintf(&value, "%s:%s", path, had) < 0)
		return -1;
	return setenv("LD_PRELOAD", value, 1);
}

static int conf_set(const char *path)
{
	char full[PATH_MAX];

	if (!realpath(path, full)) {
		fprintf(stderr, "sock7 run: %s: %s\n", path, strerror(errno));
		return TOOL_FAILED;
	}
	setenv("SOCK7_CONF", full, 1);
	unsetenv("SOCK7_INTERFACE");
	return 0;
}

static int options(int argc, char **argv)
{
	int opt, err;

	while ((opt = getopt(argc, argv, "+c:i:")) != -1) {
		switch (opt) {
		case 'c':
			err = conf_set(optarg);
			if (err)
				return err;
			break;
		case 'i':
			setenv("SOCK7_INTERFACE", optarg, 1);
			unsetenv("SOCK7_CONF");
			break;
		default:
			return TOOL_USAGE;
		}
	}
	return 0;
}

int run_main(int argc, char **argv)
{
	char path[PATH_MAX];
	int err = options(argc, argv);

	if (err)
		return err;
	if (optind >= argc) {
		fprintf(stderr, "sock7 run: which command?\n");
		return TOOL_USAGE;
	}
	if (!library_find(path)) {
		fprintf(stderr, "sock7 run: " LIB " not found beside this command or in ../lib; "
				"set SOCK7_LIB to its path\n");
		return TOOL_FAILED;
	}
	if (preload_set(path)) {
		fprintf(stderr, "sock7 run: LD_PRELOAD: %s\n", strerror(errno));
		return TOOL_FAILED;
	}
	execvp(argv[optind], argv + optind);
	err = errno;
	fprintf(stderr, "sock7 run: %s: %s\n", argv[optind], strerror(err));
	return err == ENOENT ? 127 : 126;
}
