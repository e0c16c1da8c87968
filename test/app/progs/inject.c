// SPDX-License-Identifier: BSD-3-Clause
/*
 * inject.c - frames that no decent host sends, for test/app/hostile.sh
 *
 * inject DEVICE SERVER-MAC SERVER-IP OWN-IP SCENARIO [COUNT]. Everything goes out of a packet
 * socket; numbers come from a fixed seed, so that a run can be repeated. Scenarios that need a
 * connection play a host of their own (GHOST), whose address the client's kernel does not have, so
 * that nobody resets what they open.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GHOST 0x0a4d00c8u /* 10.77.0.200 */
#define HTTP 80
#define REDIS 6379
#define UDP_PORT 9000
#define FRAME 1514
#define FIN 1
#define SYN 2
#define RST 4
#define PSH 8
#define ACK 16

static int sock;
static struct sockaddr_ll link_addr;
static uint8_t my_mac[6], server_mac[6];
static uint32_t server_ip, own_ip; /* host order */
static long count_wanted;
static uint64_t seed = 88172645463325252ull;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

static long how_many(long deflt)
{
	return count_wanted ? count_wanted : deflt;
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t sum(const uint8_t *at, size_t len, uint32_t s)
{
	for (size_t i = 0; i < len; i++)
		s += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void frame_send(const uint8_t *frame, size_t len)
{
	while (sendto(sock, frame, len, 0, (struct sockaddr *)&link_addr, sizeof(link_addr)) < 0)
		usleep(100);
}

/* ---- building ---- */

struct pkt {
	uint32_t src, dst;
	uint8_t proto, tos, ttl, flags;
	uint16_t sport, dport, id, frag;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t opts[40];
	size_t opt_len;
	const void *data;
	size_t len;
	bool bad_ip_sum, bad_l4_sum;
};

static struct pkt pkt_to(uint8_t proto, uint16_t port)
{
	return (struct pkt){ .src = own_ip, .dst = server_ip, .proto = proto, .ttl = 64,
			     .sport = (uint16_t)(1024 + rnd() % 60000), .dport = port, .seq = rnd(),
			     .id = (uint16_t)rnd(), .window = 65535, .flags = SYN };
}

static void eth_fill(uint8_t *f, uint16_t type)
{
	memcpy(f, server_mac, 6);
	memcpy(f + 6, my_mac, 6);
	put16(f + 12, type);
}

/* IP header and checksum before `len` bytes of transport at f + 34. */
static size_t ip_fill(uint8_t *f, const struct pkt *p, size_t len)
{
	uint8_t *ip = f + 14;

	eth_fill(f, ETHERTYPE_IP);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = p->tos;
	put16(ip + 2, (uint32_t)(20 + len));
	put16(ip + 4, p->id);
	put16(ip + 6, p->frag);
	ip[8] = p->ttl;
	ip[9] = p->proto;
	put32(ip + 12, p->src);
	put32(ip + 16, p->dst);
	put16(ip + 10, fold(sum(ip, 20, 0)) ^ (p->bad_ip_sum ? 0x5555 : 0));
	return 34 + len;
}

static void l4_sum(uint8_t *l4, size_t len, const struct pkt *p, size_t at)
{
	uint32_t s = (p->src >> 16) + (p->src & 0xffff) + (p->dst >> 16) + (p->dst & 0xffff) +
		     p->proto + (uint32_t)len;

	put16(l4 + at, 0);
	put16(l4 + at, fold(sum(l4, len, s)) ^ (p->bad_l4_sum ? 0x5555 : 0));
}

static size_t build(uint8_t *f, const struct pkt *p)
{
	uint8_t *l4 = f + 34;
	size_t head;

	if (p->proto == IPPROTO_TCP) {
		head = 20 + p->opt_len;
		put16(l4, p->sport);
		put16(l4 + 2, p->dport);
		put32(l4 + 4, p->seq);
		put32(l4 + 8, p->ack);
		l4[12] = (uint8_t)(head / 4 << 4);
		l4[13] = p->flags;
		put16(l4 + 14, p->window);
		put16(l4 + 18, 0);
		memcpy(l4 + 20, p->opts, p->opt_len);
	} else if (p->proto == IPPROTO_UDP) {
		head = 8;
		put16(l4, p->sport);
		put16(l4 + 2, p->dport);
		put16(l4 + 4, (uint32_t)(8 + p->len));
	} else {
		head = 0;
	}
	if (p->len)
		memcpy(l4 + head, p->data, p->len);
	if (p->proto == IPPROTO_TCP)
		l4_sum(l4, head + p->len, p, 16);
	else if (p->proto == IPPROTO_UDP)
		l4_sum(l4, head + p->len, p, 6);
	else if (p->proto == IPPROTO_ICMP) {
		put16(l4 + 2, 0);
		put16(l4 + 2, fold(sum(l4, p->len, 0)) ^ (p->bad_l4_sum ? 0x5555 : 0));
	}
	return ip_fill(f, p, head + p->len);
}

static void pkt_send(const struct pkt *p)
{
	uint8_t f[FRAME + 100];

	frame_send(f, build(f, p));
}

/* ---- receiving, as GHOST ---- */

static void ghost_arp(const uint8_t *f)
{
	uint8_t r[60] = { 0 };

	if (get32(f + 38) != GHOST || f[21] != 1)
		return;
	eth_fill(r, ETHERTYPE_ARP);
	memcpy(r + 14, "\0\1\10\0\6\4\0\2", 8);
	memcpy(r + 22, my_mac, 6);
	put32(r + 28, GHOST);
	memcpy(r + 32, f + 22, 10);
	frame_send(r, 60);
}

/* The next TCP segment for GHOST:port, up to ms. Answers ARP. Length of the frame or 0. */
static size_t ghost_recv(uint8_t *f, uint16_t port, int ms)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };

	while (poll(&pfd, 1, ms) > 0) {
		ssize_t n = recv(sock, f, FRAME, 0);

		if (n >= 42 && f[12] == 8 && f[13] == 6)
			ghost_arp(f);
		if (n >= 54 && f[12] == 8 && f[13] == 0 && get32(f + 30) == GHOST &&
		    f[23] == IPPROTO_TCP && (!port || (f[36] << 8 | f[37]) == port))
			return (size_t)n;
	}
	return 0;
}

