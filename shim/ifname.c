/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ifname.c - interfaces that only sock7 has, under the names and numbers by which programs ask
 *
 * An interface without a kernel netdev (memif, vhost, virtio_user, ring, null, pci) has the index
 * IFINDEX_OWN and its place in the configuration: known without starting anything. The kernel is
 * asked first, and what it has is its own; where it says ENODEV, the answer is ours. What the
 * configuration does not tell (MAC, MTU, addresses) starts the stack.
 * Context: any thread, no lock held. Defines: if_nametoindex if_indextoname if_nameindex.
 */
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "shim/packet.h"
#include "stack/base/user.h"
#include "stack/ip/ip.h"

#define QUEUE_LEN 1000
#define FLAGS_OF_ALL (IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST)

static const bool has_netdev[CONF_DRV_COUNT] = {
	[CONF_DRV_AF_PACKET] = true,
	[CONF_DRV_AF_XDP] = true,
	[CONF_DRV_TAP] = true,
};

bool ifname_is_tapped(const struct conf_iface *conf)
{
	return !has_netdev[conf->driver] || conf->driver == CONF_DRV_AF_XDP;
}

/* NULL: no configuration, everything is the kernel's. */
static const struct conf *config(void)
{
	return boot_conf() == BOOT_KERNEL ? NULL : boot_config();
}

bool ifname_any_tapped(void)
{
	const struct conf *conf = config();

	if (!conf)
		return false;
	for (uint32_t i = 0; i < conf->iface_count; i++)
		if (ifname_is_tapped(&conf->iface[i]))
			return true;
	return conf->loopback == CONF_LOOPBACK_STACK;
}

const struct conf_iface *ifname_by_name(const char *name, int *ret_index)
{
	const struct conf *conf = config();

	for (uint32_t i = 0; conf && i < conf->iface_count; i++) {
		if (has_netdev[conf->iface[i].driver] ||
		    strncmp(conf->iface[i].name, name, IFNAMSIZ - 1))
			continue;
		*ret_index = (int)(IFINDEX_OWN + i);
		return &conf->iface[i];
	}
	return NULL;
}

const struct conf_iface *ifname_by_index(int index)
{
	const struct conf *conf = config();
	uint32_t i = (uint32_t)index - IFINDEX_OWN;

	if (!conf || i >= conf->iface_count || has_netdev[conf->iface[i].driver])
		return NULL;
	return &conf->iface[i];
}

/* As an interface has it: cut to what fits. */
static void name_put(char to[IFNAMSIZ], const char *name)
{
	size_t len = s7_min(strlen(name), IFNAMSIZ - 1);

	memset(to, 0, IFNAMSIZ);
	memcpy(to, name, len);
}

/* ---- by libc's calls ---- */

S7_EXPORT unsigned int if_nametoindex(const char *name)
{
	int saved = errno, own;
	unsigned int index = real.if_nametoindex(name);

	if (index || errno != ENODEV || s7_inside || !ifname_by_name(name, &own))
		return index;
	errno = saved;
	return (unsigned int)own;
}

S7_EXPORT char *if_indextoname(unsigned int index, char name[IF_NAMESIZE])
{
	const struct conf_iface *conf;
	int saved = errno;
	char *found = real.if_indextoname(index, name);

	if (found || errno != ENXIO || s7_inside)
		return found;
	conf = ifname_by_index((int)index);
	if (!conf)
		return NULL;
	errno = saved;
	name_put(name, conf->name);
	return name;
}

static uint32_t count_own(void)
{
	const struct conf *conf = config();
	uint32_t n = 0;

	for (uint32_t i = 0; conf && i < conf->iface_count; i++)
		n += !has_netdev[conf->iface[i].driver];
	return n;
}

/* libc frees each name, then the array. */
S7_EXPORT struct if_nameindex *if_nameindex(void)
{
	struct if_nameindex *list = real.if_nameindex(), *more;
	uint32_t own = list && !s7_inside ? count_own() : 0, n = 0;

	if (!own)
		return list;
	while (list[n].if_index)
		n++;
	more = realloc(list, (n + own + 1) * sizeof(*list));
	if (!more)
		return list;
	for (uint32_t i = 0; i < boot_config()->iface_count; i++) {
		if (has_netdev[boot_config()->iface[i].driver])
			continue;
		more[n].if_index = IFINDEX_OWN + i;
		more[n].if_name = strdup(boot_config()->iface[i].name);
		n += more[n].if_name != NULL;
	}
	more[n].if_index = 0;
	more[n].if_name = NULL;
	return more;
}

