/* SPDX-License-Identifier: BSD-3-Clause */
/* Flow and port tables: Linux's bind conflicts, who gets a packet, no entry lost. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "stack/core/flow.h"

static struct s7_arena *arena_new(void)
{
	return arena_format(calloc(1, 16 << 20), 16 << 20);
}

static struct s7_ip v4(const char *text)
{
	return ip_from_v4(inet_addr(text));
}

Test(flow, insert_find_remove)
{
	static struct s7_flow flows[5000];
	struct s7_flow_table table;
	uint64_t key[2] = { 11, 22 };
	struct s7_arena *arena = arena_new();

	cr_assert_eq(flow_table_init(&table, arena, 5000, key), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		flows[i].local = v4("10.0.0.1");
		flows[i].remote = ip_from_v4(htonl(0x0a000000 + i / 7));
		flows[i].lport = 80;
		flows[i].rport = (uint16_t)(1000 + i);
		flows[i].proto = IPPROTO_TCP;
		cr_assert_eq(flow_insert(&table, &flows[i]), 0);
	}
	flows[4999].linked = 0;
	cr_assert_eq(flow_insert(&table, &flows[4999]), -EADDRINUSE);
	flows[4999].linked = 1;
	for (uint32_t i = 0; i < 5000; i += 2)
		flow_remove(&table, &flows[i]);
	for (uint32_t i = 0; i < 5000; i++) {
		struct s7_flow *found = flow_find(&table, IPPROTO_TCP, &flows[i].local, 80,
						  &flows[i].remote, flows[i].rport);

		cr_assert_eq(found, i % 2 ? &flows[i] : NULL);
	}
	cr_assert_eq(table.count, 2500);
	free(arena);
}

struct bind_case {
	const char *a, *b; /* ":" is [::] */
	bool v6only_a, reuseaddr, reuseport, listening;
	uint8_t proto;
	int want;
};

static void bind_fill(struct s7_bind *bind, const char *ip, const struct bind_case *c, bool v6only)
{
	memset(bind, 0, sizeof(*bind));
	if (strcmp(ip, ":"))
		bind->ip = v4(ip);
	bind->port = 80;
	bind->proto = c->proto;
	bind->v6only = v6only;
	bind->reuseaddr = c->reuseaddr;
	bind->reuseport = c->reuseport;
	bind->listening = c->listening;
}

Test(ports, conflicts_as_linux)
{
	static const struct bind_case cases[] = {
		{ "10.0.0.1", "10.0.0.1", false, false, false, false, IPPROTO_TCP, -EADDRINUSE },
		{ "10.0.0.1", "10.0.0.2", false, false, false, true, IPPROTO_TCP, 0 },
		{ "0.0.0.0", "10.0.0.2", false, false, false, true, IPPROTO_TCP, -EADDRINUSE },
		{ "0.0.0.0", "10.0.0.2", false, true, false, false, IPPROTO_TCP, 0 },
		{ "0.0.0.0", "10.0.0.2", false, true, false, true, IPPROTO_TCP, -EADDRINUSE },
		{ "0.0.0.0", "0.0.0.0", false, false, true, true, IPPROTO_TCP, 0 },
		{ "10.0.0.1", "10.0.0.1", false, true, false, true, IPPROTO_UDP, 0 },
		{ "10.0.0.1", "10.0.0.1", false, false, false, false, IPPROTO_UDP, -EADDRINUSE },
		{ ":", "0.0.0.0", false, false, false, true, IPPROTO_TCP, -EADDRINUSE },
		{ ":", "0.0.0.0", true, false, false, true, IPPROTO_TCP, 0 },
		{ ":", "10.0.0.1", false, false, false, true, IPPROTO_TCP, -EADDRINUSE },
	};

	for (size_t i = 0; i < S7_ARRAY_LEN(cases); i++) {
		struct s7_port_table table;
		struct s7_bind a, b;
		struct s7_arena *arena = arena_new();

		port_table_init(&table, arena);
		bind_fill(&a, cases[i].a, &cases[i], cases[i].v6only_a);
		bind_fill(&b, cases[i].b, &cases[i], false);
		cr_assert_eq(port_insert(&table, &a), 0);
		cr_expect_eq(port_insert(&table, &b), cases[i].want, "case %zu", i);
		port_remove(&table, &a);
		port_remove(&table, &b);
		cr_expect_eq(table.count, 0);
		free(arena);
	}
}

