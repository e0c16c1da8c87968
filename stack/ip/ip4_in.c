/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip4_in.c - IPv4 packets in: is it one, is it ours, who gets it
 *
 * Steps (RFC 1122 3.2.1): parse and lengths; header checksum unless the device did it; padding
 * behind the total length is cut off; the source must be an address a host may have (martians,
 * 3.2.1.3); the destination must be ours, a broadcast or the all-hosts group (weak host model,
 * 3.3.4.2); options must be well formed, source routes are refused (ip4_opts.c); fragments wait for
 * each other; the transport gets the rest, data at its header, pkt->l3_len telling how far back the
 * IP header begins. Time to live is not looked at (3.2.1.7). An unknown protocol is answered by
 * ICMP, unless the kernel shares the interface and has its own opinion. Context: instance lock.
 * Called by: eth_in.c.
 */
#include "stack/ip/ip_in.h"

#include "stack/ip/chain.h"
#include "stack/ip/frag.h"
#include "stack/ip/group.h"
#include "stack/ip/icmp.h"
#include "stack/ip/ip4_opts.h"
#include "stack/ip/route.h"
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"

#define HEADERS_MAX 128 /* IP and transport headers with all options; made contiguous */

static enum s7_drop check_header(const struct s7_iface *iface, const struct s7_pkt *pkt,
				 const struct s7_ip4 *h)
{
	uint32_t sum;

	if (s7_unlikely(pkt->flags & PKT_RX_L3_BAD))
		return DROP_IP_CHECKSUM;
	if (!(pkt->flags & PKT_RX_L3_GOOD) && iface->index != S7_IFACE_LO) {
		sum = s7_likely(h->hdr_len == IP4_LEN) ? csum_20(pkt->data) :
							csum_partial(pkt->data, h->hdr_len, 0);
		if (s7_unlikely(csum_fold(sum) != 0))
			return DROP_IP_CHECKSUM;
	}
	return DROP_NONE;
}

/* IGMP is for whoever is addressed: routers ask groups. */
static bool group_is_wanted(const struct s7_inst *inst, const struct s7_iface *iface,
			    const struct s7_ip4 *h)
{
	struct s7_ip group = ip_from_v4(h->dst), src = ip_from_v4(h->src);

	return h->dst == htonl(INADDR_ALLHOSTS_GROUP) ||
	       group_wanted(inst, iface->index, &group,
			    h->proto == IPPROTO_IGMP ? NULL : &src);
}

static enum s7_drop check_destination(const struct s7_inst *inst, const struct s7_iface *iface,
				      const struct s7_ip4 *h, bool *ret_broadcast)
{
	uint32_t dst = h->dst;

	switch (ip4_classify(inst, dst)) {
	case IP4_LOCAL:
		return DROP_NONE;
	case IP4_BROADCAST:
		*ret_broadcast = true;
		return DROP_NONE;
	case IP4_MULTICAST:
		*ret_broadcast = true;
		return group_is_wanted(inst, iface, h) ? DROP_NONE : DROP_IP_GROUP;
	case IP4_LOOPBACK:
		return iface->index == S7_IFACE_LO ? DROP_NONE : DROP_IP_NOT_MINE;
	default:
		return DROP_IP_NOT_MINE;
	}
}

static enum s7_drop check_source(const struct s7_inst *inst, const struct s7_iface *iface,
				 uint32_t src, bool broadcast)
{
	switch (ip4_classify(inst, src)) {
	case IP4_OTHER:
		return DROP_NONE;
	case IP4_LOCAL:
	case IP4_LOOPBACK:
		return iface->index == S7_IFACE_LO ? DROP_NONE : DROP_IP_SOURCE;
	case IP4_ANY: /* a host that asks for an address */
		return broadcast ? DROP_NONE : DROP_IP_SOURCE;
	default:
		return DROP_IP_SOURCE;
	}
}

static void unknown_proto(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	if (!(rx->iface->flags & IFACE_SHARED)) {
		pkt_push(pkt, pkt->l3_len);
		icmp_error(inst, rx, pkt, ICMP_T_UNREACH, ICMP_C_PROTO, 0);
	}
	pkt_drop(inst, pkt, DROP_IP_PROTO);
}

