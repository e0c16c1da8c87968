/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drive.c - one turn of an instance: receive, time, transmit
 *
 * inst_drive() is the only place that polls a device. It works off bursts until the devices are
 * (nearly) empty, bounded so that the caller gets its turn; runs due timers; and flushes what all
 * of that staged. Loopback packets sent during the turn are received in the same turn, bounded too.
 * iface_stage() collects tx packets per interface; a full stage flushes itself; what a device does
 * not take stays staged, what does not fit is dropped by name (TCP sends it again). Context:
 * instance lock. Callers: every call that waits, the keeper, tests.
 */
#include "stack/bpf/ingress.h"
#include "stack/core/charge.h"
#include "stack/core/ext.h"
#include "stack/ip/ip.h"
#include "stack/packet/packet.h"
#include "stack/run/tables.h"
#include "stack/tcp/tcp.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"

#define DRIVE_BURSTS 4
#define LO_TURN 512	/* loopback packets in one turn */
#define LO_MAX 65536	/* loopback packets waiting */
#define DRIVE_AGAIN (50 * S7_US)
#define TX_RETRY S7_MS	/* how soon a full device is tried again by one who sleeps */

static void iface_count_tx(struct s7_inst *inst, struct s7_iface *iface, const struct s7_pkt *pkt)
{
	iface->tx_pkts++;
	iface->tx_bytes += pkt->total;
	inst->stat[STAT_TX_PKTS]++;
	inst->stat[STAT_TX_BYTES] += pkt->total;
}

/*
 * A device without a peer (memif and vhost between two clients) takes nothing: what is staged is
 * lost, as on a line that is unplugged, and keeps nobody from sleeping.
 */
static void iface_unplugged(struct s7_inst *inst, struct s7_iface *iface)
{
	const struct s7_netdev_ops *ops = inst->env->dev[iface->index].ops;

	if (!ops->link || ops->link(inst->env->dev[iface->index].dev))
		return;
	iface->tx_dropped += iface->staged;
	for (uint32_t i = 0; i < iface->staged; i++) {
		charge_end(iface->stage[i]);
		pkt_drop(inst, iface->stage[i], DROP_LINK_DOWN);
	}
	iface->staged = iface->charged = 0;
}

static uint16_t burst(struct s7_inst *inst, struct s7_iface *iface, uint32_t from, uint16_t want)
{
	return inst->env->dev[iface->index].ops->tx_burst(inst->env->dev[iface->index].dev,
							  iface->queue, iface->stage + from, want);
}

/* Some of these had to wait: what the device takes is given back to its sockets. */
static uint16_t burst_charged(struct s7_inst *inst, struct s7_iface *iface, uint32_t from,
			      uint16_t want)
{
	struct s7_pkt_charge charge[INST_BURST];
	uint16_t took;

	for (uint16_t i = 0; i < want; i++) {
		const struct s7_pkt *pkt = iface->stage[from + i];

		charge[i].bytes = 0;
		if (charge_waits(pkt))
			charge[i] = pkt->charge;
	}
	took = burst(inst, iface, from, want);
	for (uint16_t i = 0; i < took; i++) {
		if (!charge[i].bytes)
			continue;
		iface->charged--;
		charge_back(&charge[i]);
	}
	return took;
}

/* The device is full: what stays counts against its sockets from now on. */
static void charge_staged(struct s7_iface *iface)
{
	for (uint32_t i = 0; i < iface->staged; i++) {
		if (charge_waits(iface->stage[i]))
			continue;
		charge_begin(iface->stage[i]);
		iface->charged += charge_waits(iface->stage[i]);
	}
}

