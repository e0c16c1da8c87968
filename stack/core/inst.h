/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inst.h - a stack instance: a queue of every interface, one lock, one wheel, one flow table
 *
 * Everything a packet or a call touches hangs from here. Context: unless a comment says otherwise
 * every function under stack/ that takes an instance, a socket or a TCB wants inst->lock held.
 *
 * `now` is the time of the current lock section: inst_lock stores what the caller read, and the
 * code below takes it from there. Nothing under stack/ reads a clock.
 */
#ifndef S7_INST_H
#define S7_INST_H

#include "stack/base/arena.h"
#include "stack/base/stat.h"
#include "stack/base/wheel.h"
#include "stack/core/flow.h"
#include "stack/core/iface.h"
#include "stack/core/owner.h"
#include "stack/core/wait.h"

#define INST_WAKES 128
#define INST_SIGNALS 16
#define INST_PKT_CACHE 256
#define INST_BURST 64

enum s7_log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct bpf_map_here;
struct s7_bpf_host;

/* The last: routing headers of type 2 (RFC 6275) may be sent on this host. */
enum s7_host_cap { HOST_NET_ADMIN, HOST_NET_RAW, HOST_ROUTING2 };

/*
 * Of what comes to a port by a shared netdev: nothing, all, all but new and the kernel's
 * connections
 */
enum s7_own { OWN_NOT, OWN_ALL, OWN_REST, OWN_ALL_AGAIN };

/* What the stack wants of the program it lives in. Filled by shim/ (or by a test). */
struct s7_host_ops {
	/* Rings a waiter's doorbell. Called without the lock. */
	void (*ring)(struct s7_waiter *waiter);
	void (*log)(enum s7_log_level level, const char *line);
	void (*random)(void *buf, size_t len);
	/*
	 * Random bytes that every program of this machine gets alike until it boots. May be NULL:
	 * random's.
	 */
	void (*lasting)(void *buf, size_t len);
	/* CLOCK_REALTIME minus CLOCK_MONOTONIC, ns, for timestamps that programs see. */
	int64_t (*realtime_offset)(void);
	/*
	 * Runs signal handlers that were put off while this thread held a lock (s7_lock_pending).
	 */
	void (*deferred)(void);
	/* Has the calling thread this capability (enum s7_host_cap)? */
	bool (*may)(enum s7_host_cap cap);
	/*
	 * Is nobody in this network namespace alone in using the flow label (network order)? The
	 * kernel knows (IPV6_FLOWLABEL_MGR). NULL: nobody is. Called without the lock.
	 */
	bool (*label_free)(uint32_t label);
	/* The CPU that the calling thread runs on. */
	int (*cpu)(void);
	/* How often it was put off its CPU so far. NULL: never. */
	uint64_t (*put_off)(void);
	/*
	 * On shared netdevs: the kernel shall (not) see packets to this, or only those of new and
	 * of its own connections. Called under the lock.
	 */
	void (*own_port)(uint8_t proto, const struct s7_ip *ip, uint16_t port,
			 enum s7_own own);
	/*
	 * Other programs on sock7 at a shared netdev (its ifindex), under the lock. NULL: there are
	 * none. How many members the group of SO_REUSEPORT has that `bind` is or was in (NULL: no
	 * group has any); is a packet of these ends ours, of the group's members everywhere; does
	 * one of them own the port too?
	 */
	void (*group)(const struct s7_bind *bind, uint32_t members);
	bool (*group_gives)(const struct s7_bind *bind, const struct s7_flow *ends, int ifindex);
	bool (*owned_too)(uint8_t proto, uint16_t port, int ifindex);
	/* Sends SIGIO or SIGURG to the owner of a socket. NULL: nobody has asked for any. */
	void (*signal)(const struct s7_signal *sig);
	/* What eBPF programs need: stack/bpf/ebpf.h. NULL: there are none. */
	const struct s7_bpf_host *bpf;
};

/*
 * The private window: what differs between processes. One page at S7_ENV_BASE in each (tests:
 * anywhere).
 */
