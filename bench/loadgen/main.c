/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - the modes, the poll loop, the phases of a run
 *
 * A run: port up -> peer's MAC known -> all connections there (or the first reply) -> warm-up ->
 * measured time -> connections closed -> report. A responder measures from its first request on.
 * Exit status: 0 measured, 1 nothing could be measured, 2 usage.
 * Context: one thread. The only file-scope variable is the flag that a signal sets.
 */
#include <errno.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lg.h"

#define DRAIN_MS 500
#define IDLE_POLLS 64 /* empty polls before a --yield */

static const struct lg_mode modes[] = {
	{ "http", &http_client, &http_server, .pipelines = true },
	{ "http-close", &http_close_client, &http_server, .pipelines = false },
	{ "redis-get", &redis_get_client, &redis_get_server, .pipelines = true },
	{ "redis-set", &redis_set_client, &redis_set_server, .pipelines = true, .sizes = true },
	{ "tcp-rr", &rr_client, &rr_server, .pipelines = true, .sizes = true },
	{ "udp-rr", &udp_client, &udp_server, .datagrams = true, .sizes = true },
	{ "tcp-bulk-rx", &bulk_rx_client, &bulk_rx_server, .bulk = true },
	{ "tcp-bulk-tx", &bulk_tx_client, &bulk_tx_server, .bulk = true },
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* One turn: a burst in, its consequences out. */
static void poll_once(struct lg *lg, uint32_t *idle)
{
	struct rte_mbuf *rx[PORT_BURST];
	uint64_t before = lg->now;
	uint16_t i, n;

	n = rte_eth_rx_burst(lg->port.id, 0, rx, PORT_BURST);
	lg->now = rte_rdtsc();
	lg->stats.idle += *idle ? lg->now - before : 0;
	for (i = 0; i < n && i < 4; i++)
		rte_prefetch0(rte_pktmbuf_mtod(rx[i], void *));
	for (i = 0; i < n; i++) {
		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(rx[i + 4], void *));
		net_input(lg, rx[i]);
	}
	if (n)
		rte_pktmbuf_free_bulk(rx, n);
	if (lg->net.peer_known) {
		tcp_flush(lg);
		tcp_timers(lg);
		if (lg->app->tick)
			lg->app->tick(lg);
	}
	if (lg->port.tx_count)
		port_flush(&lg->port);
	*idle = n ? 0 : *idle + 1;
	if (lg->conf.yield && *idle > IDLE_POLLS)
		sched_yield();
}

/* Polls until `until` (TSC), a signal, or done() says so. */
static void poll_until(struct lg *lg, uint64_t until, bool (*done)(const struct lg *lg))
{
	uint32_t idle = 0;

	do
		poll_once(lg, &idle);
	while (lg->now < until && !interrupted && !(done && done(lg)));
}

static uint64_t after(const struct lg *lg, uint64_t ms)
{
	return lg->now + lg_ms(lg, ms);
}

static bool peer_known(const struct lg *lg)
{
	return lg->net.peer_known;
}

static bool ramped(const struct lg *lg)
{
	const struct lg_stats *st = &lg->stats;

	if (lg->conf.respond || lg->mode->datagrams || !strcmp(lg->conf.mode, "http-close"))
		return st->ctr[CTR_REQUESTS] || st->ctr[CTR_CONNECTS];
	return lg->tcp.open == lg->tcp.count && (lg->mode->bulk || st->ctr[CTR_REQUESTS]);
}

static bool requests_done(const struct lg *lg)
{
	return lg->stats.ctr[CTR_REQUESTS] >= lg->conf.requests;
}

static bool drained(const struct lg *lg)
{
	return lg->tcp.open == 0 && lg->port.tx_count == 0;
}

static int wait_for_peer(struct lg *lg)
{
	uint64_t until = after(lg, lg->conf.wait);

	while (!lg->net.peer_known && !interrupted && lg->now < until) {
		net_resolve(lg);
		poll_until(lg, RTE_MIN(after(lg, 5), until), peer_known);
	}
	if (lg->net.peer_known)
		return 0;
	fprintf(stderr, "loadgen: the peer does not answer ARP\n");
	return -EHOSTUNREACH;
}

