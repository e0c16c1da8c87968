/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_ring.c - PACKET_RX_RING and PACKET_TX_RING: frames in memory that the program has mapped
 *
 * TPACKET_V1 and V2: frames of one size, each with a status word: the stack fills one that is
 * TP_STATUS_KERNEL and gives it to the program by storing TP_STATUS_USER last; the program gives it
 * back. V3 (pk_block.c): frames of any size in blocks, of which the whole block changes hands.
 * The memory is the program's too: of what it can write, only the status is read, once.
 * The order of checks is Linux's. Bound: the memory for rings (pk_mem.c), then ENOMEM.
 * Context: instance lock. Called by: opt_packet.c, pk_tap.c.
 */
#include <errno.h>
#include <limits.h>

#include "stack/packet/packet.h"

#define PAGE 4096u

uint32_t packet_hdrlen(uint8_t version)
{
	static const uint32_t lens[] = {
		[TPACKET_V1] = TPACKET_HDRLEN,
		[TPACKET_V2] = TPACKET2_HDRLEN,
		[TPACKET_V3] = TPACKET3_HDRLEN,
	};

	return lens[version];
}

static int check_request(const struct s7_packet_sock *ps, bool tx, const struct tpacket_req3 *req)
{
	uint32_t least = packet_hdrlen(ps->version) + ps->reserve, per_block;

	if ((int)req->tp_block_size <= 0 || req->tp_block_size % PAGE)
		return -EINVAL;
	if (ps->version == TPACKET_V3 && !block_fits(req, least))
		return -EINVAL;
	if (req->tp_frame_size < least || req->tp_frame_size & (TPACKET_ALIGNMENT - 1))
		return -EINVAL;
	per_block = req->tp_block_size / req->tp_frame_size;
	if (!per_block || per_block > UINT_MAX / req->tp_block_nr)
		return -EINVAL;
	if (per_block * req->tp_block_nr != req->tp_frame_nr)
		return -EINVAL;
	if (tx && ps->version == TPACKET_V3 &&
	    (req->tp_retire_blk_tov || req->tp_sizeof_priv || req->tp_feature_req_word))
		return -EINVAL;
	return 0;
}

static void drop_ring(struct s7_packet_sock *ps, struct s7_packet_ring *ring)
{
	struct s7_packet_ring gone = *ring;

	if (!ring->mem)
		return;
	memset(ring, 0, sizeof(*ring));
	ring_mem_give(ps->sk.inst, gone.mem, gone.bytes);
}

void packet_drop_rings(struct s7_packet_sock *ps)
{
	timer_cancel(&ps->sk.inst->wheel, &ps->timer);
	drop_ring(ps, &ps->rx);
	drop_ring(ps, &ps->tx);
}

static int make_ring(struct s7_packet_sock *ps, bool tx, const struct tpacket_req3 *req)
{
	uint64_t bytes = (uint64_t)req->tp_block_size * req->tp_block_nr;
	struct s7_packet_ring ring = {
		.block_size = req->tp_block_size,
		.block_nr = req->tp_block_nr,
		.frame_size = req->tp_frame_size,
		.frame_nr = req->tp_frame_nr,
		.per_block = req->tp_block_size / req->tp_frame_size,
	};

	if (bytes > INT_MAX)
		return -ENOMEM;
	ring.bytes = (uint32_t)bytes;
	if (ps->version == TPACKET_V3 && !tx) {
		ring.priv = req->tp_sizeof_priv;
		ring.features = req->tp_feature_req_word;
		ring.tov = (req->tp_retire_blk_tov ? req->tp_retire_blk_tov : 8) * S7_MS;
	}
	ring.mem = ring_mem_take(ps->sk.inst, ring.bytes);
	if (!ring.mem)
		return -ENOMEM;
	*(tx ? &ps->tx : &ps->rx) = ring;
	if (ps->version == TPACKET_V3 && !tx)
		block_open(ps);
	return 0;
}

