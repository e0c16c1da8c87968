/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw_in.c - received packets, and ICMP errors, to raw sockets
 *
 * Every whole datagram (reassembled, behind all checks of the internet layer, before the transport
 * looks at it) is offered to each raw socket whose protocol, addresses and device fit; each gets a
 * copy of its own, and the transport goes on with the packet. As Linux: an IPv4 socket's view
 * begins at the IP header, an IPv6 socket's behind all headers; ICMP_FILTER and ICMP6_FILTER hold
 * types back; a socket that fits counts as a taker even when its filter refuses, so that no
 * "protocol unreachable" is sent.
 * A socket that both sides serve is given only what the kernel does not receive itself: what came
 * by lo or by an interface of ours alone, and what the silencer keeps from the kernel. So no packet
 * is lost and none comes twice (docs/raw.md).
 * Bound: a walk over the raw sockets for each packet while there are any; none, no cost.
 * Context: instance lock. Called by: ip4_in.c, ip6_in.c, icmp.c, icmp6.c.
 */
#include <errno.h>

#include "stack/bpf/filter.h"
#include "stack/core/ext.h"
#include "stack/ip/chain.h"
#include "stack/ip/errq_icmp.h"
#include "stack/ip/group.h"
#include "stack/ip/ip4_opts.h"
#include "stack/raw/raw.h"
#include "stack/udp/udp_way.h"
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmp6.h"

#define FILTERED_TYPES 32 /* of ICMP; Linux passes what lies beyond */
#define ICMP6_FILTER_NEEDS 4
#define FILTER_LEAST 1 /* bytes that a filter keeps if it keeps any */

bool raw_kernel_hears(struct s7_inst *inst, const struct s7_pkt *pkt, const struct s7_rx *rx)
{
	if (pkt->flags & PKT_RX_LOOPED || pkt->iface == S7_IFACE_LO ||
	    !ip_kernel_has(inst, rx->iface, &rx->dst))
		return false;
	if ((rx->proto != IPPROTO_TCP && rx->proto != IPPROTO_UDP) || pkt->len < 4)
		return true;
	return !sk_port_owned(inst, rx->proto, &rx->dst, get_be16(pkt->data + 2));
}

/* ---- whose it is ---- */

static bool device_fits(const struct s7_sock *sk, const struct s7_iface *iface)
{
	return !sk->bound_iface || sk->bound_iface == iface->index + 1u;
}

static bool local_fits(const struct s7_sock *sk, const struct s7_rx *rx)
{
	bool group = ip_is_multicast(&rx->dst), v4 = sk->domain == AF_INET;

	if (ip_is_any(&sk->flow.local) || ip_equal(&sk->flow.local, &rx->dst))
		return !group || !v4 || group_hears(sk, rx->iface->index, &rx->dst, &rx->src);
	return group && !v4 && group_hears(sk, rx->iface->index, &rx->dst, &rx->src);
}

static bool raw_fits(struct s7_sock *sk, const struct s7_rx *rx)
{
	const struct s7_raw_sock *rs = raw_sock(sk);
	bool v4 = ip_is_v4(&rx->dst);

	return sk->proto == PROTO_RAW && rs->num == rx->proto &&
	       sk->domain == (v4 ? AF_INET : AF_INET6) && !(rs->bits & RAW_DEAF) &&
	       device_fits(sk, rx->iface) &&
	       (ip_is_any(&sk->flow.remote) || ip_equal(&sk->flow.remote, &rx->src)) &&
	       local_fits(sk, rx);
}

/* ICMP_FILTER, ICMP6_FILTER; what has no type to look at is held back, as in Linux. */
static bool icmp_held_back(const struct s7_raw_sock *rs, const struct s7_pkt *pkt,
			   const struct s7_rx *rx)
{
	if (rx->proto == IPPROTO_ICMP && rs->dg.sk.domain == AF_INET) {
		if (pkt->len < ICMP_LEN)
			return true;
		return pkt->data[0] < FILTERED_TYPES && rs->filter[0] >> pkt->data[0] & 1;
	}
	if (rx->proto != IPPROTO_ICMPV6 || rs->dg.sk.domain != AF_INET6)
		return false;
	return pkt->len < ICMP6_FILTER_NEEDS ||
	       (rs->filter[pkt->data[0] / 32] >> pkt->data[0] % 32 & 1);
}