/* ---- by ioctl ---- */

static void put_ip4(struct sockaddr *addr, uint32_t be)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = be };

	memcpy(addr, &in, sizeof(in));
}

static uint32_t mask_of(const struct s7_iface *iface)
{
	uint32_t len = iface->addr[0].prefix_len;

	return len ? htonl(~0u << (32 - len)) : 0;
}

static int answer_index(const struct s7_iface *iface, struct ifreq *ifr)
{
	ifr->ifr_ifindex = iface->ifindex;
	return 0;
}

static int answer_flags(const struct s7_iface *iface, struct ifreq *ifr)
{
	(void)iface;
	ifr->ifr_flags = FLAGS_OF_ALL;
	return 0;
}

static int answer_mtu(const struct s7_iface *iface, struct ifreq *ifr)
{
	ifr->ifr_mtu = (int)iface->mtu;
	return 0;
}

static int answer_hwaddr(const struct s7_iface *iface, struct ifreq *ifr)
{
	memset(&ifr->ifr_hwaddr, 0, sizeof(ifr->ifr_hwaddr));
	ifr->ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr->ifr_hwaddr.sa_data, iface->mac, sizeof(iface->mac));
	return 0;
}

static int answer_addr(const struct s7_iface *iface, struct ifreq *ifr)
{
	if (!iface->addr_count)
		return -EADDRNOTAVAIL;
	put_ip4(&ifr->ifr_addr, ip_v4(&iface->addr[0].ip));
	return 0;
}

static int answer_netmask(const struct s7_iface *iface, struct ifreq *ifr)
{
	if (!iface->addr_count)
		return -EADDRNOTAVAIL;
	put_ip4(&ifr->ifr_netmask, mask_of(iface));
	return 0;
}

static int answer_broadcast(const struct s7_iface *iface, struct ifreq *ifr)
{
	if (!iface->addr_count)
		return -EADDRNOTAVAIL;
	put_ip4(&ifr->ifr_broadaddr, iface->addr[0].prefix_len > 30 ?
					     0 :
					     ip_v4(&iface->addr[0].ip) | ~mask_of(iface));
	return 0;
}

static int answer_metric(const struct s7_iface *iface, struct ifreq *ifr)
{
	(void)iface;
	ifr->ifr_metric = 0;
	return 0;
}

static int answer_queue_len(const struct s7_iface *iface, struct ifreq *ifr)
{
	(void)iface;
	ifr->ifr_qlen = QUEUE_LEN;
	return 0;
}

static int answer_map(const struct s7_iface *iface, struct ifreq *ifr)
{
	(void)iface;
	memset(&ifr->ifr_map, 0, sizeof(ifr->ifr_map));
	return 0;
}

/* What a program asks before it captures: times are software's, the link is up, nothing is cut. */
static int answer_ethtool(const struct s7_iface *iface, struct ifreq *ifr)
{
	struct ethtool_ts_info times = {
		.cmd = ETHTOOL_GET_TS_INFO,
		.so_timestamping = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE,
		.phc_index = -1,
	};
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO, .driver = "sock7" };
	struct ethtool_value value = { 0 };
	void *data = ifr->ifr_data;
	uint32_t cmd;

	(void)iface;
	if (!user_get(&cmd, data, sizeof(cmd)))
		return -EFAULT;
	value.cmd = cmd;
	switch (cmd) {
	case ETHTOOL_GET_TS_INFO:
		return user_put(data, &times, sizeof(times)) ? 0 : -EFAULT;
	case ETHTOOL_GDRVINFO:
		return user_put(data, &driver, sizeof(driver)) ? 0 : -EFAULT;
	case ETHTOOL_GLINK:
		value.data = 1;
		break;
	case ETHTOOL_GTSO:
	case ETHTOOL_GGSO:
	case ETHTOOL_GUFO:
	case ETHTOOL_GGRO:
	case ETHTOOL_GFLAGS:
		break;
	default:
		return -EOPNOTSUPP;
	}
	return user_put(data, &value, sizeof(value)) ? 0 : -EFAULT;
}

