/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_packet_sock.c - packet sockets on an interface in plain memory: the tap, the queue, sending
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/packet/packet.h"
#include "stack/sock/sock.h"
#include "stack/wire/eth.h"
#include "test/support/mini.h"

#define M0 2 /* device of the interface */

static struct s7_sock *tap(struct mini *m, int type, uint32_t device, uint16_t proto)
{
	struct s7_sock *sk;

	cr_assert_eq(sock_packet_create(m->inst, type, 0, 0, &sk), 0);
	cr_assert_eq(sock_packet_bind(sk, device, proto, false, 0), 0);
	return sk;
}

static ssize_t hear(struct s7_sock *sk, void *buf, size_t len, struct s7_msg_link *link)
{
	struct iovec iov = { buf, len };
	struct s7_msg msg;

	sock_msg_init(&msg, &iov, 1, 0);
	link->told = false;
	msg.link = link;
	return sk_ops(sk)->recv(sk, &msg);
}

static ssize_t speak(struct s7_sock *sk, const void *buf, size_t len, const struct sockaddr_ll *to)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct s7_msg_link link = { .name_len = to ? sizeof(*to) : 0 };
	struct s7_msg msg;
	ssize_t n;

	if (to)
		link.name = *to;
	sock_msg_init(&msg, &iov, 1, 0);
	msg.link = &link;
	n = sk_ops(sk)->send(sk, &msg);
	inst_flush(sk->inst);
	return n;
}

