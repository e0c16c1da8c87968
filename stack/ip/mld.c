/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mld.c - telling routers which IPv6 groups an interface wants (MLDv2, RFC 3810; v1 routers)
 *
 * The twin of igmp.c, which keeps the timers; here are the messages. Groups of this node's scope
 * and all nodes (ff01::/16, ff02::1) are nobody's business. A message counts only from a
 * link-local address with hop limit 1 (5.1.14). The solicited-node groups of our addresses are
 * among the groups (RFC 4861 7.2.1), so that a switch that snoops passes on what neighbours ask.
 * Context: instance lock. Called by: igmp.c, icmp6.c.
 */
#include "stack/ip/group.h"

#include "stack/ip/arp.h"
#include "stack/ip/chain.h"
#include "stack/ip/ip6.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip6.h"

enum mld_type { MLD_QUERY = 130, MLD_REPORT = 131, MLD_DONE = 132, MLD_V2_REPORT = 143 };

#define MLD_V1_LEN 24
#define MLD_V2_QUERY_LEN 28
#define MLD_V2_LEN 8
#define MLD_RECORD_LEN 20
#define ALERT_LEN 8 /* hop-by-hop header with the router alert option (RFC 2711) */
#define OLDER_ROUTER (400 * S7_SEC)

enum mld_record { REC_IS_INCLUDE = 1, REC_IS_EXCLUDE, REC_TO_INCLUDE, REC_TO_EXCLUDE };

bool mld_reports(const struct s7_inst *inst, const struct s7_group *group)
{
	const struct s7_iface *iface = &inst->iface[group->iface];
	const struct s7_ip *ip = &group->ip;

	if (iface->index == S7_IFACE_LO || !(iface->flags & IFACE_UP) ||
	    iface->flags & IFACE_SHARED || (ip->b[1] & 15) < 2)
		return false;
	return ip->w[0] != htonl(0xff020000) || ip->w[1] || ip->w[2] || ip->w[3] != htonl(1);
}

static const struct s7_ip *link_local_of(const struct s7_iface *iface)
{
	static const struct s7_ip none;

	for (uint32_t i = 0; i < iface->addr6_count; i++)
		if (ip_is_link_local6(&iface->addr6[i].ip))
			return &iface->addr6[i].ip;
	return &none;
}

/* Sum, hop-by-hop header with router alert, IPv6 and link header. */
static void mld_send(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt,
		     const struct s7_ip *to)
{
	static const uint8_t alert[ALERT_LEN] = { IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0 };
	const struct s7_ip *src = link_local_of(iface);
	struct s7_ip6 h = { .next = IP6_EXT_HOPBYHOP, .hops = 1 };
	uint8_t mac[6];

	put_raw16(pkt->data + 2,
		  csum_fold(chain_sum(pkt, 0, pkt->total,
				      ip_pseudo_sum(src, to, IPPROTO_ICMPV6, pkt->total))));
	memcpy(pkt_push(pkt, ALERT_LEN), alert, ALERT_LEN);
	memcpy(h.src, src->b, sizeof(h.src));
	memcpy(h.dst, to->b, sizeof(h.dst));
	h.payload = (uint16_t)pkt->total;
	ip6_write(pkt_push(pkt, IP6_LEN), &h);
	pkt->l2_len = ETH_LEN;
	pkt->l3_len = IP6_LEN;
	pkt->flags |= PKT_L3_V6;
	ip6_group_mac(to, mac);
	stat_add(inst, STAT_MLD_REPORTS_OUT, 1);
	eth_output(inst, iface, pkt, mac, ETH_TYPE_IP6);
}

static void report_v1(struct s7_inst *inst, const struct s7_group *group, struct s7_pkt *pkt)
{
	static const struct s7_ip routers = { .b = { 0xff, 2, [15] = 2 } };
	bool wanted = group_in_use(group);

	memset(pkt->data, 0, MLD_V1_LEN);
	pkt->len = pkt->total = MLD_V1_LEN;
	pkt->data[0] = wanted ? MLD_REPORT : MLD_DONE;
	memcpy(pkt->data + 8, group->ip.b, 16);
	mld_send(inst, &inst->iface[group->iface], pkt, wanted ? &group->ip : &routers);
}

void mld_report(struct s7_inst *inst, const struct s7_group *group, bool change)
{
	static const struct s7_ip v2_routers = { .b = { 0xff, 2, [15] = 0x16 } };
	struct s7_ip sources[GROUP_SOURCES_MAX];
	struct s7_pkt *pkt = pkt_alloc(inst);
	uint8_t *record;
	bool exclude;
	uint32_t n;

	if (!pkt) {
		inst->drop[DROP_NO_PKT]++;
		return;
	}
	if (inst->groups->mld1_until[group->iface] > inst->now) {
		report_v1(inst, group, pkt);
		return;
	}
	n = group_state(group, &exclude, sources);
	pkt->len = pkt->total = MLD_V2_LEN + MLD_RECORD_LEN + 16 * n;
	memset(pkt->data, 0, pkt->len);
	pkt->data[0] = MLD_V2_REPORT;
	put_be16(pkt->data + 6, 1);
	record = pkt->data + MLD_V2_LEN;
	record[0] = exclude ? (change ? REC_TO_EXCLUDE : REC_IS_EXCLUDE) :
			      (change ? REC_TO_INCLUDE : REC_IS_INCLUDE);
	put_be16(record + 2, (uint16_t)n);
	memcpy(record + 4, group->ip.b, 16);
	for (uint32_t i = 0; i < n; i++)
		memcpy(record + MLD_RECORD_LEN + 16 * i, sources[i].b, 16);
	mld_send(inst, &inst->iface[group->iface], pkt, &v2_routers);
}

/* 5.1.3: milliseconds, or a mantissa and an exponent. */
static s7_time response_time(uint16_t code)
{
	uint64_t ms =
		code < 32768 ? code : ((code & 0xfffull) | 0x1000) << (((code >> 12) & 7) + 3);

	return ms * S7_MS;
}

void mld_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	struct s7_ip group;

	if (pkt->len < MLD_V1_LEN || rx->ttl != 1 || !ip_is_link_local6(&rx->src)) {
		pkt_drop(inst, pkt, DROP_IGMP_BAD);
		return;
	}
	memcpy(group.b, pkt->data + 8, 16);
	if (pkt->data[0] == MLD_QUERY) {
		if (pkt->total < MLD_V2_QUERY_LEN)
			inst->groups->mld1_until[rx->iface->index] = inst->now + OLDER_ROUTER;
		group_query(inst, rx->iface, ip_is_any(&group) ? NULL : &group, false,
			    response_time(get_be16(pkt->data + 4)));
	}
	pkt_drop(inst, pkt, DROP_NONE);
}
