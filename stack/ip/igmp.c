/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * igmp.c - telling routers which groups an interface wants (IGMPv3, RFC 3376; v2 and v1 routers)
 *
 * Only on interfaces that are ours alone: beside a kernel the program's kernel socket has joined
 * too, so the kernel reports, and the NIC and the switch pass the frames. A change is told at once
 * and, after a random part of a second, once more (5.1, robustness 2); a query is answered group by
 * group after a random part of its time (5.2). A change is always told as a mode with all its
 * sources (TO_IN, TO_EX), which routers take in any state. While an older router was heard in the
 * last 400 s its version is spoken (7.2.1). Groups of the link (224.0.0.0/24) are reported but for
 * 224.0.0.1. IPv6 groups go to mld.c.
 * Context: instance lock. Called by: group.c, ip4_in.c, the wheel.
 */
#include "stack/ip/group.h"

#include "stack/ip/arp.h"
#include "stack/ip/chain.h"
#include "stack/ip/route.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"

enum igmp_type {
	IGMP_QUERY = 0x11,
	IGMP_V1_REPORT = 0x12,
	IGMP_V2_REPORT = 0x16,
	IGMP_V2_LEAVE = 0x17,
	IGMP_V3_REPORT = 0x22,
};

enum igmp_record {
	REC_IS_INCLUDE = 1,
	REC_IS_EXCLUDE = 2,
	REC_TO_INCLUDE = 3,
	REC_TO_EXCLUDE = 4,
};

#define IGMP_LEN 8
#define IGMP_V3_QUERY_LEN 12
#define IP4_ALERT_LEN 24 /* a header with the router alert option (RFC 2113) */
#define IGMP_TOS 0xc0
#define GROUP_ROUTERS 0xe0000002u  /* 224.0.0.2 */
#define GROUP_V3 0xe0000016u	   /* 224.0.0.22 */
#define OLDER_ROUTER (400 * S7_SEC) /* 8.12 */
#define UNSOLICITED S7_SEC	   /* 8.11 */
#define ROBUSTNESS 2

/* Is it ours to report? */
static bool reports(const struct s7_inst *inst, const struct s7_group *group)
{
	const struct s7_iface *iface = &inst->iface[group->iface];

	return iface->index != S7_IFACE_LO && iface->flags & IFACE_UP &&
	       !(iface->flags & IFACE_SHARED) && ip_v4(&group->ip) != htonl(INADDR_ALLHOSTS_GROUP);
}

/* Sum, IP header with router alert, link header of the group `to` (host order), and out. */
static void igmp_send(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt, uint32_t to)
{
	static const uint8_t alert[4] = { 0x94, 4, 0, 0 };
	struct s7_ip group = ip_from_v4(htonl(to)), src = iface_source(iface, &group);
	struct s7_ip4 h = { .src = ip_v4(&src), .dst = htonl(to), .id = inst->ip_id++,
			    .tos = IGMP_TOS, .ttl = 1, .proto = IPPROTO_IGMP, .df = true };
	uint8_t mac[6] = { 0x01, 0x00, 0x5e };
	uint8_t *p;

	put_raw16(pkt->data + 2, csum_fold(chain_sum(pkt, 0, pkt->total, 0)));
	h.total = (uint16_t)(pkt->total + IP4_ALERT_LEN);
	p = pkt_push(pkt, IP4_ALERT_LEN);
	ip4_write(p, &h);
	p[0] = 0x40 | IP4_ALERT_LEN / 4;
	memcpy(p + IP4_LEN, alert, sizeof(alert));
	put_raw16(p + 10, csum_fold(csum_partial(p, IP4_ALERT_LEN, 0)));
	pkt->l2_len = ETH_LEN;
	pkt->l3_len = IP4_ALERT_LEN;
	mac[3] = (to >> 16) & 0x7f;
	put_be16(mac + 4, (uint16_t)to);
	stat_add(inst, STAT_IGMP_REPORTS_OUT, 1);
	eth_output(inst, iface, pkt, mac, ETH_TYPE_IP4);
}

static struct s7_pkt *igmp_alloc(struct s7_inst *inst, uint32_t len)
{
	struct s7_pkt *pkt = pkt_alloc(inst);

	if (!pkt) {
		inst->drop[DROP_NO_PKT]++;
		return NULL;
	}
	memset(pkt->data, 0, len);
	pkt->len = pkt->total = len;
	return pkt;
}

static void report_old(struct s7_inst *inst, const struct s7_group *group, uint8_t type)
{
	struct s7_pkt *pkt = igmp_alloc(inst, IGMP_LEN);
	uint32_t to = ntohl(ip_v4(&group->ip));

	if (!pkt)
		return;
	pkt->data[0] = type;
	put_raw32(pkt->data + 4, ip_v4(&group->ip));
	igmp_send(inst, &inst->iface[group->iface], pkt,
		  type == IGMP_V2_LEAVE ? GROUP_ROUTERS : to);
}

