/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sk.h - what every socket has, whatever its protocol; and the table of protocols
 *
 * A protocol's socket struct begins with s7_sock (struct s7_tcp_sock, struct s7_udp_sock, ...).
 * Everything here is non-blocking: a call that would wait returns -EAGAIN; waiting is shim's.
 * Context: inst->lock for all of it, except file.refs and file.status.
 */
#ifndef S7_SK_H
#define S7_SK_H

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "stack/core/file.h"
#include "stack/core/inst.h"

struct s7_sk_ext; /* stack/core/ext.h */
struct s7_filter; /* stack/bpf/filter.h */

enum s7_proto { PROTO_TCP, PROTO_UDP, PROTO_RAW, PROTO_PING, PROTO_PACKET, PROTO_COUNT };

enum s7_sk_shut { SK_SHUT_RD = 1, SK_SHUT_WR = 2 };

enum s7_sk_bits {
	SKB_REUSEADDR = 1 << 0,
	SKB_REUSEPORT = 1 << 1,
	SKB_KEEPALIVE = 1 << 2,
	SKB_OOBINLINE = 1 << 3,
	SKB_BROADCAST = 1 << 4,
	SKB_DONTROUTE = 1 << 5,
	SKB_TIMESTAMP = 1 << 6,
	SKB_TIMESTAMPNS = 1 << 7,
	SKB_RXQ_OVFL = 1 << 8,
	SKB_LINGER = 1 << 9,
	SKB_V6ONLY = 1 << 10,
	SKB_RCVBUF_LOCK = 1 << 11, /* set by the program: no autotuning */
	SKB_SNDBUF_LOCK = 1 << 12,
	SKB_FREEBIND = 1 << 13,
	SKB_PKTINFO = 1 << 14,
	SKB_FED = 1 << 15, /* the kernel's half of a packet socket feeds its ring */
	SKB_RECVTTL = 1 << 16,
	SKB_RECVTOS = 1 << 17,
	SKB_RECVERR = 1 << 18,
	SKB_NO_CHECK = 1 << 19,
	SKB_DEBUG = 1 << 20,
	SKB_RECVERR6 = 1 << 21,	 /* IPV6_RECVERR */
	SKB_DONTFRAG6 = 1 << 22, /* IPV6_DONTFRAG */
	SKB_LISTENED = 1 << 23,	   /* it listens, or did on this port */
	SKB_BOUND = 1 << 24,	   /* bind() succeeded (or an implicit one) */
	SKB_BOUND_ADDR = 1 << 25,  /* ... with an address that is not a wildcard */
	SKB_BOUND_PORT = 1 << 26,  /* ... with a port that the program chose */
	SKB_CONNECTED = 1 << 27,
	SKB_LISTENING = 1 << 28,
	SKB_OWNS_PORT = 1 << 29,   /* counted in the owned-port table */
};

/* sk->more: options whose effect is small or, on internet sockets, none in Linux either */
enum s7_sk_more {
	SKM_NOFCS = 1 << 0,
	SKM_WIFI_STATUS = 1 << 1,
	SKM_PREFER_BUSY_POLL = 1 << 2,
	SKM_RCVMARK = 1 << 3,
	SKM_RCVPRIORITY = 1 << 4,
	SKM_TXTIME = 1 << 5, /* SCM_TXTIME may come with a send */
	SKM_INQ = 1 << 6,    /* TCP_INQ: bytes left are told beside a read */
	SKM_IP_CHECKSUM = 1 << 9,   /* IP_CHECKSUM */
	SKM_STAMP_ASKED = 1 << 10,  /* SIOCGSTAMP, or SO_TIMESTAMP once: what is read has a time */
	SKM_STAMP_NEW = 1 << 8,	    /* SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_NEW were asked for */
	SKM_TFO_NO_COOKIE = 1 << 7, /* TCP_FASTOPEN_NO_COOKIE */
	SKM_LOCK_FILTER = 1 << 16, /* SO_LOCK_FILTER */
	/* which of these a listener's children have too */
	SKM_INHERITED = SKM_NOFCS | SKM_WIFI_STATUS | SKM_PREFER_BUSY_POLL | SKM_RCVMARK |
			SKM_RCVPRIORITY | SKM_STAMP_NEW | SKM_IP_CHECKSUM | SKM_TXTIME | SKM_INQ |
			SKM_LOCK_FILTER,
};

struct s7_msg_name {
	struct s7_ip ip;
	uint32_t flow; /* sin6_flowinfo, where it counts: network order */
	uint16_t port;
	uint8_t iface;
	bool valid;
};

