/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw_out.c - packets of raw sockets on their way out
 *
 * Without IP_HDRINCL the program's bytes go behind a fresh IP header of the socket's protocol, cut
 * into fragments if need be; MSG_MORE collects. With it the program writes the header: over IPv4
 * Linux fills in total length and checksum always, source and identification where they are 0;
 * over IPv6 nothing. Such a packet is not fragmented: beyond the device's MTU it is EMSGSIZE. The
 * address of the call says where it goes, not the one in the header.
 * Order of refusals as in Linux: length, flags, an ICMP message without type and code (EFAULT),
 * address, route, broadcast permission, size, pending error, shutdown.
 * Context: instance lock; user memory is the calling thread's. Called through raw_proto_ops; ping.c
 * shares the steps.
 */
#include <errno.h>

#include "stack/core/charge.h"
#include "stack/core/ext.h"
#include "stack/ip/arp.h"
#include "stack/ip/chain.h"
#include "stack/raw/raw.h"
#include "stack/udp/udp_way.h"
#include "stack/wire/csum.h"
#include "stack/wire/ip4.h"
#include "stack/wire/ip6.h"

#define PROBE_LEN 2 /* type and code of an ICMP message */

/* ---- where to ---- */

/* A broadcast or group address that the socket is bound to is no source. */
static struct s7_ip raw_source(const struct s7_sock *sk, const struct s7_msg *msg)
{
	struct s7_ip src = !ip_is_any(&msg->local) ? msg->local : sk->flow.local;

	if (ip_is_broadcast(sk->inst, &src))
		src = ip_from_v4(0);
	return src;
}

int raw_destination(struct s7_raw_sock *rs, const struct s7_msg *msg)
{
	struct s7_sock *sk = &rs->dg.sk;
	struct s7_ip src = raw_source(sk, msg);
	struct s7_ip to = sk->flow.remote;
	const struct s7_ip *way = &to;
	uint32_t device;
	int err;

	if (msg->name.valid)
		to = msg->name.ip;
	else if (!(sk->bits & SKB_CONNECTED))
		return -EDESTADDRREQ;
	device = udp_device(sk, msg, &to);
	err = udp_opts_begin(&rs->dg, msg, &to);
	/* who writes the header writes its options too */
	if (!err && rs->dg.opts_len && rs->bits & RAW_HDRINCL)
		err = -EINVAL;
	if (!err && s7_unlikely(udp_is_special(sk, msg)))
		err = udp_begin6(&rs->dg, msg, &way);
	if (err)
		return err;
	if (s7_unlikely(ip_is_multicast(way) || ip_is_multicast(&src)))
		udp_group_way(sk, way, &device, &src);
	err = udp_route(&rs->dg, way, &src, device);
	return err ? err : udp_way_allowed(&rs->dg, msg);
}

int raw_may_send(struct s7_raw_sock *rs, const struct s7_msg *msg, uint32_t mtu, uint64_t total)
{
	struct s7_udp_sock *us = &rs->dg;
	bool refuses = udp_refuses_fragments(us, msg, udp_pmtu_rule(us));
	uint32_t most = refuses ? mtu : udp_packet_max(us), hdrs = hdrs6_counted(us->hdrs);

	if (total + ip_header_len(us->dst.is_v4) + hdrs > most ||
	    (s7_unlikely(hdrs) && IP6_LEN + hdrs > mtu))
		return udp_too_long(us, msg, mtu);
	/* a raw socket's own error or shutdown does not keep it, as in Linux */
	if (us->sk.proto == PROTO_RAW)
		return 0;
	if (us->sk.err)
		return sk_take_error(&us->sk);
	return us->sk.shut & SK_SHUT_WR ? -EPIPE : 0;
}

/* ---- building ---- */

static struct s7_pkt *next_buffer(struct raw_build *b)
{
	struct s7_pkt *part = pkt_alloc(b->inst);

	if (!part) {
		b->inst->drop[DROP_NO_PKT]++;
		return NULL;
	}
	if (b->head) {
		b->tail->frag = part;
		b->head->nsegs++;
	} else {
		b->head = part;
	}
	b->tail = part;
	return part;
}

