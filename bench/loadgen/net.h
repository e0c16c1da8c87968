/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net.h - Ethernet, ARP, IPv4, ICMP echo and checksums, for one peer
 */
#ifndef LG_NET_H
#define LG_NET_H

#include <netinet/ip.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NET_ETH_LEN 14
#define NET_HDR_LEN 34 /* Ethernet and IPv4 without options */
#define NET_SCRATCH 65536

struct lg;

struct lg_net {
	uint8_t peer_mac[6];
	bool peer_known;
	uint64_t arp_next;	   /* when to ask again */
	uint32_t ip_be, peer_be;   /* our address, the one we talk to */
	uint32_t hop_be;	   /* whose MAC that needs: the peer or the gateway */
	uint8_t hdr[NET_HDR_LEN];  /* Ethernet and IPv4 header of every frame to the peer */
	uint32_t hdr_sum;	   /* checksum of that IPv4 header without length and protocol */
	uint32_t pseudo_sum;	   /* both addresses */
	uint8_t *scratch;	   /* a frame that came in several buffers */
	uint32_t loss_state;	   /* --loss: generator state */
};

int net_init(struct lg *lg);

/* Asks for the next hop's MAC, at most every 50 ms, until it is known. */
void net_resolve(struct lg *lg);

/* Takes a received frame, hands its content up. The frame stays the caller's. */
void net_input(struct lg *lg, struct rte_mbuf *m);

/*
 * A frame to the peer with l4_len bytes behind the IPv4 header, headers up to IPv4 filled in.
 * NULL without a buffer or room in the port's queue. *ret_l4 is where the transport writes.
 */
struct rte_mbuf *net_frame(struct lg *lg, uint8_t proto, uint32_t l4_len, uint8_t **ret_l4);

/*
 * Writes the transport checksum at sum_off of the l4 header (or leaves it to the device), queues
 * the frame.
 */
void net_send(struct lg *lg, struct rte_mbuf *m, uint8_t proto, uint8_t *l4, uint32_t l4_len,
	      uint32_t sum_off);

/* Adds len bytes to a running ones' complement sum. */
uint64_t net_sum(const void *data, uint32_t len, uint64_t sum);

static inline uint16_t net_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint16_t load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

static inline void store16(uint8_t *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, 2);
}

static inline void store32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

#endif
