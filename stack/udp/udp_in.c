/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_in.c - datagrams from the network to sockets
 *
 * Steps: header and length (RFC 768; padding behind the length is cut off), checksum, whose it is.
 * Unicast: the connected socket of the tuple, else the best bound one (port_find, SO_REUSEPORT by
 * flow hash). Broadcast and multicast: every socket that matches, each with its own copy. Nobody:
 * port unreachable (RFC 1122 4.1.3.1), but on a netdev shared with the kernel only for ports that
 * sock7 owns. A local kernel leaves checksums unfinished on virtual links; the pseudo header's sum
 * alone is accepted from a shared one. Context: instance lock. Called by: ip4_in.c.
 */
#include "stack/bpf/filter.h"
#include "stack/bpf/steer.h"
#include "stack/core/ext.h"
#include "stack/ip/chain.h"
#include "stack/ip/group.h"
#include "stack/ip/ip4_opts.h"
#include "stack/udp/udp.h"
#include "stack/wire/csum.h"

static bool udp_csum_ok(struct s7_inst *inst, const struct s7_pkt *pkt, const struct s7_rx *rx,
			const struct s7_udp_hdr *h)
{
	uint32_t pseudo;

	if (pkt->flags & (PKT_RX_L4_GOOD | PKT_RX_L4_PARTIAL) ||
	    rx->iface->flags & IFACE_TRUST_CSUM)
		return true;
	if (!h->sum) /* over IPv6 it is the socket's to say */
		return true;
	if (pkt->flags & PKT_RX_L4_BAD && !(rx->iface->flags & IFACE_SUM_PARTIAL))
		return false;
	pseudo = ip_pseudo_sum(&rx->src, &rx->dst, IPPROTO_UDP, pkt->total);
	if (s7_likely(csum_fold(chain_sum(pkt, 0, pkt->total, pseudo)) == 0))
		return true;
	if (!(rx->iface->flags & IFACE_SUM_PARTIAL) || h->sum != csum_fold16(pseudo))
		return false;
	stat_add(inst, STAT_RX_CSUM_PARTIAL, 1);
	return true;
}

/* SO_ATTACH_FILTER, data at the UDP header. True: it is gone. */
static S7_NOINLINE bool udp_filtered(struct s7_udp_sock *us, struct s7_pkt *pkt)
{
	uint32_t keep = filter_run(&us->sk, pkt, UDP_LEN);

	if (!keep) {
		us->sk.drops++;
		pkt_drop(us->sk.inst, pkt, DROP_UDP_FILTER);
		return true;
	}
	if (keep < pkt->total)
		chain_trim(us->sk.inst, pkt, keep);
	return false;
}

/* Data at the UDP header; at the payload from here on. */
static void udp_give(struct s7_udp_sock *us, struct s7_pkt *pkt, const struct s7_rx *rx,
		     const struct s7_udp_hdr *h)
{
	struct s7_udp_meta *meta = udp_meta(pkt);

	if (s7_unlikely(us->sk.filter != NULL) && udp_filtered(us, pkt))
		return;
	pkt_pull(pkt, UDP_LEN);
	meta->src = rx->src;
	meta->dst = rx->dst;
	meta->at = us->sk.inst->now;
	meta->sport = h->sport;
	meta->ttl = rx->ttl;
	meta->tos = rx->tos;
	meta->iface = rx->iface->index;
	meta->head = ip_is_v4(&rx->dst) ? 0 : pkt->l3_len;
	meta->frag_max = rx->frag_max;
	meta->mark = rx->iface->index == S7_IFACE_LO ? pkt->hash : 0;
	meta->priority = rx->iface->index == S7_IFACE_LO ? pkt->tso_mss : 0;
	meta->gro = 0;
	if (s7_unlikely(rx->opts != NULL))
		meta->head = ip4_opts_keep(pkt, rx->opts);
	udp_enqueue(us, pkt);
}

/* RFC 8200 8.1: over IPv6 what has no checksum is for who asked for it. */
static bool sum_missing(const struct s7_rx *rx, const struct s7_udp_hdr *h)
{
	return s7_unlikely(!h->sum) && !ip_is_v4(&rx->src);
}

static bool device_fits(const struct s7_sock *sk, const struct s7_rx *rx)
{
	return !sk->bound_iface || sk->bound_iface == rx->iface->index + 1u;
}

/* SO_REUSEPORT over several programs on sock7: one of them answers, the others are silent. */
static bool is_another_programs(const struct s7_inst *inst, const struct s7_bind *bind,
				const struct s7_rx *rx, const struct s7_udp_hdr *h)
{
	struct s7_flow ends = {
		.local = rx->dst, .remote = rx->src, .lport = h->dport, .rport = h->sport
	};

	return !sk_group_gives(inst, rx->iface, bind, &ends);
}

