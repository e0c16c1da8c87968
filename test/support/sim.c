/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim.c - see sim.h: hosts, pools, the link and the clock
 *
 * A frame in flight is a copy of the bytes, in the inbox of its receiver, sorted by arrival. The
 * sending device does what was asked of it: checksums when it offers them, TSO by cutting.
 */
#include "test/support/sim.h"

#include <stdlib.h>

#include "stack/wire/bytes.h"
#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"
#include "stack/wire/ip6.h"

#define IP_AT 14

static const uint8_t sim_mac[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

uint32_t sim_random(struct sim *sim)
{
	sim->rng = sim->rng * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(sim->rng >> 33);
}

/* ---- the link ---- */

static void inbox_put(struct sim_host *to, struct sim_frame *frame)
{
	struct sim_frame **at = &to->inbox;

	while (*at && (*at)->at <= frame->at)
		at = &(*at)->next;
	frame->next = *at;
	*at = frame;
}

/* Where the transport header begins. */
static uint32_t tcp_at(const struct sim *sim)
{
	return IP_AT + ip_header_len(!sim->setup.v6);
}

static bool frame_is_tcp(const struct sim *sim, const uint8_t *data)
{
	if (sim->setup.v6)
		return get_be16(data + 12) == ETH_TYPE_IP6 &&
		       data[IP_AT + IP6_NEXT_AT] == IPPROTO_TCP;
	return get_be16(data + 12) == ETH_TYPE_IP4 && data[IP_AT + 9] == IPPROTO_TCP;
}

static bool frame_seg(const struct sim *sim, const uint8_t *data, uint32_t len,
		      struct sim_seg *ret_seg)
{
	uint32_t at = tcp_at(sim), l4;

	if (len < at + TCP_HDR_LEN || !frame_is_tcp(sim, data))
		return false;
	l4 = sim->setup.v6 ? get_be16(data + IP_AT + IP6_PAYLOAD_AT) :
			     get_be16(data + IP_AT + 2) - 20u;
	if (tcp_hdr_read(data + at, len - at, &ret_seg->h))
		return false;
	ret_seg->tos = sim->setup.v6 ? (uint8_t)(get_be16(data + IP_AT) >> 4) : data[IP_AT + 1];
	ret_seg->len = l4 - ret_seg->h.hdr_len;
	return !tcp_opts_read(data + at + 20, ret_seg->h.hdr_len - 20u,
			      ret_seg->h.flags & TCPF_SYN, &ret_seg->opts);
}

static void mark_ce(const struct sim *sim, uint8_t *frame)
{
	uint8_t *ip = frame + IP_AT;
	uint16_t sum;

	if (sim->setup.v6) {
		ip[1] |= 3 << 4;
		return;
	}
	ip[1] |= 3;
	memset(ip + 10, 0, 2);
	sum = csum_fold(csum_partial(ip, 20, 0));
	memcpy(ip + 10, &sum, 2);
}

static void link_send(struct sim *sim, uint32_t from, const uint8_t *data, uint32_t len,
		      struct s7_pkt *held)
{
	struct sim_host *to = &sim->host[!from];
	struct sim_setup *setup = &sim->setup;
	uint32_t copies = 1 + (sim_random(sim) % 1000 < setup->dup_permille);
	struct sim_seg seg = { .from = from };
	s7_time at = s7_max(sim->now, to->line_free);
	enum sim_verdict verdict = SIM_PASS;

	sim->frames++;
	if (sim->hook && frame_seg(sim, data, len, &seg))
		verdict = sim->hook(sim, &seg);
	if (setup->rate_bytes_s) {
		at += len * S7_SEC / setup->rate_bytes_s;
		to->line_free = at;
	}
	if (sim_random(sim) % 1000 < setup->loss_permille ||
	    (sim->path_mtu && len > sim->path_mtu + 14) || verdict == SIM_DROP) {
		sim->lost++;
		copies = 0;
	}
	for (uint32_t i = 0; i < copies || held; i++) {
		struct sim_frame *frame = malloc(sizeof(*frame) + len);

		frame->at = at + setup->delay_ns;
		if (sim_random(sim) % 1000 < setup->reorder_permille)
			frame->at += sim_random(sim) % (setup->delay_ns * 2 + 10 * S7_US);
		frame->len = i < copies ? len : 0; /* a lost frame's packet is held all the same */
		frame->held = held;
		held = NULL;
		memcpy(frame->data, data, len);
		if (verdict == SIM_MARK)
			mark_ce(sim, frame->data);
		inbox_put(to, frame);
	}
}

/* ---- the device ---- */

static void csum_fill(const struct sim *sim, uint8_t *frame, uint32_t len, bool partial)
{
	uint32_t at = tcp_at(sim), l4 = len - at, pseudo;
	uint16_t *field = (uint16_t *)(frame + at + TCP_HDR_CSUM_AT);
	struct s7_ip src, dst;

	if (sim->setup.v6) {
		memcpy(src.b, frame + IP_AT + 8, 16);
		memcpy(dst.b, frame + IP_AT + 24, 16);
	} else {
		src = ip_from_v4(get_raw32(frame + IP_AT + 12));
		dst = ip_from_v4(get_raw32(frame + IP_AT + 16));
	}
	pseudo = ip_pseudo_sum(&src, &dst, IPPROTO_TCP, l4);
	if (partial && *field != csum_fold16(pseudo))
		abort(); /* the stack promised the pseudo sum */
	*field = 0;
	*field = csum_fold(csum_partial(frame + at, l4, pseudo));
}

static void ip_fill(const struct sim *sim, uint8_t *frame, uint32_t len)
{
	if (sim->setup.v6) {
		put_be16(frame + IP_AT + IP6_PAYLOAD_AT, (uint16_t)(len - IP_AT - IP6_LEN));
		return;
	}
	put_be16(frame + IP_AT + 2, (uint16_t)(len - IP_AT));
	put_raw16(frame + IP_AT + 10, 0);
	put_raw16(frame + IP_AT + 10, csum_fold(csum_partial(frame + IP_AT, 20, 0)));
}

/* What a NIC does with PKT_TX_TSO. */
static void tso_cut(struct sim *sim, uint32_t from, const struct s7_pkt *pkt, const uint8_t *whole)
{
	uint32_t hdr = pkt->l2_len + pkt->l3_len + pkt->l4_len, l4 = tcp_at(sim), at;
	uint16_t wanted = PKT_TX_L4_CSUM | (sim->setup.v6 ? PKT_L3_V6 : PKT_TX_L3_CSUM);
	uint8_t flags = whole[l4 + 13];

	if ((pkt->flags & wanted) != wanted || !pkt->tso_mss ||
	    hdr != l4 + (uint32_t)(whole[l4 + 12] >> 4) * 4)
		abort();
	for (at = hdr; at < pkt->total; at += pkt->tso_mss) {
		uint32_t len = (uint32_t)s7_min(pkt->tso_mss, pkt->total - at);
		uint8_t *frame = malloc(hdr + len);

		memcpy(frame, whole, hdr);
		memcpy(frame + hdr, whole + at, len);
		put_be32(frame + l4 + 4, get_be32(whole + l4 + 4) + at - hdr);
		frame[l4 + 13] =
			at + len < pkt->total ? flags & (uint8_t) ~(TCPF_PSH | TCPF_FIN) : flags;
		ip_fill(sim, frame, hdr + len);
		csum_fill(sim, frame, hdr + len, false);
		link_send(sim, from, frame, hdr + len, NULL);
		free(frame);
	}
}

static uint16_t dev_tx(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct sim_host *host = dev;

	(void)queue;
	for (uint16_t i = 0; i < n; i++) {
		struct s7_pkt *pkt = pkts[i];
		uint8_t *whole = malloc(pkt->total);
		bool hold = host->sim->setup.hold_tx;

		pkt_read(pkt, 0, whole, pkt->total);
		if (pkt->flags & PKT_TX_TSO) {
			tso_cut(host->sim, host->index, pkt, whole);
			hold = false;
		} else {
			if (pkt->flags & PKT_TX_L4_CSUM)
				csum_fill(host->sim, whole, pkt->total, true);
			link_send(host->sim, host->index, whole, pkt->total, hold ? pkt : NULL);
		}
		if (!hold)
			pkt_free(host->inst, pkt);
		free(whole);
	}
	return n;
}

static uint16_t dev_rx(void *dev, uint16_t queue, struct s7_pkt **pkts, uint16_t n)
{
	struct sim_host *host = dev;
	uint16_t got = 0;

	(void)queue;
	while (got < n && host->inbox && host->inbox->at <= host->sim->now) {
		struct sim_frame *frame = host->inbox;
		struct s7_pkt *pkt = frame->len ? pkt_alloc(host->inst) : NULL;

		host->inbox = frame->next;
		if (frame->held)
			pkt_free(host->sim->host[!host->index].inst, frame->held);
		if (pkt && frame->len <= S7_PKT_ROOM) {
			memcpy(pkt->data, frame->data, frame->len);
			pkt->len = pkt->total = frame->len;
			pkts[got++] = pkt;
		} else if (pkt) { /* jumbo: a chain */
			struct s7_pkt *more = pkt_alloc(host->inst), whole = *pkt;

			whole.data = frame->data;
			whole.len = whole.total = frame->len;
			pkt_free(host->inst, more);
			more = pkt_copy(host->inst, &whole, 0, frame->len);
			pkt_free(host->inst, pkt);
			if (more)
				pkts[got++] = more;
		}
		free(frame);
	}
	return got;
}

static const struct s7_netdev_ops dev_ops = { .name = "sim",
					      .rx_burst = dev_rx,
					      .tx_burst = dev_tx };

/* ---- hosts ---- */

/* Each time others: two hosts, two connections. */
static void host_random(void *buf, size_t len)
{
	static _Atomic uint32_t counter;
	uint8_t *p = buf;
	uint32_t turn = atomic_fetch_add(&counter, 1);

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((i + turn * 31) * 151 + 7);
}

static struct s7_params sim_params(const struct sim_setup *setup)
{
	struct s7_params params = bed_params;

	params.tcp_syn_backlog = setup->syn_backlog ? setup->syn_backlog : 256;
	params.tcp_cc = setup->cc;
	params.tcp_rmem[1] = setup->rmem ? setup->rmem : params.tcp_rmem[1];
	params.tcp_wmem[1] = setup->wmem ? setup->wmem : params.tcp_wmem[1];
	params.backlog_max = 4096;
	params.max_sockets = 2048;
	params.max_time_wait = setup->max_time_wait ? setup->max_time_wait : 1024;
	params.tx_batch = true;
	return params;
}

struct s7_ip sim_addr(const struct sim *sim, uint32_t host)
{
	if (sim->setup.v6)
		return (struct s7_ip){ .b = { 0x20, 1, 0xd, 0xb8, [15] = (uint8_t)(host + 1) } };
	return ip_from_v4(htonl(0x0a000001 + host));
}

struct s7_ip sim_any(const struct sim *sim)
{
	return sim->setup.v6 ? (struct s7_ip){ .q = { 0, 0 } } : ip_from_v4(0);
}

/* Address, route and the peer's link address. */
static void host_network(struct sim_host *host, struct s7_iface *iface)
{
	struct sim *sim = host->sim;
	struct s7_ip peer = sim_addr(sim, !host->index);
	struct s7_iface_addr addr = { .ip = host->ip, .prefix_len = sim->setup.v6 ? 64 : 24,
				      .flags = sim->setup.shared ? ADDR_KERNEL : 0 };
	struct s7_route route = { .to = host->ip, .iface = 1,
				  .prefix_len = sim->setup.v6 ? 64 : IP_V4_BITS + 24 };

	route.to.b[15] = 0;
	if (iface_set_addrs(host->inst, iface, &addr, 1) || route_set(host->inst, &route, 1))
		abort();
	neigh_learn(host->inst, iface, &peer, sim_mac[!host->index]);
}

static void host_make(struct sim *sim, uint32_t index)
{
	struct sim_host *host = &sim->host[index];
	struct s7_inst_setup setup = { .env = &host->env,
				       .params = sim_params(&sim->setup),
				       .now = sim->now };
	struct s7_iface iface = { .name = "sim0",
				  .flags = (uint16_t)(IFACE_UP |
						      (sim->setup.shared ? IFACE_SHARED : 0)),
				  .mtu = sim->setup.mtu ? sim->setup.mtu : 1500,
				  .caps = NETDEV_MULTI_SEG | sim->setup.caps,
				  .tso_max = sim->setup.tso_max,
				  .ifindex = 2 };
	uint32_t at;

	host->sim = sim;
	host->index = index;
	host->ip = sim_addr(sim, index);
	bed_make(&host->bed, SIM_PKTS, &host->env);
	host->ops = bed_host;
	host->ops.random = host_random;
	host->env.host = &host->ops;
	if (inst_create(host->bed.arena, &setup, &host->inst))
		abort();
	memcpy(iface.mac, sim_mac[index], 6);
	if (inst_add_iface(host->inst, &iface, &at))
		abort();
	host->env.dev[at].ops = &dev_ops;
	host->env.dev[at].dev = host;
	host_network(host, &host->inst->iface[at]);
}

struct sim *sim_new(const struct sim_setup *setup)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	sim->setup = *setup;
	sim->setup.v6 |= getenv(SIM_V6_ENV) != NULL;
	sim->now = 1000 * S7_SEC;
	sim->rng = setup->seed ? setup->seed : 42;
	host_make(sim, 0);
	host_make(sim, 1);
	return sim;
}

