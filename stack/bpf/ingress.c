/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ingress.c - see ingress.h
 *
 * A frame is judged as the device gave it: with its link header, a VLAN tag where it stands, and
 * what the device joined (LRO, a kernel's large segments) as one. Nothing has looked at it before:
 * lengths are the program's to check, and a load beyond the end drops. What a program returns is
 * not a length here: 0 drops, all else keeps the whole frame.
 * Context: instance lock.
 */
#include "stack/bpf/ingress.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>

#include "stack/bpf/ebpf.h"
#include "stack/bpf/filter.h"
#include "stack/wire/eth.h"

static uint32_t type_of(const struct s7_iface *iface, const struct s7_pkt *pkt)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (pkt->len < ETH_LEN)
		return PACKET_OTHERHOST;
	if (mac_equal(eth_dst(pkt->data), iface->mac))
		return PACKET_HOST;
	if (!mac_is_group(eth_dst(pkt->data)))
		return PACKET_OTHERHOST;
	return mac_equal(eth_dst(pkt->data), all) ? PACKET_BROADCAST : PACKET_MULTICAST;
}

static void fill_meta(struct bpf_view *view, struct s7_inst *inst, const struct s7_iface *iface,
		      const struct s7_pkt *pkt, uint32_t uses)
{
	view->protocol = pkt->len < ETH_LEN ? 0 : eth_type(pkt->data);
	view->pkt_type = type_of(iface, pkt);
	view->ifindex = (uint32_t)iface->ifindex;
	view->hatype = ARPHRD_ETHER;
	view->mark = view->priority = 0;
	view->queue = inst->index + 1;
	view->rxhash = pkt->hash;
	view->cpu = (uint32_t)inst->rx_cpu;
	view->vlan_present = 0; /* a tag stands in the frame */
	view->vlan_tag = view->vlan_tpid = 0;
	if (uses & BPF_USES_CALL)
		view->random = inst_random(inst) | 1;
}

static bool is_kept(struct s7_inst *inst, const struct s7_iface *iface, const struct s7_pkt *pkt)
{
	const struct s7_filter *filter = iface->filter;
	struct bpf_view view;

	view.data = pkt->data;
	view.head = pkt->len;
	view.len = pkt->total;
	view.calls = &bpf_calls;
	view.chain = pkt->frag;
	view.net = ETH_LEN;
	view.link = 0;
	view.back = 0;
	view.sk = NULL; /* nobody's yet */
	if (s7_unlikely(filter->code.uses & BPF_USES_META))
		fill_meta(&view, inst, iface, pkt, filter->code.uses);
	return filter_exec(inst, filter, &view);
}

uint32_t ingress_run(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt **pkts,
		     uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (i + 1 < count)
			__builtin_prefetch(pkts[i + 1]->data);
		if (s7_likely(is_kept(inst, iface, pkts[i]))) {
			pkts[kept++] = pkts[i];
			continue;
		}
		iface->filtered++;
		pkt_drop(inst, pkts[i], DROP_IFACE_FILTER);
	}
	return kept;
}

static void hang_in(struct s7_inst *inst, struct s7_iface *iface, struct s7_filter *filter)
{
	struct s7_filter *old = iface->filter;

	if (filter)
		filter->refs++;
	s7_in_order();
	iface->filter = filter;
	filter_put(inst, old);
}

int ingress_set(struct s7_inst *inst, struct s7_iface *iface, const struct sock_filter *insns,
		uint32_t len)
{
	struct s7_filter *filter = NULL;
	int err = len ? filter_load(inst, insns, len, &filter) : 0;

	if (!err)
		hang_in(inst, iface, filter);
	return err;
}

int ingress_set_ebpf(struct s7_inst *inst, struct s7_iface *iface, const struct ebpf_prog *prog)
{
	struct s7_filter *filter;
	int err;

	if (prog->type != BPF_PROG_TYPE_SOCKET_FILTER)
		return -EINVAL;
	err = ebpf_load(inst, prog, &filter);
	if (!err)
		hang_in(inst, iface, filter);
	return err;
}
