/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * silencer_tc.c - the silencer as a clsact filter, for kernels without TCX (before 6.6)
 *
 * Idea: every owner has its own filter (same priority, a handle that the kernel picks) and its own
 * heartbeat. A filter outlives its owner; its program then passes everything once the heartbeat is
 * stale, and the next owner to come removes it: a filter is ours if its program has our name, and
 * dead if the array named SILENCER_BEAT_NAME among that program's maps holds an old time. The
 * clsact qdisc stays: others may have begun to use it.
 * Context: boot and end, no lock. Called by: silencer.c.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "kern/nl.h"
#include "kern/silencer_tc.h"

#define FILTERS_MAX 64 /* of ours, looked at in one go */
#define MAPS_MAX 8     /* of one program */

int silencer_tc_attach(int ifindex, int prog_fd, uint32_t *ret_handle)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd,
			    .priority = SILENCER_TC_PRIORITY);
	int err;

	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return err;
	err = bpf_tc_attach(&hook, &opts);
	if (err)
		return err;
	*ret_handle = opts.handle;
	return 0;
}

int silencer_tc_detach(int ifindex, uint32_t handle)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = SILENCER_TC_PRIORITY);

	return bpf_tc_detach(&hook, &opts);
}

struct filter {
	uint32_t handle;
	uint32_t prog_id;
};

struct filters {
	uint32_t count;
	struct filter filter[FILTERS_MAX];
};

static void read_options(const struct nlattr *options, struct filter *filter, bool *ret_ours)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, options) {
		if (mnl_attr_get_type(attr) == TCA_BPF_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			filter->prog_id = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == TCA_BPF_NAME &&
			 mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			*ret_ours = strncmp(mnl_attr_get_str(attr), SILENCER_PROG_NAME,
					    strlen(SILENCER_PROG_NAME)) == 0;
	}
}

static int read_filter(const struct nlmsghdr *msg, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(msg);
	struct filters *filters = arg;
	struct filter filter = { 0 };
	const struct nlattr *attr;
	bool ours = false;

	if (msg->nlmsg_type != RTM_NEWTFILTER || mnl_nlmsg_get_payload_len(msg) < sizeof(*tc))
		return 0;
	if (TC_H_MAJ(tc->tcm_info) >> 16 != SILENCER_TC_PRIORITY || tc->tcm_handle == 0)
		return 0;
	filter.handle = tc->tcm_handle;
	mnl_attr_for_each(attr, msg, sizeof(*tc)) {
		if (mnl_attr_get_type(attr) == TCA_OPTIONS)
			read_options(attr, &filter, &ours);
	}
	if (ours && filter.prog_id && filters->count < FILTERS_MAX)
		filters->filter[filters->count++] = filter;
	return 0;
}

static int list_filters(int ifindex, struct filters *ret_filters)
{
	union nl_request req;
	struct tcmsg *tc;
	struct nl nl;
	int err;

	err = nl_open(&nl, NL_BUF_BYTES);
	if (err)
		return err;
	for (int i = 0; i < NL_TRIES; i++) {
		ret_filters->count = 0;
		tc = nl_begin(&req, RTM_GETTFILTER, NLM_F_DUMP, sizeof(*tc));
		tc->tcm_ifindex = ifindex;
		tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
		err = nl_ask(&nl, &req, read_filter, ret_filters);
		if (err != -EAGAIN)
			break;
	}
	nl_close(&nl);
	return err;
}

/* The time in a map of ours. 0, or -ENOENT: not a heartbeat. */
static int read_beat(uint32_t map_id, s7_time *ret_beat)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info), slot = 0;
	int fd, err = -ENOENT;

	fd = bpf_map_get_fd_by_id(map_id);
	if (fd < 0)
		return -ENOENT;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	    strcmp(info.name, SILENCER_BEAT_NAME) == 0 && info.value_size == sizeof(*ret_beat) &&
	    bpf_map_lookup_elem(fd, &slot, ret_beat) == 0)
		err = 0;
	close(fd);
	return err;
}

static bool is_dead(uint32_t prog_id, s7_time now)
{
	uint32_t ids[MAPS_MAX] = { 0 };
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids };
	uint32_t len = sizeof(info);
	bool dead = false;
	int fd, err;

	fd = bpf_prog_get_fd_by_id(prog_id);
	if (fd < 0)
		return false;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (err)
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX && !dead; i++) {
		s7_time beat;

		dead = read_beat(ids[i], &beat) == 0 && beat + SILENCER_DEAD_NS < now;
	}
	return dead;
}

int silencer_tc_reap(int ifindex, s7_time now)
{
	struct filters filters;
	int err, removed = 0;

	err = list_filters(ifindex, &filters);
	if (err)
		return err == -EINVAL || err == -ENOENT ? 0 : err; /* no clsact yet */
	for (uint32_t i = 0; i < filters.count; i++) {
		if (!is_dead(filters.filter[i].prog_id, now))
			continue;
		if (silencer_tc_detach(ifindex, filters.filter[i].handle) == 0)
			removed++;
	}
	return removed;
}
