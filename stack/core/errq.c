/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errq.c - the error queue: what went wrong, in order, with the packet that it happened to
 *
 * As Linux: an entry is refused when it and what the socket holds already reach SO_RCVBUF; reading
 * takes the oldest, and if the next one came by ICMP its errno waits in SO_ERROR again, else that
 * is cleared; POLLERR is true while an entry waits.
 * Context: instance lock; user memory is the calling thread's. Called by: udp, tcp, stack/sock.
 */
#include "stack/core/errq.h"

#include <errno.h>

#include "stack/core/ext.h"

#define TRUESIZE_STRUCT 256 /* struct sk_buff */
#define TRUESIZE_SHARED 320 /* its shared info */
#define TRUESIZE_SMALL 704  /* Linux's cache of small heads */

/* What Linux charges for a buffer that holds so many bytes. */
static uint32_t errq_truesize(uint32_t len)
{
	uint32_t need = len + TRUESIZE_SHARED, size = 1024;

	if (need <= TRUESIZE_SMALL)
		return TRUESIZE_SMALL + TRUESIZE_STRUCT;
	while (size < need)
		size *= 2;
	return size + TRUESIZE_STRUCT;
}

static bool is_icmp(const struct sock_extended_err *ee)
{
	return ee->ee_origin == SO_EE_ORIGIN_ICMP || ee->ee_origin == SO_EE_ORIGIN_ICMP6;
}

bool errq_wanted(const struct s7_sock *sk, bool v6)
{
	return sk->ext && (sk->bits & (v6 ? SKB_RECVERR6 : SKB_RECVERR));
}

int errq_push(struct s7_sock *sk, struct s7_pkt *pkt, const struct s7_errq_entry *entry)
{
	struct s7_errq *queue = &sk->ext->errq;
	uint32_t truesize = errq_truesize(pkt ? pkt->total : 0);

	if (entry->ee.ee_origin != SO_EE_ORIGIN_ZEROCOPY &&
	    queue->bytes + sk_rmem(sk) + truesize >= sk->rcvbuf) {
		pkt_free(sk->inst, entry->head);
		pkt_drop(sk->inst, pkt, DROP_ERRQ_FULL);
		return -ENOMEM;
	}
	if (!pkt)
		pkt = pkt_alloc(sk->inst);
	if (!pkt) {
		pkt_free(sk->inst, entry->head);
		sk->inst->drop[DROP_NO_PKT]++;
		return -ENOBUFS;
	}
	*errq_entry(pkt) = *entry;
	errq_entry(pkt)->truesize = truesize;
	pkt->next = NULL;
	if (queue->head)
		queue->tail->next = pkt;
	else
		queue->head = pkt;
	queue->tail = pkt;
	queue->bytes += truesize;
	queue->count++;
	sk_event(sk, EPOLLERR | (sk_ext_has(sk, EXT_SELECT_ERR) ? EPOLLPRI : 0));
	return 0;
}

void errq_local(struct s7_sock *sk, int err, const struct s7_ip *to, uint16_t port, uint32_t info)
{
	struct s7_errq_entry entry = {
		.ee = { .ee_errno = (uint32_t)err, .ee_origin = SO_EE_ORIGIN_LOCAL,
			.ee_info = info },
		.name = *to,
		.port = port,
		.flags = ERRQ_NAME,
		.at = sk->inst->now,
	};

	if (errq_wanted(sk, !ip_is_v4(to)))
		errq_push(sk, NULL, &entry);
}

/* Takes the oldest entry out; NULL: there is none. */
static struct s7_pkt *errq_pop(struct s7_sock *sk)
{
	struct s7_errq *queue = &sk->ext->errq;
	struct s7_pkt *pkt = queue->head;
	bool next_icmp;

	if (!pkt)
		return NULL;
	queue->head = pkt->next;
	pkt->next = NULL;
	queue->bytes -= errq_entry(pkt)->truesize;
	queue->count--;
	next_icmp = queue->head && is_icmp(&errq_entry(queue->head)->ee);
	if (next_icmp)
		sk->err = (int32_t)errq_entry(queue->head)->ee.ee_errno;
	else if (is_icmp(&errq_entry(pkt)->ee))
		sk->err = 0;
	if (queue->head)
		sk_event(sk, EPOLLERR);
	return pkt;
}

/* The headers of the packet that told the error, for control messages. */
static void errq_tell_head(const struct s7_errq_entry *entry, struct s7_msg_more *more)
{
	const struct s7_pkt *head = entry->head;

	more->frag_max = entry->frag_max;
	more->head_len = 0;
	more->has_opts = false;
	if (s7_likely(!head))
		return;
	if (entry->flags & ERRQ_V6) {
		more->head_len = (uint16_t)s7_min(head->len, HEAD6_MAX);
		memcpy(more->head, head->data, more->head_len);
	} else {
		more->has_opts = true;
		memcpy(&more->ip_opts, head->data, sizeof(more->ip_opts));
	}
}

static void errq_free(struct s7_inst *inst, struct s7_pkt *pkt)
{
	pkt_free(inst, errq_entry(pkt)->head);
	pkt_free(inst, pkt);
}

ssize_t errq_recv(struct s7_sock *sk, struct s7_msg *msg, struct s7_msg_more *ret_more)
{
	struct s7_pkt *pkt = sk->ext ? errq_pop(sk) : NULL;
	const struct s7_pkt *part = pkt;
	uint32_t left;
	ssize_t len;

	if (!pkt)
		return -EAGAIN;
	ret_more->entry = *errq_entry(pkt);
	errq_tell_head(&ret_more->entry, ret_more);
	len = (ssize_t)s7_min(msg->len, pkt->total);
	msg->out_flags |= MSG_ERRQUEUE | (msg->len < pkt->total ? MSG_TRUNC : 0);
	if (len && msg->bad) {
		errq_free(sk->inst, pkt);
		return -EFAULT;
	}
	for (left = (uint32_t)len; left; part = part->frag) {
		uint32_t here = (uint32_t)s7_min(left, part->len);

		msg_copy_out(msg, part->data, here);
		left -= here;
	}
	errq_free(sk->inst, pkt);
	return msg->bad && len ? -EFAULT : len;
}

void errq_purge(struct s7_inst *inst, struct s7_errq *queue)
{
	struct s7_pkt *pkt = queue->head, *next;

	for (; pkt; pkt = next) {
		next = pkt->next;
		pkt->next = NULL;
		errq_free(inst, pkt);
	}
	memset(queue, 0, sizeof(*queue));
}
