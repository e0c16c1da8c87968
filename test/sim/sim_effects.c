/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_effects.c - options of streams, set as a program sets them, by what the peer sees of them
 *
 * test/effects.txt says which option is shown where. Timers run on the simulation's clock.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>

#include "stack/sock/sock.h"
#include "test/support/sim.h"

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44
#define TCP_DELACK_MAX_US 46
#endif
#define SO_BUF_LOCK_ 72

static const struct sim_setup plain = { .delay_ns = S7_MS };

static void opt(struct s7_sock *sk, int level, int name, int value)
{
	cr_assert_eq(sock_setsockopt(sk, level, name, &value, sizeof(value), sk->inst->now), 0,
		     "option %d of level %d", name, level);
}

/* What one host's segments looked like; drops of them. */
struct seen {
	uint32_t from;
	uint32_t count, data, most_len, most_wnd, wscale;
	uint16_t syn_mss;
	s7_time data_at[16], first_ack;
	bool drop_data, drop_all;
};

static enum sim_verdict see(struct sim *sim, const struct sim_seg *seg)
{
	struct seen *s = sim->hook_arg;
	uint32_t wnd = seg->h.wnd;

	if (seg->from != s->from)
		return SIM_PASS;
	s->count++;
	if (seg->h.flags & TCPF_SYN) {
		s->syn_mss = seg->opts.mss;
		s->wscale = seg->opts.wscale;
	} else {
		wnd <<= s->wscale;
	}
	s->most_wnd = (uint32_t)s7_max(s->most_wnd, wnd);
	s->most_len = (uint32_t)s7_max(s->most_len, seg->len);
	if (seg->len && s->data < S7_ARRAY_LEN(s->data_at))
		s->data_at[s->data] = sim->now;
	s->data += seg->len > 0;
	if (!seg->len && !s->first_ack)
		s->first_ack = sim->now;
	return s->drop_all || (s->drop_data && seg->len) ? SIM_DROP : SIM_PASS;
}

static void look(struct sim *sim, struct seen *s)
{
	sim->hook = see;
	sim->hook_arg = s;
}

/* A pair whose active end had an option set before it connected; seen from its first segment on. */
static struct sim_pair pair_with(struct sim *sim, struct seen *s, int level, int name, int value)
{
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4);
	struct sim_pair pair = { sim_socket(&sim->host[0]), NULL };

	look(sim, s);
	if (name)
		opt(pair.a, level, name, value);
	cr_assert_eq(sk_ops(pair.a)->connect(pair.a, &sim->host[1].ip, 80), -EINPROGRESS);
	sim_run(sim, 100 * S7_MS);
	pair.b = sim_accept(listener);
	cr_assert(pair.b);
	sim_close(listener);
	return pair;
}

static void pair_end(struct sim *sim, struct sim_pair *pair)
{
	sim->hook = NULL;
	sim_close(pair->a);
	sim_close(pair->b);
	cr_expect_eq(sim_end(sim), 0);
}

Test(effects, maxseg)
{
	struct sim *sim = sim_new(&plain);
	struct seen s = { .from = 0 };
	struct sim_pair pair = pair_with(sim, &s, IPPROTO_TCP, TCP_MAXSEG, 600);

	cr_expect_eq(s.syn_mss, 600);
	s = (struct seen){ .from = 1 };
	cr_assert(sim_transfer(sim, &pair, 20000, 20000, 10 * S7_SEC));
	cr_expect_leq(s.most_len, 600);
	s = (struct seen){ .from = 0 };
	cr_assert(sim_transfer(sim, &pair, 20000, 0, 10 * S7_SEC));
	cr_expect_leq(s.most_len, 600);
	pair_end(sim, &pair);
}

/* The most that a receiver ever offered. */
static uint32_t window_with(int level, int name, int value)
{
	struct sim *sim = sim_new(&plain);
	struct seen s = { .from = 0 };
	struct sim_pair pair = pair_with(sim, &s, level, name, value);
	uint32_t most;

	cr_assert(sim_transfer(sim, &pair, 0, 400000, 60 * S7_SEC));
	most = s.most_wnd;
	pair_end(sim, &pair);
	return most;
}

Test(effects, windows)
{
	uint32_t free = window_with(0, 0, 0);

	cr_expect_gt(free, 60000);
	cr_expect_leq(window_with(IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000), 5000 + (1 << 10));
	cr_expect_leq(window_with(SOL_SOCKET, SO_RCVBUF, 10000), 10000);
	cr_expect_gt(window_with(SOL_SOCKET, SO_RCVBUFFORCE, 4000000), 2 * free);
}

