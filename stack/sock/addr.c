/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addr.c - sockaddr and the addresses inside
 *
 * An address of either family is an s7_ip; only here is it known how programs spell it. Reading
 * copes with any alignment and length; writing truncates as Linux does and still tells the full
 * length. A scope id is the ifindex of an interface: inside it is that interface's index + 1
 * ("device", as in sk->bound_iface), and it means something with link-local addresses only.
 * Context: none needed; sock_device reads the table of interfaces, which grows at boot alone.
 * Callers: shim's connection calls, io.c, getname.
 */
#include <errno.h>

#include "stack/base/user.h"
#include "stack/core/ext.h"
#include "stack/sock/sock_int.h"

#define FLOW_MASK 0x0fffffffu

/* without the scope (RFC 2133's shape) is long enough for Linux */
#define IN6_LEN_LEAST offsetof(struct sockaddr_in6, sin6_scope_id)

static int read_in(const struct sockaddr *addr, socklen_t len, struct s7_ip *ret_ip,
		   uint16_t *ret_port)
{
	struct sockaddr_in in;

	if (len < sizeof(in))
		return -EINVAL;
	if (!user_get(&in, addr, sizeof(in)))
		return -EFAULT;
	*ret_ip = ip_from_v4(in.sin_addr.s_addr);
	*ret_port = ntohs(in.sin_port);
	return 0;
}

