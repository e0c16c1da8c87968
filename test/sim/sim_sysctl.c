/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_sysctl.c - what net.ipv4.tcp_* of a network namespace does to connections
 *
 * The values are put where the library puts the kernel's (inst->params.tcp).
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

#define SYN_BITS (TCPO_SACK_OK | TCPO_TS | TCPO_WSCALE)

static const struct sim_setup plain = { .delay_ns = S7_MS };

/* What the segments of each host looked like. */
struct wire {
	uint8_t syn_bits[2]; /* options of SYN and SYN-ACK */
	uint32_t syn_ts[2], at_ms[2];
	uint32_t sacks[2], rsts[2], segs[2];
	uint32_t most_len[2];
	bool drop_acks; /* of host 0, bare */
};

static enum sim_verdict note(struct sim *sim, const struct sim_seg *seg)
{
	struct wire *w = sim->hook_arg;
	uint32_t from = seg->from;

	w->segs[from]++;
	w->sacks[from] += seg->opts.sack_count;
	w->rsts[from] += seg->h.flags & TCPF_RST ? 1 : 0;
	w->most_len[from] = (uint32_t)s7_max(w->most_len[from], seg->len);
	if (seg->h.flags & TCPF_SYN) {
		w->syn_bits[from] = seg->opts.bits & SYN_BITS;
		w->syn_ts[from] = seg->opts.ts_val;
		w->at_ms[from] = (uint32_t)(sim->now / S7_MS);
	}
	return w->drop_acks && !from && seg->h.flags == TCPF_ACK ? SIM_DROP : SIM_PASS;
}

static struct s7_tcp_params *params(struct sim *sim, int host)
{
	return &sim->host[host].inst->params.tcp;
}

static struct sim *watched(const struct sim_setup *setup, struct wire *w)
{
	struct sim *sim = sim_new(setup);

	memset(w, 0, sizeof(*w));
	sim->hook = note;
	sim->hook_arg = w;
	return sim;
}

static void pair_end(struct sim *sim, struct sim_pair *pair)
{
	sim->hook = NULL;
	sim_close(pair->a);
	sim_close(pair->b);
	cr_expect_eq(sim_end(sim), 0);
}

/* Without one at either end, its option is in no SYN-ACK; data flows all the same. */
static void without(int host, uint8_t bits)
{
	uint8_t left = SYN_BITS & (uint8_t)~bits;
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair;

	params(sim, host)->sack = !(bits & TCPO_SACK_OK);
	params(sim, host)->timestamps = !(bits & TCPO_TS);
	params(sim, host)->window_scaling = !(bits & TCPO_WSCALE);
	pair = sim_pair(sim);
	cr_expect_eq(w.syn_bits[0], host ? SYN_BITS : left);
	cr_expect_eq(w.syn_bits[1], left);
	for (int i = 0; i < 2; i++) {
		const struct s7_tcb *tcb = tcp_tcb(i ? pair.b : pair.a);

		cr_expect_eq(!!(tcb->bits & TCB_SACK), !(bits & TCPO_SACK_OK));
		cr_expect_eq(!!(tcb->bits & TCB_TS), !(bits & TCPO_TS));
		cr_expect_eq(!!(tcb->bits & TCB_WSCALE), !(bits & TCPO_WSCALE));
		cr_expect(!(bits & TCPO_WSCALE) || (!tcb->rcv_wscale && !tcb->snd_wscale));
	}
	cr_expect_gt(sim_transfer(sim, &pair, 200000, 200000, 20 * S7_SEC), 0);
	pair_end(sim, &pair);
}

Test(sysctl, options_of_the_handshake)
{
	for (int host = 0; host < 2; host++) {
		without(host, TCPO_SACK_OK);
		without(host, TCPO_TS);
		without(host, TCPO_WSCALE);
		without(host, SYN_BITS);
	}
}

