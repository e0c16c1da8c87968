/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * group.h - which multicast groups are wanted: by sockets, and so by interfaces
 *
 * Context: instance lock. For udp, stack/sock and the ways in and out of stack/ip.
 */
#ifndef S7_GROUP_H
#define S7_GROUP_H

#include "stack/core/ext.h"
#include "stack/ip/ip.h"

#define GROUP_SOURCES_MAX 64
#define GROUP_BUCKETS 256
#define GROUP_DEVICE_KERNEL UINT32_MAX /* as SOCK_DEVICE_KERNEL */

/*
 * A group on an interface, wanted by at least one socket or by the stack itself (or just left: the
 * report is repeated).
 */
struct s7_group {
	struct s7_group *next; /* in the bucket */
	struct s7_ip ip;
	uint8_t iface;
	uint8_t changes;      /* reports of a change still to be sent */
	bool asked;	      /* a router's query is to be answered */
	uint8_t own;	      /* addresses of ours whose solicited-node group it is */
	struct s7_list members; /* by peer */
	struct s7_timer timer;
};

/* What one socket wants of it. */
struct s7_group_member {
	struct s7_group_member *next; /* of the socket: ext->groups */
	struct s7_list peer;
	struct s7_group *group;
	struct s7_ip address; /* by which the program named the interface, all zero: otherwise */
	bool exclude;	      /* all sources but these; else these alone */
	uint8_t source_count;
	struct s7_ip source[GROUP_SOURCES_MAX];
};

static inline bool group_in_use(const struct s7_group *group)
{
	return group->own || !list_empty(&group->members);
}

struct s7_group_table {
	struct s7_slab groups, members;
	/* until when the versions of older routers are spoken */
	s7_time v1_until[S7_IFACES_MAX], v2_until[S7_IFACES_MAX], mld1_until[S7_IFACES_MAX];
	struct s7_group *bucket[GROUP_BUCKETS];
};

int group_init(struct s7_inst *inst);

/*
 * The interface that is meant, index + 1, or GROUP_DEVICE_KERNEL: by its number, else by an address
 * of it, else by the way to the group.
 */
uint32_t group_device(struct s7_inst *inst, uint32_t ifindex, const struct s7_ip *address,
		      const struct s7_ip *group);

/* What a call is about. */
struct group_call {
	struct s7_ip group, address;
	uint32_t device; /* index + 1 */
	bool exclude;
};

/* As Linux: -EADDRINUSE (is a member), -ENOBUFS (too many), ... */
int group_join(struct s7_sock *sk, const struct group_call *call);
/* any_device: the first membership that fits the address, or any. -EADDRNOTAVAIL. */
int group_leave(struct s7_sock *sk, const struct group_call *call, bool any_device);
int group_source(struct s7_sock *sk, const struct group_call *call, const struct s7_ip *source,
		 bool add);
int group_filter(struct s7_sock *sk, const struct group_call *call, const struct s7_ip *sources,
		 uint32_t count);
void group_leave_all(struct s7_sock *sk);

/* The stack itself wants it on the interface, or no longer: counted. */
void group_own(struct s7_inst *inst, uint8_t iface, const struct s7_ip *ip, bool on);

/* Does the interface receive the group (from this source; NULL: from anybody)? */
bool group_wanted(const struct s7_inst *inst, uint8_t iface, const struct s7_ip *ip,
		  const struct s7_ip *source);
/* Does the socket? One that is no member hears what others joined, unless IP_MULTICAST_ALL is 0. */
bool group_hears(const struct s7_sock *sk, uint8_t iface, const struct s7_ip *ip,
		 const struct s7_ip *source);

/* What the interface as a whole wants: mode and sources. Returns how many sources. */
uint32_t group_state(const struct s7_group *group, bool *ret_exclude,
		     struct s7_ip sources[GROUP_SOURCES_MAX]);

/* A thread died in the middle of a change: the lists are whole forward, the rest is made anew. */
void group_mend(struct s7_inst *inst);

/* ---- igmp.c ---- */
/* The state changed (or nobody wants it any more): tells routers, where that is ours to do. */
void group_changed(struct s7_inst *inst, struct s7_group *group);
void group_timer(void *inst, struct s7_timer *timer, s7_time now);
/* A router asks about a group, or all (NULL): answers within the time. */
void group_query(struct s7_inst *inst, const struct s7_iface *iface, const struct s7_ip *ip,
		 bool v4, s7_time within);

/* ---- mld.c ---- */
/* Is it ours to report? */
bool mld_reports(const struct s7_inst *inst, const struct s7_group *group);
void mld_report(struct s7_inst *inst, const struct s7_group *group, bool change);
/* Data at the ICMPv6 header; consumes. */
void mld_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);

/* group.c: nobody wants it and all is told. */
void group_free(struct s7_inst *inst, struct s7_group *group);
/* Data at the IGMP message; consumes. */
void igmp_input(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx);

#endif
