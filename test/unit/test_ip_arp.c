/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ip_arp.c - neighbours: asking, answering, waiting, failing, ageing, and what must not be
 * believed */
#include <criterion/criterion.h>

#include "stack/ip/arp.h"
#include "stack/wire/arp.h"
#include "stack/wire/eth.h"
#include "test/support/mini.h"

static int send_to(struct mini *m, const char *ip)
{
	struct s7_ip_tx tx = { .proto = 253, .ttl = 9 };
	struct s7_ip dst = mini_addr(ip);
	struct s7_pkt *pkt;
	struct s7_dst way;

	cr_assert_eq(dst_lookup(m->inst, &dst, NULL, 0, &way), 0);
	pkt = pkt_alloc(m->inst);
	pkt->len = pkt->total = 4;
	memset(pkt->data, 'x', 4);
	int err = ip_output(m->inst, &way, pkt, &tx);

	inst_flush(m->inst);
	return err;
}

static struct s7_neigh *peer(struct mini *m)
{
	struct s7_ip ip = mini_addr(MINI_PEER);

	return neigh_find(m->inst, &m->inst->iface[1], &ip);
}

static bool sent_arp(const struct mini *m, uint32_t i, uint16_t op)
{
	struct s7_arp arp;

	return eth_type(m->sent[i].data) == ETH_TYPE_ARP &&
	       arp_parse(m->sent[i].data + ETH_LEN, m->sent[i].len - ETH_LEN, &arp) && arp.op == op;
}

Test(ip_arp, packets_wait_for_the_answer)
{
	struct mini *m = mini_new(IFACE_UP, false);

	for (int i = 0; i < 3; i++)
		cr_assert_eq(send_to(m, MINI_PEER), 0);
	cr_assert_eq(m->sent_count, 1);
	cr_assert(sent_arp(m, 0, ARP_REQUEST));
	cr_assert_eq(m->sent[0].len, 60);
	cr_assert_eq(neigh_waiting(m->inst), 3);
	mini_in_arp(m, ARP_REPLY, MINI_PEER, MINI_US);
	cr_assert_eq(neigh_waiting(m->inst), 0);
	cr_assert_eq(peer(m)->state, NEIGH_S_REACHABLE);
	cr_assert_eq(m->sent_count, 4);
	cr_assert_arr_eq(m->sent[3].data, mini_mac_peer, 6);
	cr_assert_eq(m->sent[3].len, 14 + 20 + 4);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_arp, the_queue_is_bounded_and_a_silent_neighbour_fails)
{
	struct mini *m = mini_new(IFACE_UP, false);

	for (int i = 0; i < NEIGH_QUEUE + 5; i++)
		send_to(m, MINI_PEER);
	cr_assert_eq(m->inst->drop[DROP_NEIGH_QUEUE_FULL], 5);
	mini_wait(m, 4 * S7_SEC);
	cr_assert_eq(m->inst->stat[STAT_ARP_REQUESTS_OUT], 3);
	cr_assert_eq(peer(m)->state, NEIGH_S_FAILED);
	cr_assert_eq(m->inst->drop[DROP_NEIGH_FAILED], NEIGH_QUEUE);
	send_to(m, MINI_PEER);
	cr_assert_eq(m->inst->stat[STAT_ARP_REQUESTS_OUT], 4);
	mini_wait(m, 4 * S7_SEC);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_arp, a_used_stale_neighbour_is_probed_by_unicast)
{
	struct mini *m = mini_new(IFACE_UP, false);
	uint32_t n;

	send_to(m, MINI_PEER);
	mini_in_arp(m, ARP_REPLY, MINI_PEER, MINI_US);
	mini_wait(m, NEIGH_REACHABLE + S7_SEC);
	n = m->sent_count;
	send_to(m, MINI_PEER);
	cr_assert_eq(peer(m)->state, NEIGH_S_PROBE);
	cr_assert_eq(m->sent_count, n + 1);
	mini_wait(m, NEIGH_DELAY + 2 * WHEEL_TICK_NS);
	cr_assert(sent_arp(m, n + 1, ARP_REQUEST));
	cr_assert_arr_eq(m->sent[n + 1].data, mini_mac_peer, 6);
	mini_in_arp(m, ARP_REPLY, MINI_PEER, MINI_US);
	cr_assert_eq(peer(m)->state, NEIGH_S_REACHABLE);
	mini_wait(m, NEIGH_REACHABLE);
	send_to(m, MINI_PEER);
	mini_wait(m, NEIGH_DELAY + 4 * S7_SEC);
	cr_assert_eq(peer(m)->state, NEIGH_S_FAILED);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_arp, upper_layers_confirm)
{
	struct mini *m = mini_new(IFACE_UP, false);

	mini_know_peer(m);
	send_to(m, MINI_PEER);
	cr_assert_eq(peer(m)->state, NEIGH_S_PROBE);
	neigh_confirm(m->inst, peer(m));
	mini_wait(m, 10 * S7_SEC);
	cr_assert_eq(peer(m)->state, NEIGH_S_REACHABLE);
	cr_assert_eq(m->inst->stat[STAT_ARP_REQUESTS_OUT], 0);
	cr_assert_eq(mini_free(m), 0);
}