Test(packet, what_comes_in_is_seen_before_the_stack_and_nothing_without_a_tap)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, M0, ETH_P_ALL),
		       *other = tap(m, SOCK_RAW, M0, ETH_P_ARP);
	struct s7_msg_link link;
	uint8_t buf[128];

	cr_assert_eq(m->inst->taps, 2);
	mini_in_udp(m, 7, 9, "hello", 5);
	cr_assert_eq(hear(sk, buf, sizeof(buf), &link), 14 + 20 + 8 + 5);
	cr_assert(link.told && link.name.sll_ifindex == 2);
	cr_assert_eq(link.name.sll_hatype, ARPHRD_ETHER);
	cr_assert_eq(link.name.sll_pkttype, PACKET_HOST);
	cr_assert_eq(link.name.sll_protocol, htons(ETH_P_IP));
	cr_assert(!memcmp(link.name.sll_addr, mini_mac_peer, 6));
	cr_assert(!memcmp(buf, mini_mac_us, 6) && !memcmp(buf + 42, "hello", 5));
	cr_assert_eq(hear(other, buf, sizeof(buf), &link), -EAGAIN);
	sock_release(sk, 0);
	sock_release(other, 0);
	cr_assert_eq(m->inst->taps, 0);
	mini_in_udp(m, 7, 9, "hello", 5);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, an_interface_that_is_the_kernels_is_not_shown)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, 0, ETH_P_ALL);
	struct s7_msg_link link;
	uint8_t buf[64];

	mini_in_udp(m, 7, 9, "hello", 5);
	cr_assert_eq(hear(sk, buf, sizeof(buf), &link), -EAGAIN);
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, a_tag_is_taken_out_and_told)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, M0, ETH_P_ALL);
	uint8_t frame[64] = { 0 }, buf[64];
	struct s7_msg_link link;

	eth_write(frame, mini_mac_us, mini_mac_peer, ETH_TYPE_VLAN);
	put_be16(frame + 14, 0x2123);
	put_be16(frame + 16, 0x88b5);
	frame[18] = 0x5a;
	mini_in(m, frame, sizeof(frame));
	cr_assert_eq(hear(sk, buf, sizeof(buf), &link), 60);
	cr_assert_eq(get_be16(buf + 12), 0x88b5);
	cr_assert_eq(buf[14], 0x5a);
	cr_assert_eq(link.name.sll_protocol, htons(0x88b5));
	cr_assert_eq(link.aux.tp_vlan_tci, 0x2123);
	cr_assert_eq(link.aux.tp_vlan_tpid, ETH_TYPE_VLAN);
	cr_assert(link.aux.tp_status & TP_STATUS_VLAN_VALID);
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, types_of_frames)
{
	static const struct {
		uint8_t dst[6], type;
	} rows[] = {
		{ { 2, 0, 0, 0, 0, 1 }, PACKET_HOST },
		{ { 2, 0, 0, 0, 0, 7 }, PACKET_OTHERHOST },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, PACKET_BROADCAST },
		{ { 1, 0, 0x5e, 1, 1, 1 }, PACKET_MULTICAST },
	};
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_DGRAM, 0, ETH_P_ALL);
	struct s7_msg_link link;
	uint8_t frame[60] = { 0 };

	for (size_t i = 0; i < S7_ARRAY_LEN(rows); i++) {
		eth_write(frame, rows[i].dst, mini_mac_peer, 0x88b5);
		mini_in(m, frame, sizeof(frame));
		cr_assert_eq(hear(sk, frame, sizeof(frame), &link), 46);
		cr_assert_eq(link.name.sll_pkttype, rows[i].type);
	}
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, sending_both_kinds_and_who_sees_it)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = 2, .sll_halen = 6,
				  .sll_protocol = htons(0x88b5), .sll_addr = { 2, 0, 0, 0, 0, 2 } };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *raw = tap(m, SOCK_RAW, M0, ETH_P_ALL),
		       *dgram = tap(m, SOCK_DGRAM, M0, 0x88b5);
	struct s7_msg_link link;
	uint8_t frame[60] = { 0 };

	cr_assert_eq(speak(dgram, "abc", 3, &to), 3);
	cr_assert_eq(m->sent_count, 1);
	cr_assert_eq(m->sent[0].len, 17);
	cr_assert(!memcmp(m->sent[0].data, mini_mac_peer, 6));
	cr_assert(!memcmp(m->sent[0].data + 6, mini_mac_us, 6));
	cr_assert_eq(hear(raw, frame, sizeof(frame), &link), 17);
	cr_assert_eq(link.name.sll_pkttype, PACKET_OUTGOING);
	cr_assert_eq(hear(dgram, frame, sizeof(frame), &link), -EAGAIN);

	eth_write(frame, mini_mac_peer, mini_mac_us, 0x88b5);
	cr_assert_eq(speak(raw, frame, sizeof(frame), NULL), sizeof(frame));
	cr_assert_eq(m->sent_count, 2);
	cr_assert_eq(hear(raw, frame, sizeof(frame), &link), -EAGAIN);
	cr_assert_eq(speak(raw, frame, 13, NULL), -EINVAL);
	cr_assert_eq(speak(dgram, "abc", 3, NULL), -EINVAL);
	to.sll_ifindex = 77;
	cr_assert_eq(speak(raw, frame, sizeof(frame), &to), -ENXIO);
	sock_release(raw, 0);
	sock_release(dgram, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, what_nobody_reads_is_bounded_and_counted)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, M0, ETH_P_ALL);
	struct s7_packet_sock *ps = packet_sock(sk);

	sk->rcvbuf = 4000;
	for (int i = 0; i < 100; i++)
		mini_in_udp(m, 7, 9, "hello", 5);
	cr_assert(ps->rx_count > 1 && ps->rx_count < 10);
	cr_assert_eq(ps->packets, ps->rx_count);
	cr_assert(ps->drops >= 90); /* answers to a closed port are frames too */
	cr_assert_eq(m->inst->drop[DROP_PACKET_RCVBUF], ps->drops);
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, a_block_is_closed_in_time)
{
	struct tpacket_req3 req = { 4096, 2, 2048, 4, 50, 0, 0 };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, M0, ETH_P_ARP);
	struct s7_packet_sock *ps = packet_sock(sk);
	struct tpacket_block_desc *block;

	ps->version = TPACKET_V3;
	cr_assert_eq(packet_set_ring(ps, false, &req), 0);
	cr_assert_eq(packet_set_ring(ps, false, &req), -EBUSY);
	block = (void *)ps->rx.mem;
	mini_wait(m, 200 * S7_MS); /* an empty one is not */
	cr_assert_eq(block->hdr.bh1.block_status, 0);
	mini_in_arp(m, 2, MINI_PEER, MINI_US);
	cr_assert(!(sk_ops(sk)->poll(sk) & EPOLLIN));
	mini_wait(m, 60 * S7_MS);
	cr_assert(sk_ops(sk)->poll(sk) & EPOLLIN);
	cr_assert_eq(block->hdr.bh1.block_status, TP_STATUS_USER | TP_STATUS_BLK_TMO);
	cr_assert_eq(block->hdr.bh1.num_pkts, 1);
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, rings_come_from_the_arena_and_go_back)
{
	struct tpacket_req3 req = { 4096, 8, 2048, 16, 0, 0, 0 };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *a = tap(m, SOCK_RAW, M0, ETH_P_ARP), *b = tap(m, SOCK_RAW, M0, ETH_P_ARP);
	char *first;

	cr_assert_eq(packet_set_ring(packet_sock(a), false, &req), 0);
	cr_assert_eq(packet_set_ring(packet_sock(b), true, &req), 0);
	first = packet_sock(a)->rx.mem;
	cr_assert_neq(packet_sock(b)->tx.mem, first);
	memset(first, 0xff, 8 * 4096);
	sock_release(a, 0);
	a = tap(m, SOCK_RAW, M0, ETH_P_ARP);
	cr_assert_eq(packet_set_ring(packet_sock(a), false, &req), 0);
	cr_assert_eq(packet_sock(a)->rx.mem, first);
	cr_assert_eq(first[5000], 0);
	req.tp_block_nr = 1 << 16; /* more than there is */
	req.tp_frame_nr = 1 << 17;
	sock_release(b, 0);
	b = tap(m, SOCK_RAW, M0, ETH_P_ARP);
	cr_assert_eq(packet_set_ring(packet_sock(b), false, &req), -ENOMEM);
	sock_release(a, 0);
	sock_release(b, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, what_a_dead_thread_left_is_made_whole)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, M0, ETH_P_ALL);
	struct s7_packet_sock *ps = packet_sock(sk);
	struct s7_msg_link link;
	uint8_t buf[64];

	mini_in_arp(m, 2, MINI_PEER, MINI_US);
	mini_in_arp(m, 2, MINI_PEER, MINI_US);
	ps->rx_tail = NULL; /* died between two stores */
	ps->rx_count = 7;
	m->inst->taps = 9;
	m->inst->packet->sender = ps;
	inst_repair(m->inst);
	cr_assert_eq(m->inst->taps, 1);
	cr_assert_eq(ps->rx_count, 2);
	mini_in_arp(m, 2, MINI_PEER, MINI_US);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(hear(sk, buf, sizeof(buf), &link), 60);
	cr_assert_eq(hear(sk, buf, sizeof(buf), &link), -EAGAIN);
	sock_release(sk, 0);
	cr_assert(mini_free(m) <= 1); /* the buffer in the dead one's hand */
}

