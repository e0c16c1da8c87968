/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot_params.c - the settings that packets obey: the configuration's, else the kernel's, else
 * constants
 *
 * The kernel's values are those of the network namespace at the moment the stack starts; numbers
 * of net.ipv4.tcp_* are looked at again by the keeper, all others stay. What an
 * interface's section says stands in place of [global]'s for connections over that interface.
 * Context: boot, one thread. Called by: boot.c, boot_iface.c.
 */
#include <fcntl.h>
#define tcp_ca_state linux_tcp_ca_state /* a tag of stack/tcp too */
#include <netinet/tcp.h>
#undef tcp_ca_state
#include <sched.h>
#include <sys/resource.h>
#include <stdlib.h>
#include <sys/rseq.h>

#include "shim/internal.h"
#include "stack/tcp/tcp.h"

/* A number of struct s7_params: a key of the configuration (0: not set), else a sysctl, else a
 * constant. */
struct param_row {
	size_t param, key;
	const char *sysctl;
	uint32_t otherwise;
};

#define PARAMS_FRESH (200 * S7_MS) /* the kernel's numbers are believed for so long */

#define PARAM(param, key, sysctl, otherwise)                                                       \
	{ offsetof(struct s7_params, param), offsetof(struct conf, key), sysctl, otherwise }

#define NO_KEY SIZE_MAX
#define SYSCTL(param, sysctl, otherwise)                                                           \
	{ offsetof(struct s7_params, param), NO_KEY, sysctl, otherwise }

#define TCP_SYSCTL(name, sysctl) { offsetof(struct s7_params, tcp.name), NO_KEY, "ipv4/" sysctl, 0 }

/* Where the kernel has none of the name the value stays Linux's default. */
static const struct param_row tcp_rows[] = {
	TCP_SYSCTL(recovery, "tcp_recovery"),
	TCP_SYSCTL(early_retrans, "tcp_early_retrans"),
	TCP_SYSCTL(frto, "tcp_frto"),
	TCP_SYSCTL(ecn, "tcp_ecn"),
	TCP_SYSCTL(ecn_fallback, "tcp_ecn_fallback"),
	TCP_SYSCTL(slow_start_after_idle, "tcp_slow_start_after_idle"),
	TCP_SYSCTL(reordering, "tcp_reordering"),
	TCP_SYSCTL(max_reordering, "tcp_max_reordering"),
	TCP_SYSCTL(fin_timeout_s, "tcp_fin_timeout"),
	TCP_SYSCTL(retries2, "tcp_retries2"),
	TCP_SYSCTL(orphan_retries, "tcp_orphan_retries"),
	TCP_SYSCTL(syn_retries, "tcp_syn_retries"),
	TCP_SYSCTL(synack_retries, "tcp_synack_retries"),
	TCP_SYSCTL(syn_linear_timeouts, "tcp_syn_linear_timeouts"),
	TCP_SYSCTL(sack, "tcp_sack"),
	TCP_SYSCTL(dsack, "tcp_dsack"),
	TCP_SYSCTL(timestamps, "tcp_timestamps"),
	TCP_SYSCTL(window_scaling, "tcp_window_scaling"),
	TCP_SYSCTL(abort_on_overflow, "tcp_abort_on_overflow"),
	TCP_SYSCTL(min_snd_mss, "tcp_min_snd_mss"),
	TCP_SYSCTL(syncookies, "tcp_syncookies"),
	TCP_SYSCTL(moderate_rcvbuf, "tcp_moderate_rcvbuf"),
	TCP_SYSCTL(notsent_lowat, "tcp_notsent_lowat"),
	TCP_SYSCTL(thin_linear, "tcp_thin_linear_timeouts"),
	TCP_SYSCTL(stdurg, "tcp_stdurg"),
	TCP_SYSCTL(rfc1337, "tcp_rfc1337"),
	TCP_SYSCTL(rto_max_ms, "tcp_rto_max_ms"),
	TCP_SYSCTL(keepalive_time_s, "tcp_keepalive_time"),
	TCP_SYSCTL(keepalive_intvl_s, "tcp_keepalive_intvl"),
	TCP_SYSCTL(keepalive_probes, "tcp_keepalive_probes"),
};

