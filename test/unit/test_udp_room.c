/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_udp_room.c - SO_SNDBUF of datagrams: what waits for a neighbour or a full device counts
 *
 * The numbers are Linux's (an unresolved neighbour on a veth): 832 bytes a small datagram, 2304 a
 * full packet.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/core/charge.h"
#include "stack/raw/raw.h"
#include "test/support/mini_udp.h"

#define SMALL 832

static uint16_t takes_none(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	(void)dev;
	(void)queue;
	(void)pkts;
	(void)n;
	return 0;
}

static int link_is_up(void *dev)
{
	(void)dev;
	return 1;
}

static void resolve(struct mini *m)
{
	mini_in_arp(m, 2, MINI_PEER, MINI_US);
}

Test(udp, sndbuf_bounds_what_waits_for_a_neighbour)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	sk->sndbuf = 8192;
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(sk_ops(sk)->outq(sk), (uint32_t)i * SMALL);
		cr_assert_eq(!(sk_ops(sk)->poll(sk) & EPOLLOUT), i * SMALL >= 4096);
		cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	}
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), -EAGAIN);
	cr_assert_eq(m->sent_count, 1); /* the question */
	resolve(m);
	cr_assert_eq(m->sent_count, 11);
	cr_assert_eq(sk_ops(sk)->outq(sk), 0);
	cr_assert(sk_ops(sk)->poll(sk) & EPOLLOUT);
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert_eq(sk_ops(sk)->outq(sk), 0);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, sndbuf_is_given_back_when_nobody_answers)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	for (int i = 0; i < 70; i++) /* the oldest of them give way */
		cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert_eq(sk_ops(sk)->outq(sk), 64u * SMALL);
	mini_wait(m, 4 * S7_SEC);
	cr_assert_eq(sk_ops(sk)->outq(sk), 0);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, what_waits_outlives_its_socket)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0), *other;

	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	done(sk);
	other = open_at(m, "0.0.0.0", 54, 0); /* in the same memory */
	cr_assert_eq(give(other, MINI_PEER, 9, "x", 1, 0), 1);
	resolve(m);
	cr_assert_eq(m->sent_count, 3);
	cr_assert_eq(other->wmem, 0);
	done(other);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, sndbuf_bounds_what_a_full_device_leaves)
{
	struct mini *m = mini_new(IFACE_UP, false);
	const struct s7_netdev_ops *ops = m->env.dev[1].ops;
	struct s7_netdev_ops full = *ops;
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	full.tx_burst = takes_none;
	full.link = link_is_up;
	mini_know_peer(m);
	sk->sndbuf = 4608;
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert_eq(sk_ops(sk)->outq(sk), 0); /* it went at once */
	m->env.dev[1].ops = &full;
	for (int i = 0; i < 6; i++)
		cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert_eq(sk_ops(sk)->outq(sk), 6u * SMALL);
	cr_assert_eq(m->inst->iface[1].charged, 6);
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), -EAGAIN);
	cr_assert(!(sk_ops(sk)->poll(sk) & EPOLLOUT));
	m->env.dev[1].ops = ops;
	inst_flush(m->inst);
	cr_assert_eq(sk_ops(sk)->outq(sk), 0);
	cr_assert_eq(m->inst->iface[1].charged, 0);
	cr_assert(sk_ops(sk)->poll(sk) & EPOLLOUT);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, pieces_beyond_twice_sndbuf_are_refused)
{
	static char big[8000];
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	sk->sndbuf = 4608;
	cr_assert_eq(give(sk, MINI_PEER, 9, big, 5000, 0), 5000);
	cr_assert_eq(sk_ops(sk)->outq(sk), 8192); /* three full packets and one of 1280 */
	resolve(m);
	cr_assert_eq(sk_ops(sk)->outq(sk), 0);
	cr_assert_eq(give(sk, MINI_PEER, 9, big, 6000, 0), -ENOBUFS);
	sk->sndbuf = 8192;
	cr_assert_eq(give(sk, MINI_PEER, 9, big, 6000, 0), 6000);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, a_death_in_the_instance_forgets_what_waits)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	sk->sndbuf = 4608;
	for (int i = 0; i < 6; i++)
		cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), -EAGAIN);
	charge_mend(m->inst);
	cr_assert_eq(sk_ops(sk)->outq(sk), 0);
	resolve(m); /* what is given back twice counts once */
	cr_assert_eq(sk_ops(sk)->outq(sk), 0);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}
