/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_mcast.c - multicast: IP_MULTICAST_*, memberships and source filters of both families
 *
 * Each of the three interfaces (ip_mreq, ip_mreq_source, group_req of RFC 3678) becomes one struct
 * group_call; stack/ip/group.c knows the rules. An interface that only the kernel has is
 * OPT_ASK_KERNEL: the shim asks the kernel socket, which receives beside the stack's (OPT_GROUP:
 * both sides do their part). What a filter is can be asked of the kernel socket.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/ip/group.h"
#include "stack/sock/ext_rows.h"

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

/* ---- how datagrams to groups leave ---- */

#define NOT_BIT(what, bit)                                                                         \
	static int set_##what(struct s7_sock *sk, const struct opt_value *value)                   \
	{                                                                                          \
		return sk_ext_bit(sk, bit, !value->num);                                           \
	}                                                                                          \
	static int get_##what(struct s7_sock *sk, struct opt_value *ret)                           \
	{                                                                                          \
		ret->num = !sk_ext_has(sk, bit);                                                   \
		return 0;                                                                          \
	}

NOT_BIT(loop, EXT_MC_NO_LOOP)
NOT_BIT(loop6, EXT_MC_NO_LOOP6)
/* Off by itself on AF_INET6 sockets, as in Linux: there the bit says that it is on. */
static int set_all(struct s7_sock *sk, const struct opt_value *value)
{
	return sk_ext_bit(sk, EXT_MC_NOT_ALL, !value->num == (sk->domain == AF_INET));
}

static int get_all(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk_ext_has(sk, EXT_MC_NOT_ALL) != (sk->domain == AF_INET);
	return 0;
}

NOT_BIT(all6, EXT_MC_NOT_ALL6)

static int set_mc_if(struct s7_sock *sk, const struct opt_value *value)
{
	struct ip_mreqn req = { 0 };
	struct s7_ip address, nobody = { 0 };
	uint32_t device = 0;

	if (value->len < sizeof(req.imr_address))
		return -EINVAL;
	if (value->len >= sizeof(struct ip_mreq))
		memcpy(&req, value->bytes, s7_min(value->len, sizeof(req)));
	else
		memcpy(&req.imr_address, value->bytes, sizeof(req.imr_address));
	address = req.imr_address.s_addr ? ip_from_v4(req.imr_address.s_addr) : nobody;
	if (req.imr_ifindex || req.imr_address.s_addr)
		device = group_device(sk->inst, (uint32_t)req.imr_ifindex, &address, &nobody);
	if (device && device != GROUP_DEVICE_KERNEL && sk->bound_iface && device != sk->bound_iface)
		return -EINVAL;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->mc_if = (uint8_t)s7_min(device, EXT_MC_KERNEL);
	sk->ext->mc_addr = req.imr_address.s_addr;
	return device == GROUP_DEVICE_KERNEL ? OPT_ASK_KERNEL : 0;
}

struct sock_mc_way sock_mc_way(const struct s7_sock *sk)
{
	const struct s7_sk_ext *ext = sk->ext;

	return ext ? (struct sock_mc_way){ ext->mc_addr, ext->mc_ifindex6, ext->mc_if,
					   ext->mc_if6 } :
		     (struct sock_mc_way){ .address = 0 };
}

void sock_mc_way_back(struct s7_sock *sk, const struct sock_mc_way *way, s7_time now)
{
	if (sock_enter(sk, 0, now))
		return;
	if (sk->ext) {
		sk->ext->mc_addr = way->address;
		sk->ext->mc_ifindex6 = way->ifindex6;
		sk->ext->mc_if = way->device;
		sk->ext->mc_if6 = way->device6;
	}
	sock_leave(sk->inst);
}

static int get_mc_if(struct s7_sock *sk, struct opt_value *ret)
{
	uint32_t address = sk->ext ? sk->ext->mc_addr : 0;

	memcpy(ret->bytes, &address, sizeof(address));
	ret->len = sizeof(address);
	return 0;
}

