/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_data.c - windows, timers and recovery (RFC 9293 3.8, RFC 6298, RFC 5681, RFC 6675, RFC 2018,
 * RFC 2883, RFC 1191)
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

static const struct sim_setup plain = { .delay_ns = 100 * S7_US };

static struct s7_tcb *tcb_of(struct s7_sock *sk)
{
	return &tcp_sk(sk)->tcb;
}

static uint64_t stat_of(struct sim *sim, int host, enum s7_stat stat)
{
	return sim->host[host].inst->stat[stat];
}

/* What a hook looks for and what it saw. */
struct watch {
	uint32_t from;
	uint32_t drop_nth; /* drop the n-th data segment from there, counted from 1 */
	uint32_t drop_to;  /* ... up to this one */
	uint32_t data, acks, bare, sacks, dsacks;
	uint32_t max_len;
	s7_time at[64];
	uint32_t seen;
	bool all;
};

static enum sim_verdict watch_hook(struct sim *sim, const struct sim_seg *seg)
{
	struct watch *w = sim->hook_arg;

	if (seg->from != w->from)
		return SIM_PASS;
	w->acks++;
	w->bare += !seg->len;
	w->sacks += seg->opts.sack_count;
	if (seg->opts.sack_count && (int32_t)(seg->opts.sack[0].start - seg->h.ack) < 0)
		w->dsacks++;
	if (w->seen < 64)
		w->at[w->seen++] = sim->now;
	if (seg->len > w->max_len)
		w->max_len = seg->len;
	if (w->all)
		return SIM_DROP;
	if (!seg->len)
		return SIM_PASS;
	w->data++;
	return w->data >= w->drop_nth && w->data <= w->drop_to ? SIM_DROP : SIM_PASS;
}

static void watch(struct sim *sim, struct watch *w)
{
	sim->hook = watch_hook;
	sim->hook_arg = w;
}

static void fill(struct sim *sim, struct s7_sock *sk, size_t n)
{
	static const char buf[30000];

	while (n) {
		ssize_t done = sim_send(sk, buf, n < sizeof(buf) ? n : sizeof(buf), 0);

		if (done < 0)
			sim_run(sim, S7_MS);
		else
			n -= (size_t)done;
	}
}

static size_t drain(struct s7_sock *sk)
{
	char buf[65536];
	size_t sum = 0;
	ssize_t n;

	while ((n = sim_recv(sk, buf, sizeof(buf), 0)) > 0)
		sum += (size_t)n;
	return sum;
}

Test(sim_data, zero_window_is_probed_and_reopens)
{
	struct sim_setup setup = { .delay_ns = 100 * S7_US, .wmem = 1 << 20 };
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	uint64_t probes;
	size_t got = 0;

	fill(sim, pair.a, 200000);
	sim_run(sim, S7_SEC);
	cr_assert_eq(tcb_of(pair.a)->snd_wnd, 0);
	cr_assert(tcb_of(pair.b)->rq_bytes >= 65535 && tcb_of(pair.b)->rq_bytes < 70000, "%u",
		  tcb_of(pair.b)->rq_bytes);
	sim_run(sim, 60 * S7_SEC);
	probes = stat_of(sim, 0, STAT_TCP_PROBES);
	cr_assert_gt(probes, 4);
	cr_assert_lt(probes, 20, "%lu: no backoff", (unsigned long)probes);
	cr_assert_eq(sim_state(pair.a), TCPS_ESTABLISHED);
	for (int i = 0; i < 20 && got < 200000; i++) {
		got += drain(pair.b);
		sim_run(sim, 10 * S7_MS); /* the window update wakes it, no timer needed */
	}
	cr_assert_eq(got, 200000);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, lost_window_update_is_probed_for)
{
	struct sim_setup setup = { .delay_ns = 100 * S7_US, .wmem = 1 << 20 };
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 1 };

	fill(sim, pair.a, 200000);
	sim_run(sim, S7_SEC);
	cr_assert_eq(tcb_of(pair.a)->snd_wnd, 0);
	w.all = true;
	watch(sim, &w);
	drain(pair.b);
	sim_run(sim, 10 * S7_MS);
	cr_assert_geq(w.bare, 1);
	w.all = false;
	sim_run(sim, S7_SEC);
	cr_assert_gt(tcb_of(pair.a)->snd_wnd, 0);
	cr_assert_gt(drain(pair.b), 0);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, rto_backs_off_and_gives_up)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 0, .all = true };
	s7_time start;

	sim_run(sim, S7_SEC);
	watch(sim, &w);
	start = sim->now;
	sim_send(pair.a, "x", 1, 0);
	while (sim_state(pair.a) == TCPS_ESTABLISHED && sim->now - start < 2000 * S7_SEC)
		sim_step(sim, start + 2000 * S7_SEC);
	cr_assert_eq(pair.a->err, ETIMEDOUT);
	cr_assert_eq(w.seen, 17); /* the segment, a probe and fifteen retransmissions */
	for (uint32_t i = 3; i < 10; i++) {
		double ratio = (double)(w.at[i + 1] - w.at[i]) / (double)(w.at[i] - w.at[i - 1]);

		cr_assert(ratio > 1.9 && ratio < 2.1, "%u: %f", i, ratio);
	}
	cr_assert_eq((w.at[16] - w.at[15]) / S7_SEC, 120);
	sim->hook = NULL;
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, user_timeout)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 0, .all = true };
	s7_time start;

	sim_run(sim, S7_SEC);
	watch(sim, &w);
	tcp_set_user_timeout(pair.a, 5000);
	start = sim->now;
	sim_send(pair.a, "x", 1, 0);
	while (sim_state(pair.a) == TCPS_ESTABLISHED && sim->now - start < 100 * S7_SEC)
		sim_step(sim, start + 100 * S7_SEC);
	cr_assert_eq(pair.a->err, ETIMEDOUT);
	cr_assert_lt(sim->now - start, 8 * S7_SEC);
	sim->hook = NULL;
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

