/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_ip4.c - one IPv4 packet in a right frame with a right header checksum; everything else is
 * the input's */
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "test/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mini *m = fuzz_instance();
	uint8_t frame[S7_PKT_ROOM];
	uint32_t len = (uint32_t)s7_min(size, sizeof(frame) - ETH_LEN), header;

	eth_write(frame, mini_mac_us, mini_mac_peer, ETH_TYPE_IP4);
	memcpy(frame + ETH_LEN, data, len);
	header = len ? (frame[ETH_LEN] & 15) * 4u : 0;
	if (header >= 20 && header <= len) {
		frame[ETH_LEN] = (uint8_t)(0x40 | (frame[ETH_LEN] & 15));
		put_raw16(frame + ETH_LEN + 10, 0);
		put_raw16(frame + ETH_LEN + 10,
			  csum_fold(csum_partial(frame + ETH_LEN, header, 0)));
	}
	mini_in(m, frame, ETH_LEN + len);
	fuzz_settle(m);
	return 0;
}
