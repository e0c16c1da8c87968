/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lg.h - the load generator's words: configuration, the one object everything hangs from
 *
 * loadgen is one thread polling one DPDK port. It shares no code with sock7's stack on purpose: a
 * fault of the stack must not be mirrored by the program that measures it. Time is the TSC; ticks
 * everywhere inside, microseconds only in reports. Addresses and ports are in network order where
 * the name ends in _be.
 */
#ifndef LG_H
#define LG_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"
#include "port.h"
#include "stats.h"
#include "tcp.h"
#include "udp.h"

#define LG_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* What the command line says; filled by opts_parse() from the table in opts.c. */
struct lg_conf {
	const char *dev;
	const char *mode;
	const char *path;
	const char *host;
	const char *key;
	const char *cpu_of; /* pid[,pid...] whose CPU time is reported */
	uint32_t ip_be, mask_be, peer_be, gw_be;
	uint8_t mac[6];
	bool have_mac;
	uint64_t port, conns, pipeline, size, mtu, window, requests;
	uint64_t port_lo, port_hi, rto_ms, max_connecting, loss_permille;
	uint64_t seconds, warmup, wait; /* milliseconds */
	int64_t core;			/* -1: not pinned */
	bool json, huge, respond, trust_csum, yield, client_close;
};

struct lg;

/*
 * One mode, seen from one side. All callbacks run inside the poll loop; they may call tcp_queue(),
 * tcp_close() and tcp_abort() on the connection they are given.
 */
struct lg_app {
	/* Builds the transmit pattern and the mode's private state. 0 or -errno. */
	int (*init)(struct lg *lg);
	/* Starts the traffic once the peer's MAC is known (datagram modes). NULL: connect. */
	void (*start)(struct lg *lg);
	void (*open)(struct lg *lg, struct lg_conn *c);
	void (*data)(struct lg *lg, struct lg_conn *c, const uint8_t *data, uint32_t len);
	/* The peer sent FIN. */
	void (*fin)(struct lg *lg, struct lg_conn *c);
	/* The connection is over: 0 closed by both, else -ECONNREFUSED, -ECONNRESET... */
	void (*gone)(struct lg *lg, struct lg_conn *c, int why);
	void (*datagram)(struct lg *lg, const struct lg_dgram *dgram);
	/* Looked at about every millisecond (datagram modes: timeouts). */
	void (*tick)(struct lg *lg);
};

/* A row of the table of modes (main.c). */
struct lg_mode {
	const char *name;
	const struct lg_app *client, *server;
	bool pipelines; /* --pipeline means something */
	bool bulk;	/* no requests: bytes are the result */
	bool datagrams; /* nothing connects */
	bool sizes;	/* --size means something to the client, too */
};

struct lg {
	struct lg_conf conf;
	const struct lg_mode *mode;
	const struct lg_app *app;
	struct lg_port port;
	struct lg_net net;
	struct lg_tcp tcp;
	struct lg_udp udp;
	struct lg_stats stats;
	uint64_t now; /* TSC, read once a burst */
	uint64_t hz;
	bool stopping; /* no new requests, no new connections */
};

extern const struct lg_app http_client, http_close_client, http_server;
extern const struct lg_app redis_get_client, redis_set_client, redis_get_server, redis_set_server;
extern const struct lg_app rr_client, rr_server;
extern const struct lg_app bulk_rx_client, bulk_tx_client, bulk_rx_server, bulk_tx_server;
extern const struct lg_app udp_client, udp_server;

/* Parses argv into conf. 0, 1 after --help, -EINVAL after saying what is wrong. */
int opts_parse(int argc, char **argv, struct lg_conf *conf);

static inline uint64_t lg_ms(const struct lg *lg, uint64_t ms)
{
	return lg->hz / 1000 * ms;
}

#endif
