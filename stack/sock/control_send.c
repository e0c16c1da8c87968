/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_send.c - control messages: what sendmsg asks for one packet
 *
 * Level SOCKET counts for every socket, level UDP for datagram sockets. Of the other levels these
 * look at that of the destination's family alone and pass over the rest, as Linux: on an AF_INET6
 * socket an IPv4 destination has level IP, and IPV6_PKTINFO with a v4-mapped source. What is asked
 * for beside source and interface goes to msg->ask.
 * A source or an interface that the stack has not may be the kernel's: CONTROL_KERNEL.
 * Context: no lock held on entry; user memory of the calling thread. Callers: shim/io.c.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/udp.h>

#include "stack/base/user.h"
#include "stack/core/ext.h"
#include "stack/ip/ip4_opts.h"
#include "stack/sock/control.h"

typedef int (*control_take)(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);

/* The datagram's destination: the message's, else the connection's. */
static const struct s7_ip *goes_to(const struct s7_sock *sk, const struct s7_msg *msg)
{
	return msg->name.valid ? &msg->name.ip : &sk->flow.remote;
}

/* What the stack has not: who named the destination may have it carried by the kernel. */
static int not_here(const struct s7_msg *msg, int err)
{
	return msg->name.valid ? CONTROL_KERNEL : err;
}

static bool is_own(struct s7_sock *sk, const struct s7_ip *ip, uint32_t device)
{
	const struct s7_iface *iface;
	bool own;

	inst_lock(sk->inst, sk->inst->now);
	iface = ip_local_iface(sk->inst, ip);
	own = iface && (!ip_is_link_local6(ip) || iface->index + 1u == device);
	inst_unlock(sk->inst);
	return own;
}

/* 0 is any. *ret_iface: its index. */
static int take_ifindex(struct s7_sock *sk, uint32_t ifindex, struct s7_msg *msg)
{
	uint32_t device;

	if (!ifindex)
		return 0;
	device = sock_device_of(sk->inst, ifindex);
	if (device == SOCK_DEVICE_KERNEL)
		return not_here(msg, -ENODEV);
	msg->name.iface = (uint8_t)(device - 1);
	return 0;
}

/* ---- IPv4 ---- */

static int take_source4(struct s7_sock *sk, uint32_t be_addr, struct s7_msg *msg)
{
	struct s7_ip src = ip_from_v4(be_addr);

	if (!be_addr)
		return 0;
	if (!is_own(sk, &src, 0) && !(sk->bits & SKB_FREEBIND))
		return not_here(msg, -ENETUNREACH);
	msg->local = src;
	return 0;
}

static int take_pktinfo(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	struct in_pktinfo info;
	int err;

	if (len != sizeof(info))
		return -EINVAL;
	memcpy(&info, data, sizeof(info));
	err = take_ifindex(sk, (uint32_t)info.ipi_ifindex, msg);
	return err ? err : take_source4(sk, info.ipi_spec_dst.s_addr, msg);
}

static int take_pktinfo_mapped(struct s7_sock *sk, const void *data, size_t len,
			       struct s7_msg *msg)
{
	struct in6_pktinfo info;
	struct s7_ip src;
	int err;

	if (len < sizeof(info))
		return -EINVAL;
	memcpy(&info, data, sizeof(info));
	memcpy(src.b, &info.ipi6_addr, sizeof(src.b));
	if (!ip_is_v4(&src))
		return -EINVAL;
	err = take_ifindex(sk, info.ipi6_ifindex, msg);
	return err ? err : take_source4(sk, ip_v4(&src), msg);
}

static int take_ttl(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int ttl;

	(void)sk;
	if (len != sizeof(ttl))
		return -EINVAL;
	memcpy(&ttl, data, sizeof(ttl));
	if (ttl < 1 || ttl > 255)
		return -EINVAL;
	msg->ask->has |= ASK_TTL;
	msg->ask->ttl = (uint8_t)ttl;
	return 0;
}

static int take_tos(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int tos;

	(void)sk;
	if (len == sizeof(tos))
		memcpy(&tos, data, sizeof(tos));
	else if (len == 1)
		tos = *(const uint8_t *)data;
	else
		return -EINVAL;
	if (tos < 0 || tos > 255)
		return -EINVAL;
	msg->ask->has |= ASK_TOS;
	msg->ask->tos = (uint8_t)tos;
	return 0;
}

