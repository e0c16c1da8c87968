/* SPDX-License-Identifier: BSD-3-Clause */
/* The wheel against a sorted reference: never early, at most one tick late, all exactly once. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "stack/base/wheel.h"

#define TIMERS 2000

struct bench_timer {
	struct s7_timer timer;
	s7_time want; /* 0: not armed */
	int fired;
};

struct world {
	struct s7_wheel wheel;
	struct bench_timer timers[TIMERS];
	int fired;
};

static void on_timer(void *ctx, struct s7_timer *timer, s7_time now)
{
	struct world *world = ctx;
	struct bench_timer *mine = s7_container(timer, struct bench_timer, timer);

	cr_assert_neq(mine->want, 0, "fired though not armed");
	cr_assert_geq(now, mine->want, "early by %lu ns", mine->want - now);
	mine->want = 0;
	mine->fired++;
	world->fired++;
}

static const s7_timer_fn handlers[TIMER_KIND_COUNT] = { [TIMER_HOST] = on_timer };

static struct world *world_new(s7_time now)
{
	struct world *world = calloc(1, sizeof(*world));

	wheel_init(&world->wheel, now);
	for (int i = 0; i < TIMERS; i++)
		timer_init(&world->timers[i].timer, TIMER_HOST);
	return world;
}

static s7_time random_delay(void)
{
	static const s7_time spans[] = { 3 * S7_MS, 300 * S7_MS, 70 * S7_SEC, 20000 * S7_SEC };

	return (s7_time)(drand48() * (double)spans[lrand48() % 4]);
}

static void run_random(s7_time start, int steps)
{
	struct world *world = world_new(start);
	s7_time now = start;

	for (int step = 0; step < steps; step++) {
		struct bench_timer *t = &world->timers[lrand48() % TIMERS];
		s7_time due;

		if (lrand48() % 5 == 0) {
			timer_cancel(&world->wheel, &t->timer);
			t->want = 0;
		} else {
			t->want = now + random_delay();
			timer_arm(&world->wheel, &t->timer, t->want);
		}
		due = wheel_next(&world->wheel);
		for (int i = 0; i < TIMERS; i++)
			if (world->timers[i].want)
				cr_assert(due <= s7_round_up(s7_max(world->timers[i].want, now + 1),
							     WHEEL_TICK_NS) ||
					  world->timers[i].want <= now);
		now += lrand48() % 3 ? (s7_time)(lrand48() % (5 * (long)S7_MS))
				     : random_delay() / 50;
		wheel_run(&world->wheel, now, handlers, world);
		for (int i = 0; i < TIMERS; i++)
			if (world->timers[i].want)
				cr_assert_gt(world->timers[i].want + WHEEL_TICK_NS, now, "late");
	}
	free(world);
}

Test(wheel, random_against_reference)
{
	srand48(7);
	run_random(0, 3000);
	run_random(123456789 * S7_MS, 3000);
	run_random((1ull << 32) * S7_MS - 5 * S7_SEC, 2000); /* wraps the top level */
}

Test(wheel, all_fire_once)
{
	struct world *world = world_new(S7_SEC);
	s7_time now = S7_SEC;

	srand48(9);
	for (int i = 0; i < TIMERS; i++) {
		world->timers[i].want = now + random_delay();
		timer_arm(&world->wheel, &world->timers[i].timer, world->timers[i].want);
	}
	while (world->fired < TIMERS) {
		s7_time next = wheel_next(&world->wheel);

		cr_assert_neq(next, S7_NEVER);
		cr_assert_gt(next, now);
		now = next;
		wheel_run(&world->wheel, now, handlers, world);
	}
	cr_assert_eq(wheel_next(&world->wheel), S7_NEVER);
	cr_assert_eq(world->wheel.armed, 0);
	free(world);
}

/* What the killed thread left half changed: a timer off its slot but armed, the way back wrong. */
Test(wheel, mended_after_a_death_anywhere)
{
	struct world *world = world_new(S7_SEC);
	struct bench_timer *t = world->timers;

	for (int i = 0; i < 4; i++) {
		timer_init(&t[i].timer, TIMER_HOST);
		t[i].want = S7_SEC + (5 + (s7_time)i) * S7_MS;
		timer_arm(&world->wheel, &t[i].timer, t[i].want);
	}
	/* in hand: cut from the way forward, not yet told */
	world->wheel.hand = &t[1].timer;
	t[1].timer.node.prev->next = t[1].timer.node.next;
	/* cancelled to the last store but one: the handler must not run */
	list_del(&t[3].timer.node);
	t[3].timer.deadline = 0;
	/* the tick had moved on before the slot was worked off */
	world->wheel.tick = S7_SEC / WHEEL_TICK_NS + 6;
	wheel_mend(&world->wheel);
	cr_assert_eq(world->wheel.armed, 3);
	wheel_run(&world->wheel, S7_SEC + 10 * S7_MS, handlers, world);
	cr_assert_eq(world->fired, 3);
	cr_assert_eq(world->wheel.armed, 0);
	cr_assert_eq(wheel_next(&world->wheel), S7_NEVER);
	free(world);
}

/* Mending takes nothing away from a wheel that is whole. */
Test(wheel, mending_a_whole_wheel_changes_nothing)
{
	struct world *world = world_new(S7_SEC);
	s7_time next;

	for (int i = 0; i < 100; i++) {
		timer_init(&world->timers[i].timer, TIMER_HOST);
		world->timers[i].want = S7_SEC + (1ull << (i / 2)) * S7_US;
		timer_arm(&world->wheel, &world->timers[i].timer, world->timers[i].want);
	}
	next = wheel_next(&world->wheel);
	wheel_mend(&world->wheel);
	cr_assert_eq(wheel_next(&world->wheel), next);
	cr_assert_eq(world->wheel.armed, 100);
	free(world);
}
