/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_out.c - datagrams from the program to the network
 *
 * The program's bytes are copied once, summed on the way unless the device does that, into buffers
 * that hold exactly one fragment each, so that a datagram above the MTU is fragmented without a
 * second copy. MSG_MORE collects in us->cork until a send without it. The way to the last
 * destination is kept (us->dst). Order of refusals as in Linux: length, flags, address, route,
 * broadcast permission, path MTU, pending error, shutdown. A datagram that the interface could not
 * take is lost silently, unless the socket wants errors (IP_RECVERR): that is UDP. Context:
 * instance lock; user memory is the calling thread's.
 */
#include <errno.h>

#include "stack/core/charge.h"
#include "stack/core/ext.h"
#include "stack/ip/arp.h"
#include "stack/ip/chain.h"
#include "stack/udp/udp_way.h"
#include "stack/wire/csum.h"
#include "stack/wire/ip4.h"
#include "stack/wire/ip6.h"

static const struct pmtu_rule pmtu_rules[] = {
	[IP_PMTUDISC_DONT] = { false, false, false, false },
	[IP_PMTUDISC_WANT] = { false, true, false, false },
	[IP_PMTUDISC_DO] = { true, false, true, false },
	[IP_PMTUDISC_PROBE] = { true, false, true, true },
	[IP_PMTUDISC_INTERFACE] = { false, false, true, true },
	[IP_PMTUDISC_OMIT] = { false, false, false, true },
};

#define UDP_SEGMENTS_MAX 128 /* Linux's */

/* One datagram under construction. */
struct build {
	struct s7_inst *inst;
	struct s7_pkt *head, *tail;
	uint32_t room; /* bytes of a buffer, UDP header included: one fragment */
	uint32_t sum;  /* of the payload */
	bool summing;
	struct s7_ip_tx tx; /* its options so far */
	bool more_of; /* a later one of the datagrams that one call is cut into */
};

static struct s7_pkt *build_buffer(struct build *b, uint32_t reserve)
{
	struct s7_pkt *part = pkt_alloc(b->inst);

	if (!part) {
		b->inst->drop[DROP_NO_PKT]++;
		return NULL;
	}
	part->len = part->total = reserve;
	if (b->head) {
		b->tail->frag = part;
		b->head->nsegs++;
	} else {
		b->head = part;
	}
	b->tail = part;
	return part;
}

/* Appends the next `left` bytes of the message. */
static int build_append(struct build *b, struct s7_msg *msg, uint64_t left)
{
	if (!b->head && !build_buffer(b, UDP_LEN))
		return -ENOBUFS;
	while (left) {
		struct s7_pkt *part = b->tail;
		uint32_t space =
			(uint32_t)s7_min(b->room - s7_min(b->room, part->len), pkt_tailroom(part));
		uint32_t here = (uint32_t)s7_min(space, left);

		if (!here) {
			if (!build_buffer(b, 0))
				return -ENOBUFS;
			continue;
		}
		if (b->summing)
			b->sum = csum_add_at(b->sum,
					     msg_copy_in_sum(msg, part->data + part->len, here),
					     b->head->total);
		else
			msg_copy_in(msg, part->data + part->len, here);
		if (s7_unlikely(msg->bad))
			return -EFAULT;
		part->len += here;
		b->head->total += here;
		if (part != b->head)
			part->total += here;
		left -= here;
	}
	return 0;
}

static struct s7_ip udp_source(const struct s7_sock *sk, const struct s7_msg *msg)
{
	return !ip_is_any(&msg->local) ? msg->local : sk->flow.local;
}

uint32_t udp_device(const struct s7_sock *sk, const struct s7_msg *msg, const struct s7_ip *to)
{
	if (msg->name.iface)
		return msg->name.iface + 1u;
	if (s7_unlikely(sk->ip6.src_iface) && !sk->bound_iface && !ip_is_v4(to))
		return sk->ip6.src_iface;
	if (s7_likely(!sk->ext) || sk->bound_iface || ip_is_multicast(to))
		return sk->bound_iface;
	return ip_is_v4(to) ? sk->ext->unicast_if : sk->ext->unicast_if6;
}

