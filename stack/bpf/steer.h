/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steer.h - which member of a group of SO_REUSEPORT gets a packet: SO_ATTACH_REUSEPORT_*
 *
 * Context: instance lock. Callers: option table of stack/sock, udp_in.c, tcp_in.c.
 */
#ifndef S7_STEER_H
#define S7_STEER_H

#include "stack/bpf/filter.h"

/*
 * Gives the socket's group the program, by any member and at any time; a socket that is not bound
 * yet (TCP: does not listen yet) brings it along. 0, -EPERM, -EINVAL, -EFAULT, -ENOMEM.
 */
int steer_attach(struct s7_sock *sk, const struct sock_filter *user, uint32_t len);
/* The same with a program of type SOCKET_FILTER or SK_REUSEPORT. */
int steer_attach_ebpf(struct s7_sock *sk, const struct ebpf_prog *prog);
/* 0, -ENOENT, -EINVAL (no SO_REUSEPORT). */
int steer_detach(struct s7_sock *sk);
/* The socket goes, or joins a group. */
void steer_drop(struct s7_sock *sk);

/*
 * The member that the group's program names for the packet, data at the transport header of `hdr`
 * bytes; `bind`, which `hash` chose, where there is no program or it names nobody; NULL: an
 * SK_REUSEPORT program wants nobody to have it.
 */
struct s7_bind *steer_pick(struct s7_inst *inst, struct s7_bind *bind, const struct s7_pkt *pkt,
			   uint32_t hdr, uint32_t hash);

/*
 * The socket becomes entry `at` of a map of sockets, by the kernel's number of the map, in the
 * place of who was; 0: leaves the one that it is in. -EINVAL: it is in no group of SO_REUSEPORT.
 */
int steer_array_set(struct s7_sock *sk, uint32_t array, uint32_t at);
/* Nobody is entry `at` any more. True: somebody was. */
bool steer_array_clear(struct s7_inst *inst, uint32_t array, uint32_t at);

#endif
