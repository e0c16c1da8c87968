/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp6.c - ICMPv6 (RFC 4443): echo, errors out, errors in
 *
 * The same rules as icmp.c, whose rate limit and whose way to the transports it shares. Out: RFC
 * 4443 2.4 (e) says about what no error may be sent; the quote fills the minimum MTU. In: an error
 * is believed only if it quotes a flow of ours; codes become errno values by a table with Linux's
 * division into hard and soft. A packet too big is a path MTU, never below 1280 (RFC 8201 4).
 * Neighbour discovery goes on to nd.c; router messages, redirects and listener discovery are not
 * ours to act on. Context: instance lock. Called by: ip6_in.c, ip6_ext.c, frag.c, icmp.c.
 */
#include "stack/ip/icmp6.h"

#include <errno.h>

#include "stack/ip/chain.h"
#include "stack/ip/group.h"
#include "stack/ip/icmp.h"
#include "stack/ip/ip6.h"
#include "stack/ip/route.h"
#include "stack/wire/csum.h"

#define QUOTE_MAX (PMTU_MIN6 - IP6_LEN - ICMP_LEN)
#define ICMP6_HOPS 64

static const struct icmp_errno unreach_errno[ICMP6_C_COUNT] = {
	[ICMP6_C_NO_ROUTE] = { ENETUNREACH, false },
	[ICMP6_C_PROHIBITED] = { EACCES, true },
	[ICMP6_C_BEYOND_SCOPE] = { EHOSTUNREACH, false },
	[ICMP6_C_ADDRESS] = { EHOSTUNREACH, false },
	[ICMP6_C_PORT] = { ECONNREFUSED, true },
	[ICMP6_C_POLICY] = { EACCES, true },
	[ICMP6_C_REJECT] = { EACCES, true },
};

static struct icmp_errno icmp6_errno_of(const struct s7_icmp *icmp)
{
	static const struct icmp_errno other[] = {
		[ICMP6_T_UNREACH] = { EPROTO, true }, /* a code that nobody knows */
		[ICMP6_T_TOO_BIG] = { EMSGSIZE, false },
		[ICMP6_T_TIME] = { EHOSTUNREACH, false },
		[ICMP6_T_PARAM] = { EPROTO, true },
	};

	if (icmp->type == ICMP6_T_UNREACH && icmp->code < ICMP6_C_COUNT)
		return unreach_errno[icmp->code];
	return other[icmp->type];
}

void icmp6_send(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_ip *from,
		const struct s7_ip *to, uint32_t iface, uint8_t tclass)
{
	struct s7_ip_tx tx = { .proto = IPPROTO_ICMPV6, .tos = tclass, .ttl = ICMP6_HOPS };
	uint32_t bound = ip_needs_scope(to) ? iface + 1 : 0, sum;
	struct s7_dst dst;

	if (dst_lookup(inst, to, from, bound, &dst) || dst.owner != ROUTE_STACK) {
		pkt_drop(inst, pkt, DROP_IP_NO_ROUTE);
		return;
	}
	sum = ip_pseudo_sum(&dst.src, &dst.dst, IPPROTO_ICMPV6, pkt->total);
	put_raw16(pkt->data + 2, 0);
	put_raw16(pkt->data + 2, csum_fold(chain_sum(pkt, 0, pkt->total, sum)));
	ip_output(inst, &dst, pkt, &tx);
}

/* RFC 4443 2.4 (e). Unknown options may be complained of to a group's sender. */
static bool may_answer(const struct s7_rx *rx, const struct s7_pkt *orig, uint8_t type,
		       uint8_t code)
{
	struct s7_ip6_upper upper;

	if (rx->broadcast && (type != ICMP6_T_PARAM || code != ICMP6_C_OPTION))
		return false;
	if (ip_is_any(&rx->src) || ip_is_multicast(&rx->src))
		return false;
	if (orig->len < IP6_LEN ||
	    !ip6_upper_find(orig->data + IP6_LEN, orig->len - IP6_LEN, orig->data[IP6_NEXT_AT],
			    &upper))
		return true;
	if (upper.proto != IPPROTO_ICMPV6)
		return true;
	return !upper.frag_off && orig->len > IP6_LEN + upper.at &&
	       !icmp6_type_is_error(orig->data[IP6_LEN + upper.at]);
}

