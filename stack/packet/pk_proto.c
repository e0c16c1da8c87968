/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_proto.c - the life of a packet socket, and its row in the table of protocols
 *
 * A socket with a protocol runs: it is in inst->packet->taps and counted in inst->taps. Binding
 * moves it to another interface or protocol; what it received before stays queued, as in Linux.
 * Calls that packet sockets do not have (connect, listen, accept, shutdown) are answered by the
 * kernel socket behind.
 * Context: instance lock. Called through packet_proto_ops by sk.c and stack/sock.
 */
#include <errno.h>

#include "stack/core/ext.h"
#include "stack/packet/packet.h"

int packet_inst_init(struct s7_inst *inst)
{
	struct s7_packet_inst *packet;
	uint64_t bytes = inst->arena->size / PACKET_RINGS_SHARE, words;

	packet = inst->packet = arena_take(inst->arena, sizeof(*packet), S7_CACHELINE);
	if (!packet)
		return -ENOMEM;
	list_init(&packet->taps);
	packet->ring_units = (uint32_t)s7_min(bytes / PACKET_RING_UNIT, UINT32_MAX);
	words = (packet->ring_units + 63ull) / 64;
	packet->ring_used = arena_take(inst->arena, words * sizeof(uint64_t), S7_CACHELINE);
	packet->rings = arena_take(inst->arena, (uint64_t)packet->ring_units * PACKET_RING_UNIT,
				   PACKET_RING_UNIT);
	if (!packet->ring_used || !packet->rings)
		return -ENOMEM;
	return slab_init(&packet->slab, inst->arena, sizeof(struct s7_packet_sock),
			 (uint32_t)s7_min(inst->params.max_sockets, PACKET_SOCKS_MAX));
}

static struct s7_sock *packet_alloc(struct s7_inst *inst)
{
	return sk_alloc(inst, &inst->packet->slab);
}

static int packet_init(struct s7_sock *sk)
{
	struct s7_packet_sock *ps = packet_sock(sk);

	list_init(&ps->tap);
	timer_init(&ps->timer, TIMER_PACKET);
	return 0;
}

static void packet_free(struct s7_sock *sk)
{
	slab_free(&sk->inst->packet->slab, packet_sock(sk));
}

static void stop(struct s7_packet_sock *ps)
{
	if (!(ps->bits & PB_RUNNING))
		return;
	ps->bits &= ~(uint32_t)PB_RUNNING;
	ps->sk.inst->taps--;
	list_del(&ps->tap);
}

static void start(struct s7_packet_sock *ps)
{
	ps->bits |= PB_RUNNING;
	ps->sk.inst->taps++;
	list_add_tail(&ps->sk.inst->packet->taps, &ps->tap);
}

int packet_bind(struct s7_packet_sock *ps, uint32_t iface, uint16_t proto, bool nowhere)
{
	if (ps->group)
		return -EINVAL;
	stop(ps);
	ps->iface = iface;
	ps->proto = proto;
	ps->bits = nowhere ? ps->bits | PB_NOWHERE : ps->bits & ~(uint32_t)PB_NOWHERE;
	if (proto && !nowhere)
		start(ps);
	return 0;
}

static uint32_t packet_poll(struct s7_sock *sk)
{
	struct s7_packet_sock *ps = packet_sock(sk);
	uint32_t events = sk_error_events(sk) | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

	if (ps->rx_head || (ps->rx.mem && packet_ring_readable(ps)))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

static void packet_close(struct s7_sock *sk)
{
	struct s7_packet_sock *ps = packet_sock(sk);

	packet_fanout_leave(ps);
	stop(ps);
	packet_member_drop_all(ps);
	packet_drop_rings(ps);
	packet_purge(ps);
	sk_free(sk);
}

/* The thread that worked on it died there: what was queued is lost, the socket goes on. */
static void packet_abort(struct s7_sock *sk, int err)
{
	struct s7_packet_sock *ps = packet_sock(sk);

	(void)err;
	ps->rx_head = ps->rx_tail = NULL;
	ps->rx_count = ps->rx_truesize = 0;
}

/* The queue's end and its counts, from its forward direction. */
static void queue_mend(struct s7_packet_sock *ps)
{
	struct s7_pkt *pkt;

	ps->rx_count = 0;
	ps->rx_tail = NULL;
	for (pkt = ps->rx_head; pkt; pkt = pkt->next) {
		ps->rx_tail = pkt;
		ps->rx_count++;
	}
	if (!ps->rx_head)
		ps->rx_truesize = 0;
}

void packet_mend(struct s7_inst *inst)
{
	struct s7_packet_inst *packet = inst->packet;
	struct s7_list *pos;

	packet->sender = NULL;
	slab_mend(&packet->slab);
	list_for_each(pos, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		if (sk->proto == PROTO_PACKET) {
			packet_sock(sk)->bits &= ~(uint32_t)PB_RUNNING;
			queue_mend(packet_sock(sk));
		}
	}
	inst->taps = list_mend(&packet->taps);
	list_for_each(pos, &packet->taps)
		list_entry(pos, struct s7_packet_sock, tap)->bits |= PB_RUNNING;
}

static uint32_t packet_inq(struct s7_sock *sk)
{
	const struct s7_pkt *pkt = packet_sock(sk)->rx_head;

	return pkt ? pkt->total : 0;
}

static uint32_t packet_rmem(const struct s7_sock *sk)
{
	return ((const struct s7_packet_sock *)sk)->rx_truesize;
}

static uint32_t packet_outq(struct s7_sock *sk)
{
	(void)sk;
	return 0; /* what is sent belongs to the interface */
}

static const char *packet_state_name(const struct s7_sock *sk)
{
	const struct s7_packet_sock *ps = (const struct s7_packet_sock *)sk;

	return ps->bits & PB_RUNNING ? "TAP" : "UNCONN";
}

static int packet_shutdown(struct s7_sock *sk, int how)
{
	(void)sk;
	(void)how;
	return -EOPNOTSUPP;
}

const struct s7_proto_ops packet_proto_ops = {
	.name = "pkt",
	.alloc = packet_alloc,
	.init = packet_init,
	.send = packet_send,
	.recv = packet_recv,
	.poll = packet_poll,
	.shutdown = packet_shutdown,
	.close = packet_close,
	.abort = packet_abort,
	.free = packet_free,
	.inq = packet_inq,
	.outq = packet_outq,
	.rmem = packet_rmem,
	.state_name = packet_state_name,
};
