/* SPDX-License-Identifier: BSD-3-Clause */
/* test_udp_mcast.c - groups on an interface of ours alone: reports, delivery, what comes back */
#include <errno.h>

#include "stack/ip/group.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip6.h"
#include "test/support/mini_udp.h"

#define GROUP "239.1.2.3"
#define IGMP_AT (ETH_LEN + 24)
#define MLD_AT (ETH_LEN + IP6_LEN + 8)

static int member(struct s7_sock *sk, const char *group, bool exclude, bool in)
{
	struct group_call call = { .group = mini_addr(group), .device = 2, .exclude = exclude };

	return in ? group_join(sk, &call) : group_leave(sk, &call, false);
}

/* The frame is a report to 224.0.0.22 with one record: its type, and how many sources. */
static void report_is(const struct mini_frame *frame, uint8_t type, uint16_t sources)
{
	static const uint8_t mac[6] = { 1, 0, 0x5e, 0, 0, 0x16 };
	const uint8_t *ip = frame->data + ETH_LEN, *igmp = frame->data + IGMP_AT;
	uint32_t len = 8 + 8 + 4u * sources;

	cr_assert(!memcmp(frame->data, mac, 6));
	cr_assert_eq(frame->len, IGMP_AT + len);
	cr_assert(ip[0] == 0x46 && ip[8] == 1 && ip[9] == IPPROTO_IGMP && ip[20] == 0x94);
	cr_assert_eq(csum_fold(csum_partial(ip, 24, 0)), 0);
	cr_assert_eq(csum_fold(csum_partial(igmp, len, 0)), 0);
	cr_assert_eq(get_raw32(ip + 16), inet_addr("224.0.0.22"));
	cr_assert(igmp[0] == 0x22 && igmp[7] == 1 && igmp[8] == type);
	cr_assert_eq(get_be16(igmp + 10), sources);
	cr_assert_eq(get_raw32(igmp + 12), inet_addr(GROUP));
}

static void in_igmp(struct mini *m, const uint8_t *message, uint32_t len)
{
	uint8_t frame[128], body[64];
	struct mini_ip ip = { .dst = "224.0.0.1", .proto = IPPROTO_IGMP, .data = body, .len = len };

	memcpy(body, message, len);
	put_raw16(body + 2, 0);
	put_raw16(body + 2, csum_fold(csum_partial(body, len, 0)));
	mini_frame_ip(frame, &ip);
	memcpy(frame, (uint8_t[]){ 1, 0, 0x5e, 0, 0, 1 }, 6);
	mini_in(m, frame, ETH_LEN + 20 + len);
}

static void in_group(struct mini *m, const char *src, const char *group, uint16_t dport)
{
	uint8_t datagram[64], frame[128];
	struct mini_ip ip = { .src = src, .dst = group, .proto = IPPROTO_UDP, .data = datagram };

	ip.len = mini_udp(datagram, src, group, 7, dport, "hi", 2);
	mini_frame_ip(frame, &ip);
	memcpy(frame, (uint8_t[]){ 1, 0, 0x5e, 1, 2, 3 }, 6);
	mini_in(m, frame, ETH_LEN + 20 + ip.len);
}