/* One loss in a window is repaired within two round trips, without a timeout. */
static void fast_retransmit(bool sack)
{
	struct sim_setup setup = { .delay_ns = 5 * S7_MS, .wmem = 1 << 20 };
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 0, .drop_nth = 3, .drop_to = 3 };

	if (!sack) {
		tcb_of(pair.a)->bits &= ~(uint32_t)TCB_SACK;
		tcb_of(pair.b)->bits &= ~(uint32_t)TCB_SACK;
	}
	watch(sim, &w);
	fill(sim, pair.a, 14480);
	sim_run(sim, 35 * S7_MS);
	cr_assert_eq(drain(pair.b), 14480);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_FAST_RETRANS), 1);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_RETRANS_SEGS), 1);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_TIMEOUTS), 0);
	cr_assert_lt(tcb_of(pair.a)->ssthresh, 14480);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, fast_retransmit_sack)
{
	fast_retransmit(true);
}

Test(sim_data, fast_retransmit_newreno)
{
	fast_retransmit(false);
}

Test(sim_data, several_losses_need_no_timeout)
{
	struct sim_setup setup = { .delay_ns = 5 * S7_MS, .wmem = 1 << 20 };
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 0, .drop_nth = 20, .drop_to = 24 };

	watch(sim, &w);
	fill(sim, pair.a, 60000);
	for (int i = 0; i < 20; i++) {
		sim_run(sim, 10 * S7_MS);
		drain(pair.b);
	}
	cr_assert_eq(tcb_of(pair.b)->bytes_received, 60000);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_RETRANS_SEGS), 5);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_TIMEOUTS), 0);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, duplicate_is_reported_by_dsack)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 1 };
	struct tcp_hdr h;
	struct tcp_opts o = { .bits = TCPO_TS };

	sim_send(pair.a, "abc", 3, 0);
	sim_run(sim, 100 * S7_MS);
	watch(sim, &w);
	h = (struct tcp_hdr){ .src = pair.a->flow.lport,
			      .dst = 80,
			      .seq = tcb_of(pair.a)->snd_una - 3,
			      .ack = tcb_of(pair.a)->rcv_nxt,
			      .flags = TCPF_ACK,
			      .wnd = 500 };
	o.ts_val = tcb_of(pair.b)->ts_recent;
	sim_inject(sim, 1, &h, &o, "abc", 3);
	cr_assert_eq(w.dsacks, 1);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, keepalive_probes_and_gives_up)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 0, .all = true };
	s7_time start;

	tcp_set_keepidle(pair.a, 10);
	tcp_set_keepintvl(pair.a, 2);
	tcp_set_keepcnt(pair.a, 3);
	pair.a->bits |= SKB_KEEPALIVE;
	tcp_keepalive_changed(pair.a);
	sim_run(sim, 100 * S7_SEC);
	cr_assert_eq(sim_state(pair.a), TCPS_ESTABLISHED);
	cr_assert_geq(stat_of(sim, 0, STAT_TCP_KEEPALIVES), 8);
	watch(sim, &w);
	start = sim->now;
	while (sim_state(pair.a) == TCPS_ESTABLISHED && sim->now - start < 100 * S7_SEC)
		sim_step(sim, start + 100 * S7_SEC);
	cr_assert_eq(pair.a->err, ETIMEDOUT);
	cr_assert_lt(sim->now - start, 20 * S7_SEC);
	sim->hook = NULL;
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, nagle_holds_small_segments)
{
	struct sim_setup setup = { .delay_ns = 5 * S7_MS };
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 0 };

	sim_run(sim, 100 * S7_MS);
	watch(sim, &w);
	for (int i = 0; i < 10; i++)
		sim_send(pair.a, "x", 1, 0);
	cr_assert_eq(w.data, 1);
	sim_run(sim, 100 * S7_MS);
	cr_assert_eq(w.data, 2);
	tcp_set_nodelay(pair.a, 1);
	for (int i = 0; i < 10; i++)
		sim_send(pair.a, "x", 1, 0);
	cr_assert_eq(w.data, 12);
	sim_run(sim, 100 * S7_MS);
	cr_assert_eq(drain(pair.b), 20);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, cork_and_msg_more)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 0 };

	sim_run(sim, 100 * S7_MS);
	watch(sim, &w);
	tcp_set_nodelay(pair.a, 1);
	sim_send(pair.a, "header", 6, MSG_MORE);
	cr_assert_eq(w.data, 0);
	sim_send(pair.a, "body", 4, 0);
	cr_assert_eq(w.data, 1);
	tcp_set_cork(pair.a, 1);
	sim_send(pair.a, "x", 1, 0);
	sim_run(sim, 150 * S7_MS);
	cr_assert_eq(w.data, 1);
	sim_run(sim, 100 * S7_MS); /* 200 ms are the limit */
	cr_assert_eq(w.data, 2);
	sim_send(pair.a, "y", 1, 0);
	tcp_set_cork(pair.a, 0);
	inst_flush(pair.a->inst);
	cr_assert_eq(w.data, 3);
	tcp_set_cork(pair.a, 1);
	sim_send(pair.a, "z", 1, 0);
	tcp_set_nodelay(pair.a, 1); /* pushes what is corked, once */
	inst_flush(pair.a->inst);
	cr_assert_eq(w.data, 4);
	sim_send(pair.a, "z", 1, 0);
	cr_assert_eq(w.data, 4);
	cr_assert_eq(tcp_get_cork(pair.a), 1);
	tcp_set_cork(pair.a, 0);
	sim_close(pair.a);
	sim_close(pair.b);
	sim_end(sim);
}