static const struct param_row rows[] = {
	PARAM(rmem_default, rmem_default, "core/rmem_default", 212992),
	PARAM(rmem_max, rmem_max, "core/rmem_max", 212992),
	PARAM(wmem_default, wmem_default, "core/wmem_default", 212992),
	PARAM(wmem_max, wmem_max, "core/wmem_max", 212992),
	PARAM(backlog_max, backlog, "core/somaxconn", 4096),
	SYSCTL(igmp_max_memberships, "ipv4/igmp_max_memberships", 20),
	SYSCTL(igmp_max_msf, "ipv4/igmp_max_msf", 10),
};

static uint32_t number_at(const void *base, size_t offset)
{
	uint32_t value;

	memcpy(&value, (const char *)base + offset, sizeof(value));
	return value;
}

static void fill_row(const struct conf *conf, const struct param_row *row, struct s7_params *params)
{
	uint32_t value = row->key == NO_KEY ? 0 : number_at(conf, row->key);

	if (!value && kern_sysctl_u32(row->sysctl, &value))
		value = row->otherwise;
	memcpy((char *)params + row->param, &value, sizeof(value));
}

static void fill_triple(const uint32_t conf[3], const char *sysctl, const uint32_t otherwise[3],
			uint32_t ret[3])
{
	if (conf[2])
		memcpy(ret, conf, 3 * sizeof(ret[0]));
	else if (kern_sysctl_triple(sysctl, ret))
		memcpy(ret, otherwise, 3 * sizeof(ret[0]));
}

static void fill_ports(struct s7_params *params)
{
	char text[32] = "";
	long fd, len;
	char *end;

	params->port_lo = 32768;
	params->port_hi = 60999;
	fd = s7_sys4(SYS_openat, AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range",
		     O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	len = s7_sys3(SYS_read, fd, text, sizeof(text) - 1);
	s7_sys1(SYS_close, fd);
	if (len <= 0)
		return;
	params->port_lo = (uint32_t)strtoul(text, &end, 10);
	params->port_hi = (uint32_t)strtoul(end, NULL, 10);
}

/* The stack has Linux's names. */
static uint32_t cc_of(const char *word)
{
	const char *name = strcmp(word, "newreno") ? word : "reno";
	int cc = tcp_cc_index(name, strlen(name));

	if (cc < 0)
		shim_log(LOG_WARN,
			 "tcp_congestion %s is not known here; using the first of the table", name);
	return cc < 0 ? 0 : (uint32_t)cc;
}

struct s7_iface_tcp params_of_iface(const struct conf_iface *conf, const struct s7_params *params)
{
	struct s7_iface_tcp tcp = params_iface_tcp(params);

	if (conf->tcp_congestion[0])
		tcp.cc = cc_of(conf->tcp_congestion);
	if (conf->tcp_init_cwnd)
		tcp.init_cwnd = conf->tcp_init_cwnd;
	if (conf->tcp_delayed_ack_ms)
		tcp.delack_ms = conf->tcp_delayed_ack_ms;
	if (conf->backlog)
		tcp.backlog_max = conf->backlog;
	if (conf->rmem[2])
		memcpy(tcp.rmem, conf->rmem, sizeof(tcp.rmem));
	if (conf->wmem[2])
		memcpy(tcp.wmem, conf->wmem, sizeof(tcp.wmem));
	return tcp;
}

/*
 * Whether this thread may, as the kernel judges it (user namespaces included): a socket that is
 * thrown away is asked for something that needs the capability and does nothing else.
 */
static bool may_raw(enum s7_host_cap cap)
{
	long fd = s7_sys3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	int on = 1;

	if (fd < 0)
		return false;
	err = s7_sys6(SYS_setsockopt, fd, SOL_SOCKET, cap == HOST_NET_ADMIN ? SO_DEBUG :
									      SO_BINDTODEVICE,
		      cap == HOST_NET_ADMIN ? (long)&on : (long)"lo", sizeof(on), 0);
	if (!err && cap == HOST_NET_RAW) /* the second time needs it */
		err = s7_sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, (long)"lo", 3, 0);
	s7_sys1(SYS_close, fd);
	return !err;
}

bool params_may(enum s7_host_cap cap)
{
	return cap == HOST_ROUTING2 ? flow6_routing2() : may_raw(cap);
}

