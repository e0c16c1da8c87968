/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_iface.c - the keys of [interface NAME] that TCP obeys: a connection has its interface's
 * settings, unless the program set its own
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/tcp.h>

#include "test/support/sim.h"

#define CUBIC 0
#define RENO 1

static const struct sim_setup plain = { .delay_ns = 5 * S7_MS };

static struct s7_tcb *tcb_of(struct s7_sock *sk)
{
	return &tcp_sk(sk)->tcb;
}

/* The settings of the interface of a host. */
static struct s7_iface_tcp *own(struct sim *sim, int host)
{
	return &sim->host[host].inst->iface[1].tcp;
}

static uint64_t drops_of(struct sim *sim, int host, enum s7_drop why)
{
	return sim->host[host].inst->drop[why];
}

struct watch {
	uint32_t from;
	uint32_t data, bare;
	uint32_t syn_wnd;
	uint8_t syn_wscale;
};

static enum sim_verdict watch_hook(struct sim *sim, const struct sim_seg *seg)
{
	struct watch *w = sim->hook_arg;

	if (seg->from != w->from)
		return SIM_PASS;
	w->data += seg->len > 0;
	w->bare += !seg->len;
	if (seg->h.flags & TCPF_SYN) {
		w->syn_wnd = seg->h.wnd;
		w->syn_wscale = seg->opts.wscale;
	}
	return SIM_PASS;
}

/* As much of `space` as a SYN offers: whole segments. */
static uint32_t offered(const struct sim *sim, uint32_t space, bool answer)
{
	return space - space % ((sim->setup.v6 ? 1440 : 1460) - (answer ? 12 : 0));
}

static void watch(struct sim *sim, struct watch *w)
{
	sim->hook = watch_hook;
	sim->hook_arg = w;
}

static void end(struct sim *sim, struct sim_pair *pair)
{
	sim_close(pair->a);
	sim_close(pair->b);
	cr_assert_eq(sim_end(sim), 0);
}

/* Segments that leave before the first answer. */
static uint32_t first_flight(struct sim *sim, struct s7_sock *from, uint32_t host)
{
	static const char buf[60000];
	struct watch w = { .from = host };

	sim_run(sim, S7_SEC);
	watch(sim, &w);
	cr_assert_gt(sim_send(from, buf, sizeof(buf), 0), 0);
	sim_run(sim, S7_MS);
	sim->hook = NULL;
	return w.data;
}

Test(sim_iface, without_settings_those_of_params)
{
	struct sim_setup setup = { .delay_ns = S7_MS, .rmem = 40000, .wmem = 30000, .cc = RENO };
	struct sim *sim = sim_new(&setup);
	const struct s7_inst *inst = sim->host[0].inst;

	for (int i = 0; i < 2; i++) {
		const struct s7_iface_tcp *tcp = &inst->iface[i].tcp;

		cr_assert_eq(tcp->cc, RENO);
		cr_assert_eq(tcp->init_cwnd, inst->params.tcp_init_cwnd);
		cr_assert_eq(tcp->delack_ms, inst->params.tcp_delack_ms);
		cr_assert_eq(tcp->backlog_max, inst->params.backlog_max);
		cr_assert_eq(tcp->rmem[1], 40000);
		cr_assert_eq(tcp->wmem[1], 30000);
	}
	sim_free(sim);
}

Test(sim_iface, init_cwnd)
{
	struct sim *sim = sim_new(&plain);
	struct sim_pair pair;
	struct tcp_info info;

	own(sim, 0)->init_cwnd = 4;
	own(sim, 1)->init_cwnd = 7;
	pair = sim_pair(sim);
	tcp_get_info(pair.a, &info, sizeof(info));
	cr_assert_eq(info.tcpi_snd_cwnd, 4);
	cr_assert_eq(first_flight(sim, pair.a, 0), 4);
	cr_assert_eq(first_flight(sim, pair.b, 1), 7);
	sim_run(sim, 10 * S7_SEC);
	end(sim, &pair);
}

/* Returns when the ACK of a lone segment leaves host 1, in ms. */
static uint32_t ack_delay(struct sim *sim, struct sim_pair *pair)
{
	struct watch w = { .from = 1 };
	uint32_t ms = 0;

	sim_run(sim, S7_SEC);
	tcb_of(pair->b)->quickacks = 0; /* not the quick ones of the beginning */
	tcb_of(pair->b)->bits |= TCB_PINGPONG;
	watch(sim, &w);
	sim_send(pair->a, "x", 1, 0);
	sim_run(sim, plain.delay_ns);
	while (!w.bare && ms < 1000) {
		sim_run(sim, S7_MS);
		ms++;
	}
	sim->hook = NULL;
	return ms;
}

