/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_fastopen.c - TCP Fast Open (RFC 7413): cookies, data in the SYN, and what happens when any of
 * it is lost or refused
 */
#include <criterion/criterion.h>
#include <linux/tcp.h>

#include "stack/tcp/tcp_int.h"
#include "test/support/sim.h"

#define PORT 80
#define DELAY (10 * S7_MS)

static const uint8_t keys[32] = "0123456789abcdeffedcba9876543210";

/* What the hook saw of SYNs and SYN-ACKs, and what it shall drop. */
struct watch {
	uint32_t syns;		     /* seen */
	struct sim_seg syn, syn_ack; /* the last of them */
	uint32_t drop_syn_acks;	     /* the next so many */
	bool drop_acks;		     /* all but the SYNs of the client's */
};

static enum sim_verdict watch_hook(struct sim *sim, const struct sim_seg *seg)
{
	struct watch *w = sim->hook_arg;

	if (!(seg->h.flags & TCPF_SYN))
		return w->drop_acks && !seg->from ? SIM_DROP : SIM_PASS;
	if (!seg->from) {
		w->syns++;
		w->syn = *seg;
		return SIM_PASS;
	}
	w->syn_ack = *seg;
	if (!w->drop_syn_acks)
		return SIM_PASS;
	w->drop_syn_acks--;
	return SIM_DROP;
}

struct bed {
	struct sim *sim;
	struct s7_sock *listener;
	struct watch watch;
};

static void bed_start(struct bed *bed, const struct sim_setup *setup, uint32_t qlen)
{
	memset(bed, 0, sizeof(*bed));
	bed->sim = sim_new(setup);
	for (int i = 0; i < 2; i++)
		bed->sim->host[i].inst->params.tcp_fastopen = FASTOPEN_CLIENT | FASTOPEN_SERVER;
	bed->listener = sim_listen(&bed->sim->host[1], PORT, 16);
	cr_assert_eq(tcp_set_fastopen(bed->listener, (int)qlen), 0);
	tcp_set_fastopen_keys(bed->listener, keys, 16);
	bed->sim->hook = watch_hook;
	bed->sim->hook_arg = &bed->watch;
}

static void bed_end(struct bed *bed)
{
	sim_close(bed->listener);
	bed->sim->hook = NULL;
	cr_expect_eq(sim_end(bed->sim), 0);
}

/* sendto(MSG_FASTOPEN); *ret_sent: what the SYN took. */
static struct s7_sock *fast_send(struct bed *bed, const void *data, size_t len, uint64_t *ret_sent)
{
	struct sim_host *host = &bed->sim->host[0];
	struct s7_sock *sk = sim_socket(host);
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len, .flags = MSG_DONTWAIT };

	memset(&bed->watch, 0, sizeof(bed->watch));
	cr_assert_eq(tcp_connect_data(sk, &bed->sim->host[1].ip, PORT, &msg), -EINPROGRESS);
	inst_flush(host->inst);
	*ret_sent = msg.skip;
	return sk;
}

/* The first connection brings the cookie home. */
static void get_cookie(struct bed *bed)
{
	uint64_t sent;
	struct s7_sock *c = fast_send(bed, "x", 1, &sent), *s;

	cr_assert_eq(sent, 0);
	sim_run(bed->sim, 4 * DELAY);
	s = sim_accept(bed->listener);
	cr_assert(s);
	sim_close(c);
	sim_close(s);
	sim_run(bed->sim, 4 * DELAY);
}

static struct tcp_info info_of(const struct s7_sock *sk)
{
	struct tcp_info info = { 0 };

	tcp_get_info(sk, &info, sizeof(info));
	return info;
}

static void expect_data(struct s7_sock *sk, const char *want)
{
	char buf[64] = "";

	cr_expect_eq(sim_recv(sk, buf, sizeof(buf), 0), (ssize_t)strlen(want));
	cr_expect_str_eq(buf, want);
}

