/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_answers.c - what the kernel's own scripts say of opening, errors, windows and completions
 *
 * Host 1 is played by hand where its segments must be odd: what host 0 sends is noted and lost, and
 * answers are injected.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/core/errq.h"
#include "stack/core/ext.h"
#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

#define PORT 80
#define PEER_ISS 5000

static const struct sim_setup plain = { .delay_ns = S7_MS };

struct alone {
	struct sim *sim;
	struct s7_sock *sk; /* at host 0 */
	uint32_t segs, rsts;
	struct sim_seg last; /* of host 0 */
};

static enum sim_verdict swallow(struct sim *sim, const struct sim_seg *seg)
{
	struct alone *a = sim->hook_arg;

	if (seg->from)
		return SIM_DROP;
	a->segs++;
	a->rsts += seg->h.flags & TCPF_RST ? 1 : 0;
	a->last = *seg;
	return SIM_DROP;
}

static void alone_start(struct alone *a)
{
	memset(a, 0, sizeof(*a));
	a->sim = sim_new(&plain);
	a->sim->hook = swallow;
	a->sim->hook_arg = a;
	for (int i = 0; i < 2; i++)
		a->sim->host[i].inst->params.tcp_fastopen =
			FASTOPEN_CLIENT | FASTOPEN_CLIENT_FREE | FASTOPEN_SERVER;
}

static void alone_end(struct alone *a)
{
	if (a->sk)
		sim_close(a->sk);
	cr_expect_eq(sim_end(a->sim), 0);
}

/* Host 1 answers the connection of a->sk. */
static void answer(struct alone *a, uint8_t flags, uint32_t seq, uint32_t ack,
		   const struct tcp_opts *opts, uint32_t len)
{
	static const uint8_t bytes[2000];
	struct tcp_hdr h = { .src = PORT, .dst = a->sk->flow.lport, .seq = seq, .ack = ack,
			     .flags = flags, .wnd = 8000 };

	sim_inject(a->sim, 0, &h, opts, bytes, len);
	sim_run(a->sim, S7_MS);
}

static void open_by_hand(struct alone *a, const struct tcp_opts *opts)
{
	a->sk = sim_connect(&a->sim->host[0], &a->sim->host[1], PORT);
	sim_run(a->sim, S7_MS);
	answer(a, TCPF_SYN | TCPF_ACK, PEER_ISS, a->last.h.seq + 1, opts, 0);
	cr_assert_eq(sim_state(a->sk), TCPS_ESTABLISHED);
}

/* RFC 7323 5.2: an echo from before our SYN, or of tomorrow, is of another connection. */
Test(answers, echo_of_another_connection)
{
	struct tcp_opts opts = { .bits = TCPO_MSS | TCPO_TS, .mss = 1000, .ts_val = 7 };
	struct alone a;

	alone_start(&a);
	a.sk = sim_connect(&a.sim->host[0], &a.sim->host[1], PORT);
	sim_run(a.sim, S7_MS);
	for (int i = 0; i < 2; i++) {
		opts.ts_ecr = a.last.opts.ts_val + (i ? 100000 : -1u);
		answer(&a, TCPF_SYN | TCPF_ACK, PEER_ISS, tcp_tcb(a.sk)->iss + 1, &opts, 0);
		cr_expect_eq(sim_state(a.sk), TCPS_SYN_SENT);
		cr_expect_eq(a.rsts, (uint32_t)i + 1);
		cr_expect_eq(a.last.h.seq, tcp_tcb(a.sk)->iss + 1);
	}
	opts.ts_ecr = tcp_tcb(a.sk)->rtx_stamp;
	answer(&a, TCPF_SYN | TCPF_ACK, PEER_ISS, tcp_tcb(a.sk)->iss + 1, &opts, 0);
	cr_expect_eq(sim_state(a.sk), TCPS_ESTABLISHED);
	cr_expect_eq(tcp_tcb(a.sk)->delivered, 1);
	alone_end(&a);
}

