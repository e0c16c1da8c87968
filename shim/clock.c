/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock.c - the time that every call reads
 *
 * Idea: CLOCK_MONOTONIC is asked once a millisecond; in between the processor's counter tells how
 * much of it has passed, which costs half. Only where the kernel trusts the counter itself (its
 * clock source is tsc), so cores agree and the rate is constant; the rate is measured once over at
 * least RATE_NS. What is told in between is off by some nanoseconds at most, and never goes back in
 * a thread; the instance's own time never does at all (inst_lock). A counter that jumps (a machine
 * that was suspended or moved) is asked no more than the clock is: then the clock tells.
 * Context: any thread, signal handlers too (one that interrupts a fresh reading may leave the
 * thread's time ahead by what it took itself, FRESH_NS at most).
 */
#include <fcntl.h>
#include <time.h>

#include "shim/internal.h"

#define FRESH_NS S7_MS		/* a reading of the clock serves so long */
#define RATE_NS (20 * S7_MS) /* the rate is measured over so much */
#define BOTH_TICKS 100000   /* both clocks are read within so much (some 40 us), or once more */
#define BOTH_TRIES 4

static s7_time clock_read(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (s7_time)ts.tv_sec * S7_SEC + (s7_time)ts.tv_nsec;
}

#ifdef __x86_64__

/* Nanoseconds a tick, 32 bits behind the point; 0: not known yet, or the counter is not trusted. */
static _Atomic uint32_t rate;
static uint64_t fresh_ticks; /* FRESH_NS in ticks; set before the rate */
static _Atomic uint64_t first_tick; /* where measuring began; 0 not yet, 1 never */
static s7_time first_ns;

/* The last reading of this thread. */
static __thread struct {
	uint64_t tick;
	s7_time ns;
} last __attribute__((tls_model("initial-exec")));

static uint64_t tick_now(void)
{
	return __builtin_ia32_rdtsc();
}

static bool is_trusted(void)
{
	static const char path[] =
		"/sys/devices/system/clocksource/clocksource0/current_clocksource";
	char name[16] = "";

	return proc_file_read(path, name, sizeof(name)) > 0 && !strncmp(name, "tsc\n", 4);
}

/* One thread begins and one ends; who comes in between goes by the clock. */
static void measure(uint64_t tick, s7_time ns)
{
	static _Atomic bool begun, ended;
	uint64_t from = atomic_load(&first_tick), per_tick;

	if (from == 1)
		return;
	if (!from) {
		if (atomic_exchange(&begun, true))
			return;
		first_ns = ns;
		atomic_store(&first_tick, is_trusted() ? tick : 1);
		return;
	}
	if (tick <= from || ns < first_ns + RATE_NS || atomic_exchange(&ended, true))
		return;
	per_tick = (uint64_t)(((unsigned __int128)(ns - first_ns) << 32) / (tick - from));
	if (!per_tick || per_tick > UINT32_MAX)
		return;
	fresh_ticks = (FRESH_NS << 32) / per_tick;
	atomic_store_explicit(&rate, (uint32_t)per_tick, memory_order_release);
}

/* Counter and clock of one moment: a thread that lost its core in between reads them again. */
static s7_time read_both(uint64_t *ret_tick)
{
	s7_time ns = 0;

	for (int i = 0; i < BOTH_TRIES; i++) {
		uint64_t before = tick_now();

		ns = clock_read();
		*ret_tick = tick_now();
		if (s7_likely(*ret_tick - before < BOTH_TICKS))
			break;
	}
	return ns;
}

static S7_NOINLINE s7_time refresh(void)
{
	uint64_t tick;
	s7_time ns = read_both(&tick);

	if (s7_unlikely(!atomic_load_explicit(&rate, memory_order_relaxed)))
		measure(tick, ns);
	/* a handler in between finds a reading too old, and makes its own */
	last.ns = ns;
	s7_in_order();
	last.tick = tick;
	return ns;
}

s7_time host_now(void)
{
	uint32_t per_tick = atomic_load_explicit(&rate, memory_order_acquire);
	uint64_t passed = tick_now() - last.tick;

	if (s7_unlikely(!per_tick || passed > fresh_ticks))
		return refresh();
	return last.ns + (passed * per_tick >> 32);
}

#else

s7_time host_now(void)
{
	return clock_read();
}

#endif
