/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_states.c - opening, closing and resetting (RFC 9293 3.5, 3.6, 3.10; RFC 5961; RFC 6191; RFC
 * 4987)
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

static uint64_t drops_of(struct sim *sim, int host, enum s7_drop why)
{
	return sim->host[host].inst->drop[why];
}

/* A header as the peer of `sk` would send it. */
static struct tcp_hdr peer_hdr(const struct s7_sock *sk, uint8_t flags)
{
	const struct s7_tcb *tcb = tcp_tcb(sk);
	struct tcp_hdr h = { .src = sk->flow.rport,
			     .dst = sk->flow.lport,
			     .seq = tcb->rcv_nxt,
			     .ack = tcb->snd_nxt,
			     .flags = flags,
			     .wnd = 1000 };

	return h;
}

static struct s7_sock *bound(struct sim_host *host, uint16_t port)
{
	struct s7_sock *sk = sim_socket(host);

	cr_assert_eq(sk_bind(sk, &host->ip, port), 0);
	return sk;
}

Test(sim_states, simultaneous_open)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *a = bound(&sim->host[0], 1000), *b = bound(&sim->host[1], 2000);
	struct sim_pair pair = { a, b };

	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 2000), -EINPROGRESS);
	cr_assert_eq(sk_ops(b)->connect(b, &sim->host[0].ip, 1000), -EINPROGRESS);
	sim_step(sim, sim->now + 150 * S7_US);
	cr_assert_eq(sim_state(a), TCPS_SYN_RCVD);
	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 2000), -EALREADY);
	sim_run(sim, 10 * S7_MS);
	cr_assert_eq(sim_state(a), TCPS_ESTABLISHED);
	cr_assert_eq(sim_state(b), TCPS_ESTABLISHED);
	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 2000), 0);
	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 2000), -EISCONN);
	cr_assert_neq(sim_transfer(sim, &pair, 100000, 100000, 10 * S7_SEC), 0);
	sim_close(a);
	sim_close(b);
	sim_step(sim, sim->now);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, simultaneous_close)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);

	sim_run(sim, S7_MS);
	sim_shutdown(pair.a, SHUT_WR);
	sim_shutdown(pair.b, SHUT_WR);
	cr_assert_eq(sim_state(pair.a), TCPS_FIN_WAIT_1);
	sim_step(sim, sim->now + S7_MS);
	cr_assert_eq(sim_state(pair.a), TCPS_CLOSING);
	cr_assert_eq(sim_state(pair.b), TCPS_CLOSING);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_state(pair.a), TCPS_CLOSED);
	cr_assert_eq(sim->host[0].inst->tcp->tws.used, 1);
	cr_assert_eq(sim->host[1].inst->tcp->tws.used, 1);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

static enum sim_verdict fin_hook(struct sim *sim, const struct sim_seg *seg)
{
	uint8_t *flags = sim->hook_arg;

	if (!seg->from && seg->h.flags & TCPF_FIN)
		*flags = seg->h.flags;
	return SIM_PASS;
}

