/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_batch.c - output and ACKs that wait for the end of an event loop's round (tcp_later.c)
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "test/support/sim.h"

static const struct sim_setup plain = { .delay_ns = 100 * S7_US };

/* What left one host: the segments in order. */
struct wire {
	uint32_t from, count;
	struct {
		uint8_t flags;
		uint32_t len;
		s7_time at;
	} seg[64];
};

static enum sim_verdict wire_hook(struct sim *sim, const struct sim_seg *seg)
{
	struct wire *wire = sim->hook_arg;

	if (seg->from == wire->from && wire->count < S7_ARRAY_LEN(wire->seg)) {
		wire->seg[wire->count].flags = seg->h.flags;
		wire->seg[wire->count].len = seg->len;
		wire->seg[wire->count++].at = sim->now;
	}
	return SIM_PASS;
}

static void wire_watch(struct sim *sim, struct wire *wire, uint32_t from)
{
	wire->from = from;
	wire->count = 0;
	sim->hook = wire_hook;
	sim->hook_arg = wire;
}

/* A pair of whom the quick ACKs of the beginning are spent. */
static struct sim_pair grown_pair(struct sim *sim)
{
	struct sim_pair pair = sim_pair(sim);
	char buf[16];

	for (int i = 0; i < 20; i++) {
		sim_send(pair.a, "ping", 4, 0);
		sim_run(sim, S7_MS);
		sim_recv(pair.b, buf, sizeof(buf), 0);
		sim_send(pair.b, "pong", 4, 0);
		sim_run(sim, S7_MS);
		sim_recv(pair.a, buf, sizeof(buf), 0);
	}
	sim_run(sim, 100 * S7_MS); /* all is acknowledged: Nagle holds nothing */
	return pair;
}

static void end(struct sim *sim, struct sim_pair *pair)
{
	sim_close(pair->a);
	sim_close(pair->b);
	cr_assert_eq(sim_end(sim), 0);
}

/* A call of the program, without the flush of sim_send. */
static ssize_t put(struct s7_sock *sk, const char *text, uint32_t flags)
{
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = iov.iov_len, .flags = flags };
	ssize_t n = sk_ops(sk)->send(sk, &msg);

	inst_flush_call(sk->inst);
	return n;
}

Test(sim_batch, an_answer_in_pieces_is_one_segment_with_its_fin)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct wire wire;
	char buf[32];

	wire_watch(sim, &wire, 1);
	inst_batch_begin(pair.b->inst, 4);
	cr_assert_eq(put(pair.b, "header ", 0), 7);
	cr_assert_eq(put(pair.b, "body", 0), 4);
	sk_ops(pair.b)->shutdown(pair.b, SHUT_WR);
	inst_flush_call(pair.b->inst);
	cr_assert_eq(wire.count, 0);
	inst_drive(pair.b->inst);
	cr_assert_eq(wire.count, 1);
	cr_assert_eq(wire.seg[0].len, 11);
	cr_assert(wire.seg[0].flags & TCPF_FIN);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_recv(pair.a, buf, sizeof(buf), 0), 11);
	cr_assert_arr_eq(buf, "header body", 11);
	cr_assert_eq(sim_recv(pair.a, buf, sizeof(buf), 0), 0);
	end(sim, &pair);
}

Test(sim_batch, one_event_is_answered_at_once)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct wire wire;

	wire_watch(sim, &wire, 1);
	inst_batch_begin(pair.b->inst, 1);
	put(pair.b, "x", 0);
	cr_assert_eq(wire.count, 1);
	end(sim, &pair);
}

