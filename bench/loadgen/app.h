/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * app.h - what the request/reply modes over TCP have in common (app.c)
 *
 * A client sends a batch of --pipeline requests, waits for all of their replies, sends the next
 * batch: the closed loop of redis-benchmark -P. A reply's latency runs from the sending of its
 * batch.
 */
#ifndef LG_APP_H
#define LG_APP_H

#include "lg.h"

/* Sends a batch; the pattern is one request. */
void app_batch(struct lg *lg, struct lg_conn *c);
/* A reply is complete: counts it; the next batch after the last one. */
void app_reply(struct lg *lg, struct lg_conn *c);
/* FIN from the peer: closes our side, counts replies that will not come. */
void app_client_fin(struct lg *lg, struct lg_conn *c);
/* Connects again, later when the peer refused or did not answer. */
void app_client_gone(struct lg *lg, struct lg_conn *c, int why);
/* Ends the connection because what came is no reply; counts it. */
void app_bad_reply(struct lg *lg, struct lg_conn *c);

/*
 * Takes a piece that may come in several segments. find() says at which offset a piece that begins
 * at p ends, 0 if not within len. Returns the piece's length, with *data and *len moved behind it
 * and *ret_piece at its start; 0 when more must come (what is here is held); -EMSGSIZE when it
 * exceeds TCP_LINE.
 */
int app_gather(struct lg *lg, struct lg_conn *c, const uint8_t **data, uint32_t *len,
	       uint32_t (*find)(const uint8_t *p, uint32_t len), const uint8_t **ret_piece);

void app_server_open(struct lg *lg, struct lg_conn *c);
void app_server_fin(struct lg *lg, struct lg_conn *c);
void app_server_gone(struct lg *lg, struct lg_conn *c, int why);

#endif
