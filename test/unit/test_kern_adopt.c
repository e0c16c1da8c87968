/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_kern_adopt.c - links, addresses, routes, neighbours and changes, as iproute2 set them
 *
 * Context: root; each test has network namespaces of its own.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kern/nl.h"
#include "test/support/netns.h"

static struct kern_view view;

static struct s7_ip ip(const char *text)
{
	struct s7_ip out = { 0 };
	uint32_t v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return ip_from_v4(v4);
	cr_assert(inet_pton(AF_INET6, text, &out) == 1);
	return out;
}

static void enter_pair(void)
{
	struct netns_pair pair;
	int err = netns_pair_new(&pair);

	if (err == -EPERM)
		cr_skip_test("no permission to make a network namespace");
	cr_assert(err == 0, "namespaces: %d", err);
}

static struct kern_link link_of(const char *name)
{
	struct kern_link link;

	cr_assert(kern_link_get(name, &link) == 0);
	return link;
}

/* The first route whose prefix is exactly this, or NULL. */
static const struct kern_route *find_route(const char *to, uint8_t prefix_len)
{
	struct s7_ip want = ip(to);

	for (uint32_t i = 0; i < view.route_count; i++) {
		if (ip_equal(&view.route[i].to, &want) && view.route[i].prefix_len == prefix_len)
			return &view.route[i];
	}
	return NULL;
}

static const struct kern_addr *find_addr(const char *text)
{
	struct s7_ip want = ip(text);

	for (uint32_t i = 0; i < view.addr_count; i++) {
		if (ip_equal(&view.addr[i].ip, &want))
			return &view.addr[i];
	}
	return NULL;
}

Test(kern_adopt, link_has_mtu_mac_kind_and_state)
{
	static const uint8_t mac[6] = { 2, 0x77, 0, 0, 0, 1 };
	struct kern_link link;

	enter_pair();
	cr_assert(netns_run("ip link set s7a mtu 1432") == 0);
	link = link_of("s7a");
	cr_expect(link.mtu == 1432);
	cr_expect(memcmp(link.mac, mac, 6) == 0);
	cr_expect_str_eq(link.kind, "veth");
	cr_expect(link.up);
	cr_assert(netns_run("ip link set s7a down") == 0);
	cr_expect(!link_of("s7a").up);
}

Test(kern_adopt, unknown_and_impossible_names_are_enodev)
{
	struct kern_link link = { .ifindex = 77 };
	char longest[200];

	enter_pair();
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	cr_expect(kern_link_get("s7none", &link) == -ENODEV);
	cr_expect(kern_link_get("", &link) == -ENODEV);
	cr_expect(kern_link_get(longest, &link) == -ENODEV);
	cr_expect(link.ifindex == 77, "written without success");
}

Test(kern_adopt, alternative_name_finds_the_link)
{
	enter_pair();
	cr_assert(netns_run("ip link property add dev s7a altname a-name-longer-than-sixteen") ==
		  0);
	cr_expect(link_of("a-name-longer-than-sixteen").ifindex == link_of("s7a").ifindex);
}

Test(kern_adopt, addresses_of_both_families)
{
	const struct kern_addr *addr;
	int ifindex;

	enter_pair();
	ifindex = link_of("s7a").ifindex;
	cr_assert(netns_run("ip addr add 10.78.0.1 peer 10.78.0.9/32 dev s7a") == 0);
	cr_assert(kern_view_get(&view) == 0);
	addr = find_addr("10.77.0.1");
	cr_assert(addr);
	cr_expect(addr->ifindex == ifindex && addr->prefix_len == 24);
	addr = find_addr("fd77::1");
	cr_assert(addr);
	cr_expect(addr->ifindex == ifindex && addr->prefix_len == 64);
	cr_expect(find_addr("10.78.0.1"), "own end of a point-to-point address");
	cr_expect(!find_addr("10.78.0.9"), "the peer is not ours");
	cr_expect(!view.truncated);
}

