/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keeper.c - the background thread: drives when nobody does, and keeps house
 *
 * One keeper per arena is active: it holds a robust mutex in the arena for its life. The keepers of
 * the other processes sleep on that; the kernel gives it to one of them when the active one's
 * process ends, however it ends. The active one looks every millisecond while little comes, every
 * 5 ms in the midst of much (whose threads drive by themselves), every 20 ms on a quiet line until
 * packets wake a thread (keeper_wake), at each instance:
 *    an event loop's answers wait for longer than BATCH_LONG  drives: they leave
 *    somebody else drove since it looked last, within STALE   nothing to do
 *    a program's thread sleeps on the ports (inst->watcher)   drives once: the thread may have been
 *                             stopped or killed, and knows no timer armed since it fell asleep
 *    neither                  becomes the watcher itself: sleeps on the ports until a packet or
 *                             the next timer, at most 20 ms for the same reason, and drives
 * It stops being the watcher as soon as a thread takes the role (cas) or drives by itself.
 * Bound: with a live keeper nothing that is due waits for longer than 20 ms, whoever else sleeps.
 * House: reaps dead processes, beats the silencer's heart, adopts changed addresses and routes.
 * Context: its own thread, all signals blocked but libc's, s7_inside. Started at the first need in
 * a process, never in the constructor.
 */
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include "shim/internal.h"

#define HOUSE (500 * S7_MS)
#define DYING (10 * S7_MS) /* from the release of its mutexes to the end of a killed process */
#define TICK_MIN (1 * S7_MS)
#define TICK_BUSY_MAX (5 * S7_MS)
#define MUCH 32 /* packets in a tick: threads that have so much to do come often */
#define TICK_QUIET_MAX (20 * S7_MS)
#define STALE (1 * S7_MS)     /* a drive older than this does not count */
#define LOCK_WAIT (1 * S7_SEC) /* a lock that long in the way: its owner may be dead */
#define POLL_MIN (20 * S7_US) /* ports that cannot be slept on */
#define POLL_MAX (4 * S7_MS)
#define STACK_BYTES (256u << 10)
#define SETTLE_LOOK (500 * S7_US)
#define SETTLE_LOOKS 100
#define FDS_MAX (S7_INSTS_MAX * S7_IFACES_MAX + 1)

struct keeper {
	s7_time last_drive[S7_INSTS_MAX]; /* as the keeper saw it last */
	uint64_t packets[S7_INSTS_MAX];	  /* likewise */
	s7_time tick, house;
	uint32_t deaths; /* of processes, as the keeper knows them */
};

static _Atomic int started, settled;

/* ---- sleeping on ports ---- */

struct port_sleep {
	struct pollfd fds[FDS_MAX];
	uint32_t count;
	bool ready;   /* packets wait already */
	bool deaf;    /* a port without sleep descriptor is among them */
	s7_time next; /* timer */
};

static void sleep_begin_one(struct port_sleep *sleep, struct s7_inst *inst,
			    const struct s7_iface *iface)
{
	const struct s7_netdev_ops *ops = inst->env->dev[iface->index].ops;
	void *dev = inst->env->dev[iface->index].dev;
	int fd = ops->sleep_fd(dev, iface->queue);

	if (fd < 0) {
		sleep->deaf = true;
		return;
	}
	sleep->ready |= ops->sleep_begin(dev, iface->queue) != 0;
	sleep->fds[sleep->count].fd = fd;
	sleep->fds[sleep->count++].events = POLLIN;
}

static void sleep_begin(struct port_sleep *sleep, struct s7_inst *inst)
{
	uint32_t i;

	inst_lock(inst, host_now());
	for (i = 1; i < inst->iface_count; i++)
		sleep_begin_one(sleep, inst, &inst->iface[i]);
	sleep->next = s7_min(sleep->next, inst_next_timer(inst));
	inst_unlock(inst);
}

static void sleep_end(struct s7_inst *inst)
{
	uint32_t i;

	inst_lock(inst, host_now());
	for (i = 1; i < inst->iface_count; i++) {
		const struct s7_netdev_ops *ops = inst->env->dev[i].ops;
		void *dev = inst->env->dev[i].dev;

		if (ops->sleep_fd(dev, inst->iface[i].queue) >= 0)
			ops->sleep_end(dev, inst->iface[i].queue);
	}
	inst_unlock(inst);
}

static void sleep_on(struct pollfd *fds, uint32_t count, s7_time ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / S7_SEC), .tv_nsec = (long)(ns % S7_SEC) };

	s7_sys6(SYS_ppoll, (long)fds, count, (long)&ts, 0, 0, 0);
}