void icmp6_error(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_pkt *orig_ip,
		 uint8_t type, uint8_t code, uint32_t info)
{
	static const struct s7_ip any;
	struct s7_icmp icmp = { .type = type, .code = code, .info = info };
	struct s7_pkt *pkt;

	if (!may_answer(rx, orig_ip, type, code))
		return;
	/* what comes by lo came from here: Linux does not limit it either */
	if (rx->iface->index != S7_IFACE_LO && !icmp_allowed(inst)) {
		inst->drop[DROP_ICMP_RATE]++;
		return;
	}
	pkt = pkt_copy(inst, orig_ip, 0, (uint32_t)s7_min(orig_ip->total, QUOTE_MAX));
	if (!pkt) {
		inst->drop[DROP_NO_PKT]++;
		return;
	}
	pkt->flags = 0;
	icmp_write(pkt_push(pkt, ICMP_LEN), &icmp);
	stat_add(inst, STAT_ICMP_ERRORS_OUT, 1);
	icmp6_send(inst, pkt, ip_is_multicast(&rx->dst) ? &any : &rx->dst, &rx->src,
		   rx->iface->index, 0);
}

void icmp6_param(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx, uint8_t code,
		 uint32_t pointer)
{
	uint32_t back = pkt->l3_len;

	if (ip_kernel_answers(inst, rx))
		return;
	pkt_push(pkt, back);
	icmp6_error(inst, rx, pkt, ICMP6_T_PARAM, code, pointer);
	pkt_pull(pkt, back);
}

/* What is quoted at p as a flow of ours. *ret_l4: offset of its transport header. */
static bool icmp6_quoted(const uint8_t *p, uint32_t len, struct s7_flow *ret_flow,
			 uint32_t *ret_seq, uint32_t *ret_l4)
{
	struct s7_icmp6_quote quote;

	if (!icmp6_quote_parse(p, len, &quote) || !quote.has_ports)
		return false;
	memset(ret_flow, 0, sizeof(*ret_flow));
	memcpy(ret_flow->local.b, quote.ip.src, IP6_ADDR_LEN);
	memcpy(ret_flow->remote.b, quote.ip.dst, IP6_ADDR_LEN);
	ret_flow->lport = quote.sport;
	ret_flow->rport = quote.dport;
	ret_flow->proto = quote.proto;
	*ret_seq = quote.seq;
	*ret_l4 = quote.l4;
	/* no flow of IPv4 can have been in an IPv6 packet */
	return !ip_is_v4(&ret_flow->local) && !ip_is_v4(&ret_flow->remote);
}

/* Linux sends itself an address unreachable; here it is told without the detour. */
void icmp6_tell_sender(struct s7_inst *inst, const struct s7_pkt *pkt, int err)
{
	struct s7_rx rx = { .ttl = ICMP6_HOPS, .iface = &inst->iface[S7_IFACE_LO] };
	struct s7_icmp_error e = { .err = err, .v6 = true, .type = ICMP6_T_UNREACH,
				   .code = ICMP6_C_ADDRESS, .pkt = pkt, .rx = &rx };
	struct s7_flow quoted;
	uint32_t seq;

	if (!icmp6_quoted(pkt->data, pkt->len, &quoted, &seq, &e.l4))
		return;
	rx.src = rx.dst = quoted.local;
	icmp_dispatch(inst, &quoted, seq, &e);
}

