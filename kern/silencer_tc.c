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
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "kern/bpf_sys.h"
#include "kern/nl.h"
#include "kern/silencer_tc.h"
#include "stack/base/sys.h"

#define FILTERS_MAX 64 /* of ours, looked at in one go */
#define MAPS_MAX 8     /* of one program */

/* Opens, asks, closes. */
static int ask_once(union nl_request *req, nl_each each, void *arg)
{
	struct nl nl;
	int err;

	err = nl_open(&nl, NL_BUF_BYTES);
	if (err)
		return err;
	err = nl_ask(&nl, req, each, arg);
	nl_close(&nl);
	return err;
}

/* A request about our filter number `handle` at the netdev's ingress. */
static void begin_filter(union nl_request *req, uint16_t type, uint16_t flags, int ifindex,
			 uint32_t handle)
{
	struct tcmsg *tc = nl_begin(req, type, NLM_F_ACK | flags, sizeof(*tc));

	tc->tcm_ifindex = ifindex;
	tc->tcm_handle = handle;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	tc->tcm_info = TC_H_MAKE(SILENCER_TC_PRIORITY << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(&req->head, TCA_KIND, "bpf");
}

static int ignore(const struct nlmsghdr *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return 0;
}

static int make_qdisc(int ifindex)
{
	union nl_request req;
	struct tcmsg *tc;
	int err;

	tc = nl_begin(&req, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*tc));
	tc->tcm_ifindex = ifindex;
	tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	tc->tcm_parent = TC_H_CLSACT;
	mnl_attr_put_strz(&req.head, TCA_KIND, "clsact");
	err = ask_once(&req, ignore, NULL);
	return err == -EEXIST ? 0 : err;
}

/* The echo of the new filter tells the handle that the kernel chose. */
static int read_handle(const struct nlmsghdr *msg, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(msg);
	uint32_t *ret_handle = arg;

	if (msg->nlmsg_type == RTM_NEWTFILTER && mnl_nlmsg_get_payload_len(msg) >= sizeof(*tc))
		*ret_handle = tc->tcm_handle;
	return 0;
}

int silencer_tc_attach(int ifindex, int prog_fd, uint32_t *ret_handle)
{
	union nl_request req;
	struct nlattr *options;
	uint32_t handle = 0;
	int err;

	err = make_qdisc(ifindex);
	if (err)
		return err;
	begin_filter(&req, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO, ifindex, 0);
	options = mnl_attr_nest_start(&req.head, TCA_OPTIONS);
	mnl_attr_put_u32(&req.head, TCA_BPF_FD, (uint32_t)prog_fd);
	mnl_attr_put_strz(&req.head, TCA_BPF_NAME, SILENCER_PROG_NAME);
	mnl_attr_put_u32(&req.head, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(&req.head, options);
	err = ask_once(&req, read_handle, &handle);
	if (err)
		return err;
	if (!handle)
		return -EPROTO;
	*ret_handle = handle;
	return 0;
}

int silencer_tc_detach(int ifindex, uint32_t handle)
{
	union nl_request req;

	begin_filter(&req, RTM_DELTFILTER, 0, ifindex, handle);
	return ask_once(&req, ignore, NULL);
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
	uint32_t slot = 0;
	int fd, err = -ENOENT;

	fd = bpf_map_by_id(map_id);
	if (fd < 0)
		return -ENOENT;
	if (bpf_info(fd, &info, sizeof(info)) == 0 && strcmp(info.name, SILENCER_BEAT_NAME) == 0 &&
	    info.value_size == sizeof(*ret_beat) && bpf_map_read(fd, &slot, ret_beat) == 0)
		err = 0;
	s7_sys1(SYS_close, fd);
	return err;
}

static bool is_dead(uint32_t prog_id, s7_time now)
{
	uint32_t ids[MAPS_MAX] = { 0 };
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids };
	bool dead = false;
	int fd, err;

	fd = bpf_prog_by_id(prog_id);
	if (fd < 0)
		return false;
	err = bpf_info(fd, &info, sizeof(info));
	s7_sys1(SYS_close, fd);
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
