/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * app.c - the closed loop that all request/reply modes share
 *
 * Idea: the transmit pattern is one request, so a batch is a matter of moving the stream's limit.
 * Context: the poll loop.   Called by: http.c, redis.c, raw.c.
 */
#include "app.h"

#include <errno.h>
#include <string.h>

#define APP_RETRY_MS 100

void app_batch(struct lg *lg, struct lg_conn *c)
{
	if (lg->stopping) {
		tcp_close(lg, c);
		return;
	}
	c->app.t0 = lg->now;
	c->app.in_flight = (uint32_t)lg->conf.pipeline;
	tcp_queue(lg, c, lg->tcp.pattern_len * lg->conf.pipeline);
}

void app_reply(struct lg *lg, struct lg_conn *c)
{
	lg->stats.ctr[CTR_REQUESTS]++;
	hist_add(&lg->stats.latency, lg->now - c->app.t0);
	if (--c->app.in_flight == 0 && !c->app.last)
		app_batch(lg, c);
}

void app_client_fin(struct lg *lg, struct lg_conn *c)
{
	if (c->app.in_flight && !lg->stopping)
		lg->stats.ctr[CTR_CLOSED_EARLY]++;
	c->app.in_flight = 0;
	tcp_close(lg, c);
}

void app_client_gone(struct lg *lg, struct lg_conn *c, int why)
{
	tcp_reconnect(lg, c, why ? APP_RETRY_MS : 0);
}

void app_bad_reply(struct lg *lg, struct lg_conn *c)
{
	lg->stats.ctr[CTR_BAD_REPLY]++;
	tcp_abort(lg, c, -EPROTO);
}

int app_gather(struct lg *lg, struct lg_conn *c, const uint8_t **data, uint32_t *len,
	       uint32_t (*find)(const uint8_t *p, uint32_t len), const uint8_t **ret_piece)
{
	uint8_t *line = lg->tcp.lines + (size_t)(c - lg->tcp.conns) * TCP_LINE;
	uint32_t held = c->app.held, from, take, end;

	if (!held) {
		end = find(*data, *len);
		if (end) {
			*ret_piece = *data;
			*data += end;
			*len -= end;
			return (int)end;
		}
	}
	take = RTE_MIN(*len, TCP_LINE - held);
	memcpy(line + held, *data, take);
	from = held > 3 ? held - 3 : 0; /* the end may straddle */
	end = find(line + from, held + take - from);
	if (!end) {
		if (held + take == TCP_LINE)
			return -EMSGSIZE;
		c->app.held = (uint16_t)(held + take);
		*data += take;
		*len -= take;
		return 0;
	}
	end += from;
	c->app.held = 0;
	*data += end - held;
	*len -= end - held;
	*ret_piece = line;
	return (int)end;
}

void app_server_open(struct lg *lg, struct lg_conn *c)
{
	(void)lg;
	(void)c;
}

void app_server_fin(struct lg *lg, struct lg_conn *c)
{
	tcp_close(lg, c);
}

void app_server_gone(struct lg *lg, struct lg_conn *c, int why)
{
	(void)lg;
	(void)c;
	(void)why;
}