void udp_group_way(const struct s7_sock *sk, const struct s7_ip *to, uint32_t *device,
		   struct s7_ip *src)
{
	bool v4 = ip_is_v4(to);
	uint8_t mc_if;

	if (ip_is_multicast(src))
		*src = v4 ? ip_from_v4(0) : (struct s7_ip){ 0 };
	if (!ip_is_multicast(to) || !sk->ext)
		return;
	mc_if = v4 ? sk->ext->mc_if : sk->ext->mc_if6;
	if (!*device && mc_if != EXT_MC_KERNEL)
		*device = mc_if;
	if (v4 && sk->ext->mc_addr && ip_is_any(src))
		*src = ip_from_v4(sk->ext->mc_addr);
}

int udp_route(struct s7_udp_sock *us, const struct s7_ip *to, const struct s7_ip *src,
	      uint32_t device)
{
	struct s7_inst *inst = us->sk.inst;
	int err;

	if (s7_likely(us->dst_valid && ip_equal(&us->dst.dst, to) && ip_equal(&us->dst_src, src) &&
		      us->dst_iface == device && !dst_stale(inst, &us->dst)))
		return 0;
	us->dst_valid = false;
	err = dst_lookup(inst, to, src, device, &us->dst);
	if (err)
		return err;
	if (us->dst.owner != ROUTE_STACK)
		return -ENETUNREACH;
	dst_prefer_source(inst, &us->dst, us->sk.ext ? us->sk.ext->source_prefs : 0);
	us->dst_src = *src;
	us->dst_iface = device;
	us->dst_broadcast = ip_is_broadcast(inst, &us->dst.dst);
	us->dst_valid = true;
	return 0;
}

int udp_way_allowed(const struct s7_udp_sock *us, const struct s7_msg *msg)
{
	const struct s7_sock *sk = &us->sk;

	if (us->dst_broadcast && !(sk->bits & SKB_BROADCAST))
		return -EACCES;
	if ((msg->flags & MSG_DONTROUTE || sk->bits & SKB_DONTROUTE) &&
	    !ip_equal(&us->dst.hop, &us->dst.dst))
		return -ENETUNREACH;
	return udp_opts_allow(us, msg) ? 0 : -ENETUNREACH;
}

static int udp_destination(struct s7_udp_sock *us, const struct s7_msg *msg, uint16_t *ret_port)
{
	struct s7_sock *sk = &us->sk;
	struct s7_ip src = udp_source(sk, msg);
	struct s7_ip to = sk->flow.remote;
	const struct s7_ip *way = &to;
	uint16_t port = sk->flow.rport;
	uint32_t device;
	int err;

	if (msg->name.valid) {
		to = msg->name.ip;
		port = msg->name.port;
		if (!port)
			return -EINVAL;
	} else if (!(sk->bits & SKB_CONNECTED)) {
		return -EDESTADDRREQ;
	}
	device = udp_device(sk, msg, &to);
	err = udp_opts_begin(us, msg, &to);
	if (!err && s7_unlikely(udp_is_special(sk, msg)))
		err = udp_begin6(us, msg, &way);
	if (err)
		return err;
	if (s7_unlikely(ip_is_multicast(way) || ip_is_multicast(&src)))
		udp_group_way(sk, way, &device, &src);
	err = udp_route(us, way, &src, device);
	if (!err)
		err = udp_way_allowed(us, msg);
	if (!err)
		*ret_port = port;
	return err;
}

const struct pmtu_rule *udp_pmtu_rule(const struct s7_udp_sock *us)
{
	uint8_t rule = us->dst.is_v4 ? us->sk.mtu_discover : us->sk.ip6.mtu_discover;

	return &pmtu_rules[rule < S7_ARRAY_LEN(pmtu_rules) ? rule : 0];
}

uint32_t udp_packet_max(const struct s7_udp_sock *us)
{
	return us->dst.is_v4 ? IP4_TOTAL_MAX - us->opts_len : IP6_LEN + IP6_PAYLOAD_MAX;
}

