/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll.c - epoll sets over sockets of the stack
 *
 * Idea: an item hangs on its socket's wait queue. An event puts it on the ready list of the set's
 * part (once) and wakes one thread of the set; harvesting takes items off the list, asks the
 * protocol what is true now, and puts level-triggered ones back at the tail. So an event costs
 * O(1), and so does finding an item: the wait queue of a socket holds as many items as sets watch
 * it. Invariants: item->is_ready says whether it is on part->ready; a disarmed item (EPOLLONESHOT
 * that fired) has no low event bits and is never put there. Context: the part's instance lock. One
 * call never holds two instance locks. Callers: shim/calls_epoll.c, sk_event (through
 * s7_wait_epoll), sock_release.
 */
#include "stack/sock/epoll.h"

#include <errno.h>

#include "stack/base/user.h"
#include "stack/sock/sock.h"

#define EPOLLS_MAX 16384
#define ITEMS_PER_SOCKET 2
#define PRIVATE_BITS ((uint32_t)(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE))
#define EXCLUSIVE_OK \
	((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | \
		    EPOLLEXCLUSIVE))

struct s7_epoll_inst {
	struct s7_slab sets, items;
};

int epoll_inst_init(struct s7_inst *inst)
{
	int err;

	inst->epoll = arena_take(inst->arena, sizeof(*inst->epoll), S7_CACHELINE);
	if (!inst->epoll)
		return -ENOMEM;
	err = slab_init(&inst->epoll->sets, inst->arena, sizeof(struct s7_epoll), EPOLLS_MAX);
	if (err)
		return err;
	return slab_init(&inst->epoll->items, inst->arena, sizeof(struct s7_epitem),
			 inst->params.max_sockets * ITEMS_PER_SOCKET + 1024);
}

int epoll_create_in(struct s7_inst *inst, s7_time now, struct s7_epoll **ret_ep)
{
	struct s7_epoll *ep;

	inst_lock(inst, now);
	ep = slab_alloc_raw(&inst->epoll->sets);
	inst_unlock(inst);
	if (!ep)
		return -ENOMEM;

	file_renew(inst, &ep->file, offsetof(struct s7_epoll, part), inst->epoll->sets.size);
	if (ep->inst != inst)
		ep->inst = inst;
	/* a stale call may look at them (and do nothing then) */
	atomic_store_explicit(&ep->inst_mask, 0, memory_order_relaxed);
	atomic_store_explicit(&ep->kernel_items, 0, memory_order_relaxed);
	atomic_store_explicit(&ep->twin_items, 0, memory_order_relaxed);
	atomic_store_explicit(&ep->twin_oneshot, 0, memory_order_relaxed);
	atomic_store_explicit(&ep->kernel_looked, 0, memory_order_relaxed);
	ep->file.side = SIDE_STACK;
	for (uint32_t i = 0; i < S7_INSTS_MAX; i++) {
		list_init(&ep->part[i].items);
		list_init(&ep->part[i].ready);
		list_init(&ep->part[i].waitq);
	}
	atomic_store(&ep->file.refs, 1);
	/* whole before it counts as one: epoll_mend */
	s7_in_order();
	ep->file.kind = FILE_EPOLL;
	*ret_ep = ep;
	return 0;
}

/* ---- readiness ---- */

static uint32_t item_poll(const struct s7_epitem *item)
{
	if (item->file->kind == FILE_EPOLL)
		return epoll_part_readable(file_epoll(item->file), item->inst) ?
			       EPOLLIN | EPOLLRDNORM : 0;
	return sock_ready_locked(file_sock(item->file));
}

static void item_unready(struct s7_epoll_part *part, struct s7_epitem *item)
{
	if (!item->is_ready)
		return;
	item->is_ready = false;
	part->ready_count--;
	list_del(&item->ready);
}

