/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_queue.c - the receive queue of a packet socket that has no ring
 *
 * A frame is copied into buffers of its own and charged against SO_RCVBUF with what Linux would
 * have spent on it. A socket takes frames until it is at its limit; the rest is counted, for
 * PACKET_STATISTICS and SO_RXQ_OVFL. Stores stand in such an order that the queue is whole at any
 * instant in its forward direction (packet_mend).
 * Context: instance lock; user memory is the calling thread's.
 */
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/packet/packet.h"

#define TRUESIZE_STRUCT 256 /* struct sk_buff */
#define TRUESIZE_EXTRA 320  /* shared info */
#define TRUESIZE_MIN 512
#define RECV_FLAGS (MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE)

static uint32_t truesize(uint32_t len)
{
	uint32_t need = len + TRUESIZE_EXTRA, size = TRUESIZE_MIN;

	while (size < need)
		size *= 2;
	return size + TRUESIZE_STRUCT;
}

static void count_drop(struct s7_packet_sock *ps)
{
	ps->drops++;
	ps->sk.drops++;
	ps->sk.inst->drop[DROP_PACKET_RCVBUF]++;
}

/* snap bytes from `from` on, in a chain of fresh buffers. */
static struct s7_pkt *frame_copy(struct s7_inst *inst, const struct s7_frame *frame, uint32_t from,
				 uint32_t snap)
{
	struct s7_pkt *head = NULL, **tail = &head;
	uint32_t left = snap;

	do {
		struct s7_pkt *part = pkt_alloc(inst);

		if (!part) {
			pkt_free(inst, head);
			return NULL;
		}
		part->len = (uint32_t)s7_min(left, part->buf_len - S7_PKT_HEADROOM);
		frame_read(frame, from, part->data, part->len);
		from += part->len;
		left -= part->len;
		*tail = part;
		tail = &part->frag;
		if (part != head)
			head->nsegs++;
	} while (left);
	head->total = snap;
	head->iface = frame->iface->index;
	return head;
}

static void queue_add(struct s7_packet_sock *ps, struct s7_pkt *pkt)
{
	ps->rx_truesize += truesize(packet_meta(pkt)->len);
	ps->rx_count++;
	pkt->next = NULL;
	s7_in_order();
	if (ps->rx_head)
		ps->rx_tail->next = pkt;
	else
		ps->rx_head = pkt;
	ps->rx_tail = pkt;
}

/* False: no buffer for it, or no room. */
static bool enqueue(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from,
		    uint32_t snap)
{
	struct s7_inst *inst = ps->sk.inst;
	struct s7_packet_meta *meta;
	struct s7_pkt *pkt;

	if (ps->rx_truesize >= ps->sk.rcvbuf ||
	    s7_unlikely(ps->rx_count >= pkt_share(inst, PKT_SHARE_RECEIVE)))
		return false;
	pkt = frame_copy(inst, frame, from, snap);
	if (!pkt)
		return false;
	meta = packet_meta(pkt);
	*meta = (struct s7_packet_meta){
		.at = inst->now,
		.len = frame->len - from,
		.drops = ps->sk.bits & SKB_RXQ_OVFL ? (uint32_t)ps->sk.drops : 0,
		.status = frame->status,
		.mark = frame->mark,
		.priority = frame->priority,
		.proto = frame->proto,
		.net = (uint16_t)(ETH_HLEN - from),
		.vlan_tci = frame->vlan_tci,
		.vlan_tpid = frame->vlan_tpid,
		.type = frame->type,
	};
	memcpy(meta->addr, frame->head + ETH_ALEN, ETH_ALEN);
	queue_add(ps, pkt);
	return true;
}

void packet_enqueue(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from,
		    uint32_t snap)
{
	if (!enqueue(ps, frame, from, snap)) {
		count_drop(ps);
		return;
	}
	ps->packets++;
	ps->sk.rx_cpu = ps->sk.inst->rx_cpu;
	sk_event(&ps->sk, EPOLLIN | EPOLLRDNORM);
}

bool packet_enqueue_copy(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from)
{
	return enqueue(ps, frame, from, frame->len - from);
}

static void dequeue(struct s7_packet_sock *ps)
{
	struct s7_pkt *pkt = ps->rx_head;

	ps->rx_truesize -= truesize(packet_meta(pkt)->len);
	ps->rx_count--;
	ps->rx_head = pkt->next;
	s7_in_order();
	pkt->next = NULL;
	pkt_free(ps->sk.inst, pkt);
}

void packet_purge(struct s7_packet_sock *ps)
{
	while (ps->rx_head)
		dequeue(ps);
}

static void tell(const struct s7_packet_sock *ps, struct s7_pkt *pkt, struct s7_msg *msg)
{
	const struct s7_packet_meta *meta = packet_meta(pkt);
	const struct s7_iface *iface = &ps->sk.inst->iface[pkt->iface];
	struct s7_msg_link *link = msg->link;

	msg->rx_time = meta->at;
	if (!link)
		return;
	link->told = true;
	link->drops = meta->drops;
	link->mark = meta->mark;
	link->priority = meta->priority;
	link->name = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_protocol = htons(meta->proto),
		.sll_ifindex = iface->ifindex,
		.sll_hatype = iface->flags & IFACE_LO ? ARPHRD_LOOPBACK : ARPHRD_ETHER,
		.sll_pkttype = meta->type,
		.sll_halen = ETH_ALEN,
	};
	memcpy(link->name.sll_addr, meta->addr, ETH_ALEN);
	link->aux = (struct tpacket_auxdata){
		.tp_status = TP_STATUS_USER | meta->status,
		.tp_len = meta->len,
		.tp_snaplen = pkt->total,
		.tp_net = meta->net,
		.tp_vlan_tci = meta->vlan_tci,
		.tp_vlan_tpid = meta->vlan_tpid,
	};
}

static void copy_out(const struct s7_pkt *pkt, struct s7_msg *msg, uint32_t len)
{
	for (; len; pkt = pkt->frag) {
		uint32_t here = (uint32_t)s7_min(len, pkt->len);

		msg_copy_out(msg, pkt->data, here);
		len -= here;
	}
}

ssize_t packet_recv(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_packet_sock *ps = packet_sock(sk);
	struct s7_pkt *pkt = ps->rx_head;
	uint32_t len, whole;

	if (msg->flags & ~(uint32_t)RECV_FLAGS)
		return -EINVAL;
	if (sk->err)
		return sk_take_error(sk);
	if (!pkt)
		return -EAGAIN;
	whole = pkt->total;
	len = (uint32_t)s7_min(msg->len, whole);
	if (len < whole)
		msg->out_flags |= MSG_TRUNC;
	copy_out(pkt, msg, len);
	tell(ps, pkt, msg);
	sk_stamp_read(sk, packet_meta(pkt)->at);
	if (!(msg->flags & MSG_PEEK))
		dequeue(ps);
	if (s7_unlikely(msg->bad))
		return -EFAULT; /* the frame is gone all the same, as Linux */
	return msg->flags & MSG_TRUNC ? (ssize_t)whole : (ssize_t)len;
}
