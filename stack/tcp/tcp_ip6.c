// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_ip6.c - what a connection over IPv6 sends and hears beyond TCP: headers, flow labels
 *
 * Headers of the program's choice (stack/core/hdrs6.h) are part of every segment: the MSS shrinks
 * by them, a routing header decides the way. What the last segment in order came with is kept for
 * IPV6_2292PKTOPTIONS by sockets that asked for any of it, as Linux does: the numbers always, the
 * headers when there is one to tell. IPV6_FL_F_REFLECT: the label of what is sent is the one that
 * was last heard.
 * Context: instance lock. Called by: tcp_in.c, tcp_req.c, tcp_cookie.c, opt_ipv6_hdr.c.
 */
#include "stack/core/ext.h"
#include "stack/tcp/tcp_int.h"
#include "stack/wire/ip6.h"

#define LABEL_MASK 0xfffffu
#define HOP_BITS (SK6_RECVHOPOPTS | SK6_2292HOPOPTS)
#define DEST_BITS (SK6_RECVDSTOPTS | SK6_2292DSTOPTS)
#define ROUTE_BITS (SK6_RECVRTHDR | SK6_2292RTHDR)
#define INFO_BITS (SK6_RECVPKTINFO | SK6_2292PKTINFO)
#define HOPS_BITS (SK6_RECVHOPLIMIT | SK6_2292HOPLIMIT)

void tcp_headers_changed(struct s7_sock *sk)
{
	tcp_sk(sk)->tcb.dst.generation--; /* way and MSS anew before the next segment */
}

/* Is there something in the headers that the socket wants to be told? */
static bool has_told(const struct s7_sock *sk, const uint8_t *head, uint32_t len)
{
	uint32_t bits = sk->ip6.bits, off = IP6_LEN;
	uint8_t kind = head[IP6_NEXT_AT];

	if (bits & SK6_FLOWINFO && get_be32(head) & 0x0fffffff)
		return true;
	for (; off + 8 <= len; off += head[off + 1] * 8u + 8) {
		if ((kind == IP6_EXT_HOPBYHOP && bits & HOP_BITS) ||
		    (kind == IP6_EXT_DEST && bits & DEST_BITS) ||
		    (kind == IP6_EXT_ROUTING && bits & ROUTE_BITS))
			return true;
		kind = head[off];
	}
	return false;
}

/* The headers take the place of those that were kept; NULL: none do. */
static void keep(struct s7_sock *sk, const uint8_t *head, uint32_t len, uint8_t iface)
{
	struct s7_pkt *pkt = NULL, *old;

	if (!head && !sk->ext)
		return;
	if (head && sk_ext(sk))
		pkt = pkt_alloc(sk->inst);
	if (pkt) {
		memcpy(pkt->data, head, len);
		pkt->len = pkt->total = len;
		pkt->iface = iface;
	}
	if (!sk->ext)
		return;
	old = sk->ext->heard;
	sk->ext->heard = pkt;
	s7_in_order();
	pkt_free(sk->inst, old);
}

static void reflect(struct s7_sock *sk, const struct s7_rx *rx)
{
	if (!(sk->ip6.bits & SK6_REFLECT) || !sk_ext(sk))
		return;
	sk->ext->flow_sent = htonl(rx->flow & LABEL_MASK);
	tcp_label(sk, &sk->flow, &tcp_sk(sk)->tcb.dst);
}

/* The headers in front of the packet's data; 0: they are not whole there. */
static uint32_t head_of(const struct s7_pkt *pkt, uint8_t head[UINT8_MAX])
{
	uint32_t len = pkt->l3_len;

	if (len < IP6_LEN || len > pkt_headroom(pkt))
		return 0;
	memcpy(head, pkt->data - len, len);
	return len;
}

void tcp_heard_first(struct s7_tcp_sock *child, const struct s7_pkt *pkt, const struct s7_rx *rx)
{
	struct s7_sock *sk = &child->sk;
	uint8_t head[UINT8_MAX];
	uint32_t len;

	if (ip_is_v4(&rx->dst))
		return;
	sk->ip6.heard_iface = (uint8_t)(rx->iface->index + 1);
	sk->ip6.heard_hops = rx->ttl;
	sk->ip6.flow_heard = rx->flow;
	if (s7_likely(!(sk->ip6.bits & SK6_STREAM)))
		return;
	reflect(sk, rx);
	len = head_of(pkt, head);
	if (len &&
	    (has_told(sk, head, len) || sk->ip6.bits & (INFO_BITS | HOPS_BITS | SK6_REFLECT)))
		keep(sk, head, len, rx->iface->index);
}

void tcp_rx_heard(struct s7_tcp_sock *ts, struct s7_pkt *pkt, const struct s7_rx *rx,
		  struct tcp_seg *seg)
{
	uint32_t end = seg->h.seq + seg->len + !!(seg->h.flags & TCPF_SYN) +
		       !!(seg->h.flags & TCPF_FIN);
	struct s7_sock *sk = &ts->sk;
	uint8_t head[UINT8_MAX];
	uint32_t len = ip_is_v4(&rx->dst) ? 0 : head_of(pkt, head), bits = sk->ip6.bits;
	const struct s7_rx heard = *rx;

	tcp_rx(ts, pkt, seg);
	if (!len || ts->tcb.state == TCPS_CLOSED || ts->tcb.state == TCPS_LISTEN ||
	    ts->tcb.rcv_nxt != end)
		return;
	if (bits & INFO_BITS)
		sk->ip6.heard_iface = (uint8_t)(heard.iface->index + 1);
	if (bits & HOPS_BITS)
		sk->ip6.heard_hops = heard.ttl;
	if (bits & (SK6_FLOWINFO | SK6_RECVTCLASS))
		sk->ip6.flow_heard = heard.flow;
	reflect(sk, &heard);
	keep(sk, has_told(sk, head, len) ? head : NULL, len, heard.iface->index);
}
