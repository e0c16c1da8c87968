/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_link.c - what stands beside a frame of a packet socket
 *
 * After the time of reception, in Linux's order: drops, mark, priority, PACKET_AUXDATA.
 * Context: no lock held. Called by: control.c.
 */
#include "stack/packet/packet.h"
#include "stack/sock/control.h"

void control_put_link(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	const struct s7_msg_link *link = msg->link;

	if (!link || !link->told)
		return;
	if (sk->bits & SKB_RXQ_OVFL && link->drops)
		cmsg_put(out, SOL_SOCKET, SO_RXQ_OVFL, &link->drops, sizeof(link->drops));
	if (sk->more & SKM_RCVMARK)
		cmsg_put(out, SOL_SOCKET, SO_MARK, &link->mark, sizeof(link->mark));
	if (sk->more & SKM_RCVPRIORITY)
		cmsg_put(out, SOL_SOCKET, SO_PRIORITY, &link->priority, sizeof(link->priority));
	if (packet_sock(sk)->bits & PB_AUXDATA)
		cmsg_put(out, SOL_PACKET, PACKET_AUXDATA, &link->aux, sizeof(link->aux));
}
