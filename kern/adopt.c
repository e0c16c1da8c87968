/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adopt.c - what the kernel knows of a netdev and of a neighbour, and the watch for changes
 *
 * Idea: single questions with one answer; the snapshot of addresses and routes is view.c. The watch
 * is a multicast netlink socket whose messages are not read for their content: anything that
 * happened means "take a new snapshot", and so does an overrun (ENOBUFS).
 * Context: any thread, no lock; nothing waits for an event. Called by: shim/ (boot, keeper).
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kern/kern.h"
#include "kern/nl.h"
#include "stack/base/sys.h"

#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)
#define WATCH_GROUPS \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | \
	 RTMGRP_IPV6_ROUTE)
#define WATCH_BURST 256 /* messages one drain reads at most */

/* Opens, asks (again while the answer had holes), closes. */
static int ask_once(union nl_request *req, nl_each each, void *arg)
{
	struct nl nl;
	int err;

	err = nl_open(&nl, NL_BUF_BYTES);
	if (err)
		return err;
	for (int i = 0; i < NL_TRIES; i++) {
		err = nl_ask(&nl, req, each, arg);
		if (err != -EAGAIN)
			break;
	}
	nl_close(&nl);
	return err;
}

static void read_kind(const struct nlattr *linkinfo, struct kern_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo) {
		if (mnl_attr_get_type(attr) != IFLA_INFO_KIND)
			continue;
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
			return;
		strncpy(link->kind, mnl_attr_get_str(attr), sizeof(link->kind) - 1);
	}
}

static int read_link(const struct nlmsghdr *msg, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	struct kern_link *ret_link = arg, link = { 0 };
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(msg) < sizeof(*info))
		return -EPROTO;
	link.ifindex = info->ifi_index;
	link.up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_RUNNING);
	mnl_attr_for_each(attr, msg, sizeof(*info)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_MTU:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
				link.mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(link.mac))
				memcpy(link.mac, mnl_attr_get_payload(attr), sizeof(link.mac));
			break;
		case IFLA_LINKINFO:
			read_kind(attr, &link);
			break;
		}
	}
	*ret_link = link;
	return 0;
}

int kern_link_get(const char *name, struct kern_link *ret_link)
{
	union nl_request req;
	size_t len = strlen(name);

	if (len == 0 || len >= ALTIFNAMSIZ)
		return -ENODEV;
	nl_begin(&req, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&req.head, len < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
	return ask_once(&req, read_link, ret_link);
}

int kern_mtu_get(int ifindex, uint32_t *ret_mtu)
{
	struct ifreq ifr = { .ifr_ifindex = ifindex };
	long fd = s7_sys3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return (int)fd;
	err = s7_sys3(SYS_ioctl, fd, SIOCGIFNAME, &ifr);
	if (!err)
		err = s7_sys3(SYS_ioctl, fd, SIOCGIFMTU, &ifr);
	s7_sys1(SYS_close, fd);
	if (!err)
		*ret_mtu = (uint32_t)ifr.ifr_mtu;
	return (int)err;
}

static int read_neigh(const struct nlmsghdr *msg, void *arg)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;
	uint8_t *ret_mac = arg;

	if (msg->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(msg) < sizeof(*nd))
		return -EPROTO;
	if (!(nd->ndm_state & NUD_USABLE))
		return -ENOENT;
	mnl_attr_for_each(attr, msg, sizeof(*nd)) {
		if (mnl_attr_get_type(attr) != NDA_LLADDR || mnl_attr_get_payload_len(attr) != 6)
			continue;
		memcpy(ret_mac, mnl_attr_get_payload(attr), 6);
		return 0;
	}
	return -ENOENT;
}

int kern_neigh_get(int ifindex, const struct s7_ip *ip, uint8_t ret_mac[6])
{
	union nl_request req;
	struct ndmsg *nd;

	nd = nl_begin(&req, RTM_GETNEIGH, 0, sizeof(*nd));
	nd->ndm_ifindex = ifindex;
	if (ip_is_v4(ip)) {
		nd->ndm_family = AF_INET;
		mnl_attr_put_u32(&req.head, NDA_DST, ip_v4(ip));
	} else {
		nd->ndm_family = AF_INET6;
		mnl_attr_put(&req.head, NDA_DST, sizeof(*ip), ip);
	}
	return ask_once(&req, read_neigh, ret_mac);
}

int kern_watch_open(void)
{
	struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = WATCH_GROUPS };
	int fd, err;

	fd = (int)s7_sys3(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  NETLINK_ROUTE);
	if (fd < 0)
		return fd;
	err = (int)s7_sys3(SYS_bind, fd, &groups, sizeof(groups));
	if (err) {
		s7_sys1(SYS_close, fd);
		return err;
	}
	return fd;
}

int kern_watch_drain(int fd)
{
	int changed = 0;

	for (int i = 0; i < WATCH_BURST; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t len = sizeof(from);
		uint8_t byte;
		long n = s7_sys6(SYS_recvfrom, fd, (long)&byte, sizeof(byte),
				 MSG_DONTWAIT | MSG_TRUNC, (long)&from, (long)&len);

		if (n >= 0)
			changed |= len == sizeof(from) && from.nl_pid == 0;
		else if (n == -ENOBUFS)
			changed = 1;
		else if (n != -EINTR)
			break;
	}
	return changed;
}
