// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_cookie.c - SYN cookies (RFC 4987 3.6)
 *
 * Idea: when a listener holds all the half-open connections it may, the answer to a SYN remembers
 * itself. Our ISN is 5 bits of a 64 s clock, 3 bits of an MSS table, 24 bits of a keyed hash over
 * the four-tuple, the peer's ISN, clock and MSS. With timestamps the low 6 bits of ours carry
 * window scale, SACK-permitted and ECN; without them none is used.
 * Invariants: nothing is stored; a cookie is good for two ticks of the clock and only while this
 * listener has sent any lately.
 * Context: instance lock. Called by: tcp_in.c.
 */
#include "stack/tcp/tcp_int.h"

#define COOKIE_TICK_NS (64 * S7_SEC)
#define COOKIE_TICKS 2
#define COOKIE_TS_BITS 6
#define COOKIE_TS_MASK ((1u << COOKIE_TS_BITS) - 1)
#define COOKIE_NO_SCALE 15u
#define COOKIE_SACK 16u
#define COOKIE_ECN 32u

static const uint16_t cookie_mss[8] = { 216, 536, 1024, 1220, 1360, 1440, 1460, 8960 };

enum tcp_syn_way tcp_syn_way(const struct s7_tcp_sock *listener)
{
	const struct s7_params *params = &listener->sk.inst->params;
	bool full = listener->tcb.request_count >= params->tcp_syn_backlog;

	if (params->tcp.syncookies == 2)
		return SYN_COOKIE;
	if (s7_likely(!full))
		return SYN_KEEP;
	return params->tcp.syncookies ? SYN_COOKIE : SYN_REFUSE;
}

static uint32_t cookie_hash(struct s7_inst *inst, const struct s7_flow *flow, uint32_t irs,
			    uint32_t tick, uint32_t mss)
{
	uint64_t words[6] = { flow->local.q[0] ^ flow->remote.q[0],
			      flow->local.q[1],
			      flow->remote.q[1],
			      (uint64_t)flow->lport << 16 | flow->rport,
			      (uint64_t)irs << 32 | tick,
			      mss };

	return (uint32_t)tcp_keyed_hash(inst->tcp->key[0], words, sizeof(words)) & 0xffffff;
}

static uint32_t cookie_make(struct s7_inst *inst, const struct s7_tcp_req *req, uint32_t tick,
			    uint32_t mss)
{
	return (tick & 31) << 27 | mss << 24 | cookie_hash(inst, &req->flow, req->irs, tick, mss);
}

/* Our timestamp with the agreement in its low bits, not ahead of the clock. */
static uint32_t cookie_ts(struct s7_inst *inst, const struct s7_tcp_req *req)
{
	uint32_t now = tcp_ms(inst) + req->ts_offset;
	uint32_t bits = req->bits & TCPO_WSCALE ? req->snd_wscale : COOKIE_NO_SCALE;
	uint32_t ts;

	bits |= req->bits & TCPO_SACK_OK ? COOKIE_SACK : 0;
	bits |= req->ecn ? COOKIE_ECN : 0;
	ts = (now & ~COOKIE_TS_MASK) | bits;
	return seq_gt(ts, now) ? ts - (COOKIE_TS_MASK + 1) : ts;
}

void tcp_cookie_send(struct s7_tcp_sock *listener, const struct s7_rx *rx,
		     const struct tcp_seg *seg)
{
	struct s7_inst *inst = listener->sk.inst;
	struct s7_tcp_req req = { .retries = 0 };
	uint32_t mss = S7_ARRAY_LEN(cookie_mss) - 1;

	if (tcp_req_fill(listener, rx, seg, &req)) {
		inst->drop[DROP_IP_NO_ROUTE]++;
		return;
	}
	if (!(req.bits & TCPO_TS)) {
		req.bits = 0;
		req.ecn = false;
		req.rcv_wscale = req.snd_wscale = 0;
	}
	while (mss && cookie_mss[mss] > req.mss)
		mss--;
	req.iss = cookie_make(inst, &req, (uint32_t)(inst->now / COOKIE_TICK_NS), mss);
	listener->tcb.cookies_at = inst->now;
	stat_add(inst, STAT_TCP_COOKIES_SENT, 1);
	tcp_req_synack(inst, &req, cookie_ts(inst, &req), NULL);
}