struct s7_env {
	uint32_t proc; /* this process's slot */
	uint32_t pad;
	const struct s7_host_ops *host;
	struct {
		const struct s7_netdev_ops *ops;
		void *dev;
	} dev[S7_IFACES_MAX];
	struct {
		const struct s7_pool_ops *ops;
		void *pool;
	} pool[S7_INSTS_MAX];
	/* where the programs in inst->filters run, by instance; NULL: only interpreted */
	const void *code[S7_INSTS_MAX];
	/* maps of eBPF programs in this process: stack/bpf/maps.h */
	struct bpf_map_here *maps[S7_INSTS_MAX];
};

static_assert(sizeof(struct s7_env) <= 4096, "the private window is one page");

/* Bits of net.ipv4.tcp_fastopen. */
enum s7_fastopen {
	FASTOPEN_CLIENT = 1,
	FASTOPEN_SERVER = 2,
	FASTOPEN_CLIENT_FREE = 4,     /* data in a SYN without a cookie */
	FASTOPEN_SERVER_FREE = 0x200, /* ... is taken */
	FASTOPEN_LISTENERS = 0x400,   /* all of them, also without TCP_FASTOPEN */
};

/* Settings that packets obey, copied from conf at boot. */
/* net.ipv4.tcp_*, with Linux's names and meanings; what a test or a host without them has is
 * S7_TCP_LINUX. */
struct s7_tcp_params {
	uint32_t recovery;	/* 1: RACK, 2: its window never grows, 4: it does not shrink to 0 */
	uint32_t early_retrans; /* 3, 4: tail loss probes */
	uint32_t frto;
	uint32_t ecn; /* 0 never, 1 asked for, 2 granted */
	uint32_t ecn_fallback;
	uint32_t slow_start_after_idle;
	uint32_t reordering, max_reordering; /* segments */
	uint32_t fin_timeout_s;
	uint32_t retries2, orphan_retries, syn_retries, synack_retries, syn_linear_timeouts;
	uint32_t sack, dsack, timestamps, window_scaling;
	uint32_t abort_on_overflow;
	uint32_t min_snd_mss;
	uint32_t syncookies; /* 0 never, 1 when half-open connections are too many, 2 always */
	uint32_t moderate_rcvbuf, notsent_lowat, thin_linear, stdurg, rfc1337;
	uint32_t rto_max_ms;
	uint32_t keepalive_time_s, keepalive_intvl_s, keepalive_probes;
};

#define S7_TCP_LINUX                                                                               \
	{                                                                                          \
		.recovery = 1, .early_retrans = 3, .frto = 2, .ecn = 2, .ecn_fallback = 1,         \
		.slow_start_after_idle = 1, .reordering = 3, .max_reordering = 300,                \
		.fin_timeout_s = 60, .retries2 = 15, .syn_retries = 6, .synack_retries = 5,        \
		.syn_linear_timeouts = 4, .sack = 1, .dsack = 1, .timestamps = 1,                  \
		.window_scaling = 1, .min_snd_mss = 48, .syncookies = 1, .moderate_rcvbuf = 1,     \
		.notsent_lowat = UINT32_MAX, .keepalive_time_s = 7200, .keepalive_intvl_s = 75,    \
		.keepalive_probes = 9, .rto_max_ms = 120000,                                       \
	}

struct s7_params {
	uint32_t tcp_init_cwnd; /* segments */
	uint32_t tcp_delack_ms, tcp_min_rto_ms, tcp_time_wait_ms;
	uint32_t tcp_syn_backlog;
	uint32_t tcp_cc; /* index into the table of congestion controls */
	uint32_t tcp_rmem[3], tcp_wmem[3]; /* min default max */
	uint32_t rmem_default, rmem_max, wmem_default, wmem_max;
	uint32_t backlog_max; /* somaxconn */
	uint32_t max_sockets, max_time_wait;
	uint32_t igmp_max_memberships, igmp_max_msf; /* 0: Linux's */
	uint32_t port_lo, port_hi; /* ephemeral range, inclusive */
	uint32_t tcp_fastopen; /* enum s7_fastopen, as the kernel had it when it was last asked */
	uint32_t tcp_info_len; /* of the kernel's struct tcp_info; 0: what we know of it */
	uint32_t tick_us; /* of the kernel's clock: its time-outs are multiples of this; 0: 4000 */
	struct s7_tcp_params tcp;
	bool loopback_stack;	   /* 127/8 and own addresses by sock7's lo */
	bool kernel_fallback;
	bool tx_batch;
};

