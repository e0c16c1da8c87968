/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_ip6_frag.c - IPv6 fragments by recipe: source, id, offset, length, next header, options
 * before and behind, and pauses are the input's */
#include "test/support/fuzz.h"
#include "test/support/mini6.h"

static void one_fragment(struct mini *m, struct fuzz_in *in)
{
	static const char *const sources[] = { MINI_PEER6, "2001:db8::3", "2600::1", MINI_PEER_LL };
	static const uint8_t nexts[] = { IPPROTO_UDP, IPPROTO_ICMPV6, IPPROTO_TCP, IP6_EXT_DEST,
					 IP6_EXT_FRAGMENT, IP6_EXT_ROUTING, IP6_EXT_NONE, 200 };
	uint32_t how = fuzz_byte(in), more = fuzz_byte(in), at = 0;
	uint8_t body[1400] = { 0 };
	struct s7_ip6_frag frag = {
		.next = nexts[how >> 2 & 7],
		.more = how & 32,
		.id = fuzz_byte(in) & 7,
		.off = (uint16_t)(fuzz_word(in) % 8192 * 8),
	};
	struct mini_ip6 ip = { .src = sources[how & 3], .next = IP6_EXT_FRAGMENT, .data = body };

	if (more & 1) { /* options before it */
		body[0] = IP6_EXT_FRAGMENT;
		body[2] = 1;
		body[3] = 4;
		ip.next = IP6_EXT_DEST;
		at = 8;
	}
	ip6_frag_write(body + at, &frag);
	at += IP6_FRAG_LEN;
	if (more & 2)
		ip.len = at + fuzz_blob(in, body + at, (uint32_t)sizeof(body) - at);
	else
		ip.len = at + fuzz_word(in) % ((uint32_t)sizeof(body) - at + 1);
	mini_in_ip6(m, &ip);
	if (how & 128)
		mini_wait(m, (more >> 2 & 3) * S7_SEC * 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct mini *m = fuzz6_instance();

	while (in.left)
		one_fragment(m, &in);
	fuzz_settle(m);
	return 0;
}