Test(sim_iface, delayed_ack)
{
	static const uint32_t want[] = { 40, 15, 120 };

	for (int i = 0; i < 3; i++) {
		struct sim *sim = sim_new(&plain);
		struct sim_pair pair;
		uint32_t ms;

		own(sim, 1)->delack_ms = want[i];
		pair = sim_pair(sim);
		ms = ack_delay(sim, &pair);
		cr_assert(ms >= want[i] && ms <= want[i] + 4, "%u instead of %u", ms, want[i]);
		sim_run(sim, S7_SEC);
		end(sim, &pair);
	}
}

Test(sim_iface, congestion_control)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *fresh = sim_socket(&sim->host[0]);
	struct sim_pair pair;

	own(sim, 0)->cc = RENO;
	cr_assert_str_eq(tcp_get_congestion(fresh), "cubic");
	sim_close(fresh);
	pair = sim_pair(sim);
	cr_assert_str_eq(tcp_get_congestion(pair.a), "reno");
	cr_assert_str_eq(tcp_get_congestion(pair.b), "cubic");
	cr_assert_neq(sim_transfer(sim, &pair, 300000, 300000, 60 * S7_SEC), 0);
	end(sim, &pair);
}

Test(sim_iface, congestion_control_of_the_program_stays)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4), *plain_listener;
	struct s7_sock *a = sim_socket(&sim->host[0]), *b, *c;

	own(sim, 0)->cc = own(sim, 1)->cc = RENO;
	plain_listener = sim_listen(&sim->host[1], 81, 4);
	cr_assert_eq(tcp_set_congestion(listener, "cubic", 5), 0);
	cr_assert_eq(tcp_set_congestion(a, "cubic", 5), 0);
	cr_assert_eq(sk_ops(a)->connect(a, &sim->host[1].ip, 80), -EINPROGRESS);
	c = sim_connect(&sim->host[0], &sim->host[1], 81);
	sim_run(sim, S7_SEC);
	cr_assert_str_eq(tcp_get_congestion(a), "cubic");
	cr_assert_str_eq(tcp_get_congestion(c), "reno");
	b = sim_accept(listener);
	cr_assert_str_eq(tcp_get_congestion(b), "cubic");
	sim_close(b);
	b = sim_accept(plain_listener);
	cr_assert_str_eq(tcp_get_congestion(b), "reno");
	sim_close(b);
	sim_close(a);
	sim_close(c);
	sim_close(listener);
	sim_close(plain_listener);
	cr_assert_eq(sim_end(sim), 0);
}

Test(sim_iface, rmem_is_the_window_offered)
{
	struct sim *sim = sim_new(&plain);
	struct watch w = { .from = 1 };
	struct sim_pair pair;

	memcpy(own(sim, 1)->rmem, (uint32_t[]){ 4096, 20000, 30000 }, sizeof(own(sim, 1)->rmem));
	sim->host[1].inst->params.rmem_max = 30000; /* it counts for the scale as well */
	watch(sim, &w);
	pair = sim_pair(sim);
	cr_assert_eq(w.syn_wnd, offered(sim, 10000, true), "%u", w.syn_wnd);
	cr_assert_eq(w.syn_wscale, 0, "%u", w.syn_wscale);
	cr_assert_eq(pair.b->rcvbuf, 20000);
	cr_assert_neq(sim_transfer(sim, &pair, 3000000, 0, 600 * S7_SEC), 0);
	cr_assert(pair.b->rcvbuf > 20000 && pair.b->rcvbuf <= 30000, "%u", pair.b->rcvbuf);
	end(sim, &pair);
}

Test(sim_iface, rmem_of_a_cookie)
{
	struct sim_setup setup = { .delay_ns = 5 * S7_MS };
	struct sim *sim = sim_new(&setup);
	struct watch w = { .from = 1 };
	struct sim_pair pair;

	own(sim, 1)->rmem[1] = 20000;
	own(sim, 1)->rmem[2] = 50 << 20;
	sim->host[1].inst->params.tcp_syn_backlog = 0;
	watch(sim, &w);
	pair = sim_pair(sim);
	cr_assert_gt(sim->host[1].inst->stat[STAT_TCP_COOKIES_OK], 0);
	cr_assert_eq(w.syn_wnd, offered(sim, 10000, true), "%u", w.syn_wnd);
	cr_assert_eq(w.syn_wscale, tcb_of(pair.b)->rcv_wscale);
	cr_assert_eq(w.syn_wscale, 10);
	cr_assert_neq(sim_transfer(sim, &pair, 300000, 0, 60 * S7_SEC), 0);
	end(sim, &pair);
}

