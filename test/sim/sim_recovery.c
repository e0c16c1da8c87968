/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_recovery.c - what is lost, and what only seemed to be: RACK, tail loss probes (RFC 8985),
 * F-RTO (RFC 5682), undo by timestamps (RFC 4015) and DSACK (RFC 3708)
 *
 * A script says what the line does with each data segment of host 0, in the order of sending.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

#define MSS 1448
#define RTT (20 * S7_MS)

struct line {
	const char *fate; /* a letter a data segment: '.' passes, 'x' is lost; beyond it all pass */
	uint32_t sent;
	s7_time at[256];
	uint32_t seq[256], len[256];
	bool mute;	  /* ACKs of host 1 are lost */
	bool no_dsack;
};

static enum sim_verdict hook(struct sim *sim, const struct sim_seg *seg)
{
	struct line *line = sim->hook_arg;
	uint32_t n = line->sent;

	if (seg->from)
		return line->mute ? SIM_DROP : SIM_PASS;
	if (!seg->len || n >= S7_ARRAY_LEN(line->at))
		return SIM_PASS;
	line->at[n] = sim->now;
	line->seq[n] = seg->h.seq;
	line->len[n] = seg->len;
	line->sent++;
	return n < strlen(line->fate) && line->fate[n] == 'x' ? SIM_DROP : SIM_PASS;
}

struct scene {
	struct sim *sim;
	struct sim_pair pair;
	struct line line;
	struct s7_tcb *tcb;
	uint32_t first; /* sequence number of the first byte */
};

static void begin(struct scene *sc, const char *fate, const struct sim_setup *setup)
{
	struct sim_setup plain = { .delay_ns = RTT / 2, .wmem = 1 << 20, .rmem = 1 << 20 };

	memset(sc, 0, sizeof(*sc));
	sc->sim = sim_new(setup ? setup : &plain);
	sc->pair = sim_pair(sc->sim);
	sc->tcb = &tcp_sk(sc->pair.a)->tcb;
	cr_assert(sim_transfer(sc->sim, &sc->pair, 1000, 1000, S7_SEC)); /* it knows the RTT */
	sim_run(sc->sim, S7_SEC);
	sc->tcb->cwnd = 20 * sc->tcb->mss;
	sc->tcb->last_tx = sc->sim->now;
	sc->line.fate = fate;
	sc->sim->hook = hook;
	sc->sim->hook_arg = &sc->line;
	sc->first = sc->tcb->snd_nxt;
}

static void end(struct scene *sc)
{
	sc->sim->hook = NULL;
	sim_close(sc->pair.a);
	sim_close(sc->pair.b);
	cr_assert_eq(sim_end(sc->sim), 0);
}

static void put(struct scene *sc, uint32_t segments)
{
	static const char buf[64 * MSS];

	cr_assert_eq(sim_send(sc->pair.a, buf, segments * sc->tcb->mss, 0),
		     (ssize_t)(segments * sc->tcb->mss));
}

static void get_all(struct scene *sc, uint32_t segments)
{
	char buf[65536];
	size_t sum = 0;
	ssize_t n;

	while ((n = sim_recv(sc->pair.b, buf, sizeof(buf), 0)) > 0)
		sum += (size_t)n;
	cr_assert_eq(sum, segments * sc->tcb->mss);
}

static uint64_t stat(const struct scene *sc, enum s7_stat stat)
{
	return sc->sim->host[0].inst->stat[stat];
}

/* The last of four is lost: nothing behind it tells, so a probe repeats it. Of one segment the ACK
 * may be delayed: the probe waits for as long as the timeout, but it costs no window yet. */
Test(recovery, tail_is_probed)
{
	struct scene sc;

	begin(&sc, "...x", NULL);
	put(&sc, 4);
	sim_run(sc.sim, 400 * S7_MS);
	cr_expect_eq(sc.line.sent, 5);
	cr_expect_eq(sc.line.seq[4], sc.line.seq[3]);
	cr_expect_eq(stat(&sc, STAT_TCP_TLP), 1);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 0);
	get_all(&sc, 4);
	/* it was a loss, which the next ACK proves: cwnd answers for it */
	put(&sc, 1);
	sim_run(sc.sim, 100 * S7_MS);
	cr_expect_eq(stat(&sc, STAT_TCP_TLP_RECOVERY), 1);
	cr_expect_lt(sc.tcb->cwnd, 20 * sc.tcb->mss);
	cr_expect_eq(sc.tcb->ca_state, TCPCA_OPEN);
	end(&sc);
}

