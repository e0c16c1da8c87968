/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot_filter.c - the firewalls of interfaces, from the configuration into every instance
 *
 * The configuration was checked with the expression, so what fails here is memory, or a name that
 * the resolver no longer knows. A firewall that is not there is no start: better the kernel, which
 * has its own.
 * Context: boot, one thread, no lock held.
 */
#include <stdio.h>
#include <stdlib.h>

#include "shim/internal.h"
#include "stack/bpf/ingress.h"

static int filter_refused(uint32_t index, const char *text)
{
	snprintf(s7_boot.why, sizeof(s7_boot.why), "interface %s: filter: %.180s",
		 s7_boot.conf.iface[index].name, text);
	return -EINVAL;
}

/* NULL: the instance has no queue of it. */
static struct s7_iface *iface_of(struct s7_inst *inst, uint32_t index)
{
	for (uint32_t i = 1; i < inst->iface_count; i++)
		if (inst->env->dev[i].dev == s7_boot.iface[index].port)
			return &inst->iface[i];
	return NULL;
}

static int filter_put_in(uint32_t index, const struct conf_filter *filter)
{
	for (uint32_t k = 0; k < s7_boot.inst_count; k++) {
		struct s7_inst *inst = s7_arena->inst[k];
		struct s7_iface *iface = iface_of(inst, index);
		int err;

		if (!iface)
			continue;
		inst_lock(inst, host_now());
		err = ingress_set(inst, iface, filter->insns, filter->count);
		inst_unlock(inst);
		if (err)
			return filter_refused(index, strerrordesc_np(-err));
	}
	return 0;
}

int boot_filters(void)
{
	struct conf_filter *filter;
	char why[CONF_WHY_MAX];
	int err = 0;

	for (uint32_t i = 0; i < s7_boot.iface_count && !err; i++) {
		if (!s7_boot.conf.iface[i].filter[0])
			continue;
		filter = malloc(sizeof(*filter));
		if (!filter)
			return filter_refused(i, strerrordesc_np(ENOMEM));
		err = conf_filter_compile(&s7_boot.conf.iface[i], filter, why, sizeof(why)) ?
			      filter_refused(i, why) :
			      filter_put_in(i, filter);
		free(filter);
	}
	return err;
}
