/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats.c - what was counted, and how it is told
 *
 * Idea: a counter is a row (JSON name, text, whether it counts as an error); the text and the JSON
 * line are both printed from the rows. Latencies are TSC ticks in a log-linear histogram and
 * become microseconds here.
 * Context: the poll loop is over, or stands still.   Called by: main.c.
 */
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lg.h"

static const struct ctr_row {
	const char *name, *text;
	bool error, hint;
} ctr_rows[] = {
	[CTR_REQUESTS] = { "requests", "replies received in full", false, false },
	[CTR_BYTES_RX] = { "bytes_rx", "payload bytes received in order", false, false },
	[CTR_BYTES_TX] = { "bytes_tx", "payload bytes acknowledged by the peer", false, false },
	[CTR_CONNECTS] = { "connects", "connections established", false, false },
	[CTR_RETRANSMITS] = { "retransmits", "segments or datagrams sent again", false, false },
	[CTR_RESETS] = { "resets", "established connections reset by the peer", true, false },
	[CTR_REFUSED] = { "refused", "connections refused", true, false },
	[CTR_TIMEOUTS] = { "timeouts", "connections given up without an answer", true, false },
	[CTR_CLOSED_EARLY] = { "closed_early", "closed before the reply was complete", true,
			       false },
	[CTR_BAD_STATUS] = { "bad_status", "replies that are an error (HTTP not 2xx, RESP -)", true,
			     false },
	[CTR_BAD_REPLY] = { "bad_reply", "replies that do not parse", true, false },
	[CTR_RX_FRAMES] = { "rx_frames", "frames received", false, false },
	[CTR_OUT_OF_ORDER] = { "out_of_order", "segments that came behind a hole", false, true },
	[CTR_BAD_CSUM] = { "bad_checksum", "wrong checksum; a kernel peer on a veth: "
			   "ethtool -K DEV tx off tso off gso off, or --trust-csum", false, true },
	[CTR_TRUNCATED] = { "truncated", "frames shorter than their IP length; a kernel peer on a "
			    "veth: ethtool -K DEV tso off gso off", false, true },
	[CTR_MALFORMED] = { "malformed", "packets that do not parse, fragments", false, true },
	[CTR_UNREACHABLE] = { "unreachable", "ICMP destination unreachable", false, true },
	[CTR_NO_BUFFER] = { "no_buffer", "packet pool empty", false, true },
	[CTR_LOST] = { "lost", "frames thrown away by --loss", false, true },
};
static_assert(LG_ARRAY_LEN(ctr_rows) == CTR_COUNT, "a row for each counter");

static const struct percentile {
	const char *name;
	double share;
} percentiles[] = {
	{ "p50_us", 0.5 }, { "p90_us", 0.9 }, { "p99_us", 0.99 }, { "p999_us", 0.999 }
};

/* CPU seconds of the processes listed in --cpu-of, from field 14 and 15 of their stat. */
static double cpu_of(const char *pids)
{
	double total = 0, ticks = (double)sysconf(_SC_CLK_TCK);
	char path[64], line[1024], *end;
	unsigned long long user, sys;
	const char *p = pids;
	size_t n;
	FILE *f;

	while (p && *p) {
		snprintf(path, sizeof(path), "/proc/%ld/stat", strtol(p, &end, 10));
		p = *end == ',' ? end + 1 : end;
		f = fopen(path, "re");
		if (!f)
			continue;
		n = fread(line, 1, sizeof(line) - 1, f);
		fclose(f);
		line[n] = '\0';
		end = strrchr(line, ')');
		if (end && sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
				  &user, &sys) == 2)
			total += (double)(user + sys) / ticks;
	}
	return total;
}

static double own_cpu(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

void stats_begin(struct lg *lg)
{
	struct lg_stats *st = &lg->stats;

	memset(st, 0, sizeof(*st));
	st->from = lg->now;
	st->tx_frames_from = lg->port.tx_frames;
	st->tx_stalls_from = lg->port.tx_stalls;
	st->cpu_from = cpu_of(lg->conf.cpu_of);
	st->own_cpu_from = own_cpu();
}

void stats_end(struct lg *lg)
{
	lg->stats.to = lg->now;
	lg->stats.cpu_to = cpu_of(lg->conf.cpu_of);
	lg->stats.own_cpu_to = own_cpu();
}

static double hist_us(const struct lg *lg, double share)
{
	const struct lg_hist *hist = &lg->stats.latency;
	uint64_t want = (uint64_t)(share * (double)hist->count + 0.5), seen = 0;
	uint32_t i, shift;

	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->bucket[i];
		if (hist->bucket[i] && seen >= want)
			break;
	}
	if (i == HIST_BUCKETS)
		return 0;
	shift = i < 2 * HIST_SUB ? 0 : i / HIST_SUB - 1;
	return ((double)((uint64_t)(i - shift * HIST_SUB) << shift) +
		(double)(1ull << shift) / 2) * 1e6 / (double)lg->hz;
}

static double cpu_us_per_request(const struct lg_stats *st)
{
	return (st->cpu_to - st->cpu_from) * 1e6 / (double)RTE_MAX(st->ctr[CTR_REQUESTS], 1u);
}