struct s7_msg_more;
struct s7_msg_ask;
struct s7_msg_link; /* stack/core/link.h */

/*
 * What a call must know of its socket when it is not satisfied, as it was under the lock. Of a
 * receive the domain always.
 */
struct s7_msg_seen {
	uint16_t domain;
	bool nonblocking; /* O_NONBLOCK */
	bool stream;
	bool dual; /* a datagram socket whose kernel half receives too */
};

/* One send or receive, user memory described, flags decoded. Filled by stack/sock/io.c. */
struct s7_msg {
	const struct iovec *iov;
	uint32_t iovcnt;
	uint32_t flags;	  /* MSG_* as the program gave them */
	uint64_t len;	  /* sum of iov, at most INT_MAX */
	uint64_t skip;	  /* bytes of iov already done (continuing a partial transfer) */
	uint64_t cookie;  /* of the file that was looked up (file_is); 0: the caller holds it */
	struct s7_msg_seen seen;
	struct s7_msg_name name; /* send: destination if valid; recv: filled with the source */
	uint32_t out_flags;	 /* recv: MSG_TRUNC, MSG_OOB ... for msg_flags */
	uint32_t drops; /* recv: datagrams lost before this one */
	bool bad;	 /* some of iov turned out to be no memory: -EFAULT, nothing was moved */
	/* recv, datagrams: what ancillary data reports */
	struct s7_ip local;
	uint8_t ttl, tos;
	s7_time rx_time;
	union {
		/* recv: what few messages have (errq.h), NULL: the caller cannot tell it */
		struct s7_msg_more *more;
		/* send: what control messages ask for and few do (ext.h), NULL: nothing */
		struct s7_msg_ask *ask;
	};
	struct s7_msg_link *link; /* packet sockets: the link's address and what is beside it */
};

enum s7_sk6_bits {
	SK6_RECVPKTINFO = 1 << 0,
	SK6_RECVHOPLIMIT = 1 << 1,
	SK6_RECVTCLASS = 1 << 2,
	SK6_2292PKTINFO = 1 << 3,
	SK6_2292HOPLIMIT = 1 << 4,
	SK6_AUTOFLOWLABEL = 1 << 5, /* packets carry a label made of the flow's hash */
	SK6_RECVHOPOPTS = 1 << 6,   /* and the other headers beside a datagram, as they came */
	SK6_RECVDSTOPTS = 1 << 7,
	SK6_RECVRTHDR = 1 << 8,
	SK6_2292HOPOPTS = 1 << 9,
	SK6_2292DSTOPTS = 1 << 10,
	SK6_2292RTHDR = 1 << 11,
	SK6_FLOWINFO = 1 << 12, /* IPV6_FLOWINFO: class and label too */
	SK6_RECVFRAGSIZE = 1 << 13,
	SK6_RECVPATHMTU = 1 << 14,
	SK6_SENDFLOW = 1 << 15, /* IPV6_FLOWINFO_SEND: sin6_flowinfo counts */
	SK6_REFLECT = 1 << 16,	/* IPV6_FL_F_REFLECT: a stream's label is its peer's */
	/* what the IPv6 header of a packet must be kept for */
	SK6_HEADERS = SK6_RECVHOPOPTS | SK6_RECVDSTOPTS | SK6_RECVRTHDR | SK6_2292HOPOPTS |
		      SK6_2292DSTOPTS | SK6_2292RTHDR | SK6_FLOWINFO | SK6_RECVFRAGSIZE,
	/* ... and what a stream keeps for IPV6_2292PKTOPTIONS */
	SK6_STREAM = SK6_HEADERS | SK6_RECVPKTINFO | SK6_RECVHOPLIMIT | SK6_RECVTCLASS |
		     SK6_2292PKTINFO | SK6_2292HOPLIMIT | SK6_REFLECT,
};

/* What an AF_INET6 socket uses towards IPv6 peers, beside the fields for IPv4. */
struct s7_sk6 {
	int16_t hops, mcast_hops; /* 0..255, -1: default (64, 1) */
	uint8_t tclass;
	uint8_t mtu_discover; /* IPV6_PMTUDISC_*: IPV6_MTU_DISCOVER */
	uint8_t heard_hops;   /* of a stream's last packet, for IPV6_2292PKTOPTIONS ... */
	uint8_t heard_iface;  /* ... and the interface it came by: index + 1 */
	uint32_t flow_heard;  /* ... and its class and label */
	uint32_t bits;	      /* enum s7_sk6_bits */
	uint32_t frag_size;   /* IPV6_MTU: datagrams are cut to packets of it; 0: the path's */
	uint32_t src_iface;   /* IPV6_PKTINFO: index + 1, 0 none; its address is not looked at */
};