static void ip4_deliver(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	bool taken = s7_unlikely(inst->raw_count != 0) && raw_input(inst, pkt, rx);

	switch (rx->proto) {
	case IPPROTO_TCP:
		tcp_input(inst, pkt, rx);
		break;
	case IPPROTO_UDP:
		udp_input(inst, pkt, rx);
		break;
	case IPPROTO_ICMP:
		icmp_input(inst, pkt, rx);
		break;
	case IPPROTO_IGMP:
		igmp_input(inst, pkt, rx);
		break;
	default:
		if (taken)
			pkt_free(inst, pkt);
		else
			unknown_proto(inst, pkt, rx);
	}
}

static struct s7_pkt *ip4_fragment_in(struct s7_inst *inst, struct s7_pkt *pkt,
				      const struct s7_ip4 *h, struct s7_rx *rx)
{
	struct s7_frag frag = { .id = h->id, .off = h->frag_off, .proto = h->proto,
				.next = h->proto, .more = h->mf };

	if (frag.off + pkt->total > IP4_TOTAL_MAX - IP4_LEN ||
	    (rx->opts && !ip4_opts_keep(pkt, rx->opts))) {
		pkt_drop(inst, pkt, DROP_FRAG_BAD);
		return NULL;
	}
	return frag_input(inst, pkt, &frag, rx);
}

/* Data behind its header. The options of the first fragment are the packet's. */
static S7_NOINLINE void ip4_take_fragment(struct s7_inst *inst, struct s7_pkt *pkt,
					  const struct s7_ip4 *h, struct s7_rx *rx)
{
	struct s7_ip4_opts opts;

	pkt = ip4_fragment_in(inst, pkt, h, rx);
	if (!pkt)
		return;
	rx->opts = NULL;
	if (pkt->l3_len > IP4_LEN) {
		opts = *ip4_opts_kept(pkt);
		rx->opts = &opts;
	}
	ip4_deliver(inst, pkt, rx);
}

/* A packet that is ours; data at its IP header. */
static void ip4_take(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_ip4 *h,
		     struct s7_rx *rx)
{
	pkt->l3_len = h->hdr_len;
	pkt_pull(pkt, h->hdr_len);
	if (s7_unlikely(ip4_is_fragment(h)))
		ip4_take_fragment(inst, pkt, h, rx);
	else
		ip4_deliver(inst, pkt, rx);
}

/* The same with options. */
static S7_NOINLINE void ip4_take_opts(struct s7_inst *inst, struct s7_pkt *pkt,
				      const struct s7_ip4 *h, struct s7_rx *rx)
{
	struct s7_ip4_opts opts;

	if (!ip4_opts_in(inst, pkt, rx, &opts))
		return;
	rx->opts = &opts;
	ip4_take(inst, pkt, h, rx);
}

void ip4_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt)
{
	struct s7_rx rx = { .iface = iface, .broadcast = pkt->flags & PKT_RX_BCAST };
	bool group = false;
	enum s7_drop why;
	struct s7_ip4 h;

	if (s7_unlikely(pkt->frag && pkt->len < HEADERS_MAX))
		chain_pullup(inst, pkt, (uint32_t)s7_min(pkt->total, HEADERS_MAX));
	why = ip4_parse(pkt->data, pkt->len, pkt->total, &h);
	if (s7_likely(!why))
		why = check_header(iface, pkt, &h);
	if (s7_likely(!why))
		why = check_destination(inst, iface, &h, &group);
	if (s7_likely(!why) && s7_likely(!(pkt->flags & PKT_RX_LOOPED)))
		why = check_source(inst, iface, h.src, group);
	if (s7_unlikely(why)) {
		pkt_drop(inst, pkt, why);
		return;
	}
	if (pkt->total > h.total)
		chain_trim(inst, pkt, h.total);

	rx.src = ip_from_v4(h.src);
	rx.dst = ip_from_v4(h.dst);
	rx.proto = h.proto;
	rx.tos = h.tos;
	rx.ttl = h.ttl;
	rx.broadcast |= group;
	if (s7_likely(h.hdr_len == IP4_LEN))
		ip4_take(inst, pkt, &h, &rx);
	else
		ip4_take_opts(inst, pkt, &h, &rx);
}
