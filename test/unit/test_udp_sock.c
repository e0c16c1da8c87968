/* SPDX-License-Identifier: BSD-3-Clause */
/* test_udp_sock.c - UDP sockets as programs see them: addresses, queues, flags, errors, readiness
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/udp/udp.h"
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"
#include "test/support/mini_udp.h"

Test(udp, receive_peek_truncate)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_ip peer = mini_addr(MINI_PEER), us = mini_addr(MINI_US);
	struct s7_msg msg;
	char buf[16];

	cr_assert_eq(take(sk, buf, 16), -EAGAIN);
	mini_in_udp(m, 7, 53, "hello world", 11);
	mini_in_udp(m, 7, 53, "", 0);
	cr_assert_eq(sk_ops(sk)->inq(sk), 11);
	cr_assert_eq(recv_flags(sk, buf, 16, MSG_PEEK, &msg), 11);
	cr_assert(msg.name.valid && ip_equal(&msg.name.ip, &peer) && msg.name.port == 7);
	cr_assert(ip_equal(&msg.local, &us) && msg.ttl == 64 && msg.rx_time == m->inst->now);
	cr_assert_eq(recv_flags(sk, buf, 5, MSG_PEEK, &msg), 5);
	cr_assert_eq(msg.out_flags, MSG_TRUNC);
	cr_assert_eq(recv_flags(sk, buf, 5, MSG_TRUNC, &msg), 11);
	cr_assert_eq(msg.out_flags, MSG_TRUNC);
	cr_assert_eq(take(sk, buf, 16), 0); /* an empty datagram */
	cr_assert_eq(take(sk, buf, 16), -EAGAIN);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, rcvbuf_bounds_the_queue)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	char buf[4];

	sk->rcvbuf = 832 * 11 + 700;
	for (int i = 0; i < 20; i++)
		mini_in_udp(m, 7, 53, "x", 1);
	cr_assert_eq(udp_sock(sk)->rx_count, 11);
	cr_assert_eq(sk->drops, 9);
	cr_assert_eq(m->inst->drop[DROP_UDP_RCVBUF], 9);
	for (int i = 0; i < 11; i++)
		cr_assert_eq(take(sk, buf, 4), 1);
	cr_assert_eq(udp_sock(sk)->rx_truesize, 0);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, connected_socket_hears_its_peer_only)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *all = open_at(m, "0.0.0.0", 53, SKB_REUSEPORT);
	struct s7_sock *one = open_at(m, "0.0.0.0", 53, SKB_REUSEPORT);
	struct s7_sock *two = open_at(m, "0.0.0.0", 53, SKB_REUSEPORT);
	char buf[4];

	mini_know_peer(m);
	cr_assert_eq(join(one, MINI_PEER, 7), 0);
	cr_assert_eq(join(two, MINI_PEER, 7), 0); /* the same tuple: parked */
	mini_in_udp(m, 7, 53, "a", 1);
	mini_in_udp(m, 8, 53, "b", 1);
	cr_assert(take(one, buf, 4) == 1 && buf[0] == 'a');
	cr_assert(take(all, buf, 4) == 1 && buf[0] == 'b');
	cr_assert_eq(give(one, NULL, 0, "hi", 2, 0), 2);
	done(one);
	mini_in_udp(m, 7, 53, "c", 1);
	cr_assert(take(two, buf, 4) == 1 && buf[0] == 'c');
	udp_disconnect(two);
	cr_assert_eq(give(two, NULL, 0, "hi", 2, 0), -EDESTADDRREQ);
	cr_assert(ip_is_any(&two->flow.local) && two->bind.linked);
	done(all);
	mini_in_udp(m, 9, 53, "d", 1);
	cr_assert(take(two, buf, 4) == 1 && buf[0] == 'd');
	done(two);
	cr_assert_eq(m->inst->udp->parked, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, a_sent_datagram_is_right_on_the_wire)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_ip us = mini_addr(MINI_US), peer = mini_addr(MINI_PEER);
	const uint8_t *p;

	mini_know_peer(m);
	sk->tos = 0x10;
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	p = m->sent[0].data;
	cr_assert_eq(m->sent[0].len, 14 + 20 + 8 + 5);
	cr_assert_eq(csum_fold(csum_20(p + 14)), 0);
	cr_assert(p[15] == 0x10 && p[22] == 64 && p[23] == 17);
	cr_assert_eq(csum_fold(csum_partial(p + 34, 13, ip_pseudo_sum(&us, &peer, 17, 13))), 0);
	sk->bits |= SKB_NO_CHECK;
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert(m->sent[1].data[40] == 0 && m->sent[1].data[41] == 0);
	sk->bits &= ~(uint32_t)SKB_NO_CHECK;
	m->inst->iface[1].caps |= NETDEV_TX_L4_CSUM;
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert(m->sent[2].flags & PKT_TX_L4_CSUM);
	cr_assert_eq(get_raw16(m->sent[2].data + 40),
		     csum_fold16(ip_pseudo_sum(&us, &peer, 17, 13)));
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, refusals)
{
	static char big[65508];
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	cr_assert_eq(give(sk, NULL, 0, "x", 1, 0), -EDESTADDRREQ);
	cr_assert_eq(give(sk, MINI_PEER, 0, "x", 1, 0), -EINVAL);
	cr_assert_eq(give(sk, MINI_PEER, 9, big, 65508, 0), -EMSGSIZE);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, MSG_OOB), -EOPNOTSUPP);
	cr_assert_eq(give(sk, "10.0.0.255", 9, "x", 1, 0), -EACCES);
	cr_assert_eq(join(sk, "255.255.255.255", 9), -EACCES);
	cr_assert_eq(give(sk, "9.9.9.9", 9, "x", 1, MSG_DONTROUTE), -ENETUNREACH);
	sk->mtu_discover = IP_PMTUDISC_DO;
	cr_assert_eq(give(sk, MINI_PEER, 9, big, 1473, 0), -EMSGSIZE);
	cr_assert_eq(give(sk, MINI_PEER, 9, big, 1472, 0), 1472);
	cr_assert_eq(sk_ops(sk)->shutdown(sk, SHUT_WR), -ENOTCONN);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, 0), -EPIPE);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

