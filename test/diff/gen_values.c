// SPDX-License-Identifier: BSD-3-Clause
/*
 * gen_values.c - which options, which values: the tables of the generated cases
 *
 * The ranges reach beyond what the kernel under test has, so that "nobody has it" is compared too.
 * Integers sit at the edges that the manual pages name and one beside them. Structures are given
 * good, bad and (by gen.c, with zeros and ones of every length) short.
 */
#include "test/diff/gen.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>

#define IP6_LEVEL_ICMP 58

const struct gen_range gen_ranges[] = {
	{ "SOL_SOCKET", SOL_SOCKET, 0, 92 },
	{ "IPPROTO_IP", IPPROTO_IP, 0, 63 },
	{ "IPPROTO_TCP", IPPROTO_TCP, 0, 48 },
	{ "IPPROTO_IPV6", IPPROTO_IPV6, 0, 84 },
	{ "IPPROTO_UDP", IPPROTO_UDP, 0, 2 },
	{ "IPPROTO_UDP", IPPROTO_UDP, 99, 106 },
	{ "SOL_PACKET", SOL_PACKET, 0, 27 },
	{ "IPPROTO_ICMP", IPPROTO_ICMP, 1, 2 },
	{ "IPPROTO_ICMPV6", IP6_LEVEL_ICMP, 1, 2 },
	{ "IPPROTO_RAW", IPPROTO_RAW, 1, 1 },
	{ "IPPROTO_RAW", IPPROTO_RAW, IPV6_CHECKSUM, IPV6_CHECKSUM },
	{ "IPPROTO_RAW", IPPROTO_RAW, 36, 36 },
	{ "level-4711", 4711, 1, 2 },
	{ "level--1", -1, 1, 1 },
	{ "SOL_SOCKET", SOL_SOCKET, 4711, 4711 },
	{ "SOL_SOCKET", SOL_SOCKET, -1, -1 },
	{ "IPPROTO_TCP", IPPROTO_TCP, 4711, 4711 },
	{ "IPPROTO_TCP", IPPROTO_TCP, -1, -1 },
	{ "IPPROTO_IP", IPPROTO_IP, 4711, 4711 },
	{ "IPPROTO_IPV6", IPPROTO_IPV6, 4711, 4711 },
};
const size_t gen_range_count = COUNT(gen_ranges);

const int gen_ints[] = {
	-1,   0,    1,	  2,	 3,	5,     6,     7,	8,	 15,	  16,
	64,   100,  127,  128,	 255,	256,   1000,  2304,	4096,	 32767,	  32768,
	65535, 65536, 1 << 20, 1 << 30, INT_MAX, INT_MIN,
};
const size_t gen_int_count = COUNT(gen_ints);

const socklen_t gen_lens[] = { 0,  1,  2,  3,	4,   5,	  7,	   8,	      12,
			       16, 20, 32, 64, 136, 264, 65536, INT_MAX, (socklen_t)-1 };
const size_t gen_len_count = COUNT(gen_lens);

/* ---- structures ---- */

static const struct linger lingers[] = { { 0, 0 }, { 1, 0 },  { 1, 5 },
					 { 0, 5 }, { 1, -1 }, { 7, INT_MAX } };
static const struct timeval times[] = { { 0, 0 },	{ 0, 1 },  { 1, 500000 }, { 0, 999999 },
					{ 0, 1000000 }, { 0, -1 }, { -1, 0 },	  { INT64_MAX, 0 },
					{ 100000, 4000 } };