int raw_append(struct raw_build *b, struct s7_msg *msg)
{
	uint64_t left = msg->len - msg->skip;

	if (!b->head && !next_buffer(b))
		return -ENOBUFS;
	while (left) {
		struct s7_pkt *part = b->tail;
		uint32_t space =
			(uint32_t)s7_min(b->room - s7_min(b->room, part->len), pkt_tailroom(part));
		uint32_t here = (uint32_t)s7_min(space, left);

		if (!here) {
			if (!next_buffer(b))
				return -ENOBUFS;
			continue;
		}
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

/* ---- out ---- */

/*
 * Whose it is; marks for the other end of lo, which has nothing else to carry them in, and for
 * packet sockets.
 */
static void mark_owner(struct s7_raw_sock *rs, struct s7_pkt *pkt, const struct s7_msg *msg)
{
	const struct s7_sock *sk = &rs->dg.sk;
	const struct s7_msg_ask *ask = msg->ask;

	if (rs->dg.dst.iface != S7_IFACE_LO) {
		charge_own(&rs->dg.sk, pkt);
		if (!sk->inst->taps)
			return;
	}
	pkt->hash = ask && ask->has & ASK_MARK ? ask->mark : sk->mark;
	pkt->tso_mss = (uint16_t)(ask && ask->has & ASK_PRIORITY ? ask->priority : sk->priority);
}

/* What becomes of the device's answer; IP_RECVERR hears of a full device. */
static int raw_sent(struct s7_raw_sock *rs, int err)
{
	uint32_t wants_errors = rs->dg.dst.is_v4 ? SKB_RECVERR : SKB_RECVERR6;

	rs->bits |= RAW_USED;
	if (err == -ENOBUFS && !(rs->dg.sk.bits & wants_errors))
		err = 0;
	if (err)
		return err;
	stat_add(rs->dg.sk.inst, STAT_RAW_OUT, 1);
	charge_sent(&rs->dg.sk);
	return 0;
}

/* The way as this packet takes it. */
static struct s7_dst way_of(struct s7_raw_sock *rs, const struct s7_msg *msg, uint32_t mtu)
{
	struct s7_sock *sk = &rs->dg.sk;
	struct s7_dst dst = rs->dg.dst;

	dst.mtu = mtu + rs->dg.opts_len;
	dst.no_loop = sk_ext_has(sk, dst.is_v4 ? EXT_MC_NO_LOOP : EXT_MC_NO_LOOP6);
	if (!dst.is_v4)
		dst.label = udp_label(&rs->dg, &dst, 0, 0);
	if (msg->flags & MSG_CONFIRM && dst.neigh)
		neigh_confirm(sk->inst, dst.neigh);
	return dst;
}

int raw_transmit(struct s7_raw_sock *rs, struct raw_build *b, const struct s7_msg *msg,
		 uint8_t proto, uint32_t mtu)
{
	const struct pmtu_rule *rule = udp_pmtu_rule(&rs->dg);
	struct s7_dst dst = way_of(rs, msg, mtu);
	uint32_t total = b->head->total + ip_header_len(dst.is_v4) + hdrs6_len(rs->dg.hdrs);
	struct s7_sock *sk = &rs->dg.sk;
	struct s7_ip_tx tx = b->tx;

	tx.proto = proto;
	tx.hdrs = rs->dg.hdrs;
	tx.final = &rs->dg.final;
	tx.ttl = udp_ttl(sk, &dst);
	tx.tos = sk_tos(sk, dst.is_v4);
	if (s7_unlikely(msg->ask != NULL)) {
		tx.tos = msg->ask->has & ASK_TOS ? msg->ask->tos : tx.tos;
		tx.ttl = msg->ask->has & ASK_TTL ? msg->ask->ttl : tx.ttl;
	}
	tx.dont_fragment = rule->df ||
			   (rule->df_if_fits && total <= mtu && !dst_mtu_locked(&dst));
	if (s7_unlikely(sk->ext || msg->ask))
		udp_stamp(&rs->dg, b->head, msg);
	mark_owner(rs, b->head, msg);
	return raw_sent(rs, ip_output(sk->inst, &dst, b->head, &tx));
}

/* ---- the program's own header ---- */

/* What Linux fills in over IPv4. */
static int fill_header(struct s7_raw_sock *rs, struct s7_pkt *pkt)
{
	uint8_t *p = pkt->data;
	uint32_t hdr_len = (p[0] & 15) * 4u;

	if (hdr_len > pkt->total || hdr_len < IP4_LEN)
		return -EINVAL;
	if (!get_raw32(p + 12))
		put_raw32(p + 12, ip_v4(&rs->dg.dst.src));
	put_be16(p + 2, (uint16_t)pkt->total);
	if (!get_raw16(p + 4) && !(get_be16(p + 6) & IP4_DF)) {
		rs->dg.sk.inst->ip_id += !rs->dg.sk.inst->ip_id;
		put_be16(p + 4, rs->dg.sk.inst->ip_id++);
	}
	put_raw16(p + 10, 0);
	put_raw16(p + 10, csum_fold(csum_partial(p, hdr_len, 0)));
	return 0;
}

static int header_check(struct s7_raw_sock *rs, const struct s7_msg *msg, uint32_t mtu)
{
	struct s7_sock *sk = &rs->dg.sk;

	if (msg->len > mtu) {
		errq_local(sk, EMSGSIZE, &rs->dg.dst.dst, sk->flow.rport, mtu);
		return -EMSGSIZE;
	}
	if (msg->len < ip_header_len(rs->dg.dst.is_v4))
		return -EINVAL;
	if (sk->err)
		return sk_take_error(sk);
	return sk->shut & SK_SHUT_WR ? -EPIPE : 0;
}

static ssize_t send_with_header(struct s7_raw_sock *rs, struct s7_msg *msg)
{
	struct s7_sock *sk = &rs->dg.sk;
	uint32_t mtu = sk->inst->iface[rs->dg.dst.iface].mtu;
	struct raw_build b = { .inst = sk->inst, .room = S7_PKT_ROOM };
	struct s7_dst dst;
	int err;

	err = header_check(rs, msg, mtu);
	if (err)
		return err;
	if (msg->flags & MSG_PROBE_)
		return (ssize_t)msg->len;
	err = udp_room(&rs->dg, msg->len, mtu, true);
	if (s7_unlikely(err))
		return err;
	err = raw_append(&b, msg);
	if (!err && rs->dg.dst.is_v4)
		err = fill_header(rs, b.head);
	if (err) {
		pkt_free(sk->inst, b.head);
		return err;
	}
	dst = way_of(rs, msg, mtu);
	if (s7_unlikely(sk->ext || msg->ask))
		udp_stamp(&rs->dg, b.head, msg);
	mark_owner(rs, b.head, msg);
	err = raw_sent(rs, ip_output_whole(sk->inst, &dst, b.head));
	return err ? err : (ssize_t)msg->len;
}

/* ---- the stack's header ---- */

static void chain_put16(struct s7_pkt *pkt, uint32_t offset, uint16_t value)
{
	for (; offset >= pkt->len; pkt = pkt->frag)
		offset -= pkt->len;
	put_raw16(pkt->data + offset, value);
}

/* IPV6_CHECKSUM: buffers end at even offsets, so the field lies in one. */
static int raw_sum(const struct s7_raw_sock *rs, struct s7_pkt *pkt, uint8_t proto)
{
	const struct s7_dst *dst = &rs->dg.dst;
	uint32_t at = (uint32_t)rs->sum_at, pseudo;
	uint16_t sum;

	if (dst->is_v4 || !(rs->bits & RAW_CHECKSUM))
		return 0;
	if (at + 2 > pkt->total)
		return -EINVAL;
	chain_put16(pkt, at, 0);
	pseudo = ip_pseudo_sum(&dst->src, rs->dg.hdrs ? &rs->dg.final : &dst->dst, proto,
			       pkt->total);
	sum = csum_fold(chain_sum(pkt, 0, pkt->total, pseudo));
	chain_put16(pkt, at, sum || proto != IPPROTO_UDP ? sum : 0xffff);
	return 0;
}

/* Continues what MSG_MORE left, or begins. */
static void build_begin(struct s7_raw_sock *rs, struct raw_build *b, const struct s7_msg *msg,
			uint32_t mtu)
{
	memset(b, 0, sizeof(*b));
	b->inst = rs->dg.sk.inst;
	udp_opts_tx(&rs->dg, msg, &b->tx);
	b->room = rs->dg.hdrs ? S7_PKT_ROOM : ip_frag_room(rs->dg.dst.is_v4, mtu);
	b->head = b->tail = rs->dg.cork;
	while (b->tail && b->tail->frag)
		b->tail = b->tail->frag;
	rs->dg.cork = NULL;
}

/* sin6_port names the protocol for a socket of IPPROTO_RAW. */
static uint8_t proto_of(const struct s7_raw_sock *rs, const struct s7_msg *msg)
{
	return rs->dg.sk.domain == AF_INET6 && msg->name.valid && msg->name.port ?
		       (uint8_t)msg->name.port :
		       rs->num;
}

static ssize_t send_without_header(struct s7_raw_sock *rs, struct s7_msg *msg)
{
	uint32_t mtu = udp_mtu(&rs->dg), corked = rs->dg.cork ? rs->dg.cork->total : 0;
	struct raw_build b;
	int err;

	if (s7_unlikely(msg->flags & MSG_PROBE_) && !corked)
		return (ssize_t)msg->len;
	err = raw_may_send(rs, msg, mtu, msg->len + corked);
	if (!err)
		err = udp_room(&rs->dg, msg->len + corked, mtu, false);
	if (s7_unlikely(err == -EAGAIN))
		return err;
	build_begin(rs, &b, msg, mtu);
	if (!err)
		err = raw_append(&b, msg);
	if (!err && msg->flags & MSG_MORE)
		err = udp_opts_park(&rs->dg, &b.tx);
	if (!err && msg->flags & MSG_MORE) {
		rs->dg.cork_wmem += rs->dg.cork_wmem ? (uint32_t)msg->len :
						       udp_wmem_of(&rs->dg, b.head->total, mtu);
		rs->dg.cork = b.head;
		return (ssize_t)msg->len;
	}
	rs->dg.cork_wmem = 0;
	if (!err)
		err = raw_sum(rs, b.head, proto_of(rs, msg));
	if (err) {
		pkt_free(b.inst, b.head); /* what was collected goes with it, as in Linux */
		return err;
	}
	err = raw_transmit(rs, &b, msg, proto_of(rs, msg), mtu);
	return err ? err : (ssize_t)msg->len;
}

/* Linux reads type and code for its routes: a message that has none is a bad pointer to it. */
static int probe_check(const struct s7_raw_sock *rs, const struct s7_msg *msg)
{
	uint8_t icmp = rs->dg.sk.domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	return rs->num == icmp && msg->len < PROBE_LEN ? -EFAULT : 0;
}

static ssize_t raw_send_one(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_raw_sock *rs = raw_sock(sk);
	bool header = rs->bits & RAW_HDRINCL;
	int err;

	if (sk->domain == AF_INET && msg->len > UINT16_MAX)
		return -EMSGSIZE;
	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (!msg->name.valid && !(sk->bits & SKB_CONNECTED))
		return -EDESTADDRREQ;
	err = header ? 0 : probe_check(rs, msg);
	if (!err)
		err = raw_destination(rs, msg);
	if (err)
		return err;
	return header ? send_with_header(rs, msg) : send_without_header(rs, msg);
}

ssize_t raw_send(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_raw_sock *rs = raw_sock(sk);
	ssize_t n = raw_send_one(sk, msg);

	if (s7_unlikely(rs->dg.hdrs || rs->dg.flow) && !rs->dg.cork)
		udp_end6(&rs->dg);
	return n;
}
