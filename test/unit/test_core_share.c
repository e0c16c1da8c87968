/* SPDX-License-Identifier: BSD-3-Clause */
/* test_core_share.c - stuck queues do not take all packets of an instance */
#include <criterion/criterion.h>

#include "stack/sock/sock.h"
#include "test/support/mini.h"

static struct s7_pkt *held;

static void take(struct mini *m, uint32_t n)
{
	while (n--) {
		struct s7_pkt *pkt = pkt_alloc(m->inst);

		cr_assert(pkt);
		pkt->next = held;
		held = pkt;
	}
}

static void give_all(struct mini *m)
{
	while (held) {
		struct s7_pkt *pkt = held;

		held = pkt->next;
		pkt_free(m->inst, pkt);
	}
}

Test(core_share, fewer_free_means_less_for_each)
{
	struct mini *m = mini_new(0, true);
	uint32_t most, share;

	inst_lock(m->inst, m->inst->now);
	m->inst->sock_count += 9;
	cr_assert_eq(pkt_share(m->inst, 4), UINT32_MAX);
	most = m->inst->pkts_most;
	take(m, most / 2 + 8);
	share = pkt_share(m->inst, 4);
	cr_assert(share > 1 && share < most / 4 / 8, "%u", share);
	cr_assert_eq(pkt_share(m->inst, 8), UINT32_MAX, "a receiver may still");
	take(m, most / 4);
	cr_assert_eq(pkt_share(m->inst, 4), 1);
	take(m, most / 4 - 8 - most / 64);
	cr_assert_eq(pkt_share(m->inst, 4), 0);
	cr_assert_eq(pkt_share(m->inst, 8), 1);
	give_all(m);
	cr_assert_eq(pkt_share(m->inst, 4), UINT32_MAX);
	m->inst->sock_count -= 9;
	inst_unlock(m->inst);
	cr_assert_eq(mini_free(m), 0);
}

Test(core_share, one_udp_socket_leaves_packets_for_the_rest)
{
	struct mini *m = mini_new(0, true);
	struct s7_ip lo = mini_addr("127.0.0.1");
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct s7_sock *rx, *tx;
	struct s7_msg msg;
	uint32_t i;

	cr_assert_eq(sock_create(m->inst, AF_INET, SOCK_DGRAM, 0, m->inst->now, &rx), 0);
	cr_assert_eq(sock_create(m->inst, AF_INET, SOCK_DGRAM, 0, m->inst->now, &tx), 0);
	cr_assert_eq(sock_bind(rx, &lo, 9, m->inst->now), 0);
	cr_assert_eq(sock_bind(tx, &lo, 10, m->inst->now), 0);
	rx->rcvbuf = INT32_MAX;
	for (i = 0; i < 3 * MINI_PKTS; i++) {
		cr_assert_eq(sock_msg_init(&msg, &iov, 1, 0), 0);
		msg.name = (struct s7_msg_name){ .ip = lo, .port = 9, .valid = true };
		cr_assert_eq(sock_send(tx, &msg, m->inst->now), 1, "datagram %u", i);
	}
	cr_assert(rx->drops > MINI_PKTS);
	cr_assert_geq(m->bed.free_count + m->inst->pkt_cached, MINI_PKTS / 16);
	atomic_store(&rx->file.refs, 0);
	sock_release(rx, m->inst->now);
	atomic_store(&tx->file.refs, 0);
	sock_release(tx, m->inst->now);
	cr_assert_eq(mini_free(m), 0);
}
