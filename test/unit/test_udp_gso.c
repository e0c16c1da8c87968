/* SPDX-License-Identifier: BSD-3-Clause */
/* test_udp_gso.c - one send cut into datagrams, datagrams joined for one receive, on the wire */
#include <errno.h>

#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "test/support/mini_udp.h"

#define UDP_AT (ETH_LEN + 20)

static void frame_is(const struct mini *m, uint32_t i, uint32_t payload, char first)
{
	const uint8_t *p = m->sent[i].data;
	struct s7_ip us = mini_addr(MINI_US), peer = mini_addr(MINI_PEER);
	uint32_t len = UDP_LEN + payload;

	cr_assert_eq(m->sent[i].len, UDP_AT + len);
	cr_assert_eq(get_be16(p + UDP_AT + 4), len);
	cr_assert_eq(p[UDP_AT + UDP_LEN], first);
	cr_assert_eq(csum_fold(csum_partial(p + UDP_AT, len,
					    ip_pseudo_sum(&us, &peer, IPPROTO_UDP, len))), 0);
}

Test(udp, a_send_is_cut_into_datagrams)
{
	static char data[5000];
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	mini_know_peer(m);
	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (char)('a' + i / 1000);
	cr_assert(sk_ext(sk));
	sk->ext->udp_segment = 1000;
	sk->mtu_discover = IP_PMTUDISC_DO;
	cr_assert_eq(give(sk, MINI_PEER, 9, data, 3500, 0), 3500);
	cr_assert_eq(m->sent_count, 4);
	for (uint32_t i = 0; i < 4; i++)
		frame_is(m, i, i < 3 ? 1000 : 500, (char)('a' + i));
	sk->ext->udp_segment = 1473; /* with its headers beyond the MTU */
	cr_assert_eq(give(sk, MINI_PEER, 9, data, 3500, 0), -EMSGSIZE);
	sk->ext->udp_segment = 10;
	cr_assert_eq(give(sk, MINI_PEER, 9, data, 1281, 0), -EINVAL);
	/* collected first: cut all the same */
	sk->ext->udp_segment = 1000;
	cr_assert_eq(give(sk, MINI_PEER, 9, data, 700, MSG_MORE), 700);
	cr_assert_eq(give(sk, NULL, 0, data, 700, 0), 700);
	cr_assert_eq(m->sent_count, 6);
	frame_is(m, 4, 1000, 'a');
	frame_is(m, 5, 400, 'a');
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, a_cut_send_has_one_stamp)
{
	static char data[3000];
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	mini_know_peer(m);
	cr_assert(sk_ext(sk));
	sk->ext->udp_segment = 1000;
	sk->ext->tsflags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID;
	cr_assert_eq(give(sk, MINI_PEER, 9, data, 3000, 0), 3000);
	cr_assert_eq(sk->ext->errq.count, 1);
	cr_assert_eq(sk->ext->ts_key, 1);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, datagrams_of_one_turn_are_joined)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_msg_more more;
	struct iovec iov;
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .more = &more };
	char data[100], buf[512];

	memset(data, 'x', sizeof(data));
	cr_assert_eq(sk_ext_bit(sk, EXT_UDP_GRO, true), 0);
	mini_in_udp(m, 7, 53, data, 100);
	mini_in_udp(m, 7, 53, data, 100);
	mini_in_udp(m, 7, 53, data, 60);  /* shorter: the last of them */
	mini_in_udp(m, 7, 53, data, 100); /* begins anew */
	mini_in_udp(m, 8, 53, data, 100); /* somebody else's */
	mini_wait(m, S7_MS);
	mini_in_udp(m, 8, 53, data, 100); /* another turn */
	cr_assert_eq(udp_sock(sk)->rx_count, 4);
	for (int i = 0; i < 4; i++) {
		iov = (struct iovec){ buf, sizeof(buf) };
		msg.len = sizeof(buf);
		msg.skip = 0;
		cr_assert_eq(sk_ops(sk)->recv(sk, &msg), i ? 100 : 260);
		cr_assert_eq(more.gro, i ? 0 : 100);
	}
	cr_assert_eq(udp_sock(sk)->rx_truesize, 0);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

static uint16_t no_tx(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	(void)dev;
	(void)queue;
	(void)pkts;
	(void)n;
	return 0;
}

Test(udp, a_full_device_holds_senders_back)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	const struct s7_netdev_ops *ops = m->env.dev[1].ops;
	struct s7_netdev_ops full = *ops;
	uint32_t sent = 0;

	full.tx_burst = no_tx;
	mini_know_peer(m);
	m->env.dev[1].ops = &full;
	while (give(sk, MINI_PEER, 9, "x", 1, 0) == 1)
		sent++;
	cr_assert_eq(sent, IFACE_STAGE);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, 0), -EAGAIN);
	cr_assert_not(sk_ops(sk)->poll(sk) & EPOLLOUT);
	m->env.dev[1].ops = ops;
	inst_flush(m->inst);
	cr_assert(sk_ops(sk)->poll(sk) & EPOLLOUT);
	cr_assert_eq(give(sk, MINI_PEER, 9, "x", 1, 0), 1);
	cr_assert_eq(m->sent_count, IFACE_STAGE + 1);
	cr_assert_eq(m->inst->drop[DROP_TX_RING_FULL], 0);
	/* closed while it waits */
	m->env.dev[1].ops = &full;
	while (give(sk, MINI_PEER, 9, "x", 1, 0) == 1)
		;
	done(sk);
	m->env.dev[1].ops = ops;
	inst_flush(m->inst);
	cr_assert_eq(m->inst->exts.used, 0);
	cr_assert_eq(mini_free(m), 0);
}