Test(kern_adopt, tentative_addresses_are_not_ours_yet)
{
	enter_pair();
	cr_assert(netns_run("sysctl -qw net.ipv6.conf.s7a.accept_dad=1 "
			    "net.ipv6.conf.s7a.dad_transmits=30") == 0);
	cr_assert(netns_run("ip -6 addr add fd78::1/64 dev s7a") == 0);
	cr_assert(kern_view_get(&view) == 0);
	cr_expect(!find_addr("fd78::1"));
}

Test(kern_adopt, gateway_source_metric_and_types)
{
	const struct kern_route *route;
	struct s7_ip via = ip("10.77.0.2"), via6 = ip("fd77::2"), source = ip("10.77.0.1");

	enter_pair();
	cr_assert(netns_run("ip route add default via 10.77.0.2 src 10.77.0.1 metric 50 &&"
			    "ip route add default via 10.77.0.3 metric 90 &&"
			    "ip -6 route add default via fd77::2 &&"
			    "ip route add blackhole 10.99.0.0/16 && ip route add 10.98.0.0/16 dev "
			    "s7a &&"
			    "ip route add 10.97.0.0/16 via 10.77.0.2 table 77 &&"
			    "ip route add 10.96.0.0/16 via inet6 fd77::2 dev s7a") == 0);
	cr_assert(kern_view_get(&view) == 0);
	route = find_route("0.0.0.0", 0);
	cr_assert(route);
	cr_expect(route->metric == 50 && ip_equal(&route->via, &via) &&
		  ip_equal(&route->source, &source));
	route = find_route("::", 0);
	cr_assert(route);
	cr_expect(ip_equal(&route->via, &via6) && route->type == RTN_UNICAST);
	route = find_route("10.99.0.0", 16);
	cr_assert(route);
	cr_expect(route->type == RTN_BLACKHOLE);
	route = find_route("10.98.0.0", 16);
	cr_assert(route);
	cr_expect(route->via.q[0] == 0 && route->via.q[1] == 0 &&
		  route->ifindex == link_of("s7a").ifindex);
	route = find_route("10.77.0.1", 32);
	cr_assert(route);
	cr_expect(route->type == RTN_LOCAL);
	route = find_route("10.77.0.255", 32);
	cr_assert(route);
	cr_expect(route->type == RTN_BROADCAST);
	cr_expect(!find_route("10.97.0.0", 16), "a table of policy routing");
	route = find_route("10.96.0.0", 16);
	cr_assert(route);
	cr_expect(ip_equal(&route->via, &via6), "IPv4 by an IPv6 next hop");
}

Test(kern_adopt, metrics_of_routes)
{
	const struct kern_route *route;

	enter_pair();
	cr_assert(netns_run("ip route add 10.50.0.0/16 via 10.77.0.2 mtu lock 1300 advmss 900 "
			    "window 30000 initcwnd 7 hoplimit 9 rto_min 20ms quickack 1 "
			    "congctl reno && "
			    "ip -6 route add fd50::/32 via fd77::2 mtu 1400 && "
			    "ip route add 10.51.0.0/16 via 10.77.0.2") == 0);
	cr_assert(kern_view_get(&view) == 0);
	route = find_route("10.50.0.0", 16);
	cr_assert(route && route->has_metrics);
	cr_expect(route->metrics.mtu == 1300 && route->metrics.mtu_locked);
	cr_expect(route->metrics.advmss == 900 && route->metrics.window == 30000);
	cr_expect(route->metrics.init_cwnd == 7 && route->metrics.hop_limit == 9);
	cr_expect(route->metrics.rto_min_us == 20000 && route->metrics.quickack);
	cr_expect_str_eq(route->cc, "reno");
	cr_expect(!route->metrics.cc_locked);
	route = find_route("fd50::", 32);
	cr_assert(route && route->has_metrics);
	cr_expect(route->metrics.mtu == 1400 && !route->metrics.mtu_locked);
	route = find_route("10.51.0.0", 16);
	cr_assert(route);
	cr_expect(!route->has_metrics);
}

