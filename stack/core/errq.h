/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errq.h - the error queue of a socket (recvmsg with MSG_ERRQUEUE)
 *
 * An entry is a packet: its data is what the program gets as payload, and struct s7_errq_entry lies
 * in the headroom, at the start of the buffer. So entries need no memory of their own, and what a
 * socket queues is bounded by its SO_RCVBUF together with what it received, as in Linux.
 * Context: instance lock.
 */
#ifndef S7_ERRQ_H
#define S7_ERRQ_H

#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "stack/core/sk.h"
#include "stack/wire/ip4_opts.h"

enum s7_errq_flags {
	ERRQ_NAME = 1 << 0,	/* msg_name tells `name` and `port` */
	ERRQ_OFFENDER = 1 << 1, /* ... and the offender is known, with local, ttl and tos */
	ERRQ_STAMP = 1 << 2,	/* `at` is a time stamp to be told */
	ERRQ_V6 = 1 << 3,	/* the packet was IPv6 */
};

struct s7_errq_entry {
	struct sock_extended_err ee;
	struct s7_ip name;	/* where the datagram went to */
	struct s7_ip offender;	/* who told; time stamps: who sent */
	struct s7_ip local;	/* to whom that was told; time stamps: where the packet went */
	s7_time at;		/* when it came */
	uint32_t truesize;	/* charged against rcvbuf */
	uint16_t port;
	uint8_t flags;		/* enum s7_errq_flags */
	uint8_t iface;
	uint8_t ttl, tos;
	uint16_t frag_max;	/* of the packet that told, as struct s7_rx has it */
	/*
	 * Its IPv6 headers up to the transport's, or its struct s7_ip4_opts, in a packet of their
	 * own; NULL: not asked for
	 */
	struct s7_pkt *head;
};

/* A time stamp's payload begins with the link header, which may have to be pushed there. */
static_assert(sizeof(struct s7_errq_entry) <= S7_PKT_HEADROOM - 16, "entry lies in the headroom");

struct s7_errq {
	struct s7_pkt *head, *tail; /* by pkt->next */
	uint32_t bytes;		    /* truesize of all */
	uint32_t count;
};

#define HEAD6_MAX 255 /* what pkt->l3_len can say */

/* What few received messages have beside them; the caller clears what stands before `entry`. */
struct s7_msg_more {
	bool is_error; /* `entry` is what MSG_ERRQUEUE took */
	uint32_t mark, priority; /* SO_RCVMARK, SO_RCVPRIORITY */
	uint32_t inq;		 /* TCP_INQ */
	uint16_t gro;  /* UDP_GRO: datagrams of this size were joined, 0: it is one */
	uint16_t frag_max; /* IP_RECVFRAGSIZE, IPV6_RECVFRAGSIZE, 0: it came whole */
	uint16_t head_len; /* of `head`; 0: not asked for */
	uint32_t path_mtu; /* IPV6_RECVPATHMTU: no datagram, but this; 0: a datagram */
	bool has_opts; /* IPv4 options came with it: ip_opts */
	struct s7_errq_entry entry;
	struct s7_ip4_opts ip_opts;
	uint8_t head[HEAD6_MAX]; /* the IPv6 header and what followed it, up to the transport's */
};

static inline struct s7_errq_entry *errq_entry(struct s7_pkt *pkt)
{
	return (struct s7_errq_entry *)(void *)pkt->buf;
}

/*
 * Queues an entry with `pkt` as its payload (consumed in every case, and entry->head; NULL: none)
 * and wakes who waits for errors. The socket has sk->ext. 0, -ENOMEM (rcvbuf is full,
 * DROP_ERRQ_FULL), -ENOBUFS.
 */
int errq_push(struct s7_sock *sk, struct s7_pkt *pkt, const struct s7_errq_entry *entry);

/* An error found out here (EMSGSIZE): for sockets that want to hear. Nothing happens otherwise. */
void errq_local(struct s7_sock *sk, int err, const struct s7_ip *to, uint16_t port, uint32_t info);

/*
 * The oldest entry: copies payload to the program, ret_more->entry and what stands before it tell
 * the rest. Bytes copied, or
 * -EAGAIN, -EFAULT. MSG_PEEK does not keep it, as in Linux. The next ICMP error becomes SO_ERROR.
 */
ssize_t errq_recv(struct s7_sock *sk, struct s7_msg *msg, struct s7_msg_more *ret_more);

/* Newer than the headers of Debian 12. */
#define SOF_TIMESTAMPING_OPT_ID_TCP_ (1u << 16)
#define SOF_TIMESTAMPING_OPT_RX_FILTER_ (1u << 17)
#define SOF_TIMESTAMPING_MASK_ ((1u << 19) - 1)

/* ---- time stamps of what is sent (stamp.c) ---- */

enum s7_stamp_flags { STAMP_SCHED = 1, STAMP_SOFTWARE = 2, STAMP_ACK = 4 };

#define STAMP_TX \
	((uint32_t)(SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | \
		    SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_TX_HARDWARE | 1u << 18))

/* `stamp` shall be told to sk; tsflags: SOF_TIMESTAMPING_*. False: nothing that we could tell. */
bool stamp_fill(struct s7_sock *sk, struct s7_pkt_stamp *stamp, uint32_t tsflags, uint32_t key);
/* The packet, PKT_TX_STAMP, is given to a device: tells who wanted to know. Link header first. */
void stamp_sent(struct s7_inst *inst, const struct s7_iface *iface, const struct s7_pkt *pkt);
/* The peer has it. `payload` is copied. */
void stamp_acked(struct s7_inst *inst, const struct s7_pkt_stamp *stamp,
		 const struct s7_pkt *payload);
/* A send with MSG_ZEROCOPY is done: its bytes were copied, the program may have its buffer back. */
void errq_zerocopy(struct s7_sock *sk);
/* Those below number `next` are complete; consecutive numbers become one entry. */
void errq_zerocopy_done(struct s7_sock *sk, uint32_t next);

void errq_purge(struct s7_inst *inst, struct s7_errq *queue);

/* Does the socket want to hear of errors about this family's packets? */
bool errq_wanted(const struct s7_sock *sk, bool v6);

#endif
