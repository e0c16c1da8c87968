/* SPDX-License-Identifier: BSD-3-Clause */
/* mini_both.h - a test on a mini instance with each engine: interpreted and as machine code */
#ifndef S7_TEST_MINI_BOTH_H
#define S7_TEST_MINI_BOTH_H

#include "stack/bpf/area.h"
#include "test/support/engines.h"
#include "test/support/mini_udp.h"

static inline struct mini *both_new(bool native)
{
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_filter_area *area = m->inst->filters;

	if (native)
		m->env.code[0] = engines_map_code(area->base, area_bytes(area));
	mini_know_peer(m);
	return m;
}

/* With the test's own open_mini(native) and close_mini(m). */
#define ON_BOTH(m) \
	for (struct mini *m = open_mini(false), *next_ = NULL; m; \
	     close_mini(m), m = next_ ? NULL : (next_ = open_mini(true)))

#endif
