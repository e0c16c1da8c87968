// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_fastopen.c - TCP Fast Open (RFC 7413): servers, and what both ends have
 *
 * Idea: a SYN with a cookie of ours comes from where it says. Its connection is made at once: an
 * ordinary child whose state is SYN-RECEIVED until its SYN-ACK is acknowledged, with the SYN's data
 * in the receive queue, in the accept queue and able to send. snd_una is behind the SYN from the
 * start, since the SYN is in no chunk; the retransmission timer repeats the SYN-ACK alone until
 * then (tcp_timer.c, rtx_syn).
 * A cookie is SipHash-2-4 over both addresses under the kernel's key, as the kernel makes it.
 * Bound: TCP_FASTOPEN's number of pending children a listener; one that was reset counts for
 * another 60 s, so that stolen cookies buy no more of them (RFC 7413 5.1).
 * Not here: FIN in a SYN that opens (dropped as impossible flags).
 * Context: instance lock. Called by: tcp_in.c, tcp_rx.c, tcp_close.c, tcp_conn.c, opt_tcp.c.
 */
#include <endian.h>

#include "stack/tcp/tcp_int.h"

#define COOKIE_LEN 8
#define KEY_LEN 16
#define RESET_COUNTS (60 * S7_SEC)

/* ---- the part behind tcb->tfo ---- */

struct s7_tcp_tfo *tcp_tfo(struct s7_tcp_sock *ts)
{
	struct s7_tcp_tfo *tfo = ts->tcb.tfo;

	if (tfo)
		return tfo;
	tfo = slab_alloc(&ts->sk.inst->tcp->tfos);
	if (!tfo) {
		stat_add(ts->sk.inst, STAT_EXT_FULL, 1);
		return NULL;
	}
	list_init(&tfo->children);
	list_init(&tfo->list);
	ts->tcb.tfo = tfo;
	return tfo;
}

void tcp_tfo_free(struct s7_tcp_sock *ts)
{
	struct s7_tcp_tfo *tfo = ts->tcb.tfo;

	if (s7_likely(!tfo))
		return;
	tcp_fastopen_settled(ts, false);
	tcp_fastopen_listener_gone(ts);
	ts->tcb.tfo = NULL;
	slab_free(&ts->sk.inst->tcp->tfos, tfo);
}

/* ---- options ---- */

/* Until somebody says another: nobody else knows it. */
static void own_key(struct s7_inst *inst, struct s7_tcp_tfo *tfo)
{
	static const uint64_t words[2] = { 1, 2 };

	for (int i = 0; i < 2; i++)
		tfo->key[0][i] = tcp_siphash24(inst->tcp->key[1], &words[i], sizeof(words[i]));
	tfo->keys = 1;
}

/* How many connections may be open before their SYN-ACK is acknowledged. */
int tcp_set_fastopen(struct s7_sock *sk, int qlen)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;

	if (qlen < 0 || (tcb->state != TCPS_CLOSED && tcb->state != TCPS_LISTEN))
		return -EINVAL;
	if (qlen && !tcp_tfo(tcp_sk(sk)))
		return -ENOBUFS;
	if (qlen && !tcb->tfo->keys)
		own_key(sk->inst, tcb->tfo);
	tcb->fastopen_qlen = (uint32_t)s7_min(qlen, sk->inst->params.backlog_max);
	return 0;
}

int tcp_get_fastopen(const struct s7_sock *sk)
{
	return (int)tcp_tcb(sk)->fastopen_qlen;
}

void tcp_set_fastopen_keys(struct s7_sock *sk, const void *keys, uint32_t len)
{
	struct s7_tcp_tfo *tfo = tcp_sk(sk)->tcb.tfo;

	if (!tfo || (len != KEY_LEN && len != 2 * KEY_LEN))
		return;
	memcpy(tfo->key, keys, len);
	for (int i = 0; i < 4; i++)
		tfo->key[i / 2][i % 2] = le64toh(tfo->key[i / 2][i % 2]);
	tfo->keys = (uint8_t)(len / KEY_LEN);
}

/* ---- cookies ---- */

static void cookie_make(const uint64_t key[2], const struct s7_flow *flow,
			struct tcp_cookie *ret_cookie)
{
	struct s7_ip words[2] = { flow->remote, flow->local };
	uint64_t hash;
	uint32_t v4[2];

	if (ip_is_v4(&flow->remote)) {
		v4[0] = ip_v4(&flow->remote);
		v4[1] = ip_v4(&flow->local);
		hash = tcp_siphash24(key, v4, sizeof(v4));
	} else {
		hash = tcp_siphash24(key, words, sizeof(words));
	}
	hash = htole64(hash);
	ret_cookie->len = COOKIE_LEN;
	memcpy(ret_cookie->bytes, &hash, COOKIE_LEN);
}

