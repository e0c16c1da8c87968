/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip6_in.c - IPv6 packets in: is it one, is it ours, who gets it
 *
 * Steps: parse and lengths; padding behind the payload is cut off; addresses that may not be on a
 * wire are refused (v4-mapped ones would be taken for IPv4 further up); the destination must be
 * ours, link-local ones on their own interface, or a group we are in: all nodes, the solicited-node
 * groups of our addresses, ::1 on lo; extension headers (ip6_ext.c); the transport gets the rest,
 * data at its header, pkt->l3_len telling how far back the IPv6 header begins. The hop limit is not
 * looked at: we forward nothing. An unknown header is answered by a parameter problem, unless the
 * kernel shares the address and has its own opinion. Context: instance lock. Called by: eth_in.c.
 */
#include "stack/ip/group.h"
#include "stack/ip/ip_in.h"

#include "stack/ip/chain.h"
#include "stack/ip/icmp6.h"
#include "stack/ip/ip6.h"

#define HEADERS_MAX 128 /* made contiguous: IPv6 and transport headers with all options */

/* Addresses that no packet may carry (RFC 4291 2.5.5.2). */
static bool is_mapped(const struct s7_ip *ip)
{
	return ip_is_v4(ip);
}

static bool solicits_us(const struct s7_iface *iface, const struct s7_ip *group)
{
	uint32_t i;

	if (group->w[0] != htonl(0xff020000) || group->w[1] || group->w[2] != htonl(1) ||
	    group->b[12] != 0xff)
		return false;
	for (i = 0; i < iface->addr6_count; i++)
		if (!((iface->addr6[i].ip.w[3] ^ group->w[3]) & htonl(0x00ffffff)))
			return true;
	return false;
}

/* ff01::1 and ff02::1, what neighbours are asked by, and what sockets joined. */
static bool group_is_ours(const struct s7_iface *iface, const struct s7_ip *group)
{
	bool all_nodes = group->b[0] == 0xff && (group->b[1] == 1 || group->b[1] == 2) &&
		!group->w[1] && !group->w[2] && group->w[3] == htonl(1) && !group->b[2] &&
		!group->b[3];

	return all_nodes || solicits_us(iface, group);
}

static enum s7_drop check_destination(struct s7_inst *inst, const struct s7_iface *iface,
				      const struct s7_ip *dst, bool *ret_group)
{
	if (s7_likely(ip6_addr_of(iface, dst)))
		return DROP_NONE;
	if (ip_is_multicast(dst)) {
		*ret_group = true;
		return group_is_ours(iface, dst) || group_wanted(inst, iface->index, dst, NULL) ?
			       DROP_NONE : DROP_IP_GROUP;
	}
	/* weak host model; lo is where what we send to any address of ours comes back */
	if (ip_is_loopback(dst) ||
	    (ip_is_link_local6(dst) && iface->index != S7_IFACE_LO))
		return DROP_IP_NOT_MINE;
	return ip6_local_iface(inst, dst) ? DROP_NONE : DROP_IP_NOT_MINE;
}

static enum s7_drop check_source(struct s7_inst *inst, const struct s7_iface *iface,
				 const struct s7_rx *rx)
{
	const struct s7_ip *src = &rx->src;

	if (s7_unlikely(ip_is_multicast(src) || is_mapped(src) || is_mapped(&rx->dst)))
		return DROP_IP_SOURCE;
	if (s7_unlikely(ip_is_any(src))) /* a host that checks its address for duplicates */
		return rx->broadcast && rx->proto == IPPROTO_ICMPV6 ? DROP_NONE : DROP_IP_SOURCE;
	if (iface->index == S7_IFACE_LO)
		return DROP_NONE;
	return ip_is_loopback(src) || ip6_local_iface(inst, src) ? DROP_IP_SOURCE : DROP_NONE;
}

static void ip6_deliver(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx,
			uint32_t next_at)
{
	bool taken = s7_unlikely(inst->raw_count != 0) && raw_input(inst, pkt, rx);

	switch (rx->proto) {
	case IPPROTO_TCP:
		tcp_input(inst, pkt, rx);
		break;
	case IPPROTO_UDP:
		udp_input(inst, pkt, rx);
		break;
	case IPPROTO_ICMPV6:
		icmp6_input(inst, pkt, rx);
		break;
	case IP6_EXT_NONE:
		pkt_free(inst, pkt);
		break;
	default:
		if (taken) {
			pkt_free(inst, pkt);
			return;
		}
		icmp6_param(inst, pkt, rx, ICMP6_C_NEXT, next_at);
		pkt_drop(inst, pkt, DROP_IP_PROTO);
	}
}

/* What comes back by lo between link-local addresses belongs to their link (scopes, devices). */
static void rx_own_link(struct s7_inst *inst, struct s7_rx *rx)
{
	const struct s7_ip *scoped = ip_is_link_local6(&rx->dst) ? &rx->dst : &rx->src;
	struct s7_iface *iface = ip_is_link_local6(scoped) ? ip6_local_iface(inst, scoped) : NULL;

	if (iface)
		rx->iface = iface;
}

static bool is_extension(uint8_t proto)
{
	return proto == IP6_EXT_HOPBYHOP || proto == IP6_EXT_ROUTING ||
	       proto == IP6_EXT_FRAGMENT || proto == IP6_EXT_DEST;
}

void ip6_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt)
{
	struct s7_rx rx = { .iface = iface, .broadcast = pkt->flags & PKT_RX_BCAST };
	uint32_t next_at = IP6_NEXT_AT;
	enum s7_drop why;
	struct s7_ip6 h;

	if (s7_unlikely(pkt->frag && pkt->len < HEADERS_MAX))
		chain_pullup(inst, pkt, (uint32_t)s7_min(pkt->total, HEADERS_MAX));
	why = ip6_parse(pkt->data, pkt->len, pkt->total, &h);
	if (s7_likely(!why)) {
		memcpy(rx.src.b, h.src, IP6_ADDR_LEN);
		memcpy(rx.dst.b, h.dst, IP6_ADDR_LEN);
		rx.proto = h.next;
		rx.tos = h.tclass;
		rx.ttl = h.hops;
		rx.flow = get_be32(pkt->data) & 0x0fffffff;
		why = check_destination(inst, iface, &rx.dst, &rx.broadcast);
	}
	if (s7_likely(!why))
		why = pkt->flags & PKT_RX_LOOPED ? DROP_NONE : check_source(inst, iface, &rx);
	if (s7_unlikely(why)) {
		pkt_drop(inst, pkt, why);
		return;
	}
	if (s7_unlikely(iface->index == S7_IFACE_LO))
		rx_own_link(inst, &rx);
	if (pkt->total > h.payload + IP6_LEN)
		chain_trim(inst, pkt, h.payload + IP6_LEN);
	pkt->l3_len = IP6_LEN;
	pkt_pull(pkt, IP6_LEN);
	if (s7_unlikely(is_extension(rx.proto))) {
		pkt = ip6_ext_input(inst, pkt, &rx, &next_at);
		if (!pkt)
			return;
	}
	ip6_deliver(inst, pkt, &rx, next_at);
}
