/* SPDX-License-Identifier: BSD-3-Clause */
/* bed.c - see bed.h */
#include "test/support/bed.h"

#include <stdlib.h>

#define ARENA_BYTES (64u << 20)

/* ---- pool ---- */

static int pool_alloc(void *pool, struct s7_pkt **pkts, uint32_t n)
{
	struct test_bed *bed = pool;

	if (bed->free_count < n)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		pkts[i] = bed->free[--bed->free_count];
	return 0;
}

static void pool_free(void *pool, struct s7_pkt **pkts, uint32_t n)
{
	struct test_bed *bed = pool;

	for (uint32_t i = 0; i < n; i++) {
		if (*pkts[i]->refs != 1)
			abort();
		bed->free[bed->free_count++] = pkts[i];
	}
}

static void pool_unref(void *pool, struct s7_pkt *pkt)
{
	(void)pool;
	if (*pkt->refs < 2)
		abort();
	--*pkt->refs;
}

static uint32_t pool_available(void *pool)
{
	return ((struct test_bed *)pool)->free_count;
}

static const struct s7_pool_ops pool_ops = { pool_alloc, pool_free, pool_unref, pool_available };

static void pool_make(struct test_bed *bed, uint32_t count)
{
	bed->count = count;
	bed->free = calloc(count, sizeof(*bed->free));
	bed->pkts = calloc(count, sizeof(*bed->pkts));
	bed->refs = calloc(count, sizeof(*bed->refs));
	bed->bufs = calloc(count, sizeof(*bed->bufs));
	for (uint32_t i = 0; i < count; i++) {
		struct s7_pkt *pkt = &bed->pkts[i];

		bed->bufs[i] = malloc(S7_PKT_HEADROOM + S7_PKT_ROOM);
		pkt->buf = bed->bufs[i];
		pkt->buf_len = S7_PKT_HEADROOM + S7_PKT_ROOM;
		pkt->refs = &bed->refs[i];
		bed->refs[i] = 1;
		bed->free[bed->free_count++] = pkt;
	}
}

/* ---- host ---- */

static void host_ring(struct s7_waiter *waiter)
{
	(void)waiter;
}

static void host_log(enum s7_log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static void host_random(void *buf, size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 151 + 7);
}

static int64_t host_realtime(void)
{
	return 0;
}

static void host_deferred(void)
{
}

static bool host_may(enum s7_host_cap cap)
{
	(void)cap;
	return true;
}

static int host_cpu(void)
{
	return 0;
}

const struct s7_host_ops bed_host = {
	.may = host_may,
	.cpu = host_cpu,
	.ring = host_ring,
	.log = host_log,
	.random = host_random,
	.realtime_offset = host_realtime,
	.deferred = host_deferred,
};

const struct s7_params bed_params = {
	.tcp = S7_TCP_LINUX,
	.tcp_init_cwnd = 10,
	.tcp_delack_ms = 40,
	.tcp_min_rto_ms = 200,
	.tcp_time_wait_ms = 60000,
	.tcp_syn_backlog = 64,
	.tcp_rmem = { 4096, 131072, 6291456 },
	.tcp_wmem = { 4096, 16384, 4194304 },
	.rmem_default = 212992,
	.rmem_max = 212992,
	.wmem_default = 212992,
	.wmem_max = 212992,
	.backlog_max = 128,
	.max_sockets = 256,
	.max_time_wait = 64,
	.port_lo = 32768,
	.port_hi = 60999,
};

void bed_make(struct test_bed *bed, uint32_t pkts, struct s7_env *env)
{
	pool_make(bed, pkts);
	bed->arena = arena_format(calloc(1, ARENA_BYTES), ARENA_BYTES);
	env->host = &bed_host;
	env->pool[0].ops = &pool_ops;
	env->pool[0].pool = bed;
}

void bed_free(struct test_bed *bed)
{
	for (uint32_t i = 0; i < bed->count; i++)
		free(bed->bufs[i]);
	free(bed->bufs);
	free(bed->refs);
	free(bed->pkts);
	free(bed->free);
	free(bed->arena);
}

uint32_t bed_missing(const struct test_bed *bed, const struct s7_inst *inst)
{
	return bed->count - bed->free_count - inst->pkt_cached;
}