/* A FIN without data carries no PSH, as Linux sends it. */
Test(sim_states, fin_alone_pushes_nothing)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	uint8_t flags = 0;

	sim->hook = fin_hook;
	sim->hook_arg = &flags;
	sim_close(pair.a);
	sim_run(sim, S7_MS);
	cr_assert_eq(flags, TCPF_FIN | TCPF_ACK);
	sim->hook = NULL;
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, half_close_still_receives)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	char c;

	sim_shutdown(pair.a, SHUT_WR);
	cr_assert_eq(sim_send(pair.a, "x", 1, 0), -EPIPE);
	sim_run(sim, 50 * S7_MS); /* the ACK of a FIN may wait for the program's own */
	cr_assert_eq(sim_state(pair.a), TCPS_FIN_WAIT_2);
	cr_assert_eq(sim_state(pair.b), TCPS_CLOSE_WAIT);
	cr_assert(sk_ops(pair.b)->poll(pair.b) & EPOLLRDHUP);
	cr_assert_not(sk_ops(pair.b)->poll(pair.b) & EPOLLHUP);
	cr_assert_neq(sim_transfer(sim, &pair, 0, 500000, 10 * S7_SEC), 0);
	sim_close(pair.b);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_recv(pair.a, &c, 1, 0), 0);
	cr_assert(sk_ops(pair.a)->poll(pair.a) & EPOLLHUP);
	sim_close(pair.a);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, refused)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *a = sim_connect(&sim->host[0], &sim->host[1], 81);

	sim_run(sim, S7_MS);
	cr_assert_eq(sim_state(a), TCPS_CLOSED);
	cr_assert_eq(a->err, ECONNREFUSED);
	cr_assert_eq(sk_ops(a)->poll(a) & (EPOLLERR | EPOLLHUP), EPOLLERR | EPOLLHUP);
	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 81), -ECONNREFUSED);
	sim_close(a);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, shared_netdev_is_silent)
{
	struct sim_setup setup = { .delay_ns = 100 * S7_US, .shared = true };
	struct sim *sim = sim_new(&setup);
	struct s7_sock *a = sim_connect(&sim->host[0], &sim->host[1], 81), *b;
	struct sim_pair pair = sim_pair(sim);

	sim_run(sim, S7_MS);
	cr_assert_eq(sim_state(a), TCPS_SYN_SENT);
	cr_assert_eq(drops_of(sim, 1, DROP_TCP_KERNEL), 1);
	/* the accepted connection keeps the port although its listener is gone, and so does
	 * TIME_WAIT; but who is new there is the kernel's */
	cr_assert(sk_port_rest(sim->host[1].inst, IPPROTO_TCP, &sim->host[1].ip, 80));
	b = sim_connect(&sim->host[0], &sim->host[1], 80);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_state(b), TCPS_SYN_SENT);
	cr_assert_eq(drops_of(sim, 1, DROP_TCP_KERNEL), 2);
	sim_close(b);
	cr_assert_neq(sim_transfer(sim, &pair, 0, 500000, 10 * S7_SEC), 0);
	sim_close(pair.b);
	sim_close(pair.a);
	sim_run(sim, S7_SEC);
	cr_assert_eq(sim->host[1].inst->tcp->tws.used, 1);
	cr_assert(sk_port_rest(sim->host[1].inst, IPPROTO_TCP, &sim->host[1].ip, 80));
	sim_run(sim, 70 * S7_SEC);
	cr_assert_not(sk_port_rest(sim->host[1].inst, IPPROTO_TCP, &sim->host[1].ip, 80));
	cr_assert_not(sk_port_owned(sim->host[1].inst, IPPROTO_TCP, &sim->host[1].ip, 80));
	sim_close(a);
	cr_assert_eq(sim_end(sim), 0);
}

/* TCP goes into a hole, ARP does not. */
static enum sim_verdict black_hole(struct sim *sim, const struct sim_seg *seg)
{
	(void)seg;
	++*(uint32_t *)sim->hook_arg;
	return SIM_DROP;
}