static void iface_flush(struct s7_inst *inst, struct s7_iface *iface)
{
	uint32_t sent = 0;

	while (sent < iface->staged) {
		uint16_t want = (uint16_t)s7_min(iface->staged - sent, INST_BURST);
		uint16_t took = s7_unlikely(iface->charged) ?
					burst_charged(inst, iface, sent, want) :
					burst(inst, iface, sent, want);

		sent += took;
		if (took < want)
			break;
	}
	if (!sent)
		iface_unplugged(inst, iface);
	iface->staged -= (uint32_t)s7_min(sent, iface->staged);
	if (sent && iface->staged)
		memmove(iface->stage, iface->stage + sent, iface->staged * sizeof(*iface->stage));
	if (s7_unlikely(iface->staged))
		charge_staged(iface);
	if (s7_unlikely(!list_empty(&inst->tx_waiting)) && iface->staged <= IFACE_STAGE / 2)
		sk_tx_room(inst);
}

static void batch_end(struct s7_inst *inst)
{
	inst->batch.late |= inst->now - inst->batch.last > BATCH_LONG;
	inst->batch.since = 0;
}

/*
 * Output has waited for a thread that did not call. Was it at work, or waiting for its CPU? That
 * nobody can say of a thread that was not asked before.
 */
static S7_NOINLINE void batch_judge(struct s7_inst *inst)
{
	struct s7_batch *batch = &inst->batch;
	uint32_t self = lock_self();
	uint64_t put_off = inst->env->host->put_off ? inst->env->host->put_off() : 0;
	bool known = batch->tid == self && batch->judged == self;

	batch->late = false;
	if (!known)
		batch->off_until = inst->now + BATCH_DOUBT;
	else if (batch->put_off == put_off)
		batch->off_until = inst->now + BATCH_PENANCE;
	batch->judged = self;
	batch->put_off = put_off;
}

void inst_batch_begin(struct s7_inst *inst, uint32_t n)
{
	struct s7_batch *batch = &inst->batch;
	uint32_t self = lock_self();
	bool pieces;

	if (s7_unlikely(batch->late))
		batch_judge(inst);
	if (!n)
		return;
	pieces = batch->tid == self && batch->sends > batch->events;
	batch->tid = self;
	batch->events = n;
	batch->sends = 0;
	batch->left = 0;
	if ((n > 1 || pieces) && inst->params.tx_batch && inst->now >= batch->off_until)
		batch->left = BATCH_CALLS * n;
}

static uint32_t staged_packets(const struct s7_inst *inst)
{
	uint32_t staged = 0;

	for (uint32_t i = 1; i < inst->iface_count; i++)
		staged += inst->iface[i].staged;
	return staged;
}

void inst_flush_call(struct s7_inst *inst)
{
	uint32_t waiting;

	if (inst->lo_head) {
		inst_drive(inst);
		return;
	}
	waiting = staged_packets(inst) + inst->later.out_count;
	if (!waiting)
		return;
	inst->batch.sends++;
	if (waiting < BATCH_BURST && inst_batch_open(inst)) {
		inst->batch.left--;
		if (!inst->batch.since)
			inst->batch.since = inst->now;
		inst->batch.last = inst->now;
		return;
	}
	inst_flush(inst);
	if (inst->lo_head)
		inst_drive(inst);
}

void inst_flush(struct s7_inst *inst)
{
	if (inst->batch.since)
		batch_end(inst);
	if (inst->later.out_count)
		tcp_later_run(inst);
	for (uint32_t i = 1; i < inst->iface_count; i++)
		if (inst->iface[i].staged)
			iface_flush(inst, &inst->iface[i]);
}

