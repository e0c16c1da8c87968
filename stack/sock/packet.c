/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet.c - packet sockets as the shim knows them: life, binding, names, the memory of rings
 *
 * The kernel's half of the socket, and which half an address belongs to, are the shim's.
 * Context: no lock held on entry. Callers: shim/packet.c, shim/packet_mmap.c.
 */
#include "stack/packet/packet.h"

#include <errno.h>

#include "stack/base/user.h"
#include "stack/sock/sock_int.h"

int sock_packet_create(struct s7_inst *inst, int type, uint16_t proto, s7_time now,
		       struct s7_sock **ret_sk)
{
	struct s7_sock *sk;
	int err;

	inst_lock(inst, now);
	err = sk_create(inst, PROTO_PACKET, AF_PACKET, &sk);
	if (!err) {
		sk->type = (uint16_t)type;
		packet_bind(packet_sock(sk), 0, proto, false);
	}
	inst_unlock(inst);
	if (err)
		return err;
	*ret_sk = sk;
	return 0;
}

bool sock_packet_serves(const struct s7_inst *inst, uint32_t device)
{
	if (!device || device > inst->iface_count)
		return false;
	if (device - 1 == S7_IFACE_LO)
		return inst->params.loopback_stack;
	return inst->iface[device - 1].flags & IFACE_TAPPED;
}

bool sock_packet_shares(const struct s7_inst *inst, uint32_t device)
{
	return sock_packet_serves(inst, device) && inst->iface[device - 1].flags & IFACE_NETDEV;
}

uint16_t sock_packet_proto(const struct s7_sock *sk)
{
	return packet_sock((struct s7_sock *)sk)->proto;
}

int sock_packet_bind(struct s7_sock *sk, uint32_t device, uint16_t proto, bool nowhere, s7_time now)
{
	int err = sock_enter(sk, 0, now);

	if (err)
		return err;
	err = packet_bind(packet_sock(sk), device, proto, nowhere);
	sock_leave(sk->inst);
	return err;
}

bool sock_packet_has_way(const struct s7_sock *sk)
{
	return packet_sock((struct s7_sock *)sk)->iface;
}

bool sock_packet_has_rx_ring(const struct s7_sock *sk)
{
	return packet_sock((struct s7_sock *)sk)->rx.mem;
}

bool sock_packet_has_ring(const struct s7_sock *sk)
{
	return sock_packet_has_rx_ring(sk) || packet_sock((struct s7_sock *)sk)->tx.mem;
}

bool sock_packet_is_fixed(const struct s7_sock *sk)
{
	return sock_packet_has_ring(sk) || packet_sock((struct s7_sock *)sk)->group;
}

void sock_packet_name(const struct s7_sock *sk, struct sockaddr_ll *ret_name)
{
	const struct s7_packet_sock *ps = packet_sock((struct s7_sock *)sk);
	const struct s7_iface *iface;

	memset(ret_name, 0, sizeof(*ret_name));
	ret_name->sll_family = AF_PACKET;
	ret_name->sll_protocol = htons(ps->proto);
	if (!ps->iface)
		return;
	iface = &sk->inst->iface[ps->iface - 1];
	ret_name->sll_ifindex = iface->ifindex;
	ret_name->sll_hatype = iface->flags & IFACE_LO ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	ret_name->sll_halen = ETH_ALEN;
	memcpy(ret_name->sll_addr, iface->mac, ETH_ALEN);
}

void sock_packet_count(struct s7_sock *sk, uint32_t packets, uint32_t drops, s7_time now)
{
	if (sock_enter(sk, 0, now))
		return;
	packet_sock(sk)->packets += packets;
	packet_sock(sk)->drops += drops;
	sock_leave(sk->inst);
}

int sock_packet_feed(struct s7_sock *sk, uint64_t cookie, const struct s7_packet_fed *fed,
		     s7_time now)
{
	int err = sock_enter(sk, cookie, now);

	if (err)
		return err;
	packet_feed(packet_sock(sk), fed);
	sock_leave(sk->inst);
	return 0;
}

void sock_packet_fed(struct s7_sock *sk, bool fed, s7_time now)
{
	if (sock_enter(sk, 0, now))
		return;
	sk->bits = fed ? sk->bits | SKB_FED : sk->bits & ~(uint32_t)SKB_FED;
	sock_leave(sk->inst);
}

bool sock_packet_is_fed(struct s7_sock *sk, uint64_t cookie)
{
	bool is;

	inst_lock(sk->inst, 0);
	is = file_is(&sk->file, cookie) && sk->bits & SKB_FED;
	inst_unlock(sk->inst);
	return is;
}

bool sock_packet_wants_aux(const struct s7_sock *sk)
{
	return packet_sock((struct s7_sock *)sk)->bits & PB_AUXDATA;
}

int sock_packet_map(struct s7_sock *sk, size_t len, char *ret_mem[2], size_t ret_len[2])
{
	struct s7_packet_sock *ps = packet_sock(sk);
	int n = 0, err = sock_enter(sk, 0, 0);

	if (err)
		return err;
	if (ps->rx.mem) {
		ret_mem[n] = ps->rx.mem;
		ret_len[n++] = ps->rx.bytes;
	}
	if (ps->tx.mem) {
		ret_mem[n] = ps->tx.mem;
		ret_len[n++] = ps->tx.bytes;
	}
	if (!n || len != (size_t)ps->rx.bytes + ps->tx.bytes)
		n = -EINVAL;
	else
		ps->mapped++;
	sock_leave(sk->inst);
	return n;
}

void sock_packet_unmap(struct s7_sock *sk, uint64_t cookie)
{
	inst_lock(sk->inst, 0);
	if (file_is(&sk->file, cookie) && packet_sock(sk)->mapped)
		packet_sock(sk)->mapped--;
	inst_unlock(sk->inst);
}

int sock_packet_way(const struct s7_sock *sk, const struct msghdr *hdr,
		    struct s7_msg_link *ret_link)
{
	uint32_t device;

	ret_link->name_len = 0;
	if (!hdr->msg_name || !hdr->msg_namelen)
		return !sock_packet_has_way(sk);
	if (hdr->msg_namelen < sizeof(ret_link->name) ||
	    !user_get(&ret_link->name, hdr->msg_name, sizeof(ret_link->name)))
		return 1; /* the kernel has the errno */
	device = sock_device_of(sk->inst, (uint32_t)ret_link->name.sll_ifindex);
	if (device == SOCK_DEVICE_KERNEL || !sock_packet_serves(sk->inst, device))
		return 1;
	ret_link->name_len = hdr->msg_namelen;
	return 0;
}