/* The settings of an interface that has none of its own. */
static inline struct s7_iface_tcp params_iface_tcp(const struct s7_params *params)
{
	struct s7_iface_tcp tcp = {
		.cc = params->tcp_cc,
		.init_cwnd = params->tcp_init_cwnd,
		.delack_ms = params->tcp_delack_ms,
		.backlog_max = params->backlog_max,
	};

	memcpy(tcp.rmem, params->tcp_rmem, sizeof(tcp.rmem));
	memcpy(tcp.wmem, params->tcp_wmem, sizeof(tcp.wmem));
	return tcp;
}

/*
 * Answers of an event loop leave together: while one thread works off the events of one epoll_wait,
 * what it sends waits for the next drive, for a full burst, for the first call after BATCH_LONG, or
 * for four times as many calls as there were events. One event alone is answered at once, unless
 * the thread's last round had more calls that sent than events (header, body). A thread that calls
 * nothing for BATCH_LONG
 * while output waits is trusted again only BATCH_PENANCE later, if it does so for the second time
 * and was not put off the CPU meanwhile; else after BATCH_DOUBT.
 */
#define BATCH_LONG (200 * S7_US)
#define BATCH_DOUBT (2 * S7_MS)
#define BATCH_PENANCE S7_SEC
#define BATCH_BURST 32
#define BATCH_CALLS 4

struct s7_batch {
	uint32_t tid;	   /* whose */
	uint32_t left;	   /* calls that may still leave their output waiting */
	uint32_t events, sends; /* of this round; calls with output */
	s7_time since;	   /* the first output waits, 0: none */
	s7_time last;	   /* a call that left its output waiting */
	s7_time off_until;
	bool late; /* to be judged by its thread */
	uint32_t judged; /* whose, last */
	uint64_t put_off; /* how often it had been put off the CPU then */
};

/*
 * Connections with something to do later (stack/tcp/tcp_later.c): data or a FIN that waits for the
 * flush, so that an answer in several calls is one segment; an ACK that waits for the next drive,
 * so that it rides on the answer.
 */
struct s7_later {
	struct s7_list out, acks;
	uint32_t out_count;
};

struct s7_owned_table; /* stack/core/owned.c */
struct s7_route_table; /* stack/ip/route.h */
struct s7_neigh_table; /* stack/ip/arp.h */
struct s7_frag_table;  /* stack/ip/frag.h */
struct s7_group_table; /* stack/ip/group.h */
struct s7_tcp_inst;    /* stack/tcp/tcp.h: slabs and counters of TCP */
struct s7_udp_inst;    /* stack/udp/udp.h */
struct s7_raw_inst;    /* stack/raw/raw.h */
struct s7_packet_inst; /* stack/packet/packet.h */
struct s7_epoll_inst;  /* stack/sock/epoll.h */
struct s7_filter_area; /* stack/bpf/area.h */

struct s7_inst {
	struct s7_lock lock;
	uint32_t index;
	s7_time now;
	_Atomic s7_time last_drive;
	struct s7_env *env;
	struct s7_arena *arena;

	/*
	 * Who sleeps on the ports: id of the waiter, 0 nobody. Taken by cas, cleared by its owner
	 * or the keeper.
	 */
	_Atomic uint32_t watcher;
	_Atomic uint32_t sleepers; /* threads asleep on this instance */
	/* hints, ids of waiters: one that sleeps without the ports, and who last laid the role down
	 */
	_Atomic uint32_t standby, last_watcher;

