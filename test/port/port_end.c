/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_end.c - one end of a tested link
 *
 * Frames have the local experimental ethertype 0x88b5 and carry a magic, a kind and a number; large
 * segments are IPv4/TCP, since devices cut and sum only what they understand. Everything goes
 * through netdev.h as in the stack.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "test/port/port_end.h"

#define MAGIC 0x73377037u
#define CHAIN_HEADER 64
#define TCP_HEADERS 54
#define MSS 1446
#define RING 1024

struct frame {
	uint8_t dst[6], src[6];
	uint16_t type;
	uint16_t kind;
	uint32_t magic, seq;
} __attribute__((packed));

s7_time end_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (s7_time)now.tv_sec * S7_SEC + (s7_time)now.tv_nsec;
}

int end_open(struct end *end, enum conf_driver driver, const char *device, const char *devargs,
	     enum conf_hugepages hugepages)
{
	static struct conf conf;
	struct conf_iface *iface = &conf.iface[0];
	s7_time t0, t1, t2;
	int err;

	memset(end, 0, sizeof(*end));
	end->part = CHAIN_PART;
	conf_defaults(&conf);
	conf.hugepages = hugepages;
	conf.log = getenv("PORT_LOG") ? CONF_LOG_DEBUG : CONF_LOG_WARN;
	conf.iface_count = 1;
	iface->driver = driver;
	iface->queues = 1;
	snprintf(iface->name, sizeof(iface->name), "%s", "t0");
	snprintf(iface->device, sizeof(iface->device), "%s", device);
	snprintf(iface->devargs, sizeof(iface->devargs), "%s", devargs);
	snprintf(end->name, sizeof(end->name), "%s%s", conf_driver_name(driver),
		 strstr(devargs, "server") ? "/server" : "");
	t0 = end_now();
	err = eal_start(&conf, (uint64_t)END_POOL * pool_pkt_bytes(), end->why, sizeof(end->why));
	if (err)
		return err;
	t1 = end_now();
	err = pool_create(0, END_POOL, &end->pool_ops, &end->pool, end->why, sizeof(end->why));
	if (err)
		return err;
	t2 = end_now();
	err = port_open(iface, &end->pool, &end->port, end->why, sizeof(end->why));
	if (err)
		return err;
	end->ms_eal = (double)(t1 - t0) / 1e6;
	end->ms_pool = (double)(t2 - t1) / 1e6;
	end->ms_port = (double)(end_now() - t2) / 1e6;
	end->ops = port_ops(end->port);
	port_info(end->port, &end->info);
	end->at_start = end->pool_ops->available(end->pool);
	return 0;
}

static struct s7_pkt *pkt_new(struct end *end)
{
	struct s7_pkt *pkt;

	if (end->pool_ops->alloc(end->pool, &pkt, 1)) {
		printf("FAIL %s: pool is empty\n", end->name);
		fflush(stdout);
		_exit(1);
	}
	pkt_fresh(pkt);
	return pkt;
}

static uint8_t *pkt_grow(struct s7_pkt *pkt, uint32_t n)
{
	uint8_t *at = pkt->data + pkt->len;

	pkt->len += n;
	pkt->total += n;
	return at;
}

static void pkt_send(struct end *end, struct s7_pkt *pkt)
{
	s7_time until = end_now() + 2 * S7_SEC;

	while (!end->ops->tx_burst(end->port, 0, &pkt, 1)) {
		if (end_now() > until) {
			printf("FAIL %s: nothing is taken for transmission\n", end->name);
			fflush(stdout);
			_exit(1);
		}
	}
}

static void frame_fill(uint8_t *at, enum frame_kind kind, uint32_t seq)
{
	struct frame frame = {
		.type = htons(0x88b5), .kind = (uint16_t)kind, .magic = MAGIC, .seq = seq
	};

	memset(frame.dst, 0xff, sizeof(frame.dst));
	frame.src[0] = 2;
	memcpy(at, &frame, sizeof(frame));
}

void end_send(struct end *end, enum frame_kind kind, uint32_t seq, uint32_t len)
{
	struct s7_pkt *pkt = pkt_new(end);
	uint8_t *at = pkt_grow(pkt, len);

	memset(at, 0, len);
	frame_fill(at, kind, seq);
	pkt_send(end, pkt);
}

static void chain_add(struct s7_pkt *head, struct s7_pkt *tail, struct s7_pkt *pkt)
{
	tail->frag = pkt;
	head->total += pkt->len;
	head->nsegs++;
}