bool udp_refuses_fragments(const struct s7_udp_sock *us, const struct s7_msg *msg,
			   const struct pmtu_rule *rule)
{
	if (rule->refuse || us->dst.is_v4)
		return rule->refuse;
	if (s7_unlikely(msg->ask != NULL) && msg->ask->has & ASK_DONTFRAG)
		return msg->ask->dont_fragment;
	return us->sk.bits & SKB_DONTFRAG6;
}

uint32_t udp_mtu(const struct s7_udp_sock *us)
{
	const struct s7_sock *sk = &us->sk;
	uint32_t mtu = udp_pmtu_rule(us)->device_mtu ? sk->inst->iface[us->dst.iface].mtu :
						       us->dst.mtu;

	if (s7_unlikely(!us->dst.is_v4) && sk->ip6.frag_size)
		mtu = (uint32_t)s7_min(mtu, sk->ip6.frag_size);
	return (uint32_t)s7_min(mtu - us->opts_len, udp_packet_max(us));
}

/* Refusals that stand before the first byte is copied. `total`: payload of the whole datagram. */
static int udp_may_send(struct s7_udp_sock *us, const struct s7_msg *msg, uint32_t mtu,
			uint64_t total, uint32_t segment)
{
	bool refuses = !segment && udp_refuses_fragments(us, msg, udp_pmtu_rule(us));
	uint32_t most = refuses ? mtu : udp_packet_max(us), hdrs = hdrs6_counted(us->hdrs);

	if (total + UDP_LEN + ip_header_len(us->dst.is_v4) + hdrs > most ||
	    (s7_unlikely(hdrs) && IP6_LEN + hdrs + UDP_LEN > mtu))
		return udp_too_long(us, msg, mtu);
	if (us->sk.err)
		return sk_take_error(&us->sk);
	return us->sk.shut & SK_SHUT_WR ? -EPIPE : 0;
}

/*
 * Over IPv6 nothing but the checksum guards the addresses (RFC 8200 8.1): a tunnel says so apart.
 */
static bool udp_needs_sum(const struct s7_udp_sock *us)
{
	return us->dst.is_v4 ? !(us->sk.bits & SKB_NO_CHECK) :
			       !sk_ext_has(&us->sk, EXT_NO_CHECK6_TX);
}

/* Header and checksum over what was built. */
static void udp_finish(const struct s7_udp_sock *us, struct build *b, const struct s7_dst *dst,
		       uint16_t port)
{
	struct s7_pkt *pkt = b->head;
	struct s7_udp_hdr h = { .sport = us->sk.flow.lport,
				.dport = port,
				.len = (uint16_t)pkt->total };
	uint32_t pseudo = ip_pseudo_sum(&dst->src, s7_unlikely(us->hdrs) ? &us->final : &dst->dst,
					IPPROTO_UDP, pkt->total);

	udp_write(pkt->data, &h);
	if (!udp_needs_sum(us))
		return;
	if (b->summing) {
		h.sum = csum_fold(csum_add(csum_partial(pkt->data, UDP_LEN, pseudo), b->sum));
		if (!h.sum)
			h.sum = 0xffff; /* RFC 768: zero means none */
	} else {
		h.sum = csum_fold16(pseudo);
		pkt->flags |= PKT_TX_L4_CSUM | PKT_L4_UDP;
		pkt->l4_len = UDP_LEN;
	}
	put_raw16(pkt->data + 6, h.sum);
}

void udp_stamp(struct s7_udp_sock *us, struct s7_pkt *pkt, const struct s7_msg *msg)
{
	uint32_t tsflags = msg_tsflags(&us->sk, msg), key = 0;

	if (!(tsflags & STAMP_TX) || !sk_ext(&us->sk))
		return;
	if (tsflags & SOF_TIMESTAMPING_OPT_ID)
		key = msg->ask && msg->ask->has & ASK_TS_ID ? msg->ask->ts_id :
								us->sk.ext->ts_key++;
	if (stamp_fill(&us->sk, &pkt->stamp, tsflags, key))
		pkt->flags |= PKT_TX_STAMP;
}

