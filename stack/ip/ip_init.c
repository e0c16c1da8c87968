/* SPDX-License-Identifier: BSD-3-Clause */
/* ip_init.c - the tables of the internet layer, carved from the arena when an instance is made */
#include <errno.h>

#include "stack/ip/arp.h"
#include "stack/ip/frag.h"
#include "stack/ip/group.h"
#include "stack/ip/hold.h"
#include "stack/ip/route.h"
#include "stack/ip/router.h"

int ip_inst_init(struct s7_inst *inst)
{
	int err;

	inst->routes = arena_take(inst->arena, sizeof(*inst->routes), S7_CACHELINE);
	if (!inst->routes)
		return -ENOMEM;
	inst->routes->generation = 1;
	inst->routes->icmp_refilled = inst->now;
	inst->routes->icmp_tokens = 50;
	inst->ip_id = (uint16_t)inst->secret[0];
	err = neigh_init(inst);
	if (!err)
		err = group_init(inst);
	if (!err)
		err = hold_init(inst);
	if (!err)
		err = router_init(inst);
	return err ? err : frag_init(inst);
}
