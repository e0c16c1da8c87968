/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_sock.c - see sim.h: sockets of simulated hosts, and byte-exact transfers between them */
#include <errno.h>
#include <stdlib.h>

#include "test/support/sim.h"

#define CHUNK 65536

struct s7_sock *sim_socket(struct sim_host *host)
{
	struct s7_sock *sk;

	if (sk_create(host->inst, PROTO_TCP, host->sim->setup.v6 ? AF_INET6 : AF_INET, &sk))
		return NULL;
	sk->flow.local = sim_any(host->sim);
	return sk;
}

struct s7_sock *sim_listen(struct sim_host *host, uint16_t port, int backlog)
{
	struct s7_sock *sk = sim_socket(host);
	struct s7_ip any = sim_any(host->sim);

	if (!sk || sk_bind(sk, &any, port) || sk_ops(sk)->listen(sk, backlog))
		abort();
	return sk;
}

struct s7_sock *sim_connect(struct sim_host *host, struct sim_host *to, uint16_t port)
{
	struct s7_sock *sk = sim_socket(host);

	if (!sk || sk_ops(sk)->connect(sk, &to->ip, port) != -EINPROGRESS)
		abort();
	inst_flush(host->inst);
	return sk;
}

struct s7_sock *sim_accept(struct s7_sock *listener)
{
	struct s7_sock *child;

	return sk_ops(listener)->accept(listener, &child) ? NULL : child;
}

ssize_t sim_send(struct s7_sock *sk, const void *buf, size_t len, uint32_t flags)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len, .flags = flags };
	ssize_t n = sk_ops(sk)->send(sk, &msg);

	inst_flush(sk->inst);
	return n;
}

ssize_t sim_recv(struct s7_sock *sk, void *buf, size_t len, uint32_t flags)
{
	struct iovec iov = { buf, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len, .flags = flags };
	ssize_t n = sk_ops(sk)->recv(sk, &msg);

	inst_flush(sk->inst);
	return n;
}

void sim_close(struct s7_sock *sk)
{
	struct s7_inst *inst = sk->inst;

	sk_ops(sk)->close(sk);
	inst_flush(inst);
}

int sim_shutdown(struct s7_sock *sk, int how)
{
	int err = sk_ops(sk)->shutdown(sk, how);

	inst_flush(sk->inst);
	return err;
}

enum tcp_state sim_state(const struct s7_sock *sk)
{
	return (enum tcp_state)tcp_tcb(sk)->state;
}

struct sim_pair sim_pair(struct sim *sim)
{
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 16);
	struct sim_pair pair = { sim_connect(&sim->host[0], &sim->host[1], 80), NULL };
	s7_time limit = sim->now + 120 * S7_SEC;

	while (!pair.b && sim->now < limit) {
		sim_step(sim, limit);
		pair.b = sim_accept(listener);
	}
	sim_close(listener);
	return pair;
}

static uint8_t pattern(uint64_t at, uint32_t salt)
{
	uint64_t x = (at / 8 + salt) * 0x9e3779b97f4a7c15ull;

	return (uint8_t)((x ^ x >> 29) >> (at % 8 * 8));
}

struct flow {
	struct s7_sock *from, *to;
	uint64_t total, sent, received;
	uint32_t salt;
};

static void flow_push(struct flow *f, uint8_t *buf)
{
	while (f->sent < f->total) {
		size_t want = (size_t)s7_min(CHUNK, f->total - f->sent);
		ssize_t n;

		for (size_t i = 0; i < want; i++)
			buf[i] = pattern(f->sent + i, f->salt);
		n = sim_send(f->from, buf, want, 0);
		if (n == -EAGAIN)
			return;
		if (n < 0)
			abort();
		f->sent += (uint64_t)n;
	}
}

static void flow_pull(struct flow *f, uint8_t *buf)
{
	for (;;) {
		ssize_t n = sim_recv(f->to, buf, CHUNK, 0);

		if (n == -EAGAIN || n == 0)
			return;
		if (n < 0)
			abort();
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != pattern(f->received + (uint64_t)i, f->salt))
				abort();
		f->received += (uint64_t)n;
	}
}

s7_time sim_transfer(struct sim *sim, struct sim_pair *pair, uint64_t a_to_b, uint64_t b_to_a,
		     s7_time limit)
{
	struct flow f[2] = { { .from = pair->a, .to = pair->b, .total = a_to_b, .salt = 1 },
			     { .from = pair->b, .to = pair->a, .total = b_to_a, .salt = 2 } };
	uint8_t *buf = malloc(CHUNK);
	s7_time start = sim->now;
	uint32_t steps = 0;

	while (f[0].received < a_to_b || f[1].received < b_to_a) {
		for (int i = 0; i < 2; i++) {
			/* only when poll says so: the events must be enough to finish */
			if (f[i].sent < f[i].total && sk_ops(f[i].from)->poll(f[i].from) & EPOLLOUT)
				flow_push(&f[i], buf);
			if (sk_ops(f[i].to)->poll(f[i].to) & EPOLLIN)
				flow_pull(&f[i], buf);
		}
		if (sim->now - start > limit)
			break;
		sim_step(sim, start + limit + 1);
		if (++steps % 16 == 0) {
			sim_check(pair->a);
			sim_check(pair->b);
		}
	}
	free(buf);
	if (f[0].received < a_to_b || f[1].received < b_to_a)
		return 0;
	return s7_max(sim->now - start, 1);
}