/* What was sent, fed to another instance as the peer. */
static void carry(struct mini *from, struct mini *to)
{
	for (uint32_t i = 0; i < from->sent_count; i++) {
		memcpy(from->sent[i].data, mini_mac_us, 6);
		mini_in(to, from->sent[i].data, from->sent[i].len);
	}
	from->sent_count = 0;
}

Test(udp, large_datagrams_fragment_and_come_together)
{
	static const uint32_t sizes[] = { 1472, 1473, 2952, 2953, 9000, 65507 };
	static uint8_t data[65507], back[65507];
	struct mini *a = mini_new(IFACE_UP, false), *b = mini_new(IFACE_UP, false);
	struct s7_sock *sa = open_at(a, "0.0.0.0", 53, 0), *sb = open_at(b, "0.0.0.0", 9, 0);

	b->inst->iface[1].addr[0].ip = mini_addr(MINI_PEER);
	mini_know_peer(a);
	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 255);
	for (uint32_t i = 0; i < S7_ARRAY_LEN(sizes); i++) {
		sa->mtu_discover = IP_PMTUDISC_WANT;
		cr_assert_eq(give(sa, MINI_PEER, 9, data, sizes[i], 0), (ssize_t)sizes[i]);
		cr_assert_eq(a->sent_count, (sizes[i] + 8 + 1479) / 1480);
		cr_assert_eq(!!(a->sent[0].data[20] & 0x40), sizes[i] <= 1472); /* DF if it fits */
		for (uint32_t j = 0; j < a->sent_count; j++)
			cr_assert_leq(a->sent[j].len, 1514);
		carry(a, b);
		cr_assert_eq(take(sb, back, sizeof(back)), (ssize_t)sizes[i]);
		cr_assert_arr_eq(back, data, sizes[i]);
	}
	done(sa);
	done(sb);
	cr_assert_eq(mini_free(a) + mini_free(b), 0);
}