struct s7_sock {
	struct s7_file file;
	struct s7_inst *inst; /* never another, also while the memory is free */
	uint8_t proto;	/* enum s7_proto */
	uint8_t shut;	/* enum s7_sk_shut */
	uint16_t domain; /* AF_INET, AF_INET6 */
	uint16_t type;	/* SOCK_STREAM, SOCK_DGRAM, SOCK_RAW */
	uint16_t protocol;
	uint32_t bits;	/* enum s7_sk_bits */
	int32_t err;	/* positive errno waiting in SO_ERROR */
	struct s7_sk_ext *ext; /* settings that few sockets have; NULL: all at their defaults */
	struct s7_filter *filter; /* SO_ATTACH_FILTER: what it keeps of each packet; NULL none */
	struct s7_flow flow; /* local/remote address and ports, also while not in the table */
	struct s7_bind bind;
	uint32_t bound_iface; /* SO_BINDTODEVICE: index + 1 */
	uint32_t rcvbuf, sndbuf; /* as getsockopt shows them (doubled) */
	uint32_t wmem;	/* datagrams that wait for a device or a neighbour (charge.h) */
	bool wmem_full; /* somebody was told that there is no room for more */
	uint32_t rcvlowat;
	int32_t linger_s;
	s7_time rcvtimeo, sndtimeo; /* 0: none */
	uint32_t mark, priority;
	uint32_t more; /* enum s7_sk_more */
	int32_t peek_off; /* SO_PEEK_OFF, negative: off */
	int32_t rx_cpu;	/* of the last packet, or SO_INCOMING_CPU; -1 none */
	uint32_t busy_poll_us, busy_budget; /* SO_BUSY_POLL, SO_BUSY_POLL_BUDGET */
	uint32_t bound_ifindex; /* SO_BINDTODEVICE as the program knows it */
	uint32_t txtime_clock, txtime_flags; /* SO_TXTIME */
	uint32_t reserve_mem; /* SO_RESERVE_MEM */
	uint32_t txrehash;    /* SO_TXREHASH */
	uint64_t pacing_max;  /* SO_MAX_PACING_RATE, bytes a second; UINT64_MAX: none */
	uint8_t tos, ttl; /* ttl 0: default 64 */
	uint8_t mcast_ttl, mtu_discover;
	struct s7_sk6 ip6;
	uint32_t uid;
	uint32_t creator_pid;
	uint64_t drops; /* SO_RXQ_OVFL */
	/*
	 * Streams: of the last packet that came, 0 none. Others: what SIOCGSTAMP tells, of the last
	 * one that was read, as CLOCK_REALTIME; or SK_STAMP_UNKNOWN.
	 */
	s7_time last_rx;
	struct s7_list waitq; /* s7_wait nodes; exclusive ones at the tail */
	struct s7_list all;   /* inst->socks */
	struct s7_owner *owner; /* who gets SIGIO and SIGURG; NULL nobody */
	struct s7_list owner_list; /* free for the protocol (accept queue) */
};

#define SK_STAMP_UNKNOWN 1 /* read before anybody asked for times */

/* Everything a protocol does for a socket. Non-blocking; 0/-errno or bytes. */
struct s7_proto_ops {
	const char *name;
	/* zeroed but for the protocol's own part; NULL: table full */
	struct s7_sock *(*alloc)(struct s7_inst *inst);
	int (*init)(struct s7_sock *sk);
	/*
	 * flow.local/lport/bind are set and the port is entered by sk_bind; hook for the protocol
	 * or NULL
	 */
	int (*connect)(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port);
	int (*listen)(struct s7_sock *sk, int backlog);
	int (*accept)(struct s7_sock *sk, struct s7_sock **ret_child);
	ssize_t (*send)(struct s7_sock *sk, struct s7_msg *msg);
	ssize_t (*recv)(struct s7_sock *sk, struct s7_msg *msg);
	uint32_t (*poll)(struct s7_sock *sk); /* EPOLL* bits true now, SO_ERROR included */
	int (*shutdown)(struct s7_sock *sk, int how); /* how: SHUT_* */
	/*
	 * The last descriptor is gone. The protocol frees the socket with sk_free when it is done
	 * with it.
	 */
	void (*close)(struct s7_sock *sk);
	/*
	 * Resets now, whatever the state; ends in sk_free if no descriptor is left, else in
	 * sk->err.
	 */
	void (*abort)(struct s7_sock *sk, int err);
	void (*free)(struct s7_sock *sk);
	uint32_t (*inq)(struct s7_sock *sk);  /* FIONREAD */
	uint32_t (*outq)(struct s7_sock *sk); /* SIOCOUTQ */
	uint32_t (*rmem)(const struct s7_sock *sk); /* what is received, charged against rcvbuf */
	const char *(*state_name)(const struct s7_sock *sk);
	/*
	 * Called after an option with effect on the protocol changed (buffers, keepalive, linger).
	 */
	void (*opt_changed)(struct s7_sock *sk, int level, int name);
};

