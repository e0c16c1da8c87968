/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip_in.c - what becomes of frames and IPv4 packets, each refusal under its name; ICMP */
#include <criterion/criterion.h>

#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/icmp.h"
#include "test/support/mini.h"

/* A good UDP packet to port 9 (nobody), for spoiling. */
static uint32_t good(uint8_t *frame)
{
	uint8_t datagram[64];
	struct mini_ip ip = { .proto = IPPROTO_UDP, .data = datagram };

	ip.len = mini_udp(datagram, MINI_PEER, MINI_US, 1, 9, "hello", 5);
	return mini_frame_ip(frame, &ip);
}

static void fix_sum(uint8_t *frame)
{
	uint32_t len = (frame[14] & 15) * 4u;

	put_raw16(frame + 24, 0);
	put_raw16(frame + 24, csum_fold(csum_partial(frame + 14, len, 0)));
}

Test(ip_in, each_spoiled_byte_has_its_name)
{
	static const struct {
		uint8_t at, value;
		bool fix;
		enum s7_drop why;
	} cases[] = {
		{ 0, 4, false, DROP_ETH_NOT_MINE },   { 12, 0x86, false, DROP_ETH_TYPE },
		{ 12, 0x81, false, DROP_ETH_VLAN },   { 14, 0x65, true, DROP_IP_VERSION },
		{ 14, 0x44, true, DROP_IP_SHORT },    { 16, 9, true, DROP_IP_TRUNCATED },
		{ 17, 19, true, DROP_IP_SHORT },      { 24, 0x55, false, DROP_IP_CHECKSUM },
		{ 26, 127, true, DROP_IP_SOURCE },    { 26, 225, true, DROP_IP_SOURCE },
		{ 29, 1, true, DROP_IP_SOURCE },      { 29, 255, true, DROP_IP_SOURCE },
		{ 33, 77, true, DROP_IP_NOT_MINE },   { 30, 127, true, DROP_IP_NOT_MINE },
		{ 30, 239, true, DROP_IP_GROUP },  { 23, 99, true, DROP_IP_PROTO },
		{ 42, 0x77, false, DROP_UDP_CHECKSUM }, { 39, 200, false, DROP_UDP_SHORT },
	};

	for (uint32_t i = 0; i < S7_ARRAY_LEN(cases); i++) {
		struct mini *m = mini_new(IFACE_UP, false);
		uint8_t frame[128];
		uint32_t len = good(frame);

		frame[cases[i].at] = cases[i].value;
		if (cases[i].why == DROP_ETH_VLAN)
			frame[13] = 0;
		if (cases[i].fix)
			fix_sum(frame);
		mini_in(m, frame, len);
		cr_assert_eq(m->inst->drop[cases[i].why], 1, "case %u", i);
		cr_assert_eq(mini_free(m), 0);
	}
}

/* What comes later in a burst is looked at ahead: no byte beyond a frame, and each has its turn. */
Test(ip_in, a_burst_of_all_lengths_is_looked_at_ahead)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_pkt *pkts[INST_BURST];
	uint8_t segment[20] = { 0, 1, 0, 9 }, frame[128];
	struct mini_ip ip = { .proto = IPPROTO_TCP, .data = segment, .len = sizeof(segment) };
	uint32_t len = (uint32_t)s7_min(mini_frame_ip(frame, &ip), INST_BURST), dropped = 0, i;

	for (i = 0; i < len; i++) {
		pkts[i] = pkt_alloc(m->inst);
		/* at the end of the buffer, as in mini_in */
		pkts[i]->data = pkts[i]->buf + pkts[i]->buf_len - i;
		memcpy(pkts[i]->data, frame, i);
		pkts[i]->len = pkts[i]->total = i;
	}
	eth_input(m->inst, &m->inst->iface[1], pkts, len);
	for (i = 0; i < DROP_COUNT; i++)
		dropped += (uint32_t)m->inst->drop[i];
	cr_expect_eq(m->inst->drop[DROP_ETH_SHORT], 14);
	cr_expect_eq(dropped, len);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_in, truncations_never_read_beyond)
{
	struct mini *m = mini_new(IFACE_UP, false);
	uint8_t frame[128];
	uint32_t len = good(frame), i;

	for (i = 0; i < len; i++)
		mini_in(m, frame, i);
	cr_assert_eq(m->inst->drop[DROP_ETH_SHORT], 14);
	cr_assert_eq(m->inst->drop[DROP_IP_SHORT], 20);
	cr_assert_eq(m->inst->drop[DROP_IP_TRUNCATED], len - 34);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_in, own_frames_on_a_shared_tap)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_SHARED, false);
	uint8_t frame[128];
	uint32_t len = good(frame);

	memcpy(frame + 6, mini_mac_us, 6);
	mini_in(m, frame, len);
	cr_assert_eq(m->inst->drop[DROP_ETH_OWN_FRAME], 1);
	len = good(frame);
	mini_in(m, frame, len);
	cr_assert_eq(m->inst->drop[DROP_UDP_KERNEL], 1);
	frame[23] = 99;
	fix_sum(frame);
	mini_in(m, frame, len);
	cr_assert_eq(m->sent_count, 0); /* the kernel answers */
	cr_assert_eq(mini_free(m), 0);
}

