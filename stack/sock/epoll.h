/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll.h - epoll sets over sockets of the stack
 *
 * An s7_epoll stands beside a real epoll descriptor: the kernel watches the kernel descriptors in
 * it, this watches ours. Semantics as Linux: level, edge, oneshot, exclusive; a ready list;
 * harvesting re-polls each item; fairness by moving level-triggered items to the tail.
 *
 * Locks: a set has one part for each instance, which belongs wholly to that instance's lock, so
 * that an event costs no lock beyond the one its socket's packet already holds. An item dies with
 * EPOLL_CTL_DEL or with the last descriptor of its file.
 */
#ifndef S7_EPOLL_H
#define S7_EPOLL_H

#include "stack/core/sk.h"

/* Items of one instance's sockets. Context: that instance's lock. */
struct s7_epoll_part {
	struct s7_list items; /* by item->all */
	struct s7_list ready; /* by item->ready */
	struct s7_list waitq; /* threads in epoll_wait, and items of outer sets */
	uint32_t item_count;
	uint32_t ready_count;
};

struct s7_epoll {
	struct s7_file file;
	struct s7_inst *inst; /* home: whose slab it is from; never another, as a socket's */
	_Atomic uint32_t inst_mask;    /* instances whose part ever had items */
	_Atomic uint32_t kernel_items; /* 1 if the real epoll set may hold descriptors */
	/* items that are in the real set too (dual sockets, inner sets) */
	_Atomic uint32_t twin_items;
	_Atomic uint32_t twin_oneshot; /* 1 if one of those ever was EPOLLONESHOT */
	_Atomic s7_time kernel_looked; /* when the real set was last asked */
	struct s7_epoll_part part[S7_INSTS_MAX];
};

/* One watched (descriptor, file) of a set; of the slab of the instance whose part holds it. */
struct s7_epitem {
	struct s7_wait wait; /* on the socket's wait queue, or on an inner set's part's */
	struct s7_epoll *ep;
	struct s7_list ready;
	struct s7_list all;
	struct s7_file *file;
	uint64_t data;
	uint32_t events; /* as asked, ERR and HUP added; no low bits: disarmed by EPOLLONESHOT */
	int32_t fd;
	int32_t epfd;	 /* the real set, by the number that epoll_ctl saw in process `proc` */
	uint32_t proc;
	bool is_ready;
	bool twin;	 /* also in the real set */
	bool twin_in;	 /* ... for what comes alone: what goes is the stack's to tell */
	uint8_t inst;
};

/* What a kernel half of datagrams is not asked: the stack's half says when there is room. */
#define EPOLL_ROOM ((uint32_t)(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND))

/* Slabs of sets and items in the arena, at inst_create. */
int epoll_inst_init(struct s7_inst *inst);

int epoll_create_in(struct s7_inst *inst, s7_time now, struct s7_epoll **ret_ep);
/* The last reference of the set is gone. */
void epoll_release(struct s7_epoll *ep, s7_time now);

/* A set or socket as it was looked up: with the cookie of then, or 0 if the caller holds it. */
struct s7_epoll_at {
	struct s7_epoll *ep;
	uint64_t cookie;
};
struct s7_sock_at {
	struct s7_sock *sk;
	uint64_t cookie;
};

static inline struct s7_epoll_at epoll_held(struct s7_epoll *ep)
{
	return (struct s7_epoll_at){ .ep = ep };
}

static inline struct s7_sock_at sock_held(struct s7_sock *sk)
{
	return (struct s7_sock_at){ .sk = sk };
}

/*
 * op EPOLL_CTL_*; fd is the key together with the file, as in Linux. 0, -EEXIST, -ENOENT, -EINVAL,
 * -ENOSPC, -EBADF, -SOCK_STALE.
 */
int epoll_ctl_sock(struct s7_epoll_at ep, int op, int fd, struct s7_sock_at sk,
		   const struct epoll_event *event, s7_time now);
/*
 * The same with an epoll set in the place of the socket. The real sets hold each other too, so the
 * kernel looks for loops.
 */
int epoll_ctl_epoll(struct s7_epoll *ep, int op, int fd, struct s7_epoll *inner,
		    const struct epoll_event *event, s7_time now);

/*
 * Collects ready events; 0 if none, -EFAULT when `events` is no memory, -SOCK_STALE. Takes the
 * locks. Drives the instances first when `drive`.
 */
int epoll_harvest(struct s7_epoll_at at, struct epoll_event *events, int max, bool drive,
		  s7_time now);
/* As epoll_harvest of one instance's part, whose lock the caller holds. */
int epoll_harvest_locked(struct s7_epoll *ep, struct s7_inst *inst, struct epoll_event *events,
			 int max);

/*
 * Whether a part has something to report (epoll set inside poll or another set). Lock of that
 * instance held.
 */
bool epoll_part_readable(struct s7_epoll *ep, uint32_t inst);

/*
 * The real set reported this data for an item that is also here: disarms ours if it is a oneshot.
 * False: ours has fired already, and the program has not armed it again; it shall not hear of this.
 */
bool epoll_twin_fired(struct s7_epoll *ep, uint64_t data, s7_time now);
/* Items of a file, one after the other; NULL first and last. Lock of the file's instance held. */
struct s7_epitem *epoll_next_item(struct s7_list *waitq, struct s7_epitem *item);
/* Marks an item as being in the real set too, or no longer. Lock held. */
void epoll_set_twin(struct s7_epitem *item);
void epoll_clear_twin(struct s7_epitem *item);

/*
 * A wait node on sk->waitq of kind WAIT_EPOLL had an event (called by sk_event, lock held). Returns
 * true if it woke someone.
 */
bool epoll_node_event(struct s7_inst *inst, struct s7_wait *node, uint32_t events);

/* The file of the socket goes away: drops its items from all sets. Lock held. */
void epoll_forget_sock(struct s7_sock *sk);

/* A thread died with the instance's lock: the parts of its sets are made whole. Lock held. */
void epoll_mend(struct s7_inst *inst);
/* Every set whose home is this instance, one after the other; *id is 0 first. NULL: no more. */
struct s7_epoll *epoll_next_set(struct s7_inst *inst, uint32_t *id);

static inline struct s7_epoll *file_epoll(struct s7_file *file)
{
	return s7_container(file, struct s7_epoll, file);
}

#endif