/* The last three of six: the probe's SACK shows the others lost, without a timeout. */
Test(recovery, probe_starts_recovery)
{
	struct scene sc;

	begin(&sc, "...xxx", NULL);
	put(&sc, 6);
	sim_run(sc.sim, 190 * S7_MS);
	cr_expect_geq(sc.line.at[6] - sc.line.at[5], 2 * RTT);
	cr_expect_lt(sc.line.at[6] - sc.line.at[5], 5 * RTT);
	cr_expect_eq(sc.line.sent, 9);
	cr_expect_eq(sc.line.seq[6], sc.line.seq[5]);
	cr_expect_eq(sc.line.seq[7], sc.line.seq[3]);
	cr_expect_eq(sc.line.seq[8], sc.line.seq[4]);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 0);
	get_all(&sc, 6);
	end(&sc);
}

/* What is there to send that was not sent yet is the probe. */
Test(recovery, probe_is_new_data)
{
	struct scene sc;

	begin(&sc, "xx", NULL);
	sc.tcb->cwnd = 2 * sc.tcb->mss;
	put(&sc, 4);
	sim_run(sc.sim, 150 * S7_MS);
	cr_expect_geq(sc.line.sent, 5);
	cr_expect_eq(sc.line.seq[2], sc.first + 2 * sc.tcb->mss);
	cr_expect_eq(stat(&sc, STAT_TCP_TLP), 1);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 0);
	get_all(&sc, 4);
	end(&sc);
}

/* Only the ACKs are late: the probe's duplicate is told of, and nothing is reduced. */
Test(recovery, probe_for_nothing)
{
	struct scene sc;

	begin(&sc, "", NULL);
	sc.line.mute = true;
	put(&sc, 4);
	while (!stat(&sc, STAT_TCP_TLP))
		sim_step(sc.sim, sc.sim->now + S7_SEC);
	sc.line.mute = false;
	sim_run(sc.sim, 100 * S7_MS);
	cr_expect_eq(sc.line.sent, 5);
	cr_expect_geq(sc.tcb->cwnd, 20 * sc.tcb->mss);
	cr_expect_eq(sc.tcb->dsacks, 1);
	cr_expect_not(sc.tcb->rec & REC_TLP);
	cr_expect_eq(stat(&sc, STAT_TCP_TLP_RECOVERY), 0);
	get_all(&sc, 4);
	end(&sc);
}

/* tcp_early_retrans = 0: nothing before the timeout. */
Test(recovery, probes_can_be_off)
{
	struct scene sc;

	begin(&sc, "...x", NULL);
	sc.sim->host[0].inst->params.tcp.early_retrans = 0;
	put(&sc, 4);
	sim_run(sc.sim, S7_SEC);
	cr_expect_eq(stat(&sc, STAT_TCP_TLP), 0);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 1);
	cr_expect_geq(sc.line.at[4] - sc.line.at[3], 200 * S7_MS);
	get_all(&sc, 4);
	end(&sc);
}

/* A single hole with a single segment behind it: no three duplicates, but time tells. */
Test(recovery, one_sack_and_time_are_enough)
{
	struct scene sc;

	begin(&sc, "x.", NULL);
	put(&sc, 2);
	sim_run(sc.sim, 90 * S7_MS);
	cr_expect_eq(sc.line.sent, 3);
	cr_expect_eq(sc.line.seq[2], sc.line.seq[0]);
	cr_expect_lt(sc.line.at[2] - sc.line.at[0], 2 * RTT);
	cr_expect_gt(sc.line.at[2] - sc.line.at[0], RTT);
	cr_expect_eq(stat(&sc, STAT_TCP_TLP), 0);
	get_all(&sc, 2);
	end(&sc);
}

/* The retransmission is lost too, twice: later deliveries show it, no timeout is needed. */
Test(recovery, lost_retransmission)
{
	struct scene sc;

	begin(&sc, "x.....................x", NULL);
	put(&sc, 40);
	sim_run(sc.sim, 190 * S7_MS);
	cr_expect_eq(stat(&sc, STAT_TCP_LOST_RETRANS), 1);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 0);
	cr_expect_eq(sc.line.sent, 42);
	get_all(&sc, 40);
	end(&sc);
}

/* A segment overtaken by three others is not lost once reordering is known. */
Test(recovery, reordering_is_learned)
{
	struct sim_setup setup = { .delay_ns = RTT / 2, .wmem = 1 << 20, .rmem = 1 << 20,
				   .reorder_permille = 60, .seed = 7 };
	struct scene sc;

	begin(&sc, "", &setup);
	for (int i = 0; i < 20; i++) {
		put(&sc, 20);
		sim_run(sc.sim, 300 * S7_MS);
		get_all(&sc, 20);
	}
	cr_expect_gt(sc.tcb->reord_seen, 0);
	cr_expect_gt(sc.tcb->dsacks, 0);
	cr_expect_gt(sc.tcb->reo_steps, 1);
	cr_expect_gt(stat(&sc, STAT_TCP_DSACK_UNDO) + stat(&sc, STAT_TCP_FULL_UNDO) +
			     stat(&sc, STAT_TCP_PARTIAL_UNDO),
		     0);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 0);
	end(&sc);
}

