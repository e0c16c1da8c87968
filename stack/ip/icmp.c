/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp.c - ICMP: echo, errors out, errors in
 *
 * Out: RFC 1122 3.2.2 says about what no error may be sent; 3.2.2's rate limit is a token bucket of
 * the instance, 1000 a second with bursts of 50 (Linux's default). Quotes as much of the packet as
 * fits 576 bytes (RFC 1812 4.3.2.3). In: an error is believed only if it quotes a flow of ours; the
 * transport decides by its state (TCP: sequence number, RFC 5927). Codes become errno values by a
 * table with Linux's division into hard and soft. Echo is answered in place, in the packet that
 * asked, with its IP options turned round. On a shared interface the kernel answers. Context:
 * instance lock. Called by: ip4_in.c, frag.c, neigh.c, udp.
 */
#include "stack/ip/icmp.h"

#include <errno.h>

#include "stack/ip/chain.h"
#include "stack/ip/icmp6.h"
#include "stack/ip/ip4_opts.h"
#include "stack/ip/route.h"
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"

#define ICMP_BURST 50
#define ICMP_TOKEN S7_MS /* one a millisecond */
#define ICMP_QUOTE_MAX (576 - IP4_LEN - ICMP_LEN)
#define ICMP_TTL 64
#define TOS_INTERNET_CONTROL 0xc0

static const struct icmp_errno unreach_errno[ICMP_C_COUNT] = {
	[0] = { ENETUNREACH, false },  /* network */
	[1] = { EHOSTUNREACH, false }, /* host */
	[2] = { ENOPROTOOPT, true },   /* protocol */
	[3] = { ECONNREFUSED, true },  /* port */
	[4] = { EMSGSIZE, false },     /* too big */
	[5] = { EOPNOTSUPP, false },   /* source route failed */
	[6] = { ENETUNREACH, true },   /* network unknown */
	[7] = { EHOSTDOWN, true },     /* host unknown */
	[8] = { ENONET, true },	       /* source host isolated */
	[9] = { ENETUNREACH, true },   /* network prohibited */
	[10] = { EHOSTUNREACH, true }, /* host prohibited */
	[11] = { ENETUNREACH, false }, /* network for this type of service */
	[12] = { EHOSTUNREACH, false }, /* host for this type of service */
	[13] = { EHOSTUNREACH, true }, /* filtered */
	[14] = { EHOSTUNREACH, true }, /* precedence violation */
	[15] = { EHOSTUNREACH, true }, /* precedence cutoff */
};

bool icmp_allowed(struct s7_inst *inst)
{
	struct s7_route_table *limit = inst->routes;
	uint64_t fresh = (inst->now - limit->icmp_refilled) / ICMP_TOKEN;

	if (fresh) {
		limit->icmp_tokens = (uint32_t)s7_min(limit->icmp_tokens + fresh, ICMP_BURST);
		limit->icmp_refilled += fresh * ICMP_TOKEN;
	}
	if (!limit->icmp_tokens)
		return false;
	limit->icmp_tokens--;
	return true;
}

/* Sum, and out as an answer to rx. Consumes. */
static void icmp_send(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx, uint8_t tos,
		      const struct s7_ip4_opts *opts)
{
	struct s7_ip to = ip4_opts_first(opts, &rx->src);
	struct s7_ip_tx tx = { .proto = IPPROTO_ICMP, .tos = tos, .ttl = ICMP_TTL,
			       .opts = opts->len ? opts : NULL, .final4 = ip_v4(&rx->src) };
	struct s7_dst dst;

	if (dst_lookup(inst, &to, &rx->dst, 0, &dst) || dst.owner != ROUTE_STACK) {
		pkt_drop(inst, pkt, DROP_IP_NO_ROUTE);
		return;
	}
	put_raw16(pkt->data + 2, 0);
	put_raw16(pkt->data + 2, csum_fold(chain_sum(pkt, 0, pkt->total, 0)));
	ip_output(inst, &dst, pkt, &tx);
}

/* May the packet be answered by an error at all? Data at its IP header. */
static bool icmp_may_answer(const struct s7_inst *inst, const struct s7_rx *rx,
			    const struct s7_pkt *orig, const struct s7_ip4 *h)
{
	enum ip4_class class = ip4_classify(inst, h->src);

	if (rx->broadcast || h->frag_off)
		return false;
	if (class != IP4_OTHER && class != IP4_LOCAL && class != IP4_LOOPBACK)
		return false;
	if (h->proto != IPPROTO_ICMP)
		return true;
	return orig->len > h->hdr_len && !icmp_type_is_error(orig->data[h->hdr_len]);
}

void icmp_error(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_pkt *orig_ip,
		uint8_t type, uint8_t code, uint32_t info)
{
	struct s7_icmp icmp = { .type = type, .code = code, .info = info };
	struct s7_ip4_opts opts;
	struct s7_ip4 h;
	struct s7_pkt *pkt;

	if (ip4_parse(orig_ip->data, orig_ip->len, IP4_TOTAL_MAX, &h) ||
	    !icmp_may_answer(inst, rx, orig_ip, &h) || ip4_opts_answer(inst, rx, &opts))
		return;
	/* what comes by lo came from here: Linux does not limit it either */
	if (rx->iface->index != S7_IFACE_LO && !icmp_allowed(inst)) {
		inst->drop[DROP_ICMP_RATE]++;
		return;
	}
	pkt = pkt_copy(inst, orig_ip, 0,
		       (uint32_t)s7_min(orig_ip->total, ICMP_QUOTE_MAX - opts.len));
	if (!pkt) {
		inst->drop[DROP_NO_PKT]++;
		return;
	}
	pkt->flags = 0;
	icmp_write(pkt_push(pkt, ICMP_LEN), &icmp);
	stat_add(inst, STAT_ICMP_ERRORS_OUT, 1);
	icmp_send(inst, pkt, rx, (uint8_t)((h.tos & 0x1e) | TOS_INTERNET_CONTROL), &opts);
}

bool icmp_dispatch(struct s7_inst *inst, const struct s7_flow *quoted, uint32_t seq,
		   const struct s7_icmp_error *e)
{
	const struct s7_flow *flow = flow_find(&inst->flows, quoted->proto, &quoted->local,
					       quoted->lport, &quoted->remote, quoted->rport);
	bool heard = s7_unlikely(inst->raw_count != 0) && raw_icmp(inst, quoted, seq, e);

	if (heard && e->mtu)
		ip_pmtu_learn(inst, &quoted->remote, e->mtu);
	if (quoted->proto == IPPROTO_TCP && flow) {
		tcp_icmp(inst, flow, seq, e);
		return true;
	}
	if (quoted->proto != IPPROTO_UDP)
		return heard;
	if (!flow && !port_find(&inst->ports, IPPROTO_UDP, &quoted->local, quoted->lport, 0, 0))
		return heard;
	if (e->mtu)
		ip_pmtu_learn(inst, &quoted->remote, e->mtu);
	stat_add(inst, STAT_ICMP_ERRORS_IN, 1);
	udp_icmp(inst, quoted, e);
	return true;
}

static struct s7_flow icmp_quoted(const struct s7_icmp_quote *quote)
{
	struct s7_flow quoted = {
		.local = ip_from_v4(quote->ip.src),
		.remote = ip_from_v4(quote->ip.dst),
		.lport = quote->sport,
		.rport = quote->dport,
		.proto = quote->ip.proto,
	};

	return quoted;
}

/* The MTU that a "needs fragmentation" reports, made plausible; 0: not to be believed. */
static uint32_t icmp_reported_mtu(const struct s7_icmp *icmp, const struct s7_icmp_quote *quote)
{
	uint32_t mtu = icmp->info & 0xffff;

	if (!mtu)
		mtu = icmp_mtu_plateau(quote->ip.total);
	return mtu < quote->ip.total ? (uint32_t)s7_max(mtu, PMTU_MIN) : 0;
}

static struct icmp_errno icmp_errno_of(const struct s7_icmp *icmp)
{
	static const struct icmp_errno time_exceeded = { EHOSTUNREACH, false };
	static const struct icmp_errno parameter = { EPROTO, true };

	if (icmp->type == ICMP_T_UNREACH)
		return unreach_errno[icmp->code];
	return icmp->type == ICMP_T_TIME ? time_exceeded : parameter;
}

/* The error as transports hear of it; the packet's data is at the ICMP header. */
static void icmp_describe(const struct s7_icmp *icmp, const struct s7_icmp_quote *quote,
			  struct s7_icmp_error *ret_e)
{
	struct icmp_errno what = icmp_errno_of(icmp);

	ret_e->err = what.err;
	ret_e->hard = what.hard;
	ret_e->type = icmp->type;
	ret_e->code = icmp->code;
	ret_e->orig_len = (uint8_t)(icmp->info >> 16);
	ret_e->quote = ICMP_LEN;
	ret_e->l4 = ICMP_LEN + quote->ip.hdr_len;
	if (icmp->type == ICMP_T_PARAM)
		ret_e->info = icmp->info >> 24;
	if (icmp->type != ICMP_T_UNREACH || icmp->code != ICMP_C_NEEDFRAG)
		return;
	ret_e->info = icmp->info & 0xffff;
	ret_e->mtu = icmp_reported_mtu(icmp, quote);
}

static enum s7_drop icmp_error_take(struct s7_inst *inst, struct s7_pkt *pkt,
				    const struct s7_icmp *icmp, const struct s7_rx *rx)
{
	struct s7_icmp_error e = { .pkt = pkt, .rx = rx };
	struct s7_icmp_quote quote;
	struct s7_flow quoted;

	if (!icmp_quote_parse(pkt->data + ICMP_LEN, pkt->len - ICMP_LEN, &quote))
		return DROP_ICMP_SHORT;
	if (icmp->type == ICMP_T_UNREACH && icmp->code >= ICMP_C_COUNT)
		return DROP_ICMP_TYPE;
	icmp_describe(icmp, &quote, &e);
	quoted = icmp_quoted(&quote);
	if (!quote.has_ports || (e.err == EMSGSIZE && !e.mtu) ||
	    !icmp_dispatch(inst, &quoted, quote.seq, &e))
		return DROP_ICMP_NO_FLOW;
	return DROP_NONE;
}

static void icmp_error_in(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_icmp *icmp,
			  const struct s7_rx *rx)
{
	pkt_drop(inst, pkt, icmp_error_take(inst, pkt, icmp, rx));
}

/* Answers in the same buffers when they may be written and have room for our headers. */
static void icmp_echo(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	struct s7_pkt *reply = pkt;
	struct s7_ip4_opts opts;

	if (rx->broadcast || rx->iface->flags & IFACE_SHARED ||
	    ip4_opts_answer(inst, rx, &opts)) {
		pkt_drop(inst, pkt, DROP_ICMP_TYPE);
		return;
	}
	if (pkt_is_shared(pkt) || pkt_headroom(pkt) < IP4_LEN_MAX + 14) {
		reply = pkt_copy(inst, pkt, 0, pkt->total);
		pkt_drop(inst, pkt, reply ? DROP_NONE : DROP_NO_PKT);
		if (!reply)
			return;
	}
	reply->flags = 0;
	reply->data[0] = ICMP_T_ECHO_REPLY;
	stat_add(inst, STAT_ICMP_ECHO_REPLIES, 1);
	icmp_send(inst, reply, rx, rx->tos, &opts);
}

void icmp_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	struct s7_icmp icmp;

	if (!icmp_parse(pkt->data, pkt->len, &icmp)) {
		pkt_drop(inst, pkt, DROP_ICMP_SHORT);
		return;
	}
	if (csum_fold(chain_sum(pkt, 0, pkt->total, 0)) != 0) {
		pkt_drop(inst, pkt, DROP_ICMP_CHECKSUM);
		return;
	}
	switch (icmp.type) {
	case ICMP_T_ECHO:
		icmp_echo(inst, pkt, rx);
		break;
	case ICMP_T_ECHO_REPLY:
	case ICMP_T_EXT_REPLY:
		ping_input(inst, pkt, rx);
		break;
	case ICMP_T_UNREACH:
	case ICMP_T_TIME:
	case ICMP_T_PARAM:
		icmp_error_in(inst, pkt, &icmp, rx);
		break;
	default: /* quench: RFC 6633 says ignore; redirects: routes are the kernel's or the
		    configuration's */
		pkt_drop(inst, pkt, DROP_ICMP_TYPE);
	}
}