static int set_mc_if6(struct s7_sock *sk, const struct opt_value *value)
{
	struct s7_ip nobody = { 0 };
	uint32_t device = 0;

	if (value->num)
		device = group_device(sk->inst, (uint32_t)value->num, &nobody, &nobody);
	if (device && device != GROUP_DEVICE_KERNEL && sk->bound_iface && device != sk->bound_iface)
		return -EINVAL;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->mc_if6 = (uint8_t)s7_min(device, EXT_MC_KERNEL);
	sk->ext->mc_ifindex6 = value->num;
	return device == GROUP_DEVICE_KERNEL ? OPT_ASK_KERNEL : 0;
}

/* Of an accepted connection the interface that its peer came by. */
static int get_mc_if6(struct s7_sock *sk, struct opt_value *ret)
{
	if (sk->proto == PROTO_TCP && sock_was_accepted(sk))
		ret->num = sk->inst->iface[sk->flow.iface].ifindex;
	else
		ret->num = sk->ext ? sk->ext->mc_ifindex6 : 0;
	return 0;
}

static int set_mc_hops6(struct s7_sock *sk, const struct opt_value *value)
{
	sk->ip6.mcast_hops = (int16_t)value->num;
	return 0;
}

static int get_mc_hops6(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = sk->ip6.mcast_hops < 0 ? 1 : sk->ip6.mcast_hops;
	return 0;
}

/* ---- memberships ---- */

/* The device of a call: 0, or OPT_ASK_KERNEL. */
static int call_device(struct s7_sock *sk, uint32_t ifindex, struct group_call *call)
{
	call->device = group_device(sk->inst, ifindex, &call->address, &call->group);
	return call->device == GROUP_DEVICE_KERNEL ? OPT_ASK_KERNEL : 0;
}

static struct s7_ip v4_or_none(struct in_addr addr)
{
	return addr.s_addr ? ip_from_v4(addr.s_addr) : (struct s7_ip){ 0 };
}

/* IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP: what the bytes say. */
static int read_mreq(struct s7_sock *sk, const struct opt_value *value, struct group_call *call,
		     bool *ret_any)
{
	struct ip_mreqn req = { 0 };

	if (value->len < sizeof(struct ip_mreq))
		return -EINVAL;
	memcpy(&req, value->bytes, s7_min(value->len, sizeof(req)));
	call->group = ip_from_v4(req.imr_multiaddr.s_addr);
	call->address = v4_or_none(req.imr_address);
	*ret_any = !req.imr_ifindex;
	return call_device(sk, (uint32_t)req.imr_ifindex, call);
}

static int set_add(struct s7_sock *sk, const struct opt_value *value)
{
	struct group_call call = { .exclude = true };
	bool any;
	int err = read_mreq(sk, value, &call, &any);

	return err ? err : group_join(sk, &call);
}

static int set_drop(struct s7_sock *sk, const struct opt_value *value)
{
	struct group_call call = { .exclude = true };
	bool any;
	int err = read_mreq(sk, value, &call, &any);

	return err ? err : group_leave(sk, &call, any);
}

/* What the four calls on sources have in common. join: becomes a member by it. */
static int change_source(struct s7_sock *sk, struct group_call *call, const struct s7_ip *source,
			 bool add, bool join)
{
	int err = join ? group_join(sk, call) : 0;

	if (err && err != -EADDRINUSE)
		return err;
	return group_source(sk, call, source, add);
}

static int mreq_source(struct s7_sock *sk, const struct opt_value *value, bool exclude, bool add)
{
	struct group_call call = { .exclude = exclude };
	struct ip_mreq_source req;
	struct s7_ip source;
	int err;

	if (value->len != sizeof(req))
		return -EINVAL;
	memcpy(&req, value->bytes, sizeof(req));
	call.group = ip_from_v4(req.imr_multiaddr.s_addr);
	call.address = v4_or_none(req.imr_interface);
	source = ip_from_v4(req.imr_sourceaddr.s_addr);
	err = call_device(sk, 0, &call);
	return err ? err : change_source(sk, &call, &source, add, add && !exclude);
}