/* A program that starts again on a port of its own has another link address each time. */
Test(ip_arp, a_neighbour_that_asks_from_elsewhere_moved)
{
	static const uint8_t other[6] = { 2, 0, 0, 0, 7, 7 }, third[6] = { 2, 0, 0, 0, 7, 8 };
	struct mini *m = mini_new(IFACE_UP, false);

	send_to(m, MINI_PEER);
	mini_in_arp(m, ARP_REPLY, MINI_PEER, MINI_US);
	mini_in_arp_from(m, ARP_REPLY, other, MINI_PEER, MINI_US); /* a second answer: too soon */
	cr_assert_arr_eq(peer(m)->mac, mini_mac_peer, 6);
	mini_in_arp_from(m, ARP_REQUEST, other, MINI_PEER, MINI_US); /* it asks for us */
	cr_assert_arr_eq(peer(m)->mac, other, 6);
	mini_in_arp_from(m, ARP_REQUEST, third, MINI_PEER, MINI_PEER); /* it announces itself */
	cr_assert_arr_eq(peer(m)->mac, third, 6);
	mini_wait(m, 2 * NEIGH_LOCK);
	neigh_confirm(m->inst, peer(m)); /* what TCP confirms does not prolong the lock */
	mini_in_arp_from(m, ARP_REPLY, other, MINI_PEER, MINI_US);
	cr_assert_arr_eq(peer(m)->mac, other, 6);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_arp, who_answers)
{
	struct mini *own = mini_new(IFACE_UP, false),
		    *shared = mini_new(IFACE_UP | IFACE_SHARED, false);

	mini_in_arp(own, ARP_REQUEST, MINI_PEER, MINI_US);
	cr_assert_eq(own->sent_count, 1);
	cr_assert(sent_arp(own, 0, ARP_REPLY));
	cr_assert_arr_eq(own->sent[0].data, mini_mac_peer, 6);
	cr_assert_eq(peer(own)->state, NEIGH_S_STALE);
	mini_in_arp(own, ARP_REQUEST, MINI_PEER, "10.0.0.77");
	mini_in_arp(own, ARP_REQUEST, "0.0.0.0", MINI_US); /* a probe (RFC 5227) */
	cr_assert_eq(own->sent_count, 2);
	mini_in_arp(shared, ARP_REQUEST, MINI_PEER, MINI_US);
	cr_assert_eq(shared->sent_count, 0);
	cr_assert_not_null(peer(shared));
	cr_assert_eq(mini_free(own) + mini_free(shared), 0);
}

Test(ip_arp, garbage_teaches_nothing)
{
	static const char *const bad[] = { "224.0.0.1", "255.255.255.255", "127.0.0.1", MINI_US,
					   "10.0.0.255" };
	struct mini *m = mini_new(IFACE_UP, false);

	for (uint32_t i = 0; i < S7_ARRAY_LEN(bad); i++)
		mini_in_arp(m, ARP_REQUEST, bad[i], MINI_US);
	cr_assert_eq(m->inst->drop[DROP_ARP_BAD], S7_ARRAY_LEN(bad));
	mini_in_arp(m, ARP_REPLY, MINI_PEER, MINI_US); /* nobody asked */
	mini_in_arp(m, ARP_REQUEST, MINI_PEER, MINI_PEER); /* gratuitous, unknown */
	cr_assert_null(peer(m));
	cr_assert_eq(m->inst->neigh->slab.used, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(ip_arp, a_full_table_recycles_and_old_ways_notice)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_ip first = mini_addr(MINI_PEER);
	struct s7_dst way;
	uint32_t i;

	cr_assert_eq(dst_lookup(m->inst, &first, NULL, 0, &way), 0);
	for (i = 0; i < NEIGH_MAX; i++) {
		struct s7_ip ip = ip_from_v4(htonl(0x0a010000 + i));

		cr_assert_not_null(neigh_get(m->inst, &m->inst->iface[1], &ip));
	}
	cr_assert(dst_stale(m->inst, &way));
	cr_assert_null(peer(m));
	cr_assert_eq(mini_free(m), 0);
}
