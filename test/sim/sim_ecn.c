/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_ecn.c - explicit congestion notification (RFC 3168) between two hosts and a router that marks
 */
#include <criterion/criterion.h>
#include <linux/tcp.h>
#include <string.h>

#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

/* What was on the line, and what is to be done to it. */
struct line {
	uint32_t mark_nth;  /* this data segment of host 0 is marked, counted from 1 */
	uint32_t drop_syns; /* so many SYNs of host 0 are lost */
	uint32_t drop_nth;  /* this data segment of host 0 is lost */
	uint32_t data, ect, ce_echo, cwr;
	uint32_t bare_ect, again_ect; /* marks where none belongs */
	uint8_t syn[4], synack;	      /* their flags */
	uint32_t syns;
	uint32_t top;
};

static void see_data(struct line *line, const struct sim_seg *seg)
{
	bool again = line->data && !seq_gt(seg->h.seq + seg->len, line->top);

	line->data++;
	line->ect += (seg->tos & 3) == ECN_ECT0 && !again;
	line->again_ect += again && seg->tos & 3;
	line->cwr += !!(seg->h.flags & TCPF_CWR);
	if (!again)
		line->top = seg->h.seq + seg->len;
}

static enum sim_verdict hook(struct sim *sim, const struct sim_seg *seg)
{
	struct line *line = sim->hook_arg;

	if (seg->h.flags & TCPF_SYN) {
		line->bare_ect += !!(seg->tos & 3);
		if (seg->from)
			line->synack = seg->h.flags;
		else if (line->syns < S7_ARRAY_LEN(line->syn))
			line->syn[line->syns] = seg->h.flags;
		return !seg->from && line->syns++ < line->drop_syns ? SIM_DROP : SIM_PASS;
	}
	if (!seg->len) {
		line->bare_ect += !!(seg->tos & 3);
		line->ce_echo += seg->from && seg->h.flags & TCPF_ECE;
		return SIM_PASS;
	}
	if (seg->from)
		return SIM_PASS;
	see_data(line, seg);
	if (line->data == line->drop_nth)
		return SIM_DROP;
	return line->data == line->mark_nth ? SIM_MARK : SIM_PASS;
}

struct scene {
	struct sim *sim;
	struct sim_pair pair;
	struct line line;
	struct s7_tcb *tcb;
};

static void begin(struct scene *sc, uint32_t client, uint32_t server, uint32_t drop_syns)
{
	struct sim_setup setup = { .delay_ns = 5 * S7_MS, .wmem = 1 << 20, .rmem = 1 << 20 };
	struct s7_sock *listener;

	memset(sc, 0, sizeof(*sc));
	sc->sim = sim_new(&setup);
	sc->sim->host[0].inst->params.tcp.ecn = client;
	sc->sim->host[1].inst->params.tcp.ecn = server;
	sc->sim->hook = hook;
	sc->sim->hook_arg = &sc->line;
	sc->line.drop_syns = drop_syns;
	listener = sim_listen(&sc->sim->host[1], 80, 4);
	sc->pair.a = sim_connect(&sc->sim->host[0], &sc->sim->host[1], 80);
	sim_run(sc->sim, 5 * S7_SEC);
	sc->pair.b = sim_accept(listener);
	cr_assert(sc->pair.b);
	sim_close(listener);
	sc->tcb = &tcp_sk(sc->pair.a)->tcb;
}

static void end(struct scene *sc)
{
	cr_expect_eq(sc->line.bare_ect, 0);
	cr_expect_eq(sc->line.again_ect, 0);
	sc->sim->hook = NULL;
	sim_close(sc->pair.a);
	sim_close(sc->pair.b);
	cr_assert_eq(sim_end(sc->sim), 0);
}

static uint8_t options(const struct s7_sock *sk)
{
	struct tcp_info info;

	tcp_get_info(sk, &info, sizeof(info));
	return info.tcpi_options & (TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN);
}

/* Linux's default on both sides: granted, never asked for. */
Test(ecn, is_not_asked_for_by_default)
{
	struct scene sc;

	begin(&sc, 2, 2, 0);
	cr_expect_eq(sc.line.syn[0] & TCPF_ECN_SETUP, 0);
	cr_expect_eq(sc.line.synack & TCPF_ECN_SETUP, 0);
	cr_assert(sim_transfer(sc.sim, &sc.pair, 20000, 20000, 5 * S7_SEC));
	cr_expect_eq(sc.line.ect, 0);
	cr_expect_eq(options(sc.pair.a), 0);
	end(&sc);
}

