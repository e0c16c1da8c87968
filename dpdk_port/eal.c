/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eal.c - starts EAL inside a program that does not know of it
 *
 * Idea: EAL believes that it owns the process; every trace of that belief is undone here. Its argv
 * is a table of lines, its threads get no signals of the program, its lcore 0 is "any CPU the
 * program may use" (no pinning), its descriptors go up (redirect.c), its log is caught (logcap.c),
 * rlimits, affinity and getopt's state are put back. Memory is decided before EAL is asked
 * (hugepages.c), so that a refusal is one line of ours. EAL runs in memory only: nothing in
 * /var/run, no telemetry socket, no second process.
 * Context: boot, one thread, once.   Callers: shim/boot.c, bench/, test/port/.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "dpdk_port/hugepages.h"
#include "dpdk_port/internal.h"
#include "dpdk_port/port_check.h"

#define ARGV_MAX 32
#define ARGV_TEXT 4096
#define EAL_SLACK_MB 24		/* rings, queues, ethdev's own data */
#define EAL_QUEUE_MB 2		/* a queue pair: vrings, mbuf tables */
#define FD_BASE_MAX 3904 /* where the descriptors go: high, but the kernel's table stays small */
#define FD_ROOM 192

struct argv {
	int count;
	size_t used;
	char *arg[ARGV_MAX];
	char text[ARGV_TEXT];
};

static struct {
	bool started, hugepages;
	struct argv argv; /* EAL keeps pointers into it */
} eal;

/* One argument, printf style. What does not fit is left out; EAL then says what it misses. */
static void argv_add(struct argv *argv, const char *fmt, ...) S7_PRINTF(2, 3);
static void argv_add(struct argv *argv, const char *fmt, ...)
{
	size_t room = sizeof(argv->text) - argv->used;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(argv->text + argv->used, room, fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= room || argv->count + 1 >= ARGV_MAX)
		return;
	argv->arg[argv->count++] = argv->text + argv->used;
	argv->used += (size_t)len + 1;
}

/* "0@(a-b,c)": lcore 0 on all CPUs that this thread may use now. */
static void argv_add_cpus(struct argv *argv, const cpu_set_t *cpus)
{
	char list[1024] = "";
	size_t at = 0;
	int cpu, end;

	for (cpu = 0; cpu < RTE_MAX_LCORE && at + 16 < sizeof(list); cpu = end + 1) {
		end = cpu;
		if (!CPU_ISSET(cpu, cpus))
			continue;
		while (end + 1 < RTE_MAX_LCORE && CPU_ISSET(end + 1, cpus))
			end++;
		at += (size_t)snprintf(list + at, sizeof(list) - at, end > cpu ? "%s%d-%d" : "%s%d",
				       at ? "," : "", cpu, end);
	}
	argv_add(argv, "--lcores=0@(%s)", at ? list : "0");
}

static void argv_fill(struct argv *argv, const struct conf *conf, uint64_t mb, bool hugepages,
		      const cpu_set_t *cpus)
{
	bool pci = false;
	uint32_t i;

	argv_add(argv, "sock7");
	argv_add(argv,
		 hugepages ? "--in-memory"
			   : "--no-shconf"); /* EAL takes only one of them with --no-huge */
	argv_add(argv, "--no-telemetry");
	argv_add(argv, "--log-level=%s", conf->log >= CONF_LOG_DEBUG ? "info" : "error");
	argv_add_cpus(argv, cpus);
	argv_add(argv, "-m");
	argv_add(argv, "%lu", (unsigned long)mb);
	argv_add(argv, hugepages ? "--single-file-segments" : "--no-huge");
	for (i = 0; i < conf->iface_count; i++) {
		const struct conf_iface *iface = &conf->iface[i];

		if (iface->driver != CONF_DRV_PCI)
			continue;
		pci = true;
		argv_add(argv, "-a");
		argv_add(argv, "%s%s%s", iface->device[0] ? iface->device : iface->name,
			 iface->devargs[0] ? "," : "", iface->devargs);
	}
	if (!pci) {
		argv_add(argv, "--no-pci");
		argv_add(argv, "--iova-mode=va");
	}
}

/* Signals of the program stay with its threads. The synchronous ones cannot be put off. */
void eal_signals_block(sigset_t *ret_old)
{
	static const int synchronous[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGABRT };
	sigset_t all;
	uint32_t i;

	sigfillset(&all);
	for (i = 0; i < S7_ARRAY_LEN(synchronous); i++)
		sigdelset(&all, synchronous[i]);
	pthread_sigmask(SIG_SETMASK, &all, ret_old);
}

void eal_signals_restore(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

static void fd_base_choose(void)
{
	struct rlimit limit;
	rlim_t base;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	base = limit.rlim_cur > FD_ROOM * 2 ? limit.rlim_cur - FD_ROOM : limit.rlim_cur / 2;
	redirect_base((int)s7_min(base, FD_BASE_MAX));
}

static bool needs_hugepages(const struct conf *conf, const char **ret_who)
{
	uint32_t i;

	for (i = 0; i < conf->iface_count; i++) {
		if (memif_is_zero_copy(&conf->iface[i])) {
			*ret_who = conf->iface[i].name;
			return true;
		}
	}
	return false;
}

/* A device that reads memory by itself wants it physically contiguous. */
static bool gains_from_hugepages(const struct conf *conf)
{
	uint32_t i;

	for (i = 0; i < conf->iface_count; i++)
		if (conf->iface[i].driver == CONF_DRV_PCI)
			return true;
	return false;
}

static int eal_init(char *ret_why, size_t why_len)
{
	sigset_t signals;
	cpu_set_t cpus;
	int err = 0;

	CPU_ZERO(&cpus);
	pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	eal_signals_block(&signals);
	redirect_boot(true);
	if (rte_eal_init(eal.argv.count, eal.argv.arg) < 0)
		err = rte_errno ? -rte_errno : -EIO;
	redirect_boot(false);
	eal_signals_restore(&signals);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	if (err)
		snprintf(ret_why, why_len, "DPDK does not start: %s",
			 logcap_last()[0] ? logcap_last() : rte_strerror(-err));
	return err;
}

int eal_start(const struct conf *conf, uint64_t frame_bytes, char *ret_why, size_t why_len)
{
	struct hugepages_ask ask = { .mode = conf->hugepages };
	uint64_t mb = (frame_bytes >> 20) + 1 + EAL_SLACK_MB;
	cpu_set_t cpus;
	uint32_t i;
	int err;

	if (eal.started)
		return 0;
	for (i = 0; i < conf->iface_count; i++)
		mb += (uint64_t)EAL_QUEUE_MB * s7_max(conf->iface[i].queues, 1);
	ask.bytes = mb << 20;
	ask.required = needs_hugepages(conf, &ask.who);
	ask.pays = gains_from_hugepages(conf);
	err = hugepages_decide(&ask, &eal.hugepages, ret_why, why_len);
	if (err)
		return err;

	fd_base_choose();
	err = logcap_open(conf);
	if (err) {
		snprintf(ret_why, why_len, "no memory for the log stream");
		return err;
	}
	CPU_ZERO(&cpus);
	if (pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus))
		CPU_SET(0, &cpus);
	argv_fill(&eal.argv, conf, mb, eal.hugepages, &cpus);
	err = eal_init(ret_why, why_len);
	if (!err)
		eal.started = true;
	return err;
}

bool eal_has_hugepages(void)
{
	return eal.hugepages;
}

uint32_t eal_descriptors(int *fds, uint32_t max)
{
	return redirect_list(fds, max);
}
