/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_arp.c - ARP packets, raw or with right fixed fields, between datagrams to on-link addresses
 * and pauses */
#include "stack/wire/arp.h"
#include "test/support/fuzz.h"

static void one_arp(struct mini *m, struct fuzz_in *in, bool fixed)
{
	static const uint8_t prefix[] = { 0, 1, 8, 0, 6, 4, 0 };
	uint8_t frame[64];
	uint32_t len;

	eth_write(frame, mini_mac_us, mini_mac_peer, ETH_TYPE_ARP);
	len = fuzz_blob(in, frame + ETH_LEN, sizeof(frame) - ETH_LEN);
	if (fixed && len >= ARP_LEN)
		memcpy(frame + ETH_LEN, prefix, sizeof(prefix));
	mini_in(m, frame, ETH_LEN + len);
}

/* A packet of an unknown protocol to 10.0.0.x or beyond the gateway. */
static void one_packet(struct mini *m, uint32_t last)
{
	struct s7_ip to = ip_from_v4(htonl((last & 1 ? 0x0a000000 : 0x09000000) + last));
	struct s7_ip_tx tx = { .proto = 253, .ttl = 1 };
	struct s7_pkt *pkt = pkt_alloc(m->inst);
	struct s7_dst dst;

	if (!pkt)
		return;
	pkt->len = pkt->total = 8;
	memset(pkt->data, 0, 8);
	if (dst_lookup(m->inst, &to, NULL, 0, &dst))
		pkt_free(m->inst, pkt);
	else
		ip_output(m->inst, &dst, pkt, &tx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct mini *m = fuzz_instance();

	while (in.left) {
		uint32_t how = fuzz_byte(&in);

		if (how < 160)
			one_arp(m, &in, how & 1);
		else if (how < 240)
			one_packet(m, fuzz_byte(&in));
		else
			mini_wait(m, (how - 239) * S7_SEC);
	}
	fuzz_settle(m);
	return 0;
}
