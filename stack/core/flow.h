/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow.h - connections by 4-tuple, and bound ports
 *
 * Flow table: chained hash, seeded by the instance's secret so that a peer cannot aim at one
 * bucket. An entry is embedded in what it identifies; `kind` says in what. Port table: listeners
 * and bound datagram sockets by (protocol, port). Ports in host order. Context: instance lock.
 */
#ifndef S7_FLOW_H
#define S7_FLOW_H

#include "stack/base/arena.h"
#include "stack/base/list.h"
#include "stack/core/ip.h"

enum s7_flow_kind { FLOW_TCP, FLOW_TCP_REQ, FLOW_TCP_TW, FLOW_UDP, FLOW_RAW };

struct s7_flow {
	struct s7_flow *next; /* in the bucket */
	struct s7_ip local, remote;
	uint16_t lport, rport;
	uint8_t proto; /* IPPROTO_* */
	uint8_t kind;  /* enum s7_flow_kind */
	uint8_t linked;
	uint8_t iface; /* by which it entered or leaves */
	uint32_t hash;
	uint32_t pad;
};

struct s7_flow_table {
	struct s7_flow **bucket;
	uint32_t mask;
	uint32_t count;
	uint64_t key[2];
};

int flow_table_init(struct s7_flow_table *table, struct s7_arena *arena, uint32_t flows,
		    const uint64_t key[2]);
uint32_t flow_hash(const struct s7_flow_table *table, uint8_t proto, const struct s7_ip *local,
		   uint16_t lport, const struct s7_ip *remote, uint16_t rport);
/* 0, or -EADDRINUSE when the tuple exists. Addresses, ports and proto are set by the caller. */
int flow_insert(struct s7_flow_table *table, struct s7_flow *flow);
/*
 * Puts `with` in the place of `flow` (same tuple): a request becomes a connection, that becomes
 * TIME_WAIT.
 */
void flow_replace(struct s7_flow_table *table, struct s7_flow *flow, struct s7_flow *with);
void flow_remove(struct s7_flow_table *table, struct s7_flow *flow);
/* Who changed the table died in the middle: counts anew, and shows what is in it. */
void flow_mend(struct s7_flow_table *table, void (*seen)(void *ctx, struct s7_flow *flow),
	       void *ctx);
struct s7_flow *flow_find(const struct s7_flow_table *table, uint8_t proto,
			  const struct s7_ip *local, uint16_t lport, const struct s7_ip *remote,
			  uint16_t rport);

/*
 * A packet of these ends is about to come. flow_ahead has its bucket fetched, flow_fetch, a packet
 * or two later, what the bucket leads to: the entry, and as a rule the connection that it lies in.
 */
static inline uint32_t flow_ahead(const struct s7_flow_table *table, uint32_t hash)
{
	__builtin_prefetch(&table->bucket[hash & table->mask]);
	return hash;
}

void flow_fetch(const struct s7_flow_table *table, uint32_t hash);

struct s7_sock;
struct s7_filter;

/* A bound port: embedded in s7_sock. */
struct s7_bind {
	struct s7_bind *next, **link; /* link: what points here, while in the table */
	struct s7_ip ip; /* any: ::ffff:0.0.0.0 for AF_INET, :: for AF_INET6 */
	uint16_t port;
	uint8_t proto;
	uint8_t linked;
	bool v6only;
	bool reuseaddr, reuseport;
	bool listening; /* TCP: may match a SYN */
	bool grouped;	/* in a group of SO_REUSEPORT, number `slot` of it */
	uint32_t slot;
	uint32_t iface; /* SO_BINDTODEVICE: index + 1, 0 = any */
	uint32_t uid;	/* effective user at bind, for SO_REUSEPORT */
	int32_t cpu;	/* SO_INCOMING_CPU: of a group this one is for packets there; -1 any */
	/* of slot 0: which of the group gets a packet; NULL: the hash says */
	struct s7_filter *steer;
	/* in a BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: the kernel's number of the map, 0 none; where */
	uint32_t array, array_at;
};

#define PORT_BUCKETS 4096

struct s7_port_table {
	int32_t cpu; /* that the packets in hand came in by */
	struct s7_bind **bucket; /* [PORT_BUCKETS] */
	uint32_t count;
	/* of SO_REUSEPORT, or NULL: the last that was inserted, the last that joined its group */
	struct s7_bind *newest, *joined;
};

int port_table_init(struct s7_port_table *table, struct s7_arena *arena);
/* Linux's conflict rules (SO_REUSEADDR, SO_REUSEPORT, wildcard, v4-mapped). 0 or -EADDRINUSE. */
int port_insert(struct s7_port_table *table, struct s7_bind *bind);
void port_remove(struct s7_port_table *table, struct s7_bind *bind);
/* An entry's reuseaddr, reuseport or listening is another than before. */
void port_changed(struct s7_port_table *table, const struct s7_bind *bind);
/* An entry's device is another than before. */
void port_moved(struct s7_port_table *table);
/* Whether it would be in conflict with another if it had no SO_REUSEPORT. */
bool port_is_shared(const struct s7_port_table *table, const struct s7_bind *bind);

/*
 * Groups of SO_REUSEPORT: all of one address, port and device, numbered as they came. Who leaves
 * (port_remove does) is replaced by the last one, with what slot 0 holds.
 */
void port_join(struct s7_port_table *table, struct s7_bind *bind);
void port_leave(struct s7_port_table *table, struct s7_bind *bind);
/* How many are in the group of `bind`, itself included if it is. */
uint32_t port_members(const struct s7_port_table *table, const struct s7_bind *bind);
/* Number `slot` of the group that `bind` is in, or NULL. */
struct s7_bind *port_member(const struct s7_port_table *table, const struct s7_bind *bind,
			    uint32_t slot);
/* The one of them that is entry `at` of a map of sockets, or NULL. */
struct s7_bind *port_member_of_array(const struct s7_port_table *table, const struct s7_bind *bind,
				     uint32_t array, uint32_t at);
/* As flow_mend. */
void port_mend(struct s7_port_table *table);
/*
 * The best match for a packet to (ip, port) by interface `iface` (0-based): exact address over
 * wildcard, bound device over none, IPv4 wildcard over dual-stack wildcard; among SO_REUSEPORT
 * equals, `hash` chooses.
 */
struct s7_bind *port_find(const struct s7_port_table *table, uint8_t proto, const struct s7_ip *ip,
			  uint16_t port, uint32_t iface, uint32_t hash);
/* Whether anybody here is bound to the port at any address. */
bool port_in_use(const struct s7_port_table *table, uint8_t proto, uint16_t port);

#endif