/* A sockaddr of the level's family. */
static bool read_name(const struct sockaddr_storage *name, bool v4, struct s7_ip *ret_ip)
{
	const struct sockaddr_in *in = (const void *)name;
	const struct sockaddr_in6 *in6 = (const void *)name;

	if (name->ss_family != (v4 ? AF_INET : AF_INET6))
		return false;
	if (v4)
		*ret_ip = ip_from_v4(in->sin_addr.s_addr);
	else
		memcpy(ret_ip->b, &in6->sin6_addr, sizeof(ret_ip->b));
	return true;
}

static int group_membership(struct s7_sock *sk, const struct opt_value *value, bool v4, bool add)
{
	struct group_call call = { .exclude = true };
	struct group_req req;
	int err;

	if (value->len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value->bytes, sizeof(req));
	if (!read_name(&req.gr_group, v4, &call.group))
		return v4 ? -EINVAL : -EADDRNOTAVAIL;
	err = call_device(sk, req.gr_interface, &call);
	if (err)
		return err;
	return add ? group_join(sk, &call) : group_leave(sk, &call, !req.gr_interface);
}

static int group_req_source(struct s7_sock *sk, const struct opt_value *value, bool v4,
			    bool exclude, bool add)
{
	struct group_call call = { .exclude = exclude };
	struct group_source_req req;
	struct s7_ip source;
	int err;

	/* level IPV6 does not look at what is behind */
	if (v4 ? value->len != sizeof(req) : value->len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value->bytes, sizeof(req));
	if (!read_name(&req.gsr_group, v4, &call.group) ||
	    !read_name(&req.gsr_source, v4, &source))
		return -EADDRNOTAVAIL;
	err = call_device(sk, req.gsr_interface, &call);
	return err ? err : change_source(sk, &call, &source, add, add && !exclude);
}

static int set_msfilter(struct s7_sock *sk, const struct opt_value *value)
{
	struct s7_ip sources[GROUP_SOURCES_MAX];
	const struct ip_msfilter *req = (const void *)value->bytes;
	struct group_call call;
	int err;

	if (value->len < IP_MSFILTER_SIZE(0))
		return -EINVAL;
	if (req->imsf_numsrc > GROUP_SOURCES_MAX)
		return -ENOBUFS;
	if (IP_MSFILTER_SIZE(req->imsf_numsrc) > value->len || req->imsf_fmode > MCAST_INCLUDE)
		return -EINVAL;
	for (uint32_t i = 0; i < req->imsf_numsrc; i++)
		sources[i] = ip_from_v4(req->imsf_slist[i].s_addr);
	call.group = ip_from_v4(req->imsf_multiaddr.s_addr);
	call.address = v4_or_none(req->imsf_interface);
	call.exclude = req->imsf_fmode == MCAST_EXCLUDE;
	err = call_device(sk, 0, &call);
	return err ? err : group_filter(sk, &call, sources, req->imsf_numsrc);
}

static int group_req_filter(struct s7_sock *sk, const struct opt_value *value, bool v4)
{
	struct s7_ip sources[GROUP_SOURCES_MAX];
	const struct group_filter *req = (const void *)value->bytes;
	struct group_call call = { .exclude = false };
	int err;

	if (value->len < GROUP_FILTER_SIZE(0))
		return -EINVAL;
	if (req->gf_numsrc > GROUP_SOURCES_MAX)
		return -ENOBUFS;
	if (GROUP_FILTER_SIZE(req->gf_numsrc) > value->len || req->gf_fmode > MCAST_INCLUDE)
		return -EINVAL;
	if (!read_name(&req->gf_group, v4, &call.group))
		return -EADDRNOTAVAIL;
	for (uint32_t i = 0; i < req->gf_numsrc; i++)
		if (!read_name(&req->gf_slist[i], v4, &sources[i]))
			return -EADDRNOTAVAIL;
	call.exclude = req->gf_fmode == MCAST_EXCLUDE;
	err = call_device(sk, req->gf_interface, &call);
	return err ? err : group_filter(sk, &call, sources, req->gf_numsrc);
}