Test(ports, best_match_wins)
{
	struct bind_case c = { .reuseaddr = true, .proto = IPPROTO_UDP };
	struct s7_bind any6, any4, exact, device;
	struct s7_port_table table;
	struct s7_arena *arena = arena_new();
	struct s7_ip mine = v4("10.0.0.1"), other = v4("10.0.0.9");

	port_table_init(&table, arena);
	bind_fill(&any6, ":", &c, false);
	bind_fill(&any4, "0.0.0.0", &c, false);
	bind_fill(&exact, "10.0.0.1", &c, false);
	bind_fill(&device, "0.0.0.0", &c, false);
	device.iface = 3;
	port_insert(&table, &any6);
	cr_assert_eq(port_find(&table, IPPROTO_UDP, &mine, 80, 0, 0), &any6);
	port_insert(&table, &any4);
	cr_assert_eq(port_find(&table, IPPROTO_UDP, &mine, 80, 0, 0), &any4);
	port_insert(&table, &exact);
	cr_assert_eq(port_find(&table, IPPROTO_UDP, &mine, 80, 0, 0), &exact);
	cr_assert_eq(port_find(&table, IPPROTO_UDP, &other, 80, 0, 0), &any4);
	port_insert(&table, &device);
	cr_assert_eq(port_find(&table, IPPROTO_UDP, &mine, 80, 2, 0), &device);
	cr_assert_null(port_find(&table, IPPROTO_UDP, &mine, 81, 0, 0));
	free(arena);
}

Test(ports, reuseport_spreads)
{
	struct bind_case c = { .reuseport = true, .proto = IPPROTO_TCP, .listening = true };
	struct s7_bind group[4];
	int hits[4] = { 0 };
	struct s7_port_table table;
	struct s7_arena *arena = arena_new();
	struct s7_ip mine = v4("10.0.0.1");

	port_table_init(&table, arena);
	for (int i = 0; i < 4; i++) {
		bind_fill(&group[i], "0.0.0.0", &c, false);
		cr_assert_eq(port_insert(&table, &group[i]), 0);
	}
	for (uint32_t i = 0; i < 4000; i++) {
		struct s7_bind *got = port_find(&table, IPPROTO_TCP, &mine, 80, 0, i * 2654435761u);

		hits[got - group]++;
	}
	for (int i = 0; i < 4; i++)
		cr_expect(hits[i] > 800 && hits[i] < 1200, "member %d got %d of 4000", i, hits[i]);
	free(arena);
}

#define CROWD 48

/* Numbers of a group are 0..n-1, whoever comes and goes. */
static void expect_numbers(const struct s7_port_table *table, const struct s7_bind *crowd,
			   uint32_t iface)
{
	uint64_t seen = 0;
	uint32_t count = 0;

	for (uint32_t i = 0; i < CROWD; i++) {
		if (!crowd[i].grouped || crowd[i].iface != iface)
			continue;
		count++;
		seen |= 1ull << crowd[i].slot;
		cr_assert_eq(port_member(table, &crowd[i], crowd[i].slot), &crowd[i]);
	}
	cr_assert_eq(seen, (1ull << count) - 1, "%u members: %lx", count, (unsigned long)seen);
	for (uint32_t i = 0; i < CROWD; i++)
		if (crowd[i].iface == iface && crowd[i].grouped)
			cr_assert_eq(port_members(table, &crowd[i]), count);
}