static bool ghost_connect(struct pkt *p, uint16_t port, uint16_t sport, uint16_t window)
{
	uint8_t f[FRAME];

	*p = pkt_to(IPPROTO_TCP, port);
	p->src = GHOST;
	p->sport = sport;
	p->window = window;
	for (int i = 0; i < 5; i++) {
		p->flags = SYN;
		pkt_send(p);
		if (!ghost_recv(f, sport, 500))
			continue;
		if ((f[47] & (SYN | ACK)) != (SYN | ACK))
			return false;
		p->seq++;
		p->ack = get32(f + 38) + 1;
		p->flags = ACK;
		pkt_send(p);
		return true;
	}
	return false;
}

static void ghost_say(struct pkt *p, const char *text)
{
	p->data = text;
	p->len = strlen(text);
	p->flags = ACK | PSH;
	pkt_send(p);
	p->seq += (uint32_t)p->len;
	p->len = 0;
	p->flags = ACK;
}

/* ---- scenarios ---- */

static void garbage(void)
{
	uint8_t f[FRAME];

	for (long i = 0; i < how_many(4000); i++) {
		size_t len = 14 + rnd() % 1500;

		for (size_t k = 0; k < len; k++)
			f[k] = (uint8_t)rnd();
		if (i % 4)
			memcpy(f, server_mac, 6);
		if (i % 2)
			put16(f + 12, i % 8 == 1 ? ETHERTYPE_ARP : ETHERTYPE_IP);
		if (i % 4 == 3) {
			f[14] = 0x45;
			put16(f + 16, (uint32_t)(len - 14));
			put16(f + 20, i % 8 == 3 ? 0 : rnd());
			put32(f + 30, server_ip);
			put16(f + 24, 0);
			put16(f + 24, fold(sum(f + 14, 20, 0)));
		}
		frame_send(f, len);
	}
}

