// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_in.c - a segment arrives: make it a value, check it, find whose it is
 *
 * Idea: header and options are parsed once into struct tcp_seg; from here on nobody reads wire
 * bytes. Then one look into the flow table: a connection, a half-open one, a TIME_WAIT entry;
 * else a listener; else nobody, which is answered with RST - except on a netdev shared with the
 * kernel, where a port that sock7 does not own is the kernel's to answer.
 * Checksum: trusted when the device or the interface says so; on a shared netdev a local kernel
 * sender leaves the pseudo-header sum in the field (CHECKSUM_PARTIAL), which is accepted and
 * counted.
 * Context: instance lock. Called by: ip4_input.
 */
#include "stack/bpf/filter.h"
#include "stack/bpf/steer.h"
#include "stack/core/ext.h"
#include "stack/ip/chain.h"
#include "stack/tcp/tcp_int.h"

static bool csum_ok(struct s7_inst *inst, const struct s7_pkt *pkt, const struct s7_rx *rx,
		    uint16_t field)
{
	uint32_t pseudo, sum, at = 0;
	const struct s7_pkt *part;

	if (pkt->flags & PKT_RX_L4_GOOD || rx->iface->flags & IFACE_TRUST_CSUM)
		return true;
	pseudo = ip_pseudo_sum(&rx->src, &rx->dst, IPPROTO_TCP, pkt->total);
	if (pkt->flags & PKT_RX_L4_PARTIAL)
		return true;
	sum = pseudo;
	for (part = pkt; part; part = part->frag) {
		sum = csum_add_at(sum, csum_partial(part->data, part->len, 0), at);
		at += part->len;
	}
	if (csum_fold(sum) == 0)
		return true;
	if (rx->iface->flags & IFACE_SUM_PARTIAL && csum_fold16(pseudo) == field) {
		stat_add(inst, STAT_RX_CSUM_PARTIAL, 1);
		return true;
	}
	return false;
}

/* Bytes to value. DROP_NONE, or why not. */
static enum s7_drop seg_read(struct s7_inst *inst, const struct s7_pkt *pkt, const struct s7_rx *rx,
			     struct tcp_seg *ret_seg)
{
	struct tcp_hdr *h = &ret_seg->h;

	if (tcp_hdr_read(pkt->data, pkt->len, h))
		return DROP_TCP_SHORT;
	if (!csum_ok(inst, pkt, rx, h->csum))
		return DROP_TCP_CHECKSUM;
	ret_seg->len = pkt->total - h->hdr_len;
	if (tcp_opts_read(pkt->data + TCP_HDR_LEN, h->hdr_len - TCP_HDR_LEN, h->flags & TCPF_SYN,
			  &ret_seg->opts))
		return DROP_TCP_OPTIONS;
	if (h->flags & TCPF_SYN && h->flags & (TCPF_FIN | TCPF_RST) &&
	    (h->flags & (TCPF_RST | TCPF_ACK)) != TCPF_ACK) /* an answer may end the stream */
		return DROP_TCP_FLAGS;
	if (rx->broadcast)
		return DROP_TCP_FLAGS;
	return DROP_NONE;
}

struct s7_tcp_sock *tcp_find_listener(struct s7_inst *inst, const struct s7_pkt *pkt,
				      const struct s7_rx *rx, const struct tcp_hdr *h)
{
	uint32_t hash = flow_hash(&inst->flows, IPPROTO_TCP, &rx->dst, h->dst, &rx->src, h->src);
	struct s7_bind *bind =
		port_find(&inst->ports, IPPROTO_TCP, &rx->dst, h->dst, rx->iface->index, hash);
	struct s7_sock *sk;

	if (!bind || !bind->listening)
		return NULL;
	if (s7_unlikely(bind->grouped))
		bind = steer_pick(inst, bind, pkt, h->hdr_len, hash);
	if (s7_unlikely(!bind))
		return NULL;
	sk = s7_container(bind, struct s7_sock, bind);
	return tcp_tcb(sk)->state == TCPS_LISTEN ? tcp_sk(sk) : NULL;
}

void tcp_no_flow(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx,
		 const struct tcp_seg *seg)
{
	if (ip_kernel_answers(inst, rx) &&
	    !sk_port_owned(inst, IPPROTO_TCP, &rx->dst, seg->h.dst)) {
		pkt_drop(inst, pkt, DROP_TCP_KERNEL);
		return;
	}
	tcp_reply_rst(inst, rx, seg);
	pkt_drop(inst, pkt, DROP_TCP_NO_PORT);
}

