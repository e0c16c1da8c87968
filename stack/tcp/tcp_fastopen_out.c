// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_fastopen_out.c - TCP Fast Open (RFC 7413): clients
 *
 * Idea: with a cookie in hand connect() sends nothing: the socket is in SYN-SENT, says that it is
 * writable, and its SYN leaves with the first bytes. These are an ordinary chunk at iss + 1, which
 * counts as sent; what of it the SYN-ACK does not acknowledge counts as never sent. Without a
 * cookie the SYN asks for one and all is as ever. A SYN sent again has neither option nor data.
 * Cookies and the last MSS are remembered by (own address, peer's address) in sets of four, of
 * which the longest unused goes. A server that gives no cookie is asked once with the experimental
 * option, as Linux does.
 * Bound: TCP_TFO_PEERS peers an instance.
 * Context: instance lock. Called by: tcp_conn.c, tcp_send.c, tcp_syn_sent.c, stack/sock.
 */
#include <linux/tcp.h>

#include "stack/tcp/tcp_int.h"

/* what a SYN's options may take, and what boxes on the way may add (as Linux) */
#define OPTS_SPARE TCP_OPTS_MAX

int tcp_fastopen_inst_init(struct s7_inst *inst)
{
	struct s7_tcp_inst *tcp = inst->tcp;
	struct s7_tcp_tfo_peer *peers;

	peers = arena_take(inst->arena, TCP_TFO_PEERS * sizeof(*peers), S7_CACHELINE);
	if (!peers)
		return -ENOMEM;
	tcp->tfo_peers = peers;
	return slab_init(&tcp->tfos, inst->arena, sizeof(struct s7_tcp_tfo),
			 inst->params.max_sockets);
}

/* ---- what is known of servers ---- */

static struct s7_tcp_tfo_peer *peer_set(struct s7_inst *inst, const struct s7_flow *flow)
{
	uint64_t words[4] = { flow->local.q[0], flow->local.q[1], flow->remote.q[0],
			      flow->remote.q[1] };
	uint64_t hash = tcp_keyed_hash(inst->tcp->key[1], words, sizeof(words));

	return inst->tcp->tfo_peers + hash % (TCP_TFO_PEERS / TCP_TFO_WAYS) * TCP_TFO_WAYS;
}

static struct s7_tcp_tfo_peer *peer_find(struct s7_inst *inst, const struct s7_flow *flow)
{
	struct s7_tcp_tfo_peer *peer = peer_set(inst, flow);

	for (int i = 0; i < TCP_TFO_WAYS; i++, peer++)
		if (peer->mss && ip_equal(&peer->local, &flow->local) &&
		    ip_equal(&peer->remote, &flow->remote))
			return peer;
	return NULL;
}

static struct s7_tcp_tfo_peer *peer_learn(struct s7_inst *inst, const struct s7_flow *flow,
					  uint32_t mss)
{
	struct s7_tcp_tfo_peer *peer = peer_find(inst, flow), *set = peer_set(inst, flow);

	if (!peer) {
		peer = set;
		for (int i = 1; i < TCP_TFO_WAYS; i++)
			if (set[i].used_at < peer->used_at)
				peer = &set[i];
		memset(peer, 0, sizeof(*peer));
	}
	peer->local = flow->local;
	peer->remote = flow->remote;
	peer->mss = (uint16_t)s7_min(mss, UINT16_MAX);
	peer->used_at = inst->now;
	return peer;
}

/* What the answer to a SYN with an option, or with data, tells of the server. */
static void peer_answered(struct s7_tcp_sock *ts, const struct tcp_seg *seg, bool first_try)
{
	const struct s7_tcp_tfo *tfo = ts->tcb.tfo;
	struct s7_tcp_tfo_peer *peer;

	peer = peer_learn(ts->sk.inst, &ts->sk.flow, ts->tcb.peer_mss);
	if (!tfo->option) /* a cookie that nobody asked for */
		return;
	if (seg->opts.bits & TCPO_FASTOPEN && seg->opts.cookie.len) {
		peer->cookie = seg->opts.cookie;
		peer->option = seg->opts.bits & (TCPO_FASTOPEN | TCPO_FASTOPEN_EXP);
	} else if (!peer->cookie.len && !tfo->data && first_try) {
		/* it was not understood, or is not granted: the other way, once */
		if (peer->tried < TFO_TRIED_BOTH)
			peer->tried = tfo->option & TCPO_FASTOPEN_EXP ? TFO_TRIED_BOTH :
									TFO_TRIED;
	}
}

/* ---- options ---- */

int tcp_set_fastopen_connect(struct s7_sock *sk, int on)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);

	if (on < 0 || on > 1)
		return -EINVAL;
	if (!(sk->inst->params.tcp_fastopen & FASTOPEN_CLIENT))
		return -EOPNOTSUPP;
	if (ts->tcb.state != TCPS_CLOSED)
		return -EINVAL;
	if (!on && !ts->tcb.tfo)
		return 0;
	if (!tcp_tfo(ts))
		return -ENOBUFS;
	ts->tcb.tfo->wanted = on;
	return 0;
}

