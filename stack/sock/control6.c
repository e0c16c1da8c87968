/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control6.c - control messages of level IPPROTO_IPV6 beside what was received
 *
 * The order is Linux's: PKTINFO, hop limit, class, flow, the extension headers as they stood in the
 * packet (RFC 3542 9), then the same in the style of RFC 2292, destination, size of fragments. The
 * headers are those of the packet, which the stack has walked already (ip6_ext.c): here they are
 * told apart again, because so few programs ask.
 * Context: the program's memory, no lock, or (IPV6_2292PKTOPTIONS) the instance's. Callers:
 * control.c, opt_ipv6_hdr.c.
 */
#include "stack/core/ext.h"
#include "stack/sock/control.h"
#include "stack/wire/ip6.h"

/* Where the headers are in msg->more->head, 0: there is none. */
struct places {
	const uint8_t *head;
	uint32_t hop, dst0, route, dst1;
};

static uint32_t header_len(const uint8_t *h)
{
	return h[1] * 8u + 8;
}

/* Destination options in front of a routing header are dst0, else dst1, as in Linux. */
static void place_note(struct places *at, uint8_t kind, uint32_t off)
{
	if (kind == IP6_EXT_HOPBYHOP) {
		at->hop = off;
	} else if (kind == IP6_EXT_DEST) {
		at->dst1 = off;
	} else if (kind == IP6_EXT_ROUTING) {
		at->route = off;
		at->dst0 = at->dst1;
		at->dst1 = 0;
	}
}

static void put_header(struct cmsg_out *out, const struct places *at, int type, uint32_t off)
{
	cmsg_put(out, IPPROTO_IPV6, type, at->head + off, header_len(at->head + off));
}

/* Notes where the headers are, and tells those of RFC 3542 in their order. */
static void walk_headers(const struct s7_msg_more *more, uint32_t bits, struct cmsg_out *out,
			 struct places *ret)
{
	uint8_t kind = more->head[IP6_NEXT_AT];
	uint32_t off = IP6_LEN;

	*ret = (struct places){ .head = more->head };
	while (off + 8 <= more->head_len && off + header_len(more->head + off) <= more->head_len) {
		place_note(ret, kind, off);
		if (kind == IP6_EXT_HOPBYHOP && bits & SK6_RECVHOPOPTS)
			put_header(out, ret, IPV6_HOPOPTS, off);
		if (kind == IP6_EXT_DEST && bits & SK6_RECVDSTOPTS)
			put_header(out, ret, IPV6_DSTOPTS, off);
		if (kind == IP6_EXT_ROUTING && bits & SK6_RECVRTHDR)
			put_header(out, ret, IPV6_RTHDR, off);
		kind = more->head[off];
		off += header_len(more->head + off);
	}
}

/* The style of RFC 2292: at most one of each kind. */
static void put_old_headers(const struct places *at, uint32_t bits, struct cmsg_out *out)
{
	if (bits & SK6_2292HOPOPTS && at->hop)
		put_header(out, at, IPV6_2292HOPOPTS, at->hop);
	if (bits & SK6_2292DSTOPTS && at->dst0)
		put_header(out, at, IPV6_2292DSTOPTS, at->dst0);
	if (bits & SK6_2292RTHDR && at->route)
		put_header(out, at, IPV6_2292RTHDR, at->route);
	if (bits & SK6_2292DSTOPTS && at->dst1)
		put_header(out, at, IPV6_2292DSTOPTS, at->dst1);
}

static void put_flow(const struct s7_msg_more *more, struct cmsg_out *out)
{
	uint32_t flow = get_raw32(more->head) & htonl(0x0fffffff);

	if (flow)
		cmsg_put(out, IPPROTO_IPV6, IPV6_FLOWINFO_, &flow, sizeof(flow));
}

void control_put_pktinfo6(struct s7_sock *sk, const struct s7_msg *msg, int type,
			  struct cmsg_out *out)
{
	struct in6_pktinfo info;

	memcpy(&info.ipi6_addr, msg->local.b, sizeof(info.ipi6_addr));
	info.ipi6_ifindex = (unsigned int)control_ifindex(sk, msg->name.iface);
	cmsg_put(out, IPPROTO_IPV6, type, &info, sizeof(info));
}

static void put_origdst(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(sk->flow.lport) };

	memcpy(&to.sin6_addr, msg->local.b, sizeof(to.sin6_addr));
	if (IN6_IS_ADDR_LINKLOCAL(&to.sin6_addr))
		to.sin6_scope_id = (uint32_t)control_ifindex(sk, msg->name.iface);
	cmsg_put(out, IPPROTO_IPV6, IPV6_ORIGDSTADDR, &to, sizeof(to));
}

void control_put_ip6(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	const struct s7_msg_more *more = msg->more && msg->more->head_len ? msg->more : NULL;
	int hops = msg->ttl, tclass = msg->tos;
	struct places at = { .head = NULL };
	uint32_t bits = sk->ip6.bits;

	if (bits & SK6_RECVHOPLIMIT)
		cmsg_put(out, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (bits & SK6_RECVTCLASS)
		cmsg_put(out, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
	if (more && bits & SK6_FLOWINFO)
		put_flow(more, out);
	if (more)
		walk_headers(more, bits, out, &at);
	if (bits & SK6_2292PKTINFO)
		control_put_pktinfo6(sk, msg, IPV6_2292PKTINFO, out);
	if (bits & SK6_2292HOPLIMIT)
		cmsg_put(out, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &hops, sizeof(hops));
	if (more)
		put_old_headers(&at, bits, out);
	if (sk_ext_has(sk, EXT_ORIGDST6))
		put_origdst(sk, msg, out);
	if (more && bits & SK6_RECVFRAGSIZE && more->frag_max)
		cmsg_put(out, IPPROTO_IPV6, IPV6_RECVFRAGSIZE, &(int){ more->frag_max },
			 sizeof(int));
}

void control_put_mtu(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	struct ip6_mtuinfo info = { .ip6m_addr = { .sin6_family = AF_INET6 },
				    .ip6m_mtu = msg->more->path_mtu };

	memcpy(&info.ip6m_addr.sin6_addr, msg->name.ip.b, sizeof(info.ip6m_addr.sin6_addr));
	if (ip_needs_scope(&msg->name.ip))
		info.ip6m_addr.sin6_scope_id = (uint32_t)control_ifindex(sk, msg->name.iface);
	cmsg_put(out, IPPROTO_IPV6, IPV6_PATHMTU, &info, sizeof(info));
}