extern const struct s7_proto_ops tcp_proto_ops; /* stack/tcp/tcp_proto.c */
extern const struct s7_proto_ops udp_proto_ops; /* stack/udp/udp_proto.c */
extern const struct s7_proto_ops raw_proto_ops, ping_proto_ops; /* stack/raw/raw_proto.c */

/* By index, filled in stack/run/tables.c. */
extern const struct s7_proto_ops *const s7_protos[PROTO_COUNT];

#define SK_DEFAULT_TTL 64 /* and hop limit */

/* Of unicast packets to a peer of either family; `of_way` is what the route says, 0 nothing. */
static inline uint8_t sk_ttl(const struct s7_sock *sk, bool is_v4, uint8_t of_way)
{
	if (is_v4 ? sk->ttl != 0 : sk->ip6.hops >= 0)
		return is_v4 ? sk->ttl : (uint8_t)sk->ip6.hops;
	return s7_likely(!of_way) ? SK_DEFAULT_TTL : of_way;
}

static inline uint8_t sk_tos(const struct s7_sock *sk, bool is_v4)
{
	return is_v4 ? sk->tos : sk->ip6.tclass;
}

static inline const struct s7_proto_ops *sk_ops(const struct s7_sock *sk)
{
	return s7_protos[sk->proto];
}

static inline uint32_t sk_rmem(const struct s7_sock *sk)
{
	return sk_ops(sk)->rmem(sk);
}

/*
 * What a WAIT_EPOLL node does at an event: epoll's, filled in stack/run/tables.c. True if it woke a
 * thread.
 */
typedef bool (*s7_wait_fn)(struct s7_inst *inst, struct s7_wait *node, uint32_t events);
extern const s7_wait_fn s7_wait_epoll;

/* Gives a socket's programs back: stack/bpf's, filled in stack/run/tables.c. */
extern void (*const s7_filter_drop)(struct s7_sock *sk);
extern void (*const s7_steer_drop)(struct s7_sock *sk);

/* Makes the table of owned ports. */
int sk_inst_init(struct s7_inst *inst);

/*
 * Wakes what waits on a queue (a socket's or an epoll set's) for any of `events`; ERR and HUP wake
 * all.
 */
void wait_wake(struct s7_inst *inst, struct s7_list *waitq, uint32_t events);
/* Has every thread that sleeps there look again, although nothing has happened. */
void wait_rouse(struct s7_inst *inst, struct s7_list *waitq);
/* Queues a node; exclusive ones behind all others. */
void wait_add(struct s7_list *waitq, struct s7_wait *node);

/*
 * The memory of a file (a socket, an epoll set) is made new: zeroed behind `steady` bytes, which
 * begin with the s7_file and contain the instance. The file has no reference yet.
 */
void file_renew(struct s7_inst *inst, struct s7_file *file, size_t steady, size_t size);
/* A fresh socket of a protocol's slab, for its alloc(). NULL: all are in use. */
struct s7_sock *sk_alloc(struct s7_inst *inst, struct s7_slab *slab);
/*
 * Allocates and initialises the common part: refs 1, default buffers, in inst->socks. 0, -ENOBUFS.
 */
int sk_create(struct s7_inst *inst, enum s7_proto proto, int domain, struct s7_sock **ret_sk);
/*
 * Takes it out of every table and gives its memory back. Wait queue must be empty or is emptied
 * with EPOLLHUP.
 */
void sk_free(struct s7_sock *sk);

/*
 * Binds to ip:port (port not 0; the caller chose it). Enters the port table and, on shared netdevs,
 * the owned ports. 0, -EADDRINUSE, -EINVAL (bound already).
 */
int sk_bind(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port);
void sk_unbind(struct s7_sock *sk);
/* Bound with SO_REUSEPORT (TCP: listening now): a member of its group, whose program counts. */
void sk_group_join(struct s7_sock *sk);
void sk_group_leave(struct s7_sock *sk);
void sk_group_tell(struct s7_sock *sk);
/* A free ephemeral port for local/remote (either may be any). 0 when none is free. */
uint16_t sk_pick_port(struct s7_sock *sk, const struct s7_ip *local, const struct s7_ip *remote,
		      uint16_t rport);

