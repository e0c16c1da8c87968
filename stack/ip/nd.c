/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nd.c - neighbour discovery: solicitations and advertisements in and out (RFC 4861), duplicate
 * addresses (RFC 4862 5.4)
 *
 * In, step by step: hop limit 255, so that only a neighbour can have sent it; no extension headers,
 * so no fragments (RFC 6980); parse; refuse what
 * cannot be true. A solicitation for an address of this interface teaches the sender's link address
 * and is answered, unless the kernel has the address and does so itself. An advertisement changes
 * what we know of a neighbour that was asked for (neigh_advertised). Advertisements of routers are
 * router.c's; redirects are not believed: routes are the kernel's or the configuration's.
 * A new address of ours alone is probed once from :: and used meanwhile (RFC 4429: without
 * overriding what others know). One who answers or probes for it too within a second keeps it: the
 * address is marked, said in the log and no longer ours. What comes from our own link address is no
 * rival but an echo, or another process with the same interface. Only instance 0 probes, the others
 * trust it.
 * Context: instance lock. Called by: icmp6.c, neigh.c, addr.c, the timer wheel.
 */
#include "stack/ip/arp.h"
#include "stack/ip/icmp6.h"
#include "stack/ip/ip6.h"
#include "stack/ip/route.h"
#include "stack/ip/router.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"

#define PROBE_WAIT S7_SEC /* RetransTimer */

static const struct s7_ip nobody;
static const struct s7_ip all_nodes = { .b = { 0xff, 2, [15] = 1 } };

struct s7_ip nd_solicited_group(const struct s7_ip *ip)
{
	return (struct s7_ip){ .b = { 0xff, 2, [11] = 1, 0xff, ip->b[13], ip->b[14], ip->b[15] } };
}

/* A message gets its sum and its header. */
static void nd_wrap(struct s7_pkt *pkt, const struct s7_ip *src, const struct s7_ip *dst)
{
	struct s7_ip6 h = { .next = IPPROTO_ICMPV6, .hops = ND_HOPS };
	uint32_t sum;

	h.payload = (uint16_t)pkt->len;
	memcpy(h.src, src->b, IP6_ADDR_LEN);
	memcpy(h.dst, dst->b, IP6_ADDR_LEN);
	sum = ip_pseudo_sum(src, dst, IPPROTO_ICMPV6, pkt->len);
	put_raw16(pkt->data + 2, csum_fold(csum_partial(pkt->data, pkt->len, sum)));
	ip6_write(pkt_push(pkt, IP6_LEN), &h);
}

/* A message on its way: the packet begins at its IPv6 header. NULL: no packet. */
static struct s7_pkt *nd_packet(struct s7_inst *inst, const struct s7_nd *nd,
				const struct s7_ip *src, const struct s7_ip *dst)
{
	struct s7_pkt *pkt = pkt_alloc(inst);

	if (!pkt) {
		inst->drop[DROP_NO_PKT]++;
		return NULL;
	}
	pkt->len = pkt->total = nd_write(pkt->data, nd);
	nd_wrap(pkt, src, dst);
	return pkt;
}

void nd_send_message(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt,
		     const struct s7_ip *src, const struct s7_ip *group)
{
	uint8_t mac[6];

	nd_wrap(pkt, src, group);
	ip6_group_mac(group, mac);
	eth_output(inst, iface, pkt, mac, ETH_TYPE_IP6);
}

/* To `mac`, or when NULL to the group's. */
static void nd_send(struct s7_inst *inst, struct s7_iface *iface, const struct s7_nd *nd,
		    const struct s7_ip *src, const struct s7_ip *dst, const uint8_t *mac)
{
	struct s7_pkt *pkt = nd_packet(inst, nd, src, dst);
	uint8_t group[6];

	if (!pkt)
		return;
	ip6_group_mac(dst, group);
	eth_output(inst, iface, pkt, mac ? mac : group, ETH_TYPE_IP6);
}

/* ---- asking ---- */

/* Who asks: the sender of what waits, if it is this interface's address (RFC 4861 7.2.2). */
static struct s7_ip asker(const struct s7_inst *inst, const struct s7_iface *iface,
			  const struct s7_neigh *neigh)
{
	const struct s7_pkt *waits = neigh->queued ? neigh->queue[0] : NULL;
	struct s7_ip6 h;
	struct s7_ip src;

	if (waits && !ip6_parse(waits->data, waits->len, IP6_LEN + IP6_PAYLOAD_MAX, &h)) {
		memcpy(src.b, h.src, IP6_ADDR_LEN);
		if (ip6_addr_of(iface, &src))
			return src;
	}
	return ip6_source(inst, iface, &neigh->ip);
}