/* One event, several times over: who answers in pieces is waited for, who does not is not. */
Test(sim_batch, who_answers_one_event_in_pieces_is_waited_for)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct s7_inst *inst = pair.b->inst;
	struct wire wire;

	tcp_set_nodelay(pair.b, 1);
	wire_watch(sim, &wire, 1);
	inst_batch_begin(inst, 1);
	put(pair.b, "header ", 0);
	put(pair.b, "body", 0);
	cr_assert_eq(wire.count, 2);
	for (uint32_t i = 0; i < 3; i++) {
		inst_drive(inst);
		inst_batch_begin(inst, 0); /* nothing yet */
		inst_batch_begin(inst, 1);
		put(pair.b, "header ", 0);
		put(pair.b, "body", 0);
		cr_assert_eq(wire.count, 2 + i);
	}
	inst_drive(inst);
	cr_assert_eq(wire.count, 5);
	cr_assert_eq(wire.seg[4].len, 11);
	inst_batch_begin(inst, 1);
	put(pair.b, "all", 0);
	inst_drive(inst);
	inst_batch_begin(inst, 1);
	put(pair.b, "all", 0);
	cr_assert_eq(wire.count, 7);
	end(sim, &pair);
}

Test(sim_batch, a_full_segment_does_not_wait)
{
	static char big[8000];
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct wire wire;

	memset(big, 'x', sizeof(big) - 1);
	wire_watch(sim, &wire, 1);
	inst_batch_begin(pair.b->inst, 4);
	put(pair.b, big, 0);
	inst_flush(pair.b->inst);
	cr_assert_eq(wire.count, 6);
	end(sim, &pair);
}

Test(sim_batch, four_times_as_many_calls_as_events_may_wait)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct wire wire;

	tcp_set_nodelay(pair.b, 1);
	wire_watch(sim, &wire, 1);
	inst_batch_begin(pair.b->inst, 2);
	for (int i = 0; i < 8; i++) {
		put(pair.b, "x", 0);
		cr_assert_eq(wire.count, 0);
	}
	put(pair.b, "x", 0);
	cr_assert_eq(wire.count, 1);
	cr_assert_eq(wire.seg[0].len, 9);
	put(pair.b, "x", 0);
	cr_assert_eq(wire.count, 2);
	end(sim, &pair);
}

/* A round of an event loop that lets its output wait, for so long from its first call to its last.
 */
static void round_of(struct s7_inst *inst, struct s7_sock *sk, s7_time gap)
{
	inst_batch_begin(inst, 8);
	put(sk, "x", 0);
	inst->now += gap;
	put(sk, "x", 0);
	inst_flush(inst);
}

/* Whether the next round's output waits. */
static bool is_trusted(struct s7_inst *inst, struct s7_sock *sk, const struct wire *wire)
{
	uint32_t before = wire->count;
	bool waits;

	inst_batch_begin(inst, 8);
	put(sk, "x", 0);
	waits = wire->count == before;
	inst_flush(inst);
	return waits;
}

Test(sim_batch, who_works_long_between_calls_is_not_trusted)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct s7_inst *inst = pair.b->inst;
	struct wire wire;

	tcp_set_nodelay(pair.b, 1);
	wire_watch(sim, &wire, 1);
	round_of(inst, pair.b, BATCH_LONG + S7_US);
	cr_assert_eq(wire.count, 1);
	cr_assert_eq(wire.seg[0].len, 2);
	cr_assert_not(is_trusted(inst, pair.b, &wire));
	inst->now += BATCH_DOUBT;
	cr_assert(is_trusted(inst, pair.b, &wire));
	round_of(inst, pair.b, BATCH_LONG + S7_US); /* again */
	cr_assert_not(is_trusted(inst, pair.b, &wire));
	inst->now += BATCH_DOUBT;
	cr_assert_not(is_trusted(inst, pair.b, &wire));
	inst->now += BATCH_PENANCE;
	sim->now = inst->now;
	cr_assert(is_trusted(inst, pair.b, &wire));
	end(sim, &pair);
}

static uint64_t put_off_count;

static uint64_t count_put_off(void)
{
	return put_off_count;
}

