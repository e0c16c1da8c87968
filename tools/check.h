/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.h - the steps of sock7 check
 */
#ifndef S7_TOOLS_CHECK_H
#define S7_TOOLS_CHECK_H

#include <stdbool.h>

#include "conf/conf.h"

struct check {
	struct conf conf;
	bool configured;
	uint32_t failed; /* lines "not ok" */
};

/* "ok ..." and "not ok ...: what to do". */
void check_ok(struct check *check, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void check_not_ok(struct check *check, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* In the order of the table; a step may print several lines. */
extern void (*const check_steps[])(struct check *check);
extern const unsigned int check_step_count;

#endif