/* The same where only the cookie knows of them. */
Test(sysctl, options_of_a_cookie)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair;

	params(sim, 1)->syncookies = 2; /* for everybody */
	params(sim, 1)->sack = 0;
	pair = sim_pair(sim);
	cr_expect_eq(sim->host[1].inst->stat[STAT_TCP_COOKIES_OK], 1);
	cr_expect_eq(w.syn_bits[1], TCPO_TS | TCPO_WSCALE);
	cr_expect_eq(tcp_tcb(pair.b)->bits & (TCB_SACK | TCB_TS | TCB_WSCALE), TCB_TS | TCB_WSCALE);
	cr_expect_gt(sim_transfer(sim, &pair, 50000, 50000, 20 * S7_SEC), 0);
	pair_end(sim, &pair);
}

/* A cookie that grants what is not granted any more is worth nothing. */
Test(sysctl, cookie_of_yesterday)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4), *client;

	params(sim, 1)->syncookies = 2;
	w.drop_acks = true;
	client = sim_connect(&sim->host[0], &sim->host[1], 80);
	sim_run(sim, 10 * S7_MS);
	cr_assert_eq(sim_state(client), TCPS_ESTABLISHED);
	params(sim, 1)->sack = 0;
	w.drop_acks = false;
	cr_assert_eq(sim_send(client, "x", 1, 0), 1);
	sim_run(sim, 10 * S7_MS);
	cr_expect_null(sim_accept(listener));
	cr_expect_gt(sim->host[1].inst->drop[DROP_TCP_COOKIE], 0);
	cr_expect_eq(w.rsts[1], 0);
	params(sim, 1)->sack = 1;
	sim_run(sim, 5 * S7_SEC);
	sim_close(listener);
	sim_close(client);
	cr_expect_eq(sim_end(sim), 0);
}

Test(sysctl, syncookies_never)
{
	struct sim_setup setup = { .delay_ns = S7_MS, .syn_backlog = 1 };
	struct wire w;
	struct sim *sim = watched(&setup, &w);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4), *client[2];

	params(sim, 1)->syncookies = 0;
	w.drop_acks = true;
	for (int i = 0; i < 2; i++) {
		client[i] = sim_connect(&sim->host[0], &sim->host[1], 80);
		sim_run(sim, 10 * S7_MS);
	}
	cr_expect_eq(sim_state(client[0]), TCPS_ESTABLISHED);
	cr_expect_eq(sim_state(client[1]), TCPS_SYN_SENT);
	cr_expect_eq(sim->host[1].inst->drop[DROP_TCP_SYN_FULL], 1);
	cr_expect_eq(sim->host[1].inst->stat[STAT_TCP_COOKIES_SENT], 0);
	for (int i = 0; i < 2; i++)
		sim_close(client[i]);
	w.drop_acks = false;
	sim_close(listener);
	cr_expect_eq(sim_end(sim), 0);
}

/* 2: the clock as it is. 1: an offset of the two addresses. */
Test(sysctl, timestamps_without_offset)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair;

	params(sim, 0)->timestamps = 2;
	pair = sim_pair(sim);
	cr_expect_eq(w.syn_ts[0], w.at_ms[0]);
	cr_expect_neq(w.syn_ts[1], w.at_ms[1]);
	cr_expect_gt(sim_transfer(sim, &pair, 50000, 50000, 20 * S7_SEC), 0);
	pair_end(sim, &pair);
}

/* The same bytes twice: the answer names them, or not. */
static uint32_t blocks_for_a_duplicate(bool dsack)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair = sim_pair(sim);
	struct tcp_opts o = { .bits = TCPO_TS };
	struct tcp_hdr h;
	uint32_t before;

	params(sim, 1)->dsack = dsack;
	cr_assert_gt(sim_transfer(sim, &pair, 1000, 0, S7_SEC), 0);
	h = (struct tcp_hdr){ .src = pair.a->flow.lport, .dst = 80, .flags = TCPF_ACK, .wnd = 1000,
			      .seq = tcp_tcb(pair.b)->rcv_nxt - 100,
			      .ack = tcp_tcb(pair.b)->snd_nxt };
	o.ts_val = tcp_tcb(pair.b)->ts_recent;
	before = w.segs[1];
	sim_inject(sim, 1, &h, &o, "0123456789", 10);
	sim_run(sim, S7_MS / 2);
	cr_expect_eq(w.segs[1], before + 1);
	pair_end(sim, &pair);
	return w.sacks[1];
}