static int ramp(struct lg *lg)
{
	if (!lg->conf.respond && lg->app->start)
		lg->app->start(lg);
	else if (!lg->conf.respond)
		tcp_start(lg);
	poll_until(lg, lg->conf.respond ? UINT64_MAX : after(lg, lg->conf.wait), ramped);
	if (ramped(lg))
		return 0;
	if (interrupted)
		return -EINTR;
	fprintf(stderr, "loadgen: %u of %u connections, %llu replies; refused %llu, reset %llu\n",
		lg->tcp.open, lg->tcp.count, (unsigned long long)lg->stats.ctr[CTR_REQUESTS],
		(unsigned long long)lg->stats.ctr[CTR_REFUSED],
		(unsigned long long)lg->stats.ctr[CTR_RESETS]);
	stats_end(lg);
	stats_report(lg);
	return -ETIMEDOUT;
}

static void measure(struct lg *lg)
{
	if (!lg->conf.respond && lg->conf.warmup)
		poll_until(lg, after(lg, lg->conf.warmup), NULL);
	stats_begin(lg);
	poll_until(lg, lg->conf.seconds ? after(lg, lg->conf.seconds) : UINT64_MAX,
		   lg->conf.requests ? requests_done : NULL);
	stats_end(lg);
}

static void drain(struct lg *lg)
{
	interrupted = 0;
	lg->stopping = true;
	if (lg->mode->bulk)
		tcp_close_all(lg, true);
	poll_until(lg, after(lg, DRAIN_MS / 2), drained);
	tcp_close_all(lg, true);
	poll_until(lg, after(lg, DRAIN_MS / 2), drained);
	tcp_abort_all(lg);
	port_flush(&lg->port);
}

static int run(struct lg *lg)
{
	int err;

	lg->hz = rte_get_tsc_hz();
	lg->now = rte_rdtsc();
	err = net_init(lg);
	if (!err)
		err = tcp_init(lg);
	if (!err)
		err = lg->app->init(lg);
	if (err) {
		fprintf(stderr, "loadgen: %s\n", strerror(-err));
		return err;
	}
	stats_begin(lg);
	err = wait_for_peer(lg);
	if (!err)
		err = ramp(lg);
	if (err)
		return err;
	measure(lg);
	drain(lg);
	stats_report(lg);
	return lg->stats.ctr[CTR_REQUESTS] || lg->mode->bulk ? 0 : -ENODATA;
}

static int choose_mode(struct lg *lg)
{
	const struct lg_mode *mode;
	const char *why;

	for (mode = modes; mode < modes + LG_ARRAY_LEN(modes); mode++)
		if (!strcmp(mode->name, lg->conf.mode))
			break;
	if (mode == modes + LG_ARRAY_LEN(modes)) {
		fprintf(stderr, "loadgen: --mode %s: unknown (--help lists them)\n", lg->conf.mode);
		return -EINVAL;
	}
	lg->mode = mode;
	lg->app = lg->conf.respond ? mode->server : mode->client;
	why = lg->conf.pipeline > 1 && (!mode->pipelines || lg->conf.respond) ? "--pipeline" :
	      lg->conf.requests && mode->bulk			     ? "--requests" :
	      lg->conf.size > 1 && !mode->sizes && !lg->conf.respond ? "--size" : NULL;
	if (!why)
		return 0;
	fprintf(stderr, "loadgen: %s means nothing to mode %s\n", why, mode->name);
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct lg *lg = aligned_alloc(64, (sizeof(*lg) + 63) / 64 * 64);
	int err;

	if (!lg)
		return 1;
	memset(lg, 0, sizeof(*lg));
	err = opts_parse(argc, argv, &lg->conf);
	if (!err)
		err = choose_mode(lg);
	if (err)
		return err > 0 ? 0 : 2;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (port_eal_start(&lg->conf) || port_open(&lg->port, &lg->conf))
		return 1;
	err = run(lg);
	port_close(&lg->port);
	return err ? 1 : 0;
}