Test(udp, more_collects_one_datagram)
{
	struct mini *m = mini_new(IFACE_UP, true);
	struct s7_sock *sk = open_at(m, "127.0.0.1", 53, 0), *to = open_at(m, "127.0.0.1", 9, 0);
	char buf[16];

	cr_assert_eq(give(sk, "127.0.0.1", 9, "abc", 3, MSG_MORE), 3);
	cr_assert_eq(give(sk, NULL, 0, "de", 2, MSG_MORE), 2);
	inst_drive(m->inst);
	cr_assert_eq(take(to, buf, 16), -EAGAIN);
	cr_assert_eq(give(sk, NULL, 0, "fgh", 3, 0), 3);
	inst_drive(m->inst);
	cr_assert_eq(take(to, buf, 16), 8);
	cr_assert_arr_eq(buf, "abcdefgh", 8);
	give(sk, "127.0.0.1", 9, "lost", 4, MSG_MORE);
	done(sk);
	done(to);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, corked_odd_pieces_sum_right_on_the_wire)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_ip us = mini_addr(MINI_US), peer = mini_addr(MINI_PEER);

	mini_know_peer(m);
	give(sk, MINI_PEER, 9, "abc", 3, MSG_MORE);
	give(sk, NULL, 0, "defgh", 5, MSG_MORE);
	cr_assert_eq(give(sk, NULL, 0, "ij", 2, 0), 2);
	cr_assert_eq(m->sent_count, 1);
	cr_assert_eq(csum_fold(csum_partial(m->sent[0].data + 34, 18,
					    ip_pseudo_sum(&us, &peer, 17, 18))),
		     0);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, loopback_refuses_unbound_ports)
{
	struct mini *m = mini_new(0, true);
	struct s7_sock *sk = open_at(m, "127.0.0.1", 53, 0);
	char buf[4];

	cr_assert_eq(join(sk, "127.0.0.1", 9), 0);
	cr_assert_eq(give(sk, NULL, 0, "x", 1, 0), 1);
	inst_drive(m->inst);
	cr_assert(sk_ops(sk)->poll(sk) & EPOLLERR);
	cr_assert_eq(give(sk, NULL, 0, "x", 1, 0), -ECONNREFUSED);
	cr_assert_eq(take(sk, buf, 4), -EAGAIN);
	give(sk, NULL, 0, "x", 1, 0);
	inst_drive(m->inst);
	cr_assert_eq(take(sk, buf, 4), -ECONNREFUSED);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, shared_interfaces)
{
	struct mini *m = mini_new(IFACE_UP | IFACE_SHARED, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_ip us = mini_addr(MINI_US), peer = mini_addr(MINI_PEER);
	uint8_t datagram[64], frame[128];
	struct mini_ip ip = { .proto = IPPROTO_UDP, .data = datagram };
	char buf[8];

	mini_know_peer(m);
	ip.len = mini_udp(datagram, MINI_PEER, MINI_US, 7, 53, "half", 4);
	put_raw16(datagram + 6, csum_fold16(ip_pseudo_sum(&peer, &us, 17, 12)));
	mini_in(m, frame, mini_frame_ip(frame, &ip));
	cr_assert_eq(take(sk, buf, 8), 4);
	cr_assert_eq(m->inst->stat[STAT_RX_CSUM_PARTIAL], 1);
	datagram[6] ^= 1;
	mini_in(m, frame, mini_frame_ip(frame, &ip));
	cr_assert_eq(m->inst->drop[DROP_UDP_CHECKSUM], 1);
	mini_in_udp(m, 7, 54, "x", 1); /* the kernel's port */
	cr_assert_eq(m->inst->drop[DROP_UDP_KERNEL], 1);
	cr_assert_eq(m->sent_count, 0);
	cr_assert_eq(join(sk, MINI_PEER, 1000), 0);
	mini_in_udp(m, 7, 53, "x",
		    1); /* ours, but not from the peer: the kernel is silent, we answer */
	cr_assert_eq(m->inst->drop[DROP_UDP_NO_PORT], 1);
	cr_assert_eq(m->sent_count, 1);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, broadcast_reaches_everybody)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk[3];
	uint8_t datagram[64], frame[128];
	struct mini_ip ip = { .dst = "10.0.0.255", .proto = IPPROTO_UDP, .data = datagram };
	char buf[8];

	for (int i = 0; i < 3; i++)
		sk[i] = open_at(m, i == 2 ? MINI_US : "0.0.0.0", 53, SKB_REUSEADDR | SKB_BROADCAST);
	ip.len = mini_udp(datagram, MINI_PEER, "10.0.0.255", 7, 53, "all", 3);
	mini_frame_ip(frame, &ip);
	memset(frame, 0xff, 6);
	mini_in(m, frame, 34 + ip.len);
	cr_assert(take(sk[0], buf, 8) == 3 && take(sk[1], buf, 8) == 3);
	cr_assert_eq(take(sk[2], buf, 8), -EAGAIN); /* bound to a unicast address */
	cr_assert_eq(give(sk[0], "10.0.0.255", 53, "mine", 4, 0), 4);
	cr_assert_eq(m->sent[0].data[0], 0xff);
	inst_drive(m->inst);
	cr_assert(take(sk[0], buf, 8) == 4 &&
		  take(sk[1], buf, 8) == 4); /* Linux loops broadcasts */
	for (int i = 0; i < 3; i++)
		done(sk[i]);
	cr_assert_eq(mini_free(m), 0);
}

