/* SPDX-License-Identifier: BSD-3-Clause */
/* stat.c - names and texts of the counters, for `sock7 ss` and the documentation */
#include "stack/base/stat.h"

#define STAT(name, mib, text) [STAT_##name] = { #name, mib, text },
const struct s7_counter_info s7_stat_info[STAT_COUNT] = {
#include "stack/base/stat.def"
};
#undef STAT

#define DROP(name, mib, text) [DROP_##name] = { #name, mib, text },
const struct s7_counter_info s7_drop_info[DROP_COUNT] = {
#include "stack/base/drop.def"
};
#undef DROP