/* SYN, ACK, data and FIN in one segment. */
Test(answers, all_in_one)
{
	struct alone a;
	char buf[300];

	alone_start(&a);
	a.sk = sim_connect(&a.sim->host[0], &a.sim->host[1], PORT);
	sim_run(a.sim, S7_MS);
	answer(&a, TCPF_SYN | TCPF_ACK | TCPF_FIN, PEER_ISS, a.last.h.seq + 1, NULL, 200);
	cr_expect_eq(sim_state(a.sk), TCPS_CLOSE_WAIT);
	cr_expect_eq(a.last.h.ack, PEER_ISS + 202);
	cr_expect_eq(sim_recv(a.sk, buf, sizeof(buf), 0), 200);
	cr_expect_eq(sim_recv(a.sk, buf, sizeof(buf), 0), 0);
	alone_end(&a);
}

/* A peer without window scaling: reading is no news to it, since 65535 is all that can be said. */
Test(answers, reading_says_nothing)
{
	struct alone a;
	char buf[1000];
	uint32_t segs;

	alone_start(&a);
	open_by_hand(&a, NULL);
	for (uint32_t i = 0; i < 4; i++) {
		answer(&a, TCPF_ACK, PEER_ISS + 1 + i * 1000, tcp_tcb(a.sk)->snd_nxt, NULL, 1000);
		sim_run(a.sim, S7_SEC);
		cr_expect_eq(a.last.h.ack, PEER_ISS + 1 + (i + 1) * 1000);
		segs = a.segs;
		cr_expect_eq(sim_recv(a.sk, buf, sizeof(buf), 0), 1000);
		sim_run(a.sim, S7_SEC);
		cr_expect_eq(a.segs, segs);
	}
	alone_end(&a);
}

/* Who is about to send lets its data carry the last ACK of the handshake; for 200 ms. */
static void last_ack(bool quickack_off, uint32_t defer, bool writes, bool at_once)
{
	struct alone a;
	uint32_t segs;

	alone_start(&a);
	a.sk = sim_socket(&a.sim->host[0]);
	if (quickack_off)
		cr_assert_eq(tcp_set_quickack(a.sk, 0), 0);
	tcp_sk(a.sk)->tcb.defer_accept_s = (uint16_t)defer;
	cr_assert_eq(tcp_connect(a.sk, &a.sim->host[1].ip, PORT), -EINPROGRESS);
	inst_flush(a.sim->host[0].inst);
	if (writes) { /* it blocks: the shim's to wait */
		char byte = 0;
		struct iovec iov = { &byte, 1 };
		struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = 1 };

		cr_assert_eq(tcp_send(a.sk, &msg), -EAGAIN);
	}
	segs = a.segs;
	answer(&a, TCPF_SYN | TCPF_ACK, PEER_ISS, a.last.h.seq + 1, NULL, 0);
	cr_expect_eq(a.segs, segs + at_once);
	if (at_once) {
		alone_end(&a);
		return;
	}
	cr_expect_eq(sim_send(a.sk, "x", 1, 0), 1);
	inst_flush(a.sim->host[0].inst);
	cr_expect_eq(a.segs, segs + 1);
	cr_expect_eq(a.last.len, 1);
	cr_expect_eq(a.last.h.ack, PEER_ISS + 1);
	alone_end(&a);
}

Test(answers, last_ack_with_data)
{
	last_ack(false, 0, false, true);
	last_ack(true, 0, false, false);
	last_ack(false, 1, false, false);
	last_ack(false, 0, true, false);
}

/* RST tells the window like any other segment. */
Test(answers, window_of_rst)
{
	struct alone a;

	alone_start(&a);
	open_by_hand(&a, NULL);
	answer(&a, TCPF_ACK, PEER_ISS + 1, tcp_tcb(a.sk)->snd_nxt, NULL, 10);
	sim_close(a.sk); /* unread data */
	a.sk = NULL;
	cr_expect_eq(a.last.h.flags, TCPF_RST | TCPF_ACK);
	cr_expect_eq(a.last.h.wnd, 65535);
	alone_end(&a);
}

