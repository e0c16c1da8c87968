/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_kern_silencer.c - the silencer on a veth pair between two kernels
 *
 * Idea: the peer's kernel in namespace b asks (connects, sends datagrams, raw frames); the kernel
 * in a must not answer for what is owned, must answer for the rest, and a packet socket in a must
 * see every frame all the same. "Silence" is the absence of an answer for QUIET_MS after a marker
 * that did get one.
 * Context: root; each test has network namespaces of its own.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kern/bpf_sys.h"
#include "kern/silencer_tc.h"
#include "test/support/netns.h"

#define QUIET_MS 150
#define OWNED 8080
#define CLOSED 8081
#define SERVED 8082

static const enum silencer_way ways[] = { SILENCER_TCX, SILENCER_CLSACT };

static struct netns_pair pair;
static struct kern_silencer silencer;
static char why[256];

static void enter_pair(void)
{
	int err = netns_pair_new(&pair);

	if (err == -EPERM)
		cr_skip_test("no permission to make a network namespace");
	cr_assert(err == 0, "namespaces: %d", err);
}

static void open_by(enum silencer_way way)
{
	int err;

	err = silencer_open_by(way, (int)if_nametoindex("s7a"), &silencer, why, sizeof(why));
	cr_assert(err == 0, "%s", why);
	cr_expect(silencer.clsact == (way == SILENCER_CLSACT));
}

static struct s7_ip ip(const char *text)
{
	struct s7_ip out = { 0 };
	uint32_t v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return ip_from_v4(v4);
	cr_assert(inet_pton(AF_INET6, text, &out) == 1);
	return out;
}

static void own(uint8_t proto, const char *addr, uint16_t port)
{
	struct s7_ip where = ip(addr);

	cr_assert(silencer_own(&silencer, proto, &where, port) == 0);
}

static void disown(uint8_t proto, const char *addr, uint16_t port)
{
	struct s7_ip where = ip(addr);

	cr_assert(silencer_disown(&silencer, proto, &where, port) == 0);
}

static socklen_t make_addr(const char *text, uint16_t port, struct sockaddr_storage *ret_addr)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret_addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_addr;

	memset(ret_addr, 0, sizeof(*ret_addr));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	cr_assert(inet_pton(AF_INET6, text, &in6->sin6_addr) == 1);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	return sizeof(*in6);
}

/*
 * What b's kernel hears within QUIET_MS after a SYN or a datagram: 0 an answer, ECONNREFUSED,
 * ETIMEDOUT silence. A datagram's answer is the ICMP error, so a served UDP port counts as silence.
 */
static int ask(int type, const char *addr, uint16_t port)
{
	struct pollfd pfd = { .events = POLLIN | POLLOUT };
	struct sockaddr_storage to;
	socklen_t len = make_addr(addr, port, &to);
	int err = 0;

	cr_assert(netns_enter(pair.b) == 0);
	pfd.fd = socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert(netns_enter(pair.a) == 0);
	cr_assert(pfd.fd >= 0);
	(void)connect(pfd.fd, (struct sockaddr *)&to, len);
	if (type == SOCK_DGRAM) {
		cr_assert(send(pfd.fd, "?", 1, 0) == 1);
		pfd.events = POLLIN;
	}
	if (poll(&pfd, 1, QUIET_MS) == 0)
		err = ETIMEDOUT;
	else
		getsockopt(pfd.fd, SOL_SOCKET, SO_ERROR, &err, &(socklen_t){ sizeof(err) });
	close(pfd.fd);
	return err;
}

/* An answer is awaited for longer: the machine may have other things to do than to send it. */
static bool hears(int type, const char *addr, uint16_t port, int wanted)
{
	int err = ETIMEDOUT;

	for (int tries = 0; tries < 40 && err == ETIMEDOUT; tries++)
		err = ask(type, addr, port);
	return err == wanted;
}

/* A packet socket in a, for one ethertype or ETH_P_ALL. */
static int open_tap(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex("s7a") };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));

	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&ll, sizeof(ll)) == 0);
	return fd;
}

/*
 * How many received (not sent) frames hold this destination port at the place of an option-less
 * IPv4 or IPv6 header.
 */
