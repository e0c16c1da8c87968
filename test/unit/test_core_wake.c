/* SPDX-License-Identifier: BSD-3-Clause */
/* test_core_wake.c - who is woken by an event; what a full device means for a sleeper */
#include <criterion/criterion.h>

#include "stack/core/sk.h"
#include "test/support/mini.h"

static void node_init(struct s7_wait *node, struct s7_waiter *waiter, bool exclusive)
{
	memset(node, 0, sizeof(*node));
	memset(waiter, 0, sizeof(*waiter));
	list_init(&node->node);
	node->kind = WAIT_THREAD;
	node->events = EPOLLIN;
	node->exclusive = exclusive;
	node->waiter = waiter;
}

Test(core_wake, second_event_rings_the_second_exclusive_thread)
{
	struct mini *m = mini_new(0, true);
	struct s7_waiter waiter[3];
	struct s7_wait node[3];
	struct s7_list waitq;

	list_init(&waitq);
	for (int i = 0; i < 3; i++) {
		node_init(&node[i], &waiter[i], true);
		wait_add(&waitq, &node[i]);
	}
	inst_lock(m->inst, m->inst->now);
	wait_wake(m->inst, &waitq, EPOLLIN);
	cr_assert(waiter[0].rung && !waiter[1].rung && !waiter[2].rung);
	wait_wake(m->inst, &waitq, EPOLLIN);
	cr_assert(waiter[1].rung && !waiter[2].rung, "the first has its own connection to see to");
	m->inst->wake_count = 0;
	inst_unlock(m->inst);
	cr_assert_eq(mini_free(m), 0);
}

Test(core_wake, event_rings_all_others_and_one_exclusive)
{
	struct mini *m = mini_new(0, true);
	struct s7_waiter waiter[4];
	struct s7_wait node[4];
	struct s7_list waitq;

	list_init(&waitq);
	for (int i = 0; i < 4; i++) {
		node_init(&node[i], &waiter[i], i % 2);
		wait_add(&waitq, &node[i]);
	}
	inst_lock(m->inst, m->inst->now);
	wait_wake(m->inst, &waitq, EPOLLIN);
	cr_assert(waiter[0].rung && waiter[2].rung);
	cr_assert(waiter[1].rung && !waiter[3].rung);
	m->inst->wake_count = 0;
	inst_unlock(m->inst);
	cr_assert_eq(mini_free(m), 0);
}

Test(core_wake, packets_that_a_device_did_not_take_bound_the_sleep)
{
	struct mini *m = mini_new(IFACE_UP, true);
	s7_time idle;

	inst_lock(m->inst, m->inst->now);
	idle = inst_next_timer(m->inst);
	m->inst->iface[1].staged = 1;
	cr_assert_leq(inst_next_timer(m->inst), m->inst->now + 2 * S7_MS);
	m->inst->iface[1].staged = 0;
	cr_assert_eq(inst_next_timer(m->inst), idle);
	inst_unlock(m->inst);
	cr_assert_eq(mini_free(m), 0);
}
