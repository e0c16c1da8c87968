/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ext.h - what few sockets have: the error queue, time stamps, and settings that are rarely made
 *
 * Hangs behind sk->ext and is made when the first such option is set, so that a plain socket pays
 * one pointer. sk->ext NULL means: every setting here is at its default. Bound: as many as sockets.
 * Context: instance lock.
 */
#ifndef S7_EXT_H
#define S7_EXT_H

#include "stack/core/errq.h"
#include "stack/core/hdrs6.h"
#include "stack/wire/ip4_opts.h"

enum s7_ext_bits {
	EXT_RFC4884 = 1 << 0,	  /* IP_RECVERR_RFC4884 */
	EXT_RFC4884_6 = 1 << 1,	  /* IPV6_RECVERR_RFC4884 */
	EXT_SELECT_ERR = 1 << 2,  /* SO_SELECT_ERR_QUEUE */
	EXT_STAMP_NEW = 1 << 3,	  /* SO_TIMESTAMPING_NEW, not _OLD */
	EXT_ZEROCOPY = 1 << 4,	  /* SO_ZEROCOPY */
	EXT_ORIGDST = 1 << 5,	  /* IP_RECVORIGDSTADDR */
	EXT_ORIGDST6 = 1 << 6,	  /* IPV6_RECVORIGDSTADDR */
	EXT_PASSSEC = 1 << 7,	  /* IP_PASSSEC */
	EXT_TRANSPARENT = 1 << 8, /* IP_TRANSPARENT, IPV6_TRANSPARENT */
	EXT_NO_PORT = 1 << 9,	  /* IP_BIND_ADDRESS_NO_PORT */
	EXT_ADDR_ONLY = 1 << 10,  /* ... and bound so: bind.ip is meant, no port yet */
	EXT_UDP_CORK = 1 << 11,	  /* UDP_CORK */
	EXT_UDP_GRO = 1 << 12,	  /* UDP_GRO */
	EXT_MC_NO_LOOP = 1 << 13, /* IP_MULTICAST_LOOP off */
	EXT_MC_NO_LOOP6 = 1 << 14,
	EXT_MC_NOT_ALL = 1 << 15, /* IP_MULTICAST_ALL off; on AF_INET6 sockets: on */
	EXT_MC_NOT_ALL6 = 1 << 16,
	EXT_RECVOPTS = 1 << 18, /* IP_RECVOPTS */
	EXT_RETOPTS = 1 << 19,	/* IP_RETOPTS */
	EXT_FRAGSIZE = 1 << 20,	    /* IP_RECVFRAGSIZE */
	EXT_NO_CHECK6_TX = 1 << 21, /* UDP_NO_CHECK6_TX */
	EXT_NO_CHECK6_RX = 1 << 22, /* UDP_NO_CHECK6_RX */
	EXT_TX_WAIT = 1 << 17, /* a datagram found its device full: in inst->tx_waiting */
};

#define EXT_MC_KERNEL 0xff /* an interface that only the kernel has */

/* IPV6_ADDR_PREFERENCES (RFC 5014), as in linux/in6.h, which libc's headers do not get on with. */
enum s7_source_prefs {
	SOURCE_TMP = 0x0001,
	SOURCE_PUBLIC = 0x0002,
	SOURCE_COA = 0x0004,
	SOURCE_CGA = 0x0008,
	SOURCE_PUBTMP_DEFAULT = 0x0100,
	SOURCE_HOME = 0x0400,
	SOURCE_NONCGA = 0x0800,
};

struct s7_group_member;

#define ZC_WAITS 16 /* groups of sends that complete apart */

struct s7_sk_ext {
	struct s7_errq errq;
	uint32_t bits;	  /* enum s7_ext_bits */
	uint32_t tsflags; /* SO_TIMESTAMPING: SOF_TIMESTAMPING_* */
	/* the next datagram's number; TCP: the sequence number that counts as 0 */
	uint32_t ts_key;
	/* sends with MSG_ZEROCOPY so far; those from zc_told on are not in the queue yet */
	uint32_t zc_next, zc_told;
	/* TCP: those below `next` are complete once `seq` is acknowledged; oldest first */
	struct s7_zc_wait {
		uint32_t seq, next;
	} zc_wait[ZC_WAITS];
	uint32_t zc_waits;
	uint16_t port_lo, port_hi;	/* IP_LOCAL_PORT_RANGE, 0: the host's */
	uint16_t udp_segment;		/* UDP_SEGMENT: bytes of a datagram, 0: not cut */
	uint8_t min_ttl, min_hops;	/* IP_MINTTL, IPV6_MINHOPCOUNT */
	uint8_t unicast_if, unicast_if6; /* IP_UNICAST_IF, IPV6_UNICAST_IF: index + 1, 0 none */
	uint8_t mc_if, mc_if6; /* IP_MULTICAST_IF, ...: index + 1, 0 none, EXT_MC_KERNEL */
	int32_t mc_ifindex6;   /* ... as the program said it */
	uint32_t mc_addr;      /* ... by this address, network order */
	struct s7_ip4_opts opts; /* IP_OPTIONS; len 0: none */
	struct s7_ip4_opts cork_opts; /* of the datagram under construction */
	uint32_t cork_final; /* ... where their source route ends */
	struct s7_list tx_wait;	  /* inst->tx_waiting, with EXT_TX_WAIT */
	struct s7_sock *tx_owner; /* ... whose this is */
	struct s7_group_member *groups; /* memberships, by next (stack/ip/group.h) */
	struct s7_hdrs6 *hdrs6;	   /* IPV6_HOPOPTS and kin, or NULL */
	struct s7_lease6 *leases6; /* IPV6_FLOWLABEL_MGR, by next */
	uint32_t flow_sent; /* sin6_flowinfo of connect(), network order */
	uint8_t source_prefs; /* IPV6_ADDR_PREFERENCES: enum s7_source_prefs */
	uint8_t big_iface;    /* IPV6_RECVPATHMTU: what was too long, by index + 1 ... */
	uint32_t big_mtu;     /* ... what would have fitted; 0: nothing to tell */
	struct s7_ip big_to;  /* ... and where it was to go */
	struct s7_pkt *heard; /* headers of a stream's packet, IPV6_2292PKTOPTIONS */
};

