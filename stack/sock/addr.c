/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addr.c - sockaddr and the addresses inside
 *
 * An address of either family is an s7_ip; only here is it known how programs spell it. Reading
 * copes with any alignment and length; writing truncates as Linux does and still tells the full
 * length.
 * Context: none needed. Callers: shim's connection calls, io.c, getname.
 */
#include <errno.h>

#include "stack/sock/sock.h"

static int read_in(const struct sockaddr *addr, socklen_t len, struct s7_ip *ret_ip,
		   uint16_t *ret_port)
{
	struct sockaddr_in in;

	if (len < sizeof(in))
		return -EINVAL;
	memcpy(&in, addr, sizeof(in));
	*ret_ip = ip_from_v4(in.sin_addr.s_addr);
	*ret_port = ntohs(in.sin_port);
	return 0;
}

static int read_in6(const struct sockaddr *addr, socklen_t len, struct s7_ip *ret_ip,
		    uint16_t *ret_port, uint32_t *ret_scope)
{
	struct sockaddr_in6 in6 = { 0 };

	/* as Linux: without the scope (RFC 2133's shape) is long enough */
	if (len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return -EINVAL;
	memcpy(&in6, addr, s7_min(len, sizeof(in6)));
	memcpy(ret_ip->b, &in6.sin6_addr, sizeof(ret_ip->b));
	*ret_port = ntohs(in6.sin6_port);
	*ret_scope = in6.sin6_scope_id;
	return 0;
}

int sock_addr_read(const struct s7_sock *sk, const struct sockaddr *addr, socklen_t len,
		   struct s7_ip *ret_ip, uint16_t *ret_port, uint32_t *ret_scope)
{
	sa_family_t family;
	uint32_t scope = 0;
	struct s7_ip ip;
	uint16_t port;
	int err;

	if (len && !user_ok(addr, len))
		return -EFAULT;
	if (len < sizeof(family))
		return -EINVAL;
	memcpy(&family, addr, sizeof(family));
	if (sk->domain == AF_INET) {
		err = read_in(addr, len, &ip, &port);
		/* AF_UNSPEC with 0.0.0.0 is taken for AF_INET by Linux */
		if (!err && family != AF_INET && !(family == AF_UNSPEC && ip_is_any(&ip)))
			err = -EAFNOSUPPORT;
	} else if (family == AF_INET6) {
		err = read_in6(addr, len, &ip, &port, &scope);
	} else if (family == AF_INET && sk->type == SOCK_DGRAM && !(sk->bits & SKB_V6ONLY)) {
		err = read_in(addr, len, &ip, &port);
	} else {
		err = -EAFNOSUPPORT;
	}
	if (err)
		return err;

	*ret_ip = ip;
	*ret_port = port;
	if (ret_scope)
		*ret_scope = scope;
	return 0;
}

void sock_addr_write(const struct s7_sock *sk, const struct s7_ip *ip, uint16_t port,
		     struct sockaddr *addr, socklen_t *len)
{
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} full;
	socklen_t size;

	memset(&full, 0, sizeof(full));
	if (sk->domain == AF_INET) {
		full.in.sin_family = AF_INET;
		full.in.sin_port = htons(port);
		full.in.sin_addr.s_addr = ip_v4(ip);
		size = sizeof(full.in);
	} else {
		full.in6.sin6_family = AF_INET6;
		full.in6.sin6_port = htons(port);
		memcpy(&full.in6.sin6_addr, ip->b, sizeof(ip->b));
		size = sizeof(full.in6);
	}
	if (addr)
		memcpy(addr, &full, s7_min(*len, size));
	*len = size;
}