static struct sock_filter accept_all[] = { BPF_STMT(BPF_RET | BPF_K, 0xffff) };
static struct sock_filter no_return[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
static const struct sock_fprog progs[] = {
	{ 1, accept_all }, { 0, accept_all }, { 1, NULL }, { 1, no_return }, { 5000, accept_all },
};
static const struct ip_mreq groups4[] = {
	{ { 0x010000ef }, { 0x0100007f } }, /* 239.0.0.1 by 127.0.0.1 */
	{ { 0x0100007f }, { 0x0100007f } },
	{ { 0x010000ef }, { 0x01010101 } },
};
static const struct ip_mreqn groups4n[] = {
	{ { 0x020000ef }, { 0 }, 1 },
	{ { 0x020000ef }, { 0 }, 4711 },
	{ { 0 }, { 0x0100007f }, 0 },
	{ { 0 }, { 0x01010101 }, 0 },
};
static const struct ipv6_mreq groups6[] = {
	{ { { { 0xff, 0x02, [15] = 0x77 } } }, 1 },
	{ { { { 0xff, 0x02, [15] = 0x77 } } }, 4711 },
	{ { { { [15] = 1 } } }, 1 },
};
/* struct sock_txtime, so_timestamping, tcp_repair_opt, a port range: pairs of words */
static const uint32_t pairs[][2] = { { 0, 0 },	 { 1, 0 },  { 1, 1 },	 { 7, 3 }, { 1, 4 },
				     { 11, 2 }, { 64, 0 }, { 16, 1 }, { 72, 0 } };
static const uint64_t longs[] = { 0, 1, 1000000, 0xffffffffull, 0x100000000ull, UINT64_MAX };
static const struct packet_mreq memberships[] = {
	{ 1, PACKET_MR_PROMISC, 0, { 0 } },	  { 1, PACKET_MR_MULTICAST, 6, { 1 } },
	{ 4711, PACKET_MR_PROMISC, 0, { 0 } },	  { 1, PACKET_MR_UNICAST, 5, { 2 } },
};
static const struct tpacket_req packet_rings[] = {
	{ 4096, 2, 2048, 4 }, { 4096, 2, 2048, 5 }, { 0, 0, 0, 0 },
};
static const uint8_t no_options[] = { 1, 1, 1, 0 };
static const uint8_t record_route[] = { 7, 7, 4, 0, 0, 0, 0, 0 };
static const uint8_t bad_option[] = { 7, 40, 4, 0 };

#define ONE(level, name, data) { level, name, &(data), sizeof(data) }
#define TEXT(level, name, text) { level, name, text, sizeof(text) - 1 }
#define LINGERS(i) ONE(SOL_SOCKET, SO_LINGER, lingers[i])
#define TIMES(i) \
	ONE(SOL_SOCKET, SO_RCVTIMEO, times[i]), ONE(SOL_SOCKET, SO_SNDTIMEO, times[i]), \
		ONE(SOL_SOCKET, 66, times[i]), ONE(SOL_SOCKET, 67, times[i])
#define PROGS(i) \
	ONE(SOL_SOCKET, SO_ATTACH_FILTER, progs[i]), \
		ONE(SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, progs[i])
#define PAIRS(i) \
	ONE(SOL_SOCKET, SO_TXTIME, pairs[i]), ONE(SOL_SOCKET, SO_TIMESTAMPING, pairs[i]), \
		ONE(SOL_SOCKET, 65, pairs[i]), ONE(IPPROTO_TCP, TCP_REPAIR_OPTIONS, pairs[i])
#define LONGS(i) \
	ONE(SOL_SOCKET, SO_MAX_PACING_RATE, longs[i])
#define MEMBERS(i) \
	ONE(SOL_PACKET, PACKET_ADD_MEMBERSHIP, memberships[i]), \
		ONE(SOL_PACKET, PACKET_DROP_MEMBERSHIP, memberships[i])
#define RINGS(i) \
	ONE(SOL_PACKET, PACKET_RX_RING, packet_rings[i]), \
		ONE(SOL_PACKET, PACKET_TX_RING, packet_rings[i])
#define GROUPS4(data) \
	ONE(IPPROTO_IP, IP_ADD_MEMBERSHIP, data), ONE(IPPROTO_IP, IP_DROP_MEMBERSHIP, data), \
		ONE(IPPROTO_IP, IP_MULTICAST_IF, data)
#define GROUPS6(i) \
	ONE(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, groups6[i]), \
		ONE(IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, groups6[i]), \
		ONE(IPPROTO_IPV6, IPV6_JOIN_ANYCAST, groups6[i])
#define DEVICES(name) TEXT(SOL_SOCKET, SO_BINDTODEVICE, name)
#define NAMES(name) \
	TEXT(IPPROTO_TCP, TCP_CONGESTION, name), TEXT(IPPROTO_TCP, TCP_ULP, name)

const struct gen_value gen_values[] = {
	LINGERS(0), LINGERS(1), LINGERS(2), LINGERS(3), LINGERS(4), LINGERS(5),
	TIMES(0), TIMES(1), TIMES(2), TIMES(3), TIMES(4), TIMES(5), TIMES(6), TIMES(7), TIMES(8),
	PROGS(0), PROGS(1), PROGS(2), PROGS(3), PROGS(4),
	PAIRS(0), PAIRS(1), PAIRS(2), PAIRS(3), PAIRS(4), PAIRS(5), PAIRS(6), PAIRS(7), PAIRS(8),
	LONGS(0), LONGS(1), LONGS(2), LONGS(3), LONGS(4), LONGS(5),
	GROUPS4(groups4[0]), GROUPS4(groups4[1]), GROUPS4(groups4[2]),
	GROUPS4(groups4n[0]), GROUPS4(groups4n[1]), GROUPS4(groups4n[2]), GROUPS4(groups4n[3]),
	GROUPS6(0), GROUPS6(1), GROUPS6(2),
	MEMBERS(0), MEMBERS(1), MEMBERS(2), MEMBERS(3), RINGS(0), RINGS(1), RINGS(2),
	DEVICES("nonesuch"), DEVICES("lo"), DEVICES("lo\0"), DEVICES("l"), DEVICES(""),
	DEVICES("lolololololololololo"),
	NAMES("reno"), NAMES("cubic"), NAMES("bbr"), NAMES("nonesuch"), NAMES("tls"),
	NAMES("mptcp"), NAMES("cubiccubiccubiccubic"), NAMES("reno\0junk"),
	ONE(IPPROTO_IP, IP_OPTIONS, no_options), ONE(IPPROTO_IP, IP_OPTIONS, record_route),
	ONE(IPPROTO_IP, IP_OPTIONS, bad_option),
};
const size_t gen_value_count = COUNT(gen_values);

/* ---- what is not compared ---- */

#define BYTES(first, count) (((1ull << (count)) - 1) << (first))
#define FROM(first) (~0ull << (first))
#define WORD(i) BYTES(4 * (i), 4)

static const struct gen_mask masks[] = {
	{ SOL_SOCKET, SO_PEERNAME, BYTES(2, 2), false, "a port" },
	{ SOL_SOCKET, SO_COOKIE, FROM(0), false, "a number of the socket" },
	{ SOL_SOCKET, 71, FROM(0), false, "a number of the network namespace" },
	{ SOL_SOCKET, SO_MEMINFO, ~(WORD(1) | WORD(6) | WORD(8)), false,
	  "memory in use at this moment" },
	{ SOL_SOCKET, SO_SNDBUF, FROM(0), true, "grown by itself with the connection" },
	{ SOL_SOCKET, SO_INCOMING_CPU, FROM(0), true, "where the packet came in" },
	{ IPPROTO_TCP, TCP_MAXSEG, FROM(0), false, "half of the window that the peer has shown" },
	{ IPPROTO_TCP, TCP_INFO, FROM(2), false,
	  "measurements; the state and its phase are compared" },
	{ IPPROTO_IP, 52 /* IP_PROTOCOL */, FROM(0), false, "a port" },
	{ IPPROTO_TCP, TCP_TIMESTAMP, FROM(0), false, "a clock" },
	{ IPPROTO_TCP, TCP_CC_INFO, FROM(0), false, "measurements" },
};

const struct gen_mask *gen_mask_of(int level, int name)
{
	for (size_t i = 0; i < COUNT(masks); i++)
		if (masks[i].level == level && masks[i].name == name)
			return &masks[i];
	return NULL;
}