/* The socket's, made when it has none. NULL: none left (STAT_EXT_FULL counts it). */
struct s7_sk_ext *sk_ext(struct s7_sock *sk);
/* Lets go of it and of all that it holds. */
void sk_ext_free(struct s7_sock *sk);
/* A child by accept() has what its listener has set, with queues of its own. */
void sk_ext_inherit(struct s7_sock *child, const struct s7_sock *parent);
/* Sets or clears a bit. 0, -ENOBUFS. */
int sk_ext_bit(struct s7_sock *sk, uint32_t bit, bool on);

/*
 * The device by which the socket sends takes nothing more: it is not writable until sk_tx_room. 0,
 * -ENOBUFS (then nobody could tell it).
 */
int sk_tx_full(struct s7_sock *sk);
/* A device has room again: who waited for any looks again. */
void sk_tx_room(struct s7_inst *inst);

/* Carves the slab. 0, -ENOMEM. */
int ext_inst_init(struct s7_inst *inst);

static inline bool sk_ext_has(const struct s7_sock *sk, uint32_t bit)
{
	return s7_unlikely(sk->ext != NULL) && (sk->ext->bits & bit);
}

/* What the control messages of a send ask for, beside what struct s7_msg has. */
struct s7_msg_ask {
	uint32_t has;	  /* enum s7_ask_bits */
	uint32_t tsflags; /* the TX half of SO_TIMESTAMPING, for this packet */
	uint32_t ts_id;
	uint32_t mark, priority;
	uint64_t send_at; /* SCM_TXTIME */
	uint16_t segment; /* UDP_SEGMENT */
	struct s7_ip4_opts ip_opts; /* IP_RETOPTS */
	uint8_t ttl, tos; /* hop limit and traffic class too */
	bool dont_fragment;
	uint32_t flow;	/* IPV6_FLOWINFO, network order */
	struct s7_hdr6_at hdr[4]; /* ASK_HDRS, by enum s7_hdr6; memory of the program's */
};

enum s7_ask_bits {
	ASK_TSFLAGS = 1 << 0,
	ASK_TS_ID = 1 << 1,
	ASK_MARK = 1 << 2,
	ASK_PRIORITY = 1 << 3,
	ASK_TXTIME = 1 << 4,
	ASK_SEGMENT = 1 << 5,
	ASK_TOS = 1 << 6,
	ASK_TTL = 1 << 7,
	ASK_DONTFRAG = 1 << 8, /* IPv6: in place of IPV6_DONTFRAG */
	ASK_FLOW = 1 << 9,
	ASK_HDRS = 1 << 10, /* IPv6 extension headers, in place of the socket's */
	ASK_IP_OPTS = 1 << 11,
};

/* SOF_TIMESTAMPING_* that hold for this send. */
static inline uint32_t msg_tsflags(const struct s7_sock *sk, const struct s7_msg *msg)
{
	uint32_t tsflags = sk->ext ? sk->ext->tsflags : 0;

	if (msg->ask && msg->ask->has & ASK_TSFLAGS)
		tsflags = (tsflags & ~STAMP_TX) | msg->ask->tsflags;
	return tsflags;
}

/* A datagram that came at `at` is read: SIOCGSTAMP's time, unless control messages tell times. */
static inline void sk_stamp_read(struct s7_sock *sk, s7_time at)
{
	if (s7_likely(!(sk->more & SKM_STAMP_ASKED))) {
		sk->last_rx = sk->last_rx ? sk->last_rx : SK_STAMP_UNKNOWN;
		return;
	}
	if (sk->bits & (SKB_TIMESTAMP | SKB_TIMESTAMPNS))
		return;
	if (!sk->ext || !(sk->ext->tsflags &
			  (SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE)))
		sk->last_rx = at + (s7_time)sk->inst->env->host->realtime_offset();
}

/* What poll() tells of errors: one that waits in SO_ERROR, or something in the error queue. */
static inline uint32_t sk_error_events(const struct s7_sock *sk)
{
	if (s7_likely(!sk->err && (!sk->ext || !sk->ext->errq.head)))
		return 0;
	return EPOLLERR | (sk_ext_has(sk, EXT_SELECT_ERR) ? EPOLLPRI : 0);
}

#endif
