/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_kern_prog.c - the silencer's program alone, on crafted frames (BPF_PROG_TEST_RUN)
 *
 * Idea: the kernel runs the real program with real maps on one frame and tells the verdict; loading
 * it at all shows that the verifier accepts it. TEST_RUN takes frames as if lo had received them:
 * destination MAC zero means "for us".
 * Context: root.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kern/bpf_sys.h"
#include "kern/silencer_prog.h"
#include "kern/silencer_tc.h"
#include "stack/base/sys.h"

#define FRAME_MAX 256

struct frame {
	uint32_t len;
	uint8_t b[FRAME_MAX];
};

static struct {
	int map, drops, beat, prog;
} bpf;

static s7_time clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (s7_time)ts.tv_sec * S7_SEC + (s7_time)ts.tv_nsec;
}

static int make_map(enum bpf_map_type type, uint32_t key_bytes, uint32_t value_bytes,
		    uint32_t entries)
{
	struct bpf_map_shape shape = { "t", type, key_bytes, value_bytes, entries, 0 };

	return bpf_map_make(&shape);
}

static void load(bool with_beat)
{
	static char log[65536];
	struct silencer_prog prog;

	bpf.map = make_map(BPF_MAP_TYPE_HASH, sizeof(struct silencer_key), 1, 64);
	if (bpf.map == -EPERM)
		cr_skip_test("no permission to use BPF");
	bpf.drops = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1);
	bpf.beat = with_beat ? make_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1) : -1;
	cr_assert(bpf.map >= 0 && bpf.drops >= 0);
	cr_assert(silencer_prog_build(bpf.map, bpf.drops, bpf.beat, false, &prog) == 0);
	bpf.prog = bpf_prog_make("t", prog.insn, prog.count, log, sizeof(log));
	cr_assert(bpf.prog >= 0, "%d\n%s", bpf.prog, log);
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
	struct kern_silencer s = { .map_fd = bpf.map };
	struct s7_ip where = ip(addr);

	cr_assert(silencer_own(&s, proto, &where, port) == 0);
}

/* Runs it `repeat` times; 0 or -errno. */
static int test_run(const struct frame *frame, uint32_t repeat, uint32_t *ret_verdict,
		    uint32_t *ret_ns)
{
	union bpf_attr attr;
	int err;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)bpf.prog;
	attr.test.data_in = (uintptr_t)frame->b;
	attr.test.data_size_in = frame->len;
	attr.test.repeat = repeat;
	err = (int)s7_sys3(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr));
	*ret_verdict = attr.test.retval;
	*ret_ns = attr.test.duration;
	return err;
}

static int run(const struct frame *frame)
{
	uint32_t verdict, ns;
	int err = test_run(frame, 1, &verdict, &ns);

	/* It refuses frames without a whole network header; test_kern_silencer.c sends such. */
	if (err == -EINVAL && frame->len < 14 + 40)
		return TC_ACT_UNSPEC;
	return err ? err : (int)verdict;
}

static bool dropped(const struct frame *frame)
{
	int verdict = run(frame);

	cr_assert(verdict == TC_ACT_SHOT || verdict == TC_ACT_UNSPEC, "verdict %d", verdict);
	return verdict == TC_ACT_SHOT;
}

static void put16(struct frame *frame, uint32_t at, uint16_t value)
{
	frame->b[at] = (uint8_t)(value >> 8);
	frame->b[at + 1] = (uint8_t)value;
}

/* Ethernet, `tags` VLAN tags of id `vid`; returns where the network header goes. */
static uint32_t put_link(struct frame *frame, uint16_t type, int tags, uint16_t vid)
{
	uint32_t at = 12;

	memset(frame, 0, sizeof(*frame));
	for (int i = tags; i > 0; i--) {
		put16(frame, at, i == 2 ? 0x88a8 : 0x8100);
		put16(frame, at + 2, vid);
		at += 4;
	}
	put16(frame, at, type);
	return at + 2;
}

