// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_seg_out.c - one segment: header, options, checksum, ip_output
 *
 * Idea: the payload lies where it is; the header is pushed into the headroom of its first buffer.
 * The checksum is the device's when it can, else pseudo header + header + payload, where the
 * payload's part may be known since the copy from user memory. For TSO the pseudo sum is without
 * the length, as DPDK wants it.
 * Also here: answers that need no connection (RST), and what a route says (dst refresh, MSS).
 * Context: instance lock. Called by: tcp_out.c, tcp_req.c, tcp_cookie.c, tcp_tw.c, tcp_in.c.
 */
#include "stack/tcp/tcp_int.h"

#define LABEL_MASK 0xfffffu

static uint32_t chain_sum(const struct s7_pkt *pkt, uint32_t offset)
{
	uint32_t sum = 0, at = 0;

	for (; pkt; pkt = pkt->frag) {
		sum = csum_add_at(sum, csum_partial(pkt->data + offset, pkt->len - offset, 0), at);
		at += pkt->len - offset;
		offset = 0;
	}
	return sum;
}

/* Returns the checksum field and sets the offload flags of the packet. */
static uint16_t seg_checksum(struct s7_inst *inst, const struct tcp_out_seg *out,
			     struct s7_pkt *pkt, uint32_t hdr_len, uint32_t payload_sum,
			     bool has_sum)
{
	bool tso = pkt->flags & PKT_TX_TSO;
	/* with a source route the packet goes elsewhere first */
	const struct s7_ip *to =
		s7_likely(!out->ip_opts && !out->hdrs) ? &out->dst->dst : &out->flow->remote;
	uint32_t sum = ip_pseudo_sum(&out->dst->src, to, IPPROTO_TCP, tso ? 0 : pkt->total);

	if (inst->iface[out->dst->iface].caps & NETDEV_TX_L4_CSUM) {
		pkt->flags |= PKT_TX_L4_CSUM;
		pkt->l4_len = (uint8_t)hdr_len;
		return csum_fold16(sum);
	}
	if (!has_sum)
		payload_sum = chain_sum(pkt, hdr_len);
	sum = csum_partial(pkt->data, hdr_len, sum);
	return csum_fold(csum_add(sum, payload_sum));
}

int tcp_seg_send(struct s7_inst *inst, const struct tcp_out_seg *out, struct s7_pkt *pkt,
		 uint32_t payload_sum, bool has_sum)
{
	struct s7_ip_tx tx = {
		.proto = IPPROTO_TCP, .tos = out->tos, .ttl = out->ttl,
		.dont_fragment = !out->may_fragment, .delay_us = out->delay_us,
		.hdrs = out->hdrs, .final = &out->flow->remote,
	};
	uint32_t hdr_len = TCP_HDR_LEN + tcp_opts_len(&out->opts);
	uint8_t *bytes = pkt_push(pkt, hdr_len);
	struct tcp_hdr h = {
		.src = out->flow->lport,
		.dst = out->flow->rport,
		.seq = out->seq,
		.ack = out->ack,
		.hdr_len = (uint8_t)hdr_len,
		.flags = out->flags,
		.wnd = out->wnd,
		.urg = out->urg,
	};
	uint16_t csum;

	if (s7_unlikely(out->ip_opts != NULL)) {
		tx.opts = out->ip_opts;
		tx.final4 = ip_v4(&out->flow->remote);
	}
	tcp_hdr_write(bytes, &h);
	tcp_opts_write(bytes + TCP_HDR_LEN, &out->opts);
	csum = seg_checksum(inst, out, pkt, hdr_len, payload_sum, has_sum);
	memcpy(bytes + TCP_HDR_CSUM_AT, &csum, sizeof(csum));
	stat_add(inst, STAT_TCP_OUT_SEGS, 1);
	return ip_output(inst, out->dst, pkt, &tx);
}

int tcp_seg_send_bare(struct s7_inst *inst, const struct tcp_out_seg *out)
{
	struct s7_pkt *pkt = pkt_alloc(inst);

	if (!pkt) {
		inst->drop[DROP_NO_PKT]++;
		return -ENOBUFS;
	}
	return tcp_seg_send(inst, out, pkt, 0, true);
}

int tcp_answer_opts(const struct s7_inst *inst, const struct s7_rx *rx, struct s7_ip4_opts *opts,
		    const struct s7_ip4_opts **ret_opts)
{
	int err = ip4_opts_answer(inst, rx, opts);

	if (!err)
		*ret_opts = opts->len ? opts : NULL;
	return err;
}

/* The kernel, or another program on sock7, may know the segment. */
static bool is_for_others(struct s7_inst *inst, const struct s7_rx *rx, uint16_t port)
{
	return sk_owned_too(inst, rx->iface, IPPROTO_TCP, port) ||
		(rx->iface->caps & NETDEV_SHARED &&
		 sk_port_rest(inst, IPPROTO_TCP, &rx->dst, port));
}