	uint32_t iface_count;
	uint32_t taps; /* packet sockets that want to see frames */
	uint32_t pkt_cached;
	uint32_t pkts_free; /* of the pool, as the last quiet drive saw it */
	struct s7_pkt *pkt_cache[INST_PKT_CACHE];
	struct s7_iface iface[S7_IFACES_MAX];

	struct s7_wheel wheel;
	struct s7_flow_table flows;
	struct s7_port_table ports;
	struct s7_params params;
	struct s7_list socks; /* every s7_sock, by sk->all */
	uint32_t sock_count;
	uint16_t ip_id;

	struct s7_slab waits; /* s7_wait nodes for poll and select */
	struct s7_slab exts;  /* s7_sk_ext: what few sockets have */
	struct s7_slab hdrs6, leases6; /* extension headers, flow labels: stack/core/hdrs6.h */
	struct s7_list tx_waiting; /* of them, whose datagrams found their device full */
	struct s7_slab owners; /* s7_owner: who gets SIGIO */
	struct s7_owned_table *owned; /* ports kept from the kernel, counted: sk_own_port */
	struct s7_route_table *routes;
	struct s7_neigh_table *neigh;
	struct s7_frag_table *frags;
	struct s7_group_table *groups;
	struct s7_router_table *routers; /* stack/ip/router.h */
	struct s7_hold_table *holds; /* stack/ip/hold.h */
	struct s7_tcp_inst *tcp;
	struct s7_udp_inst *udp;
	struct s7_raw_inst *raw;
	uint32_t raw_count; /* raw and ping sockets: none, and no packet is offered to any */
	struct s7_packet_inst *packet;
	struct s7_epoll_inst *epoll;
	struct s7_filter_area *filters; /* programs of sockets */

	/* loopback: sent on lo, not yet received */
	struct s7_pkt *lo_head, **lo_tail;
	uint32_t lo_count;
	uint32_t pkts_most; /* packets that were ever free at once */

	struct s7_batch batch;
	struct s7_later later;

	uint32_t wake_count;
	uint32_t signal_count;
	struct s7_waiter *wake[INST_WAKES];
	struct s7_signal signal[INST_SIGNALS];

	uint32_t rx_budget; /* packets that a drive takes from an interface at most, 0: no bound */
	int rx_cpu; /* that polled last, for SO_INCOMING_CPU */
	void *current; /* the s7_sock being changed: aborted if the lock's owner dies */
	uint64_t secret[4];
	uint64_t stat[STAT_COUNT];
	uint64_t drop[DROP_COUNT];
};

/* What inst_create needs beyond the arena. */
struct s7_inst_setup {
	uint32_t index;
	struct s7_env *env;
	struct s7_params params;
	s7_time now;
};

/* Carves an instance with all its tables from the arena; adds `lo`. 0, -ENOMEM. */
int inst_create(struct s7_arena *arena, const struct s7_inst_setup *setup,
		struct s7_inst **ret_inst);

/*
 * Adds an interface (name, mac, addrs, flags ... filled by the caller; index and stage are ours).
 * tcp may be left empty: params'.
 * 0, -ENOSPC.
 */
int inst_add_iface(struct s7_inst *inst, const struct s7_iface *iface, uint32_t *ret_index);

/*
 * The owner of the lock died in the middle of something: makes the instance whole again, with the
 * lock in hand (stack/run/repair.c, which knows every layer).
 */
void inst_repair(struct s7_inst *inst);

/*
 * Takes the lock and sets `now` (0: it stays as it is). A dead owner's leftovers are repaired here.
 */
void inst_lock(struct s7_inst *inst, s7_time now);
bool inst_trylock(struct s7_inst *inst, s7_time now);
/* Frees the lock, then rings the waiters that were marked under it. */
void inst_unlock(struct s7_inst *inst);

/*
 * Polls every interface once (bursts until fewer than INST_BURST come, at most 4), runs due timers,
 * flushes tx. Returns packets received (0: nothing came).
 */
uint32_t inst_drive(struct s7_inst *inst);

/*
 * Sends what is staged on every interface. Called by inst_drive and at the end of calls that sent.
 */
