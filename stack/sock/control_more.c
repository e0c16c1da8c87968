/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_more.c - control messages: marks, priorities, send times, bytes left
 *
 * Received: SO_MARK and SO_PRIORITY of the sender, which lo carries and no other link does (there
 * they are 0, as in Linux for a packet that just came from a device); TCP_INQ. Sent: SO_MARK and
 * SO_PRIORITY need the privilege that the options need; SCM_TXTIME needs SO_TXTIME.
 * Context: the calling thread's memory; privileges are asked of the host. Callers: control.c.
 */
#include <errno.h>
#include <netinet/tcp.h>

#include "stack/core/ext.h"
#include "stack/sock/control.h"

#define PRIORITY_FREE 6 /* what nobody needs a privilege for */

void control_put_more(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	const struct s7_msg_more *more = msg->more;
	int inq = (int)more->inq;

	if (sk->proto == PROTO_TCP) {
		if (sk->more & SKM_INQ)
			cmsg_put(out, SOL_TCP, TCP_CM_INQ, &inq, sizeof(inq));
		return;
	}
	if (sk->more & SKM_RCVMARK)
		cmsg_put(out, SOL_SOCKET, SO_MARK, &more->mark, sizeof(more->mark));
	if (sk->more & SKM_RCVPRIORITY)
		cmsg_put(out, SOL_SOCKET, SO_PRIORITY, &more->priority, sizeof(more->priority));
}

static bool may_mark(const struct s7_sock *sk)
{
	const struct s7_host_ops *host = sk->inst->env->host;

	return host->may(HOST_NET_RAW) || host->may(HOST_NET_ADMIN);
}

int control_take_mark(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	if (!may_mark(sk))
		return -EPERM;
	if (len != sizeof(msg->ask->mark))
		return -EINVAL;
	memcpy(&msg->ask->mark, data, sizeof(msg->ask->mark));
	msg->ask->has |= ASK_MARK;
	return 0;
}

int control_take_priority(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int priority;

	if (len != sizeof(priority))
		return -EINVAL;
	memcpy(&priority, data, sizeof(priority));
	if ((priority < 0 || priority > PRIORITY_FREE) && !may_mark(sk))
		return -EPERM;
	msg->ask->priority = (uint32_t)priority;
	msg->ask->has |= ASK_PRIORITY;
	return 0;
}

int control_take_txtime(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	if (!(sk->more & SKM_TXTIME) || len != sizeof(msg->ask->send_at))
		return -EINVAL;
	memcpy(&msg->ask->send_at, data, sizeof(msg->ask->send_at));
	msg->ask->has |= ASK_TXTIME;
	return 0;
}
