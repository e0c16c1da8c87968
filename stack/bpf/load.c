/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load.c - what programs read of a packet, the slow way, and the calls of classic programs
 *
 * Both engines read what lies in the head themselves and come here for the rest: headers before
 * data, the buffers behind the head, the end. Linux's rules: an offset from SKF_NET_OFF on counts
 * from the network header, one from SKF_LL_OFF on from the link header; whatever is not wholly
 * inside the packet is not there.
 * Context: of the run. Pure.
 */
#include "stack/bpf/helpers.h"

#include <netinet/in.h>

#define ETH_P_AT 12 /* of a link header */

/* The link header that lo has not: no addresses, and the EtherType of what follows. */
static uint8_t empty_link_at(const struct bpf_view *view, int64_t at)
{
	bool v6 = (uint32_t)-view->net <= view->back && view->data[view->net] >> 4 == 6;

	if (at == ETH_P_AT)
		return v6 ? 0x86 : 0x08;
	return at == ETH_P_AT + 1 && v6 ? 0xdd : 0;
}

/* Byte `at` of the packet, counted from data; it is inside. */
static uint8_t byte_at(const struct bpf_view *view, int64_t at)
{
	const struct s7_pkt *part;

	if (at < -(int64_t)view->back)
		return empty_link_at(view, at - view->link);
	if (at < (int64_t)view->head)
		return view->data[at];
	at -= view->head;
	for (part = view->chain; part && at >= part->len; part = part->frag)
		at -= part->len;
	return part ? part->data[at] : 0;
}

/* From where a negative offset counts. */
static int64_t place_of(const struct bpf_view *view, int32_t offset)
{
	if (offset >= 0)
		return offset;
	if (offset >= SKF_NET_OFF)
		return view->net == BPF_NOWHERE ? INT64_MAX :
						  (int64_t)view->net + offset - SKF_NET_OFF;
	if (offset >= SKF_LL_OFF)
		return view->link == BPF_NOWHERE ? INT64_MAX :
						   (int64_t)view->link + offset - SKF_LL_OFF;
	return INT64_MAX;
}

int64_t bpf_load(const struct bpf_view *view, int32_t offset, uint32_t size)
{
	int64_t at = place_of(view, offset);
	uint32_t value = 0;

	if (at > (int64_t)view->len - (int64_t)size)
		return -1;
	for (uint32_t i = 0; i < size; i++)
		value = value << 8 | byte_at(view, at + i);
	return value;
}

/* ---- calls ---- */

static uint64_t call_random(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
			    struct bpf_view *view)
{
	uint64_t x = view->random;

	(void)a, (void)b, (void)c, (void)d, (void)e;
	x ^= x << 13; /* xorshift: the seed is the instance's */
	x ^= x >> 7;
	x ^= x << 17;
	view->random = x;
	return (uint32_t)(x >> 16);
}

static int64_t net_byte(const struct bpf_view *view, uint32_t at)
{
	return bpf_load(view, (int32_t)(SKF_NET_OFF + (int64_t)at), 1);
}

/* The protocol behind the IPv6 header and its extensions; moves *at there. Negative: none. */
static int64_t skip_ip6(const struct bpf_view *view, uint32_t *at)
{
	int64_t next = net_byte(view, 6), len;

	for (*at = 40; next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
		       next == IPPROTO_DSTOPTS || next == IPPROTO_FRAGMENT;) {
		len = next == IPPROTO_FRAGMENT ? 0 : net_byte(view, *at + 1);
		next = net_byte(view, *at);
		if (next < 0 || len < 0)
			return -1;
		*at += ((uint32_t)len + 1) * 8;
	}
	return next;
}

/*
 * The transport protocol and where its header begins, from the network header. Negative: unknown.
 */
static int64_t transport_of(const struct bpf_view *view, uint32_t *at)
{
	int64_t first = net_byte(view, 0);

	if (first >> 4 == 6)
		return skip_ip6(view, at);
	if (first >> 4 != 4)
		return -1;
	*at = ((uint32_t)first & 15) * 4;
	return net_byte(view, 9);
}

/* Where the payload begins, from data; 0 when the headers are not known. */
static uint64_t call_pay_offset(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
				struct bpf_view *view)
{
	uint32_t at, header = 0;
	int64_t proto = transport_of(view, &at), doff;

