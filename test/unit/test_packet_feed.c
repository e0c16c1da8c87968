/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_packet_feed.c - frames that the kernel's half of a packet socket received, in its ring
 */
#include <criterion/criterion.h>

#include "stack/packet/packet.h"
#include "stack/sock/sock.h"
#include "stack/wire/eth.h"
#include "test/support/mini.h"

static const struct sockaddr_ll eth7 = { .sll_family = AF_PACKET, .sll_ifindex = 7,
					 .sll_hatype = ARPHRD_ETHER, .sll_halen = 6,
					 .sll_pkttype = PACKET_OTHERHOST,
					 .sll_addr = { 2, 0, 0, 0, 0, 9 } };

static struct s7_sock *with_ring(struct mini *m, int type, int version)
{
	struct tpacket_req3 req = { 4096, 2, 2048, 4, 50, 0, 0 };
	size_t len = version == TPACKET_V3 ? sizeof(req) : sizeof(struct tpacket_req);
	struct s7_sock *sk;

	cr_assert_eq(sock_packet_create(m->inst, type, ETH_P_ALL, 0, &sk), 0);
	cr_assert_eq(sock_setsockopt(sk, SOL_PACKET, PACKET_VERSION, &version, sizeof(version), 0),
		     0);
	cr_assert_eq(sock_setsockopt(sk, SOL_PACKET, PACKET_RX_RING, &req, (socklen_t)len, 0), 0);
	sock_packet_fed(sk, true, 0);
	cr_assert(sock_packet_is_fed(sk, sk->file.cookie));
	return sk;
}

static void feed(struct s7_sock *sk, const void *bytes, uint32_t len,
		 const struct tpacket_auxdata *aux)
{
	struct s7_packet_fed fed = { .name = &eth7, .aux = aux, .bytes = bytes, .len = len,
				     .wall = 5 * S7_SEC + 17 };

	cr_assert_eq(sock_packet_feed(sk, sk->file.cookie, &fed, 0), 0);
}

Test(packet, a_frame_of_the_kernel_is_told_as_the_kernel_told_it)
{
	struct tpacket_auxdata aux = { .tp_status = TP_STATUS_USER | TP_STATUS_VLAN_VALID |
						    TP_STATUS_LOSING,
				       .tp_len = 900, .tp_net = 14, .tp_vlan_tci = 0x123 };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = with_ring(m, SOCK_RAW, TPACKET_V2);
	struct tpacket2_hdr *head = (void *)packet_sock(sk)->rx.mem;
	const struct sockaddr_ll *ll =
		(void *)((char *)head + TPACKET_ALIGN(sizeof(struct tpacket2_hdr)));
	uint8_t frame[300];

	memset(frame, 0x5a, sizeof(frame));
	feed(sk, frame, sizeof(frame), &aux);
	cr_assert(sk_ops(sk)->poll(sk) & EPOLLIN);
	cr_assert_eq(head->tp_status, TP_STATUS_USER | TP_STATUS_VLAN_VALID |
					      TP_STATUS_TS_SOFTWARE);
	cr_assert(head->tp_len == 900 && head->tp_snaplen == 300);
	cr_assert(head->tp_sec == 5 && head->tp_nsec == 17);
	cr_assert_eq(head->tp_vlan_tci, 0x123);
	cr_assert_eq(head->tp_net - head->tp_mac, 14);
	cr_assert(!memcmp((char *)head + head->tp_mac, frame, sizeof(frame)));
	cr_assert(!memcmp(ll, &eth7, sizeof(eth7)));
	cr_assert_eq(packet_sock(sk)->packets, 1);
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, a_link_without_header_and_a_frame_shorter_than_one)
{
	struct tpacket_auxdata aux = { .tp_len = 9, .tp_net = 0 };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = with_ring(m, SOCK_RAW, TPACKET_V2);
	struct tpacket2_hdr *head = (void *)packet_sock(sk)->rx.mem;

	feed(sk, "a packet", 9, &aux);
	cr_assert(head->tp_len == 9 && head->tp_net == head->tp_mac);
	cr_assert_str_eq((char *)head + head->tp_mac, "a packet");
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, cooked_frames_of_both_halves_lie_in_one_block)
{
	struct tpacket_auxdata aux = { .tp_len = 6, .tp_net = 0 };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = with_ring(m, SOCK_DGRAM, TPACKET_V3);
	struct tpacket_block_desc *block = (void *)packet_sock(sk)->rx.mem;
	struct tpacket3_hdr *head;

	feed(sk, "cooked", 6, &aux);
	mini_in_arp(m, 2, MINI_PEER, MINI_US);
	mini_wait(m, 60 * S7_MS);
	cr_assert_eq(block->hdr.bh1.num_pkts, 2);
	head = (void *)((char *)block + block->hdr.bh1.offset_to_first_pkt);
	cr_assert(head->tp_len == 6 && head->tp_snaplen == 6 && head->tp_net == head->tp_mac);
	cr_assert(!memcmp((char *)head + head->tp_mac, "cooked", 6));
	head = (void *)((char *)head + head->tp_next_offset);
	cr_assert_eq(head->tp_len, 46);
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, what_finds_no_room_or_no_socket_is_counted_or_told)
{
	struct tpacket_auxdata aux = { .tp_len = 100, .tp_net = 14 };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = with_ring(m, SOCK_RAW, TPACKET_V2);
	uint64_t cookie = sk->file.cookie;
	struct s7_packet_fed fed = { .name = &eth7, .aux = &aux };
	uint8_t frame[100] = { 0 };

	for (int i = 0; i < 6; i++)
		feed(sk, frame, sizeof(frame), &aux);
	cr_assert_eq(packet_sock(sk)->drops, 2);
	cr_assert_eq(m->inst->drop[DROP_PACKET_RING], 2);
	cr_assert(!sock_packet_is_fed(sk, cookie + 1));
	cr_assert_eq(sock_packet_feed(sk, cookie + 1, &fed, 0), -SOCK_STALE);
	sock_packet_fed(sk, false, 0);
	cr_assert(!sock_packet_is_fed(sk, cookie));
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}
