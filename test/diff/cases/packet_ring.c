// SPDX-License-Identifier: BSD-3-Clause
/* packet_ring.c - PACKET_RX_RING and PACKET_TX_RING in all versions, and PACKET_FANOUT, on lo */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>

#include "test/diff/diff.h"

#define LO 1
#define TYPE_TEST 0x88b5
#define BLOCK 4096
#define STATUS (~(TP_STATUS_TS_SOFTWARE | TP_STATUS_TS_RAW_HARDWARE))

static int tap(int type, int proto)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons((uint16_t)proto),
				  .sll_ifindex = LO };
	int fd = socket(AF_PACKET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		say("tap: %s", err_name(errno));
	nonblock(fd);
	return fd;
}

static void send_test(int fd, size_t len)
{
	static unsigned char frame[2000] = { [12] = TYPE_TEST >> 8, [13] = TYPE_TEST & 255 };

	for (size_t i = 14; i < len; i++)
		frame[i] = (unsigned char)i;
	if (send(fd, frame, len, 0) != (ssize_t)len)
		say("send %zu: %s", len, err_name(errno));
}

static int ring(int fd, int opt, unsigned int block, unsigned int blocks, unsigned int frame,
		unsigned int frames)
{
	struct tpacket_req req = { block, blocks, frame, frames };

	return setsockopt(fd, SOL_PACKET, opt, &req, sizeof(req));
}

static int ring3(int fd, unsigned int block, unsigned int blocks, unsigned int priv,
		 unsigned int tov)
{
	struct tpacket_req3 req = { block, blocks, 2048, block / 2048 * blocks, tov, priv, 0 };

	return setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req));
}

static void say_ll(const void *at)
{
	const struct sockaddr_ll *ll = at;

	say("  family %u proto %04x if %d hatype %u type %u halen %u", ll->sll_family,
	    ntohs(ll->sll_protocol), ll->sll_ifindex, ll->sll_hatype, ll->sll_pkttype,
	    ll->sll_halen);
}

CASE(packet_ring_errors)
{
	static const unsigned int tries[][4] = {
		{ 4096, 1, 2048, 2 },	 { 0, 1, 2048, 2 },	  { 4095, 1, 2048, 1 },
		{ 4096, 1, 2040, 2 },	 { 4096, 1, 48, 85 },	  { 4096, 1, 64, 64 },
		{ 4096, 1, 32, 128 },	 { 4096, 1, 4112, 1 },	  { 4096, 1, 2048, 3 },
		{ 4096, 0, 2048, 2 },	 { 0, 0, 0, 0 },	  { 0, 0, 0, 1 },
		{ 0x80000000u, 1, 2048, 1048576 }, { 4096, 0x80000000u, 2048, 0 },
	};

	for (int version = TPACKET_V1; version <= TPACKET_V3; version++) {
		for (size_t i = 0; i < COUNT(tries); i++) {
			int fd = tap(SOCK_RAW, TYPE_TEST);
			struct tpacket_req3 req = { tries[i][0], tries[i][1], tries[i][2],
						    tries[i][3], 0, 0, 0 };

			set_int(fd, SOL_PACKET, PACKET_VERSION, version);
			say("version %d try %zu", version, i);
			T(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)));
			T(setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)));
			T(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, 15));
			T(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, 16));
			close(fd);
		}
	}
}

CASE(packet_ring_states)
{
	int fd = tap(SOCK_RAW, TYPE_TEST);
	char *map;

	T(set_int(fd, SOL_PACKET, PACKET_VERSION, 7));
	T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2));
	T(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	say("%s", err_name(errno));
	T(ring(fd, PACKET_RX_RING, BLOCK, 2, 2048, 4));
	T(ring(fd, PACKET_RX_RING, BLOCK, 2, 2048, 4));
	T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V1));
	T(set_int(fd, SOL_PACKET, PACKET_RESERVE, 16));
	T(get_int(fd, SOL_PACKET, PACKET_VERSION));
	T(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	say("%s", err_name(errno));
	T(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096) == MAP_FAILED);
	say("%s", err_name(errno));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	T(map == MAP_FAILED);
	T(ring(fd, PACKET_RX_RING, 0, 0, 0, 0));
	T(munmap(map, 8192));
	T(ring(fd, PACKET_RX_RING, 0, 0, 0, 0));
	T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V1));
	T(ring(fd, PACKET_RX_RING, BLOCK, 2, 2048, 4));
	T(ring(fd, PACKET_TX_RING, BLOCK, 1, 2048, 2));
	map = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	T(map == MAP_FAILED);
	T(munmap(map, 12288));
}

static void say_v1(const struct tpacket_hdr *h)
{
	say("status %lx len %u snap %u mac %u net %u", h->tp_status & STATUS, h->tp_len,
	    h->tp_snaplen, h->tp_mac, h->tp_net);
	say_ll((const char *)h + TPACKET_ALIGN(sizeof(*h)));
	say_bytes("  data", (const char *)h + h->tp_mac, h->tp_snaplen < 20 ? h->tp_snaplen : 20);
}

