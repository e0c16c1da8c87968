/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_eth.c - raw frames, several an input, each with a 16-bit length before it; the first byte
 * chooses a shared interface */
#include "test/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct mini *m = fuzz_instance();
	uint8_t frame[S7_PKT_ROOM];
	bool shared = fuzz_byte(&in) & 1;

	if (shared)
		m->inst->iface[1].flags |= IFACE_SHARED;
	while (in.left) {
		uint32_t len = fuzz_blob(&in, frame, sizeof(frame));

		mini_in(m, frame, len);
	}
	m->inst->iface[1].flags &= (uint16_t)~IFACE_SHARED;
	fuzz_settle(m);
	return 0;
}
