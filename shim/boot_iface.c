/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot_iface.c - ports, the interfaces made of them, and the silence of the kernel on shared
 * netdevs
 *
 * Interface i of the configuration is iface[i + 1] of every instance (0 is lo), with queue k for
 * instance k. A port above a kernel netdev is shared if the kernel has one of its addresses; then
 * packets to what sock7 owns are dropped for the kernel by the silencer's BPF program. Without that
 * program the kernel would reset our connections, so its failure is a failure of the start.
 * Context: boot, one thread; own_port under an instance lock; beat by the keeper; close at the last
 * exit.
 */
#include <stdio.h>

#include "shim/packet.h"

static int port_start(uint32_t index)
{
	const struct conf_iface *conf = &s7_boot.conf.iface[index];
	struct boot_iface *iface = &s7_boot.iface[index];
	int err;

	err = port_open(conf, s7_boot.pool, &iface->port, s7_boot.why, sizeof(s7_boot.why));
	if (err)
		return err;
	port_info(iface->port, &iface->info);
	iface->ifindex = port_kernel_ifindex(iface->port);
	iface->adopt = iface->ifindex && !conf->address_count;
	s7_boot.iface_count = index + 1;
	return 0;
}

int boot_ports(void)
{
	uint32_t i;
	int err;

	for (i = 0; i < s7_boot.conf.iface_count; i++) {
		err = port_start(i);
		if (err)
			return err;
	}
	return 0;
}

static int iface_add(struct s7_inst *inst, uint32_t index)
{
	const struct conf_iface *conf = &s7_boot.conf.iface[index];
	const struct boot_iface *boot = &s7_boot.iface[index];
	struct s7_iface iface = {
		.flags = IFACE_UP,
		.queue = (uint16_t)inst->index,
		.caps = boot->info.caps,
		.mtu = conf->mtu ? conf->mtu : boot->info.mtu,
		.tso_max = boot->info.tso_max,
		.tso_segs_max = boot->info.tso_segs_max,
		.spin_us = conf->spin_us,
		.tcp = params_of_iface(conf, &inst->params),
		.ifindex = boot->ifindex ? boot->ifindex : (int)(IFINDEX_OWN + index),
	};
	uint32_t at;
	int err;

	strncpy(iface.name, conf->name, sizeof(iface.name) - 1);
	memcpy(iface.mac, boot->info.mac, sizeof(iface.mac));
	if (boot->ifindex)
		iface.flags |= IFACE_NETDEV;
	if (boot->info.caps & NETDEV_NO_ARP)
		iface.flags |= IFACE_NO_ARP;
	if (ifname_is_tapped(conf))
		iface.flags |= IFACE_TAPPED;
	if (conf->rx_checksum == CONF_RX_CSUM_TRUST)
		iface.flags |= IFACE_TRUST_CSUM;
	err = inst_add_iface(inst, &iface, &at);
	if (err)
		return err;
	s7_boot.env->dev[at].ops = port_ops(boot->port);
	s7_boot.env->dev[at].dev = boot->port;
	return 0;
}

int boot_ifaces(void)
{
	uint32_t i, k;
	int err;

	for (k = 0; k < s7_boot.inst_count; k++) {
		for (i = 0; i < s7_boot.iface_count; i++) {
			if (k >= s7_boot.iface[i].info.queues)
				continue;
			err = iface_add(s7_arena->inst[k], i);
			if (err) {
				snprintf(s7_boot.why, sizeof(s7_boot.why), "interface %s: %s",
					 s7_boot.conf.iface[i].name, strerrordesc_np(-err));
				return err;
			}
		}
	}
	return 0;
}

/* ---- silence ---- */

/* Its descriptors go up and are protected: the low numbers are the program's. */
static void silencer_protect(struct kern_silencer *s)
{
	int *fds[] = { &s->map_fd, &s->prog_fd, &s->link_fd, &s->beat_fd, &s->drops_fd };
	size_t i;

	for (i = 0; i < S7_ARRAY_LEN(fds); i++)
		if (*fds[i] >= 0)
			*fds[i] = fd_make_internal(*fds[i]);
}

int boot_silencers(void)
{
	uint32_t i;
	int err;

	for (i = 0; i < s7_boot.iface_count; i++) {
		struct boot_iface *iface = &s7_boot.iface[i];

		if (!iface->ifindex || !(iface->info.caps & NETDEV_SHARED))
			continue;
		err = silencer_open(iface->ifindex, &iface->silencer, s7_boot.why,
				    sizeof(s7_boot.why));
		if (err)
			return err;
		silencer_protect(&iface->silencer);
		iface->silenced = true;
	}
	return 0;
}

static int (*const tell_silencer[])(const struct kern_silencer *s, uint8_t proto,
				    const struct s7_ip *ip, uint16_t port) = {
	[OWN_NOT] = silencer_disown,
	[OWN_ALL] = silencer_own,
	[OWN_REST] = silencer_own_rest,
	[OWN_ALL_AGAIN] = silencer_own,
};

void boot_own_port(uint8_t proto, const struct s7_ip *ip, uint16_t port, enum s7_own own)
{
	uint32_t i;
	int err;

	if (own <= OWN_ALL)
		neighbours_own(proto, port, own == OWN_ALL);
	for (i = 0; i < s7_boot.iface_count; i++) {
		const struct boot_iface *iface = &s7_boot.iface[i];

		if (!iface->silenced)
			continue;
		err = tell_silencer[own](&iface->silencer, proto, ip, port);
		if (err)
			shim_log(LOG_WARN, "port %u: the kernel on %s was not told: %s", port,
				 s7_boot.conf.iface[i].name, strerrordesc_np(-err));
	}
}

bool boot_shares(void)
{
	for (uint32_t i = 0; i < s7_boot.iface_count; i++)
		if (s7_boot.iface[i].silenced)
			return true;
	return false;
}

void boot_beat(void)
{
	uint32_t i;

	for (i = 0; i < s7_boot.iface_count; i++)
		if (s7_boot.iface[i].silenced)
			silencer_beat(&s7_boot.iface[i].silencer);
}

void boot_ports_close(void)
{
	bool first = s7_boot.boot_pid == (uint32_t)s7_sys0(SYS_getpid);
	uint32_t i;

	neighbours_close();
	for (i = 0; i < s7_boot.iface_count; i++) {
		struct boot_iface *iface = &s7_boot.iface[i];

		if (iface->silenced)
			silencer_close(&iface->silencer);
		iface->silenced = false;
		/* EAL's heap may not be used by a child: what the port left is removed by the
		 * process that opened it */
		if (first)
			port_close(iface->port);
	}
}
