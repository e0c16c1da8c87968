/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inst.c - the lock section of an instance, and the rings after it
 *
 * inst->lock is the first in the lock order (architecture.md). Waiters marked under it are copied
 * to the stack and rung after it is free, so that a woken thread does not run into the lock. A dead
 * owner's half-made change is confined to the socket it was working on (inst->current), which is
 * aborted.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "stack/core/ext.h"

int inst_add_iface(struct s7_inst *inst, const struct s7_iface *iface, uint32_t *ret_index)
{
	struct s7_iface *own;

	if (inst->iface_count == S7_IFACES_MAX)
		return -ENOSPC;
	own = &inst->iface[inst->iface_count];
	*own = *iface;
	own->index = (uint8_t)inst->iface_count;
	own->staged = 0;
	if (!own->tcp.init_cwnd)
		own->tcp = params_iface_tcp(&inst->params);
	*ret_index = inst->iface_count++;
	return 0;
}

void inst_lock(struct s7_inst *inst, s7_time now)
{
	enum lock_result how = lock_take(&inst->lock);

	if (s7_likely(now > inst->now))
		inst->now = now;
	if (s7_unlikely(how == LOCK_OWNER_DIED))
		inst_repair(inst);
}

bool inst_trylock(struct s7_inst *inst, s7_time now)
{
	if (!lock_try(&inst->lock))
		return false;
	if (s7_likely(now > inst->now))
		inst->now = now;
	return true;
}

/*
 * Gives the lock back and sends what was gathered, with handlers put off meanwhile. Out of the way
 * of those who have no signals to send.
 */
static S7_NOINLINE void unlock_signals(struct s7_inst *inst)
{
	struct s7_signal sig[INST_SIGNALS];
	uint32_t n = inst->signal_count;

	memcpy(sig, inst->signal, n * sizeof(sig[0]));
	inst->signal_count = 0;
	lock_depth_add_(1);
	inst_unlock(inst);
	for (uint32_t i = 0; i < n; i++)
		inst->env->host->signal(&sig[i]);
	lock_depth_add_(-1);
	if (s7_lock_pending && !s7_lock_depth)
		inst->env->host->deferred();
}

void inst_unlock(struct s7_inst *inst)
{
	struct s7_waiter *wake[INST_WAKES];
	const struct s7_host_ops *host = inst->env->host;
	uint32_t n = inst->wake_count;

	if (s7_unlikely(inst->signal_count)) {
		unlock_signals(inst);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		wake[i] = inst->wake[i];
	inst->wake_count = 0;
	inst->stat[STAT_WAKES] += n;
	/* no handler between the unlock and the rings: it might not come back */
	lock_depth_add_(1);
	lock_give(&inst->lock);
	for (uint32_t i = 0; i < n; i++)
		host->ring(wake[i]);
	lock_depth_add_(-1);
	if (s7_unlikely(s7_lock_pending && !s7_lock_depth))
		host->deferred();
}

void inst_wake(struct s7_inst *inst, struct s7_waiter *waiter)
{
	if (atomic_exchange_explicit(&waiter->rung, 1, memory_order_acq_rel))
		return;
	if (inst->wake_count < INST_WAKES)
		inst->wake[inst->wake_count++] = waiter;
	else
		inst->env->host->ring(waiter); /* more than fit: rung at once, under the lock */
}

void inst_log(struct s7_inst *inst, enum s7_log_level level, const char *fmt, ...)
{
	char line[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	inst->env->host->log(level, line);
}

uint64_t inst_random(struct s7_inst *inst)
{
	uint64_t value;

	inst->env->host->random(&value, sizeof(value));
	return value;
}
