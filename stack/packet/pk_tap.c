/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_tap.c - frames that pass an interface, shown to the packet sockets that want them
 *
 * As Linux: what comes in is shown before the stack looks at it, a VLAN tag taken out of it and
 * told beside; what goes out is shown as it is, to sockets of ETH_P_ALL alone and not to the one
 * that sent it. Frames of lo have a link header of zeros that only packet sockets ever see. A
 * packet that a multicast sender gets back by way of lo is no frame and not shown.
 * The packet belongs to the stack: a socket gets a copy.
 * Context: instance lock, inst->taps not 0. Called by: drive.c.
 */
#include <netinet/in.h>

#include "stack/bpf/filter.h"
#include "stack/packet/packet.h"
#include "stack/wire/eth.h"

#define TAG_LEN 4u
#define FILTER_NEAR 128u
#define ETH_TYPE_LEAST 0x600 /* below it is a length (IEEE 802.3) */

void frame_read(const struct s7_frame *frame, uint32_t offset, void *dst, uint32_t len)
{
	char *out = dst;

	if (offset < ETH_LEN) {
		uint32_t here = (uint32_t)s7_min(len, ETH_LEN - offset);

		memcpy(out, frame->head + offset, here);
		out += here;
		offset += here;
		len -= here;
	}
	if (len)
		pkt_read(frame->pkt, frame->body + offset - ETH_LEN, out, len);
}

void frame_name(const struct s7_frame *frame, struct sockaddr_ll *ret_name)
{
	if (s7_unlikely(frame->name != NULL)) {
		*ret_name = *frame->name;
		return;
	}
	memset(ret_name, 0, sizeof(*ret_name));
	ret_name->sll_family = AF_PACKET;
	ret_name->sll_protocol = htons(frame->proto);
	ret_name->sll_ifindex = frame->iface->ifindex;
	ret_name->sll_hatype = frame->iface->flags & IFACE_LO ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	ret_name->sll_pkttype = frame->type;
	ret_name->sll_halen = ETH_ALEN;
	memcpy(ret_name->sll_addr, eth_src(frame->head), ETH_ALEN);
}

/* ---- what a frame is ---- */

static uint16_t proto_of(const struct s7_frame *frame)
{
	uint16_t type = eth_type(frame->head);
	uint8_t begin[2];

	if (s7_likely(type >= ETH_TYPE_LEAST))
		return type;
	if (frame->len < ETH_LEN + sizeof(begin))
		return ETH_P_802_2;
	frame_read(frame, ETH_LEN, begin, sizeof(begin));
	return get_be16(begin) == 0xffff ? ETH_P_802_3 : ETH_P_802_2; /* IPX without LLC */
}

