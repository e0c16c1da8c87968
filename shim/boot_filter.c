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

#include "shim/boot_object.h"
#include "shim/bpf.h"
#include "shim/internal.h"
#include "stack/bpf/ingress.h"

static int filter_refused(uint32_t index, const char *text)
{
	const struct conf_iface *conf = &s7_boot.conf.iface[index];

	snprintf(s7_boot.why, sizeof(s7_boot.why), "interface %s: filter%s: %.180s", conf->name,
		 conf->filter[0] ? "" : "_object", text);
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

/* A program of either kind. */
static int filter_put_in(uint32_t index, const struct conf_filter *filter,
			 const struct ebpf_prog *prog)
{
	for (uint32_t k = 0; k < s7_boot.inst_count; k++) {
		struct s7_inst *inst = s7_arena->inst[k];
		struct s7_iface *iface = iface_of(inst, index);
		int err;

		if (!iface)
			continue;
		inst_lock(inst, host_now());
		err = prog ? ingress_set_ebpf(inst, iface, prog) :
			     ingress_set(inst, iface, filter->insns, filter->count);
		inst_unlock(inst);
		if (err)
			return filter_refused(index, strerrordesc_np(-err));
	}
	return 0;
}

static int filter_by_expression(uint32_t index)
{
	struct conf_filter *filter = malloc(sizeof(*filter));
	char why[CONF_WHY_MAX];
	int err;

	if (!filter)
		return filter_refused(index, strerrordesc_np(ENOMEM));
	err = conf_filter_compile(&s7_boot.conf.iface[index], filter, why, sizeof(why)) ?
		      filter_refused(index, why) :
		      filter_put_in(index, filter, NULL);
	free(filter);
	return err;
}

static int filter_by_object(uint32_t index)
{
	const struct ebpf_prog *prog;
	char why[CONF_WHY_MAX];
	int err;

	if (boot_object_load(s7_boot.conf.iface[index].filter_object, &prog, why, sizeof(why)))
		return filter_refused(index, why);
	err = filter_put_in(index, NULL, prog);
	bpf_prog_put(prog);
	return err;
}

int boot_filters(void)
{
	int err = 0;

	for (uint32_t i = 0; i < s7_boot.iface_count && !err; i++) {
		const struct conf_iface *conf = &s7_boot.conf.iface[i];

		if (conf->filter[0])
			err = filter_by_expression(i);
		else if (conf->filter_object[0])
			err = filter_by_object(i);
	}
	return err;
}
