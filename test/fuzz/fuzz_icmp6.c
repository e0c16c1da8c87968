/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_icmp6.c - ICMPv6 messages with a right checksum; the first byte says where to, and whether
 * the quote is made to fit a flow of ours */
#include "stack/wire/udp.h"
#include "test/support/fuzz.h"
#include "test/support/mini6.h"

static void fit_quote(uint8_t *body, uint32_t len, bool ext)
{
	struct s7_ip us = mini_addr6(MINI_US6), peer = mini_addr6(MINI_PEER6);
	struct s7_ip6 h = { .next = ext ? IP6_EXT_DEST : IPPROTO_UDP, .hops = 1 };
	uint32_t at = ICMP_LEN + IP6_LEN;
	struct s7_udp_hdr u = { 9, 1000, 8, 0 };

	if (len < at + 8 + UDP_LEN)
		return;
	h.payload = get_be16(body + ICMP_LEN + IP6_PAYLOAD_AT);
	memcpy(h.src, us.b, IP6_ADDR_LEN);
	memcpy(h.dst, peer.b, IP6_ADDR_LEN);
	ip6_write(body + ICMP_LEN, &h);
	if (ext) {
		body[at] = IPPROTO_UDP;
		body[at + 1] = 0;
		at += 8;
	}
	udp_write(body + at, &u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const to[] = { NULL, "ff02::1", MINI_US_LL, "ff02::1:ff00:1" };
	static const char *const from[] = { NULL, "::", MINI_PEER_LL, "2600::9" };
	struct fuzz_in in = { data, size };
	struct mini *m = fuzz6_instance();

	while (in.left) {
		uint32_t how = fuzz_byte(&in);
		uint8_t body[1400];
		struct mini_ip6 ip = { .data = body, .dst = to[how >> 2 & 3],
				       .src = from[how >> 4 & 3],
				       .hops = how & 128 ? ND_HOPS : 64 };

		ip.len = fuzz_blob(&in, body, sizeof(body));
		if (how & 1)
			fit_quote(body, ip.len, how & 2);
		mini_in_icmp6(m, &ip);
	}
	fuzz_settle(m);
	return 0;
}