/* SO_REUSEPORT over several programs on sock7: one of them answers. */
static bool is_another_programs(const struct s7_tcp_sock *listener, const struct s7_rx *rx,
				const struct tcp_seg *seg)
{
	struct s7_flow ends = {
		.local = rx->dst, .remote = rx->src, .lport = seg->h.dst, .rport = seg->h.src
	};

	return !sk_group_gives(listener->sk.inst, rx->iface, &listener->sk.bind, &ends);
}

/* RFC 9293 3.10.7.2: a segment for a listener that belongs to no request. */
void tcp_listen_rx(struct s7_tcp_sock *listener, struct s7_pkt *pkt, const struct s7_rx *rx,
		   struct tcp_seg *seg)
{
	struct s7_inst *inst = listener->sk.inst;
	struct s7_tcb *tcb = &listener->tcb;
	struct s7_tcp_req *req = NULL;
	struct tcp_opts grant = { .bits = 0 };
	enum tcp_syn_way way;

	if (seg->h.flags & TCPF_RST) {
		pkt_drop(inst, pkt, DROP_TCP_RST);
		return;
	}
	if (seg->h.flags & TCPF_ACK) {
		if (!(seg->h.flags & TCPF_SYN) && tcp_cookie_rx(listener, pkt, rx, seg))
			return;
		tcp_reply_rst(inst, rx, seg);
		pkt_drop(inst, pkt, DROP_TCP_NO_PORT);
		return;
	}
	if (!(seg->h.flags & TCPF_SYN)) {
		pkt_drop(inst, pkt, DROP_TCP_FLAGS);
		return;
	}
	if (s7_unlikely(listener->sk.bind.grouped) && is_another_programs(listener, rx, seg)) {
		pkt_drop(inst, pkt, DROP_PORT_SHARED);
		return;
	}
	if (rx->iface->caps & NETDEV_SHARED &&
	    sk_port_rest(inst, IPPROTO_TCP, &rx->dst, seg->h.dst)) {
		pkt_drop(inst, pkt, DROP_TCP_KERNEL);
		return;
	}
	if (tcp_accept_full(listener, rx->iface->index)) {
		pkt_drop(inst, pkt, DROP_TCP_LISTEN_OVERFLOW);
		return;
	}
	way = tcp_syn_way(listener);
	if (way == SYN_REFUSE) {
		pkt_drop(inst, pkt, DROP_TCP_SYN_FULL);
		return;
	}
	if (way == SYN_COOKIE)
		tcp_cookie_send(listener, rx, seg);
	else if (s7_unlikely(tcb->fastopen_qlen) &&
		 tcp_fastopen_rx(listener, pkt, rx, seg, &grant))
		return;
	else
		req = tcp_req_make(listener, rx, seg, 0, grant.bits ? &grant : NULL);
	if (req && s7_unlikely(tcb->save_syn))
		tcp_syn_keep(req, pkt, seg);
	pkt_free(inst, pkt);
}

/* IP_MINTTL, IPV6_MINHOPCOUNT (RFC 5082) */
static bool came_too_far(const struct s7_sock *sk, const struct s7_rx *rx)
{
	return s7_unlikely(sk->ext != NULL) &&
	       rx->ttl < (ip_is_v4(&rx->src) ? sk->ext->min_ttl : sk->ext->min_hops);
}

/*
 * SO_ATTACH_FILTER, data at the TCP header, which it cannot cut. What is cut of the payload was,
 * for the connection, not sent. True: it is gone.
 */
static S7_NOINLINE bool filtered(struct s7_sock *sk, struct s7_pkt *pkt, struct tcp_seg *seg)
{
	uint32_t keep = filter_run(sk, pkt, seg->h.hdr_len);

	if (!keep) {
		sk->drops++;
		pkt_drop(sk->inst, pkt, DROP_TCP_FILTER);
		return true;
	}
	if (keep < pkt->total) {
		chain_trim(sk->inst, pkt, keep);
		seg->len = keep - seg->h.hdr_len;
	}
	return false;
}

/* Is the packet refused before the socket sees it? Then it is gone. */
static inline bool refused(struct s7_sock *sk, struct s7_pkt *pkt, const struct s7_rx *rx,
			   struct tcp_seg *seg)
{
	if (s7_unlikely(came_too_far(sk, rx))) {
		pkt_drop(sk->inst, pkt, DROP_TCP_MIN_TTL);
		return true;
	}
	return s7_unlikely(sk->filter != NULL) && filtered(sk, pkt, seg);
}

