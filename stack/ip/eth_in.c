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
#include "stack/wire/ip4.h"

#define TAG_LEN 4u
#define TCP_PORTS_LEN 4u
/* So many packets before its turn its connection's bucket is fetched, and what that leads to. */
#define AHEAD_BUCKET 3u
#define AHEAD_FLOW 1u
#define HASHES 4u
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

/* IPv4 without options, TCP: the hash of its ends, whose bucket is fetched. Else 0: any bucket. */
static uint32_t hash_ahead(const struct s7_inst *inst, const struct s7_pkt *pkt)
{
	const uint8_t *ip = pkt->data + ETH_LEN, *tcp = ip + IP4_LEN;
	struct s7_ip local, remote;
	uint32_t addr[2];

	if (pkt->len < ETH_LEN + IP4_LEN + TCP_PORTS_LEN ||
	    eth_type(pkt->data) != ETH_TYPE_IP4 || ip[0] != 0x45 || ip[9] != IPPROTO_TCP)
		return 0;
	memcpy(addr, ip + 12, sizeof(addr));
	remote = ip_from_v4(addr[0]);
	local = ip_from_v4(addr[1]);
	return flow_ahead(&inst->flows, flow_hash(&inst->flows, IPPROTO_TCP, &local,
						  get_be16(tcp + 2), &remote, get_be16(tcp)));
}

void eth_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt **pkts, uint32_t count)
{
	uint32_t hash[HASHES], i;

	for (i = 0; i < count && i < AHEAD_BUCKET; i++)
		hash[i] = hash_ahead(inst, pkts[i]);
	for (i = 0; i < count; i++) {
		if (i + AHEAD_BUCKET < count)
			hash[(i + AHEAD_BUCKET) % HASHES] =
				hash_ahead(inst, pkts[i + AHEAD_BUCKET]);
		if (i + AHEAD_FLOW < count)
			flow_fetch(&inst->flows, hash[(i + AHEAD_FLOW) % HASHES]);
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