/* IPV6_CHECKSUM: only what sums right (RFC 3542 3.1). */
static bool sum_is_right(const struct s7_raw_sock *rs, const struct s7_pkt *pkt,
			 const struct s7_rx *rx)
{
	uint32_t pseudo;

	if (!(rs->bits & RAW_CHECKSUM) || pkt->flags & (PKT_RX_L4_GOOD | PKT_RX_L4_PARTIAL))
		return true;
	pseudo = ip_pseudo_sum(&rx->src, &rx->dst, rx->proto, pkt->total);
	return csum_fold(chain_sum(pkt, 0, pkt->total, pseudo)) == 0;
}

/* ---- into the queue ---- */

void raw_enqueue(struct s7_raw_sock *rs, struct s7_pkt *copy, const struct s7_rx *rx)
{
	struct s7_udp_meta *meta = udp_meta(copy);
	struct s7_inst *inst = rs->dg.sk.inst;
	bool by_lo = copy->iface == S7_IFACE_LO;

	memset(meta, 0, sizeof(*meta));
	meta->src = rx->src;
	meta->dst = rx->dst;
	meta->at = inst->now;
	meta->ttl = rx->ttl;
	meta->tos = rx->tos;
	meta->iface = rx->iface->index;
	meta->head = ip_is_v4(&rx->dst) ? 0 : copy->l3_len;
	meta->frag_max = rx->frag_max;
	meta->mark = by_lo ? copy->hash : 0;
	meta->priority = by_lo ? copy->tso_mss : 0;
	if (s7_unlikely(rx->opts != NULL))
		meta->head = ip4_opts_keep(copy, rx->opts);
	rs->bits |= RAW_USED;
	stat_add(inst, STAT_RAW_IN, 1);
	udp_queue(&rs->dg, copy);
}

static bool has_room(struct s7_raw_sock *rs)
{
	struct s7_sock *sk = &rs->dg.sk;

	if (s7_likely(rs->dg.rx_truesize < sk->rcvbuf && udp_has_share(&rs->dg)))
		return true;
	sk->drops++;
	sk->inst->drop[DROP_RAW_RCVBUF]++;
	return false;
}

/*
 * The header of a whole packet: reassembly leaves the first fragment's, and lo carries headers
 * without a sum. With options it stays that of the packet before anything was recorded, as in
 * Linux.
 */
static void whole_header(struct s7_pkt *copy, uint32_t hdr_len, uint32_t total)
{
	uint8_t *p = copy->data;
	uint16_t off = get_be16(p + 6);

	if (s7_unlikely(hdr_len > IP4_LEN && !(off & (IP4_MF | IP4_OFF_MASK))))
		return;
	if (s7_likely(total <= IP4_TOTAL_MAX))
		put_be16(p + 2, (uint16_t)total);
	put_be16(p + 6, off & IP4_DF);
	put_raw16(p + 10, 0);
	put_raw16(p + 10, csum_fold(csum_partial(p, hdr_len, 0)));
}

uint32_t raw_filter(const struct s7_sock *sk, const struct s7_pkt *view)
{
	uint32_t keep = s7_likely(!sk->filter) ? view->total : filter_run(sk, view, FILTER_LEAST);

	if (s7_unlikely(!keep && sk->filter))
		sk->inst->drop[DROP_RAW_FILTER]++;
	return keep;
}

/*
 * The one place where a packet is given to a raw socket: `view` begins where the socket's and its
 * filter's view of it does, behind `hdr_len` bytes of IP header or at them. It stays the caller's.
 */
