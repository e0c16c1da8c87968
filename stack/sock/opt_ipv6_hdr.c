/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_ipv6_hdr.c - level IPPROTO_IPV6: extension headers, flows, preferences of source addresses
 *
 * Headers of every packet (RFC 3542 6, 8, 9): privileges, lengths and types of routing headers are
 * judged by a kernel socket first (OPT_ASK), so that they are the kernel's; here they are kept. A
 * connection's segments become smaller by them at once. Flow labels are leased by the kernel
 * (OPT_LEASE): the socket behind holds the lease, here stands what the stack must know of it.
 * What few sockets have: all of it lives in sk->ext, but for bits.
 * Context: instance lock; take functions are called without and lock themselves. Callers:
 * sockopt.c.
 */
#include <errno.h>

#include "stack/base/user.h"
#include "stack/sock/control.h"
#include "stack/sock/ext_rows.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"
#include "stack/wire/bytes.h"

/* ---- headers of every packet ---- */

static int set_headers(struct s7_sock *sk, struct s7_hdrs6 *hdrs)
{
	struct s7_hdrs6 *old;

	if (!hdrs && !sk->ext)
		return 0;
	if (!sk_ext(sk)) {
		hdrs6_unref(sk->inst, hdrs);
		return -ENOBUFS;
	}
	old = sk->ext->hdrs6;
	sk->ext->hdrs6 = hdrs;
	s7_in_order(); /* who dies here loses a set and leaves none that is free */
	hdrs6_unref(sk->inst, old);
	if (sk->proto == PROTO_TCP)
		tcp_headers_changed(sk);
	else
		udp_sock(sk)->dst_valid = false;
	return 0;
}

/* What the length field says; 0: remove it. -EINVAL, -EFAULT. */
static int sticky_read(const void *val, socklen_t len, struct s7_hdr6_at *ret)
{
	uint8_t h[2];

	*ret = (struct s7_hdr6_at){ val, 0 };
	if (!len)
		return 0;
	if (len % 8 || len > HDR6_MAX)
		return -EINVAL;
	if (!user_get(h, val, sizeof(h)))
		return -EFAULT;
	ret->len = (uint16_t)(h[1] * 8 + 8);
	return ret->len > len ? -EINVAL : 0;
}

static int take_sticky(struct s7_sock *sk, const void *val, socklen_t len, s7_time now,
		       enum s7_hdr6 which)
{
	struct s7_hdrs6 *hdrs = NULL;
	struct s7_hdr6_at to;
	int err;

	err = sticky_read(val, len, &to);
	if (!err)
		err = sock_enter(sk, 0, now);
	if (err)
		return err;
	err = hdrs6_change(sk->inst, sk->ext ? sk->ext->hdrs6 : NULL, which, &to, &hdrs);
	if (!err)
		err = set_headers(sk, hdrs);
	sock_leave(sk->inst);
	return err;
}

static int copy_sticky(struct s7_sock *sk, void *val, socklen_t room, socklen_t *ret_len,
		       enum s7_hdr6 which)
{
	const struct s7_hdrs6 *hdrs = sk->ext ? sk->ext->hdrs6 : NULL;

	*ret_len = hdrs ? (socklen_t)s7_min(room, hdrs->len[which]) : 0;
	return !*ret_len || user_put(val, hdrs6_at(hdrs, which), *ret_len) ? 0 : -EFAULT;
}

#define STICKY(what, which)                                                                        \
	static int take_##what(struct s7_sock *sk, const void *val, socklen_t len, s7_time now)    \
	{                                                                                          \
		return take_sticky(sk, val, len, now, which);                                      \
	}                                                                                          \
	static int copy_##what(struct s7_sock *sk, void *val, socklen_t room, socklen_t *ret_len)  \
	{                                                                                          \
		return copy_sticky(sk, val, room, ret_len, which);                                 \
	}

STICKY(hop, HDR6_HOP)
STICKY(dst0, HDR6_DST0)
STICKY(route, HDR6_ROUTE)
STICKY(dst1, HDR6_DST1)

/* ---- IPV6_2292PKTOPTIONS ---- */

/* Headers that stand in messages as sendmsg takes them. */
static int headers_from(struct s7_sock *sk, const void *val, size_t len, s7_time now,
			int (*use)(struct s7_sock *sk, struct s7_hdrs6 *hdrs, const void *arg),
			const void *arg)
{
	struct s7_msg_ask ask = { .has = 0 };
	struct s7_msg msg = { .ask = &ask };
	struct s7_hdrs6 *hdrs = NULL;
	int err;

	err = control_headers_read(sk, val, len, &msg);
	if (!err)
		err = sock_enter(sk, 0, now);
	if (err)
		return err;
	if (ask.has & ASK_HDRS)
		err = hdrs6_make(sk->inst, ask.hdr, &hdrs);
	if (!err)
		err = use(sk, hdrs, arg);
	sock_leave(sk->inst);
	return err;
}