Test(fastopen, cookie_then_data)
{
	struct bed bed;
	struct s7_sock *c, *s;
	uint64_t sent;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	cr_expect_eq(bed.watch.syn.len, 0);
	cr_expect(bed.watch.syn.opts.bits & TCPO_FASTOPEN);
	cr_expect_eq(bed.watch.syn.opts.cookie.len, 0);
	cr_expect(bed.watch.syn_ack.opts.bits & TCPO_FASTOPEN);
	cr_expect_eq(bed.watch.syn_ack.opts.cookie.len, 8);

	c = fast_send(&bed, "request", 7, &sent);
	cr_expect_eq(sent, 7);
	bed.watch.drop_acks = true;
	sim_run(bed.sim, DELAY + S7_MS); /* half a round trip */
	cr_expect_eq(bed.watch.syn.len, 7);
	cr_expect_eq(bed.watch.syn.opts.cookie.len, 8);
	s = sim_accept(bed.listener);
	cr_assert(s);
	cr_expect_eq(sim_state(s), TCPS_SYN_RCVD);
	cr_expect(sk_ops(s)->poll(s) & EPOLLIN);
	cr_expect(sk_ops(s)->poll(s) & EPOLLOUT);
	expect_data(s, "request");
	cr_expect_eq(sim_send(s, "answer", 6, 0), 6);
	sim_run(bed.sim, DELAY + S7_MS); /* the whole of one */
	cr_expect_eq(bed.watch.syn_ack.h.ack - bed.watch.syn.h.seq, 8);
	cr_expect_eq(sim_state(c), TCPS_ESTABLISHED);
	expect_data(c, "answer");
	cr_expect(info_of(c).tcpi_options & TCPI_OPT_SYN_DATA);
	cr_expect(info_of(s).tcpi_options & TCPI_OPT_SYN_DATA);
	cr_expect_eq(bed.sim->host[1].inst->stat[STAT_TCP_TFO_PASSIVE], 1);
	bed.watch.drop_acks = false;
	sim_run(bed.sim, 2 * S7_SEC);
	cr_expect_eq(sim_state(s), TCPS_ESTABLISHED);
	sim_check(s);
	sim_close(c);
	sim_close(s);
	bed_end(&bed);
}

/* The cookie is what the kernel makes of the same key: SipHash-2-4 of both addresses. */
Test(fastopen, siphash_2_4)
{
	/* the reference vector of SipHash's paper, cut to a multiple of eight bytes */
	uint64_t key[2] = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };
	uint8_t in[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };

	cr_expect_eq(tcp_siphash24(key, in, 0), 0x726fdb47dd0e0e31ull);
	cr_expect_eq(tcp_siphash24(key, in, 8), 0x93f5f5799a932462ull);
}

static void lose_syn_acks(uint32_t count)
{
	struct bed bed;
	struct s7_sock *c, *s;
	uint64_t sent;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	c = fast_send(&bed, "request", 7, &sent);
	bed.watch.drop_syn_acks = count;
	sim_run(bed.sim, 5 * S7_SEC);
	cr_expect_eq(sim_state(c), TCPS_ESTABLISHED);
	s = sim_accept(bed.listener);
	cr_assert(s);
	cr_expect_null(sim_accept(bed.listener));
	cr_expect_eq(sim_state(s), TCPS_ESTABLISHED);
	expect_data(s, "request");
	if (bed.watch.syns > 1) {
		cr_expect_eq(bed.watch.syn.len, 0);
		cr_expect_not(bed.watch.syn.opts.bits & TCPO_FASTOPEN);
	}
	cr_expect_eq(sim_send(c, " more", 5, 0), 5);
	sim_run(bed.sim, S7_SEC);
	expect_data(s, " more");
	sim_check(c);
	sim_check(s);
	sim_close(c);
	sim_close(s);
	bed_end(&bed);
}

Test(fastopen, syn_ack_lost)
{
	lose_syn_acks(1);
	lose_syn_acks(3);
}