/* Something became true: wakes threads and epoll sets that wait for any of `events`. */
void sk_event(struct s7_sock *sk, uint32_t events);
/* Stores an asynchronous error and wakes. */
void sk_error(struct s7_sock *sk, int err);
/* SO_PEEK_OFF follows what was peeked at (forwards) and what was read. */
static inline void sk_peek_moved(struct s7_sock *sk, int32_t bytes, bool peeked)
{
	if (s7_likely(sk->peek_off < 0))
		return;
	if (peeked)
		sk->peek_off += bytes;
	else
		sk->peek_off = sk->peek_off > bytes ? sk->peek_off - bytes : 0;
}

/* Reads and clears sk->err: 0 or the negative errno. */
int sk_take_error(struct s7_sock *sk);

/*
 * Owned ports on shared netdevs, counted per (proto, ip, port). Called by sk_bind/unbind and by TCP
 * for connections that outlive their socket's binding.
 */
void sk_own_port(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port,
		 bool bound);
/* listened: a bound socket that listened; connections that are left own the rest (OWN_REST). */
void sk_disown_port(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port,
		    bool bound, bool listened);
/* Who is new there is the kernel's from now on, until somebody binds to it who was not bound. */
void sk_own_rest(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port);
void sk_share_bound(struct s7_sock *sk); /* the same for a listener's */
/*
 * Who counted died: all counts begin anew, every holder says so again (sk_own_bound for what is
 * bound), and what nobody holds goes.
 */
void sk_owned_recount(struct s7_inst *inst);
void sk_own_bound(struct s7_sock *sk);
void sk_owned_counted(struct s7_inst *inst);
/*
 * Whether sock7 owns it (any address of the family or this): may answer RST / port unreachable on a
 * shared netdev.
 */
bool sk_port_owned(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port);
/* Whether only the rest is owned there, so that who is new is not answered on a shared netdev. */
bool sk_port_rest(struct s7_inst *inst, uint8_t proto, const struct s7_ip *ip, uint16_t port);

/* Does another program on sock7 own the port at this shared netdev? Then nobody is refused. */
static inline bool sk_owned_too(const struct s7_inst *inst, const struct s7_iface *iface,
				uint8_t proto, uint16_t port)
{
	return iface->caps & NETDEV_SHARED && inst->env->host->owned_too &&
		inst->env->host->owned_too(proto, port, iface->ifindex);
}

/* Is what came by a shared netdev between these ends for a member of this group of ours? */
static inline bool sk_group_gives(const struct s7_inst *inst, const struct s7_iface *iface,
				  const struct s7_bind *bind, const struct s7_flow *ends)
{
	return !(iface->caps & NETDEV_SHARED) || !inst->env->host->group_gives ||
		inst->env->host->group_gives(bind, ends, iface->ifindex);
}

/*
 * The file's reference count; the last one closes (takes the instance lock itself if `locked` is
 * false).
 */
static inline void file_ref(struct s7_file *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
}

/* For who found the file without holding anything: false when the last reference has gone. */
static inline bool file_try_ref(struct s7_file *file)
{
	uint32_t refs = atomic_load_explicit(&file->refs, memory_order_relaxed);

	while (refs)
		if (atomic_compare_exchange_weak_explicit(&file->refs, &refs, refs + 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

static inline struct s7_sock *file_sock(struct s7_file *file)
{
	return s7_container(file, struct s7_sock, file);
}

/*
 * Could this be memory of the program? What is surely none (NULL and its page, addresses of the
 * kernel) is told apart without touching it.
 */
static inline bool user_ok(const void *at, uint64_t len)
{
	return (uintptr_t)at - 4096 < (1ull << 56) && len < (1ull << 56);
}

/* The kernel's part of the address space: no pointer of a program leads there. */
static inline bool user_beyond(const void *at, uint64_t len)
{
	return ((uintptr_t)at | ((uintptr_t)at + len)) >> 63;
}

/* Copies between user memory (msg->iov from msg->skip on) and a flat buffer; advance msg->skip. */
void msg_copy_in(struct s7_msg *msg, void *dst, uint32_t len);
void msg_copy_out(struct s7_msg *msg, const void *src, uint32_t len);
/*
 * As msg_copy_in, returning the one's complement partial sum of the bytes (uneven start: sum of
 * this piece alone).
 */
uint32_t msg_copy_in_sum(struct s7_msg *msg, void *dst, uint32_t len);

#endif