/* Below a few per cent this program, not its peer, was the limit. */
static double idle_share(const struct lg_stats *st)
{
	return st->to > st->from ? (double)st->idle / (double)(st->to - st->from) : 0;
}

static double mean_us(const struct lg *lg)
{
	const struct lg_hist *hist = &lg->stats.latency;

	return (double)hist->sum / (double)hist->count * 1e6 / (double)lg->hz;
}

static uint64_t errors(const struct lg_stats *st)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < CTR_COUNT; i++)
		sum += ctr_rows[i].error ? st->ctr[i] : 0;
	return sum;
}

static void report_text(const struct lg *lg, FILE *to, double secs)
{
	const struct lg_stats *st = &lg->stats;
	uint32_t i;

	fprintf(to, "%s %s, %llu connections, pipeline %llu, %.2f s on %s\n", lg->conf.mode,
		lg->conf.respond ? "responder" : "client", (unsigned long long)lg->conf.conns,
		(unsigned long long)lg->conf.pipeline, secs, lg->conf.dev);
	fprintf(to, "  %.0f requests/s, %.3f Gbit/s in, %.3f Gbit/s out\n",
		(double)st->ctr[CTR_REQUESTS] / secs, (double)st->ctr[CTR_BYTES_RX] * 8e-9 / secs,
		(double)st->ctr[CTR_BYTES_TX] * 8e-9 / secs);
	if (st->latency.count) {
		fprintf(to, "  latency us: mean %.2f", mean_us(lg));
		for (i = 0; i < LG_ARRAY_LEN(percentiles); i++)
			fprintf(to, "  p%g %.2f", percentiles[i].share * 100,
				hist_us(lg, percentiles[i].share));
		fprintf(to, "  max %.2f\n", (double)st->latency.max * 1e6 / (double)lg->hz);
	}
	if (lg->conf.cpu_of)
		fprintf(to, "  cpu of %s: %.2f s, %.3f us a request\n", lg->conf.cpu_of,
			st->cpu_to - st->cpu_from, cpu_us_per_request(st));
	fprintf(to, "  errors %llu, retransmits %llu, idle %.0f %% of the time\n",
		(unsigned long long)errors(st), (unsigned long long)st->ctr[CTR_RETRANSMITS],
		idle_share(st) * 100);
	for (i = 0; i < CTR_COUNT; i++)
		if ((ctr_rows[i].error || ctr_rows[i].hint) && st->ctr[i])
			fprintf(to, "  %llu %s: %s\n", (unsigned long long)st->ctr[i],
				ctr_rows[i].name, ctr_rows[i].text);
}

static void report_json(const struct lg *lg, double secs)
{
	const struct lg_stats *st = &lg->stats;
	uint32_t i;

	printf("{\"mode\":\"%s\",\"respond\":%s,\"conns\":%llu,\"pipeline\":%llu,\"seconds\":%.6f,"
	       "\"requests_per_s\":%.1f,\"bytes_rx_per_s\":%.1f,\"bytes_tx_per_s\":%.1f,"
	       "\"errors\":%llu",
	       lg->conf.mode, lg->conf.respond ? "true" : "false",
	       (unsigned long long)lg->conf.conns, (unsigned long long)lg->conf.pipeline, secs,
	       (double)st->ctr[CTR_REQUESTS] / secs, (double)st->ctr[CTR_BYTES_RX] / secs,
	       (double)st->ctr[CTR_BYTES_TX] / secs, (unsigned long long)errors(st));
	if (st->latency.count) {
		printf(",\"mean_us\":%.3f", mean_us(lg));
		for (i = 0; i < LG_ARRAY_LEN(percentiles); i++)
			printf(",\"%s\":%.3f", percentiles[i].name,
			       hist_us(lg, percentiles[i].share));
		printf(",\"max_us\":%.3f", (double)st->latency.max * 1e6 / (double)lg->hz);
	}
	for (i = 0; i < CTR_COUNT; i++)
		printf(",\"%s\":%llu", ctr_rows[i].name, (unsigned long long)st->ctr[i]);
	printf(",\"tx_frames\":%llu,\"tx_stalls\":%llu,\"own_cpu_s\":%.3f,\"idle\":%.3f",
	       (unsigned long long)(lg->port.tx_frames - st->tx_frames_from),
	       (unsigned long long)(lg->port.tx_stalls - st->tx_stalls_from),
	       st->own_cpu_to - st->own_cpu_from, idle_share(st));
	if (lg->conf.cpu_of)
		printf(",\"cpu_s\":%.3f,\"cpu_us_per_request\":%.4f", st->cpu_to - st->cpu_from,
		       cpu_us_per_request(st));
	printf("}\n");
}

void stats_report(struct lg *lg)
{
	double secs = (double)(lg->stats.to - lg->stats.from) / (double)lg->hz;

	if (secs <= 0)
		secs = 1e-9;
	report_text(lg, lg->conf.json ? stderr : stdout, secs);
	if (lg->conf.json)
		report_json(lg, secs);
	fflush(stdout);
}
