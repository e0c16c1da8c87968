/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wheel.c - hierarchical timer wheel: 4 levels of 256 slots, 1 ms ticks, range 49 days
 *
 * A timer sits on the level whose span covers its distance; when the wheel enters a slot of a
 * higher level, that slot's timers are dealt out again one level down. wheel->tick is the last tick
 * that has run. A deadline is rounded up to its tick, so nothing fires early. Slots that may be
 * filled have a bit, so an idle wheel skips in words. Timers are taken off a slot one by one: none
 * is placed in the slot that is worked off, and what a thread that dies there leaves is still in
 * it.
 * Context: instance lock.
 */
#include "stack/base/wheel.h"

#define LEVEL_SHIFT(level) ((level) * WHEEL_BITS)
#define SLOT_MASK (WHEEL_SLOTS - 1ull)
#define WHEEL_SPAN (1ull << LEVEL_SHIFT(WHEEL_LEVELS))

void wheel_init(struct s7_wheel *wheel, s7_time now)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->tick = now / WHEEL_TICK_NS;
	for (int level = 0; level < WHEEL_LEVELS; level++)
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slot[level][slot]);
}

void timer_init(struct s7_timer *timer, enum s7_timer_kind kind)
{
	memset(timer, 0, sizeof(*timer));
	list_init(&timer->node);
	timer->kind = kind;
}

static uint64_t timer_tick(const struct s7_timer *timer)
{
	return (timer->deadline + WHEEL_TICK_NS - 1) / WHEEL_TICK_NS;
}

/* Puts an armed timer into the slot that fits the distance from wheel->tick. */
static void wheel_place(struct s7_wheel *wheel, struct s7_timer *timer)
{
	uint64_t tick = s7_max(timer_tick(timer), wheel->tick + 1);
	uint64_t distance = tick - wheel->tick;
	uint64_t slot;
	int level = 0;

	if (distance >= WHEEL_SPAN)
		tick = wheel->tick + WHEEL_SPAN - 1;
	/* the level below which tick and the present share all higher bits */
	while (level < WHEEL_LEVELS - 1 &&
	       (tick >> LEVEL_SHIFT(level + 1)) != (wheel->tick >> LEVEL_SHIFT(level + 1)))
		level++;
	slot = (tick >> LEVEL_SHIFT(level)) & SLOT_MASK;
	list_add_tail(&wheel->slot[level][slot], &timer->node);
	wheel->bitmap[level][slot / 64] |= 1ull << (slot % 64);
}

void timer_arm(struct s7_wheel *wheel, struct s7_timer *timer, s7_time deadline)
{
	wheel->hand = timer;
	s7_in_order();
	if (timer->deadline)
		list_del(&timer->node);
	else
		wheel->armed++;
	timer->deadline = deadline ? deadline : 1;
	wheel_place(wheel, timer);
	s7_in_order();
	wheel->hand = NULL;
}

void timer_cancel(struct s7_wheel *wheel, struct s7_timer *timer)
{
	if (!timer->deadline)
		return;
	wheel->hand = timer;
	s7_in_order();
	list_del(&timer->node);
	timer->deadline = 0;
	wheel->armed--;
	s7_in_order();
	wheel->hand = NULL;
}

/* The slot's first timer, out of it and in hand; NULL when it is empty. */
static struct s7_timer *slot_take(struct s7_wheel *wheel, struct s7_list *slot)
{
	struct s7_timer *timer;

	if (list_empty(slot))
		return NULL;
	timer = list_first(slot, struct s7_timer, node);
	wheel->hand = timer;
	s7_in_order();
	list_del(&timer->node);
	return timer;
}

/* Entering a new slot of `level`: its timers move down. */
static void wheel_cascade(struct s7_wheel *wheel, int level)
{
	uint64_t from = (wheel->tick >> LEVEL_SHIFT(level)) & SLOT_MASK, slot;
	struct s7_timer *timer;

	if (level + 1 < WHEEL_LEVELS && from == 0)
		wheel_cascade(wheel, level + 1);
	while ((timer = slot_take(wheel, &wheel->slot[level][from]))) {
		if (timer_tick(timer) > wheel->tick) {
			wheel_place(wheel, timer);
			continue;
		}
		/* due at this very tick: its slot runs next */
		slot = wheel->tick & SLOT_MASK;
		list_add_tail(&wheel->slot[0][slot], &timer->node);
		wheel->bitmap[0][slot / 64] |= 1ull << (slot % 64);
	}
	wheel->bitmap[level][from / 64] &= ~(1ull << (from % 64));
	wheel->hand = NULL;
}

