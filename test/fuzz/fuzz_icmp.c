/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_icmp.c - ICMP messages with a right checksum; the first byte says whether the quote is made
 * to fit a flow of ours */
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"
#include "stack/wire/udp.h"
#include "test/support/fuzz.h"

static void fit_quote(uint8_t *body, uint32_t len)
{
	struct s7_ip4 h = {
		.src = inet_addr(MINI_US), .dst = inet_addr(MINI_PEER), .ttl = 1, .proto = 17
	};
	struct s7_udp_hdr u = { 9, 1000, 8, 0 };

	if (len < ICMP_LEN + IP4_LEN + UDP_LEN)
		return;
	h.total = get_be16(body + ICMP_LEN + 2);
	ip4_write(body + ICMP_LEN, &h);
	udp_write(body + ICMP_LEN + IP4_LEN, &u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct mini *m = fuzz_instance();

	while (in.left) {
		uint32_t how = fuzz_byte(&in);
		uint8_t body[1480], frame[S7_PKT_ROOM];
		struct mini_ip ip = { .proto = IPPROTO_ICMP,
				      .data = body,
				      .dst = how & 2 ? "10.0.0.255" : NULL };

		ip.len = fuzz_blob(&in, body, sizeof(body));
		if (how & 1)
			fit_quote(body, ip.len);
		if (ip.len >= 4) {
			put_raw16(body + 2, 0);
			put_raw16(body + 2, csum_fold(csum_partial(body, ip.len, 0)));
		}
		mini_in(m, frame, mini_frame_ip(frame, &ip));
	}
	fuzz_settle(m);
	return 0;
}