/* RFC 9293 3.10.7.1: the RST that answers a segment nobody expects. */
void tcp_reply_rst(struct s7_inst *inst, const struct s7_rx *rx, const struct tcp_seg *seg)
{
	struct s7_flow flow = {
		.local = rx->dst, .remote = rx->src, .lport = seg->h.dst, .rport = seg->h.src
	};
	struct s7_dst dst;
	struct s7_ip4_opts opts;
	struct tcp_out_seg out = { .flow = &flow, .dst = &dst, .ttl = 64, .flags = TCPF_RST };
	struct s7_ip to;

	if (seg->h.flags & TCPF_RST || rx->broadcast || ip_is_multicast(&rx->dst) ||
	    tcp_answer_opts(inst, rx, &opts, &out.ip_opts))
		return;
	if (s7_unlikely(is_for_others(inst, rx, seg->h.dst)))
		return;
	to = ip4_opts_first(out.ip_opts, &rx->src);
	if (dst_lookup(inst, &to, &rx->dst, rx->iface->index + 1u, &dst) &&
	    dst_lookup(inst, &to, &rx->dst, 0, &dst))
		return;
	if (seg->h.flags & TCPF_ACK) {
		out.seq = seg->h.ack;
	} else {
		out.ack = seg->h.seq + seg->len + !!(seg->h.flags & TCPF_SYN) +
			!!(seg->h.flags & TCPF_FIN);
		out.flags |= TCPF_ACK;
	}
	stat_add(inst, STAT_TCP_OUT_RSTS, 1);
	tcp_seg_send_bare(inst, &out);
}

/* MSS of a path: what fits a packet, and a buffer when the device takes no chains. */
uint32_t tcp_mss_of_dst(const struct s7_inst *inst, const struct s7_dst *dst)
{
	uint32_t headers = ip_header_len(dst->is_v4) + TCP_HDR_LEN;
	uint32_t mss = dst->mtu > headers + TCP_MSS_MIN ? dst->mtu - headers : TCP_MSS_MIN;

	if (!(inst->iface[dst->iface].caps & NETDEV_MULTI_SEG) &&
	    !(inst->iface[dst->iface].flags & IFACE_LO))
		mss = (uint32_t)s7_min(mss, S7_PKT_ROOM - 128);
	return (uint32_t)s7_min(mss, 65535 - headers);
}

uint16_t tcp_mss_announced(const struct s7_inst *inst, const struct s7_dst *dst, uint32_t user)
{
	uint32_t mss = s7_unlikely(dst->metrics != NULL) ? dst->metrics->advmss : 0;

	if (s7_likely(!mss))
		mss = tcp_mss_of_dst(inst, dst);
	return (uint16_t)s7_min(mss, user ? user : UINT16_MAX);
}

void tcp_mss_sync(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;
	const struct s7_ip4_opts *ip_opts = tcp_ip_opts(&ts->sk);
	uint32_t most = tcp_mss_of_dst(ts->sk.inst, &tcb->dst), least;
	uint32_t mss = (uint32_t)s7_min(most, tcb->peer_mss);

	if (tcb->user_mss)
		mss = (uint32_t)s7_min(mss, tcb->user_mss);
	mss -= (uint32_t)s7_min(tcp_hdrs_len(&ts->sk), mss);
	if (s7_unlikely(ip_opts != NULL))
		mss -= (uint32_t)s7_min(ip_opts->len, mss);
	/* what the peer asks for has a lower bound, but no packet is too long for its path */
	least = (uint32_t)s7_min(ts->sk.inst->params.tcp.min_snd_mss, most);
	mss = (uint32_t)s7_max(mss, s7_max(least, TCP_MSS_LEAST));
	if (tcb->bits & TCB_TS)
		mss -= 12;
	/* never more than half of the largest window seen: a tiny window still gets two segments */
	if (tcb->snd_max_wnd > TCP_MSS_FALLBACK && mss > tcb->snd_max_wnd / 2)
		mss = tcb->snd_max_wnd / 2;
	tcb->mss = mss;
	/* one segment is the least, also where segments may be longer than before */
	tcb->cwnd = (uint32_t)s7_max(tcb->cwnd, mss);
}

void tcp_label(const struct s7_sock *sk, const struct s7_flow *flow, struct s7_dst *dst)
{
	if (dst->is_v4)
		return;
	dst->label = s7_unlikely(sk->ext != NULL) ? ntohl(sk->ext->flow_sent) & LABEL_MASK : 0;
	if (s7_likely(!dst->label) && sk->ip6.bits & SK6_AUTOFLOWLABEL)
		dst->label = dst_flow_label(sk->inst, dst, flow->lport, flow->rport);
}

int tcp_dst_refresh(struct s7_tcp_sock *ts)
{
	const struct s7_ip4_opts *opts = tcp_ip_opts(&ts->sk);
	struct s7_inst *inst = ts->sk.inst;
	struct s7_ip first;
	struct s7_dst dst;
	int err;

	if (s7_likely(!dst_stale(inst, &ts->tcb.dst)))
		return 0;
	first = opts ? ip4_opts_first(opts, &ts->sk.flow.remote) :
		       hdrs6_first(tcp_hdrs(&ts->sk), &ts->sk.flow.remote);
	err = dst_lookup(inst, &first, &ts->sk.flow.local, ts->sk.bound_iface, &dst);
	if (err)
		return err;
	if (s7_unlikely(ip4_opts_strict_fails(opts, &dst)))
		return -EHOSTUNREACH;
	tcp_label(&ts->sk, &ts->sk.flow, &dst);
	if (ts->tcb.bits & TCB_PMTU_LOWERED)
		dst.mtu = (uint32_t)s7_min(dst.mtu, ts->tcb.dst.mtu);
	ts->tcb.dst = dst;
	if (tcp_synchronized(&ts->tcb))
		tcp_mss_sync(ts);
	return 0;
}
