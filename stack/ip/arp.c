/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp.c - ARP packets in and out (RFC 826, RFC 5227)
 *
 * In, step by step: parse; refuse what cannot be true (sender's link address zero, group or ours;
 * sender's IP a broadcast, multicast or one of our own); update the sender if we know it; make an
 * entry for it only if it asks for us; answer a request for one of our addresses, unless the kernel
 * shares the interface and does so itself. A probe (sender 0.0.0.0) is answered and teaches
 * nothing. A reply nobody asked for changes known entries only. Context: instance lock. Called by:
 * eth_in.c, neigh.c.
 */
#include "stack/ip/arp.h"

#include "stack/ip/route.h"
#include "stack/wire/arp.h"

#define FRAME_MIN 60u /* without the frame check sequence */

static const uint8_t mac_everybody[6] = { 255, 255, 255, 255, 255, 255 };

static void arp_send(struct s7_inst *inst, struct s7_iface *iface, const struct s7_arp *arp,
		     const uint8_t *link_dst)
{
	struct s7_pkt *pkt = pkt_alloc(inst);

	if (!pkt) {
		inst->drop[DROP_NO_PKT]++;
		return;
	}
	pkt->len = pkt->total = FRAME_MIN - ETH_LEN;
	memset(pkt->data, 0, pkt->len);
	arp_write(pkt->data, arp);
	eth_output(inst, iface, pkt, link_dst, ETH_TYPE_ARP);
}

void arp_ask(struct s7_inst *inst, const struct s7_neigh *neigh, bool unicast)
{
	struct s7_iface *iface = &inst->iface[neigh->iface];
	struct s7_ip source = iface_source(iface, &neigh->ip);
	struct s7_arp arp = { .op = ARP_REQUEST, .sender_ip = ip_v4(&source),
			      .target_ip = ip_v4(&neigh->ip) };

	memcpy(arp.sender_mac, iface->mac, ETH_MAC_LEN);
	stat_add(inst, STAT_ARP_REQUESTS_OUT, 1);
	arp_send(inst, iface, &arp, unicast ? neigh->mac : mac_everybody);
}

static void arp_answer(struct s7_inst *inst, struct s7_iface *iface, const struct s7_arp *request)
{
	struct s7_arp arp = { .op = ARP_REPLY, .sender_ip = request->target_ip,
			      .target_ip = request->sender_ip };

	memcpy(arp.sender_mac, iface->mac, ETH_MAC_LEN);
	memcpy(arp.target_mac, request->sender_mac, ETH_MAC_LEN);
	stat_add(inst, STAT_ARP_REPLIES_OUT, 1);
	arp_send(inst, iface, &arp, request->sender_mac);
}

static bool arp_credible(const struct s7_inst *inst, const struct s7_iface *iface,
			 const struct s7_arp *arp)
{
	enum ip4_class class = ip4_classify(inst, arp->sender_ip);

	if (mac_is_group(arp->sender_mac) || mac_is_zero(arp->sender_mac) ||
	    mac_equal(arp->sender_mac, iface->mac))
		return false;
	return class == IP4_OTHER || (arp->sender_ip == 0 && arp->op == ARP_REQUEST);
}

/*
 * Who asks for us, or announces itself, is believed at once. Of several answers the first counts
 * for a second (proxies answer too), as in Linux.
 */
static bool arp_overrides(const struct s7_inst *inst, const struct s7_neigh *neigh,
			  const struct s7_arp *arp, bool for_us)
{
	return (for_us && arp->op == ARP_REQUEST) || arp->sender_ip == arp->target_ip ||
	       mac_equal(neigh->mac, arp->sender_mac) || !neigh_locked(inst, neigh);
}

static void arp_handle(struct s7_inst *inst, struct s7_iface *iface, const struct s7_arp *arp)
{
	struct s7_ip sender = ip_from_v4(arp->sender_ip);
	bool for_us = ip4_classify(inst, arp->target_ip) == IP4_LOCAL;
	struct s7_neigh *neigh = NULL;

	if (arp->sender_ip) {
		neigh = neigh_find(inst, iface, &sender);
		if (!neigh && for_us && arp->op == ARP_REQUEST)
			neigh = neigh_get(inst, iface, &sender);
		if (neigh && arp_overrides(inst, neigh, arp, for_us))
			neigh_update(inst, neigh, arp->sender_mac, for_us && arp->op == ARP_REPLY);
	}
	if (arp->op == ARP_REQUEST && for_us && !(iface->flags & (IFACE_SHARED | IFACE_NO_ARP)))
		arp_answer(inst, iface, arp);
}

void arp_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt)
{
	struct s7_arp arp;

	if (!arp_parse(pkt->data, pkt->len, &arp) || !arp_credible(inst, iface, &arp)) {
		pkt_drop(inst, pkt, DROP_ARP_BAD);
		return;
	}
	arp_handle(inst, iface, &arp);
	pkt_free(inst, pkt);
}