int packet_set_ring(struct s7_packet_sock *ps, bool tx, const struct tpacket_req3 *req)
{
	struct s7_packet_ring *ring = tx ? &ps->tx : &ps->rx;
	int err;

	if (ps->mapped)
		return -EBUSY;
	if (!req->tp_block_nr) {
		if (req->tp_frame_nr)
			return -EINVAL;
		if (!tx)
			timer_cancel(&ps->sk.inst->wheel, &ps->timer);
		drop_ring(ps, ring);
		return 0;
	}
	if (ring->mem)
		return -EBUSY;
	err = check_request(ps, tx, req);
	return err ? err : make_ring(ps, tx, req);
}

/* ---- what lies in a frame ---- */

static uint32_t slot_status(const struct s7_packet_sock *ps, uint32_t index)
{
	void *head = ring_frame(&ps->rx, index);

	if (ps->version == TPACKET_V1)
		return (uint32_t)__atomic_load_n(&((struct tpacket_hdr *)head)->tp_status,
						 __ATOMIC_ACQUIRE);
	return __atomic_load_n(&((struct tpacket2_hdr *)head)->tp_status, __ATOMIC_ACQUIRE);
}

bool packet_ring_readable(const struct s7_packet_sock *ps)
{
	uint32_t last = ps->rx.head ? ps->rx.head - 1 : ps->rx.frame_nr - 1;

	if (ps->version == TPACKET_V3)
		return block_readable(&ps->rx);
	return slot_status(ps, last) != TP_STATUS_KERNEL;
}

bool packet_ring_has_room(const struct s7_packet_sock *ps)
{
	uint32_t ahead = (ps->rx.head + ps->rx.frame_nr / 4) % ps->rx.frame_nr;

	if (ps->version == TPACKET_V3)
		return !ps->rx.frozen;
	return slot_status(ps, ahead) == TP_STATUS_KERNEL;
}

/* Where the parts of a frame lie behind its header. */
struct layout {
	uint32_t mac, net, snap, status;
};

static struct layout lay_out(const struct s7_packet_sock *ps, const struct s7_frame *frame,
			     uint32_t from, uint32_t snap)
{
	uint32_t head = packet_hdrlen(ps->version), link = frame->link;
	struct layout lay = { .snap = snap, .status = TP_STATUS_USER };

	if (from) { /* SOCK_DGRAM */
		lay.net = TPACKET_ALIGN(head) + 16 + ps->reserve;
		lay.mac = lay.net;
	} else {
		lay.net = TPACKET_ALIGN(head + (uint32_t)s7_max(link, 16)) + ps->reserve;
		lay.mac = lay.net - link;
	}
	return lay;
}

static void put_name(const struct s7_packet_sock *ps, const struct s7_frame *frame, char *head)
{
	uint32_t at = packet_hdrlen(ps->version) - (uint32_t)sizeof(struct sockaddr_ll);

	frame_name(frame, (struct sockaddr_ll *)(void *)(head + at));
}

static uint64_t wall_clock(const struct s7_inst *inst)
{
	return (uint64_t)((int64_t)inst->now + inst->env->host->realtime_offset());
}

static void put_v1(struct tpacket_hdr *head, const struct layout *lay, uint32_t len, uint64_t wall)
{
	head->tp_len = len;
	head->tp_snaplen = lay->snap;
	head->tp_mac = (unsigned short)lay->mac;
	head->tp_net = (unsigned short)lay->net;
	head->tp_sec = (unsigned int)(wall / S7_SEC);
	head->tp_usec = (unsigned int)(wall % S7_SEC / S7_US);
	__atomic_store_n(&head->tp_status, lay->status & ~(uint32_t)(TP_STATUS_VLAN_VALID |
						 TP_STATUS_VLAN_TPID_VALID),
			 __ATOMIC_RELEASE);
}