/* TCP_NOTSENT_LOWAT bounds what a call takes, and EPOLLOUT comes at its half. */
Test(answers, notsent_lowat)
{
	struct tcp_opts opts = { .bits = TCPO_MSS, .mss = 1000 };
	static uint8_t bytes[59000];
	struct alone a;
	ssize_t n;

	alone_start(&a);
	open_by_hand(&a, &opts); /* its window: 8000 */
	cr_assert_eq(tcp_set_notsent_lowat(a.sk, 4000), 0);
	n = sim_send(a.sk, bytes, sizeof(bytes), MSG_DONTWAIT);
	cr_expect_eq(n, 12000);
	cr_expect_eq(tcp_unsent(tcp_tcb(a.sk)), 4000);
	cr_expect_not(tcp_writeable(a.sk));
	cr_expect_eq(sim_send(a.sk, bytes, sizeof(bytes), MSG_DONTWAIT), -EAGAIN);
	answer(&a, TCPF_ACK, PEER_ISS + 1, tcp_tcb(a.sk)->snd_una + 2000, NULL, 0);
	cr_expect_eq(tcp_unsent(tcp_tcb(a.sk)), 2000);
	cr_expect_not(tcp_writeable(a.sk));
	answer(&a, TCPF_ACK, PEER_ISS + 1, tcp_tcb(a.sk)->snd_una + 1000, NULL, 0);
	cr_expect(tcp_writeable(a.sk));
	alone_end(&a);
}

static void icmp(struct alone *a, const struct s7_flow *flow, uint32_t seq, int err)
{
	struct s7_icmp_error e = { .err = err, .v6 = !ip_is_v4(&flow->remote), .hard = true };

	tcp_icmp(a->sim->host[0].inst, flow, seq, &e);
}

/* A half-open connection ends by an ICMP error that quotes its SYN-ACK, and by no other. */
Test(answers, icmp_of_half_open)
{
	struct tcp_hdr syn = { .src = 999, .dst = PORT, .seq = 1, .flags = TCPF_SYN, .wnd = 1000 };
	struct s7_sock *listener;
	struct s7_flow flow;
	struct alone a;

	alone_start(&a);
	listener = sim_listen(&a.sim->host[0], PORT, 4);
	sim_inject(a.sim, 0, &syn, NULL, NULL, 0);
	cr_assert_eq(tcp_tcb(listener)->request_count, 1);
	flow = list_first(&tcp_tcb(listener)->requests, struct s7_tcp_req, list)->flow;
	icmp(&a, &flow, a.last.h.seq + 1, EHOSTUNREACH);
	cr_expect_eq(tcp_tcb(listener)->request_count, 1);
	icmp(&a, &flow, a.last.h.seq, EHOSTUNREACH);
	cr_expect_eq(tcp_tcb(listener)->request_count, 0);
	sim_close(listener);
	alone_end(&a);
}

/* An early child is closed and still given out, with its bytes and then the error. */
Test(answers, icmp_of_early_child)
{
	struct tcp_hdr syn = { .src = 999, .dst = PORT, .seq = 1, .flags = TCPF_SYN, .wnd = 1000 };
	struct s7_sock *listener;
	struct alone a;
	char buf[64];

	alone_start(&a);
	listener = sim_listen(&a.sim->host[0], PORT, 4);
	cr_assert_eq(tcp_set_fastopen(listener, 2), 0);
	listener->more |= SKM_TFO_NO_COOKIE;
	sim_inject(a.sim, 0, &syn, NULL, "0123456789", 10);
	cr_assert_eq(tcp_tcb(listener)->accept_len, 1);
	a.sk = list_first(&tcp_tcb(listener)->accept_queue, struct s7_sock, owner_list);
	icmp(&a, &a.sk->flow, a.last.h.seq, EHOSTUNREACH);
	cr_expect_eq(sim_state(a.sk), TCPS_CLOSED);
	cr_assert_eq(sim_accept(listener), a.sk);
	cr_expect_eq(sim_recv(a.sk, buf, sizeof(buf), 0), 10);
	cr_expect_eq(sim_recv(a.sk, buf, sizeof(buf), 0), -EHOSTUNREACH);
	cr_expect_eq(sim_send(a.sk, "x", 1, MSG_NOSIGNAL), -EPIPE);
	sim_close(listener);
	alone_end(&a);
}