/* An ICMP error about a datagram from us:53 to the peer's port 9. */
static void in_error(struct mini *m, uint8_t type, uint8_t code, uint32_t info,
		     uint16_t quoted_total)
{
	struct s7_ip4 h = { .src = inet_addr(MINI_US),
			    .dst = inet_addr(MINI_PEER),
			    .total = quoted_total,
			    .ttl = 64,
			    .proto = 17 };
	struct s7_icmp icmp = { type, code, info };
	uint8_t body[36], frame[128];
	struct mini_ip ip = { .proto = IPPROTO_ICMP, .data = body, .len = sizeof(body) };
	struct s7_udp_hdr u = { 53, 9, 8, 0 };

	icmp_write(body, &icmp);
	ip4_write(body + 8, &h);
	udp_write(body + 28, &u);
	put_raw16(body + 2, csum_fold(csum_partial(body, sizeof(body), 0)));
	mini_in(m, frame, mini_frame_ip(frame, &ip));
}

Test(udp, errors_from_the_network)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	char buf[4];

	mini_know_peer(m);
	in_error(m, 3, 3, 0, 40);
	cr_assert_eq(sk->err, 0); /* not connected: not told */
	cr_assert_eq(join(sk, MINI_PEER, 9), 0);
	in_error(m, 3, 1, 0, 40);
	cr_assert_eq(sk->err, 0); /* soft */
	in_error(m, 3, 3, 0, 40);
	cr_assert_eq(take(sk, buf, 4), -ECONNREFUSED);
	in_error(m, 3, 4, 1400, 1500);
	cr_assert_eq(sk->err, 0); /* IP_PMTUDISC_DONT */
	cr_assert(dst_stale(m->inst, &udp_sock(sk)->dst));
	sk->mtu_discover = IP_PMTUDISC_WANT;
	in_error(m, 3, 4, 1300, 1400);
	cr_assert_eq(take(sk, buf, 4), -EMSGSIZE);
	cr_assert_eq(give(sk, NULL, 0, "x", 1, 0), 1);
	cr_assert_eq(udp_sock(sk)->dst.mtu, 1300);
	cr_assert_eq(join(sk, "10.0.0.3", 9), 0);
	in_error(m, 3, 3, 0, 40);
	cr_assert_eq(m->inst->drop[DROP_ICMP_NO_FLOW], 1);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, readiness_as_linux)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	const uint32_t out = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND, in = EPOLLIN | EPOLLRDNORM;

	cr_assert_eq(sk_ops(sk)->poll(sk), out);
	mini_in_udp(m, 7, 53, "x", 1);
	cr_assert_eq(sk_ops(sk)->poll(sk), out | in);
	sk_ops(sk)->shutdown(sk, SHUT_RD);
	cr_assert_eq(sk_ops(sk)->poll(sk), out | in | EPOLLRDHUP);
	sk_ops(sk)->shutdown(sk, SHUT_WR);
	cr_assert_eq(sk_ops(sk)->poll(sk), out | in | EPOLLRDHUP | EPOLLHUP);
	sk_error(sk, EPROTO);
	cr_assert(sk_ops(sk)->poll(sk) & EPOLLERR);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, an_unresolved_neighbour_holds_datagrams)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	want_errors(sk);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, 0), 1);
	mini_in_arp(m, 2, MINI_PEER, MINI_US);
	cr_assert_eq(m->sent_count, 2);
	cr_assert_eq(give(sk, "10.0.0.3", 9, "x", 1, 0), 1);
	mini_wait(m, 4 * S7_SEC);
	cr_assert_eq(sk_take_error(sk), -EHOSTUNREACH);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}