/* Kept up to date by the kernel in the thread's own memory (glibc registers it). */
int params_cpu(void)
{
	const struct rseq *rseq = (const struct rseq *)((const char *)__builtin_thread_pointer() +
							__rseq_offset);

	if (s7_likely(__rseq_size && (int)rseq->cpu_id >= 0))
		return (int)rseq->cpu_id;
	return sched_getcpu();
}

uint64_t params_put_off(void)
{
	struct rusage usage;

	return s7_sys2(SYS_getrusage, RUSAGE_THREAD, &usage) ? 0 : (uint64_t)usage.ru_nivcsw;
}

/* What TCP_INFO fills in the running kernel: more than the headers know of. */
static uint32_t tcp_info_len(void)
{
	long fd = s7_sys3(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char info[1024];
	socklen_t len = sizeof(info);

	if (fd < 0)
		return 0;
	if (s7_sys6(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, (long)info, (long)&len, 0) < 0)
		len = 0;
	s7_sys1(SYS_close, fd);
	return len;
}

/* One microsecond of SO_RCVTIMEO becomes a tick of the kernel's clock. */
static uint32_t tick_us(void)
{
	long fd = s7_sys3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval tv = { 0, 1 };
	socklen_t len = sizeof(tv);

	if (fd < 0)
		return 0;
	s7_sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, (long)&tv, sizeof(tv), 0);
	s7_sys6(SYS_getsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, (long)&tv, (long)&len, 0);
	s7_sys1(SYS_close, fd);
	return (uint32_t)tv.tv_usec;
}

static void fill_tcp(struct s7_tcp_params *tcp)
{
	struct s7_params params = { .tcp = S7_TCP_LINUX };

	for (size_t i = 0; i < S7_ARRAY_LEN(tcp_rows); i++)
		kern_sysctl_u32(tcp_rows[i].sysctl,
				(uint32_t *)((char *)&params + tcp_rows[i].param));
	*tcp = params.tcp;
}

void params_look_again(void)
{
	static _Atomic s7_time next;
	s7_time now = host_now(), due = atomic_load(&next);
	struct s7_tcp_params tcp;

	if (now < due || !atomic_compare_exchange_strong(&next, &due, now + PARAMS_FRESH))
		return;
	handlers_off();
	s7_inside++;
	fill_tcp(&tcp);
	for (uint32_t i = 0; i < s7_arena->inst_count; i++) {
		struct s7_inst *inst = s7_arena->inst[i];

		inst_lock(inst, host_now());
		inst->params.tcp = tcp;
		inst_unlock(inst);
	}
	s7_inside--;
	handlers_on();
}

void params_fill(const struct conf *conf, struct s7_params *ret_params)
{
	static const uint32_t rmem[3] = { 4096, 131072, 6291456 },
			      wmem[3] = { 4096, 16384, 4194304 };
	struct s7_params params = {
		.tcp_init_cwnd = conf->tcp_init_cwnd,
		.tcp_delack_ms = conf->tcp_delayed_ack_ms,
		.tcp_min_rto_ms = conf->tcp_min_rto_ms,
		.tcp_time_wait_ms = conf->tcp_time_wait_ms,
		.tcp_syn_backlog = conf->tcp_syn_backlog,
		.max_sockets = conf->max_sockets,
		.max_time_wait = conf->max_time_wait,
		.loopback_stack = conf->loopback == CONF_LOOPBACK_STACK,
		.kernel_fallback = conf->kernel_fallback,
		.tx_batch = conf->tx_batch,
	};
	size_t i;

	if (kern_sysctl_u32("ipv4/tcp_fastopen", &params.tcp_fastopen))
		params.tcp_fastopen = 0;
	params.tcp_info_len = tcp_info_len();
	params.tick_us = tick_us();
	params.tcp_cc = cc_of(conf->tcp_congestion);
	for (i = 0; i < S7_ARRAY_LEN(rows); i++)
		fill_row(conf, &rows[i], &params);
	fill_tcp(&params.tcp);
	fill_triple(conf->rmem, "ipv4/tcp_rmem", rmem, params.tcp_rmem);
	fill_triple(conf->wmem, "ipv4/tcp_wmem", wmem, params.tcp_wmem);
	fill_ports(&params);
	*ret_params = params;
}