static bool cookie_check(struct s7_inst *inst, const struct s7_tcp_req *req, uint32_t cookie,
			 uint16_t *ret_mss)
{
	uint32_t now = (uint32_t)(inst->now / COOKIE_TICK_NS), mss = cookie >> 24 & 7;

	for (uint32_t age = 0; age < COOKIE_TICKS; age++) {
		if (cookie == cookie_make(inst, req, now - age, mss)) {
			*ret_mss = cookie_mss[mss];
			return true;
		}
	}
	return false;
}

/* What the SYN agreed on, from the timestamp that came back. false: it is granted no more. */
static bool cookie_options(struct s7_tcp_req *req, const struct s7_tcp_sock *listener,
			   const struct tcp_seg *seg)
{
	const struct s7_iface_tcp *tcp = &listener->sk.inst->iface[req->flow.iface].tcp;
	uint32_t bits = seg->opts.ts_ecr & COOKIE_TS_MASK;
	uint8_t allowed = tcp_opts_allowed(listener->sk.inst);

	req->bits = 0;
	req->ecn = false;
	req->snd_wscale = req->rcv_wscale = 0;
	if (!(seg->opts.bits & allowed & TCPO_TS))
		return true;
	req->bits = TCPO_TS;
	req->ts_recent = seg->opts.ts_val;
	req->bits |= bits & COOKIE_SACK ? TCPO_SACK_OK : 0;
	req->ecn = bits & COOKIE_ECN && listener->sk.inst->params.tcp.ecn;
	if ((bits & 15) != COOKIE_NO_SCALE) {
		req->bits |= TCPO_WSCALE;
		req->snd_wscale = bits & 15;
		req->rcv_wscale = tcp_pick_wscale(&listener->sk, tcp);
	}
	return !(req->bits & (uint8_t)~allowed);
}

bool tcp_cookie_rx(struct s7_tcp_sock *listener, struct s7_pkt *pkt, const struct s7_rx *rx,
		   struct tcp_seg *seg)
{
	struct s7_inst *inst = listener->sk.inst;
	struct s7_tcp_req req = { .retries = 1 };
	struct s7_tcp_sock *child;
	uint16_t mss;

	if (!listener->tcb.cookies_at ||
	    inst->now - listener->tcb.cookies_at > COOKIE_TICKS * COOKIE_TICK_NS)
		return false;
	if (tcp_req_fill(listener, rx, seg, &req))
		return false;
	req.irs = seg->h.seq - 1;
	req.iss = seg->h.ack - 1;
	if (!cookie_check(inst, &req, req.iss, &mss)) {
		inst->drop[DROP_TCP_COOKIE]++;
		return false;
	}
	req.mss = mss;
	if (!cookie_options(&req, listener, seg)) {
		pkt_drop(inst, pkt, DROP_TCP_COOKIE);
		return true;
	}
	stat_add(inst, STAT_TCP_COOKIES_OK, 1);
	if (tcp_accept_full(listener, rx->iface->index)) {
		pkt_drop(inst, pkt, DROP_TCP_LISTEN_OVERFLOW);
		return true;
	}
	child = tcp_child_make(&req, seg, NULL);
	if (!child) {
		pkt_drop(inst, pkt, DROP_TCP_NO_MEMORY);
		return true;
	}
	inst->current = &child->sk;
	tcp_heard_first(child, pkt, rx);
	tcp_rx(child, pkt, seg);
	inst->current = NULL;
	return true;
}