Test(ecn, asked_for_and_granted)
{
	struct scene sc;

	begin(&sc, 1, 2, 0);
	cr_expect_eq(sc.line.syn[0] & TCPF_ECN_SETUP, TCPF_ECN_SETUP);
	cr_expect_eq(sc.line.synack & TCPF_ECN_SETUP, TCPF_ECE);
	cr_assert(sim_transfer(sc.sim, &sc.pair, 20000, 20000, 5 * S7_SEC));
	cr_expect_gt(sc.line.data, 10);
	cr_expect_eq(sc.line.ect, sc.line.data);
	cr_expect_eq(options(sc.pair.a), TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN);
	cr_expect_eq(options(sc.pair.b), TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN);
	end(&sc);
}

Test(ecn, refused)
{
	struct scene sc;

	begin(&sc, 1, 0, 0);
	cr_expect_eq(sc.line.synack & TCPF_ECN_SETUP, 0);
	cr_assert(sim_transfer(sc.sim, &sc.pair, 20000, 0, 5 * S7_SEC));
	cr_expect_eq(sc.line.ect, 0);
	cr_expect_eq(options(sc.pair.a), 0);
	end(&sc);
}

/* RFC 3168 6.1.1.1: the SYN that may have been lost for its flags is repeated without. */
Test(ecn, syn_falls_back)
{
	struct scene sc;

	begin(&sc, 1, 2, 1);
	cr_expect_eq(sc.line.syn[0] & TCPF_ECN_SETUP, TCPF_ECN_SETUP);
	cr_expect_eq(sc.line.syn[1] & TCPF_ECN_SETUP, 0);
	cr_assert(sim_transfer(sc.sim, &sc.pair, 20000, 0, 5 * S7_SEC));
	cr_expect_eq(sc.line.ect, 0);
	end(&sc);
}

/* One mark: ECE until CWR, one reduction, no retransmission, and it is not taken back. */
Test(ecn, mark_lowers_the_window_once)
{
	struct scene sc;
	uint32_t cwnd;

	begin(&sc, 1, 2, 0);
	cr_assert(sim_transfer(sc.sim, &sc.pair, 100000, 0, 5 * S7_SEC));
	sim_run(sc.sim, 100 * S7_MS);
	cwnd = sc.tcb->cwnd;
	sc.line.mark_nth = sc.line.data + 3;
	sc.line.ce_echo = sc.line.cwr = 0;
	cr_assert(sim_transfer(sc.sim, &sc.pair, 20000, 0, 5 * S7_SEC));
	sim_run(sc.sim, 100 * S7_MS);
	cr_expect_gt(sc.line.ce_echo, 0);
	cr_expect(tcp_sk(sc.pair.b)->tcb.bits & TCB_ECN_ECHO);
	cr_assert(sim_transfer(sc.sim, &sc.pair, 40000, 0, 5 * S7_SEC));
	sim_run(sc.sim, 100 * S7_MS);
	cr_expect_eq(sc.line.cwr, 1);
	cr_expect_lt(sc.tcb->ssthresh, cwnd);
	cr_expect_eq(sc.sim->host[0].inst->stat[STAT_TCP_ECN_CWR], 1);
	cr_expect_eq(sc.sim->host[0].inst->stat[STAT_TCP_RETRANS_SEGS], 0);
	cr_expect_not(tcp_sk(sc.pair.b)->tcb.bits & TCB_ECN_ECHO);
	cr_expect_gt(sc.tcb->delivered_ce, 0);
	end(&sc);
}

/* A loss is answered with CWR too; what is sent again is not ECT. */
Test(ecn, loss_announces_cwr)
{
	struct scene sc;

	begin(&sc, 1, 2, 0);
	sc.line.drop_nth = 5;
	cr_assert(sim_transfer(sc.sim, &sc.pair, 100000, 0, 5 * S7_SEC));
	cr_expect_eq(sc.line.cwr, 1);
	cr_expect_geq(sc.sim->host[0].inst->stat[STAT_TCP_RETRANS_SEGS], 1);
	end(&sc);
}

/* SYN cookies remember it in the timestamp. */
Test(ecn, survives_a_cookie)
{
	struct sim_setup setup = { .delay_ns = 5 * S7_MS, .syn_backlog = 1 };
	struct sim *sim = sim_new(&setup);
	struct s7_sock *listener, *a, *b;

	sim->host[0].inst->params.tcp.ecn = 1;
	sim->host[1].inst->params.tcp_syn_backlog = 0;
	listener = sim_listen(&sim->host[1], 80, 4);
	a = sim_connect(&sim->host[0], &sim->host[1], 80);
	sim_run(sim, S7_SEC);
	b = sim_accept(listener);
	cr_assert(b);
	cr_expect_gt(sim->host[1].inst->stat[STAT_TCP_COOKIES_OK], 0);
	cr_expect_eq(options(a) & TCPI_OPT_ECN, TCPI_OPT_ECN);
	cr_expect_eq(options(b) & TCPI_OPT_ECN, TCPI_OPT_ECN);
	sim_close(a);
	sim_close(b);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}