Test(sim_data, acks_are_delayed_and_ride_on_answers)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct watch w = { .from = 1 };
	char buf[16];

	for (int i = 0; i < 30; i++) { /* past the quick ACKs of the beginning */
		sim_send(pair.a, "ping", 4, 0);
		sim_run(sim, S7_MS);
		sim_recv(pair.b, buf, sizeof(buf), 0);
		sim_send(pair.b, "pong", 4, 0);
		sim_run(sim, S7_MS);
		sim_recv(pair.a, buf, sizeof(buf), 0);
		if (i == 19)
			watch(sim, &w);
	}
	cr_assert_eq(w.data, 10);
	cr_assert_eq(w.bare, 0, "%u bare ACKs", w.bare);
	sim_send(pair.a, "ping", 4, 0);
	sim_run(sim, 39 * S7_MS);
	cr_assert_eq(w.bare, 0);
	sim_run(sim, 4 * S7_MS);
	cr_assert_eq(w.bare, 1);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, pmtu_lowers_the_mss)
{
	struct sim_setup setup = { .delay_ns = S7_MS, .wmem = 1 << 20 };
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	struct s7_flow quoted = pair.a->flow;
	struct watch w = { .from = 0 };

	sim->path_mtu = 1200;
	fill(sim, pair.a, 30000);
	sim_run(sim, 10 * S7_MS);
	cr_assert_eq(tcb_of(pair.b)->bytes_received, 0);
	watch(sim, &w);
	tcp_icmp(sim->host[0].inst, &quoted, tcb_of(pair.a)->snd_una,
		 &(struct s7_icmp_error){ .err = EMSGSIZE, .mtu = 1200, .hard = true });
	inst_flush(sim->host[0].inst);
	for (int i = 0; i < 50; i++) {
		sim_run(sim, 10 * S7_MS);
		drain(pair.b);
	}
	cr_assert_eq(tcb_of(pair.b)->bytes_received, 30000);
	cr_assert_eq(w.max_len, 1200 - ip_header_len(!sim->setup.v6) - 20 - 12);
	/* a message about something never sent is not believed */
	tcp_icmp(sim->host[0].inst, &quoted, tcb_of(pair.a)->snd_nxt + 100000,
		 &(struct s7_icmp_error){ .err = EMSGSIZE, .mtu = 600, .hard = true });
	cr_assert_eq(tcb_of(pair.a)->dst.mtu, 1200);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, urgent)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	char buf[16];

	sim_send(pair.a, "abc", 3, 0);
	sim_send(pair.a, "dX", 2, MSG_OOB);
	sim_send(pair.a, "efg", 3, 0);
	sim_run(sim, 100 * S7_MS);
	cr_assert(sk_ops(pair.b)->poll(pair.b) & EPOLLPRI);
	cr_assert_eq(sk_ops(pair.b)->inq(pair.b), 4);
	cr_assert_eq(sim_recv(pair.b, buf, sizeof(buf), MSG_PEEK), 4);
	cr_assert_eq(sim_recv(pair.b, buf, sizeof(buf), 0), 4);
	cr_assert_eq(tcp_at_mark(pair.b), 1);
	cr_assert_eq(sim_recv(pair.b, buf, 1, MSG_OOB), 1);
	cr_assert_eq(buf[0], 'X');
	cr_assert_eq(sim_recv(pair.b, buf, 1, MSG_OOB), -EINVAL);
	cr_assert_eq(sim_recv(pair.b, buf, sizeof(buf), 0), 3);
	cr_assert_eq(memcmp(buf, "efg", 3), 0);
	pair.b->bits |= SKB_OOBINLINE;
	sim_send(pair.a, "Y", 1, MSG_OOB);
	sim_run(sim, 100 * S7_MS);
	cr_assert_eq(sim_recv(pair.b, buf, 1, MSG_OOB), -EINVAL);
	cr_assert_eq(sim_recv(pair.b, buf, sizeof(buf), 0), 1);
	cr_assert_eq(buf[0], 'Y');
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, small_packets_do_not_eat_the_pool)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);

	tcp_set_nodelay(pair.a, 1);
	for (int i = 0; i < 20000; i++) {
		while (sim_send(pair.a, "x", 1, 0) < 0)
			sim_run(sim, 100 * S7_US);
	}
	sim_run(sim, S7_SEC);
	cr_assert_lt(tcb_of(pair.b)->rq_pkts, 40, "%u", tcb_of(pair.b)->rq_pkts);
	cr_assert_eq(drain(pair.b), 20000);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, buffers_grow_with_the_path)
{
	struct sim_setup setup = { .delay_ns = 20 * S7_MS, .rate_bytes_s = 125000000 };
	struct sim *sim = sim_new(&setup);
	struct sim_pair pair = sim_pair(sim);
	s7_time took = sim_transfer(sim, &pair, 30000000, 0, 100 * S7_SEC);

	cr_assert_neq(took, 0);
	cr_assert_gt(pair.b->rcvbuf, 1000000, "%u", pair.b->rcvbuf);
	cr_assert_gt(pair.a->sndbuf, 1000000, "%u", pair.a->sndbuf);
	/* 64 KB a round trip would take 18 s */
	cr_assert_lt(took, 3 * S7_SEC, "%lu ms", (unsigned long)(took / S7_MS));
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_data, peek_and_trunc)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	char buf[8] = { 0 };

	sim_send(pair.a, "0123456789", 10, 0);
	sim_run(sim, 100 * S7_MS);
	cr_assert_eq(sim_recv(pair.b, buf, 4, MSG_PEEK), 4);
	cr_assert_eq(sim_recv(pair.b, buf, 4, 0), 4);
	cr_assert_eq(memcmp(buf, "0123", 4), 0);
	cr_assert_eq(sim_recv(pair.b, NULL, 4, MSG_TRUNC), 4);
	cr_assert_eq(sim_recv(pair.b, buf, 8, 0), 2);
	cr_assert_eq(memcmp(buf, "89", 2), 0);
	cr_assert_eq(sim_recv(pair.b, buf, 8, 0), -EAGAIN);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

/* Found by fuzz_tcp_input: cwnd of one short segment, then longer ones were allowed. */
Test(sim_data, cwnd_has_room_for_a_segment_that_grew)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct s7_tcp_sock *ts = tcp_sk(pair.a);

	ts->tcb.snd_max_wnd = 600;
	tcp_mss_sync(ts);
	cr_assert_eq(ts->tcb.mss, 300);
	ts->tcb.cwnd = ts->tcb.mss;
	ts->tcb.snd_max_wnd = 65535;
	tcp_mss_sync(ts);
	cr_assert_gt(ts->tcb.mss, 1000);
	cr_assert_geq(ts->tcb.cwnd, ts->tcb.mss);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}