static struct s7_udp_sock *udp_find(struct s7_inst *inst, const struct s7_pkt *pkt,
				    const struct s7_rx *rx, const struct s7_udp_hdr *h)
{
	struct s7_flow *flow =
		flow_find(&inst->flows, IPPROTO_UDP, &rx->dst, h->dport, &rx->src, h->sport);
	struct s7_bind *bind;
	struct s7_sock *sk;
	uint32_t hash;

	if (flow) {
		sk = s7_container(flow, struct s7_sock, flow);
		if (device_fits(sk, rx))
			return udp_sock(sk);
	}
	hash = flow_hash(&inst->flows, IPPROTO_UDP, &rx->dst, h->dport, &rx->src, h->sport);
	bind = port_find(&inst->ports, IPPROTO_UDP, &rx->dst, h->dport, rx->iface->index, hash);
	if (bind && s7_unlikely(bind->grouped)) {
		if (is_another_programs(inst, bind, rx, h))
			return NULL;
		bind = steer_pick(inst, bind, pkt, UDP_LEN, hash);
	}
	return bind ? udp_sock(s7_container(bind, struct s7_sock, bind)) : NULL;
}

static bool udp_group_match(const struct s7_sock *sk, const struct s7_rx *rx,
			    const struct s7_udp_hdr *h)
{
	const struct s7_flow *flow = &sk->flow;

	if (!(sk->bits & SKB_BOUND) || flow->lport != h->dport || !device_fits(sk, rx))
		return false;
	if (sum_missing(rx, h) && !sk_ext_has(sk, EXT_NO_CHECK6_RX))
		return false;
	if (sk->bits & SKB_CONNECTED &&
	    (flow->rport != h->sport || !ip_equal(&flow->remote, &rx->src)))
		return false;
	if (ip_is_multicast(&rx->dst) && !group_hears(sk, rx->iface->index, &rx->dst, &rx->src))
		return false;
	if (sk->bits & SKB_CONNECTED && ip_is_multicast(&rx->dst))
		return ip_is_any(&sk->bind.ip) || ip_equal(&sk->bind.ip, &rx->dst);
	if (!ip_is_any(&flow->local))
		return ip_equal(&flow->local, &rx->dst);
	if (ip_is_v4(&flow->local) == ip_is_v4(&rx->dst))
		return true;
	return !ip_is_v4(&flow->local) && !(sk->bits & SKB_V6ONLY);
}

/* All but the last match get copies. */
static bool udp_deliver_group(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx,
			      const struct s7_udp_hdr *h)
{
	struct s7_udp_sock *last = NULL;
	struct s7_list *pos;

	list_for_each(pos, &inst->udp->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, owner_list);
		struct s7_pkt *copy;

		if (!udp_group_match(sk, rx, h))
			continue;
		if (last) {
			copy = pkt_copy_behind(inst, pkt, pkt->l3_len, pkt->total);
			if (copy)
				udp_give(last, copy, rx, h);
			else
				inst->drop[DROP_NO_PKT]++;
		}
		last = udp_sock(sk);
	}
	if (last)
		udp_give(last, pkt, rx, h);
	return last != NULL;
}

/* Nobody here wants it. Data at the UDP header. */
static void udp_refuse(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx,
		       const struct s7_udp_hdr *h)
{
	if (ip_kernel_answers(inst, rx) &&
	    !sk_port_owned(inst, IPPROTO_UDP, &rx->dst, h->dport)) {
		pkt_drop(inst, pkt, DROP_UDP_KERNEL);
		return;
	}
	if (s7_unlikely(sk_owned_too(inst, rx->iface, IPPROTO_UDP, h->dport))) {
		pkt_drop(inst, pkt, DROP_PORT_SHARED);
		return;
	}
	if (!rx->broadcast) {
		pkt_push(pkt, pkt->l3_len);
		icmp_refuse_port(inst, rx, pkt);
	}
	pkt_drop(inst, pkt, DROP_UDP_NO_PORT);
}

static bool is_group(const struct s7_inst *inst, const struct s7_rx *rx)
{
	return rx->broadcast && (ip_is_multicast(&rx->dst) || ip_is_broadcast(inst, &rx->dst));
}

void udp_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	struct s7_udp_sock *us;
	struct s7_udp_hdr h;

	if (!udp_parse(pkt->data, pkt->len, pkt->total, &h)) {
		pkt_drop(inst, pkt, DROP_UDP_SHORT);
		return;
	}
	if (pkt->total > h.len)
		chain_trim(inst, pkt, h.len);
	if (!udp_csum_ok(inst, pkt, rx, &h)) {
		pkt_drop(inst, pkt, DROP_UDP_CHECKSUM);
		return;
	}
	if (s7_unlikely(is_group(inst, rx))) {
		if (!udp_deliver_group(inst, pkt, rx, &h))
			pkt_drop(inst, pkt, DROP_UDP_NO_PORT);
		return;
	}
	us = udp_find(inst, pkt, rx, &h);
	if (sum_missing(rx, &h) && (!us || !sk_ext_has(&us->sk, EXT_NO_CHECK6_RX))) {
		pkt_drop(inst, pkt, DROP_UDP_CHECKSUM);
		return;
	}
	if (!us) {
		udp_refuse(inst, pkt, rx, &h);
		return;
	}
	udp_give(us, pkt, rx, &h);
}