Test(kern_adopt, multipath_counts_as_its_first_living_hop)
{
	const struct kern_route *route;
	struct s7_ip first = ip("10.77.0.2"), second = ip("10.77.0.3");

	enter_pair();
	cr_assert(
		netns_run(
			"ip link add s7c type veth peer name s7d && ip link set s7c up && "
			"ip link set s7d up && ip addr add 10.79.0.1/24 dev s7c && "
			"ip route add 10.95.0.0/16 nexthop via 10.77.0.2 nexthop via 10.77.0.3 && "
			"ip route add 10.94.0.0/16 nexthop via 10.79.0.2 nexthop via 10.77.0.3") ==
		0);
	cr_assert(netns_run("ip link set s7d down && ip link set s7c down") == 0);
	cr_assert(kern_view_get(&view) == 0);
	route = find_route("10.95.0.0", 16);
	cr_assert(route);
	cr_expect(ip_equal(&route->via, &first) && route->ifindex == link_of("s7a").ifindex);
	route = find_route("10.94.0.0", 16);
	cr_assert(route);
	cr_expect(ip_equal(&route->via, &second) && route->ifindex == link_of("s7a").ifindex);
}

Test(kern_adopt, routes_are_sorted_for_first_match)
{
	enter_pair();
	cr_assert(netns_run("ip route add default via 10.77.0.2 && ip route add 10.50.0.0/16 via "
			    "10.77.0.2 && "
			    "ip route add 10.50.1.0/24 via 10.77.0.3") == 0);
	cr_assert(kern_view_get(&view) == 0);
	for (uint32_t i = 1; i < view.route_count; i++) {
		const struct kern_route *a = &view.route[i - 1], *b = &view.route[i];
		int len_a = a->prefix_len + (ip_is_v4(&a->to) ? 96 : 0);
		int len_b = b->prefix_len + (ip_is_v4(&b->to) ? 96 : 0);

		cr_expect(len_a >= len_b);
	}
	cr_expect(find_route("10.50.1.0", 24) < find_route("10.50.0.0", 16));
}

Test(kern_adopt, too_many_routes_spare_local_connected_and_default)
{
	enter_pair();
	cr_assert(netns_run("for i in $(seq 0 199); do for j in 1 2; do echo route add "
			    "10.10$j.$i.0/24 via 10.77.0.2; "
			    "done; done | ip -batch - && ip route add default via 10.77.0.2 && "
			    "ip -6 route add default via fd77::2") == 0);
	cr_assert(kern_view_get(&view) == 0);
	cr_expect(view.truncated);
	cr_expect(view.route_count == KERN_ROUTES_MAX);
	cr_expect(find_route("0.0.0.0", 0) && find_route("::", 0));
	cr_expect(find_route("10.77.0.1", 32) && find_route("10.77.0.0", 24));
	cr_expect(find_route("fd77::", 64) && find_route("fd77::1", 128));
}

Test(kern_adopt, cut_messages_make_the_buffer_grow_and_the_dump_repeat)
{
	static struct kern_view again;
	struct nl nl;
	int err, tries = 0;

	enter_pair();
	cr_assert(kern_view_get(&view) == 0);
	cr_assert(nl_open(&nl, 64) == 0);
	do {
		err = view_read(&nl, &again);
		tries++;
	} while (err == -EAGAIN && tries < 20);
	nl_close(&nl);
	cr_expect(err == 0 && tries > 1, "err %d tries %d", err, tries);
	cr_expect(again.route_count == view.route_count && again.addr_count == view.addr_count);
}

Test(kern_adopt, a_view_leaves_no_descriptor_behind)
{
	int before, after;

	enter_pair();
	before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(before);
	for (int i = 0; i < 50; i++)
		cr_assert(kern_view_get(&view) == 0);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	cr_expect(before == after);
}

