/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip4_opts.c - IPv4 options on their way in and out
 *
 * In: every packet with options is judged, and recorded in, where it arrives (each fragment too,
 * the first one's count); what is malformed is answered by a parameter problem, unless the kernel
 * beside us hears it and answers. Source routes are refused: net.ipv4.conf.all.accept_source_route
 * is 0 unless somebody changes it, and this is no router. Out: options are written into the
 * header's place before ip_out.c puts the header before them. A packet that waits (for its other
 * fragments, for a program) keeps what was read as a value at the start of its buffer.
 * Context: instance lock. Called by: ip4_in.c, ip_out.c, icmp.c, transports.
 */
#include "stack/ip/ip4_opts.h"

#include "stack/core/sk.h"
#include "stack/ip/route.h"
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"

#define MS_A_DAY (24 * 3600 * 1000u)

static bool is_peer(const void *ctx, uint32_t be_addr)
{
	return ip4_classify(ctx, be_addr) == IP4_OTHER;
}

struct ip4_opts_host ip4_opts_host(const struct s7_inst *inst, uint32_t own)
{
	int64_t wall = (int64_t)inst->now + inst->env->host->realtime_offset();
	struct ip4_opts_host host = {
		.own = own,
		.time = htonl((uint32_t)(wall / (int64_t)S7_MS % MS_A_DAY)),
		.is_peer = is_peer,
		.ctx = inst,
	};

	return host;
}

/* The address that was meant: the destination, unless that is many. */
static uint32_t own_of(const struct s7_inst *inst, const struct s7_rx *rx)
{
	struct s7_ip own = rx->dst;

	if (ip_is_multicast(&own) || ip_is_broadcast(inst, &own))
		own = iface_source(rx->iface, &rx->src);
	return ip_v4(&own);
}

/* Does the kernel receive this packet too, and say what is wrong with it? */
static bool kernel_hears(struct s7_inst *inst, const struct s7_pkt *pkt, const struct s7_rx *rx)
{
	uint32_t l4 = (pkt->data[0] & 15) * 4u;

	if (!ip_kernel_answers(inst, rx))
		return false;
	if ((rx->proto != IPPROTO_TCP && rx->proto != IPPROTO_UDP) || pkt->len < l4 + 4)
		return true;
	return !sk_port_owned(inst, rx->proto, &rx->dst, get_be16(pkt->data + l4 + 2));
}

bool ip4_opts_in(struct s7_inst *inst, struct s7_pkt *pkt, const struct s7_rx *rx,
		 struct s7_ip4_opts *ret_opts)
{
	struct ip4_opts_host host = ip4_opts_host(inst, own_of(inst, rx));
	uint32_t hdr_len = (pkt->data[0] & 15) * 4u;
	uint8_t wrong;

	if (rx->iface->index == S7_IFACE_LO) { /* which carries headers without a sum */
		put_raw16(pkt->data + 10, 0);
		put_raw16(pkt->data + 10, csum_fold(csum_partial(pkt->data, hdr_len, 0)));
	}
	wrong = ip4_opts_read(ret_opts, pkt->data, hdr_len, &host);
	if (s7_likely(!wrong && !ret_opts->srr))
		return true;
	if (wrong && !kernel_hears(inst, pkt, rx)) {
		struct s7_rx told = *rx;

		told.opts = ret_opts;
		icmp_error(inst, &told, pkt, ICMP_T_PARAM, 0, (uint32_t)wrong << 24);
	}
	pkt_drop(inst, pkt, wrong ? DROP_IP_OPTIONS : DROP_IP_SOURCE_ROUTE);
	return false;
}

int ip4_opts_answer(const struct s7_inst *inst, const struct s7_rx *rx,
		    struct s7_ip4_opts *ret_opts)
{
	struct ip4_opts_host host;

	ret_opts->len = ret_opts->srr = 0;
	if (s7_likely(!rx->opts))
		return 0;
	host = ip4_opts_host(inst, own_of(inst, rx));
	return ip4_opts_echo(ret_opts, rx->opts, ip_v4(&rx->src), &host);
}

int ip4_opts_turn(const struct s7_inst *inst, const struct s7_ip4_opts *opts,
		  const struct s7_ip *src, struct s7_ip4_opts *ret_opts)
{
	struct ip4_opts_host host = ip4_opts_host(inst, 0);
	int err = ip4_opts_echo(ret_opts, opts, ip_v4(src), &host);

	if (!err)
		ip4_opts_undo(ret_opts);
	return err;
}

uint32_t ip4_opts_push(const struct s7_inst *inst, const struct s7_dst *dst, struct s7_pkt *pkt,
		       const struct s7_ip_tx *tx, bool first_fragment)
{
	struct ip4_opts_host host = ip4_opts_host(inst, ip_v4(&dst->src));
	uint8_t *p = pkt_push(pkt, tx->opts->len);

	ip4_opts_write(p - IP4_LEN, tx->opts, tx->final4, &host);
	if (!first_fragment)
		ip4_opts_fragment(p, tx->opts->len);
	return tx->opts->len;
}

bool ip4_opts_keep(struct s7_pkt *pkt, const struct s7_ip4_opts *opts)
{
	if (pkt_headroom(pkt) < sizeof(*opts))
		return false;
	memcpy(pkt->buf, opts, sizeof(*opts));
	return true;
}