/* Frames are looked at when they leave, so the loss is the link's. */
Test(fastopen, syn_lost)
{
	struct bed bed;
	struct s7_sock *c, *s;
	uint64_t sent;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	bed.sim->setup.loss_permille = 1000;
	c = fast_send(&bed, "request", 7, &sent);
	cr_expect_eq(sent, 7);
	bed.sim->setup.loss_permille = 0;
	sim_run(bed.sim, 3 * S7_SEC);
	s = sim_accept(bed.listener);
	cr_assert(s);
	cr_expect_eq(bed.watch.syn.len, 0);
	cr_expect_not(bed.watch.syn.opts.bits & TCPO_FASTOPEN);
	expect_data(s, "request");
	cr_expect_eq(info_of(c).tcpi_fastopen_client_fail, TFO_SYN_RETRANSMITTED);
	cr_expect_not(info_of(c).tcpi_options & TCPI_OPT_SYN_DATA);
	sim_close(c);
	sim_close(s);
	bed_end(&bed);
}

/* A cookie of another key: the data is sent again, and the right cookie comes with the answer. */
Test(fastopen, wrong_cookie)
{
	struct bed bed;
	struct s7_sock *c, *s;
	uint64_t sent;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	tcp_set_fastopen_keys(bed.listener, keys + 16, 16);
	for (int i = 0; i < 2; i++) {
		c = fast_send(&bed, "request", 7, &sent);
		cr_expect_eq(sent, 7);
		sim_run(bed.sim, S7_SEC);
		s = sim_accept(bed.listener);
		cr_assert(s);
		expect_data(s, "request");
		cr_expect_eq(info_of(c).tcpi_fastopen_client_fail, i ? 0 : TFO_DATA_NOT_ACKED);
		cr_expect_eq(!!(info_of(c).tcpi_options & TCPI_OPT_SYN_DATA), i);
		sim_close(c);
		sim_close(s);
		sim_run(bed.sim, S7_SEC);
	}
	cr_expect_eq(bed.sim->host[1].inst->stat[STAT_TCP_TFO_PASSIVE_FAIL], 1);
	bed_end(&bed);
}

/* A cookie of the second key is good, and one of the first is sent for it. */
Test(fastopen, second_key)
{
	struct bed bed;
	struct s7_sock *c, *s;
	uint8_t turned[32];
	uint64_t sent;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	memcpy(turned, keys + 16, 16);
	memcpy(turned + 16, keys, 16);
	tcp_set_fastopen_keys(bed.listener, turned, 32);
	c = fast_send(&bed, "request", 7, &sent);
	sim_run(bed.sim, S7_SEC);
	s = sim_accept(bed.listener);
	cr_assert(s);
	expect_data(s, "request");
	cr_expect(info_of(s).tcpi_options & TCPI_OPT_SYN_DATA);
	cr_expect(bed.watch.syn_ack.opts.bits & TCPO_FASTOPEN);
	cr_expect_neq(memcmp(bed.watch.syn.opts.cookie.bytes,
			     bed.watch.syn_ack.opts.cookie.bytes, 8), 0);
	sim_close(c);
	sim_close(s);
	bed_end(&bed);
}

/* More than TCP_FASTOPEN's number wait for their ACK: the next opens as ever. */
Test(fastopen, queue_is_bounded)
{
	struct bed bed;
	struct s7_sock *c[2], *s[2];
	uint64_t sent;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 1);
	get_cookie(&bed);
	for (int i = 0; i < 2; i++) {
		c[i] = fast_send(&bed, "request", 7, &sent);
		bed.watch.drop_acks = true;
		sim_run(bed.sim, DELAY + S7_MS);
	}
	s[0] = sim_accept(bed.listener);
	cr_expect(s[0]);
	cr_expect_null(sim_accept(bed.listener));
	cr_expect_eq(bed.sim->host[1].inst->stat[STAT_TCP_TFO_OVERFLOW], 1);
	bed.watch.drop_acks = false;
	sim_run(bed.sim, 3 * S7_SEC);
	s[1] = sim_accept(bed.listener);
	cr_assert(s[1]);
	for (int i = 0; i < 2; i++) {
		expect_data(s[i], "request");
		sim_close(c[i]);
		sim_close(s[i]);
	}
	bed_end(&bed);
}

