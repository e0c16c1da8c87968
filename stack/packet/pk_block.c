/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_block.c - TPACKET_V3: frames of any size in blocks that change hands as a whole
 *
 * One block is open. A frame that does not fit closes it: its status becomes TP_STATUS_USER and the
 * next block opens, if the program has given that back; else the ring is frozen, and frames are
 * lost until it has. A block with frames is also closed when tp_retire_blk_tov is over, counted
 * from its first frame (Linux: a tick that runs always; nobody can see the difference, and an empty
 * ring costs nothing). Where the next frame goes is kept here, not read from the block, which the
 * program can write.
 * Context: instance lock. Called by: pk_ring.c, the timer.
 */
#include "stack/packet/packet.h"

#define ALIGN8(n) (((n) + 7u) & ~7u)
#define BLOCK_HEAD ALIGN8((uint32_t)sizeof(struct tpacket_block_desc))

static uint32_t first_offset(uint32_t priv)
{
	return BLOCK_HEAD + ALIGN8(priv);
}

bool block_fits(const struct tpacket_req3 *req, uint32_t least)
{
	uint64_t head = BLOCK_HEAD + (((uint64_t)req->tp_sizeof_priv + 7) & ~7ull);

	return req->tp_block_size >= head + least;
}

uint32_t block_max_frame(const struct s7_packet_ring *ring)
{
	return ring->block_size - first_offset(ring->priv);
}

static struct tpacket_block_desc *block_at(const struct s7_packet_ring *ring, uint32_t index)
{
	return (void *)(ring->mem + (uint64_t)index * ring->block_size);
}

static uint32_t block_status(const struct tpacket_block_desc *block)
{
	return __atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
}

static void stamp(const struct s7_inst *inst, struct tpacket_bd_ts *ts)
{
	uint64_t wall = (uint64_t)((int64_t)inst->now + inst->env->host->realtime_offset());

	ts->ts_sec = (unsigned int)(wall / S7_SEC);
	ts->ts_nsec = (unsigned int)(wall % S7_SEC);
}

void block_open(struct s7_packet_sock *ps)
{
	struct s7_packet_ring *ring = &ps->rx;
	struct tpacket_block_desc *block = block_at(ring, ring->head);
	struct tpacket_hdr_v1 *head = &block->hdr.bh1;

	block->version = TPACKET_V3;
	block->offset_to_priv = BLOCK_HEAD;
	head->num_pkts = 0;
	head->offset_to_first_pkt = first_offset(ring->priv);
	head->blk_len = head->offset_to_first_pkt;
	head->seq_num = ++ring->seq;
	stamp(ps->sk.inst, &head->ts_first_pkt);
	ring->next = ring->prev = head->offset_to_first_pkt;
	ring->frozen = false;
}

static bool is_empty(const struct s7_packet_ring *ring)
{
	return ring->next == first_offset(ring->priv);
}

static void close_block(struct s7_packet_sock *ps, uint32_t status)
{
	struct s7_packet_ring *ring = &ps->rx;
	struct tpacket_block_desc *block = block_at(ring, ring->head);
	struct tpacket3_hdr *last = (void *)((char *)block + ring->prev);

	timer_cancel(&ps->sk.inst->wheel, &ps->timer);
	last->tp_next_offset = 0;
	block->hdr.bh1.ts_last_pkt.ts_sec = last->tp_sec;
	block->hdr.bh1.ts_last_pkt.ts_nsec = last->tp_nsec;
	status |= TP_STATUS_USER | (ps->drops ? TP_STATUS_LOSING : 0);
	__atomic_store_n(&block->hdr.bh1.block_status, status, __ATOMIC_RELEASE);
	ring->head = ring->head + 1 == ring->block_nr ? 0 : ring->head + 1;
	sk_event(&ps->sk, EPOLLIN | EPOLLRDNORM);
}

/* The block that is next becomes the open one, if the program has given it back. */
static bool open_next(struct s7_packet_sock *ps)
{
	struct s7_packet_ring *ring = &ps->rx;

	if (block_status(block_at(ring, ring->head)) & TP_STATUS_USER) {
		ps->freezes += !ring->frozen;
		ring->frozen = true;
		return false;
	}
	block_open(ps);
	return true;
}

struct tpacket3_hdr *block_room(struct s7_packet_sock *ps, uint32_t len)
{
	struct s7_packet_ring *ring = &ps->rx;
	struct tpacket_block_desc *block;
	struct tpacket3_hdr *head;

	len = ALIGN8(len);
	if (!ring->frozen && ring->next + len >= ring->block_size && !is_empty(ring)) {
		close_block(ps, 0);
		open_next(ps);
	} else if (ring->frozen) {
		open_next(ps);
	}
	if (ring->frozen || ring->next + len > ring->block_size)
		return NULL;
	if (is_empty(ring))
		timer_arm(&ps->sk.inst->wheel, &ps->timer, ps->sk.inst->now + ring->tov);
	block = block_at(ring, ring->head);
	head = (void *)((char *)block + ring->next);
	head->tp_next_offset = len;
	ring->prev = ring->next;
	ring->next += len;
	block->hdr.bh1.blk_len = ring->next;
	block->hdr.bh1.num_pkts++;
	return head;
}

bool block_readable(const struct s7_packet_ring *ring)
{
	uint32_t last = ring->head ? ring->head - 1 : ring->block_nr - 1;

	return block_status(block_at(ring, last)) & TP_STATUS_USER;
}

void packet_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct s7_packet_sock *ps = s7_container(timer, struct s7_packet_sock, timer);

	(void)ctx;
	(void)now;
	if (!ps->rx.mem || ps->rx.frozen || is_empty(&ps->rx))
		return;
	close_block(ps, TP_STATUS_BLK_TMO);
	open_next(ps);
}