static void in_icmp(struct mini *m, uint8_t *body, uint32_t len, const char *src)
{
	struct mini_ip ip = { .src = src, .proto = IPPROTO_ICMP, .data = body, .len = len };
	uint8_t frame[2048];

	put_raw16(body + 2, 0);
	put_raw16(body + 2, csum_fold(csum_partial(body, len, 0)));
	mini_in(m, frame, mini_frame_ip(frame, &ip));
}

Test(ip_icmp, echo)
{
	struct mini *m = mini_new(IFACE_UP, false),
		    *shared = mini_new(IFACE_UP | IFACE_SHARED, false);
	uint8_t ping[63] = { ICMP_T_ECHO, 0, 0, 0, 1, 2, 3, 4, 'a' };
	const uint8_t *reply;

	mini_know_peer(m);
	in_icmp(m, ping, sizeof(ping), NULL);
	cr_assert_eq(m->sent_count, 1);
	reply = m->sent[0].data + 34;
	cr_assert_eq(m->sent[0].len, 34 + sizeof(ping));
	cr_assert_eq(reply[0], ICMP_T_ECHO_REPLY);
	cr_assert_arr_eq(reply + 4, ping + 4, sizeof(ping) - 4);
	cr_assert_eq(csum_fold(csum_partial(reply, sizeof(ping), 0)), 0);
	cr_assert_eq(csum_fold(csum_20(m->sent[0].data + 14)), 0);
	in_icmp(shared, ping, sizeof(ping), NULL);
	cr_assert_eq(shared->sent_count, 0);
	cr_assert_eq(mini_free(m) + mini_free(shared), 0);
}

Test(ip_icmp, unreachables_are_rate_limited_and_quote)
{
	struct mini *m = mini_new(IFACE_UP, false);
	uint8_t frame[128];
	uint32_t len = good(frame);

	mini_know_peer(m);
	for (int i = 0; i < 60; i++)
		mini_in(m, frame, len);
	cr_assert_eq(m->inst->stat[STAT_ICMP_ERRORS_OUT], 50);
	cr_assert_eq(m->inst->drop[DROP_ICMP_RATE], 10);
	cr_assert_eq(m->sent[0].data[34], ICMP_T_UNREACH);
	cr_assert_eq(m->sent[0].data[35], ICMP_C_PORT);
	cr_assert_arr_eq(m->sent[0].data + 42, frame + 14, len - 14);
	mini_wait(m, 5 * S7_MS);
	mini_in(m, frame, len);
	cr_assert_eq(m->inst->stat[STAT_ICMP_ERRORS_OUT], 51);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_icmp, no_error_about_an_error_a_broadcast_or_nobody)
{
	struct mini *m = mini_new(IFACE_UP, false);
	uint8_t frame[128], error[8 + 28] = { ICMP_T_UNREACH, 99 };
	uint32_t len = good(frame);

	mini_know_peer(m);
	memset(frame, 0xff, 6);
	mini_in(m, frame, len);
	in_icmp(m, error, sizeof(error), NULL);
	in_icmp(m, error, 8, NULL);
	cr_assert_eq(m->sent_count, 0);
	cr_assert_eq(m->inst->drop[DROP_ICMP_SHORT], 2);
	error[0] = 77;
	in_icmp(m, error, sizeof(error), NULL);
	cr_assert_eq(m->inst->drop[DROP_ICMP_TYPE], 1);
	cr_assert_eq(mini_free(m), 0);
}

/* IEEE 802.1Q 9.6: VLAN 0 is no VLAN, but a priority. */
Test(ip_in, priority_tags_are_taken_off)
{
	for (uint8_t vlan = 0; vlan < 2; vlan++) {
		struct mini *m = mini_new(IFACE_UP, false);
		uint8_t frame[128], tag[4] = { 0x81, 0, 0xa0, vlan };
		uint32_t len = good(frame);

		memmove(frame + 16, frame + 12, len - 12);
		memcpy(frame + 12, tag, sizeof(tag));
		mini_in(m, frame, len + 4);
		cr_assert_eq(m->inst->drop[DROP_ETH_VLAN], vlan);
		cr_assert_eq(m->inst->drop[DROP_UDP_NO_PORT], !vlan);
		cr_assert_eq(mini_free(m), 0);
	}
}