/* Items that turn out not ready stay listed: the next harvest takes them off. */
bool epoll_part_readable(struct s7_epoll *ep, uint32_t inst)
{
	struct s7_list *pos;

	list_for_each(pos, &ep->part[inst].ready)
	{
		struct s7_epitem *item = list_entry(pos, struct s7_epitem, ready);

		if (item_poll(item) & item->events)
			return true;
	}
	return false;
}

/* Wakes every outer set and one thread that was not woken yet. True if a thread was. */
static bool part_wake(struct s7_inst *inst, struct s7_epoll_part *part)
{
	struct s7_list *pos, *tmp;
	bool woke = false;

	list_for_each_safe(pos, tmp, &part->waitq)
	{
		struct s7_wait *node = list_entry(pos, struct s7_wait, node);

		if (node->kind == WAIT_EPOLL) {
			woke |= epoll_node_event(inst, node, EPOLLIN);
		} else if (!atomic_load_explicit(&node->waiter->rung, memory_order_relaxed)) {
			inst_wake(inst, node->waiter);
			return true;
		}
	}
	return woke;
}

static bool item_make_ready(struct s7_inst *inst, struct s7_epitem *item)
{
	struct s7_epoll_part *part = &item->ep->part[item->inst];

	if (!item->is_ready) {
		item->is_ready = true;
		part->ready_count++;
		list_add_tail(&part->ready, &item->ready);
	}
	return !list_empty(&part->waitq) && part_wake(inst, part);
}

bool epoll_node_event(struct s7_inst *inst, struct s7_wait *node, uint32_t events)
{
	struct s7_epitem *item = s7_container(node, struct s7_epitem, wait);

	if (!(item->events & ~PRIVATE_BITS)) /* disarmed */
		return false;
	if (events && !(events & item->wait.events))
		return false;
	return item_make_ready(inst, item);
}

/* ---- items ---- */

struct s7_epitem *epoll_next_item(struct s7_list *waitq, struct s7_epitem *item)
{
	struct s7_list *pos = item ? item->wait.node.next : waitq->next;

	for (; pos != waitq; pos = pos->next) {
		struct s7_wait *node = list_entry(pos, struct s7_wait, node);

		if (node->kind == WAIT_EPOLL)
			return s7_container(node, struct s7_epitem, wait);
	}
	return NULL;
}

static struct s7_epitem *item_find(struct s7_list *waitq, const struct s7_epoll *ep, int fd)
{
	struct s7_epitem *item = epoll_next_item(waitq, NULL);

	while (item && (item->ep != ep || item->fd != fd))
		item = epoll_next_item(waitq, item);
	return item;
}

/* What the socket's wait queue filters by: READ NORMAL and its kin count as the plain bits. */
static void item_interest(struct s7_epitem *item, const struct epoll_event *event)
{
	item->events = event->events | EPOLLERR | EPOLLHUP;
	item->wait.events = sock_interest(item->events & ~PRIVATE_BITS);
	item->data = event->data.u64;
	if (item->twin && (item->events & EPOLLONESHOT))
		atomic_store(&item->ep->twin_oneshot, 1);
}

static void item_check(struct s7_inst *inst, struct s7_epitem *item)
{
	if (item_poll(item) & item->events)
		item_make_ready(inst, item);
}

static int item_add(struct s7_inst *inst, struct s7_epoll *ep, int fd, struct s7_file *file,
		    struct s7_list *waitq, const struct epoll_event *event)
{
	struct s7_epoll_part *part = &ep->part[inst->index];
	struct s7_epitem *item;

	item = slab_alloc(&inst->epoll->items);
	if (!item)
		return -ENOSPC;
	item->ep = ep;
	item->file = file;
	item->fd = fd;
	item->inst = (uint8_t)inst->index;
	item->wait.kind = WAIT_EPOLL;
	item->wait.exclusive = !!(event->events & EPOLLEXCLUSIVE);
	/* whole before the set has it: it may be freed from there if its maker dies here */
	list_init(&item->ready);
	list_init(&item->wait.node);
	item_interest(item, event);
	s7_in_order();
	list_add_tail(&part->items, &item->all);
	part->item_count++;
	wait_add(waitq, &item->wait);
	atomic_fetch_or(&ep->inst_mask, 1u << inst->index);
	item_check(inst, item);
	return 0;
}