static uint32_t put_ports(struct frame *frame, uint32_t at, uint16_t port)
{
	put16(frame, at, 40000);
	put16(frame, at + 2, port);
	frame->len = at + 20;
	return at;
}

static struct frame make_v4(uint8_t proto, const char *to, uint16_t port, int words, int tags,
			    uint16_t vid)
{
	struct s7_ip dst = ip(to);
	struct frame frame;
	uint32_t at = put_link(&frame, 0x0800, tags, vid);

	frame.b[at] = (uint8_t)(0x40 | words);
	put16(&frame, at + 2, (uint16_t)(words * 4 + 20));
	frame.b[at + 8] = 64;
	frame.b[at + 9] = proto;
	memcpy(&frame.b[at + 12], "\x0a\x4d\x00\x02", 4);
	memcpy(&frame.b[at + 16], &dst.b[12], 4);
	put_ports(&frame, at + (uint32_t)words * 4, port);
	return frame;
}

static struct frame v4(uint8_t proto, const char *to, uint16_t port)
{
	return make_v4(proto, to, port, 5, 0, 0);
}

/* Extension headers as given: `ext` is their bytes, the last one names proto. */
static struct frame make_v6(uint8_t next, const char *to, uint16_t port, const uint8_t *ext,
			    uint32_t ext_len)
{
	struct s7_ip dst = ip(to);
	struct frame frame;
	uint32_t at = put_link(&frame, 0x86dd, 0, 0);

	frame.b[at] = 0x60;
	put16(&frame, at + 4, (uint16_t)(ext_len + 20));
	frame.b[at + 6] = next;
	frame.b[at + 7] = 64;
	memcpy(&frame.b[at + 24], dst.b, 16);
	if (ext_len)
		memcpy(&frame.b[at + 40], ext, ext_len);
	put_ports(&frame, at + 40 + ext_len, port);
	return frame;
}

static struct frame v6(uint8_t proto, const char *to, uint16_t port)
{
	return make_v6(proto, to, port, NULL, 0);
}