/* Loopback: the receiver must own its buffers, a sender may keep the ones it staged. */
static void lo_stage(struct s7_inst *inst, struct s7_iface *lo, struct s7_pkt *pkt)
{
	const struct s7_pkt *part;
	struct s7_pkt *copy;

	if (inst->lo_count >= LO_MAX) {
		lo->tx_dropped++;
		pkt_drop(inst, pkt, DROP_LO_FULL);
		return;
	}
	for (part = pkt; part && !pkt_is_shared(part); part = part->frag)
		;
	if (part) {
		copy = pkt_copy(inst, pkt, 0, pkt->total);
		pkt_drop(inst, pkt, copy ? DROP_NONE : DROP_NO_PKT);
		if (!copy)
			return;
		pkt = copy;
	}
	iface_count_tx(inst, lo, pkt);
	if (s7_unlikely(pkt->flags & PKT_LINK_HEAD))
		pkt->flags = PKT_LINK_HEAD; /* sums are what the program made them */
	else
		pkt->flags = PKT_RX_L3_GOOD | PKT_RX_L4_GOOD | (pkt->flags & PKT_RX_LOOPED) |
			     (pkt->flags & PKT_TX_L4_CSUM ? PKT_RX_L4_PARTIAL : 0);
	pkt->next = NULL;
	s7_in_order();
	*inst->lo_tail = pkt;
	s7_in_order();
	inst->lo_tail = &pkt->next;
	inst->lo_count++;
}

void iface_stage(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt)
{
	if (s7_unlikely(pkt->flags & PKT_TX_STAMP))
		stamp_sent(inst, iface, pkt);
	if (s7_unlikely(inst->taps))
		packet_tap_tx(inst, iface, pkt);
	if (iface->index == S7_IFACE_LO) {
		lo_stage(inst, iface, pkt);
		return;
	}
	if (s7_unlikely(iface->staged == IFACE_STAGE))
		iface_flush(inst, iface);
	if (s7_unlikely(iface->staged == IFACE_STAGE)) {
		iface->tx_dropped++;
		charge_end(pkt);
		pkt_drop(inst, pkt, DROP_TX_RING_FULL);
		return;
	}
	iface_count_tx(inst, iface, pkt);
	if (s7_unlikely(charge_waits(pkt)))
		iface->charged++;
	iface->stage[iface->staged++] = pkt;
}

/* A burst: past the firewall, past the tap, to the stack. */
static void frames_in(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt **pkts,
		      uint32_t n)
{
	if (s7_unlikely(iface->filter != NULL))
		n = ingress_run(inst, iface, pkts, n);
	if (s7_unlikely(inst->taps))
		packet_tap_rx(inst, iface, pkts, n);
	eth_input(inst, iface, pkts, n);
}

static uint32_t iface_receive(struct s7_inst *inst, struct s7_iface *iface)
{
	const struct s7_netdev_ops *ops = inst->env->dev[iface->index].ops;
	struct s7_pkt *pkts[INST_BURST];
	uint32_t total = 0;

	for (int burst = 0; burst < DRIVE_BURSTS; burst++) {
		uint16_t want = INST_BURST, n;
		uint64_t bytes = 0;

		if (s7_unlikely(inst->rx_budget))
			want = (uint16_t)s7_min(inst->rx_budget - total, INST_BURST);
		n = want ? ops->rx_burst(inst->env->dev[iface->index].dev, iface->queue, pkts,
					 want) : 0;

		if (!n)
			break;
		for (uint16_t i = 0; i < n; i++)
			bytes += pkts[i]->total;
		if (!total)
			inst->rx_cpu = inst->ports.cpu = inst->env->host->cpu();
		iface->rx_pkts += n;
		iface->rx_bytes += bytes;
		inst->stat[STAT_RX_PKTS] += n;
		inst->stat[STAT_RX_BYTES] += bytes;
		frames_in(inst, iface, pkts, n);
		total += n;
		if (n < INST_BURST / 2)
			break;
	}
	return total;
}

/* With 127/8 in it, which Linux takes for a martian unless its own route led it here. */
static bool lo_martian(const struct s7_pkt *pkt, uint16_t type)
{
	return type == ETH_TYPE_IP4 && pkt->len >= ETH_LEN + IP4_LEN &&
	       (pkt->data[ETH_LEN + 12] == 127 || pkt->data[ETH_LEN + 16] == 127);
}