int tcp_get_fastopen_connect(const struct s7_sock *sk)
{
	return tcp_tcb(sk)->tfo && tcp_tcb(sk)->tfo->wanted;
}

bool tcp_is_deferred(const struct s7_sock *sk)
{
	return sk->proto == PROTO_TCP && tcp_tcb(sk)->tfo && tcp_tcb(sk)->tfo->deferred;
}

/* ---- connect ---- */

bool tcp_fastopen_defers(struct s7_tcp_sock *ts)
{
	struct s7_tcp_tfo *tfo = ts->tcb.tfo;
	struct s7_sock *sk = &ts->sk;
	bool free = sk->inst->params.tcp_fastopen & FASTOPEN_CLIENT_FREE ||
		sk->more & SKM_TFO_NO_COOKIE;
	struct s7_tcp_tfo_peer *peer;

	tfo->data = tfo->taken = tfo->deferred = tfo->child = false;
	tfo->option = tfo->failure = 0;
	if (!tfo->wanted && !tfo->once)
		return false;
	peer = peer_find(sk->inst, &sk->flow);
	ts->tcb.peer_mss = peer ? peer->mss : tcp_mss_of_dst(sk->inst, &ts->tcb.dst);
	tfo->deferred = free || (peer && peer->cookie.len);
	if (free)
		return true;
	tfo->option = TCPO_FASTOPEN;
	tfo->cookie.len = 0;
	if (!peer || !peer->cookie.len) {
		if (peer && peer->tried == TFO_TRIED)
			tfo->option |= TCPO_FASTOPEN_EXP;
		tfo->failure = TFO_COOKIE_UNAVAILABLE;
		return false;
	}
	tfo->option = peer->option;
	tfo->cookie = peer->cookie;
	peer->used_at = sk->inst->now;
	return true;
}

int tcp_connect_data(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, struct s7_msg *msg)
{
	struct s7_tcp_tfo *tfo = tcp_tfo(tcp_sk(sk));
	int err;

	if (!tfo)
		return -ENOBUFS;
	tfo->once = true;
	err = tcp_connect(sk, ip, port);
	tfo->once = false;
	if (!err && tfo->deferred)
		tcp_fastopen_go(tcp_sk(sk), msg);
	else if (err == -EINPROGRESS)
		tcp_sk(sk)->tcb.writer = tcp_send_waits(sk, msg);
	return err ? err : -EINPROGRESS;
}

/* The first bytes as a chunk that counts as sent; NULL: none, a plain SYN leaves. */
static struct s7_pkt *first_chunk(struct s7_tcp_sock *ts, struct s7_msg *msg)
{
	struct s7_tcb *tcb = &ts->tcb;
	uint32_t room = (uint32_t)s7_min(msg->len - msg->skip, S7_PKT_ROOM);
	uint64_t done = msg->skip;
	struct s7_pkt *chunk;