void epoll_set_twin(struct s7_epitem *item)
{
	if (item->twin)
		return;
	/* who dies in between leaves one too many: looked for, not found */
	atomic_fetch_add_explicit(&item->ep->twin_items, 1, memory_order_relaxed);
	s7_in_order();
	item->twin = true;
	if (item->events & EPOLLONESHOT)
		atomic_store(&item->ep->twin_oneshot, 1);
}

void epoll_clear_twin(struct s7_epitem *item)
{
	if (!item->twin)
		return;
	item->twin = false;
	atomic_fetch_sub_explicit(&item->ep->twin_items, 1, memory_order_relaxed);
}

/*
 * An exclusive item goes with an event that rang nobody else (its process was killed meanwhile):
 * the next one shall hear of it.
 */
static void item_pass_on(struct s7_inst *inst, const struct s7_epitem *item)
{
	if (item->wait.exclusive && item->is_ready && item->file->kind == FILE_SOCK)
		wait_wake(inst, &file_sock(item->file)->waitq, item_poll(item) & item->events);
}

static void item_free(struct s7_inst *inst, struct s7_epitem *item)
{
	struct s7_epoll *ep = item->ep;
	struct s7_epoll_part *part = &ep->part[item->inst];

	list_del(&item->wait.node);
	item_pass_on(inst, item);
	item_unready(part, item);
	list_del(&item->all);
	part->item_count--;
	epoll_clear_twin(item);
	slab_free(&inst->epoll->items, item);
}

static int item_mod(struct s7_inst *inst, struct s7_epitem *item, const struct epoll_event *event)
{
	if (item->wait.exclusive || (event->events & EPOLLEXCLUSIVE))
		return -EINVAL;
	item_interest(item, event);
	item_check(inst, item);
	return 0;
}

/* ---- epoll_ctl ---- */

static int ctl_check(int op, const struct epoll_event *event, bool inner)
{
	if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL)
		return -EINVAL;
	if (op == EPOLL_CTL_DEL)
		return 0;
	if (!event)
		return -EFAULT;
	if (!(event->events & EPOLLEXCLUSIVE))
		return 0;
	if (op == EPOLL_CTL_MOD || inner || (event->events & ~EXCLUSIVE_OK))
		return -EINVAL;
	return 0;
}

/* Lock held. */
static int ctl_locked(struct s7_inst *inst, struct s7_epoll *ep, int op, int fd,
		      struct s7_file *file, struct s7_list *waitq, const struct epoll_event *event)
{
	struct s7_epitem *item = item_find(waitq, ep, fd);

	if (op == EPOLL_CTL_ADD)
		return item ? -EEXIST : item_add(inst, ep, fd, file, waitq, event);
	if (!item)
		return -ENOENT;
	if (op == EPOLL_CTL_MOD)
		return item_mod(inst, item, event);
	item_free(inst, item);
	return 0;
}

/*
 * A set that goes takes every instance's lock to drop its items there, after its last reference:
 * one that is there now is there until the lock is given back.
 */
int epoll_ctl_sock(struct s7_epoll_at at, int op, int fd, struct s7_sock_at sock,
		   const struct epoll_event *event, s7_time now)
{
	int err = ctl_check(op, event, false);
	struct s7_sock *sk = sock.sk;

	if (err)
		return err;
	inst_lock(sk->inst, now);
	if (!file_is(&sk->file, sock.cookie) || !file_is(&at.ep->file, at.cookie))
		err = sock.cookie || at.cookie ? -SOCK_STALE : -EBADF;
	else
		err = ctl_locked(sk->inst, at.ep, op, fd, &sk->file, &sk->waitq, event);
	inst_unlock(sk->inst);
	return err;
}