bool ports_sleep(uint32_t inst_mask, int fd, s7_time max_ns)
{
	static s7_time deaf_ns = POLL_MIN; /* grows while the line is quiet */
	struct port_sleep sleep = { .next = S7_NEVER };
	s7_time now;
	uint32_t i;
	bool some = false;

	if (fd >= 0)
		sleep.fds[sleep.count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (i = 0; i < s7_arena->inst_count; i++)
		if (inst_mask >> i & 1)
			sleep_begin(&sleep, s7_arena->inst[i]);
	now = host_now();
	if (sleep.next != S7_NEVER)
		max_ns = s7_min(max_ns, sleep.next > now ? sleep.next - now : 0);
	if (sleep.deaf)
		max_ns = s7_min(max_ns, deaf_ns);
	if (!sleep.ready)
		sleep_on(sleep.fds, sleep.count, max_ns);
	for (i = 0; i < sleep.count; i++)
		some |= sleep.fds[i].revents != 0;
	for (i = 0; i < s7_arena->inst_count; i++)
		if (inst_mask >> i & 1)
			sleep_end(s7_arena->inst[i]);
	deaf_ns = some || sleep.ready ? POLL_MIN : s7_min(deaf_ns + deaf_ns / 4, POLL_MAX);
	return some || sleep.ready;
}

/* ---- the active keeper ---- */

enum claim { CLAIM_NOT, CLAIM_ONCE, CLAIM_WATCH };

/* The thread that works off its events lets what it answered wait. Read without the lock. */
static bool is_late(const struct s7_inst *inst, s7_time now)
{
	s7_time since = __atomic_load_n(&inst->batch.since, __ATOMIC_RELAXED);

	return since && since + BATCH_LONG < now;
}

/* What this instance needs of the keeper now; takes or gives back the watcher's role accordingly.
 */
static enum claim claim(struct keeper *keeper, struct s7_inst *inst, s7_time now,
			uint64_t *ret_packets)
{
	s7_time last = atomic_load(&inst->last_drive);
	bool driven = last != keeper->last_drive[inst->index];
	uint64_t packets = inst->stat[STAT_RX_PKTS] + inst->stat[STAT_TX_PKTS];
	uint32_t none = 0, mine = WATCHER_KEEPER;

	keeper->last_drive[inst->index] = last;
	*ret_packets += packets - keeper->packets[inst->index];
	keeper->packets[inst->index] = packets;
	if (is_late(inst, now))
		return CLAIM_ONCE;
	if (driven && last + STALE > now) {
		atomic_compare_exchange_strong(&inst->watcher, &mine, 0);
		return CLAIM_NOT;
	}
	if (atomic_load(&inst->watcher) == WATCHER_KEEPER)
		return CLAIM_WATCH;
	if (!atomic_compare_exchange_strong(&inst->watcher, &none, WATCHER_KEEPER))
		return CLAIM_ONCE;
	wait_was_absent(inst, now);
	return CLAIM_WATCH;
}

/*
 * The keeper's drives leave last_drive as it was: a thread that only sends drives by itself when
 * its last drive is old, and thereby ends the keeper's watch. Else the keeper would go on driving
 * for a thread that runs.
 */
static void drive(struct s7_inst *inst)
{
	s7_time now = host_now(), last;

	if (!inst_trylock(inst, now)) {
		if (now < atomic_load(&inst->last_drive) + LOCK_WAIT)
			return;
		inst_lock(inst, now);
	}
	last = atomic_load(&inst->last_drive);
	inst_drive(inst);
	atomic_store(&inst->last_drive, last);
	stat_add(inst, STAT_KEEPER_DRIVES, 1);
	inst_unlock(inst);
}

/* Who adopts has it: the keeper, or a thread that cannot wait for it. Before any instance's. */
static struct s7_lock adopting;

void keeper_look_at_kernel(void)
{
	lock_take(&adopting);
	s7_inside++;
	if (s7_boot.watch_fd < 0) { /* what changed since they were read last is not known */
		s7_boot.watch_fd = kern_watch_open();
		if (s7_boot.watch_fd >= 0)
			s7_boot.watch_fd = fd_make_internal(s7_boot.watch_fd);
		boot_adopt();
	} else if (kern_watch_drain(s7_boot.watch_fd) > 0) {
		shim_log(LOG_INFO, "the kernel's addresses or routes changed; adopting them");
		boot_adopt();
	}
	s7_inside--;
	lock_give(&adopting);
}

static void keep_house(struct keeper *keeper, s7_time now)
{
	if (now < keeper->house)
		return;
	keeper->house = now + HOUSE;
	proc_reap();
	if (keeper->deaths != atomic_load(&s7_arena->deaths)) {
		keeper->deaths = atomic_load(&s7_arena->deaths);
		sweep_want();
	}
	sweep_turn();
	rights_turn();
	boot_beat();
	keeper_look_at_kernel();
	atomic_store_explicit(&settled, 1, memory_order_release);
}

void keeper_wake(void)
{
	if (atomic_exchange(&s7_arena->keeper_naps, 0))
		s7_sys3(SYS_futex, &s7_arena->keeper_naps, FUTEX_WAKE, 1);
}

/* Nothing needs it for now. */
static void nap(struct keeper *keeper, uint64_t packets)
{
	struct timespec ts = { 0 };

	keeper->tick = packets && packets < MUCH ?
			       TICK_MIN :
			       s7_min(keeper->tick * 2, packets ? TICK_BUSY_MAX : TICK_QUIET_MAX);
	if (keeper->tick <= TICK_BUSY_MAX) {
		sleep_on(NULL, 0, keeper->tick);
		return;
	}
	ts.tv_nsec = (long)keeper->tick;
	atomic_store(&s7_arena->keeper_naps, 1);
	s7_sys4(SYS_futex, &s7_arena->keeper_naps, FUTEX_WAIT, 1, &ts);
	if (!atomic_exchange(&s7_arena->keeper_naps, 0))
		keeper->tick = TICK_MIN / 2;
}

static void active_turn(struct keeper *keeper)
{
	uint64_t packets = 0;
	uint32_t i, mask = 0;
	s7_time now = host_now();

	keep_house(keeper, now);
	for (i = 0; i < s7_arena->inst_count; i++) {
		enum claim need = claim(keeper, s7_arena->inst[i], now, &packets);

		if (need == CLAIM_WATCH)
			mask |= 1u << i;
		else if (need == CLAIM_ONCE)
			drive(s7_arena->inst[i]);
	}
	if (mask) {
		keeper->tick = TICK_MIN;
		ports_sleep(mask, s7_boot.watch_fd, TICK_QUIET_MAX);
		for (i = 0; i < s7_arena->inst_count; i++) /* else a thread has taken over */
			if (mask >> i & 1 &&
			    atomic_load(&s7_arena->inst[i]->watcher) == WATCHER_KEEPER)
				drive(s7_arena->inst[i]);
	} else {
		nap(keeper, packets);
	}
}

/* ---- which keeper is active ---- */

/* In the arena; the pointer is inherited by fork. Held by the active keeper, never given back. */
static pthread_mutex_t *turn;

int keeper_init(struct s7_arena *arena)
{
	pthread_mutexattr_t attr;
	int err;

	turn = arena_take(arena, sizeof(*turn), S7_CACHELINE);
	if (!turn)
		return -ENOMEM;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	err = pthread_mutex_init(turn, &attr);
	pthread_mutexattr_destroy(&attr);
	return -err;
}

void *keeper_turn(void)
{
	return turn;
}

void keeper_attach(void *at)
{
	turn = at;
}

/* Sleeps until no other keeper lives. */
static void wait_for_turn(void)
{
	if (pthread_mutex_lock(turn) == EOWNERDEAD) {
		pthread_mutex_consistent(turn);
		sleep_on(NULL, 0, DYING); /* then the first house finds its process gone */
	}
	atomic_store(&s7_arena->keeper, lock_self());
}

bool keeper_elsewhere(void)
{
	uint32_t owner = atomic_load(&s7_arena->keeper);

	if (!owner || !lock_thread_alive(owner))
		return false;
	return s7_sys3(SYS_tgkill, s7_sys0(SYS_getpid), owner, 0) < 0;
}

static void *keeper_main(void *arg)
{
	struct keeper keeper = { .tick = TICK_MIN };

	(void)arg;
	s7_inside = 1;
	signals_fault();
	prctl(PR_SET_NAME, "sock7");
	wait_for_turn();
	keeper_look_at_kernel();
	for (;;)
		active_turn(&keeper);
	return NULL;
}

static void keeper_start(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t old;
	int err;

	if (!boot_running() || s7_inside || atomic_exchange(&started, 1))
		return;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	signals_block(&old);
	err = pthread_create(&thread, &attr, keeper_main, NULL);
	signals_restore(&old);
	pthread_attr_destroy(&attr);
	if (err)
		shim_log(LOG_WARN, "no background thread: %s", strerrordesc_np(err));
	packet_feed_start();
}

void keeper_need(void)
{
	if (s7_unlikely(!atomic_load_explicit(&started, memory_order_relaxed)))
		keeper_start();
}

void keeper_settle(void)
{
	keeper_need();
	for (int i = 0; i < SETTLE_LOOKS && !atomic_load(&settled) && keeper_runs(); i++)
		sleep_on(NULL, 0, SETTLE_LOOK);
}

bool keeper_runs(void)
{
	return atomic_load(&started);
}

void keeper_forked(void)
{
	atomic_store(&started, 0);
	memset(&adopting, 0, sizeof(adopting)); /* by a thread that this process has not */
	atomic_store(&settled, 0);
	if (s7_boot.watch_fd >= 0) {
		fd_unmark_internal(s7_boot.watch_fd);
		s7_sys1(SYS_close, s7_boot.watch_fd);
		s7_boot.watch_fd = -1;
	}
}
