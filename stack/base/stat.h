/* SPDX-License-Identifier: BSD-3-Clause */
/* stat.h - counters and drop reasons as enums, generated from stat.def and drop.def */
#ifndef S7_STAT_H
#define S7_STAT_H

#include "stack/base/base.h"

#define STAT(name, mib, text) STAT_##name,
enum s7_stat {
#include "stack/base/stat.def"
	STAT_COUNT
};
#undef STAT

#define DROP(name, mib, text) DROP_##name,
enum s7_drop {
#include "stack/base/drop.def"
	DROP_COUNT
};
#undef DROP

struct s7_counter_info {
	const char *name, *mib, *text;
};

extern const struct s7_counter_info s7_stat_info[STAT_COUNT];
extern const struct s7_counter_info s7_drop_info[DROP_COUNT];

#endif