Test(sim_batch, who_was_put_off_the_cpu_is_trusted_on)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct s7_inst *inst = pair.b->inst;
	struct s7_host_ops host = *inst->env->host;
	const struct s7_host_ops *before = inst->env->host;
	struct wire wire;

	host.put_off = count_put_off;
	inst->env->host = &host;
	tcp_set_nodelay(pair.b, 1);
	wire_watch(sim, &wire, 1);
	round_of(inst, pair.b, BATCH_LONG + S7_US);
	cr_assert_not(is_trusted(inst, pair.b, &wire));
	inst->now += BATCH_DOUBT;
	put_off_count++;
	round_of(inst, pair.b, BATCH_LONG + S7_US);
	cr_assert(is_trusted(inst, pair.b, &wire));
	round_of(inst, pair.b, BATCH_LONG + S7_US); /* not put off this time */
	cr_assert_not(is_trusted(inst, pair.b, &wire));
	sim->now = inst->now;
	inst->env->host = before;
	end(sim, &pair);
}

/* Many short calls: what waits leaves after BATCH_LONG, and the batch goes on. */
Test(sim_batch, a_long_round_of_short_calls_leaves_in_bursts)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct s7_inst *inst = pair.b->inst;
	struct wire wire;

	tcp_set_nodelay(pair.b, 1);
	wire_watch(sim, &wire, 1);
	inst_batch_begin(inst, 30);
	for (int i = 0; i < 23; i++) {
		put(pair.b, "x", 0);
		inst->now += 20 * S7_US;
	}
	cr_assert_eq(wire.count, 2);
	cr_assert_eq(wire.seg[0].len, 11);
	cr_assert_eq(wire.seg[1].len, 11);
	sim->now = inst->now;
	cr_assert(is_trusted(inst, pair.b, &wire));
	end(sim, &pair);
}

Test(sim_batch, cork_more_and_urgent_do_not_swallow_what_was_sent_before)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct s7_inst *inst = pair.b->inst;
	struct wire wire;

	tcp_set_nodelay(pair.b, 1);
	wire_watch(sim, &wire, 1);
	inst_batch_begin(inst, 16);
	put(pair.b, "before", 0);
	tcp_set_cork(pair.b, 1);
	put(pair.b, "corked", 0);
	inst_flush(inst);
	cr_assert_eq(wire.count, 1);
	cr_assert_eq(wire.seg[0].len, 6);
	tcp_set_cork(pair.b, 0);
	inst_flush(inst);
	cr_assert_eq(wire.count, 2);

	inst_batch_begin(inst, 16);
	put(pair.b, "first", 0);
	put(pair.b, "more", MSG_MORE);
	inst_flush(inst);
	cr_assert_eq(wire.count, 3);
	cr_assert_eq(wire.seg[2].len, 5);
	put(pair.b, "!", 0);
	inst_flush(inst);
	cr_assert_eq(wire.seg[3].len, 5);

	inst_batch_begin(inst, 16);
	put(pair.b, "plain", 0);
	put(pair.b, "u", MSG_OOB);
	inst_flush(inst);
	cr_assert_eq(wire.count, 6);
	cr_assert_not(wire.seg[4].flags & TCPF_URG);
	cr_assert(wire.seg[5].flags & TCPF_URG);
	end(sim, &pair);
}

Test(sim_batch, a_reset_leaves_behind_what_was_sent)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct wire wire;

	wire_watch(sim, &wire, 1);
	inst_batch_begin(pair.b->inst, 4);
	put(pair.b, "last words", 0);
	pair.b->bits |= SKB_LINGER;
	pair.b->linger_s = 0;
	sim_close(pair.b);
	cr_assert_eq(wire.count, 2);
	cr_assert_eq(wire.seg[0].len, 10);
	cr_assert(wire.seg[1].flags & TCPF_RST);
	sim_close(pair.a);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_batch, a_connection_that_dies_leaves_the_list)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct s7_inst *inst = pair.b->inst;

	inst_batch_begin(inst, 4);
	put(pair.b, "nobody will hear this", 0);
	cr_assert_eq(inst->later.out_count, 1);
	tcp_sk(pair.b)->tcb.state = TCPS_LAST_ACK; /* no RST is due */
	sk_ops(pair.b)->abort(pair.b, ECONNABORTED);
	cr_assert_eq(inst->later.out_count, 0);
	cr_assert(list_empty(&inst->later.out));
	sim_free(sim);
}

