/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hdrs6.c - sets of IPv6 extension headers, and leases of flow labels
 *
 * Invariants: the length field of every header in a set agrees with its length, whatever the
 * program's memory says by now; a routing header has room for the address that is filled in. What a
 * dead process had in its hand is lost: a set, at most.
 * Context: instance lock. Called by: ext.c, option tables of stack/sock, udp, raw, tcp.
 */
#include "stack/core/hdrs6.h"

#include <errno.h>

#include "stack/base/user.h"
#include "stack/core/ext.h"

#define ROUTING_SEGMENTS 4
#define ADDR_LEN 16u
#define ADDRS_AT 8u

int hdrs6_inst_init(struct s7_inst *inst)
{
	uint32_t max = (uint32_t)s7_min(inst->params.max_sockets, HDRS6_SETS);
	int err = slab_init(&inst->hdrs6, inst->arena, sizeof(struct s7_hdrs6), max);

	if (err)
		return err;
	return slab_init(&inst->leases6, inst->arena, sizeof(struct s7_lease6),
			 (uint32_t)s7_min(inst->params.max_sockets, LEASES6));
}

const uint8_t *hdrs6_at(const struct s7_hdrs6 *hdrs, enum s7_hdr6 which)
{
	uint32_t off = 0;

	for (uint32_t i = 0; i < which; i++)
		off += hdrs->len[i];
	return hdrs->bytes + off;
}

/* Where a routing header names the hop that comes next; 0: it names none that is all there. */
static uint32_t next_hop_at(const uint8_t *h, uint32_t len)
{
	uint32_t at = ADDRS_AT;

	if (h[2] == ROUTING_SEGMENTS)
		at += h[3] * ADDR_LEN;
	return at + ADDR_LEN <= len && ADDRS_AT + ADDR_LEN <= len ? at : 0;
}

int hdrs6_make(struct s7_inst *inst, const struct s7_hdr6_at from[HDR6_COUNT],
	       struct s7_hdrs6 **ret_hdrs)
{
	struct s7_hdrs6 *hdrs;
	uint32_t off = 0, i;

	*ret_hdrs = NULL;
	for (i = 0; i < HDR6_COUNT && !from[i].len; i++)
		;
	if (i == HDR6_COUNT)
		return 0;
	hdrs = slab_alloc_raw(&inst->hdrs6);
	if (!hdrs) {
		stat_add(inst, STAT_EXT_FULL, 1);
		return -ENOBUFS;
	}
	hdrs->refs = 1;
	memset(hdrs->len, 0, sizeof(hdrs->len));
	for (i = 0; i < HDR6_COUNT; i++) {
		if (!from[i].len)
			continue;
		if (!user_get(hdrs->bytes + off, from[i].at, from[i].len)) {
			slab_free(&inst->hdrs6, hdrs);
			return -EFAULT;
		}
		hdrs->bytes[off + 1] = (uint8_t)(from[i].len / 8 - 1);
		if (i == HDR6_ROUTE && !next_hop_at(hdrs->bytes + off, from[i].len))
			continue; /* such a one goes nowhere */
		hdrs->len[i] = from[i].len;
		off += from[i].len;
	}
	*ret_hdrs = hdrs;
	return 0;
}

int hdrs6_change(struct s7_inst *inst, const struct s7_hdrs6 *old, enum s7_hdr6 which,
		 const struct s7_hdr6_at *to, struct s7_hdrs6 **ret_hdrs)
{
	struct s7_hdr6_at from[HDR6_COUNT] = { { NULL, 0 } };

	for (uint32_t i = 0; old && i < HDR6_COUNT; i++)
		from[i] = (struct s7_hdr6_at){ hdrs6_at(old, i), old->len[i] };
	from[which] = *to;
	return hdrs6_make(inst, from, ret_hdrs);
}

struct s7_hdrs6 *hdrs6_ref(struct s7_hdrs6 *hdrs)
{
	if (hdrs)
		hdrs->refs++;
	return hdrs;
}

void hdrs6_unref(struct s7_inst *inst, struct s7_hdrs6 *hdrs)
{
	if (s7_likely(!hdrs) || --hdrs->refs)
		return;
	slab_free(&inst->hdrs6, hdrs);
}

struct s7_ip hdrs6_first(const struct s7_hdrs6 *hdrs, const struct s7_ip *to)
{
	const uint8_t *h;
	struct s7_ip first;

	if (s7_likely(!hdrs) || !hdrs->len[HDR6_ROUTE] || ip_is_v4(to))
		return *to;
	h = hdrs6_at(hdrs, HDR6_ROUTE);
	memcpy(first.b, h + next_hop_at(h, hdrs->len[HDR6_ROUTE]), ADDR_LEN);
	return first;
}

/* ---- leases ---- */

static struct s7_lease6 **lease_link(const struct s7_sock *sk, uint32_t label)
{
	struct s7_lease6 **link = &sk->ext->leases6;

	while (*link && (*link)->label != label)
		link = &(*link)->next;
	return link;
}

struct s7_lease6 *lease6_find(const struct s7_sock *sk, uint32_t label)
{
	return sk->ext ? *lease_link(sk, label) : NULL;
}

struct s7_lease6 *lease6_add(struct s7_sock *sk, uint32_t label)
{
	struct s7_lease6 *lease = slab_alloc(&sk->inst->leases6);

	if (!lease) {
		stat_add(sk->inst, STAT_EXT_FULL, 1);
		return NULL;
	}
	lease->label = label;
	lease->next = sk->ext->leases6;
	s7_in_order();
	sk->ext->leases6 = lease;
	return lease;
}

static void lease_unlink(struct s7_sock *sk, struct s7_lease6 **link)
{
	struct s7_lease6 *lease = *link;

	*link = lease->next;
	s7_in_order();
	hdrs6_unref(sk->inst, lease->hdrs);
	slab_free(&sk->inst->leases6, lease);
}

void lease6_drop(struct s7_sock *sk, uint32_t label)
{
	if (lease6_find(sk, label))
		lease_unlink(sk, lease_link(sk, label));
}

void lease6_drop_all(struct s7_sock *sk)
{
	while (sk->ext->leases6)
		lease_unlink(sk, &sk->ext->leases6);
}