void nd_ask(struct s7_inst *inst, const struct s7_neigh *neigh, bool unicast)
{
	struct s7_iface *iface = &inst->iface[neigh->iface];
	struct s7_ip src = asker(inst, iface, neigh), group = nd_solicited_group(&neigh->ip);
	const struct s7_iface_addr *addr = ip6_addr_of(iface, &src);
	struct s7_nd nd = { .type = ICMP6_T_NEIGH_SOLICIT };

	if (ip_is_any(&src))
		return; /* without an address nobody can answer */
	memcpy(nd.target, neigh->ip.b, IP6_ADDR_LEN);
	memcpy(nd.link, iface->mac, sizeof(nd.link));
	/* of an address still being checked others must learn nothing (RFC 4429 3.2) */
	nd.has_link = !addr || !(addr->flags & ADDR_TENTATIVE);
	stat_add(inst, STAT_ND_SOLICITS_OUT, 1);
	nd_send(inst, iface, &nd, &src, unicast ? &neigh->ip : &group,
		unicast ? neigh->mac : NULL);
}

/* ---- answering ---- */

static void nd_answer(struct s7_inst *inst, struct s7_iface *iface,
		      const struct s7_iface_addr *addr, const struct s7_ip *asker)
{
	struct s7_nd nd = { .type = ICMP6_T_NEIGH_ADVERT, .has_link = true };
	bool probe = ip_is_any(asker); /* it cannot be answered: everybody is told */
	struct s7_neigh *neigh;
	struct s7_pkt *pkt;

	memcpy(nd.target, addr->ip.b, IP6_ADDR_LEN);
	memcpy(nd.link, iface->mac, sizeof(nd.link));
	nd.flags = (uint8_t)((probe ? 0 : ND_SOLICITED) |
			     (addr->flags & ADDR_TENTATIVE ? 0 : ND_OVERRIDE));
	stat_add(inst, STAT_ND_ADVERTS_OUT, 1);
	if (probe) {
		nd_send(inst, iface, &nd, &addr->ip, &all_nodes, NULL);
		return;
	}
	neigh = neigh_get(inst, iface, asker);
	pkt = neigh ? nd_packet(inst, &nd, &addr->ip, asker) : NULL;
	if (pkt)
		neigh_output(inst, neigh, pkt);
}

static struct s7_iface_addr *addr_known(struct s7_iface *iface, const struct s7_ip *ip)
{
	uint32_t i;

	for (i = 0; i < iface->addr6_count; i++)
		if (ip_equal(&iface->addr6[i].ip, ip))
			return &iface->addr6[i];
	return NULL;
}

static void addr_is_duplicate(struct s7_inst *inst, struct s7_iface *iface,
			      struct s7_iface_addr *addr)
{
	char text[INET6_ADDRSTRLEN] = "";

	addr->flags = (uint8_t)((addr->flags & ~ADDR_TENTATIVE) | ADDR_DUPLICATE);
	inst->routes->generation++;
	stat_add(inst, STAT_ND_DUPLICATES, 1);
	inet_ntop(AF_INET6, addr->ip.b, text, sizeof(text));
	inst_log(inst, LOG_ERROR, "%s: somebody else has the address %s: it is not used",
		 iface->name, text);
}

static enum s7_drop solicited(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_nd *nd,
			      const struct s7_ip *target)
{
	struct s7_iface *iface = rx->iface;
	struct s7_iface_addr *addr = addr_known(iface, target);
	struct s7_ip group = nd_solicited_group(target);
	struct s7_neigh *neigh;

	/* RFC 4861 7.1.1: who has no address yet asks the group and tells no link address */
	if (ip_is_any(&rx->src) && (nd->has_link || !ip_equal(&rx->dst, &group)))
		return DROP_ND_BAD;
	if (!addr || addr->flags & ADDR_DUPLICATE)
		return DROP_ND_IGNORED;
	if (!ip_is_any(&rx->src) && nd->has_link) {
		neigh = neigh_get(inst, iface, &rx->src);
		if (neigh)
			neigh_update(inst, neigh, nd->link, false);
	}
	if (addr->flags & ADDR_KERNEL || iface->flags & (IFACE_SHARED | IFACE_NO_ARP))
		return DROP_NONE;
	if (ip_is_any(&rx->src) && addr->flags & ADDR_TENTATIVE) {
		addr_is_duplicate(inst, iface, addr);
		return DROP_NONE;
	}
	nd_answer(inst, iface, addr, &rx->src);
	return DROP_NONE;
}

