/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ext.c - the extension of a socket: made when wanted, given back with the socket
 *
 * Invariant: sk->ext is NULL or an object of inst->exts that no other socket has. Nothing but the
 * socket points to it.
 * Context: instance lock. Called by: sk.c, option tables of stack/sock, transports.
 */
#include <errno.h>

#include "stack/core/ext.h"

int ext_inst_init(struct s7_inst *inst)
{
	int err = hdrs6_inst_init(inst);

	if (err)
		return err;
	list_init(&inst->tx_waiting);
	return slab_init(&inst->exts, inst->arena, sizeof(struct s7_sk_ext),
			 inst->params.max_sockets);
}

struct s7_sk_ext *sk_ext(struct s7_sock *sk)
{
	if (sk->ext)
		return sk->ext;
	sk->ext = slab_alloc(&sk->inst->exts);
	if (!sk->ext)
		stat_add(sk->inst, STAT_EXT_FULL, 1);
	return sk->ext;
}

void sk_ext_free(struct s7_sock *sk)
{
	struct s7_sk_ext *ext = sk->ext;

	if (s7_likely(!ext))
		return;
	if (ext->bits & EXT_TX_WAIT)
		list_del(&ext->tx_wait);
	errq_purge(sk->inst, &ext->errq);
	lease6_drop_all(sk);
	hdrs6_unref(sk->inst, ext->hdrs6);
	pkt_free(sk->inst, ext->heard);
	sk->ext = NULL;
	slab_free(&sk->inst->exts, ext);
}

void sk_ext_inherit(struct s7_sock *child, const struct s7_sock *parent)
{
	struct s7_sk_ext *ext;

	if (s7_likely(!parent->ext))
		return;
	ext = sk_ext(child);
	if (!ext)
		return;
	*ext = *parent->ext;
	memset(&ext->errq, 0, sizeof(ext->errq));
	ext->zc_next = ext->zc_told = 0;
	ext->groups = NULL;
	ext->hdrs6 = hdrs6_ref(parent->ext->hdrs6);
	ext->leases6 = NULL;
	ext->heard = NULL;
	ext->big_mtu = 0;
	memset(&ext->opts, 0, sizeof(ext->opts)); /* a child's are those of its SYN */
	ext->bits &= ~(uint32_t)EXT_TX_WAIT;
}

int sk_ext_bit(struct s7_sock *sk, uint32_t bit, bool on)
{
	if (!on && !sk->ext)
		return 0;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->bits = on ? sk->ext->bits | bit : sk->ext->bits & ~bit;
	return 0;
}

int sk_tx_full(struct s7_sock *sk)
{
	if (sk_ext_has(sk, EXT_TX_WAIT))
		return 0;
	if (!sk_ext(sk))
		return -ENOBUFS;
	sk->ext->bits |= EXT_TX_WAIT;
	sk->ext->tx_owner = sk;
	list_add_tail(&sk->inst->tx_waiting, &sk->ext->tx_wait);
	return 0;
}

void sk_tx_room(struct s7_inst *inst)
{
	while (!list_empty(&inst->tx_waiting)) {
		struct s7_sk_ext *ext = list_first(&inst->tx_waiting, struct s7_sk_ext, tx_wait);

		list_del(&ext->tx_wait);
		ext->bits &= ~(uint32_t)EXT_TX_WAIT;
		sk_event(ext->tx_owner, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	}
}