static int take_options(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	struct ip4_opts_host host;
	int err;

	inst_lock(sk->inst, sk->inst->now);
	host = ip4_opts_host(sk->inst, 0);
	host.privileged = sk->inst->env->host->may(HOST_NET_RAW);
	err = ip4_opts_take(&msg->ask->ip_opts, data, (uint32_t)s7_min(len, IP4_OPTS_MAX), &host);
	inst_unlock(sk->inst);
	if (!err)
		msg->ask->has |= ASK_IP_OPTS;
	return err;
}

/* ---- IPv6 ---- */

static int take_pktinfo6(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	struct in6_pktinfo info;
	struct s7_ip src;
	uint32_t device;
	int err;

	if (len < sizeof(info))
		return -EINVAL;
	memcpy(&info, data, sizeof(info));
	memcpy(src.b, &info.ipi6_addr, sizeof(src.b));
	device = sock_device(sk, goes_to(sk, msg), 0);
	if (info.ipi6_ifindex && device && sock_device_of(sk->inst, info.ipi6_ifindex) != device)
		return -EINVAL;
	err = take_ifindex(sk, info.ipi6_ifindex, msg);
	if (err || ip_is_any(&src))
		return err;
	if (ip_is_v4(&src))
		return -EINVAL;
	device = info.ipi6_ifindex ? msg->name.iface + 1u : device;
	if (!is_own(sk, &src, device) && !(sk->bits & SKB_FREEBIND))
		return not_here(msg, -EINVAL);
	msg->local = src;
	return 0;
}

/* An int from `low` to `high`. */
static int take_int(const void *data, size_t len, int low, int high, int *ret_value)
{
	if (len != sizeof(*ret_value))
		return -EINVAL;
	memcpy(ret_value, data, sizeof(*ret_value));
	return *ret_value < low || *ret_value > high ? -EINVAL : 0;
}

/* -1: what the socket has */
static int take_hops(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int hops, err = take_int(data, len, -1, 255, &hops);

	(void)sk;
	if (err || hops < 0)
		return err;
	msg->ask->has |= ASK_TTL;
	msg->ask->ttl = (uint8_t)hops;
	return 0;
}

/* Here -1 is no default: Linux cuts it to a byte. */
static int take_tclass(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int tclass, err = take_int(data, len, -1, 255, &tclass);

	(void)sk;
	if (err)
		return err;
	msg->ask->has |= ASK_TOS;
	msg->ask->tos = (uint8_t)tclass;
	return 0;
}

static int take_dontfrag(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int on, err = take_int(data, len, 0, 1, &on);

	(void)sk;
	if (err)
		return err;
	msg->ask->has |= ASK_DONTFRAG;
	msg->ask->dont_fragment = on;
	return 0;
}

/* ---- levels SOCKET and UDP ---- */

#define SCM_TS_OPT_ID_ 81 /* Linux 6.13 */

static int take_timestamping(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	uint32_t tsflags;

	(void)sk;
	if (len != sizeof(tsflags))
		return -EINVAL;
	memcpy(&tsflags, data, sizeof(tsflags));
	if (tsflags & ~STAMP_TX)
		return -EINVAL;
	msg->ask->has |= ASK_TSFLAGS;
	msg->ask->tsflags = tsflags;
	return 0;
}

static int take_ts_id(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	if (sk->proto == PROTO_TCP || !sk->ext || !(sk->ext->tsflags & SOF_TIMESTAMPING_OPT_ID) ||
	    len != sizeof(msg->ask->ts_id))
		return -EINVAL;
	memcpy(&msg->ask->ts_id, data, sizeof(msg->ask->ts_id));
	msg->ask->has |= ASK_TS_ID;
	return 0;
}

static int take_segment(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	(void)sk;
	if (len != sizeof(msg->ask->segment))
		return -EINVAL;
	memcpy(&msg->ask->segment, data, sizeof(msg->ask->segment));
	msg->ask->has |= ASK_SEGMENT;
	return 0;
}

/* A descriptor or credentials on an internet socket: Linux does not look at them either. */
static int take_nothing(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	(void)sk;
	(void)data;
	(void)len;
	(void)msg;
	return 0;
}

/* ---- which of them ---- */

struct control_row {
	int level, type;
	control_take take;
};

static const struct control_row socket_rows[] = {
	{ SOL_SOCKET, SO_MARK, control_take_mark },
	{ SOL_SOCKET, SO_PRIORITY, control_take_priority },
	{ SOL_SOCKET, SCM_TXTIME, control_take_txtime },
	{ SOL_SOCKET, SO_TIMESTAMPING, take_timestamping },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, take_timestamping },
	{ SOL_SOCKET, SCM_TS_OPT_ID_, take_ts_id },
	{ SOL_SOCKET, SCM_RIGHTS, take_nothing },
	{ SOL_SOCKET, SCM_CREDENTIALS, take_nothing },
};

