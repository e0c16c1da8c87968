/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stamp.c - when was it sent: time stamps of transmission, and completions of MSG_ZEROCOPY
 *
 * A packet that somebody wants to know of carries PKT_TX_STAMP and a stamp: the socket, the number
 * that the program will see, what is wanted. When the packet is given to its device the socket's
 * error queue gets an entry, with the frame as payload unless the socket wants the time alone. The
 * stamp may outlive its socket (packets wait for a neighbour): a cookie tells. TCP's
 * stamps stand in the chunks and are told again when a chunk is sent again, as in Linux.
 * Completions say that the bytes were copied (SO_EE_CODE_ZEROCOPY_COPIED); consecutive ones become
 * one entry. A datagram's comes at once, a stream's when the peer has the bytes (tcp_zerocopy.c).
 * Context: instance lock. Called by: drive.c, udp, tcp, stack/sock/io.c.
 */
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"

#define COOKIE_MASK 0xffffffu
#define CHUNK_STAMPED (1 << 6) /* tcp.flags; stack/tcp calls it CHUNK_STAMP */
#define IP6_HDR_LEN 40

bool stamp_fill(struct s7_sock *sk, struct s7_pkt_stamp *stamp, uint32_t tsflags, uint32_t key)
{
	uint32_t want = 0;

	want |= tsflags & SOF_TIMESTAMPING_TX_SCHED ? STAMP_SCHED : 0;
	want |= tsflags & SOF_TIMESTAMPING_TX_SOFTWARE ? STAMP_SOFTWARE : 0;
	if (sk->proto == PROTO_TCP)
		want |= tsflags & SOF_TIMESTAMPING_TX_ACK ? STAMP_ACK : 0;
	stamp->sk = sk;
	stamp->key = key;
	stamp->flags = want & 0xff;
	stamp->cookie = sk->file.cookie & COOKIE_MASK;
	return want != 0;
}

static struct s7_sock *stamp_owner(const struct s7_pkt_stamp *stamp)
{
	struct s7_sock *sk = stamp->sk;

	if (sk->file.kind != FILE_SOCK || (sk->file.cookie & COOKIE_MASK) != stamp->cookie ||
	    !sk->ext || !atomic_load_explicit(&sk->file.refs, memory_order_relaxed))
		return NULL;
	return sk;
}

/* With SOF_TIMESTAMPING_OPT_CMSG: by which interface it left, from where and to where. */
static void stamp_packet(const struct s7_iface *iface, const struct s7_pkt *frame, uint32_t at,
			 struct s7_errq_entry *entry)
{
	uint8_t h[IP6_HDR_LEN] = { 0 };

	if (frame->total < at + IP4_LEN)
		return;
	pkt_read(frame, at, h, (uint32_t)s7_min(sizeof(h), frame->total - at));
	entry->flags |= ERRQ_OFFENDER;
	entry->iface = iface->index;
	if (h[0] >> 4 == 4) {
		entry->offender = ip_from_v4(get_raw32(h + 12));
		entry->local = ip_from_v4(get_raw32(h + 16));
		entry->ttl = h[8];
		entry->tos = h[1];
		return;
	}
	memcpy(entry->offender.b, h + 8, 16);
	memcpy(entry->local.b, h + 24, 16);
	entry->flags |= ERRQ_V6;
	entry->ttl = h[7];
	entry->tos = (uint8_t)(h[0] << 4 | h[1] >> 4);
}

