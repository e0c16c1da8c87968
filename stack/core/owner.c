/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * owner.c - SIGIO and SIGURG: which event becomes which signal
 *
 * Idea: what sk_event() tells the wait queue says enough to tell Linux's bands apart: an error is
 * POLL_ERR; the peer's FIN is POLL_HUP when both directions are over, else POLL_IN; data and
 * connections are POLL_IN; a connection made or room to write again is POLL_OUT (EPOLLWRNORM goes
 * with nothing else). State that changes by the program's own call signals nothing.
 * Context: instance lock. Called by: wait_wake(), tcp_urg.c, shim/owner.c.
 */
#include "stack/core/owner.h"

#include <errno.h>
#include <signal.h>

#include "stack/core/sk.h"

#define LAST_STANDARD_SIGNAL 31

int owner_inst_init(struct s7_inst *inst)
{
	return slab_init(&inst->owners, inst->arena,
			 (uint32_t)s7_round_up(sizeof(struct s7_owner), S7_CACHELINE),
			 inst->params.max_sockets);
}

struct s7_owner *owner_get(struct s7_sock *sk)
{
	struct s7_owner *owner = sk->owner;

	if (owner)
		return owner;
	owner = slab_alloc(&sk->inst->owners);
	if (!owner)
		return NULL;
	list_init(&owner->wait.node);
	owner->wait.kind = WAIT_ASYNC;
	owner->wait.events = ~0u;
	sk->owner = owner;
	return owner;
}

void owner_set_async(struct s7_sock *sk, struct s7_owner *owner, int fd, bool on)
{
	if (on == owner->async)
		return;
	owner->async = on;
	owner->fd = fd;
	if (on)
		wait_add(&sk->waitq, &owner->wait);
	else
		list_del(&owner->wait.node);
}

void owner_drop(struct s7_sock *sk)
{
	if (!sk->owner)
		return;
	list_del(&sk->owner->wait.node);
	slab_free(&sk->inst->owners, sk->owner);
	sk->owner = NULL;
}

static int signal_number(const struct s7_signal *sig)
{
	return !sig->band ? SIGURG : sig->sig ? sig->sig : SIGIO;
}

/* A signal that is no real-time one is pending once, whatever came before it is delivered. */
static bool is_pending(const struct s7_inst *inst, const struct s7_signal *sig)
{
	int number = signal_number(sig);

	if (number > LAST_STANDARD_SIGNAL)
		return false;
	for (uint32_t i = 0; i < inst->signal_count; i++)
		if (signal_number(&inst->signal[i]) == number &&
		    inst->signal[i].pid == sig->pid && inst->signal[i].type == sig->type)
			return true;
	return false;
}

static void signal_gather(struct s7_inst *inst, const struct s7_owner *owner, uint8_t band)
{
	struct s7_signal sig = {
		.pid = owner->pid, .fd = owner->fd, .uid = owner->uid, .euid = owner->euid,
		.type = owner->type, .sig = owner->sig, .band = band,
	};

	if (!owner->pid || !inst->env->host->signal || is_pending(inst, &sig))
		return;
	if (inst->signal_count < INST_SIGNALS)
		inst->signal[inst->signal_count++] = sig;
	else
		inst->env->host->signal(&sig); /* more than fit: sent at once, under the lock */
}

static uint8_t band_of(uint32_t events)
{
	if (events & EPOLLERR)
		return POLL_ERR;
	if (events & EPOLLPRI) /* the octet is here; its announcement was owner_urgent's */
		return POLL_IN;
	if (events & EPOLLIN) {
		if (events & EPOLLOUT) /* shutdown(), or the end of an error told before */
			return 0;
		return events & EPOLLHUP ? POLL_HUP : POLL_IN;
	}
	return events & EPOLLWRNORM ? POLL_OUT : 0;
}

void owner_event(struct s7_inst *inst, const struct s7_owner *owner, uint32_t events)
{
	uint8_t band = band_of(events);

	if (!band)
		return;
	signal_gather(inst, owner, band);
	if (events & EPOLLRDHUP) /* Linux tells a FIN, and then that there is something to read */
		signal_gather(inst, owner, POLL_IN);
}

/* SIGURG has a road of its own; F_SETSIG(SIGURG) gets both, as in Linux. */
void owner_urgent(struct s7_sock *sk)
{
	struct s7_owner *owner = sk->owner;

	if (!owner)
		return;
	signal_gather(sk->inst, owner, 0);
	if (owner->async)
		signal_gather(sk->inst, owner, POLL_PRI);
}