static int udp_transmit(struct s7_udp_sock *us, struct build *b, const struct s7_msg *msg,
			uint16_t port, uint32_t mtu)
{
	const struct pmtu_rule *rule = udp_pmtu_rule(us);
	struct s7_sock *sk = &us->sk;
	struct s7_dst dst = us->dst;
	uint32_t wants_errors = dst.is_v4 ? SKB_RECVERR : SKB_RECVERR6;
	uint32_t total = b->head->total + ip_header_len(dst.is_v4) + hdrs6_len(us->hdrs);
	struct s7_ip_tx *tx = &b->tx;
	int err;

	tx->proto = IPPROTO_UDP;
	tx->ttl = udp_ttl(sk, &dst);
	tx->tos = sk_tos(sk, dst.is_v4);
	tx->hdrs = us->hdrs;
	tx->final = &us->final;
	dst.mtu = mtu + us->opts_len;
	if (!dst.is_v4)
		dst.label = udp_label(us, &dst, sk->flow.lport, port);
	if (s7_unlikely(msg->ask != NULL)) {
		tx->tos = msg->ask->has & ASK_TOS ? msg->ask->tos : tx->tos;
		tx->ttl = msg->ask->has & ASK_TTL ? msg->ask->ttl : tx->ttl;
	}
	dst.no_loop = sk_ext_has(sk, dst.is_v4 ? EXT_MC_NO_LOOP : EXT_MC_NO_LOOP6);
	tx->dont_fragment = rule->df || (rule->df_if_fits && total <= mtu && !dst_mtu_locked(&dst));
	udp_finish(us, b, &dst, port);
	if (s7_unlikely((sk->ext || msg->ask) && !b->more_of))
		udp_stamp(us, b->head, msg);
	if (msg->flags & MSG_CONFIRM && dst.neigh)
		neigh_confirm(sk->inst, dst.neigh);
	if (dst.iface == S7_IFACE_LO || sk->inst->taps) { /* fields that links leave alone */
		b->head->hash = msg->ask && msg->ask->has & ASK_MARK ? msg->ask->mark : sk->mark;
		b->head->tso_mss = (uint16_t)(msg->ask && msg->ask->has & ASK_PRIORITY ?
						      msg->ask->priority :
						      sk->priority);
	}
	if (dst.iface != S7_IFACE_LO)
		charge_own(sk, b->head);
	err = ip_output(sk->inst, &dst, b->head, tx);
	if (err == -ENOBUFS && !(sk->bits & wants_errors))
		err = 0;
	if (err)
		return err;
	stat_add(sk->inst, STAT_UDP_OUT, 1);
	charge_sent(sk);
	return 0;
}

void udp_cork_drop(struct s7_udp_sock *us)
{
	pkt_free(us->sk.inst, us->cork);
	us->cork = NULL;
	us->cork_wmem = 0;
	udp_end6(us);
}

/* Continues what MSG_MORE left, or begins. */
static void build_begin(struct s7_udp_sock *us, struct build *b, const struct s7_msg *msg,
			uint32_t mtu, uint64_t total, bool more)
{
	const struct s7_iface *iface = &us->sk.inst->iface[us->dst.iface];

	memset(b, 0, sizeof(*b));
	b->inst = us->sk.inst;
	udp_opts_tx(us, msg, &b->tx);
	/* with headers of the program's it is cut by copying */
	b->room = s7_unlikely(us->hdrs) ? S7_PKT_ROOM : ip_frag_room(us->dst.is_v4, mtu);
	b->summing = udp_needs_sum(us) &&
		     (us->cork || more || !(iface->caps & NETDEV_TX_L4_CSUM) ||
		      total + UDP_LEN + ip_header_len(us->dst.is_v4) > mtu);
	if (!us->cork)
		return;
	b->head = us->cork;
	b->sum = us->cork_sum;
	for (b->tail = b->head; b->tail->frag; b->tail = b->tail->frag)
		;
	us->cork = NULL;
}