/* One record: the state, as an answer or as a change. */
static void report_v3(struct s7_inst *inst, const struct s7_group *group, bool change)
{
	struct s7_ip sources[GROUP_SOURCES_MAX];
	bool exclude;
	uint32_t n = group_state(group, &exclude, sources);
	struct s7_pkt *pkt = igmp_alloc(inst, IGMP_LEN + 8 + 4 * n);
	uint8_t *record;

	if (!pkt)
		return;
	pkt->data[0] = IGMP_V3_REPORT;
	put_be16(pkt->data + 6, 1);
	record = pkt->data + IGMP_LEN;
	record[0] = exclude ? (change ? REC_TO_EXCLUDE : REC_IS_EXCLUDE) :
			      (change ? REC_TO_INCLUDE : REC_IS_INCLUDE);
	put_be16(record + 2, (uint16_t)n);
	put_raw32(record + 4, ip_v4(&group->ip));
	for (uint32_t i = 0; i < n; i++)
		put_raw32(record + 8 + 4 * i, ip_v4(&sources[i]));
	igmp_send(inst, &inst->iface[group->iface], pkt, GROUP_V3);
}

static void report(struct s7_inst *inst, const struct s7_group *group, bool change)
{
	const struct s7_group_table *table = inst->groups;
	bool v1 = table->v1_until[group->iface] > inst->now;
	bool v2 = v1 || table->v2_until[group->iface] > inst->now;
	bool wanted = group_in_use(group);

	if (!ip_is_v4(&group->ip))
		mld_report(inst, group, change);
	else if (!v2)
		report_v3(inst, group, change);
	else if (wanted)
		report_old(inst, group, v1 ? IGMP_V1_REPORT : IGMP_V2_REPORT);
	else if (!v1)
		report_old(inst, group, IGMP_V2_LEAVE);
}

static void arm_within(struct s7_inst *inst, struct s7_group *group, s7_time ns)
{
	s7_time at = inst->now + WHEEL_TICK_NS + inst_random(inst) % (ns + 1);

	if (!timer_armed(&group->timer) || at < group->timer.deadline)
		timer_arm(&inst->wheel, &group->timer, at);
}

void group_changed(struct s7_inst *inst, struct s7_group *group)
{
	if (!(ip_is_v4(&group->ip) ? reports(inst, group) : mld_reports(inst, group))) {
		if (!group_in_use(group))
			group_free(inst, group);
		return;
	}
	report(inst, group, true);
	group->changes = ROBUSTNESS - 1;
	arm_within(inst, group, UNSOLICITED);
}

void group_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_group *group = s7_container(timer, struct s7_group, timer);
	struct s7_inst *inst = ctx;

	(void)now;
	if (group->changes) {
		group->changes--;
		report(inst, group, true);
	} else if (group->asked && group_in_use(group)) {
		report(inst, group, false);
	}
	group->asked = false;
	if (group->changes)
		arm_within(inst, group, UNSOLICITED);
	else if (!group_in_use(group))
		group_free(inst, group);
}

void group_query(struct s7_inst *inst, const struct s7_iface *iface, const struct s7_ip *ip,
		 bool v4, s7_time within)
{
	struct s7_group *group;

	for (uint32_t i = 0; i < GROUP_BUCKETS; i++) {
		for (group = inst->groups->bucket[i]; group; group = group->next) {
			if (group->iface != iface->index || ip_is_v4(&group->ip) != v4 ||
			    (ip && !ip_equal(&group->ip, ip)) || !group_in_use(group) ||
			    !(v4 ? reports(inst, group) : mld_reports(inst, group)))
				continue;
			group->asked = true;
			arm_within(inst, group, within);
		}
	}
}

/* 4.1.1: tenths of a second, or a mantissa and an exponent. */
static s7_time response_time(uint8_t code)
{
	uint32_t tenths = code < 128 ? code : ((code & 15u) | 16u) << (((code >> 4) & 7) + 3);

	return tenths * (S7_SEC / 10);
}

static void igmp_query(struct s7_inst *inst, const struct s7_pkt *pkt, const struct s7_rx *rx)
{
	struct s7_group_table *table = inst->groups;
	uint32_t be = get_raw32(pkt->data + 4);
	struct s7_ip group = ip_from_v4(be);
	uint8_t code = pkt->data[1], iface = rx->iface->index;

	if (pkt->total < IGMP_V3_QUERY_LEN) {
		if (code)
			table->v2_until[iface] = inst->now + OLDER_ROUTER;
		else
			table->v1_until[iface] = inst->now + OLDER_ROUTER;
	}
	group_query(inst, rx->iface, be ? &group : NULL, true,
		    code ? response_time(code) : 10 * S7_SEC);
}

void igmp_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	enum s7_drop why = DROP_NONE;

	if (pkt->len < IGMP_LEN || csum_fold(chain_sum(pkt, 0, pkt->total, 0)) != 0)
		why = DROP_IGMP_BAD;
	else if (pkt->data[0] == IGMP_QUERY)
		igmp_query(inst, pkt, rx);
	pkt_drop(inst, pkt, why); /* reports of others: versions 3 of both ends do not suppress */
}
