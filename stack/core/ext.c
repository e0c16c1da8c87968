/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ext.c - the extension of a socket: made when wanted, given back with the socket
 *
 * Invariant: sk->ext is NULL or an object of inst->exts that no other socket has. Nothing but the
 * socket points to it.
 * Context: instance lock. Called by: sk.c, option tables of stack/sock, transports.
 */
#include "stack/core/ext.h"

#include <errno.h>

int ext_inst_init(struct s7_inst *inst)
{
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
	errq_purge(sk->inst, &ext->errq);
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
