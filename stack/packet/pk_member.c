/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pk_member.c - PACKET_ADD_MEMBERSHIP on interfaces of the stack
 *
 * A membership is counted a socket and tells the device what to pass: a promiscuous one everything
 * (PACKET_MR_PROMISC), all groups (ALLMULTI). Links that pass every frame anyway (memif, vhost,
 * virtio_user, ring, lo) need nothing done; one group or another unicast address asks a device with
 * a filter for more than it is told by, so it is opened up like a promiscuous one.
 * Bound: PACKET_MEMBERS a socket, then ENOBUFS. Context: instance lock. Called by: opt_packet.c.
 */
#include <errno.h>

#include "stack/packet/packet.h"

static struct s7_packet_member *find(struct s7_packet_sock *ps, uint32_t iface,
				     const struct packet_mreq *mreq)
{
	for (uint32_t i = 0; i < PACKET_MEMBERS; i++) {
		struct s7_packet_member *m = &ps->member[i];

		if (m->count && m->iface == iface && m->type == mreq->mr_type &&
		    m->alen == mreq->mr_alen && !memcmp(m->addr, mreq->mr_address, m->alen))
			return m;
	}
	return NULL;
}

/* The device is told when the first wants it and when the last does no more. */
static void device_mode(struct s7_inst *inst, const struct s7_packet_member *m, bool on)
{
	const struct s7_netdev_ops *ops = inst->env->dev[m->iface].ops;
	bool groups = m->type == PACKET_MR_ALLMULTI || m->type == PACKET_MR_MULTICAST;
	uint32_t *count = groups ? &inst->packet->allmulti[m->iface] :
				   &inst->packet->promisc[m->iface];
	bool told = on ? !(*count)++ : !--(*count);

	if (told && ops && ops->rx_mode)
		ops->rx_mode(inst->env->dev[m->iface].dev, groups ? NETDEV_ALL_GROUPS :
								     NETDEV_PROMISC, on);
}

int packet_member_add(struct s7_packet_sock *ps, uint32_t iface, const struct packet_mreq *mreq)
{
	bool addressed = mreq->mr_type == PACKET_MR_MULTICAST || mreq->mr_type == PACKET_MR_UNICAST;
	struct s7_packet_member *m;
	uint32_t i;

	if (mreq->mr_alen > ETH_ALEN)
		return -EINVAL;
	m = find(ps, iface, mreq);
	if (m) {
		m->count++;
		return 0;
	}
	for (i = 0; i < PACKET_MEMBERS && ps->member[i].count; i++)
		;
	if (i == PACKET_MEMBERS)
		return -ENOBUFS;
	if (addressed && mreq->mr_alen != ETH_ALEN)
		return -EINVAL;
	m = &ps->member[i];
	*m = (struct s7_packet_member){ .iface = (uint8_t)iface,
					.alen = (uint8_t)mreq->mr_alen,
					.type = mreq->mr_type };
	memcpy(m->addr, mreq->mr_address, m->alen);
	m->count = 1;
	if (mreq->mr_type <= PACKET_MR_UNICAST)
		device_mode(ps->sk.inst, m, true);
	return 0;
}

static void drop(struct s7_packet_sock *ps, struct s7_packet_member *m)
{
	if (--m->count)
		return;
	if (m->type <= PACKET_MR_UNICAST)
		device_mode(ps->sk.inst, m, false);
}

int packet_member_drop(struct s7_packet_sock *ps, uint32_t iface, const struct packet_mreq *mreq)
{
	struct s7_packet_member *m = find(ps, iface, mreq);

	if (m) /* what is not there is gone, as in Linux */
		drop(ps, m);
	return 0;
}

void packet_member_drop_all(struct s7_packet_sock *ps)
{
	for (uint32_t i = 0; i < PACKET_MEMBERS; i++)
		if (ps->member[i].count) {
			ps->member[i].count = 1;
			drop(ps, &ps->member[i]);
		}
}