/* The frame as the program sees it: behind a link header, also on lo. */
static struct s7_pkt *stamp_frame(struct s7_inst *inst, const struct s7_iface *iface,
				  const struct s7_pkt *pkt)
{
	static const uint8_t nobody[6];
	struct s7_pkt *frame = pkt_copy(inst, pkt, 0, pkt->total);

	if (!frame) {
		inst->drop[DROP_NO_PKT]++;
		return NULL;
	}
	if (iface->index == S7_IFACE_LO && !(pkt->flags & PKT_LINK_HEAD))
		eth_write(pkt_push(frame, ETH_LEN), nobody, nobody,
			  frame->data[0] >> 4 == 4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
	return frame;
}

/* One entry; `pkt` NULL: no payload, whatever the socket wants. */
static void stamp_tell(struct s7_sock *sk, const struct s7_pkt_stamp *stamp, uint32_t type,
		       const struct s7_iface *iface, const struct s7_pkt *pkt)
{
	struct s7_errq_entry entry = {
		.ee = { .ee_errno = ENOMSG, .ee_origin = SO_EE_ORIGIN_TIMESTAMPING,
			.ee_info = type },
		.at = sk->inst->now,
		.flags = ERRQ_STAMP,
	};
	uint32_t tsflags = sk->ext->tsflags;
	struct s7_pkt *payload = NULL;

	if (tsflags & SOF_TIMESTAMPING_OPT_ID)
		entry.ee.ee_data = stamp->key - (sk->proto == PROTO_TCP ? sk->ext->ts_key : 0);
	if (!(tsflags & SOF_TIMESTAMPING_OPT_TSONLY)) {
		payload = iface ? stamp_frame(sk->inst, iface, pkt) :
				  pkt_copy(sk->inst, pkt, 0, pkt->total);
		if (!payload)
			return;
		if (iface && tsflags & SOF_TIMESTAMPING_OPT_CMSG)
			stamp_packet(iface, payload, ETH_LEN, &entry);
	}
	errq_push(sk, payload, &entry);
}

static void stamp_one(const struct s7_pkt_stamp *stamp, const struct s7_iface *iface,
		      const struct s7_pkt *pkt)
{
	struct s7_sock *sk = stamp_owner(stamp);

	if (!sk)
		return;
	if (stamp->flags & STAMP_SCHED)
		stamp_tell(sk, stamp, SCM_TSTAMP_SCHED, iface, pkt);
	if (stamp->flags & STAMP_SOFTWARE)
		stamp_tell(sk, stamp, SCM_TSTAMP_SND, iface, pkt);
}

void stamp_sent(struct s7_inst *inst, const struct s7_iface *iface, const struct s7_pkt *pkt)
{
	const struct s7_pkt *part;

	(void)inst;
	if (!(pkt->flags & PKT_TX_STAMP_CHUNKS)) {
		stamp_one(&pkt->stamp, iface, pkt);
		return;
	}
	for (part = pkt; part; part = part->frag)
		if (part->tcp.flags & CHUNK_STAMPED)
			stamp_one(&part->stamp, iface, pkt);
}

void stamp_acked(struct s7_inst *inst, const struct s7_pkt_stamp *stamp,
		 const struct s7_pkt *payload)
{
	struct s7_sock *sk = stamp->flags & STAMP_ACK ? stamp_owner(stamp) : NULL;

	(void)inst;
	if (sk)
		stamp_tell(sk, stamp, SCM_TSTAMP_ACK, NULL, payload);
}

void errq_zerocopy_done(struct s7_sock *sk, uint32_t next)
{
	struct s7_sk_ext *ext = sk->ext;
	struct s7_errq_entry entry = {
		.ee = { .ee_origin = SO_EE_ORIGIN_ZEROCOPY, .ee_code = SO_EE_CODE_ZEROCOPY_COPIED,
			.ee_info = ext->zc_told, .ee_data = next - 1 },
	};
	struct s7_errq_entry *last = ext->errq.head ? errq_entry(ext->errq.tail) : NULL;

	if (last && last->ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY &&
	    last->ee.ee_data + 1 == ext->zc_told) {
		last->ee.ee_data = next - 1;
		sk_event(sk, EPOLLERR);
	} else if (errq_push(sk, NULL, &entry)) {
		return; /* the next one tells of this too */
	}
	ext->zc_told = next;
}

void errq_zerocopy(struct s7_sock *sk)
{
	sk->ext->zc_next++;
	errq_zerocopy_done(sk, sk->ext->zc_next);
}