/* Linux sends itself a host unreachable; here it is told without the detour. */
void icmp_tell_sender(struct s7_inst *inst, const struct s7_pkt *pkt, int err)
{
	struct s7_rx rx = { .ttl = ICMP_TTL, .tos = TOS_INTERNET_CONTROL,
			    .iface = &inst->iface[S7_IFACE_LO] };
	struct s7_icmp_error e = { .err = err, .type = ICMP_T_UNREACH, .code = ICMP_C_HOST,
				   .pkt = pkt, .rx = &rx };
	struct s7_icmp_quote quote;
	struct s7_flow quoted;

	if (!icmp_quote_parse(pkt->data, pkt->len, &quote) || !quote.has_ports)
		return;
	quoted = icmp_quoted(&quote);
	rx.src = rx.dst = quoted.local;
	e.l4 = quote.ip.hdr_len;
	icmp_dispatch(inst, &quoted, quote.seq, &e);
}

void icmp_refuse_port(struct s7_inst *inst, const struct s7_rx *rx, const struct s7_pkt *orig_ip)
{
	if (ip_is_v4(&rx->src))
		icmp_error(inst, rx, orig_ip, ICMP_T_UNREACH, ICMP_C_PORT, 0);
	else
		icmp6_error(inst, rx, orig_ip, ICMP6_T_UNREACH, ICMP6_C_PORT, 0);
}