Test(sim_iface, rmem_and_wmem_of_a_connecting_socket)
{
	struct sim *sim = sim_new(&plain);
	struct watch w = { .from = 0 };
	struct sim_pair pair;

	own(sim, 0)->rmem[1] = 24000;
	own(sim, 0)->wmem[1] = 50000;
	own(sim, 0)->wmem[2] = 60000;
	watch(sim, &w);
	pair = sim_pair(sim);
	cr_assert_eq(w.syn_wnd, offered(sim, 12000, false), "%u", w.syn_wnd);
	cr_assert_eq(pair.a->rcvbuf, 24000);
	cr_assert_eq(pair.a->sndbuf, 50000, "%u", pair.a->sndbuf);
	cr_assert_neq(sim_transfer(sim, &pair, 3000000, 0, 600 * S7_SEC), 0);
	cr_assert(pair.a->sndbuf > 50000 && pair.a->sndbuf <= 60000, "%u", pair.a->sndbuf);
	end(sim, &pair);
}

Test(sim_iface, buffers_of_the_program_stay)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 4);
	struct watch w = { .from = 1 };
	struct sim_pair pair;

	own(sim, 1)->rmem[1] = 20000;
	own(sim, 1)->wmem[1] = 20000;
	listener->rcvbuf = 50000;
	listener->sndbuf = 70000;
	listener->bits |= SKB_RCVBUF_LOCK | SKB_SNDBUF_LOCK;
	watch(sim, &w);
	pair.a = sim_connect(&sim->host[0], &sim->host[1], 80);
	sim_run(sim, S7_SEC);
	pair.b = sim_accept(listener);
	cr_assert_eq(w.syn_wnd, offered(sim, 25000, true), "%u", w.syn_wnd);
	cr_assert_eq(pair.b->rcvbuf, 50000);
	cr_assert_eq(pair.b->sndbuf, 70000);
	sim_close(listener);
	end(sim, &pair);
}

/* How many connections six attempts leave in the queue of a listener. */
static uint32_t queued(struct sim *sim, struct s7_sock *listener)
{
	struct s7_sock *client[6];
	uint32_t len;

	for (int i = 0; i < 6; i++) {
		client[i] = sim_connect(&sim->host[0], &sim->host[1], listener->bind.port);
		sim_run(sim, 20 * S7_MS);
	}
	len = tcb_of(listener)->accept_len;
	for (int i = 0; i < 6; i++)
		sim_close(client[i]);
	sim_close(listener);
	return len;
}

/* A queue is full with one more than the backlog, as in Linux. */
Test(sim_iface, backlog)
{
	struct sim *sim = sim_new(&plain);
	struct s7_sock *at;

	own(sim, 1)->backlog_max = 2;
	at = sim_listen(&sim->host[1], 80, 100);
	cr_assert_eq(tcb_of(at)->backlog, 100); /* any address: params' bound */
	cr_assert_eq(queued(sim, at), 3);
	cr_assert_gt(drops_of(sim, 1, DROP_TCP_LISTEN_OVERFLOW), 0);

	at = sim_socket(&sim->host[1]);
	cr_assert_eq(sk_bind(at, &sim->host[1].ip, 81), 0);
	cr_assert_eq(sk_ops(at)->listen(at, 100), 0);
	cr_assert_eq(tcb_of(at)->backlog, 2); /* one of its addresses: its own */
	cr_assert_eq(queued(sim, at), 3);

	own(sim, 1)->backlog_max = 9000; /* beyond params' */
	at = sim_socket(&sim->host[1]);
	cr_assert_eq(sk_bind(at, &sim->host[1].ip, 82), 0);
	cr_assert_eq(sk_ops(at)->listen(at, 10000), 0);
	cr_assert_eq(tcb_of(at)->backlog, 9000);
	sim_close(at);
	own(sim, 1)->backlog_max = 3;
	at = sim_listen(&sim->host[1], 83, 1);
	cr_assert_eq(queued(sim, at), 2); /* the program asked for less */
	cr_assert_eq(sim_end(sim), 0);
}