/*
 * Every frame, cut at every length; and with the IP length told the truth, so that the inner layer
 * is short.
 */
static void truncated(void)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	static const uint8_t echo[64] = { 8 };
	uint8_t f[FRAME];

	for (int k = 0; k < 3; k++) {
		struct pkt p = pkt_to(protos[k], protos[k] == IPPROTO_UDP ? UDP_PORT : HTTP);
		size_t len;

		p.data = echo;
		p.len = sizeof(echo);
		len = build(f, &p);
		for (size_t cut = 14; cut < len; cut++)
			frame_send(f, cut);
		for (size_t cut = 34; cut < len; cut++) {
			build(f, &p);
			ip_fill(f, &p, cut - 34);
			frame_send(f, cut);
		}
	}
	eth_fill(f, ETHERTYPE_ARP);
	memcpy(f + 14, "\0\1\10\0\6\4\0\1", 8);
	for (size_t cut = 14; cut < 42; cut++)
		frame_send(f, cut);
}

static void checksums(void)
{
	static const uint8_t echo[64] = { 8 };
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

	for (int k = 0; k < 300; k++) {
		struct pkt p = pkt_to(protos[k % 3], k % 3 == 1 ? UDP_PORT : HTTP);

		p.data = echo;
		p.len = sizeof(echo);
		p.bad_ip_sum = k & 1;
		p.bad_l4_sum = !(k & 1);
		pkt_send(&p);
	}
}

static void ip_headers(void)
{
	static const uint32_t sources[] = { 0,		0xffffffff, 0xe0000001, 0x7f000001,
					    0x0a4d00ff, 0x0a4d0001, 0xf0000001 };
	uint8_t f[FRAME];

	for (int vihl = 0; vihl < 256; vihl++) {
		for (int len = 0; len < 3; len++) {
			struct pkt p = pkt_to(IPPROTO_TCP, HTTP);
			size_t n = build(f, &p);

			f[14] = (uint8_t)vihl;
			put16(f + 16, len == 0 ? 40 : len == 1 ? 10 : 60000);
			put16(f + 24, 0);
			put16(f + 24,
			      fold(sum(f + 14,
				       (size_t)(vihl & 15) * 4 < 40 ? (size_t)(vihl & 15) * 4 : 40,
				       0)));
			frame_send(f, n);
		}
	}
	for (size_t k = 0; k < sizeof(sources) / sizeof(*sources); k++) {
		struct pkt p = pkt_to(IPPROTO_TCP, HTTP);

		p.src = sources[k];
		pkt_send(&p);
		p.proto = IPPROTO_UDP;
		p.dport = UDP_PORT;
		p.data = "x";
		p.len = 1;
		pkt_send(&p);
		p.src = own_ip;
		p.ttl = 0;
		pkt_send(&p);
		p.ttl = 64;
		p.dst = 0x0a4d00ff;
		pkt_send(&p);
		p.dst = 0xe0000001;
		pkt_send(&p);
	}
	/* options: random bytes, 40 of them */
	for (int k = 0; k < 2000; k++) {
		struct pkt p = pkt_to(IPPROTO_UDP, UDP_PORT);
		size_t n = build(f, &p);

		memmove(f + 74, f + 34, n - 34);
		for (int i = 34; i < 74; i++)
			f[i] = (uint8_t)(rnd() % (k % 2 ? 256 : 8));
		f[14] = 0x4f;
		put16(f + 16, (uint32_t)(n + 26));
		put16(f + 24, 0);
		put16(f + 24, fold(sum(f + 14, 60, 0)));
		frame_send(f, n + 40);
	}
}

static void land(void)
{
	for (int k = 0; k < 500; k++) {
		struct pkt p = pkt_to(IPPROTO_TCP, k & 1 ? HTTP : REDIS);

		p.src = server_ip;
		p.sport = p.dport;
		pkt_send(&p);
	}
}