static enum s7_drop advertised(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_nd *nd,
			       const struct s7_ip *target)
{
	struct s7_iface_addr *addr = addr_known(rx->iface, target);
	struct s7_neigh *neigh;

	if (ip_is_multicast(&rx->dst) && nd->flags & ND_SOLICITED)
		return DROP_ND_BAD;
	if (addr && addr->flags & ADDR_TENTATIVE)
		addr_is_duplicate(inst, rx->iface, addr);
	if (addr && !(addr->flags & ADDR_DUPLICATE))
		return DROP_ND_BAD; /* ours, and proven to be so */
	neigh = neigh_find(inst, rx->iface, target);
	if (!neigh)
		return DROP_ND_IGNORED;
	neigh_advertised(inst, neigh, nd->has_link ? nd->link : NULL, nd->flags & ND_SOLICITED,
			 nd->flags & ND_OVERRIDE);
	return DROP_NONE;
}

/* The link header is still there, right before the IPv6 header. */
static bool is_echo(const struct s7_iface *iface, const struct s7_pkt *pkt)
{
	return mac_equal(eth_src(pkt->data - IP6_LEN - ETH_LEN), iface->mac);
}

void nd_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	enum s7_drop why = DROP_ND_IGNORED;
	struct s7_ip target;
	struct s7_nd nd;

	if (rx->ttl != ND_HOPS || rx->iface->index == S7_IFACE_LO || pkt->l3_len != IP6_LEN) {
		pkt_drop(inst, pkt, DROP_ND_BAD);
		return;
	}
	if (is_echo(rx->iface, pkt)) {
		pkt_drop(inst, pkt, DROP_ETH_OWN_FRAME);
		return;
	}
	/* options beyond the first buffer are nobody's */
	if (pkt->data[0] == ICMP6_T_ROUTER_ADVERT && pkt->len == pkt->total)
		why = router_advertised(inst, rx, pkt->data, pkt->len);
	if (pkt->data[0] == ICMP6_T_NEIGH_SOLICIT || pkt->data[0] == ICMP6_T_NEIGH_ADVERT) {
		why = DROP_ND_BAD;
		if (pkt->len == pkt->total && nd_parse(pkt->data, pkt->len, &nd)) {
			memcpy(target.b, nd.target, IP6_ADDR_LEN);
			if (!ip_is_multicast(&target) && !ip_is_v4(&target) &&
			    !(nd.has_link && (mac_is_group(nd.link) || mac_is_zero(nd.link))))
				why = nd.type == ICMP6_T_NEIGH_SOLICIT ?
					      solicited(inst, rx, &nd, &target) :
					      advertised(inst, rx, &nd, &target);
		}
	}
	pkt_drop(inst, pkt, why);
}

/* ---- duplicates ---- */

void nd_check_duplicates(struct s7_inst *inst, struct s7_iface *iface)
{
	struct s7_nd nd = { .type = ICMP6_T_NEIGH_SOLICIT };
	uint32_t i;

	for (i = 0; i < iface->addr6_count; i++) {
		struct s7_iface_addr *addr = &iface->addr6[i];
		struct s7_ip group = nd_solicited_group(&addr->ip);

		if (!(addr->flags & ADDR_TENTATIVE) || addr->probed_at)
			continue;
		if (inst->index || !(iface->flags & IFACE_UP) || iface->flags & IFACE_NO_ARP) {
			addr->flags &= (uint8_t)~ADDR_TENTATIVE;
			continue;
		}
		addr->probed_at = inst->now;
		memcpy(nd.target, addr->ip.b, IP6_ADDR_LEN);
		stat_add(inst, STAT_ND_SOLICITS_OUT, 1);
		nd_send(inst, iface, &nd, &nobody, &group, NULL);
		timer_arm(&inst->wheel, &inst->neigh->duplicates, inst->now + PROBE_WAIT);
	}
}

/* Armed anew by each probe, so all are a second old at least. */
void nd_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_inst *inst = ctx;
	uint32_t i, j;

	(void)timer;
	for (i = 1; i < inst->iface_count; i++)
		for (j = 0; j < inst->iface[i].addr6_count; j++)
			if (now - inst->iface[i].addr6[j].probed_at >= PROBE_WAIT)
				inst->iface[i].addr6[j].flags &= (uint8_t)~ADDR_TENTATIVE;
}