static int membership6(struct s7_sock *sk, const struct opt_value *value, bool add)
{
	struct group_call call = { .exclude = true };
	struct ipv6_mreq req;
	int err;

	if (value->len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value->bytes, sizeof(req));
	memcpy(call.group.b, &req.ipv6mr_multiaddr, sizeof(call.group.b));
	err = call_device(sk, req.ipv6mr_interface, &call);
	if (err)
		return err;
	return add ? group_join(sk, &call) : group_leave(sk, &call, !req.ipv6mr_interface);
}

/* An adapter for each option. */
#define CALL(name, ...)                                                                            \
	static int set_##name(struct s7_sock *sk, const struct opt_value *value)                   \
	{                                                                                          \
		return __VA_ARGS__;                                                                \
	}

CALL(add_source, mreq_source(sk, value, false, true))
CALL(drop_source, mreq_source(sk, value, false, false))
CALL(block, mreq_source(sk, value, true, true))
CALL(unblock, mreq_source(sk, value, true, false))
CALL(join, group_membership(sk, value, true, true))
CALL(leave, group_membership(sk, value, true, false))
CALL(join_source, group_req_source(sk, value, true, false, true))
CALL(leave_source, group_req_source(sk, value, true, false, false))
CALL(block_source, group_req_source(sk, value, true, true, true))
CALL(unblock_source, group_req_source(sk, value, true, true, false))
CALL(filter, group_req_filter(sk, value, true))
CALL(add6, membership6(sk, value, true))
CALL(drop6, membership6(sk, value, false))
CALL(join6, group_membership(sk, value, false, true))
CALL(leave6, group_membership(sk, value, false, false))
CALL(join_source6, group_req_source(sk, value, false, false, true))
CALL(leave_source6, group_req_source(sk, value, false, false, false))
CALL(block_source6, group_req_source(sk, value, false, true, true))
CALL(unblock_source6, group_req_source(sk, value, false, true, false))
CALL(filter6, group_req_filter(sk, value, false))

/* The kernel socket has the same filter. */
static int ask_kernel(struct s7_sock *sk, struct opt_value *ret)
{
	(void)sk;
	(void)ret;
	return OPT_ASK_KERNEL;
}

#define ROW(level_, name_, type_, access_, ...)                                                    \
	{ .level = level_, .name = name_, .type = type_, .access = access_, __VA_ARGS__ }
#define GROUP4(name_, what, text_) \
	ROW(IPPROTO_IP, name_, OPT_BYTES, OPT_RW | OPT_GROUP, .on = ON_DGRAM, .set = set_##what, \
	    .get = ask_kernel, .text = text_)
