/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * make.c - putting an instance together from the layers
 *
 * stack/run is the one place that knows every layer: it carves an instance with all tables (here),
 * drives it (drive.c) and holds the tables by which lower layers reach higher ones (tables.c).
 * Context: boot, one thread.
 */
#include <errno.h>

#include "stack/core/sk.h"
#include "stack/ip/ip.h"
#include "stack/run/tables.h"

#define WAIT_NODES_PER_SOCKET 1

static void lo_setup(struct s7_inst *inst)
{
	struct s7_iface *lo = &inst->iface[S7_IFACE_LO];

	memcpy(lo->name, "lo", 3);
	lo->index = S7_IFACE_LO;
	lo->flags = IFACE_UP | IFACE_LO | IFACE_TRUST_CSUM | IFACE_NO_ARP;
	lo->caps = NETDEV_TX_L3_CSUM | NETDEV_TX_L4_CSUM | NETDEV_RX_CSUM | NETDEV_MULTI_SEG;
	lo->mtu = IFACE_LO_MTU;
	lo->ifindex = 1;
	lo->addr[0].ip = ip_from_v4(htonl(INADDR_LOOPBACK));
	lo->addr[0].prefix_len = 8;
	lo->addr_count = 1;
	lo->addr6[0].ip.w[3] = htonl(1);
	lo->addr6[0].prefix_len = 128;
	lo->addr6_count = 1;
	lo->tcp = params_iface_tcp(&inst->params);
	inst->iface_count = 1;
	inst->lo_tail = &inst->lo_head;
	list_init(&inst->later.out);
	list_init(&inst->later.acks);
}

static int inst_tables(struct s7_inst *inst)
{
	int err;

	err = flow_table_init(&inst->flows, inst->arena,
			      inst->params.max_sockets + inst->params.max_time_wait, inst->secret);
	if (!err)
		err = port_table_init(&inst->ports, inst->arena);
	if (!err)
		err = slab_init(&inst->waits, inst->arena, sizeof(struct s7_wait),
				inst->params.max_sockets * WAIT_NODES_PER_SOCKET + 1024);
	for (uint32_t i = 0; !err && i < inst_step_count; i++)
		err = inst_steps[i](inst);
	if (!err && inst->env->pool[inst->index].ops)
		pkt_share(inst, 1); /* notes how many there are */
	return err;
}

int inst_create(struct s7_arena *arena, const struct s7_inst_setup *setup,
		struct s7_inst **ret_inst)
{
	struct s7_inst *inst = arena_take(arena, sizeof(*inst), S7_CACHELINE);
	int err;

	if (!inst || setup->index >= S7_INSTS_MAX)
		return -ENOMEM;
	inst->index = setup->index;
	inst->arena = arena;
	inst->env = setup->env;
	inst->params = setup->params;
	inst->now = setup->now;
	atomic_store(&inst->last_drive, setup->now);
	setup->env->host->random(inst->secret, sizeof(inst->secret));
	list_init(&inst->socks);
	wheel_init(&inst->wheel, setup->now);
	lo_setup(inst);

	err = inst_tables(inst);
	if (err)
		return err;
	arena->layout = inst_layout();
	arena->inst[setup->index] = inst;
	if (arena->inst_count <= setup->index)
		arena->inst_count = setup->index + 1;
	*ret_inst = inst;
	return 0;
}