int epoll_ctl_epoll(struct s7_epoll *ep, int op, int fd, struct s7_epoll *inner,
		    const struct epoll_event *event, s7_time now)
{
	int err = ctl_check(op, event, true);
	struct s7_arena *arena = ep->inst->arena;

	if (ep == inner)
		return -EINVAL;
	for (uint32_t i = 0; !err && i < arena->inst_count; i++) {
		inst_lock(arena->inst[i], now);
		err = ctl_locked(arena->inst[i], ep, op, fd, &inner->file, &inner->part[i].waitq,
				 event);
		if (!err && op == EPOLL_CTL_ADD)
			epoll_set_twin(item_find(&inner->part[i].waitq, ep, fd));
		inst_unlock(arena->inst[i]);
	}
	return err;
}

/* ---- harvest ---- */

/* What could not be told (the program's array is no memory) is the next call's. */
static void item_ready_again(struct s7_epoll_part *part, struct s7_epitem *item)
{
	item->is_ready = true;
	part->ready_count++;
	list_add(&part->ready, &item->ready);
}

static void item_disarm(struct s7_epitem *item)
{
	item->events &= PRIVATE_BITS;
	item->wait.events = 0;
}

static inline void item_report(struct s7_epoll_part *part, struct s7_epitem *item)
{
	if (item->events & EPOLLONESHOT) {
		item_disarm(item);
	} else if (!(item->events & EPOLLET)) {
		item->is_ready = true;
		part->ready_count++;
		list_add_tail(&part->ready, &item->ready);
	}
}

int epoll_harvest_locked(struct s7_epoll *ep, struct s7_inst *inst, struct epoll_event *events,
			 int max)
{
	struct s7_epoll_part *part = &ep->part[inst->index];
	/* what is reported goes to the tail: not looked at twice */
	uint32_t left = part->ready_count;
	int n = 0;

	if (!left)
		return 0;
	for (; n < max && left; left--) {
		struct s7_epitem *item = list_first(&part->ready, struct s7_epitem, ready);
		uint32_t revents;

		item_unready(part, item);
		revents = item_poll(item) & item->events;
		if (!revents)
			continue;
		if (s7_unlikely(!user_put_event(&events[n], revents, item->data))) {
			item_ready_again(part, item);
			n = n ? n : -EFAULT;
			break;
		}
		n++;
		item_report(part, item);
	}
	inst_batch_begin(inst, n < 0 ? 0 : (uint32_t)n);
	/* as Linux: what is left wakes the next thread of the set */
	if (part->ready_count && !list_empty(&part->waitq))
		part_wake(inst, part);
	return n;
}

int epoll_harvest(struct s7_epoll_at at, struct epoll_event *events, int max, bool drive,
		  s7_time now)
{
	struct s7_epoll *ep = at.ep;
	uint32_t mask = atomic_load_explicit(&ep->inst_mask, memory_order_relaxed) |
			1u << ep->inst->index;
	struct s7_arena *arena = ep->inst->arena;
	int n = 0, got;

	while (mask && n < max) {
		struct s7_inst *inst = arena->inst[__builtin_ctz(mask)];

		mask &= mask - 1;
		inst_lock(inst, now);
		if (drive)
			inst_drive(inst);
		got = s7_likely(file_is(&ep->file, at.cookie)) ?
			      epoll_harvest_locked(ep, inst, events + n, max - n) : -SOCK_STALE;
		inst_unlock(inst);
		if (s7_unlikely(got < 0))
			return n ? n : got;
		n += got;
	}
	return n;
}

/* *spent: items with this datum that had fired already; *live: that had not. */
static void part_twin_fired(struct s7_epoll_part *part, uint64_t data, uint32_t *spent,
			    uint32_t *live)
{
	struct s7_list *pos;

	list_for_each(pos, &part->items)
	{
		struct s7_epitem *item = list_entry(pos, struct s7_epitem, all);

		if (!item->twin || item->data != data)
			continue;
		if (item->events & ~PRIVATE_BITS)
			(*live)++;
		else
			(*spent)++;
		if (!(item->events & EPOLLONESHOT))
			continue;
		item_disarm(item);
		item_unready(part, item);
	}
}

