/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll_side.c - a socket changes sides while it is in epoll sets
 *
 * Idea: the real set knows kernel descriptors and twins alone (calls_epoll.c). When a socket goes
 * to the kernel, or becomes its alone, each set that watches it is told, or told to forget it:
 * planned under the instance lock, done without it, a batch at a time.
 * Context: any thread, no lock held. Callers: side changes in shim/.
 */
#include "shim/io.h"
#include "stack/base/sys.h"

#define SIDE_BATCH 16

struct side_move {
	struct s7_epoll *ep;
	int epfd, fd, op;
	struct epoll_event event;
};

/* What the real set must learn of an item, or false. Lock held. */
static bool side_plan(const struct s7_sock *sk, struct s7_epitem *item, struct side_move *move)
{
	bool wants = sk->file.side == SIDE_KERNEL || io_has_twin(sk);
	bool in = wants && io_twin_in(sk, item->events);

	if (wants == item->twin && in == item->twin_in)
		return false;
	move->ep = item->ep;
	move->epfd = item->proc == sk->inst->env->proc ? item->epfd : -1;
	move->fd = item->fd;
	move->op = !wants ? EPOLL_CTL_DEL : item->twin ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	move->event.events = item->events & ~(uint32_t)(EPOLLERR | EPOLLHUP) &
			     (in ? ~EPOLL_ROOM : ~0u);
	item->twin_in = in;
	move->event.data.u64 = item->data;
	if (wants)
		epoll_set_twin(item);
	else
		epoll_clear_twin(item);
	return true;
}

/* The number of a set in this process, when the one that was noted is another's. */
static int side_find_epfd(const struct side_move *move)
{
	struct s7_proc *proc = proc_self();

	if (move->epfd >= 0 && fd_get(move->epfd) == &move->ep->file)
		return move->epfd;
	for (uint32_t fd = 0; fd < proc->fd_high; fd++)
		if (proc->fd[fd] == &move->ep->file)
			return (int)fd;
	return -1;
}

static void side_do(const struct side_move *move, const struct s7_sock *sk, int fd)
{
	int epfd = side_find_epfd(move), err;

	if (epfd < 0) {
		shim_log(LOG_WARN,
			 "descriptor %d went to the kernel, but an epoll set that watches it "
			 "belongs to another process",
			 fd);
		return;
	}
	err = (int)s7_sys4(SYS_epoll_ctl, epfd, move->op,
			   fd_get(move->fd) == &sk->file ? move->fd : fd, &move->event);
	if (err && err != -EEXIST && err != -ENOENT)
		shim_log(LOG_WARN, "epoll set %d does not take descriptor %d: %s", epfd, fd,
			 strerrordesc_np(-err));
	atomic_store(&move->ep->kernel_items, 1);
}

void epoll_side_changed(struct s7_sock *sk, int fd)
{
	struct side_move moves[SIDE_BATCH];
	struct s7_epitem *item;
	uint32_t n;

	do {
		n = 0;
		item = NULL;
		inst_lock(sk->inst, host_now());
		while (n < SIDE_BATCH && (item = epoll_next_item(&sk->waitq, item)))
			n += side_plan(sk, item, &moves[n]);
		inst_unlock(sk->inst);
		for (uint32_t i = 0; i < n; i++)
			side_do(&moves[i], sk, fd);
	} while (n == SIDE_BATCH);
	side_rouse(sk);
}

void side_rouse(struct s7_sock *sk)
{
	inst_lock(sk->inst, host_now());
	wait_rouse(sk->inst, &sk->waitq);
	inst_unlock(sk->inst);
}
