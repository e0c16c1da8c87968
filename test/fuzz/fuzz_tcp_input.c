/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_tcp_input.c - hostile segments and a restless program against a listener and an established
 * connection
 *
 * The input is a list of records: segments with right checksums whose numbers are near the
 * connection's (so that they get past the first checks), raw option bytes, and calls of the
 * program. After each record the invariants of every TCB are checked; at the end everything is
 * closed, time passes, and nothing may be left.
 */
#include <errno.h>
#include <stdlib.h>

#include "test/support/fuzz.h"
#include "test/support/sim.h"

#define RECORDS_MAX 64

static struct sim *fuzz_sim(void)
{
	static struct sim *sim;
	struct sim_setup setup = { .delay_ns = 100 * S7_US, .syn_backlog = 4 };

	if (!sim)
		sim = sim_new(&setup);
	return sim;
}

/* A number near `base`: mostly exact or close, sometimes anywhere. */
static uint32_t near(struct fuzz_in *in, uint32_t base)
{
	uint32_t how = fuzz_byte(in), by = fuzz_word(in);

	switch (how & 7) {
	case 0:
	case 1:
		return base;
	case 2:
		return base + (by & 0xff);
	case 3:
		return base - (by & 0xff);
	case 4:
		return base + by;
	case 5:
		return base - by;
	case 6:
		return base + (by << 16);
	default:
		return base + (by & 0xf) * 1448;
	}
}

static void segment(struct sim *sim, struct fuzz_in *in, struct s7_sock *sk, bool listener)
{
	const struct s7_tcb *tcb = tcp_tcb(sk);
	static uint8_t payload[1400];
	uint32_t mode = fuzz_byte(in), len;
	struct tcp_hdr h = { .src = listener ? (uint16_t)(1 + fuzz_byte(in) % 8) : sk->flow.rport,
			     .dst = sk->flow.lport ? sk->flow.lport : 80 };
	struct tcp_opts o = { .bits = 0 };

	h.flags = (uint8_t)fuzz_byte(in);
	if (mode & 1)
		h.flags |= TCPF_ACK;
	h.seq = near(in, tcb->rcv_nxt);
	h.ack = near(in, tcb->snd_nxt);
	h.wnd = (uint16_t)fuzz_word(in);
	h.urg = mode & 2 ? (uint16_t)fuzz_byte(in) : 0;
	if (mode & 4) {
		o.bits = TCPO_TS;
		o.ts_val = near(in, tcb->ts_recent);
		o.ts_ecr = fuzz_word(in);
	}
	if (mode & 8) {
		o.sack_count = (uint8_t)(1 + fuzz_byte(in) % (mode & 4 ? 3 : 4));
		for (uint32_t i = 0; i < o.sack_count; i++) {
			o.sack[i].start = near(in, tcb->snd_una);
			o.sack[i].end = near(in, o.sack[i].start + 1448);
		}
	}
	if (mode & 16) {
		o.bits |= TCPO_MSS | TCPO_SACK_OK;
		o.mss = (uint16_t)fuzz_word(in);
		o.sack_count = 0;
	}
	len = mode & 32 ? fuzz_word(in) % sizeof(payload) : 0;
	sim_inject(sim, 1, &h, &o, payload, len);
}

static void program(struct sim *sim, struct fuzz_in *in, struct s7_sock *sk)
{
	static uint8_t buf[20000];
	uint32_t what = fuzz_byte(in), n = fuzz_word(in) % sizeof(buf);

	switch (what % 8) {
	case 0:
		sim_recv(sk, buf, n, what & 8 ? MSG_PEEK : 0);
		break;
	case 1:
		sim_recv(sk, buf, 1, MSG_OOB);
		break;
	case 2:
		sim_send(sk, buf, n, what & 8 ? MSG_OOB : what & 16 ? MSG_MORE : 0);
		break;
	case 3:
		sim_shutdown(sk, (int)(n % 3));
		break;
	case 4:
		sim_step(sim, sim->now + n * 100 * S7_US);
		break;
	case 5:
		tcp_set_nodelay(sk, what & 8);
		tcp_icmp(sk->inst, &sk->flow, tcp_tcb(sk)->snd_una,
			 &(struct s7_icmp_error){ .err = EMSGSIZE, .mtu = n });
		break;
	default:
		sim_step(sim, sim->now + n * S7_MS);
		break;
	}
	inst_flush(sk->inst);
}

static enum sim_verdict to_nowhere(struct sim *sim, const struct sim_seg *seg)
{
	(void)seg;
	return *(bool *)sim->hook_arg ? SIM_DROP : SIM_PASS;
}

static void settle(struct sim *sim)
{
	s7_time until = sim->now + 3000 * S7_SEC;
	struct s7_inst *inst = sim->host[1].inst;

	sim->hook = NULL;
	while (sim->now < until && (inst->flows.count || sim->host[0].inst->flows.count))
		sim_step(sim, until);
	sim_run(sim, 61 * S7_SEC); /* fragments of what was sent wait for the others so long */
	for (int i = 0; i < 2; i++) {
		inst = sim->host[i].inst;
		if (inst->tcp->socks.used || inst->tcp->reqs.used || inst->tcp->tws.used ||
		    inst->ports.count || bed_missing(&sim->host[i].bed, inst))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct sim *sim = fuzz_sim();
	struct sim_pair pair = sim_pair(sim);
	struct s7_sock *listener = sim_listen(&sim->host[1], 80, 2), *child;
	bool cut = true; /* the real peer hears nothing: the input is the peer */

	sim_run(sim, 100 * S7_MS);
	sim->hook = to_nowhere;
	sim->hook_arg = &cut;
	for (uint32_t i = 0; i < RECORDS_MAX && in.left; i++) {
		uint32_t kind = fuzz_byte(&in);

		if (kind % 8 < 5)
			segment(sim, &in, pair.b, false);
		else if (kind % 8 == 5)
			segment(sim, &in, listener, true);
		else
			program(sim, &in, pair.b);
		sim_check_all(&sim->host[1]);
		child = kind & 64 ? sim_accept(listener) : NULL;
		if (child)
			sim_close(child);
	}
	cut = false;
	sim_close(pair.b);
	sim_close(pair.a);
	sim_close(listener);
	settle(sim);
	return 0;
}