Test(kern_adopt, neighbour_known_unknown_and_unresolved)
{
	static const uint8_t mac[6] = { 2, 0x77, 0, 0, 0, 2 };
	struct s7_ip known = ip("10.77.0.2"), known6 = ip("fd77::2"), unknown = ip("10.77.0.50");
	uint8_t got[6] = { 9 };
	int ifindex;

	enter_pair();
	ifindex = link_of("s7a").ifindex;
	cr_expect(kern_neigh_get(ifindex, &unknown, got) == -ENOENT);
	cr_expect(got[0] == 9);
	cr_assert(kern_neigh_get(ifindex, &known, got) == 0);
	cr_expect(memcmp(got, mac, 6) == 0);
	memset(got, 0, sizeof(got));
	cr_assert(kern_neigh_get(ifindex, &known6, got) == 0);
	cr_expect(memcmp(got, mac, 6) == 0);
	cr_assert(netns_run("ip neigh add 10.77.0.60 dev s7a lladdr 02:77:00:00:00:60 nud "
			    "incomplete") == 0 ||
		  netns_run("ip neigh add 10.77.0.60 dev s7a nud failed") == 0);
	unknown = ip("10.77.0.60");
	cr_expect(kern_neigh_get(ifindex, &unknown, got) == -ENOENT);
}

static bool is_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 5000) == 1;
}

/* What the kernel still has to tell of the changes before: of IPv6 addresses it speaks later. */
static void hear_out(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (poll(&pfd, 1, 100) == 1)
		kern_watch_drain(fd);
}

Test(kern_adopt, watch_reports_each_kind_of_change_once)
{
	static const char *const changes[] = {
		"ip addr add 10.80.0.1/24 dev s7a",
		"ip route add 10.81.0.0/16 via 10.77.0.2",
		"ip route del 10.81.0.0/16",
		"ip link set s7a mtu 1300",
		"ip -6 addr add fd80::1/64 dev s7a nodad",
		"ip -6 route add fd81::/64 via fd77::2",
		"ip addr del 10.80.0.1/24 dev s7a",
	};
	int fd;

	enter_pair();
	fd = kern_watch_open();
	cr_assert(fd >= 0);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
	hear_out(fd);
	cr_expect(kern_watch_drain(fd) == 0, "nothing happened yet");
	for (size_t i = 0; i < S7_ARRAY_LEN(changes); i++) {
		cr_assert(netns_run("%s", changes[i]) == 0);
		cr_expect(is_readable(fd), "%s", changes[i]);
		cr_expect(kern_watch_drain(fd) == 1, "%s", changes[i]);
		hear_out(fd);
		cr_expect(kern_watch_drain(fd) == 0, "%s", changes[i]);
	}
	close(fd);
}

Test(kern_adopt, an_overrun_watch_reports_a_change)
{
	int fd, small = 1;

	enter_pair();
	fd = kern_watch_open();
	cr_assert(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	cr_assert(netns_run("for i in $(seq 1 200); do echo route add 10.90.$i.0/24 via 10.77.0.2; "
			    "done | "
			    "ip -batch -") == 0);
	cr_expect(kern_watch_drain(fd) == 1);
	cr_expect(kern_watch_drain(fd) == 0);
	close(fd);
}

Test(kern_adopt, sysctls_are_numbers_of_this_namespace)
{
	uint32_t value = 7, triple[3] = { 0 };

	enter_pair();
	cr_assert(netns_run("sysctl -qw net.core.somaxconn=1234 net.ipv4.tcp_rmem='4096 77777 "
			    "888888'") == 0);
	cr_assert(kern_sysctl_u32("core/somaxconn", &value) == 0);
	cr_expect(value == 1234);
	cr_assert(kern_sysctl_triple("ipv4/tcp_rmem", triple) == 0);
	cr_expect(triple[0] == 4096 && triple[1] == 77777 && triple[2] == 888888);
	cr_expect(kern_sysctl_u32("core/no_such_key", &value) == -ENOENT);
	cr_expect(kern_sysctl_u32("ipv4/tcp_rmem", &value) == -EINVAL, "three numbers are not one");
	cr_expect(kern_sysctl_triple("core/somaxconn", triple) == -EINVAL);
	cr_expect(kern_sysctl_u32("ipv4/tcp_congestion_control", &value) == -EINVAL);
	cr_expect(value == 1234);
}
