/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim.h - two instances in plain memory, joined by a link that loses, delays, repeats and reorders,
 * and one stepped clock
 *
 * Nothing here reads a clock or the machine's randomness: a failing run repeats. Addresses are
 * 10.0.0.1 (host 0) and 10.0.0.2, or 2001:db8::1 and ::2. A device of the simulation copies a frame
 * at tx and (hold_tx) keeps the packet's reference until the frame arrives.
 */
#ifndef S7_SIM_H
#define S7_SIM_H

#include "test/support/bed.h"
#include "stack/core/sk.h"
#include "stack/tcp/tcp.h"
#include "stack/wire/tcp_hdr.h"

#define SIM_PKTS 12288
#define SIM_V6_ENV "S7_SIM_V6" /* set: every simulation is IPv6 (ctest runs all twice) */

struct sim;

struct sim_frame {
	struct sim_frame *next;
	s7_time at;
	struct s7_pkt *held;
	uint32_t len;
	uint8_t data[];
};

struct sim_host {
	struct sim *sim;
	uint32_t index;
	struct s7_inst *inst;
	struct s7_env env;
	struct s7_ip ip;
	struct sim_frame *inbox; /* by time */
	s7_time line_free;	 /* when the line to this host is free again */
	struct test_bed bed;
	struct s7_host_ops ops; /* bed_host, but for its random numbers */
};

/* A TCP segment on the wire, for hooks. */
struct sim_seg {
	uint32_t from; /* host */
	struct tcp_hdr h;
	uint32_t len;
	uint8_t tos;
	struct tcp_opts opts;
};

enum sim_verdict { SIM_PASS, SIM_DROP, SIM_MARK /* CE, as a router that is full */ };

struct sim_setup {
	s7_time delay_ns;
	uint32_t loss_permille, dup_permille, reorder_permille;
	uint64_t rate_bytes_s; /* 0: infinite */
	uint32_t mtu;	       /* 0: 1500 */
	uint32_t caps, tso_max;
	bool hold_tx;
	bool shared; /* IFACE_SHARED */
	bool v6;     /* IPv6 between the hosts, AF_INET6 sockets; also by SIM_V6_ENV */
	uint32_t rmem, wmem; /* default sizes, 0: Linux's */
	uint32_t syn_backlog, max_time_wait, cc;
	uint64_t seed;
};

struct sim {
	struct sim_setup setup;
	struct sim_host host[2];
	s7_time now;
	uint64_t rng;
	uint64_t frames, lost;
	enum sim_verdict (*hook)(struct sim *sim, const struct sim_seg *seg);
	void *hook_arg;
	uint32_t path_mtu; /* frames with more L3 bytes vanish; 0: none */
};

struct sim *sim_new(const struct sim_setup *setup);
/* Runs until nothing is left to happen (TIME_WAIT included), checks pools, slabs and tables, frees.
 * Returns what leaked. */
uint32_t sim_end(struct sim *sim);
/* Frees without looking. */
void sim_free(struct sim *sim);
/* Goes to the next event, at most to `until`. */
void sim_step(struct sim *sim, s7_time until);
void sim_run(struct sim *sim, s7_time ns);
uint32_t sim_random(struct sim *sim);
/* Feeds a frame of the peer's address to a host: a segment built by hand. */
void sim_inject(struct sim *sim, uint32_t to, const struct tcp_hdr *h, const struct tcp_opts *opts,
		const void *data, uint32_t len);

/* The address of a host, and the wildcard of the family. */
struct s7_ip sim_addr(const struct sim *sim, uint32_t host);
struct s7_ip sim_any(const struct sim *sim);

/* Sockets. */
struct s7_sock *sim_socket(struct sim_host *host);
struct s7_sock *sim_listen(struct sim_host *host, uint16_t port, int backlog);
/* Starts; the caller runs the simulation. */
struct s7_sock *sim_connect(struct sim_host *host, struct sim_host *to, uint16_t port);
struct s7_sock *sim_accept(struct s7_sock *listener);
ssize_t sim_send(struct s7_sock *sk, const void *buf, size_t len, uint32_t flags);
ssize_t sim_recv(struct s7_sock *sk, void *buf, size_t len, uint32_t flags);
void sim_close(struct s7_sock *sk);
int sim_shutdown(struct s7_sock *sk, int how);
enum tcp_state sim_state(const struct s7_sock *sk);

/* A connected pair: [0] active at host 0, [1] accepted at host 1; the listener is closed. */
struct sim_pair {
	struct s7_sock *a, *b;
};
struct sim_pair sim_pair(struct sim *sim);

/* Sends n pseudo-random bytes each way at once and checks them. Returns the time it took, 0: not
 * finished in `limit`. */
s7_time sim_transfer(struct sim *sim, struct sim_pair *pair, uint64_t a_to_b, uint64_t b_to_a,
		     s7_time limit);

/* Walks all of a connection's queues and aborts when an invariant is broken. sim_transfer does it
 * at every step. */
void sim_check(const struct s7_sock *sk);
void sim_check_all(struct sim_host *host);

#endif
