/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eth_in.c - frames from a device to ARP and IP
 *
 * A frame is ours when it is addressed to the interface or to a group. A shared tap also shows what
 * the host itself sends (source is our own address): dropped by name, it would look like a
 * reflection of our traffic. A tag of VLAN 0 carries nothing but a priority (IEEE 802.1Q 9.6) and
 * is taken off; other VLANs have their name in drop.def until their issue comes.
 * Context: instance lock. Called by: inst_drive (a burst at a time), fuzzers.
 */
#include "stack/ip/arp.h"
#include "stack/ip/ip_in.h"
#include "stack/wire/eth.h"

#define TAG_LEN 4u
#define VLAN_ID 0xfffu

bool eth_untag(struct s7_pkt *pkt)
{
	if (pkt->len < ETH_LEN + TAG_LEN || eth_type(pkt->data) != ETH_TYPE_VLAN ||
	    get_be16(pkt->data + ETH_LEN) & VLAN_ID)
		return false;
	memmove(pkt->data + TAG_LEN, pkt->data, ETH_LEN - 2);
	pkt_pull(pkt, TAG_LEN);
	return true;
}

static void eth_one(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt)
{
	const uint8_t *frame;
	uint16_t type;

	if (s7_unlikely(pkt->len < ETH_LEN)) {
		pkt_drop(inst, pkt, DROP_ETH_SHORT);
		return;
	}
	while (s7_unlikely(eth_type(pkt->data) == ETH_TYPE_VLAN) && eth_untag(pkt))
		;
	frame = pkt->data;
	if (s7_unlikely(mac_is_group(eth_dst(frame)))) {
		pkt->flags |= PKT_RX_BCAST;
	} else if (s7_unlikely(!mac_equal(eth_dst(frame), iface->mac))) {
		pkt_drop(inst, pkt, DROP_ETH_NOT_MINE);
		return;
	}
	if (s7_unlikely(mac_equal(eth_src(frame), iface->mac) && (iface->flags & IFACE_SHARED))) {
		pkt_drop(inst, pkt, DROP_ETH_OWN_FRAME);
		return;
	}
	type = eth_type(frame);
	pkt->iface = iface->index;
	pkt->next = NULL;
	pkt_pull(pkt, ETH_LEN);
	if (s7_likely(type == ETH_TYPE_IP4))
		ip4_input(inst, iface, pkt);
	else if (type == ETH_TYPE_IP6)
		ip6_input(inst, iface, pkt);
	else if (type == ETH_TYPE_ARP)
		arp_input(inst, iface, pkt);
	else if (type == ETH_TYPE_VLAN || type == ETH_TYPE_QINQ)
		pkt_drop(inst, pkt, DROP_ETH_VLAN);
	else
		pkt_drop(inst, pkt, DROP_ETH_TYPE);
}

void eth_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt **pkts, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (i + 2 < count)
			__builtin_prefetch(pkts[i + 2]);
		if (i + 1 < count)
			__builtin_prefetch(pkts[i + 1]->data);
		eth_one(inst, iface, pkts[i]);
	}
}

void ip_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt)
{
	pkt->iface = iface->index;
	if (s7_likely(pkt->len && pkt->data[0] >> 4 == 4))
		ip4_input(inst, iface, pkt);
	else if (pkt->len && pkt->data[0] >> 4 == 6)
		ip6_input(inst, iface, pkt);
	else
		pkt_drop(inst, pkt, DROP_IP_VERSION);
}