Test(sim_states, syn_retries_back_off)
{
	struct sim *sim = sim_new(&plain);
	uint32_t syns = 0;
	struct s7_sock *a;
	s7_time start = sim->now;

	sim->hook = black_hole;
	sim->hook_arg = &syns;
	a = sim_connect(&sim->host[0], &sim->host[1], 80);
	while (sim_state(a) == TCPS_SYN_SENT)
		sim_step(sim, sim->now + 1000 * S7_SEC);
	/* 1 + 1 + 1 + 1, then 1 + 2 + 4 + 8 + 16 + 32 + 64 s */
	cr_assert_eq((sim->now - start) / S7_SEC, 131, "%lu s",
		     (unsigned long)((sim->now - start) / S7_SEC));
	cr_assert_eq(a->err, ETIMEDOUT);
	cr_assert_eq(syns, 11);
	sim_close(a);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, close_with_unread_data_resets)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	char c;

	sim_send(pair.a, "unread", 6, 0);
	sim_run(sim, S7_MS);
	sim_close(pair.b);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_state(pair.a), TCPS_CLOSED);
	cr_assert_eq(sim_recv(pair.a, &c, 1, 0), -ECONNRESET);
	cr_assert_eq(sim_recv(pair.a, &c, 1, 0), 0);
	cr_assert_eq(sim_send(pair.a, &c, 1, 0), -EPIPE);
	sim_close(pair.a);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, linger_zero_resets)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);

	pair.a->bits |= SKB_LINGER;
	pair.a->linger_s = 0;
	sim_close(pair.a);
	sim_run(sim, S7_MS);
	cr_assert_eq(pair.b->err, ECONNRESET);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, data_after_close_resets)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);

	sim_run(sim, S7_MS);
	sim_close(pair.a);
	sim_run(sim, S7_MS);
	sim_send(pair.b, "late", 4, 0);
	sim_run(sim, S7_MS);
	cr_assert_eq(drops_of(sim, 0, DROP_TCP_AFTER_CLOSE), 1);
	cr_assert_eq(pair.b->err, EPIPE); /* reset in CLOSE-WAIT */
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, rst_only_at_the_exact_place)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct tcp_hdr h = peer_hdr(pair.a, TCPF_RST);
	uint64_t out;

	sim_run(sim, S7_MS);
	out = stat_of(sim, 0, STAT_TCP_OUT_SEGS);
	h.seq += 1; /* inside the window: a challenge ACK */
	sim_inject(sim, 0, &h, NULL, NULL, 0);
	cr_assert_eq(sim_state(pair.a), TCPS_ESTABLISHED);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_OUT_SEGS), out + 1);
	h.seq += 1 << 30; /* outside: silence */
	sim_inject(sim, 0, &h, NULL, NULL, 0);
	cr_assert_eq(sim_state(pair.a), TCPS_ESTABLISHED);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_OUT_SEGS), out + 1);
	h = peer_hdr(pair.a, TCPF_RST);
	sim_inject(sim, 0, &h, NULL, NULL, 0);
	cr_assert_eq(sim_state(pair.a), TCPS_CLOSED);
	cr_assert_eq(pair.a->err, ECONNRESET);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, syn_and_bad_ack_are_challenged)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct tcp_hdr h = peer_hdr(pair.a, TCPF_SYN);
	uint64_t out;

	sim_run(sim, S7_MS);
	out = stat_of(sim, 0, STAT_TCP_OUT_SEGS);
	sim_inject(sim, 0, &h, NULL, NULL, 0);
	cr_assert_eq(sim_state(pair.a), TCPS_ESTABLISHED);
	cr_assert_eq(drops_of(sim, 0, DROP_TCP_SYN_IN_WINDOW), 1);
	h = peer_hdr(pair.a, TCPF_ACK);
	h.ack += 5;
	sim_inject(sim, 0, &h, NULL, NULL, 0);
	cr_assert_eq(drops_of(sim, 0, DROP_TCP_BAD_ACK), 1);
	/* the second within half a second was held back already; later one is answered again */
	cr_assert_eq(drops_of(sim, 0, DROP_TCP_CHALLENGE_RATE), 1);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_OUT_SEGS), out + 1);
	sim_run(sim, 600 * S7_MS);
	h = peer_hdr(pair.a, TCPF_SYN);
	for (int i = 0; i < 5; i++)
		sim_inject(sim, 0, &h, NULL, NULL, 0);
	cr_assert_eq(drops_of(sim, 0, DROP_TCP_CHALLENGE_RATE), 5);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_OUT_SEGS), out + 2);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, paws)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct tcp_hdr h = peer_hdr(pair.a, TCPF_ACK);
	struct tcp_opts o = { .bits = TCPO_TS };

	sim_run(sim, S7_MS);
	o.ts_val = tcb_of(pair.a)->ts_recent - 1000;
	sim_inject(sim, 0, &h, &o, "old", 3);
	cr_assert_eq(drops_of(sim, 0, DROP_TCP_PAWS), 1);
	cr_assert_eq(tcb_of(pair.a)->rq_bytes, 0);
	sim_close(pair.a);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, time_wait_reopens_for_a_newer_syn)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 16), *a, *b;

	for (int i = 0; i < 3; i++) {
		a = bound(&sim->host[0], 5000);
		cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 80), -EINPROGRESS);
		sim_run(sim, 2 * S7_MS);
		cr_assert_eq(sim_state(a), TCPS_ESTABLISHED, "turn %d", i);
		b = sim_accept(listener);
		cr_assert_not_null(b);
		sim_close(b); /* the server closes first and keeps TIME_WAIT */
		sim_run(sim, S7_MS);
		sim_close(a);
		sim_run(sim, 100 * S7_MS);
		cr_assert_eq(sim->host[1].inst->tcp->tws.used, 1);
	}
	cr_assert_eq(stat_of(sim, 1, STAT_TCP_TW_REUSED), 2);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}

