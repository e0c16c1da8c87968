/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mini.h - one instance on a bed (bed.h): devices that record what was sent, a clock that only the
 * test moves
 */
#ifndef S7_MINI_H
#define S7_MINI_H

#include "stack/core/sk.h"
#include "stack/ip/ip.h"
#include "test/support/bed.h"

#define MINI_PKTS 4096
#define MINI_SENT 512
#define MINI_US "10.0.0.1"
#define MINI_PEER "10.0.0.2"

struct mini_frame {
	uint32_t len;
	uint16_t flags;
	uint8_t data[2048 * 2];
};

struct mini {
	struct s7_inst *inst;
	struct s7_arena *arena;
	struct s7_env env;
	struct test_bed bed;
	uint32_t sent_count;
	struct mini_frame sent[MINI_SENT]; /* frames of all devices, oldest first */
};

extern const uint8_t mini_mac_us[6], mini_mac_peer[6];

/* An instance with lo and, when flags has IFACE_UP, one interface "m0" 10.0.0.1/24, MTU 1500,
 * default route via 10.0.0.254. */
struct mini *mini_new(uint32_t iface_flags, bool loopback_stack);
/* Checks that every buffer came back (closing sockets is the caller's) and frees. Returns buffers
 * missing. */
uint32_t mini_free(struct mini *m);

/* Feeds one frame by m0; the instance is driven and flushed. */
void mini_in(struct mini *m, const void *frame, uint32_t len);
/* Moves the clock forward in steps of a tick or more, driving. */
void mini_wait(struct mini *m, s7_time ns);

/* An IPv4 packet to build. */
struct mini_ip {
	const char *src, *dst; /* NULL: peer, us */
	uint8_t proto;
	uint16_t id, off; /* off in bytes */
	bool mf;
	const void *data;
	uint32_t len;
};

/* Ethernet frame from the peer's MAC to ours. Returns its length. */
uint32_t mini_frame_ip(uint8_t *frame, const struct mini_ip *ip);
/* UDP header and payload with a right checksum. Returns the datagram's length. */
uint32_t mini_udp(uint8_t *p, const char *src, const char *dst, uint16_t sport, uint16_t dport,
		  const void *data, uint32_t len);
/* Builds and feeds a datagram from the peer. */
void mini_in_udp(struct mini *m, uint16_t sport, uint16_t dport, const void *data, uint32_t len);
/* The peer's ARP packet. */
void mini_in_arp(struct mini *m, uint16_t op, const char *sender_ip, const char *target_ip);
void mini_in_arp_from(struct mini *m, uint16_t op, const uint8_t *mac, const char *sender_ip,
		      const char *target_ip);
/* Lets the instance know the peer's address, so that nothing waits for ARP. */
void mini_know_peer(struct mini *m);

static inline struct s7_ip mini_addr(const char *text)
{
	return ip_from_v4(inet_addr(text));
}

#endif
