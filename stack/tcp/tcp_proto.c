// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_proto.c - TCP as the socket layer sees it: its row in the table of protocols, its slabs,
 * readiness
 *
 * Idea: nothing but the table and what is too small for a file of its own. poll() answers like
 * Linux's tcp_poll, bit by bit.
 * Bound: max_sockets sockets; half-open entries twice tcp_syn_backlog, at least a quarter of the
 * sockets; max_time_wait entries.
 * Context: instance lock. Called by: stack/sock, stack/core/sk.c, inst_create.
 */
#include "stack/core/ext.h"
#include "stack/tcp/tcp_int.h"

#define REQS_MIN 1024

int tcp_inst_init(struct s7_inst *inst)
{
	const struct s7_params *params = &inst->params;
	uint32_t reqs = (uint32_t)s7_max(2 * params->tcp_syn_backlog, params->max_sockets / 4);
	struct s7_tcp_inst *tcp = arena_take(inst->arena, sizeof(*tcp), S7_CACHELINE);
	const struct s7_host_ops *host = inst->env->host;
	int err;

	if (!tcp)
		return -ENOMEM;
	inst->tcp = tcp;
	err = slab_init(&tcp->socks, inst->arena, sizeof(struct s7_tcp_sock), params->max_sockets);
	if (!err)
		err = slab_init(&tcp->reqs, inst->arena, sizeof(struct s7_tcp_req),
				(uint32_t)s7_max(reqs, REQS_MIN));
	if (!err)
		err = slab_init(&tcp->tws, inst->arena, sizeof(struct s7_tcp_tw),
				(uint32_t)s7_max(params->max_time_wait, 1));
	if (!err)
		err = tcp_fastopen_inst_init(inst);
	(host->lasting ? host->lasting : host->random)(tcp->key, sizeof(tcp->key));
	return err;
}

static struct s7_sock *tcp_alloc(struct s7_inst *inst)
{
	return sk_alloc(inst, &inst->tcp->socks);
}

static int tcp_init(struct s7_sock *sk)
{
	tcp_tcb_init(tcp_sk(sk));
	return 0;
}

/* Last act of sk_free: whatever is still held goes. */
static void tcp_free(struct s7_sock *sk)
{
	struct s7_tcp_sock *ts = tcp_sk(sk);

	tcp_timers_stop(ts);
	tcp_disown_port(ts);
	sendq_purge(ts);
	tcp_reass_purge(ts);
	rcvq_purge(ts);
	tcp_syn_forget(sk);
	tcp_tfo_free(ts);
	if (ts->tcb.listener)
		ts->tcb.listener->tcb.accept_len--;
	slab_free(&sk->inst->tcp->socks, ts);
}

bool tcp_readable(const struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcp_tcb(sk);
	uint32_t bytes = tcb->rq_bytes;

	if (!bytes)
		return false;
	/* an urgent octet that is not inline does not count */
	if (tcb->urg_state != TCPU_NONE && !(sk->bits & SKB_OOBINLINE) &&
	    tcb->rcv_up == tcb->copied_seq)
		bytes--;
	/* a window that is closed cannot bring more, whatever SO_RCVLOWAT says */
	return bytes >= sk->rcvlowat || (bytes && !tcp_rcv_window(tcb));
}

uint32_t tcp_poll(struct s7_sock *sk)
{
	struct s7_tcb *tcb = &tcp_sk(sk)->tcb;
	uint32_t events = 0;

	if (tcb->state == TCPS_LISTEN)
		return list_empty(&tcb->accept_queue) ? 0 : EPOLLIN | EPOLLRDNORM;
	if (sk->shut == (SK_SHUT_RD | SK_SHUT_WR) || tcb->state == TCPS_CLOSED)
		events |= EPOLLHUP;
	if (sk->shut & SK_SHUT_RD)
		events |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (s7_unlikely(tcb->state == TCPS_SYN_SENT && tcp_is_deferred(sk)))
		events |= EPOLLOUT | EPOLLWRNORM; /* to send the SYN */
	if ((tcb->state != TCPS_SYN_SENT && tcb->state != TCPS_SYN_RCVD) ||
	    tcp_is_early_child(tcb)) {
		if (tcp_readable(sk))
			events |= EPOLLIN | EPOLLRDNORM;
		if (sk->shut & SK_SHUT_WR || tcp_writeable(sk))
			events |= EPOLLOUT | EPOLLWRNORM;
		else
			tcb->bits |= TCB_NOSPACE;
		if (tcb->urg_state == TCPU_VALID)
			events |= EPOLLPRI;
	}
	if (s7_unlikely(sk_error_events(sk)))
		/* never PRI: Linux asks SO_SELECT_ERR_QUEUE of datagrams only */
		events |= EPOLLERR;
	return events;
}

static uint32_t tcp_inq(struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcp_tcb(sk);
	uint32_t to_mark = tcb->rcv_up - tcb->copied_seq;

	if (tcb->state == TCPS_SYN_SENT || tcb->state == TCPS_SYN_RCVD)
		return 0; /* as Linux, although Fast Open may have brought some */

	if (tcb->urg_state == TCPU_NONE || sk->bits & SKB_OOBINLINE || to_mark >= tcb->rq_bytes)
		return tcb->rq_bytes;
	return to_mark;
}

static uint32_t tcp_rmem(const struct s7_sock *sk)
{
	return tcp_tcb(sk)->rq_bytes + tcp_tcb(sk)->oo_bytes;
}

static uint32_t tcp_outq(struct s7_sock *sk)
{
	const struct s7_tcb *tcb = tcp_tcb(sk);

	/* what a reset caught unacknowledged counts on, as in Linux */
	return tcp_synchronized(tcb) || tcb->bits & TCB_DONE ? tcb->write_seq - tcb->snd_una : 0;
}

static const char *tcp_state_name(const struct s7_sock *sk)
{
	return tcp_state_text(tcp_tcb(sk)->state);
}

static void tcp_opt_changed(struct s7_sock *sk, int level, int name)
{
	if (level == IPPROTO_IPV6 && name == IPV6_AUTOFLOWLABEL)
		tcp_sk(sk)->tcb.dst.generation = 0; /* looked up anew, without or with a label */
	if (level == IPPROTO_IP && name == IP_OPTIONS) {
		tcp_sk(sk)->tcb.dst.generation = 0;
		if (tcp_synchronized(tcp_tcb(sk)) && ip_is_v4(&sk->flow.remote))
			tcp_mss_sync(tcp_sk(sk));
	}
	if (level != SOL_SOCKET)
		return;
	if (name == SO_KEEPALIVE)
		tcp_keepalive_changed(sk);
	else if (name == SO_RCVLOWAT)
		tcp_rcvlowat_changed(sk);
	else if ((name == SO_SNDBUF || name == SO_SNDBUFFORCE) && tcp_tcb(sk)->bits & TCB_NOSPACE)
		tcp_space_check(tcp_sk(sk));
}

const struct s7_proto_ops tcp_proto_ops = {
	.name = "tcp",
	.alloc = tcp_alloc,
	.init = tcp_init,
	.connect = tcp_connect,
	.listen = tcp_listen,
	.accept = tcp_accept,
	.send = tcp_send,
	.recv = tcp_recv,
	.poll = tcp_poll,
	.shutdown = tcp_shutdown,
	.close = tcp_close,
	.abort = tcp_abort,
	.free = tcp_free,
	.inq = tcp_inq,
	.outq = tcp_outq,
	.rmem = tcp_rmem,
	.state_name = tcp_state_name,
	.opt_changed = tcp_opt_changed,
};