static uint8_t type_of(const struct s7_frame *frame)
{
	static const uint8_t all[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const uint8_t *dst = eth_dst(frame->head);

	if (mac_equal(dst, frame->iface->mac))
		return PACKET_HOST;
	if (!mac_is_group(dst))
		return PACKET_OTHERHOST;
	/* lo's address for all is zero, its own: as in Linux it has no broadcasts */
	return mac_equal(dst, all) && !(frame->iface->flags & IFACE_LO) ? PACKET_BROADCAST :
									    PACKET_MULTICAST;
}

/* A tag goes out of what was received; it is told beside the frame. */
static void frame_untag(struct s7_frame *frame)
{
	uint16_t tpid = eth_type(frame->head);
	uint8_t tag[TAG_LEN];

	if (s7_likely(tpid != ETH_TYPE_VLAN && tpid != ETH_TYPE_QINQ) ||
	    frame->len < ETH_LEN + TAG_LEN)
		return;
	frame_read(frame, ETH_LEN, tag, sizeof(tag));
	frame->vlan_tpid = tpid;
	frame->vlan_tci = get_be16(tag);
	memcpy(frame->head + 12, tag + 2, 2);
	frame->body += TAG_LEN;
	frame->len -= TAG_LEN;
	frame->status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
}

/* False: too short to be one. */
static bool frame_of_link(struct s7_frame *frame, bool received)
{
	const struct s7_pkt *pkt = frame->pkt;

	if (s7_unlikely(pkt->total < ETH_LEN))
		return false;
	pkt_read(pkt, 0, frame->head, ETH_LEN);
	frame->body = ETH_LEN;
	frame->len = pkt->total;
	if (received)
		frame_untag(frame);
	frame->proto = proto_of(frame);
	return true;
}

/* 33:33 and the last four bytes, 01:00:5e and the last 23 bits; all else has no address on lo. */
static void lo_dst(uint8_t mac[ETH_ALEN], const uint8_t *ip, bool v4)
{
	if (v4 && (ip[16] & 0xf0) == 0xe0) {
		memcpy(mac, (uint8_t[]){ 1, 0, 0x5e, ip[17] & 0x7f, ip[18], ip[19] }, ETH_ALEN);
	} else if (!v4 && ip[24] == 0xff) {
		mac[0] = mac[1] = 0x33;
		memcpy(mac + 2, ip + 36, 4);
	}
}

/* A packet of lo, which has no link header unless a packet socket sent it. */
static bool frame_of_lo(struct s7_frame *frame, bool received)
{
	const struct s7_pkt *pkt = frame->pkt;
	uint8_t ip[40] = { 0 };

	if (pkt->flags & PKT_LINK_HEAD)
		return frame_of_link(frame, received);
	if (!pkt->total)
		return false;
	pkt_read(pkt, 0, ip, (uint32_t)s7_min(sizeof(ip), pkt->total));
	frame->proto = ip[0] >> 4 == 4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6;
	lo_dst(frame->head, ip, frame->proto == ETH_TYPE_IP4);
	put_be16(frame->head + 12, frame->proto);
	frame->body = 0;
	frame->len = ETH_LEN + pkt->total;
	return true;
}

/* ---- who gets it ---- */

/* What lies behind `skip` bytes of a chain, as a chain of its own that shares the buffers. */
static const struct s7_pkt *chain_behind(const struct s7_pkt *pkt, uint32_t skip,
					 struct s7_pkt *room)
{
	while (skip >= pkt->len) {
		skip -= pkt->len;
		pkt = pkt->frag;
	}
	*room = *pkt;
	room->data += skip;
	room->len -= skip;
	return room;
}

/*
 * The frame as a filter sees it: the link header, which may be none of the packet's, and what most
 * filters look at lie together; the rest stays where it is.
 */
S7_NOINLINE uint32_t packet_run(struct s7_packet_sock *ps, const struct s7_filter *filter,
				const struct s7_frame *frame, uint32_t from)
{
	uint32_t near = (uint32_t)s7_min(frame->len, ETH_LEN + FILTER_NEAR);
	uint8_t bytes[ETH_LEN + FILTER_NEAR];
	struct s7_inst *inst = ps->sk.inst;
	struct s7_pkt rest;
	struct bpf_view view = {
		.data = bytes + from,
		.head = near - from,
		.len = frame->len - from,
		.calls = &bpf_calls,
		.net = (int32_t)(ETH_LEN - from),
		.link = -(int32_t)from,
		.back = from,
		.protocol = frame->proto,
		.pkt_type = frame->type,
		.ifindex = (uint32_t)frame->iface->ifindex,
		.hatype = frame->iface->flags & IFACE_LO ? ARPHRD_LOOPBACK : ARPHRD_ETHER,
		.mark = frame->mark,
		.priority = frame->priority,
		.rxhash = frame->type == PACKET_OUTGOING ? 0 : frame->pkt->hash,
		.cpu = (uint32_t)inst->rx_cpu,
		.vlan_tag = frame->vlan_tci,
		.vlan_present = !!(frame->status & TP_STATUS_VLAN_VALID),
		.vlan_tpid = frame->vlan_tpid,
		.sk = &ps->sk,
	};

	frame_read(frame, 0, bytes, near);
	if (near < frame->len)
		view.chain = chain_behind(frame->pkt, frame->body + near - ETH_LEN, &rest);
	if (filter->code.uses & BPF_USES_CALL)
		view.random = inst_random(inst) | 1;
	return filter_exec(inst, filter, &view);
}

/*
 * How many bytes of the frame from `from` on the socket takes, 0: it does not want it. Here a
 * filter has its say.
 */
static uint32_t packet_accepts(struct s7_packet_sock *ps, const struct s7_frame *frame,
			       uint32_t from)
{
	return s7_likely(!ps->sk.filter) ? frame->len - from
					 : packet_run(ps, ps->sk.filter, frame, from);
}

static void packet_offer(struct s7_packet_sock *ps, const struct s7_frame *frame)
{
	uint32_t from = ps->sk.type == SOCK_RAW ? 0 : ETH_LEN;
	uint32_t snap;

	if (s7_unlikely(frame->len <= from))
		return;
	snap = (uint32_t)s7_min(packet_accepts(ps, frame, from), frame->len - from);
	if (!snap)
		return;
	if (ps->rx.mem)
		packet_ring_put(ps, frame, from, snap);
	else
		packet_enqueue(ps, frame, from, snap);
}

static bool wants(const struct s7_packet_sock *ps, const struct s7_frame *frame,
		  const struct s7_packet_sock *sender)
{
	if (ps->iface && ps->iface != frame->iface->index + 1u)
		return false;
	if (frame->type == PACKET_OUTGOING)
		return ps->proto == ETH_P_ALL && ps != sender &&
		       !(ps->bits & PB_IGNORE_OUTGOING) && (!ps->group || !sender ||
							    ps->group != sender->group);
	return ps->proto == ETH_P_ALL || ps->proto == frame->proto;
}

static void frame_show(struct s7_inst *inst, const struct s7_frame *frame)
{
	struct s7_packet_inst *packet = inst->packet;
	struct s7_list *pos, *tmp;

	packet->frames++;
	list_for_each_safe(pos, tmp, &packet->taps)
	{
		struct s7_packet_sock *ps = list_entry(pos, struct s7_packet_sock, tap);

		if (!wants(ps, frame, packet->sender))
			continue;
		if (s7_unlikely(ps->group != NULL)) {
			if (ps->group->seen == packet->frames)
				continue;
			ps->group->seen = packet->frames;
			ps = packet_fanout_pick(ps->group, frame);
		}
		packet_offer(ps, frame);
	}
}

/*
 * What the sender's socket had, in fields that links leave alone. TCP has no fields for it: its
 * segments go as unmarked.
 */
static void frame_mark(struct s7_frame *frame)
{
	uint32_t at = ETH_LEN + (frame->proto == ETH_TYPE_IP4 ? 9 : 6);
	bool ip = frame->proto == ETH_TYPE_IP4 || frame->proto == ETH_TYPE_IP6;
	uint8_t l4 = 0;

	frame->mark = frame->pkt->hash;
	if (ip && frame->len > at)
		frame_read(frame, at, &l4, 1);
	frame->priority = l4 == IPPROTO_TCP ? 0 : frame->pkt->tso_mss;
}

/* ---- the three places ---- */

static bool is_tapped(const struct s7_inst *inst, const struct s7_iface *iface)
{
	return iface->flags & IFACE_LO ? inst->params.loopback_stack :
					 !!(iface->flags & IFACE_TAPPED);
}

void packet_tap_rx(struct s7_inst *inst, const struct s7_iface *iface, struct s7_pkt **pkts,
		   uint32_t count)
{
	if (!is_tapped(inst, iface))
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct s7_frame frame = { .pkt = pkts[i], .iface = iface, .link = ETH_LEN };

		if (pkts[i]->flags & PKT_RX_L4_PARTIAL)
			frame.status = TP_STATUS_CSUMNOTREADY;
		else if (pkts[i]->flags & PKT_RX_L4_GOOD)
			frame.status = TP_STATUS_CSUM_VALID;
		if (!frame_of_link(&frame, true))
			continue;
		frame.type = type_of(&frame);
		frame_show(inst, &frame);
	}
}