static void deliver_req(struct s7_tcp_req *req, struct s7_pkt *pkt, const struct s7_rx *rx,
			struct tcp_seg *seg)
{
	struct s7_sock *listener = &req->listener->sk;

	if (s7_likely(!listener->filter) || !filtered(listener, pkt, seg))
		tcp_req_rx(req, pkt, rx, seg);
}

static void deliver(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx,
		    struct tcp_seg *seg)
{
	struct s7_flow *flow =
		flow_find(&inst->flows, IPPROTO_TCP, &rx->dst, seg->h.dst, &rx->src, seg->h.src);
	struct s7_tcp_sock *listener;

	if (s7_likely(flow)) {
		if (s7_likely(flow->kind == FLOW_TCP)) {
			struct s7_sock *sk = s7_container(flow, struct s7_sock, flow);

			if (refused(sk, pkt, rx, seg))
				return;
			inst->current = sk;
			if (s7_unlikely(sk->ip6.bits & SK6_STREAM))
				tcp_rx_heard(tcp_sk(sk), pkt, rx, seg);
			else
				tcp_rx(tcp_sk(sk), pkt, seg);
			inst->current = NULL;
		} else if (flow->kind == FLOW_TCP_REQ) {
			deliver_req(s7_container(flow, struct s7_tcp_req, flow), pkt, rx, seg);
		} else {
			tcp_tw_rx(inst, s7_container(flow, struct s7_tcp_tw, flow), pkt, rx, seg);
		}
		return;
	}
	listener = tcp_find_listener(inst, pkt, rx, &seg->h);
	if (!listener)
		tcp_no_flow(inst, pkt, rx, seg);
	else if (!refused(&listener->sk, pkt, rx, seg))
		tcp_listen_rx(listener, pkt, rx, seg);
}

void tcp_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	struct tcp_seg seg;
	enum s7_drop why;

	stat_add(inst, STAT_TCP_IN_SEGS, 1);
	seg.ttl = rx->ttl;
	seg.ecn = rx->tos & ECN_BITS;
	if (s7_unlikely(pkt->len < TCP_HDR_MAX && pkt->len < pkt->total)) {
		/* the header may be spread over buffers (small fragments): one flat copy */
		struct s7_pkt *flat = pkt_copy_whole(inst, pkt);

		pkt_drop(inst, pkt, flat ? DROP_NONE : DROP_NO_PKT);
		if (!flat)
			return;
		pkt = flat;
	}
	why = seg_read(inst, pkt, rx, &seg);
	if (s7_unlikely(why != DROP_NONE)) {
		pkt_drop(inst, pkt, why);
		return;
	}
	deliver(inst, pkt, rx, &seg);
}

void tcp_icmp(struct s7_inst *inst, const struct s7_flow *quoted, uint32_t seq,
	      const struct s7_icmp_error *e)
{
	struct s7_flow *flow = flow_find(&inst->flows, IPPROTO_TCP, &quoted->local, quoted->lport,
					 &quoted->remote, quoted->rport);
	struct s7_sock *sk;

	if (flow && flow->kind == FLOW_TCP_REQ) {
		tcp_req_icmp(inst, s7_container(flow, struct s7_tcp_req, flow), seq, e);
		return;
	}
	if (!flow || flow->kind != FLOW_TCP) {
		inst->drop[DROP_ICMP_NO_FLOW]++;
		return;
	}
	sk = s7_container(flow, struct s7_sock, flow);
	/* it must quote something in flight: else anybody could send it (RFC 5927) */
	if (!seq_between(seq, tcp_tcb(sk)->snd_una, tcp_tcb(sk)->snd_nxt) &&
	    !(tcp_tcb(sk)->state < TCPS_ESTABLISHED && seq == tcp_tcb(sk)->iss)) {
		inst->drop[DROP_ICMP_NO_FLOW]++;
		return;
	}
	stat_add(inst, STAT_ICMP_ERRORS_IN, 1);
	if (e->mtu) /* others who go there need not find out again */
		ip_pmtu_learn(inst, &sk->flow.remote, e->mtu);
	inst->current = sk;
	tcp_icmp_sk(sk, e);
	inst->current = NULL;
}
