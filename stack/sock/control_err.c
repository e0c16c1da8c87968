/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_err.c - what stands beside an entry of the error queue
 *
 * The order is Linux's (ip_recv_error, ipv6_recv_error): a time stamp, then what the socket wants
 * to know of the packet that told the error, then IP_RECVERR or IPV6_RECVERR with the offender.
 * Context: no lock held. Called by: control.c.
 */
#include <linux/if_packet.h>

#include "stack/sock/control.h"

struct err4 {
	struct sock_extended_err ee;
	struct sockaddr_in offender;
};

struct err6 {
	struct sock_extended_err ee;
	struct sockaddr_in6 offender;
};

static void put_err4(const struct s7_errq_entry *entry, struct cmsg_out *out)
{
	struct err4 err = { .ee = entry->ee };

	if (entry->flags & ERRQ_OFFENDER) {
		err.offender.sin_family = AF_INET;
		err.offender.sin_addr.s_addr = ip_v4(&entry->offender);
	}
	cmsg_put(out, IPPROTO_IP, IP_RECVERR, &err, sizeof(err));
}

static void put_err6(struct s7_sock *sk, const struct s7_errq_entry *entry, struct cmsg_out *out)
{
	struct err6 err = { .ee = entry->ee };

	if (entry->flags & ERRQ_OFFENDER) {
		err.offender.sin6_family = AF_INET6;
		memcpy(&err.offender.sin6_addr, entry->offender.b, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&err.offender.sin6_addr))
			err.offender.sin6_scope_id = (uint32_t)control_ifindex(sk, entry->iface);
	}
	cmsg_put(out, IPPROTO_IPV6, IPV6_RECVERR, &err, sizeof(err));
}

void control_put_error(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	const struct s7_errq_entry *entry = &msg->more->entry;
	struct s7_msg packet = { .local = entry->local, .ttl = entry->ttl, .tos = entry->tos,
				 .more = msg->more };

	if (sk->domain == AF_PACKET) {
		cmsg_put(out, SOL_PACKET, PACKET_TX_TIMESTAMP, &entry->ee, sizeof(entry->ee));
		return;
	}
	packet.name.iface = entry->iface;
	packet.name.ip = entry->offender;
	if (entry->flags & ERRQ_OFFENDER)
		control_put_packet(sk, &packet, out);
	if (sk->domain == AF_INET6)
		put_err6(sk, entry, out);
	else
		put_err4(entry, out);
}