static int read_in6(const struct sockaddr *addr, socklen_t len, struct s7_ip *ret_ip,
		    uint16_t *ret_port, uint32_t *ret_scope)
{
	struct sockaddr_in6 in6 = { 0 };

	if (len < IN6_LEN_LEAST)
		return -EINVAL;
	if (!user_get(&in6, addr, s7_min(len, sizeof(in6))))
		return -EFAULT;
	if (in6.sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(ret_ip->b, &in6.sin6_addr, sizeof(ret_ip->b));
	*ret_port = ntohs(in6.sin6_port);
	*ret_scope = in6.sin6_scope_id;
	return 0;
}

int sock_addr_family(const struct sockaddr *addr, socklen_t len, sa_family_t *ret_family)
{
	if ((int32_t)len < 0 || len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (s7_unlikely(!user_readable(addr, len)))
		return -EFAULT;
	if (len < sizeof(*ret_family))
		return -EINVAL;
	return user_get(ret_family, addr, sizeof(*ret_family)) ? 0 : -EFAULT;
}

int sock_addr_read(const struct s7_sock *sk, const struct sockaddr *addr, socklen_t len,
		   struct s7_ip *ret_ip, uint16_t *ret_port, uint32_t *ret_scope)
{
	sa_family_t family;
	uint32_t scope = 0;
	struct s7_ip ip;
	uint16_t port;
	int err;

	err = sock_addr_family(addr, len, &family);
	if (err)
		return err;
	if (sk->domain == AF_INET) {
		err = read_in(addr, len, &ip, &port);
		/* AF_UNSPEC with 0.0.0.0 is taken for AF_INET by Linux */
		if (!err && family != AF_INET && !(family == AF_UNSPEC && ip_is_any(&ip)))
			err = -EAFNOSUPPORT;
	} else if (family == AF_INET && sk->proto == PROTO_UDP) {
		err = sk->bits & SKB_V6ONLY ? -EAFNOSUPPORT : read_in(addr, len, &ip, &port);
	} else {
		err = read_in6(addr, len, &ip, &port, &scope);
	}
	if (err)
		return err;

	*ret_ip = ip;
	*ret_port = port;
	if (ret_scope)
		*ret_scope = scope;
	return 0;
}

uint32_t sock_addr_flow(const struct s7_sock *sk, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_in6 in6 = { 0 };

	if (!(sk->ip6.bits & SK6_SENDFLOW) || !addr || len < IN6_LEN_LEAST ||
	    !user_get(&in6, addr, IN6_LEN_LEAST) || in6.sin6_family != AF_INET6)
		return 0;
	return in6.sin6_flowinfo & htonl(FLOW_MASK);
}

int sock_set_flow(struct s7_sock *sk, uint32_t flow, s7_time now)
{
	int err;

	if (s7_likely(!flow && !sk->ext))
		return 0;
	err = sock_enter(sk, 0, now);
	if (err)
		return err;
	if (!sk_ext(sk))
		err = -ENOBUFS;
	else /* a stream's ECN bits are TCP's own */
		sk->ext->flow_sent = sk->proto == PROTO_TCP ? flow & ~htonl(3u << 20) : flow;
	sock_leave(sk->inst);
	return err;
}

uint32_t sock_device_of(const struct s7_inst *inst, uint32_t ifindex)
{
	for (uint32_t i = 0; i < inst->iface_count; i++)
		if ((uint32_t)inst->iface[i].ifindex == ifindex)
			return i + 1;
	return SOCK_DEVICE_KERNEL;
}

uint32_t sock_device(const struct s7_sock *sk, const struct s7_ip *ip, uint32_t scope)
{
	if (scope && ip_needs_scope(ip))
		return sock_device_of(sk->inst, scope);
	if (s7_likely(sk->bound_iface || ip_is_v4(ip)))
		return sk->bound_iface;
	return sk->proto != PROTO_TCP ? sk->ip6.src_iface : 0;
}

static uint32_t scope_of(const struct s7_inst *inst, const struct s7_ip *ip, uint32_t device)
{
	if (!ip_needs_scope(ip) || !device || device > inst->iface_count)
		return 0;
	return (uint32_t)inst->iface[device - 1].ifindex;
}

int sock_addr_write_as(const struct s7_inst *inst, int domain, const struct s7_ip *ip,
		       uint16_t port, uint32_t device, struct sockaddr *addr, socklen_t *len)
{
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} full;
	socklen_t size, room;

	memset(&full, 0, sizeof(full));
	if (domain == AF_INET) {
		full.in.sin_family = AF_INET;
		full.in.sin_port = htons(port);
		full.in.sin_addr.s_addr = ip_v4(ip);
		size = sizeof(full.in);
	} else {
		full.in6.sin6_family = AF_INET6;
		full.in6.sin6_port = htons(port);
		memcpy(&full.in6.sin6_addr, ip->b, sizeof(ip->b));
		full.in6.sin6_scope_id = scope_of(inst, ip, device);
		size = sizeof(full.in6);
	}
	if (!user_get(&room, len, sizeof(room)))
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
	if (!user_put(addr, &full, s7_min(room, size)))
		return -EFAULT;
	return user_put(len, &size, sizeof(size)) ? 0 : -EFAULT;
}

int sock_addr_write_flow(const struct s7_sock *sk, const struct s7_ip *ip, uint16_t port,
			 uint32_t device, uint32_t flow, struct sockaddr *addr, socklen_t *len)
{
	const socklen_t at = offsetof(struct sockaddr_in6, sin6_flowinfo);
	socklen_t room = 0;
	int err;

	if (flow && !user_get(&room, len, sizeof(room)))
		return -EFAULT;
	err = sock_addr_write(sk, ip, port, device, addr, len);
	if (err || (int32_t)room <= (int32_t)at)
		return err;
	return user_put((char *)addr + at, &flow, s7_min(room - at, sizeof(flow))) ? 0 : -EFAULT;
}

int sock_addr_write(const struct s7_sock *sk, const struct s7_ip *ip, uint16_t port,
		     uint32_t device, struct sockaddr *addr, socklen_t *len)
{
	return sock_addr_write_as(sk->inst, sk->domain, ip, port, device, addr, len);
}

uint32_t sock_device_out(const struct s7_sock *sk, const struct s7_ip *ip, uint32_t scope)
{
	uint32_t device = sock_device(sk, ip, scope);
	bool v4 = ip_is_v4(ip);

	if (s7_likely(!sk->ext) || device || sk->type == SOCK_STREAM)
		return device;
	if (!ip_is_multicast(ip))
		return v4 ? sk->ext->unicast_if : sk->ext->unicast_if6;
	device = v4 ? sk->ext->mc_if : sk->ext->mc_if6;
	return device == EXT_MC_KERNEL ? SOCK_DEVICE_KERNEL : device;
}