/*
 * The client forgot the connection and its clock fell back: its second SYN follows the RST at once.
 */
Test(sim_states, time_wait_of_a_forgotten_connection_is_ended)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 16), *a, *b;
	struct s7_tcp_inst *tcp = sim->host[0].inst->tcp;
	const struct s7_ip *from = &sim->host[0].ip, *to = &sim->host[1].ip;
	uint32_t before = tcp_ts_offset(sim->host[0].inst, from, to);

	a = bound(&sim->host[0], 5000);
	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 80), -EINPROGRESS);
	sim_run(sim, 2 * S7_MS);
	b = sim_accept(listener);
	cr_assert_not_null(b);
	sim_close(b);
	sim_run(sim, S7_MS);
	sim_close(a);
	sim_run(sim, 100 * S7_MS);
	cr_assert_eq(sim->host[1].inst->tcp->tws.used, 1);
	do
		tcp->key[1][0]++;
	while ((int32_t)(tcp_ts_offset(sim->host[0].inst, from, to) - before) > -(1 << 20));
	a = bound(&sim->host[0], 5000);
	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 80), -EINPROGRESS);
	sim_run(sim, 10 * S7_MS);
	cr_assert_eq(sim_state(a), TCPS_ESTABLISHED);
	b = sim_accept(listener);
	cr_assert_not_null(b);
	sim_close(a);
	sim_close(b);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, time_wait_overflow_forgets)
{
	struct sim_setup setup = { .delay_ns = 100 * S7_US, .max_time_wait = 2 };
	struct sim *sim = sim_new(&setup);

	for (int i = 0; i < 5; i++) {
		struct sim_pair pair = sim_pair(sim);

		sim_close(pair.a);
		sim_run(sim, S7_MS);
		sim_close(pair.b);
		sim_run(sim, S7_MS);
	}
	cr_assert_eq(sim->host[0].inst->tcp->tws.used, 2);
	cr_assert_eq(stat_of(sim, 0, STAT_TCP_TW_OVERFLOW), 3);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, fin_wait_2_of_an_orphan_ends)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);

	sim_run(sim, S7_MS);
	sim_close(pair.a);
	sim_run(sim, S7_SEC);
	cr_assert_eq(sim->host[0].inst->tcp->socks.used, 1);
	sim_run(sim, 60 * S7_SEC);
	cr_assert_eq(sim->host[0].inst->tcp->socks.used, 0);
	sim_close(pair.b);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, backlog_is_linuxs)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 2), *client[5];
	int accepted = 0;

	for (int i = 0; i < 5; i++) {
		client[i] = sim_connect(&sim->host[0], &sim->host[1], 80);
		sim_run(sim, S7_MS);
	}
	/* backlog 2 holds 3; the others' SYNs are dropped and come again */
	cr_assert_eq(tcb_of(listener)->accept_len, 3);
	cr_assert_gt(drops_of(sim, 1, DROP_TCP_LISTEN_OVERFLOW), 0);
	for (int i = 0; i < 200 && accepted < 5; i++) {
		struct s7_sock *b = sim_accept(listener);

		sim_run(sim, 100 * S7_MS);
		if (b) {
			accepted++;
			sim_close(b);
		}
	}
	cr_assert_eq(accepted, 5);
	for (int i = 0; i < 5; i++)
		sim_close(client[i]);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, listener_close_resets_children)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 8);
	struct s7_sock *a = sim_connect(&sim->host[0], &sim->host[1], 80);

	sim_run(sim, S7_MS);
	cr_assert_eq(sim_state(a), TCPS_ESTABLISHED);
	sim_close(listener);
	sim_run(sim, S7_MS);
	cr_assert_eq(a->err, ECONNRESET);
	sim_close(a);
	cr_assert_eq(sim_end(sim), 0);
}

/* SYNs of clients that do not exist, by hand; the link eats the answers. */
static void flood(struct sim *sim, uint32_t n)
{
	struct tcp_opts o = { .bits = TCPO_MSS, .mss = 1460 };

	for (uint32_t i = 0; i < n; i++) {
		struct tcp_hdr h = { .src = (uint16_t)(1024 + i),
				     .dst = 80,
				     .seq = i * 7777,
				     .flags = TCPF_SYN,
				     .wnd = 8192 };

		sim_inject(sim, 1, &h, &o, NULL, 0);
	}
}

