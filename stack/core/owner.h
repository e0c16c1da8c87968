/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * owner.h - who is sent SIGIO and SIGURG for a socket (fcntl(2): F_SETOWN, F_SETSIG, O_ASYNC)
 *
 * One record a socket, made when a program first asks for it, in a slab of the instance: it belongs
 * to the open file description, so every process and duplicate shares it. With O_ASYNC a node of it
 * is on the socket's wait queue; without one no event pays for it. Signals are gathered under the
 * instance lock (inst_signal) and sent by the host after it, by whichever process drove.
 * Context: instance lock.
 */
#ifndef S7_OWNER_H
#define S7_OWNER_H

#include "stack/core/wait.h"

struct s7_inst;
struct s7_sock;

/* As fcntl's F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP. */
enum s7_owner_type { OWNER_TID, OWNER_PID, OWNER_PGRP };

struct s7_owner {
	struct s7_wait wait; /* on sk->waitq while `async` */
	int32_t pid;	     /* 0: nobody */
	int32_t fd;	     /* by which O_ASYNC was set: si_fd */
	uint32_t uid, euid;  /* of who set the owner */
	uint8_t type;	     /* enum s7_owner_type */
	uint8_t sig;	     /* F_SETSIG; 0: SIGIO without story */
	bool async;
};

/* A signal to be sent: what the owner was when the event came. */
struct s7_signal {
	int32_t pid, fd;
	uint32_t uid, euid;
	uint8_t type, sig;
	uint8_t band; /* POLL_IN ...; 0: it is SIGURG */
};

int owner_inst_init(struct s7_inst *inst);
/* The socket's record, made if there is none. NULL: the slab is empty. */
struct s7_owner *owner_get(struct s7_sock *sk);
/* O_ASYNC was switched. */
void owner_set_async(struct s7_sock *sk, struct s7_owner *owner, int fd, bool on);
/* The socket is freed. */
void owner_drop(struct s7_sock *sk);

/* A WAIT_ASYNC node had an event. */
void owner_event(struct s7_inst *inst, const struct s7_owner *owner, uint32_t events);
/* Urgent data is announced: SIGURG, and SIGIO's POLL_PRI. */
void owner_urgent(struct s7_sock *sk);

#endif
