/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sock_int.h - what the files of stack/sock share and nobody else sees
 */
#ifndef S7_SOCK_INT_H
#define S7_SOCK_INT_H

#include <sys/time.h>

#include "stack/sock/sock.h"

/* A call that finds the last drive older than this drives. */
#define SOCK_DRIVE_STALE (50 * S7_US)

/*
 * Takes the lock for a call on the socket that was looked up with this cookie (0: the caller holds
 * a reference); drives if nobody did lately. -SOCK_STALE, or -EBADF where it should be held: it is
 * closed, lock not held.
 */
int sock_enter(struct s7_sock *sk, uint64_t cookie, s7_time now);
/* inst_drive_again in the midst of a call, which worked on other sockets. Did packets come? */
bool sock_drive_again(struct s7_sock *sk);
/* Sends what was staged and gives the lock back. */
void sock_leave(struct s7_inst *inst);

/* inet_num of the kernel: bound, connected or accepted; not what only getsockname still tells. */
uint16_t sock_number(const struct s7_sock *sk);

/* The kernel counts time-outs in ticks of this. */
static inline uint32_t sock_tick_us(const struct s7_sock *sk)
{
	return sk->inst->params.tick_us ? sk->inst->params.tick_us : 4000;
}

/* ---- options: one row each, tables in the order of their man page ---- */

enum opt_type {
	OPT_INT,     /* at least sizeof(int); a longer value is cut, as Linux */
	OPT_BOOL,    /* an int; kept and shown as 0 or 1 */
	OPT_BOOL_ZERO, /* ... and what is shorter is a 0 */
	/* level IP: an int, or one byte when shorter; shown as a byte to a short buffer */
	OPT_IP_INT,
	OPT_IP_ZERO, /* ... and no byte at all is a 0 */
	OPT_TIMEVAL, /* struct timeval; value.time */
	OPT_LINGER,  /* struct linger; value.linger */
	OPT_BYTES,   /* as it is, up to OPT_BYTES_MAX */
};

enum opt_access {
	OPT_RD = 1,
	OPT_WR = 2,
	OPT_ASK = 4, /* the kernel knows whether it may be had: ask a kernel socket first */
	/*
	 * without effect on internet sockets in Linux: the kernel socket behind keeps and answers
	 */
	OPT_BEHIND = 8,
	OPT_GROUP = 16, /* the kernel socket, if there is one, does it too, on its own interfaces */
	/* the kernel socket behind does it first, one of its own: it keeps what the host shares */
	OPT_LEASE = 64,
	OPT_OWN = 32, /* packet sockets: the kernel's half is not asked first */
	OPT_RW = OPT_RD | OPT_WR,
};

enum opt_on {
	ON_TCP = 1,
	ON_UDP = 2,
	ON_V6 = 4,
	ON_RAW = 8,
	ON_PING = 16,
	ON_PACKET = 64, /* not in ON_ANY: packet_has_option() says what of SOL_SOCKET counts */
	ON_DGRAM = ON_UDP | ON_RAW | ON_PING,
	ON_ANY = ON_TCP | ON_DGRAM
};

#define OPT_BYTES_MAX 1536 /* MCAST_MSFILTER with ten sources */

struct opt_value {
	int num;
	socklen_t len; /* of bytes */
	union {
		struct timeval time;
		struct linger linger;
		uint8_t bytes[OPT_BYTES_MAX];
	};
};

/*
 * One option. Without `set` the value goes to `bit` or the field; without `get` it
 * comes from there. For a socket of another kind than `on` the row is not there; writing what is
 * read-only is -ENOPROTOOPT.
 */
struct s7_opt {
	int level, name;
	uint8_t type;	/* enum opt_type */
	uint8_t access; /* enum opt_access */
	uint8_t on;	/* enum opt_on */
	int (*set)(struct s7_sock *sk, const struct opt_value *value);
	int (*get)(struct s7_sock *sk, struct opt_value *ret_value);
	/*
	 * instead of set: what is long is read where it is; no lock held. The value's length and
	 * memory are as the program said.
	 */
	int (*take)(struct s7_sock *sk, const void *val, socklen_t len, s7_time now);
	/* instead of get: what is long, or counts otherwise, is put into the program's memory */
	int (*copy)(struct s7_sock *sk, void *val, socklen_t room, socklen_t *ret_len);
	uint32_t bit;
	uint16_t bits_at; /* offset in s7_sock of the word that `bit` is in; 0: sk->bits */
	uint16_t field; /* offset in s7_sock of a 32-bit field, 0: none */
	/* checked when min < max: outside is -EINVAL; OPT_BYTES: min is the least length */
	int min, max;
	const char *text;
};

struct s7_opt_table {
	int level;
	const struct s7_opt *opts;
	uint32_t count;
};

#define OPT_FIELD(member) .field = offsetof(struct s7_sock, member)

extern const struct s7_opt_table socket7_table; /* opt_socket.c */
extern const struct s7_opt_table socket7_more_table; /* opt_socket_more.c */
extern const struct s7_opt_table tcp7_table;	/* opt_tcp.c */
extern const struct s7_opt_table ip7_table;	/* opt_ip.c */
extern const struct s7_opt_table ipv6_7_table;	/* opt_ipv6.c */

extern const struct s7_opt_table errq_socket_table, errq_ip_table, errq_ipv6_table; /* opt_errq.c */

extern const struct s7_opt_table filter_socket_table; /* opt_filter.c */
extern const struct s7_opt_table ip_rare_table, ipv6_rare_table; /* opt_ip_rare.c */
extern const struct s7_opt_table ipv6_headers_table; /* opt_ipv6_hdr.c */
extern const struct s7_opt_table udp7_table; /* opt_udp.c */
/* opt_raw.c */
extern const struct s7_opt_table raw_ip_table, raw_ipv6_table, raw_raw_table, raw_icmp6_table;
extern const struct s7_opt_table packet7_table; /* opt_packet.c */
/* Has the option an effect on the stack's half of a packet socket? */
bool packet_has_option(int level, int name);
extern const struct s7_opt_table mcast_ip_table, mcast_ipv6_table; /* opt_mcast.c */

/* Every table, in the order of the man pages: for the tool and the documentation. */
extern const struct s7_opt_table *const s7_opt_tables[];
extern const uint32_t s7_opt_table_count;

#endif
