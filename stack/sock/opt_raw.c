/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_raw.c - options of raw sockets: raw(7), icmp filters, checksums
 *
 * The kernel socket behind was asked first, so lengths, ranges and which protocol may have what are
 * its own. A filter that is set shorter than it is changes its first bytes only, as in Linux.
 * Level IPPROTO_RAW has IPV6_CHECKSUM and IPV6_HDRINCL a second time, on AF_INET6 sockets.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/raw/raw.h"
#include "stack/sock/sock_int.h"

#define FILTER4_LEN 4u
#define FILTER6_LEN 32u
#define ICMP_FILTER_ 1	/* linux/icmp.h, which netinet/ip_icmp.h does not get on with */
#define ICMP6_FILTER_ 1 /* netinet/icmp6.h */
#define IPV6_HDRINCL_ 36
#define IP_NODEFRAG_ 22

static int set_hdrincl(struct s7_sock *sk, const struct opt_value *value)
{
	struct s7_raw_sock *rs = raw_sock(sk);

	rs->bits = (uint8_t)(value->num ? rs->bits | RAW_HDRINCL : rs->bits & ~RAW_HDRINCL);
	return 0;
}

static int get_hdrincl(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = !!(raw_sock(sk)->bits & RAW_HDRINCL);
	return 0;
}

/* Where the stack sums; negative: it does not. */
static int set_checksum(struct s7_sock *sk, const struct opt_value *value)
{
	struct s7_raw_sock *rs = raw_sock(sk);

	if (value->num < 0) {
		rs->bits &= (uint8_t)~RAW_CHECKSUM;
		return 0;
	}
	rs->bits |= RAW_CHECKSUM;
	rs->sum_at = value->num;
	return 0;
}

static int get_checksum(struct s7_sock *sk, struct opt_value *ret)
{
	const struct s7_raw_sock *rs = raw_sock(sk);

	ret->num = rs->bits & RAW_CHECKSUM ? rs->sum_at : -1;
	return 0;
}

static uint32_t filter_len(const struct s7_sock *sk)
{
	return sk->domain == AF_INET ? FILTER4_LEN : FILTER6_LEN;
}

static int set_filter(struct s7_sock *sk, const struct opt_value *value)
{
	memcpy(raw_sock(sk)->filter, value->bytes, s7_min(value->len, filter_len(sk)));
	return 0;
}

/* Of another protocol it is not even there. */
static int get_filter(struct s7_sock *sk, struct opt_value *ret)
{
	const struct s7_raw_sock *rs = raw_sock(sk);

	if (rs->num != (sk->domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return -EOPNOTSUPP;
	ret->len = filter_len(sk);
	memcpy(ret->bytes, rs->filter, ret->len);
	return 0;
}

static int set_filter4(struct s7_sock *sk, const struct opt_value *value)
{
	return sk->domain == AF_INET ? set_filter(sk, value) : -ENOPROTOOPT;
}

static int get_filter4(struct s7_sock *sk, struct opt_value *ret)
{
	return sk->domain == AF_INET ? get_filter(sk, ret) : -ENOPROTOOPT;
}

#define HDRINCL .set = set_hdrincl, .get = get_hdrincl
#define CHECKSUM .set = set_checksum, .get = get_checksum

static const struct s7_opt raw_ip_opts[] = {
	{ .level = IPPROTO_IP, .name = IP_HDRINCL, .type = OPT_IP_ZERO, .access = OPT_RW,
	  .on = ON_RAW, HDRINCL, .text = "the program writes the IP header" },
	{ .level = IPPROTO_IP, .name = IP_NODEFRAG_, .type = OPT_BYTES,
	  .access = OPT_RW | OPT_BEHIND, .on = ON_RAW,
	  .text = "netfilter leaves its fragments alone: there is none on this way" },
	{ .level = IPPROTO_IP, .name = IP_ROUTER_ALERT, .type = OPT_BYTES,
	  .access = OPT_RW | OPT_BEHIND, .on = ON_RAW,
	  .text = "what the host forwards: that is the kernel, whose half of the socket hears it" },
};

static const struct s7_opt raw_ipv6_opts[] = {
	{ .level = IPPROTO_IPV6, .name = IPV6_CHECKSUM, .type = OPT_INT, .access = OPT_RW,
	  .on = ON_RAW | ON_V6, CHECKSUM,
	  .text = "the stack sums what is sent, at this offset, and looks at what comes" },
	{ .level = IPPROTO_IPV6, .name = IPV6_HDRINCL_, .type = OPT_INT, .access = OPT_RW,
	  .on = ON_RAW | ON_V6, HDRINCL, .text = "the program writes the IPv6 header" },
	{ .level = IPPROTO_IPV6, .name = IPV6_ROUTER_ALERT, .type = OPT_BYTES,
	  .access = OPT_RW | OPT_BEHIND, .on = ON_RAW | ON_V6,
	  .text = "what the host forwards: that is the kernel, whose half of the socket hears it" },
};

static const struct s7_opt raw_raw_opts[] = {
	{ .level = IPPROTO_RAW, .name = ICMP_FILTER_, .type = OPT_BYTES, .access = OPT_RW,
	  .on = ON_RAW, .set = set_filter4, .get = get_filter4,
	  .text = "types of ICMP that are not received" },
	{ .level = IPPROTO_RAW, .name = IPV6_CHECKSUM, .type = OPT_INT, .access = OPT_RW,
	  .on = ON_RAW | ON_V6, CHECKSUM,
	  .text = "IPV6_CHECKSUM, also on sockets of IPPROTO_ICMPV6" },
	{ .level = IPPROTO_RAW, .name = IPV6_HDRINCL_, .type = OPT_INT, .access = OPT_RW,
	  .on = ON_RAW | ON_V6, HDRINCL, .text = "IPV6_HDRINCL" },
};

static const struct s7_opt raw_icmp6_opts[] = {
	{ .level = IPPROTO_ICMPV6, .name = ICMP6_FILTER_, .type = OPT_BYTES, .access = OPT_RW,
	  .on = ON_RAW | ON_V6, .set = set_filter, .get = get_filter,
	  .text = "types of ICMPv6 that are not received" },
};

const struct s7_opt_table raw_ip_table = { IPPROTO_IP, raw_ip_opts, S7_ARRAY_LEN(raw_ip_opts) };
const struct s7_opt_table raw_ipv6_table = { IPPROTO_IPV6, raw_ipv6_opts,
					     S7_ARRAY_LEN(raw_ipv6_opts) };
const struct s7_opt_table raw_raw_table = { IPPROTO_RAW, raw_raw_opts, S7_ARRAY_LEN(raw_raw_opts) };
const struct s7_opt_table raw_icmp6_table = { IPPROTO_ICMPV6, raw_icmp6_opts,
					      S7_ARRAY_LEN(raw_icmp6_opts) };