Test(sysctl, dsack)
{
	cr_expect_eq(blocks_for_a_duplicate(true), 1);
	cr_expect_eq(blocks_for_a_duplicate(false), 0);
}

/* Handshakes that end when the accept queue is full. Returns the RSTs of the server. */
static uint32_t overflow(uint32_t abort_on_overflow)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 0), *client[3];
	uint32_t rsts, queued;

	params(sim, 1)->abort_on_overflow = abort_on_overflow;
	for (int i = 0; i < 3; i++) /* all SYNs are answered before the first is complete */
		client[i] = sim_connect(&sim->host[0], &sim->host[1], 80);
	sim_run(sim, 50 * S7_MS);
	rsts = w.rsts[1];
	queued = tcp_tcb(listener)->accept_len;
	cr_expect_eq(queued, 1);
	for (int i = 0, dead = 0; i < 3; i++) {
		dead += client[i]->err == ECONNRESET;
		cr_expect(i < 2 || dead == (int)rsts);
	}
	cr_expect_eq(tcp_tcb(listener)->request_count, abort_on_overflow ? 0 : 2);
	for (int i = 0; i < 3; i++)
		sim_close(client[i]);
	sim_close(listener);
	cr_expect_eq(sim_end(sim), 0);
	return rsts;
}

Test(sysctl, abort_on_overflow)
{
	cr_expect_eq(overflow(0), 0);
	cr_expect_eq(overflow(1), 2);
}

/* A peer that takes small segments only does not get smaller ones than this. */
Test(sysctl, min_snd_mss)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4);
	struct sim_pair pair;

	cr_assert_eq(tcp_set_maxseg(listener, 100), 0);
	params(sim, 0)->min_snd_mss = 300;
	pair.a = sim_connect(&sim->host[0], &sim->host[1], 80);
	sim_run(sim, 10 * S7_MS);
	pair.b = sim_accept(listener);
	cr_assert(pair.b);
	sim_close(listener);
	cr_assert_gt(sim_transfer(sim, &pair, 20000, 20000, 20 * S7_SEC), 0);
	cr_expect_eq(w.most_len[0], 300 - 12);
	cr_expect_leq(w.most_len[1], 100 - 12);
	pair_end(sim, &pair);
}

/* Below what Linux grants by default nothing is cut off either: 48 less the timestamps. */
Test(sysctl, min_snd_mss_of_a_peer_that_counts_low)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4), *child;
	struct tcp_opts o = { .bits = TCPO_MSS, .mss = 8 };
	struct tcp_hdr h = { .src = 4000, .dst = 80, .seq = 99, .flags = TCPF_SYN, .wnd = 8192 };

	sim->hook = NULL;
	sim_inject(sim, 1, &h, &o, NULL, 0);
	h.seq = 100;
	h.flags = TCPF_ACK;
	h.ack = list_first(&tcp_tcb(listener)->requests, struct s7_tcp_req, list)->iss + 1;
	sim_inject(sim, 1, &h, NULL, NULL, 0);
	child = sim_accept(listener);
	cr_assert(child);
	cr_expect_eq(tcp_tcb(child)->mss, 48);
	sim_close(child);
	sim_close(listener);
	cr_expect_eq(sim_end(sim), 0);
}

Test(sysctl, notsent_lowat)
{
	static uint8_t data[400000];
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair = sim_pair(sim);

	cr_assert(sk_ops(pair.a)->poll(pair.a) & EPOLLOUT);
	pair.a->sndbuf = 2000000;
	cr_assert_gt(sim_send(pair.a, data, 200000, 0), 100000);
	cr_expect(sk_ops(pair.a)->poll(pair.a) & EPOLLOUT);
	params(sim, 0)->notsent_lowat = 4096;
	cr_expect_not(sk_ops(pair.a)->poll(pair.a) & EPOLLOUT);
	cr_assert_eq(tcp_set_notsent_lowat(pair.a, 1000000), 0); /* the program's own */
	cr_expect(sk_ops(pair.a)->poll(pair.a) & EPOLLOUT);
	pair.a->bits |= SKB_LINGER;
	pair.a->linger_s = 0;
	pair_end(sim, &pair);
}