/* `len` more bytes were added. */
static int build_park(struct s7_udp_sock *us, const struct build *b, uint16_t port,
		      uint32_t segment, uint64_t len)
{
	int err = udp_opts_park(us, &b->tx);

	if (err) {
		pkt_free(us->sk.inst, b->head);
		return err;
	}
	us->cork_wmem += us->cork_wmem ? (uint32_t)len :
					 udp_wmem_of(us, b->head->total, udp_mtu(us));
	us->cork = b->head;
	us->cork_sum = b->sum;
	us->cork_port = port;
	us->cork_segment = (uint16_t)segment;
	return 0;
}

/* Where to, when a corked datagram waits: there. */
static int udp_corked_destination(struct s7_udp_sock *us, uint16_t *ret_port)
{
	struct s7_ip to = us->dst.dst, src = us->dst_src;

	*ret_port = us->cork_port;
	return udp_route(us, &to, &src, us->dst_iface);
}

/* ---- UDP_SEGMENT: one call, many datagrams of equal size ---- */

/* Bytes of a datagram that the call is cut into, 0: it is one. */
static uint32_t udp_segment(const struct s7_udp_sock *us, const struct s7_msg *msg)
{
	if (us->cork)
		return us->cork_segment;
	if (msg->ask && msg->ask->has & ASK_SEGMENT)
		return msg->ask->segment;
	return us->sk.ext ? us->sk.ext->udp_segment : 0;
}

/* What Linux says of it when all bytes are there. */
static int udp_segment_check(const struct s7_udp_sock *us, uint32_t segment, uint32_t mtu,
			     uint64_t total)
{
	uint32_t headers = UDP_LEN + ip_header_len(us->dst.is_v4) + hdrs6_len(us->hdrs);

	if (headers + s7_min(total, segment) > mtu)
		return -EMSGSIZE;
	if (total > (uint64_t)segment * UDP_SEGMENTS_MAX || !udp_needs_sum(us))
		return -EINVAL;
	return 0;
}

/* Straight from the program's memory. */
static ssize_t udp_send_segments(struct s7_udp_sock *us, struct s7_msg *msg, uint16_t port,
				 uint32_t mtu, uint32_t segment)
{
	struct build b;
	bool first = true;
	int err;

	for (; msg->skip < msg->len; first = false) {
		uint64_t here = s7_min(segment, msg->len - msg->skip);

		build_begin(us, &b, msg, mtu, here, false);
		b.more_of = !first;
		err = build_append(&b, msg, here);
		if (err) {
			pkt_free(us->sk.inst, b.head);
			return err;
		}
		err = udp_transmit(us, &b, msg, port, mtu);
		if (err)
			return err;
	}
	return (ssize_t)msg->len;
}

/* What was corked is cut by copying. Consumes it. */
static int udp_cut(struct s7_udp_sock *us, const struct build *all, const struct s7_msg *msg,
		   uint16_t port, uint32_t mtu, uint32_t segment)
{
	struct build b = { .inst = us->sk.inst, .summing = udp_needs_sum(us), .tx = all->tx };
	struct s7_pkt *whole = all->head;
	uint32_t off = UDP_LEN, len;
	int err = 0;

	for (; off < whole->total && !err; off += len) {
		len = (uint32_t)s7_min(segment, whole->total - off);
		b.head = pkt_copy(us->sk.inst, whole, off, len);
		if (!b.head) {
			us->sk.inst->drop[DROP_NO_PKT]++;
			err = -ENOBUFS;
			break;
		}
		b.head->flags = 0;
		b.sum = chain_sum(b.head, 0, len, 0);
		b.more_of = off != UDP_LEN;
		pkt_push(b.head, UDP_LEN);
		err = udp_transmit(us, &b, msg, port, mtu);
	}
	pkt_free(us->sk.inst, whole);
	return err;
}

/* All bytes are there: out with them. Consumes b->head. */
static int udp_flush(struct s7_udp_sock *us, struct build *b, const struct s7_msg *msg,
		     uint16_t port, uint32_t mtu, uint32_t segment)
{
	uint32_t total = b->head->total - UDP_LEN;
	int err = segment ? udp_segment_check(us, segment, mtu, total) : 0;

	if (err) {
		pkt_free(us->sk.inst, b->head);
		return err;
	}
	if (segment && total > segment)
		return udp_cut(us, b, msg, port, mtu, segment);
	return udp_transmit(us, b, msg, port, mtu);
}