/* ACKs stop for a while: the timeout is for nothing, which the timestamp of the first that comes
 * shows; cwnd is as before, and nothing but the head was sent again. */
Test(recovery, spurious_timeout_by_timestamp)
{
	struct scene sc;

	begin(&sc, "", NULL);
	sc.sim->host[0].inst->params.tcp.early_retrans = 0;
	sc.sim->setup.delay_ns = 300 * S7_MS; /* the line is slow all of a sudden */
	put(&sc, 10);
	sim_run(sc.sim, 2 * S7_SEC);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 1);
	cr_expect_eq(stat(&sc, STAT_TCP_LOSS_UNDO), 1);
	cr_expect_eq(sc.line.sent, 11);
	cr_expect_geq(sc.tcb->cwnd, 20 * sc.tcb->mss);
	cr_expect_eq(sc.tcb->ca_state, TCPCA_OPEN);
	get_all(&sc, 10);
	end(&sc);
}

/* The same without timestamps: F-RTO finds data arriving that was never sent again. */
Test(recovery, spurious_timeout_by_frto)
{
	struct scene sc;

	begin(&sc, "", NULL);
	sc.sim->host[0].inst->params.tcp.early_retrans = 0;
	sc.tcb->bits &= ~(uint32_t)TCB_TS;
	tcp_sk(sc.pair.b)->tcb.bits &= ~(uint32_t)TCB_TS;
	sc.sim->setup.delay_ns = 200 * S7_MS;
	put(&sc, 10);
	sim_run(sc.sim, 2 * S7_SEC);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 1);
	cr_expect_eq(stat(&sc, STAT_TCP_SPURIOUS_RTO), 1);
	cr_expect_geq(sc.tcb->cwnd, 20 * sc.tcb->mss);
	get_all(&sc, 10);
	end(&sc);
}

/* Everything was lost: F-RTO sends new data first, sees that it does not help, and repairs. */
Test(recovery, real_timeout_with_frto)
{
	struct scene sc;

	begin(&sc, "xxxxxx", NULL);
	sc.sim->host[0].inst->params.tcp.early_retrans = 0;
	sc.tcb->cwnd = 6 * sc.tcb->mss;
	put(&sc, 12);
	sim_run(sc.sim, 2 * S7_SEC);
	cr_expect_eq(stat(&sc, STAT_TCP_TIMEOUTS), 1);
	cr_expect_eq(stat(&sc, STAT_TCP_SPURIOUS_RTO), 0);
	cr_expect_eq(sc.line.seq[6], sc.first);			      /* the head again */
	cr_expect_eq(sc.line.seq[7], sc.first + 6 * sc.tcb->mss);     /* new data */
	cr_expect_eq(sc.line.seq[8], sc.first + 7 * sc.tcb->mss);
	cr_expect_eq(sc.line.seq[9], sc.first + sc.tcb->mss); /* it was real */
	cr_expect_lt(sc.tcb->ssthresh, 6 * sc.tcb->mss);
	get_all(&sc, 12);
	end(&sc);
}

/* tcp_frto = 0: the second retransmission, not new data. */
Test(recovery, frto_can_be_off)
{
	struct scene sc;

	begin(&sc, "xxxxxx", NULL);
	sc.sim->host[0].inst->params.tcp.early_retrans = 0;
	sc.sim->host[0].inst->params.tcp.frto = 0;
	sc.tcb->cwnd = 6 * sc.tcb->mss;
	put(&sc, 12);
	sim_run(sc.sim, 2 * S7_SEC);
	cr_expect_eq(sc.line.seq[7], sc.first + sc.tcb->mss);
	get_all(&sc, 12);
	end(&sc);
}

/* Growth needs a window that is used. */
Test(recovery, unused_window_does_not_grow)
{
	struct scene sc;
	uint32_t cwnd;

	begin(&sc, "", NULL);
	cwnd = sc.tcb->cwnd;
	for (int i = 0; i < 20; i++) {
		put(&sc, 2);
		sim_run(sc.sim, 2 * RTT);
		sc.tcb->last_tx = sc.sim->now;
	}
	cr_expect_eq(sc.tcb->cwnd, cwnd);
	get_all(&sc, 40);
	end(&sc);
}
