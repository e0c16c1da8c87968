/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_room.c - may a datagram leave now? SO_SNDBUF and devices that are full
 *
 * Two things hold a sender back: what it has sent and no device has taken yet (core/charge.h,
 * SO_SNDBUF), and a device whose stage is full, whoever filled it. The send waits, or is EAGAIN;
 * EPOLLOUT follows. The pieces of a datagram beyond the first may take twice SO_SNDBUF in all, and
 * are refused beyond that, as in Linux. For raw and ping sockets too.
 * Context: instance lock. Called by: udp_out.c, raw_out.c, ping.c, udp_proto.c.
 */
#include <errno.h>

#include "stack/core/charge.h"
#include "stack/core/ext.h"
#include "stack/udp/udp_way.h"

/* How many packets an IP payload of `len` bytes becomes. */
static uint32_t pieces_of(const struct s7_udp_sock *us, uint64_t len, uint32_t mtu)
{
	uint32_t room = ip_frag_room(us->dst.is_v4, mtu);

	if (s7_likely(len + ip_header_len(us->dst.is_v4) <= mtu) || !room)
		return 1;
	return (uint32_t)((len + room - 1) / room);
}

uint32_t udp_wmem_of(const struct s7_udp_sock *us, uint64_t len, uint32_t mtu)
{
	uint32_t n = pieces_of(us, len, mtu), room = ip_frag_room(us->dst.is_v4, mtu);
	uint32_t head = ip_header_len(us->dst.is_v4);

	return (n - 1) * charge_truesize(mtu) +
	       charge_truesize((uint32_t)len - (n - 1) * room + head);
}

static bool device_is_full(struct s7_udp_sock *us, uint32_t packets)
{
	struct s7_inst *inst = us->sk.inst;
	const struct s7_iface *iface = &inst->iface[us->dst.iface];

	if (s7_likely(iface->staged < IFACE_STAGE / 4))
		return false;
	inst_flush(inst);
	if (!iface->staged || iface->staged + packets <= IFACE_STAGE)
		return false;
	return sk_tx_full(&us->sk) == 0;
}

int udp_room(struct s7_udp_sock *us, uint64_t len, uint32_t mtu, bool cut)
{
	struct s7_sock *sk = &us->sk;
	uint32_t n;

	if (s7_unlikely(!us->cork && charge_is_full(sk)))
		return -EAGAIN;
	if (device_is_full(us, (uint32_t)(len / mtu) + 1))
		return -EAGAIN;
	n = cut ? 1 : pieces_of(us, len, mtu);
	if (s7_unlikely(n > 1) &&
	    sk->wmem + (uint64_t)(n - 1) * charge_truesize(mtu) >= 2 * (uint64_t)sk->sndbuf)
		return -ENOBUFS;
	return 0;
}