static enum sim_verdict eat_rst(struct sim *sim, const struct sim_seg *seg)
{
	(void)sim;
	return seg->h.flags & TCPF_RST ? SIM_DROP : SIM_PASS;
}

Test(sim_states, syn_flood_cookies)
{
	struct sim_setup setup = { .delay_ns = 100 * S7_US, .syn_backlog = 8 };
	struct sim *sim = sim_new(&setup);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 64);
	struct sim_pair pair;

	sim->hook = eat_rst; /* the flooder's host would answer our SYN-ACKs with RST */
	flood(sim, 100);
	cr_assert_eq(tcb_of(listener)->request_count, 8);
	cr_assert_eq(stat_of(sim, 1, STAT_TCP_COOKIES_SENT), 92);
	pair.a = sim_connect(&sim->host[0], &sim->host[1], 80);
	sim_run(sim, S7_MS);
	cr_assert_eq(stat_of(sim, 1, STAT_TCP_COOKIES_OK), 1);
	pair.b = sim_accept(listener);
	cr_assert_not_null(pair.b);
	/* timestamps carried the agreement: scaling and SACK survived the cookie */
	cr_assert(tcb_of(pair.b)->bits & TCB_SACK);
	cr_assert_eq(tcb_of(pair.b)->snd_wscale, tcb_of(pair.a)->rcv_wscale);
	cr_assert_eq(tcb_of(pair.b)->rcv_wscale, tcb_of(pair.a)->snd_wscale);
	cr_assert_neq(sim_transfer(sim, &pair, 300000, 300000, 20 * S7_SEC), 0);
	sim_close(pair.a);
	sim_close(pair.b);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, forged_cookie_is_refused)
{
	struct sim_setup setup = { .delay_ns = 100 * S7_US, .syn_backlog = 1 };
	struct sim *sim = sim_new(&setup);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 64);
	struct tcp_hdr h = {
		.src = 999, .dst = 80, .seq = 1, .ack = 12345, .flags = TCPF_ACK, .wnd = 100
	};

	sim->hook = eat_rst;
	flood(sim, 3);
	sim_inject(sim, 1, &h, NULL, NULL, 0);
	cr_assert_eq(drops_of(sim, 1, DROP_TCP_COOKIE), 1);
	cr_assert_eq(tcb_of(listener)->accept_len, 0);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, half_open_gives_up)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 64);

	sim->hook = eat_rst;
	flood(sim, 1);
	cr_assert_eq(tcb_of(listener)->request_count, 1);
	sim_run(sim, 100 * S7_SEC);
	cr_assert_eq(tcb_of(listener)->request_count, 0);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, defer_accept_waits_for_data)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 64), *a, *b;

	tcp_set_defer_accept(listener, 3);
	a = sim_connect(&sim->host[0], &sim->host[1], 80);
	sim_run(sim, 100 * S7_MS);
	cr_assert_eq(sim_state(a), TCPS_ESTABLISHED);
	cr_assert_null(sim_accept(listener));
	sim_send(a, "GET", 3, 0);
	sim_run(sim, 10 * S7_MS);
	b = sim_accept(listener);
	cr_assert_not_null(b);
	cr_assert_eq(sk_ops(b)->inq(b), 3);
	sim_close(a);
	sim_close(b);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_states, disconnect_makes_it_fresh)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair = sim_pair(sim);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4), *b;

	cr_assert_eq(tcp_disconnect(pair.a), 0);
	inst_flush(sim->host[0].inst);
	sim_run(sim, S7_MS);
	cr_assert_eq(pair.b->err, ECONNRESET);
	cr_assert_eq(sk_ops(pair.a)->connect(pair.a, &sim->host[1].ip, 80), -EINPROGRESS);
	sim_run(sim, S7_MS);
	cr_assert_eq(sim_state(pair.a), TCPS_ESTABLISHED);
	b = sim_accept(listener);
	cr_assert_not_null(b);
	sim_close(pair.a);
	sim_close(pair.b);
	sim_close(b);
	sim_close(listener);
	cr_assert_eq(sim_end(sim), 0);
}