static void say_v2(const struct tpacket2_hdr *h)
{
	say("status %x len %u snap %u mac %u net %u vlan %x %x", h->tp_status & STATUS, h->tp_len,
	    h->tp_snaplen, h->tp_mac, h->tp_net, h->tp_vlan_tci, h->tp_vlan_tpid);
	say_ll((const char *)h + TPACKET_ALIGN(sizeof(*h)));
	say_bytes("  data", (const char *)h + h->tp_mac, h->tp_snaplen < 20 ? h->tp_snaplen : 20);
}

static void slots(int version, int type, int reserve)
{
	int fd = tap(type, TYPE_TEST), from = tap(SOCK_RAW, 0);
	char *map;

	say("version %d type %d reserve %d", version, type, reserve);
	T(set_int(fd, SOL_PACKET, PACKET_VERSION, version));
	T(set_int(fd, SOL_PACKET, PACKET_RESERVE, reserve));
	T(ring(fd, PACKET_RX_RING, BLOCK, 2, 1024, 8));
	map = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	say_poll("empty", fd, 0);
	send_test(from, 60);
	send_test(from, 1500);
	settle();
	say_poll("two frames", fd, 0);
	for (int i = 0; i < 3; i++) {
		if (version == TPACKET_V1)
			say_v1((void *)(map + 1024 * i));
		else
			say_v2((void *)(map + 1024 * i));
	}
	T(recv(fd, map, 10, 0)); /* nothing is queued beside the ring */
	memset(map, 0, 2 * BLOCK);
	say_poll("given back", fd, 0);
	munmap(map, 2 * BLOCK);
	close(fd);
	close(from);
}

CASE(packet_ring_v1)
{
	slots(TPACKET_V1, SOCK_RAW, 0);
	slots(TPACKET_V1, SOCK_DGRAM, 0);
	slots(TPACKET_V1, SOCK_RAW, 20);
}

CASE(packet_ring_v2)
{
	slots(TPACKET_V2, SOCK_RAW, 0);
	slots(TPACKET_V2, SOCK_DGRAM, 4);
	slots(TPACKET_V2, SOCK_RAW, 64);
}

CASE(packet_ring_full)
{
	int fd = tap(SOCK_RAW, TYPE_TEST), from = tap(SOCK_RAW, 0);
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);
	struct tpacket2_hdr *h;
	char *map;

	T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2));
	T(ring(fd, PACKET_RX_RING, BLOCK, 1, 2048, 2));
	map = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	for (int i = 0; i < 5; i++)
		send_test(from, 60 + (size_t)i);
	settle();
	h = (void *)map;
	say_v2(h);
	h->tp_status = TP_STATUS_KERNEL;
	send_test(from, 80);
	settle();
	say_v2(h);
	T(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	say("%u %u", stats.tp_packets, stats.tp_drops);
}

CASE(packet_ring_copy)
{
	int fd = tap(SOCK_RAW, TYPE_TEST), from = tap(SOCK_RAW, 0);
	char *map, buf[2000];

	T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2));
	T(set_int(fd, SOL_PACKET, PACKET_COPY_THRESH, 1));
	T(ring(fd, PACKET_RX_RING, BLOCK, 1, 512, 8));
	map = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	send_test(from, 1000);
	send_test(from, 100);
	settle();
	say_v2((void *)map);
	say_v2((void *)(map + 512));
	T(recv(fd, buf, sizeof(buf), 0));
	T(recv(fd, buf, sizeof(buf), 0));
}

static void say_block(struct tpacket_block_desc *b)
{
	struct tpacket_hdr_v1 *h = &b->hdr.bh1;
	struct tpacket3_hdr *p = (void *)((char *)b + h->offset_to_first_pkt);

	say("block: version %u priv at %u status %x frames %u first %u len %u number %llu",
	    b->version, b->offset_to_priv, h->block_status, h->num_pkts, h->offset_to_first_pkt,
	    h->blk_len, (unsigned long long)h->seq_num);
	for (unsigned int i = 0; i < h->num_pkts && h->block_status; i++) {
		say(" frame: next %u status %x len %u snap %u mac %u net %u vlan %x %x",
		    p->tp_next_offset, p->tp_status & STATUS, p->tp_len, p->tp_snaplen, p->tp_mac,
		    p->tp_net, p->hv1.tp_vlan_tci, p->hv1.tp_vlan_tpid);
		say_ll((char *)p + TPACKET_ALIGN(sizeof(*p)));
		p = (void *)((char *)p + p->tp_next_offset);
	}
}

static void say_readable(const char *text, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	say("%s: %d", text, poll(&pfd, 1, 2000));
}