bool epoll_twin_fired(struct s7_epoll *ep, uint64_t data, s7_time now)
{
	struct s7_arena *arena = ep->inst->arena;
	uint32_t spent = 0, live = 0;

	if (s7_likely(!atomic_load_explicit(&ep->twin_oneshot, memory_order_relaxed)))
		return true;
	for (uint32_t i = 0; i < arena->inst_count; i++) {
		inst_lock(arena->inst[i], now);
		part_twin_fired(&ep->part[i], data, &spent, &live);
		inst_unlock(arena->inst[i]);
	}
	return live || !spent;
}

/* ---- death ---- */

struct s7_epoll *epoll_next_set(struct s7_inst *inst, uint32_t *id)
{
	struct s7_slab *sets = &inst->epoll->sets;

	while (++*id <= sets->high) {
		struct s7_epoll *ep = slab_at(sets, *id);

		if (ep->file.kind == FILE_EPOLL)
			return ep;
	}
	return NULL;
}

/* Readiness is what the ready list says, wherever whoever changed it died. */
static void part_mend(struct s7_epoll_part *part)
{
	struct s7_list *pos;

	part->item_count = list_mend(&part->items);
	part->ready_count = list_mend(&part->ready);
	list_mend(&part->waitq);
	list_for_each(pos, &part->items)
		list_entry(pos, struct s7_epitem, all)->is_ready = false;
	list_for_each(pos, &part->ready)
		list_entry(pos, struct s7_epitem, ready)->is_ready = true;
}

/* On no wait queue: half made, or half freed, when its maker died. Nobody else can find it. */
static void part_drop_halves(struct s7_inst *inst, struct s7_epoll_part *part)
{
	struct s7_list *pos, *tmp;

	list_for_each_safe(pos, tmp, &part->items)
	{
		struct s7_epitem *item = list_entry(pos, struct s7_epitem, all);

		if (list_linked(&item->wait.node))
			continue;
		item->wait.exclusive = false; /* its file may be gone: nothing is passed on */
		item_free(inst, item);
	}
}

void epoll_mend(struct s7_inst *inst)
{
	struct s7_arena *arena = inst->arena;
	struct s7_epoll *ep;
	uint32_t k, id;

	for (k = 0; k < arena->inst_count; k++)
		for (id = 0; (ep = epoll_next_set(arena->inst[k], &id));)
			part_mend(&ep->part[inst->index]);
	for (k = 0; k < arena->inst_count; k++)
		for (id = 0; (ep = epoll_next_set(arena->inst[k], &id));)
			part_drop_halves(inst, &ep->part[inst->index]);
	slab_mend(&inst->epoll->sets);
	slab_mend(&inst->epoll->items);
}

/* Items on a wait queue: of sets that watch what goes away. */
static void waitq_forget(struct s7_inst *inst, struct s7_list *waitq)
{
	struct s7_epitem *item;

	while ((item = epoll_next_item(waitq, NULL)))
		item_free(inst, item);
}

void epoll_forget_sock(struct s7_sock *sk)
{
	waitq_forget(sk->inst, &sk->waitq);
}

void epoll_release(struct s7_epoll *ep, s7_time now)
{
	struct s7_arena *arena = ep->inst->arena;
	struct s7_inst *home = ep->inst;

	for (uint32_t i = 0; i < arena->inst_count; i++) {
		struct s7_inst *inst = arena->inst[i];
		struct s7_epoll_part *part = &ep->part[i];

		inst_lock(inst, now);
		while (!list_empty(&part->items))
			item_free(inst, list_first(&part->items, struct s7_epitem, all));
		waitq_forget(inst, &part->waitq);
		inst_unlock(inst);
	}
	inst_lock(home, now);
	ep->file.kind = FILE_NONE;
	slab_free(&home->epoll->sets, ep);
	inst_unlock(home);
}