/* Another thread, or nobody, drives meanwhile. */
Test(sim_batch, the_next_drive_sends_whoever_makes_it)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = grown_pair(sim);
	struct wire wire;

	wire_watch(sim, &wire, 1);
	inst_batch_begin(pair.b->inst, 4);
	put(pair.b, "x", 0);
	cr_assert_eq(inst_next_timer(pair.b->inst), pair.b->inst->now);
	pair.b->inst->batch.tid++; /* as seen by others */
	inst_drive(pair.b->inst);
	cr_assert_eq(wire.count, 1);
	end(sim, &pair);
}

/* ---- ACKs ---- */

/* The first request of a fresh connection has arrived at b. */
static struct sim_pair asked_pair(struct sim *sim, struct wire *wire)
{
	struct sim_pair pair = sim_pair(sim);

	wire_watch(sim, wire, 1);
	sim_send(pair.a, "request", 7, 0);
	sim_run(sim, 101 * S7_US);
	cr_assert_eq(tcp_sk(pair.b)->tcb.bytes_received, 7);
	return pair;
}

Test(sim_batch, the_first_ack_rides_on_the_answer)
{
	struct sim *sim = sim_new(&plain);
	struct wire wire;
	struct sim_pair pair = asked_pair(sim, &wire);
	char buf[16];

	cr_assert_eq(wire.count, 0);
	sim_recv(pair.b, buf, sizeof(buf), 0);
	sim_send(pair.b, "answer", 6, 0);
	sim_run(sim, S7_MS);
	cr_assert_eq(wire.count, 1);
	cr_assert_eq(wire.seg[0].len, 6);
	end(sim, &pair);
}

Test(sim_batch, without_an_answer_the_first_ack_leaves_soon)
{
	struct sim *sim = sim_new(&plain);
	struct wire wire;
	struct sim_pair pair = asked_pair(sim, &wire);
	s7_time arrived = sim->now;

	sim_run(sim, S7_MS);
	cr_assert_eq(wire.count, 1);
	cr_assert_eq(wire.seg[0].len, 0);
	cr_assert_leq(wire.seg[0].at, arrived + 200 * S7_US);
	end(sim, &pair);
}

Test(sim_batch, the_first_ack_leaves_before_a_sleep)
{
	struct sim *sim = sim_new(&plain);
	struct wire wire;
	struct sim_pair pair = asked_pair(sim, &wire);

	inst_idle(pair.b->inst);
	cr_assert_eq(wire.count, 1);
	cr_assert_eq(inst_next_timer(pair.b->inst) > sim->now, true);
	end(sim, &pair);
}

Test(sim_batch, quickack_is_at_once)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct wire wire;

	tcp_set_quickack(pair.b, 1);
	wire_watch(sim, &wire, 1);
	sim_send(pair.a, "request", 7, 0);
	sim_run(sim, 101 * S7_US);
	cr_assert_eq(wire.count, 1);
	end(sim, &pair);
}

Test(sim_batch, every_second_full_segment_is_acked_at_once)
{
	static char big[1448 * 4 + 1];
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct wire wire;

	memset(big, 'x', sizeof(big) - 1);
	wire_watch(sim, &wire, 1);
	sim_send(pair.a, big, sizeof(big) - 1, 0);
	sim_run(sim, 101 * S7_US);
	cr_assert_geq(wire.count, 2);
	end(sim, &pair);
}
