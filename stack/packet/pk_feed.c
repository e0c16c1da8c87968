/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_feed.c - frames that the kernel's half of a socket received, into its ring
 *
 * A ring on both halves at once is the stack's (docs/packet.md): shim/packet_feed.c reads the
 * kernel's half and hands over each frame with the name, the time and what else the kernel told
 * beside it. The kernel has run the filter and looked at the membership; here the frame is only
 * laid out. It is of any link: what is in front of the network header is as long as the kernel
 * says.
 * Context: instance lock. Called by: stack/sock/packet.c.
 */
#include "stack/packet/packet.h"
#include "stack/wire/eth.h"

#define STATUS_KEPT                                                                                \
	(TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID | TP_STATUS_VLAN_VALID |                    \
	 TP_STATUS_VLAN_TPID_VALID)

void packet_feed(struct s7_packet_sock *ps, const struct s7_packet_fed *fed)
{
	bool raw = ps->sk.type == SOCK_RAW;
	uint32_t from = raw ? 0 : ETH_LEN;
	struct s7_pkt pkt = { .data = (uint8_t *)(uintptr_t)fed->bytes, .len = fed->len,
			      .total = fed->len };
	struct s7_frame frame = {
		.pkt = &pkt,
		.name = fed->name,
		.wall = fed->wall,
		.body = raw ? ETH_LEN : 0,
		.len = from + fed->aux->tp_len,
		.status = fed->aux->tp_status & STATUS_KEPT,
		.proto = ntohs(fed->name->sll_protocol),
		.vlan_tci = fed->aux->tp_vlan_tci,
		.vlan_tpid = fed->aux->tp_vlan_tpid,
		.link = fed->aux->tp_net,
		.type = fed->name->sll_pkttype,
	};

	if (!ps->rx.mem || !fed->len)
		return;
	if (raw)
		memcpy(frame.head, fed->bytes, s7_min(fed->len, sizeof(frame.head)));
	packet_ring_put(ps, &frame, from, fed->len);
}
