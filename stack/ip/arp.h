/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp.h - the neighbour table: link addresses of on-link hosts of either family, with the states of
 * RFC 4861 7.3.2
 *
 * INCOMPLETE asks up to three times, a second apart, while packets wait; REACHABLE ages to STALE
 * after 30 s; a STALE entry that is used becomes PROBE, which waits 5 s for upper layers to confirm
 * and then asks by unicast three times. FAILED remembers nothing and starts over at the next
 * packet.
 */
#ifndef S7_STACK_ARP_H
#define S7_STACK_ARP_H

#include "stack/ip/ip.h"

#define NEIGH_MAX 1024
#define NEIGH_BUCKETS 1024
#define NEIGH_QUEUE 64
#define NEIGH_TRIES 3
#define NEIGH_RETRY S7_SEC
#define NEIGH_DELAY (5 * S7_SEC)
#define NEIGH_REACHABLE (30 * S7_SEC)
#define NEIGH_LOCK S7_SEC /* hearsay does not change an entry again sooner than this */

enum neigh_state {
	NEIGH_S_NONE, /* known by name only: no packet wanted it yet */
	NEIGH_S_INCOMPLETE,
	NEIGH_S_REACHABLE,
	NEIGH_S_STALE,
	NEIGH_S_PROBE,
	NEIGH_S_FAILED,
	NEIGH_S_COUNT
};

/* How a neighbour is asked: ARP (RFC 826) or neighbour discovery (RFC 4861). */
enum neigh_lang { NEIGH_ARP, NEIGH_ND, NEIGH_LANG_COUNT };

struct s7_neigh {
	struct s7_neigh *next; /* in the bucket */
	uint32_t generation;   /* changes when the entry is recycled: old dsts are stale */
	uint8_t state;	       /* enum neigh_state */
	uint8_t tries;
	uint8_t iface;
	uint8_t linked;
	s7_time confirmed; /* the neighbour answered */
	s7_time changed;   /* its link address or its state were told by a packet */
	uint8_t mac[6];
	uint8_t queued;
	uint8_t lang; /* enum neigh_lang */
	uint16_t ether_type;
	struct s7_ip ip;
	struct s7_timer timer;
	struct s7_pkt *queue[NEIGH_QUEUE]; /* packets that start at their IP header; never linked by
					      `next` */
};

struct s7_neigh_table {
	struct s7_slab slab;
	struct s7_timer duplicates; /* nd.c: addresses are being checked */
	uint32_t hand; /* where the search for a victim goes on */
	struct s7_neigh *bucket[NEIGH_BUCKETS];
};

int neigh_init(struct s7_inst *inst);
struct s7_neigh *neigh_find(struct s7_inst *inst, const struct s7_iface *iface,
			    const struct s7_ip *ip);
/* Finds or makes; NULL when the table is full of unresolved ones. Sends nothing. */
struct s7_neigh *neigh_get(struct s7_inst *inst, const struct s7_iface *iface,
			   const struct s7_ip *ip);

/* Sends a packet that starts at its IP header to the neighbour, now or when its address is known.
 * Consumes it. */
void neigh_output(struct s7_inst *inst, struct s7_neigh *neigh, struct s7_pkt *pkt);

/* How many packets wait for neighbours that have not answered yet. Walks the table. */
uint32_t neigh_waiting(const struct s7_inst *inst);

/* Upper layers saw an answer from it (MSG_CONFIRM, an ACK of new data): no probe needed for 30 s.
 */
void neigh_confirm(struct s7_inst *inst, struct s7_neigh *neigh);

/* The entry was changed less than NEIGH_LOCK ago: replies and foreign requests do not change it. */
bool neigh_locked(const struct s7_inst *inst, const struct s7_neigh *neigh);

/* A packet told its link address; `solicited`: it answers what we asked. */
void neigh_update(struct s7_inst *inst, struct s7_neigh *neigh, const uint8_t *mac, bool solicited);

/* A neighbour advertisement (RFC 4861 7.2.5); mac NULL: it told no link address. */
void neigh_advertised(struct s7_inst *inst, struct s7_neigh *neigh, const uint8_t *mac,
		      bool solicited, bool override);

/* Prepends the Ethernet header for `mac` and stages. */
void eth_output(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt,
		const uint8_t *mac, uint16_t type);

/* arp.c. Data at the ARP packet; consumes. */
void arp_input(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt);
/* Who has neigh->ip? Broadcast, or to the known address when `unicast`. */
void arp_ask(struct s7_inst *inst, const struct s7_neigh *neigh, bool unicast);

#endif