int udp_push(struct s7_udp_sock *us)
{
	static const struct s7_msg plain;
	uint32_t segment = udp_segment(us, &plain);
	struct build b;
	uint16_t port;
	int err;

	if (!us->cork)
		return 0;
	err = udp_corked_destination(us, &port);
	if (err) {
		udp_cork_drop(us);
		return err;
	}
	build_begin(us, &b, &plain, udp_mtu(us), 0, true);
	us->cork_wmem = 0;
	err = udp_flush(us, &b, &plain, port, udp_mtu(us), segment);
	udp_end6(us);
	return err;
}

/* `total`: payload with what is corked. */
static ssize_t udp_send_whole(struct s7_udp_sock *us, struct s7_msg *msg, uint16_t port,
			      uint64_t total, uint32_t mtu, uint32_t segment)
{
	bool more = msg->flags & MSG_MORE || sk_ext_has(&us->sk, EXT_UDP_CORK);
	struct build b;
	int err;

	build_begin(us, &b, msg, mtu, total, more || segment);
	err = build_append(&b, msg, msg->len - msg->skip);
	if (err) {
		pkt_free(us->sk.inst, b.head);
		us->cork_wmem = 0;
		return err;
	}
	if (more) {
		err = build_park(us, &b, port, segment, msg->len);
		return err ? err : (ssize_t)msg->len;
	}
	us->cork_wmem = 0;
	err = udp_flush(us, &b, msg, port, mtu, segment);
	return err ? err : (ssize_t)msg->len;
}

/* Linux's UDP over IPv6 never looks at MSG_OOB. */
static bool oob_is_refused(const struct s7_sock *sk, const struct s7_msg *msg)
{
	return sk->domain == AF_INET ||
	       ip_is_v4(msg->name.valid ? &msg->name.ip : &sk->flow.remote);
}

/* MSG_PROBE: the way is looked at, and confirmed if so asked; nothing is sent. */
static ssize_t udp_probe(struct s7_udp_sock *us, const struct s7_msg *msg)
{
	if (msg->flags & MSG_CONFIRM && us->dst.neigh)
		neigh_confirm(us->sk.inst, us->dst.neigh);
	return (ssize_t)msg->len;
}

static ssize_t udp_send_one(struct s7_udp_sock *us, struct s7_msg *msg)
{
	struct s7_sock *sk = &us->sk;
	uint64_t total = msg->len + (us->cork ? us->cork->total - UDP_LEN : 0);
	uint32_t segment = s7_unlikely(sk->ext || msg->ask || us->cork) ? udp_segment(us, msg) : 0;
	uint16_t port;
	uint32_t mtu;
	int err;

	err = us->cork ? udp_corked_destination(us, &port) : udp_destination(us, msg, &port);
	if (err)
		return err;
	if (s7_unlikely(msg->flags & MSG_PROBE_) && !us->cork)
		return udp_probe(us, msg);
	mtu = udp_mtu(us);
	err = udp_may_send(us, msg, mtu, total, segment);
	if (err) {
		udp_cork_drop(us); /* what was collected goes with it, as in Linux */
		return err;
	}
	err = udp_room(us, total + UDP_LEN, segment ? segment : mtu, segment);
	if (s7_unlikely(err))
		return err;
	if (s7_likely(!segment) || us->cork || total <= segment || msg->flags & MSG_MORE ||
	    sk_ext_has(sk, EXT_UDP_CORK))
		return udp_send_whole(us, msg, port, total, mtu, segment);
	err = udp_segment_check(us, segment, mtu, total);
	return err ? err : udp_send_segments(us, msg, port, mtu, segment);
}

ssize_t udp_send(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_udp_sock *us = udp_sock(sk);
	ssize_t n;

	if (msg->len > UINT16_MAX)
		return -EMSGSIZE;
	if (s7_unlikely(msg->flags & MSG_OOB) && oob_is_refused(sk, msg))
		return -EOPNOTSUPP;
	n = udp_send_one(us, msg);
	if (s7_unlikely(us->hdrs || us->flow) && !us->cork)
		udp_end6(us);
	return n;
}
