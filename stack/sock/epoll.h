/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll.h - epoll sets over sockets of the stack
 *
 * An s7_epoll stands beside a real epoll descriptor: the kernel watches the kernel descriptors in it, this
 * watches ours. It comes into being when the first of our sockets is added. Semantics as Linux: level, edge, oneshot, exclusive;
 * a ready list; harvesting re-polls each item; fairness by moving level-triggered items to the tail.
 * Locks: inst->lock -> ep->lock. An item dies with EPOLL_CTL_DEL or with the last descriptor of its file.
 */
#ifndef S7_EPOLL_H
#define S7_EPOLL_H

#include "stack/core/sk.h"

struct s7_epoll {
	struct s7_file file;
	struct s7_lock lock;
	struct s7_inst *inst; /* home: whose wake list and slabs it uses */
	struct s7_list items;
	struct s7_list ready;
	struct s7_list waitq; /* threads in epoll_wait */
	uint32_t item_count;
	uint32_t ready_count;
	_Atomic uint32_t kernel_items; /* 1 if the real epoll set may hold descriptors */
};

int epoll_create_in(struct s7_inst *inst, s7_time now, struct s7_epoll **ret_ep);
void epoll_release(struct s7_epoll *ep, s7_time now);

/* op EPOLL_CTL_*; fd is the key together with the file, as in Linux. 0, -EEXIST, -ENOENT, -EINVAL, -ENOSPC. */
int epoll_ctl_sock(struct s7_epoll *ep, int op, int fd, struct s7_sock *sk, const struct epoll_event *event,
		   s7_time now);

/* Collects ready events; 0 if none. Takes the locks. Drives the instance first when `drive`. */
int epoll_harvest(struct s7_epoll *ep, struct epoll_event *events, int max, bool drive, s7_time now);

/* A wait node on sk->waitq of kind WAIT_EPOLL had an event (called by sk_event, lock held). Returns true if it woke someone. */
bool epoll_node_event(struct s7_inst *inst, struct s7_wait *node, uint32_t events);

/* The file of the socket goes away: drops its items from all sets. Lock held. */
void epoll_forget_sock(struct s7_sock *sk);

static inline struct s7_epoll *file_epoll(struct s7_file *file)
{
	return s7_container(file, struct s7_epoll, file);
}

#endif