/* A pending child that is reset goes on counting for a minute. */
Test(fastopen, resets_count)
{
	struct bed bed;
	struct s7_sock *c, *s;
	struct tcp_hdr rst;
	uint64_t sent;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 1);
	get_cookie(&bed);
	c = fast_send(&bed, "request", 7, &sent);
	bed.watch.drop_acks = true;
	sim_run(bed.sim, DELAY + S7_MS);
	rst = (struct tcp_hdr){ .src = bed.watch.syn.h.src, .dst = PORT, .flags = TCPF_RST,
				.seq = bed.watch.syn.h.seq + 8 };
	sim_inject(bed.sim, 1, &rst, NULL, NULL, 0);
	s = sim_accept(bed.listener);
	cr_assert(s);
	cr_expect_eq(s->err, ECONNRESET);
	sim_close(s);
	sim_close(c);
	sim_run(bed.sim, S7_SEC);
	for (int i = 0; i < 2; i++) { /* too early, late enough */
		c = fast_send(&bed, "request", 7, &sent);
		sim_run(bed.sim, S7_SEC);
		s = sim_accept(bed.listener);
		cr_assert(s);
		cr_expect_eq(!!(info_of(s).tcpi_options & TCPI_OPT_SYN_DATA), i);
		sim_close(c);
		sim_close(s);
		sim_run(bed.sim, 61 * S7_SEC);
	}
	bed_end(&bed);
}

/* The listener goes while a child waits for its ACK: accepted, it lives on. */
Test(fastopen, listener_goes)
{
	struct bed bed;
	struct s7_sock *c[2], *s;
	uint64_t sent;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	for (int i = 0; i < 2; i++) {
		c[i] = fast_send(&bed, "request", 7, &sent);
		bed.watch.drop_acks = true;
	}
	sim_run(bed.sim, DELAY + S7_MS);
	s = sim_accept(bed.listener);
	cr_assert(s);
	sim_close(bed.listener);
	bed.watch.drop_acks = false;
	sim_run(bed.sim, 5 * S7_SEC);
	expect_data(s, "request");
	cr_expect_eq(sim_state(s), TCPS_ESTABLISHED);
	cr_expect_eq(sim_state(c[1]), TCPS_CLOSED); /* it was never accepted */
	sim_close(s);
	sim_close(c[0]);
	sim_close(c[1]);
	bed.sim->hook = NULL;
	cr_expect_eq(sim_end(bed.sim), 0);
}

/* TCP_FASTOPEN_CONNECT: nothing leaves before the first bytes. */
Test(fastopen, deferred)
{
	struct bed bed;
	struct s7_sock *c, *s;

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	for (int used = 0; used < 2; used++) {
		memset(&bed.watch, 0, sizeof(bed.watch));
		c = sim_socket(&bed.sim->host[0]);
		cr_assert_eq(tcp_set_fastopen_connect(c, 1), 0);
		cr_assert_eq(sk_ops(c)->connect(c, &bed.sim->host[1].ip, PORT), 0);
		cr_expect_eq(tcp_connect_state(c), -EISCONN);
		sim_run(bed.sim, S7_SEC);
		cr_expect_eq(bed.watch.syns, 0);
		cr_expect_eq(sim_state(c), TCPS_SYN_SENT);
		cr_expect(sk_ops(c)->poll(c) & EPOLLOUT);
		sim_check(c);
		if (used) {
			cr_expect_eq(sim_send(c, "request", 7, 0), 7);
			sim_run(bed.sim, S7_SEC);
			cr_expect_eq(bed.watch.syns, 1);
			cr_expect_eq(bed.watch.syn.len, 7);
			s = sim_accept(bed.listener);
			cr_assert(s);
			expect_data(s, "request");
			sim_close(s);
		}
		sim_close(c);
		sim_run(bed.sim, S7_SEC);
	}
	bed_end(&bed);
}