static int count_tapped(int fd, uint16_t port)
{
	struct sockaddr_ll from;
	uint8_t b[2048];
	int seen = 0;

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, b, sizeof(b), 0, (struct sockaddr *)&from, &len);
		size_t at = n > 12 && b[12] == 0x86 ? 14 + 40 : 14 + 20;

		if (n < 0)
			return seen;
		if (from.sll_pkttype != PACKET_OUTGOING && (size_t)n >= at + 4 &&
		    b[at + 2] == port >> 8 && b[at + 3] == (port & 0xff))
			seen++;
	}
}

static int serve(const char *addr, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t len = make_addr(addr, port, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 8) == 0);
	return fd;
}

/* Sends raw bytes from b. */
static void send_frame(const uint8_t *bytes, size_t len)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	int fd;

	cr_assert(netns_enter(pair.b) == 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	to.sll_ifindex = (int)if_nametoindex("s7b");
	cr_assert(fd >= 0);
	cr_assert(sendto(fd, bytes, len, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)len);
	close(fd);
	cr_assert(netns_enter(pair.a) == 0);
}

static uint64_t drops(void)
{
	uint64_t n = 0;

	cr_assert(silencer_drops(&silencer, &n) == 0);
	return n;
}

static s7_time clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (s7_time)ts.tv_sec * S7_SEC + (s7_time)ts.tv_nsec;
}

static void expect_silence_for_owned_only(int type, uint8_t proto, const char *addr,
					  const char *any)
{
	int tap = open_tap();
	uint64_t before = drops();

	cr_expect(ask(type, addr, OWNED) == ECONNREFUSED, "not owned yet");
	own(proto, addr, OWNED);
	count_tapped(tap, OWNED);
	cr_expect(ask(type, addr, OWNED) == ETIMEDOUT, "owned");
	cr_expect(count_tapped(tap, OWNED) == 1, "the packet socket sees what the kernel does not");
	cr_expect(drops() == before + 1);
	cr_expect(ask(type, addr, CLOSED) == ECONNREFUSED, "another port");
	disown(proto, addr, OWNED);
	disown(proto, addr, OWNED);
	cr_expect(ask(type, addr, OWNED) == ECONNREFUSED, "disowned");
	own(proto, any, OWNED);
	own(proto, any, OWNED);
	cr_expect(ask(type, addr, OWNED) == ETIMEDOUT, "owned on any address");
	cr_expect(ask(type, addr, CLOSED) == ECONNREFUSED);
	disown(proto, any, OWNED);
	cr_expect(ask(type, addr, OWNED) == ECONNREFUSED);
	close(tap);
}

static void run_both_families(enum silencer_way way)
{
	int server;

	enter_pair();
	/* One answer a second would hide what is tested. */
	cr_assert(netns_run("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0") == 0);
	open_by(way);
	server = serve("::", SERVED);
	expect_silence_for_owned_only(SOCK_STREAM, IPPROTO_TCP, "10.77.0.1", "0.0.0.0");
	expect_silence_for_owned_only(SOCK_STREAM, IPPROTO_TCP, "fd77::1", "::");
	silencer_beat(&silencer);
	expect_silence_for_owned_only(SOCK_DGRAM, IPPROTO_UDP, "10.77.0.1", "0.0.0.0");
	expect_silence_for_owned_only(SOCK_DGRAM, IPPROTO_UDP, "fd77::1", "::");
	own(IPPROTO_TCP, "10.77.0.1", OWNED);
	cr_expect(hears(SOCK_STREAM, "10.77.0.1", SERVED, 0),
		  "a kernel server on the same address");
	cr_expect(hears(SOCK_STREAM, "fd77::1", SERVED, 0));
	close(server);
	silencer_close(&silencer);
	cr_expect(hears(SOCK_STREAM, "10.77.0.1", OWNED, ECONNREFUSED), "closed");
}

Test(kern_silencer, tcx_silences_owned_only)
{
	run_both_families(SILENCER_TCX);
}

Test(kern_silencer, clsact_silences_owned_only)
{
	run_both_families(SILENCER_CLSACT);
}

Test(kern_silencer, open_prefers_tcx_and_every_descriptor_is_close_on_exec)
{
	int fds[4], err;

	enter_pair();
	err = silencer_open((int)if_nametoindex("s7a"), &silencer, why, sizeof(why));
	cr_assert(err == 0, "%s", why);
	fds[0] = silencer.map_fd;
	fds[1] = silencer.prog_fd;
	fds[2] = silencer.drops_fd;
	fds[3] = silencer.clsact ? silencer.beat_fd : silencer.link_fd;
	for (size_t i = 0; i < S7_ARRAY_LEN(fds); i++)
		cr_expect(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, "descriptor %zu", i);
	silencer_close(&silencer);
	for (size_t i = 0; i < S7_ARRAY_LEN(fds); i++)
		cr_expect(fcntl(fds[i], F_GETFD) == -1, "descriptor %zu", i);
}