void end_send_chain(struct end *end, uint32_t seq, struct s7_pkt *ret_held[2])
{
	struct s7_pkt *head = pkt_new(end), *tail = head;
	uint32_t i, k;

	frame_fill(memset(pkt_grow(head, CHAIN_HEADER), 0, CHAIN_HEADER), KIND_CHAIN, seq);
	for (i = 0; i < 2; i++) {
		ret_held[i] = pkt_new(end);
		pkt_grow(ret_held[i], end->part);
		for (k = 0; k < end->part; k++)
			ret_held[i]->data[k] = (uint8_t)(k * 7 + i);
		pkt_hold(ret_held[i]);
		chain_add(head, tail, ret_held[i]);
		tail = ret_held[i];
	}
	pkt_send(end, head);
}

/* Gives our reference back: to the pool when the device is done, else only the count. */
void end_release_held(struct end *end, struct s7_pkt *held[2])
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		if (pkt_is_shared(held[i]))
			end->pool_ops->unref(end->pool, held[i]);
		else
			end->pool_ops->free(end->pool, &held[i], 1);
	}
}

static uint32_t sum_words(const uint8_t *at, uint32_t len)
{
	uint32_t sum = 0, i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void tcp_headers(uint8_t *at, uint32_t payload)
{
	uint8_t *ip = at + 14, *tcp = ip + 20;

	memset(at, 0, TCP_HEADERS);
	memset(at, 0xff, 6);
	at[6] = 2;
	put16(at + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 40 + payload);
	ip[8] = 64;
	ip[9] = 6;
	ip[12] = ip[16] = 10;
	ip[15] = 1;
	ip[19] = 2;
	put16(ip + 10, ~sum_words(ip, 20));
	put16(tcp, 1000);
	put16(tcp + 2, 2000);
	tcp[12] = 0x50;
	tcp[13] = 0x10;
	put16(tcp + 16, sum_words(ip + 12, 8) + 6 + 20 + payload);
}

void end_send_tso(struct end *end, uint32_t payload)
{
	struct s7_pkt *head = pkt_new(end), *tail = head, *pkt;
	uint32_t at = 0, n, k;

	tcp_headers(pkt_grow(head, TCP_HEADERS), payload);
	while (at < payload) {
		n = (uint32_t)s7_min(payload - at, 1900);
		pkt = pkt_new(end);
		pkt_grow(pkt, n);
		for (k = 0; k < n; k++)
			pkt->data[k] = (uint8_t)((at + k) * 31 >> 3);
		chain_add(head, tail, pkt);
		tail = pkt;
		at += n;
	}
	head->flags = PKT_TX_L4_CSUM | PKT_TX_TSO |
		(end->info.caps & NETDEV_TX_L3_CSUM ? PKT_TX_L3_CSUM : 0);
	if (head->flags & PKT_TX_L3_CSUM)
		put16(head->data + 14 + 10, 0);
	head->l2_len = 14;
	head->l3_len = 20;
	head->l4_len = 20;
	head->tso_mss = MSS;
	pkt_send(end, head);
}

static void pending_fill(struct end *end)
{
	uint16_t n;

	if (end->pending_count)
		return;
	n = end->ops->rx_burst(end->port, 0, end->pending, 8);
	end->pending_count = n;
}

static struct s7_pkt *pending_take(struct end *end)
{
	struct s7_pkt *pkt;

	pending_fill(end);
	if (!end->pending_count)
		return NULL;
	pkt = end->pending[0];
	end->pending_count--;
	memmove(end->pending, end->pending + 1, end->pending_count * sizeof(pkt));
	return pkt;
}

static bool frame_is(const struct s7_pkt *pkt, enum frame_kind kind)
{
	struct frame frame;

	if (pkt->len < sizeof(frame))
		return false;
	memcpy(&frame, pkt->data, sizeof(frame));
	return frame.type == htons(0x88b5) && frame.magic == MAGIC && frame.kind == kind;
}

static bool frame_is_tcp(const struct s7_pkt *pkt)
{
	return pkt->len >= TCP_HEADERS && pkt->data[12] == 8 && pkt->data[14 + 9] == 6;
}

/* Others' frames (a kernel's neighbour discovery, late greetings) are passed over. */
static struct s7_pkt *recv_until(struct end *end, int kind, s7_time until)
{
	struct s7_pkt *pkt;

	do {
		pkt = pending_take(end);
		if (!pkt)
			continue;
		if (kind < 0 ? frame_is_tcp(pkt) : frame_is(pkt, (enum frame_kind)kind))
			return pkt;
		end_free(end, pkt);
	} while (end_now() < until);
	return NULL;
}

struct s7_pkt *end_recv(struct end *end, enum frame_kind kind, s7_time patience)
{
	return recv_until(end, (int)kind, end_now() + patience);
}

struct s7_pkt *end_recv_tcp(struct end *end, s7_time patience)
{
	return recv_until(end, -1, end_now() + patience);
}

bool end_sleep_recv(struct end *end, enum frame_kind kind, uint32_t seq, int timeout_ms)
{
	struct pollfd ready = { .events = POLLIN };
	struct s7_pkt *pkt;
	bool got = false;
	int tries, woken;

	for (tries = 0; tries < 10 && !got; tries++) {
		ready.fd = end->ops->sleep_fd(end->port, 0);
		if (!end->ops->sleep_begin(end->port, 0)) {
			woken = poll(&ready, 1, timeout_ms);
			end->ops->sleep_end(end->port, 0);
			if (woken != 1)
				return false;
		}
		pkt = recv_until(end, (int)kind, 0);
		if (!pkt)
			continue;
		got = frame_seq(pkt) == seq;
		end_free(end, pkt);
	}
	return got;
}

void end_free(struct end *end, struct s7_pkt *pkt)
{
	struct s7_pkt *frag;

	for (; pkt; pkt = frag) {
		frag = pkt->frag;
		end->pool_ops->free(end->pool, &pkt, 1);
	}
}

/* Both ends are up when both have heard READY, which is an answer to HELLO. */
bool end_sync(struct end *end, bool first, s7_time patience)
{
	s7_time until = end_now() + patience + 10 * S7_SEC;
	struct s7_pkt *pkt;

	while (end_now() < until) {
		if (first) {
			pkt = pkt_new(end);
			frame_fill(memset(pkt_grow(pkt, 60), 0, 60), KIND_HELLO, 0);
			if (!end->ops->tx_burst(end->port, 0, &pkt, 1))
				end_free(end, pkt);
		}
		pkt = recv_until(end, first ? KIND_READY : KIND_HELLO, end_now() + 20 * S7_MS);
		if (!pkt)
			continue;
		end_free(end, pkt);
		if (!first)
			end_send(end, KIND_READY, 0, 60);
		return true;
	}
	return false;
}

/* Rings hold sent packets until later ones push them out: small frames replace the chains in there.
 */
void end_settle(struct end *end)
{
	s7_time until = end_now() + 100 * S7_MS;
	struct s7_pkt *pkt;
	uint32_t i = 0;

	do {
		pkt = pending_take(end);
		if (pkt)
			end_free(end, pkt);
		else if (i++ < RING)
			end_send(end, KIND_HELLO, 0, 60);
	} while (end_now() < until || i < RING);
	/* what is lent comes back with a send, once the peer, which may be slow, has taken it */
	for (until = end_now() + 5 * S7_SEC; !end_whole(end) && end_now() < until; usleep(1000)) {
		pkt = pending_take(end);
		if (pkt)
			end_free(end, pkt);
		else
			end_send(end, KIND_HELLO, 0, 60);
	}
	end->ops->sleep_begin(end->port, 0);
	end->ops->sleep_end(end->port, 0);
}

long end_lost(struct end *end)
{
	return (long)end->at_start - (long)end->pool_ops->available(end->pool);
}

/* The rings may hold one buffer a slot more than at the start, or lend some back. */
bool end_whole(struct end *end)
{
	return end_lost(end) <= RING + 64 && end_lost(end) >= -2 * RING;
}

uint32_t frame_seq(const struct s7_pkt *pkt)
{
	struct frame frame;

	memcpy(&frame, pkt->data, sizeof(frame));
	return frame.seq;
}

/* Byte `at` of a packet, wherever in the chain it lies. */
static int byte_at(const struct s7_pkt *pkt, uint32_t at)
{
	for (; pkt; pkt = pkt->frag) {
		if (at < pkt->len)
			return pkt->data[at];
		at -= pkt->len;
	}
	return -1;
}

bool frame_chain_ok(const struct s7_pkt *pkt, uint32_t part)
{
	uint32_t i, k;

	if (pkt->total != CHAIN_HEADER + 2 * part)
		return false;
	for (i = 0; i < 2; i++) {
		for (k = 0; k < part; k++) {
			if (byte_at(pkt, CHAIN_HEADER + i * part + k) != (uint8_t)(k * 7 + i))
				return false;
		}
	}
	return true;
}

bool frame_tcp_ok(const struct s7_pkt *pkt, uint32_t payload_at)
{
	uint32_t n = pkt->total - TCP_HEADERS, k;

	for (k = 0; k < n; k += 97) {
		if (byte_at(pkt, TCP_HEADERS + k) != (uint8_t)((payload_at + k) * 31 >> 3))
			return false;
	}
	return true;
}