/* A SYN carries no more than fits beside its options; without server support nothing is lost. */
Test(fastopen, more_than_a_segment)
{
	static uint8_t data[5000], got[5000];
	struct bed bed;
	struct s7_sock *c, *s;
	uint64_t sent;
	ssize_t n = 0, more;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	for (int off = 0; off < 2; off++) {
		if (off)
			bed.sim->host[1].inst->params.tcp_fastopen = 0;
		c = fast_send(&bed, data, sizeof(data), &sent);
		cr_expect_eq(sent, bed.sim->setup.v6 ? 1400 : 1420);
		sim_run(bed.sim, S7_SEC);
		cr_expect_eq(sim_send(c, data + sent, sizeof(data) - sent, 0),
			     (ssize_t)(sizeof(data) - sent));
		sim_run(bed.sim, S7_SEC);
		s = sim_accept(bed.listener);
		cr_assert(s);
		for (n = 0; (more = sim_recv(s, got + n, sizeof(got) - (size_t)n, 0)) > 0;)
			n += more;
		cr_expect_eq(n, (ssize_t)sizeof(data));
		cr_expect_arr_eq(got, data, sizeof(data));
		sim_close(c);
		sim_close(s);
		sim_run(bed.sim, S7_SEC);
	}
	bed_end(&bed);
}

/* The server closes before its SYN-ACK is acknowledged. */
Test(fastopen, early_close)
{
	struct bed bed;
	struct s7_sock *c, *s;
	uint64_t sent;
	char buf[8];

	bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY }, 16);
	get_cookie(&bed);
	c = fast_send(&bed, "request", 7, &sent);
	sim_run(bed.sim, DELAY + S7_MS);
	s = sim_accept(bed.listener);
	cr_assert(s);
	expect_data(s, "request");
	cr_expect_eq(sim_send(s, "bye", 3, 0), 3);
	sim_close(s);
	sim_run(bed.sim, S7_SEC);
	expect_data(c, "bye");
	cr_expect_eq(sim_recv(c, buf, sizeof(buf), 0), 0);
	sim_close(c);
	bed_end(&bed);
}

/* Whatever is lost, what was sent arrives, and nothing is left over. */
Test(fastopen, lossy)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct bed bed;
		struct sim_pair pair;
		uint64_t sent;
		s7_time limit;
		char buf[8];

		bed_start(&bed, &(struct sim_setup){ .delay_ns = DELAY, .seed = seed,
						     .hold_tx = seed & 1 }, 16);
		get_cookie(&bed);
		bed.sim->setup.reorder_permille = 100;
		bed.sim->setup.loss_permille = 300;
		pair.a = fast_send(&bed, "request", 7, &sent);
		cr_assert_eq(sent, 7);
		limit = bed.sim->now + 300 * S7_SEC;
		for (pair.b = NULL; !pair.b && bed.sim->now < limit; sim_step(bed.sim, limit))
			pair.b = sim_accept(bed.listener);
		cr_assert(pair.b, "seed %d", (int)seed);
		while (tcp_tcb(pair.b)->rq_bytes < 7 && bed.sim->now < limit)
			sim_step(bed.sim, limit);
		cr_assert_eq(sim_recv(pair.b, buf, 7, 0), 7, "seed %d", (int)seed);
		bed.sim->setup.loss_permille = 20;
		cr_expect_gt(sim_transfer(bed.sim, &pair, 20000, 20000, 300 * S7_SEC), 0,
			     "seed %d", (int)seed);
		sim_close(pair.a);
		sim_close(pair.b);
		bed_end(&bed);
	}
}