static void raw_offer(struct s7_raw_sock *rs, const struct s7_pkt *view, uint8_t hdr_len,
		      const struct s7_rx *rx)
{
	struct s7_inst *inst = rs->dg.sk.inst;
	uint32_t keep = raw_filter(&rs->dg.sk, view);
	struct s7_pkt *copy;

	if (!keep && view->total)
		return;
	copy = rs->dg.sk.domain == AF_INET ? pkt_copy(inst, view, 0, keep) :
					     pkt_copy_behind(inst, view, hdr_len, keep);
	if (!copy) {
		inst->drop[DROP_NO_PKT]++;
		return;
	}
	copy->hash = view->hash;
	if (rs->dg.sk.domain == AF_INET && s7_likely(keep >= hdr_len))
		whole_header(copy, hdr_len, view->total);
	raw_enqueue(rs, copy, rx);
}

/* At its IP header, as IPv4 sockets see it. */
static void raw_offer4(struct s7_raw_sock *rs, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	uint8_t hdr_len = pkt->l3_len;

	pkt_push(pkt, hdr_len);
	pkt->l3_len = 0;
	raw_offer(rs, pkt, hdr_len, rx);
	pkt->l3_len = hdr_len;
	pkt_pull(pkt, hdr_len);
}

bool raw_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	bool kernels = raw_kernel_hears(inst, pkt, rx), taken = false;
	struct s7_list *pos;

	list_for_each(pos, &inst->raw->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, owner_list);
		struct s7_raw_sock *rs = raw_sock(sk);

		if (!raw_fits(sk, rx) || (kernels && sk->file.side == SIDE_DUAL) || !has_room(rs))
			continue;
		taken = true;
		if (icmp_held_back(rs, pkt, rx))
			continue;
		if (!sum_is_right(rs, pkt, rx)) {
			sk->drops++;
			inst->drop[DROP_RAW_CHECKSUM]++;
			continue;
		}
		if (sk->domain == AF_INET)
			raw_offer4(rs, pkt, rx);
		else
			raw_offer(rs, pkt, pkt->l3_len, rx);
	}
	return taken;
}

ssize_t raw_recv(struct s7_sock *sk, struct s7_msg *msg)
{
	return msg->flags & MSG_OOB ? -EOPNOTSUPP : udp_recv(sk, msg);
}

/* ---- ICMP errors ---- */

void raw_error(struct s7_sock *sk, const struct s7_icmp_error *e, bool hard, uint32_t from)
{
	bool wanted = errq_wanted(sk, e->v6);

	if (!wanted && !(sk->bits & SKB_CONNECTED && hard))
		return;
	if (wanted)
		errq_icmp(sk, e, from);
	sk_error(sk, e->err);
}

/* As raw_err and rawv6_err of Linux. */
static void raw_tell(struct s7_raw_sock *rs, const struct s7_icmp_error *e)
{
	struct s7_sock *sk = &rs->dg.sk;
	bool hard = e->hard;

	if (e->mtu)
		hard = e->v6 ? sk->ip6.mtu_discover == IPV6_PMTUDISC_DO :
			       sk->mtu_discover != IP_PMTUDISC_DONT;
	raw_error(sk, e, hard, rs->bits & RAW_HDRINCL ? e->quote : e->l4);
}

/* The kernel tells the sockets that both sides serve what it hears itself. */
static bool kernel_tells(struct s7_inst *inst, const struct s7_icmp_error *e)
{
	return e->rx && e->rx->iface->index != S7_IFACE_LO &&
	       ip_kernel_has(inst, e->rx->iface, &e->rx->dst);
}

bool raw_icmp(struct s7_inst *inst, const struct s7_flow *quoted, uint32_t word,
	      const struct s7_icmp_error *e)
{
	struct s7_rx as_if = { .src = quoted->remote, .dst = quoted->local, .proto = quoted->proto,
			       .iface = e->rx ? e->rx->iface : &inst->iface[S7_IFACE_LO] };
	bool kernels = kernel_tells(inst, e), heard = false;
	struct s7_list *pos, *next;

	list_for_each_safe(pos, next, &inst->raw->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, owner_list);

		if (kernels && sk->file.side == SIDE_DUAL)
			continue;
		if (sk->proto == PROTO_PING) {
			heard |= ping_icmp(sk, quoted, word, e);
		} else if (raw_fits(sk, &as_if)) {
			raw_tell(raw_sock(sk), e);
			heard = true;
		}
	}
	return heard;
}
