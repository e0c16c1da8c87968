/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_way.h - what raw and ping sockets share of a datagram's way out (udp_out.c) and of the queue
 * (udp_recv.c)
 *
 * Context: instance lock. For stack/raw.
 */
#ifndef S7_UDP_WAY_H
#define S7_UDP_WAY_H

#include "stack/udp/udp.h"

#define MSG_PROBE_ 0x10 /* of linux/socket.h: nothing is sent, the way is looked at */

/* What IP_MTU_DISCOVER means (ip(7)); IPV6_MTU_DISCOVER has the same numbers. */
struct pmtu_rule {
	bool df, df_if_fits, refuse, device_mtu;
};

/* The socket's, for the family of us->dst. */
const struct pmtu_rule *udp_pmtu_rule(const struct s7_udp_sock *us);
/* The longest packet, headers included; of IPv6 only what is behind the header counts. */
uint32_t udp_packet_max(const struct s7_udp_sock *us);
bool udp_refuses_fragments(const struct s7_udp_sock *us, const struct s7_msg *msg,
			   const struct pmtu_rule *rule);
/* What a packet may be: the path's MTU, of IPv6 also what IPV6_MTU says. */
uint32_t udp_mtu(const struct s7_udp_sock *us);
/* IP_PKTINFO's interface for this datagram, else the socket's, else what options say. */
uint32_t udp_device(const struct s7_sock *sk, const struct s7_msg *msg, const struct s7_ip *to);
/* us->dst leads to `to` afterwards. */
int udp_route(struct s7_udp_sock *us, const struct s7_ip *to, const struct s7_ip *src,
	      uint32_t device);
/* May this destination be sent to (SO_BROADCAST, MSG_DONTROUTE)? 0, -EACCES, -ENETUNREACH. */
int udp_way_allowed(const struct s7_udp_sock *us, const struct s7_msg *msg);

/* ---- udp_out6.c: IPv6 headers and flow labels ---- */

/* Might the datagram carry headers or a label of the program's choice? */
static inline bool udp_is_special(const struct s7_sock *sk, const struct s7_msg *msg)
{
	return sk->ext || msg->ask || msg->name.flow;
}

/*
 * What the datagram to *to carries: us->hdrs, us->final, us->flow; *to becomes where it goes first.
 * 0, -ENOBUFS, -EFAULT.
 */
int udp_begin6(struct s7_udp_sock *us, const struct s7_msg *msg, const struct s7_ip **to);
/* It has left, or will not. */
void udp_end6(struct s7_udp_sock *us);
/* The flow label: the program's, else the flow's hash if it may be (IPV6_AUTOFLOWLABEL). */
uint32_t udp_label(const struct s7_udp_sock *us, const struct s7_dst *dst, uint16_t lport,
		   uint16_t rport);
/* Too long for packets of `mtu`: tells whom it may concern. -EMSGSIZE. */
int udp_too_long(struct s7_udp_sock *us, const struct s7_msg *msg, uint32_t mtu);
/* IPV6_RECVPATHMTU: such a thing waits, and is told instead of a datagram. */
bool udp_told_mtu(struct s7_sock *sk, struct s7_msg *msg);

uint8_t udp_ttl(const struct s7_sock *sk, const struct s7_dst *dst);
/* SO_TIMESTAMPING: the packet tells when it leaves. */
void udp_stamp(struct s7_udp_sock *us, struct s7_pkt *pkt, const struct s7_msg *msg);
/*
 * May an IP payload of `len` bytes leave now, as packets of mtu bytes (cut: each a datagram)?
 * 0; -EAGAIN: the sender waits, EPOLLOUT tells; -ENOBUFS: too many pieces for SO_SNDBUF.
 */
int udp_room(struct s7_udp_sock *us, uint64_t len, uint32_t mtu, bool cut);
/* What an IP payload of `len` bytes counts against SO_SNDBUF. */
uint32_t udp_wmem_of(const struct s7_udp_sock *us, uint64_t len, uint32_t mtu);

/* ---- udp_opts.c: IPv4 options ---- */
/* A send to `to` begins: us->opts_len is told, *to becomes the first hop. 0, -EINVAL. */
int udp_opts_begin(struct s7_udp_sock *us, const struct s7_msg *msg, struct s7_ip *to);
/* Of this send, NULL: none. */
const struct s7_ip4_opts *udp_opts_of(const struct s7_udp_sock *us, const struct s7_msg *msg);
/* us->dst is known: does a strict source route agree? */
bool udp_opts_allow(const struct s7_udp_sock *us, const struct s7_msg *msg);
/* What ip_output shall write. */
void udp_opts_tx(const struct s7_udp_sock *us, const struct s7_msg *msg, struct s7_ip_tx *tx);
/* The datagram waits for more bytes, and keeps them. 0, -ENOBUFS. */
int udp_opts_park(struct s7_udp_sock *us, const struct s7_ip_tx *tx);

/* May it hold one more of the instance's packets? */
bool udp_has_share(const struct s7_udp_sock *us);
/* At the end of the queue, charged; wakes. The caller has counted it. */
void udp_queue(struct s7_udp_sock *us, struct s7_pkt *pkt);

#endif
