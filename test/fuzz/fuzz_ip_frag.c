/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_ip_frag.c - fragments by recipe: source, id, offset, length, more-flag and pauses are the
 * input's */
#include "test/support/fuzz.h"

static void one_fragment(struct mini *m, struct fuzz_in *in)
{
	static const char *const sources[] = { MINI_PEER, "10.0.0.3", "99.1.2.3", "10.0.0.4" };
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_TCP, 200 };
	static const uint8_t body[1480] = { 0, 7, 0, 7, 0, 0, 0, 0 };
	uint32_t how = fuzz_byte(in);
	struct mini_ip ip = {
		.src = sources[how & 3],
		.proto = protos[how >> 2 & 3],
		.mf = how & 16,
		.id = (uint16_t)(fuzz_byte(in) & 7),
		.off = (uint16_t)(fuzz_word(in) % 8192 * 8),
		.data = body,
		.len = (uint32_t)(fuzz_word(in) % (sizeof(body) + 1)),
	};
	uint8_t frame[S7_PKT_ROOM];

	mini_in(m, frame, mini_frame_ip(frame, &ip));
	if (how & 128)
		mini_wait(m, (how >> 5 & 3) * S7_SEC * 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct mini *m = fuzz_instance();

	while (in.left)
		one_fragment(m, &in);
	fuzz_settle(m);
	return 0;
}