	(void)a, (void)b, (void)c, (void)d, (void)e;
	if (proto < 0)
		return 0;
	switch (proto) {
	case IPPROTO_TCP:
		doff = net_byte(view, at + 12);
		header = doff < 0 ? 0 : (uint32_t)s7_max(20, (uint64_t)(doff >> 4) * 4);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		header = 8;
		break;
	case IPPROTO_IGMP:
		header = 8;
		break;
	case IPPROTO_DCCP:
		header = 12;
		break;
	case IPPROTO_SCTP:
		header = 12;
		break;
	}
	return (uint32_t)((int64_t)view->net + at + header);
}

/* ---- netlink attributes: host order, as they lie in memory; of packets of one buffer ---- */

#define NLA_HEAD 4
#define NLA_TYPE_BITS 0x3fff

struct nla {
	uint16_t len, type;
};

static struct nla nla_at(const struct bpf_view *view, uint64_t at)
{
	struct nla nla;

	memcpy(&nla, view->data + at, sizeof(nla));
	return nla;
}

/* The attribute of that type among `left` bytes at `at`, 0: none. */
static uint64_t nla_find(const struct bpf_view *view, uint64_t at, int64_t left, uint32_t type)
{
	while (left >= NLA_HEAD) {
		struct nla nla = nla_at(view, at);
		uint32_t whole = (uint32_t)s7_round_up(nla.len, 4);

		if (nla.len < NLA_HEAD || nla.len > left)
			return 0;
		if ((nla.type & NLA_TYPE_BITS) == type)
			return at;
		at += whole;
		left -= whole;
	}
	return 0;
}

static bool nla_possible(const struct bpf_view *view, uint32_t at)
{
	return !view->chain && view->len == view->head && view->len >= NLA_HEAD &&
	       at <= view->len - NLA_HEAD;
}

static uint64_t call_nlattr(uint64_t a, uint64_t at, uint64_t type, uint64_t d, uint64_t e,
			    struct bpf_view *view)
{
	(void)a, (void)d, (void)e;
	if (!nla_possible(view, (uint32_t)at))
		return 0;
	return nla_find(view, (uint32_t)at, (int64_t)view->len - (uint32_t)at, (uint32_t)type);
}

static uint64_t call_nlattr_nest(uint64_t a, uint64_t at, uint64_t type, uint64_t d, uint64_t e,
				 struct bpf_view *view)
{
	struct nla nla;

	(void)a, (void)d, (void)e;
	if (!nla_possible(view, (uint32_t)at))
		return 0;
	nla = nla_at(view, (uint32_t)at);
	if (nla.len > view->len - (uint32_t)at)
		return 0;
	return nla_find(view, (uint32_t)at + NLA_HEAD, (int64_t)nla.len - NLA_HEAD, (uint32_t)type);
}

const struct bpf_calls bpf_calls = {
	.load = bpf_load,
	.helper = {
		[CALL_RANDOM] = call_random,
		[CALL_PAY_OFFSET] = call_pay_offset,
		[CALL_NLATTR] = call_nlattr,
		[CALL_NLATTR_NEST] = call_nlattr_nest,
		[CALL_MAP_LOOKUP] = help_map_lookup,
		[CALL_MAP_UPDATE] = help_map_update,
		[CALL_MAP_DELETE] = help_map_delete,
		[CALL_MAP_PUSH] = help_map_push,
		[CALL_MAP_POP] = help_map_pop,
		[CALL_MAP_PEEK] = help_map_peek,
		[CALL_KTIME] = help_ktime,
		[CALL_KTIME_BOOT] = help_ktime_boot,
		[CALL_KTIME_COARSE] = help_ktime_coarse,
		[CALL_PRANDOM] = help_prandom,
		[CALL_CPU] = help_cpu,
		[CALL_NUMA_NODE] = help_numa_node,
		[CALL_PRINTK] = help_printk,
		[CALL_LOAD_BYTES] = help_load_bytes,
		[CALL_LOAD_BYTES_RELATIVE] = help_load_bytes_relative,
		[CALL_SOCKET_COOKIE] = help_socket_cookie,
		[CALL_SOCKET_UID] = help_socket_uid,
		[CALL_SELECT_REUSEPORT] = help_select_reuseport,
		[CALL_STRNCMP] = help_strncmp,
		[CALL_TAIL] = help_tail,
		[CALL_TAIL_INSIDE] = help_tail_inside,
	},
};
