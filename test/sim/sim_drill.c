/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_drill.c - what scripts for packetdrill found to differ from Linux, and what TCP_INFO tells
 *
 * The peer is scripted: segments by hand, numbers relative to the first byte of each stream.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/tcp.h>

#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

#define SEG 1000u
#define PEER_PORT 4000

/* What the host under test sent last. */
struct out {
	uint32_t iss, segs;
	struct tcp_hdr h;
	struct tcp_opts opts;
	uint32_t first, end; /* of the data sent since `segs` was cleared, relative */
};

struct script {
	struct sim *sim;
	struct s7_sock *listener, *sk;
	struct s7_tcb *tcb;
	struct out out;
};

static enum sim_verdict note(struct sim *sim, const struct sim_seg *seg)
{
	struct out *out = sim->hook_arg;
	uint32_t at = seg->h.seq - out->iss - 1;

	if (seg->from != 1)
		return SIM_PASS;
	if (seg->h.flags & TCPF_SYN)
		out->iss = seg->h.seq;
	out->h = seg->h;
	out->opts = seg->opts;
	if (seg->len) {
		if (!out->segs++)
			out->first = at;
		out->end = at + seg->len;
	}
	return SIM_DROP; /* there is no peer */
}

static void in(struct script *sc, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd,
	       const struct tcp_opts *opts, uint32_t len)
{
	static const uint8_t data[SEG];
	struct tcp_hdr h = { .src = PEER_PORT, .dst = 80, .seq = 1 + seq, .flags = flags,
			     .ack = sc->out.iss + 1 + ack, .wnd = wnd };

	sc->out.segs = 0;
	sim_inject(sc->sim, 1, &h, opts, data, len);
}

static void ack(struct script *sc, uint32_t at)
{
	in(sc, TCPF_ACK, 0, at, 1000, NULL, 0);
}

static void sack(struct script *sc, uint32_t at, uint32_t from, uint32_t to)
{
	struct tcp_opts o = { .sack_count = 1 };

	o.sack[0].start = sc->out.iss + 1 + from;
	o.sack[0].end = sc->out.iss + 1 + to;
	in(sc, TCPF_ACK, 0, at, 1000, &o, 0);
}

/* A connection whose peer takes segments of SEG bytes, knows SACK and no timestamps. */
static void begin(struct script *sc, const struct sim_setup *setup, uint16_t rtt_ms, int rcvbuf)
{
	struct tcp_opts o = { .bits = TCPO_MSS | TCPO_SACK_OK | TCPO_WSCALE, .mss = SEG,
			      .wscale = 7 };
	struct tcp_hdr syn = { .src = PEER_PORT, .dst = 80, .flags = TCPF_SYN, .wnd = 32792 };

	memset(sc, 0, sizeof(*sc));
	sc->sim = sim_new(setup);
	sc->sim->hook = note;
	sc->sim->hook_arg = &sc->out;
	sc->listener = sim_listen(&sc->sim->host[1], 80, 4);
	if (rcvbuf) {
		sc->listener->rcvbuf = (uint32_t)rcvbuf;
		sc->listener->bits |= SKB_RCVBUF_LOCK;
	}
	sim_inject(sc->sim, 1, &syn, &o, NULL, 0);
	sim_run(sc->sim, rtt_ms * S7_MS);
	ack(sc, 0);
	sc->sk = sim_accept(sc->listener);
	cr_assert(sc->sk);
	sc->tcb = &tcp_sk(sc->sk)->tcb;
}

static void finish(struct script *sc)
{
	sim_free(sc->sim);
}

static void write_bytes(struct script *sc, uint32_t len)
{
	static const uint8_t data[300000];

	sc->out.segs = 0;
	cr_assert_eq(sim_send(sc->sk, data, len, 0), len);
}

static struct tcp_info info_of(const struct script *sc)
{
	struct tcp_info info;

	cr_assert_eq(tcp_get_info(sc->sk, &info, sizeof(info)), sizeof(info));
	return info;
}

static const struct sim_setup plain = { .delay_ns = S7_MS };

/* Whole segments, and no scale where the program's buffer needs none. */
Test(drill, first_window)
{
	struct script sc;
	uint32_t mss;

	begin(&sc, &plain, 10, 0);
	mss = sc.sim->setup.v6 ? 1440 : 1460;
	cr_expect_eq(sc.tcb->rcv_wscale, 7);
	finish(&sc);
	begin(&sc, &plain, 10, 40000);
	cr_expect_eq(sc.out.opts.wscale, 0);
	cr_expect_eq(sc.out.h.wnd, 20000 - 20000 % mss);
	finish(&sc);
}

/* Pieces that were held are told as the first of them, with what touches it. */
Test(drill, dsack_of_what_was_held)
{
	struct script sc;

	begin(&sc, &plain, 10, 0);
	in(&sc, TCPF_ACK, 100, 0, 1000, NULL, 100);
	in(&sc, TCPF_ACK, 200, 0, 1000, NULL, 100);
	in(&sc, TCPF_ACK, 400, 0, 1000, NULL, 100);
	in(&sc, TCPF_ACK, 700, 0, 1000, NULL, 100);
	in(&sc, TCPF_ACK, 0, 0, 1000, NULL, 600);
	cr_expect_eq(sc.out.h.ack, 601);
	cr_assert_eq(sc.out.opts.sack_count, 2);
	cr_expect_eq(sc.out.opts.sack[0].start, 101);
	cr_expect_eq(sc.out.opts.sack[0].end, 301);
	cr_expect_eq(sc.out.opts.sack[1].start, 701);
	finish(&sc);
}

