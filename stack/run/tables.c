/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tables.c - the functions that the arena names by number: timers, protocols, wait nodes, set-up
 *
 * Declared by the layer that calls through them (wheel.h, sk.h, tables.h), filled here. Constant,
 * one a process image.
 */
#include "stack/run/tables.h"

#include "stack/bpf/area.h"
#include "stack/bpf/filter.h"
#include "stack/bpf/steer.h"
#include "stack/core/ext.h"
#include "stack/ip/group.h"
#include "stack/ip/hold.h"
#include "stack/ip/ip.h"
#include "stack/ip/router.h"
#include "stack/packet/packet.h"
#include "stack/raw/raw.h"
#include "stack/sock/epoll.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"

static void no_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	(void)ctx;
	(void)timer;
	(void)now;
	assert(!"a timer without a kind fired");
}

const s7_timer_fn inst_timers[TIMER_KIND_COUNT] = {
	[TIMER_NONE] = no_timer,
	[TIMER_TCP] = tcp_timer,
	[TIMER_TCP_DELACK] = tcp_delack_timer,
	[TIMER_TCP_REQ] = tcp_req_timer,
	[TIMER_TIME_WAIT] = tcp_tw_timer,
	[TIMER_NEIGH] = neigh_timer,
	[TIMER_FRAG] = frag_timer,
	[TIMER_ND] = nd_timer,
	[TIMER_GROUP] = group_timer,
	[TIMER_PACKET] = packet_timer,
	[TIMER_ROUTER] = router_timer,
	[TIMER_HOLD] = hold_timer,
	[TIMER_HOST] = no_timer,
};

const struct s7_proto_ops *const s7_protos[PROTO_COUNT] = {
	[PROTO_TCP] = &tcp_proto_ops,
	[PROTO_UDP] = &udp_proto_ops,
	[PROTO_RAW] = &raw_proto_ops,
	[PROTO_PING] = &ping_proto_ops,
	[PROTO_PACKET] = &packet_proto_ops,
};

const s7_wait_fn s7_wait_epoll = epoll_node_event;

void (*const s7_filter_drop)(struct s7_sock *sk) = filter_drop;
void (*const s7_steer_drop)(struct s7_sock *sk) = steer_drop;

uint64_t inst_layout(void)
{
	static const size_t sizes[] = {
		sizeof(struct s7_arena),
		sizeof(struct s7_proc),
		sizeof(struct s7_inst),
		sizeof(struct s7_iface),
		sizeof(struct s7_sock),
		sizeof(struct s7_sk_ext),
		sizeof(struct s7_tcp_sock),
		sizeof(struct s7_udp_sock),
		sizeof(struct s7_raw_sock),
		sizeof(struct s7_packet_sock),
		sizeof(struct s7_flow),
		sizeof(struct s7_epoll),
		sizeof(struct s7_filter),
		offsetof(struct s7_inst, stat),
		offsetof(struct s7_inst, flows),
		STAT_COUNT,
		DROP_COUNT,
	};
	uint64_t stamp = 0xcbf29ce484222325ull; /* FNV-1a */

	for (size_t i = 0; i < S7_ARRAY_LEN(sizes); i++)
		stamp = (stamp ^ sizes[i]) * 0x100000001b3ull;
	return stamp;
}

const s7_inst_step inst_steps[] = {
	sk_inst_init,
	ext_inst_init,
	owner_inst_init,
	ip_inst_init,
	tcp_inst_init,
	udp_inst_init,
	raw_inst_init,
	packet_inst_init,
	epoll_inst_init,
	area_inst_init,
};
const uint32_t inst_step_count = S7_ARRAY_LEN(inst_steps);