Test(udp, joining_and_leaving_is_reported_twice)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *a = open_at(m, "0.0.0.0", 53, SKB_REUSEADDR);
	struct s7_sock *b = open_at(m, "0.0.0.0", 53, SKB_REUSEADDR);
	char buf[4];

	in_group(m, MINI_PEER, GROUP, 53);
	cr_assert_eq(m->inst->drop[DROP_IP_GROUP], 1);
	cr_assert_eq(member(a, GROUP, true, true), 0);
	cr_assert_eq(member(a, GROUP, true, true), -EADDRINUSE);
	inst_flush(m->inst);
	cr_assert_eq(m->sent_count, 1);
	mini_wait(m, 2 * S7_SEC);
	cr_assert_eq(m->sent_count, 2);
	report_is(&m->sent[0], 4, 0); /* to exclude: nobody */
	report_is(&m->sent[1], 4, 0);
	in_group(m, MINI_PEER, GROUP, 53);
	cr_assert_eq(take(a, buf, 4), 2);
	cr_assert_eq(take(b, buf, 4), 2, "hears what others joined");
	cr_assert_eq(sk_ext_bit(b, EXT_MC_NOT_ALL, true), 0);
	in_group(m, MINI_PEER, GROUP, 53);
	cr_assert_eq(take(a, buf, 4), 2);
	cr_assert_eq(take(b, buf, 4), -EAGAIN);
	done(b);
	done(a); /* leaves */
	inst_flush(m->inst);
	cr_assert_eq(m->sent_count, 3);
	mini_wait(m, 2 * S7_SEC);
	cr_assert_eq(m->sent_count, 4);
	report_is(&m->sent[3], 3, 0); /* to include: nobody */
	cr_assert_eq(m->inst->groups->groups.used, 0);
	cr_assert_eq(m->inst->groups->members.used, 0);
	cr_assert_eq(m->inst->exts.used, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, sources_are_reported_and_filtered)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct group_call call = { .group = mini_addr(GROUP), .device = 2 };
	struct s7_ip peer = mini_addr(MINI_PEER);
	char buf[4];

	cr_assert_eq(group_join(sk, &call), 0);
	cr_assert_eq(group_source(sk, &call, &peer, true), 0);
	inst_flush(m->inst);
	report_is(&m->sent[0], 3, 0);
	report_is(&m->sent[1], 3, 1);
	cr_assert_eq(get_raw32(m->sent[1].data + IGMP_AT + 16), inet_addr(MINI_PEER));
	in_group(m, "10.0.0.3", GROUP, 53);
	cr_assert_eq(take(sk, buf, 4), -EAGAIN);
	in_group(m, MINI_PEER, GROUP, 53);
	cr_assert_eq(take(sk, buf, 4), 2);
	cr_assert_eq(group_source(sk, &call, &peer, false), 0); /* the last one: left */
	cr_assert_eq(sk->ext->groups, NULL);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, queries_are_answered_in_their_version)
{
	static const uint8_t v3[12] = { 0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0 };
	static const uint8_t v2[8] = { 0x11, 10 };
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	cr_assert_eq(member(sk, GROUP, true, true), 0);
	mini_wait(m, 2 * S7_SEC);
	m->sent_count = 0;
	in_igmp(m, v3, sizeof(v3));
	mini_wait(m, 2 * S7_SEC);
	cr_assert_eq(m->sent_count, 1);
	report_is(&m->sent[0], 2, 0);
	in_igmp(m, v2, sizeof(v2));
	mini_wait(m, 2 * S7_SEC);
	cr_assert_eq(m->sent_count, 2);
	cr_assert_eq(m->sent[1].data[IGMP_AT], 0x16);
	cr_assert_eq(get_raw32(m->sent[1].data + ETH_LEN + 16), inet_addr(GROUP));
	done(sk);
	inst_flush(m->inst);
	cr_assert_eq(m->sent[2].data[IGMP_AT], 0x17);
	cr_assert_eq(get_raw32(m->sent[2].data + ETH_LEN + 16), inet_addr("224.0.0.2"));
	in_igmp(m, v2, 6);
	cr_assert_eq(m->inst->drop[DROP_IGMP_BAD], 1);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, the_kernel_reports_where_it_shares)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_SHARED, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	char buf[4];

	cr_assert_eq(member(sk, GROUP, true, true), 0);
	mini_wait(m, 2 * S7_SEC);
	cr_assert_eq(m->sent_count, 0);
	in_group(m, MINI_PEER, GROUP, 53);
	cr_assert_eq(take(sk, buf, 4), 2);
	done(sk);
	cr_assert_eq(m->inst->groups->groups.used, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, what_is_sent_to_a_group_comes_back_to_members)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_SHARED, false);
	struct s7_sock *a = open_at(m, "0.0.0.0", 53, 0);
	struct s7_sock *b = open_at(m, "0.0.0.0", 54, 0);
	struct s7_msg msg;
	char buf[4];

	cr_assert_eq(give(b, GROUP, 53, "x", 1, 0), 1);
	inst_drive(m->inst);
	cr_assert_eq(take(a, buf, 4), -EAGAIN, "no member");
	cr_assert_eq(member(a, GROUP, true, true), 0);
	cr_assert_eq(give(b, GROUP, 53, "x", 1, 0), 1);
	inst_drive(m->inst);
	cr_assert_eq(recv_flags(a, buf, 4, 0, &msg), 1);
	cr_assert_eq(msg.name.iface, 1, "as if by the interface that it left by");
	cr_assert_eq(m->sent_count, 2);
	b->mcast_ttl = 0;
	cr_assert_eq(give(b, GROUP, 53, "x", 1, 0), 1);
	inst_drive(m->inst);
	cr_assert_eq(take(a, buf, 4), 1);
	cr_assert_eq(m->sent_count, 2, "not beyond the host");
	b->mcast_ttl = 1;
	cr_assert_eq(sk_ext_bit(b, EXT_MC_NO_LOOP, true), 0);
	cr_assert_eq(give(b, GROUP, 53, "x", 1, 0), 1);
	inst_drive(m->inst);
	cr_assert_eq(take(a, buf, 4), -EAGAIN);
	cr_assert_eq(m->sent_count, 3);
	done(a);
	done(b);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, ipv6_groups_are_reported)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk;
	struct group_call call = { .device = 2, .exclude = true };
	const uint8_t *p;
	uint32_t count;

	cr_assert_eq(sk_create(m->inst, PROTO_UDP, AF_INET6, &sk), 0);
	cr_assert_eq(inet_pton(AF_INET6, "ff05::1234", &call.group), 1);
	count = m->sent_count;
	cr_assert_eq(group_join(sk, &call), 0);
	inst_flush(m->inst);
	cr_assert_eq(m->sent_count, count + 1);
	p = m->sent[count].data;
	cr_assert_eq(m->sent[count].len, MLD_AT + 8 + 20);
	cr_assert(p[0] == 0x33 && p[1] == 0x33 && p[5] == 0x16);
	cr_assert(p[ETH_LEN + 6] == 0 && p[ETH_LEN + 7] == 1, "hop-by-hop, hop limit 1");
	cr_assert(p[MLD_AT] == 143 && p[MLD_AT + 8] == 4);
	cr_assert(!memcmp(p + MLD_AT + 12, call.group.b, 16));
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}
