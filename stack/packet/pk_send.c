/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_send.c - frames from programs to an interface of the stack
 *
 * SOCK_RAW gives the whole frame, SOCK_DGRAM what follows a link header made of the address. The
 * checks and their order are Linux's. What a socket sends goes past the tap (others see it as
 * PACKET_OUTGOING) to the device; on lo it comes back, link header and all, for packet sockets and
 * then for the stack. A device that is full and takes nothing is ENOBUFS, as from a queueing
 * discipline.
 * PACKET_TX_RING: a send works off the frames that are marked, in order, each copied; a frame is
 * the program's again when the call returns.
 * Context: instance lock; user memory of the calling thread. Called by: packet_proto_ops.
 */
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/packet/packet.h"
#include "stack/wire/eth.h"

#define TAG_LEN 4u
#define NAME_HEAD ((uint32_t)offsetof(struct sockaddr_ll, sll_addr))

/* Where a frame goes. */
struct way {
	struct s7_iface *iface;
	const uint8_t *addr; /* NULL: none was given */
	uint16_t proto;
};

/* Where its bytes are: in the program's vectors, or in a ring. */
struct source {
	struct s7_msg *msg;
	const char *mem;
	uint32_t len;
};

static int find_way(struct s7_packet_sock *ps, const struct s7_msg_link *link, struct way *ret)
{
	struct s7_inst *inst = ps->sk.inst;
	uint32_t i;

	if (!link || !link->name_len) {
		if (!ps->iface)
			return -ENXIO;
		*ret = (struct way){ &inst->iface[ps->iface - 1], NULL, ps->proto };
		return 0;
	}
	if (link->name_len < sizeof(link->name) ||
	    link->name_len < NAME_HEAD + link->name.sll_halen)
		return -EINVAL;
	for (i = 0; i < inst->iface_count; i++)
		if (inst->iface[i].ifindex == link->name.sll_ifindex)
			break;
	if (i == inst->iface_count)
		return -ENXIO;
	*ret = (struct way){ &inst->iface[i], link->name.sll_addr,
			     ntohs(link->name.sll_protocol) };
	return 0;
}

static bool is_tagged(const uint8_t *head)
{
	return eth_type(head) == ETH_TYPE_VLAN;
}

/* The bytes in fresh buffers, room for a link header in front. */
static struct s7_pkt *take_in(struct s7_inst *inst, struct source *from)
{
	struct s7_pkt *head = NULL, **tail = &head;
	uint32_t left = from->len;

	do {
		struct s7_pkt *part = pkt_alloc(inst);

		if (!part) {
			inst->drop[DROP_NO_PKT]++;
			pkt_free(inst, head);
			return NULL;
		}
		part->len = (uint32_t)s7_min(left, part->buf_len - S7_PKT_HEADROOM);
		if (from->msg)
			msg_copy_in(from->msg, part->data, part->len);
		else
			memcpy(part->data, from->mem + from->len - left, part->len);
		left -= part->len;
		*tail = part;
		tail = &part->frag;
		if (part != head)
			head->nsegs++;
	} while (left);
	head->total = from->len;
	return head;
}

static int check_frame(const struct s7_packet_sock *ps, const struct way *way, uint32_t len,
		       const struct s7_pkt *pkt)
{
	bool raw = ps->sk.type == SOCK_RAW;
	bool tagged = raw ? is_tagged(pkt->data) : way->proto == ETH_TYPE_VLAN;

	if (raw ? len < ETH_LEN : !way->addr && !(way->iface->flags & IFACE_LO))
		return -EINVAL;
	/* a tag comes on top, on Ethernet */
	if (len > way->iface->mtu + (raw ? ETH_LEN : 0) &&
	    (!tagged || way->iface->flags & IFACE_LO))
		return -EMSGSIZE;
	return 0;
}

static void push_head(struct s7_pkt *pkt, const struct way *way)
{
	static const uint8_t nobody[ETH_ALEN];

	eth_write(pkt_push(pkt, ETH_LEN), way->addr ? way->addr : nobody, way->iface->mac,
		  way->proto);
}

/* SO_TIMESTAMPING: the socket wants to know when it left. */
static void want_stamp(struct s7_packet_sock *ps, const struct s7_msg *msg, struct s7_pkt *pkt)
{
	uint32_t tsflags = msg_tsflags(&ps->sk, msg), key = 0;

	if (!(tsflags & STAMP_TX))
		return;
	if (tsflags & SOF_TIMESTAMPING_OPT_ID)
		key = msg->ask && msg->ask->has & ASK_TS_ID ? msg->ask->ts_id :
							      ps->sk.ext->ts_key++;
	if (stamp_fill(&ps->sk, &pkt->stamp, tsflags, key))
		pkt->flags |= PKT_TX_STAMP;
}

/* For packet sockets and lo; links leave these fields alone. */
static void put_marks(const struct s7_sock *sk, const struct s7_msg_ask *ask, struct s7_pkt *pkt)
{
	pkt->hash = ask && ask->has & ASK_MARK ? ask->mark : sk->mark;
	pkt->tso_mss = (uint16_t)(ask && ask->has & ASK_PRIORITY ? ask->priority : sk->priority);
}

