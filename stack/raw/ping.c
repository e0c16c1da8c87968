/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ping.c - ping sockets: SOCK_DGRAM of IPPROTO_ICMP and IPPROTO_ICMPV6
 *
 * A program sends echo requests and nothing else; the identifier is the socket's port, which the
 * kernel socket behind picks or grants, so that both sides agree on it. It replaces what the
 * program wrote there, and the checksum is ours. Replies are found by it in the port table, the
 * peer is not looked at, as in Linux. Who may have such a socket (net.ipv4.ping_group_range) was
 * asked of the kernel by socket(2).
 * Context: instance lock. Called by: icmp.c, icmp6.c, raw_in.c, and through ping_proto_ops.
 */
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/ip/chain.h"
#include "stack/raw/raw.h"
#include "stack/udp/udp_way.h"
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmp6.h"

#define EXT_ECHO 42   /* RFC 8335 */
#define EXT_ECHO6 160

static bool is_request(bool v4, uint8_t type, uint8_t code)
{
	if (code)
		return false;
	return v4 ? type == ICMP_T_ECHO || type == EXT_ECHO :
		    type == ICMP6_T_ECHO || type == EXT_ECHO6;
}

/* ---- in ---- */

void ping_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx)
{
	uint16_t id = get_be16(pkt->data + 4);
	struct s7_raw_sock *rs;
	struct s7_bind *bind;
	uint32_t keep;

	bind = port_find(&inst->ports, rx->proto, &rx->dst, id, rx->iface->index, 0);
	if (!bind || (rx->broadcast && ip_is_v4(&rx->dst))) {
		pkt_drop(inst, pkt, DROP_ICMP_TYPE);
		return;
	}
	rs = raw_sock(s7_container(bind, struct s7_sock, bind));
	if (rs->dg.sk.file.side == SIDE_DUAL && raw_kernel_hears(inst, pkt, rx)) {
		pkt_drop(inst, pkt, DROP_NONE);
		return;
	}
	if (rs->dg.rx_truesize >= rs->dg.sk.rcvbuf || !udp_has_share(&rs->dg)) {
		rs->dg.sk.drops++;
		pkt_drop(inst, pkt, DROP_RAW_RCVBUF);
		return;
	}
	keep = raw_filter(&rs->dg.sk, pkt);
	if (!keep) {
		pkt_free(inst, pkt);
		return;
	}
	if (s7_unlikely(keep < pkt->total))
		chain_trim(inst, pkt, keep);
	raw_enqueue(rs, pkt, rx);
}

bool ping_icmp(struct s7_sock *sk, const struct s7_flow *quoted, uint32_t word,
	       const struct s7_icmp_error *e)
{
	uint8_t policy = e->v6 ? sk->ip6.mtu_discover : sk->mtu_discover;
	bool hard = e->hard;

	/* lport: type and code; word: identifier and sequence number */
	if (raw_sock(sk)->num != quoted->proto || !(sk->bits & SKB_BOUND) ||
	    sk->flow.lport != word >> 16 ||
	    !is_request(!e->v6, (uint8_t)(quoted->lport >> 8), (uint8_t)quoted->lport))
		return false;
	if (!ip_is_any(&sk->bind.ip) && !ip_equal(&sk->bind.ip, &quoted->local))
		return false;
	if (e->mtu && !e->v6) {
		if (policy == IP_PMTUDISC_DONT)
			return true;
		hard = true;
	}
	raw_error(sk, e, hard, e->l4);
	return true;
}

/* Linux does not tell the whole length here: MSG_TRUNC goes one way only. */
ssize_t ping_recv(struct s7_sock *sk, struct s7_msg *msg)
{
	uint32_t flags = msg->flags;
	ssize_t n;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	msg->flags &= ~(uint32_t)MSG_TRUNC;
	n = udp_recv(sk, msg);
	msg->flags = flags;
	return n;
}

/* ---- out ---- */

/* What Linux checks of the message itself, before it looks where to. */
static int message_check(struct s7_sock *sk, const struct s7_msg *msg)
{
	struct s7_msg peek = *msg;
	uint8_t h[ICMP_LEN];

	if (msg->len > UINT16_MAX)
		return -EMSGSIZE;
	if (msg->len < ICMP_LEN)
		return -EINVAL;
	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	msg_copy_in(&peek, h, sizeof(h));
	if (peek.bad)
		return -EFAULT;
	return is_request(sk->domain == AF_INET, h[0], h[1]) ? 0 : -EINVAL;
}

/* Identifier and checksum are the stack's. */
static void message_finish(const struct s7_raw_sock *rs, struct s7_pkt *pkt)
{
	const struct s7_dst *dst = &rs->dg.dst;
	uint32_t pseudo = 0;

	put_be16(pkt->data + 4, rs->dg.sk.flow.lport);
	put_raw16(pkt->data + 2, 0);
	if (!dst->is_v4)
		pseudo = ip_pseudo_sum(&dst->src, &dst->dst, IPPROTO_ICMPV6, pkt->total);
	put_raw16(pkt->data + 2, csum_fold(chain_sum(pkt, 0, pkt->total, pseudo)));
}

static ssize_t ping_send_one(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_raw_sock *rs = raw_sock(sk);
	struct raw_build b = { .inst = sk->inst };
	uint32_t mtu;
	int err;

	err = message_check(sk, msg);
	if (!err)
		err = raw_destination(rs, msg);
	if (err)
		return err;
	if (s7_unlikely(msg->flags & MSG_PROBE_))
		return (ssize_t)msg->len;
	mtu = udp_mtu(&rs->dg);
	err = raw_may_send(rs, msg, mtu, msg->len);
	if (err)
		return err;
	err = udp_room(&rs->dg, msg->len, mtu, false);
	if (s7_unlikely(err))
		return err;
	udp_opts_tx(&rs->dg, msg, &b.tx);
	b.room = ip_frag_room(rs->dg.dst.is_v4, mtu);
	err = raw_append(&b, msg);
	if (err) {
		pkt_free(sk->inst, b.head);
		return err;
	}
	message_finish(rs, b.head);
	err = raw_transmit(rs, &b, msg, rs->num, mtu);
	return err ? err : (ssize_t)msg->len;
}

ssize_t ping_send(struct s7_sock *sk, struct s7_msg *msg)
{
	ssize_t n = ping_send_one(sk, msg);

	udp_end6(&raw_sock(sk)->dg);
	return n;
}
