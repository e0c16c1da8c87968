/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_bulk.c - byte-exact transfers both ways over links that lose, reorder and repeat; nothing is
 * left afterwards
 */
#include <criterion/criterion.h>

#include "test/support/sim.h"

static s7_time bulk(struct sim_setup setup, uint64_t a_to_b, uint64_t b_to_a)
{
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	s7_time took;

	cr_assert_not_null(pair.b);
	took = sim_transfer(sim, &pair, a_to_b, b_to_a, 2000 * S7_SEC);
	cr_assert_neq(took, 0, "not finished");
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0, "leak");
	return took;
}

Test(sim_bulk, handshake_and_hello)
{
	struct sim_setup setup = { .delay_ns = 100 * S7_US };
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	char buf[64];

	cr_assert_not_null(pair.b);
	cr_assert_eq(sim_send(pair.a, "hello", 5, 0), 5);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_recv(pair.b, buf, sizeof(buf), 0), 5);
	cr_assert_eq(memcmp(buf, "hello", 5), 0);
	cr_assert_eq(sim_send(pair.b, "world!", 6, 0), 6);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_recv(pair.a, buf, sizeof(buf), 0), 6);
	sim_close(pair.a);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_state(pair.b), TCPS_CLOSE_WAIT);
	cr_assert_eq(sim_recv(pair.b, buf, sizeof(buf), 0), 0);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_bulk, clean)
{
	struct sim_setup setup = { .delay_ns = 100 * S7_US };

	bulk(setup, 5000000, 3000000);
}

Test(sim_bulk, rate_limited)
{
	struct sim_setup setup = { .delay_ns = S7_MS, .rate_bytes_s = 12500000 };
	s7_time took = bulk(setup, 20000000, 0);

	/* 100 Mbit/s: 20 MB are 1.6 s of payload */
	cr_assert_lt(took, 2200 * S7_MS, "took %lu ms", (unsigned long)(took / S7_MS));
}

Test(sim_bulk, loss_1)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US, .loss_permille = 10 };

	bulk(setup, 5000000, 1000000);
}

Test(sim_bulk, loss_5)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US, .loss_permille = 50 };

	bulk(setup, 2000000, 2000000);
}

Test(sim_bulk, loss_20)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US, .loss_permille = 200 };

	bulk(setup, 200000, 100000);
}

Test(sim_bulk, reorder)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US, .reorder_permille = 200 };

	bulk(setup, 3000000, 3000000);
}

Test(sim_bulk, duplicates)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US, .dup_permille = 200 };

	bulk(setup, 3000000, 3000000);
}

Test(sim_bulk, everything_newreno)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US,
				   .dup_permille = 50,
				   .reorder_permille = 100,
				   .loss_permille = 20,
				   .cc = 1 };

	bulk(setup, 2000000, 1000000);
}

Test(sim_bulk, device_holds_packets)
{
	struct sim_setup setup = { .delay_ns = 3 * S7_MS, .loss_permille = 30, .hold_tx = true };

	bulk(setup, 2000000, 500000);
}

Test(sim_bulk, tso)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US, .loss_permille = 10, .tso_max = 65000,
				   .caps = NETDEV_TSO | NETDEV_TX_L4_CSUM | NETDEV_TX_L3_CSUM };

	bulk(setup, 5000000, 1000000);
}

Test(sim_bulk, checksum_offload)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US, .loss_permille = 10,
				   .caps = NETDEV_TX_L4_CSUM | NETDEV_TX_L3_CSUM };

	bulk(setup, 2000000, 1000000);
}

Test(sim_bulk, jumbo)
{
	struct sim_setup setup = { .delay_ns = 500 * S7_US, .loss_permille = 10, .mtu = 9000 };

	bulk(setup, 3000000, 1000000);
}

Test(sim_bulk, tiny_buffers)
{
	struct sim_setup setup = {
		.delay_ns = 500 * S7_US, .loss_permille = 20, .rmem = 4608, .wmem = 4608
	};

	bulk(setup, 200000, 200000);
}