static int promisc, groups;

static void rx_mode(void *dev, enum s7_netdev_rx_mode mode, bool on)
{
	(void)dev;
	*(mode == NETDEV_PROMISC ? &promisc : &groups) += on ? 1 : -1;
}

Test(packet, memberships_open_the_device_and_close_it)
{
	struct packet_mreq all = { 2, PACKET_MR_PROMISC, 0, { 0 } };
	struct packet_mreq group = { 2, PACKET_MR_MULTICAST, 6, { 1, 0, 0x5e, 1, 1, 1 } };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, M0, ETH_P_ALL);
	struct s7_netdev_ops ops = *m->env.dev[1].ops;
	int level = SOL_PACKET, add = PACKET_ADD_MEMBERSHIP, drop = PACKET_DROP_MEMBERSHIP;

	ops.rx_mode = rx_mode;
	m->env.dev[1].ops = &ops;
	cr_assert_eq(sock_setsockopt(sk, level, add, &all, sizeof(all), 0), 0);
	cr_assert_eq(sock_setsockopt(sk, level, add, &all, sizeof(all), 0), 0);
	cr_assert_eq(sock_setsockopt(sk, level, add, &group, sizeof(group), 0), 0);
	cr_assert(promisc == 1 && groups == 1);
	cr_assert_eq(sock_setsockopt(sk, level, drop, &all, sizeof(all), 0), 0);
	cr_assert_eq(promisc, 1);
	cr_assert_eq(sock_setsockopt(sk, level, drop, &all, sizeof(all), 0), 0);
	cr_assert_eq(promisc, 0);
	sock_release(sk, 0);
	cr_assert_eq(groups, 0);
	cr_assert_eq(mini_free(m), 0);
}

static void slot(struct s7_sock *sk, uint32_t index, uint16_t mac, uint32_t len)
{
	struct tpacket2_hdr *head = (void *)ring_frame(&packet_sock(sk)->tx, index);

	eth_write((uint8_t *)head + mac, mini_mac_peer, mini_mac_us, 0x88b5);
	head->tp_mac = mac;
	head->tp_len = len;
	head->tp_status = TP_STATUS_SEND_REQUEST;
}

Test(packet, a_tx_ring_with_offsets_passes_over_what_is_malformed)
{
	struct tpacket_req req = { 4096, 1, 1024, 4 };
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, M0, ETH_P_ALL);
	int level = SOL_PACKET, version = TPACKET_V2, on = 1;

	sock_setsockopt(sk, level, PACKET_VERSION, &version, sizeof(version), 0);
	sock_setsockopt(sk, level, PACKET_LOSS, &on, sizeof(on), 0);
	sock_setsockopt(sk, level, PACKET_TX_HAS_OFF, &on, sizeof(on), 0);
	cr_assert_eq(sock_setsockopt(sk, level, PACKET_TX_RING, &req, sizeof(req), 0), 0);
	slot(sk, 0, 200, 60);
	slot(sk, 1, 200, 3000);
	slot(sk, 2, 300, 70);
	cr_assert_eq(speak(sk, NULL, 0, NULL), 130);
	cr_assert_eq(m->sent_count, 2);
	cr_assert_eq(m->sent[0].len, 60);
	cr_assert_eq(m->sent[1].len, 70);
	cr_assert(!memcmp(m->sent[1].data, mini_mac_peer, 6));
	packet_sock(sk)->bits &= ~(uint32_t)PB_LOSS;
	slot(sk, 3, 200, 3000);
	cr_assert_eq(speak(sk, NULL, 0, NULL), -EMSGSIZE);
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(packet, a_message_without_a_place_for_the_link_is_received)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_TAPPED, false);
	struct s7_sock *sk = tap(m, SOCK_RAW, M0, ETH_P_ARP);
	uint8_t buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct s7_msg msg;

	memset(&msg, 0xee, sizeof(msg)); /* what was on the stack */
	sock_msg_init(&msg, &iov, 1, 0);
	mini_in_arp(m, 2, MINI_PEER, MINI_US);
	cr_assert_eq(sk_ops(sk)->recv(sk, &msg), 60);
	sock_release(sk, 0);
	cr_assert_eq(mini_free(m), 0);
}