/* How far the receive buffer grew. */
static uint32_t rcvbuf_after(uint32_t moderate)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair = sim_pair(sim);
	uint32_t grown;

	params(sim, 1)->moderate_rcvbuf = moderate;
	grown = pair.b->rcvbuf;
	cr_assert_gt(sim_transfer(sim, &pair, 3000000, 0, 20 * S7_SEC), 0);
	grown = pair.b->rcvbuf - grown;
	pair_end(sim, &pair);
	return grown;
}

Test(sysctl, moderate_rcvbuf)
{
	cr_expect_gt(rcvbuf_after(1), 0);
	cr_expect_eq(rcvbuf_after(0), 0);
}

/* An RST at the right place ends TIME_WAIT, or does not. */
static uint32_t tws_after_rst(uint32_t rfc1337)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair = sim_pair(sim);
	struct tcp_hdr h = { .src = pair.b->flow.lport, .dst = pair.a->flow.lport,
			     .flags = TCPF_RST };
	uint32_t left;

	params(sim, 0)->rfc1337 = rfc1337;
	h.seq = tcp_tcb(pair.b)->snd_nxt + 1;
	sim_close(pair.a);
	sim_run(sim, 10 * S7_MS);
	sim_close(pair.b);
	sim_run(sim, 10 * S7_MS);
	cr_assert_eq(sim->host[0].inst->tcp->tws.used, 1);
	sim_inject(sim, 0, &h, NULL, NULL, 0);
	left = sim->host[0].inst->tcp->tws.used;
	sim->hook = NULL;
	cr_expect_eq(sim_end(sim), 0);
	return left;
}

Test(sysctl, rfc1337)
{
	cr_expect_eq(tws_after_rst(0), 0);
	cr_expect_eq(tws_after_rst(1), 1);
}

/* Which byte of "abcd" the pointer 2 means, and with pointer 0. */
static char urgent_byte(uint32_t stdurg, uint16_t pointer)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair = sim_pair(sim);
	struct tcp_opts o = { .bits = TCPO_TS, .ts_val = tcp_tcb(pair.b)->ts_recent };
	struct tcp_hdr h = { .src = pair.a->flow.lport, .dst = 80, .wnd = 1000, .urg = pointer,
			     .flags = TCPF_ACK | TCPF_URG, .seq = tcp_tcb(pair.b)->rcv_nxt,
			     .ack = tcp_tcb(pair.b)->snd_nxt };
	char c = 0;

	params(sim, 1)->stdurg = stdurg;
	sim_inject(sim, 1, &h, &o, "abcd", 4);
	cr_assert_eq(sim_recv(pair.b, &c, 1, MSG_OOB), 1);
	sim->hook = NULL;
	sim_free(sim); /* the peer never sent that */
	return c;
}

/* The time between the first timeout of a byte that never arrives and the second. */
static s7_time second_timeout(uint32_t thin_linear)
{
	struct wire w;
	struct sim *sim = watched(&plain, &w);
	struct sim_pair pair = sim_pair(sim);
	s7_time at[4];
	uint32_t before;

	params(sim, 0)->thin_linear = thin_linear;
	cr_assert_gt(sim_transfer(sim, &pair, 100, 100, S7_SEC), 0);
	sim->path_mtu = 1; /* nothing gets through */
	tcp_sk(pair.a)->tcb.ssthresh = 100000; /* what is thin has left slow start */
	cr_assert_eq(sim_send(pair.a, "x", 1, 0), 1);
	for (int i = 0; i < 4; i++) {
		for (before = w.segs[0]; w.segs[0] == before;)
			sim_step(sim, sim->now + 10 * S7_SEC);
		at[i] = sim->now;
	}
	sim_free(sim);
	return at[3] - at[2];
}

Test(sysctl, thin_linear_timeouts)
{
	cr_expect_gt(second_timeout(0), second_timeout(1) * 3 / 2);
}

Test(sysctl, stdurg)
{
	cr_expect_eq(urgent_byte(0, 2), 'b');
	cr_expect_eq(urgent_byte(1, 2), 'c');
	cr_expect_eq(urgent_byte(0, 0), 'a');
}
