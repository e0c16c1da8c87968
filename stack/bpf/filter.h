/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filter.h - the filter of a socket: attached, run, inherited, given back (docs/filters.md)
 *
 * Context: instance lock. Callers: option table of stack/sock, udp_in.c, tcp_in.c, tcp_child.c.
 */
#ifndef S7_FILTER_H
#define S7_FILTER_H

#include "stack/bpf/bpf.h"
#include "stack/core/sk.h"

struct ebpf_prog; /* stack/bpf/ebpf.h */

struct s7_filter_map {
	uint32_t slot, id;
};

/* In the area of the instance; sockets that inherited it share it. Never changes. */
struct s7_filter {
	uint32_t refs;
	uint32_t bytes;	 /* of the whole: this, the program as given, translated, machine code */
	uint32_t len;	 /* classic instructions */
	uint32_t type;	 /* 0: classic; BPF_PROG_TYPE_* */
	uint64_t fields; /* words of the context that it reads */
	struct s7_filter_map *maps;
	uint16_t map_count;
	bool bare;	/* eBPF: needs maps, bytes of the packet and its length alone */
	bool tail_root; /* attached, and has tail calls: keeps area->tails */
	uint32_t native; /* where the machine code begins, from here; 0: none */
	struct bpf_code code;
	struct sock_filter classic[]; /* as given: SO_GET_FILTER */
};

/*
 * Attaches a classic program of the caller's memory, in the place of what was. 0, -EINVAL (Linux
 * would refuse it), -EFAULT, -ENOMEM, -EPERM (SO_LOCK_FILTER).
 */
int filter_attach(struct s7_sock *sk, const struct sock_filter *user, uint32_t len);
/* The same with a program of type SOCKET_FILTER. */
int filter_attach_ebpf(struct s7_sock *sk, const struct ebpf_prog *prog);
/* 0, -ENOENT, -EPERM. */
int filter_detach(struct s7_sock *sk);
/* An accepted connection has its listener's. */
void filter_inherit(struct s7_sock *child, const struct s7_sock *parent);
/* The socket goes. */
void filter_drop(struct s7_sock *sk);
/* Somebody died inside: what sockets refer to is what there is. */
void filter_mend(struct s7_inst *inst);

/*
 * What the socket's filter leaves of a packet, data at the transport header: 0: nothing, it is to
 * be dropped; else so many bytes, at least `least` (the header), at most pkt->total. The socket has
 * one.
 */
uint32_t filter_run(const struct s7_sock *sk, const struct s7_pkt *pkt, uint32_t least);

/* A filter without a reference, from a program of the caller's memory. As filter_attach. */
int filter_load(struct s7_inst *inst, const struct sock_filter *user, uint32_t len,
		struct s7_filter **ret_filter);
/* Gives a reference back. NULL is legal. */
void filter_put(struct s7_inst *inst, struct s7_filter *filter);
/* Runs it by the engine there is; view->sk is set. */
uint32_t filter_exec(struct s7_inst *inst, const struct s7_filter *filter, struct bpf_view *view);

/* The view of a packet whose data is at the transport header. */
void filter_view(struct bpf_view *ret_view, const struct s7_inst *inst, const struct s7_pkt *pkt,
		 uint32_t uses);

#endif