/* Which key made it, or -1. */
static int cookie_check(const struct s7_tcp_tfo *tfo, const struct s7_flow *flow,
			const struct tcp_cookie *cookie)
{
	struct tcp_cookie good;

	for (int i = 0; i < tfo->keys; i++) {
		cookie_make(tfo->key[i], flow, &good);
		if (good.len == cookie->len && !memcmp(good.bytes, cookie->bytes, good.len))
			return i;
	}
	return -1;
}

static void cookie_grant(const struct s7_tcp_tfo *tfo, const struct s7_flow *flow,
			 const struct tcp_seg *seg, struct tcp_opts *ret_grant)
{
	if (!tfo->keys)
		return;
	cookie_make(tfo->key[0], flow, &ret_grant->cookie);
	ret_grant->bits = seg->opts.bits & (TCPO_FASTOPEN | TCPO_FASTOPEN_EXP);
}

/* ---- a SYN ---- */

static bool queue_has_room(struct s7_tcp_sock *listener)
{
	struct s7_tcp_tfo *tfo = listener->tcb.tfo;
	struct s7_inst *inst = listener->sk.inst;

	if (tfo->resets && inst->now - tfo->reset_at >= RESET_COUNTS)
		tfo->resets = 0;
	if (tfo->pending + tfo->resets < listener->tcb.fastopen_qlen)
		return true;
	stat_add(inst, STAT_TCP_TFO_OVERFLOW, 1);
	return false;
}

static bool needs_no_cookie(const struct s7_sock *sk)
{
	return sk->inst->params.tcp_fastopen & FASTOPEN_SERVER_FREE ||
	       sk->more & SKM_TFO_NO_COOKIE;
}

/* May the SYN open its connection at once? If not, or with its option, *ret_grant is answered. */
static bool may_open(struct s7_tcp_sock *listener, const struct s7_flow *flow,
		     const struct tcp_seg *seg, struct tcp_opts *ret_grant)
{
	struct s7_tcp_tfo *tfo = listener->tcb.tfo;
	struct s7_inst *inst = listener->sk.inst;
	bool asks = seg->opts.bits & TCPO_FASTOPEN;
	int key;

	if (needs_no_cookie(&listener->sk))
		return true;
	if (!asks)
		return false;
	if (!seg->opts.cookie.len) {
		cookie_grant(tfo, flow, seg, ret_grant);
		return false;
	}
	key = cookie_check(tfo, flow, &seg->opts.cookie);
	if (key)
		cookie_grant(tfo, flow, seg, ret_grant);
	if (key < 0)
		stat_add(inst, STAT_TCP_TFO_PASSIVE_FAIL, 1);
	return key >= 0;
}

/* The SYN's data without its headers. TCP_SAVE_SYN keeps the packet itself: then a copy. */
static struct s7_pkt *syn_payload(struct s7_tcp_sock *listener, struct s7_tcp_req *req,
				  struct s7_pkt *pkt, const struct tcp_seg *seg)
{
	struct s7_inst *inst = listener->sk.inst;
	struct s7_pkt *data = pkt;

	if (s7_unlikely(listener->tcb.save_syn)) {
		data = pkt_copy(inst, pkt, seg->h.hdr_len, seg->len);
		if (!data)
			return NULL;
		tcp_syn_keep(req, pkt, seg);
		pkt_free(inst, pkt);
		return data;
	}
	tcp_pkt_trim(data, seg->h.hdr_len);
	return data;
}

static void child_take_data(struct s7_tcp_sock *child, struct s7_pkt *data, uint32_t len)
{
	struct s7_tcb *tcb = &child->tcb;

	rcvq_append(child, data, len);
	tcb->rcv_nxt += len;
	tcb->bytes_received += len;
	child->sk.last_rx = child->sk.inst->now;
	tcb->tfo->taken = true;
}

static struct s7_tcp_tfo *child_tfo(struct s7_tcp_sock *listener, const struct tcp_opts *grant)
{
	struct s7_tcp_tfo *tfo = slab_alloc(&listener->sk.inst->tcp->tfos);

	if (!tfo)
		return NULL;
	list_init(&tfo->children);
	list_init(&tfo->list);
	tfo->child = true;
	tfo->option = grant->bits;
	tfo->cookie = grant->cookie;
	tfo->synack_at = listener->sk.inst->now;
	return tfo;
}

/* The child in the accept queue, or NULL: nothing has happened. */
static struct s7_tcp_sock *child_open(struct s7_tcp_sock *listener, struct s7_tcp_req *req,
				      const struct tcp_seg *seg, const struct tcp_opts *grant)
{
	struct s7_tcp_tfo *tfo = child_tfo(listener, grant);
	struct s7_tcp_sock *child;

	if (!tfo)
		return NULL;
	child = tcp_child_make(req, seg, tfo);
	if (!child) {
		slab_free(&listener->sk.inst->tcp->tfos, tfo);
		return NULL;
	}
	tfo->listener = listener;
	list_add_tail(&listener->tcb.tfo->children, &tfo->list);
	listener->tcb.tfo->pending++;
	return child;
}

