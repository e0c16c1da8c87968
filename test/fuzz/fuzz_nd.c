/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_nd.c - solicitations and advertisements about a few addresses with options of the input,
 * packets that wait for an answer, routers that advertise, addresses set anew, and pauses: the
 * neighbours' state machine and what routers tell */
#include "stack/ip/ip6.h"
#include "test/support/fuzz.h"
#include "test/support/mini6.h"

static const char *const addrs[] = { MINI_US6,	 MINI_PEER6, MINI_US_LL, MINI_PEER_LL,
				     "fe80::99", "2001:db8::3", "::ffff:10.0.0.1", "ff02::1" };
#define GROUP_US "ff02::1:ff00:1"

static void one_message(struct mini *m, struct fuzz_in *in, uint32_t how)
{
	static const char *const to[] = { NULL, "ff02::1", MINI_US_LL, GROUP_US };
	struct s7_ip target = mini_addr6(addrs[how & 7]);
	uint32_t what = fuzz_byte(in);
	struct s7_nd nd = { .type = what & 1 ? ICMP6_T_NEIGH_SOLICIT : ICMP6_T_NEIGH_ADVERT,
			    .flags = what >> 1 & 7,
			    .has_link = what & 16,
			    .link = { 2, [5] = what >> 6 & 3 } };
	uint8_t body[200];
	struct mini_ip6 ip = { .data = body, .dst = to[how >> 3 & 3], .hops = ND_HOPS };

	ip.src = how & 32 ? MINI_PEER_LL : what & 128 ? "::" : NULL;
	memcpy(nd.target, target.b, IP6_ADDR_LEN);
	ip.len = nd_write(body, &nd);
	if (how & 64) /* other options behind */
		ip.len += fuzz_blob(in, body + ip.len, (uint32_t)sizeof(body) - ip.len);
	mini_in_icmp6(m, &ip);
}

/* A router that says what the input has behind the type. */
static void one_advertisement(struct mini *m, struct fuzz_in *in, uint32_t how)
{
	uint8_t body[200] = { ICMP6_T_ROUTER_ADVERT };
	struct mini_ip6 ip = { .data = body, .dst = "ff02::1", .hops = ND_HOPS,
			       .src = how & 8 ? "fe80::99" : MINI_PEER_LL };

	ip.len = 4 + fuzz_blob(in, body + 4, sizeof(body) - 4);
	mini_in_icmp6(m, &ip);
}

static void one_packet(struct mini *m, uint32_t how)
{
	struct s7_ip_tx tx = { .proto = 253, .ttl = 9 };
	struct s7_ip dst = mini_addr6(addrs[how & 7]);
	struct s7_pkt *pkt;
	struct s7_dst way;

	if (ip_is_v4(&dst) || dst_lookup(m->inst, &dst, NULL, 2, &way) ||
	    !(pkt = pkt_alloc(m->inst)))
		return;
	pkt->len = pkt->total = 8;
	memset(pkt->data, 0, 8);
	ip_output(m->inst, &way, pkt, &tx);
}

static void set_addrs(struct mini *m, uint32_t how)
{
	struct s7_iface_addr set[] = {
		{ .ip = mini_addr(MINI_US), .prefix_len = 24 },
		{ .ip = mini_addr6(MINI_US6), .prefix_len = 64 },
		{ .ip = mini_addr6(addrs[3 + (how & 1)]), .prefix_len = 64,
		  .flags = how & 2 ? ADDR_KERNEL : 0 },
	};

	iface_set_addrs(m->inst, &m->inst->iface[1], set, how & 4 ? 2 : 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct mini *m = fuzz6_instance();

	set_addrs(m, 4);
	mini_wait(m, 2 * S7_SEC);
	router_start(m->inst, &m->inst->iface[1]);
	while (in.left) {
		uint32_t how = fuzz_byte(&in);

		if (!(how & 128))
			one_message(m, &in, how);
		else if (how & 64)
			one_packet(m, how);
		else if (how & 32)
			set_addrs(m, how);
		else if (how & 16)
			one_advertisement(m, &in, how);
		else
			mini_wait(m, (how & 15) * (how & 8 ? 600 : 1) * S7_SEC);
	}
	set_addrs(m, 4);
	fuzz_settle(m);
	return 0;
}