static int use_as_own(struct s7_sock *sk, struct s7_hdrs6 *hdrs, const void *arg)
{
	(void)arg;
	return set_headers(sk, hdrs);
}

static int take_pktoptions(struct s7_sock *sk, const void *val, socklen_t len, s7_time now)
{
	return headers_from(sk, val, len, now, use_as_own, NULL);
}

/* The stream's last packet that had something to tell (tcp_heard6). */
static void tell_heard(struct s7_sock *sk, const struct s7_pkt *heard, struct cmsg_out *out)
{
	struct s7_msg_more more = { .head_len = (uint16_t)heard->len };
	struct s7_msg msg = { .more = &more, .ttl = heard->data[7],
			      .tos = (uint8_t)(get_be16(heard->data) >> 4),
			      .name.iface = heard->iface };

	memcpy(more.head, heard->data, heard->len);
	memcpy(msg.local.b, heard->data + 24, sizeof(msg.local.b));
	if (sk->ip6.bits & SK6_RECVPKTINFO)
		control_put_pktinfo6(sk, &msg, IPV6_PKTINFO, out);
	control_put_ip6(sk, &msg, out);
}

/* None was kept: what is known without, in Linux's order. */
static void tell_known(struct s7_sock *sk, struct cmsg_out *out)
{
	int hops = sk->ip6.heard_hops ? sk->ip6.heard_hops :
		   sk->ip6.mcast_hops < 0 ? 1 : sk->ip6.mcast_hops;
	struct s7_msg msg = { .name.iface = (uint8_t)(sk->ip6.heard_iface - 1) };
	int tclass = (int)(sk->ip6.flow_heard >> 20);
	uint32_t bits = sk->ip6.bits, flow = htonl(sk->ip6.flow_heard);

	if (sk->ip6.heard_iface)
		msg.local = sk->flow.remote;
	if (bits & SK6_RECVPKTINFO)
		control_put_pktinfo6(sk, &msg, IPV6_PKTINFO, out);
	if (bits & SK6_RECVHOPLIMIT)
		cmsg_put(out, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (bits & SK6_RECVTCLASS)
		cmsg_put(out, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
	if (bits & SK6_2292PKTINFO)
		control_put_pktinfo6(sk, &msg, IPV6_2292PKTINFO, out);
	if (bits & SK6_2292HOPLIMIT)
		cmsg_put(out, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &hops, sizeof(hops));
	if (bits & SK6_FLOWINFO)
		cmsg_put(out, IPPROTO_IPV6, IPV6_FLOWINFO_, &flow, sizeof(flow));
}

static int copy_pktoptions(struct s7_sock *sk, void *val, socklen_t room, socklen_t *ret_len)
{
	struct cmsg_out out = { val, val ? room : 0, 0 };

	if (sk->type != SOCK_STREAM)
		return -ENOPROTOOPT;
	if (sk->ext && sk->ext->heard)
		tell_heard(sk, sk->ext->heard, &out);
	else
		tell_known(sk, &out);
	*ret_len = val ? (socklen_t)(out.at - (char *)val) : 0;
	return 0;
}

/* ---- flow labels ---- */

/* struct in6_flowlabel_req of the kernel. */
struct label_request {
	struct in6_addr dst;
	uint32_t label; /* network order */
	uint8_t action, share;
	uint16_t flags, expires, linger;
	uint32_t pad;
};

static_assert(sizeof(struct label_request) == 32, "as the kernel has it");

enum { LABEL_GET, LABEL_PUT, LABEL_RENEW };
#define LABEL_REFLECT 4 /* IPV6_FL_F_REFLECT */
#define LABEL_REMOTE 8	/* IPV6_FL_F_REMOTE */
#define LABEL_MASK 0xfffffu
#define LINGER_LEAST 6 /* seconds; Linux's */

static void lease_times(struct s7_lease6 *lease, const struct label_request *req, s7_time now)
{
	uint16_t linger = (uint16_t)s7_max(req->linger, LINGER_LEAST);
	s7_time expires = now + s7_max(req->expires, LINGER_LEAST) * S7_SEC;

	lease->linger_s = (uint16_t)s7_max(lease->linger_s, linger);
	lease->expires = s7_max(lease->expires, expires);
}

static int use_as_lease(struct s7_sock *sk, struct s7_hdrs6 *hdrs, const void *arg)
{
	const struct label_request *req = arg;
	struct s7_lease6 *lease = sk_ext(sk) ? lease6_add(sk, req->label) : NULL;

	if (!lease) {
		hdrs6_unref(sk->inst, hdrs);
		return -ENOBUFS;
	}
	lease->hdrs = hdrs;
	lease->share = req->share;
	memcpy(lease->dst.b, &req->dst, sizeof(lease->dst.b));
	lease_times(lease, req, sk->inst->now);
	return 0;
}

/* The kernel has agreed to everything: what remains is to know of it. */
static int label_known(struct s7_sock *sk, const struct label_request *req, s7_time now)
{
	struct s7_lease6 *lease;
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	lease = lease6_find(sk, req->label);
	if (req->flags & LABEL_REFLECT && req->action == LABEL_GET) {
		sk->ip6.bits |= SK6_REFLECT;
	} else if (req->flags & LABEL_REFLECT && req->action == LABEL_PUT) {
		sk->ip6.bits &= ~(uint32_t)SK6_REFLECT;
		if (sk->ext)
			sk->ext->flow_sent = 0;
	} else if (req->action == LABEL_PUT) {
		lease6_drop(sk, req->label);
	} else if (req->action == LABEL_RENEW && lease) {
		lease_times(lease, req, sk->inst->now);
	}
	sock_leave(sk->inst);
	return 0;
}

static int take_label(struct s7_sock *sk, const void *val, socklen_t len, s7_time now)
{
	struct label_request req;

	if (len < sizeof(req))
		return -EINVAL;
	if (!user_get(&req, val, sizeof(req))) /* with the label that the kernel wrote */
		return -EFAULT;
	if (req.action != LABEL_GET || req.flags & LABEL_REFLECT)
		return label_known(sk, &req, now);
	return headers_from(sk, (const char *)val + sizeof(req), len - sizeof(req), now,
			    use_as_lease, &req);
}

static int label_of(const struct s7_sock *sk, struct label_request *req, uint16_t flags)
{
	uint32_t label = sk->ext ? sk->ext->flow_sent & htonl(LABEL_MASK) : 0;
	const struct s7_lease6 *lease = lease6_find(sk, label);

	if (flags & LABEL_REMOTE) {
		req->label = htonl(sk->ip6.flow_heard & LABEL_MASK);
		return 0;
	}
	if (sk->ip6.bits & SK6_REFLECT) {
		req->label = label;
		return 0;
	}
	if (!lease)
		return -ENOENT;
	memcpy(&req->dst, lease->dst.b, sizeof(req->dst));
	req->label = label;
	req->share = lease->share;
	req->expires = lease->expires > sk->inst->now ?
			       (uint16_t)((lease->expires - sk->inst->now) / S7_SEC) : 0;
	req->linger = lease->linger_s;
	return 0;
}

static int copy_label(struct s7_sock *sk, void *val, socklen_t room, socklen_t *ret_len)
{
	struct label_request req;
	uint16_t flags;
	int err;

	if (room < sizeof(req))
		return -EINVAL;
	if (!user_get(&req, val, sizeof(req)))
		return -EFAULT;
	if (req.action != LABEL_GET)
		return -EINVAL;
	flags = req.flags;
	memset(&req, 0, sizeof(req));
	err = label_of(sk, &req, flags);
	if (err)
		return err;
	*ret_len = sizeof(req);
	return user_put(val, &req, sizeof(req)) ? 0 : -EFAULT;
}

/* ---- source addresses (RFC 5014) ---- */

/* Of each pair at most one. False: both. */
static bool one_of(int value, int a, int b, int c)
{
	int set = value & (a | b | c);

	return !(set & (set - 1));
}

static int set_preferences(struct s7_sock *sk, const struct opt_value *value)
{
	uint8_t prefs = (uint8_t)(value->num & (SOURCE_TMP | SOURCE_PUBLIC | SOURCE_COA));

	if (!one_of(value->num, SOURCE_TMP, SOURCE_PUBLIC, SOURCE_PUBTMP_DEFAULT) ||
	    !one_of(value->num, SOURCE_HOME, SOURCE_COA, 0) ||
	    !one_of(value->num, SOURCE_CGA, SOURCE_NONCGA, 0))
		return -EINVAL;
	if (!prefs && !sk->ext)
		return 0;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->source_prefs = prefs;
	return 0;
}

static int get_preferences(struct s7_sock *sk, struct opt_value *ret)
{
	uint8_t prefs = sk->ext ? sk->ext->source_prefs : 0;

	ret->num = prefs & (SOURCE_TMP | SOURCE_PUBLIC) ? prefs & (SOURCE_TMP | SOURCE_PUBLIC) :
							   SOURCE_PUBTMP_DEFAULT;
	ret->num |= prefs & SOURCE_COA ? SOURCE_COA : SOURCE_HOME;
	return 0;
}

/* ---- the rows ---- */

#define ROW(name_, type_, access_, ...)                                                            \
	{ .level = IPPROTO_IPV6, .name = name_, .type = type_, .access = OPT_RW | (access_),       \
	  .on = ON_ANY | ON_V6, __VA_ARGS__ }
#define BIT6(bit_) .bit = bit_, .bits_at = offsetof(struct s7_sock, ip6.bits)
#define IN_PLACE(what) .take = take_##what, .copy = copy_##what

static const struct s7_opt headers_opts[] = {
	ROW(IPV6_2292DSTOPTS, OPT_BOOL, 0, BIT6(SK6_2292DSTOPTS),
	    .text = "destination options beside each datagram, as RFC 2292 has it"),
	ROW(IPV6_2292HOPOPTS, OPT_BOOL, 0, BIT6(SK6_2292HOPOPTS),
	    .text = "hop-by-hop options beside each datagram, as RFC 2292 has it"),
	ROW(IPV6_2292PKTOPTIONS, OPT_BYTES, OPT_ASK, IN_PLACE(pktoptions),
	    .text = "set: all headers of what is sent; get: of what a stream's peer sent last"),
	ROW(IPV6_2292RTHDR, OPT_BOOL, 0, BIT6(SK6_2292RTHDR),
	    .text = "routing header beside each datagram, as RFC 2292 has it"),
	ROW(IPV6_ADDR_PREFERENCES, OPT_INT, 0, .set = set_preferences, .get = get_preferences,
	    .text = "which source addresses are preferred (RFC 5014)"),
	ROW(IPV6_DSTOPTS, OPT_BYTES, OPT_ASK, IN_PLACE(dst1),
	    .text = "destination options of every packet; needs CAP_NET_RAW"),
	ROW(IPV6_FLOWINFO_, OPT_BOOL, 0, BIT6(SK6_FLOWINFO),
	    .text = "class and flow label beside each datagram"),
	ROW(IPV6_FLOWINFO_SEND_, OPT_BOOL, 0, BIT6(SK6_SENDFLOW),
	    .text = "sin6_flowinfo of connect and send counts"),
	ROW(IPV6_FLOWLABEL_MGR_, OPT_BYTES, OPT_LEASE, IN_PLACE(label),
	    .text = "flow labels, leased by the kernel for its network namespace"),
	ROW(IPV6_HOPOPTS, OPT_BYTES, OPT_ASK, IN_PLACE(hop),
	    .text = "hop-by-hop options of every packet; needs CAP_NET_RAW"),
	ROW(IPV6_RECVDSTOPTS, OPT_BOOL, 0, BIT6(SK6_RECVDSTOPTS),
	    .text = "destination options beside each datagram"),
	ROW(IPV6_RECVFRAGSIZE, OPT_BOOL_ZERO, 0, BIT6(SK6_RECVFRAGSIZE),
	    .text = "size of the greatest fragment beside each datagram that came in some"),
	ROW(IPV6_RECVHOPOPTS, OPT_BOOL, 0, BIT6(SK6_RECVHOPOPTS),
	    .text = "hop-by-hop options beside each datagram"),
	ROW(IPV6_RECVPATHMTU, OPT_BOOL, 0, BIT6(SK6_RECVPATHMTU),
	    .text = "recvmsg tells the path MTU that a datagram with IPV6_DONTFRAG exceeded"),
	ROW(IPV6_RECVRTHDR, OPT_BOOL, 0, BIT6(SK6_RECVRTHDR),
	    .text = "routing headers beside each datagram"),
	{ .level = IPPROTO_IPV6, .name = IPV6_ROUTER_ALERT_ISOLATE_, .type = OPT_INT,
	  .access = OPT_RW | OPT_BEHIND, .on = ON_ANY | ON_V6,
	  .text = "what the host forwards: that is the kernel" },
	ROW(IPV6_RTHDR, OPT_BYTES, OPT_ASK, IN_PLACE(route),
	    .text = "routing header of every packet, of the types that the kernel takes"),
	ROW(IPV6_RTHDRDSTOPTS, OPT_BYTES, OPT_ASK, IN_PLACE(dst0),
	    .text = "destination options before the routing header; needs CAP_NET_RAW"),
};

const struct s7_opt_table ipv6_headers_table = { IPPROTO_IPV6, headers_opts,
						 S7_ARRAY_LEN(headers_opts) };