void inst_flush(struct s7_inst *inst);

/* The calling thread was given n events of this instance. */
void inst_batch_begin(struct s7_inst *inst, uint32_t n);

/* May this thread's output wait for more of it? */
static inline bool inst_batch_open(const struct s7_inst *inst)
{
	return inst->batch.left && inst->batch.tid == lock_self() &&
		(!inst->batch.since || inst->now - inst->batch.since < BATCH_LONG);
}

/*
 * inst_drive for a call that found nothing: not within a batch that was driven just now, whose loop
 * drives again when it asks for events. Returns packets received.
 */
uint32_t inst_drive_again(struct s7_inst *inst);

/*
 * At the end of a call: delivers what was sent on lo, flushes or, within a batch, leaves it staged.
 */
void inst_flush_call(struct s7_inst *inst);

/* Nobody has anything to do: what waited for a program's answer leaves. Before a sleep. */
void inst_idle(struct s7_inst *inst);

/* When a sleeping driver must come back for timers; S7_NEVER if none. Caller holds the lock. */
s7_time inst_next_timer(const struct s7_inst *inst);

/* Marks a waiter: rung after the unlock. */
void inst_wake(struct s7_inst *inst, struct s7_waiter *waiter);

/* Packets. pkt_alloc: one fresh buffer or NULL (counted as DROP_NO_PKT by the caller). */
struct s7_pkt *pkt_alloc_slow(struct s7_inst *inst);
void pkt_free_slow(struct s7_inst *inst, struct s7_pkt *pkt);

/* Drops this holder's reference of every buffer in the chain. NULL is legal. */
void pkt_free(struct s7_inst *inst, struct s7_pkt *pkt);
struct s7_pkt *pkt_alloc(struct s7_inst *inst);
/*
 * How many packets one queue may hold that only its own peer or program empties: without limit
 * while 2/part of all are free, then an equal share, one when less than 1/part is left, and in the
 * end none. So stuck queues do not take what the others and the acknowledgements need.
 */
uint32_t pkt_share(struct s7_inst *inst, uint32_t part);
#define PKT_SHARE_SEND 4    /* of what is sent less, so that acknowledgements find room */
#define PKT_SHARE_RECEIVE 8
/*
 * A copy of len bytes at offset of a chain in fresh buffers (chained when longer than one). NULL:
 * no packets.
 */
struct s7_pkt *pkt_copy(struct s7_inst *inst, const struct s7_pkt *pkt, uint32_t offset,
			uint32_t len);
/* ... of the first len bytes, and of the `head` bytes that stand in front of data. */
struct s7_pkt *pkt_copy_behind(struct s7_inst *inst, const struct s7_pkt *pkt, uint32_t head,
			       uint32_t len);
/* A copy of all of it, with what stands in front of data: the headers that were taken off. */
struct s7_pkt *pkt_copy_whole(struct s7_inst *inst, const struct s7_pkt *pkt);
/* Copies out of / into the chain; the range lies inside `total`. */
void pkt_read(const struct s7_pkt *pkt, uint32_t offset, void *dst, uint32_t len);
/* Frees the packet and counts the reason. */
void pkt_drop(struct s7_inst *inst, struct s7_pkt *pkt, enum s7_drop why);

/*
 * Hands a complete frame (L2 header in front; on lo: none, starts at the IP header) to an
 * interface. Consumes a reference.
 */
void iface_stage(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt *pkt);

static inline void stat_add(struct s7_inst *inst, enum s7_stat stat, uint64_t n)
{
	inst->stat[stat] += n;
}

/* The same without the lock, for a counter that is never counted under it. */
static inline void stat_add_shared(struct s7_inst *inst, enum s7_stat stat, uint64_t n)
{
	__atomic_fetch_add(&inst->stat[stat], n, __ATOMIC_RELAXED);
}

void inst_log(struct s7_inst *inst, enum s7_log_level level, const char *fmt, ...) S7_PRINTF(3, 4);
uint64_t inst_random(struct s7_inst *inst);

#endif
