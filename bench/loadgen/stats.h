/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats.h - counters by name, a log-linear latency histogram, the report
 */
#ifndef LG_STATS_H
#define LG_STATS_H

#include <stdint.h>

#define HIST_SUB 128 /* buckets per power of two: under 0.8 % error */
#define HIST_BUCKETS (HIST_SUB * 58)

struct lg;

/* Each has a row in ctr_rows (stats.c). */
enum lg_ctr {
	CTR_REQUESTS,
	CTR_BYTES_RX,
	CTR_BYTES_TX,
	CTR_CONNECTS,
	CTR_RETRANSMITS,
	CTR_RESETS,
	CTR_REFUSED,
	CTR_TIMEOUTS,
	CTR_CLOSED_EARLY,
	CTR_BAD_STATUS,
	CTR_BAD_REPLY,
	CTR_RX_FRAMES,
	CTR_OUT_OF_ORDER,
	CTR_BAD_CSUM,
	CTR_TRUNCATED,
	CTR_MALFORMED,
	CTR_UNREACHABLE,
	CTR_NO_BUFFER,
	CTR_LOST,
	CTR_COUNT
};

struct lg_hist {
	uint64_t count, max, sum;
	uint64_t bucket[HIST_BUCKETS];
};

struct lg_stats {
	uint64_t ctr[CTR_COUNT];
	uint64_t from, to; /* TSC at the ends of the measured time */
	uint64_t tx_frames_from, tx_stalls_from;
	uint64_t idle; /* ticks spent on polls that found nothing: is the client the bottleneck? */
	double cpu_from, cpu_to;	 /* seconds of the processes of --cpu-of */
	double own_cpu_from, own_cpu_to; /* of this process */
	struct lg_hist latency;
};

/* Begins the measured time: counters and histogram to zero. */
void stats_begin(struct lg *lg);
/* Ends it. */
void stats_end(struct lg *lg);
/* Prints text, or with --json text to stderr and one line of JSON to stdout. */
void stats_report(struct lg *lg);

static inline void hist_add(struct lg_hist *hist, uint64_t ticks)
{
	int shift = 63 - __builtin_clzll(ticks | HIST_SUB) - 7;

	hist->bucket[(uint32_t)shift * HIST_SUB + (ticks >> shift)]++;
	hist->count++;
	hist->sum += ticks;
	if (ticks > hist->max)
		hist->max = ticks;
}

#endif