/* A child that opens, owns and waits; returns its pid once it is ready. */
static pid_t start_owner(enum silencer_way way)
{
	int ready[2];
	pid_t pid;
	char byte;

	cr_assert(pipe(ready) == 0);
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0) {
		struct s7_ip where = ip("10.77.0.1");

		if (silencer_open_by(way, (int)if_nametoindex("s7a"), &silencer, why,
				     sizeof(why)) == 0 &&
		    silencer_own(&silencer, IPPROTO_TCP, &where, OWNED) == 0)
			(void)!write(ready[1], "r", 1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	cr_assert(read(ready[0], &byte, 1) == 1, "owner failed");
	close(ready[0]);
	return pid;
}

static void kill_owner(pid_t pid)
{
	cr_assert(kill(pid, SIGKILL) == 0);
	cr_assert(waitpid(pid, NULL, 0) == pid);
}

Test(kern_silencer, tcx_ends_with_a_killed_owner)
{
	pid_t pid;

	enter_pair();
	pid = start_owner(SILENCER_TCX);
	cr_expect(ask(SOCK_STREAM, "10.77.0.1", OWNED) == ETIMEDOUT);
	kill_owner(pid);
	cr_expect(hears(SOCK_STREAM, "10.77.0.1", OWNED, ECONNREFUSED));
}

Test(kern_silencer, tcx_stays_while_a_child_by_fork_lives)
{
	pid_t child;

	enter_pair();
	open_by(SILENCER_TCX);
	own(IPPROTO_TCP, "10.77.0.1", OWNED);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	silencer_close(&silencer);
	cr_expect(ask(SOCK_STREAM, "10.77.0.1", OWNED) == ETIMEDOUT);
	kill_owner(child);
	cr_expect(hears(SOCK_STREAM, "10.77.0.1", OWNED, ECONNREFUSED));
}

Test(kern_silencer, clsact_passes_after_a_killed_owner_and_is_reaped)
{
	pid_t pid;

	enter_pair();
	pid = start_owner(SILENCER_CLSACT);
	cr_expect(ask(SOCK_STREAM, "10.77.0.1", OWNED) == ETIMEDOUT);
	kill_owner(pid);
	cr_expect(hears(SOCK_STREAM, "10.77.0.1", OWNED, ECONNREFUSED));
	cr_assert(netns_run("tc filter show dev s7a ingress | grep -q " SILENCER_PROG_NAME) == 0);
	/* Too young to be called dead now, dead when seen from later on. */
	cr_expect(silencer_tc_reap((int)if_nametoindex("s7a"), clock_now()) == 0);
	cr_expect(silencer_tc_reap((int)if_nametoindex("s7a"), clock_now() + SILENCER_DEAD_NS) ==
		  1);
	cr_expect(netns_run("tc filter show dev s7a ingress | grep -q " SILENCER_PROG_NAME) != 0);
}

Test(kern_silencer, clsact_open_removes_the_dead_and_spares_the_living_and_strangers)
{
	struct kern_silencer living, dead;
	s7_time long_ago = 1;

	enter_pair();
	open_by(SILENCER_CLSACT);
	dead = silencer;
	open_by(SILENCER_CLSACT);
	living = silencer;
	cr_assert(bpf_map_put(dead.beat_fd, &(uint32_t){ 0 }, &long_ago) == 0);
	cr_assert(netns_run("tc filter add dev s7a ingress prio 3 protocol ip u32 match u32 0 0 "
			    "flowid 1:1") == 0);
	cr_assert(netns_run("test $(tc filter show dev s7a ingress | grep -c " SILENCER_PROG_NAME
			    ") = 2") == 0);
	open_by(SILENCER_CLSACT);
	cr_expect(netns_run("test $(tc filter show dev s7a ingress | grep -c " SILENCER_PROG_NAME
			    ") = 2") == 0);
	silencer_close(&living);
	silencer_close(&silencer);
	cr_expect(netns_run("tc filter show dev s7a ingress | grep -q " SILENCER_PROG_NAME) != 0);
	cr_expect(netns_run("tc filter show dev s7a ingress | grep -q u32") == 0,
		  "a stranger's filter");
}

Test(kern_silencer, clsact_beats_keep_it_dropping)
{
	enter_pair();
	open_by(SILENCER_CLSACT);
	own(IPPROTO_TCP, "10.77.0.1", OWNED);
	for (int i = 0; i < 5; i++) {
		usleep(600000);
		silencer_beat(&silencer);
	}
	cr_expect(ask(SOCK_STREAM, "10.77.0.1", OWNED) == ETIMEDOUT);
	silencer_close(&silencer);
}

Test(kern_silencer, two_owners_on_one_netdev)
{
	for (size_t i = 0; i < S7_ARRAY_LEN(ways); i++) {
		struct kern_silencer first;

		enter_pair();
		open_by(ways[i]);
		own(IPPROTO_TCP, "10.77.0.1", OWNED);
		first = silencer;
		open_by(ways[i]);
		own(IPPROTO_TCP, "10.77.0.1", CLOSED);
		cr_expect(ask(SOCK_STREAM, "10.77.0.1", OWNED) == ETIMEDOUT);
		cr_expect(ask(SOCK_STREAM, "10.77.0.1", CLOSED) == ETIMEDOUT);
		silencer_close(&first);
		cr_expect(hears(SOCK_STREAM, "10.77.0.1", OWNED, ECONNREFUSED));
		cr_expect(ask(SOCK_STREAM, "10.77.0.1", CLOSED) == ETIMEDOUT);
		silencer_close(&silencer);
	}
}

/* A wildcard is about a's own addresses, whichever netdev they are on. */
Test(kern_silencer, forwarded_packets_pass_a_wildcard)
{
	int c, server;

	enter_pair();
	c = netns_new();
	cr_assert(c >= 0);
	cr_assert(netns_enter(pair.a) == 0);
	cr_assert(netns_run("ip link add s7e type veth peer name s7f netns /proc/%d/fd/%d && ip "
			    "link set s7e up && "
			    "ip addr add 10.88.0.1/24 dev s7e && sysctl -qw net.ipv4.ip_forward=1",
			    getpid(), c) == 0);
	cr_assert(netns_enter(c) == 0);
	cr_assert(netns_run("ip link set s7f up && ip addr add 10.88.0.2/24 dev s7f && "
			    "ip route add default via 10.88.0.1") == 0);
	server = serve("10.88.0.2", OWNED);
	cr_assert(netns_enter(pair.b) == 0);
	cr_assert(netns_run("ip route add 10.88.0.0/24 via 10.77.0.1") == 0);
	cr_assert(netns_enter(pair.a) == 0);
	open_by(SILENCER_TCX);
	own(IPPROTO_TCP, "0.0.0.0", OWNED);
	cr_expect(hears(SOCK_STREAM, "10.88.0.2", OWNED, 0), "routed through a");
	cr_expect(ask(SOCK_STREAM, "10.77.0.1", OWNED) == ETIMEDOUT, "a itself");
	cr_expect(ask(SOCK_STREAM, "10.88.0.1", OWNED) == ETIMEDOUT,
		  "a's address on another netdev");
	close(server);
}

/*
 * Raw IPv4/UDP to 10.77.0.1 after `tags` VLAN tags; checksum of the header filled in, none for UDP.
 */
static size_t make_udp(uint8_t *b, int tags, uint16_t vid, uint16_t port, uint16_t fragment)
{
	static const uint8_t macs[12] = { 2, 0x77, 0, 0, 0, 1, 2, 0x77, 0, 0, 0, 2 };
	static const uint8_t header[20] = { 0x45, 0, 0,	 36, 0, 1, 0,  0,  64, 17,
					    0,	  0, 10, 77, 0, 2, 10, 77, 0,  1 };
	uint8_t *at = b + 12;
	uint32_t sum = 0;

	memcpy(b, macs, 12);
	for (; tags > 0; tags--, at += 4)
		memcpy(at,
		       (uint8_t[]){ tags == 2 ? 0x88 : 0x81, tags == 2 ? 0xa8 : 0,
				    (uint8_t)(vid >> 8), (uint8_t)vid },
		       4);
	memcpy(at, "\x08\x00", 2);
	at += 2;
	memcpy(at, header, 20);
	at[6] = (uint8_t)(fragment >> 8);
	at[7] = (uint8_t)fragment;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	at[10] = (uint8_t)(sum >> 8);
	at[11] = (uint8_t)sum;
	memcpy(at + 20, (uint8_t[]){ 0x9c, 0x40, (uint8_t)(port >> 8), (uint8_t)port, 0, 16, 0, 0 },
	       8);
	memset(at + 28, 'x', 8);
	return (size_t)(at + 36 - b);
}

Test(kern_silencer, vlan_tagged_frames_on_the_wire)
{
	uint8_t b[128];

	enter_pair();
	open_by(SILENCER_TCX);
	own(IPPROTO_UDP, "10.77.0.1", OWNED);
	own(IPPROTO_UDP, "0.0.0.0", CLOSED);
	for (int tags = 0; tags <= 3; tags++) {
		uint64_t before = drops();

		send_frame(b, make_udp(b, tags, 10, OWNED, 0));
		cr_expect(drops() == before + 1, "%d tags, owned by address", tags);
		send_frame(b, make_udp(b, tags, 10, SERVED, 0));
		cr_expect(drops() == before + 1, "%d tags, not owned", tags);
		send_frame(b, make_udp(b, tags, 10, CLOSED, 0));
		cr_expect(drops() == before + (tags ? 1 : 2), "%d tags, owned on any address",
			  tags);
		before = drops();
		send_frame(b, make_udp(b, tags, 0, CLOSED, 0));
		cr_expect(drops() == before + 1, "%d priority tags", tags);
	}
}

Test(kern_silencer, fragments_on_the_wire)
{
	uint64_t before;
	uint8_t b[128];
	int tap;

	enter_pair();
	open_by(SILENCER_TCX);
	own(IPPROTO_UDP, "10.77.0.1", OWNED);
	tap = open_tap();
	before = drops();
	send_frame(b, make_udp(b, 0, 0, OWNED, 0x2000));
	cr_expect(drops() == before + 1, "the first one");
	send_frame(b, make_udp(b, 0, 0, OWNED, 0x0002));
	cr_expect(drops() == before + 1, "a later one, whatever its bytes look like");
	cr_expect(count_tapped(tap, OWNED) == 2);
	close(tap);
}

Test(kern_silencer, frames_cut_anywhere_are_not_dropped)
{
	uint8_t b[128];
	size_t len;

	enter_pair();
	open_by(SILENCER_TCX);
	own(IPPROTO_UDP, "10.77.0.1", OWNED);
	own(IPPROTO_UDP, "10.77.0.1", 0);
	own(IPPROTO_UDP, "0.0.0.0", 0);
	len = make_udp(b, 2, 10, OWNED, 0);
	for (size_t cut = 15; cut < len - 12; cut++)
		send_frame(b, cut);
	cr_expect(drops() == 0);
	send_frame(b, len);
	cr_expect(drops() == 1);
}

Test(kern_silencer, broadcast_is_silenced_by_a_wildcard_only)
{
	uint64_t before;
	uint8_t b[128];
	size_t len;

	enter_pair();
	open_by(SILENCER_TCX);
	own(IPPROTO_UDP, "10.77.0.1", OWNED);
	len = make_udp(b, 0, 0, OWNED, 0);
	memset(b, 0xff, 6);
	b[14 + 19] = 255;
	before = drops();
	send_frame(b, len);
	cr_expect(drops() == before);
	own(IPPROTO_UDP, "0.0.0.0", OWNED);
	send_frame(b, len);
	cr_expect(drops() == before + 1);
}

Test(kern_silencer, a_netdev_that_is_not_there)
{
	int err;

	enter_pair();
	for (size_t i = 0; i < S7_ARRAY_LEN(ways); i++) {
		err = silencer_open_by(ways[i], 9999, &silencer, why, sizeof(why));
		cr_expect(err < 0 && why[0], "%d", err);
	}
	cr_expect(silencer_open(9999, &silencer, why, sizeof(why)) < 0);
}

Test(kern_silencer, own_and_disown_cost_microseconds)
{
	struct s7_ip where = ip("10.77.0.1");
	s7_time start, owned, disowned;

	enter_pair();
	open_by(SILENCER_TCX);
	start = clock_now();
	for (uint32_t port = 1; port <= 10000; port++)
		cr_assert(silencer_own(&silencer, IPPROTO_TCP, &where, (uint16_t)port) == 0);
	owned = clock_now();
	for (uint32_t port = 1; port <= 10000; port++)
		cr_assert(silencer_disown(&silencer, IPPROTO_TCP, &where, (uint16_t)port) == 0);
	disowned = clock_now();
	cr_log_info("own %lu ns, disown %lu ns", (owned - start) / 10000,
		    (disowned - owned) / 10000);
	cr_expect(owned - start < 10000 * 50 * S7_US);
}