bool tcp_fastopen_rx(struct s7_tcp_sock *listener, struct s7_pkt *pkt, const struct s7_rx *rx,
		     struct tcp_seg *seg, struct tcp_opts *ret_grant)
{
	struct s7_inst *inst = listener->sk.inst;
	struct s7_tcp_req req = { .retries = 0 };
	struct s7_tcp_sock *child;
	struct s7_pkt *data;

	if (!(inst->params.tcp_fastopen & FASTOPEN_SERVER) || !listener->tcb.tfo ||
	    !(seg->len || seg->opts.bits & TCPO_FASTOPEN) || !queue_has_room(listener) ||
	    tcp_req_fill(listener, rx, seg, &req) || seg->len > req.rcv_wnd)
		return false;
	if (!may_open(listener, &req.flow, seg, ret_grant))
		return false;
	req.iss = tcp_isn(inst, &req.flow);
	data = syn_payload(listener, &req, pkt, seg);
	if (!data)
		return false;
	child = child_open(listener, &req, seg, ret_grant);
	if (!child) {
		pkt_free(inst, req.syn);
		pkt_drop(inst, data, DROP_TCP_NO_MEMORY);
		return true;
	}
	stat_add(inst, STAT_TCP_TFO_PASSIVE, 1);
	child->tcb.segs_in++;
	child->sk.rx_cpu = inst->rx_cpu;
	if (seg->len)
		child_take_data(child, data, seg->len);
	else
		pkt_free(inst, data);
	tcp_send_syn(child);
	tcp_rtx_arm(child);
	return true;
}

/* ---- afterwards ---- */

void tcp_fastopen_option(const struct s7_tcp_sock *ts, struct tcp_opts *opts)
{
	const struct s7_tcp_tfo *tfo = ts->tcb.tfo;
	uint8_t bits = opts->bits;

	/* what was lost once may have been lost for its option */
	if (!tfo->option || ts->tcb.retries ||
	    (ts->tcb.state == TCPS_SYN_RCVD && !tfo->child)) /* both sides sent a SYN */
		return;
	opts->bits |= tfo->option;
	opts->cookie = tfo->cookie;
	if (tcp_opts_len(opts) > TCP_OPTS_MAX)
		opts->bits = bits;
}

bool tcp_fastopen_acked(struct s7_tcp_sock *ts, const struct tcp_seg *seg)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_sock *sk = &ts->sk;
	struct s7_inst *inst = sk->inst;

	if (seq_lt(seg->h.ack, tcb->iss + 1) || seq_gt(seg->h.ack, tcb->snd_nxt))
		return false;
	if (!tcb->retries)
		tcp_rtt_sample(ts, (inst->now - tcb->tfo->synack_at) / S7_US);
	tcb->retries = tcb->backoff = 0;
	tcb->stalled_at = 0;
	tcb->delivered++;
	tcb->at[TCPD_RTX] = 0;
	if (tcb->snd_nxt != tcb->snd_una)
		tcp_rtx_arm(ts);
	tcb->snd_wnd = (uint32_t)seg->h.wnd << tcb->snd_wscale;
	tcb->snd_max_wnd = (uint32_t)s7_max(tcb->snd_max_wnd, tcb->snd_wnd);
	tcb->snd_wl1 = seg->h.seq;
	tcp_mss_sync(ts);
	tcp_set_state(ts, TCPS_ESTABLISHED);
	if (sk->bits & SKB_KEEPALIVE)
		tcp_keep_arm(ts);
	if (tcb->bits & TCB_FIN_QUEUED)
		tcp_set_state(ts, TCPS_FIN_WAIT_1);
	tcp_fastopen_settled(ts, false);
	sk_event(sk, EPOLLOUT | EPOLLWRNORM);
	return true;
}

void tcp_fastopen_settled(struct s7_tcp_sock *ts, bool by_reset)
{
	struct s7_tcp_tfo *tfo = ts->tcb.tfo, *theirs;

	if (!tfo->listener)
		return;
	theirs = tfo->listener->tcb.tfo;
	tfo->listener = NULL;
	list_del(&tfo->list);
	theirs->pending--;
	if (by_reset) {
		theirs->resets++;
		theirs->reset_at = ts->sk.inst->now;
	}
}

void tcp_fastopen_listener_gone(struct s7_tcp_sock *ts)
{
	struct s7_tcp_tfo *tfo = ts->tcb.tfo;

	while (!list_empty(&tfo->children)) {
		struct s7_tcp_tfo *child = list_first(&tfo->children, struct s7_tcp_tfo, list);

		list_del(&child->list);
		child->listener = NULL;
	}
	tfo->pending = tfo->resets = 0;
}
