/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis.c - RESP: GET and SET with pipelining, and a responder
 *
 * Idea: the client reads one reply at a time: a line, and behind a '$' line its bytes. An error
 * reply ('-') is a reply and is counted as one; anything that is no reply ends the connection. The
 * responder reads commands as arrays of strings and answers each with the same bytes, whatever the
 * command is.
 * Context: the poll loop.   Called by: tcp_in.c through the table of modes.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

enum resp_step { RESP_LINE, RESP_BODY };

static uint32_t line_end(const uint8_t *p, uint32_t len)
{
	const uint8_t *nl = memchr(p, '\n', len);

	return nl ? (uint32_t)(nl + 1 - p) : 0;
}

/* The number between a line's first byte and its CR LF. */
static int parse_number(const uint8_t *p, uint32_t len, int64_t *ret_value)
{
	bool minus = len > 1 && p[1] == '-';
	uint32_t i = minus ? 2 : 1;
	int64_t value = 0;

	if (len < i + 3 || len > 20 || p[len - 2] != '\r')
		return -EBADMSG;
	for (; i < len - 2; i++) {
		if (!isdigit(p[i]))
			return -EBADMSG;
		value = value * 10 + (p[i] - '0');
	}
	*ret_value = minus ? -value : value;
	return 0;
}

static int set_request(struct lg *lg, bool set)
{
	size_t key_len = strlen(lg->conf.key), room = key_len + lg->conf.size + 128;
	char *text = malloc(room);
	int n, err;

	if (!text)
		return -ENOMEM;
	n = snprintf(text, room, "*%d\r\n$3\r\n%s\r\n$%zu\r\n%s\r\n", set ? 3 : 2,
		     set ? "SET" : "GET", key_len, lg->conf.key);
	if (set) {
		n += snprintf(text + n, room - (size_t)n, "$%llu\r\n",
			      (unsigned long long)lg->conf.size);
		memset(text + n, 'x', lg->conf.size);
		n += (int)lg->conf.size;
		memcpy(text + n, "\r\n", 2);
		n += 2;
	}
	err = tcp_pattern(lg, text, (uint64_t)n);
	free(text);
	return err;
}

static int get_init(struct lg *lg)
{
	return set_request(lg, false);
}

static int set_init(struct lg *lg)
{
	return set_request(lg, true);
}

static void reply_line(struct lg *lg, struct lg_conn *c, const uint8_t *p, uint32_t len)
{
	int64_t n;

	if (c->app.in_flight == 0 || len < 3 || p[len - 2] != '\r')
		goto bad;
	switch (*p) {
	case '-':
		lg->stats.ctr[CTR_BAD_STATUS]++;
		app_reply(lg, c);
		return;
	case '+':
		app_reply(lg, c);
		return;
	case ':':
		if (parse_number(p, len, &n))
			goto bad;
		app_reply(lg, c);
		return;
	case '$':
		if (parse_number(p, len, &n) || n < -1)
			goto bad;
		if (n == -1) {
			app_reply(lg, c);
			return;
		}
		c->app.body_left = (uint64_t)n + 2;
		c->app.step = RESP_BODY;
		return;
	}
bad:
	app_bad_reply(lg, c);
}

/* Counts a string's bytes off; true when it is complete. */
static bool take_body(struct lg_conn *c, const uint8_t **data, uint32_t *len)
{
	uint32_t take = (uint32_t)RTE_MIN(c->app.body_left, (uint64_t)*len);

	*data += take;
	*len -= take;
	c->app.body_left -= take;
	if (c->app.body_left)
		return false;
	c->app.step = RESP_LINE;
	return true;
}

static void client_data(struct lg *lg, struct lg_conn *c, const uint8_t *data, uint32_t len)
{
	const uint8_t *line;
	int n;

	while (len && c->state == TCP_OPEN) {
		if (c->app.step == RESP_BODY) {
			if (take_body(c, &data, &len))
				app_reply(lg, c);
			continue;
		}
		n = app_gather(lg, c, &data, &len, line_end, &line);
		if (n < 0)
			app_bad_reply(lg, c);
		else if (n > 0)
			reply_line(lg, c, line, (uint32_t)n);
	}
}

const struct lg_app redis_get_client = {
	.init = get_init,
	.open = app_batch,
	.data = client_data,
	.fin = app_client_fin,
	.gone = app_client_gone,
};

const struct lg_app redis_set_client = {
	.init = set_init,
	.open = app_batch,
	.data = client_data,
	.fin = app_client_fin,
	.gone = app_client_gone,
};

static int server_set_init(struct lg *lg)
{
	return tcp_pattern(lg, "+OK\r\n", 5);
}

static int server_get_init(struct lg *lg)
{
	size_t size = lg->conf.size;
	char *text = malloc(size + 32);
	int n, err;

	if (!text)
		return -ENOMEM;
	n = snprintf(text, 32, "$%zu\r\n", size);
	memset(text + n, 'x', size);
	memcpy(text + n + size, "\r\n", 2);
	err = tcp_pattern(lg, text, (uint64_t)n + size + 2);
	free(text);
	return err;
}

/* The command's count of strings, or the next string's length. */
static int command_line(struct lg_conn *c, const uint8_t *p, uint32_t len)
{
	int64_t n;

	if (parse_number(p, len, &n))
		return -EBADMSG;
	if (c->app.left == 0) {
		if (*p != '*' || n < 1 || n > 64)
			return -EBADMSG;
		c->app.left = (uint32_t)n;
		return 0;
	}
	if (*p != '$' || n < 0)
		return -EBADMSG;
	c->app.body_left = (uint64_t)n + 2;
	c->app.step = RESP_BODY;
	return 0;
}

static void server_data(struct lg *lg, struct lg_conn *c, const uint8_t *data, uint32_t len)
{
	const uint8_t *line;
	int n;

	while (len && c->state == TCP_OPEN) {
		if (c->app.step == RESP_BODY) {
			if (take_body(c, &data, &len) && --c->app.left == 0) {
				lg->stats.ctr[CTR_REQUESTS]++;
				tcp_queue(lg, c, lg->tcp.pattern_len);
			}
			continue;
		}
		n = app_gather(lg, c, &data, &len, line_end, &line);
		if (n < 0 || (n > 0 && command_line(c, line, (uint32_t)n)))
			app_bad_reply(lg, c);
	}
}

const struct lg_app redis_get_server = {
	.init = server_get_init,
	.open = app_server_open,
	.data = server_data,
	.fin = app_server_fin,
	.gone = app_server_gone,
};

const struct lg_app redis_set_server = {
	.init = server_set_init,
	.open = app_server_open,
	.data = server_data,
	.fin = app_server_fin,
	.gone = app_server_gone,
};