void sim_step(struct sim *sim, s7_time until)
{
	s7_time next = until;

	for (int i = 0; i < 2; i++) {
		struct sim_host *host = &sim->host[i];

		inst_flush(host->inst);
		if (host->inbox)
			next = s7_min(next, host->inbox->at);
		next = s7_min(next, inst_next_timer(host->inst));
	}
	sim->now = s7_max(sim->now, next);
	for (int i = 0; i < 2; i++) {
		sim->host[i].inst->now = sim->now;
		inst_drive(sim->host[i].inst);
	}
}

void sim_run(struct sim *sim, s7_time ns)
{
	s7_time until = sim->now + ns;

	while (sim->now < until)
		sim_step(sim, until);
}

static uint32_t host_leaks(struct sim_host *host)
{
	struct s7_inst *inst = host->inst;

	return bed_missing(&host->bed, inst) + inst->tcp->socks.used +
		inst->tcp->reqs.used + inst->tcp->tws.used + inst->tcp->tfos.used +
		inst->flows.count + inst->ports.count;
}

uint32_t sim_end(struct sim *sim)
{
	uint32_t leaks;

	sim_run(sim, 1000 * S7_SEC); /* orphans give up, TIME_WAIT ends */
	leaks = host_leaks(&sim->host[0]) + host_leaks(&sim->host[1]);
	sim_free(sim);
	return leaks;
}