static const struct control_row udp_rows[] = {
	{ IPPROTO_UDP, UDP_SEGMENT, take_segment },
};

static const struct control_row ip_rows[] = {
	{ IPPROTO_IP, IP_PKTINFO, take_pktinfo },
	{ IPPROTO_IP, IP_RETOPTS, take_options },
	{ IPPROTO_IP, IP_TTL, take_ttl },
	{ IPPROTO_IP, IP_TOS, take_tos },
};

static const struct control_row ipv6_rows[] = {
	{ IPPROTO_IPV6, IPV6_PKTINFO, take_pktinfo6 },
	{ IPPROTO_IPV6, IPV6_2292PKTINFO, take_pktinfo6 },
	{ IPPROTO_IPV6, IPV6_HOPLIMIT, take_hops },
	{ IPPROTO_IPV6, IPV6_2292HOPLIMIT, take_hops },
	{ IPPROTO_IPV6, IPV6_TCLASS, take_tclass },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, take_dontfrag },
	{ IPPROTO_IPV6, IPV6_FLOWINFO_, control_take_flow },
	{ IPPROTO_IPV6, IPV6_HOPOPTS, control_take_hop },
	{ IPPROTO_IPV6, IPV6_2292HOPOPTS, control_take_hop },
	{ IPPROTO_IPV6, IPV6_DSTOPTS, control_take_dst1 },
	{ IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, control_take_dst0 },
	{ IPPROTO_IPV6, IPV6_2292DSTOPTS, control_take_old_dst },
	{ IPPROTO_IPV6, IPV6_RTHDR, control_take_route },
	{ IPPROTO_IPV6, IPV6_2292RTHDR, control_take_old_route },
};

struct control_rows {
	const struct control_row *row;
	size_t count;
};

/* The rows of a level that counts for this packet; false: Linux passes over it. */
static bool rows_of(const struct s7_sock *sk, const struct s7_msg *msg, int level,
		    struct control_rows *ret)
{
	bool v4 = ip_is_v4(goes_to(sk, msg));

	if (level == SOL_SOCKET)
		*ret = (struct control_rows){ socket_rows, S7_ARRAY_LEN(socket_rows) };
	else if (sk->proto == PROTO_TCP)
		return false;
	else if (level == IPPROTO_UDP && sk->proto == PROTO_UDP)
		*ret = (struct control_rows){ udp_rows, S7_ARRAY_LEN(udp_rows) };
	else if (level == IPPROTO_IP && v4)
		*ret = (struct control_rows){ ip_rows, S7_ARRAY_LEN(ip_rows) };
	else if (level == IPPROTO_IPV6 && !v4)
		*ret = (struct control_rows){ ipv6_rows, S7_ARRAY_LEN(ipv6_rows) };
	else
		return false;
	return true;
}

static int take_control(struct s7_sock *sk, const struct cmsghdr *cmsg, struct s7_msg *msg)
{
	size_t len = cmsg->cmsg_len - CMSG_LEN(0);
	struct control_rows rows;

	if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO &&
	    sk->domain == AF_INET6 && sk->proto == PROTO_UDP && ip_is_v4(goes_to(sk, msg)))
		return take_pktinfo_mapped(sk, CMSG_DATA(cmsg), len, msg);
	if (!rows_of(sk, msg, cmsg->cmsg_level, &rows))
		return 0;
	for (size_t i = 0; i < rows.count; i++)
		if (rows.row[i].type == cmsg->cmsg_type)
			return rows.row[i].take(sk, CMSG_DATA(cmsg), len, msg);
	return -EINVAL;
}

int sock_control_read(struct s7_sock *sk, const struct msghdr *hdr, struct s7_msg *msg)
{
	const struct cmsghdr *cmsg;
	const char *end = (const char *)hdr->msg_control + hdr->msg_controllen;
	int err;

	if (hdr->msg_controllen > INT_MAX)
		return -ENOBUFS;
	if (!user_readable(hdr->msg_control, hdr->msg_controllen))
		return -EFAULT;
	if (hdr->msg_controllen < sizeof(*cmsg))
		return 0;
	for (cmsg = hdr->msg_control; cmsg;
	     cmsg = CMSG_NXTHDR((struct msghdr *)hdr, (struct cmsghdr *)cmsg)) {
		if (cmsg->cmsg_len < sizeof(*cmsg) ||
		    cmsg->cmsg_len > (size_t)(end - (const char *)cmsg))
			return -EINVAL;
		err = take_control(sk, cmsg, msg);
		if (err)
			return err;
	}
	return 0;
}
