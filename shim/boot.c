/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot.c - from "a program wants an internet socket" to "the stack runs"
 *
 * Two steps: boot_conf() reads the configuration at the first such socket; boot_stack() starts the
 * stack at the first call that could need it (early.c). The steps of the start are a table; the
 * first that fails says why in one line, and as `on_error` wants the program runs on the kernel or
 * stops. Everything that all processes share is made here, once, before any fork of the stack; a
 * child inherits mappings, ports and descriptors; a program that exec started with sockets of ours
 * maps and fills the same anew (carry_in.c). Invariant: s7_fds.limit and the state RUNNING are set
 * last; before, every descriptor is foreign. Memory: the arena is address space, its pages are
 * touched as sockets come; the packet pools get 60 % of `memory`. Context: boot_lock (private to
 * the process); no stack lock. The thread is s7_inside meanwhile.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "shim/bpf.h"
#include "shim/carry.h"
#include "shim/internal.h"

#define PKT_BYTES 2560		  /* of frame memory a packet: descriptor, private area, room */
#define FRAME_SHARE_PERCENT 60

struct boot s7_boot = { .arena_fd = -1, .watch_fd = -1 };
struct s7_arena *s7_arena;

static struct s7_lock boot_lock;
static _Atomic int boot_is = BOOT_NOT_YET;
static _Atomic bool conf_known;

#define OFFSET_TRIES 8
#define OFFSET_SURE 500 /* ns between the two readings around one */

/* Of several readings the one that took least: a thread may lose its CPU between two clocks. */
static int64_t host_realtime_offset(void)
{
	s7_time before, took, least = S7_NEVER;
	struct timespec ts;
	int64_t offset = 0;

	for (int try = 0; try < OFFSET_TRIES && least > OFFSET_SURE; try++) {
		before = host_now();
		clock_gettime(CLOCK_REALTIME, &ts);
		took = host_now() - before;
		if (took >= least)
			continue;
		least = took;
		offset = (int64_t)ts.tv_sec * (int64_t)S7_SEC + ts.tv_nsec -
			 (int64_t)(before + took / 2);
	}
	return offset;
}

static const struct s7_host_ops host_ops = {
	.may = params_may,
	.label_free = flow6_label_free,
	.cpu = params_cpu,
	.put_off = params_put_off,
	.ring = wait_ring,
	.log = log_line,
	.random = secret_random,
	.lasting = secret_lasting,
	.realtime_offset = host_realtime_offset,
	.deferred = sig_run_deferred,
	.own_port = boot_own_port,
	.group = neighbours_group,
	.group_gives = neighbours_give,
	.owned_too = neighbours_own_too,
	.signal = sigio_send,
	.bpf = &bpf_host,
};

bool boot_running(void)
{
	return atomic_load_explicit(&boot_is, memory_order_acquire) == BOOT_RUNNING;
}

const struct conf *boot_config(void)
{
	return &s7_boot.conf;
}

struct s7_inst *boot_inst(void)
{
	static _Atomic uint32_t next;
	static __thread uint32_t home;

	if (s7_boot.inst_count <= 1)
		return s7_arena->inst[0];
	if (!home)
		home = 1 +
			(proc_slot_id(proc_self()) + atomic_fetch_add(&next, 1)) %
				s7_boot.inst_count;
	return s7_arena->inst[home - 1];
}

/* ---- steps ---- */

static int why(int err, const char *what)
{
	snprintf(s7_boot.why, sizeof(s7_boot.why), "%s: %s", what, strerrordesc_np(-err));
	return err;
}

int boot_map_arena(void)
{
	const int flags = MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
	void *base = mmap((void *)S7_ARENA_BASE, ARENA_BYTES, PROT_READ | PROT_WRITE, flags,
			  s7_boot.arena_fd, 0);

	if (base != (void *)S7_ARENA_BASE)
		return why(base == MAP_FAILED ? -errno : -EEXIST,
			   "arena (is address space limited, or used by another library?)");
	s7_arena = base;
	return 0;
}

static int step_arena(void)
{
	long fd = s7_sys2(SYS_memfd_create, "sock7", MFD_CLOEXEC);
	int err;

	if (fd < 0)
		return why((int)fd, "memfd_create");
	s7_boot.arena_fd = fd_make_internal((int)fd);
	if (ftruncate(s7_boot.arena_fd, (off_t)ARENA_BYTES))
		return why(-errno, "arena");
	err = boot_map_arena();
	if (!err)
		arena_format(s7_arena, ARENA_BYTES);
	return err;
}