void sim_free(struct sim *sim)
{
	for (int i = 0; i < 2; i++) {
		struct sim_host *host = &sim->host[i];

		while (host->inbox) {
			struct sim_frame *frame = host->inbox;

			host->inbox = frame->next;
			free(frame);
		}
		bed_free(&host->bed);
	}
	free(sim);
}

/* The IP header of a segment of the peer of `to`. */
static void inject_ip(const struct sim *sim, uint32_t to, uint8_t *p, uint32_t l4)
{
	struct s7_ip4 v4 = { .src = ip_v4(&sim->host[!to].ip), .dst = ip_v4(&sim->host[to].ip),
			     .ttl = 64, .proto = IPPROTO_TCP, .total = (uint16_t)(20 + l4) };
	struct s7_ip6 v6 = { .next = IPPROTO_TCP, .hops = 64, .payload = (uint16_t)l4 };

	memcpy(v6.src, sim->host[!to].ip.b, 16);
	memcpy(v6.dst, sim->host[to].ip.b, 16);
	if (sim->setup.v6)
		ip6_write(p, &v6);
	else
		ip4_write(p, &v4);
}

void sim_inject(struct sim *sim, uint32_t to, const struct tcp_hdr *h, const struct tcp_opts *opts,
		const void *data, uint32_t len)
{
	uint8_t frame[4096] = { 0 };
	struct tcp_hdr hdr = *h;
	uint32_t at = tcp_at(sim);
	uint32_t opt_len = opts ? tcp_opts_write(frame + at + TCP_HDR_LEN, opts) : 0;
	uint32_t total = at + TCP_HDR_LEN + opt_len + len;
	struct sim_frame *in;

	hdr.hdr_len = (uint8_t)(TCP_HDR_LEN + opt_len);
	hdr.csum = 0;
	eth_write(frame, sim_mac[to], sim_mac[!to], sim->setup.v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
	inject_ip(sim, to, frame + IP_AT, total - at);
	tcp_hdr_write(frame + at, &hdr);
	if (len)
		memcpy(frame + at + hdr.hdr_len, data, len);
	ip_fill(sim, frame, total);
	csum_fill(sim, frame, total, false);
	in = malloc(sizeof(*in) + total);
	in->at = sim->now;
	in->held = NULL;
	in->len = total;
	memcpy(in->data, frame, total);
	inbox_put(&sim->host[to], in);
	sim_step(sim, sim->now);
}