static int send_frame(struct s7_packet_sock *ps, const struct way *way, struct source *from)
{
	bool raw = ps->sk.type == SOCK_RAW;
	struct s7_inst *inst = ps->sk.inst;
	struct s7_pkt *pkt;
	int err;

	if (from->len > way->iface->mtu + (raw ? ETH_LEN : 0) + TAG_LEN)
		return -EMSGSIZE;
	if (way->iface->staged == IFACE_STAGE)
		inst_flush(inst);
	if (way->iface->staged == IFACE_STAGE)
		return -ENOBUFS;
	pkt = take_in(inst, from);
	if (!pkt)
		return -ENOBUFS;
	err = from->msg && from->msg->bad ? -EFAULT : check_frame(ps, way, from->len, pkt);
	if (err) {
		pkt_free(inst, pkt);
		return err;
	}
	if (!raw)
		push_head(pkt, way);
	if (way->iface->flags & IFACE_LO)
		pkt->flags |= PKT_LINK_HEAD;
	if (s7_unlikely(ps->sk.ext != NULL) && from->msg)
		want_stamp(ps, from->msg, pkt);
	put_marks(&ps->sk, from->msg ? from->msg->ask : NULL, pkt);
	inst->packet->sender = ps;
	iface_stage(inst, way->iface, pkt);
	inst->packet->sender = NULL;
	return 0;
}

/* ---- PACKET_TX_RING ---- */

union any_head {
	struct tpacket_hdr *v1;
	struct tpacket2_hdr *v2;
	struct tpacket3_hdr *v3;
	char *mem;
};

static uint32_t status_of(const struct s7_packet_sock *ps, union any_head head)
{
	if (ps->version == TPACKET_V1)
		return (uint32_t)__atomic_load_n(&head.v1->tp_status, __ATOMIC_ACQUIRE);
	return __atomic_load_n(ps->version == TPACKET_V2 ? &head.v2->tp_status :
							   &head.v3->tp_status,
			       __ATOMIC_ACQUIRE);
}

static void status_set(const struct s7_packet_sock *ps, union any_head head, uint32_t status)
{
	if (ps->version == TPACKET_V1)
		__atomic_store_n(&head.v1->tp_status, status, __ATOMIC_RELEASE);
	else
		__atomic_store_n(ps->version == TPACKET_V2 ? &head.v2->tp_status :
							     &head.v3->tp_status,
				 status, __ATOMIC_RELEASE);
}

static uint32_t len_of(const struct s7_packet_sock *ps, union any_head head)
{
	return ps->version == TPACKET_V1 ? head.v1->tp_len :
	       ps->version == TPACKET_V2 ? head.v2->tp_len :
					   head.v3->tp_len;
}

/* PACKET_TX_HAS_OFF: the program says where in the slot the frame begins. */
static uint32_t offset_of(const struct s7_packet_sock *ps, union any_head head)
{
	bool dgram = ps->sk.type == SOCK_DGRAM;

	if (ps->version == TPACKET_V1)
		return dgram ? head.v1->tp_net : head.v1->tp_mac;
	if (ps->version == TPACKET_V2)
		return dgram ? head.v2->tp_net : head.v2->tp_mac;
	return dgram ? head.v3->tp_net : head.v3->tp_mac;
}

static int send_slot(struct s7_packet_sock *ps, const struct way *way, union any_head head)
{
	uint32_t least = packet_hdrlen(ps->version) - (uint32_t)sizeof(struct sockaddr_ll);
	uint32_t at = ps->bits & PB_TX_HAS_OFF ? offset_of(ps, head) : least;
	struct source from = { .mem = head.mem + at, .len = len_of(ps, head) };

	if (ps->version == TPACKET_V3 && head.v3->tp_next_offset)
		return -EINVAL; /* slots of varying size: not in Linux either */
	if (from.len > ps->tx.frame_size - least)
		return -EMSGSIZE;
	if (at < least || at > ps->tx.frame_size - from.len)
		return -EINVAL;
	return send_frame(ps, way, &from);
}

static ssize_t send_ring(struct s7_packet_sock *ps, const struct way *way)
{
	ssize_t total = 0;

	for (uint32_t i = 0; i < ps->tx.frame_nr; i++) {
		union any_head head = { .mem = ring_frame(&ps->tx, ps->tx.head) };
		uint32_t len;
		int err;

		if (status_of(ps, head) != TP_STATUS_SEND_REQUEST)
			break;
		len = len_of(ps, head);
		err = send_slot(ps, way, head);
		if (err == -ENOBUFS)
			return total ? total : err; /* it stays marked */
		if (err && !(ps->bits & PB_LOSS)) {
			status_set(ps, head, TP_STATUS_WRONG_FORMAT);
			return err;
		}
		status_set(ps, head, TP_STATUS_AVAILABLE);
		ps->tx.head = (ps->tx.head + 1) % ps->tx.frame_nr;
		total += err ? 0 : len;
	}
	return total;
}

ssize_t packet_send(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_packet_sock *ps = packet_sock(sk);
	struct source from = { .msg = msg, .len = (uint32_t)s7_min(msg->len, UINT32_MAX) };
	struct way way;
	int err;

	err = find_way(ps, msg->link, &way);
	if (err)
		return err;
	if (ps->tx.mem)
		return send_ring(ps, &way);
	err = send_frame(ps, &way, &from);
	return err ? err : (ssize_t)from.len;
}