/* What an established connection hears is kept for SO_ERROR, once. */
Test(answers, soft_error)
{
	struct alone a;

	alone_start(&a);
	open_by_hand(&a, NULL);
	cr_assert_eq(sim_send(a.sk, "x", 1, 0), 1);
	icmp(&a, &a.sk->flow, tcp_tcb(a.sk)->snd_una, EHOSTUNREACH);
	cr_expect_eq(sim_state(a.sk), TCPS_ESTABLISHED);
	cr_expect_eq(tcp_take_soft_error(a.sk), EHOSTUNREACH);
	cr_expect_eq(tcp_take_soft_error(a.sk), 0);
	alone_end(&a);
}

/* The SYN's data was too big for the path: the SYN again, at once, alone, with what fits. */
Test(answers, syn_data_too_big)
{
	static uint8_t bytes[2000];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = sizeof(bytes),
			      .flags = MSG_DONTWAIT };
	struct s7_icmp_error e = { .err = EMSGSIZE, .mtu = 1280 };
	struct alone a;

	alone_start(&a);
	e.v6 = a.sim->setup.v6;
	a.sk = sim_socket(&a.sim->host[0]);
	cr_assert_eq(tcp_connect_data(a.sk, &a.sim->host[1].ip, PORT, &msg), -EINPROGRESS);
	inst_flush(a.sim->host[0].inst);
	cr_expect_gt(a.last.len, 1000);
	tcp_icmp(a.sim->host[0].inst, &a.sk->flow, a.last.h.seq, &e);
	inst_flush(a.sim->host[0].inst);
	cr_expect_eq(a.segs, 2);
	cr_expect_eq(a.last.len, 0);
	cr_expect_eq(a.last.h.flags, TCPF_SYN);
	cr_expect_lt(a.last.opts.mss, 1280);
	alone_end(&a);
}

/* The number that the oldest entry of the error queue ends with, -1: none. */
static int64_t completed(struct s7_sock *sk)
{
	struct s7_msg msg = { 0 };
	struct s7_msg_more more;

	return errq_recv(sk, &msg, &more) ? -1 : (int64_t)more.entry.ee.ee_data;
}

/* MSG_ZEROCOPY: complete when the peer has it; those that came together are told together. */
Test(answers, zerocopy_completes_by_ack)
{
	struct alone a;

	alone_start(&a);
	open_by_hand(&a, NULL);
	cr_assert_eq(sk_ext_bit(a.sk, EXT_ZEROCOPY, true), 0);
	for (uint32_t i = 0; i < 2 * ZC_WAITS; i++) {
		cr_assert_eq(sim_send(a.sk, "0123456789", 10, 0), 10);
		tcp_zerocopy_sent(a.sk);
	}
	cr_expect_eq(completed(a.sk), -1);
	answer(&a, TCPF_ACK, PEER_ISS + 1, tcp_tcb(a.sk)->snd_una + 10, NULL, 0);
	cr_expect_eq(completed(a.sk), 0);
	cr_expect_eq(completed(a.sk), -1);
	answer(&a, TCPF_ACK, PEER_ISS + 1, tcp_tcb(a.sk)->snd_una + 25, NULL, 0);
	cr_expect_eq(completed(a.sk), 2);
	answer(&a, TCPF_ACK, PEER_ISS + 1, tcp_tcb(a.sk)->write_seq, NULL, 0);
	cr_expect_eq(completed(a.sk), 2 * ZC_WAITS - 1);
	cr_expect_eq(tcp_tcb(a.sk)->bits & TCB_ZEROCOPY, 0);
	/* and when nobody will ever say so */
	cr_assert_eq(sim_send(a.sk, "0123456789", 10, 0), 10);
	tcp_zerocopy_sent(a.sk);
	answer(&a, TCPF_RST, PEER_ISS + 1, 0, NULL, 0);
	cr_expect_eq(completed(a.sk), 2 * ZC_WAITS);
	alone_end(&a);
}
