/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_end.h - one end of a tested link: a port, its pool, and frames that carry a kind and a
 * number
 */
#ifndef S7_PORT_END_H
#define S7_PORT_END_H

#include "dpdk_port/port.h"

#define END_POOL 16384
#define CHAIN_PART 600
#define CHAIN_PART_LONG 1900 /* more than a buffer of the link */

enum frame_kind { KIND_HELLO, KIND_READY, KIND_SMALL, KIND_CHAIN, KIND_SLEEP };

struct end {
	char name[64], why[400];
	double ms_eal, ms_pool, ms_port;
	struct s7_port *port;
	const struct s7_netdev_ops *ops;
	const struct s7_pool_ops *pool_ops;
	void *pool;
	struct s7_netdev_info info;
	uint32_t at_start; /* buffers available when the port had filled its rings */
	struct s7_pkt *pending[64];
	uint32_t pending_count;
	uint32_t part; /* bytes of each of the two buffers behind a chain's header */
};

s7_time end_now(void);
int end_open(struct end *end, enum conf_driver driver, const char *device, const char *devargs,
	     enum conf_hugepages hugepages);
bool end_sync(struct end *end, bool first, s7_time patience);
void end_send(struct end *end, enum frame_kind kind, uint32_t seq, uint32_t len);
void end_send_chain(struct end *end, uint32_t seq, struct s7_pkt *ret_held[2]);
void end_send_tso(struct end *end, uint32_t payload);
void end_release_held(struct end *end, struct s7_pkt *held[2]);
struct s7_pkt *end_recv(struct end *end, enum frame_kind kind, s7_time patience);
struct s7_pkt *end_recv_tcp(struct end *end, s7_time patience);
bool end_sleep_recv(struct end *end, enum frame_kind kind, uint32_t seq, int timeout_ms);
void end_free(struct end *end, struct s7_pkt *pkt);
void end_settle(struct end *end);
bool end_whole(struct end *end);
long end_lost(struct end *end);

uint32_t frame_seq(const struct s7_pkt *pkt);
bool frame_chain_ok(const struct s7_pkt *pkt, uint32_t part);
bool frame_tcp_ok(const struct s7_pkt *pkt, uint32_t payload_at);

#endif