#define GROUP6(name_, what, text_) \
	ROW(IPPROTO_IPV6, name_, OPT_BYTES, OPT_RW | OPT_GROUP, .on = ON_DGRAM | ON_V6, \
	    .set = set_##what, .get = ask_kernel, .text = text_)

static const struct s7_opt ip_opts[] = {
	GROUP4(IP_ADD_MEMBERSHIP, add, "joins a group on an interface"),
	GROUP4(IP_DROP_MEMBERSHIP, drop, "leaves it"),
	GROUP4(IP_ADD_SOURCE_MEMBERSHIP, add_source, "joins for one source"),
	GROUP4(IP_DROP_SOURCE_MEMBERSHIP, drop_source, "leaves one source"),
	GROUP4(IP_BLOCK_SOURCE, block, "all sources but this"),
	GROUP4(IP_UNBLOCK_SOURCE, unblock, "this one again"),
	GROUP4(IP_MSFILTER, msfilter, "the whole source filter"),
	GROUP4(MCAST_JOIN_GROUP, join, "joins, RFC 3678"),
	GROUP4(MCAST_LEAVE_GROUP, leave, "leaves, RFC 3678"),
	GROUP4(MCAST_JOIN_SOURCE_GROUP, join_source, "joins for one source, RFC 3678"),
	GROUP4(MCAST_LEAVE_SOURCE_GROUP, leave_source, "leaves one source, RFC 3678"),
	GROUP4(MCAST_BLOCK_SOURCE, block_source, "all sources but this, RFC 3678"),
	GROUP4(MCAST_UNBLOCK_SOURCE, unblock_source, "this one again, RFC 3678"),
	GROUP4(MCAST_MSFILTER, filter, "the whole source filter, RFC 3678"),
	ROW(IPPROTO_IP, IP_MULTICAST_ALL, OPT_IP_INT, OPT_RW, .on = ON_ANY, BOTH_WAYS(all),
	    .min = 0, .max = 1, .text = "hears groups that others joined"),
	ROW(IPPROTO_IP, IP_MULTICAST_IF, OPT_BYTES, OPT_RW | OPT_GROUP, .on = ON_DGRAM,
	    BOTH_WAYS(mc_if), .text = "interface and source of datagrams to groups"),
	ROW(IPPROTO_IP, IP_MULTICAST_LOOP, OPT_IP_INT, OPT_RW, .on = ON_ANY, BOTH_WAYS(loop),
	    .text = "datagrams to groups come back to members here"),
};

static const struct s7_opt ipv6_opts[] = {
	GROUP6(IPV6_ADD_MEMBERSHIP, add6, "joins a group on an interface"),
	GROUP6(IPV6_DROP_MEMBERSHIP, drop6, "leaves it"),
	GROUP6(MCAST_JOIN_GROUP, join6, "joins, RFC 3678"),
	GROUP6(MCAST_LEAVE_GROUP, leave6, "leaves, RFC 3678"),
	GROUP6(MCAST_JOIN_SOURCE_GROUP, join_source6, "joins for one source, RFC 3678"),
	GROUP6(MCAST_LEAVE_SOURCE_GROUP, leave_source6, "leaves one source, RFC 3678"),
	GROUP6(MCAST_BLOCK_SOURCE, block_source6, "all sources but this, RFC 3678"),
	GROUP6(MCAST_UNBLOCK_SOURCE, unblock_source6, "this one again, RFC 3678"),
	GROUP6(MCAST_MSFILTER, filter6, "the whole source filter, RFC 3678"),
	ROW(IPPROTO_IPV6, IPV6_MULTICAST_ALL, OPT_BOOL, OPT_RW, .on = ON_ANY | ON_V6,
	    BOTH_WAYS(all6), .text = "hears groups that others joined"),
	ROW(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, OPT_INT, OPT_RW | OPT_ASK, .on = ON_ANY | ON_V6,
	    BOTH_WAYS(mc_hops6), .min = -1, .max = 255, .text = "hop limit towards groups"),
	ROW(IPPROTO_IPV6, IPV6_MULTICAST_IF, OPT_INT, OPT_RW | OPT_GROUP, .on = ON_ANY | ON_V6,
	    BOTH_WAYS(mc_if6), .text = "interface of datagrams to groups"),
	ROW(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, OPT_INT, OPT_RW, .on = ON_ANY | ON_V6,
	    BOTH_WAYS(loop6), .min = 0, .max = 1,
	    .text = "datagrams to groups come back to members here"),
};

const struct s7_opt_table mcast_ip_table = { IPPROTO_IP, ip_opts, S7_ARRAY_LEN(ip_opts) };
const struct s7_opt_table mcast_ipv6_table = { IPPROTO_IPV6, ipv6_opts, S7_ARRAY_LEN(ipv6_opts) };