/* What an ACK SACKs that came late makes room for as much. */
Test(drill, sacks_of_an_old_ack)
{
	struct script sc;

	begin(&sc, &plain, 10, 0);
	write_bytes(&sc, 10000);
	sim_run(sc.sim, 10 * S7_MS);
	sack(&sc, 0, 1000, 2000);
	sack(&sc, 0, 1000, 3000);
	sack(&sc, 0, 8000, 9000);
	cr_expect_eq(sc.out.first, 0); /* the first is sent again */
	sim_run(sc.sim, 12 * S7_MS);
	sack(&sc, 4000, 8000, 9000);
	write_bytes(&sc, 10000);
	cr_expect_eq(sc.out.segs, 0);
	sim_run(sc.sim, 2 * S7_MS);
	sack(&sc, 3000, 5000, 7000);
	cr_expect_eq(sc.out.segs, 2);
	cr_expect_eq(sc.out.first, 7000);
	cr_expect_eq(sc.out.end, 11000);
	finish(&sc);
}

/* SO_SNDBUF holds what it says, also in short segments. */
Test(drill, sndbuf_of_short_segments)
{
	struct script sc;

	begin(&sc, &plain, 10, 0);
	sc.sk->sndbuf = 400000; /* as setsockopt doubles it */
	sc.sk->bits |= SKB_SNDBUF_LOCK;
	write_bytes(&sc, 200000);
	finish(&sc);
}

/* Round trips that grow end slow start; a few long ones do not. */
Test(drill, hystart)
{
	struct script sc;
	uint32_t at = 10000;

	begin(&sc, &plain, 200, 0);
	sc.sk->sndbuf = 400000;
	sc.sk->bits |= SKB_SNDBUF_LOCK;
	write_bytes(&sc, 30000);
	sim_run(sc.sim, 200 * S7_MS);
	ack(&sc, at);
	cr_expect_eq(sc.tcb->cwnd, 20 * SEG);
	sim_run(sc.sim, 240 * S7_MS);
	for (int i = 1; i < 9; i++, sim_run(sc.sim, S7_MS)) {
		ack(&sc, at += 2 * SEG);
		cr_expect_eq(sc.tcb->cwnd, (20 + 2 * (uint32_t)i) * SEG);
		cr_expect_eq(sc.tcb->ssthresh, TCP_CWND_MAX);
	}
	ack(&sc, at += 2 * SEG);
	cr_expect_eq(sc.tcb->ssthresh, 36 * SEG);
	cr_expect_eq(sc.tcb->cwnd / SEG, 36);
	finish(&sc);
}

Test(drill, rto_max)
{
	struct script sc;
	struct tcp_opts o = { .bits = TCPO_MSS, .mss = SEG };
	struct tcp_hdr syn = { .src = PEER_PORT + 1, .dst = 80, .flags = TCPF_SYN, .wnd = 1000 };
	s7_time at;

	begin(&sc, &plain, 10, 0);
	sim_close(sc.listener);
	sc.sim->host[1].inst->params.tcp.rto_max_ms = 1000;
	sc.listener = sim_listen(&sc.sim->host[1], 80, 4);
	sim_inject(sc.sim, 1, &syn, &o, NULL, 0);
	for (int i = 0; i < 4; i++) {
		at = sc.sim->now;
		sc.out.h.flags = 0;
		while (!sc.out.h.flags)
			sim_step(sc.sim, sc.sim->now + 10 * S7_SEC);
		cr_expect_eq(sc.out.h.flags, TCPF_SYN | TCPF_ACK);
		cr_expect_leq(sc.sim->now - at, 1010 * S7_MS);
	}
	finish(&sc);
}

/* Where the time goes: busy, held back by the window, by SO_SNDBUF. */
Test(drill, info_times)
{
	struct script sc;
	struct tcp_info info;

	begin(&sc, &plain, 10, 0);
	sim_run(sc.sim, 100 * S7_MS);
	info = info_of(&sc);
	cr_expect_eq(info.tcpi_busy_time, 0);
	cr_expect_eq(info.tcpi_last_data_recv, 100);
	in(&sc, TCPF_ACK, 0, 0, 0, NULL, 1); /* the window closes */
	write_bytes(&sc, 1000);
	sim_run(sc.sim, 100 * S7_MS);
	info = info_of(&sc);
	cr_expect_eq(info.tcpi_rwnd_limited, 100000);
	cr_expect_eq(info.tcpi_last_data_recv, 100);
	cr_expect_eq(info.tcpi_data_segs_in, 1);
	in(&sc, TCPF_ACK, 1, 0, 1000, NULL, 0);
	cr_expect_eq(sc.out.segs, 1);
	sim_run(sc.sim, 30 * S7_MS);
	in(&sc, TCPF_ACK, 1, 1000, 1000, NULL, 0);
	sim_run(sc.sim, 50 * S7_MS);
	info = info_of(&sc);
	cr_expect_eq(info.tcpi_rwnd_limited, 100000);
	cr_expect_eq(info.tcpi_busy_time, 130000);
	cr_expect_eq(info.tcpi_data_segs_out, 1);
	cr_expect_eq(info.tcpi_sndbuf_limited, 0);
	sc.sk->sndbuf = 4000;
	sc.sk->bits |= SKB_SNDBUF_LOCK;
	cr_assert_lt(sim_send(sc.sk, (uint8_t[10000]){ 0 }, 10000, 0), 10000);
	sim_run(sc.sim, 20 * S7_MS);
	info = info_of(&sc);
	cr_expect_eq(info.tcpi_sndbuf_limited, 20000);
	cr_expect_gt(info.tcpi_pacing_rate, 0);
	cr_expect_lt(info.tcpi_pacing_rate, UINT64_MAX);
	finish(&sc);
}