/* How much a sender may queue while nothing is acknowledged. */
static uint64_t queue_with(int name, int value)
{
	static uint8_t data[100000];
	struct sim *sim = sim_new(&plain);
	struct seen s = { .from = 0 };
	struct sim_pair pair = pair_with(sim, &s, SOL_SOCKET, name, value);
	uint64_t sent = 0;
	ssize_t n;

	s.drop_all = true;
	while ((n = sim_send(pair.a, data, sizeof(data), 0)) > 0)
		sent += (uint64_t)n;
	cr_expect_eq(n, -EAGAIN);
	cr_expect_not(sk_ops(pair.a)->poll(pair.a) & EPOLLOUT);
	s.drop_all = false;
	sim_run(sim, 200 * S7_SEC);
	pair_end(sim, &pair);
	return sent;
}

Test(effects, sndbuf)
{
	uint64_t small = queue_with(SO_SNDBUF, 10000), large = queue_with(SO_SNDBUFFORCE, 1000000);

	cr_expect_gt(small, 1000);
	cr_expect_leq(small, 20000);
	cr_expect_gt(large, 500000);
	cr_expect_leq(large, 2000000);
}

/* SO_BUF_LOCK: what is locked does not grow with the connection. */
Test(effects, buf_lock)
{
	for (int lock = 0; lock < 2; lock++) {
		struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = 10 * S7_MS });
		struct seen s = { .from = 0 };
		struct sim_pair pair =
			pair_with(sim, &s, SOL_SOCKET, SO_BUF_LOCK_, lock ? 3 : 0);
		uint32_t rcv = pair.a->rcvbuf, snd = pair.a->sndbuf;

		cr_assert(sim_transfer(sim, &pair, 2000000, 2000000, 300 * S7_SEC));
		cr_expect_eq(pair.a->rcvbuf == rcv, lock);
		cr_expect_eq(pair.a->sndbuf == snd, lock);
		pair_end(sim, &pair);
	}
}

Test(effects, notsent_lowat)
{
	static uint8_t data[60000];
	struct sim *sim = sim_new(&(struct sim_setup){ .delay_ns = 20 * S7_MS });
	struct seen s = { .from = 0 };
	struct sim_pair pair = pair_with(sim, &s, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 2000);
	bool was_full = false;

	cr_expect(sk_ops(pair.a)->poll(pair.a) & EPOLLOUT);
	cr_assert_lt(sim_send(pair.a, data, sizeof(data), 0), 20000); /* no more is taken */
	cr_expect_lt(tcp_outq_unsent(pair.a), 2000 + tcp_tcb(pair.a)->mss);
	for (int i = 0; i < 200; i++) {
		bool full = tcp_outq_unsent(pair.a) >= 1000; /* at its half it is writable again */

		was_full |= full;
		cr_expect_eq(!(sk_ops(pair.a)->poll(pair.a) & EPOLLOUT), full);
		sim_run(sim, S7_MS);
		while (sim_recv(pair.b, (uint8_t[4096]){ 0 }, 4096, 0) > 0)
			;
	}
	cr_expect(was_full);
	cr_expect_eq(tcp_outq_unsent(pair.a), 0);
	pair_end(sim, &pair);
}

/* From a lone segment to its ACK, when nobody answers. */
static s7_time ack_delay(int value)
{
	struct sim *sim = sim_new(&plain);
	struct seen s = { .from = 0 };
	struct sim_pair pair = pair_with(sim, &s, IPPROTO_TCP, value ? TCP_DELACK_MAX_US : 0,
					 value);
	s7_time at;

	opt(pair.a, IPPROTO_TCP, TCP_QUICKACK, 0);
	s = (struct seen){ .from = 0 };
	at = sim->now;
	cr_assert_eq(sim_send(pair.b, "x", 1, 0), 1);
	sim_run(sim, 300 * S7_MS);
	at = s.first_ack - at;
	pair_end(sim, &pair);
	return at;
}

Test(effects, delack_max)
{
	s7_time plain_delay = ack_delay(0), shorter = ack_delay(8000);

	cr_expect_geq(plain_delay, 20 * S7_MS);
	cr_expect_leq(shorter, 12 * S7_MS);
	cr_expect_geq(shorter, 4 * S7_MS);
}