static void one_fragment(uint16_t id, uint32_t off, size_t len, bool more, uint8_t proto)
{
	static uint8_t data[1480];
	struct pkt p = pkt_to(proto == IPPROTO_UDP ? 253 : proto, 0);
	uint8_t f[FRAME];
	size_t n;

	p.id = id;
	p.frag = (uint16_t)(off / 8 | (more ? 0x2000 : 0));
	p.data = data;
	p.len = len;
	p.proto = 253;
	n = build(f, &p);
	f[23] = proto;
	put16(f + 24, 0);
	put16(f + 24, fold(sum(f + 14, 20, 0)));
	frame_send(f, n);
}

static void fragments(void)
{
	uint16_t id = 1;

	for (int k = 0; k < 100; k++, id++) { /* overlaps, in both orders */
		one_fragment(id, 0, 800, true, IPPROTO_UDP);
		one_fragment(id, 400, 800, false, IPPROTO_UDP);
		one_fragment(++id, 400, 800, false, IPPROTO_UDP);
		one_fragment(id, 0, 800, true, IPPROTO_UDP);
	}
	for (int k = 0; k < 100; k++, id++) { /* teardrop: the second lies inside the first */
		one_fragment(id, 0, 1000, true, IPPROTO_UDP);
		one_fragment(id, 24, 8, false, IPPROTO_UDP);
	}
	for (int k = 0; k < 100; k++, id++) { /* tiny: no whole TCP header in the first */
		one_fragment(id, 0, 8, true, IPPROTO_TCP);
		one_fragment(id, 8, 8, true, IPPROTO_TCP);
		one_fragment(id, 16, 24, false, IPPROTO_TCP);
	}
	for (int k = 0; k < 100; k++, id++) { /* beyond 65535 */
		one_fragment(id, 65528, 1400, false, IPPROTO_UDP);
		one_fragment(id, 65528, 8, true, IPPROTO_UDP);
		one_fragment(id, 0, 13, true, IPPROTO_UDP);
		one_fragment(id, 0, 0, true, IPPROTO_UDP);
	}
	for (long k = 0; k < how_many(20000); k++, id++) /* never completed */
		one_fragment((uint16_t)rnd(), 8 * (rnd() % 100), 1400, true, IPPROTO_UDP);
	/* one datagram of 8-byte crumbs, backwards, the first missing */
	for (int k = 0; k < 8192; k++)
		one_fragment(7, 8u * (uint32_t)(8190 - k % 8190), 8, true, IPPROTO_UDP);
}

static void tcp_options(void)
{
	uint8_t f[FRAME];

	for (long k = 0; k < how_many(5000); k++) {
		struct pkt p = pkt_to(IPPROTO_TCP, k % 3 ? HTTP : REDIS);
		size_t n;

		p.opt_len = 4 * (rnd() % 11);
		for (size_t i = 0; i < p.opt_len; i++)
			p.opts[i] = (uint8_t)(k & 1 ? rnd() : rnd() % 12);
		p.flags = k % 5 ? SYN : (uint8_t)rnd();
		n = build(f, &p);
		if (k % 7 == 0) { /* the header says another length than there is */
			f[46] = (uint8_t)(rnd() << 4);
			l4_sum(f + 34, n - 34, &p, 16);
		}
		frame_send(f, n);
	}
}

static void flags(void)
{
	for (int port = 0; port < 3; port++) {
		for (int k = 0; k < 256; k++) {
			struct pkt p = pkt_to(IPPROTO_TCP,
					      port == 0		  ? HTTP
						      : port == 1 ? REDIS
								  : 81);

			p.flags = (uint8_t)k;
			p.ack = rnd();
			pkt_send(&p);
			p.data = "GET / HTTP/1.0\r\n\r\n";
			p.len = 18;
			p.sport++;
			pkt_send(&p);
		}
	}
}

static void syn_flood(void)
{
	for (long k = 0; k < how_many(100000); k++) {
		struct pkt p = pkt_to(IPPROTO_TCP, HTTP);

		p.src = k % 4 ? rnd() % 0xdfffffff + 0x01000000 : 0x0a4d0000 + 3 + rnd() % 190;
		if (p.src >> 24 == 127)
			p.src = 0x08080808;
		p.opts[0] = 2;
		p.opts[1] = 4;
		put16(p.opts + 2, 1460);
		p.opt_len = 4;
		pkt_send(&p);
		if (k % 64 == 0)
			usleep(1000); /* 64 a ms */
	}
}