static const struct {
	unsigned long request;
	int (*answer)(const struct s7_iface *iface, struct ifreq *ifr);
} rows[] = {
	{ SIOCGIFINDEX, answer_index },	   { SIOCGIFFLAGS, answer_flags },
	{ SIOCGIFMTU, answer_mtu },	   { SIOCGIFHWADDR, answer_hwaddr },
	{ SIOCGIFADDR, answer_addr },	   { SIOCGIFDSTADDR, answer_addr },
	{ SIOCGIFNETMASK, answer_netmask }, { SIOCGIFBRDADDR, answer_broadcast },
	{ SIOCGIFMETRIC, answer_metric },  { SIOCGIFTXQLEN, answer_queue_len },
	{ SIOCGIFMAP, answer_map },	   { SIOCETHTOOL, answer_ethtool },
};

static int answer(unsigned long request, int index, struct ifreq *ifr, void *arg)
{
	struct s7_iface *iface;
	struct s7_inst *inst;
	struct ifreq copy;
	size_t i;
	int err;

	for (i = 0; i < S7_ARRAY_LEN(rows) && rows[i].request != request; i++)
		;
	if (i == S7_ARRAY_LEN(rows) || (!boot_running() && boot_stack()))
		return IFNAME_NOT_OURS;
	inst = boot_inst();
	iface = &inst->iface[index - IFINDEX_OWN + 1];
	copy = *ifr;
	inst_lock(inst, host_now());
	err = rows[i].answer(iface, &copy);
	inst_unlock(inst);
	if (err)
		return err;
	return user_put(arg, &copy, sizeof(copy)) ? 0 : -EFAULT;
}

int ifname_ioctl(unsigned long request, void *arg)
{
	const struct conf_iface *conf;
	struct ifreq ifr;
	int index;

	if (s7_inside || request >> 8 != 0x89 || request == SIOCGIFCONF ||
	    !user_get(&ifr, arg, sizeof(ifr)))
		return IFNAME_NOT_OURS;
	if (request == SIOCGIFNAME) {
		conf = ifname_by_index(ifr.ifr_ifindex);
		if (!conf)
			return IFNAME_NOT_OURS;
		name_put(ifr.ifr_name, conf->name);
		return user_put(arg, &ifr, sizeof(ifr)) ? 0 : -EFAULT;
	}
	ifr.ifr_name[sizeof(ifr.ifr_name) - 1] = 0;
	if (!ifname_by_name(ifr.ifr_name, &index))
		return IFNAME_NOT_OURS;
	if (request == SIOCGIFINDEX) {
		ifr.ifr_ifindex = index;
		return user_put(arg, &ifr, sizeof(ifr)) ? 0 : -EFAULT;
	}
	return answer(request, index, &ifr, arg);
}

/* ---- SIOCGIFCONF: ours behind the kernel's ---- */

void ifname_conf(void *arg, int room)
{
	struct ifconf ifc;
	struct s7_inst *inst;

	if (s7_inside || !count_own() || (!boot_running() && boot_stack()) ||
	    !user_get(&ifc, arg, sizeof(ifc)))
		return;
	inst = boot_inst();
	for (uint32_t i = 1; i < inst->iface_count; i++) {
		const struct s7_iface *iface = &inst->iface[i];
		struct ifreq ifr = { 0 };

		if (iface->ifindex < IFINDEX_OWN || !ifname_by_index(iface->ifindex))
			continue;
		name_put(ifr.ifr_name, iface->name);
		if (answer_addr(iface, &ifr))
			continue;
		if (ifc.ifc_buf) {
			if (room - ifc.ifc_len < (int)sizeof(ifr))
				break;
			if (!user_put(ifc.ifc_buf + ifc.ifc_len, &ifr, sizeof(ifr)))
				return;
		}
		ifc.ifc_len += (int)sizeof(ifr);
	}
	user_put(arg, &ifc, sizeof(ifc));
}
