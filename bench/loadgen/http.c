/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http.c - HTTP/1.1: GET on kept or fresh connections, and a responder
 *
 * Idea: a head that lies complete in one segment is parsed where it lies; only one that comes in
 * pieces is gathered in the connection's line buffer. A body is counted, not looked at. A reply
 * must say its length (Content-Length, once, digits only), except that without one a server that
 * closes ends it by closing. Chunked replies are refused by name: they are no reply to what a
 * benchmark asks.
 * Bound: a head of TCP_LINE bytes.
 * Context: the poll loop.   Called by: tcp_in.c through the table of modes.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app.h"

#define HTTP_UNTIL_CLOSE UINT64_MAX

enum http_step { HTTP_HEAD, HTTP_BODY };

struct http_head {
	uint32_t status;
	uint64_t length; /* HTTP_UNTIL_CLOSE: not said */
	bool close;
};

/* Where the head ends: the offset behind the blank line, 0 when it is not here yet. */
static uint32_t head_end(const uint8_t *p, uint32_t len)
{
	const uint8_t *at = p, *end = p + len;

	while ((at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
			return (uint32_t)(at + 2 - p);
	}
	return 0;
}

static bool is_header(const char *line, size_t len, const char *name, size_t name_len)
{
	return len > name_len && line[name_len] == ':' && !strncasecmp(line, name, name_len);
}

static int parse_length(const char *p, const char *end, uint64_t *ret_length)
{
	uint64_t value = 0;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (p == end || end - p > 18)
		return -EBADMSG;
	for (; p < end; p++) {
		if (!isdigit((unsigned char)*p))
			return -EBADMSG;
		value = value * 10 + (uint64_t)(*p - '0');
	}
	if (*ret_length != HTTP_UNTIL_CLOSE && *ret_length != value)
		return -EBADMSG;
	*ret_length = value;
	return 0;
}

static bool is_close(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	while (end > p && end[-1] == ' ')
		end--;
	return end - p == 5 && !strncasecmp(p, "close", 5);
}

static int parse_header(const char *line, const char *end, struct http_head *head)
{
	size_t len = (size_t)(end - line);

	switch (*line | 0x20) { /* most lines are told by their first letter */
	case 'c':
		if (is_header(line, len, "content-length", 14))
			return parse_length(line + 15, end, &head->length);
		if (is_header(line, len, "connection", 10))
			head->close = is_close(line + 11, end);
		return 0;
	case 't':
		return is_header(line, len, "transfer-encoding", 17) ? -EOPNOTSUPP : 0;
	default:
		return 0;
	}
}

/* The headers between the first line and the blank one. */
static int parse_headers(const char *at, const char *end, struct http_head *head)
{
	const char *eol;
	int err;

	for (; at < end - 2; at = eol + 1) {
		eol = memchr(at, '\n', (size_t)(end - at));
		if (!eol || eol == at || eol[-1] != '\r')
			return -EBADMSG;
		err = parse_header(at, eol - 1, head);
		if (err)
			return err;
	}
	return 0;
}

static int parse_reply(const uint8_t *p, uint32_t len, struct http_head *ret_head)
{
	const char *s = (const char *)p, *eol = memchr(p, '\n', len);
	int err;

	ret_head->length = HTTP_UNTIL_CLOSE;
	ret_head->close = false;
	if (eol - s < 13 || memcmp(s, "HTTP/1.", 7) || s[8] != ' ' || !isdigit(p[9]) ||
	    !isdigit(p[10]) || !isdigit(p[11]) || (s[12] != ' ' && s[12] != '\r'))
		return -EBADMSG;
	ret_head->status = (uint32_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
	if (ret_head->status < 200)
		return -EBADMSG;
	err = parse_headers(eol + 1, s + len, ret_head);
	if (!err && (ret_head->status == 204 || ret_head->status == 304))
		ret_head->length = 0;
	return err;
}

static int build_request(struct lg *lg, const char *connection)
{
	char text[2048], peer[INET_ADDRSTRLEN];
	const char *host = lg->conf.host;
	int n;

	if (!host)
		host = inet_ntop(AF_INET, &lg->conf.peer_be, peer, sizeof(peer));
	n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", lg->conf.path,
		     host, connection);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EMSGSIZE;
	return tcp_pattern(lg, text, (uint64_t)n);
}

static int client_init(struct lg *lg)
{
	return build_request(lg, "");
}

static int close_init(struct lg *lg)
{
	return build_request(lg, lg->conf.client_close ? "" : "Connection: close\r\n");
}

static void client_open(struct lg *lg, struct lg_conn *c)
{
	app_batch(lg, c);
}

/* The latency of a fresh connection's request runs from its SYN. */
static void close_open(struct lg *lg, struct lg_conn *c)
{
	uint64_t t0 = c->app.t0;

	app_batch(lg, c);
	c->app.t0 = t0;
	c->app.last = true;
}

static void reply_done(struct lg *lg, struct lg_conn *c)
{
	c->app.step = HTTP_HEAD;
	app_reply(lg, c);
	if (c->app.last && lg->conf.client_close)
		tcp_close(lg, c);
}

static void reply_head(struct lg *lg, struct lg_conn *c, const uint8_t *p, uint32_t len)
{
	struct http_head head;

	if (c->app.in_flight == 0 || parse_reply(p, len, &head) ||
	    (head.length == HTTP_UNTIL_CLOSE && !head.close && !c->app.last)) {
		app_bad_reply(lg, c);
		return;
	}
	if (head.status >= 300)
		lg->stats.ctr[CTR_BAD_STATUS]++;
	c->app.last |= head.close;
	c->app.body_left = head.length;
	c->app.step = HTTP_BODY;
	if (head.length == 0)
		reply_done(lg, c);
}

static void client_data(struct lg *lg, struct lg_conn *c, const uint8_t *data, uint32_t len)
{
	const uint8_t *head;
	uint32_t take;
	int n;

	while (len && c->state == TCP_OPEN) {
		if (c->app.step == HTTP_HEAD) {
			n = app_gather(lg, c, &data, &len, head_end, &head);
			if (n < 0)
				app_bad_reply(lg, c);
			else if (n > 0)
				reply_head(lg, c, head, (uint32_t)n);
			continue;
		}
		take = (uint32_t)RTE_MIN(c->app.body_left, (uint64_t)len);
		data += take;
		len -= take;
		if (c->app.body_left == HTTP_UNTIL_CLOSE)
			continue;
		c->app.body_left -= take;
		if (c->app.body_left == 0)
			reply_done(lg, c);
	}
}

static void client_fin(struct lg *lg, struct lg_conn *c)
{
	if (c->app.step == HTTP_BODY && c->app.body_left == HTTP_UNTIL_CLOSE)
		reply_done(lg, c);
	app_client_fin(lg, c);
}

const struct lg_app http_client = {
	.init = client_init,
	.open = client_open,
	.data = client_data,
	.fin = client_fin,
	.gone = app_client_gone,
};

const struct lg_app http_close_client = {
	.init = close_init,
	.open = close_open,
	.data = client_data,
	.fin = client_fin,
	.gone = app_client_gone,
};

static int server_init(struct lg *lg)
{
	uint64_t size = lg->conf.size;
	char head[256];
	char *text;
	int n, err;

	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 200 OK\r\nServer: loadgen\r\n"
		     "Content-Type: application/octet-stream\r\n"
		     "Content-Length: %llu\r\n\r\n", (unsigned long long)size);
	text = malloc((size_t)n + size);
	if (!text)
		return -ENOMEM;
	memcpy(text, head, (size_t)n);
	memset(text + n, 'x', size);
	err = tcp_pattern(lg, text, (uint64_t)n + size);
	free(text);
	return err;
}

static void server_data(struct lg *lg, struct lg_conn *c, const uint8_t *data, uint32_t len)
{
	struct http_head head;
	const uint8_t *p;
	const char *first;
	int n;

	while (len && c->state == TCP_OPEN && !c->fin_wanted) {
		n = app_gather(lg, c, &data, &len, head_end, &p);
		if (n == 0)
			return;
		first = n > 0 ? memchr(p, '\n', (size_t)n) : NULL;
		head.length = HTTP_UNTIL_CLOSE;
		head.close = false;
		if (n < 0 || memcmp(p, "GET ", 4) ||
		    parse_headers(first + 1, (const char *)p + n, &head)) {
			app_bad_reply(lg, c);
			return;
		}
		lg->stats.ctr[CTR_REQUESTS]++;
		tcp_queue(lg, c, lg->tcp.pattern_len);
		if (head.close)
			tcp_close(lg, c);
	}
}

const struct lg_app http_server = {
	.init = server_init,
	.open = app_server_open,
	.data = server_data,
	.fin = app_server_fin,
	.gone = app_server_gone,
};
