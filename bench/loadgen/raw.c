/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw.c - TCP without a protocol on it: ping-pong of --size bytes, bulk in either direction
 *
 * Idea: an echo's reply is known by its length alone; bulk is an endless limit of the stream, or
 * nothing but receiving, which tcp_in.c counts.
 * Context: the poll loop.   Called by: tcp_in.c through the table of modes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

#define BULK_PATTERN 65536
#define BULK_ENDLESS (1ull << 62)

static int filled_pattern(struct lg *lg, size_t len)
{
	uint8_t *bytes = malloc(len);
	size_t i;
	int err;

	if (!bytes)
		return -ENOMEM;
	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)('a' + i % 26);
	err = tcp_pattern(lg, bytes, len);
	free(bytes);
	return err;
}

static int rr_init(struct lg *lg)
{
	return filled_pattern(lg, lg->conf.size);
}

static void rr_open(struct lg *lg, struct lg_conn *c)
{
	app_batch(lg, c);
	c->app.body_left = lg->conf.size;
}

static void rr_data(struct lg *lg, struct lg_conn *c, const uint8_t *data, uint32_t len)
{
	uint32_t take;

	(void)data;
	while (len && c->state == TCP_OPEN) {
		if (c->app.in_flight == 0) {
			app_bad_reply(lg, c);
			return;
		}
		take = (uint32_t)RTE_MIN(c->app.body_left, (uint64_t)len);
		len -= take;
		c->app.body_left -= take;
		if (c->app.body_left)
			continue;
		c->app.body_left = lg->conf.size;
		app_reply(lg, c);
	}
}

const struct lg_app rr_client = {
	.init = rr_init,
	.open = rr_open,
	.data = rr_data,
	.fin = app_client_fin,
	.gone = app_client_gone,
};

static void echo_data(struct lg *lg, struct lg_conn *c, const uint8_t *data, uint32_t len)
{
	(void)data;
	lg->stats.ctr[CTR_REQUESTS]++;
	tcp_queue(lg, c, len);
}

const struct lg_app rr_server = {
	.init = rr_init,
	.open = app_server_open,
	.data = echo_data,
	.fin = app_server_fin,
	.gone = app_server_gone,
};

static int bulk_init(struct lg *lg)
{
	return filled_pattern(lg, BULK_PATTERN);
}

static void source_open(struct lg *lg, struct lg_conn *c)
{
	tcp_queue(lg, c, BULK_ENDLESS);
}

static void sink_data(struct lg *lg, struct lg_conn *c, const uint8_t *data, uint32_t len)
{
	(void)lg;
	(void)c;
	(void)data;
	(void)len;
}

/* The receiver has seen enough: what is queued without end ends here. */
static void source_fin(struct lg *lg, struct lg_conn *c)
{
	c->limit = RTE_MIN(c->limit, c->max);
	tcp_close(lg, c);
}

/* One byte that asks for data, as bench/pingpong/bulk wants it; a plain source does not care. */
static int ask_init(struct lg *lg)
{
	return tcp_pattern(lg, "r", 1);
}

static void ask_open(struct lg *lg, struct lg_conn *c)
{
	tcp_queue(lg, c, 1);
}

const struct lg_app bulk_rx_client = {
	.init = ask_init,
	.open = ask_open,
	.data = sink_data,
	.fin = app_client_fin,
	.gone = app_client_gone,
};

const struct lg_app bulk_tx_client = {
	.init = bulk_init,
	.open = source_open,
	.data = sink_data,
	.fin = source_fin,
	.gone = app_client_gone,
};

const struct lg_app bulk_rx_server = {
	.init = bulk_init,
	.open = source_open,
	.data = sink_data,
	.fin = source_fin,
	.gone = app_server_gone,
};

const struct lg_app bulk_tx_server = {
	.init = bulk_init,
	.open = app_server_open,
	.data = sink_data,
	.fin = app_server_fin,
	.gone = app_server_gone,
};
