/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_out6.c - what a datagram carries over IPv6 at its program's wish: extension headers, a label
 *
 * Control messages of a call stand in place of all headers that the socket has (Linux; RFC 3542 6
 * would mix them). What a leased flow label brings along stands in place of those in front of the
 * fragment header. A datagram under construction keeps what its first part came with. Headers with
 * a routing header lead to their first address; the checksum is made for the last one. A ping
 * socket has labels but no headers, as in Linux.
 * A datagram that is too long for its path, and may not be cut, is told to sockets that asked
 * (IPV6_RECVPATHMTU): one at most waits, the last.
 * Context: instance lock. Called by: udp_out.c, udp_recv.c, stack/raw.
 */
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/udp/udp_way.h"

#define LABEL_MASK 0xfffffu

static uint32_t flow_of(const struct s7_sock *sk, const struct s7_msg *msg)
{
	if (msg->ask && msg->ask->has & ASK_FLOW)
		return msg->ask->flow;
	if (msg->name.valid)
		return msg->name.flow;
	return sk->ext ? sk->ext->flow_sent : 0;
}

/* A label that was leased with headers: those, and of the socket's what is behind a fragment's. */
static int merge_leased(struct s7_inst *inst, const struct s7_lease6 *lease,
			struct s7_hdrs6 **hdrs)
{
	struct s7_hdr6_at last = { NULL, 0 };
	struct s7_hdrs6 *own = *hdrs, *merged;
	int err;

	if (own)
		last = (struct s7_hdr6_at){ hdrs6_at(own, HDR6_DST1), own->len[HDR6_DST1] };
	if (!last.len) {
		hdrs6_unref(inst, own);
		*hdrs = hdrs6_ref(lease->hdrs);
		return 0;
	}
	err = hdrs6_change(inst, lease->hdrs, HDR6_DST1, &last, &merged);
	hdrs6_unref(inst, own);
	*hdrs = err ? NULL : merged;
	return err;
}

static int hdrs_of(struct s7_udp_sock *us, const struct s7_msg *msg)
{
	const struct s7_sock *sk = &us->sk;
	const struct s7_lease6 *lease;
	int err;

	if (sk->proto == PROTO_PING)
		return 0;
	if (msg->ask && msg->ask->has & ASK_HDRS) {
		err = hdrs6_make(sk->inst, msg->ask->hdr, &us->hdrs);
		if (err)
			return err;
	} else if (sk->ext) {
		us->hdrs = hdrs6_ref(sk->ext->hdrs6);
	}
	lease = us->flow ? lease6_find(sk, us->flow & htonl(LABEL_MASK)) : NULL;
	if (lease && lease->hdrs)
		return merge_leased(sk->inst, lease, &us->hdrs);
	return 0;
}

int udp_begin6(struct s7_udp_sock *us, const struct s7_msg *msg, const struct s7_ip **to)
{
	int err = 0;

	if (!us->cork) {
		udp_end6(us);
		if (ip_is_v4(*to))
			return 0;
		us->flow = flow_of(&us->sk, msg);
		err = hdrs_of(us, msg);
		us->final = **to;
	}
	if (err || !us->hdrs)
		return err;
	us->first = hdrs6_first(us->hdrs, &us->final);
	*to = &us->first;
	return 0;
}

void udp_end6(struct s7_udp_sock *us)
{
	struct s7_hdrs6 *hdrs = us->hdrs;

	us->hdrs = NULL;
	us->flow = 0;
	s7_in_order();
	hdrs6_unref(us->sk.inst, hdrs);
}

uint32_t udp_label(const struct s7_udp_sock *us, const struct s7_dst *dst, uint16_t lport,
		   uint16_t rport)
{
	uint32_t label = ntohl(us->flow) & LABEL_MASK;

	if (s7_unlikely(label) || !(us->sk.ip6.bits & SK6_AUTOFLOWLABEL))
		return label;
	return dst_flow_label(us->sk.inst, dst, lport, rport);
}

int udp_too_long(struct s7_udp_sock *us, const struct s7_msg *msg, uint32_t mtu)
{
	const struct s7_ip *to = us->hdrs ? &us->final : &us->dst.dst;
	bool whole = us->sk.bits & SKB_DONTFRAG6;
	struct s7_sock *sk = &us->sk;

	mtu -= (uint32_t)s7_min(hdrs6_len(us->hdrs), mtu);
	if (msg->ask && msg->ask->has & ASK_DONTFRAG)
		whole = msg->ask->dont_fragment;
	if (whole && !us->dst.is_v4 && sk->ip6.bits & SK6_RECVPATHMTU && sk_ext(sk)) {
		sk->ext->big_mtu = mtu;
		sk->ext->big_to = *to;
		sk->ext->big_iface = (uint8_t)us->dst_iface;
	}
	errq_local(sk, EMSGSIZE, to, sk->flow.rport, mtu);
	return -EMSGSIZE;
}

bool udp_told_mtu(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_sk_ext *ext = sk->ext;

	if (!ext->big_mtu || !(sk->ip6.bits & SK6_RECVPATHMTU))
		return false;
	msg->name = (struct s7_msg_name){ .ip = ext->big_to, .valid = true };
	if (ext->big_iface)
		msg->name.iface = (uint8_t)(ext->big_iface - 1);
	msg->local = ext->big_to;
	msg->rx_time = sk->inst->now;
	if (msg->more)
		msg->more->path_mtu = ext->big_mtu;
	ext->big_mtu = 0;
	return true;
}
