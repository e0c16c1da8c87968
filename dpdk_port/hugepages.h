/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hugepages.h - may this start use hugepages?
 */
#ifndef S7_HUGEPAGES_H
#define S7_HUGEPAGES_H

#include "conf/conf.h"

struct hugepages_ask {
	enum conf_hugepages mode;
	uint64_t bytes;
	bool required;	 /* an interface cannot do without */
	bool pays;	 /* a device reads the memory itself */
	const char *who; /* its name */
};

/* 0 and the answer, or -errno and one line with the command to run. */
int hugepages_decide(const struct hugepages_ask *ask, bool *ret_use, char *ret_why, size_t why_len);

#endif