int boot_map_env(void)
{
	void *base = mmap((void *)S7_ENV_BASE, sizeof(struct s7_env), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (base != (void *)S7_ENV_BASE)
		return why(base == MAP_FAILED ? -errno : -EEXIST, "private window");
	s7_boot.env = base;
	s7_boot.env->host = &host_ops;
	return 0;
}

static int step_procs(void)
{
	struct s7_proc *proc;
	int err = proc_init(s7_arena);

	if (err)
		return why(err, "process table");
	proc = proc_slot_take();
	if (!proc)
		return why(-ENOMEM, "process table");
	proc_slot_enter(proc, proc->ticket);
	err = wait_init(s7_arena);
	if (err)
		return why(err, "waiter table");
	err = keeper_init(s7_arena);
	return err ? why(err, "background thread") : 0;
}

static uint64_t frame_bytes(void)
{
	return s7_boot.conf.memory / 100 * FRAME_SHARE_PERCENT;
}

static int step_eal(void)
{
	return eal_start(&s7_boot.conf, frame_bytes(), s7_boot.why, sizeof(s7_boot.why));
}

static uint32_t queues_wanted(void)
{
	uint32_t i, most = 1;

	for (i = 0; i < s7_boot.conf.iface_count; i++)
		most = (uint32_t)s7_max(most, s7_boot.conf.iface[i].queues);
	return (uint32_t)s7_min(most, S7_INSTS_MAX);
}

static int step_pools(void)
{
	uint32_t i, pkts;
	int err;

	s7_boot.inst_count = queues_wanted();
	pkts = (uint32_t)(frame_bytes() / PKT_BYTES / s7_boot.inst_count);
	for (i = 0; i < s7_boot.inst_count; i++) {
		err = pool_create(i, pkts, &s7_boot.env->pool[i].ops, &s7_boot.pool[i], s7_boot.why,
				  sizeof(s7_boot.why));
		if (err)
			return err;
		s7_boot.env->pool[i].pool = s7_boot.pool[i];
	}
	return 0;
}

static int step_insts(void)
{
	struct s7_inst_setup setup = { .env = s7_boot.env, .now = host_now() };
	struct s7_inst *inst;
	int err;

	params_fill(&s7_boot.conf, &setup.params);
	for (setup.index = 0; setup.index < s7_boot.inst_count; setup.index++) {
		err = inst_create(s7_arena, &setup, &inst);
		if (err)
			return why(err, "stack instance");
	}
	return 0;
}

static const struct boot_step {
	const char *name;
	int (*run)(void);
} steps[] = {
	{ "arena", step_arena },   { "private window", boot_map_env },
	{ "processes", step_procs }, { "EAL", step_eal },
	{ "packet pools", step_pools }, { "ports", boot_ports },
	{ "instances", step_insts }, { "code of filters", boot_code },
	{ "maps of filters", bpf_map_boot },
	{ "interfaces", boot_ifaces }, { "filters of interfaces", boot_filters },
	{ "addresses and routes", boot_adopt }, { "silence of the kernel", boot_silencers },
	{ "other programs on sock7", boot_neighbours },
	{ "passed sockets", rights_boot }, { "what exec carries", carry_boot },
};

static void protect_descriptors(void)
{
	int fds[256];
	uint32_t i, count = eal_descriptors(fds, S7_ARRAY_LEN(fds));

	for (i = 0; i < count && i < S7_ARRAY_LEN(fds); i++)
		fd_mark_internal(fds[i]);
}

static int run_steps(void)
{
	uint32_t i;
	int err;

	for (i = 0; i < S7_ARRAY_LEN(steps); i++) {
		s7_time from = host_now();

		err = steps[i].run();
		shim_log(LOG_DEBUG, "start: %s: %llu us", steps[i].name,
			 (unsigned long long)(host_now() - from) / S7_US);
		if (err)
			return err;
	}
	return 0;
}

static void log_up(s7_time from)
{
	char ifaces[160] = "";
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < s7_boot.iface_count && at < sizeof(ifaces) - 32; i++) {
		const struct conf_iface *iface = &s7_boot.conf.iface[i];

		at += (size_t)snprintf(ifaces + at, sizeof(ifaces) - at, " %.16s(%s)", iface->name,
				       conf_driver_name(iface->driver));
	}
	shim_log(LOG_INFO, "up in %llu ms:%s%s, %u instance(s), loopback %s",
		 (unsigned long long)((host_now() - from) / S7_MS), ifaces,
		 at ? "" : " no interface", s7_boot.inst_count,
		 s7_boot.conf.loopback == CONF_LOOPBACK_STACK ? "on the stack" : "on the kernel");
}

void boot_unmap(void)
{
	boot_code_drop();
	if (s7_boot.env)
		munmap(s7_boot.env, sizeof(struct s7_env));
	if (s7_arena)
		munmap(s7_arena, ARENA_BYTES);
	if (s7_boot.arena_fd >= 0) {
		fd_unmark_internal(s7_boot.arena_fd);
		s7_sys1(SYS_close, s7_boot.arena_fd);
	}
	s7_boot.env = NULL;
	s7_boot.arena_fd = -1;
	s7_arena = NULL;
}

/* A failed start leaves no arena, port or BPF program; EAL itself cannot be undone. */
static void undo(void)
{
	s7_boot.boot_pid = (uint32_t)s7_sys0(SYS_getpid);
	boot_ports_close();
	proc_forget_self();
	boot_unmap();
}

