/* SPDX-License-Identifier: BSD-3-Clause */
/* router.h - what routers on the link say (RFC 4861 6.3, RFC 4862 5.5). Context: instance lock. */
#ifndef S7_ROUTER_H
#define S7_ROUTER_H

#include "stack/ip/ip.h"

#define ROUTERS_MAX 8
#define ROUTER_PREFIXES 16 /* on link, of all interfaces */
#define ROUTER_ADDRS 16	   /* made of prefixes, of all interfaces */

/* Until a time, S7_NEVER: no end; 0: the entry is free. */
struct s7_router {
	struct s7_ip ip;
	s7_time until;
	uint8_t iface, preference;
};

struct s7_router_prefix {
	struct s7_ip prefix;
	s7_time until;
	uint8_t iface, len;
};

struct s7_router_addr {
	struct s7_ip ip;
	s7_time until, preferred_until;
	uint8_t iface;
};

struct s7_router_iface {
	bool on, heard; /* asked for; an advertisement came */
	uint8_t hops;
	uint32_t mtu;
	uint32_t wait_s; /* since the last solicitation */
	s7_time ask_at;
};

struct s7_router_table {
	struct s7_timer timer; /* of whatever is next */
	struct s7_router_iface iface[S7_IFACES_MAX];
	struct s7_router router[ROUTERS_MAX];
	struct s7_router_prefix prefix[ROUTER_PREFIXES];
	struct s7_router_addr addr[ROUTER_ADDRS];
};

int router_init(struct s7_inst *inst);

/* An advertisement, hop limit 255, data at its ICMPv6 header, `len` bytes of it. */
enum s7_drop router_advertised(struct s7_inst *inst, const struct s7_rx *rx, const uint8_t *p,
			       uint32_t len);

void router_timer(void *inst, struct s7_timer *timer, s7_time now);

/* A thread died here: routes and timer are made anew of what is noted. */
void router_mend(struct s7_inst *inst);

#endif