static void icmp6_error_in(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_icmp *icmp,
			   const struct s7_rx *rx)
{
	struct icmp_errno what = icmp6_errno_of(icmp);
	struct s7_icmp_error e = { .err = what.err, .hard = what.hard, .v6 = true,
				   .type = icmp->type, .code = icmp->code, .info = icmp->info,
				   .orig_len = (uint8_t)(icmp->info >> 24), .quote = ICMP_LEN,
				   .pkt = pkt, .rx = rx };
	enum s7_drop why = DROP_NONE;
	struct s7_flow quoted;
	uint32_t seq;

	if (icmp->type == ICMP6_T_TOO_BIG)
		e.mtu = (uint32_t)s7_max(icmp->info, PMTU_MIN6);
	if (!icmp6_quoted(pkt->data + ICMP_LEN, pkt->len - ICMP_LEN, &quoted, &seq, &e.l4)) {
		why = DROP_ICMP_SHORT;
	} else {
		e.l4 += ICMP_LEN;
		if (!icmp_dispatch(inst, &quoted, seq, &e))
			why = DROP_ICMP_NO_FLOW;
	}
	pkt_drop(inst, pkt, why);
}

/* Answers in the same buffers when they may be written and have room for our headers. */
static void icmp6_echo(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	static const struct s7_ip any;
	struct s7_pkt *reply = pkt;

	if (ip_kernel_answers(inst, rx)) {
		pkt_drop(inst, pkt, DROP_ICMP_TYPE);
		return;
	}
	if (pkt_is_shared(pkt) || pkt_headroom(pkt) < S7_PKT_HEADROOM / 2) {
		reply = pkt_copy(inst, pkt, 0, pkt->total);
		pkt_drop(inst, pkt, reply ? DROP_NONE : DROP_NO_PKT);
		if (!reply)
			return;
	}
	reply->flags = 0;
	reply->data[0] = ICMP6_T_ECHO_REPLY;
	stat_add(inst, STAT_ICMP_ECHO_REPLIES, 1);
	icmp6_send(inst, reply, ip_is_multicast(&rx->dst) ? &any : &rx->dst, &rx->src,
		   rx->iface->index, rx->tos);
}

void icmp6_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	struct s7_icmp icmp;
	uint32_t pseudo;

	/* errors and discovery are read from the first buffer */
	if (pkt->frag)
		chain_pullup(inst, pkt, (uint32_t)s7_min(pkt->total, QUOTE_MAX));
	if (!icmp_parse(pkt->data, pkt->len, &icmp)) {
		pkt_drop(inst, pkt, DROP_ICMP_SHORT);
		return;
	}
	pseudo = ip_pseudo_sum(&rx->src, &rx->dst, IPPROTO_ICMPV6, pkt->total);
	if (csum_fold(chain_sum(pkt, 0, pkt->total, pseudo)) != 0) {
		pkt_drop(inst, pkt, DROP_ICMP_CHECKSUM);
		return;
	}
	switch (icmp.type) {
	case ICMP6_T_ECHO:
		icmp6_echo(inst, pkt, rx);
		break;
	case ICMP6_T_ECHO_REPLY:
	case ICMP6_T_EXT_REPLY:
		ping_input(inst, pkt, rx);
		break;
	case ICMP6_T_UNREACH:
	case ICMP6_T_TOO_BIG:
	case ICMP6_T_TIME:
	case ICMP6_T_PARAM:
		icmp6_error_in(inst, pkt, &icmp, rx);
		break;
	case ICMP6_T_MLD_QUERY:
		mld_input(inst, pkt, rx);
		break;
	case ICMP6_T_ROUTER_SOLICIT:
	case ICMP6_T_ROUTER_ADVERT:
	case ICMP6_T_NEIGH_SOLICIT:
	case ICMP6_T_NEIGH_ADVERT:
	case ICMP6_T_REDIRECT:
		nd_input(inst, pkt, rx);
		break;
	default:
		pkt_drop(inst, pkt, DROP_ICMP_TYPE);
	}
}
