/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wire_parse.c - parsers are total: every truncation is answered, what is written reads back
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "stack/wire/arp.h"
#include "stack/wire/icmp.h"
#include "stack/wire/udp.h"

/* A copy in memory of exactly `len` bytes, so that the sanitizer sees one byte more. */
static uint8_t *exact(const uint8_t *p, uint32_t len)
{
	uint8_t *copy = malloc(len + 1);

	memcpy(copy + 1, p, len);
	return copy;
}

Test(wire_arp, reads_what_it_wrote_and_nothing_shorter)
{
	struct s7_arp arp = { ARP_REPLY, { 2, 1 }, { 2, 2 }, 0x01020304, 0x05060708 }, back;
	uint8_t p[ARP_LEN];
	uint32_t len;

	arp_write(p, &arp);
	for (len = 0; len <= ARP_LEN; len++) {
		uint8_t *copy = exact(p, len);

		cr_assert_eq(arp_parse(copy + 1, len, &back), len == ARP_LEN);
		free(copy);
	}
	cr_assert_eq(back.op, ARP_REPLY);
	cr_assert_eq(back.sender_ip, arp.sender_ip);
	cr_assert_eq(back.target_ip, arp.target_ip);
	cr_assert_arr_eq(back.target_mac, arp.target_mac, 6);
	for (len = 0; len < 8; len++) {
		p[len] ^= 0x40;
		cr_assert_not(arp_parse(p, ARP_LEN, &back));
		p[len] ^= 0x40;
	}
}

Test(wire_ip4, lengths_that_lie)
{
	struct s7_ip4
		h = { .src = 1, .dst = 2, .total = 40, .id = 7, .ttl = 3, .proto = 6, .df = true },
		back;
	uint8_t p[64] = { 0 };
	uint32_t len;

	ip4_write(p, &h);
	for (len = 0; len < IP4_LEN; len++) {
		uint8_t *copy = exact(p, len);

		cr_assert_eq(ip4_parse(copy + 1, len, 40, &back), DROP_IP_SHORT);
		free(copy);
	}
	cr_assert_eq(ip4_parse(p, 40, 40, &back), DROP_NONE);
	cr_assert(back.df && !back.mf && back.id == 7 && back.total == 40 && back.hdr_len == 20);
	cr_assert_eq(ip4_parse(p, 40, 39, &back), DROP_IP_TRUNCATED);
	p[0] = 0x44;
	cr_assert_eq(ip4_parse(p, 40, 40, &back), DROP_IP_SHORT);
	p[0] = 0x4f;
	cr_assert_eq(ip4_parse(p, 40, 40, &back), DROP_IP_SHORT);
	p[0] = 0x65;
	cr_assert_eq(ip4_parse(p, 40, 40, &back), DROP_IP_VERSION);
}

Test(wire_icmp, quotes)
{
	struct s7_ip4 h = { .src = 1, .dst = 2, .total = 1500, .ttl = 3, .proto = 17 };
	uint8_t p[28] = { [20] = 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 9 };
	struct s7_icmp_quote quote;
	uint32_t len;

	ip4_write(p, &h);
	for (len = 0; len <= 28; len++) {
		uint8_t *copy = exact(p, len);

		cr_assert_eq(icmp_quote_parse(copy + 1, len, &quote), len >= 20);
		cr_assert(len < 20 || quote.has_ports == (len == 28));
		free(copy);
	}
	cr_assert_eq(quote.sport, 0x1234);
	cr_assert_eq(quote.dport, 0x5678);
	cr_assert_eq(quote.seq, 9);
	cr_assert_eq(icmp_mtu_plateau(1500), 1492);
	cr_assert_eq(icmp_mtu_plateau(100), 68);
	cr_assert(icmp_type_is_error(3) && icmp_type_is_error(11) && icmp_type_is_error(255));
	cr_assert(!icmp_type_is_error(0) && !icmp_type_is_error(8));
}

Test(wire_udp, lengths_that_lie)
{
	struct s7_udp_hdr h = { 1, 2, 12, 0xabcd }, back;
	uint8_t p[12];

	udp_write(p, &h);
	cr_assert(udp_parse(p, 12, 12, &back));
	cr_assert(back.sport == 1 && back.dport == 2 && back.len == 12 && back.sum == 0xabcd);
	cr_assert_not(udp_parse(p, 12, 11, &back));
	cr_assert_not(udp_parse(p, 7, 12, &back));
	put_be16(p + 4, 7);
	cr_assert_not(udp_parse(p, 12, 12, &back));
}