/* The four-tuples of any connection of this client: every port, any number. */
static void blind(void)
{
	static const uint8_t kinds[] = { RST, RST | ACK, FIN | ACK, ACK,
					 SYN, SYN | ACK, PSH | ACK, 0 };

	for (long k = 0; k < how_many(60000); k++) {
		struct pkt p = pkt_to(IPPROTO_TCP, HTTP);

		p.sport = (uint16_t)(32768 + rnd() % 28232);
		p.flags = kinds[rnd() % 8];
		p.ack = rnd();
		p.data = "junk";
		p.len = p.flags & PSH ? 4 : 0;
		pkt_send(&p);
		if (k % 64 == 0)
			usleep(500);
	}
}

static void arp(void)
{
	uint8_t f[60];

	for (long k = 0; k < how_many(3000); k++) {
		memset(f, 0, sizeof(f));
		eth_fill(f, ETHERTYPE_ARP);
		if (k % 3 == 0)
			memset(f, 0xff, 6);
		memcpy(f + 14, "\0\1\10\0\6\4\0\2", 8);
		f[21] = (uint8_t)(k % 2 + 1);
		if (k % 5 == 0)
			f[14 + rnd() % 8] ^= (uint8_t)(1 + rnd() % 255);
		for (int i = 22; i < 28; i++)
			f[i] = (uint8_t)rnd();
		/*
		 * others' addresses; the server's own; never this client's: any host would believe
		 * that
		 */
		put32(f + 28, k % 4 == 0 ? server_ip : k % 4 == 1 ? 0 : k % 4 == 2 ? 0xffffffff :
				       0x0a4d0000 + 3 + rnd() % 190);
		memcpy(f + 32, server_mac, 6);
		put32(f + 38, k % 7 ? server_ip : rnd());
		frame_send(f, sizeof(f));
	}
}

static void icmp_errors(void)
{
	uint8_t quote[600], f[FRAME];

	for (long k = 0; k < how_many(20000); k++) {
		struct pkt in = pkt_to(k % 5 ? IPPROTO_TCP : IPPROTO_UDP, 0),
			   p = pkt_to(IPPROTO_ICMP, 0);
		size_t n;

		in.src = server_ip;
		in.dst = k % 9 ? own_ip : rnd();
		in.sport = k % 5 ? HTTP : UDP_PORT;
		in.dport = (uint16_t)(32768 + rnd() % 28232);
		in.flags = ACK;
		n = build(f, &in) - 14;
		memset(quote, 0, 8);
		quote[0] = k % 11 ? 3 : (uint8_t)rnd();
		quote[1] = k % 3 ? 4 : (uint8_t)(rnd() % 16);
		put16(quote + 6, k % 2 ? 68 : rnd());
		memcpy(quote + 8, f + 14, n);
		if (k % 13 == 0)
			quote[8] = (uint8_t)rnd();
		p.data = quote;
		p.len = k % 7 == 0 ? rnd() % (8 + n) : 8 + n;
		if (p.len < 4)
			p.len = 4;
		pkt_send(&p);
		if (k % 64 == 0)
			usleep(500);
	}
}