/* The times between transmissions of one segment that never arrives. */
static void retransmissions(int name, int value, s7_time *ret_gap, uint32_t count)
{
	struct sim *sim = sim_new(&plain);
	struct seen s = { .from = 0 };
	struct sim_pair pair = pair_with(sim, &s, IPPROTO_TCP, name, value);

	cr_assert(sim_transfer(sim, &pair, 1000, 1000, S7_SEC));
	s = (struct seen){ .from = 0, .drop_data = true };
	cr_assert_eq(sim_send(pair.a, "x", 1, 0), 1);
	sim_run(sim, 100 * S7_SEC);
	cr_assert_gt(s.data, count);
	for (uint32_t i = 0; i < count; i++)
		ret_gap[i] = s.data_at[i + 1] - s.data_at[i];
	sim_free(sim);
}

Test(effects, retransmission_timers)
{
	s7_time plain_gap[6], bounded[6], thin[4];

	retransmissions(0, 0, plain_gap, 6);
	retransmissions(TCP_RTO_MAX_MS, 1000, bounded, 6);
	retransmissions(TCP_THIN_LINEAR_TIMEOUTS, 1, thin, 4);
	for (int i = 1; i < 6; i++) {
		if (i > 1) /* the first is a probe, which does not back off */
			cr_expect_geq(plain_gap[i], plain_gap[i - 1] * 3 / 2);
		cr_expect_leq(bounded[i], 1100 * S7_MS);
	}
	cr_expect_gt(plain_gap[5], 3 * S7_SEC);
	for (int i = 1; i < 4; i++)
		cr_expect_leq(thin[i], thin[0] + 50 * S7_MS);
}

/* How long an attempt lasts that nobody answers. */
static s7_time attempt(int name, int value)
{
	struct sim *sim = sim_new(&plain);
	struct seen s = { .from = 0, .drop_all = true };
	struct s7_sock *a = sim_socket(&sim->host[0]);
	s7_time start = sim->now, took;

	look(sim, &s);
	opt(a, IPPROTO_TCP, name, value);
	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 80), -EINPROGRESS);
	while (sim_state(a) == TCPS_SYN_SENT)
		sim_step(sim, sim->now + 1000 * S7_SEC);
	cr_expect_eq(a->err, ETIMEDOUT);
	took = sim->now - start;
	sim->hook = NULL;
	sim_close(a);
	cr_expect_eq(sim_end(sim), 0);
	return took;
}

Test(effects, syncnt_and_user_timeout)
{
	/* four times a second (tcp_syn_linear_timeouts), then 1 + 2 + 4 */
	cr_expect_eq(attempt(TCP_SYNCNT, 2) / S7_SEC, 11);
	cr_expect_eq(attempt(TCP_SYNCNT, 4) / S7_SEC, 35);
	cr_expect_leq(attempt(TCP_USER_TIMEOUT, 3000) / S7_SEC, 7);
}

Test(effects, linger2)
{
	struct sim *sim = sim_new(&plain);
	struct seen s = { .from = 0 };
	struct sim_pair pair = pair_with(sim, &s, IPPROTO_TCP, TCP_LINGER2, 5);

	sim_close(pair.a);
	sim_run(sim, 4 * S7_SEC);
	cr_expect_eq(sim->host[0].inst->tcp->socks.used, 1);
	sim_run(sim, 2 * S7_SEC);
	cr_expect_eq(sim->host[0].inst->tcp->socks.used, 0);
	sim->hook = NULL;
	sim_close(pair.b);
	cr_expect_eq(sim_end(sim), 0);
}

Test(effects, keepalive)
{
	struct sim *sim = sim_new(&plain);
	struct seen s = { .from = 0 };
	struct sim_pair pair = pair_with(sim, &s, SOL_SOCKET, SO_KEEPALIVE, 1);
	s7_time start;

	opt(pair.a, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	opt(pair.a, IPPROTO_TCP, TCP_KEEPINTVL, 3);
	opt(pair.a, IPPROTO_TCP, TCP_KEEPCNT, 4);
	s = (struct seen){ .from = 0 };
	sim_run(sim, 9 * S7_SEC);
	cr_expect_eq(s.count, 0);
	sim_run(sim, 2 * S7_SEC);
	cr_expect_eq(s.count, 1);
	sim_run(sim, 10 * S7_SEC);
	s = (struct seen){ .from = 0, .drop_all = true };
	start = sim->now;
	while (sim_state(pair.a) == TCPS_ESTABLISHED && sim->now < start + 100 * S7_SEC)
		sim_step(sim, start + 100 * S7_SEC);
	cr_expect_eq(pair.a->err, ETIMEDOUT);
	cr_expect_eq(s.count, 4 + 1); /* probes, RST */
	opt(pair.b, SOL_SOCKET, SO_KEEPALIVE, 0);
	pair_end(sim, &pair);
}