/* A packet socket sent it: what is IP, and addressed to lo or to all, is the stack's. */
static void lo_frame(struct s7_inst *inst, struct s7_iface *lo, struct s7_pkt *pkt)
{
	uint16_t type;

	while (s7_unlikely(eth_type(pkt->data) == ETH_TYPE_VLAN) && eth_untag(pkt))
		;
	type = eth_type(pkt->data);
	if (!mac_is_group(pkt->data) && !mac_is_zero(pkt->data)) {
		pkt_drop(inst, pkt, DROP_ETH_NOT_MINE);
	} else if (type != ETH_TYPE_IP4 && type != ETH_TYPE_IP6) {
		pkt_drop(inst, pkt, DROP_ETH_TYPE);
	} else if (lo_martian(pkt, type)) {
		pkt_drop(inst, pkt, DROP_IP_SOURCE);
	} else {
		pkt->flags = mac_is_group(pkt->data) ? PKT_RX_BCAST : 0;
		pkt_pull(pkt, ETH_LEN);
		ip_input(inst, lo, pkt);
	}
}

static uint32_t lo_receive(struct s7_inst *inst)
{
	struct s7_iface *lo = &inst->iface[S7_IFACE_LO];
	uint32_t n, turn = inst->rx_budget ? inst->rx_budget : LO_TURN;

	inst->rx_cpu = inst->ports.cpu = inst->env->host->cpu();
	for (n = 0; n < turn && inst->lo_head; n++) {
		struct s7_pkt *pkt = inst->lo_head;

		inst->lo_head = pkt->next;
		if (!inst->lo_head)
			inst->lo_tail = &inst->lo_head;
		inst->lo_count--;
		s7_in_order();
		pkt->next = NULL;
		lo->rx_pkts++;
		lo->rx_bytes += pkt->total;
		if (s7_unlikely(inst->taps))
			packet_tap_lo(inst, pkt);
		if (s7_unlikely(pkt->flags & PKT_LINK_HEAD))
			lo_frame(inst, lo, pkt);
		else
			ip_input(inst, pkt->flags & PKT_RX_LOOPED ? &inst->iface[pkt->iface] : lo,
				 pkt);
	}
	return n;
}

uint32_t inst_drive_again(struct s7_inst *inst)
{
	s7_time last = atomic_load_explicit(&inst->last_drive, memory_order_relaxed);

	return inst_batch_open(inst) && inst->now - last < DRIVE_AGAIN ? 0 : inst_drive(inst);
}

uint32_t inst_drive(struct s7_inst *inst)
{
	uint32_t done = 0;

	if (inst->later.out_count)
		tcp_later_run(inst);
	if (!list_empty(&inst->later.acks))
		tcp_later_acks(inst, false);
	for (uint32_t i = 1; i < inst->iface_count; i++)
		done += iface_receive(inst, &inst->iface[i]);
	if (inst->lo_head)
		done += lo_receive(inst);
	if (wheel_due(&inst->wheel, inst->now))
		wheel_run(&inst->wheel, inst->now, inst_timers, inst);
	inst_flush(inst);

	inst->stat[STAT_DRIVES]++;
	if (!done) {
		inst->stat[STAT_DRIVES_EMPTY]++;
		inst->pkts_free = inst->pkt_cached +
			inst->env->pool[inst->index].ops->available(
				inst->env->pool[inst->index].pool);
	}
	atomic_store_explicit(&inst->last_drive, inst->now, memory_order_relaxed);
	return done;
}

void inst_idle(struct s7_inst *inst)
{
	if (list_empty(&inst->later.acks))
		return;
	tcp_later_acks(inst, true);
	inst_flush(inst);
	if (inst->lo_head)
		inst_drive(inst);
}

s7_time inst_next_timer(const struct s7_inst *inst)
{
	s7_time next = s7_min(wheel_next(&inst->wheel), tcp_later_next(inst));

	if (inst->lo_head || inst->later.out_count)
		return inst->now;
	/* what a device did not take waits for the next turn: nothing else brings it about */
	for (uint32_t i = 1; i < inst->iface_count; i++)
		if (inst->iface[i].staged)
			next = s7_min(next, inst->now + TX_RETRY);
	return next;
}