#define EXPECT_DROP(f) \
	do { \
		struct frame f_ = (f); \
		cr_expect(dropped(&f_), "%s passed", #f); \
	} while (0)
#define EXPECT_PASS(f) \
	do { \
		struct frame f_ = (f); \
		cr_expect(!dropped(&f_), "%s dropped", #f); \
	} while (0)

Test(kern_prog, exact_endpoint_matches_protocol_address_and_port)
{
	load(false);
	own(IPPROTO_TCP, "10.77.0.1", 80);
	own(IPPROTO_UDP, "fd77::1", 53);
	EXPECT_DROP(v4(IPPROTO_TCP, "10.77.0.1", 80));
	EXPECT_PASS(v4(IPPROTO_UDP, "10.77.0.1", 80));
	EXPECT_PASS(v4(IPPROTO_TCP, "10.77.0.1", 81));
	EXPECT_PASS(v4(IPPROTO_TCP, "10.77.0.1", 20480)); /* 80 with its bytes swapped */
	EXPECT_PASS(v4(IPPROTO_TCP, "10.77.0.2", 80));
	EXPECT_DROP(v6(IPPROTO_UDP, "fd77::1", 53));
	EXPECT_PASS(v6(IPPROTO_TCP, "fd77::1", 53));
	EXPECT_PASS(v6(IPPROTO_UDP, "fd77::2", 53));
	EXPECT_PASS(v6(IPPROTO_UDP, "::ffff:10.77.0.1", 80));
}

Test(kern_prog, other_protocols_pass)
{
	load(false);
	for (int proto = 0; proto < 256; proto++) {
		if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
			continue;
		own((uint8_t)(proto % 2 ? IPPROTO_TCP : IPPROTO_UDP), "10.77.0.1", 80);
		EXPECT_PASS(v4((uint8_t)proto, "10.77.0.1", 80));
		EXPECT_PASS(v6((uint8_t)proto, "fd77::1", 80));
	}
}

Test(kern_prog, wildcards_are_of_one_family)
{
	load(false);
	own(IPPROTO_TCP, "0.0.0.0", 80);
	own(IPPROTO_TCP, "::", 443);
	EXPECT_DROP(v4(IPPROTO_TCP, "127.0.0.1", 80));
	EXPECT_PASS(v6(IPPROTO_TCP, "::1", 80));
	EXPECT_DROP(v6(IPPROTO_TCP, "::1", 443));
	EXPECT_PASS(v4(IPPROTO_TCP, "127.0.0.1", 443));
	EXPECT_PASS(v4(IPPROTO_UDP, "127.0.0.1", 80));
}

Test(kern_prog, broadcast_needs_a_wildcard_or_its_own_entry)
{
	struct frame frame;

	load(false);
	own(IPPROTO_UDP, "10.77.0.1", 68);
	frame = v4(IPPROTO_UDP, "255.255.255.255", 68);
	memset(frame.b, 0xff, 6);
	cr_expect(!dropped(&frame));
	own(IPPROTO_UDP, "0.0.0.0", 68);
	cr_expect(dropped(&frame));
	frame = v4(IPPROTO_UDP, "224.0.0.251", 5353);
	memcpy(frame.b, "\x01\x00\x5e\x00\x00\xfb", 6);
	cr_expect(!dropped(&frame));
	own(IPPROTO_UDP, "224.0.0.251", 5353);
	cr_expect(dropped(&frame));
}

Test(kern_prog, frames_for_another_station_pass)
{
	struct frame frame;

	load(false);
	own(IPPROTO_TCP, "10.77.0.1", 80);
	frame = v4(IPPROTO_TCP, "10.77.0.1", 80);
	memcpy(frame.b, "\x02\x99\x00\x00\x00\x01", 6);
	cr_expect(!dropped(&frame));
}

Test(kern_prog, ipv4_options_move_the_ports)
{
	load(false);
	own(IPPROTO_TCP, "10.77.0.1", 80);
	for (int words = 5; words < 16; words++)
		EXPECT_DROP(make_v4(IPPROTO_TCP, "10.77.0.1", 80, words, 0, 0));
	EXPECT_PASS(make_v4(IPPROTO_TCP, "10.77.0.1", 81, 15, 0, 0));
}

Test(kern_prog, vlan_tags)
{
	load(false);
	own(IPPROTO_TCP, "10.77.0.1", 80);
	own(IPPROTO_TCP, "0.0.0.0", 81);
	for (int tags = 1; tags <= 2; tags++) {
		EXPECT_DROP(make_v4(IPPROTO_TCP, "10.77.0.1", 80, 5, tags, 10));
		EXPECT_PASS(make_v4(IPPROTO_TCP, "10.77.0.1", 82, 5, tags, 10));
		EXPECT_DROP(make_v4(IPPROTO_TCP, "127.0.0.1", 81, 5, tags, 0));
		EXPECT_DROP(make_v4(IPPROTO_TCP, "127.0.0.1", 81, 5, tags,
				    0xe000)); /* priority 7, id 0 */
		EXPECT_PASS(make_v4(IPPROTO_TCP, "127.0.0.1", 81, 5, tags, 10));
	}
	EXPECT_PASS(make_v4(IPPROTO_TCP, "10.77.0.1", 80, 5, 3, 10));
}

Test(kern_prog, ipv4_first_fragment_matches_the_others_pass)
{
	struct frame frame;

	load(false);
	own(IPPROTO_UDP, "10.77.0.1", 53);
	frame = v4(IPPROTO_UDP, "10.77.0.1", 53);
	put16(&frame, 14 + 6, 0x2000);
	cr_expect(dropped(&frame), "first");
	put16(&frame, 14 + 6, 0x4000);
	cr_expect(dropped(&frame), "don't fragment");
	put16(&frame, 14 + 6, 0x2001);
	cr_expect(!dropped(&frame), "middle");
	put16(&frame, 14 + 6, 0x1fff);
	cr_expect(!dropped(&frame), "last");
	put16(&frame, 14 + 6, 0x0100);
	cr_expect(!dropped(&frame), "offset in the upper byte");
}

Test(kern_prog, ipv6_extension_headers)
{
	static const uint8_t hop[8] = { IPPROTO_TCP, 0 }, hop_long[24] = { IPPROTO_TCP, 2 };
	static const uint8_t on_the_way[8] = { IPPROTO_TCP, 0, 4, 1 };
	static const uint8_t first[8] = { IPPROTO_TCP, 0, 0, 1 },
			     later[8] = { IPPROTO_TCP, 0, 0, 8 };
	static const uint8_t chain[16] = { IPPROTO_FRAGMENT, 0, 0, 0, 0, 0, 0, 0,
					   IPPROTO_TCP,	     0, 0, 1 };
	static const uint8_t endless[40] = {
		[0] = 60, [8] = 60, [16] = 60, [24] = 60, [32] = IPPROTO_TCP
	};

	load(false);
	own(IPPROTO_TCP, "fd77::1", 80);
	EXPECT_DROP(make_v6(IPPROTO_HOPOPTS, "fd77::1", 80, hop, 8));
	EXPECT_DROP(make_v6(IPPROTO_DSTOPTS, "fd77::1", 80, hop_long, 24));
	EXPECT_DROP(make_v6(IPPROTO_ROUTING, "fd77::1", 80, hop, 8));
	EXPECT_PASS(make_v6(IPPROTO_ROUTING, "fd77::1", 80, on_the_way, 8));
	EXPECT_DROP(make_v6(IPPROTO_FRAGMENT, "fd77::1", 80, first, 8));
	EXPECT_PASS(make_v6(IPPROTO_FRAGMENT, "fd77::1", 80, later, 8));
	EXPECT_DROP(make_v6(IPPROTO_DSTOPTS, "fd77::1", 80, chain, 16));
	EXPECT_PASS(make_v6(IPPROTO_DSTOPTS, "fd77::1", 80, endless, 40));
	EXPECT_PASS(make_v6(IPPROTO_NONE, "fd77::1", 80, NULL, 0));
}

Test(kern_prog, malformed_ipv4_passes)
{
	struct frame good, frame;

	load(false);
	own(IPPROTO_TCP, "10.77.0.1", 80);
	good = v4(IPPROTO_TCP, "10.77.0.1", 80);
	for (int words = 0; words < 5; words++) {
		frame = good;
		frame.b[14] = (uint8_t)(0x40 | words);
		cr_expect(!dropped(&frame), "header of %d words", words);
	}
	for (int version = 0; version < 16; version++) {
		frame = good;
		frame.b[14] = (uint8_t)(version << 4 | 5);
		cr_expect(dropped(&frame) == (version == 4), "version %d", version);
	}
	for (uint16_t total = 0; total < 28; total++) {
		frame = good;
		put16(&frame, 16, total);
		cr_expect(!dropped(&frame), "total length %u", total);
	}
}

/* A frame cut anywhere before its ports passes; none is read beyond its end. */
Test(kern_prog, short_frames_pass)
{
	struct frame frame;

	load(false);
	own(IPPROTO_TCP, "10.77.0.1", 80);
	own(IPPROTO_TCP, "0.0.0.0", 0);
	own(IPPROTO_TCP, "fd77::1", 80);
	frame = v4(IPPROTO_TCP, "10.77.0.1", 80);
	for (frame.len = 14; frame.len < 14 + 20 + 4; frame.len++)
		cr_expect(!dropped(&frame), "IPv4 cut to %u", frame.len);
	cr_expect(dropped(&frame));
	frame = make_v4(IPPROTO_TCP, "10.77.0.1", 80, 15, 2, 10);
	for (frame.len = 14; frame.len < 22 + 60 + 4; frame.len++)
		cr_expect(!dropped(&frame), "tagged IPv4 cut to %u", frame.len);
	cr_expect(dropped(&frame));
	frame = v6(IPPROTO_TCP, "fd77::1", 80);
	for (frame.len = 14; frame.len < 14 + 40 + 4; frame.len++)
		cr_expect(!dropped(&frame), "IPv6 cut to %u", frame.len);
	cr_expect(dropped(&frame));
}

/*
 * What the program must decide, written a second time and plainly. IPv4 and untagged only, exact
 * keys only.
 */
static bool should_drop(const struct frame *frame)
{
	const uint8_t *b = frame->b;
	uint32_t words = b[14] & 0xf, at = 14 + words * 4, total = (uint32_t)b[16] << 8 | b[17];

	return frame->len >= 34 && b[12] == 8 && b[13] == 0 && b[14] >> 4 == 4 && words >= 5 &&
		total >= words * 4 + 8 && (b[20] & 0x1f) == 0 && b[21] == 0 &&
		b[23] == IPPROTO_TCP && memcmp(&b[30], "\x0a\x4d\x00\x01", 4) == 0 &&
		frame->len >= at + 4 && b[at + 2] == 0 && b[at + 3] == 80;
}

Test(kern_prog, random_damage_never_drops_a_stranger)
{
	uint32_t drops = 0;

	load(false);
	own(IPPROTO_TCP, "10.77.0.1", 80);
	srand(7);
	for (int i = 0; i < 20000; i++) {
		struct frame frame = make_v4(IPPROTO_TCP, "10.77.0.1", 80, 5 + rand() % 3, 0, 0);

		for (int n = rand() % 4; n > 0; n--)
			frame.b[14 + rand() % 40] = (uint8_t)rand();
		if (rand() % 4 == 0)
			frame.len = 15 + (uint32_t)rand() % (frame.len - 15);
		cr_assert(dropped(&frame) == should_drop(&frame), "frame %d", i);
		drops += should_drop(&frame);
	}
	cr_expect(drops > 2000 && drops < 18000, "%u: the test tests nothing", drops);
}

Test(kern_prog, stale_heartbeat_passes_everything)
{
	struct frame frame;
	uint32_t slot = 0;
	s7_time beat;

	load(true);
	own(IPPROTO_TCP, "10.77.0.1", 80);
	frame = v4(IPPROTO_TCP, "10.77.0.1", 80);
	beat = clock_now();
	cr_assert(bpf_map_put(bpf.beat, &slot, &beat) == 0);
	cr_expect(dropped(&frame));
	beat = clock_now() - SILENCER_STALE_NS - 1;
	cr_assert(bpf_map_put(bpf.beat, &slot, &beat) == 0);
	cr_expect(!dropped(&frame));
	beat = 0;
	cr_assert(bpf_map_put(bpf.beat, &slot, &beat) == 0);
	cr_expect(!dropped(&frame));
}

Test(kern_prog, costs_are_bounded)
{
	static const struct { const char *what, *to; uint16_t port; } rows[] = {
		{ "not owned", "127.0.0.1", 22 }, { "owned, exact", "127.0.0.1", 80 },
		{ "owned, any", "127.0.0.1", 81 },
	};

	load(false);
	own(IPPROTO_TCP, "127.0.0.1", 80);
	own(IPPROTO_TCP, "0.0.0.0", 81);
	for (size_t i = 0; i < S7_ARRAY_LEN(rows); i++) {
		struct frame frame = v4(IPPROTO_TCP, rows[i].to, rows[i].port);
		uint32_t verdict, ns;

		cr_assert(test_run(&frame, 200000, &verdict, &ns) == 0);
		cr_log_info("%s: %u ns a frame", rows[i].what, ns);
		cr_expect(ns < 5000, "%s: %u ns", rows[i].what, ns);
	}
}

/* ---- the rest of a port ---- */

/* A connection of the kernel's at `addr` of lo: the descriptors of both ends and the listener. */
struct connection {
	int listener, client, server;
	uint16_t port, from;
};

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 name;
	socklen_t len = sizeof(name);

	cr_assert(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
	return ntohs(name.sin6_port); /* where sockaddr_in has it too */
}

static struct connection connect_kernel(int family)
{
	struct sockaddr_in6 at6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_in at4 = { .sin_family = AF_INET, .sin_addr = { htonl(0x7f000001) } };
	struct sockaddr *at = family == AF_INET ? (void *)&at4 : (void *)&at6;
	socklen_t len = family == AF_INET ? sizeof(at4) : sizeof(at6);
	struct connection c;

	c.listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c.client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(bind(c.listener, at, len) == 0 && listen(c.listener, 1) == 0);
	cr_assert(getsockname(c.listener, at, &len) == 0);
	cr_assert(connect(c.client, at, len) == 0);
	c.server = accept(c.listener, NULL, NULL);
	cr_assert(c.server >= 0);
	c.port = port_of(c.listener);
	c.from = port_of(c.client);
	return c;
}

static void disconnect(const struct connection *c)
{
	close(c->server);
	close(c->client);
	close(c->listener);
}

/* The frame as lo would carry it, from this port, with these TCP flags. */
static struct frame from_lo(struct frame frame, uint16_t from, uint8_t flags)
{
	bool is_v4 = frame.b[12] == 0x08;
	uint32_t l4 = is_v4 ? 14 + 20 : 14 + 40;

	if (is_v4)
		memcpy(&frame.b[14 + 12], "\x7f\x00\x00\x01", 4);
	else
		memcpy(&frame.b[14 + 8], &in6addr_loopback, 16);
	put16(&frame, l4, from);
	frame.b[l4 + 12] = 0x50;
	frame.b[l4 + 13] = flags;
	return frame;
}

static void own_rest(uint8_t proto, const char *addr, uint16_t port)
{
	struct kern_silencer s = { .map_fd = bpf.map };
	struct s7_ip where = ip(addr);

	cr_assert(silencer_own_rest(&s, proto, &where, port) == 0);
}

static void rest_of(const char *owned, struct frame frame, const struct connection *c)
{
	enum { FIN = 1, SYN = 2, ACK = 16 };

	own(IPPROTO_TCP, owned, c->port);
	EXPECT_DROP(from_lo(frame, c->from, ACK));
	EXPECT_DROP(from_lo(frame, c->from, SYN));
	own_rest(IPPROTO_TCP, owned, c->port);
	EXPECT_PASS(from_lo(frame, c->from, ACK));
	EXPECT_PASS(from_lo(frame, c->from, FIN | ACK));
	EXPECT_PASS(from_lo(frame, 9, SYN));
	EXPECT_DROP(from_lo(frame, 9, ACK));
	EXPECT_DROP(from_lo(frame, 9, SYN | ACK));
	own(IPPROTO_TCP, owned, c->port);
	EXPECT_DROP(from_lo(frame, c->from, ACK));
}

Test(kern_prog, the_rest_of_a_port)
{
	struct connection c4 = connect_kernel(AF_INET), c6 = connect_kernel(AF_INET6);

	load(false);
	rest_of("127.0.0.1", v4(IPPROTO_TCP, "127.0.0.1", c4.port), &c4);
	rest_of("::1", v6(IPPROTO_TCP, "::1", c6.port), &c6);
	own_rest(IPPROTO_UDP, "127.0.0.1", 7);
	EXPECT_DROP(v4(IPPROTO_UDP, "127.0.0.1", 7));
	disconnect(&c4);
	disconnect(&c6);
}

Test(kern_prog, the_rest_of_a_wildcard)
{
	struct connection c4 = connect_kernel(AF_INET);

	load(true);
	bpf_map_put(bpf.beat, &(uint32_t){ 0 }, &(s7_time){ clock_now() });
	rest_of("0.0.0.0", v4(IPPROTO_TCP, "127.0.0.1", c4.port), &c4);
	disconnect(&c4);
}