/* Connections that ask for much and then never open their window again. */
static void zero_window(void)
{
	static const char ask[] = "GET /10m HTTP/1.1\r\nHost: x\r\n\r\n";
	uint8_t f[FRAME];
	long made = 0;

	for (int k = 0; k < how_many(100); k++) {
		struct pkt p;

		if (!ghost_connect(&p, HTTP, (uint16_t)(20000 + k), 2000))
			continue;
		made++;
		ghost_say(&p, ask);
		p.window = 0;
		pkt_send(&p);
	}
	printf("%ld connections\n", made);
	fflush(stdout);
	/* every probe is answered: still closed */
	for (time_t end = time(NULL) + 8; time(NULL) < end;) {
		struct pkt p = pkt_to(IPPROTO_TCP, HTTP);
		size_t n = ghost_recv(f, 0, 200);

		if (!n || f[47] & RST)
			continue;
		p.src = GHOST;
		p.sport = (uint16_t)(f[36] << 8 | f[37]);
		p.seq = get32(f + 42);
		p.ack = get32(f + 38);
		p.flags = ACK;
		p.window = 0;
		if (n > 54 || (f[47] & 0x1f) == ACK)
			pkt_send(&p);
	}
	for (int k = 0; k < how_many(100); k++) {
		struct pkt p = pkt_to(IPPROTO_TCP, HTTP);

		/*
		 * the exact number is not known here: a RST that is not exact must not end them
		 * (RFC 5961)
		 */
		p.src = GHOST;
		p.sport = (uint16_t)(20000 + k);
		p.flags = RST;
		pkt_send(&p);
	}
}

/*
 * In a connection: acknowledge what was never sent, windows and urgent pointers of all sizes, data
 * from the past and future.
 */
static void inside(void)
{
	uint8_t f[FRAME];

	for (int k = 0; k < how_many(60); k++) {
		struct pkt p, q;

		if (!ghost_connect(&p, k % 3 ? HTTP : REDIS, (uint16_t)(30000 + k), 65535)) {
			printf("connection %d: none\n", k);
			continue;
		}
		for (int i = 0; i < 100; i++) {
			q = p;
			q.flags = (uint8_t)((rnd() & 0x3f & ~(RST | SYN)) | ACK);
			q.window = (uint16_t)rnd();
			q.ack += i % 4 == 0 ? rnd() % 100000 : 0;
			q.seq += i % 3 == 0 ? rnd() % 200000 - 100000 : 0;
			q.data = "garbage\r\n";
			q.len = rnd() % 10;
			if (q.seq == p.seq && q.len)
				q.seq++;
			q.flags &= (uint8_t)~FIN;
			pkt_send(&q);
			while (i % 10 == 0 && ghost_recv(f, p.sport, 0))
				;
		}
		p.seq += 1;
		p.seq--;
		p.flags = RST | ACK;
		pkt_send(&p);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "garbage", garbage },	      { "truncated", truncated }, { "checksums", checksums },
	{ "ip_headers", ip_headers }, { "land", land },		  { "fragments", fragments },
	{ "tcp_options", tcp_options }, { "flags", flags },	  { "syn_flood", syn_flood },
	{ "blind", blind },	      { "arp", arp },		  { "icmp_errors", icmp_errors },
	{ "zero_window", zero_window }, { "inside", inside },
};

static void link_open(const char *device)
{
	struct ifreq ifr = { 0 };

	sock = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	if (sock < 0 || ioctl(sock, SIOCGIFINDEX, &ifr)) {
		perror(device);
		exit(1);
	}
	link_addr = (struct sockaddr_ll){ .sll_family = AF_PACKET,
					  .sll_ifindex = ifr.ifr_ifindex,
					  .sll_halen = 6,
					  .sll_protocol = htons(ETH_P_ALL) };
	if (bind(sock, (struct sockaddr *)&link_addr, sizeof(link_addr)))
		perror("bind");
	ioctl(sock, SIOCGIFHWADDR, &ifr);
	memcpy(my_mac, ifr.ifr_hwaddr.sa_data, 6);
}

int main(int argc, char **argv)
{
	unsigned int m[6];

	if (argc < 6 ||
	    sscanf(argv[2], "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6) {
		fprintf(stderr,
			"usage: inject DEVICE SERVER-MAC SERVER-IP OWN-IP SCENARIO [COUNT]\n");
		return 2;
	}
	link_open(argv[1]);
	for (int i = 0; i < 6; i++)
		server_mac[i] = (uint8_t)m[i];
	server_ip = ntohl(inet_addr(argv[3]));
	own_ip = ntohl(inet_addr(argv[4]));
	count_wanted = argc > 6 ? atol(argv[6]) : 0;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (!strcmp(argv[5], scenarios[i].name)) {
			scenarios[i].run();
			return 0;
		}
	}
	return 2;
}