static void blocks(int type, unsigned int priv)
{
	int fd = tap(type, TYPE_TEST), from = tap(SOCK_RAW, 0);
	struct tpacket_stats_v3 stats;
	socklen_t len = sizeof(stats);
	char *map;

	say("type %d priv %u", type, priv);
	T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V3));
	T(ring3(fd, BLOCK, 2, priv, 60));
	map = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	say_poll("empty", fd, 0);
	send_test(from, 60);
	send_test(from, 1001);
	say_readable("its time is over", fd);
	say_block((void *)map);
	say_block((void *)(map + BLOCK));
	for (int i = 0; i < 8; i++)
		send_test(from, 1400);
	say_poll("full", fd, 0);
	settle();
	T(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	say("%u %u %u", stats.tp_packets, stats.tp_drops, stats.tp_freeze_q_cnt);
	((struct tpacket_block_desc *)map)->hdr.bh1.block_status = 0;
	((struct tpacket_block_desc *)(map + BLOCK))->hdr.bh1.block_status = 0;
	send_test(from, 100);
	say_readable("goes on", fd);
	say_block((void *)map);
	munmap(map, 2 * BLOCK);
	close(fd);
	close(from);
}

CASE(packet_ring_v3)
{
	blocks(SOCK_RAW, 0);
	blocks(SOCK_DGRAM, 13);
}

CASE(packet_tx_ring)
{
	int fd = tap(SOCK_RAW, 0), to = tap(SOCK_RAW, TYPE_TEST);
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE_TEST),
				  .sll_ifindex = LO, .sll_halen = 6 };
	char *map, buf[2000];

	T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2));
	T(ring(fd, PACKET_TX_RING, BLOCK, 1, 1024, 4));
	map = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	T(send(fd, NULL, 0, 0));
	for (int i = 0; i < 3; i++) {
		struct tpacket2_hdr *h = (void *)(map + 1024 * i);
		char *data = map + 1024 * i + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);

		data[12] = (char)(TYPE_TEST >> 8);
		data[13] = (char)(TYPE_TEST & 255);
		h->tp_len = i == 2 ? 1000 : 60u + (unsigned int)i; /* the last does not fit */
		h->tp_status = TP_STATUS_SEND_REQUEST;
	}
	T(sendto(fd, NULL, 0, 0, (struct sockaddr *)&ll, sizeof(ll)));
	settle();
	for (int i = 0; i < 4; i++)
		say("status %x", ((struct tpacket2_hdr *)(void *)(map + 1024 * i))->tp_status);
	T(recv(to, buf, sizeof(buf), 0));
	T(recv(to, buf, sizeof(buf), 0));
	T(recv(to, buf, sizeof(buf), 0));
}

/* ---- fanout ---- */

static int fanout(int fd, int id, int type)
{
	int arg = id | type << 16;

	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &arg, sizeof(arg));
}

static int count(int fd)
{
	char buf[100];
	int n = 0;

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		n++;
	return n;
}

CASE(packet_fanout_errors)
{
	int fd = tap(SOCK_RAW, TYPE_TEST), other = tap(SOCK_RAW, ETH_P_IP), arg = 0;
	int idle = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_ifindex = LO };

	T(fanout(idle, 1, PACKET_FANOUT_HASH));
	T(fanout(fd, 1, 99));
	T(fanout(fd, 1, PACKET_FANOUT_ROLLOVER | PACKET_FANOUT_FLAG_ROLLOVER));
	T(fanout(fd, 1, PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID));
	T(setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &arg, 3));
	T(get_int(fd, SOL_PACKET, PACKET_FANOUT));
	T(fanout(fd, 7, PACKET_FANOUT_LB));
	T(fanout(fd, 7, PACKET_FANOUT_LB));
	T(get_int(fd, SOL_PACKET, PACKET_FANOUT));
	T(fanout(other, 7, PACKET_FANOUT_LB)); /* another protocol */
	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	close(other);
	other = tap(SOCK_RAW, TYPE_TEST);
	T(fanout(other, 7, PACKET_FANOUT_HASH));
	T(fanout(other, 7, PACKET_FANOUT_LB | PACKET_FANOUT_FLAG_ROLLOVER));
	T(fanout(other, 7, PACKET_FANOUT_LB));
}

static void share(const char *name, int type)
{
	int fds[3], from = tap(SOCK_RAW, 0), counts[3], sum = 0;

	for (int i = 0; i < 3; i++) {
		fds[i] = tap(SOCK_RAW, TYPE_TEST);
		say("%s: %s", name, fanout(fds[i], 3, type) ? err_name(errno) : "joined");
	}
	for (int i = 0; i < 6; i++)
		send_test(from, 60);
	settle();
	for (int i = 0; i < 3; i++)
		sum += counts[i] = count(fds[i]);
	say("%s: %d in all", name, sum);
	if (type == PACKET_FANOUT_LB)
		say("each: %d %d %d", counts[0], counts[1], counts[2]);
	if (type == PACKET_FANOUT_HASH)
		say("one has all: %d", counts[0] == sum || counts[1] == sum || counts[2] == sum);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(from);
}

CASE(packet_fanout)
{
	share("hash", PACKET_FANOUT_HASH);
	share("in turn", PACKET_FANOUT_LB);
	share("cpu", PACKET_FANOUT_CPU);
	share("at random", PACKET_FANOUT_RND);
	share("rollover", PACKET_FANOUT_ROLLOVER);
	share("queue", PACKET_FANOUT_QM);
}