/* First slot of `level` at or after `from` whose bit is set, or WHEEL_SLOTS. */
static uint64_t bitmap_next(const struct s7_wheel *wheel, int level, uint64_t from)
{
	while (from < WHEEL_SLOTS) {
		uint64_t word = wheel->bitmap[level][from / 64] >> (from % 64);

		if (word)
			return from + (uint64_t)__builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return WHEEL_SLOTS;
}

/*
 * The next tick at which something may have to happen: a filled slot or a cascade that moves
 * something.
 */
static uint64_t wheel_next_tick(const struct s7_wheel *wheel)
{
	uint64_t base = wheel->tick;

	for (int level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t at = (base >> LEVEL_SHIFT(level)) & SLOT_MASK;
		uint64_t slot = bitmap_next(wheel, level, at + 1);

		if (slot < WHEEL_SLOTS) {
			uint64_t high = base >> LEVEL_SHIFT(level) >> WHEEL_BITS << WHEEL_BITS;

			return (high | slot) << LEVEL_SHIFT(level);
		}
	}
	/* all timers lie beyond a wrap of the top level */
	return ((base >> LEVEL_SHIFT(WHEEL_LEVELS)) + 1) << LEVEL_SHIFT(WHEEL_LEVELS);
}

static void wheel_run_slot(struct s7_wheel *wheel, s7_time now, const s7_timer_fn *handlers,
			   void *ctx)
{
	uint64_t slot = wheel->tick & SLOT_MASK;
	struct s7_timer *timer;

	while ((timer = slot_take(wheel, &wheel->slot[0][slot]))) {
		if (timer_tick(timer) > wheel->tick) { /* beyond the range when it was armed */
			wheel_place(wheel, timer);
			continue;
		}
		timer->deadline = 0;
		wheel->armed--;
		wheel->hand = NULL;
		handlers[timer->kind](ctx, timer, now);
	}
	wheel->bitmap[0][slot / 64] &= ~(1ull << (slot % 64));
	wheel->hand = NULL;
}

void wheel_run(struct s7_wheel *wheel, s7_time now, const s7_timer_fn *handlers, void *ctx)
{
	uint64_t target = now / WHEEL_TICK_NS;

	while (wheel->tick < target) {
		uint64_t next = wheel->armed ? wheel_next_tick(wheel) : target;

		if (next > target) {
			wheel->tick = target;
			break;
		}
		wheel->tick = next;
		if ((next & SLOT_MASK) == 0)
			wheel_cascade(wheel, 1);
		wheel_run_slot(wheel, now, handlers, ctx);
	}
}

s7_time wheel_next(const struct s7_wheel *wheel)
{
	if (!wheel->armed)
		return S7_NEVER;
	return wheel_next_tick(wheel) * WHEEL_TICK_NS;
}

void wheel_mend(struct s7_wheel *wheel)
{
	struct s7_timer *hand = wheel->hand, *timer;
	struct s7_list *all = NULL, *node, *next;

	for (int level = 0; level < WHEEL_LEVELS; level++) {
		for (int slot = 0; slot < WHEEL_SLOTS; slot++) {
			struct s7_list *head = &wheel->slot[level][slot];

			for (node = head->next; node != head; node = next) {
				next = node->next;
				node->next = all;
				all = node;
			}
			list_init(head);
		}
	}
	memset(wheel->bitmap, 0, sizeof(wheel->bitmap));
	wheel->hand = NULL;
	wheel->armed = 0;
	for (node = all; node; node = next) {
		next = node->next;
		timer = list_entry(node, struct s7_timer, node);
		list_init(node);
		if (timer != hand && timer->deadline) {
			wheel->armed++;
			wheel_place(wheel, timer);
		}
	}
	if (!hand)
		return;
	list_init(&hand->node);
	if (hand->deadline) {
		wheel->armed++;
		wheel_place(wheel, hand);
	}
}