static void put_v2(struct tpacket2_hdr *head, const struct layout *lay,
		   const struct s7_frame *frame, uint32_t len, uint64_t wall)
{
	head->tp_len = len;
	head->tp_snaplen = lay->snap;
	head->tp_mac = (uint16_t)lay->mac;
	head->tp_net = (uint16_t)lay->net;
	head->tp_sec = (uint32_t)(wall / S7_SEC);
	head->tp_nsec = (uint32_t)(wall % S7_SEC);
	head->tp_vlan_tci = frame->vlan_tci;
	head->tp_vlan_tpid = frame->vlan_tpid;
	memset(head->tp_padding, 0, sizeof(head->tp_padding));
	__atomic_store_n(&head->tp_status, lay->status, __ATOMIC_RELEASE);
}

static void put_v3(struct tpacket3_hdr *head, const struct layout *lay,
		   const struct s7_frame *frame, uint32_t len, uint64_t wall)
{
	head->tp_len = len;
	head->tp_snaplen = lay->snap;
	head->tp_mac = (uint16_t)lay->mac;
	head->tp_net = (uint16_t)lay->net;
	head->tp_sec = (uint32_t)(wall / S7_SEC);
	head->tp_nsec = (uint32_t)(wall % S7_SEC);
	head->hv1.tp_vlan_tci = frame->vlan_tci;
	head->hv1.tp_vlan_tpid = frame->vlan_tpid;
	head->hv1.tp_padding = 0;
	head->hv1.tp_rxhash = 0;
	memset(head->tp_padding, 0, sizeof(head->tp_padding));
	head->tp_status = lay->status;
}

static void lost(struct s7_packet_sock *ps)
{
	ps->drops++;
	ps->sk.drops++;
	ps->sk.inst->drop[DROP_PACKET_RING]++;
}

static void fill(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from, char *head,
		 const struct layout *lay)
{
	uint32_t len = frame->len - from;
	uint64_t wall = frame->wall ? frame->wall : wall_clock(ps->sk.inst);

	frame_read(frame, from, head + lay->mac, lay->snap);
	put_name(ps, frame, head);
	ps->packets++;
	if (ps->version == TPACKET_V3)
		put_v3((void *)head, lay, frame, len, wall);
	else if (ps->version == TPACKET_V2)
		put_v2((void *)head, lay, frame, len, wall);
	else
		put_v1((void *)head, lay, len, wall);
}

static void put_slot(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from,
		     struct layout *lay)
{
	struct s7_packet_ring *ring = &ps->rx;
	uint32_t index = ring->head;

	if (slot_status(ps, index) != TP_STATUS_KERNEL) {
		lost(ps);
		return;
	}
	if (lay->mac + lay->snap > ring->frame_size) {
		if (ps->copy_thresh && !frame->name && packet_enqueue_copy(ps, frame, from))
			lay->status |= TP_STATUS_COPY;
		lay->snap = lay->mac < ring->frame_size ? ring->frame_size - lay->mac : 0;
	}
	if (ps->drops)
		lay->status |= TP_STATUS_LOSING;
	ring->head = index + 1 == ring->frame_nr ? 0 : index + 1;
	fill(ps, frame, from, ring_frame(ring, index), lay);
	sk_event(&ps->sk, EPOLLIN | EPOLLRDNORM);
}

static void put_block(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from,
		      struct layout *lay)
{
	uint32_t most = block_max_frame(&ps->rx);
	struct tpacket3_hdr *head;

	if (lay->mac + lay->snap > most) {
		lay->snap = lay->mac < most ? most - lay->mac : 0;
		lay->mac = (uint32_t)s7_min(lay->mac, most);
	}
	head = block_room(ps, lay->mac + lay->snap);
	if (head)
		fill(ps, frame, from, (char *)head, lay);
	else
		lost(ps);
}

void packet_ring_put(struct s7_packet_sock *ps, const struct s7_frame *frame, uint32_t from,
		     uint32_t snap)
{
	struct layout lay = lay_out(ps, frame, from, snap);

	ps->sk.rx_cpu = ps->sk.inst->rx_cpu;
	lay.status |= frame->status | TP_STATUS_TS_SOFTWARE;
	if (lay.net > UINT16_MAX)
		lost(ps);
	else if (ps->version == TPACKET_V3)
		put_block(ps, frame, from, &lay);
	else
		put_slot(ps, frame, from, &lay);
}