Test(ports, groups_keep_their_numbers)
{
	struct bind_case same = { .reuseport = true, .proto = IPPROTO_UDP }, alone = same;
	struct s7_bind crowd[CROWD], foe;
	struct s7_port_table table;
	struct s7_arena *arena = arena_new();
	uint32_t random = 1, i;

	alone.reuseport = false;
	port_table_init(&table, arena);
	bind_fill(&foe, "0.0.0.0", &alone, false);
	for (i = 0; i < CROWD; i++) {
		bind_fill(&crowd[i], "0.0.0.0", &same, false);
		crowd[i].iface = i % 2;
	}
	for (uint32_t turn = 0; turn < 6000; turn++) {
		random = random * 1664525 + 1013904223;
		i = turn % 200 < 100 ? turn % CROWD : (random >> 16) % CROWD; /* in order, or not */
		if (!crowd[i].linked) {
			cr_assert_eq(port_insert(&table, &crowd[i]), 0);
			if (random >> 28)
				port_join(&table, &crowd[i]);
		} else if (random >> 31 && !crowd[i].grouped) {
			port_join(&table, &crowd[i]);
		} else {
			port_remove(&table, &crowd[i]);
		}
		expect_numbers(&table, crowd, 0);
		expect_numbers(&table, crowd, 1);
		cr_assert_eq(port_insert(&table, &foe), table.count ? -EADDRINUSE : 0);
		port_remove(&table, &foe);
		if (!(random >> 16 & 255))
			port_mend(&table);
	}
	free(arena);
}

Test(ports, newest_is_no_pardon)
{
	struct bind_case same = { .reuseport = true, .proto = IPPROTO_UDP };
	struct s7_bind a, b, c;
	struct s7_port_table table;
	struct s7_arena *arena = arena_new();

	port_table_init(&table, arena);
	bind_fill(&a, "0.0.0.0", &same, false);
	bind_fill(&b, "0.0.0.0", &same, false);
	bind_fill(&c, "0.0.0.0", &same, false);
	cr_assert_eq(port_insert(&table, &a), 0);
	cr_assert_eq(port_insert(&table, &b), 0);
	a.reuseport = false; /* SO_REUSEPORT is taken back */
	port_changed(&table, &a);
	cr_assert_eq(port_insert(&table, &c), -EADDRINUSE);
	a.reuseport = true;
	c.uid = 7;
	cr_assert_eq(port_insert(&table, &c), -EADDRINUSE);
	c.uid = 0;
	cr_assert_eq(port_insert(&table, &c), 0);
	port_remove(&table, &a);
	port_remove(&table, &c);
	port_remove(&table, &b);
	cr_assert_eq(table.count, 0);
	free(arena);
}

static void count_seen(void *ctx, struct s7_flow *flow)
{
	(void)flow;
	++*(uint32_t *)ctx;
}

/* Killed between two stores of an insertion or a removal: what is in the table counts. */
Test(flow, mended_after_a_death)
{
	static struct s7_flow flows[3];
	struct s7_flow_table table;
	uint64_t key[2] = { 1, 2 };
	struct s7_arena *arena = arena_new();
	uint32_t seen = 0;

	cr_assert_eq(flow_table_init(&table, arena, 16, key), 0);
	for (uint32_t i = 0; i < 3; i++) {
		flows[i].rport = (uint16_t)(i + 1);
		flows[i].proto = IPPROTO_TCP;
		cr_assert_eq(flow_insert(&table, &flows[i]), 0);
	}
	flows[0].linked = 0; /* entered, not told yet */
	table.count--;
	flow_remove(&table, &flows[1]);
	flows[1].linked = 1; /* taken out, not told yet */
	table.count++;
	flow_mend(&table, count_seen, &seen);
	cr_assert_eq(seen, 2);
	cr_assert_eq(table.count, 2);
	flow_remove(&table, &flows[1]);
	cr_assert_eq(table.count, 2);
	for (uint32_t i = 0; i < 3; i++)
		flow_remove(&table, &flows[i]);
	cr_assert_eq(table.count, 0);
	free(arena);
}

/* A list whose changer was killed after any of its stores. */
Test(list, mended_after_a_death)
{
	struct s7_list head, node[4];

	list_init(&head);
	for (int i = 0; i < 3; i++)
		list_add_tail(&head, &node[i]);
	node[1].prev->next = node[1].next; /* cut, not told yet */
	node[3].next = &head;
	node[3].prev = &node[2];
	node[2].next = &node[3]; /* entered, the way back is missing */
	cr_assert_eq(list_mend(&head), 3);
	cr_assert_eq(head.prev, &node[3]);
	cr_assert_eq(node[2].prev, &node[0]);
	list_del(&node[1]); /* once more: harms nobody */
	cr_assert_eq(list_mend(&head), 3);
	list_del(&node[2]);
	list_del(&node[0]);
	list_del(&node[3]);
	cr_assert(list_empty(&head));
}