	tcp_mss_sync(ts);
	room = tcb->mss > OPTS_SPARE ? (uint32_t)s7_min(room, tcb->mss - OPTS_SPARE) : 0;
	chunk = room ? tcp_chunk_new(ts) : NULL;
	if (!chunk)
		return NULL;
	tcp_chunk_fill(ts, chunk, msg, room);
	if (s7_unlikely(msg->bad)) { /* the next send tells */
		msg->bad = false;
		msg->skip = done;
		pkt_free(ts->sk.inst, chunk);
		return NULL;
	}
	chunk->tcp.flags |= CHUNK_PSH;
	sendq_append(ts, chunk);
	tcb->sq.next = NULL;
	tcb->snd_nxt = tcb->write_seq;
	return chunk;
}

ssize_t tcp_fastopen_go(struct s7_tcp_sock *ts, struct s7_msg *msg)
{
	struct s7_tcp_tfo *tfo = ts->tcb.tfo;
	struct s7_pkt *chunk = first_chunk(ts, msg);

	tfo->deferred = false;
	tfo->data = chunk != NULL;
	msg->out_flags |= MSG_FASTOPEN;
	if (chunk)
		tcp_send_syn_data(ts, chunk);
	else
		tcp_send_syn(ts);
	tcp_rtx_arm(ts);
	ts->tcb.writer = tcp_send_waits(&ts->sk, msg);
	return chunk ? (ssize_t)chunk->tcp.len : -EINPROGRESS;
}

/* ---- the answer ---- */

/* It is the only one. The device may still hold the buffer: then a copy takes its place. */
static void chunk_renew(struct s7_tcp_sock *ts)
{
	struct s7_pkt *old = ts->tcb.sq.head, *chunk;

	chunk = pkt_is_shared(old) ? pkt_alloc(ts->sk.inst) : NULL;
	if (!chunk)
		return;
	chunk->tcp = old->tcp;
	chunk->tcp.payload_off = S7_PKT_HEADROOM;
	memcpy(chunk->buf + S7_PKT_HEADROOM, old->buf + old->tcp.payload_off, old->tcp.len);
	ts->tcb.sq.head = ts->tcb.sq.tail = chunk;
	chunk_free(ts->sk.inst, old);
}

static void unsend(struct s7_tcp_sock *ts)
{
	struct s7_tcb *tcb = &ts->tcb;

	if (!tcb->sq.head)
		return;
	chunk_renew(ts);
	tcb->snd_nxt = tcb->sq.head->tcp.seq;
	tcb->sq.next = tcb->sq.head;
}

void tcp_fastopen_answered(struct s7_tcp_sock *ts, const struct tcp_seg *seg, bool first_try)
{
	struct s7_tcb *tcb = &ts->tcb;
	struct s7_tcp_tfo *tfo = tcb->tfo;
	struct tcp_acking ak = { .una = tcb->snd_una, .acked = seg->h.ack - tcb->snd_una };

	if (tfo->option || tfo->data)
		peer_answered(ts, seg, first_try);
	if (!tfo->data)
		return;
	if (ak.acked)
		tcp_ack_advance(ts, seg, &ak);
	if (tcb->snd_una == tcb->snd_nxt) {
		tfo->taken = true;
		stat_add(ts->sk.inst, STAT_TCP_TFO_ACTIVE, 1);
		return;
	}
	tfo->failure = first_try ? TFO_DATA_NOT_ACKED : TFO_SYN_RETRANSMITTED;
	stat_add(ts->sk.inst, STAT_TCP_TFO_ACTIVE_FAIL, 1);
	unsend(ts);
	tcb->at[TCPD_RTX] = tcb->at[TCPD_TLP] = 0;
}
