/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_ip6.c - one IPv6 packet in a right frame, addressed to us unless its first byte says other;
 * everything else is the input's, extension headers above all */
#include "stack/wire/eth.h"
#include "test/support/fuzz.h"
#include "test/support/mini6.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mini *m = fuzz6_instance();
	struct s7_ip us = mini_addr6(MINI_US6), peer = mini_addr6(MINI_PEER6);
	uint8_t frame[S7_PKT_ROOM];
	uint32_t len;

	if (!size)
		return 0;
	len = (uint32_t)s7_min(size - 1, sizeof(frame) - ETH_LEN);
	eth_write(frame, mini_mac_us, mini_mac_peer, ETH_TYPE_IP6);
	memcpy(frame + ETH_LEN, data + 1, len);
	if (len >= IP6_LEN && !(data[0] & 1)) {
		frame[ETH_LEN] = (uint8_t)(0x60 | (frame[ETH_LEN] & 15));
		memcpy(frame + ETH_LEN + 8, peer.b, IP6_ADDR_LEN);
		memcpy(frame + ETH_LEN + 24, us.b, IP6_ADDR_LEN);
		if (!(data[0] & 2))
			put_be16(frame + ETH_LEN + IP6_PAYLOAD_AT, (uint16_t)(len - IP6_LEN));
	}
	mini_in(m, frame, ETH_LEN + len);
	fuzz_settle(m);
	return 0;
}