void packet_tap_lo(struct s7_inst *inst, const struct s7_pkt *pkt)
{
	struct s7_frame frame = { .pkt = pkt, .iface = &inst->iface[S7_IFACE_LO],
				  .link = ETH_LEN };

	if (pkt->flags & PKT_RX_LOOPED || !is_tapped(inst, frame.iface))
		return;
	if (pkt->flags & PKT_RX_L4_PARTIAL)
		frame.status = TP_STATUS_CSUMNOTREADY;
	if (!frame_of_lo(&frame, true))
		return;
	frame.type = type_of(&frame);
	frame_mark(&frame);
	frame_show(inst, &frame);
}

void packet_tap_tx(struct s7_inst *inst, const struct s7_iface *iface, const struct s7_pkt *pkt)
{
	struct s7_frame frame = { .pkt = pkt, .iface = iface, .link = ETH_LEN,
				  .type = PACKET_OUTGOING };
	const struct s7_packet_sock *sender = inst->packet->sender;
	bool good;

	if (pkt->flags & PKT_RX_LOOPED || !is_tapped(inst, iface) ||
	    (sender && sender->bits & PB_BYPASS))
		return;
	if (pkt->flags & PKT_TX_L4_CSUM)
		frame.status = TP_STATUS_CSUMNOTREADY;
	good = iface->flags & IFACE_LO ? frame_of_lo(&frame, false) : frame_of_link(&frame, false);
	if (!good)
		return;
	frame_mark(&frame);
	frame_show(inst, &frame);
}