/* The stack cannot run: as the configuration says, the kernel takes over or the program ends. */
static void give_up(void)
{
	bool stop = s7_boot.conf.on_error == CONF_ON_ERROR_ABORT;

	shim_log(LOG_ERROR, "%s; %s", s7_boot.why,
		 stop ? "stopping (on_error = abort)" : "running on the kernel");
	if (stop)
		abort();
	atomic_store(&boot_is, BOOT_KERNEL);
	early_drop_all();
}

static int start_locked(void)
{
	s7_time from = host_now();
	sigset_t old;
	int err;

	signals_block(&old);
	s7_inside++;
	err = run_steps();
	if (!err) {
		s7_boot.boot_pid = (uint32_t)s7_sys0(SYS_getpid);
		protect_descriptors();
		fd_table_start(proc_self());
		atomic_store_explicit(&boot_is, BOOT_RUNNING, memory_order_release);
		early_adopt_all();
	} else {
		undo();
	}
	s7_inside--;
	signals_restore(&old);
	if (err)
		give_up();
	else
		log_up(from);
	return err;
}

static void conf_locked(void)
{
	char line[sizeof(s7_boot.why)] = "";
	int found;

	s7_inside++;
	conf_defaults(&s7_boot.conf);
	found = conf_from_env(&s7_boot.conf, line, sizeof(line));
	s7_inside--;
	if (found > 0) {
		log_setup(&s7_boot.conf);
		fault_install();
		libc_hook_all();
	} else if (found == 0) {
		shim_log(LOG_WARN, "no configuration (SOCK7_CONF, SOCK7_INTERFACE or "
				   "/etc/sock7.conf): running on the kernel");
		atomic_store(&boot_is, BOOT_KERNEL);
	} else {
		memcpy(s7_boot.why, line, sizeof(line));
		give_up();
	}
	atomic_store_explicit(&conf_known, true, memory_order_release);
}

bool boot_in_sight(void)
{
	return getenv("SOCK7_CONF") || getenv("SOCK7_INTERFACE") ||
	       s7_sys3(SYS_faccessat, AT_FDCWD, "/etc/sock7.conf", R_OK) == 0;
}

enum boot_state boot_conf(void)
{
	int cancel;

	if (s7_unlikely(!atomic_load_explicit(&conf_known, memory_order_acquire))) {
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		lock_take(&boot_lock);
		if (!atomic_load(&conf_known))
			conf_locked();
		host_unlock(&boot_lock);
		pthread_setcancelstate(cancel, NULL);
	}
	return (enum boot_state)atomic_load_explicit(&boot_is, memory_order_acquire);
}

/*
 * A netdev that is not there yet, or not up: it may be the program's own work (a tun device). Until
 * it is there the kernel serves, and each call that could begin the stack looks again. With other
 * work to do (loopback = stack) the stack is begun, and what is missing ends it as ever.
 */
static bool must_wait(void)
{
	static bool said;
	int err = 0;

	if (s7_boot.conf.on_error == CONF_ON_ERROR_ABORT ||
	    s7_boot.conf.loopback == CONF_LOOPBACK_STACK)
		return false;
	s7_inside++;
	for (uint32_t i = 0; i < s7_boot.conf.iface_count && !err; i++)
		err = port_netdev_check(&s7_boot.conf.iface[i], s7_boot.why, sizeof(s7_boot.why));
	s7_inside--;
	if (err != -ENODEV && err != -ENETDOWN)
		return false;
	if (!said)
		shim_log(LOG_ERROR, "%s; running on the kernel until it is there", s7_boot.why);
	said = true;
	return true;
}

int boot_stack(void)
{
	int err = 0, cancel;
	uint64_t before;

	if (boot_conf() != BOOT_NOT_YET)
		return boot_running() ? 0 : -ENOTSUP;
	if (lock_is_mine(&boot_lock))
		return -EBUSY;
	/* a thread that is cancelled in here would leave half of a start behind */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	lock_take(&boot_lock);
	switch (atomic_load(&boot_is)) {
	case BOOT_NOT_YET:
		before = limit_mapped();
		err = must_wait() ? -ENODEV : start_locked();
		s7_boot.mapped = limit_mapped() - before;
		break;
	case BOOT_KERNEL:
		err = -ENOTSUP;
		break;
	}
	host_unlock(&boot_lock);
	pthread_setcancelstate(cancel, NULL);
	return err;
}

void boot_attached(void)
{
	fd_table_start(proc_self());
	atomic_store_explicit(&conf_known, true, memory_order_release);
	atomic_store_explicit(&boot_is, BOOT_RUNNING, memory_order_release);
}

void boot_stopped(void)
{
	__atomic_store_n(&s7_fds.limit, 0, __ATOMIC_RELEASE);
	atomic_store(&boot_is, BOOT_KERNEL);
}

void boot_forked(void)
{
	memset(&boot_lock, 0, sizeof(boot_lock));
}
